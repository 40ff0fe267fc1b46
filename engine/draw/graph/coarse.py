"""The groups of nodes that a drawing of a large graph shows as one box each.

Lines of code group the nodes that they made, where `record_origins` was active. Otherwise repeated
parts and long sums are groups. If there are still too many parts, only those nearest to the root
are drawn, and one box says how many nodes are below them.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import gcd
from typing import NamedTuple, TypeVar

from engine.draw.graph.folding import Repeat, count_uses, find_repeats, find_sums, name_form
from engine.draw.look.theme import SYMBOLS
from engine.node import Node
from engine.support.arguments import format_count

MOST_TERMS = 12  # of a sum that is drawn as a chain of additions
MOST_SUMS = 12  # long ones; many are parts of something else, such as neurons
MOST_ROWS = 40  # terms of a sum that are all drawn
MOST_LEAVES = 3  # leaves of the same groups that are drawn one by one
MOST_PARTS = 3  # of a repeat that is drawn whole
LONGEST_PART = 24  # operations of a repeated part of which one example is drawn
NEAREST = 80  # cells and boxes near the root
LONGEST_LINE = 48  # characters of a line of code
MOST_SYMBOLS = 8  # operations that a box names
ALL, REST = "all", "the rest"
Id = TypeVar("Id", int, str)


class CoarsePart(NamedTuple):
    """Nodes that are drawn as one box: their name in formulas, and the texts in the box."""

    nodes: list[Node]
    name: str
    lines: list[str]


def group_large(order: Sequence[Node], limit: int, acyclic: bool = False) -> list[CoarsePart]:
    """Return the groups that leave at most `limit` parts of a graph to draw.

    Args:
        order: the graph in topological order.
        limit: the largest number of groups, and nodes outside of groups.
        acyclic: whether groups that depend on each other are refused.
    """
    for groups in (group_by_lines(order), group_by_structure(order)):
        fits = groups and count_parts(order, groups) <= limit
        if fits and not (acyclic and depend_on_each_other(order, groups)):
            return groups
    return keep_nearest(order, groups, min(limit - 1, NEAREST))


def count_parts(order: Sequence[Node], groups: Iterable[CoarsePart]) -> int:
    """Return the number of groups, and of nodes outside of them."""
    return len(order) - sum(len(group.nodes) - 1 for group in groups)


def map_nodes(order: Sequence[Node], groups: Sequence[CoarsePart]) -> dict[Node, int]:
    """Return the number of the part of each node: of its group, or one of its own."""
    part = {node: i for i, group in enumerate(groups) for node in group.nodes}
    return {node: part.get(node, len(groups) + i) for i, node in enumerate(order)}


def depend_on_each_other(order: Sequence[Node], groups: Sequence[CoarsePart]) -> bool:
    """Return whether there is a group that depends on nodes that depend on it."""
    part = map_nodes(order, groups)
    inputs: dict[int, set[int]] = defaultdict(set)
    for node in order:
        inputs[part[node]].update(part[x] for x in node.inputs if part[x] != part[node])
    return len(sort_parts(inputs, part.values())) < len({*part.values()})


def sort_parts(inputs: Mapping[Id, set[Id]], parts: Iterable[Id]) -> list[Id]:
    """Return the parts that depend on no circle, each after its inputs."""
    outputs: dict[Id, list[Id]] = defaultdict(list)
    for part, others in inputs.items():
        for other in others:
            outputs[other].append(part)
    waiting = {part: len(inputs.get(part, ())) for part in parts}
    ready = [part for part, count in waiting.items() if not count]
    for part in ready:
        for output in outputs[part]:
            waiting[output] -= 1
            if not waiting[output]:
                ready.append(output)
    return ready


# ------------------------------------------------------------------------------------ lines of code


def group_by_lines(order: Sequence[Node]) -> list[CoarsePart]:
    """Return the nodes that each line of code made; [] if most origins are unknown, or all
    operations are from one line."""
    lines: dict[tuple[str, int], list[Node]] = defaultdict(list)
    for node in order:
        if node.origin is not None:
            lines[node.origin.file, node.origin.line].append(node)
    computed = [nodes for nodes in lines.values() if any(x.op is not None for x in nodes)]
    operations = sum(node.op is not None for node in order)
    known = sum(node.op is not None for nodes in computed for node in nodes)
    if len(computed) < 2 or known < 0.9 * operations:
        return []
    files = {file for file, _ in lines}
    line_of = {node: line for line, nodes in lines.items() for node in nodes}
    results = {x for node in order for x in node.inputs if line_of.get(x) != line_of.get(node)}
    results.add(order[-1])
    groups = []
    for (_, number), nodes in lines.items():
        if len(nodes) > (1 if any(x.op is not None for x in nodes) else MOST_LEAVES):
            origin = nodes[-1].origin
            place = f"line {number}" if len(files) == 1 else f"{origin.place}, line {number}"
            inside = "" if origin.function.startswith("<") else f" in {origin.function}"
            text = elide_middle(origin.text)
            groups.append(
                CoarsePart(nodes, place, [text, f"{place}{inside}", *describe_size(nodes, results)])
            )
    return groups


def describe_size(nodes: Sequence[Node], results: set[Node]) -> list[str]:
    """Return the number of nodes of a line, and how often it was run as far as that can be told.

    `results` are the nodes that other lines use, and the root.
    """
    counts = Counter(name_form(node) for node in nodes if node.op is not None)
    if not counts:
        return describe_leaves(nodes) or [format_count(len(nodes), "constant")]
    times = gcd(*counts.values(), sum(node in results for node in nodes))
    size = format_count(len(nodes), "node")
    return [f"{times:,} repetitions, {size}" if times > 1 else size]


def elide_middle(text: str) -> str:
    """Shorten a line of code in the middle."""
    if len(text) <= LONGEST_LINE:
        return text
    end = LONGEST_LINE // 3
    return f"{text[: LONGEST_LINE - end - 1]}…{text[-end:]}"


# ------------------------------------------------------------------------------ repeated structure


def group_sums(order: Sequence[Node]) -> list[CoarsePart]:
    """Return the long sums of a graph, unless there are many, each with its initial zero."""
    uses = count_uses(order)
    groups = []
    for found in find_sums(order, MOST_TERMS + 1):
        zeros = [x for x in found.terms if x.op is None and is_zero(x) and uses[x] == 1]
        if len(found.terms) - len(zeros) > MOST_TERMS:
            groups.append(([*zeros, *found.nodes], len(found.terms) - len(zeros)))
    if len(groups) > MOST_SUMS:
        return []
    named = number_names("Σ" for _ in groups)
    return [
        CoarsePart(nodes, name, [f"Σ   {format_count(count, 'term')}"])
        for (nodes, count), name in zip(groups, named, strict=True)
    ]


def group_wide_sums(order: Sequence[Node]) -> list[CoarsePart]:
    """Return the long sums of a graph, and the repeated parts if one has very many terms."""
    sums = find_sums(order, MOST_TERMS + 1)
    is_wide = any(len(found.terms) > MOST_ROWS for found in sums)
    return group_by_structure(order) if is_wide else group_sums(order)


def is_zero(node: Node) -> bool:
    """Return whether a node is the constant with which Python's `sum` begins."""
    return node.constant and not getattr(node.data, "ndim", 0) and node.data == 0.0


