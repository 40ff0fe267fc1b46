"""Every row at orders 0 to 3, of Values and of Arrays that mix ordinary, extreme and kink elements."""

import functools
import itertools
import math

import mpmath
import numpy as np
import pytest
from mpmath import mpf

from engine import Array, Value, grad, hessian, logsumexp, softmax
from engine.arrays.rules import ARRAY_TABLE
from engine.rules import ELEMENTWISE, TABLE
from reference import ROWS

inf, nan = math.inf, math.nan
DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=lambda d: d.__name__)
BOUNDS = 8, 8, 16, 16  # by order: units of the dtype's eps, relative to the true derivative

# fmt: off
ORDINARY = [0.5, -0.625, 1.25, -3.0]
EXTREME = {
    np.float64: [1e-100, -1e-8, 30.0, -40.0, 250.0, -250.0, -700.0, 1e5, -1e100, 1e100],
    np.float32: [1e-30, -1e-4, 10.0, -40.0, 89.5, -250.0, 1e5, -1e12, 1e12],
}
# Their squares and cubes underflow, or overflow; the last tiny one is subnormal.
TINY = {np.float64: [1e-160, 1e-300, 5e-324], np.float32: [1e-20, 1e-38, 1e-45]}
HUGE = {np.float64: [1e155, 1e308], np.float32: [1e20, 3e38]}
KINKS = [0.0, -0.0, 1.0, -1.0]
PAIRS = [(0.0, 0.0), (0.0, 1.0), (0.0, 2.0), (0.0, 3.0), (0.0, 0.5), (0.0, -1.0), (2.0, 0.0), (2.0, 3.0), (3.0, 4.0),
         (-2.0, 3.0), (2.0, -1.5), (2.0, 0.3), (1e-5, 5.0), (800.0, 1.0), (-90.0, 2.0), (1e10, 2.0), (90.0, 0.25),
         (-2.0, 0.0), (-2.0, 1.0), (-2.0, 2.0), (0.0, 1e20), (2.0, -1e20),
         (inf, 0.0), (inf, 1.0), (inf, 2.0), (inf, -1.0), (inf, 0.5), (-inf, 2.0), (0.0, inf), (2.0, -inf)]
BESIDE = [0.0, 1.0, 2.0, 3.0, -1.0, 0.5]  # a tiny or huge number: integer exponents, zero numerators
TRIPLES = [(0.5, -1.0, 1.0), (-1.0, -1.0, 1.0), (1.0, -1.0, 1.0), (-3.0, -1.0, 1.0), (1e30, -1.0, 1.0), (0.0, 2.0, 1.0)]
# Where a row has a kink or a pole, or ends; elsewhere mpmath is the judge.
OF_ANGLES = ["hypot", "direction_cosine", "cosine_slope", "cosine_cross_slope", "angle_slope", "cos2_over_square", "sin2_over_square"]
POWERS = ["scaled_power", "scaled_power_log", "scaled_power_log_square"]
SINGULAR = {
    **dict.fromkeys(["abs", "relu", "squared_relu", "sign", "leaky_relu", "elu", "cbrt"], lambda x, *_: x == 0),
    **dict.fromkeys(["sqrt", "log", "log2", "log10"], lambda x, *_: x <= 0),
    **dict.fromkeys(["asin", "acos", "atanh"], lambda x: abs(x) >= 1),
    **dict.fromkeys(["maximum", "minimum"], lambda x, y: x == y),
    **dict.fromkeys(OF_ANGLES, lambda x, y: x == y == 0),
    **dict.fromkeys(["%", "//"], lambda x, y: y == 0 or not abs(x / y) < 2**20 or x % y == 0),
    **dict.fromkeys(["/", "over_square", "over_cube"], lambda x, y: y == 0), "**": lambda x, y: x == 0 or abs(y) > 2**20,
    **dict.fromkeys(POWERS, lambda c, x, y: x <= 0 or math.isinf(y)),
    "xlogy": lambda x, y: y <= 0 or y == inf, "log1p": lambda x: x <= -1, "acosh": lambda x: x <= 1,
    "atan2": lambda x, y: x == 0 and y <= 0,
    **dict.fromkeys(["normal_cdf", "normal_pdf"], lambda x: abs(x) == 1),  # a derivative cancels to 0
    "clip": lambda x, lo, hi: x in (lo, hi) or lo >= hi, "where": lambda condition, x, y: condition == 0,
}
# The slopes of other rows. Fewer of their derivatives are used.
ORDERS = {**dict.fromkeys(["direction_cosine", "angle_slope", "over_square", "gaussian", "normal_pdf", "scaled_power", "scaled_power_log"], 2),
          **dict.fromkeys(["over_cube", "cosine_slope", "cosine_cross_slope", "cos2_over_square", "sin2_over_square", "scaled_power_log_square"], 1)}
