"""`detect_anomaly`: find the first number of a computation that is inf or nan."""

import math
import sys
from collections.abc import Collection
from typing import Any

from engine import graph
from engine.graph import Step, topological, walk_back
from engine.node import Node
from engine.watch.hooks import active
from engine.watch.origin import record_origins
from engine.watch.state import all_finite, is_differentiated

Data = Any  # the data or gradient of a node: a float, an array, or a tuple of several results


class Anomaly(FloatingPointError):
    """The first inf or nan; the message names the operation, its inputs and its line of code.

    >>> from engine import Value, detect_anomaly
    >>> with detect_anomaly():
    ...     try:
    ...         Value(0.0, "x").log()
    ...     except Anomaly as anomaly:
    ...         print(str(anomaly).partition(":")[0])
    log of x = 0 is -inf
    """

    __module__ = "stepgrad"  # tracebacks show the public name


class detect_gradient_anomaly(record_origins):
    """`detect_anomaly` for gradients and tangents only, not for results."""


class detect_anomaly(detect_gradient_anomaly):
    """Context manager that raises `Anomaly` at the first result or gradient that is inf or nan.

    It covers `backward()` and the functions of `engine.derivatives`. It does not cover tapes:
    recompute a tape's graph instead. While it is active, every node records its origin, which makes
    creating nodes several times slower.

    >>> from engine import Value
    >>> with detect_anomaly():  # doctest: +ELLIPSIS
    ...     Value(-1.0, "x").log()
    Traceback (most recent call last):
    stepgrad.Anomaly: log of x = -1 is nan: ..., line 2: Value(-1.0, "x").log()
    """

    def _on_node(self, node: Any) -> Node:
        node = super()._on_node(node)
        if not all_finite(node._data):
            operation = node.inputs[0] if node.op._output_index is not None else node
            inputs = describe_inputs(operation)
            raise Anomaly(f"{node.op.name} of {inputs} is {bad_number(node._data)}{made_at(node)}")
        return node

    @staticmethod
    def _backward(root: Node) -> None:
        """Run the backward pass step by step, and check each."""
        order = topological(root)
        graph.observer.before_backward(root, order, is_differentiated(order))
        before = {x for x in order if x.op is None and not all_finite(x.grad)}
        for step in walk_back(order, [(root, root._one())]):
            check_step(step, before)


def detecting() -> bool:
    """Return whether `detect_anomaly` is active."""
    return any(isinstance(hook, detect_gradient_anomaly) for hook in active())


def check_step(step: Step, ignored: Collection[Node] = ()) -> None:
    """Raise Anomaly if a contribution, or the gradient it was added to, is not finite."""
    for to, local, contribution in step.sent:
        check_contribution(step.node, to, contribution, local)
        if to not in ignored:
            check_gradient(to, to.grad)


def check_contribution(node: Node, to: Node, contribution: Data, local: Data = None) -> None:
    """Raise Anomaly if the contribution of a node to an input's gradient is not finite."""
    if not all_finite(contribution):
        slope = "" if local is None else f", with local derivative {bad_number(local)}"
        raise Anomaly(
            f"the contribution of {name_of(node)} of {describe_inputs(node)} to the gradient of "
            f"{describe_node(to)} is {bad_number(contribution)}{slope}{made_at(node)}"
        )


def check_tangent(node: Node, tangent: Data) -> None:
    """Raise Anomaly if the tangent of a node is not finite."""
    if not all_finite(tangent):
        raise Anomaly(
            f"the tangent of {name_of(node)} of {describe_inputs(node)} is "
            f"{bad_number(tangent)}{made_at(node)}"
        )


def check_gradient(node: Node, gradient: Data) -> None:
    """Raise Anomaly if a gradient, the sum of finite contributions, is not finite."""
    if not all_finite(gradient):
        raise Anomaly(
            f"the contributions to the gradient of {describe_node(node)} add up to "
            f"{bad_number(gradient)}{made_at(node)}"
        )


def name_of(node: Any) -> str:
    return node.op.name


def describe_inputs(node: Node) -> str:
    return ", ".join(map(describe_node, node.inputs))


def describe_node(x: Any) -> str:
    """Return a node's label and number; for an Array its shape and first bad number."""
    label = "" if x.label is None else f"{x.label} = "
    if isinstance(x._data, float):
        return f"{label}{x._data:g}"
    if isinstance(x._data, tuple):
        return f"{len(x._data)} results of {x.op.name}"
    suffix = "" if all_finite(x._data) else f" with {bad_number(x._data)}"
    return f"{label}an array of shape {x.shape}{suffix}"


def bad_number(data: Data) -> str:
    """Return the first number that is not finite, and its index in an array."""
    if isinstance(data, float):
        return f"{data:g}"
    if isinstance(data, tuple | list):
        return next(f"{x:g}" for x in data if not (x is None or math.isfinite(x)))
    np = sys.modules["numpy"]
    array = np.asarray(data)
    places = np.argwhere(~np.isfinite(array))
    if not len(places):
        return f"{array:g}" if not array.ndim else "finite"
    index = tuple(places[0].tolist())
    return f"{array[index]:g}" + (f" at {index}" if index else "")


def made_at(node: Node) -> str:
    return "" if node.origin is None else f": {node.origin}"
