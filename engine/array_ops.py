"""Rows for whole arrays: an operation that mixes elements has pullbacks for local derivatives.

A row of `engine.ops` works on each element alone, so that its local derivative is a number beside
each element. An operation that mixes elements, a matrix product, a sum, a choice of some, has a
matrix there, far too large to be written down. All that backward asks of that matrix is what it
makes of the gradient g that arrived: the vector-Jacobian product, or pullback.

    g       the gradient that arrived       x, y, w, b           the inputs
    out     the result, of g's shape        axis, shape, ...     settings, which have no gradient

A pullback may give more than its input's shape: `unbroadcast` sums what broadcasting repeated. The
pullbacks are made of rows and of methods that nodes have too, so that they can be differentiated in
turn: the transpose of a sum is a broadcast, that of taking elements is scattering them.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from engine.floats import *
from engine.ops import Op


class ArrayOp(Op):
    """An operation on whole arrays: a formula, and a pullback for each input.

    forward     x, y, ..., settings          -> out
    pullbacks   g, out, x, y, ..., settings  -> the gradient of the input

    A row that takes any number of inputs (`many`) has one pullback, which is told i, the input's
    place, before the rest.

    >>> SUM.forward(np.ones((2, 3)), axis=0)
    array([2., 2., 2.])
    """

    __slots__ = ("many", "row", "settings")

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any],
        *pullbacks: Callable[..., Any],
        many: bool = False,
    ):
        super().__init__(name, forward, *pullbacks)
        self.many = many
        self.row: ArrayOp = self
        self.settings: dict[str, Any] = {}

    def with_settings(self, **settings: Any) -> "ArrayOp":
        """This row with its axis, shape or index filled in, as a node keeps it."""
        op = self.made_of(self.forward, *self.partials)
        op.row, op.settings = self, settings
        return op

    def made_of(self, forward: Callable[..., Any], *partials: Callable[..., Any]) -> "ArrayOp":
        return type(self)(self.name, forward, *partials, many=self.many)

    def pull(self, i: int, g: Any, out: Any, inputs: Any, settings: dict[str, Any]) -> Any:
        """What the gradient g at `out` sends to input i."""
        if self.many:
            return self.partials[0](i, g, out, *inputs, **settings)
        return self.partials[i](g, out, *inputs, **settings)

    def __call__(self, *args: Any, **settings: Any) -> Any:
        for each in args:
            if hasattr(each, "apply"):
                return each.apply(self, *args, **settings)
        raise TypeError(f"{self.name} takes an Array among its inputs, got {args}")

    def __repr__(self) -> str:
        shown = [f"{name}={described(x)}" for name, x in self.settings.items()]
        return f"Op({', '.join([repr(self.name), *shown])})"

    def __reduce__(self) -> Any:
        if ARRAY_TABLE.get(self.name) is not self.row:
            return super().__reduce__()
        return array_op, (self.name, self.settings)


def array_op(name: str, settings: dict[str, Any]) -> ArrayOp:
    """The row of that name, with its settings; ValueError where there is none."""
    if name not in ARRAY_TABLE:
        raise ValueError(f"no operation {name!r} in engine.array_ops.ARRAY_TABLE")
    return ARRAY_TABLE[name].with_settings(**settings) if settings else ARRAY_TABLE[name]


def described(setting: Any) -> str:
    return f"<{setting.shape}>" if isinstance(setting, np.ndarray) else repr(setting)


# ------------------------------------------------------------------- what rows are made of: shapes


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Undo broadcasting: the transpose of repeating is summing."""
    if g.shape == shape:
        return g
    extra = g.ndim - len(shape)
    repeated = [i for i, n in enumerate(shape, extra) if n == 1 and g.shape[i] != 1]
    return g.sum(axis=(*range(extra), *repeated)).reshape(shape)


def axes_of(x: Any, axis: Any) -> tuple[int, ...]:
    """The axes that a reduction goes over, None meaning all."""
    return tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)


def beside(reduced: Any, x: Any, axis: Any) -> Any:
    """What a reduction left of x, in a shape that broadcasts against x."""
    shape = list(x.shape)
    for i in axes_of(x, axis):
        shape[i] = 1
    return reduced.reshape(tuple(shape))


def broadcast_to(x: Any, shape: tuple[int, ...]) -> Any:
    return np.broadcast_to(x, shape)


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
    return x.reshape(-1, x.shape[-1])


def swapped(x: Any) -> Any:
    return x.swapaxes(-1, -2)


def row(x: Any) -> Any:
    return x[None, :] if x.ndim == 1 else x


def column(x: Any) -> Any:
    return x[:, None] if x.ndim == 1 else x


def between(g: Any, x: Any, y: Any) -> Any:
    """The gradient at x @ y with the axis back that a vector x or y lacks."""
    g = g[..., None] if y.ndim == 1 else g
    return g[..., None, :] if x.ndim == 1 else g


def matmul_x(g, out, x, y):
    found = between(g, x, y) @ swapped(column(y))  # g y^T
    return found[..., 0, :] if x.ndim == 1 else found


def matmul_y(g, out, x, y):
    found = swapped(row(x)) @ between(g, x, y)  # x^T g
    return found[..., 0] if y.ndim == 1 else found


def along(x: Any, g: Any, i: int, axis: int, xs: Any) -> Any:
    """The part of a concatenation's gradient that belongs to its i-th input."""
    start = sum(each.shape[axis] for each in xs[:i])
    return part(g, axis, start, start + x.shape[axis])


