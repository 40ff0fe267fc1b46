"""Recorded functions on arrays as one compiled loop, such as the update of an optimizer.

NumPy needs one pass over the arrays for each operation. The loop gives the same bits, because it
contains only operations that IEEE 754 defines; other functions remain NumPy's.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.array_tape.fusion import DTYPES
from engine.array_tape.kernels import compile_source
from engine.array_tape.loops import Loop
from engine.arrays.in_place import InPlace, call_quietly, join_slots, operands_of
from engine.instructions import Instruction

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
        self.loops: dict[np.dtype, Loop] = {}

    def find_loop(self, dtype: np.dtype | None) -> Loop | None:
        """Return the loop for arrays of a dtype, or None if there is none."""
        if dtype is None or dtype not in DTYPES:
            return None
        if dtype not in self.loops:
            count = len(self.update.known), self.update.arrays + self.new_count
            numbers, arrays = [[str(dtype)] * n for n in count]
            self.loops[dtype] = compile_source(self.text, numbers, arrays)
        return self.loops[dtype]

    def __call__(
        self,
        arrays: Sequence[np.ndarray],
        numbers: tuple[float, ...],
        spare: np.ndarray | None = None,
    ) -> list[np.ndarray]:
        first, loop = arrays[0], self.find_loop(find_one_dtype(arrays))
        if loop is None:  # a gradient of 0.0, or dtypes for which no loop is compiled
            return call_quietly(self.update.run_steps, arrays, numbers, first.size)
        new = [] if spare is None else [spare]
        new += [np.empty(first.shape, first.dtype) for _ in range(self.new_count - len(new))]
        flat = [x if x.flags.c_contiguous else x.ravel() for x in arrays]
        loop.run(first.size, 1, self.update.numbers(*numbers), [*flat, *new])
        return new


def compile_update(update: InPlace) -> CompiledUpdate | bool:
    """Return a function that computes `update.run` in one loop, or False if a step is not exact."""
    return all(step.opname in EXACT for step in update.steps) and CompiledUpdate(update)


def find_one_dtype(arrays: Sequence[Any]) -> np.dtype | None:
    """Return the dtype of arrays, or None if they differ or one is a number."""
    first = arrays[0]
    same = all(type(x) is np.ndarray and x.dtype == first.dtype for x in arrays)
    return first.dtype if same else None


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
