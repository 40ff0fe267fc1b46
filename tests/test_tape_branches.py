"""A tape checks the decisions that Python made while the graph was built."""

import builtins
import itertools
import math
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from engine import Value, topological, total, walk
from nn import MLP

if not os.environ.get("CI"):
    pytest.importorskip("numba", reason="numba is not installed: pip install -e '.[jit]'")

from engine import BranchChanged, Tape, record_branches


def kinked(x):
    """Branch on a Value."""
    if x > 1.0:
        return x * 2.0
    return x * 3.0


def test_a_flipped_branch_raises_and_names_the_line():
    x = Value(3.0, "x")
    tape = Tape(lambda: kinked(x))
    assert tape.forward() == 6.0
    tape.flat.data = [1.5]
    assert tape.forward() == 3.0
    tape.flat.data = [0.5]
    message = (
        r"x > 1 was True .* is False now \(test_tape_branches.py, line \d+ in kinked: if x > 1.0:\)"
    )
    with pytest.raises(BranchChanged, match=message):
        tape.forward()
    with pytest.raises(RuntimeError):  # the forward pass failed
        tape.backward()
    tape.flat.data = [2.0]
    assert tape.forward() == 4.0


def test_a_tape_made_within_record_branches():
    x = Value(3.0, "x")
    with record_branches():
        tape = Tape(kinked(x))
    tape.flat.data = [0.5]
    with pytest.raises(BranchChanged):
        tape.forward()


def test_a_graph_that_was_built_before_is_not_checked():
    x = Value(3.0)
    tape = Tape(kinked(x))
    tape.flat.data = [0.5]
    assert tape.forward() == 1.0  # the docstring warns of this


@pytest.mark.parametrize(
    ("decide", "holds", "fails"),
    [
        (lambda x, y: x < y, (1.0, 2.0), (2.0, 2.0)),
        (lambda x, y: x <= y, (2.0, 2.0), (3.0, 2.0)),
        (lambda x, y: x > y, (3.0, 2.0), (2.0, 2.0)),
        (lambda x, y: x >= y, (2.0, 2.0), (1.0, 2.0)),
        (lambda x, y: x < 2.0, (1.0, 0.0), (3.0, 0.0)),
        (lambda x, y: x.data == y.data, (2.0, 2.0), (2.0, 3.0)),
        (lambda x, y: x.data != 1.0, (2.0, 0.0), (1.0, 0.0)),
        (lambda x, y: bool(x.data), (2.0, 0.0), (0.0, 0.0)),
        (lambda x, y: abs(x.data - y.data) < 0.5, (2.0, 2.1), (2.0, 3.0)),
        (lambda x, y: 1.0 / x.data + y.data * 2.0 > 0.0, (1.0, 1.0), (-1.0, 0.0)),
        (lambda x, y: -x.data <= 0.0, (1.0, 0.0), (-1.0, 0.0)),
        (lambda x, y: (x - y).exp() > 1.0, (2.0, 1.0), (1.0, 2.0)),  # of a temporary node
        (lambda x, y: max(x, y) is x, (2.0, 1.0), (1.0, 2.0)),
        (lambda x, y: sorted([x, y])[0] is x, (1.0, 2.0), (2.0, 1.0)),
        (lambda x, y: x < float("nan"), (1.0, 1.0), None),
    ],
)
def test_every_kind_of_decision(decide, holds, fails):
    """The tape raises an error only for numbers that change a decision."""
    x, y = map(Value, holds)
    tape = Tape(lambda: x * 2.0 if decide(x, y) else y + x, parameters=[x, y])
    tape.forward()
    tape.flat.data = np.array(holds) * 1.0
    tape.forward()
    if fails:
        tape.flat.data = fails
        with pytest.raises(BranchChanged):
            tape.forward()


def test_decisions_about_constants_alone_are_not_checked():
    x = Value(1.0)
    tape = Tape(lambda: x * (2.0 if Value.lift(3.0) > 2.0 else 5.0))
    assert tape._decisions.all == []


def test_a_branch_for_one_sample_of_a_batch():
    w, x = Value(1.0, "w"), Value(2.0, "x")

    def model(inputs):
        (x,) = inputs
        return w * x if x > 0.0 else w - x

    tape = Tape(model, [x])
    assert tape.forward([[1.0], [2.0]]).tolist() == [1.0, 2.0]
    with pytest.raises(
        BranchChanged, match=r"x > 0 was True .* is False now for sample 2 \(.*line"
    ):
        tape.forward([[1.0], [2.0], [-3.0]])


def test_a_branch_on_a_parameter_of_a_batch():
    w, x = Value(1.0, "w"), Value(2.0, "x")
    tape = Tape(lambda xs: w * xs[0] if w > 0.0 else w - xs[0], [x])
    tape.flat.data = [-1.0]
    with pytest.raises(BranchChanged, match="w > 0"):
        tape.forward([[1.0]])


def test_recording_branches_changes_neither_order_nor_gradients():
    """The compared nodes are not under the root, and are built in another order."""
    model = MLP(2, [4, 1], "tanh", rng=0)

    def build():
        extra = model.layers[1].neurons[0].bias * 3.0
        assert extra < 1e9
        return model([0.5, 1.0])

    tape, plain = Tape(build, parameters=model.parameters()), model([0.5, 1.0])
    plain.backward()
    assert tape.forward() == plain.data
    tape.backward()
    assert tape.flat.grad.tolist() == [p.grad for p in model.parameters()]


