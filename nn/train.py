"""`fit`: train a model.

>>> from nn import MLP, accuracy, data
>>> X, y = data.xor(20, rng=0)
>>> model = MLP(2, [8, 1], rng=0)
>>> for record in fit(model, X, 2 * y - 1, loss="hinge", epochs=50, lr=0.05, metric=accuracy):
...     pass
>>> print(record.epoch, record.metric)
50 1.0
"""

import math
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from engine.support.arguments import is_real, numpy_type
from engine.support.lazy import is_installed, numpy_for
from engine.support.trees import leaves
from nn import losses, optim, schedules
from nn.arguments import (
    check_flag,
    check_function,
    check_positive,
    check_whole,
    format_count,
    look_up,
)
from nn.batches import Samples, hold_out, to_finite_samples
from nn.init import Rng, generator
from nn.keywords import answer_keywords_of_fit
from nn.metrics import accuracy, check_signs
from nn.module import Module, check_module
from nn.objective import Loss, Metric, Objective, Penalty
from nn.records import Record
from nn.schedules import Schedule
from nn.taped import as_model
from nn.training import Augment, Training

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from engine import Tape

METRICS = {"accuracy": accuracy}
# The number of steps after which jit has saved more time than recording and compiling take. On a
# new machine, these take 0.5 s for a small MLP, which needs 800 to 1,700 steps to save as much,
# 0.7 s for an MLP on MNIST (500 steps), and 1.5 s for a transformer or a deep network (100 to 200
# steps). With code on disk, they take 0.15 to 0.4 s.
WORTH_COMPILING = 2_000
LOGIT_LOSSES = (losses.binary_cross_entropy, losses.cross_entropy, losses.hinge)

__all__ = ["Record", "Training", "fit"]


