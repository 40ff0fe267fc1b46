"""`jit` of Arrays beside eager code: functions of one name, layouts, dtypes, random numbers, graphs."""

import copy
import gc
import pickle
from functools import partial
from weakref import ref

import numpy as np
import pytest

from engine import (
    Anomaly,
    Array,
    ArrayOp,
    ConstantArray,
    Op,
    check_gradients,
    detect_anomaly,
    explain,
    hvp,
    jit,
    walk,
)
from engine.draw import draw, step
from nn import MLP, fit, losses, optim, train, vector
from test_array_jit import WAYS, choose_way, recordings


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    choose_way(monkeypatch, request.param)
    return request.param


def arrays(*shape, dtype=np.float32, count=3):
    rng = np.random.default_rng(len(shape))
    return [rng.normal(size=shape).astype(dtype) for _ in range(count)]


def check_calls(f, w, calls):
    """Compare results and gradients with those of eager code bit for bit, with signs of zeros."""
    fast = jit(f, [w])
    for args in calls:
        found = []
        for function in (f, fast):
            w.zero_grad()
            out = function(*args)
            out.backward()
            found.append([out.data.tobytes(), w.grad.tobytes()])
        assert found[0] == found[1]
    return fast


# ------------------------------------------------------------------------ one name, several things

DOUBLE, TRIPLE = (
    Op(
        "times",
        lambda x, k=k: np.vectorize(lambda z: k * z)(x).astype(x.dtype),
        lambda out, x, k=k: k,
    )
    for k in (2.0, 3.0)
)
PRODUCT = Op(
    "product",
    lambda x, y: np.asarray(np.vectorize(lambda a, b: a * b)(x, y), x.dtype),
    lambda out, x, y: np.array(y.tolist(), x.dtype),
    lambda out, x, y: np.array(x.tolist(), x.dtype),
)
OUTER = ArrayOp(
    "outer",
    lambda x, y: np.outer(np.array(x), np.array(y)),
    lambda g, out, x, y: np.array(g) @ np.array(y),
    lambda g, out, x, y: np.array(g).T @ np.array(x),
)
SAME_NAMES = {
    "parts": lambda w, x: (w * np.modf(x)[0] + np.modf(x)[1]).sum(),
    "halves": lambda w, x: (np.split(x, 2)[1] * w - np.split(x, 2)[0]).sum(),
    "indices": lambda w, x: (w[np.where(x > 0)[1]] * x[np.where(x > 0)]).sum(),
    "rows": lambda w, x: (DOUBLE(w * x) + TRIPLE(w * x)).sum(),
    "slopes": lambda w, x: PRODUCT(w * x, w + x).sum(),
    "pullbacks": lambda w, x: (OUTER(w * x[0], w - x[1]) * 1.5).sum(),
    "filled": lambda w, x: (w * np.full_like(x, x.max())).sum(),
    "joined": lambda w, x: np.concatenate([w * x, x]).square().sum(),
    "one hot": lambda w, x: (w * ConstantArray(np.eye(5, dtype="f"))[x.argmax(axis=1)]).sum(),
}


@pytest.mark.parametrize("name", SAME_NAMES)
def test_functions_of_one_name_are_told_apart(name, way):
    w = Array(arrays(5)[0])
    check_calls(lambda x: SAME_NAMES[name](w, x), w, [(x,) for x in arrays(4, 5)])


# --------------------------------------------------------------------------------- layouts, dtypes

LAYOUTS = {
    "C": lambda x: x,
    "F": np.asfortranarray,
    "transposed": lambda x: x.reshape(5, 16).T,
    "every second": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "reversed": lambda x: x[::-1],
    "read only": lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),
    "not aligned": lambda x: np.frombuffer(b"a" + x.tobytes(), "u1")[1:].view("f").reshape(x.shape),
}


def test_sums_over_arrays_in_any_layout(way):
    """One function, called with all layouts of one shape in turn."""
    w = Array(arrays(5)[0])
    f = lambda x: (w * np.exp(x)).tanh().mean() * (x * x).sum() + ((w * x).tanh() * 1.7).sum()
    calls = [(layout(x),) for layout in LAYOUTS.values() for x in arrays(16, 5, count=2)]
    check_calls(f, w, calls)


