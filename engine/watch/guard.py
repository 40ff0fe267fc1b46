"""The hooks `no_grad` and `detect_anomaly`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import ref

from engine.watch.anomaly import check_made, checked_backward
from engine.watch.hooks import ACTIVE, Hook, active
from engine.watch.origin import record_origins


class no_grad(Hook):
    """Context manager that disables graph recording: results are constants.

    No gradient is propagated to them, and only their numbers take memory. Use it to evaluate a
    model, such as on a validation set. As a decorator it also holds inside generators and
    coroutines; `with no_grad(): yield` in an undecorated generator stays active in the caller's
    code between two values, as in PyTorch.

    >>> from engine import Value
    >>> w = Value(3.0)
    >>> with no_grad():
    ...     y = w * 2.0
    >>> y, y.constant, y.inputs
    (Constant(6.0), True, ())
    """

    rank = 2

    def made(self, node: Any) -> Any:
        return node.lift(node._data)


class watched_graphs(record_origins):
    """The part of `detect_anomaly` that does not look at results."""


class detect_anomaly(watched_graphs):
    """Context manager that raises `Anomaly` at the first result or gradient that is inf or nan.

    It covers `backward()` and the functions of `engine.derivatives`. A tape is not covered:
    recompute its graph instead. Every node records its line meanwhile, which takes several times as
    long.

    >>> from engine import Value
    >>> with detect_anomaly():  # doctest: +ELLIPSIS
    ...     Value(-1.0, "x").log()
    Traceback (most recent call last):
    stepgrad.Anomaly: log of x = -1 is nan: ..., line 2: Value(-1.0, "x").log()
    """

    def made(self, node: Any) -> Any:
        return check_made(super().made(node))

    backward = staticmethod(checked_backward)


def watching() -> bool:
    """Return whether `detect_anomaly` is active."""
    return any(isinstance(hook, watched_graphs) for hook in active())


@contextmanager
def graphs_kept(*, watched: bool = False) -> Iterator[None]:
    """Make graphs even under `no_grad`, since derivatives are made of them.

    Results are checked for anomalies only if `watched`: a rule that runs on nodes computes both
    sides of a `where`, and the side that is not chosen may be inf.
    """
    before = ACTIVE.get()
    entries = [entry for entry in before if not isinstance(entry.hook(), no_grad)]
    quiet = watched_graphs()  # the entries refer to it weakly
    if not watched:
        entries = [
            entry._replace(hook=ref(quiet)) if isinstance(entry.hook(), detect_anomaly) else entry
            for entry in entries
        ]
    try:
        ACTIVE.set(tuple(entries))
        yield
    finally:
        ACTIVE.set(before)
