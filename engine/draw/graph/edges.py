"""Corrections of the edges in Graphviz's pictures.

Graphviz reserves room for the label of an edge, but lines may still cross it. An edge that passes a
label may turn back, even into the node where it begins.
"""

import html
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise, product
from typing import NamedTuple, TypeAlias

from engine.draw.look.scene import format_length, measure

Point: TypeAlias = tuple[float, float]

EDGE = re.compile(r'(<g [^>]*class="edge">\n<path [^>]*?\bd=")([^"]*)("/>\n)(.*?)(?=</g>)', re.S)
NODE = re.compile(r'<g [^>]*class="node[^>]*>\n(.*?)</g>', re.S)
POLYGON = re.compile(r'<polygon [^>]*points="([^"]*)"')
SHAPE = re.compile(r'<(?:path|polygon|polyline) [^>]*?\b(?:d|points)="([^"]*)"')
ELLIPSE = re.compile(r'<ellipse [^>]*cx="([^"]*)" cy="([^"]*)" rx="([^"]*)" ry="([^"]*)"')
TEXT = re.compile(r'(<text [^>]*?)\bx="([^"]*)" y="([^"]*)" font-size="([^"]*)"([^>]*>)([^<]*)')
NUMBER = re.compile(r"-?\d+\.?\d*(?:e[+-]\d+)?")
ASCENT, DESCENT = 0.74, 0.22  # of a text above and below its baseline, relative to its size

# Lengths are in points.
SAMPLING = 10.0  # at most, between points on a Bézier curve
FEWEST_SAMPLES = 4  # on each Bézier curve
DETOUR = (3.0, 0.05)  # that an edge may go back: a length, and a part of the way
REACHES = (0.3, 0.6)  # from an end to its control point, relative to the distance
BOWS = (0.0, 15.0, -15.0, 30.0, -30.0, 50.0, -50.0, 80.0, -80.0)  # to the side
NODE_MARGIN = 3.0  # between a node and an edge that passes it
PLACES = (0.12, 0.88)  # of a label on its edge, relative to the length
PLACE_STEP, FEWEST_PLACES = 10.0, 13
GAP = 2.0  # between a line and its label
FARTHEST = 6.0
ROOMS = (4.0, 1.0)  # around a label, without other lines, so that it is nearer to its own
TOLERANCE = 0.25  # by which lines may cross the box of a label


class Box(NamedTuple):
    """A rectangle with sides parallel to the axes."""

    left: float
    top: float
    right: float
    bottom: float

    def grow(self, margin: float) -> "Box":
        """Return the box with a margin around it."""
        left, top, right, bottom = self
        return Box(left - margin, top - margin, right + margin, bottom + margin)

    def touches(self, other: "Box") -> bool:
        """Return whether two boxes share a point."""
        return (
            self.left <= other.right
            and other.left <= self.right
            and self.top <= other.bottom
            and other.top <= self.bottom
        )

    def has(self, x: float, y: float) -> bool:
        """Return whether a point is inside."""
        return self.left < x < self.right and self.top < y < self.bottom


class Line(NamedTuple):
    """A curve as points along it, and the box around them."""

    points: list[Point]
    box: Box

    def crosses(self, box: Box) -> bool:
        """Return whether a part of the curve is inside a box."""
        if not box.touches(self.box):
            return False
        left, top, right, bottom = box
        for (x0, y0), (x1, y1) in pairwise(self.points):
            is_beside = (x0 < left and x1 < left) or (x0 > right and x1 > right)
            if is_beside or (y0 < top and y1 < top) or (y0 > bottom and y1 > bottom):
                continue  # as most do
            if cuts((x0, y0), (x1, y1), box):
                return True
        return False

    def walk(self) -> Iterator[tuple[Point, Point]]:
        """Yield points on the curve, the middle first, each with the direction there."""
        lengths = [math.dist(a, b) for a, b in pairwise(self.points)]
        first, last = (place * sum(lengths) for place in PLACES)
        steps = max(FEWEST_PLACES, math.ceil((last - first) / PLACE_STEP))
        for k in sorted(range(steps + 1), key=lambda k: abs(2 * k - steps)):
            rest, i = first + k / steps * (last - first), 0
            while rest > lengths[i] and i < len(lengths) - 1:
                rest, i = rest - lengths[i], i + 1
            (x, y), (x1, y1) = self.points[i : i + 2]
            dx, dy = ((a / lengths[i] if lengths[i] else 0.0) for a in (x1 - x, y1 - y))
            yield (x + rest * dx, y + rest * dy), (dx, dy)


