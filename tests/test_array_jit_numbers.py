"""`jit` of Arrays detects conversions of numbers to integers, strings and hashes, and by C functions.

Each function of a number is called with several numbers in turn. Each call returns what eager code
returns, bit for bit and in its dtype, or raises an error with the user's call and a remedy.
"""

import bisect
import cmath
import copy
import datetime
import fractions
import json
import math
import operator
import pickle
import re
import statistics
import struct
from decimal import Decimal

import numpy as np
import pytest

from engine import Array, jit
from engine.arithmetic import exp, power, where
from test_array_jit import WAYS, choose_way, recordings

NUMBERS = [0.5, 1.5, 0.5, 2.25, 1.0]
KINDS = {  # the number as an argument, and how the function finds it there
    "float": (float, lambda x: x),
    "float64": (np.float64, lambda x: x),
    "float32": (np.float32, lambda x: x),
    "sum": (lambda x: np.array([x / 2, x / 2]), np.sum),
    "float32 sum": (lambda x: np.array([x / 2, x / 2], np.float32), lambda x: x.sum()),
    "array": (np.array, lambda x: x),
    "data": (lambda x: Array([x]), lambda x: (x * 1.0).sum().data),
}


class Pair:
    """Two numbers with operators of their own."""

    __array_ufunc__ = None

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __rmul__(self, other):
        return Pair(other * self.x, other * self.y)

    def __add__(self, other):
        return Pair(self.x + other.x, self.y + other.y)

    def total(self):
        return self.x + self.y


TABLE = {0.5: 1.0, 1.5: 10.0}


def attempt(f):
    """Return the result of a function, or a number for its error."""
    try:
        return f()
    except (ArithmeticError, ValueError, TypeError, LookupError) as problem:
        return float(len(type(problem).__name__))


def match(x):
    match x:
        case 1.5:
            return 3.0
        case float():
            return 2.0
        case _:
            return 4.0


def increase(x):
    y = x
    x += 1.0
    x *= y
    return x + y


def unpickle(x):
    return pickle.loads(pickle.dumps(x))


def fill(x):
    a = np.zeros(2)
    a.fill(x)
    return a.sum()


def assign(x):
    a = np.zeros(2)
    a[0] = x
    return a.sum()


