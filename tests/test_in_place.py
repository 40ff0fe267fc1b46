"""Recorded functions on arrays in place, in blocks and threads: the bits of the function."""

import math

import numpy as np
import pytest

from engine import arithmetic
from engine.arithmetic import sqrt, where
from engine.arrays import in_place
from engine.arrays.in_place import InPlace
from engine.recorded_function import record_function

FUNCTIONS = {
    "swapped": (lambda a, b, c, k: (b, a, c + k), [1, 0, None]),
    "shifted": (lambda a, b, c, k: (a * k, b, b - c), [None, 2, 1]),
    "twice the same": (lambda a, b, c, k: (a + b, a + b, a + b), [None, 1, 2]),
    "a number": (lambda a, b, c, k: (k * 2.0, 3.0, a), [None, 1, 2]),
    "of numbers": (lambda a, b, c, k: ((1.0 - k * k) * (1.0 - k) * a + sqrt(k) / 3.0 * b, b, c), [None, 1, 2]),
    "needed later": (lambda a, b, c, k: ((b + c) * b - (b + c) / c, b + c, c * b), [None, 1, 2]),
    "unused": (lambda a, b, c, k: (a, a * a, a + 1.0), [None, 1, 2]),
    "unchanged": (lambda a, b, c, k: (b * b + c, b, c), [None, 1, 2]),
    "choosing": (lambda a, b, c, k: (where(b > c, b, k), where(b >= c, c, b), abs(-c)), [None, 1, 2]),
    "and, or": (lambda a, b, c, k: (where((a < b) & (b < c) | (a == c), a, b), b, k - c), [None, 1, 2]),
    "functions": (lambda a, b, c, k: (arithmetic.tanh(a), arithmetic.erf(b), arithmetic.hypot(b, c)), [None, 1, 2]),
    "several new": (lambda a, b, c, k: (a + b, a - b, a * k), [None, None, None]),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("block", [4, 5, 100])
def test_in_place_returns_the_bits_of_the_function(name, dtype, block, monkeypatch):
    """Outputs may overwrite inputs, even inputs that are still needed."""
    monkeypatch.setattr(in_place, "BLOCK", block)
    f, over = FUNCTIONS[name]
    rng = np.random.default_rng(0)
    first, *others = (rng.normal(size=13).astype(dtype) for _ in range(3))
    given, k = [first.copy(), *[x.copy() for x in others]], 0.3
    if name == "swapped":  # the first array is not overwritten
        f, over = (lambda a, b, c, k: (c, b, a + k)), [1, 2, None]
    want = [np.broadcast_to(np.asarray(x, dtype), 13) for x in f(first, *others, k)]
    move = InPlace(record_function(f, 4), arrays=3, over=over)
    for _ in range(2):  # the second time with the same numbers
        arrays = [x.copy() for x in given]
        made = iter(move(arrays, (k,)))
        got = [next(made) if own is None else arrays[own] for own in over]
        for x, y in zip(got, want, strict=True):
            np.testing.assert_array_equal(x, y)
            assert x.dtype == dtype
        assert next(made, None) is None
        untouched = set(range(3)) - set(over)
        assert all(np.array_equal(arrays[i], given[i]) for i in untouched)


def test_numbers_and_dtypes_that_change_are_noticed():
    move = InPlace(record_function(lambda a, k: (a * k,), 2), arrays=1, over=[None])
    a = np.linspace(0.1, 2.0, 50)
    for x, k in [(a, 2.0), (a, 0.1), (np.float32(a), 0.1), (a, 0.1), (a, math.nan), (a, math.nan)]:
        (got,) = move([x], (k,))
        np.testing.assert_array_equal(got, x * k, strict=True)
    with pytest.raises(TypeError, match=r"arrays of floats, got int64; use \.astype"):
        move([np.arange(3)], (2.0,))


def test_blocks_are_shared_by_threads(monkeypatch):
    """Each block is processed once, also if one thread is delayed."""
    monkeypatch.setattr(in_place, "cores", lambda: 3)
    monkeypatch.setattr(in_place, "BLOCK", 7)
    move = InPlace(record_function(lambda a, b, k: (a + k, b * k + a), 3), arrays=2, over=[None, 1])
    a, b = np.arange(1000.0), np.ones(1000)
    (new,) = move([a, b], (2.0,))
    np.testing.assert_array_equal(new, a + 2.0)
    np.testing.assert_array_equal(b, 2.0 + a)
