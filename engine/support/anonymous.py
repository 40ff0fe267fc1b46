"""The row of a node that is made from its inputs and its local derivatives."""

from collections.abc import Callable, Sequence
from math import nan
from typing import Any, NoReturn

from engine import graph
from engine.rules import Op
from engine.support.frames import NoFormula
from engine.support.freezing import counterpart_class

NO_FORMULA = (
    "a node that was made from its local derivatives has no formula; define the operation with "
    "Op(name, formula, *derivatives)"
)


def make_result(
    node: Any, inputs: Sequence[Any], slopes: tuple[float, ...], *, observed: bool
) -> None:
    """Make a leaf the result of an anonymous row; of constants or under `no_grad`, a constant."""
    node.op = anonymous_row([x._data for x in inputs], node._data, slopes)
    node._x, node._dx = inputs, slopes
    keeps_graph = not observed or graph.observer.made(node) is node
    if not keeps_graph:
        node.op = node._x = node._dx = None
    if not node.constant and (not keeps_graph or all(x.constant for x in inputs)):
        node.__class__ = counterpart_class(type(node))


def check_derivatives(inputs: Sequence[object], derivatives: object) -> None:
    """Raise TypeError for a string, and ValueError unless there is a derivative for each input."""
    if isinstance(derivatives, str):
        raise TypeError(
            f"Value expects local derivatives as its third argument, got {derivatives!r}; define "
            "an operation with Op(name, formula, *derivatives)"
        )
    is_vector = isinstance(derivatives, list | tuple) or getattr(derivatives, "ndim", 0) == 1
    count = len(derivatives) if is_vector else 0  # type: ignore[arg-type]
    if count != len(inputs):
        raise ValueError(
            "Value expects a local derivative for each of its inputs, as in Value(data, inputs, "
            f"derivatives), got {count} for {len(inputs)}"
        )


class AnonymousOp(Op):
    """The row of a single node."""

    __slots__ = ()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"a graph cannot be saved: {NO_FORMULA}, and add it with TABLE[name] = ...")


def anonymous_row(inputs: list[float], out: float, slopes: Sequence[float]) -> Op:
    """Return a row that knows its result and its slopes at these inputs alone.

    Its result is nan for other numbers, and it does not run on nodes: it has no formula.
    """

    def only_here(result: float) -> Callable[..., float]:
        def look_up(*args: float) -> float:
            if any(type(x) is not float for x in args):
                raise NoFormula(NO_FORMULA)
            return result if [*args[-len(inputs) :]] == inputs else nan

        return look_up

    return AnonymousOp("f", only_here(out), *map(only_here, slopes))
