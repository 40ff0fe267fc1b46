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

    stage = np.full(code.size, FORWARD, np.int8)
    stage[rate == PER_SAMPLE] = LANES_BACKWARD
    stage[in_forward & (rate == PER_SAMPLE)] = LANES_FORWARD
    stage[rate == CONSTANT] = ONCE
    if not program.batched:
        stage[(rate == PER_PASS) & ~in_forward] = BACKWARD
    stage[:offset] = -1
    code = Code(offset, *[array.copy() for array in code[1:]])  # the passes below change it
    staged = StagedProgram(code, stage, program.outputs, gradients, guards, guard_numbers)
    # No pass changes how often a slot is used, except for slots of numbers and dropped products.
    passed = *code[1:5], stage, needed, count_slot_uses(staged, needed), offset
    fuse_products(*passed, program.zero)
    join_sums(*passed, program.one)
    start_sums(*passed, program.minus_zero)
    return keep_needed(staged, needed)


def append_sums(code: Code, slots: np.ndarray) -> Code:
    """Append the sums of some slots over the samples."""
    row = code.row[np.maximum(slots - code.offset, 0)]
    sums = np.full(len(slots), SUM, np.uint8), *[slots.astype(np.int32)] * 3, row
    return Code(code.offset, *map(np.append, code[1:], sums))


def count_slot_uses(staged: StagedProgram, needed: np.ndarray) -> np.ndarray:
    """Return how many instructions and results use each slot."""
    code = staged.code
    results = np.concatenate([staged.outputs, staged.gradients, staged.guards])
    uses = np.bincount(results, minlength=code.size)
    add_uses(code.opcodes, code.a, code.b, code.c, OPERANDS, needed, uses, code.offset)
    return uses


def keep_needed(staged: StagedProgram, needed: np.ndarray) -> StagedProgram:
    """Drop the instructions that are not needed."""
    code, offset = staged.code, staged.code.offset
    stage, new = staged.stage[offset:], np.zeros(len(needed), np.int32)
    new[:offset] = np.arange(offset)
    count = compact(*code[1:], stage, needed, new, offset)
    return StagedProgram(
        Code(offset, *[array[:count] for array in code[1:]]),
        stage[:count],
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
        np.append(np.full(len(shared), LANES_FORWARD, np.int8), staged.stage),
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


@compile_kernel()
def fuse_products(
    opcodes: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray, stage: np.ndarray,
    needed: np.ndarray, uses: np.ndarray, offset: int, zero: int,
) -> None:  # fmt: skip
    """Compute products together with the sum that is their only use, if it is in the same stage.

    A sum over samples starts from 0 itself, so its products do not have to.
    """
    for i in range(a.size):
        if not needed[offset + i] or (opcodes[i] != ADD and opcodes[i] != SUM):
            continue
        for slot, other in ((a[i], b[i]), (b[i], a[i])):
            j = slot - offset
            if j < 0 or not needed[slot] or uses[slot] != 1 or stage[slot] != stage[offset + i]:
                continue
            if opcodes[i] == ADD and opcodes[j] == MULTIPLY:
                opcodes[i], a[i], b[i], c[i] = MULTIPLY_ADD, a[j], b[j], other
            elif opcodes[i] == SUM and opcodes[j] == MULTIPLY_ADD and c[j] == zero:
                opcodes[i], a[i], b[i], c[i] = SUM_PRODUCT, a[j], b[j], a[j]
            else:
                continue
            needed[slot] = False
            break


@compile_kernel()
def join_sums(
    opcodes: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray, stage: np.ndarray,
    needed: np.ndarray, uses: np.ndarray, offset: int, one: int,
) -> None:  # fmt: skip
    """Make sums of several terms sums of products by 1.0, which changes no bit."""
    is_first = np.zeros(a.size, np.bool_)
    for i in range(a.size - 1, -1, -1):
        if opcodes[i] != ADD or not needed[offset + i]:
            continue
        before, term, follows = a[i], b[i], False
        for _ in range(2):
            j = before - offset
            follows = (
                j >= 0 and needed[before] and uses[before] == 1
                and stage[before] == stage[offset + i]
                and (opcodes[j] == ADD or opcodes[j] == MULTIPLY_ADD)
            )  # fmt: skip
            if follows:
                is_first[j] = True
                break
            before, term = term, before
        if follows or is_first[i]:
            opcodes[i], a[i], b[i], c[i] = MULTIPLY_ADD, term, one, before


@compile_kernel()
def start_sums(
    opcodes: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray, stage: np.ndarray,
    needed: np.ndarray, uses: np.ndarray, offset: int, minus_zero: int,
) -> None:  # fmt: skip
    """Start sums of products from -0.0, not from their first product, which changes no bit."""
    for i in range(a.size):
        j = c[i] - offset
        if (
            opcodes[i] == MULTIPLY_ADD and needed[offset + i] and j >= 0
            and opcodes[j] == MULTIPLY and uses[c[i]] == 1 and stage[c[i]] == stage[offset + i]
        ):  # fmt: skip
            opcodes[j], c[j] = MULTIPLY_ADD, minus_zero


@compile_kernel()
def compact(
    opcodes: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray, row: np.ndarray,
    stage: np.ndarray, needed: np.ndarray, new: np.ndarray, offset: int,
) -> int:  # fmt: skip
    """Move the needed instructions to the front, fill in their new slots, and return their number.

    An operand that the opcode does not read may be the slot of a dropped instruction.
    """
    count = 0
    for i in range(a.size):
        if needed[offset + i]:
            opcodes[count], row[count], stage[count] = opcodes[i], row[i], stage[i]
            a[count], b[count], c[count] = new[a[i]], new[b[i]], new[c[i]]
            new[offset + i] = offset + count
            count += 1
    return count
