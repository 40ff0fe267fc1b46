"""The shapes of an SVG element as data: outlines, lines of text and images, in points.

This reads the part of SVG that this package and Graphviz write. Style sheets are not read: they
hold what a page adds, such as dark colours.
"""

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeAlias

Matrix: TypeAlias = tuple[float, float, float, float, float, float]  # a, b, c, d, e, f of SVG
Point: TypeAlias = tuple[float, float]
IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
INHERITED = {
    "fill": "#000000", "stroke": "none", "stroke-width": "1", "stroke-dasharray": "none",
    "font-size": "16", "font-weight": "normal", "font-style": "normal", "font-family": "",
    "text-anchor": "start", "fill-opacity": "1", "stroke-opacity": "1", "visibility": "visible",
}  # fmt: skip
SKIPPED = ("title", "desc", "style", "defs", "metadata", "script", "foreignObject")
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"
ROUND = 0.5523  # of a radius: the distance of control points that make a quarter of a circle


class Outline(NamedTuple):
    """A path, filled, stroked or both. Its steps are commands M, L, Q, C, Z with their points."""

    steps: list[tuple[str, list[Point]]]
    fill: str
    stroke: str
    width: float
    dashes: list[float]
    fill_opacity: float
    stroke_opacity: float


class Fragment(NamedTuple):
    """A part of a line of text, moved by (dx, dy) from the end of the part before."""

    text: str
    size: float
    dx: float
    dy: float
    fill: str
    bold: bool
    italic: bool


class Line(NamedTuple):
    """A line of text at (x, y), turned by an angle in degrees. `halo` is a colour around it."""

    x: float
    y: float
    fragments: list[Fragment]
    anchor: str
    angle: float
    family: str
    opacity: float
    halo: str
    halo_width: float


class Image(NamedTuple):
    """An image, as the URL of its data."""

    x: float
    y: float
    width: float
    height: float
    data: str


Shape: TypeAlias = Outline | Line | Image


class Picture(NamedTuple):
    """The shapes of an SVG element, and its size."""

    width: float
    height: float
    shapes: list[Shape]


def read_svg(svg: str) -> Picture:
    """Return the shapes of an SVG element. Raises ValueError for an element that is not known.

    >>> picture = read_svg('<svg width="4pt" height="2pt"><circle r="1" fill="red"/></svg>')
    >>> picture.width, picture.shapes[0].fill
    (4.0, 'red')
    """
    root = ET.fromstring(svg)
    width, height = (read_length(root.get(name, "")) for name in ("width", "height"))
    left, top, inside, _ = read_numbers(root.get("viewBox") or f"0 0 {width} {height}")
    scale = width / inside
    matrix = (scale, 0.0, 0.0, scale, -left * scale, -top * scale)
    return Picture(
        width, height, list(read_children(root, matrix, read_style(root, INHERITED), 1.0))
    )


def read_length(text: str) -> float:
    """Return a length in points; one without a unit is in pixels."""
    number = re.match(NUMBER, text)
    if number is None:
        raise ValueError(f"expected the width of an SVG element in points, got {text!r}")
    return float(number[0]) * (1.0 if text.endswith("pt") else 0.75)


def read_numbers(text: str) -> list[float]:
    return [float(x) for x in re.findall(NUMBER, text)]


def read_style(element: ET.Element, style: Mapping[str, str]) -> dict[str, str]:
    """Return the attributes that an element's content inherits."""
    own = dict(re.findall(r"([\w-]+)\s*:\s*([^;]+)", element.get("style", "")))
    own = {**element.attrib, **own}
    return {name: own.get(name, value).strip() for name, value in style.items()}


