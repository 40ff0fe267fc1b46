"""`jit` of Arrays: recorded programs compute the bits that the functions themselves compute."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import Array, ArrayOp, ConstantArray, Op, jit, no_grad, where
from engine.array_tape import jit as array_jit
from engine.array_tape import kernels, program
from engine.array_tape.loops import PAIRWISE
from engine.array_tape.native import NativeCalls
from engine.draw import draw
from engine.support.lazy import is_installed
from networks import SETTINGS, networks
from nn import MLP, fit, losses, optim, schedules, vector
from nn.scalar import ACTIVATIONS

# NumPy alone; printed loops, which Python runs; and the same loops as machine code
WAYS = ["numpy", "printed", *["compiled"] * is_installed("llvmlite")]


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    choose_way(monkeypatch, request.param)
    return request.param


def choose_way(monkeypatch, name):
    """Run programs with NumPy alone, with loops that are printed but not compiled, or compiled."""
    monkeypatch.setattr(array_jit, "NO_COMPILER", [name == "numpy"])
    if name == "printed":
        monkeypatch.setattr(array_jit, "is_installed", lambda package: True)
        monkeypatch.setattr(kernels, "compile_source", run_printed)
        monkeypatch.setattr(program, "plan_call", lambda *_: None)


def run_printed(source, numbers, arrays):
    """Return the function of a source, which Python runs."""
    space = {"np": np}
    exec(PAIRWISE + source, space)
    return np.errstate(all="ignore")(space["NAME"])


def recordings(fast):
    return [replay for group in fast._replays.values() for replay in group]


def train(model, loss, optimizer, batches, is_fast):
    """Return the losses of some steps, and the final state of a model."""
    f = lambda X, y: loss(model(X), y)
    f = jit(f, model) if is_fast else f
    found = []
    for X, y in batches:
        out = f(X, y)
        optimizer.zero_grad()
        out.backward()
        found.append([out.data, *[p.grad for p in model.parameters()]])
        optimizer.step()
    return [*found, list(model.state_dict().values())], f


def check_training(make, loss, batches, rule="adam", **options):
    """Compare a training under jit with that without, bit for bit; return the function."""
    models = make(), make()
    (expected, _), (got, fast) = (
        train(model, loss, optim.get(rule)(model.parameters(), **options), batches, is_fast)
        for model, is_fast in zip(models, (False, True), strict=True)
    )
    for step, (ours, theirs) in enumerate(zip(got, expected, strict=True)):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=f"step {step}")
            assert np.asarray(a).dtype == np.asarray(b).dtype
    return fast


def batches_of(n, sizes, features=3, targets=None, dtype=np.float32):
    rng = np.random.default_rng(n)
    make = targets or (lambda size: rng.integers(0, 4, size))
    return [(rng.normal(size=(size, features)).astype(dtype), make(size)) for size in sizes]


# ------------------------------------------------------------------------------ generated networks


@pytest.mark.filterwarnings("ignore::stepgrad.GradientWarning")  # weights may overflow
@pytest.mark.parametrize("name", WAYS)
@given(data=st.data())
@settings(max_examples=12)
def test_generated_networks_train_to_the_same_bits(name, data):
    """All losses, activations, optimizers and dtypes; the last batch is smaller."""
    rule = data.draw(st.sampled_from(list(SETTINGS)), label="rule")
    network = data.draw(networks(tuple(ACTIVATIONS), rule=rule), label="network")
    dtype = data.draw(st.sampled_from([np.float32, np.float64]), label="dtype")
    scalars = network.model()
    X, y = np.array(network.X, dtype), np.array(network.y)
    first = X[: len(X) // 2 + 1], y[: len(X) // 2 + 1]
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        choose_way(patch, name)
        check_training(
            lambda: scalars.to_vector(dtype),
            losses.LOSSES[network.loss],
            [(X, y), (X, y), first, (X, y)],
            rule,
            **network.training.settings,
        )


LAYERS = {
    "batch norm": lambda: vector.Sequential(
        vector.Dense(3, 5, rng=0), vector.BatchNorm(5), vector.Dense(5, 4, "linear", rng=1)
    ),
    "dropout": lambda: vector.MLP(3, [6, 5, 4], dropout=0.4, rng=0),
    "layer norm": lambda: vector.Sequential(
        vector.Dense(3, 4, "gelu", rng=0), vector.LayerNorm(4), vector.Dense(4, 4, "linear", rng=1)
    ),
    "residual": lambda: vector.Sequential(
        vector.Residual(vector.Dense(3, 3, "tanh", rng=0, bias=False)), vector.Dense(3, 4, rng=1)
    ),
    "float64": lambda: vector.MLP(3, [4, 4], "sigmoid", rng=0, dtype=np.float64),
}


@pytest.mark.parametrize("layer", LAYERS)
def test_layers(layer, way):
    """Random numbers are drawn and running statistics are updated at each replay."""
    batches = batches_of(0, [5, 5, 5, 3, 5])
    fast = check_training(LAYERS[layer], losses.cross_entropy, batches)
    assert len(recordings(fast)) == 2


def test_an_embedding(way):
    make = lambda: vector.Sequential(
        vector.Embedding(6, 3, rng=0), lambda x: x.sum(axis=1), vector.Dense(3, 4, rng=1)
    )
    rng = np.random.default_rng(0)
    batches = [(rng.integers(0, 6, (4, 2)), rng.integers(0, 4, 4)) for _ in range(4)]
    check_training(make, losses.cross_entropy, batches)


def test_a_transformer(way):
    """Attention, norms, embeddings of positions, and labels that are parts of an argument."""
    models = [vector.GPT(5, width=4, heads=2, layers=1, positions=4, rng=0) for _ in range(2)]
    fast = jit(models[0].loss, models[0])
    for seed in range(2):
        documents = np.random.default_rng(seed).integers(0, 5, (3, 4))
        losses_of_both = fast(documents), models[1].loss(documents)
        assert losses_of_both[0].item() == losses_of_both[1].item()
        for loss in losses_of_both:
            loss.backward()
    for a, b in zip(*[model.parameters() for model in models], strict=True):
        np.testing.assert_array_equal(a.grad, b.grad)


@pytest.mark.parametrize(
    "options", [{"smoothing": 0.1}, {"weight": [1.0, 2.0, 0.5, 1.0]}, {"ignore_index": 1}]
)
def test_options_of_cross_entropy(options, way):
    loss = lambda z, y: losses.cross_entropy(z, y, **options)
    check_training(lambda: vector.MLP(3, [4], rng=0), loss, batches_of(1, [6] * 5))


def test_compiled_loops():
    """Machine code gives the same bits, also where a sum has many terms."""
    pytest.importorskip("llvmlite")
    rng = np.random.default_rng(0)
    w, x = Array(rng.normal(size=150).astype(np.float32)), rng.random((7, 150), np.float32)

    def f(x):
        z = w * x
        return ((z / z.sum(axis=1, keepdims=True)).relu() * 3.0).sum()

    expected = f(x)
    expected.backward()
    gradient = w.grad
    w.zero_grad()
    fast = jit(f, [w])
    got = fast(x)
    got.backward()
    assert got.item() == expected.item()
    np.testing.assert_array_equal(w.grad, gradient)
    assert "native" in recordings(fast)[0].program.source


def test_a_program_is_a_few_loops_beside_matrix_products(way):
    """Bias and activation, the loss, and gradients with the sums beside them."""
    model = vector.MLP(3, [5, 4], rng=0)
    fast = jit(lambda X, y: losses.cross_entropy(model(X), y), model)
    fast(*batches_of(0, [7])[0])
    source = recordings(fast)[0].program.source
    assert ("native" in source) == (way == "compiled")  # the compiled way needs llvmlite
    assert ("matmul" in source) == (way != "compiled")
    assert ("kernel" in source) == (way == "printed")
    assert ("where" in source) == (way == "numpy")


SUMS = {
    "all": lambda z: (z * 2.0).sum(),
    "rows": lambda z: (z * 2.0).sum(axis=0).square().sum(),
    "columns, then elements": lambda z: (z / (z.square().sum(axis=-1, keepdims=True) + 1.0)).sum(),
    "rows, then elements": lambda z: ((z - z.mean(axis=0)) * z).mean(),
    "largest of columns": lambda z: (z.max(axis=-1, keepdims=True) * z).sum(),
    "sums of columns": lambda z: (z.sum(axis=-1) * 3.0).square().mean(),
    "largest of all": lambda z: (z - z.max()).relu().sum() + z.min(),
    "another shape": lambda z: (z.reshape(-1) * 2.0).sum(),
    "softmax": lambda z: z.softmax().square().sum(),
    "another order": lambda z: (z.T * 2.0).sum(axis=0).square().sum() + (z * z.sum()).sum(),
}


@pytest.mark.parametrize("name", SUMS)
def test_sums_have_the_order_of_numpy(name, monkeypatch):
    """For arrays of any shape, in loops and beside them."""
    choose_way(monkeypatch, "printed")
    rng = np.random.default_rng(0)
    for shape in [(), (5,), (1, 1), (1, 5), (5, 1), (5, 5), (2, 3, 4), (2, 3, 1), (9, 130)]:
        w, b = (Array(rng.normal(size=s).astype(np.float32)) for s in (shape, shape[-1:]))
        x = rng.normal(size=shape).astype(np.float32)
        f = functools.partial(lambda w, b, x: SUMS[name](w * x + b), w, b)
        results = []
        for function in (f, jit(f, [w, b])):
            w.grad = b.grad = 0.0
            function(x)
            out = function(x)
            out.backward()
            results.append((out.data, w.grad, b.grad))
        for expected, got in zip(*results, strict=True):
            np.testing.assert_array_equal(got, expected, err_msg=str(shape))


# --------------------------------------------------------------------------------------- soundness


def test_python_decides_again_in_each_replay(way):
    w = Array([2.0])

    def f(x):
        return (w * x if x.sum() > 0.0 else w - x).sum()

    fast = jit(f, [w])
    for x in ([1.0], [-1.0], [3.0], [-4.0]):
        assert fast(np.array(x)).item() == f(np.array(x)).item()
    assert len(recordings(fast)) == 2


def test_decisions_are_read_after_later_steps(way):
    """A pass is one call, which computes a later condition before Python reads the first."""
    w = Array([1.0, 1.0])

    def f(x):
        x = w * x
        y = x * 2.0 if (x * x).sum() > 1.0 else x * 3.0
        return where(x.sum() < 5.0, y, -y).sum()

    fast = jit(f, [w])
    for x in ([1.0, 2.0], [0.1, 0.2], [3.0, 4.0], [0.2, 0.3]):
        assert fast(np.array(x)).item() == f(np.array(x)).item()
    assert len(recordings(fast)) == 2


def test_labels_are_checked_in_each_replay(way):
    model = vector.MLP(3, [4], rng=0)
    fast = jit(lambda X, y: losses.cross_entropy(model(X), y), model)
    X, y = batches_of(0, [5])[0]
    fast(X, y)
    with pytest.raises(ValueError, match="expects labels from 0 to 3"):
        fast(X, y + 4)
    assert fast(X, y).item() == losses.cross_entropy(model(X), y).item()


def test_modes_and_statistics_are_read_in_each_replay(way):
    model = LAYERS["batch norm"]()
    fast = jit(model, model)
    X = batches_of(0, [5])[0][0]
    for mode in (True, False, True, False):
        model.train(mode)
        other = LAYERS["batch norm"]()
        other.load_state_dict(model.state_dict())
        other.train(mode)
        np.testing.assert_array_equal(fast(X).data, other(X).data)
    assert len(recordings(fast)) == 2


UNSOUND = {
    "become a plain array": lambda w, x: w * np.asarray(x),
    "cannot be assigned": lambda w, x: w * put(x),
    "in place on an argument": lambda w, x: w * add(x),
    "draws random numbers": lambda w, x: w * x * RNG[0].random(),
    "backward": lambda w, x: back(w, x),
    "returns an Array": lambda w, x: 1.0,
}


@pytest.mark.parametrize(
    ("make", "got"),
    [
        (np.ma.array, "a MaskedArray of float64; convert it with np.asarray"),
        (np.matrix, "a matrix of float64; convert it with np.asarray"),
        (lambda x: np.array(x, complex), "an ndarray of complex128; pass its .real or .imag"),
        (lambda x: np.array(x, object), r"an ndarray of object; convert it with .astype\(float\)"),
    ],
)
@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_arguments_that_are_other_arrays_are_refused(make, got):
    """The message names their class and dtype, not their numbers."""
    x = make([1.0, 2.0])
    with pytest.raises(TypeError, match=f"got {got}"):
        jit(lambda x: (Array([2.0, 3.0]) * x).sum(), [Array([2.0, 3.0])])(x)


def put(x):
    x[0] = 1.0
    return x


def add(x):
    x += 1.0
    return x


def back(w, x):
    (w * x).sum().backward()
    return w * w.grad


RNG = []


@pytest.mark.parametrize("message", UNSOUND)
def test_what_would_be_outdated_in_a_replay_is_refused(message):
    RNG[:] = [np.random.default_rng(0)]  # after conftest has hidden what existed from `gc`
    w = Array([2.0, 3.0])
    with pytest.raises(TypeError, match=message):
        jit(lambda x: UNSOUND[message](w, x), [w])(np.array([1.0, 2.0]))


def test_numbers_in_place_of_arrays(way):
    """Computed data that NumPy, `detach` and `no_grad` handle is computed in each replay."""
    w = Array([2.0, -3.0])

    def f(x, scale):
        with no_grad():
            baseline = (w * x).mean()
        y = w * x - baseline
        largest = np.maximum(np.abs(y.data), 1.0).max()
        order = np.argsort(x)
        return (y.detach() * y[order] * scale / largest).sum() + (y > 0.0).sum() * w.sum()

    fast = jit(f, [w])
    for scale in (1.0, 2.5, -1.0):
        x = np.array([scale, 3.0])
        w.zero_grad()
        expected = f(x, scale)
        expected.backward()
        gradient = w.grad
        w.zero_grad()
        got = fast(x, scale)
        got.backward()
        assert got.item() == expected.item()
        np.testing.assert_array_equal(w.grad, gradient)
    assert len(recordings(fast)) == 1


# ---------------------------------------------------------------------------------------- own rows

CUBE = Op("cube", lambda x: x * x * x, lambda out, x: 3.0 * x * x)
STEEP = Op(
    "steep",
    lambda x: np.asarray(np.vectorize(lambda z: z * abs(z))(x), x.dtype),
    lambda out, x: np.asarray(2.0 * abs(x)),
)
OUTER = ArrayOp("outer rows", lambda x: np.array(x)[:, None] * np.array(x),
                lambda g, out, x: np.array(g + g.T) @ np.array(x))  # fmt: skip


@pytest.mark.parametrize("row", [CUBE, STEEP, OUTER], ids=lambda row: row.name)
def test_own_rows(row, way):
    """Rows with known functions are part of loops; NumPy runs others in the same program."""
    w = Array([1.5, -2.0])
    f = lambda x: (row(w * x) * 0.5).sum()
    fast = jit(f, [w])
    for x in ([1.0, 2.0], [3.0, -1.0]):
        w.zero_grad()
        expected = f(np.array(x))
        expected.backward()
        gradient = w.grad
        w.zero_grad()
        got = fast(np.array(x))
        got.backward()
        assert got.item() == expected.item()
        np.testing.assert_array_equal(w.grad, gradient)


# ---------------------------------------------------------------------------------------- interface


def test_gradients_are_added_and_calls_may_overlap(way):
    w = Array([1.0, 2.0])
    fast = jit(lambda x: (w * x).square().sum(), [w])
    a, b = fast(np.array([1.0, 1.0])), fast(np.array([3.0, 1.0]))
    a.backward()  # after another call
    b.backward()
    first = w.grad
    np.testing.assert_array_equal(first, [2.0 + 18.0, 4.0 + 4.0])
    w.zero_grad()
    (fast(np.array([1.0, 1.0])) * 2.0 + w.sum()).backward()  # in a larger graph
    np.testing.assert_array_equal(w.grad, [5.0, 9.0])
    np.testing.assert_array_equal(first, [20.0, 8.0])  # an array that is held does not change


def test_arrays_as_arguments(way):
    """Leaves and computed Arrays receive a gradient, and constants do not."""
    w, x = Array([2.0]), Array([3.0])
    fast = jit(lambda a, b, c: (w * a * b * c).sum(), [w])
    for _ in range(2):
        w.zero_grad(), x.zero_grad()
        fast(x, x * 2.0, ConstantArray([5.0])).backward()
        np.testing.assert_array_equal([w.grad, x.grad], [[90.0], [120.0]])


def test_parameters_that_a_function_refers_to(way):
    """Without `parameters`, they are the leaves that the first call reaches."""
    w, model = Array([1.0, 2.0]), vector.MLP(2, [3], rng=0, dtype=np.float64)
    fast = jit(lambda x: (model(w * x)).sum())
    with pytest.raises(RuntimeError, match="are not known before its first call"):
        fast.parameters()
    fast(np.ones((1, 2))).backward()
    assert fast.parameters() == [w, *model.parameters()]
    np.testing.assert_array_equal(model.layers[0].bias.grad, [1.0, 1.0, 1.0])


class Unreadable:
    """An object like the proxies of some libraries, and like their modules."""

    def __getattribute__(self, name):
        if name == "named_parameters":
            return lambda: iter([])
        raise RuntimeError(f"{name} was read")

    def named_parameters(self):
        """Make the class look like a module of PyTorch."""


def test_parameters_in_lists_and_dicts_that_a_function_refers_to(way):
    numbers = [[float(i)] * 1000 for i in range(10_000)]  # not searched to the end
    layers = [{"w": Array([2.0])}, {"w": (Array([3.0]),)}, Unreadable()]
    layers.append(layers)  # not searched twice
    fast = jit(lambda x: (x * numbers[1][0] * layers[0]["w"] * layers[1]["w"][0]).sum())
    fast(np.ones(1)).backward()
    assert [p.grad.item() for p in fast.parameters()] == [3.0, 2.0]


class Holder:
    """An object that `jit` does not search for parameters."""

    def __init__(self):
        self.w = Array([1.0, 2.0])


def test_functions_whose_arrays_are_not_found_name_the_remedy():
    pytest.importorskip("numba")
    w, holder = Array([1.0, 2.0]), Holder()
    for f, *args in [(lambda x: (x * x).sum(), w), (lambda: holder.w.sum(),)]:
        with pytest.raises(TypeError, match=r"pass the Arrays to train: jit\(f, \[w\]\)"):
            jit(f)(*args)
        assert jit(f, [w])(*args).item() == f(*args).item()


def test_several_results(way):
    """The first is differentiated."""
    model = vector.MLP(3, [4], rng=0)

    @jit(parameters=model)
    def f(X, y):
        Z = model(X)
        return losses.cross_entropy(Z, y), Z

    X, y = batches_of(0, [5])[0]
    for _ in range(2):
        loss, Z = f(X, y)
        np.testing.assert_array_equal(Z.data, model(X).data)
        assert Z.constant
        assert not loss.constant


def test_other_numbers_and_shapes(way):
    w = Array([1.0, 2.0])
    fast = jit(lambda x, flag=False: (w * x).sum() if flag else (w - x).sum(), [w], limit=2)
    for n in (1, 2):
        for flag in (True, False):
            fast(np.ones(n), flag=flag)
    assert len(recordings(fast)) == 2
    assert len(fast.summary().splitlines()) == 3
    assert repr(fast) == "jit(<lambda>, 1 parameters, 2 recordings)"
    w.data = [5.0, 5.0]
    assert fast(np.ones(2), flag=True).item() == 10.0
    assert fast.parameters() == [w]


def test_without_recording(monkeypatch):
    w = Array([1.0, 2.0])
    f = lambda x: (w * x).sum()
    off = jit(f, [w], enabled=False)
    monkeypatch.setenv("STEPGRAD_JIT", "0")
    for fast in (off, jit(f, [w])):
        y = fast(np.ones(2))
        assert y.op.name == "sum"
        assert repr(fast).endswith("off)")
        assert fast.parameters() == [w]


def test_a_frozen_parameter(way):
    w, v = Array([1.0]), Array([2.0])
    fast = jit(lambda x: (w * v * x).sum(), [w, v])
    fast(np.ones(1)).backward()
    v.requires_grad = False
    w.zero_grad()
    fast(np.ones(1)).backward()
    np.testing.assert_array_equal([w.grad, v.grad], [[2.0], [0.0]])


def test_a_graph_is_drawn_after_training_under_jit():
    w = Array([1.0, 2.0], "w")
    f = lambda x: (w * x).sum()
    fast = jit(f, [w])
    fast(np.ones(2)).backward()
    w.data = w.data - 0.5 * w.grad
    fast.sync()
    assert "0.5" in draw(f(np.ones(2))).svg


def test_results_under_no_grad(way):
    w = Array([1.0])
    fast = jit(lambda x: where(x > 0.0, w, 2.0 * w).sum(), [w])
    with no_grad():
        assert fast(np.ones(1)).constant
    y = fast(np.ones(1))
    y.backward()
    assert w.grad == [1.0]


def test_a_replay_allocates_its_buffers_once():
    """The memory of a replay is that of its buffers; views and steps that nothing needs have none."""
    model = vector.MLP(3, [5, 4], rng=0)
    fast = jit(lambda X, y: losses.cross_entropy(model(X), y), model)
    X, y = batches_of(0, [6])[0]
    fast(X, y).backward()
    (replay,) = recordings(fast)
    used = [*replay.program.space.values()]
    used += [x for call in used if isinstance(call, NativeCalls) for x in call.kept[2]]
    arrays = {id(x): x for x in used if isinstance(x, np.ndarray)}
    owners = {id(x): x for x in arrays.values() if x.base is None}
    owners |= {id(x.base): x.base for x in arrays.values() if isinstance(x.base, np.ndarray)}
    total = sum(x.nbytes for x in owners.values())
    assert replay.program.nbytes <= total <= 1.1 * replay.program.nbytes + 200


# --------------------------------------------------------------------------------------------- fit

MAKERS = {
    "plain": lambda: vector.MLP(3, [6, 4], rng=0),
    "batch norm": LAYERS["batch norm"],
    "dropout": lambda: vector.MLP(3, [6, 4], dropout=0.3, rng=0),
}
OPTIONS = {
    "clip": ("dropout", {"clip": 0.1, "optimizer": "sgd"}),
    "penalty": ("plain", {"penalized": True, "schedule": schedules.cosine(0.1, 20)}),
    "patience": ("dropout", {"patience": 1, "validation": 0.3}),
    "augment": ("batch norm", {"augment": lambda X, epoch, rng: X + rng.random(X.shape, X.dtype)}),
    "one batch": ("plain", {"batch_size": None, "metric": "accuracy", "optimizer": "adamw"}),
}


def run_fit(make, epochs=3, **options):
    """Return the records, without their times, and the state of the model."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(23, 3)).astype(np.float32), rng.integers(0, 4, 23)
    model = make()
    options = {"batch_size": 5, "optimizer": "adam", **options}
    if options.pop("penalized", False):
        options["penalty"] = lambda: 1e-2 * losses.l2_penalty(model.parameters())
    training = fit(model, X, y, loss="cross_entropy", epochs=epochs, rng=1, **options)
    records = training.run()
    if options.get("jit"):  # a recording for each size of a batch
        count = 1 if options["batch_size"] is None else 2
        assert len(recordings(training.objective.compiled)) == count
    return [record._replace(seconds=0.0) for record in records], model.state_dict()


