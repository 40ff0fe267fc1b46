"""Backpropagation as lists of frames: what each step computes, shows and points at.

First the forward pass, a frame for each operation; then the backward pass, a frame for each
contribution: d root / d x += d root / d out * ∂ out / ∂ x, with names and with numbers. Beside that
the backward passes that are wrong, up to where they go wrong and on to the end.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from engine.draw import symbols
from engine.draw.frames import (
    NOTHING,
    Frame,
    chain,
    equation,
    grad,
    gradient,
    letter,
    numbered,
    product,
    running,
    shown,
    slope,
    slots,
)
from engine.draw.symbols import lift, name
from engine.draw.theme import number
from engine.draw.writing import mathml
from engine.graph import topological
from engine.sequences import Outputs
from engine.value import Value
from engine.watch.wrong_passes import (
    RIGHT,
    WRONG,
    Contribution,
    Mistake,
    Pass,
    compare_passes,
    contributions,
)


class Run(NamedTuple):
    """A way through the graph, from a first frame to a last; of a wrong one, what is right."""

    title: str
    frames: list[Frame]
    right: Mapping[str, str] = NOTHING


class Trace(NamedTuple):
    """All ways through a graph, the right one first, and how its nodes are called."""

    runs: list[Run]
    names: dict[Any, str]  # in topological order
    grads: dict[Any, float]  # with which the right one ends

    @property
    def frames(self) -> list[Frame]:
        """The frames of forward and backward pass."""
        return self.runs[0].frames


KEYS = "The right arrow key steps on, the left one back."
TITLES = ("Backpropagation", "Why this order?", "Why +=, not =?")


def trace(root: Value, spec: str = ".4g", order: Sequence[Any] = ()) -> Trace:
    """The frames of both passes. Gradients of the graph are not looked at, nor changed.

    `order` is the graph in topological order, if it is known. Raises TypeError unless `root` is a
    Value.

    >>> x = Value(3.0, "x")
    >>> y = x * x
    >>> y.label = "y"
    >>> for frame in trace(y).frames:
    ...     print(frame.kind, frame.title, frame.data, frame.grad)
    start The inputs are given {'v0': '3'} {}
    forward y = x · x {'v1': '9'} {}
    seed The gradient starts at y {} {'v1': '1'}
    backward From y to x, use 1 of 2 {} {'v0': '3'}
    backward From y to x, use 2 of 2 {} {'v0': '6'}
    end Every gradient has arrived {} {}
    """
    if not isinstance(root, Value):
        raise TypeError(f"a graph of Values is stepped through, got {root!r}")
    order = order or topological(root)
    names = named(order, spec)
    passed = {how: list(contributions(order, how)) for how in (RIGHT, *WRONG)}
    found = compare_passes(order, passed)
    end = Frame("end", "Every gradient has arrived")
    passes = [*forward(order, names, spec), *backward(order, names, spec, passed[RIGHT]), end]
    runs = [Run(TITLES[0], [start(order, spec), *passes])]
    for title, how, mistake in zip(TITLES[1:], WRONG, found, strict=True):
        right = {f"v{i}": number(mistake.right[node], spec) for i, node in moved(order)}
        runs.append(Run(title, list(wrong(order, names, spec, passed[how], how, mistake)), right))
    grads = {node: found[0].right.get(node, 0.0) for node in order}
    return Trace(runs, dict(zip(order, names, strict=True)), grads)


def named(order: Sequence[Any], spec: str) -> list[str]:
    """A name for every node, which no other has but constants: its label, x⁽¹⁾ and x⁽²⁾ where two
    have the same, a constant's number; else v3 and so on, by its place."""
    labels = Counter(node.label for node in order)
    nth: Counter[str] = Counter()
    taken = set(labels)
    found = []
    for i, node in enumerate(order):
        called = node.label
        if not called and node.constant:
            found.append(number(node.data, spec))
            continue
        if not called or labels[called] > 1:
            nth[called] += 1
            called = str(numbered(name(called), nth[called])) if called else f"v{i}"
            while called in taken:
                called += "′"
        taken.add(called)
        found.append(called)
    return found


