"""The plot of a diagnosis: outputs, gradients, dead units and saturated activations by layer."""

import math
from collections.abc import Collection, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nn.problems import LayerReport

BLUE, ORANGE, INK, GREY, PROBLEM = "#1f5fa8", "#cf5400", "#2b2b2b", "#a8a8a8", "#fbeade"
CURVES = [("outputs", BLUE, "o", 0.03), ("gradient", ORANGE, "s", 0.12)]
MAX_NAMES = 12  # names of layers that fit below the plot


def plot_layers(layers: Sequence[LayerReport], title: str, marked: Collection[str]) -> Figure:
    """Return a figure of sizes above and shares below; the layers named in `marked` are marked."""
    figure = Figure(figsize=(9.0, 4.6), layout="constrained")
    sizes, shares = figure.subplots(2, 1, sharex=True, height_ratios=[2.2, 1])
    plot_sizes(sizes, layers)
    sizes.set_title(title, loc="left", fontweight="bold", fontsize="medium")
    plot_shares(shares, layers)
    names = [layer.name for layer in layers]
    step = max(1, math.ceil(len(names) / MAX_NAMES))
    shares.set_xticks(range(0, len(names), step), names[::step])
    shares.set_xlim(-0.6, len(names) - 0.4)
    for axes in (sizes, shares):
        for x in [i for i, name in enumerate(names) if name in marked]:
            axes.axvspan(x - 0.45, x + 0.45, color=PROBLEM, zorder=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e0e0e0")
        axes.set_axisbelow(True)
        axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1.0, 0.98), ncols=2)
    figure.align_ylabels()
    return figure


def plot_sizes(axes: Axes, layers: Sequence[LayerReport]) -> None:
    """Plot outputs and gradients. Sizes without a logarithm are words at the lower edge."""
    logs = []
    for name, colour, mark, height in CURVES:
        sizes = [getattr(layer, name) for layer in layers]
        drawn = [x if 0.0 < x < math.inf else math.nan for x in sizes]
        axes.plot(range(len(drawn)), drawn, mark + "-", color=colour, label=name, linewidth=2.0)
        logs += [math.log10(x) for x in drawn if not math.isnan(x)]
        for x, size in enumerate(sizes):
            if math.isnan(drawn[x]):
                axes.text(
                    x, height, f"{size:g}", transform=axes.get_xaxis_transform(),
                    color=colour, ha="center", fontweight="bold",
                )  # fmt: skip
    low, high = min(logs, default=0.0), max(logs, default=0.0)
    spare = max(0.0, 2.0 - (high - low)) / 2.0  # two decades at least, so that ripples look small
    low, high = low - spare, high + spare
    axes.set(
        yscale="log", ylim=(10.0 ** (low - 0.15 * (high - low)), 10.0 ** (high + 0.3)),
        ylabel="mean size",
    )  # fmt: skip


def plot_shares(axes: Axes, layers: Sequence[LayerReport]) -> None:
    """Plot the shares of dead units and of saturated activations."""
    dead = [layer.dead / layer.units if layer.units else 0.0 for layer in layers]
    saturated = [0.0 if layer.has_relu else layer.saturated for layer in layers]
    for shift, shares, colour, label in [
        (-0.2, dead, INK, "dead units"),
        (0.2, saturated, GREY, "saturated activations"),
    ]:
        places = [x + shift for x in range(len(shares))]
        axes.bar(places, [100.0 * share for share in shares], 0.38, color=colour, label=label)
    axes.set(ylim=(0, 100), ylabel="%")
