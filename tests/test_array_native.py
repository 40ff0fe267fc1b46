"""Compiled loops, their code on disk, and small steps that run in one call of compiled code."""

import gc
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import Array, ConstantArray, Op, jit
from engine.arithmetic import exp
from engine.array_tape import jit as jit_module
from engine.array_tape import loops, native
from engine.array_tape.trace import ArrayTrace
from engine.array_tape.updates import compile_update
from engine.arrays.in_place import InPlace
from engine.recorded_function import record_function
from engine.watch.generators import find_generators, list_states
from nn import fit, flat_update, losses, optim, vector
from strategies import examples
from test_array_jit import batches_of, check_training, recordings
from test_array_jit_calls import check_calls

pytest.importorskip("llvmlite", reason="llvmlite is not installed: pip install -e '.[jit]'")
HOUSE = Path(__file__).parents[1]


def bits(x):
    """Return the bits of an array, with the same bits for every nan."""
    x = np.where(np.isnan(x), np.array(np.nan, x.dtype), x)
    return x.view(f"u{x.itemsize}")


# ------------------------------------------------------------------------------------------ ufuncs


@examples(200)
@given(
    shape=st.tuples(*[st.integers(1, 40)] * 3),
    orders=st.tuples(*[st.sampled_from("CF")] * 2),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 100),
)
def test_inner_loops_of_products_give_the_bits_of_numpy(shape, orders, dtype, seed):
    """For vectors, outer products, transposed factors, and a matrix with its own transpose."""
    (m, k, n), rng = shape, np.random.default_rng(seed)
    w = Array(rng.normal(size=(n, k)).astype(dtype))
    x = np.asarray(rng.normal(size=(m, k)).astype(dtype), order=orders[0])

    def f(x):
        y = x @ w.T
        return y @ y.T if orders[1] == "F" else y

    fast = jit(f, [w])
    fast(x)
    (replay,) = recordings(fast)
    assert "matmul" not in replay.program.source
    np.testing.assert_array_equal(bits(fast(x).data), bits(f(x).data))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["exp", "log", "log1p", "expm1", "tanh", "sin", "cos", "arctan"])
def test_functions_of_numpy_have_the_same_bits(name, dtype):
    f = getattr(np, name)
    for size in (1, 3, 8, 17, 1000):
        x = (np.random.default_rng(size).normal(size=size) * 20).astype(dtype)
        x[:1] = [np.inf, np.nan, -0.0, 0.0, 1e-40][size % 5]
        w = Array(np.zeros(size, dtype))
        fast = jit(lambda w=w, f=f: f(w), [w])
        fast()
        w.data = x
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(bits(fast().data), bits(f(x)))


def test_another_layout_of_ufuncs_is_noticed(monkeypatch):
    """NumPy then calls the functions itself."""
    native.find_inner_loop.cache_clear()
    fields = type("Other", (native.UFunc,), {"ntypes": property(lambda self: -1)})
    monkeypatch.setattr(native, "UFunc", fields)
    assert native.find_inner_loop(np.matmul, "ff->f") is None
    w = Array(np.ones((2, 3)))
    fast = jit(lambda x: (x @ w.T).sum(), [w])
    assert fast(np.ones((4, 3))).item() == 24.0
    assert "matmul" in recordings(fast)[0].program.source
    native.find_inner_loop.cache_clear()


# ------------------------------------------------------------------------------------------- calls


def test_inputs_are_found_wherever_they_are():
    """A call reads the arrays that it is given: new ones, views of a part, and unaligned ones."""
    rng = np.random.default_rng(0)
    w = Array(rng.normal(size=(3, 4)))
    f = lambda x, i: ((x @ w.T)[:, 1:].relu() * x[:, :2]).sum() + i
    fast = jit(f, [w])
    large = rng.normal(size=(20, 9))
    raw = np.zeros(8 * 20 + 1, np.uint8)[1:].view(float).reshape(5, 4)
    raw[...] = large[:5, :4]
    inputs = [large[:5, :4], large[5:10, :4], large[:5, :4].copy(), large[::4, ::-2][:, :4]]
    inputs += [np.asfortranarray(large[:5, :4]), raw, large[:5, :4].copy()]
    for x in inputs * 2:
        w.data = w.data * 1.5
        w.grad = 0.0
        expected = f(x, 2.0)
        expected.backward()
        gradient = w.grad
        w.grad = 0.0
        got = fast(x, 2.0)
        got.backward()
        assert got.item() == expected.item()
        np.testing.assert_array_equal(w.grad, gradient)


