"""Steps in parts that workers compute: the same bits in every run."""

import ctypes
import gc
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from _thread import interrupt_main
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Array, jit
from engine.array_tape import call as array_call
from engine.array_tape import jit as array_jit
from engine.array_tape import native, updates, workers
from engine.array_tape.loops import FUNCTION, address_of
from engine.array_tape.native import NativeCalls
from engine.array_tape.unfold import is_equal
from engine.array_tape.updates import compile_update
from engine.array_tape.workers import TEAM, Team, load_runner
from engine.arrays.in_place import InPlace
from engine.recorded_function import record_function
from engine.support import blas
from engine.support.threads import call_all
from networks import networks
from nn import losses, optim, vector
from nn.scalar import ACTIVATIONS
from strategies import examples
from test_array_jit import LAYERS, batches_of, choose_way, recordings, train

pytest.importorskip("llvmlite", reason="llvmlite is not installed: pip install -e '.[jit]'")
COUNTS = (1, 2, 3)
HOUSE = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Compute small arrays in parts, too, on at least three threads."""
    for name in ("LOOP_PART", "PRODUCT_PART", "TILE"):
        monkeypatch.setattr(native, name, 1)
    monkeypatch.setattr(workers, "cores", lambda: 3)


def parts_of(fast):
    space = [x for replay in recordings(fast) for x in replay.program.space.values()]
    return [x for x in space if isinstance(x, NativeCalls) and x.helpers]


def has_parts(fast):
    """Return whether the forward pass of a function has steps in parts."""
    (program,) = [replay.program for replay in recordings(fast)]
    forward, _ = program.source.split("def backward")
    return any(f"{name}(" in forward and x in parts_of(fast) for name, x in program.space.items())


def train_on_threads(make, loss, batches, count, rule="adam", **options):
    """Return the losses, gradients and final state as bytes."""
    model = make()
    f = jit(lambda X, y: loss(model, X, y), model, threads=count)
    mover, found = optim.get(rule)(model.parameters(), **options), []
    for X, y in batches:
        out = f(X, y)
        mover.zero_grad()
        out.backward()
        found += [out.data, *[p.grad for p in model.parameters()]]
        mover.step()
    assert bool(parts_of(f)) == (count > 1)
    return [np.asarray(x).tobytes() for x in [*found, *model.state_dict().values()]]


# ------------------------------------------------------------------------------------- products


@examples(60)
@given(data=st.data())
def test_parts_make_up_the_product(data):
    """Sums of integers are exact in any order. Factors and the result may lie in any order."""
    m, k, n = (data.draw(st.integers(1, 70), label=name) for name in "mkn")
    rng = np.random.default_rng(data.draw(st.integers(0, 9), label="seed"))
    make = lambda *shape: np.asarray(rng.integers(-9, 9, shape), np.float32,
                                     order=data.draw(st.sampled_from("CF")))  # fmt: skip
    x, w = make(m, k), Array(make(k, n))
    fast = jit(lambda x: x @ w, [w], threads=data.draw(st.integers(1, 4), label="threads"))
    for _ in range(2):
        np.testing.assert_array_equal(fast(x).data, x @ w.data)
    many = max(m, n) > 1 and m * k * n > 1 and fast.threads > 1
    assert has_parts(fast) == many


def test_a_rounded_product(monkeypatch):
    """Two sums of k terms differ by at most 2 k units of roundoff of the sum of magnitudes."""
    monkeypatch.undo()
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=shape).astype(np.float32) for shape in [(128, 784), (784, 256)])
    w = Array(y)
    fast = jit(lambda x: x @ w, [w], threads=9)
    out = fast(x).data
    assert parts_of(fast)[0].helpers == 3  # 256 columns, in parts of 64
    bound = 2 * 784 * np.finfo(np.float32).eps / 2 * (abs(x) @ abs(y))
    assert (abs(out - x @ y) <= bound).all()


@pytest.mark.parametrize("shapes", [((12, 256), (256, 10)), ((9, 10**5), (10**5, 9))])
def test_small_and_narrow_products_are_not_divided(shapes, monkeypatch):
    monkeypatch.undo()
    x, w = np.ones(shapes[0]), Array(np.ones(shapes[1]))
    fast = jit(lambda x: x @ w, [w], threads=2)
    fast(x)
    assert not has_parts(fast)


def test_loops_are_divided_by_rows_and_by_columns():
    """Sums over rows are divided by columns; a sum over all elements is not divided."""
    x, w = np.random.default_rng(0).normal(size=(7, 5)), Array(np.ones(5))
    functions = [
        lambda x: (x * w).relu() + 1.0, lambda x: (x * w).sum(axis=1),
        lambda x: (x * w + 1.0).sum(axis=0), lambda x: (x * w + 1.0).sum(),
    ]  # fmt: skip
    for f in functions:
        one, several = jit(f, [w], threads=1), jit(f, [w], threads=3)
        assert several(x).data.tobytes() == one(x).data.tobytes() == f(x).data.tobytes()
        assert has_parts(several) == (f is not functions[-1])


# ------------------------------------------------------------------------------------- trainings


def without_workers(patch):
    """Let calls compute all parts themselves, as if another thread owned the workers."""
    patch.setattr(NativeCalls, "__call__", call_without_workers)


def call_without_workers(calls, *inputs, call=NativeCalls.__call__):
    TEAM.words[0, workers.STATE] = workers.TAKEN
    call(calls, *inputs)
    TEAM.words[0, workers.STATE] = workers.IDLE


@pytest.mark.filterwarnings("ignore::stepgrad.GradientWarning")  # weights may overflow
@examples(8)
@given(data=st.data())
def test_generated_networks_have_the_same_bits_in_every_run(data):
    """The bits are those of the parts computed one by one. The last batch but one is smaller."""
    network = data.draw(networks(tuple(ACTIVATIONS)), label="network")
    dtype = data.draw(st.sampled_from([np.float32, np.float64]), label="dtype")
    count = data.draw(st.sampled_from(COUNTS[1:]), label="threads")
    scalars, X, y = network.model(), np.array(network.X, dtype), np.array(network.y)
    X, y = np.concatenate([X, X]), np.concatenate([y, y])  # a product of one number has no parts
    batches = [(X, y), (X, y), (X[:-1], y[:-1]), (X, y)]
    loss = lambda model, X, y: losses.LOSSES[network.loss](model(X), y)
    run = lambda: train_on_threads(lambda: scalars.to_vector(dtype), loss, batches, count)
    with np.errstate(all="ignore"):
        first, second = run(), run()
        with pytest.MonkeyPatch.context() as patch:
            without_workers(patch)
            assert run() == first == second


LOSSES = {
    "mean": lambda model, X, y: losses.cross_entropy(model(X), y),
    "sum": lambda model, X, y: losses.cross_entropy(model(X), y) * len(y),
    "penalty": lambda model, X, y: (
        losses.cross_entropy(model(X), y) + 0.1 * losses.l2_penalty(model.parameters())
    ),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("layer", LAYERS)
def test_layers_and_losses(layer, loss):
    """Includes layers of the whole batch and random numbers; the last batch is smaller.

    Sums differ by some units of roundoff, which one step of SGD does not amplify much.
    """
    batches = batches_of(0, [6, 5])
    expected, *others = [
        train_on_threads(LAYERS[layer], LOSSES[loss], batches, count, "sgd", lr=0.01)
        for count in COUNTS
    ]
    dtype = np.float64 if layer == "float64" else np.float32
    tolerance = 1000 * np.finfo(dtype).eps
    for found in others:
        for a, b in zip(found, expected, strict=True):
            a, b = (np.frombuffer(x, dtype) for x in (a, b))
            np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("count", COUNTS)
def test_exact_sums_are_those_of_the_function(count):
    """With integers, sums in another order have the same bits as without jit."""
    rng = np.random.default_rng(0)
    draw = lambda *shape: rng.integers(-3, 4, shape).astype(float)
    w, v, X = draw(6, 5), draw(3, 6), draw(7, 5)
    leaves = [(Array(w), Array(v)) for _ in range(2)]
    f = lambda w, v, X: ((X @ w.T).relu() @ v.T).square().sum()
    fast = jit(lambda X: f(*leaves[1], X), leaves[1], threads=count)
    for x in (X, X[:4]):
        expected, got = f(*leaves[0], x), fast(x)
        assert got.item() == expected.item()
        expected.backward(), got.backward()
        for a, b in zip(*leaves, strict=True):
            np.testing.assert_array_equal(b.grad, a.grad)
    assert bool(parts_of(fast)) == (count > 1)


def test_a_large_network_against_eager_training(monkeypatch):
    """At real sizes of parts, the losses of both agree to float32's rounding."""
    monkeypatch.undo()
    losses_of_both = []
    for is_fast in (True, False):
        model = vector.MLP(784, [256, 10], rng=0)
        batches = batches_of(0, [128] * 3, 784, lambda n: np.arange(n) % 10)
        adam = optim.SGD(model.parameters(), lr=0.01)
        results, fast = train(model, losses.cross_entropy, adam, batches, is_fast)
        losses_of_both.append([float(step[0]) for step in results[:-1]])
        assert not is_fast or parts_of(fast) or blas.count_threads() == 1
    np.testing.assert_allclose(*losses_of_both, rtol=1e-5)


