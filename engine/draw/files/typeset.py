"""Formulas in MathML as outlines in SVG, for pictures of steps.

matplotlib's mathtext sets a formula. It has no tables and no braces below a formula; these are
composed here from formulas that it sets.

>>> formula = parse_mathml("<mfrac><mi>x</mi><mn>2</mn></mfrac><mo>⋅</mo><mi>tanh</mi>")
>>> latex = write_mathtext(formula)
>>> print(latex.strip())
\\dfrac{x}{2}\\cdot \\mathrm{tanh}
"""

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from engine.draw.files.figures import import_matplotlib
from engine.draw.formulas.labels import write_letters, write_upright
from engine.draw.formulas.writing import Latex
from engine.draw.look.scene import format_length

FONTSET = "stix"  # resembles Times, and has most signs
SIGNS = {
    "⋅": r"\cdot ", "·": r"\cdot ", "−": "-", "≤": r"\leq ", "≥": r"\geq ", "∧": r"\wedge ",
    "∨": r"\vee ", "⋯": r"\cdots ", "⋮": r"\vdots ", "…": r"\ldots ", "×": r"\times ",
    "∑": r"\sum ", "→": r"\rightarrow ", "≠": r"\neq ", "≈": r"\approx ", "∞": r"\infty ",
    "‖": r"\Vert ", "′": r"\prime ", "⊤": r"\top ", "⊙": r"\odot ", "{": r"\{", "}": r"\}",
    "%": r"\%", "#": r"\#", "$": r"\$", "&": r"\&", "_": r"\_", "\\": r"\backslash ",
    "^": r"\wedge ", "~": r"\sim ", "+=": r"\;{+}\!{=}\;",
    "\u2061": "", "\u2062": "", "\u00a0": r"\ ", " ": r"\ ",
}  # fmt: skip
RELATIONS = ("=", "+=", "+", "−", "⋅", "·", "×", "≤", "≥", "<", ">", "→", "≈", "≠")
FENCES = {"(": "(", "[": "[", "{": r"\{", "|": "|", "‖": r"\Vert ", ")": ")", "]": "]", "}": r"\}"}
AND = r"\&"  # which mathtext reads without the backslash
GAP = 0.28  # around a sign beside a table or a brace, relative to the size
COMMANDS = {1: "M", 2: "L", 3: "Q", 4: "C"}  # of SVG, for the codes of matplotlib's paths
SMALL = 0.8  # of a formula below a brace


class Glyphs(NamedTuple):
    """A path at (x, y), filled, or a line of some width. `stretch` scales its height."""

    x: float
    y: float
    d: str
    line: float = 0.0
    stretch: float = 1.0


class MathBox(NamedTuple):
    """A set formula: its size and its parts. Heights are from the baseline, y grows downwards."""

    width: float
    ascent: float
    descent: float
    parts: list[Glyphs]

    def move(self, x: float, y: float = 0.0) -> list[Glyphs]:
        """Return the parts, moved."""
        return [part._replace(x=x + part.x, y=y + part.y) for part in self.parts]

    def to_svg(self, x: float, y: float, colour: str) -> str:
        """Return the formula as SVG, with its baseline at y."""
        return "\n".join(write_glyphs(part, colour) for part in self.move(x, y))


def write_glyphs(part: Glyphs, colour: str) -> str:
    """Return a path as SVG."""
    place = f"translate({format_length(part.x)} {format_length(part.y)})"
    if part.stretch != 1.0:
        place += f" scale(1 {part.stretch:.4g})"
    paint = f'fill="{colour}"'
    if part.line:
        paint = f'fill="none" stroke="{colour}" stroke-width="{format_length(part.line)}"'
    return f'<path transform="{place}" d="{part.d}" {paint}/>'


def parse_mathml(mathml: str) -> ET.Element:
    """Return the content of a <math> element as a row."""
    return ET.fromstring(f"<mrow>{mathml}</mrow>")


def set_formula(mathml: str, size: float) -> MathBox:
    """Return a formula, set at a size in points."""
    return set_row(list(parse_mathml(mathml)), size)


