"""The tape against the graph: the same bits, whatever the graph and the numbers."""

import math
import os
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import Array, Op, Value, topological
from engine.ops import TABLE
from engine.tape.rows import CODES, template
from nn import MLP, data, losses, optim
from strategies import any_float, programs

if not os.environ.get("CI"):  # where it must be there
    pytest.importorskip("numba", reason="numba is not installed: pip install -e '.[jit]'")

from engine.tape import Tape


def same(x, y):
    """To the bit, but that one nan is as good as another."""
    return (
        x != x and y != y
        if x != x or y != y
        else x == y and math.copysign(1, x) == math.copysign(1, y)
    )


def replayed(root):
    """What a tape of the graph computes, after all that it had computed was forgotten."""
    tape = Tape(root)
    for node, slot in zip(tape.order, tape.slots, strict=True):
        if node.op is not None:
            tape.data[slot] = 123.0
    tape.forward()
    tape.backward()
    return tape


@settings(max_examples=300)
@given(program=programs(longest=20))
def test_the_same_bits_as_the_graph(program):
    root = Value.lift(program.on_values()[-1])
    root.backward()
    tape = replayed(root)
    for node, slot, place in zip(tape.order, tape.slots, tape.places, strict=True):
        assert same(tape.data[slot], node.data), node.op
        if not node.constant:
            assert tape.grad[place] == node.grad or node.grad != node.grad, node.op


@pytest.mark.parametrize("op", TABLE.values(), ids=TABLE)
@given(data=st.data())
def test_every_row_at_any_number(op, data):
    inputs = op.arity if op.group(range(op.arity)) == tuple(range(op.arity)) else 5
    xs = [Value(data.draw(any_float)) for _ in range(inputs)]
    root = op(*op.group(xs)) * 1.0
    root.backward()
    tape = replayed(root)
    assert same(tape.value, root.data)
    for x, place in zip(tape.order, tape.places, strict=True):
        if not x.constant:
            assert tape.grad[place] == x.grad or x.grad != x.grad


def test_after_its_leaves_have_changed():
    model = MLP(2, [5, 1], "tanh", rng=0)
    x = [Value(0.5), Value(-1.0)]
    loss = lambda: (model(x) - 0.3).square()
    tape = Tape(loss())
    tape.parameters.data = np.linspace(-1.0, 1.0, tape.parameters.size)
    tape.forward()
    tape.backward()
    tape.sync()
    got = {node: node.grad for node in tape.order if node.op is None and not node.constant}
    for node in got:
        node.grad = 0.0
    again = loss()
    again.backward()
    assert tape.value == again.data
    assert all(node.grad == grad for node, grad in got.items())


def test_an_optimizer_drives_its_parameters():
    """Fifty steps of Adam on the tape and on the Values, to the same bits."""
    points, y = data.moons(20, rng=0)
    one, other = (MLP(2, [8, 1], rng=0) for _ in range(2))
    loss = lambda model: losses.hinge([model(x) for x in points], 2 * y - 1)
    tape = Tape(loss(one))
    on_tape, on_values = (
        optim.Adam([tape.parameters], lr=0.01),
        optim.Adam(other.parameters(), lr=0.01),
    )
    for _ in range(50):
        got = tape.forward()
        tape.backward()
        on_tape.step()
        want = loss(other)
        assert got == want.data
        other.zero_grad()
        want.backward()
        on_values.step()
    tape.forward()
    tape.sync()
    assert [p.data for p in one.parameters()] == [p.data for p in other.parameters()]


def test_load_takes_the_numbers_of_the_graph():
    x = Value(3.0)
    tape = Tape(x * 2.0)
    x.data = 5.0
    assert tape.forward() == 6.0
    tape.load()
    assert tape.forward() == 10.0


def test_a_leaf_alone_and_a_long_chain():
    x = Value(3.0)
    tape = Tape(x)
    assert tape.forward() == 3.0
    tape.backward()
    assert tape.parameters.grad.tolist() == [1.0]
    y = x
    for _ in range(100_000):
        y = y * 1.0
    tape = Tape(y)
    tape.forward()
    tape.backward()
    assert (tape.value, tape.parameters.grad[0]) == (3.0, 1.0)


def test_a_tape_outlives_its_graph():
    tape = Tape(sum_of_squares := Value(2.0).square() + Value(1.0))
    del sum_of_squares
    tape.parameters.data = [3.0, 4.0]
    assert tape.forward() == 13.0


def test_a_row_of_the_users():
    cube = Op("cube", lambda x: x * x * x, lambda out, x: 3.0 * x * x)
    x = Value(2.0)
    tape = Tape(cube(x))
    tape.forward()
    tape.backward()
    assert (tape.value, tape.parameters.grad[0]) == (8.0, 12.0)
    with pytest.raises(TypeError, match="row 'sine' cannot be written on a tape"):
        Tape(Op("sine", lambda x: math.sin(x), lambda out, x: math.cos(x))(x))


@pytest.mark.parametrize("op", TABLE.values(), ids=TABLE)
def test_rows_are_written_in_instructions_that_there_are(op):
    inputs = op.arity if op.group(range(op.arity)) == tuple(range(op.arity)) else 5
    found = template(op, inputs)
    assert {each.do for each in (*found.forward, *found.backward)} <= set(CODES)
    assert len(found.locals) == inputs


def test_what_is_no_graph_of_values():
    with pytest.raises(TypeError, match="a tape records a graph of Values, got Array"):
        Tape(Array([1.0]).sum())


def test_without_numba_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "engine.tape.kernels", None)
    monkeypatch.delattr("engine.tape.kernels", raising=False)
    with pytest.raises(ImportError, match=r"pip install 'stepgrad\[jit\]'"):
        Tape(Value(1.0) * 2.0)


def test_the_order_of_the_nodes_is_the_graphs():
    root = Value(1.0).exp() + 2.0
    assert Tape(root).order == topological(root)
