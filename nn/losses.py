"""Losses: how wrong the predictions are, as one number to be made small.

A loss takes predictions and targets, one of each per sample, and returns the mean over the samples.
Targets are numbers; predictions are what a model returned: a list of Values, or an Array of shape
`(samples,)` or `(samples, 1)`. With several outputs a sample, `(samples, outputs)`, targets have
that shape too, and the mean is over the outputs as well. Shapes are never broadcast: what does not
fit is a ValueError. Penalties take parameters, and return a sum:
`mse(predictions, targets) + 1e-4 * l2_penalty(model.parameters())`.
"""

import functools
import math
import operator
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

from engine.functions import dot, has_arrays, is_array, logsumexp, payload, total
from engine.sequences import CROSS_ENTROPY
from engine.support.arguments import is_real
from engine.value import Value, nodes
from nn.arguments import lookup, sequence, within

__all__ = [
    "LOSSES",
    "binary_cross_entropy",
    "cross_entropy",
    "hinge",
    "huber",
    "l1_penalty",
    "l2_penalty",
    "mae",
    "mse",
    "named",
]


def loss(
    allowed: Callable[[Any], Any] | None = None, takes: str = ""
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a loss of a formula for one prediction and one target: its mean over the samples.

    The formula runs on Values one by one, on Arrays at once. ValueError for no samples, for more or
    fewer targets than predictions, and for a target that is not allowed.
    """

    def mean_of(formula: Callable[..., Any]) -> Callable[..., Any]:
        name = formula.__name__

        @functools.wraps(formula)
        def mean_loss(predictions: Any, targets: Any, *settings: Any, **named: Any) -> Any:
            if is_array(predictions):
                prediction, target = beside(name, predictions, targets)
                if allowed is not None and not allowed(target.data).all():
                    outputs = math.prod(target.shape[1:])
                    check_allowed(name, target.data.flat, outputs, allowed, takes)
                return formula(prediction, target, *settings, **named).mean()
            ps, ys = by_sample(predictions), by_sample(targets)
            check_lengths(name, ps, ys)
            for i, (p, y) in enumerate(zip(ps, ys, strict=True)):
                check_lengths(name, p, y, f" for sample {i}")
            p, y = tuple(chain.from_iterable(ps)), tuple(chain.from_iterable(ys))
            if allowed is not None:
                check_allowed(name, [each.data for each in y], len(ys[0]), allowed, takes)
            return mean([formula(*each, *settings, **named) for each in zip(p, y, strict=True)])

        return mean_loss

    return mean_of


def by_sample(xs: Any) -> list[tuple[Value, ...]]:
    """Each sample's numbers, one or several, as nodes."""
    several = lambda x: isinstance(x, list | tuple) or getattr(x, "ndim", 0) > 0
    xs = sequence(xs, "a loss takes a list of predictions and one of targets")
    return [nodes(x if several(x) else (x,)) for x in xs]


def beside(name: str, predictions: Any, targets: Any) -> tuple[Any, Any]:
    """Predictions and targets in one shape; a single output a sample may have an axis of its own.

    Anything else would be broadcast silently, (m, 1) beside (m,) to (m, m).
    """
    ys = predictions.lift(targets)
    if predictions.shape == (*ys.shape, 1):
        predictions = predictions.reshape(ys.shape)
    if predictions.shape != ys.shape:
        raise ValueError(
            f"{name} takes one target per prediction, "
            f"got predictions of shape {predictions.shape} and targets of shape {ys.shape}"
        )
    if not ys.size:
        raise ValueError(f"{name} takes at least one prediction, got none")
    return predictions, ys


def check_allowed(
    name: str, ys: Iterable[Any], outputs: int, allowed: Callable[[Any], Any], takes: str
) -> None:
    """ValueError that names the first target that is not allowed, of `outputs` a sample."""
    for i, y in enumerate(ys):
        if not allowed(y):
            raise ValueError(f"{name} takes {takes}, got {y} for sample {i // outputs}")


def mean(xs: Sequence[Value]) -> Value:
    return total(xs) / len(xs)


def check_lengths(
    name: str, predictions: Sequence[Any], targets: Sequence[Any], where: str = ""
) -> None:
    if len(predictions) != len(targets):
        raise ValueError(
            f"{name} takes one target per prediction, "
            f"got {len(predictions)} predictions and {len(targets)} targets{where}"
        )
    if not predictions:
        raise ValueError(f"{name} takes at least one prediction, got none{where}")


# Operators and methods of nodes only, so that a formula means the same for every payload.


@loss()
def mse(predictions: Any, targets: Any) -> Any:
    """(p - y)², the squared error.

    >>> mse([Value(1.0), Value(5.0)], [1.0, 2.0])
    Value(4.5)
    """
    return (predictions - targets).square()


@loss()
def mae(predictions: Any, targets: Any) -> Any:
    """|p - y|, the absolute error; its slope is 0 where p = y.

    >>> mae([Value(1.0), Value(5.0)], [1.0, 2.0])
    Value(1.5)
    """
    return abs(predictions - targets)


@loss()
def huber(predictions: Any, targets: Any, delta: float = 1.0) -> Any:
    """e² / 2 for errors e = p - y up to delta, delta (|e| - delta / 2) beyond (Huber 1964).

    Its slope is the error, clipped to [-delta, delta]. ValueError unless delta > 0.

    >>> huber([Value(1.5), Value(5.0)], [1.0, 2.0])
    Value(1.3125)
    """
    if not (is_real(delta) and delta > 0):
        raise ValueError(f"huber takes a delta above 0, got {delta!r}")
    error = predictions - targets
    clipped = error.clip(-delta, delta)
    return clipped * (error - 0.5 * clipped)  # both cases in one


@loss(lambda y: abs(y) == 1, "labels -1 or 1 (2 * y - 1 makes them of 0 and 1)")
def hinge(scores: Any, labels: Any) -> Any:
    """max(0, 1 - y s) for labels y of -1 or 1: no loss beyond the margin; slope 0 at 1 = y s.

    >>> hinge([Value(0.25), Value(3.0)], [1, 1])
    Value(0.375)
    """
    return (1.0 - labels * scores).relu()


@loss(lambda y: (y >= 0) & (y <= 1), "targets from 0 to 1")
def binary_cross_entropy(logits: Any, targets: Any) -> Any:
    """-y log a - (1 - y) log (1 - a), where a = sigmoid(z), from the logits z.

    The gradient is dz = a - y, over the number of samples (`vectorizing_backpropagation`, 2.1).
    With -log sigmoid(z) = softplus(-z) nothing overflows, and no small loss is lost.

    >>> binary_cross_entropy([Value(0.0)], [1])
    Value(0.693147)
    """
    return targets * (-logits).softplus() + (1.0 - targets) * logits.softplus()


def cross_entropy(logits: Any, labels: Any, *, smoothing: float = 0.0) -> Any:
    """The mean of -log softmax(z)[label], from logits z and a class index per sample.

    Logits are a list of k per sample, or an Array `(samples, k)`. The gradient is dZ = A - Y, over
    the number of samples, for A = softmax(Z) and Y one-hot (chapter 02, 5.5 and 7.3). With label
    smoothing, Y has smoothing / k at every class and the rest at the label (Szegedy et al. 2016).

    ValueError for no samples, for more or fewer labels than samples, for a label that is not a
    class index, and for smoothing outside [0, 1).

    >>> z = [Value(0.0), Value(0.0)]
    >>> cross_entropy([z], [1]).backward()
    >>> [each.grad for each in z]
    [0.5, -0.5]
    """
    smoothing = within("smoothing", smoothing, below=1)
    if is_array(logits):
        from engine.arrays import rules as array_ops

        losses: Any = array_ops.CROSS_ENTROPY(logits, Y=one_hot_labels(logits, labels))
        if smoothing:
            z = logits - logits.data.max(axis=-1, keepdims=True)  # a common offset costs no digits
            even = logsumexp(z) - z.mean(axis=-1)
            losses = (1.0 - smoothing) * losses + smoothing * even
        return losses.mean()
    rows = logits_of(logits)
    if not isinstance(labels, Iterable):
        raise TypeError(f"cross_entropy takes labels, a class index a sample, got {labels!r}")
    labels = list(labels)
    check_lengths("cross_entropy", rows, labels)
    losses = []
    for i, (row, label) in enumerate(zip(rows, labels, strict=True)):
        if not row:
            raise ValueError(f"cross_entropy takes at least one logit, got none for sample {i}")
        check_classes(len(row))
        if not is_index(label, len(row)):
            raise not_a_label(label, len(row), i)
        one = CROSS_ENTROPY(row[label], (*row[:label], *row[label + 1 :]))
        if smoothing:
            one = (1.0 - smoothing) * one + smoothing * (logsumexp(row) - mean(row))
        losses.append(one)
    return mean(losses)


def logits_of(logits: Any) -> list[tuple[Value, ...]]:
    logits = list(sequence(logits, "cross_entropy takes a list of logits per sample"))
    for row in logits:
        if isinstance(row, Value) or not hasattr(row, "__iter__"):
            raise TypeError(
                "cross_entropy takes a list of logits per sample, got one number; "
                "give the model an output per class, or use binary_cross_entropy"
            )
    return [nodes(row) for row in logits]


def one_hot_labels(logits: Any, labels: Any) -> Any:
    """True at each sample's label, of the shape of the logits."""
    import numpy as np

    from engine.arrays.rules import one_hot

    try:
        found = np.asarray(labels)
    except ValueError:  # ragged
        found = np.array(None)
    if found.dtype.kind == "O":
        raise TypeError(f"cross_entropy takes labels, a class index a sample, got {labels!r}")
    if logits.ndim != 2 or found.shape != logits.shape[:1] or not logits.size:
        remedy = ""
        if found.shape == (len(logits.data), 1):
            remedy = "; of a column y, the labels are y[:, 0]"
        elif found.ndim == 2 and found.shape == logits.shape:
            remedy = "; of one-hot rows Y, the labels are Y.argmax(axis=1)"
        raise ValueError(
            "cross_entropy takes logits of shape (samples, classes) and labels of shape "
            f"(samples,), at least one, got {logits.shape} and {found.shape}{remedy}"
        )
    classes = logits.shape[1]
    check_classes(classes)
    fits = (found >= 0) & (found < classes) if found.dtype.kind in "iu" else np.zeros(len(found))
    if not np.all(fits):
        i = int(np.argmin(fits))
        raise not_a_label(found[i].item(), classes, i)
    return one_hot(found, classes)


def not_a_label(label: Any, classes: int, sample: int) -> ValueError:
    if getattr(label, "shape", None) == (classes,) or (
        isinstance(label, list | tuple) and len(label) == classes
    ):
        remedy = "; of a one-hot row, the label is the place of its 1"
    elif isinstance(label, float) and label.is_integer() and 0 <= label < classes:
        remedy = "; y.astype(int) makes whole numbers of an array's floats"
    else:
        remedy = ""
    return ValueError(
        f"cross_entropy takes labels from 0 to {classes - 1} (int), "
        f"got {label!r} for sample {sample}{remedy}"
    )


def check_classes(classes: int) -> None:
    """ValueError for a single output: its share is 1, and the loss 0, whatever the weights."""
    if classes == 1:
        raise ValueError(
            "cross_entropy takes a logit per class, got one a sample, whose loss is 0 whatever it "
            "is; give the model an output per class, or use binary_cross_entropy"
        )


def is_index(label: Any, length: int) -> bool:
    try:
        return not isinstance(label, bool) and 0 <= operator.index(label) < length
    except TypeError:
        return False


def l1_penalty(parameters: Iterable[Any]) -> Any:
    """|p1| + |p2| + ...: pulls small parameters to 0 (lasso; Tibshirani 1996).

    >>> l1_penalty([Value(-3.0), Value(4.0)])
    Value(7.0)
    """
    parameters = listed("l1_penalty", parameters)
    if has_arrays(parameters):
        return total([abs(p).sum() for p in map(payload(*parameters).lift, parameters)])
    return total([abs(p) for p in nodes(parameters)])


def l2_penalty(parameters: Iterable[Any]) -> Any:
    """p1² + p2² + ...: pulls every parameter to 0 in proportion (ridge, weight decay).

    >>> l2_penalty([Value(-3.0), Value(4.0)])
    Value(25.0)
    """
    parameters = listed("l2_penalty", parameters)
    if has_arrays(parameters):
        return total([p.square().sum() for p in map(payload(*parameters).lift, parameters)])
    parameters = nodes(parameters)
    return dot(parameters, parameters)


def listed(name: str, parameters: Any) -> list[Any]:
    """The parameters; TypeError that says what to pass for anything else."""
    if hasattr(parameters, "parameters"):
        raise TypeError(f"{name} takes parameters, got {parameters!r}; pass model.parameters()")
    return list(sequence(parameters, f"{name} takes a list of parameters"))


LOSSES: dict[str, Callable[..., Any]] = {
    f.__name__: f for f in (mse, mae, huber, hinge, binary_cross_entropy, cross_entropy)
}


def named(loss: str | Callable[..., Any]) -> Callable[..., Any]:
    """The loss of that name, or the function itself; ValueError that lists the known names.

    >>> named("mse") is mse
    True
    """
    return loss if callable(loss) else lookup("loss", LOSSES, loss)
