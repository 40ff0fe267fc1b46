"""Find products of a matrix and a vector, which the kernels compute several numbers at a time.

A run of sums of products, such as those of a layer, contains segments in which one factor of each
term stays the same from sum to sum, and the other is in consecutive registers. A segment becomes a
run of its own. In the forward pass, the other factors are often a column of a matrix of parameters,
whose registers have a constant distance; they are copied to consecutive registers before each pass.
"""

from typing import Any, NamedTuple

import numpy as np

from engine.tape.kernels import compile_kernel
from engine.tape.opcodes import MULTIPLY_ADD, MULTIPLY_ADD_VECTOR, VECTOR_TO_ANY
from engine.tape.schedule import Runs

SHORTEST = 4  # sums of a segment


class Vectors(NamedTuple):
    """Runs with products of matrices and vectors, and the registers that are copied.

    The numbers in the registers `sources` are copied to the registers from `first` on.
    """

    runs: Runs
    sources: np.ndarray
    first: int


def find_vectors(runs: Runs, parameters: int, first: int) -> Vectors:
    """Return runs with vectors; copies of parameters are in the registers from `first`."""
    a, b = runs.a.astype(np.int64), runs.b.astype(np.int64)
    n = len(a)
    sums, steps = np.zeros(n, np.int64), np.zeros(n, np.int64)
    swaps, regular = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    find_segments(
        runs.opcodes, runs.ends, runs.terms, a, b, runs.c.astype(np.int64), parameters, sums,
        steps, swaps, regular,
    )  # fmt: skip
    starts = np.flatnonzero(sums)
    if not len(starts):
        return Vectors(runs, np.zeros(0, np.int64), first)
    a[swaps], b[swaps] = b[swaps], a[swaps]  # the factor that stays is a
    run = np.searchsorted(runs.ends, starts, side="right")
    terms = runs.terms[run].astype(np.int64)

    # Copy each column once.
    owner = np.repeat(np.arange(len(starts)), terms)  # the segment of each term of a first sum
    place = starts[owner] + np.arange(len(owner)) - (np.cumsum(terms) - terms)[owner]
    owner, place = owner[steps[place] != 1], place[steps[place] != 1]
    columns = b[place], steps[place], sums[starts[owner]]
    _, which = np.unique(columns[0] << 32 | columns[1], return_inverse=True)  # both have 32 bits
    _, at, which = np.unique(which << 32 | columns[2], return_index=True, return_inverse=True)
    unique = [column[at] for column in columns]
    lengths = unique[2]
    begins = first + np.cumsum(lengths) - lengths
    sources = [start + step * np.arange(size) for start, step, size in zip(*unique, strict=True)]
    b[place] = begins[which]

    # Split the runs at the segments.
    stops = starts + terms * sums[starts]
    cuts = np.unique(np.concatenate([runs.ends.astype(np.int64), starts, stops]))
    ends = cuts[cuts > 0]
    run = np.searchsorted(runs.ends, ends - 1, side="right")
    before = np.append(0, ends[:-1]) - np.append(0, runs.ends.astype(np.int64))[run]
    opcodes = runs.opcodes[run].copy()
    opcodes[np.searchsorted(ends, stops)] = np.where(
        regular[starts], MULTIPLY_ADD_VECTOR, VECTOR_TO_ANY
    )
    begins = runs.begins[run] + before // runs.terms[run]
    arrays = opcodes, ends, begins, runs.terms[run], a, b, runs.c
    split = Runs(*[array.astype(np.uint32) for array in arrays])
    return Vectors(split, np.concatenate(sources) if sources else np.zeros(0, np.int64), first)


@compile_kernel()
def find_segments(
    opcodes: np.ndarray, ends: np.ndarray, terms: np.ndarray, a: np.ndarray, b: np.ndarray,
    c: np.ndarray, parameters: int, sums: np.ndarray, steps: np.ndarray, swaps: np.ndarray,
    regular: np.ndarray,
) -> None:  # fmt: skip
    """Find the segments: fill in the number of sums of each at its first instruction.

    Also fill in the distance of the registers of the factors that change, for the terms of the
    first sum, and two masks: True for the instructions whose factor b stays the same, and not a;
    and for the segments that add to consecutive registers, or to one.
    """
    begin: Any = 0
    for k in range(opcodes.size):
        end, n = np.int64(ends[k]), np.int64(terms[k])
        i: Any = begin
        begin = end
        if opcodes[k] != MULTIPLY_ADD:
            continue
        while i + n < end:
            usable = True
            regular[i] = c[i + n] == c[i] or c[i + n] == c[i] + 1
            for t in range(i, i + n):
                swaps[t] = b[t + n] == b[t]
                x = a if swaps[t] else b  # the factor that changes
                y = b if swaps[t] else a
                steps[t] = x[t + n] - x[t]
                usable &= y[t + n] == y[t] and (
                    steps[t] == 1 or (steps[t] > 1 and x[t + n] < parameters)
                )
            j = i + n
            while usable and j < end:
                same = True
                for t in range(i, i + n):
                    x = a if swaps[t] else b
                    y = b if swaps[t] else a
                    s = t + j - i
                    same &= y[s] == y[t] and x[s] - x[s - n] == steps[t]
                    same &= steps[t] == 1 or x[s] < parameters
                if not same:
                    break
                regular[i] &= c[j] - c[j - n] == c[i + n] - c[i]
                j += n
            if usable and j - i >= SHORTEST * n:
                sums[i] = (j - i) // n
                i = j
            else:
                for t in range(i, i + n):
                    swaps[t] = False
                i = max(i + n, j - n) if usable else i + n
