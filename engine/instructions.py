"""Rows as elementary instructions, and a printer for them.

A row runs once on slots, an arithmetic that records each operation. The instructions are then
printed in a language (`Formulas`), or repeated for each node of a tape.

>>> from engine.rules import SIGN
>>> row = record(SIGN, 1)
>>> Formulas({0: "x"}, row, row.forward, row.outs, PYTHON).format(row.outs[0])
'where(x > 0.0, 1.0, where(x < 0.0, -1.0, 0.0 * x))'
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from engine import arithmetic
from engine.rules import Op, flatten


class Instruction(NamedTuple):
    """result = opname(a, b, c), where the operands are slots; -1 stands for no operand."""

    opname: str
    result: int
    a: int
    b: int = -1
    c: int = -1

    @property
    def operands(self) -> list[int]:
        """The slots of the operands."""
        return [s for s in self[2:] if s >= 0]


class Recorded(NamedTuple):
    """The instructions of a row over n inputs, which occupy the slots 0 to n - 1.

    `forward` leaves the results in the slots `outs`. `backward` leaves the local derivative for
    each input in the slots `locals`, where None stands for exactly 1. The row of a `VectorOp` has
    the gradients of its results in the slots `gs`; its `locals` are the gradients of the inputs.
    `constants` maps slots to their initial numbers.
    """

    forward: list[Instruction]
    outs: list[int]
    gs: list[int]
    backward: list[Instruction]
    locals: list[int | None]
    constants: dict[int, float]
    slots: int


class Recorder:
    """A list of instructions without duplicates."""

    def __init__(self, inputs: int):
        self.slots = inputs
        self.written: dict[Any, int] = {}  # the slot of each constant and of each instruction
        self.instructions: list[Instruction] = []
        self.constants: dict[int, float] = {}

    def slot(self, x: Any) -> int:
        """Return the slot of a number or of a `Slot`."""
        if isinstance(x, Slot):
            return x.place
        key = ("constant", float(x).hex())
        if key not in self.written:
            self.constants[self.new_slot(key)] = float(x)
        return self.written[key]

    def write(self, opname: str, *operands: Any) -> "Slot":
        """Write an instruction and return its result."""
        places = [self.slot(x) for x in operands]
        key = (opname, *places)
        if key not in self.written:
            self.instructions.append(Instruction(opname, self.new_slot(key), *places))
        return Slot(self, self.written[key])

    def new_slot(self, key: Any) -> int:
        self.written[key] = self.slots
        self.slots += 1
        return self.slots - 1


class Slot:
    """A number that is not known while a row is recorded."""

    def __init__(self, recorder: Recorder, place: int):
        self.recorder, self.place = recorder, place

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        raise TypeError("a condition depends on a number that is unknown while a row is recorded")


def make_operator(opname: str, reflected: bool = False) -> Callable[..., Slot]:
    """Return the function that writes an instruction; a reflected one receives y, x."""

    def f(*args: Any) -> Slot:
        recorder = next(x for x in args if isinstance(x, Slot)).recorder
        return recorder.write(opname, *(args[::-1] if reflected else args))

    return f


for _name, _opname in {
    "add": "+", "sub": "-", "mul": "*", "truediv": "divide", "pow": "power", "mod": "mod",
    "floordiv": "floor_divide", "and": "&", "or": "|",
    "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!=", "neg": "neg",
    "abs": "abs",
}.items():  # fmt: skip
    setattr(Slot, f"__{_name}__", make_operator(_opname))
    # Python ignores some of these, such as __rlt__.
    setattr(Slot, f"__r{_name}__", make_operator(_opname, reflected=True))
arithmetic.register(Slot, {name: make_operator(name) for name in arithmetic.__all__})


@lru_cache(maxsize=1024)  # bounded, so that users' rows are freed
def record(op: Op, inputs: int) -> Recorded:
    """Return the instructions of a row for a number of inputs.

    Raises TypeError if the row has an `if` on a number, or calls a function that is not in
    `engine.arithmetic`.
    """
    recorder = Recorder(inputs)
    args = op.unflatten([Slot(recorder, i) for i in range(inputs)])
    try:
        outs = [recorder.slot(out) for out in flatten([op.forward(*args)])]
        computed = {step.result for step in recorder.instructions}
        for i, out in enumerate(outs):
            if out not in computed:  # an input or a number
                outs[i] = recorder.write("=", Slot(recorder, out)).place
        forward, recorder.instructions = recorder.instructions, []
        results = [Slot(recorder, out) for out in outs]
        several = op._has_several_outputs
        gs = list(range(recorder.slots, recorder.slots + len(outs) * several))
        recorder.slots += len(gs)
        if several:
            row: Any = op  # a VectorOp
            slopes = row._pull_back([Slot(recorder, g) for g in gs], results, [*flatten(args)])
        else:
            slopes = flatten(op.locals(results[0], *args))
        locals = [
            None if not several and not isinstance(x, Slot) and x == 1.0 else recorder.slot(x)
            for x in slopes
        ]
    except TypeError as problem:
        from engine.support.frames import describe_failure

        raise TypeError(
            f"row {op.name!r} cannot be recorded as instructions: "
            + describe_failure(
                problem, "use the functions of engine.arithmetic, and where() in place of if"
            )
        ) from problem
    return Recorded(
        forward, outs, gs, recorder.instructions, locals, recorder.constants, recorder.slots
    )


# --------------------------------------------------------------------------------------- printing

# A language maps an instruction to a pattern and its precedence. An operand gets brackets if it
# binds less tightly than the pattern; to the right of an operator, also if it binds equally. An
# instruction without a pattern is a call; "/" is a division by a constant other than 0.
NAME, CALL, SIGN, FACTOR, TERM, COMPARISON, AND, OR, CONDITIONAL = range(9, 0, -1)
PYTHON: dict[str, tuple[str, int]] = {
    **{sign: (f"{{}} {sign} {{}}", COMPARISON) for sign in ["<", "<=", ">", ">=", "==", "!="]},
    "&": ("{} & {}", COMPARISON),
    "|": ("{} | {}", COMPARISON),
    **{sign: (f"{{}} {sign} {{}}", TERM) for sign in "+-"},
    **{sign: (f"{{}} {sign} {{}}", FACTOR) for sign in "*/"},
    "neg": ("-{}", SIGN),
}
INLINE = {  # the same values for floats, without calls
    **PYTHON, "&": ("{} and {}", AND), "|": ("{} or {}", OR),
    "where": ("{1} if {0} else {2}", CONDITIONAL),
    "divide": ("{0} / {1} if {1} else divide({0}, {1})", CONDITIONAL),
}  # fmt: skip
LONGEST = 80  # characters of a formula; a longer one gets a name


class Formula(NamedTuple):
    """The text of a slot's formula, and the precedence of its outermost operation."""

    text: str
    precedence: int


