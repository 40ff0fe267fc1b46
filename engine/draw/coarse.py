"""Backpropagation cluster by cluster: the steps of a graph that is too large for its values.

A box of the drawing computes all that is in it in one step, and sends all that it sends to another
box in one: the chain rule once more, with vectors for values and Jacobians for local derivatives.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from engine.draw import symbols
from engine.draw.frames import Frame, equation, gradient, letter, shown, slope
from engine.draw.symbols import lift, name
from engine.draw.theme import norm, number
from engine.draw.trace import KEYS, TITLES, Run, Trace, named, several
from engine.draw.view import Box, View, arrow_id
from engine.sequences import Outputs
from engine.value import Value
from engine.watch.wrong_passes import RIGHT, Contribution, contributions

LETTERS = "A layer stands for what it hands on, θ for its parameters."


class Sent(NamedTuple):
    """A contribution; `total` is the gradient that its receiver ends with."""

    node: Any
    k: int
    to: Any
    sent: float
    total: float


class Bundle(NamedTuple):
    """What a part sends to a box, to a value that is drawn, or to the parameters beside it."""

    part: "Part"
    to: str
    title: str | None  # of the part there, if it is one
    sent: list[Sent]


class Part(NamedTuple):
    """What is computed in one step: of a box all nodes, or those that need no later part of it."""

    id: str
    title: str
    nodes: list[Any]


def coarse(seen: View, spec: str) -> Trace:
    """The frames of both passes over what is drawn; a box goes by its path in the model."""
    order, ids = list(seen.ids), seen.ids
    boxes = {each.id: each for each in seen.drawn if isinstance(each, Box)}
    called = {
        node: boxes[ids[node]].path if ids[node] in boxes else own
        for node, own in zip(order, named(order, spec), strict=True)
    }
    called |= {node: node.op.name for node in order if node.op and node.op.several}
    parts = parted(seen, called)
    passed = list(contributions(order, RIGHT))
    grads = dict.fromkeys(order, 0.0) | {order[-1]: 1.0} | {each.to: each.after for each in passed}
    frames = [
        start(seen, boxes, spec),
        *forward(parts, seen, called, spec),
        *backward(bundled(parts, passed, grads, ids), seen, called, boxes, spec),
        Frame("end", "Every gradient has arrived"),
    ]
    return Trace([Run(TITLES[0], frames)], called, grads)


def parted(seen: View, called: dict[Any, str]) -> list[Part]:
    """The parts, each after those that it needs.

    A part is as deep as the way to it through others is long. A box that needs what needs it has
    parts of several depths.
    """
    depth: dict[Any, int] = {}
    found: dict[tuple[int, str], list[Any]] = {}
    for node, place in seen.ids.items():
        depth[node] = max((depth[x] + (seen.ids[x] != place) for x in node.inputs), default=0)
        if node.op is not None:
            found.setdefault((depth[node], place), []).append(node)
    of = Counter(place for _, place in found)
    nth: Counter[str] = Counter()
    parts = []
    for _, place in sorted(found, key=lambda key: key[0]):
        nodes = found[_, place]
        nth[place] += 1
        title = called[nodes[0]]
        if of[place] > 1:
            title += f", part {nth[place]} of {of[place]}"
        parts.append(Part(place, title, nodes))
    return parts


def start(seen: View, boxes: dict[str, Box], spec: str) -> Frame:
    """What is given, drawn itself or in a box of nothing else."""
    computed = {place for node, place in seen.ids.items() if node.op is not None}
    given = {
        place: "" if place in boxes else number(node.data, spec)
        for node, place in seen.ids.items()
        if place not in computed
    }
    return Frame(
        "start",
        "The inputs are given",
        data=given,
        note=f"{KEYS} {LETTERS}",
    )


def forward(parts: list[Part], seen: View, called: dict[Any, str], spec: str) -> Iterator[Frame]:
    """A frame for every part: a value's formula, or how much a box computes and hands on."""
    ids = seen.ids
    needed = {x for node in ids for x in node.inputs if ids[x] != ids[node]}
    for place, title, nodes in parts:
        inputs = dict.fromkeys(
            (n, k) for n in nodes for k, x in enumerate(n.inputs) if ids[x] != place
        )
        hot = [place, *dict.fromkeys(arrow_id(ids, n, k) for n, k in inputs)]
        hot += dict.fromkeys(ids[n.inputs[k]] for n, k in inputs)
        node = nodes[-1]
        if isinstance(node, Outputs) and place[0] == "v":
            order = list(ids)
            places = [order.index(x) for x in node.inputs]
            yield several(node, int(place[1:]), order, [called[x] for x in order], places, spec)
            continue
        if place[0] == "v" and node.op.index is not None:
            continue  # computed with the others
        if place[0] == "v":
            formula = symbols.forward(node.op, [letter(x, called[x], spec) for x in node.inputs])
            lines = [equation(name(title), formula, shown(node.data, spec))]
            hot += [f"o{place[1:]}", f"e{place[1:]}"]
            data = {place: number(node.data, spec)}
            yield Frame("forward", f"{title} = {formula}", lines, data=data, hot=hot, node=place)
            continue
        values = [x for x in nodes if isinstance(x, Value)]
        outputs = [x.data for x in values if x in needed] or [node.data]
        note = f"{many(len(nodes), 'value')}, {len(outputs):,} handed on: " + (
            number(outputs[0], spec)
            if len(outputs) == 1
            else f"from {number(min(outputs), spec)} to {number(max(outputs), spec)}"
        )
        yield Frame("forward", title, data={place: ""}, hot=hot, node=place, note=note)


