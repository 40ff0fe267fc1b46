"""Text tables, as summaries print them."""

from collections.abc import Sequence


def align(rows: Sequence[Sequence[object]]) -> list[str]:
    """Return the lines of a table: the first column to the left, the others to the right."""
    cells = [[format_cell(x) for x in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for first, *rest in cells:
        numbers = [f"{x:>{w}}" for x, w in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([f"{first:<{widths[0]}}", *numbers]).rstrip())
    return lines


def format_cell(x: object) -> str:
    return x if isinstance(x, str) else f"{x:,.1f}" if isinstance(x, float) else f"{x:,}"
