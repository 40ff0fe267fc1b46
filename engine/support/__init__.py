"""Helpers that all folders share: checks of arguments, frames, copies, lazy imports, threads."""
