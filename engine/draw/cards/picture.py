"""The picture of a network whose values are all drawn: columns of cards, if it has that form."""

from collections.abc import Mapping, Sequence

from engine.draw.cards.columns import ColumnLayout
from engine.draw.cards.names import name_items, name_samples
from engine.draw.cards.neurons import NeuronGraph, read_network
from engine.draw.cards.panels import NetworkPainter
from engine.draw.formulas.notation import Name
from engine.draw.graph.clusters import Modules
from engine.draw.graph.dot import scale_sizes
from engine.draw.look.scene import Scene
from engine.draw.options import Options
from engine.node import Node
from engine.sequences.vector_op import Outputs
from engine.value import Value


class NetworkPicture:
    """The picture of a network, and the names of its nodes."""

    def __init__(self, network: NeuronGraph, modules: Modules, options: Options):
        self.network, self.modules, self.options = network, modules, options
        self.items = name_items(network, options.format)
        self.names: dict[Node, Name] = name_samples(network, self.items)

    def add_samples(self, places: Mapping[Node, str]) -> dict[Node, str]:
        """Return the places of nodes with their samples, where several samples share a card."""
        described = dict(places)
        for item in self.items:
            for node in item.nodes if item.has_samples else ():
                parts = [places.get(node, ""), self.network.graph.describe_sample(node)]
                if any(parts):
                    described[node] = ", ".join(filter(None, parts))
        return described

    def draw(self, grads: Mapping[Node, float] | None = None) -> Scene:
        """Return the picture. `grads` replace the gradients of nodes."""
        grads, heat, has_grads = grads or {}, {}, getattr(self.options, "gradients", None)
        if has_grads is None:  # then only once backward() has run
            has_grads = bool(grads) or any(x.grad for x in self.names if isinstance(x, Value))
        if self.options.color == "grad":
            nodes = [x for x in self.names if not x.constant and not isinstance(x, Outputs)]
            heat = scale_sizes({x: abs(grads.get(x, x.grad)) for x in nodes})
        layout = ColumnLayout(
            self.network, self.modules, self.items, self.options, grads, heat, has_grads
        )
        return NetworkPainter(layout).paint()


def read_picture(
    order: Sequence[Node], modules: Modules, options: Options, limit: int
) -> NetworkPicture | None:
    """Return the picture of the network that computes a graph in topological order.

    It is None if the model is not made of neurons, if local derivatives are to be drawn, or if
    there are more than `limit` values to draw, of which the samples count once.
    """
    network = None if options.locals else read_network(order, modules, limit)
    return None if network is None else NetworkPicture(network, modules, options)
