"""The picture of the demo `mnist`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import SubFigure

from demos._mnist_inside import Inspection
from demos.pictures.style import BLUE, INK, LEFT, ORANGE, PALE, SIGNS, STYLE, draw_tile, save


def save_picture(
    counts: np.ndarray,
    mistakes: Sequence[tuple[np.ndarray, str, str]],
    inspection: Inspection,
    path: Path,
) -> None:
    """Draw the confusion matrix, the most confident mistakes, and an inspection of the first.

    Args:
        counts: The confusion matrix, (labels, predictions).
        mistakes: Images (784,), each with a title and a caption; the first 15 are drawn.
        inspection: The first of the mistakes, inspected.
        path: The file to write.
    """
    with plt.rc_context({**STYLE, "axes.grid": False}):
        figure: Any = plt.figure(figsize=(12, 7.2), layout="constrained")
        above, below = figure.subfigures(2, 1, height_ratios=[1.75, 1], hspace=0.06)
        left, right = above.subfigures(1, 2, width_ratios=[1, 1.12])
        draw_confusion(left.subplots(), counts)
        right.suptitle("Most confident mistakes: label → prediction", **LEFT)
        for axis, (image, title, caption) in zip(right.subplots(3, 5).flat, mistakes, strict=False):
            draw_tile(axis, image)
            axis.set_title(title, loc="center", fontsize=11, pad=3)
            axis.set_xlabel(caption, color=PALE, fontsize=8.5)
        draw_inspection(below, inspection)
        save(figure, path)


def draw_confusion(axis: Axes, counts: np.ndarray) -> None:
    """Draw labels as rows and predictions as columns; darker cells are more frequent mistakes."""
    classes = len(counts)
    mistakes = np.ma.masked_where(np.eye(classes, dtype=bool) | (counts == 0), counts)
    axis.imshow(mistakes, cmap="Oranges", norm=LogNorm(0.7, 3 * max(mistakes.max(), 2)))
    for i in range(classes):
        for k in range(classes):
            if counts[i, k]:
                axis.text(
                    k, i, counts[i, k], ha="center", va="center", fontsize=9 if i == k else 11,
                    color=PALE if i == k else INK,
                )  # fmt: skip
    axis.set(xticks=range(classes), yticks=range(classes), xlabel="prediction", ylabel="label")
    axis.tick_params(length=0, labelcolor=INK)
    axis.spines[:].set_visible(False)
    axis.set_title(f"{counts.trace():,} of {counts.sum():,} correct")


def draw_inspection(figure: SubFigure, inspection: Inspection) -> None:
    """Draw a mistake, its logits, and the pixels and neurons that favoured the prediction."""
    label, prediction = inspection.label, inspection.prediction
    figure.suptitle(
        f"Inside the first mistake: why the network predicts {prediction} for this {label}", **LEFT
    )
    axes = figure.subplots(1, 7, width_ratios=[1, 1.5, 1, 1, 1, 1, 1])
    draw_tile(axes[0], inspection.digit)
    axes[0].set_xlabel(f"label {label}")
    classes = np.arange(len(inspection.logits))
    colours = {prediction: ORANGE, label: BLUE}
    axes[1].bar(
        classes, inspection.logits, color=[colours.get(k, "#c9c9c9") for k in classes.tolist()]
    )
    axes[1].set(xticks=classes, xlabel="logit of each class")
    axes[1].tick_params(length=0, labelcolor=INK)
    axes[1].axhline(0, color=PALE, linewidth=0.8)

    def mask_blank(pixels: np.ndarray) -> np.ndarray:
        return np.ma.masked_where(inspection.digit == 0, pixels)

    draw_tile(axes[2], mask_blank(inspection.contributions), SIGNS)
    axes[2].set_xlabel(f"pixels for {prediction} (light)\nor for {label} (dark)")
    for axis, neuron in zip(axes[3:], inspection.neurons, strict=True):
        draw_tile(axis, mask_blank(neuron.contributions), SIGNS)
        axis.set_xlabel(f"neuron {neuron.unit}: {neuron.vote:+.2f}\nand its pixels")
