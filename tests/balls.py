"""Ball arithmetic: exact numbers with bounds on the errors of computed ones.

Tolerances are derived, not guessed. The computation is repeated on Balls, and each operation updates
the bound: it propagates the errors of its inputs and adds the rounding of its result, at most one
unit (2^-53 in float64, 2^-24 in float32) of its size. This is a running error analysis (Higham 2002,
Accuracy and Stability of Numerical Algorithms, 3.3). The error of a sum of n products is at most n
units of the sum of their absolute values, in any order of summation (3.1 there), so the bound holds
for loops and for matrix products.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import mpmath
import numpy as np
from mpmath import mpf

numbers = np.frompyfunc(mpf, 1, 1)


@contextmanager
def exactly() -> Iterator[None]:
    """Compute with 120 bits, so that errors of exact numbers are 2^-67 of the bounds."""
    with mpmath.workprec(120), np.errstate(all="ignore"):
        yield


class Ball:
    """An array of exact numbers of mpmath, each with a radius, the largest error of a computed one.

    The radius of a number that may overflow the dtype is infinite. `size` is the largest absolute
    value in the ball.
    """

    def __init__(self, exact: Any, radius: Any, dtype: Any):
        info, absolute = np.finfo(dtype), np.asarray(abs(exact), float)
        known = absolute + radius <= float(info.max)
        self.exact, self.absolute = np.where(known, exact, mpf(0)), np.where(known, absolute, 0.0)
        self.radius, self.dtype = np.where(known, radius, np.inf), dtype
        self.size = self.absolute + self.radius
        self.unit = float(info.eps) / 2
        self.least = float(info.smallest_normal)  # a smaller result may be flushed to 0

    @classmethod
    def of(cls, x: Any, dtype: Any) -> "Ball":
        """Return floats as they are after a conversion to the dtype."""
        x = np.asarray(x, float)
        return cls(numbers(x), abs(x - x.astype(dtype)), dtype)

    def made(self, exact: Any, spread: Any, size: Any, roundings: int) -> "Ball":
        """Return a result with the error `spread` of its inputs, and `roundings` of its size."""
        spread, size = np.asarray(spread, float), np.asarray(size, float)
        some = (size > 0.0) | np.asarray(exact != 0, bool)  # a size may be too small for a float
        radius = spread + roundings * np.where(some, self.unit * size + self.least, 0.0)
        # n roundings are a factor of up to 1 / (1 - n u). Floats round the radius, here and above.
        return Ball(exact, radius * (1.0 + 2 * roundings * self.unit + 1e-12), self.dtype)

    def lift(self, x: Any) -> "Ball":
        """Return a constant as a Ball: it is rounded when it is made and when it is converted."""
        return x if isinstance(x, Ball) else Ball(x, 2 * self.unit * abs(float(x)), self.dtype)

    @property
    def T(self) -> "Ball":
        return Ball(self.exact.T, self.radius.T, self.dtype)

    def __getitem__(self, index: Any) -> "Ball":
        return Ball(self.exact[index], self.radius[index], self.dtype)

    def __neg__(self) -> "Ball":
        return Ball(-self.exact, self.radius, self.dtype)

    def __add__(self, other: Any) -> "Ball":
        other = self.lift(other)
        total = Ball(self.exact + other.exact, self.radius + other.radius, self.dtype)
        return self.made(total.exact, total.radius, total.size, 1)

    def __sub__(self, other: Any) -> "Ball":
        return self + -self.lift(other)

    def __mul__(self, other: Any) -> "Ball":
        other = self.lift(other)
        spread = self.radius * other.size + self.absolute * other.radius
        return self.made(self.exact * other.exact, spread, self.size * other.size, 1)

    def __matmul__(self, other: "Ball") -> "Ball":
        spread = self.radius @ other.size + self.absolute @ other.radius
        n = self.exact.shape[-1]
        return self.made(self.exact @ other.exact, spread, self.size @ other.size, n)

    def sum(self) -> "Ball":
        return self.made(self.exact.sum(), self.radius.sum(), self.size.sum(), self.exact.size)

    def image(
        self,
        f: Callable[..., Any],
        *args: Any,
        units: int,
        turns: Callable[[Any, Any], Iterable[Any]] = lambda low, high: (),
        terms: Callable[..., Any] = lambda *xs: 0,
    ) -> "Ball":
        """Return f(x, *args) of each number, rounded to `units` of its size, or of `terms` if larger.

        A monotone f is farthest from its value at the centre at an end of the ball. For other
        functions, `turns` returns the turning points between two ends. Convex functions need none,
        because they rise more towards one end than they fall inside. Kinks and jumps need none,
        because the values of f on both sides occur at the ends.

        The error of the argument grows by two units, for a constant that multiplies it first.
        """

        def bound(x: Any, radius: float, *args: Any) -> tuple[Any, Any, Any]:
            if radius == np.inf:
                return mpf(0), radius, radius
            out, off = f(x, *args), radius + 2 * self.unit * abs(x)
            others = (x - off, x + off, *turns(x - off, x + off)) if off else ()
            spread = max([abs(f(other, *args) - out) for other in others], default=mpf(0))
            return out, spread, max(abs(out) + spread, terms(x, *args))

        return self.made(
            *np.frompyfunc(bound, 2 + len(args), 3)(self.exact, self.radius, *args), units
        )

    def misses(self, got: Any) -> np.ndarray:
        """Return the errors of computed numbers in units of the radius: above 1, a number is wrong.

        Raises ValueError if the shapes differ.
        """
        got = np.asarray(got, float)
        if got.shape != self.radius.shape:
            raise ValueError(f"shape {got.shape} was computed, not {self.radius.shape}")
        with exactly():
            off = np.asarray(abs(numbers(got) - self.exact), float)
            return np.where(off == 0.0, 0.0, np.where(self.radius < np.inf, off / self.radius, 0.0))
