"""Hooks: context managers that observe or replace the nodes that a program makes.

`no_grad`, `detect_anomaly`, `record_origins` and `record_branches` are hooks. The active ones are
kept in one context variable, so a hook applies to the code that entered it and to the tasks started
there, not to other threads. Operations check only the flag `observed`, which is False while no hook
that observes nodes is active in any context; reading `.data` checks the flag `reading`.
"""

from collections.abc import Callable
from contextvars import ContextVar
from threading import RLock
from typing import Any, NamedTuple, Self
from weakref import ReferenceType, ref

from engine import graph, methods, value
from engine.node import Node

observed = False  # whether any hook that observes nodes is active in any context
reading = False  # whether any hook that replaces reading `.data` is active
OPEN: dict[object, "ReferenceType[Hook]"] = {}  # the hook of each open `with` statement, by mark
SPACES = [globals(), vars(value), methods.SPACE]  # namespaces that contain the flags
LOCK = RLock()


class EnteredHook(NamedTuple):
    """A hook that was entered, and the mark of its `with` statement.

    The reference is weak: if Ctrl-C arrives just before `__exit__`, the hook no longer exists.
    """

    mark: object
    hook: "ReferenceType[Hook]"


ACTIVE: ContextVar[tuple[EnteredHook, ...]] = ContextVar("hooks", default=())


def active() -> list["Hook"]:
    """Return the active hooks in order.

    A task that was started in a `with` statement keeps a copy of its hooks. They are active there
    only as long as that statement is open.
    """
    entries = [(entry.hook(), entry.mark) for entry in ACTIVE.get()]
    return [hook for hook, mark in entries if hook is not None and mark in OPEN]


class Hook:
    """Base class of hooks: a context manager and a decorator.

    As a decorator it also applies inside generators, coroutines and asynchronous generators. A
    `with` statement in an undecorated generator stays active in the caller's code between two
    yielded values, as in PyTorch.
    """

    _rank = 1  # hooks of lower rank see a node first
    _observes_nodes = True

    def __init__(self, *args: Any) -> None:
        if args:
            name = type(self).__name__
            raise TypeError(f"{name} expects no arguments, got {args[0]!r}; write @{name}()")
        self._marks: list[object] = []  # of the `with` statements that have entered this hook

    def _on_node(self, node: Node) -> Node:
        """Return the node to use in place of one that an operation made."""
        return node

    def _on_leaf(self, leaf: Node) -> None:
        """Observe a new leaf."""

    def _on_decision(self, decision: Any) -> None:
        """Observe a decision that Python made from the number of a Value."""

    def _on_assigned(self, leaf: Node) -> None:
        """Observe a leaf whose data was assigned."""

    _read: Callable[[Any], float] | None = None  # replaces reading `.data` of a Value
    _read_array: Callable[[Any], Any] | None = None  # the same for an Array
    _read_settings: Callable[[Any], Any] | None = None  # replaces the settings of a row
    _each_call: Callable[[Any], Any] | None = None  # replaces the call of a function
    _condition: Callable[[Any], Any] | None = None  # replaces the call of a condition
    _backward: Callable[[Any], None] | None = None  # replaces the backward pass from a root

    def __enter__(self) -> Self:
        mark = object()
        self._marks.append(mark)
        set_hook(mark, ref(self))
        entries = [entry for entry in ACTIVE.get() if entry.mark in OPEN]
        place = sum(hook._rank <= self._rank for entry in entries if (hook := entry.hook()))
        ACTIVE.set((*entries[:place], EnteredHook(mark, ref(self)), *entries[place:]))
        return self

    def __exit__(self, *_: Any) -> None:
        entries = ACTIVE.get()
        own = [entry.mark for entry in entries if entry.hook() is self]
        mark = (own or self._marks)[-1]  # a generator may be closed in another context
        ACTIVE.set(tuple(entry for entry in entries if entry.mark is not mark))
        set_hook(mark, None)
        self._marks.remove(mark)

    def __call__(self, f: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that runs `f` with this hook active."""
        from engine.watch.decorator import decorate

        return decorate(f, self)


def set_hook(mark: object, hook: "ReferenceType[Hook] | None") -> None:
    """Register the hook of a `with` statement, or remove it if `hook` is None.

    Also removes the hooks that no longer exist, and updates the flags.
    """
    with LOCK:
        for other in [other for other, ref in OPEN.items() if other is mark or ref() is None]:
            del OPEN[other]
        if hook is not None:
            OPEN[mark] = hook
        hooks = [opened for ref in OPEN.values() if (opened := ref()) is not None]
        flags = {
            "observed": any(opened._observes_nodes for opened in hooks),
            "reading": any(opened._read or opened._read_array for opened in hooks),
        }
        for space in SPACES:
            space.update(flags)


class Hooks(graph.Observer):
    """The observer that passes new nodes to the active hooks, in order."""

    def made(self, node: Node) -> Node:
        for hook in active():
            node = hook._on_node(node)
        return node

    def leaf(self, node: Node) -> None:
        for hook in active():
            hook._on_leaf(node)

    def override(self, name: str) -> Any:
        functions = (getattr(hook, f"_{name}") for hook in active())
        return next((f for f in functions if f is not None), None)


def each_call(f: Callable[[], Any]) -> Any:
    """Return f(), which has an effect or returns random numbers: `jit` calls it in each replay."""
    if observed and (record := graph.observer.override("each_call")):
        return record(f)
    return f()


def condition(f: Callable[[], Any]) -> Any:
    """Return f(), on which a graph depends: `jit` records the function again if it changes."""
    if observed and (record := graph.observer.override("condition")):
        return record(f)
    return f()
