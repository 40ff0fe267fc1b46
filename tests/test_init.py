"""Initializers: their distributions against the papers, by statistics with fixed seeds."""

from math import sqrt

import numpy as np
import pytest

from nn import init
from nn.init import INITS

SIZES = [(1, 400), (3, 700), (700, 3), (64, 64)]
DRAWS = 200_000  # at least so many numbers to judge a distribution by

# The variance for (fan_in, fan_out), by the papers; whether the shape is a normal distribution's.
# fmt: off
PAPERS = {
    "uniform":        (lambda i, o: 1 / 3,        False),
    "normal":         (lambda i, o: 1.0,          True),
    "xavier_uniform": (lambda i, o: 2 / (i + o),  False),
    "xavier_normal":  (lambda i, o: 2 / (i + o),  True),
    "he_uniform":     (lambda i, o: 2 / i,        False),
    "he_normal":      (lambda i, o: 2 / i,        True),
}
# fmt: on


def test_every_init_has_a_reference():
    assert set(PAPERS) | {"zeros"} == set(INITS)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("name", PAPERS)
def test_mean_variance_and_shape(name, sizes):
    """Each statistic is within 5 of its own standard deviations."""
    variance, normal = PAPERS[name][0](*sizes), PAPERS[name][1]
    rng = np.random.default_rng(20)
    times = -(-DRAWS // (sizes[0] * sizes[1]))
    x = np.concatenate([INITS[name](*sizes, rng).ravel() for _ in range(times)]) / sqrt(variance)
    kurtosis = 3.0 if normal else 9 / 5
    assert abs(x.mean()) < 5 * sqrt(1 / x.size)
    assert abs((x * x).mean() - 1) < 5 * sqrt((kurtosis - 1) / x.size)
    # Of a normal distribution, 8.3 % lie beyond the ends of the uniform one, which are at √3.
    beyond = 0.0832645 if normal else 0.0
    assert abs((abs(x) > sqrt(3)).mean() - beyond) <= 5 * sqrt(beyond * (1 - beyond) / x.size)


@pytest.mark.parametrize("f", INITS.values(), ids=INITS)
def test_shape_is_outputs_by_inputs_and_the_seed_decides(f):
    a, b = f(3, 5, 1), f(3, 5, np.random.default_rng(1))
    assert a.shape == (5, 3)
    assert a.dtype == np.float64
    np.testing.assert_array_equal(a, b)
    if f is not init.zeros:
        assert np.unique(a).size == 15
        rng = np.random.default_rng(1)
        assert not np.any(f(3, 5, rng) == f(3, 5, rng)), "a generator moves on"
        assert not np.any(f(3, 5) == f(3, 5)), "no seed: different every time"


def test_zeros_are_zero():
    assert not np.any(init.zeros(3, 5))


def test_weights_takes_a_name_or_a_function():
    np.testing.assert_array_equal(init.make_weights("he_normal", 3, 2, 0), init.he_normal(3, 2, 0))
    assert init.make_weights(lambda i, o, rng: [[i, o]], 2, 1).tolist() == [[2, 1]]
    assert init.get(init.zeros) is init.zeros


def test_generator_passes_a_generator_on():
    rng = np.random.default_rng(0)
    assert init.generator(rng) is rng
    assert init.generator(np.int64(3)).random() == init.generator(3).random()
    assert init.generator().random() != init.generator().random()


def narrow(fan_in, fan_out, rng):
    return np.zeros((fan_in, fan_out))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: init.get("he"),
            ValueError,
            "unknown init 'he' (did you mean 'he_normal'?); choose from: zeros, uniform, normal, xavier_uniform, "
            "xavier_normal, he_uniform, he_normal",
        ),
        (
            lambda: init.make_weights("zeros", 0, 3),
            ValueError,
            "the number of inputs must be a whole number, 1 or more, got 0",
        ),
        (
            lambda: init.make_weights("zeros", 2, -1),
            ValueError,
            "the number of outputs must be a whole number, 1 or more, got -1",
        ),
        (
            lambda: init.make_weights(narrow, 2, 3),
            ValueError,
            "init 'narrow' returned weights of shape (2, 3); "
            "a layer of 2 inputs and 3 outputs expects (3, 2)",
        ),
        (
            lambda: init.generator("0"),
            TypeError,
            "rng expects a seed (an int), a NumPy Generator or None, got '0'",
        ),
    ],
)
def test_errors_name_the_thing_the_value_and_the_remedy(call, error, message):
    with pytest.raises(error) as raised:
        call()
    assert str(raised.value) == message
