"""The picture of a network whose values are all drawn: columns of cards, if it has that form."""

from collections.abc import Mapping

from engine.draw.clusters import Model, Modules
from engine.draw.columns import ColumnLayout
from engine.draw.dot import scale_gradients
from engine.draw.names import name_items
from engine.draw.neurons import read_network
from engine.draw.options import Options
from engine.draw.scene import Scene
from engine.graph import topological
from engine.node import Node


def draw_network(
    root: Node, model: Model, options: Options, limit: int, grads: Mapping[Node, float] | None = None
) -> Scene | None:
    """Return the picture of the network that computed `root`, or None.

    It is None if the model is not made of neurons, or the picture would have more than `limit`
    numbers of its own.
    """
    order = topological(root)
    modules = Modules(order, model)
    network = read_network(order, modules)
    if network is None or options.locals:
        return None
    names = name_items(network, options.format)
    layout = ColumnLayout(network, modules, names, options, grads or {}, {})
    return layout.draw()
