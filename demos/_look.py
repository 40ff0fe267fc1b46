"""How the demos' pictures look: the same colours and letters in all of them."""

from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

BLUE, ORANGE, INK, PALE = "#1f5fa8", "#cf5400", "#2b2b2b", "#6e6e6e"
GREEN, PURPLE, CYAN = "#2f7d4f", "#7a3e9d", "#3aa6b9"
# Minus to plus runs from dark to light, so that signs can be told apart in grey, too.
SIGNS = LinearSegmentedColormap.from_list("signs", ["#0b2f66", "#8d9299", "#ffd28a"])
STYLE: dict[Any, Any] = {
    "font.size": 11, "text.color": INK, "axes.labelcolor": INK,
    "axes.edgecolor": PALE, "xtick.color": PALE, "ytick.color": PALE, "lines.linewidth": 2.4,
    "axes.titleweight": "bold", "axes.titlelocation": "left",
    "figure.titleweight": "bold", "figure.titlesize": "large",
    "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "axes.grid.axis": "y", "grid.color": "#e8e8e8", "axes.axisbelow": True,
    "svg.hashsalt": "stepgrad",
}  # fmt: skip
LEFT = {"x": 0.01, "ha": "left"}  # a heading over several axes


def tile(axis: Any, pixels: np.ndarray, colours: Any = "gray_r") -> Any:
    """28 x 28 numbers as an image without a frame; 0 in the middle of SIGNS."""
    axis.spines[:].set_visible(False)
    axis.set(xticks=[], yticks=[])
    high = abs(pixels).max()
    low = -high if colours is SIGNS else 0
    return axis.imshow(pixels.reshape(28, 28), cmap=colours, vmin=low, vmax=high)
