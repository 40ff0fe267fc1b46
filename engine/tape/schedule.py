"""Schedule a program: order its instructions in runs, and allocate registers for its slots.

Instructions with the same opcode run one after another as soon as their operands are ready: an
interpreter that repeats one operation is several times faster than one that alternates. The results
of a run are in consecutive registers. Registers are reused when the live range of their slots ends,
which keeps the memory small. Sums are not reordered: each contribution waits for the one before.
"""

from typing import NamedTuple

import numpy as np

from engine.tape.kernels import compile_kernel
from engine.tape.opcodes import MULTIPLY_ADD, MULTIPLY_ADD_ON, SUM, SUM_PRODUCT
from engine.tape.passes import LANES_BACKWARD, LANES_FORWARD, ONCE, StagedProgram
from engine.tape.ssa import SSAProgram

STAGES = range(ONCE, LANES_BACKWARD + 1)
# Register banks: numbers for all samples, rows of lanes, sums over samples.
SHARED, LANES, SUMS = range(3)
SHORTEST = 16  # instructions in a run of "multiply add on"
NEVER = np.iinfo(np.int64).max


class Runs(NamedTuple):
    """The instructions of a stage in runs.

    A run has an opcode, the instruction that it ends before, and the distance of its results from
    its instructions. An instruction has the registers of its operands.
    """

    opcodes: np.ndarray
    ends: np.ndarray
    begins: np.ndarray
    a: np.ndarray
    b: np.ndarray
    c: np.ndarray


class Schedule(NamedTuple):
    """The runs of each stage, the row of each instruction, and the number of registers by bank."""

    stages: list[Runs]
    rows: list[np.ndarray]
    sizes: list[int]


def schedule_runs(
    program: SSAProgram, staged: StagedProgram
) -> tuple[Schedule, np.ndarray, np.ndarray]:
    """Return the schedule, and the register and the bank of each slot."""
    code, offset = staged.code, staged.code.offset
    level = np.zeros(len(code.opcodes), np.int64)
    find_levels(code.a, code.b, code.c, staged.stage, level, offset)
    key = (staged.stage * (level.max(initial=0) + 1) + level) * 256 + code.opcodes
    order = np.argsort(key, kind="stable")
    opcodes, stage, key = code.opcodes[order], staged.stage[order], key[order]
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    sizes = np.diff(starts, append=len(opcodes))

    run_of = np.full(code.size, -1)
    run_of[offset:][order] = np.repeat(np.arange(len(starts)), sizes)
    last_use = np.full(len(starts), -1)  # by run: the last run that reads its results
    find_last_uses(code.a, code.b, code.c, run_of, last_use, stage[starts], offset)
    results = run_of[np.concatenate([staged.outputs, staged.gradients, staged.guards])]
    last_use[results[results >= 0]] = NEVER

    bank = np.zeros(code.size, np.uint8)  # the bank of each slot
    bank[program.per_sample] = LANES
    is_sum = np.isin(code.opcodes, (SUM, SUM_PRODUCT))
    bank[offset:] = np.where(is_sum, SUMS, np.where(staged.stage >= LANES_FORWARD, LANES, SHARED))
    register, begins = np.zeros(code.size, np.int64), np.zeros(len(starts), np.int64)
    counts = []
    for number in (SHARED, LANES, SUMS):
        slots = np.flatnonzero(bank[:offset] == number)
        register[slots] = np.arange(len(slots))
        runs = np.flatnonzero(bank[offset:][order][starts] == number)
        counts.append(allocate_registers(sizes, last_use, runs, begins, len(slots)))
    register[offset:][order] = np.repeat(begins - starts, sizes) + np.arange(len(opcodes))

    stages, rows = [], []
    for number in STAGES:
        steps, runs = order[stage == number], np.flatnonzero(stage[starts] == number)
        ends = np.cumsum(sizes[runs])
        operands = [register[slots[steps]].astype(np.uint32) for slots in (code.a, code.b, code.c)]
        unsplit = Runs(opcodes[starts[runs]], ends, begins[runs] - ends + sizes[runs], *operands)
        stages.append(split_runs(unsplit, contiguous=number < LANES_FORWARD))
        rows.append(code.row[steps])
    return Schedule(stages, rows, counts), register, bank


