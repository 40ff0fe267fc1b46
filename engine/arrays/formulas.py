"""Formulas that rows for whole arrays share: for shapes, which have no slopes, and for numbers.

They use only rows and methods that nodes also have, so they can be differentiated. The letters are
those of `engine.arrays.rules`.
"""

import math
from numbers import Integral
from typing import Any

import numpy as np

from engine.arithmetic import *
from engine.arithmetic import dispatched
from engine.formulas import equal, sign, square

Axis = int | tuple[int, ...] | None
Shape = tuple[int, ...]

# ------------------------------------------------------------------------------------------ shapes


def unbroadcast(g: Any, shape: Shape) -> Any:
    """Undo broadcasting to `g.shape`: the transpose of repeating is summing.

    Raises ValueError if `shape` does not broadcast to `g.shape`.
    """
    if g.shape == shape:
        return g
    extra = tuple(range(g.ndim - len(shape)))
    out = g.sum(axis=extra) if extra else g
    repeated = tuple([i for i, n in enumerate(out.shape) if shape[i] == 1 != n])
    out = out.sum(axis=repeated, keepdims=True) if repeated else out
    if out.shape != shape:
        raise ValueError(
            f"expected a gradient of shape {shape} from a pullback, got shape {g.shape}"
        )
    return out


def axes_of(x: Any, axis: Axis) -> tuple[int, ...]:
    """Return the axes of a reduction as a tuple; None means all."""
    if axis is None or not x.ndim:  # NumPy lets a single number have a last axis
        return tuple(range(x.ndim))
    return axis if isinstance(axis, tuple) else (axis,)


def count(x: Any, axis: Axis) -> int:
    """Return the number of elements that a reduction combines into one."""
    return math.prod([x.shape[i] for i in axes_of(x, axis)])


def restore_axes(reduced: Any, x: Any, axis: Axis) -> Any:
    """Return a reduction of x, or its gradient, in a shape that broadcasts to that of x."""
    shape = list(x.shape)
    for i in axes_of(x, axis):
        shape[i] = 1
    return reduced.reshape(tuple(shape))


@dispatched
def broadcast_to(x: Any, shape: Shape) -> Any:
    return np.broadcast_to(x, shape)


@dispatched
def join(xs: Any, axis: int) -> Any:
    return np.concatenate(xs, axis)


@dispatched
def scatter(x: Any, index: Any, shape: Shape) -> Any:
    """Return zeros of a shape, with x added at an index."""
    out = np.zeros(shape, x.dtype)
    if all(map(selects_once, index if isinstance(index, tuple) else (index,))):
        out[index] += x  # 10 times as fast
    else:
        np.add.at(out, index, x)
    return out


@dispatched
def exact_sum(x: Any) -> float:
    """Return the sum of the numbers in an array, rounded once."""
    return math.fsum(x)


def selects_once(index: Any) -> bool:
    """Return whether an index can select no element twice: a slice, an integer, a mask."""
    is_mask = isinstance(index, np.ndarray) and index.dtype == bool
    return is_mask or index is None or index is ... or isinstance(index, slice | Integral)


def reverse(x: Any, axis: int) -> Any:
    """Return x with the elements along an axis in reverse order."""
    return x[(slice(None),) * (axis % x.ndim) + (slice(None, None, -1),)]


