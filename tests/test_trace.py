"""The frames of backpropagation show the numbers that the engine computes."""

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given

from engine import Value, grad, mistakes, softmax, topological, walk
from engine.draw import step
from engine.draw.formulas.labels import set_plain
from engine.draw.graph.clusters import Modules, describe_places
from engine.draw.look.theme import format_number
from engine.draw.steps.frames import Status
from engine.draw.steps.trace import trace
from engine.watch.causes import find_causes
from engine.watch.wrong_passes import WRONG, contributions, nearly_equal
from nn import MLP
from strategies import examples, programs

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
        ("forward", "v₂ = x · y"),
        ("forward", "f = v₂ + x"),
        ("seed", "The gradient starts at f"),
        ("backward", "From f to v₂"),
        ("backward", "From f to x, use 1 of 2"),
        ("backward", "From v₂ to x, use 2 of 2"),
        ("backward", "From v₂ to y"),
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


def test_frames_name_the_neuron():
    model = MLP(2, [2, 1], "tanh", rng=0)
    loss = (model([Value(0.5, "x1"), Value(-1.0, "x2")]) - 1.0) ** 2
    order = topological(loss)
    frames = trace(loss, order=order, places=describe_places(Modules(order, model))).frames
    places = [frame.where for frame in frames]
    assert places[1:6] == ["layers[0], neuron 0"] * 2 + ["layers[0], neuron 1"] * 2 + [
        "layers[1], neuron 0"
    ]
    assert "layers[1], neuron 0 → layers[0], neuron 1" in places
    assert places[-1] == places[0] == ""


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


NUMBER = r"−?\d+(?:\.\d+)?(?:e[+−]?\d+)?"


@examples(40)
@given(program=programs(longest=15))
def test_the_texts_of_wrong_passes_agree_with_their_numbers(program):
    """Marks and notes say of each gradient what the numbers in the drawing say, at every frame."""
    root = Value.lift(program.on_values()[-1])
    if root.constant:
        return
    order = topological(root)
    names = [set_plain(name) for name in trace(root).names.values()]
    right, *wrong = trace(root, SPEC).runs
    assert not any(frame.marks or frame.alarm for frame in right.frames)
    for run, mistake in zip(wrong, mistakes(root), strict=True):
        truth = {f"v{i}": mistake.right[x] for i, x in enumerate(order) if x in mistake.right}
        sends, grads, marks = {}, {}, {}
        for frame in run.frames:
            if frame.to and frame.node in grads:
                sends.setdefault(frame.node, number(grads[frame.node]))
            grads |= frame.grad
            marks |= frame.marks
            for name, is_wrong, due in re.findall(
                rf"(\S+) ends with ({NUMBER}) instead of ({NUMBER})", frame.note
            ):
                id = f"v{names.index(name)}"
                assert number(is_wrong) == number(grads[id]) != number(due) == truth[id]
            for name, is_wrong, due in re.findall(
                rf"(\S+) sends ({NUMBER}) instead of ({NUMBER})", frame.note
            ):
                id = f"v{names.index(name)}"
                assert (
                    number(is_wrong) == sends[id] == number(grads[id]) != number(due) == truth[id]
                )
            for id, (kind, text) in marks.items():
                if kind == "due":
                    assert number(text.split()[-1]) == truth[id]
                elif kind == "right":
                    assert nearly_equal(number(grads[id]), truth[id])
                elif kind == "wrong":
                    assert number(text.split()[-1]) == truth[id]
                    assert not nearly_equal(number(grads[id]), truth[id])
                else:
                    assert not nearly_equal(sends[id], truth[id])
                    assert number(re.search(NUMBER, text)[0]) == sends[id]
                    assert not text.startswith("✓") or nearly_equal(number(grads[id]), truth[id])
        assert {id: number(x) for id, x in grads.items()} == {
            f"v{i}": mistake.final[x] for i, x in enumerate(order) if x in mistake.right
        }
        ends = [id for id in truth if not nearly_equal(number(grads[id]), truth[id])]
        assert sorted(id for id, mark in marks.items() if mark.kind == "wrong") == sorted(ends)
        title = run.frames[-1].title
        assert title.startswith(
            f"{len(ends)} of {len(truth)} gradient" if ends else "All gradients"
        )
        assert any(frame.alarm for frame in run.frames) >= bool(ends)
        assert sum("the first mistake" in frame.note for frame in run.frames) == any(
            frame.alarm for frame in run.frames
        )


