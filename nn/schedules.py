"""Learning rate schedules: functions from the number of a step to its learning rate.

Steps count from 0, one for each step of the optimizer; an epoch has one per mini-batch. A schedule
of `steps` steps reaches its end at `schedule(steps)` and stays there, unless it restarts. Before
step 0 it has the rate of step 0. `SCHEDULES` has the schedules by name.

All raise ValueError for rates and numbers of steps that are not positive and finite; only an `end`
may be 0. A schedule raises TypeError for a step that is not a number.

>>> schedule = warm_up(cosine(0.1, steps=90), steps=10)
>>> [round(schedule(step), 3) for step in (0, 5, 10, 55, 100, 1000)]
[0.009, 0.055, 0.1, 0.05, 0.0, 0.0]
"""

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from engine.arithmetic import power
from engine.support.arguments import is_real
from nn import other_names
from nn.arguments import (
    check_function,
    check_mapping,
    check_positive,
    check_whole,
    check_within,
    look_up,
)
from nn.keywords import answer_keywords

__all__ = [
    "SCHEDULES", "Plateau", "constant", "cosine", "exponential", "get", "linear", "one_cycle",
    "reduce_on_plateau", "step_decay", "warm_restarts", "warm_up",
]  # fmt: skip

Schedule = Callable[[float], float]
F = TypeVar("F", bound=Callable[..., Any])


class StepSchedule:
    """A schedule of the step alone. It raises TypeError for a step that is not a number.

    >>> StepSchedule(lambda step: 0.1)(7)
    0.1
    """

    call = "StepSchedule(...)"  # the call that made it
    plateau: "Plateau | None" = None  # the schedule that follows, if it depends on losses

    def __init__(self, function: Schedule):
        self._function = function

    def __call__(self, step: float) -> float:
        if not is_real(step):
            raise TypeError(f"a schedule expects the step as a number, got {step!r}")
        return self._function(step)

    def __repr__(self) -> str:
        return self.call


def show_call(make: F) -> F:
    """Return a function that makes a schedule whose repr is the call, with all settings.

    >>> show_call(constant)(0.1)
    constant(lr=0.1)
    """
    signature = inspect.signature(make)

    @functools.wraps(make)
    def make_with_call(*args: Any, **settings: Any) -> Any:
        schedule = make(*args, **settings)
        bound = signature.bind(*args, **settings)
        bound.apply_defaults()
        arguments = ", ".join([f"{name}={x!r}" for name, x in bound.arguments.items()])
        schedule.call = f"{make.__name__}({arguments})"
        return schedule

    return make_with_call  # type: ignore[return-value]


@show_call
@answer_keywords
def constant(lr: float) -> Schedule:
    """Return the schedule with the same learning rate at every step.

    >>> constant(0.1)(7)
    0.1
    """
    lr = check_positive("lr", lr)
    return StepSchedule(lambda step: lr)


@show_call
@answer_keywords
def linear(lr: float, steps: float, end: float = 0.0) -> Schedule:
    """Return the schedule from `lr` to `end` along a straight line.

    >>> schedule = linear(1.0, steps=100, end=0.1)  # micrograd's demo: 1.0 - 0.9 * step / 100
    >>> schedule(0), schedule(50), schedule(100)
    (1.0, 0.55, 0.1)
    """
    return interpolate(check_positive("lr", lr), check_within("end", end), steps, lambda t: t)


