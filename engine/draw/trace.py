"""Backpropagation as a list of frames: what each step computes, shows and points at.

First the forward pass, a frame for each operation; then the backward pass, a frame for each
contribution: d root / d x += d root / d out * d out / d x, with names and with numbers.
A frame is data; `engine.draw.stepper` makes a page of them.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from engine.draw import symbols
from engine.draw.symbols import Symbol, lift, name
from engine.draw.theme import number
from engine.draw.writing import mathml
from engine.graph import topological
from engine.value import Value


class Frame(NamedTuple):
    """One step. Ids are those of the drawing: `v3` a value, `o3` its operation, `e3-0` an arrow."""

    kind: str  # "start", "forward", "seed", "backward" or "end"
    title: str
    lines: list[str]  # MathML: what is computed, with names, then with numbers
    data: dict[str, str]  # what shows from now on, by value
    grad: dict[str, str]
    hot: list[str]  # what it is about


class Trace(NamedTuple):
    """All frames of a graph, how its nodes are called, and the gradients they end with."""

    frames: list[Frame]
    names: dict[Any, str]
    grads: dict[Any, float]


def trace(root: Value, spec: str = ".4g") -> Trace:
    """The frames of both passes. Gradients of the graph are not looked at, nor changed.

    TypeError unless `root` is a Value.

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
    order = topological(root)
    names = named(order)
    grads = dict.fromkeys(order, 0.0)
    passes = [*forward(order, names, spec), *backward(order, names, grads, spec)]
    frames = [start(order, spec), *passes]
    return Trace(frames, dict(zip(order, names, strict=True)), grads)


def named(order: Sequence[Any]) -> list[str]:
    """A name for every node: its label, if no other has it; a constant's number; else v3, ..."""
    labels = Counter(node.label for node in order)
    found = []
    for i, node in enumerate(order):
        if node.label and labels[node.label] == 1:
            found.append(node.label)
        elif node.label:
            found.append(f"{node.label}·{i}")
        else:
            found.append(number(node.data, ".4g") if node.constant else f"v{i}")
    return found


def start(order: Sequence[Any], spec: str) -> Frame:
    given = {f"v{i}": number(x.data, spec) for i, x in enumerate(order) if x.op is None}
    return Frame("start", "The inputs are given", [], given, {}, [])


def forward(order: Sequence[Any], names: list[str], spec: str) -> Iterator[Frame]:
    """A frame for every operation: its formula with names, with numbers, and the result."""
    place = {node: i for i, node in enumerate(order)}
    for i, node in enumerate(order):
        if node.op is None:
            continue
        inputs = [place[each] for each in node.inputs]
        by_name = symbols.forward(node.op, [letter(order[k], names[k], spec) for k in inputs])
        by_number = symbols.forward(node.op, [shown(order[k].data, spec) for k in inputs])
        lines = [
            equation(name(names[i]), by_name),
            equation(name(names[i]), by_number, shown(node.data, spec)),
        ]
        title = f"{names[i]} = {by_name}"
        arrows = [f"e{i}-{k}" for k in range(len(inputs))]
        hot = [f"v{i}", f"o{i}", f"e{i}", *arrows, *(f"v{k}" for k in inputs)]
        yield Frame("forward", title, lines, {f"v{i}": number(node.data, spec)}, {}, hot)


def backward(
    order: Sequence[Any], names: list[str], grads: dict[Any, float], spec: str
) -> Iterator[Frame]:
    """A frame for every contribution, in the order in which the engine adds them to `grads`."""
    place = {node: i for i, node in enumerate(order)}
    uses = Counter(each for node in order for each in node.inputs if not each.constant)
    arrived = [0] * len(order)
    last = len(order) - 1
    root = name(names[last])
    grads[order[last]] = 1.0
    one = equation(slope(root, root), lift(1.0))
    first = {f"v{last}": number(1.0, spec)}
    yield Frame("seed", f"The gradient starts at {names[last]}", [one], {}, first, [f"v{last}"])
    for i in reversed(range(len(order))):
        node = order[i]
        if node.op is None or node.constant:
            continue
        inputs = [place[each] for each in node.inputs]
        out, letters = name(names[i]), [letter(order[k], names[k], spec) for k in inputs]
        rules = symbols.partials(node.op, out, letters)
        for k, (to, local, rule) in enumerate(zip(inputs, node.locals, rules, strict=True)):
            if order[to].constant:
                continue
            sent, before = grads[node] * local, grads[order[to]]
            now = grads[order[to]] = before + sent
            arrived[to] += 1
            to_slope = slope(root, name(names[to]))
            lines = [
                chain(root, out, name(names[to]), rule),
                product(to_slope, grads[node], local, sent, spec),
            ]
            nth = ""
            if uses[order[to]] > 1:
                nth = f", use {arrived[to]} of {uses[order[to]]}"
                if arrived[to] > 1:
                    lines.append(running(to_slope, before, sent, now, spec))
            hot = [f"v{i}", f"o{i}", f"e{i}", f"e{i}-{k}", f"v{to}"]
            title = f"From {names[i]} to {names[to]}{nth}"
            yield Frame("backward", title, lines, {}, {f"v{to}": number(now, spec)}, hot)
    yield Frame("end", "Every gradient has arrived", [], {}, {}, [])


# --------------------------------------------------------------------------------------- MathML


def letter(node: Any, called: str, spec: str) -> Symbol:
    """What stands for a node in a formula: its name, or the number that a constant is."""
    return shown(node.data, spec) if node.constant and not node.label else name(called)


def shown(x: float, spec: str) -> Symbol:
    """A number as it is written in a formula."""
    return (
        name(number(x, spec)) if x >= 0 or x != x else symbols.made("neg", name(number(-x, spec)))
    )


def equation(*sides: Symbol | str) -> str:
    return "<mo>=</mo>".join(side if isinstance(side, str) else mathml(side) for side in sides)


def slope(of: Symbol, to: Symbol) -> str:
    over, under = (f"<mrow><mi>∂</mi>{mathml(each)}</mrow>" for each in (of, to))
    return f"<mfrac>{over}{under}</mfrac>"


def chain(root: Symbol, out: Symbol, to: Symbol, rule: Symbol) -> str:
    """d root / d x += d root / d out * d out / d x, the last factor by its rule."""
    ruled = (
        f"<munder><munder>{slope(out, to)}<mo>⏟</mo></munder><mrow>{mathml(rule)}</mrow></munder>"
    )
    return f"{slope(root, to)}<mo>+=</mo>{slope(root, out)}<mo>⋅</mo>{ruled}"


def product(to: str, upstream: float, local: float, sent: float, spec: str) -> str:
    factors = symbols.made("·", shown(upstream, spec), shown(local, spec))
    return f"{to}<mo>+=</mo>{mathml(factors)}<mo>=</mo>{mathml(shown(sent, spec))}"


def running(to: str, before: float, sent: float, now: float, spec: str) -> str:
    """What has arrived so far, where a value is used more than once."""
    total = symbols.made("+", shown(before, spec), shown(sent, spec))
    return f"{to}<mo>=</mo>{mathml(total)}<mo>=</mo>{mathml(shown(now, spec))}"
