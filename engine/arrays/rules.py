"""Rows for whole arrays: an operation that mixes elements has pullbacks for local derivatives.

A row of `engine.rules` works on each element separately, so its local derivative is one number per
element. An operation that mixes elements, such as a matrix product, a sum or an index, has a matrix
for its derivative, which is far too large to compute. The backward pass needs only its product with
the upstream gradient g: the vector-Jacobian product, or pullback.

    g       the upstream gradient        x, y, w, b           the inputs
    out     the result, of g's shape     axis, shape, ...     settings, which have no gradient

A pullback may return a larger shape than its input's: `unbroadcast` sums over what broadcasting
repeated. Pullbacks use only rows and methods that nodes also have, so they can be differentiated in
turn. The transpose of a sum is a broadcast; the transpose of indexing is scattering.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.arrays.einsum import einsum, einsum_pullback
from engine.arrays.formulas import *
from engine.rules import Op


class ArrayOp(Op):
    """An operation on whole arrays: a formula, and a pullback for each input.

    forward     x, y, ..., settings          -> out
    pullbacks   g, out, x, y, ..., settings  -> the gradient of the input

    A row with `many` accepts any number of inputs. It has one pullback, whose first argument is i,
    the index of the input.

    A node keeps its row with the settings filled in: `op.settings` are the settings, `op.row` is
    the row without them.

    >>> SUM.forward(np.ones((2, 3)), axis=0)
    array([2., 2., 2.])
    """

    __slots__ = ("many", "row", "settings")
    _expected = "an Array among its inputs"

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

    def _check_arguments(self) -> None:
        """Skip the check, because a row's arguments also include settings."""

    def with_settings(self, **settings: Any) -> "ArrayOp":
        """Return this row with its axis, shape or index filled in.

        >>> SUM.with_settings(axis=0, keepdims=False).settings
        {'axis': 0, 'keepdims': False}
        """
        op = type(self)(self.name, self.forward, *self.partials, many=self.many)
        op.row, op.settings = self, settings
        return op

    def pull(
        self, i: int, g: Any, out: Any, inputs: Sequence[Any], settings: dict[str, Any]
    ) -> Any:
        """Return the contribution to input i for a gradient g at `out`.

        >>> x = np.ones((2, 3))
        >>> SUM.pull(0, np.array([1.0, 2.0]), None, [x], {"axis": 1, "keepdims": False})
        array([[1., 1., 1.],
               [2., 2., 2.]])
        """
        if self.many:
            return self.partials[0](i, g, out, *inputs, **settings)
        return self.partials[i](g, out, *inputs, **settings)

    def __repr__(self) -> str:
        settings = [f"{name}={format_setting(x)}" for name, x in self.settings.items()]
        return f"Op({', '.join([repr(self.name), *settings])})"

    def __reduce__(self) -> Any:
        if ARRAY_TABLE.get(self.name) is not self.row:
            raise TypeError(
                f"operation {self.name!r} is not in engine.arrays.rules.ARRAY_TABLE, so a saved "
                f"graph could not be loaded; add it with ARRAY_TABLE[{self.name!r}] = ..."
            )
        return array_row, (self.name, self.settings)


def array_row(name: str, settings: dict[str, Any]) -> ArrayOp:
    """Return the row with this name and settings. Raises ValueError if there is none."""
    if name not in ARRAY_TABLE:
        raise ValueError(f"no operation {name!r} in engine.arrays.rules.ARRAY_TABLE")
    return ARRAY_TABLE[name].with_settings(**settings) if settings else ARRAY_TABLE[name]


array_op = array_row  # pickles of earlier commits name it


def format_setting(x: Any) -> str:
    """Return the repr of a setting; for an array, only its shape."""
    return f"<{x.shape}>" if isinstance(x, np.ndarray) else repr(x)


# ------------------------------------------------------------------------------------- the table
# fmt: off

MATMUL = ArrayOp("@",      lambda x, y: x @ y,           matmul_x,  matmul_y)
LINEAR = ArrayOp("linear", linear,  # a layer before its activation: w is (outputs, inputs)
                 lambda g, out, x, w, b: g @ w,
                 lambda g, out, x, w, b: as_matrix(g).T @ as_matrix(x),
                 lambda g, out, x, w, b: g)

SUM  = ArrayOp("sum",  lambda x, axis=None, keepdims=False: x.sum(axis=axis, keepdims=keepdims),
               lambda g, out, x, axis=None, keepdims=False: broadcast_to(restore_axes(g, x, axis), x.shape))
