"""The tester is tested: wrong rows that f cannot show, and right gradients that vanish."""

import math
import random
import re

import numpy as np
import pytest
from hypothesis import settings

from engine import (
    GradientMismatch,
    Op,
    check_gradients,
    concatenate,
    dot,
    logsumexp,
    softmax,
    total,
)
from engine.arrays.rules import ARRAY_TABLE
from engine.rules import ELEMENTWISE, TABLE
from nn import MLP, vector
from nn.losses import mse
from test_derivatives import CASES as ARRAY_CASES

SLIGHTLY = 1.0 + 1e-3
A = np.array([[0.5, -1.5, 2.0], [1.25, 0.75, -0.5]])


def hidden(y, z):
    """Return y under 16 layers of sigmoids, whose slope is 1e-11, beside a gradient of 1e9."""
    for _ in range(16):
        y = y.sigmoid()
    return y + 1e9 * z


def fail(f, at):
    """Return the message of a mismatch."""
    with pytest.raises(GradientMismatch) as caught:
        check_gradients(f, at)
    return str(caught.value)


# ------------------------------------------------------------------------------------- wrong rows


def scaled(f, i=None):
    """Return the slopes of a row, too large by a thousandth: all, or those of argument i."""

    def slopes(*args):
        parts = list(f(*args))
        for k in range(len(parts)) if i is None else [i]:
            part = parts[k]
            larger = isinstance(part, (list, tuple)) and [part[0] * SLIGHTLY, *part[1:]]
            parts[k] = larger or part * SLIGHTLY
        return tuple(parts)

    return slopes


POINTS = {  # where every slope is other than 0, if there are such points
    "acosh": [(2.5,)],
    "%": [(1.7, 0.7)],
    "leaky_relu": [(-0.3, 0.7)],
    "elu": [(-0.3, 0.7)],
    "maximum": [(0.7, 0.3), (0.3, 0.7)],
    "minimum": [(0.3, 0.7), (0.7, 0.3)],
    "clip": [(0.4, -1.0, 1.0), (-2.0, -1.0, 1.0), (2.0, -1.0, 1.0)],
    "where": [(1.0, 0.3, 0.7), (1.0, 0.3, 0.7), (0.0, 0.3, 0.7)],
}
ZERO = [  # slopes that are 0 everywhere: a thousandth is added instead
    ("sign", 0), ("where", 0), ("//", 0), ("//", 1), ("floor", 0), ("ceil", 0), ("round", 0),
]  # fmt: skip
SLOPES = [(name, i) for name, op in ELEMENTWISE.items() for i in range(len(op.partials))]


@pytest.mark.parametrize(("name", "i"), SLOPES)
def test_one_wrong_slope_of_a_row_is_found_and_named(name, i):
    """By a factor of 1.001, where f shows nothing of it."""
    op, at = ELEMENTWISE[name], POINTS.get(name, [(0.3, 0.7, 1.2)])
    partials, right = list(op.partials), op.partials[i]
    partials[i] = lambda *args: SLIGHTLY * right(*args) + (1e-3 if (name, i) in ZERO else 0.0)
    wrong = Op(name, op.forward, *partials)
    x = at[i % len(at)][: len(partials)]
    text = fail(lambda z, *xs: hidden(wrong(*xs), z), [1.0, *x])
    assert "all derivatives agree within the rounding errors of f, but a row of f is wrong" in text
    assert text.count("looks wrong") == 1
    assert f"row {name!r} looks wrong" in text
    assert f"with respect to input {i} is" in text
    check_gradients(lambda z, *xs: hidden(op(*xs), z), [1.0, *x])


SEQUENCES = {
    "dot": lambda op, a, b, c: op([a, b], [c, 2.0], b),
    "total": lambda op, *xs: op(xs),
    "logsumexp": lambda op, *xs: op(xs),
    "cross_entropy": lambda op, a, b, c: op(a, [b, c]),
    "uniform_cross_entropy": lambda op, *xs: op(xs),
    "softmax": lambda op, *xs: op(xs)[1],
    "rms_norm": lambda op, *xs: op(xs, 0.5)[1],
    "layer_norm": lambda op, *xs: op(xs, 0.5)[1],
}


