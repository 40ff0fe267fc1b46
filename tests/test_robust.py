"""Ctrl-C at any moment, concurrent threads, and graphs of a million nodes."""

import gc
import random
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
from hypothesis import settings

import nn
from engine import Array, Tape, Value, detect_anomaly, no_grad, record_origins, total, walk
from engine.watch import hooks

POINTS = [[0.1, -0.4], [0.7, 0.3], [-0.2, 0.9]]


def scalars():
    model = nn.MLP(2, [16, 16, 1], rng=3)
    return model.parameters(), lambda: total([model(x).tanh() for x in POINTS])


def arrays():
    model = nn.MLP(2, [16, 16, 1], rng=3).to_vector()
    return model.parameters(), lambda: model(Array(np.array(POINTS))).tanh().sum()


def cleared(leaves):
    for leaf in leaves:
        leaf.grad = np.zeros_like(leaf.data) if isinstance(leaf, Array) else 0.0


def bits(leaves):
    return [np.asarray(leaf.grad).tobytes() for leaf in leaves]


# ---------------------------------------------------------------------------------------- Ctrl-C


@pytest.fixture
def interrupted():
    """Return a function that calls f repeatedly, each time with Ctrl-C at a random moment.

    It calls `after` after each call, interrupted or not.
    """
    draw, watchers = random.Random(0), gc.callbacks[:]
    gc.callbacks.clear()  # Hypothesis installs one, which would swallow an exception
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)

    def run(f, after, times=150):
        stopped, seconds = 0, 1.0
        for _ in range(5):
            began = time.perf_counter()
            f()
            seconds = min(seconds, time.perf_counter() - began)
        for _ in range(times):
            try:
                signal.setitimer(signal.ITIMER_REAL, max(1e-6, draw.uniform(0, seconds)))
                f()
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                stopped += 1
            after()
        assert stopped > times / 10, "rarely interrupted, so the test proves nothing"

    yield run
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
    gc.callbacks[:] = watchers


@pytest.mark.parametrize("path", [scalars, arrays])
@pytest.mark.parametrize(
    "go", [lambda y: y.backward(), lambda y: list(walk(y))], ids=["backward", "walk"]
)
def test_ctrl_c_in_a_backward_pass(interrupted, path, go):
    """The graph is intact: after zero_grad, backward gives the same bits."""
    leaves, f = path()
    y = f()
    y.backward()
    want, data = bits(leaves), [np.array(leaf.data) for leaf in leaves]

    def again():
        cleared(leaves)
        y.backward()
        assert bits(leaves) == want
        for leaf, before in zip(leaves, data, strict=True):
            np.testing.assert_array_equal(leaf.data, before)

    interrupted(lambda: go(y), again)


@pytest.mark.parametrize("path", [scalars, arrays])
def test_ctrl_c_while_a_graph_is_built(interrupted, path):
    leaves, f = path()
    f().backward()
    want = bits(leaves)

    def again():
        cleared(leaves)
        f().backward()
        assert bits(leaves) == want

    interrupted(f, again)


@pytest.mark.parametrize("block", [no_grad, detect_anomaly, record_origins])
def test_ctrl_c_within_a_block(interrupted, block):
    """The hook is no longer active; later graphs are not affected."""

    def within():
        for _ in range(3):
            with block():
                x = Value(2.0)
                for _ in range(20):
                    x = x * 0.5 + 1.0

    def after():
        x = Value(2.0)
        y = (x * x).log()
        y.backward()
        assert x.grad == 1.0
        assert y.origin is None
        assert hooks.active() == []
        with no_grad():
            pass
        assert not hooks.observed

    interrupted(within, after)


def test_ctrl_c_in_a_tape(interrupted):
    tape = Tape(scalars()[1])
    tape.forward()
    tape.backward()
    value, want = tape.forward(), tape.flat.grad.tobytes()

    def both():
        tape.forward()
        tape.backward()

    def again():
        assert tape.forward() == value
        tape.backward()
        assert tape.flat.grad.tobytes() == want

    interrupted(both, again, times=300)


# Python prints an exception that is raised in a destructor, and continues.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <function Parameters.__del__")
def test_ctrl_c_while_a_tape_is_recorded(interrupted):
    """Comparisons and `.data` are as before."""
    x = Value(3.0, "x")
    kept = {name: Value.__dict__.get(name) for name in ("__lt__", "__gt__", "data")}

    def after():
        assert type(x.data) is float
        assert {name: Value.__dict__.get(name) for name in kept} == kept
        assert Tape(lambda: x * x if x > 0.0 else x).forward() == 9.0

    interrupted(lambda: Tape(lambda: x * x if x > 0.0 else x), after)


# --------------------------------------------------------------------------------------- threads


@pytest.mark.parametrize("path", [scalars, arrays])
def test_threads_build_and_differentiate_at_once(in_threads, path):
    """Each thread gets the bits that it gets alone, and no warnings, with or without a hook."""
    alone, together = {}, {}

    def train(i, results):
        leaves, f = path()
        for step in range(8):
            cleared(leaves)
            if i % 3 == 1:
                with no_grad():
                    assert f().constant
            if i % 3 == 2:
                with detect_anomaly():
                    f().backward()
            else:
                f().backward()
            if step % 2 == i % 2:
                results[i, step] = bits(leaves)
            for leaf in leaves:
                leaf.data = leaf.data - 0.1 * leaf.grad

    for i in range(6):
        train(i, alone)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        in_threads(lambda i: train(i, together), 6)
    assert together == alone


def test_threads_share_leaves_that_do_not_change(in_threads):
    """Threads that read one model at once each get the right derivatives."""
    from engine import grad

    model = nn.MLP(2, [8, 1], rng=0)
    leaves, by_thread = model.parameters(), {}
    want = [float(g) for g in grad(model(POINTS[0]), leaves)]

    def run(i):
        for _ in range(10):
            by_thread[i] = [float(g) for g in grad(model(POINTS[0]), leaves)]

    in_threads(run, 6)
    assert all(slopes == want for slopes in by_thread.values())
    assert len(by_thread) == 6
    assert all(leaf.grad == 0.0 for leaf in leaves)


# ---------------------------------------------------------------------------------- a large graph


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    "more", ["y = y + x", "y = y * 1.0", "y = y.tanh()"], ids=["sums", "with constants", "unary"]
)
def test_a_million_nodes_in_300_megabytes(more):
    """The peak memory of the process after backward, including Python and NumPy.

    The process records a tenth of the graph, whose memory counts ten times.
    """
    nodes = 10**6
    share = 1 if settings.default.max_examples > 100 else 10
    nodes_per_step = 2 if "1.0" in more else 1
    source = f"""
import engine

def peak():
    status = open("/proc/self/status").read()  # not ru_maxrss: that is inherited
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024

x = y = engine.Value(1.0)
before = peak()
for _ in range({nodes // share // nodes_per_step}):
    {more}
y.backward()
print(before + {share} * (peak() - before))
assert x.grad != 0.0
"""
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 300e6
