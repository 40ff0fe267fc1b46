"""The plot of a classifier in the plane: its outputs as colours, the boundary, the samples."""

from typing import TYPE_CHECKING

import numpy as np

from engine.functions import is_array
from nn.arguments import check_finite, check_whole
from nn.batches import to_finite_samples
from nn.keywords import answer_keywords
from nn.module import Module, check_module

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

COLOURS = ["#1f5fa8", "#cf5400", "#2c8c5a", "#8648b5", "#b8860b", "#c2255c", "#0b8a9e", "#6b6b6b"]
MARKERS = "os^DvP*X"  # classes differ in shape too
TINT = 0.45  # the share of a class's colour where the model is sure of it
LINE = "#2b2b2b"


@answer_keywords
def plot_boundary(
    model: Module,
    X: "ArrayLike",
    y: "ArrayLike",
    *,
    threshold: float = 0.0,
    resolution: int = 100,
    axes: "Axes | None" = None,
) -> "Axes":
    """Plot the outputs of a classifier of points in the plane, its boundary and the samples.

    A model with one output separates two classes, with labels 0 and 1 or -1 and 1: the colours
    show the output, and the boundary is where it equals the threshold. With an output for each
    class, the colours show the most probable class and its probability by softmax.

    X           the samples, of shape (samples, 2)
    y           their labels, of shape (samples,)
    threshold   0 for logits and hinge loss; 0.5 for probabilities, and for mse on labels 0 and 1
    resolution  the number of points at which the model is evaluated, along each side
    axes        where to plot; None makes a figure

    Returns the axes, from a figure with matplotlib's pyplot. Raises ImportError if matplotlib is
    not installed, and ValueError for samples of another shape and labels of other classes.

    >>> from nn import MLP, data
    >>> X, y = data.moons(50, rng=0)
    >>> axes = plot_boundary(MLP(2, [8, 1], rng=0), X, y, resolution=10)
    >>> axes.figure.savefig("boundary.png")  # doctest: +SKIP
    """
    check_module("plot_boundary", model)
    threshold = check_finite("threshold", threshold)
    resolution = check_whole("resolution", resolution, least=2)
    X, y = [x.data if is_array(x) else x for x in (X, y)]
    samples, labels = to_finite_samples(X, y)
    labels = labels[:, 0] if labels.shape[1:] == (1,) else labels
    if samples.shape[1:] != (2,) or labels.ndim != 1:
        raise ValueError(
            "plot_boundary expects samples of shape (samples, 2) and labels of shape (samples,), "
            f"got {samples.shape} and {labels.shape}"
        )
    sides = [grid_side(column, resolution) for column in samples.T]
    points = np.stack([x.ravel() for x in np.meshgrid(*sides)], axis=1)
    outputs = model.predict(points)
    count = outputs.shape[1] if outputs.ndim == 2 else 1
    classes = range(-1, 2) if count == 1 else range(count)
    if not np.isin(labels, classes).all() or (count == 1 and {-1, 0} <= {*labels.tolist()}):
        bad = labels[~np.isin(labels, classes)]
        expected = "0 and 1, or -1 and 1" if count == 1 else f"from 0 to {count - 1}"
        raise ValueError(
            f"plot_boundary expects labels {expected} for a model with {count} outputs, "
            f"got {bad[0] if len(bad) else 'both -1 and 0'}"
        )
    if axes is None:
        axes = new_axes("plot_boundary")
    if count == 1:
        plot_output(axes, sides, outputs.reshape(resolution, resolution), threshold)
        groups = [(labels[labels <= 0][:1].tolist() or [0])[0], 1]
    else:
        plot_classes(axes, sides, outputs.reshape(resolution, resolution, count))
        groups = list(classes)
    for k, label in enumerate(groups):
        inside = samples[labels == label]
        axes.scatter(
            inside[:, 0], inside[:, 1], s=30, color=COLOURS[k % len(COLOURS)],
            marker=MARKERS[k % len(MARKERS)], edgecolors="white", linewidths=0.8, zorder=3,
            label=f"class {label:g}",
        )  # fmt: skip
    widths = [side[-1] - side[0] for side in sides]
    if 0.25 < widths[0] / widths[1] < 4.0:
        axes.set_aspect("equal")
    axes.set(xlim=sides[0][[0, -1]], ylim=sides[1][[0, -1]], xlabel="x[0]", ylabel="x[1]")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(
        frameon=False, loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=min(len(groups), 5),
        columnspacing=1.2, handletextpad=0.3,
    )  # fmt: skip
    return axes


def new_axes(user: str) -> "Axes":
    """Return the axes of a new figure. Raises ImportError if matplotlib is not installed."""
    try:
        from matplotlib import pyplot
    except ModuleNotFoundError as problem:
        message = f"{user} requires matplotlib, which is not installed: pip install matplotlib"
        raise ImportError(message, name="matplotlib") from problem
    return pyplot.subplots(figsize=(6.0, 4.5), layout="constrained")[1]


def grid_side(column: np.ndarray, resolution: int) -> np.ndarray:
    """Return points from a little below the smallest number to a little above the largest."""
    low, high = float(column.min()), float(column.max())
    margin = 0.12 * (high - low) or 1.0
    return np.linspace(low - margin, high + margin, resolution)


def plot_output(
    axes: "Axes", sides: list[np.ndarray], output: np.ndarray, threshold: float
) -> None:
    """Plot one output, from the colour of one class by white to that of the other."""
    from matplotlib.colors import LinearSegmentedColormap

    tints = [tint(COLOURS[0], 0.6), (1.0, 1.0, 1.0), tint(COLOURS[1], 0.6)]
    distances = np.abs(output - threshold)
    reach = float(np.percentile(distances[np.isfinite(distances)], 90)) or 1.0
    levels = np.linspace(threshold - reach, threshold + reach, 25)
    colours = LinearSegmentedColormap.from_list("classes", tints)
    filled = axes.contourf(*sides, output, levels, cmap=colours, extend="both")
    bar = axes.figure.colorbar(filled, ax=axes, label="output", shrink=0.7)
    bar.set_ticks([threshold - reach, threshold, threshold + reach])
    bar.ax.set_yticklabels([f"{x:.3g}" for x in bar.get_ticks()])
    bar.outline.set_visible(False)
    if output.min() < threshold < output.max():
        axes.contour(*sides, output, [threshold], colors=LINE, linewidths=1.4)


def plot_classes(axes: "Axes", sides: list[np.ndarray], logits: np.ndarray) -> None:
    """Plot the most probable class, paler where the model is less sure, and the boundaries."""
    from engine.arrays.array import ConstantArray

    count = logits.shape[-1]
    shares = ConstantArray(logits).softmax().data
    best = shares.argmax(axis=-1)
    sure = (shares.max(axis=-1) - 1.0 / count) / (1.0 - 1.0 / count)
    tints = np.array([tint(COLOURS[k % len(COLOURS)], TINT) for k in range(count)])
    image = 1.0 - sure[..., None] * (1.0 - tints[best])
    x, y = sides
    axes.imshow(
        image, origin="lower", extent=(x[0], x[-1], y[0], y[-1]), interpolation="bilinear",
        aspect="auto",
    )  # fmt: skip
    for k in range(count):
        margin = logits[..., k] - np.delete(logits, k, axis=-1).max(axis=-1)
        if margin.min() < 0.0 < margin.max():
            axes.contour(*sides, margin, [0.0], colors=LINE, linewidths=1.4)


def tint(colour: str, share: float) -> tuple[float, ...]:
    """Return a mixture of a colour and white."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return tuple([1.0 - share * (1.0 - x) for x in channels])
