"""Rows of the rule table as JavaScript, for pages that compute.

A row is recorded once as instructions, like a row of a tape, and printed as two functions. The
functions that it calls are in `arithmetic.js`.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from engine.instructions import (
    AND,
    COMPARISON,
    CONDITIONAL,
    FACTOR,
    OR,
    PYTHON,
    Formulas,
    Instruction,
    Recorded,
    record,
)
from engine.rules import Op
from engine.sequences.vector_op import VectorOp

RUNTIME = Path(__file__).with_name("arithmetic.js")
LOGICAL = ("<", "<=", ">", ">=", "==", "!=", "&", "|")
JAVASCRIPT: dict[str, tuple[str, int]] = {
    **PYTHON, "&": ("{} && {}", AND), "|": ("{} || {}", OR),
    "==": ("{} === {}", COMPARISON), "!=": ("{} !== {}", COMPARISON),
    "truth": ("{} !== 0", COMPARISON),
    "where": ("{0} ? {1} : {2}", CONDITIONAL), "divide": ("{} / {}", FACTOR),
}  # fmt: skip


def print_row(op: Op, inputs: int) -> str:
    """Return a row as a JavaScript object with two functions, for a number of inputs.

    `forward(x)` maps the inputs to the results, both arrays of numbers. `slopes(out, x)` returns
    the local derivative for each input. For a row with several results `pullback(g, out, x)` takes
    their gradients, and returns those of the inputs.

    Raises TypeError if the row cannot be recorded (see `engine.instructions.record`).

    >>> from engine.rules import MUL, SIGMOID
    >>> print(print_row(MUL, 2))
    {forward: ([x0, x1]) => {
      return [x0 * x1];
    }, slopes: ([out0], [x0, x1]) => {
      return [x1, x0];
    }}
    """
    row = record(op, inputs)
    xs = {i: f"x{i}" for i in range(inputs)}
    outs = {s: f"out{i}" for i, s in enumerate(row.outs)}
    gs = {s: f"g{i}" for i, s in enumerate(row.gs)}
    forward = print_function([xs], row, row.outs)
    backward = print_function([*([gs] if row.gs else []), outs, xs], row, row.locals)
    name = "pullback" if isinstance(op, VectorOp) else "slopes"
    return f"{{forward: {forward}, {name}: {backward}}}"


def print_function(
    parameters: Iterable[Mapping[int, str]], row: Recorded, wanted: Iterable[int | None]
) -> str:
    """Return a JavaScript function of arrays, which returns the wanted slots; 1 for None."""
    parameters = [*parameters]
    given = {s: name for names in parameters for s, name in names.items()}
    arguments = ", ".join(f"[{', '.join(names.values())}]" for names in parameters)
    return f"({arguments}) => {{\n{print_body(given, row, [*wanted])}}}"


def print_program(
    parameters: Mapping[str, Sequence[int]], row: Recorded, wanted: Sequence[int]
) -> str:
    """Return a JavaScript function of arrays, whose elements are the slots of each parameter."""
    given: dict[int, str] = {}
    for name, slots in parameters.items():
        given |= {s: f"{name}[{i}]" for i, s in enumerate(slots)}
    return f"({', '.join(parameters)}) => {{\n{print_body(given, row, wanted)}}}"


def print_body(given: Mapping[int, str], row: Recorded, wanted: Sequence[int | None]) -> str:
    """Return the statements that compute the wanted slots from those with names."""
    known = {s: print_number(x) for s, x in row.constants.items()} | dict(given)
    slots = [s for s in wanted if s is not None]
    steps = compare_conditions(row)
    formulas = Formulas(known, row, steps, slots, JAVASCRIPT)
    results = ", ".join("1" if s is None else formulas.format(s) for s in wanted)
    lines = [*(f"const {line};" for line in formulas.assignments), f"return [{results}];"]
    return "".join(f"  {line}\n" for line in lines)


def compare_conditions(row: Recorded) -> Iterator[Instruction]:
    """Yield a row's instructions; a number that is a condition is compared with 0 first.

    nan is true in Python and false in JavaScript.
    """
    logical = set()
    for step in [*row.forward, *row.backward]:
        if step.opname == "where" and step.a not in logical:
            yield Instruction("truth", row.slots + step.a, step.a)
            step = step._replace(a=row.slots + step.a)
        if step.opname in LOGICAL:
            logical.add(step.result)
        yield step


def print_number(x: float) -> str:
    """Return a number as a JavaScript expression, which can follow a minus sign.

    >>> print_number(0.5), print_number(-2.0), print_number(math.inf)
    ('0.5', '(-2.0)', 'inf')
    """
    text = repr(x)
    return f"({text})" if math.copysign(1.0, x) < 0 and x == x else text
