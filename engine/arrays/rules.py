"""Rows for whole arrays: an operation that mixes elements has pullbacks for local derivatives.

A row of `engine.rules` works on each element alone, so that its local derivative is a number beside
each element. An operation that mixes elements, a matrix product, a sum, a choice of some, has a
matrix there, far too large to be written down. All that backward asks of that matrix is what it
makes of the gradient g that arrived: the vector-Jacobian product, or pullback.

    g       the gradient that arrived       x, y, w, b           the inputs
    out     the result, of g's shape        axis, shape, ...     settings, which have no gradient

A pullback may give more than its input's shape: `unbroadcast` sums what broadcasting repeated. The
pullbacks are made of rows and of methods that nodes have too, so that they can be differentiated in
turn: the transpose of a sum is a broadcast, that of taking elements is scattering them.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from engine.arrays.formulas import *
from engine.rules import Op


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
    needs = "an Array among its inputs"

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
        """Settings are named, so that there are more arguments than inputs."""

    def with_settings(self, **settings: Any) -> "ArrayOp":
        """This row with its axis, shape or index filled in, as a node keeps it."""
        op = type(self)(self.name, self.forward, *self.partials, many=self.many)
        op.row, op.settings = self, settings
        return op

    def pull(self, i: int, g: Any, out: Any, inputs: Any, settings: dict[str, Any]) -> Any:
        """What the gradient g at `out` sends to input i."""
        if self.many:
            return self.partials[0](i, g, out, *inputs, **settings)
        return self.partials[i](g, out, *inputs, **settings)

    def __repr__(self) -> str:
        shown = [f"{name}={described(x)}" for name, x in self.settings.items()]
        return f"Op({', '.join([repr(self.name), *shown])})"

    def __reduce__(self) -> Any:
        if ARRAY_TABLE.get(self.name) is not self.row:
            raise TypeError(
                f"operation {self.name!r} is not in engine.arrays.rules.ARRAY_TABLE, so nothing could "
                f"find it when the graph is loaded; add it with ARRAY_TABLE[{self.name!r}] = ..."
            )
        return array_op, (self.name, self.settings)


def array_op(name: str, settings: dict[str, Any]) -> ArrayOp:
    """The row of that name, with its settings; ValueError where there is none."""
    if name not in ARRAY_TABLE:
        raise ValueError(f"no operation {name!r} in engine.arrays.rules.ARRAY_TABLE")
    return ARRAY_TABLE[name].with_settings(**settings) if settings else ARRAY_TABLE[name]


def described(setting: Any) -> str:
    return f"<{setting.shape}>" if isinstance(setting, np.ndarray) else repr(setting)


# ------------------------------------------------------------------------------------- the table
# fmt: off

MATMUL = ArrayOp("@",      lambda x, y: x @ y,           matmul_x,  matmul_y)
LINEAR = ArrayOp("linear", linear,  # a layer before its activation: w is (outputs, inputs)
                 lambda g, out, x, w, b: g @ w,
                 lambda g, out, x, w, b: matrix(g).T @ matrix(x),
                 lambda g, out, x, w, b: g)

SUM  = ArrayOp("sum",  lambda x, axis=None, keepdims=False: x.sum(axis=axis, keepdims=keepdims),
               lambda g, out, x, axis=None, keepdims=False: broadcast_to(beside(g, x, axis), x.shape))
MEAN = ArrayOp("mean", lambda x, axis=None, keepdims=False: x.sum(axis=axis, keepdims=keepdims) / count(x, axis),   # of none: nan
               lambda g, out, x, axis=None, keepdims=False: broadcast_to(beside(g, x, axis) / count(x, axis), x.shape))
MAX  = ArrayOp("max",  lambda x, axis=None, keepdims=False: x.max(axis=axis, keepdims=keepdims),
               lambda g, out, x, axis=None, keepdims=False: beside(g, x, axis) * share_of_largest(x, out, axis))
MIN  = ArrayOp("min",  lambda x, axis=None, keepdims=False: x.min(axis=axis, keepdims=keepdims),
               lambda g, out, x, axis=None, keepdims=False: beside(g, x, axis) * share_of_largest(x, out, axis))

RESHAPE      = ArrayOp("reshape",      lambda x, shape: x.reshape(shape),          lambda g, out, x, shape: g.reshape(x.shape))
TRANSPOSE    = ArrayOp("transpose",    lambda x, axes=None: x.transpose(axes),     lambda g, out, x, axes=None: g.transpose(inverse(axes)))
SWAPAXES     = ArrayOp("swapaxes",     lambda x, first, second: x.swapaxes(first, second),  lambda g, out, x, first, second: g.swapaxes(first, second))
SQUEEZE      = ArrayOp("squeeze",      lambda x, axis=None: x.squeeze(axis),       lambda g, out, x, axis=None: g.reshape(x.shape))
BROADCAST_TO = ArrayOp("broadcast_to", lambda x, shape: broadcast_to(x, shape),    lambda g, out, x, shape: g)
GETITEM      = ArrayOp("getitem",      lambda x, index: x[index],                  lambda g, out, x, index: scatter(g, index, x.shape))
SCATTER      = ArrayOp("scatter",      lambda x, index, shape: scatter(x, index, shape),  lambda g, out, x, index, shape: g[index])
ASTYPE       = ArrayOp("astype",       lambda x, dtype: x.astype(dtype),           lambda g, out, x, dtype: g.astype(x.dtype))
CONCATENATE  = ArrayOp("concatenate",  lambda *xs, axis=0: np.concatenate(xs, axis=axis),
                       lambda i, g, out, *xs, axis=0: along(xs[i], g, i, axis, xs), many=True)

SOFTMAX   = ArrayOp("softmax",   lambda x, axis=-1: softmax(x, axis),
                    lambda g, out, x, axis=-1: share_gradient(g, out, axis))
LOGSUMEXP = ArrayOp("logsumexp", lambda x, axis=-1, keepdims=False: logsumexp(x, axis, keepdims),
                    lambda g, out, x, axis=-1, keepdims=False: beside(g, x, axis) * softmax(x, axis))
CROSS_ENTROPY = ArrayOp("cross_entropy", lambda x, Y: cross_entropy(x, Y),   # Y is one-hot; one loss a row of x
                        lambda g, out, x, Y: g[..., None] * predicted_minus_target(x, Y))

# fmt: on

ARRAY_TABLE: dict[str, ArrayOp] = {
    op.name: op for op in list(vars().values()) if isinstance(op, ArrayOp)
}
