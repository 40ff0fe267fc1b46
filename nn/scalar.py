"""Networks of Values, one scalar at a time: `Neuron`, `Layer`, `MLP`, as in micrograd."""

import inspect
from collections.abc import Iterable
from functools import reduce
from itertools import pairwise
from math import isfinite
from operator import add, mul
from typing import Any

from engine.functions import is_array, linear, map_row
from engine.rules import ELEMENTWISE, Op
from engine.support.arguments import numpy_type
from engine.value import Value, nodes
from nn import convert
from nn.arguments import flag, lookup, sequence, whole
from nn.init import Init, generator, weights
from nn.module import Module


class Neuron(Module):
    """activation(bias + w1 x1 + w2 x2 + ...): one `dot` node and one for the activation.

    The activation is the name of a one-input row of `engine.rules`, or "linear" for none. With
    `fused=False` every product and every sum is a node of its own, with the same numbers.

    >>> neuron = Neuron(2, "tanh", init="zeros")
    >>> neuron.bias.data = 0.5
    >>> neuron([1.0, 2.0])
    Value(0.462117)
    """

    nout = 1

    def __init__(
        self,
        nin: int,
        activation: str = "relu",
        *,
        init: str | Init = "he_normal",
        rng: Any = None,
        fused: bool = True,
    ):
        (row,) = weights(init, nin, 1, rng)
        self.nin, self.activation = int(nin), known(activation)
        self.fused = flag("fused", fused)
        self.weights = tuple([Value(w, f"w{i}") for i, w in enumerate(row)])
        self.bias = Value(0.0, "b")

    def __call__(self, x: Any) -> Value:
        """The output for `nin` numbers or Values; one may stand alone, without a list."""
        return outputs(self, [self], inputs(self, x))[0]

    def __repr__(self) -> str:
        return f"Neuron({self.nin}, {self.activation!r})"


class Layer(Module):
    """`nout` neurons that see the same inputs: activation(W x + b), W of shape (nout, nin).

    >>> Layer(2, 3, init="zeros")([1.0, 2.0])
    [Value(0.0), Value(0.0), Value(0.0)]
    """

    def __init__(
        self,
        nin: int,
        nout: int,
        activation: str = "relu",
        *,
        init: str | Init = "he_normal",
        rng: Any = None,
        fused: bool = True,
    ):
        # Drawn as one matrix: what an init makes may depend on both sizes.
        rows = iter(weights(init, nin, nout, rng))
        self.nin, self.nout, self.activation = int(nin), int(nout), activation
        self.fused = flag("fused", fused)
        self.neurons = [
            Neuron(nin, activation, init=lambda *_: [next(rows)], fused=fused) for _ in range(nout)
        ]

    def __call__(self, x: Any) -> Any:
        """The list of outputs for `nin` numbers or Values; a single output stands alone."""
        outs = outputs(self, self.neurons, inputs(self, x))
        return outs[0] if len(outs) == 1 else outs

    def to_vector(self, dtype: Any = "float64") -> Any:
        """The same layer as an `nn.vector.Dense`; the same numbers, unless in float32."""
        return convert.to_vector(self, dtype)

    def __repr__(self) -> str:
        return f"Layer({self.nin}, {self.nout}, {self.activation!r})"


