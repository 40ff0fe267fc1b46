"""Rows at kinks, at the ends of their domains and at huge inputs, compared with PyTorch and JAX.

A judge's nan is ignored. DIFFERENCES lists intentional differences, with the reasons.
"""

import math

import mpmath
import numpy as np
import pytest

from engine.rules import TABLE
from peers import test_jax, test_torch
from peers.judges import EPS
from peers.rows import ours
from reference import ROWS

inf = math.inf
ZERO = [(0.0,), (-0.0,)]
FAR = [(1e4,), (-1e4,)]
# fmt: off
KINKS = {
    **dict.fromkeys(("neg", "abs", "exp", "exp2", "expm1", "log1p", "cbrt", "square", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "atanh", "erf", "erfc", "normal_cdf", "sign"), ZERO),
    **dict.fromkeys(("tanh", "sigmoid", "softplus", "silu", "gelu", "relu", "squared_relu"), ZERO + FAR),
    "log": [(1.0,), (0.0,)], "log2": [(1.0,), (0.0,)], "log10": [(1.0,), (0.0,)],
    "sqrt": ZERO, "acosh": [(1.0,)],
    "exp": [*ZERO, (-1e4,), (710.0,)], "exp2": [*ZERO, (-1e4,)], "expm1": [*ZERO, (-1e4,)],
    "asin": [*ZERO, (1.0,), (-1.0,)], "acos": [*ZERO, (1.0,), (-1.0,)], "atanh": [*ZERO, (1.0,), (-1.0,)],
    "log1p": [*ZERO, (-1.0,)], "atan": [*ZERO, (1e200,)], "asinh": [*ZERO, (1e200,)],
    "erf": [*ZERO, *FAR], "erfc": [*ZERO, *FAR, (26.0,)], "normal_cdf": [*ZERO, *FAR, (-30.0,)],
    "+": [(0.0, 0.0), (inf, 1.0)], "-": [(3.0, 3.0)], "*": [(0.0, 0.0), (0.0, 2.0)], "/": [(0.0, 2.0), (1.0, 0.0)],
    "**": [(0.0, 1.0), (0.0, 2.0), (0.0, 3.0), (2.0, 0.0), (0.0, 0.0), (0.0, 0.5), (-2.0, 3.0), (-2.0, 2.0)],
    "%": [(-7.5, 2.0), (7.5, -2.0)], "//": [(-7.5, 2.0), (7.5, -2.0)],
    "floor": [(2.5,)], "ceil": [(2.5,)], "round": [(2.5,), (-3.5,)],
    "xlogy": [(0.0, 2.0), (1.0, 1.0), (1.0, 0.0)], "logaddexp": [(0.0, 0.0), (1e4, 1e4), (-inf, 1.0)],
    "sech_squared": ZERO, "one_minus_square": [*ZERO, (1.0,)], "direction_cosine": [(0.0, 1.0), (1.0, 0.0)],
    "gaussian": [*ZERO, *FAR], "normal_pdf": [*ZERO, *FAR], "over_square": [(0.0, 2.0)], "over_cube": [(0.0, 2.0)],
    "scaled_power": [(0.0, 2.0, 3.0), (2.0, 0.0, 2.0)],
    **{key: [(2.0, 1.0, 0.0)] for key in ("scaled_power_log", "scaled_power_log_square")},
    **{key: [(0.0, 1.0), (1.0, 0.0)] for key in ("cosine_slope", "cosine_cross_slope", "angle_slope", "cos2_over_square", "sin2_over_square")},
    "atan2": [(0.0, 1.0), (1.0, 0.0), (0.0, -1.0)], "hypot": [(0.0, 1.0), (0.0, 0.0), (3.0, 3.0), (1e200, 1e200)],
    "leaky_relu": [(0.0, 0.1)], "elu": [(0.0, 1.0), (0.0, 0.7)],
    "maximum": [(1.0, 1.0), (0.0, -0.0), (inf, 1.0), (-inf, -inf)],
    "minimum": [(1.0, 1.0), (0.0, -0.0), (1.0, -inf), (inf, inf)],
    "clip": [(-1.0, -1.0, 1.0), (1.0, -1.0, 1.0), (0.0, 0.0, 0.0), (0.0, 1.0, -1.0)],
    "where": [(1.0, 0.3, 0.3), (0.0, 0.0, 0.0)],
    "dot": [(0.0,) * 5], "total": [(0.0,) * 5],
    "logsumexp": [(0.0,) * 5, (1e4, -1e4, 0.0, 0.0, 0.0), (1e4,) * 5, (-inf, 0.0, 1.0, 2.0, 2.0), (inf, 0.0, 0.0, 0.0, 0.0)],
    "softmax": [(0.0,) * 5, (1e4, -1e4, 0.0, 0.0, 0.0), (-1e4, 1e4, 0.0, 0.0, 0.0), (-inf, 0.0, 1.0, 2.0, 2.0), (0.0, -inf, 1.0, 2.0, 2.0)],
    "rms_norm": [(0.0, 0.0, 0.0, 0.0, 1e-5), (3.0, -1.0, 0.0, 0.0, 0.0)],
    "layer_norm": [(0.0, 0.0, 0.0, 0.0, 1e-5), (3.0, 3.0, 3.0, 3.0, 1e-5)],
    "uniform_cross_entropy": [(0.0,) * 5, (1e4, -1e4, 0.0, 0.0, 0.0), (1e4,) * 5],
    "cross_entropy": [(0.0,) * 5, (1e4, -1e4, 0.0, 0.0, 0.0), (-1e4, 1e4, 0.0, 0.0, 0.0), (1e4,) * 5, (0.0, -inf, 1.0, 2.0, 2.0)],
}
ANY = ("torch", "jax")
# The row, at, whose, which number: why ours is another. Where a derivative exists, the reason comes from mpmath.
EXACT, CHOICE = "ours is exact", "there is no derivative: a choice"
DIFFERENCES = {
    ("abs", 0.0, "jax", "slope"): (CHOICE, "0, the middle of -1 and 1; theirs is 1"),
    ("leaky_relu", 0.0, "jax", "slope"): (CHOICE, "ours is the slope on the left, as PyTorch's"),
    ("leaky_relu", 0.0, "jax", "second"): (CHOICE, "as above: its mixed derivative is 1 on the left"),
    ("clip", -1.0, "jax", "slope"): (CHOICE, "1 at both ends, as PyTorch's; theirs shares as maximum does"),
    ("clip", 1.0, "jax", "slope"): (CHOICE, "as above"),
    ("clip", 0.0, "jax", "slope"): (CHOICE, "as above"),
    ("**", 0.0, "torch", "slope"): (CHOICE, "0 ** y falls from inf to 0 at y = 0; theirs is 0, ours the limit of log"),
    ("**", 0.0, "jax", "slope"): (CHOICE, "as above"),
    ("**", 0.0, "jax", "second"): (EXACT, "x ** (y - 1) (1 + y log x) is -inf; theirs is 0"),
    ("hypot", 0.0, "jax", "slope"): (CHOICE, "0, what descent can live with; theirs is 1/2"),
    ("hypot", 3.0, "jax", "second"): (EXACT, "theirs divides by the larger, which of equal ones has no slope"),
    ("hypot", 1e200, "jax", "slope"): (EXACT, "as above: 1.06, beyond 1"),
    ("hypot", 1e200, "jax", "second"): (EXACT, "as above"),
    ("asinh", 1e200, "torch", "slope"): (EXACT, "theirs squares x, which overflows"),
    ("asinh", 1e200, "jax", "slope"): (EXACT, "as above"),
    **{("normal_cdf", -30.0, judge, what): (EXACT, "theirs round x * x / 2 = 450, and PyTorch's value is 1 + erf")
       for judge in ANY for what in ("value", "slope", "second")},
    ("sqrt", -0.0, "torch", "slope"): (CHOICE, "inf, as at 0: descent goes up; theirs is -inf"),
    ("sqrt", -0.0, "jax", "slope"): (CHOICE, "as above"),
    ("sqrt", -0.0, "torch", "second"): (CHOICE, "-inf, as at 0"),
    ("sqrt", -0.0, "jax", "second"): (CHOICE, "as above"),
    ("**", 2.0, "torch", "second"): (EXACT, "x ** (y - 1) / x at y = 0; theirs takes y x ** (y - 1) for 0"),
    ("logsumexp", 1e4, "torch", "slope"): (EXACT, "theirs is exp(x - out): the rounding of out comes out of exp"),
    ("logsumexp", 1e4, "torch", "second"): (EXACT, "as above"),
    ("logaddexp", 1e4, "jax", "slope"): (EXACT, "as above"),
    ("logaddexp", 1e4, "jax", "second"): (EXACT, "as above"),
}
# fmt: on
CASES = [(name, at) for name, ats in KINKS.items() for at in ats]


