"""The steps of both passes, as data."""
