"""Checks of arguments: each returns what was meant, or names the fault and the remedy."""

import math
import os
from collections.abc import Iterable
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np

from engine.node import Node

UNORDERED = (str, bytes, dict, set, frozenset)  # what has other elements than it seems, or no order


def sequence(xs: Any, takes: str = "a sequence of Values is taken here") -> Iterable[Any]:
    """`xs`, if it has elements in an order; TypeError that says what to write for anything else.

    A dict would give its keys, a string its letters.
    """
    if type(xs) is list or type(xs) is tuple:
        return xs
    several = hasattr(xs, "__iter__") and getattr(xs, "ndim", 1) > 0
    if isinstance(xs, (Node, type, *UNORDERED)) or not several:
        remedy = "write [x]" if isinstance(xs, Node) else f"write [{xs!r}]"
        if xs is None:
            remedy = "does the function that made it return its result?"
        elif isinstance(xs, UNORDERED) or (several and not isinstance(xs, Node)):
            remedy = "write them in a list"
        raise TypeError(f"{takes}, got {xs!r}; {remedy}")
    return xs


def whole(name: str, x: Any, least: int = 1) -> int:
    """`x` as an int of at least `least`; ValueError that names it for anything else."""
    is_whole = isinstance(x, Integral) and not isinstance(x, bool | np.timedelta64)
    if is_whole and int(x) >= least:
        return int(x)
    raise ValueError(f"{name} must be a whole number, {least} or more, got {x!r}")


def is_real(x: Any) -> bool:
    """Whether `x` is a number, which True and durations are not where numbers are meant."""
    return isinstance(x, Real) and not isinstance(x, bool | np.timedelta64)


def within(name: str, x: Any, below: float = math.inf, most: float | None = None) -> float:
    """`x` as a float in [0, below) or [0, most]; ValueError that names it for anything else."""
    value = float(x) if is_real(x) else math.nan
    if value >= 0.0 and (value < below if most is None else value <= most):
        return value
    upper = f"{below})" if most is None else f"{most}]"
    raise ValueError(f"{name} must be a number in [0, {upper}, got {x!r}")


def positive(name: str, x: Any) -> float:
    """`x` as a float in (0, inf); ValueError that names it for anything else."""
    if is_real(x) and 0.0 < (value := float(x)) < math.inf:
        return value
    raise ValueError(f"{name} must be a positive, finite number, got {x!r}")


def finite(name: str, x: Any) -> float:
    """`x` as a float that is neither inf nor nan; ValueError that names it for anything else."""
    if is_real(x) and math.isfinite(float(x)):
        return float(x)
    raise ValueError(f"{name} must be a finite number, got {x!r}")


def flag(name: str, x: Any) -> bool:
    """`x` as True or False, also of 1 or 0; TypeError that names it for a word such as "no"."""
    if isinstance(x, bool | np.bool_) or (isinstance(x, Integral) and 0 <= int(x) <= 1):
        return bool(x)
    raise TypeError(f"{name} is True or False, got {x!r}")


def file(name: str, path: Any) -> Path:
    """`path` as a Path; TypeError that names it for what is not a path."""
    given = path.__fspath__() if isinstance(path, os.PathLike) else path
    if isinstance(given, str):
        return Path(path)
    raise TypeError(f"{name} is a path, a str or a pathlib.Path, got {path!r}")


def file_to_write(what: str, path: Any, suffixes: Iterable[str], remedy: str = "") -> Path:
    """The path of a file to be written, with one of these suffixes, in a folder that there is.

    TypeError, ValueError, FileNotFoundError or IsADirectoryError, that say what to do.
    """
    place = file(f"what {what} is saved as", path)
    if place.suffix.lower() not in suffixes:
        raise ValueError(f"{what} is saved as {', '.join(suffixes)}, got {str(path)!r}{remedy}")
    if not place.parent.is_dir():
        raise FileNotFoundError(f"no folder {place.parent} to save {place.name} in; make it first")
    if place.is_dir():
        raise IsADirectoryError(f"{place} is a folder; give the name of a file")
    return place
