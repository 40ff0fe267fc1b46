"""Correct the edges of Graphviz's layouts.

Graphviz reserves space for each edge label, but other edges may still cross it. An edge that is
routed around a label may turn back, even into its own tail node.
"""

import html
import math
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate, pairwise, product
from typing import NamedTuple, TypeAlias

from engine.draw.look.scene import format_length, measure

Point: TypeAlias = tuple[float, float]

EDGE = re.compile(r'(<g [^>]*class="edge">\n<path [^>]*?\bd=")([^"]*)("/>\n)(.*?)(?=</g>)', re.S)
NODE = re.compile(r'<g [^>]*class="node[^>]*>\n(.*?)</g>', re.S)
FRAME = re.compile(r'class="cluster">\n<(?:path|polygon) [^>]*?\b(?:d|points)="([^"]*)"')
POLYGON = re.compile(r'<polygon [^>]*points="([^"]*)"')
SHAPE = re.compile(r'<(?:path|polygon|polyline) [^>]*?\b(?:d|points)="([^"]*)"')
ELLIPSE = re.compile(r'<ellipse [^>]*cx="([^"]*)" cy="([^"]*)" rx="([^"]*)" ry="([^"]*)"')
TEXT = re.compile(r'(<text [^>]*?)\bx="([^"]*)" y="([^"]*)" font-size="([^"]*)"([^>]*>)([^<]*)')
NUMBER = re.compile(r"-?\d+\.?\d*(?:e[+-]\d+)?")
ASCENT, DESCENT = 0.74, 0.22  # of a text above and below its baseline, relative to its size

MOST_LABELS = 300  # of edges in a picture that is corrected

# Lengths are in points.
SAMPLING = 10.0  # maximum distance between samples of a Bézier curve
FEWEST_SAMPLES = 4  # of a Bézier curve
CELL = 40.0  # side of a cell of the grid in which obstacles are found
DETOUR = (3.0, 0.05)  # an edge may go back by this length, or by this fraction of its distance
REACHES = (0.3, 0.6)  # distance of a control point from its end, relative to that of the ends
BOWS = (0.0, 15.0, -15.0, 30.0, -30.0, 50.0, -50.0, 80.0, -80.0)  # of the first one, sideways
NODE_MARGIN = 3.0  # minimum distance between an edge and a node that it passes
PLACES = (0.12, 0.88)  # range of a label's place along its edge, relative to the edge's length
PLACE_STEP, FEWEST_PLACES = 10.0, 13  # maximum distance between places, and their minimum number
GAP = 2.0  # distance between an edge and its label
NEAREST, FARTHEST = 1.0, 6.0  # a label that is nearer to its edge or farther from it is moved
MARGINS = (4.0, 1.0)  # around a label, tried in order, so that it is nearest to its own edge
TOLERANCE = 0.25  # depth to which an edge may enter a label's rectangle


class Rectangle(NamedTuple):
    """A rectangle with sides parallel to the axes."""

    left: float
    top: float
    right: float
    bottom: float

    def grow(self, margin: float) -> "Rectangle":
        """Return the rectangle, enlarged by a margin on each side."""
        left, top, right, bottom = self
        return Rectangle(left - margin, top - margin, right + margin, bottom + margin)

    @property
    def middle(self) -> Point:
        """The point in the middle."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def touches(self, other: "Rectangle") -> bool:
        """Return whether two rectangles share a point."""
        return (
            self.left <= other.right
            and other.left <= self.right
            and self.top <= other.bottom
            and other.top <= self.bottom
        )

    def contains(self, x: float, y: float) -> bool:
        """Return whether a point is inside."""
        return self.left < x < self.right and self.top < y < self.bottom

    def is_crossed(self, a: Point, b: Point) -> bool:
        """Return whether the segment from a to b enters the rectangle (Liang–Barsky clipping)."""
        start, end = 0.0, 1.0
        for k, low, high in ((0, self.left, self.right), (1, self.top, self.bottom)):
            step = b[k] - a[k]
            if step == 0.0:
                if not low < a[k] < high:
                    return False
                continue
            first, last = sorted([(low - a[k]) / step, (high - a[k]) / step])
            start, end = max(start, first), min(end, last)
        return start < end


class RoutedEdge:
    """An edge of a picture: its path, its arrowhead and its label.

    `controls` are the control points of its Bézier curves, and `tip` is the tip of its arrowhead,
    or None.
    """

    def __init__(self, svg: re.Match[str]):
        self.before, path, self.between, self.after = svg.groups()
        self.controls = read_points(path)
        arrowhead = POLYGON.search(self.after)
        self.tip = read_points(arrowhead[1])[1] if arrowhead else None
        self.text = TEXT.search(self.after)
        self.label = measure_text(self.text) if self.text else None

    @cached_property
    def points(self) -> list[Point]:
        """The points along the edge, including the tip of its arrowhead."""
        return trace_curves(self.controls, self.tip)

    def write(self) -> str:
        """Return the start of the edge's group as SVG, up to `</g>`."""
        start, *others = (f"{format_length(x)},{format_length(y)}" for x, y in self.controls)
        path, after = f"M{start}C{' '.join(others)}", self.after
        if self.text and self.label:
            after = after.replace(self.text[0], move_text(self.text, self.label))
        return f"{self.before}{path}{self.between}{after}"


