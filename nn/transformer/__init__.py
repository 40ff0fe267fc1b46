"""Transformers, one scalar at a time (`scalar`) and in Arrays (`vector`): the same layers."""
