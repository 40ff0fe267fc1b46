"""The source of a tape runs in Python to the same bits, and its summary counts correctly."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Value, dot, logsumexp, softmax, total
from engine.rules import TABLE
from nn import MLP
from strategies import any_float, batches, examples, programs, weighted

if not os.environ.get("CI"):
    pytest.importorskip("numba", reason="numba is not installed: pip install -e '.[jit]'")

from engine.tape import Tape
from test_tape import check_same, inputs_of


def run(text, numbers):
    """Run the code of a tape in Python."""
    names = {}
    exec(text, names)
    return names["replay"](*numbers)


def check_source(tape):
    """Assert that the source computes the bits of the tape."""
    outputs, slopes = run(tape.source(), tape.flat.data.tolist())
    check_same(np.atleast_1d(tape.forward()), outputs)
    tape.backward()
    check_same(tape.flat.grad, slopes)


def test_the_source_of_a_small_graph():
    x, w = Value(0.5, "x"), Value(2.0, "w")
    text = Tape((x * w + 1.0).tanh() + x, parameters=[x, w]).source()
    assert text.endswith(
        """def replay(x, w):
    # forward: 4 nodes
    v2 = x * w
    v4 = v2 + 1.0
    v5 = tanh(v4)
    v6 = v5 + x
    # backward: a gradient is the sum of its contributions, starting from 0
    d_v6 = 0.0 + 1.0
    d_v5 = 0.0 + d_v6; d_x = 0.0 + d_v6
    _0 = divide(1.0, cosh(v4)); d_v4 = 0.0 + d_v5 * (_0 * _0)
    d_v2 = 0.0 + d_v4
    d_x += d_v2 * w; d_w = 0.0 + d_v2 * x
    return [v6], [d_x, d_w]"""
    )


@examples(100)
@given(program=programs(longest=25, smooth=False))
def test_the_source_computes_the_bits_of_the_tape(program):
    check_source(Tape(Value.lift(program.on_values()[-1])))


@pytest.mark.parametrize("op", TABLE.values(), ids=TABLE)
@examples(6)
@given(data=st.data())
def test_every_row(op, data):
    drawn = data.draw(batches(*[any_float] * inputs_of(op)), label="inputs")
    leaves = [[*map(Value, xs)] for xs in drawn]
    roots = [weighted(op(*op.unflatten(xs))) * 1.0 for xs in leaves]
    check_source(Tape(roots, parameters=[x for xs in leaves for x in xs]))


def test_labels_that_cannot_be_names():
    """Keywords, functions, names of other nodes, and labels that occur twice."""
    labels = ["lambda", "exp", "v1", "d_x", "a", "a", "two words", "replay", "_0", "x", "abs", None]
    xs = [Value(i + 0.5, label) for i, label in enumerate(labels)]
    check_source(Tape(total([x.tanh() * -2.0 for x in xs]) + abs(xs[0]), parameters=xs))


def test_long_rows_and_decisions():
    xs = [Value(0.1 * i) for i in range(2000)]
    check_source(Tape(dot(xs[:1000], xs[1000:], -1.0)))
    x = Value(2.0, "x")
    tape = Tape(lambda: x * 2.0 if x > 1.0 else x)
    assert "assert x > 1.0" in tape.source()
    check_source(tape)


def test_with_inputs_and_without_a_graph():
    """The source does not need the graph; with inputs it is that of one sample."""
    xs = [Value(0.0, "height"), Value(0.0, "width")]
    model = MLP(2, [3, 2], "tanh", rng=0)
    tape = Tape(model, xs, parameters=model.parameters())
    text = tape.source()
    assert "height, width):" in text
    outputs, slopes = run(text, [*tape.flat.data.tolist(), 0.5, -1.0])
    check_same(tape.forward([[0.5, -1.0]])[0], outputs)
    tape.backward()
    check_same(tape.flat.grad, slopes[:-2])


def test_the_summary_counts_nodes_and_bytes():
    model = MLP(2, [3, 1], "tanh", rng=0, fused=False)
    root = (model([0.5, -1.0]) - 1.0).square()
    tape = Tape(root)
    lines = tape.summary().splitlines()
    _, *rows, _, whole = [line.split() for line in lines]
    counts = {row[0]: [int(x.replace(",", "")) for x in row[1:6]] for row in rows}
    assert counts["*"][0] == counts["+"][0] == 9
    assert (counts["tanh"][0], counts["-"][0], counts["square"][0]) == (3, 1, 1)
    totals = [sum(column) for column in zip(*counts.values(), strict=True)]
    assert [int(x.replace(",", "")) for x in whole[1:5]] == totals[:4]
    assert int(whole[5].replace(",", "")) == tape.nbytes
    assert all(len(line) <= 100 for line in lines)
    assert float(whole[6]) > 0.0


def test_the_summary_of_a_tape_with_inputs_and_decisions():
    w, x = Value(2.0), Value(1.0)
    tape = Tape(lambda xs: (w * xs[0]).exp() if xs[0] > 0.0 else w, [x], dtype=np.float32)
    before = tape.forward([[1.0], [2.0]]).tolist()
    names = [line.split()[0] for line in tape.summary().splitlines()]
    assert {"*", "exp", "decisions", "all"} <= set(names)
    tape.backward()  # the summary left the numbers of the tape alone
    np.testing.assert_allclose(tape.flat.grad, [before[0] + before[1] * 2], rtol=1e-6)


def test_constants_as_outputs_and_labels_that_python_normalizes_to_one():
    x, y = Value(1.5, "\u00b5"), Value(2.5, "\u03bc")
    check_source(Tape([x * y, Value.lift(2.0), Value.lift(-2.0)], parameters=[x, y]))


def test_no_line_is_longer_than_a_hundred_characters():
    xs = [Value(0.1 * i) for i in range(70)]
    tape = Tape([*softmax(xs[:40])[:3], dot(xs[:35], xs[35:]), logsumexp(xs)])
    assert max(map(len, tape.source().splitlines())) <= 100
    check_source(tape)
