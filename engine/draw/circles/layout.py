"""The places of everything in a picture of circles, for one direction of the data.

Positions are computed in the direction of the data, `u`, and across it, `v`; `place` maps them to
the page.
"""

from collections.abc import Iterator, Sequence

from engine.draw.circles.activity import Place
from engine.draw.circles.connections import Network, Parameter, format_in_circle
from engine.draw.circles.skips import STEP, Skip, list_skips, trace_skip
from engine.draw.circles.spots import LEVEL, RADIUS, UPRIGHT, Spot, lay_out
from engine.draw.formulas.labels import set_spans
from engine.draw.look.scene import Span, Text, measure
from engine.draw.look.theme import THEMES, format_rounded
from engine.draw.options import Options

LABELLED = 6.0  # the smallest radius of an input with a name
BEND = 0.45  # of a line: where its control points are, between its ends
MARGIN, GAP = 16.0, 7.0
LONGEST_NAME = 110.0  # of an input
BOX, BOX_STEP = (74.0, 46.0), 58.0  # the box of the root, and its distance from the last layer
TITLE, DETAIL, LEADING = 11.0, 9.5, 13.0
NUMBER, GRAD, BIAS, NAME = 10.5, 8.5, 8.0, 11.5  # sizes of texts
LINES = (NUMBER / RADIUS, 1.74), (GRAD / RADIUS, 1.56)  # of a circle of radius 1: size, room


