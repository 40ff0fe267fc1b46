"""Rows printed as JavaScript compute the same numbers as in Python."""

import math
import random
import struct

import mpmath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import arithmetic
from engine.draw.page.javascript import RUNTIME, print_row
from engine.rules import ELEMENTWISE, TABLE, Op, flatten
from erf_coefficients import chebyshev_coefficients, taylor_coefficients
from javascript import javascript
from strategies import batches, examples

SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, math.inf, -math.inf, math.nan, 5e-324, 1.7e308, 745.0)
EXACT = ("+", "-", "*", "/", "%", "//", "neg", "abs", "square", "relu", "leaky_relu", "maximum",
         "minimum", "clip", "where", "floor", "ceil", "round", "isnan", "sign", "one_minus_square",
         "total", "dot", "sqrt")  # fmt: skip
ULPS = 4
MORE_ULPS = {  # the slopes multiply several results of hypot, or logarithms
    "direction_cosine": 8, "angle_slope": 8, "scaled_power_log": 8, "scaled_power_log_square": 8,
    **dict.fromkeys(["cosine_slope", "cosine_cross_slope"], 16),
    **dict.fromkeys(["cos2_over_square", "sin2_over_square"], 24),
}  # fmt: skip
TERMS = {  # the size of the terms that cancel in the result or in the slopes, where they may
    "silu": lambda x: 1.0, "gelu": lambda x: 1.0,
    **dict.fromkeys(
        ["logsumexp", "uniform_cross_entropy", "cross_entropy"],
        lambda *xs: max([1.0, *[abs(x) for x in xs if math.isfinite(x)]]),
    ),
}  # fmt: skip
floats = st.floats() | st.sampled_from(SPECIAL) | st.floats(-10.0, 10.0)


@pytest.fixture(scope="module")
def evaluate():
    with javascript() as evaluate:
        yield evaluate


def ulps(a, b):
    """Return the number of floats between two floats; 0 for equal ones, and for two nans."""
    if a == b or (a != a and b != b):
        return 0
    if not (math.isfinite(a) and math.isfinite(b)):
        return math.inf
    i, j = (struct.unpack("<q", struct.pack("<d", abs(x)))[0] for x in (a, b))
    return abs(i - j) if math.copysign(1, a) == math.copysign(1, b) else i + j


def same_bits(a, b):
    return (a != a and b != b) or (a == b and math.copysign(1, a) == math.copysign(1, b))


def compare(evaluate, op, points):
    """Check a row's results and slopes at points, the slopes from Python's results."""
    n = len(points[0])
    code = print_row(op, n)
    expected = []
    for x in points:
        args = op.unflatten(x)
        out = op.forward(*args)
        expected.append(([*flatten([out])], [*flatten(op.locals(out, *args))]))
    outs = evaluate(f"({code}).forward", [[x] for x in points])
    arguments = [[out, x] for x, (out, _) in zip(points, expected, strict=True)]
    slopes = evaluate(f"({code}).slopes", arguments)
    for x, (out, locals), js_out, js_slopes in zip(points, expected, outs, slopes, strict=True):
        terms = TERMS[op.name](*x) if op.name in TERMS else 0.0
        for a, b in zip([*js_out, *js_slopes], [*out, *locals], strict=True):
            right = same_bits(a, b) if op.name in EXACT else is_close(a, b, op.name, terms)
            assert right, (op.name, x, a, b, ulps(a, b))


def is_close(a, b, name, terms):
    """Return whether two results agree to some ulps of their size, or of the terms' size."""
    if ulps(a, b) <= MORE_ULPS.get(name, ULPS):
        return True
    return math.isfinite(terms) and abs(a - b) <= ULPS * math.ulp(terms)


WITH_SEVERAL_RESULTS = ["softmax", "rms_norm", "layer_norm"]
ROW_NAMES = [name for name in TABLE if name not in WITH_SEVERAL_RESULTS]


