"""Mathematics for floats that answers as IEEE 754 does: inf and nan, never an exception.

Python's `math` is accurate and fast but raises where a formula overflows, divides by zero or
leaves the real numbers. There these functions answer what NumPy answers, by asking NumPy, so that
scalars and arrays agree.

    >>> exp(1000.0), log(0.0), divide(1.0, 0.0), power(-8.0, 1 / 3)
    (inf, -inf, inf, nan)
"""

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = [  # what a reader's own arithmetic has to supply
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "cos", "cosh", "divide",
    "erf", "erfc", "exp", "exp2", "expm1", "hypot", "log", "log1p", "log2", "log10", "power",
    "sin", "sinh", "sqrt", "tan", "tanh", "where",
]  # fmt: skip


def ieee(f: Callable[..., float], numpys: Callable[..., Any]) -> Callable[..., float]:
    """`f`, except that NumPy's function answers where Python raises."""

    def g(*args: float) -> float:
        try:
            return f(*args)
        except (ArithmeticError, ValueError):
            with np.errstate(all="ignore"):
                return float(numpys(*map(np.float64, args)))

    g.__name__ = f.__name__
    return g


exp = ieee(math.exp, np.exp)
exp2 = ieee(math.exp2, np.exp2)
expm1 = ieee(math.expm1, np.expm1)
log = ieee(math.log, np.log)
log2 = ieee(math.log2, np.log2)
log10 = ieee(math.log10, np.log10)
log1p = ieee(math.log1p, np.log1p)
sqrt = ieee(math.sqrt, np.sqrt)
sin = ieee(math.sin, np.sin)
cos = ieee(math.cos, np.cos)
tan = ieee(math.tan, np.tan)
asin = ieee(math.asin, np.arcsin)
acos = ieee(math.acos, np.arccos)
sinh = ieee(math.sinh, np.sinh)
cosh = ieee(math.cosh, np.cosh)
acosh = ieee(math.acosh, np.arccosh)
atanh = ieee(math.atanh, np.arctanh)
power = ieee(math.pow, np.power)
divide = ieee(operator.truediv, np.divide)


def hypot(x: float, y: float) -> float:
    """The C library's, which compiled code calls too: Python's may differ in the last bit."""
    with np.errstate(all="ignore"):
        return float(np.hypot(x, y))


# These never raise.
cbrt, atan, atan2, tanh, asinh = math.cbrt, math.atan, math.atan2, math.tanh, math.asinh
erf, erfc = math.erf, math.erfc


def where(condition: Any, x: Any, y: Any) -> Any:
    """x where the condition holds, else y; both are already computed, as for arrays."""
    return x if condition else y