# ----------------------------------------------------------------- what rows are made of: formulas


def one_hot(index: np.ndarray, n: int) -> np.ndarray:
    """True at each index of n, along a new last axis, False elsewhere.

    >>> one_hot(np.array([2, 0]), 3)
    array([[False, False,  True],
           [ True, False, False]])
    """
    return index[..., None] == np.arange(n)


def share_of_largest(x, out, axis):
    """1 at the largest; where several are, equal parts, as for maximum(x, y)."""
    largest = where(x == beside(out, x, axis), 1.0, 0.0)
    return largest / largest.sum(axis=axis, keepdims=True)


def softmax(x, axis=-1):
    """exp(x) over its sum, relative to the largest: nothing overflows."""
    e: Any = exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def logsumexp(x, axis=-1, keepdims=False):
    """The largest + log1p(the rest): the rest may be too small to change 1 + rest."""
    largest = x.max(axis=axis, keepdims=True)
    is_first = np.moveaxis(one_hot(x.argmax(axis=axis), x.shape[axis]), -1, axis)
    rest = where(is_first, 0.0, exp(x - largest)).sum(axis=axis, keepdims=True)
    out = where(abs(largest) < math.inf, largest + log1p(rest), largest)
    return out if keepdims else out.squeeze(axis)


def cross_entropy(x, Y):
    """-log of the label's share. Its logit is taken off first: neither a common offset nor a share
    of nearly all then costs digits."""
    return logsumexp(x - where(Y, x, 0.0).sum(axis=-1, keepdims=True))


def predicted_minus_target(x, Y):
    """A - Y, A = softmax(x); share - 1 of the label is minus the others' sum, uncancelled."""
    others = where(Y, 0.0, softmax(x))
    return where(Y, -others.sum(axis=-1, keepdims=True), others)


# ------------------------------------------------------------------------------------- the table
# fmt: off

MATMUL = ArrayOp("@",      lambda x, y: x @ y,           matmul_x,  matmul_y)
LINEAR = ArrayOp("linear", lambda x, w, b: x @ w.T + b,  # a layer before its activation: w is (outputs, inputs)
                 lambda g, out, x, w, b: g @ w,
                 lambda g, out, x, w, b: matrix(g).T @ matrix(x),
                 lambda g, out, x, w, b: g)

SUM  = ArrayOp("sum",  lambda x, axis=None, keepdims=False: x.sum(axis=axis, keepdims=keepdims),
               lambda g, out, x, axis=None, keepdims=False: broadcast_to(beside(g, x, axis), x.shape))
MEAN = ArrayOp("mean", lambda x, axis=None, keepdims=False: x.mean(axis=axis, keepdims=keepdims),
               lambda g, out, x, axis=None, keepdims=False: broadcast_to(beside(g, x, axis) / (x.size / max(out.size, 1)), x.shape))
MAX  = ArrayOp("max",  lambda x, axis=None, keepdims=False: x.max(axis=axis, keepdims=keepdims),
               lambda g, out, x, axis=None, keepdims=False: beside(g, x, axis) * share_of_largest(x, out, axis))
MIN  = ArrayOp("min",  lambda x, axis=None, keepdims=False: x.min(axis=axis, keepdims=keepdims),
               lambda g, out, x, axis=None, keepdims=False: beside(g, x, axis) * share_of_largest(x, out, axis))

RESHAPE      = ArrayOp("reshape",      lambda x, shape: x.reshape(shape),          lambda g, out, x, shape: g.reshape(x.shape))
TRANSPOSE    = ArrayOp("transpose",    lambda x, axes=None: x.transpose(axes),     lambda g, out, x, axes=None: g.transpose(inverse(axes)))
BROADCAST_TO = ArrayOp("broadcast_to", lambda x, shape: broadcast_to(x, shape),    lambda g, out, x, shape: g)
GETITEM      = ArrayOp("getitem",      lambda x, index: x[index],                  lambda g, out, x, index: scatter(g, index, x.shape))
SCATTER      = ArrayOp("scatter",      lambda x, index, shape: scatter(x, index, shape),  lambda g, out, x, index, shape: g[index])
ASTYPE       = ArrayOp("astype",       lambda x, dtype: x.astype(dtype),           lambda g, out, x, dtype: g.astype(x.dtype))
CONCATENATE  = ArrayOp("concatenate",  lambda *xs, axis=0: np.concatenate(xs, axis=axis),
                       lambda i, g, out, *xs, axis=0: along(xs[i], g, i, axis, xs), many=True)

SOFTMAX   = ArrayOp("softmax",   lambda x, axis=-1: softmax(x, axis),
                    lambda g, out, x, axis=-1: out * (g - (g * out).sum(axis=axis, keepdims=True)))
LOGSUMEXP = ArrayOp("logsumexp", lambda x, axis=-1, keepdims=False: logsumexp(x, axis, keepdims),
                    lambda g, out, x, axis=-1, keepdims=False: beside(g, x, axis) * softmax(x, axis))
CROSS_ENTROPY = ArrayOp("cross_entropy", lambda x, Y: cross_entropy(x, Y),   # Y is one-hot; one loss a row of x
                        lambda g, out, x, Y: g[..., None] * predicted_minus_target(x, Y))

# fmt: on

ARRAY_TABLE: dict[str, ArrayOp] = {
    op.name: op for op in list(vars().values()) if isinstance(op, ArrayOp)
}
