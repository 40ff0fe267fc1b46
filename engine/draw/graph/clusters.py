"""The module of a model that each node of a graph belongs to, for clusters in drawings.

A graph contains no modules, but a model states the parameters of each module. A node that combines
a parameter of a module with something else belongs to that module, and so do the sum of such
products and the activation that follows.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from engine.draw.formulas.notation import Name
from engine.draw.other_names import describe_file
from engine.node import Node
from engine.watch.scopes import find_scopes

INPUTS, REST = "the inputs", "the rest"  # the boxes of nodes that belong to no module
ACTIVATIONS = (
    "elu", "gelu", "leaky_relu", "relu", "sigmoid", "silu", "softplus", "squared_relu", "tanh",
)  # fmt: skip


class Model(Protocol):
    """A model that names its parameters and modules by their paths, as `nn.Module` does."""

    def named_parameters(self) -> Mapping[str, Node]: ...

    def named_modules(self) -> Mapping[str, object]: ...


class Modules:
    """The modules of a model by their paths, and the path of the module of each node.

    A model without submodules, such as a neuron, has the name of its class as its path.

    Raises TypeError if `model` is not a `Model`, and ValueError if the graph uses none of its
    parameters.
    """

    def __init__(self, order: Sequence[Node], model: Model | None = None):
        self.by_path: dict[str, object] = {}
        self.parameters: set[Node] = set()
        self.owned: dict[Node, str] = {}  # the paths of parameters, including frozen ones
        self.path_by_node: dict[Node, str] = {}  # "" for a node that belongs to no module
        self.input_numbers: set[float] = set()
        self.inputs, self.rest = INPUTS, REST
        if model is None:
            return
        names = hasattr(model, "named_parameters") and hasattr(model, "named_modules")
        if not names or isinstance(model, type):
            remedy = describe_file(str(model).rpartition(".")[2])
            text = f"model must be a Module such as nn.MLP, got {model!r}"
            raise TypeError(f"{text}; {remedy}" if remedy else text)
        self.by_path = {path: part for path, part in model.named_modules().items() if path}
        alone = "" if self.by_path else type(model).__name__
        self.by_path = self.by_path or {alone: model}
        while {self.inputs, self.rest} & {*self.by_path}:  # modules with these names
            self.inputs, self.rest = f"{self.inputs}′", f"{self.rest}′"
        parameters = model.named_parameters()
        if parameters and not set(parameters.values()).intersection(order):
            raise ValueError(
                f"no parameter of {model!r} is in this graph; pass the model that computed it"
            )
        self.parameters.update(parameters.values())
        named = getattr(model, "named_state", model.named_parameters)()
        for name, parameter in named.items():
            self.owned[parameter] = name
            self.path_by_node[parameter] = alone or self.find_parent(name)
        self.input_numbers = {  # floats that layers read
            x.data for node in order if self.is_product(node) and node.op is not None
            for x in (node.inputs[:-1] if node.op.name == "dot" else node.inputs)
            if x.op is None and x.constant and x not in self.owned and isinstance(x.data, float)
        }  # fmt: skip
        known = {id(part): path for path, part in self.by_path.items()}
        scopes = find_scopes(order, known)
        for node in order:
            if node.op is not None:
                scope, path = next(iter(scopes[node]), ""), self.find_path(node, scopes)
                is_inside = not scope or scope in self.list_ancestors(path)
                self.path_by_node[node] = path if is_inside else scope

    def find_path(self, node: Node, scopes: Mapping[Node, Collection[str]]) -> str:
        """Return the path of the module whose layer computes a node, from those of its inputs.

        A sum that adds a result of the module, as in a residual connection, is not part of it.
        """
        own = [self.path_by_node[x] for x in node.inputs if x in self.owned]
        if own:
            return "" if self.is_penalty(node) else self.find_common(own)
        paths = {self.path_by_node.get(x, "") for x in node.inputs if not x.constant}
        path = paths.pop() if len(paths) == 1 else ""
        name = node.op.name if node.op is not None else ""
        activation = getattr(self.by_path.get(path), "activation", ACTIVATIONS)
        repeats = any(x.op is not None and x.op.name == name for x in node.inputs)
        is_one = name == activation if isinstance(activation, str) else name in ACTIVATIONS
        activates = is_one and not repeats
        adds = name in ("+", "total") and any(
            self.is_product(x) and {*scopes[node]}.issuperset(scopes[x]) for x in node.inputs
        )
        return path if activates or adds else ""

    def is_penalty(self, node: Node) -> bool:
        """Return whether a node is computed from parameters and the constants of its operation."""
        op = node.op.name if node.op is not None else ""
        inputs = node.inputs[:-1] if op in ("dot", "**") else node.inputs  # the bias, the exponent
        return all(x in self.owned for x in inputs)

    def is_product(self, node: Node) -> bool:
        """Return whether a node is computed from a parameter."""
        return node.op is not None and any(x in self.owned for x in node.inputs)

    def find_parent(self, path: str) -> str:
        """Return the path of the innermost module around a parameter or module; "" for none."""
        while path:
            path = path.rpartition(".")[0]
            if path in self.by_path:
                break
        return path

    def list_ancestors(self, path: str) -> list[str]:
        """Return the paths of the modules around one, the outermost first, itself last."""
        ancestors = []
        while path:
            ancestors.append(path)
            path = self.find_parent(path)
        return ancestors[::-1]

    def find_common(self, paths: Iterable[str]) -> str:
        """Return the path of the innermost module around all of the given ones; "" for none."""
        common = ""
        for level in zip(*map(self.list_ancestors, paths), strict=False):
            if len(set(level)) > 1:
                break
            common = level[0]
        return common

    def list_children(self, path: str) -> list[str]:
        """Return the paths of the modules directly inside one; of the outermost ones for ""."""
        return [child for child in self.by_path if self.find_parent(child) == path]

    def format_title(self, path: str) -> str:
        """Return the title of a cluster: a module's path and its repr."""
        if path not in self.by_path:
            return path
        text = repr(self.by_path[path])
        return text if text.startswith(path) else f"{format_path(path)}   {text}"