class Obstacle(NamedTuple):
    """A node, a title or the label of an edge, which labels and new curves must not cover."""

    box: Rectangle
    is_node: bool = False
    edge: RoutedEdge | None = None

    def is_gone(self) -> bool:
        """Return whether this is the former place of a label."""
        return self.edge is not None and self.edge.label is not self.box


class Segment(NamedTuple):
    """A part of an edge or of the frame of a cluster, which labels must not cover."""

    ends: tuple[Point, Point]
    line: list[Point]
    edge: RoutedEdge | None = None

    def is_gone(self) -> bool:
        """Return whether this is a part of an edge that has been replaced."""
        return self.edge is not None and self.edge.points is not self.line


class Layout:
    """The edges of a picture, and the obstacles between them in a grid of square cells.

    `along` is the axis of the drawing's direction: 0 for x, 1 for y.
    """

    def __init__(self, svg: str, along: int):
        self.svg, self.along = svg, along
        self.edges = [RoutedEdge(edge) for edge in EDGE.finditer(svg)]
        self.page = bound(read_points(POLYGON.findall(svg)[0]))  # the background is drawn first
        self.obstacles: defaultdict[tuple[int, int], list[Obstacle]] = defaultdict(list)
        self.segments: defaultdict[tuple[int, int], list[Segment]] = defaultdict(list)
        for outline in map(list_outline, NODE.findall(svg)):
            if outline:
                self.add_obstacle(Obstacle(bound(outline), is_node=True))
        for title in TEXT.finditer(EDGE.sub("", NODE.sub("", svg))):
            self.add_obstacle(Obstacle(measure_text(title)))
        for edge in self.edges:
            if edge.label:
                self.add_obstacle(Obstacle(edge.label, edge=edge))
        if any(edge.label for edge in self.edges):
            for frame in FRAME.findall(svg):
                self.add_line(trace_curves(read_points(frame)))
            for edge in self.edges:
                self.add_line(edge.points, edge)

    def add_obstacle(self, obstacle: Obstacle) -> None:
        """Add an obstacle to the cells that it touches."""
        for cell in list_cells(obstacle.box):
            self.obstacles[cell].append(obstacle)

    def add_line(self, line: list[Point], edge: RoutedEdge | None = None) -> None:
        """Add the segments of a line to the cells that they touch."""
        for ends in pairwise(line):
            for cell in list_cells(bound(ends)):
                self.segments[cell].append(Segment(ends, line, edge))

    def write(self) -> str:
        """Return the picture as SVG."""
        edges = map(RoutedEdge.write, self.edges)
        return EDGE.sub(lambda _: next(edges), self.svg)

    def replace_detours(self) -> None:
        """Replace each edge that goes back by a curve that avoids nodes and labels.

        It is the one with the shortest control polygon. An edge does not change if no such curve
        has a free place for its label.
        """
        for edge in self.edges:
            # A curve goes back no farther than its control points, which are cheaper to test.
            if not goes_back(edge.controls, self.along) or not goes_back(edge.points, self.along):
                continue
            for controls in sorted(list_curves(edge, self.along), key=measure_length):
                points = trace_curves(controls, edge.tip)
                if goes_back(points, self.along) or not self.is_free(points, edge):
                    continue
                label = edge.label and self.find_place(edge, points)
                if label or not edge.label:
                    edge.controls, edge.points = controls, points
                    self.add_line(points, edge)
                    if label:
                        self.move_label(edge, label)
                    break

    def is_free(self, points: list[Point], edge: RoutedEdge) -> bool:
        """Return whether a curve stays on the page and avoids nodes, titles and other labels."""
        if not all(self.page.contains(x, y) for x, y in points):
            return False
        ends = (points[0], points[-1])
        for a, b in pairwise(points):
            for cell in list_cells(bound((a, b)).grow(NODE_MARGIN)):
                for obstacle in self.obstacles.get(cell, ()):
                    if obstacle.is_gone() or obstacle.edge is edge:
                        continue
                    box, margin = obstacle.box, 0.0
                    if obstacle.is_node:
                        is_end = any(box.grow(1.0).contains(*end) for end in ends)
                        margin = -NODE_MARGIN if is_end else NODE_MARGIN
                    if box.grow(margin).is_crossed(a, b):
                        return False
        return True

    def place_labels(self) -> None:
        """Move each label that is covered or far from its edge to the nearest free place, if any.

        A label that only touches its edge is moved by a few points, or not at all.
        """
        for edge in self.edges:
            if not edge.label:
                continue
            inside = edge.label.grow(-TOLERANCE)
            is_far = not crosses(edge.points, edge.label.grow(FARTHEST))
            is_legible = not (
                is_far or crosses(edge.points, inside) or self.is_covered(inside, edge)
            )
            if is_legible and not crosses(edge.points, edge.label.grow(NEAREST)):
                continue
            place = self.find_place(edge, edge.points, edge.label.middle)
            reach = FARTHEST if is_legible else math.inf
            if place and math.dist(place.middle, edge.label.middle) < reach:
                self.move_label(edge, place)

    def move_label(self, edge: RoutedEdge, label: Rectangle) -> None:
        """Move the label of an edge."""
        edge.label = label
        self.add_obstacle(Obstacle(label, edge=edge))

    def find_place(
        self, edge: RoutedEdge, points: list[Point], near: Point | None = None
    ) -> Rectangle | None:
        """Return the free place for a label that is nearest to a point, or None.

        Args:
            edge: the edge of the label.
            points: its line.
            near: the point; by default the middle of the line.
        """
        assert edge.label is not None
        left, top, right, bottom = edge.label
        width, height = (right - left) / 2, (bottom - top) / 2
        places = []
        for (x, y), (dx, dy) in list_places(points):
            sides = [(dy, -dx), (-dy, dx)]
            for side in sorted(sides, key=lambda side: (side[1] > 1e-6, -side[0])):  # above, right
                offset = GAP + abs(side[0]) * width + abs(side[1]) * height
                places.append((x + side[0] * offset, y + side[1] * offset))
        if near:
            places.sort(key=lambda place: math.dist(place, near))
        for margin, (x, y) in product(MARGINS, places):
            place = Rectangle(x - width, y - height, x + width, y + height)
            is_covered = self.is_covered(place.grow(margin), edge)
            if not is_covered and not crosses(points, place.grow(NEAREST)):
                return place
        return None

    def is_covered(self, area: Rectangle, edge: RoutedEdge) -> bool:
        """Return whether an area leaves the page or overlaps anything but its own edge."""
        if not self.page.contains(area.left, area.top):
            return True
        if not self.page.contains(area.right, area.bottom):
            return True
        for cell in list_cells(area):
            for other in self.obstacles.get(cell, ()):
                if area.touches(other.box) and other.edge is not edge and not other.is_gone():
                    return True
            for part in self.segments.get(cell, ()):
                if part.edge is not edge and area.is_crossed(*part.ends) and not part.is_gone():
                    return True
        return False


