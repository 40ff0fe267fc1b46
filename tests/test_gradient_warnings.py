"""Warnings about gradients that are probably not intended, at the user's line."""

import inspect
import math
import warnings

import numpy as np
import pytest

from engine import (
    Array,
    GradientWarning,
    Tape,
    Value,
    check_gradients,
    detect_anomaly,
    grad,
    record_branches,
)
from engine.tape import BranchChanged
from nn import MLP, Module, data, fit, losses, optim, vector

X, Y = data.moons(20, rng=0)
SIGNS = 2 * Y - 1
both = pytest.mark.parametrize("make", [Value, lambda x: Array([x, x])], ids=["Value", "Array"])


def loss_of(w):
    y = (w - 1.0) * (w - 1.0)
    return y if isinstance(y, Value) else y.sum()


def warned(run):
    """Return the text of the warning that a function causes, and the line that it is issued for."""
    with pytest.warns(GradientWarning) as caught:
        run()
    assert {warning.filename for warning in caught} == {__file__}
    lines, start = inspect.getsourcelines(run)
    return str(caught[0].message), lines[caught[0].lineno - start].strip()


# ------------------------------------------------------------------- gradients that were not zeroed


@both
def test_gradients_that_were_not_zeroed(make):
    def run():
        w = make(3.0)
        for _ in range(2):
            loss_of(w).backward()
            w.data = w.data - 0.1 * w.grad

    text, line = warned(run)
    assert line == "w.data = w.data - 0.1 * w.grad"
    assert "still include those of the previous step" in text
    assert "call zero_grad() of the model or the optimizer before each backward()" in text


@pytest.mark.parametrize("clip", [None, 1e-3], ids=["", "clipped"])
def test_an_optimizers_gradients_that_were_not_zeroed(clip):
    def run():
        model = MLP(2, [3, 1], rng=0)
        mover = optim.SGD(model.parameters(), 0.1)
        for _ in range(2):
            losses.mse([model(x) for x in X], SIGNS).backward()
            if clip:
                optim.clip_grad_norm(model.parameters(), clip)
            mover.step()

    assert warned(run)[1] == (
        "optim.clip_grad_norm(model.parameters(), clip)" if clip else "mover.step()"
    )


def zeroed_by_model(model, mover):
    model.zero_grad()


def zeroed_by_optimizer(model, mover):
    mover.zero_grad()


def zeroed_by_hand(model, mover):
    for p in model.parameters():
        p.grad = 0.0


@pytest.mark.parametrize("zero", [zeroed_by_model, zeroed_by_optimizer, zeroed_by_hand])
@pytest.mark.parametrize("kind", [MLP, vector.MLP])
@pytest.mark.parametrize("clip", [1e9, 1e-3])
def test_no_warning_for_zeroed_gradients(zero, kind, clip):
    """Nor for gradients that are accumulated on purpose before a step."""
    model = kind(2, [3, 1], rng=0)
    mover = optim.Adam(model.parameters())
    for _ in range(3):
        zero(model, mover)
        for half in (X[:10], X[10:]):
            out = model(half) if kind is vector.MLP else [model(x) for x in half]
            losses.mse(out, SIGNS[:10]).backward()
        optim.clip_grad_norm(model.parameters(), clip)
        mover.step()


@both
def test_no_warning_for_assigned_gradients(make):
    w = make(3.0)
    for g in (1.0, 2.0, 3.0):
        w.grad = make(g).data
        w.data = w.data - 0.1 * w.grad


@both
def test_no_warning_for_trial_values(make):
    """Assigning several numbers after one backward pass does not use another gradient."""
    w = make(3.0)
    loss_of(w).backward()
    for x in (1.0, 2.0, 3.0):
        w.data = make(x).data
    check_gradients(lambda: loss_of(w), at=[w])


# ----------------------------------------------------------------------------- stale graphs


@both
def test_a_stale_graph(make):
    def run():
        w = make(3.0)
        loss = loss_of(w)
        for _ in range(2):
            w.zero_grad()
            loss.backward()
            w.data = w.data - 0.1 * w.grad

    text, line = warned(run)
    assert line == "loss.backward()"
    assert "before new data was assigned" in text
    assert "recompute the loss in each step" in text


