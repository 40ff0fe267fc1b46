"""Every row of the table against mpmath: results and slopes, to a few units in the last place."""

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mpf

import reference
from engine import Value, arithmetic, rules
from engine.rules import ELEMENTWISE, TABLE, flatten
from engine.sequences import rules as formulas
from engine.sequences.rules import DOT
from reference import ROWS, ulps
from strategies import batches, examples

inf, nan = math.inf, math.nan


def test_every_row_has_a_reference():
    assert set(ROWS) == set(ELEMENTWISE)


@pytest.mark.parametrize("name", ROWS)
@examples(20)
@given(data=st.data())
def test_row_is_right_to_the_last_places(name, data):
    """Result and slopes are within the row's stated bound of the true values."""
    op, row = TABLE[name], ROWS[name]
    for xs in data.draw(batches(*row.domain), label="inputs"):
        exact = [mpf(x) for x in xs]
        out = op.forward(*xs)
        assert ulps(out, row.formula(*exact)) <= row.ulps[0], f"{name}{xs} = {out}"
        terms = row.terms(*exact) if row.terms else 0
        for i, (partial, slope) in enumerate(zip(op.partials, row.slopes, strict=True)):
            got = partial(out, *xs)
            error = ulps(got, slope(*exact), terms)
            assert error <= row.ulps[i + 1], f"slope {i}, {name}{xs}: {got}"


@pytest.mark.parametrize("name", sorted(set(ROWS) - {"where", "**"}))
def test_nan_in_nan_out(name):
    """nan in any input gives nan."""
    op = TABLE[name]
    for i in range(len(op.partials)):
        xs = [nan if i == j else 0.5 for j in range(len(op.partials))]
        if (name, i) in {("leaky_relu", 1), ("elu", 1), ("clip", 1), ("clip", 2)}:
            continue  # the branch taken does not use it
        assert math.isnan(op.forward(*xs)), xs


