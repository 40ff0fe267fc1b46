"""What a tape is made of, and where its time goes, by operation."""

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from engine.tape.lanes import WIDEST
from engine.tape.machine import Machine
from engine.tape.passes import BACKWARD, EACH_BACKWARD, EACH_FORWARD, FORWARD
from engine.tape.schedule import Runs

REPEATS = 15


class Cost(NamedTuple):
    """What the nodes of one operation take; times are microseconds."""

    operation: str
    nodes: int
    once: int  # instructions that were carried out when the tape was made, and in each pass
    forward: int
    backward: int
    bytes: int
    ahead: float
    back: float


def summary(machine: Machine) -> str:
    """A table, to be printed: a line for each operation, those of most instructions first."""
    rows = sorted(costs(machine), key=lambda row: -(row.once + row.forward + row.backward))
    held = machine.nbytes - sum(row.bytes for row in rows)
    counts = [sum(column) for column in zip(*[row[1:5] for row in rows], strict=True)] or [0] * 4
    head = ["operation", "nodes", "once", "forward", "backward", "bytes", "µs ahead", "µs back"]
    numbers = ["numbers, order", "", "", "", "", held, "", ""]
    whole = ["all", *counts, machine.nbytes, *microseconds(machine, machine.stages)]
    return "\n".join(aligned([head, *map(list, rows), numbers, whole]))


def costs(machine: Machine) -> list[Cost]:
    """Of each operation that there is, what it takes by itself."""
    graph, found = machine.graph, []
    for i, name in enumerate([*[op.name for op in graph.rows], "decisions"]):
        kinds = [kind for kind in graph.kinds if kind.row == i]
        stages = [
            part(runs, row == i)
            for runs, row in zip(machine.stages, machine.schedule.rows, strict=True)
        ]
        once, *passes = (len(runs.a) for runs in stages)
        if kinds or once or any(passes):
            nodes = sum(len(kind.nodes) for kind in kinds)
            held = machine.bytes_of(kinds, once + sum(passes))
            counts = once, sum(passes[::2]), sum(passes[1::2])
            found.append(Cost(name, nodes, *counts, held, *microseconds(machine, stages)))
    return found


def part(runs: Runs, wanted: np.ndarray) -> Runs:
    """Some of the instructions, in the same order, with results in the same places."""
    chosen = np.flatnonzero(wanted)
    of = np.searchsorted(runs.ends, chosen, side="right")  # the run that each is in
    first = np.flatnonzero((np.diff(chosen, prepend=-2) != 1) | (np.diff(of, prepend=-1) != 0))
    ends = np.append(first[1:], len(chosen))[: len(first)].astype(np.uint64)
    begins = runs.begins[of[first]] + (chosen[first] - first).astype(np.uint64)
    operands = (each[chosen] for each in (runs.a, runs.b, runs.c))
    return Runs(runs.do[of[first]], ends, begins, *operands)


def microseconds(machine: Machine, stages: list[Runs]) -> list[float]:
    """What forward and backward take, alone; with inputs, for each sample of a full block."""
    shared = machine.shared.copy()
    blocks = np.ones((1, machine.lanes.rows, WIDEST if machine.inputs else 0), shared.dtype)
    sums = np.zeros(machine.lanes.sums, shared.dtype)
    found = []
    for one, each in ((FORWARD, EACH_FORWARD), (BACKWARD, EACH_BACKWARD)):
        time = timed(machine.run, *stages[one], shared)
        if machine.inputs:
            lanes = *stages[each], shared, blocks, WIDEST, sums, 0, 1
            time += timed(machine.lanes.execute, *lanes) / WIDEST
        found.append(1e6 * time)
    return found


def timed(f: Callable[..., Any], *args: Any) -> float:
    """The median of some calls, in seconds."""
    times = []
    for _ in range(REPEATS):
        began = perf_counter()
        f(*args)
        times.append(perf_counter() - began)
    return median(times)


def aligned(rows: list[list[Any]]) -> list[str]:
    """Columns, words to the left and numbers to the right."""
    cells = [[shown(x) for x in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for first, *rest in cells:
        numbers = [f"{x:>{w}}" for x, w in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([f"{first:<{widths[0]}}", *numbers]).rstrip())
    return lines


def shown(x: Any) -> str:
    return x if isinstance(x, str) else f"{x:,.1f}" if isinstance(x, float) else f"{x:,}"
