"""Conversion of networks between scalars and arrays: the same layers with the same numbers."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from engine.rules import flatten
from nn import scalar, scalar_modules, vector
from nn.module import Module
from nn.transformer import scalar as of_values
from nn.transformer import vector as of_arrays

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

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


def list_parameters(values: Any, arrays: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each Array of a layer, with the Values of its elements in its counterpart.

    The Values are a list, or a list of rows. Parts of a layer are not included.
    """
    if isinstance(values, scalar.Layer):
        yield arrays.weight, [neuron.weights for neuron in values.neurons]
        if arrays.bias is not None:
            yield arrays.bias, [neuron.bias for neuron in values.neurons]
    elif isinstance(values, of_values.Attention):
        for name in ("query", "key", "value"):
            dense, layers = getattr(arrays, name), [getattr(x, name) for x in values.heads]
            neurons = [neuron for layer in layers for neuron in layer.neurons]
            yield dense.weight, [neuron.weights for neuron in neurons]
            if dense.bias is not None:
                yield dense.bias, [neuron.bias for neuron in neurons]
    elif isinstance(values, WITH_ROWS):
        for name in ("weight", "gain", "gamma", "beta", "running_mean", "running_variance"):
            if getattr(arrays, name, None) is not None:
                yield getattr(arrays, name), getattr(values, name)


def convert(model: Any, pair: Pair, kind: type[Any], move: Callable[[Any], Any], how: Any) -> Any:
    """Return a model of another kind with the same settings, and with its parts converted."""
    sizes, settings = pair.arguments(model)
    other = kind(*sizes, **settings, **how)
    for name in pair.parts:
        part = getattr(model, name)
        if not pair.has_dtype:  # modules of the user's choice
            check_untied(part)
        setattr(other, name, convert_list(part, move) if isinstance(part, list) else move(part))
    other.training = model.training
    return other


def check_untied(modules: list[Any]) -> None:
    """Raise ValueError if different modules share a parameter, whose copies could differ later."""
    owners: dict[Any, Any] = {}
    for module in {id(x): x for x in modules if isinstance(x, Module)}.values():
        for path, parameter in module.named_state().items():
            if owners.setdefault(parameter, module) is not module:
                raise ValueError(
                    f"{module!r} and {owners[parameter]!r} share the parameter {path!r}, which "
                    "would have two copies; apply one layer twice, or copy the parameter"
                )


def convert_list(modules: list[Any], move: Callable[[Any], Any]) -> list[Any]:
    """Return the modules of a list converted, each of them once, without dropout."""
    distinct = {id(x): x for x in modules if not isinstance(x, vector.Dropout)}
    moved = {key: move(x) for key, x in distinct.items()}
    converted = [moved[id(x)] for x in modules if id(x) in moved]
    return converted or [scalar_modules.Activation("linear")]


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

    The weights are copied and rounded to `dtype`. Raises TypeError for any other model, and
    ValueError if a part of the numbers of an Array is frozen.

    >>> from nn import MLP
    >>> mlp = MLP(2, [3, 1], rng=0)
    >>> to_vector(mlp)([[1.0, 2.0]]).item() == mlp([1.0, 2.0]).data
    True
    """
    pair = next((pair for pair in PAIRS if isinstance(model, pair.scalar)), None)
    if pair is None:
        raise TypeError(
            f"expected an nn.MLP, nn.Layer, GPT, ... to convert to Arrays, got {model!r}"
        )
    how = {"dtype": dtype} if pair.has_dtype else {}
    other = convert(model, pair, pair.vector, lambda x: to_vector(x, dtype), how)
    for array, rows in list_parameters(model, other):
        values = [*flatten(rows)]
        frozen = sum(value.constant for value in values)
        if 0 < frozen < len(values):
            raise ValueError(
                f"{frozen} of {len(values)} {array.label} of {model!r} are frozen, but an Array is "
                "frozen as a whole; call unfreeze()"
            )
        array.requires_grad = not frozen
        array.data = array.data.dtype.type([x.data for x in values]).reshape(array.shape)
    return other


@overload
def to_scalar(model: vector.Dense) -> scalar.Layer: ...
@overload
def to_scalar(model: vector.MLP) -> scalar.MLP: ...
@overload
def to_scalar(model: Module) -> Any: ...
def to_scalar(model: Any) -> Any:
    """Return a layer or a network of `nn.vector` as that of `nn.scalar`, a `Dense` as a `Layer`.

    The weights are copied exactly; dropout is left out. Each weight becomes a node of some
    300 bytes: 60 MB for 784-256-10. Raises TypeError for any other model.

    >>> from nn.vector import MLP
    >>> to_scalar(MLP(2, [3, 1]))
    MLP(2, [3, 1], 'relu')
    """
    pair = next((pair for pair in PAIRS if isinstance(model, pair.vector)), None)
    if pair is None:
        raise TypeError(
            f"expected an nn.vector.MLP, Dense, GPT, ... to convert to Values, got {model!r}"
        )
    other = convert(model, pair, pair.scalar, to_scalar, {})
    for array, rows in list_parameters(other, model):
        for value, number in zip(flatten(rows), array.data.ravel().tolist(), strict=True):
            value.data = number
            value.requires_grad = array.requires_grad
    return other
