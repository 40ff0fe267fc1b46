"""The pictures of the demos, one file for each demo that draws one with Matplotlib."""
