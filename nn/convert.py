"""Conversion of networks between scalars and arrays: the same layers with the same numbers."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from engine.value import Value
from nn import scalar, scalar_modules, vector
from nn.module import Module
from nn.transformer import scalar as of_values
from nn.transformer import vector as of_arrays

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from engine.arrays.array import Array

ZEROS: dict[str, Any] = {"init": "zeros"}


class Pair(NamedTuple):
    """A kind of layers of Values, and its counterpart of Arrays.

    arguments  a function of either layer, which returns the sizes and the settings of another one
    parts      the names of the modules in it, or of lists of modules
    has_dtype  whether the layer of Arrays has a dtype of its own
    """

    scalar: type[Any]
    vector: type[Any]
    arguments: Callable[[Any], tuple[tuple[Any, ...], dict[str, Any]]]
    parts: tuple[str, ...] = ()
    has_dtype: bool = True


def settings_of_layer(layer: Any) -> dict[str, Any]:
    bias = layer.neurons[0].bias if isinstance(layer, scalar.Layer) else layer.bias
    return {**ZEROS, "bias": bias is not None}


def settings_of_block(block: Any) -> dict[str, Any]:
    bias, activation = block.attention.bias, block.mlp.activation
    return {**ZEROS, "bias": bias, "activation": activation, "norm": block.norm}


def settings_of_batch_norm(layer: Any) -> dict[str, Any]:
    return {"momentum": layer.momentum, "eps": layer.eps}


def sizes_of_attention(layer: Any) -> tuple[int, int]:
    return layer.width, layer.heads if isinstance(layer.heads, int) else len(layer.heads)


PAIRS = [
    Pair(
        scalar.Layer, vector.Dense,
        lambda x: ((x.nin, x.nout, x.activation), settings_of_layer(x)),
    ),
    Pair(
        scalar.MLP, vector.MLP,
        lambda x: (
            (x.nin, [layer.nout for layer in x.layers], x.activation),
            settings_of_layer(x.layers[0]),
        ),
        ("layers",),
    ),
    Pair(scalar_modules.Activation, vector.Activation, lambda x: ((x.name,), {}), (), False),
    Pair(scalar_modules.BatchNorm, vector.BatchNorm, lambda x: ((x.n,), settings_of_batch_norm(x))),
    Pair(  # before Sequential, its base
        scalar_modules.Residual, vector.Residual, lambda x: (x.modules, {}), ("modules",), False
    ),
    Pair(
        scalar_modules.Sequential, vector.Sequential, lambda x: (x.modules, {}), ("modules",), False
    ),
    Pair(of_values.Embedding, vector.Embedding, lambda x: ((x.rows, x.width), ZEROS)),
    Pair(
        of_values.RMSNorm, of_arrays.RMSNorm,
        lambda x: ((x.n,), {"eps": x.eps, "gain": x.gain is not None}),
    ),
    Pair(of_values.LayerNorm, vector.LayerNorm, lambda x: ((x.n,), {"eps": x.eps})),
    Pair(
        of_values.Attention, of_arrays.Attention,
        lambda x: (sizes_of_attention(x), {**ZEROS, "causal": x.causal, "bias": x.bias}),
        ("output",),
    ),
    Pair(
        of_values.Transformer, of_arrays.Transformer,
        lambda x: (
            sizes_of_attention(x.attention),
            {**settings_of_block(x), "causal": x.attention.causal},
        ),
        ("attention_norm", "attention", "mlp_norm", "mlp"),
    ),
    Pair(
        of_values.GPT, of_arrays.GPT,
        lambda x: (
            (
                x.vocabulary, *sizes_of_attention(x.blocks[0].attention), len(x.blocks),
                x.positions,
            ),
            settings_of_block(x.blocks[0]),
        ),
        ("token_embedding", "position_embedding", "norm", "blocks", "head"),
    ),
]  # fmt: skip


WITH_ROWS = (  # layers that store their parameters alike, as lists of Values
    of_values.Embedding, of_values.RMSNorm, of_values.LayerNorm, scalar_modules.BatchNorm,
)  # fmt: skip


Place = tuple[Any, str]  # an object, and the name of its attribute


def list_parameters(values: Any, arrays: Any) -> Iterator[tuple[Place, list[Place]]]:
    """Yield the place of each Array of a layer, with the places of its elements as Values.

    An attribute of `values` is a Value, a sequence of Values or a list of rows. Parts of a layer
    are not included.
    """
    if isinstance(values, scalar.Layer):
        yield (arrays, "weight"), [(neuron, "weights") for neuron in values.neurons]
        if arrays.bias is not None:
            yield (arrays, "bias"), [(neuron, "bias") for neuron in values.neurons]
    elif isinstance(values, of_values.Attention):
        for name in ("query", "key", "value"):
            dense, layers = getattr(arrays, name), [getattr(x, name) for x in values.heads]
            neurons = [neuron for layer in layers for neuron in layer.neurons]
            yield (dense, "weight"), [(neuron, "weights") for neuron in neurons]
            if dense.bias is not None:
                yield (dense, "bias"), [(neuron, "bias") for neuron in neurons]
    elif isinstance(values, WITH_ROWS):
        for name in ("weight", "gain", "gamma", "beta", "running_mean", "running_variance"):
            if getattr(arrays, name, None) is not None:
                yield (arrays, name), [(values, name)]


class NetworkConversion:
    """A conversion of a network that keeps shared modules and parameters shared.

    source  "scalar" or "vector": the kind of the network
    target  the kind of the result
    how     the keyword arguments of all layers with a dtype
    """

    def __init__(self, source: str, target: str, how: dict[str, Any]):
        self.source, self.target, self.how = source, target, how
        self.moved: dict[int, Any] = {}  # the counterpart of each module, by its id
        self.elements: dict[Array, list[Value]] = {}  # the Values for the elements of each Array
        self.arrays: dict[Value, Array] = {}  # the Array of each Value

    def move(self, model: Any) -> Any:
        """Return the counterpart of a module. Raises TypeError if it has none."""
        if id(model) in self.moved:
            return self.moved[id(model)]
        pair = next((x for x in PAIRS if isinstance(model, getattr(x, self.source))), None)
        if pair is None:
            kinds = "nn.MLP, nn.Layer" if self.source == "scalar" else "nn.vector.MLP, Dense"
            nodes = "Arrays" if self.source == "scalar" else "Values"
            raise TypeError(f"expected an {kinds}, GPT, ... to convert to {nodes}, got {model!r}")
        sizes, settings = pair.arguments(model)
        how = self.how if pair.has_dtype else {}
        other = getattr(pair, self.target)(*sizes, **settings, **how)
        for name in pair.parts:
            part = getattr(model, name)
            move = self.move_list if isinstance(part, list) else self.move
            setattr(other, name, move(part))
        other.training = model.training
        values, arrays = (model, other) if self.source == "scalar" else (other, model)
        for array, places in list_parameters(values, arrays):
            if self.source == "scalar":
                self.fill_array(model, array, places)
            else:
                self.fill_values(getattr(*array), places)
        self.moved[id(model)] = other
        return other

    def move_list(self, modules: list[Any]) -> list[Any]:
        """Return the counterparts of modules, without dropout."""
        moved = [self.move(x) for x in modules if not isinstance(x, vector.Dropout)]
        return moved or [scalar_modules.Activation("linear")]

    def fill_values(self, array: "Array", places: list[Place]) -> None:
        """Copy an Array to the Values at some places; reuse its Values if it was copied before."""
        if array in self.elements:
            elements = iter(self.elements[array])
            for place in places:
                setattr(*place, replace_elements(getattr(*place), elements))
            return
        self.elements[array] = [*list_elements([getattr(*place) for place in places])]
        for value, number in zip(self.elements[array], array.data.ravel().tolist(), strict=True):
            value.data = number
            value.requires_grad = array.requires_grad

    def fill_array(self, model: Any, place: Place, places: list[Place]) -> None:
        """Copy the Values at some places to an Array; reuse it if they were copied before.

        Raises ValueError if only some Values are frozen, or if they belong to different Arrays.
        """
        values: list[Value] = [*list_elements([getattr(*x) for x in places])]
        array, before = getattr(*place), self.arrays.get(values[0])
        if before is not None and before.shape == array.shape and self.elements[before] == values:
            setattr(*place, before)
            return
        for value in values:
            if self.arrays.setdefault(value, array) is not array:
                raise ValueError(describe_tied(value, model))
        if len({*values}) < len(values):
            raise ValueError(describe_tied(max(values, key=values.count), model))
        self.elements[array] = values
        frozen = sum(value.constant for value in values)
        if 0 < frozen < len(values):
            raise ValueError(
                f"{frozen} of {len(values)} {array.label} of {model!r} are frozen, but an Array is "
                "frozen as a whole; call unfreeze()"
            )
        array.requires_grad = not frozen
        array.data = array.data.dtype.type([x.data for x in values]).reshape(array.shape)


def list_elements(x: Any) -> Iterator[Value]:
    """Yield a Value, or the Values in nested lists and tuples."""
    if isinstance(x, list | tuple):
        for part in x:
            yield from list_elements(part)
    else:
        yield x


def replace_elements(x: Any, elements: Iterator[Value]) -> Any:
    """Return the next element, or nested lists and tuples like `x` with the next elements."""
    if isinstance(x, list | tuple):
        return type(x)([replace_elements(part, elements) for part in x])
    return next(elements)


def describe_tied(value: Value, model: Any) -> str:
    return (
        f"{value!r} of {model!r} is a weight in several places, but only whole Arrays can be "
        "shared, and copies could differ later; assign each place a Value of its own"
    )


# fmt: off
@overload
def to_vector(model: scalar.Layer, dtype: "DTypeLike" = "float64") -> vector.Dense: ...
@overload
def to_vector(model: scalar.MLP, dtype: "DTypeLike" = "float64") -> vector.MLP: ...
@overload
def to_vector(model: Module, dtype: "DTypeLike" = "float64") -> Any: ...
# fmt: on
def to_vector(model: Any, dtype: "DTypeLike" = "float64") -> Any:
    """Return a layer or a network of `nn.scalar` as that of `nn.vector`, a `Layer` as a `Dense`.

    The weights are copied and rounded to `dtype`; layers that share all their weights or biases
    still do. Raises TypeError for any other model, and ValueError if only some elements of an Array
    are frozen or shared.

    >>> from nn import MLP
    >>> mlp = MLP(2, [3, 1], rng=0)
    >>> to_vector(mlp)([[1.0, 2.0]]).item() == mlp([1.0, 2.0]).data
    True
    """
    return NetworkConversion("scalar", "vector", {"dtype": dtype}).move(model)


@overload
def to_scalar(model: vector.Dense) -> scalar.Layer: ...
@overload
def to_scalar(model: vector.MLP) -> scalar.MLP: ...
@overload
def to_scalar(model: Module) -> Any: ...
def to_scalar(model: Any) -> Any:
    """Return a layer or a network of `nn.vector` as that of `nn.scalar`, a `Dense` as a `Layer`.

    The weights are copied exactly; layers that share an Array share its Values. Dropout is left
    out. Each weight becomes a node, so large networks need much memory. Raises TypeError for any
    other model.

    >>> from nn.vector import MLP
    >>> to_scalar(MLP(2, [3, 1]))
    MLP(2, [3, 1], 'relu')
    """
    return NetworkConversion("vector", "scalar", {}).move(model)