@pytest.mark.parametrize("dtype", ["f2", "g", ">f4", ">f8", "i4", "u1", "?"])
def test_arguments_of_other_dtypes(dtype, way):
    w = Array(arrays(5)[0])
    x = [(abs(3.0 * x).astype(dtype),) for x in arrays(4, 5)]
    check_calls(lambda x: ((w * (x * x + x)) * 1.7 + w * 2.0).sum(), w, x)


def test_compiled_loops_of_other_dtypes():
    """Loops have no types for these dtypes, so NumPy computes them."""
    pytest.importorskip("llvmlite")
    w = Array(arrays(5)[0])
    for dtype in ("f2", "g", ">f4"):
        calls = [(x.astype(dtype),) for x in arrays(4, 5)]
        check_calls(lambda x: ((w * (x * x + x)) * 1.7 + w * 2.0).sum(), w, calls)


def test_a_file_as_an_argument(tmp_path, way):
    file = np.memmap(tmp_path / "x", np.float32, "w+", shape=(4, 5))
    file[:] = arrays(4, 5)[0]
    w = Array(arrays(5)[0])
    check_calls(lambda x: (w * x).sum(), w, [(file,), (file * 2.0,)])


@pytest.mark.parametrize("shape", [(0, 5), (4, 0)])
def test_arrays_without_elements(shape, way):
    w = Array(np.ones(shape[-1], np.float32))
    x = np.ones(shape, np.float32)
    check_calls(lambda x: ((w * x).relu() * 1.7).sum(), w, [(x,), (x,)])


def test_signs_of_zeros(way):
    w = Array(np.ones(2, np.float32))
    x = np.array([[0.0, -0.0], [-0.0, -0.0]], np.float32)
    for f in (np.sum, np.max, np.min):
        check_calls(lambda x, f=f: f(f(w * x * 1.0, axis=0) * 1.0), w, [(x,), (-x,), (x,)])


def test_sums_over_both_axes_of_a_square(way):
    """A vector may have an element for each row or for each column."""
    w = Array(arrays(4)[0])
    for f in (
        lambda x: ((x * w).sum(axis=1) * (x * w).sum(axis=0)).sum(),
        lambda x: (((x * w).sum(axis=1) + (x * w).sum(axis=0)) * (x * w)).sum(),
        lambda x: ((x.T * w + w.reshape(4, 1)) * 1.5).sum(axis=0).max(),
    ):
        check_calls(f, w, [(x,) for x in arrays(4, 4)])


# ---------------------------------------------------------------------------------- random numbers


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dropout_of_either_dtype(dtype, way):
    """The scale has the dtype of the activations, and the random numbers are float32."""
    w, found = Array(np.ones((4, 4), dtype)), []
    for is_fast in (False, True):
        drop = vector.Dropout(0.3, rng=0)
        f = lambda x, drop=drop: drop(w * x).square().sum()
        f = jit(f, [w]) if is_fast else f
        found.append([f(x).item() for x in arrays(4, 4, dtype=dtype)])
    assert found[0] == found[1]


TWO_LAYERS = {
    # An earlier loop needs the numbers of the second layer.
    "order": lambda w, dropped, other: (dropped @ w).sum() + (other @ w).sum(),
    # A step before the second layer could write into the buffer of its numbers.
    "buffers": lambda w, dropped, other: (dropped * 2.0).sum() + other.sum(),
}


@pytest.mark.parametrize("name", TWO_LAYERS)
def test_two_layers_draw_from_one_generator(name, way):
    w, found = Array(np.ones((4, 4), np.float32)), []
    for is_fast in (False, True):
        rng = np.random.default_rng(0)
        first, second = vector.Dropout(0.5, rng=rng), vector.Dropout(0.3, rng=rng)

        def f(x, first=first, second=second):
            y = w * x
            other = first(w @ w)
            return TWO_LAYERS[name](w, second(y), other)

        f = jit(f, [w]) if is_fast else f
        found.append([f(x).item() for x in arrays(4, 4)])
    assert found[0] == found[1]


# ------------------------------------------------------------------------------------------ graphs


class Net:
    """A network with dropout and running statistics, and its loss."""

    def __init__(self):
        dense = vector.Dense(3, 4, "tanh", rng=0), vector.Dense(4, 2, "linear", rng=1)
        norm, self.drop = vector.BatchNorm(4), vector.Dropout(0.5, rng=2)
        self.model = vector.Sequential(dense[0], norm, self.drop, dense[1])
        rng = np.random.default_rng(0)
        self.X, self.y = rng.normal(size=(6, 3)).astype(np.float32), rng.integers(0, 2, 6)

    def loss(self, X, y):
        return losses.cross_entropy(self.model(X), y)


