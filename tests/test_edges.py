"""Corrections of edges, in layouts that Graphviz rarely makes."""

import math

import pytest

from engine.draw.graph.edges import improve_edges
from geometry import find_crossings, find_distant, read_boxes, read_edges, read_labels

PAGE = (0, 0, 200, 200)


def make_svg(nodes=(), edges=(), page=PAGE):
    """Return a picture as `clean_svg` does.

    Nodes are boxes. An edge is the data of its path, and its label with the point below its middle.
    """
    corners = lambda left, top, right, bottom: (
        f"{left},{top} {right},{top} {right},{bottom} {left},{bottom}"
    )
    parts = [
        f'<g id="g-v{i}" class="node">\n<polygon fill="none" points="{corners(*box)}"/>\n</g>'
        for i, box in enumerate(nodes)
    ]
    for i, (path, text, x, y) in enumerate(edges):
        label = f'<text text-anchor="middle" x="{x}" y="{y}" font-size="9.00">{text}</text>\n'
        parts.append(
            f'<g id="g-e{i}-0" class="edge">\n<path fill="none" d="{path}"/>\n'
            f"{label if text else ''}</g>"
        )
    width, height = page[2:]
    return (
        f'<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">\n'
        f'<polygon fill="#ffffff" points="{corners(*page)}"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def line(x0, y0, x1, y1):
    """Return a straight line as a Bézier curve."""
    thirds = [(x0 + (x1 - x0) * t / 3, y0 + (y1 - y0) * t / 3) for t in range(4)]
    start, *others = (f"{x:.2f},{y:.2f}" for x, y in thirds)
    return f"M{start}C{' '.join(others)}"


def test_a_legible_label_stays():
    svg = make_svg(edges=[(line(100, 10, 100, 190), "0.5", 110, 100)])
    assert read_labels(improve_edges(svg, "down")) == read_labels(svg)


def test_a_label_that_touches_its_edge_moves_by_the_gap():
    svg = make_svg(edges=[(line(100, 10, 100, 190), "0.5", 107.16, 100)])
    [before], [after] = read_labels(svg), read_labels(improve_edges(svg, "down"))
    assert before.box.left == pytest.approx(100.0, abs=0.05)
    assert after.box.left == pytest.approx(102.0, abs=0.05)
    assert after.box.top == pytest.approx(before.box.top, abs=6.0)


def test_a_label_that_touches_its_edge_stays_if_the_free_places_are_far():
    nodes = [(107, 12, 120, 150), (60, 12, 96, 150)]
    svg = make_svg(nodes, [(line(100, 10, 100, 190), "0", 103.0, 100)])
    assert read_labels(improve_edges(svg, "down")) == read_labels(svg)


def test_a_label_that_a_line_crosses_is_on_no_node():
    nodes = [(108, 20, 190, 90), (10, 110, 92, 180)]
    edges = [(line(100, 10, 100, 190), "0.5", 110, 100), (line(10, 97, 190, 97), "", 0, 0)]
    svg = make_svg(nodes, edges)
    assert [*find_crossings(svg)]
    improved = improve_edges(svg, "down")
    assert not [*find_crossings(improved), *find_distant(improved)]
    boxes, [label] = read_boxes(improved), read_labels(improved)
    assert not any(boxes[f"v{i}"].overlaps(label.box) for i in range(2))


def test_a_label_is_nearer_to_its_edge_than_to_others():
    edges = [
        (line(100, 10, 100, 190), "0.5", 110, 100),
        (line(101, 100, 190, 100), "", 0, 0),
        (line(119, 10, 119, 190), "", 0, 0),  # there is room on the right, but little
    ]
    [label] = read_labels(improve_edges(make_svg(edges=edges), "down"))
    assert label.box.right < 100.0


def test_a_label_on_its_own_edge_moves_beside_it():
    svg = make_svg(edges=[(line(100, 10, 100, 190), "0.25", 100, 100)])
    [label] = read_labels(improve_edges(svg, "down"))
    assert label.box.left == pytest.approx(102.0, abs=0.05)


def test_a_crossed_label_moves_to_the_nearest_place():
    edges = [(line(100, 10, 100, 190), "0.5", 110, 40), (line(101, 37, 190, 37), "", 0, 0)]
    svg = make_svg(edges=edges)
    [before], [after] = read_labels(svg), read_labels(improve_edges(svg, "down"))
    assert math.dist(before.box.middle, after.box.middle) < 25.0


def test_a_distant_label_moves_to_its_edge():
    svg = make_svg(edges=[(line(100, 10, 100, 190), "0.5", 150, 100)])
    assert [*find_distant(svg)]
    assert not [*find_distant(improve_edges(svg, "down"))]


def test_a_label_may_take_the_former_place_of_another():
    edges = [
        (line(100, 10, 100, 190), "0.5", 150, 100),  # far from its edge
        (line(140, 10, 140, 190), "0.5", 140, 100),  # on its edge
    ]
    _, label = read_labels(improve_edges(make_svg(edges=edges), "down"))
    assert label.box.left == pytest.approx(142.0, abs=0.05)


BACK = "M100,10C100,40 130,60 130,90 130,40 100,60 100,190"  # down, up and down again


def test_an_edge_that_goes_back_becomes_straight():
    improved = improve_edges(make_svg(edges=[(BACK, "", 0, 0)]), "down")
    [edge] = read_edges(improved)
    ys = [y for _, y in edge.points]
    assert ys == sorted(ys)
    assert [edge.points[0], edge.points[-1]] == [(100, 10), (100, 190)]


@pytest.mark.parametrize("node", [(80, 80, 120, 120), (90, 60, 104, 140)])
def test_an_edge_that_goes_back_avoids_nodes(node):
    improved = improve_edges(make_svg([node], [(BACK, "", 0, 0)]), "down")
    [edge] = read_edges(improved)
    left, top, right, bottom = node
    margin = 2.5
    assert not any(
        left - margin < x < right + margin and top - margin < y < bottom + margin
        for x, y in edge.points
    )
    ys = [y for _, y in edge.points]
    assert ys == sorted(ys)


def test_an_edge_that_goes_back_stays_on_the_page():
    """The node can only be avoided outside of the page, so that nothing changes."""
    page = (0, 0, 110, 200)
    svg = make_svg([(20, 80, 106, 120)], [(BACK.replace("130", "109"), "", 0, 0)], page)
    assert improve_edges(svg, "down") == svg


def test_a_label_is_not_moved_by_an_edge_that_is_replaced():
    edges = [(BACK, "", 0, 0), (line(114, 10, 114, 190), "0.5", 124, 70)]
    svg = make_svg(edges=edges)
    assert [edge.id for edge, _ in find_crossings(svg)] == ["e0-0"]
    improved = improve_edges(svg, "down")
    assert not [*find_crossings(improved)]
    assert abs(read_labels(improved)[0].box.left - read_labels(svg)[0].box.left) < 2.0
    assert read_labels(improved)[0].box.top == pytest.approx(read_labels(svg)[0].box.top, abs=0.05)
