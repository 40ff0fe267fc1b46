"""What Python decides by looking at a number while a graph is built: a tape has to watch it.

A graph has no branches: it is what came of one way through the code. With other numbers the code
might have built another one.
"""

import operator
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from engine.exchange import Exchange
from engine.origin import Origin, found
from engine.value import Value

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "==": operator.eq, "!=": operator.ne,
}  # fmt: skip


class Branch(NamedTuple):
    """A comparison of the numbers of two Values, how it came out, and the line that made it."""

    do: str
    x: Value
    y: Value
    outcome: bool
    origin: Origin | None

    def __str__(self) -> str:
        return f"{shown(self.x)} {self.do} {shown(self.y)}"


def shown(x: Value) -> str:
    return x.label or f"{x.data:.6g}"


REAL = (int, float, np.integer, np.floating)


class Open(threading.local):
    """The lists that this thread writes branches into."""

    def __init__(self) -> None:
        self.lists: list[list[Branch]] = []


opened = Open()


@contextmanager
def record_branches() -> Iterator[list[Branch]]:
    """Within it, what this thread decides by a Value's number is written down.

    That is: comparisons of Values with `<`, `<=`, `>` and `>=`, which `sorted` and `max` make too;
    and of what their `.data` gives, with `==`, `!=` and `if x.data` too, also after + - * / and
    abs. A number that a graph takes as it is, as in `x * x.data`, is decided to stay the same. What
    is made of a number in other ways, such as `int(x.data)`, goes unseen.

    >>> with record_branches() as branches:
    ...     x = Value(3.0, "x")
    ...     y = x * 2.0 if x > 0.0 else x
    >>> str(branches[0]), branches[0].outcome
    ('x > 0', True)
    """
    branches: list[Branch] = []
    with RECORDING.needed():
        before = opened.lists
        try:
            opened.lists = [*before, branches]
            yield branches
        finally:
            opened.lists = before


def recorded_branches() -> list[Branch]:
    """All that was written down in the `with` statements that are open."""
    return [each for branches in opened.lists for each in branches]


def exchange(on: bool) -> None:
    """What compares, and what `.data` gives."""
    for name, method in {**WATCHING, "data": WATCHED}.items():
        if on:
            setattr(Value, name, method)
        elif name == "data":
            setattr(Value, name, PLAIN)
        elif name in Value.__dict__:
            delattr(Value, name)


RECORDING = Exchange(exchange)


def decided(do: str, x: Any, y: Any, outcome: bool) -> bool:
    """The outcome, which is written down."""
    branch = Branch(do, Value.lift(x), Value.lift(y), outcome, found(sys._getframe(2)))
    for branches in opened.lists:
        branches.append(branch)
    return outcome


class Number(float):
    """The number of a Value that is compared, or computed with, while branches are recorded."""

    __slots__ = ("node",)
    node: Value
    __hash__ = float.__hash__

    __array_ufunc__ = None  # NumPy's numbers leave operations to it

    def __bool__(self) -> bool:
        return decided("!=", self.node, 0.0, float.__ne__(self, 0.0))

    def __float__(self) -> float:
        """Where a graph takes it as a number, it is decided that it stays that number."""
        plain = float.__pos__(self)
        decided("==", self.node, plain, plain == plain)
        return plain


def number_of(node: Value) -> Number:
    found = Number(node._data)
    found.node = node
    return found


def comparing(do: str) -> Callable[[Any, Any], Any]:
    """A comparison of Values, or of their numbers, that is written down."""
    compare = COMPARISONS[do]

    def method(self: Any, other: Any) -> Any:
        if isinstance(self, Number):
            if not isinstance(other, REAL):
                return NotImplemented
            x, y = self.node, getattr(other, "node", other)
        else:
            x, y = self, getattr(other, "node", other)
        x, y = Value.lift(x), Value.lift(y)
        return decided(do, x, y, compare(x._data, y._data))

    return method


def computing(name: str) -> Callable[..., Any]:
    """An operation on numbers of Values, whose result is one again."""

    def method(self: Any, *others: Any) -> Any:
        if not all(isinstance(x, REAL) for x in others):
            return NotImplemented
        plain = [x if isinstance(x, float) else float(x) for x in others]
        getattr(float, name)(self, *plain)  # raises what a number would
        nodes = [getattr(x, "node", x) for x in others]
        return number_of(getattr(self.node, name)(*nodes))

    return method


NAMES = {
    "<": "__lt__",
    "<=": "__le__",
    ">": "__gt__",
    ">=": "__ge__",
    "==": "__eq__",
    "!=": "__ne__",
}
for _do, _name in NAMES.items():
    setattr(Number, _name, comparing(_do))
for _name in (
    "add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "pow", "rpow", "neg", "abs",
):  # fmt: skip
    setattr(Number, f"__{_name}__", computing(f"__{_name}__"))

PLAIN = Value.__dict__["data"]
WATCHED = property(number_of, PLAIN.fset, doc=PLAIN.__doc__)
WATCHING = {NAMES[do]: comparing(do) for do in ("<", "<=", ">", ">=")}
