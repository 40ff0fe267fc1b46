"""A graph as a program: the elementary instructions of both passes, in the eager engine's order.

A program is pure: every instruction has a slot of its own for its result, and no slot is written
twice. A gradient that arrives in several parts is a chain of instructions, each of which adds one
part to what was there before. So what improves a program (`engine.tape.passes`) needs to know of no
node and no gradient, and changes no bit.

Every row is recorded once for each number of inputs that it occurs with (`engine.instructions`),
and stamped on all nodes at once that have that row.

The gradient of a node is a chain of parts. A part is the gradient of another node times a local
derivative. An operation with several results has no local derivatives: its pullback is written
before its parts, once the gradients of its results have arrived.
"""

from typing import NamedTuple

import numpy as np

from engine.instructions import Instruction
from engine.tape.flat import Flat, Kind
from engine.tape.kernels import ADD, CODES, COPY, MULTIPLY_ADD, MULTIPLY_FROM_0


class Code(NamedTuple):
    """Instructions, one a place: what each does with the slots a, b and c.

    Instruction i puts its result in slot `given` + i; the slots before hold numbers that nothing
    computes. Where an instruction has no b or c, a stands there again. `row` says whose it is, by
    its place among `Flat.rows`.
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
    start with), each so many, and the `numbers`: first 0, then what rows hold, then as many
    constants. The others are slots of results: `gradients` those of each parameter, then of each
    input.
    """

    code: Code
    parameters: int
    inputs: int
    seeds: int
    numbers: list[float]
    outputs: np.ndarray
    gradients: np.ndarray
    guards: np.ndarray
    assignable: np.ndarray  # slots of constants that may get other numbers by `load()`

    @property
    def zero(self) -> int:
        """The slot that holds 0, the first that is a number's; before it are leaves and seeds."""
        return self.parameters + self.inputs + self.seeds

    @property
    def laned(self) -> slice:
        """The given slots that hold a number for each sample."""
        return slice(self.parameters, self.zero if self.inputs else self.parameters)


ZERO = (0.0).hex()


