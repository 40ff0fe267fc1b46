"""Pictures of the steps of a page: the drawing as it is at a step, below the formula."""

import html
import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterable, Iterator, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple

from engine.draw.arrays.states import find_cells, list_panels, show_cells
from engine.draw.files.figures import write_picture, write_pictures
from engine.draw.files.typeset import MathBox, set_formula
from engine.draw.formulas.notation import Line
from engine.draw.graph.room import MARK_SIZE
from engine.draw.look.scene import format_length
from engine.draw.look.theme import SIZES, Theme
from engine.draw.options import Options
from engine.draw.steps.frames import Frame, Run

SVG = "http://www.w3.org/2000/svg"
SHAPES = ("path", "polygon", "ellipse", "polyline", "rect", "circle")
PADDING = 10.0
LEAD = 7.0  # between the lines of a formula
FORMULA_SIZE, SMALLEST = 14.0, 9.0  # points, beside texts of 11; of formulas that shrink with them
SIGNS = {"right": "✓", "wrong": "✗", "early": "»"}  # before the gradients in cards
DASHES = {"wrong": "5,3", "early": "1.5,2.5"}  # by the kinds of marks
MARKED = "#d4d4d4"  # the fill of marked values in black and white


class State(NamedTuple):
    """The numbers that have appeared by a step, by the ids of their values."""

    data: dict[str, str]
    grad: dict[str, str]
    marks: dict[str, tuple[str, str]]  # kinds and texts, of a wrong pass


def find_state(frames: Sequence[Frame]) -> State:
    """Return the state after the last of some frames."""
    state = State({}, {}, {})
    for frame in frames:
        state.data.update(frame.data)
        state.grad.update(frame.grad)
        state.marks.update(frame.marks)
    return state


class StepPictures:
    """Pictures of the steps of a run.

    Args:
        svg: the drawing.
        run: the run.
        theme: its colours.
        options: those of the drawing. With a width, formulas shrink to it.
    """

    def __init__(self, svg: str, run: Run, theme: Theme, options: Options):
        ET.register_namespace("", SVG)
        self.svg, self.run, self.theme, self.options = svg, run, theme, options
        root = ET.fromstring(svg)
        lengths = (root.get(name, "0") for name in ("width", "height"))
        self.width, self.height = (float(length.removesuffix("pt")) for length in lengths)
        scale = self.width / float(root.get("viewBox", "0 0 1 1").split()[2])
        self.size = max(SMALLEST, FORMULA_SIZE * scale) * options.sizes.text / SIZES.text

    def save(self, path: Path, step: int | None) -> Path | list[Path]:
        """Write one step, or all as numbered files or as one .pdf file. Return what was written."""
        count, dpi = len(self.run.frames), self.options.dpi
        if "{" in path.name or "%" in path.name:
            if step is not None:
                raise ValueError(f"{path.name!r} is for all steps; leave out step={step}")
            paths = number_paths(path, count)
            for place, svg in zip(paths, self.draw(range(count)), strict=True):
                write_picture(svg, place, dpi)
            return paths
        if step is not None:
            (svg,) = self.draw([find_step(step, count)])
            write_picture(svg, path, dpi)
        elif path.suffix.lower() == ".pdf":
            write_pictures(self.draw(range(count)), path, dpi)
        else:
            several = f"{path.stem}-{{:03}}{path.suffix}"
            raise ValueError(
                f"{path.name!r} holds one step; pass its number, as in step=12, or write "
                f"{several!r} for all steps"
            )
        return path

    def draw(self, steps: Sequence[int]) -> Iterator[str]:
        """Yield the pictures of steps, counted from 0, as SVG elements of one size."""
        formulas = [self.set_formulas(steps, self.size)]
        widest = measure_width(formulas[-1])
        room = self.width - 2 * PADDING
        if self.options.width is not None and widest > room:
            formulas = [self.set_formulas(steps, self.size * room / widest)]
            widest = room
        top = max(map(measure_height, formulas[-1]))
        top += LEAD * any(self.run.frames[n].elements for n in steps)  # around the rule
        top += 2 * PADDING * (top > 0)
        width = max(self.width, widest + 2 * PADDING)
        for n, lines in zip(steps, formulas[-1], strict=True):
            yield self.compose(self.show_state(n), n, lines, (width, top))

    def set_formulas(self, steps: Sequence[int], size: float) -> list[list[MathBox]]:
        """Return the lines of the formula of each step."""
        frames = (self.run.frames[n] for n in steps)
        return [[set_formula("".join(line), size) for line in list_lines(x)] for x in frames]

    def show_state(self, n: int) -> ET.Element:
        """Return the drawing as it is at a step."""
        frame, state = self.run.frames[n], find_state(self.run.frames[: n + 1])
        root, cells = ET.fromstring(self.svg), find_cells(self.run.frames[: n + 1])
        elements = [(find_id(x), x) for x in root.iter()]
        for id, element in elements:
            if id[:1] in ("v", "b") and id[1:].isdigit():
                show_numbers(element, state.data.get(id), state.grad.get(id))
                show_cells(element, id, cells)
                if id not in state.data and id not in frame.marked:
                    element.set("opacity", "0.38")
                if id in state.marks:
                    write_status(element, state.marks[id], self.theme)
        for element in choose_marked(elements, frame.marked):
            mark(element, self.theme)
        if frame.elements:
            outline_cells(elements, find_followed(frame).marks, self.theme)
        return root

    def compose(
        self, root: ET.Element, n: int, lines: Sequence[MathBox], size: tuple[float, float]
    ) -> str:
        """Return a drawing with the lines of a formula above it, in a width and below a top."""
        full, top = size
        for name in ("role", "aria-label"):
            root.attrib.pop(name, None)
        lengths = {
            "x": (full - self.width) / 2, "y": top, "width": self.width, "height": self.height,
        }  # fmt: skip
        for name, length in lengths.items():
            root.set(name, format_length(length))
        y, parts, first = PADDING, [], len(self.run.frames[n].lines)
        left, right = (full - measure_width([lines])) / 2, (full + measure_width([lines])) / 2
        for i, box in enumerate(lines):
            if i == first:  # the lines that follow one element
                rule = f'd="M{format_length(left)},{format_length(y)}H{format_length(right)}"'
                parts.append(f'<path {rule} stroke="{self.theme.frame}" stroke-dasharray="3,3"/>')
                y += LEAD
            parts.append(box.to_svg((full - box.width) / 2, y + box.ascent, self.theme.ink))
            y += box.ascent + box.descent + LEAD
        width, height = format_length(full), format_length(top + self.height)
        title = f"step {n + 1} of {len(self.run.frames)}: {self.run.frames[n].title}"
        return (
            f'<svg xmlns="{SVG}" role="img" aria-label="{html.escape(title)}" width="{width}pt" '
            f'height="{height}pt" viewBox="0 0 {width} {height}">\n'
            f'<rect width="{width}" height="{height}" fill="{self.theme.paper}"/>\n'
            f'<g class="formula">{"".join(parts)}</g>\n{ET.tostring(root, "unicode")}</svg>\n'
        )


