"""Runnable demos, one per file; `python -m demos` lists them."""
