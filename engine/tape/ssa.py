"""Build the program of a graph: the elementary instructions of both passes, in the eager order.

The program is in static single assignment form: each instruction has a slot of its own for its
result, and no slot is written twice. The passes that optimize it (`engine.tape.passes`) therefore
need no nodes and no gradients, and change no bit.

Each row is recorded once for each number of inputs (`engine.instructions`), and its instructions
are written for all nodes with that row at once.

The gradient of a node is a sum of contributions, each of which one instruction adds to the sum so
far. A contribution is the gradient of another node times a local derivative. An operation with
several results has no local derivatives: the instructions of its pullback precede its
contributions.
"""

from typing import NamedTuple

import numpy as np

from engine.tape.encoded_rows import (
    IDENTITY,
    encode_row,
    fill_contributions,
    write_steps,
    write_sums,
)
from engine.tape.flat_graph import FlatGraph, NodeGroup
from engine.tape.opcodes import CODES

ZERO, MINUS_ZERO, ONE = (0.0).hex(), (-0.0).hex(), (1.0).hex()


class Code(NamedTuple):
    """Instructions in arrays: the opcode of each, and the slots of its operands.

    Instruction i writes to slot `offset` + i. The slots before contain numbers that no instruction
    computes. If an instruction has no operand b or c, a is repeated there. `row` is the row that
    the instruction belongs to, by its place in `FlatGraph.rows`.
    """

    offset: int
    opcodes: np.ndarray
    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    row: np.ndarray

    @property
    def size(self) -> int:
        """The number of slots."""
        return self.offset + len(self.opcodes)


class SSAProgram(NamedTuple):
    """The code of a graph, and the meaning of its slots.

    The slots before the offset contain, in this order: the parameters, the inputs, the seeds (the
    gradients of the outputs), the `numbers` (0.0, -0.0, 1.0, the constants of rows), and the
    constant leaves.

    Attributes:
        parameters, inputs, seeds: How many of these there are.
        outputs, guards: Slots.
        gradients: The slots of the gradients of parameters, then of inputs.
        assignable: The slots of constant leaves that `Tape.load` can change.
        batched: Whether the inputs and the seeds differ between the samples of a batch.
    """

    code: Code
    parameters: int
    inputs: int
    seeds: int
    numbers: list[float]
    outputs: np.ndarray
    gradients: np.ndarray
    guards: np.ndarray
    assignable: np.ndarray
    batched: bool

    @property
    def zero(self) -> int:
        """The slot of 0, the first of the numbers."""
        return self.parameters + self.inputs + self.seeds

    @property
    def minus_zero(self) -> int:
        """The slot of -0.0."""
        return self.zero + 1

    @property
    def one(self) -> int:
        """The slot of 1.0."""
        return self.zero + 2

    @property
    def per_sample(self) -> slice:
        """The slots of inputs and seeds if their numbers differ between samples."""
        return slice(self.parameters, self.zero if self.batched else self.parameters)


class Contributions(NamedTuple):
    """The contributions to gradients, in the order of the backward pass; the seeds come first.

    Attributes:
        target: The node whose gradient it adds to.
        source: The node whose gradient it multiplies.
        slope: The slot of the local derivative, or IDENTITY, or PULLBACK.
        place: Its instruction.
    """

    target: np.ndarray
    source: np.ndarray
    slope: np.ndarray
    place: np.ndarray


def build_program(graph: FlatGraph, batched: bool) -> SSAProgram:
    """Return the program of a graph: its nodes in order, its gradients, and its guards."""
    builder = Builder(graph)
    contributions = builder.write_forward()
    gradients = builder.write_contributions(contributions)
    builder.write_pullbacks(contributions, gradients)
    slots = builder.slots
    of_leaves = gradients[builder.leaves]
    return SSAProgram(
        code=builder.code,
        parameters=len(graph.parameters),
        inputs=len(graph.inputs),
        seeds=len(graph.outputs),
        numbers=builder.numbers,
        outputs=slots[graph.outputs],
        gradients=np.where(of_leaves < 0, builder.zero, of_leaves),
        guards=builder.write_guards(),
        assignable=slots[graph.constants[~graph.fixed]],
        batched=batched,
    )


