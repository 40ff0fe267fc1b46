"""Decisions that Python makes from the number of a Value: comparisons, and conversions."""

import operator
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from engine.value import Value
from engine.watch.hooks import active
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


class Conversion(NamedTuple):
    """A plain result that Python computed from the number of a Value, as in `int(x.data)`.

    Attributes:
        template: The expression as text, with {} for the number.
        function: The function that computed the result from the number.
        x: The Value.
        outcome: The result.
        origin: The line that computed it.
    """

    template: str
    function: Callable[[float], Any]
    x: Value
    outcome: Any
    origin: Origin | None

    def __str__(self) -> str:
        return self.template.replace("{}", format_node(self.x), 1)


def record_branch(operator: str, x: Any, y: Any, outcome: bool) -> bool:
    """Pass a comparison to the active hooks, and return its outcome."""
    record_decision(
        lambda origin: Branch(operator, Value.lift(x), Value.lift(y), bool(outcome), origin)
    )
    return outcome


def record_conversion(template: str, function: Callable[[float], Any], x: Value) -> Any:
    """Convert the number of a Value, pass the conversion to the active hooks, and return it."""
    try:
        outcome = function(x._data)
    except (ArithmeticError, ValueError) as problem:  # the program may catch it
        failure = Failure(str(problem))
        record_decision(lambda origin: Conversion(template, function, x, failure, origin))
        raise
    record_decision(lambda origin: Conversion(template, function, x, outcome, origin))
    return outcome


class Failure(str):
    """The outcome of a conversion that raised an error with this message."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"an error ({self})"


def record_decision(decision: Callable[[Origin | None], Branch | Conversion]) -> None:
    """Pass a decision, which is made from its origin, to the active hooks."""
    if hooks := active():
        recorded = decision(find_origin(sys._getframe(1)))
        for hook in hooks:
            hook._on_decision(recorded)


def format_node(x: Value) -> str:
    """Return a node's label, or its number."""
    return x.label or f"{x._data:.6g}"
