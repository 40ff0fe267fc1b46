"""The frames of backpropagation show the numbers that the engine computes."""

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given

from engine import Array, Value, grad, mistakes, softmax, topological, walk
from engine.draw import step
from engine.draw.theme import format_number
from engine.draw.trace import trace
from engine.watch.wrong_passes import WRONG
from nn import MLP
from strategies import programs

SPEC = ".17g"  # every bit


@given(program=programs(longest=15))
def test_frames_show_the_numbers_of_the_engine_in_its_order(program):
    """Each contribution shows the sum so far, which ends as `.grad`."""
    root = Value.lift(program.on_values()[-1])
    if root.constant:
        return
    order = topological(root)
    traced = trace(root, SPEC)
    data = {name: x for frame in traced.frames for name, x in frame.data.items()}
    values = [(i, node) for i, node in enumerate(order) if isinstance(node, Value)]
    assert data == {f"v{i}": format_number(node.data, SPEC) for i, node in values}
    grads = [item for frame in traced.frames for item in frame.grad.items()]
    place, sums = {node: i for i, node in enumerate(order)}, dict.fromkeys(order, 0.0)
    want = [(f"v{len(order) - 1}", "1")]
    sums[root] = 1.0
    for sender in walk(root):
        for to, _, contribution in sender.sent:
            if isinstance(to, Value):
                sums[to] += contribution
                want.append((f"v{place[to]}", format_number(sums[to], SPEC)))
    assert grads == want
    assert all(traced.grads[node] == node.grad for _, node in values if not node.constant)


def test_frames_of_both_passes_mark_their_parts():
    x, y = Value(3.0, "x"), Value(2.0, "y")
    f = x * y + x
    f.label = "f"
    frames = trace(f).frames
    assert [(frame.kind, frame.title) for frame in frames] == [
        ("start", "Start with the inputs"),
        ("forward", "v2 = x · y"),
        ("forward", "f = v2 + x"),
        ("seed", "The gradient starts at f"),
        ("backward", "From f to v2"),
        ("backward", "From f to x, use 1 of 2"),
        ("backward", "From v2 to x, use 2 of 2"),
        ("backward", "From v2 to y"),
        ("end", "All gradients are complete"),
    ]
    assert frames[1].marked == ["v2", "o2", "e2", "e2-0", "e2-1", "v0", "v1"]
    assert frames[5].marked == ["v3", "o3", "e3", "e3-1", "v0"]
    assert [frame.grad for frame in frames[5:8]] == [{"v0": "1"}, {"v0": "3"}, {"v1": "3"}]


def words(line):
    """Return the text of a line of MathML."""
    return "".join(ET.fromstring(f"<math>{''.join(line)}</math>").itertext())


def test_the_chain_rule_with_names_with_numbers_and_the_running_sum():
    x = Value(3.0, "x")
    f = (x * -2.0) + x
    f.label = "f"
    *_, second, _ = trace(f).frames
    assert [words(line) for line in second.lines] == [
        "dfdx+=dfdv2⋅∂v2∂x⏟−2", "dfdx+=1⋅(−2)=−2", "dfdx=1−2=−1",
    ]  # fmt: skip
    assert [words(line) for line in trace(f).frames[1].lines] == ["v2=x⋅(−2)", "v2=3⋅(−2)=−6"]


def test_the_forward_pass_with_names_and_with_numbers():
    x, w = Value(-0.5, "x"), Value(2.0, "w")
    y = (x * w).tanh()
    lines = [words(line) for line in trace(y).frames[2].lines]
    assert lines == ["v3=tanh\u2061(v2)", "v3=tanh\u2061(−1)=−0.7616"]


def test_unique_labels_are_names():
    a, b = Value(1.0, "w"), Value(2.0, "w")
    y = (a * b) * 3.0
    y.label = "y"
    assert list(trace(y).names.values()) == ["w#1", "w#2", "v2", "3", "y"]


def test_names_are_unique():
    """Labels that look like generated names do not clash with them."""
    labels = ["v8", "a", "a", "a#1", "a#2#1", "", " "]
    xs = [Value(1.0, label) for label in labels]
    root = xs[0]
    for x in xs[1:]:
        root = root * x
    names = list(trace(root).names.values())
    assert len(set(names)) == len(names) == 13


def test_a_repeated_input_is_numbered():
    """Each arrow has its own derivative, and their sum is the gradient."""
    x = Value(3.0, "x")
    y = x * x
    y.label = "y"
    first, second = trace(y).frames[3:5]
    assert words(first.lines[0]) == "dydx+=dydy⋅∂y∂x#1⏟x"
    assert words(second.lines[0]) == "dydx+=dydy⋅∂y∂x#2⏟x"
    assert words(second.lines[2]) == "dydx=3+3=6"


