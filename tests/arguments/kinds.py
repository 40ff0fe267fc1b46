"""Kinds of arguments: what is no such thing, the error that it is, and the remedy that it names.

`bad(of, thing, kind, f)` is a row for each wrong value: f(value) must raise, and the message must
hold the thing, the value and the remedy. `row(of, f, error, *words)` is one of its own.
"""

import re
from typing import Any, NamedTuple

import numpy as np

from engine import Array, Value

NAN, INF = float("nan"), float("inf")


class TensorLike:
    """As another library's array: it has a shape and elements, and is no sequence of ours."""

    shape, ndim = (), 0

    def __iter__(self):
        raise TypeError("iteration over a 0-d tensor")

    def __repr__(self):
        return "tensor(2.)"


TENSOR = TensorLike()


class Row(NamedTuple):
    of: str  # the public name
    kind: str  # of bad argument
    call: Any
    error: type
    words: tuple  # that the message holds
    value: Any = ...  # that it was given

    def __str__(self):
        return re.sub(r" at 0x\w+", "", f"{self.of}-{self.kind}")


class Kind(NamedTuple):
    error: type
    remedy: str
    values: list


WHOLE = Kind(
    ValueError,
    "whole number",
    [None, "3", [3], 2.5, 2.0, True, 0, -1, NAN, 1j, int, Value(3.0), np.array([3]), TENSOR],
)
COUNT = WHOLE._replace(values=[x for x in WHOLE.values if not (type(x) is int and x == 0)])
POSITIVE = Kind(
    ValueError,
    "positive, finite number",
    [None, "0.1", [0.1], True, 0, -1.0, NAN, INF, 1j, float, Value(0.1), np.ones(1), TENSOR],
)
WITHIN = Kind(
    ValueError,
    "must be a number in [0, ",
    [None, "0.1", [0.1], True, -1.0, NAN, INF, 1j, float, Value(0.1), np.ones(1), TENSOR],
)
SHARE = WITHIN._replace(values=[*WITHIN.values, 1.0, 2])  # [0, 1)
FINITE = Kind(
    ValueError,
    "finite number",
    [None, "1", [1.0], True, NAN, INF, -INF, 1j, Value(1.0), np.ones(1)],
)
FLAG = Kind(TypeError, "True or False", [None, "no", "False", [True], 0.5, 2, NAN, Value(1.0)])
RNG = Kind(
    TypeError,
    "a seed (an int), a NumPy Generator or None",
    ["0", 1.5, True, [1, 2], np.random.RandomState(0), np.random.Generator, Value(1.0)],
)
SEED = Kind(ValueError, "0 or more", [-1, np.int64(-3)])
NUMBER = Kind(  # what a Value holds
    TypeError,
    "",
    [None, "3", [1.0], (1.0,), {}, 1j, np.ones(2), float, Array([1.0, 2.0]), TENSOR],
)
SEQUENCE = Kind(
    TypeError,
    "",
    [None, 3, 2.5, "ab", b"ab", {1.0: 2}, {1.0}, Value, Value(2.0), np.array(3.0), TENSOR],
)
PARAMETERS = Kind(
    TypeError,
    "",
    [None, 3, "ab", {"a": Value(1.0)}, {Value(1.0)}, Value(2.0), [1.0], [None], [Value], TENSOR],
)
ARRAY = Kind(
    TypeError,
    "an Array holds real numbers, in lists of equal lengths",
    [None, "ab", ["a"], [[1.0], [1.0, 2.0]], {}, {1: 2}, 1j, [1j], [None], float, TENSOR],
)
PATH = Kind(TypeError, "a path, a str or a pathlib.Path", [None, 3, True, b"x.svg", [], Value(1.0)])
DTYPE = Kind(
    TypeError, "float32 or float64", [None, "x", int, "int64", np.float16, complex, 3.5, "float"]
)
DTYPE = DTYPE._replace(values=DTYPE.values[:-1])
NAME = Kind(ValueError, "there are", [None, "no such", 3, ["tanh"], Value(1.0)])
CALLABLE = Kind(TypeError, "must be a function such as", [3, "x", [1], Value(1.0)])
MAPPING = Kind(TypeError, "must be a dict, such as", [3, "ab", [1], Value(1.0)])
NODE = Kind(TypeError, "", [None, 3.0, "x", [Value(1.0)], Value, {}, TENSOR])


def shown(x):
    """A bad value in a test's name."""
    return type(x).__name__ if isinstance(x, Value | Array) else repr(x)[:24]


def bad(of, thing, kind, f, value=True):
    """A row for each wrong value of an argument."""
    words = (thing, kind.remedy)
    return [
        Row(
            of,
            f"{thing}={shown(x)}",
            lambda x=x: f(x),
            kind.error,
            words,
            x if value else ...,
        )
        for x in kind.values
    ]


def row(of, f, error, *words, kind=""):
    """A row of its own; the words say what the message holds."""
    return Row(of, kind or str(words[0])[:40], f, error, words)


def names_the_value(message, x):
    """Whether an error shows what was given: itself, or of a container its type."""
    looks = [repr(x), str(x), type(x).__name__]
    if isinstance(x, list):
        looks += map(repr, x)
    if isinstance(x, np.ndarray):
        looks.append(f"shape {x.shape}")
    return any(look in message for look in looks)
