"""The table of layers that `to_onnx`, `to_torch` and `from_torch` read.

A row has a layer of `nn.vector`, its counterpart in `torch.nn` with the names of sizes, settings
and weights in both, and the function that adds its nodes to an ONNX graph. A layer without a module
in `torch.nn` has "" there.

    layer        torch.nn     the parts of the state dict
    Dense        Linear       weight: weight, bias: bias; its activation is a module of its own
    BatchNorm    BatchNorm1d  gamma: weight, beta: bias, running_mean: running_mean,
                              running_variance: running_var
    LayerNorm    LayerNorm    gamma: weight, beta: bias
    RMSNorm      RMSNorm      gain: weight
    Embedding    Embedding    weight: weight
    Dropout      Dropout
    Activation   ReLU, ...

`Sequential`, `Residual` and `MLP` consist of them. `Attention`, `Transformer` and `GPT` can be
written to ONNX only.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from nn import vector
from nn.interop import onnx_layers as onnx
from nn.interop.onnx_graph import OnnxGraph, Tensor
from nn.transformer import vector as transformer

NONE: Mapping[str, Any] = MappingProxyType({})
Write = Callable[[OnnxGraph, Any, Tensor], Tensor]


class LayerRow(NamedTuple):
    """A layer in both libraries and in ONNX.

    layer     the class of `nn.vector`
    write     a function (graph, layer, X) -> Y that adds the nodes of the layer to an ONNX graph
    size      our attribute with the number of features, or of rows of an embedding; "" if any
              number fits
    module    the name of the class in `torch.nn`, or ""
    settings  our arguments and the attributes of the module that they equal
    arrays    our Arrays, and the parameters and buffers of the module
    flags     our Arrays that may be None, with the argument of the module that leaves them out
    required  attributes of the module that have no counterpart here, with their only value
    """

    layer: type[Any]
    write: Write
    size: str = ""
    module: str = ""
    settings: Mapping[str, str] = NONE
    arrays: Mapping[str, str] = NONE
    flags: Mapping[str, str] = NONE
    required: Mapping[str, Any] = NONE


class ActivationRow(NamedTuple):
    """An activation, its module in `torch.nn`, and its function in `torch`; "" for none.

    The settings are attributes of the module, with the only values that have a counterpart here.
    """

    name: str
    module: str
    settings: Mapping[str, Any]
    function: str


# fmt: off
ROWS = [
    LayerRow(vector.Dense, onnx.write_dense, "nin", "Linear",
        {"nin": "in_features", "nout": "out_features"},
        {"weight": "weight", "bias": "bias"}, {"bias": "bias"}),
    LayerRow(vector.BatchNorm, onnx.write_batch_norm, "n", "BatchNorm1d",
        {"n": "num_features", "momentum": "momentum", "eps": "eps"},
        {"gamma": "weight", "beta": "bias", "running_mean": "running_mean",
         "running_variance": "running_var"},
        required={"track_running_stats": True}),
    LayerRow(vector.LayerNorm, onnx.write_layer_norm, "n", "LayerNorm",
        {"n": "normalized_shape", "eps": "eps"}, {"gamma": "weight", "beta": "bias"}),
    LayerRow(transformer.RMSNorm, onnx.write_rms_norm, "n", "RMSNorm",
        {"n": "normalized_shape", "eps": "eps"}, {"gain": "weight"},
        {"gain": "elementwise_affine"}),
    LayerRow(vector.Embedding, onnx.write_embedding, "rows", "Embedding",
        {"rows": "num_embeddings", "width": "embedding_dim"}, {"weight": "weight"},
        required={"padding_idx": None, "max_norm": None, "scale_grad_by_freq": False}),
    LayerRow(vector.Dropout, onnx.write_dropout, "", "Dropout", {"rate": "p"}),
    LayerRow(vector.Activation, onnx.write_activation),
    LayerRow(vector.Residual, onnx.write_residual),  # before Sequential, its base
    LayerRow(vector.Sequential, onnx.write_sequential),
    LayerRow(vector.MLP, onnx.write_mlp),
    LayerRow(transformer.Attention, onnx.write_attention, "width"),
    LayerRow(transformer.Transformer, onnx.write_transformer),
    LayerRow(transformer.GPT, onnx.write_gpt),
]

ACTIVATIONS = [
    ActivationRow("relu",       "ReLU",      {}, "relu"),
    ActivationRow("leaky_relu", "LeakyReLU", {"negative_slope": 0.01}, "leaky_relu"),
    ActivationRow("elu",        "ELU",       {"alpha": 1.0}, "elu"),
    ActivationRow("silu",       "SiLU",      {}, "silu"),
    ActivationRow("gelu",       "GELU",      {"approximate": "none"}, "gelu"),
    ActivationRow("softplus",   "Softplus",  {"beta": 1.0, "threshold": 20.0}, "softplus"),
    ActivationRow("sigmoid",    "Sigmoid",   {}, "sigmoid"),
    ActivationRow("tanh",       "Tanh",      {}, "tanh"),
    ActivationRow("linear",     "Identity",  {}, ""),
    ActivationRow("squared_relu", "SquaredReLU", {}, ""),
    ActivationRow("cbrt",       "CubeRoot",  {}, ""),
    ActivationRow("normal_cdf", "",          {}, "special.ndtr"),
    *[ActivationRow(name, "", {}, name) for name in (
        "neg", "abs", "exp", "exp2", "expm1", "square", "sin", "cos", "tan", "atan", "sinh",
        "cosh", "asinh", "erf", "erfc", "sign",
    )],
]
# fmt: on
OWN_MODULES = ("SquaredReLU", "CubeRoot")  # in nn.interop.torch_modules, not in torch.nn


def find_row(layer: Any) -> LayerRow | None:
    """Return the row of a layer, or None."""
    return next((row for row in ROWS if type(layer) is row.layer), None)