def nodes_of(root):
    return [
        (node.op and node.op.name, node.data.tobytes(), node.grad.tobytes())
        for node, *_ in walk(root)
    ]


def test_sync_gives_the_last_result_its_graph(way):
    """The graph has the numbers of the call: parameters, dropout and running statistics."""
    net, other = Net(), Net()
    fast, optimizer = jit(net.loss, net.model), optim.Adam(net.model.parameters())
    mover = optim.Adam(other.model.parameters())
    for _ in range(3):
        loss, expected = fast(net.X, net.y), other.loss(net.X, net.y)
        for x, of in ((loss, optimizer), (expected, mover)):
            of.zero_grad()
            x.backward()
            of.step()
    gradients = [p.grad for p in net.model.parameters()]
    states = net.model.state_dict(), net.drop.rng.bit_generator.state
    assert loss.op.name == "jit"
    fast.sync()
    after = net.model.state_dict(), net.drop.rng.bit_generator.state
    assert after[1] == states[1]
    for one, two in zip(after[0].values(), states[0].values(), strict=True):
        np.testing.assert_array_equal(one, two)
    for p, gradient in zip(net.model.parameters(), gradients, strict=True):
        assert p.grad is gradient
    fast.sync()  # again: nothing changes
    assert loss.op.name == expected.op.name != "jit"
    assert draw(loss).svg == draw(expected).svg
    assert step(loss).html == step(expected).html
    paths = explain(loss, net.model.parameters()[0]), explain(expected, other.model.parameters()[0])
    assert str(paths[0]) == str(paths[1])
    assert nodes_of(loss) == nodes_of(expected)


def test_sync_in_a_larger_graph_and_without_a_result(way):
    w = Array([1.0, 2.0], "w")
    fast = jit(lambda x: ((w * x).tanh().sum(), w * 2.0), [w])
    fast.sync()
    y, _ = fast(np.ones(2))
    z = y * 3.0
    fast.sync()
    z.backward()
    np.testing.assert_allclose(w.grad, 3.0 / np.cosh([1.0, 2.0]) ** 2)
    assert "tanh" in draw(z).svg
    fast(np.ones(2))  # freed at once
    fast.sync()
    assert hvp(y, [w], [np.ones(2)])[0].shape == (2,)


def test_sync_of_a_function_that_changed(way):
    w, scale = Array([1.0, 2.0]), [1.0]
    fast = jit(lambda x: (w * x * scale[0]).sum(), [w])
    y = fast(np.ones(2))
    scale[0] = 2.0
    with pytest.raises(RuntimeError, match="computes other numbers than in its last call"):
        fast.sync()
    assert y.op.name == "jit"


def test_sync_of_a_function_that_draws_more(way):
    """Without it, a StopIteration of the engine's own would leave the user's function."""
    drop, twice = vector.Dropout(0.5, rng=0), []
    w = Array(np.ones(8))
    f = lambda x: (drop(drop(w * x)) if twice else drop(w * x)).sum()
    fast = jit(f, [w])
    y = fast(np.ones(8))
    twice.append(True)
    state = drop.rng.bit_generator.state
    with pytest.raises(RuntimeError, match="draws more random numbers than in its last call"):
        fast.sync()
    assert (y.op.name, drop.rng.bit_generator.state) == ("jit", state)


def test_derivatives_of_derivatives_are_refused(way):
    w = Array([1.0, 2.0])
    y = jit(lambda x: (w * x).tanh().sum(), [w])(np.ones(2))
    with pytest.raises(TypeError, match=r"jit supports backward\(\) only"):
        hvp(y, [w], [np.ones(2)])


def test_check_gradients_of_a_function_under_jit(way):
    """The row of a call is a function of its inputs."""
    w = Array(arrays(5, dtype=np.float64)[0])
    fast = jit(lambda x: (w * x).tanh().sum(), [w])
    assert check_gradients(fast, at=arrays(4, 5, dtype=np.float64, count=1)) < 1e-9


# ------------------------------------------------------------------------------------- life of calls


