"""Assignment of the nodes of a graph to the layers of a model."""

from typing import Any

from engine.functions import is_array
from engine.graph import topological
from engine.node import Node
from engine.rules import ELEMENTWISE
from nn.module import Module
from nn.scalar import ACTIVATIONS, Neuron

ACTIVATION_ROWS = {ELEMENTWISE[name] for name in ACTIVATIONS if name != "linear"}

Owner = tuple[str, "Neuron | None"]  # the path of a layer, and a neuron in it if there is one


class Layers:
    """The nodes of each layer of a model, in the graph of its predictions.

    modules      the submodules by path
    names        the paths of the layers that computed something, in the order of the graph
    parameters   of a layer, the parameters in it
    outputs      of a layer, its nodes that other layers or the caller use, as the keys of a dict
    activations  of a layer, pairs of a neuron (None in layers of Arrays) and an activation node

    Raises TypeError if the predictions are not nodes, or lists of them.
    """

    def __init__(self, model: Module, predictions: object):
        self.modules = model.named_modules()
        self.names: list[str] = []
        self.parameters: dict[str, list[Node]] = {}
        self.outputs: dict[str, dict[Node, None]] = {}
        self.activations: dict[str, list[tuple[Neuron | None, Node]]] = {}
        self.owners: dict[Node, Owner] = {}
        for path, parameter in model.named_parameters().items():
            self.owners[parameter] = layer, _ = self.find_owner(path)
            self.parameters.setdefault(layer, []).append(parameter)
        for root in prediction_nodes(predictions):
            for node in topological(root):
                if node.op is not None and node not in self.owners:
                    self.assign(node)
            if root in self.owners and root.op is not None:
                self.outputs[self.owners[root][0]][root] = None

    def find_owner(self, path: str) -> Owner:
        """Return the layer of a parameter, and its neuron if there is one.

        The layer is the innermost module around the parameter, or around its neuron.
        """
        around = [name for name in self.modules if not name or path.startswith(f"{name}.")]
        around.sort(key=len)
        inner = self.modules[around[-1]]
        neuron = inner if isinstance(inner, Neuron) else None
        is_layer = len(around) == 1 or (len(around) == 2 and not self.modules[""].nout)
        return (around[-1] if neuron is None or is_layer else around[-2]), neuron

    def assign(self, node: Node) -> None:
        """Assign a node to the layer of its parameters, or else to the last layer of its inputs."""
        owners = [self.owners[x] for x in node.inputs if x in self.owners]
        own = [self.owners[x] for x in node.inputs if x in self.owners and x.op is None]
        if not owners:
            return
        if own and own[0][0] not in self.names:
            self.names.append(own[0][0])
            self.outputs[own[0][0]], self.activations[own[0][0]] = {}, []
        layer, neuron = self.owners[node] = (
            own[0] if own else max(owners, key=lambda owner: self.names.index(owner[0]))
        )
        for x in node.inputs:
            if x.op is not None and x in self.owners and self.owners[x][0] != layer:
                self.outputs[self.owners[x][0]][x] = None
        if node.op in ACTIVATION_ROWS and not node.inputs[0].constant:
            self.activations[layer].append((neuron, node))

    def slopes(self, name: str) -> list[Any]:
        """Return a sequence for each unit of a layer: the slopes of its activation by sample."""
        by_neuron: dict[Neuron | None, list[float]] = {}
        slopes: list[Any] = []
        for neuron, node in self.activations[name]:
            local = node.locals[0]
            if is_array(node):
                import numpy as np

                full = np.broadcast_to(local, node.data.shape)
                slopes.extend(full.reshape(-1, full.shape[-1] if full.ndim else 1).T)
            else:
                by_neuron.setdefault(neuron, []).append(local)
        return slopes + list(by_neuron.values())


def prediction_nodes(predictions: object) -> list[Node]:
    """Return the nodes that a model returned: an Array, a Value, or Values in lists.

    Raises TypeError for anything else.
    """
    if isinstance(predictions, Node):
        return [predictions]
    if not isinstance(predictions, list | tuple):
        raise TypeError(
            f"a model returns nodes, Values or an Array, got {predictions!r} among its predictions"
        )
    return [node for row in predictions for node in prediction_nodes(row)]
