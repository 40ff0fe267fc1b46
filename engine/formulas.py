"""Formulas that rows of the rule table share, in numerically accurate forms.

They obey the same restrictions as rows (see `engine.rules`): no `if` on a number and no `==`. They
therefore run in every arithmetic. An arithmetic may replace a `dispatched` formula by a function of
the same name: on nodes `sigmoid(x)` is one node, in printed mathematics it is σ(x).
"""

import math

from engine.arithmetic import *
from engine.arithmetic import dispatched

TWO_OVER_SQRT_PI = 2.0 / math.sqrt(math.pi)
ONE_OVER_SQRT_2PI = 1.0 / math.sqrt(2.0 * math.pi)
SQRT_HALF, SQRT_HALF_REST = math.sqrt(0.5), -4.833646656726457e-17  # together √½ to 107 bits


@dispatched
def square(x):
    return x * x


@dispatched
def equal(x, y):
    return (x <= y) & (x >= y)


@dispatched
def sign(x):
    return where(x > 0.0, 1.0, where(x < 0.0, -1.0, 0.0 * x))


@dispatched
def ceil(x):
    return -floor(-x)


@dispatched
def maximum(x, y):
    """Return the larger; nan if either is nan."""
    return where(x > y, x, where(x <= y, y, x + y))


@dispatched
def minimum(x, y):
    """Return the smaller; nan if either is nan."""
    return where(x < y, x, where(x >= y, y, x + y))


@dispatched
def tie_share(x, y):
    """Return the slope of maximum(x, y) for x: 1/2 at a tie."""
    return where(x > y, 1.0, where(x < y, 0.0, where(x <= y, 0.5, x + y)))


@dispatched
def relu(x):
    return where(x <= 0.0, 0.0, x)


@dispatched
def sigmoid(x):
    """Return 1 / (1 + exp(-x)), without overflow for negative x."""
    return divide(where(x < 0.0, exp(x), 1.0), 1.0 + exp(-abs(x)))


@dispatched
def difference(x, y):
    """Return x - y; 0 for equal infinities."""
    return where(equal(x, y) & (abs(x) >= math.inf), 0.0, x - y)


@dispatched
def finite_log_argument(x, y):
    """Return y, or 1 where x = 0 and log(y) is not finite, so that x * log(y) is 0 there."""
    return where(equal(x, 0.0) & ((y <= 0.0) | (y >= math.inf)), 1.0, y)


def high_half(x):
    """Return the upper 26 of a float's 53 bits (Veltkamp 1968): products of halves are exact."""
    scaled = 134217729.0 * x
    return scaled - (scaled - x)


def product_error(x, y):
    """Return the exact rounding error of x * y (Dekker 1971), or 0 if it is nan or large."""
    x_high, y_high = high_half(x), high_half(y)
    x_low, y_low = x - x_high, y - y_high
    error = x_low * y_low - (((x * y - x_high * y_high) - x_low * y_high) - x_high * y_low)
    return where(abs(error) < 1.0, error, 0.0)


@dispatched
def exp_product(x, y):
    """Return exp(x * y), corrected for the rounding error of the product."""
    return exp(x * y) * (1.0 + product_error(x, y))


@dispatched
def drop_large(x):
    """Return x, or 0 for |x| >= 1000, where its factor underflows: inf * 0 would be nan."""
    return where(abs(x) < 1e3, x, 0.0)


@dispatched
def drop_low(x):
    """Return x, or -0.0 for x < -1000, where its factor underflows."""
    return where(x < -1e3, -0.0, x)


@dispatched
def limit_to_400(x):
    """Return x, or 400 for |x| >= 400, where 1 / cosh² underflows: cosh overflows from 711 on."""
    return where(abs(x) >= 400.0, 400.0, x)


@dispatched
def hypot_slope(out, x):
    """Return x / out; 0 at the origin, and the sign of an infinite x."""
    return where(equal(out, 0.0), 0.0, where(abs(x) >= math.inf, sign(x), divide(x, out)))


@dispatched
def normal_pdf(x):
    return ONE_OVER_SQRT_2PI * exp_product(-0.5 * x, x)


@dispatched
def normal_cdf(x):
    """Return erfc(-x / √2) / 2, corrected for the rounding error of x / √2."""
    error = product_error(x, SQRT_HALF) + where(abs(x) < 40.0, x, 0.0) * SQRT_HALF_REST
    return 0.5 * erfc(-SQRT_HALF * x) + error * (0.5 * TWO_OVER_SQRT_PI) * exp(-0.5 * x * x)


@dispatched
def power_x(out, x, y):
    """Return y * x ** (y - 1), or y * out / x where y - 1 is inexact (|y| < 1/2); 0 for y = 0.

    For y = 0 the result is the product 0 * x ** -1 if that is finite, so that its derivative with
    respect to y is also correct: 1 / x.
    """
    usable = equal((y - 1.0) + 1.0, y) | equal(x, 0.0) | (abs(x) >= math.inf)
    before = power(x, y - 1.0)
    slope = y * before
    at_zero = where(abs(before) < math.inf, slope, 0.0)
    return where(equal(y, 0.0), at_zero, where(usable, slope, divide(y * out, x)))
