"""The nodes of each layer of `nn.vector` in an ONNX graph: functions (graph, layer, X) -> Y."""

from math import sqrt
from typing import Any

import numpy as np

from engine.rules import ELEMENTWISE
from nn.interop.onnx_graph import OnnxGraph, Tensor, permutation

# Activations that are one operator, although their row is a formula of several functions. Others
# become the nodes of their row's formula.
ACTIVATION_NODES: dict[str, tuple[str, dict[str, Any]]] = {
    "softplus": ("Softplus", {}),
    "gelu": ("Gelu", {}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.01}),
}


def write_dense(graph: OnnxGraph, layer: Any, X: Tensor) -> Tensor:
    W = graph.array(layer.weight)
    if X.rank == 2:
        bias = [] if layer.bias is None else [graph.array(layer.bias)]
        Z = graph.node("Gemm", X, W, *bias, transB=1)
    else:
        Z = X @ graph.node("Transpose", W, perm=[1, 0])
        Z = Z if layer.bias is None else Z + graph.array(layer.bias)
    return activate_tensor(graph, layer.activation, Z)


def activate_tensor(graph: OnnxGraph, name: str, X: Tensor) -> Tensor:
    """Apply the activation with that name."""
    if name == "linear":
        return X
    if name in ACTIVATION_NODES and graph.dtype == np.float32:  # few runtimes have them in float64
        operator, settings = ACTIVATION_NODES[name]
        return graph.node(operator, X, **settings)
    return ELEMENTWISE[name].forward(X)


def write_activation(graph: OnnxGraph, layer: Any, X: Tensor) -> Tensor:
    return activate_tensor(graph, layer.name, X)


def write_dropout(graph: OnnxGraph, layer: Any, X: Tensor) -> Tensor:
    return X


def write_residual(graph: OnnxGraph, layer: Any, X: Tensor) -> Tensor:
    return X + write_sequential(graph, layer, X)


def write_batch_norm(graph: OnnxGraph, layer: Any, X: Tensor) -> Tensor:
    arrays = [layer.gamma, layer.beta, layer.running_mean, layer.running_variance]
    order = permutation(X.rank, 1, -1)  # ONNX normalizes axis 1, we the last
    X = X if X.rank == 2 else graph.node("Transpose", X, perm=order)
    Y = graph.node(
        "BatchNormalization", X, *map(graph.array, arrays), epsilon=layer.eps, rank=X.rank
    )
    return Y if X.rank == 2 else graph.node("Transpose", Y, perm=order)


def write_layer_norm(graph: OnnxGraph, layer: Any, X: Tensor) -> Tensor:
    gamma, beta = graph.array(layer.gamma), graph.array(layer.beta)
    return graph.node("LayerNormalization", X, gamma, beta, axis=-1, epsilon=layer.eps)


def write_rms_norm(graph: OnnxGraph, layer: Any, X: Tensor) -> Tensor:
    mean = graph.node("ReduceMean", X * X, graph.constant([-1], np.int64), rank=X.rank)
    Y = X / graph.node("Sqrt", mean + layer.eps)
    return Y if layer.gain is None else Y * graph.array(layer.gain)


def write_embedding(graph: OnnxGraph, layer: Any, indices: Tensor) -> Tensor:
    return graph.node("Gather", graph.array(layer.weight), indices, axis=0, rank=indices.rank + 1)


def write_sequential(graph: OnnxGraph, layer: Any, X: Tensor) -> Tensor:
    for i, module in enumerate(layer.modules):
        X = graph.layer(module, X, f"modules.{i}")
    return X


def write_mlp(graph: OnnxGraph, layer: Any, X: Tensor) -> Tensor:
    for part in layer.layers:
        X = graph.layer(part, X)
    return X


def write_attention(graph: OnnxGraph, layer: Any, X: Tensor) -> Tensor:
    size = layer.width // layer.heads

    def split(part: Any) -> Tensor:
        """Return the part of each head: (..., heads, positions, size)."""
        shape = graph.constant([0] * (X.rank - 1) + [layer.heads, size], np.int64)
        heads = graph.node("Reshape", graph.layer(part, X), shape, rank=X.rank + 1)
        return graph.node("Transpose", heads, perm=permutation(heads.rank, -2, -3))

    Q, K, V = map(split, (layer.query, layer.key, layer.value))
    scores = Q @ graph.node("Transpose", K, perm=permutation(K.rank, -1, -2)) / sqrt(size)
    if layer.causal:
        ends = [graph.constant([end], np.int64) for end in (-2, np.iinfo(np.int64).max)]
        shape = graph.node("Slice", graph.node("Shape", scores, rank=1), *ends)
        infinite = graph.onnx.numpy_helper.from_array(np.array([-np.inf], graph.dtype))
        full = graph.node("ConstantOfShape", shape, value=infinite, rank=2)
        scores = scores + graph.node("Trilu", full, graph.constant(1, np.int64), upper=1)
    values = graph.node("Softmax", scores, axis=-1) @ V
    heads = graph.node("Transpose", values, perm=permutation(values.rank, -2, -3))
    shape = graph.constant([0] * (X.rank - 1) + [layer.width], np.int64)
    return graph.layer(layer.output, graph.node("Reshape", heads, shape, rank=X.rank))


def write_transformer(graph: OnnxGraph, layer: Any, X: Tensor) -> Tensor:
    X = X + graph.layer(layer.attention, graph.layer(layer.attention_norm, X))
    return X + graph.layer(layer.mlp, graph.layer(layer.mlp_norm, X))


def write_gpt(graph: OnnxGraph, layer: Any, tokens: Tensor) -> Tensor:
    zero, one, last = [graph.constant(k, np.int64) for k in (0, 1, -1)]
    length = graph.node("Gather", graph.node("Shape", tokens, rank=1), last, rank=0)
    places = graph.node("Range", zero, length, one, rank=1)
    X = graph.layer(layer.token_embedding, tokens)
    X = graph.layer(layer.norm, X + graph.layer(layer.position_embedding, places))
    for block in layer.blocks:
        X = graph.layer(block, X)
    return graph.layer(layer.head, X)
