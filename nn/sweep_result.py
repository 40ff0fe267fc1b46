"""The result of a sweep: a table of means and spreads over seeds, and a plot."""

import html
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.support.embed import embed_image
from engine.support.tables import align
from nn.arguments import format_count, look_up
from nn.trials import FIGURES, GridCell, Trial, format_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOSSES = ("validation_loss", "loss")  # the lowest is the best; of metrics, the highest is


@dataclass(frozen=True)
class Sweep:
    """The trainings of a grid, in its order. It prints as a table; Jupyter also shows a plot.

    Losses and metrics are those of the epoch whose weights each model has. The table states their
    mean over the seeds and their standard deviation.

    >>> from nn import Record
    >>> records = [[Record(1, loss, None, None, None, 0.1, 1.0, 0.5)] for loss in (0.25, 0.75, 1.5)]
    >>> trials = [Trial({"lr": 0.1}, seed, records[seed], 1, "") for seed in (0, 1)]
    >>> sweep = Sweep([*trials, Trial({"lr": 0.9}, 0, records[2], 1, "")])
    >>> print(sweep)
    lr   seeds         loss  epochs  seconds
    0.1      2  0.50 ± 0.35       1      0.5
    0.9      1          1.5       1      0.5
    >>> sweep.best().settings
    {'lr': 0.1}
    """

    trials: list[Trial]

    def cells(self) -> list[GridCell]:
        """Return the combinations of values, each with its trainings.

        >>> sweep = Sweep([Trial({"lr": 0.1}, seed, [], 0, "") for seed in (0, 1)])
        >>> [(cell.settings, len(cell.trials)) for cell in sweep.cells()]
        [({'lr': 0.1}, 2)]
        """
        groups: dict[str, list[Trial]] = {}
        for trial in self.trials:
            groups.setdefault(repr(trial.settings), []).append(trial)
        return [GridCell(trials[0].settings, trials) for trials in groups.values()]

    def failures(self) -> list[Trial]:
        """Return the trainings that failed. `error` and `traceback` say why.

        >>> failed = Trial({"lr": 9.0}, 0, [], 0, "", error="ValueError: the loss is nan")
        >>> [trial.error for trial in Sweep([failed]).failures()]
        ['ValueError: the loss is nan']
        """
        return [trial for trial in self.trials if trial.error is not None]

    def best(self, figure: str | None = None) -> GridCell:
        """Return the cell with the lowest mean loss, or with the highest mean of a metric.

        figure  the name of a column; None chooses the validation loss, or the loss without
                validation. The highest mean is the best of `metric` and `validation_metric`, the
                lowest of the others; nan is the worst

        Raises ValueError for an unknown column.
        """
        figure = self._check_figure(figure)
        sign = -1 if figure.endswith("metric") else 1
        cells = [cell for cell in self.cells() if figure in cell.figures()]
        means = [sign * cell.figures()[figure].mean for cell in cells]
        return cells[min(range(len(cells)), key=lambda i: (math.isnan(means[i]), means[i]))]

    def _check_figure(self, figure: str | None) -> str:
        """Return the name of a column. Raises ValueError, with the known names, for another."""
        present = {
            name: name for name in FIGURES for trial in self.trials if name in trial.figures()
        }
        if figure is None:
            figure = next((name for name in LOSSES if name in present), "loss")
        return look_up("figure", present, figure)

    def table(self) -> list[dict[str, Any]]:
        """Return a dict for each training: its settings, seed, figures and error.

        `pandas.DataFrame(sweep.table())` makes a data frame of them.

        >>> Sweep([Trial({"lr": 9.0}, 0, [], 0, "", error="ValueError: nan")]).table()
        [{'lr': 9.0, 'seed': 0, 'error': 'ValueError: nan'}]
        """
        return [
            {**trial.settings, "seed": trial.seed, **trial.figures(), "error": trial.error}
            for trial in self.trials
        ]

    def _rows(self) -> list[list[str]]:
        """Return the cells of the printed table as text, with a first row of names."""
        cells = self.cells()
        columns = [name for name in FIGURES if any(name in cell.figures() for cell in cells)]
        settings = list(self.trials[0].settings) if self.trials else []
        rows = [[*settings, "seeds", *[name.replace("_", " ") for name in columns]]]
        for cell in cells:
            figures = cell.figures()
            failed = sum(trial.error is not None for trial in cell.trials)
            count = len(cell.trials)
            seeds = f"{count - failed} of {count}" if failed else f"{count}"
            numbers = [str(figures[name]) if name in figures else "-" for name in columns]
            rows.append([*[format_value(x) for x in cell.settings.values()], seeds, *numbers])
        return rows

    def _describe_failures(self) -> list[str]:
        """Return a line for each training that failed, below a line with their number."""
        failures = self.failures()
        if not failures:
            return []
        count = f"{len(failures)} of {format_count(len(self.trials), 'training')} failed:"
        return [count, *[f"  {trial}: {trial.error}" for trial in failures]]

    def __str__(self) -> str:
        lines, failures = align(self._rows()), self._describe_failures()
        return "\n".join([*lines, *([""] if failures else []), *failures])

    def plot(self, figure: str | None = None, *, axes: "Axes | None" = None) -> "Axes":
        """Plot a figure against the setting with the most values.

        Points are trainings. Lines connect the means over seeds, one line for each combination of
        the other settings. Bars show the standard deviations.

        figure  the name of a column, as in `best`
        axes    where to plot; None makes a figure

        Returns the axes, from a figure with matplotlib's pyplot. Raises ImportError if matplotlib
        is not installed, and ValueError for an unknown column.

        >>> from nn import Record
        >>> records = [Record(1, 0.5, None, None, None, 0.1, 1.0, 0.5)]
        >>> sweep = Sweep([Trial({"lr": lr}, 0, records, 1, "") for lr in (0.1, 0.2)])
        >>> sweep.plot("loss").get_xlabel()
        'lr'
        """
        from nn.sweep_plot import plot_cells

        return plot_cells(self.cells(), self._check_figure(figure), axes)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        bundle = {"text/plain": str(self), "text/html": write_table(self)}
        if len(self.failures()) < len(self.trials):
            try:
                from nn.sweep_plot import to_svg

                picture = embed_image(
                    to_svg(self.cells(), self._check_figure(None)),
                    "the plot of the sweep",
                    str(self),
                )
                bundle["text/html"] = f"<div>{picture}{write_table(self)}</div>"
            except ImportError:
                pass  # without matplotlib, Jupyter shows the table
        return bundle


def write_table(sweep: Sweep) -> str:
    """Return an HTML table, in which the best cell is bold."""
    head, *rows = sweep._rows()
    cells = sweep.cells()
    best = cells.index(sweep.best()) if len(sweep.failures()) < len(sweep.trials) else -1
    lines = ["".join([f"<th>{html.escape(name)}</th>" for name in head])]
    for i, row in enumerate(rows):
        tags = ("<td><b>", "</b></td>") if i == best else ("<td>", "</td>")
        lines.append("".join([html.escape(text).join(tags) for text in row]))
    table = f"<table>{''.join([f'<tr>{line}</tr>' for line in lines])}</table>"
    failures = "<br>".join(map(html.escape, sweep._describe_failures()))
    return f"<div>{table}{f'<p>{failures}</p>' if failures else ''}</div>"
