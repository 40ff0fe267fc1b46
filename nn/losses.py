"""Losses: the error of predictions as a single node, to be minimized.

A loss takes predictions and targets, one of each per sample, and returns the mean over the samples.
Predictions are the outputs of a model: a list of Values, or an Array of shape `(samples,)` or
`(samples, 1)`. Targets are numbers. If a sample has several outputs, predictions and targets both
have the shape `(samples, outputs)`, and the mean is over the outputs too.

A penalty takes parameters and returns a sum, to be added to a loss:
`mse(predictions, targets) + 1e-4 * l2_penalty(model.parameters())`.

All losses raise ValueError if predictions and targets differ in shape, which is never broadcast, or
are empty. `LOSSES` has the losses by name.
"""

import functools
import math
import operator
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, cast, overload

from engine.functions import dot, find_payload, has_arrays, is_array, logsumexp, total
from engine.node import Node
from engine.sequences.rules import CROSS_ENTROPY, UNIFORM_CROSS_ENTROPY
from engine.support.arguments import is_real
from engine.value import Value, as_nodes
from nn.arguments import check_sequence, check_within, format_count, look_up

if TYPE_CHECKING:
    import numpy as np

    from engine.arrays.array import Array

__all__ = [
    "LOSSES", "binary_cross_entropy", "cross_entropy", "get", "hinge", "huber", "l1_penalty",
    "l2_penalty", "mae", "mse",
]  # fmt: skip

Loss = Callable[..., Any]
Settings = ParamSpec("Settings")


class LossOfPairs(Protocol[Settings]):
    """The type of a loss of predictions and targets in pairs: a Value, or an Array of Arrays."""

    __name__: str

    # fmt: off
    @overload
    def __call__(
        self, p: "Array", y: Any, /, *args: Settings.args, **options: Settings.kwargs
    ) -> "Array": ...
    @overload
    def __call__(
        self, p: Iterable[Any], y: Any, /, *args: Settings.args, **options: Settings.kwargs
    ) -> Value: ...
    # fmt: on


def mean_over_samples(
    is_target: Callable[[Any], Any] | None = None, expects: str = ""
) -> Callable[[Callable[Concatenate[Any, Any, Settings], Any]], LossOfPairs[Settings]]:
    """Make a loss from a formula for one prediction and one target.

    The formula runs on Values one by one and on whole Arrays. The loss raises ValueError for a
    target for which `is_target` is false; `expects` describes valid targets.
    """

    def decorate(
        typed_formula: Callable[Concatenate[Any, Any, Settings], Any],
    ) -> LossOfPairs[Settings]:
        formula: Loss = typed_formula
        name = formula.__name__

        @functools.wraps(formula)
        def loss(predictions: Any, targets: Any, *settings: Any, **options: Any) -> Any:
            if is_array(predictions):
                p, y = match_shapes(name, predictions, targets)
                if is_target is not None and not is_target(y.data).all():
                    outputs = math.prod(y.shape[1:])
                    check_targets(name, y.data.flat, outputs, is_target, expects)
                if y.constant and y.dtype != p.dtype:
                    y = p.lift(y.data.astype(p.dtype))
                return formula(p, y, *settings, **options).mean()
            p_rows, y_rows = rows_of_nodes(predictions), rows_of_nodes(targets)
            check_lengths(name, p_rows, y_rows)
            for i, (p_row, y_row) in enumerate(zip(p_rows, y_rows, strict=True)):
                check_lengths(name, p_row, y_row, f" for sample {i}")
            ps, ys = tuple(chain.from_iterable(p_rows)), tuple(chain.from_iterable(y_rows))
            if is_target is not None:
                check_targets(name, [y.data for y in ys], len(y_rows[0]), is_target, expects)
            return mean([formula(p, y, *settings, **options) for p, y in zip(ps, ys, strict=True)])

        return cast("LossOfPairs[Settings]", loss)

    return decorate