class Edge:
    """An edge of a picture: its path, its arrow and its label.

    `corners` are the points of its Bézier curves, and `tip` is that of its arrow, if it has one.
    """

    def __init__(self, svg: re.Match[str]):
        self.start, path, self.middle, self.rest = svg.groups()
        self.corners = read_points(path)
        arrow = POLYGON.search(self.rest)
        self.tip = read_points(arrow[1])[1] if arrow else None
        self.text = TEXT.search(self.rest)
        self.label = read_text(self.text) if self.text else None

    @cached_property
    def line(self) -> Line:
        """The points along the edge."""
        return read_line(self.corners, self.tip)

    def write(self) -> str:
        """Return the edge as SVG."""
        start, *others = (f"{format_length(x)},{format_length(y)}" for x, y in self.corners)
        rest = self.rest
        if self.text and self.label:
            rest = rest.replace(self.text[0], write_text(self.text, self.label))
        return f"{self.start}M{start}C{' '.join(others)}{self.middle}{rest}"


class Picture:
    """A picture: its edges, and the nodes and titles that they must not cover.

    `along` is the axis of the drawing's direction, 0 for x and 1 for y.
    """

    def __init__(self, svg: str, along: int):
        self.svg, self.along = svg, along
        self.edges = [Edge(edge) for edge in EDGE.finditer(svg)]
        outlines = map(read_outline, NODE.findall(svg))
        self.nodes = [bound(points) for points in outlines if points]
        titles = TEXT.finditer(EDGE.sub("", NODE.sub("", svg)))
        self.titles = [read_text(title) for title in titles]
        self.page = bound(read_points(POLYGON.findall(svg)[0]))  # the background is drawn first

    def write(self) -> str:
        """Return the picture as SVG."""
        edges = map(Edge.write, self.edges)
        return EDGE.sub(lambda _: next(edges), self.svg)

    def straighten(self, edge: Edge) -> None:
        """Draw an edge that makes a detour as the shortest curve that avoids nodes and labels.

        If there is none beside which its label has a free place, the edge stays as it is.
        """
        if not goes_back(edge.corners, self.along):  # nor does the curve, which need not be traced
            return
        if not goes_back(edge.line.points, self.along):
            return
        start, end = edge.corners[0], edge.tip or edge.corners[-1]
        obstacles = [x.label for x in self.edges if x.label and x is not edge]
        for node in self.nodes:
            is_end = node.grow(1.0).has(*start) or node.grow(1.0).has(*end)
            obstacles.append(node if is_end else node.grow(NODE_MARGIN))
        for corners in sorted(list_curves(edge, self.along), key=measure_length):
            line = read_line(corners)
            if goes_back(line.points, self.along) or any(map(line.crosses, obstacles)):
                continue
            label = edge.label and self.find_place(edge, line)
            if label or not edge.label:
                edge.corners, edge.line, edge.label = corners, line, label
                return

    def place_label(self, edge: Edge) -> None:
        """Move a label that is covered or far from its line to the nearest free place beside it.

        A label that only touches its line is moved away from it. One without a free place stays.
        """
        if edge.label is None:
            return
        left, top, right, bottom = edge.label
        inside = edge.label.grow(-TOLERANCE)
        is_far = not edge.line.crosses(edge.label.grow(FARTHEST))
        if is_far or edge.line.crosses(inside) or self.is_covered(inside, edge):
            middle = ((left + right) / 2, (top + bottom) / 2)
            edge.label = self.find_place(edge, edge.line, middle) or edge.label
            return
        for dx, dy in ((0.0, 0.0), (GAP, 0.0), (-GAP, 0.0), (0.0, -GAP), (0.0, GAP)):
            box = Box(left + dx, top + dy, right + dx, bottom + dy)
            if not edge.line.crosses(box.grow(1.0)) and not self.is_covered(box, edge):
                edge.label = box
                return

    def find_place(self, edge: Edge, line: Line, near: Point | None = None) -> Box | None:
        """Return the free place for a label that is nearest to a point, or to the line's middle."""
        assert edge.label is not None
        left, top, right, bottom = edge.label
        width, height = right - left, bottom - top
        places = []
        for (x, y), (dx, dy) in line.walk():
            sides = [(dy, -dx), (-dy, dx)]
            for side in sorted(sides, key=lambda side: (side[1] > 1e-6, -side[0])):  # above, right
                offset = GAP + abs(side[0]) * width / 2 + abs(side[1]) * height / 2
                places.append((x + side[0] * offset, y + side[1] * offset))
        if near:
            places.sort(key=lambda place: math.dist(place, near))
        for room, (x, y) in product(ROOMS, places):
            box = Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            if not line.crosses(box.grow(1.0)) and not self.is_covered(box.grow(room), edge):
                return box
        return None

    def is_covered(self, box: Box, edge: Edge) -> bool:
        """Return whether a box leaves the page or covers a node, a text or another edge."""
        others = [other for other in self.edges if other is not edge]
        labels = [other.label for other in others if other.label]
        return (
            not self.page.has(box.left, box.top)
            or not self.page.has(box.right, box.bottom)
            or any(map(box.touches, (*self.nodes, *self.titles, *labels)))
            or any(other.line.crosses(box) for other in others)
        )


def improve_edges(svg: str, direction: str) -> str:
    """Return Graphviz's picture without edges that turn back, and with legible labels of edges.

    `direction` is that of the drawing, from inputs to results. In a dense picture, some of both may
    remain.
    """
    picture = Picture(svg, along=0 if direction in ("right", "left") else 1)
    for edge in picture.edges:
        picture.straighten(edge)
    for edge in picture.edges:
        picture.place_label(edge)
    return picture.write()


