"""A function of numbers with several results, recorded as instructions and printed as Python.

`engine.instructions` records rows. This module records all other formulas, such as the update rules
of optimizers: they are written once, and run on floats and, by `engine.arrays.in_place`, on arrays.
"""

from collections.abc import Callable, Iterable
from math import inf, nan
from typing import Any, NamedTuple

from engine import arithmetic
from engine.instructions import INLINE, Formulas, Instruction, Recorder, Slot


class RecordedFunction(NamedTuple):
    """The instructions of a function of n numbers, which occupy the slots 0 to n - 1.

    outputs    the slots of its results
    constants  the numbers of slots that are constant
    inputs     n
    slots      the number of slots
    """

    instructions: list[Instruction]
    outputs: list[int]
    constants: dict[int, float]
    inputs: int
    slots: int

    def __str__(self) -> str:
        """Return the body of the function in Python.

        >>> print(record_function(lambda x, y: (2.0 * x, 2.0 * x + y), inputs=2))
        s3 = 2.0 * s0
        s4 = s3 + s1
        return [s3, s4]
        """
        return "\n".join([*self.assignments(), f"return [{self.format_slots(self.outputs)}]"])

    def assignments(self) -> list[str]:
        """Return the lines of Python that assign the results."""
        given = {slot: f"s{slot}" for slot in range(self.inputs)}
        computed = {step.result for step in self.instructions}
        assigned = {slot: f"s{slot}" for slot in self.outputs if slot in computed}
        return Formulas(given, self, self.instructions, [], INLINE, assigned).assignments

    def format_slots(self, slots: Iterable[int]) -> str:
        """Return the names of slots, and the numbers of constant ones, separated by commas."""
        constants = self.constants
        return ", ".join([repr(constants[s]) if s in constants else f"s{s}" for s in slots])


def record_function(f: Callable[..., Any], inputs: int) -> RecordedFunction:
    """Record a function of numbers that returns several.

    Raises TypeError if it has an `if` on a number, or computes with anything but operators and the
    functions of `engine.arithmetic`.
    """
    recorder = Recorder(inputs)
    outputs = [recorder.slot(x) for x in f(*[Slot(recorder, i) for i in range(inputs)])]
    return RecordedFunction(
        recorder.instructions, outputs, recorder.constants, inputs, recorder.slots
    )


def float_function(recorded: RecordedFunction, first: int = 0) -> Callable[..., list[float]]:
    """Return a recorded function as a function of floats: of its inputs from `first` on."""
    body = str(recorded).replace("\n", "\n    ")
    names = recorded.format_slots(range(first, recorded.inputs))
    return compile_function(f"def f({names}):\n    {body}\n", "f")


def compile_function(code: str, name: str) -> Callable[..., Any]:
    """Compile code that contains printed instructions, and return its function `name`."""
    space: dict[str, Any] = {**arithmetic.FLOATS, "inf": inf, "nan": nan}
    exec(compile(code, f"{__file__}, printed", "exec"), space)  # a file that warnings skip
    return space[name]
