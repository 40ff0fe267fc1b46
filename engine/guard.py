"""What is watched or left out while nodes are made: `no_grad`, `detect_anomaly`.

Both hold for the thread that asks. Nothing is asked of an operation otherwise: what makes nodes is
exchanged while anyone needs it.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any

from engine.anomaly import checked, checked_backward
from engine.array import Array
from engine.exchange import Exchange
from engine.origin import record_origins
from engine.value import Value


@contextmanager
def no_grad() -> Iterator[None]:
    """Within it, what is computed from nodes is a constant: no graph is kept, nothing is sent back.

    For looking at a model, such as over a validation set: it takes the memory of the numbers alone.

    >>> w = Value(3.0)
    >>> with no_grad():
    ...     y = w * 2.0
    >>> y, y.constant, y.inputs
    (Constant(6.0), True, ())
    """
    with handling(lambda node: node.detach(), last=True):
        yield


@contextmanager
def detect_anomaly() -> Iterator[None]:
    """Within it, the first result or gradient that is inf or nan raises an `Anomaly`.

    `backward()` and the functions of `engine.derivatives` are watched, too. A tape is not: compute
    its graph anew instead. Every node remembers its line meanwhile, which takes several times as
    long.

    >>> with detect_anomaly():  # doctest: +ELLIPSIS
    ...     Value(-1.0, "x").log()
    Traceback (most recent call last):
    engine.anomaly.Anomaly: log of x = -1 is nan: ..., line 2: Value(-1.0, "x").log()
    """
    mark = object()
    try:
        mine.watchers.add(mark)
        with record_origins(), handling(checked, last=False):
            yield
    finally:
        mine.watchers.discard(mark)


def watching() -> bool:
    """Whether this thread asked to `detect_anomaly`."""
    return bool(mine.watchers)


# ----------------------------------------------------------------------------------- the exchange


@contextmanager
def graphs_kept(*, watched: bool = False) -> Iterator[None]:
    """Within it, this thread makes graphs even under `no_grad`: derivatives are made of them.

    Anomalies are looked for only if `watched`: a rule that is run on nodes computes both sides of a
    `where`, and the one that is not chosen may well be inf.
    """
    before = mine.all
    try:
        mine.all = [each for each in before if watched and each.func is checked]
        yield
    finally:
        mine.all = before


class Handlers(threading.local):
    """What this thread does with each node that it makes, in order."""

    def __init__(self) -> None:
        self.all: list[partial[Any]] = []
        self.watchers: set[object] = set()


mine = Handlers()
MAKERS: list[tuple[Any, str]] = [
    (Value, "_unary"), (Value, "_binary"), (Value, "_many"), (Array, "apply"),
]  # fmt: skip
PLAIN = {(kind, name): kind.__dict__[name] for kind, name in MAKERS}


@contextmanager
def handling(handle: Callable[[Any], Any], last: bool) -> Iterator[None]:
    """Have this thread's nodes handled; a handler that is not to be the last comes first."""
    mark = partial(handle)  # equal to no other
    with HANDLING.needed():
        try:
            mine.all.insert(len(mine.all) if last else 0, mark)
            yield
        finally:
            if mark in mine.all:
                mine.all.remove(mark)


def exchange(on: bool) -> None:
    for (kind, name), plain in PLAIN.items():
        setattr(kind, name, handled(plain) if on else plain)
    for kind, plain in BACKWARD.items():
        kind.backward = watched(plain) if on else plain


HANDLING = Exchange(exchange)


def handled(plain: Any) -> Any:
    """What makes a node, and then has it handled."""
    static = isinstance(plain, staticmethod)
    make = plain.__func__ if static else plain

    @wraps(make)
    def method(*args: Any, **named: Any) -> Any:
        node = make(*args, **named)
        for handle in mine.all:
            node = handle(node)
        return node

    return staticmethod(method) if static else method


BACKWARD: dict[Any, Any] = {kind: kind.__dict__["backward"] for kind in (Value, Array)}


def watched(plain: Any) -> Any:
    @wraps(plain)
    def backward(self: Any) -> None:
        checked_backward(self) if mine.watchers else plain(self)

    return backward
