"""The graph's own Values, brought to the numbers of a tape."""

from collections.abc import Sequence
from typing import Any

from engine.graph import walk_back
from engine.rules import flat
from engine.sequences import Outputs
from engine.value import Value, number


def recompute(order: Sequence[Any]) -> None:
    """Recompute every node of a graph in topological order, with its local derivatives."""
    for node in order:
        op = node.op
        if op is None:
            continue
        if op.index is not None:
            node._data = node._x._data[op.index]
            continue
        args = op.group([each._data for each in node.inputs])
        if isinstance(node, Outputs):
            node._dx = tuple(args[0])
            node._data = tuple(map(number, op.forward(*args)))
            continue
        out = node._data = number(op.forward(*args))
        slopes = [number(each) for each in flat(op.locals(out, *args))]
        if type(node._x) is tuple:
            node._dx = tuple(slopes)
        else:
            x, y = node._x, node._y
            node._dx = None if x.constant else slopes[0]
            node._dy = None if y is None or y.constant else slopes[1]


def send(order: list[Any], seeds: Sequence[tuple[Value, float]]) -> None:
    """Run the backward pass from several roots at once; every gradient is overwritten."""
    for node in order:
        node._grad = 0.0
    for _ in walk_back(order, seeds):
        pass