def is_at(row, x, name, at):
    """Return whether an entry applies to the inputs; entries for 0.0 also apply to -0.0."""
    signs = math.copysign(1.0, x), math.copysign(1.0, at[0])
    return row == name and x == at[0] and signs != (-1.0, 1.0)


JUDGES = {"torch": test_torch.theirs, "jax": test_jax.theirs}


def parts(name, at, judge):
    """Yield the names of the results that differ by more than 20 roundings, unless theirs is nan."""
    mine, other = ours(name, at), JUDGES[judge](name, at)
    for what, one, two in zip(("value", "slope", "second"), mine, other, strict=True):
        one, two = np.asarray(one, float), np.asarray(two, float)
        size = max(np.abs(two[np.isfinite(two)]).max(initial=0.0), 1e-300)
        if name in ("softmax", "cross_entropy", "uniform_cross_entropy"):
            size = max(size, 1.0)  # of shares that cancel
        known = ~np.isnan(two)
        if not np.allclose(one[known], two[known], rtol=20 * EPS, atol=20 * EPS * size):
            yield what


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize(("name", "at"), CASES, ids=str)
def test_differs_only_where_a_table_says_why(name, at, judge):
    """A difference that no longer exists must be removed from the table."""
    differing = set(parts(name, at, judge))
    listed = {
        what for row, x, whose, what in DIFFERENCES if is_at(row, x, name, at) and whose == judge
    }
    assert differing <= listed
    if not [other for other in KINKS[name] if other[0] == at[0] and other != at]:
        assert differing == listed, "the difference no longer exists"


