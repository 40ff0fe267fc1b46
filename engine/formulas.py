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
    return where(x > y, 1.0, where(x < y, 0.0, where(x <= y, 0.5, math.nan)))


@dispatched
def relu(x):
    return where(x <= 0.0, 0.0, x)


@dispatched
def sigmoid(x):
    """Return 1 / (1 + exp(-x)), without overflow for negative x."""
    e = exp(-abs(x))
    return divide(where(x < 0.0, e, 1.0), 1.0 + e)


@dispatched
def sech_squared(x):
    return square(divide(1.0, cosh(x)))


@dispatched
def sigmoid_slope(x):
    """Return sigmoid(x) * sigmoid(-x), whose derivatives would cancel near 0."""
    return 0.25 * sech_squared(0.5 * x)


@dispatched
def one_minus_square(x):
    """Return 1 - x²; the textbook form cancels near 1."""
    return (1.0 - x) * (1.0 + x)


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


def exp_product(x, y):
    """Return exp(x * y), corrected for the rounding error of the product."""
    return exp(x * y) * (1.0 + product_error(x, y))


@dispatched
def gaussian(x):
    """Return exp(-x²)."""
    return exp_product(-x, x)


@dispatched
def drop_large(x):
    """Return x, or 0 for |x| >= 1000, where its factor underflows: inf * 0 would be nan."""
    return where(abs(x) < 1e3, x, 0.0)


@dispatched
def drop_low(x):
    """Return x, or -0.0 for x < -1000, where its factor underflows."""
    return where(x < -1e3, -0.0, x)


@dispatched
def one_over_one_plus_square(x):
    """Return 1 / (1 + x²), for |x| > 1 from 1 / x: x² and its powers would overflow."""
    inverse = divide(1.0, x)
    return where(abs(x) <= 1.0, divide(1.0, 1.0 + x * x), divide(inverse, x + inverse))


@dispatched
def direction_cosine(x, y):
    """Return x / √(x² + y²); 0 at the origin, and the sign of an infinite x."""
    distance = hypot(x, y)
    ratio = where(abs(x) >= math.inf, sign(x), divide(x, distance))
    return where(equal(distance, 0.0), 0.0, ratio)


@dispatched
def over_distance(c, x, y):
    """Return c / √(x² + y²); 0 at the origin."""
    distance = hypot(x, y)
    return divide(c, where(equal(distance, 0.0), math.inf, distance))


# The derivatives of hypot and atan2 are products of s = x / r and c = y / r, divided by powers of
# the distance r. Products that may be 0 come first: a quotient such as 1 / r may be infinite.


@dispatched
def cosine_slope(x, y):
    """Return y² / r³, the slope of x / r for x; 0 at the origin."""
    c = direction_cosine(y, x)
    return c * over_distance(c, x, y)


@dispatched
def cosine_cross_slope(x, y):
    """Return -x y / r³, the slope of x / r for y; 0 at the origin."""
    return -over_distance(direction_cosine(x, y) * direction_cosine(y, x), x, y)


@dispatched
def cosine_bend(x, y):
    """Return y (2 x² - y²) / r⁵, the slope of y² / r³ for y; 0 at the origin."""
    s, c = direction_cosine(x, y), direction_cosine(y, x)
    return over_distance(over_distance(c, x, y) * (2.0 * s * s - c * c), x, y)


@dispatched
def angle_slope(x, y):
    """Return y / (x² + y²), the slope of atan2(x, y) for x."""
    r = hypot(x, y)
    return where(abs(y) >= math.inf, divide(1.0, y), divide(divide(y, r), r))


@dispatched
def cos2_over_square(x, y):
    """Return cos(2θ) / r² for θ = atan2(x, y).

    It is (y - x) (y + x) / r⁴: a small y - x is exact, and a large one may overflow.
    """
    s, c, r = direction_cosine(x, y), direction_cosine(y, x), hypot(x, y)
    difference = where(abs(y - x) < math.inf, divide(y - x, r), c - s)
    total = where(abs(y + x) < math.inf, divide(y + x, r), c + s)
    return divide(divide(difference * total, r), r)


@dispatched
def sin2_over_square(x, y):
    """Return sin(2θ) / r² for θ = atan2(x, y)."""
    r = hypot(x, y)
    return divide(divide(2.0 * direction_cosine(x, y) * direction_cosine(y, x), r), r)


@dispatched
def cos3_over_cube(x, y):
    """Return cos(3θ) / r³ for θ = atan2(x, y); with x and y exchanged, it is -sin(3θ) / r³."""
    s, c, r = direction_cosine(x, y), direction_cosine(y, x), hypot(x, y)
    return divide(divide(divide(c * (c * c - 3.0 * s * s), r), r), r)


@dispatched
def normal_pdf(x):
    return ONE_OVER_SQRT_2PI * exp_product(-0.5 * x, x)


@dispatched
def normal_cdf(x):
    """Return erfc(-x / √2) / 2, corrected for the rounding error of x / √2."""
    error = product_error(x, SQRT_HALF) + where(abs(x) < 40.0, x, 0.0) * SQRT_HALF_REST
    return 0.5 * erfc(-SQRT_HALF * x) + error * (0.5 * TWO_OVER_SQRT_PI) * exp(-0.5 * x * x)


@dispatched
def quotient_slope(out, x, y):
    """Return x / y² for out = x / y. Nodes compute it from x and y alone."""
    return divide(out, y)


@dispatched
def over_square(x, y):
    return divide(divide(x, y), y)


@dispatched
def over_cube(x, y):
    return divide(over_square(x, y), y)


@dispatched
def scaled_power(c, x, y):
    """Return c * x ** y; 0 if a factor is 0, even where the other is infinite."""
    factor = power(x, y)
    return where(abs(c) <= 0.0, 0.0, where(abs(factor) <= 0.0, 0.0, c * factor))


@dispatched
def scaled_power_log(c, x, y):
    """Return c * x ** y * log(x); 0 where c * x ** y is 0."""
    out = scaled_power(c, x, y)
    return where(abs(out) <= 0.0, 0.0, out * log(x))


@dispatched
def scaled_power_log_square(c, x, y):
    """Return c * x ** y * log(x)²; 0 where c * x ** y is 0."""
    out = scaled_power_log(c, x, y)
    return where(abs(out) <= 0.0, 0.0, out * log(x))


@dispatched
def power_y(out, x, y):
    """Return out * log(x) for out = x ** y, 0 for out = 0. Nodes compute it from x and y alone."""
    return where(equal(out, 0.0), 0.0, out * log(x))


@dispatched
def power_x(out, x, y):
    """Return y * x ** (y - 1), or y * out / x where y - 1 is inexact (|y| < 1/2); 0 for y = 0."""
    usable = equal((y - 1.0) + 1.0, y) | equal(x + x, x)  # x is 0 or infinite
    return where(usable, scaled_power(y, x, y - 1.0), divide(y * out, x))
