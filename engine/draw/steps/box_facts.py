"""The facts about the values and boxes of a drawing with boxes, which a page shows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count
from typing import NamedTuple

from engine.draw.formulas.notation import Name, Notation, choose_names
from engine.draw.formulas.places import Place, remove_marks
from engine.draw.formulas.symbols import make_name
from engine.draw.formulas.writing import to_mathml
from engine.draw.graph.clusters import format_path
from engine.draw.graph.inside import HIDDEN
from engine.draw.graph.view import Box, Cell, View
from engine.draw.steps.facts import Facts, collect_local_facts, describe_kind, get_inputs
from engine.draw.steps.frames import Trace
from engine.draw.steps.numbers import choose_places
from engine.node import Node
from engine.sequences.vector_op import Outputs
from engine.support.arguments import format_count


class BoxLeaves(NamedTuple):
    """The names of leaves in boxes, and the ids of those that have a part of the drawing."""

    names: Mapping[Node, Name]
    ids: Mapping[Node, str]


NO_LEAVES = BoxLeaves({}, {})
NO_GROUPS: Mapping[str, int] = {}


def collect_box_facts(
    view: View, traced: Trace, spec: str, leaves: BoxLeaves = NO_LEAVES,
    groups: Mapping[str, int] = NO_GROUPS,
) -> list[Facts]:  # fmt: skip
    """Return the facts about the values and boxes of a drawing, without paths.

    If the page computes its numbers, each node has an entry, and these come before the boxes.

    Args:
        view: the drawing.
        traced: its frames.
        spec: the format of numbers.
        leaves: leaves in boxes, with names that replace those of the model.
        groups: the group of the outputs of each box, by its id.
    """
    if traced.graph is None:
        return collect_fixed_facts(view, Notation(traced.names, spec))
    notation = Notation(traced.names, spec, places=choose_places([*view.ids]))
    known = leaves._replace(names=name_leaves(view, spec) | {**leaves.names})
    return collect_live_facts(view, notation, known, groups)


def name_leaves(view: View, spec: str) -> dict[Node, Name]:
    """Return the names of leaves in boxes: the paths of parameters, and the labels of others."""
    leaves = [x for x, id in view.ids.items() if x.op is None and id != HIDDEN]
    order = leaves if HIDDEN in view.ids.values() else [*view.ids]
    named = zip(order, map(remove_marks, choose_names(order, spec)), strict=True)
    names = {x: Name(name, name) for x, name in named if x.op is None}
    owned = view.modules.owned
    return names | {x: Name(owned[x], format_path(owned[x])) for x in leaves if x in owned}


def collect_fixed_facts(view: View, notation: Notation) -> list[Facts]:
    """Return the facts about the values and boxes of a drawing with boxes, without paths."""
    parameters = view.modules.parameters
    facts = [
        collect_local_facts(id, node, notation, parameters)
        for node, id in view.ids.items()
        if id[0] == "v" and not isinstance(node, Outputs)
    ]
    outside = find_outside(view)
    facts = [x._replace(lines=()) if x.id in outside else x for x in facts]
    boxes = [box for box in view.drawn if isinstance(box, Box)]
    return facts + [Facts(box.id, box.path, format_count(box.nodes, "node")) for box in boxes]


def find_outside(view: View) -> set[str]:
    """Return the ids of values that boxes around the picture of an inside compute. The picture does
    not show their inputs, and so their facts have no formulas."""
    cells = [x for x in view.drawn if isinstance(x, Cell)]
    return {x.id for x in cells if x.kind == "leaf" and x.node.op is not None}


def collect_live_facts(
    view: View, notation: Notation, known: BoxLeaves, groups: Mapping[str, int]
) -> list[Facts]:
    """Return the facts about every node and box of a drawing with boxes that a page computes.

    The entries of nodes that a box computes are empty. A box with the name of the root has none.

    Args:
        view: the drawing.
        notation: the names of the nodes, with places for numbers.
        known: the leaves in boxes.
        groups: the group of the outputs of each box, by its id.
    """
    order, parameters = [*view.ids], view.modules.parameters
    boxes = {box.id: box for box in view.drawn if isinstance(box, Box)}
    facts = [Facts("", "")] * len(order)
    leaves: dict[str, list[int]] = {}
    outside = find_outside(view)
    for i, (node, id) in enumerate(view.ids.items()):
        kind = "" if isinstance(node, Outputs) else describe_kind(node, parameters)
        if id == HIDDEN:
            continue
        if id in outside:
            facts[i] = Facts(
                id, notation.full_name(node), kind, to_mathml(notation.name(node)), lines=(),
                origin=str(node.origin or ""),
            )  # fmt: skip
        elif kind and id not in boxes:
            partials = get_inputs(node)[1]
            places = [None if x is None else Place(f"p{i}.{k}") for k, x in enumerate(partials)]
            fact = collect_local_facts(id, node, notation, parameters, places)
            facts[i] = fact._replace(math=to_mathml(notation.name(node)))
        elif kind and (node.op is None or node is order[-1]):
            name = known.names.get(node) or Name(notation.names[node], notation.full_name(node))
            math = to_mathml(make_name(name.short))
            facts[i] = Facts(known.ids.get(node, id), name.full, kind, math)
            if node.op is None:
                leaves.setdefault(id, []).append(i)
    root = facts[-1]
    for id, box in boxes.items():
        fact = Facts(id, box.path, format_count(box.nodes, "node"), leaves=leaves.get(id, ()))
        if (root.id, root.name) == (id, box.path):
            facts[len(order) - 1] = root._replace(leaves=fact.leaves)
        else:
            facts.append(fact._replace(group=groups.get(id)))
    return make_names_distinct(facts)


def make_names_distinct(facts: Sequence[Facts]) -> list[Facts]:
    """Return facts in which equal names are numbered, as x#1 and x#2."""
    totals = Counter(fact.name for fact in facts)
    taken, distinct = {*totals}, []
    for fact in facts:
        if fact.name and totals[fact.name] > 1:
            numbered = (f"{fact.name}#{k}" for k in count(1))
            fact = fact._replace(name=next(name for name in numbered if name not in taken))
            taken.add(fact.name)
        distinct.append(fact)
    return distinct
