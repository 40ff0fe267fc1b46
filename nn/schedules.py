"""Learning rate schedules: `schedule(step)` is the learning rate of that step (chapter 02, 6.4).

A schedule is a pure function of the step. Steps count from 0, one for each move of the optimizer:
an epoch has as many as it has mini-batches. A schedule of `steps` steps arrives at its end at
`schedule(steps)` and stays there; before step 0 it stands at `schedule(0)`.

ValueError for rates and numbers of steps that are not positive and finite (an end may be 0).

>>> schedule = warm_up(cosine(0.1, steps=90), steps=10)
>>> [round(schedule(step), 3) for step in (0, 5, 10, 55, 100, 1000)]
[0.009, 0.055, 0.1, 0.05, 0.0, 0.0]
"""

import math
from collections.abc import Callable
from typing import Any

from engine.arithmetic import power
from engine.support.arguments import is_real
from nn.arguments import function, lookup, positive, within

Schedule = Callable[[float], float]


def of_step(schedule: Schedule) -> Schedule:
    """`schedule`, with a TypeError for a step that is no number.

    >>> of_step(lambda step: 0.1)(7)
    0.1
    """

    def checked(step: float) -> float:
        if not is_real(step):
            raise TypeError(f"a schedule is a function of the step, a number, got {step!r}")
        return schedule(step)

    return checked


def constant(lr: float) -> Schedule:
    """The same learning rate at every step.

    >>> constant(0.1)(7)
    0.1
    """
    lr = positive("lr", lr)
    return of_step(lambda step: lr)


def linear(lr: float, steps: float, end: float = 0.0) -> Schedule:
    """From `lr` to `end` along a straight line.

    >>> schedule = linear(1.0, steps=100, end=0.1)  # micrograd's demo: 1.0 - 0.9 * step / 100
    >>> schedule(0), schedule(50), schedule(100)
    (1.0, 0.55, 0.1)
    """
    return from_to(positive("lr", lr), within("end", end), steps, lambda t: t)


def step_decay(lr: float, every: float, by: float = 10.0) -> Schedule:
    """Divided by `by` every `every` steps, the schedule of chapter 02, 6.4.

    ValueError also where `by` is below 1, which would raise the rate.

    >>> schedule = step_decay(0.1, every=30)
    >>> schedule(0), schedule(29), schedule(30), schedule(60)
    (0.1, 0.1, 0.01, 0.001)
    """
    lr, every, by = positive("lr", lr), positive("every", every), positive("by", by)
    if by < 1:
        raise ValueError(f"by={by} would raise the rate: it divides; did you mean {1 / by:.6g}?")
    return of_step(lambda step: lr / power(by, max(step, 0) // every))


def exponential(lr: float, factor: float) -> Schedule:
    """Times `factor` at every step; ValueError unless 0 <= factor < 1.

    >>> exponential(0.1, factor=0.5)(3)
    0.0125
    """
    lr, factor = positive("lr", lr), within("factor", factor, below=1)
    return of_step(lambda step: lr * power(factor, max(step, 0)))


def cosine(lr: float, steps: float, end: float = 0.0) -> Schedule:
    """From `lr` to `end` along half a cosine, slow at both ends (Loshchilov & Hutter 2017).

    >>> schedule = cosine(0.5, steps=100)
    >>> schedule(0), round(schedule(50), 9), schedule(100)
    (0.5, 0.25, 0.0)
    """
    return from_to(positive("lr", lr), within("end", end), steps, half_cosine)


def one_cycle(
    lr: float, steps: float, *, rise: float = 0.3, divide: float = 25.0, end: float = 0.0
) -> Schedule:
    """From `lr / divide` up to `lr` in the first `rise` of the steps, then down to `end`.

    The cycle of Smith 2018, with half cosines for its straight lines, as fastai and PyTorch have
    it. ValueError also unless 0 < rise < 1.

    >>> schedule = one_cycle(1.0, steps=100)
    >>> schedule(0), schedule(30), schedule(100)
    (0.04, 1.0, 0.0)
    """
    lr, steps, rise = positive("lr", lr), positive("steps", steps), positive("rise", rise)
    peak = steps * within("rise", rise, below=1)
    up = from_to(lr / positive("divide", divide), lr, peak, half_cosine)
    down = from_to(lr, within("end", end), steps - peak, half_cosine)
    return of_step(lambda step: up(step) if step < peak else down(step - peak))


def warm_up(schedule: Schedule, steps: float) -> Schedule:
    """A straight rise towards `schedule(0)` before `schedule` begins (Goyal et al. 2017).

    Never 0: the first step has 1 / (steps + 1) of `schedule(0)`.

    >>> schedule = warm_up(constant(1.0), steps=3)
    >>> [schedule(step) for step in range(5)]
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """
    steps, schedule = positive("steps", steps), known(schedule)
    first = within("schedule(0)", schedule(0))
    rise = from_to(first / (steps + 1), first, steps, lambda t: t)
    return of_step(lambda step: rise(step) if step < steps else schedule(step - steps))


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    f.__name__: f for f in (constant, linear, step_decay, exponential, cosine, one_cycle, warm_up)
}


def known(schedule: Any) -> Schedule:
    """`schedule`; TypeError unless it is a function of the step, and not what makes one."""
    example = "schedules.cosine(0.1, steps=90)"
    if schedule is None or function("schedule", schedule, example, 1) in SCHEDULES.values():
        raise TypeError(f"schedule is a function such as {example}, got {schedule!r}")
    return schedule


def named(name: str) -> Callable[..., Schedule]:
    """The schedule of that name; ValueError that lists the known for another.

    >>> named("linear")(1.0, steps=4)(1)
    0.75
    """
    return lookup("schedule", SCHEDULES, name)


def from_to(start: float, end: float, steps: float, way: Callable[[float], float]) -> Schedule:
    """`start` at step 0, `end` from step `steps` on; `way` takes 0 to 0 and 1 to 1 between."""
    steps = positive("steps", steps)

    def schedule(step: float) -> float:
        t = way(min(max(step / steps, 0.0), 1.0))
        return (1.0 - t) * start + t * end

    return of_step(schedule)


def half_cosine(t: float) -> float:
    return (1.0 - math.cos(math.pi * t)) / 2.0