@pytest.mark.parametrize("name", sorted(set(TABLE) - set(ELEMENTWISE)))
def test_one_wrong_slope_of_a_row_over_sequences_is_found_and_named(name):
    op, f, at = TABLE[name], SEQUENCES[name], [1.0, 0.5, 2.0, -1.0]
    slopes = scaled(op.partials[0], 0)
    wrong = type(op)(
        op.name,
        op.forward,
        slopes,
        sequences=op.sequences,
    )
    text = fail(lambda z, *xs: hidden(f(wrong, *xs), z), at)
    assert text.count("looks wrong") == 1
    assert f"row {name!r} looks wrong" in text
    check_gradients(lambda z, *xs: hidden(f(op, *xs), z), at)


X, W, B = np.cos(np.arange(12.0)).reshape(3, 4), np.sin(np.arange(8.0)).reshape(2, 4), A[0, :2]
OTHERS = {  # rows with several inputs
    "@": (lambda x, w: x @ w.T, [X, W]),
    "linear": (lambda x, w, b: ARRAY_TABLE["linear"](x, w, b), [X, W, B]),
    "concatenate": (lambda x, w: concatenate([x, w]), [X, W]),
}
PULLBACKS = [(name, i) for name, op in ARRAY_TABLE.items() for i in range(len(op.partials))]


@pytest.mark.parametrize(("name", "i"), PULLBACKS)
def test_one_wrong_pullback_is_found_and_named(name, i, monkeypatch):
    op, (f, at) = ARRAY_TABLE[name], OTHERS.get(name, (ARRAY_CASES[name], [X]))
    partials, right = list(op.partials), op.partials[i]
    partials[i] = lambda *args, **settings: SLIGHTLY * right(*args, **settings)
    monkeypatch.setattr(op, "partials", tuple(partials))

    def g(z, s):
        y = f(*[s * x for x in at])
        return hidden((y * np.cos(np.arange(y.size)).reshape(y.shape)).mean(), z)

    text = fail(g, [1.0, np.array(1.0)])
    assert "all derivatives agree within the rounding errors of f" in text
    assert set(re.findall("row '(.*)' looks wrong", text)) == {name}
    assert op.many or f"with respect to input {i}" in text


def test_a_wrong_row_beside_a_large_gradient():
    """f shows it up to a gradient of 1e9, and nothing of it from 1e16 on."""
    bad = Op("bad", lambda x: x * x, lambda out, x: 3.0 * x)
    text = fail(lambda x, y: 1e9 * x + bad(y), [1.0, 1.0])
    assert re.search(
        "1 of 2 derivatives differ\n  input 1 = 1: backward 3, numerical 2 ± 0.000", text
    )
    for size in (1e9, 1e16, 1e300):
        text = fail(lambda x, y, size=size: size * x + bad(y), [1.0, 1.0])
        assert "row 'bad' looks wrong" in text
        assert "its derivative with respect to input 0 is 3, the slope of its formula 2 ±" in text
        assert "correct the derivative of the row" in text


@pytest.mark.parametrize("factor", [2.0, SLIGHTLY])
@pytest.mark.parametrize("depth", [8, 12, 16, 40])
def test_a_wrong_first_layer_of_a_deep_chain(depth, factor):
    """By a factor of 2, f shows it in up to 16 layers."""
    right = ELEMENTWISE["sigmoid"]
    first = Op("first", right.forward, lambda out, x: factor * right.partials[0](out, x))

    def f(op, x, w):
        y = op(x * w)
        for _ in range(depth - 1):
            y = (w * y).sigmoid()
        return y

    text = fail(lambda x, w: f(first, x, w), [0.3, 1.1])
    assert text.count("looks wrong") == 1
    assert "row 'first' looks wrong" in text
    assert ("input 0 = 0.3: backward" in text) == (depth <= (16 if factor == 2.0 else 12))
    check_gradients(lambda x, w: f(right, x, w), [0.3, 1.1])


