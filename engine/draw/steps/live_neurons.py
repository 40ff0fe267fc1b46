"""The steps over a network as circles, with places for numbers, which a page computes.

See `engine.draw.steps.numbers` for the keys of the places. Here two more kinds have places:

~d3       a number as its circle shows it
n7.9      the norm of the gradients after contributions 7 and 9
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from engine.draw.circles.connections import Network
from engine.draw.formulas.notation import Number
from engine.draw.formulas.places import Place, mark_place
from engine.draw.look.theme import THEMES
from engine.draw.options import Options
from engine.draw.page.live import pack_graph
from engine.draw.steps.boxes import Bundle
from engine.draw.steps.frames import Frame, Trace
from engine.draw.steps.neuron_steps import NeuronTracer
from engine.node import Node
from engine.value import Value
from engine.watch.wrong_passes import RIGHT, Contribution


class Circles(NamedTuple):
    """The parts of a picture of circles that show numbers, which a page paints.

    lines     of connections, the ids of both neurons and the place of the weight
    biases    the ids of neurons and the places of their biases
    neurons   the ids of neurons and the places of their outputs
    signs     the colours of negative and positive numbers, and of 0
    """

    lines: list[tuple[str, str, int]]
    biases: list[tuple[str, int]]
    neurons: list[tuple[str, int]]
    signs: tuple[str, str, str]


def list_circles(
    network: Network, ids: Mapping[Any, str], order: Sequence[Node], options: Options
) -> Circles:
    """Return the parts of the picture of a network that is applied to one sample."""
    place = {node: i for i, node in enumerate(order)}
    columns, theme = network.columns, THEMES[options.theme]
    assert network.activity is not None
    return Circles(
        [
            (ids[tail], ids[head], place[columns[head[0] - 1].weights[head[1]][tail[1]]])
            for tail, head, _ in network.connections
        ],
        [(ids[c, i], place[columns[c - 1].biases[i]]) for c, i in network.biases],
        [(ids[c, i], place[network.activity.nodes[c][i][0]]) for c, i in network.readings],
        (*theme.signs, theme.pale),
    )


class LiveNeuronTracer(NeuronTracer):
    """The frames of both passes over the circles of a network that is applied to one sample.

    In its backward pass, the nodes of a neuron send together.
    """

    def trace(self) -> Trace:
        """Return the frames and the graph."""
        self.place = {node: i for i, node in enumerate(self.order)}
        traced = super().trace()
        return traced._replace(graph=pack_graph(self.names, {RIGHT: self.passed}, self.spec))

    def trace_backward(
        self, bundles: Sequence[Bundle], grads: Mapping[Node, float]
    ) -> Iterator[Frame]:
        """Yield the frames of the backward pass, whose contributions are sorted by their parts."""
        part_of = {node: i for i, part in enumerate(self.parts) for node in part.nodes}
        self.passed.sort(key=lambda sent: -part_of[sent.node])
        self.index = {id(sent): j for j, sent in enumerate(self.passed)}
        self.first = {sent.node: j for j, sent in enumerate(self.passed) if sent.k == 0}
        return super().trace_backward(bundles, grads)

    def read(self, node: Any) -> Number:
        """Return the place of the data of a node."""
        return Place(f"d{self.place[node]}")

    def format_mean(self, outputs: Sequence[Value]) -> str:
        """Return the place of the output of a neuron in its circle."""
        return mark_place(f"~d{self.place[outputs[0]]}")

    def accumulate(self, sums: Any, sent: Contribution, total: float | None) -> Number:
        """Return the place of the gradient of a node after a contribution."""
        return Place(f"a{self.index[id(sent)]}")

    def format_total(self, gradients: Sequence[Any]) -> str:
        """Return the place of the gradient of a neuron's output in its circle."""
        return mark_place(f"~{gradients[0].key}")

    def format_norm(self, gradients: Sequence[Any]) -> str:
        """Return the place of the norm of gradients."""
        return mark_place("n" + ".".join(x.key[1:] for x in gradients))

    def read_local(self, output: Value) -> Number:
        """Return the place of the local derivative of an activation."""
        return Place(f"p{self.place[output]}.0")

    def multiply(self, output: Value, upstream: Any) -> Number:
        """Return the place of what an activation sends to its sum."""
        return Place(f"s{self.first[output]}")
