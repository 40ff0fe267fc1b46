"""The picture of a diagnosis: layers from left to right, what is ill on a coloured ground."""

import math
from typing import Any

from matplotlib.figure import Figure

from nn.diagnosis import Diagnosis

BLUE, ORANGE, INK, GREY, ILL = "#1f5fa8", "#cf5400", "#2b2b2b", "#a8a8a8", "#fbeade"
CURVES = [("outputs", BLUE, "o", 0.03), ("gradient", ORANGE, "s", 0.12)]
MOST = 12  # names that have room below


def figure(found: Diagnosis) -> Figure:
    """Sizes of outputs and gradients above, shares of what is dead or flat below."""
    made = Figure(figsize=(9.0, 4.6), layout="constrained")
    above, below = made.subplots(2, 1, sharex=True, height_ratios=[2.2, 1])
    draw_sizes(above, found)
    draw_shares(below, found)
    names = [each.name for each in found.layers]
    every = max(1, math.ceil(len(names) / MOST))
    below.set_xticks(range(0, len(names), every), names[::every])
    below.set_xlim(-0.6, len(names) - 0.4)
    ill = {problem.where for problem in found.problems}
    for axes in (above, below):
        for x in [i for i, name in enumerate(names) if name in ill]:
            axes.axvspan(x - 0.45, x + 0.45, color=ILL, zorder=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e0e0e0")
        axes.set_axisbelow(True)
        axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1.0, 0.98), ncols=2)
    made.align_ylabels()
    return made


def draw_sizes(axes: Any, found: Diagnosis) -> None:
    """Two curves; what has no logarithm, 0 or nan, stands as a word at the lower edge."""
    shown = []
    for name, colour, mark, line in CURVES:
        sizes = [getattr(each, name) for each in found.layers]
        fine = [x if 0.0 < x < math.inf else math.nan for x in sizes]
        axes.plot(range(len(fine)), fine, mark + "-", color=colour, label=name, linewidth=2.0)
        shown += [math.log10(x) for x in fine if not math.isnan(x)]
        word = {"color": colour, "ha": "center", "fontweight": "bold"}
        for x, size in enumerate(sizes):
            if math.isnan(fine[x]):
                axes.text(x, line, f"{size:g}", transform=axes.get_xaxis_transform(), **word)
    low, high = min(shown, default=0.0), max(shown, default=0.0)
    spare = max(0.0, 2.0 - (high - low)) / 2.0  # two decades at least: a ripple is no slope
    low, high = low - spare, high + spare
    axes.set(
        yscale="log", ylim=(10.0 ** (low - 0.15 * (high - low)), 10.0 ** (high + 0.3)),
        ylabel="mean size",
    )  # fmt: skip
    axes.set_title(found.headline(), loc="left", fontweight="bold", fontsize="medium")


def draw_shares(axes: Any, found: Diagnosis) -> None:
    """What is dead, of units; what is flat, of activations."""
    dead = [each.dead / each.units if each.units else 0.0 for each in found.layers]
    flat = [each.flat if not each.cuts else 0.0 for each in found.layers]
    for shift, shares, colour, name in [
        (-0.2, dead, INK, "dead units"),
        (0.2, flat, GREY, "flat activations"),
    ]:
        places = [x + shift for x in range(len(shares))]
        axes.bar(places, [100.0 * x for x in shares], 0.38, color=colour, label=name)
    axes.set(ylim=(0, 100), ylabel="%")
