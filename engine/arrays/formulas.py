"""Formulas that rows for whole arrays share: of shapes, which have no slopes, and of numbers.

They are made of rows and of methods that nodes have too, so that they can be differentiated.
"""

import math
from typing import Any

import numpy as np

from engine.arithmetic import *
from engine.arithmetic import dispatched

# ------------------------------------------------------------------------------------------ shapes


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Undo broadcasting: the transpose of repeating is summing.

    ValueError for a g that is not of that shape broadcast.
    """
    if g.shape == shape:
        return g
    extra = tuple(range(g.ndim - len(shape)))
    found = g.sum(axis=extra) if extra else g
    repeated = tuple([i for i, n in enumerate(found.shape) if shape[i] == 1 != n])
    found = found.sum(axis=repeated, keepdims=True) if repeated else found
    if found.shape != shape:
        raise ValueError(f"a pullback gave shape {g.shape} for an input of shape {shape}")
    return found


def axes_of(x: Any, axis: Any) -> tuple[int, ...]:
    """The axes that a reduction goes over, None meaning all."""
    if axis is None or not x.ndim:  # NumPy lets a single number have a last axis
        return tuple(range(x.ndim))
    return axis if isinstance(axis, tuple) else (axis,)


def count(x: Any, axis: Any) -> int:
    """How many elements a reduction makes one of."""
    return math.prod([x.shape[i] for i in axes_of(x, axis)])


def beside(reduced: Any, x: Any, axis: Any) -> Any:
    """What a reduction left of x, in a shape that broadcasts against x."""
    shape = list(x.shape)
    for i in axes_of(x, axis):
        shape[i] = 1
    return reduced.reshape(tuple(shape))


@dispatched
def broadcast_to(x: Any, shape: tuple[int, ...]) -> Any:
    return np.broadcast_to(x, shape)


@dispatched
def scatter(x: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """Zeros, but for x added up at the places of an index."""
    out = np.zeros(shape, x.dtype)
    np.add.at(out, index, x)
    return out


def inverse(axes: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """The order of axes that undoes one."""
    return axes and tuple(sorted(range(len(axes)), key=lambda i: axes[i] % len(axes)))


def part(x: Any, axis: int, start: int, stop: int) -> Any:
    """x[..., start:stop, ...] along an axis."""
    return x[(slice(None),) * (axis % x.ndim) + (slice(start, stop),)]


def matrix(x: Any) -> Any:
    """x as rows of its last axis: whatever stands before counts samples."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def swapped(x: Any) -> Any:
    return x.swapaxes(-1, -2)


def as_row(x: Any) -> Any:
    return x[None, :] if x.ndim == 1 else x


def as_column(x: Any) -> Any:
    return x[:, None] if x.ndim == 1 else x


def between(g: Any, x: Any, y: Any) -> Any:
    """The gradient at x @ y with the axis back that a vector x or y lacks."""
    g = g[..., None] if y.ndim == 1 else g
    return g[..., None, :] if x.ndim == 1 else g


def linear(x, w, b):
    out = x @ w.T
    out += b  # in place: the product is nobody else's
    return out


def matmul_x(g, out, x, y):
    found = between(g, x, y) @ swapped(as_column(y))  # g y^T
    return found[..., 0, :] if x.ndim == 1 else found


def matmul_y(g, out, x, y):
    found = swapped(as_row(x)) @ between(g, x, y)  # x^T g
    return found[..., 0] if y.ndim == 1 else found


def along(x: Any, g: Any, i: int, axis: int, xs: Any) -> Any:
    """The part of a concatenation's gradient that belongs to its i-th input."""
    start = sum(each.shape[axis] for each in xs[:i])
    return part(g, axis, start, start + x.shape[axis])


# ---------------------------------------------------------------------------------------- formulas


def one_hot(index: np.ndarray, n: int, axis: int = -1) -> np.ndarray:
    """True at each index of n, along a new axis, False elsewhere.

    >>> one_hot(np.array([2, 0]), 3)
    array([[False, False,  True],
           [ True, False, False]])
    """
    found = index[..., None] == np.arange(n)
    return found if axis == -1 else np.moveaxis(found, -1, axis)


@dispatched
def share_of_largest(x, out, axis):
    """1 at the largest; where several are, equal parts, as for maximum(x, y)."""
    largest = where(x == beside(out, x, axis), 1.0, 0.0)
    return largest / largest.sum(axis=axis, keepdims=True)


@dispatched
def softmax(x, axis=-1):
    """exp(x) over its sum, relative to the largest: nothing overflows."""
    largest = x.max(axis=axis, keepdims=True)
    e = where(x >= largest, 1.0, exp(x - largest))  # inf - inf is nan
    return e / e.sum(axis=axis, keepdims=True)


def share_gradient(g, out, axis):
    """out * (g - the mean of g, weighted by out). As adding a number to all of g changes nothing,
    g is taken from its value at the largest share: 1 - share is then the others' sum, uncancelled.
    """
    largest = share_of_largest(out, out.max(axis=axis), axis)
    g = g - (g * largest).sum(axis=axis, keepdims=True)
    return out * (g - (g * out).sum(axis=axis, keepdims=True))


def logsumexp(x, axis=-1, keepdims=False):
    """The largest + log1p(the rest): the rest may be too small to change 1 + rest."""
    largest = x.max(axis=axis, keepdims=True)
    is_first = one_hot(x.argmax(axis=axis), x.shape[axis], axis)
    rest = where(is_first, 0.0, exp(x - largest)).sum(axis=axis, keepdims=True)
    out = where(abs(largest) < math.inf, largest + log1p(rest), largest)
    return out if keepdims else out.squeeze(axis)


def cross_entropy(x, Y):
    """-log of the label's share: log(1 + the sum of exp(d)), d the other logits less the label's.

    Relative to the largest d, or to 0 if that is larger. The 1 is then exp(-largest), of which
    log1p's argument keeps expm1(-largest): 0 where the label leads, so that no small loss is lost.
    """
    d = where(Y, -math.inf, x - x[Y].reshape((*x.shape[:-1], 1)))
    largest = d.max(axis=-1, keepdims=True)
    largest = where(largest <= 0.0, 0.0, largest)
    others: Any = exp(d - largest)
    rest = others.sum(axis=-1, keepdims=True) + expm1(-largest)
    return where(largest < math.inf, largest + log1p(rest), largest).squeeze(-1)


def predicted_minus_target(x, Y):
    """A - Y, A = softmax(x); share - 1 of the label is minus the others' sum, uncancelled."""
    others = where(Y, 0.0, softmax(x))
    return where(Y, -others.sum(axis=-1, keepdims=True), others)