def group_by_structure(order: Sequence[Node]) -> list[CoarsePart]:
    """Return the long sums, and the repeated parts but the first and the last one of each kind."""
    sums = group_sums(order)
    inside = {node for group in sums for node in group.nodes}
    found = find_repeats([node for node in order if node not in inside])
    repeats = [group_repeat(repeat) for repeat in found if len(repeat.parts) > MOST_PARTS]
    return add_leaves(order, [*repeats, *sums])


def group_repeat(repeat: Repeat) -> CoarsePart:
    """Return the repeated parts between the first and the last one; all if the parts are large."""
    parts = repeat.parts
    operations = [x.op for x in parts[0] if x.op is not None and x.op._output_index is None]
    symbols = [SYMBOLS.get(op.name, op.name) for op in operations]
    form = "  ".join(symbols[:MOST_SYMBOLS]) + "  …" * (len(symbols) > MOST_SYMBOLS)
    if len(symbols) > LONGEST_PART:
        lines = [f"{len(parts):,} times the same", form, f"{len(symbols):,} operations each"]
        name = f"repeats 1–{len(parts)}"
    else:
        parts = parts[1:-1]
        lines = [f"{len(parts):,} more of the same", form]
        name = f"repeats 2–{len(parts) + 1}"
    return CoarsePart([node for part in parts for node in part], name, lines)