def program(graph: Flat) -> Program:
    """The program of a graph: its nodes in order, what gradients are sums of, and its guards."""
    kinds, outputs = graph.kinds, graph.outputs
    asked = np.concatenate([graph.parameters, graph.inputs])

    # Given slots. A number that rows hold is held once; a constant leaf has a slot of its own.
    held = {ZERO: 0.0}
    held.update({x.hex(): x for kind in kinds for x in kind.template.constants.values()})
    start = len(asked) + len(outputs)
    given = start + len(held) + len(graph.constants)
    held_at = {key: start + i for i, key in enumerate(held)}

    # Each node's instructions, in the order of the nodes, then what gradients are sums of: from the
    # last node on, its pullback if it has one, and its parts.
    sizes, arity, pulls = (np.zeros(graph.size, np.int64) for _ in range(3))
    for kind in kinds:
        sizes[kind.nodes] = len(ahead(kind))
        arity[kind.nodes] = kind.inputs.shape[1]
        pulls[kind.nodes] = len(kind.template.backward) if kind.template.gs else 0
    arity[graph.size - graph.aside :] = pulls[graph.size - graph.aside :] = 0  # no gradient there
    first, parts = starts(sizes), len(outputs) + starts(arity[::-1])[::-1]
    begin = len(outputs) + starts((arity + pulls)[::-1])[::-1]  # of a node's pullback, then parts
    computed, sent = int(sizes.sum()), len(outputs) + int(arity.sum())
    total = computed + sent + int(pulls.sum())

    slots = np.empty(graph.size, np.int32)
    slots[asked] = np.arange(len(asked))
    slots[graph.constants] = given - len(graph.constants) + np.arange(len(graph.constants))
    of_kind = {}
    for kind in kinds:
        done = [each.result for each in ahead(kind)]
        slots[kind.nodes] = given + first[kind.nodes] + done.index(kind.template.outs[0])
        of_kind.update(dict.fromkeys(kind.nodes.tolist(), kind) if kind.template.gs else {})
    for i, shared, index in graph.results.tolist():
        template = of_kind[shared].template
        done = [each.result for each in template.forward]
        slots[i] = given + first[shared] + done.index(template.outs[index])

    code = blank(given, total + len(graph.guards))
    target, source, local, place = (np.zeros(sent, np.int32) for _ in range(4))
    target[: len(outputs)], local[: len(outputs)] = outputs, PASSED
    place[: len(outputs)] = np.arange(len(outputs))
    columns_of = {}
    for kind in kinds:
        columns = stamp(code, kind, ahead(kind), given + first[kind.nodes], slots, held_at)
        columns_of[id(kind)] = columns
        sends = kind.nodes < graph.size - graph.aside
        each = np.arange(kind.inputs.shape[1])
        at = parts[kind.nodes[sends]][:, None] + each
        slopes = np.array([-1 if s is None else s for s in kind.template.locals], np.int64)
        target[at], source[at] = kind.inputs[sends], kind.nodes[sends, None]
        place[at] = (begin + pulls)[kind.nodes[sends]][:, None] + each
        local[at] = PULLED
        if not kind.template.gs:
            local[at] = np.where(slopes < 0, PASSED, columns[sends][:, slopes])
        code.row[computed + place[at]] = kind.row
    arrived = add_parts(
        code, computed, len(asked), target, source, local, place, len(outputs), graph.size,
        held_at[ZERO],
    )  # fmt: skip
    add_pullbacks(code, computed, graph, kinds, columns_of, arrived, begin, parts, place, held_at)
    for i, (do, x, y) in enumerate(graph.guards, total):
        code.do[i], code.a[i], code.b[i], code.c[i] = CODES[do], slots[x], slots[y], slots[x]
        code.row[i] = len(graph.rows)
    return Program(
        code, len(graph.parameters), len(graph.inputs), len(outputs), list(held.values()),
        slots[outputs], np.where(arrived[asked] < 0, held_at[ZERO], arrived[asked]),
        given + total + np.arange(len(graph.guards)),
        slots[graph.constants[~graph.fixed]],
    )  # fmt: skip


PASSED, PULLED = -1, -2  # a part that is the gradient itself, or what a pullback computes


def ahead(kind: Kind) -> list[Instruction]:
    """The instructions of a node that need no gradient: its formula and its local derivatives."""
    found = kind.template
    return found.forward if found.gs else [*found.forward, *found.backward]


def add_pullbacks(
    code: Code, computed: int, graph: Flat, kinds: list[Kind], columns_of: dict[int, np.ndarray],
    arrived: np.ndarray, begin: np.ndarray, parts: np.ndarray, place: np.ndarray,
    held_at: dict[str, int],
) -> None:  # fmt: skip
    """Write the pullbacks of operations with several results, and let their parts add them."""
    results: dict[int, dict[int, int]] = {}
    for i, shared, index in graph.results.tolist():
        results.setdefault(shared, {})[index] = i
    for kind in kinds:
        template = kind.template
        if not template.gs:
            continue
        sends = np.flatnonzero(kind.nodes < graph.size - graph.aside)
        columns = columns_of[id(kind)][sends]
        for row, node in enumerate(kind.nodes[sends].tolist()):
            for index, g in enumerate(template.gs):
                i = results.get(node, {}).get(index, -1)
                found = arrived[i] if i >= 0 else -1
                columns[row, g] = found if found >= 0 else held_at[ZERO]
        nodes = kind.nodes[sends]
        base = code.given + computed + begin[nodes]
        write(code, kind.row, template.backward, base, columns)
        at = parts[nodes][:, None] + np.arange(kind.inputs.shape[1])
        pulled = columns[:, np.array(template.locals)]
        code.a[computed + place[at]] = code.c[computed + place[at]] = pulled


