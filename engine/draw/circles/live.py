"""The picture of a network as data for a page that computes its numbers."""

from collections.abc import Mapping
from typing import Any

from engine.draw.circles.activity import Reading
from engine.draw.circles.connections import Connection, Parameter
from engine.draw.circles.picture import WIDEST, CircleWriter
from engine.draw.circles.scale import BOLDEST, FAINTEST, FILL, THINNEST
from engine.draw.formulas.places import Place as Key
from engine.draw.formulas.places import mark_place
from engine.draw.graph.svg import to_grey
from engine.draw.look.dark import darken
from engine.node import Node


def pack_circles(writer: CircleWriter, place: Mapping[Node, int]) -> dict[str, Any]:
    """Return what a page changes in the picture of a network, as in circles.js.

    lines    of each connection: its id, the place of its weight, and its width if it is strongest
    biases   of each bias that is drawn: the id of its mark, and its place
    neurons  the id of each circle, the places of its outputs, and whether it is a dot
    titles   the texts that appear on hover, with places for numbers
    scale    the limits of widths and opacities, and the colours of negative and positive numbers
             and of 0, on light and on dark paper

    Args:
        writer: the writer of the picture.
        place: the places of the nodes in the graph.
    """
    network, ids, titles = writer.network, writer.ids, dict[str, str]()
    assert network.activity is not None
    key = lambda node: Parameter(Key(f"d{place[node]}"), Key(f"g{place[node]}"))  # type: ignore[arg-type]
    lines, biases, neurons = [], [], []
    for connection in network.connections:
        tail, head, _ = connection
        weight = network.columns[tail[0]].weights[head[1]][tail[1]]
        id = writer.name_edge(tail, head)
        if id and weight in place:
            lines.append([id, place[weight], writer.limit_thickness(connection)])
            titles[id] = writer.title_connection(Connection(tail, head, key(weight)))
    for at in network.places:
        (c, i), bias = at, None
        id, nodes = ids.get(at, ""), network.activity.nodes[c][i]
        if not id or at not in network.readings:
            continue
        if c and (node := network.columns[c - 1].biases[i]) in place:
            bias = key(node)
            biases.append([f"bias-{id}", place[node]])
            titles[f"bias-{id}"] = writer.describe("b", bias)
        data = [Key(f"d{place[x]}") for x in nodes]
        grads = [Key(f"g{place[x]}") for x in nodes if not x.constant]
        titles[id] = writer.title_neuron(at, Reading(data, grads), bias)  # type: ignore[arg-type]
        neurons.append([id, [place[x] for x in nodes], writer.is_dot(at)])
    root = network.root
    if "root" in ids and root is not None and not writer.options.names_only:
        keys = [f"d{place[root]}", *([f"g{place[root]}"] if network.has_grads else [])]
        titles[ids["root"]] = writer.title_root([mark_place(x) for x in keys])
    theme = writer.theme
    colours = [(x, x) for x in (*theme.signs, theme.pale)]
    if writer.options.theme == "auto":
        colours = [(x, darken(x)) for x, _ in colours]
    if writer.options.monochrome:
        colours = [(to_grey(x), to_grey(x)) for x, _ in colours]
    scale = {
        "thinnest": THINNEST, "faintest": FAINTEST, "boldest": BOLDEST, "fill": FILL,
        "widest": WIDEST, "colours": colours, "names_only": writer.options.names_only,
    }  # fmt: skip
    return {"lines": lines, "biases": biases, "neurons": neurons, "titles": titles, "scale": scale}