def read_children(
    element: ET.Element, matrix: Matrix, style: Mapping[str, str], opacity: float
) -> Iterator[Shape]:
    """Yield the shapes inside an element."""
    for child in element:
        tag = child.tag.rpartition("}")[2] if isinstance(child.tag, str) else "title"
        own = read_style(child, style)
        hidden = child.get("display") == "none" or "display:none" in child.get("style", "")
        if tag in SKIPPED or hidden or own["visibility"] == "hidden":
            continue
        inner = combine_matrices(matrix, read_transform(child.get("transform", "")))
        if tag == "svg":
            inner = combine_matrices(inner, read_window(child))
        shade = opacity * float(child.get("opacity", 1.0))
        if tag in ("g", "a", "svg"):
            yield from read_children(child, inner, own, shade)
        elif tag == "text":
            yield from read_lines(child, inner, own, shade)
        elif tag == "image":
            yield read_image(child, inner)
        else:
            outline = read_outline(tag, child, inner, own, shade)
            yield from [outline] if outline.steps else []


def read_window(element: ET.Element) -> Matrix:
    """Return the transformation of an SVG element inside another."""
    x, y, width = (float(element.get(name, 0.0)) for name in ("x", "y", "width"))
    left, top, inside, _ = read_numbers(element.get("viewBox", ""))
    scale = width / inside
    return scale, 0.0, 0.0, scale, x - left * scale, y - top * scale


def read_transform(text: str) -> Matrix:
    """Return the product of the transformations in an attribute."""
    matrix = IDENTITY
    for name, arguments in re.findall(r"(\w+)\(([^)]*)\)", text):
        numbers = read_numbers(arguments)
        if name == "translate":
            step: Matrix = (1.0, 0.0, 0.0, 1.0, numbers[0], numbers[1] if numbers[1:] else 0.0)
        elif name == "scale":
            step = (numbers[0], 0.0, 0.0, numbers[-1], 0.0, 0.0)
        elif name == "rotate":
            cos, sin = math.cos(math.radians(numbers[0])), math.sin(math.radians(numbers[0]))
            x, y = numbers[1:] or (0.0, 0.0)
            step = (cos, sin, -sin, cos, x - cos * x + sin * y, y - sin * x - cos * y)
        elif name == "matrix":
            a, b, c, d, e, f = numbers
            step = (a, b, c, d, e, f)
        else:
            raise ValueError(f"cannot read the transformation {name!r} of a picture")
        matrix = combine_matrices(matrix, step)
    return matrix


def combine_matrices(m: Matrix, n: Matrix) -> Matrix:
    """Return the matrix that applies `n` first, then `m`."""
    a, b, c, d, e, f = m
    return (
        a * n[0] + c * n[1], b * n[0] + d * n[1], a * n[2] + c * n[3], b * n[2] + d * n[3],
        a * n[4] + c * n[5] + e, b * n[4] + d * n[5] + f,
    )  # fmt: skip


def apply_matrix(m: Matrix, point: Point) -> Point:
    x, y = point
    return m[0] * x + m[2] * y + m[4], m[1] * x + m[3] * y + m[5]


def measure_scale(m: Matrix) -> float:
    """Return the factor by which a matrix scales lengths."""
    return math.sqrt(abs(m[0] * m[3] - m[1] * m[2]))


# -------------------------------------------------------------------------------------- outlines


