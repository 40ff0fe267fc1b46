"""Large matrix products in parts, which threads compute at the same time.

There are at most as many parts as threads. A part computes some columns of the result, or some
rows, with all terms of their sums, so a batch may depend on all its rows, as in batch
normalization. The bits are the same in every run with the same number of threads. With another
number, the last bits of sums can differ, because OpenBLAS adds the terms in an order that depends
on the size of the result. (Two parts at every number of threads would give the same bits, but slow
down one thread.)

OpenBLAS's own threads wait for each other in busy loops, and are slow while other programs use the
cores. Here, a thread that has finished its part takes another one that has not begun.
"""

from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from engine.arrays.in_place import call_quietly
from engine.support.threads import call_all

LEAST = 10_000_000  # multiplications of a part: smaller parts are not worth another thread
TILE = 64  # a multiple of the rows and columns that OpenBLAS computes together


class ProductInParts:
    """A function for products of matrices of shapes (m, k) and (k, n).

    `threads` is a list with one element, the number of threads.

    >>> product, out = ProductInParts(256, 784, 256, threads=[2]), np.empty((256, 256))
    >>> product(np.ones((256, 784)), np.ones((784, 256)), out)
    >>> out.min().item(), split(256, 2)
    (784.0, [slice(0, 128, None), slice(128, 256, None)])
    """

    def __init__(self, m: int, k: int, n: int, threads: list[int]):
        self.by_columns = n >= m  # the smaller factor is read for each part
        self.size = max(m, n)
        self.most = min(m * k * n // LEAST, self.size // TILE)
        self.threads = threads

    def __call__(self, x: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
        count = min(self.threads[0], self.most)
        if count < 2:
            np.matmul(x, y, out=out)
            return
        parts = [self.take(part, x, y, out) for part in split(self.size, count)]
        call_all([partial(call_quietly, np.matmul, *arrays) for arrays in parts], count)

    def take(self, part: slice, x: np.ndarray, y: np.ndarray, out: np.ndarray) -> Any:
        """Return the arrays of a part: two factors and their product."""
        return (x, y[:, part], out[:, part]) if self.by_columns else (x[part], y, out[part])


def split(size: int, count: int) -> list[slice]:
    """Return `count` slices of about the same number of whole tiles."""
    cuts = [size * i // count // TILE * TILE for i in range(count)] + [size]
    return [slice(*pair) for pair in pairwise(cuts)]


def split_product(x: Any, y: Any, threads: list[int]) -> ProductInParts | None:
    """Return a function for the product of two arrays of these shapes, or None for a small one."""
    if np.ndim(x) != 2 or np.ndim(y) != 2:
        return None
    product = ProductInParts(x.shape[0], x.shape[1], y.shape[1], threads)
    return product if product.most > 1 else None
