"""Reductions of arrays of objects, which combine the elements in the order that NumPy uses.

NumPy adds a row of neighbours pairwise, with eight sums at a time, and the rows one after the other
(see the notes of `numpy.sum`). Sums of contiguous arrays, and of their transposes, have NumPy's
bits; those of strided or reversed views over several axes can differ in the last one.
"""

import functools
import itertools
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from engine import formulas

BLOCK = 128  # up to so many neighbours, NumPy adds with eight sums; it halves longer rows
# with their results for no elements
REDUCTIONS: dict[str, tuple[Callable[..., Any], float | None]] = {
    "add": (operator.add, 0.0), "multiply": (operator.mul, 1.0),
    "maximum": (formulas.maximum, None), "minimum": (formulas.minimum, None),
}  # fmt: skip


def reduce_elements(
    name: str, x: np.ndarray, axis: Any = 0, dtype: Any = None, keepdims: bool = False,
    initial: Any = None, where: Any = True,
) -> np.ndarray:  # fmt: skip
    """Combine the elements along axes, in NumPy's order: `ufunc.reduce`."""
    if where is not True:
        raise TypeError(f"np.{name}.reduce with a mask cannot be recorded")
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    reduced = sorted({i % x.ndim for i in axes}) if x.ndim else []
    kept = [i for i in range(x.ndim) if i not in reduced]
    out = np.empty([x.shape[i] for i in kept], object)
    function, first = REDUCTIONS[name]
    has_initial = isinstance(initial, int | float)
    for index in np.ndindex(out.shape):
        part: list[Any] = [slice(None)] * x.ndim
        for i, place in zip(kept, index, strict=True):
            part[i] = place
        if not reduced:
            numbers: list[Any] = [x[index]]
        elif name == "add":
            numbers = [*list_partial_sums(x, tuple(part), kept)]
        else:
            numbers = [*x[tuple(part)].ravel()]
        if has_initial:
            numbers.insert(0, initial)
        if not numbers:
            if first is None:
                raise ValueError(f"np.{name}.reduce of no elements")
            numbers = [first]
        out[index] = functools.reduce(function, numbers)
    shape = [1 if i in reduced else n for i, n in enumerate(x.shape)] if keepdims else out.shape
    return out.reshape(shape)


def list_partial_sums(x: np.ndarray, part: tuple[Any, ...], kept: Sequence[int]) -> Iterator[Any]:
    """Yield numbers that NumPy adds one after the other, to add up a part of an array.

    NumPy's inner loop runs along the axis with the smallest stride. If it belongs to the sum, its
    rows are added pairwise first; axes that follow each other in memory make longer rows.
    """
    inside = x[part]
    order = sorted(range(x.ndim), key=lambda i: -abs(x.strides[i]))
    order = [i for i in order if x.shape[i] > 1]
    axes = [i for i in range(x.ndim) if i not in kept]  # of `inside`
    summed = [i for i in order if i not in kept]
    single = [i for i in axes if i not in summed]  # of length 1
    inside = inside.transpose([axes.index(i) for i in [*summed, *single]])
    if not order or order[-1] in kept:
        yield from inside.ravel()
        return
    length, last = 1, None
    for i in reversed(order):
        if i in kept or (last is not None and x.strides[i] != x.strides[last] * x.shape[last]):
            break
        length, last = length * x.shape[i], i
    for row in inside.reshape(-1, length):
        yield add_pairwise([*row])


def add_pairwise(numbers: Sequence[Any]) -> Any:
    """Return a sum as NumPy adds a row of neighbours."""
    n = len(numbers)
    if n < 8:
        return functools.reduce(operator.add, numbers)
    if n > BLOCK:
        half = n // 2 - n // 2 % 8
        return add_pairwise(numbers[:half]) + add_pairwise(numbers[half:])
    whole = n - n % 8
    r = [functools.reduce(operator.add, numbers[k:whole:8]) for k in range(8)]
    total = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]))
    return functools.reduce(operator.add, [total, *numbers[whole:]])


def accumulate(name: str, x: np.ndarray, axis: int = 0, dtype: Any = None) -> np.ndarray:
    """Return the results of a reduction of the first elements along an axis."""
    out = np.moveaxis(x.copy(), axis, 0)
    for before, after in itertools.pairwise(range(len(out))):
        out[after] = np.frompyfunc(REDUCTIONS[name][0], 2, 1)(out[before], out[after])
    return np.moveaxis(out, 0, axis)