def check_same(one, other):
    assert one[0] == other[0]
    for name, data in one[1].items():
        np.testing.assert_array_equal(data, other[1][name], err_msg=name)


@pytest.mark.parametrize("name", OPTIONS)
def test_fit_computes_the_same_under_jit(name, way):
    model, options = OPTIONS[name]
    check_same(run_fit(MAKERS[model], jit=True, **options), run_fit(MAKERS[model], **options))


def test_fit_resumes_with_and_without_jit(tmp_path, way):
    expected = run_fit(MAKERS["dropout"], epochs=4)
    for number, (first, second) in enumerate([(True, True), (True, False), (False, True)]):
        file = tmp_path / f"{number}.ckpt"
        started = run_fit(MAKERS["dropout"], epochs=2, jit=first, checkpoint=file)
        resumed = run_fit(MAKERS["dropout"], epochs=4, jit=second, checkpoint=file)
        check_same((started[0] + resumed[0], resumed[1]), expected)


def test_fit_under_jit_expects_a_model_of_arrays():
    with pytest.raises(ValueError, match="expects a model of Arrays"):
        fit(MLP(3, [4]), [[1.0, 2.0, 3.0]], [1], loss="cross_entropy", epochs=1, jit=True)


# ------------------------------------------------------------------------------- flat parameters


