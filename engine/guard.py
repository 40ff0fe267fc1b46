"""What is watched or left out while nodes are made: `no_grad`, `detect_anomaly`.

Both hold for the thread that asks. Nothing is asked of an operation otherwise: what makes nodes is
exchanged while anyone needs it.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any

import numpy as np

from engine.array import Array
from engine.exchange import Exchange
from engine.graph import walk
from engine.origin import record_origins
from engine.value import Value


class Anomaly(FloatingPointError):
    """The first inf or nan, with the operation, its inputs and the line that made it.

    >>> with detect_anomaly():
    ...     try:
    ...         Value(0.0, "x").log()
    ...     except Anomaly as found:
    ...         print(str(found).partition(":")[0])
    log of x = 0 is -inf
    """


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

    So it is of `backward()` and of `engine.derivatives`; a tape is not looked into: `tape.sync()`
    gives the graph. Every node remembers its line meanwhile, which takes several times as long.

    >>> with detect_anomaly():  # doctest: +ELLIPSIS
    ...     Value(-1.0, "x").log()
    Traceback (most recent call last):
    engine.guard.Anomaly: log of x = -1 is nan: ..., line 2: Value(-1.0, "x").log()
    """
    mark = object()
    try:
        mine.watchers.add(mark)
        with record_origins(), handling(checked, last=False):
            yield
    finally:
        mine.watchers.discard(mark)


def checked(node: Any) -> Any:
    """The node; Anomaly where a number of it is not finite."""
    if not np.isfinite(node._data).all():
        inputs = ", ".join(map(described, node.inputs))
        raise Anomaly(f"{node.op.name} of {inputs} is {bad(node._data)}{made_at(node)}")
    return node


def checked_backward(root: Any) -> None:
    """`backward`, one step at a time; Anomaly where a gradient is not finite any more."""
    order = root.begun()
    before = {x for x in order if x.op is None and not np.isfinite(x.grad).all()}
    for step in walk(root):
        for to, local, contribution in step.sent:
            check_sent(step.node, to, contribution, local)
            if to not in before:
                check_sum(to, to.grad)


def check_sent(node: Any, to: Any, contribution: Any, local: Any = None) -> None:
    """Anomaly for a contribution that is not finite."""
    if not np.isfinite(contribution).all():
        inputs = ", ".join(map(described, node.inputs))
        slope = "" if local is None else f", whose local derivative there is {bad(local)}"
        raise Anomaly(
            f"{node.op.name} of {inputs} sends {bad(contribution)} back to "
            f"{described(to)}{slope}{made_at(node)}"
        )


def check_pushed(node: Any, move: Any) -> None:
    """Anomaly for a node that moves infinitely fast, in forward mode."""
    if not np.isfinite(move).all():
        inputs = ", ".join(map(described, node.inputs))
        raise Anomaly(f"{node.op.name} of {inputs} moves by {bad(move)}{made_at(node)}")


def check_sum(to: Any, gradient: Any) -> None:
    """Anomaly for contributions that are finite, and their sum is not."""
    if not np.isfinite(gradient).all():
        raise Anomaly(
            f"the gradients that arrive at {described(to)} add up to {bad(gradient)}{made_at(to)}"
        )


def watching() -> bool:
    """Whether this thread asked to `detect_anomaly`."""
    return bool(mine.watchers)


def described(x: Any) -> str:
    """A node's label and number; of an Array the shape, and the first that is not finite."""
    name = "" if x.label is None else f"{x.label} = "
    if isinstance(x, Value):
        return f"{name}{x._data:g}"
    whole = np.isfinite(x._data).all()
    return f"{name}an array of shape {x.shape}" + ("" if whole else f" with {bad(x._data)}")


def bad(data: Any) -> str:
    """The first number that is not finite, and where."""
    array = np.asarray(data)
    places = np.argwhere(~np.isfinite(array))
    if not len(places):
        return f"{array:g}" if not array.ndim else "finite"
    where = f" at {tuple(places[0].tolist())}" if array.ndim else ""
    return f"{array[tuple(places[0])]:g}{where}"


def made_at(node: Any) -> str:
    return "" if node.origin is None else f": {node.origin}"


# ----------------------------------------------------------------------------------- the exchange


@contextmanager
def graphs_kept() -> Iterator[None]:
    """Within it, this thread makes graphs whatever it asked for: derivatives are made of them."""
    before, mine.all = mine.all, []
    try:
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
