"""Tests that public functions reject bad arguments, with the thing, the value and the remedy."""
