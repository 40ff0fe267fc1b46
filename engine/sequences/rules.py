"""The rows over sequences. The letters are those of `engine.sequences.formulas`."""

from engine.rules import TABLE
from engine.sequences.formulas import *
from engine.sequences.many_op import ManyOp
from engine.sequences.vector_op import VectorOp
from engine.value import VALUES

# fmt: off

DOT           = ManyOp("dot",       multiply_add,  lambda out, ws, xs, b: (xs, ws, 1.0), sequences=["ws", "xs"], finite_slopes=True)
TOTAL         = ManyOp("total",     lambda xs: add_up(xs),     lambda out, xs: ([1.0] * len(xs),), finite_slopes=True)
LOGSUMEXP     = ManyOp("logsumexp", lambda xs: logsumexp(xs),  lambda out, xs: (softmax(xs),), finite_slopes=True)
CROSS_ENTROPY = ManyOp("cross_entropy", lambda x, others: cross_entropy(x, others),
                       lambda out, x, others: cross_entropy_slopes(softmax([x, *others])[1:]), sequences=["others"], finite_slopes=True)
SOFTMAX       = VectorOp("softmax", lambda xs: softmax(xs),    lambda gs, outs, xs: softmax_pullback(gs, outs, xs))

# fmt: on

TABLE.update({op.name: op for op in (DOT, TOTAL, LOGSUMEXP, CROSS_ENTROPY, SOFTMAX)})
BUILT_IN = frozenset(TABLE.values())  # without rows that users add
VALUES["softmax"] = SOFTMAX