def moved(order: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    """The nodes that have gradients, and their places."""
    return (
        (i, node)
        for i, node in enumerate(order)
        if not node.constant and not isinstance(node, Outputs)
    )


def start(order: Sequence[Any], spec: str) -> Frame:
    given = {f"v{i}": number(x.data, spec) for i, x in enumerate(order) if x.op is None}
    return Frame("start", "The inputs are given", data=given, note=KEYS)


def forward(order: Sequence[Any], names: list[str], spec: str) -> Iterator[Frame]:
    """A frame for every operation: its formula with names, with numbers, and the result."""
    place = {node: i for i, node in enumerate(order)}
    for i, node in enumerate(order):
        if node.op is None or node.op.index is not None:
            continue
        inputs = [place[each] for each in node.inputs]
        if isinstance(node, Outputs):
            yield several(node, i, order, names, inputs, spec)
            continue
        by_name = symbols.forward(node.op, [letter(order[k], names[k], spec) for k in inputs])
        by_number = symbols.forward(node.op, [shown(order[k].data, spec) for k in inputs])
        lines = [
            equation(name(names[i]), by_name),
            equation(name(names[i]), by_number, shown(node.data, spec)),
        ]
        arrows = [f"e{i}-{k}" for k in range(len(inputs))]
        hot = [f"v{i}", f"o{i}", f"e{i}", *arrows, *(f"v{k}" for k in inputs)]
        data = {f"v{i}": number(node.data, spec)}
        yield Frame("forward", f"{names[i]} = {by_name}", lines, data=data, hot=hot, node=f"v{i}")


def several(
    node: Any, i: int, order: Sequence[Any], names: list[str], inputs: list[int], spec: str
) -> Frame:
    """A frame for an operation with several results, of which the graph may use some."""
    outs = results_of(node, order)
    letters = [letter(order[k], names[k], spec) for k in inputs]
    formulas = symbols.results(node.op, letters)
    lines = []
    for k in outs[:SHOWN]:
        formula = formulas[order[k].op.index]
        lines.append(equation(name(names[k]), formula, shown(order[k].data, spec)))
    arrows = [f"e{i}-{k}" for k in range(len(inputs))] + [f"e{k}" for k in outs]
    hot = [f"o{i}", *arrows, *(f"v{k}" for k in (*outs, *inputs))]
    data = {f"v{k}": number(order[k].data, spec) for k in outs}
    title = f"{', '.join(names[k] for k in outs[:SHOWN])} = {node.op.name}"
    return Frame("forward", title, lines, data=data, hot=hot, node=f"v{i}")


SHOWN = 4  # results whose formulas a frame shows


def results_of(node: Any, order: Sequence[Any]) -> list[int]:
    """Return the places of the results of an operation that are in the graph, by their index."""
    places = [k for k, x in enumerate(order) if x.op is not None and x.inputs[0] is node]
    return sorted(places, key=lambda k: order[k].op.index)


def backward(
    order: Sequence[Any],
    names: list[str],
    spec: str,
    passed: Sequence[Contribution],
    how: Pass = RIGHT,
) -> Iterator[Frame]:
    """A frame for every contribution, in the order in which a pass adds them up."""
    place = {node: i for i, node in enumerate(order)}
    uses = Counter(each for node in order for each in node.inputs)
    arrived: Counter[Any] = Counter()
    rules: dict[Any, tuple[list[symbols.Symbol], list[symbols.Symbol]]] = {}
    slopes: dict[Any, Any] = {}  # of operations with several results
    root, last = name(names[-1]), f"v{len(order) - 1}"
    sign, written = "+=" if how.adds else "=", gradient if how is RIGHT else grad
    one, seed = equation(written(root, root), lift(1.0)), {last: number(1.0, spec)}
    yield Frame("seed", f"The gradient starts at {names[-1]}", [one], grad=seed, hot=[last])
    for node, k, to, local, upstream, sent, before, after in passed:
        i, at = place[node], place[to]
        if isinstance(to, Outputs):
            if how is not RIGHT:  # a result may hand on its gradient too early
                hot = [f"v{i}", f"e{i}", f"o{at}"]
                given = equation(written(root, name(names[i])), shown(upstream, spec))
                yield Frame(
                    "backward", f"From {names[i]} to {to.op.name}", [given], hot=hot,
                    node=f"v{i}", to=f"v{at}",
                )  # fmt: skip
            continue
        if isinstance(node, Outputs):
            arrived[to] += 1
            if node not in slopes:
                slopes[node] = node.locals
            row = slopes[node][k]
            yield from_several(
                node, k, to, sent, after, upstream, row, order, names, written, spec, sign
            )
            continue
        out, under = name(names[i]), written(root, name(names[at]))
        if node not in rules:
            letters = [letter(each, names[place[each]], spec) for each in node.inputs]
            rules[node] = symbols.partials(node.op, out, letters), slots(letters)
        formulas, inputs = rules[node]
        lines = [
            chain(under, written(root, out), slope(out, inputs[k]), formulas[k], sign),
            product(under, upstream, local, sent, sign, spec),
        ]
        title = f"From {names[i]} to {names[at]}"
        arrived[to] += 1
        if uses[to] > 1:
            title += f", use {arrived[to]} of {uses[to]}"
            if arrived[to] > 1 and how.adds:
                lines.append(running(under, before, sent, after, spec))
        yield Frame(
            "backward", title, lines, grad={f"v{at}": number(after, spec)},
            hot=[f"v{i}", f"o{i}", f"e{i}", f"e{i}-{k}", f"v{at}"], node=f"v{i}", to=f"v{at}",
        )  # fmt: skip


def from_several(
    node: Any, k: int, to: Any, sent: float, after: float, gs: Any, row: Any, order: Sequence[Any],
    names: list[str], written: Any, spec: str, sign: str,
) -> Frame:  # fmt: skip
    """A frame for the contribution of an operation with several results: a sum over them."""
    place = {each: i for i, each in enumerate(order)}
    root, i, at = name(names[-1]), place[node], place[to]
    outs = results_of(node, order)
    under = written(root, name(names[at]))
    products = [
        f"{written(root, name(names[n]))}<mo>⋅</mo>{slope(name(names[n]), name(names[at]))}"
        for n in outs[:SHOWN]
    ]
    numbers = [
        symbols.made(
            "·", shown(gs[order[n].op.index] or 0.0, spec), shown(row[order[n].op.index], spec)
        )
        for n in outs[:SHOWN]
    ]
    more = ["<mo>⋯</mo>"] * (len(outs) > SHOWN)
    plus = "<mo>+</mo>"
    lines = [
        (under, f"<mo>{sign}</mo>", plus.join([*products, *more])),
        (under, f"<mo>{sign}</mo>", plus.join([*map(mathml, numbers), *more])),
        (under, f"<mo>{sign}</mo>", mathml(shown(sent, spec))),
    ]  # fmt: skip
    hot = [*(f"v{n}" for n in outs), *(f"e{n}" for n in outs), f"o{i}", f"e{i}-{k}", f"v{at}"]
    title = f"From {', '.join(names[n] for n in outs[:SHOWN])} to {names[at]}"
    return Frame(
        "backward", title, lines, grad={f"v{at}": number(after, spec)}, hot=hot, node=f"v{i}",
        to=f"v{at}",
    )  # fmt: skip


def wrong(
    order: Sequence[Any],
    names: list[str],
    spec: str,
    passed: Sequence[Contribution],
    how: Pass,
    mistake: Mistake,
) -> Iterator[Frame]:
    """A wrong backward pass, with what goes wrong in it, and where first."""
    values = [(i, node) for i, node in enumerate(order) if isinstance(node, Value)]
    data = {f"v{i}": number(node.data, spec) for i, node in values}
    yield Frame("start", how.does, data=data, note="Under each gradient stands the right one.")
    seed, *frames = backward(order, names, spec, passed, how)
    yield seed
    called = dict(zip(order, names, strict=True))
    place = {node: f"v{i}" for i, node in enumerate(order)}
    waiting = Counter(each for node in order for each in node.inputs)
    came: set[Any] = set()
    done: set[Any] = set()  # what has sent, or has all it gets
    for frame, each in zip(frames, passed, strict=True):
        notes, settled, to = [], [each.node], each.to
        if isinstance(each.node, Outputs):  # its results have settled before
            settled = []
        waiting[to] -= 1
        if to in done:
            notes.append(f"Too late: {called[to]} has sent its gradient on already.")
        if to in came and not how.adds and isinstance(to, Value):
            notes.append(f"{number(each.before, spec)} had arrived before, and is lost.")
        came.add(to)
        if not waiting[to] and not any(x is not None for x in to.locals):
            settled.append(to)
        bad = [x for x in settled if x not in done and x in mistake.wrong]
        done.update(settled)
        for x in bad:
            does = "sends" if x is each.node else "is left with"
            found, right = (number(y[x], spec) for y in (mistake.found, mistake.right))
            first = " It is the first to go wrong." if x is mistake.first else ""
            notes.append(f"{called[x]} {does} {found}, where {right} is right.{first}")
        yield frame._replace(note=" ".join(notes), wrong=[place[x] for x in bad])
    count, all_of_them, why = len(mistake.wrong), len(mistake.right), how.why
    title = f"{count} of {all_of_them} gradients came out wrong"
    if not count:
        title = "Every gradient came out right, this time"
        if max(Counter(x for node in order for x in node.inputs).values(), default=0) < 2:
            why = "No value here is used twice: nothing can come late, or be written over."
    yield Frame("end", title, note=why)
