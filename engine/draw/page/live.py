"""A graph as data and JavaScript, from which a page computes its numbers.

The page computes what the engine computes, with the same rows: both passes, and the incorrect ones.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from engine.draw.formulas.labels import set_plain
from engine.draw.page.javascript import print_row
from engine.node import Node
from engine.sequences.vector_op import Output, Outputs
from engine.watch.wrong_passes import Contribution, Pass


class LiveGraph(NamedTuple):
    """A graph that a page computes.

    nodes    as in graph.js, in topological order; one whose row cannot be printed has its results
             and local derivatives as numbers
    rows     the rows of its operations as JavaScript
    passes   for each run the places of nodes in the order in which they send, whether gradients
             accumulate, and why the pass is right or wrong
    spec     the format of numbers
    boxes    for a drawing with boxes, the groups and stages of `engine.draw.steps.box_numbers`
    circles  for the picture of a network, its parts as in `engine.draw.circles.live`
    arrays   of a graph of Arrays, data for the page's script (see `engine.draw.arrays.live`); the
             last row is the program of its texts
    is_shared  True if the view uses the graph of the page's first view, and only `boxes` is its own
    """

    nodes: list[dict[str, Any]]
    rows: list[str]
    passes: list[tuple[list[int], bool, str]]
    spec: str
    boxes: Mapping[str, Any] | None = None
    circles: Mapping[str, Any] | None = None
    arrays: Mapping[str, Any] | None = None
    is_shared: bool | None = None


def pack_graph(
    names: Mapping[Node, str], passes: Mapping[Pass, Sequence[Contribution]], spec: str
) -> LiveGraph:
    """Return a graph of Values, given with names in topological order.

    A row that branches on a number with `if`, or that calls functions which are not in
    `engine.arithmetic`, cannot be printed.
    """
    place = {node: i for i, node in enumerate(names)}
    rows: dict[str, int] = {}
    printed: dict[Any, int | None] = {}  # the places of operations in `rows`
    nodes: list[dict[str, Any]] = []
    for node, name in names.items():
        packed: dict[str, Any] = {"constant": True} if node.constant else {}
        packed["name"] = node.op.name if isinstance(node, Outputs) else set_plain(name)
        if node.op is None:
            packed["data"] = pack_numbers(node.data)
        elif isinstance(node.op, Output):
            packed |= {"of": place[node.inputs[0]], "index": node.op._output_index}
        else:
            packed["inputs"] = [place[x] for x in node.inputs]
            key = id(node.op), len(node.inputs)
            if key not in printed:
                try:
                    printed[key] = rows.setdefault(print_row(node.op, key[1]), len(rows))
                except Exception:  # a user's row may raise anything when it gets symbols
                    printed[key] = None
            if printed[key] is not None:
                packed["row"] = printed[key]
            else:
                packed |= {"data": pack_numbers(node.data), "slopes": pack_numbers(node.locals)}
        nodes.append(packed)
    senders = [
        (
            [*dict.fromkeys(place[sent.node] for sent in passed)],
            variant.accumulates,
            variant.reason,
        )
        for variant, passed in passes.items()
    ]
    return LiveGraph(nodes, [*rows], senders, spec)


def pack_numbers(x: Any) -> Any:
    """Return numbers, or nested sequences of them, for JSON, which has no infinity and no nan."""
    if isinstance(x, Sequence):
        return [*map(pack_numbers, x)]
    return x if x is None or math.isfinite(x) else repr(x)
