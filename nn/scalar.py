"""Networks of Values, one scalar at a time: `Neuron`, `Layer` and `MLP`, as in micrograd."""

import inspect
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from importlib import import_module
from itertools import chain, pairwise
from math import isfinite
from operator import add, mul
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from engine.functions import Weights, apply_row, is_array, linear
from engine.rules import CEIL, ELEMENTWISE, FLOOR, ROUND, SLOPES_OF_OTHERS, Op
from engine.support.arguments import describe_type, numpy_type
from engine.support.lazy import attributes
from engine.value import Constant, Value, as_nodes
from nn.arguments import check_flag, check_sequence, check_whole, format_count, look_up
from nn.init import Init, Rng, generator, make_weights
from nn.module import Column, Module

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

TRANSFORMERS = ["GPT", "Attention", "Embedding", "LayerNorm", "RMSNorm", "Transformer"]
MODULES = ["Activation", "BatchNorm", "Residual", "Sequential"]
__all__ = ["ACTIVATIONS", "MLP", "Layer", "Neuron", *MODULES, *TRANSFORMERS]

CONVERT = ".convert"  # loaded when first used: it imports this module, and needs NumPy
Sample = Iterable[Value | float] | Value | float  # the inputs of one sample; one may stand alone
WEIGHTS: WeakKeyDictionary[Module, Weights] = WeakKeyDictionary()  # of each layer, with their data


class ToVector:
    """A mixin of modules that have a counterpart in `nn.vector`."""

    def to_vector(self, dtype: "DTypeLike" = "float64") -> Any:
        """Return the counterpart in `nn.vector`, with copies of the weights in that dtype.

        A `Layer` becomes a `Dense`, and any other module that of the same name.

        >>> MLP(2, [3, 1], rng=0).to_vector()([[1.0, 2.0], [3.0, 4.0]]).shape
        (2, 1)
        """
        return import_module(CONVERT, __package__).to_vector(self, dtype)


class Neuron(Module, has_scope=False):
    """A neuron: activation(bias + w1 x1 + w2 x2 + ...).

    nin         the number of inputs
    activation  the name of a one-input row of `engine.rules`, or "linear" for none; "relu" by
                default, unlike the layers of other libraries
    init        an initializer, or its name in `nn.init`; the bias starts at 0
    rng         a seed or a NumPy Generator
    fused       True to compute the sum as one `dot` node; False for a node for each product and
                each sum. The numbers are the same.
    bias        False to leave out the bias, which is then None

    Raises ValueError for an unknown activation or initializer, and for `nin` below 1.

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
        rng: Rng = None,
        fused: bool = True,
        bias: bool = True,
    ):
        (row,) = make_weights(init, nin, 1, rng)
        self.nin, self.activation = int(nin), check_activation(activation)
        self.fused = check_flag("fused", fused)
        self.weights = tuple([Value(w, f"w{i}") for i, w in enumerate(row)])
        self.bias = Value(0.0, "b") if check_flag("bias", bias) else None

    def __call__(self, x: Sample) -> Value:
        """Return the output for the `nin` inputs of one sample.

        Raises ValueError for another number of inputs and TypeError for several samples.
        """
        return activate(self, [self], convert_sample(self, x))[0]

    def _columns(self) -> Iterator[Column]:
        yield "", [self.weights], list_biases([self]), self.activation

    def __repr__(self) -> str:
        return f"Neuron({self.nin}, {self.activation!r}{format_bias(self.bias)})"


class Layer(ToVector, Module, has_scope=False):
    """`nout` neurons with the same inputs: activation(W x + b), W of shape (nout, nin).

    The arguments are those of `Neuron`. Its weights are initialized as one matrix.

    >>> Layer(2, 3, init="zeros")([1.0, 2.0])
    [Value(0.0), Value(0.0), Value(0.0)]
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
        fused: bool = True,
        bias: bool = True,
    ):
        rows = iter(make_weights(init, nin, nout, rng))  # an init may depend on both sizes
        self.nin, self.nout, self.activation = int(nin), int(nout), activation
        self.fused = check_flag("fused", fused)
        self.neurons = [
            Neuron(nin, activation, init=lambda *_: [next(rows)], fused=fused, bias=bias)
            for _ in range(nout)
        ]

    def __call__(self, x: Sample) -> Value | list[Value]:
        """Return the outputs for the `nin` inputs of one sample: a list, or a Value if nout is 1.

        Raises ValueError for another number of inputs and TypeError for several samples.
        """
        outputs = self._outputs(convert_sample(self, x))
        return outputs[0] if len(outputs) == 1 else outputs

    def _outputs(self, x: Sequence[Value]) -> list[Value]:
        """Return the outputs for nodes as a list, also if nout is 1."""
        return activate(self, self.neurons, x)

    def _columns(self) -> Iterator[Column]:
        weights = [neuron.weights for neuron in self.neurons]
        yield "", weights, list_biases(self.neurons), self.activation

    def __repr__(self) -> str:
        bias = format_bias(self.neurons[0].bias)
        return f"Layer({self.nin}, {self.nout}, {self.activation!r}{bias})"


