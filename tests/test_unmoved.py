"""A warning about parameters that no optimizer moves, and none for legitimate uses."""

import functools
import inspect
import warnings

import numpy as np
import pytest

from engine import Array, GradientWarning, Value
from nn import MLP, Module, fit, losses, optim, vector

SCALE = Value(1.5, "scale")
X, Y = np.array([[1.0, 2.0], [2.0, -1.0], [0.5, 0.5]]), np.array([1.0, -1.0, 0.5])


class Closure(Module):
    def __init__(self):
        w = Value(0.5)
        self.u = Value(1.0)
        self.f = lambda x: x * w

    def __call__(self, x):
        return self.f(x[0]) * self.u


class Partial(Module):
    def __init__(self):
        self.u = Value(1.0)
        self.f = functools.partial(lambda w, x: x * w, Value(0.5))

    def __call__(self, x):
        return self.f(x[0]) * self.u


class Global(Module):
    def __init__(self):
        self.u = Value(1.0)

    def __call__(self, x):
        return SCALE * x[0] * self.u


HIDDEN = {Closure: "f.w of", Partial: "f.args.0 of", Global: "__call__.SCALE of"}


def train(model, parameters=None, rows=X, steps=3, targets=Y, **others):
    """Train in a loop of one's own; return the warnings."""
    optimizer = optim.SGD(parameters or model.parameters(), 0.01)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(steps):
            optimizer.zero_grad()
            loss = losses.mse([model(x) for x in rows], targets)
            loss.backward()
            for update in others.values():
                update()
            optimizer.step()  # the line
    return caught


def train_by_fit(model, **settings):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in fit(model, X, Y, **{"loss": "mse", "epochs": 2, **settings}):  # the line
            pass
    return caught


@pytest.mark.parametrize("kind", HIDDEN)
@pytest.mark.parametrize("loop", [train, train_by_fit])
def test_a_hidden_parameter_is_named_once_at_the_users_line(loop, kind):
    (caught,) = loop(kind())
    assert caught.category is GradientWarning
    assert str(caught.message).startswith(f"{HIDDEN[kind]} {kind.__name__}() will not learn")
    lines, first = inspect.getsourcelines(loop)
    assert caught.filename == __file__
    assert lines[caught.lineno - first].rstrip().endswith("# the line")


def test_arrays_are_named_too():
    w = Array([[1.0], [1.0]])
    model = vector.Sequential(vector.Dense(2, 2, "linear", dtype="float64"), lambda X: X @ w)
    (caught,) = train_by_fit(model)
    assert "modules.1.w of Sequential" in str(caught.message)


def test_a_leaf_of_the_loss_alone_is_named_by_its_label():
    temperature = Value(2.0, "temperature")
    loss = lambda p, y: losses.mse([x * temperature for x in p], y)
    (caught,) = train_by_fit(MLP(2, [1], rng=0), loss=loss)
    assert str(caught.message).startswith("temperature will not learn")
    assert not train_by_fit(MLP(2, [1], rng=0), loss=lambda p, y: losses.mse(p, y) * Value(2.0))


def test_two_hidden_parameters_and_one_of_two_owners():
    """The outermost model names them; the warning counts the others."""
    layers = [vector.Dense(2, n, "linear", rng=n, dtype="float64") for n in (2, 1)]
    model = vector.Sequential(*layers)
    w, v = Array([[1.0], [1.0]]), Array(2.0, "v")
    model.modules[1].extra = lambda X: X @ w * v
    model.modules.append(lambda X: model.modules[1].extra(X.reshape(3, 1) * np.ones((1, 2))))
    (caught,) = train_by_fit(model)
    text = "modules.1.extra.w of Sequential"
    assert text in str(caught.message)
    assert "and 1 more parameter will not learn" in str(caught.message)


