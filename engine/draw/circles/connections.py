"""A network as it is drawn: the neurons and connections that are shown, and their numbers."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from engine.draw.circles.activity import Activity, Place, Reading
from engine.draw.circles.scale import Scale
from engine.draw.circles.spots import choose_neurons
from engine.draw.formulas.labels import set_spans
from engine.draw.formulas.notation import Name
from engine.draw.formulas.places import remove_marks
from engine.draw.graph.clusters import format_path, name_root
from engine.draw.graph.layers import Read, list_columns
from engine.draw.look.scene import Span
from engine.draw.look.theme import format_number, format_rounded, norm
from engine.draw.options import Options
from engine.graph import topological
from engine.node import Node
from engine.support.arguments import format_count

DEFAULT = Options().format
MOST_LINES = 1000  # connections in a picture; beyond it, only the strongest are drawn


class Parameter(NamedTuple):
    """The numbers of a weight or bias."""

    data: float
    grad: float


class Connection(NamedTuple):
    """A connection that is drawn, from input `j` to neuron `i` of a layer."""

    tail: Place
    head: Place
    weight: Parameter


class Network:
    """The neurons and connections of a model that a picture shows.

    Neurons are places: their column, in which 0 is that of the inputs, and their index in it.

    Args:
        model: a Module with fully connected layers.
        root: the result of a graph, for activations; None for weights only.
        by_grad: whether the picture shows gradients rather than data.
        grads: numbers that replace the gradients of nodes.
    """

    def __init__(
        self, model: object, root: Node | None = None, by_grad: bool = False,
        grads: Mapping[Node, float] | None = None,
    ):  # fmt: skip
        read_data: Read = lambda x: x.data
        read_grad: Read = (lambda x: x.grad) if grads is None else (lambda x: grads.get(x, 0.0))
        self.columns, self.root, self.by_grad = list_columns(model), root, by_grad
        self.counts = [self.columns[0].shape[1], *(column.shape[0] for column in self.columns)]
        self.shown = [choose_neurons(count) for count in self.counts]
        self.activity = Activity(topological(root), self.columns) if root is not None else None
        self.readings: dict[Place, Reading] = {}
        if self.activity is not None:
            readings = {x: self.activity.read(x, read_grad) for x in self.places}
            self.readings = {x: reading for x, reading in readings.items() if reading is not None}
        if root is not None and not self.readings:
            raise ValueError(
                f"no neuron of {model!r} is in this graph; pass the model that computed it"
            )
        self.biases = {
            (c, i): Parameter(data, grad)
            for c, column in enumerate(self.columns, 1)
            for i, data, grad in zip(
                self.shown[c], column.read_biases(read_data, self.shown[c]),
                column.read_biases(read_grad, self.shown[c]), strict=True,
            )
        }  # fmt: skip
        self.connections = [
            x for c in range(len(self.columns)) for x in self.choose(c, read_data, read_grad)
        ]
        weights = [*self.biases.values(), *(x.weight for x in self.connections)]
        self.root_grad = read_grad(root) if root is not None else 0.0
        self.has_grads = any(weight.grad for weight in weights) or norm(self.root_grad) > 0.0
        self.scale = Scale.fit(map(self.get_weight, weights))
        self.neuron_scale = Scale.fit(map(self.get_number, self.readings))

    @property
    def places(self) -> list[Place]:
        """The neurons that are drawn."""
        return [(c, i) for c, shown in enumerate(self.shown) for i in shown]

    @property
    def samples(self) -> int:
        """The largest number of outputs of one neuron."""
        return max((len(reading.data) for reading in self.readings.values()), default=0)

    def get_weight(self, weight: Parameter) -> float:
        """Return the number of a parameter that the picture shows."""
        return weight.grad if self.by_grad else weight.data

    def get_number(self, place: Place) -> float:
        """Return the number of a neuron that the fill of its circle shows."""
        reading = self.readings[place]
        return reading.grad if self.by_grad else reading.mean

    def choose(self, c: int, read_data: Read, read_grad: Read) -> list[Connection]:
        """Return the connections of a layer that are drawn, the strongest last."""
        column, rows, inputs = self.columns[c], self.shown[c + 1], self.shown[c]
        data = column.read_weights(read_data, rows, inputs)
        grads = column.read_weights(read_grad, rows, inputs)
        connections = [
            Connection((c, j), (c + 1, i), Parameter(data[k][m], grads[k][m]))
            for k, i in enumerate(rows)
            for m, j in enumerate(inputs)
        ]
        scale = Scale.fit(self.get_weight(x.weight) for x in connections)
        connections.sort(key=lambda x: scale.share(self.get_weight(x.weight)))
        total = sum(len(a) * len(b) for a, b in pairwise(self.shown))
        most = max(1, MOST_LINES * len(connections) // total) if total > MOST_LINES else 0
        return connections[-most:]

    @property
    def root_is_neuron(self) -> bool:
        """Whether the root of the graph is the output of a neuron, or the outputs of a layer."""
        activity = self.activity
        if activity is None:
            return True
        return self.root in activity.owners or self.root in activity.arrays[-1]

    def find_changed(self) -> Place | None:
        """Return the place of a neuron whose output is changed before the next layer reads it, such
        as by a residual connection; None if there is none."""
        activity = self.activity
        if activity is None or activity.of_arrays:
            return None
        for c, column in enumerate(activity.nodes[1:], 1):
            for i, outputs in enumerate(column):
                if any(activity.owners.get(x) != (c, i) or activity.is_changed(x) for x in outputs):
                    return c, i
        return None

    def name(self, place: Place) -> str:
        """Return the name of a neuron in texts."""
        (c, i) = place
        if not c:
            return remove_marks("".join(span.text for span in self.name_input(i)))
        return self.columns[c - 1].name_neuron(i)

    def name_output(self, place: Place) -> str:
        """Return the label of a neuron's output in the graph, or its letter and index."""
        (c, i), labels = place, set()
        if self.activity is not None and not self.activity.of_arrays:
            labels = {x.label for x in self.activity.nodes[c][i]}
        letter = "z" if self.columns[c - 1].activation == "linear" else "a"
        index = str(i) if self.counts[c] > 1 else ""
        return (labels.pop() if len(labels) == 1 else None) or f"{letter}{index}"

    def name_root(self) -> str:
        """Return the label of the root, or the name of what follows the last layer."""
        return remove_marks(name_root(self.root).full) if self.root is not None else "loss"

    def name_opened_root(self) -> str:
        """Return the title of the graph that the root opens, from the outputs of the network."""
        return f"{self.name_root()}, scalar by scalar"

    def name_input(self, j: int) -> list[Span]:
        """Return the label of an input if all samples have the same one, else x with its index."""
        labels: set[Any] = set()
        if self.activity is not None and not self.activity.of_arrays:
            labels = {x.label for x in self.activity.nodes[0][j]}
        label = labels.pop() if len(labels) == 1 else None
        return set_spans(label or f"x{j}")

    def name_leaves(self) -> dict[Node, Name]:
        """Return the names of the weights and biases of Values, and of the inputs of samples."""
        assert self.activity is not None
        activity, names = self.activity, dict[Node, Name]()
        for c, column in enumerate(self.columns, 1):
            for i, (row, bias) in enumerate(zip(column.weights, column.biases, strict=True)):
                path = self.name((c, i))
                for short, node in [*((f"w{j}", w) for j, w in enumerate(row)), ("b", bias)]:
                    names.setdefault(node, Name(short, f"{path}.{short}"))
        samples = activity.number_samples()
        has_samples = len({*samples.values()}) > 1
        for output in (x for nodes in activity.nodes[1] for x in nodes):
            for j, x in activity.list_inputs(output).items():
                name = self.name((0, j))
                full = f"{name}, sample {samples[output]}" if has_samples else name
                names.setdefault(x, Name(name, full))
        return names

    def describe_column(self, c: int) -> tuple[str, str, Sequence[str]]:
        """Return the name of a column, its size and activation, and the modules that follow."""
        count = self.counts[c]
        if not c:
            return "inputs", f"{count:,}", ()
        column = self.columns[c - 1]
        if not column.path and count == 1:
            return "neuron", column.activation, column.notes
        size = format_count(count, "neuron")
        return format_path(column.path) or "layer", f"{size}, {column.activation}", column.notes


def format_in_circle(x: float, spec: str) -> str:
    """Format a number for a circle, which has room for few digits unless `spec` asks for more."""
    if spec != DEFAULT:
        return format_number(x, spec)
    text = format_rounded(x, 3)
    return text if len(text) <= 6 else format_rounded(x, 2)


def join_numbers(numbers: Iterable[str]) -> str:
    """Return numbers as a list in a text, the first few of them."""
    numbers = [*numbers]
    return ", ".join(numbers[:6]) + (f", … ({len(numbers)} in all)" if len(numbers) > 6 else "")
