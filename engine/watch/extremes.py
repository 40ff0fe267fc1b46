"""`max` and `min` of recorded numbers, as nodes.

The built-in functions compare numbers. If a tape checked each comparison, the expression
`max(z.data for z in zs)` of many softmax programs would bind the tape to one order of `zs`. While
decisions are recorded, these functions therefore return the number of a node.
"""

import builtins
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import reduce
from typing import Any

from engine.arithmetic import where
from engine.rules import Op
from engine.value import lift
from engine.watch.recorded_number import RecordedNumber

# Python returns the first of equal numbers, and nan only if it comes first. No
# gradient reaches these nodes, because their numbers enter a graph as constants.
NO_SLOPE = lambda out, x, y: 0.0
FIRST_MAX = Op("first max", lambda x, y: where(y > x, y, x), NO_SLOPE, NO_SLOPE)
FIRST_MIN = Op("first min", lambda x, y: where(y < x, y, x), NO_SLOPE, NO_SLOPE)

ORIGINALS = {"max": builtins.max, "min": builtins.min}


def record_extreme(row: Op, original: Callable[..., Any]) -> Callable[..., Any]:
    """Return `max` or `min`, whose result for recorded numbers and floats is a recorded number."""

    def extreme(*args: Any, **settings: Any) -> Any:
        if settings or not args:
            return original(*args, **settings)
        items = list(args[0]) if len(args) == 1 else args
        kinds = {*map(type, items)}
        if RecordedNumber not in kinds or not kinds <= {RecordedNumber, float}:
            return original(items)
        nodes = [x.node if type(x) is RecordedNumber else lift(x) for x in items]
        return RecordedNumber(reduce(row, nodes))

    extreme.__name__ = extreme.__qualname__ = original.__name__
    return extreme


RECORDED = {
    "max": record_extreme(FIRST_MAX, builtins.max),
    "min": record_extreme(FIRST_MIN, builtins.min),
}


def replace_extremes(replace: bool) -> None:
    """Replace the built-in functions, or restore them, in all threads."""
    vars(builtins).update(RECORDED if replace else ORIGINALS)


@contextmanager
def original_extremes() -> Iterator[None]:
    """Context manager that restores the built-in functions, which numba reads when imported."""
    is_replaced = builtins.max is RECORDED["max"]
    replace_extremes(replace=False)
    try:
        yield
    finally:
        replace_extremes(is_replaced)