def rows_of_nodes(xs: Iterable[Any]) -> list[tuple[Value, ...]]:
    """Return the numbers of each sample as nodes, one or several."""
    is_row = lambda x: isinstance(x, list | tuple) or getattr(x, "ndim", 0) > 0
    xs = check_sequence(xs, "a loss expects a list of predictions and one of targets")
    return [as_nodes(x if is_row(x) else (x,)) for x in xs]


def match_shapes(name: str, predictions: Any, targets: Any) -> tuple[Any, Any]:
    """Return predictions and targets as Arrays of one shape; `(samples, 1)` fits `(samples,)`.

    Raises ValueError for any other shapes. Without the check (m, 1) and (m,) would broadcast to
    (m, m).
    """
    ys = predictions.lift(targets)
    if predictions.shape == (*ys.shape, 1):
        predictions = predictions.reshape(ys.shape)
    if predictions.shape != ys.shape:
        raise ValueError(
            f"{name} expects one target per prediction, "
            f"got predictions of shape {predictions.shape} and targets of shape {ys.shape}"
        )
    if not ys.size:
        raise ValueError(f"{name} expects at least one prediction, got none")
    return predictions, ys


def check_targets(
    name: str, ys: Iterable[float], outputs: int, is_target: Callable[[Any], Any], expects: str
) -> None:
    """Raise ValueError for the first invalid target; `outputs` is the number per sample."""
    for i, y in enumerate(ys):
        if not is_target(y):
            raise ValueError(f"{name} expects {expects}, got {y} for sample {i // outputs}")


def mean(xs: Sequence[Value]) -> Value:
    return total(xs) / len(xs)


def check_lengths(
    name: str, predictions: Sequence[Any], targets: Sequence[Any], where: str = ""
) -> None:
    """Raise ValueError unless there are as many targets as predictions, and at least one."""
    if len(predictions) != len(targets):
        raise ValueError(
            f"{name} expects one target per prediction, "
            f"got {format_count(len(predictions), 'prediction')} and "
            f"{format_count(len(targets), 'target')}{where}"
        )
    if not predictions:
        raise ValueError(f"{name} expects at least one prediction, got none{where}")


# The formulas use only operators and methods that Values and Arrays share.


@mean_over_samples()
def mse(predictions: Any, targets: Any) -> "Value | Array":
    """Return the mean squared error, (p - y)².

    >>> mse([Value(1.0), Value(5.0)], [1.0, 2.0])
    Value(4.5)
    """
    return (predictions - targets).square()


@mean_over_samples()
def mae(predictions: Any, targets: Any) -> "Value | Array":
    """Return the mean absolute error, |p - y|. Its slope is 0 at p = y.

    >>> mae([Value(1.0), Value(5.0)], [1.0, 2.0])
    Value(1.5)
    """
    return abs(predictions - targets)


@mean_over_samples()
def huber(predictions: Any, targets: Any, delta: float = 1.0) -> "Value | Array":
    """Return the Huber loss of the errors e = p - y (Huber 1964).

    It is e² / 2 for |e| <= delta, and delta (|e| - delta / 2) beyond. Its slope is the error,
    clipped to [-delta, delta]. Raises ValueError unless delta > 0.

    >>> huber([Value(1.5), Value(5.0)], [1.0, 2.0])
    Value(1.3125)
    """
    if not (is_real(delta) and delta > 0):
        raise ValueError(f"huber expects a delta above 0, got {delta!r}")
    error = predictions - targets
    clipped = error.clip(-delta, delta)
    return clipped * (error - 0.5 * clipped)  # both cases in one


@mean_over_samples(lambda y: abs(y) == 1, "labels -1 or 1 (2.0 * y - 1.0 converts 0 and 1)")
def hinge(scores: Any, labels: Any) -> "Value | Array":
    """Return the hinge loss max(0, 1 - y s) of scores s and labels y. Its slope is 0 at y s = 1.

    Raises ValueError for labels other than -1 and 1.

    >>> hinge([Value(0.25), Value(3.0)], [1, 1])
    Value(0.375)
    """
    return (1.0 - labels * scores).relu()


