"""The picture of the demo `descent`."""

from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from demos.pictures.style import BLUE, GREEN, INK, ORANGE, PALE, STYLE, save


def save_picture(
    paths: dict[str, np.ndarray],
    best: np.ndarray,
    loss: Callable[[np.ndarray], np.ndarray],
    by_rate: dict[str, np.ndarray],
    by_schedule: dict[str, tuple[np.ndarray, np.ndarray]],
    out: Path,
) -> None:
    """Draw the loss surface with paths, learning rates, and schedules.

    Args:
        paths: For each batch size, the lines (steps + 1, 2) of one run; all run for as many epochs.
        best: The line [w, b] at the minimum.
        loss: The loss of many lines (..., 2).
        by_rate: For each learning rate, the loss above its minimum by step.
        by_schedule: For each schedule, the learning rate by step, and the loss above its minimum by
            epoch.
    """
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(12, 8.4), layout="constrained")
        (surface, rates), (schedules, final) = figure.subplots(2, 2)
        draw_paths(surface, paths, best, loss)
        draw_rates(rates, by_rate)
        draw_schedules(schedules, final, by_schedule)
        save(figure, out)


def draw_paths(
    axis: Axes,
    paths: dict[str, np.ndarray],
    best: np.ndarray,
    loss: Callable[[np.ndarray], np.ndarray],
) -> None:
    w, b = np.meshgrid(np.linspace(-2.3, 3.1, 160), np.linspace(-2.4, 3.0, 160))
    surface = loss(np.stack([w, b], axis=-1))
    levels = np.geomspace(surface.min() * 1.15, surface.max(), 14)
    axis.contour(w, b, surface, levels, colors="#c9c9c9", linewidths=0.8)
    styles = [(INK, 1.8, 3.5), (BLUE, 1.8, 3.5), (ORANGE, 1.0, 0)]  # colour, width, size of marks
    for (name, path), (colour, width, size) in reversed([*zip(paths.items(), styles, strict=True)]):
        axis.plot(*path.T, "o-", color=colour, linewidth=width, markersize=size, label=name)
    axis.plot(*best, "*", color="#ffffff", markeredgecolor=INK, markersize=15, zorder=5)
    axis.set(title="Equal epochs with three batch sizes", xlabel="w", ylabel="b")
    axis.grid(False)
    handles, names = axis.get_legend_handles_labels()
    axis.legend(handles[::-1], names[::-1], frameon=False, loc="upper right")


def draw_rates(axis: Axes, by_rate: dict[str, np.ndarray]) -> None:
    for (name, losses), colour in zip(by_rate.items(), (PALE, BLUE, GREEN, ORANGE), strict=True):
        axis.plot(losses, color=colour, label=f"α {name}")
    axis.set(title="Constant learning rates, full batch", xlabel="step")
    axis.set(ylabel="loss above the minimum", yscale="log", ylim=(1e-4, 1e5))
    axis.legend(frameon=False, loc="upper left", ncols=2)


def draw_schedules(
    left: Axes, right: Axes, by_schedule: dict[str, tuple[np.ndarray, np.ndarray]]
) -> None:
    for (name, (rates, losses)), colour in zip(
        by_schedule.items(), (PALE, GREEN, BLUE, ORANGE), strict=True
    ):
        epochs = len(losses)
        left.plot(np.arange(len(rates)) * epochs / len(rates), rates, color=colour, label=name)
        right.plot(np.arange(1, epochs + 1), losses, color=colour, label=name)
    left.set(title="Schedules", xlabel="epoch", ylabel="learning rate", ylim=0)
    right.set(title="Loss with each schedule", xlabel="epoch", ylabel="loss above the minimum")
    right.set(yscale="log")
    for axis in (left, right):
        axis.legend(frameon=False)
