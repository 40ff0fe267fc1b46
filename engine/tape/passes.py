"""Optimize a program without changing a bit of its results, and lower it to lanes.

Instructions that no output, gradient or guard needs are dropped. Those whose operands are constant
run once. A product whose only use is a sum is computed together with it, with both roundings. A sum
of several terms becomes a sum of products.
"""

from typing import NamedTuple

import numpy as np

from engine.tape.kernels import compile_kernel
from engine.tape.opcodes import (
    ADD,
    MULTIPLY,
    MULTIPLY_ADD,
    OPERANDS,
    SCALE,
    SHARED_CODES,
    SPREAD,
    SUM,
    SUM_PRODUCT,
)
from engine.tape.ssa import Code, SSAProgram

# The stage in which an instruction runs: once; in forward() or backward(), for all samples at once;
# in forward() or backward(), for each sample in a lane.
ONCE, FORWARD, BACKWARD, LANES_FORWARD, LANES_BACKWARD = range(5)

# How often a slot changes.
CONSTANT, PER_PASS, PER_SAMPLE = range(3)


class StagedProgram(NamedTuple):
    """Code, the stage of each instruction, and the slots of the results.

    `guard_numbers` are the places of the guards among those of the original program.
    """

    code: Code
    stage: np.ndarray
    outputs: np.ndarray
    gradients: np.ndarray
    guards: np.ndarray
    guard_numbers: np.ndarray


def optimize(program: SSAProgram, input_gradients: bool = False) -> StagedProgram:
    """Return the instructions that the outputs, gradients and guards need, by stage.

    In a batch, the gradient of a parameter is the sum over the samples. Guards that only depend on
    constants are dropped.
    """
    code, parameters, offset = program.code, program.parameters, program.code.offset
    rate = np.zeros(code.size, np.uint8)
    rate[: program.zero] = PER_PASS
    rate[program.per_sample] = PER_SAMPLE
    propagate_rates(code.a, code.b, code.c, rate, offset)

    gradients = program.gradients if input_gradients else program.gradients[:parameters]
    summed = np.flatnonzero(rate[gradients[:parameters]] == PER_SAMPLE)
    if len(summed):
        addends, gradients = gradients[summed], gradients.copy()
        gradients[summed] = code.size + np.arange(len(summed))
        code = append_sums(code, addends)
        rate = np.append(rate, np.full(len(summed), PER_SAMPLE, np.uint8))
    may_change = np.zeros(len(rate), np.uint8)
    may_change[: program.zero] = may_change[program.assignable] = True
    propagate_rates(code.a, code.b, code.c, may_change, offset)
    guard_numbers = np.flatnonzero(may_change[program.guards])
    guards = program.guards[guard_numbers]

    in_forward = np.zeros(len(rate), bool)
    in_forward[program.outputs] = in_forward[guards] = True
    mark_needed(code.a, code.b, code.c, in_forward, offset)
    needed = in_forward.copy()
    needed[gradients] = True
    mark_needed(code.a, code.b, code.c, needed, offset)

    lanes_stage = np.where(in_forward, LANES_FORWARD, LANES_BACKWARD)
    stage = np.where(rate == PER_SAMPLE, lanes_stage, FORWARD)
    stage[rate == CONSTANT] = ONCE
    if not program.batched:
        stage[(rate == PER_PASS) & ~in_forward] = BACKWARD
    stage[:offset] = -1
    staged = StagedProgram(code, stage, program.outputs, gradients, guards, guard_numbers)
    staged = fuse(staged, needed, staged.code.opcodes == MULTIPLY, ADD, MULTIPLY_ADD)
    code = staged.code
    from_zero = (code.opcodes == MULTIPLY_ADD) & (code.c == program.zero)
    staged = fuse(staged, needed, from_zero, SUM, SUM_PRODUCT)
    staged = join_sums(staged, needed, program.one)
    return keep_needed(start_sums(staged, needed, program.minus_zero), needed)


