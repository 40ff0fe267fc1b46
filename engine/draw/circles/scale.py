"""Signed numbers as colours, widths and opacities, and the legend that shows them."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Self

from engine.draw.look.scene import Circle, Curve, Part, Span, Text, measure
from engine.draw.look.theme import Theme, format_rounded

SHARES = (-1.0, -0.5, 0.0, 0.5, 1.0)  # the samples in a legend
SIGNS = {-1.0: "negative", 0.0: "0", 1.0: "positive"}
THINNEST, FAINTEST, BOLDEST = 0.5, 0.16, 0.9
FILL = 0.42  # the opacity of the strongest fill, on which text is legible
TEXT, SMALL = 9.5, 8.5
CELL, LINE = 37.0, 27.0  # the least width of a sample with its number, the width of its line


class Scale(NamedTuple):
    """A linear scale for signed numbers."""

    largest: float

    @classmethod
    def fit(cls, numbers: Iterable[float]) -> Self:
        """Return the scale on which the largest of the finite numbers is strongest."""
        finite = [abs(x) for x in numbers if math.isfinite(x)]
        return cls(max(finite, default=0.0))

    def share(self, x: float) -> float:
        """Return the strength of a number, from 0 to 1: 1 for the largest and for inf and nan.

        >>> Scale(2.0).share(-1.0)
        0.5
        """
        if not math.isfinite(x):
            return 1.0
        return min(abs(x) / self.largest, 1.0) if self.largest else 0.0

    def colour(self, x: float, theme: Theme) -> str:
        """Return the colour of a number's sign; that of secondary texts for 0 and nan."""
        return theme.signs[x > 0] if x == x and x else theme.pale

    def is_dashed(self, x: float, theme: Theme) -> bool:
        """Return whether a line is dashed: for inf and nan, and in black on white for x < 0."""
        return not math.isfinite(x) or (x < 0 and theme.signs[0] == theme.signs[1])

    def thickness(self, x: float, widest: float) -> float:
        """Return the width of a line."""
        return THINNEST + (widest - THINNEST) * self.share(x)

    def opacity(self, x: float) -> float:
        """Return the opacity of a line."""
        return FAINTEST + (BOLDEST - FAINTEST) * self.share(x)

    def fill(self, x: float) -> float:
        """Return the opacity of a fill."""
        return FILL * self.share(x)


class LegendEntry(NamedTuple):
    """An entry of a legend: a title above samples of a scale."""

    title: str
    scale: Scale
    widest: float  # of lines; 0 for circles

    @property
    def cell(self) -> float:
        """The width of a sample with its number."""
        numbers = [format_rounded(share * self.scale.largest, 2) for share in SHARES]
        return max(CELL, *(measure(number, SMALL) + 7.0 for number in numbers))

    @property
    def width(self) -> float:
        """The width of all samples."""
        return self.cell * len(SHARES)


def write_entry(
    entry: LegendEntry, x: float, y: float, theme: Theme, has_numbers: bool = True
) -> Iterator[Part]:
    """Yield the parts of an entry, whose left upper corner is at (x, y).

    Without numbers, it names the signs.
    """
    yield Text(x, y + TEXT, [Span(entry.title)], theme.pale, TEXT)
    scale, y = entry.scale, y + 25.0
    for k, share in enumerate(SHARES):
        value, middle = share * scale.largest, x + (k + 0.5) * entry.cell
        colour = scale.colour(value, theme)
        if entry.widest:
            ends = [(middle - LINE / 2.0, y), (middle + LINE / 2.0, y)]
            width = scale.thickness(value, entry.widest)
            dashed = scale.is_dashed(value, theme)
            yield Curve(ends, colour, width, scale.opacity(value), cubic=False, dashed=dashed)
        else:
            yield Circle(middle, y, 6.0, theme.paper, theme.frame)
            yield Circle(middle, y, 6.0, colour, opacity=scale.fill(value))
        text = format_rounded(value, 2) if has_numbers else SIGNS.get(share, "")
        if text:
            yield Text(middle, y + 18.0, [Span(text)], theme.pale, SMALL, "middle")


ENTRY_HEIGHT = 48.0
GAP, LEADING = 26.0, 13.0


def write_legend(
    entries: Sequence[LegendEntry],
    notes: Sequence[str],
    room: float,
    theme: Theme,
    has_numbers: bool = True,
) -> tuple[list[Part], float, float]:
    """Return the parts of a legend at (0, 0), its width and its height.

    Entries stand beside each other if `room` is wide enough, and notes beside or below them.
    """
    parts: list[Part] = []
    x = y = width = 0.0
    for entry in entries:
        if x and x + entry.width > room:
            x, y = 0.0, y + ENTRY_HEIGHT + 12.0
        parts += write_entry(entry, x, y, theme, has_numbers)
        x += entry.width + GAP
        width = max(width, x - GAP)
    note_width = max((measure(note, TEXT) for note in notes), default=0.0)
    top, height = 0.0, y + ENTRY_HEIGHT
    if y or x + note_width > room:
        x, top = 0.0, height + 8.0
    for k, note in enumerate(notes):
        parts.append(Text(x, top + TEXT + k * LEADING, [Span(note)], theme.pale, TEXT))
    height = max(height, top + len(notes) * LEADING if notes else 0.0)
    return parts, max(width, x + note_width), height