def list_curves(edge: Edge, along: int) -> Iterator[list[Point]]:
    """Yield Bézier curves between the ends of an edge that end in the direction of its arrow."""
    start, end = edge.corners[0], edge.corners[-1]
    distance = end[along] - start[along]
    length = math.dist(end, edge.tip) if edge.tip else 0.0
    if edge.tip and length:
        direction = ((edge.tip[0] - end[0]) / length, (edge.tip[1] - end[1]) / length)
    else:
        sign = math.copysign(1.0, distance)
        direction = (sign, 0.0) if along == 0 else (0.0, sign)
    for first, last, bow in product(REACHES, REACHES, BOWS):
        control = [start[0] + bow, start[1] + bow]
        control[along] = start[along] + first * distance
        size = last * abs(distance)
        before = (end[0] - size * direction[0], end[1] - size * direction[1])
        yield [start, (control[0], control[1]), before, end]


def goes_back(points: Sequence[Point], along: int) -> bool:
    """Return whether a line goes back along an axis, by more than a small part of its way.

    >>> goes_back([(0.0, 0.0), (5.0, 1.0), (4.0, 2.0), (9.0, 3.0)], along=0)
    False
    >>> goes_back([(0.0, 0.0), (8.0, 1.0), (4.0, 2.0), (9.0, 3.0)], along=0)
    True
    """
    steps = [b[along] - a[along] for a, b in pairwise(points)]
    way = sum(steps)
    back = (sum(map(abs, steps)) - abs(way)) / 2
    length, part = DETOUR
    return back > max(length, part * abs(way))


# ----------------------------------------------------------------------------------- SVG and boxes


def read_points(text: str) -> list[Point]:
    """Return the points of a path or a polygon.

    >>> read_points("M0,1C2,3 4,5 6.5,-7")
    [(0.0, 1.0), (2.0, 3.0), (4.0, 5.0), (6.5, -7.0)]
    """
    numbers = [float(x) for x in NUMBER.findall(text)]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def read_outline(node: str) -> list[Point]:
    """Return points around the shapes of a node, given its SVG."""
    points = [point for text in SHAPE.findall(node) for point in read_points(text)]
    for ellipse in ELLIPSE.findall(node):
        x, y, rx, ry = map(float, ellipse)
        points += [(x - rx, y - ry), (x + rx, y + ry)]
    return points


def read_line(corners: list[Point], tip: Point | None = None) -> Line:
    """Return points along Bézier curves, up to the tip of an arrow."""
    points = trace(corners) + ([tip] if tip else [])
    return Line(points, bound(points))


def trace(points: list[Point]) -> list[Point]:
    """Return points along Bézier curves, of which each begins where the last one ends."""
    traced = points[:1]
    for i in range(0, len(points) - 3, 3):
        corners = points[i : i + 4]
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = corners
        samples = max(FEWEST_SAMPLES, math.ceil(measure_length(corners) / SAMPLING))
        for j in range(1, samples + 1):
            t = j / samples
            p, q, r, s = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
            traced.append((p * x0 + q * x1 + r * x2 + s * x3, p * y0 + q * y1 + r * y2 + s * y3))
    return traced


def read_text(text: re.Match[str]) -> Box:
    """Return the box of a text; its anchor is its start or its middle."""
    x, y, size = (float(text[i]) for i in (2, 3, 4))
    width = measure(html.unescape(text[6]), size)
    left = x - width / 2 if 'text-anchor="middle"' in text[1] else x
    return Box(left, y - ASCENT * size, left + width, y + DESCENT * size)


def write_text(text: re.Match[str], box: Box) -> str:
    """Return the start of a text, whose anchor is its middle, moved into a box."""
    x, y = (box.left + box.right) / 2, box.bottom - DESCENT * float(text[4])
    start = f'{text[1]}x="{format_length(x)}" y="{format_length(y)}"'
    return f'{start} font-size="{text[4]}"{text[5]}{text[6]}'


def measure_length(points: Sequence[Point]) -> float:
    """Return the length of a line through points."""
    return sum(math.dist(a, b) for a, b in pairwise(points))


def bound(points: Iterable[Point]) -> Box:
    """Return the box around points."""
    xs, ys = zip(*points, strict=True)
    return Box(min(xs), min(ys), max(xs), max(ys))


def cuts(a: Point, b: Point, box: Box) -> bool:
    """Return whether the segment from a to b has a part inside a box, by Liang and Barsky."""
    start, end = 0.0, 1.0
    for k, low, high in ((0, box.left, box.right), (1, box.top, box.bottom)):
        step = b[k] - a[k]
        if step == 0.0:
            if not low < a[k] < high:
                return False
            continue
        first, last = sorted([(low - a[k]) / step, (high - a[k]) / step])
        start, end = max(start, first), min(end, last)
    return start < end
