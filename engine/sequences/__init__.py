"""Rows over sequences: operations with any number of inputs, and with several results."""