def blank(given: int, n: int) -> Code:
    a, b, c = (np.zeros(n, np.int32) for _ in range(3))
    return Code(given, np.zeros(n, np.uint8), a, b, c, np.zeros(n, np.uint16))


def starts(sizes: np.ndarray) -> np.ndarray:
    """Where each begins, laid one after the other."""
    return np.cumsum(sizes) - sizes


def stamp(
    code: Code,
    kind: Kind,
    todo: list[Instruction],
    base: np.ndarray,
    slots: np.ndarray,
    held_at: dict[str, int],
) -> np.ndarray:
    """Write instructions for all nodes of a kind, from the slots `base` on; its slots at each."""
    columns = np.zeros((len(kind.nodes), kind.template.slots), np.int32)
    columns[:, : kind.inputs.shape[1]] = slots[kind.inputs]
    for s, number in kind.template.constants.items():
        columns[:, s] = held_at[number.hex()]
    write(code, kind.row, todo, base, columns)
    return columns


def write(
    code: Code, row: int, todo: list[Instruction], base: np.ndarray, columns: np.ndarray
) -> None:
    """Write instructions for several nodes, of which `columns` has the slots."""
    columns[:, [each.result for each in todo]] = base[:, None] + np.arange(len(todo))
    at = base[:, None] - code.given + np.arange(len(todo))
    code.do[at], code.row[at] = [CODES[each.do] for each in todo], row
    for operand, name in ((code.a, "a"), (code.b, "b"), (code.c, "c")):
        which = [getattr(each, name) for each in todo]
        operand[at] = columns[
            :, [each.a if s < 0 else s for s, each in zip(which, todo, strict=True)]
        ]


def add_parts(
    code: Code,
    begin: int,
    seed: int,
    target: np.ndarray,
    source: np.ndarray,
    local: np.ndarray,
    place: np.ndarray,
    seeds: int,
    nodes: int,
    zero: int,
) -> np.ndarray:
    """Write the sums that gradients are, from instruction `begin` on; the slot of each node's.

    Part e, written at `place`, goes to node `target`: the gradient of `source` times the slot
    `local`, or as it is where that is PASSED. Where it is PULLED, the first operand is filled in
    later. The first parts are seeds. A sum starts from 0, as it does in the graph, so that it is
    never -0.0; what is passed on alone then needs no sum: it is the same number, and slot.
    """
    n = len(target)
    order = np.argsort(target, kind="stable")
    follows = target[order[1:]] == target[order[:-1]]
    before = np.full(n, -1, np.int32)  # the part of the same sum that was added before
    before[order[1:][follows]] = order[:-1][follows]
    last = np.full(nodes, -1, np.int32)
    last[target] = np.arange(n, dtype=np.int32)  # of several parts the last one stays

    slot = code.given + begin + place  # of the sum so far
    passed, pulled, first = local < 0, local == PULLED, before < 0
    alone = passed & first & ~pulled
    same = np.where(alone, last[source], np.arange(n, dtype=np.int32))
    same[:seeds] = np.arange(seeds)
    slot[:seeds][alone[:seeds]] = seed + np.flatnonzero(alone[:seeds])
    while not np.array_equal(same, same[same]):  # passed on, and passed on again
        same = same[same]
    slot = slot[same]

    upstream = slot[last[source]]
    upstream[:seeds] = seed + np.arange(seeds)
    so_far = np.where(first, zero, slot[before])
    do, a, b, c = (each[begin + place] for each in code[1:5])
    do[:] = np.where(passed, ADD, np.where(first, MULTIPLY_FROM_0, MULTIPLY_ADD))
    do[alone] = COPY
    a[:] = upstream
    b[:] = np.where(alone, upstream, np.where(passed, so_far, local))
    c[:] = np.where(passed | first, upstream, so_far)
    for operand, found in zip(code[1:5], (do, a, b, c), strict=True):
        operand[begin + place] = found
    return np.where(last < 0, -1, slot[last])
