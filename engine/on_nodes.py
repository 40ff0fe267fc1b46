"""Rows read on nodes: a derivative that is computed so is a graph, and can be differentiated again.

What a row chooses (`where`) it chooses by the numbers that there are: a choice has no slope.
"""

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import numpy as np

from engine import floats, functions
from engine.array import Array
from engine.array_formulas import unbroadcast
from engine.array_ops import BROADCAST_TO, MAX, SCATTER, ArrayOp
from engine.ndarrays import over_arrays
from engine.node import Node
from engine.ops import DIV, ELEMENTWISE, POW, flat
from engine.readers import over
from engine.value import Value

ROWS = {**ELEMENTWISE, "divide": DIV, "power": POW}


def contributions(node: Any, g: Any) -> list[Any]:
    """What the chain rule sends to each input of a node for the gradient g, as nodes.

    TypeError that names the row where it takes its inputs for numbers.
    """
    try:
        return to_arrays(node, g) if isinstance(node, Array) else to_values(node, g)
    except TypeError as problem:
        name = node.op.name
        raise TypeError(
            f"the row {name!r} cannot be run on nodes, as a derivative that is a graph needs: "
            f"{problem}; write it with the functions of engine.floats"
        ) from problem
    except Exception as problem:
        problem.add_note(f"in the slopes of {node.op.name!r}")
        raise


def to_values(node: Value, g: Value) -> list[Any]:
    op = read(node.op, False)
    slopes = flat(op.locals(node, *op.group(node.inputs)))
    return [g if type(slope) is float and slope == 1.0 else g * slope for slope in slopes]


def to_arrays(node: Array, g: Array) -> list[Any]:
    op = node.op
    if isinstance(op, ArrayOp):
        row = read(op.row, True)
        pulled = [row.pull(i, g, node, node.inputs, op.settings) for i in range(len(node.inputs))]
    else:
        slopes = read(op, True).locals(node, *node.inputs)
        pulled = [g if type(slope) is float and slope == 1.0 else g * slope for slope in slopes]
    return [unbroadcast(each, x.shape) for each, x in zip(pulled, node.inputs, strict=True)]


@lru_cache(maxsize=1024)  # a user's rows are let go of
def read(op: Any, arrays: bool) -> Any:
    """A row read on Arrays or on Values."""
    return over(op, space(arrays))


@cache
def space(arrays: bool) -> dict[str, Any]:
    """What a row's names mean: other rows are one node each."""
    float64 = np.dtype(np.float64)
    names: dict[str, Any] = {}
    for name, op in ROWS.items():
        plain = over_arrays(op, float64).forward if arrays else getattr(floats, name, op.forward)
        names[name] = either(op, plain)
    if not arrays:
        return {**names, "where": choose, "softmax": functions.softmax}
    return {
        **names,
        "where": choose_elements,
        "softmax": lambda x, axis=-1: x.softmax(axis),
        "broadcast_to": lambda x, shape: BROADCAST_TO(x, shape=shape),
        "scatter": lambda x, index, shape: SCATTER(x, index=index, shape=shape),
        "share_of_largest": share_of_largest,
    }


def either(op: Callable[..., Any], plain: Callable[..., Any]) -> Callable[..., Any]:
    """A node where there are nodes among the arguments; else what `plain` makes of numbers."""
    return lambda *args: op(*args) if any(isinstance(x, Node) for x in args) else plain(*args)


def choose(condition: Any, x: Any, y: Any) -> Any:
    return x if getattr(condition, "data", condition) else y


def choose_elements(condition: Any, x: Any, y: Any) -> Any:
    """Where all choose alike, there is no other: its slope may be infinite there, times 0."""
    condition = np.asarray(condition.data if isinstance(condition, Node) else condition, bool)
    if condition.all() or not condition.any():
        return x if condition.all() else y
    if any(isinstance(each, Node) for each in (x, y)):
        return functions.where(Array.lift(condition), x, y)
    return np.where(condition, x, y)


def share_of_largest(x: Array, out: Array, axis: Any) -> Array:
    """Which elements are the largest is a choice: numbers, without a slope."""
    row, ones = over_arrays(MAX, x.dtype), np.ones_like(out.data)
    return Array.lift(row.pull(0, ones, out.data, (x.data,), {"axis": axis}))
