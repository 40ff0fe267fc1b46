"""Checks of arguments: each returns what was meant, or names the fault and the remedy."""

import math
import os
import sys
from collections.abc import Iterable
from numbers import Complex, Integral, Real
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def numpy_type(name: str, module: str = "numpy") -> tuple[Any, ...]:
    """Return a type of NumPy in a tuple, which is empty while that module of it is not loaded."""
    found = sys.modules.get(module)
    return () if found is None else (getattr(found, name),)


def is_bool(x: Any) -> bool:
    """Return whether `x` is a bool, of Python or NumPy."""
    return isinstance(x, (bool, *numpy_type("bool_")))


def is_bool_or_duration(x: Any) -> bool:
    """Return whether `x` counts as an integer in Python or NumPy without being meant as one."""
    return isinstance(x, (bool, *numpy_type("timedelta64")))


def is_node(x: Any) -> bool:
    """Return whether `x` is a node of a graph."""
    return hasattr(x, "_dx") and hasattr(x, "inputs")


UNORDERED = (str, bytes, dict, set, frozenset)  # what has other elements than it seems, or no order


def sequence(xs: Any, takes: str = "a sequence of Values is taken here") -> Iterable[Any]:
    """`xs`, if it has elements in an order; TypeError that says what to write for anything else.

    A dict would give its keys, a string its letters.
    """
    if type(xs) is list or type(xs) is tuple:
        return xs
    several = hasattr(xs, "__iter__") and getattr(xs, "ndim", 1) > 0
    if is_node(xs) or isinstance(xs, (type, *UNORDERED)) or not several:
        remedy = "write [x]" if is_node(xs) else f"write [{xs!r}]"
        if xs is None:
            remedy = "does the function that made it return its result?"
        elif isinstance(xs, UNORDERED) or (several and not is_node(xs)):
            remedy = "write them in a list"
        raise TypeError(f"{takes}, got {xs!r}; {remedy}")
    return xs


def whole(name: str, x: Any, least: int = 1) -> int:
    """`x` as an int of at least `least`; ValueError that names it for anything else."""
    is_whole = isinstance(x, Integral) and not is_bool_or_duration(x)
    if is_whole and int(x) >= least:
        return int(x)
    raise ValueError(f"{name} must be a whole number, {least} or more, got {x!r}")


def is_real(x: Any) -> bool:
    """Whether `x` is a number, which True and durations are not where numbers are meant."""
    return isinstance(x, Real) and not is_bool_or_duration(x)


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
    if is_bool(x) or (isinstance(x, Integral) and 0 <= int(x) <= 1):
        return bool(x)
    raise TypeError(f"{name} is True or False, got {x!r}")


def file(name: str, path: Any) -> "Path":
    """`path` as a Path; TypeError that names it for what is not a path."""
    from pathlib import Path

    given = path.__fspath__() if isinstance(path, os.PathLike) else path
    if isinstance(given, str):
        return Path(path)
    raise TypeError(f"{name} is a path, a str or a pathlib.Path, got {path!r}")


def file_to_write(what: str, path: Any, suffixes: Iterable[str], remedy: str = "") -> "Path":
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


# ----------------------------------------------------------------------------- numbers of Values


def real(x: Any) -> float:
    """Return a real number as a float; raise TypeError that says how to convert anything else."""
    array = isinstance(x, numpy_type("ndarray")) and x.ndim == 0 and x.dtype.kind in "fiub"
    duration = isinstance(x, numpy_type("timedelta64"))
    if array or ((isinstance(x, Real) or is_bool(x)) and not duration):
        try:
            return float(x)
        except OverflowError:
            return math.inf if x >= 0 else -math.inf
    raise TypeError(f"a Value holds one real number, got {described(x)}")


def described(x: Any) -> str:
    """Return words for an object in place of a number, with the remedy."""
    if isinstance(x, str):
        return f"the string {x!r}; convert it first: float({x!r})"
    if x is None:
        return "None; does the function that made it return its result?"
    if isinstance(x, Complex):
        return f"the complex number {x!r}; take its .real or .imag"
    if isinstance(x, numpy_type("ndarray")):
        return f"an array of shape {x.shape}; use Array, or make one Value per element"
    if isinstance(x, list | tuple | dict | set):
        return f"a {type(x).__name__} of {len(x)}; make one Value per element"
    if is_node(x):
        return f"{x!r}, which is a node already; its number is .data"
    return f"{x!r} of type {type(x).__name__}; convert it with float() first"
