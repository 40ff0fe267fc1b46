"""Consecutive steps, which run in one call from Python.

A call of a function of NumPy takes a few microseconds, and more than ten after a matrix product,
which has replaced Python in the processor's caches. A `NativeCalls` object calls compiled loops and
NumPy's inner loops in turn, from compiled code. The inner loops are the functions that NumPy's
ufuncs call. They receive the same arguments as from a ufunc, so results are bit-identical.
"""

import ctypes
import struct
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from engine.array_tape.kernels import KERNEL
from engine.array_tape.loops import HEAD, Loop, address_of, load_runner
from engine.array_tape.steps import ELEMENTWISE, PRODUCT, ArrayStep, TracedArray

Arrays = tuple[TracedArray, ...]

# The most elements of a reduction for which a compiled loop is as fast as NumPy's function.
SMALL_LOOP = 2**14
# The most multiplications of a small product of matrices, and of one with a vector. OpenBLAS always
# computes these on one thread, so results do not depend on its number of threads.
SMALL_MATRIX_PRODUCT, SMALL_VECTOR_PRODUCT = 2**18, 9000


class UFunc(ctypes.Structure):
    """The first fields of a ufunc, `PyUFuncObject` of NumPy's C API."""

    _fields_ = [
        ("head", ctypes.c_char * HEAD),
        ("nin", ctypes.c_int),
        ("nout", ctypes.c_int),
        ("nargs", ctypes.c_int),
        ("identity", ctypes.c_int),
        ("functions", ctypes.POINTER(ctypes.c_void_p)),
        ("data", ctypes.POINTER(ctypes.c_void_p)),
        ("ntypes", ctypes.c_int),
        ("reserved", ctypes.c_int),
        ("name", ctypes.c_char_p),
    ]


@cache
def find_inner_loop(f: np.ufunc, types: str) -> tuple[int, int] | None:
    """Return the addresses of an inner loop of a ufunc and of its data; None if there is none.

    >>> find_inner_loop(np.exp, "?->?") is None
    True
    """
    fields = UFunc.from_address(id(f))
    counts = fields.nin, fields.nout, fields.nargs, fields.ntypes
    if counts != (f.nin, f.nout, f.nargs, f.ntypes) or fields.name != f.__name__.encode():
        return None  # a version of NumPy with a different struct
    if types not in f.types:
        return None
    i = f.types.index(types)
    address = fields.functions[i]
    return (address, fields.data[i] or 0) if address else None


class NativeCall(NamedTuple):
    """A call of a loop: the addresses of the function and of its data, its arrays, and sizes."""

    function: int
    data: int
    arrays: Arrays
    sizes: list[int]
    strides: list[int]
    owner: Any  # the array that owns the data, or None


def plan_call(step: ArrayStep, buffers: Mapping[TracedArray, np.ndarray]) -> NativeCall | None:
    """Return the call that computes a step, or None if no loop computes it.

    Arrays without a buffer are inputs, in the layout of the recording, or results in C order.
    """
    arrays = (*step.operands(), *step.outs)
    if any(not is_plain(x) or x.size == 0 for x in arrays):
        return None
    if step.kind == KERNEL:
        return plan_kernel(step)
    if len(step.args) != len(arrays) - 1 or step.settings:  # constants
        return None
    values = [buffers.get(x, x.value) for x in arrays]
    if step.out not in buffers:
        values[-1] = np.empty(step.out.shape, step.out.dtype)
    if step.kind == PRODUCT and step.f is np.matmul:
        return plan_product(arrays, values)
    if step.kind == ELEMENTWISE and isinstance(step.f, np.ufunc):
        return plan_elementwise(step.f, arrays, values)
    return None


def is_plain(x: TracedArray) -> bool:
    """Return whether an array has the layout that compiled code expects."""
    value = x.value
    if not isinstance(value, np.ndarray) or value.dtype.hasobject:  # objects need Python's lock
        return False
    return value.dtype.isnative and value.flags.aligned