def read_outline(
    tag: str, element: ET.Element, matrix: Matrix, style: Mapping[str, str], opacity: float
) -> Outline:
    """Return a shape that is filled, stroked or both."""
    number = lambda name, default=0.0: float(element.get(name) or default)
    if tag == "path":
        steps = read_path(element.get("d", ""))
    elif tag in ("polygon", "polyline"):
        numbers = read_numbers(element.get("points", ""))
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        steps = [("M", points[:1]), *(("L", [point]) for point in points[1:])]
        steps += [("Z", [])] if tag == "polygon" else []
    elif tag == "line":
        ends = [(number("x1"), number("y1")), (number("x2"), number("y2"))]
        steps = [("M", ends[:1]), ("L", ends[1:])]
    elif tag in ("circle", "ellipse"):
        rx, ry = number("rx", number("r")), number("ry", number("r"))
        x, y = number("cx") - rx, number("cy") - ry
        steps = outline_rectangle(x, y, 2 * rx, 2 * ry, rx, ry)
    elif tag == "rect":
        width, height, rx = number("width"), number("height"), number("rx", number("ry"))
        rx, ry = min(rx, width / 2), min(number("ry", rx), height / 2)
        steps = outline_rectangle(number("x"), number("y"), width, height, rx, ry)
    else:
        raise ValueError(f"cannot read the element <{tag}> of a picture")
    scale = measure_scale(matrix)
    moved = [(name, [apply_matrix(matrix, point) for point in points]) for name, points in steps]
    return Outline(
        moved, style["fill"], style["stroke"], scale * read_numbers(style["stroke-width"])[0],
        [scale * x for x in read_numbers(style["stroke-dasharray"])],
        opacity * float(style["fill-opacity"]), opacity * float(style["stroke-opacity"]),
    )  # fmt: skip


def read_path(d: str) -> list[tuple[str, list[Point]]]:
    """Return the steps of a path. Raises ValueError for commands other than MLHVCQZ.

    >>> read_path("M0,0 l2,0 0,1 z")
    [('M', [(0.0, 0.0)]), ('L', [(2.0, 0.0)]), ('L', [(2.0, 1.0)]), ('Z', [])]
    """
    steps: list[tuple[str, list[Point]]] = []
    x = y = 0.0
    start = (0.0, 0.0)
    for command, arguments in re.findall(rf"([A-Za-z])((?:{NUMBER}|[\s,])*)", d):
        name, numbers = command.upper(), read_numbers(arguments)
        if name not in POINTS_OF_COMMAND:
            raise ValueError(f"cannot read the command {command!r} of a path")
        if name == "Z":
            steps.append(("Z", []))
            x, y = start
        if name in "HV":
            for number in numbers:
                along = number if command.isupper() else number + (x if name == "H" else y)
                x, y = (along, y) if name == "H" else (x, along)
                steps.append(("L", [(x, y)]))
            continue
        size = 2 * POINTS_OF_COMMAND[name]
        for i in range(0, len(numbers), size or 1):
            part = numbers[i : i + size]
            origin = (0.0, 0.0) if command.isupper() else (x, y)
            points = [
                (origin[0] + a, origin[1] + b) for a, b in zip(part[::2], part[1::2], strict=True)
            ]
            steps.append((name if i == 0 or name != "M" else "L", points))
            x, y = points[-1]
            start = (x, y) if name == "M" and i == 0 else start
    return steps


POINTS_OF_COMMAND = {"M": 1, "L": 1, "H": 1, "V": 1, "Q": 2, "C": 3, "Z": 0}


def outline_rectangle(
    x: float, y: float, width: float, height: float, rx: float, ry: float
) -> list[tuple[str, list[Point]]]:
    """Return the steps of a rectangle with round corners; an ellipse has nothing else."""
    right, bottom = x + width, y + height
    if not rx or not ry:
        corners = [(right, y), (right, bottom), (x, bottom)]
        return [("M", [(x, y)]), *(("L", [corner]) for corner in corners), ("Z", [])]
    a, b = rx * (1 - ROUND), ry * (1 - ROUND)
    return [
        ("M", [(x + rx, y)]), ("L", [(right - rx, y)]),
        ("C", [(right - a, y), (right, y + b), (right, y + ry)]), ("L", [(right, bottom - ry)]),
        ("C", [(right, bottom - b), (right - a, bottom), (right - rx, bottom)]),
        ("L", [(x + rx, bottom)]),
        ("C", [(x + a, bottom), (x, bottom - b), (x, bottom - ry)]), ("L", [(x, y + ry)]),
        ("C", [(x, y + b), (x + a, y), (x + rx, y)]), ("Z", []),
    ]  # fmt: skip


