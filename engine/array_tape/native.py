"""Consecutive steps that run in one call from Python.

A call of a NumPy function takes a few microseconds, and more than ten after a matrix product, which
has evicted Python from the processor's caches. A `NativeCalls` object calls compiled loops and
NumPy's inner loops in turn, from compiled code. The inner loops are the functions that NumPy's
ufuncs call. They receive the same arguments as from a ufunc, so results are bit-identical.

On several threads, a step on large arrays is divided into as many parts as there are threads, and
workers compute the parts (see `engine.array_tape.workers`). A part computes some rows or columns of
the results. A part of a product adds all terms of its sums, so a batch may depend on all its rows,
as in batch normalization. OpenBLAS adds the terms in an order that depends on the size of the part:
the last bits can differ from those of the whole product, but they are the same in every run. (Two
parts for any number of threads would always give the same bits, but not those of the function that
was recorded.)
"""

import ctypes
import struct
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from engine.array_tape.kernels import KERNEL
from engine.array_tape.loops import HEAD, Loop, address_of
from engine.array_tape.patterns import COLUMN, FULL, ONE, ROW
from engine.array_tape.steps import ELEMENTWISE, PRODUCT, VIEW, ArrayStep, TracedArray
from engine.array_tape.workers import TEAM, load_runner

Arrays = tuple[TracedArray, ...]

# The most elements of a reduction for which a compiled loop is as fast as NumPy's function.
SMALL_LOOP = 2**14
# The most multiplications of a small product of matrices, and of one with a vector. OpenBLAS always
# computes these on one thread, so results do not depend on its number of threads.
SMALL_MATRIX_PRODUCT, SMALL_VECTOR_PRODUCT = 2**18, 9000
# The fewest elements in a part of a loop, and multiplications in a part of a product. They take
# about 2 µs, and another thread begins within 0.2 µs.
LOOP_PART, PRODUCT_PART = 2**12, 2**17
# The number of rows or columns of a part is a multiple of this: OpenBLAS computes as many together,
# and no two parts write into the same cache line.
TILE = 64


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
    cut: "Cut | None" = None
    offsets: Sequence[int] = ()  # bytes from the beginning of each array


class Cut(NamedTuple):
    """How to divide a call: by which of its sizes, and the bytes of each array per unit of it."""

    size: int
    steps: Sequence[int]
    tile: int  # the sizes of parts are multiples of it
    most: int  # the largest number of parts


