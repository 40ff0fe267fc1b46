"""Toy data in the plane, MNIST, mini-batches, and a part held out for validation.

The toys return `(X, y)`: `X` float64 of shape `(n, 2)`, `y` int labels 0, 1, ... of shape `(n,)`,
each class as often as the next or once more, the samples shuffled. `noise` is the standard
deviation of the normal distribution that is added to both coordinates. `rng` is a seed or a NumPy
Generator: the same seed, the same data.

ValueError for fewer samples than classes and for a noise that is negative or not finite.

>>> X, y = moons(100, rng=0)
>>> X.shape, y.shape
((100, 2), (100,))
>>> [len(X_batch) for X_batch, y_batch in batches(X, y, size=32, rng=0)]
[32, 32, 32, 4]
"""

from collections.abc import Callable
from math import pi
from typing import Any

import numpy as np

from nn import idx
from nn.arguments import file, finite, whole, within
from nn.batches import Samples, batches, split
from nn.init import generator

__all__ = ["batches", "blobs", "circles", "mnist", "moons", "spirals", "split", "xor"]


def moons(n: int = 100, noise: float = 0.1, rng: Any = None) -> Samples:
    """Two half circles of radius 1 that reach into each other, those of micrograd's demo.

    >>> X, y = moons(100, rng=0)
    >>> X.shape, sorted(set(y.tolist()))
    ((100, 2), [0, 1])
    """

    def half(k: int, m: int) -> Any:
        t = np.linspace(0, pi, m)
        return (1 - np.cos(t), 0.5 - np.sin(t)) if k else (np.cos(t), np.sin(t))

    return scattered(half, 2, n, noise, rng)


def circles(n: int = 100, noise: float = 0.1, rng: Any = None, *, inner: float = 0.5) -> Samples:
    """A circle of radius 1, label 0, around one of radius `inner`, label 1.

    >>> X, y = circles(100, noise=0.0, rng=0)
    >>> sorted(set(np.hypot(*X.T).round(6).tolist()))
    [0.5, 1.0]
    """
    inner = within("inner", inner)

    def circle(k: int, m: int) -> Any:
        t = np.linspace(0, 2 * pi, m, endpoint=False)
        r = inner if k else 1.0
        return r * np.cos(t), r * np.sin(t)

    return scattered(circle, 2, n, noise, rng)


def spirals(
    n: int = 100, noise: float = 0.05, rng: Any = None, *, arms: int = 2, turns: float = 1.0
) -> Samples:
    """Arms that wind around the origin out to radius 1, one label each (Lang & Witbrock 1988).

    >>> X, y = spirals(90, rng=0)
    >>> X.shape, sorted(set(y.tolist()))
    ((90, 2), [0, 1])
    """
    turns = finite("turns", turns)

    def arm(k: int, m: int) -> Any:
        r = np.linspace(0.1, 1, m)  # not from 0, where all arms meet
        t = 2 * pi * (turns * r + k / arms)
        return r * np.cos(t), r * np.sin(t)

    return scattered(arm, arms, n, noise, rng)


def blobs(n: int = 100, noise: float = 0.2, rng: Any = None, *, centers: int = 3) -> Samples:
    """Round clouds of width `noise`, one label each, evenly placed on the circle of radius 1.

    >>> X, y = blobs(90, rng=0)
    >>> X.shape, sorted(set(y.tolist()))
    ((90, 2), [0, 1, 2])
    """

    def cloud(k: int, m: int) -> Any:
        t = np.full(m, 2 * pi * k / centers)
        return np.cos(t), np.sin(t)

    return scattered(cloud, centers, n, noise, rng)


def xor(n: int = 100, noise: float = 0.1, rng: Any = None) -> Samples:
    """Clouds at the corners of the unit square; the label is the exclusive or of the coordinates.

    >>> X, y = xor(4, noise=0)
    >>> sorted(zip(X.tolist(), y.tolist()))
    [([0.0, 0.0], 0), ([0.0, 1.0], 1), ([1.0, 0.0], 1), ([1.0, 1.0], 0)]
    """

    def corners(k: int, m: int) -> Any:
        a = np.arange(m) % 2
        return a, a ^ k

    return scattered(corners, 2, n, noise, rng)


def scattered(
    curve: Callable[[int, int], Any], classes: int, n: int, noise: float, rng: Any
) -> Samples:
    """`n` shuffled samples around the points `curve(label, how many)` of each class."""
    n, classes = whole("n", n, least=0), whole("the number of classes", classes)
    if classes > n:
        raise ValueError(f"{n} samples cannot show {classes} classes; it takes one of each")
    noise, rng = within("noise", noise), generator(rng)
    y = np.arange(n) * classes // n
    X = np.concatenate([np.stack(curve(k, m), axis=1) for k, m in enumerate(np.bincount(y))])
    X = X + rng.normal(0.0, noise, X.shape)
    order = rng.permutation(n)
    return X[order], y[order]


def mnist(folder: Any = None, *, classes: int = 10) -> tuple[Samples, Samples]:
    """Handwritten digits: `(X, y)` to train on, `(X, y)` to test with (LeCun et al. 1998).

    `X` float32 of shape `(n, pixels)`, row by row, black 0 and white 1; `y` int64 of shape `(n,)`,
    in 0 .. classes - 1. Without a folder, the 60,000 and 10,000 images of 28 x 28 pixels that come
    with this package; with one, its four files of the same names: Fashion-MNIST, EMNIST, your own.

    FileNotFoundError that lists the names looked for; ValueError that names the file for one that
    is not what it should be, and for images to test with of another size.

    >>> (X, y), (X_test, y_test) = mnist()
    >>> X.shape, X_test.shape, y[:5]
    ((60000, 784), (10000, 784), array([5, 0, 4, 1, 9]))
    """
    folder = idx.MNIST if folder is None else file("folder", folder)
    train, test = (idx.labelled(folder, part, classes) for part in ("train", "t10k"))
    if train[0].shape[1:] != test[0].shape[1:]:
        raise ValueError(
            f"{folder}: images to train on of {train[0].shape[1:]} pixels, to test with of "
            f"{test[0].shape[1:]}; take both from the same data set"
        )
    return flattened(*train), flattened(*test)


def flattened(images: np.ndarray, labels: np.ndarray) -> Samples:
    """Each image as a row of numbers in [0, 1]."""
    X = np.divide(images, 255, dtype=np.float32)
    return X.reshape(len(X), -1), labels.astype(np.int64)
