"""Rows as elementary instructions, and their printer.

A row is run once on slots, an arithmetic that writes down each operation on them. The instructions
are then printed in a language (`Formulas`), or stamped on all nodes of a tape.

>>> from engine.rules import SIGMOID
>>> found = record(SIGMOID, 1)
>>> Formulas({0: "x"}, found, found.forward, found.outs, PYTHON).of(found.outs[0])
'divide(where(x < 0.0, exp(x), 1.0), 1.0 + exp(-abs(x)))'
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from engine import arithmetic
from engine.rules import Op, flat


class Instruction(NamedTuple):
    """result = do(a, b, c), where the operands are slots; -1 stands for no operand."""

    do: str
    result: int
    a: int
    b: int = -1
    c: int = -1


class Recorded(NamedTuple):
    """The instructions of a row over n inputs, which are the slots 0 to n - 1.

    `forward` leaves the results in the slots `outs`. `backward` leaves the local derivative for
    each input in the slots `locals`, where None stands for exactly 1. The row of a `VectorOp` has
    the gradients of its results in the slots `gs`; its `locals` are the gradients of the inputs.
    `constants` maps slots to the numbers that they hold from the start.
    """

    forward: list[Instruction]
    outs: list[int]
    gs: list[int]
    backward: list[Instruction]
    locals: list[int | None]
    constants: dict[int, float]
    slots: int


class Writer:
    """A list of instructions that contains each only once."""

    def __init__(self, inputs: int):
        self.slots = inputs
        self.written: dict[Any, int] = {}
        self.instructions: list[Instruction] = []
        self.constants: dict[int, float] = {}

    def slot(self, x: Any) -> int:
        """Return the slot of a number or of a `Slot`."""
        if isinstance(x, Slot):
            return x.place
        key = ("constant", float(x).hex())
        if key not in self.written:
            self.written[key] = self.slots
            self.constants[self.slots] = float(x)
            self.slots += 1
        return self.written[key]

    def write(self, do: str, *operands: Any) -> "Slot":
        """Write an instruction and return its result."""
        places = [self.slot(x) for x in operands]
        key = (do, *places)
        if key not in self.written:
            self.written[key] = self.slots
            self.instructions.append(Instruction(do, self.slots, *places))
            self.slots += 1
        return Slot(self, self.written[key])


class Slot:
    """A number that is not known yet."""

    def __init__(self, writer: Writer, place: int):
        self.writer, self.place = writer, place

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        raise TypeError("it decides by a number that is not known while the row is recorded")


def operator(do: str, reflected: bool = False) -> Callable[..., Slot]:
    if reflected:
        return lambda self, other: self.writer.write(do, other, self)
    return lambda self, *others: self.writer.write(do, self, *others)


for _name, _do in {
    "add": "+", "sub": "-", "mul": "*", "truediv": "divide", "pow": "power", "and": "&", "or": "|",
    "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!=", "neg": "neg",
    "abs": "abs",
}.items():  # fmt: skip
    setattr(Slot, f"__{_name}__", operator(_do))
    if _name in ("add", "sub", "mul", "truediv", "pow", "and", "or"):
        setattr(Slot, f"__r{_name}__", operator(_do, reflected=True))


def function(name: str) -> Callable[..., Slot]:
    def f(*args: Any) -> Slot:
        return next(x for x in args if isinstance(x, Slot)).writer.write(name, *args)

    return f


arithmetic.register(Slot, {name: function(name) for name in arithmetic.__all__})


@lru_cache(maxsize=1024)  # lets users' rows be freed
def record(op: Op, inputs: int) -> Recorded:
    """Return the instructions of a row for that many inputs.

    Raises TypeError for a row with an `if` on a number, or with a function that is not one of
    `engine.arithmetic`.
    """
    writer = Writer(inputs)
    args = op.group([Slot(writer, i) for i in range(inputs)])
    try:
        several = op.several
        outs = [writer.slot(out) for out in flat([op.forward(*args)])]
        computed = {each.result for each in writer.instructions}
        for i, out in enumerate(outs):
            if out not in computed:  # an input or a number
                outs[i] = writer.write("=", Slot(writer, out)).place
        ahead, writer.instructions = writer.instructions, []
        results = [Slot(writer, out) for out in outs]
        gs = list(range(writer.slots, writer.slots + len(outs) * several))
        writer.slots += len(gs)
        if several:
            slopes = list(op.partials[0]([Slot(writer, g) for g in gs], results, *args))
        else:
            slopes = list(flat(op.locals(results[0], *args)))
    except TypeError as problem:
        from engine.support.arguments import foreign

        raise TypeError(
            f"row {op.name!r} cannot be written as instructions ({foreign(problem)}); let it "
            "compute with the functions of engine.arithmetic, and choose with where"
        ) from problem
    locals = [
        None if not (isinstance(x, Slot) or several) and float(x) == 1.0 else writer.slot(x)
        for x in slopes
    ]
    return Recorded(ahead, outs, gs, writer.instructions, locals, writer.constants, writer.slots)


# --------------------------------------------------------------------------------------- printing

INFIX = ("+", "-", "*", "<", "<=", ">", ">=", "==", "!=", "&", "|")
ON_THE_LEFT = {"+": ("+", "-", "*"), "-": ("+", "-", "*"), "*": ("*",)}  # needs no brackets there
ON_THE_RIGHT = {"+": ("*",), "-": ("*",)}
LONGEST = 500  # characters of a formula; a longer one is written in parts

# What differs from an infix operator or a call, by instruction. Braces hold operands, which are
# bracketed where they are compound.
PYTHON: dict[str, str] = {"neg": "-{}"}
INLINE = {  # the same values for floats, without calls
    **PYTHON, "&": "{} and {}", "|": "{} or {}", "where": "{1} if {0} else {2}",
    "divide": "{0} / {1} if {1} else divide({0}, {1})",
}  # fmt: skip


class Formula(NamedTuple):
    text: str
    do: str  # the outermost operation; "" for a name or a number, "call" for a call


class Formulas:
    """Formulas for slots; `parts` are assignments of what occurs in them more than once.

    given     names for slots that are known
    wanted    the slots to write formulas for
    assigned  slots that get a name and an assignment in any case
    """

    def __init__(
        self,
        given: Mapping[int, str],
        row: Any,
        instructions: Iterable[Instruction],
        wanted: Iterable[int],
        language: Mapping[str, str],
        assigned: Mapping[int, str] = {},
    ):
        held = row.constants.items()
        self.formulas = {s: Formula(repr(x), "neg" if repr(x)[0] == "-" else "") for s, x in held}
        self.formulas |= {s: Formula(name, "") for s, name in given.items()}
        self.parts: list[str] = []
        self.language = language
        todo = needed(instructions, [*wanted, *assigned], given)
        uses = Counter(s for each in todo for s in operands(each))
        uses.update(wanted)
        for each in todo:
            found = self.formula(each)
            long = uses[each.result] > 1 or len(found.text) > LONGEST
            if each.result in assigned or (found.do and long):
                found = self.assign(found, assigned.get(each.result))
            self.formulas[each.result] = found

    def assign(self, x: Formula, name: str | None = None) -> Formula:
        """Assign a formula to a name."""
        name = name or f"_{len(self.parts)}"
        self.parts.append(f"{name} = {x.text}")
        return Formula(name, "")

    def of(self, s: int, factor: bool = False) -> str:
        """Return the formula of a slot; bracketed as a factor if it is a sum."""
        found = self.formulas[s]
        return bracketed(found, ()) if factor else found.text

    def formula(self, each: Instruction) -> Formula:
        found = [self.formulas[s] for s in operands(each)]
        if each.do == "=":
            return found[0]
        pattern = self.language.get(each.do)
        if pattern is None and each.do in INFIX:
            x = bracketed(found[0], ON_THE_LEFT.get(each.do, ()))
            y = bracketed(found[1], ON_THE_RIGHT.get(each.do, ()))
            return Formula(f"{x} {each.do} {y}", each.do)
        if pattern is None:
            return Formula(f"{each.do}({', '.join(x.text for x in found)})", "call")
        if pattern.count("{1}") > 1:  # written twice, so it has to be a name or a number
            if is_number(found[1]):
                return Formula(f"{bracketed(found[0], ('*',))} / {found[1].text}", "/")
            found[1] = self.assign(found[1]) if found[1].do else found[1]
            found[0] = (
                self.assign(found[0]) if found[0].do and not is_number(found[0]) else found[0]
            )
        return Formula(pattern.format(*[bracketed(x, ()) for x in found]), each.do)


def is_number(x: Formula) -> bool:
    """Return whether a formula is a number other than 0."""
    return x.text.lstrip("-")[0].isdigit() and x.do in ("", "neg") and float(x.text) != 0.0


def bracketed(x: Formula, bare: tuple[str, ...]) -> str:
    return x.text if x.do in ("", "call", *bare) else f"({x.text})"


def operands(each: Instruction) -> list[int]:
    return [s for s in (each.a, each.b, each.c) if s >= 0]


def needed(
    instructions: Iterable[Instruction], wanted: Iterable[int], given: Iterable[int]
) -> list[Instruction]:
    """Return the instructions that compute the wanted slots from the given ones, in their order."""
    slots, found = set(wanted) - set(given), []
    for each in reversed(list(instructions)):
        if each.result in slots:
            found.append(each)
            slots.update(s for s in operands(each) if s not in given)
    return found[::-1]
