"""Checks of the numbers that are given as arguments: each returns its float, or names the fault."""

import math
from numbers import Real
from typing import Any


def within(name: str, x: Any, below: float = math.inf) -> float:
    """`x` as a float in [0, below); ValueError that names it for anything else."""
    if isinstance(x, Real) and 0.0 <= (value := float(x)) < below:
        return value
    raise ValueError(f"{name} must be a number in [0, {below}), got {x!r}")


def positive(name: str, x: Any) -> float:
    """`x` as a float in (0, inf); ValueError that names it for anything else."""
    if isinstance(x, Real) and 0.0 < (value := float(x)) < math.inf:
        return value
    raise ValueError(f"{name} must be a positive, finite number, got {x!r}")