class MLP(Module):
    """Layer after layer, a multilayer perceptron; the last one is linear (chapter 02, 4.3).

    `rng` is a seed or a NumPy Generator. Where NumPy is not installed, the seed is that of
    `random.Random`, and the weights differ from those with NumPy.

    >>> model = MLP(2, [16, 16, 1], init="zeros")
    >>> model([1.0, -2.0])
    Value(0.0)
    >>> len(model.parameters())
    337
    """

    def __init__(
        self,
        nin: int,
        nouts: Iterable[int],
        activation: str = "relu",
        *,
        init: str | Init = "he_normal",
        rng: Any = None,
        fused: bool = True,
    ):
        sizes = layer_sizes(nin, nouts)
        self.nin, self.nout, self.activation = nin, sizes[-1], known(activation)
        last, rng = len(sizes) - 2, generator(rng)
        self.layers = [
            Layer(a, b, activation if i < last else "linear", init=init, rng=rng, fused=fused)
            for i, (a, b) in enumerate(pairwise(sizes))
        ]

    def __call__(self, x: Any) -> Any:
        """The outputs for `nin` numbers or Values: a list, or one Value if there is one."""
        x = inputs(self, x)
        for layer in self.layers:
            x = tuple(outputs(layer, layer.neurons, x))
        return x[0] if len(x) == 1 else list(x)

    def to_vector(self, dtype: Any = "float64") -> Any:
        """The same network as an `nn.vector.MLP`; the same numbers, unless in float32.

        >>> MLP(2, [3, 1], rng=0).to_vector()([[1.0, 2.0], [3.0, 4.0]]).shape
        (2, 1)
        """
        return convert.to_vector(self, dtype)

    def __repr__(self) -> str:
        return f"MLP({self.nin}, {[layer.nout for layer in self.layers]}, {self.activation!r})"


def layer_sizes(nin: int, nouts: Iterable[int]) -> list[int]:
    """An MLP's sizes from its input to its output."""
    if not isinstance(nouts, Iterable):
        raise TypeError(f"MLP takes a list of layer sizes, got {nouts!r}; write [{nouts!r}]")
    nouts = list(sequence(nouts, "MLP takes a list of layer sizes"))
    if not nouts:
        raise ValueError("MLP takes at least one layer size, got []")
    return [
        whole("the number of inputs", nin),
        *[whole("the number of outputs", n) for n in nouts],
    ]


def inputs(model: Any, x: Any) -> tuple[Value, ...]:
    """`x` as nodes, its numbers as constants; ValueError where the model takes more or fewer."""
    alone = not hasattr(x, "__iter__") or getattr(x, "ndim", 1) == 0
    try:
        x = nodes((x,) if alone else x)
    except TypeError as problem:
        name = type(model).__name__
        if is_array(x):
            remedy = "take its .data, or .to_vector() of the model"
            raise TypeError(f"{name} takes numbers or Values, got an Array; {remedy}") from None
        if getattr(x, "ndim", 1) > 1 or (isinstance(x, list | tuple) and holds_lists(x)):
            shape = f" of shape {x.shape}" if hasattr(x, "shape") else f" of {len(x)} samples"
            raise TypeError(
                f"{name} takes the numbers of one sample, got {type(x).__name__}{shape}; "
                "write [model(x) for x in X]"
            ) from None
        raise TypeError(f"{name} takes numbers or Values: {problem}") from None
    if len(x) != model.nin:
        takes = f"{model.nin} input{'s' * (model.nin != 1)}"
        raise ValueError(f"{type(model).__name__} takes {takes}, got {len(x)}")
    return x


def holds_lists(x: Any) -> bool:
    return any(isinstance(each, (list, tuple, numpy_type("ndarray"))) for each in x)


def outputs(how: Neuron | Layer, neurons: list[Neuron], x: tuple[Value, ...]) -> list[Value]:
    """What neurons make of the same inputs, fused or not and activated as `how` says."""
    if how.fused:
        zs = linear([n.weights for n in neurons], x, [n.bias for n in neurons], layer=how)
    else:  # the products and sums of `dot`, in its order
        zs = [reduce(add, map(mul, n.weights, x), n.bias) for n in neurons]
    if how.activation == "linear":
        return zs
    row = ELEMENTWISE[how.activation]
    return map_row(row, zs) if row.arity == 1 else [row(z) for z in zs]


def is_activation(op: Op) -> bool:
    """Whether a row takes one input, whatever the number: tanh does, log does not."""
    letters = inspect.signature(op.forward).parameters.values()
    if sum(letter.default is letter.empty for letter in letters) != 1:
        return False
    return all(isfinite(op.forward(x)) for x in (-2.0, 0.0, 2.0))


ACTIVATIONS = ["linear", *[name for name, op in ELEMENTWISE.items() if is_activation(op)]]


def known(activation: str) -> str:
    """The activation's name; ValueError where there is none of that name."""
    return lookup("activation", dict(zip(ACTIVATIONS, ACTIVATIONS, strict=True)), activation)
