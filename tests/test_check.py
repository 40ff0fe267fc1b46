"""The gradient check: right gradients pass, and a wrong row is named."""

import math
import re
from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import example, given

from engine import (
    Array,
    ArrayOp,
    GradientMismatch,
    ManyOp,
    Op,
    Value,
    arithmetic,
    check_gradients,
    concatenate,
    dot,
    grad,
    logsumexp,
    maximum,
    softmax,
    total,
    where,
)
from engine.arrays.rules import CROSS_ENTROPY, LINEAR, one_hot
from engine.derivatives.check import TOLERANCE
from engine.derivatives.numerical import SAFETY, derivative, differences_of, estimate_slope
from engine.rules import ELEMENTWISE
from nn import vector
from nn.losses import cross_entropy, mse
from strategies import Program, nan, programs

of_x = lambda f: lambda out, x: f(x)
by_y, by_x = (lambda out, x, y: y), (lambda out, x, y: x)

# ------------------------------------------------------------------------------- right gradients

RIGHT = [
    (lambda x: x * x, [3.0]),
    (lambda x: x, [3.0]),
    (lambda x: 5.0, [3.0]),
    (lambda x: Value(5.0) * 2, [3.0]),
    (lambda x, y: x, [3.0, 2.0]),
    (lambda x, y: (x + y) * (x - y), [3.0, 2.0]),
    (lambda x, y: (x * y).tanh() + x**3, [0.5, 2.0]),
    (lambda x, y: x**y / (x + y).exp(), [0.5, -1.5]),
    (lambda x: (x.sigmoid() * x.softplus()).log(), [-3.0]),
    (lambda *z: logsumexp(z) - z[1], [1.0, 2.0, -1.0]),
    (lambda *z: -softmax(z)[2].log(), [1.0, 2.0, -1.0]),
    (lambda a, b, c: dot([a, b], [c, a], b).relu() + total([a, b, c]), [1.0, 2.0, 3.0]),
    (lambda x, y: maximum(x, y) + x.clip(-1, 1) + where(x > 0, x * y, y), [0.5, 2.0]),
    (lambda x: x * 1e-12 + 1e-13, [2.0]),
    (lambda x: x * 1e12 + 1e13, [2.0]),
    (lambda x: (x * 1e-8).exp(), [1e8]),
    (lambda x: x.log(), [1e-6]),
    (lambda x: x.sqrt(), [1e-4]),
    (lambda x: 1 / x, [-1e-3]),
    (lambda x: (1 - x).log(), [1 - 1e-6]),
    (lambda x: (100 * x).sin(), [0.3]),
    (lambda x: x.sin(), [1000.0]),
    (lambda x: x.exp(), [700.0]),
]
# Where the sum of two values of f overflows, or values of f in large steps do.
NEAR_OVERFLOW = [
    (lambda x: x.exp(), [709.5]),
    (lambda x: x.exp().log() + x.cosh(), [709.5]),
    (lambda x: x.exp2(), [1023.9]),
    (lambda x: x.cosh(), [710.0]),
    (lambda x: x.sinh(), [-710.2]),
    (lambda x: x * x, [1.2e154]),
    (lambda x: x.square(), [-1.3e154]),
    (lambda x, y: x * y, [1.5e154, 1.1e154]),
    (lambda x: x * 1e308, [1.797]),
    (lambda x: x, [1.7e308]),
    (lambda x: x - 1e308, [-0.7e308]),
    (lambda x: (x * x).sum(), [np.array([1.2e154, 2.0])]),
    (lambda x: x.logsumexp().exp(), [np.array([709.0, 708.0])]),
]
# Where derivatives are infinite, or overflow.
INFINITE = [
    (lambda x: 1 / x, [1e-300]),
    (lambda x: 1 / x, [-1e-155]),
    (lambda x: x**-2, [1e-150]),
    (lambda x: x.log(), [1e-310]),
    (lambda x, y: x / y, [2.0, 1e-200]),
    (lambda x: (1 / x).sum(), [np.array([1e-300, -1e-300])]),
]


