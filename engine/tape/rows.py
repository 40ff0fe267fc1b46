"""What a row does on a tape: the elementary instructions of its formula and of its derivatives.

The row is run on slots, which write down what is done with them: one more arithmetic in which the
same code is read (see `engine.readers`). A row of the user's needs nothing for it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from engine import floats
from engine.ops import Op, flat
from engine.readers import over


class Instruction(NamedTuple):
    """result = do(a, b, c), of slots: numbers of an instruction's operands, -1 for none."""

    do: str
    result: int
    a: int
    b: int = -1
    c: int = -1


class Template(NamedTuple):
    """The instructions of a row over n inputs, which are the slots 0 to n - 1.

    `forward` leaves the result in slot `out`; `backward` the local derivatives in the slots
    `locals`: of each input the slot, None where it is exactly 1. `constants` has the numbers that
    slots hold from the first.
    """

    forward: list[Instruction]
    out: int
    backward: list[Instruction]
    locals: list[int | None]
    constants: dict[int, float]
    slots: int


class Writer:
    """Writes instructions down, each but once."""

    def __init__(self, inputs: int):
        self.slots = inputs
        self.written: dict[Any, int] = {}
        self.instructions: list[Instruction] = []
        self.constants: dict[int, float] = {}

    def slot(self, x: Any) -> int:
        """Where a number or a symbol is held."""
        if isinstance(x, Slot):
            return x.place
        key = ("constant", float(x).hex())
        if key not in self.written:
            self.written[key] = self.slots
            self.constants[self.slots] = float(x)
            self.slots += 1
        return self.written[key]

    def write(self, do: str, *operands: Any) -> "Slot":
        key = (do, *map(self.slot, operands))
        if key not in self.written:
            self.written[key] = self.slots
            self.instructions.append(Instruction(do, self.slots, *map(self.slot, operands)))
            self.slots += 1
        return Slot(self, self.written[key])


class Slot:
    """A number that a tape will hold."""

    def __init__(self, writer: Writer, place: int):
        self.writer, self.place = writer, place

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        raise TypeError("it decides by a number, which a tape does not know yet")


def operator(do: str, reflected: bool = False) -> Callable[..., Any]:
    if reflected:
        return lambda self, other: self.writer.write(do, other, self)
    return lambda self, *others: self.writer.write(do, self, *others)


OPERATORS = {
    "add": "+", "sub": "-", "mul": "*", "truediv": "divide", "pow": "power", "and": "&", "or": "|",
}  # fmt: skip
for _name, _do in OPERATORS.items():
    setattr(Slot, f"__{_name}__", operator(_do))
    setattr(Slot, f"__r{_name}__", operator(_do, reflected=True))
for _name, _do in {
    "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!=",
    "neg": "neg", "abs": "abs",
}.items():  # fmt: skip
    setattr(Slot, f"__{_name}__", operator(_do))


def function(name: str) -> Callable[..., Any]:
    def f(*args: Any) -> Any:
        writer = next((x.writer for x in args if isinstance(x, Slot)), None)
        return getattr(floats, name)(*args) if writer is None else writer.write(name, *args)

    return f


SPACE = {name: function(name) for name in floats.__all__}


def template(op: Op, inputs: int) -> Template:
    """What `op` does on a tape with that many inputs.

    TypeError for a row that computes with something else than `engine.floats` and operators, or
    that has an `if` on a number.
    """
    row, writer = over(op, SPACE), Writer(inputs)
    args = op.group([Slot(writer, i) for i in range(inputs)])
    try:
        out = writer.slot(row.forward(*args))
        if out not in [each.result for each in writer.instructions]:  # it returns what it got
            out = writer.write("=", Slot(writer, out)).place
        ahead, writer.instructions = writer.instructions, []
        slopes = list(flat(row.locals(Slot(writer, out), *args)))
    except TypeError as problem:
        raise TypeError(
            f"row {op.name!r} cannot be written on a tape ({problem}); let it compute with the "
            "functions of engine.floats, and choose with where"
        ) from problem
    locals = [None if is_one(each) else writer.slot(each) for each in slopes]
    return Template(ahead, out, writer.instructions, locals, writer.constants, writer.slots)


def is_one(x: Any) -> bool:
    return not isinstance(x, Slot) and float(x) == 1.0
