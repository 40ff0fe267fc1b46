"""Copies and pickles of graphs: of any depth, sharing nothing with the original.

Pickle and deepcopy follow inputs by recursion, which a deep graph would exhaust. Here a node is
saved as the list of all nodes under it, inputs first: when a node's turn comes, its inputs have
been saved already, so that no recursion goes deeper than one node. Nodes that two roots share stay
shared when the two are saved together.
"""

import copy as python_copy
import threading
from typing import Any

from engine.graph import topological


class Listed(threading.local):
    """The nodes whose list this thread is saving: the place of each, by id, and the last saved."""

    def __init__(self) -> None:
        self.places: dict[int, int] = {}
        self.last = -1


listed = Listed()


def reduce(node: Any, protocol: Any = 2) -> Any:
    """What pickle and copy are told to save of a node: its slots if its turn has come, or a list.

    A list that was left half saved, by an error, is recognized by nodes that come out of turn.
    """
    place = listed.places.get(id(node), -1)
    if place > listed.last:
        listed.last = place
        return object.__reduce_ex__(node, 2)
    nodes = topological(node)
    return root_of, (Mark({id(each): i for i, each in enumerate(nodes)}), nodes, Mark({}))


def copy(node: Any) -> Any:
    """A copy of the whole graph under `node`: with leaves in common it would add to theirs."""
    return python_copy.deepcopy(node)


class Mark:
    """Saved before and after a list of nodes, it says from then on which nodes are listed."""

    def __init__(self, places: dict[int, int]):
        self.places = places

    def __reduce__(self) -> Any:
        listed.places, listed.last = self.places, -1
        return Mark, ({},)


def root_of(begin: Mark, nodes: list[Any], end: Mark) -> Any:
    return nodes[-1]
