"""The picture of the demo `moons`."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from demos.pictures.style import BLUE, INK, ORANGE, STYLE, save
from nn import MLP, Record


def save_picture(
    model: MLP, X: np.ndarray, y: np.ndarray, records: list[Record], path: Path
) -> None:
    """Draw data and decision boundary on the left, loss and accuracy by epoch on the right."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplot_mosaic(
            [["data", "loss"], ["data", "accuracy"]],
            figsize=(11, 4.8), width_ratios=[1.7, 1], layout="constrained",
        )  # fmt: skip
        draw_boundary(axes["data"], model, X, y)

        epochs = [record.epoch for record in records]
        curves = [
            ("loss", "Loss", BLUE, [record.loss for record in records], 0, None),
            ("accuracy", "Accuracy, %", ORANGE, [100 * (r.metric or 0) for r in records], 50, 102),
        ]
        for name, title, colour, heights, bottom, top in curves:
            axis = axes[name]
            axis.plot(epochs, heights, color=colour)
            axis.set(xlim=(1, len(epochs)), ylim=(bottom, top))
            axis.set_title(title)
        axes["loss"].set_xticklabels([])
        axes["accuracy"].set_xlabel("epoch")
        save(figure, path)


def draw_boundary(axis: Axes, model: MLP, X: np.ndarray, y: np.ndarray) -> None:
    """Draw the samples on the model's scores; the boundary is solid, the margin dashed."""
    xs = np.linspace(X[:, 0].min() - 0.4, X[:, 0].max() + 0.4, 90)
    ys = np.linspace(X[:, 1].min() - 0.4, X[:, 1].max() + 0.4, 70)
    scores = np.array([[model((x, y)).data for x in xs] for y in ys])
    tints = LinearSegmentedColormap.from_list("tints", ["#a9cbec", "#ffffff", "#fbc79b"])
    axis.contourf(xs, ys, np.clip(scores, -2, 2), levels=np.linspace(-2, 2, 21), cmap=tints)
    axis.contour(xs, ys, scores, [-1, 0, 1], colors=INK, linewidths=[0.7, 2.2, 0.7],
                 linestyles=["dashed", "solid", "dashed"])  # fmt: skip
    for label, colour, marker in [(0, BLUE, "o"), (1, ORANGE, "^")]:
        points = X[y == label]
        axis.scatter(points[:, 0], points[:, 1], c=colour, marker=marker, s=52, edgecolors="white",
                     linewidths=0.9, zorder=3)  # fmt: skip
    axis.set(aspect="equal", xticks=[], yticks=[])
    axis.grid(False)
    axis.set_title(f"Decision boundary of {len(model.parameters())} scalars; margin dashed")
    axis.spines[:].set_visible(False)
