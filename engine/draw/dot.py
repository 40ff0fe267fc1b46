"""A view as text in DOT, the language of Graphviz.

A value is a record `label | data | grad`, an operation a small node before its result. Ids are
numbers, those of values their places in the topological order, so the same graph gives the same
text. Labels and names of modules and rows are escaped, and never used as ids.
"""

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import graphviz

from engine.draw.options import Options
from engine.draw.rows import arrange_rows
from engine.draw.theme import (
    DIRECTIONS,
    FONT,
    SHAPES,
    SYMBOLS,
    THEMES,
    blend,
    format_fields,
    format_number,
    norm,
)
from engine.draw.view import Box, Cell, View
from engine.node import Node
from engine.sequences.vector_op import Outputs
from engine.support.arguments import format_count

if TYPE_CHECKING:
    import numpy as np

DECADES = 3.0  # of gradients, between the strongest colour and none


def write_dot(
    view: View,
    options: Options,
    names: Mapping[Node, str] | None = None,
    grads: Mapping[Node, float] | None = None,
) -> str:
    """Return the DOT source of a view.

    Args:
        view: the content of the drawing.
        options: the options of the drawing.
        names: texts that replace the labels of nodes.
        grads: numbers that replace the gradients of nodes.
    """
    return DotWriter(view, options, names or {}, grads or {}).write()


