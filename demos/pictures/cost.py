"""The picture of the demo `cost`."""

from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from demos._ledger import Cost, Ledger
from demos.pictures.style import BLUE, INK, ORANGE, PALE, STYLE, save

COLOURS = {"Values": BLUE, "tape": "#6f9a3c", "arrays": ORANGE}


def save_picture(ledgers: dict[str, Ledger], steps: dict[str, Cost], path: Path) -> None:
    """Draw the time and memory of each layer and of a whole step, on logarithmic scales."""
    layers = list(dict.fromkeys(layer for layer, _ in ledgers["Values"]))
    names = [*layers, "whole step"]
    panels: list[tuple[str, Callable[[Cost], float]]] = [
        ("Time of a step, µs", lambda cost: 1e6 * cost.seconds),
        ("Memory, kB", lambda cost: cost.bytes / 1e3),
    ]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
        for axis, (title, measure) in zip(axes, panels, strict=True):
            for k, (executor, colour) in enumerate(COLOURS.items()):
                heights = [
                    sum(
                        measure(cost)
                        for (name, _), cost in ledgers[executor].items()
                        if name == layer
                    )
                    for layer in layers
                ]
                heights.append(measure(steps[executor]))
                positions = np.arange(len(names)) + 0.27 * (k - 1)
                bars = axis.bar(positions, heights, 0.25, color=colour, label=executor)
                texts = [f"{x:,.0f}" if x >= 10 else f"{x:.1f}" for x in heights]
                axis.bar_label(bars, texts, padding=2, fontsize=8, color=PALE)
            axis.set_yscale("log")
            axis.margins(y=0.12)
            axis.set_xticks(range(len(names)), names)
            axis.tick_params(axis="x", length=0, labelcolor=INK)
            axis.set_title(title)
        axes[0].legend(frameon=False, ncols=3, loc="upper left", bbox_to_anchor=(0, -0.1))
        save(figure, path)
