"""Numerical derivatives, by extrapolated central differences."""

import math
from collections.abc import Callable
from typing import NamedTuple

ROUNDS = 20  # step sizes to try
ORDERS = 5  # extrapolations of each
SHRINK = 4.0  # the ratio of successive step sizes


class Slope(NamedTuple):
    """A numerical derivative, and an estimate of its error."""

    value: float
    error: float

    def differs_from(self, analytic: float, tolerance: float) -> bool:
        """Return whether an analytic derivative differs by more than both errors explain."""
        if not math.isfinite(analytic):
            return analytic != self.value
        size = abs(analytic) + abs(self.value)
        return not abs(analytic - self.value) <= tolerance * size + 10.0 * self.error


def estimate_slope(f: Callable[[float], float], x: float) -> Slope:
    """Return f'(x) from values of f, usually to 10 digits.

    Central differences (f(x + h) - f(x - h)) / 2h for decreasing h are extrapolated to h = 0
    (Richardson's scheme; Ridders 1982, "Accurate computation of F'(x) and F'(x)F''(x)"). The result
    is the entry of the scheme with the smallest estimated error: its distance from the entries it
    was computed from, plus the rounding error of f. This rounding error is derived from the largest
    value of f, because cancellation may make f small at x.
    """
    best, least, largest = math.nan, math.inf, 0.0
    row: list[float] = []
    h = max(abs(x), 1.0) / 8.0
    for _ in range(ROUNDS):
        above, below = x + h, x - h
        upper, lower = f(above), f(below)
        values = abs(upper) + abs(lower)
        largest = max(largest, values) if math.isfinite(values) else largest
        rounding = largest * 2.0**-53 / h
        new = [(upper - lower) / (above - below)]
        for k, old in enumerate(row[:ORDERS]):
            new.append(new[k] + (new[k] - old) / (SHRINK ** (2 * (k + 1)) - 1.0))
            error = max(abs(new[k + 1] - new[k]), abs(new[k + 1] - old)) + rounding
            if error < least:
                best, least = new[k + 1], error
        row, h = new, h / SHRINK
    return Slope(best, least)


def derivative(f: Callable[[float], float], x: float) -> float:
    """Return f'(x) from values of f; see `estimate_slope`.

    >>> round(derivative(math.sin, 0.0), 10)
    1.0
    """
    return estimate_slope(f, x).value