def test_a_wrong_slope_among_larger_ones_of_the_same_row():
    """One element of 100, a thousandth of the others."""
    at = np.ones(100)
    at[7] = 1e-3
    bad = Op("bad", lambda x: x * x, lambda out, x: 2.0 * x * (1.0 + 1e-3 * (abs(x) < 0.1)))
    assert "input 0[7] = 0.001: backward 0.002002, numerical 0.002 ±" in fail(
        lambda x: bad(x).sum(), [at]
    )
    assert "row 'bad' looks wrong" in fail(lambda x, z: hidden(bad(x).mean(), z), [at, 1.0])


def test_each_input_of_a_row_is_checked_though_another_node_has_the_same_numbers():
    """In one of the nodes the second input is a constant."""
    times = Op("times", lambda x, y: x * y, lambda out, x, y: y, lambda out, x, y: SLIGHTLY * x)
    text = fail(lambda x, y, z: hidden(times(x, 2.0) + times(x, y), z), [3.0, 2.0, 1.0])
    assert "row 'times' looks wrong" in text
    assert "with respect to input 1" in text


def test_small_derivatives_are_judged_together():
    """Each of 30 is below the rounding error of f; their sum is not."""
    text = fail(lambda x, y: 1e17 * x + (y * y.data).sum(), [1.0, np.full(30, 30.0)])
    assert "30 small derivatives together: backward" in text
    assert "all rows agree with their formulas: f may compute with .data" in text


def test_a_row_that_is_undefined_nearby():
    """A row with Python's math raises an error where a step leaves its domain."""
    log = Op("own log", math.log, lambda out, x: 1.0 / x)
    assert check_gradients(log, [0.05]) < 1e-7
    assert check_gradients(lambda x: log(x * x) * 1e-9, [1e-4]) < 1e-7
    wrong = Op("own log", math.log, lambda out, x: SLIGHTLY / x)
    assert "row 'own log' looks wrong" in fail(lambda x, z: hidden(wrong(x), z), [0.05, 1.0])


# ----------------------------------------------------------------------- right gradients that vanish

LAYER = vector.Dense(3, 2, "linear", rng=0, dtype=np.float64)
NORM = vector.BatchNorm(2, dtype=np.float64)
SATURATED = MLP(2, [3, 1], "tanh", rng=0)


@pytest.mark.parametrize(
    ("f", "at"),
    [
        (lambda x: x.sin(), [math.pi / 2]),
        (lambda *xs: total(softmax(xs)), [1.0, 2.0, 3.0]),
        (lambda x: x.softmax().sum(), [A]),
        (lambda x: x.tanh(), [30.0]),
        (lambda x: x.sigmoid() + (-x).sigmoid(), [0.3]),
        (lambda x, w: (x @ w).tanh().sum(), [40.0 * A, np.ones(3)]),
        (lambda: SATURATED([300.0, -200.0]), SATURATED.parameters()),
        (lambda: (NORM(LAYER(np.vstack([A, A * A]))).tanh() ** 2).sum(), LAYER.parameters()),
        (lambda x: mse(x * 1.0, A), [A]),
        (lambda x: (x - x.max()).exp().sum().log() + x.max(), [np.zeros(5)]),
        (lambda x: (x + 1e9) - 1e9 + x.cos(), [1e-9]),
        (lambda x: (-0.5 * x * x).exp(), [38.0]),
        (lambda x: x.sin() + x.cos(), [1e17]),
        (lambda x: (1e10 * x).cos(), [0.7]),
    ],
)
def test_right_gradients_that_vanish_pass(f, at):
    assert check_gradients(f, at) <= 1e-7


@pytest.mark.parametrize("x", [1e-13, 1e-20, 1e-100, 1e-300])
def test_steps_are_relative_to_small_numbers(x):
    """All derivatives are still accurate to eight digits."""
    assert check_gradients(lambda x: x.log(), [x]) < 1e-8
    assert check_gradients(lambda x: x.sqrt(), [x]) < 1e-8
    assert check_gradients(lambda x: 1.0 / x, [max(x, 1e-150)]) < 1e-8
    assert check_gradients(lambda x: (1.0 / x).sum(), [np.array([x**0.5, -3.0])]) < 1e-8
    assert check_gradients(lambda x: 1.0 + x.tanh(), [x]) < 1e-8


