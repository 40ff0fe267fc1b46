"""The picture of the demo `gpt`."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from demos.pictures.style import BLUE, LEFT, PALE, STYLE, save


def save_picture(
    losses: Sequence[float],
    weights: Sequence[Sequence[np.ndarray]],
    tokens: Sequence[str],
    path: Path,
) -> None:
    """Draw the loss by step on the left, and the attention weights of each head on the right."""
    rows, columns = len(weights), len(weights[0])
    with plt.rc_context(STYLE):
        size = (5.0 + 2.6 * columns, 0.9 + 2.6 * rows)
        figure = plt.figure(figsize=size, layout="constrained")
        left, right = figure.subfigures(1, 2, width_ratios=[5, 2.6 * columns])
        draw_losses(left.subplots(), losses)
        text = "Attention: a row for each token, with the weights of the tokens that it reads"
        right.suptitle(text, **LEFT)
        axes = right.subplots(rows, columns, squeeze=False)
        for i, heads in enumerate(weights):
            for k, head in enumerate(heads):
                title = f"head {k}" if rows == 1 else f"block {i}, head {k}"
                draw_head(axes[i, k], head, tokens, title)
        save(figure, path)


def draw_losses(axis: Axes, losses: Sequence[float]) -> None:
    """Draw the loss of each step as a point, and the mean of up to 100 steps as a line."""
    steps = np.arange(1, len(losses) + 1)
    sums = np.concatenate([[0.0], np.cumsum(losses)])
    starts = np.maximum(0, steps - 100)
    axis.plot(steps, losses, ".", color=PALE, markersize=2, alpha=0.4)
    axis.plot(steps, (sums[steps] - sums[starts]) / (steps - starts), color=BLUE)
    axis.set(xlabel="step", xlim=(0, len(losses)), ylim=(0, None))
    axis.set_title("Loss, and its mean over 100 steps")


def draw_head(axis: Axes, weights: np.ndarray, tokens: Sequence[str], title: str) -> None:
    """Draw a head's weights: a row for each token that reads, a column for each that is read."""
    axis.imshow(weights, cmap="Blues", vmin=0, vmax=1)
    places = range(len(tokens))
    axis.set_xticks(places, tokens)
    axis.set_yticks(places, tokens)
    axis.tick_params(length=0, top=False, bottom=False, labeltop=True, labelbottom=False)
    axis.grid(False)
    axis.spines[:].set_visible(False)
    axis.set_title(title, pad=8)
