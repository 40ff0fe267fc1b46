"""A recorded function on NumPy arrays, in place.

Each instruction is one NumPy call that writes into an existing array: one that the function
overwrites, one that it returns, or a scratch array. An array that is no longer needed is reused.

    >>> from engine.recorded_function import record_function
    >>> descent = lambda w, v, grad, rate, beta: (w - rate * (beta * v + grad), beta * v + grad)
    >>> descent = InPlace(record_function(descent, inputs=5), arrays=3, over=[None, 1])
    >>> print(descent.source)
    def run(s0, s1, s2, s3, s4):
        s9 = empty(s0.shape, s0.dtype)
        multiply(s4, s1, s1)
        add(s1, s2, s1)
        multiply(s3, s1, s9)
        subtract(s0, s9, s9)
        return [s9]
    >>> w, v, grad = np.array([1.0, 2.0]), np.zeros(2), np.array([10.0, -10.0])
    >>> descent([w, v, grad], (0.5, 0.9))
    [array([-4.,  7.])]
    >>> w, v
    (array([1., 2.]), array([ 10., -10.]))
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from engine import arithmetic
from engine.instructions import Instruction
from engine.recorded_function import RecordedFunction, float_function, record_function
from engine.support.threads import call_all, cores

COMPILER: list[Callable[["InPlace"], Any]] = []  # set by `set_compiler`, or empty
BLOCK = 2**18  # the least elements that a thread processes at a time; smaller blocks are slower

UFUNCS: dict[str, Callable[..., Any]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "=": np.positive, "neg": np.negative,
    "abs": np.absolute, "<": np.less, "<=": np.less_equal, ">": np.greater,
    ">=": np.greater_equal, "==": np.equal, "!=": np.not_equal, "&": np.logical_and,
    "|": np.logical_or,
}  # fmt: skip


def function_of(opname: str) -> Callable[..., Any]:
    """Return the function that an instruction names; its last argument receives the result."""
    numpys: Any = arithmetic.KNOWN[np.ndarray]
    f = UFUNCS.get(opname) or numpys.functions[opname]
    if isinstance(f, np.ufunc):
        return f
    return lambda *args: np.copyto(args[-1], f(*args[:-1]))  # where, erf: with a temporary


@np.errstate(all="ignore")
def call_quietly(f: Callable[..., Any], *args: Any) -> Any:
    """Call `f` without NumPy's warnings: inf and nan follow IEEE 754."""
    return f(*args)


FLUSH: list["InPlace"] = []  # the update that `flush` runs


def flush(xs: Iterable[Any]) -> None:
    """Set subnormal and nearly subnormal numbers to 0, in the arrays among some objects.

    A running mean of gradients that are all 0, such as those of the weight of a pixel that few
    images use, becomes subnormal and stays so. Processors compute with subnormal numbers much more
    slowly.

    >>> x = np.array([1.0, -1e-40, 0.0], np.float32)
    >>> flush([x])
    >>> x
    array([1., 0., 0.], dtype=float32)
    """
    if not FLUSH:
        rule = lambda x, limit: [arithmetic.where(abs(x) < limit, 0.0, x)]
        FLUSH.append(InPlace(record_function(rule, inputs=2), arrays=1, over=[None]))
    for x in xs:
        if isinstance(x, np.ndarray) and x.dtype.kind == "f":
            (x[...],) = FLUSH[0]([x], (float(np.finfo(x.dtype).tiny) * 1000,))


