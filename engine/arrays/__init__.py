"""Arrays: nodes that hold NumPy arrays, their operations, and recorded functions in place."""