@answer_keywords_of_fit
def fit(
    model: "Module | Tape",
    X: "ArrayLike",
    y: "ArrayLike",
    *,
    loss: str | Loss,
    epochs: int,
    optimizer: str | optim.Optimizer = "adam",
    lr: float | None = None,
    schedule: Schedule | None = None,
    batch_size: int | None = None,
    metric: str | Metric | None = None,
    validation: "float | tuple[ArrayLike, ArrayLike] | None" = None,
    patience: int | None = None,
    clip: float | None = None,
    penalty: Penalty | None = None,
    augment: Augment | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    rng: Rng = None,
    jit: bool | None = None,
) -> Training:
    """Train a model on samples X and targets y. Return a `Training`: an iterator over `Record`s.

    Each epoch runs when its record is requested: iterate over the result to train, or call its
    `run()`. The call of `fit` alone trains nothing.

    model       a Module, an `engine.Tape` with inputs, or a model under `engine.jit`; after
                training, `sync()` copies the weights to the Values that were recorded
    loss        a function (predictions, targets) -> node, or the name of one in `nn.losses`
    optimizer   an optimizer of the model's parameters, or the name of one in `nn.optim`
    lr          the learning rate of an optimizer given by name; None uses its default
    schedule    a function step -> learning rate; the steps are those of the optimizer, one for
                each mini-batch; `schedules.reduce_on_plateau` receives the loss of each epoch
    batch_size  the number of samples in a mini-batch; None puts all samples in one
    metric      a function (predictions, targets) -> float, or "accuracy": `nn.accuracy` with the
                threshold 0.5 for mse, mae and huber on labels 0 and 1, and 0 for other losses of
                `nn.losses` and labels -1 and 1; it ignores the label that the loss ignores
    validation  (X, y), or the fraction of the samples to hold out
    patience    stop after this many epochs without a new lowest validation loss; without
                validation samples, the loss over the training samples after the epoch counts
    clip        the largest norm of the gradient
    penalty     a function () -> node whose result is added to the loss, such as
                lambda: 1e-4 * l2_penalty(model.parameters())
    augment     a function (X, epoch, rng) -> X that returns the samples of an epoch
    checkpoint  a file to save the training in after every epoch; if the file exists, training
                resumes from it, with the same result, bit for bit, as an uninterrupted run
    rng         a seed or a NumPy Generator for the held-out samples, augmentation and the order
                of samples; without NumPy, the same seed gives another order
    jit         True to record the step of a model of Arrays, for each shape of a batch, and to
                replay it with `engine.jit`, with the same results, bit for bit on one thread; the
                extra `jit` makes it faster. None, the default, does so for 2,000 steps or more if
                llvmlite is installed, as by that extra, and the model, its loss and its modules
                come from `nn`. On a new machine, compiling takes 0.5 to 1.5 s, which a small
                network saves in 1,000 to 2,000 steps. For a model of Values, pass
                `engine.jit(model)`

    The model is in train() mode during its steps, and in eval() mode whenever the caller has
    control. With `patience`, the model ends with the weights of its best epoch. The training ends
    after its last epoch, by early stopping, by an error or by `close()`. After a `break` it closes
    by itself unless a variable refers to it. Ctrl-C during an epoch restores the model from the
    checkpoint, if there is one, and the message says how to resume.

    With `jit`, changes of the model and of attributes of its modules between epochs are noticed. A
    number that your own loss, penalty or module reads from elsewhere, such as a global variable,
    stays that of the recording. While a hook such as `detect_anomaly` is active, nothing is
    replayed.

    A checkpoint identifies functions by their names, lambdas by their constants and the names and
    numbers that they refer to, and a schedule by its rates. When training resumes, its random state
    replaces `rng`.

    Raises ValueError or TypeError for arguments that are invalid, alone or together. Raises
    CheckpointError for the checkpoint of another run, and FloatingPointError if the loss or the
    gradient is not finite.

    >>> from nn import MLP, data
    >>> X, y = data.moons(50, rng=0)
    >>> model = MLP(2, [8, 1], "tanh", rng=0)
    >>> settings = {"loss": "binary_cross_entropy", "metric": "accuracy", "epochs": 30, "lr": 0.1}
    >>> records = fit(model, X, y, **settings).run()
    >>> records[-1].loss < records[0].loss
    True
    """
    module = check_module("fit", as_model(model))
    epochs = check_whole("epochs", epochs)
    patience = patience if patience is None else check_whole("patience", patience)
    batch_size = batch_size if batch_size is None else check_whole("batch_size", batch_size)
    clip = clip if clip is None else check_positive("clip", clip)
    if isinstance(metric, str):
        metric = look_up("metric", METRICS, metric)
    if isinstance(schedule, str):
        schedules.get(schedule)  # an unknown name raises a ValueError that lists the known ones
    schedule = schedule if schedule is None else schedules.check_schedule(schedule)
    check_function("metric", metric, "nn.accuracy", 2)
    check_function("penalty", penalty, "lambda: 1e-4 * ...", 0)
    check_function("augment", augment, "lambda X, epoch, rng: ...", 3)
    source, loss = generator(rng), losses.get(loss)
    samples = to_finite_samples(X, y)
    chosen = _find_optimizer(module, optimizer, lr, schedule)
    held_out = _convert_validation(validation)
    if metric is accuracy:
        parts = [samples, held_out] if isinstance(held_out, tuple) else [samples]
        metric = _choose_accuracy(loss, [targets for _, targets in parts])
    saved = None
    if checkpoint is not None:
        numpy_for("a checkpoint")
        from nn.checkpoint import TrainingCheckpoint, describe_function, fingerprint

        settings = {
            "loss": describe_function(loss), "optimizer": chosen.name, **chosen.settings(),
            "lr": None if schedule else chosen.lr, "batch_size": batch_size, "clip": clip,
            "metric": describe_function(metric), "penalty": describe_function(penalty),
            "augment": describe_function(augment), "patience": patience,
            "samples X": fingerprint(samples[0]), "targets y": fingerprint(samples[1]),
            "validation": fingerprint(held_out),
        }  # fmt: skip
        saved = TrainingCheckpoint(checkpoint, module, chosen, schedule, source, settings)
    if held_out is not None and not isinstance(held_out, tuple):  # the checkpoint has set its state
        samples, held_out = hold_out(*samples, held_out, source, name="validation")
    objective = Objective(module, loss, metric, penalty)
    if jit is None:
        steps = epochs * math.ceil(len(samples[0]) / (batch_size or len(samples[0])))
        jit = steps >= WORTH_COMPILING and is_installed("llvmlite") and objective.is_known()
    if check_flag("jit", jit):
        objective.compile(chosen.parameters)
    training = Training(
        objective=objective, optimizer=chosen, samples=samples,
        validation=held_out, epochs=epochs, batch_size=batch_size, schedule=schedule,
        patience=patience, clip=clip, augment=augment, rng=source, checkpoint=saved,
    )  # fmt: skip
    training._caller = sys._getframe(2).f_code  # 1 is that of the decorator
    return training