def list_lines(frame: Frame) -> list[Line]:
    """Return the lines of a step, and those that follow the largest element of its array."""
    return [*frame.lines, *(find_followed(frame).lines if frame.elements else ())]


def find_followed(frame: Frame) -> Any:
    """Return the element that a step follows, as its page does until another one is clicked."""
    return next(iter(frame.elements.values()))


def find_id(element: ET.Element) -> str:
    """Return the id of a part of a drawing without its prefix; a value may be drawn twice."""
    return element.get("data-of") or element.get("id", "").partition("-")[2]


def choose_marked(
    elements: Iterable[tuple[str, ET.Element]], marked: Collection[str]
) -> Iterator[ET.Element]:
    """Yield the elements that a step marks: of a value that is drawn several times, those at the
    marked arrows."""
    drawn: dict[str, list[ET.Element]] = {}
    for id, element in elements:
        if id in marked:
            drawn.setdefault(id, []).append(element)
    has_arrows = any(id.startswith("e") for id in marked)
    for id, places in drawn.items():
        if len(places) < 2 or not has_arrows:
            yield from places
            continue
        copies = [x for x in places if not {*x.get("data-at", "").split()}.isdisjoint(marked)]
        yield from copies
        if not copies or id.replace("v", "e") in marked:
            yield from (x for x in places if not x.get("data-of"))


def measure_width(formulas: Sequence[Sequence[MathBox]]) -> float:
    """Return the width of the widest line."""
    return max((box.width for lines in formulas for box in lines), default=0.0)


def measure_height(boxes: Sequence[MathBox]) -> float:
    """Return the height of lines of formulas."""
    return sum(box.ascent + box.descent for box in boxes) + LEAD * max(0, len(boxes) - 1)


def show_numbers(element: ET.Element, data: str | None, grad: str | None) -> None:
    """Replace the numbers of a value by those that have appeared; leave out the others."""
    fields = {x for panel in list_panels(element) for x in panel.iter()}
    for text in element.iter(f"{{{SVG}}}text"):
        if text in fields:  # of an Array, see show_cells
            continue
        content = "".join(text.itertext()).replace("\u00a0", " ").strip()
        name = content.partition(" ")[0]
        field = text.get("class") or name
        number = data if field == "data" else grad
        if field in ("data", "grad", "‖grad‖"):
            for span in [*text]:
                text.remove(span)
            is_named = name in ("data", "grad", "‖grad‖")
            text.text = (f"{name} {number}" if number else name) if is_named else number or ""


