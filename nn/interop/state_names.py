"""`torch_names`: the names of weights in state dicts of PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nn.interop.arguments import convert_to_arrays
from nn.interop.torch_reader import read_module
from nn.interop.torch_writer import TorchWriter
from nn.keywords import answer_keywords
from nn.module import Module

if TYPE_CHECKING:
    import torch


@answer_keywords
def torch_names(model: Module | torch.nn.Module) -> dict[str, str]:
    """Return a dict from the names of a network's weights here to those in PyTorch.

    For a network of Arrays, keys are the names in `model.state_dict()` and values those in
    `to_torch(model).state_dict()`; a network of Values has the names of its `to_vector()`. For a
    module of PyTorch, keys are the names in `from_torch(model).state_dict()` and values those in
    `model.state_dict()`. Entries without a counterpart are left out, such as
    `num_batches_tracked`. A weight with several names has the first.

    Raises the same errors as `to_torch` and `from_torch`.

    >>> from nn.vector import MLP
    >>> names = torch_names(MLP(2, [3, 1]))
    >>> names["layers.0.weight"], names["layers.1.weight"]
    ('0.weight', '2.weight')

    This copies the weights of a module of PyTorch to a network with the same layers:

    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    >>> model, state = MLP(2, [3, 1]), net.state_dict()
    >>> model.load_state_dict({ours: state[theirs].numpy() for ours, theirs in names.items()})
    """
    tensors: dict[Any, Any]
    if isinstance(model, Module):
        network = convert_to_arrays("torch_names", model)
        writer = TorchWriter(network)
        module, tensors = writer.module, {x: id(tensor) for x, tensor in writer.tensors.items()}
    else:
        network, layers = read_module(model)
        module, tensors = model, {array: key for key, array in layers.arrays.items()}
    state = [*module.state_dict(keep_vars=True).items()]
    names = {id(tensor): name for name, tensor in reversed(state)}
    return {
        path: names[tensors[array]]
        for path, array in network.named_state().items()
        if array in tensors
    }
