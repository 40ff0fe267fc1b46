"""A view as text in DOT, the language of Graphviz.

A value is a record `label | data | grad`, an operation a small node before its result. Ids are
numbers, those of values their places in the topological order, so the same graph gives the same
text. Labels and names of modules and rows are escaped, and never used as ids.
"""

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from engine.draw.formulas.labels import set_plain
from engine.draw.formulas.shortening import shorten_name
from engine.draw.graph.room import BLANK, widen
from engine.draw.graph.rows import arrange_rows
from engine.draw.graph.view import Box, Cell, View
from engine.draw.look.theme import (
    DIRECTIONS,
    FONT,
    SHAPES,
    SIZES,
    SYMBOLS,
    THEMES,
    blend,
    format_fields,
    format_number,
    has_gradients,
    norm,
)
from engine.draw.options import Options
from engine.node import Node
from engine.sequences.vector_op import Outputs
from engine.support.arguments import format_count

if TYPE_CHECKING:
    import graphviz
    import numpy as np

    from engine.draw.arrays.cells import ArrayCell

T = TypeVar("T")
DOT = {"shape": "circle", "width": "0.08", "height": "0.08", "fixedsize": "true"}
LONGEST_NAME = 50  # characters of a line of a label; the whole label is its tooltip
DECADES = 3.0  # of gradients, between the strongest colour and none


def write_dot(
    view: View,
    options: Options,
    names: Mapping[Node, str] | None = None,
    grads: Mapping[Node, Any] | None = None,
    widths: Mapping[str, float] | None = None,
    whole: Mapping[str, str] | None = None,
    arrays: "Mapping[str, ArrayCell] | None" = None,
) -> str:
    """Return the DOT source of a view.

    Args:
        view: the content of the drawing.
        options: the options of the drawing.
        names: texts that replace the labels of nodes.
        grads: numbers that replace the gradients of nodes.
        widths: of the gradient's field in points, by the ids of cells, with a line below it.
        whole: the whole names of shortened ones among `names`.
        arrays: the cells of Arrays, by their ids.
    """
    writer = DotWriter(view, options, names or {}, grads or {}, widths or {}, whole or {})
    writer.arrays = arrays or {}
    return writer.write()


