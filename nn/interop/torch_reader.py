"""`from_torch`: convert a module of PyTorch to a network of Arrays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.support.lazy import import_extra
from nn.interop.arguments import refuse_layer
from nn.interop.table import ACTIVATIONS
from nn.interop.torch_layers import KNOWN, LayerReader, is_default, is_layer, refuse_hooks
from nn.keywords import answer_keywords
from nn.vector import Activation, Dropout, Residual, Sequential

if TYPE_CHECKING:
    import torch

FUNCTIONS = {row.function.rpartition(".")[2]: row for row in ACTIVATIONS if row.function}
OTHER_NAMES = {
    "absolute": "abs", "negative": "neg", "special_ndtr": "ndtr", "iadd": "add", "view": "flatten",
    "reshape": "flatten", "Flatten": "flatten",
}  # fmt: skip


@answer_keywords
def from_torch(module: torch.nn.Module) -> Any:
    """Return a module of PyTorch as a network of Arrays, with copies of the weights.

    The module is a layer, a `torch.nn.Sequential`, or has a `forward` that applies layers and
    activations one after the other and adds residuals, x + f(x). PyTorch records its calls
    (`torch.fx`). The result is a layer of `nn.vector`, or one `Sequential` of them. A `Linear` and
    the activation after it become a `Dense`. Flattening at the beginning is left out: samples are
    rows of features.

    Dtypes (float32 and float64), the mode of each layer, frozen parameters, and parameters that
    layers share are kept. Normalization without weights has frozen ones. A branch on
    `self.training` is that of the present mode. `to_scalar()` of the result is the network of
    Values, which can be stepped through.

    Requires PyTorch, the extra `torch`. Raises ImportError if it is not installed. Raises TypeError
    for a layer, a setting or an operation without a counterpart, such as `Conv2d`, and for an
    in-place operation (`z += y`) on a tensor that is used again under another name. The message has
    the name of the layer in `named_modules()`.

    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Tanh(), torch.nn.Linear(3, 1))
    >>> from_torch(net)
    Sequential(Dense(2, 3, 'tanh'), Dense(3, 1, 'linear'))
    """
    return read_module(module)[0]


def read_module(module: Any) -> tuple[Any, LayerReader]:
    """Return the network for a module of PyTorch, and the reader that has made its layers."""
    library = import_extra("torch", "from_torch", "torch")
    module = getattr(module, "_orig_mod", module)  # of torch.compile
    if not isinstance(module, library.nn.Module):
        raise TypeError(f"from_torch expects a torch.nn.Module, got {module!r}")
    layers = LayerReader(library)
    if is_layer(module) or is_other_layer(module):
        return layers.convert(module, ""), layers
    refuse_hooks(module, "")  # PyTorch records those of the modules inside
    parts = CallReader(layers, module).parts
    network = Sequential(*layers.fuse([part.layer for part in parts] or [Activation("linear")]))
    network.training = module.training
    return network, layers


def is_other_layer(module: Any) -> bool:
    """Return whether a class of `torch.nn` has no counterpart and is not a sequence of layers."""
    kind = type(module)
    return kind.__module__.startswith("torch.nn.modules.") and (
        kind.__name__ not in ("Sequential", "Flatten") and not is_layer(module)
    )


class LayerCall(NamedTuple):
    """An operation between the input and the output of a module, and its layer."""

    operation: Any
    layer: Any


class CallReader:
    """The calls that a module of PyTorch makes, as layers in sequence, `parts`."""

    def __init__(self, layers: LayerReader, module: Any):
        self.layers, self.name = layers, type(module).__name__
        self.modules = dict(module.named_modules())
        graph = self.record(module)
        self.index = {node: i for i, node in enumerate(graph.nodes)}  # in the order of the calls
        inputs = [node for node in graph.nodes if node.op == "placeholder"]
        (output,) = [node.args[0] for node in graph.nodes if node.op == "output"]
        if len(inputs) != 1 or not hasattr(output, "all_input_nodes"):
            names = ", ".join([node.name for node in inputs])
            raise TypeError(
                "from_torch expects a module with one input tensor and one output tensor, got "
                f"{self.name}.forward({names}), which returns {output!r}"
            )
        self.refuse_overwriting(graph.nodes)
        used, ahead = {output}, [output]
        while ahead:
            ahead = [x for node in ahead for x in self.operands(node) if x not in used]
            used.update(ahead)
        paths: dict[Any, list[LayerCall]] = {inputs[0]: []}  # from the input to each operation
        for node in graph.nodes:  # in topological order
            if node in used and node not in paths:
                paths[node] = self.read(node, [paths[x] for x in self.operands(node)])
        self.parts = paths[output]

    def record(self, module: Any) -> Any:
        """Return the calls as a graph of `torch.fx`. Raises TypeError if that is not possible."""
        from nn.interop.torch_trace import InPlaceTracer  # imports PyTorch

        try:
            return InPlaceTracer().trace(module)
        except Exception as problem:  # `forward` may run any Python
            raise TypeError(
                f"from_torch cannot record {self.name}.forward; it must apply layers without "
                f"branches and loops that depend on its input: {problem}"
            ) from problem

    def operation(self, node: Any) -> str:
        """Return the name of an operation: of a function, method or class."""
        if node.op == "call_module":
            name = type(self.modules[node.target]).__name__
        else:
            name = getattr(node.target, "__name__", str(node.target)).strip("_")
        return OTHER_NAMES.get(name, name)

    def operands(self, node: Any) -> list[Any]:
        """Return the operations whose results an operation uses, but not for its settings."""
        inputs = node.all_input_nodes
        return inputs[:1] if self.operation(node) == "flatten" else inputs

    def read(self, node: Any, paths: list[list[LayerCall]]) -> list[LayerCall]:
        """Return the parts up to an operation, given those up to its operands."""
        name = self.operation(node)
        if name == "flatten" and paths == [[]]:
            return []
        if node.op == "call_module" and len(paths) == 1:
            layer = self.layers.convert(self.modules[node.target], node.target)
        elif name == "add" and len(paths) == 2 and not node.kwargs:
            short, long = sorted(paths, key=len)
            if short != long[: len(short)] or len(short) == len(long):
                refuse_layer("from_torch", name, self.place(node), KNOWN)
            parts = [part.layer for part in long[len(short) :]]
            return [*short, LayerCall(node, Residual(*self.layers.fuse(parts)))]
        elif len(paths) == 1 and name == "dropout":
            settings: dict[str, Any] = {"p": 0.5, "training": True}
            settings |= self.settings(node)
            layer = Dropout(settings["p"])
            layer.training = settings["training"]
        elif len(paths) == 1 and name in FUNCTIONS and node.op != "get_attr":
            row, settings = FUNCTIONS[name], self.settings(node)
            for setting in settings.keys() - {"input", "inplace"}:
                if not is_default(row.settings, setting, settings[setting]):
                    reason = f"{setting}={settings[setting]!r} has no counterpart"
                    refuse_layer("from_torch", name, self.place(node), reason)
            layer = Activation(row.name)
        else:
            refuse_layer("from_torch", name, self.place(node), KNOWN)
        return [*paths[0], LayerCall(node, layer)]

    def settings(self, node: Any) -> dict[str, Any]:
        """Return the arguments of a function, by name."""
        name = self.operation(node)
        own = ("p", "training") if name == "dropout" else FUNCTIONS[name].settings
        return dict(zip(("input", *own, "inplace"), node.args, strict=False)) | node.kwargs

    def refuse_overwriting(self, nodes: Iterable[Any]) -> None:
        """Raise TypeError for an operation that changes a tensor which is used again after it.

        The tensor may be used under other names: as a view, or as the result of an operation that
        returns its operand. Operations whose result is not used are checked, too.
        """
        memory: dict[Any, set[Any]] = {}  # operations whose results may share memory
        for node in nodes:
            changed = self.find_changed(node)
            for other, shared in memory.items():
                if changed is None or not shared & memory[changed]:
                    continue
                is_used = any(self.index[user] > self.index[node] for user in other.users)
                if is_used or other.op == "get_attr":  # a parameter is used in the next call
                    reason = (
                        "it is an in-place operation, and its input or a view of it is used again; "
                        "compute a new tensor, as in z = z + y"
                    )
                    refuse_layer("from_torch", self.operation(node), self.place(node), reason)
            is_new = changed is None and self.is_new(node)
            memory[node] = {node}.union(*[memory[x] for x in node.all_input_nodes if not is_new])

    def find_changed(self, node: Any) -> Any:
        """Return the operation whose result another operation changes in place, or None."""
        out = node.kwargs.get("out")
        if hasattr(out, "users"):
            return out
        if node.op == "call_module":
            in_place = getattr(self.modules[node.target], "inplace", False)
        else:
            name = getattr(node.target, "__name__", str(node.target))
            known = name in FUNCTIONS or name == "dropout"
            settings = self.settings(node) if known else node.kwargs
            is_method = name.endswith("_") and not name.endswith("__")  # such as relu_
            in_place = is_method or name.startswith("__i") or settings.get("inplace")
        return node.all_input_nodes[0] if in_place and node.all_input_nodes else None

    def is_new(self, node: Any) -> bool:
        """Return whether the result of an operation is a new tensor, not a view or an operand."""
        name = self.operation(node)
        if node.op == "call_module":
            return name not in ("flatten", "Identity", "Dropout")  # Dropout: after eval()
        return name in FUNCTIONS or name == "add"

    def place(self, node: Any) -> str:
        """Return the path of a module, or the class and name of another operation."""
        return node.target if node.op == "call_module" else f"{self.name}.forward, {node.name}"
