"""Vectorized logistic regression against loops, the definition, and broadcasting errors."""

import ast
import inspect
import re
import xml.etree.ElementTree as ET

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demos import logistic_regression as demo
from demos.logistic_regression import cost, gradients, sigmoid
from demos.pictures import logistic_regression as pictures
from demos.pictures.style import SIGNS

seeds = st.integers(0, 2**32 - 1)


@st.composite
def cases(draw, dtype=float, widest=1e3):
    """Draw w (n_x, 1), b (), X (n_x, m) and Y (1, m) with entries 0 and 1."""
    n_x, m = draw(st.integers(1, 20)), draw(st.integers(1, 30))
    scale = draw(st.floats(1e-3, widest))
    rng = np.random.default_rng(draw(seeds))
    w, X = rng.normal(0, 1, (n_x, 1)), rng.normal(0, scale, (n_x, m))
    Y = rng.integers(0, 2, (1, m))
    return w.astype(dtype), dtype(rng.normal()), X.astype(dtype), Y.astype(dtype)


def roundings(w, b, X, Y):
    """Return the largest difference of two computations of dw and of db, in any order of summation.

    The error of a sum of n products is at most n u times the sum of their sizes (Higham 2002, 3.5),
    where u is half an ulp of 1. The error of Z reaches A times 1/4 or less, and sigmoid itself
    rounds six times.
    """
    (n_x, m), u = X.shape, np.finfo(X.dtype).eps / 2
    dz_error = ((n_x + 2) / 4 * (abs(w).T @ abs(X) + abs(b)) + 6) * u
    dz_error = dz_error + (m + 3) * u * abs(gradients(w, b, X, Y)[2])
    return 2.1 * (dz_error @ abs(X).T).T / m, 2.1 * dz_error.sum() / m


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loops", [demo.gradients_by_sample, demo.gradients_by_feature])
@given(data=st.data())
def test_loops_agree(loops, dtype, data):
    """dw = X dZᵀ / m and db = sum(dZ) / m are sums over samples and features."""
    case = data.draw(cases(dtype), label="w, b, X, Y")
    *_, dw, db = gradients(*case)
    dw_error, db_error = roundings(*case)
    dw_loops, db_loops = loops(*case)
    assert dw.shape == dw_loops.shape == case[0].shape
    assert (abs(dw - dw_loops) <= dw_error).all()
    assert abs(db - db_loops) <= db_error


@given(cases(widest=5.0))
def test_gradients_of_the_cost(case):
    """They are those of complex steps, which lose no digits (Squire and Trapp 1998)."""
    w, b, X, Y = case

    def slope(dw, db):
        Z = (w + 1e-100j * dw).T @ X + (b + 1e-100j * db)
        return np.mean(np.log1p(np.exp((1 - 2 * Y) * Z))).imag / 1e-100

    *_, dw, db = gradients(w, b, X, Y)
    dw_error, db_error = roundings(w, b, X, Y)
    slopes = [slope(step[:, None], 0) for step in np.eye(len(w))]
    assert (abs(dw[:, 0] - slopes) <= 2 * dw_error[:, 0]).all()
    assert abs(db - slope(0, 1)) <= 2 * db_error


