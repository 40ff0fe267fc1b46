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

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engine.instructions import Instruction
from engine.tape.flat_graph import FlatGraph, NodeGroup
from engine.tape.kernels import compile_kernel
from engine.tape.opcodes import ADD, CODES, COPY, MULTIPLY_ADD

ZERO, MINUS_ZERO, ONE = (0.0).hex(), (-0.0).hex(), (1.0).hex()
IDENTITY, PULLBACK = -1, -2  # contributions that are the gradient itself, or from a pullback


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
        sizes, arity, pulls = (np.zeros(graph.size, np.int64) for _ in range(3))
        for group in graph.groups:
            sizes[group.nodes] = len(forward_instructions(group))
            arity[group.nodes] = group.inputs.shape[1]
            pulls[group.nodes] = len(group.template.backward) if group.template.gs else 0
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
        for group in graph.groups:
            results = [step.result for step in forward_instructions(group)]
            at = self.offset + self.forward_at[group.nodes]
            places = np.array([results.index(out) for out in group.template.outs], np.int32)
            slots[group.nodes] = at + places[0]
            if group.template.gs:
                nodes, row, index = self.results_of(group)
                slots[nodes] = at[row] + places[index]
        return slots

    def results_of(self, group: NodeGroup) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the nodes that are results of a group's, each with the row of its operation in the
        group, and its index among the results of this operation."""
        nodes, operations, index = self.graph.results.T
        row = np.full(self.graph.size, -1, np.int32)
        row[group.nodes] = np.arange(len(group.nodes))
        own = row[operations] >= 0
        return nodes[own], row[operations[own]], index[own]

    def write_forward(self) -> Contributions:
        """Write the instructions of all nodes, and return the contributions of their gradients."""
        graph = self.graph
        target, source, slope, place = (np.zeros(self.contributions, np.int32) for _ in range(4))
        target[: self.seeds], slope[: self.seeds] = graph.outputs, IDENTITY
        place[: self.seeds] = self.seeds_at + np.arange(self.seeds)
        for group in graph.groups:
            template, nodes = group.template, group.nodes
            columns = np.zeros((len(nodes), template.slots), np.int32)
            columns[:, : group.inputs.shape[1]] = self.slots[group.inputs]
            for slot, number in template.constants.items():
                columns[:, slot] = self.number_slots[number.hex()]
            self.write(group, forward_instructions(group), self.forward_at[nodes], columns)
            self.columns.append(columns)

            sends = self.sends[nodes]
            at = self.contributions_of(nodes[sends], group)
            target[at], source[at] = group.inputs[sends], nodes[sends, None]
            k = np.arange(group.inputs.shape[1])
            place[at] = self.contributions_at[nodes[sends]][:, None] + k
            slope[at] = PULLBACK
            if not template.gs:
                local = np.array([-1 if s is None else s for s in template.locals], np.int64)
                slope[at] = np.where(local < 0, IDENTITY, columns[sends][:, local])
            self.code.row[place[at]] = group.row
        return Contributions(target, source, slope, place)

    def contributions_of(self, nodes: np.ndarray, group: NodeGroup) -> np.ndarray:
        """Return the contributions of some nodes, of shape (nodes, inputs)."""
        return self.contribution[nodes][:, None] + np.arange(group.inputs.shape[1])

    def write(
        self, group: NodeGroup, steps: Sequence[Instruction], at: np.ndarray, columns: np.ndarray
    ) -> None:
        """Write instructions for several nodes, from the places `at` on.

        `columns` maps the slots of the row to those of the program, and is filled in with the
        results.
        """
        columns[:, [step.result for step in steps]] = (
            self.offset + at[:, None] + np.arange(len(steps))
        )
        place = at[:, None] + np.arange(len(steps))
        self.code.opcodes[place] = [CODES[step.opname] for step in steps]
        self.code.row[place] = group.row
        self.code.a[place] = columns[:, [step.a for step in steps]]
        self.code.b[place] = columns[:, [step.a if step.b < 0 else step.b for step in steps]]
        self.code.c[place] = columns[:, [step.a if step.c < 0 else step.c for step in steps]]

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
        for group, columns in zip(graph.groups, self.columns, strict=True):
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
            self.write(group, template.backward, self.backward_at[nodes], columns)
            place = contributions.place[self.contributions_of(nodes, group)]
            code.a[place] = code.c[place] = columns[:, np.array(template.locals)]

    def write_guards(self) -> np.ndarray:
        """Write the comparisons to check, and return their slots."""
        graph, code, slots = self.graph, self.code, self.slots
        for i, guard in enumerate(graph.guards, self.guards_at):
            code.opcodes[i] = CODES[guard.operator]
            code.a[i], code.b[i], code.c[i] = slots[guard.x], slots[guard.y], slots[guard.x]
            code.row[i] = len(graph.rows)
        return self.offset + self.guards_at + np.arange(len(graph.guards))


def forward_instructions(group: NodeGroup) -> list[Instruction]:
    """Return the instructions of a node for its number and its local derivatives."""
    template = group.template
    return template.forward if template.gs else [*template.forward, *template.backward]


def starts(sizes: np.ndarray) -> np.ndarray:
    """Return the start of each part when parts of these sizes are laid end to end."""
    return np.cumsum(sizes) - sizes


@compile_kernel()
def write_sums(
    opcodes: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray, target: np.ndarray,
    source: np.ndarray, slope: np.ndarray, place: np.ndarray, slots: np.ndarray, offset: int,
    zero: int, first_seed: int, seeds: int,
) -> None:  # fmt: skip
    """Write contributions in order, and fill in the slot of the gradient of each node.

    All contributions to a gradient precede those that multiply it.
    """
    for k in range(target.size):
        i, upstream = place[k], first_seed + k if k < seeds else slots[source[k]]
        is_first = slots[target[k]] < 0
        so_far = zero if is_first else slots[target[k]]
        if slope[k] == IDENTITY and is_first:
            opcodes[i], a[i], b[i], c[i] = COPY, upstream, upstream, upstream
            slots[target[k]] = upstream
            continue
        if slope[k] < 0:
            opcodes[i], a[i], b[i], c[i] = ADD, upstream, so_far, upstream
        else:
            opcodes[i], a[i], b[i], c[i] = MULTIPLY_ADD, upstream, slope[k], so_far
        slots[target[k]] = offset + i
