"""The paths of gradients between Arrays, which a page lists for a selected Array."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from engine.draw.arrays.routes import shorten_routes
from engine.draw.formulas.labels import set_plain
from engine.draw.formulas.notation import Notation
from engine.draw.steps.facts import Facts
from engine.node import Node
from engine.watch.paths import PartialPaths, remainder

MOST_PATHS = 5  # listed paths of a gradient


class PathStep(NamedTuple):
    """A path of a gradient, described by its first step; the node it leads to has the next one."""

    product: str
    to: int  # the place of the next value; -1 at the root, where the path ends
    k: int  # which input of that value's operation
    rank: int  # of the rest of the path, among the paths of the next value
    route: str = ""  # the path as a text, which no other path from this value has


def list_paths(
    table: Mapping[Node, PartialPaths], node: Node, place: Mapping[Node, int], notation: Notation
) -> tuple[list[PathStep], str, str]:
    """Return the largest paths, the number of all, and the sum of the others."""
    found = table[node]
    paths = [
        PathStep(notation.format(x.product), place.get(x.to, -1), x.place, x.rank)
        for x in found.best
    ]
    rest = remainder(found) if found.number > len(paths) else 0.0
    count = f"{found.number:,}"
    if found.number >= 10**12:
        count = f"10^{len(str(found.number)) - 1}"
    return paths, count, notation.format(rest)


def add_routes(
    start: int, facts: Sequence[Facts], steps: Sequence[Sequence[str]]
) -> list[PathStep]:
    """Return the paths of a value with their routes; `steps` are the names of each node's inputs.

    Where an operation uses a value twice, x⁽¹⁾ and x⁽²⁾ are its uses, as in formulas.
    """
    routes = []
    for path in facts[start].paths:
        at, names = start, []
        _, to, k, rank, _ = path
        while to >= 0:
            names.append(steps[to][k])
            at = to
            _, to, k, rank, _ = facts[at].paths[rank]
        routes.append([*names, set_plain(facts[at].name)])
    return [
        path._replace(route=route)
        for path, route in zip(facts[start].paths, shorten_routes(routes), strict=True)
    ]
