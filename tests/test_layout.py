"""Long graphs are drawn in rows: nothing overlaps, order and numbers hold, and arrows are short."""

import re
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine import Value, grad, topological
from engine.draw import draw
from engine.draw.graph import edges
from engine.draw.graph.rows import arrange_rows, find_part
from engine.draw.graph.svg import clean_svg, render
from engine.draw.graph.view import build_view
from nn import MLP
from tests.geometry import (
    assert_no_overlap,
    find_crossings,
    find_distant,
    read_boxes,
    read_edges,
    read_labels,
)
from tests.test_folding import bodies, unroll

directions = st.sampled_from(["right", "down", "left", "up"])


# Without correction, an edge crosses a label in the first, and turns back into its tail in the other.
SUM = [(0, "+"), (0, "+"), (0, "+"), (0, "input"), (1, "+"), (1, "input")]
SKIP = [(3, "tanh"), (3, "skip")]


@given(bodies, st.integers(6, 12), directions, st.sampled_from(["light", "dark"]))
@example(SUM, 7, "down", "light")
@settings(max_examples=4)
def test_no_label_of_a_recurrence_is_overlapped_or_crossed(body, steps, direction, theme):
    root = unroll(body, steps)
    root.backward()
    svg = draw(root, direction=direction, theme=theme).svg
    assert_no_overlap(svg)
    assert not [*find_crossings(svg), *find_distant(svg)]


@given(bodies, st.integers(1, 10), directions)
@settings(max_examples=4)
def test_local_derivatives_are_as_legible_as_in_the_layout_of_graphviz(body, steps, direction):
    """A dense picture may have labels without a free place, but no more than Graphviz's layout."""
    root = unroll(body, steps)
    root.backward()
    picture = draw(root, direction=direction, locals=True)
    before = clean_svg(render(picture.dot).decode(), "g", "")
    assert_no_overlap(picture.svg)
    found = [len([*find_crossings(svg), *find_distant(svg)]) for svg in (picture.svg, before)]
    assert found[0] <= found[1]


def test_no_arrow_turns_back():
    root = unroll(SKIP, 3)
    root.backward()
    svg = draw(root, direction="up", locals=True).svg
    assert not [*find_crossings(svg), *find_distant(svg)]
    arrows = read_edges(svg)
    assert arrows
    for edge in arrows:
        assert all(b[1] < a[1] + 0.5 for a, b in pairwise(edge.points)), edge.ids


def test_a_picture_with_too_many_labels_is_the_one_of_graphviz(monkeypatch):
    root = unroll(SKIP, 3)
    picture = draw(root, direction="up", locals=True)
    svg = clean_svg(render(picture.dot).decode(), "g", "")
    labels = len([label for label in read_labels(svg) if label.ids[-1].startswith("e")])
    monkeypatch.setattr(edges, "MOST_LABELS", labels)
    assert edges.improve_edges(svg, "up") != svg
    monkeypatch.setattr(edges, "MOST_LABELS", labels - 1)
    assert edges.improve_edges(svg, "up") == svg


@pytest.mark.parametrize("direction", ["right", "down", "left", "up"])
@pytest.mark.parametrize("sizes", [[1], [2, 1], [3, 1], [3, 3, 1]])
@pytest.mark.parametrize("has_frames", [False, True])
def test_no_label_of_a_network_is_overlapped_or_crossed(has_frames, sizes, direction):
    model = MLP(2, sizes, "tanh", rng=1)
    loss = (model([Value(0.5, "x1"), Value(-1.0, "x2")]) - 1.0).square()
    loss.backward()
    svg = draw(loss, *[model] * has_frames, direction=direction, locals=True).svg
    assert_no_overlap(svg)
    assert not [label for _, label in find_crossings(svg) if label.ids]  # titles have none
    assert bool(read_edges(svg, "cluster")) == has_frames
    assert not [*find_crossings(svg, "cluster")]


