"""What there is to know about a value, to be read beside its steps."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from engine.draw import symbols
from engine.draw.frames import Line, equation, factor, letter, shown, slope, slots
from engine.draw.symbols import name
from engine.draw.theme import SYMBOLS, number
from engine.draw.view import Box, View
from engine.draw.writing import mathml
from engine.sequences import Outputs
from engine.watch.paths import PartialPaths, largest_paths, remainder

PATHS = 5  # how many of a gradient's paths are listed
SLOPES = 6  # how many of an operation's local derivatives are


class Facts(NamedTuple):
    """A value's id in the drawing, its name, what it is, its rule and local derivatives (the number
    of each is the last piece), its line of code, its gradient in the end and the paths of it.

    A path is its product, the value it goes to next, by which of the arrows there, and the rank of
    the path that goes on from there; -1 where it ends, at the root.
    """

    id: str
    name: str
    math: str
    what: str
    lines: list[Line]
    factors: list[str]  # the local derivatives, as they are written in a product
    made: str
    gradient: str
    paths: list[tuple[str, int, int, int]]
    number: str  # of all paths
    rest: str  # what those that are not listed add up to
    via: int | None = None  # the place of the operation, for one of several results


BLANK = Facts("", "", "", "", [], [], "", "", [], "", "")


def facts(root: Any, names: Mapping[Any, str], parameters: set[Any], spec: str) -> list[Facts]:
    """Return the facts of every node; `names` has them in topological order."""
    order = list(names)
    place = {node: i for i, node in enumerate(order)}
    table = largest_paths(root, order, PATHS)
    found = []
    for i, node in enumerate(order):
        if isinstance(node, Outputs):
            found.append(BLANK)  # a place in this list is an id
            continue
        _, slopes = inputs_of(node)
        via = place[node.inputs[0]] if node.op is not None and node.op.index is not None else None
        fact = Facts(
            f"v{i}", names[node], mathml(name(names[node])), what(node, parameters),
            rule(node, names, spec), ["" if x is None else factor(x, spec) for x in slopes],
            str(node.origin or ""), number(table[node].gradient, spec),
            *paths(table, node, place, spec), via,
        )  # fmt: skip
        found.append(fact)
    return found


def inputs_of(node: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return the inputs and local derivatives of a value; of one of several results, its own."""
    if node.op is None or node.op.index is None:
        return node.inputs, node.locals
    (shared,) = node.inputs
    unit = [float(i == node.op.index) for i in range(len(shared.data))]
    return shared.inputs, tuple(node.op.of.partials[0](unit, shared._data, shared._dx))


def coarse_facts(seen: View, names: Mapping[Any, str], spec: str) -> list[Facts]:
    """The facts of what is drawn where some of it is boxes: no paths, which would end in them."""
    found = []
    for node, place in seen.ids.items():
        if place[0] == "v" and not isinstance(node, Outputs):
            kind = what(node, seen.modules.parameters)
            lines, made = rule(node, names, spec), str(node.origin or "")
            called = BLANK._replace(id=place, name=names[node])
            found.append(called._replace(what=kind, lines=lines, made=made))
    for each in seen.drawn:
        if isinstance(each, Box):
            kind = f"{each.nodes:,} node{'s' * (each.nodes != 1)}"
            found.append(BLANK._replace(id=each.id, name=each.path, what=kind))
    return found


def what(node: Any, parameters: set[Any]) -> str:
    if node.op is not None:
        op = node.op if node.op.index is None else node.op.of
        return SYMBOLS.get(op.name, op.name)
    return "constant" if node.constant else "parameter" if node in parameters else "leaf"


def rule(node: Any, names: Mapping[Any, str], spec: str) -> list[Line]:
    """An operation's formula, and its local derivatives as formulas and numbers."""
    if node.op is None:
        return []
    out, (inputs, slopes) = name(names[node]), inputs_of(node)
    letters = [letter(each, names[each], spec) for each in inputs]
    lines = [equation(out, symbols.forward(node.op, letters))]
    rules = symbols.partials(node.op, out, letters)
    for to, x, formula, local in zip(inputs, slots(letters), rules, slopes, strict=True):
        if to.constant or len(lines) > SLOPES:
            continue
        known = "" if formula.head == "number" else f"<mo>=</mo>{mathml(shown(local, spec))}"
        lines.append((*equation(slope(out, x), formula), known))
    return lines


def paths(
    table: Mapping[Any, PartialPaths], node: Any, place: Mapping[Any, int], spec: str
) -> tuple[list[tuple[str, int, int, int]], str, str]:
    """The largest paths, the number of all, and the sum of the others."""
    found = table[node]
    listed = []
    for way in found.best:
        to, rank = way.to, way.rank
        if isinstance(to, Outputs):  # on to the result that the path goes through
            to, rank = table[to].best[rank].to, table[to].best[rank].rank
        listed.append((number(way.product, spec), place.get(to, -1), way.place, rank))
    rest = remainder(found) if found.number > len(listed) else 0.0
    count = f"{found.number:,}" if found.number < 10**12 else f"10^{len(str(found.number)) - 1}"
    return listed, count, number(rest, spec)
