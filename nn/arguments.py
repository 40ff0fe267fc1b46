"""Checks of arguments: each returns what was meant, or names the fault and the remedy."""

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, TypeVar

T = TypeVar("T")


def within(name: str, x: Any, below: float = math.inf, most: float | None = None) -> float:
    """`x` as a float in [0, below) or [0, most]; ValueError that names it for anything else."""
    value = float(x) if isinstance(x, Real) else math.nan
    if value >= 0.0 and (value < below if most is None else value <= most):
        return value
    upper = f"{below})" if most is None else f"{most}]"
    raise ValueError(f"{name} must be a number in [0, {upper}, got {x!r}")


def positive(name: str, x: Any) -> float:
    """`x` as a float in (0, inf); ValueError that names it for anything else."""
    if isinstance(x, Real) and 0.0 < (value := float(x)) < math.inf:
        return value
    raise ValueError(f"{name} must be a positive, finite number, got {x!r}")


def whole(name: str, x: Any, least: int = 1) -> int:
    """`x` as an int of at least `least`; ValueError that names it for anything else."""
    if isinstance(x, Integral) and not isinstance(x, bool) and int(x) >= least:
        return int(x)
    raise ValueError(f"{name} must be a whole number, {least} or more, got {x!r}")


def function(name: str, f: Any, example: str) -> Any:
    """`f`, a function or None; TypeError that shows an example for anything else."""
    if f is None or callable(f):
        return f
    raise TypeError(f"{name} is a function such as {example}, got {f!r}")


def lookup(kind: str, table: Mapping[str, T], name: Any) -> T:
    """The entry of that name; ValueError that lists the known ones for any other."""
    if isinstance(name, str) and name in table:
        return table[name]
    raise ValueError(f"no {kind} {name!r}; there are {', '.join(table)}")
