"""The scalar graphs of neurons, which open from the picture of their network."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from engine.draw.circles.activity import Place
from engine.draw.circles.connections import Network
from engine.draw.graph.copies import copy_part
from engine.graph import topological
from engine.node import Node
from engine.rules import ELEMENTWISE
from engine.support.arguments import format_count
from engine.value import Value, as_nodes

MOST_TERMS = 28  # products of a neuron's sum that are scalars, as many as a card shows
LEAST_TERMS = 3
MOST_SAMPLES = 5  # of a neuron, as many as a card shows
MOST_SCALARS = 400  # products in all graphs of a page
FEW_TERMS = 8  # of a neuron that is drawn as a graph


Source = tuple[str, int]


class OpenedNeuron(NamedTuple):
    """The graph of a neuron alone, its parameters as a model, and a note on what is left out.

    `sources` says what its leaves are: ("w", j) a weight, ("x", j) the input of that weight,
    ("b", 0) the bias, ("rest", 0) the other products, and ("grad", n) the gradient of the n-th
    output.
    """

    root: Value
    model: "NeuronModel | None"
    note: str
    sources: "Mapping[Node, Source]"


class NeuronModel:
    """The parameters of one neuron, for a picture as a card."""

    def __init__(self, parameters: Mapping[str, Value]):
        self.parameters = dict(parameters)

    def __repr__(self) -> str:
        return f"neuron of {format_count(len(self.parameters) - 1, 'input')}"

    def named_parameters(self) -> dict[str, Node]:
        """Return the parameters by their names."""
        return {**self.parameters}

    def named_modules(self) -> dict[str, object]:
        """Return the neuron itself."""
        return {"": self}


class NeuronOpener:
    """A builder of the scalar graphs of the neurons of a network.

    All neurons open. If they have many weights or samples, the largest contributions to a neuron's
    sum are scalars, and only the first samples.

    Args:
        network: the network, of Values.
        grads: the gradients of the nodes of its graph.
    """

    def __init__(self, network: Network, grads: Mapping[Node, float]):
        assert network.activity is not None
        self.network, self.activity, self.grads = network, network.activity, grads
        self.samples = self.activity.number_samples()
        self.places = [place for place in network.readings if place[0]]
        sizes = [network.columns[c - 1].shape[1] for c, _ in self.places]
        count = lambda most: sum(min(size, most) for size in sizes)
        choices = range(MOST_TERMS, LEAST_TERMS, -1)
        self.terms = next((x for x in choices if count(x) <= MOST_SCALARS), LEAST_TERMS)
        self.shown = max(1, min(MOST_SAMPLES, MOST_SCALARS // max(1, count(self.terms))))

    def build(self, place: Place) -> OpenedNeuron:
        """Return the graph of a neuron, scalar by scalar, whose gradients are those of the network.

        Its leaves are copies. The root is the sum of the outputs times their gradients, as
        constants: the loss as a linear function of the outputs, which has the same derivatives.
        """
        network, (c, i) = self.network, place
        column = network.columns[c - 1]
        nodes = sorted(self.activity.nodes[c][i], key=lambda node: self.samples[node])
        total, is_large = len(nodes), column.shape[1] > FEW_TERMS
        nodes = nodes[: self.shown]
        indices = self.choose_terms(place, nodes)
        weights = {j: Value(column.weights[i][j].data, f"w{self.number_term(j)}") for j in indices}
        bias = Value(column.biases[i].data, "b")
        sources: dict[Node, Source] = {bias: ("b", 0)}
        sources.update((w, ("w", j)) for j, w in weights.items())
        outputs = [self.build_output(place, node, weights, bias, sources) for node in nodes]
        root, left_out = outputs[0], column.shape[1] - len(indices)
        if not (total == 1 and nodes[0] is network.root):
            grads = as_nodes([self.grads.get(node, 0.0) for node in nodes])
            for n, grad in enumerate(grads):
                grad.label, sources[grad] = "∇a", ("grad", n)
            root, *terms = [out * grad for out, grad in zip(outputs, grads, strict=True)]
            for term in terms:
                root = root + term
            root.label = network.name_root()
        parameters = {f"{w.label}": w for w in (*weights.values(), bias)}
        is_card = len(nodes) > 1 or is_large or left_out
        model = NeuronModel(parameters) if is_card else None
        return OpenedNeuron(root, model, self.describe(place, nodes, total), sources)

    def build_loss(self) -> Value | None:
        """Return the graph from the outputs of the network to the root, whose leaves are copies.

        Returns None if the root is an output itself.
        """
        network, root = self.network, self.network.root
        if network.root_is_neuron or not isinstance(root, Value):
            return None
        order, owners = topological(root), self.activity.owners
        has_samples, leaves = len({*self.samples.values()}) > 1, {}
        for node in order:
            if node not in owners or node.constant:
                continue
            label = node.label or network.name_output(owners[node])
            if node.op is None:
                label = f"{network.name(owners[node])}.{label}"
            elif has_samples and node in self.samples and not node.label:
                label += f"[{self.samples[node]}]"
            leaves[node] = Value(node.data, label)
        copy: Value = copy_part(order, leaves)[root]
        copy.label = network.name_root()
        return copy

    def choose_terms(self, place: Place, nodes: list[Any]) -> list[int]:
        """Return the weights whose products are scalars: all, or those of the largest products."""
        (c, i) = place
        row = self.network.columns[c - 1].weights[i]
        if len(row) <= self.terms:
            return [*range(len(row))]
        sizes = [0.0] * len(row)
        for node in nodes:
            for j, x in self.activity.list_inputs(node).items():
                sizes[j] = max(sizes[j], abs(row[j].data * x.data))
        largest = sorted(range(len(row)), key=lambda j: -sizes[j])
        return sorted(largest[: self.terms])

    def build_output(
        self, place: Place, node: Any, weights: Mapping[int, Value], bias: Value,
        sources: dict[Node, Source],
    ) -> Value:  # fmt: skip
        """Return the output of a neuron for one sample, as a graph of scalars."""
        (c, i), inputs = place, self.activity.list_inputs(node)
        column = self.network.columns[c - 1]
        z: Any = bias
        for j, w in weights.items():
            x = Value(inputs[j].data, self.name_input(c, j))
            sources[x] = ("x", j)
            z = z + w * x
        rest = [column.weights[i][j].data * x.data for j, x in inputs.items() if j not in weights]
        if rest:
            (constant,) = as_nodes([sum(rest)])
            constant.label, z.label = f"{len(rest)} others", "s"
            sources[constant] = ("rest", 0)
            z = z + constant
        out = z
        if column.activation != "linear":
            z.label = "z"
            out = ELEMENTWISE[column.activation](z)
        out.label = "a"
        return out

    def number_term(self, j: int) -> str:
        """Return the number of a weight in its label."""
        return str(j)

    def name_input(self, c: int, j: int) -> str:
        """Return the label of the input of a weight."""
        return self.network.name((0, j)) if c == 1 else f"a{j}"

    def describe(self, place: Place, nodes: list[Any], total: int) -> str:
        """Return a note on the root, and on the terms and samples that are left out."""
        notes, count = [], self.network.columns[place[0] - 1].shape[1]
        if len(nodes) < total:
            shown = "sample 0" if len(nodes) == 1 else f"samples 0 to {len(nodes) - 1}"
            notes.append(f"The graph shows {shown} of {total}; gradients are of these alone.")
        if (left_out := count - self.terms) > 0:
            notes.append(
                f"The {self.terms} largest of {count:,} products are shown; the other "
                f"{left_out:,} are summed as one constant."
            )
        if not (total == 1 and nodes[0] is self.network.root):
            root = self.network.name_root()
            notes.append(f"Here {root} is linear in a, with the same derivative as in the network.")
        return " ".join(notes)
