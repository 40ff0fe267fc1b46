"""Reductions in limiting cases (ties, nan, infinities, no elements); softmax to the last digits."""

import math
import re

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mpf

from engine import Array, ArrayOp, Value, grad, hessian, hvp, logsumexp, norm, softmax
from engine.arithmetic import where
from engine.arrays.rules import CROSS_ENTROPY, SOFT_CROSS_ENTROPY, one_hot
from engine.sequences.rules import CROSS_ENTROPY as SCALAR_CROSS_ENTROPY
from reference import ulps
from strategies import (
    DTYPES,
    arrays,
    axes,
    examples,
    inf,
    nan,
    shapes,
)

# ---------------------------------------------------------------------------------- ties and nan


@pytest.mark.parametrize("name", ["max", "min"])
@given(data=st.data())
def test_ties_share_equally(name, data):
    """The gradient of a slice is divided equally among its largest elements."""
    shape = data.draw(shapes(), label="shape")
    x = data.draw(
        arrays(shape, numbers=st.sampled_from([-1.0, 0.0, -0.0, 1.0, inf, -inf])), label="x"
    )
    axis = data.draw(axes(len(shape)), label="axis")
    node = Array(x)
    out = getattr(node, name)(axis=axis)
    C = data.draw(arrays(out.shape), label="C")
    (out * C).sum().backward()
    extreme = getattr(x, name)(axis=axis, keepdims=True)
    is_extreme = x == extreme
    want = C.reshape(extreme.shape) * is_extreme / is_extreme.sum(axis=axis, keepdims=True)
    np.testing.assert_allclose(node.grad, want, rtol=4e-16, atol=0)


REDUCTIONS = {
    name: lambda x, name=name: getattr(x, name)(axis=-1)
    for name in ("sum", "mean", "max", "min", "logsumexp", "softmax", "log_softmax", "prod", "std")
} | {
    "cross_entropy": lambda x: CROSS_ENTROPY(x, Y=one_hot(np.array([1, 0]), 3)),
    "soft_cross_entropy": lambda x: SOFT_CROSS_ENTROPY(x, Y=np.full((2, 3), 1 / 3)),
}


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("place", range(3))
def test_nan_stays_in_its_sample(name, place):
    """A sample with nan has nan results and gradients, and does not affect other samples."""
    x, clean = Array(np.arange(6.0).reshape(2, 3)), Array(np.arange(6.0).reshape(2, 3))
    x.data[0, place] = nan
    out, well = REDUCTIONS[name](x), REDUCTIONS[name](clean)
    (out * out).sum().backward()
    (well * well).sum().backward()
    assert np.isnan(out.data[0]).all()
    assert np.isnan(x.grad[0]).all()
    np.testing.assert_array_equal(out.data[1], well.data[1])
    np.testing.assert_array_equal(x.grad[1], clean.grad[1])


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 2)])
def test_reductions_of_no_elements(shape):
    """The sum is 0, the product 1, the mean nan without a warning; a maximum does not exist."""
    x, axis = Array(np.zeros(shape)), shape.index(0)
    total, mean = x.sum(axis), x.mean(axis)
    assert (total.data == 0).all()
    assert np.isnan(mean.data).all()
    (total.sum() + mean.sum()).backward()
    assert x.grad.shape == shape
    assert (x.prod(axis).data == 1).all()
    assert np.isnan(x.var(axis).data).all()
    assert (norm(x, axis=axis).data == 0).all()
    assert (x.logsumexp(axis).data == -inf).all()
    assert x.softmax(axis).shape == x.log_softmax(axis).shape == shape
    for f in (
        Array.prod,
        Array.std,
        Array.logsumexp,
        Array.softmax,
        Array.log_softmax,
        Array.cumsum,
    ):
        f(x, axis=axis).sum().backward()
    assert x.grad.shape == shape
    for name in ("max", "min"):
        with pytest.raises(
            ValueError, match=rf"{name} does not accept shape {re.escape(str(shape))}"
        ):
            getattr(x, name)(axis=axis)


def test_an_array_without_axes_has_a_last_axis():
    """As in NumPy, a reduction over axis 0 or -1 returns it unchanged."""
    for name in ("sum", "mean", "max", "min", "prod", "logsumexp", "softmax", "log_softmax", "std"):
        for axis in (0, -1):
            x = Array(3.0)
            y = getattr(x, name)(axis=axis)
            y.backward()
            assert (y.shape, x.grad) == ((), float(name not in ("softmax", "log_softmax", "std")))