def improve_edges(svg: str, direction: str) -> str:
    """Replace edges that turn back, and move edge labels that are hard to read.

    `direction` is the direction of the drawing, from inputs to results. In dense pictures, some
    detours and covered labels remain. A picture with more than `MOST_LABELS` edge labels does not
    change: the search would take seconds.
    """
    edges = EDGE.findall(svg)
    if not edges or sum("<text" in rest for *_, rest in edges) > MOST_LABELS:
        return svg
    layout = Layout(svg, along=0 if direction in ("right", "left") else 1)
    layout.replace_detours()
    layout.place_labels()
    return layout.write()


# ------------------------------------------------------------------------------------------ curves


def list_curves(edge: RoutedEdge, along: int) -> Iterator[list[Point]]:
    """Yield cubic Bézier curves between the ends of an edge.

    Each arrives in the direction of the edge's arrowhead.
    """
    start, end = edge.controls[0], edge.controls[-1]
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
    """Return whether a line goes back along an axis by more than `DETOUR` allows.

    >>> goes_back([(0.0, 0.0), (5.0, 1.0), (4.0, 2.0), (9.0, 3.0)], along=0)
    False
    >>> goes_back([(0.0, 0.0), (8.0, 1.0), (4.0, 2.0), (9.0, 3.0)], along=0)
    True
    """
    steps = [b[along] - a[along] for a, b in pairwise(points)]
    distance = abs(sum(steps))
    length, fraction = DETOUR
    return (sum(map(abs, steps)) - distance) / 2 > max(length, fraction * distance)


