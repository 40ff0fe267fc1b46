"""Networks of Arrays, which compute all samples of a batch at once.

Data has the shape `(samples, features)`, weights have the shape `(outputs, inputs)`. Plain arrays
and lists are converted to the dtype of the layer and receive no gradient. A layer raises ValueError
for data of another width; the message has both shapes.

>>> model = MLP(784, [256, 10], rng=0)
>>> model(np.zeros((128, 784))).shape
(128, 10)
"""

from __future__ import annotations  # help() then shows ArrayLike, not its definition

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from engine.arrays.arguments import as_dtype, as_ndarray
from engine.arrays.array import Array, ConstantArray
from engine.arrays.rules import LINEAR
from engine.rules import ELEMENTWISE
from engine.support.arguments import describe_type, find_string_remedy
from engine.support.lazy import attributes
from engine.watch.hooks import each_call
from nn import other_names
from nn.arguments import check_flag, check_modules, check_whole, check_within
from nn.convertible import ToScalar
from nn.init import Init, Rng, generator, make_weights
from nn.module import Column, Module
from nn.scalar import check_activation, check_sizes, format_bias
from nn.transformer.arguments import format_settings

TRANSFORMERS = ["GPT", "Attention", "RMSNorm", "Transformer"]
__all__ = [
    "MLP", "Activation", "BatchNorm", "Dense", "Dropout", "Embedding", "LayerNorm", "Residual",
    "Sequential", *TRANSFORMERS,
]  # fmt: skip

Samples = Array | ArrayLike


class Dense(ToScalar, Module, has_scope=False):
    """A fully connected layer: activation(X Wᵀ + b), the counterpart of `nn.Layer`.

    X is `(samples, nin)` or a single sample `(nin,)`. W is `(nout, nin)` and b is `(nout,)`. The
    result is `(samples, nout)` or `(nout,)`: one node, and another for the activation.

    nin, nout   the numbers of inputs and outputs
    activation  the name of a one-input row of `engine.rules`, or "linear" for none; "relu" by
                default, unlike the layers of other libraries
    init        an initializer, or its name in `nn.init`; b starts at 0
    rng         a seed or a NumPy Generator
    dtype       float32 or float64, the dtype of W and b
    bias        False to leave out b, which is then None

    Raises ValueError for an unknown activation or initializer, and for sizes below 1.

    >>> layer = Dense(2, 3, init="zeros")
    >>> layer([[1.0, 2.0]])
    Array([[0., 0., 0.]], dtype=float32)
    """

    nout: int

    def __init__(
        self,
        nin: int,
        nout: int,
        activation: str = "relu",
        *,
        init: str | Init = "he_normal",
        rng: Rng = None,
        dtype: DTypeLike = np.float32,
        bias: bool = True,
    ):
        weights = make_weights(init, nin, nout, rng)
        self.nin, self.nout, self.activation = int(nin), int(nout), check_activation(activation)
        self.weight = Array(weights.astype(as_dtype(dtype)), "W")
        self.bias = Array(np.zeros(nout, dtype), "b") if check_flag("bias", bias) else None

    def __call__(self, X: Samples) -> Array:
        X = convert_samples(self, X, self.nin)
        Z = X @ self.weight.T if self.bias is None else LINEAR(X, self.weight, self.bias)
        return activate(self.activation, Z)

    def _columns(self) -> Iterator[Column]:
        zeros = ConstantArray(np.zeros(self.nout, self.weight.dtype))
        yield "", self.weight, zeros if self.bias is None else self.bias, self.activation

    def __repr__(self) -> str:
        return f"Dense({self.nin}, {self.nout}, {self.activation!r}{format_bias(self.bias)})"


class Activation(ToScalar, Module):
    """An activation, applied to each element: the name of a one-input row of `engine.rules`.

    >>> Activation("relu")(Array([-1.0, 2.0]))
    Array([0., 2.])
    """

    def __init__(self, name: str):
        self.name = check_activation(name)

    def __call__(self, X: Samples) -> Array:
        return activate(self.name, Array.lift(X))

    def _columns(self) -> Iterator[Column]:
        yield "", None, None, self.name

    def __repr__(self) -> str:
        return f"Activation({self.name!r})"


