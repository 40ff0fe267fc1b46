"""Data sets: points in the plane, MNIST, and given names; mini-batches and splits of them.

The toy data sets return `(X, y)`: `X` of shape `(n, 2)` in float64, and `y` of shape `(n,)`, the
class of each sample as an int from 0. Classes have equal sizes, up to one sample. Samples are in
random order.

They raise ValueError for fewer samples than classes, and for a noise that is negative or not
finite.

>>> X, y = moons(100, rng=0)
>>> X.shape, y.shape
((100, 2), (100,))
>>> [len(X_batch) for X_batch, y_batch in batches(X, y, size=32, rng=0)]
[32, 32, 32, 4]
"""

from collections.abc import Callable
from math import pi
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from nn import idx, other_names
from nn.arguments import check_finite, check_path, check_whole, check_within
from nn.batches import Samples, batches, split
from nn.init import Rng, generator
from nn.keywords import answer_keywords

__all__ = ["batches", "blobs", "circles", "mnist", "moons", "names", "spirals", "split", "xor"]

NAMES = Path(__file__).parent / "names" / "names.txt"
Points = tuple[ArrayLike, ArrayLike]  # the two coordinates of points


@answer_keywords
def moons(n: int = 100, noise: float = 0.1, rng: Rng = None) -> Samples:
    """Return two interleaving half circles of radius 1, the data of micrograd's demo.

    n      the number of samples
    noise  the standard deviation of the normal noise added to both coordinates
    rng    a seed or a NumPy Generator; the same seed gives the same data

    >>> X, y = moons(100, rng=0)
    >>> X.shape, sorted(set(y.tolist()))
    ((100, 2), [0, 1])
    """

    def half(k: int, m: int) -> Points:
        t = np.linspace(0, pi, m)
        return (1 - np.cos(t), 0.5 - np.sin(t)) if k else (np.cos(t), np.sin(t))

    return sample_classes(half, 2, n, noise, rng)


@answer_keywords
def circles(n: int = 100, noise: float = 0.1, rng: Rng = None, *, inner: float = 0.5) -> Samples:
    """Return a circle of radius 1 (label 0) and one of radius `inner` (label 1) around the origin.

    n      the number of samples
    noise  the standard deviation of the normal noise added to both coordinates
    rng    a seed or a NumPy Generator; the same seed gives the same data
    inner  the radius of the inner circle, 0 or more

    >>> X, y = circles(100, noise=0.0, rng=0)
    >>> sorted(set(np.hypot(*X.T).round(6).tolist()))
    [0.5, 1.0]
    """
    inner = check_within("inner", inner)

    def circle(k: int, m: int) -> Points:
        t = np.linspace(0, 2 * pi, m, endpoint=False)
        r = inner if k else 1.0
        return r * np.cos(t), r * np.sin(t)

    return sample_classes(circle, 2, n, noise, rng)


@answer_keywords
def spirals(
    n: int = 100, noise: float = 0.05, rng: Rng = None, *, arms: int = 2, turns: float = 1.0
) -> Samples:
    """Return spiral arms out to radius 1, one label each (Lang & Witbrock 1988).

    n      the number of samples
    noise  the standard deviation of the normal noise added to both coordinates
    rng    a seed or a NumPy Generator; the same seed gives the same data
    arms   the number of arms, and of classes
    turns  the number of turns of each arm; negative ones are clockwise

    >>> X, y = spirals(90, rng=0)
    >>> X.shape, sorted(set(y.tolist()))
    ((90, 2), [0, 1])
    """
    turns = check_finite("turns", turns)

    def arm(k: int, m: int) -> Points:
        r = np.linspace(0.1, 1, m)  # all arms meet at 0
        t = 2 * pi * (turns * r + k / arms)
        return r * np.cos(t), r * np.sin(t)

    return sample_classes(arm, arms, n, noise, rng)


