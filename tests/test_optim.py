"""Optimizers against update rules derived from the whole history of gradients."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Value
from nn import optim
from optimizers import ROWS, settings_of, with_memory
from strategies import examples

# Gradients are given here, and some are 0.
pytestmark = pytest.mark.filterwarnings("ignore::engine.GradientWarning")

RULES = pytest.mark.parametrize("rule", ROWS)


class Parameter:
    """The least that an optimizer needs: data and a gradient."""

    def __init__(self, data):
        self.data, self.grad = data, data * 0.0


def run(rule, start, gradients, **settings):
    """Return the weight after each step of the optimizer."""
    parameter = start if hasattr(start, "grad") else Value(start)
    optimizer = optim.get(rule)([parameter], **settings)
    path = []
    for gradient in gradients:
        parameter.grad = gradient
        optimizer.step()
        path.append(parameter.data)
    return path


def reference(rule, start, gradients, lr, weight_decay=0.0, **settings):
    """Return the same weights, with each step computed from all gradients so far."""
    w, past, path = np.float64(start), [], []
    decoupled = optim.get(rule).decoupled
    for gradient in gradients:
        past.append(gradient if decoupled else gradient + weight_decay * w)
        move = ROWS[rule].direction(np.array(past), **settings)
        w = (w * (1 - lr * weight_decay) if decoupled else w) - lr * move
        path.append(w)
    return path


def test_every_optimizer_has_a_row():
    assert list(ROWS) == list(optim.OPTIMIZERS)


@RULES
@examples(40)
@given(data=st.data())
def test_the_weights_follow_the_rule(rule, data):
    """Weights agree with the rule, to 1e-9 of the largest number."""
    settings = data.draw(settings_of(rule), label="settings")
    gradients = data.draw(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=12), label="grads")
    start, lr = data.draw(st.floats(-10, 10), label="start"), data.draw(st.floats(1e-4, 1))
    got = run(rule, start, gradients, lr=lr, **settings)
    want = reference(rule, start, gradients, lr, **settings)
    assert got == pytest.approx(want, rel=1e-9, abs=1e-9 * max(map(abs, [start, lr, *want])))


@RULES
@examples(40)
@given(data=st.data())
def test_arrays_and_floats_get_the_same_bits(rule, data):
    """An array of three weights moves as three Values do, also to inf and nan."""
    settings = data.draw(settings_of(rule), label="settings")
    rows = st.lists(st.floats(), min_size=3, max_size=3)
    start, *gradients = data.draw(st.lists(rows, min_size=2, max_size=5), label="start and grads")
    with np.errstate(all="ignore"):
        array = run(rule, Parameter(np.array(start)), map(np.array, gradients), lr=0.1, **settings)
    for i, alone in enumerate(start):
        values = run(rule, alone, [gradient[i] for gradient in gradients], lr=0.1, **settings)
        np.testing.assert_array_equal([weights[i] for weights in array], values)


@RULES
def test_float32_stays_float32(rule):
    parameter = Parameter(np.ones(3, np.float32))
    optimizer = optim.get(rule)([parameter], lr=np.float64(0.1), weight_decay=0.1)
    optimizer.lr = np.float64(0.2)
    for _ in range(2):
        parameter.grad = np.ones(3, np.float32)
        optim.clip_grad_norm([parameter], 1)
        optim.clip_grad_value([parameter], np.float64(0.5))
        optimizer.step()
        assert parameter.data.dtype == np.float32


@RULES
def test_the_bottom_of_a_quadratic(rule):
    """From 0 and 0, without weight decay, all arrive at the minimum of (u - 3)² + 10 (v + 1)²."""
    u, v = Value(0.0), Value(0.0)
    optimizer = optim.get(rule)([u, v], lr=ROWS[rule].lr, weight_decay=0.0)
    for step in range(600):
        optimizer.zero_grad()
        ((u - 3) ** 2 + 10 * (v + 1) ** 2).backward()
        optimizer.lr *= 1 if step < 300 else 0.97
        optimizer.step()
    assert [u.data, v.data] == pytest.approx([3, -1], abs=1e-3)


def test_the_step_of_the_chapter():
    """0.5 - 0.1 * 2.0 = 0.3, and back up where the gradient is negative."""
    assert run("sgd", 0.5, [2.0, -3.0], lr=0.1) == pytest.approx([0.3, 0.6], rel=1e-15)


def test_defaults_are_those_of_pytorch():
    rates = {"sgd": 1e-3, "rmsprop": 1e-2, "adagrad": 1e-2, "adam": 1e-3, "adamw": 1e-3}
    for rule, lr in rates.items():
        optimizer = optim.get(rule)([Value(1.0)])
        assert (optimizer.lr, optimizer.weight_decay) == (lr, 0.01 if rule == "adamw" else 0.0)
    assert (optim.SGD([Value(1.0)]).momentum, optim.SGD([Value(1.0)]).nesterov) == (0.0, False)
    assert optim.RMSprop([Value(1.0)]).alpha == 0.99
    assert optim.Adam([Value(1.0)]).betas == optim.AdamW([Value(1.0)]).betas == (0.9, 0.999)


def test_a_parameter_given_twice_moves_once():
    w = Value(1.0)
    w.grad = 1.0
    optim.SGD([w, w], lr=0.25).step()
    assert w.data == 0.75


@RULES
def test_a_loaded_state_goes_on_the_same(rule):
    """A state saved as JSON in the middle of a run continues with the same bits."""
    gradients = [0.3, -2.0, 1e-3, 5.0, 0.7, -0.1]
    settings = {"lr": 0.1, "weight_decay": 0.01} | with_memory(rule)
    straight = run(rule, 1.0, gradients, **settings)

    first = optim.get(rule)([w := Value(1.0)], **settings)
    for gradient in gradients[:3]:
        w.grad = gradient
        first.step()
    saved = first.state_dict()
    text = json.dumps(saved)
    w.grad = 100.0
    first.step()
    assert json.dumps(saved) == text  # a state is a copy

    second = optim.get(rule)([w := Value(straight[2])], **settings | {"lr": 7.0})
    second.load_state_dict(json.loads(text))
    for gradient in gradients[3:]:
        w.grad = gradient
        second.step()
    assert w.data == straight[-1]
    assert second.lr == 0.1


def test_a_state_of_something_else_is_refused():
    one, two, row = Value(1.0), Value(2.0), Parameter(np.ones(3))
    row.grad = np.ones(3)
    with pytest.raises(ValueError, match=r"Adam over 2 parameters, this is Adam over 1; build"):
        optim.Adam([one]).load_state_dict(optim.Adam([one, two]).state_dict())
    with pytest.raises(ValueError, match="SGD over 1 parameter, this is Adam over 1"):
        optim.Adam([one]).load_state_dict(optim.SGD([one]).state_dict())
    other = optim.Adam([row])
    other.step()
    with pytest.raises(ValueError, match=r"sum of parameter 0 has shape \(3,\), the parameter"):
        optim.Adam([Parameter(np.ones((3, 2)))]).load_state_dict(other.state_dict())


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=6), st.floats(1e-3, 1e3))
def test_clipping_by_norm_keeps_the_direction(gradients, limit):
    """Gradients within the limit are unchanged; larger ones are scaled to it."""
    values, row = [Value(0.0) for _ in gradients], Parameter(np.zeros(len(gradients)))
    for value, gradient in zip(values, gradients, strict=True):
        value.grad = gradient
    norm = optim.clip_grad_norm(values, limit)
    assert norm == math.hypot(*gradients)
    after = [value.grad for value in values]
    if norm <= limit:
        assert after == gradients
    else:
        assert math.hypot(*after) == pytest.approx(limit, rel=1e-15 * (2 + len(gradients)))
        assert after == pytest.approx([g / norm * limit for g in gradients], rel=1e-12)
    if norm < 1e150:
        row.grad = np.array(gradients)
        assert optim.clip_grad_norm([row], limit) == pytest.approx(norm, rel=1e-14, abs=1e-150)
        np.testing.assert_allclose(row.grad, after, rtol=1e-13, atol=1e-150)


def test_clipping_leaves_what_no_factor_mends():
    u, v = Value(0.0), Value(0.0)
    u.grad, v.grad = math.inf, 3.0
    assert optim.clip_grad_norm([u, v], 1.0) == math.inf
    assert (u.grad, v.grad) == (math.inf, 3.0)
    row = Parameter(np.zeros(2))
    row.grad = np.array([math.nan, -3.0])
    optim.clip_grad_value([u, v, row], 2.0)
    assert (u.grad, v.grad) == (2.0, 2.0)
    np.testing.assert_array_equal(row.grad, [math.nan, -2.0])
    assert optim.grad_norm([Value(0.0)]) == 0.0
    huge = Parameter(np.zeros(2, np.float32))
    huge.grad = np.array([3e30, 4e30], np.float32)  # whose squares are inf in float32
    assert optim.clip_grad_norm([huge], 5.0) == pytest.approx(5e30)
    np.testing.assert_allclose(huge.grad, [3, 4], rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (
            lambda w: optim.SGD([]),
            ValueError,
            r"SGD expects at least one parameter.*model\.parameters\(\)",
        ),
        (lambda w: optim.SGD([1.0]), TypeError, r"got 1\.0; make it a Value"),
        (lambda w: optim.Adam([w], lr=0), ValueError, "lr must be a positive.*got 0"),
        (lambda w: optim.Adam([w], lr=-0.1), ValueError, r"lr must be.*got -0\.1"),
        (lambda w: optim.Adam([w], lr=math.nan), ValueError, "lr must be.*got nan"),
        (lambda w: optim.Adam([w], lr=math.inf), ValueError, "lr must be.*got inf"),
        (lambda w: optim.Adam([w], lr="0.1"), ValueError, r"lr must be.*got '0\.1'"),
        (lambda w: setattr(optim.Adam([w]), "lr", -1.0), ValueError, r"lr must be.*got -1"),
        (lambda w: setattr(optim.Adam([w]), "lr", math.nan), ValueError, "lr must be.*got nan"),
        (lambda w: optim.SGD([w], momentum=1), ValueError, r"momentum must.*\[0, 1\), got 1"),
        (lambda w: optim.SGD([w], momentum=-0.1), ValueError, r"momentum must.*got -0\.1"),
        (lambda w: optim.SGD([w], nesterov=True), ValueError, r"momentum; pass one, such as 0\.9"),
        (lambda w: optim.SGD([w], weight_decay=-1), ValueError, "weight_decay must.*got -1"),
        (lambda w: optim.RMSprop([w], alpha=1.5), ValueError, r"alpha must.*got 1\.5"),
        (lambda w: optim.RMSprop([w], eps=0), ValueError, "eps must be a positive.*got 0"),
        (lambda w: optim.Adagrad([w], eps=-1), ValueError, "eps must be"),
        (lambda w: optim.Adam([w], betas=(1.0, 0.9)), ValueError, r"betas\[0\] must.*got 1\.0"),
        (lambda w: optim.AdamW([w], betas=(0.9, -1)), ValueError, r"betas\[1\] must.*got -1"),
        (lambda w: optim.AdamW([w], eps=0.0), ValueError, "eps must be"),
        (lambda w: optim.get("lbfgs"), ValueError, "'lbfgs'; choose from: sgd, rmsprop, adagrad, "),
        (lambda w: optim.clip_grad_norm([w], 0), ValueError, "limit must be.*got 0"),
        (lambda w: optim.clip_grad_value([w], -1), ValueError, "limit must be.*got -1"),
        (lambda w: optim.Optimizer([w], 0.1, 0).step(), NotImplementedError, "define direction"),
    ],
)
def test_what_makes_no_sense_is_refused(make, error, says):
    with pytest.raises(error, match=says):
        make(Value(1.0))


@RULES
def test_a_state_that_forgot_something_is_refused(rule):
    optimizer = optim.get(rule)([Value(1.0)])
    state = optimizer.state_dict()
    if optimizer.remembers:
        del state["memory"][0][optimizer.remembers[0]]
    state["memory"][0]["other"] = 1.0
    with pytest.raises(ValueError, match=r"the state remembers \[.*'other'.*\] of parameter 0"):
        optimizer.load_state_dict(state)


def test_an_optimizer_shows_its_settings():
    ws = [Value(1.0), Value(2.0)]
    adam = optim.Adam(ws, 0.1, betas=(0.5, 0.9))
    text = "Adam(2 parameters, lr=0.1, weight_decay=0.0, betas=[0.5, 0.9], eps=1e-08)"
    assert repr(adam) == text
    for kind in optim.OPTIMIZERS.values():
        assert repr(kind(ws[:1])).startswith(f"{kind.__name__}(1 parameter, lr=0.")