def test_an_optimizer_moves_all_parameters_in_one_loop(way):
    """Data and memory are parts of flat arrays, also after other data was assigned."""
    model, other = (vector.MLP(3, [5, 4], rng=0) for _ in range(2))
    movers = [optim.Adam(m.parameters(), weight_decay=0.1) for m in (model, other)]
    fast = jit(lambda X, y: losses.cross_entropy(model(X), y), model)
    X, y = batches_of(0, [6])[0]
    kept = []
    for step in range(5):
        if step == 2:
            for m in (model, other):
                m.layers[0].weight.data = m.layers[0].weight.data * 0.5
        if step == 3:
            for mover in movers:
                mover.load_state_dict(mover.state_dict())
        for loss, mover in zip(
            (fast(X, y), losses.cross_entropy(other(X), y)), movers, strict=True
        ):
            mover.zero_grad()
            loss.backward()
            mover.step()
        kept.append((model.layers[0].bias.data, model.layers[0].bias.data.copy()))
        for a, b in zip(model.parameters(), other.parameters(), strict=True):
            np.testing.assert_array_equal(a.data, b.data)
    for held, copy in kept:  # an array that is held is not overwritten
        np.testing.assert_array_equal(held, copy)
    bases = {id(p.data.base) for p in model.parameters()}
    assert len(bases) == 1
    assert len({id(memory["sum"].base) for memory in movers[0].memory}) == 1
