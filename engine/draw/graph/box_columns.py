"""Neurons as boxes in columns, for graphs whose arrows lead from each column to the next.

Graphviz would order the boxes of a column by its own criteria.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from engine.draw.formulas.labels import set_spans
from engine.draw.graph.clusters import format_path
from engine.draw.graph.view import Arrow, Box, Cell, View
from engine.draw.look.scene import Circle, Curve, Group, Part, Rect, Scene, Span, Text
from engine.draw.look.theme import (
    SYMBOLS,
    THEMES,
    format_fields,
    format_number,
    has_gradients,
    norm,
)
from engine.draw.options import Options
from engine.node import Node
from engine.support.arguments import format_count

TEXT, SMALL, TITLE = 10.0, 9.0, 11.0
LEADING, PADDING = 13.5, 8.0
GAP, MARGIN = 12.0, 16.0
LEAST_STEP, MOST_STEP, SLOPE = 46.0, 130.0, 0.22  # between columns, by their length
OPERATION = 9.5  # the radius of an operation
ARROW = 15.0  # from an operation to its result
MANY = 80  # arrows; more are thinner
HEAD = 44.0  # the height of titles


class Unit(NamedTuple):
    """A box, or a value with its operation."""

    item: Cell | Box
    texts: list[Text]
    width: float
    height: float

    @property
    def before(self) -> float:
        """The length of the operation and its arrow, in the direction of the data."""
        has_operation = isinstance(self.item, Cell) and self.item.node.op is not None
        return 2.0 * OPERATION + ARROW if has_operation else 0.0


def draw_columns(
    view: View,
    options: Options,
    names: Mapping[Node, str] | None = None,
    grads: Mapping[Node, float] | None = None,
) -> Scene | None:
    """Return the picture of a view with boxes, or None if its arrows skip columns.

    Also returns None if some modules are clusters around values.
    """
    parts = [(path, item) for path, items in view.contents.items() for item in items]
    if all(isinstance(item, Cell) for _, item in parts):
        return None
    if any(path and isinstance(item, Cell) for path, item in parts):
        return None
    columns = arrange(view)
    if columns is None or max(map(len, columns)) < 2:
        return None  # a single row has no order
    return ColumnWriter(view, columns, options, names or {}, grads or {}).write()


def find_unit(id: str) -> str:
    """Return the id of the value or box that a part belongs to."""
    return id.replace("o", "v")


def arrange(view: View) -> list[list[Cell | Box]] | None:
    """Return the items of each column in their order, or None if an arrow skips a column."""
    items = {item.id: item for item in view.drawn}
    heads: dict[str, list[str]] = {id: [] for id in items}
    tails: dict[str, list[str]] = {id: [] for id in items}
    for arrow in view.arrows:
        tail, head = find_unit(arrow.tail), find_unit(arrow.head)
        if tail != head:
            heads[tail].append(head)
            tails[head].append(tail)
    if any(isinstance(item, Cell) and item.kind == "operation" for item in items.values()):
        return None
    depth: dict[str, int] = {}
    waiting = {id: len(tails[id]) for id in items}
    ready = [id for id in items if not waiting[id]]
    for id in ready:
        depth[id] = max((depth[x] + 1 for x in tails[id]), default=0)
        for head in heads[id]:
            waiting[head] -= 1
            if not waiting[head]:
                ready.append(head)
    if len(depth) < len(items):
        return None
    for id in items:  # a leaf is next to the first operation that uses it
        if not tails[id] and heads[id]:
            depth[id] = min(depth[head] for head in heads[id]) - 1
    if any(depth[head] != depth[id] + 1 for id in items for head in heads[id]):
        return None
    return order_columns(view, items, depth, heads, tails)


def order_columns(
    view: View, items: Mapping[str, Cell | Box], depth: Mapping[str, int],
    heads: Mapping[str, list[str]], tails: Mapping[str, list[str]],
) -> list[list[Cell | Box]]:  # fmt: skip
    """Return the columns: boxes in the order of their modules, values beside what they use."""
    place_of = {path: i for i, path in enumerate(view.modules.by_path)}
    columns: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    for id in items:
        columns[depth[id]].append(id)
    at: dict[str, float] = {}
    for column in columns:
        for k, id in enumerate(column):
            item, inputs = items[id], [at[x] for x in tails[id] if x in at]
            if isinstance(item, Box):
                at[id] = float(place_of.get(item.path, len(place_of)))
            else:
                at[id] = sum(inputs) / len(inputs) if inputs else float(k)
        column.sort(key=lambda id: (bool(tails[id]) < bool(depth[id]), at[id]))
        at |= {id: k - (len(column) - 1) / 2.0 for k, id in enumerate(column)}
    for column in columns[1:]:  # leaves beside the operation that uses them, after its first input
        column.sort(key=lambda id: at[id] if tails[id] else at[heads[id][0]] + 0.5)
    return [[items[id] for id in column] for column in columns]


class ColumnWriter:
    """A writer of the picture of one view."""

    def __init__(
        self, view: View, columns: Sequence[Sequence[Cell | Box]], options: Options,
        names: Mapping[Node, str], grads: Mapping[Node, float],
    ):  # fmt: skip
        self.view, self.options, self.names, self.grads = view, options, names, grads
        self.theme = THEMES[options.theme]
        self.has_grads = bool(grads) or has_gradients(view.ids)
        if options.gradients is not None or options.names_only:
            self.has_grads = bool(options.gradients) and not options.names_only
        self.is_upright = options.direction in ("right", "left")
        self.is_mirrored = options.direction in ("left", "up")
        units = [[self.make_unit(item) for item in column] for column in columns]
        boxes = [unit.width for column in units for unit in column if isinstance(unit.item, Box)]
        self.columns = [
            [
                unit._replace(width=max(boxes)) if isinstance(unit.item, Box) else unit
                for unit in column
            ]
            for column in units
        ]
        self.titles = [[*self.write_title(column)] for column in self.columns]
        self.spots: dict[str, tuple[float, float]] = {}  # the middles of boxes and values
        self.edges: dict[str, tuple[float, float]] = {}  # the sides of a unit's column
        self.units = {unit.item.id: unit for column in self.columns for unit in column}
        self.length, self.half = self.lay_out()

    def make_unit(self, item: Cell | Box) -> Unit:
        """Return a box or value with its texts and its size."""
        texts = [*(self.describe_box(item) if isinstance(item, Box) else self.describe(item))]
        width = max((text.width for text in texts), default=0.0) + 2.0 * PADDING
        return Unit(item, texts, max(width, 52.0), max(1, len(texts)) * LEADING + 7.0)

    def describe_box(self, box: Box) -> Iterator[Text]:
        """Yield the texts of a box: its path in its parent, its size, its gradient."""
        parent = self.view.modules.find_parent(box.path)
        path = box.path.removeprefix(f"{parent}.") if parent else box.path
        yield self.write_line(format_path(path), TEXT)
        count = sum(getattr(x.data, "size", 1) for x in box.parameters)
        size = format_count(count, "parameter") if count else format_count(box.nodes, "node")
        yield self.write_line(size, SMALL)
        if box.parameters and self.has_grads:
            gradient = norm([norm(self.grads.get(x, x.grad)) for x in box.parameters])
            text = f"‖grad‖ {format_number(gradient, self.options.format)}"
            yield self.write_line(text, SMALL, "grad")

    def describe(self, cell: Cell) -> Iterator[Text]:
        """Yield the texts of a value: its label, its data and its gradient."""
        node = cell.node
        label = self.names.get(node, node.label)
        if label is not None:
            yield self.write_line(label, TEXT)._replace(spans=set_spans(label))
        if self.options.names_only and not (label is None and node.constant):
            return
        spec, grad = self.options.format, self.grads.get(node)
        for text in format_fields(node, spec, grad, self.has_grads):
            field = text.partition(" ")[0].strip("‖")
            if self.options.names_only:  # a constant without a label is its number
                text = text.removeprefix("data ")
            yield self.write_line(text, SMALL, field if field in ("data", "grad") else "")

    def write_line(self, text: str, size: float, field: str = "") -> Text:
        """Return a line of a box, at (0, 0)."""
        ink = self.theme.ink if size == TEXT or field == "data" else self.theme.pale
        if field == "grad":
            ink = self.theme.kinds["root"].line
        return Text(0.0, 0.0, [Span(text)], ink, size, "middle", field=field)

    def write_title(self, column: Sequence[Unit]) -> Iterator[Text]:
        """Yield the title of a column of boxes: the path of the module around them, its repr."""
        modules = self.view.modules
        boxes = [unit.item for unit in column if isinstance(unit.item, Box)]
        parents = {modules.find_parent(box.path) for box in boxes}
        path = parents.pop() if len(parents) == 1 else ""
        if path:
            yield Text(0.0, 0.0, [Span(format_path(path))], self.theme.ink, TITLE)
            yield Text(0.0, 0.0, [Span(repr(modules.by_path[path]))], self.theme.pale, SMALL)

    def lay_out(self) -> tuple[float, float]:
        """Compute the places of all units; return the length of the picture and half its width."""
        turn, columns = self.turn, self.columns
        lengths = [sum(turn(unit)[1] + GAP for unit in column) - GAP for column in columns]
        u = 0.0
        for c, column in enumerate(columns):
            widths = [unit.before + turn(unit)[0] for unit in column]
            title = max((text.width for text in self.titles[c]), default=0.0)
            width = max(*widths, title if self.is_upright else 0.0)
            if c:
                longest = max(lengths[c - 1], lengths[c])
                u += min(max(LEAST_STEP, SLOPE * longest), MOST_STEP)
            v = -lengths[c] / 2.0
            for unit in column:
                middle, across = u + width / 2.0 + unit.before / 2.0, turn(unit)[1]
                self.spots[unit.item.id] = (middle, v + across / 2.0)
                self.edges[unit.item.id] = (u, u + width)
                v += across + GAP
            u += width
        return u, max(lengths) / 2.0

    def turn(self, unit: Unit) -> tuple[float, float]:
        """Return the size of a unit in the direction of the data, and across it."""
        size = unit.width, unit.height
        return size if self.is_upright else size[::-1]

    def place(self, u: float, v: float) -> tuple[float, float]:
        """Return the position on the page."""
        u = self.length - u if self.is_mirrored else u
        head, side = (HEAD, 0.0) if self.is_upright else (0.0, self.side)
        x, y = (u, v + self.half) if self.is_upright else (v + self.half, u)
        return MARGIN + side + x, MARGIN + head + y

    @property
    def side(self) -> float:
        """The width of the titles to the left of rows."""
        return max((text.width for title in self.titles for text in title), default=0.0) + 20.0

    def write(self) -> Scene:
        """Return the picture."""
        parts: list[Part] = [part for arrow in self.view.arrows for part in self.write_arrow(arrow)]
        for unit in self.units.values():
            parts += self.write_unit(unit)
        for column, title in zip(self.columns, self.titles, strict=True):
            left, right = self.edges[column[0].item.id]
            x, y = self.place((left + right) / 2.0, 0.0)
            for k, text in enumerate(title):
                if self.is_upright:
                    at = {"x": x, "y": MARGIN + TITLE + k * LEADING, "anchor": "middle"}
                else:
                    at = {"x": MARGIN, "y": y - 3.0 + k * LEADING}
                parts.append(text._replace(**at))  # type: ignore[arg-type]
        size = self.length, 2.0 * self.half
        width, height = size if self.is_upright else size[::-1]
        head, side = (HEAD, 0.0) if self.is_upright else (0.0, self.side)
        width, height = width + side + 2.0 * MARGIN, height + head + 2.0 * MARGIN
        return Scene(width, height, parts, self.theme.paper)

    def write_arrow(self, arrow: Arrow) -> Iterator[Group]:
        """Yield an arrow: straight inside a column, a curve between two."""
        tail, head = find_unit(arrow.tail), find_unit(arrow.head)
        (u, v), (to_u, to_v) = self.spots[tail], self.spots[head]
        before = self.units[head].before
        end = to_u - self.turn(self.units[head])[0] / 2.0
        if tail == head:
            points = [self.place(end - ARROW, to_v), self.place(end, to_v)]
            line = Curve(points, self.theme.pale, cubic=False, arrow=True)
            yield Group(arrow.id, [line], "", "edge")
            return
        start, leave = u + self.turn(self.units[tail])[0] / 2.0, self.edges[tail][1]
        reach, end = self.edges[head][0], end - before
        bend = 0.45 * (reach - leave)
        curve = [(leave, v), (leave + bend, v), (reach - bend, to_v), (reach, to_v)]
        if start < leave:
            curve = [(start, v), (start, v), (leave, v), *curve]
        if reach < end:
            curve += [(reach, to_v), (reach, to_v), (end, to_v)]
        points = [self.place(*point) for point in curve]
        title = f"{arrow.multiplicity:,} values" if arrow.multiplicity > 1 else ""
        thickness = 0.9 if len(self.view.arrows) < MANY else 0.5
        line = Curve(points, self.theme.pale, thickness, opacity=0.8, arrow=True)
        yield Group(arrow.id, [line], title, "edge")

    def write_unit(self, unit: Unit) -> Iterator[Group]:
        """Yield a box or value, and the operation of a value."""
        item, theme = unit.item, self.theme
        u, v = self.spots[item.id]
        x, y = self.place(u, v)
        paint = theme.kinds[item.kind]
        is_leaf = isinstance(item, Box) or item.node.op is None
        rect = Rect(
            x - unit.width / 2.0, y - unit.height / 2.0, unit.width, unit.height, paint.fill,
            paint.line, 2.2 if item.kind in ("root", "parameter") else 1.0,
            7.0 if is_leaf else 0.0, item.kind == "constant",
        )  # fmt: skip
        top = y - unit.height / 2.0 + LEADING - 0.5
        texts = [text._replace(x=x, y=top + k * LEADING) for k, text in enumerate(unit.texts)]
        title = item.title if isinstance(item, Box) else ""
        yield Group(item.id, [rect, *texts], title)
        if isinstance(item, Cell) and item.node.op is not None:
            name = SYMBOLS.get(item.node.op.name, item.node.op.name)
            middle = u - self.turn(unit)[0] / 2.0 - ARROW - OPERATION
            x, y = self.place(middle, v)
            size = min(TEXT, TEXT * 1.6 * OPERATION / max(1.0, len(name) * 6.4))
            circle = Circle(x, y, OPERATION, theme.paper, theme.kinds["inner"].line)
            text = Text(x, y + 0.36 * size, [Span(name)], theme.ink, size, "middle")
            yield Group(item.id.replace("v", "o"), [circle, text])