# fmt: on


def points(op, dtype):
    """The elements of the inputs, as floats that the dtype can represent."""
    extreme = [sign * x for x in (*TINY[dtype], *HUGE[dtype]) for sign in (1, -1)]
    unary = [(x,) for x in [*ORDINARY, *EXTREME[dtype], *KINKS, *extreme, inf, -inf]]
    mixed = [pair for x in extreme for y in BESIDE for pair in ((x, y), (y, x))]
    mixed += [(x, 2 * x) for x in TINY[dtype][:2]] + [(x, -2 * x) for x in TINY[dtype][:2]]
    threes = [triple for x in (*extreme, inf, -inf) for triple in ((x, -1.0, 1.0), (1.0, x, 2.0))]
    chosen = [unary, PAIRS + mixed, TRIPLES + threes][len(op.partials) - 1]
    if op.name == "**":  # derivatives of powers of 1 overflow if the square of the exponent does
        chosen = [(x, y) for x, y in chosen if not (abs(x) == 1 and abs(y) > 2**20)]
    if op.name in POWERS:
        chosen = [(c, x, y) for c, x, y in chosen if x >= 0]
    with np.errstate(over="ignore"):
        return [tuple(float(dtype(x)) for x in xs) for xs in chosen]


def derivatives(op, inputs, total=lambda y: y):
    """Return the derivatives by the indices of the inputs, each from the one before, in any order."""
    found = {(): op(*inputs)}
    for order in range(1, ORDERS.get(op.name, 3) + 1):
        for path in itertools.product(range(len(inputs)), repeat=order):
            y = total(found[path[:-1]])
            found[path] = grad(y, inputs[path[-1]], create_graph=True)
    return {path: node.data for path, node in found.items()}


def true_derivative(name, path, xs):
    """Return the derivative of the textbook slope in tests/reference.py; at inf, its limit."""
    if not any(map(math.isinf, xs)):
        return differentiate(name, path, tuple(map(mpf, xs)))
    far, farther = (
        differentiate(
            name, path, tuple(math.copysign(1, x) * big if math.isinf(x) else mpf(x) for x in xs)
        )
        for big in (mpf(10) ** 40, mpf(10) ** 80)
    )
    grows, falls = abs(farther) > 1.5 * abs(far), 1.5 * abs(farther) < abs(far)
    return mpmath.sign(farther) * mpmath.inf if grows else mpf(0) if falls else farther


@functools.cache
def differentiate(name, path, xs):
    if not path:
        return ROWS[name].formula(*xs)
    orders = [path[1:].count(i) for i in range(len(xs))]
    slope = ROWS[name].slopes[path[0]]
    step = mpmath.ldexp(min([mpf(1), *[abs(x) for x in xs if x]]), -100)

    def vary(i, args):
        if i == len(args):
            return slope(*args)
        f = lambda x: vary(i + 1, [*args[:i], x, *args[i + 1 :]])
        return mpmath.diff(f, args[i], orders[i], h=step) if orders[i] else f(args[i])

    sizes = [abs(x) for x in xs if x]
    with mpmath.workprec(400 + 2 * int(mpmath.log(max([mpf(1), *sizes]) / step, 2))):
        return vary(0, list(xs))


def error(got, want, dtype):
    """Return the relative error in eps. Errors below the smallest normal number count as 0.

    If the true derivative overflows, any result that is not finite is right: a derivative of a
    derivative that overflows may be inf - inf.
    """
    limits = np.finfo(dtype)
    if abs(want) > mpf(float(limits.max)):
        return inf if math.isfinite(got) else 0.0
    if not math.isfinite(got):
        return inf
    off = abs(mpf(got) - want)
    return (
        0.0
        if off <= float(limits.tiny)
        else float(off / max(abs(want), float(limits.tiny))) / float(limits.eps)
    )


def spread(name, path, xs, want):
    """Return how much a relative change of the inputs changes the derivative, relative to it.

    Near a zero of the derivative, the last bits of tanh(x), for example, change many of its bits.
    """
    change = mpmath.ldexp(1, -40)
    moved = [
        true_derivative(name, tuple(sorted(path)), [*xs[:i], float(x * (1 + change)), *xs[i + 1 :]])
        for i, x in enumerate(xs)
    ]
    return float(sum(abs(y - want) for y in moved) / change / abs(want)) if want else 0.0


