"""Conversion of networks to ONNX and PyTorch, and from PyTorch. `import nn` does not import them.

`to_onnx` writes a file, `to_torch` returns a module of PyTorch with the same weights, `from_torch`
converts a module of PyTorch to a network of Arrays, whose `to_scalar()` can be stepped through.
`torch_names` maps the names in a state dict. The table in `nn.interop.table` lists the layers.

>>> from nn import interop
>>> dir(interop)
['from_torch', 'to_onnx', 'to_torch', 'torch_names']
"""

from typing import TYPE_CHECKING

from engine.support import lazy

if TYPE_CHECKING:
    from nn.interop.onnx_writer import to_onnx
    from nn.interop.state_names import torch_names
    from nn.interop.torch_reader import from_torch
    from nn.interop.torch_writer import to_torch

__all__ = ["from_torch", "to_onnx", "to_torch", "torch_names"]

LAZY = {
    "onnx_writer": ["to_onnx"],
    "state_names": ["torch_names"],
    "torch_reader": ["from_torch"],
    "torch_writer": ["to_torch"],
}
__getattr__ = lazy.attributes(globals(), LAZY, {})


def __dir__() -> list[str]:
    return __all__
