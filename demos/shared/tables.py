"""Plain-text tables."""

from collections.abc import Sequence
from itertools import zip_longest


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> str:
    """Return rows as aligned columns, two spaces apart, below an optional title.

    A column is aligned to the right if one of its cells starts with a digit. A row may be shorter
    than the header: its last cell then extends to the end of the line.

    >>> print(format_table(["engine", "ms"], [["ours", "7.0"], ["other", "110.0"]]))
    engine     ms
    ours      7.0
    other   110.0
    """

    def in_columns(row: Sequence[str]) -> Sequence[str]:
        return row if len(row) == len(header) else row[:-1]

    columns = zip_longest(*map(in_columns, [header, *rows]), fillvalue="")
    widths, numeric = [], []
    for head, *cells in columns:
        widths.append(max(map(len, [head, *cells])))
        numeric.append(any(cell[:1].isdigit() for cell in cells))

    def format_row(row: Sequence[str]) -> str:
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(in_columns(row), widths, numeric, strict=False)
        ]
        return "  ".join([*cells, *row[len(cells) :]]).rstrip()

    return "\n".join([*([title, ""] if title else []), *map(format_row, [header, *rows])])


def pluralize(count: int, noun: str) -> str:
    """Return a count with its noun.

    >>> pluralize(1, "round"), pluralize(5, "round")
    ('1 round', '5 rounds')
    """
    return f"{count} {noun}{'s' * (count != 1)}"
