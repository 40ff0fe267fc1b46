"""Record the decisions that Python makes by numbers while it builds a graph, for tapes to check.

A graph has no branches: it is what came of one way through the code. With other numbers the code
might have built another one.
"""

import operator
import sys
from collections.abc import Callable
from numbers import Real
from typing import Any, NamedTuple

from engine.value import Value
from engine.watch.hooks import Hook, active
from engine.watch.origin import Origin, find_origin

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


class record_branches(Hook):
    """Context manager that records the decisions that Python makes by the number of a Value.

    These are comparisons of Values with `<`, `<=`, `>` and `>=`, which `sorted` and `max` make too;
    and of what their `.data` gives, with `==`, `!=` and `if x.data` too, also after + - * / and
    abs. A number that a graph takes as it is, as in `x * x.data`, is decided to stay the same. What
    is made of a number in other ways, such as `int(x.data)`, goes unseen.

    >>> with record_branches() as branches:
    ...     x = Value(3.0, "x")
    ...     y = x * 2.0 if x > 0.0 else x
    >>> str(branches[0]), branches[0].outcome
    ('x > 0', True)
    """

    def __init__(self) -> None:
        super().__init__()
        self.branches: list[Branch] = []

    def __enter__(self) -> Any:
        super().__enter__()
        return self.branches

    @staticmethod
    def _read(node: Value) -> "Number":
        """Return the number of a Value, as one whose comparisons are recorded."""
        return number_of(node)


def recorded_branches() -> list[Branch]:
    """Return all that was recorded in the `with` statements that are open."""
    return [x for hook in recorders() for x in hook.branches]


def recorders() -> list[record_branches]:
    return [hook for hook in active() if isinstance(hook, record_branches)]


def decided(do: str, x: Any, y: Any, outcome: bool) -> bool:
    """Record an outcome and return it."""
    branch = Branch(do, Value.lift(x), Value.lift(y), outcome, find_origin(sys._getframe(2)))
    for hook in recorders():
        hook.branches.append(branch)
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
    """Return a comparison of the numbers of Values that is recorded."""
    compare = COMPARISONS[do]

    def method(self: Any, other: Any) -> Any:
        if not isinstance(other, Real):
            return NotImplemented
        x, y = self.node, Value.lift(getattr(other, "node", other))
        return decided(do, x, y, compare(x._data, y._data))

    return method


def computing(name: str) -> Callable[..., Any]:
    """An operation on numbers of Values, whose result is one again."""

    def method(self: Any, *others: Any) -> Any:
        if not all(isinstance(x, Real) for x in others):
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
