"""The first number that is inf or nan, and what is told of it: looked for by `detect_anomaly`."""

from typing import Any

import numpy as np

from engine.graph import walk
from engine.value import Value


class Anomaly(FloatingPointError):
    """The first inf or nan, with the operation, its inputs and the line that made it.

    >>> from engine import detect_anomaly
    >>> with detect_anomaly():
    ...     try:
    ...         Value(0.0, "x").log()
    ...     except Anomaly as found:
    ...         print(str(found).partition(":")[0])
    log of x = 0 is -inf
    """


def checked(node: Any) -> Any:
    """The node; Anomaly where a number of it is not finite."""
    if not np.isfinite(node._data).all():
        inputs = ", ".join(map(described, node.inputs))
        raise Anomaly(f"{node.op.name} of {inputs} is {bad(node._data)}{made_at(node)}")
    return node


def checked_backward(root: Any) -> None:
    """`backward`, one step at a time; Anomaly where a gradient is not finite any more."""
    order = root.begun()
    before = {x for x in order if x.op is None and not np.isfinite(x.grad).all()}
    for step in walk(root):
        for to, local, contribution in step.sent:
            check_sent(step.node, to, contribution, local)
            if to not in before:
                check_sum(to, to.grad)


def check_sent(node: Any, to: Any, contribution: Any, local: Any = None) -> None:
    """Anomaly for a contribution that is not finite."""
    if not np.isfinite(contribution).all():
        inputs = ", ".join(map(described, node.inputs))
        slope = "" if local is None else f", whose local derivative there is {bad(local)}"
        raise Anomaly(
            f"{node.op.name} of {inputs} sends {bad(contribution)} back to "
            f"{described(to)}{slope}{made_at(node)}"
        )


def check_pushed(node: Any, move: Any) -> None:
    """Anomaly for a node that moves infinitely fast, in forward mode."""
    if not np.isfinite(move).all():
        inputs = ", ".join(map(described, node.inputs))
        raise Anomaly(f"{node.op.name} of {inputs} moves by {bad(move)}{made_at(node)}")


def check_sum(to: Any, gradient: Any) -> None:
    """Anomaly for contributions that are finite, and their sum is not."""
    if not np.isfinite(gradient).all():
        raise Anomaly(
            f"the gradients that arrive at {described(to)} add up to {bad(gradient)}{made_at(to)}"
        )


def described(x: Any) -> str:
    """A node's label and number; of an Array the shape, and the first that is not finite."""
    name = "" if x.label is None else f"{x.label} = "
    if isinstance(x, Value):
        return f"{name}{x._data:g}"
    whole = np.isfinite(x._data).all()
    return f"{name}an array of shape {x.shape}" + ("" if whole else f" with {bad(x._data)}")


def bad(data: Any) -> str:
    """The first number that is not finite, and where."""
    array = np.asarray(data)
    places = np.argwhere(~np.isfinite(array))
    if not len(places):
        return f"{array:g}" if not array.ndim else "finite"
    where = f" at {tuple(places[0].tolist())}" if array.ndim else ""
    return f"{array[tuple(places[0])]:g}{where}"


def made_at(node: Any) -> str:
    return "" if node.origin is None else f": {node.origin}"
