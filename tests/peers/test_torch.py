"""Every row compared with PyTorch: value, first and second derivatives.

    make test-peers

A table lists intentional differences, with the reasons. mpmath confirms which result is right.
"""

import mpmath
import numpy as np
import pytest

from engine.rules import TABLE
from peers.judges import torch
from peers.rows import ours, points, slopes_of_rows
from reference import ROWS

F = torch.nn.functional

# fmt: off
THEIRS = {
    "+": torch.add, "-": torch.sub, "*": torch.mul, "/": torch.div, "**": torch.pow, "%": torch.remainder, "//": lambda x, y: torch.div(x, y, rounding_mode="floor"), "neg": torch.neg,
    **{name: getattr(torch, name) for name in (
        "abs", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "square", "sin", "cos",
        "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "atan2",
        "hypot", "erf", "erfc", "sigmoid", "relu", "sign", "maximum", "minimum", "clip",
        "floor", "ceil", "round", "logaddexp", "xlogy",
    )},
    "cbrt": lambda x: torch.sign(x) * abs(x) ** (1 / 3),
    "normal_cdf": torch.special.ndtr,
    **slopes_of_rows(torch),
    "squared_relu": lambda x: torch.relu(x) ** 2,
    "softplus": F.softplus, "silu": F.silu, "gelu": F.gelu,
    "leaky_relu": lambda x, slope: torch.where(x > 0, x, slope * x),
    "elu": lambda x, alpha: torch.where(x > 0, x, alpha * torch.expm1(x)),
    "where": lambda c, x, y: torch.where(c != 0, x, y),
    "dot": lambda w1, w2, x1, x2, b: w1 * x1 + w2 * x2 + b,
    "total": lambda *xs: sum(xs),
    "logsumexp": lambda *xs: torch.logsumexp(torch.stack(xs), 0),
    "softmax": lambda *xs: torch.softmax(torch.stack(xs), 0)[0],
    "rms_norm": lambda *xs: xs[0] / torch.sqrt((torch.stack(xs[:-1]) ** 2).mean() + xs[-1]),
    "layer_norm": lambda *xs: (xs[0] - torch.stack(xs[:-1]).mean()) / torch.sqrt(torch.stack(xs[:-1]).var(correction=0) + xs[-1]),
    "cross_entropy": lambda *xs: -torch.log_softmax(torch.stack(xs), 0)[0],
    "uniform_cross_entropy": lambda *xs: -torch.log_softmax(torch.stack(xs), 0).mean(),
}
# Intentional differences: the row, its inputs, whose derivative is right, and the reason.
DIFFERENCES = {
    ("tanh", 20.0): "1 - tanh² cancels to 0; the slope is 1.7e-17",
    ("sigmoid", 40.0): "sigmoid * (1 - sigmoid) cancels to 0; the slope is 4.2e-18",
    ("gelu", -12.0): "x * pdf + cdf, and cdf is 0 already; the slope is -2.5e-31",
}
# fmt: on


def theirs(name, at):
    f = lambda x: THEIRS[name](*x)
    x = torch.tensor(at, requires_grad=True)
    y = f(x)
    slopes = torch.autograd.grad(y, x, allow_unused=True)[0] if y.requires_grad else None
    slopes = torch.zeros(len(at)) if slopes is None else slopes
    second = torch.autograd.functional.hessian(f, torch.tensor(at))
    return y.item(), slopes.tolist(), second.numpy()


@pytest.mark.parametrize("name", TABLE)
def test_every_row_agrees(name):
    """Value, first and second derivatives agree wherever PyTorch's are not nan."""
    judged = 0
    for at in points(name):
        value, slopes, second = theirs(name, at)
        if not np.isfinite([value, *slopes, *second.ravel()]).all():
            continue
        judged += 1
        got = ours(name, at)
        assert got[0] == pytest.approx(value, rel=1e-13, abs=1e-15)
        np.testing.assert_allclose(got[1], slopes, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(got[2], second, rtol=1e-11, atol=1e-14)
    assert judged


@pytest.mark.parametrize(("name", "x"), DIFFERENCES, ids=str)
def test_where_we_differ_mpmath_is_with_us(name, x):
    row = ROWS[name]
    with mpmath.workprec(1200):
        exact = row.slopes[0](mpmath.mpf(x))
    mine, other = ours(name, (x,))[1][0], theirs(name, (x,))[1][0]
    assert mine == pytest.approx(float(exact), rel=1e-13, abs=0.0)
    assert other != pytest.approx(float(exact), rel=1e-9, abs=0.0), "they agree by now"


def test_the_origin_of_hypot():
    """There is no derivative; ours is 0, which gradient descent can use, and PyTorch's is nan."""
    assert ours("hypot", (0.0, 0.0))[1] == [0.0, 0.0]
    assert np.isnan(theirs("hypot", (0.0, 0.0))[1]).all()
