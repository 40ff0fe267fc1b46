"""The style that all pictures share: colours, fonts, image tiles, and deterministic SVG."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

BLUE, ORANGE, INK, PALE = "#1f5fa8", "#cf5400", "#2b2b2b", "#6e6e6e"
GREEN, PURPLE, CYAN = "#2f7d4f", "#7a3e9d", "#3aa6b9"
# From minus to plus the map runs from dark to light, so signs are distinguishable in grey too.
SIGNS = LinearSegmentedColormap.from_list("signs", ["#0b2f66", "#8d9299", "#ffd28a"])
STYLE: Any = {
    "font.size": 11, "text.color": INK, "axes.labelcolor": INK,
    "axes.edgecolor": PALE, "xtick.color": PALE, "ytick.color": PALE, "lines.linewidth": 2.4,
    "axes.titleweight": "bold", "axes.titlelocation": "left",
    "figure.titleweight": "bold", "figure.titlesize": "large",
    "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "axes.grid.axis": "y", "grid.color": "#e8e8e8", "axes.axisbelow": True,
    "svg.hashsalt": "stepgrad",
}  # fmt: skip
LEFT: dict[str, Any] = {"x": 0.01, "ha": "left"}  # a heading over several axes


def save(figure: Figure, path: Path) -> None:
    """Write a figure without its date, so that the same data gives the same file; close it."""
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def draw_tile(axis: Axes, pixels: np.ndarray, colormap: str | Colormap = "gray_r") -> AxesImage:
    """Draw 28 x 28 numbers as an image without a frame; with SIGNS, 0 is in the middle."""
    axis.spines[:].set_visible(False)
    axis.set(xticks=[], yticks=[])
    high = abs(pixels).max()
    low = -high if colormap is SIGNS else 0
    return axis.imshow(pixels.reshape(28, 28), cmap=colormap, vmin=low, vmax=high)
