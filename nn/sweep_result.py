"""The result of a sweep: a table of means and spreads over seeds, and a plot."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any, NamedTuple

from engine.support.embed import embed_image
from engine.support.tables import align
from nn.arguments import format_count, look_up
from nn.records import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOSSES = ("validation_loss", "loss")  # the lowest is the best; of metrics, the highest is
FIGURES = ("loss", "metric", "validation_loss", "validation_metric", "epochs", "seconds")
MAX_PLACES = 6  # after the point


class Run(NamedTuple):
    """One training of a sweep.

    settings    the values of the grid, by name
    seed        the seed
    records     the records of all epochs; none if the training failed
    epoch       the epoch whose weights the model has: the best one with patience, or the last
    checkpoint  the file of the training; `build(**settings, seed=seed, checkpoint=checkpoint)`
                returns the finished training, with its model
    error       the name and the message of the error, or None
    traceback   the traceback of the error, or None

    >>> run = Run({"lr": 0.1}, 0, [Record(1, 0.5, None, 0.6, None, 0.1, 1.0, 0.01)], 1, "a.ckpt")
    >>> run.figures()
    {'loss': 0.5, 'validation_loss': 0.6, 'epochs': 1, 'seconds': 0.01}
    """

    settings: dict[str, Any]
    seed: int
    records: list[Record]
    epoch: int
    checkpoint: str
    error: str | None = None
    traceback: str | None = None

    def figures(self) -> dict[str, float]:
        """Return the figures that apply: losses and metrics, all epochs and their seconds."""
        if not self.records:
            return {}
        last = self.records[self.epoch - 1]
        seconds = math.fsum([record.seconds for record in self.records])
        figures = {**last._asdict(), "epochs": len(self.records), "seconds": seconds}
        return {name: figures[name] for name in FIGURES if figures[name] is not None}

    def __str__(self) -> str:
        return describe_settings({**self.settings, "seed": self.seed})


class Spread(NamedTuple):
    """The mean of a figure over seeds, its standard deviation (n - 1), and their number.

    >>> print(Spread.of([0.25, 0.75]))
    0.50 ± 0.35
    """

    mean: float
    deviation: float  # nan for one seed
    seeds: int

    @classmethod
    def of(cls, numbers: Sequence[float]) -> "Spread":
        """Return the spread of one or several numbers."""
        deviation = stdev(numbers) if len(numbers) > 1 else math.nan
        return cls(mean(numbers), deviation, len(numbers))

    def __str__(self) -> str:
        if not 0.0 < self.deviation < math.inf:  # or nan
            return f"{self.mean:.4g}"
        places = max(0, 1 - math.floor(math.log10(self.deviation)))  # two digits of the deviation
        if places > MAX_PLACES:
            return f"{self.mean:.4g} ± {self.deviation:.2g}"
        return f"{self.mean:.{places}f} ± {self.deviation:.{places}f}"


@dataclass(frozen=True)
class Cell:
    """The trainings of one combination of values, which differ in their seeds.

    >>> cell = Cell({"lr": 0.1}, [])
    >>> cell.figures()
    {}
    """

    settings: dict[str, Any]
    runs: list[Run]

    def figures(self) -> dict[str, Spread]:
        """Return the spread of each figure, over the trainings that have not failed."""
        columns = [run.figures() for run in self.runs if run.error is None]
        return {
            name: Spread.of([column[name] for column in columns])
            for name in (columns[0] if columns else {})
        }


@dataclass(frozen=True)
class Sweep:
    """The trainings of a grid, in its order. It prints as a table; Jupyter also shows a plot.

    Losses and metrics are those of the epoch whose weights each model has. The table states their
    mean over the seeds and their standard deviation.

    >>> records = [[Record(1, loss, None, None, None, 0.1, 1.0, 0.5)] for loss in (0.25, 0.75, 1.5)]
    >>> runs = [Run({"lr": 0.1}, seed, records[seed], 1, "") for seed in (0, 1)]
    >>> sweep = Sweep([*runs, Run({"lr": 0.9}, 0, records[2], 1, "")])
    >>> print(sweep)
    lr   seeds         loss  epochs  seconds
    0.1      2  0.50 ± 0.35       1      0.5
    0.9      1          1.5       1      0.5
    >>> sweep.best().settings
    {'lr': 0.1}
    """

    runs: list[Run]

    def cells(self) -> list[Cell]:
        """Return the combinations of values, each with its trainings."""
        groups: dict[str, list[Run]] = {}
        for run in self.runs:
            groups.setdefault(describe_settings(run.settings), []).append(run)
        return [Cell(runs[0].settings, runs) for runs in groups.values()]

    def failures(self) -> list[Run]:
        """Return the trainings that failed. `error` and `traceback` say why."""
        return [run for run in self.runs if run.error is not None]

    def best(self, figure: str | None = None) -> Cell:
        """Return the cell with the lowest mean loss, or with the highest mean of a metric.

        figure  the name of a column; None chooses the validation loss, or the loss without
                validation. The highest mean is the best of `metric` and `validation_metric`, the
                lowest of the others

        Raises ValueError for an unknown column.
        """
        figure = self.check_figure(figure)
        sign = -1 if figure.endswith("metric") else 1
        cells = [cell for cell in self.cells() if figure in cell.figures()]
        return min(cells, key=lambda cell: sign * cell.figures()[figure].mean)

    def check_figure(self, figure: str | None) -> str:
        """Return the name of a column. Raises ValueError, with the known names, for another."""
        present = {name: name for name in FIGURES for run in self.runs if name in run.figures()}
        if figure is None:
            figure = next((name for name in LOSSES if name in present), "loss")
        return look_up("figure", present, figure)

    def table(self) -> list[dict[str, Any]]:
        """Return a dict for each training: its settings, seed, figures and error.

        `pandas.DataFrame(sweep.table())` makes a data frame of them.
        """
        return [
            {**run.settings, "seed": run.seed, **run.figures(), "error": run.error}
            for run in self.runs
        ]

    def rows(self) -> list[list[str]]:
        """Return the cells of the printed table as text, with a first row of names."""
        cells = self.cells()
        columns = [name for name in FIGURES if any(name in cell.figures() for cell in cells)]
        settings = list(self.runs[0].settings) if self.runs else []
        rows = [[*settings, "seeds", *[name.replace("_", " ") for name in columns]]]
        for cell in cells:
            figures = cell.figures()
            failed = sum(run.error is not None for run in cell.runs)
            count = len(cell.runs)
            seeds = f"{count - failed} of {count}" if failed else f"{count}"
            numbers = [str(figures[name]) if name in figures else "-" for name in columns]
            rows.append([*[format_value(x) for x in cell.settings.values()], seeds, *numbers])
        return rows

    def describe_failures(self) -> list[str]:
        """Return a line for each training that failed, below a line with their number."""
        failures = self.failures()
        if not failures:
            return []
        count = f"{len(failures)} of {format_count(len(self.runs), 'training')} failed:"
        return [count, *[f"  {run}: {run.error}" for run in failures]]

    def __str__(self) -> str:
        lines, failures = align(self.rows()), self.describe_failures()
        return "\n".join([*lines, *([""] if failures else []), *failures])

    def plot(self, figure: str | None = None, *, axes: "Axes | None" = None) -> "Axes":
        """Plot a figure against the setting with the most values, in a line for each of the others.

        Points are trainings, lines connect the means over seeds, and bars show the standard
        deviations.

        figure  the name of a column, as in `best`
        axes    where to plot; None makes a figure

        Returns the axes, from a figure with matplotlib's pyplot. Raises ImportError if matplotlib
        is not installed, and ValueError for an unknown column.
        """
        from nn.sweep_plot import plot_cells

        return plot_cells(self.cells(), self.check_figure(figure), axes)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        bundle = {"text/plain": str(self), "text/html": write_table(self)}
        if len(self.failures()) < len(self.runs):
            try:
                from nn.sweep_plot import to_svg

                picture = embed_image(
                    to_svg(self.cells(), self.check_figure(None)),
                    "the plot of the sweep",
                    str(self),
                )
                bundle["text/html"] = f"<div>{picture}{write_table(self)}</div>"
            except ImportError:
                pass  # without matplotlib, Jupyter shows the table
        return bundle


def write_table(sweep: Sweep) -> str:
    """Return an HTML table, in which the best cell is bold."""
    head, *rows = sweep.rows()
    cells = sweep.cells()
    best = cells.index(sweep.best()) if len(sweep.failures()) < len(sweep.runs) else -1
    lines = ["".join([f"<th>{html.escape(name)}</th>" for name in head])]
    for i, row in enumerate(rows):
        tags = ("<td><b>", "</b></td>") if i == best else ("<td>", "</td>")
        lines.append("".join([html.escape(text).join(tags) for text in row]))
    table = f"<table>{''.join([f'<tr>{line}</tr>' for line in lines])}</table>"
    failures = "<br>".join(map(html.escape, sweep.describe_failures()))
    return f"<div>{table}{f'<p>{failures}</p>' if failures else ''}</div>"


def describe_settings(settings: dict[str, Any]) -> str:
    """Return settings as text.

    >>> describe_settings({"width": 8, "activation": "tanh"})
    'width=8, activation=tanh'
    """
    return ", ".join([f"{name}={format_value(x)}" for name, x in settings.items()])


def format_value(x: object) -> str:
    return x if isinstance(x, str) else f"{x:.6g}" if isinstance(x, float) else repr(x)
