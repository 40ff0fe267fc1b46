"""The first number that is inf or nan, and the message about it; see `detect_anomaly`."""

import math
import sys
from typing import Any

from engine import graph
from engine.graph import topological, walk_back
from engine.watch.gradient_warnings import all_finite, differentiated


class Anomaly(FloatingPointError):
    """The first inf or nan, with the operation, its inputs and the line that made it.

    >>> from engine import Value, detect_anomaly
    >>> with detect_anomaly():
    ...     try:
    ...         Value(0.0, "x").log()
    ...     except Anomaly as found:
    ...         print(str(found).partition(":")[0])
    log of x = 0 is -inf
    """

    __module__ = "stepgrad"  # tracebacks show the public name


def check_made(node: Any) -> Any:
    """Return a node; raise Anomaly if a number of it is not finite."""
    if not all_finite(node._data):
        several = node.op.index is not None  # one of several results
        shared = node.inputs[0] if several else node
        inputs = ", ".join(map(described, shared.inputs))
        raise Anomaly(f"{node.op.name} of {inputs} is {bad(node._data)}{made_at(node)}")
    return node


def checked_backward(root: Any) -> None:
    """Run `backward` one step at a time; raise Anomaly at the first gradient that is not finite."""
    order = topological(root)
    graph.observer.before_backward(root, order, differentiated(order))
    before = {x for x in order if x.op is None and not all_finite(x.grad)}
    for step in walk_back(order, [(root, root._one())]):
        check_step(step, before)


def check_step(step: Any, ignored: Any = ()) -> None:
    """Raise Anomaly if a contribution, or a gradient that it was added to, is not finite."""
    for to, local, contribution in step.sent:
        check_sent(step.node, to, contribution, local)
        if to not in ignored:
            check_sum(to, to.grad)


def check_sent(node: Any, to: Any, contribution: Any, local: Any = None) -> None:
    """Raise Anomaly if a contribution is not finite."""
    if not all_finite(contribution):
        inputs = ", ".join(map(described, node.inputs))
        slope = "" if local is None else f", whose local derivative there is {bad(local)}"
        raise Anomaly(
            f"{node.op.name} of {inputs} sends {bad(contribution)} back to "
            f"{described(to)}{slope}{made_at(node)}"
        )


def check_pushed(node: Any, tangent: Any) -> None:
    """Raise Anomaly if a tangent is not finite."""
    if not all_finite(tangent):
        inputs = ", ".join(map(described, node.inputs))
        raise Anomaly(f"the tangent of {node.op.name} of {inputs} is {bad(tangent)}{made_at(node)}")


def check_sum(to: Any, gradient: Any) -> None:
    """Raise Anomaly if contributions are finite, and their sum is not."""
    if not all_finite(gradient):
        raise Anomaly(
            f"the gradients that arrive at {described(to)} add up to {bad(gradient)}{made_at(to)}"
        )


def described(x: Any) -> str:
    """Return a node's label and number; of an Array the shape, and the first that is not finite."""
    name = "" if x.label is None else f"{x.label} = "
    if isinstance(x._data, float):
        return f"{name}{x._data:g}"
    if isinstance(x._data, tuple):
        return f"{len(x._data)} results of {x.op.name}"
    bad_one = "" if all_finite(x._data) else f" with {bad(x._data)}"
    return f"{name}an array of shape {x.shape}{bad_one}"


def bad(data: Any) -> str:
    """Return the first number that is not finite, and its place."""
    if isinstance(data, float):
        return f"{data:g}"
    if isinstance(data, tuple | list):
        return next(f"{x:g}" for x in data if not (x is None or math.isfinite(x)))
    np = sys.modules["numpy"]
    array = np.asarray(data)
    places = np.argwhere(~np.isfinite(array))
    if not len(places):
        return f"{array:g}" if not array.ndim else "finite"
    where = f" at {tuple(places[0].tolist())}" if array.ndim else ""
    return f"{array[tuple(places[0])]:g}{where}"


def made_at(node: Any) -> str:
    return "" if node.origin is None else f": {node.origin}"