@both
def test_no_warning_for_a_second_backward(make):
    """The graph belongs to the current data, and gradients add up as they should."""
    w = make(3.0)
    w.data = make(2.0).data
    loss = loss_of(w)
    loss.backward()
    loss.backward()
    w.data = make(5.0).data
    w.data = make(2.0).data  # the old data again
    loss.backward()
    np.testing.assert_array_equal(w.grad, make(6.0).data)


# ------------------------------------------------------------------------ a loss that is not finite


@both
def test_a_learning_rate_that_was_too_large(make):
    def run():
        w = make(3.0)
        for _ in range(600):
            w.zero_grad()
            loss = loss_of(w)
            loss.backward()
            w.data = w.data - 30.0 * w.grad

    with np.errstate(all="ignore"):
        text, line = warned(run)
    assert line == "loss.backward()"
    assert "the loss is inf after its parameters were updated" in text
    assert "try a smaller learning rate" in text
    assert "detect_anomaly()" in text


@both
def test_nan_in_the_data_is_not_blamed_on_the_learning_rate(make):
    def run():
        w, x = make(3.0), make(2.0).detach()
        for bad in (1.0, math.nan):
            w.zero_grad()
            loss_of(w * x * bad).backward()
            w.data = w.data - 0.1 * w.grad

    text, _ = warned(run)
    assert "contains inf or nan and was not updated: check it" in text
    assert "a constant" in text
    assert "learning rate" not in text


@both
def test_no_warning_for_a_loss_that_was_never_finite(make):
    """Before any step there is no learning rate to blame."""
    w = make(-1.0)
    y = w.log()
    (y if isinstance(y, Value) else y.sum()).backward()


# -------------------------------------------------------------------- parameters without a gradient


@pytest.mark.parametrize("kind", [MLP, vector.MLP])
def test_a_step_without_a_gradient(kind):
    def run():
        mover = optim.SGD(kind(2, [3, 1], rng=0).parameters(), 0.1)
        mover.step()

    text, line = warned(run)
    assert line == "mover.step()"
    assert "all gradients are 0 at SGD's first step" in text
    assert "call loss.backward() first, on a loss computed from these parameters" in text


def test_a_step_without_one_of_its_gradients():
    def run():
        w, v = Array([1.0], "w"), Array([[1.0]], "v")
        mover = optim.SGD([w, v], 0.1)
        loss_of(w).backward()
        mover.step()

    assert "the gradient of v of shape (1, 1) is 0 at SGD's first step" in warned(run)[0]


@pytest.mark.parametrize("kind", [MLP, vector.MLP])
def test_a_parameter_that_fit_cannot_move(kind):
    class Forgetful(kind):
        def __init__(self):
            super().__init__(2, [3, 1], rng=0)
            self.spare = [Array([1.0]) if kind is vector.MLP else Value(1.0) for _ in range(3)]

    def run():
        for _ in fit(Forgetful(), X, SIGNS, loss="hinge", epochs=2, rng=0):
            pass

    text, line = warned(run)
    assert line.startswith("for _ in fit(")
    assert text.startswith(
        "spare.0 and 2 more parameters will not learn: the loss is not computed from"
    )
    assert "use them in the model's __call__, or remove them from" in text


@pytest.mark.parametrize("kind", [MLP, vector.MLP])
@pytest.mark.parametrize("batch_size", [None, 7])
def test_relus_that_are_dead(kind, batch_size):
    model = kind(2, [6, 4, 1], rng=0)
    if kind is MLP:
        for neuron in model.layers[1].neurons[:3]:
            neuron.bias.data = -50.0
    else:
        model.layers[1].bias.data = [-50.0, -50.0, -50.0, 0.0]

    def run():
        list(fit(model, X, SIGNS, loss="hinge", epochs=2, batch_size=batch_size, rng=0))

    text, _ = warned(run)
    assert "3 of 4 units of layers.1 are dead after the first epoch" in text
    assert "at each of the last 20 samples" in text
    assert "leaky_relu" in text


def test_a_unit_that_is_active_in_one_batch_is_not_dead():
    """All batches are examined together, and each step of fit calls the model once."""
    calls = []

    class Counting(vector.MLP):
        def __call__(self, X):
            calls.append(len(X))
            return super().__call__(X)

    model = Counting(1, [2, 1], rng=0)
    model.layers[0].weight.data, model.layers[0].bias.data = [[1.0], [-1.0]], [-5.0, 5.0]
    x = np.concatenate([np.full((1, 1), 10.0), np.zeros((19, 1))])
    model.layers[0].weight.data = [[1.0], [0.0]]
    list(fit(model, x, SIGNS, loss="hinge", epochs=1, batch_size=4, lr=1e-9, rng=0))
    assert calls == [4] * 5