class MLP(ToVector, Module, has_scope=False):
    """A multilayer perceptron: one layer after the other, of which the last is linear.

    nin         the number of inputs
    nouts       the number of outputs of each layer
    activation  of all layers but the last; the other arguments too are those of `Neuron`

    If NumPy is not installed, seeds are those of `random.Random` and give other weights.

    >>> model = MLP(2, [16, 16, 1], init="zeros")
    >>> model([1.0, -2.0])
    Value(0.0)
    >>> len(model.parameters())
    337
    """

    nout: int

    def __init__(
        self,
        nin: int,
        nouts: Iterable[int],
        activation: str = "relu",
        *,
        init: str | Init = "he_normal",
        rng: Rng = None,
        fused: bool = True,
        bias: bool = True,
    ):
        sizes = check_sizes(nin, nouts)
        self.nin, self.nout, self.activation = nin, sizes[-1], check_activation(activation)
        last, rng = len(sizes) - 2, generator(rng)
        self.layers = [
            Layer(
                a, b, activation if i < last else "linear",
                init=init, rng=rng, fused=fused, bias=bias,
            )
            for i, (a, b) in enumerate(pairwise(sizes))
        ]  # fmt: skip

    def __call__(self, x: Sample) -> Any:
        """Return the outputs for the `nin` inputs of one sample: a list, or a Value if nout is 1.

        Raises ValueError for another number of inputs and TypeError for several samples.
        """
        outputs = self._outputs(convert_sample(self, x))
        return outputs[0] if len(outputs) == 1 else outputs

    def _outputs(self, x: Sequence[Value]) -> list[Value]:
        """Return the outputs for nodes as a list, also if there is one."""
        for layer in self.layers:
            x = layer._outputs(x)
        return x  # type: ignore[return-value]  # there is at least one layer

    def _columns(self) -> Iterator[Column]:
        for i, layer in enumerate(self.layers):  # a search would visit every weight
            for _, *column in layer._columns():
                yield (f"layers.{i}", *column)

    def __repr__(self) -> str:
        sizes, bias = [layer.nout for layer in self.layers], self.layers[0].neurons[0].bias
        return f"MLP({self.nin}, {sizes}, {self.activation!r}{format_bias(bias)})"


def check_sizes(nin: int, nouts: Iterable[int]) -> list[int]:
    """Return the sizes of an MLP from its input to its output.

    Raises TypeError if `nouts` is not a sequence and ValueError for an invalid size or none.
    """
    if not isinstance(nouts, Iterable):
        raise TypeError(f"MLP expects a list of layer sizes, got {nouts!r}; write [{nouts!r}]")
    nouts = list(check_sequence(nouts, "MLP expects a list of layer sizes"))
    if not nouts:
        raise ValueError("MLP expects at least one layer size, got []")
    return [
        check_whole("the number of inputs", nin),
        *[check_whole("the number of outputs", n) for n in nouts],
    ]