class Formulas:
    """Formulas for slots; `assignments` names those that occur more than once.

    given     names for slots that are known
    wanted    the slots to write formulas for
    assigned  names for slots that are always assigned
    """

    def __init__(
        self,
        given: Mapping[int, str],
        row: Any,
        instructions: Iterable[Instruction],
        wanted: Iterable[int],
        language: Mapping[str, tuple[str, int]],
        assigned: Mapping[int, str] = {},
    ):
        self.constants, self.language = row.constants, language
        known = {s: repr(x) for s, x in row.constants.items()} | dict(given)
        self.formulas = {s: Formula(name, NAME) for s, name in known.items()}
        self.assignments: list[str] = []
        steps = select_needed(instructions, [*wanted, *assigned], given)
        uses = Counter([*wanted, *(s for step in steps for s in step.operands)])
        for step in steps:
            formula = self.make_formula(step)
            if step.result in assigned or uses[step.result] > 1 or len(formula.text) > LONGEST:
                formula = self.assign(formula, assigned.get(step.result))
            self.formulas[step.result] = formula

    def assign(self, x: Formula, name: str | None = None) -> Formula:
        """Assign a formula to a name, unless it already is a name."""
        if x.precedence == NAME and name is None:
            return x
        name = name or f"_{len(self.assignments)}"
        self.assignments.append(f"{name} = {x.text}")
        return Formula(name, NAME)

    def format(self, s: int, precedence: int = 0) -> str:
        """Return the formula of a slot, in brackets if it does not bind that tightly."""
        formula = self.formulas[s]
        return formula.text if formula.precedence >= precedence else f"({formula.text})"

    def make_formula(self, step: Instruction) -> Formula:
        """Return the formula of an instruction."""
        if step.opname == "=":
            return self.formulas[step.a]
        opname = "/" if step.opname == "divide" and self.constants.get(step.b) else step.opname
        if opname not in self.language:
            return Formula(f"{opname}({', '.join(map(self.format, step.operands))})", CALL)
        pattern, precedence = self.language[opname]
        if pattern.count("{1}") > 1:  # only names and numbers are written twice
            for s in step.operands:
                self.formulas[s] = self.assign(self.formulas[s])
        on_left = precedence + (precedence not in (TERM, FACTOR))
        bounds = [on_left, precedence + 1, precedence + 1]
        return Formula(pattern.format(*map(self.format, step.operands, bounds)), precedence)


def select_needed(
    instructions: Iterable[Instruction], wanted: Iterable[int], given: Iterable[int]
) -> list[Instruction]:
    """Return the instructions that compute the wanted slots from the given ones, in order."""
    slots, steps = set(wanted) - set(given), []
    for step in reversed(list(instructions)):
        if step.result in slots:
            steps.append(step)
            slots.update(s for s in step.operands if s not in given)
    return steps[::-1]