def test_gradients_of_the_graph_do_not_change():
    x = Value(3.0, "x")
    y = x * 2.0
    x.grad, y.grad = 7.0, 8.0
    assert trace(y).grads[x] == 2.0
    assert (x.grad, y.grad) == (7.0, 8.0)


def test_every_line_is_well_formed_for_a_network():
    model = MLP(2, [3, 1], "sigmoid", rng=0)
    loss = (model([0.5, -1.0]) - 1.0).square()
    for frame in trace(loss).frames:
        for line in frame.lines:
            words(line)


@given(program=programs(longest=15))
def test_wrong_passes_show_the_gradients_of_mistakes(program):
    """Frames show the gradient that each node sends or ends with, and mark the wrong ones."""
    root = Value.lift(program.on_values()[-1])
    if root.constant:
        return
    order = topological(root)
    place = {node: f"v{i}" for i, node in enumerate(order)}
    right, *wrong = trace(root, SPEC).runs
    assert not any(frame.wrong or frame.note for frame in right.frames[1:])
    for run, mistake in zip(wrong, mistakes(root), strict=True):
        assert run.right == {
            place[x]: format_number(grad, SPEC) for x, grad in mistake.right.items()
        }
        marked = [id for frame in run.frames for id in frame.wrong]
        assert sorted(marked) == sorted(place[node] for node in mistake.wrong)
        assert marked[:1] == [place[node] for node in [mistake.first] if node is not None]
        grads, sent = {}, {}
        for frame in run.frames:
            if frame.to and frame.node in grads:  # an operation with several results has none
                sent.setdefault(frame.node, grads[frame.node])
            grads |= frame.grad
        grads_sent = {
            place[node]: format_number(grad, SPEC) for node, grad in mistake.gradients.items()
        }
        assert grads | sent == grads_sent
        firsts = sum("the first wrong gradient" in frame.note for frame in run.frames)
        assert firsts == (mistake.first is not None)


def test_notes_name_the_wrong_gradients():
    a = Value(2.0, "a")
    b = a * 3.0
    b.label = "b"
    c = b + b.exp()
    c.label = "c"
    _, order, sum_ = trace(c).runs
    assert [frame.note for frame in order.frames if frame.to] == [
        "",
        "",
        "b sends 1; the correct gradient is 404.4. This is the first wrong gradient. "
        "a ends with 3; the correct gradient is 1213.",
        "Too late: b has already propagated its gradient.",
    ]
    assert [frame.note for frame in sum_.frames if frame.to] == [
        "",
        "",
        "The earlier gradient 1 is lost.",
        "b sends 403.4; the correct gradient is 404.4. This is the first wrong gradient. "
        "a ends with 1210; the correct gradient is 1213.",
    ]
    assert words(sum_.frames[2].lines[0]) == "b.grad=c.grad⋅∂c∂b⏟1"
    assert order.frames[-1].title == sum_.frames[-1].title == "2 of 4 gradients are wrong"
    assert [run.frames[-1].note for run in (order, sum_)] == [variant.reason for variant in WRONG]


def test_wrong_passes_are_correct_on_a_chain():
    for run in trace(Value(0.5, "x").exp().tanh()).runs[1:]:
        assert run.frames[-1].title == "All gradients are correct, this time"
        assert run.frames[-1].note.startswith("No value is used twice here")


def test_step_refuses_arrays():
    with pytest.raises(TypeError, match="step expects a Value as root, got Array"):
        step(Array([1.0]).sum())


def test_an_operation_with_several_results_is_one_step():
    """All results are computed at once, and each input receives a sum over them, in three lines."""
    x, y = Value(1.0, "x"), Value(2.0, "y")
    p, q = softmax([x, y])
    p.label, q.label = "p", "q"
    loss = q.log() + p * x
    loss.label = "loss"
    frames = trace(loss, SPEC).frames
    titles = [frame.title for frame in frames]
    assert titles.count("p, q = softmax") == 1
    (computed,) = [frame for frame in frames if frame.title == "p, q = softmax"]
    assert len(computed.data) == len(computed.lines) == 2
    (sent,) = [frame for frame in frames if frame.title == "From p, q to y"]
    assert len(sent.lines) == 3
    assert sent.grad == {"v1": format_number(grad(loss, y), SPEC)}
    assert not any(title == "From q to softmax" for title in titles)
    wrong = trace(loss, SPEC).runs[1].frames
    assert any(frame.title == "From q to softmax" for frame in wrong)
