"""Large matrix products in parts, which threads compute at the same time.

A part has some columns of the result, or some rows, and all terms of their sums. The parts depend
on the shapes alone, so that results have the same bits on any number of threads. They may differ
from those of the whole product: OpenBLAS adds the terms of an element in an order that depends on
the size of the result.

Each part is one call of NumPy. Only OpenBLAS's own threads would be simpler. They gain less on
products of this size, and they wait for each other in loops: next to another program that computes,
they are 10 to 40 times slower than one thread.
"""

from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from engine.arrays.in_place import call_quietly
from engine.support.threads import call_all

LEAST = 10_000_000  # multiplications of a part: smaller ones take too short for another thread
MOST = 8  # parts
TILE = 64  # a multiple of the rows and columns that OpenBLAS computes together


class ProductInParts:
    """A product of matrices, in parts of the columns or of the rows of the result.

    `threads` is a list of one number, that of threads.

    >>> product = ProductInParts(0, [slice(0, 2), slice(2, 3)], [2])
    >>> out = np.empty((3, 1))
    >>> product(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), np.array([[3.0], [4.0]]), out)
    >>> out.ravel()
    array([3., 4., 7.])
    """

    def __init__(self, axis: int, parts: list[slice], threads: list[int]):
        self.axis, self.parts, self.threads = axis, parts, threads

    def __call__(self, x: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
        multiply = [partial(call_quietly, np.matmul, *self.take(part, x, y, out))
                    for part in self.parts]  # fmt: skip
        call_all(multiply, self.threads[0])

    def take(self, part: slice, x: np.ndarray, y: np.ndarray, out: np.ndarray) -> Any:
        """Return the arrays of a part: two factors and their product."""
        return (x[part], y, out[part]) if self.axis == 0 else (x, y[:, part], out[:, part])


def split_product(x: Any, y: Any, threads: list[int]) -> ProductInParts | None:
    """Return a function for the product of two arrays of these shapes, or None for a small one."""
    if np.ndim(x) != 2 or np.ndim(y) != 2:
        return None
    (m, k), n = x.shape, y.shape[1]
    size = max(m, n)  # the smaller factor is read for each part
    count = min(m * k * n // LEAST, size // TILE, MOST)
    if count < 2:
        return None
    cuts = [size * i // count // TILE * TILE for i in range(count)] + [size]
    parts = [slice(*pair) for pair in pairwise(cuts)]
    return ProductInParts(int(n >= m), parts, threads)
