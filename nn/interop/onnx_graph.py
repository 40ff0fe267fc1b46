"""The graph of an ONNX file, and its tensors, to which rows of operations can be applied.

A row applied to a tensor adds its nodes to the graph, as it adds instructions to a tape. Functions
that are one ONNX operator become one node; the others become the nodes of their formula.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine import arithmetic
from engine.arrays.array import Array
from engine.support.lazy import import_extra
from nn.module import Module


class Tensor:
    """A tensor in an ONNX graph, with its number of axes. Operators add nodes to the graph."""

    __array_ufunc__ = None  # NumPy's scalars leave operators to this class

    def __init__(self, graph: OnnxGraph, name: str, rank: int):
        self.graph, self.name, self.rank = graph, name, rank

    def __add__(self, other: Operand) -> Tensor:
        return add_node("Add", self, other)

    def __radd__(self, other: Operand) -> Tensor:
        return add_node("Add", other, self)

    def __sub__(self, other: Operand) -> Tensor:
        return add_node("Sub", self, other)

    def __rsub__(self, other: Operand) -> Tensor:
        return add_node("Sub", other, self)

    def __mul__(self, other: Operand) -> Tensor:
        return add_node("Mul", self, other)

    def __rmul__(self, other: Operand) -> Tensor:
        return add_node("Mul", other, self)

    def __truediv__(self, other: Operand) -> Tensor:
        return add_node("Div", self, other)

    def __rtruediv__(self, other: Operand) -> Tensor:
        return add_node("Div", other, self)

    def __matmul__(self, other: Tensor) -> Tensor:
        return add_node("MatMul", self, other)

    def __neg__(self) -> Tensor:
        return add_node("Neg", self)

    def __abs__(self) -> Tensor:
        return add_node("Abs", self)

    def __lt__(self, other: Operand) -> Tensor:
        return add_node("Less", self, other)

    def __le__(self, other: Operand) -> Tensor:
        return add_node("LessOrEqual", self, other)

    def __gt__(self, other: Operand) -> Tensor:
        return add_node("Greater", self, other)

    def __ge__(self, other: Operand) -> Tensor:
        return add_node("GreaterOrEqual", self, other)


Operand = Tensor | float


class OnnxGraph:
    """The nodes and initializers of an ONNX graph.

    model  the model whose Arrays and layers it names by their paths
    dtype  of its tensors of floats
    find   a function of a layer that returns the function (graph, layer, X) -> Y of its nodes
    """

    def __init__(self, model: Module, dtype: np.dtype, find: Callable[[Any, str], Any]):
        self.onnx = import_extra("onnx", "to_onnx", "onnx")
        self.dtype, self.find = dtype, find
        self.names = {array: path for path, array in model.named_state().items()}
        self.paths = {module: path for path, module in model.named_modules().items()}
        self.scope = ""  # the path of the layer that is being written
        self.nodes: list[Any] = []
        self.initializers: dict[str, Any] = {}
        self.counts: dict[str, int] = {}

    def layer(self, layer: Any, X: Tensor, name: str = "") -> Tensor:
        """Add the nodes of a layer and return its output.

        `name` is its place in the layer around it, for the message if it is not a Module.
        """
        before, inner = self.scope, ".".join(filter(None, (self.scope, name)))
        self.scope = self.paths.get(layer, inner) if isinstance(layer, Module) else inner
        Y = self.find(layer, self.scope)(self, layer, X)
        self.scope = before
        return Y

    def node(
        self, operator: str, *inputs: Operand, rank: int | None = None, **settings: Any
    ) -> Any:
        """Add a node and return its output, with the largest rank of the inputs by default."""
        tensors = [x if isinstance(x, Tensor) else self.constant(x) for x in inputs]
        name = self.unique_name(f"{self.scope}/{operator}" if self.scope else operator)
        made = self.onnx.helper.make_node(
            operator, [x.name for x in tensors], [name], name=name, **settings
        )
        self.nodes.append(made)
        return Tensor(self, name, max(x.rank for x in tensors) if rank is None else rank)

    def constant(self, x: Any, dtype: Any = None) -> Tensor:
        """Return a constant; equal ones are stored once."""
        array = np.asarray(x, self.dtype if dtype is None else dtype)
        return self.store(f"{array.dtype} {array.tolist()}", array)

    def array(self, array: Array) -> Tensor:
        """Return an Array of the model, under its path."""
        return self.store(self.names[array], array.data.astype(self.dtype))

    def store(self, name: str, array: np.ndarray) -> Tensor:
        """Return an initializer, a tensor that is stored in the file."""
        if name not in self.initializers:
            content = np.ascontiguousarray(array)
            proto = self.onnx.numpy_helper.from_array(content.reshape(array.shape), name)
            self.initializers[name] = proto
        return Tensor(self, name, array.ndim)

    def unique_name(self, name: str) -> str:
        """Return a name that no other tensor has: "Add", "Add_2", ..."""
        self.counts[name] = count = self.counts.get(name, 0) + 1
        return name if count == 1 else f"{name}_{count}"


def add_node(operator: str, *inputs: Operand) -> Tensor:
    """Add a node to the graph of the first tensor among its inputs, and return its output."""
    graph = next(x.graph for x in inputs if isinstance(x, Tensor))
    return graph.node(operator, *inputs)


def bind_operator(operator: str) -> Callable[..., Tensor]:
    """Return a function that adds a node with that operator."""
    return lambda *inputs: add_node(operator, *inputs)


def exp2(x: Tensor) -> Tensor:
    return add_node("Pow", 2.0, x)


def cbrt(x: Tensor) -> Tensor:
    return add_node("Sign", x) * add_node("Pow", abs(x), 1.0 / 3.0)


def expm1(x: Tensor) -> Tensor:
    """Return exp(x) - 1; near 0, where it cancels, 2 t / (1 - t) with t = tanh(x / 2)."""
    t = add_node("Tanh", 0.5 * x)
    return add_node("Where", abs(x) < 1.0, 2.0 * t / (1.0 - t), add_node("Exp", x) - 1.0)


def erfc(x: Tensor) -> Tensor:
    return 1.0 - add_node("Erf", x)


OPERATORS = {
    "sin": "Sin", "cos": "Cos", "tan": "Tan", "asin": "Asin", "acos": "Acos", "atan": "Atan",
    "sinh": "Sinh", "cosh": "Cosh", "tanh": "Tanh", "asinh": "Asinh", "acosh": "Acosh",
    "atanh": "Atanh", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "erf": "Erf", "floor": "Floor",
    "rint": "Round", "power": "Pow", "divide": "Div", "where": "Where",
    # formulas that are one operator
    "relu": "Relu", "sigmoid": "Sigmoid", "sign": "Sign", "ceil": "Ceil", "equal": "Equal",
    "maximum": "Max", "minimum": "Min",
}  # fmt: skip
FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    **{name: bind_operator(operator) for name, operator in OPERATORS.items()},
    "exp2": exp2, "expm1": expm1, "cbrt": cbrt, "erfc": erfc,
    "normal_cdf": lambda x: 0.5 * erfc(-math.sqrt(0.5) * x),
    "log1p": lambda x: add_node("Log", 1.0 + x),
    "log2": lambda x: add_node("Log", x) / math.log(2.0),
    "log10": lambda x: add_node("Log", x) / math.log(10.0),
    "hypot": lambda x, y: add_node("Sqrt", x * x + y * y),
    # Infinite inputs, for which these formulas leave out a factor, give nan.
    "drop_low": lambda x: x, "drop_large": lambda x: x,
}  # fmt: skip
arithmetic.register(Tensor, FUNCTIONS)


def permutation(rank: int, first: int, second: int) -> Sequence[int]:
    """Return the order of axes in which two of them are exchanged.

    >>> permutation(3, -1, -2)
    [0, 2, 1]
    """
    axes = list(range(rank))
    axes[first], axes[second] = axes[second], axes[first]
    return axes