MEAN = ArrayOp("mean", lambda x, axis=None, keepdims=False: x.sum(axis=axis, keepdims=keepdims) / count(x, axis),   # nan for no elements
               lambda g, out, x, axis=None, keepdims=False: broadcast_to(restore_axes(g, x, axis) / count(x, axis), x.shape))
MAX  = ArrayOp("max",  lambda x, axis=None, keepdims=False: x.max(axis=axis, keepdims=keepdims),
               lambda g, out, x, axis=None, keepdims=False: restore_axes(g, x, axis) * share_of_largest(x, out, axis))
MIN  = ArrayOp("min",  lambda x, axis=None, keepdims=False: x.min(axis=axis, keepdims=keepdims),
               lambda g, out, x, axis=None, keepdims=False: restore_axes(g, x, axis) * share_of_largest(x, out, axis))

PROD = ArrayOp("prod", lambda x, axis=None, keepdims=False: x.prod(axis=axis, keepdims=keepdims),
               lambda g, out, x, axis=None, keepdims=False: restore_axes(g, x, axis) * product_of_others(x, axis))
NORM = ArrayOp("norm", norm,   # slope 0 at 0
               lambda g, out, x, axis=None, keepdims=False: broadcast_to(restore_axes(g, x, axis), x.shape) * norm_slope(restore_axes(out, x, axis), x))
CUMSUM  = ArrayOp("cumsum",  lambda x, axis: x.cumsum(axis),   lambda g, out, x, axis: reverse(reverse(g, axis).cumsum(axis), axis))
CUMPROD = ArrayOp("cumprod", lambda x, axis: x.cumprod(axis),  lambda g, out, x, axis: cumprod_pullback(g, x, axis))
EINSUM  = ArrayOp("einsum",  lambda *xs, subscripts: einsum(subscripts, *xs),  einsum_pullback, many=True)

RESHAPE      = ArrayOp("reshape",      lambda x, shape: x.reshape(shape),          lambda g, out, x, shape: g.reshape(x.shape))
TRANSPOSE    = ArrayOp("transpose",    lambda x, axes=None: x.transpose(axes),     lambda g, out, x, axes=None: g.transpose(inverse(axes)))
SWAPAXES     = ArrayOp("swapaxes",     lambda x, first, second: x.swapaxes(first, second),  lambda g, out, x, first, second: g.swapaxes(first, second))
SQUEEZE      = ArrayOp("squeeze",      lambda x, axis=None: x.squeeze(axis),       lambda g, out, x, axis=None: g.reshape(x.shape))
BROADCAST_TO = ArrayOp("broadcast_to", lambda x, shape: broadcast_to(x, shape),    lambda g, out, x, shape: g)
GETITEM      = ArrayOp("getitem",      lambda x, index: x[index],                  lambda g, out, x, index: scatter(g, index, x.shape))
SCATTER      = ArrayOp("scatter",      lambda x, index, shape: scatter(x, index, shape),  lambda g, out, x, index, shape: g[index])
ASTYPE       = ArrayOp("astype",       lambda x, dtype: x.astype(dtype),           lambda g, out, x, dtype: g.astype(x.dtype))
CONCATENATE  = ArrayOp("concatenate",  lambda *xs, axis=0: np.concatenate(xs, axis=axis),
                       lambda i, g, out, *xs, axis=0: part_of_input(g, i, axis, xs), many=True)

SOFTMAX   = ArrayOp("softmax",   lambda x, axis=-1: softmax(x, axis),
                    lambda g, out, x, axis=-1: share_gradient(g, out, axis))
LOGSUMEXP = ArrayOp("logsumexp", lambda x, axis=-1, keepdims=False: logsumexp(x, axis, keepdims),
                    lambda g, out, x, axis=-1, keepdims=False: restore_axes(g, x, axis) * softmax(x, axis))
LOG_SOFTMAX = ArrayOp("log_softmax", lambda x, axis=-1: log_softmax(x, axis),
                      lambda g, out, x, axis=-1: log_softmax_pullback(g, x, axis))
CROSS_ENTROPY = ArrayOp("cross_entropy", lambda x, Y: cross_entropy(x, Y),   # Y is one-hot; one loss a row of x
                        lambda g, out, x, Y: g[..., None] * predicted_minus_target(x, Y))
SOFT_CROSS_ENTROPY = ArrayOp("soft_cross_entropy", lambda x, Y: soft_cross_entropy(x, Y),   # Y >= 0: the weights of -log softmax(x)
                             lambda g, out, x, Y: g[..., None] * predicted_minus_targets(x, Y))

# fmt: on

ARRAY_TABLE: dict[str, ArrayOp] = {
    op.name: op for op in list(vars().values()) if isinstance(op, ArrayOp)
}
