"""In which order a program is run: like instructions side by side, each as soon as it can be.

An interpreter that does one thing many times in a row is several times as fast as one that does
another thing each time. Results are numbered in that order, so that they are written from left to
right. No sum is reordered: what adds to the same gradient keeps its order, and the bits.
"""

from typing import Any, NamedTuple

import numpy as np

from engine.tape.program import Code, Program
from engine.tape.rows import CODES, SEND


class Runs(NamedTuple):
    """Instructions in runs of one kind: what each run does, where it ends, and how far its results
    are from its instructions; then of each instruction the gradient it adds to, and its operands.
    """

    do: np.ndarray
    ends: np.ndarray
    begins: np.ndarray
    result: np.ndarray
    a: np.ndarray
    b: np.ndarray
    c: np.ndarray


class Schedule(NamedTuple):
    """Both passes as runs, the slots' first numbers, and the slot of each node."""

    forward: Runs
    backward: Runs
    data: np.ndarray
    slots: np.ndarray


def scheduled(program: Program, levels: Any) -> Schedule:
    """`levels` says of each instruction how many must come before it (see `kernels`)."""
    size, places = len(program.data), len(program.places)
    orders = []
    for code in (program.forward, program.backward):
        level = levels(code.do, code.result, code.a, code.b, code.c, size, places)
        orders.append(np.lexsort((code.do, level)))

    # Slots that nothing computes come first, as they are; then results, as they are computed.
    computed = [
        code.result[order][code.do[order] > CODES[SEND]]
        for code, order in zip((program.forward, program.backward), orders, strict=True)
    ]
    given = np.ones(size, bool)
    given[np.concatenate(computed)] = False
    new = np.empty(size, np.uint32)
    old = np.concatenate([np.flatnonzero(given), *computed])
    new[old] = np.arange(size)
    forward = in_runs(program.forward, orders[0], new)
    backward = in_runs(program.backward, orders[1], new)
    return Schedule(forward, backward, program.data[old], new[program.slots])


def in_runs(code: Code, order: np.ndarray, new: np.ndarray) -> Runs:
    """A program's instructions in that order, their slots by their new numbers."""
    do, result, a, b, c = (x[order] for x in code)
    adds = do <= CODES[SEND]
    ends = np.append(np.flatnonzero(do[1:] != do[:-1]) + 1, len(do))[: len(do)]
    starts = np.append(0, ends[:-1])[: len(ends)]
    to = np.where(adds, result, new[result]).astype(np.uint32)
    a = np.where(adds, a, new[a]).astype(np.uint32)
    begins = to[starts].astype(np.int64) - starts
    ends, begins = ends.astype(np.uint64), begins.astype(np.uint64)
    return Runs(do[starts], ends, begins, to, a, new[b], new[c])
