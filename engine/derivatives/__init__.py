"""Derivatives of functions (`grad`, `hessian`, ...), and their check against numerical slopes."""
