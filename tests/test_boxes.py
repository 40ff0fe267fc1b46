"""Stepping through boxes: the numbers of the engine, each part after those it depends on."""

import re

import pytest

from engine import Value, total
from engine.draw import step
from engine.draw.graph.view import Box, build_view
from engine.draw.look.theme import format_number, norm
from engine.draw.steps.boxes import split_into_parts, trace_boxes
from nn import MLP, data

SPEC = ".10g"


def penalized(samples=2, sizes=(4, 3, 1), **how):
    """Return a loss with a penalty: nodes outside layers feed layers and depend on them."""
    model = MLP(2, sizes, "tanh", rng=0, **how)
    points, y = (xs[:samples] for xs in data.moons(samples + 2, rng=0))
    inputs = [[Value(a, f"x{i}"), Value(b, f"y{i}")] for i, (a, b) in enumerate(points)]
    errors = [(model(x) - t).square() for x, t in zip(inputs, y, strict=True)]
    loss = total(errors) + 1e-3 * total([p * p for p in model.parameters()])
    loss.label = "loss"
    return loss, model


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("level", ["layers", "layers.1", ["layers.0", "the rest"], ["the inputs"]])
def test_the_gradients_are_those_of_the_engine(level, fused):
    loss, model = penalized(fused=fused)
    view = build_view(loss, model, level)
    traced = trace_boxes(view, SPEC)
    grads = {}
    for frame in traced.frames:
        grads |= frame.grad
    loss.backward()
    for part in view.drawn:
        if isinstance(part, Box):
            want = norm([x.grad for x in part.parameters])
            assert grads.get(part.id) == (format_number(want, SPEC) if part.parameters else None)
        elif not part.node.constant:
            assert grads[part.id] == format_number(part.node.grad, SPEC)
    assert all(traced.grads[node] == node.grad for node in view.ids if not node.constant)


@pytest.mark.parametrize("level", ["layers", "layers.1", ["layers.0", "the rest"]])
def test_each_part_comes_after_the_parts_it_depends_on(level):
    loss, model = penalized()
    view = build_view(loss, model, level)
    titles = {place: place for place in view.ids.values()}
    parts = split_into_parts(view, {node: titles[place] for node, place in view.ids.items()})
    number_of = {node: i for i, part in enumerate(parts) for node in part.nodes}
    assert set(number_of) == {node for node in view.ids if node.op is not None}
    for node, i in number_of.items():
        assert all(number_of.get(x, -1) <= i for x in node.inputs)
    frames = trace_boxes(view, SPEC).frames
    computed = [frame.node for frame in frames if frame.kind == "forward"]
    assert computed == [part.id for part in parts]


def test_contributions_between_parts_are_sent_once_and_those_inside_are_not():
    loss, model = penalized(samples=1, sizes=(2, 1))
    frames = trace_boxes(build_view(loss, model, "layers"), ".4g").frames
    steps = [(frame.title, frame.note) for frame in frames if frame.kind == "backward"]
    assert [title for title, _ in steps] == [
        "From the rest, part 2 of 2 to the rest, part 1 of 2",
        "From the rest, part 2 of 2 to layers.1",
        "From layers.1 to its own parameters",
        "From layers.1 to layers.0",
        "From the rest, part 1 of 2 to the parameters of layers.1",
        "From the rest, part 1 of 2 to the parameters of layers.0",
        "From layers.0 to its own parameters",
        "From layers.0 to the inputs",
    ]
    assert steps[2][1].startswith("3 gradients with norm")
    assert steps[0][1] == "1 contribution: 1"
    assert [frame.title for frame in frames if frame.kind == "forward"] == [
        "layers.0", "the rest, part 1 of 2", "layers.1", "the rest, part 2 of 2",
    ]  # fmt: skip


def test_marked_ids_are_in_the_drawing():
    loss, model = penalized()
    for level in ("layers", "layers.1"):
        stepper = step(loss, model, level=level)
        ids = {id.partition("-")[2] for id in re.findall(r'\bid="([^"]+)"', stepper.drawing.svg)}
        for frame in stepper.frames:
            assert ids.issuperset(frame.marked), frame


def test_a_large_graph_collapses_by_default_and_a_small_one_on_request():
    loss, model = penalized(samples=20, sizes=(16, 16, 1))
    assert len(step(loss, model, limit=30).frames) < 40  # layer by layer
    middling, of = penalized(fused=False)
    assert any("neurons" in frame.title for frame in step(middling, of, limit=10).frames)
    small, model = penalized(samples=1, sizes=(2, 1))
    assert [run.title for run in step(small, model, level="layers").runs] == ["Backpropagation"]
    assert len(step(small, model, level="values").runs) == 3
    assert len(step(loss).frames) < 40  # without the model, by repeated structure
