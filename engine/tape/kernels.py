"""The machine that a tape runs on: elementary arithmetic over flat arrays, compiled by numba.

It knows no row of the table: what a row does with numbers has been written down in these
instructions (see `engine.tape.rows`). Functions are the C library's, which Python's own call too,
so that a replay gives the same bits. Importing this module imports numba.
"""

from typing import Any

import numpy as np
from numba import njit, types

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


@njit(cache=True, nogil=True)
def levels(do: Any, result: Any, a: Any, b: Any, c: Any, slots: int, places: int) -> Any:
    """How many instructions each has to wait for, one after the other.

    Instructions that add to one gradient keep their order, which is what keeps the bits.
    """
    data, grad = np.zeros(slots, np.int32), np.zeros(places, np.int32)
    found = np.empty(do.size, np.int32)
    for i in range(do.size):
        if do[i] < 2:
            level = max(grad[result[i]], grad[a[i]], data[b[i]])
            grad[result[i]] = level + 1
        else:
            level = max(data[a[i]], data[b[i]], data[c[i]])
            data[result[i]] = level + 1
        found[i] = level
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def run(
    do: Any, ends: Any, begins: Any, result: Any, a: Any, b: Any, c: Any, data: Any, grad: Any
) -> None:
    """Every instruction, one run of the same kind after the other."""
    start = np.uint64(0)  # unsigned: a signed index may be counted from the end, which is checked
    for n in range(do.size):
        f, end, o = do[n], ends[n], begins[n]
        if f == 0:
            for i in range(start, end):
                grad[result[i]] += grad[a[i]]
        elif f == 1:
            for i in range(start, end):
                grad[result[i]] += grad[a[i]] * data[b[i]]
        elif f == 2:
            for i in range(start, end):
                data[o + i] = data[a[i]]
        elif f == 3:
            for i in range(start, end):
                data[o + i] = data[a[i]] + data[b[i]]
        elif f == 4:
            for i in range(start, end):
                data[o + i] = data[a[i]] - data[b[i]]
        elif f == 5:
            for i in range(start, end):
                data[o + i] = data[a[i]] * data[b[i]]
        elif f == 6:
            for i in range(start, end):
                data[o + i] = data[a[i]] / data[b[i]]
        elif f == 7:
            for i in range(start, end):
                data[o + i] = -data[a[i]]
        elif f == 8:
            for i in range(start, end):
                data[o + i] = abs(data[a[i]])
        elif f < 15:
            for i in range(start, end):
                data[o + i] = 1.0 if holds(f, data[a[i]], data[b[i]]) else 0.0
        elif f == 15:
            for i in range(start, end):
                data[o + i] = data[b[i]] if data[a[i]] != 0.0 else data[c[i]]
        elif f < 39:
            for i in range(start, end):
                data[o + i] = unary(f, data[a[i]])
        elif f == 39:
            for i in range(start, end):
                data[o + i] = power(data[a[i]], data[b[i]])
        elif f == 40:
            for i in range(start, end):
                data[o + i] = hypot(data[a[i]], data[b[i]])
        else:
            for i in range(start, end):
                data[o + i] = atan2(data[a[i]], data[b[i]])
        start = end


@njit(cache=True, nogil=True)
def holds(f: Any, x: Any, y: Any) -> Any:
    if f == 9:
        return x < y
    if f == 10:
        return x <= y
    if f == 11:
        return x > y
    if f == 12:
        return x >= y
    if f == 13:
        return x != 0.0 and y != 0.0
    return x != 0.0 or y != 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def unary(f: Any, x: Any) -> Any:
    """A function of one number."""
    if f == 16:
        return exp(x)
    if f == 17:
        return log(x)
    if f == 18:
        return sqrt(x)
    if f == 19:
        return tanh(x)
    if f == 20:
        return cosh(x)
    if f == 21:
        return sinh(x)
    if f == 22:
        return sin(x)
    if f == 23:
        return cos(x)
    if f == 24:
        return tan(x)
    if f == 25:
        return expm1(x)
    if f == 26:
        return log1p(x)
    if f == 27:
        return exp2(x)
    if f == 28:
        return log2(x)
    if f == 29:
        return log10(x)
    if f == 30:
        return cbrt(x)
    if f == 31:
        return asin(x)
    if f == 32:
        return acos(x)
    if f == 33:
        return atan(x)
    if f == 34:
        return asinh(x)
    if f == 35:
        return acosh(x)
    if f == 36:
        return atanh(x)
    if f == 37:
        return erf(x)
    return erfc(x)