def test_legitimate_uses_are_not_warned_of():
    model = MLP(2, [3, 1], "tanh", rng=0)
    assert not train(model, model.layers[1].parameters())  # the rest is frozen
    assert not train_by_fit(model, optimizer=optim.SGD(model.layers[1].parameters(), 0.1))
    rows = [[Value(x) for x in row] for row in X]
    assert not train(model, rows=rows, targets=[Value(y) for y in Y])
    teacher = MLP(2, [1], rng=1)
    distill = lambda p, y: losses.mse(p, [teacher(row) for row in X])
    assert not train_by_fit(model, loss=distill)
    pair = [Closure(), Closure()]
    w = pair[0].f.__closure__[0].cell_contents
    other = optim.SGD([w], 0.01)  # as in a GAN: each moves its own part
    assert not train(pair[0], other=other.step, zero=other.zero_grad)
    by_hand = Closure()
    v = by_hand.f.__closure__[0].cell_contents

    def update():
        v.data = v.data - 0.01 * v.grad
        v.zero_grad()

    assert not train(by_hand, update=update)
    frozen = Closure()
    frozen.f.__closure__[0].cell_contents.requires_grad = False
    assert not train(frozen)
    assert not train_by_fit(frozen)


# ---------------------------------------------------------------------------------- without a model


class Plain:
    """A class that is no Module, and forgets a parameter."""

    def __init__(self):
        self.w, self.bs = Value(0.5), [Value(0.0)]

    def parameters(self):
        return [self.w]

    def __call__(self, x):
        return self.w * x + self.bs[0]


def descend(f, parameters, steps=3):
    """Train a function of a number in a loop of one's own; return the warnings."""
    optimizer = optim.SGD(parameters, 0.01)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(steps):
            optimizer.zero_grad()
            losses.mse([f(x) for x in (1.0, 2.0)], [3.0, 5.0]).backward()
            optimizer.step()  # the line
    return caught


OFFSET = Value(0.0)
PAIR = {"w": Value(0.5), "b": Value(0.0)}


def test_a_leaf_that_the_optimizer_forgot_is_named_at_the_users_line():
    """By its label, by the variable, or by its place beside a parameter."""
    w, b, line = Value(0.5), Value(0.0, "b"), Plain()
    for f, parameters, name in [
        (lambda x: w * x + b, [w], "b"),
        (lambda x: w * x + OFFSET, [w], "OFFSET"),
        (lambda x: PAIR["w"] * x + PAIR["b"], [PAIR["w"]], "PAIR.b"),
        (line, line.parameters(), "f.bs.0"),
    ]:
        (caught,) = descend(f, parameters)
        assert caught.category is GradientWarning
        text = str(caught.message)
        assert text.startswith(f"{name} will not learn")
        assert "pass it to the optimizer, or set requires_grad = False" in text
        lines, first = inspect.getsourcelines(descend)
        assert lines[caught.lineno - first].rstrip().endswith("# the line")


def test_leaves_that_are_not_forgotten():
    w, b = Value(0.5), Value(0.0, "b")
    assert not descend(lambda x: w * x + b, [w, b])
    inputs = [Value(1.0), Value(2.0)]
    assert not descend(lambda x: w * inputs[int(x) - 1], [w])
    assert not descend(lambda x: w * Value(x), [w])
    frozen = Value(0.0)
    frozen.requires_grad = False
    assert not descend(lambda x: w * x + frozen, [w])


def test_a_set_of_parameters_is_refused():
    """It has no order, so the order of updates would differ between runs."""
    with pytest.raises(TypeError, match=r"SGD expects a list of parameters, .*; pass a list"):
        optim.SGD({Value(1.0), Value(2.0)}, 0.1)


# ------------------------------------------------------------------------- losses of shape (n, n)


@pytest.mark.parametrize("flip", [False, True])
def test_a_loss_of_all_predictions_with_all_targets(flip):
    model = vector.MLP(2, [1], rng=0)

    def compare(p, y):
        difference = y - p if flip else p - y
        return (difference * difference).mean()

    (caught,) = train_by_fit(model, loss=compare)
    assert "(3, 1) with targets of shape (3,), which broadcast to (3, 3)" in str(caught.message)
    assert caught.filename == __file__
    for loss in (lambda p, y: compare(p.reshape(-1), y), "mse"):
        assert not train_by_fit(model, loss=loss)
    assert not train_by_fit(model, loss=compare, batch_size=1)
