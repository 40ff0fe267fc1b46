"""The training loop: an iterator that trains a model for one epoch at a time."""

import math
import opcode
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

from engine.support.lazy import numpy_if_installed
from engine.watch.gradient_warnings import warn
from nn import plain
from nn.arguments import format_count
from nn.batches import Samples, batches, to_finite_samples
from nn.clip import clip_grad_norm, grad_norm
from nn.module import Module
from nn.objective import Objective, means, to_float
from nn.optimizer import Optimizer
from nn.records import Record, Records
from nn.schedules import Schedule, find_plateau
from nn.taped import Jitted, Taped
from nn.watch import Watch

if TYPE_CHECKING:
    import numpy as np

    from nn.checkpoint import TrainingCheckpoint

Augment = Callable[[Any, int, Any], Any]  # of X, the epoch, a source of random numbers


@dataclass(kw_only=True, eq=False, repr=False)
class Training(Iterator[Record]):
    """A training run in progress, returned by `fit`: an iterator over the records of its epochs.

    Each epoch runs when its record is requested, by a loop or by `run()`. A run can be
    iterated over once. It ends after its last epoch, when its patience is exhausted, by an error,
    or by `close()`. A call of `fit` as a statement trains nothing and issues a RuntimeWarning.

    >>> from nn import MLP, data, fit
    >>> X, y = data.moons(50, rng=0)
    >>> training = fit(MLP(2, [4, 1], rng=0), X, y, loss="binary_cross_entropy", epochs=3)
    >>> training
    <Training: not started, 3 epochs; iterate over it to train, or call run()>
    >>> next(training).epoch, [record.epoch for record in training], training.epoch
    (1, [2, 3], 3)
    >>> training
    <Training: finished after 3 epochs>
    """

    objective: Objective
    optimizer: Optimizer
    samples: Samples
    validation: Samples | None
    epochs: int
    batch_size: int | None
    schedule: Schedule | None
    patience: int | None
    clip: float | None
    augment: Augment | None
    rng: Any  # a NumPy Generator, or a plain.Generator where NumPy is not installed
    checkpoint: "TrainingCheckpoint | None"
    epoch: int = field(default=0, init=False)  # the last one that was started

    _started = False
    _closed = False
    _completed = 0  # epochs
    _caller: CodeType | None = None  # the code that called fit

    def __post_init__(self) -> None:
        self.model: Module = self.objective.model
        self._modules = self.model.named_modules().values()
        self._best = BestWeights(self.model)
        self._plateau = find_plateau(self.schedule)
        if self._plateau is not None:
            self._plateau.reset()
        self.optimizer.expects_gradients = False  # `Watch` sees in the graph where they arrive
        saved = self.checkpoint and self.checkpoint.restore()
        if saved:
            self.epoch, best = saved.epoch, saved.extra["best"]
            self._completed = saved.epoch
            self._best.loss, self._best.age, self._best.weights = best

    def __next__(self) -> Record:
        """Train for one epoch and return its record."""
        if self._closed:
            raise StopIteration
        self._started = True
        try:
            record = self._train_and_save()
        except BaseException:  # StopIteration and KeyboardInterrupt included
            self.close()
            raise
        self._completed = self.epoch
        return record

    def run(self) -> Records:
        """Train to the end and return the list of the records of the remaining epochs.

        A progress bar is shown in terminals and notebooks if tqdm is installed. A notebook shows
        the result as a plot of the losses and a table.

        >>> from nn import MLP, data, fit
        >>> X, y = data.moons(50, rng=0)
        >>> training = fit(MLP(2, [4, 1], rng=0), X, y, loss="binary_cross_entropy", epochs=3)
        >>> [record.epoch for record in training.run()]
        [1, 2, 3]
        """
        return run_with_bar(self, self.epochs, self.epoch)

    def __repr__(self) -> str:
        done, epochs = self._completed, format_count(self.epochs, "epoch")
        if done >= self.epochs:
            state = f"finished after {format_count(done, 'epoch')}"
        elif self._closed:
            state = f"stopped after {done:,} of {epochs}"
        elif self._started:
            state = f"epoch {self.epoch:,} of {self.epochs:,}"
        else:
            resumes = f", resumes after epoch {done:,} of {epochs}" if done else f", {epochs}"
            state = f"not started{resumes}; iterate over it to train, or call run()"
        return f"<Training: {state}>"

    def close(self) -> None:
        """End the training. Switch the model to eval() mode and restore its best weights, if any.

        A run closes by itself when nothing refers to it.

        >>> from nn import MLP, data, fit
        >>> X, y = data.moons(50, rng=0)
        >>> training = fit(MLP(2, [4, 1], rng=0), X, y, loss="binary_cross_entropy", epochs=9)
        >>> next(training).epoch
        1
        >>> training.close()
        >>> list(training)
        []
        """
        active = self._started and not self._closed
        self._closed = True
        if active:
            self.model.eval()
            self._best.restore()

    def __del__(self) -> None:
        caller, untouched = self._caller, not self._started and self.epoch < self.epochs
        self.close()
        if caller is not None and untouched and is_statement_of(caller, sys._getframe().f_back):
            warn(
                f"this call of fit does not train {self.model!r}: iterate over its result, or call "
                "fit(...).run()",
                RuntimeWarning,
            )

    def _train_and_save(self) -> Record:
        """Run the next epoch and write the checkpoint. Raises StopIteration after the last one."""
        if self.epoch >= self.epochs or self._best.age >= (self.patience or math.inf):
            raise StopIteration
        self.epoch += 1
        try:
            record = self._run_epoch()
            if self.checkpoint is not None:
                best = [self._best.loss, self._best.age, self._best.weights]
                self.checkpoint.save(self.epoch, record, best)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(self._recover_from_interrupt()) from None
        return record

    def _recover_from_interrupt(self) -> str:
        """Restore the model from the checkpoint, if there is one; return a message."""
        outcome = "nothing was saved; fit(..., checkpoint='run.ckpt') saves every epoch"
        if self.checkpoint is not None:
            outcome = self.checkpoint.restore_model()
            self._best.weights = None  # the model keeps the weights of the checkpoint
        return f"stopped in epoch {self.epoch}; {outcome}"

    def _run_epoch(self) -> Record:
        """Train on all samples once, then validate."""
        start = time.perf_counter()
        self._set_mode(training=True)
        self.objective.check_recordings()
        if self.epoch == 1 and not isinstance(self.model, Taped | Jitted):
            self.objective.watch = Watch(
                self.model, self.optimizer.parameters, len(self.samples[0]), self.batch_size
            )
        samples = self.samples if self.augment is None else self._augment(self.augment)
        loss, metric, norm = means([
            (len(X), *self._step(X, y))
            for X, y in batches(*samples, self.batch_size, rng=self.rng)
        ])  # fmt: skip
        if self.objective.watch is not None:
            self.objective.watch.warn_of_unmoved_leaves()
        self.objective.watch = None
        self._modules = self.model.named_modules().values()  # a step may have added some
        self._set_mode(training=False)
        validation_loss, validation_metric = self._validate()
        if self._plateau is not None:
            self._plateau.update(loss if validation_loss is None else validation_loss)
        lr, seconds = self.optimizer.lr, time.perf_counter() - start
        return Record(
            self.epoch, loss, metric, validation_loss, validation_metric, lr, norm, seconds
        )

    def _set_mode(self, training: bool) -> None:
        """Switch the model to train() or eval() mode, without a walk through its modules."""
        kind = type(self.model)
        if kind.train is not Module.train or kind.eval is not Module.eval:
            (self.model.train if training else self.model.eval)()
            return
        for module in self._modules:
            module.training = training

    def _augment(self, augment: Augment) -> Samples:
        """Return the augmented samples of this epoch."""
        X, y = self.samples
        augmented = augment(X, self.epoch, self.rng)
        shape = (numpy_if_installed() or plain).shape(augmented)
        if shape[:1] != (len(X),):
            got = "None" if augmented is None else f"shape {shape}"
            raise ValueError(f"augment must return the {len(X)} samples of an epoch, got {got}")
        return to_finite_samples(augmented, y)

    def _step(self, X: Any, y: Any) -> tuple[float, float | None, float]:
        """Update the weights once; return the loss, the metric and the norm of the gradient."""
        optimizer = self.optimizer
        if self.schedule is not None:
            optimizer.lr = self.schedule(optimizer.steps)
        loss, metric = self.objective(X, y)
        if loss.constant:
            raise ValueError(
                "the loss is a constant and has no gradient; "
                "was fit called within no_grad(), or does the model compute with .data?"
            )
        number = to_float(loss) if getattr(loss, "size", 1) == 1 else 0.0  # backward() will raise
        if not math.isfinite(number):
            raise self._not_finite("loss", number)
        optimizer.zero_grad()
        loss.backward()
        if self.clip is None:
            norm = grad_norm(optimizer.parameters)
        else:
            norm = clip_grad_norm(optimizer.parameters, self.clip)
        if not math.isfinite(norm):
            raise self._not_finite("gradient norm", norm)
        del loss  # while it needs the old data, the optimizer cannot overwrite it
        optimizer.step()
        return number, metric, norm

    def _not_finite(self, name: str, number: float) -> FloatingPointError:
        """Return the error for a number that is inf or nan, with a remedy."""
        remedy = f"try a smaller learning rate than {self.optimizer.lr:g}"
        if not self.optimizer.steps:
            remedy = "no step was taken yet: check the samples and the initial weights"
        return FloatingPointError(f"the {name} is {number} in epoch {self.epoch}; {remedy}")

    def _validate(self) -> tuple[float | None, float | None]:
        """Return the validation loss and metric; update the best weights if there is patience."""
        if self.validation is None:
            if self.patience is not None:
                self._best.update(self.objective.evaluate(self.samples, self.batch_size)[0])
            return None, None
        loss, metric = self.objective.evaluate(self.validation, self.batch_size)
        if self.patience is not None:
            self._best.update(loss)
        return loss, metric