def test_recording_branches_leaves_no_trace():
    """Comparisons, data and classes are as before, also after an error."""
    before = dict(vars(Value)), Value.__lt__
    branches = []

    def fails():
        with record_branches(), record_branches() as inner:
            assert Value(1.0) < 2.0
            branches.append(len(inner))
            Value(1.0).data / 0.0

    with pytest.raises(ZeroDivisionError):
        fails()
    assert (dict(vars(Value)), Value.__lt__) == before
    assert type(Value(1.0).data) is float
    assert branches == [1]


def test_other_threads_are_not_recorded():
    with record_branches() as branches:
        other = threading.Thread(target=lambda: Value(1.0) < 2.0)
        other.start()
        other.join()
    assert branches == []


def test_numbers_of_values_are_numbers_while_branches_are_recorded():
    with record_branches() as branches:
        x = Value(2.0)
        assert Value(x.data).data == 2.0
        assert type(Value(x.data)._data) is float
        assert x.data + 1 == 3.0
        assert 2 * x.data - 1 == 3.0
        assert {x.data: "a"}[2.0] == "a"
        assert (x.data == "a") is False
        assert f"{x.data:.1f}" == "2.0"
        assert np.array([x.data]).dtype == float
    assert {str(branch) for branch in branches} == {
        "2 == 2", "3 == 3", "2 == 'a'", "float(2)", "hash(2)", "format(2, '.1f')",
    }  # fmt: skip


def test_decisions_while_walking_are_no_branches():
    """The engine itself does not compare Values."""
    x = Value(2.0)
    y = (x * x).relu()
    with record_branches() as branches:
        y.backward()
        list(walk(y))
        topological(y)
    assert branches == []


def test_a_number_that_enters_the_graph_is_computed_again():
    """It is a constant of the graph: its number follows, and no gradient flows through it."""
    for build in (
        lambda x: x * x.data,
        lambda x: x * x.detach(),
        lambda x: (x - max(x.data, 0.5)).exp() + x,
        lambda x: x * (x.data + 1.0),
        lambda x: (x - min([3.5, x.data, (x * 2.0).data])).tanh(),
        lambda x: x * max(0.0, x.data),
        lambda x: (x * x).detach() + x,
        lambda x: total([x, x.detach(), (2.0 * x.detach()).detach() * x]),
    ):
        x = Value(3.0, "x")
        tape = Tape(lambda build=build, x=x: build(x))
        for number in (3.0, 5.0, -2.0, -0.0, math.nan):
            x = Value(number)
            y = build(x)
            y.backward()
            tape.flat.data = [number]
            assert repr(tape.forward()) == repr(y.data)
            tape.backward()
            assert repr(tape.flat.grad.tolist()) == repr([x.grad])


def test_the_order_of_numbers_does_not_change_their_softmax():
    """The maximum of numbers, as programs subtract it for softmax, is no decision."""

    def softmax_of_first(zs):
        largest = max(z.data for z in zs)
        exps = [(z - largest).exp() for z in zs]
        return exps[0] / total(exps)

    zs = [Value(float(i)) for i in range(4)]
    tape = Tape(lambda: softmax_of_first(zs))
    for numbers in itertools.permutations([0.3, 900.0, -1e9, 2.0]):
        leaves = [*map(Value, numbers)]
        y = softmax_of_first(leaves)
        y.backward()
        tape.flat.data = numbers
        assert tape.forward() == y.data
        tape.backward()
        assert tape.flat.grad.tolist() == [z.grad for z in leaves]
    assert type(builtins.max) is type(builtins.min) is type(len)  # they are Python's own again


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64, int])
def test_decisions_with_numpys_numbers(kind):
    for decide in (
        lambda x, y: y * x.data < 10,
        lambda x, y: y > x.data,
        lambda x, y: x.data < y,
        lambda x, y: x.data**y < 100,
    ):
        x = Value(1.0)
        tape = Tape(lambda decide=decide, x=x: x * 2.0 if decide(x, kind(2)) else x * 3.0)
        assert tape._decisions.all
        tape.flat.data = [50.0]
        with pytest.raises(BranchChanged):
            tape.forward()


def test_a_decision_about_a_constant_that_is_then_loaded():
    x, c = Value(3.0, "x"), Value(1.0, "c")
    tape = Tape(lambda: x * 2.0 if c > 0.0 else x * 5.0, parameters=[x])
    assert tape.forward() == 6.0
    c.data = -1.0
    tape.load()
    with pytest.raises(BranchChanged, match="c > 0"):
        tape.forward()


def test_sync_checks_decisions():
    x = Value(3.0, "x")
    y = None

    def build():
        nonlocal y
        y = x * 2.0 if x > 0.0 else x * 5.0
        return y

    tape = Tape(build)
    tape.forward()
    tape.flat.data = [-1.0]
    with pytest.raises(BranchChanged):
        tape.sync()
    assert (x.data, y.data) == (3.0, 6.0)


def test_recording_branches_needs_no_numpy():
    code = "import sys; from engine import record_branches; print('numpy' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"
