"""Notebooks that teach backpropagation; `python -m notebooks` runs them."""
