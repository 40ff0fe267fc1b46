"""Functions of Arrays, with the names and the arguments of NumPy's functions.

Most are compositions of rows. Functions that move elements apply NumPy's function to the positions
of the elements and index with the result, so that one row, `getitem`, has all their derivatives.
Plain arrays and numbers among the arguments become constants.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from numbers import Integral, Real
from string import ascii_letters
from typing import Any

import numpy as np

from engine.arrays.array import Array
from engine.arrays.formulas import Axis
from engine.arrays.methods import call_numpy, gather, normalize_axis
from engine.arrays.rules import CONCATENATE, EINSUM, NORM, SCATTER
from engine.rules import WHERE
from engine.support.arguments import check_sequence
from engine.support.other_names import answer_keywords

# ------------------------------------------------------------------------------- several Arrays


@answer_keywords
def concatenate(xs: Iterable[Any], axis: int = 0) -> Array:
    """Join Arrays along an axis.

    Raises ValueError for no Arrays, and for Arrays whose shapes differ in another axis.

    >>> concatenate([Array([1.0, 2.0]), Array([3.0])])
    Array([1., 2., 3.])
    """
    return Array.apply(CONCATENATE, *as_arrays("concatenate", xs, axis), axis=int(axis))


@answer_keywords
def stack(xs: Iterable[Any], axis: int = 0) -> Array:
    """Join Arrays of the same shape along a new axis.

    Raises ValueError for no Arrays, and for Arrays of different shapes.

    >>> stack([Array([1.0, 2.0]), Array([3.0, 4.0])], axis=1)
    Array([[1., 3.],
           [2., 4.]])
    """
    arrays = as_arrays("stack", xs, axis)
    shapes = list(dict.fromkeys(x.shape for x in arrays))
    if len(shapes) > 1:
        raise ValueError(
            f"stack expects Arrays of the same shape, got shapes {shapes[0]} and {shapes[1]}"
        )
    return concatenate([expand_dims(x, axis) for x in arrays], axis)


def as_arrays(name: str, xs: Any, axis: Any) -> Sequence[Array]:
    """Return a list of Arrays. Raises ValueError for none, TypeError unless the axis is an int."""
    arrays = xs if isinstance(xs, Array) else check_sequence(xs, f"{name} expects a list of Arrays")
    arrays = [Array.lift(x) for x in arrays]
    if not arrays:
        raise ValueError(f"{name} expects at least one Array, got none")
    if not isinstance(axis, Integral) or isinstance(axis, bool):
        raise TypeError(f"{name} expects an integer axis, got {axis!r}")
    return arrays


def einsum(subscripts: Any, *operands: Any) -> Array:
    """Return a sum of products of Arrays, whose axes are named by letters.

    An axis whose letter the result lacks is summed. Without `->` the result has the letters that
    occur once, in alphabetical order. As in NumPy, axes may also be named by lists of integers:
    `einsum(x, [0, 1], y, [1], [0])`.

    >>> x, y = Array([[1.0, 2.0], [3.0, 4.0]]), Array([10.0, 100.0])
    >>> einsum("ij,j->i", x, y)
    Array([210., 430.])
    >>> einsum("ii", x)
    Array(5.)
    """
    if not isinstance(subscripts, str) and operands and all(map(is_sublist, operands[::2])):
        subscripts, operands = from_sublists(subscripts, *operands)
    if not isinstance(subscripts, str) or not operands:
        raise TypeError(
            "einsum expects subscripts and their Arrays, such as einsum('ij,jk->ik', x, y), got "
            f"{(subscripts, *operands)}"
        )
    return Array.apply(EINSUM, *operands, subscripts=subscripts)


def is_sublist(x: Any) -> bool:
    """Return whether `x` names axes by integers, as in `[..., 0, 1]`."""
    return isinstance(x, list | tuple) and all(i is ... or isinstance(i, Integral) for i in x)


def from_sublists(*args: Any) -> tuple[str, tuple[Any, ...]]:
    """Return the subscripts and the operands of `einsum(x, [0, 1], y, [1], [0])`."""
    write = lambda axes: "".join("..." if i is ... else ascii_letters[i] for i in axes)
    n = len(args) // 2 * 2
    subscripts = ",".join(map(write, args[1:n:2]))
    return subscripts + "->" * (len(args) > n) + "".join(map(write, args[n:])), args[:n:2]


def outer(x: Any, y: Any) -> Array:
    """Return the products of all pairs of elements; x and y are flattened.

    >>> outer(Array([1.0, 2.0]), [10.0, 100.0])
    Array([[ 10., 100.],
           [ 20., 200.]])
    """
    return Array.lift(x).reshape(-1, 1) * Array.lift(y).reshape(1, -1)


# ------------------------------------------------------------------------------ one Array: shapes


@answer_keywords
def expand_dims(x: Any, axis: int | tuple[int, ...]) -> Array:
    """Return the Array with new axes of length 1, at these places in the result.

    >>> expand_dims(Array([1.0, 2.0]), 0).shape, expand_dims(Array([1.0, 2.0]), -1).shape
    ((1, 2), (2, 1))
    """
    x = Array.lift(x)
    return x.reshape(call_numpy("expand_dims", np.expand_dims, x.data, axis=axis).shape)


@answer_keywords
def split(x: Any, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """Return a list of parts: of equal parts for their number, or separated at indices.

    Raises ValueError if the axis cannot be divided into equal parts.

    >>> split(Array([1.0, 2.0, 3.0, 4.0]), 2)
    [Array([1., 2.]), Array([3., 4.])]
    >>> split(Array([1.0, 2.0, 3.0, 4.0]), [1])
    [Array([1.]), Array([2., 3., 4.])]
    """
    x = Array.lift(x)
    axis = normalize_axis("split", x, axis)
    places = np.arange(x.shape[axis])
    parts = call_numpy("split", np.split, places, indices_or_sections=indices_or_sections)
    ends = [(part[0], part[-1] + 1) if part.size else (0, 0) for part in parts]
    return [x[(slice(None),) * axis + (slice(*map(int, pair)),)] for pair in ends]


# --------------------------------------------------------------------------- one Array: elements


def tile(x: Any, reps: Any) -> Array:
    """Return the Array repeated along each axis, as often as `reps` says.

    >>> tile(Array([1.0, 2.0]), (2, 2))
    Array([[1., 2., 1., 2.],
           [1., 2., 1., 2.]])
    """
    return gather("tile", np.tile, Array.lift(x), reps=reps)


@answer_keywords
def flip(x: Any, axis: Axis = None) -> Array:
    """Return the elements in reverse order along one or several axes; None means all.

    >>> flip(Array([1.0, 2.0, 3.0]))
    Array([3., 2., 1.])
    """
    return gather("flip", np.flip, Array.lift(x), axis=axis)


@answer_keywords
def roll(x: Any, shift: Any, axis: Axis = None) -> Array:
    """Return the elements moved along one or several axes; the last ones reenter at the beginning.

    By default the flat Array is rolled and restored to its shape.

    >>> roll(Array([1.0, 2.0, 3.0]), 1)
    Array([3., 1., 2.])
    """
    return gather("roll", roll_positions, Array.lift(x), shift=shift, axis=axis)


def roll_positions(positions: np.ndarray, shift: Any, axis: Axis) -> np.ndarray:
    """Roll an array. Raises ValueError for a fraction, which newer versions of NumPy truncate."""
    if np.asarray(shift).dtype.kind not in "iu":
        raise ValueError("shift expects whole numbers")
    return np.roll(positions, shift, axis)


PADDING = ("constant", "edge", "reflect", "symmetric", "wrap")


def pad(x: Any, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0.0) -> Array:
    """Return the Array with elements added before and after each axis.

    `pad_width` is one number, (before, after), or a pair for each axis. The new elements are
    `constant_values`, or elements of the Array for the modes "edge", "reflect", "symmetric" and
    "wrap". Raises ValueError for any other mode.

    >>> pad(Array([1.0, 2.0, 3.0]), 1)
    Array([0., 1., 2., 3., 0.])
    >>> pad(Array([1.0, 2.0, 3.0]), (2, 0), mode="reflect")
    Array([3., 2., 1., 2., 3.])
    """
    x = Array.lift(x)
    if mode not in PADDING:
        raise ValueError(f"unknown mode of pad {mode!r}; choose from: {', '.join(PADDING)}")
    if mode != "constant":
        return gather("pad", np.pad, x, pad_width=pad_width, mode=mode)
    kept = call_numpy("pad", np.pad, np.ones(x.shape, bool), pad_width=pad_width)
    settings = {"pad_width": pad_width, "constant_values": constant_values}
    constants = call_numpy("pad", np.pad, np.zeros(x.shape, x.dtype), **settings)
    out = SCATTER(x.reshape(-1), index=kept, shape=kept.shape)
    return out + constants if constants.any() else out


def diag(x: Any, k: int = 0) -> Array:
    """Return the k-th diagonal of a matrix, or a matrix with a vector on its k-th diagonal.

    >>> diag(Array([1.0, 2.0]))
    Array([[1., 0.],
           [0., 2.]])
    >>> diag(Array([[1.0, 2.0], [3.0, 4.0]]), 1)
    Array([2.])
    """
    x = Array.lift(x)
    if x.ndim != 1:
        return gather("diag", np.diag, x, k=k)
    kept = call_numpy("diag", np.diag, np.ones(x.shape, bool), k=k)
    return SCATTER(x, index=kept, shape=kept.shape)


def tril(x: Any, k: int = 0) -> Array:
    """Return a matrix, or a stack of matrices, with 0 above the k-th diagonal.

    >>> tril(Array([[1.0, 2.0], [3.0, 4.0]]))
    Array([[1., 0.],
           [3., 4.]])
    """
    return mask_matrix("tril", np.tril, x, k)


def triu(x: Any, k: int = 0) -> Array:
    """Return a matrix, or a stack of matrices, with 0 below the k-th diagonal.

    >>> triu(Array([[1.0, 2.0], [3.0, 4.0]]))
    Array([[1., 2.],
           [0., 4.]])
    """
    return mask_matrix("triu", np.triu, x, k)


def mask_matrix(name: str, f: Callable[..., Any], x: Any, k: int) -> Array:
    """Return x where a NumPy function keeps a matrix of ones, else 0."""
    x = Array.lift(x)
    if not x.ndim:
        raise TypeError(f"{name} expects at least one axis, got shape ()")
    return Array.apply(WHERE, call_numpy(name, f, np.ones(x.shape[-2:], bool), k=k), x, 0.0)


# -------------------------------------------------------------------------- one Array: reductions


@answer_keywords
def norm(x: Any, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return the Euclidean norm over one or several axes, without overflow; its slope at 0 is 0.

    For vectors, `ord` may be a positive number p, for the p-th root of the sum of |x|**p, inf, for
    the largest |x|, or -inf, for the smallest. For matrices it may be "fro", the default, 1 or -1,
    for the largest or smallest sum of |x| of a column, and inf or -inf for those of a row. Raises
    ValueError for other norms, such as matrix norms by singular values.

    >>> norm(Array([3.0, 4.0])), norm(Array([3.0, 4.0]), ord=1)
    (Array(5.), Array(7.))
    """
    x = Array.lift(x)
    axes = x.ndim if axis is None else np.size(axis)
    if ord is None or (ord == 2 and axes == 1) or (ord == "fro" and axes == 2):
        return Array.apply(NORM, x, axis=axis, keepdims=keepdims)
    sizes, is_number = abs(x), isinstance(ord, Real) and not isinstance(ord, bool)
    if axes == 1 and is_number and (ord > 0 or ord == -math.inf):
        if abs(ord) == math.inf:
            return (sizes.max if ord > 0 else sizes.min)(axis, keepdims)
        return sizes.sum(axis, keepdims) if ord == 1 else p_norm(sizes, ord, axis, keepdims)
    if axes == 2 and is_number and abs(ord) in (1, math.inf):
        pair = axis if isinstance(axis, tuple) else (0, 1)
        rows, columns = (normalize_axis("norm", x, i) for i in pair)
        added, other = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = sizes.sum(added, keepdims=True)
        out = (sums.max if ord > 0 else sums.min)(other, keepdims=True)
        return out if keepdims else out.squeeze((rows, columns))
    raise ValueError(
        "norm expects ord=None, a positive number, inf or -inf for vectors, and None, 'fro', 1, "
        f"-1, inf or -inf for matrices, got ord={ord!r}, axis={axis!r} for shape {x.shape}"
    )


def p_norm(sizes: Array, p: float, axis: Axis, keepdims: bool) -> Array:
    """Return the p-th root of the sum of the p-th powers of sizes, which are not negative.

    The sizes are divided by the largest, so that no power overflows. The slope at 0 is 0.
    """
    scale = sizes.data.max(axis, keepdims=True, initial=0.0)
    scale = np.where((scale > 0.0) & (scale < math.inf), scale, 1.0).astype(sizes.dtype)
    is_zero = sizes.data == 0.0
    powers = Array.apply(WHERE, is_zero, 0.0, Array.apply(WHERE, is_zero, 1.0, sizes / scale) ** p)
    sums = powers.sum(axis, keepdims=True)
    is_zero = sums.data == 0.0
    roots = Array.apply(WHERE, is_zero, 1.0, sums) ** (1.0 / p) * scale
    out = Array.apply(WHERE, is_zero, 0.0, roots)
    return out if keepdims else out.squeeze(0 if axis is None else axis)
