"""The graph in flat arrays: nodes are numbers, by their place in the order.

It is what the rest of a tape is made from, and all of the graph that a tape keeps.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from engine.instructions import Recorded, record
from engine.rules import Op
from engine.tape.recording import Recording


class Kind(NamedTuple):
    """The nodes of one row with one number of inputs, and the inputs of each."""

    row: int
    template: Recorded
    nodes: np.ndarray
    inputs: np.ndarray


class Flat(NamedTuple):
    """So many nodes in topological order, and which are what.

    The last `aside` nodes are not under the outputs. `results` has a row for each node that is one
    of several results: its place, that of the operation, and its index. `guards` are comparisons of
    two nodes, each by its instruction. `labels` maps places to labels.
    """

    size: int
    aside: int
    kinds: list[Kind]
    results: np.ndarray
    rows: list[Op]
    parameters: np.ndarray
    inputs: np.ndarray
    constants: np.ndarray
    fixed: np.ndarray
    outputs: np.ndarray
    guards: list[tuple[str, int, int]]
    labels: dict[int, str]


def flattened(found: Recording) -> Flat:
    """The graph that was recorded."""
    order = found.order
    place = dict(zip(order, range(len(order)), strict=True))
    kinds, rows = sorted_by_kind(order, place)
    several = [
        (i, place[x._x], x.op.index)
        for i, x in enumerate(order)
        if x.op is not None and x.op.index is not None
    ]
    results = np.array(several, np.int32).reshape(-1, 3)
    parameters, inputs, constants, outputs = (
        np.array([place[x] for x in nodes], np.int32)
        for nodes in (found.parameters, found.inputs, found.constants, found.outputs)
    )
    guards = [(branch.do, place[branch.x], place[branch.y]) for branch in found.branches]
    labels = {i: x.label for i, x in enumerate(order) if x.label is not None}
    fixed = np.array([x.constant for x in found.constants], bool)
    return Flat(
        len(order), found.aside, kinds, results, rows, parameters, inputs, constants, fixed,
        outputs, guards, labels,
    )  # fmt: skip


def sorted_by_kind(order: Sequence[Any], place: dict[Any, int]) -> tuple[list[Kind], list[Op]]:
    """The kinds of nodes, and the rows that they are of."""
    found: Any = defaultdict(lambda: ([], []))
    for i, node in enumerate(order):
        x, y = node._x, node._y
        if x is None or node.op.index is not None:
            continue
        if type(x) is tuple:
            nodes, inputs = found[node.op, len(x)]
            inputs.extend([place[each] for each in x])
        elif y is None:
            nodes, inputs = found[node.op, 1]
            inputs.append(place[x])
        else:
            nodes, inputs = found[node.op, 2]
            inputs += place[x], place[y]
        nodes.append(i)
    rows = list(dict.fromkeys(op for op, _ in found))
    kinds = []
    for (op, n), (nodes, inputs) in found.items():
        listed = np.array(nodes, np.int32), np.array(inputs, np.int32).reshape(len(nodes), n)
        kinds.append(Kind(rows.index(op), record(op, n), *listed))
    return kinds, rows