CONVERSIONS = {
    # text
    "str": lambda x: float(str(x)),
    "repr": lambda x: float(repr(x).strip("arynp.flot6432()")),
    "ascii": lambda x: len(ascii(x)),
    "f-string": lambda x: float(f"{x}"),
    "format": lambda x: float(f"{x:.2f}"),
    "str.format": lambda x: float("{:g}".format(x)),  # noqa: UP032
    "%g": lambda x: float("%g" % x),  # noqa: UP031
    "%d": lambda x: float("%d" % x),  # noqa: UP031
    "%s": lambda x: float("%s" % x),  # noqa: UP031
    "length": lambda x: len(str(x * 1000.0)),
    "text of an array": lambda x: float(np.array2string(x * np.ones(1))[1:-1]),
    # hashes and comparisons
    "get": lambda x: TABLE.get(x, 99.0),
    "[]": lambda x: attempt(lambda: TABLE[x]),
    "in set": lambda x: 1.0 + (x in {1.5}),
    "in list": lambda x: 1.0 + (x in [1.5]),
    "index in list": lambda x: [0.5, 1.5, 2.25, 1.0].index(x) + 1.0,
    "set": lambda x: len({x, 0.5}),
    "key": lambda x: sum({x: 1.0, 0.5: 3.0}.values()),
    "hash": lambda x: hash(x) % 1000 + 1.0,
    "==": lambda x: 1.0 + (x == 1.5),
    "None": lambda x: 1.0 + (x is None) + (x == None),  # noqa: E711
    "chain": lambda x: 1.0 + (0.7 < x < 2.0),
    "match": match,
    "max": lambda x: max(x, 1.0),
    "sorted": lambda x: sorted([x, 1.0])[0] * x,
    "bisect": lambda x: bisect.bisect([0.7, 2.0], x) + 1.0,
    "isinstance": lambda x: 1.0 + isinstance(x, float) + isinstance(x, np.ndarray),
    # integers
    "divmod": lambda x: divmod(x, 0.4)[1] + divmod(4.0, x)[1],
    "int": lambda x: int(x) + 1.0,
    "bool": lambda x: 1.0 + bool(x - 0.5),
    "index": lambda x: attempt(lambda: [1.0, 2.0][operator.index(x)]),
    "round": lambda x: attempt(lambda: round(x)),
    "round digits": lambda x: attempt(lambda: round(x, 1)),
    "trunc": lambda x: attempt(lambda: math.trunc(x) + 1.0),
    "floor": lambda x: math.floor(x) + 1.0,
    "ceil": lambda x: math.ceil(x),
    "range": lambda x: sum(range(int(x * 4.0))) + 1.0,
    # other numbers
    "float": lambda x: float(x),
    "complex": lambda x: complex(x).real,
    "Fraction": lambda x: float(attempt(lambda: fractions.Fraction(x))),
    "Decimal": lambda x: float(Decimal(x)),
    "add a Fraction": lambda x: x + fractions.Fraction(1, 2),
    "timedelta": lambda x: (datetime.timedelta(seconds=1.0) * x).total_seconds(),
    "json": lambda x: float(json.dumps(x)),
    "pickle": lambda x: unpickle(x),
    "pickle in a list": lambda x: unpickle([x])[0],
    "copy": lambda x: copy.copy(x) * copy.deepcopy([x])[0],
    "struct": lambda x: struct.unpack("d", struct.pack("d", x))[0],
    "class": lambda x: type(x)(2.0) * x,
    # methods of floats
    "real": lambda x: x.real,
    "conjugate": lambda x: x.conjugate(),
    "hex": lambda x: float.fromhex(x.hex()),
    "is_integer": lambda x: 1.0 + x.is_integer(),
    "as_integer_ratio": lambda x: x.as_integer_ratio()[0] + 0.5,
    "float.hex": lambda x: float.fromhex(float.hex(x)),
    "float.__add__": lambda x: float.__add__(x, 1.0),
    "item": lambda x: x.item(),
    "no such method": lambda x: x.no_such_method(),
    # the C library, and the standard library
    "sin": lambda x: math.sin(x),
    "hypot": lambda x: math.hypot(x, 1.0),
    "fsum": lambda x: math.fsum([x, x]),
    "isfinite": lambda x: 1.0 + math.isfinite(x),
    "isclose": lambda x: 1.0 + math.isclose(x, 1.5),
    "frexp": lambda x: math.frexp(x)[0],
    "prod": lambda x: math.prod([x, 3.0]),
    "cmath": lambda x: cmath.exp(x).real,
    "median": lambda x: statistics.median([x, 1.0, 2.0]),
    "mean": lambda x: statistics.mean([x, 1.0, 2.0]),
    # NumPy
    "np.float64": lambda x: np.float64(x),
    "np.float32": lambda x: np.float32(x),
    "np.array": lambda x: np.array([x, 1.0]).sum(),
    "np.full": lambda x: np.full(2, x).sum(),
    "np.arange": lambda x: np.arange(0.0, x, 0.25).sum() + 1.0,
    "Array": lambda x: Array([x, 2.0]).sum(),
    "format of an Array": lambda x: float(f"{Array(x) * 2.0:.1f}"),
    "a.fill": fill,
    "a[0] =": assign,
}
ARITHMETIC = {  # computed in each replay of one recording
    "add": lambda x: x + 1.0,
    "subtract": lambda x: 3.0 - x,
    "divide": lambda x: (1.0 / x) / 3.0,
    "//": lambda x: x // 0.4 + 4.0 // x,
    "%": lambda x: x % 0.4 + 4.0 % x,
    "**": lambda x: x**3.3,
    "** of a number": lambda x: 1.7**x,
    "pow": lambda x: pow(x, 3),
    "abs": lambda x: abs(-x) + +x,
    "+=": increase,
    "count": lambda x: (x > 0.7) + (x > 2.0) + 1.0,
    "sum": lambda x: sum([x, 1.0, x]),
    "np.exp": lambda x: np.exp(x),
    "own class": lambda x: (x * Pair(1.5, 2.5) + Pair(x, 1.0)).total(),
    "np.add": lambda x: np.add(x, 1.0) * 2.0,
    "np.where": lambda x: np.where(x > 1.0, 3.0, x),
    "np.clip": lambda x: np.clip(x, 0.7, 2.0),
    "np.linspace": lambda x: np.linspace(0.0, x, 3).sum(),
    "np.float64 as an operand": lambda x: np.float64(1.7) * x,
    "exp": lambda x: exp(x),
    "power": lambda x: power(x, 3.3),
    "where": lambda x: where(x > 1.0, x, 3.0),
    "an array": lambda x: (np.arange(3.0) * x).sum() + 1.0,
}