def bundled(
    parts: list[Part], passed: list[Contribution], grads: dict[Any, float], ids: dict[Any, str]
) -> list[Bundle]:
    """All contributions but those inside a part, the deepest part's first."""
    part_of = {node: i for i, part in enumerate(parts) for node in part.nodes}
    found: dict[tuple[int, str], list[Sent]] = {}
    for node, k, to, _, _, sent, _, _ in passed:
        if part_of.get(to) != part_of[node] and isinstance(to, Value):
            key = -part_of[node], ids[to]
            found.setdefault(key, []).append(Sent(node, k, to, sent, grads[to]))
    order = sorted(found, key=lambda key: key[0])
    titles = {node: part.title for part in parts for node in part.nodes}
    return [Bundle(parts[-i], to, titles.get(found[i, to][0].to), found[i, to]) for i, to in order]


def backward(
    bundles: list[Bundle], seen: View, called: dict[Any, str], boxes: dict[str, Box], spec: str
) -> Iterator[Frame]:
    """A frame for each bundle: the chain rule with vectors, and the size of what is sent."""
    ids, last = seen.ids, next(reversed(seen.ids))
    end = last.label or called[last]
    root = name(end)
    waiting = Counter(each.to for bundle in bundles for each in bundle.sent)
    sums = dict.fromkeys(ids, 0.0) | {last: 1.0}
    seed = {ids[last]: number(1.0, spec)} if ids[last] not in boxes else {}
    one = equation(gradient(root, root), lift(1.0))
    yield Frame("seed", f"The gradient starts at {end}", [one], grad=seed, hot=[ids[last]])
    for part, to, title, sent in bundles:
        for each in sent:
            waiting[each.to] -= 1  # the last to come leaves the sum that the engine's order leaves
            sums[each.to] = sums[each.to] + each.sent if waiting[each.to] else each.total
        first, box, own = sent[0], boxes.get(to), to == part.id
        slopes = [sums[x] for x in box.parameters] if box else []
        leaves = bool(slopes) and all(x.to.op is None for x in sent)
        whose = title or called[first.to]
        if leaves:
            whose = "its own parameters" if own else f"the parameters of {whose}"
        out, under = name(called[first.node]), name("θ" if leaves else called[first.to])
        jacobian = f"{gradient(root, out)}<mo>⋅</mo>{slope(out, under)}"
        lines = [(gradient(root, under), "<mo>+=</mo>", jacobian)]
        grad = {} if box else {to: number(sums[first.to], spec)}
        if leaves:
            grad = {to: number(norm(slopes), spec)}
        arrows = [] if own else dict.fromkeys(arrow_id(ids, x.node, x.k) for x in sent)
        cell = [part.id.replace("v", x) for x in "oe"] if part.id not in boxes else []
        vector: dict[Any, float] = {}
        for each in sent:
            vector[each.to] = vector.get(each.to, 0.0) + each.sent
        count = many(len(sent), "contribution")
        note = f"{many(len(vector), 'gradient')}, of norm {number(norm([*vector.values()]), spec)}"
        note += f", from {count}" if len(sent) > len(vector) else ""
        if len(sent) == 1:
            note = f"{count}: {number(first.sent, spec)}"
        yield Frame(
            "backward", f"From {part.title} to {whose}", lines, grad=grad,
            hot=[part.id, *cell, *arrows, to], node=part.id, to=to,
            note=note,
        )  # fmt: skip


def many(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' * (n != 1)}"
