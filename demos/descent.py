"""Gradient descent on one loss surface: all samples at a time, one, or a few; and how large a step.

Chapter 02, 6. A line y = w x + b through 64 points has two parameters, so that its loss can be
drawn: the mean squared error, a bowl that is steep in one direction and flat in another.

The chapter calls batch gradient descent guaranteed to converge, "for convex functions". That takes
a learning rate below 2 / λ, with λ the largest curvature, here an eigenvalue of the engine's own
Hessian; and where a loss is not convex, as a network's, it may stop at a saddle as well.

Writes descent.svg: the paths, learning rates, schedules, and what is lost by each.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from demos._look import BLUE, GREEN, INK, ORANGE, PALE, STYLE
from engine import Array, hessian
from nn import data, optim, schedules

SAMPLES, EPOCHS, RATE, START = 64, 30, 0.05, (-1.6, 2.4)
SIZES = {"batch, all 64": 64, "mini-batch of 8": 8, "stochastic, 1": 1}
MANY = (64, 4_096, 262_144)  # samples of which all cost more than one
FEW, ORDERS = 4, 9  # samples a step under a schedule; orders of them to take the median of
COLOURS = dict(zip(SIZES, (INK, BLUE, ORANGE), strict=True))


def points(rng: Any = 0, samples: int = SAMPLES) -> tuple[np.ndarray, np.ndarray]:
    """Points (samples,) near the line y = 1.5 x - 0.5, x from 0 to 2."""
    rng = np.random.default_rng(rng)
    x = rng.uniform(0.0, 2.0, samples)
    return x, 1.5 * x - 0.5 + rng.normal(0.0, 0.4, samples)


def loss(line: Array, x: np.ndarray, y: np.ndarray) -> Array:
    """The mean squared error of the line [w, b]."""
    return (line[0] * x + line[1] - y).square().mean()


def heights(lines: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The loss of many lines (..., 2)."""
    return np.mean((lines[..., :1] * x + lines[..., 1:] - y) ** 2, axis=-1)


def descend(
    x: np.ndarray,
    y: np.ndarray,
    size: int,
    rate: float | Callable[[float], float],
    epochs: int,
    rng: Any = 0,
) -> np.ndarray:
    """The lines (steps + 1, 2) that gradient descent comes by, so many samples a step."""
    line, rng = Array(np.array(START), "line"), np.random.default_rng(rng)
    mover, path = optim.SGD([line], lr=1.0), [line.data]
    for _ in range(epochs):
        for some in data.batches(x, y, size, rng=rng):
            mover.lr = rate(mover.steps) if callable(rate) else rate
            mover.zero_grad()
            loss(line, *some).backward()
            mover.step()
            path.append(line.data)
    return np.array(path)


def noise(x: np.ndarray, y: np.ndarray, size: int) -> tuple[float, float]:
    """How far a step's gradient is from that of all samples, over its length; and what theory says.

    The root of the mean square, at the start. Samples drawn from m without putting them back have
    a mean whose variance is that of one, times (m - size) / (m - 1) / size.
    """

    def slope(some: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        line = Array(np.array(START))
        loss(line, *some).backward()
        return line.grad

    whole = slope((x, y))
    length = np.linalg.norm(whole)
    far = lambda parts: np.sqrt(np.mean([np.sum((slope(each) - whole) ** 2) for each in parts]))
    rng = np.random.default_rng(1)
    drawn = [part for _ in range(50) for part in data.batches(x, y, size, rng=rng)]
    one = far([(x[i : i + 1], y[i : i + 1]) for i in range(len(x))])
    theory = one * np.sqrt((len(x) - size) / (len(x) - 1) / size)
    return far(drawn) / length, theory / length


def main(out: Path) -> None:
    x, y = points()
    best = np.linalg.lstsq(np.column_stack([x, np.ones_like(x)]), y, rcond=None)[0]
    lowest = float(heights(best, x, y))
    line = Array(np.array(START))
    low, high = np.linalg.eigvalsh(hessian(loss(line, x, y), line))
    limit = 2.0 / high
    print(
        f"The loss curves by {low:.2f} in one direction and by {high:.2f} in another: "
        f"steps with α above 2 / {high:.2f} = {limit:.3f} climb.\n"
    )
    paths = ways_down(x, y, lowest)
    costs()
    rates = {
        f"too small, {limit / 100:.3f}": limit / 100,
        f"right, {limit / 2:.2f}": limit / 2,
        f"large, {limit * 0.98:.2f}": limit * 0.98,
        f"too large, {limit * 1.05:.2f}": limit * 1.05,
    }
    runs = {
        name: heights(descend(x, y, SAMPLES, rate, 60), x, y) - lowest
        for name, rate in rates.items()
    }
    steps = EPOCHS * SAMPLES // FEW
    plans = {
        "constant": schedules.constant(0.2),
        "step decay": schedules.step_decay(0.2, every=steps / 3),
        "cosine": schedules.cosine(0.2, steps=steps),
        "one-cycle": schedules.one_cycle(0.2, steps=steps),
    }
    falls = scheduled(plans, x, y, lowest)
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(12, 8.4), layout="constrained")
        (bowl, steep), (plan, last) = figure.subplots(2, 2)
        draw_paths(bowl, paths, best, x, y)
        draw_rates(steep, runs)
        draw_schedules(plan, last, plans, falls)
        figure.savefig(out / "descent.svg", metadata={"Date": None})
        plt.close(figure)
    print(f"\nwrote {out / 'descent.svg'}")


