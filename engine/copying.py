"""Copies and pickles of graphs: of any depth, sharing nothing with the original.

Pickle and deepcopy follow inputs by recursion, which a deep graph would exhaust. Here a node is
saved as the list of all nodes under it, inputs first: when a node's turn comes, its inputs have
been saved already, so that no recursion goes deeper than one node. Nodes that two roots share stay
shared when the two are saved together.
"""

import copy as python_copy
import functools
import threading
from typing import Any

from engine.graph import topological


class Listed(threading.local):
    """The ids of the nodes whose list this thread is saving now."""

    ids: frozenset[int] = frozenset()


listed = Listed()


def reduce(node: Any) -> Any:
    """What pickle and copy are told to save of a node."""
    cls: Any = type(node)
    if id(node) in listed.ids:
        return restored, (cls, tuple([getattr(node, slot) for slot in slots(cls)]))
    nodes = topological(node)
    ids = frozenset(map(id, nodes))
    return root_of, (Mark(ids), nodes, Mark(frozenset()))


def copy(node: Any) -> Any:
    """A copy of the whole graph under `node`: with leaves in common it would add to theirs."""
    return python_copy.deepcopy(node)


class Mark:
    """Saved before and after a list of nodes, it says from then on which nodes are listed."""

    def __init__(self, ids: frozenset[int]):
        self.ids = ids

    def __reduce__(self) -> Any:
        listed.ids = self.ids
        return Mark, (frozenset(),)


def root_of(begin: Mark, nodes: list[Any], end: Mark) -> Any:
    return nodes[-1]


def restored(cls: Any, state: tuple[Any, ...]) -> Any:
    node: Any = object.__new__(cls)
    for slot, value in zip(slots(cls), state, strict=True):
        setattr(node, slot, value)
    return node


@functools.cache
def slots(cls: Any) -> list[str]:
    return [slot for base in cls.__mro__ for slot in getattr(base, "__slots__", ())]