def agree(x, value, dtype):
    """Return whether an element agrees with a Value; float32 in its sign, as infinite, or as nan.

    A Value that is beyond the range of float32 agrees with any number that is not finite.
    """
    limits = np.finfo(dtype)
    if float(limits.max) < abs(value) < inf:
        return not math.isfinite(x)
    if dtype is np.float32 and abs(value) < float(limits.tiny):
        return abs(x) <= float(limits.tiny)
    if math.isnan(x) or math.isnan(value):
        return math.isnan(x) and math.isnan(value)
    if dtype is np.float32:
        return np.sign(x) == np.sign(value) and math.isinf(x) == math.isinf(value)
    return x == value or abs(x - value) <= 1e-13 * abs(value) < inf


@DTYPES
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_orders_0_to_3(name, dtype):
    """Against mpmath; an element of an Array has the derivatives of a Value, at kinks as well."""
    op, at = TABLE[name], points(TABLE[name], dtype)
    arrays = derivatives(op, [Array(np.array(x, dtype)) for x in zip(*at, strict=True)], Array.sum)
    assert {x.dtype for x in arrays.values()} == {np.dtype(dtype)}
    arrays = {path: np.broadcast_to(x, len(at)).tolist() for path, x in arrays.items()}
    wrong = []
    for i, xs in enumerate(at):
        singular = SINGULAR.get(name, lambda *_: False)(*xs)
        values = derivatives(op, list(map(Value, xs))) if singular or dtype is np.float64 else {}
        if math.isnan(arrays[()][i]) or (values and math.isnan(values[()])):
            continue  # outside the domain
        for path, elements in arrays.items():
            x = elements[i]
            if values and not agree(x, values[path], dtype):
                wrong.append((xs, path, x, values[path]))
            if singular:
                continue
            want = true_derivative(name, tuple(sorted(path)), xs)
            if isinstance(want, mpmath.mpc):
                continue  # the slope of a power of a negative number for the exponent
            off, bound = error(x, want, dtype), BOUNDS[len(path)]
            if not off <= bound and not off <= bound + 2 * spread(name, path, xs, want):
                wrong.append((xs, path, x, mpmath.nstr(want, 17)))
    assert not wrong, "\n".join(map(str, ["inputs, derivative, got, expected", *wrong]))


@pytest.mark.parametrize(
    ("name", "xs", "second", "third"),
    [
        ("abs", (0.0,), 0.0, 0.0),
        ("sign", (0.0,), 0.0, 0.0),
        ("relu", (0.0,), 0.0, 0.0),
        ("elu", (0.0, 1.5), 1.5, 1.5),  # the slopes on the left
        ("leaky_relu", (0.0, 0.1), 0.0, 0.0),
        ("maximum", (2.0, 2.0), 0.0, 0.0),
        ("clip", (1.0, -1.0, 1.0), 0.0, 0.0),
        ("hypot", (0.0, 0.0), 0.0, 0.0),
        ("sqrt", (0.0,), -inf, inf),
        ("**", (0.0, 1.0), 0.0, 0.0),
        ("**", (0.0, 2.0), 2.0, 0.0),
        ("**", (0.0, 2.5), 0.0, inf),
        ("**", (0.0, 0.5), -inf, inf),
    ],
)
def test_higher_derivatives_at_kinks(name, xs, second, third):
    """They are those of the branch that the row's comment states, or the limits."""
    x, *others = map(Value, xs)
    y = grad(grad(TABLE[name](x, *others), x, create_graph=True), x, create_graph=True)
    assert (y.data, grad(y, x)) == (second, third)


def test_a_kink_beside_other_elements_does_not_spoil_the_last_pass():
    """The last of several derivatives is computed on data."""
    for f, at in [
        (lambda x: (x**2.5).sum(), [0.0, 2.0, 0.3]),
        (lambda x: x.elu(1.0).sum(), [-1.0, 800.0, 0.0]),
        (lambda x: x.hypot([0.0, 1.0, 2.0]).sum(), [0.0, 0.5, 3.0]),
        (lambda x: x.tanh().sum(), [0.5, 250.0, -1e5]),
    ]:
        x = Array(at)
        matrix = hessian(f(x), x)
        assert np.isfinite(matrix).all()
        assert (matrix == np.diag(np.diag(matrix))).all()


