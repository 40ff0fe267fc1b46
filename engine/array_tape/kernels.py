"""A group of steps as one loop over rows and columns, printed as Python and compiled by LLVM.

The loop gives the bits of NumPy's functions: it contains only operations that IEEE 754 defines, and
adds in NumPy's order. A result that a later part of the loop needs is stored in an array; others
are local variables.

A kernel runs over all rows once, or several times: after a sum over rows, as of batch statistics,
it starts again. In a row it runs over all columns once, or several times: after a sum over columns,
as of a softmax. These are the numbers of a stage: (run over the rows, run over the columns).
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from textwrap import indent
from typing import Any

import numpy as np

from engine.array_tape.patterns import COLUMN, FULL, ONE, ROW, Domain
from engine.array_tape.steps import VIEW, ArrayStep, TracedArray

EXACT = {
    "add": "{} + {}", "subtract": "{} - {}", "multiply": "{} * {}", "divide": "{} / {}",
    "negative": "-{}", "positive": "{}", "absolute": "abs({})", "sqrt": "np.sqrt({})",
    "less": "{} < {}", "less_equal": "{} <= {}", "greater": "{} > {}",
    "greater_equal": "{} >= {}", "equal": "{} == {}", "not_equal": "{} != {}",
    "bitwise_and": "{} & {}", "bitwise_or": "{} | {}", "invert": "not {}",
    "where": "{1} if {0} else {2}",
    "astype float32": "np.float32(1.0) if {} else np.float32(0.0)",  # of bools
    "astype float64": "np.float64(1.0) if {} else np.float64(0.0)",
}  # fmt: skip
STARTS = {
    "add.reduce": 0.0, "maximum.reduce": -math.inf, "minimum.reduce": math.inf,
    "logical_and.reduce": True, "logical_or.reduce": False,
}  # fmt: skip
LITERALS = {0.0: "0.0", 1.0: "1.0", math.inf: "np.inf", -math.inf: "-np.inf"}
UPDATES = {
    "add.reduce": "{0} + {1}",
    # The result is nan if either number is nan, and the later of two zeros.
    "maximum.reduce": "{0} if {0} > {1} or {0} != {0} else {1}",
    "minimum.reduce": "{0} if {0} < {1} or {0} != {0} else {1}",
    "logical_and.reduce": "{0} & {1}",
    "logical_or.reduce": "{0} | {1}",
}
INDEX = {FULL: "[i, j]", ROW: "[i]", COLUMN: "[j]", ONE: "[0]"}
KERNEL = "compiled"

Stage = tuple[int, int]


class Kernel(ArrayStep):
    """A group of steps that one compiled function computes: a step with several results."""

    __slots__ = ("domain", "kept", "numbers", "source", "steps")

    def __init__(self, steps: list[ArrayStep]):
        self.steps, self.domain = steps, Domain(steps)
        super().__init__(KERNEL, "kernel", print, (), {}, None)

    @property
    def outs(self) -> tuple[TracedArray, ...]:
        return tuple(self.kept)

    def array_shape(self, x: TracedArray) -> tuple[int, ...]:
        """Return the shape in which the function receives an array."""
        return self.domain.array_shape(self.domain.patterns[x])

    def finish(self, needed: set[TracedArray]) -> None:
        """Print and compile the function, for the results that are needed elsewhere."""
        computed = [step for step in self.steps if step.kind != VIEW]
        printer = Printer(self.domain, computed, needed)
        self.args, self.kept, self.source = tuple(printer.inputs), printer.stored, printer.source
        self.numbers = [self.domain.m, self.domain.n, *printer.constants]
        numbers = [str(x.dtype) for x in printer.constants]
        arrays = [str(x.dtype) for x in (*self.args, *self.kept)]
        self.f = compile_source(self.source, numbers, arrays)


class Printer:
    """The code of a kernel.

    Attributes:
        inputs: The arrays that it reads.
        stored: The arrays that it writes: needed results, then others that it needs itself.
        constants: Numbers that the function receives.
        source: A function of sizes, constants and arrays, which is called NAME.
    """

    def __init__(self, domain: Domain, steps: list[ArrayStep], needed: set[TracedArray]):
        self.domain, self.steps = domain, steps
        results = {step.out: None for step in steps}
        self.results = results
        operands = {self.base(x): None for step in steps for x in step.operands()}
        self.inputs = [x for x in operands if x not in results]
        self.names = {x: f"a{i}" for i, x in enumerate(self.inputs)}
        self.stages = self.find_stages()
        self.dtype = np.dtype(float)  # of the constants of a step
        self.stored = [x for x in results if x in needed]
        self.stored += [x for x in results if x not in needed and self.must_store(x)]
        self.arrays = {x: f"o{i}" for i, x in enumerate(self.stored)}
        self.names |= {x: f"v{i}" for i, x in enumerate(results)}
        self.before: dict[int, list[str]] = defaultdict(list)  # a run over the rows
        self.row_lines: dict[Stage, list[str]] = defaultdict(list)  # before a run over columns
        self.inner: dict[Stage, list[str]] = defaultdict(list)
        self.loaded: set[str] = set()
        self.constants: list[Any] = []
        for step in steps:
            self.print_step(step)
        self.source = self.assemble()

    def base(self, x: TracedArray) -> TracedArray:
        return self.domain.bases.get(x, x)

    def pattern(self, x: TracedArray) -> str:
        return self.domain.patterns[x]

    # -------------------------------------------------------------------------------------- stages

    def find_stages(self) -> dict[TracedArray, tuple[Stage, Stage]]:
        """Return the stages at which each result is computed and can be used."""
        stages: dict[TracedArray, tuple[Stage, Stage]] = {}
        for step in self.steps:
            ready = [stages[self.base(x)][1] for x in step.operands() if self.base(x) in stages]
            run, inner = max(ready, default=(0, 0))
            out, x = self.pattern(step.out), next(step.operands(), None)
            computed = usable = run, inner
            if step.name in STARTS and x is not None and self.pattern(x) != out:
                is_row = self.pattern(x) == FULL and out == ROW
                usable = (run, inner + 1) if is_row else (run + 1, 0)
                if self.pattern(x) == COLUMN:  # between runs over the rows
                    usable = computed
            elif out in (COLUMN, ONE):
                computed = usable = run, 0
            stages[step.out] = computed, usable
        return stages

    def must_store(self, x: TracedArray) -> bool:
        """Return whether a later stage needs a result."""
        pattern, (_, usable) = self.pattern(x), self.stages[x]
        if pattern in (COLUMN, ONE):
            return pattern == COLUMN
        for step in self.steps:
            if x not in {self.base(operand) for operand in step.operands()}:
                continue
            computed, reduces = self.stages[step.out][0], step.name in STARTS
            if reduces and step.name == "add.reduce" and self.pattern(step.out) in (ROW, ONE):
                return True  # `pairwise` reads an array
            if computed[0] > usable[0] or (pattern == FULL and computed > usable):
                return True
        return False

    # ------------------------------------------------------------------------------------ printing

    def print_step(self, step: ArrayStep) -> None:
        """Add the lines of a step to its stage."""
        dtypes = [x.dtype for x in (step.out, *step.operands()) if x.dtype != bool]
        if dtypes:
            self.dtype = dtypes[0] if dtypes[0].kind == "f" else np.dtype(np.int64)
        computed, usable = self.stages[step.out]
        out, name = self.pattern(step.out), self.names[step.out]
        operand = next(step.operands(), None)
        if step.name in STARTS and operand is not None and self.pattern(operand) != out:
            self.print_reduction(step, operand, computed, usable)
            return
        if step.name in STARTS:  # over one element
            start = self.format_constant(step.settings.get("initial", STARTS[step.name]))
            text = UPDATES[step.name].format(start, self.read(operand, computed, out))
        else:
            text = EXACT[step.name].format(*[self.read(x, computed, out) for x in step.args])
        lines = self.lines_at(out, computed)
        target = self.arrays.get(step.out)
        if out == COLUMN:
            lines.append(f"for j in range(n):\n    {target}[j] = {text}")
            return
        lines.append(f"{name} = {text}")
        if target is not None:
            lines.append(f"{target}{INDEX[out]} = {name}")

    def lines_at(self, pattern: str, stage: Stage) -> list[str]:
        """Return the lines where an array of this pattern is computed."""
        if pattern == FULL:
            return self.inner[stage]
        return self.row_lines[stage] if pattern == ROW else self.before[stage[0]]

    def read(self, x: Any, stage: Stage, out: str) -> str:
        """Return the code for an operand in a stage, after the line that loads it."""
        if not isinstance(x, TracedArray):
            return self.format_constant(x)
        pattern, x = self.pattern(x), self.base(x)
        name, lines = self.names[x], self.lines_at(pattern, stage)
        if pattern == COLUMN:
            array = self.arrays.get(x, name)
            if out == COLUMN:
                return f"{array}[j]"
            lines = self.inner[stage]
        elif x in self.results:
            if pattern == ONE:
                return name
            computed = self.stages[x][0]
            usable = self.stages[x][1]
            is_local = computed[0] == stage[0] and (pattern == ROW or computed == stage)
            if is_local and usable <= stage:
                return name
            array = self.arrays[x]
        else:
            array = name
        local = f"{array}_{stage[0]}_{stage[1] if pattern in (FULL, COLUMN) else ''}"
        if pattern == ROW:
            lines = self.row_lines[stage[0], 0]
        if local not in self.loaded:
            self.loaded.add(local)
            line = f"{local} = {array}{INDEX[pattern]}"
            if pattern in (ROW, ONE):
                lines.insert(0, line)
            else:
                lines.append(line)
        return local

    def format_constant(self, x: Any) -> str:
        """Return the code of a number: the common ones, or the name of an argument."""
        x = x.item() if isinstance(x, np.ndarray | np.generic) else x
        if type(x) is bool:
            return repr(x)
        number = self.dtype.type(x)
        is_float = self.dtype.kind == "f"
        if is_float and float(number) in LITERALS and not (number == 0.0 and np.signbit(number)):
            return f"np.{self.dtype}({LITERALS[float(number)]})"
        self.constants.append(number)  # an argument, so that few sizes need code of their own
        return f"c{len(self.constants) - 1}"

    def print_reduction(
        self, step: ArrayStep, x: TracedArray, computed: Stage, usable: Stage
    ) -> None:
        pattern, out, name = self.pattern(x), self.pattern(step.out), self.names[step.out]
        target = self.arrays.get(step.out)
        start = self.format_constant(step.settings.get("initial", STARTS[step.name]))
        run, _ = computed
        update = UPDATES[step.name]
        if out == COLUMN:
            self.before[run].append(f"for j in range(n):\n    {target}[j] = {start}")
            text = self.read(x, computed, FULL)
            self.inner[computed].append(f"{target}[j] = {update.format(f'{target}[j]', text)}")
            return
        base = self.base(x)
        array = self.arrays.get(base, self.names[base])
        if step.name == "add.reduce":
            lines = self.row_lines[usable] if out == ROW else self.before[usable[0]]
            size = {FULL: "n" if out == ROW else "m * n", ROW: "m", COLUMN: "n"}[pattern]
            first = "i * n" if out == ROW else "0"
            flat = f"{array}.reshape(-1)" if pattern == FULL else array
            lines.append(f"{name} = {start} + pairwise({flat}, {first}, {size})")
        elif out == ROW:
            self.row_lines[computed].append(f"{name} = {start}")
            text = self.read(x, computed, FULL)
            self.inner[computed].append(f"{name} = {update.format(name, text)}")
            lines = self.row_lines[usable]
        elif pattern == COLUMN:
            self.before[run].append(f"{name} = {start}")
            self.before[run].append(
                f"for j in range(n):\n    {name} = {update.format(name, f'{array}[j]')}"
            )
            lines = self.before[run]
        else:
            self.before[run].append(f"{name} = {start}")
            text = self.read(x, computed, pattern)
            self.lines_at(pattern, computed).append(f"{name} = {update.format(name, text)}")
            lines = self.before[usable[0]]
        if target is not None:
            lines.append(f"{target}{INDEX[out]} = {name}")

    def assemble(self) -> str:
        """Return the code of the function."""
        arguments = ["m", "n", *[f"c{i}" for i in range(len(self.constants))]]
        arguments += [*[self.names[x] for x in self.inputs], *self.arrays.values()]
        text = f"def NAME({', '.join(arguments)}):\n"
        runs = [*self.before, *[run for run, _ in (*self.row_lines, *self.inner)]]
        for run in range(max(runs) + 1):
            text += "".join([indent(line, "    ") + "\n" for line in self.before[run]])
            stages = [s for s in (*self.row_lines, *self.inner) if s[0] == run]
            if not any(self.row_lines[s] or self.inner[s] for s in stages):
                continue
            text += "    for i in range(m):\n"
            for inner in range(max(inner for _, inner in stages) + 1):
                stage = run, inner
                text += "".join([indent(line, " " * 8) + "\n" for line in self.row_lines[stage]])
                if self.inner[stage]:
                    text += "        for j in range(n):\n"
                    text += "".join([f"{' ' * 12}{line}\n" for line in self.inner[stage]])
        return text


# -------------------------------------------------------------------------------------- compiling


def compile_source(source: str, numbers: Sequence[str], arrays: Sequence[str]) -> Any:
    """Return the compiled function of a source, given the dtypes of its numbers and arrays."""
    from engine.array_tape.loops import Loop

    return Loop(source, numbers, arrays)