def test_a_method_under_jit(way):
    class Line:
        def __init__(self, slope):
            self.slope = Array([slope])

        def loss(self, x):
            """Return the loss."""
            return (self.slope * x).sum()

    one = Line(2.0)
    Line.loss = jit(Line.loss, [one.slope])
    assert [one.loss(np.ones(3)).item(), one.loss(2.0 * np.ones(3)).item()] == [6.0, 12.0]
    assert one.loss.parameters() == [one.slope]
    assert "outputs" in one.loss.summary()


def test_a_function_under_jit_is_not_copied():
    fast = jit(vector.MLP(3, [4], rng=0))
    for f in (copy.deepcopy, copy.copy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot be copied or pickled; copy the model"):
            f(fast)


def test_arguments_are_freed_with_the_result(way):
    class Held(Array):
        """An Array that a reference can follow."""

    w = Array([1.0])
    fast = jit(lambda x: (w * x).sum(), [w])
    for _ in range(2):
        x = Held([2.0])
        y, held = fast(x), ref(x)
        del x, y
        gc.collect()
        assert held() is None


@pytest.mark.parametrize("how", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_of_optimizers_have_their_own_memory(how, way):
    """Copies of flat arrays and of their parts would not share memory."""
    states = []
    for is_fast in (False, True):
        pair = Net()
        pair = pair, optim.Adam(pair.model.parameters())
        for _ in range(2):
            net, optimizer = pair
            fast = jit(net.loss, net.model) if is_fast else net.loss
            for _ in range(3):
                loss = fast(net.X, net.y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            pair = how(pair)
        memory = [x.tobytes() for state in pair[1].memory for x in state.values()]
        states.append([*memory, *[p.data.tobytes() for p in pair[0].model.parameters()]])
    assert states[0] == states[1]


# --------------------------------------------------------------------------------------------- fit


def freeze(model, epoch):
    model.modules[0].weight.requires_grad = epoch % 2 == 0


CHANGES = {
    "frozen parameters": freeze,
    "rate": lambda model, epoch: setattr(model.modules[2], "rate", 0.1 * epoch),
    "momentum": lambda model, epoch: setattr(model.modules[1], "momentum", 0.1 * epoch),
    "activation": lambda model, epoch: setattr(model.modules[0], "activation", "tanh"),
    "another layer": lambda model, epoch: model.modules.insert(1, vector.Activation("tanh")),
    "layers in turn": lambda model, epoch: model.modules.reverse(),
    "generator": lambda model, epoch: setattr(model.modules[2], "rng", np.random.default_rng(5)),
    "a cycle": lambda model, epoch: setattr(model.modules[2], "parts", [model, model.modules]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_model_that_changes_between_epochs(name, way):
    found = []
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(23, 3)).astype(np.float32), rng.integers(0, 3, 23)
    for is_fast in (False, True):
        model = vector.Sequential(
            vector.Dense(3, 3, rng=0), vector.BatchNorm(3), vector.Dropout(0.3, rng=1),
            vector.Dense(3, 3, "linear", rng=2),
        )  # fmt: skip
        training = fit(
            model, X, y, loss="cross_entropy", epochs=4, batch_size=5, rng=0, jit=is_fast
        )
        for record in training:
            found.append(record.loss)
            CHANGES[name](model, record.epoch)
    assert found[:4] == found[4:]


def test_a_model_that_does_not_change_is_recorded_once(monkeypatch):
    choose_way(monkeypatch, "numpy")
    model = vector.MLP(3, [4], dropout=0.5, rng=0)
    X, y = np.ones((8, 3), np.float32), np.zeros(8, int)
    training = fit(model, X, y, loss="cross_entropy", epochs=4, batch_size=4, rng=0, jit=True)
    next(training), next(training)  # in the first epoch, `Watch` needs graphs
    before = recordings(training.objective.compiled)
    training.run()
    assert recordings(training.objective.compiled) == before
    assert len(before) == 1


class Scaled(vector.MLP):
    """A module of a user."""


LAYERS = {
    "Dense": lambda: vector.Dense(2, 3, rng=0), "MLP": lambda: vector.MLP(2, [3, 1], rng=0),
    "Residual": lambda: vector.Residual(vector.Dense(2, 3, rng=0)),
    "BatchNorm": lambda: vector.BatchNorm(2), "LayerNorm": lambda: vector.LayerNorm(2),
    "RMSNorm": lambda: vector.RMSNorm(2), "Embedding": lambda: vector.Embedding(3, 2, rng=0),
    "Attention": lambda: vector.Attention(2, 1, rng=0),
    "Transformer": lambda: vector.Transformer(2, 1, rng=0),
    "GPT": lambda: vector.GPT(3, 4, 2, positions=4, rng=0),
}  # fmt: skip
SAMPLES = [
    np.ones((4, 3), np.float32), np.ones(3), np.ones(()), np.ones((2, 2, 3)), np.ones((1, 2)),
    np.ones((0, 2)), np.arange(4), np.array([0, -1]), np.array([[0, 5], [1, 1]]),
    np.array([0.5, 1.0]), np.array([True, False]), np.array([9, 0], np.uint8),
    np.zeros((2, 9), int), Array([[1.0, 2.0, 3.0]]), ConstantArray([0.5, 1.0]), "ab", None,
]  # fmt: skip
TARGETS = [
    np.arange(4), np.array([0, -1, 0, 0]), np.array([0.0, 0.5, 2.0, 1.0]), np.ones(3, int),
    np.ones((4, 3)), np.array([[2.0, -1.0, 0.0]] * 4), np.array([True] * 4),
    np.array([0, 1, 2, 9], np.int8), Array([0.0, 1.0, 1.0, 0.0]), np.ones((4, 1), int), "ab", None,
]  # fmt: skip


def message(f, x):
    """Return the error of a call, or None."""
    try:
        f(x)
    except Exception as problem:
        return repr(problem)
    return None


@pytest.mark.parametrize("name", LAYERS)
def test_layers_refuse_the_same_samples_with_the_same_words(name):
    for x in SAMPLES:
        eager, model = LAYERS[name](), LAYERS[name]()
        assert message(jit(model, model), x) == message(eager, x)


@pytest.mark.parametrize("name", losses.LOSSES)
def test_losses_refuse_the_same_targets_with_the_same_words(name):
    for shape in ((4, 3), (4,), (4, 1)):
        p = Array(np.ones(shape))
        for y in TARGETS:
            f = partial(losses.LOSSES[name], p)
            assert message(jit(f, [p]), y) == message(f, y)


DEFAULTS = {
    "known": (True, {}),
    "few steps": (False, {"epochs": 2}),
    "own loss": (False, {"loss": lambda p, y: losses.cross_entropy(p, y)}),
    "settings": (True, {"loss": partial(losses.cross_entropy, smoothing=0.1, weight=(1.0,) * 4)}),
    "own settings": (False, {"loss": partial(losses.cross_entropy, weight=np.ones(4))}),
    "own loss with settings": (False, {"loss": partial(lambda p, y: losses.mse(p, y))}),
    "penalty": (False, {"penalty": lambda: losses.l2_penalty([Array([1.0])])}),
    "own module": (False, {"model": lambda: Scaled(3, [4], rng=0)}),
    "function": (False, {"model": lambda: vector.Sequential(vector.Dense(3, 4, rng=0), np.tanh)}),
    "Values": (False, {"model": lambda: MLP(3, [4], rng=0)}),
    "refused": (False, {"jit": False}),
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_long_trainings_of_known_models_are_recorded_by_default(name, monkeypatch):
    choose_way(monkeypatch, "numpy")
    monkeypatch.setattr(train, "WORTH_COMPILING", 8)
    monkeypatch.setattr(train, "is_installed", lambda name: name == "llvmlite")
    is_recorded, options = DEFAULTS[name]
    X, y = np.ones((10, 3), np.float32), np.zeros(10, int)
    options = {"loss": "cross_entropy", "epochs": 4, "batch_size": 5, "rng": 0, **options}
    model = options.pop("model", lambda: vector.MLP(3, [4], rng=0))()
    training = fit(model, X, y, **options)
    training.close()
    assert (training.objective.compiled is not None) == is_recorded
    monkeypatch.setattr(train, "is_installed", lambda name: False)
    if "jit" not in options:
        training = fit(model, X, y, **options)
        training.close()
        assert training.objective.compiled is None


def test_hooks_see_the_nodes_of_a_training_under_jit(way):
    model = vector.MLP(3, [4, 4], "tanh", rng=0)
    X, y = np.ones((8, 3), np.float32), np.zeros(8, int)
    training = fit(model, X, y, loss="cross_entropy", epochs=3, batch_size=4, rng=0, jit=True)
    next(training), next(training)
    model.layers[0].weight.data = np.full((4, 3), np.nan, np.float32)
    with detect_anomaly(), pytest.raises(Anomaly, match="linear"):
        next(training)
