"""Skip connections of residual blocks: arrows beside the columns of a network."""

from collections.abc import Iterator, Sequence
from math import sqrt
from typing import NamedTuple

from engine.draw.circles.spots import Rank
from engine.draw.graph.layers import Column

STEP = 22.0  # the distance between parallel arrows, each with a text above it
CORNER = 26.0  # the length of the curves at both ends
SIDE = 0.4  # the distance of both ends of an arrow from the middle of a circle, in radii
Point = tuple[float, float]


class Skip(NamedTuple):
    """A connection that adds the outputs of a column to those of a later one, element by element.

    Column 0 has the inputs. The level is 1 for the arrow closest to the circles.
    """

    first: int
    last: int
    level: int


def list_skips(columns: Sequence[Column]) -> list[Skip]:
    """Return the skip connections, inner blocks first, at levels where they do not overlap."""
    ends = [(first, last) for last, column in enumerate(columns, 1) for first in column.added]
    skips: list[Skip] = []
    for first, last in sorted(ends, key=lambda x: x[1] - x[0]):
        taken = {skip.level for skip in skips if skip.first < last and first < skip.last}
        level = next(k for k in range(1, len(ends) + 1) if k not in taken)
        skips.append(Skip(first, last, level))
    return skips


def trace_skip(first: Rank, last: Rank, v: float) -> Iterator[Point]:
    """Yield the points of a Bézier curve from the first circle of a rank to that of a later one.

    Its middle is a straight line at the coordinate `v`.
    """
    begin, end = [min(rank.spots.values(), key=lambda spot: spot.v) for rank in (first, last)]
    rim = sqrt(1.0 - SIDE**2)
    a = begin.u + SIDE * begin.radius, begin.v - rim * begin.radius
    b = end.u - SIDE * end.radius, end.v - rim * end.radius
    corner = min(CORNER, (b[0] - a[0]) / 2.0)
    yield from (a, (a[0], v), (a[0], v), (a[0] + corner, v))
    yield from ((a[0] + corner, v), (b[0] - corner, v), (b[0] - corner, v))
    yield from ((b[0], v), (b[0], v), b)
