"""First weights: small, random, and scaled so that signals neither fade nor grow (chapter 02, 8.3).

Each function takes `(fan_in, fan_out, rng)`, the sizes of a layer and its source of randomness, and
returns weights of shape `(fan_out, fan_in)`. Biases begin at zero. Layers choose by name
(`init="xavier_uniform"`) or take a function of this kind. Weights are arrays, or lists where NumPy
is not installed; they then differ for the same seed.
"""

from collections.abc import Callable
from math import sqrt
from typing import Any

from engine.support.arguments import is_bool_or_duration, numpy_type
from engine.support.lazy import numpy_if_installed
from nn import plain
from nn.arguments import finite, lookup, whole

Init = Callable[[int, int, Any], Any]


def zeros(fan_in: int, fan_out: int, rng: Any = None) -> Any:
    """0 everywhere: neurons of one layer would stay equal for ever, so not for hidden layers.

    >>> zeros(2, 1)
    array([[0., 0.]])
    """
    return (numpy_if_installed() or plain).zeros(shape(fan_in, fan_out))


def uniform(
    fan_in: int, fan_out: int, rng: Any = None, low: float = -1.0, high: float = 1.0
) -> Any:
    """U(low, high), whatever the sizes; U(-1, 1) is what micrograd does.

    >>> uniform(3, 2, rng=0).shape
    (2, 3)
    """
    low, high = finite("low", low), finite("high", high)
    if low > high:
        raise ValueError(f"low={low} is above high={high}; exchange them")
    return generator(rng).uniform(low, high, shape(fan_in, fan_out))


def xavier_uniform(fan_in: int, fan_out: int, rng: Any = None) -> Any:
    """U(-a, a), a = √(6 / (fan_in + fan_out)): for tanh and sigmoid (Glorot & Bengio 2010, 16).

    Its variance 2 / (fan_in + fan_out) is between 1 / fan_in, which keeps the size of signals on
    the way forward, and 1 / fan_out, which keeps that of gradients on the way back.

    >>> bool(abs(xavier_uniform(3, 3, rng=0)).max() < 1.0)  # √(6 / 6)
    True
    """
    a = sqrt(6.0 / sum(shape(fan_in, fan_out)))
    return uniform(fan_in, fan_out, rng, -a, a)


def xavier_normal(fan_in: int, fan_out: int, rng: Any = None) -> Any:
    """N(0, 2 / (fan_in + fan_out)): for tanh and sigmoid (Glorot & Bengio 2010, 12).

    >>> round(float(xavier_normal(200, 200, rng=0).std()), 2)  # √(2 / 400)
    0.07
    """
    sizes = shape(fan_in, fan_out)
    return generator(rng).normal(0.0, sqrt(2.0 / sum(sizes)), sizes)


def he_uniform(fan_in: int, fan_out: int, rng: Any = None) -> Any:
    """U(-a, a), a = √(6 / fan_in): the variance of `he_normal`, with no far outliers.

    >>> bool(abs(he_uniform(6, 50, rng=0)).max() < 1.0)  # √(6 / 6)
    True
    """
    a = sqrt(6.0 / shape(fan_in, fan_out)[1])
    return uniform(fan_in, fan_out, rng, -a, a)


def he_normal(fan_in: int, fan_out: int, rng: Any = None) -> Any:
    """N(0, 2 / fan_in): for relu, which halves the second moment of a signal (He et al. 2015, 10).

    >>> bool(abs(he_normal(784, 128, rng=0).std() - (2 / 784) ** 0.5) < 0.001)
    True
    """
    sizes = shape(fan_in, fan_out)
    return generator(rng).normal(0.0, sqrt(2.0 / sizes[1]), sizes)


def shape(fan_in: Any, fan_out: Any) -> tuple[int, int]:
    """That of a layer's weights; ValueError unless both sizes are whole numbers above 0.

    >>> shape(3, 2)
    (2, 3)
    """
    fan_in, fan_out = whole("the number of inputs", fan_in), whole("the number of outputs", fan_out)
    return fan_out, fan_in


INITS: dict[str, Init] = {
    f.__name__: f for f in (zeros, uniform, xavier_uniform, xavier_normal, he_uniform, he_normal)
}


def named(init: str | Init) -> Init:
    """The function of that name, or the function itself; ValueError for an unknown name.

    >>> named("zeros") is zeros
    True
    """
    return init if callable(init) else lookup("init", INITS, init)


def weights(init: str | Init, fan_in: int, fan_out: int, rng: Any = None) -> Any:
    """What `init` makes for a layer of these sizes: shape `(fan_out, fan_in)`, or ValueError.

    >>> weights("zeros", 3, 2)
    array([[0., 0., 0.],
           [0., 0., 0.]])
    """
    sizes, name = shape(fan_in, fan_out), getattr(init, "__name__", init)
    try:
        made = named(init)(sizes[1], sizes[0], generator(rng))
        if numpy_if_installed():
            from engine.arrays.arguments import as_data

            made = as_data(made)
    except TypeError as problem:
        if "an Array" not in str(problem):
            raise
        raise TypeError(f"init {name!r} made no weights: {problem}") from None
    found = made.shape if numpy_if_installed() else plain.shape(made)
    if found != sizes:
        raise ValueError(
            f"init {name!r} made weights of shape {found}, "
            f"a layer of {fan_in} inputs and {fan_out} outputs takes {sizes}"
        )
    return made


def generator(rng: Any = None) -> Any:
    """Return `rng` if it is a Generator, else a new one from that seed; None is a random seed.

    It is a NumPy Generator. Where NumPy is not installed, the numbers are those of
    `random.Random`: the same seed then gives other weights and another order of samples.

    >>> generator(7).random() == generator(7).random()
    True
    """
    numpy = numpy_if_installed()
    kind = plain.Generator if numpy is None else numpy.random.Generator
    if isinstance(rng, kind):
        return rng
    if isinstance(rng, (int, numpy_type("integer"))) and not is_bool_or_duration(rng):
        if rng < 0:
            raise ValueError(f"rng takes a seed of 0 or more, got {rng}")
    elif rng is not None:
        raise TypeError(f"rng takes a seed (an int), a NumPy Generator or None, got {rng!r}")
    return plain.Generator(rng) if numpy is None else numpy.random.default_rng(rng)
