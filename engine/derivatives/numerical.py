"""Numerical derivatives and their errors, by extrapolated central differences."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

ROUNDS = 20  # step sizes for each scale
ORDERS = 5  # extrapolations of each
SHRINK = 4.0  # the ratio of successive step sizes
FINER = 3  # steps that an estimate needs below its own, to measure the noise of f
SAFETY = 10.0  # times the estimated error
SUFFICIENT = 1e-9  # the relative difference from the expected slope that needs no smaller steps

# Maps h to (f(x + h) - f(x - h)) / 2h, and the size of the values of f in it.
Quotient = Callable[[float], tuple[float, float]]


class Slope(NamedTuple):
    """A numerical derivative, and an estimate of its error."""

    value: float
    error: float

    def relative_error(self, analytic: float, tolerance: float) -> float:
        """Return |a - n| / (|a| + |n|), or less if the error of n explains the difference.

        The result exceeds `tolerance` if and only if |a - n| exceeds tolerance * (|a| + |n|) plus
        ten estimated errors of n. It is inf if only one of the two is finite, or either is nan.
        """
        if not (math.isfinite(analytic) and math.isfinite(self.value)):
            return 0.0 if analytic == self.value else math.inf
        difference, size = abs(analytic - self.value), abs(analytic) + abs(self.value)
        uncertainty = SAFETY * self.error / tolerance
        if difference <= tolerance * (size + uncertainty):
            size += uncertainty
        return difference / size if size else 0.0

    def resolves(self, analytic: float, digits: float = 1e-3) -> bool:
        """Return whether the error is small in comparison with an analytic derivative."""
        return SAFETY * self.error <= digits * abs(analytic)

    def __str__(self) -> str:
        return f"{self.value:.10g} ± {SAFETY * self.error:.1g}"


def estimate_slope(
    quotient: Quotient, scales: Sequence[float], expected: float = math.nan
) -> Slope:
    """Return the limit of a difference quotient for h -> 0, usually to 10 digits, and its error.

    The quotients for decreasing h, from an eighth of each scale on, are extrapolated to h = 0
    (Richardson's scheme; Ridders 1982, "Accurate computation of F'(x) and F'(x)F''(x)"). The error
    of an extrapolated value has two parts. Its truncation error is its distance from the values it
    was computed from. Its rounding error is the noise of f divided by h. The noise is the rounding
    error of f's last operation, or the largest deviation of f from this slope over smaller steps if
    that is larger: there f shows the rounding errors of all its operations, and kinks near x. The
    result is the value with the smallest error.

    The search ends early at a value that agrees with `expected` to nine digits.
    """
    samples: list[tuple[float, float]] = []  # steps and their quotients
    estimates: list[tuple[int, float, float, float]] = []  # sample, value, truncation, noise
    for scale in scales:
        row: list[float] = []
        h = scale / 8.0
        for _ in range(ROUNDS):
            raw, size = quotient(h)
            new, noise = [raw], size * 2.0**-53
            value, truncation = math.nan, math.inf
            for k, old in enumerate(row[:ORDERS]):
                new.append(new[k] + (new[k] - old) / (SHRINK ** (2 * (k + 1)) - 1.0))
                distance = max(abs(new[k + 1] - new[k]), abs(new[k + 1] - old))
                if distance < truncation:
                    value, truncation = new[k + 1], distance
            error = truncation + noise / h
            if abs(value - expected) + error <= SUFFICIENT * abs(expected):
                return Slope(value, error)
            estimates.append((len(samples), value, truncation, noise))
            samples.append((h, raw))
            row, h = new, h / SHRINK
            if expected == 0.0 and len(samples) == 8 and not any(raw for _, raw in samples):
                return Slope(0.0, error)
    best = Slope(math.nan, math.inf)
    for i, value, truncation, noise in estimates[:-FINER]:
        if truncation < best.error:
            deviations = [step * abs(raw - value) for step, raw in samples[i + 1 :]]
            noise = max([noise, *[x for x in deviations if x < math.inf]])
            error = truncation + noise / samples[i][0]
            best = min(best, Slope(value, error), key=lambda slope: slope.error)
    return best


def difference_quotient(f: Callable[[float], float], x: float) -> Quotient:
    """Return the difference quotient at x of f, a function of the distance from x."""

    def quotient(h: float) -> tuple[float, float]:
        upper, lower, width = f(h), f(-h), (x + h) - (x - h)
        if not 0.0 < width < math.inf:
            return math.nan, math.nan
        return (upper - lower) / width, abs(upper) + abs(lower)

    return quotient


def scales_of(x: float) -> list[float]:
    """Return the scales of steps from x: at least 1, and |x| if that is much smaller."""
    return [max(abs(x), 1.0), abs(x)][: 1 + (0.0 < abs(x) < 1e-4)]


def derivative(f: Callable[[float], float], x: float) -> float:
    """Return f'(x) from values of f; see `estimate_slope`.

    >>> round(derivative(math.sin, 0.0), 10)
    1.0
    """
    return estimate_slope(difference_quotient(lambda h: f(x + h), x), scales_of(x)).value
