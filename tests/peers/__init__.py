"""Other libraries as judges: `make test-peers`."""