# ----------------------------------------------------------------------------- texts and images


def read_lines(
    element: ET.Element, matrix: Matrix, style: Mapping[str, str], opacity: float
) -> Iterator[Line]:
    """Yield the lines of a text element."""
    scale, stroke = measure_scale(matrix), style["stroke"]
    angle = math.degrees(math.atan2(matrix[1], matrix[0]))
    halo_width = 0.0 if stroke == "none" else scale * read_numbers(style["stroke-width"])[0]
    for place, anchor, fragments in split_lines(element, scale, style):
        if any(fragment.text.strip() for fragment in fragments):
            yield Line(
                *apply_matrix(matrix, place), fragments, anchor, angle, style["font-family"],
                opacity * float(style["fill-opacity"]), stroke, halo_width,
            )  # fmt: skip


def split_lines(
    element: ET.Element, scale: float, style: Mapping[str, str]
) -> list[tuple[Point, str, list[Fragment]]]:
    """Return the place, anchor and parts of each line of a text element.

    A span with a position of its own begins a line. Parts have their sizes in points.
    """

    def read_fragment(
        text: str | None, own: Mapping[str, str], dx: float = 0.0, dy: float = 0.0
    ) -> list[Fragment]:
        text = (text or "").replace("\n", " ")
        bold, italic = own["font-weight"] in BOLD_WEIGHTS, own["font-style"] == "italic"
        size = scale * read_numbers(own["font-size"])[0]
        fragment = Fragment(text, size, scale * dx, scale * dy, own["fill"], bold, italic)
        return [fragment] if text or dx or dy else []

    x, y = (float((element.get(name) or "0").split()[0]) for name in ("x", "y"))
    size = read_numbers(style["font-size"])[0]
    baseline = BASELINES.get(element.get("dominant-baseline", ""), 0.0) * size
    dx, dy = (read_shift(element, name, size) for name in ("dx", "dy"))
    first = read_fragment(element.text, style, dx, dy + baseline)
    lines = [((x, y), style["text-anchor"], first)]
    for span in element:
        own = read_style(span, style)
        size = read_numbers(own["font-size"])[0]
        if span.get("x") is not None or span.get("y") is not None:
            (x0, y0), _, _ = lines[-1]
            place = (float(span.get("x", x0)), float(span.get("y", y0)))
            lines.append((place, own["text-anchor"], []))
        shift = SHIFTS.get(span.get("baseline-shift", ""), 0.0) * size
        dx, dy = (read_shift(span, name, size) for name in ("dx", "dy"))
        fragments = lines[-1][2]
        fragments += read_fragment(span.text, own, dx, dy + shift)
        fragments += read_fragment(span.tail, style, 0.0, -shift)
    return lines


BASELINES = {"middle": 0.3, "central": 0.35, "hanging": 0.75}  # below a text's place, in ems
SHIFTS = {"sub": 0.3, "super": -0.4}  # of scripts, in ems
BOLD_WEIGHTS = ("bold", "bolder", "600", "700", "800", "900")


def read_shift(element: ET.Element, name: str, size: float) -> float:
    """Return the attribute dx or dy, which may be in ems."""
    text = element.get(name, "")
    numbers = read_numbers(text)
    return numbers[0] * (size if text.endswith("em") else 1.0) if numbers else 0.0


def read_image(element: ET.Element, matrix: Matrix) -> Image:
    """Return an image. Raises ValueError unless its data is in the picture."""
    data = element.get("href") or element.get("{http://www.w3.org/1999/xlink}href") or ""
    if not data.startswith("data:image/"):
        raise ValueError(f"cannot read the image {data[:40]!r} of a picture")
    x, y, width, height = (float(element.get(k, 0.0)) for k in ("x", "y", "width", "height"))
    left, top = apply_matrix(matrix, (x, y))
    scale = measure_scale(matrix)
    return Image(left, top, scale * width, scale * height, data)
