"""The geometry of pictures, read from their SVG: labels with their boxes, edges as polylines.

It reads the pictures of scenes and those of Graphviz. Lengths are in points of the viewBox, in
which y grows down.
"""

import re
import xml.etree.ElementTree as ET
from itertools import combinations, pairwise
from typing import NamedTuple

from engine.draw.look.scene import Span, measure

SVG = "{http://www.w3.org/2000/svg}"
ASCENT, DESCENT = 0.74, 0.22  # of a text above and below its baseline, relative to its size
SAMPLES = 16  # points on each Bézier curve
NUMBER = r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
TOLERANCE = 0.25  # points


class Box(NamedTuple):
    """A rectangle with sides parallel to the axes."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other, tolerance=TOLERANCE):
        """Return whether two boxes share more than a strip of the tolerance's width."""
        return (
            self.left < other.right - tolerance
            and other.left < self.right - tolerance
            and self.top < other.bottom - tolerance
            and other.top < self.bottom - tolerance
        )

    def contains(self, other, tolerance=TOLERANCE):
        """Return whether another box is inside this one."""
        return (
            self.left - tolerance <= other.left
            and other.right <= self.right + tolerance
            and self.top - tolerance <= other.top
            and other.bottom <= self.bottom + tolerance
        )

    @property
    def middle(self):
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2


class Label(NamedTuple):
    """A text: its box, its field ("data", "grad" or ""), and the ids of the groups around it.

    `ids` begins with the outermost group; ids are without their prefix.
    """

    text: str
    box: Box
    field: str
    ids: tuple[str, ...]


class Edge(NamedTuple):
    """An edge: points along it, and the ids of the groups around it."""

    points: list[tuple[float, float]]
    ids: tuple[str, ...]

    @property
    def id(self):
        return self.ids[-1] if self.ids else ""


def read_size(svg):
    """Return the width and height of the viewBox."""
    left, top, width, height = map(float, ET.fromstring(svg).attrib["viewBox"].split())
    assert (left, top) == (0.0, 0.0)
    return width, height


def read_labels(svg):
    """Return the labels of a picture, in the order in which they are drawn."""
    return [
        read_label(element, offset, ids)
        for element, offset, ids, _ in walk(svg)
        if element.tag == f"{SVG}text" and "".join(element.itertext()).strip()
    ]


def read_edges(svg, kind="edge"):
    """Return the edges of a picture, or the frames: the curves in groups of a class."""
    return [
        Edge(sample(element.attrib["d"], offset), ids)
        for element, offset, ids, kinds in walk(svg)
        if element.tag == f"{SVG}path" and kind in kinds
    ]


def read_boxes(svg):
    """Return the bounding box of each group with an id, from its shapes and texts."""
    boxes = {}
    for element, offset, ids, _ in walk(svg):
        box = measure_element(element, offset, ids)
        for id in ids if box else ():
            boxes[id] = unite([boxes[id], box]) if id in boxes else box
    return boxes


def assert_no_overlap(svg):
    """Assert that all labels are inside the picture, and that no two of them overlap."""
    labels, (width, height) = read_labels(svg), read_size(svg)
    outside = [x for x in labels if not Box(0.0, 0.0, width, height).contains(x.box)]
    assert not outside, f"labels outside of {width} x {height}: {outside[:3]}"
    labels.sort(key=lambda label: label.box.left)
    for i, a in enumerate(labels):
        for b in labels[i + 1 :]:
            if b.box.left >= a.box.right:
                break
            assert not a.box.overlaps(b.box), f"labels overlap: {a} and {b}"


def assert_edges_avoid_labels(svg):
    """Assert that no edge crosses the label of anything else."""
    for edge, label in find_crossings(svg):
        assert edge.id in label.ids, f"edge {edge.ids} crosses {label}"


def find_crossings(svg, kind="edge"):
    """Yield each edge with each label that it crosses, including its own.

    Of the kind "cluster", yield each frame with each label of an edge that it crosses.
    """
    labels = read_labels(svg)
    if kind == "cluster":
        ids = {edge.id for edge in read_edges(svg)}
        labels = [label for label in labels if label.ids and label.ids[-1] in ids]
    for line in read_edges(svg, kind):
        around = bound(line.points)
        for label in labels:
            if near(around, label.box) and any(
                near(bound([a, b]), label.box) and crosses(a, b, label.box)
                for a, b in pairwise(line.points)
            ):
                yield line, label


def find_distant(svg, farthest=9.0):
    """Yield the labels that are more than `farthest` points from their edges."""
    edges = {edge.id: edge.points for edge in read_edges(svg)}
    for label in read_labels(svg):
        if label.ids and label.ids[-1] in edges:
            left, top, right, bottom = label.box
            around = Box(left - farthest, top - farthest, right + farthest, bottom + farthest)
            if not any(crosses(a, b, around) for a, b in pairwise(edges[label.ids[-1]])):
                yield label


def assert_boxes_are_apart(svg, ids):
    """Assert that groups with these ids do not overlap, unless one is inside the other."""
    boxes = read_boxes(svg)
    for a, b in combinations(ids, 2):
        is_inside = boxes[a].contains(boxes[b]) or boxes[b].contains(boxes[a])
        assert is_inside or not boxes[a].overlaps(boxes[b]), f"{a} and {b} overlap"


# ---------------------------------------------------------------------------------------- reading


