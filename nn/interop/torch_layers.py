"""The layers of `torch.nn`, converted to those of `nn.vector`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from engine.arrays.array import Array, ConstantArray
from nn.interop.arguments import refuse_layer
from nn.interop.table import ACTIVATIONS, OWN_MODULES, ROWS, ActivationRow, LayerRow
from nn.vector import Activation, Dense

LAYERS = {row.module: row for row in ROWS if row.module}
MODULES = {row.module: row for row in ACTIVATIONS if row.module}
THEIRS = [name for name in MODULES if name not in OWN_MODULES]
KNOWN = (
    f"only {', '.join(LAYERS)}, the activations {', '.join(THEIRS)} and their functions, and sums "
    "x + f(x) can be converted"
)
OURS = "nn.interop.torch_modules"


def is_layer(module: Any) -> bool:
    """Return whether a module of PyTorch has a counterpart here, and no `forward` of its own."""
    kind = type(module)
    place = kind.__module__
    is_theirs = place.startswith("torch.nn.modules.") or place.endswith(OURS)
    return is_theirs and kind.__name__ in {*LAYERS, *MODULES} and "forward" not in vars(module)


def refuse_hooks(module: Any, path: str) -> None:
    """Raise TypeError for a module with hooks of its forward pass."""
    if module._forward_hooks or module._forward_pre_hooks:
        refuse_layer("from_torch", module, path, "its hooks may change its result; remove them")


def is_default(expected: Mapping[str, Any], name: str, x: Any) -> bool:
    """Return whether a setting has the value that can be converted."""
    if name == "threshold":  # of softplus: above 20, x and softplus(x) differ by less than 3e-9
        return bool(x >= expected[name])
    return name in expected and x == expected[name]


class LayerReader:
    """The conversion of single layers. Layers and parameters that are shared stay shared."""

    def __init__(self, torch: Any):
        self.torch = torch
        self.arrays: dict[int, Array] = {}  # of each parameter and buffer, by its id
        self.layers: dict[tuple[Any, ...], Any] = {}

    def convert(self, module: Any, path: str) -> Any:
        """Return the layer for a module of `torch.nn`. Raises TypeError if there is none."""
        if not is_layer(module):
            refuse_layer("from_torch", module, path, KNOWN)
        refuse_hooks(module, path)
        name = type(module).__name__
        row = LAYERS.get(name) or MODULES[name]
        expected = row.settings if isinstance(row, ActivationRow) else row.required
        for setting, only in expected.items():
            x = getattr(module, setting)
            if not is_default(expected, setting, x):
                reason = f"only {setting}={only!r} can be converted, got {x!r}"
                refuse_layer("from_torch", module, path, reason)
        if isinstance(row, ActivationRow):
            activation = Activation(row.name)
            activation.training = module.training
            return activation
        tensors = {ours: getattr(module, theirs) for ours, theirs in row.arrays.items()}
        key = (row.layer, *map(id, tensors.values())) if tensors else (id(module),)
        if key not in self.layers:
            self.layers[key] = self.make_layer(row, module, path, tensors)
        return self.layers[key]

    def make_layer(self, row: LayerRow, module: Any, path: str, tensors: dict[str, Any]) -> Any:
        """Return a layer with the sizes, settings and weights of a module."""
        dtypes = {x.dtype for x in tensors.values() if x is not None}
        if dtypes - {self.torch.float32, self.torch.float64}:
            reason = "only weights of float32 and float64 can be converted; call module.float()"
            refuse_layer("from_torch", module, path, reason)
        dtype = str(max(dtypes, key=lambda x: x.itemsize)).rpartition(".")[2] if dtypes else ""
        how: dict[str, Any] = {"dtype": dtype} if dtype else {}
        for ours, theirs in row.settings.items():
            x = getattr(module, theirs)
            if isinstance(x, Sequence):  # the shape of what is normalized
                x = x[0] if len(x) == 1 else None
            elif ours == "eps" and x is None and dtype:
                x = float(np.finfo(dtype).eps)  # as RMSNorm does
            if x is None:
                reason = f"{theirs}={getattr(module, theirs)!r} has no counterpart"
                refuse_layer("from_torch", module, path, reason)
            how[ours] = x
        how |= {name: tensors[name] is not None for name in row.flags}
        if row.layer is Dense:
            how |= {"activation": "linear", "init": "zeros"}
        try:
            layer = row.layer(**how)
        except ValueError as problem:  # such as the rate 1 of Dropout
            refuse_layer("from_torch", module, path, str(problem))
        layer.training = module.training
        for name, tensor in tensors.items():
            self.set_array(layer, name, tensor)
        return layer

    def set_array(self, layer: Any, name: str, tensor: Any) -> None:
        """Set an Array of a layer to a copy of a tensor; for None, keep the Array as a constant."""
        old = getattr(layer, name)
        if tensor is None:
            if old is not None:  # not a frozen Array, which would require inputs of its dtype
                setattr(layer, name, ConstantArray(old.data, old.label))
            return
        if id(tensor) not in self.arrays:
            kind = ConstantArray if isinstance(old, ConstantArray) else Array
            array = kind(np.array(tensor.detach().cpu().numpy()), old.label)
            if isinstance(tensor, self.torch.nn.Parameter):
                array.requires_grad = tensor.requires_grad
            self.arrays[id(tensor)] = array
        setattr(layer, name, self.arrays[id(tensor)])

    def fuse(self, layers: Iterable[Any]) -> list[Any]:
        """Return layers in sequence; an activation after a linear `Dense` becomes a part of it."""
        fused: list[Any] = []
        for layer in layers:
            before = fused[-1] if fused else None
            is_linear = isinstance(before, Dense) and before.activation == "linear"
            if is_linear and isinstance(layer, Activation):
                fused[-1] = self.with_activation(before, layer.name)
            else:
                fused.append(layer)
        return fused

    def with_activation(self, layer: Any, name: str) -> Dense:
        """Return a `Dense` with the same Arrays and an activation."""
        key = (name, id(layer))
        if key not in self.layers:
            has_bias = layer.bias is not None
            fused = Dense(layer.nin, layer.nout, name, init="zeros", bias=has_bias)
            fused.weight, fused.bias, fused.training = layer.weight, layer.bias, layer.training
            self.layers[key] = layer if name == "linear" else fused
        return self.layers[key]
