"""What a tape is told to record: the graph's order, its leaves, and what Python decided."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from engine.graph import topological
from engine.tape.branches import Branch, record_branches, recorded_branches
from engine.value import Value, nodes


class Recording(NamedTuple):
    """A graph in topological order, and what its nodes are to a tape.

    The last `aside` nodes are not under the outputs: Python looked at them, or they were named.
    """

    order: list[Value]
    outputs: list[Value]
    single: bool
    parameters: list[Value]
    inputs: list[Value]
    constants: list[Value]
    branches: list[Branch]
    aside: int


def recorded(
    root: Any, inputs: Sequence[Value] | None, parameters: Sequence[Value] | None
) -> Recording:
    """The graph under a Value or several, or under what a function makes of the inputs."""
    given = leaves("inputs", () if inputs is None else inputs)
    branches = recorded_branches()
    if isinstance(root, type):
        raise TypeError(f"a tape records a graph of Values, got {root!r}; make one of them")
    if callable(root):
        with record_branches() as branches:
            root = root() if inputs is None else root(given)
    single = not isinstance(root, list | tuple)
    outputs = [root] if single else list(root)
    for each in outputs:
        if not isinstance(each, Value):
            raise TypeError(f"a tape records a graph of Values, got {each!r}")
    if not outputs:
        raise ValueError("a tape takes at least one Value to compute, got none")
    order = ordered(outputs)

    named = set(given)
    if parameters is None:
        trained = [x for x in order if x.op is None and not x.constant and x not in named]
    else:
        trained = leaves("parameters", parameters)
        for x in trained:
            if x in named:
                raise ValueError(f"{x!r} is a parameter or an input, not both")
    under = set(order)
    watched = [each for branch in branches for each in (branch.x, branch.y)]
    extra = [x for x in (*trained, *given, *watched) if x not in under]
    aside = [x for x in ordered(extra) if x not in under]
    named.update(trained)
    order += aside
    constants = [x for x in order if x.op is None and x not in named]
    return Recording(order, outputs, single, trained, given, constants, branches, len(aside))


class Roots:
    """Several nodes as the inputs of one, which computes nothing."""

    def __init__(self, nodes: Sequence[Value]):
        self._x, self._y, self.inputs = tuple(nodes), None, tuple(nodes)


def ordered(roots: Sequence[Value]) -> list[Value]:
    """All nodes under some, in topological order."""
    return topological(Roots(roots))[:-1] if len(roots) != 1 else topological(roots[0])


def leaves(what: str, found: Sequence[Value]) -> list[Value]:
    """Each once; TypeError or ValueError for what is no leaf of its own."""
    listed = list(nodes(found))
    for i, x in enumerate(listed):
        if x.op is not None or x.constant:
            raise ValueError(f"{what} are Values that nothing computes, got {x!r} at {i}")
    if len(set(listed)) < len(listed):
        twice = next(x for i, x in enumerate(listed) if x in listed[:i])
        raise ValueError(f"{what} are named once each, got {twice!r} twice")
    return listed
