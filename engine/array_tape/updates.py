"""Recorded functions on arrays as one compiled loop, such as the update of an optimizer.

NumPy needs one pass over the arrays for each operation. The loop gives the same bits, because it
contains only operations that IEEE 754 defines; other functions remain NumPy's.
"""

import struct
from collections.abc import Iterable, Sequence
from operator import add
from threading import Lock
from typing import Any

import numpy as np

from engine.array_tape.fusion import DTYPES
from engine.array_tape.loops import Loop, address_of
from engine.array_tape.workers import TEAM, load_runner
from engine.arrays.in_place import InPlace, call_quietly, join_slots, operands_of
from engine.instructions import Instruction
from engine.support.blas import count_threads
from engine.support.threads import cores

LINE = 64  # elements; they fill at least one cache line
PART = 2**15  # the fewest elements in a part, whose update takes about 10 µs
MOST_TABLES = 16  # for parameters of as many sizes

EXACT = {
    "+": "{} + {}", "-": "{} - {}", "*": "{} * {}", "divide": "{} / {}", "neg": "-{}",
    "abs": "abs({})", "sqrt": "np.sqrt({})", "=": "{}", "<": "{} < {}", "<=": "{} <= {}",
    ">": "{} > {}", ">=": "{} >= {}", "==": "{} == {}", "!=": "{} != {}",
    "where": "{1} if {0} else {2}",
}  # fmt: skip


class CompiledUpdate:
    """A function that computes `update.run` in one loop."""

    def __init__(self, update: InPlace):
        self.update = update
        self.text, self.new_count = print_update_loop(update)
        self.loops: dict[np.dtype, LoopInParts] = {}

    def find_loop(self, dtype: np.dtype | None) -> "LoopInParts | None":
        """Return the loop for arrays of a dtype, or None if there is none."""
        if dtype is None or dtype not in DTYPES:
            return None
        if dtype not in self.loops:
            count = len(self.update.known), self.update.arrays + self.new_count
            numbers, arrays = [[str(dtype)] * n for n in count]
            self.loops[dtype] = LoopInParts(Loop(self.text, numbers, arrays))
        return self.loops[dtype]

    def __call__(
        self,
        arrays: Sequence[np.ndarray],
        numbers: tuple[float, ...],
        spare: np.ndarray | None = None,
    ) -> list[np.ndarray]:
        first, loop = arrays[0], self.find_loop(find_one_dtype(arrays))
        if loop is None:  # a gradient of 0.0, or dtypes for which no loop is compiled
            return call_quietly(self.update.run_steps, arrays, numbers)
        new = [] if spare is None else [spare]
        new += [np.empty(first.shape, first.dtype) for _ in range(self.new_count - len(new))]
        flat = [x if x.flags.c_contiguous else x.ravel() for x in arrays]
        loop.run(first.size, 1, self.update.numbers(*numbers), [*flat, *new])
        return new


def compile_update(update: InPlace) -> CompiledUpdate | bool:
    """Return a function that computes `update.run` in one loop, or False if a step is not exact."""
    return all(step.opname in EXACT for step in update.steps) and CompiledUpdate(update)


def find_one_dtype(arrays: Sequence[Any]) -> np.dtype | None:
    """Return the dtype of arrays, or None if their dtypes differ or one is a number."""
    first = arrays[0]
    same = all(type(x) is np.ndarray and x.dtype == first.dtype for x in arrays)
    return first.dtype if same else None


class LoopInParts:
    """A loop over the elements of arrays of one dtype, computed in parts by workers."""

    def __init__(self, loop: Loop):
        self.loop, self.lock = loop, Lock()
        self.tables: dict[tuple[int, int], PartTable] = {}  # by size and number of parts

    def run(self, m: int, n: int, numbers: Iterable[Any], arrays: Iterable[np.ndarray]) -> None:
        """Compute arrays of m elements; n is 1."""
        count = min(m // PART, cores(), count_threads()) if m >= 2 * PART else 1
        # The tables serve one thread at a time.
        if count < 2 or not self.lock.acquire(blocking=False):
            self.loop.run(m, n, numbers, arrays)
            return
        try:
            if (m, count) not in self.tables:
                if len(self.tables) == MOST_TABLES:
                    self.tables.clear()
                self.tables[m, count] = PartTable(self.loop, m, count)
            self.tables[m, count].run(numbers, map(address_of, arrays))
        finally:
            self.lock.release()


class PartTable:
    """A loop in parts, as a table for `workers.RUN` in which only addresses change."""

    def __init__(self, loop: Loop, size: int, count: int):
        self.loop, self.count = loop, count
        starts = np.arange(count) * size // count // LINE * LINE
        self.addresses: Any = np.zeros((count, loop.widths.size), np.int64)
        self.offsets = np.outer(starts, loop.widths).ravel().tolist()
        self.pack = struct.Struct(f"{len(self.offsets)}q").pack_into
        self.sizes = np.ones((count, 3), np.int64)
        self.sizes[:, 0] = np.diff(starts, append=size)
        self.table = np.array([0, 1, count, count, *[loop.address, 0, 0, 0, 0] * count], np.int64)
        self.calls = self.table[4:].reshape(count, 5)
        self.calls[:, 1] = [*map(address_of, self.addresses)]
        self.calls[:, 2] = [*map(address_of, self.sizes)]
        self.calls[:, 3] = self.calls[:, 2]  # not 0: the loop receives addresses of data

    def run(self, numbers: Iterable[Any], addresses: Iterable[int]) -> None:
        self.pack(self.addresses, 0, *map(add, [*addresses] * self.count, self.offsets))
        slots = np.frombuffer(self.loop.make_numbers(numbers), np.uint8)
        self.calls[:, 4] = address_of(slots)
        TEAM.start(self.count - 1)
        load_runner()(address_of(self.table), 0, TEAM.address)


def print_update_loop(update: InPlace) -> tuple[str, int]:
    """Return the code of the loop, and the number of new arrays."""
    fresh = [f"new{k}" for k in range(sum(own is None for own in update.over))]
    arrays = [f"a{k}" for k in range(update.arrays)]
    used = {slot for step in update.steps for slot in operands_of(step)} | {*update.outputs}
    lines = [f"s{k} = a{k}[i]" for k in range(update.arrays) if k in used]
    lines += [f"s{step.result} = {format_step(step)}" for step in update.steps]
    targets = iter(fresh)
    for slot, own in zip(update.outputs, update.over, strict=True):
        target = next(targets) if own is None else arrays[own]
        if slot != own:
            lines.append(f"{target}[i] = s{slot}")
    numbers = [join_slots(update.known)] if update.known else []
    arguments = ", ".join(["m", "n", *numbers, *arrays, *fresh])
    body = "".join(f"        {line}\n" for line in lines)
    return f"def NAME({arguments}):\n    for i in range(m):\n{body}", len(fresh)


def format_step(step: Instruction) -> str:
    """Return the formula of an instruction."""
    return EXACT[step.opname].format(*[f"s{slot}" for slot in operands_of(step)])