def add_leaves(order: Sequence[Node], groups: Sequence[CoarsePart]) -> list[CoarsePart]:
    """Return the groups with the leaves that only they use, and groups of the leaves that only the
    same several groups use."""
    group_of = {node: i for i, group in enumerate(groups) for node in group.nodes}
    users: dict[Node, dict[int | None, None]] = defaultdict(dict)
    for node in order:
        for x in node.inputs:
            if x.op is None and x not in group_of:
                users[x][group_of.get(node)] = None
    leaves: dict[tuple[int | None, ...], list[Node]] = defaultdict(list)
    for x, its_users in users.items():
        leaves[tuple(its_users)].append(x)
    grown = [
        CoarsePart(
            [*leaves[i,], *group.nodes], group.name, [*group.lines, *describe_leaves(leaves[i,])]
        )
        for i, group in enumerate(groups)
    ]
    for numbers, nodes in leaves.items():
        if len(numbers) > 1 and None not in numbers and len(nodes) > MOST_LEAVES:
            lines = describe_leaves(nodes) or [format_count(len(nodes), "constant")]
            grown.append(CoarsePart(nodes, "the leaves", lines))
    return number_groups(grown)


def describe_leaves(leaves: Sequence[Node]) -> list[str]:
    """Return a line with the number of leaves, and their first and last label; [] for no leaves.

    >>> from engine import Value
    >>> describe_leaves([Value(0.5, f"x{i}") for i in range(9)])
    ['9 leaves: x0 … x8']
    """
    leaves = [x for x in leaves if not x.constant]
    if not leaves:
        return []
    labels = [x.label for x in leaves if x.label]
    span = " … ".join(dict.fromkeys([labels[0], labels[-1]])) if labels else ""
    count = "1 leaf" if len(leaves) == 1 else f"{len(leaves):,} leaves"
    return [f"{count}: {span}" if span else count]


def number_groups(groups: Sequence[CoarsePart]) -> list[CoarsePart]:
    """Return the groups with names that differ."""
    names = number_names(group.name for group in groups)
    return [group._replace(name=name) for group, name in zip(groups, names, strict=True)]


def number_names(names: Iterable[str]) -> list[str]:
    """Return names that differ.

    >>> number_names(["Σ", "repeats 2–9", "Σ"])
    ['Σ', 'repeats 2–9', 'Σ (2)']
    """
    counts: Counter[str] = Counter()
    numbered = []
    for name in names:
        counts[name] += 1
        numbered.append(f"{name} ({counts[name]})" if counts[name] > 1 else name)
    return numbered


# ----------------------------------------------------------------------------------- near the root


def keep_nearest(
    order: Sequence[Node], groups: Sequence[CoarsePart], most: int
) -> list[CoarsePart]:
    """Return the groups among the `most` parts nearest to the root, and one of all other nodes.

    A part is near only if all that depend on it are. Leaves that near parts use are near.
    """
    part = map_nodes(order, groups)
    nodes: dict[int, list[Node]] = defaultdict(list)
    outputs: dict[int, set[int]] = defaultdict(set)
    for node in order:
        nodes[part[node]].append(node)
        for x in node.inputs:
            if part[x] != part[node]:
                outputs[part[x]].add(part[node])
    waiting = {i: len(outputs[i]) for i in nodes}
    near: set[int] = set()
    queue = [(0, 0, part[order[-1]])]
    while queue:
        distance, _, i = heapq.heappop(queue)
        inputs = dict.fromkeys(part[x] for node in nodes[i] for x in node.inputs)
        leaves = {j for j in inputs if len(nodes[j]) == 1 and nodes[j][0].op is None}
        if len(near | leaves | {i}) > most:
            break
        near |= leaves | {i}
        for j in inputs:
            waiting[j] -= j != i
            if not waiting[j] and j not in near:
                heapq.heappush(queue, (distance + 1, -j, j))
    rest = [node for node in order if part[node] not in near]
    if not rest:
        return [*groups]
    name, text = (REST, f"{len(rest):,} more nodes below") if near else (ALL, "the whole graph")
    lines = [text] if near else [text, format_count(len(rest), "node")]
    return [*(group for i, group in enumerate(groups) if i in near), CoarsePart(rest, name, lines)]
