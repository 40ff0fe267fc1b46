"""no_grad, detach and detect_anomaly: what they leave out, what they find, and nothing left of them."""

import asyncio

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
    no_grad,
    record_origins,
    topological,
)
from engine.watch import hooks
from nn import MLP, diagnose, fit, losses, vector


@pytest.mark.parametrize("make", [lambda: Value(2.0, "x"), lambda: Array([2.0, 3.0], "x")])
def test_without_gradients_there_is_no_graph(make):
    x = make()
    with no_grad():
        y = (x * x + 1.0).tanh() / x
        z = dot([x, x], [x, 2.0]) if isinstance(x, Value) else (x @ x).sum()
    for node in (y, z):
        assert node.constant
        assert node.inputs == ()
    np.testing.assert_array_equal(y.data, ((x * x + 1.0).tanh() / x).data)
    later = y * x  # a graph that goes on from a constant
    assert {node.label for node in topological(later)} == {None, "x"}


def test_one_within_the_other_ends_alone():
    x = Value(0.0)
    with no_grad():
        with detect_anomaly(), pytest.raises(Anomaly):
            x.log()
        assert x.log().constant
    with detect_anomaly():
        with no_grad(), pytest.raises(Anomaly):
            x.log()
        assert not x.exp().constant
        with pytest.raises(Anomaly):
            x.log()


def test_two_that_overlap_end_each_for_itself():
    def watching():
        with detect_anomaly():
            yield

    first, second = watching(), watching()
    next(first), next(second)
    first.close()
    with pytest.raises(Anomaly):
        grad(Value(0.0).exp().log().sqrt(), Value(0.0)), Value(0.0).log()
    second.close()
    x = Value(0.0)
    assert grad(x.sqrt(), x) == np.inf


def test_jvp_names_the_users_operation():
    x = Array([1.0, 1.0], "x")
    with detect_anomaly(), pytest.raises(Anomaly, match=r"^the tangent of sum of x = .* is inf"):
        jvp(x.sum(), x, [1e308, 1e308])


def test_within_no_grad_derivatives_are_looked_at_all_the_same():
    model = MLP(2, [3, 1], rng=0)
    X, y = [[0.0, 1.0], [1.0, 0.0]], [0.0, 1.0]
    with no_grad():
        check_gradients(lambda x: x * x, at=[2.0])
        assert diagnose(model, X, y).layers
        with pytest.raises(ValueError, match=r"the loss is a constant.* no_grad\(\)"):
            list(fit(model, X, y, loss="mse", epochs=1))


def test_diagnose_and_check_gradients_can_be_watched():
    """As the diagnosis of a network that is not finite advises."""
    model = MLP(1, [1], "linear", rng=0)
    model.layers[0].neurons[0].weights[0].data = 1e308
    with detect_anomaly():
        with pytest.raises(Anomaly, match=r"^dot of .* is inf: test_guard.py"):
            diagnose(model, [[1e9]], [0.0])
        with pytest.raises(Anomaly, match=r"^log of -1 is nan: test_guard.py"):
            check_gradients(lambda x: x.log(), at=[-1.0])


def test_a_side_that_where_does_not_choose_is_no_anomaly():
    x = Array([0.0], "x")
    with detect_anomaly():
        grad(x.hypot(0.0).sum(), x, create_graph=True)


def test_ctrl_c_while_a_hook_is_entered(monkeypatch):
    class Interrupted:
        get = staticmethod(hooks.ACTIVE.get)

        def set(self, active):
            raise KeyboardInterrupt

    monkeypatch.setattr(hooks, "ACTIVE", Interrupted())
    with pytest.raises(KeyboardInterrupt), no_grad():
        pass
    monkeypatch.undo()
    assert hooks.active() == []
    with no_grad():  # the flag is set anew
        pass
    assert not hooks.observed


def test_a_model_is_looked_at_without_gradients():
    model, arrays = MLP(2, [4, 1], rng=0), vector.MLP(2, [4, 1], rng=0)
    with no_grad():
        found = model([1.0, 2.0]), arrays([[1.0, 2.0]]), losses.mse([model([1.0, 2.0])], [1.0])
    assert all(each.constant for each in found)
    assert not model([1.0, 2.0]).constant
    with no_grad():
        made = Value(3.0)  # a leaf is a leaf
    assert not made.constant


