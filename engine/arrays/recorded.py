"""A function of numbers with several results, recorded as instructions and printed as Python.

Rows are recorded by `engine.instructions`. This serves all other formulas, such as the update rules
of optimizers: written once, they run on floats and, with `engine.arrays.in_place`, on arrays.
"""

from collections.abc import Callable, Iterable
from math import inf, nan
from typing import Any, NamedTuple

from engine import arithmetic
from engine.instructions import INLINE, Formulas, Instruction, Slot, Writer


class Program(NamedTuple):
    """The instructions of a function of n numbers, which are the slots 0 to n - 1.

    `outputs` are the slots of its results; `constants` maps slots to the numbers that they hold.
    """

    instructions: list[Instruction]
    outputs: list[int]
    constants: dict[int, float]
    inputs: int
    slots: int

    def __str__(self) -> str:
        """Return the function's body in Python.

        >>> print(record_function(lambda x, y: (2.0 * x, 2.0 * x + y), inputs=2))
        s3 = 2.0 * s0
        s4 = s3 + s1
        return [s3, s4]
        """
        return "\n".join([*self.lines(), f"return [{self.names(self.outputs)}]"])

    def lines(self) -> list[str]:
        """Return the assignments of the results in Python."""
        given = {slot: f"s{slot}" for slot in range(self.inputs)}
        results = {step.result for step in self.instructions}
        assigned = {slot: f"s{slot}" for slot in self.outputs if slot in results}
        return Formulas(given, self, self.instructions, [], INLINE, assigned).parts

    def names(self, slots: Iterable[int]) -> str:
        """Return the names of slots, or the numbers that are constant, with commas between them."""
        known = self.constants
        return ", ".join([repr(known[slot]) if slot in known else f"s{slot}" for slot in slots])


def record_function(f: Callable[..., Any], inputs: int) -> Program:
    """Record a function of numbers that returns several.

    Raises TypeError if it computes with anything but operators and the functions of
    `engine.arithmetic`, or has an `if` on a number.
    """
    writer = Writer(inputs)
    outputs = [writer.slot(x) for x in f(*[Slot(writer, i) for i in range(inputs)])]
    return Program(writer.instructions, outputs, writer.constants, inputs, writer.slots)


def on_floats(program: Program, first: int = 0) -> Callable[..., list[float]]:
    """Return a program as a function of floats: of the inputs from `first` on."""
    body = str(program).replace("\n", "\n    ")
    names = program.names(range(first, program.inputs))
    return compiled(f"def f({names}):\n    {body}\n", "f")


def compiled(code: str, name: str) -> Callable[..., Any]:
    """Return the function of that name from code that contains the lines of a `Program`."""
    space: dict[str, Any] = {**arithmetic.FLOATS, "inf": inf, "nan": nan}
    exec(compile(code, f"{__file__}, printed", "exec"), space)  # a file that warnings pass over
    return space[name]