def results(f, calls):
    """Return the bits of each result and gradient, or the error of a call."""
    outcomes = []
    for w, args in calls:
        w.zero_grad()
        try:
            y = f(*args)
            y.backward()
            outcomes.append((y.dtype, y.data.tobytes(), w.grad.tobytes()))
        except Exception as problem:
            outcomes.append(problem)
    return outcomes


def check(convert, kind, way):
    """Compare a function of a number with and without `jit`; return the function under `jit`."""
    make, find = KINDS[kind]
    w = Array(np.array([1.1, 2.3], "f" if "32" in kind else "d"))
    f = lambda x: (w * convert(find(x))).sum()
    fast = jit(f, [w])
    with pytest.MonkeyPatch.context() as patch:
        choose_way(patch, way)
        calls = [(w, [make(x)]) for x in NUMBERS]
        expected, got = results(f, calls), results(fast, calls)
    for eager, jitted in zip(expected, got, strict=True):
        if not isinstance(jitted, Exception):
            assert jitted == eager
        elif not isinstance(eager, Exception):
            assert type(jitted) is TypeError
            assert "under jit" in str(jitted)
            assert re.match(r"\w.*(\(.*\)|=.*|\[.*\]): ", str(jitted))  # the expression
    return fast


@pytest.mark.filterwarnings("ignore::stepgrad.GradientWarning")  # many outcomes
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of NumPy
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CONVERSIONS)
def test_conversions_are_detected_or_raise(name, kind):
    check(CONVERSIONS[name], kind, WAYS[-1])


@pytest.mark.parametrize(
    ("kind", "way"),
    [*[(kind, WAYS[-1]) for kind in KINDS], *[(k, w) for k in ("float", "sum") for w in WAYS[:-1]]],
)
@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic_is_replayed(name, kind, way):
    fast = check(ARITHMETIC[name], kind, way)
    assert len(recordings(fast)) == (name != "+=" or kind not in ("array", "data"))  # refused


# ----------------------------------------------------------------------- errors that code handles

ERRORS = {  # with 1.5 or 2.25 only
    "zero": lambda x: attempt(lambda: 1.0 / (x - 1.5)),
    "modulo zero": lambda x: attempt(lambda: 1.0 % (x - 1.5)),
    "power of zero": lambda x: attempt(lambda: (x - 1.5) ** -1.0),
    "overflow": lambda x: attempt(lambda: (x * 1e154) ** 2.0 * 1e-300),
    "complex": lambda x: attempt(lambda: ((1.0 - x) ** 0.5).real + 1.0),
    "of a function": lambda x: attempt(lambda: math.sqrt(1.0 - x)),
    "of a key": lambda x: attempt(lambda: {0.5: 2.0, 1.0: 3.0}[x]),
    "of NumPy": lambda x: attempt(lambda: np.ones(4).reshape(2, int(x * 2.0)).sum()),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["float", "sum"])
@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of eager code
def test_errors_that_a_function_handles_are_detected(name, kind, way):
    check(ERRORS[name], kind, way)


def test_an_error_in_a_replay_is_that_of_the_function():
    w = Array([1.0, 2.0])
    fast = jit(lambda x: (w / (1.0 / x)).sum(), [w])
    assert fast(2.0).item() == 6.0
    with pytest.raises(ZeroDivisionError):
        fast(0.0)
    assert fast(0.5).item() == 1.5


def test_text_of_long_arrays_is_compared_in_full():
    """NumPy abbreviates the text of an array of more than 1,000 elements."""
    w, x, y = Array([1.0, 2.0]), np.zeros(2000), np.zeros(2000)
    y[1000] = 7.0
    fast = jit(lambda x: w.sum() * float(x.astype(str)[1000]), [w])
    assert [fast(x).item(), fast(y).item()] == [0.0, 21.0]


def test_numbers_of_another_call_are_refused():
    w, kept = Array([1.0, 2.0]), []

    def f(x):
        kept.append(x * 2.0)
        return (w * kept[0] * x).sum()

    fast = jit(f, [w])
    assert fast(1.0).item() == 6.0
    with pytest.raises(TypeError, match="one that another call computed"):
        fast(np.ones(2))


def test_conversions_outside_of_a_call():
    """Debuggers print traced numbers that a function has kept."""
    w, kept = Array([1.0, 2.0]), []
    jit(lambda x, y: (w * x * (kept.extend([x, y, x * 2.0]) or 1.0)).sum(), [w])(0.5, np.ones(2))
    x, y, z = kept
    assert (repr(x), f"{z}", str(y), repr(y)) == ("0.5", "1.0", "[1. 1.]", "array([1., 1.])")
    assert len({x, y, z}) == 3
