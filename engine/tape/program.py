"""A graph as a program: the elementary instructions of both passes, in the eager engine's order.

A program is pure: every instruction has a slot of its own for its result, and no slot is written
twice. A gradient that arrives in several parts is a chain of instructions, each of which adds one
part to what was there before. So what improves a program (`engine.tape.passes`) needs to know of no
node and no gradient, and changes no bit.

Every row is written down once for each number of inputs that it occurs with (`engine.tape.rows`),
and stamped on all nodes at once that have that row.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from engine.ops import Op
from engine.tape.kernels import ADD, CODES, COPY, MULTIPLY_ADD, MULTIPLY_FROM_0
from engine.tape.recording import Recording
from engine.tape.rows import Instruction, Template, template


class Code(NamedTuple):
    """Instructions, one a place: what each does with the slots a, b and c.

    Instruction i puts its result in slot `given` + i; the slots before hold numbers that nothing
    computes. Where an instruction has no b or c, a stands there again. `row` says whose it is, by
    the place of a row among `Program.rows`.
    """

    given: int
    do: np.ndarray
    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    row: np.ndarray


class Program(NamedTuple):
    """Code, and what is in which slot.

    The given slots are, in this order: `parameters`, `inputs`, `seeds` (the gradients that outputs
    start with), each so many, and the `numbers`, of which the first is 0. The others are slots of
    results: `gradients` those of each parameter, then of each input.
    """

    code: Code
    parameters: int
    inputs: int
    seeds: int
    numbers: np.ndarray
    outputs: np.ndarray
    gradients: np.ndarray
    guards: np.ndarray
    rows: list[Op]
    nodes: list[int]


class Kind(NamedTuple):
    """The nodes of one row with one number of inputs, by their places in the order."""

    row: int
    template: Template
    nodes: np.ndarray
    inputs: np.ndarray


ZERO = (0.0).hex()


def program(found: Recording) -> Program:
    """The program of a graph: its nodes in order, what gradients are sums of, and its guards."""
    order, outputs, parameters, inputs = found.order, found.outputs, found.parameters, found.inputs
    place = dict(zip(order, range(len(order)), strict=True))
    kinds, rows = sorted_by_kind(order, place)
    ends = np.array([place[x] for x in outputs])
    asked = np.array([place[x] for x in (*parameters, *inputs)], np.int64)

    # Given slots. Numbers that rows hold are held once; a constant leaf has a slot of its own.
    held = {ZERO: 0.0}
    held.update({x.hex(): x for kind in kinds for x in kind.template.constants.values()})
    constants = np.array([place[x] for x in found.constants], np.int64)
    start = len(asked) + len(ends)
    numbers = np.array([*held.values(), *[x._data for x in found.constants]])
    given = start + len(numbers)
    held_at = {key: start + i for i, key in enumerate(held)}

    # Each node's instructions, in the order of the nodes, then what gradients are sums of.
    sizes, arity = np.zeros(len(order), np.int64), np.zeros(len(order), np.int64)
    for kind in kinds:
        sizes[kind.nodes] = len(kind.template.forward) + len(kind.template.backward)
        arity[kind.nodes] = kind.inputs.shape[1]
    arity[len(order) - found.aside :] = 0  # no gradient comes from there
    first, parts = starts(sizes), len(ends) + starts(arity[::-1])[::-1]
    computed, sent = int(sizes.sum()), len(ends) + int(arity.sum())

    slots = np.empty(len(order), np.int32)
    slots[asked] = np.arange(len(asked))
    slots[constants] = start + len(held) + np.arange(len(constants))
    for kind in kinds:
        done = [each.result for each in steps(kind.template)]
        slots[kind.nodes] = given + first[kind.nodes] + done.index(kind.template.out)

    code = blank(given, computed + sent + len(found.branches))
    target, source, local = (np.zeros(sent, np.int32) for _ in range(3))
    target[: len(ends)], local[: len(ends)] = ends, -1
    for kind in kinds:
        columns = stamp(code, kind, given + first[kind.nodes], slots, held_at)
        sends = kind.nodes < len(order) - found.aside
        at = parts[kind.nodes[sends]][:, None] + np.arange(kind.inputs.shape[1])
        slopes = np.array([-1 if s is None else s for s in kind.template.locals])
        target[at], source[at] = kind.inputs[sends], kind.nodes[sends, None]
        local[at] = np.where(slopes < 0, -1, columns[sends][:, slopes])
        code.row[computed + at] = kind.row
    arrived = add_parts(code, computed, len(asked), target, source, local, len(ends), len(order))
    for i, branch in enumerate(found.branches, computed + sent):
        code.do[i], code.a[i] = CODES[branch.do], slots[place[branch.x]]
        code.b[i] = slots[place[branch.y]]
        code.c[i] = code.a[i]
    zero = held_at[ZERO]
    gradients = np.array([zero if arrived[i] < 0 else arrived[i] for i in asked], np.int32)
    return Program(
        code, len(parameters), len(inputs), len(ends), numbers, slots[ends], gradients,
        given + computed + sent + np.arange(len(found.branches)), rows,
        [sum(len(kind.nodes) for kind in kinds if kind.row == i) for i in range(len(rows))],
    )  # fmt: skip


def sorted_by_kind(order: Sequence[Any], place: dict[Any, int]) -> tuple[list[Kind], list[Op]]:
    """The kinds of nodes, and the rows that they are of."""
    found: Any = defaultdict(lambda: ([], []))
    for i, node in enumerate(order):
        x, y = node._x, node._y
        if x is None:
            continue
        if type(x) is tuple:
            nodes, inputs = found[node.op, len(x)]
            inputs.extend([place[each] for each in x])
        elif y is None:
            nodes, inputs = found[node.op, 1]
            inputs.append(place[x])
        else:
            nodes, inputs = found[node.op, 2]
            inputs += place[x], place[y]
        nodes.append(i)
    rows = list(dict.fromkeys(op for op, _ in found))
    kinds = [
        Kind(rows.index(op), template(op, n), np.array(nodes), np.array(inputs).reshape(-1, n))
        for (op, n), (nodes, inputs) in found.items()
    ]
    return kinds, rows


def steps(found: Template) -> list[Instruction]:
    return [*found.forward, *found.backward]


def blank(given: int, n: int) -> Code:
    a, b, c = (np.zeros(n, np.int32) for _ in range(3))
    return Code(given, np.zeros(n, np.uint8), a, b, c, np.zeros(n, np.uint16))


def starts(sizes: np.ndarray) -> np.ndarray:
    """Where each begins, laid one after the other."""
    return np.cumsum(sizes) - sizes


def stamp(
    code: Code, kind: Kind, base: np.ndarray, slots: np.ndarray, held_at: dict[str, int]
) -> np.ndarray:
    """Write a template for all nodes of its kind, from the slots `base` on; its slots at each."""
    todo, found = steps(kind.template), kind.template
    columns = np.empty((len(kind.nodes), found.slots), np.int32)
    columns[:, : kind.inputs.shape[1]] = slots[kind.inputs]
    for s, number in found.constants.items():
        columns[:, s] = held_at[number.hex()]
    columns[:, [each.result for each in todo]] = base[:, None] + np.arange(len(todo))
    at = base[:, None] - code.given + np.arange(len(todo))
    code.do[at], code.row[at] = [CODES[each.do] for each in todo], kind.row
    for operand, name in ((code.a, "a"), (code.b, "b"), (code.c, "c")):
        which = [getattr(each, name) for each in todo]
        operand[at] = columns[
            :, [each.a if s < 0 else s for s, each in zip(which, todo, strict=True)]
        ]
    return columns


def add_parts(
    code: Code,
    begin: int,
    seed: int,
    target: np.ndarray,
    source: np.ndarray,
    local: np.ndarray,
    seeds: int,
    nodes: int,
) -> np.ndarray:
    """Write the sums that gradients are, from instruction `begin` on; the slot of each node's.

    Part e goes to node `target`: the gradient of `source` times the slot `local`, or as it is where
    that is -1. The first parts are seeds. A sum starts from 0, as it does in the graph, so that it
    is never -0.0; what is passed on alone then needs no sum: it is the same number, and slot.
    """
    n = len(target)
    order = np.argsort(target, kind="stable")
    follows = target[order[1:]] == target[order[:-1]]
    before = np.full(n, -1, np.int32)  # the part of the same sum that was added before
    before[order[1:][follows]] = order[:-1][follows]
    last = np.full(nodes, -1, np.int32)
    last[target] = np.arange(n, dtype=np.int32)  # of several parts the last one stays

    slot = code.given + begin + np.arange(n, dtype=np.int32)  # of the sum so far
    passed = local < 0
    alone = passed & (before < 0)
    same = np.where(alone, last[source], np.arange(n, dtype=np.int32))
    same[:seeds] = np.arange(seeds)
    slot[:seeds][alone[:seeds]] = seed + np.flatnonzero(alone[:seeds])
    while not np.array_equal(same, same[same]):  # passed on, and passed on again
        same = same[same]
    slot = slot[same]

    upstream = slot[last[source]]
    upstream[:seeds] = seed + np.arange(seeds)
    so_far = slot[before]
    first = before < 0
    do, a, b, c = (each[begin : begin + n] for each in code[1:5])
    do[:] = np.where(passed, ADD, np.where(first, MULTIPLY_FROM_0, MULTIPLY_ADD))
    do[alone] = COPY
    a[:] = upstream
    b[:] = np.where(alone, upstream, np.where(passed, so_far, local))
    c[:] = np.where(passed | first, upstream, so_far)
    return np.where(last < 0, -1, slot[last])