class CircleLayout:
    """The places of the parts of a network's picture."""

    def __init__(self, network: Network, options: Options):
        self.network, self.options = network, options
        self.theme = THEMES[options.theme]
        self.is_upright = options.direction in ("right", "left")
        self.is_mirrored = options.direction in ("left", "up")
        self.titles = [[*self.write_title(c)] for c in range(len(network.counts))]
        self.title_widths = [max(text.width for text in title) for title in self.titles]
        widths = self.title_widths if self.is_upright else [0.0] * len(self.titles)
        self.sizes = UPRIGHT
        if not self.is_upright:  # biases are beside the circles
            label = max(self.write_bias_text(x).width for x in network.biases.values()) + 20.0
            self.sizes = LEVEL._replace(label=label, pitch=2.0 * RADIUS + label)
        self.ranks = lay_out(network.counts, self.sizes, widths, bool(network.readings))
        room = LONGEST_NAME if self.is_upright else min(LONGEST_NAME, self.ranks[0].pitch - 4.0)
        self.names = {j: cut_name(network.name_input(j), room, NAME) for j in self.ranks[0].spots}
        if self.ranks[0].radius < LABELLED:
            self.names = {}
        self.skips = list_skips(network.columns)
        self.has_box = not network.root_is_neuron
        self.root_name = cut_name(set_spans(network.name_root()), BOX[0] - 8.0, DETAIL)
        self.number_sizes = self.measure_numbers()
        self.measure()

    def write_title(self, c: int) -> Iterator[Text]:
        """Yield the lines of a column's title, at (0, 0)."""
        name, size, notes = self.network.describe_column(c)
        yield Text(0.0, 0.0, [Span(name)], self.theme.ink, TITLE)
        for line in (size, *notes):
            yield Text(0.0, 0.0, [Span(line)], self.theme.pale, DETAIL)

    def measure(self) -> None:
        """Compute the lengths of the picture, from its parts."""
        first, last = self.ranks[0], self.ranks[-1]
        names = [measure(name, NAME) for name in self.names.values()]
        name_length = max(names) if self.is_upright and names else NAME if names else 0.0
        self.before = first.radius + (name_length + GAP if names else 0.0)
        self.after = last.radius
        self.half = max(rank.half for rank in self.ranks)
        if self.is_upright:
            self.before = max(self.before, self.title_widths[0] / 2.0)
            self.after = max(self.after, self.title_widths[-1] / 2.0)
            self.half += BIAS + 4.0
        else:
            self.half += self.sizes.label
        if self.has_box:
            box = BOX[0] if self.is_upright else BOX[1]
            self.after = max(self.after, last.radius + BOX_STEP + box)
            self.half = max(self.half, (BOX[1] if self.is_upright else BOX[0]) / 2.0)
        self.length = self.before + last.u + self.after
        head = max(map(len, self.titles)) * LEADING + 10.0
        side = 0.0 if self.is_upright else max(self.title_widths) + 24.0
        labels = [self.write_skip_text(skip).width for skip in self.skips]
        self.skip_step = STEP if self.is_upright else max(labels, default=0.0) + 14.0
        room = self.skip_step * max((skip.level for skip in self.skips), default=0)
        self.origin = (MARGIN + side, MARGIN + (head if self.is_upright else 0.0))
        x, y = self.origin
        self.origin = (x, y + room) if self.is_upright else (x + room, y)

    def place(self, u: float, v: float) -> tuple[float, float]:
        """Return the position on the page."""
        u += self.before
        u = self.length - u if self.is_mirrored else u
        x, y = (u, v + self.half) if self.is_upright else (v + self.half, u)
        return self.origin[0] + x, self.origin[1] + y

    def place_skip(self, skip: Skip) -> tuple[list[tuple[float, float]], Text]:
        """Return the curve of a skip connection, and the name of what it adds, beside it."""
        v = -self.half - 6.0 - self.skip_step * (skip.level - 1)
        first, last = self.ranks[skip.first], self.ranks[skip.last]
        x, y = self.place((first.u + last.u) / 2.0, v)
        text = self.write_skip_text(skip)
        text = text._replace(x=x, y=y - 4.0) if self.is_upright else text._replace(
            x=x - 5.0, y=y + 0.34 * DETAIL, anchor="end"
        )  # fmt: skip
        return [self.place(*point) for point in trace_skip(first, last, v)], text

    def write_skip_text(self, skip: Skip) -> Text:
        """Return the name of what a skip connection adds, at (0, 0)."""
        name = self.network.describe_column(skip.first)[0]
        return Text(0.0, 0.0, [Span(f"+ {name}")], self.theme.pale, DETAIL, "middle")

    def connect(self, a: tuple[float, float], b: tuple[float, float]) -> list[tuple[float, float]]:
        """Return a curve that leaves a and reaches b in the direction of the data."""
        bend = BEND * (b[0] - a[0])
        return [self.place(*p) for p in (a, (a[0] + bend, a[1]), (b[0] - bend, b[1]), b)]

    def get_spot(self, place: Place) -> Spot:
        """Return the place of a circle."""
        return self.ranks[place[0]].spots[place[1]]

    def place_titles(self) -> Iterator[Text]:
        """Yield the titles: above columns, or to the left of rows."""
        for rank, title in zip(self.ranks, self.titles, strict=True):
            x, y = self.place(rank.u, 0.0)
            for k, text in enumerate(title):
                if self.is_upright:
                    at = (x, MARGIN + TITLE + k * LEADING)
                    yield text._replace(x=at[0], y=at[1], anchor="middle")
                else:
                    top = y - len(title) * LEADING / 2.0 + TITLE - 1.0
                    yield text._replace(x=MARGIN, y=top + k * LEADING)

    def write_bias_text(self, bias: Parameter) -> Text:
        """Return the number of a bias, or its name, at (0, 0)."""
        text = "b" if self.options.names_only else f"b {format_rounded(bias.data, 2)}"
        return Text(0.0, 0.0, [Span(text)], self.theme.pale, BIAS)

    def measure_numbers(self) -> list[float]:
        """Return the sizes of most numbers on each line, relative to the radius of the circle."""
        readings = self.network.readings.values()
        numbers = [x.mean for x in readings], [x.grad for x in readings if x.grads]
        texts = [
            [text for text in map(self.format_short, line) if len(text) <= 7] for line in numbers
        ]
        return [fit_size(line, room, size) for line, (size, room) in zip(texts, LINES, strict=True)]

    def format_short(self, x: float) -> str:
        """Format a number in a circle."""
        return format_in_circle(x, self.options.format)


def fit_size(texts: Sequence[str | list[Span]], width: float, size: float) -> float:
    """Return the largest size up to `size` at which all texts fit into a width."""
    widest = max((measure(text, 100.0) for text in texts), default=0.0) * size / 100.0
    return size if widest <= width else size * width / widest


def cut_name(name: list[Span], width: float, size: float) -> list[Span]:
    """Return a name that fits into a width; a longer one is cut, and hover texts show it whole."""
    if measure(name, size) <= width:
        return name
    text = "".join(span.text for span in name)
    while text and measure(f"{text}…", size) > width:
        text = text[:-1]
    return [Span(f"{text}…")]
