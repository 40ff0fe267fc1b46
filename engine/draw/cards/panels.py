"""The picture of a network, from the layout of its columns: panels, cards and edges as parts."""

from itertools import pairwise
from typing import NamedTuple

from engine.draw.cards.columns import (
    BAND,
    LANE,
    MARGIN,
    CardColumn,
    ColumnLayout,
    Edge,
    Note,
    Placed,
    Point,
)
from engine.draw.cards.content import Card
from engine.draw.cards.tables import BASELINE, PADDING, TableLayout, nest
from engine.draw.look.scene import Curve, Group, Part, Rect, Scene, Span, Text

RADII = {"leaf": 7.0, "parameter": 7.0, "constant": 7.0, "neuron": 5.0}  # of cards, by kind
LINES = {"root": 2.4, "parameter": 2.0}
THIN, RAIL, FAINT = 0.8, 2.4, 0.6  # lines, and the opacity of edges to weights


class Area(NamedTuple):
    """A rectangle of the picture."""

    x: float
    y: float
    width: float
    height: float


class NetworkPainter:
    """A writer of the picture of one layout."""

    def __init__(self, layout: ColumnLayout):
        self.layout, self.look, self.theme = layout, layout.look, layout.look.theme
        self.direction = self.look.options.direction
        self.is_vertical = self.look.is_vertical
        self.size = (layout.depth, 2 * MARGIN + layout.strip + layout.length + BAND)
        self.seen: set[str] = set()  # ids
        self.column_of = {x: column for column in layout.columns for x in column.entries}

    def paint(self) -> Scene:
        """Return the picture. Cards are drawn above edges, and edges above panels."""
        columns = self.layout.columns
        parts = [part for column in columns for part in self.paint_panel(column)]
        parts += [self.paint_edge(edge) for edge in self.layout.edges]
        for entry in self.column_of:
            if isinstance(entry, Placed):
                parts += self.paint_card(entry)
            elif isinstance(entry, Note):
                parts.append(self.paint_note(entry))
        width, height = self.size[::-1] if self.is_vertical else self.size
        return Scene(width, height, parts, self.theme.paper)

    def turn(self, main: float, cross: float) -> Point:
        """Return a position in the picture, whose arrows may point in any direction."""
        if self.direction in ("left", "up"):
            main = self.size[0] - main
        return (cross, main) if self.is_vertical else (main, cross)

    def turn_box(self, at: Point, size: Point) -> Area:
        """Return the area of a box in the picture."""
        a, b = self.turn(*at), self.turn(at[0] + size[0], at[1] + size[1])
        return Area(min(a[0], b[0]), min(a[1], b[1]), abs(a[0] - b[0]), abs(a[1] - b[1]))

    # ------------------------------------------------------------------------ panels and edges

    def paint_panel(self, column: CardColumn) -> list[Part]:
        """Return the background of a layer, and the title of a column."""
        look, theme = self.look, self.theme
        size = (column.width + 2 * BAND, self.size[1] - 2 * MARGIN)
        area = self.turn_box((column.start - BAND, MARGIN), size)
        parts: list[Part] = []
        if column.is_layer:
            parts.append(Rect(*area, theme.tint, theme.frame, THIN, 7.0))
        if column.title:
            middle = area.y + area.height / 2 + 0.35 * look.small
            base = middle if self.is_vertical else area.y + 1.05 * look.row
            spans = [Span(column.title)]
            text = Text(area.x + BAND, base, spans, theme.pale, look.small, bold=True)
            parts.append(Group("", [text], column.hint, "cluster") if column.hint else text)
        return parts

    def paint_edge(self, edge: Edge) -> Part:
        """Return an edge: a curve between columns, and straight past others.

        Edges to weights are many, so they are thin. Only edges to other values have arrowheads.
        """
        layout, source, target = self.layout, edge.source, edge.target
        if source.next is target:
            middle = source.at[0] + 0.5 * min(source.size[0], 90.0)
            points = [(middle, source.at[1] + source.size[1]), (middle, target.at[1])]
            return self.write_edge(edge, points, cubic=False)
        stops = [(source.at[0] + source.size[0], layout.find_out(edge))]
        for lane in edge.lanes:
            column, cross = self.column_of[lane], lane.at[1] + LANE / 2
            stops += [(column.start, cross), (column.start + column.width, cross)]
        stops.append((target.at[0], layout.find_in(edge)))
        points = stops[:1]
        for a, b in pairwise(stops):
            bend = (b[0] - a[0]) / 2
            points += [(a[0] + bend, a[1]), (b[0] - bend, b[1]), b]
        return self.write_edge(edge, points, cubic=True)

    def write_edge(self, edge: Edge, points: list[Point], cubic: bool) -> Part:
        turned, pale = [self.turn(*point) for point in points], self.theme.pale
        line = Curve(turned, pale, cubic=cubic, arrow=True)
        if edge.target.card.kind == "neuron":
            line = line._replace(thickness=THIN, opacity=FAINT, arrow=False)
        return nest(edge.port.ids, [line], "", self.seen, "edge")

    def paint_note(self, note: Note) -> Part:
        """Return a line of text between cards."""
        area = self.turn_box(note.at, note.size)
        x, base = area.x + area.width / 2, area.y + BASELINE * self.look.row
        return Text(x, base, [Span(note.text)], self.theme.pale, self.look.small, "middle")

    # ----------------------------------------------------------------------------------- cards

    def paint_card(self, placed: Placed) -> list[Part]:
        """Return a card: its background, its tables, the rail of its parameters, its outline."""
        card, area = placed.card, self.turn_box(placed.at, placed.size)
        layouts = placed.layouts
        if not self.is_vertical:  # the tables are as wide as the card
            layouts = [TableLayout(x.table, self.look, x.widths, area.width) for x in layouts]
        back, outline = self.paint_outline(card, area)
        body: list[Part] = []
        x, y = area.x, area.y + PADDING[1]
        for i, layout in enumerate(layouts):
            strip = self.find_strip(layout, card.rail, x, y, area) if card.rail and not i else None
            if strip:
                body.append(Rect(*strip, self.theme.kinds["parameter"].fill))
            body += layout.write(x, y, self.seen)
            if strip:
                body.append(self.paint_rail(strip))
            for line in [*([0] if i else []), *layout.table.rules]:
                body.append(self.paint_rule(self.find_strip(layout, (line, line), x, y, area)))
            x, y = (x + layout.width, y) if self.is_vertical else (x, y + layout.height)
        if not card.whole:
            return [back, *body, outline]
        inside: list[Part] = [back, outline]
        for cell in card.whole.cells:
            inside += layouts[0].write_cell(cell, area.x, area.y + PADDING[1], self.seen)
        return [nest(card.whole.ids, inside, card.whole.title, self.seen), *body]

    def paint_outline(self, card: Card, area: Area) -> tuple[Rect, Rect]:
        """Return the background and the outline of a card.

        Leaves and neurons are rounded, and computed values are not.
        """
        theme, kind = self.theme, card.kind
        fill, line = theme.kinds.get(kind, (theme.paper, theme.frame))
        if kind == "step":
            fill, line = theme.kinds["inner"]
        if card.whole and card.whole.fill:
            fill = card.whole.fill
        back = Rect(*area, fill, radius=RADII.get(kind, 0.0))
        outline = back._replace(fill="none", line=line, thickness=LINES.get(kind, 1.0))
        return back, outline._replace(dashed=kind == "constant")

    def find_strip(
        self, layout: TableLayout, lines: tuple[int, int], x: float, y: float, area: Area
    ) -> Area:
        """Return the area of some lines of a table at (x, y), across the whole card."""
        first, last = lines
        if self.is_vertical:
            start, stop = layout.find_start(first), layout.find_end(last)
            return Area(x + start, area.y, max(stop - start, 0.0), area.height)
        row = self.look.row
        return Area(area.x, y + first * row, area.width, (last - first) * row)

    def paint_rail(self, strip: Area) -> Part:
        """Return the thick line at the side of parameters where edges arrive."""
        x, y, right, bottom = strip.x, strip.y, strip.x + strip.width, strip.y + strip.height
        ends = {
            "right": ((x, y), (x, bottom)), "left": ((right, y), (right, bottom)),
            "down": ((x, y), (right, y)), "up": ((x, bottom), (right, bottom)),
        }[self.direction]  # fmt: skip
        return Curve(ends, self.theme.kinds["parameter"].line, RAIL, cubic=False)

    def paint_rule(self, strip: Area) -> Part:
        """Return the thin line at the start of a strip."""
        x, y = strip.x, strip.y
        end = (x, y + strip.height) if self.is_vertical else (x + strip.width, y)
        return Curve(((x, y), end), self.theme.frame, THIN, cubic=False)
