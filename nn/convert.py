"""Conversion of networks between scalars and arrays: the same layers with the same numbers."""

from typing import TYPE_CHECKING, overload

from nn import scalar, vector

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


@overload
def to_vector(model: scalar.Layer, dtype: "DTypeLike" = "float64") -> vector.Dense: ...
@overload
def to_vector(model: scalar.MLP, dtype: "DTypeLike" = "float64") -> vector.MLP: ...
def to_vector(
    model: scalar.Layer | scalar.MLP, dtype: "DTypeLike" = "float64"
) -> vector.Dense | vector.MLP:
    """Return an `nn.Layer` as an `nn.vector.Dense`, or an `nn.MLP` as an `nn.vector.MLP`.

    The weights are copied and rounded to `dtype`. Raises TypeError for any other model.

    >>> from nn import MLP
    >>> mlp = MLP(2, [3, 1], rng=0)
    >>> to_vector(mlp)([[1.0, 2.0]]).item() == mlp([1.0, 2.0]).data
    True
    """
    if isinstance(model, scalar.MLP):
        sizes = [layer.nout for layer in model.layers]
        mlp = vector.MLP(model.nin, sizes, model.activation, init="zeros", dtype=dtype)
        mlp.layers = [to_vector(layer, dtype) for layer in model.layers]
        return mlp
    if not isinstance(model, scalar.Layer):
        raise TypeError(f"expected an nn.MLP or nn.Layer to convert to Arrays, got {model!r}")
    dense = vector.Dense(model.nin, model.nout, model.activation, init="zeros", dtype=dtype)
    weights = [w for neuron in model.neurons for w in neuron.weights]
    for array, values in [
        (dense.weight, weights), (dense.bias, [neuron.bias for neuron in model.neurons]),
    ]:  # fmt: skip
        frozen = sum(value.constant for value in values)
        if 0 < frozen < len(values):
            raise ValueError(
                f"{frozen} of {len(values)} {array.label} of {model!r} are frozen, but an Array is "
                "frozen as a whole; call unfreeze()"
            )
        array.requires_grad = not frozen
    dense.weight.data = [[w.data for w in neuron.weights] for neuron in model.neurons]
    dense.bias.data = [neuron.bias.data for neuron in model.neurons]
    return dense


@overload
def to_scalar(model: vector.Dense) -> scalar.Layer: ...
@overload
def to_scalar(model: vector.MLP) -> scalar.MLP: ...
def to_scalar(model: vector.Dense | vector.MLP) -> scalar.Layer | scalar.MLP:
    """Return an `nn.vector.Dense` as an `nn.Layer`, or an `nn.vector.MLP` as an `nn.MLP`.

    The weights are copied exactly; dropout is left out. Each weight becomes a node of some
    300 bytes: 60 MB for 784-256-10. Raises TypeError for any other model.

    >>> from nn.vector import MLP
    >>> to_scalar(MLP(2, [3, 1]))
    MLP(2, [3, 1], 'relu')
    """
    if isinstance(model, vector.MLP):
        sizes = [layer.nout for layer in model.layers]
        mlp = scalar.MLP(model.nin, sizes, model.activation, init="zeros")
        mlp.layers = [to_scalar(layer) for layer in model.layers]
        return mlp
    if not isinstance(model, vector.Dense):
        raise TypeError(f"expected an nn.vector.MLP or Dense to convert to Values, got {model!r}")
    rows = model.weight.data.tolist()
    layer = scalar.Layer(model.nin, model.nout, model.activation, init=lambda *_: rows)
    for neuron, bias in zip(layer.neurons, model.bias.data.tolist(), strict=True):
        neuron.bias.data = bias
        neuron.bias.requires_grad = model.bias.requires_grad
        for weight in neuron.weights:
            weight.requires_grad = model.weight.requires_grad
    return layer
