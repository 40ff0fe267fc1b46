"""The machine that a tape runs on: elementary arithmetic over flat arrays, compiled by numba.

It knows no row of the table: what a row does with numbers has been written down in these
instructions (see `engine.tape.rows`). Functions are the C library's, which Python's own call too,
so that a replay gives the same bits. In single precision every instruction computes in double and
rounds, which for + - * / is what single precision does by itself.

Truth is 1.0 or 0.0. Importing this module imports numba.
"""

from typing import Any

import numpy as np
from numba import float64, types

from engine.tape.caching import kernel, renamed

INSTRUCTIONS = (
    "=", "+", "-", "*", "divide", "neg", "abs", "<", "<=", ">", ">=", "==", "!=", "&", "|", "where",
    "exp", "log", "sqrt", "tanh", "cosh", "sinh", "sin", "cos", "tan", "expm1", "log1p", "exp2",
    "log2", "log10", "cbrt", "asin", "acos", "atan", "asinh", "acosh", "atanh", "erf", "erfc",
    "power", "hypot", "atan2", "multiply add", "multiply from 0", "multiply add on",
    "spread", "scale", "scale add", "sum", "sum product",
)  # fmt: skip
CODES = {name: code for code, name in enumerate(INSTRUCTIONS)}
(
    COPY, ADD, SUBTRACT, MULTIPLY, DIVIDE, NEGATE, ABS, LESS, AT_MOST, MORE, AT_LEAST, EQUAL,
    UNEQUAL, AND, OR, WHERE, EXP, LOG, SQRT, TANH, COSH, SINH, SIN, COS, TAN, EXPM1, LOG1P, EXP2,
    LOG2, LOG10, CBRT, ASIN, ACOS, ATAN, ASINH, ACOSH, ATANH, ERF, ERFC, POWER, HYPOT, ATAN2,
    MULTIPLY_ADD, MULTIPLY_FROM_0, MULTIPLY_ADD_ON, SPREAD, SCALE, SCALE_ADD, SUM, SUM_PRODUCT,
) = range(len(INSTRUCTIONS))  # fmt: skip

ANY_ORDER = False  # whether sums over samples may be added up in the order that is fastest
QUICK = {"contract", "reassoc", "nsz"}  # what `fast` lets the compiler do
F1 = types.float64(types.float64)
F2 = types.float64(types.float64, types.float64)


def library(name: str, signature: Any = F1) -> Any:
    """A function of the C library, by the name it has there."""
    return types.ExternalFunction(name, signature)


acos, acosh, asin, asinh = library("acos"), library("acosh"), library("asin"), library("asinh")
atan, atanh, cbrt, cos = library("atan"), library("atanh"), library("cbrt"), library("cos")
cosh, erf, erfc, exp = library("cosh"), library("erf"), library("erfc"), library("exp")
exp2, expm1, log, log1p = library("exp2"), library("expm1"), library("log"), library("log1p")
log2, log10, sin, sinh = library("log2"), library("log10"), library("sin"), library("sinh")
sqrt, tan, tanh = library("sqrt"), library("tan"), library("tanh")
atan2, power, hypot = library("atan2", F2), library("pow", F2), library("hypot", F2)


@kernel()
def run(do: Any, ends: Any, begins: Any, a: Any, b: Any, c: Any, data: Any) -> None:
    """Every instruction, one run of the same kind after the other.

    A run's results stand side by side: instruction i has its own at `begins` + i. What a run of
    `multiply add on` adds to stands side by side too.
    """
    start = np.uint64(0)  # unsigned: a signed index may be counted from the end, which is checked
    for n in range(do.size):
        f, end, o = do[n], ends[n], begins[n]
        if f == MULTIPLY_ADD_ON:
            on = np.uint64(c[start]) - start
            for i in range(start, end):
                data[o + i] = data[on + i] + data[a[i]] * data[b[i]]
        elif f == MULTIPLY_ADD:
            for i in range(start, end):
                data[o + i] = data[c[i]] + data[a[i]] * data[b[i]]
        elif f == MULTIPLY_FROM_0:
            for i in range(start, end):
                data[o + i] = 0.0 + data[a[i]] * data[b[i]]
        elif f == ADD:
            for i in range(start, end):
                data[o + i] = data[a[i]] + data[b[i]]
        elif f == SUBTRACT:
            for i in range(start, end):
                data[o + i] = data[a[i]] - data[b[i]]
        elif f == MULTIPLY:
            for i in range(start, end):
                data[o + i] = data[a[i]] * data[b[i]]
        elif f == AT_MOST:
            for i in range(start, end):
                data[o + i] = 1.0 if data[a[i]] <= data[b[i]] else 0.0
        elif f == WHERE:
            for i in range(start, end):
                data[o + i] = data[b[i]] if data[a[i]] != 0.0 else data[c[i]]
        else:
            for i in range(start, end):
                data[o + i] = one(f, float64(data[a[i]]), float64(data[b[i]]))
        start = end


