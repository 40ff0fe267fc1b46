"""Arrays in a drawing: small ones as rows of numbers, large ones as coarse maps.

Graphviz reserves a box of computed size for each Array, with the same numbers as a record, which
.png and .dot files show. In the SVG, `insert_cells` replaces the record by fields of colour and
aligned numbers. A page replaces these in turn: see `arrays.js`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from engine.draw.arrays.matrices import (
    ZERO,
    Matrix,
    describe_matrix,
    format_factor,
    write_shape,
)
from engine.draw.formulas.labels import set_spans
from engine.draw.graph.view import Cell, View
from engine.draw.look.scene import (
    Rect,
    Span,
    Text,
    format_length,
    measure,
    write_part,
)
from engine.draw.look.theme import SIZES, THEMES, Theme, format_number, norm
from engine.draw.options import Options
from engine.node import Node

TEXT, LABEL, SMALL = 10.0, 11.0, 9.0  # the sizes of numbers, of the name, and of other texts
ROW, PADDING, HEADER, GAP = 15.0, 7.0, 17.0, 6.0
NAMES = 28.0  # the width of the column that says "data" and "grad"
PIXEL, MAP, STRIP = 9.0, 96.0, 11.0  # of a map: its largest fields, its longer and least side
MARK = 11.0  # the height of the line for the mark of a wrong pass
WIDEST = 4.0  # the width of its fields, relative to the height


class Panel(NamedTuple):
    """The data or the gradient of an Array, with the place of its fields in the cell."""

    field: str  # "data" or "grad"
    matrix: Matrix
    norm: str
    x: float
    y: float
    width: float  # of one field
    height: float
    widest: float  # number, which is in the middle of its column

    @property
    def bottom(self) -> float:
        return self.y + self.height * self.matrix.rows


class ArrayCell(NamedTuple):
    """An Array as it is drawn. Lengths are in points."""

    name: str
    shape: str
    panels: Sequence[Panel]
    width: float
    height: float
    theme: Theme
    has_mark: bool  # whether there is a line for the mark of a wrong pass
    scale: float  # of all lengths, in the drawing

    @property
    def fields(self) -> "list[str | list[str]]":
        """The fields of a record with this content, from top to bottom; a list is a row."""
        fields: list[str | list[str]] = [f"{self.name} {self.shape}".strip()]
        for panel in self.panels:
            matrix = panel.matrix
            if not matrix.texts:
                fields.append(caption(panel))
                continue
            columns = ["\n".join(matrix.texts[k :: matrix.columns]) for k in range(matrix.columns)]
            factor = format_factor(matrix.exponent)
            fields.append([f"{panel.field}\n{factor}" if factor else panel.field, *columns])
        return fields


def build_array_cells(
    view: View,
    options: Options,
    names: Mapping[Node, str] | None = None,
    grads: Mapping[Node, Any] | None = None,
    room: "Room | None" = None,
) -> dict[str, ArrayCell]:
    """Return the cells of all Arrays with axes in a view, by their ids.

    `names` and `grads` replace the labels and gradients of nodes.
    """
    names, grads, room = names or {}, grads or {}, room or Room({}, {})
    return {
        cell.id: build_array_cell(cell, options, names.get(cell.node, cell.node.label), grads, room)
        for cell in view.drawn
        if isinstance(cell, Cell) and getattr(cell.node.data, "ndim", False)
    }


class Room(NamedTuple):
    """The texts that a page shows in cells, one after the other, and the widths of marks."""

    texts: Mapping[str, Sequence[str]]  # of the fields "v3 data" and "v3 grad"
    marks: Mapping[str, float]  # by the ids of cells; empty if there are none


def build_array_cell(
    cell: Cell, options: Options, name: str | None, grads: Mapping[Node, Any], room: Room
) -> ArrayCell:
    """Return the cell of one Array."""
    node: Any = cell.node
    fields = {} if options.names_only else {"data": node.data}
    if not node.constant and fields and options.gradients is not False:
        fields["grad"] = grads.get(node, node.grad)
    shape, name = write_shape(node.data.shape), name or ""
    y = PADDING + HEADER
    panels: list[Panel] = []
    for field, x in fields.items():
        matrix = describe_matrix(x, options.matrix_size, options.format)
        size = format_number(norm(x), options.format)
        if matrix.texts:
            texts = [*matrix.texts, *room.texts.get(f"{cell.id} {field}", ())]
            widest = max(measure(text, TEXT) for text in texts)
            place = PADDING + NAMES, y, max(widest + 9.0, 22.0), ROW, widest
        else:
            side = min(PIXEL, MAP / max(matrix.rows, matrix.columns, 1))
            height = max(side, STRIP / max(matrix.rows, 1))
            width = max(side, min(WIDEST * height, 0.75 * MAP / max(matrix.columns, 1)))
            place = PADDING, y + SMALL + 5.0, width, height, 0.0
        panels.append(Panel(field, matrix, size, *place))
        y = panels[-1].bottom + GAP
    if all(panel.matrix.texts for panel in panels):
        width = max(
            (x.width for x in panels), default=0.0
        )  # the columns of data and gradient line up
        panels = [panel._replace(width=width) for panel in panels]
    title = measure(name, LABEL, bold=True) + measure(shape, SMALL) + (12.0 if name else 0.0)
    inside = [title, *(panel.x - PADDING + panel.width * panel.matrix.columns for panel in panels)]
    inside += [measure(caption(panel), SMALL) + 4.0 for panel in panels if not panel.matrix.texts]
    inside.append(room.marks.get(cell.id, 0.0))
    total = max(inside) + 2.0 * PADDING
    height = y - (GAP if panels else 0.0) + PADDING + (MARK if room.marks else 0.0)
    scale = options.sizes.text / SIZES.text
    theme, has_mark = THEMES[options.theme], bool(room.marks)
    return ArrayCell(name, shape, panels, total, height, theme, has_mark, scale)


def caption(panel: Panel) -> str:
    """Return the line above a map."""
    return f"‖{panel.field}‖ {panel.norm}"


# ------------------------------------------------------------------------------------------- SVG


def insert_cells(svg: str, prefix: str, cells: Mapping[str, ArrayCell]) -> str:
    """Return Graphviz's SVG with the content of the cells in place of their records."""

    def insert(match: re.Match[str]) -> str:
        head, id, outline, _ = match.groups()
        places = re.findall(r' (?:d|points|x|y)="([^"]*)"', outline)
        points = [float(x) for x in re.findall(r"-?[\d.]+", " ".join(places))]
        x, y = min(points[::2]), min(points[1::2])
        return f"{head}{outline}\n{write_cell(cells[id], x, y)}</g>" if id in cells else match[0]

    pattern = rf'(<g id="{prefix}-(v\d+)" class="node">\n)(<(?:path|polygon|rect) [^>]*/>)(.*?)</g>'
    return re.sub(pattern, insert, svg, flags=re.S) if cells else svg