def is_statement_of(code: CodeType, frame: FrameType | None) -> bool:
    """Return whether a frame of `code` is discarding the value of a statement.

    Only this is sure to be a mistake: an object may be deleted elsewhere because of an exception,
    or without a frame when Python exits.
    """
    return (
        frame is not None
        and frame.f_code is code
        and code.co_code[frame.f_lasti] == opcode.opmap["POP_TOP"]
    )


def run_with_bar(training: Iterator[Record], epochs: int, done: int) -> Records:
    """Return the remaining records of a training; a progress bar starts after the epochs done."""
    records = Records()
    with progress_bar(epochs, done) as bar:
        for record in training:  # not over the bar: warnings are at the caller's line
            records.append(record)
            if bar is not None:
                bar.set_postfix(loss=f"{record.loss:.4g}", refresh=False)
                bar.update()
    return records


def progress_bar(
    total: int, done: int, description: str = "training", unit: str = "epoch"
) -> AbstractContextManager[Any]:
    """Return a bar of tqdm; a context of None without tqdm, or outside terminals and notebooks."""
    is_notebook = "ipykernel.zmqshell" in sys.modules
    if not is_notebook and (sys.stderr is None or not sys.stderr.isatty()):
        return nullcontext()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # without ipywidgets, the bar is text
            from tqdm import auto
    except ModuleNotFoundError:
        return nullcontext()
    return auto.tqdm(total=total, initial=done, desc=description, unit=unit)


class BestWeights:
    """The weights of the epoch with the lowest loss, and the number of epochs since then."""

    def __init__(self, model: Module):
        self.model, self.loss, self.age = model, math.inf, 0
        self.weights: dict[str, float | np.ndarray] | None = None

    def update(self, loss: float) -> None:
        """Update the best weights with the loss of one more epoch."""
        self.age += 1
        if loss < self.loss:
            self.loss, self.age, self.weights = loss, 0, self.model.state_dict()

    def restore(self) -> None:
        """Restore the model's best weights."""
        if self.weights is not None:
            self.model.load_state_dict(self.weights)
