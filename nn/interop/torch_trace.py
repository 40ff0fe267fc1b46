"""A tracer of PyTorch that also records in-place operations. This file imports PyTorch."""

from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from nn.interop.torch_layers import is_layer

IN_PLACE = [
    f"__i{name}__"
    for name in (
        "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor", "lshift",
        "rshift",
    )
]  # fmt: skip


class TracedTensor(fx.Proxy):
    """A tensor whose operations are recorded, such as `z += y` as `z.__iadd__(y)`.

    `fx.Proxy` has no `__iadd__`, so Python would compute `z = z + y`, which leaves other names of
    the tensor unchanged.
    """

    def __setattr__(self, name: str, x: Any) -> None:
        if name not in ("tracer", "node"):
            raise TypeError(f"it assigns the attribute {name!r} of a tensor")
        super().__setattr__(name, x)


def record_method(name: str) -> Callable[[Any, Any], Any]:
    return lambda x, y: x.tracer.create_proxy("call_method", name, (x, y), {})


for method in IN_PLACE:
    setattr(TracedTensor, method, record_method(method))


class InPlaceTracer(fx.Tracer):
    """A tracer that records the layers of `torch.nn` as calls."""

    def is_leaf_module(self, inner: torch.nn.Module, name: str) -> bool:
        return is_layer(inner) or super().is_leaf_module(inner, name)

    def proxy(self, node: fx.Node) -> TracedTensor:
        return TracedTensor(node, self)
