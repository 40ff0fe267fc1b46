"""NumPy's functions that are compositions: where their slopes are not those of a formula.

Their values and derivatives at ordinary numbers are in `test_array_functions.py`.
"""

import math

import mpmath
import numpy as np
import pytest

from engine import Array, grad


@pytest.mark.parametrize("at", [0.0, 1e-9, 1e-3, 0.3, 0.4999, 0.5, 1.0, 2.5])
def test_sinc_keeps_its_digits_near_0(at):
    x = Array(at)
    y, bound = np.sinc(x), 1e-14
    with mpmath.workdps(60):
        for order in range(5):
            expected = mpmath.diff(mpmath.sincpi, mpmath.mpf(at), order)
            assert abs(y.data - expected) < bound
            y, bound = grad(y, x, create_graph=True), bound * math.pi


def test_numbers_that_replace_nan_receive_the_gradient():
    nan = math.nan
    for f, want in [
        (np.fmax, ([0, 0, 1, 1], [1, 1, 0, 0])),
        (np.fmin, ([1, 0, 1, 0], [0, 1, 0, 1])),
    ]:
        x, y = Array([1.0, nan, 3.0, 4.0]), Array([2.0, 2.0, nan, 2.0])
        f(x, y).sum().backward()
        np.testing.assert_array_equal([x.grad, y.grad], want)
    x = Array([1.0, nan, math.inf, -math.inf])
    y = np.nan_to_num(x, posinf=5.0)
    np.testing.assert_array_equal(y.data, np.nan_to_num(x.data, posinf=5.0))
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, [1.0, 0.0, 0.0, 0.0])


def test_elements_that_move_twice_receive_both_gradients():
    x = Array([1.0, 2.0])
    (np.append(np.vstack([x, x[::-1]]), x) * np.arange(6.0)).sum().backward()
    np.testing.assert_array_equal(x.grad, [0.0 + 3.0 + 4.0, 1.0 + 2.0 + 5.0])


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: np.vstack([x, [1.0]]), "must match exactly"),
        (lambda x: np.tensordot(x, [1.0, 2.0], 1), r"axes of equal lengths, .* \(3,\) and \(2,\)"),
        (lambda x: np.tensordot(x, x, (1, 0)), r"tensordot does not accept shape \(3,\)"),
        (lambda x: np.cross(x, [1.0, 2.0]), "cross expects vectors of 3 elements, got 3 and 2"),
        (lambda x: np.gradient(x[:1]), "at least 2 elements along axis 0"),
        (lambda x: np.gradient(x, [0.0, 1.0, 3.0]), "one number as spacing, .* got"),
        (lambda x: np.gradient(x, edge_order=2), "edge_order=1, got .* edge_order=2"),
        (lambda x: np.select([x > 1.0], [x, x]), "zip"),
    ],
)
def test_arguments_that_do_not_fit(f, message):
    with pytest.raises(ValueError, match=message):
        f(Array([1.0, 2.0, 3.0]))