# ---------------------------------------------------------------------- Python instead of the graph


def test_conversions_of_nodes_are_refused():
    x = Value(3.0, "x")
    with pytest.raises(TypeError, match=r"is ambiguous: compare it, .*where\(x > 0"):
        assert x
    for plain in (float, int, round, math.gamma):
        with pytest.raises(TypeError, match=r"leave the graph; its number is x\.data$"):
            plain(x)
        with pytest.raises(TypeError, match=r"leave the graph; its number is x\.data\.item\(\)$"):
            plain(Array(3.0))


@pytest.mark.parametrize(
    ("call", "instead"),
    [
        (lambda x: math.exp(x * 1.0), r"x.exp\(\)"),
        (lambda x: [1.0, math.floor(x)], r"x.floor\(\)"),
        (lambda x: math.pow(x, 2.0), r"x \*\* y"),
        (lambda x: math.fabs(x), r"abs\(x\)"),
        (lambda x: round(x, 2), r"x.round\(\)"),
        (
            lambda x: math.sqrt(
                x,
            ),
            r"x.sqrt\(\)",
        ),
    ],
)
def test_the_error_of_a_conversion_names_the_method(call, instead):
    """One remedy, for the function at that line."""
    for x in (Value(3.0), Array(3.0)):
        with pytest.raises(
            TypeError, match=f"leave the graph; write {instead}, which stays in it$"
        ):
            call(x)


@both
def test_habits_from_other_libraries_are_refused(make):
    with pytest.raises(TypeError, match=r"got None; .* x\.zero_grad\(\) sets a gradient to 0"):
        make(1.0).grad = None
    with pytest.raises(TypeError, match=r"cannot be assigned, got \[0\] = 1\.0; .* where\("):
        Array([2.0])[0] = 1.0


def test_max_on_a_tape_recommends_maximum():
    pytest.importorskip("numba")
    x = Value(3.0, "x")
    with record_branches():
        tape = Tape(max(x, 0.0) * 2.0)
    tape.flat.data = [-1.0]
    with pytest.raises(BranchChanged, match=r"choose in the graph with where\(\), maximum\(\)"):
        tape.forward()


