"""Learning rate schedules: functions from the number of a step to its learning rate.

Steps count from 0, one for each step of the optimizer; an epoch has one per mini-batch. A schedule
of `steps` steps reaches its end at `schedule(steps)` and stays there. Before step 0 it has the rate
of step 0. `SCHEDULES` has the schedules by name.

All raise ValueError for rates and numbers of steps that are not positive and finite; only an `end`
may be 0. A schedule raises TypeError for a step that is not a number.

>>> schedule = warm_up(cosine(0.1, steps=90), steps=10)
>>> [round(schedule(step), 3) for step in (0, 5, 10, 55, 100, 1000)]
[0.009, 0.055, 0.1, 0.05, 0.0, 0.0]
"""

import math
from collections.abc import Callable

from engine.arithmetic import power
from engine.support.arguments import is_real
from nn.arguments import check_function, check_positive, check_within, look_up

__all__ = [
    "SCHEDULES", "constant", "cosine", "exponential", "get", "linear", "one_cycle", "step_decay",
    "warm_up",
]  # fmt: skip

Schedule = Callable[[float], float]


def check_steps(schedule: Schedule) -> Schedule:
    """Return the schedule with a check that raises TypeError for a step that is not a number.

    >>> check_steps(lambda step: 0.1)(7)
    0.1
    """

    def checked(step: float) -> float:
        if not is_real(step):
            raise TypeError(f"a schedule expects the step as a number, got {step!r}")
        return schedule(step)

    return checked


def constant(lr: float) -> Schedule:
    """Return the schedule with the same learning rate at every step.

    >>> constant(0.1)(7)
    0.1
    """
    lr = check_positive("lr", lr)
    return check_steps(lambda step: lr)


def linear(lr: float, steps: float, end: float = 0.0) -> Schedule:
    """Return the schedule from `lr` to `end` along a straight line.

    >>> schedule = linear(1.0, steps=100, end=0.1)  # micrograd's demo: 1.0 - 0.9 * step / 100
    >>> schedule(0), schedule(50), schedule(100)
    (1.0, 0.55, 0.1)
    """
    return interpolate(check_positive("lr", lr), check_within("end", end), steps, lambda t: t)


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
    return check_steps(lambda step: lr / power(by, max(step, 0) // every))


def exponential(lr: float, factor: float) -> Schedule:
    """Return the schedule that multiplies the rate by `factor` at every step.

    Raises ValueError unless 0 <= factor < 1.

    >>> exponential(0.1, factor=0.5)(3)
    0.0125
    """
    lr, factor = check_positive("lr", lr), check_within("factor", factor, below=1)
    return check_steps(lambda step: lr * power(factor, max(step, 0)))


def cosine(lr: float, steps: float, end: float = 0.0) -> Schedule:
    """Return the schedule from `lr` to `end` along half a cosine (Loshchilov & Hutter 2017).

    >>> schedule = cosine(0.5, steps=100)
    >>> schedule(0), round(schedule(50), 9), schedule(100)
    (0.5, 0.25, 0.0)
    """
    return interpolate(check_positive("lr", lr), check_within("end", end), steps, half_cosine)


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
    return check_steps(lambda step: up(step) if step < peak else down(step - peak))


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
    return check_steps(lambda step: rise(step) if step < steps else schedule(step - steps))


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    f.__name__: f for f in (constant, linear, step_decay, exponential, cosine, one_cycle, warm_up)
}


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

    return check_steps(schedule)


def half_cosine(t: float) -> float:
    return (1.0 - math.cos(math.pi * t)) / 2.0


def __dir__() -> list[str]:
    return __all__
