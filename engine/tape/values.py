"""The Values of a graph: a tape's assumptions about them, and its updates to them.

A tape assumes that the numbers of the leaves, and Python's decisions from numbers, do not change.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from engine.graph import walk_back
from engine.rules import flatten
from engine.sequences.vector_op import Outputs
from engine.value import ASSIGNED, Value, as_float
from engine.watch.branches import Branch, BranchChanged
from engine.watch.origin import Origin


class Leaves:
    """The parameters and constants of a graph, and their numbers when the tape last read them."""

    def __init__(self, parameters: Sequence[Value], constants: Sequence[Value]):
        self.parameters, self.constants = parameters, constants
        self.remember()

    def remember(self) -> None:
        """Store the current numbers."""
        self.assigned = ASSIGNED[0]
        self.numbers = [x._data for x in (*self.parameters, *self.constants)]

    def check(self) -> None:
        """Raise RuntimeError if a leaf was assigned another number; free if no Value was."""
        if self.assigned == ASSIGNED[0]:
            return
        leaves = (*self.parameters, *self.constants)
        for i, (x, before) in enumerate(zip(leaves, self.numbers, strict=True)):
            if repr(x._data) != repr(before):  # tells -0.0 from 0.0, and nan equals nan
                role = "parameter" if i < len(self.parameters) else "constant"
                name = f"the {role} {x.label}" if x.label else f"a {role}"
                raise RuntimeError(
                    f"{name} was {before:g} when the tape read it and is {x._data:g} now; call "
                    "tape.load() to use the new number, or tape.sync() to restore the tape's"
                )
        self.assigned = ASSIGNED[0]


class Decision(NamedTuple):
    """A comparison that Python made, as text, because its nodes may no longer exist."""

    text: str
    outcome: bool
    origin: Origin | None


class Decisions:
    """The decisions that Python made while a graph was built, if a tape can change them."""

    def __init__(self, branches: Sequence[Branch]):
        self.all = [Decision(str(branch), branch.outcome, branch.origin) for branch in branches]
        self.outcomes = np.array([branch.outcome for branch in branches], bool)

    def check(self, outcomes: np.ndarray, batched: bool) -> None:
        """Raise BranchChanged for the first outcome that differs.

        `outcomes` has the shape (samples, decisions), with one row if there are no samples.
        """
        changed = outcomes != self.outcomes
        if changed.any():
            sample, i = np.argwhere(changed)[0]
            text, outcome, origin = self.all[i]
            where = "" if origin is None else f" ({origin})"
            which = f" for sample {sample}" if batched else ""
            raise BranchChanged(
                f"{text} was {outcome} when the tape was recorded and is {not outcome} now{which}"
                f"{where}, so Python would build another graph; record a new tape, or choose in "
                "the graph with where(), maximum() or minimum()"
            )


def assign_data(nodes: Iterable[Value], numbers: np.ndarray) -> None:
    """Assign the number of each node."""
    for node, x in zip(nodes, numbers.tolist(), strict=True):
        node.data = x


def assign_gradients(nodes: Iterable[Value], gradients: np.ndarray) -> None:
    """Assign the gradient of each node."""
    for node, gradient in zip(nodes, gradients.tolist(), strict=True):
        node.grad = gradient


def recompute(order: Sequence[Any]) -> None:
    """Recompute every node of a graph in topological order, with its local derivatives."""
    for node in order:
        op = node.op
        if op is None:
            continue
        if op._output_index is not None:
            node._data = node._x._data[op._output_index]
            continue
        args = op.unflatten([x._data for x in node.inputs])
        if isinstance(node, Outputs):
            node._dx = tuple(args[0])
            node._data = tuple(map(as_float, op.forward(*args)))
            continue
        out = node._data = as_float(op.forward(*args))
        slopes = [as_float(slope) for slope in flatten(op.locals(out, *args))]
        if type(node._x) is tuple:
            node._dx = tuple(slopes)
        else:
            x, y = node._x, node._y
            node._dx = None if x.constant else slopes[0]
            node._dy = None if y is None or y.constant else slopes[1]


def backpropagate(order: list[Any], seeds: Iterable[tuple[Value, float]]) -> None:
    """Run the backward pass from several roots at once, overwriting every gradient."""
    for node in order:
        node._grad = 0.0
    for _ in walk_back(order, seeds):
        pass