@pytest.mark.parametrize(
    ("name", "at"),
    dict.fromkeys(
        (name, at)
        for (name, x, _, what), (why, _) in DIFFERENCES.items()
        for at in KINKS[name]
        if why == EXACT and name in ROWS and at[0] == x and what != "second"
    ),
    ids=str,
)
def test_where_ours_is_exact_mpmath_says_so(name, at):
    row, exact = ROWS[name], list(map(mpmath.mpf, at))
    value, slopes, _ = ours(name, at)
    assert value == pytest.approx(float(row.formula(*exact)), rel=20 * EPS, abs=0)
    assert slopes == pytest.approx([float(s(*exact)) for s in row.slopes], rel=20 * EPS, abs=0)


def test_the_second_derivative_of_hypot_is_exact():
    """The second derivatives are y² / r³ and -x y / r³."""
    r = mpmath.hypot(3, 3)
    second = [[9 / r**3, -9 / r**3], [-9 / r**3, 9 / r**3]]
    np.testing.assert_allclose(ours("hypot", (3.0, 3.0))[2], np.array(second, float), rtol=20 * EPS)


def test_logits_that_are_all_minus_infinity():
    """No class is possible, so all shares are equal; other libraries return nan."""
    at = (-inf,) * 5
    value, slopes, _ = ours("logsumexp", at)
    assert (value, slopes) == (-inf, [0.2] * 5)
    assert all(np.isnan(judge("logsumexp", at)[1]).all() for judge in JUDGES.values())


def test_every_row_is_judged_at_its_kinks():
    assert set(KINKS) == set(TABLE) == set(test_torch.THEIRS) == set(test_jax.THEIRS)
