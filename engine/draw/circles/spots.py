"""The places of circles in columns.

Positions are computed in the direction of the data, `u`, and across it, `v`, from the middle of the
columns.
"""

from collections.abc import Sequence
from typing import NamedTuple

RADIUS, SMALL_RADIUS = 23.0, 13.0  # of circles with and without numbers
MOST = 200  # circles in a column; beyond it, only the first and the last are drawn
ENDS = 12  # circles on each side of a gap
ROOM = 0.43  # the largest radius, relative to the distance between neighbours


class Spot(NamedTuple):
    """The place of a circle."""

    u: float
    v: float
    radius: float


class Rank(NamedTuple):
    """The circles of a layer by the indices of their neurons."""

    spots: dict[int, Spot]
    u: float
    radius: float
    pitch: float  # between the centres of neighbours
    hidden: int  # the number of neurons that are left out, in the middle

    @property
    def half(self) -> float:
        """Half of the length across the data."""
        return max(spot.v for spot in self.spots.values()) + self.radius


class Spacing(NamedTuple):
    """Lengths that depend on the direction of the data."""

    pitch: float  # between the centres of circles with numbers
    longest: float  # of a layer; the circles of larger ones are smaller
    gap: float  # the additional distance where neurons are left out
    step: tuple[float, float]  # the least and most between layers, from rim to rim
    label: float  # the room for a text beside a circle
    slope: float  # of that step, relative to the length of a layer


UPRIGHT = Spacing(62.0, 640.0, 44.0, (92.0, 230.0), 13.0, 0.36)
LEVEL = Spacing(88.0, 960.0, 60.0, (76.0, 170.0), 40.0, 0.24)  # labels are beside circles


def choose_neurons(count: int) -> list[int]:
    """Return the indices of the neurons that are drawn: all, or the first and the last.

    >>> choose_neurons(3), len(choose_neurons(784))
    ([0, 1, 2], 24)
    """
    if count <= MOST:
        return [*range(count)]
    return [*range(ENDS), *range(count - ENDS, count)]


def lay_out(
    counts: Sequence[int], sizes: Spacing, widths: Sequence[float], has_numbers: bool
) -> list[Rank]:
    """Return the places of the circles of each layer.

    Args:
        counts: the numbers of neurons, from the inputs on.
        sizes: the lengths for the direction of the data.
        widths: the room that the title of each layer needs in the direction of the data.
        has_numbers: whether circles have room for numbers.
    """
    ranks: list[Rank] = []
    u = 0.0
    for c, count in enumerate(counts):
        rank = place_circles(count, sizes, has_numbers)
        if ranks:
            before = ranks[-1]
            step = sizes.slope * 2.0 * max(before.half, rank.half)
            step = min(max(step, sizes.step[0]), sizes.step[1]) + before.radius + rank.radius
            u += max(step, (widths[c - 1] + widths[c]) / 2.0 + 16.0)
        spots = {i: spot._replace(u=u) for i, spot in rank.spots.items()}
        ranks.append(rank._replace(u=u, spots=spots))
    return ranks


def place_circles(count: int, sizes: Spacing, has_numbers: bool) -> Rank:
    """Return the circles of one layer, at u = 0."""
    shown = choose_neurons(count)
    hidden = count - len(shown)
    gap = sizes.gap if hidden else 0.0
    largest, pitch = RADIUS, sizes.pitch
    if not has_numbers:
        largest, pitch = SMALL_RADIUS, sizes.pitch - 2.0 * (RADIUS - SMALL_RADIUS)
    pitch = min(pitch, (sizes.longest - gap) / len(shown))
    radius = min(largest, ROOM * pitch)
    middle = (len(shown) - 1) / 2.0
    spots = {}
    for k, i in enumerate(shown):
        shift = 0.0 if not hidden else -gap / 2.0 if k < ENDS else gap / 2.0
        spots[i] = Spot(0.0, (k - middle) * pitch + shift, radius)
    return Rank(spots, 0.0, radius, pitch, hidden)