def test_functions_in_several_threads(in_threads):
    """Threads with functions of their own, whose products share the other threads."""
    w = np.random.default_rng(0).normal(size=(20, 30))
    expected, results = {}, {}

    def work(i):
        x = Array(w * i)
        fast = jit(lambda y: (y @ x).sum(), [x], threads=2)
        for _ in range(3):
            results[i] = fast(w.T).item()

    for i in range(4):
        work(i)
    expected, results = results, {}
    in_threads(work, 4)
    assert results == expected


def test_random_numbers_that_another_thread_draws():
    """They are taken for those of the function; the message says how to avoid this."""
    rng, w = np.random.default_rng(0), Array([2.0])
    drawing, recorded = threading.Event(), threading.Event()

    def draw():
        while not recorded.is_set():
            rng.random()
            drawing.set()

    def double(x):
        for _ in range(2):  # the first can be of a number from before the call
            drawing.clear()
            assert drawing.wait(60)
        return (w * x).sum()

    fast = jit(double, [w])
    thread = threading.Thread(target=draw)
    thread.start()
    try:
        with pytest.raises(TypeError, match="call double before that thread starts"):
            fast(np.ones(1))
    finally:
        recorded.set(), thread.join()


@pytest.mark.parametrize("count", COUNTS)
def test_sync_gives_the_result_its_graph(count, monkeypatch):
    """Its nodes may differ in the last bits from those of the products in parts."""
    monkeypatch.undo()
    model = vector.MLP(784, [512, 256, 10], rng=0)
    fast = jit(lambda X, y: losses.cross_entropy(model(X), y), model, threads=count)
    for X, y in batches_of(0, [256, 256], 784):
        loss = fast(X, y)
        loss.backward()
        computed = loss.item()
        fast.sync()
        assert loss.op.name != "jit"
        assert loss.item() == computed