def plan_kernel(step: Any) -> NativeCall | None:
    m, n, *numbers = step.numbers
    if not isinstance(step.f, Loop):
        return None
    slots = np.frombuffer(step.f.make_numbers(numbers) or bytes(8), np.int64)
    arrays = (*step.args, *step.outs)
    return NativeCall(step.f.address, address_of(slots), arrays, [m, n], [], slots)


def is_small_product(step: ArrayStep) -> bool:
    """Return whether BLAS computes a product of matrices on one thread, whatever their number."""
    x, y = step.operands()
    (m, k), n = x.shape, y.shape[1]
    return m * k * n <= (SMALL_VECTOR_PRODUCT if min(m, k, n) == 1 else SMALL_MATRIX_PRODUCT)


def plan_product(arrays: Arrays, values: list[np.ndarray]) -> NativeCall | None:
    x, y, out = values
    if not x.ndim == y.ndim == 2:
        return None
    (m, k), n = x.shape, y.shape[1]
    strides = [0, 0, 0, *x.strides, *y.strides, *out.strides]
    return plan_ufunc(np.matmul, arrays, values, [1, m, k, n], strides)


def plan_elementwise(f: np.ufunc, arrays: Arrays, values: list[np.ndarray]) -> NativeCall | None:
    """Return a call of a function such as `exp`, for arrays in C order."""
    is_flat = all(x.flags.c_contiguous and x.shape == values[-1].shape for x in values)
    if not is_flat:
        return None
    if f is np.power and values[-1].dtype.kind in "iu":  # raises ValueError for 2 ** -1
        return None
    return plan_ufunc(f, arrays, values, [values[-1].size], [x.itemsize for x in values])


def plan_ufunc(
    f: np.ufunc, arrays: Arrays, values: list[np.ndarray], sizes: list[int], strides: list[int]
) -> NativeCall | None:
    *inputs, out = [x.dtype.char for x in values]
    loop = find_inner_loop(f, f"{''.join(inputs)}->{out}")
    return loop and NativeCall(*loop, arrays, sizes, strides, None)


class NativeCalls:
    """A sequence of calls that compiled code makes, as one function of some inputs.

    `arrays` has the buffers of traced arrays, and views of them. Any other array is an input or a
    view of an input: `roots` has the input of each, in the order in which the function takes them.
    Each call receives inputs with the same layout.
    """

    def __init__(
        self,
        calls: Sequence[NativeCall],
        arrays: dict[TracedArray, np.ndarray],
        roots: dict[TracedArray, TracedArray],
    ):
        index = {x: i for i, x in enumerate(dict.fromkeys(roots.values()))}
        words = [np.array(self.table_of(call), np.int64) for call in calls]
        # The tables contain the addresses of these arrays.
        self.kept = [words, [call.owner for call in calls], [*arrays.values()]]
        places, steps = [], []
        for call, table in zip(calls, words, strict=True):
            start = address_of(table)
            sizes = start + 8 * len(call.arrays)
            steps += [call.function, start, sizes, sizes + 8 * len(call.sizes), call.data]
            for i, x in enumerate(call.arrays):
                if x in arrays:
                    table[i] = address_of(arrays[x])
                    continue
                offset = address_of(x.value) - address_of(roots[x].value)
                places += [start + 8 * i, index[roots[x]], offset]
        self.table = np.array([len(places) // 3, len(calls), *places, *steps], np.int64)
        self.objects: Any = np.zeros(max(len(index), 1), np.int64)
        self.pack = struct.Struct(f"{len(index)}q").pack_into
        self.run, self.addresses = load_runner(), (address_of(self.table), address_of(self.objects))

    @staticmethod
    def table_of(call: NativeCall) -> list[int]:
        return [*[0] * len(call.arrays), *call.sizes, *call.strides]

    def __call__(self, *inputs: np.ndarray) -> None:
        self.pack(self.objects, 0, *map(id, inputs))
        self.run(*self.addresses, None, None)
