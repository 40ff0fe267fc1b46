"""The room that a cell reserves for the texts that a page shows in it one after the other.

A wrong pass shows other gradients than the drawing, and a mark below each.
"""

import math
from collections.abc import Iterable, Sequence

from engine.draw.look.scene import measure
from engine.draw.look.theme import SIZES, format_number
from engine.draw.options import Options
from engine.draw.steps.frames import Run
from engine.node import Node

MARK_SIZE = 9.0  # points, as in stepper.css
CELL_HEIGHT = 0.41  # inches, for two lines of text
USUAL_NUMBER = -0.0123456789012345678
GAP = 0.11  # inches, less than elsewhere, since these cells are higher
BLANK, BLANK_WIDTH = (
    "\u00a0",
    0.7,
)  # a space that Graphviz does not drop, and its width for a size of 1


def list_texts(runs: Iterable[Run]) -> dict[str, set[tuple[str, float]]]:
    """Return the texts of gradients and marks, each with its size, by the ids of their cells."""
    texts: dict[str, set[tuple[str, float]]] = {}
    for run in runs:
        for frame in run.frames:
            for id, number in frame.grad.items():
                texts.setdefault(id, set()).add((f"grad {number}", SIZES.text))
            for id, mark in frame.marks.items():
                texts.setdefault(id, set()).add((mark.text, MARK_SIZE))
    return texts


def reserve_widths(runs: Iterable[Run]) -> dict[str, float]:
    """Return the width in points that the gradient of each cell requires, by the cell's id."""
    return {
        id: max(measure(text, size, bold=size == MARK_SIZE) for text, size in texts)
        for id, texts in list_texts(runs).items()
    }


def reserve_usual_widths(order: Sequence[Node], spec: str) -> dict[str, float]:
    """Return the width that the gradient of each value requires, by the id of its cell.

    It has room for a usual number and the mark of a wrong one; a page squeezes longer texts.
    """
    number = format_number(USUAL_NUMBER, spec)
    mark = measure(f"✗ true {number}", MARK_SIZE, bold=True)
    width = max(measure(f"grad {number}", SIZES.text), mark)
    return {f"v{i}": width for i, node in enumerate(order) if not node.constant}


def reserve_heights(look: Options) -> Options:
    """Return options for higher cells where cells are rows; columns get an empty line instead."""
    if look.direction not in ("right", "left"):
        return look
    sizes = look.sizes._replace(cell_height=CELL_HEIGHT, gap=GAP)
    return Options(**{**vars(look), "sizes": sizes})


def widen(text: str, width: float, size: float = SIZES.text) -> str:
    """Return a text between blanks, so that it is as wide as another one.

    >>> widen("grad 1", 60.0).replace(BLANK, "_")
    '__grad 1__'
    """
    missing = math.ceil((width - measure(text, size)) / (BLANK_WIDTH * size))
    return BLANK * (missing // 2) + text + BLANK * (missing - missing // 2)
