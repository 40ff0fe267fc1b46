"""Stand-ins for the parts of NumPy that networks of Values use, for where it is not installed.

They have NumPy's names. The random numbers are those of `random.Random`, so that a seed gives other
weights and another order of samples than with NumPy.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from engine.support.arguments import UNORDERED, is_bool, is_real


class Generator:
    """A source of random numbers with the methods that weights and `fit` need.

    >>> rng = Generator(0)
    >>> shape(rng.normal(size=(2, 3))), sorted(rng.permutation(4))
    ((2, 3), [0, 1, 2, 3])
    """

    def __init__(self, seed: int | None = None):
        from random import Random  # takes milliseconds, and is not needed beside NumPy

        self.source = Random(seed)

    def random(self, size: Any = None) -> Any:
        return filled(size, self.source.random)

    def uniform(self, low: float = 0.0, high: float = 1.0, size: Any = None) -> Any:
        return filled(size, lambda: self.source.uniform(low, high))

    def normal(self, loc: float = 0.0, scale: float = 1.0, size: Any = None) -> Any:
        return filled(size, lambda: self.source.gauss(loc, scale))

    def permutation(self, n: int) -> list[int]:
        return self.source.sample(range(n), n)


class Rows(list[Any]):
    """Samples: a number or a list for each."""

    def __getitem__(self, places: Any) -> Any:
        """Return the samples at several places, or the one at a place."""
        if isinstance(places, Sequence):
            return Rows([self[i] for i in places])
        return super().__getitem__(places)

    def tolist(self) -> list[Any]:
        return list(self)


def asarray(x: Any) -> Any:
    """Return samples as Rows, a number as it is; raise ValueError for lists of unequal lengths."""
    shape(x)
    return Rows(map(nested, x)) if is_sequence(x) else x


def nested(x: Any) -> Any:
    return [nested(each) for each in x] if is_sequence(x) else x


def shape(x: Any) -> tuple[int, ...]:
    """Return the shape of numbers in lists; raise ValueError for lists of unequal lengths.

    >>> shape([[1.0, 2.0]]), shape(1.0)
    ((1, 2), ())
    """
    if not is_sequence(x):
        return ()
    inner = {shape(each) for each in x}
    if len(inner) > 1:
        raise ValueError("the lists have unequal lengths")
    return (len(x), *(inner.pop() if inner else ()))


def is_sequence(x: Any) -> bool:
    return isinstance(x, Iterable) and hasattr(x, "__len__") and not isinstance(x, UNORDERED)


def filled(size: Any, draw: Callable[[], float]) -> Any:
    """Return a number, or numbers in lists of that size.

    >>> filled((2, 3), lambda: 0.0)
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    if size is None or size == ():
        return draw()
    first, *rest = (size,) if isinstance(size, int) else size
    return [filled(tuple(rest), draw) for _ in range(first)]


def zeros(size: Any) -> Any:
    return filled(size, float)


def not_finite(x: Any) -> list[Any]:
    """Return the numbers in lists that are inf or nan; raise TypeError for anything else."""
    if is_sequence(x):
        return [bad for each in x for bad in not_finite(each)]
    if not (is_real(x) or is_bool(x)):
        raise TypeError(f"got {x!r}")
    return [] if abs(x) < math.inf else [x]  # an int may be too large for a float
