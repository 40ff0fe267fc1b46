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
import os
import time
from collections.abc import Callable, Generator
from typing import Any, NamedTuple

from engine.support.arguments import numpy_type
from engine.support.lazy import numpy_for, numpy_if_installed
from nn import losses, optim, plain, schedules
from nn.arguments import function, lookup, positive, whole
from nn.batches import batches, finite, split
from nn.init import generator
from nn.metrics import accuracy
from nn.objective import Objective, means, number_of
from nn.schedules import Schedule
from nn.taped import Taped, is_tape
from nn.watch import Watch


class Record(NamedTuple):
    """One epoch of training; what was not asked for is None.

    loss, metric                        the means over the training samples, each at the weights
                                        before its step
    validation_loss, validation_metric  the means over the validation samples after the epoch
    lr                                  the learning rate of the last step
    grad_norm                           the mean over the steps of the norm before clipping
    seconds                             what the epoch took, validation included

    Both losses include the penalty.

    >>> from nn import MLP, data
    >>> X, y = data.moons(50, rng=0)
    >>> record = next(fit(MLP(2, [4, 1], rng=0), X, y, loss="binary_cross_entropy", epochs=1))
    >>> record.epoch, record.metric, record.validation_loss
    (1, None, None)
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
    augment: Callable[[Any, int, Any], Any] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    rng: Any = None,
) -> Generator[Record, None, None]:
    """Train `model` on samples X and targets y, and yield a `Record` after every epoch.

    The model is a Module, or an `engine.Tape` with inputs, whose `.sync()` then gives the
    Values that it was recorded from the numbers that were found.

    A generator: each epoch runs when its record is asked for, and without a loop nothing is
    trained.

    loss        a function (predictions, targets) -> node, or the name of one in `nn.losses`
    optimizer   one that moves the model's parameters, or the name of one in `nn.optim`
    lr          the learning rate of an optimizer given by name; None takes its default
    schedule    a function step -> learning rate; steps are the optimizer's, one for each mini-batch
    batch_size  the samples in a mini-batch; None takes all at once
    metric      a function (predictions, targets) -> float, or "accuracy"
    validation  (X, y), or the fraction of the samples to hold out
    patience    stop after so many epochs without a new lowest validation loss (where there is no
                validation, without a new lowest loss over the training samples after the epoch)
    clip        the norm above which gradients are clipped
    penalty     a function () -> node that is added to the loss, such as
                lambda: 1e-4 * l2_penalty(model.parameters())
    augment     a function (X, epoch, rng) -> X that makes an epoch's samples of those to train on
    checkpoint  a file in which all of this is saved after every epoch; where it is there already,
                training goes on from it, to the same bits as if it had never stopped
    rng         a seed or a NumPy Generator, for what is held out, augmentation, and the order;
                where NumPy is not installed, a seed gives another order

    The model is in train() mode for its steps and in eval() mode whenever the caller has it. With
    `patience` it is left with the weights of its best epoch when the generator ends: early, at the
    last epoch, by an error, or when it is closed, which after a `break` happens by itself unless
    the generator has a name; then call its `.close()`. Ctrl-C leaves it as it was saved last, where
    there is a checkpoint, and says how to go on; in the caller's own loop it is Python's alone.

    A checkpoint knows functions by their names (lambdas by what they name and hold), a schedule by
    its rates; its random state is what training goes on with, whatever `rng` is.

    ValueError for arguments that make no sense, alone or together, and for a checkpoint of another
    training; FloatingPointError when the loss or the gradient is not finite any more.

    >>> from nn import MLP, data
    >>> X, y = data.moons(50, rng=0)
    >>> model = MLP(2, [8, 1], "tanh", rng=0)
    >>> how = {"loss": "binary_cross_entropy", "metric": "accuracy", "epochs": 30, "lr": 0.1}
    >>> records = list(fit(model, X, y, **how))
    >>> records[-1].loss < records[0].loss
    True
    """
    if is_tape(model):
        model = Taped(model)
    if not hasattr(model, "parameters") or isinstance(model, type):
        raise TypeError(f"fit trains a Module such as nn.MLP(2, [16, 1]), got {model!r}")
    epochs = whole("epochs", epochs)
    patience = patience if patience is None else whole("patience", patience)
    batch_size = batch_size if batch_size is None else whole("batch_size", batch_size)
    clip = clip if clip is None else positive("clip", clip)
    if isinstance(metric, str):
        metric = lookup("metric", {"accuracy": accuracy}, metric)
    if isinstance(schedule, str):
        schedules.get(schedule)  # an unknown name is a ValueError that lists the known ones
    schedule = schedule if schedule is None else schedules.check_schedule(schedule)
    function("metric", metric, "nn.accuracy", 2)
    function("penalty", penalty, "lambda: 1e-4 * ...", 0)
    function("augment", augment, "lambda X, epoch, rng: ...", 3)
    rng, loss = generator(rng), losses.get(loss)
    X, y = finite(X, y)
    mover = optimizer_for(model, optimizer, lr, schedule)
    held_out = None
    if isinstance(validation, tuple | list):
        if len(validation) != 2:
            raise ValueError(f"validation is (X, y) or a fraction, got {len(validation)} parts")
        held_out = finite(*validation)
    elif isinstance(validation, numpy_type("ndarray")):
        raise TypeError(f"validation is (X, y) or a fraction, got shape {validation.shape}")
    run = None
    if checkpoint is not None:
        numpy_for("a checkpoint")
        from nn.checkpoint import built
        from nn.resume import Run, fingerprint, name_of

        settings = {
            **built(model),
            "loss": name_of(loss), "optimizer": mover.name, **mover.settings(),
            "lr": None if schedule else mover.lr, "batch_size": batch_size, "clip": clip,
            "metric": name_of(metric), "penalty": name_of(penalty), "augment": name_of(augment),
            "patience": patience, "samples X": fingerprint(X), "targets y": fingerprint(y),
            "validation": fingerprint(held_out or validation),
        }  # fmt: skip
        run = Run(checkpoint, model, mover, schedule, rng, settings)
    if validation is not None and not isinstance(validation, tuple | list):
        (X, y), held_out = split(X, y, validation, rng)
    objective = Objective(model, loss, metric, penalty)
    mover.expects_gradients = False  # it is seen in the graph whether any will come
    best, done = Best(model), 0
    if run is not None:
        done = run.resume(best)

    def step(epoch: int, X: Any, y: Any) -> tuple[float, float | None, float]:
        """Move the weights once; return the loss, the metric and the gradient's norm before."""
        if schedule is not None:
            mover.lr = schedule(mover.steps)
        value, score = objective(X, y)
        if getattr(value, "constant", False):
            raise ValueError(
                "the loss is a constant, so that nothing can be learned: is fit called within "
                "no_grad(), or does the model compute with .data?"
            )
        reached = number_of(value) if getattr(value, "size", 1) == 1 else 0.0  # refused by backward
        still_finite("loss", reached, epoch)
        mover.zero_grad()
        value.backward()
        moved = mover.parameters
        norm = optim.grad_norm(moved) if clip is None else optim.clip_grad_norm(moved, clip)
        still_finite("gradient's norm", norm, epoch)
        mover.step()
        return reached, score, norm

    def still_finite(what: str, number: float, epoch: int) -> None:
        if not math.isfinite(number):
            remedy = f"try a smaller learning rate than {mover.lr:g}"
            if not mover.steps:
                remedy = "no step was taken yet: look at the samples and the first weights"
            raise FloatingPointError(f"the {what} is {number} in epoch {epoch}; {remedy}")

    def augmented(epoch: int) -> Any:
        seen = X if augment is None else augment(X, epoch, rng)
        shape = (numpy_if_installed() or plain).shape(seen)
        if shape[:1] != (len(X),):
            given = "None" if seen is None else f"shape {shape}"
            raise ValueError(f"augment returns an epoch's {len(X)} samples, got {given}")
        return seen if augment is None else finite(seen, y)[0]

    def run_epoch(epoch: int) -> Record:
        began = time.perf_counter()
        model.train()
        if epoch == 1 and not isinstance(model, Taped):
            objective.watch = Watch(model, mover.parameters, len(X), batch_size)
        parts = batches(augmented(epoch), y, batch_size, rng=rng)
        seen, score, norm = means([(len(part[0]), *step(epoch, *part)) for part in parts])
        model.eval()
        objective.watch = None
        held_loss, held_score = objective.over(held_out, batch_size)
        if patience is not None:
            best.see(held_loss if held_out else objective.over((X, y), batch_size)[0])
        seconds = time.perf_counter() - began
        return Record(epoch, seen, score, held_loss, held_score, mover.lr, norm, seconds)

    def records() -> Generator[Record, None, None]:
        epoch = done
        try:
            while epoch < epochs and (patience is None or best.since < patience):
                epoch += 1
                record = run_epoch(epoch)
                if run is not None:
                    run.save(epoch, record, best)
                yield record
        except KeyboardInterrupt:
            told = "nothing was saved; fit(..., checkpoint='run.ckpt') saves every epoch"
            if run is not None:
                told = run.left_off()
                best.weights = None  # the model stays as it was saved
            raise KeyboardInterrupt(f"stopped in epoch {epoch}; {told}") from None
        finally:
            model.eval()
            best.restore()

    return records()


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
        rule = optim.get(optimizer)
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
