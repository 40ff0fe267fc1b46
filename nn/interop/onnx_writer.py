"""`to_onnx`: write a network to an ONNX file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike

from engine import __version__
from engine.arrays.arguments import as_dtype
from nn import vector
from nn.archive import replace
from nn.arguments import check_path
from nn.interop.arguments import convert_to_arrays, refuse_layer
from nn.interop.onnx_graph import OnnxGraph, Tensor
from nn.interop.table import ROWS, find_row
from nn.keywords import answer_keywords
from nn.module import Module
from nn.transformer import vector as transformer

if TYPE_CHECKING:
    from onnx import ModelProto

OPSET = 20  # the first with Gelu, of October 2023


@answer_keywords
def to_onnx(
    model: Module,
    path: str | os.PathLike[str],
    *,
    dtype: DTypeLike = "float32",
    axes: Sequence[str] | None = None,
) -> ModelProto:
    """Write a network of Arrays or Values to an ONNX file of opset 20, and return its content.

    dtype  "float32", or "float64", for which fewer runtimes have all operators; weights are
           rounded to it
    axes   the names of the axes of the input, without that of the features; their lengths are free.
           ("samples",) by default, and ("samples", "positions") for indices and attention

    The input is "X", of shape `(samples, features)`, or "indices", integers of shape `(samples,
    positions)`, for a model that begins with an `Embedding`. The output is "Y". Weights have the
    names of `model.state_dict()`, in the network of Arrays if the model is one of Values. The file
    computes what the model does in eval() mode. All layers of `nn.vector` can be written.

    Requires the library onnx, the extra `onnx`. Raises ImportError if it is not installed. Raises
    TypeError for a layer that is not one of `nn`; the message has its path.

    >>> import tempfile, pathlib
    >>> from nn import MLP
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     content = to_onnx(MLP(2, [3, 1], "tanh"), pathlib.Path(folder, "model.onnx"))
    >>> [node.op_type for node in content.graph.node]
    ['Gemm', 'Tanh', 'Gemm']
    """
    arrays = convert_to_arrays("to_onnx", model)
    check_path("path", path)
    is_names = isinstance(axes, list | tuple) and all(isinstance(axis, str) for axis in axes)
    if axes is not None and not is_names:
        raise TypeError(f"axes must be names such as ('samples',), got {axes!r}")
    kind = np.dtype(as_dtype(dtype))
    first, features = find_input(arrays)
    if axes is None:
        modules = arrays.named_modules().values()
        is_sequence = any(isinstance(x, vector.Embedding | transformer.Attention) for x in modules)
        axes = ("samples", "positions") if is_sequence else ("samples",)
    graph = OnnxGraph(arrays, kind, find_writer)
    helper, is_integer = graph.onnx.helper, first == "indices"
    shape: list[Any] = [*axes] if is_integer else [*axes, features]
    output = graph.layer(arrays, Tensor(graph, first, len(shape)))
    proto_type = helper.np_dtype_to_tensor_dtype
    inputs = helper.make_tensor_value_info(
        first, proto_type(np.dtype(np.int64) if is_integer else kind), shape
    )
    nodes = [*graph.nodes, helper.make_node("Identity", [output.name], ["Y"], name="Y")]
    if graph.nodes and output.name == graph.nodes[-1].output[0]:  # without a node of its own
        nodes.pop()
        nodes[-1].output[0] = "Y"
    outputs = helper.make_tensor_value_info("Y", proto_type(kind), [*axes, None])
    made = helper.make_graph(nodes, "stepgrad", [inputs], [outputs], [*graph.initializers.values()])
    content = helper.make_model(
        made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9,
        producer_name="stepgrad", producer_version=__version__, doc_string=repr(model),
    )  # fmt: skip
    content = graph.onnx.shape_inference.infer_shapes(content, data_prop=True)
    graph.onnx.checker.check_model(content, full_check=True)
    replace(path, content.SerializeToString())
    return content


def find_input(model: Module) -> tuple[str, int | str]:
    """Return the name of the input of a model, and the number of features.

    They are those of its first layer with a size; the name is "indices" for an embedding.
    """
    for layer in model.named_modules().values():
        row = find_row(layer)
        if row and row.size:
            is_embedding = isinstance(layer, vector.Embedding)
            return "indices" if is_embedding else "X", getattr(layer, row.size)
    return "X", "features"


def find_writer(layer: Any, path: str) -> Any:
    """Return the function that writes a layer. Raises TypeError for an unknown one."""
    if row := find_row(layer):
        return row.write
    known = ", ".join([row.layer.__name__ for row in ROWS])
    refuse_layer("to_onnx", layer, path, f"it is not one of {known}")