def test_another_thread_keeps_its_graph(in_threads):
    found = {}

    def work(i):
        x = Value(1.0)
        if i % 2:
            with no_grad():
                found[i] = [(x * 2.0).constant for _ in range(200)]
        else:
            found[i] = [(x * 2.0).constant for _ in range(200)]

    in_threads(work, 6)
    assert all(set(each) == {bool(i % 2)} for i, each in found.items())


@pytest.mark.parametrize("make", [lambda: Value(2.0, "x"), lambda: Array([2.0], "x")])
def test_what_is_detached_sends_nothing_back(make):
    x = make()
    y = (x * x).detach()
    assert y.constant
    (y * x).backward()
    np.testing.assert_array_equal(x.grad, (x * x).data)


def test_the_first_anomaly_names_operation_inputs_and_line():
    x, w = Value(-1.0, "x"), Array([[1.0, -2.0]], "w")
    with detect_anomaly():
        y = x * 2.0
        with pytest.raises(Anomaly, match=r"log of -2 is nan: test_guard.py, line \d+ .*y.log\(\)"):
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


def test_an_anomaly_on_the_way_back():
    x, a = Value(0.0, "x"), Array([0.0, 4.0], "a")
    with detect_anomaly():
        y = x.sqrt() + 1.0
        says = r"sqrt of x = 0 sends inf back to x = 0, whose local derivative there is inf: .*line"
        with pytest.raises(Anomaly, match=says):
            y.backward()
        z = a.sqrt().sum()
        with pytest.raises(
            Anomaly, match=r"sends inf at \(0,\) back to a = an array of shape \(2,\)"
        ):
            z.backward()
        fine = (x + 2.0).log()
        fine.backward()
    assert x.grad == np.inf + 0.5


