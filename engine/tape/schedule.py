"""In which order a program is run, and where its numbers are.

Like instructions stand side by side, each as soon as it can be: an interpreter that does one thing
many times in a row is several times as fast as one that does another thing each time. Their results
stand side by side too, and where they are is used again once nothing needs them any more, so that
little memory is gone through. No sum is reordered: the parts of one follow one another.
"""

from typing import Any, NamedTuple

import numpy as np

from engine.tape.caching import kernel
from engine.tape.kernels import MULTIPLY_ADD, MULTIPLY_ADD_ON, SUM, SUM_PRODUCT
from engine.tape.passes import EACH_BACKWARD, EACH_FORWARD, ONCE, Staged
from engine.tape.program import Program

STAGES = range(ONCE, EACH_BACKWARD + 1)
SHORTEST = 16  # of a run of its own
NEVER = np.iinfo(np.int64).max


class Runs(NamedTuple):
    """Instructions in runs of one kind: what each run does, where it ends, and how far its results
    are from its instructions; then the operands of each instruction.
    """

    do: np.ndarray
    ends: np.ndarray
    begins: np.ndarray
    a: np.ndarray
    b: np.ndarray
    c: np.ndarray


class Schedule(NamedTuple):
    """The runs of each stage, and whose row each instruction is of.

    There are three rooms: numbers that all samples share, rows of lanes, and sums over samples.
    `rooms` has the size of each.
    """

    stages: list[Runs]
    rows: list[np.ndarray]
    rooms: list[int]


def scheduled(found: Program, staged: Staged) -> tuple[Schedule, np.ndarray, np.ndarray]:
    """The order of the instructions of each stage; of each slot the room, and its place there."""
    code, given = staged.code, staged.code.given
    level = np.zeros(len(code.do), np.int64)
    levels(code.a, code.b, code.c, staged.stage, level, given)
    key = (staged.stage * (level.max(initial=0) + 1) + level) * 256 + code.do
    order = np.argsort(key, kind="stable")
    do, stage, key = code.do[order], staged.stage[order], key[order]
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    sizes = np.diff(starts, append=len(do))

    # The last run that needs the results of each run.
    run_of = np.full(given + len(do), -1)
    run_of[given:][order] = np.repeat(np.arange(len(starts)), sizes)
    last = np.full(len(starts), -1)
    last_uses(code.a, code.b, code.c, run_of, last, stage[starts], given)
    kept = run_of[np.concatenate([staged.outputs, staged.gradients, staged.guards])]
    last[kept[kept >= 0]] = NEVER

    room = np.zeros(given + len(do), np.uint8)
    room[found.laned] = 1
    room[given:] = np.where(np.isin(code.do, (SUM, SUM_PRODUCT)), 2, staged.stage >= EACH_FORWARD)
    at, begin, rooms = np.zeros(len(room), np.int64), np.zeros(len(starts), np.int64), []
    for each in range(3):
        mine = np.flatnonzero(room[:given] == each)
        at[mine] = np.arange(len(mine))
        runs = np.flatnonzero(room[given:][order][starts] == each)
        rooms.append(places(sizes, last, runs, begin, len(mine)))
    at[given:][order] = np.repeat(begin - starts, sizes) + np.arange(len(do))

    stages, rows = [], []
    for each in STAGES:
        mine, runs = order[stage == each], np.flatnonzero(stage[starts] == each)
        ends = np.cumsum(sizes[runs])
        operands = [at[slot[mine]].astype(np.uint32) for slot in (code.a, code.b, code.c)]
        plain = Runs(do[starts[runs]], ends, begin[runs] - ends + sizes[runs], *operands)
        stages.append(with_chains(plain, each < EACH_FORWARD))
        rows.append(code.row[mine])
    return Schedule(stages, rows, rooms), room, at


def with_chains(runs: Runs, wanted: bool) -> Runs:
    """Where many sums go on from results that stand side by side, that is a run of its own."""
    n = len(runs.a)
    sizes = np.diff(runs.ends, prepend=0)
    first = np.zeros(n, bool)
    first[runs.ends - sizes] = True
    adds = np.repeat(runs.do == MULTIPLY_ADD, sizes) & wanted
    breaks = first | (adds & (np.diff(runs.c.astype(np.int64), prepend=-2) != 1))
    lengths = np.diff(np.flatnonzero(breaks), append=n)
    chain = np.repeat(lengths >= SHORTEST, lengths) & adds
    starts = np.flatnonzero(first | (breaks & (chain | np.append(False, chain[:-1]))))
    of = np.searchsorted(runs.ends, starts, side="right")
    do = np.where(chain[starts], MULTIPLY_ADD_ON, runs.do[of]).astype(np.uint8)
    ends = np.append(starts[1:], n)[: len(starts)]
    return Runs(do, ends.astype(np.uint64), runs.begins[of].astype(np.uint64), *runs[3:])


@kernel()
def levels(a: Any, b: Any, c: Any, stage: Any, level: Any, given: int) -> None:
    """How many instructions of its stage each has to wait for, one after the other."""
    for i in range(a.size):
        found = 0
        for slot in (a[i], b[i], c[i]):
            j = slot - given
            if j >= 0 and stage[j] == stage[i] and level[j] >= found:
                found = level[j] + 1
        level[i] = found


@kernel()
def last_uses(a: Any, b: Any, c: Any, run_of: Any, last: Any, stage_of: Any, given: int) -> None:
    """The last run that reads from each; never, where a later stage may read again and again."""
    for i in range(a.size):
        here = run_of[given + i]
        for slot in (a[i], b[i], c[i]):
            j = run_of[slot]
            if j >= 0:
                last[j] = max(last[j], here) if stage_of[j] == stage_of[here] else NEVER


@kernel()
def places(sizes: Any, last: Any, runs: Any, begin: Any, taken: int) -> int:
    """A place for the results of each run, after those that are taken; how many there are in all.

    Where the results of a run of the same size are not needed any more is taken first.
    """
    largest = 0
    for r in runs:
        largest = max(largest, sizes[r])
    free = np.full(largest + 1, -1)  # by size, the first of a chain of runs
    ends = np.full(sizes.size, -1)  # by run, the first of those that it is the last to need
    next_ = np.full(sizes.size, -1)
    done = 0
    for r in runs:
        while done < r:  # what was needed until before this run
            k = ends[done]
            while k >= 0:
                following = next_[k]
                next_[k] = free[sizes[k]]
                free[sizes[k]] = k
                k = following
            done += 1
        k = free[sizes[r]]
        if k >= 0:
            free[sizes[r]] = next_[k]
            begin[r] = begin[k]
        else:
            begin[r] = taken
            taken += sizes[r]
        if r < last[r] < NEVER:
            next_[r] = ends[last[r]]
            ends[last[r]] = r
    return taken
