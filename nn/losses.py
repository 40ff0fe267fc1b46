"""Losses: how wrong the predictions are, as one number to be made small.

A loss takes predictions and targets, one of each per sample, and returns the mean over the samples.
Targets are numbers; predictions are what a model returned. Penalties take parameters, and return a
sum: `mse(predictions, targets) + 1e-4 * l2_penalty(model.parameters())`.
"""

import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from engine.functions import dot, total
from engine.ops import CROSS_ENTROPY
from engine.value import Value, nodes
from nn.arguments import lookup


def loss(
    allowed: Callable[[float], bool] = lambda y: True, takes: str = ""
) -> Callable[[Callable[..., Value]], Callable[..., Value]]:
    """Make a loss of a formula for one prediction and one target: its mean over the samples.

    ValueError for no samples, for more or fewer targets than predictions, and for a target that is
    not allowed.
    """

    def mean_of(formula: Callable[..., Value]) -> Callable[..., Value]:
        name = formula.__name__

        @functools.wraps(formula)
        def mean_loss(predictions: Any, targets: Any, *settings: Any, **named: Any) -> Value:
            ps, ys = nodes(predictions), nodes(targets)
            check_lengths(name, ps, ys)
            for i, y in enumerate(ys):
                if not allowed(y.data):
                    raise ValueError(f"{name} takes {takes}, got {y.data} for sample {i}")
            return mean([formula(p, y, *settings, **named) for p, y in zip(ps, ys, strict=True)])

        return mean_loss

    return mean_of


def mean(xs: Sequence[Value]) -> Value:
    return total(xs) / len(xs)


def check_lengths(name: str, predictions: Sequence[Any], targets: Sequence[Any]) -> None:
    if len(predictions) != len(targets):
        raise ValueError(
            f"{name} takes one target per prediction, "
            f"got {len(predictions)} predictions and {len(targets)} targets"
        )
    if not predictions:
        raise ValueError(f"{name} takes at least one prediction, got none")


# Operators and methods of nodes only, so that a formula means the same for every payload.


@loss()
def mse(predictions: Any, targets: Any) -> Value:
    """(p - y)², the squared error.

    >>> mse([Value(1.0), Value(5.0)], [1.0, 2.0])
    Value(4.5)
    """
    return (predictions - targets).square()


@loss()
def mae(predictions: Any, targets: Any) -> Value:
    """|p - y|, the absolute error; its slope is 0 where p = y.

    >>> mae([Value(1.0), Value(5.0)], [1.0, 2.0])
    Value(1.5)
    """
    return abs(predictions - targets)


@loss()
def huber(predictions: Any, targets: Any, delta: float = 1.0) -> Value:
    """e² / 2 for errors e = p - y up to delta, delta (|e| - delta / 2) beyond (Huber 1964).

    Its slope is the error, clipped to [-delta, delta]. ValueError unless delta > 0.

    >>> huber([Value(1.5), Value(5.0)], [1.0, 2.0])
    Value(1.3125)
    """
    if not delta > 0:
        raise ValueError(f"huber takes a delta above 0, got {delta}")
    error = predictions - targets
    clipped = error.clip(-delta, delta)
    return clipped * (error - 0.5 * clipped)  # both cases in one


@loss(lambda y: abs(y) == 1, "labels -1 or 1 (2 * y - 1 makes them of 0 and 1)")
def hinge(scores: Any, labels: Any) -> Value:
    """max(0, 1 - y s) for labels y of -1 or 1: no loss beyond the margin; slope 0 at 1 = y s.

    >>> hinge([Value(0.25), Value(3.0)], [1, 1])
    Value(0.375)
    """
    return (1.0 - labels * scores).relu()


@loss(lambda y: 0 <= y <= 1, "targets from 0 to 1")
def binary_cross_entropy(logits: Any, targets: Any) -> Value:
    """-y log a - (1 - y) log (1 - a), where a = sigmoid(z), from the logits z.

    The gradient is dz = a - y, over the number of samples (`vectorizing_backpropagation`, 2.1).
    With -log sigmoid(z) = softplus(-z) nothing overflows, and no small loss is lost.

    >>> binary_cross_entropy([Value(0.0)], [1])
    Value(0.693147)
    """
    return targets * (-logits).softplus() + (1.0 - targets) * logits.softplus()


def cross_entropy(logits: Iterable[Sequence[Any]], labels: Iterable[Any]) -> Value:
    """The mean of -log softmax(z)[label], from a list of logits z and a class index per sample.

    The gradient is dZ = A - Y, over the number of samples, for A = softmax(Z) and Y one-hot
    (chapter 02, 5.5 and 7.3). ValueError for no samples, for more or fewer labels than lists of
    logits, and for a label that is not a class index.

    >>> z = [Value(0.0), Value(0.0)]
    >>> cross_entropy([z], [1]).backward()
    >>> [each.grad for each in z]
    [0.5, -0.5]
    """
    logits, labels = list(logits), list(labels)
    for row in logits:
        if isinstance(row, Value):
            raise TypeError(
                "cross_entropy takes a list of logits per sample, got one number; "
                "give the model an output per class, or use binary_cross_entropy"
            )
    rows = [nodes(row) for row in logits]
    check_lengths("cross_entropy", rows, labels)
    losses = []
    for i, (row, label) in enumerate(zip(rows, labels, strict=True)):
        if not row:
            raise ValueError(f"cross_entropy takes at least one logit, got none for sample {i}")
        if not is_index(label, len(row)):
            raise ValueError(
                f"cross_entropy takes labels from 0 to {len(row) - 1} (int), "
                f"got {label!r} for sample {i}"
            )
        losses.append(CROSS_ENTROPY(row[label], (*row[:label], *row[label + 1 :])))
    return mean(losses)


def is_index(label: Any, length: int) -> bool:
    try:
        return 0 <= operator.index(label) < length
    except TypeError:
        return False


def l1_penalty(parameters: Iterable[Value]) -> Value:
    """|p1| + |p2| + ...: pulls small parameters to 0 (lasso; Tibshirani 1996).

    >>> l1_penalty([Value(-3.0), Value(4.0)])
    Value(7.0)
    """
    return total([abs(p) for p in nodes(parameters)])


def l2_penalty(parameters: Iterable[Value]) -> Value:
    """p1² + p2² + ..., one node: pulls every parameter to 0 in proportion (ridge, weight decay).

    >>> l2_penalty([Value(-3.0), Value(4.0)])
    Value(25.0)
    """
    parameters = nodes(parameters)
    return dot(parameters, parameters)


LOSSES: dict[str, Callable[..., Value]] = {
    f.__name__: f for f in (mse, mae, huber, hinge, binary_cross_entropy, cross_entropy)
}


def named(loss: str | Callable[..., Value]) -> Callable[..., Value]:
    """The loss of that name, or the function itself; ValueError that lists the known names."""
    return loss if callable(loss) else lookup("loss", LOSSES, loss)
