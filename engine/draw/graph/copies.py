"""Copies of a part of a graph, which are graphs of their own."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.node import Node


def copy_part(order: Sequence[Node], leaves: Mapping[Node, Node]) -> dict[Node, Any]:
    """Return the copy of each node of a graph in topological order, with `leaves` in place of some.

    Other leaves, and values that are computed from none of `leaves`, are their own copies.
    """
    copies: dict[Node, Any] = {}
    for node in order:
        inputs = [copies[x] for x in node.inputs]
        is_same = all(x is y for x, y in zip(inputs, node.inputs, strict=True))
        copy = node if is_same else copy_node(node, inputs)
        copies[node] = leaves.get(node, copy)
    return copies


def copy_node(node: Any, inputs: Sequence[Any]) -> Any:
    """Return a node of the same operation and data with other inputs."""
    copy: Any = object.__new__(type(node))
    for name in ("op", "_data", "_dx", "_dy", "_y", "_grad", "_label", "_origin", "_own_rank"):
        if hasattr(node, name):
            setattr(copy, name, getattr(node, name))
    if isinstance(node._x, tuple):
        copy._x = tuple(inputs)
    else:
        copy._x, *others = inputs
        copy._y = others[0] if others else None
    return copy
