"""Weight initializers: random weights, scaled so that signals keep their size through the layers.

An initializer takes `(fan_in, fan_out, rng)`, the numbers of inputs and outputs of a layer and a
seed or generator, and returns weights of shape `(fan_out, fan_in)`. Layers take the name of one, as
in `init="xavier_uniform"`, or any such function; `INITS` has all by name. Biases start at 0.

Weights are NumPy arrays, or lists if NumPy is not installed; the same seed then gives other
weights. Initializers raise ValueError for sizes that are not whole numbers above 0.
"""

from collections.abc import Callable
from math import sqrt
from typing import TYPE_CHECKING, Any, TypeAlias

from engine.support.arguments import is_bool_or_duration, numpy_type
from engine.support.lazy import numpy_if_installed
from nn import other_names, plain
from nn.arguments import check_finite, check_whole, check_within, format_count, look_up
from nn.keywords import answer_keywords

if TYPE_CHECKING:
    import numpy

__all__ = [
    "INITS", "generator", "get", "he_normal", "he_uniform", "normal", "uniform", "xavier_normal",
    "xavier_uniform", "zeros",
]  # fmt: skip

# A seed, a generator, or None for a random seed. The full name of NumPy can be resolved by tools in
# modules that do not import it.
Rng: TypeAlias = "int | numpy.random.Generator | None"
Matrix: TypeAlias = "numpy.ndarray | list[list[float]]"  # lists where NumPy is not installed
Init = Callable[[int, int, Any], Any]  # any sequence of sequences of numbers will do


@answer_keywords
def zeros(fan_in: int, fan_out: int, rng: Rng = None) -> Matrix:
    """Return weights of 0. Neurons of a hidden layer that start equal stay equal.

    >>> zeros(2, 1)
    array([[0., 0.]])
    """
    return (numpy_if_installed() or plain).zeros(weight_shape(fan_in, fan_out))


@answer_keywords
def uniform(
    fan_in: int, fan_out: int, rng: Rng = None, low: float = -1.0, high: float = 1.0
) -> Matrix:
    """Return weights from U(low, high), by default U(-1, 1) as in micrograd.

    Raises ValueError if `low` or `high` is not finite, or if `low` is above `high`.

    >>> uniform(3, 2, rng=0).shape
    (2, 3)
    """
    low, high = check_finite("low", low), check_finite("high", high)
    if low > high:
        raise ValueError(f"low={low} is above high={high}; swap them")
    return generator(rng).uniform(low, high, weight_shape(fan_in, fan_out))


@answer_keywords
def normal(fan_in: int, fan_out: int, rng: Rng = None, std: float = 1.0) -> Matrix:
    """Return weights from N(0, std²), by default N(0, 1) as in PyTorch's embeddings.

    Raises ValueError unless `std` is 0 or more.

    >>> normal(3, 2, rng=0).shape
    (2, 3)
    """
    std = check_within("std", std)
    return generator(rng).normal(0.0, std, weight_shape(fan_in, fan_out))


@answer_keywords
def xavier_uniform(fan_in: int, fan_out: int, rng: Rng = None) -> Matrix:
    """Return weights from U(-a, a), a = √(6 / (fan_in + fan_out)), for tanh and sigmoid.

    The variance 2 / (fan_in + fan_out) is a compromise between 1 / fan_in, which keeps the variance
    of signals in the forward pass, and 1 / fan_out, which keeps that of gradients in the backward
    pass (Glorot & Bengio 2010, equation 16).

    >>> bool(abs(xavier_uniform(3, 3, rng=0)).max() < 1.0)  # √(6 / 6)
    True
    """
    a = sqrt(6.0 / sum(weight_shape(fan_in, fan_out)))
    return uniform(fan_in, fan_out, rng, -a, a)


@answer_keywords
def xavier_normal(fan_in: int, fan_out: int, rng: Rng = None) -> Matrix:
    """Return weights from N(0, 2 / (fan_in + fan_out)), for tanh and sigmoid.

    The second parameter is the variance (Glorot & Bengio 2010, equation 12).

    >>> round(float(xavier_normal(200, 200, rng=0).std()), 2)  # √(2 / 400)
    0.07
    """
    shape = weight_shape(fan_in, fan_out)
    return generator(rng).normal(0.0, sqrt(2.0 / sum(shape)), shape)


