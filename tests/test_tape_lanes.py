"""A tape with inputs computes the same bits as a loop over samples."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Array, Value, logsumexp, topological, total
from engine.rules import TABLE
from nn import MLP, CheckpointError, accuracy, data, fit
from strategies import any_float, batches, examples, node, programs, weighted

if not os.environ.get("CI"):
    pytest.importorskip("numba", reason="numba is not installed: pip install -e '.[jit]'")

from engine.tape import Tape
from test_tape import check_same, inputs_of

counts = st.sampled_from([1, 2, 7, 8, 9, 63, 64, 65, 130, 600])


def lanes(samples):
    """Return the width of a block of lanes: a power of two from 8 to 64."""
    return next(w for w in (8, 16, 32, 64) if w >= min(samples, 64))


def sum_over_samples(rows):
    """Sum in the documented order: lanes by halves, blocks modulo 8, then these eight sums."""
    rows = np.asarray(rows)
    width = lanes(len(rows))
    padded = np.zeros((-(-len(rows) // width) * width, rows.shape[1]), rows.dtype)
    padded[: len(rows)] = rows
    blocks = padded.reshape(len(padded) // width, width, rows.shape[1])
    with np.errstate(all="ignore"):
        while blocks.shape[1] > 1:
            half = blocks.shape[1] // 2
            blocks = blocks[:, :half] + blocks[:, half:]
        sums = np.zeros((min(8, len(blocks)), rows.shape[1]), rows.dtype)
        for k, block in enumerate(blocks[:, 0]):
            sums[k % 8] += block
        out = sums[0]
        for x in sums[1:]:
            out = out + x
    return out


def by_samples(build, parameters, X, seeds):
    """Return the outputs and the gradients of each sample, computed by the graph."""
    outputs, grads, of_inputs = [], [], []
    for x, seed in zip(np.asarray(X).tolist(), np.asarray(seeds).tolist(), strict=True):
        ps, xs = [Value(p) for p in parameters], [Value(number) for number in x]
        roots = build(ps, xs)
        order = topological(total(roots))[:-1]
        for root, g in zip(roots, seed, strict=True):
            root._receive(g)
        for z in reversed(order):
            for to, _, contribution in z._send(z.grad):
                to._receive(contribution)
        outputs.append([root.data for root in roots])
        grads.append([p.grad for p in ps])
        of_inputs.append([x.grad for x in xs])
    return np.array(outputs), np.array(grads), np.array(of_inputs)


def check_lanes(build, parameters, X, seeds, **options):
    """Assert that a tape computes the same bits as a loop over samples."""
    ps, xs = [Value(p) for p in parameters], [Value(0.5) for _ in X[0]]
    tape = Tape(build(ps, xs), xs, parameters=ps, input_gradients=True, **options)
    outputs, grads, of_inputs = by_samples(build, parameters, X, seeds)
    check_same(tape.forward(X), outputs)
    tape.backward(seeds)
    check_same(tape.flat.grad, sum_over_samples(grads) + 0.0)
    check_same(tape.input_gradients, of_inputs)
    return tape


def draw_samples(data, count, columns, numbers):
    """Draw up to four samples, and repeat them: generating hundreds would take long."""
    few = data.draw(st.lists(st.tuples(*[numbers] * columns), min_size=1, max_size=4))
    return np.array([few[i % len(few)] for i in range(count)])


@pytest.mark.filterwarnings("ignore:the outputs do not depend on the input")
@examples(100)
@given(program=programs(longest=25, smooth=False), data=st.data())
def test_the_same_bits_as_a_loop_over_samples(program, data):
    """Leaves are parameters or inputs; outputs can depend on neither."""
    size = len(program.at)
    split = data.draw(st.lists(st.booleans(), min_size=size, max_size=size))
    if not any(split):
        split[0] = True
    picks = data.draw(
        st.lists(st.integers(0, size + len(program.steps) - 1), min_size=1, max_size=3)
    )

    def build(ps, xs):
        ps, xs = iter(ps), iter(xs)
        leaves = [next(xs) if is_input else next(ps) for is_input in split]
        nodes = program.run(leaves, node)
        return [Value.lift(nodes[i]) for i in picks]

    count = data.draw(st.sampled_from([1, 3, 8, 9, 70]))
    X = draw_samples(data, count, sum(split), any_float)
    seeds = draw_samples(data, count, len(picks), any_float)
    check_lanes(build, [x for x, s in zip(program.at, split, strict=True) if not s], X, seeds)


@pytest.mark.parametrize("op", TABLE.values(), ids=TABLE)
@examples(6)
@given(data=st.data())
def test_every_row_over_lanes(op, data):
    """Each argument is an input, a parameter or a constant."""
    argument = st.tuples(st.sampled_from("xpc"), any_float)
    drawn = data.draw(batches(*[argument] * inputs_of(op)), label="arguments")

    def build(ps, xs):
        take, roots = {"x": iter(xs), "p": iter(ps)}, []
        for arguments in drawn:
            scale = next(take["x"])
            args = [next(take[r]) if r in take else Value.lift(c) for r, c in arguments]
            roots.append(weighted(op(*op.unflatten(args))) * scale)
        return roots

    roles = [role for arguments in drawn for role, _ in arguments]
    X = draw_samples(data, 5, len(drawn) + roles.count("x"), any_float)
    parameters = [c for arguments in drawn for role, c in arguments if role == "p"]
    check_lanes(build, parameters, X, np.ones((5, len(drawn))))


MODEL = MLP(3, [5, 4, 2], "tanh", rng=1)


def network(ps, xs):
    """Return the outputs of the model for a sample, node by node."""
    rest = iter(ps)
    for layer in MODEL.layers:
        xs = [sum([next(rest) * x for x in xs], next(rest)) for _ in layer.neurons]
        xs = xs if layer is MODEL.layers[-1] else [x.tanh() for x in xs]
    return [logsumexp(xs) - xs[0], *xs]


NUMBERS = [p.data for p in MODEL.parameters()]


@examples(25)
@given(count=counts, threads=st.sampled_from([1, 2, 3, 8, None]))
def test_any_number_of_samples_on_any_threads(count, threads):
    rng = np.random.default_rng(count)
    X, seeds = rng.normal(size=(count, 3)), rng.normal(size=(count, 3))
    check_lanes(network, NUMBERS, X, seeds, threads=threads)


@examples(40)
@given(program=programs(longest=20, smooth=False), data=st.data())
def test_lanes_in_float32_equal_a_tape_of_one_sample(program, data):
    """For one sample alone, the input is a parameter."""
    leaves = [Value(x) for x in program.at]
    root = Value.lift(program.run(leaves, node)[-1])
    tape = Tape(root, leaves[:1], parameters=leaves[1:], dtype=np.float32, input_gradients=True)
    alone = Tape(root, parameters=leaves, dtype=np.float32)
    X = np.array(data.draw(st.lists(any_float, min_size=1, max_size=9)))
    with np.errstate(over="ignore"):
        X = X.astype(np.float32)[:, None]
    outputs = tape.forward(X)
    tape.backward()
    for sample, x in enumerate(X):
        alone.flat.data = np.append(x, np.float32(program.at[1:]))
        check_same(np.float32(alone.forward()), outputs[sample])
        alone.backward()
        check_same(alone.flat.grad[:1], tape.input_gradients[sample])


def test_float32_is_close_and_does_not_depend_on_threads():
    X = np.random.default_rng(0).normal(size=(300, 3)).astype(np.float32)
    results = []
    for threads in (1, 2, 5):
        ps, xs = [Value(p) for p in NUMBERS], [Value(0.0) for _ in range(3)]
        tape = Tape(network(ps, xs)[0], xs, parameters=ps, dtype=np.float32, threads=threads)
        out = tape.forward(X)
        tape.backward(np.float32(1 / 300))
        assert out.dtype == tape.flat.grad.dtype == np.float32
        results.append((out.tobytes(), tape.flat.grad.tobytes()))
    assert results[0] == results[1] == results[2]
    exact = by_samples(network, NUMBERS, X.tolist(), [[1 / 300, 0.0, 0.0]] * 300)
    np.testing.assert_allclose(out, exact[0][:, 0], rtol=1e-5)
    np.testing.assert_allclose(tape.flat.grad, exact[1].sum(axis=0), rtol=1e-4, atol=1e-6)


def test_lanes_without_a_sample_add_nothing():
    """Not even if their number is infinite or nan."""
    w, x = Value(1.0), Value(1.0)
    tape = Tape(w * x, [x])
    for numbers in ([1.0, np.inf], [np.nan], [2.0] * 65):
        tape.forward(np.array(numbers)[:, None])
        tape.backward()
        check_same(tape.flat.grad, [np.sum(numbers)])
    assert tape.forward([[3.0]]).tolist() == [3.0]  # a smaller batch after a larger one
    tape.backward()
    assert tape.flat.grad.tolist() == [3.0]


def test_the_outputs_of_a_tape_are_an_array_in_a_graph():
    """A loss of Arrays propagates through two uses of a tape, in any order."""
    X, Y = np.random.default_rng(2).normal(size=(2, 20, 3))
    model = MODEL.to_vector()
    xs = [Value(0.0) for _ in range(3)]
    tape = Tape(MODEL(xs), xs, parameters=MODEL.parameters(), input_gradients=True)
    inputs = Array(X)
    loss = (tape(inputs).tanh() * tape(Y)).mean()
    expected_inputs = Array(X)
    expected = (model(expected_inputs).tanh() * model(Y)).mean()
    for root in (loss, expected):
        root.backward()
    np.testing.assert_allclose(loss.data, expected.data, rtol=1e-12)
    flat = [np.c_[layer.weight.grad, layer.bias.grad].ravel() for layer in model.layers]
    np.testing.assert_allclose(tape.flat.grad, np.concatenate(flat), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(inputs.grad, expected_inputs.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("single", [False, True])
def test_fit_trains_a_tape_as_it_trains_arrays(single):
    X, y = data.moons(90, rng=0) if single else data.blobs(90, rng=0)
    y = 2 * y - 1 if single else y
    loss = "hinge" if single else "cross_entropy"
    options = {"loss": loss, "metric": "accuracy", "batch_size": 32, "epochs": 4, "rng": 0}
    model = MLP(2, [6, 1 if single else 3], rng=0)
    arrays = model.to_vector()
    xs = [Value(0.0), Value(0.0)]
    tape = Tape(model, xs, parameters=model.parameters())
    for one, other in zip(fit(tape, X, y, **options), fit(arrays, X, y, **options), strict=True):
        np.testing.assert_allclose(one.loss, other.loss, rtol=1e-9)
        assert one.metric == other.metric
    tape.sync()
    np.testing.assert_allclose(
        [p.data for p in model.parameters()],
        [p.data for p in arrays.to_scalar().parameters()],
        rtol=1e-8,
    )
    predictions = [model(x) for x in X.tolist()]
    assert accuracy(predictions, y) == accuracy(tape(X), y)


def test_fit_resumes_from_a_checkpoint(tmp_path):
    X, y = data.blobs(60, rng=0)

    def trained(epochs):
        model = MLP(2, [4, 3], rng=0)
        xs = [Value(0.0), Value(0.0)]
        tape = Tape(model, xs, parameters=model.parameters())
        options = {"loss": "cross_entropy", "batch_size": 16, "checkpoint": tmp_path / "run.ckpt"}
        records = [r.loss for r in fit(tape, X, y, epochs=epochs, rng=1, **options)]
        return records, tape.flat.data.tolist()

    first = trained(2)[0]
    rest, numbers = trained(5)
    (tmp_path / "run.ckpt").unlink()
    assert trained(5) == (first + rest, numbers)


def test_fit_rejects_a_checkpoint_of_another_network(tmp_path):
    X, y = data.blobs(30, rng=0)
    xs = [Value(0.0), Value(0.0)]
    one, other = (Tape(MLP(2, [4, 3], name, rng=0), xs) for name in ("tanh", "sin"))
    options = {"loss": "cross_entropy", "epochs": 1, "checkpoint": tmp_path / "run.ckpt"}
    next(fit(one, X, y, **options))
    with pytest.raises(CheckpointError, match="of program"):
        next(fit(other, X, y, **options))


def test_fit_rejects_a_tape_without_inputs():
    with pytest.raises(ValueError, match=r"Tape\(model, inputs="):
        next(fit(Tape(Value(1.0) * 2.0), [[1.0]], [1.0], loss="mse", epochs=1))


def test_sync_copies_one_sample():
    w, x = Value(2.0, "w"), Value(0.0, "x")
    root = (w * x).tanh()
    tape = Tape(root, [x])
    tape.forward([[0.5], [1.0], [-1.0]])
    tape.backward()
    tape.sync(1)
    assert x.data == 1.0
    assert root.data == (Value(2.0) * 1.0).tanh().data
    assert w.grad == (1.0 - root.data**2) or abs(w.grad - (1.0 - root.data**2)) < 1e-15


@pytest.mark.filterwarnings("ignore:the outputs do not depend on the input")
def test_an_input_that_nothing_depends_on_and_one_alone():
    w, x, unused = Value(2.0), Value(0.0), Value(0.0)
    tape = Tape([w * w, x, w * x], [unused, x])
    out = tape.forward([[9.0, 1.0], [8.0, 3.0]])
    assert out.tolist() == [[4.0, 1.0, 2.0], [4.0, 3.0, 6.0]]
    tape.backward()
    assert tape.flat.grad.tolist() == [4.0 + 4.0 + 1.0 + 3.0]


@pytest.mark.parametrize(
    ("X", "shape"),
    [
        ([1.0, 2.0], r"\(2,\)"),
        ([[1.0]], r"\(1, 1\)"),
        (np.zeros((0, 2)), r"\(0, 2\)"),
        (None, "none"),
    ],
)
def test_samples_of_another_shape(X, shape):
    x, y = Value(1.0), Value(2.0)
    tape = Tape(x * y, [x, y])
    with pytest.raises(ValueError, match=rf"samples of shape \(samples, 2\), got .*{shape}"):
        tape.forward(X)


def test_a_gradient_of_another_shape():
    x, y = Value(1.0), Value(2.0)
    tape = Tape([x * y, x], [x])
    tape.forward([[1.0], [2.0], [3.0]])
    for wrong in (np.ones(3), np.ones((2, 2)), np.ones((3, 1))):
        with pytest.raises(ValueError, match=r"one number or an array of shape \(3, 2\)"):
            tape.backward(wrong)
    tape.backward(np.ones((3, 2)))


def test_samples_that_require_gradients():
    x = Value(1.0)
    with pytest.raises(ValueError, match="input_gradients=True"):
        Tape(x * 2.0, [x])(Array([[1.0]]))


def test_samples_may_change_after_a_forward_pass():
    w, x = Value(3.0), Value(0.0)
    tape = Tape(w * x, inputs=[x])
    samples = np.ones((4, 1))
    y = tape(samples)
    tape(samples)  # backward() of y must compute the numbers of y again
    samples[:] = 9.0
    y.sum().backward()
    assert tape.flat.grad.tolist() == [4.0]
    samples[:] = 1.0
    tape.forward(samples)
    samples[:] = 9.0
    tape.sync()
    assert x.data == 1.0
