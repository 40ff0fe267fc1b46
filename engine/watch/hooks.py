"""Hooks: objects that observe or replace the nodes that a program makes, while they are entered.

`no_grad`, `detect_anomaly`, `record_origins` and `record_branches` are hooks. The active ones stand
in one context variable, so a hook holds for the code that entered it and for the tasks started
there, not for other threads. Operations look at the flag `observed` alone, which is False while no
hook is active anywhere.
"""

from collections.abc import Callable
from contextvars import ContextVar
from threading import RLock
from typing import Any, NamedTuple
from weakref import ReferenceType, ref

from engine import graph, methods, value

observed = False  # whether any hook is active in any context
ENTERED: dict[object, "ReferenceType[Hook]"] = {}  # a mark for each `with` statement that is open
SPACES = [globals(), vars(value), methods.SPACE]  # what has the flag `observed`
LOCK = RLock()


class Entry(NamedTuple):
    """A hook that was entered, and the mark of the `with` statement.

    The reference is weak: Ctrl-C may come just before `__exit__`, and the hook is then gone.
    """

    mark: object
    hook: "ReferenceType[Hook]"


ACTIVE: ContextVar[tuple[Entry, ...]] = ContextVar("hooks", default=())


def active() -> list["Hook"]:
    """Return the active hooks in order.

    A task that was started in a `with` statement keeps a copy of its hooks, which are active there
    as long as that statement is open.
    """
    entries = [(entry.hook(), entry.mark) for entry in ACTIVE.get()]
    return [hook for hook, mark in entries if hook is not None and mark in ENTERED]


class Hook:
    """A context manager and decorator that is active within it; subclasses override methods.

    As a decorator it also holds inside generators, coroutines and asynchronous generators. A `with`
    statement in an undecorated generator stays active in the caller's code between two of its
    values, as in PyTorch.
    """

    rank = 1  # hooks of lower rank see a node first

    def __init__(self, *given: Any) -> None:
        if given:
            raise TypeError(
                f"expected no arguments, got {given[0]!r}; write @{type(self).__name__}()"
            )
        self.marks: list[object] = []  # of the `with` statements that have entered it

    def made(self, node: Any) -> Any:
        """Return the node to use in place of one that an operation made."""
        return node

    def leaf(self, node: Any) -> None:
        """Observe a new leaf."""

    read: Callable[[Any], Any] | None = None  # node -> the number that `.data` returns
    backward: Callable[[Any], None] | None = None  # root -> run its backward pass

    def __enter__(self) -> Any:
        mark = object()
        self.marks.append(mark)
        flag(mark, ref(self))
        entries = [entry for entry in ACTIVE.get() if entry.mark in ENTERED]
        place = sum(hook.rank <= self.rank for entry in entries if (hook := entry.hook()))
        ACTIVE.set((*entries[:place], Entry(mark, ref(self)), *entries[place:]))
        return self

    def __exit__(self, *_: Any) -> None:
        entries = ACTIVE.get()
        mine = [entry.mark for entry in entries if entry.hook() is self]
        mark = (mine or self.marks)[-1]  # a generator may be closed in another context
        ACTIVE.set(tuple(entry for entry in entries if entry.mark is not mark))
        flag(mark, None)
        self.marks.remove(mark)

    def __call__(self, f: Any) -> Any:
        """Return a function that runs `f` within this hook."""
        from engine.watch.decorated import decorated

        return decorated(f, self)


def flag(mark: object, hook: "ReferenceType[Hook] | None") -> None:
    """Add or remove a `with` statement, and those whose hooks are gone; set the flag."""
    with LOCK:
        for other in [other for other, ref in ENTERED.items() if other is mark or ref() is None]:
            del ENTERED[other]
        if hook is not None:
            ENTERED[mark] = hook
        for space in SPACES:
            space["observed"] = bool(ENTERED)


class Hooks(graph.Observer):
    """Shows new nodes to the active hooks, in order."""

    def made(self, node: Any) -> Any:
        for hook in active():
            node = hook.made(node)
        return node

    def leaf(self, node: Any) -> None:
        for hook in active():
            hook.leaf(node)

    def override(self, name: str) -> Any:
        functions = (getattr(hook, name) for hook in active())
        return next((f for f in functions if f is not None), None)
