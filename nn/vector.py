"""Networks of Arrays: the layers of `nn.scalar` and more, for all samples of a batch at once.

Data is `(samples, features)`, weights are `(outputs, inputs)`. A layer takes plain arrays as they
are, in its own dtype: no gradient is computed for them. ValueError that names both shapes for data
of another width.

>>> model = MLP(784, [256, 10], rng=0)
>>> model(np.zeros((128, 784))).shape
(128, 10)
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np

from engine.arrays.arguments import as_dtype
from engine.arrays.array import Array, ConstantArray
from engine.arrays.rules import LINEAR
from engine.rules import ELEMENTWISE
from nn import convert
from nn.arguments import whole, within
from nn.init import Init, generator, weights
from nn.module import Module
from nn.scalar import known, layer_sizes


class Dense(Module):
    """activation(X W^T + b), the layer of chapter 02, 5.4, with one sample per row.

    The chapter has one per column, A = g(W A_prev + b). X is `(samples, nin)` or one sample
    `(nin,)`, W `(nout, nin)`, b `(nout,)`; the result is `(samples, nout)` or `(nout,)`. One node,
    and one for the activation, the name of a one-input row or "linear". `dtype` is that of W and b.

    >>> layer = Dense(2, 3, init="zeros")
    >>> layer([[1.0, 2.0]])
    Array([[0., 0., 0.]], dtype=float32)
    """

    def __init__(
        self,
        nin: int,
        nout: int,
        activation: str = "relu",
        *,
        init: str | Init = "he_normal",
        rng: Any = None,
        dtype: Any = np.float32,
    ):
        made = weights(init, nin, nout, rng)
        self.nin, self.nout, self.activation = int(nin), int(nout), known(activation)
        self.weight = Array(made.astype(as_dtype(dtype)), "W")
        self.bias = Array(np.zeros(nout, dtype), "b")

    def __call__(self, X: Any) -> Array:
        X = samples(self, X, self.nin)
        return activated(self.activation, LINEAR(X, self.weight, self.bias))

    def to_scalar(self) -> Any:
        """The same layer as an `nn.Layer`, with the same numbers."""
        return convert.to_scalar(self)

    def __repr__(self) -> str:
        return f"Dense({self.nin}, {self.nout}, {self.activation!r})"


class Activation(Module):
    """A one-input row on every element, as a module: `Activation("relu")`.

    >>> Activation("relu")(Array([-1.0, 2.0]))
    Array([0., 2.])
    """

    def __init__(self, name: str):
        self.name = known(name)

    def __call__(self, X: Any) -> Array:
        return activated(self.name, Array.lift(X))

    def __repr__(self) -> str:
        return f"Activation({self.name!r})"


class BatchNorm(Module):
    """Each feature less its mean, over its standard deviation, times gamma, plus beta.

    In training by the batch's mean and (biased) variance (Ioffe & Szegedy 2015; chapter 02, 8.3),
    which also move the running ones: running += momentum * (batch's - running), the variance there
    unbiased, as in PyTorch. After `eval()` by the running ones. X is `(samples, n)`.

    ValueError in training for a single sample, whose variance is 0.

    >>> norm = BatchNorm(1, dtype=np.float64)
    >>> norm([[1.0], [3.0]]).data.round(3).tolist()
    [[-1.0], [1.0]]
    >>> norm.running_mean
    ConstantArray([0.2], 'running mean')
    """

    def __init__(
        self, n: int, *, momentum: float = 0.1, eps: float = 1e-5, dtype: Any = np.float32
    ):
        self.n = self.nout = whole("the number of features", n)
        self.momentum, self.eps = within("momentum", momentum, most=1), within("eps", eps)
        self.gamma = Array(np.ones(n, as_dtype(dtype)), "gamma")
        self.beta = Array(np.zeros(n, dtype), "beta")
        # Constants: no gradient moves them, and yet they are the model's state.
        self.running_mean = ConstantArray(np.zeros(n, dtype), "running mean")
        self.running_variance = ConstantArray(np.ones(n, dtype), "running variance")

    def __call__(self, X: Any) -> Array:
        X = samples(self, X, self.n)
        if not self.training:
            scale = self.gamma / (self.running_variance + self.eps).sqrt()
            return (X - self.running_mean) * scale + self.beta
        count, others = X.size // self.n, tuple(range(X.ndim - 1))
        if count < 2:
            raise ValueError(
                f"BatchNorm in training takes 2 samples or more, got shape {X.shape}; choose a "
                "batch size that leaves no sample alone, or call eval()"
            )
        mean = X.mean(axis=others)
        centred = X - mean
        variance = centred.square().mean(axis=others)
        self.remember(self.running_mean, mean.data)
        self.remember(self.running_variance, variance.data * (count / (count - 1)))
        return centred * (self.gamma / (variance + self.eps).sqrt()) + self.beta

    def remember(self, running: Array, seen: np.ndarray) -> None:
        running.data = running.data + self.momentum * (seen - running.data)

    def __repr__(self) -> str:
        settings = {"momentum": (self.momentum, 0.1), "eps": (self.eps, 1e-5)}
        return f"BatchNorm({self.n}{unusual(settings)})"


class Dropout(Module):
    """In training each element is 0 with probability `rate`, the others grow by 1 / (1 - rate).

    After `eval()` nothing happens (Srivastava et al. 2014, in the inverted form). `rng` is a seed
    or a NumPy Generator; its state is part of a checkpoint.

    >>> Dropout(0.5, rng=0)(np.ones(4)).data.tolist()
    [2.0, 2.0, 2.0, 0.0]
    """

    def __init__(self, rate: float = 0.5, *, rng: Any = None):
        self.rate, self.rng = within("rate", rate, below=1), generator(rng)

    def __call__(self, X: Any) -> Array:
        X = Array.lift(X)
        if not (self.training and self.rate):
            return X
        kept = self.rng.random(X.shape, np.float32) >= self.rate
        return X * (kept * X.dtype.type(1.0 / (1.0 - self.rate)))

    def __repr__(self) -> str:
        return f"Dropout({self.rate})"


class Sequential(Module):
    """Module after module.

    >>> model = Sequential(Dense(2, 8, rng=0), BatchNorm(8), Dropout(0.5), Dense(8, 1, "linear"))
    >>> model(np.ones((5, 2))).shape
    (5, 1)
    """

    def __init__(self, *modules: Any):
        if not modules:
            raise ValueError(f"{type(self).__name__} takes at least one module, got none")
        for each in modules:
            if not callable(each) or isinstance(each, type):
                name = type(self).__name__
                raise TypeError(
                    f"{name} takes modules, one after the other, got {each!r}; "
                    f"write {name}(Dense(...), Dense(...))"
                )
        self.modules = list(modules)

    def __call__(self, X: Any) -> Array:
        for module in self.modules:
            X = module(X)
        return X

    def __repr__(self) -> str:
        return f"Sequential({', '.join(map(repr, self.modules))})"


class Residual(Sequential):
    """X + f(X): gradients pass f by, however deep (He et al. 2016; chapter 02, 8.3).

    f is one module or several in sequence, and keeps the shape; ValueError where it does not.

    >>> Residual(Dense(3, 3, init="zeros"))(np.ones((1, 3)))
    Array([[1., 1., 1.]], dtype=float32)
    """

    def __call__(self, X: Any) -> Array:
        X = Array.lift(X)
        out = super().__call__(X)
        if out.shape != X.shape:
            raise ValueError(f"Residual adds f(X) of shape {out.shape} to X of shape {X.shape}")
        return X + out

    def __repr__(self) -> str:
        return f"Residual({', '.join(map(repr, self.modules))})"


class MLP(Module):
    """Dense layer after layer; the last one is linear: `nn.MLP` in Arrays.

    With `dropout`, its rate, after each hidden activation. From the same seed it begins with the
    weights of `nn.MLP`, in its dtype.

    >>> MLP(2, [16, 16, 1])(np.zeros((100, 2))).shape
    (100, 1)
    """

    def __init__(
        self,
        nin: int,
        nouts: Iterable[int],
        activation: str = "relu",
        *,
        dropout: float = 0.0,
        init: str | Init = "he_normal",
        rng: Any = None,
        dtype: Any = np.float32,
    ):
        sizes = layer_sizes(nin, nouts)
        self.nin, self.nout, self.activation = nin, sizes[-1], known(activation)
        last, rng = len(sizes) - 2, generator(rng)
        self.layers = [
            Dense(a, b, activation if i < last else "linear", init=init, rng=rng, dtype=dtype)
            for i, (a, b) in enumerate(pairwise(sizes))
        ]
        self.dropout = Dropout(dropout, rng=rng)

    def __call__(self, X: Any) -> Array:
        *hidden, last = self.layers
        for layer in hidden:
            X = self.dropout(layer(X))
        return last(X)

    def __repr__(self) -> str:
        sizes, rate = [layer.nout for layer in self.layers], self.dropout.rate
        dropout = unusual({"dropout": (rate, 0.0)})
        return f"MLP({self.nin}, {sizes}, {self.activation!r}{dropout})"

    def to_scalar(self) -> Any:
        """The same network as an `nn.MLP`, to look inside: the same numbers, exactly.

        Without the dropout, which is for training.

        >>> model = MLP(2, [3, 1], init="zeros")
        >>> model.to_scalar()
        MLP(2, [3, 1], 'relu')
        """
        return convert.to_scalar(self)


def activated(name: str, X: Array) -> Array:
    """The row of that name on every element; "linear" leaves them."""
    return X if name == "linear" else ELEMENTWISE[name](X)


def unusual(settings: dict[str, tuple[float, float]]) -> str:
    """In a repr: the settings that are not their defaults.

    >>> unusual({"momentum": (0.5, 0.1), "eps": (1e-05, 1e-05)})
    ', momentum=0.5'
    """
    return "".join([f", {name}={x}" for name, (x, usual) in settings.items() if x != usual])


def samples(layer: Module, X: Any, n: int) -> Array:
    """X as a node; ValueError that names both shapes unless it has n features a sample."""
    X = Array.lift(X)
    if not X.ndim or X.shape[-1] != n:
        remedy = "; flatten each sample with X.reshape(len(X), -1)" if X.ndim > 2 else ""
        name = type(layer).__name__
        raise ValueError(f"{name} takes shape (samples, {n}), got {X.shape}{remedy}")
    return X
