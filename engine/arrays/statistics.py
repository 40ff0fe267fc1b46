"""NumPy's statistics that are compositions of rows: `np.median(x)`, `np.percentile(x, 90)`.

Their arguments are NumPy's. Counts and indices are plain arrays.

    >>> np.percentile(Array([1.0, 2.0, 4.0]), [50, 75])
    Array([2., 3.])
"""

import math
from typing import Any

import numpy as np

from engine.arrays.arguments import as_ndarray
from engine.arrays.array import Array
from engine.arrays.methods import normalize_axis
from engine.arrays.numpy_protocol import data_of
from engine.arrays.rules import SCATTER
from engine.functions import where
from engine.node import Node


def median(a: Any, axis: Any = None, keepdims: bool = False) -> Array:
    """Return the middle element in sorted order, or the mean of two; nan if an element is nan."""
    rows, shape = join_axes("median", a, axis)
    n = rows.shape[-1]
    ordered = rows.sort()
    middle = ordered[..., [(n - 1) // 2, n // 2]].mean(-1) if n else rows.mean(-1)
    if n and (is_nan := ordered[..., -1].isnan()).any():
        middle = where(is_nan, math.nan, middle)
    return middle.reshape(shape) if keepdims else middle


def join_axes(name: str, x: Any, axis: Any) -> tuple[Array, tuple[int, ...]]:
    """Return x with one or several axes joined into the last, and the shape for `keepdims`."""
    given = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = [normalize_axis(name, x, i) for i in given]
    kept = [i for i in range(x.ndim) if i not in axes]
    lengths = [x.shape[i] for i in kept]
    rows = x.transpose(*kept, *axes).reshape(*lengths, math.prod(x.shape[i] for i in axes))
    return rows, tuple(1 if i in axes else length for i, length in enumerate(x.shape))


def quantile(
    a: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False
) -> Array:
    """Return the quantiles for probabilities q, with linear interpolation.

    Raises ValueError for probabilities outside [0, 1], for an empty Array and for another method.
    """
    probabilities = np.asarray(q, float)
    rows, shape = join_axes("quantile", a, axis)
    n = rows.shape[-1]
    if method != "linear" or not n or not ((probabilities >= 0.0) & (probabilities <= 1.0)).all():
        raise ValueError(
            "np.quantile and np.percentile of Arrays expect probabilities in [0, 1], percentages "
            f"in [0, 100], at least one element and method='linear', got {q!r}, shape {a.shape} "
            f"and {method!r}"
        )
    ordered, places = rows.sort(), probabilities * (n - 1)
    low = np.floor(places).astype(int)
    below, above = ordered[..., low], ordered[..., np.minimum(low + 1, n - 1)]
    t, gap = (places - low).astype(a.dtype, copy=False), above - below
    out = where(t < 0.5, below + gap * t, above - gap * (1.0 - t))  # rounded as in NumPy
    if (is_nan := ordered[..., -1].isnan()).any():
        out = where(is_nan.reshape((*is_nan.shape, *[1] * probabilities.ndim)), math.nan, out)
    out = np.moveaxis(
        out, range(out.ndim - probabilities.ndim, out.ndim), range(probabilities.ndim)
    )
    return out.reshape(*probabilities.shape, *shape) if keepdims else out


def percentile(
    a: Any, q: Any, axis: Any = None, method: str = "linear", keepdims: bool = False
) -> Array:
    return quantile(a, np.asarray(q) / 100.0, axis, method, keepdims)


def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False
) -> Any:
    """Return the mean, with weights along one axis or in the shape of a.

    If `returned` is True, the sums of the weights are returned, too.
    """
    x = Array.lift(a)
    w = Array.lift(np.ones(x.shape, x.dtype) if weights is None else weights)
    if w.shape != x.shape:
        if axis is None or isinstance(axis, tuple) or w.shape != (x.shape[axis],):
            raise ValueError(
                f"np.average expects weights of shape {x.shape}, or one weight for each element "
                f"along an axis, got shape {w.shape} and axis={axis!r}"
            )
        after = x.ndim - 1 - normalize_axis("average", x, axis)
        w = w.reshape(-1, *[1] * after).broadcast_to(x.shape)
    sums = w.sum(axis, keepdims)
    mean = (x * w).sum(axis, keepdims) / sums
    return (mean, sums) if returned else mean


def histogram(
    a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> Any:
    """Return the number of elements in each bin, or the sum of their weights, and the edges.

    These are plain arrays. Raises TypeError if they would have a gradient: if the weights are nodes
    or, with `density`, if the elements or edges are nodes.
    """
    sources = [weights, a, bins] if density else [weights]
    if any(isinstance(x, Node) and not x.constant for x in sources):
        raise TypeError(
            "np.histogram would return floats without a gradient; np.bincount(np.digitize(x.data, "
            "edges), w) adds weights that are nodes; or pass x.data to compute numbers without a "
            "graph"
        )
    return np.histogram(data_of(a), data_of(bins), range, density=density, weights=data_of(weights))


def bincount(x: Any, weights: Any = None, minlength: int = 0) -> Any:
    """Return how often each integer from 0 occurs in x, or the sum of its weights."""
    places = as_ndarray(data_of(x))
    if weights is None:
        return np.bincount(places, None, minlength)
    w = Array.lift(weights)
    if places.ndim != 1 or w.shape != places.shape:
        raise ValueError(
            f"np.bincount expects a weight for each number, got shapes {places.shape} and {w.shape}"
        )
    if places.dtype.kind not in "iu" or (places.size and places.min() < 0):
        raise ValueError(f"np.bincount expects integers of 0 or more, got {x!r}")
    length = max(minlength, int(places.max()) + 1 if places.size else 0)
    return SCATTER(w, index=places, shape=(length,))


def unique(
    ar: Any, return_index: bool = False, return_inverse: bool = False,
    return_counts: bool = False, *, equal_nan: bool = True,
) -> Any:  # fmt: skip
    """Return the distinct elements in order; the gradient goes to the first of equal elements."""
    settings: Any = {"return_inverse": return_inverse, "return_counts": return_counts}
    _, index, *others = np.unique(ar.data, return_index=True, equal_nan=equal_nan, **settings)
    out = ar.reshape(-1)[index]
    others = [index, *others] if return_index else others
    return (out, *others) if others else out
