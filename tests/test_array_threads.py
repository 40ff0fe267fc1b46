"""Matrix products in parts on several threads: the same bits in every run."""

import multiprocessing
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Array, jit
from engine.array_tape import products
from engine.array_tape.products import ProductInParts, split_product
from engine.array_tape.unfold import is_equal
from engine.support import blas
from engine.support.threads import call_all
from networks import networks
from nn import losses, optim, vector
from nn.scalar import ACTIVATIONS
from strategies import examples
from test_array_jit import LAYERS, batches_of, choose_way, recordings, train

COUNTS = (1, 2, 3)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Compute small products in parts, too; printed loops are not compiled."""
    monkeypatch.setattr(products, "LEAST", 1)
    monkeypatch.setattr(products, "TILE", 1)
    choose_way(monkeypatch, "printed")


def parts_of(fast):
    space = [x for replay in recordings(fast) for x in replay.program.space.values()]
    return [x for x in space if isinstance(x, ProductInParts)]


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
    assert parts_of(f)
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
    x, y, out = make(m, k), make(k, n), make(m, n)
    threads = [data.draw(st.integers(1, 4), label="threads")]
    product = split_product(x, y, threads)
    if max(m, n) < 2 or m * k * n < 2:
        assert product is None
        return
    product(x, y, out=out)
    np.testing.assert_array_equal(out, x @ y)


def test_a_rounded_product(monkeypatch):
    """Two sums of k terms differ by at most 2 k units of roundoff of the sum of magnitudes."""
    monkeypatch.undo()
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=shape).astype(np.float32) for shape in [(128, 784), (784, 256)])
    product, out = split_product(x, y, [9]), np.empty((128, 256), np.float32)
    assert product.most == 2
    product(x, y, out)
    bound = 2 * 784 * np.finfo(np.float32).eps / 2 * (abs(x) @ abs(y))
    assert (abs(out - x @ y) <= bound).all()


@pytest.mark.parametrize(
    "shapes", [((128, 256), (256, 10)), ((2, 200, 300), (300, 300)), ((9, 10**6), (10**6, 9))]
)
def test_small_narrow_and_stacked_products_are_not_split(shapes, monkeypatch):
    monkeypatch.undo()
    assert split_product(*map(np.empty, shapes), [2]) is None


# ------------------------------------------------------------------------------------- trainings


def run_alone(functions, count):
    for f in functions:
        f()


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
            patch.setattr(products, "call_all", run_alone)
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
    assert parts_of(fast)


def test_a_large_network_against_eager_training(monkeypatch):
    """At real sizes of parts, the losses of both agree to float32's rounding."""
    monkeypatch.undo()
    choose_way(monkeypatch, "numpy")
    losses_of_both = []
    for is_fast in (True, False):
        model = vector.MLP(784, [256, 10], rng=0)
        batches = batches_of(0, [128] * 3, 784, lambda n: np.arange(n) % 10)
        adam = optim.SGD(model.parameters(), lr=0.01)
        results, fast = train(model, losses.cross_entropy, adam, batches, is_fast)
        losses_of_both.append([float(step[0]) for step in results[:-1]])
        assert not is_fast or len(parts_of(fast)) == 2
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


@pytest.mark.parametrize("count", COUNTS)
def test_sync_gives_the_result_its_graph(count, monkeypatch):
    """Its nodes may differ in the last bits from those of the products in parts."""
    monkeypatch.undo()
    choose_way(monkeypatch, "numpy")
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


# --------------------------------------------------------------------------------------- threads


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
    monkeypatch.setattr(blas, "cores", lambda: 3)

    def set_count(n):
        count[0] = n

    w = Array(np.ones((4, 4)))
    fast = jit(lambda x, y: losses.cross_entropy(x @ w, y), [w])
    X, y = np.ones((4, 4)), np.arange(4)
    fast(X, y)
    (replay,) = recordings(fast)
    run = replay.program.forward
    replay.program.forward = lambda *args: seen.append(count[0]) or run(*args)
    fast(X, y)
    assert (seen, replay.program.threads, count) == ([1], [3], [5])
    with pytest.raises(ValueError, match="labels"):
        fast(X, y + 1)
    assert count == [5]


def test_openblas_is_restricted_until_the_last_of_several_programs_ends(monkeypatch):
    """Each program has the same number of threads, and thus the same bits, as if it ran alone."""
    count = [4]
    monkeypatch.setattr(
        blas, "find_functions", lambda: (lambda: count[0], lambda n: count.__setitem__(0, n))
    )
    monkeypatch.setattr(blas, "cores", lambda: 3)
    assert [blas.take_threads(), blas.take_threads()] == [3, 3]
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
    assert blas.take_threads() == min(before, blas.cores())
    assert get() == 1
    blas.restore_threads()
    assert get() == before