class BatchNorm(ToScalar, Module):
    """Batch normalization: (X - mean) / sqrt(variance + eps) * gamma + beta (Ioffe & Szegedy 2015).

    X is `(samples, n)`. In training, mean and (biased) variance of each feature are those of the
    batch. They also update the running statistics, `running += momentum * (batch's - running)`,
    where the batch's variance is unbiased, as in PyTorch. After `eval()`, the running statistics
    are used instead.

    n         the number of features
    momentum  in [0, 1]; the share of the batch in the running statistics
    eps       0 or more
    dtype     float32 or float64, the dtype of gamma and beta

    Raises ValueError in training for a single sample, which has no unbiased variance.

    >>> norm = BatchNorm(1, dtype=np.float64)
    >>> norm([[1.0], [3.0]]).data.round(3).tolist()
    [[-1.0], [1.0]]
    >>> norm.running_mean
    ConstantArray([0.2], 'running mean')
    """

    def __init__(
        self, n: int, *, momentum: float = 0.1, eps: float = 1e-5, dtype: DTypeLike = np.float32
    ):
        self.n = self.nout = check_whole("the number of features", n)
        self.momentum, self.eps = (
            check_within("momentum", momentum, most=1),
            check_within("eps", eps),
        )
        self.gamma = Array(np.ones(n, as_dtype(dtype)), "gamma")
        self.beta = Array(np.zeros(n, dtype), "beta")
        # Constants receive no gradient, but are saved with the model.
        self.running_mean = ConstantArray(np.zeros(n, dtype), "running mean")
        self.running_variance = ConstantArray(np.ones(n, dtype), "running variance")

    def __call__(self, X: Samples) -> Array:
        X = convert_samples(self, X, self.n)
        if not self.training:
            scale = self.gamma / (self.running_variance + self.eps).sqrt()
            return (X - self.running_mean) * scale + self.beta
        count, axes = X.size // self.n, tuple(range(X.ndim - 1))
        if count < 2:
            raise ValueError(
                f"BatchNorm in training expects 2 samples or more, got shape {X.shape}; choose a "
                "batch size that leaves no batch of one sample, or call eval()"
            )
        mean = X.mean(axis=axes)
        centred = X - mean
        variance = centred.square().mean(axis=axes)
        self._update(self.running_mean, mean.data)
        self._update(self.running_variance, variance.data * (count / (count - 1)))
        return centred * (self.gamma / (variance + self.eps).sqrt()) + self.beta

    def _update(self, running: Array, batch: np.ndarray) -> None:
        running.data = running.data + self.momentum * (batch - running.data)

    def __repr__(self) -> str:
        settings = {"momentum": (self.momentum, 0.1), "eps": (self.eps, 1e-5)}
        return f"BatchNorm({self.n}{format_settings(settings)})"


class LayerNorm(ToScalar, Module):
    """Layer normalization: (X - mean) / sqrt(variance + eps) * gamma + beta (Ba et al. 2016).

    X is `(..., n)`, such as `(samples, n)` or a single sample `(n,)`. Mean and (biased) variance
    are those of the n features of each sample, in training and in evaluation.

    n      the number of features
    eps    0 or more
    dtype  float32 or float64, the dtype of gamma and beta

    >>> LayerNorm(2)([[1.0, 3.0], [30.0, 10.0]]).data.round(3).tolist()
    [[-1.0, 1.0], [1.0, -1.0]]
    """

    def __init__(self, n: int, *, eps: float = 1e-5, dtype: DTypeLike = np.float32):
        self.n = self.nout = check_whole("the number of features", n)
        self.eps = check_within("eps", eps)
        self.gamma = Array(np.ones(n, as_dtype(dtype)), "gamma")
        self.beta = Array(np.zeros(n, dtype), "beta")

    def __call__(self, X: Samples) -> Array:
        X = convert_samples(self, X, self.n)
        centred = X - X.mean(axis=-1, keepdims=True)
        variance = centred.square().mean(axis=-1, keepdims=True)
        return centred / (variance + self.eps).sqrt() * self.gamma + self.beta

    def __repr__(self) -> str:
        return f"LayerNorm({self.n}{format_settings({'eps': (self.eps, 1e-5)})})"


