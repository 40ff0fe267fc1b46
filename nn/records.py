"""The records of a training run, and how a notebook shows them."""

import math
from typing import NamedTuple

from engine.support.embed import embed_image


class Record(NamedTuple):
    """The figures of one epoch of training. Those that do not apply are None.

    loss, metric                        means over the training samples, each at the weights before
                                        its step
    validation_loss, validation_metric  means over the validation samples after the epoch
    lr                                  the learning rate of the last step
    grad_norm                           the mean over the steps of the norm before clipping
    seconds                             the duration of the epoch, validation included

    Both losses include the penalty.

    >>> from nn import MLP, data, fit
    >>> X, y = data.moons(50, rng=0)
    >>> record = next(fit(MLP(2, [4, 1], rng=0), X, y, loss="binary_cross_entropy", epochs=1))
    >>> record.epoch, record.metric, record.validation_loss
    (1, None, None)
    """

    epoch: int  # from 1
    loss: float
    metric: float | None
    validation_loss: float | None
    validation_metric: float | None
    lr: float
    grad_norm: float
    seconds: float


ROWS = 5  # of the table, at its beginning and at its end
CURVES = [("loss", "#3f87d9"), ("validation_loss", "#e07b28")]  # legible on light and on dark
GREY = "#7a7f87"  # legible on both, too
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 500, 170, 52, 150, 12, 26
MANY = 30  # a ratio of losses from which on the axis is logarithmic


class Records(list[Record]):
    """A list of records that a notebook shows as a plot of the losses and a table."""

    def _repr_html_(self) -> str:
        if not self:
            return "no epochs"
        plot = plot_losses(self)
        picture = embed_image(plot, "losses by epoch") if plot else ""
        return f"<div>{picture}{print_table(self)}</div>"


def print_table(records: list[Record]) -> str:
    """Return an HTML table of the first and the last records, with the columns that apply."""
    rows: list[Record | None] = list(records)
    if len(rows) > 2 * ROWS + 1:
        rows[ROWS:-ROWS] = [None]
    names = [name for name in Record._fields if any(getattr(x, name) is not None for x in records)]
    cell = lambda x: f"{x:,}" if isinstance(x, int) else "" if x is None else f"{x:.4g}"
    lines = ["".join([f"<th>{name.replace('_', ' ')}</th>" for name in names])]
    for row in rows:
        cells = ["&hellip;" if row is None else cell(getattr(row, name)) for name in names]
        lines.append("".join([f"<td>{text}</td>" for text in cells]))
    return f"<table>{''.join([f'<tr>{line}</tr>' for line in lines])}</table>"


def plot_losses(records: list[Record]) -> str:
    """Return an SVG of the losses by epoch; "" for one epoch."""
    curves = []
    for name, colour in CURVES:
        points = [(x.epoch, getattr(x, name)) for x in records]
        points = [(epoch, y) for epoch, y in points if y is not None and math.isfinite(y)]
        if len(points) > 1:
            curves.append((name.replace("_", " "), colour, points))
    if not curves:
        return ""
    numbers = [y for _, _, points in curves for _, y in points]
    low, high = min(numbers), max(numbers)
    scale = math.log if low > 0 and high > MANY * low else float
    first, last = records[0].epoch, records[-1].epoch
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT

    def place(epoch: float, y: float) -> tuple[float, float]:
        across = (epoch - first) / (last - first)
        up = (scale(y) - scale(low)) / ((scale(high) - scale(low)) or 1.0)
        return LEFT + across * (right - LEFT), bottom - up * (bottom - TOP)

    text = lambda x, y, anchor, words, fill=GREY: (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}">{words}</text>'
    )
    parts = [
        f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="{GREY}" opacity=".6"/>',
        text(LEFT - 6, bottom + 4, "end", f"{low:.3g}"),
        text(LEFT - 6, TOP + 4, "end", f"{high:.3g}"),
        text(LEFT, HEIGHT - 8, "start", f"epoch {first:,}"),
        text(right, HEIGHT - 8, "end", f"{last:,}"),
    ]
    ends = [place(*points[-1])[1] for _, _, points in curves]
    if len(ends) == 2 and abs(ends[0] - ends[1]) < 14:  # labels would overlap
        middle = min(max(sum(ends) / 2, TOP + 7), bottom - 7)
        ends = [middle - 7, middle + 7] if ends[0] <= ends[1] else [middle + 7, middle - 7]
    for (name, colour, points), y in zip(curves, ends, strict=True):
        path = " ".join([f"{x:.1f},{height:.1f}" for x, height in (place(*p) for p in points)])
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" '
            'stroke-linejoin="round"/>'
        )
        parts.append(text(right + 8, y + 4, "start", f"{name} {points[-1][1]:.3g}", colour))
    label = f"losses of epochs {first} to {last}" + (", logarithmic" if scale is math.log else "")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{label}" font-family="sans-serif" font-size="12">{"".join(parts)}</svg>'
    )
