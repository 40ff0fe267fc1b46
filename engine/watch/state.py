"""The state of nodes: gradients that have arrived, finite numbers, leaves that have changed.

`engine.watch.gradient_warnings` defines `_dx` and `_dy` of a leaf.
"""

import math
import sys
from collections.abc import Iterable
from typing import Any

from engine.graph import PENDING, deliver
from engine.node import Node


def has_gradient(node: Node) -> bool:
    """Return whether a Value's gradient is not 0, or an Array has received any gradient."""
    grad = node._grad
    if type(grad) is float:
        if PENDING:
            deliver(node)
        return node._grad != 0.0
    if grad is None and node._stands_for:
        return bool(node.grad.any())
    return any(grad) if isinstance(grad, tuple) else grad is not None


def is_differentiated(order: Iterable[Any]) -> bool:
    """Return whether an interior node of a graph has received a gradient."""
    return any(node.op is not None and has_gradient(node) for node in order)


def all_finite(data: Any) -> bool:
    """Return whether a float, an array or all numbers in a tuple are finite; None counts as 0."""
    if type(data) is float:
        return math.isfinite(data)
    if isinstance(data, tuple | list):
        return all(x is None or math.isfinite(x) for x in data)
    if data.ndim == 0:
        return math.isfinite(data)
    return bool(sys.modules["numpy"].isfinite(data).all())


def any_nonzero(data: Any) -> bool:
    """Return whether a float, or any element of a list or an array, is not 0."""
    if isinstance(data, list | tuple):
        return any(data)
    return data != 0.0 if type(data) is float else bool(data.any())


def find_overwritten_leaf(order: Iterable[Any]) -> Node | None:
    """Return the first leaf whose array was modified in place after the graph was computed."""
    for node in order:
        if node.op is not None and node._zero is None:  # an Array
            for i, x in enumerate(node._x):
                if x._data is node._dx[i] or x.op is not None or x._dy is None:
                    continue
                if node._overwritten(i):
                    return x
    return None


def find_reassigned_leaf(order: Iterable[Any]) -> Node | None:
    """Return the first leaf whose data has changed since the graph was computed."""
    for node in order:
        if node.op is not None:
            for i, x in enumerate(node.inputs):
                if x.op is None and x._dy is not None and node._outdated(i):
                    return x
    return None


def describe_leaf(leaf: Node) -> str:
    """Return the label of a leaf, and the shape of an Array."""
    name = leaf.label or ("a constant" if leaf.constant else "a leaf")
    return f"{name} of shape {leaf.data.shape}" if hasattr(leaf.data, "shape") else name
