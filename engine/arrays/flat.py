"""Arrays that are the parts of one flat array, so that one loop updates them all."""

import math
import sys
from collections.abc import Sequence
from operator import is_
from typing import Any
from weakref import ref

import numpy as np


class Flat:
    """A flat array, and its parts in other shapes, one after the other.

    >>> flat = Flat([(2, 2), (3,)], np.dtype(float))
    >>> flat.array[:] = np.arange(7.0)
    >>> flat.parts
    [array([[0., 1.],
           [2., 3.]]), array([4., 5., 6.])]
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]], dtype: np.dtype):
        ends = np.cumsum([math.prod(shape) for shape in shapes]).tolist()
        self.array = np.empty(ends[-1], dtype)
        starts = [0, *ends[:-1]]
        self.parts = [
            self.array[start:end].reshape(shape)
            for start, end, shape in zip(starts, ends, shapes, strict=True)
        ]

    def is_free(self, others: int = 0) -> bool:
        """Return whether nothing else refers to the array or to a part; False if unknown.

        `others` is the number of references to each part that are ignored.
        """
        if not hasattr(sys, "getrefcount"):
            return False
        parts, count = self.parts, sys.getrefcount
        if count(self.array) > len(parts) + 2:  # the parts, `array` and the argument
            return False
        return max(map(count, parts)) <= 2 + others  # `parts` and the argument

    def like(self) -> "Flat":
        """Return new arrays of the same shapes and dtype."""
        return Flat([x.shape for x in self.parts], self.array.dtype)


def copy_to_flat(arrays: Sequence[np.ndarray | float], like: Flat) -> Flat:
    """Return copies of arrays, or of numbers in their place, as parts of one array."""
    flat = like.like()
    for part, x in zip(flat.parts, arrays, strict=True):
        part[...] = x
    return flat


# The gradients that the last backward pass of a function under `jit` has computed, by the id of the
# first parameter. A dict with weak keys would compare Arrays by `==`, which takes long.
GRADIENTS: dict[int, tuple[Any, Flat]] = {}


def remember_gradients(first: Any, flat: Flat) -> None:
    """Store the gradients of parameters, of which `first` is the first."""
    key = id(first)
    entry = GRADIENTS.get(key)
    if entry is None or entry[1] is not flat or entry[0]() is not first:
        GRADIENTS[key] = ref(first, lambda _: GRADIENTS.pop(key, None)), flat


def find_flat_gradients(parameters: Sequence[Any]) -> Flat | None:
    """Return the gradients of parameters if they are the parts of one array, in order."""
    first = parameters[0] if parameters else None
    entry = GRADIENTS.get(id(first))
    if entry is None or entry[0]() is not first or len(entry[1].parts) != len(parameters):
        return None
    flat = entry[1]
    return flat if all(map(is_, [p._grad for p in parameters], flat.parts)) else None
