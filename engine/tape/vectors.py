"""Find products of one number with a vector, which the kernels compute several numbers at a time.

A run of products, such as those of a layer, contains segments in which one factor stays the same
and the other is in consecutive registers. A segment becomes a run of its own. In the forward pass,
the other factors are often a column of a matrix of parameters, whose registers have a constant
distance; they are copied to consecutive registers before each pass.
"""

from typing import Any, NamedTuple

import numpy as np

from engine.tape.kernels import compile_kernel
from engine.tape.opcodes import (
    MULTIPLY_ADD,
    MULTIPLY_ADD_ON,
    MULTIPLY_FROM_0,
    VECTOR_ADD,
    VECTOR_FROM_0,
)
from engine.tape.schedule import Runs

SHORTEST = 8  # products of a segment


class Vectors(NamedTuple):
    """Runs with vector products, and the registers that are copied.

    The numbers in the registers `sources` are copied to the registers from `first` on.
    """

    runs: Runs
    sources: np.ndarray
    first: int


def find_vectors(runs: Runs, parameters: int, first: int) -> Vectors:
    """Return runs with vector products; copies of parameters are in the registers from `first`."""
    a, b = runs.a.astype(np.int64), runs.b.astype(np.int64)
    most = len(a) // SHORTEST + 1
    starts, sizes, steps = (np.zeros(most, np.int64) for _ in range(3))
    swaps = np.zeros(len(a), np.bool_)
    count = find_segments(
        runs.opcodes, runs.ends, a, b, runs.c.astype(np.int64), parameters, starts, sizes, steps,
        swaps,
    )  # fmt: skip
    starts, sizes, steps = starts[:count], sizes[:count], steps[:count]
    if not len(starts):
        return Vectors(runs, np.zeros(0, np.int64), first)
    a[swaps], b[swaps] = b[swaps], a[swaps]  # the factor that stays is a

    # Copy each column once.
    columns = np.stack([b[starts], steps, sizes], axis=1)[steps != 1]
    unique, which = np.unique(columns, axis=0, return_inverse=True)
    lengths = unique[:, 2] if len(unique) else np.zeros(0, np.int64)
    begins = first + np.cumsum(lengths) - lengths
    sources = [start + step * np.arange(size) for start, step, size in unique.tolist()]
    for k, place in zip(np.flatnonzero(steps != 1), begins[which.ravel()], strict=True):
        b[starts[k] : starts[k] + sizes[k]] = place + np.arange(sizes[k])

    # Split the runs at the segments.
    cuts = np.unique(np.concatenate([runs.ends.astype(np.int64), starts, starts + sizes]))
    ends = cuts[cuts > 0]
    run = np.searchsorted(runs.ends, ends - 1, side="right")
    opcodes = runs.opcodes[run].copy()
    of_segment = np.zeros(len(a) + 1, bool)
    of_segment[starts + sizes] = True
    vectors = of_segment[ends]
    opcodes[vectors] = np.where(opcodes[vectors] == MULTIPLY_FROM_0, VECTOR_FROM_0, VECTOR_ADD)
    split = Runs(
        opcodes, ends.astype(np.uint64), runs.begins[run], a.astype(np.uint32),
        b.astype(np.uint32), runs.c,
    )  # fmt: skip
    return Vectors(split, np.concatenate(sources) if sources else np.zeros(0, np.int64), first)


@compile_kernel()
def find_segments(
    opcodes: np.ndarray, ends: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray,
    parameters: int, starts: np.ndarray, sizes: np.ndarray, steps: np.ndarray, swaps: np.ndarray,
) -> int:  # fmt: skip
    """Fill in the start and the size of each segment, the distance of its registers, and a mask.

    The mask is True for the instructions whose factor b stays the same, and not a. Returns the
    number of segments.
    """
    count = 0
    begin: Any = 0
    for n in range(opcodes.size):
        end = np.int64(ends[n])
        f = opcodes[n]
        if f in (MULTIPLY_ADD, MULTIPLY_ADD_ON, MULTIPLY_FROM_0):
            i = begin
            while i + 1 < end:
                stays_a, stays_b = a[i + 1] == a[i], b[i + 1] == b[i]
                x = a if stays_b else b  # the factor that changes
                y = b if stays_b else a
                step = x[i + 1] - x[i]
                j = i + 1
                while (
                    j < end and y[j] == y[i] and x[j] - x[j - 1] == step
                    and (f != MULTIPLY_ADD or c[j] == c[j - 1] + 1)
                ):  # fmt: skip
                    j += 1
                last = x[j - 1]
                usable = step == 1 or (step > 1 and x[i] < parameters and last < parameters)
                if j - i >= SHORTEST and usable and (stays_a or stays_b):
                    starts[count], sizes[count], steps[count] = i, j - i, step
                    count += 1
                    if stays_b:
                        swaps[i:j] = True
                    i = j
                else:
                    i = max(i + 1, j - 1)
        begin = end
    return count
