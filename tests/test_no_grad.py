"""`no_grad` and `detach`: constants without a graph."""

import numpy as np
import pytest

from engine import Array, Value, check_gradients, dot, no_grad, topological
from nn import MLP, diagnose, fit, losses, vector


@pytest.mark.parametrize("make", [lambda: Value(2.0, "x"), lambda: Array([2.0, 3.0], "x")])
def test_no_grad_records_no_graph(make):
    x = make()
    with no_grad():
        y = (x * x + 1.0).tanh() / x
        z = dot([x, x], [x, 2.0]) if isinstance(x, Value) else (x @ x).sum()
    for node in (y, z):
        assert node.constant
        assert node.inputs == ()
    np.testing.assert_array_equal(y.data, ((x * x + 1.0).tanh() / x).data)
    later = y * x  # a graph that begins at a constant
    assert {node.label for node in topological(later)} == {None, "x"}


def test_models_return_constants():
    model, arrays = MLP(2, [4, 1], rng=0), vector.MLP(2, [4, 1], rng=0)
    with no_grad():
        results = model([1.0, 2.0]), arrays([[1.0, 2.0]]), losses.mse([model([1.0, 2.0])], [1.0])
    assert all(node.constant for node in results)
    assert not model([1.0, 2.0]).constant
    with no_grad():
        made = Value(3.0)  # leaves are not affected
    assert not made.constant


def test_derivatives_are_computed_under_no_grad():
    model = MLP(2, [3, 1], rng=0)
    X, y = [[0.0, 1.0], [1.0, 0.0]], [0.0, 1.0]
    with no_grad():
        check_gradients(lambda x: x * x, at=[2.0])
        assert diagnose(model, X, y).layers
        with pytest.raises(ValueError, match=r"the loss is a constant.* no_grad\(\)"):
            list(fit(model, X, y, loss="mse", epochs=1))


@pytest.mark.parametrize("make", [lambda: Value(2.0, "x"), lambda: Array([2.0], "x")])
def test_a_detached_node_propagates_nothing(make):
    x = make()
    y = (x * x).detach()
    assert y.constant
    (y * x).backward()
    np.testing.assert_array_equal(x.grad, (x * x).data)
