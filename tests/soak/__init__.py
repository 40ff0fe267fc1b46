"""What takes too long for every change: `make soak`. Short runs of it are in tests/test_soak.py."""
