"""The kernels: loops over flat arrays, printed from the table of opcodes and compiled by numba.

Functions are those of the C library, which Python calls too, so that a replay gives the same bits.
In single precision the opcodes of the kind CALL compute in double precision and round, which for
+ - * / gives the bits of single precision. Importing this module imports numba.
"""

import re
from collections.abc import Callable
from inspect import getsource
from textwrap import indent
from typing import Any, TypeVar
from zlib import crc32

import numpy as np
from numba import float64, njit, types

from engine.tape.opcodes import (
    CALL,
    FUNCTIONS,
    LOOP,
    MULTIPLY_ADD,
    MULTIPLY_ADD_VECTOR,
    OPCODES,
    SCALE_ADD,
    SHARED,
    SUM,
    SUM_PRODUCT,
    VECTOR_TO_ANY,
)
from engine.tape.products import make_add_products
from engine.watch.extremes import ORIGINALS

F = TypeVar("F", bound=Callable[..., Any])


def compile_kernel(fastmath: bool | set[str] = False) -> Callable[[F], F]:
    """Return a decorator that compiles a function at its first call, to run without Python's lock.

    numba keeps compiled code on disk: beside the source, in the user's cache directory, or in
    NUMBA_CACHE_DIR. It writes a temporary file and renames it, so processes that start together
    never read half a file. If no directory is writable, each process compiles its own code.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": fastmath}

    def decorator(f: F) -> F:
        # numba cannot compile the functions that replace these while decisions are recorded.
        for name, function in ORIGINALS.items():
            f.__globals__.setdefault(name, function)
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

# `code` is the result of `engine.tape.schedule.Runs.pack`. A run is a sequence of instructions with
# the same opcode; its results are contiguous. A run of "multiply add" contains sums of products,
# each of `terms` instructions.
RUN = """
def run(code, data):
    runs, total = np.int64(code[0]), np.int64(code[1])
    heads = code[2 : 2 + 6 * runs].reshape(6, runs)
    operands = code[2 + 6 * runs :].reshape(3, total)
    opcodes, ends, begins, terms, counts, steps = (
        heads[0], heads[1], heads[2], heads[3], heads[4], heads[5]
    )
    a, b, c = operands[0], operands[1], operands[2]
    start = np.uint64(0)  # unsigned: numba checks a signed index for counting from the end
    for n in range(opcodes.size):
        f, end, o = opcodes[n], np.uint64(ends[n]), np.uint64(begins[n]) - start
        if f == {multiply_add_vector} or f == {vector_to_any}:
            z, out, length = np.uint64(c[start]), np.uint64(begins[n]), np.uint64(terms[n])
            size, step = np.uint64(counts[n]), np.uint64(steps[n])
            if f == {vector_to_any}:
                z, step = out, ONE
            k = np.uint64(0)
            while k < size:
                left = size - k
{vectors}
        elif f == {multiply_add}:
            i, out, length = start, np.uint64(begins[n]), np.uint64(terms[n])
            while i < end:
                x, stop = data[c[i]], i + length
                while i < stop:
                    x += data[a[i]] * data[b[i]]
                    i += ONE
                data[out] = x
                out += ONE
{loops}
        else:
            for i in range(start, end):
                data[o + i] = compute(f, float64(data[a[i]]), float64(data[b[i]]))
        start = end