def append_sums(code: Code, slots: np.ndarray) -> Code:
    """Append the sums of some slots over the samples."""
    row = code.row[np.maximum(slots - code.offset, 0)]
    sums = np.full(len(slots), SUM, np.uint8), slots, slots, slots, row
    return Code(code.offset, *map(np.append, code[1:], sums))


def count_slot_uses(staged: StagedProgram, needed: np.ndarray) -> np.ndarray:
    """Return how many instructions and results use each slot."""
    code = staged.code
    results = np.concatenate([staged.outputs, staged.gradients, staged.guards])
    uses = np.bincount(results, minlength=code.size)
    add_uses(code.opcodes, code.a, code.b, code.c, OPERANDS, needed, uses, code.offset)
    return uses


def fuse(
    staged: StagedProgram, needed: np.ndarray, is_product: np.ndarray, sum: int, both: int
) -> StagedProgram:
    """Compute products together with the sum that is their only use, if it is in the same stage.

    A sum over samples starts from 0 itself, so its products do not have to.
    """
    code, offset = staged.code, staged.code.offset
    opcodes, a, b, c = (array.copy() for array in code[1:5])
    single = needed & (count_slot_uses(staged, needed) == 1)
    single[:offset] = False
    single[offset:] &= is_product
    for factor, other in ((code.a, code.b), (code.b, code.a)):
        sums = np.flatnonzero(needed[offset:] & (opcodes == sum))
        same_stage = staged.stage[factor[sums]] == staged.stage[offset:][sums]
        sums = sums[single[factor[sums]] & same_stage]
        products = factor[sums] - offset
        opcodes[sums], a[sums], b[sums] = both, code.a[products], code.b[products]
        c[sums] = other[sums] if both == MULTIPLY_ADD else a[sums]
        needed[factor[sums]] = False
    return staged._replace(code=Code(offset, opcodes, a, b, c, code.row))


def join_sums(staged: StagedProgram, needed: np.ndarray, one: int) -> StagedProgram:
    """Make sums of several terms sums of products by 1.0, which changes no bit."""
    code, offset = staged.code, staged.code.offset
    opcodes, a, b, c = (array.copy() for array in code[1:5])
    single = needed & (count_slot_uses(staged, needed) == 1)
    single[:offset] = False
    single[offset:] &= (code.opcodes == ADD) | (code.opcodes == MULTIPLY_ADD)
    is_first = np.zeros(len(opcodes), bool)
    for before, term in ((code.a, code.b), (code.b, code.a)):
        same_stage = staged.stage[before] == staged.stage[offset:]
        adds = np.flatnonzero(needed[offset:] & (opcodes == ADD) & single[before] & same_stage)
        opcodes[adds], a[adds], b[adds], c[adds] = MULTIPLY_ADD, term[adds], one, before[adds]
        is_first[before[adds] - offset] = True
    adds = np.flatnonzero(is_first & (opcodes == ADD))
    opcodes[adds], a[adds], b[adds], c[adds] = MULTIPLY_ADD, b[adds], one, a[adds]
    return staged._replace(code=Code(offset, opcodes, a, b, c, code.row))


def start_sums(staged: StagedProgram, needed: np.ndarray, minus_zero: int) -> StagedProgram:
    """Start sums of products from -0.0, not from their first product, which changes no bit."""
    code, offset = staged.code, staged.code.offset
    single = count_slot_uses(staged, needed)[offset:] == 1
    adds = np.flatnonzero(needed[offset:] & (code.opcodes == MULTIPLY_ADD) & (code.c >= offset))
    first = code.c[adds] - offset
    starts = (code.opcodes[first] == MULTIPLY) & single[first]
    starts &= staged.stage[code.c[adds]] == staged.stage[offset:][adds]
    opcodes, c = code.opcodes.copy(), code.c.copy()
    opcodes[first[starts]], c[first[starts]] = MULTIPLY_ADD, minus_zero
    return staged._replace(code=code._replace(opcodes=opcodes, c=c))