def trace_curves(controls: list[Point], tip: Point | None = None) -> list[Point]:
    """Return points along consecutive Bézier curves, up to the tip of an arrowhead."""
    points = controls[:1]
    for i in range(0, len(controls) - 3, 3):
        (x0, y0), (x1, y1), (x2, y2), (x3, y3) = curve = controls[i : i + 4]
        samples = max(FEWEST_SAMPLES, math.ceil(measure_length(curve) / SAMPLING))
        for j in range(1, samples + 1):
            t = j / samples
            p, q, r, s = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
            points.append((p * x0 + q * x1 + r * x2 + s * x3, p * y0 + q * y1 + r * y2 + s * y3))
    return points + ([tip] if tip else [])


def crosses(points: Iterable[Point], area: Rectangle) -> bool:
    """Return whether a line enters a rectangle."""
    left, top, right, bottom = area
    for (x0, y0), (x1, y1) in pairwise(points):
        is_beside = (x0 < left and x1 < left) or (x0 > right and x1 > right)
        if is_beside or (y0 < top and y1 < top) or (y0 > bottom and y1 > bottom):
            continue  # the usual case
        if area.is_crossed((x0, y0), (x1, y1)):
            return True
    return False


def list_places(points: list[Point]) -> Iterator[tuple[Point, Point]]:
    """Yield points on a line, from the middle outwards, each with the unit tangent vector."""
    segments = [(a, b) for a, b in pairwise(points) if a != b]
    ends = [*accumulate(math.dist(a, b) for a, b in segments)]
    first, last = (place * ends[-1] for place in PLACES)
    steps = max(FEWEST_PLACES, math.ceil((last - first) / PLACE_STEP))
    for k in sorted(range(steps + 1), key=lambda k: abs(2 * k - steps)):
        place = first + k / steps * (last - first)
        i = min(bisect_right(ends, place), len(ends) - 1)
        (_, (x, y)), length = segments[i], math.dist(*segments[i])
        dx, dy = ((b - a) / length for a, b in zip(*segments[i], strict=True))
        back = ends[i] - place
        yield (x - back * dx, y - back * dy), (dx, dy)


def measure_length(points: Sequence[Point]) -> float:
    """Return the length of a line through points."""
    return sum(math.dist(a, b) for a, b in pairwise(points))


def bound(points: Iterable[Point]) -> Rectangle:
    """Return the bounding box of points."""
    xs, ys = zip(*points, strict=True)
    return Rectangle(min(xs), min(ys), max(xs), max(ys))


def list_cells(area: Rectangle) -> Iterable[tuple[int, int]]:
    """Return the cells of the grid that a rectangle touches."""
    left, top, right, bottom = (math.floor(x / CELL) for x in area)
    return product(range(left, right + 1), range(top, bottom + 1))


# --------------------------------------------------------------------------------------------- SVG


def read_points(text: str) -> list[Point]:
    """Return the points of a path or a polygon.

    >>> read_points("M0,1C2,3 4,5 6.5,-7")
    [(0.0, 1.0), (2.0, 3.0), (4.0, 5.0), (6.5, -7.0)]
    """
    numbers = [float(x) for x in NUMBER.findall(text)]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def list_outline(node: str) -> list[Point]:
    """Return points whose bounding box is that of a node, given its SVG."""
    points = [point for text in SHAPE.findall(node) for point in read_points(text)]
    for ellipse in ELLIPSE.findall(node):
        x, y, rx, ry = map(float, ellipse)
        points += [(x - rx, y - ry), (x + rx, y + ry)]
    return points


def measure_text(text: re.Match[str]) -> Rectangle:
    """Return the bounding box of a text, anchored at its start or middle."""
    x, y, size = (float(text[i]) for i in (2, 3, 4))
    width = measure(html.unescape(text[6]), size)
    left = x - width / 2 if 'text-anchor="middle"' in text[1] else x
    return Rectangle(left, y - ASCENT * size, left + width, y + DESCENT * size)


def move_text(text: re.Match[str], area: Rectangle) -> str:
    """Return a text, anchored at its middle, moved into an area, without its end tag."""
    x, y = area.middle[0], area.bottom - DESCENT * float(text[4])
    start = f'{text[1]}x="{format_length(x)}" y="{format_length(y)}"'
    return f'{start} font-size="{text[4]}"{text[5]}{text[6]}'
