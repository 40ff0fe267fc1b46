"""Schedule a program: order its instructions in runs, and allocate registers for its slots.

Instructions with the same opcode run one after another as soon as their operands are ready: an
interpreter that repeats one operation is several times faster than one that alternates. The results
of a run are in consecutive registers. Registers are reused when the live range of their slots ends,
which keeps the memory small. Sums are not reordered: each contribution waits for the one before.

Products that are added up one after another are one step, a sum of products: it starts when the
operands of all its terms are ready, and its partial sums need no registers.
"""

from typing import NamedTuple

import numpy as np

from engine.tape.kernels import compile_kernel
from engine.tape.opcodes import (
    MULTIPLY_ADD,
    MULTIPLY_ADD_VECTOR,
    OPERANDS,
    SCALE_ADD,
    SUM,
    SUM_PRODUCT,
    VECTOR_TO_ANY,
)
from engine.tape.passes import LANES_BACKWARD, LANES_FORWARD, ONCE, StagedProgram
from engine.tape.ssa import Code, SSAProgram

STAGES = range(ONCE, LANES_BACKWARD + 1)
# Register banks: numbers for all samples, rows of lanes, sums over samples.
SHARED, LANES, SUMS = range(3)
NEVER = np.iinfo(np.int64).max


class Runs(NamedTuple):
    """The instructions of a stage in runs.

    A run has an opcode, the instruction that it ends before, the register of its first result, and
    the number of instructions for each result: the terms of its sums of products, or 1. An
    instruction has the registers of its operands. Of a sum, only the first term has an operand c.
    """

    opcodes: np.ndarray
    ends: np.ndarray
    begins: np.ndarray
    terms: np.ndarray
    a: np.ndarray
    b: np.ndarray
    c: np.ndarray

    def pack(self) -> np.ndarray:
        """Return the arrays as one, after their lengths, because numba receives one much faster.

        There are two more numbers for each run: the number of its results, and the distance between
        the registers z of a vector. Only the operands of a vector that the kernel reads are kept:
        the factors of the first sum, and for "to any" the z of each sum.
        """
        ends, terms = self.ends.astype(np.int64), self.terms.astype(np.int64)
        lengths = np.diff(ends, prepend=0)
        starts, counts = ends - lengths, lengths // terms
        to_any = self.opcodes == VECTOR_TO_ANY
        is_vector = to_any | (self.opcodes == MULTIPLY_ADD_VECTOR)
        second = np.where(is_vector, starts + terms, starts)  # the first term of the second sum
        steps = self.c[second] - self.c[starts]
        kept = np.where(is_vector, np.where(to_any, np.maximum(terms, counts), terms), lengths)
        kept_ends = np.cumsum(kept)
        run = np.repeat(np.arange(len(kept)), kept)
        place = np.arange(len(run)) - (kept_ends - kept)[run]
        of_factors = starts[run] + place
        of_sums = starts[run] + np.minimum(place, counts[run] - 1) * terms[run]
        of_z = np.where(to_any[run], of_sums, of_factors)
        heads = self.opcodes, kept_ends, self.begins, self.terms, counts, steps
        operands = self.a[of_factors], self.b[of_factors], self.c[of_z]
        sizes = len(self.opcodes), len(run)
        return np.concatenate([sizes, *heads, *operands]).astype(np.uint32)


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
    n = len(code.opcodes)
    results = np.concatenate([staged.outputs, staged.gradients, staged.guards])
    last, place, terms = np.arange(n, dtype=np.int32), np.arange(n), np.ones(n, np.int32)
    uses = np.bincount(results, minlength=code.size)
    find_product_sums(*code[1:], staged.stage, OPERANDS, uses, last, place, terms, offset)
    steps = np.flatnonzero(last == np.arange(n))
    is_sum = place[steps] != steps
    by_place = np.argsort(place[steps[is_sum]], kind="stable")
    steps = np.concatenate([steps[~is_sum], steps[is_sum][by_place]])
    kind = rank(rank(terms[steps]) * 256 + code.opcodes[steps])
    key, by_key = choose_order(code, staged.stage, last, terms, steps, kind)
    steps, key = steps[by_key], key[by_key]
    first = np.flatnonzero(np.diff(key, prepend=-1))  # the first step of each run
    sizes, length = np.diff(first, append=len(steps)), terms[steps[first]]
    starts = np.cumsum(sizes * length) - sizes * length
    order, run_of = np.zeros(n, np.int32), np.full(code.size, -1, np.int32)
    list_terms(steps, last, terms, order)
    opcodes, stage = code.opcodes[order], staged.stage[order]
    run_of[offset:][order] = np.repeat(np.arange(len(starts)), sizes * length)
    last_use = np.full(len(starts), -1)  # by run: the last run that reads its results
    find_last_uses(code.a, code.b, code.c, run_of, last_use, stage[starts], offset)
    last_use[run_of[results[results >= offset]]] = NEVER

    bank = np.zeros(code.size, np.uint8)  # the bank of each slot
    bank[program.per_sample] = LANES
    bank[offset:][staged.stage >= LANES_FORWARD] = LANES
    bank[offset:][(code.opcodes == SUM) | (code.opcodes == SUM_PRODUCT)] = SUMS
    register, begins = np.zeros(code.size, np.uint32), np.zeros(len(starts), np.int64)
    bank_of_run = bank[offset:][order[starts]]
    counts = []
    for number in (SHARED, LANES, SUMS):
        slots = np.flatnonzero(bank[:offset] == number)
        register[slots] = np.arange(len(slots))
        runs = np.flatnonzero(bank_of_run == number)
        counts.append(allocate_registers(sizes, last_use, runs, begins, len(slots)))
    register[offset + steps] = np.repeat(begins - first, sizes) + np.arange(len(steps))

    stages, rows = [], []
    for number in STAGES:
        part, runs = order[stage == number], np.flatnonzero(stage[starts] == number)
        operands = [register[slots[part]] for slots in (code.a, code.b, code.c)]
        ends = np.cumsum(sizes[runs] * length[runs])
        arrays = opcodes[starts[runs]], ends, begins[runs], length[runs]
        stages.append(Runs(*[array.astype(np.uint32) for array in arrays], *operands))
        rows.append(code.row[part])
    return Schedule(stages, rows, counts), register, bank


