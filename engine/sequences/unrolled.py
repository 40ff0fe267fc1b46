"""Rows over sequences as functions of floats, printed for a fixed number of inputs."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from engine.instructions import INLINE, Formulas, record
from engine.recorded_function import compile_function
from engine.rules import flatten
from engine.sequences.many_op import ManyOp

LONGEST = 129  # inputs for which a formula is written out


@lru_cache(maxsize=256)
def unroll(op: ManyOp, inputs: int) -> Callable[..., tuple[float, tuple[float, ...]]]:
    """Return a function that maps a row's arguments (floats) to its result and a tuple of slopes.

    Its code is printed for this number of inputs, so that a sum needs no loop.
    """
    if inputs > LONGEST:

        def general(*args: Any) -> tuple[float, tuple[float, ...]]:
            out = op.forward(*args)
            return out, tuple(flatten(op.locals(out, *args)))

        return general
    names, row = [f"x{i}" for i in range(inputs)], record(op, inputs)
    wanted = [*row.outs, *[s for s in row.locals if s is not None]]
    steps = [*row.forward, *row.backward]
    formulas = Formulas(dict(enumerate(names)), row, steps, wanted, INLINE)
    lines = []
    for letter, part in zip(op.letters, op.unflatten(names), strict=True):
        if part != ():
            target = f"({', '.join(part)},)" if isinstance(part, tuple) else part
            lines.append(f"{target} = {letter}")
    slopes = ["1.0" if s is None else formulas.format(s) for s in row.locals]
    result = f"return {formulas.format(row.outs[0])}, ({', '.join(slopes)},)"
    lines += [*formulas.assignments, result]
    code = f"def {op.name}({', '.join(op.letters)}):\n" + "".join(f"    {x}\n" for x in lines)
    return compile_function(code, op.name)
