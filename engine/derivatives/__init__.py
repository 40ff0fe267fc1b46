"""Derivatives as functions (`grad`, `jvp`, ...), and a check against numerical slopes."""
