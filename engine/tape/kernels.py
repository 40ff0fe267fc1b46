"""The kernels: loops over flat arrays, printed from the table of opcodes and compiled by numba.

Functions are those of the C library, which Python calls too, so that a replay gives the same bits.
In single precision the opcodes of the kind CALL compute in double precision and round, which for
+ - * / gives the bits of single precision. Importing this module imports numba.
"""

import re
from collections.abc import Callable
from textwrap import indent
from typing import Any, TypeVar
from zlib import crc32

import numpy as np
from numba import float64, njit, types

from engine.tape.opcodes import (
    CALL,
    FUNCTIONS,
    LOOP,
    MULTIPLY_ADD_ON,
    OPCODES,
    SHARED,
    SUM,
    SUM_PRODUCT,
    VECTOR_ADD,
    VECTOR_FROM_0,
)

F = TypeVar("F", bound=Callable[..., Any])


def compile_kernel(fastmath: bool | set[str] = False) -> Callable[[F], F]:
    """Return a decorator that compiles a function at its first call, to run without Python's lock.

    numba keeps compiled code on disk: beside the source, in the user's cache directory, or in
    NUMBA_CACHE_DIR. It writes a temporary file and renames it, so processes that start together
    never read half a file. If no directory is writable, each process compiles its own code.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": fastmath}

    def decorator(f: F) -> F:
        try:
            return njit(cache=True, **options)(f)
        except RuntimeError:  # no directory for the cache
            return njit(**options)(f)

    return decorator


# ------------------------------------------------------------------------------------ printed code

COMPUTE = """
def compute(f, x, y):
{calls}
    return x
"""

# A run is a sequence of instructions with the same opcode. Their results are contiguous: that of
# instruction i is at `begins` + i. So are the numbers that a run of "multiply add on" adds to.
RUN = """
def run(opcodes, ends, begins, a, b, c, data):
    start = np.uint64(0)  # unsigned: numba checks a signed index for counting from the end
    for n in range(opcodes.size):
        f, end, o = opcodes[n], ends[n], begins[n]
        if f == {vector_add} or f == {vector_from_0}:
            # Below 2**32, so that the compiler can rule out an overflow, and uses vectors.
            x, size = data[a[start]], np.uint64(np.uint32(end - start))
            y, out = np.uint64(b[start]), np.uint64(np.uint32(o + start))
            if f == {vector_add}:
                z = np.uint64(c[start])
                for k in range(size):
                    data[out + k] = data[z + k] + x * data[y + k]
            else:
                for k in range(size):
                    data[out + k] = 0.0 + x * data[y + k]
        elif f == {multiply_add_on}:
            zs = np.uint64(c[start]) - start
            for i in range(start, end):
                data[o + i] = data[zs + i] + data[a[i]] * data[b[i]]
{loops}
        else:
            for i in range(start, end):
                data[o + i] = compute(f, float64(data[a[i]]), float64(data[b[i]]))
        start = end
"""

LOOP_OF_NUMBERS = """\
elif f == {code}:  # {name}
    for i in range(start, end):
        data[o + i] = {formula}"""

# The same over the blocks `first`, `first` + `step`, ... A block has a row of lanes for each slot,
# named by the index of its first number: the compiler can rule out that it overflows.
# "sum" and "sum product" add up the lanes that contain samples, and add the results to `sums`.
RUN_LANES = """
def run_lanes(
    opcodes, ends, begins, a, b, c, shared, blocks, samples, sums, first, step
):
    lanes = np.uint64(np.uint32(blocks.shape[2]))
    row = np.zeros(lanes, blocks.dtype)
    zero = row[0]
    for block in range(first, blocks.shape[0], step):
        data = blocks[block].reshape(-1)
        count = max(0, min(blocks.shape[2], samples - block * blocks.shape[2]))
        start = np.uint64(0)
        for n in range(opcodes.size):
            f, end, o = opcodes[n], ends[n], begins[n]
            if f == {sum_product}:
                for i in range(start, end):
                    x, y = np.uint64(a[i]) * lanes, np.uint64(b[i]) * lanes
                    if ANY_ORDER and count == blocks.shape[2]:
                        total = zero
                        for k in range(lanes):
                            total += data[x + k] * data[y + k]
                        sums[o + i] += total
                        continue
                    for k in range(lanes):
                        row[k] = data[x + k] * data[y + k]
                    sums[o + i] += fold(row, count)
            elif f == {sum}:
                for i in range(start, end):
                    x = np.uint64(a[i]) * lanes
                    for k in range(lanes):  # numba takes seconds to compile a copy of a slice
                        row[k] = data[x + k]
                    sums[o + i] += fold(row, count)
{loops}
            else:
                for i in range(start, end):
                    out = np.uint64(np.uint32(o + i)) * lanes
                    x, y = np.uint64(a[i]) * lanes, np.uint64(b[i]) * lanes
                    for k in range(lanes):
                        # Not f: the compiler would make a loop of its own for every function.
                        data[out + k] = compute(
                            opcodes[n], float64(data[x + k]), float64(data[y + k])
                        )
            start = end
