"""The picture of the demo `depth`."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from demos.pictures.style import BLUE, CYAN, GREEN, INK, ORANGE, PALE, PURPLE, STYLE, save

SHADES = ("#9db8d6", "#7199c6", "#477bb3", "#1f5fa8", "#0b2f66")
COLOURS = (PALE, BLUE, CYAN, ORANGE, GREEN, PURPLE, INK)


def save_picture(
    by_depth: dict[str, dict[int, np.ndarray]],
    by_remedy: dict[str, np.ndarray],
    losses: dict[str, np.ndarray],
    path: Path,
) -> None:
    """Draw gradients by layer for several depths above; the remedies and their losses below.

    Args:
        by_depth: For each activation and depth, the gradient that arrives at each layer.
        by_remedy: For each remedy, the same at one depth.
        losses: For each remedy, the losses of training, (seeds, steps); the last has no gradients
            of its own.
    """
    with plt.rc_context(STYLE):
        figure: Any = plt.figure(figsize=(13, 8), layout="constrained")
        above, below = figure.subfigures(2, 1)
        draw_depths(above.subplots(1, 3, sharey=True), by_depth)
        left, right = below.subplots(1, 2)
        draw_remedies(left, by_remedy)
        draw_losses(right, losses)
        below.legend(*right.get_legend_handles_labels(), frameon=False, loc="outside right center")
        save(figure, path)


def draw_depths(axes: np.ndarray, by_depth: dict[str, dict[int, np.ndarray]]) -> None:
    for axis, (activation, gradients) in zip(axes, by_depth.items(), strict=True):
        for (depth, by_layer), colour in zip(gradients.items(), SHADES, strict=True):
            axis.plot(range(1, depth + 1), by_layer, color=colour, label=f"{depth} layers")
        axis.set(title=activation, xlabel="layer", yscale="log", ylim=(1e-43, 10))
    axes[0].set(ylabel="gradient at the layer")
    axes[-1].legend(frameon=False, loc="lower right")


def draw_remedies(axis: Axes, by_remedy: dict[str, np.ndarray]) -> None:
    """Draw gradients by layer, in the colours of the legend of `draw_losses`."""
    for by_layer, colour in zip(by_remedy.values(), COLOURS, strict=False):
        layers = np.arange(1, len(by_layer) + 1)
        axis.plot(layers, by_layer, color=colour)
    axis.set(title=f"Cures, {layers[-1]} layers", xlabel="layer", yscale="log")
    axis.set(ylabel="gradient at the layer", xticks=[1, 5, 10, 15, 20])


def draw_losses(axis: Axes, losses: dict[str, np.ndarray]) -> None:
    for (name, by_seed), colour in zip(losses.items(), COLOURS, strict=True):
        medians = np.median(by_seed, axis=0)
        axis.plot(medians, color=colour, label=name, linewidth=0.7 if colour is INK else 1.6)
        if not np.isfinite(medians[-1]):
            step = int(np.argmin(np.isfinite(medians)))
            text = f"beyond 1e{np.log10(medians[step - 1]):.0f} at step {step}, then nan"
            axis.annotate(text, (step, 1.5e3), (6, 0), textcoords="offset points", color=colour)
    axis.set(title=f"Training: median of {len(by_seed)} networks", xlabel="step", ylabel="loss")
    axis.set(yscale="log", ylim=(1e-4, 5e3))
