"""The cards of a network: tables of the names, data and gradients of its inputs, neurons and
steps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from engine.draw.cards.headings import Headings, list_indices
from engine.draw.cards.neurons import LooseStep, NeuronGraph, NeuronValues, Row
from engine.draw.cards.samples import UNORDERED, Item
from engine.draw.cards.tables import (
    CardTable,
    Look,
    Piece,
    TableCell,
    ValueMark,
    make_pieces,
    write_name,
)
from engine.draw.formulas.notation import Name
from engine.draw.graph.clusters import Modules
from engine.draw.graph.dot import replace_invalid
from engine.draw.graph.view import classify
from engine.draw.look.scene import Span
from engine.draw.look.theme import blend, format_number
from engine.node import Node

DrawnValue = TypeVar("DrawnValue", Piece, ValueMark)
MOST_ROWS, ENDS = 29, 3  # of weights; beyond it, a card has some at both ends
MANY_VALUES, FEW_ROWS = 250, 8  # in a picture of many values, of which no page steps through each
MOST_SAMPLES, FIRST_SAMPLES = 5, 3  # beyond it, a card has the numbers of the first ones


@dataclass(eq=False)
class Port:
    """The place where an edge from an item enters a card: at a line, with the ids of the edge."""

    item: Item
    line: float
    ids: list[str]


@dataclass(eq=False)
class Card:
    """The tables of a card, the lines at which its items leave it, and those at which edges enter.

    `kind` is that of its only value, or "neuron" or "step".
    """

    tables: list[CardTable]
    kind: str
    outs: dict[Item, tuple[int, float]] = field(default_factory=dict)  # a table and a line in it
    ports: list[Port] = field(default_factory=list)
    rail: tuple[int, int] | None = None  # the lines of parameters in the first table
    whole: ValueMark | None = None  # the value that the whole card is


class CardWriter:
    """A writer of the cards of one network."""

    def __init__(
        self,
        network: NeuronGraph,
        names: Mapping[Item, Name],
        look: Look,
        modules: Modules,
        grads: Mapping[Node, float],
        heat: Mapping[Node, float],
    ):
        self.network, self.names, self.look = network, names, look
        self.modules, self.grads, self.heat = modules, grads, heat
        self.samples = network.graph.samples
        self.shown = self.samples if self.samples <= MOST_SAMPLES else FIRST_SAMPLES
        self.headings = Headings(network, names, look.options.format)
        self.most_rows = MOST_ROWS if len(names) <= MANY_VALUES else FEW_ROWS

    # ---------------------------------------------------------------------------------- cards

    def write_input(self, item: Item) -> Card:
        """Return the card of an input: its name and numbers, and the gradients below."""
        table = CardTable()
        card = Card([table], self.find_kind(item))
        self.add_values(table, item, self.write_name(item))
        card.outs[item] = (0, (table.lines - 1) / 2)
        table.is_tinted = True
        self.make_whole(card, item)
        return card

    def write_neuron(self, neuron: NeuronValues) -> Card:
        """Return the card of a neuron: its parameters, then z and its activation."""
        table = CardTable()
        card = Card([table], "neuron")
        line = table.add_line()
        table.add_cell(TableCell(line, 0, make_pieces(neuron.heading), "head"))
        is_wide = (
            self.samples == 1
            and self.look.has_data
            and any(row.product or row.sum for row in neuron.rows)
        )
        for i, head in enumerate(["data", "w · x", "sum"] if is_wide else ["data"]):
            if self.look.has_data:
                table.add_cell(TableCell(line, 2 * i + 1, make_pieces(head), "head"))
            if self.look.has_grads:
                table.add_cell(TableCell(line, 2 * i + 2, make_pieces("grad"), "head"))
        rows, hidden = neuron.rows, 0
        weights = sum(row.input is not None for row in rows)
        if weights > self.most_rows:  # then the bias and other terms without an input follow
            hidden = weights - 2 * ENDS
            rows = [*rows[:ENDS], *rows[weights - ENDS :]]
        for i, row in enumerate(rows):
            if hidden and i == ENDS:
                line = table.add_line()
                table.add_cell(
                    TableCell(line, 0, make_pieces(f"… {hidden} more"), "note", is_wide=True)
                )
            self.add_row(card, row, is_wide)
        card.rail = (1, table.lines)
        values = [x for x in (neuron.z, neuron.activation) if x]
        if self.samples > 1 and self.look.has_data:
            table.is_packed = self.look.options.direction != "left"
            table = CardTable()
            self.add_sample_heads(table, neuron.z)
            card.tables.append(table)
            values = neuron.items if hidden == 0 else values
        else:
            table.rules.append(table.lines)
        for item in values:
            name = self.write_value(neuron, item)
            first = table.lines
            if item.has_samples or self.samples > 1:
                self.add_values(table, item, name)
            else:
                self.add_pair(table, item, name)
            card.outs[item] = (len(card.tables) - 1, (first + table.lines - 1) / 2)
        return card

    def write_value(self, neuron: NeuronValues, item: Item) -> tuple[Span, ...]:
        """Return the name of a value in its neuron: z, a, the product w0 x0, or a partial sum."""
        if item.node.label:
            return self.write_name(item)
        if item in (neuron.z, neuron.activation):
            return write_name("z" if item is neuron.z else "a")
        row = next((row for row in neuron.rows if row.product is item), None)
        if row is None or row.input is None:
            return (Span("sum"),)
        return (*self.write_name(row.parameter), *self.write_name(row.input))

    def write_name(self, item: Item) -> tuple[Span, ...]:
        """Return the short name of an item."""
        return self.headings.write_name(item)

    def write_step(self, step: LooseStep) -> Card:
        """Return the card of a step: its formula, the leaves that only it uses, and its results."""
        table = CardTable()
        results = step.items
        card = Card([table], "step")
        line = table.add_line()
        graph = self.network.graph
        pieces = tuple(self.place_at_use(x, step.operation) for x in self.headings.write(step))
        ids = self.network.list_ids(step.operation, "o")
        table.add_cell(TableCell(line, 0, pieces, "name", is_wide=True, ids=ids))
        op = step.operation.node.op
        is_combined = step.operation.has_samples and list_indices(graph, step.operation)
        if is_combined and self.look.has_data:
            self.add_sample_heads(table, step.operation)
        if op is not None and op.name in UNORDERED and self.look.has_data:
            self.add_classes(table, step.operation)
        for leaf in step.leaves:
            if not leaf.is_number:
                first, marks = table.lines, len(table.marks)
                self.add_values(table, leaf, self.write_name(leaf))
                own = table.marks[marks:]
                table.marks[marks:] = [self.place_at_use(x, step.operation) for x in own]
                table.frames.append((first, table.lines, self.find_kind(leaf)))
        if len(step.operation.nodes) > 1 and step.operation.terms and self.look.has_data:
            self.add_partial_sums(table, step.operation)
        for item in results:
            is_only = len(results) == 1
            name = (Span("data"),) if is_only else self.write_name(item)
            first = table.lines
            if is_only and not self.look.has_data:  # the heading is all there is
                first, mark = 0, self.mark(item, -1, (0, 1), None, ())
                table.add_mark(mark._replace(ids=self.network.list_ids(item)))
            else:
                self.add_values(table, item, name, "head" if is_only else "name")
            card.outs[item] = (0, (first + table.lines - 1) / 2)
        if len(results) == 1:
            card.kind = self.find_kind(results[0])
            table.is_tinted = card.kind == "root"
            if not results[0].has_samples:
                self.make_whole(card, results[0])
        self.add_ports(card, step)
        return card

    def make_whole(self, card: Card, item: Item) -> None:
        """Let the mark of a single value extend over its whole card."""
        table = card.tables[0]
        id = f"v{self.network.place[item.node]}"
        marks = [mark for mark in table.marks if id in mark.ids]
        if len(marks) == 1 and (not item.has_samples or not self.look.has_data):
            card.whole = table.whole = marks[0]
            table.marks.remove(marks[0])

    # ---------------------------------------------------------------------------------- lines

    def add_row(self, card: Card, row: Row, is_wide: bool) -> None:
        """Add the row of a parameter, with its product and sum in a neuron that is not fused."""
        table, line = card.tables[0], card.tables[0].add_line()
        self.add_numbers(table, row.parameter, line, 1, self.write_name(row.parameter))
        for place, item in ((3, row.product), (5, row.sum)):
            if item and is_wide:
                self.add_numbers(table, item, line, place)
        if row.input and row.user:
            card.ports.append(Port(row.input, line, self.list_arrows(row.user, row.k)))

    def add_sample_heads(self, table: CardTable, item: Item) -> None:
        """Add a line with the numbers of the samples that the values of an item belong to."""
        line, sources = table.add_line(), self.network.graph.sources
        numbers = [", ".join(map(str, sources.get(x, (i,)))) for i, x in enumerate(item.nodes)]
        rest = ["…"] if self.shown < len(numbers) else []
        word = "sample" if not any("," in x for x in numbers) else "samples"
        heads = [word, *numbers[: self.shown], *rest]
        for place, head in enumerate(heads):
            table.add_cell(TableCell(line, place, make_pieces(head), "head"))

    def add_pair(self, table: CardTable, item: Item, name: tuple[Span, ...]) -> None:
        """Add a line with the data and the gradient of a single value."""
        line = table.add_line()
        self.add_numbers(table, item, line, 1, name)

    def add_numbers(
        self, table: CardTable, item: Item, line: int, place: int, name: tuple[Span, ...] = ()
    ) -> None:
        """Add the data and the gradient of a single value to a line, and its name before them."""
        node = item.node
        cells = [TableCell(line, 0, (Piece(name),), "name")] if name else []
        if self.look.has_data:
            cells.append(TableCell(line, place, make_pieces(self.format(node.data)), "data"))
        if not node.constant and self.look.has_grads:
            cells.append(TableCell(line, place + 1, self.write_grad(node), "grad"))
        is_alone = bool(name) and table.places <= 3  # else products and sums are in the same line
        places = None if is_alone else (place - bool(name), place + 2)
        table.add_mark(self.mark(item, 0, (line, line + 1), places, cells))

    def add_values(
        self, table: CardTable, item: Item, name: tuple[Span, ...], role: str = "name"
    ) -> None:
        """Add a line with the data of each sample, and one with the gradients."""
        first = table.add_line()
        if not self.look.has_data:
            cell = TableCell(first, 0, (Piece(name),), role)
            mark = self.mark(item, -1, (first, first + 1), None, [cell])
            table.add_mark(mark._replace(ids=self.network.list_ids(item)))
            return
        table.add_cell(TableCell(first, 0, (Piece(name),), role))
        has_grads = self.look.has_grads and not all(node.constant for node in item.nodes)
        if has_grads:
            table.add_cell(TableCell(table.add_line(), 0, make_pieces("grad"), "head"))
        count = len(item.nodes) if item.has_samples else 1
        if count == 1:  # under the last sample, if there are samples above
            self.add_sample(table, item, -1, first, max(1, table.places - 1), has_grads)
        for sample in range(min(count, self.shown) if count > 1 else 0):
            self.add_sample(table, item, sample, first, sample + 1, has_grads)
        if count > self.shown:
            table.add_cell(TableCell(first, self.shown + 1, make_pieces("…"), "note"))

    def add_sample(
        self, table: CardTable, item: Item, sample: int, line: int, place: int, has_grads: bool
    ) -> None:
        node = item.nodes[sample]
        cells = [TableCell(line, place, make_pieces(self.format(node.data)), "data")]
        if has_grads:
            cells.append(TableCell(line + 1, place, self.write_grad(node), "grad"))
        lines, places = (line, line + 1 + has_grads), None if sample < 0 else (place, place + 1)
        table.add_mark(self.mark(item, sample, lines, places, cells))

    def add_classes(self, table: CardTable, item: Item) -> None:
        """Add a line with the label of each sample: the number of the first input of its loss."""
        line = table.add_line()
        table.add_cell(TableCell(line, 0, make_pieces("label"), "head"))
        for sample, node in enumerate(item.nodes[: self.shown]):
            label = self.network.graph.sorted_inputs(node).index(node.inputs[0])
            table.add_cell(TableCell(line, sample + 1, make_pieces(str(label)), "name"))

    def add_partial_sums(self, table: CardTable, item: Item) -> None:
        """Add a line with the sums over the first samples."""
        assert item.terms is not None
        count = len(item.terms.nodes)
        sums, first = item.nodes[:-1], count - len(item.nodes)
        line = table.add_line()
        table.add_cell(TableCell(line, 0, make_pieces("so far"), "head"))
        has_grads = self.look.has_grads
        if has_grads:
            table.add_cell(TableCell(table.add_line(), 0, make_pieces("grad"), "head"))
        for i, _ in enumerate(sums[: max(0, self.shown - first)]):
            self.add_sample(table, item, i, line, first + i + 1, has_grads)
        rest = "…" if self.shown < count else ""  # the place of the last sample is free
        last = self.shown + bool(rest)
        table.add_cell(TableCell(line, last, make_pieces(rest), "note"))

    # -------------------------------------------------------------------------------- details

    def add_ports(self, card: Card, step: LooseStep) -> None:
        """Add a port for each computed input of a step, spread over the card."""
        item = step.operation
        arrows: dict[Item, list[str]] = {}
        for k, x in enumerate(self.network.graph.list_inputs(item)):
            if x in step.leaves or x.node in self.network.parameters:
                continue
            arrows.setdefault(x, []).extend(self.list_arrows(item, k))
        lines = card.tables[0].lines
        for i, (x, ids) in enumerate(arrows.items()):
            card.ports.append(Port(x, (i + 1) * lines / (len(arrows) + 1) - 0.5, ids))

    def mark(
        self, item: Item, sample: int, lines: tuple[int, int],
        places: tuple[int, int] | None, cells: Sequence[TableCell],
    ) -> ValueMark:  # fmt: skip
        """Return the mark of a value: its ids, and its full name as a title."""
        node = item.nodes[sample]
        ids = self.network.list_ids(item)
        if not item.is_number:
            ids = tuple(f"v{self.network.place[x]}" for x in item.list_copies(sample))
        title = replace_invalid(self.names[item].full)
        if item.has_samples:
            title += f", {self.network.graph.describe_sample(node) or f'sample {sample}'}"
        fill = blend(self.look.theme.heat, self.heat[node]) if node in self.heat else ""
        kind = classify(node, self.network.root, self.modules)
        return ValueMark(ids, title, kind, lines, places, tuple(cells), fill)

    def list_arrows(self, item: Item, k: int) -> list[str]:
        """Return the ids of the arrows from an item's k-th input, of all samples."""
        graph, place = self.network.graph, self.network.place
        if item.terms:
            inputs = [(x, i, y) for x in item.nodes for i, y in enumerate(x.inputs)]
            return [f"e{place[x]}-{i}" for x, i, y in inputs if y in item.terms.nodes]
        arrows = []
        for node in item.nodes:
            x = graph.sorted_inputs(node)[k]
            numbers = [i for i, y in enumerate(node.inputs) if y is x]
            arrows.append(f"e{place[node]}-{k if k in numbers else numbers[0]}")
        return arrows

    def place_at_use(self, drawn: DrawnValue, item: Item) -> DrawnValue:
        """Return an input of an item with the ids of its arrows in all samples."""
        place = self.network.place
        uses = [(node, k, x) for node in item.nodes for k, x in enumerate(node.inputs)]
        at = [f"e{place[node]}-{k}" for node, k, x in uses if f"v{place[x]}" in drawn.ids]
        return drawn._replace(at=tuple(at))

    def find_kind(self, item: Item) -> str:
        return classify(item.node, self.network.root, self.modules)

    def write_grad(self, node: Node) -> tuple[Piece, ...]:
        return make_pieces(self.format(self.grads.get(node, node.grad)))

    def format(self, x: float) -> str:
        return format_number(x, self.look.options.format)