def mark(element: ET.Element, theme: Theme) -> None:
    """Mark an element of the current step, as the page does."""
    is_edge = element.get("class") == "edge"
    fields = {x for panel in list_panels(element) for x in panel.iter()}
    for shape in element.iter():
        if shape in fields:
            continue
        tag = shape.tag.rpartition("}")[2] if isinstance(shape.tag, str) else ""
        if tag in SHAPES:
            shape.set("stroke", theme.mark)
            shape.set("stroke-width", "2.4")
            if is_edge and tag == "polygon":
                shape.set("fill", theme.mark)
            elif theme.mark == theme.ink and shape.get("fill", "none") != "none":
                shape.set("fill", MARKED)


def outline_cells(
    elements: Iterable[tuple[str, ET.Element]], marks: Sequence[Any], theme: Theme
) -> None:
    """Outline the cells of Arrays that the followed element is computed from, itself thicker."""
    panels = {
        (id, panel.get("data-field")): panel for id, x in elements for panel in list_panels(x) if id
    }
    for i, (id, field, row, column) in enumerate(marks):
        panel = panels.get((id, field))
        if panel is not None:
            x, y, width, height = (
                float(panel.get(f"data-{name}", 0.0)) for name in ("x", "y", "width", "height")
            )
            place = {"x": x + column * width, "y": y + row * height}
            box = {**place, "width": width, "height": height, "stroke-width": 1.2 if i else 2.2}
            look = {name: format_length(length) for name, length in box.items()}
            ET.SubElement(panel, f"{{{SVG}}}rect", {**look, "fill": "none", "stroke": theme.mark})


def write_status(element: ET.Element, status: tuple[str, str], theme: Theme) -> None:
    """Write the state of a gradient in a wrong pass below it, as the page does."""
    kind, content = status
    shapes = [x for x in element.iter() if x.tag.rpartition("}")[2] in SHAPES]
    if kind in DASHES and shapes:
        shapes[0].attrib.update(
            {"stroke": theme.mark, "stroke-width": "2", "stroke-dasharray": DASHES[kind]}
        )
    texts = list(element.iter(f"{{{SVG}}}text"))
    for text in texts:
        if text.get("class") == "array-mark":
            text.text = content
            text.set("fill", theme.mark if kind in DASHES else theme.pale)
            text.set("font-size", format_length(MARK_SIZE))
            return
    for text in texts:
        if text.get("class") == "grad":
            write_sign(text, status, theme)
            return
    places = [i for i, x in enumerate(texts) if (x.text or "").strip("\u00a0").startswith("grad")]
    if not places or not content:
        return
    gradient, after = texts[places[-1]], texts[places[-1] + 1 :]
    lines = [float(x.get("y", 0.0)) for x in [gradient, *after[:1]]]  # `after` is a blank line
    middle, is_alarm = sum(lines) / len(lines), kind in DASHES
    below = ET.SubElement(element, gradient.tag, gradient.attrib)
    below.text = content
    below.attrib.update({
        "y": format_length(middle + 6.0), "font-size": format_length(MARK_SIZE),
        "fill": theme.mark if is_alarm else theme.pale,
        "font-weight": "bold" if is_alarm else "normal",
    })  # fmt: skip
    gradient.set("y", format_length(middle - 5.5))


def write_sign(gradient: ET.Element, status: tuple[str, str], theme: Theme) -> None:
    """Write the state of a gradient in a card as a sign before it; one that is due, as it will be
    in parentheses."""
    (kind, content), number = status, gradient.text or ""
    if kind == "due" and number:
        return
    sign = f"({content.removeprefix('true ')})" if kind == "due" else f"{SIGNS[kind]}\u2009{number}"
    fill = theme.pale if kind == "due" else theme.mark if kind in DASHES else gradient.get("fill")
    gradient.text = sign
    gradient.attrib.update({
        "font-size": format_length(MARK_SIZE), "fill": fill or theme.ink,
    })  # fmt: skip


def number_paths(path: Path, count: int) -> list[Path]:
    """Return a path for each step. Raises ValueError for a name that is not a format."""
    try:
        names = [path.name.format(n) for n in range(1, count + 1)]
    except (AttributeError, IndexError, KeyError, ValueError):
        names = []
    if " " in "".join(names) and " " not in path.name:  # "{:3}" pads with blanks
        names = []
    if len({*names}) != count:
        raise ValueError(f"expected a name such as 'steps-{{:03}}.svg', got {path.name!r}")
    return [path.with_name(name) for name in names]


def find_step(step: int, count: int) -> int:
    """Return the place of a step. Raises ValueError unless it is from 1 to `count`, or negative."""
    if isinstance(step, Integral) and not isinstance(step, bool) and 1 <= abs(step) <= count:
        return int(step) - 1 if step > 0 else count + int(step)
    raise ValueError(f"step must be a number from 1 to {count}, or -1 for the last, got {step!r}")
