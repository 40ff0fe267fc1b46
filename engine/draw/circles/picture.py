"""A network as people draw it: neurons are circles in columns, weights are lines between them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from engine.draw.circles.activity import Place, Reading
from engine.draw.circles.connections import Connection, Network, Parameter, join_numbers
from engine.draw.circles.layout import (
    BIAS,
    BOX,
    BOX_STEP,
    DETAIL,
    GAP,
    GRAD,
    LABELLED,
    LINES,
    MARGIN,
    NAME,
    NUMBER,
    CircleLayout,
    fit_size,
)
from engine.draw.circles.scale import LegendEntry, write_legend
from engine.draw.circles.skips import Skip
from engine.draw.circles.spots import Spot
from engine.draw.formulas.labels import set_spans
from engine.draw.formulas.notation import Number
from engine.draw.formulas.places import Place as Key
from engine.draw.formulas.places import mark_place
from engine.draw.look.scene import Circle, Curve, Group, Part, Rect, Scene, Span, Text
from engine.draw.look.theme import format_number, norm
from engine.draw.options import Options
from engine.node import Node
from engine.support.arguments import format_count

READABLE = 5.8  # the smallest size of a number
SMALLEST = 4.0  # the smallest radius of a circle with a rim
WIDEST = 4.4  # of a line between large circles
DOT = 2.6  # the radius of the mark of a bias


def make_writer(
    model: Any,
    root: Node | None,
    options: Options,
    ids: Mapping[Any, str] | None = None,
    grads: Mapping[Node, float] | None = None,
    opened: Collection[Place | str] = (),
) -> "CircleWriter":
    """Return the writer of the picture of a model as neurons and connections.

    Args:
        model: a Module with fully connected layers.
        root: the result of a graph, for activations and gradients; None for weights only.
        options: the options of the drawing; with color="grad" it shows gradients.
        ids: the ids of neurons by column and index, of inputs in column 0, and of the root.
        grads: numbers that replace the gradients of nodes.
        opened: the neurons whose graphs a click opens in a page, and "root" for the root.
    """
    network = Network(model, root, options.color == "grad", grads)
    if options.gradients is not None:
        network.has_grads = options.gradients
    return CircleWriter(network, options, ids or {}, opened)


def title_network(network: Network) -> str:
    """Return the title of a picture."""
    return f"network {'-'.join(map(str, network.counts))}"


class CircleWriter(CircleLayout):
    """A writer of the picture of one network."""

    is_blank = False  # whether a page sets all weights, so that those drawn are not the strongest

    def __init__(
        self, network: Network, options: Options, ids: Mapping[Any, str],
        opened: Collection[Place | str] = (),
    ):  # fmt: skip
        super().__init__(network, options)
        self.ids, self.opened = ids, opened
        self.green = self.theme.kinds["root"].line

    def write(self) -> Scene:
        """Return the picture."""
        parts: list[Part] = [*map(self.write_connection, self.network.connections)]
        parts += map(self.write_skip, self.skips)
        parts += self.write_root() if self.has_box else []
        for place in self.network.places:
            parts.append(self.write_neuron(place))
            parts += self.write_bias(place)
        parts += [part for c in range(len(self.ranks)) for part in self.write_gap(c)]
        parts += self.place_titles()
        width, height = self.length, 2.0 * self.half
        if not self.is_upright:
            width, height = height, width
        right, bottom = self.origin[0] + width, self.origin[1] + height + 22.0
        legend, legend_width, legend_height = write_legend(
            self.list_entries(),
            [*self.list_notes()],
            max(right - MARGIN, 400.0),
            self.theme,
            has_numbers=not self.options.names_only,
        )
        moved = [move_part(part, MARGIN, bottom) for part in legend]
        parts += [Group("legend", moved, kind="legend")] if self.ids else moved
        right = max(right, MARGIN + legend_width)
        return Scene(right + MARGIN, bottom + legend_height + MARGIN, parts, self.theme.paper)

    # --------------------------------------------------------------------------------- connections

    def write_connection(self, connection: Connection) -> Group:
        """Return the line of a connection."""
        network, (tail, head, weight) = self.network, connection
        a, b = self.get_spot(tail), self.get_spot(head)
        number, widest = network.get_weight(weight), self.limit_thickness(connection)
        curve = Curve(
            self.connect((a.u + a.radius, a.v), (b.u - b.radius, b.v)),
            network.scale.colour(number, self.theme),
            network.scale.thickness(number, widest),
            network.scale.opacity(number),
            dashed=network.scale.is_dashed(number, self.theme),
        )
        return Group(
            self.name_edge(tail, head), [curve], self.title_connection(connection), "edge weight"
        )

    def write_skip(self, skip: Skip) -> Group:
        """Return the arrow of a skip connection, with its name."""
        names = [self.network.describe_column(c)[0] for c in (skip.first, skip.last)]
        curve, text = self.place_skip(skip)
        title = f"skip connection: the outputs of {names[0]} are added to those of {names[1]}"
        arrow = Curve(curve, self.theme.frame, 1.2, arrow=True)
        return Group("", [arrow, text], title, "edge")

    def limit_thickness(self, connection: Connection) -> float:
        """Return the width that the line of a connection has if it is the strongest."""
        a, b = self.get_spot(connection.tail), self.get_spot(connection.head)
        return max(1.2, min(WIDEST, 0.2 * min(a.radius, b.radius) + 0.1 * b.radius))

    def title_connection(self, connection: Connection) -> str:
        """Return the text of a connection that appears on hover."""
        tail, head, weight = connection
        names = f"{self.network.name(tail)} → {self.network.name(head)}"
        return f"{names}\n{self.describe('w', weight)}"

    def name_edge(self, tail: object, head: object) -> str:
        """Return the id of a line between two parts with ids; "" if one has none."""
        ids = self.ids.get(tail), self.ids.get(head)
        return f"e-{ids[0]}-{ids[1]}" if all(ids) else ""

    def describe(self, name: str, weight: Parameter) -> str:
        """Return the numbers of a parameter as text, or its name."""
        if self.options.names_only:
            return name
        text = f"{name} = {self.format(weight.data)}"
        return f"{text}, ∇ {self.format(weight.grad)}" if self.network.has_grads else text

    def format(self, x: Number) -> str:
        """Format a number, or write its place, in a text that appears on hover."""
        return mark_place(x.key) if isinstance(x, Key) else format_number(x, self.options.format)

    # ------------------------------------------------------------------------------------- neurons

    def write_neuron(self, place: Place) -> Group:
        """Return the circle of a neuron, its numbers and its bias."""
        network, theme, spot = self.network, self.theme, self.get_spot(place)
        x, y = self.place(spot.u, spot.v)
        r, is_dot = spot.radius, self.is_dot(place)
        parts: list[Part] = [Circle(x, y, r, theme.paper, theme.frame, 0.4 if is_dot else 1.2)]
        if place in network.readings:
            number = network.get_number(place)
            fill = network.neuron_scale.colour(number, theme)
            opacity = (network.neuron_scale.share if is_dot else network.neuron_scale.fill)(number)
            if opacity >= 0.005 or self.ids:  # a page changes it
                parts.append(Circle(x, y, r - 0.2 * (not is_dot), fill, opacity=opacity))
        parts += self.write_numbers(place, x, y, r)
        if not place[0] and place[1] in self.names:
            parts.append(self.write_name(self.names[place[1]], spot))
        id = self.ids.get(place) or f"n{place[0]}-{place[1]}"
        opens = network.name(place) if place in self.opened else ""
        title = self.title_neuron(place, network.readings.get(place), network.biases.get(place))
        return Group(id, parts, title, opens=opens)

    def is_dot(self, place: Place) -> bool:
        """Return whether the circle of a neuron has no room for a rim."""
        return self.get_spot(place).radius < SMALLEST

    def title_neuron(self, place: Place, reading: Reading | None, bias: Parameter | None) -> str:
        """Return the text of a neuron that appears on hover."""
        lines = [self.network.name(place)]
        if reading is not None and not self.options.names_only:
            lines += self.describe_outputs(place, reading)
        if bias is not None:
            lines.append(self.describe("b", bias))
        return "\n".join(lines)

    def describe_outputs(self, place: Place, reading: Reading) -> Iterator[str]:
        """Yield the outputs of a neuron and their gradients as text."""
        data, grads = reading
        yield f"{'a' if place[0] else 'x'} = {join_numbers(map(self.format, data))}"
        if grads and self.network.has_grads:
            yield f"∇ {join_numbers(map(self.format, grads))}"

    def write_numbers(self, place: Place, x: float, y: float, r: float) -> Iterator[Text]:
        """Yield the number and the gradient in a circle, as large as they fit, or its name."""
        if self.options.names_only and place[0]:
            name = set_spans(self.network.name_output(place))
            size = min(NUMBER, fit_size([name], LINES[0][1], 0.75) * r)
            if size >= READABLE:
                yield Text(x, y + 0.36 * size, name, self.theme.ink, size, "middle")
        if self.options.names_only or place not in self.network.readings:
            return
        reading = self.network.readings[place]
        data = self.fit_number(reading.mean, 0, r)
        if data.size < READABLE:
            return
        grad = self.fit_number(reading.grad, 1, r)
        has_grad = reading.grads and self.network.has_grads and grad.size >= READABLE
        yield data._replace(x=x, y=y + (0.04 * r if has_grad else 0.36 * data.size))
        if has_grad:
            yield grad._replace(x=x, y=y + 0.54 * r)

    def fit_number(self, number: float, line: int, r: float) -> Text:
        """Return a number for the first or second line in a circle of radius r."""
        text, (size, room) = self.format_short(number), LINES[line]
        size = min(self.number_sizes[line], fit_size([text], room, size)) * r
        fill, field = ((self.theme.ink, "data"), (self.green, "grad"))[line]
        return Text(0.0, 0.0, [Span(text)], fill, size, "middle", field=field)

    def write_bias(self, place: Place) -> Iterator[Group]:
        """Yield a dot in the colour of a bias, and its number if there is room.

        It is not a part of the neuron's group: a bias is known before the neuron is computed.
        """
        if not place[0]:
            return
        bias, scale, theme = self.network.biases[place], self.network.scale, self.theme
        spot = self.get_spot(place)
        (x, y), r = self.place(spot.u, spot.v), spot.radius
        number = self.network.get_weight(bias)
        dot = Circle(x - 0.8 * r, y + 0.8 * r, DOT, theme.paper, theme.frame, 0.8)
        text = self.write_bias_text(bias)
        has_text = self.ranks[place[0]].pitch - 2.0 * r >= self.sizes.label
        if r < LABELLED or not (has_text or number or self.ids):
            return
        if has_text and self.is_upright:
            left = x - (text.width + 2.0 * DOT + 3.0) / 2.0
            dot = dot._replace(x=left + DOT, y=y + r + BIAS - 1.0)
        elif has_text:
            dot = dot._replace(x=x + r + 4.0 + DOT, y=y + 0.5)
        fill = scale.colour(number, theme)
        parts: list[Part] = [
            dot._replace(line=theme.frame if has_text else theme.paper),
            dot._replace(fill=fill, line="none", opacity=scale.share(number)),
        ]
        if has_text:
            parts.append(text._replace(x=dot.x + DOT + 3.0, y=dot.y + 0.32 * BIAS))
        id = f"bias-{self.ids[place]}" if place in self.ids else ""
        yield Group(id, parts, self.describe("b", bias), "bias")

    def write_name(self, name: list[Span], spot: Spot) -> Text:
        """Return the name of an input, before its circle."""
        x, y = self.place(spot.u - spot.radius - GAP, spot.v)
        if self.is_upright:
            anchor = "start" if self.is_mirrored else "end"
            return Text(x, y + 0.34 * NAME, name, self.theme.ink, NAME, anchor)
        shift = NAME * 0.8 if self.is_mirrored else 0.0
        return Text(x, y + shift, name, self.theme.ink, NAME, "middle")

    def write_gap(self, c: int) -> Iterator[Part]:
        """Yield three dots, and the number of neurons that are left out."""
        rank = self.ranks[c]
        if not rank.hidden:
            return
        x, y = self.place(rank.u, 0.0)
        for k in (-1, 0, 1):
            at = (x, y - 8.0 + 5.0 * k) if self.is_upright else (x - 20.0 + 5.0 * k, y)
            yield Circle(*at, 1.3, self.theme.pale)
        text = [Span(f"{rank.hidden:,} more")]
        if self.is_upright:
            yield Text(x, y + 10.0, text, self.theme.pale, BIAS, "middle")
        else:
            yield Text(x - 10.0, y + 3.0, text, self.theme.pale, BIAS)

    # ------------------------------------------------------------------------------------ the root

    def write_root(self) -> Iterator[Part]:
        """Yield the box of the root at the end of the network, and the lines to it."""
        network, theme, last = self.network, self.theme, self.ranks[-1]
        root = network.root
        assert root is not None
        u = last.u + last.radius + BOX_STEP
        for i, spot in last.spots.items():
            line = Curve(self.connect((spot.u + spot.radius, spot.v), (u, 0.0)), theme.frame, 1.2)
            place = (len(self.ranks) - 1, i)
            yield Group(self.name_edge(place, "root"), [line], "", "edge")
        x, y = self.place(u + (BOX[0] if self.is_upright else BOX[1]) / 2.0, 0.0)
        paint, numbers = theme.kinds["root"], [] if self.options.names_only else [root.data]
        if numbers and network.has_grads:
            numbers.append(network.root_grad)
        texts = [self.format(x if isinstance(x, float) else norm(x)) for x in numbers]
        top = y + (3.5, -3.0, -8.5)[len(texts)]
        looks = (theme.ink, NUMBER, 13.0, "data"), (self.green, GRAD, 24.5, "grad")
        yield Group(
            self.ids.get("root", "root"),
            [
                Rect(x - BOX[0] / 2.0, y - BOX[1] / 2.0, *BOX, paint.fill, paint.line, 2.0, 8.0),
                Text(x, top, self.root_name, theme.pale, DETAIL, "middle"),
                *[
                    Text(x, top + down, [Span(text)], fill, size, "middle", field=field)
                    for text, (fill, size, down, field) in zip(texts, looks, strict=False)
                ],
            ],
            self.title_root(texts),
            opens=network.name_opened_root() if "root" in self.opened else "",
        )

    def title_root(self, numbers: Sequence[str]) -> str:
        """Return the text of the root that appears on hover, with its number and its gradient."""
        parts = [" = ".join([self.network.name_root(), *numbers[:1]]), *numbers[1:]]
        return ", ∇ ".join(parts)

    # ---------------------------------------------------------------------------------- the legend

    def list_entries(self) -> list[LegendEntry]:
        """Return the scales of the legend."""
        network, by_grad = self.network, self.network.by_grad
        entries = [
            LegendEntry("gradient of a weight" if by_grad else "weight", network.scale, WIDEST)
        ]
        if network.readings:
            title = "gradient of an activation" if by_grad else "activation"
            entries.append(LegendEntry(title, network.neuron_scale, 0.0))
        return entries

    def list_notes(self) -> Iterator[str]:
        """Yield the lines of the legend."""
        network, has_numbers = self.network, not self.options.names_only
        if has_numbers and network.has_grads and network.readings:
            yield "in a circle: the activation, and its gradient in green"
        if network.samples > 1:
            count = format_count(network.samples, "sample")
            yield f"{count}: mean activation" + ", sum of gradients" * network.has_grads
        yield "b: the bias, with a dot in the colour of a weight"
        if self.skips:
            yield "+: skip connections, which add each activation to the neuron with its index"
        place = network.find_changed()
        if place is not None and not network.columns[place[0] - 1].notes:
            yield "not drawn: operations between layers; level='blocks' shows them"
        total = sum(a * b for a, b in zip(network.counts, network.counts[1:], strict=False))
        drawn = len(network.connections)
        shown = sum(len(a) * len(b) for a, b in zip(network.shown, network.shown[1:], strict=False))
        if drawn < shown and not self.is_blank:
            yield f"lines: the {drawn:,} strongest of {shown:,} between these circles"
        elif drawn < total:
            yield f"lines: {drawn:,} of {total:,} connections"


def move_part(part: Part, dx: float, dy: float) -> Part:
    """Return a part of a legend at another place."""
    if isinstance(part, Curve):
        return part._replace(points=[(x + dx, y + dy) for x, y in part.points])
    assert not isinstance(part, Group)
    return part._replace(x=part.x + dx, y=part.y + dy)
