"""What training makes small: the loss of a model over some samples, and the penalty."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from typing import Any

from engine.functions import has_arrays
from engine.support.arguments import numpy_type
from nn.batches import Samples, batches


@dataclass
class Objective:
    """A model, how its predictions are judged, and a penalty on its weights."""

    model: Any
    loss: Callable[[Any, Any], Any]
    metric: Callable[[Any, Any], float] | None
    penalty: Callable[[], Any] | None
    watch: Callable[[Any, Any], None] | None = None  # is shown the predictions and the objective

    def __call__(self, X: Any, y: Any) -> tuple[Any, float | None]:
        """The objective as a node, and the metric."""
        predictions, targets = self.predicted(X, y)
        value = self.loss(predictions, targets)
        if self.penalty is not None:
            value = value + self.penalty()
        if not hasattr(value, "backward"):
            raise TypeError(f"a loss returns a node made from the predictions, got {value!r}")
        if self.watch is not None and not getattr(value, "constant", False):
            self.watch(predictions, value)
        return value, None if self.metric is None else self.judged(predictions, targets)

    def judged(self, predictions: Any, targets: Any) -> float:
        score = self.metric(predictions, targets)  # type: ignore[misc]
        numbers = (Real, numpy_type("ndarray"), numpy_type("bool_"))
        if getattr(score, "ndim", 0) or not isinstance(score, numbers):
            raise TypeError(f"a metric returns a number, got {score!r}")
        return float(score)

    def predicted(self, X: Any, y: Any) -> tuple[Any, Any]:
        """The predictions for a batch and its targets, as losses and metrics take them."""
        if self.at_once:
            return self.model(X), y
        return [self.model(x) for x in X.tolist()], y.tolist()

    @cached_property
    def at_once(self) -> bool:
        """Whether the model takes a batch, as one of Arrays does, or one sample at a time."""
        return has_arrays(self.model.parameters())

    def over(self, samples: Samples | None, size: int | None) -> list[Any]:
        """The means over all samples, no more than `size` of them in one graph; None for none."""
        if samples is None:
            return [None, None]
        rows = []
        for part in batches(*samples, size, shuffle=False):
            value, score = self(*part)
            rows.append((len(part[0]), number_of(value), score))
        return means(rows)


def number_of(loss: Any) -> float:
    """The number that a loss is, of whatever shape if it is an Array."""
    return float(loss.data.item() if hasattr(loss.data, "item") else loss.data)


def means(rows: list[tuple[Any, ...]]) -> list[Any]:
    """From a row of size and numbers for each batch, the means over the samples; None stays None.

    >>> means([(30, 1.0, None), (10, 5.0, None)])
    [2.0, None]
    """
    sizes, *columns = zip(*rows, strict=True)
    n = sum(sizes)
    return [
        None
        if None in column
        else math.fsum(size / n * x for size, x in zip(sizes, column, strict=True))
        for column in columns
    ]