@pytest.mark.parametrize(("f", "at"), RIGHT)
def test_right_gradients_pass(f, at):
    """With an error below 1e-7 for large and small numbers, and near the end of a domain."""
    assert check_gradients(f, at) < TOLERANCE == 1e-7


@pytest.mark.parametrize(("f", "at"), NEAR_OVERFLOW + INFINITE)
def test_right_gradients_pass_at_the_ends_of_the_range(f, at):
    """Beside a wrong row, which is named alone."""
    assert check_gradients(f, at) < 1e-7
    wrong = Op("half", lambda x: 0.5 * x, lambda out, x: 1.0)
    with pytest.raises(GradientMismatch, match="row 'half' looks wrong") as caught:
        check_gradients(lambda x, *xs: f(x, *xs) + wrong(x.sum() if hasattr(x, "shape") else x), at)
    assert str(caught.value).count("looks wrong") == 1


@pytest.mark.parametrize(
    ("forward", "slope", "x"),
    [
        (lambda x: arithmetic.exp(x), lambda out, x: 1.001 * out, 709.5),
        (lambda x: x * x, lambda out, x: -2.0 * x, 1.2e154),
        (lambda x: arithmetic.divide(1.0, x), lambda out, x: 1e300, 1e-300),
        (lambda x: arithmetic.divide(1.0, x), lambda out, x: math.inf, 1e-300),
        (lambda x: x, lambda out, x: math.inf, 1e-300),
    ],
)
def test_wrong_rows_are_found_at_the_ends_of_the_range(forward, slope, x):
    with pytest.raises(GradientMismatch, match="row 'mine' looks wrong"):
        check_gradients(Op("mine", forward, slope), [x])


def test_a_step_beyond_the_range_leaves_no_numerical_slope():
    """No row is named."""
    with pytest.raises(GradientMismatch, match="f is not finite on one side or both") as caught:
        check_gradients(lambda x: x * 1.0, [1.7976931348623157e308])
    assert "looks wrong" not in str(caught.value)


@pytest.mark.parametrize("at", [(1.0, 2), [np.float32(1), True], np.array([1.0, 2.0])], ids=repr)
def test_at_accepts_numbers_of_any_kind(at):
    assert check_gradients(lambda x, y: x * y.exp(), at) < 1e-7


