"""Tables of names and numbers: the content of a card, and its size.

A table has lines, one for each parameter or value, and places in them: a name, then numbers. In a
picture that grows to the right or left, lines are rows; in one that grows down or up, columns.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from engine.draw.formulas.labels import set_spans
from engine.draw.look.scene import Group, Part, Rect, Span, Text, measure
from engine.draw.look.theme import SIZES, THEMES, Theme
from engine.draw.options import Options

SMALL = 0.84  # the size of column heads and notes, relative to the text
ROW = 1.38  # the height of a row, relative to the size of the text
BASELINE = 0.71  # of a row, from its top, relative to its height
GAP = 0.8  # between columns, relative to the size of the text
PADDING = (7.0, 2.5)  # at the sides, and above and below


class Look:
    """The sizes and colours of a picture, from the options of the drawing."""

    def __init__(self, options: Options, has_grads: bool):
        self.options, self.has_data = options, not getattr(options, "names_only", False)
        self.has_grads = has_grads and self.has_data
        self.theme: Theme = THEMES[options.theme]
        self.text = float(SIZES.text)  # a page or file scales the whole picture
        self.small = round(SMALL * self.text, 2)
        self.row = round(ROW * self.text, 2)
        self.is_vertical = options.direction in ("down", "up")  # lines are columns
        self.colours = {
            "data": self.theme.ink, "name": self.theme.ink, "grad": self.theme.kinds["root"].line,
            "head": self.theme.pale, "note": self.theme.pale,
        }  # fmt: skip


class Piece(NamedTuple):
    """A part of a line of text: spans and, for a constant in a formula, its ids and arrows."""

    spans: tuple[Span, ...]
    ids: tuple[str, ...] = ()
    title: str = ""
    at: tuple[str, ...] = ()


class TableCell(NamedTuple):
    """A text of a table.

    `role` is "name", "data", "grad", "head" or "note". A wide cell extends over all places.
    """

    line: int
    place: int
    pieces: tuple[Piece, ...]
    role: str
    is_wide: bool = False
    ids: tuple[str, ...] = ()  # of the operation that a formula describes


class ValueMark(NamedTuple):
    """A value in a table: its ids, and the lines and places of its cells, from one to another."""

    ids: tuple[str, ...]
    title: str
    kind: str  # as in `engine.draw.graph.view`
    lines: tuple[int, int]
    places: tuple[int, int] | None  # None for all
    cells: tuple[TableCell, ...]
    fill: str = ""
    at: tuple[str, ...] = ()  # the ids of the value's arrows, if it has a copy at each use


@dataclass
class CardTable:
    """A table: marks of values, and cells that belong to none. Rules are lines before lines."""

    lines: int = 0
    places: int = 1
    marks: list[ValueMark] = field(default_factory=list)
    cells: list[TableCell] = field(default_factory=list)
    frames: list[tuple[int, int, str]] = field(default_factory=list)  # lines of leaves, a kind
    rules: list[int] = field(default_factory=list)
    is_packed: bool = False  # at the left of a wider card
    is_tinted: bool = False  # on a coloured card, where pale texts have too little contrast
    whole: ValueMark | None = None  # a value that is the whole table, which its card draws

    def add_line(self) -> int:
        """Add a line, and return its number."""
        self.lines += 1
        return self.lines - 1

    def add_mark(self, mark: ValueMark) -> None:
        self.marks.append(mark)
        self.places = max([self.places, *(cell.place + 1 for cell in mark.cells)])

    def add_cell(self, cell: TableCell) -> None:
        self.cells.append(cell)
        self.places = max(self.places, cell.place + 1)

    def list_cells(self) -> list[TableCell]:
        marks = [*self.marks, *([self.whole] if self.whole else [])]
        return [*self.cells, *(cell for mark in marks for cell in mark.cells)]


class TableLayout:
    """The positions of the columns and rows of a table, and its parts.

    Args:
        table: the content.
        look: the sizes and colours.
        widths: the least widths of the columns, which similar tables share.
        width: the least width of the table.
    """

    def __init__(
        self, table: CardTable, look: Look, widths: Sequence[float] = (), width: float = 0.0
    ):
        self.table, self.look = table, look
        count = table.lines if look.is_vertical else table.places
        widest = 0.0
        self.widths = [*widths, *[0.0] * count][: max(count, len(widths))]
        for cell in table.list_cells():
            own = measure_cell(cell, look)
            if cell.is_wide and not look.is_vertical:
                widest = max(widest, own)
            else:
                column = cell.line if look.is_vertical else cell.place
                self.widths[column] = max(self.widths[column], own)
        widths, count = self.widths, len(self.widths)
        gap = GAP * look.text
        filled = [w for w in widths if w]
        natural = max(sum(filled) + gap * (len(filled) - 1), widest) + 2 * PADDING[0]
        self.width = max(width, natural)
        is_packed = table.is_packed and not look.is_vertical
        width = natural if is_packed else self.width  # columns end there
        self.height = look.row * (table.places if look.is_vertical else table.lines)
        self.rights = [width - PADDING[0]] * count  # of the columns, from the right
        for i in range(count - 2, -1, -1):
            after = widths[i + 1]
            self.rights[i] = self.rights[i + 1] - (after + gap if after else 0.0)
        self.lefts = [right - w for right, w in zip(self.rights, widths, strict=True)]
        if not look.is_vertical:
            self.lefts[0] = PADDING[0]  # names are at the left

    def write(self, x: float, y: float, seen: set[str]) -> list[Part]:
        """Return the parts of the table at a position. Ids in `seen` are not repeated."""
        parts: list[Part] = [self.write_frame(frame, x, y) for frame in self.table.frames]
        for mark in self.table.marks:
            box = self.find_box(mark, x, y)
            body: list[Part] = [
                box,
                *(p for cell in mark.cells for p in self.write_cell(cell, x, y, seen)),
            ]
            parts.append(nest(mark.ids, body, mark.title, seen, at=mark.at))
        parts += [p for cell in self.table.cells for p in self.write_cell(cell, x, y, seen)]
        return parts

    def find_box(self, mark: ValueMark, x: float, y: float) -> Rect:
        """Return the background of a value."""
        look, (first, last) = self.look, mark.lines
        is_framed = any(a <= first < b for a, b, _ in self.table.frames)
        is_clear = is_framed or mark.kind == "inner"
        fill = mark.fill or ("none" if is_clear else look.theme.kinds[mark.kind].fill)
        if look.is_vertical:
            left = self.lefts[first] - GAP * look.text / 2 if first else 0.0
            right = (
                self.rights[last - 1] + GAP * look.text / 2
                if last < self.table.lines
                else self.width
            )
            top, bottom = (k * look.row for k in mark.places or (0, self.table.places))
        else:
            top, bottom = first * look.row, last * look.row
            left, right = 0.0, self.width
            if mark.places:
                start, end = mark.places
                left = self.lefts[start] - GAP * look.text / 2
                right = (
                    self.rights[end - 1] + GAP * look.text / 2
                    if end < self.table.places
                    else self.width
                )
        box = Rect(x + left, y + top, right - left, bottom - top, fill)
        line = look.theme.kinds[mark.kind].line
        if mark.kind == "root":
            return box._replace(line=line, thickness=1.8)
        return box

    def write_frame(self, frame: tuple[int, int, str], x: float, y: float) -> Rect:
        """Return the rounded box of a leaf in the card of a step."""
        start, stop, kind = frame
        fill, line = self.look.theme.kinds[kind]
        if self.look.is_vertical:
            left, right = self.find_start(start), self.find_end(stop)
            top, bottom = 0.0, self.height
        else:
            left, right = 0.0, self.width
            top, bottom = start * self.look.row, stop * self.look.row
        width, height = right - left - 5.0, bottom - top - 1.0
        dashed = kind == "constant"
        return Rect(x + left + 2.5, y + top + 0.5, width, height, fill, line, 0.8, 4.0, dashed)

    def write_cell(self, cell: TableCell, x: float, y: float, seen: set[str]) -> list[Part]:
        """Return a cell as texts: one, or several if it is a formula with constants."""
        look = self.look
        column, row = (cell.line, cell.place) if look.is_vertical else (cell.place, cell.line)
        base = y + (row + BASELINE) * look.row
        size, field_ = find_size(cell, look), cell.role if cell.role in ("data", "grad") else ""
        is_ink = self.table.is_tinted and cell.role in ("head", "note")
        colour = look.theme.ink if is_ink else look.colours[cell.role]
        is_start = cell.is_wide or (column == 0 and (not look.is_vertical or cell.role == "head"))
        if len(cell.pieces) == 1 and not cell.pieces[0].ids and not is_start:
            text = Text(
                x + self.rights[column],
                base,
                cell.pieces[0].spans,
                colour,
                size,
                "end",
                field=field_,
            )
            return [nest(cell.ids, [text], "", seen)] if cell.ids else [text]
        left = x + (
            self.lefts[column] if is_start else self.rights[column] - measure_cell(cell, look)
        )
        parts: list[Part] = []
        for piece in cell.pieces:
            width = measure(piece.spans, size)
            if piece.ids:
                chip = self.write_chip(piece, left, base, width)
                parts.append(nest(piece.ids, chip, piece.title, seen, at=piece.at))
                left += width + 2 * CHIP
            else:
                parts.append(Text(left, base, piece.spans, colour, size, field=field_))
                left += width
        return [nest(cell.ids, parts, "", seen)] if cell.ids else parts

    def write_chip(self, piece: Piece, left: float, base: float, width: float) -> list[Part]:
        """Return a constant in a formula: its number in a dashed box."""
        look, (fill, line) = self.look, self.look.theme.kinds["constant"]
        top, height = base - 0.92 * look.text, 1.18 * look.text
        text = Text(left + CHIP, base, piece.spans, look.theme.ink, look.text, field="data")
        return [
            Rect(left + 0.5, top, width + 2 * CHIP - 1, height, fill, line, 0.8, 3.0, True),
            text,
        ]

    def find_start(self, line: int) -> float:
        """Return where a line begins, in a picture in which lines are columns."""
        return self.lefts[line] - GAP * self.look.text / 2 if line else 0.0

    def find_end(self, line: int) -> float:
        """Return where the line before a line ends, in a picture in which lines are columns."""
        return self.width if line >= self.table.lines else self.find_start(line)

    def find_port(self, line: float, place: float = 0.0) -> float:
        """Return where an edge reaches the middle of a line, from the start of the table."""
        if not self.look.is_vertical:
            return (line + 0.5) * self.look.row
        lines = range(self.table.lines)
        i = min(max(int(line), 0), len(lines) - 1)
        return (self.lefts[i] + self.rights[i]) / 2


CHIP = 3.0  # the padding of a constant in a formula


def measure_cell(cell: TableCell, look: Look) -> float:
    """Return the width of a cell."""
    size = find_size(cell, look)
    return sum(measure(x.spans, size) + (2 * CHIP if x.ids else 0.0) for x in cell.pieces)


def find_size(cell: TableCell, look: Look) -> float:
    return look.small if cell.role in ("head", "note") else look.text


def nest(
    ids: Sequence[str], body: Sequence[Part], title: str, seen: set[str], kind: str = "node",
    at: Sequence[str] = (),
) -> Group:  # fmt: skip
    """Return parts in nested groups with these ids.

    Ids in `seen` are left out, except those of values: their parts are copies at the arrows `at`.
    """
    taken = {id for id in ids if id in seen}
    seen.update(ids)
    group = Group("", body, title, kind)
    drawn = [id for id in reversed(ids) if id not in taken or (kind == "node" and id[0] == "v")]
    for i, id in enumerate(drawn):
        outer = Group("", [group], "", kind) if i else group
        group = outer._replace(of=id, at=at) if id in taken else outer._replace(id=id)
    return group


def write_name(name: str) -> tuple[Span, ...]:
    """Return a name as spans: w0 is w with an index."""
    return tuple(set_spans(name))


def make_pieces(text: str) -> tuple[Piece, ...]:
    return (Piece((Span(text),)),)


def join_pieces(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """Return pieces, with neighbours that have no ids in one."""
    joined: list[Piece] = []
    for piece in pieces:
        if joined and not piece.ids and not joined[-1].ids:
            joined[-1] = Piece((*joined[-1].spans, *piece.spans))
        else:
            joined.append(piece)
    return tuple(joined)
