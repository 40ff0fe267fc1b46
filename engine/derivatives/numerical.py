"""Numerical derivatives and their errors, by extrapolated central differences."""

import math
from collections.abc import Callable
from typing import NamedTuple

ROUNDS = 20  # step sizes for each scale
ORDERS = 5  # extrapolations of each
SHRINK = 4.0  # the ratio of successive step sizes
FINER = 3  # steps that an estimate needs below its own, to measure the noise of f
ENOUGH = 8  # quotients, if rounding explains how each differs from the expected slope
NOISY = 1e-3  # the noise of f, relative to f, that makes its slope unknown
SAFETY = 10.0  # times the estimated error
NOTICEABLE = 1e3  # a difference of f, in rounding errors, that rounding does not explain
SUFFICIENT = 1e-9  # the relative difference from the expected slope that needs no smaller steps
SMALLEST = 5e-324  # the distance between subnormal numbers
ROUNDING = 2.0**-53  # the relative rounding error of a float

# Maps h to (f(x + h) - f(x - h)) / 2h, to |f(x + h) + f(x - h) - 2 f(x)| / h², and to the rounding
# errors of the values of f.
Differences = Callable[[float], tuple[float, float, float]]


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
        a, n = 0.5 * analytic, 0.5 * self.value  # halves, so that sums do not overflow
        error = 0.5 * SAFETY * self.error
        difference, size = abs(a - n), abs(a) + abs(n)
        if difference <= tolerance * size + error:
            size += error / tolerance
        return difference / size if size else 0.0

    def resolves(self, analytic: float, digits: float = 1e-3) -> bool:
        """Return whether the error is small in comparison with an analytic derivative."""
        return SAFETY * self.error <= digits * abs(analytic)

    def agrees(self, analytic: float) -> bool:
        """Return whether the error explains the difference from an analytic derivative."""
        return abs(analytic - self.value) <= SAFETY * self.error

    def __str__(self) -> str:
        return f"{self.value:.10g} ± {SAFETY * self.error:.1g}"


class Estimate(NamedTuple):
    """A difference quotient for a step h, and the value extrapolated from it and those before."""

    h: float
    quotient: float
    value: float
    truncation: float
    rounding: float  # of f in this step


def estimate_slope(differences: Differences, x: float, expected: float = math.nan) -> Slope:
    """Return the limit of a difference quotient at x, usually to 10 digits, and its error.

    The quotients for decreasing h are extrapolated to h = 0 (Richardson's scheme; Ridders 1982,
    "Accurate computation of F'(x) and F'(x)F''(x)"). The largest h is an eighth of |x| or of 1; for
    a tiny x, steps relative to x follow. The result is the value with the smallest error. The
    search ends early at a value that agrees with `expected` to nine digits, or if rounding explains
    how every quotient differs from it. A slope that overflows in all small steps is infinite; it
    is nan where f is not finite on both sides of x.
    """
    estimates: list[Estimate] = []
    curvature, explained = 0.0, expected == expected
    for scale in [max(abs(x), 1.0), abs(x)][: 1 + (1e-320 < abs(x) < 1e-4)]:
        row: list[float] = []
        h = scale / 8.0
        for i in range(ROUNDS):
            quotient, second, rounding = differences(h)
            rounding = max(SMALLEST, rounding)
            new, value, truncation = [quotient], math.nan, math.inf
            for k, old in enumerate(row[:ORDERS]):
                new.append(new[k] + (new[k] - old) / (SHRINK ** (2 * (k + 1)) - 1.0))
                distance = max(abs(new[k + 1] - new[k]), abs(new[k + 1] - old))
                if distance < truncation:
                    value, truncation = new[k + 1], distance
            error = truncation + rounding / h
            if abs(value - expected) + error <= SUFFICIENT * abs(expected) < math.inf:
                return Slope(value, error)
            estimates.append(Estimate(h, quotient, value, truncation, rounding))
            explained = explained and abs(quotient - expected) <= rounding / h < math.inf
            if explained and len(estimates) == ENOUGH:
                return Slope(estimates[0].quotient, estimates[0].rounding / estimates[0].h)
            if i < ROUNDS // 2 and second < math.inf:  # smaller steps show rounding errors only
                curvature = max(curvature, second - 16.0 * rounding / (h * h))
            row, h = new, max(h / SHRINK, SMALLEST)
    quotients = [e.quotient for e in estimates[-ROUNDS:] if not math.isnan(e.quotient)]
    if quotients and set(quotients) in ({math.inf}, {-math.inf}):
        return Slope(quotients[0], 0.0)
    return most_accurate(estimates, ROUNDING * abs(x) * curvature, expected)