def write_cell(cell: ArrayCell, x: float, y: float) -> str:
    """Return the content of a cell, whose corner is at (x, y), as SVG."""
    theme, right = cell.theme, cell.width - PADDING
    shape = Text(right, PADDING + 9.0, [Span(cell.shape)], theme.pale, SMALL, "end")
    parts = [write_part(shape, "")]
    if cell.name:
        spans = set_spans(cell.name)
        name = Text(PADDING, PADDING + 9.5, spans, theme.ink, LABEL, bold=True)
        parts.insert(0, write_part(name, ""))
    parts += [write_panel(panel, theme, cell.has_mark) for panel in cell.panels]
    if cell.has_mark:
        y_mark = format_length(cell.height - PADDING)
        parts.append(f'<text class="array-mark" x="{format_length(PADDING)}" y="{y_mark}"></text>')
    place = f"translate({format_length(x)},{format_length(y)})"
    if cell.scale != 1.0:
        place += f" scale({cell.scale:.4g})"
    return f'<g transform="{place}">\n' + "\n".join(parts) + "\n</g>\n"


def write_panel(panel: Panel, theme: Theme, is_page: bool) -> str:
    """Return the data or gradient of an Array as SVG, which `arrays.js` can change in a page."""
    matrix, x, y, w, h = panel.matrix, panel.x, panel.y, panel.width, panel.height
    box = x, y, w * matrix.columns, h * matrix.rows
    parts = [*write_panel_title(panel, theme, is_page), write_part(Rect(*box, theme.paper), "")]
    opacity = ' fill-opacity="0.65"' if matrix.texts else ""  # numbers are easier to read
    parts.append(f'<g class="fill"{opacity}>{write_levels(panel, theme)}</g>')
    parts.append(write_part(Rect(*box, "none", theme.frame, 0.75), ""))
    if matrix.texts:
        numbers = "".join(write_part(text, "") for text in place_numbers(panel, theme))
        parts.append(f'<g class="numbers">{numbers}</g>')
    names = ("x", "y", "width", "height", "widest")
    place = zip(names, (x, y, w, h, panel.widest), strict=True)
    sizes = "".join(f' data-{name}="{format_length(length)}"' for name, length in place)
    return (
        f'<g class="panel" data-field="{panel.field}" data-rows="{matrix.rows}" '
        f'data-columns="{matrix.columns}"{sizes}>\n' + "\n".join(parts) + "\n</g>"
    )