def walk(svg):
    """Yield each element with its offset, and the ids and classes of the groups around it."""
    stack = [(ET.fromstring(svg), (0.0, 0.0), (), ())]
    while stack:
        element, (dx, dy), ids, kinds = stack.pop()
        yield element, (dx, dy), ids, kinds
        move = re.search(rf"translate\(({NUMBER})[ ,]+({NUMBER})\)", element.get("transform", ""))
        if move:
            dx, dy = dx + float(move[1]), dy + float(move[2])
        if element.tag == f"{SVG}g":
            id = element.get("id", "").partition("-")[2]
            ids = (*ids, id) if id else ids
            kinds = (*kinds, *element.get("class", "").split())
        stack += [(child, (dx, dy), ids, kinds) for child in reversed(element)]


def read_label(element, offset, ids):
    """Return a text element as a label. Its spans may be shifted up or down."""
    size = float(element.get("font-size", 14.0))
    bold = element.get("font-weight") == "bold"
    base = y = float(element.get("y", 0.0)) + offset[1]
    width, top, bottom = 0.0, base - ASCENT * size, base + DESCENT * size
    if not (element.text or "").strip() and len(element):
        top, bottom = base, base
    pieces = [(element.text or "", size, 0.0)]
    for span in element:
        pieces.append(
            (span.text or "", float(span.get("font-size", size)), float(span.get("dy", 0)))
        )
        pieces.append((span.tail or "", size, 0.0))
    for text, own_size, dy in pieces:
        y += dy
        width += measure([Span(text)], own_size, bold)
        if text.strip():
            top, bottom = min(top, y - ASCENT * own_size), max(bottom, y + DESCENT * own_size)
    anchor = {"start": 0.0, "middle": 0.5, "end": 1.0}[element.get("text-anchor", "start")]
    left = float(element.get("x", 0.0)) + offset[0] - anchor * width
    text = "".join(element.itertext()).replace("\xa0", " ")
    field = element.get("class", "")
    return Label(text, Box(left, top, left + width, bottom), field, ids)


def sample(path, offset):
    """Return points along a path of absolute lines and cubic Bézier curves."""
    points: list[tuple[float, float]] = []
    commands = re.findall(r"([MLCHVZ])([^MLCHVZ]*)", path)
    assert re.fullmatch(rf"(?:[MLCHVZ]|{NUMBER}|[\s,])+", path), path
    for command, text in commands:
        numbers = [float(x) for x in re.findall(NUMBER, text)]
        if command in "HV":
            for x in numbers:
                at = points[-1]
                points.append((x + offset[0], at[1]) if command == "H" else (at[0], x + offset[1]))
            continue
        pairs = [
            (x + offset[0], y + offset[1]) for x, y in zip(numbers[::2], numbers[1::2], strict=True)
        ]
        if command in "ML":
            points += pairs
        for i in range(0, len(pairs) if command == "C" else 0, 3):
            points += sample_curve(points[-1], *pairs[i : i + 3])
        if command == "Z":
            points.append(points[0])
    return points


def sample_curve(p, q, r, s):
    """Return points along a cubic Bézier curve, without the first."""
    points = []
    for i in range(1, SAMPLES + 1):
        t = i / SAMPLES
        weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
        points.append(
            tuple(sum(w * a[k] for w, a in zip(weights, (p, q, r, s), strict=True)) for k in (0, 1))
        )
    return points


def measure_element(element, offset, ids):
    """Return the bounding box of a shape or text, or None for another element."""
    number = lambda name: float(element.get(name, 0.0))
    dx, dy = offset
    kind = element.tag.removeprefix(SVG)
    if kind == "text":
        return read_label(element, offset, ids).box
    if kind == "path":
        return bound(sample(element.attrib["d"], offset))
    if kind in ("polygon", "polyline"):
        numbers = [float(x) for x in re.findall(NUMBER, element.attrib["points"])]
        return bound([(x + dx, y + dy) for x, y in zip(numbers[::2], numbers[1::2], strict=True)])
    if kind == "rect":
        x, y = number("x") + dx, number("y") + dy
        return Box(x, y, x + number("width"), y + number("height"))
    if kind in ("circle", "ellipse"):
        x, y = number("cx") + dx, number("cy") + dy
        rx, ry = (number("r"),) * 2 if kind == "circle" else (number("rx"), number("ry"))
        return Box(x - rx, y - ry, x + rx, y + ry)
    return None


# --------------------------------------------------------------------------------------- geometry


def bound(points):
    """Return the bounding box of points."""
    xs, ys = zip(*points, strict=True)
    return Box(min(xs), min(ys), max(xs), max(ys))


def unite(boxes):
    """Return the smallest box around boxes."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return Box(min(lefts), min(tops), max(rights), max(bottoms))


def near(a, b):
    """Return whether two boxes touch or overlap; a line has a box without width or height."""
    return a.left <= b.right and b.left <= a.right and a.top <= b.bottom and b.top <= a.bottom


def crosses(a, b, box, tolerance=TOLERANCE):
    """Return whether the segment from a to b has a point inside a box, by Liang and Barsky."""
    box = Box(
        box.left + tolerance, box.top + tolerance, box.right - tolerance, box.bottom - tolerance
    )
    start, end = 0.0, 1.0
    for k, (low, high) in enumerate([(box.left, box.right), (box.top, box.bottom)]):
        step = b[k] - a[k]
        if abs(step) < 1e-12:
            if not low < a[k] < high:
                return False
            continue
        t, u = sorted([(low - a[k]) / step, (high - a[k]) / step])
        start, end = max(start, t), min(end, u)
    return start < end