@show_call
@answer_keywords
def step_decay(lr: float, every: float, by: float = 10.0) -> Schedule:
    """Return the schedule that divides the rate by `by` every `every` steps.

    Raises ValueError if `by` is below 1, which would raise the rate.

    >>> schedule = step_decay(0.1, every=30)
    >>> schedule(0), schedule(29), schedule(30), schedule(60)
    (0.1, 0.1, 0.01, 0.001)
    """
    lr, every, by = (
        check_positive("lr", lr),
        check_positive("every", every),
        check_positive("by", by),
    )
    if by < 1:
        raise ValueError(f"by={by} would raise the rate: it divides; did you mean {1 / by:.6g}?")
    return StepSchedule(lambda step: lr / power(by, max(step, 0) // every))


@show_call
@answer_keywords
def exponential(lr: float, factor: float) -> Schedule:
    """Return the schedule that multiplies the rate by `factor` at every step.

    Raises ValueError unless 0 <= factor < 1.

    >>> exponential(0.1, factor=0.5)(3)
    0.0125
    """
    lr, factor = check_positive("lr", lr), check_within("factor", factor, below=1)
    return StepSchedule(lambda step: lr * power(factor, max(step, 0)))


@show_call
@answer_keywords
def cosine(lr: float, steps: float, end: float = 0.0) -> Schedule:
    """Return the schedule from `lr` to `end` along half a cosine (Loshchilov & Hutter 2017).

    >>> schedule = cosine(0.5, steps=100)
    >>> schedule(0), round(schedule(50), 9), schedule(100)
    (0.5, 0.25, 0.0)
    """
    return interpolate(check_positive("lr", lr), check_within("end", end), steps, half_cosine)


@show_call
@answer_keywords
def warm_restarts(lr: float, steps: float, *, grow: float = 1.0, end: float = 0.0) -> Schedule:
    """Return the schedule of repeated half cosines from `lr` to `end` (SGDR).

    The first one takes `steps` steps, and each later one `grow` times as many as the one before.
    Source: Loshchilov & Hutter (2017). Raises ValueError if `grow` is below 1.

    >>> schedule = warm_restarts(0.5, steps=10, grow=2)
    >>> [round(schedule(step), 2) for step in (0, 5, 9, 10, 20, 29, 30)]
    [0.5, 0.25, 0.01, 0.5, 0.25, 0.0, 0.5]
    """
    steps, grow = check_positive("steps", steps), check_positive("grow", grow)
    if grow < 1:
        raise ValueError(f"grow={grow} would shorten the cycles to nothing; use 1 or more")
    fall = cosine(lr, 1.0, end)

    def schedule(step: float) -> float:
        step, length = max(step, 0.0), steps
        if grow == 1:
            step %= length
        while step >= length:
            step, length = step - length, length * grow
        return fall(step / length)

    return StepSchedule(schedule)


@show_call
@answer_keywords
def one_cycle(
    lr: float, steps: float, *, rise: float = 0.3, divide: float = 25.0, end: float = 0.0
) -> Schedule:
    """Return the schedule that rises from `lr / divide` to `lr` and then falls to `end`.

    The rise takes the share `rise` of the steps. Both parts are half cosines, as in fastai and
    PyTorch; Smith (2018) uses straight lines. Raises ValueError unless 0 < rise < 1.

    >>> schedule = one_cycle(1.0, steps=100)
    >>> schedule(0), schedule(30), schedule(100)
    (0.04, 1.0, 0.0)
    """
    lr, steps, rise = (
        check_positive("lr", lr),
        check_positive("steps", steps),
        check_positive("rise", rise),
    )
    peak = steps * check_within("rise", rise, below=1)
    up = interpolate(lr / check_positive("divide", divide), lr, peak, half_cosine)
    down = interpolate(lr, check_within("end", end), steps - peak, half_cosine)
    return StepSchedule(lambda step: up(step) if step < peak else down(step - peak))


@show_call
@answer_keywords
def warm_up(schedule: Schedule, steps: float) -> Schedule:
    """Return a schedule that first rises linearly to `schedule(0)` (Goyal et al. 2017).

    The rise takes `steps` steps and starts at `schedule(0) / (steps + 1)`; then `schedule` begins.
    Raises TypeError if `schedule` is not a function of the step.

    >>> schedule = warm_up(constant(1.0), steps=3)
    >>> [schedule(step) for step in range(5)]
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """
    steps, schedule = check_positive("steps", steps), check_schedule(schedule)
    first = check_within("schedule(0)", schedule(0))
    rise = interpolate(first / (steps + 1), first, steps, lambda t: t)
    risen = StepSchedule(lambda step: rise(step) if step < steps else schedule(step - steps))
    risen.plateau = find_plateau(schedule)
    return risen


class Plateau:
    """A schedule that divides its rate when the loss stops falling; see `reduce_on_plateau`.

    rate  the learning rate of the next step

    >>> schedule = Plateau(0.1, by=10.0, patience=2, threshold=0.0, least=0.0)
    >>> for loss in (3.0, 2.0, 2.5, 2.0):
    ...     schedule.update(loss)
    >>> schedule(0)
    0.01
    """

    rate: float
    best: float  # the lowest loss
    age: int  # the number of epochs since the rate was divided or a lower loss was seen

    def __init__(self, lr: float, by: float, patience: int, threshold: float, least: float):
        self.lr, self.by = check_positive("lr", lr), check_positive("by", by)
        self.patience = check_whole("patience", patience)
        self.threshold = check_within("threshold", threshold, below=1)
        self.least = check_within("least", least)
        if self.by < 1:
            raise ValueError(
                f"by={by} would raise the rate: it divides; did you mean {1 / by:.6g}?"
            )
        if self.least > self.lr:
            raise ValueError(f"least={least} is above lr={lr}; use a smaller one")
        self.reset()

    def __call__(self, step: float) -> float:
        """Return the rate, which depends on the losses so far and not on the step."""
        if not is_real(step):
            raise TypeError(f"a schedule expects the step as a number, got {step!r}")
        return self.rate

    def update(self, loss: float) -> None:
        """Take the loss of one more epoch into account. `fit` calls it after every epoch."""
        if not is_real(loss):
            raise TypeError(f"update expects the loss as a number, got {loss!r}; pass its .data")
        self.age += 1
        if loss < self.best - (self.threshold * abs(self.best) if self.best < math.inf else 0.0):
            self.best, self.age = float(loss), 0
        elif self.age >= self.patience:
            self.rate, self.age = max(self.rate / self.by, self.least), 0

    def reset(self) -> None:
        """Return to the first rate and forget all losses. `fit` calls it before the first epoch.

        >>> schedule = reduce_on_plateau(0.1)
        >>> schedule.update(3.0)
        >>> schedule.reset()
        >>> schedule.best
        inf
        """
        self.rate, self.best, self.age = self.lr, math.inf, 0

    def __repr__(self) -> str:
        names = ("lr", "by", "patience", "threshold", "least", "rate")
        return f"Plateau({', '.join([f'{name}={getattr(self, name)!r}' for name in names])})"

    def state_dict(self) -> dict[str, float]:
        """Return the rate, the lowest loss and its age, for `load_state_dict`.

        >>> schedule = reduce_on_plateau(0.1)
        >>> schedule.update(3.0)
        >>> schedule.state_dict()
        {'rate': 0.1, 'best': 3.0, 'age': 0}
        """
        return {"rate": self.rate, "best": self.best, "age": self.age}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Restore a state that `state_dict` returned. Raises ValueError for any other.

        >>> schedule, other = reduce_on_plateau(0.1), reduce_on_plateau(0.1)
        >>> other.update(3.0)
        >>> schedule.load_state_dict(other.state_dict())
        >>> schedule.best
        3.0
        """
        if set(check_mapping("a state", state, "state_dict() returns")) != set(self.state_dict()):
            raise ValueError(f"the state has {sorted(state)}; pass what state_dict() returned")
        self.rate = check_within("the state's rate", state["rate"])
        self.best, self.age = state["best"], check_whole("the state's age", state["age"], least=0)


@answer_keywords
def reduce_on_plateau(
    lr: float, by: float = 10.0, *, patience: int = 10, threshold: float = 1e-4, least: float = 0.0
) -> Plateau:
    """Return the schedule that divides its rate by `by` when the loss stops falling.

    The rate is divided after `patience` epochs without a new lowest loss. In `fit` it is the loss
    over the validation samples, or over the training samples without any. In a loop of your own,
    call `schedule.update(loss)` after each epoch.

    threshold  in [0, 1); the relative decrease from which on a loss counts as lower
    least      the lowest rate

    Raises ValueError if `by` is below 1 or `least` above `lr`.

    >>> schedule = reduce_on_plateau(0.1, patience=1)
    >>> for loss in (2.0, 1.0, 1.0):
    ...     schedule.update(loss)
    >>> schedule.rate
    0.01
    """
    return Plateau(lr, by, patience, threshold, least)


def find_plateau(schedule: Schedule | None) -> Plateau | None:
    """Return the Plateau that a schedule is or ends with, or None."""
    return schedule if isinstance(schedule, Plateau) else getattr(schedule, "plateau", None)


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    f.__name__: f
    for f in (
        constant, linear, step_decay, exponential, cosine, warm_restarts, one_cycle, warm_up,
        reduce_on_plateau,
    )
}  # fmt: skip


def get(name: str) -> Callable[..., Schedule]:
    """Return the function with that name, which makes a schedule.

    Raises ValueError for an unknown name.

    >>> get("linear")(1.0, steps=4)(1)
    0.75
    """
    return look_up("schedule", SCHEDULES, name)


def check_schedule(schedule: Schedule) -> Schedule:
    """Return the schedule.

    Raises TypeError if it is not a function of the step, such as `cosine` without its arguments.
    """
    example = "schedules.cosine(0.1, steps=90)"
    if schedule is None or check_function("schedule", schedule, example, 1) in SCHEDULES.values():
        raise TypeError(f"schedule must be a function such as {example}, got {schedule!r}")
    return schedule


def interpolate(
    start: float, end: float, steps: float, curve: Callable[[float], float]
) -> Schedule:
    """Return the schedule from `start` at step 0 to `end` at step `steps` and beyond.

    `curve` is a function on [0, 1] with curve(0) = 0 and curve(1) = 1.
    """
    steps = check_positive("steps", steps)

    def schedule(step: float) -> float:
        t = curve(min(max(step / steps, 0.0), 1.0))
        return (1.0 - t) * start + t * end

    return StepSchedule(schedule)


def half_cosine(t: float) -> float:
    return (1.0 - math.cos(math.pi * t)) / 2.0


__getattr__ = other_names.answer_names(__name__, other_names.SCHEDULES)


def __dir__() -> list[str]:
    return __all__