def write_panel_title(panel: Panel, theme: Theme, is_page: bool) -> list[str]:
    """Return the word beside numbers, with their common factor, or the norm above a map."""
    name, matrix, x, y = panel.field, panel.matrix, PADDING, panel.y + 0.5 * ROW + 3.5
    factor = format_factor(matrix.exponent)
    if not matrix.texts:
        end = panel.x + panel.width * matrix.columns
        name, x, y = f"‖{name}‖", panel.x, panel.y - 4.0
        factor = panel.norm
        end = max(end, x + measure(name, SMALL) + 6.0 + measure(factor, SMALL))
        other = Text(end, y, [Span(factor)], theme.ink, SMALL, "end")
    else:
        y -= 3.5 if factor and matrix.rows == 1 else 0.0
        other = Text(x, y + 8.5, [Span(factor)], theme.pale, 7.5)
    texts = [Text(x, y, [Span(name)], theme.pale, SMALL), other._replace(field="size")]
    return [write_part(text, "") for text in texts if text.spans[0].text or is_page]


def place_numbers(panel: Panel, theme: Theme) -> Iterator[Text]:
    """Yield the numbers of a matrix: the widest is in the middle of its column, units line up."""
    matrix, w, h, widest = panel.matrix, panel.width, panel.height, panel.widest
    decimals = max((text.partition(".")[2] for text in matrix.texts), key=len)
    for k, text in enumerate(matrix.texts):
        row, column = divmod(k, matrix.columns)
        end = panel.x + column * w + 0.5 * (w + widest)
        if text == "0" and decimals:
            end -= measure(f".{decimals}", TEXT)
        y = panel.y + row * h + 0.5 * h + 3.6
        yield Text(end, y, [Span(text)], theme.ink, TEXT, "end")


def write_levels(panel: Panel, theme: Theme) -> str:
    """Return the coloured fields of a matrix: one path for each colour."""
    paths = []
    levels = [level for level in "0123456789" if level != ZERO]
    for level, colour in zip(levels, theme.diverging, strict=True):
        d = "".join(
            write_run(panel, row, start, stop)
            for row in range(panel.matrix.rows)
            for start, stop in find_runs(panel.matrix, row, level)
        )
        start = f"M{format_length(panel.x)},{format_length(panel.y)}"  # a page may fill it later
        paths.append(f'<path data-level="{level}" fill="{colour}" d="{d or start}"/>')
    return "".join(paths)


def find_runs(matrix: Matrix, row: int, level: str) -> list[tuple[int, int]]:
    """Return where the fields of one level in a row begin and end."""
    levels = matrix.levels[row * matrix.columns : (row + 1) * matrix.columns]
    return [match.span() for match in re.finditer(f"{level}+", levels)]


def write_run(panel: Panel, row: int, start: int, stop: int) -> str:
    """Return neighbouring fields as a part of a path."""
    left, right = (format_length(panel.x + k * panel.width) for k in (start, stop))
    top, bottom = (format_length(panel.y + k * panel.height) for k in (row, row + 1))
    return f"M{left},{top}L{right},{top}L{right},{bottom}L{left},{bottom}Z"
