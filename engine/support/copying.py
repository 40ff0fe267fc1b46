"""Copies and pickles of graphs: of any depth, and independent of the original.

Pickle and deepcopy follow inputs recursively, and a deep graph would exceed the recursion limit.
Here a node is saved as the list of all nodes under it in topological order. When a node's turn
comes, its inputs have been saved already, so the recursion is never deeper than one node. Nodes
that two roots share stay shared if the roots are saved together.
"""

import copy as python_copy
import threading
from typing import Any

from engine.graph import topological
from engine.support.freezing import counterpart_class


class SavedList(threading.local):
    """The list of nodes that this thread is saving.

    places  the index of each node in the list, by id
    last    the index of the node that was saved last
    """

    def __init__(self) -> None:
        self.places: dict[int, int] = {}
        self.last = -1


current = SavedList()


def reduce(node: Any, protocol: Any = 2) -> Any:
    """Return the data that pickle and copy save: a node's slots if it is its turn, else a list.

    An error may leave a list half saved. A node out of turn reveals this, and begins a new list.
    """
    place = current.places.get(id(node), -1)
    if place > current.last:
        current.last = place
        kind, saved = type(node), object.__reduce_ex__(node, 2)
        if "_is_generated" in vars(kind):  # no module contains this class
            return new_constant, (kind._counterpart,), *saved[2:]
        return saved
    nodes = topological(node)
    return last_of, (Mark({id(x): i for i, x in enumerate(nodes)}), nodes, Mark({}))


def copy(node: Any) -> Any:
    """Return a copy of the whole graph under `node`.

    If a copy shared the leaves, its backward pass would add to the original's gradients.
    """
    return python_copy.deepcopy(node)


def new_constant(kind: Any) -> Any:
    """Return an empty constant that a leaf of a subclass has become."""
    return object.__new__(counterpart_class(kind))


class Mark:
    """A marker that is saved before and after a list of nodes, and makes it the current list."""

    def __init__(self, places: dict[int, int]):
        self.places = places

    def __reduce__(self) -> Any:
        current.places, current.last = self.places, -1
        return Mark, ({},)


def last_of(begin: Mark, nodes: list[Any], end: Mark) -> Any:
    """Return the root of a saved list."""
    return nodes[-1]


root_of = last_of  # the name in older pickles
