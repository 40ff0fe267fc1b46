"""A graph as a program: flat arrays of elementary instructions, in the order of the eager engine.

Every row is written down once for each number of inputs that it occurs with (see
`engine.tape.rows`), and stamped on all nodes at once that have that row.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from engine.tape.rows import CODES, PASS_ON, SEND, Instruction, Template, template


class Code(NamedTuple):
    """Instructions, one a place: what to do, where the result goes, and the operands.

    `SEND` and `PASS_ON` add to gradients: their result and first operand are nodes' places among
    the gradients. All else are slots of the data.
    """

    do: np.ndarray
    result: np.ndarray
    a: np.ndarray
    b: np.ndarray
    c: np.ndarray


class Program(NamedTuple):
    """Both passes, what the slots hold at first, and where each node is.

    `slots` and `places` say for each node which slot has its number, and at which place its
    gradient is. The `free` leaves, those that ask for gradients, are the first of both.
    """

    forward: Code
    backward: Code
    data: np.ndarray
    slots: np.ndarray
    places: np.ndarray
    free: int


class Kind(NamedTuple):
    """The nodes of one row with one number of inputs, some of them constants."""

    template: Template
    constant: tuple[bool, ...]
    nodes: list[int]
    inputs: list[list[int]]


def program(order: Sequence[Any]) -> Program:
    """The program of a graph in topological order."""
    kinds, kind_of = sorted_by_kind(order)
    leaves = kind_of < 0
    free = np.array([x.op is None and not x.constant for x in order], bool)
    places = np.empty(len(order), np.int32)
    places[np.argsort(~free, kind="stable")] = np.arange(len(order))

    # Slots: the free leaves, the numbers that templates hold, other leaves, then what each node
    # computes.
    held: dict[str, int] = {}
    numbers: list[float] = []
    count = int(free.sum())
    for kind in kinds:
        for number in kind.template.constants.values():
            if held.setdefault(number.hex(), count + len(numbers)) == count + len(numbers):
                numbers.append(number)
    sizes = leaves & ~free
    sizes = sizes.astype(np.int64)
    for i, kind in enumerate(kinds):
        sizes[kind_of == i] = (
            kind.template.slots - len(kind.constant) - len(kind.template.constants)
        )
    base = count + len(numbers) + starts(sizes)
    base[free] = places[free]
    slots = base.copy()
    columns = [Columns(kind, held, base) for kind in kinds]
    for i, kind in enumerate(kinds):
        slots[kind_of == i] = columns[i].own(kind.template.out)

    data = np.zeros(count + len(numbers) + int(sizes.sum()))
    data[count : count + len(numbers)] = numbers
    data[slots[leaves]] = [x.data for x, leaf in zip(order, leaves, strict=True) if leaf]

    ahead, back = np.zeros(len(order), np.int64), np.zeros(len(order), np.int64)
    for kind, column in zip(kinds, columns, strict=True):
        ahead[kind.nodes] = len(kind.template.forward)
        back[kind.nodes] = len(kind.template.backward) + len(column.sent)
    forward, backward = (blank(int(length.sum())) for length in (ahead, back))
    first, last = starts(ahead), starts(back[::-1])[::-1]
    for kind, column in zip(kinds, columns, strict=True):
        at, nodes = first[kind.nodes], np.array(kind.nodes)
        for j, each in enumerate(kind.template.forward):
            stamp(forward, at + j, each, column, slots)
        at = last[kind.nodes]
        for j, each in enumerate(kind.template.backward):
            stamp(backward, at + j, each, column, slots)
        at = at + len(kind.template.backward)
        for j, k in enumerate(column.sent):
            local = kind.template.locals[k]
            backward.do[at + j] = CODES[PASS_ON if local is None else SEND]
            backward.result[at + j] = places[column.inputs[:, k]]
            backward.a[at + j] = places[nodes]
            if local is not None:
                backward.b[at + j] = column.of(local, slots)
    return Program(forward, backward, data, slots.astype(np.int32), places, count)


def sorted_by_kind(order: Sequence[Any]) -> tuple[list[Kind], np.ndarray]:
    """The kinds of nodes, and the kind of each node, -1 for a leaf."""
    place = {node: i for i, node in enumerate(order)}
    kinds: dict[Any, Kind] = {}
    number: dict[Any, int] = {}
    kind_of = np.full(len(order), -1)
    for i, node in enumerate(order):
        if node.op is not None:
            inputs = node.inputs
            key = node.op, tuple([each.constant for each in inputs])
            if key not in kinds:
                number[key] = len(kinds)
                kinds[key] = Kind(template(node.op, len(inputs)), key[1], [], [])
            kinds[key].nodes.append(i)
            kinds[key].inputs.append([place[each] for each in inputs])
            kind_of[i] = number[key]
    return list(kinds.values()), kind_of


class Columns:
    """Where the slots of a template are for all nodes of a kind: an array, or one number."""

    def __init__(self, kind: Kind, held: dict[str, int], base: np.ndarray):
        self.inputs = np.array(kind.inputs).reshape(len(kind.nodes), -1)
        self.base = base[kind.nodes]
        self.sent = [k for k, constant in enumerate(kind.constant) if not constant]
        self.arity = len(kind.constant)
        self.held = {s: held[x.hex()] for s, x in kind.template.constants.items()}
        computed = [s for s in range(self.arity, kind.template.slots) if s not in self.held]
        self.place = {s: i for i, s in enumerate(computed)}

    def own(self, s: int) -> np.ndarray:
        return self.base + self.place[s]

    def of(self, s: int, slots: np.ndarray) -> Any:
        if 0 <= s < self.arity:
            return slots[self.inputs[:, s]]
        return 0 if s < 0 else self.held[s] if s in self.held else self.own(s)


def blank(n: int) -> Code:
    return Code(np.zeros(n, np.uint8), *(np.zeros(n, np.int32) for _ in range(4)))


def starts(sizes: np.ndarray) -> np.ndarray:
    """Where each begins, laid one after the other."""
    return np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)


def stamp(
    code: Code, at: np.ndarray, each: Instruction, column: Columns, slots: np.ndarray
) -> None:
    """Write one instruction of a template for all nodes of its kind."""
    code.do[at] = CODES[each.do]
    for part, s in zip(code[1:], each[1:], strict=True):
        part[at] = column.of(s, slots)