def _choose_accuracy(loss: Loss, targets: list[Any]) -> Metric:
    """Return `accuracy` with the threshold for the scores of a loss, by all targets.

    A label that the loss ignores is left out. The threshold is 0 for losses of logits, and for
    labels -1 and 1. For other labels it is 0.5 for losses of differences; for the user's losses the
    metric raises ValueError, unless there are several logits for each sample. Raises ValueError if
    both -1 and 0 are labels.
    """
    plain_loss, settings = loss, {}
    if isinstance(loss, partial):
        plain_loss, settings = loss.func, loss.keywords
    if settings.get("ignore_index") is not None:
        return partial(accuracy, ignore_index=settings["ignore_index"])
    if plain_loss in LOGIT_LOSSES:
        return accuracy
    labels = {y for part in targets for y in leaves(part.tolist())}
    is_known = plain_loss in losses.LOSSES.values()
    if is_known:
        check_signs("accuracy", labels)
    if min(labels) < 0:
        return accuracy
    if is_known:
        return partial(accuracy, threshold=0.5)
    return _accuracy_of_classes


def _accuracy_of_classes(predictions: Any, targets: Any) -> float:
    """Return the accuracy of several logits per sample. Raises ValueError for one score."""
    rows = predictions if isinstance(predictions, list) else predictions.data
    sizes = [len(x) if isinstance(x, list | tuple) else getattr(x, "size", 1) for x in rows]
    if max(sizes) == 1:
        raise ValueError(
            "accuracy of one score per sample needs a threshold, and your loss may be of logits or "
            "not; pass metric=lambda p, y: nn.accuracy(p, y, threshold=0.0) for logits, or "
            "threshold=0.5 for predictions near 0 and 1"
        )
    return accuracy(predictions, targets)


def _find_optimizer(
    model: Module, optimizer: str | optim.Optimizer, lr: float | None, schedule: Schedule | None
) -> optim.Optimizer:
    """Return the given optimizer, or make one of that name for the parameters of the model."""
    if lr is not None and schedule is not None:
        raise ValueError(f"expected a learning rate or a schedule, got lr={lr} and a schedule")
    parameters = model.parameters()
    if isinstance(optimizer, str):
        rule = optim.get(optimizer)
        return rule(parameters) if lr is None else rule(parameters, lr)
    if not isinstance(optimizer, optim.Optimizer):
        raise TypeError(
            "optimizer must be a name or an optimizer such as Adam(model.parameters()), "
            f"got {optimizer!r}"
        )
    if lr is not None:
        raise ValueError(
            f"lr={lr} is for an optimizer given by name; this one has lr={optimizer.lr}"
        )
    if not set(optimizer.parameters) & set(parameters):
        raise ValueError(
            "the optimizer has none of the model's parameters; make it from model.parameters()"
        )
    return optimizer


def _convert_validation(validation: Any) -> Samples | float | None:
    """Convert validation samples to arrays; return a fraction unchanged.

    Raises ValueError or TypeError for anything else.
    """
    expected = "validation must be (X, y) or a fraction of the samples, a number in [0, 1)"
    if isinstance(validation, tuple | list):
        if len(validation) != 2:
            raise ValueError(f"{expected}, got {format_count(len(validation), 'part')}")
        return to_finite_samples(*validation)
    if isinstance(validation, numpy_type("ndarray")):
        raise TypeError(f"{expected}, got an array of shape {validation.shape}")
    if validation is not None and not (is_real(validation) and 0 <= validation < 1):
        raise ValueError(f"{expected}, got {validation!r}")
    return validation
