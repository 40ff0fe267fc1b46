"""A view as DOT, the language of Graphviz: text made of data, and nothing else.

A value is a record `label | data | grad`, an operation a small node before its result. Ids are made
of places in the topological order, so that the same graph gives the same text; labels are escaped,
and are never ids.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

import graphviz

from engine.draw.theme import FONT, SHAPES, SYMBOLS, THEMES, blended, content, norm, number
from engine.draw.view import Box, Cell, View

DECADES = 3.0  # from a gradient that is coloured as strongly as can be to one that is not
DIRECTIONS = {"right": "LR", "down": "TB", "left": "RL", "up": "BT"}


def dot(
    view: View,
    *,
    direction: str,
    theme: str,
    format: str,
    locals: bool = False,
    heat: bool = False,
    names: Mapping[Any, str] | None = None,
    grads: Mapping[Any, float] | None = None,
) -> str:
    """The DOT source of a view; what the options mean is said in `engine.draw.draw`.

    `names` are shown in place of labels, `grads` in place of the nodes' own gradients.
    """
    names, grads = names or {}, grads or {}
    look = THEMES[theme]
    graph = graphviz.Digraph("graph")
    graph.attr(
        rankdir=DIRECTIONS[direction], bgcolor=look["paper"], nodesep="0.16", ranksep="0.32",
        pad="0.12", fontname=FONT, fontsize="10", fontcolor=look["pale"],
        nslimit="2",  # or a long chain that uses one leaf at every step takes minutes
    )  # fmt: skip
    text = {"fontname": FONT, "fontcolor": look["ink"]}
    graph.attr("node", style="filled", fontsize="11", height="0.3", margin="0.08,0.03", **text)
    graph.attr("edge", fontsize="9", arrowsize="0.6", color=look["pale"], **text)
    warmth = warmths(view) if heat else {}

    def fill(part: Any, path: str) -> bool:
        """Draw what stands in a cluster, and the clusters in it; whether there is anything."""
        for each in view.inside.get(path, []):
            if isinstance(each, Box):
                add_box(part, each, look, format, grads)
            elif each.kind == "operation":
                add_operation(part, each, look)
            else:
                fields = content(each.node, format, grads.get(each.node))
                label = names.get(each.node, each.node.label)
                if label is not None:
                    fields = [label, *fields]
                add_cell(part, each, fields, look, warmth.get(each.id))
        found = path in view.inside
        for child in view.modules.children(path):
            inner = graphviz.Digraph(f"cluster_{child}")
            inner.attr(
                label=plain(view.modules.title(child)), labeljust="l", style="rounded,filled",
                fillcolor=look["tint"], color=look["frame"],
            )  # fmt: skip
            if fill(inner, child):
                part.subgraph(inner)
                found = True
        return found

    fill(graph, "")
    for arrow in view.arrows:
        label = f"{arrow.times:,}" if arrow.times > 1 else ""
        if locals and arrow.local is not None:
            label = size(arrow.local, format)
        graph.edge(
            arrow.tail, arrow.head, id=arrow.id, **({"label": plain(label)} if label else {})
        )
    return graph.source


def add_cell(
    part: Any, cell: Cell, fields: list[str], look: dict[str, Any], warmth: float | None
) -> None:
    """A value, and the operation it came from."""
    node = cell.node
    fill, line = look[cell.kind]
    if warmth is not None:
        fill = blended(look["heat"], warmth)
    label = "{" + "|".join(map(field, fields)) + "}"
    shape = SHAPES[cell.kind]
    part.node(cell.id, label=label, id=cell.id, fillcolor=fill, color=line, **shape)
    if node.op is not None and node.op.index is None:
        add_operation(part, cell, look)


def add_operation(part: Any, cell: Cell, look: dict[str, Any]) -> None:
    """The operation of a value, or of several."""
    name, place = SYMBOLS.get(cell.node.op.name, cell.node.op.name), cell.id.replace("v", "o")
    form = {"shape": "ellipse", "margin": "0.02,0.01", "height": "0.28", "width": "0.3"}
    if len(name) == 1:
        form = {"shape": "circle", "width": "0.28", "fixedsize": "true"}
    line = look["inner" if cell.kind == "operation" else cell.kind][1]
    part.node(place, label=plain(name), id=place, fillcolor=look["paper"], color=line, **form)


def add_box(
    part: Any, box: Box, look: dict[str, Any], format: str, grads: Mapping[Any, float]
) -> None:
    """A collapsed cluster: its name, what is in it, and the norm of its parameters' gradients."""
    lines = [box.title, f"{box.nodes:,} node{'s' * (box.nodes > 1)}"]
    if box.parameters:
        count = sum(getattr(each.data, "size", 1) for each in box.parameters)
        slope = norm([norm(grads.get(each, each.grad)) for each in box.parameters])
        lines[1] = f"{count:,} parameter{'s' * (count > 1)}, {lines[1]}"
        lines.append(f"‖grad‖ {number(slope, format)}")
    fill, line = look["root" if box.kind == "root" else "box"]
    part.node(
        box.id, label="\\n".join(map(plain, lines)), id=box.id, shape="box", style="filled,rounded",
        margin="0.16,0.1", fillcolor=fill, color=line,
        penwidth="2.4" if box.kind == "root" else "1.2",
    )  # fmt: skip


def warmths(view: View) -> dict[str, float]:
    """Each gradient's magnitude from 0 to 1: a thousandth of the largest, and the largest."""
    sizes = {
        each.id: norm(each.node.grad)
        for each in view.drawn
        if isinstance(each, Cell) and each.kind != "operation" and not each.node.constant
    }
    largest = max(sizes.values(), default=0.0)
    if not 0.0 < largest < math.inf:
        return dict.fromkeys(sizes, 0.0)
    decades = {name: math.log10(x / largest) if x > 0 else -math.inf for name, x in sizes.items()}
    return {name: max(0.0, 1.0 + d / DECADES) for name, d in decades.items()}


def size(local: Any, format: str) -> str:
    """A local derivative: a number, or of an array its norm."""
    is_array = getattr(local, "ndim", 0) > 0
    return f"‖∂‖ {number(norm(local), format)}" if is_array else number(local, format)


# ---------------------------------------------------------------------------------------- escaping


LONG = 1000  # characters of a label; Graphviz's parser takes 16 kB, escapes included
UNSEEN = r"[^\n\t\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"  # not XML's


def plain(text: str) -> str:
    """A label that shows as it was typed: no escape, no entity, no markup. A long one is cut off.

    >>> print(plain('<b>&lt;'))
    <b>&amp;lt;
    """
    text = re.sub(UNSEEN, "\ufffd", text if len(text) <= LONG else text[:LONG] + "…")
    text = text.replace("\\", "\\\\").replace("&", "&amp;").replace("\t", "    ")
    text = text.replace("\n", "\\n")
    return graphviz.nohtml(text)


def field(text: str) -> str:
    """A label inside a record, where braces and bars have a meaning too.

    Blanks at the edges would not be shown; after some, dot 2.43 loses the next one in "é x".
    """
    text = "\n".join(line.strip(" \t") for line in text.split("\n"))
    return re.sub(r"([{}|<> ])", r"\\\1", str(plain(text)))