@mean_over_samples(lambda y: (y >= 0) & (y <= 1), "targets from 0 to 1")
def binary_cross_entropy(logits: Any, targets: Any) -> "Value | Array":
    """Return the cross entropy -y log a - (1 - y) log(1 - a), where a = sigmoid(z), of logits z.

    The gradient is (a - y) / samples. It is computed from -log sigmoid(z) = softplus(-z), which
    neither overflows nor rounds small losses to 0. Raises ValueError for targets outside [0, 1].

    >>> binary_cross_entropy([Value(0.0)], [1])
    Value(0.693147)
    """
    return targets * (-logits).softplus() + (1.0 - targets) * logits.softplus()


@overload
def cross_entropy(logits: "Array", labels: Iterable[int], *, smoothing: float = 0.0) -> "Array": ...
@overload
def cross_entropy(
    logits: Iterable[Sequence[Value]], labels: Iterable[int], *, smoothing: float = 0.0
) -> Value: ...
def cross_entropy(
    logits: "Iterable[Sequence[Value]] | Array", labels: Iterable[int], *, smoothing: float = 0.0
) -> "Value | Array":
    """Return the cross entropy -log softmax(z)[label] of logits z and class indices.

    logits     one list of k Values per sample, or an Array of shape `(samples, k)`
    labels     one int from 0 to k - 1 per sample
    smoothing  in [0, 1); the target of each class is smoothing / k, and that of the label larger by
               1 - smoothing (label smoothing, Szegedy et al. 2016)

    The gradient is (A - Y) / samples for A = softmax(Z) and the targets Y. Raises ValueError for a
    label that is not a class index, and if k is 1.

    >>> z = [Value(0.0), Value(0.0)]
    >>> cross_entropy([z], [1]).backward()
    >>> [logit.grad for logit in z]
    [0.5, -0.5]
    """
    smoothing = check_within("smoothing", smoothing, below=1)
    if is_array(logits):
        from engine.arrays import rules as array_rules

        Z: Any = logits
        losses: Any = array_rules.CROSS_ENTROPY(Z, Y=one_hot_labels(Z, labels))
        if smoothing:
            z = Z - Z.data.max(axis=-1, keepdims=True)  # a common offset costs no digits
            uniform = logsumexp(z) - z.mean(axis=-1)
            losses = (1.0 - smoothing) * losses + smoothing * uniform
        return losses.mean()
    rows = logit_rows(logits)
    if not isinstance(labels, Iterable):
        raise TypeError(f"cross_entropy expects labels, one class index per sample, got {labels!r}")
    labels = list(labels)
    check_lengths("cross_entropy", rows, labels)
    losses = []
    for i, (row, label) in enumerate(zip(rows, labels, strict=True)):
        if not row:
            raise ValueError(f"cross_entropy expects at least one logit, got none for sample {i}")
        check_classes(len(row))
        if not is_index(label, len(row)):
            raise label_error(label, len(row), i)
        loss = CROSS_ENTROPY(row[label], (*row[:label], *row[label + 1 :]))
        if smoothing:
            loss = (1.0 - smoothing) * loss + smoothing * UNIFORM_CROSS_ENTROPY(row)
        losses.append(loss)
    return mean(losses)


def logit_rows(logits: Any) -> list[tuple[Value, ...]]:
    """Return the logits of each sample as nodes. Raises TypeError for one number per sample."""
    logits = list(check_sequence(logits, "cross_entropy expects a list of logits per sample"))
    for row in logits:
        if isinstance(row, Value) or not hasattr(row, "__iter__"):
            raise TypeError(
                "cross_entropy expects a list of logits per sample, got one number; "
                "give the model an output per class, or use binary_cross_entropy"
            )
    return [as_nodes(row) for row in logits]


