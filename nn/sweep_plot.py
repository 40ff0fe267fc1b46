"""The plot of a sweep. Its colours are legible on light and on dark pages."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nn.boundary import MARKERS, new_axes
from nn.trials import GridCell, describe_settings, format_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GREY = "#7a7f87"
CURVES = ["#3f87d9", "#e07b28", "#2fa36b", "#a06ad1", "#c9961a", "#e0457b", "#16a3b8", "#8a8a8a"]
FAILED = "#e03131"  # for trainings that failed
RATIO = 30  # of the largest loss to the smallest, above which the axis is logarithmic
SHIFT = 0.06  # between curves, so that their bars do not overlap
COLUMNS = 4  # of the legend
SIZE = (6.0, 4.0)  # inches


def plot_cells(cells: Sequence[GridCell], figure: str, axes: "Axes | None") -> "Axes":
    """Plot a figure of all cells, as `Sweep.plot` describes."""
    axes = new_axes("Sweep.plot") if axes is None else axes
    name = widest_setting(cells)
    values = values_of(cells, name)
    is_numeric = all(isinstance(x, int | float) and not isinstance(x, bool) for x in values)
    values = sorted(values) if is_numeric else values
    curves: dict[str, list[GridCell]] = {}
    for cell in cells:
        rest = {key: x for key, x in cell.settings.items() if key != name}
        curves.setdefault(repr(rest), []).append(cell)
    places = {repr(x): place for place, x in enumerate(values)}
    handles = []
    for k, curve in enumerate(curves.values()):
        rest = {key: x for key, x in curve[0].settings.items() if key != name}
        shift, label = SHIFT * (k - (len(curves) - 1) / 2), describe_settings(rest)
        points = [(places[repr(cell.settings.get(name))] + shift, cell) for cell in curve]
        points.sort(key=lambda point: point[0])
        handles.append(plot_curve(axes, points, figure, k, label, is_numeric))
    numbers = [
        trial.figures()[figure] for cell in cells for trial in cell.trials if trial.figures()
    ]
    if figure.endswith("loss") and min(numbers) > 0 and max(numbers) > RATIO * min(numbers):
        axes.set_yscale("log")
    axes.set_xticks(range(len(values)), [format_value(x) if name else "" for x in values])
    axes.set(xlim=(-0.5, len(values) - 0.5), xlabel=name, ylabel=figure.replace("_", " "))
    failed = axes.plot([], [], "x", color=FAILED, markeredgewidth=2, label="failed")
    has_failures = any(trial.error is not None for cell in cells for trial in cell.trials)
    style(axes, [*handles, *(failed if has_failures else [])])
    return axes


def widest_setting(cells: Sequence[GridCell]) -> str:
    """Return the setting with the most values, the first of several; "" if there is none."""
    return max(cells[0].settings, key=lambda name: len(values_of(cells, name)), default="")


def values_of(cells: Sequence[GridCell], name: str) -> list[Any]:
    """Return the values of a setting, each once, in the order of the grid."""
    return [*{repr(cell.settings.get(name)): cell.settings.get(name) for cell in cells}.values()]


def plot_curve(
    axes: "Axes",
    points: list[tuple[float, GridCell]],
    figure: str,
    k: int,
    label: str,
    connected: bool,
) -> Any:
    """Plot the cells of one curve, and return its handle for the legend."""
    colour, marker = CURVES[k % len(CURVES)], MARKERS[k % len(MARKERS)]
    spreads = [(x, cell.figures()[figure]) for x, cell in points if cell.figures()]
    handle = axes.errorbar(
        [x for x, _ in spreads],
        [spread.mean for _, spread in spreads],
        [spread.deviation if spread.seeds > 1 else 0.0 for _, spread in spreads],
        color=colour, marker=marker, markersize=7, linestyle="-" if connected else "",
        linewidth=2, elinewidth=1.2, capsize=3, label=label,
    )  # fmt: skip
    for x, cell in points:
        numbers = [trial.figures()[figure] for trial in cell.trials if trial.error is None]
        axes.plot([x] * len(numbers), numbers, "o", markersize=3, color=colour, alpha=0.5)
        if len(numbers) < len(cell.trials):
            axes.plot(
                x, 0.98, "x", color=FAILED, markeredgewidth=2, transform=axes.get_xaxis_transform()
            )
    return handle


def style(axes: "Axes", handles: Sequence[Any]) -> None:
    """Make the background transparent and text and axes grey; add a legend of several curves."""
    axes.figure.patch.set_alpha(0.0)
    axes.patch.set_alpha(0.0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=GREY, which="both")
    axes.xaxis.label.set_color(GREY)
    axes.yaxis.label.set_color(GREY)
    axes.grid(axis="y", color=GREY, alpha=0.2)
    axes.set_axisbelow(True)
    if len(handles) > 1:
        axes.legend(
            handles=handles, frameon=False, labelcolor=GREY, loc="lower left",
            bbox_to_anchor=(0.0, 1.0), ncols=min(len(handles), COLUMNS), borderaxespad=0.2,
        )  # fmt: skip


def to_svg(cells: Sequence[GridCell], figure: str) -> str:
    """Return the plot as SVG."""
    from matplotlib.figure import Figure

    canvas, file = Figure(figsize=SIZE, layout="constrained"), io.StringIO()
    plot_cells(cells, figure, canvas.subplots())
    canvas.savefig(file, format="svg", metadata={"Date": None}, transparent=True)
    return file.getvalue()
