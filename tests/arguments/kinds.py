"""Rows of tables of bad arguments, and common kinds of bad values.

A row is a call that must raise an error with given words in its message. `About(name)` adds rows
about one public function or class to `ROWS`:

    on = About("nn.optim.SGD")
    on.call(lambda: SGD([]), ValueError, "at least one parameter", "pass model.parameters()")
    on.values([None, "x"], SGD, TypeError, "SGD expects parameters")  # a row for each value
    on.kind("SGD expects", PARAMETERS, SGD)  # a row for each value that is no list of parameters
    on.arguments(partial(SGD, [x]), lr=POSITIVE, nesterov=FLAG)  # the same, by keyword
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from engine import Array, Value

NAN, INF = float("nan"), float("inf")
HOLDS, MIX = "a Value holds one real number", "Values and Arrays do not mix"
TAKEN = "expected a sequence of Values"


class TensorLike:
    """A stand-in for another library's array: it has a shape, and iterating over it fails."""

    shape, ndim = (), 0

    def __iter__(self):
        raise TypeError("iteration over a 0-d tensor")

    def __repr__(self):
        return "tensor(2.)"


TENSOR = TensorLike()


@dataclass(frozen=True)
class Kind:
    """Values that an argument must reject, and the start and end of the message."""

    error: type
    remedy: str
    values: list
    thing: str = "{}"  # how the message names the argument
    also: "Kind | None" = None  # values that are rejected with another error

    def without(self, *types):
        return replace(self, values=[x for x in self.values if type(x) not in types])

    @property
    def optional(self):
        """The same kind for an argument that may be None."""
        return self.without(type(None))


# fmt: off
NOT_COUNTS = [None, "3", [3], 2.5, 2.0, True, -1, NAN, 1j, int, Value(3.0), np.array([3]), TENSOR]
NOT_NUMBERS = [None, "0.1", [0.1], True, NAN, INF, 1j, float, Value(0.1), np.ones(1), TENSOR]
COUNT = Kind(ValueError, "whole number", NOT_COUNTS)
WHOLE = Kind(ValueError, "whole number", [*NOT_COUNTS, 0])
POSITIVE = Kind(ValueError, "positive, finite number", [*NOT_NUMBERS, 0, -1.0])
WITHIN = Kind(ValueError, "must be a number in [0, ", [*NOT_NUMBERS, -1.0])
SHARE = replace(WITHIN, values=[*WITHIN.values, 1.0, 2])  # [0, 1)
FINITE = Kind(ValueError, "finite number", [None, "1", [1.0], True, NAN, INF, -INF, 1j, Value(1.0), np.ones(1)])
FLAG = Kind(TypeError, "True or False", [None, "no", "False", [True], 0.5, 2, NAN, Value(1.0)], "{} must be")
SEED = Kind(ValueError, "0 or more", [-1, np.int64(-3)])
RNG = Kind(
    TypeError, "a seed (an int), a NumPy Generator or None",
    ["0", 1.5, True, [1, 2], np.random.RandomState(0), np.random.Generator, Value(1.0)],
    "{} expects", SEED,
)
NUMBER = Kind(TypeError, "", [None, "3", [1.0], (1.0,), {}, 1j, np.ones(2), float, Array([1.0, 2.0]), TENSOR])
SEQUENCE = Kind(TypeError, "", [None, 3, 2.5, "ab", b"ab", {1.0: 2}, {1.0}, Value, Value(2.0), np.array(3.0), TENSOR])
PARAMETERS = Kind(TypeError, "", [None, 3, "ab", {"a": Value(1.0)}, {Value(1.0)}, Value(2.0), [1.0], [None], [Value], TENSOR])
ARRAY = Kind(
    TypeError, "an Array holds real numbers, in lists of equal lengths",
    [None, "ab", ["a"], [[1.0], [1.0, 2.0]], {}, {1: 2}, 1j, [1j], [None], float, TENSOR],
)
PATH = Kind(TypeError, "a path, a str or a pathlib.Path", [None, 3, True, b"x.svg", [], Value(1.0)])
DTYPE = Kind(TypeError, "float32 or float64", [None, "x", int, "int64", np.float16, complex, 3.5], "{} must be")
NAME = Kind(ValueError, "choose from: ", [None, "no such", 3, ["tanh"], Value(1.0)], "unknown {}")
REDUCTION = Kind(ValueError, "must be one of mean, sum, none", [None, "avg", 3, ["sum"], Value(1.0)])
CALLABLE = Kind(TypeError, "must be a function such as", [3, "x", [1], Value(1.0)])
MAPPING = Kind(TypeError, "must be a dict, such as", [3, "ab", [1], Value(1.0)])
NODE = Kind(TypeError, "", [None, 3.0, "x", [Value(1.0)], Value, {}, TENSOR])
# fmt: on


class Row(NamedTuple):
    of: str  # the public name
    case: str
    call: Callable[[], Any]
    error: type | tuple[type, ...]
    words: tuple[str, ...]  # that the message must contain
    value: Any = ...  # that the message must show

    def __str__(self):
        return re.sub(r" at 0x\w+", "", f"{self.of}-{self.case}")


ROWS: list[Row] = []


@dataclass
class About:
    """A public name, about which the methods add rows."""

    of: str

    def call(self, f, error, *words, case=""):
        """Add a row: f() must raise `error` with a message that contains all words."""
        ROWS.append(Row(self.of, case or words[0][:40], f, error, words))

    def values(self, values, f, error, *words, shows=repr):
        """Add a row for each value: f(value) must raise, and its message show the value by `shows`."""
        for x in values:
            case = f"{words[0][:24]} {f'{x!r}'[:24]}"
            self.call(
                lambda x=x: f(x), error, *words, *([str(shows(x))] if shows else []), case=case
            )

    def kind(self, thing, kind, f, value=True):
        """Add a row for each value of a kind: the message must name the thing and the remedy.

        The message must also show the value or its type, unless `value=False`.
        """
        for x in kind.values:
            case = f"{thing}={type(x).__name__ if isinstance(x, Value | Array) else repr(x)[:24]}"
            words = (thing, kind.remedy)
            ROWS.append(
                Row(self.of, case, lambda x=x: f(x), kind.error, words, x if value else ...)
            )
        if kind.also:
            self.kind(thing, kind.also, f)

    def arguments(self, f, **kinds):
        """Add the rows of a kind for each of f's keyword arguments."""
        for name, kind in kinds.items():
            show = kind is not DTYPE  # a message shows a dtype as NumPy writes it
            self.kind(kind.thing.format(name), kind, lambda v, name=name: f(**{name: v}), show)


def shows_the_value(message, x):
    """Return True if a message shows a value, or for a container its type."""
    looks = [repr(x), str(x), type(x).__name__]
    if isinstance(x, list):
        looks += map(repr, x)
    if isinstance(x, np.ndarray):
        looks.append(f"shape {x.shape}")
    return any(look in message for look in looks)