def test_a_number_of_networks_share_loops():
    """Functions with the same loops have buffers of their own."""
    X, y = batches_of(0, [7])[0]
    models = [vector.MLP(3, [5, 4], rng=seed) for seed in range(3)]
    functions = [jit(lambda X, y, m=m: losses.cross_entropy(m(X), y), m) for m in models]
    results = [f(X, y) for f in functions]
    for model, result in zip(models, results, strict=True):
        result.backward()
        got = [p.grad for p in model.parameters()]
        model.zero_grad()
        expected = losses.cross_entropy(model(X), y)
        expected.backward()
        assert result.item() == expected.item()
        for a, p in zip(got, model.parameters(), strict=True):
            np.testing.assert_array_equal(bits(a), bits(p.grad))


def test_a_frozen_layer_and_a_smaller_last_batch():
    def make(frozen=True):
        model = vector.MLP(3, [5, 4], "tanh", rng=0)
        if frozen:
            model.layers[0].freeze()
        return model

    batches = batches_of(0, [7, 7, 2, 7, 1])
    check_training(lambda: make(frozen=False), losses.cross_entropy, batches)
    models = make(), make()
    for X, y in batches:
        results = []
        for model, is_fast in zip(models, (False, True), strict=True):
            f = lambda X, y, model=model: losses.cross_entropy(model(X), y)
            f = jit(f, model) if is_fast else f
            model.zero_grad()
            loss = f(X, y)
            loss.backward()
            results.append([loss.data, *[p.grad for p in model.parameters()]])
        for a, b in zip(*results, strict=True):
            np.testing.assert_array_equal(bits(a), bits(b))


def test_rows_of_users():
    """A row that the user defines, between small steps."""
    row = Op("bump", lambda x: exp(-x * x), lambda out, x: -2.0 * x * out)
    w = Array(np.linspace(-1, 1, 12).reshape(3, 4))
    f = lambda x: row(x @ w.T).sum()
    fast, x = jit(f, [w]), np.random.default_rng(0).normal(size=(5, 4))
    for _ in range(3):
        w.grad = 0.0
        expected = f(x)
        expected.backward()
        gradient, w.grad = w.grad, 0.0
        got = fast(x)
        got.backward()
        assert got.item() == expected.item()
        np.testing.assert_array_equal(w.grad, gradient)
        w.data = w.data - 0.1 * gradient


# ---------------------------------------------------------------------------------- other inputs


def test_constants_of_another_layout():
    """The first data of a constant is not copied and may be a view; data assigned later is copied."""
    rng = np.random.default_rng(0)
    large, w = rng.normal(size=(40, 7)), Array(rng.normal(size=(4, 3)))
    for first in (large[:3, :5].T, large[:25:5, :6:2]):
        c = ConstantArray(first)

        def assign(c=c):
            yield ()
            for _ in range(2):
                c.data = rng.normal(size=(5, 3))
                yield ()

        check_calls(lambda c=c: (c @ w.T).tanh().sum(), w, assign())


def test_quotients_of_bools():
    w, rng = Array([1.0, 2.0, 3.0]), np.random.default_rng(0)
    calls = [(rng.normal(size=(5, 3)),) for _ in range(3)]
    with np.errstate(all="ignore"):
        check_calls(lambda x: (((x < 9) / (x > -9)) * w).sum(), w, calls)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8"])
@pytest.mark.parametrize("limit", [0, -1, 0.5, 127, 300, -(2**40), 2**70])
def test_integers_are_compared_as_by_numpy(dtype, limit):
    """Also with numbers outside the range of the dtype, and along rows and columns."""
    labels = np.array([0, 1, 2, 127, 3], dtype)
    others = np.array([2, 127, 0], np.int64)
    w = Array(np.arange(15.0).reshape(5, 3))

    def f(y):
        masks = [y[:, None] == others, y[:, None] >= limit, (y != 1)[:, None] & (y < 3)[:, None]]
        x = w
        for mask in masks:
            x = x * mask + w
        return x.sum()

    check_calls(f, w, [(labels,), (labels[::-1].copy(),), ((labels * 3 - 5).astype(dtype),)])


