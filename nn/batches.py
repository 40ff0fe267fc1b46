"""Mini-batches, and the split into training and validation samples."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from engine.support.arguments import find_string_remedy
from engine.support.lazy import numpy_if_installed
from nn import plain
from nn.arguments import check_flag, check_unmasked, check_whole, check_within, format_count
from nn.init import Rng, generator
from nn.keywords import answer_keywords

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Samples = tuple[Any, Any]  # X and y: NumPy arrays, or plain.Rows where NumPy is not installed


@answer_keywords
def batches(
    X: "ArrayLike",
    y: "ArrayLike",
    size: int | None = None,
    shuffle: bool = True,
    rng: Rng = None,
) -> Iterator[Samples]:
    """Iterate over the samples once, `size` at a time. The last batch may be smaller.

    A `size` of None is batch gradient descent: one batch with all samples, in the given order. A
    size of 1 is stochastic gradient descent. Each call reshuffles the samples.

    Raises ValueError if X and y differ in length or are empty, and if the size is below 1.

    >>> for X, y in batches([[1.0], [2.0], [3.0]], [1, 2, 3], size=2, shuffle=False):
    ...     print(X.tolist(), y)
    [[1.0], [2.0]] [1 2]
    [[3.0]] [3]
    """
    inputs, targets = to_samples(X, y)
    n = len(inputs)
    if size is None:
        return iter([(inputs, targets)])
    shuffle = check_flag("shuffle", shuffle)
    size = check_whole("size (None uses all samples)", size)
    order = generator(rng).permutation(n) if shuffle else range(n)
    parts = [order[i : i + size] for i in range(0, n, size)]
    return ((inputs[part], targets[part]) for part in parts)


@answer_keywords
def split(
    X: "ArrayLike",
    y: "ArrayLike",
    fraction: float,
    rng: Rng = None,
) -> tuple[Samples, Samples]:
    """Split the samples at random into `(X, y)` for training and a `fraction` for validation.

    The labels do not influence the split. Raises ValueError if X and y differ in length, and for a
    fraction that leaves one part empty.

    >>> from nn.data import moons
    >>> (X, y), (X_held_out, y_held_out) = split(*moons(100, rng=0), fraction=0.2, rng=0)
    >>> len(X), len(X_held_out)
    (80, 20)
    """
    return hold_out(X, y, fraction, rng, name="fraction")


def hold_out(X: Any, y: Any, fraction: float, rng: Rng, name: str) -> tuple[Samples, Samples]:
    """Split the samples as `split` does; errors name the argument that the fraction comes from."""
    inputs, targets = to_samples(X, y)
    n = len(inputs)
    held_out = round(check_within(name, fraction, below=1) * n)
    if not 0 < held_out < n:
        raise ValueError(
            f"{name}={fraction} of {format_count(n, 'sample')} leaves {n - held_out} to train on "
            f"and {held_out} to validate with; both need at least 1"
        )
    order = generator(rng).permutation(n)
    train, rest = order[held_out:], order[:held_out]
    return (inputs[train], targets[train]), (inputs[rest], targets[rest])


def to_samples(X: Any, y: Any) -> Samples:
    """Convert X and y to arrays. Raises ValueError if they differ in length or are empty."""
    np, given = numpy_if_installed() or plain, {"X": X, "y": y}
    try:
        X, y = np.asarray(check_unmasked(X)), np.asarray(check_unmasked(y))
    except ValueError:
        raise ValueError("X and y must hold numbers, in lists of equal lengths") from None
    for name, rows in (("X", X), ("y", y)):
        if not getattr(rows, "ndim", isinstance(rows, plain.Rows)):
            raise TypeError(f"{name} must have an entry for each sample, got {given[name]!r}")
    if len(X) != len(y):
        raise ValueError(
            f"X and y must have equal lengths, got {format_count(len(X), 'sample')} and "
            f"{format_count(len(y), 'target')}"
        )
    if len(X) == 0:
        raise ValueError("X must have at least 1 sample, got none")
    return X, y


def to_finite_samples(X: Any, y: Any) -> Samples:
    """Convert X and y to arrays of finite numbers.

    Raises TypeError for anything but numbers, and ValueError for inf, nan and unequal lengths.
    """
    X, y = to_samples(X, y)
    for name, rows in (("X", X), ("y", y)):
        try:
            sample, value = find_not_finite(rows)
        except TypeError as problem:
            raise TypeError(f"{name} must hold numbers, {problem}") from None
        if sample is not None:
            raise ValueError(
                f"{name} must hold finite numbers, got {value} for sample {sample}; "
                "remove such samples"
            )
    return X, y


def find_not_finite(rows: Any) -> tuple[int | None, float | None]:
    """Return the index of the first sample with inf or nan, and that number; or (None, None).

    Raises TypeError for anything but numbers.
    """
    np = numpy_if_installed()
    if np is None:
        bad = [(i, x) for i, row in enumerate(rows) for x in plain.not_finite(row)]
        return bad[0] if bad else (None, None)
    if rows.dtype.kind not in "fiub":
        raise TypeError(f"got an array of {rows.dtype}{find_string_remedy(rows.flat)}")
    if np.isfinite(rows).all():
        return None, None
    place = np.argwhere(~np.isfinite(rows))[0]
    return place[0], rows[tuple(place)]
