"""The picture of the demo `backprop_by_hand`."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from demos.pictures.style import BLUE, INK, LEFT, ORANGE, PALE, SIGNS, STYLE, draw_tile, save


def save_picture(
    weights: list[np.ndarray],
    history: np.ndarray,
    epsilons: list[float],
    errors: dict[str, list[float]],
    path: Path,
) -> None:
    """Draw loss, accuracy and gradient checks above, and weights of the first layer below.

    Args:
        weights: W of the first two layers, (n_out, n_in).
        history: Loss and accuracy, of training and held-out images, by epoch: (2, 2, epochs).
        epsilons: The steps of the gradient checks.
        errors: For each gradient check, its error at each of `epsilons`.
        path: The file to write.
    """
    with plt.rc_context(STYLE):
        figure: Any = plt.figure(figsize=(11, 7), layout="constrained")
        above, below = figure.subfigures(2, 1, height_ratios=[1.25, 1])
        loss, accuracy, check = above.subplots(1, 3, width_ratios=[1, 1, 1.5])
        epochs = range(1, history.shape[2] + 1)
        for axis, (training, held_out) in [(loss, history[0]), (accuracy, 100 * history[1])]:
            axis.plot(epochs, training, "--", color=ORANGE, label="training images")
            axis.plot(epochs, held_out, color=BLUE, label="held-out images")
            axis.set(xlabel="epoch", xticks=epochs)
        loss.set(title="Loss", ylim=(0, None))
        accuracy.set(title="Accuracy, %", ylim=(None, 100.05))
        accuracy.legend(frameon=False, loc="lower right")
        draw_checks(check, epsilons, errors)

        below.suptitle(
            "First layer: weights of the neurons with the largest outgoing weights", **LEFT
        )
        first, second = weights
        order = np.argsort(-np.linalg.norm(second, axis=0), kind="stable")
        for axis, w in zip(below.subplots(2, 8).flat, first[order], strict=False):
            draw_tile(axis, w, SIGNS)
        save(figure, path)


def draw_checks(axis: Axes, epsilons: list[float], errors: dict[str, list[float]]) -> None:
    marks = [(BLUE, "o-"), (ORANGE, "^-"), (PALE, "s-")]
    for (name, by_epsilon), (colour, mark) in zip(errors.items(), marks, strict=True):
        axis.loglog(epsilons, by_epsilon, mark, color=colour, label=name, linewidth=1.6)
    axis.axhline(1e-7, color=INK, linewidth=1, linestyle=":")
    axis.text(1e-11, 2e-8, "bound: 1e-7")
    axis.text(1e-11, 1e-10, "rounding, 1 / ε")
    axis.text(1e-1, 1e-10, "truncation, ε²", ha="right")
    axis.set(title="Gradient check: relative error", xlabel="ε")
    axis.legend(frameon=False, loc=(0.3, 0.45))
