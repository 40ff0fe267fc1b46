"""The sizes of the groups of elements that steps mark in a drawing, from its SVG.

The page chooses a scale at which each group fits. Measuring them there would delay its opening.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from engine.draw.steps.frames import Run

TAG = re.compile(r"<(/?)(\w+)([^>]*?)(/?)>")
POINTS = re.compile(r' (?:points|d)="([^"]*)"')
PLACE = re.compile(r' (c?[xy]|r[xy]?|width|height)="([\d.-]+)"')
Box = tuple[float, float, float, float]  # left, top, right, bottom


class Drawn(NamedTuple):
    """An element of a drawing: its box, and the arrows that a copy of a value is at."""

    box: Box
    at: frozenset[str]
    is_copy: bool


def measure_groups(svg: str, prefix: str, runs: Iterable[Run]) -> list[float]:
    """Return the largest width and the largest height of what one step marks, in points.

    >>> from engine.draw.steps.frames import Frame
    >>> svg = '<g id="g0-v0"><rect x="1" y="2" width="3" height="4"/></g>'
    >>> frame = Frame("forward", "", marked=["v0"])
    >>> measure_groups(svg, "g0", [Run("", [frame])])
    [3.0, 4.0]
    """
    drawn = find_boxes(svg, prefix)
    groups = {tuple(frame.marked) for run in runs for frame in run.frames}
    sizes = [(0.0, 0.0)]
    for marked in groups:
        boxes = choose_boxes(marked, drawn)
        if boxes:
            left, top, right, bottom = zip(*boxes, strict=True)
            sizes.append((max(right) - min(left), max(bottom) - min(top)))
    return [round(max(side), 1) for side in zip(*sizes, strict=True)]


def choose_boxes(marked: Sequence[str], drawn: dict[str, list[Drawn]]) -> list[Box]:
    """Return the boxes of the elements that picture.js chooses for a step."""
    boxes, has_arrows = [], any(id[0] == "e" for id in marked)
    for id in marked:
        elements = drawn.get(id, [])
        copies = [x for x in elements if x.at.intersection(marked)]
        if len(elements) > 1 and has_arrows:
            is_result = id.replace("v", "e") in marked
            whole = [x for x in elements if not x.is_copy]
            elements = copies if copies and not is_result else [*copies, *whole]
        boxes += [x.box for x in elements]
    return boxes


def find_boxes(svg: str, prefix: str) -> dict[str, list[Drawn]]:
    """Return the elements with ids, and their copies, by their ids without the prefix.

    The box of a group is that of its shapes. Texts are inside shapes.
    """
    drawn: dict[str, list[Drawn]] = {}
    groups: list[tuple[str, str, list[Box]]] = []  # that are open
    for end, tag, attributes, empty in TAG.findall(svg):
        if tag == "g" and empty:
            continue
        if tag == "g" and not end:
            name = re.search(rf' (?:id="{prefix}-|data-of=")([^"]*)"', attributes)
            groups.append((name[1] if name else "", attributes, []))
        elif tag == "g":
            id, start, boxes = groups.pop()
            if id and boxes:
                at = re.search(r' data-at="([^"]*)"', start)
                element = Drawn(unite(boxes), frozenset(at[1].split() if at else ()), bool(at))
                drawn.setdefault(id, []).append(element)
            if groups and "transform" not in start:
                groups[-1][2].extend(boxes)
        elif groups and tag not in ("text", "tspan") and (box := find_box(attributes)):
            groups[-1][2].append(box)
    return drawn


def find_box(attributes: str) -> Box | None:
    """Return the box of a shape; that of a curve has its control points."""
    points = POINTS.search(attributes)
    if points and not re.search("[AHVahv]", points[1]):
        numbers = [float(x) for x in re.findall(r"-?[\d.]+", points[1])]
        xs, ys = numbers[::2], numbers[1::2]
        return (min(xs), min(ys), max(xs), max(ys)) if ys else None
    place = {name: float(x) for name, x in PLACE.findall(attributes)}
    if "cx" in place:
        x, y, r = (place.get(name, 0.0) for name in ("cx", "cy", "r"))
        rx, ry = place.get("rx", r), place.get("ry", r)
        return x - rx, y - ry, x + rx, y + ry
    if "width" in place:
        x, y = place.get("x", 0.0), place.get("y", 0.0)
        return x, y, x + place["width"], y + place["height"]
    return None


def unite(boxes: Sequence[Box]) -> Box:
    """Return the box around others."""
    left, top, right, bottom = zip(*boxes, strict=True)
    return min(left), min(top), max(right), max(bottom)
