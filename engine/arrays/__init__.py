"""Arrays: nodes that hold NumPy arrays, their operations, and update rules that run in place."""
