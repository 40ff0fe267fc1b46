"""The facts about a value that a page shows when it is selected."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from engine.draw.formulas.forms import build_slopes
from engine.draw.formulas.labels import set_plain
from engine.draw.formulas.notation import (
    Line,
    Notation,
    Number,
    number_repeats,
    write_derivative,
    write_equation,
)
from engine.draw.formulas.places import Place
from engine.draw.formulas.symbols import Symbol, build_formula, build_results
from engine.draw.formulas.writing import to_mathml
from engine.draw.graph.view import is_result
from engine.draw.look.theme import SYMBOLS
from engine.node import Node
from engine.sequences.vector_op import Output, Outputs

MOST_PARTIALS = 100  # listed local derivatives of an operation


class Facts(NamedTuple):
    """The facts about one value or box."""

    id: str  # in the drawing
    name: str
    kind: str = ""
    math: str = ""  # the name in MathML
    lines: Sequence[Line] = ()  # the formula and local derivatives; numbers are the fourth pieces
    factors: Sequence[str] = ()  # the local derivatives, as they are written in a product
    origin: str = ""  # the line of code
    uses: Sequence[str] = ()  # the names of the inputs, numbered if one is used several times
    gradient: str = ""  # of Arrays, and their paths; the page computes those of Values
    paths: Sequence[Any] = ()
    path_count: str = ""  # of all paths
    rest: str = ""  # the sum of the paths that are not listed
    shared: int | None = None  # the place of the operation that one of several results shares
    leaves: Sequence[int] = ()  # of a box: the places of the leaves inside
    group: int | None = None  # of a box: its outputs, as in `engine.draw.steps.box_numbers`


def collect_facts(notation: Notation, parameters: Collection[Node]) -> list[Facts]:
    """Return the facts about every node, with places for numbers.

    `notation` names all nodes, in topological order. The page adds the paths of gradients.
    """
    order: list[Any] = list(notation.names)
    place = {node: i for i, node in enumerate(order)}
    facts = []
    for i, node in enumerate(order):
        if isinstance(node, Outputs):  # an empty entry, since places in this list are ids
            facts.append(Facts("", ""))
            continue
        inputs, partials = get_inputs(node)
        places = [None if x is None else Place(f"p{i}.{k}") for k, x in enumerate(partials)]
        fact = collect_local_facts(f"v{i}", node, notation, parameters, places)._replace(
            math=to_mathml(notation.name(node)),
            factors=["" if x is None else notation.write_factor(x) for x in places],
            uses=[set_plain(str(x)) for x in number_repeats([*map(notation.name, inputs)])],
            shared=place[node.inputs[0]] if is_result(node) else None,
        )  # fmt: skip
        facts.append(fact)
    return facts


def collect_local_facts(
    id: str,
    node: Node,
    notation: Notation,
    parameters: Collection[Node],
    partials: Sequence[Number | None] = (),
) -> Facts:
    """Return the facts about a value that do not depend on other values.

    `partials` are its local derivatives, if they are places.
    """
    kind, lines = describe_kind(node, parameters), write_rule(node, notation, partials)
    return Facts(id, notation.full_name(node), kind, lines=lines, origin=str(node.origin or ""))


def get_inputs(node: Node) -> tuple[tuple[Node, ...], tuple[float | None, ...]]:
    """Return the inputs and local derivatives of a value; of one of several results, its own."""
    if not isinstance(node.op, Output):
        return node.inputs, node.locals
    shared: Any = node.inputs[0]
    unit = [float(i == node.op._output_index) for i in range(len(shared.data))]
    return shared.inputs, tuple(node.op.vector_op._pull_back(unit, shared._data, shared._dx))


def describe_kind(node: Node, parameters: Collection[Node]) -> str:
    """Return the symbol of a value's operation, or the kind of leaf that it is."""
    if node.op is not None:
        name = node.op.vector_op.name if isinstance(node.op, Output) else node.op.name
        return SYMBOLS.get(name, name)
    return "constant" if node.constant else "parameter" if node in parameters else "leaf"


def write_rule(node: Node, notation: Notation, places: Sequence[Number | None] = ()) -> list[Line]:
    """Write an operation's formula, and its local derivatives as formulas and numbers."""
    if node.op is None:
        return []
    out, (inputs, partials) = notation.name(node), get_inputs(node)
    names = [notation.input(x) for x in inputs]
    formula = build_formula(node.op, names if is_result(node) else notation.inputs(node))
    lines: list[Line] = [write_equation(out, formula)]
    outs = list_results(node, notation)
    slopes = build_slopes(node.op, out, names, outs)
    numbers: Sequence[Number | None] = places or partials
    for x, name, forms, local in zip(inputs, number_repeats(names), slopes, numbers, strict=True):
        if x.constant or local is None or len(lines) > MOST_PARTIALS:
            continue
        value = notation.number(local)
        is_number = forms[0].head in ("number", "place") or forms[0] == value
        number = "" if is_number else f"<mo>=</mo>{to_mathml(value)}"
        equation = write_equation(write_derivative(out, name), *forms)
        lines.append((*equation, number))
    return lines


def list_results(node: Node, notation: Notation) -> list[Symbol]:
    """Return the names of all results that share a node's operation, if there are several.

    A result that the graph does not use has no name but its formula.
    """
    if not isinstance(node.op, Output):
        return []
    shared: Any = node.inputs[0]
    names = build_results(shared.op, [notation.input(x) for x in shared.inputs])
    for x in notation.results:
        if x.inputs[0] is shared:
            names[x.op._output_index] = notation.name(x)
    return names