FLAT = [
    lambda x, c: (x * (30.0 + c)).tanh(),
    lambda x, c: (x * (40.0 + 10.0 * c)).sigmoid(),
    lambda x, c: (x + 1e6).sigmoid(),
    lambda x, c: (x - 40.0 - c).silu(),
    lambda x, c: (x * (c * math.pi)).cos(),
    lambda x, c: (x - c) ** 2,
    lambda x, c: (c - x) ** 3,
    lambda x, c: total(softmax([x, 2.0 * x, c])),
    lambda x, c: logsumexp([x, x + 40.0, x - c]) - x,
    lambda x, c: (x * x + c).log() - (x * x + c).log(),
    lambda x, c: x.sin() ** 2 + x.cos() ** 2,
    lambda x, c: x.tanh().exp().log() - x.tanh(),
    lambda x, c: (x * (5.0 + c)).erf(),
    lambda x, c: (-(x * x) * (20.0 + c)).exp(),
    lambda x, c: x.clip(-1e10 * c, c + 0.5) * 1e-20,
    lambda x, c: (x + 1e5) - 1e5 - x,
    lambda x, c: x * 10.0 ** (-10.0 * c),
]
JOINED = [
    lambda x, y: x + y,
    lambda x, y: x * y,
    lambda x, y: 1e9 * x + y,
    lambda x, y: x - 1e6 * y,
    lambda x, y: softmax([x, y])[0],
    lambda x, y: dot([x, y], [y, 2.0], 1e5),
    lambda x, y: (0.7 * x).sigmoid() + 1e-9 * y,
]


def flat_function(seed):
    """Return a function that is flat at a point, or in parts, and the point."""
    rng = random.Random(seed)
    c = rng.uniform(0.5, 3.0)
    at = [rng.choice([c, 1.0, -2.0, 0.3]), rng.uniform(-2.0, 2.0)]
    parts = [(rng.choice(FLAT), rng.choice(JOINED), rng.random()) for _ in range(rng.randint(1, 2))]

    def f(x, y):
        out = y
        for flat, join, choice in parts:
            out = join(flat(x if choice < 0.6 else out, c), out)
        return out

    return f, at


def test_a_thousand_right_functions_pass():
    for seed in range(min(1000, 10 * settings.default.max_examples)):
        f, at = flat_function(seed)
        assert check_gradients(f, at) <= 1e-7, seed


def test_a_kink_alone_does_not_make_a_row_wrong():
    """The maximum of five equal numbers shares its slope; the slopes of this function are right."""
    x = np.zeros(5)
    check_gradients(lambda x: (x - x.max()).exp().sum().log() + x.max(), [x])
    assert "row 'max' looks wrong, or has a kink" in fail(lambda x: x.max(), [x])
    check_gradients(lambda x, y: x.relu() * y + (x * y).sigmoid(), [0.0, 0.0])


def test_a_row_of_few_digits_is_judged_by_its_own_noise():
    """In steps below 1e-7 it is constant."""
    for factor in (1.0, SLIGHTLY):
        row = Op("coarse", lambda x: (1e9 + x) - 1e9, lambda out, x, factor=factor: factor)
        if factor == 1.0:
            check_gradients(lambda x, z, row=row: hidden(row(x).sin(), z), [0.3, 1.0])
        else:
            assert "row 'coarse'" in fail(lambda x, z, row=row: hidden(row(x), z), [0.3, 1.0])


# ------------------------------------------------------------------------------------------ results


@pytest.mark.parametrize("make", [list, tuple])
def test_a_function_that_returns_a_list_is_refused_with_a_remedy(make):
    with pytest.raises(
        TypeError, match=rf"f to return one number, got a {make.__name__} of 2; select one.*dot\("
    ):
        check_gradients(lambda x: make(softmax([x, 1.0])), [1.0])
    check_gradients(lambda x: dot([1.0, 2.0], softmax([x, 1.0])), [1.0])


def test_an_array_of_one_element_of_any_shape():
    for f in (lambda x: x.sum(), lambda x: x[:1], lambda x: x.sum().reshape(1, 1, 1)):
        assert check_gradients(f, [np.array([0.5, 2.0])]) < 1e-7
