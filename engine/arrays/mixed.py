"""Rows between Values and Arrays, for the functions that `engine.derivatives` differentiates.

Numbers among the arguments of a differentiated function are Values. In an operation with an array,
a Value becomes an Array without axes; in the derivative, an element of an Array becomes a Value.
The two rows are linear, and each is the transpose of the other.

Such graphs exist only while a function is differentiated: elsewhere, Values and Arrays do not mix.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine import graph
from engine.arrays.array import Array, ConstantArray
from engine.graph import Sent
from engine.node import Node
from engine.rules import Op
from engine.value import Value, holds_objects, lift_element, make_node
from engine.watch import hooks


class JoinValues(Op):
    """Values joined into an array of a shape and dtype."""

    __slots__ = ("dtype", "shape")
    name, partials = "array", ()

    def __init__(self, shape: tuple[int, ...], dtype: Any):
        self.shape, self.dtype = shape, dtype

    def forward(self, *xs: float) -> np.ndarray:
        """Return the array of the numbers."""
        return np.array(xs, self.dtype).reshape(self.shape)

    def transpose(self, node: Node, g: Array) -> list[Sent]:
        """Return the contributions to the Values as nodes, for a gradient that is a node."""
        pairs = enumerate(node.inputs)
        return [Sent(x, None, element(g, i)) for i, x in pairs if not x.constant]


class TakeElement(Op):
    """An element of an array, by its index in the flattened array."""

    __slots__ = ("index",)
    name, partials = "element", ()

    def __init__(self, index: int):
        self.index = index

    def forward(self, x: np.ndarray) -> float:
        """Return the element of an array."""
        return float(x.flat[self.index])

    def transpose(self, node: Node, g: Value) -> list[Sent]:
        """Return the contribution to the Array as a node, for a gradient that is a node."""
        (x,) = node.inputs
        parts: list[Any] = [0.0] * x.data.size
        parts[self.index] = g
        return [Sent(x, None, make_joined(parts, x.data.shape, x.data.dtype))]


class JoinedValues(Array):
    """An Array whose inputs are Values."""

    __slots__ = ()

    def __repr__(self) -> str:
        return Array.__repr__(self).replace(type(self).__name__, "Array", 1)

    def _contributions(self, g: np.ndarray) -> list[Sent]:
        pairs = zip(self._x, g.flat, strict=True)
        return [Sent(x, None, float(part)) for x, part in pairs if not x.constant]

    def _overwritten(self, i: int) -> bool:
        return False  # a float cannot be modified in place

    def _outdated(self, i: int) -> bool:
        return bool(self._x[i]._data is not self._dx[i])

    @property
    def locals(self) -> tuple[Any, ...]:
        return (None,) * len(self._x)


def make_joined(xs: Sequence[Any], shape: tuple[int, ...], dtype: Any) -> Array:
    """Return Values and numbers joined into an Array, a constant if all of them are constants."""
    inputs = tuple(map(lift_element, xs))
    op, data = JoinValues(shape, dtype), tuple([x._data for x in inputs])
    if all(x.constant for x in inputs):
        return ConstantArray(op.forward(*data))
    node = object.__new__(JoinedValues)
    node.op, node._data = op, op.forward(*data)
    node._grad = node._y = node._dy = None
    node._x, node._dx = inputs, data
    return graph.observer.made(node) if hooks.observed else node


def element(x: Array, index: int = 0) -> Value:
    """Return an element of an Array as a Value."""
    op = TakeElement(index)
    if x.constant:
        return Value.lift(op.forward(x._data))
    unit: Any = np.zeros_like(x._data)
    unit.flat[index] = 1.0
    return make_node(op, (x,), None, op.forward(x._data), (unit,), None)


def join_values(args: Sequence[Any]) -> list[Any]:
    """Return the operands with an Array in place of each Value, or array or list of Values.

    They have the dtype of the first operand that is an Array and requires a gradient.
    """
    if hooks.reading:  # `jit` records no such rows
        return [*args]
    dtypes = [x.dtype for x in args if isinstance(x, Array) and not x.constant]
    return [join_operand(x, *dtypes[:1]) for x in args]


def join_operand(x: Any, dtype: Any = np.float64) -> Any:
    """Return an operand as an Array of a dtype if it contains Values, else unchanged."""
    if isinstance(x, Array) or not holds_values(x):
        return x
    values = np.asarray(x, object)
    return make_joined(list(values.flat), values.shape, dtype)


def holds_values(x: Any) -> bool:
    """Return whether `x` is a Value, or an array or list that contains nodes."""
    if isinstance(x, list | tuple):
        return any(map(holds_values, x))
    if holds_objects(x):
        return any(isinstance(part, Node) for part in x.flat)
    return isinstance(x, Value)