def convert_sample(model: Any, x: Sample) -> tuple[Value, ...]:
    """Return the inputs of one sample as nodes; numbers become constants.

    Raises ValueError if the model has another number of inputs, and TypeError for several samples.
    """
    is_single = not hasattr(x, "__iter__") or getattr(x, "ndim", 1) == 0
    name = type(model).__name__
    try:
        xs = as_nodes((x,) if is_single else x)  # type: ignore[arg-type]
    except TypeError as problem:
        if is_array(x):
            remedy = "take its .data, or .to_vector() of the model"
            raise TypeError(f"{name} expects numbers or Values, got an Array; {remedy}") from None
        if getattr(x, "ndim", 1) > 1 or (isinstance(x, list | tuple) and contains_lists(x)):
            samples: Any = x
            of = f"shape {x.shape}" if hasattr(x, "shape") else format_count(len(samples), "sample")
            raise TypeError(
                f"{name} expects the numbers of one sample, got {describe_type(x)} of {of}; "
                "write [model(x) for x in X]"
            ) from None
        raise TypeError(f"{name} expects numbers or Values: {problem}") from None
    if len(xs) != model.nin:
        inputs = format_count(model.nin, "input")
        raise ValueError(f"{name} expects {inputs}, got {len(xs)}")
    return xs


def contains_lists(xs: Sequence[object]) -> bool:
    return any(isinstance(x, (list, tuple, numpy_type("ndarray"))) for x in xs)


def activate(layer: Neuron | Layer, neurons: list[Neuron], x: Sequence[Value]) -> list[Value]:
    """Return the outputs of neurons, with the activation and the `fused` setting of `layer`."""
    if layer.fused:
        rows, biases = [n.weights for n in neurons], [n.bias for n in neurons]
        if (weights := WEIGHTS.get(layer)) is None or not weights.are(rows, biases):
            WEIGHTS[layer] = weights = Weights(rows, biases)
        zs = linear(weights, x)
    else:  # the products and sums of `dot`, in its order
        terms = [[] if n.bias is None else [n.bias] for n in neurons]
        zs = [
            reduce(add, chain(t, map(mul, n.weights, x)))
            for t, n in zip(terms, neurons, strict=True)
        ]
    if layer.activation == "linear":
        return zs
    row = ELEMENTWISE[layer.activation]
    return apply_row(row, zs) if row.arity == 1 else [row(z) for z in zs]


def list_biases(neurons: Iterable[Neuron]) -> list[Value]:
    """Return the bias of each neuron, or a constant 0."""
    return [Constant(0.0) if neuron.bias is None else neuron.bias for neuron in neurons]


def format_bias(bias: object) -> str:
    """Return the argument `bias` for a repr, if it is False."""
    return ", bias=False" if bias is None else ""


NO_ACTIVATIONS = {FLOOR, CEIL, ROUND, *SLOPES_OF_OTHERS}  # below a slope of 0 nothing would learn


def is_activation(op: Op) -> bool:
    """Return whether a row has one input and is finite for every number: tanh, but not log."""
    if op in NO_ACTIVATIONS:
        return False
    letters = inspect.signature(op.forward).parameters.values()
    if sum(letter.default is letter.empty for letter in letters) != 1:
        return False
    return all(isfinite(op.forward(x)) for x in (-2.0, 0.0, 2.0))


ACTIVATIONS = ["linear", *[name for name, op in ELEMENTWISE.items() if is_activation(op)]]


def check_activation(name: str) -> str:
    """Return the name of an activation. Raises ValueError for an unknown name."""
    return look_up("activation", dict(zip(ACTIVATIONS, ACTIVATIONS, strict=True)), name)


# Loaded on first use: they import this module.
LAZY = {"scalar_modules": MODULES, "transformer.scalar": TRANSFORMERS}
__getattr__ = attributes(globals(), LAZY, {})


def __dir__() -> list[str]:
    return __all__
