"""The training loop, as a generator of records: the caller prints, plots or stops.

>>> from nn import MLP, accuracy, data
>>> X, y = data.xor(20, rng=0)
>>> model = MLP(2, [8, 1], rng=0)
>>> for record in fit(model, X, 2 * y - 1, loss="hinge", epochs=50, lr=0.05, metric=accuracy):
...     pass
>>> print(record.epoch, record.metric)
50 1.0
"""

import math
import time
from collections.abc import Callable, Generator
from typing import Any, NamedTuple

import numpy as np

from engine.functions import has_arrays
from nn import losses, optim, schedules
from nn.arguments import lookup, positive, whole
from nn.data import Samples, batches, paired, split
from nn.init import generator
from nn.metrics import accuracy
from nn.schedules import Schedule


class Record(NamedTuple):
    """One epoch of training; what was not asked for is None.

    loss, metric                        the means over the training samples, each at the weights
                                        before its step
    validation_loss, validation_metric  the means over the validation samples after the epoch
    lr                                  the learning rate of the last step
    grad_norm                           the mean over the steps of the norm before clipping
    seconds                             what the epoch took, validation included

    Both losses include the penalty.
    """

    epoch: int  # from 1
    loss: float
    metric: float | None
    validation_loss: float | None
    validation_metric: float | None
    lr: float
    grad_norm: float
    seconds: float


def fit(
    model: Any,
    X: Any,
    y: Any,
    *,
    loss: str | Callable[[Any, Any], Any],
    epochs: int,
    optimizer: str | optim.Optimizer = "adam",
    lr: float | None = None,
    schedule: Schedule | None = None,
    batch_size: int | None = None,
    metric: str | Callable[[Any, Any], float] | None = None,
    validation: float | tuple[Any, Any] | None = None,
    patience: int | None = None,
    clip: float | None = None,
    penalty: Callable[[], Any] | None = None,
    rng: Any = None,
) -> Generator[Record, None, None]:
    """Train `model` on samples X and targets y, and yield a `Record` after every epoch.

    A generator: each epoch runs when its record is asked for, and without a loop nothing is
    trained.

    loss        a function (predictions, targets) -> Value, or the name of one in `nn.losses`
    optimizer   one that moves the model's parameters, or the name of one in `nn.optim`
    lr          the learning rate of an optimizer given by name; None takes its default
    schedule    a function step -> learning rate; steps are the optimizer's, one for each mini-batch
    batch_size  the samples in a mini-batch; None takes all at once
    metric      a function (predictions, targets) -> float, or "accuracy"
    validation  (X, y), or the fraction of the samples to hold out
    patience    stop after so many epochs without a new lowest validation loss (where there is no
                validation, without a new lowest loss over the training samples after the epoch)
    clip        the norm above which gradients are clipped
    penalty     a function () -> Value that is added to the loss, such as
                lambda: 1e-4 * l2_penalty(model.parameters())
    rng         a seed or a NumPy Generator, for what is held out and the order of the samples

    The model is in train() mode for its steps and in eval() mode whenever the caller has it. With
    `patience` it is left with the weights of its best epoch when the generator ends: early, at the
    last epoch, by an error, or when it is closed, which after a `break` happens by itself unless
    the generator has a name; then call its `.close()`.

    ValueError for arguments that make no sense, alone or together; FloatingPointError when the loss
    or the gradient is not finite any more.
    """
    epochs = whole("epochs", epochs)
    if patience is not None:
        patience = whole("patience", patience)
    if isinstance(metric, str):
        metric = lookup("metric", {"accuracy": accuracy}, metric)
    if penalty is not None and not callable(penalty):
        raise TypeError(f"penalty is a function such as lambda: 1e-4 * ..., got {penalty!r}")
    if isinstance(schedule, str):
        schedules.named(schedule)  # an unknown name is a ValueError that lists the known ones
    if schedule is not None and not callable(schedule):
        raise TypeError(
            f"schedule is a function such as nn.schedules.cosine(...), got {schedule!r}"
        )
    if clip is not None:
        positive("clip", clip)
    rng = generator(rng)
    X, y = finite(X, y)
    held_out = None
    if isinstance(validation, tuple | list):
        held_out = finite(*validation)
    elif validation is not None:
        (X, y), held_out = split(X, y, validation, rng)
    objective = Objective(model, losses.named(loss), metric, penalty)
    mover = optimizer_for(model, optimizer, lr, schedule)

    def step(epoch: int, X: np.ndarray, y: np.ndarray) -> tuple[float, float | None, float]:
        """Move the weights once; return the loss, the metric and the gradient's norm before."""
        if schedule is not None:
            mover.lr = schedule(mover.steps)
        value, score = objective(X, y)
        mover.zero_grad()
        value.backward()
        reached = float(value.data)
        moved = mover.parameters
        norm = optim.grad_norm(moved) if clip is None else optim.clip_grad_norm(moved, clip)
        for what, number in (("loss", reached), ("gradient's norm", norm)):
            if not math.isfinite(number):
                raise FloatingPointError(
                    f"the {what} is {number} in epoch {epoch}; "
                    f"try a smaller learning rate than {mover.lr:g}"
                )
        mover.step()
        return reached, score, norm

    def records() -> Generator[Record, None, None]:
        best = Best(model)
        try:
            for epoch in range(1, epochs + 1):
                began = time.perf_counter()
                model.train()
                parts = batches(X, y, batch_size, rng=rng)
                seen, score, norm = means([(len(part[0]), *step(epoch, *part)) for part in parts])
                model.eval()
                held_loss, held_score = objective.over(held_out, batch_size)
                if patience is not None:
                    best.see(held_loss if held_out else objective.over((X, y), batch_size)[0])
                seconds = time.perf_counter() - began
                yield Record(epoch, seen, score, held_loss, held_score, mover.lr, norm, seconds)
                if best.since == patience:
                    return
        finally:
            model.eval()
            best.restore()

    return records()