@kernel()
def run_lanes(
    do: Any, ends: Any, begins: Any, a: Any, b: Any, c: Any,
    shared: Any, blocks: Any, samples: int, sums: Any, first: int, step: int,
) -> None:  # fmt: skip
    """The same with a lane for each sample, over the blocks `first`, `first` + `step`, ...

    `blocks` has a row of lanes for each slot. Operands are rows, but for `spread`, which fills one
    with a shared number, and the first factor of `scale` and `scale add`, which is one. `sum` and
    `sum product` add up the lanes that hold samples, and add what they find to `sums`.
    """
    lanes = blocks.shape[2]
    row = np.zeros(lanes, blocks.dtype)
    zero = row[0]
    for block in range(first, blocks.shape[0], step):
        data = blocks[block]
        held = max(0, min(lanes, samples - block * lanes))
        start = np.uint64(0)
        for n in range(do.size):
            f, end, o = do[n], ends[n], begins[n]
            if f == SCALE_ADD:
                for i in range(start, end):
                    out, w, x, y = data[o + i], shared[a[i]], data[b[i]], data[c[i]]
                    for k in range(lanes):
                        out[k] = y[k] + w * x[k]
            elif f == SUM_PRODUCT:
                for i in range(start, end):
                    x, y = data[a[i]], data[b[i]]
                    if ANY_ORDER and held == lanes:
                        total = zero
                        for k in range(lanes):
                            total += x[k] * y[k]
                        sums[o + i] += total
                        continue
                    for k in range(lanes):
                        row[k] = x[k] * y[k]
                    sums[o + i] += folded(row, held)
            elif f == MULTIPLY_ADD:
                for i in range(start, end):
                    out, x, y, z = data[o + i], data[a[i]], data[b[i]], data[c[i]]
                    for k in range(lanes):
                        out[k] = z[k] + x[k] * y[k]
            elif f == MULTIPLY_FROM_0:
                for i in range(start, end):
                    out, x, y = data[o + i], data[a[i]], data[b[i]]
                    for k in range(lanes):
                        out[k] = 0.0 + x[k] * y[k]
            elif f == ADD:
                for i in range(start, end):
                    out, x, y = data[o + i], data[a[i]], data[b[i]]
                    for k in range(lanes):
                        out[k] = x[k] + y[k]
            elif f == MULTIPLY:
                for i in range(start, end):
                    out, x, y = data[o + i], data[a[i]], data[b[i]]
                    for k in range(lanes):
                        out[k] = x[k] * y[k]
            elif f == SCALE:
                for i in range(start, end):
                    out, w, x = data[o + i], shared[a[i]], data[b[i]]
                    for k in range(lanes):
                        out[k] = w * x[k]
            elif f == SPREAD:
                for i in range(start, end):
                    out, w = data[o + i], shared[a[i]]
                    for k in range(lanes):
                        out[k] = w
            elif f == SUM:
                for i in range(start, end):
                    x = data[a[i]]
                    for k in range(lanes):  # copying as a slice takes numba seconds to compile
                        row[k] = x[k]
                    sums[o + i] += folded(row, held)
            elif f == WHERE:
                for i in range(start, end):
                    out, x, y, z = data[o + i], data[a[i]], data[b[i]], data[c[i]]
                    for k in range(lanes):
                        out[k] = y[k] if x[k] != 0.0 else z[k]
            else:
                for i in range(start, end):
                    out, x, y = data[o + i], data[a[i]], data[b[i]]
                    for k in range(lanes):
                        # Not f: the compiler would make a loop of its own for every function.
                        out[k] = one(do[n], float64(x[k]), float64(y[k]))
            start = end


@kernel()
def folded(row: Any, held: int) -> Any:
    """The sum of a row's first numbers, by halves: the upper half is added to the lower."""
    for k in range(held, row.size):
        row[k] = 0.0
    half = row.size // 2
    while half >= 8:  # a block has 8 lanes at least
        for k in range(half):
            row[k] += row[k + half]
        half //= 2
    return ((row[0] + row[4]) + (row[2] + row[6])) + ((row[1] + row[5]) + (row[3] + row[7]))


@kernel()
def one(f: Any, x: Any, y: Any) -> Any:
    """What an instruction makes of its operands, in double precision."""
    if f == COPY:
        return x
    if f == SUBTRACT:
        return x - y
    if f == DIVIDE:
        return x / y
    if f == NEGATE:
        return -x
    if f == ABS:
        return abs(x)
    if f < AND:
        return 1.0 if compared(f, x, y) else 0.0
    if f == AND:
        return 1.0 if x != 0.0 and y != 0.0 else 0.0
    if f == OR:
        return 1.0 if x != 0.0 or y != 0.0 else 0.0
    if f == POWER:
        return power(x, y)
    if f == HYPOT:
        return hypot(x, y)
    if f == ATAN2:
        return atan2(x, y)
    return function(f, x)


@kernel()
def compared(f: Any, x: Any, y: Any) -> Any:
    if f == LESS:
        return x < y
    if f == AT_MOST:
        return x <= y
    if f == MORE:
        return x > y
    if f == AT_LEAST:
        return x >= y
    if f == EQUAL:
        return x == y
    return x != y


@kernel()
def function(f: Any, x: Any) -> Any:
    """A function of one number."""
    if f == EXP:
        return exp(x)
    if f == LOG:
        return log(x)
    if f == SQRT:
        return sqrt(x)
    if f == TANH:
        return tanh(x)
    if f == COSH:
        return cosh(x)
    if f == SINH:
        return sinh(x)
    if f == SIN:
        return sin(x)
    if f == COS:
        return cos(x)
    if f == TAN:
        return tan(x)
    if f == EXPM1:
        return expm1(x)
    if f == LOG1P:
        return log1p(x)
    if f == EXP2:
        return exp2(x)
    if f == LOG2:
        return log2(x)
    if f == LOG10:
        return log10(x)
    if f == CBRT:
        return cbrt(x)
    if f == ASIN:
        return asin(x)
    if f == ACOS:
        return acos(x)
    if f == ATAN:
        return atan(x)
    if f == ASINH:
        return asinh(x)
    if f == ACOSH:
        return acosh(x)
    if f == ATANH:
        return atanh(x)
    if f == ERF:
        return erf(x)
    return erfc(x)


# The same code, in which a product and a sum may be one instruction, with one rounding.
run_fast = renamed(run, "run_fast", fastmath=QUICK)
run_lanes_fast = renamed(run_lanes, "run_lanes_fast", fastmath=QUICK, ANY_ORDER=True)