def divide_call(call: NativeCall, count: int) -> list[NativeCall]:
    """Return a call in at most `count` parts."""
    if call.cut is None:
        return [call]
    place, steps, tile, most = call.cut
    size, parts = call.sizes[place], []
    count = max(min(count, most, size // tile), 1)
    ends = [size * i // count // tile * tile for i in range(count)] + [size]
    for start, end in pairwise(ends):
        sizes = [*call.sizes[:place], end - start, *call.sizes[place + 1 :]]
        parts.append(call._replace(sizes=sizes, offsets=[start * step for step in steps]))
    return parts


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
    slots = np.frombuffer(step.f.make_numbers(numbers), np.int64)
    arrays = (*step.args, *step.outs)
    cut = cut_kernel(step)
    return NativeCall(step.f.address, address_of(slots), arrays, [m, n, n], [], slots, cut)


def cut_kernel(step: Any) -> Cut | None:
    """Return how to divide a loop, not across its sums; None if it cannot be divided."""
    m, n, *_ = step.numbers
    patterns, most = step.domain.patterns, m * n // LOOP_PART
    results = {patterns[part.out] for part in step.steps if part.kind != VIEW}
    arrays = [(patterns[x], x.dtype.itemsize) for x in (*step.args, *step.outs)]
    has_row_sums, has_column_sums = (not results.isdisjoint({x, ONE}) for x in (ROW, COLUMN))
    # Products are divided alike, so each processor has its numbers in its cache.
    if not has_row_sums and (n >= max(m, 2 * TILE) or has_column_sums):
        lengths = {FULL: 1, ROW: 0, COLUMN: 1, ONE: 0}
        return Cut(1, [lengths[x] * width for x, width in arrays], TILE, most)
    if has_column_sums:
        return None
    lengths = {FULL: n, ROW: 1, COLUMN: 0, ONE: 0}
    return Cut(0, [lengths[x] * width for x, width in arrays], 1, most)


def is_small_product(step: ArrayStep) -> bool:
    """Return whether BLAS computes a product on one thread, however many threads it has."""
    x, y = step.operands()
    (m, k), n = x.shape, y.shape[1]
    return m * k * n <= (SMALL_VECTOR_PRODUCT if min(m, k, n) == 1 else SMALL_MATRIX_PRODUCT)


def plan_product(arrays: Arrays, values: list[np.ndarray]) -> NativeCall | None:
    x, y, out = values
    if not x.ndim == y.ndim == 2:
        return None
    (m, k), n = x.shape, y.shape[1]
    # Each part reads one of the factors. OpenBLAS computes rows faster if the first is transposed.
    by_rows = m > n or (x.strides[0] < x.strides[1] and m >= 2 * TILE)
    steps = [x.strides[0], 0, out.strides[0]] if by_rows else [0, y.strides[1], out.strides[1]]
    cut = Cut(1 if by_rows else 3, steps, TILE, m * k * n // PRODUCT_PART)
    strides = [0, 0, 0, *x.strides, *y.strides, *out.strides]
    call = plan_ufunc(np.matmul, arrays, values, [1, m, k, n], strides)
    return call and call._replace(cut=cut)


def plan_elementwise(f: np.ufunc, arrays: Arrays, values: list[np.ndarray]) -> NativeCall | None:
    """Return a call of a function such as `exp`, for arrays in C order."""
    size = values[-1].size
    is_flat = all(x.flags.c_contiguous and x.shape == values[-1].shape for x in values)
    if not is_flat:
        return None
    if f is np.power and values[-1].dtype.kind in "iu":  # raises ValueError for 2 ** -1
        return None
    steps = [x.itemsize for x in values]
    call = plan_ufunc(f, arrays, values, [size], steps)
    return call and call._replace(cut=Cut(0, steps, TILE, size // LOOP_PART))


def plan_ufunc(
    f: np.ufunc, arrays: Arrays, values: list[np.ndarray], sizes: list[int], strides: list[int]
) -> NativeCall | None:
    *inputs, out = [x.dtype.char for x in values]
    loop = find_inner_loop(f, f"{''.join(inputs)}->{out}")
    return loop and NativeCall(*loop, arrays, sizes, strides, None)


class NativeCalls:
    """A sequence of calls that compiled code makes, as one function of some inputs.

    Each call is a list of parts, which several threads may compute at the same time.

    `arrays` has the buffers of traced arrays, and views of them. Any other array is an input or a
    view of an input: `roots` has the input of each, in the order in which the function takes them.
    Each call receives inputs with the same layout.
    """

    def __init__(
        self,
        steps: Sequence[Sequence[NativeCall]],
        arrays: dict[TracedArray, np.ndarray],
        roots: dict[TracedArray, TracedArray],
    ):
        calls = [call for parts in steps for call in parts]
        index = {x: i for i, x in enumerate(dict.fromkeys(roots.values()))}
        places: list[int] = []
        tables: list[np.ndarray] = []
        # The tables contain the addresses of these arrays.
        self.kept = [tables, [call.owner for call in calls], [*arrays.values()]]

        def add_call(call: NativeCall) -> list[int]:
            table = np.array([*[0] * len(call.arrays), *call.sizes, *call.strides], np.int64)
            tables.append(table)
            start = address_of(table)
            sizes = start + 8 * len(call.arrays)
            offsets = call.offsets or [0] * len(call.arrays)
            for i, (x, offset) in enumerate(zip(call.arrays, offsets, strict=True)):
                if x in arrays:
                    table[i] = address_of(arrays[x]) + offset
                    continue
                offset += address_of(x.value) - address_of(roots[x].value)
                places.extend([start + 8 * i, index[roots[x]], offset])
            return [call.function, start, sizes, sizes + 8 * len(call.sizes), call.data]

        words: list[int] = []
        for parts in steps:
            words.append(len(parts))
            for call in parts:
                words += add_call(call)
        most = max(map(len, steps))
        head, self.helpers = [len(places) // 3, len(steps), most], most - 1
        self.table = np.array([*head, *places, *words], np.int64)
        self.objects: Any = np.zeros(max(len(index), 1), np.int64)
        self.pack = struct.Struct(f"{len(index)}q").pack_into
        self.run = load_runner()
        self.addresses = address_of(self.table), address_of(self.objects), TEAM.address

    def __call__(self, *inputs: np.ndarray) -> None:
        if self.helpers:
            TEAM.start(self.helpers)
        self.pack(self.objects, 0, *map(id, inputs))
        self.run(*self.addresses)