def test_several_axes_are_one():
    x = np.arange(24.0).reshape(2, 3, 4) / 7
    joined = Array(x.transpose(1, 0, 2).reshape(3, 8))
    for axis in [(0, 2), (-1, 0)]:
        np.testing.assert_allclose(Array(x).logsumexp(axis).data, joined.logsumexp().data)
        for f in (Array.softmax, Array.log_softmax):
            got = f(Array(x), axis).data.transpose(1, 0, 2).reshape(3, 8)
            np.testing.assert_allclose(got, f(joined).data)


def test_log_softmax_keeps_its_digits():
    """Near log(1), and the slope 1 - p of a p near 1."""
    x = Array([40.0, 0.0])
    y = x.log_softmax()
    y[0].backward()
    assert y.data.tolist() == [-math.exp(-40.0), -40.0]
    np.testing.assert_allclose(x.grad, [math.exp(-40.0), -math.exp(-40.0)], rtol=4e-16)


@pytest.mark.parametrize("zeros", range(8))
def test_products_with_zeros(zeros):
    """First and second derivatives, for each set of zeros among three factors."""
    at = np.where([zeros >> i & 1 for i in range(3)], 0.0, [2.0, 3.0, 5.0])
    a, b, c = at
    x = Array(at)
    y = x.prod()
    assert (y.data, grad(y, x).tolist()) == (a * b * c, [b * c, a * c, a * b])
    assert hessian(y, x).tolist() == [[0, c, b], [c, 0, a], [b, a, 0]]
    z = (x.cumprod() * [1.0, 10.0, 100.0]).sum()
    assert grad(z, x).tolist() == [1 + 10 * b + 100 * b * c, 10 * a + 100 * a * c, 100 * a * b]
    mixed = [10 + 100 * c, 100 * b, 100 * a]
    assert hessian(z, x)[[0, 0, 1], [1, 2, 2]].tolist() == mixed


@pytest.mark.parametrize("dtype", DTYPES)
def test_norms_at_zero_and_far_out(dtype):
    """The slope at 0 is 0, beside rows that are not 0, too; no square overflows or underflows."""
    x = Array(np.array([[0.0, 0.0], [3.0, 4.0]], dtype))
    y = norm(x, axis=1)
    assert (y.data.tolist(), y.dtype) == ([0.0, 5.0], dtype)
    np.testing.assert_allclose(grad(y.sum(), x), [[0.0, 0.0], [0.6, 0.8]], rtol=1e-7)
    np.testing.assert_allclose(
        hvp(y.sum(), x, np.ones((2, 2), dtype))[1], [0.032, -0.024], rtol=1e-5
    )
    huge, tiny = np.finfo(dtype).max / 8, np.finfo(dtype).smallest_subnormal
    for size in (huge, tiny):
        x = Array(np.array([3.0, 4.0], dtype) * size)
        assert norm(x).data == 5 * size
        np.testing.assert_allclose(grad(norm(x), x), [0.6, 0.8], rtol=1e-6)
    x = Array(np.full((2, 2), 0.5, dtype))
    for f in (lambda x: x.std(), lambda x: norm(x - x.data, axis=1).sum()):
        assert not grad(f(x), x, create_graph=True).data.any()
        assert not hvp(f(x), x, np.ones_like(x.data)).any()


# ------------------------------------------------------------- logsumexp, softmax, cross-entropy

extreme = st.sampled_from([inf, -inf, nan, 0.0, 1.0, 40.0, -1e3, 1e308, -1e308])


@given(data=st.data())
def test_extreme_logits_agree_with_values(data):
    """Infinite logits, masked classes and nan have the results of the scalar engine."""
    zs = data.draw(st.lists(extreme, min_size=1, max_size=4), label="logits")
    label = data.draw(st.integers(0, len(zs) - 1), label="label")

    def compared(array, scalar):
        x, vs = Array(np.array([zs])), [Value(z) for z in zs]
        out, want = array(x), scalar(vs)
        out.sum().backward()
        want.backward()
        for got, expected in [(out.sum().data, want.data), (x.grad, [[v.grad for v in vs]])]:
            np.testing.assert_allclose(got, expected, rtol=1e-14, atol=1e-300)

    compared(lambda x: x.logsumexp(), logsumexp)
    compared(
        lambda x: CROSS_ENTROPY(x, Y=one_hot(np.array([label]), len(zs))),
        lambda vs: SCALAR_CROSS_ENTROPY(vs[label], (*vs[:label], *vs[label + 1 :])),
    )
    compared(lambda x: x.softmax()[:, label], lambda vs: softmax(vs)[label])


logits = arrays((2, 4), numbers=st.floats(-700.0, 700.0))