def test_constant_arrays_are_read_and_never_written():
    """Their memory is not reused as a buffer, although no later step needs them."""
    shift, mask = np.arange(12.0).reshape(3, 4), np.eye(3, 4) > 0
    w = Array(np.ones((3, 4)))

    def f(x):
        y = w * x + shift
        for _ in range(3):
            y = (y * mask - x).exp() + y
        return y.sum()

    check_calls(f, w, [(np.full((3, 4), t),) for t in (0.1, 0.2, 0.3)])
    np.testing.assert_array_equal(shift, np.arange(12.0).reshape(3, 4))
    np.testing.assert_array_equal(mask, np.eye(3, 4) > 0)


def test_a_decision_is_read_after_the_steps_that_follow_it():
    """The number on which it depends keeps its buffer until then."""
    w = Array(np.ones((3, 3)))

    def f(x):
        y, tests = w * x, []
        for bound in (0.0, 10.0, 20.0, -30.0):
            y = y @ w
            tests.append(y.data.max() > bound)
            if tests[-1]:
                y = y * 2.0
            y = y + y.where(tests[len(tests) // 2], w) @ w
        return y.sum()

    fast = jit(f, [w])
    for size in (1.0, -1.0, 1.0, 3.0, -1.0, 0.5, -3.0, 3.0):
        x = np.full((3, 3), size)
        np.testing.assert_array_equal(fast(x).data, f(x).data)


def test_both_passes_of_a_classifier_are_one_call_each(monkeypatch):
    """On one thread, for layers of any size."""
    monkeypatch.setattr(jit_module, "count_threads", lambda: 1)
    model = vector.MLP(300, [200, 10], rng=0)
    fast = jit(lambda X, y: losses.cross_entropy(model(X), y), model)
    fast(np.ones((100, 300), np.float32), np.zeros(100, int))
    (replay,) = recordings(fast)
    lines = [line.split("_")[0].strip() for line in replay.program.source.splitlines()]
    assert [line for line in lines if not line.startswith("def")] == ["native", "if bool", "native"]


def test_an_error_of_numpy_is_raised():
    """NumPy raises an error for negative powers of integers."""
    w = Array([1.0, 2.0, 3.0])
    fast = jit(lambda i: (np.power(i, i) * w).sum(), [w])
    assert fast(np.array([1, 2, 3])).item() == 90.0
    for _ in range(2):
        with pytest.raises(ValueError, match="negative integer powers"):
            fast(np.array([1, 2, -3]))
    assert fast(np.array([1, 2, 3])).item() == 90.0


def test_objects_are_left_to_python():
    """A function of objects calls Python, and compiled code does not hold Python's lock."""
    w = Array([1.0, 2.0, 3.0])
    x = ArrayTrace().add_input(np.array([1, 2, 3], object))
    assert native.plan_call((x + x).step, {}) is None
    calls = [(np.array([1.0, 2.0, 3.0]),)] * 3
    check_calls(lambda x: ((x.astype(object) + 1).astype(float) * w).sum(), w, calls)


def make_descent():
    descent = lambda w, v, grad, rate, beta: (w - rate * (beta * v + grad), beta * v + grad)
    return InPlace(record_function(descent, inputs=5), arrays=3, over=[None, 1])


@pytest.mark.parametrize("kind", ["stride", "reversed", "repeated", "float32", "rows"])
def test_updates_by_gradients_of_other_layouts_and_dtypes(kind):
    """The loop reads consecutive elements of one dtype."""
    update, large = make_descent(), np.random.default_rng(0).normal(size=(12, 2))
    gradient = {
        "stride": large[:6, 1], "reversed": large.ravel()[5::-1], "rows": large[::4],
        "repeated": np.broadcast_to(0.5, 6), "float32": large.ravel()[:6].astype(np.float32),
    }[kind]  # fmt: skip
    found = []
    for f in (update.run_steps, lambda *args: compile_update(update)(*args[:2])):
        w, v = np.ones(gradient.shape), np.full(gradient.shape, 2.0)
        (new,) = f([w, v, gradient], (0.5, 0.9), 100)
        found.append((new, v))
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(bits(a), bits(b))


@pytest.mark.parametrize(
    "held", ["nothing", "loss", "data", "view", "flat", "predictions", "thread"]
)
def test_a_step_overwrites_only_data_that_nothing_refers_to(held, monkeypatch):
    """Losses, and arrays that a program has read, keep their numbers. Other threads may read any."""
    monkeypatch.setattr(flat_update, "active_count", lambda: 1 + (held == "thread"))
    models = [vector.MLP(3, [4, 2], "tanh", rng=0) for _ in range(2)]
    X, y = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32), np.arange(6) % 2
    references: list = []
    for model in models:
        optimizer = optim.Adam(model.parameters(), lr=0.1)
        f = lambda X, model=model: losses.cross_entropy(model(X), y)
        fast, w = jit(f, model) if model is models[0] else f, model.layers[0].weight
        for step in range(6):
            loss = fast(X)
            optimizer.zero_grad()
            loss.backward()
            before, copy = w.data, w.data.copy()
            if step > 2 and model is models[0]:
                references.append(
                    {
                        "loss": loss, "data": before, "view": before[1:, 0], "flat": before.base,
                        "predictions": model(X), "nothing": None, "thread": None,
                    }[held]
                )  # fmt: skip
            is_same = id(before)
            del before, loss
            optimizer.step()
            if step > 2 and model is models[0]:
                assert (id(w.data) == is_same) == (held == "nothing")
                kept = references[-1]
                if held == "loss":
                    np.testing.assert_array_equal(kept._dx[0], copy)
                elif held == "data":
                    np.testing.assert_array_equal(kept, copy)
                elif held == "view":
                    np.testing.assert_array_equal(kept, copy[1:, 0])
    for a, b in zip(*[model.parameters() for model in models], strict=True):
        np.testing.assert_array_equal(a.data, b.data)


def test_fit_overwrites_the_data_of_a_step(monkeypatch):
    monkeypatch.setattr(flat_update, "active_count", lambda: 1)
    model = vector.MLP(3, [4, 2], "tanh", rng=0)
    X, y = np.ones((8, 3), np.float32), np.arange(8) % 2
    training = fit(model, X, y, loss="cross_entropy", epochs=4, batch_size=3, rng=0, jit=True)
    next(training), next(training)  # the first epoch is not recorded
    data = id(model.layers[0].weight.data)
    for _ in training:
        assert id(model.layers[0].weight.data) == data


def test_numbers_beyond_float32_round_to_infinity():
    loop = loops.Loop(
        "def NAME(m, n, c0, c1, o0):\n    o0[0] = c0\n    o0[1] = c1",
        ["float32", "float32"], ["float32"],
    )  # fmt: skip
    out = np.empty(2, np.float32)
    loop(2, 1, 1e300, -0.1, out)
    np.testing.assert_array_equal(out, np.float32([np.inf, -0.1]))


def test_numbers_of_an_update_are_those_of_the_call():
    """Another thread may replace the numbers that are kept for the next call."""
    update = make_descent()
    replaced = property(lambda self: (None, None, None), lambda self, x: None)
    update.__class__ = type("Replaced", (InPlace,), {"bound": replaced})
    assert sorted(map(float, update.bind((0.5, 0.9), np.dtype(float)))) == [0.5, 0.9]


# ------------------------------------------------------------------------------------ code on disk

TRAIN = """
import sys
from unittest.mock import patch
import numpy as np
from engine import jit
from nn import losses, optim, vector
model = vector.MLP(3, [5, 4], rng=0)
loss = jit(lambda X, y: losses.cross_entropy(model(X), y), model)
rule = optim.Adam(model.parameters())
X = np.random.default_rng(0).normal(size=(7, 3))
for _ in range(3):
    model.zero_grad()
    y = loss(X, np.arange(7) % 4)
    y.backward()
    rule.step()
print(repr(y.item()), any(x.endswith("tape.llvm") for x in sys.modules), "numba" in sys.modules)
"""


def train_in_a_process(folder):
    """Return the last loss, whether loops were compiled, and whether numba was imported."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder), "PYTHONPATH": str(HOUSE)}
    found = subprocess.run(
        [sys.executable, "-c", TRAIN], env=environment, capture_output=True, text=True, cwd=HOUSE
    )
    assert found.returncode == 0, found.stderr
    loss, compiled, numba = found.stdout.split()
    return float(loss), compiled == "True", numba == "True"


def test_code_is_compiled_once_and_found_on_disk(tmp_path):
    """A damaged, empty or wrong file is replaced after the code is compiled again."""
    first = train_in_a_process(tmp_path)
    assert first[1:] == (True, False)
    assert train_in_a_process(tmp_path) == (first[0], False, False)
    files = sorted((tmp_path / "stepgrad").iterdir())
    contents = [file.read_bytes() for file in files]
    files[0].write_bytes(contents[0][:-9])
    files[1].write_bytes(b"")
    files[2].write_bytes(contents[2][:40] + b"x" + contents[2][41:])
    files[3].unlink()
    files[4].write_bytes(contents[0])
    assert train_in_a_process(tmp_path) == first
    assert [file.read_bytes() for file in files] == contents
    assert train_in_a_process(tmp_path) == (first[0], False, False)


def test_without_a_directory_each_process_compiles(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    assert train_in_a_process(blocked)[1:] == (True, False)


def test_another_processor_has_other_code(monkeypatch, tmp_path):
    """Code for one processor is not run on another one."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    source = "def NAME(m, n, a0, o0):\n    for i in range(m):\n        o0[i] = a0[i] + a0[i]"
    loops.Loop(source, [], ["float64", "float64"])
    before = {*(tmp_path / "stepgrad").iterdir()}
    monkeypatch.setattr(loops, "ADDRESSES", {})
    monkeypatch.setattr(loops, "describe_environment", lambda: "another processor")
    loops.Loop(source, [], ["float64", "float64"])
    assert len({*(tmp_path / "stepgrad").iterdir()}) == 2 * len(before) == 2


def test_a_user_without_a_home(monkeypatch):
    """Code is then kept beside the package, if that is possible."""
    for name in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)

    def fail():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(loops.Path, "home", fail)
    assert [folder.name for folder in loops.cache_folders()] == ["__pycache__"]