"""

# The last vector overlaps the one before.
VECTOR = """\
{condition}
    k = min(k, size - np.uint64({width}))
    if f == {vector_to_any}:
        for i in range(k, k + np.uint64({width})):
            data[out + i] = data[c[start + i]]
    scale_{width}(data, data, a, b, start, length, ONE, z, step, out, k)
    k += np.uint64({width})"""

LOOP_OF_NUMBERS = """\
elif f == {code}:  # {name}
    for i in range(start, end):
        data[o + i] = {formula}"""

# The same over the blocks `first`, `first` + `step`, ... A block has a row of lanes for each slot,
# named by the index of its first number: the compiler can rule out that it overflows.
# "sum" and "sum product" add up the lanes that contain samples, and add the results to `sums`.
RUN_LANES = """
def run_lanes(
    opcodes, ends, begins, terms, a, b, c, shared, blocks, samples, sums, first, step
):
    lanes = np.uint64(np.uint32(blocks.shape[2]))
    row = np.zeros(lanes, blocks.dtype)
    zero = row[0]
    for block in range(first, blocks.shape[0], step):
        data = blocks[block].reshape(-1)
        count = max(0, min(blocks.shape[2], samples - block * blocks.shape[2]))
        start = np.uint64(0)
        for n in range(opcodes.size):
            f, end, o = opcodes[n], np.uint64(ends[n]), np.uint64(begins[n]) - start
            if f == {multiply_add} or f == {scale_add}:
                i, out, length = start, begins[n] * lanes, np.uint64(terms[n])
                while i < end:
                    z, k = np.uint64(c[i]) * lanes, np.uint64(0)
                    while k < lanes:
{sums}
                    i += length
                    out += lanes
            elif f == {sum_product}:
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

SUM_OF_LANES = """\
{condition}
    if f == {multiply_add}:
        add_{width}(data, data, a, b, i, length, lanes, z, ONE, out, k)
    else:
        scale_{width}(data, shared, a, b, i, length, lanes, z, ONE, out, k)
    k += np.uint64({width})"""

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


def print_widths(template: str, condition: str, widths: tuple[int, ...], depth: int) -> str:
    """Return the branches of a kernel for vectors of some widths, the largest first."""
    branches: list[str] = []
    for width in widths:
        test = f"if {condition.format(width=width, half=width // 2)}:"
        test = "else:" if width == widths[-1] else f"{'el' if branches else ''}{test}"
        branches.append(
            template.format(
                condition=test, width=width, multiply_add=MULTIPLY_ADD, vector_to_any=VECTOR_TO_ANY
            )
        )
    return indent("\n".join(branches), TAB * depth)


TAB = " " * 4
VECTORS, BLOCKS = (32, 16, 8, 4), (32, 16, 8)  # widths: of vectors, and of parts of blocks
OPERAND = {"x": "data[a[i]]", "y": "data[b[i]]", "z": "data[c[i]]"}
CODE = {
    "compute": COMPUTE.format(calls=print_calls()),
    "run": RUN.format(
        multiply_add=MULTIPLY_ADD,
        multiply_add_vector=MULTIPLY_ADD_VECTOR,
        vector_to_any=VECTOR_TO_ANY,
        vectors=print_widths(VECTOR, "left > {half} and size >= {width}", VECTORS, depth=4),
        loops=print_loops(LOOP_OF_NUMBERS, (LOOP,), depth=2),
    ),
    "run_lanes": RUN_LANES.format(
        sum=SUM,
        sum_product=SUM_PRODUCT,
        multiply_add=MULTIPLY_ADD,
        scale_add=SCALE_ADD,
        sums=print_widths(SUM_OF_LANES, "lanes >= {width}", BLOCKS, depth=6),
        loops=print_loops(LOOP_OF_LANES, (LOOP, SHARED), depth=3),
    ),
}

# --------------------------------------------------------------------------------------- compiling

# numba finds compiled code on disk by the function's name and file, so the name must change with
# the code.
CHECKSUM = f"{crc32((repr(CODE) + getsource(make_add_products)).encode()):08x}"
QUICK = "contract", "reassoc", "nsz"  # the freedoms that `fast` gives to the compiler


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
    flags = QUICK if fast else ()
    space = {**SPACE, "ANY_ORDER": fast, "ONE": np.uint64(1)}
    for width in VECTORS:
        space[f"add_{width}"] = make_add_products(width, False, flags)
        space[f"scale_{width}"] = make_add_products(width, True, flags)
    exec(compile(CODE[name], __file__, "exec"), space)
    f = space[name]
    f.__qualname__ = f"{name}{'_fast' * fast}_{CHECKSUM}"
    return compile_kernel(fastmath={*QUICK} if fast else False)(f)


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
