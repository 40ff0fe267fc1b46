"""A picture as data: shapes and texts at computed positions, and their SVG.

Graphviz lays out expressions. Pictures of networks compute their own positions and return a
`Scene`. Lengths are in points, x grows to the right and y down.
"""

import html
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from engine.draw.look.theme import FONTS

# The advance widths of the characters from " " to "~" in DejaVu Sans, in thousandths of the size.
# Verdana has the same widths to a few units.
WIDTHS = (
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636,
    636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632,
    575, 775, 752, 295, 295, 656, 557, 863, 748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685,
    611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579,
    278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838,
)  # fmt: skip
BOLD = 1.12  # the width of bold text, relative to regular text
SUBSCRIPT = 0.72  # the size of subscripts and superscripts, relative to the text
SHIFTS = {"": 0.0, "sub": 0.22, "sup": -0.38}  # of the baseline, relative to the size of the text


class Span(NamedTuple):
    """A part of a text, on the baseline or as a subscript or superscript."""

    text: str
    shift: str = ""  # "", "sub" or "sup"


class Text(NamedTuple):
    """A line of text, whose baseline begins, ends or has its middle at (x, y)."""

    x: float
    y: float
    spans: Sequence[Span]
    fill: str
    size: float = 10.5
    anchor: str = "start"  # "start", "middle" or "end"
    bold: bool = False
    field: str = ""  # "data" or "grad", for the numbers that a page replaces

    @property
    def width(self) -> float:
        """The width of the text in points."""
        return measure(self.spans, self.size, self.bold)


class Rect(NamedTuple):
    """A rectangle, rounded by `radius`."""

    x: float
    y: float
    width: float
    height: float
    fill: str = "none"
    line: str = "none"
    thickness: float = 1.0
    radius: float = 0.0
    dashed: bool = False


class Circle(NamedTuple):
    """A circle."""

    x: float
    y: float
    radius: float
    fill: str = "none"
    line: str = "none"
    thickness: float = 1.0
    dashed: bool = False
    opacity: float = 1.0  # of the fill


class Curve(NamedTuple):
    """Straight lines through two or more points, or cubic Bézier curves through 4, 7, ... points.

    An arrow has its tip at the last point.
    """

    points: Sequence[tuple[float, float]]
    line: str
    thickness: float = 1.0
    opacity: float = 1.0
    cubic: bool = True
    arrow: bool = False
    dashed: bool = False


class Group(NamedTuple):
    """Parts that a page marks together, such as a value or an edge.

    `id` is that of the value, operation, arrow or box, as in `engine.draw.graph.view`. `kind` is
    the class of the element: "node", "edge" or "cluster". `title` appears when the pointer rests on
    it.
    `opens` is the title of the view of the page that a click opens. In a further copy of a value,
    `of` is the id of the value, and `at` has the ids of the arrows at the copy.
    """

    id: str
    parts: "Sequence[Part]"
    title: str = ""
    kind: str = "node"
    opens: str = ""
    of: str = ""
    at: Sequence[str] = ()


Part: TypeAlias = Text | Rect | Circle | Curve | Group


class Scene(NamedTuple):
    """A picture. Later parts are drawn above earlier ones."""

    width: float
    height: float
    parts: Sequence[Part]
    paper: str = "#ffffff"

    def to_svg(self, prefix: str, title: str) -> str:
        """Return the picture as an SVG element, whose ids begin with `prefix`."""
        width, height = format_length(self.width), format_length(self.height)
        body = "\n".join(write_part(part, prefix) for part in self.parts)
        return (
            f'<svg role="img" aria-label="{html.escape(title)}" font-family="{FONTS}" '
            f'width="{width}pt" height="{height}pt" viewBox="0 0 {width} {height}" '
            'xmlns="http://www.w3.org/2000/svg">\n'
            f'<rect width="{width}" height="{height}" fill="{self.paper}"/>\n{body}\n</svg>\n'
        )


def write_part(part: Part, prefix: str) -> str:
    """Return a part as SVG."""
    if isinstance(part, Group):
        return write_group(part, prefix)
    if isinstance(part, Text):
        return write_text(part)
    if isinstance(part, Curve):
        return write_curve(part)
    dashes = ' stroke-dasharray="5,2"' if part.dashed else ""
    if isinstance(part, Circle):
        shape = f'circle cx="{format_length(part.x)}" cy="{format_length(part.y)}"'
        shape += f' r="{format_length(part.radius)}"'
        shape += f' fill-opacity="{part.opacity:.2g}"' if part.opacity < 1.0 else ""
    else:
        names = ("x", "y", "width", "height")
        shape = "rect " + " ".join(f'{k}="{format_length(getattr(part, k))}"' for k in names)
        shape += f' rx="{format_length(part.radius)}"' if part.radius else ""
    stroke = write_stroke(part.line, part.thickness) if part.line != "none" else ""
    return f'<{shape} fill="{part.fill}"{stroke}{dashes}/>'


