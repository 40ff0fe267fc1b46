"""Mathematics for NumPy arrays, under the names that rows use: what `engine.floats` is for floats.

A space for each dtype, so that what a row makes of its own constants has the dtype of its inputs.

    >>> from engine.ops import RELU
    >>> over_arrays(RELU, np.dtype(np.float32)).partials[0](None, np.float32([-1.0, 2.0]))
    array([0., 1.], dtype=float32)
"""

import math
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import numpy as np

from engine import floats
from engine.ops import Op
from engine.readers import over

UFUNCS: dict[str, Any] = {
    **{name: getattr(np, name) for name in floats.__all__ if hasattr(np, name)},
    **{f"a{f}": getattr(np, f"arc{f}") for f in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    "atan2": np.arctan2,
}


CHOICES = [(0.0, 1.0), (1.0, 0.0)]  # a slope that is there, or not


@cache
def space(dtype: np.dtype) -> dict[str, Any]:
    """What a row's names mean for arrays of that dtype."""

    bits = np.dtype(f"i{dtype.itemsize}")

    def where(condition: Any, x: Any, y: Any) -> Any:
        holds = np.asarray(condition, bool)
        if type(x) is type(y) is float and (x, y) in CHOICES:
            return (holds if x else ~holds).astype(dtype)
        x, y = np.asarray(x, dtype), np.asarray(y, dtype)
        if holds.size < 4096:
            return np.where(holds, x, y)
        # np.where branches at each element and guesses half of them wrong; bits need no branch.
        chosen = np.negative(holds.view(np.int8)).astype(bits)  # all bits set where it holds
        x, y = x.view(bits), y.view(bits)
        return (((x ^ y) & chosen) ^ y).view(dtype)

    def by_element(f: Callable[[float], float]) -> Callable[[Any], Any]:
        # NumPy has none of these; Python's are exact, at some 60 ns an element.
        ufunc = np.frompyfunc(f, 1, 1)
        return lambda x: np.asarray(ufunc(x), dtype)

    return {**UFUNCS, "where": where, "erf": by_element(math.erf), "erfc": by_element(math.erfc)}


@lru_cache(maxsize=1024)  # a user's rows are let go of
def over_arrays(op: Op, dtype: np.dtype) -> Any:
    """A row, of `engine.ops` or of `engine.array_ops`, read on arrays of that dtype."""
    return over(op, space(dtype))