def inverse(axes: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """Return the permutation of axes that undoes another."""
    return axes and tuple(sorted(range(len(axes)), key=lambda i: axes[i] % len(axes)))


def as_matrix(x: Any) -> Any:
    """Return x as a matrix whose rows are its last axis."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def transpose_last(x: Any) -> Any:
    return x.swapaxes(-1, -2)


def as_row(x: Any) -> Any:
    return x[None, :] if x.ndim == 1 else x


def as_column(x: Any) -> Any:
    return x[:, None] if x.ndim == 1 else x


def matrix_gradient(g: Any, x: Any, y: Any) -> Any:
    """Return the gradient of x @ y, with an axis added for each of x and y that is a vector."""
    g = g[..., None] if y.ndim == 1 else g
    return g[..., None, :] if x.ndim == 1 else g


def linear(x, w, b):
    """Return x wᵀ + b; x is (..., inputs), w is (outputs, inputs), b is (outputs,)."""
    out = x @ w.T
    out += b  # in place: nothing else refers to the product
    return out


def matmul_x(g, out, x, y):
    """Return g yᵀ."""
    product = matrix_gradient(g, x, y) @ transpose_last(as_column(y))
    return product[..., 0, :] if x.ndim == 1 else product


def matmul_y(g, out, x, y):
    """Return xᵀ g."""
    product = transpose_last(as_row(x)) @ matrix_gradient(g, x, y)
    return product[..., 0] if y.ndim == 1 else product


def part_of_input(g: Any, i: int, axis: int, xs: Any) -> Any:
    """Return the part of a concatenation's gradient that belongs to its i-th input."""
    start = sum(x.shape[axis] for x in xs[:i])
    stop = start + xs[i].shape[axis]
    return g[(slice(None),) * (axis % g.ndim) + (slice(start, stop),)]


# ---------------------------------------------------------------------------------------- formulas


def one_hot(index: np.ndarray, n: int, axis: int = -1) -> np.ndarray:
    """Return an array with a new axis of length n that is True at each index, False elsewhere.

    >>> one_hot(np.array([2, 0]), 3)
    array([[False, False,  True],
           [ True, False, False]])
    """
    out = index[..., None] == np.arange(n)
    return out if axis == -1 else np.moveaxis(out, -1, axis)


@dispatched
def share_of_largest(x, out, axis):
    """Return 1 at the largest element; equal parts at a tie, as for maximum(x, y)."""
    largest = where(x == restore_axes(out, x, axis), 1.0, 0.0)
    return largest / largest.sum(axis=axis, keepdims=True)


def max_or_none(x, axis):
    """Return the largest elements, in a shape that broadcasts to that of x; -inf for none."""
    return x.max(axis=axis, keepdims=True, initial=-math.inf)


@dispatched
def softmax(x, axis=-1):
    """Return exp(x) over its sum, computed relative to the largest x so that nothing overflows."""
    largest = max_or_none(x, axis)
    e = where(x >= largest, 1.0, exp(x - largest))  # inf - inf is nan
    return e / e.sum(axis=axis, keepdims=True)


def share_gradient(g, out, axis):
    """Return out * (g - mean), the mean of g weighted by out: the pullback of softmax.

    Adding a number to all g changes nothing, so g is taken relative to its value at the largest
    out. The factor 1 - out of the largest is then the sum of the other outs, without cancellation.
    """
    if not out.size:
        return g
    largest = share_of_largest(out, out.max(axis=axis), axis)
    g = g - (g * largest).sum(axis=axis, keepdims=True)
    return out * (g - (g * out).sum(axis=axis, keepdims=True))


def log_of_sum(x, largest, axis):
    """Return log Σ exp(x - largest) as log1p(rest), where 1 + rest may round to 1."""
    is_largest = x >= largest
    rest = where(is_largest, 0.0, exp(x - largest)).sum(axis=axis, keepdims=True)
    return log1p(rest + (where(is_largest, 1.0, 0.0).sum(axis=axis, keepdims=True) - 1.0))


def logsumexp(x, axis=-1, keepdims=False):
    """Return the largest x + log Σ exp(x - largest); -inf for no elements."""
    largest = max_or_none(x, axis)
    out = where(abs(largest) < math.inf, largest + log_of_sum(x, largest, axis), largest)
    return out if keepdims else out.squeeze(axes_of(x, axis))


def log_softmax(x, axis=-1):
    """Return x - logsumexp(x), computed relative to the largest x, whose result may be near 0."""
    largest = max_or_none(x, axis)
    return where(x >= largest, 0.0, x - largest) - log_of_sum(x, largest, axis)


def log_softmax_pullback(g, x, axis):
    """Return g - p Σ g for p = softmax(x), as (1 - p) g - p (Σ g - g).

    Only one p can exceed 1/2; its 1 - p is the sum of the others, without cancellation.
    """
    p = softmax(x, axis)
    others = where(p > 0.5, 0.0, p).sum(axis=axis, keepdims=True)
    rest = where(p > 0.5, others, 1.0 - p)
    return rest * g - p * (g.sum(axis=axis, keepdims=True) - g)


def norm(x, axis=None, keepdims=False):
    """Return √Σx². A power of 2 scales x, so that no square overflows or underflows."""
    largest = abs(x).max(axis=axis, keepdims=True, initial=0.0)
    scale = np.ldexp(x.dtype.type(0.5), np.frexp(largest)[1])
    out = scale * sqrt(square(x / scale).sum(axis=axis, keepdims=True))
    return out if keepdims else out.squeeze(axes_of(x, axis))


def norm_slope(out, x):
    """Return x / out; 0 where out is 0, and the sign of an infinite x."""
    is_zero = equal(out, 0.0)
    ratio = divide(x, where(is_zero, 1.0, out))
    return where(is_zero, 0.0, where(abs(x) >= math.inf, sign(x), ratio))


def products_before(x):
    """Return the products 1, x1, x1 x2, ... along the last axis, without that of all."""
    one = np.ones((*x.shape[:-1], 1), x.dtype)
    return join([one, x[..., :-1].cumprod(-1)], -1)


def product_of_others(x, axis):
    """Return for each element the product of the others: there is no division by an element."""
    if not x.size:
        return x
    reduced = [i % x.ndim for i in axes_of(x, axis)]
    order = (*[i for i in range(x.ndim) if i not in reduced], *reduced)
    moved = x.transpose(order)
    rows = moved.reshape((*moved.shape[: x.ndim - len(reduced)], count(x, axis)))
    others = products_before(rows) * products_before(rows[..., ::-1])[..., ::-1]
    return others.reshape(moved.shape).transpose(inverse(order))


def cumprod_pullback(g, x, axis):
    """Return (x1 ... x(i-1)) s(i), where s(i) = g(i) + x(i+1) s(i+1): no division by an element.

    Each step doubles the length of the sums in s (Hillis and Steele 1986, "Data parallel
    algorithms").
    """
    if not x.size:
        return g
    x, s, n = x.swapaxes(axis, -1), g.swapaxes(axis, -1), x.shape[axis]
    factors, step = x[..., 1:], 1  # the products of `step` factors
    while step < n:
        s = join([s[..., :-step] + factors * s[..., step:], s[..., -step:]], -1)
        factors = factors[..., :-step] * factors[..., step:]
        step *= 2
    return (products_before(x) * s).swapaxes(axis, -1)


def cross_entropy(x, Y):
    """Return -log softmax(x) at the label: log(1 + Σ exp(d)), d = other logits - label's logit.

    The sum is computed relative to the largest d, or to 0 if that is larger. The 1 then becomes
    exp(-largest), which enters the argument of log1p as expm1(-largest). This is 0 where the
    label's logit is the largest, so a small loss keeps its digits.
    """
    label = where(Y, x, 0.0).sum(axis=-1, keepdims=True)
    d = where(equal(x, label), 0.0, x - label)  # inf - inf is nan
    d = where(Y, -math.inf, d)
    largest = d.max(axis=-1, keepdims=True)
    largest = where(largest <= 0.0, 0.0, largest)
    others: Any = exp(d - largest)
    rest = others.sum(axis=-1, keepdims=True) + expm1(-largest)
    return where(largest < math.inf, largest + log1p(rest), largest).squeeze(-1)


def soft_cross_entropy(x, Y):
    """Return -Σ Y log softmax(x), the sum of Y (logsumexp(d) - d) for d = x - largest x.

    logsumexp(d) and -d are 0 or more, as Y is, so no terms cancel.
    """
    largest = x.max(axis=-1, keepdims=True)
    d = where(x >= largest, 0.0, x - largest)  # inf - inf is nan
    Y = Y.astype(x.dtype, copy=False)
    return (Y * where(Y > 0.0, logsumexp(d, keepdims=True) - d, 0.0)).sum(axis=-1)


def predicted_minus_targets(x, Y):
    """Return softmax(x) ΣY - Y, from the sums of the others: p (ΣY - Y) - Y (1 - p)."""
    p, Y = softmax(x), Y.astype(x.dtype, copy=False)
    return p * sum_of_others(Y) - Y * sum_of_others(p)


def sum_of_others(x):
    """Return the sum of the other elements along the last axis, without cancellation, if x >= 0."""
    is_largest = one_hot(x.argmax(axis=-1), x.shape[-1])
    rest = where(is_largest, 0.0, x).sum(axis=-1, keepdims=True)
    return where(is_largest, rest, x.sum(axis=-1, keepdims=True) - x)


def predicted_minus_target(x, Y):
    """Return softmax(x) - Y; softmax - 1 at the label is minus the sum of the others."""
    others = where(Y, 0.0, softmax(x))
    return where(Y, -others.sum(axis=-1, keepdims=True), others)
