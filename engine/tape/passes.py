"""What makes a program shorter without changing a bit of its results.

Instructions that nothing needs are dropped. Those that know all their operands are carried out
once. A product that is used once, by a sum, is computed there, with a rounding of its own.
"""

from typing import Any, NamedTuple

import numpy as np

from engine.tape.caching import kernel
from engine.tape.kernels import (
    ADD,
    CODES,
    INSTRUCTIONS,
    MULTIPLY,
    MULTIPLY_ADD,
    MULTIPLY_FROM_0,
    SUM,
    SUM_PRODUCT,
    WHERE,
)
from engine.tape.program import Code, Program

# When an instruction is carried out: once; in forward() and in backward(), for all samples; and the
# same for each.
ONCE, FORWARD, BACKWARD, EACH_FORWARD, EACH_BACKWARD = range(5)

OPERANDS = np.ones(len(INSTRUCTIONS), np.uint8)  # how many an instruction has
OPERANDS[[CODES[name] for name in (
    "+", "-", "*", "multiply from 0", "divide", "<", "<=", ">", ">=", "==", "!=", "&", "|",
    "power", "hypot", "atan2",
)]] = 2  # fmt: skip
OPERANDS[[WHERE, MULTIPLY_ADD]] = 3


class Staged(NamedTuple):
    """Code, when each instruction is carried out, and the slots of what is asked for."""

    code: Code
    stage: np.ndarray
    outputs: np.ndarray
    gradients: np.ndarray
    guards: np.ndarray
    watched: np.ndarray  # which of the program's guards these are


def improved(found: Program, input_gradients: bool = False) -> Staged:
    """The program, of which nothing is left but what outputs, gradients and guards need.

    With inputs, the gradient of a parameter is what samples send to it in sum. Guards on constants
    are none.
    """
    code, parameters = found.code, found.parameters
    given, size = code.given, code.given + len(code.do)

    rate = np.zeros(size, np.uint8)  # of constants; 1: one number; 2: a number for each sample
    rate[: found.zero] = 1
    rate[found.laned] = 2
    spread_rates(code.a, code.b, code.c, rate, given)

    gradients = found.gradients if input_gradients else found.gradients[:parameters]
    sent = np.flatnonzero(rate[gradients[:parameters]] == 2)
    if len(sent):
        of, gradients = gradients[sent], gradients.copy()
        gradients[sent] = size + np.arange(len(sent))
        code, rate = summed(code, of), np.append(rate, np.full(len(sent), 2, np.uint8))
    may_change = np.zeros(len(rate), np.uint8)
    may_change[: found.zero] = may_change[found.assignable] = 1
    spread_rates(code.a, code.b, code.c, may_change, given)
    watched = np.flatnonzero(may_change[found.guards])
    guards = found.guards[watched]

    ahead = np.zeros(len(rate), bool)
    ahead[found.outputs] = ahead[guards] = True
    mark_needed(code.a, code.b, code.c, ahead, given)
    needed = ahead.copy()
    needed[gradients] = True
    mark_needed(code.a, code.b, code.c, needed, given)

    stage = np.where(rate == 2, np.where(ahead, EACH_FORWARD, EACH_BACKWARD), FORWARD)
    stage[rate == 0] = ONCE
    if not found.inputs:
        stage[(rate == 1) & ~ahead] = BACKWARD
    stage[: code.given] = -1
    staged = Staged(code, stage, found.outputs, gradients, guards, watched)
    for product, to, both in ((MULTIPLY, ADD, MULTIPLY_ADD), (MULTIPLY_FROM_0, SUM, SUM_PRODUCT)):
        staged = fused(staged, needed, product, to, both)
    return only(staged, needed)


def summed(code: Code, slots: np.ndarray) -> Code:
    """The code, and then the sums of these slots over the samples."""
    do, row = np.full(len(slots), SUM, np.uint8), code.row[np.maximum(slots - code.given, 0)]
    added = Code(code.given, do, slots, slots, slots, row)
    joined = [np.concatenate(pair) for pair in zip(code[1:], added[1:], strict=True)]
    return Code._make([code.given, *joined])


def fused(staged: Staged, needed: np.ndarray, product: int, to: int, both: int) -> Staged:
    """Products that are used once, by a sum in the same stage, computed there.

    What is summed over the samples needs not be added to 0 first: that sum starts from 0 too.
    """
    code, given = staged.code, staged.code.given
    do, a, b, c = (each.copy() for each in code[1:5])
    asked = np.concatenate([staged.outputs, staged.gradients, staged.guards])
    uses = np.bincount(asked, minlength=len(needed))
    for n, operand in enumerate((a, b, c), 1):
        uses += np.bincount(operand[needed[given:] & (OPERANDS[do] >= n)], minlength=len(needed))
    ready = needed & (uses == 1)
    ready[:given] = False
    ready[given:] &= do == product
    for here, other in ((code.a, code.b), (code.b, code.a)):
        sums = np.flatnonzero(needed[given:] & (do == to))
        sums = sums[ready[here[sums]] & (staged.stage[here[sums]] == staged.stage[given:][sums])]
        times = here[sums] - given
        do[sums], a[sums], b[sums] = both, code.a[times], code.b[times]
        c[sums] = other[sums] if both == MULTIPLY_ADD else a[sums]
        needed[here[sums]] = False
    return staged._replace(code=Code(given, do, a, b, c, code.row))


def only(staged: Staged, needed: np.ndarray) -> Staged:
    """The instructions that are needed."""
    code, given = staged.code, staged.code.given
    keep = needed[given:]
    new = np.zeros(len(needed), np.int32)
    new[:given] = np.arange(given)
    new[given:][keep] = given + np.arange(int(keep.sum()))
    a, b, c = (new[each[keep]] for each in (code.a, code.b, code.c))
    return Staged(
        Code(given, code.do[keep], a, b, c, code.row[keep]),
        staged.stage[given:][keep],
        new[staged.outputs],
        new[staged.gradients],
        new[staged.guards],
        staged.watched,
    )


@kernel()
def spread_rates(a: Any, b: Any, c: Any, rate: Any, given: int) -> None:
    """An instruction is as often carried out as the most often changing of its operands."""
    for i in range(a.size):
        rate[given + i] = max(rate[a[i]], rate[b[i]], rate[c[i]])


@kernel()
def mark_needed(a: Any, b: Any, c: Any, needed: Any, given: int) -> None:
    """What a needed instruction takes is needed."""
    for i in range(a.size - 1, -1, -1):
        if needed[given + i]:
            needed[a[i]] = needed[b[i]] = needed[c[i]] = True