class DotWriter:
    """A writer of DOT for one view."""

    def __init__(
        self,
        view: View,
        options: Options,
        names: Mapping[Node, str],
        grads: Mapping[Node, Any],
        widths: Mapping[str, float],
        whole: Mapping[str, str],
    ):
        self.view, self.options, self.names, self.grads = view, options, names, grads
        self.widths, self.whole, self.theme = widths, whole, THEMES[options.theme]
        self.arrays: Mapping[str, ArrayCell] = {}
        self.heat = scale_gradients(view) if options.color == "grad" else {}
        self.places = {path: i for i, path in enumerate(view.modules.by_path)}
        self.dots: set[str] = set()  # the ids of values without a name, if only names are drawn
        self.gradients = options.gradients
        if self.gradients is None:
            values = (x for x in view.ids if not isinstance(x, Outputs))
            self.gradients = bool(grads) or has_gradients(values)
        self.rows = arrange_rows(view, options.direction)

    def write(self) -> str:
        theme, sizes = self.theme, self.options.sizes
        step = sizes.step if self.rows.number == 1 else sizes.short_step
        graph = make_digraph("graph")
        graph.attr(
            rankdir=DIRECTIONS[self.options.direction], bgcolor=theme.paper,
            nodesep=f"{sizes.gap:g}", ranksep=f"{step:g}", pad=f"{sizes.padding:g}",
            fontname=FONT, fontsize=f"{sizes.cluster_text:g}", fontcolor=theme.pale,
            nslimit="2",  # without it, a long chain that reuses one leaf takes minutes
        )  # fmt: skip
        if self.view.note:
            graph.attr(label=escape_label(self.view.note), labelloc="t")
        text = {"fontname": FONT, "fontcolor": theme.ink}
        scale, narrow = sizes.text / SIZES.text, self.options.names_only
        graph.attr(
            "node", style="filled", fontsize=f"{sizes.text:g}", height=f"{sizes.cell_height:g}",
            margin=f"{0.08 * scale:g},{0.03 * scale:g}",
            width=f"{(0.4 if narrow else 0.75) * scale:g}", **text,
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
        shaped: set[tuple[str, str]] = set()
        for arrow in self.view.arrows:
            # on opposite arrows, labels would not be legible
            is_labelled = arrow.multiplicity > 1 and (arrow.head, arrow.tail) not in pairs
            label = f"{arrow.multiplicity:,}" if is_labelled else ""
            if self.options.locals and arrow.local is not None:
                label = self.format_local(arrow.local)
            attributes = {"label": escape_label(label)} if label else {}
            if arrow.head in self.dots:
                attributes["arrowhead"] = "none"
            array = self.arrays.get(arrow.tail)
            if array is not None and array.has_mark and arrow.head[0] == "o":  # of a page
                if (arrow.tail, arrow.head) not in shaped:  # x * x has two arrows, and one shape
                    attributes = {"label": array.shape, "fontcolor": theme.pale}
                shaped.add((arrow.tail, arrow.head))
            copy = self.rows.copies.get(arrow.id)
            tail = arrow.tail if copy is None else f"c{copy}"
            graph.edge(tail, arrow.head, id=arrow.id, **attributes)
        return graph.source

    def fill(self, part: "graphviz.Digraph", path: str) -> bool:
        """Draw the content of a cluster and the clusters in it. Return whether it has content."""
        for item in self.view.contents.get(path, []):
            self.add_item(part, item)
        modules, filled = self.view.modules, path in self.view.contents
        for child in modules.list_children(path):
            cluster = make_digraph(f"cluster_{self.places[child]}")
            cluster.attr(
                label=escape_label(modules.format_title(child)), labeljust="l",
                style="rounded,filled", fillcolor=self.theme.tint, color=self.theme.frame,
            )  # fmt: skip
            if self.fill(cluster, child):
                part.subgraph(cluster)
                filled = True
        return filled

    def add_item(self, part: "graphviz.Digraph", item: Cell | Box) -> None:
        """Draw a value, an operation or a box."""
        if isinstance(item, Box):
            self.add_box(part, item)
        elif item.kind == "operation":
            self.add_operation(part, item)
        else:
            self.add_cell(part, item)

    def add_cell(self, part: "graphviz.Digraph", cell: Cell) -> None:
        """Draw a value and its operation."""
        if cell.id in self.arrays:
            self.add_array(part, cell, self.arrays[cell.id])
            return
        self.draw_cell(part, cell.id, cell, id=cell.id)
        self.add_operation(part, cell)

    def draw_cell(self, part: "graphviz.Digraph", name: str, cell: Cell, **attributes: str) -> None:
        """Draw a value as a record."""
        node = cell.node
        label, tooltip = self.names.get(node, node.label), {}
        fields: list[str] = []
        if label is not None:
            short = "\n".join(shorten_name(line, LONGEST_NAME) for line in label.split("\n"))
            whole = self.whole.get(label, label)
            tooltip = {"tooltip": escape_label(whole)} if short != whole else {}
            fields = [set_plain(short)]
        if not self.options.names_only:
            spec, grad = self.options.format, self.grads.get(node)
            fields += format_fields(node, spec, grad, bool(self.gradients))
            if cell.id in self.widths and self.gradients:
                fields[-1] = widen(fields[-1], self.widths[cell.id], self.options.sizes.text)
                if self.options.direction in ("down", "up"):
                    fields[-1] += f"\n{BLANK}"
        elif not fields and node.constant and not getattr(node.data, "ndim", 0):
            fields = [format_number(node.data, self.options.format)]  # its number is its name
        fill, line = self.theme.kinds[cell.kind]
        if cell.id in self.heat:
            fill = blend(self.theme.heat, self.heat[cell.id])
        text = "{" + "|".join(map(escape_field, fields)) + "}"
        shape = SHAPES[cell.kind]
        if not fields:  # a value without a name is a dot
            text, fill, shape = "", line, DOT
            self.dots.add(cell.id)
        look = {"fillcolor": fill, "color": line, **shape, **tooltip, **attributes}
        part.node(name, label=text, **look)

    def add_array(self, part: "graphviz.Digraph", cell: Cell, array: "ArrayCell") -> None:
        """Draw an Array as a record of the size of its cell, and its operation."""
        rows = []
        for field in array.fields:
            columns = [field] if isinstance(field, str) else field
            texts = [escape_field(text).replace("\\n", "\\r") for text in columns]
            rows.append(texts[0] if len(texts) == 1 else "{" + "|".join(texts) + "}")
        is_flat = self.options.direction in ("right", "left")
        fill, line = self.theme.kinds[cell.kind]
        if cell.id in self.heat:
            fill = blend(self.theme.heat, self.heat[cell.id])
        part.node(
            cell.id, label="|".join(rows) if is_flat else "{" + "|".join(rows) + "}", id=cell.id,
            fillcolor=fill, color=line, width=f"{array.scale * array.width / 72:.4f}",
            height=f"{array.scale * array.height / 72:.4f}", fixedsize="true", **SHAPES[cell.kind],
        )  # fmt: skip
        self.add_operation(part, cell)

    def fill_rows(self, graph: "graphviz.Digraph") -> None:
        """Draw each row as a cluster without a frame. Graphviz stacks the last one first."""
        rows = range(self.rows.number)
        for i in reversed(rows) if self.options.direction in ("right", "left") else rows:
            row = make_digraph(f"cluster_row{i}")
            row.attr(style="invis", margin="12")
            for item in self.view.drawn:
                if self.rows.row[item.id] == i:
                    self.add_item(row, item)
            self.add_copies(row, i)
            graph.subgraph(row)

    def add_copies(self, part: "graphviz.Digraph", row: int) -> None:
        """Draw the copies of values in a row.

        Classes state the id of the value and of the arrows from the copy; `engine.draw.graph.svg`
        makes them attributes.
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

    def add_operation(self, part: "graphviz.Digraph", cell: Cell) -> None:
        """Draw the operation of a value, or of several results. A leaf or one result has none.

        A computed value may be drawn as a leaf, without its operation.
        """
        op = cell.node.op
        if op is None or op._output_index is not None or cell.kind == "leaf":
            return
        name, id = SYMBOLS.get(op.name, op.name), cell.id.replace("v", "o")
        size = f"{self.options.sizes.operation:g}"
        shape = {"shape": "ellipse", "margin": "0.02,0.01", "height": size, "width": "0.3"}
        if len(name) == 1:
            shape = {"shape": "circle", "width": size, "height": size, "fixedsize": "true"}
        line = self.theme.kinds["inner" if cell.kind == "operation" else cell.kind].line
        attributes = {"id": id, "fillcolor": self.theme.paper, "color": line, **shape}
        if self.rows.number == 1:
            attributes["ordering"] = "in"  # the factors of each product stand in their order
        part.node(id, label=escape_label(name), **attributes)

    def add_box(self, part: "graphviz.Digraph", box: Box) -> None:
        """Draw a collapsed cluster: its title, its size, and the norm of its gradients."""
        lines = [box.title, *(box.lines or ())]
        size = [format_count(box.nodes, "node")] if box.lines is None else []
        if box.result is not None:
            lines += format_fields(box.result, self.options.format, self.grads.get(box.result))
        elif box.parameters:
            count = sum(getattr(x.data, "size", 1) for x in box.parameters)
            gradient = norm([norm(self.grads.get(x, x.grad)) for x in box.parameters])
            lines.append(", ".join([format_count(count, "parameter"), *size]))
            if self.gradients and not self.options.names_only:
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
    """Return the size of each cell's gradient, from 0 to 1."""
    return scale_sizes(
        {
            cell.id: norm(cell.node.grad)
            for cell in view.drawn
            if isinstance(cell, Cell) and cell.kind != "operation" and not cell.node.constant
        }
    )


def scale_sizes(sizes: Mapping[T, float]) -> dict[T, float]:
    """Return sizes on a logarithmic scale: 1 for the largest, 0 from `DECADES` below it."""
    largest = max(sizes.values(), default=0.0)
    if not 0.0 < largest < math.inf:
        return dict.fromkeys(sizes, 0.0)
    decades = {id: math.log10(x / largest) if x > 0 else -math.inf for id, x in sizes.items()}
    return {id: max(0.0, 1.0 + d / DECADES) for id, d in decades.items()}


# ---------------------------------------------------------------------------------------- escaping


LONGEST_LABEL = 1000  # characters; Graphviz's parser accepts 16 kB, including escapes
NOT_IN_XML = re.compile(r"[^\n\t\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def replace_invalid(text: str) -> str:
    """Replace the characters that XML cannot hold, such as NUL and lone surrogates, by U+FFFD.

    >>> replace_invalid("a\\0b")
    'a\ufffdb'
    """
    return text if text.isprintable() else NOT_IN_XML.sub("\ufffd", text)


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
    from graphviz import nohtml

    return nohtml(text.replace("\n", "\\n"))


def make_digraph(name: str) -> "graphviz.Digraph":
    """Return an empty graph. The import of graphviz takes 30 ms."""
    from graphviz import Digraph

    return Digraph(name)


def escape_field(text: str) -> str:
    """Escape a label in a record, where braces and bars also have a meaning.

    Blanks at the edges of lines are dropped: Graphviz would not show them, and after some of them
    dot 2.43 loses the blank in "é x".
    """
    text = "\n".join(line.strip(" \t") for line in text.split("\n"))
    return re.sub(r"([{}|<> ])", r"\\\1", escape_label(text))