# Points where a formula could give nan or the wrong infinity: inputs, result, slopes. They are the
# limits, or at kinks and jumps the slopes that the row's comment states.
# fmt: off
EDGES = [
    ("/",        (1.0, 0.0),      inf,    (inf, -inf)),
    ("/",        (1.0, -0.0),     -inf,   (-inf, -inf)),
    ("/",        (0.0, 0.0),      nan,    (inf, nan)),
    ("/",        (1.0, inf),      0.0,    (0.0, -0.0)),
    ("**",       (0.0, -1.0),     inf,    (-inf, -inf)),
    ("**",       (-0.0, -1.0),    -inf,   (-inf, inf)),
    ("**",       (-8.0, 1 / 3),   nan,    (nan, nan)),
    ("**",       (0.0, 0.5),      0.0,    (inf, 0.0)),
    ("**",       (0.0, 0.1),      0.0,    (inf, 0.0)),
    ("**",       (0.0, 0.0),      1.0,    (0.0, -inf)),
    ("**",       (0.0, 1.0),      0.0,    (1.0, 0.0)),
    ("**",       (0.0, 2.0),      0.0,    (0.0, 0.0)),
    ("**",       (-2.0, 2.0),     4.0,    (-4.0, nan)),
    ("**",       (-2.0, 3.0),     -8.0,   (12.0, nan)),
    ("**",       (10.0, 400.0),   inf,    (inf, inf)),
    ("**",       (inf, -1.0),     0.0,    (-0.0, 0.0)),
    ("**",       (inf, 1 / 3),    inf,    (0.0, inf)),
    ("%",        (-7.5, 2.0),     0.5,    (1.0, 4.0)),
    ("%",        (7.5, -2.0),     -0.5,   (1.0, 4.0)),
    ("%",        (1.0, 0.0),      nan,    (1.0, -inf)),
    ("%",        (inf, 2.0),      nan,    (1.0, nan)),
    ("%",        (-1.0, inf),     inf,    (1.0, 1.0)),
    ("//",       (-7.5, 2.0),     -4.0,   (0.0, 0.0)),
    ("//",       (-1.0, 0.0),     -inf,   (0.0, 0.0)),
    ("//",       (0.0, 0.0),      nan,    (0.0, 0.0)),
    ("floor",    (-inf,),         -inf,   (0.0,)),
    ("floor",    (-1e300,),       -1e300, (0.0,)),
    ("ceil",     (-0.5,),         -0.0,   (0.0,)),
    ("round",    (2.5,),          2.0,    (0.0,)),
    ("round",    (-3.5,),         -4.0,   (0.0,)),
    ("round",    (inf,),          inf,    (0.0,)),
    ("xlogy",    (0.0, 0.0),      0.0,    (0.0, 0.0)),
    ("xlogy",    (0.0, -1.0),     0.0,    (0.0, 0.0)),
    ("xlogy",    (0.0, 2.0),      0.0,    (math.log(2.0), 0.0)),
    ("xlogy",    (0.0, inf),      0.0,    (0.0, 0.0)),
    ("xlogy",    (2.0, 0.0),      -inf,   (-inf, inf)),
    ("logaddexp", (inf, inf),     inf,    (0.5, 0.5)),
    ("logaddexp", (-inf, -inf),   -inf,   (0.5, 0.5)),
    ("logaddexp", (-inf, 1.0),    1.0,    (0.0, 1.0)),
    ("logaddexp", (1e300, 1e300), 1e300,  (0.5, 0.5)),
    ("hypot",    (-inf, 1.0),     inf,    (-1.0, 0.0)),
    ("silu",     (-inf,),         -0.0,   (0.0,)),
    ("silu",     (inf,),          inf,    (1.0,)),
    ("gelu",     (-inf,),         -0.0,   (0.0,)),
    ("gelu",     (inf,),          inf,    (1.0,)),
    ("abs",      (0.0,),          0.0,    (0.0,)),
    ("abs",      (-inf,),         inf,    (-1.0,)),
    ("exp",      (1000.0,),       inf,    (inf,)),
    ("exp",      (-inf,),         0.0,    (0.0,)),
    ("exp2",     (2000.0,),       inf,    (inf,)),
    ("expm1",    (1000.0,),       inf,    (inf,)),
    ("expm1",    (-inf,),         -1.0,   (0.0,)),
    ("log",      (0.0,),          -inf,   (inf,)),
    ("log",      (inf,),          inf,    (0.0,)),
    ("log",      (-1.0,),         nan,    (-1.0,)),
    ("log2",     (0.0,),          -inf,   (inf,)),
    ("log10",    (0.0,),          -inf,   (inf,)),
    ("log1p",    (-1.0,),         -inf,   (inf,)),
    ("log1p",    (-2.0,),         nan,    (-1.0,)),
    ("sqrt",     (0.0,),          0.0,    (inf,)),
    ("sqrt",     (-0.0,),         -0.0,   (inf,)),
    ("sqrt",     (-1.0,),         nan,    (nan,)),
    ("cbrt",     (0.0,),          0.0,    (inf,)),
    ("cbrt",     (-inf,),         -inf,   (0.0,)),
    ("sin",      (inf,),          nan,    (nan,)),
    ("cos",      (-inf,),         nan,    (nan,)),
    ("tan",      (inf,),          nan,    (nan,)),
    ("asin",     (1.0,),          math.pi / 2, (inf,)),
    ("asin",     (2.0,),          nan,    (nan,)),
    ("acos",     (-1.0,),         math.pi, (-inf,)),
    ("atan",     (inf,),          math.pi / 2, (0.0,)),
    ("sinh",     (-1000.0,),      -inf,   (inf,)),
    ("cosh",     (-1000.0,),      inf,    (-inf,)),
    ("tanh",     (1000.0,),       1.0,    (0.0,)),
    ("tanh",     (-inf,),         -1.0,   (0.0,)),
    ("asinh",    (-inf,),         -inf,   (0.0,)),
    ("acosh",    (1.0,),          0.0,    (inf,)),
    ("acosh",    (0.5,),          nan,    (nan,)),
    ("atanh",    (1.0,),          inf,    (inf,)),
    ("atanh",    (-1.0,),         -inf,   (inf,)),
    ("atan2",    (0.0, -1.0),     math.pi, (-1.0, -0.0)),
    ("atan2",    (0.0, 0.0),      0.0,    (nan, nan)),
    ("hypot",    (0.0, 0.0),      0.0,    (0.0, 0.0)),
    ("hypot",    (1e308, 1e308),  1.4142135623730951e308, (0.7071067811865475, 0.7071067811865475)),
    ("sech_squared", (-inf,),     0.0,    (0.0,)),
    ("sech_squared", (1000.0,),   0.0,    (-0.0,)),
    ("direction_cosine", (0.0, 0.0),  0.0,  (0.0, -0.0)),
    ("direction_cosine", (-inf, 1.0), -1.0, (0.0, 0.0)),
    ("erf",      (inf,),          1.0,    (0.0,)),
    ("erfc",     (-inf,),         2.0,    (-0.0,)),
    ("normal_cdf", (-inf,),       0.0,    (0.0,)),
    ("normal_cdf", (inf,),        1.0,    (0.0,)),
    ("gaussian", (-inf,),         0.0,    (0.0,)),
    ("normal_pdf", (inf,),        0.0,    (0.0,)),
    ("over_square", (0.0, 5e-324), 0.0,   (inf, 0.0)),
    ("over_cube", (0.0, 1e-160),  0.0,    (inf, 0.0)),
    ("scaled_power", (0.0, 1e-300, -2.0), 0.0, (inf, 0.0, 0.0)),
    ("scaled_power", (1e308, 0.0, 2.0),   0.0, (0.0, 0.0, 0.0)),
    ("scaled_power_log", (0.0, 1e-300, -2.0), 0.0, (-inf, 0.0, 0.0)),
    ("scaled_power_log", (1.0, 0.0, 2.0), 0.0, (0.0, 0.0, 0.0)),
    ("scaled_power_log_square", (1.0, 0.0, 2.0), 0.0, (0.0, 0.0, 0.0)),
    ("cosine_slope", (0.0, 0.0),  0.0,    (0.0, 0.0)),
    ("cosine_slope", (0.0, 1e-200), 1e200, (0.0, -inf)),
    ("cosine_cross_slope", (1e-200, 0.0), 0.0, (0.0, -inf)),
    ("angle_slope", (0.0, 1e-200), 1e200, (0.0, -inf)),
    ("angle_slope", (inf, 1.0),   0.0,    (0.0, 0.0)),
    ("cos2_over_square", (1e-200, 1e-200), 0.0, (-inf, inf)),
    ("sin2_over_square", (0.0, 1e-200), 0.0, (inf, 0.0)),
    ("sigmoid",  (-1000.0,),      0.0,    (0.0,)),
    ("sigmoid",  (1000.0,),       1.0,    (0.0,)),
    ("sigmoid",  (-inf,),         0.0,    (0.0,)),
    ("softplus", (1000.0,),       1000.0, (1.0,)),
    ("softplus", (-inf,),         0.0,    (0.0,)),
    ("softplus", (inf,),          inf,    (1.0,)),
    ("silu",     (-1000.0,),      -0.0,   (-0.0,)),
    ("gelu",     (-1000.0,),      -0.0,   (-0.0,)),
    ("gelu",     (1000.0,),       1000.0, (1.0,)),
    ("relu",     (0.0,),          0.0,    (0.0,)),
    ("relu",     (-0.0,),         0.0,    (0.0,)),
    ("relu",     (inf,),          inf,    (1.0,)),
    ("leaky_relu", (0.0, 0.01),   0.0,    (0.01, 0.0)),
    ("elu",      (0.0, 1.5),      0.0,    (1.5, 0.0)),
    ("elu",      (1000.0, 1.0),   1000.0, (1.0, 0.0)),
    ("maximum",  (2.0, 2.0),      2.0,    (0.5, 0.5)),
    ("minimum",  (2.0, 2.0),      2.0,    (0.5, 0.5)),
    ("maximum",  (inf, inf),      inf,    (0.5, 0.5)),
    ("sign",     (inf,),          1.0,    (0.0,)),
    ("clip",     (0.0, 2.0, 1.0), 1.0,    (0.0, 0.0, 1.0)),
    ("clip",     (1.0, 1.0, 2.0), 1.0,    (1.0, 0.0, 0.0)),
    ("clip",     (2.0, 1.0, 2.0), 2.0,    (1.0, 0.0, 0.0)),
]
# fmt: on


