"""The fully connected layers of a model, as columns of neurons.

A model yields them by its method `_columns`, so that drawings need not know the classes of `nn`.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

from engine.draw.graph.clusters import format_path
from engine.node import Node

Read: TypeAlias = Callable[[Any], Any]
EXPECTED = "a Module of fully connected layers, such as nn.MLP or nn.vector.Dense"


class Column(NamedTuple):
    """A fully connected layer: activation(W x + b).

    W and b are an Array of shape (outputs, inputs) and one of shape (outputs,), or rows of Values
    and a list of Values. `notes` are the modules that follow the layer and have no weights. `added`
    are the columns whose outputs residual blocks add after it; 0 is that of the inputs.
    """

    path: str
    weights: Any
    biases: Any
    activation: str
    notes: tuple[str, ...] = ()
    added: tuple[int, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of outputs and inputs."""
        if isinstance(self.weights, Node):
            return self.weights.data.shape
        return len(self.weights), len(self.weights[0])

    def read_weights(self, read: Read, rows: Sequence[int], inputs: Sequence[int]) -> list[Any]:
        """Return a number of some weights, as lists of floats; `read` takes it from a node."""
        if isinstance(self.weights, Node):
            return read(self.weights)[list(rows)][:, list(inputs)].astype(float).tolist()
        return [[read(self.weights[i][j]) for j in inputs] for i in rows]

    def read_biases(self, read: Read, rows: Sequence[int]) -> list[float]:
        """Return a number of some biases."""
        if isinstance(self.biases, Node):
            return read(self.biases)[list(rows)].astype(float).tolist()
        return [read(self.biases[i]) for i in rows]

    def name_neuron(self, i: int) -> str:
        """Return the path of a neuron, as it is written in Python."""
        if isinstance(self.weights, Node):
            return f"{format_path(self.path)}[{i}]".removeprefix("[")
        if self.shape[0] == 1 and not self.path:
            return "neuron"
        return format_path(f"{self.path}.neurons.{i}".removeprefix("."))


def list_columns(model: object) -> list[Column]:
    """Return the fully connected layers of a model, from its input to its output.

    Raises TypeError if `model` is not a Module, and ValueError if it has no such layers or if a
    layer does not fit to the one before it.
    """
    method = getattr(model, "_columns", None)
    if method is None or isinstance(model, type):
        raise TypeError(f"model must be {EXPECTED}, got {model!r}")
    columns: list[Column] = []
    for path, weights, biases, activation in method():
        if weights is not None:
            columns.append(Column(path, weights, biases, activation))
        elif columns:
            added = find_inputs(path, columns) if activation.startswith("+") else ()
            columns[-1] = columns[-1]._replace(
                notes=(*columns[-1].notes, activation), added=(*columns[-1].added, *added)
            )
    if not columns:
        raise ValueError(
            f"model must be {EXPECTED}, got {model!r}, which has no such layers; pass a graph to "
            "draw instead"
        )
    for before, after in pairwise(columns):
        if before.shape[0] != after.shape[1]:
            raise ValueError(
                f"{model!r} cannot be drawn as columns of neurons: {before.path} has "
                f"{before.shape[0]} outputs, and {after.path} takes {after.shape[1]} inputs; "
                "write draw(loss, model) or step(loss, model) with level='blocks'"
            )
    return columns


def find_inputs(path: str, columns: Sequence[Column]) -> tuple[int, ...]:
    """Return the column whose outputs a residual block takes, if it has a layer of its own."""
    inside = [c for c, x in enumerate(columns) if not path or f"{x.path}.".startswith(f"{path}.")]
    return (inside[0],) if inside else ()


def list_layers(model: object) -> set[str]:
    """Return the paths of a model's fully connected layers; none for a model without any."""
    method = getattr(model, "_columns", None)
    rows: Iterable[Any] = method() if method is not None else ()
    return {path for path, weights, *_ in rows if weights is not None}
