"""`jit`: functions of Values are recorded once for each structure, and compute what Python computes."""

import copy
import gc
import math
import os
import pickle
import random
import subprocess
import sys
import warnings
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import (
    Array,
    GradientWarning,
    Table,
    Tape,
    Value,
    check_gradients,
    dot,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    maximum,
    no_grad,
    softmax,
    take,
    total,
    value_and_grad,
    vjp,
    walk,
    where,
)
from engine.graph import PENDING
from engine.support.instances import find_instances
from nn import MLP, data, fit, optim
from nn.transformer.scalar_layers import select_row

if not os.environ.get("CI"):
    pytest.importorskip("numba", reason="numba is not installed: pip install -e '.[jit]'")

from engine import jit


@pytest.mark.parametrize(
    "differentiate",
    [
        lambda y, w: grad(y, w),
        lambda y, w: grad(y, [w], create_graph=True),
        lambda y, w: jvp(y, [w], [1.0]),
        lambda y, w: jacobian([y], [w]),
        lambda y, w: hessian(y, w),
        lambda y, w: hvp(y, w, 1.0),
    ],
)
def test_a_result_is_not_differentiated_by_values(differentiate):
    """The result is an Array, whose graph contains no Values: the derivative would be 0."""
    w = Value(3.0)
    y = jit(lambda x: w * w * x)(2.0)
    with pytest.raises(TypeError, match=r"Values and Arrays do not mix.* parameters\(\)"):
        differentiate(y, w)


def of_holder(x):
    """Compute with a Value in an object, which jit takes for a parameter."""
    return jit(lambda holder: holder.rng * holder.rng)(Holder(x))