def test_numbers_that_differ_by_rounding():
    x = np.float32([1.0, 3e-9, np.nan, np.inf])
    near, far = x * np.float32(1 + 1e-6), x * np.float32(1.001)
    assert is_equal(x, x, exactly=True)
    assert is_equal(near, x, exactly=False)
    assert not is_equal(near, x, exactly=True)
    assert not is_equal(far, x, exactly=False)
    assert not is_equal(x[:1], x, exactly=False)


@pytest.mark.parametrize("count", COUNTS)
def test_sync_of_a_function_that_changed(count):
    w, scale = Array(np.ones((40, 30))), [1.0]
    fast = jit(lambda X: (X @ w * scale[0]).square().mean(), [w], threads=count)
    result = fast(np.ones((50, 40)))
    scale[0] = 1.001
    with pytest.raises(RuntimeError, match="computes other numbers"):
        fast.sync()
    assert result.op.name == "jit"


def test_number_of_threads():
    with pytest.raises(ValueError, match="threads"):
        jit(lambda x: x, [Array([1.0])], threads=0)


@pytest.mark.parametrize("count", [1, 4])
def test_without_a_compiler_openblas_divides_products(count, monkeypatch):
    """It then uses its own threads, unless `threads` is 1."""
    choose_way(monkeypatch, "numpy")
    monkeypatch.setattr(array_call, "count_threads", lambda: 2)
    w = Array(np.ones((300, 300)))
    fast = jit(lambda x: (x @ w).sum(), [w], threads=count)
    assert fast(np.ones((300, 300))).item() == 300.0**3
    assert [replay.limits_blas for replay in recordings(fast)] == [count == 1]


# --------------------------------------------------------------------------------------- workers


def run_parts(functions, team=TEAM, steps=1):
    """Run steps whose parts are Python functions."""
    calls = [FUNCTION(lambda *_, f=f: f()) for f in functions]
    words = [w for call in calls for w in (ctypes.cast(call, ctypes.c_void_p).value, 0, 0, 0, 0)]
    table = np.array([0, steps, len(calls), *[len(calls), *words] * steps], np.int64)
    load_runner()(address_of(table), 0, team.address)


def check_simultaneity(team=TEAM, count=2):
    """Check that parts run at the same time: each one waits for all others."""
    team.start(count - 1)
    barrier = threading.Barrier(count, timeout=30)
    done = []
    run_parts([lambda: done.append(barrier.wait())] * count, team)
    assert sorted(done) == [*range(count)]