def rank(numbers: np.ndarray) -> np.ndarray:
    """Return the rank of each number among the distinct ones; all must be small and not negative.

    >>> rank(np.array([7, 2, 7, 5]))
    array([2, 0, 2, 1])
    """
    occurs = np.zeros(numbers.max(initial=-1) + 1, np.int64)
    occurs[numbers] = 1
    return (np.cumsum(occurs) - 1)[numbers]


@compile_kernel()
def find_product_sums(
    opcodes: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray, row: np.ndarray,
    stage: np.ndarray, operands: np.ndarray, uses: np.ndarray, last: np.ndarray, place: np.ndarray,
    terms: np.ndarray, offset: int,
) -> None:  # fmt: skip
    """Find the sums of products: fill in the last instruction and the number of terms of each.

    A term is a "multiply add" whose result only the next term uses. `uses` counts how often each
    slot is a result; the uses by instructions are added. Also fill in `place`, which orders the
    sums of a run by the factors of their first terms: first by the later one, which several sums
    often share.
    """
    for i in range(a.size):
        uses[a[i]] += 1
        uses[b[i]] += operands[opcodes[i]] > 1
        uses[c[i]] += operands[opcodes[i]] > 2
    for i in range(a.size - 1, -1, -1):
        j = c[i] - offset
        if (
            (opcodes[i] == MULTIPLY_ADD or opcodes[i] == SCALE_ADD) and j >= 0
            and opcodes[j] == opcodes[i] and stage[j] == stage[i] and row[j] == row[i]
            and uses[c[i]] == 1
        ):  # fmt: skip
            last[j] = last[i]
            terms[last[i]] += 1
    for i in range(a.size):
        terms[i] = terms[last[i]]
        if opcodes[i] == MULTIPLY_ADD or opcodes[i] == SCALE_ADD:
            if c[i] < offset or last[c[i] - offset] != last[i]:
                place[last[i]] = max(a[i], b[i]) * (offset + a.size) + min(a[i], b[i])
            place[i] = place[last[i]]


