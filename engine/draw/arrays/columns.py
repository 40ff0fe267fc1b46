"""A network of Arrays as columns: its inputs, a panel for each module, and what follows.

A panel lists the parameters of its module in their order, then the results, each below its formula.
Positions along the direction of the arrows are called main, those across it cross. The columns are
rows if arrows point down or up.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.draw.arrays.cells import ArrayCell
from engine.draw.arrays.formulas import build_array_formula
from engine.draw.arrays.notation import ArrayNotation, choose_array_names, is_plain_number
from engine.draw.arrays.writing import to_array_text
from engine.draw.formulas.labels import set_spans
from engine.draw.formulas.shortening import shorten_name
from engine.draw.graph.dot import scale_gradients
from engine.draw.graph.view import Arrow, Box, Cell, View
from engine.draw.look.scene import Curve, Group, Part, Rect, Scene, Span, Text
from engine.draw.look.theme import THEMES, blend, format_fields, has_gradients
from engine.draw.options import Options
from engine.node import Node

MARGIN, BAND, TITLE = 12.0, 10.0, 22.0  # around the picture and in a panel; the height of titles
GAP, STEP = 18.0, 52.0  # between neighbours, and between columns
HEAD, LEADING, PADDING = 16.0, 14.5, 8.0  # a line of text above a cell, and in one; its padding
BULGE = 16.0  # of an edge past a neighbour
TEXT, SMALL = 10.0, 9.5
LONGEST = 46  # characters of a formula
MOST = 10  # values in a column
LEAST = 78.0  # the width of a number with its gradient, which may be another one in each step
Point = tuple[float, float]


@dataclass(eq=False)
class Block:
    """A value of the picture, below its formula. Lengths are those of the page."""

    cell: Cell
    heading: Text | None
    texts: list[Text]
    box: Point  # the size of the value
    at: Point = (0.0, 0.0)  # main and cross, of the formula's corner

    @property
    def head(self) -> float:
        return HEAD if self.heading else 0.0

    @property
    def size(self) -> Point:
        """Its width and height with the formula."""
        width = max(self.box[0], self.heading.width if self.heading else 0.0)
        return width, self.box[1] + self.head


@dataclass(eq=False)
class ArrayColumn:
    """A column of values: of a module, or outside modules."""

    path: str
    blocks: list[Block] = field(default_factory=list)
    start: float = 0.0  # main
    length: float = 0.0  # main


def draw_array_columns(
    view: View,
    options: Options,
    arrays: Mapping[str, ArrayCell],
    names: Mapping[Node, str],
    grads: Mapping[Node, Any] | None = None,
) -> Scene | None:
    """Return the picture of a view of Arrays, without the numbers of its cells.

    Returns None if some arrows skip columns or show local derivatives, and for a view with boxes or
    without modules.
    """
    parts = view.drawn
    if options.locals or not view.modules.by_path:
        return None
    if any(isinstance(x, Box) or x.kind == "operation" for x in parts):
        return None
    groups = group_columns(view)
    if groups is None:
        return None
    return ArrayColumns(view, groups, options, arrays, names, grads or {}).write()


def name_arrays(view: View, options: Options) -> dict[Node, str]:
    """Return the names of the values in a view, which formulas use."""
    return dict(zip(view.ids, choose_array_names([*view.ids], options.format), strict=True))


def group_columns(view: View) -> list[tuple[str, list[Node]]] | None:
    """Return the path of each column and its nodes in order, or None if arrows skip columns."""
    paths, order = view.modules.path_by_node, [*view.ids]
    users: dict[Node, list[Node]] = {node: [] for node in order}
    for node in order:
        for x in node.inputs:
            users[x].append(node)
    depth: dict[Node, int] = {}
    at: dict[str, int] = {}  # the columns of modules
    for node in order:
        if node.op is None:
            continue
        path = paths.get(node, "")
        inputs = [(paths.get(x, ""), depth[x]) for x in node.inputs if x in depth]
        own = max((d + (path != p if path or p else 0) for p, d in inputs), default=0)
        depth[node] = at.setdefault(path, own) if path else own
        if own > depth[node]:
            return None
    for node in reversed(order):  # a value outside modules is next to the first of its users
        if node in depth and users[node] and not paths.get(node):
            depth[node] = min(depth[x] - bool(paths.get(x)) for x in users[node])
    columns: dict[tuple[int, str], list[Node]] = {}
    for node in order:
        key = depth.get(node, 0), paths.get(node, "")
        if node in view.modules.owned:
            key = at.get(key[1], min((depth[x] for x in users[node]), default=0)), key[1]
        elif node.op is None:
            first = min(users[node], key=lambda x: depth[x], default=node)
            inside = bool(paths.get(first))
            key = depth.get(first, 0) - inside, ""
        if not is_plain_number(node):
            columns.setdefault(key, []).append(node)
    places = [place for place, _ in columns]
    if len({*places}) < len(places) or max(map(len, columns.values())) > MOST:
        return None  # two columns are at one place, or one is too long
    at_of = {node: key[0] for key, nodes in columns.items() for node in nodes}
    for node in order:
        for x in node.inputs if node.op is not None else ():
            far = at_of.get(x, depth[node]) not in (depth[node], depth[node] - 1)
            if far and x not in view.modules.owned:
                return None
    rank = {node: i for i, node in enumerate(view.modules.owned)}
    groups = []
    for (_, path), nodes in sorted(columns.items(), key=lambda x: x[0][0]):
        parameters = sorted((x for x in nodes if x in rank), key=rank.__getitem__)
        groups.append((path, [*parameters, *(x for x in nodes if x not in rank)]))
    return groups


class ArrayColumns:
    """A writer of the picture of one view."""

    def __init__(
        self, view: View, groups: Sequence[tuple[str, list[Node]]], options: Options,
        arrays: Mapping[str, ArrayCell], names: Mapping[Node, str], grads: Mapping[Node, Any],
    ):  # fmt: skip
        self.view, self.options, self.arrays, self.grads = view, options, arrays, grads
        self.theme = THEMES[options.theme]
        self.names = name_arrays(view, options) | {**names}
        self.notation = ArrayNotation(self.names, options.format, options.matrix_size)
        self.has_grads = options.gradients
        if self.has_grads is None:
            self.has_grads = bool(grads) or has_gradients(view.ids)
        self.heat = scale_gradients(view) if options.color == "grad" else {}
        self.is_flat = options.direction in ("right", "left")
        cells = {x.node: x for x in view.drawn if isinstance(x, Cell)}
        self.columns = [
            ArrayColumn(path, [self.make_block(cells[x]) for x in nodes]) for path, nodes in groups
        ]
        self.blocks = {x.cell.id: x for column in self.columns for x in column.blocks}
        self.column_of = {x.cell.id: column for column in self.columns for x in column.blocks}
        self.titles = {column: self.write_title(column) for column in self.columns}
        self.lay_out()

    # ---------------------------------------------------------------------------------- content

    def make_block(self, cell: Cell) -> Block:
        """Return a value with its formula and its size."""
        array = self.arrays.get(cell.id)
        texts = [] if array else self.describe(cell)
        size = (array.width, array.height) if array else (0.0, 0.0)
        if not array:
            width = max((text.width for text in texts), default=0.0) + 2.0 * PADDING
            size = max(width, LEAST), len(texts) * LEADING + 8.0
        return Block(cell, self.write_formula(cell.node), texts, size)

    def describe(self, cell: Cell) -> list[Text]:
        """Return the lines of a single number: its name, its data and its gradient."""
        ink, green = self.theme.ink, self.theme.kinds["root"].line
        texts = [Text(0.0, 0.0, set_spans(self.names[cell.node]), ink, TEXT, "middle")]
        if not self.options.names_only:
            grad, spec = self.grads.get(cell.node), self.options.format
            for line in format_fields(cell.node, spec, grad, bool(self.has_grads)):
                role = line.partition(" ")[0]
                fill = green if role == "grad" else ink
                texts.append(Text(0.0, 0.0, [Span(line)], fill, TEXT, "middle", field=role))
        return texts

    def write_formula(self, node: Any) -> Text | None:
        """Return the formula that computes a value, as a line of text; None for a leaf."""
        if node.op is None:
            return None
        formula = to_array_text(
            build_array_formula(node, [self.notation.input(x) for x in node.inputs])  # type: ignore[misc]
        )
        if len(formula) > LONGEST:
            formula = f"{node.op.name}(…)"
        text = shorten_name(f"{self.names[node]} = {formula}", LONGEST + 20)
        parts = re.split(r"(?<=[A-Za-z])(\d+)(?![\d.])", text)
        spans = [Span(x, "sub" if i % 2 else "") for i, x in enumerate(parts) if x]
        return Text(0.0, 0.0, spans, self.theme.pale, SMALL)

    def write_title(self, column: ArrayColumn) -> Text | None:
        """Return the title of a panel."""
        if not column.path:
            return None
        title = shorten_name(self.view.modules.format_title(column.path), LONGEST)
        return Text(0.0, 0.0, [Span(title)], self.theme.pale, SMALL, bold=True)

    # ------------------------------------------------------------------------------- positions

    def turn(self, a: float, b: float) -> Point:
        """Return a size as main and cross, or those as a size."""
        return (a, b) if self.is_flat else (b, a)

    def lay_out(self) -> None:
        """Compute the positions of all values and columns."""
        start, titles = MARGIN, [x for x in self.titles.values() if x]
        self.strip = TITLE
        if not self.is_flat:
            self.strip = max((x.width for x in titles), default=0.0) + 2.0 * BAND
        for column in self.columns:
            cross = 0.0
            for block in column.blocks:
                block.at = start + BAND, cross
                cross += self.turn(*block.size)[1] + GAP
            base = self.find_baseline(column.blocks)
            for block in column.blocks:
                block.at = block.at[0], block.at[1] - base
            main = max(self.turn(*block.size)[0] for block in column.blocks)
            main += BULGE if self.has_bulge(column) else 0.0
            title = self.titles[column]
            column.start = start + BAND
            column.length = max(main, title.width) if title and self.is_flat else main
            start += column.length + 2.0 * BAND + STEP
        blocks = self.blocks.values()
        top = MARGIN + self.strip - min(block.at[1] for block in blocks)
        for block in blocks:
            block.at = block.at[0], block.at[1] + top
        self.depth = start - STEP + MARGIN
        ends = [block.at[1] + self.turn(*block.size)[1] for block in blocks]
        self.breadth = max(ends) + BAND + MARGIN

    def find_baseline(self, blocks: Sequence[Block]) -> float:
        """Return the middle of the first result of a column; of leaves, that of all of them."""
        results = [block for block in blocks if block.cell.node.op is not None]
        first, last = (results[0], results[0]) if results else (blocks[0], blocks[-1])
        return (self.find_box(first)[1] + self.find_box(last)[3]) / 2.0

    def has_bulge(self, column: ArrayColumn) -> bool:
        """Return whether an edge passes a value of its own column."""
        return any(
            self.column_of.get(arrow.tail) is column and self.passes(arrow)
            for arrow in self.view.arrows
        )

    def passes(self, arrow: Arrow) -> bool:
        """Return whether an arrow leads from a value to another one of its column, not the next."""
        tail, head = arrow.tail, arrow.head.replace("o", "v")
        column = self.column_of.get(tail)
        if column is None or self.column_of.get(head) is not column:
            return False
        places = [block.cell.id for block in column.blocks]
        return places.index(head) != places.index(tail) + 1

    def find_box(self, block: Block) -> tuple[float, float, float, float]:
        """Return the start and end of the box of a value, main and cross."""
        (main, cross), head = block.at, block.head
        size = self.turn(*block.box)
        if self.is_flat:
            return main, cross + head, main + size[0], cross + head + size[1]
        width = self.turn(*block.size)[0]
        start = main + (head if self.options.direction == "down" else width - head - size[0])
        return start, cross, start + size[0], cross + size[1]

    def place(self, main: float, cross: float) -> Point:
        """Return a position in the picture."""
        if self.options.direction in ("left", "up"):
            main = self.depth - main
        return (main, cross) if self.is_flat else (cross, main)

    # ----------------------------------------------------------------------------------- parts

    def write(self) -> Scene:
        """Return the picture."""
        parts: list[Part] = [part for x in self.columns for part in self.write_panel(x)]
        for arrow in self.view.arrows:
            parts += self.write_arrow(arrow)
        for block in self.blocks.values():
            parts += self.write_block(block)
        size = (self.depth, self.breadth) if self.is_flat else (self.breadth, self.depth)
        return Scene(*size, parts, self.theme.paper)

    def write_panel(self, column: ArrayColumn) -> list[Part]:
        """Return the background of a module, and its title."""
        title = self.titles[column]
        if title is None:
            return []
        a = self.place(column.start - BAND, MARGIN)
        b = self.place(column.start + column.length + BAND, self.breadth - MARGIN)
        x, y = min(a[0], b[0]), min(a[1], b[1])
        area = Rect(x, y, abs(a[0] - b[0]), abs(a[1] - b[1]), self.theme.tint, self.theme.frame)
        middle = y + (15.0 if self.is_flat else area.height / 2.0 + 3.0)
        return [area._replace(radius=7.0, thickness=0.8), title._replace(x=x + BAND, y=middle)]

    def write_arrow(self, arrow: Arrow) -> list[Part]:
        """Return an arrow between values; those of parameters and numbers are in the formulas."""
        tail, head = arrow.tail, arrow.head.replace("o", "v")
        if tail not in self.blocks or tail[0] == "o" or head == tail:
            return []
        source, target = self.blocks[tail], self.blocks[head]
        if source.cell.node in self.view.modules.owned:
            return []
        a, b = self.find_box(source), self.find_box(target)
        y0, y1 = (a[1] + a[3]) / 2.0, (b[1] + b[3]) / 2.0
        if self.passes(arrow):
            right = max(a[2], b[2]) + BULGE * 0.8
            points = [(a[2], y0), (right, y0), (right, y1), (b[2], y1)]
        elif self.column_of[tail] is self.column_of[head]:
            main = (max(a[0], b[0]) + min(a[2], b[2])) / 2.0
            end = target.at[1] - (2.0 if self.is_flat and target.heading else 0.0)
            points = [(main, a[3]), *straighten((main, a[3]), (main, end))]
        else:
            above = 0.0 if self.is_flat else HEAD  # formulas are above values
            is_down = self.options.direction == "down"
            leave = a[2] + (0.0 if is_down else min(above, source.head))
            enter = b[0] - (min(above, target.head) if is_down else 0.0)
            column, stop = self.column_of[tail], self.column_of[head].start
            start = max(column.start + column.length, leave)
            bend = 0.5 * (stop - start)
            points = [(leave, y0)]
            if leave < start:
                points += straighten(points[0], (start, y0))
            points += [(start + bend, y0), (stop - bend, y1), (stop, y1)]
            points += straighten((stop, y1), (enter, y1)) if stop < enter else []
        line = Curve([self.place(*x) for x in points], self.theme.pale, 1.0, arrow=True)
        return [Group(arrow.id, [line], "", "edge")]

    def write_block(self, block: Block) -> list[Part]:
        """Return a value and its formula."""
        cell, theme = block.cell, self.theme
        box = self.find_box(block)
        a, b = self.place(*box[:2]), self.place(*box[2:])
        x, y = min(a[0], b[0]), min(a[1], b[1])
        fill, line = theme.kinds[cell.kind]
        if cell.id in self.heat:
            fill = blend(theme.heat, self.heat[cell.id])
        rect = Rect(
            x, y, *block.box, fill, line, 2.0 if cell.kind in ("root", "parameter") else 1.0,
            7.0 if cell.node.op is None else 0.0, cell.kind == "constant",
        )  # fmt: skip
        middle, top = x + block.box[0] / 2.0, y + LEADING
        texts = [t._replace(x=middle, y=top + k * LEADING) for k, t in enumerate(block.texts)]
        parts: list[Part] = [Group(cell.id, [rect, *texts])]
        if block.heading:
            text = block.heading._replace(x=x, y=y - 5.0)
            parts.append(Group(cell.id.replace("v", "o"), [text]))
        return parts


def straighten(a: Point, b: Point) -> list[Point]:
    """Return the points of a straight line from a to b, as those of a cubic curve."""
    step = ((b[0] - a[0]) / 3.0, (b[1] - a[1]) / 3.0)
    return [*((a[0] + k * step[0], a[1] + k * step[1]) for k in (1, 2)), b]