class Builder:
    """The program under construction."""

    def __init__(self, graph: FlatGraph):
        self.graph, self.seeds = graph, len(graph.outputs)
        self.leaves = np.concatenate([graph.parameters, graph.inputs])

        # Equal numbers in rows share a slot; each constant leaf has one of its own.
        constants = [x for group in graph.groups for x in group.template.constants.values()]
        numbers = {ZERO: 0.0, MINUS_ZERO: -0.0, ONE: 1.0, **{x.hex(): x for x in constants}}
        first = len(self.leaves) + self.seeds
        self.numbers = list(numbers.values())
        self.number_slots = {key: first + i for i, key in enumerate(numbers)}
        self.zero = self.number_slots[ZERO]
        self.offset = first + len(numbers) + len(graph.constants)

        # First the instructions of each node; then the seeds; then, from the last node to the
        # first, its pullback, if any, and its contributions.
        self.rows = [encode_row(graph.rows[x.row], x.inputs.shape[1]) for x in graph.groups]
        sizes, arity, pulls = (np.zeros(graph.size, np.int64) for _ in range(3))
        for group, row in zip(graph.groups, self.rows, strict=True):
            sizes[group.nodes] = len(row.forward)
            arity[group.nodes] = group.inputs.shape[1]
            pulls[group.nodes] = len(row.pullback)
        self.sends = graph.sends
        arity[~self.sends] = pulls[~self.sends] = 0
        self.forward_at = starts(sizes)
        computed = int(sizes.sum())
        self.backward_at = computed + self.seeds + starts((arity + pulls)[::-1])[::-1]
        self.contributions_at = self.backward_at + pulls
        self.contribution = self.seeds + starts(arity[::-1])[::-1]  # the first of each node
        self.contributions = self.seeds + int(arity.sum())
        self.seeds_at = computed
        self.guards_at = computed + self.contributions + int(pulls.sum())

        n = self.guards_at + len(graph.guards)
        a, b, c = (np.zeros(n, np.int32) for _ in range(3))
        self.code = Code(self.offset, np.zeros(n, np.uint8), a, b, c, np.zeros(n, np.uint16))
        self.slots = self.node_slots()
        self.columns: list[np.ndarray] = []  # by group: the slots of each node's instructions

    def node_slots(self) -> np.ndarray:
        """Return the slot of each node's number."""
        graph = self.graph
        slots = np.empty(graph.size, np.int32)
        slots[self.leaves] = np.arange(len(self.leaves))
        slots[graph.constants] = (
            self.offset - len(graph.constants) + np.arange(len(graph.constants))
        )
        for group, encoded in zip(graph.groups, self.rows, strict=True):
            at = self.offset + self.forward_at[group.nodes]
            slots[group.nodes] = at + encoded.results[0]
            if group.template.gs:
                nodes, row, index = self.results_of(group)
                slots[nodes] = at[row] + encoded.results[index]
        return slots

    def results_of(self, group: NodeGroup) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the nodes that are results of a group's operations, each with the row of its
        operation in the group, and its index among the results of this operation."""
        nodes, operations, index = self.graph.results.T
        row = np.full(self.graph.size, -1, np.int32)
        row[group.nodes] = np.arange(len(group.nodes))
        own = row[operations] >= 0
        return nodes[own], row[operations[own]], index[own]

    def write_forward(self) -> Contributions:
        """Write the instructions of all nodes, and return the contributions of their gradients."""
        graph = self.graph
        contributions = Contributions(
            *[np.zeros(self.contributions, np.int32) for _ in Contributions._fields]
        )
        target, _, slope, place = contributions
        target[: self.seeds], slope[: self.seeds] = graph.outputs, IDENTITY
        place[: self.seeds] = self.seeds_at + np.arange(self.seeds)
        for group, row in zip(graph.groups, self.rows, strict=True):
            template, nodes = group.template, group.nodes
            columns = np.zeros((len(nodes), template.slots), np.int32)
            columns[:, : group.inputs.shape[1]] = self.slots[group.inputs]
            for slot, number in template.constants.items():
                columns[:, slot] = self.number_slots[number.hex()]
            self.write(group, row.forward, self.forward_at[nodes], columns)
            self.columns.append(columns)
            fill_contributions(
                *contributions, nodes, group.inputs, columns, row.locals, self.sends,
                self.contribution, self.contributions_at, self.code.row, group.row,
            )  # fmt: skip
        return contributions

    def write(
        self, group: NodeGroup, steps: np.ndarray, at: np.ndarray, columns: np.ndarray
    ) -> None:
        """Write instructions for several nodes, from the places `at` on.

        `columns` maps the slots of the row to those of the program, and is filled in with the
        results.
        """
        write_steps(*self.code[1:], steps, at, columns, group.row, self.offset)

    def write_contributions(self, contributions: Contributions) -> np.ndarray:
        """Write the sums of contributions, and return the slot of each node's gradient, or -1.

        A sum starts from 0, as in the graph, so that it is never -0.0. A gradient that is passed on
        as the only contribution needs no sum: it is the same number, in the same slot.
        """
        slots = np.full(self.graph.size, -1, np.int32)
        write_sums(
            *self.code[1:5], *contributions, slots, self.offset, self.zero,
            len(self.leaves), self.seeds,
        )  # fmt: skip
        return slots

    def write_pullbacks(self, contributions: Contributions, gradients: np.ndarray) -> None:
        """Write the pullbacks of operations with several results, and add what they compute."""
        graph, code = self.graph, self.code
        for group, encoded, columns in zip(graph.groups, self.rows, self.columns, strict=True):
            template = group.template
            if not template.gs:
                continue
            results, row, index = self.results_of(group)
            columns[:, template.gs] = self.zero
            columns[row, np.array(template.gs)[index]] = np.where(
                gradients[results] < 0, self.zero, gradients[results]
            )
            sends = self.sends[group.nodes]
            nodes, columns = group.nodes[sends], columns[sends]
            self.write(group, encoded.pullback, self.backward_at[nodes], columns)
            at = self.contribution[nodes][:, None] + np.arange(group.inputs.shape[1])
            place = contributions.place[at]
            code.a[place] = code.c[place] = columns[:, np.array(template.locals)]

    def write_guards(self) -> np.ndarray:
        """Write the comparisons to check, and return their slots."""
        graph, code, slots = self.graph, self.code, self.slots
        for i, guard in enumerate(graph.guards, self.guards_at):
            code.opcodes[i] = CODES[guard.operator]
            code.a[i], code.b[i], code.c[i] = slots[guard.x], slots[guard.y], slots[guard.x]
            code.row[i] = len(graph.rows)
        return self.offset + self.guards_at + np.arange(len(graph.guards))


def starts(sizes: np.ndarray) -> np.ndarray:
    """Return the start of each part when parts of these sizes are laid end to end."""
    return np.cumsum(sizes) - sizes
