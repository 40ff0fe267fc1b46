"""The objective that training minimizes: the mean loss over some samples, plus a penalty."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from numbers import Real
from types import NoneType
from typing import TYPE_CHECKING, Any

from engine.node import Node
from engine.support.arguments import numpy_type
from engine.watch import hooks
from nn import losses
from nn.batches import Samples, batches
from nn.module import Module
from nn.predictions import takes_batches
from nn.taped import Jitted, Taped

if TYPE_CHECKING:
    from engine.array_tape.jit import ArrayJit
    from nn.watch import Watch

Loss = Callable[[Any, Any], Node]  # of predictions and targets
Metric = Callable[[Any, Any], float]
Penalty = Callable[[], Node]


@dataclass
class Objective:
    """The loss and the metric of a model's predictions, and a penalty on its weights.

    `watch` is called with the predictions and the loss of every batch. `compiled` is `compute`
    under `jit`, which replaces it in train() mode.
    """

    model: Module
    loss: Loss
    metric: Metric | None = None
    penalty: Penalty | None = None
    watch: "Watch | None" = None
    compiled: "ArrayJit | None" = None
    _attributes: list[Any] | None = None  # of the model, when `compiled` was recorded

    def __call__(self, X: Any, y: Any) -> tuple[Node, float | None]:
        """Return the loss of a batch, penalty included, and its metric."""
        compiled = self.compiled if self.model.training else None
        if hooks.observed or (self.watch is not None and self.watch.needs_graph):
            compiled = None
        loss, predictions = (compiled or self.compute)(X, y)
        if self.watch is not None and not loss.constant:
            self.watch(predictions, loss)
        if self.metric is None:
            return loss, None
        return loss, score(self.metric, predictions, y if self.takes_batches else y.tolist())

    def compute(self, X: Any, y: Any) -> tuple[Node, Any]:
        """Return the loss of a batch, penalty included, and its predictions."""
        predictions, targets = self.predict(X, y)
        loss = self.loss(predictions, targets)
        if self.penalty is not None:
            loss = loss + self.penalty()
        if not isinstance(loss, Node):
            raise TypeError(f"a loss must return a node made from the predictions, got {loss!r}")
        return loss, predictions

    def compile(self, parameters: Any) -> None:
        """Record and replay the steps of training.

        Raises ValueError for a model that does not take batches of Arrays.
        """
        if not self.takes_batches or isinstance(self.model, Taped | Jitted):
            raise ValueError(
                f"fit(jit=True) expects a model of Arrays, as in nn.vector, got {self.model!r}; "
                "pass engine.jit(model) or an engine.Tape for a model of Values"
            )
        from engine.tape import jit

        known = [p for p in self.model.parameters() if isinstance(p.data, numpy_type("ndarray"))]
        self.compiled = jit(self.compute, list(dict.fromkeys([*known, *parameters])))

    def is_known(self) -> bool:
        """Return whether a recording depends on nothing but attributes of the model's modules.

        This holds for modules of Arrays and losses of this package, which have no other state, and
        for losses with settings, as in `partial(losses.cross_entropy, smoothing=0.1)`.
        """
        modules = self.model.named_modules().values()
        parts = [x for module in modules for x in getattr(module, "modules", ())]
        return (
            self.penalty is None
            and is_known_loss(self.loss)
            and self.takes_batches
            and not isinstance(self.model, Taped | Jitted)
            and all(isinstance(x, Module) for x in parts)
            and all(type(x).__module__.startswith(f"{__package__}.") for x in modules)
        )

    def check_recordings(self) -> None:
        """Let `compiled` record again if the model or an attribute of a module has changed."""
        if self.compiled is None:
            return
        before, self._attributes = self._attributes, list_attributes(self.model)
        if before is not None and not have_not_changed(before, self._attributes):
            self.compiled.drop_recordings()

    def predict(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Return the predictions for a batch, and its targets in the same form.

        A model of Arrays is called once. A model of Values is called for each sample, and its
        targets become a list.
        """
        if self.takes_batches:
            return self.model(X), y  # type: ignore[operator]
        return [self.model(x) for x in X.tolist()], y.tolist()  # type: ignore[operator]

    @cached_property
    def takes_batches(self) -> bool:
        """Return whether the model takes a batch at a time, as a model of Arrays does."""
        return takes_batches(self.model)

    def evaluate(self, samples: Samples, batch_size: int | None) -> tuple[float, float | None]:
        """Return the mean loss and metric over samples, computed `batch_size` at a time."""
        rows = []
        for X, y in batches(*samples, batch_size, shuffle=False):
            loss, metric = self(X, y)
            rows.append((len(X), to_float(loss), metric))
        loss_mean, metric_mean = means(rows)
        return loss_mean, metric_mean


def is_known_loss(loss: Any) -> bool:
    """Return whether a loss is one of this package, or a `partial` of one with plain settings.

    >>> is_known_loss(partial(losses.cross_entropy, smoothing=0.1))
    True
    """
    if type(loss) is partial:
        is_plain = not loss.args and all(map(is_fixed, loss.keywords.values()))
        return is_plain and is_known_loss(loss.func)
    return any(loss is known for known in losses.LOSSES.values())


def is_fixed(x: Any) -> bool:
    """Return whether a setting cannot change: a number, a string, None, or a tuple of these."""
    if type(x) is tuple:
        return all(map(is_fixed, x))
    return type(x) in (bool, int, float, str, NoneType)


def list_attributes(model: Module) -> list[Any]:
    """Return the modules of a model and their attributes, on which its graph depends.

    The attribute `training` is left out, and lists, tuples and dicts are replaced by their parts.
    """
    found: list[Any] = []
    visited: dict[int, Any] = {}  # containers, which may contain themselves

    def add(x: Any) -> None:
        is_container = isinstance(x, list | tuple | dict)
        found.append((type(x), len(x)) if is_container else x)
        if is_container and id(x) not in visited:
            visited[id(x)] = x
            for part in (*x, *x.values()) if isinstance(x, dict) else x:
                add(part)

    for module in model.named_modules().values():
        add(module)
        add({name: x for name, x in vars(module).items() if name != "training"})
    return found


def have_not_changed(before: list[Any], now: list[Any]) -> bool:
    """Return whether two lists have the same objects, or equal numbers and strings."""
    same = lambda x, y: (
        x is y
        or (type(x) is type(y) and isinstance(x, int | float | str | tuple) and repr(x) == repr(y))
    )
    return len(before) == len(now) and all(map(same, before, now))


def score(metric: Metric, predictions: Any, targets: Any) -> float:
    """Return a metric as a float. Raises TypeError unless it is a number."""
    number = metric(predictions, targets)
    numbers = (Real, *numpy_type("ndarray"), *numpy_type("bool_"))
    if getattr(number, "ndim", 0) or not isinstance(number, numbers):
        raise TypeError(f"a metric must return a number, got {number!r}")
    return float(number)


def to_float(loss: Node) -> float:
    """Return the number in a Value, or in an Array of one element."""
    return float(loss.data.item() if hasattr(loss.data, "item") else loss.data)


def means(rows: list[tuple[Any, ...]]) -> list[Any]:
    """Return the means over all samples, from rows of (size, *means) of the batches.

    The mean of a column with None is None.

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
