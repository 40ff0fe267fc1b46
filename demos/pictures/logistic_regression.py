"""The picture of the demo `logistic_regression`."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure

from demos.pictures.style import BLUE, LEFT, ORANGE, SIGNS, STYLE, draw_tile, save


def save_picture(
    w: np.ndarray,
    costs: list[float],
    speedups: dict[int, tuple[float, float]],
    mistakes: list[tuple[np.ndarray, str]],
    digits: tuple[int, int],
    heading: str,
    path: Path,
) -> None:
    """Draw weights on the left, cost and speedup on the right, and mistakes below.

    Args:
        w: The weights, (784, 1).
        costs: The cost by iteration.
        speedups: For each number of samples, the time of two loops and of one, over that of none.
        mistakes: Images (784,) and their captions; the first eight are drawn.
        digits: The digits of classes 0 and 1.
        heading: The heading of the mistakes.
        path: The file to write.
    """
    with plt.rc_context(STYLE):
        figure: Any = plt.figure(figsize=(11, 7.2), layout="constrained")
        above, below = figure.subfigures(2, 1, height_ratios=[3, 1])
        axes = above.subplot_mosaic([["w", "cost"], ["w", "speedup"]], width_ratios=[1.25, 1])
        draw_weights(above, axes["w"], w, digits)
        axes["cost"].plot(costs, color=BLUE)
        axes["cost"].set(title="Cost J", xlim=(0, len(costs)), ylim=(0, None), xlabel="iteration")
        draw_speedups(axes["speedup"], speedups)
        below.suptitle(heading, **LEFT)
        for axis, (image, caption) in zip(below.subplots(1, 8), mistakes, strict=False):
            draw_tile(axis, image)
            axis.set_xlabel(caption)
        save(figure, path)


def draw_weights(figure: SubFigure, axis: Axes, w: np.ndarray, digits: tuple[int, int]) -> None:
    image = draw_tile(axis, w, SIGNS)
    axis.set(title=f"w: dark pixels favour {digits[0]}, bright pixels {digits[1]}")
    figure.colorbar(image, ax=axis, shrink=0.8, aspect=30).outline.set_visible(False)


def draw_speedups(axis: Axes, speedups: dict[int, tuple[float, float]]) -> None:
    two_loops, one_loop = zip(*speedups.values(), strict=True)
    axis.loglog(list(speedups), two_loops, "o-", color=BLUE)
    axis.loglog(list(speedups), one_loop, "^-", color=ORANGE)
    axis.text(0.02, 0.9, "over two loops", color=BLUE, transform=axis.transAxes)
    axis.text(0.98, 0.08, "over one loop", color=ORANGE, transform=axis.transAxes, ha="right")
    axis.set(title="Speedup without loops", xlabel="samples m", ylim=(1, 5 * max(two_loops)))
    axis.xaxis.set_major_formatter("{x:,.0f}")
    axis.yaxis.set_major_formatter("{x:,.0f}")
