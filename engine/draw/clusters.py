"""Which module of a model a node belongs to: what is drawn inside its neuron and its layer.

A graph knows nothing of modules. A model says which parameters are whose, and the rest follows: a
node that combines a module's parameter with something else is that module's, the sum of its
products too, and the activation that comes next.
"""

from collections.abc import Iterable, Sequence
from typing import Any

INPUTS, REST = "the inputs", "the rest"  # what belongs to no module, where that is drawn collapsed


class Modules:
    """The modules of a model by their paths, and which of them each node of a graph belongs to.

    A module without parts, such as a neuron, goes by the name of its class. TypeError for a model
    that does not name its parameters and modules as `nn.Module` does.
    """

    def __init__(self, order: Sequence[Any], model: Any = None):
        self.named: dict[str, Any] = {}
        self.parameters: set[Any] = set()
        self.home: dict[Any, str] = {}  # of a node: the path of its module, "" for none
        if model is None:
            return
        named = hasattr(model, "named_parameters") and hasattr(model, "named_modules")
        if not named or isinstance(model, type):
            raise TypeError(f"model is a Module, whose layers are drawn, got {model!r}")
        self.named = {path: part for path, part in model.named_modules().items() if path}
        alone = "" if self.named else type(model).__name__
        self.named = self.named or {alone: model}
        parameters = model.named_parameters()
        if parameters and not set(parameters.values()).intersection(order):
            raise ValueError(f"no parameter of {model!r} is in this graph; was it made by another?")
        for name, parameter in parameters.items():
            self.parameters.add(parameter)
            self.home[parameter] = alone or self.within(name)
        for node in order:
            if node.op is not None:
                self.home[node] = self.path_of(node)

    def path_of(self, node: Any) -> str:
        """The module of a computed node, from those of its inputs."""
        own = [self.home[x] for x in node.inputs if x in self.parameters]
        if own:  # of parameters alone it is a penalty, say
            return self.common(own) if len(own) < len(node.inputs) else ""
        paths = {self.home.get(x, "") for x in node.inputs if not x.constant}
        path = paths.pop() if len(paths) == 1 else ""
        before = [x.op.name for x in node.inputs if x.op is not None]
        activation = getattr(self.named.get(path), "activation", None)
        activates = node.op.name == activation and activation not in before
        adds = node.op.name == "+" and any(map(self.is_product, node.inputs))
        return path if activates or adds else ""

    def is_product(self, node: Any) -> bool:
        return node.op is not None and any(x in self.parameters for x in node.inputs)

    def within(self, path: str) -> str:
        """The innermost module around a parameter or module of that path; "" for none."""
        while path:
            path = path.rpartition(".")[0]
            if path in self.named:
                break
        return path

    def chain(self, path: str) -> list[str]:
        """A module and those around it, the outermost first."""
        found = []
        while path:
            found.append(path)
            path = self.within(path)
        return found[::-1]

    def common(self, paths: Iterable[str]) -> str:
        """The innermost module around all of these."""
        shared = ""
        for level in zip(*map(self.chain, paths), strict=False):
            if len(set(level)) > 1:
                break
            shared = level[0]
        return shared

    def children(self, path: str) -> list[str]:
        """The modules directly inside one, or with "" the outermost."""
        return [each for each in self.named if self.within(each) == path]

    def title(self, path: str) -> str:
        """A cluster's name: its path in the model, and what it is."""
        module = self.named.get(path)
        shown = repr(module)
        return path if module is None else shown if shown.startswith(path) else f"{path}   {shown}"


def whereabouts(order: Sequence[Any], modules: Modules) -> dict[Any, str]:
    """Where every node stands: in a module, among the `INPUTS` that modules take, in the `REST`."""
    home = modules.home
    taken = {x for node in order if home.get(node) for x in node.inputs if x.op is None}
    return {node: home.get(node) or (INPUTS if node in taken else REST) for node in order}