def set_row(elements: Sequence[ET.Element], size: float, align: float = 0.5) -> MathBox:
    """Return elements side by side. Tables and braces are composed, all else is mathtext.

    The cells of tables are centred, those of cases on the left, and those of matrices, which are
    numbers with equal decimals, on the right.
    """
    boxes: list[MathBox] = []
    plain: list[ET.Element] = []
    fences: list[str] = []
    for i, element in enumerate(elements):
        text = element.text or ""
        beside = [elements[j] for j in (i - 1, i + 1) if 0 <= j < len(elements)]
        is_fence = element.tag == "mo" and text in FENCES and any(x.tag == "mtable" for x in beside)
        if not is_fence and not is_composed(element):
            plain.append(element)
            continue
        if plain:
            boxes.append(set_plain_row(plain, size, before=bool(boxes), after=True))
            plain = []
        if is_fence:
            fences.append(text)
            continue
        is_table = element.tag == "mtable"
        box = set_table(element, size, align) if is_table else set_composed(element, size)
        closing = elements[i + 1].text if i + 1 < len(elements) else ""
        if fences:
            boxes.append(set_fence(fences.pop(), box, size, 0.0))
        boxes.append(box)
        if element.tag == "mtable" and closing in FENCES:
            boxes.append(set_fence(closing or "", box, size, 0.15 * size))
            fences.clear()
    if plain:
        boxes.append(set_plain_row(plain, size, before=bool(boxes), after=False))
    return put_side_by_side(boxes)


def is_composed(element: ET.Element) -> bool:
    """Return whether mathtext cannot set an element of a row."""
    if element.tag in ("mrow", "mstyle"):
        return any(map(is_composed, element))
    return element.tag == "mtable" or (element.tag == "munder" and has_brace(element))


def has_brace(element: ET.Element) -> bool:
    return any(x.text == "⏟" for x in element.iter("mo"))


def set_composed(element: ET.Element, size: float) -> MathBox:
    """Return a table, a formula with a brace below, or a row with one of them."""
    if element.tag == "munder":
        inner, below = element  # the inner one has the brace
        return set_brace(set_row([inner[0]], size), set_row([below], SMALL * size), size)
    return set_row(list(element), size, 1.0 if element.get("class") == "matrix" else 0.0)


def set_plain_row(
    elements: Sequence[ET.Element], size: float, before: bool, after: bool
) -> MathBox:
    """Return elements that mathtext sets, with space around a sign at an end beside a box."""
    row = ET.Element("mrow")
    row.extend(elements)
    box = set_mathtext(write_mathtext(row), "".join(row.itertext()), size)
    signs = [element.tag == "mo" and element.text in RELATIONS for element in elements]
    left, right = GAP * size * (before and signs[0]), GAP * size * (after and signs[-1])
    return box._replace(width=left + box.width + right, parts=box.move(left))


def set_table(table: ET.Element, size: float, align: float) -> MathBox:
    """Return a table, whose middle is on the axis of the row.

    `align` is the share of the room beside a cell that is on its left: 0.5 centres cells.
    """
    rows = [[set_row(list(cell), size) for cell in row] for row in table]
    widths = [max(box.width for box in column) for column in zip(*rows, strict=True)]
    gap, lead = 0.7 * size, 0.35 * size
    ascents = [max(*(box.ascent for box in row), 0.7 * size) for row in rows]
    descents = [max(*(box.descent for box in row), 0.2 * size) for row in rows]
    height = sum(ascents) + sum(descents) + lead * (len(rows) - 1)
    y = -height / 2 - 0.25 * size
    top = y
    parts: list[Glyphs] = []
    for row, ascent, descent in zip(rows, ascents, descents, strict=True):
        x = 0.0
        for box, width in zip(row, widths, strict=True):
            parts += box.move(x + align * (width - box.width), y + ascent)
            x += width + gap
        y += ascent + descent + lead
    return MathBox(sum(widths) + gap * (len(widths) - 1), -top, top + height, parts)


def set_fence(fence: str, box: MathBox, size: float, gap: float) -> MathBox:
    """Return a fence as high as a box: a stretched sign, after a gap."""
    sign = set_mathtext(FENCES[fence], fence, size)
    scale = (box.ascent + box.descent) / max(sign.ascent + sign.descent, 1.0)
    parts = [
        part._replace(x=gap, y=box.descent - sign.descent * scale, stretch=scale)
        for part in sign.parts
    ]
    return MathBox(sign.width + 0.15 * size, box.ascent, box.descent, parts)