class DotWriter:
    """A writer of DOT for one view."""

    def __init__(
        self, view: View, options: Options, names: Mapping[Node, str], grads: Mapping[Node, float]
    ):
        self.view, self.options, self.names, self.grads = view, options, names, grads
        self.theme = THEMES[options.theme]
        self.heat = scale_gradients(view) if options.color == "grad" else {}
        self.places = {path: i for i, path in enumerate(view.modules.by_path)}
        self.rows = arrange_rows(view, options.direction)

    def write(self) -> str:
        theme, sizes = self.theme, self.options.sizes
        step = sizes.step if self.rows.number == 1 else sizes.short_step
        graph = graphviz.Digraph("graph")
        graph.attr(
            rankdir=DIRECTIONS[self.options.direction], bgcolor=theme.paper,
            nodesep=f"{sizes.gap:g}", ranksep=f"{step:g}", pad=f"{sizes.padding:g}",
            fontname=FONT, fontsize=f"{sizes.cluster_text:g}", fontcolor=theme.pale,
            nslimit="2",  # without it, a long chain that reuses one leaf takes minutes
        )  # fmt: skip
        text = {"fontname": FONT, "fontcolor": theme.ink}
        graph.attr(
            "node", style="filled", fontsize=f"{sizes.text:g}", height=f"{sizes.cell_height:g}",
            margin="0.08,0.03", **text,
        )  # fmt: skip
        graph.attr(
            "edge", fontsize=f"{sizes.edge_text:g}", arrowsize="0.6", color=theme.pale, **text
        )
        if self.rows.number > 1:
            self.fill_rows(graph)
        else:
            self.fill(graph, "")
            self.add_copies(graph, 0)
        pairs = {(arrow.tail, arrow.head) for arrow in self.view.arrows}
        for arrow in self.view.arrows:
            # on opposite arrows, labels would not be legible
            is_labelled = arrow.multiplicity > 1 and (arrow.head, arrow.tail) not in pairs
            label = f"{arrow.multiplicity:,}" if is_labelled else ""
            if self.options.locals and arrow.local is not None:
                label = self.format_local(arrow.local)
            attributes = {"label": escape_label(label)} if label else {}
            copy = self.rows.copies.get(arrow.id)
            tail = arrow.tail if copy is None else f"c{copy}"
            graph.edge(tail, arrow.head, id=arrow.id, **attributes)
        return graph.source

    def fill(self, part: graphviz.Digraph, path: str) -> bool:
        """Draw the content of a cluster and the clusters in it. Return whether it has content."""
        for item in self.view.contents.get(path, []):
            self.add_item(part, item)
        modules, filled = self.view.modules, path in self.view.contents
        for child in modules.list_children(path):
            cluster = graphviz.Digraph(f"cluster_{self.places[child]}")
            cluster.attr(
                label=escape_label(modules.format_title(child)), labeljust="l",
                style="rounded,filled", fillcolor=self.theme.tint, color=self.theme.frame,
            )  # fmt: skip
            if self.fill(cluster, child):
                part.subgraph(cluster)
                filled = True
        return filled

    def add_item(self, part: graphviz.Digraph, item: Cell | Box) -> None:
        """Draw a value, an operation or a box."""
        if isinstance(item, Box):
            self.add_box(part, item)
        elif item.kind == "operation":
            self.add_operation(part, item)
        else:
            self.add_cell(part, item)

    def add_cell(self, part: graphviz.Digraph, cell: Cell) -> None:
        """Draw a value and its operation."""
        self.draw_cell(part, cell.id, cell, id=cell.id)
        self.add_operation(part, cell)

    def draw_cell(self, part: graphviz.Digraph, name: str, cell: Cell, **attributes: str) -> None:
        """Draw a value as a record."""
        node = cell.node
        fields = format_fields(node, self.options.format, self.grads.get(node))
        label = self.names.get(node, node.label)
        if label is not None:
            fields = [label, *fields]
        fill, line = self.theme.kinds[cell.kind]
        if cell.id in self.heat:
            fill = blend(self.theme.heat, self.heat[cell.id])
        text = "{" + "|".join(map(escape_field, fields)) + "}"
        look = {"fillcolor": fill, "color": line, **SHAPES[cell.kind], **attributes}
        part.node(name, label=text, **look)

    def fill_rows(self, graph: graphviz.Digraph) -> None:
        """Draw each row as a cluster without a frame. Graphviz stacks the last one first."""
        rows = range(self.rows.number)
        for i in reversed(rows) if self.options.direction in ("right", "left") else rows:
            row = graphviz.Digraph(f"cluster_row{i}")
            row.attr(style="invis", margin="12")
            for item in self.view.drawn:
                if self.rows.row[item.id] == i:
                    self.add_item(row, item)
            self.add_copies(row, i)
            graph.subgraph(row)

    def add_copies(self, part: graphviz.Digraph, row: int) -> None:
        """Draw the copies of values in a row.

        Classes state the id of the value and of the arrows from the copy; `engine.draw.svg` makes
        them attributes.
        """
        items = {item.id: item for item in self.view.drawn}
        arrows: dict[int, list[str]] = {}
        for arrow, copy in self.rows.copies.items():
            arrows.setdefault(copy, []).append(arrow)
        for i, (id, at) in enumerate(self.rows.copied):
            if at == row:
                item = items[id]
                classes = " ".join([f"copy of-{id}", *(f"at-{arrow}" for arrow in arrows[i])])
                look = {"class": classes, "fillcolor": self.theme.paper, "penwidth": "1"}
                if isinstance(item, Cell) and isinstance(item.node, Outputs):
                    look |= {"shape": "ellipse", "style": "filled,dashed"}
                    part.node(f"c{i}", label=escape_label(item.node.op.name), **look)
                elif isinstance(item, Cell):
                    self.draw_cell(part, f"c{i}", item, style="filled,dashed", **look)
                elif item.result is not None:
                    cell = Cell(id, item.result, "inner")
                    self.draw_cell(part, f"c{i}", cell, style="filled,dashed", **look)
                else:
                    look |= {"shape": "box", "style": "filled,rounded,dashed"}
                    part.node(f"c{i}", label=escape_label(item.title), **look)

    def add_operation(self, part: graphviz.Digraph, cell: Cell) -> None:
        """Draw the operation of a value, or of several results. A leaf or one result has none."""
        op = cell.node.op
        if op is None or op._output_index is not None:
            return
        name, id = SYMBOLS.get(op.name, op.name), cell.id.replace("v", "o")
        size = f"{self.options.sizes.operation:g}"
        shape = {"shape": "ellipse", "margin": "0.02,0.01", "height": size, "width": "0.3"}
        if len(name) == 1:
            shape = {"shape": "circle", "width": size, "fixedsize": "true"}
        line = self.theme.kinds["inner" if cell.kind == "operation" else cell.kind].line
        attributes = {"id": id, "fillcolor": self.theme.paper, "color": line, **shape}
        part.node(id, label=escape_label(name), **attributes)

    def add_box(self, part: graphviz.Digraph, box: Box) -> None:
        """Draw a collapsed cluster: its title, its size, and the norm of its gradients."""
        lines = [box.title, *(box.lines or ())]
        size = [format_count(box.nodes, "node")] if box.lines is None else []
        if box.result is not None:
            lines += format_fields(box.result, self.options.format, self.grads.get(box.result))
        elif box.parameters:
            count = sum(getattr(x.data, "size", 1) for x in box.parameters)
            gradient = norm([norm(self.grads.get(x, x.grad)) for x in box.parameters])
            lines.append(", ".join([format_count(count, "parameter"), *size]))
            lines.append(f"‖grad‖ {format_number(gradient, self.options.format)}")
        else:
            lines += size
        fill, line = self.theme.kinds[box.kind]
        part.node(
            box.id, label="\\n".join(map(escape_label, lines)), id=box.id, shape="box",
            style="filled,rounded", margin="0.16,0.1", fillcolor=fill, color=line,
            penwidth="2.4" if box.kind == "root" else "1.2",
        )  # fmt: skip

    def format_local(self, local: "float | np.ndarray") -> str:
        """Format a local derivative: a number, or the norm of an array."""
        if getattr(local, "ndim", 0) > 0:
            return f"‖∂‖ {format_number(norm(local), self.options.format)}"
        return format_number(local, self.options.format)


