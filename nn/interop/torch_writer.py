"""`to_torch`: convert a network to a module of PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from engine.arrays.array import Array
from engine.support.lazy import import_extra
from nn import vector
from nn.interop.arguments import convert_to_arrays, refuse_layer
from nn.interop.table import ACTIVATIONS, ROWS, LayerRow, find_row
from nn.keywords import answer_keywords
from nn.module import Module

if TYPE_CHECKING:
    import torch

MODULES = {row.name: row for row in ACTIVATIONS}


@answer_keywords
def to_torch(model: Module) -> torch.nn.Module:
    """Return a network of Arrays or Values as a module of PyTorch, with copies of the weights.

    Dtypes, the mode (training or evaluation), frozen parameters and parameters that layers share
    are kept; a network of Values becomes one of float64. A `Dense` becomes a `Linear` and its
    activation, an `MLP` or `Sequential` a `torch.nn.Sequential`, and a `Residual` a subclass of it.
    `BatchNorm` becomes `BatchNorm1d`, for samples of shape `(samples, features)`.

    Requires PyTorch, the extra `torch`. Raises ImportError if it is not installed. Raises TypeError
    for a layer without a counterpart, such as `Attention`; the message has its path.

    >>> from nn import MLP
    >>> to_torch(MLP(2, [3, 1], "tanh"))
    Sequential(
      (0): Linear(in_features=2, out_features=3, bias=True)
      (1): Tanh()
      (2): Linear(in_features=3, out_features=1, bias=True)
    )
    """
    return TorchWriter(convert_to_arrays("to_torch", model)).module


class TorchWriter:
    """The conversion of a network of Arrays.

    module   the module of PyTorch
    tensors  the parameter or buffer of each Array
    """

    def __init__(self, model: Module):
        self.torch: Any = import_extra("torch", "to_torch", "torch")
        from nn.interop import torch_modules  # imports PyTorch

        self.modules: Any = torch_modules
        self.paths = {layer: path for path, layer in model.named_modules().items()}
        self.tensors: dict[Array, Any] = {}
        self.copies: dict[tuple[Any, ...], Any] = {}  # of layers that occur several times
        self.module = self.convert(model, "")

    def convert(self, layer: Any, path: str) -> Any:
        """Return the module of a layer."""
        path = self.paths.get(layer, path) if isinstance(layer, Module) else path
        parts = self.parts(layer, path)
        is_container = isinstance(layer, vector.Sequential | vector.MLP)
        if len(parts) == 1 and not is_container:
            return parts[0]
        residual = isinstance(layer, vector.Residual)
        kind = self.modules.Residual if residual else self.torch.nn.Sequential
        module = kind(*parts)
        module.training = layer.training
        return module

    def parts(self, layer: Any, path: str) -> list[Any]:
        """Return the modules of a layer, which follow each other."""
        row = find_row(layer)
        if isinstance(layer, vector.MLP) and row:
            dropout = [layer.dropout] if layer.dropout.rate else []
            *hidden, last = layer.layers
            layers = [part for dense in hidden for part in (dense, *dropout)]
            return self.sequence([*layers, last], path, "layers")
        if isinstance(layer, vector.Sequential) and row:
            return self.sequence(layer.modules, path, "modules")
        if isinstance(layer, vector.Activation) and row:
            return [self.activation(layer.name, layer)]
        if row is None or not row.module:
            known = ", ".join([x.layer.__name__ for x in ROWS if x.module])
            refuse_layer("to_torch", layer, path, f"it does not consist of {known}, Activation")
        module = self.leaf(row, layer)
        if isinstance(layer, vector.Dense) and layer.activation != "linear":
            return [module, self.activation(layer.activation, layer)]
        return [module]

    def sequence(self, layers: list[Any], path: str, name: str) -> list[Any]:
        """Return the modules of layers in sequence; an activation is one of them."""
        modules = []
        for i, layer in enumerate(layers):
            place = ".".join(filter(None, (path, f"{name}.{i}")))
            is_dense = isinstance(layer, vector.Dense)
            modules += self.parts(layer, place) if is_dense else [self.convert(layer, place)]
        return modules

    def leaf(self, row: LayerRow, layer: Any) -> Any:
        """Return the module of a layer with weights. Draws no random numbers."""
        parts = [getattr(layer, name) for name in row.arrays] or [layer]
        copied = (row.module, *map(id, parts))
        if copied in self.copies:
            return self.copies[copied]
        settings = {theirs: getattr(layer, ours) for ours, theirs in row.settings.items()}
        settings |= {theirs: getattr(layer, ours) is not None for ours, theirs in row.flags.items()}
        with self.torch.device("meta"):  # without memory and initial weights
            module = getattr(self.torch.nn, row.module)(**settings)
        for name, buffer in [*module.named_buffers()]:
            setattr(module, name, self.torch.zeros(buffer.shape, dtype=buffer.dtype))
        for ours, theirs in row.arrays.items():
            if (array := getattr(layer, ours)) is not None:
                setattr(module, theirs, self.tensor(array, getattr(module, theirs)))
        module.training = layer.training
        self.copies[copied] = module
        return module

    def tensor(self, array: Array, old: Any) -> Any:
        """Return the tensor of an Array: a parameter, or a buffer if the module has one there."""
        if array not in self.tensors:
            tensor = self.torch.from_numpy(np.array(array.data))
            if isinstance(old, self.torch.nn.Parameter):
                tensor = self.torch.nn.Parameter(tensor, requires_grad=array.requires_grad)
            self.tensors[array] = tensor
        return self.tensors[array]

    def activation(self, name: str, layer: Any) -> Any:
        """Return the module of an activation."""
        row = MODULES[name]
        settings = dict(row.settings)
        if name == "softplus":
            settings["threshold"] = 40.0  # above it PyTorch returns x, which is then exact
        if row.module:
            kind = getattr(self.torch.nn, row.module, None) or getattr(self.modules, row.module)
            module = kind(**settings)
        else:
            module = self.modules.Function(row.function)
        module.training = layer.training
        return module
