"""The API reference, made of the docstrings: `python -m docs`."""