def test_tanh_far_out():
    x = Value(250.0)
    assert hessian(x.tanh(), x) == pytest.approx(-5.699661094e-217, rel=1e-8, abs=0)


# ------------------------------------------------------------------- rows over sequences and axes

LOGITS = [
    (0.0, 1.0, 2.0), (0.0, 0.0, 0.0), (1.0, 1.0, -3.0), (20.0, 0.0, -10.0), (0.0, 50.0, -50.0),
    (-30.0, 30.0, 0.0), (80.0, 0.0, -80.0), (3.0, -1000.0, 2.0), (-3.0, 1000.0, 2.0),
]  # fmt: skip
LABEL = np.array([[True, False, False]] * len(LOGITS))
OVER_SEQUENCES = {
    "softmax": (lambda xs: softmax(xs)[0], lambda x: x.softmax()[:, 0]),
    "logsumexp": (logsumexp, lambda x: x.logsumexp()),
    "cross_entropy": (
        lambda xs: TABLE["cross_entropy"](xs[0], xs[1:]),
        lambda x: ARRAY_TABLE["cross_entropy"](x, Y=LABEL),
    ),
    "uniform_cross_entropy": (TABLE["uniform_cross_entropy"], None),
}


def moments(name, path, xs):
    """Return a derivative as a polynomial in the shares p: dp[i]/dx[j] = p[i] (i == j) - p[i] p[j].

    A polynomial is a dict from exponents to coefficients. Also returns the sum of its terms' sizes.
    """
    with mpmath.workprec(3500):
        exps = [mpmath.exp(mpf(x)) for x in xs]
        total = sum(exps)
        if not path and name != "softmax":
            own = {"cross_entropy": mpf(xs[0]), "uniform_cross_entropy": mpmath.fsum(xs) / 3}
            return mpmath.log(total) - own.get(name, 0), 0
        unit = lambda i: tuple(int(i == k) for k in range(3))
        if name == "softmax":
            polynomial, rest = {unit(0): mpf(1)}, path
        else:
            polynomial, rest = {unit(path[0]): mpf(1)}, path[1:]
            minus = {"cross_entropy": mpf(path[0] == 0), "uniform_cross_entropy": mpf(1) / 3}
            polynomial[0, 0, 0] = -minus.get(name, mpf(0))
        for j in rest:
            slope = dict.fromkeys(polynomial, mpf(0))
            for powers, c in polynomial.items():
                larger = tuple(n + (k == j) for k, n in enumerate(powers))
                slope[powers] = slope.get(powers, 0) + c * powers[j]
                slope[larger] = slope.get(larger, 0) - c * sum(powers)
            polynomial = slope
        shares = [e / total for e in exps]
        terms = [
            c * mpmath.fprod(p**n for p, n in zip(shares, powers, strict=True))
            for powers, c in polynomial.items()
        ]
        return sum(terms), sum(map(abs, terms))


@pytest.mark.parametrize(
    ("name", "dtype"),
    [(name, np.float64) for name in OVER_SEQUENCES]
    + [(name, np.float32) for name, (_, of_arrays) in OVER_SEQUENCES.items() if of_arrays],
)
def test_orders_0_to_3_over_sequences(name, dtype):
    """Relative to the size of the terms of the textbook's derivative, which may cancel."""
    of_values, of_arrays = OVER_SEQUENCES[name]
    results = {}
    if of_arrays is not None:
        x = Array(np.array(LOGITS, dtype))
        results = {(): of_arrays(x)}
        for path in PATHS:
            results[path] = grad(results[path[:-1]].sum(), x, create_graph=True)[:, path[-1]]
        assert {y.dtype for y in results.values()} == {np.dtype(dtype)}
    for i, xs in enumerate(LOGITS):
        values = {}
        if dtype is np.float64:
            inputs = list(map(Value, xs))
            values = {(): of_values(inputs)}
            for path in PATHS:
                values[path] = grad(values[path[:-1]], inputs[path[-1]], create_graph=True)
        for path in [(), *PATHS]:
            want, size = moments(name, path, xs)
            got = [y[path].data for y in (values,) if y] + [
                float(y[path].data[i]) for y in (results,) if y
            ]
            for each in got:
                off = abs(mpf(each) - want)
                limits = np.finfo(dtype)
                bound = BOUNDS[len(path)] * float(limits.eps) * max(abs(want), size) + float(
                    limits.tiny
                )
                assert off <= bound, (xs, path, each, mpmath.nstr(want, 17))


PATHS = [p for n in (1, 2, 3) for p in itertools.combinations_with_replacement(range(3), n)]
