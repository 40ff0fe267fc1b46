"""Record the decisions that Python makes from the numbers of Values while it builds a graph.

A graph has no branches: it records one path through the code. With other numbers the code might
build another graph, so a tape checks these decisions whenever it replays.
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
    """A comparison of the numbers of two Values, its outcome, and the line that made it."""

    operator: str
    x: Value
    y: Value
    outcome: bool
    origin: Origin | None

    def __str__(self) -> str:
        return f"{format_node(self.x)} {self.operator} {format_node(self.y)}"


def format_node(x: Value) -> str:
    """Return a node's label, or its number."""
    return x.label or f"{x.data:.6g}"


class record_branches(Hook):
    """Context manager that records the decisions that Python makes from the number of a Value.

    It records `<`, `<=`, `>` and `>=` between Values, including those that `sorted` and `max` make.
    For the number that `.data` returns, it also records `==`, `!=` and `if x.data`, and it follows
    the number through + - * / ** and abs. A number that enters a graph as a constant, as in
    `x * x.data`, is recorded as equal to itself. Other conversions, such as `int(x.data)`, are not
    recorded.

    >>> with record_branches() as branches:
    ...     x = Value(3.0, "x")
    ...     y = x * 2.0 if x > 0.0 else x
    >>> str(branches[0]), branches[0].outcome
    ('x > 0', True)
    """

    def __init__(self) -> None:
        super().__init__()
        self.branches: list[Branch] = []

    def __enter__(self) -> list[Branch]:  # type: ignore[override]
        super().__enter__()
        return self.branches

    @staticmethod
    def _read(node: Value) -> "Number":
        """Return the number of a Value as a float that records its comparisons."""
        return Number.from_node(node)


class BranchChanged(RuntimeError):
    """Raised by a tape whose numbers would have made Python build another graph.

    >>> from engine import Tape, Value
    >>> x = Value(3.0, "x")
    >>> tape = Tape(lambda: x * 2.0 if x > 0.0 else x)
    >>> tape.flat.data = [-1.0]
    >>> tape.forward()  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    stepgrad.BranchChanged: x > 0 was True when the tape was recorded ...
    """

    __module__ = "stepgrad"  # tracebacks show the public name


def recorders() -> list[record_branches]:
    """Return the active `record_branches`."""
    return [hook for hook in active() if isinstance(hook, record_branches)]


def recorded_branches() -> list[Branch]:
    """Return the branches that the active `record_branches` have recorded so far."""
    return [branch for hook in recorders() for branch in hook.branches]


def record_outcome(operator: str, x: Value | float, y: Value | float, outcome: bool) -> bool:
    """Record the outcome of a comparison, and return it."""
    branch = Branch(operator, Value.lift(x), Value.lift(y), outcome, find_origin(sys._getframe(2)))
    for hook in recorders():
        hook.branches.append(branch)
    return outcome


class Number(float):
    """The number of a Value, which records its comparisons and follows arithmetic."""

    __slots__ = ("node",)
    node: Value
    __hash__ = float.__hash__

    __array_ufunc__ = None  # NumPy scalars leave operations to this class

    @classmethod
    def from_node(cls, node: Value) -> "Number":
        """Return the number of a node."""
        number = cls(node._data)
        number.node = node
        return number

    def __bool__(self) -> bool:
        return record_outcome("!=", self.node, 0.0, float.__ne__(self, 0.0))

    def __float__(self) -> float:
        """Return a plain float; a graph that uses it depends on this number staying the same."""
        plain = float.__pos__(self)
        record_outcome("==", self.node, plain, plain == plain)
        return plain


def comparison_method(operator: str) -> Callable[[Any, Any], Any]:
    """Return a method of `Number` that compares and records the outcome."""
    compare = COMPARISONS[operator]

    def method(self: Any, other: Any) -> Any:
        if not isinstance(other, Real):
            return NotImplemented
        x, y = self.node, Value.lift(getattr(other, "node", other))
        return record_outcome(operator, x, y, compare(x._data, y._data))

    return method


def arithmetic_method(name: str) -> Callable[..., Any]:
    """Return a method of `Number` whose result is a `Number` again."""

    def method(self: Any, *others: Any) -> Any:
        if not all(isinstance(x, Real) for x in others):
            return NotImplemented
        plain = [x if isinstance(x, float) else float(x) for x in others]
        getattr(float, name)(self, *plain)  # raises the errors of floats, such as division by zero
        nodes = [getattr(x, "node", x) for x in others]
        return Number.from_node(getattr(self.node, name)(*nodes))

    return method


for _operator, _compare in COMPARISONS.items():
    setattr(Number, f"__{_compare.__name__}__", comparison_method(_operator))
for _name in (
    "add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "pow", "rpow", "neg", "abs",
):  # fmt: skip
    setattr(Number, f"__{_name}__", arithmetic_method(f"__{_name}__"))