class Objective(NamedTuple):
    """What training makes small: the loss of a model on some samples, and the penalty."""

    model: Any
    loss: Callable[[Any, Any], Any]
    metric: Callable[[Any, Any], float] | None
    penalty: Callable[[], Any] | None

    def __call__(self, X: np.ndarray, y: np.ndarray) -> tuple[Any, float | None]:
        """The objective as a node, and the metric."""
        predictions, targets = apply(self.model, X, y)
        value = self.loss(predictions, targets)
        if self.penalty is not None:
            value = value + self.penalty()
        if not hasattr(value, "backward"):
            raise TypeError(f"a loss returns a Value made from the predictions, got {value!r}")
        return value, None if self.metric is None else self.metric(predictions, targets)

    def over(self, samples: Samples | None, size: int | None) -> list[Any]:
        """The means over all samples, no more than `size` of them in one graph; None for none."""
        if samples is None:
            return [None, None]
        rows = []
        for part in batches(*samples, size, shuffle=False):
            value, score = self(*part)
            rows.append((len(part[0]), float(value.data), score))
        return means(rows)


def apply(model: Any, X: np.ndarray, y: np.ndarray) -> tuple[Any, Any]:
    """The predictions for a batch and its targets, as losses and metrics take them.

    A model with Arrays for parameters is given the batch at once, another one sample at a time.
    """
    if has_arrays(model.parameters()):
        return model(X), y
    return [model(x) for x in X.tolist()], y.tolist()


def means(rows: list[tuple[Any, ...]]) -> list[Any]:
    """From a row of size and numbers for each batch, the means over the samples; None stays None.

    >>> means([(30, 1.0, None), (10, 5.0, None)])
    [2.0, None]
    """
    sizes, *columns = zip(*rows, strict=True)
    n = sum(sizes)
    return [
        None
        if None in column
        else math.fsum(size / n * x for size, x in zip(sizes, column, strict=True))
        for column in columns
    ]


class Best:
    """The weights with the lowest loss seen, and for how many epochs there was none lower."""

    def __init__(self, model: Any):
        self.model, self.loss, self.since, self.weights = model, math.inf, 0, None

    def see(self, loss: float) -> None:
        self.since += 1
        if loss < self.loss:
            self.loss, self.since, self.weights = loss, 0, self.model.state_dict()

    def restore(self) -> None:
        if self.weights is not None:
            self.model.load_state_dict(self.weights)


def optimizer_for(
    model: Any, optimizer: str | optim.Optimizer, lr: float | None, schedule: Schedule | None
) -> optim.Optimizer:
    """The optimizer itself, or one of that name over the model's parameters."""
    if lr is not None and schedule is not None:
        raise ValueError(f"lr={lr} and a schedule both say the learning rate; give one of them")
    parameters = model.parameters()
    if isinstance(optimizer, str):
        rule = optim.named(optimizer)
        return rule(parameters) if lr is None else rule(parameters, lr)
    if not isinstance(optimizer, optim.Optimizer):
        raise TypeError(
            f"optimizer takes a name or one such as Adam(model.parameters()), got {optimizer!r}"
        )
    if lr is not None:
        raise ValueError(f"lr={lr} is for an optimizer given by name; this has lr={optimizer.lr}")
    if not set(optimizer.parameters) & set(parameters):
        raise ValueError("the optimizer moves none of this model's parameters; make it from them")
    return optimizer


def finite(X: Any, y: Any) -> Samples:
    """X and y as arrays of one length; TypeError unless of numbers, ValueError for nan and inf."""
    X, y = paired(X, y)
    for name, array in (("X", X), ("y", y)):
        if array.dtype.kind not in "fiub":
            raise TypeError(f"{name} holds numbers, got an array of {array.dtype}")
        if not np.isfinite(array).all():
            bad = np.argwhere(~np.isfinite(array))
            value, sample = array[tuple(bad[0])], bad[0][0]
            raise ValueError(f"{name} holds {value} for sample {sample}; leave such samples out")
    return X, y
