"""Clipping the gradients of Arrays, of any size that floats have."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine import Array, Value
from nn.clip import clip_grad_norm, clip_grad_value, grad_norm

SMALLEST = {"float32": 1.2e-38, "float64": 2.3e-308}  # of the numbers that keep all their digits
shapes = st.sampled_from([(), (1,), (3,), (2, 2)])
inf, nan = math.inf, math.nan


def leaf_of(gradient, dtype=np.float64):
    gradient = np.array(gradient, dtype)  # a copy, to see what is changed in place
    leaf = Array(np.zeros(gradient.shape, dtype))
    leaf.grad = gradient
    return leaf


def numbers(dtype, largest=None):
    width = 32 if dtype == "float32" else 64
    bound = largest or float(np.finfo(dtype).max)
    return st.floats(-bound, bound, width=width, allow_subnormal=False)


def exact_norm(gradients):
    return math.hypot(*[float(x) for g in gradients for x in np.ravel(g)])


@pytest.mark.parametrize("dtype", SMALLEST)
@given(data=st.data())
def test_the_norm_is_that_of_one_vector_of_all_elements(dtype, data):
    """The norm is exact to 4 roundings per array, also where squares overflow or underflow."""
    drawn = data.draw(shapes, label="shape"), data.draw(shapes, label="shape")
    gradients = [data.draw(arrays(dtype, shape, elements=numbers(dtype))) for shape in drawn]
    eps, want = float(np.finfo(dtype).eps), exact_norm(gradients)
    got = grad_norm([leaf_of(g, dtype) for g in gradients])
    assert got == pytest.approx(want, rel=4 * eps) or got == want == inf


@pytest.mark.parametrize("dtype", SMALLEST)
@given(data=st.data(), limit=st.sampled_from([1e-3, 0.5, 5.0, 1e6]))
def test_clipping_by_norm_keeps_the_direction(dtype, data, limit):
    """Untouched up to the limit; beyond it of that norm, and each element by the same factor.

    The factor is not so small here that float32 has few digits for it (1e-38).
    """
    drawn = data.draw(shapes, label="shape"), data.draw(shapes, label="shape")
    elements = numbers(dtype, 2.0**110 if dtype == "float32" else 2.0**1000)
    gradients = [data.draw(arrays(dtype, shape, elements=elements)) for shape in drawn]
    leaves = [leaf_of(g, dtype) for g in gradients]
    before = [leaf.grad for leaf in leaves]
    norm = clip_grad_norm(leaves, limit)
    after = [leaf.grad for leaf in leaves]
    assert all(g.dtype == dtype for g in after)
    for old, g in zip(before, gradients, strict=True):
        np.testing.assert_array_equal(old, g)  # not changed in place
    if norm <= limit:
        assert all(a is b for a, b in zip(after, before, strict=True))
    else:
        eps = float(np.finfo(dtype).eps)
        assert exact_norm(after) == pytest.approx(limit, rel=8 * eps)
        for a, b in zip(after, before, strict=True):
            np.testing.assert_allclose(a, b / norm * limit, rtol=4 * eps, atol=SMALLEST[dtype])


@pytest.mark.parametrize(
    ("gradient", "dtype", "norm"),
    [
        ([3e30, 4e30], np.float32, 5e30),  # whose squares are inf
        ([3e-30, 4e-30], np.float32, 5e-30),  # ... and 0
        ([3e38, 3e38], np.float32, 3e38 * math.sqrt(2)),  # which is itself beyond float32
        ([3e-44, 4e-44], np.float32, None),  # subnormal
        ([3e200, 4e200], np.float64, 5e200),
        ([3e-200, 4e-200], np.float64, 5e-200),
        ([3e-320, 4e-320], np.float64, None),
    ],
)
def test_huge_and_tiny_gradients(gradient, dtype, norm):
    leaf = leaf_of(gradient, dtype)
    want = exact_norm([leaf.grad])
    assert grad_norm([leaf]) == pytest.approx(want, rel=1e-6, abs=0)
    if norm is not None:
        assert want == pytest.approx(norm, rel=1e-6)
        assert clip_grad_norm([leaf], want / 10) == pytest.approx(want, rel=1e-6)
        np.testing.assert_allclose(leaf.grad, np.array(gradient) / 10, rtol=1e-6)
    if want > 1:
        leaf.grad = np.asarray(gradient, dtype)
        clip_grad_norm([leaf], 5.0)
        np.testing.assert_allclose(leaf.grad, np.array(gradient) / want * 5, rtol=1e-6)


def test_values_and_arrays_have_one_norm():
    value = Value(0.0)
    value.grad = 3.0
    leaves = [leaf_of([[4.0]]), value, leaf_of(12.0)]
    assert clip_grad_norm(leaves, 6.5) == 13.0
    assert [float(np.sum(leaf.grad)) for leaf in leaves] == [2.0, 1.5, 6.0]


def test_a_float32_norm_of_many_elements():
    """The norm of a million float32 numbers is near that of float64."""
    g = np.random.default_rng(0).normal(size=(1000, 1000)).astype(np.float32)
    for order in ("C", "F"):
        leaf = leaf_of(np.asarray(g, order=order), np.float32)
        assert grad_norm([leaf]) == pytest.approx(np.linalg.norm(g.astype(float)), rel=1e-5)
    assert grad_norm([leaf_of(g[::2, ::3], np.float32)]) == pytest.approx(
        np.linalg.norm(g[::2, ::3].astype(float)), rel=1e-5
    )


@pytest.mark.parametrize(
    ("gradient", "norm"), [([inf, 3.0], inf), ([-inf, inf], inf), ([nan, 3.0], nan)]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_no_factor_mends_is_left(gradient, norm, dtype):
    leaf = leaf_of(gradient, dtype)
    np.testing.assert_equal(clip_grad_norm([leaf], 1.0), norm)
    np.testing.assert_array_equal(leaf.grad, np.array(gradient, dtype))


def test_no_gradients_at_all():
    assert grad_norm([]) == clip_grad_norm([], 1.0) == 0.0
    assert grad_norm([Array(np.zeros((0, 3)))]) == grad_norm([Array([1.0, 2.0])]) == 0.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("limit", [0.5, 2.0, 1e300])
def test_clipping_by_value_cuts_every_element(dtype, limit):
    """A limit beyond float32's range changes nothing, and nan stays nan."""
    g = np.array([[-3.0, 0.25], [inf, nan]], dtype)
    leaf = leaf_of(g, dtype)
    kept = leaf.grad
    clip_grad_value([leaf], limit)
    wide = g.astype(float)
    with np.errstate(over="ignore"):
        want = np.where(abs(wide) > limit, np.sign(wide) * limit, wide).astype(dtype)
    np.testing.assert_array_equal(leaf.grad, want)
    assert leaf.grad.dtype == dtype
    np.testing.assert_array_equal(kept, g)  # not changed in place