def one_hot_labels(logits: "Array", labels: Any) -> "np.ndarray":
    """Return an array of the shape of the logits, True at the label of each sample.

    Raises ValueError if the shapes differ, or for a label that is not a class index.
    """
    import numpy as np

    from engine.arrays.rules import one_hot

    try:
        indices = np.asarray(labels)
    except ValueError:  # lists of unequal lengths
        indices = np.array(None)
    if indices.dtype.kind == "O":
        raise TypeError(f"cross_entropy expects labels, one class index per sample, got {labels!r}")
    if logits.ndim != 2 or indices.shape != logits.shape[:1] or not logits.size:
        remedy = ""
        if indices.shape == (len(logits.data), 1):
            remedy = "; of a column y, the labels are y[:, 0]"
        elif indices.ndim == 2 and indices.shape == logits.shape:
            remedy = "; of one-hot rows Y, the labels are Y.argmax(axis=1)"
        raise ValueError(
            "cross_entropy expects logits of shape (samples, classes) and labels of shape "
            f"(samples,), at least one, got {logits.shape} and {indices.shape}{remedy}"
        )
    classes = logits.shape[1]
    check_classes(classes)
    valid = np.zeros(len(indices), bool)
    if indices.dtype.kind in "iu":
        valid = (indices >= 0) & (indices < classes)
    if not valid.all():
        i = int(valid.argmin())
        raise label_error(indices[i].item(), classes, i)
    return one_hot(indices, classes)


def label_error(label: Any, classes: int, sample: int) -> ValueError:
    """Return the error for a label that is not a class index, with a remedy if one is known."""
    if getattr(label, "shape", None) == (classes,) or (
        isinstance(label, list | tuple) and len(label) == classes
    ):
        remedy = "; of a one-hot row, the label is the position of its 1"
    elif isinstance(label, float) and label.is_integer() and 0 <= label < classes:
        remedy = "; y.astype(int) converts an array of floats"
    else:
        remedy = ""
    return ValueError(
        f"cross_entropy expects labels from 0 to {classes - 1} (int), "
        f"got {label!r} for sample {sample}{remedy}"
    )


def check_classes(classes: int) -> None:
    """Raise ValueError for a single class: its softmax is 1 and the loss 0 for all weights."""
    if classes == 1:
        raise ValueError(
            "cross_entropy expects one logit per class, got one per sample, for which the loss is "
            "always 0; give the model an output per class, or use binary_cross_entropy"
        )


def is_index(label: object, length: int) -> bool:
    """Return whether `label` is an int from 0 to length - 1, of Python or NumPy."""
    try:
        return not isinstance(label, bool) and 0 <= operator.index(label) < length  # type: ignore[arg-type]
    except TypeError:
        return False


def l1_penalty(parameters: Iterable[Node]) -> "Value | Array":
    """Return |p1| + |p2| + ..., which drives small parameters to 0 (lasso; Tibshirani 1996).

    >>> l1_penalty([Value(-3.0), Value(4.0)])
    Value(7.0)
    """
    ps = parameter_list("l1_penalty", parameters)
    if has_arrays(ps):
        return total([abs(p).sum() for p in map(find_payload(*ps).lift, ps)])
    return total([abs(p) for p in as_nodes(ps)])


def l2_penalty(parameters: Iterable[Node]) -> "Value | Array":
    """Return p1² + p2² + ..., which shrinks parameters in proportion (ridge, weight decay).

    >>> l2_penalty([Value(-3.0), Value(4.0)])
    Value(25.0)
    """
    ps = parameter_list("l2_penalty", parameters)
    if has_arrays(ps):
        return total([p.square().sum() for p in map(find_payload(*ps).lift, ps)])
    values = as_nodes(ps)
    return dot(values, values)


def parameter_list(name: str, parameters: Iterable[Node]) -> list[Node]:
    """Return the parameters as a list. Raises TypeError for a model or anything but a sequence."""
    if hasattr(parameters, "parameters"):
        raise TypeError(f"{name} expects parameters, got {parameters!r}; pass model.parameters()")
    return list(check_sequence(parameters, f"{name} expects a list of parameters"))


LOSSES: dict[str, Loss] = {
    f.__name__: f for f in (mse, mae, huber, hinge, binary_cross_entropy, cross_entropy)
}


def get(loss: str | Loss) -> Loss:
    """Return the loss with that name; a function is returned unchanged.

    Raises ValueError for an unknown name.

    >>> get("mse") is mse
    True
    """
    return loss if callable(loss) else look_up("loss", LOSSES, loss)


def __dir__() -> list[str]:
    return __all__
