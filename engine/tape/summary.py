"""Measure a tape: nodes, instructions, bytes and time by operation."""

from collections.abc import Callable
from functools import partial
from statistics import median
from timeit import repeat
from typing import Any, NamedTuple

import numpy as np

from engine.support.tables import align
from engine.tape.machine import WIDEST, Machine
from engine.tape.passes import BACKWARD, FORWARD, LANES_BACKWARD, LANES_FORWARD
from engine.tape.schedule import SHARED, Runs
from engine.tape.vectors import find_vectors

REPEATS = 15
HEADER = [
    "operation", "nodes", "once", "forward", "backward", "bytes", "forward µs", "backward µs"
]  # fmt: skip


class Cost(NamedTuple):
    """The cost of the nodes of one operation.

    Attributes:
        operation: The name of the row.
        nodes: The number of nodes.
        once: The number of instructions that ran when the tape was made.
        forward, backward: The number of instructions in each pass.
        bytes: The size of the nodes and instructions.
        forward_us, backward_us: The time of these instructions in each pass, in microseconds.
    """

    operation: str
    nodes: int
    once: int
    forward: int
    backward: int
    bytes: int
    forward_us: float
    backward_us: float


def format_summary(machine: Machine) -> str:
    """Return a table with a row for each operation, those with most instructions first."""
    costs = sorted(measure_costs(machine), key=lambda x: -(x.once + x.forward + x.backward))
    other_bytes = machine.nbytes - sum(cost.bytes for cost in costs)
    counts = [sum(column) for column in zip(*[cost[1:5] for cost in costs], strict=True)] or [0] * 4
    other = ["numbers, order", "", "", "", "", other_bytes, "", ""]
    whole = ["all", *counts, machine.nbytes, *measure_passes(machine, machine.stages)]
    return "\n".join(align([HEADER, *costs, other, whole]))


def measure_costs(machine: Machine) -> list[Cost]:
    """Return the cost of each operation, each timed alone."""
    graph, costs = machine.graph, []
    for i, name in enumerate([*[op.name for op in graph.rows], "decisions"]):
        groups = [group for group in graph.groups if group.row == i]
        stages = [
            select_steps(runs, row == i)
            for runs, row in zip(machine.stages, machine.schedule.rows, strict=True)
        ]
        once, *passes = (len(runs.a) for runs in stages)
        if groups or once or any(passes):
            nodes = sum(len(group.nodes) for group in groups)
            size = machine.bytes_of(groups, once + sum(passes))
            forward, backward = sum(passes[::2]), sum(passes[1::2])
            times = measure_passes(machine, stages)
            costs.append(Cost(name, nodes, once, forward, backward, size, *times))
    return costs


def select_steps(runs: Runs, mask: np.ndarray) -> Runs:
    """Return some of the instructions, in the same order, with results in the same registers."""
    steps = np.flatnonzero(mask)
    run = np.searchsorted(runs.ends, steps, side="right")
    first = np.flatnonzero((np.diff(steps, prepend=-2) != 1) | (np.diff(run, prepend=-1) != 0))
    ends = np.append(first[1:], len(steps))[: len(first)].astype(np.uint32)
    run, starts = run[first], np.append(0, runs.ends)
    before = (steps[first] - starts[run]).astype(np.uint32) // runs.terms[run]
    operands = (operand[steps] for operand in (runs.a, runs.b, runs.c))
    return Runs(runs.opcodes[run], ends, runs.begins[run] + before, runs.terms[run], *operands)


def measure_passes(machine: Machine, stages: list[Runs]) -> list[float]:
    """Return the times of forward and backward in microseconds.

    With inputs, they are those of one sample in a full block of lanes.
    """
    count = machine.schedule.sizes[SHARED]  # of registers, before the copies of columns
    shared = np.zeros(count + 2 * len(machine.shared), machine.shared.dtype)
    shared[: len(machine.shared)] = machine.shared
    blocks = np.ones((1, machine.lanes.rows, WIDEST if machine.inputs else 0), shared.dtype)
    sums = np.zeros(machine.lanes.sums, shared.dtype)
    times = []
    for stage, lanes_stage in ((FORWARD, LANES_FORWARD), (BACKWARD, LANES_BACKWARD)):
        vectors = find_vectors(stages[stage], machine.parameters * (stage == FORWARD), count)
        seconds = measure_seconds(machine.run, vectors.runs.pack(), shared)
        if machine.inputs:
            lanes = *stages[lanes_stage], shared, blocks, WIDEST, sums, 0, 1
            seconds += measure_seconds(machine.lanes.kernel, *lanes) / WIDEST
        times.append(1e6 * seconds)
    return times


def measure_seconds(f: Callable[..., Any], *args: Any) -> float:
    """Return the median time of several calls."""
    return median(repeat(partial(f, *args), number=1, repeat=REPEATS))
