"""A recorded function as a program on buffers that are allocated once.

Both passes are printed as Python functions, with a line for each step: a function of NumPy that
writes into a buffer, or a view of an array that differs between replays. Views of buffers are made
once. A buffer is used again when its numbers are no longer needed.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from textwrap import indent
from typing import Any

import numpy as np

from engine.array_tape.kernels import Kernel
from engine.array_tape.native import (
    NativeCall,
    NativeCalls,
    divide_call,
    is_small_product,
    plan_call,
)
from engine.array_tape.patterns import find_root
from engine.array_tape.recording import RecordedArrays
from engine.array_tape.steps import (
    CALL,
    EACH_CALL,
    ELEMENTWISE,
    GUARD,
    NUMBER,
    PRODUCT,
    VIEW,
    ArrayStep,
    Cast,
    TracedArray,
    describe_outcome,
    find_traced,
    map_traced,
)
from engine.array_tape.traced import Traced

Buffers = dict[Any, list[np.ndarray]]  # that are free, by dtype and size
LINE, LARGE = 64, 2**12  # bytes of a cache line, and of an array that may be computed in parts


class ArrayProgram:
    """The two passes of a recorded function.

    `forward(first, *inputs)` computes the outputs into buffers; only a first call draws random
    numbers. It returns the number of the first step whose outcome or shape differs from that of the
    recording, or None. `backward(*inputs, *gradients)` computes the gradients, and writes them into
    the given arrays.

    Attributes:
        gradients: The leaves with a gradient, in order.
        outputs, assigned: The buffers of the outputs, and of the data that leaves are assigned.
        seed: The buffer for the gradient of the first output, or None.
        draws: The buffers of random numbers, with those of the recording.
        nbytes: The size of all buffers.
        counts: The number of steps of each pass.
        threads: The largest number of parts of a step, which threads compute at the same time.
        rounds_differently: Whether matrix products are computed in parts, which may round
            differently.
        calls_blas: Whether BLAS may use several threads for a step.
        source: The code of both functions.
    """

    def __init__(
        self,
        recorded: RecordedArrays,
        wanted: Iterable[Any],
        fuse: Callable[[list[ArrayStep], set[TracedArray]], list[ArrayStep]] | None = None,
        threads: int = 1,
    ):
        inputs = [*recorded.arguments, *recorded.leaves.values()]
        targets = {x: recorded.gradients[x] for x in wanted if x in recorded.gradients}
        self.gradients = list(targets)
        self.has_compiler = fuse is not None
        self.names: dict[TracedArray, str] = {x: f"x{i}" for i, x in enumerate(inputs)}
        self.names |= {x: f"g{i}" for i, x in enumerate(targets.values())}
        self.arrays: dict[TracedArray, np.ndarray] = {}  # buffers and their views
        self.space: dict[str, Any] = {"copyto": np.copyto, "errstate": np.errstate}
        self.nbytes, self.threads = 0, threads
        self.calls_blas = self.rounds_differently = False
        ends = [*recorded.outputs, *recorded.assigned.values()]
        ends = [x for x in ends if isinstance(x, TracedArray)]
        forward, backward = split_steps(recorded, {*ends, *targets.values()})
        constants = find_constants([*forward, *backward])
        self.arrays |= {x: x.value for x in constants}
        if fuse is not None:
            later = {x for step in backward for x in step.operands()}
            forward = fuse(forward, {*ends, *later})
            backward = fuse(backward, {*targets.values()})
        if recorded.seed is not None:
            self.arrays[recorded.seed] = self.new_buffer(recorded.seed)
        self.allocate([*forward, *backward], ends)
        heads = list(self.names.values())
        self.counts = len(forward), len(backward)
        first = self.print_steps(forward)
        again = [step for step in forward if step.kind in (VIEW, NUMBER)]
        second = self.print_steps([*again, *backward])
        self.source = format_function("forward", ["first", *heads[: len(inputs)]], first)
        self.source += format_function("backward", heads[: len(inputs) + len(targets)], second)
        exec(compile(self.source, f"{__file__}, printed", "exec"), self.space)
        self.forward: Callable[..., int | None] = self.space["forward"]
        self.backward: Callable[..., int | None] = self.space["backward"]
        array = lambda x: self.arrays[x] if isinstance(x, TracedArray) else x
        self.outputs = [array(x) for x in recorded.outputs]
        self.assigned = [(leaf, array(x)) for leaf, x in recorded.assigned.items()]
        self.seed = self.arrays.get(recorded.seed) if recorded.seed is not None else None
        drawn = [step.out for step in forward if step.kind == EACH_CALL]
        self.draws = [(self.arrays[x], x.value) for x in drawn]
        del self.names, self.arrays  # with the numbers of the recording

    # ------------------------------------------------------------------------------------- buffers

    def allocate(self, steps: list[ArrayStep], ends: list[TracedArray]) -> None:
        """Choose a buffer for each result, and make the views of buffers."""
        base: dict[TracedArray, TracedArray] = {}  # of each view
        last: dict[TracedArray, int] = {}  # the step that uses an array or a view of it last
        for i, step in enumerate(steps):
            for x in step.operands():
                last[base.get(x, x)] = i
                if step.kind == VIEW:
                    base[step.out] = base.get(x, x)
        drawn = [step.out for step in steps if step.kind == EACH_CALL]
        # Both passes compute Python numbers, and guards run after later calls.
        late = [step for step in steps if step.kind in (NUMBER, GUARD)]
        read = [base.get(x, x) for step in late for x in step.operands()]
        last |= dict.fromkeys([*ends, *drawn, *read, *self.arrays], len(steps))
        free: Buffers = defaultdict(list)
        for i, step in enumerate(steps):
            if step.kind == VIEW and step.args[0] in self.arrays:
                args, settings = map_traced(self.arrays.__getitem__, (step.args, step.settings))
                self.arrays[step.out] = step.f(*args, **settings)
            if step.kind in (VIEW, NUMBER, GUARD):
                continue
            operands = {base.get(x, x): None for x in step.operands()}
            ended = [x for x in operands if last[x] == i and x in self.arrays]
            if step.kind == ELEMENTWISE:  # in place of an operand
                self.release(ended, free)
            for out in step.outs:
                if not out.value.flags.c_contiguous and out not in self.names:
                    self.arrays[out] = self.new_buffer(out)  # in NumPy's order, for that of sums
                elif out not in self.names:  # not a gradient
                    # Random numbers are also written before the first step.
                    spare = free[out.dtype, out.size] if step.kind != EACH_CALL else []
                    buffer = spare.pop() if spare else self.new_buffer(out)
                    self.arrays[out] = buffer.reshape(out.shape)
            if step.kind != ELEMENTWISE:
                self.release(ended, free)
            self.release([x for x in step.outs if x not in last and x in self.arrays], free)

    def new_buffer(self, x: TracedArray) -> np.ndarray:
        buffer = make_buffer(x.value)
        self.nbytes += buffer.nbytes
        return buffer

    def release(self, xs: Iterable[TracedArray], free: Buffers) -> None:
        for x in xs:
            if self.arrays[x].flags.c_contiguous:
                free[x.dtype, x.size].append(self.arrays[x])

    # ------------------------------------------------------------------------------------ printing

    def print_steps(self, steps: list[ArrayStep]) -> list[str]:
        """Return the lines of a pass. Consecutive steps run in one call."""
        calls = [self.plan_call(step) for step in steps]
        self.calls_blas |= any(map(may_start_threads, steps, calls))
        read: set[TracedArray] = set()  # arrays that steps without a native call read
        for step, call in zip(reversed(steps), reversed(calls), strict=True):
            if call is None and (step.kind != VIEW or step.out in read):
                read.update(step.operands())
        lines: list[str] = []
        waiting: list[list[NativeCall]] = []
        guards: list[str] = []  # run after the waiting calls, which cannot be stopped midway
        for i, (step, call) in enumerate(zip(steps, calls, strict=True)):
            if call is not None:
                waiting.append(call)
            elif step.kind == GUARD:
                guards.append(self.print_step(step, i))
            elif step.kind != VIEW:
                lines += [*self.print_calls(waiting), *guards, self.print_step(step, i)]
                waiting, guards = [], []
            elif step.out in read:
                lines.append(self.print_step(step, i))
        lines += [*self.print_calls(waiting), *guards]
        if all(call or step.kind in (VIEW, GUARD) for step, call in zip(steps, calls, strict=True)):
            return lines
        return ['with errstate(all="ignore"):', indent(join_lines(lines), "    ")]

    def plan_call(self, step: ArrayStep) -> list[NativeCall] | None:
        """Return the parts of the native call that computes a step, if there is a compiler."""
        call = plan_call(step, self.arrays) if self.has_compiler else None
        if call is None:
            return None
        parts = divide_call(call, self.threads)
        self.rounds_differently |= len(parts) > 1 and step.kind == PRODUCT
        return parts

    def print_calls(self, steps: list[list[NativeCall]]) -> list[str]:
        """Return the line that makes some native calls, or none if there are no calls."""
        if not steps:
            return []
        others = [x for call, *_ in steps for x in call.arrays if x not in self.arrays]
        roots = {x: find_root(x) for x in others}
        native = NativeCalls(steps, self.arrays, roots)
        names = [self.names[x] for x in dict.fromkeys(roots.values())]
        return [f"{self.constant(native, 'native')}({', '.join(names)})"]

    def print_step(self, step: ArrayStep, place: int) -> str:
        """Return the lines of a step."""
        if step.kind == VIEW and step.out in self.arrays:
            return ""
        parts = [self.print_argument(x) for x in step.args]
        parts += [f"{name}={self.print_argument(x)}" for name, x in step.settings.items()]
        f = self.constant(step.f, step.name)
        if step.kind == GUARD:
            if type(step.outcome) is bool:
                return f"if {f}({', '.join(parts)}) is not {step.outcome}: return {place}"
            outcome = self.constant(step.outcome, "outcome")
            describe = self.constant(describe_outcome, "describe_outcome")
            return f"if {describe}({', '.join([f, *parts])}) != {outcome}: return {place}"
        if step.kind in (VIEW, NUMBER):
            self.names[step.out] = self.names.get(step.out, f"v{len(self.names)}")
            return f"{self.names[step.out]} = {f}({', '.join(parts)})"
        outs = [self.print_argument(x) for x in step.outs]
        if isinstance(step, Kernel):
            arrays = [self.print_reshaped(x, step.array_shape(x)) for x in (*step.args, *step.outs)]
            return f"{f}({', '.join([*map(self.print_argument, step.numbers), *arrays])})"
        if step.kind == EACH_CALL:
            return f"if first: copyto({outs[0]}, {f}())"
        is_function = step.kind == ELEMENTWISE and not isinstance(step.f, np.ufunc | Cast)
        if step.kind == CALL or is_function:
            shape = self.constant(step.out.shape, "shape")
            lines = [f"y = {f}({', '.join(parts)})"]
            if step.kind == CALL:
                lines.append(f"if y.shape != {shape}: return {place}")
            return "\n".join([*lines, f"copyto({outs[0]}, y)"])
        return f"{f}({', '.join([*parts, f'out={outs[0]}'])})"

    def print_argument(self, x: Any) -> str:
        """Return the code of an argument."""
        if isinstance(x, TracedArray):
            if x not in self.names:
                self.names[x] = self.constant(self.arrays[x], "b")
            return self.names[x]
        if not any(True for _ in find_traced(x)):
            is_short = x is None or type(x) in (bool, int)
            return repr(x) if is_short else self.constant(x, "c")
        if isinstance(x, slice):
            return f"slice({', '.join(map(self.print_argument, (x.start, x.stop, x.step)))})"
        parts = "".join([f"{self.print_argument(part)}, " for part in x])
        return f"({parts})" if isinstance(x, tuple) else f"[{parts}]"

    def print_reshaped(self, x: TracedArray, shape: tuple[int, ...]) -> str:
        """Return the code of an array in another shape."""
        if x.shape == shape:
            return self.print_argument(x)
        if x in self.arrays:
            return self.constant(self.arrays[x].reshape(shape), "b")
        return f"{self.print_argument(x)}.reshape({shape})"

    def constant(self, x: Any, name: str) -> str:
        """Return the name of an object that the code uses."""
        stem = "".join([letter if letter.isalnum() else "_" for letter in name])
        text = f"{stem}_{len(self.space)}"
        self.space[text] = x
        return text


def may_start_threads(step: ArrayStep, parts: list[NativeCall] | None) -> bool:
    """Return whether BLAS may use several threads for a step."""
    if parts is not None:
        return step.kind == PRODUCT and not is_small_product(step)
    return step.kind in (PRODUCT, CALL)


def make_buffer(x: np.ndarray) -> np.ndarray:
    """Return an array like `x`. A large one begins at a cache line, and so do its parts."""
    if not x.flags.c_contiguous or x.dtype.hasobject or x.nbytes < LARGE:
        return np.empty_like(x)
    space = np.empty(x.nbytes + LINE, np.uint8)
    start = -space.ctypes.data % LINE
    return space[start : start + x.nbytes].view(x.dtype).reshape(x.shape)


def split_steps(
    recorded: RecordedArrays, ends: set[TracedArray]
) -> tuple[list[ArrayStep], list[ArrayStep]]:
    """Return the steps of each pass that the ends depend on."""
    needed, kept = set(ends), []
    for i in range(len(recorded.steps) - 1, -1, -1):
        step = recorded.steps[i]
        if step.kind in (GUARD, EACH_CALL) or step.out in needed:
            kept.append((i, step))
            needed.update(step.operands())
    kept.reverse()
    first = [step for i, step in kept if i < recorded.forward]
    return first, [step for i, step in kept if i >= recorded.forward]


def find_constants(steps: Iterable[ArrayStep]) -> list[TracedArray]:
    """Replace constant arrays in elementwise steps by traced ones, and return these.

    Loops read them as they read buffers, but no step writes into them.
    """
    constants: dict[int, Traced] = {}
    for step in steps:
        if step.kind == ELEMENTWISE:
            for x in step.args:
                if type(x) is np.ndarray and x.ndim and id(x) not in constants:
                    constants[id(x)] = Traced(next(find_traced(step.args))._trace, x)
            step.args = tuple([constants.get(id(x), x) for x in step.args])
    return [*constants.values()]


def format_function(name: str, arguments: Iterable[str], lines: Iterable[str]) -> str:
    """Return the code of a function."""
    return f"def {name}({', '.join(arguments)}):\n{indent(join_lines(lines), '    ')}\n"


def join_lines(lines: Iterable[str]) -> str:
    return "\n".join([line for line in lines if line]) or "pass"
