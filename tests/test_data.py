"""Toy data on its curves, batches and splits that lose no sample."""

import inspect
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nn import data

TOYS = {"moons": 2, "circles": 2, "spirals": 2, "blobs": 3, "xor": 2}  # and their classes
EACH = pytest.mark.parametrize("toy", TOYS)


def samples(toy, *args, **kwargs):
    return getattr(data, toy)(*args, **kwargs)


def rows(X, y):
    """Return the samples as a sorted list, which does not depend on their order."""
    return sorted(zip(np.asarray(X).tolist(), np.asarray(y).tolist(), strict=True))


@EACH
@given(n=st.integers(3, 200), noise=st.floats(0, 10), seed=st.integers(0, 2**32))
def test_shapes_and_classes(toy, n, noise, seed):
    """Shapes and dtypes are as documented, and class sizes differ by one sample at most."""
    X, y = samples(toy, n, noise, seed)
    assert (X.shape, X.dtype, y.shape, y.dtype.kind) == ((n, 2), np.float64, (n,), "i")
    counts = np.bincount(y)
    assert len(counts) == TOYS[toy]
    assert counts.max() - counts.min() <= 1


@EACH
def test_the_same_seed_is_the_same_data(toy):
    first, again, other = samples(toy, rng=7), samples(toy, rng=7), samples(toy, rng=8)
    assert first[0].tobytes() == again[0].tobytes()
    assert first[1].tobytes() == again[1].tobytes()
    assert rows(*first) != rows(*other)  # other noise, not just another order
    assert samples(toy)[0].tobytes() != samples(toy)[0].tobytes()  # fresh each time
    rng = np.random.default_rng(7)
    assert samples(toy, rng=rng)[0].tobytes() == first[0].tobytes()
    assert samples(toy, rng=rng)[0].tobytes() != first[0].tobytes()  # the generator went on


@EACH
def test_samples_are_shuffled(toy):
    """Each half of the samples has all classes and all parts of the curve."""
    X, y = samples(toy, 600, 0.01, rng=0)
    for label in range(TOYS[toy]):
        first, second = X[:300][y[:300] == label], X[300:][y[300:] == label]
        assert abs(len(first) - len(second)) < 60
        np.testing.assert_allclose(first.mean(axis=0), second.mean(axis=0), atol=0.25)


@EACH
def test_noise_is_the_standard_deviation(toy):
    clean, _ = samples(toy, 4000, 0, rng=3)
    noisy, _ = samples(toy, 4000, 0.3, rng=3)
    difference = noisy - clean
    assert difference.std() == pytest.approx(0.3, rel=0.05)
    assert abs(difference.mean()) < 0.02


def test_curves_without_noise():
    """Each sample is on the curve of its class."""
    X, y = data.moons(101, noise=0, rng=0)
    centers = np.array([[0.0, 0.0], [1.0, 0.5]])[y]
    np.testing.assert_allclose(np.hypot(*(X - centers).T), 1, rtol=1e-12)
    assert (X[y == 0, 1] >= 0).all()
    assert (X[y == 1, 1] <= 0.5).all()

    X, y = data.circles(101, noise=0, rng=0, inner=0.3)
    np.testing.assert_allclose(np.hypot(*X.T), np.where(y == 1, 0.3, 1), rtol=1e-12)
    np.testing.assert_allclose(X[y == 0].mean(axis=0), 0, atol=1e-12)  # all the way round, once

    X, y = data.spirals(90, noise=0, rng=0, arms=3, turns=1.5)
    radius, angle = np.hypot(*X.T), np.arctan2(X[:, 1], X[:, 0])
    off = (angle - 2 * math.pi * (1.5 * radius + y / 3)) / (2 * math.pi)
    np.testing.assert_allclose(off, off.round(), atol=1e-9)
    assert (radius.min(), radius.max()) == pytest.approx((0.1, 1.0))

    X, y = data.blobs(50, noise=0, rng=0, centers=5)
    np.testing.assert_allclose(np.arctan2(*X.T[::-1]) % (2 * math.pi), 2 * math.pi * y / 5)
    assert len(np.unique(X.round(9), axis=0)) == 5

    X, y = data.xor(40, noise=0, rng=0)
    assert (X.sum(axis=1) % 2 == y).all()
    assert (np.unique(X, axis=0, return_counts=True)[1] == 10).all()