class Embedding(ToScalar, Module):
    """An embedding: the rows of a matrix at integer indices, such as the vectors of tokens.

    Indices have any shape; the result is `(*shape of the indices, width)`. An index that occurs
    several times receives the sum of its gradients.

    rows   the number of rows; indices are from 0 to rows - 1
    width  the number of elements of a row
    init   an initializer, called with width inputs and rows outputs, or its name in `nn.init`; by
           default N(0, 1), as in PyTorch
    rng    a seed or a NumPy Generator
    dtype  float32 or float64

    Raises TypeError for indices that are not integers, and ValueError for one that is out of range.

    >>> embedding = Embedding(3, 2, init=lambda width, rows, rng: [[0, 1], [2, 3], [4, 5]])
    >>> embedding([2, 0, 2]).data.tolist()
    [[4.0, 5.0], [0.0, 1.0], [4.0, 5.0]]
    """

    nout: int

    def __init__(
        self,
        rows: int,
        width: int,
        *,
        init: str | Init = "normal",
        rng: Rng = None,
        dtype: DTypeLike = np.float32,
    ):
        self.rows = check_whole("the number of rows", rows)
        self.width = self.nout = check_whole("the width", width)
        weights = make_weights(init, width, rows, rng)
        self.weight = Array(weights.astype(as_dtype(dtype)), "W")

    def __call__(self, indices: ArrayLike) -> Array:
        return self.weight[check_indices(indices, self.rows)]

    def __repr__(self) -> str:
        return f"Embedding({self.rows}, {self.width})"


class Dropout(Module):
    """Dropout, in the inverted form (Srivastava et al. 2014).

    In training each element is set to 0 with probability `rate`, and the others are divided by
    1 - rate. After `eval()` elements are unchanged.

    rate  in [0, 1)
    rng   a seed or a NumPy Generator, whose state is part of a checkpoint

    >>> Dropout(0.5, rng=0)(np.ones(4)).data.tolist()
    [2.0, 2.0, 2.0, 0.0]
    """

    def __init__(self, rate: float = 0.5, *, rng: Rng = None):
        self.rate, self.rng = check_within("rate", rate, below=1), generator(rng)

    def __call__(self, X: Samples) -> Array:
        X = Array.lift(X)
        if not (self.training and self.rate):
            return X
        mask = each_call(lambda: self.rng.random(X.shape, np.float32)) >= self.rate
        return X * (mask * X.dtype.type(1.0 / (1.0 - self.rate)))

    def __repr__(self) -> str:
        return f"Dropout({self.rate})"


class Sequential(ToScalar, Module):
    """Modules, or other functions of an Array, in sequence.

    Raises ValueError for no module and TypeError for an argument that is not callable.

    >>> model = Sequential(Dense(2, 8, rng=0), BatchNorm(8), Dropout(0.5), Dense(8, 1, "linear"))
    >>> model(np.ones((5, 2))).shape
    (5, 1)
    """

    def __init__(self, *modules: Any):
        self.modules = check_modules(type(self).__name__, modules, "Dense")

    def __call__(self, X: Samples) -> Array:
        for module in self.modules:
            X = module(X)
        return X  # type: ignore[return-value]  # there is at least one module

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.modules))})"


class Residual(Sequential):
    """A residual block: X + f(X), where f is the modules in sequence (He et al. 2016).

    Raises ValueError if f(X) has another shape than X.

    >>> Residual(Dense(3, 3, init="zeros"))(np.ones((1, 3)))
    Array([[1., 1., 1.]], dtype=float32)
    """

    def __call__(self, X: Samples) -> Array:
        X = Array.lift(X)
        out = super().__call__(X)
        if out.shape != X.shape:
            raise ValueError(f"Residual adds f(X) of shape {out.shape} to X of shape {X.shape}")
        return X + out

    def _columns(self) -> Iterator[Column]:
        yield from super()._columns()
        yield "", None, None, "+ X"


