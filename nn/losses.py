"""Losses: the error of predictions as a single node, to be minimized.

A loss takes predictions and targets, one of each per sample, and returns the mean over the samples.
With `reduction="sum"` it returns the sum, and with `reduction="none"` the losses themselves, in the
shape of the targets: a list of Values, or an Array. Predictions are the outputs of a model: a list
of Values, or an Array of shape `(samples,)` or `(samples, 1)`. Targets are numbers. If a sample has
several outputs, predictions and targets both have the shape `(samples, outputs)`, and the mean is
over the outputs too.

Names of classes must be numbered first: `names, y = np.unique(y, return_inverse=True)`.

A penalty takes parameters and returns a sum, to be added to a loss:
`mse(predictions, targets) + 1e-4 * l2_penalty(model.parameters())`.

All losses raise ValueError if predictions and targets differ in shape, which is never broadcast, or
are empty. `LOSSES` has the losses by name.
"""

import functools
import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, overload

from engine.functions import dot, find_payload, has_arrays, is_array, total
from engine.node import Node
from engine.support.arguments import is_real
from engine.value import Value, as_nodes
from nn import other_names
from nn.arguments import check_lengths, check_sequence, check_within, is_row, look_up, to_list
from nn.cross_entropy import cross_entropies
from nn.keywords import answer_keywords
from nn.logits import warn_of_probabilities

if TYPE_CHECKING:
    from engine.arrays.array import Array

__all__ = [
    "LOSSES", "binary_cross_entropy", "cross_entropy", "get", "hinge", "huber", "l1_penalty",
    "l2_penalty", "mae", "mse",
]  # fmt: skip

Loss = Callable[..., Any]
Predictions = Iterable[Any]
Reduction = Literal["mean", "sum", "none"]
LogitRows = Iterable[Sequence[Value]]  # of logits
ClassWeights = Iterable[float] | None  # of classes
ToValue = Literal["mean", "sum"]
REDUCTIONS = ("mean", "sum", "none")


class LossOfPairs(Protocol):
    """The type of a loss of predictions and targets in pairs.

    It returns a Value, a list of Values for `reduction="none"`, or an Array of Arrays.
    """

    __name__: str

    # fmt: off
    @overload
    def __call__(self, p: "Array", y: Any, /, *, reduction: Reduction = "mean") -> "Array": ...
    @overload
    def __call__(self, p: Predictions, y: Any, /, *, reduction: ToValue = "mean") -> Value: ...
    @overload
    def __call__(self, p: Predictions, y: Any, /, *, reduction: Literal["none"]) -> list[Any]: ...
    # fmt: on


class LossWithDelta(LossOfPairs, Protocol):
    """The type of a loss of pairs that has a setting, `delta`."""

    # fmt: off
    @overload
    def __call__(
        self, p: "Array", y: Any, /, delta: float = 1.0, *, reduction: Reduction = "mean"
    ) -> "Array": ...
    @overload
    def __call__(
        self, p: Predictions, y: Any, /, delta: float = 1.0, *, reduction: ToValue = "mean"
    ) -> Value: ...
    @overload
    def __call__(
        self, p: Predictions, y: Any, /, delta: float = 1.0, *, reduction: Literal["none"]
    ) -> list[Any]: ...
    # fmt: on


