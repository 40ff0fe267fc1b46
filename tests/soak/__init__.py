"""Tests that take too long for every change: `make soak`. tests/test_soak.py runs them briefly."""
