"""Long and repetitive graphs in rows, as text is written in lines, with leaves beside their uses.

Graphviz takes long for arrows that pass many others, and draws them as bundles that nobody can
follow. A graph of many levels is therefore cut into rows of a few levels. A value that a later row
uses, and a leaf that is used often, is drawn again at its use: as a copy, with a dashed line and
the same name. Without these arrows, Graphviz draws hundreds of nodes in a fraction of a second.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from engine.draw.graph.view import Arrow, Cell, View

FEWEST = 40  # cells and boxes; fewer are drawn as they are
LONGEST = 14  # levels of a graph in one row
LONGEST_WIDE = 30  # the same where a cut would separate more than MOST_CUT values from their uses
MOST_CUT = 8
LEVELS = {"right": (4, 8), "left": (4, 8), "down": (12, 24), "up": (12, 24)}  # of a row
MOST_USES = 4  # of a leaf with arrows to each of them


class Arrangement(NamedTuple):
    """The row of each part of a drawing, and the copies of values at their uses.

    Ids are those of cells and boxes. `copies` has the number of the copy from which an arrow comes,
    by the arrow's id; `copied` has the id of the value and the row of each copy.
    """

    row: Mapping[str, int]
    copies: Mapping[str, int]
    copied: list[tuple[str, int]]

    @property
    def number(self) -> int:
        """The number of rows."""
        return max(self.row.values(), default=0) + 1


def find_part(id: str) -> str:
    """Return the id of the cell or box that an end of an arrow belongs to."""
    return id.replace("o", "v") if id[0] == "o" else id


def arrange_rows(view: View, direction: str = "right") -> Arrangement:
    """Return the rows and copies of a view; a single row if it is small.

    The clusters of a model stay whole unless its parameters are used at each step of a recurrence.
    """
    arrows = [arrow for arrow in view.arrows if find_part(arrow.tail) != find_part(arrow.head)]
    level = rank_parts(view, arrows)
    leaves = {x.id for x in view.drawn if isinstance(x, Cell) and x.node.op is None}
    is_small = len(view.drawn) < FEWEST and max(level.values(), default=0) <= LONGEST
    if is_small or not level or (any(view.contents) and not is_recurrent(arrows, level, leaves)):
        return Arrangement(dict.fromkeys((part.id for part in view.drawn), 0), {}, [])
    row_of = cut_levels(level, arrows, leaves, LEVELS[direction])
    row = {id: row_of[n] for id, n in level.items()}
    for arrow in reversed(arrows):  # a leaf is in the row of its first use
        tail, head = find_part(arrow.tail), find_part(arrow.head)
        if tail in leaves and level[head] == level[tail] + 1:
            row[tail] = row[head]
    heads: dict[str, list[Arrow]] = defaultdict(list)
    for arrow in arrows:
        heads[find_part(arrow.tail)].append(arrow)
    copies: dict[str, int] = {}
    copied: list[tuple[str, int]] = []
    for tail, uses in heads.items():
        copy_of: dict[object, int] = {}
        first = min(uses, key=lambda arrow: level[find_part(arrow.head)]).head
        is_often_used = tail in leaves and len({arrow.head for arrow in uses}) > MOST_USES
        for arrow in uses:
            at = row[find_part(arrow.head)]
            if at == row[tail] and (arrow.head == first or not is_often_used):
                continue
            key = arrow.head if tail in leaves else at
            if key not in copy_of:
                copy_of[key] = len(copied)
                copied.append((tail, at))
            copies[arrow.id] = copy_of[key]
    return Arrangement(row, copies, copied)


def is_recurrent(arrows: list[Arrow], level: Mapping[str, int], leaves: set[str]) -> bool:
    """Return whether a leaf is used at many levels."""
    levels: dict[str, set[int]] = defaultdict(set)
    for arrow in arrows:
        if find_part(arrow.tail) in leaves:
            levels[find_part(arrow.tail)].add(level[find_part(arrow.head)])
    return max(map(len, levels.values()), default=0) > MOST_USES


def cut_levels(
    level: Mapping[str, int], arrows: list[Arrow], leaves: set[str], length: tuple[int, int]
) -> list[int]:
    """Return the row of each level, cut where the fewest values are used across the cut."""
    last = max(level.values())
    if last <= LONGEST:
        return [0] * (last + 1)
    until: dict[str, int] = {}  # the level of the last use of each value
    for arrow in arrows:
        tail = find_part(arrow.tail)
        if tail not in leaves:
            until[tail] = max(until.get(tail, 0), level[find_part(arrow.head)])
    crossing = Counter(n for tail, end in until.items() for n in range(level[tail] + 1, end + 1))
    row_of, start, most = [0], 0, 0
    while start + length[1] + 1 < last:
        cuts = range(start + length[0], start + length[1] + 1)
        cut = min(cuts, key=lambda n: (crossing[n], -n))
        row_of += [row_of[-1]] * (cut - len(row_of)) + [row_of[-1] + 1]
        start, most = cut, max(most, crossing[cut])
    if last <= LONGEST_WIDE and most > MOST_CUT:
        return [0] * (last + 1)
    return row_of + [row_of[-1]] * (last + 1 - len(row_of))


def rank_parts(view: View, arrows: list[Arrow]) -> dict[str, int]:
    """Return the level of each cell and box: as late as its first use allows on the longest
    way to the root, counted in values. Return {} if boxes form a circle."""
    inputs: dict[str, set[str]] = defaultdict(set)
    for arrow in arrows:
        inputs[find_part(arrow.head)].add(find_part(arrow.tail))
    waiting = {part.id: len(inputs[part.id]) for part in view.drawn}
    outputs: dict[str, list[str]] = defaultdict(list)
    for head, tails in inputs.items():
        for tail in tails:
            outputs[tail].append(head)
    ready = [id for id, count in waiting.items() if not count]
    level = dict.fromkeys(ready, 0)
    for id in ready:
        for head in outputs[id]:
            level[head] = max(level.get(head, 0), level[id] + 1)
            waiting[head] -= 1
            if not waiting[head]:
                ready.append(head)
    if len(ready) < len(waiting):
        return {}
    for id in reversed(ready):
        if outputs[id]:
            level[id] = min(level[head] for head in outputs[id]) - 1
    return level