def loss_of_pairs(
    is_target: Callable[[Any], Any] | None = None, expects: str = "", takes: str = ""
) -> Callable[[Loss], LossOfPairs]:
    """Make a loss from a formula for one prediction and one target.

    The formula runs on Values one by one and on whole Arrays. The loss raises ValueError for a
    target for which `is_target` is false; `expects` describes valid targets. If `takes` is given,
    it describes the predictions, and the loss issues a warning for probabilities.
    """

    def decorate(formula: Loss) -> LossOfPairs:
        name, signature = formula.__name__, inspect.signature(formula)

        @functools.wraps(formula)
        def loss(*args: Any, reduction: Reduction = "mean", **options: Any) -> Any:
            if options or len(args) < 2:
                try:
                    args = signature.bind(*args, **options).args
                except TypeError as problem:
                    raise TypeError(f"{name}: {problem}") from None
            predictions, targets, *settings = args
            check_reduction(reduction)
            if takes:
                warn_of_probabilities(name, takes, predictions)
            if is_array(predictions):
                p, y = match_shapes(name, predictions, targets)
                if is_target is not None and not is_target(y.data).all():
                    outputs = math.prod(y.shape[1:])
                    check_targets(name, y.data.flat, outputs, is_target, expects)
                if y.constant and y.dtype != p.dtype:
                    y = p.lift(y.data.astype(p.dtype))
                return reduce_losses(formula(p, y, *settings), reduction)
            targets = as_list(targets)
            p_rows, y_rows = rows_of_nodes(as_list(predictions)), rows_of_nodes(targets)
            check_lengths(name, p_rows, y_rows)
            for i, (p_row, y_row) in enumerate(zip(p_rows, y_rows, strict=True)):
                check_lengths(name, p_row, y_row, f" for sample {i}")
            ps, ys = tuple(chain.from_iterable(p_rows)), tuple(chain.from_iterable(y_rows))
            if is_target is not None:
                check_targets(name, [y.data for y in ys], len(y_rows[0]), is_target, expects)
            losses = [formula(p, y, *settings) for p, y in zip(ps, ys, strict=True)]
            if reduction == "none" and any(map(is_row, targets)):
                rest = iter(losses)
                losses = [[next(rest) for _ in y] if is_row(y) else next(rest) for y in targets]
            return reduce_losses(losses, reduction)

        added = inspect.signature(loss, follow_wrapped=False).parameters["reduction"]
        added = added.replace(annotation=str)
        shown: Any = loss
        shown.__signature__ = signature.replace(parameters=[*signature.parameters.values(), added])
        return cast("LossOfPairs", answer_keywords(shown))

    return decorate


loss_with_delta = cast("Callable[[Loss], LossWithDelta]", loss_of_pairs())


def check_reduction(reduction: object) -> None:
    """Raise ValueError unless `reduction` is "mean", "sum" or "none"."""
    if not isinstance(reduction, str) or reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be one of {', '.join(REDUCTIONS)}, got {reduction!r}")


def reduce_losses(losses: Any, reduction: Reduction, size: float | None = None) -> Any:
    """Return the mean or the sum of losses, or the losses themselves.

    The mean divides the sum by `size`, by default the number of losses.
    """
    if reduction == "none":
        return losses
    of_array = is_array(losses)
    count = losses.size if of_array else len(losses)
    if of_array and reduction == "mean" and size in (None, count):
        return losses.mean()
    summed = losses.sum() if of_array else total(losses)
    return summed if reduction == "sum" else summed / (count if size is None else size)


def as_list(xs: Iterable[Any]) -> list[Any]:
    return to_list(xs, "a loss expects a list of predictions and one of targets")


def rows_of_nodes(xs: Sequence[Any]) -> list[tuple[Value, ...]]:
    """Return the numbers of each sample as nodes, one or several."""
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


# The formulas use only operators and methods that Values and Arrays share.


@loss_of_pairs()
def mse(predictions: Any, targets: Any) -> "Value | Array":
    """Return the mean squared error, (p - y)².

    >>> mse([Value(1.0), Value(5.0)], [1.0, 2.0])
    Value(4.5)
    """
    return (predictions - targets).square()


@loss_of_pairs()
def mae(predictions: Any, targets: Any) -> "Value | Array":
    """Return the mean absolute error, |p - y|. Its slope is 0 at p = y.

    >>> mae([Value(1.0), Value(5.0)], [1.0, 2.0])
    Value(1.5)
    """
    return abs(predictions - targets)


@loss_with_delta
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


@loss_of_pairs(
    lambda y: abs(y) == 1,
    "labels -1 or 1 (2.0 * y - 1.0 converts 0 and 1)",
    "scores of both signs",
)
def hinge(scores: Any, labels: Any) -> "Value | Array":
    """Return the hinge loss max(0, 1 - y s) of scores s and labels y. Its slope is 0 at y s = 1.

    Scores may be negative: results of sigmoid or softmax issue GradientWarning. Raises ValueError
    for labels other than -1 and 1.

    >>> hinge([Value(0.25), Value(3.0)], [1, 1])
    Value(0.375)
    """
    return (1.0 - labels * scores).relu()