@answer_keywords
def blobs(n: int = 100, noise: float = 0.2, rng: Rng = None, *, centers: int = 3) -> Samples:
    """Return round clouds around points evenly spaced on the circle of radius 1, one label each.

    n        the number of samples
    noise    the standard deviation of each cloud in both coordinates
    rng      a seed or a NumPy Generator; the same seed gives the same data
    centers  the number of clouds, and of classes

    >>> X, y = blobs(90, rng=0)
    >>> X.shape, sorted(set(y.tolist()))
    ((90, 2), [0, 1, 2])
    """

    def cloud(k: int, m: int) -> Points:
        t = np.full(m, 2 * pi * k / centers)
        return np.cos(t), np.sin(t)

    return sample_classes(cloud, centers, n, noise, rng)


@answer_keywords
def xor(n: int = 100, noise: float = 0.1, rng: Rng = None) -> Samples:
    """Return clouds at the corners of the unit square.

    The label is the exclusive or of the corner's coordinates.

    n      the number of samples
    noise  the standard deviation of the normal noise added to both coordinates
    rng    a seed or a NumPy Generator; the same seed gives the same data

    >>> X, y = xor(4, noise=0)
    >>> sorted(zip(X.tolist(), y.tolist()))
    [([0.0, 0.0], 0), ([0.0, 1.0], 1), ([1.0, 0.0], 1), ([1.0, 1.0], 0)]
    """

    def corners(k: int, m: int) -> Points:
        a = np.arange(m) % 2
        return a, a ^ k

    return sample_classes(corners, 2, n, noise, rng)


def sample_classes(
    curve: Callable[[int, int], Points], classes: int, n: int, noise: float, rng: Rng
) -> Samples:
    """Return `n` noisy samples in random order; `curve(label, m)` returns m points of a class."""
    n, classes = check_whole("n", n, least=0), check_whole("the number of classes", classes)
    if classes > n:
        raise ValueError(f"expected at least one sample of each of {classes} classes, got n={n}")
    noise, source = check_within("noise", noise), generator(rng)
    y = np.arange(n) * classes // n
    X = np.concatenate([np.stack(curve(k, m), axis=1) for k, m in enumerate(np.bincount(y))])
    X = X + source.normal(0.0, noise, X.shape)
    order = source.permutation(n)
    return X[order], y[order]


@answer_keywords
def mnist(
    folder: "str | PathLike[str] | None" = None, *, classes: int = 10
) -> tuple[Samples, Samples]:
    """Return the MNIST training set and test set, each as `(X, y)` (LeCun et al. 1998).

    `X` has the shape `(n, pixels)`, one image per row, in float32 from 0 (black) to 1 (white). `y`
    has the shape `(n,)`, in int64 from 0 to classes - 1.

    folder   a folder with four files of the same names and format, such as Fashion-MNIST or EMNIST;
             by default that of the environment variable STEPGRAD_MNIST, or the one in a clone, with
             60,000 and 10,000 images of 28 x 28 pixels. The installed package does not contain them
    classes  the number of classes

    Raises FileNotFoundError if a file is missing, and ValueError if one is damaged, if a label is
    not below `classes`, or if training and test images differ in size.

    >>> (X, y), (X_test, y_test) = mnist()
    >>> X.shape, X_test.shape, y[:5]
    ((60000, 784), (10000, 784), array([5, 0, 4, 1, 9]))
    """
    folder = idx.MNIST if folder is None else check_path("folder", folder)
    train, test = (idx.read_labelled(folder, part, classes) for part in ("train", "t10k"))
    if train[0].shape[1:] != test[0].shape[1:]:
        raise ValueError(
            f"{folder}: expected training and test images of equal size, got "
            f"{train[0].shape[1:]} and {test[0].shape[1:]}; take both from the same data set"
        )
    return convert_images(*train), convert_images(*test)


def names() -> list[str]:
    """Return 5,163 given names of the 1990 US census, in lower case and alphabetical order.

    They have 2 to 11 letters from a to z. `nn/names/README.md` states the origin.

    >>> names()[:4], len(names())
    (['aaron', 'abbey', 'abbie', 'abby'], 5163)
    """
    return NAMES.read_text("ascii").split()


def convert_images(images: np.ndarray, labels: np.ndarray) -> Samples:
    """Return images of bytes as rows of floats in [0, 1], and the labels as int64."""
    X = np.divide(images, 255, dtype=np.float32)
    return X.reshape(len(X), -1), labels.astype(np.int64)


__getattr__ = other_names.answer_names(__name__, other_names.DATA)


def __dir__() -> list[str]:
    return __all__