def wait_for(condition):
    end = time.monotonic() + 30
    while not condition() and time.monotonic() < end:
        time.sleep(1e-3)
    assert condition()


@pytest.mark.parametrize("count", [2, 3])
def test_parts_run_at_the_same_time(count):
    for _ in range(20):
        check_simultaneity(count=count)


def test_a_worker_that_sleeps_is_woken():
    for _ in range(3):
        check_simultaneity()
        wait_for(lambda: TEAM.words[1, workers.STATE] == workers.ASLEEP)


def test_a_step_begins_when_all_parts_of_the_one_before_are_done():
    TEAM.start(2)
    found = []
    run_parts([lambda i=i: found.append(i) for i in range(3)], steps=200)
    assert [{*found[i : i + 3]} for i in range(0, 600, 3)] == [{0, 1, 2}] * 200


def test_a_worker_that_does_not_run_delays_nothing():
    """The caller takes back a part that has not begun."""
    team, done = Team(), []
    team.words[0, workers.COUNT] = 1  # a worker without a thread
    run_parts([lambda: done.append(0), lambda: done.append(1)], team, steps=3)
    assert done == [0, 1] * 3
    assert not team.words[:, workers.STATE].any()


def test_more_parts_than_workers():
    team, done = Team(), []
    team.start(1)
    run_parts([lambda i=i: done.append(i) for i in range(6)], team, steps=9)
    assert sorted(done) == sorted([*range(6)] * 9)
    team.close()


def test_one_thread_has_the_workers():
    """Workers do not compute the parts of another thread, which does not release them either."""
    team, done = Team(), []
    team.start(1)
    inner = lambda: run_parts([lambda: done.append(threading.get_ident())] * 2, team)
    run_parts([inner, lambda: None], team)
    assert done == [threading.get_ident()] * 2
    check_simultaneity(team)
    team.words[0, workers.STATE] = workers.TAKEN
    run_parts([lambda: None] * 2, team)
    assert team.words[0, workers.STATE] == workers.TAKEN
    team.close()


def test_threads_that_run_parts_at_the_same_time(in_threads):
    TEAM.start(2)
    found = [[] for _ in range(4)]
    work = lambda k: run_parts([lambda i=i: found[k].append(i) for i in range(3)], steps=50)
    in_threads(work, 4)
    assert all(sorted(x) == sorted([0, 1, 2] * 50) for x in found)


def test_workers_that_leave():
    """A later call computes all parts itself."""
    team, done = Team(), []
    team.start(2)
    wait_for(lambda: (team.words[1:3, workers.STATE] == workers.ASLEEP).all())
    team.close()
    assert (team.words[1:3, workers.LEAVE] == workers.GONE).all()
    team.start(2)
    team.words[0, workers.COUNT] = 2
    run_parts([lambda: done.append(1)] * 3, team)
    assert done == [1] * 3


def test_no_worker_without_a_core(monkeypatch):
    monkeypatch.setattr(workers, "cores", lambda: 1)
    team, done = Team(), []
    team.start(2)
    run_parts([lambda: done.append(1)] * 3, team)
    assert (done, team.words[0, workers.COUNT]) == ([1] * 3, 0)


@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
@pytest.mark.parametrize("is_owned", [False, True])
def test_a_forked_process_has_workers_of_its_own(is_owned):
    """Also if it is forked while another thread owns the workers."""
    check_simultaneity()
    child = multiprocessing.get_context("fork").Process(target=check_simultaneity)
    if is_owned:
        run_parts([child.start, lambda: None])
    else:
        child.start()
    child.join(60)
    child.kill()
    assert child.exitcode == 0
    check_simultaneity()


def test_an_interrupted_training():
    """An interrupt is raised between calls, and the workers are available for the next one."""
    rng = np.random.default_rng(0)
    w = Array(rng.normal(size=(300, 300)))
    fast = jit(lambda x: (x @ w).relu().sum(), [w], threads=2)
    x = rng.normal(size=(300, 300))
    expected = fast(x).item()

    def run_until_interrupted():
        threading.Timer(0.02, interrupt_main).start()
        end = time.monotonic() + 60
        while time.monotonic() < end:
            assert fast(x).item() == expected

    gc.collect()  # Python ignores an interrupt in the callback of a freed object
    for _ in range(5):
        with pytest.raises(KeyboardInterrupt):
            run_until_interrupted()
        assert fast(x).item() == expected
    check_simultaneity()


