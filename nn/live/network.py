"""The picture of a network in a page: places of neurons, their rows, and their weights."""

from collections.abc import Sequence
from typing import Any

from engine.draw.circles.activity import Activity
from engine.draw.circles.spots import UPRIGHT, lay_out
from engine.draw.graph.clusters import format_path
from engine.draw.graph.layers import Column, list_columns
from engine.node import Node
from engine.support.arguments import format_count
from nn.module import Module

MOST_LINKS = 4000


def find_columns(model: Module) -> list[Column]:
    """Return the fully connected layers of a model; none if it is not made of them."""
    try:
        return list_columns(model)
    except (TypeError, ValueError):
        return []


def pack_network(
    columns: list[Column], order: Sequence[Node], row_of: dict[Any, int], number_of: dict[Any, int]
) -> dict[str, Any] | None:
    """Return the neurons and connections of a model as data, or None if it cannot be drawn.

    Args:
        columns: The fully connected layers.
        order: The graph of the model's outputs for one sample, in topological order.
        row_of: The rows of the nodes.
        number_of: The places of parameters and constants among the numbers.
    """
    if not columns:
        return None
    activity = Activity(order, columns)
    counts = [columns[0].shape[1], *(column.shape[0] for column in columns)]
    ranks = lay_out(counts, UPRIGHT, [0.0] * len(counts), has_numbers=True)
    layers = []
    for c, rank in enumerate(ranks):
        neurons = []
        for i, spot in rank.spots.items():
            nodes = activity.nodes[c][i]
            row = row_of.get(nodes[0]) if nodes else None
            neuron: dict[str, Any] = {"i": i, "y": round(spot.v, 2), "row": row}
            if c:
                column = columns[c - 1]
                z = activity.find_sum(nodes[0]) if nodes else None
                neuron |= {
                    "z": row_of.get(z), "b": number_of.get(column.biases[i], -1),
                    "w": [number_of.get(w, -1) for w in column.weights[i]],
                }  # fmt: skip
            neurons.append(neuron)
        inputs: list[int | None] = []  # the rows of the inputs of a layer
        if c:
            sums = [activity.list_inputs(xs[0]) for xs in activity.nodes[c] if xs]
            inputs = [row_of.get(x) for x in next(filter(None, sums), {}).values()]
        title = "inputs" if c == 0 else format_path(columns[c - 1].path) or "neuron"
        note = "" if c == 0 else columns[c - 1].activation
        layers.append({
            "title": title, "note": note, "x": round(rank.u, 2), "radius": round(rank.radius, 2),
            "half": round(rank.half, 2), "hidden": rank.hidden,
            "count": format_count(counts[c], "neuron"), "neurons": neurons,
            "inputs": inputs,
        })  # fmt: skip
    return {"layers": layers, "most": MOST_LINKS}
