"""Replacements for the parts of NumPy that networks of Values use, where it is not installed.

Names and arguments are those of NumPy. Random numbers come from `random.Random`, so a seed gives
other weights and another order of samples than with NumPy.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from engine.support.arguments import UNORDERED, is_bool, is_real


class Generator:
    """A source of random numbers with the methods that `nn.init` and `fit` use.

    >>> rng = Generator(0)
    >>> shape(rng.normal(size=(2, 3))), sorted(rng.permutation(4))
    ((2, 3), [0, 1, 2, 3])
    """

    def __init__(self, seed: int | None = None):
        from random import Random  # takes milliseconds to load

        self.source = Random(seed)

    def random(self, size: Any = None) -> Any:
        return fill(size, self.source.random)

    def uniform(self, low: float = 0.0, high: float = 1.0, size: Any = None) -> Any:
        return fill(size, lambda: self.source.uniform(low, high))

    def normal(self, loc: float = 0.0, scale: float = 1.0, size: Any = None) -> Any:
        return fill(size, lambda: self.source.gauss(loc, scale))

    def permutation(self, n: int) -> list[int]:
        return self.source.sample(range(n), n)


class Rows(list[Any]):
    """Samples: a number or a nested list for each."""

    def __getitem__(self, index: Any) -> Any:
        """Return one sample, or the samples at a sequence of indices."""
        if isinstance(index, Sequence):
            return Rows([self[i] for i in index])
        return super().__getitem__(index)

    def tolist(self) -> list[Any]:
        return list(self)


def asarray(x: Any) -> Any:
    """Convert samples to Rows, but no single number. Raises ValueError for unequal lengths."""
    shape(x)
    return Rows(map(to_lists, x)) if is_sequence(x) else x


def to_lists(x: Any) -> Any:
    """Convert nested sequences to nested lists."""
    return [to_lists(part) for part in x] if is_sequence(x) else x


def shape(x: Any) -> tuple[int, ...]:
    """Return the shape of nested lists. Raises ValueError for lists of unequal lengths.

    >>> shape([[1.0, 2.0]]), shape(1.0)
    ((1, 2), ())
    """
    if not is_sequence(x):
        return ()
    inner = {shape(part) for part in x}
    if len(inner) > 1:
        raise ValueError("lists must have equal lengths")
    return (len(x), *(inner.pop() if inner else ()))


def is_sequence(x: Any) -> bool:
    return isinstance(x, Iterable) and hasattr(x, "__len__") and not isinstance(x, UNORDERED)


def fill(size: Any, draw: Callable[[], float]) -> Any:
    """Return one result of `draw`, or nested lists of that size with a result in each place.

    >>> fill((2, 3), lambda: 0.0)
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    if size is None or size == ():
        return draw()
    first, *rest = (size,) if isinstance(size, int) else size
    return [fill(tuple(rest), draw) for _ in range(first)]


def zeros(size: Any) -> Any:
    return fill(size, float)


def not_finite(x: Any) -> list[float]:
    """Return the inf and nan in nested lists. Raises TypeError for anything but numbers."""
    if is_sequence(x):
        return [number for part in x for number in not_finite(part)]
    if not (is_real(x) or is_bool(x)):
        raise TypeError(f"got {x!r}")
    return [] if abs(x) < math.inf else [x]  # an int may be too large for a float
