"""`detect_anomaly`: the first inf or nan, forward and backward, with its operation and line."""

import numpy as np
import pytest

from engine import (
    Anomaly,
    Array,
    Value,
    check_gradients,
    detect_anomaly,
    dot,
    grad,
    hessian,
    jvp,
    record_origins,
)
from nn import MLP, diagnose, losses


def test_the_first_anomaly_names_operation_inputs_and_line():
    x, w = Value(-1.0, "x"), Array([[1.0, -2.0]], "w")
    with detect_anomaly():
        y = x * 2.0
        with pytest.raises(
            Anomaly, match=r"log of -2 is nan: test_anomaly.py, line \d+ .*y.log\(\)"
        ):
            y.log()
        with pytest.raises(
            Anomaly, match=r"sqrt of w = an array of shape \(1, 2\) is nan at \(0, 1\)"
        ):
            w.sqrt()
        with pytest.raises(Anomaly, match=r"/ of x = -1, 0 is -inf"):
            x / 0.0
        with pytest.raises(Anomaly, match=r"dot of .* is inf"):
            dot([Value(1e200)], [Value(1e200)])
    assert np.isnan((x * 2.0).log().data)


def test_an_anomaly_in_the_backward_pass():
    x, a = Value(0.0, "x"), Array([0.0, 4.0], "a")
    with detect_anomaly():
        y = x.sqrt() + 1.0
        says = r"contribution of sqrt of x = 0 to the gradient of x = 0 is inf, with local derivative inf: .*line"
        with pytest.raises(Anomaly, match=says):
            y.backward()
        z = a.sqrt().sum()
        with pytest.raises(
            Anomaly, match=r"to the gradient of a = an array of shape \(2,\) is inf at \(0,\)"
        ):
            z.backward()
        fine = (x + 2.0).log()
        fine.backward()
    assert x.grad == np.inf + 0.5


@pytest.mark.parametrize("make", [lambda: Value(0.0, "x"), lambda: Array([0.0], "x")])
@pytest.mark.parametrize(
    ("find", "says"),
    [
        (lambda y, x: grad(y, x), r"contribution of sqrt of x = .* is inf"),
        (lambda y, x: grad(y, x, create_graph=True), r"contribution of sqrt of x = .* is inf"),
        (lambda y, x: hessian(y, x), r"contribution of sqrt of x = .* is inf"),
        (lambda y, x: jvp(y, x, np.ones_like(x.data)), r"the tangent of sqrt of x = .* is inf"),
    ],
    ids=["grad", "create_graph", "hessian", "jvp"],
)
def test_an_anomaly_of_a_derivative(make, find, says):
    x = make()
    y = x.sqrt() if isinstance(x, Value) else x.sqrt().sum()
    find(y, x)
    with detect_anomaly(), pytest.raises(Anomaly, match=says):
        find(y, x)
    with detect_anomaly():
        find(y + 0.0 * x, y)
    find(y, x)


def test_jvp_names_the_users_operation():
    x = Array([1.0, 1.0], "x")
    with detect_anomaly(), pytest.raises(Anomaly, match=r"^the tangent of sum of x = .* is inf"):
        jvp(x.sum(), x, [1e308, 1e308])


@pytest.mark.parametrize("make", [lambda: Value(1.0, "x"), lambda: Array([1.0], "x")])
def test_contributions_that_add_up_to_infinity(make):
    x = make()
    big = (x * 1e308) if isinstance(x, Value) else (x * 1e308).sum()
    with detect_anomaly():
        big.backward()
        with pytest.raises(
            Anomaly, match=r"the contributions to the gradient of x = .* add up to inf"
        ):
            big.backward()
        big.backward()  # a gradient that was infinite before is ignored


def test_the_other_side_of_a_where_is_not_an_anomaly():
    x = Array([0.0], "x")
    with detect_anomaly():
        grad(x.hypot(0.0).sum(), x, create_graph=True)


def test_diagnose_and_check_gradients_raise_anomalies():
    """As the diagnosis of a network that is not finite recommends."""
    model = MLP(1, [1], "linear", rng=0)
    model.layers[0].neurons[0].weights[0].data = 1e308
    with detect_anomaly():
        with pytest.raises(Anomaly, match=r"^dot of .* is inf: test_anomaly.py"):
            diagnose(model, [[1e9]], [0.0])
        with pytest.raises(Anomaly, match=r"^log of -1 is nan: test_anomaly.py"):
            check_gradients(lambda x: x.log(), at=[-1.0])


def test_finite_computations_are_unchanged():
    """The same numbers and gradients with and without it."""
    model = MLP(2, [5, 1], "tanh", rng=0)
    loss = lambda: losses.mse([model([0.5, -1.0])], [1.0])
    want = loss()
    want.backward()
    grads = [p.grad for p in model.parameters()]
    model.zero_grad()
    with detect_anomaly(), record_origins():
        got = loss()
        got.backward()
    assert got.data == want.data
    assert [p.grad for p in model.parameters()] == grads