@given(n=st.integers(1, 60), size=st.none() | st.integers(1, 80), shuffle=st.booleans())
def test_batches_go_through_every_sample_once(n, size, shuffle):
    X, y = np.arange(2.0 * n).reshape(n, 2), np.arange(n)
    parts = list(data.batches(X, y, size, shuffle, rng=0))
    sizes = [len(part) for part, _ in parts]
    full = n if size is None else min(size, n)
    assert sizes[:-1] == [full] * (len(sizes) - 1)
    assert 0 < sizes[-1] <= full
    joined = np.concatenate([part for part, _ in parts]), np.concatenate([y for _, y in parts])
    assert rows(*joined) == rows(X, y)
    if not shuffle or size is None:
        assert (joined[1] == y).all()


def test_batches_are_shuffled_anew_and_by_seed():
    X, y = np.zeros((50, 1)), np.arange(50)

    def order(rng):
        return [int(label) for _, labels in data.batches(X, y, 8, rng=rng) for label in labels]

    rng = np.random.default_rng(1)
    assert order(1) == order(1) != order(2)
    assert order(rng) == order(1)
    assert order(rng) != order(1)
    assert order(None) != sorted(order(None))


@given(n=st.integers(2, 60), fraction=st.floats(0, 1, exclude_max=True), seed=st.integers(0, 99))
def test_a_split_parts_the_samples(n, fraction, seed):
    X, y = np.arange(2.0 * n).reshape(n, 2), np.arange(n)
    if not 0 < round(fraction * n) < n:
        with pytest.raises(ValueError, match="to validate with; both need at least 1"):
            data.split(X, y, fraction, seed)
    else:
        (X_train, y_train), (X_rest, y_rest) = data.split(X, y, fraction, seed)
        assert len(y_rest) == round(fraction * n)
        joined = np.concatenate([X_train, X_rest]), np.concatenate([y_train, y_rest])
        assert rows(*joined) == rows(X, y)
        assert data.split(X, y, fraction, seed)[1][1].tolist() == y_rest.tolist()


def test_a_split_is_drawn_at_random():
    _, (_, rest) = data.split(np.zeros((100, 1)), np.arange(100), 0.3, rng=0)
    assert len(rest) == 30
    assert set(rest) != set(range(30))
    assert set(rest) != set(range(70, 100))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        *[(lambda toy=toy: samples(toy, TOYS[toy] - 1), "of each of [23] classes, got n=") for toy in TOYS],
        *[(lambda toy=toy: samples(toy, 9, -0.1), r"noise must be.*got -0\.1") for toy in TOYS],
        (lambda: data.moons(10, math.nan), "noise must be.*got nan"),
        (lambda: data.moons(0), "of each of 2 classes, got n=0"),
        (lambda: data.blobs(10, centers=0), "number of classes must be.*got 0"),
        (lambda: data.batches([[1.0]], [1, 2]), "X and y must have equal lengths, got 1 sample and 2 targets"),
        (lambda: data.batches([], []), "X must have at least 1 sample, got none"),
        (lambda: data.batches([[1.0]], [1], size=0), "None uses all samples.* whole number, 1 or more, got 0"),
        (lambda: data.batches([[1.0]], [1], size=2.5), "whole number, 1 or more, got 2.5"),
        (lambda: data.moons(2.5), "n must be a whole number, 0 or more, got 2.5"),
        (lambda: data.split([[1.0]], [1, 2], 0.5), "X and y must have equal lengths, got 1 sample and 2 targets"),
        (lambda: data.split([[1.0]], [1], 0.5), "leaves 1 to train on and 0 to validate"),
        (lambda: data.split([[1.0], [2.0]], [1, 2], 1.5), r"fraction must be.*got 1\.5"),
        (lambda: data.split([[1.0], [2.0]], [1, 2], -0.5), r"fraction must be.*got -0\.5"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()


@pytest.mark.parametrize("name", TOYS)
def test_every_argument_is_documented(name):
    """`help` explains each argument on a line of its own."""
    make = getattr(data, name)
    lines = [line.split("  ")[0] for line in inspect.getdoc(make).splitlines()]
    assert [name for name in inspect.signature(make).parameters if name not in lines] == []


def test_names_are_as_documented():
    names = data.names()
    assert names == sorted({*names})
    assert all(re.fullmatch("[a-z]{2,11}", name) for name in names)
    assert {"mary", "james", "patricia", "john"} < {*names}