def ways_down(x: np.ndarray, y: np.ndarray, lowest: float) -> dict[str, np.ndarray]:
    """The paths (steps + 1, 2), and a table of what each way costs and how noisy it is."""
    print(
        f"{EPOCHS} epochs with α = {RATE}, from w = {START[0]}, b = {START[1]}\n\n"
        f"{'samples a step':16}{'steps':>7}{'µs a step':>11}{'noise':>8}{'theory':>8}"
        f"{'above the minimum':>19}"
    )
    paths = {}
    for name, size in SIZES.items():
        began = time.perf_counter()
        paths[name] = path = descend(x, y, size, RATE, EPOCHS)
        each = (time.perf_counter() - began) / (len(path) - 1) * 1e6
        found, expected = noise(x, y, size)
        tail = heights(path[-(SAMPLES // size) :], x, y).mean() - lowest
        print(f"{name:16}{len(path) - 1:>7}{each:>11.0f}{found:>8.0%}{expected:>8.0%}{tail:>19.2g}")
    print(
        "\n(noise: how far a step's gradient is from that of all samples at the start, in parts\n"
        " of its length; above the minimum: the mean over the last epoch)"
    )
    return paths


def costs() -> None:
    """A table of what a step costs that looks at all samples, and one that looks at one."""
    print(f"\n{'samples':>7}{'µs a step, all':>16}{'one':>6}")
    for samples in MANY:
        x, y = points(samples=samples)
        taken = []
        for some in ((x, y), (x[:1], y[:1])):
            line, runs = Array(np.array(START)), []
            for _ in range(25):
                began = time.perf_counter()
                loss(line, *some).backward()
                runs.append(time.perf_counter() - began)
            taken.append(np.median(runs) * 1e6)
        print(f"{samples:>7,}{taken[0]:>16,.0f}{taken[1]:>6,.0f}")
    print("(of few samples, a step costs what Python costs, however many of them it looks at)")


def scheduled(plans: dict[str, Any], x: Any, y: Any, lowest: float) -> dict[str, np.ndarray]:
    """The loss above its minimum by epoch, the median of some orders of samples; and a table."""
    print(f"\nSchedules, {FEW} samples a step, {EPOCHS} epochs, the median of {ORDERS} orders\n")
    falls = {}
    for name, plan in plans.items():
        runs = [heights(descend(x, y, FEW, plan, EPOCHS, i), x, y) for i in range(ORDERS)]
        falls[name] = np.median(runs, axis=0)[1:].reshape(EPOCHS, -1).mean(axis=1) - lowest
        print(f"{name:16}{falls[name][-1]:>8.2g} above the minimum in the last epoch")
    return falls


def draw_paths(axis: Any, paths: dict[str, np.ndarray], best: Any, x: Any, y: Any) -> None:
    w, b = np.meshgrid(np.linspace(-2.3, 3.1, 160), np.linspace(-2.4, 3.0, 160))
    surface = heights(np.stack([w, b], axis=-1).reshape(-1, 2), x, y).reshape(w.shape)
    levels = np.geomspace(surface.min() * 1.15, surface.max(), 14)
    axis.contour(w, b, surface, levels, colors="#c9c9c9", linewidths=0.8)
    for name, path in reversed(paths.items()):
        width, size = (1.0, 0) if "1" in name[-1] else (1.8, 3.5)
        axis.plot(*path.T, "o-", color=COLOURS[name], linewidth=width, markersize=size, label=name)
    axis.plot(*best, "*", color="#ffffff", markeredgecolor=INK, markersize=15, zorder=5)
    axis.set(title=f"Three ways down, {EPOCHS} epochs each", xlabel="w", ylabel="b")
    axis.grid(False)
    handles, names = axis.get_legend_handles_labels()
    axis.legend(handles[::-1], names[::-1], frameon=False, loc="upper right")


def draw_rates(axis: Any, runs: dict[str, np.ndarray]) -> None:
    for (name, fall), colour in zip(runs.items(), (PALE, BLUE, GREEN, ORANGE), strict=True):
        axis.plot(fall, color=colour, label=f"α {name}")
    axis.set(title="One learning rate, all samples", xlabel="step", ylabel="loss above its minimum")
    axis.set(yscale="log", ylim=(1e-4, 1e5))
    axis.legend(frameon=False, loc="upper left", ncols=2)


def draw_schedules(plan: Any, last: Any, plans: Any, falls: Any) -> None:
    for name, colour in zip(plans, (PALE, GREEN, BLUE, ORANGE), strict=True):
        rates = [plans[name](i) for i in range(EPOCHS * SAMPLES // FEW)]
        plan.plot(np.arange(len(rates)) * FEW / SAMPLES, rates, color=colour, label=name)
        last.plot(np.arange(1, EPOCHS + 1), falls[name], color=colour, label=name)
    plan.set(title=f"Schedules, {FEW} samples a step", xlabel="epoch", ylabel="learning rate")
    plan.set(ylim=0)
    last.set(title="... and what they reach", xlabel="epoch", ylabel="loss above its minimum")
    last.set(yscale="log")
    for axis in (plan, last):
        axis.legend(frameon=False)