@answer_keywords
def he_uniform(fan_in: int, fan_out: int, rng: Rng = None) -> Matrix:
    """Return weights from U(-a, a), a = √(6 / fan_in): the variance of `he_normal`, but bounded.

    >>> bool(abs(he_uniform(6, 50, rng=0)).max() < 1.0)  # √(6 / 6)
    True
    """
    a = sqrt(6.0 / weight_shape(fan_in, fan_out)[1])
    return uniform(fan_in, fan_out, rng, -a, a)


@answer_keywords
def he_normal(fan_in: int, fan_out: int, rng: Rng = None) -> Matrix:
    """Return weights from N(0, 2 / fan_in), for relu.

    The variance makes up for relu, which halves the second moment of a signal (He et al. 2015,
    equation 10).

    >>> bool(abs(he_normal(784, 128, rng=0).std() - (2 / 784) ** 0.5) < 0.001)
    True
    """
    shape = weight_shape(fan_in, fan_out)
    return generator(rng).normal(0.0, sqrt(2.0 / shape[1]), shape)


INITS: dict[str, Init] = {
    f.__name__: f
    for f in (zeros, uniform, normal, xavier_uniform, xavier_normal, he_uniform, he_normal)
}


def get(init: str | Init) -> Init:
    """Return the initializer with that name; a function is returned unchanged.

    Raises ValueError for an unknown name.

    >>> get("zeros") is zeros
    True
    """
    return init if callable(init) else look_up("init", INITS, init)


def make_weights(init: str | Init, fan_in: int, fan_out: int, rng: Rng = None) -> Any:
    """Return weights of shape `(fan_out, fan_in)` from an initializer, given itself or by name.

    Raises ValueError if the initializer returns another shape, and TypeError if it returns no
    numbers.

    >>> make_weights("zeros", 3, 2)
    array([[0., 0., 0.],
           [0., 0., 0.]])
    """
    shape, name = weight_shape(fan_in, fan_out), getattr(init, "__name__", init)
    weights = get(init)(shape[1], shape[0], generator(rng))
    if numpy_if_installed():
        from engine.arrays.arguments import as_data

        try:
            weights = as_data(weights)
        except TypeError as problem:
            raise TypeError(f"init {name!r} returned no weights: {problem}") from None
    actual = weights.shape if numpy_if_installed() else plain.shape(weights)
    if actual != shape:
        raise ValueError(
            f"init {name!r} returned weights of shape {actual}; "
            f"a layer of {format_count(fan_in, 'input')} and {format_count(fan_out, 'output')} "
            f"expects {shape}"
        )
    return weights


def weight_shape(fan_in: int, fan_out: int) -> tuple[int, int]:
    """Return the shape of a layer's weights. Raises ValueError unless both sizes are above 0.

    >>> weight_shape(3, 2)
    (2, 3)
    """
    fan_in, fan_out = (
        check_whole("the number of inputs", fan_in),
        check_whole("the number of outputs", fan_out),
    )
    return fan_out, fan_in


def generator(rng: Rng = None) -> Any:
    """Return a NumPy Generator: `rng` itself, or a new one with that seed.

    Raises ValueError for a negative seed and TypeError for any other argument. If NumPy is not
    installed, the generator is a stand-in based on `random.Random`, with other numbers.

    >>> generator(7).random() == generator(7).random()
    True
    """
    numpy = numpy_if_installed()
    kind = plain.Generator if numpy is None else numpy.random.Generator
    if isinstance(rng, kind):
        return rng
    if isinstance(rng, (int, numpy_type("integer"))) and not is_bool_or_duration(rng):
        if rng < 0:
            raise ValueError(f"rng expects a seed of 0 or more, got {rng}")
    elif rng is not None:
        raise TypeError(f"rng expects a seed (an int), a NumPy Generator or None, got {rng!r}")
    return plain.Generator(rng) if numpy is None else numpy.random.default_rng(rng)


__getattr__ = other_names.answer_names(__name__, other_names.INITS)


def __dir__() -> list[str]:
    return __all__