@pytest.mark.parametrize("margin", [1.0, 30.0, 100.0, 700.0])
@pytest.mark.parametrize("label", [0, 1, 2])
def test_the_gradient_of_softmax_does_not_cancel_near_one(margin, label):
    """1 - share is computed as the sum of the other shares, as for Values; it would be 0."""
    zs = [margin, 0.0, -1.0]
    x, vs = Array([zs]), [Value(z) for z in zs]
    x.softmax()[0, label].backward()
    softmax(vs)[label].backward()
    np.testing.assert_allclose(x.grad[0], [v.grad for v in vs], rtol=8 * 2.0**-52)


@examples(50)
@given(logits)
def test_logsumexp_and_its_gradient_are_right_to_the_last_places(x):
    """Against mpmath, within the bounds of the scalar row in `test_functions`."""
    node = Array(x)
    out = node.logsumexp()
    out.sum().backward()
    with mpmath.workprec(200):
        for i, row in enumerate(x.tolist()):
            exps = [mpmath.exp(mpf(z)) for z in row]
            error = abs(mpf(out.data[i]) - mpmath.log(sum(exps)))
            assert error <= 4 * math.ulp(max(1.0, *map(abs, row)))
            for j, z in enumerate(row):
                assert ulps(node.grad[i, j], exps[j] / sum(exps)) <= 10 + max(row) - z


@examples(50)
@given(logits, arrays((2,), numbers=st.integers(0, 3).map(float)))
def test_cross_entropy_and_its_gradient_are_right_to_the_last_places(x, labels):
    """-log of the label's share, and predicted minus target without cancellation, against mpmath.

    The loss sums a difference of logits and log1p of a sum of shares, whose exponents, up to 1400,
    are rounded; so do the shares of classes far below the label's.
    """
    labels, node = labels.astype(int), Array(x)
    out = CROSS_ENTROPY(node, Y=one_hot(labels, 4))
    out.sum().backward()
    with mpmath.workprec(2400):
        for i, row in enumerate(x.tolist()):
            label, span = labels[i], 2 * (max(row) - min(row))
            shares = [mpmath.exp(mpf(z)) for z in row]
            shares = [e / sum(shares) for e in shares]
            others = [p for j, p in enumerate(shares) if j != label]
            assert ulps(out.data[i], mpmath.log1p(sum(others) / shares[label])) <= 10 + span
            for j, p in enumerate(shares):
                want = -sum(others) if j == label else p
                assert ulps(node.grad[i, j], want) <= 20 + span


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("offset", [0.0, 1e6, -1e7, 1e17])
def test_cross_entropy_does_not_depend_on_a_common_offset(offset, dtype):
    x = Array(np.full((1, 2), offset, dtype))
    loss = CROSS_ENTROPY(x, Y=one_hot(np.array([0]), 2))
    loss.sum().backward()
    assert loss.data == dtype(math.log(2))
    assert x.grad.tolist() == [[-0.5, 0.5]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("margin", [1.0, 30.0, 80.0])
def test_a_small_cross_entropy_keeps_its_digits(margin, dtype):
    x = Array(np.array([[margin, 0.0]], dtype))
    loss = CROSS_ENTROPY(x, Y=one_hot(np.array([0]), 2))
    loss.sum().backward()
    small = math.exp(-margin)  # 1 + small rounds to 1 for margins above 37
    close = lambda want: pytest.approx(want, rel=float(8 * np.finfo(dtype).eps), abs=0)
    assert loss.data[0] == close(math.log1p(small))
    assert x.grad[0].tolist() == close([-small / (1 + small), small / (1 + small)])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 1), (1,), (0,), (3, 0), (2, 0, 3)])
def test_log_softmax_of_one_element_or_none_has_derivatives(shape, dtype):
    """All shares are then 1, or there are none. The result for one element is constant."""
    x = Array(np.full(shape, 3.0, dtype))
    y = (x.log_softmax() * np.cos(np.arange(x.size)).reshape(shape)).sum()
    for _ in range(3):
        (slope,) = grad(y, [x], create_graph=True)
        assert (slope.shape, slope.dtype) == (shape, dtype)
        assert not slope.data.any()
        y = (slope * slope).sum()


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_a_pullback_that_chooses_one_side_for_all_elements_has_its_shape(side):
    """The larger of x and 0, summed along an axis: `where` may return the number 0."""
    row = ArrayOp(
        "positive sum",
        lambda x: where(x > 0.0, x, 0.0).sum(axis=0),
        lambda g, out, x: g * where(x > 0.0, 1.0, 0.0) + 0.0 * where(x > 0.0, x, 0.0).sum(axis=0),
    )
    x = Array(np.full((2, 3), side))
    (slope,) = grad(row(x).sum(), [x], create_graph=True)
    np.testing.assert_array_equal(slope.data, np.full((2, 3), float(side > 0)))
