"""The layout of a network: columns of cards, and the edges between them, at computed positions.

Positions along the direction of the arrows are called main, those across it cross. The columns are
rows if arrows point down or up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from engine.draw.cards.content import ENDS, MOST_ROWS, Card, CardWriter, Port
from engine.draw.cards.headings import cut_middle
from engine.draw.cards.neurons import NeuronGraph, NeuronLayer, StepStack
from engine.draw.cards.samples import Item
from engine.draw.cards.tables import PADDING, Look, TableLayout
from engine.draw.formulas.notation import Name
from engine.draw.graph.clusters import Modules
from engine.draw.graph.dot import replace_invalid
from engine.draw.look.scene import measure
from engine.draw.options import Options
from engine.node import Node
from engine.support.arguments import format_count

MARGIN = 9.0  # around the picture
BAND = 9.0  # from the cards of a layer to the edge of its panel
CARD_GAP, INPUT_GAP, STACK_GAP = 10.0, 6.0, 20.0  # between neighbours
COLUMN_GAPS = (40.0, 80.0)  # between columns, the least and the most
LONGEST_TITLE = 40  # characters
LANE = 7.0  # the height of an edge that passes a column
Point = tuple[float, float]
NONE: Mapping[int, Sequence[float]] = {}


@dataclass(eq=False)
class Placed:
    """A card with its size and position: main and cross, from its corner."""

    card: Card
    layouts: list[TableLayout]
    size: Point
    at: Point = (0.0, 0.0)
    next: "Placed | None" = None  # the next step of its stack

    def find_line(self, table: int, line: float, is_vertical: bool) -> float:
        """Return the cross position of a line of one of the tables."""
        before = sum(x.width if is_vertical else x.height for x in self.layouts[:table])
        start = PADDING[1] if not is_vertical else 0.0
        return self.at[1] + start + before + self.layouts[table].find_port(line)


@dataclass(eq=False)
class Lane:
    """The passage of an edge through a column."""

    item: Item
    at: Point = (0.0, 0.0)
    size: Point = (0.0, LANE)


@dataclass(eq=False)
class Note:
    """A line of text between cards."""

    text: str
    size: Point
    at: Point = (0.0, 0.0)


Entry = Placed | Lane | Note


@dataclass(eq=False)
class CardColumn:
    """A column: its title, and from its start to its end cards, notes and lanes."""

    title: str
    entries: list[Entry]
    is_layer: bool
    gap: float
    hint: str = ""  # the whole title, if it is cut
    start: float = 0.0  # main
    width: float = 0.0  # main

    @property
    def cards(self) -> list[Placed]:
        return [x for x in self.entries if isinstance(x, Placed)]

    def measure(self) -> float:
        """Return its length across the arrows."""
        gaps = [self.find_gap(a, b) for a, b in pairwise(self.entries)]
        return sum(x.size[1] for x in self.entries) + sum(gaps)

    def find_gap(self, a: Entry, b: Entry) -> float:
        """Return the distance between two neighbours."""
        if is_chained(a, b):
            return STACK_GAP
        return self.gap / 2 if isinstance(a, Lane) or isinstance(b, Lane) else self.gap


@dataclass(eq=False)
class Edge:
    """An edge from an item to a port, past the columns between them."""

    source: Placed
    target: Placed
    port: Port
    lanes: list[Lane] = field(default_factory=list)


class ColumnLayout:
    """The layout of the columns of one network."""

    def __init__(
        self,
        network: NeuronGraph,
        modules: Modules,
        names: Mapping[Item, Name],
        options: Options,
        grads: Mapping[Node, float],
        heat: Mapping[Node, float],
        has_grads: bool,
    ):
        self.network, self.look = network, Look(options, has_grads)
        self.writer = CardWriter(network, names, self.look, modules, grads, heat)
        self.is_vertical = self.look.is_vertical
        self.columns: list[CardColumn] = []
        self.source: dict[Item, Placed] = {}
        self.add_columns()
        self.edges = self.find_edges()
        self.place_columns()
        self.add_lanes()
        self.place_columns()

    # -------------------------------------------------------------------------------- content

    def add_columns(self) -> None:
        """Make the columns: the inputs, the layers, and what is computed afterwards."""
        network, writer = self.network, self.writer
        if network.inputs:
            cards = self.make_alike([writer.write_input(x) for x in network.inputs])
            entries = self.elide(cards, "inputs")
            self.columns.append(CardColumn(self.title_inputs(), entries, False, INPUT_GAP))
        for column in network.columns:
            if isinstance(column, NeuronLayer):
                cards = self.make_alike([writer.write_neuron(x) for x in column.neurons])
                entries = self.elide(cards, "neurons")
                title = replace_invalid(" ".join(column.title.split()))
                short = cut_middle(title, LONGEST_TITLE)
                hint = title if short != title else ""
                self.columns.append(CardColumn(short, entries, True, CARD_GAP, hint))
            else:
                entries = [x for stack in column for x in self.make_stack(stack)]
                self.columns.append(CardColumn(self.title_steps(column), entries, False, CARD_GAP))

    def title_inputs(self) -> str:
        """Return "2 inputs", with the number of samples if there are several."""
        title = format_count(len(self.network.inputs), "input")
        samples, shown = self.writer.samples, self.writer.shown
        if samples == 1:
            return title
        return f"{title}, {f'{shown} of ' if shown < samples else ''}{samples} samples"

    def title_steps(self, stacks: Sequence[StepStack]) -> str:
        items = [item for stack in stacks for item in stack.items]
        return "result" if any(item.node is self.network.root for item in items) else ""

    def make_alike(self, cards: Sequence[Card]) -> list[Placed]:
        """Return cards with aligned columns."""
        widths: dict[int, list[float]] = {}
        if not self.is_vertical:
            for card in cards:
                for i, table in enumerate(card.tables):
                    own = TableLayout(table, self.look, widths.get(i, ())).widths
                    widths[i] = own
        return [self.make(card, widths) for card in cards]

    def make(self, card: Card, widths: Mapping[int, Sequence[float]] = NONE) -> Placed:
        """Return a card with its size."""
        layouts = [TableLayout(x, self.look, widths.get(i, ())) for i, x in enumerate(card.tables)]
        if self.is_vertical:
            size = max(x.height for x in layouts) + 2 * PADDING[1], sum(x.width for x in layouts)
        else:
            size = max(x.width for x in layouts), sum(x.height for x in layouts) + 2 * PADDING[1]
        placed = Placed(card, layouts, size)
        self.source |= dict.fromkeys(card.outs, placed)
        return placed

    def make_stack(self, stack: StepStack) -> list[Entry]:
        cards = [self.writer.write_step(step) for step in stack.steps]
        steps = self.make_alike(cards)
        for a, b in pairwise(steps):
            a.next = b
        return [*steps]

    def elide(self, cards: list[Placed], what: str) -> list[Entry]:
        """Return the cards; of many, those at both ends and a note."""
        if len(cards) <= MOST_ROWS:
            return [*cards]
        hidden = cards[ENDS:-ENDS]
        for card in hidden:
            for item in card.card.outs:
                del self.source[item]
        text = f"… {len(hidden)} more {what}"
        width = measure(text, self.look.small)
        size = (self.look.row, width) if self.is_vertical else (width, self.look.row)
        return [*cards[:ENDS], Note(text, size), *cards[-ENDS:]]

    def find_edges(self) -> list[Edge]:
        """Return the edges between cards that are drawn."""
        edges = []
        for column in self.columns:
            for placed in column.cards:
                for port in placed.card.ports:
                    source = self.source.get(port.item)
                    if source:
                        edges.append(Edge(source, placed, port))
        return edges

    # ------------------------------------------------------------------------------ positions

    def place_columns(self) -> None:
        """Compute the positions of all entries."""
        look = self.look
        titles = [measure(c.title, look.small, bold=True) for c in self.columns]
        self.strip = look.row + 10.0 if not self.is_vertical else max(titles) + 2 * BAND
        self.length = max(column.measure() for column in self.columns)
        start = MARGIN
        for i, (column, title) in enumerate(zip(self.columns, titles, strict=True)):
            width = max((x.size[0] for x in column.entries if not isinstance(x, Lane)), default=0.0)
            if not self.is_vertical:
                width = max(width, title - 2 * BAND * (not column.is_layer) + 2.0)
            column.width = width
            column.start = start = start + BAND
            cross = MARGIN + self.strip + (self.length - column.measure()) / 2
            for k, entry in enumerate(column.entries):
                if k:
                    cross += column.find_gap(column.entries[k - 1], entry)
                entry.at = (start, cross)
                if isinstance(entry, Placed):
                    entry.size = (width, entry.size[1])
                cross += entry.size[1]
            start += width + BAND
            if i + 1 < len(self.columns):
                start += self.find_column_gap(i)
        self.depth = start + MARGIN

    def find_column_gap(self, i: int) -> float:
        """Return the distance after a column: larger if its edges are steeper."""
        edges = [edge for edge in self.edges if edge.source in self.columns[i].entries]
        spans = [abs(edge.source.at[1] - edge.target.at[1]) for edge in edges]
        least, most = COLUMN_GAPS
        return min(most, least + 0.11 * max(spans, default=0.0)) - 2 * BAND

    def add_lanes(self) -> None:
        """Give edges that pass columns a lane in each of them."""
        number = {x: i for i, column in enumerate(self.columns) for x in column.entries}
        lanes: dict[tuple[Item, int], Lane] = {}
        for edge in self.edges:
            first, last = number[edge.source], number[edge.target]
            for i in range(first + 1, last):
                lane = lanes.get((edge.port.item, i))
                if lane is None:
                    lane = lanes[edge.port.item, i] = Lane(edge.port.item)
                    share = (i - first) / (last - first)
                    y0, y1 = self.find_out(edge), self.find_in(edge)
                    self.insert(lane, self.columns[i], y0 + share * (y1 - y0))
                edge.lanes.append(lane)

    def insert(self, lane: Lane, column: CardColumn, cross: float) -> None:
        """Insert a lane between the entries that are nearest to a position, not inside a stack."""
        entries = column.entries
        inner = [i for i in range(1, len(entries)) if not is_chained(entries[i - 1], entries[i])]
        places, ends = [0, *inner, len(entries)], [x.at[1] + x.size[1] for x in entries]
        ends = [entries[0].at[1], *ends]
        column.entries.insert(min(places, key=lambda i: abs(ends[i] - cross)), lane)

    def find_out(self, edge: Edge) -> float:
        table, line = edge.source.card.outs[edge.port.item]
        return edge.source.find_line(table, line, self.is_vertical)

    def find_in(self, edge: Edge) -> float:
        return edge.target.find_line(0, edge.port.line, self.is_vertical)


def is_chained(a: Entry, b: Entry) -> bool:
    """Return whether an entry is the next step of the one before it."""
    return isinstance(a, Placed) and a.next is b