@pytest.mark.parametrize("name", ROW_NAMES)
def test_rows_compute_the_same_numbers(name, evaluate):
    """At any floats, at kinks, infinities and nan."""
    op = TABLE[name]
    sizes = [op.arity] if name in ELEMENTWISE else [3, 5, 9] if name == "dot" else [1, 2, 5]

    @examples(8)
    @given(st.data())
    def check(data):
        for n in sizes:
            points = data.draw(batches(*[floats] * n, size=20), label="points")
            compare(evaluate, op, [[*x] for x in points])

    check()


@pytest.mark.parametrize("name", ROW_NAMES)
def test_rows_at_many_points(name, evaluate):
    op, rng = TABLE[name], random.Random(name)
    n = op.arity if name in ELEMENTWISE else 5
    compare(evaluate, op, [[draw_float(rng) for _ in range(n)] for _ in range(1000)])


def draw_float(rng):
    """Return a special number, an ordinary one, one of any size, or any bits."""
    bits = struct.unpack("<d", struct.pack("<Q", rng.getrandbits(64)))[0]
    size = rng.choice((-1.0, 1.0)) * 2.0 ** rng.uniform(-60, 60)
    ordinary = rng.uniform(-10, 10), rng.uniform(-800, 800), 1.0 + 2.0 ** rng.uniform(-50, 0)
    return rng.choice((rng.choice(SPECIAL), *ordinary, size, bits))


@pytest.mark.parametrize("name", WITH_SEVERAL_RESULTS)
@examples(10)
@given(xs=st.lists(st.floats(-800.0, 800.0), min_size=2, max_size=6), data=st.data())
def test_rows_with_several_results_and_their_pullbacks(evaluate, name, xs, data):
    op = TABLE[name]
    if name != "softmax":
        xs[-1] = 1.0 + abs(xs[-1])  # eps
    code, outs = print_row(op, len(xs)), op.forward(*op.unflatten(xs))
    gs = data.draw(st.lists(st.floats(-5.0, 5.0), min_size=len(outs), max_size=len(outs)))
    assert_close(evaluate(f"({code}).forward", [[xs]])[0], outs, 1.0)
    pulled = evaluate(f"({code}).pullback", [[gs, outs, xs]])[0]
    assert_close(pulled, op._pull_back(gs, outs, xs), max(map(abs, gs)))


def assert_close(xs, ys, size):
    for x, y in zip(xs, ys, strict=True):
        assert ulps(x, y) <= ULPS or abs(x - y) <= ULPS * math.ulp(size), (x, y)


@pytest.mark.parametrize("name", arithmetic.__all__)
def test_every_function_of_the_arithmetic_exists(name, evaluate):
    """Those that the language does not write as operators are in the runtime."""
    if name not in ("divide", "where"):
        assert evaluate(f"(x) => [typeof {name} === 'function' ? 1 : 0]", [[[0.0]]]) == [[1.0]]


def test_a_row_of_the_user(evaluate):
    swish = Op(
        "swish", lambda x, beta: x * arithmetic.divide(1.0, 1.0 + arithmetic.exp(-beta * x)),
        lambda out, x, beta: arithmetic.divide(out, x), lambda out, x, beta: x * out,
    )  # fmt: skip
    compare(evaluate, swish, [[0.5, 2.0], [-3.0, 0.1]])


def test_a_number_as_condition(evaluate):
    """nan is true in Python."""
    choose = Op("choose", lambda c: arithmetic.where(c, 1.0, 2.0), lambda out, c: 0.0 * c)
    compare(evaluate, choose, [[0.0], [-0.0], [1.0], [math.nan], [-2.0]])


def test_a_row_with_an_if_is_refused():
    wrong = Op("wrong", lambda x: x if x > 0 else -x, lambda out, x: 1.0)
    with pytest.raises(TypeError, match="row 'wrong' cannot be recorded"):
        print_row(wrong, 1)


def test_the_coefficients_of_erf():
    """The runtime has the numbers that mpmath computes."""
    text = RUNTIME.read_text("utf-8")
    with mpmath.workdps(60):
        for name, c in (("SERIES", taylor_coefficients()), ("CHEBYSHEV", chebyshev_coefficients())):
            numbers = text.partition(f"const {name} = [")[2].partition("]")[0].split(",")
            assert [*map(float, numbers)] == [*map(float, c)]
