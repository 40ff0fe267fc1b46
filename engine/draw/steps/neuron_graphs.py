"""The scalar graphs of neurons, which open from the picture of their network."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from engine.draw.circles.activity import Place
from engine.draw.circles.connections import Network
from engine.draw.formulas.labels import set_plain
from engine.draw.formulas.places import mark_place
from engine.draw.graph.copies import copy_part
from engine.draw.steps.frames import Trace
from engine.graph import topological
from engine.node import Node
from engine.rules import ELEMENTWISE
from engine.support.arguments import format_count
from engine.value import Value, as_nodes

MOST_TERMS = 28  # products of a neuron's sum that are scalars, as many as a card shows
LEAST_TERMS = 3
MOST_SAMPLES = 5  # of a neuron, as many as a card shows
MOST_SCALARS = 400  # products in all graphs of a page
MOST_NOTED = 8  # weights in a note on samples that are left out
FEW_TERMS = 8  # of a neuron that is drawn as a graph


class Link(NamedTuple):
    """The origin of a leaf's number in the graph from which the leaf is copied.

    kind     "d" for the data of a node, "g" for its gradient, and "dot" for the sum of products of
             pairs of nodes
    """

    kind: str
    nodes: Sequence[Node]

    def pack(self, place: Mapping[Node, int]) -> list[Any]:
        """Return the link as data, with the places of nodes."""
        return [self.kind, *(place[x] for x in self.nodes)]


class OpenedNeuron(NamedTuple):
    """The graph of a neuron alone, and what it leaves out.

    root        its root
    model       its parameters as a model, if it is drawn as a card
    links       the numbers of its leaves in the graph of the network
    parameters  its weights and its bias
    rest        for each sample, the constant that stands for products that are left out
    shown       the number of samples in the graph
    total       the number of samples of the network
    inputs      the number of inputs of the neuron
    about       a note on the root
    when        the time at which the products that are shown were the largest
    """

    root: Value
    model: "NeuronModel | None"
    links: Mapping[Node, Link]
    parameters: Sequence[Value]
    rest: Sequence[Node]
    shown: int
    total: int
    inputs: int
    about: str
    when: str

    def describe(self, place: Mapping[Node, int]) -> tuple[str, str]:
        """Return the notes of the first and the last step, with places for numbers.

        `place` are the places of the nodes in this graph. The number at o3 is what the samples that
        are left out add to the gradient of value 3.
        """
        notes, end = [], ""
        if left_out := self.total - self.shown:
            shown = "sample 0" if self.shown == 1 else f"samples 0 to {self.shown - 1}"
            notes.append(f"The graph shows {shown} of {self.total}; gradients are of these alone.")
            added = [(f"o{place[x]}", x.label or "") for x in self.parameters]
            terms = [f"{mark_place(key)} to that of {set_plain(name)}" for key, name in added]
            if len(terms) > MOST_NOTED + 1:
                terms = [*terms[:MOST_NOTED], "…", terms[-1]]
            verb = "adds" if left_out == 1 else "add"
            end = (
                f"{format_count(left_out, 'sample')} not shown {verb} to the gradients: "
                f"{', '.join(terms)}."
            )
        if self.rest:
            count, number = len(self.parameters) - 1, mark_place(f"d{place[self.rest[0]]}")
            sample = " for sample 0" if len(self.rest) > 1 else ""
            notes.append(
                f"{count} of {self.inputs:,} products are shown, those that were the largest "
                f"{self.when}; the other {self.inputs - count:,} are summed as one constant, "
                f"{number}{sample}."
            )
        return " ".join(filter(None, [*notes, self.about])), end


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

    when = "when the page was written"

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
        links: dict[Node, Link] = {w: Link("d", [column.weights[i][j]]) for j, w in weights.items()}
        links[bias] = Link("d", [column.biases[i]])
        outputs = [self.build_output(place, node, weights, bias, links) for node in nodes]
        root = outputs[0]
        if not (total == 1 and nodes[0] is network.root):
            grads = as_nodes([self.grads.get(node, 0.0) for node in nodes])
            for grad, node in zip(grads, nodes, strict=True):
                grad.label = "∇a"
                links[grad] = Link("g", [node])
            root, *terms = [out * grad for out, grad in zip(outputs, grads, strict=True)]
            for term in terms:
                root = root + term
            root.label = network.name_root()
        parameters = [*weights.values(), bias]
        rest = [x for x, link in links.items() if link.kind == "dot"]
        is_card = len(nodes) > 1 or is_large or rest
        model = NeuronModel({f"{w.label}": w for w in parameters}) if is_card else None
        return OpenedNeuron(
            root, model, links, parameters, rest, len(nodes), total, column.shape[1],
            self.describe_root(place), self.when,
        )  # fmt: skip

    def describe_root(self, place: Place) -> str:
        """Return a note on the root of the graph of a neuron."""
        if self.activity.nodes[place[0]][place[1]] == [self.network.root]:
            return ""
        root = self.network.name_root()
        return f"Here {root} is linear in a, with the same derivative as in the network."

    def build_loss(self) -> tuple[Value, dict[Node, Link]] | None:
        """Return a copy of the graph from the outputs of the network to the root, and its links.

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
        links = {x: Link("d", [x]) for x in order if x.op is None}
        links |= {x: Link("d", [node]) for node, x in leaves.items()}
        return copy, links

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
        links: dict[Node, Link],
    ) -> Value:  # fmt: skip
        """Return the output of a neuron for one sample, as a graph of scalars; add its links."""
        (c, i), inputs = place, self.activity.list_inputs(node)
        column = self.network.columns[c - 1]
        z: Any = bias
        for j, w in weights.items():
            x = Value(inputs[j].data, self.name_input(c, j))
            links[x] = Link("d", [inputs[j]])
            z = z + w * x
        rest = [(column.weights[i][j], x) for j, x in inputs.items() if j not in weights]
        if rest:
            (constant,) = as_nodes([sum(w.data * x.data for w, x in rest)])
            links[constant] = Link("dot", [*chain.from_iterable(rest)])
            constant.label, z.label = f"{len(rest)} others", "s"
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


def link_leaves(
    stepper: Any, order: Sequence[Node], links: Mapping[Node, Link], network: Trace
) -> None:
    """Link the leaves of the graph of an opened part to the graph of its network, if it has one.

    Adds what the part leaves out of gradients to the numbers of the stepper's texts.
    """
    if stepper.graph is None:
        return
    place = {node: i for i, node in enumerate(network.names)}
    numbers = stepper.texts[0].numbers
    for i, node in enumerate(order):
        if node in links:
            stepper.graph.nodes[i]["link"] = links[node].pack(place)
            numbers[f"o{i}"] = network.grads[links[node].nodes[0]] - numbers[f"g{i}"]