def test_one_iteration():
    """For w = 0, A is 1/2 and dw the mean of x (1/2 - y)."""
    X, Y = np.array([[1.0, 2.0, 3.0], [0.0, 4.0, -1.0]]), np.array([[1.0, 0.0, 1.0]])
    Z, A, dZ, dw, db = gradients(np.zeros((2, 1)), 0.0, X, Y)
    assert (Z.tolist(), A.tolist(), dZ.tolist()) == ([[0] * 3], [[0.5] * 3], [[-0.5, 0.5, -0.5]])
    assert dw.ravel().tolist() == pytest.approx([-1 / 3, 2.5 / 3], rel=1e-15)
    assert db == pytest.approx(-0.5 / 3, rel=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes_are_kept(dtype):
    X = np.ones((2, 3), dtype)
    results = gradients(np.zeros((2, 1), dtype), dtype(0), X, np.ones((1, 3), dtype))
    assert {result.dtype for result in results} == {np.dtype(dtype)}
    for w, b, _ in demo.train(X, np.ones((1, 3), dtype), iterations=3):
        assert (w.dtype, b.dtype) == (dtype, dtype)


# ------------------------------------------------------------------------------------ extremes


@given(st.floats(allow_nan=False))
def test_accuracy_of_sigmoid(z):
    """At most six roundings for any z, and no warning, which would fail the test."""
    want = 1 / (1 + mpmath.exp(-mpmath.mpf(z))) if z > -1e4 else 0.0
    assert abs(float(sigmoid(z)) - want) <= 6 * 2**-53 * want + 5e-324


@given(st.floats(-1e300, 1e300), st.booleans())
def test_accuracy_of_the_cost(z, y):
    """-log a, or -log(1 - a), for any logit, without log(0) or overflow."""
    got = cost(np.array([[z]]), np.array([[float(y)]]))
    with mpmath.workprec(200):
        z = -mpmath.mpf(z) if y else mpmath.mpf(z)
        want = mpmath.log1p(mpmath.exp(z)) if z < 1e4 else z
    assert abs(got - want) <= 6 * 2**-53 * want + 5e-324


def test_cost_of_confident_predictions():
    assert cost(np.array([[-1e5, 1e5]]), np.array([[1.0, 0.0]])) == 1e5
    assert cost(np.array([[1e5, -1e5]]), np.array([[1.0, 0.0]])) == 0.0


# ------------------------------------------------------------------------------------ broadcasting


@given(cases())
def test_broadcasting_error(case):
    """(1, m) minus (m, 1) is (m, m): dw has shape (n_x, m), and db is m times too large."""
    w, _, X, Y = case
    (n_x, m), (_, A, dZ, _, db) = X.shape, gradients(*case)
    wrong = A - Y.reshape(m, 1)
    assert (wrong.shape, wrong.nbytes) == ((m, m), m * dZ.nbytes)
    dw = X @ wrong.T / m
    assert dw.shape == (n_x, m)
    assert abs(np.sum(wrong) / m - m * db) <= m * (2 * m + 2) * 2**-52
    assert (w - dw).shape == (n_x, m)  # a new w raises no error ...
    if m > 1:
        with pytest.raises(ValueError, match="non-broadcastable"):
            w -= dw  # ... an update in place does
    assert (A - Y.reshape(m) == dZ).all()


@pytest.mark.parametrize("shape", [(4,), (4, 1), (), (1, 3), (1, 5)])
def test_shapes_are_checked(shape):
    w, X, Y = np.zeros((2, 1)), np.ones((2, 4)), np.ones(shape)
    message = (
        rf"Y must have the shape of A, \(1, 4\), got {str(shape).translate({40: '[(]', 41: '[)]'})}"
    )
    for use in (gradients, demo.accuracy):
        with pytest.raises(ValueError, match=message):
            use(w, 0.0, X, Y)
    with pytest.raises(ValueError, match=message):
        cost(w.T @ X, Y)


# ------------------------------------------------------------------------------------ training


@given(cases(widest=10.0), st.integers(1, 60))
def test_the_cost_never_rises(case, iterations):
    """α = 8 / (mean of |x|² + 1) lowers the cost for any data, up to a few roundings."""
    *_, X, Y = case
    costs = [J for _, _, J in demo.train(X, Y, iterations)]
    assert costs[0] == pytest.approx(np.log(2), rel=1e-15)
    assert (np.diff(costs) <= 1e-14).all()
    if len(costs) < iterations:
        assert costs[-2] - costs[-1] < demo.CONVERGED


def test_training_stops_when_it_has_converged():
    """The cost is constant for two equal samples with different labels."""
    assert len(list(demo.train(np.ones((3, 2)), np.array([[0.0, 1.0]]), 100))) == 2
    costs = [J for *_, J in demo.train(np.eye(2), np.array([[0.0, 1.0]]), 10**6)]
    falls = -np.diff(costs)
    assert (falls[:-1] >= demo.CONVERGED).all()
    assert falls[-1] < demo.CONVERGED


def test_training_is_gradient_descent():
    rng = np.random.default_rng(0)
    X, Y = rng.random((5, 40)), rng.integers(0, 2, (1, 40)).astype(float)
    alpha = 8 / ((X * X).sum() / 40 + 1)
    w, b = np.zeros((5, 1)), 0.0
    for got_w, got_b, J in demo.train(X, Y, 10):
        np.testing.assert_allclose(got_w, w, rtol=0, atol=1e-14)
        assert got_b == pytest.approx(b, abs=1e-14)
        assert cost(w.T @ X + b, Y) == pytest.approx(J, rel=1e-14)
        dw, db = demo.gradients_by_sample(w, b, X, Y)
        w, b = w - alpha * dw, b - alpha * db


def test_separable_samples_are_learned():
    rng = np.random.default_rng(0)
    X = rng.normal(0, 1, (2, 200))
    Y = (X[:1] + X[1:] > 0).astype(float)
    *_, (w, b, _) = demo.train(X, Y, 2000)
    assert demo.accuracy(w, b, X, Y) > 0.99
    assert demo.accuracy(-w, -b, X, Y) < 0.01


def test_digits_are_selected_and_transposed():
    X, Y = demo.select_digits(np.arange(12.0).reshape(4, 3), np.array([8, 1, 3, 8]))
    assert X.tolist() == [[0.0, 6.0, 9.0], [1.0, 7.0, 10.0], [2.0, 8.0, 11.0]]
    assert Y.tolist() == [[1.0, 0.0, 1.0]]


# ------------------------------------------------------------------------------------- the demo


def test_the_output_of_the_demo(tmp_path, capsys):
    demo.main(tmp_path, iterations=40, sizes=(5, 20))
    output = capsys.readouterr().out
    for line in [
        "11,982 training images, 1,984 test images",
        "dw = X dZᵀ / m     (784, 11982) @ (11982, 1) -> (784, 1)",
        "cost 0.6931 -> 0.2",
        "(1000, 1)  (1000, 1000)  4,000,000  (784, 1000)",
        "With all 11,982 images, A - Y would take 574 MB.",
        f"wrote {tmp_path / 'logistic_regression.svg'}",
    ]:
        assert line in output
    assert ET.parse(tmp_path / "logistic_regression.svg").getroot().tag.endswith("svg")


def test_pictures_are_deterministic(tmp_path):
    rng = np.random.default_rng(0)
    w, X, Y = rng.normal(0, 1, (784, 1)), rng.random((784, 30)), rng.integers(0, 2, (1, 30))
    mistakes = demo.mistakes(w, 0.0, X, Y)
    for name in ("a.svg", "b.svg"):
        pictures.save_picture(
            w, [0.7, 0.5], {10: (50, 5), 100: (200, 9)}, mistakes, (3, 8), "", tmp_path / name
        )
    # The layout may differ in the last bit, which changes the names of clip paths.
    first, second = [
        re.sub(r"\d+\.\d+", lambda x: f"{float(x[0]):.2f}", re.sub(r"\bp[0-9a-f]{10}\b", "", text))
        for text in [(tmp_path / name).read_text("utf-8") for name in ("a.svg", "b.svg")]
    ]
    assert first == second


def test_signs_are_distinguishable_in_grey():
    """The luminance of the colour map (ITU-R BT.709, linear light) increases throughout."""
    colours = SIGNS(np.linspace(0, 1, 256))[:, :3]
    assert (np.diff(colours**2.2 @ [0.2126, 0.7152, 0.0722]) > 0).all()


def test_the_engine_is_not_used():
    tree = ast.parse(inspect.getsource(demo))
    modules = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = {f"{node.module}.{alias.name}" for node in modules for alias in node.names}
    assert {name for name in names if name.startswith(("engine", "nn"))} == {"nn.data"}