def keep_needed(staged: StagedProgram, needed: np.ndarray) -> StagedProgram:
    """Drop the instructions that are not needed."""
    code, offset = staged.code, staged.code.offset
    keep = needed[offset:]
    new = np.zeros(len(needed), np.int32)
    new[:offset] = np.arange(offset)
    new[offset:][keep] = offset + np.arange(int(keep.sum()))
    a, b, c = (new[operand[keep]] for operand in (code.a, code.b, code.c))
    return StagedProgram(
        Code(offset, code.opcodes[keep], a, b, c, code.row[keep]),
        staged.stage[offset:][keep],
        new[staged.outputs],
        new[staged.gradients],
        new[staged.guards],
        staged.guard_numbers,
    )


def lower_to_lanes(program: SSAProgram, staged: StagedProgram) -> StagedProgram:
    """Return the program with rows of lanes for the numbers that differ between samples.

    A shared number stays one number as the first factor of a product. For other uses it is first
    spread over a row.
    """
    code, offset, size = staged.code, staged.code.offset, staged.code.size
    in_lanes = np.zeros(size, bool)
    in_lanes[program.per_sample] = True
    lowered = in_lanes[offset:] = staged.stage >= LANES_FORWARD

    opcodes, a, b, c = (array.copy() for array in code[1:5])
    products = lowered & (SHARED_CODES[opcodes] > 0)
    swap = products & in_lanes[a] & ~in_lanes[b]
    a[swap], b[swap] = code.b[swap], code.a[swap]
    scales = products & ~in_lanes[a]
    opcodes[scales] = SHARED_CODES[opcodes[scales]]

    # Renumber the slots: the rows for spread numbers come first after the offset.
    reads_row = ((a, lowered & ~scales), (b, lowered), (c, lowered & (opcodes != SCALE)))
    shared_operands = [operand[rows & ~in_lanes[operand]] for operand, rows in reads_row]
    results = np.concatenate([staged.outputs, staged.gradients[program.parameters :]])
    shared = np.unique(np.concatenate([*shared_operands, results[~in_lanes[results]]]))
    new = np.arange(size, dtype=np.int32)
    new[offset:] += len(shared)
    row = new.copy()
    row[shared] = offset + np.arange(len(shared))
    for operand, rows in reads_row:
        operand[:] = np.where(rows, row[operand], new[operand])
    c[opcodes == SCALE] = b[opcodes == SCALE]
    no_row = np.zeros(len(shared), code.row.dtype)
    spread = np.full(len(shared), SPREAD, np.uint8), *[new[shared]] * 3, no_row
    gradients = staged.gradients
    return StagedProgram(
        Code(offset, *map(np.append, spread, (opcodes, a, b, c, code.row))),
        np.append(np.full(len(shared), LANES_FORWARD), staged.stage),
        row[staged.outputs],
        np.append(new[gradients[: program.parameters]], row[gradients[program.parameters :]]),
        new[staged.guards],
        staged.guard_numbers,
    )


@compile_kernel()
def add_uses(
    opcodes: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray, operands: np.ndarray,
    needed: np.ndarray, uses: np.ndarray, offset: int,
) -> None:  # fmt: skip
    """Count the uses of each slot as an operand of the instructions that are needed."""
    for i in range(a.size):
        if needed[offset + i]:
            uses[a[i]] += 1
            uses[b[i]] += operands[opcodes[i]] > 1
            uses[c[i]] += operands[opcodes[i]] > 2


@compile_kernel()
def propagate_rates(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, rate: np.ndarray, offset: int
) -> None:
    """Fill in how often each result changes: as often as its most frequently changing operand."""
    for i in range(a.size):
        rate[offset + i] = max(rate[a[i]], rate[b[i]], rate[c[i]])


@compile_kernel()
def mark_needed(
    a: np.ndarray, b: np.ndarray, c: np.ndarray, needed: np.ndarray, offset: int
) -> None:
    """Mark the operands of all needed instructions."""
    for i in range(a.size - 1, -1, -1):
        if needed[offset + i]:
            needed[a[i]] = needed[b[i]] = needed[c[i]] = True