def test_no_warning_in_a_sound_training():
    """With validation, early stopping and restored weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for model in (MLP(2, [6, 1], rng=0), vector.MLP(2, [6, 1], rng=0)):
            list(fit(model, X, SIGNS, loss="hinge", epochs=6, patience=2, validation=0.2, rng=0))


# ----------------------------------------------------------- more mistakes, and more sound programs


@both
def test_stale_predictions(make):
    def run():
        w = make(3.0)
        predictions = w * w
        for _ in range(2):
            loss = (predictions - 1.0) ** 2
            w.zero_grad()
            (loss if isinstance(loss, Value) else loss.sum()).backward()
            w.data = w.data - 0.01 * w.grad

    text, line = warned(run)
    assert "a graph that was computed before" in text
    assert line.endswith(".backward()")


def test_a_leaf_that_was_modified_in_place():
    """Its old data is lost, so no gradient is right; grad raises."""

    def run():
        w = Array([3.0, 2.0], "w")
        loss = (w.exp() * w).sum()
        w.data -= 0.1
        loss.backward()

    assert "w of shape (2,) was modified in place after this graph was computed" in warned(run)[0]
    w = Array([3.0, 2.0], "w")
    loss = (w * w).sum()
    w.data += 1.0
    for graph in (False, True):
        with pytest.raises(ValueError, match=r"w of shape \(2,\) was .*; recompute y"):
            grad(loss, w, create_graph=graph)
    w = Array([3.0, 2.0], "w")
    for _ in range(2):
        w.zero_grad()
        (w * w).sum().backward()
        w.data -= 0.1 * w.grad  # the graph is recomputed


def test_warnings_are_issued_under_detect_anomaly():
    def run():
        w = Value(3.0)
        loss = loss_of(w)
        with detect_anomaly():
            for _ in range(2):
                w.zero_grad()
                loss.backward()
                w.data = w.data - 0.1 * w.grad

    assert "before new data was assigned" in warned(run)[0]
    with detect_anomaly(), pytest.raises(ValueError, match="backward expects one element"):
        Array([1.0, 2.0]).backward()


@pytest.mark.parametrize("clip", [optim.clip_grad_norm, optim.clip_grad_value])
def test_clipping_does_not_hide_gradients_that_were_not_zeroed(clip):
    def run():
        w = Value(3.0)
        for _ in range(2):
            loss_of(w).backward()
            clip([w], 0.5)
            w.data = w.data - 0.1 * w.grad

    assert warned(run)[1] == "clip([w], 0.5)"


@both
def test_a_constant_that_was_assigned(make):
    def run():
        w, c = make(3.0), make(2.0).detach()
        loss = loss_of(w * c)
        for _ in range(2):
            w.zero_grad()
            loss.backward()
            c.data = c.data + 1.0

    assert "before new data was assigned" in warned(run)[0]


@both
def test_no_warning_for_accumulated_gradients_that_are_clipped(make):
    w = make(3.0)
    mover = optim.SGD([w], 0.1)
    for _ in range(3):
        mover.zero_grad()
        for _ in range(2):
            loss_of(w).backward()
            optim.clip_grad_norm([w], 1.0)
        mover.step()


@pytest.mark.parametrize("forget", [lambda g: g.fill(0.0), lambda g: np.multiply(g, 0.0, out=g)])
def test_no_warning_for_gradients_that_are_zeroed_in_place(forget):
    w = Array([3.0, 2.0])
    for _ in range(3):
        loss_of(w).backward()
        w.data = w.data - 0.1 * w.grad
        forget(w.grad)


def test_no_warning_for_a_parameter_that_is_used_occasionally():
    class Alternating(MLP):
        calls = 0

        def __call__(self, x):
            type(self).calls += 1
            return super().__call__(x) if self.calls % 2 else self.other * x[0]

    model = Alternating(2, [1], rng=0)
    model.other = Value(0.5)
    for _ in fit(model, X, SIGNS, loss="mse", epochs=2, batch_size=1, lr=0.01):
        pass


class Embedding(Module):
    """A model in which each sample uses a parameter of its own."""

    def __init__(self):
        self.table = [Value(0.1 * i) for i in range(20)]

    def __call__(self, x):
        return self.table[int(x[0])]


def test_no_warning_for_an_embedding():
    ids = np.arange(20.0)[:, None]
    for _ in fit(Embedding(), ids, ids[:, 0], loss="mse", epochs=2, batch_size=1, lr=0.01):
        pass


def test_a_stale_graph_has_a_constant_message():
    """Python repeats a warning whose text differs, so the text must not contain numbers."""
    w, messages = Value(3.0, "w"), set()
    loss = loss_of(w)
    for _ in range(5):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            w.zero_grad()
            loss.backward()
        messages |= {str(warning.message) for warning in caught}
        w.data = w.data - 0.1 * w.grad
    assert len(messages) == 1


@pytest.mark.filterwarnings("error")
def test_a_step_of_parameters_that_a_tape_trains():
    """The gradients of a tape arrive at the Values it was recorded from, too."""
    model, x = MLP(2, [3, 1], rng=0), [Value(0.0), Value(0.0)]
    tape = Tape(model(x), inputs=x)
    optimizer, before = optim.SGD(model.parameters(), 0.1), [p.data for p in model.parameters()]
    losses.mse(tape(X), SIGNS).backward()
    optimizer.step()
    grads = [p.grad for p in model.parameters()]
    assert sorted(grads) == sorted(tape.flat.grad.tolist())
    assert all(grads)
    after = [x - 0.1 * g for x, g in zip(before, grads, strict=True)]
    assert [p.data for p in model.parameters()] == after


def test_one_parameter_that_fit_cannot_move_is_singular():
    model = MLP(2, [3, 1], rng=0)
    model.spare = Value(1.0)
    text, _ = warned(lambda: list(fit(model, X, SIGNS, loss="hinge", epochs=1)))
    assert text.startswith("spare will not learn: the loss is not computed from it; use it in")


def test_the_line_of_a_warning_in_run():
    model = MLP(2, [3, 1], rng=0)
    model.spare = Value(1.0)

    def run():
        fit(model, X, SIGNS, loss="hinge", epochs=1).run()

    _, line = warned(run)
    assert line.startswith("fit(model, X, SIGNS")
