"""Runnable stories, one a file; `python -m demos` lists them."""
