"""Derivatives as functions, compared with backward, with differences and with each other."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import (
    Array,
    Tape,
    Value,
    concatenate,
    dot,
    einsum,
    no_grad,
    norm,
    softmax,
    topological,
    walk,
)
from engine.arrays.rules import ARRAY_TABLE
from engine.derivatives.numerical import derivative
from engine.derivatives.transforms import grad, hessian, hvp, jacobian, jvp, vjp
from engine.draw import draw
from nn import MLP, losses, vector
from strategies import examples, node, programs


@examples(200)
@given(program=programs(longest=30))
def test_gradients_agree_with_backward(program):
    """And no `.grad` changes."""
    results = program.on_values()
    leaves, y = results[: len(program.at)], Value.lift(results[-1])
    gradients = grad(y, leaves)
    assert all(node.grad in (0.0, (0.0,) * np.size(node.data)) for node in topological(y))
    y.backward()
    assert gradients == pytest.approx([x.grad for x in leaves], rel=1e-9, abs=1e-9)


@examples(200)
@given(program=programs(longest=12))
def test_second_derivatives_are_slopes_of_first(program):
    """The Hessian of smooth programs: its first row against differences, and its symmetry."""
    leaves = [Value(x) for x in program.at]
    y = Value.lift(program.run(leaves, node)[-1])

    def slope(t):
        moved = [Value(t), *map(Value, program.at[1:])]
        return grad(Value.lift(program.run(moved, node)[-1]), moved[0])

    matrix = hessian(y, leaves)
    assert matrix.shape == (len(leaves), len(leaves))
    size = max(abs(matrix).max(), 1.0)
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-9, atol=1e-9 * size)
    assert matrix[0, 0] == pytest.approx(
        derivative(slope, program.at[0]), rel=1e-5, abs=1e-6 * size
    )


@examples(200)
@given(program=programs(longest=20), data=st.data())
def test_forward_and_reverse_mode_agree(program, data):
    """v · (J t) = (v · J) · t."""
    results = [Value.lift(x) for x in program.on_values()]
    leaves, y = results[: len(program.at)], results[-1]
    t = data.draw(st.lists(st.floats(-2, 2), min_size=len(leaves), max_size=len(leaves)))
    ahead, back = jvp(y, leaves, t), grad(y, leaves)
    terms = [g * each for g, each in zip(back, t, strict=True)]
    scale = sum(map(abs, terms)) + 1.0
    assert ahead == pytest.approx(math.fsum(terms), rel=1e-9, abs=1e-9 * scale)


X = np.random.default_rng(0).normal(size=(3, 4))
W = np.random.default_rng(1).normal(size=(2, 4))
B = np.array([0.3, -0.2])
LABELS = [0, 1, 1]
CASES = {
    "@": lambda x: (x @ Array(W).T).tanh(),
    "@ vector": lambda x: (x @ np.array([1.0, -2.0, 0.5, 0.1])) ** 3,
    "vector @": lambda x: (np.array([1.0, -2.0, 0.5]) @ x) ** 3,
    "linear": lambda x: vector.Dense(4, 2, "tanh", rng=0, dtype=np.float64)(x),
    "sum": lambda x: (x**2).sum(axis=0) ** 2,
    "mean": lambda x: (x**2).mean(axis=1, keepdims=True) * x,
    "max": lambda x: x.max(axis=1) ** 3,
    "min": lambda x: x.min() ** 3 * x,
    "prod": lambda x: x.prod(axis=0) * x.prod(),
    "norm": lambda x: norm(x, axis=1) ** 3,
    "cumsum": lambda x: x.cumsum(axis=0) ** 3,
    "cumprod": lambda x: x.cumprod(axis=-1) * x,
    "einsum": lambda x: einsum("ij,kj->ik", x, x) ** 2,
    "einsum diagonal": lambda x: einsum("ii->i", x[:, 1:]) ** 3,
    "einsum broadcast": lambda x: einsum("ij,ij->i", x[:1] ** 2, x),
    "reshape": lambda x: x.reshape(2, 6) ** 3,
    "transpose": lambda x: x.T @ x,
    "swapaxes": lambda x: x.swapaxes(0, 1) ** 3,
    "squeeze": lambda x: x.reshape(3, 1, 4).squeeze(1) ** 3,
    "broadcast_to": lambda x: x.broadcast_to((2, 3, 4)) ** 3,
    "getitem": lambda x: x[[0, 0, 2], 1:] ** 3,
    "scatter": lambda x: ARRAY_TABLE["scatter"](x[0] ** 2, index=[0, 2, 2, 1], shape=(5,)) ** 2,
    "concatenate": lambda x: concatenate([x**2, x * 2.0], axis=1) ** 2,
    "softmax": lambda x: x.softmax(),
    "log_softmax": lambda x: x.log_softmax(axis=0),
    "logsumexp": lambda x: x.logsumexp(axis=0),
    "cross_entropy": lambda x: losses.cross_entropy(x, LABELS),
    "rows": lambda x: x.exp() * x.sigmoid() + (x * x + 1.0).log() / x.gelu().cosh(),
    "broadcasting": lambda x: x * x[0] + x[:, :1] / (x.square() + 1.0),
    "where": lambda x: x.relu() ** 2 + x.clip(-1.0, 1.0) ** 3,
    "astype": lambda x: x.astype(np.float64) ** 3,
    "mse": lambda x: losses.mse(x @ Array(W).T, np.ones((3, 2))),
}
cases = pytest.mark.parametrize("f", CASES.values(), ids=CASES)


def test_every_row_for_arrays_has_a_case():
    used = {node.op.name for f in CASES.values() for node in topological(f(Array(X))) if node.op}
    assert set(ARRAY_TABLE) <= used


@cases
def test_derivatives_of_arrays_agree_with_differences(f):
    """Forward, reverse and second order, along one direction."""
    x, v = Array(X), np.random.default_rng(2).normal(size=X.shape)
    u = np.random.default_rng(3).normal(size=f(x).shape)
    along = lambda h: f(Array(X + h * v))
    want = (along(1e-5).data - along(-1e-5).data) / 2e-5
    np.testing.assert_allclose(jvp(f(x), x, v), want, rtol=1e-6, atol=1e-7)
    assert np.sum(vjp(f(x), x, u) * v) == pytest.approx(np.sum(u * want), rel=1e-6, abs=1e-6)

    one = lambda x: (f(x) * u).sum()
    slope = lambda h: grad(one(at := Array(X + h * v)), at)
    want = (slope(1e-5) - slope(-1e-5)) / 2e-5
    np.testing.assert_allclose(hvp(one(x), x, v), want, rtol=1e-5, atol=1e-6)


@cases
def test_gradients_of_arrays_agree_with_backward(f):
    x = Array(X)
    y = f(x).sum()
    gradient = grad(y, x)
    assert not x.grad.any()
    y.backward()
    np.testing.assert_allclose(gradient, x.grad, rtol=1e-13, atol=1e-15)


def test_any_order():
    """x**5, sin, exp and cos, differentiated up to five times."""
    x = Value(1.3)
    y = x**5
    for k, factor in enumerate([5.0, 20.0, 60.0, 120.0, 120.0], 1):
        y = grad(y, x, create_graph=True)
        assert y.data == pytest.approx(factor * 1.3 ** (5 - k), rel=1e-13)
    assert grad(y, x) == pytest.approx(0.0, abs=1e-12)
    for f, fourth in [(Value.sin, math.sin), (Value.exp, math.exp), (Value.cos, math.cos)]:
        y = f(x)
        for _ in range(4):
            y = grad(y, x, create_graph=True)
        assert y.data == pytest.approx(fourth(1.3), rel=1e-13)


def test_a_derivative_is_a_graph_like_any_other():
    x = Value(0.5, "x")
    slope = grad((x * x).tanh(), x, create_graph=True)
    assert "x" in draw(slope).svg
    assert next(walk(slope)).node is slope
    assert grad(slope, x) == hessian((x * x).tanh(), x)
    x.zero_grad()
    slope.backward()
    assert x.grad == grad(slope, x)


def test_a_gradient_penalty_has_gradients():
    """Double backward through a network of Values."""
    model, x = MLP(2, [4, 1], "tanh", rng=0), [Value(0.5), Value(-1.0)]
    slopes = grad(model(x), x, create_graph=True)
    penalty = dot(slopes, slopes)
    penalty.backward()
    p = model.layers[0].neurons[0].weights[0]

    def moved(w):
        p.data = w
        return sum(g * g for g in grad(model(x), x))

    assert p.grad == pytest.approx(derivative(moved, p.data), rel=1e-7)


def test_interior_and_independent_nodes():
    x, other = Value(2.0), Value(5.0)
    u = x * 3.0
    y = u * u + x
    assert grad(y, [u, x, other, y]) == [12.0, 37.0, 0.0, 1.0]
    assert jvp(y, [other], [1.0]) == 0.0
    assert jvp(y, [u], [1.0]) == 12.0
    a, b = Array([1.0, 2.0]), Array([3.0])
    np.testing.assert_array_equal(grad((a * a).sum(), [a, b])[1], [0.0])
    assert grad(y, [other], create_graph=True)[0].constant


def test_the_shapes_of_jacobians_and_hessians():
    x, y = Value(0.5), Value(-1.0)
    assert jacobian(x * y, x) == -1.0
    assert jacobian(softmax([x, y]), [x, y]).shape == (2, 2)
    assert jacobian(softmax([x, y]), x).shape == (2,)
    a, b = Array(X), Array(W)
    assert jacobian(a @ b.T, a).shape == (3, 2, 3, 4)
    assert [each.shape for each in jacobian(a @ b.T, [a, b])] == [(3, 2, 3, 4), (3, 2, 2, 4)]
    assert hessian((a @ b.T).tanh().sum(), a).shape == (3, 4, 3, 4)
    (aa, ab), (ba, bb) = hessian((a @ b.T).square().sum(), [a, b])
    assert (ab.shape, bb.shape) == ((3, 4, 2, 4), (2, 4, 2, 4))
    np.testing.assert_allclose(ab, ba.transpose(2, 3, 0, 1), rtol=1e-13)
    np.testing.assert_allclose(aa[0, :, 0], 2 * W.T @ W, rtol=1e-12)


def test_a_tape_has_no_derivatives_as_graphs():
    pytest.importorskip("numba")
    w, x = Value(2.0), Value(0.0)
    tape = Tape(w * x, [x])
    y = tape([[1.0], [3.0]]).sum()
    with pytest.raises(TypeError, match=r"supports backward\(\) only"):
        grad(y, tape.flat, create_graph=True)
    assert grad(y, tape.flat).tolist() == [4.0]
    slope = Tape(
        grad((w * x).tanh(), [w], create_graph=True), [x]
    )  # a derivative can be recorded on a tape
    assert slope.forward([[0.5]])[0, 0] == grad((w * 0.5).tanh(), w) / 0.5 * 0.5


def test_float32_is_kept():
    x = Array(np.float32([1.0, 2.0]))
    assert grad((x * x).sum(), x).dtype == np.float32
    assert hvp((x**3).sum(), x, [1.0, 1.0]).dtype == np.float32
    assert jvp(x * x, x, [1.0, 1.0]).dtype == np.float32


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: grad(3.0, Value(1.0)), TypeError, "expected a node to differentiate, got 3.0"),
        (
            lambda: grad(Value(1.0), 2.0),
            TypeError,
            "list or dict of nodes, to differentiate with respect to, got 2.0",
        ),
        (
            lambda: grad(Array([1.0, 2.0]), Array([1.0])),
            ValueError,
            "grad expects a node of one element",
        ),
        (lambda: vjp(Array([1.0, 2.0]), Array([1.0]), [1.0]), ValueError, r"the shape \(2,\)"),
        (lambda: jvp(Value(1.0), [Value(1.0)], [1.0, 2.0]), ValueError, "for each x, got 2 for 1"),
        (lambda: hvp(Value(1.0), [Value(1.0)], []), ValueError, "for each x, got 0 for 1"),
    ],
)
def test_nodes_and_directions_that_do_not_fit(make, error, says):
    with pytest.raises(error, match=says):
        make()


def test_derivatives_under_no_grad_and_of_dependent_inputs():
    a, v = Array([1.0, 2.0]), Value(2.0)
    y = (a.softmax() * np.array([1.0, 3.0])).sum()
    want = jvp(y, a, [1.0, 0.0]), hessian(y, a), hvp(y, a, [1.0, 0.0]), hessian(v**3, v)
    with no_grad():
        got = jvp(y, a, [1.0, 0.0]), hessian(y, a), hvp(y, a, [1.0, 0.0])
        assert (v * 2.0).constant
    for one, other in zip(got, want, strict=False):
        np.testing.assert_array_equal(one, other)
    assert want[3] == 12.0
    x, w = Value(3.0), Value(2.0)
    h = x * x
    assert jvp(x * x, [x, x], [1.0, 1.0]) == 12.0
    assert jvp(h * w, [x, h], [1.0, 0.0]) == (jacobian(h * w, [x, h]) @ [1.0, 0.0]) == 12.0
    one = Array(2.0)
    assert hessian(one * one, one) == 2.0


def test_results_may_be_modified():
    a, v = Array([1.0, 2.0]), np.array([1.0, 1.0])
    for result in (vjp(a, a, v), jvp(a, a, v), grad(a.sum(), a)):
        result *= 0.5
    assert v.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("make", [Value, lambda x: Array([x, x])])
def test_a_leaf_that_was_assigned_new_data(make):
    """Derivatives belong to the old data, as in backward; a graph would mix old and new data."""
    x = make(3.0)
    y = x * x
    y = y if isinstance(y, Value) else y.sum()
    then = grad(y, x)
    x.data = 5.0
    np.testing.assert_array_equal(grad(y, x), then)
    for late in (
        lambda: grad(y, x, create_graph=True), lambda: hessian(y, x),
        lambda: jvp(y, x, x.data), lambda: hvp(y, x, x.data),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="assigned new data after y was computed; recomp"):
            late()
    x.data = 3.0
    np.testing.assert_array_equal(np.diag(np.atleast_2d(hessian(y, x))), 2.0)


def test_several_payloads_and_dtypes():
    """A Hessian-vector product with inputs of other kinds than y."""
    x, single, other = Array([1.0, 2.0]), Array(np.float32([3.0, 4.0])), Value(1.0)
    y = (x * single.astype(np.float64)).square().sum()
    products = hvp(y, [x, single, other], [[1.0, 0.0], [0.0, 1.0], 1.0])
    np.testing.assert_allclose(products[0], [2 * 9.0, 4 * 2.0 * 4.0])
    np.testing.assert_allclose(products[1], [4 * 1.0 * 3.0, 2 * 4.0])
    assert (products[1].dtype, products[2]) == (np.float32, 0.0)


def test_empty_lists():
    x = Value(2.0)
    assert grad(x * x, []) == []
    assert hvp(x * x, [], []) == []
    assert jacobian([], [x]).shape == (0, 1)
    assert jacobian([x * x], []).shape == (1, 0)


def test_derivatives_of_a_square_root_at_zero():
    for zero in (0.0, -0.0):
        x = Value(zero)
        assert grad(x.sqrt(), x) == math.inf
        assert hessian(x.sqrt(), x) == -math.inf


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (
            lambda x: grad([x], x),
            TypeError,
            "a node to differentiate, got a list of 1; jacobian takes several",
        ),
        (lambda x: grad(x * x, {"x": "y"}), TypeError, "list or dict of nodes, .* got 'y'"),
        (lambda x: grad(x * x, (each for each in [x])), TypeError, "dict of nodes, .* got <gen"),
        (
            lambda x: grad(x * 2.0, Value.lift(2.0)),
            ValueError,
            "Constant.* does not require a gradient",
        ),
        (
            lambda x: jvp(x * x, x, "1"),
            TypeError,
            r"a direction must be a number .*the string '1'; convert it first",
        ),
        (
            lambda x: jvp(x * x, [x], 1.0),
            TypeError,
            "expects a list of directions, one for each x, got 1.0",
        ),
        (lambda x: vjp(x * x, x, [1.0, 2.0]), TypeError, "a list of 2"),
    ],
)
def test_bad_arguments(make, error, says):
    with pytest.raises(error, match=says):
        make(Value(3.0))


@pytest.mark.parametrize("x", [399.0, 401.0, -711.0, 1e4, math.inf])
def test_the_second_derivative_of_a_saturated_tanh(x):
    """It is 0; cosh is infinite there, and inf * 0 would be nan."""
    v = Value(x)
    assert hessian(v.tanh(), v) == 0.0
    a = Array([x])
    assert hvp(a.tanh().sum(), a, [1.0]) == 0.0


def test_arrays_without_elements():
    for shape in ((0,), (0, 2)):
        x = Array(np.zeros(shape))
        assert jacobian(x * 2.0, x).shape == shape + shape
        assert hessian((x * x).sum(), x).shape == shape + shape
        assert jacobian(x * 2.0, Array([1.0, 2.0])).shape == (*shape, 2)
