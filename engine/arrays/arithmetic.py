"""The arithmetic of NumPy arrays and scalars, registered when one first occurs as an argument."""

import math
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import numpy as np

from engine.arithmetic import KNOWN, NUMPY, register
from engine.arithmetic import __all__ as names

# The dtype of results that are computed from Python numbers alone, as in where(x > 0.0, 1.0, 0.0).
# `run` sets it to the dtype of the arrays.
DTYPE: ContextVar[Any] = ContextVar("dtype", default=float)


def run(f: Callable[..., Any], dtype: Any, /, *args: Any, **settings: Any) -> Any:
    """Call a function of a row on arrays of a dtype."""
    token = DTYPE.set(dtype)
    try:
        return f(*args, **settings)
    finally:
        DTYPE.reset(token)


def where(condition: Any, x: Any, y: Any) -> Any:
    """Return `np.where(condition, x, y)` in the dtype of x and y; faster for large arrays."""
    mask = np.asarray(condition, bool)
    if type(x) is type(y) is float:
        dtype = np.dtype(DTYPE.get())
        if {x, y} == {0.0, 1.0} and math.copysign(1.0, x) == math.copysign(1.0, y):
            return (mask if x else ~mask).astype(dtype)
    else:
        dtype = np.result_type(x, y)
    x, y = np.asarray(x, dtype), np.asarray(y, dtype)
    if mask.size < 4096 or dtype.itemsize > 8:
        return np.where(mask, x, y)
    # np.where branches at each element and mispredicts half of them; a bit mask needs no branch.
    integer = np.dtype(f"i{dtype.itemsize}")
    bits = np.negative(mask.view(np.int8)).astype(integer)  # all bits set where the mask is True
    x, y = x.view(integer), y.view(integer)
    return (((x ^ y) & bits) ^ y).view(dtype)


def vectorize(f: Callable[[float], float]) -> Callable[[Any], Any]:
    """Vectorize a function that NumPy lacks, in the dtype of its argument; 60 ns per element."""
    ufunc = np.frompyfunc(f, 1, 1)
    dtype = lambda x: x.dtype if x.dtype.kind == "f" else np.dtype(float)
    return lambda x: np.asarray(ufunc(x), dtype(x))[()]


ARCS = {f"a{f}": f"arc{f}" for f in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "tan2")}
FUNCTIONS: dict[str, Any] = {
    **{name: getattr(np, ARCS.get(name, name), None) for name in names},
    **{"where": where, "erf": vectorize(math.erf), "erfc": vectorize(math.erfc)},
    "quotient_slope": lambda out, x, y: out / y,  # saves one dispatch
}
NUMPY[:] = np.ndarray, np.generic
for kind in NUMPY:
    if kind not in KNOWN:  # unless the user has registered it
        register(kind, FUNCTIONS, rank=1)