"""

LOOP_OF_LANES = """\
elif f == {code}:  # {name}
    for i in range(start, end):
        {names} = {reads}
        for k in range(lanes):
            data[out + k] = {formula}"""


def print_calls() -> str:
    """Return the branches of `compute`: one for each opcode of the kind CALL."""
    calls = [(code, op) for code, op in enumerate(OPCODES) if op.kind == CALL]
    return indent(
        "\n".join([f"if f == {code}:\n    return {op.formula}" for code, op in calls]), TAB
    )


def print_loops(template: str, kinds: tuple[str, ...], depth: int) -> str:
    """Return the branches of a kernel: a loop for each opcode of these kinds."""
    loops = []
    for code, op in enumerate(OPCODES):
        if op.kind not in kinds:
            continue
        names = list("xyz"[: op.operands])
        reads = [OPERAND[x] for x in names]
        if template is LOOP_OF_LANES:
            reads = [f"np.uint64({x}[i]) * lanes" for x in "abc"[: op.operands]]
        texts = OPERAND if template is LOOP_OF_NUMBERS else {x: f"data[{x} + k]" for x in names}
        if op.kind == SHARED:
            names[0], reads[0], texts["x"] = "w", "shared[a[i]]", "w"
        formula = re.sub(r"\b([xyz])\b", r"{\1}", op.formula).format(**texts)
        loops.append(
            template.format(
                code=code,
                name=op.name,
                formula=formula,
                names=", ".join(["out", *names]),
                reads=", ".join(["np.uint64(np.uint32(o + i)) * lanes", *reads]),
            )
        )
    return indent("\n".join(loops), TAB * depth)


TAB = " " * 4
OPERAND = {"x": "data[a[i]]", "y": "data[b[i]]", "z": "data[c[i]]"}
CODE = {
    "compute": COMPUTE.format(calls=print_calls()),
    "run": RUN.format(
        multiply_add_on=MULTIPLY_ADD_ON,
        vector_add=VECTOR_ADD,
        vector_from_0=VECTOR_FROM_0,
        loops=print_loops(LOOP_OF_NUMBERS, (LOOP,), depth=2),
    ),
    "run_lanes": RUN_LANES.format(
        sum=SUM, sum_product=SUM_PRODUCT, loops=print_loops(LOOP_OF_LANES, (LOOP, SHARED), depth=3)
    ),
}

# --------------------------------------------------------------------------------------- compiling

# numba finds compiled code on disk by the function's name and file, so the name must change with
# the printed code.
CHECKSUM = f"{crc32(repr(CODE).encode()):08x}"
QUICK = {"contract", "reassoc", "nsz"}  # the freedom that `fast` gives to the compiler


@compile_kernel()
def fold(row: np.ndarray, count: int) -> float:
    """Return the sum of a row's first numbers, by halves: the upper half is added to the lower."""
    for k in range(count, row.size):
        row[k] = 0.0
    half = row.size // 2
    while half >= 8:  # a block has at least 8 lanes
        for k in range(half):
            row[k] += row[k + half]
        half //= 2
    return ((row[0] + row[4]) + (row[2] + row[6])) + ((row[1] + row[5]) + (row[3] + row[7]))


def compile_printed(name: str, fast: bool = False) -> Callable[..., None]:
    """Compile one of the printed kernels.

    A fast one may round a product and a sum once, and add up samples in any order.
    """
    space = {**SPACE, "ANY_ORDER": fast}
    exec(compile(CODE[name], __file__, "exec"), space)
    f = space[name]
    f.__qualname__ = f"{name}{'_fast' * fast}_{CHECKSUM}"
    return compile_kernel(fastmath=QUICK if fast else False)(f)


def compile_text(text: str, name: str) -> Callable[..., None]:
    """Compile a function that is called NAME in `text`, and `name` in the cache on disk."""
    space: dict[str, Any] = {"__name__": __name__, "np": np}
    exec(compile(text.replace("NAME", name), __file__, "exec"), space)
    return compile_kernel()(space[name])


def library(name: str, operands: int) -> types.ExternalFunction:
    """Return a function of the C library."""
    return types.ExternalFunction(name, types.float64(*[types.float64] * operands))


SPACE: dict[str, Any] = {  # the globals of the printed code
    "__name__": __name__, "np": np, "float64": float64, "fold": fold,
    "power": library("pow", 2), "hypot": library("hypot", 2), "atan2": library("atan2", 2),
    **{name: library(name, 1) for name in FUNCTIONS},
}  # fmt: skip
SPACE["compute"] = compile_printed("compute")
run, run_fast = compile_printed("run"), compile_printed("run", fast=True)
run_lanes, run_lanes_fast = compile_printed("run_lanes"), compile_printed("run_lanes", fast=True)
