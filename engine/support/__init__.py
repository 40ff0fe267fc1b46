"""Checks of arguments, copies, lazy imports and threads, which the other folders share."""