@pytest.mark.parametrize("make", [lambda: Value(0.0, "x"), lambda: Array([0.0], "x")])
@pytest.mark.parametrize(
    ("find", "says"),
    [
        (lambda y, x: grad(y, x), r"sqrt of x = .* sends inf"),
        (lambda y, x: grad(y, x, create_graph=True), r"sqrt of x = .* sends inf"),
        (lambda y, x: hessian(y, x), r"sqrt of x = .* sends inf"),
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


@pytest.mark.parametrize("make", [lambda: Value(1.0, "x"), lambda: Array([1.0], "x")])
def test_gradients_that_add_up_to_infinity(make):
    x = make()
    big = (x * 1e308) if isinstance(x, Value) else (x * 1e308).sum()
    with detect_anomaly():
        big.backward()
        with pytest.raises(Anomaly, match=r"the gradients that arrive at x = .* add up to inf"):
            big.backward()
        big.backward()  # what was infinite before is told of once


def test_what_is_sound_is_as_it_was():
    """The same numbers and gradients within and without."""
    model = MLP(2, [5, 1], "tanh", rng=0)
    loss = lambda: losses.mse([model([0.5, -1.0])], [1.0])
    want = loss()
    want.backward()
    grads = [p.grad for p in model.parameters()]
    model.zero_grad()
    with detect_anomaly(), record_origins():
        found = loss()
        found.backward()
    assert found.data == want.data
    assert [p.grad for p in model.parameters()] == grads


def test_nothing_is_left_of_them():
    """No class changes while a hook is active, and none is active afterwards."""
    before = {kind: dict(vars(kind)) for kind in (Value, Array)}

    def fails():
        with no_grad(), detect_anomaly(), no_grad():
            assert (Value(1.0) * 2.0).constant
            assert {kind: dict(vars(kind)) for kind in (Value, Array)} == before
            Value(-1.0).log()

    Value(1.0) * 2.0, Value(1.0).log()  # methods are made at their first use
    before = {kind: dict(vars(kind)) for kind in (Value, Array)}
    with pytest.raises(Anomaly, match="log of -1"):
        fails()
    assert {kind: dict(vars(kind)) for kind in (Value, Array)} == before
    assert (hooks.ACTIVE.get(), hooks.observed) == ((), False)
    assert (Value(1.0) * 2.0).origin is None


# ------------------------------------------------- inside generators, coroutines and other threads


def test_a_decorated_generator_is_within_while_its_own_code_runs():
    @no_grad()
    def numbers(n):
        """Yields constants."""
        total = Value(0.0)
        for _ in range(n):
            total = total + 1.0
            sent = yield total
            if sent is not None:
                yield sent * 2.0
        return "end"

    x = Value(3.0)
    steps = numbers(2)
    assert next(steps).constant
    assert not (x * 2.0).constant  # between two of its values
    assert steps.send(x).constant
    assert next(steps).constant
    with pytest.raises(StopIteration, match="end"):
        next(steps)
    assert numbers.__doc__ == "Yields constants."
    assert not hooks.observed


def test_a_decorated_generator_takes_errors_and_is_closed():
    seen = []

    @no_grad()
    def careful():
        try:
            yield 1
        except KeyError as problem:
            seen.append((Value(1.0) * 2.0).constant)
            yield str(problem)
        finally:
            seen.append((Value(1.0) * 3.0).constant)

    steps = careful()
    next(steps)
    assert steps.throw(KeyError("k")) == "'k'"
    steps.close()
    assert seen == [True, True]
    assert not hooks.observed


def test_an_undecorated_generator_leaks_as_in_pytorch():
    def leaky():
        with no_grad():
            yield

    steps = leaky()
    next(steps)
    assert (Value(1.0) * 2.0).constant
    steps.close()
    assert not (Value(1.0) * 2.0).constant


def test_hooks_hold_across_await_and_in_no_other_task():
    @no_grad()
    async def frozen(log):
        for _ in range(3):
            log.append((Value(1.0) * 2.0).constant)
            await asyncio.sleep(0)
        return "done"

    async def block(log):
        with no_grad():
            for _ in range(3):
                log.append((Value(1.0) * 2.0).constant)
                await asyncio.sleep(0)

    async def free(log):
        for _ in range(4):
            log.append((Value(1.0) * 2.0).constant)
            await asyncio.sleep(0)

    async def both():
        logs = [], [], []
        found = await asyncio.gather(frozen(logs[0]), block(logs[1]), free(logs[2]))
        return found[0], logs

    done, (within, inside, outside) = asyncio.run(both())
    assert (done, within, inside, outside) == ("done", [True] * 3, [True] * 3, [False] * 4)
    assert not hooks.observed


def test_a_decorated_asynchronous_generator():
    @no_grad()
    async def numbers(n):
        for i in range(n):
            await asyncio.sleep(0)
            yield Value(float(i)) * 2.0

    async def collect():
        return [(x.data, x.constant, (Value(1.0) * 2.0).constant) async for x in numbers(3)]

    assert asyncio.run(collect()) == [(0.0, True, False), (2.0, True, False), (4.0, True, False)]


def test_the_same_hook_entered_twice():
    hook = no_grad()
    with hook, hook:
        assert (Value(1.0) * 2.0).constant
    with hook:
        assert (Value(1.0) * 2.0).constant
    assert not (Value(1.0) * 2.0).constant


def test_a_hook_that_several_threads_enter(in_threads):
    """Each leaves what it entered itself."""
    hook, found = no_grad(), []

    def work(i):
        for _ in range(200):
            with hook:
                found.append((Value(1.0) * 2.0).constant)
            found.append(not (Value(1.0) * 2.0).constant)

    in_threads(work, 6)
    assert all(found)
    assert not hooks.observed


def test_a_task_that_outlives_the_with_statement_it_was_started_in():
    """Its copy of the hook is active while that statement is open, and never again."""

    async def late(log):
        log.append((Value(1.0) * 2.0).constant)
        await asyncio.sleep(0.01)
        log.append((Value(1.0) * 2.0).constant)

    hook = no_grad()  # kept: its copy in the task is not gone by itself

    async def main(log):
        with hook:
            task = asyncio.create_task(late(log))
            await asyncio.sleep(0)
        with record_origins():  # another hook does not bring the first one back
            await task

    log = []
    asyncio.run(main(log))
    assert log == [True, False]
