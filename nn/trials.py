"""The trainings of a sweep, and the means and spreads of their figures over seeds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any, NamedTuple

from nn.records import Record

FIGURES = ("loss", "metric", "validation_loss", "validation_metric", "epochs", "seconds")
MAX_PLACES, LARGE = 6, 1e6  # digits after the point; numbers from LARGE on are written as 1e+06


class Trial(NamedTuple):
    """One training of a sweep.

    settings    the values of the grid, by name
    seed        the seed
    records     the records of all epochs; none if the training failed
    epoch       the epoch whose weights the model has: the best one with patience, or the last
    checkpoint  the file of the training; `build(**settings, seed=seed, checkpoint=checkpoint)`
                returns the finished training, with its model
    error       the name and the message of the error, or None
    traceback   the traceback of the error, or None

    >>> records = [Record(1, 0.5, None, 0.6, None, 0.1, 1.0, 0.01)]
    >>> trial = Trial({"lr": 0.1}, 0, records, 1, "lr=0.1.ckpt")
    >>> trial.figures()
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
    deviation: float  # nan for one seed, or if a number is not finite
    seeds: int

    @classmethod
    def of(cls, numbers: Sequence[float]) -> "Spread":
        """Return the spread of one or several numbers."""
        is_defined = len(numbers) > 1 and all(map(math.isfinite, numbers))
        return cls(mean(numbers), stdev(numbers) if is_defined else math.nan, len(numbers))

    def __str__(self) -> str:
        if not 0.0 < self.deviation < math.inf:  # or nan
            return f"{self.mean:.4g}"
        places = max(0, 1 - math.floor(math.log10(self.deviation)))  # two digits of the deviation
        if places > MAX_PLACES or abs(self.mean) >= LARGE:
            return f"{self.mean:.4g} ± {self.deviation:.2g}"
        return f"{self.mean:.{places}f} ± {self.deviation:.{places}f}"


@dataclass(frozen=True)
class GridCell:
    """The trainings of one combination of values, which differ in their seeds.

    >>> cell = GridCell({"lr": 0.1}, [])
    >>> cell.figures()
    {}
    """

    settings: dict[str, Any]
    trials: list[Trial]

    def figures(self) -> dict[str, Spread]:
        """Return the spread of each figure, over the trainings that have not failed."""
        columns = [trial.figures() for trial in self.trials if trial.error is None]
        return {
            name: Spread.of([column[name] for column in columns])
            for name in (columns[0] if columns else {})
        }


def describe_settings(settings: dict[str, Any]) -> str:
    """Return settings as text.

    >>> describe_settings({"width": 8, "activation": "tanh"})
    'width=8, activation=tanh'
    """
    return ", ".join([f"{name}={format_value(x)}" for name, x in settings.items()])


def format_value(x: object) -> str:
    return x if isinstance(x, str) else f"{x:.6g}" if isinstance(x, float) else repr(x)
