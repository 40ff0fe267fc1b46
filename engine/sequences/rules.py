"""The rows over sequences, and the formulas that they share.

The formulas obey the restrictions of `engine.rules`. An arithmetic may replace a `dispatched` one.

    g, gs   the gradient of the result or results    xs, ws, others    the sequences
"""

import math
from functools import reduce
from operator import mul

from engine.arithmetic import *
from engine.arithmetic import dispatched
from engine.formulas import difference, maximum, square
from engine.rules import TABLE
from engine.sequences.many_op import ManyOp
from engine.sequences.vector_op import VectorOp
from engine.value import VALUES


@dispatched
def add_up(xs):
    """Return the sum from left to right; the built-in sum compensates from Python 3.12 on."""
    out = 0.0
    for x in xs:
        out = out + x
    return out


def multiply_add(ws, xs, b):
    """Return b + w1 x1 + w2 x2 + ..., from left to right."""
    out = b
    for product in map(mul, ws, xs):
        out = out + product
    return out


def exponentials(xs):
    """Return exp(x - largest) for each x: all are in [0, 1], so nothing overflows."""
    largest = reduce(maximum, xs)
    return [where(x >= largest, 1.0, exp(x - largest)) for x in xs]


@dispatched
def softmax(xs):
    exps = exponentials(xs)
    total = add_up(exps)
    return [divide(e, total) for e in exps]


@dispatched
def softmax_pullback(gs, outs, xs):
    """Return out * (g - sum(outs * gs)) for each result.

    Adding a constant to all g leaves the result unchanged, so the g of the largest out is
    subtracted first. Its factor 1 - out is then the sum of the other outs, without cancellation.
    """
    largest = reduce(maximum, xs)
    ties = add_up([where(x >= largest, 1.0, 0.0) for x in xs])
    at_largest = add_up([where(x >= largest, g, 0.0) for x, g in zip(xs, gs, strict=True)])
    gs = [g - divide(at_largest, ties) for g in gs]
    expected = multiply_add(outs, gs, 0.0)
    return [out * (g - expected) for out, g in zip(outs, gs, strict=True)]


@dispatched
def cross_entropy(x, others):
    """Return -log(softmax of x). Subtracting x first avoids cancellation."""
    return logsumexp([0.0, *[difference(other, x) for other in others]])


def cross_entropy_slopes(others):
    """Return the probabilities minus the one-hot target; for x, p - 1 without cancellation."""
    return -add_up(others), others


@dispatched
def logsumexp(xs):
    """Return largest + log1p(rest), since 1 + rest may round to 1."""
    largest = reduce(maximum, xs)
    rest, tied = 0.0, 0.0  # tied: 1 after the first of the largest
    for x, e in zip(xs, exponentials(xs), strict=True):
        is_largest = x >= largest
        rest = rest + where(is_largest, tied, e)
        tied = where(is_largest, 1.0, tied)
    return where(abs(largest) < math.inf, largest + log1p(rest), largest)


@dispatched
def uniform_cross_entropy(xs):
    """Return logsumexp(xs) - mean(xs), the mean of -log(softmax) over all classes.

    Subtracting the largest x first avoids cancellation.
    """
    largest = reduce(maximum, xs)
    xs = [difference(x, largest) for x in xs]
    return logsumexp(xs) - divide(add_up(xs), len(xs))


def mean_product(xs, ys):
    """Return the mean of x * y."""
    return divide(multiply_add(xs, ys, 0.0), float(len(xs)))


def inverse_root(xs, eps):
    """Return 1 / √(the mean of x² + eps)."""
    return divide(1.0, sqrt(mean_product(xs, xs) + eps))


def centre(xs):
    """Return x minus the mean for each x."""
    middle = divide(add_up(xs), float(len(xs)))
    return [x - middle for x in xs]


@dispatched
def rms_norm(xs, eps):
    """Return x / √(the mean of x² + eps) for each x."""
    scale = inverse_root(xs, eps)
    return [x * scale for x in xs]


def rms_norm_pullback(gs, outs, xs, eps):
    """Return scale * (g - out * mean(outs * gs)) for each x, and the gradient of eps."""
    scale, slope = inverse_root(xs, eps), mean_product(outs, gs)
    of_xs = [scale * (g - out * slope) for out, g in zip(outs, gs, strict=True)]
    return of_xs, -0.5 * float(len(xs)) * slope * square(scale)


@dispatched
def layer_norm(xs, eps):
    """Return (x - mean) / √(variance + eps) for each x, with the biased variance."""
    return rms_norm(centre(xs), eps)


def layer_norm_pullback(gs, outs, xs, eps):
    """Return the gradients of `rms_norm` minus their mean, and the gradient of eps."""
    of_xs, of_eps = rms_norm_pullback(gs, outs, centre(xs), eps)
    return centre(of_xs), of_eps


# ------------------------------------------------------------------------------------------ the rows
# fmt: off

DOT           = ManyOp("dot",       multiply_add,  lambda out, ws, xs, b: (xs, ws, 1.0), sequences=["ws", "xs"], finite_slopes=True)
TOTAL         = ManyOp("total",     lambda xs: add_up(xs),     lambda out, xs: ([1.0] * len(xs),), finite_slopes=True)
LOGSUMEXP     = ManyOp("logsumexp", lambda xs: logsumexp(xs),  lambda out, xs: (softmax(xs),), finite_slopes=True)
CROSS_ENTROPY = ManyOp("cross_entropy", lambda x, others: cross_entropy(x, others),
                       lambda out, x, others: cross_entropy_slopes(softmax([x, *others])[1:]), sequences=["others"], finite_slopes=True)
UNIFORM_CROSS_ENTROPY = ManyOp("uniform_cross_entropy", lambda xs: uniform_cross_entropy(xs),
                       lambda out, xs: ([p - 1.0 / len(xs) for p in softmax(xs)],), finite_slopes=True)
SOFTMAX       = VectorOp("softmax", lambda xs: softmax(xs),    lambda gs, outs, xs: softmax_pullback(gs, outs, xs))
RMS_NORM      = VectorOp("rms_norm",   lambda xs, eps: rms_norm(xs, eps),    lambda gs, outs, xs, eps: rms_norm_pullback(gs, outs, xs, eps), sequences=["xs"])
LAYER_NORM    = VectorOp("layer_norm", lambda xs, eps: layer_norm(xs, eps),  lambda gs, outs, xs, eps: layer_norm_pullback(gs, outs, xs, eps), sequences=["xs"])

# fmt: on

TABLE.update({op.name: op for op in list(vars().values()) if isinstance(op, ManyOp)})
BUILT_IN = frozenset(TABLE.values())  # without rows that users add
VALUES["softmax"] = SOFTMAX