def scale_gradients(view: View) -> dict[str, float]:
    """Return each cell's gradient on a logarithmic scale: 1 for the largest, 0 from `DECADES`
    below it."""
    sizes = {
        cell.id: norm(cell.node.grad)
        for cell in view.drawn
        if isinstance(cell, Cell) and cell.kind != "operation" and not cell.node.constant
    }
    largest = max(sizes.values(), default=0.0)
    if not 0.0 < largest < math.inf:
        return dict.fromkeys(sizes, 0.0)
    decades = {id: math.log10(x / largest) if x > 0 else -math.inf for id, x in sizes.items()}
    return {id: max(0.0, 1.0 + d / DECADES) for id, d in decades.items()}


# ---------------------------------------------------------------------------------------- escaping


LONGEST_LABEL = 1000  # characters; Graphviz's parser accepts 16 kB, including escapes
NOT_IN_XML = r"[^\n\t\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"


def replace_invalid(text: str) -> str:
    """Replace the characters that XML cannot hold, such as NUL and lone surrogates, by U+FFFD.

    >>> replace_invalid("a\\0b")
    'a\ufffdb'
    """
    return re.sub(NOT_IN_XML, "\ufffd", text)


def escape_label(text: str) -> str:
    """Escape a label, so that it shows as typed; cut it if it is long.

    Escape sequences, entities and markup have no effect.

    >>> print(escape_label('<b>&lt;'))
    <b>&amp;lt;
    """
    if len(text) > LONGEST_LABEL:
        text = text[:LONGEST_LABEL] + "…"
    text = replace_invalid(text)
    text = text.replace("\\", "\\\\").replace("&", "&amp;").replace("\t", "    ")
    return graphviz.nohtml(text.replace("\n", "\\n"))


def escape_field(text: str) -> str:
    """Escape a label in a record, where braces and bars also have a meaning.

    Blanks at the edges of lines are dropped: Graphviz would not show them, and after some of them
    dot 2.43 loses the blank in "é x".
    """
    text = "\n".join(line.strip(" \t") for line in text.split("\n"))
    return re.sub(r"([{}|<> ])", r"\\\1", escape_label(text))