class InPlace:
    """A recorded function of arrays of one shape and dtype, and of Python numbers.

    The first `arrays` inputs are arrays, the others are numbers. For each output, `over` has the
    index of the array that it overwrites, or None for a new array. The first array defines shape
    and dtype and is not overwritten; overwritten arrays must be in C order. Numbers are
    rounded to the dtype of the arrays, as NumPy rounds Python numbers. Results do not depend on the
    size of the blocks.
    """

    def __init__(self, recorded: RecordedFunction, arrays: int, over: Sequence[int | None]) -> None:
        self.arrays, self.slots = arrays, recorded.slots
        known, once, steps = {*range(arrays, recorded.inputs), *recorded.constants}, [], []
        for step in recorded.instructions:
            if known.issuperset(operands_of(step)):  # the same number for all elements
                once.append(step)
                known.add(step.result)
            else:
                steps.append(step)
        used = {slot for step in steps for slot in operands_of(step)} | {*recorded.outputs}
        self.known = sorted(known & used)
        self.numbers = float_function(
            recorded._replace(instructions=once, outputs=self.known), arrays
        )
        self.steps, self.outputs, self.over = steps[:], recorded.outputs, over
        self.loop: Any = None  # compiled
        self.new: list[int] = []
        targets: dict[int, int] = {}  # the slot of the array that receives a result, by result
        computed = {step.result for step in steps}
        for slot, own in zip(recorded.outputs, over, strict=True):
            if own is None:
                self.new.append(self.new_slot())
            if slot == own:  # unchanged
                continue
            if slot not in computed or slot in targets:  # an input, a number, or an output twice
                steps.append(Instruction("=", self.new_slot(), slot))
                slot = steps[-1].result
            targets[slot] = self.new[-1] if own is None else own
        self.scratch: list[int] = []
        lines, space = self.allocate(steps, targets)
        inputs, fresh = [*range(arrays), *self.known], [*self.new, *self.scratch]
        made = [f"s{slot} = empty(s0.shape, s0.dtype)" for slot in fresh]
        result = f"return [{join_slots(self.new)}]"
        self.source = "\n    ".join([f"def run({join_slots(inputs)}):", *made, *lines, result])
        into = "\n    ".join([f"def run_into({join_slots([*inputs, *fresh])}):", *lines, "return"])
        exec(f"{self.source}\n{into}", space)
        self.run, self.run_into = space["run"], space["run_into"]
        self.bound: tuple[Any, ...] = (None, None, None)  # the last numbers, as arrays

    def new_slot(self) -> int:
        self.slots += 1
        return self.slots - 1

    def allocate(
        self, steps: list[Instruction], targets: dict[int, int]
    ) -> tuple[list[str], dict[str, Any]]:
        """Choose an array for each result; return the lines of code and the functions they call.

        A result whose target is still needed stays in another array until the end.
        """
        last = {slot: i for i, step in enumerate(steps) for slot in operands_of(step)}
        last |= dict.fromkeys(targets, len(steps))
        free = [slot for slot in targets.values() if slot not in last]  # the latest at the end
        writable, place = {*targets.values()}, list(range(self.slots))
        lines: list[str] = []
        space: dict[str, Any] = {"empty": np.empty, "positive": np.positive}
        for i, step in enumerate(steps):
            operands = [place[slot] for slot in operands_of(step)]
            dead = {place[slot] for slot in operands_of(step) if last[slot] == i}
            free += sorted(dead & writable)
            spot = targets.get(step.result)
            if spot not in free:
                spot = free[-1] if free and spot is None else self.new_slot()
            if spot in free:
                free.remove(spot)
            else:
                self.scratch.append(spot)
                writable.add(spot)
            f = function_of(step.opname)
            name = f.__name__ if isinstance(f, np.ufunc) else step.opname
            lines.append(f"{name}({join_slots([*operands, spot])})")
            space[name], place[step.result] = f, spot
        for slot, target in targets.items():
            if place[slot] != target:
                lines.append(f"positive({join_slots([place[slot], target])})")
        return lines, space

    def __call__(
        self,
        arrays: Sequence[np.ndarray],
        numbers: tuple[float, ...],
        spare: np.ndarray | None = None,
    ) -> list[np.ndarray]:
        """Return the new arrays, computed by a compiled loop or by NumPy, on several threads.

        NumPy computes one block after the other. The first new array may be `spare`, which is
        overwritten. Raises TypeError for arrays of integers.
        """
        self.compile()
        if self.loop:
            return self.loop(arrays, numbers, spare)
        return call_quietly(self.run_steps, arrays, numbers, spare)

    def compile(self) -> None:
        """Compile the function, if there is a compiler that can."""
        if COMPILER and self.loop is None:
            self.loop = COMPILER[0](self)

    def find_loop(self, dtype: np.dtype) -> Any:
        """Return a compiled loop for arrays of a dtype, or None."""
        self.compile()
        return self.loop.find_loop(dtype) if self.loop else None

    def run_steps(
        self,
        arrays: Sequence[np.ndarray],
        numbers: tuple[float, ...],
        spare: np.ndarray | None = None,
    ) -> list[np.ndarray]:
        """Return the new arrays, computed by NumPy, or in blocks."""
        dtype = arrays[0].dtype
        if dtype.kind != "f":
            raise TypeError(f"expected arrays of floats, got {dtype}; use .astype(float)")
        if arrays[0].size > BLOCK:
            return self.run_in_blocks(arrays, numbers, spare)
        return self.run(*arrays, *self.bind(numbers, dtype))

    def bind(self, numbers: tuple[float, ...], dtype: np.dtype) -> list[np.ndarray]:
        """Return the numbers that the steps use, rounded to a dtype."""
        bound = self.bound  # read once: another thread may replace it
        if bound[:2] != (numbers, dtype):
            # NumPy handles an array of one number in half the time of a float.
            with np.errstate(over="ignore"):
                bound = numbers, dtype, [np.array(x, dtype) for x in self.numbers(*numbers)]
            self.bound = bound
        return bound[2]

    def run_in_blocks(
        self,
        arrays: Sequence[np.ndarray],
        numbers: tuple[float, ...],
        spare: np.ndarray | None = None,
    ) -> list[np.ndarray]:
        """Run all steps on one block before the next, while it is in the cache."""
        first = arrays[0]
        bound = self.bind(numbers, first.dtype)
        new = [np.empty(first.shape, first.dtype) for _ in self.new[spare is not None :]]
        new = new if spare is None else [spare, *new]
        flat = [np.reshape(x, -1) if np.ndim(x) else x for x in arrays]
        flat_new = [x.reshape(-1) for x in new]
        starts = iter(range(0, first.size, BLOCK))

        def work() -> None:
            scratch = [np.empty(BLOCK, first.dtype) for _ in self.scratch]
            for start in starts:  # the next thread that is ready takes the next block
                part = slice(start, min(start + BLOCK, first.size))
                parts = [x[part] if np.ndim(x) else x for x in flat]
                temporary = [x[: part.stop - start] for x in scratch]
                self.run_into(*parts, *bound, *[x[part] for x in flat_new], *temporary)

        workers = min(cores(), math.ceil(first.size / BLOCK))
        call_all([partial(call_quietly, work)] * workers, workers)
        return new


def set_compiler(compile_loop: Callable[[InPlace], Any]) -> None:
    """Use a function that returns a compiled loop for an InPlace, or False if it cannot."""
    COMPILER[:] = [compile_loop]


def operands_of(step: Instruction) -> list[int]:
    return [slot for slot in step[2:] if slot >= 0]


def join_slots(slots: Sequence[int]) -> str:
    return ", ".join([f"s{slot}" for slot in slots])