@pytest.mark.parametrize(("name", "xs", "result", "slopes"), EDGES)
def test_edges(name, xs, result, slopes):
    op = TABLE[name]
    out = op.forward(*xs)
    got = [out, *op.locals(out, *xs)]
    for have, want in zip(got, [result, *slopes], strict=True):
        assert have == pytest.approx(want, rel=1e-15, abs=0, nan_ok=True), got


@pytest.mark.parametrize("op", [op for op in TABLE.values() if op.finite_slopes], ids=repr)
@given(data=st.data())
def test_slopes_of_a_tame_row_are_finite_where_its_result_is(op, data):
    """The backward pass may then skip a node whose gradient is 0."""
    size = data.draw(st.integers(1, 5)) * (2 if op.name == "dot" else 1) + (op.name == "dot")
    xs = data.draw(st.lists(st.floats(), min_size=size, max_size=size), label="inputs")
    args = op.unflatten(tuple(xs))
    out = op.forward(*args)
    if math.isfinite(out):
        assert all(map(math.isfinite, flatten(op.locals(out, *args))))


@given(st.lists(reference.both_signs(1e-3, 700.0), min_size=1, max_size=6))
def test_logsumexp_and_softmax_against_mpmath(xs):
    """Slopes of logsumexp are the shares; the error grows by one unit per unit of distance."""
    exps = [reference.exp(mpf(x)) for x in xs]
    want = reference.log(sum(exps))
    out = formulas.logsumexp(xs)
    assert abs(mpf(out) - want) <= 4 * math.ulp(max(1.0, *map(abs, xs)))
    for x, share, e in zip(xs, formulas.softmax(xs), exps, strict=True):
        assert ulps(share, e / sum(exps)) <= 4 + len(xs) + (max(xs) - x)