def write_group(group: Group, prefix: str) -> str:
    """Return a group of parts with an id."""
    body = "\n".join(write_part(part, prefix) for part in group.parts)
    title = f"<title>{html.escape(group.title)}</title>\n" if group.title else ""
    id = f' id="{prefix}-{group.id}"' if group.id else ""
    if group.of:
        id = f' data-of="{group.of}" data-at="{" ".join(group.at)}"'
    opens = f' data-opens="{html.escape(group.opens)}"' if group.opens else ""
    return f'<g{id} class="{group.kind}"{opens}>\n{title}{body}\n</g>'


def write_text(text: Text) -> str:
    """Return a text; subscripts and superscripts are spans with an offset."""
    body = write_spans(text.spans, text.size)
    anchor = f' text-anchor="{text.anchor}"' if text.anchor != "start" else ""
    weight = ' font-weight="bold"' if text.bold else ""
    field = f' class="{text.field}"' if text.field else ""
    return (
        f'<text x="{format_length(text.x)}" y="{format_length(text.y)}"{anchor}{weight}{field} '
        f'font-size="{format_length(text.size)}" fill="{text.fill}" xml:space="preserve">'
        f"{body}</text>"
    )


def write_spans(spans: Sequence[Span], size: float) -> str:
    """Return spans of a text; a superscript stands above the subscript before it."""
    body, offset, below = "", 0.0, ""
    for span in spans:
        shift = SHIFTS[span.shift] * size
        move = f' dy="{format_length(shift - offset)}"' if shift != offset else ""
        if below and span.shift == "sup":
            move += f' dx="{format_length(-SUBSCRIPT * measure(below, size))}"'
        small = f' font-size="{format_length(SUBSCRIPT * size)}"' if span.shift else ""
        inside = html.escape(span.text)
        body += f"<tspan{move}{small}>{inside}</tspan>" if move or small else inside
        offset, below = shift, span.text if span.shift == "sub" else ""
    return body


def write_curve(curve: Curve) -> str:
    """Return a curve, with a triangle at its end if it is an arrow."""
    points = [*curve.points]
    tip = ""
    if curve.arrow:
        points[-1], tip = shorten_to_arrow(points, curve)
    start, *others = (f"{format_length(x)},{format_length(y)}" for x, y in points)
    command = "C" if curve.cubic else "L"
    opacity = f' stroke-opacity="{curve.opacity:.2g}"' if curve.opacity < 1.0 else ""
    dashes = ' stroke-dasharray="5,2"' if curve.dashed else ""
    stroke = write_stroke(curve.line, curve.thickness)
    return (
        f'<path d="M{start}{command}{" ".join(others)}" fill="none"{stroke}{opacity}{dashes}/>{tip}'
    )


def shorten_to_arrow(
    points: Sequence[tuple[float, float]], curve: Curve
) -> tuple[tuple[float, float], str]:
    """Return the end of the line before an arrow's tip, and the tip as SVG."""
    (x0, y0), (x, y) = points[-2], points[-1]
    length = max(((x - x0) ** 2 + (y - y0) ** 2) ** 0.5, 1e-9)
    dx, dy, size = (x - x0) / length, (y - y0) / length, 4.0 + curve.thickness
    base = (x - size * dx, y - size * dy)
    sides = [(base[0] - s * size * 0.4 * dy, base[1] + s * size * 0.4 * dx) for s in (-1, 1)]
    corners = " ".join(
        f"{format_length(a)},{format_length(b)}" for a, b in (sides[0], (x, y), sides[1])
    )
    return base, f'<polygon points="{corners}" fill="{curve.line}"/>'


def write_stroke(line: str, thickness: float) -> str:
    """Return the attributes of a line."""
    width = f' stroke-width="{format_length(thickness)}"' if thickness != 1.0 else ""
    return f' stroke="{line}"{width}'


def format_length(x: float) -> str:
    """Format a length in points.

    >>> format_length(12.0), format_length(0.126)
    ('12', '0.13')
    """
    return f"{x:.2f}".rstrip("0").rstrip(".")


def measure(spans: "str | Iterable[Span]", size: float, bold: bool = False) -> float:
    """Return the width of a text in points; of text that is not Latin, an upper bound.

    >>> measure("x = 0.5", 10.0)
    36.56
    """
    spans = [Span(spans)] if isinstance(spans, str) else spans
    width = below = 0.0  # `below` is the width of a subscript that a superscript may stand above
    for span in spans:
        scale = SUBSCRIPT if span.shift else 1.0
        own = scale * sum(map(measure_character, span.text))
        width += max(0.0, own - below) if span.shift == "sup" else own
        below = own if span.shift == "sub" else 0.0
    return round(width * size * (BOLD if bold else 1.0) / 1000.0, 2)


def measure_character(c: str) -> float:
    """Return the advance width of a character in thousandths of the size."""
    if " " <= c <= "~":
        return WIDTHS[ord(c) - 32]
    if unicodedata.combining(c):
        return 0.0
    return 1000.0 if unicodedata.east_asian_width(c) in "FW" else 838.0


def walk_parts(parts: Iterable[Part]) -> Iterator[Part]:
    """Yield all parts, with those inside groups, in the order in which they are drawn."""
    for part in parts:
        yield part
        if isinstance(part, Group):
            yield from walk_parts(part.parts)
