"""Modules of Values in sequence, the counterparts of those in `nn.vector`.

They take the inputs of one sample and return a list of Values, or a Value if there is one output.
"""

from collections.abc import Iterator
from typing import Any

from engine.rules import ELEMENTWISE
from engine.value import Constant, Value
from nn.arguments import check_modules, check_whole, check_within, format_count
from nn.module import Column, Module
from nn.scalar import Sample, ToVector, check_activation, convert_sample
from nn.transformer.arguments import format_settings


class Activation(ToVector, Module):
    """An activation, applied to each element: the name of a one-input row of `engine.rules`.

    >>> Activation("relu")([-1.0, 2.0])
    [Constant(0.0), Constant(2.0)]
    """

    def __init__(self, name: str):
        self.name = check_activation(name)

    def __call__(self, x: Any) -> Any:
        if self.name == "linear":
            return x
        return apply_recursively(ELEMENTWISE[self.name], x)

    def _columns(self) -> Iterator[Column]:
        yield "", None, None, self.name

    def __repr__(self) -> str:
        return f"Activation({self.name!r})"


class BatchNorm(ToVector, Module):
    """Batch normalization with running statistics: (x - mean) / √(variance + eps) * gamma + beta.

    One sample has no statistics, so it computes what `vector.BatchNorm` does in eval() mode, and
    does not change `running_mean` and `running_variance` (Ioffe & Szegedy 2015).

    n         the number of features
    momentum  that of its counterpart of Arrays
    eps       0 or more

    >>> norm = BatchNorm(2, eps=0.0)
    >>> norm.running_mean[0].data = 1.0
    >>> norm([3.0, 4.0])
    [Value(2.0), Value(4.0)]
    """

    nout: int

    def __init__(self, n: int, *, momentum: float = 0.1, eps: float = 1e-5):
        self.n = self.nin = self.nout = check_whole("the number of features", n)
        self.momentum = check_within("momentum", momentum, most=1)
        self.eps = check_within("eps", eps)
        self.gamma = [Value(1.0, f"gamma{i}") for i in range(n)]
        self.beta = [Value(0.0, f"beta{i}") for i in range(n)]
        self.running_mean = [Constant(0.0, f"mean{i}") for i in range(n)]
        self.running_variance = [Constant(1.0, f"variance{i}") for i in range(n)]

    def __call__(self, x: Sample) -> Any:
        features = zip(
            convert_sample(self, x), self.running_mean, self.running_variance, self.gamma,
            self.beta, strict=True,
        )  # fmt: skip
        outputs = [
            (z - mean) * (gamma / (variance + self.eps).sqrt()) + beta
            for z, mean, variance, gamma, beta in features
        ]
        return outputs[0] if len(outputs) == 1 else outputs

    def __repr__(self) -> str:
        settings = {"momentum": (self.momentum, 0.1), "eps": (self.eps, 1e-5)}
        return f"BatchNorm({self.n}{format_settings(settings)})"


class Sequential(ToVector, Module):
    """Modules, or other functions of a sample, in sequence.

    Raises ValueError for no module and TypeError for an argument that is not callable.

    >>> from nn import Layer
    >>> model = Sequential(Layer(2, 8, "tanh", rng=0), Layer(8, 1, "sigmoid", rng=1))
    >>> model([0.5, -1.0])
    Value(0.667334)
    """

    def __init__(self, *modules: Any):
        self.modules = check_modules(type(self).__name__, modules, "Layer")

    def __call__(self, x: Any) -> Any:
        for module in self.modules:
            x = module(x)
        return x

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.modules))})"


class Residual(Sequential):
    """A residual block: x + f(x), where f is the modules in sequence (He et al. 2016).

    Raises ValueError if f(x) has another number of elements than x.

    >>> from nn import Layer
    >>> Residual(Layer(2, 2, init="zeros"))([1.0, 2.0])
    [Value(1.0), Value(2.0)]
    """

    def __call__(self, x: Any) -> Any:
        return add_elements(x, super().__call__(x))

    def _columns(self) -> Iterator[Column]:
        yield from super()._columns()
        yield "", None, None, "+ x"


def apply_recursively(f: Any, x: Any) -> Any:
    """Apply a row to a Value or a number, or to each element of nested lists."""
    x = x.tolist() if hasattr(x, "tolist") else x
    if isinstance(x, list | tuple):
        return [apply_recursively(f, part) for part in x]
    return f(Value.lift(x))


def add_elements(x: Any, y: Any) -> Any:
    """Return the sum of a sample and the result of a module, which is a Value or nested lists."""
    x = x.tolist() if hasattr(x, "tolist") else x
    if not isinstance(y, list | tuple):
        return (x[0] if isinstance(x, list | tuple) and len(x) == 1 else x) + y
    parts = x if isinstance(x, list | tuple) else [x]
    if len(parts) != len(y):
        elements = format_count(len(y), "element")
        raise ValueError(f"Residual adds f(x) of {elements} to x of {len(parts)}")
    return [add_elements(a, b) for a, b in zip(parts, y, strict=True)]
