"""Mini-batches, and a part of the samples held out for validation."""

from collections.abc import Iterator
from typing import Any

from engine.support.lazy import numpy_if_installed
from nn import plain
from nn.arguments import flag, whole, within
from nn.init import generator

Samples = tuple[Any, Any]  # X and y: arrays, or lists where NumPy is not installed


def batches(
    X: Any, y: Any, size: int | None = None, shuffle: bool = True, rng: Any = None
) -> Iterator[Samples]:
    """Go through the samples once, `size` at a time; the last batch holds what is left.

    size=None is batch gradient descent: everything at once, in the order given. 1 is stochastic
    gradient descent, anything between mini-batch (chapter 02, 6.1 to 6.3). Each call shuffles anew.

    ValueError for X and y of unequal length, for no samples, and for a size below 1.

    >>> for X, y in batches([[1.0], [2.0], [3.0]], [1, 2, 3], size=2, shuffle=False):
    ...     print(X.tolist(), y)
    [[1.0], [2.0]] [1 2]
    [[3.0]] [3]
    """
    X, y = paired(X, y)
    n = len(X)
    if size is None:
        return iter([(X, y)])
    shuffle = flag("shuffle", shuffle)
    size = whole("size (None takes them all)", size)
    order = generator(rng).permutation(n) if shuffle else range(n)
    parts = [order[i : i + size] for i in range(0, n, size)]
    return ((X[part], y[part]) for part in parts)


def split(X: Any, y: Any, fraction: float, rng: Any = None) -> tuple[Samples, Samples]:
    """The samples in two parts: `(X, y)` to train on, and `fraction` of them to validate with.

    Drawn at random, without regard to the labels. ValueError for X and y of unequal length, and for
    a fraction that leaves either part empty.

    >>> from nn.data import moons
    >>> (X, y), (X_held_out, y_held_out) = split(*moons(100, rng=0), fraction=0.2, rng=0)
    >>> len(X), len(X_held_out)
    (80, 20)
    """
    X, y = paired(X, y)
    held_out = round(within("fraction", fraction, below=1) * len(X))
    if not 0 < held_out < len(X):
        raise ValueError(
            f"fraction={fraction} of {len(X)} samples leaves {len(X) - held_out} to train on and "
            f"{held_out} to validate with; both take at least 1"
        )
    order = generator(rng).permutation(len(X))
    train, rest = order[held_out:], order[:held_out]
    return (X[train], y[train]), (X[rest], y[rest])


def paired(X: Any, y: Any) -> Samples:
    """X and y as arrays; ValueError unless there is one target per sample, and a sample."""
    np, given = numpy_if_installed() or plain, {"X": X, "y": y}
    try:
        X, y = np.asarray(X), np.asarray(y)
    except ValueError:
        raise ValueError("X and y hold numbers, in lists of equal lengths") from None
    for name, rows in (("X", X), ("y", y)):
        if not getattr(rows, "ndim", isinstance(rows, plain.Rows)):
            raise TypeError(f"{name} holds an entry for each sample, got {given[name]!r}")
    if len(X) != len(y):
        raise ValueError(f"X has {len(X)} samples, y has {len(y)} targets; each takes one")
    if len(X) == 0:
        raise ValueError("X has no samples; give at least 1")
    return X, y


def finite(X: Any, y: Any) -> Samples:
    """X and y as arrays of one length; TypeError unless of numbers, ValueError for nan and inf."""
    X, y = paired(X, y)
    for name, rows in (("X", X), ("y", y)):
        try:
            sample, value = first_not_finite(rows)
        except TypeError as problem:
            raise TypeError(f"{name} holds numbers, {problem}") from None
        if sample is not None:
            raise ValueError(f"{name} holds {value} for sample {sample}; leave such samples out")
    return X, y


def first_not_finite(rows: Any) -> tuple[int | None, Any]:
    """Return the first sample with inf or nan, and which; raise TypeError unless of numbers."""
    np = numpy_if_installed()
    if np is None:
        bad = [(i, each) for i, row in enumerate(rows) for each in plain.not_finite(row)]
        return bad[0] if bad else (None, None)
    if rows.dtype.kind not in "fiub":
        raise TypeError(f"got an array of {rows.dtype}")
    if np.isfinite(rows).all():
        return None, None
    place = np.argwhere(~np.isfinite(rows))[0]
    return place[0], rows[tuple(place)]
