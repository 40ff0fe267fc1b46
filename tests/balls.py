"""Ball arithmetic: exact numbers, and how far off them computed ones can be.

A tolerance is derived, not guessed: the computation is repeated on Balls, and each operation adds
to the bound what it can do to the error. It passes on the errors of its inputs and rounds its
result, to within a unit (2^-53 in float64, 2^-24 in float32) of its size: a running error analysis
(Higham 2002, Accuracy and Stability of Numerical Algorithms, 3.3). A sum of n products errs by at
most n units of the sum of the products' absolute values, in whatever order it is added up (there,
3.1): the bound is good for numbers one by one and for a matrix product.
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
    """With 120 bits: what exact numbers lack then is 2^-67 of what is bounded."""
    with mpmath.workprec(120), np.errstate(all="ignore"):
        yield


class Ball:
    """An array of exact numbers (mpmath's), each with a radius: the most that a computed one is off.

    Where a number may leave the range of the dtype, nothing is known from there on, and the radius
    is infinite. `size` is the largest absolute value in the ball.
    """

    def __init__(self, exact: Any, radius: Any, dtype: Any):
        info, absolute = np.finfo(dtype), np.asarray(abs(exact), float)
        known = absolute + radius <= float(info.max)
        self.exact, self.absolute = np.where(known, exact, mpf(0)), np.where(known, absolute, 0.0)
        self.radius, self.dtype = np.where(known, radius, np.inf), dtype
        self.size = self.absolute + self.radius
        self.unit = float(info.eps) / 2
        self.least = float(info.smallest_normal)  # a result below may be flushed to 0

    @classmethod
    def of(cls, x: Any, dtype: Any) -> "Ball":
        """Floats as they come out of a conversion to the dtype."""
        x = np.asarray(x, float)
        return cls(numbers(x), abs(x - x.astype(dtype)), dtype)

    def made(self, exact: Any, spread: Any, size: Any, roundings: int) -> "Ball":
        """A result that its inputs' errors move by `spread`, rounded so often where it has `size`."""
        spread, size = np.asarray(spread, float), np.asarray(size, float)
        some = (size > 0.0) | np.asarray(exact != 0, bool)  # a size may be too small for a float
        radius = spread + roundings * np.where(some, self.unit * size + self.least, 0.0)
        # n roundings are a factor of up to 1 / (1 - n u); and floats round the radius, here and above.
        return Ball(exact, radius * (1.0 + 2 * roundings * self.unit + 1e-12), self.dtype)

    def lift(self, x: Any) -> "Ball":
        """A constant is rounded when it is made, and again in its conversion to the dtype."""
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
        found = Ball(self.exact + other.exact, self.radius + other.radius, self.dtype)
        return self.made(found.exact, found.radius, found.size, 1)

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
        """f(x, *args) of each number, rounded to so many units of its size; or of `terms`, if larger.

        Where f is monotone, it is farthest from its value at the centre at an end of the ball. Where
        it is not, `turns` lists its turning points between two ends. Convex functions can do without:
        they rise by more towards one end than they fall inside. So can kinks and jumps: what f is on
        either side is what it is at the ends.

        The argument's error grows by two units for the constants that it may first be multiplied by.
        """

        def each(x: Any, radius: float, *args: Any) -> tuple[Any, Any, Any]:
            if radius == np.inf:
                return mpf(0), radius, radius
            out, off = f(x, *args), radius + 2 * self.unit * abs(x)
            others = (x - off, x + off, *turns(x - off, x + off)) if off else ()
            spread = max([abs(f(other, *args) - out) for other in others], default=mpf(0))
            return out, spread, max(abs(out) + spread, terms(x, *args))

        return self.made(
            *np.frompyfunc(each, 2 + len(args), 3)(self.exact, self.radius, *args), units
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