@example(  # a rounding error of small steps was taken for a kink
    Program(
        at=(-1.391, -1.375, -2.227),
        steps=(
            ("-", 2, -0.789), ("dot", 3, 2, 1, 1, 0.984, -3.0, -1.625),
            ("softmax", 0.0, 4, 4, 4, 4), ("dot", 1, 0.094, 5),
            ("dot", 1.0, 4, -3.0, 4, 3, 1, -1.625), ("total", 0, 6, 7),
        ),
    )
)  # fmt: skip
@given(programs(longest=5, rows=["+", "-", "*", "tanh", "sin", "exp", "atan", "softmax", "dot"]))
def test_numerical_derivatives_agree_with_backward(program):
    """For small smooth graphs.

    Differences of numbers up to about 1e3, each accurate to 1e-13, over a step of 1e-3 or less.
    """
    *_, root = results = program.on_values()
    root.backward()
    for i, x in enumerate(program.at):

        def f(t, i=i):
            return program._replace(at=(*program.at[:i], t, *program.at[i + 1 :])).on_floats()[-1]

        got = derivative(f, x)
        assert got == pytest.approx(results[i].grad, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("x", [0.0, 1e-9, 1e-3, -3.0, 20.0])
@pytest.mark.parametrize(
    ("f", "slope"),
    [(math.sin, math.cos), (math.atan, lambda x: 1 / (1 + x * x)), (math.exp, math.exp)],
)
def test_derivative_from_values_alone(f, slope, x):
    assert derivative(f, x) == pytest.approx(slope(x), rel=1e-10, abs=1e-10)


def test_one_unlucky_extrapolation_does_not_hide_the_accurate_ones():
    """At a step of 2e-12 it is off by 1e-5, but seems accurate to 1e-6."""

    def f(x):
        terms = [x.normal_cdf()]
        for name in ("normal_cdf", "sin", "atan", "neg", "atan", "expm1", "sin"):
            terms.append(getattr(terms[-1], name)())
        return total([x * 0.0, *terms])

    x = Value(-1.3)
    assert derivative(lambda t: f(Value(t)).data, -1.3) == pytest.approx(grad(f(x), x), rel=1e-10)


def in_float32(f):
    return lambda x: float(np.float32(f(x)))


@pytest.mark.parametrize(
    ("f", "x", "slope", "most"),
    [
        (math.sin, 1.0, math.cos(1.0), 1e-10),
        (arithmetic.log, 1e-200, 1e200, 1e192),
        (lambda x: 1e9 * x * x + x, 0.0, 1.0, 1e-3),
        (lambda x: (1e9 + x) - 1e9, 0.3, 1.0, 1e-4),  # values are multiples of 1e-7
        (in_float32(math.exp), 1.0, math.e, 1e-2),
        (lambda x: math.sin(1e4 * x), 0.3, 1e4 * math.cos(3e3), 1e-3),
        (lambda x: math.cos(2393.0 * x), math.pi / 2393.0, 0.0, 1e-9),
        (lambda x: abs(x - 1.0 - 1e-6), 1.0, -1.0, 1e-5),
        (lambda x: x + 1e-3 * (x > 1.0 + 1e-5), 1.0, 1.0, 1e-4),
        (lambda x: math.tanh(1e3 * x), 0.02, 1e3 / math.cosh(20.0) ** 2, 1e-7),
    ],
)
def test_the_estimated_error_of_a_slope_covers_its_error(f, x, slope, most):
    """For noise of every kind, oscillations and kinks nearby; and it is not large without need."""
    differences = differences_of(lambda h: f(x + h), x)
    found = estimate_slope(differences, x, slope)
    assert abs(found.value - slope) <= SAFETY * found.error <= most
    wrong = slope + 30.0 * most
    assert estimate_slope(differences, x, wrong).relative_error(wrong, 1e-10) > 1e-10


# ------------------------------------------------------------------------------------ wrong rows

# fmt: off
WRONG = {
    "factor":  (Op("square", lambda x: x * x, of_x(lambda x: 3 * x)), [2.0]),
    "sign":    (Op("cosine", math.cos, of_x(math.sin)), [1.0]),
    "term":    (Op("xexp", lambda x: x * math.exp(x), of_x(math.exp)), [0.5]),
    "offset":  (Op("sine", math.sin, of_x(lambda x: math.cos(x) + 1e-4)), [0.5]),
    "zero":    (Op("cube", lambda x: x**3, of_x(lambda x: 0.0)), [2.0]),
    "nan":     (Op("id", lambda x: x, of_x(lambda x: nan)), [2.0]),
    "inf":     (Op("id", lambda x: x, of_x(lambda x: math.inf)), [2.0]),
    "tiny":    (Op("small", lambda x: 1e-9 * x, of_x(lambda x: 2e-9)), [2.0]),
    "swapped": (Op("times", lambda x, y: x * y, by_x, by_y), [2.0, 3.0]),
    "second":  (Op("times", lambda x, y: x * y, by_y, by_y), [2.0, 3.0]),
    "third":   (Op("fma", lambda x, y, z: x * y + z,
                   lambda out, x, y, z: y, lambda out, x, y, z: x, lambda out, x, y, z: z),
                [2.0, 3.0, 4.0]),
}
WRONG_MANY = {
    "one of many": ManyOp("norm2", lambda xs: sum(x * x for x in xs),
                          lambda out, xs: ([2 * xs[0], *xs[1:]],)),
    "order":       ManyOp("weighted", lambda ws, xs, b: ws[0] * xs[0] + ws[1] * xs[1] + b,
                          lambda out, ws, xs, b: (ws, ws, 1.0), sequences=["ws", "xs"]),
}
# fmt: on


@pytest.mark.parametrize(("op", "at"), WRONG.values(), ids=WRONG)
def test_a_wrong_row_is_named(op, at):
    """Right rows beside it are not named.

    There is a line for each input whose gradient is wrong.
    """

    def f(*xs):
        x, *_ = xs
        right = dot([x, 2.0], [x.tanh(), x], 1.0) + softmax([x, 0.5])[0] * x.clip(-9, 9)
        return op(*xs) * 1.5 + right * (1e-9 if op.name == "small" else 1)

    with pytest.raises(GradientMismatch) as caught:
        check_gradients(f, at)
    text = str(caught.value)
    assert f"row {op.name!r} looks wrong" in text
    assert text.count("looks wrong") == sum(
        partial(op.forward(*at), *at) != pytest.approx(want, rel=1e-6)
        for partial, want in zip(op.partials, slopes_of(op, at), strict=True)
    )
    assert "backward" in text
    assert "numerical" in text


def slopes_of(op, at):
    return [
        derivative(lambda t, i=i: op.forward(*at[:i], t, *at[i + 1 :]), x) for i, x in enumerate(at)
    ]


@pytest.mark.parametrize("op", WRONG_MANY.values(), ids=WRONG_MANY)
def test_a_wrong_row_over_sequences_is_named(op):
    def f(x, y, z):
        return op([x, y, z]) if op.name == "norm2" else op([x, y], [y, z], x)

    with pytest.raises(GradientMismatch, match=f"row '{op.name}' looks wrong"):
        check_gradients(f, [1.0, 2.0, 3.0])


@pytest.mark.parametrize("factor", [1 + 1e-5, 1 - 1e-6])
def test_a_slight_error_is_caught(factor):
    op = Op("twice", lambda x: 2 * x, lambda out, x: 2 * factor)
    with pytest.raises(GradientMismatch):
        check_gradients(op, [3.0])
    error = check_gradients(op, [3.0], tolerance=1e-4)
    assert error == pytest.approx(abs(factor - 1) / 2, rel=1e-3)


def test_one_wrong_gradient_among_right_ones():
    """Its line has the input's label, if there is one, and both numbers."""
    op = Op("square", lambda x: x * x, lambda out, x: 3 * x)
    w, v = Value(2.0, "w"), Value(5.0, "v")
    with pytest.raises(GradientMismatch, match="w = 2: backward 6, numerical 4") as caught:
        check_gradients(lambda: op(w) + v, [w, v])
    assert "v = 5" not in str(caught.value)
    with pytest.raises(GradientMismatch, match="input 1 = 2: backward 6, numerical 4"):
        check_gradients(lambda y, x: op(x) + y, [5.0, 2.0])


def test_flat_rows_are_not_named():
    """Saturated, at a maximum, or tiny: the numerical slope there is rounding error."""
    op = Op("square", lambda x: x * x, lambda out, x: 3 * x)
    x, y = Value(2.0, "x"), Value(5.0, "y")

    def f():
        flat = (20 * x).tanh() + (40 * x).sigmoid() + (x * (math.pi / 4)).sin()
        return op(x) + flat + softmax([x, 50.0])[0] + y * 1e-14

    with pytest.raises(GradientMismatch) as caught:
        check_gradients(f, [x, y])
    assert str(caught.value).count("looks wrong") == 1
    assert "y = 5" not in str(caught.value)


def test_a_lost_gradient_names_no_row():
    """As where a user takes `.data`."""
    with pytest.raises(GradientMismatch) as caught:
        check_gradients(lambda x: x * x.data, [3.0])
    assert "backward 3, numerical 6" in str(caught.value)
    assert "looks wrong" not in str(caught.value)


@pytest.mark.parametrize(
    "name", sorted(set(ELEMENTWISE) - {"sign", "//", "floor", "ceil", "round"})
)  # a slope of 0 times 1.001 is 0
def test_an_error_in_any_row_of_the_table_is_found(name):
    """Each row with slopes that are too large by a thousandth."""
    op = ELEMENTWISE[name]
    scaled = [lambda *args, f=f: 1.001 * f(*args) for f in op.partials]
    points = {"acosh": [2.5], "clip": [0.4, -1.0, 1.0], "where": [1.0, 0.3, 0.7]}
    with pytest.raises(GradientMismatch, match=f"row '{re.escape(name)}' looks wrong"):
        check_gradients(
            Op(name, op.forward, *scaled), points.get(name, [0.3, 0.7, 1.2][: len(op.partials)])
        )


# ----------------------------------------------------------------------------------------- Arrays

A, B = np.array([[0.5, -1.5, 2.0], [1.25, 0.75, -0.5]]), np.array([0.25, -2.0, 1.5])

RIGHT_ARRAYS = [
    (lambda x: (x * x).sum(), [A]),
    (lambda x, y: (x @ y).tanh().mean() + x.max() * y.min(), [A, B]),
    (lambda x, y, c: ((x + c) * y).softmax()[:, 1].sum(), [A, B, 3]),
    (lambda x: x.logsumexp(axis=0).mean() + x.T.reshape(-1)[[0, 0, 5]].sum(), [A]),
    (lambda x, y: (concatenate([x, x * y], axis=1) ** 2).sum(), [A, B]),
    (lambda x: CROSS_ENTROPY(x, Y=one_hot(np.array([2, 0]), 3)).sum(), [A]),
    (lambda x, w: LINEAR(x, w, B[:2]).sigmoid().mean(axis=0).sum(), [A, A]),
    (lambda x: x.sum().reshape(1, 1), [A]),
    (lambda x: 5.0, [A]),
    (lambda x, y: y.exp().sum(), [A, B]),
    (lambda x: x, [np.array(3.0)]),
    (lambda x: x.sum(), [np.zeros((0, 3))]),
    (lambda x, y: (x * y).sum(), [A.astype(int), 2]),
]


@pytest.mark.parametrize(("f", "at"), RIGHT_ARRAYS)
def test_right_gradients_of_arrays_pass(f, at):
    """As arrays, with numbers among them, and as nodes."""
    assert check_gradients(f, at) < 1e-7
    leaves = [Array(x) for x in at]
    assert check_gradients(lambda: f(*leaves), leaves) < 1e-7
    assert check_gradients(lambda: f(*leaves), leaves[0]) < 1e-7
    assert all(not leaf.grad.any() for leaf in leaves)


def test_a_network_of_arrays_passes():
    """At its parameters, as a user checks a model."""
    model = vector.MLP(3, [4, 2], "tanh", rng=0, dtype=np.float64)
    check_gradients(lambda: cross_entropy(model(A), [1, 0]), model.parameters())
    x = Array(A)
    check_gradients(lambda: mse(model(x), A[:, :2]), [x, *model.parameters()])


SQUARE = Op("square", lambda x: x * x, lambda out, x: 3 * x)
TIMES = Op("times", lambda x, y: x * y, lambda out, x, y: y, lambda out, x, y: y)
TURNED = ArrayOp("turned", lambda x: x @ x.T, lambda g, out, x: g @ x)
SPREAD = ArrayOp(
    "spread",
    lambda x, axis=0: x.sum(axis=axis),
    lambda g, out, x, axis=0: x * 0 + (g if axis == 0 else g[:, None]) * 1.5,
)
FLAT = ArrayOp("shares", lambda x: np.exp(x) / np.exp(x).sum(), lambda g, out, x: g - (g * out).sum())  # fmt: skip

WRONG_ARRAYS = {
    "square": (lambda x: SQUARE(x).sum(), [A]),
    "times": (lambda x, y: TIMES(x, y).sum(), [A, B]),
    "turned": (lambda x: TURNED(x).tanh().sum(), [A]),
    "spread": (lambda x: SPREAD(x, axis=1).exp().sum(), [A]),
    "shares": (lambda x: (FLAT(x) * B).sum(), [B]),
}


@pytest.mark.parametrize("name", WRONG_ARRAYS)
def test_a_wrong_row_on_arrays_is_named(name):
    """With local derivatives or with a pullback. Right rows are not named."""
    wrong, at = WRONG_ARRAYS[name]

    def f(*xs):
        right = (xs[0].softmax() * xs[0].T.reshape(xs[0].shape)).sigmoid().max()
        return wrong(*xs) + right

    with pytest.raises(GradientMismatch, match=f"row '{name}' looks wrong") as caught:
        check_gradients(f, at)
    assert str(caught.value).count("looks wrong") == 1


def test_the_message_names_leaf_index_and_both_derivatives():
    """With a line for each wrong element; a leaf without axes has no index."""
    W, b, c = Array(A, "W"), Array(B), Array(2.0, "c")
    with pytest.raises(GradientMismatch) as caught:
        check_gradients(
            lambda: SQUARE(W[1, 2]) + b.sum() + SQUARE(c) + (W[0] * B[1]).sum(), [W, b, c]
        )
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("relative error 0.")
    assert lines[1].startswith("  W[1, 2] = -0.5: backward -1.5, numerical -1 ± ")
    assert lines[2].startswith("  c = 2: backward 6, numerical 4 ± ")
    assert all("row 'square' looks wrong" in line for line in lines[3:-1])
    assert lines[-1].startswith("  correct the derivative of the row; at a kink, check")
    with pytest.raises(GradientMismatch, match=r"input 1\[2\] = 1.5: backward 4.5, numerical 3"):
        check_gradients(lambda x, y: SQUARE(y).sum() + x.sum(), [A, B])


def test_a_lost_gradient_of_an_array_names_no_row():
    with pytest.raises(GradientMismatch) as caught:
        check_gradients(lambda x: (x * x.data).sum(), [A])
    assert "input 0[0, 1] = -1.5: backward -1.5, numerical -3" in str(caught.value)
    assert "looks wrong" not in str(caught.value)


def test_the_message_for_a_large_layer_is_short():
    with pytest.raises(GradientMismatch, match="25 of 25 derivatives differ") as caught:
        check_gradients(lambda x: SQUARE(x).sum(), [np.ones((5, 5))])
    assert len(str(caught.value).splitlines()) == 1 + 20 + 1 + 1


def test_a_value_of_0_by_cancellation_has_a_rounding_error():
    """0.062 + x is -0.938 at x = -1, where f is 0 by cancellation."""
    f = lambda x: x + (x + 0.062) * x + 0.062
    assert derivative(f, -1.0) == pytest.approx(-0.938, abs=1e-11)
    assert check_gradients(f, at=[-1.0]) < 1e-11


def test_a_random_function_has_no_derivative():
    rng = np.random.default_rng(0)
    for f, at in [
        (lambda x: x * rng.random(), 1.0),
        (lambda X: (X * rng.random(2)).sum(), np.ones(2)),
    ]:
        with pytest.raises(
            ValueError, match=r"f returns .* when called again.* random numbers once"
        ):
            check_gradients(f, at=[at])
    check_gradients(lambda x: x * np.random.default_rng(0).random(), at=[1.0])


def test_points_outside_the_domain():
    for f, at in [(Value.log, -1.0), (Value.sqrt, 0.0)]:
        with pytest.raises(GradientMismatch, match="f is not finite on one side or both"):
            check_gradients(f, at=[at])


def test_arrays_are_left_as_they_were():
    """Data, the same array object, and gradients; also after a mismatch and after an error in f."""
    W, b = Array(A, "W"), Array(B)
    W.grad, b.grad = 7.0, 8.0
    data, grad = W.data, W.grad
    calls = iter(range(9))  # the tenth call raises
    for f, error in [
        (lambda: (W @ b).tanh().sum(), None),
        (lambda: SQUARE(W).sum(), GradientMismatch),
        (lambda: W.sum() + 0.0 * next(calls), StopIteration),
    ]:
        with pytest.raises(error) if error else nullcontext():
            check_gradients(f, [W, b])
        assert W.data is data
        assert (W.data == A).all()
        assert (b.data == B).all()
        assert W.grad is grad
        assert (W.grad == 7.0).all()
        assert (b.grad == 8.0).all()


def test_float32_is_refused():
    """It is too coarse for differences."""
    coarse = Array(np.float32(A), "W")
    with pytest.raises(
        TypeError, match=r"check_gradients requires float64, got W of shape \(2, 3\)"
    ):
        check_gradients(lambda: coarse.sum(), [coarse])
    with pytest.raises(TypeError, match=r"float64, got an array of shape \(3,\) and dtype float32"):
        check_gradients(lambda x, y: x.sum(), [A, np.float32(B)])


@pytest.mark.parametrize("f", [lambda x: x, lambda x: x.sum(axis=0), lambda x: x[:0]])
def test_a_function_of_several_numbers_is_refused(f):
    with pytest.raises(
        ValueError, match=r"expects f to return one number, got an array of shape .*take its \.sum"
    ):
        check_gradients(f, [A])


# ------------------------------------------------------------------------------------- side effects


def test_values_are_left_as_they_were():
    w, b = Value(0.5, "w"), Value(-1.0, "b")
    w.grad, b.grad = 7.0, 8.0
    assert check_gradients(lambda: (w * 2 + b).tanh() * w, [w, b]) < 1e-7
    assert (w.data, b.data, w.grad, b.grad) == (0.5, -1.0, 7.0, 8.0)


def test_other_values_are_left_as_they_were():
    """As the parameters of a model that is checked at its inputs."""
    w = Value(0.5)
    w.grad = 7.0
    check_gradients(lambda x: w * x, [3.0])
    assert (w.data, w.grad) == (0.5, 7.0)


def test_values_are_restored_after_a_mismatch():
    op = Op("square", lambda x: x * x, lambda out, x: 3 * x)
    w = Value(2.0)
    w.grad = 7.0
    with pytest.raises(GradientMismatch):
        check_gradients(lambda: op(w), [w])
    assert (w.data, w.grad) == (2.0, 7.0)


@pytest.mark.parametrize("calls", [0, 1, 2, 5])
def test_values_are_restored_after_an_error_in_f(calls):
    w, left = Value(2.0), [calls]
    w.grad = 7.0

    def f():
        left[0] -= 1
        if left[0] < 0:
            raise RuntimeError("stop")
        return w * w

    with pytest.raises(RuntimeError, match="stop"):
        check_gradients(f, [w])
    assert (w.data, w.grad) == (2.0, 7.0)


def test_the_same_value_twice():
    w = Value(3.0)
    assert check_gradients(lambda: w * w, [w, w]) < 1e-7
    assert (w.data, w.grad) == (3.0, 0.0)


# ----------------------------------------------------------------------------------------- errors


def test_nothing_to_check_at():
    with pytest.raises(ValueError, match="at least one number or node"):
        check_gradients(lambda: Value(1.0), [])


@pytest.mark.parametrize("at", [[Value(1.0), 2.0], [2.0, Value(1.0)], [Array(A), A], [A, Array(A)]])
def test_numbers_and_nodes_do_not_mix(at):
    with pytest.raises(TypeError, match="number"):
        check_gradients(lambda *xs: total(at), at)


def test_f_must_return_a_node_or_a_number():
    with pytest.raises(TypeError, match="None; does the function that made it return"):
        check_gradients(lambda x: None, [1.0])


def test_a_nan_gradient_is_a_mismatch():
    """There is nothing to compare if both are nan."""
    with pytest.raises(GradientMismatch):
        check_gradients(lambda x: x.log(), [-1.0])


def test_a_function_of_nodes_that_takes_arguments_is_refused():
    x = Value(2.0)
    with pytest.raises(
        TypeError, match=r"without arguments if `at` contains nodes; .* at=\[x\.data"
    ):
        check_gradients(lambda x: x * x, at=[x])
    assert check_gradients(lambda *rest, power=2: x**power, at=[x]) < 1e-9
