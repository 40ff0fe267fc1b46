"""Recorded functions on arrays as one compiled loop, such as the update of an optimizer.

NumPy needs one pass over the arrays for each operation. The loop gives the same bits, because it
contains only operations that IEEE 754 defines; other functions remain NumPy's.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine.array_tape.fusion import DTYPES
from engine.array_tape.kernels import compile_source
from engine.arrays.in_place import InPlace, call_quietly, join_slots, operands_of
from engine.instructions import Instruction

DOUBLE = np.dtype(float)
EXACT = {
    "+": "{} + {}", "-": "{} - {}", "*": "{} * {}", "divide": "{} / {}", "neg": "-{}",
    "abs": "abs({})", "sqrt": "np.sqrt({})", "=": "{}", "<": "{} < {}", "<=": "{} <= {}",
    ">": "{} > {}", ">=": "{} >= {}", "==": "{} == {}", "!=": "{} != {}",
    "where": "{1} if {0} else {2}",
}  # fmt: skip


def compile_update(update: InPlace) -> Callable[..., list[np.ndarray]] | bool:
    """Return a function that computes `update.run` in one loop, or False if a step is not exact."""
    if not all(step.opname in EXACT for step in update.steps):
        return False
    text, new_count = print_update_loop(update)
    loops: dict[np.dtype, Any] = {}

    def compile_for(dtype: np.dtype) -> Any:
        arrays = [str(dtype)] * (update.arrays + new_count)
        loops[dtype] = compile_source(text, [str(dtype)] * len(update.known), arrays)
        return loops[dtype]

    def run(
        arrays: Sequence[np.ndarray],
        numbers: tuple[float, ...],
        spare: np.ndarray | None = None,
    ) -> list[np.ndarray]:
        first = arrays[0]
        dtype = first.dtype
        flat = []
        for x in arrays:
            if type(x) is not np.ndarray or x.dtype != dtype or dtype not in DTYPES:
                # A gradient of 0.0, or dtypes for which no loop is compiled.
                return call_quietly(update.run_steps, arrays, numbers, first.size)
            flat.append(x if x.flags.c_contiguous else x.ravel())
        known = update.numbers(*numbers) if dtype == DOUBLE else update.bind(numbers, dtype)
        new = [] if spare is None else [spare]
        while len(new) < new_count:
            new.append(np.empty(first.shape, dtype))
        (loops.get(dtype) or compile_for(dtype)).run(first.size, 1, known, flat + new)
        return new

    return run


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
