"""Aligned plain text: tables that can be pasted into a README as a code block."""

from collections.abc import Sequence
from itertools import zip_longest


def aligned(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; a cell that looks like a figure stands to the right.

    A row may be shorter than the header: its last cell then runs on to the end of the line.

    >>> print(aligned("Speed", ["engine", "ms"], [["ours", "7.0"], ["other", "110.0"]]))
    Speed
    <BLANKLINE>
    engine     ms
    ours      7.0
    other   110.0
    """

    def cells(row: Sequence[str]) -> Sequence[str]:
        return row if len(row) == len(header) else row[:-1]

    columns = zip_longest(*map(cells, [header, *rows]), fillvalue="")
    widths, right = [], []
    for head, *column in columns:
        widths.append(max(map(len, [head, *column])))
        right.append(any(cell[:1].isdigit() for cell in column))

    def line(row: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(cells(row), widths, right, strict=False)
        ]
        return "  ".join([*padded, *row[len(padded) :]]).rstrip()

    return "\n".join([title, "", *map(line, [header, *rows])])


def verdict(value: float, target: float, *, least: bool) -> str:
    """A target and whether it is reached.

    >>> verdict(12.0, 10.0, least=True), verdict(300.0, 250.0, least=False)
    ('at least 10: reached', 'at most 250: not reached')
    """
    reached = value >= target if least else value <= target
    return f"at {'least' if least else 'most'} {target:g}: {'' if reached else 'not '}reached"
