"""Mathematical functions that dispatch on the types of their arguments.

The rows of the rule table call `exp`, `where`, `divide`, ... For floats these functions follow
IEEE 754: they return inf and nan where Python raises an exception. For any other type they call the
functions that are registered for it: NumPy arrays, nodes of a graph, slots of a program, symbols of
a formula.

    >>> exp(1000.0), log(0.0), divide(1.0, 0.0), power(-8.0, 1 / 3)
    (inf, -inf, inf, nan)
    >>> import numpy as np
    >>> exp(np.array([0.0, 1.0]))
    array([1.        , 2.71828183])
"""

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from importlib import import_module
from math import copysign, inf, nan
from typing import Any, NamedTuple

__all__ = [  # the functions that every arithmetic supplies
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "cos", "cosh", "divide",
    "erf", "erfc", "exp", "exp2", "expm1", "floor", "floor_divide", "hypot", "log", "log1p", "log2",
    "log10", "mod", "power", "rint", "sin", "sinh", "sqrt", "tan", "tanh", "where",
]  # fmt: skip

# ------------------------------------------------------------------------------- which arithmetic


class Arithmetic(NamedTuple):
    """The functions for one type of argument. Among mixed arguments the highest rank wins."""

    functions: Mapping[str, Callable[..., Any]]
    rank: float


class Arithmetics(dict[type, Arithmetic | None]):
    """The arithmetic of each type, inherited from its bases; None for Python numbers."""

    def __missing__(self, kind: type) -> Arithmetic | None:
        if not NUMPY and any(base.__module__ == "numpy" for base in kind.__mro__):
            import_module("engine.arrays.arithmetic")  # registers the types of NumPy
        inherited = [self.get(base) for base in kind.__mro__]
        self[kind] = next(filter(None, inherited), None)
        return self[kind]


KNOWN = Arithmetics()
NUMPY: list[type] = []  # NumPy's types, once they are registered


def register(kind: type, functions: Mapping[str, Callable[..., Any]], *, rank: float = 2) -> None:
    """Define the functions of this module for arguments of type `kind`.

    `functions` maps names to functions: all names in `__all__`, and optionally names of
    `dispatched` functions, such as `sigmoid` in `engine.formulas`.

    >>> class Text(str): ...
    >>> register(Text, {"exp": "e^{}".format})
    >>> exp(Text("x"))
    'e^x'
    """
    KNOWN[kind] = Arithmetic(functions, rank)
    for other in list(KNOWN):
        if kind in other.__mro__[1:] and other not in NUMPY:
            KNOWN.pop(other, None)  # its cached arithmetic may come from another base


def find_arithmetic(args: Iterable[Any]) -> Arithmetic | None:
    """Return the arithmetic of highest rank among the arguments and the elements of lists."""
    highest = None
    for x in args:
        kind = type(x)
        if kind is float:
            continue
        other = find_arithmetic(x) if kind is list or kind is tuple else KNOWN[kind]
        if other is not None and (highest is None or other.rank > highest.rank):
            highest = other
    return highest


def dispatched(f: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function dispatch on its arguments, by its name.

    The function itself is called for floats and for every arithmetic that does not register its
    name.
    """
    name = f.__name__

    @wraps(f)
    def g(*args: Any, **settings: Any) -> Any:
        if (known := find_arithmetic(args)) is not None and name in known.functions:
            return known.functions[name](*args, **settings)
        return f(*args, **settings)

    return g


def primitive(f: Callable[..., float]) -> Callable[..., Any]:
    """Make a function of floats dispatch on its arguments; raise TypeError for unknown types."""
    name = f.__name__

    def g(*args: Any) -> Any:
        if (known := find_arithmetic(args)) is None:
            return f(*args)
        if name not in known.functions:
            kinds = " and ".join(type(x).__name__ for x in args)
            raise TypeError(f"{name} is not defined for {kinds}")
        return known.functions[name](*args)

    FLOATS[name] = f
    return wraps(f)(g)


FLOATS: dict[str, Callable[..., float]] = {}  # the functions for floats, without dispatch

# -------------------------------------------------------------------------------- floats, IEEE 754


def extend(f: Callable[[float], float], limit: Callable[[float], float]) -> Callable[..., Any]:
    """Return a version of a `math` function that returns `limit(x)` where Python raises."""

    def on_floats(x: float) -> float:
        try:
            return f(x)
        except (OverflowError, ValueError):
            return limit(x)

    def g(x: Any) -> Any:
        if type(x) is not float:
            return general(x)
        try:
            return f(x)
        except (OverflowError, ValueError):
            return limit(x)

    on_floats.__name__ = g.__name__ = g.__qualname__ = f.__name__
    general = primitive(on_floats)
    return g


infinite, invalid = (lambda x: inf), (lambda x: nan)
exp, exp2, expm1 = (extend(f, infinite) for f in (math.exp, math.exp2, math.expm1))
log, log2, log10 = (
    extend(f, lambda x: -inf if x == 0.0 else nan) for f in (math.log, math.log2, math.log10)
)
log1p = extend(math.log1p, lambda x: -inf if x == -1.0 else nan)
sqrt, cbrt = extend(math.sqrt, invalid), extend(math.cbrt, invalid)
sin, cos, tan = (extend(f, invalid) for f in (math.sin, math.cos, math.tan))
asin, acos, atan = (extend(f, invalid) for f in (math.asin, math.acos, math.atan))
sinh = extend(math.sinh, lambda x: copysign(inf, x))
cosh, tanh = extend(math.cosh, infinite), extend(math.tanh, invalid)
asinh, acosh = extend(math.asinh, invalid), extend(math.acosh, invalid)
atanh = extend(math.atanh, lambda x: copysign(inf, x) if abs(x) == 1.0 else nan)
erf, erfc = extend(math.erf, invalid), extend(math.erfc, invalid)
atan2 = primitive(math.atan2)


@primitive
def power(x: float, y: float) -> float:
    """Return x ** y; nan for a negative x and a y that is not an integer."""
    try:
        return math.pow(x, y)
    except (OverflowError, ValueError):
        if x < 0.0 and y != math.floor(y):
            return nan
        return copysign(inf, x) if y % 2.0 == 1.0 else inf


@primitive
def divide(x: float, y: float) -> float:
    """Return x / y; inf or -inf for a division by zero, and nan for 0 / 0."""
    try:
        return operator.truediv(x, y)
    except ZeroDivisionError:
        return copysign(inf, x) * copysign(1.0, y) if x < 0.0 or x > 0.0 else nan


@primitive
def mod(x: float, y: float) -> float:
    """Return x - y * floor(x / y) without cancellation, with the sign of y; nan for y = 0."""
    return x % y if y else nan


@primitive
def floor_divide(x: float, y: float) -> float:
    """Return floor(x / y), computed from the exact quotient."""
    return x // y if y else divide(x, y)


@primitive
def floor(x: float) -> float:
    return copysign(math.floor(x), x) if abs(x) < inf else x


@primitive
def rint(x: float) -> float:
    """Return the nearest integer; of two, the even one."""
    return copysign(round(x), x) if abs(x) < inf else x


@primitive
def hypot(x: float, y: float) -> float:
    """Return √(x² + y²) as the C library computes it; math.hypot rounds differently."""
    try:
        return abs(complex(x, y))
    except OverflowError:  # also raised for nan if the C library's errno reports an overflow
        return nan if x != x or y != y else inf


@primitive
def where(condition: Any, x: Any, y: Any) -> Any:
    """Return x if the condition holds, else y."""
    return x if condition else y