def set_brace(box: MathBox, below: MathBox, size: float) -> MathBox:
    """Return a box with a brace below it, and another box below that."""
    width = max(box.width, below.width)
    left, right, middle = (width - box.width) / 2, (width + box.width) / 2, width / 2
    h = 0.16 * size
    r = min(0.5 * size, box.width / 4)  # the width of the curves at the ends and in the middle
    points = [
        (left, 0), (left, h), (left + r / 2, h), (left + r, h), (middle - r, h),
        (middle - r / 2, h), (middle, h), (middle, 2 * h), (middle, h), (middle + r / 2, h),
        (middle + r, h), (right - r, h), (right - r / 2, h), (right, h), (right, 0),
    ]  # fmt: skip
    commands = dict(zip((0, 1, 4, 5, 8, 11, 12), "MCLCCLC", strict=True))
    d = "".join(
        f"{commands.get(i, ' ')}{format_length(x)},{format_length(y)}"
        for i, (x, y) in enumerate(points)
    )
    y = box.descent + 0.12 * size
    down = y + 2 * h + 0.15 * size + below.ascent
    brace = Glyphs(0.0, y, d, line=0.055 * size)
    parts = [*box.move(left), brace, *below.move((width - below.width) / 2, down)]
    return MathBox(width, box.ascent, down + below.descent, parts)


def put_side_by_side(boxes: Sequence[MathBox]) -> MathBox:
    """Return boxes side by side on one baseline."""
    x, parts = 0.0, []
    for box in boxes:
        parts += box.move(x)
        x += box.width
    heights = [(box.ascent, box.descent) for box in boxes] or [(0.0, 0.0)]
    ascents, descents = zip(*heights, strict=True)
    return MathBox(x, max(ascents), max(descents), parts)


# --------------------------------------------------------------------------------------- mathtext


def write_mathtext(element: ET.Element, depth: int = 0) -> str:
    """Return an element as LaTeX that mathtext can set. Fractions inside others are smaller."""
    tag, text = element.tag, element.text or ""
    if element.get("class") == "rest":  # terms that a page shows on a click
        return ""
    inside = [write_mathtext(child, depth + (tag == "mfrac")) for child in element]
    if tag in ("mi", "mn"):
        latex = write_letters(text) if len(text) == 1 else Latex().write_name(text)
        return f"{latex} " if latex[:1] == "\\" else latex
    if tag == "mspace":
        return r"\;"
    if tag == "mo":
        return SIGNS.get(text, text)
    if tag == "mtext":
        return write_upright(text)
    if tag == "mfrac":
        return rf"\{'d' * (depth == 0)}frac{{{inside[0]}}}{{{inside[1]}}}"
    if tag in ("msub", "msup", "msubsup"):
        signs = {"msub": "_", "msup": "^", "msubsup": "_^"}[tag]
        scripts = "".join(f"{sign}{{{x}}}" for sign, x in zip(signs, inside[1:], strict=True))
        return f"{{{inside[0]}}}{scripts}"
    if tag == "msqrt":
        return rf"\sqrt{{{''.join(inside)}}}"
    if tag == "mroot":
        return rf"\sqrt[{''.join(element[1].itertext())}]{{{inside[0]}}}"
    if tag == "mover":
        accent = {"^": "hat", "¯": "bar", "~": "tilde"}.get(element[1].text or "", "overset")
        return rf"\{accent}{{{inside[0]}}}"
    if tag == "munder":
        return rf"\underset{{{inside[1]}}}{{{inside[0]}}}"
    ends = [element[i].text for i in (0, -1) if len(element)]
    if ends == ["(", ")"]:
        return rf"\left({''.join(inside[1:-1])}\right)"
    return "".join(inside)


@lru_cache(5000)
def set_mathtext(latex: str, text: str, size: float) -> MathBox:
    """Return LaTeX, set by mathtext; `text`, upright, if mathtext cannot read it."""
    import_matplotlib("step")
    from matplotlib import rc_context
    from matplotlib.font_manager import FontProperties
    from matplotlib.path import Path as Outline
    from matplotlib.textpath import text_to_path

    font, scale = FontProperties(size=size, math_fontfamily=FONTSET), size / text_to_path.FONT_SCALE
    with rc_context({"text.usetex": False}):
        try:
            formula = f"${latex.replace(AND, '&')}$" if latex.strip() else ""
            size_of = text_to_path.get_text_width_height_descent(formula, font, ismath=True)
        except ValueError:
            formula = f"${write_upright(text).replace(AND, '&')}$"
            size_of = text_to_path.get_text_width_height_descent(formula, font, ismath=True)
        vertices, codes = text_to_path.get_text_path(font, formula, ismath=True)
    steps = []
    for points, code in Outline(vertices, codes).iter_segments(simplify=False, curves=True):
        lengths = (format_length(scale * (x if i % 2 == 0 else -x)) for i, x in enumerate(points))
        steps.append("Z" if code == 79 else COMMANDS[int(code)] + " ".join(lengths))
    d = "".join(steps)
    width, height, descent = size_of
    return MathBox(width, height - descent, descent, [Glyphs(0.0, 0.0, d)] if d else [])
