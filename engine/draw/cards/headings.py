"""The headings of cards: names, and the formulas of values that no neuron computes."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from engine.draw.cards.neurons import LooseStep, NeuronGraph
from engine.draw.cards.samples import Item, ItemGraph
from engine.draw.cards.tables import Piece, join_pieces, make_pieces, write_name
from engine.draw.formulas.notation import Name
from engine.draw.formulas.symbols import build_formula, make_name
from engine.draw.graph.clusters import format_path
from engine.draw.graph.dot import replace_invalid
from engine.draw.look.scene import Span
from engine.draw.look.theme import SYMBOLS, format_number
from engine.sequences.vector_op import Output, Outputs

LONGEST_NAME, LONGEST_FORMULA = 18, 26  # characters
MOST_PARAMETERS = 2  # that a formula names
INDICES = "ijk"  # of samples
TOKEN = 0xE000  # the first of the characters that stand for inputs while a formula is written
Operand: TypeAlias = tuple[Item, str]  # an input of a formula, and the index of its sample


class Headings:
    """A writer of the names of a network's items, and of formulas such as diff = z − y."""

    def __init__(self, network: NeuronGraph, names: Mapping[Item, Name], spec: str):
        self.network, self.names, self.spec = network, names, spec
        self.layer_of = {
            item: format_path(layer.path)
            for layer in network.layers
            for neuron in layer.neurons
            for item in neuron.items
        }

    def write_name(self, item: Item) -> tuple[Span, ...]:
        """Return the short name of an item."""
        return write_name(clean_name(self.names[item].short))

    def write(self, step: LooseStep) -> tuple[Piece, ...]:
        """Return the formula of a step. It has no left side if there are several results."""
        left: list[Piece] = []
        if len(step.items) == 1:
            left = [Piece(self.write_name(step.items[0])), Piece((Span(" = "),))]
        return join_pieces([*left, *self.write_right_side(step.operation)])

    def write_right_side(self, item: Item) -> Iterable[Piece]:
        """Return the operation on names and numbers, or its name and the number of inputs."""
        op, inputs = item.node.op, self.network.graph.list_inputs(item)
        name = op.vector_op.name if isinstance(op, Output) else op.name if op else ""
        used = [*dict.fromkeys(inputs)]
        is_sum = bool(item.terms) or (name == "total" and is_sum_over_samples(item, used))
        indices = () if is_sum else list_indices(self.network.graph, item)
        operands = [*zip(inputs, indices or [""] * len(inputs), strict=True)]
        parameters = sum(x.node in self.network.parameters for x in used)
        if parameters > MOST_PARAMETERS:
            return make_pieces(f"{clean_name(name)} of {parameters} parameters")
        tokens = {x: chr(TOKEN + i) for i, x in enumerate(dict.fromkeys(operands))}
        call = f"({', '.join(tokens[x] for x in operands)})"
        if is_sum:
            formulas = ["Σ " + ", ".join(tokens.values())]
        elif op is None or isinstance(item.node, Outputs) or isinstance(op, Output):
            formulas = [name + call]
        else:
            formula = build_formula(op, [make_name(tokens[x]) for x in operands])
            formulas = [str(formula), SYMBOLS.get(name, name) + call]
        for text in formulas:
            if self.measure(text, tokens) <= LONGEST_FORMULA:
                return self.replace_tokens(text, tokens)
        return make_pieces(f"{clean_name(name)} of {len(inputs)} values")

    def measure(self, text: str, tokens: Mapping[Operand, str]) -> int:
        """Return the number of characters of a formula, with names in place of tokens."""
        lengths = {
            token: len(clean_name(self.names[x].short)) + len(i) for (x, i), token in tokens.items()
        }
        return sum(lengths.get(character, 1) for character in text)

    def replace_tokens(self, text: str, tokens: Mapping[Operand, str]) -> Iterator[Piece]:
        """Yield a formula with names, and with constants as pieces of their own."""
        items = {token: x for x, token in tokens.items()}
        shorts = Counter(self.names[x].short for x in {x for x, _ in tokens} if not x.is_number)
        for i, character in enumerate(text):
            if character not in items:
                is_sign = character == "^" and text[i + 1] in items  # of a power
                yield Piece((Span("" if is_sign else character),))
                continue
            x, index = items[character]
            is_power = text[i - 1 : i] == "^"
            if x.is_number and is_power:
                yield Piece((Span(format_number(x.node.data, self.spec), "sup"),))
            elif x.is_number:
                yield Piece(self.write_name(x), self.network.list_ids(x), "a constant")
            else:
                prefix = shorts[self.names[x].short] > 1 and self.layer_of.get(x, "")
                start = (Span(f"{clean_name(prefix)}."),) if prefix else ()
                end = (Span(index),) if index else ()
                spans = (*start, *self.write_name(x), *end)
                yield Piece(tuple(Span(y.text, "sup") for y in spans) if is_power else spans)


def is_sum_over_samples(item: Item, inputs: Sequence[Item]) -> bool:
    """Return whether an operation uses each sample of its inputs once."""
    nodes = [node for x in inputs for node in x.nodes]
    is_each_once = sorted(map(id, nodes)) == sorted(map(id, item.node.inputs))
    return is_each_once and all(x.has_samples for x in inputs)


def list_indices(graph: ItemGraph, item: Item) -> list[str]:
    """Return the indices of an operation's inputs if it combines samples, such as "[i]" and "[j]".

    They are numbers if the operation occurs once, and "" for inputs that all samples share. Returns
    [] for an operation that occurs once for each sample, or has many inputs.
    """
    used: dict[tuple[int, ...], str] = {}
    indices, size = [], len(item.nodes)
    for k, x in enumerate(graph.list_inputs(item) if not item.terms else ()):
        if not x.has_samples or len(x.nodes) == size:
            indices.append("")
            continue
        numbers = tuple(x.nodes.index(graph.sorted_inputs(node)[k]) for node in item.nodes)
        letter = str(numbers[0]) if size == 1 else INDICES[len(used) : len(used) + 1]
        indices.append(f"[{used.setdefault(numbers, letter)}]")
    return indices if 0 < len(used) <= len(INDICES) else []


def clean_name(name: str) -> str:
    """Return a name on one line, without its middle if it is long."""
    return cut_middle(" ".join(replace_invalid(name).split()), LONGEST_NAME)


def cut_middle(text: str, longest: int) -> str:
    """Return a text without its middle if it has more than `longest` characters.

    >>> cut_middle("a very long name", 9)
    'a ve…name'
    """
    half = longest // 2
    return text if len(text) <= longest else f"{text[: longest - half - 1]}…{text[-half:]}"