def test_a_file_that_cannot_be_completed_is_removed(monkeypatch, tmp_path):
    """As on a full disk."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))

    def fail(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(loops.Path, "replace", fail)
    loops.write_code("loop", b"code")
    assert [*(tmp_path / "stepgrad").iterdir()] == []


def test_writing_code_draws_no_random_numbers(monkeypatch, tmp_path):
    """Otherwise, a function that another thread records at this time would be refused."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    tempfile.TemporaryDirectory().cleanup()  # makes the generator of random names
    gc.unfreeze()  # the search for generators then finds those from before the tests
    generators = find_generators()
    before = list_states(generators)
    loops.write_code("loop", b"code")
    assert list_states(generators) == before
    assert loops.read_code("loop") == b"code"


def test_another_system_has_other_code(monkeypatch):
    """Two systems on the same processor have different file formats."""
    from llvmlite import binding

    before = loops.describe_environment.__wrapped__()
    monkeypatch.setattr(binding, "get_process_triple", lambda: "x86_64-pc-windows-msvc")
    assert loops.describe_environment.__wrapped__() != before


@settings(deadline=None)
@given(data=st.data())
def test_printed_formulas(data):
    """Results are bit-identical to those of Python, for nan, infinities, zeros and bools."""
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    number = st.floats(width=8 * np.dtype(dtype).itemsize)
    x, y = (np.array(data.draw(st.lists(number, min_size=5, max_size=5)), dtype) for _ in "xy")
    lines = data.draw(st.lists(st.sampled_from(FORMULAS), min_size=1, max_size=4))
    body = "".join(f"        v = {line}\n" for line in lines)
    text = f"def NAME(m, n, c0, a0, a1, o0):\n    for i in range(m):\n        v = a0[i]\n{body}"
    text = (text + "        o0[i] = v\n").replace("FLOAT", f"np.{np.dtype(dtype)}")
    name, outs = str(np.dtype(dtype)), [np.empty(5, dtype), np.empty(5, dtype)]
    space = {"np": np}
    exec(text, space)
    with np.errstate(all="ignore"):
        space["NAME"](5, 1, dtype(0.7), x, y, outs[0])
    loops.Loop(text, [name], [name] * 3)(5, 1, dtype(0.7), x, y, outs[1])
    np.testing.assert_array_equal(bits(outs[0]), bits(outs[1]))


FORMULAS = [
    "v + a1[i]", "v - a1[i]", "v * c0", "v / a1[i]", "-v", "abs(v)", "np.sqrt(v)",
    "v if v < a1[i] else a1[i]", "v if v >= c0 or v != v else -v",
    "FLOAT(1.0) if (v == a1[i]) | (v > FLOAT(0.0)) else FLOAT(-np.inf)",
    "v * v + a1[i] * c0", "FLOAT(0.0) if not v <= a1[i] else v",
]  # fmt: skip
