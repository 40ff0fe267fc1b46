"""Which nodes of a graph are a layer's: its outputs, and its activations unit by unit."""

from typing import Any

from engine.functions import is_array
from engine.graph import topological
from engine.node import Node
from engine.rules import ELEMENTWISE
from nn.module import Module
from nn.scalar import ACTIVATIONS, Neuron

ACTIVATION_ROWS = {ELEMENTWISE[name] for name in ACTIVATIONS if name != "linear"}


class Layers:
    """Which nodes of a graph are a layer's: its outputs, and its activations by unit."""

    def __init__(self, model: Module, predictions: Any):
        self.modules = model.named_modules()
        self.parameters: dict[str, list[Any]] = {}
        self.outputs: dict[str, dict[Any, None]] = {}  # a dict keeps the order
        self.activations: dict[str, list[tuple[Any, Any]]] = {}
        self.home: dict[Any, tuple[str, Any]] = {}
        for name, parameter in model.named_parameters().items():
            self.home[parameter] = layer, _ = self.around(name)
            self.parameters.setdefault(layer, []).append(parameter)
        self.names: list[str] = []
        for root in roots(predictions):
            for node in topological(root):
                if node.op is not None and node not in self.home:
                    self.place(node)
            if root in self.home and root.op is not None:
                self.outputs[self.home[root][0]][root] = None

    def around(self, name: str) -> tuple[str, Any]:
        """The layer and the unit of a parameter: the innermost module, and the Neuron in it."""
        paths = [path for path in self.modules if not path or name.startswith(f"{path}.")]
        paths.sort(key=len)
        unit = paths[-1] if isinstance(self.modules[paths[-1]], Neuron) else None
        alone = len(paths) == 1 or (len(paths) == 2 and not self.modules[""].nout)
        return (paths[-1] if unit is None or alone else paths[-2]), unit

    def place(self, node: Any) -> None:
        """A node is of its parameters' layer, or of the last among those of its inputs."""
        homes = [self.home[x] for x in node.inputs if x in self.home]
        own = [self.home[x] for x in node.inputs if x in self.home and x.op is None]
        if not homes:
            return
        if own and own[0][0] not in self.names:
            self.names.append(own[0][0])
            self.outputs[own[0][0]], self.activations[own[0][0]] = {}, []
        layer, unit = self.home[node] = (
            own[0] if own else max(homes, key=lambda home: self.names.index(home[0]))
        )
        for x in node.inputs:
            if x.op is not None and x in self.home and self.home[x][0] != layer:
                self.outputs[self.home[x][0]][x] = None
        if node.op in ACTIVATION_ROWS and not node.inputs[0].constant:
            self.activations[layer].append((unit, node))

    def slopes(self, name: str) -> list[Any]:
        """Return the slopes of each unit's activation in a layer, one for each sample."""
        units: dict[Any, list[float]] = {}
        found: list[Any] = []
        for unit, node in self.activations[name]:
            local = node.locals[0]
            if is_array(node):
                import numpy as np

                whole = np.broadcast_to(local, node.shape)
                found.extend(whole.reshape(-1, whole.shape[-1] if whole.ndim else 1).T)
            else:
                units.setdefault(unit, []).append(local)
        return found + list(units.values())


def roots(predictions: Any) -> list[Any]:
    """The nodes that a model returned: an Array, or Values in lists."""
    if isinstance(predictions, Node):
        return [predictions]
    if not isinstance(predictions, list | tuple):
        raise TypeError(
            f"a model returns nodes, Values or an Array, got {predictions!r} among its predictions"
        )
    return [node for each in predictions for node in roots(each)]