def name_root(root: Node) -> Name:
    """Return the label of a network's result, or what it is: an output, or a loss."""
    if root.label:
        return Name(root.label, root.label)
    is_output = root.op is not None and root.op.name in (*ACTIVATIONS, "softmax")
    return Name("out", "output") if is_output else Name("L", "loss")


def describe_places(modules: Modules) -> dict[Node, str]:
    """Return the place of each node in a model, such as "layers[0], neuron 1"."""
    return {node: describe_path(path) for node, path in modules.path_by_node.items() if path}


def describe_path(path: str) -> str:
    """Write the path of a module in words.

    >>> describe_path("layers.0.neurons.1"), describe_path("encoder.layers.0")
    ('layers[0], neuron 1', 'encoder.layers[0]')
    """
    return re.sub(
        r"(^|\.)neurons\[(\d+)\]$",
        lambda m: f"{', ' if m[1] else ''}neuron {m[2]}",
        format_path(path),
    )


def format_path(path: str) -> str:
    """Write the path of a module as Python does.

    >>> format_path("layers.0.neurons.12"), format_path("0.neurons.1"), format_path("layers.1x")
    ('layers[0].neurons[12]', '[0].neurons[1]', 'layers.1x')
    """
    return re.sub(r"(?:^|\.)(\d+)(?=\.|$)", r"[\1]", path)


def group_nodes(order: Sequence[Node], modules: Modules) -> dict[Node, str]:
    """Return the group of each node: the path of its module, `modules.inputs` for the leaves that
    modules take, `modules.rest` for all others.

    A constant of an operation, such as an exponent, belongs to the module of that operation.
    """
    paths = dict(modules.path_by_node)
    for node in order:
        path = paths.get(node)
        for k, x in enumerate(node.inputs if path else ()):
            if x.constant and x.op is None and not x.label and is_setting(node, k, modules):
                paths.setdefault(x, path or "")
    inputs = {x for node in order if paths.get(node) for x in node.inputs if x.op is None}
    return {
        node: paths.get(node) or (modules.inputs if node in inputs else modules.rest)
        for node in order
    }


def is_setting(node: Node, k: int, modules: Modules) -> bool:
    """Return whether the k-th input of a node is a setting rather than data: the bias of a `dot`,
    the eps of a norm, or a constant beside computed inputs and no parameters. A number that is
    both added and read by a layer is data: a float that a residual connection adds."""
    name = node.op.name if node.op is not None else ""
    if name in ("dot", "rms_norm", "layer_norm"):
        return k == len(node.inputs) - 1
    x = node.inputs[k]
    if name == "+" and isinstance(x.data, float) and x.data in modules.input_numbers:
        return False
    return any(x.op is not None for x in node.inputs) and not any(
        x in modules.owned for x in node.inputs
    )
