"""Reference formulas, slopes and domains of every row in mpmath, independent of the engine."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import mpmath
from hypothesis import strategies as st
from mpmath import mpf

BITS = 1200  # enough to resolve 1 - tanh(x)**2 at x = 350
mpmath.mp.prec = BITS


class Row(NamedTuple):
    formula: Callable[..., Any]
    slopes: tuple[Callable[..., Any], ...]
    domain: tuple[Any, ...]  # one strategy per input
    ulps: tuple[float, ...]  # bounds: of the result, then of each slope
    terms: Callable[..., Any] | None = None  # where a slope's terms cancel: their size


def magnitudes(low: float, high: float) -> Any:
    """Return a strategy for floats between two positive bounds, uniform in the exponent."""
    exponents = st.floats(math.log2(low), math.log2(high)).map(lambda e: 2.0**e)
    return st.one_of(exponents, st.floats(low, high))


def both_signs(low: float, high: float) -> Any:
    size = magnitudes(low, high)
    return st.one_of(st.just(0.0), st.just(-0.0), size, size.map(lambda x: -x))


TINY, HUGE = 5e-324, 1.7e308
any_size = both_signs(TINY, HUGE)
positive = magnitudes(TINY, HUGE)
exponent = both_signs(1e-300, 745.0)
angle = both_signs(TINY, 1e6)
unit = st.one_of(
    both_signs(TINY, 1.0),
    magnitudes(1e-16, 1.0).flatmap(lambda gap: st.sampled_from([1.0 - gap, gap - 1.0])),
)
above_one = magnitudes(1e-16, HUGE).map(lambda x: 1.0 + x)
above_minus_one = st.one_of(
    any_size.filter(lambda x: x > -1.0), magnitudes(1e-16, 1.0).map(lambda x: x - 1.0)
)
moderate = both_signs(1e-150, 1e150)
steep = both_signs(1e-3, 1.0), magnitudes(2.5, 1e3)  # points of angles at which no terms cancel
quotient = st.one_of(magnitudes(1e-75, 1e75), magnitudes(1e-75, 1e75).map(lambda x: -x))


def sign(x):
    return mpmath.sign(x)


def sigmoid(x):
    return 1 / (1 + mpmath.exp(-x))


def cbrt(x):
    return sign(x) * mpmath.root(abs(x), 3)


def density(x):
    return mpmath.exp(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi)


def erfc(x):
    """Return erfc(x), without its part below 10^(-4 · 10^11), which mpmath refuses to compute."""
    return mpmath.erfc(x) if abs(x) < 10**6 else 1 - sign(x)


def cdf(x):
    return erfc(-x / mpmath.sqrt(2)) / 2


def inverse(f):
    """Return 1 / f, infinite where f is 0."""
    return lambda *xs: mpmath.inf if f(*xs) == 0 else 1 / f(*xs)


def power(x, y):
    if x == 0:
        return mpf(1) if y == 0 else mpf(0) if y > 0 else mpmath.inf
    return x**y


def power_x(x, y):
    return mpf(0) if y == 0 else y * power(x, y - 1)


def power_y(x, y):
    if x == 0:
        return mpf(0) if y > 0 else -mpmath.inf
    return x**y * mpmath.log(x)


def bend(x, y):
    return y * (2 * x * x - y * y) / mpmath.hypot(x, y) ** 5


def cos3(x, y):
    return y * (y * y - 3 * x * x) / mpmath.hypot(x, y) ** 6


one = lambda *xs: mpf(1)
zero = lambda *xs: mpf(0)
when = lambda condition: lambda *xs: mpf(1) if condition(*xs) else mpf(0)
share = lambda larger: lambda x, y: mpf("0.5") if x == y else mpf(int(larger(x, y)))
exp, log, sqrt = mpmath.exp, mpmath.log, mpmath.sqrt

# fmt: off
ROWS = {
    "+":       Row(lambda x, y: x + y, (one, one), (moderate, moderate), (0.5, 0, 0)),
    "-":       Row(lambda x, y: x - y, (one, lambda x, y: mpf(-1)), (moderate, moderate), (0.5, 0, 0)),
    "*":       Row(lambda x, y: x * y, (lambda x, y: y, lambda x, y: x), (moderate, moderate), (0.5, 0, 0)),
    "/":       Row(lambda x, y: x / y, (lambda x, y: 1 / y, lambda x, y: -x / y**2), (moderate, magnitudes(1e-75, 1e75)), (0.5, 0.5, 1.5)),
    "**":      Row(power, (power_x, power_y), (magnitudes(1e-300, 1e300), both_signs(1e-3, 50.0)), (1, 4, 4)),
    "%":       Row(lambda x, y: x - y * mpmath.floor(x / y), (one, lambda x, y: -mpmath.floor(x / y)), (both_signs(1e-75, 1e75), quotient), (1, 0, 1)),
    "//":      Row(lambda x, y: mpmath.floor(x / y), (zero, zero), (both_signs(1e-75, 1e75), quotient), (1, 0, 0)),
    "neg":     Row(lambda x: -x, (lambda x: mpf(-1),), (any_size,), (0, 0)),
    "abs":     Row(abs, (sign,), (any_size,), (0, 0)),
    "exp":     Row(exp, (exp,), (exponent,), (1, 1)),
    "exp2":    Row(lambda x: mpf(2)**x, (lambda x: mpf(2)**x * log(2),), (both_signs(TINY, 1023.0),), (1, 2)),
    "expm1":   Row(mpmath.expm1, (exp,), (exponent,), (1, 1)),
    "log":     Row(log, (lambda x: 1 / x,), (positive,), (1, 0.5)),
    "log2":    Row(lambda x: log(x, 2), (lambda x: 1 / (x * log(2)),), (positive,), (1, 1.5)),
    "log10":   Row(mpmath.log10, (lambda x: 1 / (x * log(10)),), (positive,), (2, 2)),
    "log1p":   Row(mpmath.log1p, (lambda x: 1 / (1 + x),), (above_minus_one,), (1, 1.5)),
    "sqrt":    Row(sqrt, (inverse(lambda x: 2 * sqrt(x)),), (st.one_of(positive, st.just(0.0)),), (0.5, 1.5)),
    "cbrt":    Row(cbrt, (inverse(lambda x: 3 * cbrt(x)**2),), (any_size,), (4, 9)),
    "square":  Row(lambda x: x * x, (lambda x: 2 * x,), (moderate,), (0.5, 0)),
    "sin":     Row(mpmath.sin, (mpmath.cos,), (angle,), (1, 1)),
    "cos":     Row(mpmath.cos, (lambda x: -mpmath.sin(x),), (angle,), (1, 1)),
    "tan":     Row(mpmath.tan, (lambda x: 1 + mpmath.tan(x)**2,), (angle,), (1, 3)),
    "asin":    Row(mpmath.asin, (inverse(lambda x: sqrt(1 - x * x)),), (unit,), (1, 3)),
    "acos":    Row(mpmath.acos, (lambda x: -inverse(lambda x: sqrt(1 - x * x))(x),), (unit,), (1, 3)),
    "atan":    Row(mpmath.atan, (lambda x: 1 / (1 + x * x),), (any_size,), (1, 2)),
    "sinh":    Row(mpmath.sinh, (mpmath.cosh,), (exponent,), (2, 2)),
    "cosh":    Row(mpmath.cosh, (mpmath.sinh,), (exponent,), (2, 2)),
    "tanh":    Row(mpmath.tanh, (lambda x: 1 / mpmath.cosh(x)**2,), (exponent,), (2, 6)),
    "asinh":   Row(mpmath.asinh, (lambda x: 1 / sqrt(1 + x * x),), (any_size,), (2, 2)),
    "acosh":   Row(mpmath.acosh, (inverse(lambda x: sqrt(x * x - 1)),), (above_one,), (2, 3)),
    "atanh":   Row(mpmath.atanh, (lambda x: 1 / (1 - x * x),), (unit.filter(lambda x: abs(x) < 1),), (2, 3)),
    "xlogy":   Row(lambda x, y: x * log(y), (lambda x, y: log(y), lambda x, y: x / y), (moderate, magnitudes(1e-150, 1e150)), (2, 1, 0.5)),
    "logaddexp": Row(lambda x, y: log(exp(x) + exp(y)), (lambda x, y: sigmoid(x - y), lambda x, y: sigmoid(y - x)), (magnitudes(1e-3, 16.0), magnitudes(1e-3, 16.0)), (2, 12, 12)),
    "atan2":   Row(mpmath.atan2, (lambda x, y: y / (x * x + y * y), lambda x, y: -x / (x * x + y * y)), (moderate, magnitudes(1e-150, 1e150)), (1, 4, 4)),
    "hypot":   Row(mpmath.hypot, (lambda x, y: x / mpmath.hypot(x, y), lambda x, y: y / mpmath.hypot(x, y)), (moderate, magnitudes(1e-150, 1e150)), (1, 2, 2)),
    "erf":     Row(mpmath.erf, (lambda x: 2 / sqrt(mpmath.pi) * exp(-x * x),), (both_signs(TINY, 27.0),), (1, 3)),
    "erfc":    Row(erfc, (lambda x: -2 / sqrt(mpmath.pi) * exp(-x * x),), (both_signs(TINY, 26.0),), (4, 3)),
    "normal_cdf":  Row(cdf, (density,), (both_signs(TINY, 37.0),), (6, 3)),
    "sech_squared":     Row(lambda x: 1 / mpmath.cosh(x)**2, (lambda x: -2 * mpmath.tanh(x) / mpmath.cosh(x)**2,), (exponent,), (6, 9)),
    "one_minus_square": Row(lambda x: 1 - x * x, (lambda x: -2 * x,), (unit,), (2, 0)),
    "direction_cosine": Row(lambda x, y: x / mpmath.hypot(x, y), (lambda x, y: y * y / mpmath.hypot(x, y)**3, lambda x, y: -x * y / mpmath.hypot(x, y)**3), (moderate, magnitudes(1e-150, 1e150)), (2, 6, 6)),
    "gaussian":     Row(lambda x: exp(-x * x), (lambda x: -2 * x * exp(-x * x),), (both_signs(TINY, 26.0),), (2, 4)),
    "normal_pdf":   Row(density, (lambda x: -x * density(x),), (both_signs(TINY, 37.0),), (3, 4)),
    "over_square":  Row(lambda x, y: x / y**2, (lambda x, y: 1 / y**2, lambda x, y: -2 * x / y**3), (both_signs(1e-50, 1e50), quotient), (1.5, 1.5, 4)),
    "over_cube":    Row(lambda x, y: x / y**3, (lambda x, y: 1 / y**3, lambda x, y: -3 * x / y**4), (both_signs(1e-50, 1e50), magnitudes(1e-50, 1e50)), (2.5, 2.5, 5)),
    "scaled_power": Row(lambda c, x, y: c * power(x, y), (lambda c, x, y: power(x, y), lambda c, x, y: c * y * power(x, y - 1), lambda c, x, y: c * power_y(x, y)), (both_signs(1e-3, 1e3), magnitudes(1e-2, 1e2), both_signs(1e-3, 4.0)), (2, 1, 20, 5)),
    "scaled_power_log": Row(lambda c, x, y: c * power_y(x, y), (lambda c, x, y: power_y(x, y), lambda c, x, y: c * x**(y - 1) * (1 + y * log(x)), lambda c, x, y: c * power_y(x, y) * log(x)), (both_signs(1e-3, 1e3), magnitudes(1.1, 1e2), magnitudes(1e-3, 4.0)), (4, 3, 20, 6)),
    "scaled_power_log_square": Row(lambda c, x, y: c * power_y(x, y) * log(x), (lambda c, x, y: power_y(x, y) * log(x), lambda c, x, y: c * x**(y - 1) * log(x) * (2 + y * log(x)), lambda c, x, y: c * power_y(x, y) * log(x)**2), (both_signs(1e-3, 1e3), magnitudes(1.1, 1e2), magnitudes(1e-3, 4.0)), (6, 5, 24, 8)),
    "cosine_slope": Row(lambda x, y: y**2 / mpmath.hypot(x, y)**3, (lambda x, y: -3 * x * y**2 / mpmath.hypot(x, y)**5, bend), steep, (6, 12, 12)),
    "cosine_cross_slope": Row(lambda x, y: -x * y / mpmath.hypot(x, y)**3, (bend, lambda x, y: bend(y, x)), steep, (6, 12, 12)),
    "angle_slope":  Row(lambda x, y: y / (x * x + y * y), (lambda x, y: -2 * x * y / (x * x + y * y)**2, lambda x, y: (x * x - y * y) / (x * x + y * y)**2), steep, (4, 8, 8)),
    "cos2_over_square": Row(lambda x, y: (y * y - x * x) / (x * x + y * y)**2, (lambda x, y: 2 * cos3(y, x), lambda x, y: -2 * cos3(x, y)), steep, (8, 12, 12), terms=lambda x, y: mpmath.hypot(x, y)**-3),
    "sin2_over_square": Row(lambda x, y: 2 * x * y / (x * x + y * y)**2, (lambda x, y: 2 * cos3(x, y), lambda x, y: 2 * cos3(y, x)), steep, (8, 12, 12), terms=lambda x, y: mpmath.hypot(x, y)**-3),
    "sigmoid": Row(sigmoid, (lambda x: sigmoid(x) * sigmoid(-x),), (exponent,), (3, 6)),
    "softplus": Row(lambda x: mpmath.log1p(exp(x)), (sigmoid,), (exponent,), (3, 3)),
    "silu":    Row(lambda x: x * sigmoid(x), (lambda x: sigmoid(x) * (1 + x * sigmoid(-x)),), (exponent,), (3, 5), lambda x: sigmoid(x) * (1 + abs(x) * sigmoid(-x))),
    "gelu":    Row(lambda x: x * cdf(x), (lambda x: cdf(x) + x * density(x),), (both_signs(TINY, 37.0),), (4, 6), lambda x: cdf(x) + abs(x) * density(x)),
    "relu":    Row(lambda x: max(x, mpf(0)), (when(lambda x: x > 0),), (any_size,), (0, 0)),
    "squared_relu": Row(lambda x: max(x, mpf(0))**2, (lambda x: 2 * max(x, mpf(0)),), (moderate,), (0.5, 0)),
    "leaky_relu": Row(lambda x, a: x if x > 0 else a * x, (lambda x, a: mpf(1) if x > 0 else a, lambda x, a: mpf(0) if x > 0 else x), (moderate, moderate), (0.5, 0, 0)),
    "elu":     Row(lambda x, a: x if x > 0 else a * mpmath.expm1(x), (lambda x, a: mpf(1) if x > 0 else a * exp(x), lambda x, a: mpf(0) if x > 0 else mpmath.expm1(x)), (exponent, both_signs(1e-3, 1e3)), (2, 2, 1)),
    "floor":   Row(mpmath.floor, (zero,), (any_size,), (0, 0)),
    "ceil":    Row(mpmath.ceil, (zero,), (any_size,), (0, 0)),
    "round":   Row(mpmath.nint, (zero,), (any_size,), (0, 0)),
    "sign":    Row(sign, (zero,), (any_size,), (0, 0)),
    "maximum": Row(max, (share(lambda x, y: x > y), share(lambda x, y: y > x)), (any_size, any_size), (0, 0, 0)),
    "minimum": Row(min, (share(lambda x, y: x < y), share(lambda x, y: y < x)), (any_size, any_size), (0, 0, 0)),
    "clip":    Row(lambda x, lo, hi: min(max(x, lo), hi), (when(lambda x, lo, hi: lo <= x <= hi), when(lambda x, lo, hi: x < lo), when(lambda x, lo, hi: x > hi)), (any_size, both_signs(TINY, 1.0).map(lambda x: x - 1.0), both_signs(TINY, 1.0).map(lambda x: x + 1.0)), (0, 0, 0, 0)),
    "where":   Row(lambda c, x, y: x if c else y, (zero, when(lambda c, x, y: c), when(lambda c, x, y: not c)), (st.sampled_from([0.0, 1.0, -2.0]), any_size, any_size), (0, 0, 0, 0)),
}
# fmt: on


def ulps(got: float, want: Any, terms: Any = 0) -> float:
    """Return a float's error in units in the last place of the true value.

    If the value is a sum whose terms cancel, the unit is that of the terms' size, if larger.

    A true value outside the range of floats counts as inf. Below the smallest normal number
    (2.2e-308) the unit is that of this number, because a result may be flushed to 0.
    """
    if mpmath.isnan(want):
        return 0.0 if math.isnan(got) else math.inf
    if math.isnan(got):
        return math.inf
    try:
        nearest = float(want)
    except OverflowError:
        nearest = math.copysign(math.inf, want)
    if got == nearest:
        return abs(float((mpf(got) - want) / math.ulp(got))) if math.isfinite(got) else 0.0
    if math.isinf(got):  # rounded up across the end of the range
        return float(abs(abs(want) - mpf(2) ** 1024) / mpf(2) ** 971)
    if math.isinf(nearest):
        return float(abs(abs(mpf(got)) - mpf(2) ** 1024) / mpf(2) ** 971)
    error = abs(mpf(got) - want)
    if error < mpf(2) ** -1022:
        return 0.0
    return float(error / math.ulp(max(abs(nearest), float(terms))))
