"""Gradient descent on one loss surface: batch sizes, learning rates and schedules.

A line y = w x + b through 64 points has two parameters, so its loss can be drawn. The mean squared
error is a bowl, steep in one direction and flat in another.

For this convex loss, full-batch gradient descent converges if the learning rate is below 2 / λ,
where λ is the largest curvature, an eigenvalue of the Hessian (Boyd and Vandenberghe, Convex
Optimization, 2004, 9.3). The loss of a network is not convex, and there it may stop at a saddle.

Writes descent.svg: the paths, learning rates from too small to too large, and four schedules.
"""

import math
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from demos.pictures.descent import save_picture
from demos.shared.tables import format_table
from demos.shared.timing import Stopwatch, time_calls
from engine import Array, hessian
from nn import data, optim, schedules

SAMPLES, EPOCHS, RATE, START = 64, 30, 0.05, (-1.6, 2.4)
SIZES = {"batch, all 64": 64, "mini-batch of 8": 8, "stochastic, 1": 1}
TIMED_SAMPLES = (64, 4_096, 262_144)
BATCH, ORDERS = 4, 9  # samples per step under a schedule; orders of the samples
PEAK = 0.2  # the largest learning rate of the schedules


def points(rng: Any = 0, samples: int = SAMPLES) -> tuple[np.ndarray, np.ndarray]:
    """Return points (samples,) near the line y = 1.5 x - 0.5, with x from 0 to 2."""
    rng = np.random.default_rng(rng)
    x = rng.uniform(0.0, 2.0, samples)
    return x, 1.5 * x - 0.5 + rng.normal(0.0, 0.4, samples)


def loss(line: Array, x: np.ndarray, y: np.ndarray) -> Array:
    """Return the mean squared error of the line [w, b]."""
    return (line[0] * x + line[1] - y).square().mean()


