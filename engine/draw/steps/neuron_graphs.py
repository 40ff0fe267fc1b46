"""The scalar graph of one neuron, which opens from the picture of its network."""

from collections.abc import Mapping
from typing import Any

from engine.draw.circles.activity import Place
from engine.draw.circles.connections import Network
from engine.node import Node
from engine.rules import ELEMENTWISE
from engine.value import Value

MOST_TERMS = 64  # products in all graphs of a page


def list_opened(network: Network) -> list[Place]:
    """Return the neurons whose graphs open: all, if they are few and have one output each."""
    neurons = [place for place in network.readings if place[0]]
    terms = sum(column.shape[0] * column.shape[1] for column in network.columns)
    return neurons if network.samples == 1 and terms <= MOST_TERMS else []


def build_neuron(network: Network, place: Place, grads: Mapping[Node, float]) -> Value:
    """Return the graph of a neuron alone, scalar by scalar, whose gradients are those in `grads`.

    Its leaves are copies. The root is the output times its gradient, as a constant: the loss as a
    linear function of the output, which has the same derivatives.
    """
    assert network.activity is not None
    (c, i), nodes = place, network.activity.nodes
    column, (output,) = network.columns[c - 1], nodes[c][i]
    z: Any = Value(column.biases[i].data, "b")
    for j, w in enumerate(column.weights[i]):
        x = nodes[c - 1][j][-1]
        label = network.name((0, j)) if c == 1 else f"a{j}"
        z = z + Value(w.data, f"w{j}") * Value(x.data, label)
    out = z
    if column.activation != "linear":
        z.label = "z"
        out = ELEMENTWISE[column.activation](z)
    out.label = "a"
    if output is network.root:
        return out
    loss = out * grads.get(output, 0.0)
    loss.label = network.name_root()
    return loss