@given(bodies, st.integers(6, 12), directions)
@settings(max_examples=4)
def test_rows_follow_each_other_and_arrows_stay_in_their_row(body, steps, direction):
    view = build_view(unroll(body, steps))
    rows = arrange_rows(view, direction)
    for arrow in view.arrows:
        tail, head = find_part(arrow.tail), find_part(arrow.head)
        if arrow.id in rows.copies:
            copied, row = rows.copied[rows.copies[arrow.id]]
            assert (copied, row) == (tail, rows.row[head])
        else:
            assert rows.row[tail] == rows.row[head]
        assert rows.row[tail] <= rows.row[head]
    boxes = read_boxes(draw(unroll(body, steps), direction=direction).svg)
    along = 1 if direction in ("right", "left") else 0
    spans = []
    for row in range(rows.number):
        members = [boxes[id] for id, n in rows.row.items() if n == row]
        spans.append((min(x[along] for x in members), max(x[along + 2] for x in members)))
    assert all(a[1] < b[0] for a, b in pairwise(spans))


@pytest.mark.parametrize("direction", ["right", "down", "left", "up"])
def test_each_weight_stands_beside_its_input_in_the_order_of_the_formula(direction):
    leaves = [Value(i + 1.0, label) for i, label in enumerate(("x1", "w1", "x2", "w2", "x3", "w3"))]
    x1, w1, x2, w2, x3, w3 = leaves
    root = (x1 * w1 + x2 * w2 + x3 * w3 + Value(1.0, "b")).tanh()
    boxes = read_boxes(draw(root, locals=True, direction=direction).svg)
    ids = {node: f"v{i}" for i, node in enumerate(topological(root))}
    across = 1 if direction in ("right", "left") else 0
    places = [boxes[ids[leaf]][across] for leaf in leaves]
    assert places == sorted(places)


def test_copies_have_the_numbers_of_their_value_and_no_id():
    root = unroll([(0, "*"), (1, "+"), (0, "tanh")], 20)
    root.backward()
    svg = draw(root).svg
    ids = re.findall(r'\bid="[^-]*-([vobe][^"]*)"', svg)
    assert len(ids) == len(set(ids))
    node = (
        r'<g (?:id="[^"]*-(v\d+)" class="node"|class="node copy" data-of="(v\d+)" data-at="(.*?)")>'
    )
    groups = re.findall(rf"{node}(.*?)</g>", svg, re.S)
    texts = {}
    arrows = [id for _, _, at, _ in groups for id in at.split()]
    assert {*arrows} <= {*ids}
    assert len({*arrows}) == len(arrows)
    for id, copied, _, body in groups:
        texts.setdefault(id or copied, []).append(re.findall(r">([^<]*)</text>", body))
        assert ("The same value again" in body) == bool(copied)
    assert max(map(len, texts.values())) > 10
    assert all(shown == copies[0] for copies in texts.values() for shown in copies)


def test_small_expressions_are_drawn_as_they_were():
    x, w = Value(0.5, "x"), Value(2.0, "w")
    rows = arrange_rows(build_view(((w * x).tanh() + w * w) * x))
    assert rows.number == 1
    assert not rows.copies


def descend(steps):
    w = Value(2.0, "w")
    for _ in range(steps):
        (slope,) = grad((w * w - 3.0) ** 2 + w.tanh(), [w], create_graph=True)
        w = w - 0.1 * slope
    return w * w


@pytest.mark.parametrize("steps", [8, 25])
def test_the_work_given_to_graphviz_grows_with_the_graph(steps):
    """Graphviz is slow where arrows pass many ranks. In rows, none passes more than the row."""
    view = build_view(descend(steps))
    rows = arrange_rows(view)
    assert len(rows.copied) < len(view.drawn)
    row_sizes = [list(rows.row.values()).count(row) for row in range(rows.number)]
    assert max(row_sizes) < 40


class Recurrence:
    """A model of one step with two parameters."""

    def __init__(self):
        self.parameters = {"w": Value(0.5, "w"), "b": Value(0.1, "b")}

    def named_parameters(self):
        return self.parameters

    def named_modules(self):
        return {"": self}


def test_a_recurrent_model_is_drawn_in_rows_and_a_network_in_clusters():
    model, h = Recurrence(), Value(1.0, "h")
    for _ in range(20):
        h = (model.parameters["w"] * h + model.parameters["b"]).tanh()
    assert arrange_rows(build_view(h, model)).number > 5
    network = MLP(2, [4, 4, 1], rng=0, fused=False)
    rows = arrange_rows(build_view(network([0.5, -1.0]), network))
    assert rows.number == 1
    assert not rows.copies
