"""The row of a node that is made from its inputs and its local derivatives."""

from collections.abc import Callable, Sequence
from math import nan

from engine.rules import Op


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


def anonymous_row(inputs: list[float], out: float, slopes: Sequence[float]) -> Op:
    """Return a row that knows its result and its slopes at these inputs alone.

    Its result is nan for other numbers, and it does not run on nodes: it has no formula.
    """

    def only_here(result: float) -> Callable[..., float]:
        def look_up(*args: float) -> float:
            if any(type(x) is not float for x in args):
                raise TypeError(
                    "a node that was made from its local derivatives has no formula; define the "
                    "operation with Op(name, formula, *derivatives)"
                )
            return result if [*args[-len(inputs) :]] == inputs else nan

        return look_up

    return Op("f", only_here(out), *map(only_here, slopes))