def test_logsumexp_keeps_a_rest_too_small_to_change_one():
    assert formulas.logsumexp([0.0, -40.0]) == math.exp(-40.0)


@pytest.mark.parametrize("largest", [inf, -inf])
def test_logsumexp_of_infinities(largest):
    assert formulas.logsumexp([largest, -inf]) == largest


def test_floats_agree_with_numpy():
    """Where Python's math raises, the result follows IEEE 754."""
    import numpy as np

    pairs = {
        "exp": np.exp, "log": np.log, "log1p": np.log1p, "sqrt": np.sqrt, "sin": np.sin,
        "floor": np.floor, "rint": np.rint, "asin": np.arcsin, "acosh": np.arccosh, "atanh": np.arctanh, "cosh": np.cosh,
    }  # fmt: skip
    with np.errstate(all="ignore"):
        for name, numpys in pairs.items():
            for x in [inf, -inf, nan, 0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 1e4, -1e4]:
                got = getattr(arithmetic, name)(x)
                assert type(got) is float
                np.testing.assert_allclose(got, numpys(x), rtol=1e-15, err_msg=f"{name}({x})")
        for x in [0.0, -0.0, 1.0, -1.0, -8.0, inf, -inf, nan, 1e200]:
            for y in [0.0, -0.0, 1 / 3, -1.0, -2.0, 3.0, inf, nan]:
                np.testing.assert_equal(arithmetic.power(x, y), np.power(x, y), f"{x} ** {y}")
                np.testing.assert_equal(arithmetic.divide(x, y), np.divide(x, y), f"{x} / {y}")


def test_calling_a_row_makes_its_node():
    x = Value(3.0)
    assert rules.SQUARE(x).inputs == (x,)
    assert DOT([x, 1.0], [2.0, x], 0.5).data == 9.5
    with pytest.raises(TypeError, match="clip takes 3 arguments, got 1"):
        rules.CLIP(x)


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="no operation 'sine'"):
        rules.row("sine")


@pytest.mark.parametrize("args", [(0.0, math.nan), (math.nan, 1.0), (math.nan, math.nan)])
def test_hypot_of_nan_is_nan_after_an_overflow(args):
    """The overflow leaves its error number in the C library, where abs(complex) reads it."""
    with contextlib.suppress(OverflowError):
        math.sinh(1000.0)
    assert math.isnan(arithmetic.hypot(*args))


@pytest.mark.parametrize("x", [1.0, 2.172, 1e150, 1e-150, 1.7e308])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_second_derivative_of_an_angle_beside_the_diagonal(x, sign):
    """There the terms of y² - x² cancel, and the row is still right to the last places."""
    y = sign * x * (1.0 - 1e-9)
    row = ROWS["cos2_over_square"]
    assert ulps(TABLE["cos2_over_square"].forward(x, y), row.formula(mpf(x), mpf(y))) <= row.ulps[0]
