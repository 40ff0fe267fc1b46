"""Arrays in drawings and in steps."""