@loss_of_pairs(
    lambda y: (y >= 0) & (y <= 1), "targets from 0 to 1", "logits, to which it applies sigmoid"
)
def binary_cross_entropy(logits: Any, targets: Any) -> "Value | Array":
    """Return the cross entropy -y log a - (1 - y) log(1 - a), where a = sigmoid(z), of logits z.

    It expects logits, as PyTorch's `binary_cross_entropy_with_logits` does: the last layer of the
    model is linear, and `model.predict(X, "probabilities")` applies sigmoid. Issues GradientWarning
    for results of sigmoid or softmax, which PyTorch's `binary_cross_entropy` expects.

    The gradient is (a - y) / samples. It is computed from -log sigmoid(z) = softplus(-z), which
    neither overflows nor rounds small losses to 0. Raises ValueError for targets outside [0, 1].

    >>> binary_cross_entropy([Value(0.0)], [1])
    Value(0.693147)
    """
    return targets * (-logits).softplus() + (1.0 - targets) * logits.softplus()


# fmt: off
@overload
def cross_entropy(
    logits: "Array", labels: Iterable[Any], *, weight: ClassWeights = None,
    ignore_index: int | None = None, reduction: Reduction = "mean", smoothing: float = 0.0,
) -> "Array": ...
@overload
def cross_entropy(
    logits: LogitRows, labels: Iterable[Any], *, weight: ClassWeights = None,
    ignore_index: int | None = None, reduction: ToValue = "mean", smoothing: float = 0.0,
) -> Value: ...
@overload
def cross_entropy(
    logits: LogitRows, labels: Iterable[Any], *, weight: ClassWeights = None,
    ignore_index: int | None = None, reduction: Literal["none"], smoothing: float = 0.0,
) -> list[Value]: ...
# fmt: on
@answer_keywords
def cross_entropy(
    logits: "LogitRows | Array",
    labels: Iterable[Any],
    *,
    weight: ClassWeights = None,
    ignore_index: int | None = None,
    reduction: Reduction = "mean",
    smoothing: float = 0.0,
) -> Any:
    """Return the cross entropy -log softmax(z)[label] of logits z and class indices.

    It expects logits, as PyTorch's `cross_entropy` does: the last layer of the model is linear, and
    `model.predict(X, "probabilities")` applies softmax. Issues GradientWarning for results of
    softmax or sigmoid. Results of log_softmax have the same loss as the logits.

    Labels may also be class probabilities q, such as one-hot rows. The loss of a sample is then
    -Σ q log softmax(z).

    logits        one list of k Values per sample, or an Array of shape `(samples, k)`
    labels        one int from 0 to k - 1 per sample, or k probabilities per sample, whose sum is 1
    weight        k numbers of 0 or more, which multiply the terms of the classes; the mean divides
                  by the sum of the labels' weights; of probabilities, by the number of samples
    ignore_index  a label whose samples are left out; their losses and gradients are 0
    reduction     "mean", "sum" or "none"
    smoothing     in [0, 1); the target of each class is smoothing / k, and that of the label larger
                  by 1 - smoothing (label smoothing, Szegedy et al. 2016)

    The definitions are those of PyTorch. The gradient is (A - Y) / samples for A = softmax(Z) and
    the targets Y. Raises ValueError for a label that is not a class index, for probabilities that
    are negative or do not sum to 1, if k is 1, and for a mean over no sample.

    >>> z = [Value(0.0), Value(0.0)]
    >>> cross_entropy([z], [1]).backward()
    >>> [logit.grad for logit in z]
    [0.5, -0.5]
    >>> cross_entropy([z], [[0.5, 0.5]])
    Value(0.693147)
    """
    smoothing = check_within("smoothing", smoothing, below=1)
    check_reduction(reduction)
    warn_of_probabilities("cross_entropy", "logits, to which it applies softmax", logits)
    losses, size = cross_entropies(logits, labels, weight, ignore_index, smoothing)
    if reduction == "mean" and size == 0:
        got = "none" if weight is None else "labels of weight 0"
        raise ValueError(
            f"cross_entropy expects at least one label for the mean, got {got}; leave out such "
            "batches"
        )
    return reduce_losses(losses, reduction, size)


@answer_keywords
def l1_penalty(parameters: Iterable[Node]) -> "Value | Array":
    """Return |p1| + |p2| + ..., which drives small parameters to 0 (lasso; Tibshirani 1996).

    >>> l1_penalty([Value(-3.0), Value(4.0)])
    Value(7.0)
    """
    ps = parameter_list("l1_penalty", parameters)
    if has_arrays(ps):
        return total([abs(p).sum() for p in map(find_payload(*ps).lift, ps)])
    return total([abs(p) for p in as_nodes(ps)])


@answer_keywords
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


__getattr__ = other_names.answer_names(__name__, other_names.LOSSES)


def __dir__() -> list[str]:
    return __all__