@pytest.mark.parametrize("in_thread", [False, True])
def test_the_process_ends(in_thread):
    """While workers wait, or while a daemon thread owns them."""
    source = """
        import sys, threading
        import numpy as np
        from engine import Array, jit
        w = Array(np.ones((300, 300)))
        fast = jit(lambda x: (x @ w).relu().sum(), [w], threads=2)
        fast(np.ones((300, 300)))
        def work():
            while True:
                fast(np.ones((300, 300)))
        if sys.argv[1] == "True":
            threading.Thread(target=work, daemon=True).start()
        print("end")
    """
    code = "\n".join([line[8:] for line in source.splitlines()])
    found = [
        subprocess.run([sys.executable, "-c", code, str(in_thread)], capture_output=True, text=True,
                       cwd=HOUSE, env=os.environ | {"PYTHONPATH": str(HOUSE)}, timeout=60)
        for _ in range(3)
    ]  # fmt: skip
    assert [(x.returncode, x.stdout) for x in found] == [(0, "end\n")] * 3, found[0].stderr


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_updates_in_parts_have_the_same_bits(dtype, monkeypatch, in_threads):
    """Also if two threads update arrays at the same time."""
    descent = lambda w, v, grad, rate, beta: (w - rate * (beta * v + grad), beta * v + grad)
    update = compile_update(InPlace(record_function(descent, inputs=5), 3, over=[None, 1]))
    monkeypatch.setattr(updates, "count_threads", lambda: 3)
    monkeypatch.setattr(updates, "cores", lambda: 3)
    results = {}

    def work(i):
        for size in (1000, 999, 1000):
            w, v, g = (np.linspace(k - i, k + i + 1, size, dtype=dtype) for k in range(3))
            (new,) = update([w, v, g], (0.5, 0.9))
            results.setdefault(i, []).append(new.tobytes() + v.tobytes())

    work(0), work(1)
    expected, results = results, {}
    monkeypatch.setattr(updates, "PART", 100)
    in_threads(work, 2)
    assert results == expected


# -------------------------------------------------------------------------- threads of Python


def test_calls_run_at_the_same_time():
    barrier = threading.Barrier(2, timeout=30)
    call_all([barrier.wait, barrier.wait], 2)


def test_an_exception_is_raised_after_all_calls():
    finished = []

    def fail():
        raise ZeroDivisionError

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            call_all([fail, *[lambda: finished.append(1)] * 9], 3)
    assert len(finished) == 27


@pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")
@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
def test_a_forked_process_has_threads_of_its_own():
    test_calls_run_at_the_same_time()
    child = multiprocessing.get_context("fork").Process(target=test_calls_run_at_the_same_time)
    child.start()
    child.join(60)
    child.kill()
    assert child.exitcode == 0


def test_openblas_is_restricted_while_a_program_runs(monkeypatch):
    """Also if the program fails. By default, there are as many threads as those of OpenBLAS."""
    count, seen = [5], []
    monkeypatch.setattr(blas, "find_functions", lambda: (lambda: count[0], set_count))
    monkeypatch.setattr(array_jit, "cores", lambda: 3)

    def set_count(n):
        count[0] = n

    w = Array(np.ones((70, 70)))
    fast = jit(lambda x, y: losses.cross_entropy(x @ w, y), [w])
    X, y = np.ones((70, 70)), np.arange(70)
    fast(X, y)
    (replay,) = recordings(fast)
    run = replay.program.forward
    replay.program.forward = lambda *args: seen.append(count[0]) or run(*args)
    fast(X, y)
    assert (seen, replay.program.threads, count) == ([1], 3, [5])
    with pytest.raises(ValueError, match="labels"):
        fast(X, y + 1)
    assert count == [5]


def test_openblas_is_restricted_until_the_last_of_several_programs_ends(monkeypatch):
    """Each program has the same number of threads, and thus the same bits, as if it ran alone."""
    count = [4]
    monkeypatch.setattr(
        blas, "find_functions", lambda: (lambda: count[0], lambda n: count.__setitem__(0, n))
    )
    for _ in range(2):
        blas.take_threads()
        assert blas.count_threads() == 4
    blas.restore_threads()
    assert count == [1]
    blas.restore_threads()
    assert count == [4]


def test_the_library_of_numpy():
    """The functions of OpenBLAS, if NumPy uses it, set the number that they return."""
    functions = blas.find_functions()
    if "openblas" not in np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]:
        pytest.skip("another library")
    get, _ = functions
    before = get()
    blas.take_threads()
    assert blas.count_threads() == before
    assert get() == 1
    blas.restore_threads()
    assert get() == before