@pytest.mark.parametrize(
    "differentiate",
    [
        lambda f, x: grad(f)(x.data),
        lambda f, x: value_and_grad(f)(x.data)[1],
        lambda f, x: grad(lambda v: f(v) * 2.0)(x.data) / 2.0,
        lambda f, x: grad(f(x), x),
        lambda f, x: grad(f(x) * f(x), [x])[0] / (2.0 * f(x).data),
        lambda f, x: vjp(f(x), x, 10.0) / 10.0,
        lambda f, x: vjp(f, [x.data], 1.0)[1][0],
        lambda f, x: jacobian(f(x), x),
        lambda f, x: jacobian(f)(x.data),
        lambda f, x: grad(f.map([x, x]).sum(), x) / 2.0,
        lambda f, x: next(iter(walk(f(x)))).sent[1].contribution,
        lambda f, x: f(x).backward() or x.grad,
        lambda f, x: (f(x) * 2.0).backward() or x.grad / 2.0,
    ],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_arguments_are_inputs_of_the_result(differentiate, dtype):
    """Every reader of the graph finds them."""
    w = Value(5.0)
    for f, slope in ((lambda x: x * x, 6.0), (lambda x: w * x * x + w, 30.0)):
        assert differentiate(jit(f, dtype=dtype), Value(3.0)) == slope
    assert check_gradients(jit(lambda x: w * x * x), at=[3.0]) < 1e-7


def test_arguments_are_inputs_in_lists_and_batches():
    w, xs = Value(5.0), [Value(3.0), Value(4.0)]
    f = jit(lambda p, unused=0.0: [w * p["a"] * p["b"][0], p["a"].detach() * w])
    value, slopes = value_and_grad(lambda p: f(p)[0])({"a": 3.0, "b": [4.0]})
    assert (value, type(value), slopes) == (60.0, float, {"a": 20.0, "b": [15.0]})
    y = f({"a": xs[0], "b": [xs[1]]}, Value(1.0))
    assert [part.tolist() for part in jacobian(y, xs)] == [[20.0, 0.0], [15.0, 0.0]]
    sums = jit(lambda xs: total([w * x * x for x in xs]))
    y = sums.map([xs, [xs[0]], [2.0], [xs[1]], [xs[1], 1.0]])  # of three structures
    assert grad((y * [1.0, 10.0, 100.0, 1000.0, 0.0]).sum(), xs) == [330.0, 40040.0]


@pytest.mark.parametrize(
    "differentiate",
    [
        lambda f, x: jvp(f(x), x, 1.0),
        lambda f, x: jvp(f, [3.0], [1.0]),
        lambda f, x: hessian(f)(3.0),
        lambda f, x: hvp(f(x), x, 1.0),
        lambda f, x: grad(f(x), x, create_graph=True),
        lambda f, x: grad(grad(f))(3.0),
        lambda f, x: grad(lambda v: f(v * 2.0))(3.0),
        lambda f, x: grad(of_holder)(3.0),
        lambda f, x: grad(lambda v: jit(lambda a: a * v)(2.0))(3.0),
        lambda f, x: grad(jit(lambda a: a * a, static="a"))(3.0),
        lambda f, x: grad(jit(lambda a: a * x)(Value(2.0)) * 2.0, [Value(1.0), x]),
        lambda f, x: grad(Tape(x * x)(), [x]),
    ],
)
def test_derivatives_that_jit_does_not_compute_are_errors(differentiate):
    """They are never 0."""
    with pytest.raises(TypeError, match=r"backward\(\) only|do not mix|whose graph would"):
        differentiate(jit(lambda x: x * x), Value(3.0))


@pytest.mark.parametrize(
    "combine",
    [
        lambda y, w: y + 0.01 * w**2,
        lambda y, w: 0.01 * w**2 + y,
        lambda y, w: (y * 2.0).exp() - w,
        lambda y, w: maximum(y, w),
        lambda y, w: where(True, w, y),
        lambda y, w: np.ones(2) * y * w,
        lambda y, w: sum([w, y]),
    ],
)
def test_a_value_combined_with_the_result_is_an_error(combine):
    """Its .data would receive no gradient."""
    w = Value(2.0)
    match = r"jit or of a tape, because Values .* compute the whole loss in that function"
    for y in (jit(lambda x: w * x)(3.0), jit(lambda x: x * x)(Value(3.0)), Tape(w * w)()):
        with pytest.raises(TypeError, match=match):
            combine(y, w)
    # Within a function that is differentiated, Values and Arrays mix.
    assert grad(lambda x: jit(lambda x: x * x)(x) + x)(3.0) == 7.0
    with pytest.raises(TypeError, match=r"use its \.data for a constant without a gradient"):
        Array([1.0, 2.0]) + w


def test_a_function_of_numbers_alone_is_an_error():
    square, w = lambda x: x * x, Value(2.0)
    for f, args in (
        (lambda x: x**2 + 1, (3.0,)),
        (lambda x: x**2 + 1, (3,)),
        (lambda x: [x, 2.0 * x], (3.0,)),
        (lambda x: x * 2.0, (np.ones(3),)),
        (grad(square), (3.0,)),
        (value_and_grad(square), (3.0,)),
    ):
        with pytest.raises(TypeError, match=r"no argument and no parameter of .* is a Value"):
            jit(f)(*args)
    with pytest.raises(TypeError, match=r"got one of objects; under jit"):
        jit(value_and_grad(square))(np.ones(3))
    assert jit(grad(square))(Value(3.0)).item() == 6.0
    for f in (lambda x: (w * x).data, lambda x: float((w * x).data), lambda x: x * w.data):
        with pytest.raises(TypeError, match=r"return the node, not its \.data"):
            jit(f)(3.0)
    with pytest.raises(TypeError, match=r"return the node, not its \.data"):
        jit(lambda x: (x * x).data)(Value(3.0))


def recordings(f):
    """Return how many recordings a function has."""
    return sum(map(len, f._replays.values()))


def check(f, parameters, calls, same_bits=True):
    """Compare a function under jit with the function itself, for several calls."""
    fast = jit(f, parameters)
    for args in calls:
        for p in parameters:
            p.grad = 0.0
        expected = f(*args)
        outputs = expected if isinstance(expected, list) else [expected]
        total(outputs).backward() if len(outputs) > 1 else expected.backward()
        gradients = [p.grad for p in parameters]
        fast.flat.grad = 0.0
        y = fast(*args)
        (y.sum() if isinstance(expected, list) else y).backward()
        assert repr(y.data.tolist()) == repr(
            [x.data for x in expected] if y.ndim else expected.data
        )
        if same_bits:
            assert repr(fast.flat.grad.tolist()) == repr(gradients)
        else:
            np.testing.assert_allclose(fast.flat.grad, gradients, rtol=1e-12, atol=1e-12)
    return fast


# ------------------------------------------------------------------------------ generated programs

STEPS = [
    lambda x, y, env: x + y,
    lambda x, y, env: x * y,
    lambda x, y, env: (x - y).tanh(),
    lambda x, y, env: maximum(x, 0.3 * y),
    lambda x, y, env: x * env["floats"][0],
    lambda x, y, env: env["table"][env["i"]][0] * y + x,
    lambda x, y, env: dot(env["table"][env["k"]], [x, y]),
    lambda x, y, env: take([x, y, x * y], env["i"]),
    lambda x, y, env: take([x, y], env["k"] % 2) + y,
    lambda x, y, env: softmax([x, y, x])[1] * y,
    lambda x, y, env: x.detach() * y,
    lambda x, y, env: y - max(x.data, y.data),
    lambda x, y, env: x * y.data,
    lambda x, y, env: x.tanh() if x > y else y.tanh(),
    lambda x, y, env: x + 1.0 if env["k"] == 2 else y * 0.5,
    lambda x, y, env: x * (env["i"] + 1),
    lambda x, y, env: total([x * z for z in env["floats"]]) if env["floats"] else y,
    lambda x, y, env: env["hits"].append(x.data > 0.0) or x,
]


@st.composite
def programs(draw):
    """Return a function of (indices, floats, flag), and arguments for several calls."""
    chosen = draw(
        st.lists(st.tuples(st.sampled_from(STEPS), st.booleans()), min_size=1, max_size=7)
    )
    several = draw(st.booleans())
    rng = random.Random(draw(st.integers(0, 999)))
    parameters = [Value(rng.uniform(-2.0, 2.0)) for _ in range(8)]
    table = Table([parameters[k : k + 2] for k in range(0, 6, 2)])

    def f(indices, floats, flag):
        env = {"i": indices[0], "k": indices[1], "floats": floats, "table": table, "hits": []}
        x, y = parameters[6:]
        for step, swap in chosen:
            x, y = step(x, y, env), x
            x, y = (y, x) if swap else (x, y)
            if flag:
                x = x * 0.5
        return [x + 0.0, y * x] if several else x * y

    calls = []
    for _ in range(6):
        floats = [rng.uniform(-2.0, 2.0) for _ in range(rng.choice([1, 3]))]
        calls.append(([rng.randrange(3), rng.randrange(3)], floats, rng.random() < 0.3))
    return f, parameters, calls


@given(programs())
def test_generated_programs_compute_what_python_computes(program):
    """To the bits; gradients of rows that are selected twice to rounding."""
    check(*program, same_bits=False)


@given(programs())
@settings(max_examples=30)
def test_a_batch_computes_what_single_calls_compute(program):
    f, parameters, calls = program
    fast, other = jit(f, parameters), jit(f, parameters)
    y = fast.map(*zip(*calls, strict=True))
    assert y.data.tolist() == [other(*args).data.tolist() for args in calls]
    (y * y).sum().backward()
    total([(other(*args) * other(*args)).sum() for args in calls]).backward()
    np.testing.assert_allclose(fast.flat.grad, other.flat.grad, rtol=1e-11, atol=1e-11)


# ------------------------------------------------------------------------------------- structure


def test_numbers_change_without_another_recording_and_lengths_with_one():
    w, table = Value(0.5), Table([Value(float(i)) for i in range(5)])

    def f(tokens, scale):
        return total([w * table[i] * scale for i in tokens])

    fast = check(
        f, [w, *table], [([0, 1], 2.0), ([4, 3], -1.0), ([1, 2, 3], 0.1), ([0, 0, 0], 5.0)]
    )
    assert recordings(fast) == 2
    fast((0, 1), scale=2.0)  # a tuple, and a name
    assert recordings(fast) == 3


def test_everything_else_is_structure():
    w = Value(3.0)

    def f(x, kind="double", **options):
        y = w * x if kind == "double" else w - x
        return -y if options.get("negative") else y

    fast = jit(f, [w])
    assert [fast(2.0).item(), fast(2.0, "minus").item(), fast(4.0, negative=True).item()] == [
        6,
        1,
        -12,
    ]
    assert [fast(5.0).item(), fast(5.0, "minus").item(), fast(1.0, negative=True).item()] == [
        15,
        -2,
        -3,
    ]
    assert recordings(fast) == 3
    with pytest.raises(TypeError, match=r"numbers, Values, strings, or lists.*got \{1"):
        fast({1, 2})


def test_static_arguments_are_structure():
    w = Value(2.0)
    fast = jit(lambda x, n: w * x**n, [w], static=["n"])
    assert (fast(3.0, 2).item(), fast(3.0, n=3).item(), fast(2.0, 2).item()) == (18.0, 54.0, 8.0)
    assert recordings(fast) == 2


def test_values_and_arrays_are_inputs():
    w = Value(2.0)
    fast = jit(lambda xs, y: total([w * x for x in xs]) - y, [w])
    assert fast(np.array([1.0, 2.0]), Value(1.0)).item() == 5.0
    assert fast(np.array([1.0, 4.0]), Value(2.0)).item() == 8.0
    assert fast(np.array([1.0, 4.0]), w).item() == 8.0  # the parameter is itself
    assert recordings(fast) == 2


# ------------------------------------------------------------------------------------- decisions


def test_a_decision_that_flips_back_and_forth_is_recorded_twice():
    w = Value(1.0)

    def f(x):
        return w * x if w * x > 0.0 else w * w

    fast = check(f, [w], [(x,) for x in (1.0, -1.0, 2.0, -3.0, 5.0)])
    assert recordings(fast) == 2


def test_counting_outcomes_is_not_a_decision():
    w, hits = Value(1.0), []

    def f(xs):
        outs = [w * x for x in xs]
        hits.append(sum(y.data > 0.0 for y in outs))  # accuracy
        return total(outs)

    fast = check(f, [w], [([1.0, -1.0],), ([1.0, 1.0],), ([-1.0, -1.0],), ([-1.0, 2.0],)])
    assert recordings(fast) == 1
    assert fast._record_counts.total() == 1


def test_decisions_that_lead_to_the_same_graph_share_its_recording():
    w, calls = Value(1.0), []

    def f(xs):
        calls.append(xs)
        outs, correct = [w * x for x in xs], 0
        for y in outs:
            if y > 0.0:
                correct += 1
        return total(outs)

    fast = jit(f, [w])
    for xs in ([1.0, -1.0], [1.0, 1.0], [1.0, -1.0], [2.0, 3.0], [-1.0, -1.0], [4.0, -5.0]):
        assert fast(xs).item() == sum(xs)
    assert (recordings(fast), len(calls)) == (1, 3)  # one for each outcome
    assert fast.map([[1.0, 1.0], [5.0, -1.0], [-1.0, 3.0]]).data.tolist() == [2.0, 4.0, 2.0]
    assert (recordings(fast), len(calls)) == (1, 4)


def test_a_decision_that_matters_only_with_another_is_noticed():
    """Each alone leads to the same graph, both together to another one."""
    w = Value(1.0)

    def f(x, y):
        both = [bool(w * x > 0.0), bool(w * y > 0.0)]
        return w * x if all(both) else w - y

    check(f, [w], [(1.0, -1.0), (-1.0, -1.0), (-1.0, 1.0), (1.0, 1.0), (2.0, 3.0), (-2.0, 5.0)])


def test_where_and_counts_follow_the_numbers():
    w = Value(1.0)

    def f(x, y):
        z = w * x
        larger = (z > y) + (z.data > 1.0) * 2
        return where(z > 0.0, z * y, z - y) * larger + where(z.data < y, 1.0, 0.5) * w

    fast = check(f, [w], [(1.0, 2.0), (-1.0, 2.0), (3.0, 2.0), (-1.0, -2.0), (0.0, 0.0)])
    assert recordings(fast) == 1


def test_the_published_softmax_is_recorded_once():
    zs = [Value(float(i)) for i in range(3)]

    def f(order):
        logits = [z * x for z, x in zip(zs, order, strict=True)]
        largest = max(z.data for z in logits)
        exps = [(z - largest).exp() for z in logits]
        return (exps[0] / sum(exps)).log()

    fast = check(f, zs, [([1.0, 2.0, 3.0],), ([5.0, -2.0, 0.0],), ([-7.0, 9.0, 0.5],)])
    assert recordings(fast) == 1


def test_many_outcomes_cause_a_warning():
    ws = [Value(float(i)) for i in range(12)]

    def f(xs):
        return max([w * x for w, x in zip(ws, xs, strict=True)], key=lambda y: y.data) * ws[0]

    fast = jit(f, ws, limit=6)
    choose = lambda k: fast([float(k == i) for i in range(12)]).item()
    assert [choose(k) for k in range(7)] == [0.0] * 7
    with pytest.warns(GradientWarning, match=r"recorded 8 times because Python decides.*take"):
        choose(7)
    assert [choose(k) for k in range(12)] == [0.0] * 12
    assert recordings(fast) == 6


# --------------------------------------------------------------------------------------- indices


def test_an_index_out_of_range_is_an_error_before_anything_is_computed():
    w = Value(1.0)
    table = Table([[Value(1.0)], [Value(2.0)]], name="embedding")
    fast = jit(lambda i, k: w * table[i][0] * take([w, w * w, w * w * w], k), [w])
    for _ in range(2):  # while it is recorded, and in a replay
        with pytest.raises(IndexError, match=r"embedding has 2 rows, got i = 2"):
            fast(2, 0)
        with pytest.raises(IndexError, match=r"list has 3 rows, got k = -4"):
            fast(0, -4)
        assert fast(-1, -1).item() == fast(1, 2).item() == 2.0
    with pytest.raises(IndexError, match="embedding has 2 rows"):
        fast.map([0, 5], [0, 0])


@pytest.mark.parametrize(
    "use",
    [
        lambda i, w: [w, w][i], lambda i, w: w * len(range(i)), lambda i, w: {0: w}[i],
        lambda i, w: w * float(i), lambda i, w: w * int(f"{i}"), lambda i, w: (w, w)[i],
    ],
)  # fmt: skip
def test_an_integer_argument_as_a_plain_number_is_an_error(use):
    with pytest.raises(TypeError, match=r"Table\(rows\).*take\(xs, i\).*static="):
        jit(lambda i: use(i, Value(1.0)))(0)


def test_tables_of_constants_and_of_computed_values():
    w, v = Value(2.0), Value(3.0)
    constants = Table([w.detach(), Value(5.0)])
    constants[1].requires_grad = False

    def f(i, k):
        computed = Table([[w * v, w], [v.tanh(), v]])
        return constants[i] * v + computed[k][0] * computed[k][1] + constants[1]

    calls = [(0, 0), (1, 0), (0, 1), (1, 1)]
    fast = check(f, [w, v], calls)
    assert fast.map(*zip(*calls, strict=True)).data.tolist() == [f(*args).data for args in calls]


def test_gradients_of_a_row_are_added_from_its_last_use_to_the_first():
    table = Table([Value(1.0), Value(2.0)])
    f = lambda i, j, k: table[i] * -1e16 + table[j] * 1e16 + table[k]
    check(f, [*table], [(0, 0, 0), (1, 0, 1)])


def test_two_indices_of_the_same_name_differ():
    table = Table([Value(1.0), Value(10.0), Value(100.0)])
    fast = jit(lambda i, /, **options: table[i] - table[options["i"]])
    assert [fast(0, i=2).item(), fast(1, i=0).item()] == [-99.0, 9.0]


def test_a_table_without_jit_is_a_list():
    rows = [[Value(1.0)], [Value(2.0)]]
    table = Table(rows)
    assert table == rows
    assert table[1] is rows[1]
    assert isinstance(table, list)
    assert take(table, 0) is rows[0]


# ------------------------------------------------------------------------------------- training


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
def test_training_ends_at_the_same_weights(name):
    """The compiled update has the bits of NumPy's."""
    results = []
    for enabled in (True, False):
        model = MLP(2, [4, 1], "tanh", rng=0)
        fast = jit(lambda x, y, model=model: (model(x) - y) ** 2, model, enabled=enabled)
        optimizer = getattr(optim, name)(fast.parameters(), lr=0.05)
        for k in range(20):
            optimizer.zero_grad()
            fast([math.sin(k), math.cos(k)], 0.3 * k).backward()
            optimizer.step()
        fast.sync()
        results.append([p.data for p in model.parameters()])
    np.testing.assert_allclose(*results, rtol=1e-14)


def test_sync_and_assignment():
    w, v = Value(2.0), Value(5.0)
    fast = jit(lambda x: w * x * v, [w, v])
    fast(3.0).backward()
    fast.flat.data = [4.0, 1.0]
    assert (w.data, fast(1.0).item()) == (2.0, 4.0)
    fast.sync()
    assert [w.data, v.data, w.grad, v.grad] == [4.0, 1.0, 15.0, 6.0]
    w.data = 10.0
    assert fast(1.0).item() == 10.0
    assert fast.flat.data.tolist() == [10.0, 1.0]


def moved_by_hand(parameters, backward):
    for p in parameters:
        p.grad = 0
    backward()
    for p in parameters:
        p.data -= 0.05 * p.grad


def moved_by_an_optimizer(parameters, backward):
    optimizer = optim.SGD(parameters, lr=0.05)
    optimizer.zero_grad()
    backward()
    optimizer.step()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("step", [moved_by_hand, moved_by_an_optimizer])
def test_values_are_trained_as_without_jit(step):
    """Their gradients arrive without sync()."""
    ends = []
    for how in ("eager", "jit", "map", "tape", "node of a tape"):
        model = MLP(2, [3, 1], "tanh", rng=0)
        parameters = model.parameters()
        f = lambda a, model=model: (model([a, 0.5]) - 0.3) ** 2
        fast, tape = jit(f), Tape(f(Value(0.1)))
        backward = {
            "eager": lambda f=f: f(0.1).backward(),
            "jit": lambda fast=fast: fast(0.1).backward(),
            "map": lambda fast=fast: fast.map([0.1, 0.1]).mean().backward(),
            "tape": lambda tape=tape: (tape.forward(), tape.backward()),
            "node of a tape": lambda tape=tape: tape().backward(),
        }[how]
        for _ in range(20):
            step(parameters, backward)
        ends.append([p.data for p in parameters])
    for end in ends[1:]:
        np.testing.assert_allclose(end, ends[0], rtol=1e-13)
    assert ends[0][0] != MLP(2, [3, 1], "tanh", rng=0).parameters()[0].data


def test_values_and_flat_show_the_same_gradients():
    """In any order of passes and assignments, with several functions and tapes."""
    rng = random.Random(0)
    w, v = Value(2.0), Value(3.0)
    one, other = jit(lambda x: w * v * x), jit(lambda x: (w + 1.0) * x)
    one(1.0), other(1.0)
    tape = Tape(v * 7.0)
    arrays = [(one.flat, [0, 1]), (other.flat, [0]), (tape.flat, [1])]  # places in [w, v]
    expected = [0.0, 0.0]

    def add(a, b):
        expected[0] += a
        expected[1] += b

    def assign(k, x):
        expected[k] = x

    steps = [
        lambda: (one(1.0).backward(), add(3.0, 2.0)),
        lambda: ((one(1.0) * 2.0).backward(), add(6.0, 4.0)),
        lambda: (other.map([1.0, 1.0]).sum().backward(), add(2.0, 0.0)),
        lambda: (tape().backward(), add(0.0, 7.0)),
        lambda: (tape.forward(), tape.backward(), assign(1, 7.0)),
        lambda: ((w * v).backward(), add(3.0, 2.0)),
        lambda: ([*walk(w * v)], add(3.0, 2.0)),
        lambda: (w.zero_grad(), assign(0, 0.0)),
        lambda: (setattr(v, "grad", 5.0), assign(1, 5.0)),
        lambda: (other.flat.zero_grad(), assign(0, 0.0)),
        lambda: (setattr(one.flat, "grad", [1.0, 2.0]), assign(0, 1.0), assign(1, 2.0)),
        lambda: (one.sync(), other.sync()),
        lambda: jit(lambda x: w * x)(1.0).backward() or add(1.0, 0.0),  # freed at once
    ]
    reads = [lambda: [w.grad, v.grad]] + [
        lambda array=array, places=places: [
            *(array.grad.tolist()[places.index(k)] if k in places else expected[k] for k in (0, 1))
        ]
        for array, places in arrays
    ]
    for _ in range(500):
        rng.choice(steps)()
        if rng.random() < 0.5:
            assert rng.choice(reads)() == expected
    for read in reads:
        assert read() == expected


def test_gradients_are_exchanged_only_when_they_are_needed():
    """Training `flat` alone copies no gradients; a freed function leaves nothing in PENDING."""
    w = Value(2.0)
    fast, optimizer = jit(lambda x: w * x, [w]), None
    for _ in range(3):
        optimizer = optimizer or optim.SGD(fast.parameters(), lr=0.1)
        optimizer.zero_grad()
        fast(1.0).backward()
        optimizer.step()
        Value(1.0).grad = 3.0  # another Value
        assert w._grad == 0.0
    assert [*PENDING] == [id(fast.flat)]
    flat = weakref.ref(fast.flat)
    del fast, optimizer
    gc.collect()
    assert (flat(), PENDING, w.grad) == (None, {}, 1.0)


def test_gradients_of_frozen_and_copied_parameters():
    w, v = Value(2.0), Value(3.0)
    fast = jit(lambda x: w * v * x, [w, v])
    fast(1.0).backward()
    w.requires_grad = False
    assert (w.grad, v.grad, fast.flat.grad.tolist()) == (0.0, 2.0, [0.0, 2.0])
    for array in (copy.deepcopy(fast.flat), pickle.loads(pickle.dumps(fast.flat))):
        assert (type(array), array.data.tolist(), array.grad.tolist()) == (Array, [2, 3], [0, 2])
        array.grad = 9.0
    assert v.grad == 2.0


def test_functions_that_come_to_share_values_exchange_gradients():
    w = Value(2.0)
    one = jit(lambda x: w * x, [w])
    one(1.0).backward()
    other = jit(lambda x: w * x * 10.0, [w])
    assert other.flat.grad.tolist() == [1.0]
    other(1.0).backward()
    assert one.flat.grad.tolist() == [11.0]
    del other
    gc.collect()
    one.flat.zero_grad()
    one(1.0).backward()
    assert (one.flat.grad.tolist(), one.flat._sharing, w.grad) == ([1.0], [], 1.0)


@pytest.mark.filterwarnings("error")
def test_a_tape_overwrites_the_gradients_of_its_values():
    """So a step without zero_grad() uses no old gradient."""
    w = Value(2.0)
    tape = Tape(w * w)
    for _ in range(3):
        tape.forward()
        tape.backward()
        assert w.grad == 2.0 * w.data
        w.data -= 0.1 * w.grad


def test_a_step_of_values_that_keeps_old_gradients_warns():
    w = Value(2.0)
    fast = jit(lambda x: w * x, [w])
    for again in (False, True):
        fast(1.0).backward()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            w.data -= 0.1 * w.grad
        assert len(caught) == again


def without_graph(x):
    with no_grad():
        return x * x


def frozen(x):
    x.requires_grad = False
    return x


@pytest.mark.parametrize("parameters", [None, [Value(5.0)]])
@pytest.mark.parametrize(
    "f",
    [
        lambda v, x=Value(3.0): (x * x).detach() * v,  # noqa: B008
        lambda v, x=without_graph(Value(3.0)): x * v,  # noqa: B008
        lambda v, x=Value(3.0): without_graph(x * v),  # noqa: B008
        lambda v, x=frozen(Value(3.0)): x * v,  # noqa: B008
        lambda v, x=frozen(Value(3.0)): Table([x, x])[1] * v,  # noqa: B008
        lambda v: v * Value(3.0).detach(),
    ],
)
def test_backward_of_a_constant_is_an_error(f, parameters):
    """As it is without jit, and although `parameters` may contain Values."""
    fast = jit(f, parameters)
    several = jit(lambda vs: f(vs[0]), parameters)
    for loss in (
        fast(2.0),
        fast(2.0) * 3.0,
        fast.map([1.0, 2.0]).sum(),
        several.map([[1.0], [1.0, 2.0]]).sum(),
        Tape(lambda: f(2.0))(),
    ):
        with pytest.raises(ValueError, match="requires a gradient, got ConstantArray"):
            loss.backward()


def test_backward_of_a_tape_of_constants_is_an_error():
    x, y, w = Value(3.0), Value(0.0), Value(5.0)
    for tape in (
        Tape((x * x).detach()),
        Tape(x.detach() * 2.0, parameters=[w]),
        Tape([x.detach() * 2.0, x.detach()]),
        Tape(x.detach() * y, inputs=[y]),
    ):
        samples = ([[1.0], [2.0]],) if tape.inputs else ()
        tape.forward(*samples)
        with pytest.raises(ValueError, match="requires a gradient, got Tape"):
            tape.backward()
    tape = Tape(x.detach() * y, inputs=[y], input_gradients=True)
    tape.forward([[1.0], [2.0]])
    tape.backward()
    assert tape.input_gradients.tolist() == [[3.0], [3.0]]
    samples = Array([[1.0], [2.0]])
    tape(samples).sum().backward()
    assert samples.grad.tolist() == [[3.0], [3.0]]


def test_rows_of_tables_are_parameters_or_constants():
    """Whether a selected row requires a gradient depends on its table."""
    w, v, c = Value(2.0), Value(3.0), Value(4.0)
    c.requires_grad = False
    for table, parameters, is_constant in (
        ([w, v], None, False),
        ([w, c], None, False),
        ([c, c], None, True),
        ([w, v], [Value(1.0)], True),
        ([w, v], [v], False),
    ):
        rows = Table(table)
        loss = jit(lambda i, rows=rows: rows[i] * 2.0, parameters)(0)
        assert loss.constant == is_constant


def test_several_results_of_one_recording_in_one_graph():
    w = Value(2.0)
    fast = jit(lambda x: w * w * x, [w])
    y = fast(1.0) + fast(10.0) * fast(2.0)
    y.backward()
    assert fast.flat.grad.tolist() == [2.0 * w.data + 80.0 * w.data**3]
    w.data = 1.0  # the graph keeps its numbers
    fast(3.0)
    fast.flat.zero_grad()
    with pytest.warns(GradientWarning, match="these gradients belong to the old data"):
        y.backward()
    assert fast.flat.grad.tolist() == [644.0]


def test_backward_of_a_result_adds_gradients_and_warns():
    """As that of any other node, although it computes no order of a graph."""
    w = Value(2.0)
    fast = jit(lambda x: w * w * x, [w])
    first, second = fast(1.0), fast(10.0)
    first.backward()
    second.backward()
    assert fast.flat.grad.tolist() == [44.0]
    fast.flat.data = fast.flat.data - 0.5 * fast.flat.grad
    with pytest.warns(GradientWarning, match="these gradients belong to the old data"):
        first.backward()
    assert fast.flat.grad.tolist() == [48.0]
    fast.flat.zero_grad()
    third = fast(1.0)
    fast.flat.data -= 1.0
    with pytest.warns(GradientWarning, match="modified in place after this graph"):
        third.backward()
    with pytest.warns(GradientWarning, match="the loss is inf after its parameters were updated"):
        fast(math.inf).backward()


def test_parameters_are_found_and_may_grow_until_an_optimizer_receives_them():
    w, v = Value(2.0, "w"), Value(3.0, "v")
    fast = jit(lambda kind: w * 2.0 if kind == "w" else w * v)
    with pytest.raises(RuntimeError, match="not known before its first call"):
        fast.parameters()
    fast("w")
    assert fast.flat.data.tolist() == [2.0]
    fast("v").backward()
    assert fast.flat.grad.tolist() == [3.0, 2.0]
    assert fast("w").item() == 4.0
    other = jit(lambda kind: w * 2.0 if kind == "w" else w * v)
    other("w")
    other.parameters()
    with pytest.raises(RuntimeError, match=r"reaches .*v.* only now"):
        other("v")


def test_adversarial_training_stops_the_gradient():
    g, d = Value(0.5), Value(2.0)
    check(lambda z: d * (g * z).detach() - d * z, [g, d], [(1.0,), (2.0,)])
    check(lambda z: d.detach() * g * z, [g, d], [(1.0,), (2.0,)])


def test_no_grad_and_off(monkeypatch):
    w = Value(2.0)
    fast = jit(lambda x: w * x, [w])
    with no_grad():
        assert fast(3.0).constant
    assert isinstance(fast(3.0), Array)
    for off in (jit(lambda x: w * x, enabled=False), None):
        if off is None:
            monkeypatch.setenv("STEPGRAD_JIT", "0")
            off = jit(lambda x: w * x)
        y = off(3.0)
        assert (type(y), y.data, off.parameters()) == (Value, 6.0, [w])
        assert off.map([1.0, 2.0]).mean().data == 3.0


class Holder:
    """An object of the user, with a generator in an attribute."""

    def __init__(self, rng):
        self.rng = rng

    def draw(self):
        return self.rng.normal()


def draw_of_each_kind():
    """Yield functions that draw a number, from generators that exist only now."""
    yield from (
        random.random,
        np.random.rand,
        random.Random(0).random,
        np.random.RandomState(0).randn,
    )
    yield from (np.random.Generator(np.random.MT19937(0)).random, np.random.default_rng(1).normal)
    holder = Holder(np.random.default_rng(0))
    yield lambda: holder.draw()


def test_random_numbers_cause_a_warning():
    """Also those of a generator that another function uses, and of a second recording."""
    w = Value(1.0)
    for draw in draw_of_each_kind():
        fast = jit(lambda xs, draw=draw: w * xs[0] * (2.0 + draw()), [w], static="draw")
        for xs in ([1.0], [1.0, 2.0]):
            with pytest.warns(GradientWarning, match="draws random numbers"):
                y = fast(xs)
            assert fast(xs).item() == y.item()


def test_generators_cause_no_warning_if_no_number_is_drawn():
    """A generator with a fixed seed, which the function makes, draws the same in each call."""
    w, rng = Value(1.0), np.random.default_rng(0)
    fast = jit(lambda x, rng: w * x + (rng is None) + random.Random(3).random(), [w])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fast(1.0, rng).item() == fast.function(1.0, rng).data
    drawing = jit(lambda x, rng: w * x if rng is None else w * x * rng.random(), [w])
    drawing(1.0, None)
    with pytest.warns(GradientWarning, match="draws random numbers"):
        drawing(1.0, np.random.default_rng(5))  # it exists only after the first recording


def test_a_generator_that_is_made_after_the_first_recording():
    w, generators = Value(2.0), []
    fast = jit(lambda xs: w * xs[0] * (generators[0].random() if generators else 1.0))
    fast([1.0])
    generators.append(random.Random(0))
    with pytest.warns(GradientWarning, match="draws random numbers"):
        fast([1.0, 2.0])


@pytest.mark.parametrize("w", [Value(2.0), Array(2.0)], ids=repr)
def test_recordings_keep_no_generators_alive(w):
    """NumPy's bit generators have no weak references, and a recording searches for all of them."""

    def record_and_count():
        gc.collect()
        jit(lambda x: w * x, [w])(1.0)
        return len(find_instances(np.random.BitGenerator))

    before = record_and_count()
    for seed in range(5):
        rng = np.random.default_rng(seed)
        assert record_and_count() == before + 1
    del rng
    assert record_and_count() == before


class BadMeta(type):
    """A class of classes without a hash."""

    def __eq__(cls, other):
        return cls is other


class BadObject:
    def __getattr__(self, name):
        raise RuntimeError(name)


class BadGenerator(random.Random):
    def __init__(self, state):
        super().__init__()
        self.state = state

    def getstate(self):
        return 3, self.state()


def test_objects_that_a_function_does_not_use_cause_no_error():
    unused = BadMeta("Unused", (), {})()
    unused.tracked = [BadGenerator(lambda: np.arange(3.0)), BadGenerator(lambda: 1 // 0)]
    w = Value(2.0)
    fast = jit(lambda x, other: w * x, [w])
    assert fast(1.5, BadObject()).item() == 3.0


def test_wrong_functions():
    with pytest.raises(TypeError, match="expects a function that returns Values or Arrays, got 3"):
        jit(3)
    with pytest.raises(TypeError, match="returns a Value or a list of Values, got None; does"):
        jit(lambda: None)()
    with pytest.raises(TypeError, match=r"got 2\.0; return the node, not its \.data, \.item"):
        jit(lambda: 2.0)()
    w = Value(1.0)
    with pytest.raises(ValueError, match="must be distinct"):
        jit(lambda: w, [w, w])


def test_decorators_methods_and_docstrings():
    class Model:
        def __init__(self):
            self.w = Value(3.0)

        @jit(dtype=np.float32)
        def loss(self, x):
            """Return the loss."""
            return self.w * x

    one = Model()
    assert one.loss(2.0).dtype == np.float32
    assert (one.loss(5.0).item(), Model.loss.__doc__, Model.loss.__name__) == (
        15.0, "Return the loss.", "loss",
    )  # fmt: skip


@pytest.mark.parametrize("count", [2, 9, 16, 17, 40, 200])
def test_batches_have_the_same_bits_at_any_number_of_threads(count):
    """Also if a batch fills several blocks of lanes, and the last one only in part."""
    rng = np.random.default_rng(count)
    rows = [[*map(Value, row)] for row in rng.normal(size=(5, 3))]
    w, table = [*map(Value, rng.normal(size=3))], Table(rows)
    f = lambda i, x: dot(table[i], w).tanh() * x
    calls = rng.integers(-5, 5, count).tolist(), rng.normal(size=count).tolist()
    gradients = []
    for threads in (1, 2, 3):
        fast = jit(f, [*w, *[x for row in rows for x in row]], threads=threads)
        y = fast.map(*calls)
        assert y.data.tolist() == [f(*call).data for call in zip(*calls, strict=True)]
        y.mean().backward()
        gradients.append(fast.flat.grad.tolist())
        fast.flat.zero_grad()  # and the gradients of the Values, which the functions share
    assert gradients[0] == gradients[1] == gradients[2]
    total([f(*call) for call in zip(*calls, strict=True)]).backward()
    slopes = [x.grad / count for x in (*w, *[x for row in rows for x in row])]
    np.testing.assert_allclose(gradients[0], slopes, rtol=1e-12, atol=1e-14)


def test_threads_share_a_function(in_threads):
    w = Value(2.0)
    fast = jit(lambda x: w * x * x, [w])

    def work(i):
        for k in range(100):
            assert fast(float(k)).item() == 2.0 * k * k

    in_threads(work, 4)


def test_the_graph_of_a_recording_is_freed():
    made = []

    def loss(w, i):
        made.append(weakref.ref(w * 2.0))
        computed = [w * 3.0, w * 4.0]
        made.extend(map(weakref.ref, computed))
        return take(computed, i) + Table([[w]])[i * 0][0]

    w = Value(1.0)
    fast = jit(lambda i: loss(w, i))
    assert gc.isenabled()
    assert [fast(i).item() for i in (0, 1)] == [4.0, 5.0]
    assert gc.isenabled()
    assert recordings(fast) == 1
    assert [node() for node in made] == [None] * 3
    gc.disable()
    try:
        jit(lambda x: w * x)(2.0)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_recordings_that_are_dropped_are_freed():
    w = Value(2.0)
    fast = jit(lambda xs: total([w * x for x in xs]), [w], limit=3)
    for n in range(1, 20):
        fast([1.0] * n)
    assert recordings(fast) == 3
    assert fast([2.0] * 19).item() == 76.0
    lengths = []
    fast = jit(lambda xs: lengths.append(len(xs)) or w * total([*xs]), [w], limit=2)
    for n in (1, 2, 1, 3, 1):
        fast([1.0] * n)
    assert lengths == [1, 2, 3]  # the least recently used was dropped


@pytest.mark.parametrize("outputs", [1, 3])
def test_fit_trains_a_model_under_jit(outputs):
    """The batches are lanes; the weights are those of the training without jit."""
    X, y = data.blobs(40, outputs, rng=0) if outputs > 1 else data.moons(40, rng=0)
    loss = "cross_entropy" if outputs > 1 else "binary_cross_entropy"
    results = []
    for wrap in (jit, lambda model: model, lambda model: jit(model, enabled=False)):
        model = MLP(2, [5, outputs], "tanh", rng=0)
        trained = wrap(model)
        records = fit(trained, X, y, loss=loss, epochs=3, batch_size=16, lr=0.05, rng=0).run()
        if isinstance(trained, type(jit(model))):
            trained.sync()
        results.append([*[p.data for p in model.parameters()], records[-1].loss])
    np.testing.assert_allclose(results[0], results[1], rtol=1e-9)
    assert results[1] == results[2]


@pytest.mark.parametrize("f", [lambda w, x: w * x, lambda w, x: [w * x]])
def test_results_of_one_element_with_axes(f):
    """From a list of one Value, and from a batch of one."""
    w = Value(3.0)
    fast = jit(lambda x: f(w, x), [w])
    for y in (fast(2.0), fast.map([2.0]), fast.map([2.0, 5.0])[:1]):
        fast.flat.zero_grad()
        y.backward()
        assert (y.item(), fast.flat.grad.tolist()) == (6.0, [2.0])


# -------------------------------------------------------------------------- programs of many kinds


def recurrent(ws, xs, gate):
    """Return the last state of a small recurrent network."""
    h = 0.0
    for x in xs:
        new = (ws[0] * x + ws[1] * h + ws[2]).tanh()
        h = new if not gate else (ws[3] * x).sigmoid() * new + (1.0 - (ws[3] * x).sigmoid()) * h
    return h * h


def long_memory(ws, xs, forget):
    """Return the last state of a cell of an LSTM (Hochreiter & Schmidhuber 1997)."""
    h = c = 0.0
    for x in xs:
        gates = [(ws[i] * x + ws[i + 1] * h + ws[i + 2]).sigmoid() for i in range(3)]
        new = (ws[3] * x + ws[4] * h).tanh()
        c = (gates[0] * c if forget else c) + gates[1] * new
        h = gates[2] * c.tanh()
    return h


def attention_to_memory(ws, memory, read):
    """Read from a memory by content, and write, as a neural Turing machine."""
    cells = list(memory)
    for key in read:
        weights = softmax([ws[0] * key * cell for cell in cells])
        value = dot(weights, cells)
        cells = [
            cell * (1.0 - p) + p * (ws[1] * value + ws[2])
            for cell, p in zip(cells, weights, strict=True)
        ]
    return total(cells)


def row_or_last(ws, i, are_computed):
    """Select a row twice, the second time without counting from the end."""
    rows = [w * ws[0] for w in ws] if are_computed else ws
    row = take(rows, i)
    try:
        return row * select_row(rows, i)
    except ValueError:
        return row


def clipped_policy(ws, action, advantage, old):
    """Return a loss as in proximal policy optimization."""
    p = take(softmax(ws[:3]), action)
    ratio = p / old
    return (
        -(ratio * advantage)
        if (ratio * advantage) < (ratio.clip(0.8, 1.2) * advantage)
        else -(ratio.clip(0.8, 1.2) * advantage)
    )


@pytest.mark.parametrize(
    ("f", "calls"),
    [
        (recurrent, [([1.0, 2.0], False), ([0.5, -1.0], True), ([3.0] * 5, True)]),
        (long_memory, [([1.0, 2.0], True), ([0.5], True), ([0.1, 3.0], False), ([-2.0] * 4, True)]),
        (attention_to_memory, [([1.0, 2.0], [0.5]), ([0.1, -2.0], [1.0]), ([1.0] * 3, [1.0, 2.0])]),
        (
            row_or_last,
            [(i, are_computed) for are_computed in (True, False) for i in (1, -1, 3, -4)],
        ),
        (clipped_policy, [(0, 1.0, 0.5), (1, -1.0, 0.2), (2, 2.0, 0.9), (0, -3.0, 0.4)]),
    ],
)
def test_programs_of_users(f, calls):
    ws = [Value(0.3 * i - 0.5) for i in range(5)]
    fast = check(lambda *args: f(ws, *args), ws, calls)
    assert recordings(fast) <= len(calls)


# ------------------------------------------------------------------------------ limits of recordings


def test_no_grad_around_and_inside():
    w, v = Value(2.0), Value(-3.0)
    fast = jit(lambda x: w * x, [w])
    with no_grad():
        assert [fast(3.0).item(), fast(5.0).item()] == [6.0, 10.0]
    check(lambda x: w * x, [w], [(1.0,), (2.0,)])

    def inside(x):
        with no_grad():
            m = w * x
            k = (m * m + 1.0).tanh()
        return w * m + v * k

    assert recordings(check(inside, [w, v], [(1.0,), (2.0,), (-1.0,)])) == 1


def test_two_functions_over_the_same_values_keep_their_training():
    w = Value(3.0)
    one, other = jit(lambda x: w * x, [w]), jit(lambda x: w + x, [w])
    one(1.0)
    one.flat.data = [1.5]
    assert other(1.0).item() == 4.0
    assert one(1.0).item() == 1.5
    assert one([1.0][0], **{}).item() == 1.5
    one.sync()
    assert other(1.0).item() == 2.5


def test_selections_of_selections_and_of_arguments():
    w, v, u = Value(2.0), Value(-3.0), Value(5.0)
    table = Table([w, v, u])
    calls = [(i, k) for i in range(3) for k in range(2)]
    check(lambda i, k: take([table[i], w], k) * u, [w, v, u], calls)
    check(lambda i, k: Table([table[i], table[k]])[k] * u, [w, v, u], calls)
    check(lambda i, x: take([x * 1.0, w], i) * v, [w, v], [(0, 1.0), (0, 7.0), (1, 3.0)])
    fast = jit(lambda i, x: take([x, w], i) * v, [w, v])
    assert [fast(0, Value(1.0)).item(), fast(0, Value(7.0)).item()] == [-3.0, -21.0]


@pytest.mark.parametrize(
    ("f", "calls"),
    [
        (lambda w, t, x: caught(lambda: w * (1.0 / x), w), [0.0, 2.0, 0.0]),
        (lambda w, t, x: caught(lambda: w * (x**-1), w), [0.0, 2.0]),
        (lambda w, t, x: caught(lambda: w * int(x), w), [math.nan, 2.0, 5.0]),
        (lambda w, t, x: caught(lambda: w * (10 // x), w), [0, 2, 0, 5, -1]),
        (lambda w, t, x: caught(lambda: w * t[x], w), [7, 1, 0, -9]),
        (lambda w, t, x: w if caught(lambda: 10 // x > 4, 0.0) else w * w, [2, 0, 5, 0, 1]),
        (lambda w, t, x: caught(lambda: w * math.sqrt(x), w), [-1.0, 4.0]),
    ],
)
def test_errors_that_the_function_catches_are_decisions(f, calls):
    w, table = Value(2.0), Table([Value(10.0), Value(20.0)])
    check(lambda x: f(w, table, x), [w, *table], [(x,) for x in calls])
    check(lambda x: f(w, table, x), [w, *table], [(x,) for x in reversed(calls)])
    batch = jit(lambda x: f(w, table, x), [w, *table]).map(calls)
    assert batch.data.tolist() == [f(w, table, x).data for x in calls]


def caught(f, default):
    """Return the result of a function, or something else if it raises an error."""
    try:
        return f()
    except (ArithmeticError, ValueError, IndexError):
        return default * 1.0


def test_integers_beyond_64_bits():
    w, table = Value(3.0), Table([Value(1.0), Value(2.0)])
    check(lambda i: w * table[i % 2], [w, *table], [(1,), (2**70,), (2**70 + 1,)])
    check(lambda i, x: w * x, [w], [(2**70, 1.0), (1, 2.0), (-(2**70), 3.0)])
    parities = jit(lambda i: w * table[i % 2]).map([1, 2, 2**70 + 1, np.uint64(2**64 - 1)])
    assert parities.data.tolist() == [6.0, 3.0, 6.0, 6.0]
    for number in (2**64, -(2**63) - 1, 2**2000):
        square = jit(lambda i: w * (i * 1))
        for _ in range(2):  # at the first call, and after another
            with pytest.raises(OverflowError, match=r"at most 64 bits .* \(i \* 1\) = -?[0-9]+"):
                square(number)
            assert square(3).item() == 9.0
        with pytest.raises(IndexError, match="the table has 2 rows"):
            jit(lambda i: w * table[i]).map([0, number])
    check(lambda i: caught(lambda: w * i, w), [w], [(2**63 - 1,), (-(2**63),), (3,)])


@pytest.mark.parametrize("dtype", ["f2", "f4", ">f4", ">f8", "g", "i4", ">i2", "u8"])
def test_a_batch_takes_numbers_of_any_dtype(dtype):
    w = Value(3.0)
    f = lambda x: w * x[0] * x[1]
    X = np.array([[1, 2], [3, 4], [5, 250]]).astype(dtype)
    expected = [6.0, 36.0, 3750.0]
    y = jit(f).map(X)
    assert y.data.tolist() == expected
    assert [y.data for y in jit(f, enabled=False).map(X)] == expected
    assert jit(lambda x: w * x).map(X[:, 0]).data.tolist() == [3.0, 9.0, 15.0]


def test_a_batch_may_change_before_backward():
    w = Value(3.0)
    f = jit(lambda x: w * x[0])
    X = np.ones((4, 1))
    y = f.map(X)
    f.map(X)  # backward() of y must compute the numbers of y again
    X[:] = 9.0
    y.sum().backward()
    assert f.flat.grad.tolist() == [4.0]


def test_a_sum_of_results_while_parameters_are_found():
    p, q = Value(2.0, "p"), Value(3.0, "q")
    fast = jit(lambda xs: p * xs[0] if len(xs) == 1 else p * q * xs[0])
    (fast([1.0]) + fast([1.0, 1.0])).backward()
    assert fast.flat.grad.tolist() == [4.0, 2.0]


def test_arguments_receive_gradients_or_are_refused():
    w, x = Value(2.0), Value(3.0)
    fast = jit(lambda x: w * x * x, [w])
    fast(x).backward()
    assert (x.grad, fast.flat.grad.tolist()) == (12.0, [9.0])
    fast(x).backward()
    fast.map([x, x]).sum().backward()
    assert x.grad == 48.0  # they are added
    xs = [Value(1.0), Value(2.0)]
    (fast.map(xs) * [1.0, 10.0]).sum().backward()
    assert [x.grad for x in xs] == [4.0, 80.0]
    with pytest.raises(TypeError, match="expects leaves or constants as arguments"):
        fast(x * 2.0)


def test_leaves_that_the_function_makes_are_constants():
    w = Value(2.0)

    def f(xs):
        out = Value(0.0)
        for x in xs:
            out = out + w * x
        return out

    fast = jit(f)
    assert fast([1.0, 2.0]).item() == 6.0
    assert fast.flat.shape == (1,)
    fast.parameters()
    assert fast([1.0, 2.0, 3.0]).item() == 12.0
    off = jit(f, enabled=False)
    assert [off([1.0]).data, off([1.0]).data, len(off.parameters())] == [2.0, 2.0, 2]


def test_backward_uses_the_constants_of_its_call():
    w, c = Value(2.0), Value(3.0)
    fast = jit(lambda x: w * c * x, [w])
    y = fast(1.0)
    fast(1.0)
    c.data = 100.0
    y.backward()
    assert fast.flat.grad.tolist() == [3.0]
    assert fast(1.0).item() == 200.0
    y = fast.map([1.0, 2.0])
    c.data = 5.0
    assert fast.map([1.0, 3.0]).data.tolist() == [10.0, 30.0]
    y.sum().backward()
    assert fast.flat.grad.tolist() == [303.0]


def test_recordings_that_only_look_alike():
    w, c, d = Value(2.0), Value(1.0), Value(1.0)
    fast = jit(lambda x: w * (c if x > 0.0 else d), [w])
    assert [fast(1.0).item(), fast(-1.0).item()] == [2.0, 2.0]
    d.data = 5.0
    assert [fast(1.0).item(), fast(-1.0).item()] == [2.0, 10.0]

    def rounds(x):
        n = int((w * x).data) if x > 0.0 else round((w * x).data) + 1
        return w * x * n

    check(rounds, [w], [(0.3,), (-0.3,), (-0.1,), (0.3,), (-0.3,)])
    shapes = jit(lambda x: w * x if x > 0.0 else [w * x], [w])
    assert [shapes(1.0).shape, shapes(-1.0).shape, shapes(2.0).shape] == [(), (1,), ()]


def test_tables_do_not_change():
    w, v, u = Value(2.0), Value(-3.0), Value(5.0)
    table = Table([w, v])
    for change in (lambda: table.append(u), lambda: table.__setitem__(0, u), table.clear):
        with pytest.raises(TypeError, match="a Table cannot change"):
            change()

    def f(i, k):
        rows = [w, v]
        first = take(rows, i)
        rows[1] = u
        return first * take(rows, k)

    check(f, [w, v, u], [(1, 1), (0, 1), (1, 0)])


def test_a_frozen_parameter_is_an_error():
    w = Value(2.0, "w")
    fast = jit(lambda x: w * x, [w])
    fast(1.0)
    w.requires_grad = False
    for _ in range(2):  # and in later calls
        with pytest.raises(ValueError, match="was frozen"):
            fast(2.0)


def test_functions_in_functions_are_one_recording():
    w = Value(2.0)
    inner = jit(lambda x: w * x, [w])
    fast = jit(lambda x: inner(w * x) * inner(x), [w])
    y = fast(3.0)
    y.backward()
    assert (y.item(), fast.flat.grad.tolist()) == (72.0, [108.0])


def test_backward_in_threads(in_threads):
    w = Value(2.0)
    fast = jit(lambda x: w * w * x, [w])

    def work(i):
        for _ in range(100):
            y = fast(float(i + 1))
            y._x[0]._grad = None
            (gradient,) = y.op.pull_all(np.ones(()), fast.flat.data)
            assert gradient.tolist() == [4.0 * (i + 1)]

    in_threads(work, 3)


def test_static_arguments_of_other_types_and_unknown_names():
    w = Value(2.0)
    fast = jit(lambda n: w * (3.0 if isinstance(n[0], int) else 1.0), [w], static=["n"])
    assert [fast((2,)).item(), fast((2.0,)).item()] == [6.0, 2.0]
    with pytest.raises(ValueError, match="no argument 'm'"):
        jit(lambda n: w, [w], static=["m"])


def test_numbers_do_not_have_the_methods_of_values():
    message = "'float' object has no attribute 'tanh'; pass a Value, which has one"
    with pytest.raises(AttributeError, match=message):
        jit(lambda x: x.tanh())(2.0)
    assert jit(lambda x: x.tanh())(Value(0.0)).item() == 0.0


def test_numba_is_first_imported_and_compiles_while_decisions_are_recorded(tmp_path):
    """`max` and `min` are replaced then, by functions that numba does not know."""
    code = """
from engine import Tape, Value, record_branches
x = Value(3.0)
with record_branches():
    tape = Tape(max(x, 0.0) * 2.0)
print(tape.flat.data)
from numba import njit
print(njit(lambda a: max(a, 1.0))(2.0))
"""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "[3.]\n2.0\n", done.stderr