class MLP(ToScalar, Module):
    """A multilayer perceptron: `Dense` layers, of which the last is linear, as in `nn.MLP`.

    nin         the number of inputs
    nouts       the number of outputs of each layer
    activation  of all layers but the last
    dropout     the rate of a `Dropout` after each hidden layer

    The other arguments are those of `Dense`. The same seed gives the weights of `nn.MLP`, rounded
    to `dtype`.

    >>> MLP(2, [16, 16, 1])(np.zeros((100, 2))).shape
    (100, 1)
    """

    nout: int

    def __init__(
        self,
        nin: int,
        nouts: Iterable[int],
        activation: str = "relu",
        *,
        dropout: float = 0.0,
        init: str | Init = "he_normal",
        rng: Rng = None,
        dtype: DTypeLike = np.float32,
        bias: bool = True,
    ):
        sizes = check_sizes(nin, nouts)
        self.nin, self.nout, self.activation = nin, sizes[-1], check_activation(activation)
        last, rng = len(sizes) - 2, generator(rng)
        self.layers = [
            Dense(
                a, b, activation if i < last else "linear",
                init=init, rng=rng, dtype=dtype, bias=bias,
            )
            for i, (a, b) in enumerate(pairwise(sizes))
        ]  # fmt: skip
        self.dropout = Dropout(dropout, rng=rng)

    def __call__(self, X: Samples) -> Array:
        *hidden, last = self.layers
        for layer in hidden:
            X = self.dropout(layer(X))
        return last(X)

    def _columns(self) -> Iterator[Column]:
        for i, layer in enumerate(self.layers):
            for _, *column in layer._columns():
                yield (f"layers.{i}", *column)
            if self.dropout.rate and i < len(self.layers) - 1:
                yield "dropout", None, None, repr(self.dropout)

    def __repr__(self) -> str:
        sizes = [layer.nout for layer in self.layers]
        dropout = format_settings({"dropout": (self.dropout.rate, 0.0)})
        bias = format_bias(self.layers[0].bias)
        return f"MLP({self.nin}, {sizes}, {self.activation!r}{dropout}{bias})"


def activate(name: str, X: Array) -> Array:
    """Apply the activation with that name to each element."""
    return X if name == "linear" else ELEMENTWISE[name](X)


def convert_samples(layer: Module, X: Samples, n: int) -> Array:
    """Return X as a node. Raises ValueError unless its last axis has n features."""
    X = Array.lift(X)
    if not X.ndim or X.shape[-1] != n:
        remedy = "; flatten each sample with X.reshape(len(X), -1)" if X.ndim > 2 else ""
        name = type(layer).__name__
        raise ValueError(f"{name} expects shape (samples, {n}), got {X.shape}{remedy}")
    return X


def check_indices(indices: Any, rows: int) -> np.ndarray:
    """Return indices as an array of ints.

    Raises TypeError unless they are integers, and ValueError for one outside 0 to rows - 1.
    """
    try:
        array = as_ndarray(indices.data if isinstance(indices, Array) else indices)
    except ValueError:  # lists of unequal lengths
        array = np.array(None)
    if array.dtype.kind not in "iu" and array.size:
        is_whole = array.dtype.kind == "f" and (array == np.floor(array)).all()
        remedy = (
            "; indices.astype(int) converts them" if is_whole else find_string_remedy(array.flat)
        )
        raise TypeError(
            f"Embedding expects integer indices, got {describe_type(indices)} of {array.dtype}"
            f"{remedy}"
        )
    outside = (array < 0) | (array >= rows)
    if outside.any():
        raise ValueError(
            f"Embedding expects indices from 0 to {rows - 1}, got {array[outside].flat[0]}"
        )
    return array.astype(int)


# Loaded on first use: they import this module.
__getattr__ = attributes(globals(), {"transformer.vector": TRANSFORMERS}, other_names.VECTOR)


def __dir__() -> list[str]:
    return __all__