def split_runs(runs: Runs, contiguous: bool) -> Runs:
    """Return the runs with unsigned indices.

    If `contiguous`, many sums that continue contiguous results become a run of their own, of the
    opcode "multiply add on".
    """
    n = len(runs.a)
    sizes = np.diff(runs.ends, prepend=0)
    first = np.zeros(n, bool)
    first[runs.ends - sizes] = True
    adds = np.repeat(runs.opcodes == MULTIPLY_ADD, sizes) & contiguous
    breaks = first | (adds & (np.diff(runs.c.astype(np.int64), prepend=-2) != 1))
    lengths = np.diff(np.flatnonzero(breaks), append=n)
    long = np.repeat(lengths >= SHORTEST, lengths) & adds
    starts = np.flatnonzero(first | (breaks & (long | np.append(False, long[:-1]))))
    run = np.searchsorted(runs.ends, starts, side="right")
    opcodes = np.where(long[starts], MULTIPLY_ADD_ON, runs.opcodes[run]).astype(np.uint8)
    ends = np.append(starts[1:], n)[: len(starts)]
    return Runs(opcodes, ends.astype(np.uint64), runs.begins[run].astype(np.uint64), *runs[3:])


@compile_kernel()
def find_levels(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, stage: np.ndarray, level: np.ndarray, offset: int
) -> None:
    """Fill in the number of instructions of the same stage that must run before each."""
    for i in range(a.size):
        longest = 0
        for slot in (a[i], b[i], c[i]):
            j = slot - offset
            if j >= 0 and stage[j] == stage[i] and level[j] >= longest:
                longest = level[j] + 1
        level[i] = longest


@compile_kernel()
def find_last_uses(
    a: np.ndarray,
    b: np.ndarray,
    c: np.ndarray,
    run_of: np.ndarray,
    last_use: np.ndarray,
    stage_of: np.ndarray,
    offset: int,
) -> None:
    """Fill in the last run that reads the results of each run.

    It is NEVER for results that a later stage reads, as that may run again and again.
    """
    for i in range(a.size):
        reader = run_of[offset + i]
        for slot in (a[i], b[i], c[i]):
            j = run_of[slot]
            if j >= 0:
                same_stage = stage_of[j] == stage_of[reader]
                last_use[j] = max(last_use[j], reader) if same_stage else NEVER


@compile_kernel()
def allocate_registers(
    sizes: np.ndarray, last_use: np.ndarray, runs: np.ndarray, begins: np.ndarray, used: int
) -> int:
    """Fill in the first register of each run, by linear scan; return the number of registers.

    The first `used` registers are not available. A run reuses the registers of an earlier run of
    the same size whose live range has ended.
    """
    largest = 0
    for r in runs:
        largest = max(largest, sizes[r])
    free = np.full(largest + 1, -1)  # by size: the first run of a linked list
    expiring = np.full(sizes.size, -1)  # by run: the first of the runs that it is the last to read
    following = np.full(sizes.size, -1)  # links of both lists
    scanned = 0
    for r in runs:
        while scanned < r:  # free the registers whose live range ended before this run
            k = expiring[scanned]
            while k >= 0:
                after = following[k]
                following[k] = free[sizes[k]]
                free[sizes[k]] = k
                k = after
            scanned += 1
        k = free[sizes[r]]
        if k >= 0:
            free[sizes[r]] = following[k]
            begins[r] = begins[k]
        else:
            begins[r] = used
            used += sizes[r]
        if r < last_use[r] < NEVER:
            following[r] = expiring[last_use[r]]
            expiring[last_use[r]] = r
    return used
