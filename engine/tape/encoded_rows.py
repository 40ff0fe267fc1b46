"""Write the instructions of many nodes with the same row, in compiled loops.

Importing this module imports numba.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from engine.instructions import Instruction, record
from engine.rules import Op
from engine.tape.kernels import compile_kernel
from engine.tape.opcodes import ADD, CODES, COPY, MULTIPLY_ADD

IDENTITY, PULLBACK = -1, -2  # contributions that are the gradient itself, or from a pullback


class EncodedRow(NamedTuple):
    """The instructions of a row in arrays.

    An instruction is (opcode, result, a, b, c), with the row's own slots. An operand that it does
    not have is replaced by `a`.

    Attributes:
        forward: The instructions for the result and the local derivatives.
        pullback: Those of the pullback of an operation with several results.
        results: The places of the results in `forward`.
        locals: The slot of each local derivative, IDENTITY if it is 1, or PULLBACK.
    """

    forward: np.ndarray
    pullback: np.ndarray
    results: np.ndarray
    locals: np.ndarray


@lru_cache(maxsize=1024)  # bounded, so that users' rows are freed
def encode_row(op: Op, inputs: int) -> EncodedRow:
    """Return the instructions of a row for a number of inputs."""
    row = record(op, inputs)
    steps = row.forward if row.gs else [*row.forward, *row.backward]
    written = [step.result for step in steps]
    locals = [PULLBACK if row.gs else IDENTITY if s is None else s for s in row.locals]
    return EncodedRow(
        encode_steps(steps),
        encode_steps(row.backward if row.gs else []),
        np.array([written.index(out) for out in row.outs], np.int64),
        np.array(locals, np.int64),
    )


def encode_steps(steps: Sequence[Instruction]) -> np.ndarray:
    """Return instructions as an array of shape (instructions, 5)."""
    rows = [
        (CODES[x.opname], x.result, x.a, x.a if x.b < 0 else x.b, x.a if x.c < 0 else x.c)
        for x in steps
    ]
    return np.array(rows, np.int64).reshape(-1, 5)


@compile_kernel()
def write_steps(
    opcodes: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray, row_of: np.ndarray,
    steps: np.ndarray, at: np.ndarray, columns: np.ndarray, row: int, offset: int,
) -> None:  # fmt: skip
    """Write the instructions of a row for several nodes, as `Builder.write` does."""
    for k in range(at.size):
        for n in range(steps.shape[0]):
            i = at[k] + n
            columns[k, steps[n, 1]] = offset + i
            opcodes[i], row_of[i] = steps[n, 0], row
            a[i], b[i] = columns[k, steps[n, 2]], columns[k, steps[n, 3]]
            c[i] = columns[k, steps[n, 4]]


@compile_kernel()
def fill_contributions(
    target: np.ndarray, source: np.ndarray, slope: np.ndarray, place: np.ndarray,
    nodes: np.ndarray, inputs: np.ndarray, columns: np.ndarray, local: np.ndarray,
    sends: np.ndarray, first: np.ndarray, places: np.ndarray, row_of: np.ndarray, row: int,
) -> None:  # fmt: skip
    """Fill in the contributions of several nodes with the same row.

    `first` and `places` are the first contribution of each node, and its place.
    """
    for k in range(nodes.size):
        node = nodes[k]
        if not sends[node]:
            continue
        for n in range(inputs.shape[1]):
            i = first[node] + n
            target[i], source[i], place[i] = inputs[k, n], node, places[node] + n
            slope[i] = columns[k, local[n]] if local[n] >= 0 else local[n]
            row_of[place[i]] = row


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
