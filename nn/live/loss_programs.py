"""A loss as programs of one sample, and the factor by which a batch reduces them."""

import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from engine.value import Value
from engine.watch.gradient_warnings import GradientWarning
from nn import losses
from nn.batches import Samples
from nn.live.kernels import Kernels
from nn.live.lanes import Program, Recording, record_lanes
from nn.objective import Loss

MOST_PROGRAMS = 64
TOLERANCE = 1e-9
MEAN, SUM, WEIGHTED = "mean", "sum", "weighted"


class LossPrograms(NamedTuple):
    """The loss of one sample.

    Attributes:
        loss: The function of predictions and targets.
        programs: The inputs of each are the model's outputs, followed by the target.
        program_of: The program of each sample, by its place in `programs`.
        reduction: "mean", "sum" or "weighted", over the samples of a batch.
        sizes: For "weighted", the weight of each sample; a batch divides by the sum of its weights.
    """

    loss: Loss
    programs: list[Program]
    program_of: list[int]
    reduction: str
    sizes: list[float]


def record_loss(loss: Loss, predictions: Any, samples: Samples, kernels: Kernels) -> LossPrograms:
    """Record a loss for predictions of a model.

    The target is an input of the program. If the loss branches on it, as cross entropy does on a
    label, each distinct target has a program of its own.

    Args:
        loss: A function (predictions, targets) -> node.
        predictions: The outputs for the first samples, Values or lists of Values.
        samples: X and y.
        kernels: The kernels, to which those of the programs are added.

    Raises:
        ValueError: The loss of a batch is neither the mean nor the sum of the samples' losses, or
            its control flow depends on a prediction or on too many distinct targets.
    """
    targets = samples[1].tolist()
    outputs = predictions[0]
    numbers = [x.data for x in outputs] if isinstance(outputs, list) else outputs.data
    loss(as_leaves([numbers] * len(targets)), targets)  # its error names the right sample
    loss, sizes = split_weights(loss, targets)
    reduction = WEIGHTED
    if not sizes:
        reduction = find_reduction(loss, predictions, targets[: len(predictions)])
    keys = [tuple(y) if isinstance(y, list) else y for y in targets]
    programs: list[Program] = []
    program_of: dict[Any, int] = {}
    for key, y in zip(keys, targets, strict=True):
        if key in program_of:
            continue
        recording = record_for_target(loss, outputs, y, kernels)
        if recording.program not in programs:
            programs.append(recording.program)
        if len(programs) > MOST_PROGRAMS:
            raise ValueError(
                "train_page expects a loss that uses targets as numbers, or branches on at most "
                f"{MOST_PROGRAMS} distinct targets, got one that branches on more; write where() "
                "in place of if"
            )
        program_of[key] = programs.index(recording.program)
        if not recording.guards and len(recording.program.inputs) > count_outputs(outputs):
            program_of = dict.fromkeys(keys, program_of[key])  # it does not depend on the target
    return LossPrograms(loss, programs, [program_of[key] for key in keys], reduction, sizes)


def split_weights(loss: Loss, targets: list[Any]) -> tuple[Loss, list[float]]:
    """Return a cross entropy of labels as its sum over samples, and the weights of the samples.

    The weight of a sample is that of its class, and 0 if its label is ignored. For any other loss
    the weights are empty.
    """
    function: Any = loss
    settings = loss.keywords if isinstance(loss, partial) else {}
    weight, ignored = settings.get("weight"), settings.get("ignore_index")
    is_known = isinstance(loss, partial) and loss.func is losses.cross_entropy and not loss.args
    is_mean = settings.get("reduction", MEAN) == MEAN and not isinstance(targets[0], list)
    if not (is_known and is_mean) or (weight is None and ignored is None):
        return loss, []
    weights = None if weight is None else [*map(float, weight)]
    sizes = [0.0 if y == ignored else 1.0 if weights is None else weights[y] for y in targets]
    return partial(function, weight=weights, reduction=SUM), sizes


def record_for_target(loss: Loss, outputs: Any, y: Any, kernels: Kernels) -> Recording:
    """Record the loss of one sample; its target is an input unless the loss refuses a Value."""
    ps = [Value(p.data) for p in (outputs if isinstance(outputs, list) else [outputs])]
    ys = [Value(float(x)) for x in (y if isinstance(y, list) else [y])]

    def compute(inputs: list[Value]) -> Any:
        p, t = inputs[: len(ps)], inputs[len(ps) :] or y
        if isinstance(t, list) and t is not y and not isinstance(y, list):
            t = t[0]
        return loss([p if isinstance(outputs, list) else p[0]], [t])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GradientWarning)  # of an output that this target ignores
        try:
            recording = record_lanes(compute, [*ps, *ys], [], kernels, fixed=ys)
        except Exception:  # e.g. a Value cannot be an index; then the target is a constant
            recording = record_lanes(compute, ps, [], kernels)
    if recording.of_gradient:
        raise ValueError(
            "train_page records the loss once, but its control flow depends on a prediction; write "
            "where() in place of if"
        )
    return recording


def find_reduction(loss: Loss, predictions: Sequence[Any], targets: list[Any]) -> str:
    """Return whether the loss of a batch is the mean or the sum of the losses of its samples."""
    for scale in (1.0, -0.7, 2.3):  # if a hinge is 0 for all samples, both fit
        ps = [
            [scale * x.data + shift for x in p] if isinstance(p, list) else scale * p.data + shift
            for shift, p in enumerate(predictions)
        ]
        single = [read(loss(as_leaves([p]), [y])) for p, y in zip(ps, targets, strict=True)]
        whole, total = read(loss(as_leaves(ps), targets)), sum(single)
        size = max(map(abs, single)) * len(single)
        is_mean = abs(whole - total / len(single)) <= TOLERANCE * size
        is_sum = abs(whole - total) <= TOLERANCE * size
        if not (is_mean or is_sum):
            raise ValueError(
                "train_page expects a loss of a batch that is the mean or the sum of the losses of "
                f"its samples, got {whole:g} for a mean of {total / len(single):g}; write class "
                "weights as partial(nn.losses.cross_entropy, weight=[...])"
            )
        if is_mean != is_sum:
            return MEAN if is_mean else SUM
    return MEAN


def as_leaves(predictions: list[Any]) -> list[Any]:
    """Return numbers as Values that require a gradient."""
    return [[*map(Value, p)] if isinstance(p, list) else Value(p) for p in predictions]


def read(loss: Any) -> float:
    """Return the number of a loss."""
    if not isinstance(loss, Value):
        raise TypeError(f"a loss must return a node made from the predictions, got {loss!r}")
    return loss.data


def count_outputs(outputs: Any) -> int:
    """Return the number of outputs of a sample."""
    return len(outputs) if isinstance(outputs, list) else 1
