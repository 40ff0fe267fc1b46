"""The outputs of each neuron in a graph: its activations, and their gradients."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from engine.draw.graph.layers import Column, Read
from engine.draw.graph.neurons import SumReader, has_activation_form
from engine.node import Node

Place = tuple[int, int]  # a column, of which 0 is the inputs, and a neuron in it


class Reading(NamedTuple):
    """The outputs of a neuron in a graph, one for each sample.

    Constants, such as the inputs of a batch, have no gradients.
    """

    data: list[float]
    grads: list[float]

    @property
    def mean(self) -> float:
        """The mean of the outputs."""
        return sum(self.data) / len(self.data)

    @property
    def grad(self) -> float:
        """The sum of the gradients, as the gradients of weights are sums over samples."""
        return sum(self.grads)


class Activity:
    """The nodes of a graph that are the inputs and outputs of the neurons of a model.

    Args:
        order: the graph in topological order.
        columns: the fully connected layers of the model.
    """

    def __init__(self, order: Sequence[Node], columns: Sequence[Column]):
        self.columns = columns
        self.owners: dict[Node, Any] = {}  # of the nodes of each neuron of Values
        self.sums: dict[Node, dict[int, Node]] = {}  # the inputs of each neuron's sum, by weight
        self.arrays: list[list[Any]] = [[] for _ in range(len(columns) + 1)]
        sizes = [columns[0].shape[1], *(column.shape[0] for column in columns)]
        self.nodes: list[list[list[Any]]] = [[[] for _ in range(size)] for size in sizes]
        self.of_arrays = isinstance(columns[0].weights, Node)
        if self.of_arrays:
            self.find_arrays(order)
        else:
            self.find_values(order)

    def read(self, place: Place, read_grad: Read) -> Reading | None:
        """Return the outputs of a neuron, or None if the graph has none.

        `read_grad` returns the gradient of a node.
        """
        column, i = place
        if self.of_arrays:
            arrays = [x for x in self.arrays[column] if x.data.ndim]
            pick = lambda array: array[..., i].ravel().astype(float).tolist()
            data = [y for x in arrays for y in pick(x.data)]
            grads = [y for x in arrays if not x.constant for y in pick(read_grad(x))]
        else:
            nodes = self.nodes[column][i]
            data = [x.data for x in nodes]
            grads = [read_grad(x) for x in nodes if not x.constant]
        return Reading(data, grads) if data else None

    def find_arrays(self, order: Sequence[Node]) -> None:
        """Find the Arrays that the layers take and return."""
        places = {column.weights: i for i, column in enumerate(self.columns)}
        sums: dict[Node, int] = {}
        results: list[dict[Node, Node]] = [{} for _ in self.columns]  # the output of each sum
        for node in order:
            if node.op is None:
                continue
            own = [places[x] for x in node.inputs if x in places]
            first: Any = node.inputs[0] if node.inputs else None
            if own and node.op.name == "linear":
                sums[node] = own[0]
                results[own[0]][node] = node
                if first not in self.arrays[own[0]]:
                    self.arrays[own[0]].append(first)
            elif first in sums and node.op.name == self.columns[sums[first]].activation:
                results[sums[first]][first] = node
        for i, result in enumerate(results, 1):
            self.arrays[i] = self.arrays[i] or [*result.values()]

    def find_values(self, order: Sequence[Node]) -> None:
        """Find the Values that the neurons take and return."""
        places: dict[Node, Place] = {}
        index: dict[Node, int | None] = {}  # of weights; None for a bias
        for c, column in enumerate(self.columns, 1):
            for i, (row, bias) in enumerate(zip(column.weights, column.biases, strict=True)):
                places |= dict.fromkeys([*row, bias], (c, i))
                index |= {w: j for j, w in enumerate(row)} | {bias: None}
        reader = SumReader(order, places)
        self.owners = reader.owners
        outputs: dict[Node, Node] = {}  # the activation of each sum
        taken: list[list[dict[Node, None]]] = [[{} for _ in part] for part in self.nodes]
        for node in order:
            first: Any = node.inputs[0] if node.inputs else None
            if node in reader.owners:
                (c, _), size = reader.owners[node], reader.counts[node]
                if node.op is None or size <= self.columns[c - 1].shape[1]:
                    continue
                terms = [x for x in reader.read(node) or () if x.parameter in index]
                inputs: dict[Any, Any] = {index[x.parameter]: x.input for x in terms}
                is_whole = size == len(terms) == len(inputs) and None in inputs
                is_whole &= all((j is None) == (x is None) for j, x in inputs.items())
                if is_whole and outputs.keys().isdisjoint(node.inputs):
                    del inputs[None]
                    outputs[node], self.sums[node] = node, dict(sorted(inputs.items()))
                    for j, x in inputs.items():
                        taken[c - 1][j][x] = None
            elif node.op is not None and first in outputs and has_activation_form(node):
                c, _ = place = self.owners[first]
                if node.op.name == self.columns[c - 1].activation:
                    outputs[first] = node
                    self.owners |= dict.fromkeys([node, *node.inputs[1:]], place)
        for node, output in outputs.items():
            c, i = self.owners[node]
            self.nodes[c][i].append(output)
        for c, inputs_of in enumerate(taken):
            if any(inputs_of):
                self.nodes[c] = [[*xs] for xs in inputs_of]
        for c, part in enumerate(self.nodes[1:], 1):
            for i, nodes in enumerate(part):
                for node in nodes:
                    self.own_chain(node, (c, i))

    def find_sum(self, output: Node) -> Node | None:
        """Return the sum z that an output of a neuron of Values is computed from, if any."""
        place = self.owners.get(output)
        while output not in self.sums and output.inputs and self.owners.get(output) == place:
            output = output.inputs[0]
        return output if output in self.sums and self.owners.get(output) == place else None

    def is_changed(self, output: Node) -> bool:
        """Return whether an output of a neuron is more than the activation of its sum."""
        if output not in self.owners:
            return False
        z, activation = self.find_sum(output), self.columns[self.owners[output][0] - 1].activation
        is_applied = len(output.inputs) == 1 or output.op is None or output.op.name == activation
        return z is None or (output is not z and not is_applied)

    def list_inputs(self, output: Node) -> dict[int, Any]:
        """Return the inputs of an output of a neuron, by the indices of their weights."""
        z = self.find_sum(output)
        return {} if z is None else self.sums[z]

    def number_samples(self) -> dict[Node, int]:
        """Return the sample that each output of a neuron of Values belongs to.

        Samples differ in the inputs of the first layer.
        """
        numbers: dict[tuple[Node, ...], int] = {}
        samples: dict[Node, int] = {}
        for c, part in enumerate(self.nodes[1:], 1):
            for nodes in part:
                for i, node in enumerate(nodes):
                    inputs = [*self.list_inputs(node).values()]
                    if c == 1:
                        samples[node] = numbers.setdefault(tuple(inputs), len(numbers))
                    else:
                        samples[node] = next((samples[x] for x in inputs if x in samples), i)
        return samples

    def own_chain(self, node: Node, place: Place) -> None:
        """Assign the operations between a neuron and what the next layer takes to that neuron."""
        chain = [node]
        while chain[-1] not in self.owners and len(chain[-1].inputs) == 1:
            chain.append(chain[-1].inputs[0])
        if self.owners.get(chain[-1]) == place:
            self.owners |= dict.fromkeys(chain, place)