@compile_kernel()
def list_terms(steps: np.ndarray, last: np.ndarray, terms: np.ndarray, order: np.ndarray) -> None:
    """Fill in the instructions of steps one after another; a sum of products has several."""
    place = np.zeros(last.size, np.int32)
    at = 0
    for i in steps:
        place[i] = at
        at += terms[i]
    for i in range(last.size):
        order[place[last[i]]] = i
        place[last[i]] += 1


def choose_order(
    code: Code, stage: np.ndarray, last: np.ndarray, terms: np.ndarray, steps: np.ndarray,
    kind: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return a number of each step's run, and the order of the steps by stage and run.

    In each stage, steps run as early or as late as possible, whichever needs fewer runs. Sums of
    products run as early as possible, because those with the same factors are fastest together.
    """
    operands, n = (code.a, code.b, code.c), len(last)
    early, late = np.zeros(n, np.int32), np.zeros(n, np.int32)
    find_levels(*operands, stage, last, np.ones(n, np.bool_), early, code.offset)
    find_heights(*operands, stage, last, late, code.offset)
    late = late.max(initial=0) - late
    find_levels(*operands, stage, last, terms > 1, late, code.offset)
    stage, levels = stage[steps].astype(np.int64), (early[steps], late[steps])
    numbers = [number_runs(stage, level, kind) for level in levels]
    runs = [count_runs(stage, number, order) for number, order in numbers]
    wins = (runs[1] < runs[0])[stage]
    if wins.all() or not wins.any():
        return numbers[int(wins.any())]
    return number_runs(stage, np.where(wins, levels[1], levels[0]), kind)


def number_runs(
    stage: np.ndarray, level: np.ndarray, kind: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return a number for each step, equal for those of a run, and the order of the steps."""
    level = rank(stage * (level.max(initial=0) + 1) + level)
    order = sort_stably(level, sort_stably(kind, np.arange(len(kind))))
    return level * (kind.max(initial=0) + 1) + kind, order


def count_runs(stage: np.ndarray, number: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return how many runs each stage has."""
    first = order[np.flatnonzero(np.diff(number[order], prepend=-1))]
    return np.bincount(stage[first], minlength=len(STAGES))


@compile_kernel()
def sort_stably(keys: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return `order` sorted by keys, which are small; equal keys keep their order."""
    places = np.zeros(max(0, keys.max()) + 2 if keys.size else 1, np.int64)
    for key in keys:
        places[key + 1] += 1
    places = np.cumsum(places)
    out = np.zeros_like(order)
    for i in order:
        out[places[keys[i]]] = i
        places[keys[i]] += 1
    return out


@compile_kernel()
def find_levels(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, stage: np.ndarray, last: np.ndarray,
    move: np.ndarray, level: np.ndarray, offset: int,
) -> None:  # fmt: skip
    """Assign the lowest level to each step to move, above the steps of its stage that it reads."""
    lowest = np.zeros(a.size, np.int32)
    for i in range(a.size):
        longest = lowest[last[i]]
        for slot in (a[i], b[i], c[i]):
            j = slot - offset
            if j >= 0 and stage[j] == stage[i] and last[j] != last[i] and level[j] >= longest:
                longest = level[j] + 1
        lowest[last[i]] = longest
        if last[i] == i and move[i]:
            level[i] = longest


@compile_kernel()
def find_heights(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, stage: np.ndarray, last: np.ndarray,
    height: np.ndarray, offset: int,
) -> None:  # fmt: skip
    """Fill in the number of steps of the same stage that must run after each."""
    for i in range(a.size - 1, -1, -1):
        height[i] = height[last[i]]
        for slot in (a[i], b[i], c[i]):
            j = slot - offset
            if j >= 0 and stage[j] == stage[i] and last[j] != last[i] and height[j] <= height[i]:
                height[j] = height[i] + 1


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
            if j >= 0 and j != reader:
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