def most_accurate(estimates: list[Estimate], error_of_x: float, expected: float) -> Slope:
    """Return the extrapolated value with the smallest error, which has several parts.

    - truncation: the distance from the values it was extrapolated from;
    - rounding of f, divided by h. This is the rounding error of the last operations, or the largest
      deviation of f from this slope in smaller steps if that is larger: there f shows the rounding
      errors of all its operations, and kinks near x;
    - rounding of x, times the second derivative of f;
    - the distance from values for smaller steps, if their own errors do not explain it; the largest
      is left out, because one value in twenty may be far off although its own errors seem small.

    The error is infinite if f shows only noise, as sin does at 1e17, where floats are 16 apart.

    If f has few digits, it is constant in small steps. The best value from steps in which f changes
    is then returned, without the last part, provided that it agrees with `expected`.
    """
    best = changing = unknown = Slope(math.nan, math.inf)
    for i, (h, quotient, value, truncation, rounding) in enumerate(estimates[:-FINER]):
        if truncation >= max(best.error, changing.error):
            continue
        noise, distances = rounding, [0.0, 0.0]
        for finer in estimates[i + 1 :]:
            if abs(finer.quotient) < math.inf:
                noise = max(noise, finer.h * abs(finer.quotient - value))
            if abs(finer.value - value) > SAFETY * (finer.truncation + finer.rounding / finer.h):
                distances.append(abs(finer.value - value))
        if noise > rounding * (NOISY * 2.0**53):  # the product in brackets cannot underflow
            unknown = Slope(value, math.inf)
            continue
        error = truncation + noise / h + error_of_x
        far = Slope(value, error + sorted(distances)[-2])
        best = min(best, far, key=lambda slope: slope.error)
        if quotient:
            changing = min(changing, Slope(value, error), key=lambda slope: slope.error)
    if changing.resolves(changing.value) and changing.agrees(expected):
        return changing
    return best if best.error < math.inf else unknown


def differences_of(f: Callable[[float], float], x: float, rounding: float = 0.0) -> Differences:
    """Return the differences at x of f, a function of the distance from x.

    `rounding` is the rounding error of intermediate results, which adds to that of f.
    """
    center = f(0.0)

    def differences(h: float) -> tuple[float, float, float]:
        upper, lower = f(h), f(-h)
        bend = (upper - center) - (center - lower)
        of_f = ROUNDING * abs(upper) + ROUNDING * abs(lower)  # abs(upper) + abs(lower) may overflow
        return divide_by_step(upper - lower, bend, of_f + rounding, x, h)

    return differences


def divide_by_step(
    first: float, second: float, rounding: float, x: float, h: float
) -> tuple[float, float, float]:
    """Return differences of f at x divided by the step h as rounded.

    The quotients are nan for a step of 0 or inf, where f is not finite, and where rounding explains
    a quotient that overflows.
    """
    width = (x + h) - (x - h)
    if not (0.0 < width < math.inf and abs(first) < math.inf):
        return math.nan, math.nan, math.nan
    quotient = first / width
    if abs(quotient) == math.inf and abs(first) <= NOTICEABLE * rounding:
        quotient = math.nan
    return quotient, abs(second) / (h * h) if h > 1e-150 else math.nan, rounding


def derivative(f: Callable[[float], float], x: float) -> float:
    """Return f'(x) from values of f; see `estimate_slope`.

    >>> round(derivative(math.sin, 0.0), 10)
    1.0
    """
    return estimate_slope(differences_of(lambda h: f(x + h), x), x).value
