"""Graphs that are too large are drawn all the same, and can be stepped through."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import Value, record_origins, softmax
from engine.draw import draw, step
from engine.draw.graph.coarse import NEAREST, depend_on_each_other, group_large
from engine.draw.graph.view import Box, Cell, build_view
from engine.draw.look.theme import format_number
from engine.draw.steps.boxes import trace_boxes
from engine.graph import topological
from nn import MLP
from tests.geometry import assert_edges_avoid_labels, assert_no_overlap
from tests.test_folding import bodies, unroll

SPEC = ".10g"


def squares(n):
    return sum(Value(i / 7, f"x{i}").square() for i in range(n))


def tangle(n):
    """Return a graph without repeated structure."""
    rng, xs = random.Random(0), [Value(0.1, "a"), Value(0.2, "b")]
    for _ in range(n):
        x, y = xs[-1], rng.choice(xs[-9:])
        xs.append(rng.choice([x * y, x + y, x.tanh(), x - y, x.sin()]))
    return xs[-1]


def recorded(steps):
    with record_origins():
        w, x = Value(0.5, "w"), Value(1.0, "x")
        for _ in range(steps):
            y = w * x
            x = y.tanh() + x
        return x


def mix(steps):
    """Return a value after steps of softmax, an operation with several results."""
    xs = [Value(i / 3, f"x{i}") for i in range(3)]
    for _ in range(steps):
        xs = [3.0 * x for x in softmax(xs)]
    return xs[0]


GRAPHS = {
    "recurrence": lambda: unroll([(0, "*"), (1, "input"), (2, "tanh"), (3, "skip")], 120),
    "squares": lambda: squares(300),
    "tangle": lambda: tangle(600),
    "lines": lambda: recorded(200),
    "chain": lambda: unroll([(0, "tanh")], 501),
    "several results": lambda: mix(60),
}
graphs = pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)


@graphs
@pytest.mark.parametrize("limit", [1, 2, 10, 100, 500])
def test_every_node_is_in_one_cell_or_box_and_the_limit_holds(graph, limit):
    root = graph()
    order = topological(root)
    for to_step in (False, True):
        view = build_view(root, limit=limit, to_step=to_step)
        assert len(view.drawn) <= limit
        assert [*view.ids] == order
        assert sum(getattr(part, "nodes", 1) for part in view.drawn) == len(order)
        assert {part.id for part in view.drawn} == {*view.ids.values()}
        for box in view.drawn:
            if isinstance(box, Box):
                assert box.nodes == list(view.ids.values()).count(box.id)
    assert not depend_on_each_other(order, group_large(order, limit, acyclic=True))


@graphs
def test_coarse_pictures_are_legible(graph):
    root = graph()
    root.backward()
    svg = draw(root, direction=random.Random(0).choice(["right", "down"])).svg
    assert_no_overlap(svg)
    assert_edges_avoid_labels(svg)


@graphs
def test_any_graph_can_be_stepped_through_with_the_gradients_of_the_engine(graph):
    root = graph()
    view = build_view(root, limit=250, to_step=True)
    traced = trace_boxes(view, SPEC)
    assert len(traced.frames) < 800
    data, grads = {}, {}
    for frame in traced.frames:
        data |= frame.data
        grads |= frame.grad
    root.backward()
    for part in view.drawn:
        node = part.result if isinstance(part, Box) else part.node
        if isinstance(node, Value) and not node.constant:
            assert data[part.id] == format_number(node.data, SPEC)
            assert grads[part.id] == format_number(node.grad, SPEC)
    stepper = step(root)
    ids = {id for frame in stepper.frames for id in frame.marked}
    ids -= {part.id for part in view.drawn if isinstance(part, Cell) and part.kind == "operation"}
    assert [id for id in ids if f'-{id}"' not in stepper.drawing.svg] == []


@given(bodies, st.integers(3, 40), st.integers(1, 60))
@settings(max_examples=10)
def test_a_group_of_an_unrolled_loop_depends_on_no_group_that_depends_on_it(body, steps, limit):
    order = topological(unroll(body, steps))
    groups = group_large(order, limit, acyclic=True)
    nodes = [node for group in groups for node in group.nodes]
    assert len(nodes) == len({*nodes}) <= len(order)
    assert not depend_on_each_other(order, groups)
    assert len({group.name for group in groups}) == len(groups)


def test_a_recurrence_shows_its_first_and_last_step():
    [box] = [x for x in build_view(GRAPHS["chain"]()).drawn if isinstance(x, Box)]
    assert (box.title, box.lines, box.nodes) == ("498 more of the same", ["tanh"], 498)
    assert box.result is not None


def test_a_long_sum_is_one_box_and_a_very_long_one_shows_its_first_and_last_term():
    [box] = [x for x in build_view(squares(20)).drawn if isinstance(x, Box)]
    assert (box.title, box.nodes, box.kind) == ("Σ   20 terms", 21, "root")
    boxes = [x for x in build_view(squares(100)).drawn if isinstance(x, Box)]
    assert sorted(x.title for x in boxes) == ["98 more of the same", "Σ   100 terms"]
    assert boxes[1].lines == ["x²", "98 leaves: x1 … x98"]
    assert not any(isinstance(x, Box) for x in build_view(squares(12)).drawn)
    assert not any(isinstance(x, Box) for x in build_view(squares(20), to_step=True).drawn)


def test_lines_of_code_are_boxes_that_may_depend_on_each_other():
    boxes = [x for x in build_view(recorded(200)).drawn if isinstance(x, Box)]
    assert [x.title for x in boxes] == ["y = w * x", "x = y.tanh() + x"]
    assert boxes[0].lines[0].endswith("in recorded")
    assert boxes[1].lines[1] == "200 repetitions, 400 nodes"


def test_what_is_left_out_is_said():
    root = tangle(600)
    view = build_view(root)
    [box] = [x for x in view.drawn if isinstance(x, Box)]
    assert box.title == f"{box.nodes:,} more nodes below"
    assert box.nodes == len(topological(root)) - len(view.drawn) + 1
    assert NEAREST / 2 < len(view.drawn) <= NEAREST + 1
    [box] = build_view(root, limit=1).drawn
    assert (box.title, box.kind) == ("the whole graph", "root")


def test_a_model_that_is_too_large_is_drawn_without_its_modules():
    model = MLP(2, [3] * 6, rng=0)
    root = sum(model([1.0, 2.0]))
    for limit in range(1, 12):
        view = build_view(root, model, limit=limit)
        assert len(view.drawn) <= limit
        assert draw(root, model, limit=limit).dot


@pytest.mark.parametrize(
    "function", [lambda *a, **k: draw(*a, **k), lambda *a, **k: step(*a, **k).drawing]
)
def test_a_picture_coarser_than_the_level_says_so(function):
    model = MLP(2, [3, 1], rng=0)
    loss = sum(((model([0.1 * i, 0.2]) - 1.0) ** 2 for i in range(9)), Value(0.0, "start"))
    picture = function(loss, model, level="neurons", limit=4)
    assert "Coarser than level=" in picture.svg
    assert "limit=4" in picture.svg
    assert "Coarser" not in function(loss, model, level="neurons").svg
    assert "Coarser" not in draw(loss, model, limit=4).svg