def losses(lines: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the losses (...) of many lines (..., 2)."""
    return np.mean((lines[..., :1] * x + lines[..., 1:] - y) ** 2, axis=-1)


def gradient(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the gradient of the loss at START."""
    line = Array(np.array(START))
    loss(line, x, y).backward()
    return line.grad


def descend(
    x: np.ndarray,
    y: np.ndarray,
    size: int,
    rate: float | Callable[[float], float],
    epochs: int,
    rng: Any = 0,
) -> np.ndarray:
    """Return the lines (steps + 1, 2) of gradient descent with `size` samples per step.

    `rate` is a learning rate, or a schedule: a function of the step.
    """
    line, rng = Array(np.array(START), "line"), np.random.default_rng(rng)
    optimizer, path = optim.SGD([line], lr=1.0), [line.data]
    for _ in range(epochs):
        for batch in data.batches(x, y, size, rng=rng):
            optimizer.lr = rate(optimizer.steps) if callable(rate) else rate
            optimizer.zero_grad()
            loss(line, *batch).backward()
            optimizer.step()
            path.append(line.data)
    return np.array(path)


def gradient_noise(x: np.ndarray, y: np.ndarray, size: int) -> tuple[float, float]:
    """Return the noise of a batch's gradient at START, measured and predicted.

    The noise is the root mean square distance to the full-batch gradient, relative to the length of
    that. The mean of `size` samples drawn from m without replacement has the variance of one
    sample, times (m - size) / (m - 1) / size (Cochran, Sampling Techniques, 1977, theorem 2.2).
    """
    full = gradient(x, y)
    length = float(np.linalg.norm(full))

    def distance(batches: list[tuple[np.ndarray, np.ndarray]]) -> float:
        return float(
            np.sqrt(np.mean([np.sum((gradient(*batch) - full) ** 2) for batch in batches]))
        )

    rng = np.random.default_rng(1)
    batches = [batch for _ in range(50) for batch in data.batches(x, y, size, rng=rng)]
    of_one = distance([(x[i : i + 1], y[i : i + 1]) for i in range(len(x))])
    predicted = of_one * math.sqrt((len(x) - size) / (len(x) - 1) / size)
    return distance(batches) / length, predicted / length


def main(out: Path) -> None:
    x, y = points()
    best = np.linalg.lstsq(np.column_stack([x, np.ones_like(x)]), y, rcond=None)[0]
    lowest = float(losses(best, x, y))
    line = Array(np.array(START))
    low, high = np.linalg.eigvalsh(hessian(loss(line, x, y), line))
    limit = 2.0 / high
    print(
        f"The curvature of the loss is between {low:.2f} and {high:.2f}: full-batch descent "
        f"diverges for α above 2 / {high:.2f} = {limit:.3f}.\n"
    )
    paths = compare_sizes(x, y, lowest)
    compare_step_times()
    rates = {
        f"too small, {limit / 100:.3f}": limit / 100,
        f"good, {limit / 2:.2f}": limit / 2,
        f"large, {limit * 0.98:.2f}": limit * 0.98,
        f"too large, {limit * 1.05:.2f}": limit * 1.05,
    }
    by_rate = {
        name: losses(descend(x, y, SAMPLES, rate, 60), x, y) - lowest
        for name, rate in rates.items()
    }
    by_schedule = compare_schedules(x, y, lowest)
    save_picture(
        paths, best, lambda lines: grid_losses(lines, x, y), by_rate, by_schedule,
        out / "descent.svg",
    )  # fmt: skip
    print(f"\nwrote {out / 'descent.svg'}")


def grid_losses(lines: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return losses(lines.reshape(-1, 2), x, y).reshape(lines.shape[:-1])


def compare_sizes(x: np.ndarray, y: np.ndarray, lowest: float) -> dict[str, np.ndarray]:
    """Print the cost and noise of a step by batch size; return the paths (steps + 1, 2)."""
    paths, rows = {}, []
    for name, size in SIZES.items():
        stopwatch = Stopwatch()
        paths[name] = path = descend(x, y, size, RATE, EPOCHS)
        steps = len(path) - 1
        microseconds = stopwatch.lap() / steps * 1e6
        measured, predicted = gradient_noise(x, y, size)
        final = losses(path[-(SAMPLES // size) :], x, y).mean() - lowest
        noise = [f"{measured:.0%}", f"{predicted:.0%}"]
        rows.append([name, f"{steps}", f"{microseconds:.0f}", *noise, f"{final:.2g}"])
    print(
        f"{EPOCHS} epochs with α = {RATE}, from w = {START[0]}, b = {START[1]}\n"
        "(noise: distance of a step's gradient at the start from the full-batch gradient,\n"
        "relative to its length, and as predicted; excess loss: mean of the last epoch, above\n"
        "the minimum)\n"
    )
    header = ["samples per step", "steps", "µs per step", "noise", "predicted", "excess loss"]
    print(format_table(header, rows))
    return paths


def compare_step_times() -> None:
    """Print the time of a step with all samples, and of one with a single sample."""
    rows = []
    for samples in TIMED_SAMPLES:
        x, y = points(samples=samples)
        times = [
            median(time_calls(lambda: gradient(*batch), repeats=25))  # noqa: B023, called here
            for batch in ((x, y), (x[:1], y[:1]))
        ]
        rows.append([f"{samples:,}", *(f"{1e6 * time:,.0f}" for time in times)])
    print(f"\n{format_table(['samples', 'µs per step, all', 'one'], rows)}")
    print("(with few samples, Python's overhead dominates the time of a step)")


def compare_schedules(
    x: np.ndarray, y: np.ndarray, lowest: float
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Print and return the loss with each schedule.

    Returns, for each schedule, the learning rates by step, and the loss above its minimum by epoch:
    the median over several orders of the samples.
    """
    steps = EPOCHS * SAMPLES // BATCH
    functions = {
        "constant": schedules.constant(PEAK),
        "step decay": schedules.step_decay(PEAK, every=steps / 3),
        "cosine": schedules.cosine(PEAK, steps=steps),
        "one-cycle": schedules.one_cycle(PEAK, steps=steps),
    }
    by_schedule, rows = {}, []
    for name, schedule in functions.items():
        runs = [losses(descend(x, y, BATCH, schedule, EPOCHS, i), x, y) for i in range(ORDERS)]
        excess = np.median(runs, axis=0)[1:].reshape(EPOCHS, -1).mean(axis=1) - lowest
        by_schedule[name] = np.array([schedule(i) for i in range(steps)]), excess
        rows.append([name, f"{excess[-1]:.2g}"])
    print(
        f"\nSchedules: {BATCH} samples per step, {EPOCHS} epochs, median of {ORDERS} orders of the "
        "samples\n(excess loss: mean of the last epoch, above the minimum)\n"
    )
    print(format_table(["schedule", "excess loss"], rows))
    return by_schedule
