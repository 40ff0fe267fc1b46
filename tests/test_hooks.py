"""Hooks: nested, overlapping, in generators, coroutines and threads."""

import asyncio

import numpy as np
import pytest

from engine import Anomaly, Array, Value, detect_anomaly, grad, no_grad, record_origins
from engine.watch import hooks


def test_nested_hooks_end_separately():
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


def test_overlapping_hooks_end_separately():
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


def test_the_same_hook_entered_twice():
    hook = no_grad()
    with hook, hook:
        assert (Value(1.0) * 2.0).constant
    with hook:
        assert (Value(1.0) * 2.0).constant
    assert not (Value(1.0) * 2.0).constant


def test_ctrl_c_while_entering_a_hook(monkeypatch):
    class Interrupted:
        get = staticmethod(hooks.ACTIVE.get)

        def set(self, active):
            raise KeyboardInterrupt

    monkeypatch.setattr(hooks, "ACTIVE", Interrupted())
    with pytest.raises(KeyboardInterrupt), no_grad():
        pass
    monkeypatch.undo()
    assert hooks.active() == []
    with no_grad():  # updates the flag
        pass
    assert not hooks.observed


def test_hooks_leave_nothing_behind():
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


@pytest.mark.parametrize("hook", [no_grad, detect_anomaly, record_origins])
def test_hooks_have_no_public_methods(hook):
    assert [name for name in dir(hook) if name[0] != "_"] == []


# ------------------------------------------------------------------------ generators and coroutines


def test_a_hook_is_active_while_a_decorated_generator_runs():
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
    assert not (x * 2.0).constant  # between two values
    assert steps.send(x).constant
    assert next(steps).constant
    with pytest.raises(StopIteration, match="end"):
        next(steps)
    assert numbers.__doc__ == "Yields constants."
    assert not hooks.observed


def test_a_decorated_generator_receives_errors_and_is_closed():
    outcomes = []

    @no_grad()
    def careful():
        try:
            yield 1
        except KeyError as problem:
            outcomes.append((Value(1.0) * 2.0).constant)
            yield str(problem)
        finally:
            outcomes.append((Value(1.0) * 3.0).constant)

    steps = careful()
    next(steps)
    assert steps.throw(KeyError("k")) == "'k'"
    steps.close()
    assert outcomes == [True, True]
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


def test_hooks_stay_active_across_await_and_in_no_other_task():
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
        results = await asyncio.gather(frozen(logs[0]), block(logs[1]), free(logs[2]))
        return results[0], logs

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


def test_a_task_that_outlives_its_with_statement():
    """Its copy of the hook is active as long as that statement is open, and never again."""

    async def late(log):
        log.append((Value(1.0) * 2.0).constant)
        await asyncio.sleep(0.01)
        log.append((Value(1.0) * 2.0).constant)

    hook = no_grad()  # kept alive, so that the task's reference stays valid

    async def main(log):
        with hook:
            task = asyncio.create_task(late(log))
            await asyncio.sleep(0)
        with record_origins():  # entering another hook does not reactivate the first
            await task

    log = []
    asyncio.run(main(log))
    assert log == [True, False]


# ------------------------------------------------------------------------------------------ threads


def test_another_thread_keeps_its_graph(in_threads):
    constants = {}

    def work(i):
        x = Value(1.0)
        if i % 2:
            with no_grad():
                constants[i] = [(x * 2.0).constant for _ in range(200)]
        else:
            constants[i] = [(x * 2.0).constant for _ in range(200)]

    in_threads(work, 6)
    assert all(set(flags) == {bool(i % 2)} for i, flags in constants.items())


def test_a_hook_that_several_threads_enter(in_threads):
    """Each thread exits what it entered."""
    hook, checks = no_grad(), []

    def work(i):
        for _ in range(200):
            with hook:
                checks.append((Value(1.0) * 2.0).constant)
            checks.append(not (Value(1.0) * 2.0).constant)

    in_threads(work, 6)
    assert all(checks)
    assert not hooks.observed


def test_a_hook_decorates_functions_only():
    for thing in (int, 5):
        with pytest.raises(TypeError, match=r"@no_grad\(\) decorates a function, got"):
            no_grad()(thing)


def test_a_hook_decorates_objects_whose_call_is_a_coroutine():
    class Model:
        async def __call__(self, x):
            return x * 2.0

    y = asyncio.run(no_grad()(Model())(Value(1.0)))
    assert y.constant