def number(text):
    return float(text.replace("−", "-"))


@examples(40)
@given(program=programs(longest=15))
def test_causes_account_for_every_wrong_gradient(program):
    """What a gradient lacks at the end is the sum of the effects of all causes."""
    root = Value.lift(program.on_values()[-1])
    if root.constant:
        return
    order = topological(root)
    for variant, mistake in zip(WRONG, mistakes(root), strict=True):
        causes = find_causes(order, variant, list(contributions(order, variant)), mistake)
        for node, right in mistake.right.items():
            effects = [cause.effects.get(node, 0.0) for cause in causes]
            size = abs(right) + sum(map(abs, effects))
            assert right - mistake.final[node] == pytest.approx(
                sum(effects), rel=1e-9, abs=1e-9 * size + 1e-12
            )
            if node in mistake.wrong_at_end:
                assert any(node in cause.wrong for cause in causes)


def note_of(run, title):
    (frame,) = [frame for frame in run.frames if frame.title == title]
    return frame.note


def test_notes_say_what_is_early_what_is_late_and_who_ends_wrong():
    a = Value(2.0, "a")
    b = a * 3.0
    b.label = "b"
    c = b + b.exp()
    c.label = "c"
    _, order, sum_ = trace(c).runs
    assert [frame.note for frame in order.frames if frame.to] == [
        "",
        "",
        "b sends too early, with 1 of 2 contributions: 1 instead of 404.4. This is the first "
        "mistake. a ends with 3 instead of 1213, because of b.",
        "403.4 arrives too late: b has already sent 1, and does not send again. Its own gradient "
        "is now complete: 404.4.",
    ]
    assert order.frames[-1].title == "1 of 4 gradients ends wrong: a"
    assert order.frames[-1].note == (
        "b sent too early, with 1 of 2 contributions: it sent 1, and 403.4 arrived late, so a ends "
        f"with 3 instead of 1213. b itself ends correct.\n{WRONG[0].reason}"
    )
    marks = [mark for frame in order.frames for mark in frame.marks.items()]
    assert marks[:4] == [
        (id, Status("due", f"true {x}"))
        for id, x in [("v0", "1213"), ("v2", "404.4"), ("v3", "1"), ("v4", "1")]
    ]
    assert marks[4:] == [
        ("v4", Status("right", "✓ correct")),
        ("v3", Status("right", "✓ correct")),
        ("v2", Status("early", "sent 1 early")),
        ("v0", Status("wrong", "✗ true 1213")),
        ("v2", Status("early", "✓ but sent 1")),
    ]
    assert [frame.note for frame in sum_.frames if frame.to] == [
        "",
        "",
        "1 is replaced by 403.4, not added to it. This is the first mistake.",
        "b sends 403.4 instead of 404.4. a ends with 1210 instead of 1213, because of b.",
    ]
    assert words(sum_.frames[2].lines[0]) == "b.grad=c.grad⋅∂c∂b⏟1"
    assert sum_.frames[-1].title == "2 of 4 gradients end wrong: b and a"
    assert sum_.frames[-1].note == (
        "b lost 1 and kept 403.4.\nBecause of this, b ends with 403.4 instead of 404.4 and a with "
        f"1210 instead of 1213.\n{WRONG[1].reason}"
    )


def test_numbers_that_differ_in_late_digits_are_told_apart():
    a = Value(1.0, "a")
    b = a * 1.0
    root = b + b.exp() * 1e-7
    frames = trace(root).runs[1].frames
    notes = " ".join(frame.note for frame in frames)
    assert "a ends with 1 instead of 1.0000003" in notes
    assert "Its own gradient is now complete: 1.0000003." in notes
    marks = [mark.text for frame in frames[1:] for mark in frame.marks.values()]
    assert marks[2:] == ["sent 1 early", "✗ by −2.718e−07", "✓ correct", "✓ sent early"]


def test_wrong_passes_are_correct_on_a_chain():
    for run in trace(Value(0.5, "x").exp().tanh()).runs[1:]:
        assert run.frames[-1].title == "All gradients end correct, this time"
        assert run.frames[-1].note.startswith("No value is used twice here")


def test_step_refuses_what_is_no_node():
    with pytest.raises(TypeError, match="step expects a Value or an Array, got 3"):
        step(3)


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
