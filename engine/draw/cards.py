"""The cards of a network: tables of the names, data and gradients of its inputs, neurons and
steps.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from engine.draw.clusters import Modules
from engine.draw.dot import replace_invalid
from engine.draw.neurons import Network, Neuron, Row, Step, format_path
from engine.draw.notation import Name
from engine.draw.samples import UNORDERED, Item
from engine.draw.scene import Span
from engine.draw.symbols import build_formula, make_name
from engine.draw.tables import Cell, Look, Mark, Piece, Table, join, write_name, write_text
from engine.draw.theme import SYMBOLS, blend, format_number
from engine.draw.view import classify
from engine.node import Node
from engine.sequences.vector_op import Output, Outputs

MOST_ROWS, ENDS = 29, 3  # of weights; beyond it, a card has some at both ends
MANY_VALUES, FEW_ROWS = 250, 8  # in a picture of many values, of which no page steps through each
MOST_SAMPLES, FIRST_SAMPLES = 5, 3  # beyond it, a card has the numbers of the first ones
LONGEST_NAME = 18  # characters
LONGEST_FORMULA = 26
TOKEN = 0xE000  # the first of the characters that stand for inputs in a formula


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

    tables: list[Table]
    kind: str
    outs: dict[Item, tuple[int, float]] = field(default_factory=dict)  # a table and a line in it
    ports: list[Port] = field(default_factory=list)
    rail: tuple[int, int] | None = None  # the lines of parameters in the first table
    whole: Mark | None = None  # the value that the whole card is


class CardWriter:
    """A writer of the cards of one network."""

    def __init__(
        self,
        network: Network,
        names: Mapping[Item, Name],
        look: Look,
        modules: Modules,
        grads: Mapping[Node, float],
        heat: Mapping[Node, float],
    ):
        self.network, self.names, self.look = network, names, look
        self.modules, self.grads, self.heat = modules, grads, heat
        self.samples = network.fold.samples
        self.shown = self.samples if self.samples <= MOST_SAMPLES else FIRST_SAMPLES
        self.layer_of = {
            item: format_path(layer.path)
            for layer in network.layers for neuron in layer.neurons for item in neuron.items
        }  # fmt: skip
        self.most_rows = MOST_ROWS if len(names) <= MANY_VALUES else FEW_ROWS

    # ---------------------------------------------------------------------------------- cards

    def write_input(self, item: Item) -> Card:
        """Return the card of an input: its name and numbers, and the gradients below."""
        table = Table()
        card = Card([table], self.find_kind(item))
        self.add_values(table, item, self.write_name(item))
        card.outs[item] = (0, (table.lines - 1) / 2)
        self.make_whole(card, item)
        return card

    def write_neuron(self, neuron: Neuron) -> Card:
        """Return the card of a neuron: its parameters, then z and its activation."""
        table = Table()
        card = Card([table], "neuron")
        line = table.add_line()
        table.add_cell(Cell(line, 0, write_text(neuron.heading), "head"))
        is_wide = self.samples == 1 and any(row.product or row.sum for row in neuron.rows)
        for i, head in enumerate(["data", "w · x", "sum"] if is_wide else ["data"]):
            if self.look.has_data:
                table.add_cell(Cell(line, 2 * i + 1, write_text(head), "head"))
            if self.look.has_grads:
                table.add_cell(Cell(line, 2 * i + 2, write_text("grad"), "head"))
        rows, hidden = neuron.rows, 0
        weights = sum(row.input is not None for row in rows)
        if weights > self.most_rows:  # then the bias and other terms without an input follow
            hidden = weights - 2 * ENDS
            rows = [*rows[:ENDS], *rows[weights - ENDS :]]
        for i, row in enumerate(rows):
            if hidden and i == ENDS:
                line = table.add_line()
                table.add_cell(Cell(line, 0, write_text(f"… {hidden} more"), "note", is_wide=True))
            self.add_row(card, row, is_wide)
        card.rail = (1, table.lines)
        values = [x for x in (neuron.z, neuron.activation) if x]
        if self.samples > 1 and self.look.has_data:
            table.is_packed = True
            table = Table()
            self.add_sample_heads(table)
            card.tables.append(table)
            values = neuron.items if hidden == 0 else values
        else:
            table.rules.append(table.lines)
        for item in values:
            name = self.write_value(neuron, item)
            first = table.lines
            if item.is_folded or self.samples > 1:
                self.add_values(table, item, name)
            else:
                self.add_pair(table, item, name)
            card.outs[item] = (len(card.tables) - 1, (first + table.lines - 1) / 2)
        return card

    def write_value(self, neuron: Neuron, item: Item) -> tuple[Span, ...]:
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
        return write_name(self.cut(self.names[item].short))

    def write_step(self, step: Step) -> Card:
        """Return the card of a step: its formula, the leaves that only it uses, and its results."""
        table = Table()
        results = step.items
        card = Card([table], "step")
        line = table.add_line()
        pieces = self.write_formula(step)
        table.add_cell(Cell(line, 0, pieces, "name", is_wide=True, ids=self.list_ids(step.operation, "o")))
        op = step.operation.node.op
        if op is not None and op.name in UNORDERED and self.look.has_data:
            self.add_classes(table, step.operation)
        for leaf in step.leaves:
            if not leaf.is_number:
                self.add_values(table, leaf, self.write_name(leaf))
        if step.operation.terms and self.look.has_data:
            self.add_partial_sums(table, step.operation)
        for item in results:
            is_only = len(results) == 1
            name = (Span("data" if self.look.has_data else ""),) if is_only else self.write_name(item)
            first = table.lines
            self.add_values(table, item, name, "head" if is_only else "name")
            card.outs[item] = (0, (first + table.lines - 1) / 2)
        if len(results) == 1:
            card.kind = self.find_kind(results[0])
            if not results[0].is_folded:
                self.make_whole(card, results[0])
        self.add_ports(card, step)
        return card

    def make_whole(self, card: Card, item: Item) -> None:
        """Let the mark of a single value extend over its whole card."""
        table = card.tables[0]
        marks = [mark for mark in table.marks if set(mark.ids) & set(self.list_ids(item))]
        if len(marks) == 1:
            card.whole = table.whole = marks[0]
            table.marks.remove(marks[0])

    # ---------------------------------------------------------------------------------- lines

    def add_row(self, card: Card, row: Row, is_wide: bool) -> None:
        """Add the row of a parameter, with the product and the sum of a neuron that is not fused."""
        table, line = card.tables[0], card.tables[0].add_line()
        self.add_numbers(table, row.parameter, line, 1, self.write_name(row.parameter))
        for place, item in ((3, row.product), (5, row.sum)):
            if item and is_wide:
                self.add_numbers(table, item, line, place)
        if row.input and row.user:
            card.ports.append(Port(row.input, line, self.list_arrows(row.user, row.k)))

    def add_sample_heads(self, table: Table) -> None:
        """Add a line with the numbers of the samples."""
        line = table.add_line()
        heads = ["sample", *map(str, range(self.shown)), *(["…"] if self.shown < self.samples else [])]
        for place, head in enumerate(heads):
            table.add_cell(Cell(line, place, write_text(head), "head"))

    def add_pair(self, table: Table, item: Item, name: tuple[Span, ...]) -> None:
        """Add a line with the data and the gradient of a single value."""
        line = table.add_line()
        self.add_numbers(table, item, line, 1, name)

    def add_numbers(self, table: Table, item: Item, line: int, place: int, name: tuple[Span, ...] = ()) -> None:
        """Add the data and the gradient of a single value to a line, and its name before them."""
        node = item.node
        cells = [Cell(line, 0, (Piece(name),), "name")] if name else []
        if self.look.has_data:
            cells.append(Cell(line, place, write_text(self.format(node.data)), "data"))
        if not node.constant and self.look.has_grads:
            cells.append(Cell(line, place + 1, write_text(self.format(self.get_grad(node))), "grad"))
        places = None if name and place == 1 and table.places <= 3 else (place - bool(name), place + 2)
        table.add_mark(self.mark(item, 0, (line, line + 1), places, cells))

    def add_values(self, table: Table, item: Item, name: tuple[Span, ...], role: str = "name") -> None:
        """Add a line with the data of each sample, and one with the gradients."""
        first = table.add_line()
        if not self.look.has_data:
            cell = Cell(first, 0, (Piece(name),), role)
            mark = self.mark(item, -1, (first, first + 1), None, [cell])
            table.add_mark(mark._replace(ids=self.list_ids(item)))
            return
        table.add_cell(Cell(first, 0, (Piece(name),), role))
        has_grads = self.look.has_grads and not all(node.constant for node in item.nodes)
        if has_grads:
            table.add_cell(Cell(table.add_line(), 0, write_text("grad"), "head"))
        count = len(item.nodes) if item.is_folded else 1
        if count == 1:  # under the last sample, if there are samples above
            self.add_sample(table, item, -1, first, max(1, table.places - 1), has_grads)
        for sample in range(min(count, self.shown) if count > 1 else 0):
            self.add_sample(table, item, sample, first, sample + 1, has_grads)
        if count > self.shown:
            table.add_cell(Cell(first, self.shown + 1, write_text("…"), "note"))

    def add_sample(
        self, table: Table, item: Item, sample: int, line: int, place: int, has_grads: bool
    ) -> None:
        node = item.nodes[sample]
        cells = [Cell(line, place, write_text(self.format(node.data)), "data")]
        if has_grads:
            cells.append(Cell(line + 1, place, write_text(self.format(self.get_grad(node))), "grad"))
        lines = (line, line + 1 + has_grads)
        table.add_mark(self.mark(item, sample, lines, (place, place + 1), cells))

    def add_classes(self, table: Table, item: Item) -> None:
        """Add a line with the label of each sample: the number of the first input of its loss."""
        line = table.add_line()
        table.add_cell(Cell(line, 0, write_text("label"), "head"))
        for sample, node in enumerate(item.nodes[: self.shown]):
            label = self.network.fold.sorted_inputs(node).index(node.inputs[0])
            table.add_cell(Cell(line, sample + 1, write_text(str(label)), "name"))

    def add_partial_sums(self, table: Table, item: Item) -> None:
        """Add a line with the sums over the first samples."""
        sums, first = item.nodes[:-1], self.samples - len(item.nodes)
        line = table.add_line()
        table.add_cell(Cell(line, 0, write_text("so far"), "head"))
        has_grads = self.look.has_grads
        if has_grads:
            table.add_cell(Cell(table.add_line(), 0, write_text("grad"), "head"))
        for i, _ in enumerate(sums[: max(0, self.shown - first)]):
            self.add_sample(table, item, i, line, first + i + 1, has_grads)
        rest = "…" if self.shown < self.samples else ""  # the place of the last sample is free
        last = self.shown + bool(rest)
        table.add_cell(Cell(line, last, write_text(rest), "note"))

    # ------------------------------------------------------------------------------- formulas

    def write_formula(self, step: Step) -> tuple[Piece, ...]:
        """Return "diff = z − y" as pieces."""
        result = [step.items[0]] if len(step.items) == 1 else []
        left: list[Piece] = []
        if result:
            left = [Piece(self.write_name(result[0])), Piece((Span(" = "),))]
        return join([*left, *self.write_right_side(step)])

    def write_right_side(self, step: Step) -> Iterable[Piece]:
        item, op = step.operation, step.operation.node.op
        inputs = self.network.fold.list_inputs(item)
        name = op.vector_op.name if isinstance(op, Output) else op.name if op else ""
        used = dict.fromkeys(inputs)
        owned = sum(x.node in self.network.parameters for x in used)
        if owned > 2:
            return write_text(f"{self.cut(name)} of {owned} parameters")
        tokens = {x: chr(TOKEN + i) for i, x in enumerate(used)}
        if item.terms or (name == "total" and self.is_sum_over_samples(item, used)):
            text = "Σ " + ", ".join(tokens.values())
        elif isinstance(item.node, Outputs):
            text = f"{name}({', '.join(tokens[x] for x in inputs)})"
        else:
            text = str(build_formula(op, [make_name(tokens[x]) for x in inputs])) if op else ""
            if measure_text(text, self, tokens) > LONGEST_FORMULA:
                text = f"{SYMBOLS.get(name, name)}({', '.join(tokens[x] for x in inputs)})"
        if measure_text(text, self, tokens) > LONGEST_FORMULA:
            text = f"{self.cut(name)} of {len(inputs)} values"
        return self.replace_tokens(text, tokens, item)

    def is_sum_over_samples(self, item: Item, used: Iterable[Item]) -> bool:
        """Return whether an operation uses each sample of some items once."""
        nodes = {id(node) for x in used for node in x.nodes}
        several = all(x.is_folded for x in used)
        return several and nodes == set(map(id, item.node.inputs)) and len(nodes) == len(item.node.inputs)

    def replace_tokens(self, text: str, tokens: Mapping[Item, str], item: Item) -> Iterable[Piece]:
        """Yield a formula with names of items, and with constants in boxes of their own."""
        items = {token: x for x, token in tokens.items()}
        shorts = Counter(self.names[x].short for x in tokens if not x.is_number)
        plain = ""
        for character in text:
            if character not in items:
                plain += character
                continue
            x = items[character]
            spans = self.write_name(x)
            if shorts[self.names[x].short] > 1 and x in self.layer_of:
                spans = (Span(f"{self.cut(self.layer_of[x])}."), *spans)
            is_power = plain.endswith("^")
            if is_power:
                plain = plain[:-1]
                spans = tuple(Span(span.text, "sup") for span in spans)
            if plain:
                yield Piece((Span(plain),))
                plain = ""
            if x.is_number:
                if is_power:
                    yield Piece((Span(format_number(x.node.data, self.look.options.format), "sup"),))
                else:
                    yield Piece(spans, tuple(self.list_ids(x)), "a constant")
            else:
                yield Piece(spans)
                if x.is_folded and len(item.nodes) == 1 and len(set(item.node.inputs) & set(x.nodes)) == 1:
                    (node,) = set(item.node.inputs) & set(x.nodes)
                    yield Piece((Span(f"[{x.nodes.index(node)}]"),))
        if plain:
            yield Piece((Span(plain),))

    def add_ports(self, card: Card, step: Step) -> None:
        """Add a port for each computed input of a step, spread over the card."""
        item = step.operation
        arrows: dict[Item, list[str]] = {}
        for k, x in enumerate(self.network.fold.list_inputs(item)):
            if x in step.leaves or x.node in self.network.parameters:
                continue
            arrows.setdefault(x, []).extend(self.list_arrows(item, k))
        lines = card.tables[0].lines
        for i, (x, ids) in enumerate(arrows.items()):
            card.ports.append(Port(x, (i + 1) * lines / (len(arrows) + 1) - 0.5, ids))

    # -------------------------------------------------------------------------------- details

    def mark(
        self, item: Item, sample: int, lines: tuple[int, int],
        places: tuple[int, int] | None, cells: Sequence[Cell],
    ) -> Mark:  # fmt: skip
        """Return the mark of a value: its ids, and its full name as a title."""
        node = item.nodes[sample]
        ids = [f"v{self.network.place[x]}" for x in item.list_copies(sample)]
        if item.is_number:
            ids = self.list_ids(item)
        title = self.title(item, sample)
        fill = blend(self.look.theme.heat, self.heat[node]) if node in self.heat else ""
        return Mark(tuple(ids), title, self.find_kind(item), lines, places, tuple(cells), fill)

    def title(self, item: Item, sample: int) -> str:
        full = replace_invalid(self.names[item].full)
        if item.is_folded:
            return f"{full}, sample {sample}"
        return full

    def list_ids(self, item: Item, letter: str = "v") -> tuple[str, ...]:
        """Return the ids of the values, or of the operations, of all samples."""
        place = self.network.place
        nodes = [x for sample in range(len(item.nodes)) for x in item.list_copies(sample)]
        return tuple(f"{letter}{place[x]}" for x in nodes)

    def list_arrows(self, item: Item, k: int) -> list[str]:
        """Return the ids of the arrows from an item's k-th input, of all samples."""
        fold, place = self.network.fold, self.network.place
        if item.terms:
            return [f"e{place[x]}-{i}" for x in item.nodes for i, y in enumerate(x.inputs) if y in item.terms.nodes]
        arrows = []
        for node in item.nodes:
            x = fold.sorted_inputs(node)[k]
            numbers = [i for i, y in enumerate(node.inputs) if y is x]
            arrows.append(f"e{place[node]}-{k if k in numbers else numbers[0]}")
        return arrows

    def find_kind(self, item: Item) -> str:
        return classify(item.node, self.network.root, self.modules)

    def get_grad(self, node: Node) -> float:
        return self.grads.get(node, node.grad)

    def format(self, x: float) -> str:
        return format_number(x, self.look.options.format)

    def cut(self, name: str) -> str:
        """Return a name on one line, without its middle if it is long."""
        return cut_middle(" ".join(replace_invalid(name).split()), LONGEST_NAME)


def cut_middle(text: str, longest: int) -> str:
    """Return a text without its middle if it has more than `longest` characters.

    >>> cut_middle("a very long name", 9)
    'a ve…name'
    """
    half = longest // 2
    return text if len(text) <= longest else f"{text[: longest - half - 1]}…{text[-half:]}"


def measure_text(text: str, writer: CardWriter, tokens: Mapping[Item, str]) -> int:
    """Return the number of characters of a formula, with the names in place of tokens."""
    lengths = {token: len(writer.cut(writer.names[x].short)) for x, token in tokens.items()}
    return sum(lengths.get(character, 1) for character in text)
