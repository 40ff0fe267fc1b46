"""A network moved between scalars and arrays: the same layers with the same numbers."""

from typing import Any


def to_vector(model: Any, dtype: Any = "float64") -> Any:
    """An `nn.Layer` as an `nn.vector.Dense`, an `nn.MLP` as an `nn.vector.MLP`; data is copied.

    >>> from nn import MLP
    >>> mlp = MLP(2, [3, 1], rng=0)
    >>> to_vector(mlp)([[1.0, 2.0]]).item() == mlp([1.0, 2.0]).data
    True
    """
    from nn import vector

    if hasattr(model, "layers"):
        sizes = [layer.nout for layer in model.layers]
        moved: Any = vector.MLP(model.nin, sizes, model.activation, init="zeros", dtype=dtype)
        moved.layers = [to_vector(layer, dtype) for layer in model.layers]
        return moved
    if not hasattr(model, "neurons"):
        raise TypeError(f"an nn.MLP or nn.Layer becomes Arrays, got {model!r}")
    dense = vector.Dense(model.nin, model.nout, model.activation, init="zeros", dtype=dtype)
    dense.weight.data = [[w.data for w in neuron.weights] for neuron in model.neurons]
    dense.bias.data = [neuron.bias.data for neuron in model.neurons]
    return dense


def to_scalar(model: Any) -> Any:
    """An `nn.vector.Dense` as an `nn.Layer`, an `nn.vector.MLP` as an `nn.MLP`; data is copied.

    A node for each weight: some 300 bytes, so 60 MB for 784-256-10.
    """
    from nn import scalar

    if hasattr(model, "layers"):
        for layer in model.layers:
            if not (hasattr(layer, "weight") or hasattr(layer, "neurons")):
                raise TypeError(f"no layer of Values does what {layer!r} does; leave it out")
        sizes = [layer.nout for layer in model.layers]
        moved: Any = scalar.MLP(model.nin, sizes, model.activation, init="zeros")
        moved.layers = [to_scalar(layer) for layer in model.layers]
        return moved
    if not hasattr(model, "weight"):
        raise TypeError(f"an nn.vector.MLP or Dense becomes scalars, got {model!r}")
    weights = model.weight.data.tolist()
    layer = scalar.Layer(model.nin, model.nout, model.activation, init=lambda *_: weights)
    for neuron, bias in zip(layer.neurons, model.bias.data.tolist(), strict=True):
        neuron.bias.data = bias
    return layer
