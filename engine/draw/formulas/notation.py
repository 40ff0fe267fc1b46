"""The names of nodes, the format of numbers, and the formulas that frames show.

A formula is a line of MathML, split into pieces: many lines share pieces, and a page contains each
piece once.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

from engine.draw.formulas.labels import is_power, set_plain
from engine.draw.formulas.places import Place, mark_place
from engine.draw.formulas.symbols import Symbol, combine, format_as, lift, make_name, make_place
from engine.draw.formulas.writing import ATOM, PRECEDENCE, MathML, to_mathml
from engine.draw.look.theme import format_number
from engine.node import Node
from engine.rules import TABLE
from engine.sequences.vector_op import Output

Line = tuple[str, ...]
Number: TypeAlias = float | Place


class Name(NamedTuple):
    """A name: short, as in formulas, and full, which no other value of the graph has."""

    short: str
    full: str


NO_NAMES: Mapping[Node, Name] = {}
NO_PLACES: Mapping[Node, Place] = {}


class Notation:
    """The names of nodes and the format of numbers in formulas.

    In a network, several nodes may have the same name; `network` has their full names. The data of
    nodes that are in `places` is written as places, which are filled in later.

    >>> from engine import Value
    >>> x = Value(-0.5, "x")
    >>> notation = Notation({x: "x"}, ".4g")
    >>> str(notation.name(x)), str(notation.number(x.data))
    ('x', '−0.5')
    """

    def __init__(
        self,
        names: Mapping[Node, str],
        spec: str,
        network: Mapping[Node, Name] = NO_NAMES,
        places: Mapping[Node, Place] = NO_PLACES,
    ):
        self.names, self.spec, self.network, self.places = names, spec, network, places

    @cached_property
    def results(self) -> list[Any]:
        """The nodes that are one of several results of an operation."""
        return [x for x in self.names if isinstance(x.op, Output)]

    def full_name(self, node: Node) -> str:
        """Return a name that no other value has, such as layers[0].neurons[1].w0."""
        return self.network[node].full if node in self.network else self.names[node]

    def name(self, node: Node) -> Symbol:
        """Return the name of a node."""
        return make_name(self.names[node])

    def input(self, node: Node) -> Symbol:
        """Return the name of an operation's input; of a constant without a name, its number.

        A constant has a name if it has a label, or if it is an input of a network.
        """
        is_number = node.constant and not node.label
        if is_number and (node not in self.network or self.names[node] == self.format(node.data)):
            return self.data(node)
        return self.name(node)

    def text(self, node: Node) -> str:
        """Return the name of a node in a sentence: x₁ for x1."""
        return set_plain(self.names[node])

    def inputs(self, node: Node) -> list[Symbol]:
        """Return the names of an operation's inputs, without a dot product's bias of 0."""
        symbols = [self.input(x) for x in node.inputs]
        last = node.inputs[-1]
        if node.op is TABLE["dot"] and last.constant and not last.label and last.data == 0.0:
            symbols[-1] = lift(0.0)
        return symbols

    def data(self, node: Node) -> Symbol:
        """Return the data of a node."""
        return self.number(self.places.get(node, node.data))

    def format_data(self, node: Node) -> str:
        """Format the data of a node outside formulas."""
        return self.format(self.places.get(node, node.data))

    def number(self, x: Number) -> Symbol:
        """Return a number as it is formatted."""
        if isinstance(x, Place):
            return make_place(x)
        if x >= 0 or x != x:
            return format_as(x, self.format(x))
        return combine("neg", format_as(-x, self.format(-x)))

    def format(self, x: Number) -> str:
        """Format a number outside formulas."""
        if isinstance(x, Place):
            return mark_place(x.key)
        return format_number(x, self.spec)

    def format_apart(self, x: float, y: float) -> tuple[str, str]:
        """Format two numbers with so many digits that two that differ read differently.

        >>> Notation({}, ".4g").format_apart(5.4821, 5.48213)
        ('5.4821', '5.48213')
        """
        for spec in (self.spec, *(f".{digits}g" for digits in range(5, 14))):
            texts = format_number(x, spec), format_number(y, spec)
            if texts[0] != texts[1]:
                return texts
        return self.format(x), self.format(y)

    def write_factor(self, x: Number) -> str:
        """Write a number as a factor: in parentheses if it is negative."""
        return MathML().write(self.number(x), PRECEDENCE["·"] + 1)

    def write_product(
        self, to: str, sign: str, upstream: Number, local: Number, sent: Number
    ) -> Line:
        """Write the numbers of a contribution: to += upstream * local = sent."""
        product = combine("·", self.number(upstream), self.number(local))
        return to, f"<mo>{sign}</mo>", write_equality(product, self.number(sent))

    def write_running_sum(self, to: str, before: Number, sent: Number, after: Number) -> Line:
        """Write the sum of the contributions so far: to = before + sent = after."""
        total = combine("+", self.number(before), self.number(sent))
        return to, "<mo>=</mo>", write_equality(total, self.number(after))


def choose_names(
    order: Sequence[Node], spec: str, network: Mapping[Node, Name] = NO_NAMES
) -> list[str]:
    """Return a name for each node, as it is written in formulas.

    The name is the label, numbered as x#1 and x#2 if several nodes have it. A constant without a
    label is its number, any other node v3, by its place. `network` are the names of the nodes of a
    network, which are short, and which nodes of different neurons share.
    """
    labels = Counter(node.label for node in order if node not in network)
    counts: Counter[str] = Counter()
    taken = {*labels, *(name.short for name in network.values())}
    names = []
    for i, node in enumerate(order):
        name = node.label
        if node in network:
            names.append(network[node].short)
            continue
        if not name and node.constant:
            names.append(format_number(node.data, spec))
            continue
        if not name:
            name = f"v{i}"
            while name in taken:
                name += "#1"
        while labels[node.label] > 1 and node.label and name in taken:
            counts[node.label] += 1
            name = f"{node.label}#{counts[node.label]}"
        taken.add(name)
        names.append(name)
    return names


def write_equality(*sides: Symbol | str) -> str:
    """Write a = b = c, of expressions or MathML."""
    return "<mo>=</mo>".join(side if isinstance(side, str) else to_mathml(side) for side in sides)


def write_equation(left: Symbol | str, *sides: Symbol | str) -> Line:
    """Write a = b = c as a line."""
    return write_equality(left), "<mo>=</mo>", write_equality(*sides)


def write_derivative(of: Symbol, to: Symbol, d: str = "∂") -> str:
    """Write a local derivative, along one arrow."""
    writer = MathML()
    names = [
        writer.write_parentheses(writer.write(x))
        if x.head == "name" and is_power(x.parts[0])
        else writer.write(x, ATOM)
        for x in (of, to)
    ]
    over, under = (f"<mrow><mi>{d}</mi>{name}</mrow>" for name in names)
    return f"<mfrac>{over}{under}</mfrac>"


def write_gradient(root: Symbol, x: Symbol) -> str:
    """Write the derivative of the root, along all paths."""
    return write_derivative(root, x, "d")


def write_grad(root: Symbol, x: Symbol) -> str:
    """Write `x.grad`, the result of a pass that may be wrong."""
    return f"<mrow>{to_mathml(x)}<mtext>.grad</mtext></mrow>"


def write_chain_rule(to: str, sign: str, upstream: str, local: str, *rules: Symbol) -> Line:
    """Write d root / d x += d root / d out * ∂ out / ∂ x, with its forms below the last factor."""
    texts = [to_mathml(rules[0]), *(f"<mo>=</mo>{to_mathml(rule)}" for rule in rules[1:])]
    forms = f'<mrow displaystyle="true">{texts[0]}</mrow>'
    if len(texts) > 1:  # below each other: a wide row would leave gaps beside the factor
        rows = "".join(f"<mtr><mtd>{text}</mtd></mtr>" for text in texts)
        forms = f'<mtable displaystyle="true">{rows}</mtable>'
    braced = f"<munder><munder>{local}<mo>⏟</mo></munder>{forms}</munder>"
    return to, f"<mo>{sign}</mo>", f"{upstream}<mo>⋅</mo>{braced}"


def number_repeats(inputs: Sequence[Symbol]) -> list[Symbol]:
    """Return the inputs of an operation, with x#1 and x#2 for an x that occurs twice."""
    uses = Counter(inputs)
    counts: Counter[Symbol] = Counter()
    slots = []
    for x in inputs:
        counts[x] += 1
        slots.append(x if uses[x] == 1 else add_number(x, counts[x]))
    return slots


def add_number(x: Symbol, n: int) -> Symbol:
    """Return x#n, the n-th of several with one name."""
    return make_name(f"{x.parts[-1]}#{n}")
