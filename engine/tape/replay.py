"""The graph's own Values, brought to the numbers that a tape has."""

from collections.abc import Sequence

from engine.ops import flat
from engine.value import Value, number


def recompute(order: Sequence[Value]) -> None:
    """Every node of a graph in topological order, with its local derivatives, from its inputs."""
    for node in order:
        op = node.op
        if op is None:
            continue
        args = op.group([each._data for each in node.inputs])
        out = node._data = number(op.forward(*args))
        slopes = [number(each) for each in flat(op.locals(out, *args))]
        if type(node._x) is tuple:
            node._dx = tuple(slopes)
        else:
            x, y = node._x, node._y
            node._dx = None if x.constant else slopes[0]
            node._dy = None if y is None or y.constant else slopes[1]


def send(order: Sequence[Value], seeds: Sequence[tuple[Value, float]]) -> None:
    """The backward pass from several roots at once; every gradient is overwritten."""
    for node in order:
        node._grad = 0.0
    for root, seed in seeds:
        root._grad += seed
    for node in reversed(order):
        for to, _, contribution in node.sends():
            to.receive(contribution)
