"""A tape computes the same bits as its graph."""

import copy
import gc
import math
import os
import pickle
import sys
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import (
    Array,
    Constant,
    ManyOp,
    Op,
    Outputs,
    Value,
    arithmetic,
    detect_anomaly,
    dot,
    no_grad,
    topological,
    total,
)  # fmt: skip
from engine.arithmetic import where
from engine.functions import Weights, linear
from engine.rules import TABLE, flatten
from nn import MLP, data, losses, optim
from strategies import SPECIAL, any_float, batches, examples, programs, weighted

if not os.environ.get("CI"):  # which must have numba
    pytest.importorskip("numba", reason="numba is not installed: pip install -e '.[jit]'")

from engine.instructions import record
from engine.tape import Tape
from engine.tape.opcodes import CODES


def same(x, y):
    """Return whether two floats have the same bits; all nans are the same."""
    return (x != x and y != y) or (x == y and math.copysign(1, x) == math.copysign(1, y))


def check_same(actual, expected):
    """Assert that two arrays have the same bits."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    equal = (actual == expected) & (np.signbit(actual) == np.signbit(expected))
    assert (equal | (np.isnan(actual) & np.isnan(expected))).all(), (actual, expected)


def leaves_of(root):
    return [x for x in topological(root) if x.op is None and not x.constant]


def inputs_of(op):
    return op.arity if op.unflatten(range(op.arity)) == tuple(range(op.arity)) else 5


def check_against_graph(root, tape):
    """Assert that a tape computes the number of a graph and the gradients of its leaves."""
    for x in leaves_of(root):
        x.zero_grad()
    root.backward()
    assert same(tape.forward(), root.data)
    tape.backward()
    check_gradients_of_leaves(tape)


def check_against_graphs(roots, tape):
    """Assert the same of a tape with several outputs."""
    total(roots).backward()
    check_same(tape.forward(), [root.data for root in roots])
    tape.backward()
    check_gradients_of_leaves(tape)


def check_gradients_of_leaves(tape):
    for x, grad in zip(tape._leaves.parameters, tape.flat.grad, strict=True):
        assert same(grad, x.grad), x


@examples(150)
@given(program=programs(longest=40, smooth=False))
def test_the_same_bits_as_the_graph(program):
    root = Value.lift(program.on_values()[-1])
    check_against_graph(root, Tape(root))


@pytest.mark.parametrize("size", [3, 4, 5, 7, 9, 17, 27, 33, 45])
def test_layers_of_any_width(size):
    """Kernels compute several sums of products at a time, which may start from any numbers."""
    rng = np.random.default_rng(size)
    xs, *rows = [[*map(Value, rng.normal(size=6))] for _ in range(1 + size)]
    biases = [Value(b) for b in rng.normal(size=size)]
    hidden = linear(Weights(rows, [biases[k * k % size] for k in range(size)]), xs)
    columns = [*zip(*rows, strict=True)]
    outputs = linear(Weights(columns, xs), [z.tanh() for z in hidden])
    root = total([y * y for y in outputs])
    check_against_graph(root, Tape(root))
    check_against_graph(root, Tape(root, parameters=[*xs, *biases]))


@pytest.mark.parametrize("op", TABLE.values(), ids=TABLE)
@examples(10)
@given(data=st.data())
def test_every_row_at_any_number(op, data):
    drawn = data.draw(batches(*[any_float] * inputs_of(op), size=10), label="inputs")
    roots = [weighted(op(*op.unflatten([*map(Value, xs)]))) * 1.0 for xs in drawn]
    check_against_graphs(roots, Tape(roots))


@pytest.mark.parametrize("op", TABLE.values(), ids=TABLE)
@examples(6)
@given(data=st.data())
def test_every_row_recorded_at_other_numbers(op, data):
    """The tape keeps no number of the recording except the constants."""
    argument = st.tuples(any_float, any_float, st.booleans())
    drawn = data.draw(batches(*[argument] * inputs_of(op)), label="before, after, constant")

    def build(leaves):
        leaves, roots = iter(leaves), []
        for arguments in drawn:
            xs = [next(leaves) for _ in arguments]
            args = [Constant(a[0]) if a[2] else x for x, a in zip(xs, arguments, strict=True)]
            roots.append(weighted(op(*op.unflatten(args))) * xs[0])
        return roots

    xs, ys = ([Value(a[i]) for arguments in drawn for a in arguments] for i in (0, 1))
    tape = Tape(build(xs), parameters=xs)
    tape.flat.data = [y.data for y in ys]
    again = build(ys)
    total(again).backward()
    check_same(tape.forward(), [root.data for root in again])
    tape.backward()
    check_same(tape.flat.grad, [y.grad for y in ys])


@examples(100)
@given(program=programs(longest=30, smooth=False), data=st.data())
def test_several_outputs(program, data):
    """Any nodes can be outputs, also leaves, and one of them twice, with any seeds."""
    nodes = [Value.lift(x) for x in program.on_values()]
    picked = data.draw(st.lists(st.sampled_from(nodes), min_size=1, max_size=5))
    seeds = data.draw(st.lists(any_float, min_size=len(picked), max_size=len(picked)))
    tape = Tape(picked)
    assert all(same(x, y.data) for x, y in zip(tape.forward(), picked, strict=True))
    tape.backward(seeds)
    root = total(picked)
    order = topological(root)[:-1]
    for node in order:
        node.grad = 0.0
    for node, seed in zip(picked, seeds, strict=True):
        node._receive(seed)
    for node in reversed(order):
        for to, _, contribution in node._send(node.grad):
            to._receive(contribution)
    assert all(
        same(g, x.grad) for g, x in zip(tape.flat.grad, tape._leaves.parameters, strict=True)
    )


def test_backward_can_be_repeated_with_other_seeds():
    """After one forward pass, each backward pass gives a row of the Jacobian."""
    model = MLP(2, [6, 3], "tanh", rng=0)
    outputs = model([0.5, -1.0])
    tape = Tape(outputs)
    tape.forward()
    for k in [0, 1, 2, 1, 0]:
        model.zero_grad()
        outputs[k].backward()
        tape.backward(np.eye(3)[k])
        assert tape.flat.grad.tolist() == [p.grad for p in tape._leaves.parameters]


class Single(float):
    """A number whose operations round to single precision."""


def rounded(f):
    def g(*args):
        with np.errstate(all="ignore"):
            out = f(*[float(np.float32(x)) for x in args])  # constants of rows are rounded too
            return out if isinstance(out, bool) else Single(np.float32(out))

    return g


for _name in ("add", "radd", "sub", "rsub", "mul", "rmul", "neg", "abs"):
    setattr(Single, f"__{_name}__", rounded(getattr(float, f"__{_name}__")))
SINGLES = {f: rounded(arithmetic.FLOATS[f]) for f in arithmetic.__all__}
arithmetic.register(Single, {**SINGLES, "where": lambda c, x, y: Single(np.float32(x if c else y))})


def in_single_precision(root, numbers):
    """Return the result and the gradients, with every elementary operation rounded."""
    order = topological(root)
    value = {x: rounded(lambda x: x)(numbers.get(x, x.data)) for x in order if x.op is None}
    grad = dict.fromkeys(order, Single(0.0))
    slopes = {}
    for node in order:
        if node.op is not None:
            args = node.op.unflatten([value[x] for x in node.inputs])
            out = node.op.forward(*args)  # a float if a sequence is empty
            value[node] = out if isinstance(out, list) else rounded(lambda x: x)(out)
            if isinstance(node, Outputs):
                grad[node] = [Single(0.0)] * len(value[node])
            else:
                slopes[node] = list(flatten(node.op.locals(value[node], *args)))
    grad[root] = Single(1.0)
    for node in reversed(order):
        if isinstance(node, Outputs):
            args = node.op.unflatten([value[x] for x in node.inputs])
            parts = flatten(node.op.partials[0](grad[node], value[node], *args))
            for to, part in zip(node.inputs, parts, strict=True):
                grad[to] = grad[to] + part
        elif node.op is not None and node.op._output_index is not None:
            grad[node.inputs[0]][node.op._output_index] = grad[node]
        else:
            for to, slope in zip(node.inputs, slopes.get(node, ()), strict=False):
                grad[to] = grad[to] + grad[node] * rounded(lambda x: x)(slope)
    return value[root], grad


@examples(100)
@given(program=programs(longest=30, smooth=False))
def test_float32_rounds_every_elementary_operation(program):
    root = Value.lift(program.on_values()[-1])
    tape = Tape(root, dtype=np.float32)
    assert tape.flat.data.dtype == np.float32
    with np.errstate(all="ignore"):
        value, grad = in_single_precision(root, {})
    assert same(tape.forward(), float(value))
    tape.backward()
    assert tape.flat.grad.dtype == np.float32
    assert all(
        same(float(g), grad[x])
        for g, x in zip(tape.flat.grad, tape._leaves.parameters, strict=True)
    )


def test_after_its_leaves_have_changed():
    model = MLP(2, [5, 1], "tanh", rng=0)
    loss = lambda: (model([0.5, -1.0]) - 0.3).square()
    kept = loss()
    tape = Tape(kept)
    tape.flat.data = np.linspace(-1.0, 1.0, tape.flat.size)
    tape.forward()
    tape.backward()
    tape.sync()
    synced = [x.grad for x in tape._leaves.parameters]
    model.zero_grad()
    again = loss()
    again.backward()
    assert tape.forward() == again.data == kept.data
    assert tape.flat.grad.tolist() == [x.grad for x in tape._leaves.parameters] == synced


def test_sync_leaves_a_graph_that_can_be_walked():
    """Numbers, local derivatives and gradients are those of a new graph."""
    x, y = Value(2.0, "x"), Value(3.0, "y")
    f = lambda x, y: (x * y).tanh() / (x - y) + dot([x, 2.0], [y, x])
    root = f(x, y)
    tape = Tape(root)
    tape.flat.data = [0.25, -0.5]
    tape.forward()
    tape.sync()
    assert (x.data, y.data) == (0.25, -0.5)
    assert x.grad == 0.0  # backward() was not called
    tape.backward()
    tape.sync()
    fresh = f(Value(0.25), Value(-0.5))
    fresh.backward()
    for actual, expected in zip(topological(root), topological(fresh), strict=True):
        assert (actual.data, actual.grad, actual.locals) == (
            expected.data,
            expected.grad,
            expected.locals,
        )


def test_sync_sends_what_backward_sent():
    x, y = Value(2.0), Value(3.0)
    outputs = [x * y, x + y, x * y]
    tape = Tape(outputs)
    tape.forward()
    tape.backward([0.5, -1.0, 2.0])
    tape.sync()
    assert [x.grad, y.grad] == tape.flat.grad.tolist() == [6.5, 4.0]
    assert outputs[1].grad == -1.0


def test_an_optimizer_drives_its_parameters():
    """Fifty steps of Adam on the tape and on the Values, to the same bits."""
    points, y = data.moons(20, rng=0)
    one, other = (MLP(2, [8, 1], rng=0) for _ in range(2))
    loss = lambda model: losses.hinge([model(x) for x in points], 2 * y - 1)
    tape = Tape(loss(one))
    on_tape = optim.Adam(tape.parameters(), lr=0.01)
    on_values = optim.Adam(other.parameters(), lr=0.01)
    for _ in range(50):
        actual = tape.forward()
        tape.backward()
        on_tape.step()
        expected = loss(other)
        assert actual == expected.data
        other.zero_grad()
        expected.backward()
        on_values.step()
    tape.forward()
    tape.sync()
    assert [p.data for p in one.parameters()] == [p.data for p in other.parameters()]


def test_parameters_keep_their_order():
    w, b, x, unused = Value(2.0), Value(3.0), Value(5.0), Value(7.0)
    tape = Tape(w * x + b, parameters=[b, unused, w])
    assert tape.flat.data.tolist() == [3.0, 7.0, 2.0]
    assert tape.forward() == 13.0
    tape.backward()
    assert tape.flat.grad.tolist() == [1.0, 0.0, 5.0]


def test_load_reads_the_numbers_of_the_graph():
    x, c = Value(3.0), Value(2.0)
    tape = Tape(x * c.exp(), parameters=[x])
    x.data, c.data = 5.0, 0.0
    tape.load()
    assert tape.forward() == 5.0
    tape.load()
    with pytest.raises(RuntimeError, match="call forward"):  # the last pass had other numbers
        tape.backward()


@pytest.mark.parametrize("which", ["parameter", "constant"])
def test_an_assigned_leaf_is_read(which):
    x, c, w = Value(3.0, "x"), Value(2.0, "c"), Value(7.0)
    tape = Tape(x * c * w, parameters=[x, w])
    tape.flat.data = [3.0, 1.0]  # as after training
    tape.forward()
    (x if which == "parameter" else c).data = 4.0
    assert tape.forward() == x.data * c.data
    assert tape(None).item() == x.data * c.data
    (x if which == "parameter" else c).data = 5.0
    tape.sync()
    assert (x.data, w.data) == (5.0 if which == "parameter" else 3.0, 1.0)
    assert tape.forward() == x.data * c.data


def test_other_values_can_change():
    x, other = Value(3.0), Value(1.0)
    tape = Tape(x * 2.0)
    other.data = 5.0
    x.data = 3.0
    assert tape.forward() == 6.0


def test_a_constant_that_is_nan_has_not_changed():
    x, c = Value(3.0), Value(math.nan)
    tape = Tape(x * c, parameters=[x])
    c.data = math.nan
    assert math.isnan(tape.forward())


def test_two_tapes_over_the_same_leaves():
    x = Value(3.0, "x")
    one, other = Tape(x * 2.0), Tape(x * 3.0)
    one.flat.data = [4.0]
    one.forward()
    one.sync()
    assert (one.forward(), other.forward()) == (8.0, 12.0)


def test_fast_rounds_a_product_and_a_sum_once():
    """If the processor can fuse them; otherwise both are rounded as usual."""
    x, y, z = Value(1.0 + 2.0**-30), Value(1.0 - 2.0**-30), Value(-1.0)
    tape = Tape(x * y + z, fast=True)
    assert Tape(x * y + z).forward() == 0.0
    assert tape.forward() in (-(2.0**-60), 0.0)
    model = MLP(3, [8, 1], "tanh", rng=0, fused=False)
    root = total([model(point).square() for point in np.linspace(-2, 2, 30).reshape(10, 3)])
    root.backward()
    tape = Tape(root, parameters=model.parameters(), fast=True)
    assert tape.forward() == pytest.approx(root.data, rel=1e-14)
    tape.backward()
    np.testing.assert_allclose(tape.flat.grad, [p.grad for p in model.parameters()], rtol=1e-12)


def test_a_leaf_alone():
    x = Value(3.0)
    tape = Tape(x)
    assert tape.forward() == 3.0
    tape.backward()
    assert tape.flat.grad.tolist() == [1.0]
    assert Tape([x, x]).forward().tolist() == [3.0, 3.0]


def test_a_graph_without_parameters():
    tape = Tape(Value.lift(2.0) * 3.0 + 1.0)
    assert tape.forward() == 7.0
    assert tape.flat.grad.shape == (0,)
    with pytest.raises(ValueError, match="requires a gradient, got Tape"):
        tape.backward()


def test_a_chain_of_a_hundred_thousand_nodes():
    y = Value(1.0)
    for i in range(100_000):
        y = y * 0.999999 if i % 2 else y + 1e-6
    check_against_graph(y, Tape(y))


def test_a_tape_outlives_its_graph():
    model = MLP(2, [4, 1], "tanh", rng=0)
    root = model([1.0, 2.0])
    expected, gone = root.data, weakref.ref(root)
    tape = Tape(root)
    del root
    gc.collect()
    assert gone() is None  # the tape does not keep it alive
    assert tape.forward() == expected
    tape.backward()
    tape.sync()  # the leaves live on
    again = model([1.0, 2.0])
    grads = [p.grad for p in model.parameters()]
    model.zero_grad()
    again.backward()
    assert grads == [p.grad for p in model.parameters()]


def test_unneeded_instructions_are_dropped():
    """Constants are folded, dead nodes are dropped, and sums pass gradients on for free."""
    x = Value(2.0)
    x.exp()  # not under the root
    constant = (Value.lift(2.0).exp() + 1.0).log() * 3.0
    tape = Tape(total([x, constant, x]) + (x + 1.0))
    stages = tape._machine.stages
    counts = [len(runs.a) for runs in stages]
    assert counts[0] == 4  # exp, +, log and * of constants, once
    assert counts[1] == 5  # the sums
    assert counts[2] <= 2  # x's gradient, from three uses
    assert Tape((x * 3.0 + 1.0) * constant, parameters=[])._machine.stages[2].opcodes.size == 0


def test_a_row_of_a_user():
    cube = Op("cube", lambda x: x * x * x, lambda out, x: 3.0 * x * x)
    x = Value(1.7)
    root = cube(x) + cube(x + 1.0)
    check_against_graph(root, Tape(root))


@pytest.mark.parametrize(
    "row",
    [
        Op("cube", lambda x: x**3, lambda out, x: 3 * x**2),
        Op("inverse", lambda x: 1 / x, lambda out, x: -1 / x**2),
        Op("two", lambda x: 2**x, lambda out, x: 2**x * math.log(2.0)),
        Op(
            "spike", lambda x: where(x == 1.7, 2.0 * x, x), lambda out, x: where(x != 1.7, 1.0, 2.0)
        ),
        ManyOp("sums", lambda xs: sum(xs) / len(xs), lambda out, xs: ([1 / len(xs) for _ in xs],)),
    ],
    ids=lambda row: row.name,
)
def test_rows_that_use_operators(row):
    x = Value(1.7)
    root = row([x, x * 2.0]) if isinstance(row, ManyOp) else row(x) + row(x * 2.0)
    check_against_graph(root, Tape(root))
    check_same(Tape([root]).forward(), [root.data])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (Op("hidden", lambda x: math.sin(x), lambda out, x: math.cos(x)), "not Slot"),
        (
            Op("bent", lambda x: x if x > 0 else 0.0, lambda out, x: 1.0),
            "a condition depends on a number",
        ),
        (Op("flat", lambda x: x, lambda out, x: float(x == 2.0)), "'Slot'"),
        (Op("larger", lambda x, y: max(x, y), lambda *_: 1.0, lambda *_: 0.0), "condition"),
    ],
    ids=lambda x: getattr(x, "name", ""),
)
def test_a_row_that_cannot_be_recorded_raises(row, message):
    with pytest.raises(
        TypeError, match=rf"row '{row.name}' cannot be recorded as instructions.*{message}"
    ):
        Tape(row(*[Value(1.0)] * row.arity))


def test_a_tape_is_not_copied():
    tape = Tape(Value(1.0) * 2.0)
    for copier in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="record a new"):
            copier(tape)


@pytest.mark.parametrize("op", TABLE.values(), ids=TABLE)
def test_rows_use_the_opcodes_of_the_table(op):
    inputs = inputs_of(op)
    row = record(op, inputs)
    assert {step.opname for step in (*row.forward, *row.backward)} <= set(CODES)
    assert len(row.locals) == inputs


LEAF = Value(1.0)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Tape(Array([1.0]).sum()), TypeError, "expects a Value.* got Array"),
        (lambda: Tape([Value(1.0), 2.0]), TypeError, "expects a Value.* got 2.0"),
        (lambda: Tape([]), ValueError, "at least one Value"),
        (lambda: Tape(Value(1.0), dtype=int), TypeError, "float32 or float64, got int64"),
        (lambda: Tape(Value(1.0), parameters=[Value(1.0).exp()]), ValueError, "must be leaves"),
        (lambda: Tape(Value(1.0), inputs=[3.0]), ValueError, "must be leaves"),
        (lambda: Tape(Value(1.0), inputs=[Value(2.0)] * 2), ValueError, "distinct"),
        (
            lambda: Tape(Value(1.0), [LEAF], parameters=[LEAF]),
            ValueError,
            "both a parameter and an input",
        ),
        (lambda: Tape(Value(1.0)).backward(), RuntimeError, "call forward"),
        (lambda: Tape(Value(1.0)).forward([[1.0]]), ValueError, "has no inputs"),
        (
            lambda: Tape(Value(1.0), threads=0),
            ValueError,
            "must be a whole number, 1 or more, got 0",
        ),
        (lambda: Tape(None), TypeError, "expects a Value.* got None"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_missing_numba_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(ImportError, match=r"pip install 'stepgrad\[jit\]'"):
        Tape(Value(1.0) * 2.0)


def test_special_numbers():
    for number in SPECIAL:
        x = Value(number)
        check_against_graph(x * 1.0 + 0.0, Tape(x * 1.0 + 0.0))


def test_minus_zero_is_another_number():
    x, c = Value(1.0), Value(0.0)
    tape = Tape(x / c, parameters=[x])
    assert tape.forward() == math.inf
    c.data = -0.0
    assert tape.forward() == -math.inf


def test_rows_without_inputs():
    x = Value(2.0)
    check_against_graph(total([]) + x, Tape(total([]) + x))


def test_tapes_are_made_and_synced_inside_hooks():
    x, unused = Value(2.0), Value(1.0)
    with no_grad():
        tape = Tape([x, x], parameters=[x, unused])
        assert tape.forward().tolist() == [2.0, 2.0]
    outputs = [x * 1e308, x * -1e308]
    with detect_anomaly():
        tape = Tape([x * 3.0, x * 2.0], parameters=[x, unused])
    tape = Tape(outputs)
    tape.flat.data = [0.5]
    tape.forward()
    with no_grad():
        tape.sync()
    assert [y.data for y in outputs] == [5e307, -5e307]


def test_a_tape_in_several_threads_does_not_crash(in_threads):
    """Threads that share a tape can mix up its numbers, but not its memory."""
    w, x = Value(2.0), Value(1.0)
    tape = Tape((w * x).tanh(), [x])

    def work(i):
        for n in (1, 700, 3, 90) * 20:
            assert len(tape.forward(np.ones((n, 1)))) == n

    in_threads(work, 4)
