"""`step`: a page that goes through backpropagation, forwards and backwards, frame by frame."""

import html
import json
import os
import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from engine.draw import dot as dots
from engine.draw.coarse import coarse
from engine.draw.drawing import Drawing, check_look, title_of
from engine.draw.facts import Facts, coarse_facts, facts
from engine.draw.frames import Frame
from engine.draw.theme import THEMES
from engine.draw.trace import Run, trace
from engine.draw.view import Box, view
from engine.support.arguments import file_to_write
from engine.value import Value

HERE = Path(__file__).parent
MOST = 250  # values that are stepped through one by one
ICONS = {
    "first": ("First", "M2 2h2v10H2zM12 2v10L5 7z"),
    "previous": ("Previous", "M10 2v10L3 7z"),
    "next": ("Next", "M4 2v10l7-5z"),
    "last": ("Last", "M10 2h2v10h-2zM2 2v10l7-5z"),
}
COLOURS = ("paper", "ink", "pale", "frame", "tint", "mark")
GO, PAUSE = "M3 1v12l9-6z", "M3 2h3v10H3zM8 2h3v10H8z"


def step(
    root: Any,
    model: Any = None,
    *,
    direction: str = "right",
    theme: str = "light",
    format: str = ".4g",
    collapse: bool | str | Iterable[str] | None = None,
    limit: int = MOST,
    layout: str = "auto",
) -> "Stepper":
    """Backpropagation from `root` as a page: the forward pass, then every contribution backwards.

    Buttons, a slider and the arrow keys move through it; what a step is about is marked in the
    drawing, its formula stands above, with names and with numbers; what has not arrived is blank.

    Beside it run two wrong backward passes (`engine.watch.wrong_passes`), with the right gradients
    under theirs and the first value that goes wrong marked: why this order, and why +=.

    Clicking a value shows its rule, the line that made it if `engine.record_origins()` was on, its
    steps, and the paths along which its gradient came (`engine.watch.paths`), to be followed in
    the drawing. Gradients are those of this root alone, whatever the graph holds.

    The options are those of `engine.draw.draw`. Modules that are collapsed, as they are by default
    where there are more than `limit` values, are stepped through as a whole, box by box; where
    even their arrows are more than `limit`, layers and all else are. TypeError
    unless `root` is a Value, ValueError for too many values and no model; it says what to do.

    >>> from engine import Value
    >>> x = Value(3.0, "x")
    >>> step(x * x)
    <stepper of 6 steps; .save('steps.html') writes it>
    """
    check_look(direction=direction, theme=theme, layout=layout, format=format)
    if not isinstance(root, Value):
        raise TypeError(f"a graph of Values is stepped through, got {root!r}")
    seen = view(root, model, collapse, limit)
    boxes = any(isinstance(each, Box) for each in seen.drawn)
    if boxes and collapse is None and len(seen.arrows) > limit:
        seen = view(root, model, True, limit)  # an arrow is a step at least
    if boxes:
        traced = coarse(seen, format)
        known = coarse_facts(seen, traced.names, format)
    else:
        traced = trace(root, format, list(seen.ids))
        known = facts(root, traced.names, seen.modules.parameters, format)
    names = {node: name for node, name in traced.names.items() if not node.constant}
    source = dots.dot(
        seen, direction=direction, theme=theme, format=format, names=names, grads=traced.grads
    )
    drawing = Drawing(source, title_of(len(seen.drawn)), layout)
    return Stepper(traced.runs, known, drawing, theme)


class Stepper:
    """Steps and a drawing: `.html` is a page of its own, `.save(path)` writes it.

    The page needs no network and no kernel. In Jupyter it shows itself, in an untrusted notebook
    and where no script runs the drawing.

    >>> from engine import Value
    >>> step(Value(3.0, "x") * 2.0)  # doctest: +ELLIPSIS
    <stepper of ... steps; .save('steps.html') writes it>
    """

    def __init__(self, runs: list[Run], facts: list[Facts], drawing: Drawing, theme: str):
        self.runs, self.facts, self.drawing, self.theme = runs, facts, drawing, theme

    @property
    def frames(self) -> list[Frame]:
        """The steps of the forward and the backward pass, as data."""
        return self.runs[0].frames

    @cached_property
    def html(self) -> str:
        """The page, whole."""
        look = THEMES[self.theme]
        colours = "".join(f"--{k}:{look[k]};" for k in COLOURS)
        svg = self.drawing.svg
        data = json.dumps(self.data(svg), ensure_ascii=False, separators=(",", ":"))
        data = data.replace("<", "\\u003c")
        data = re.sub(r"[\ud800-\udfff]", "\ufffd", data)  # halves of pairs, as in the drawing
        scripts = read("stepper.js") + read("inspector.js")
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width">'
            "<title>Backpropagation, step by step</title>\n"
            f"<style>body{{margin:0;background:{look['paper']}}}\n"
            f".stepper{{{colours}}}\n{read('stepper.css')}</style></head>\n<body>\n"
            f"{controls(self.runs)}\n"
            f'<div class="graph" tabindex="0" role="region" aria-label="Graph">{svg}</div></div>\n'
            f'<script type="application/json" id="steps">{data}</script>\n'
            f"<script>{scripts}\n{START}</script></body></html>\n"
        )

    def data(self, svg: str) -> dict[str, Any]:
        """What the script is given. Pieces of formulas are numbers: their places in `texts`."""
        texts: dict[str, int] = {}

        def packed(part: Frame | Facts) -> dict[str, Any]:
            found = {key: value for key, value in part._asdict().items() if value}
            for key in ("lines", "factors"):
                if key in found or key == "lines":
                    found[key] = [places(each) for each in found.get(key, ())]
            return found

        def places(line: Any) -> Any:
            if isinstance(line, str):
                return texts.setdefault(line, len(texts))
            return [texts.setdefault(piece, len(texts)) for piece in line]

        runs = [
            {"right": run.right, "frames": [packed(frame) for frame in run.frames]}
            for run in self.runs
        ]
        known = [packed(each) for each in self.facts]
        prefix = svg.partition(' id="')[2].partition("-")[0]
        return {"prefix": prefix, "runs": runs, "facts": known, "texts": list(texts)}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page, and return its path; ValueError unless it ends with .html."""
        path = file_to_write("a stepper", path, (".html", ".htm"), "; draw saves pictures")
        path.write_text(self.html, "utf-8")
        return path

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        page = (
            '<div class="stepgrad"><style>.stepgrad:has(iframe) img{display:none}</style>'
            f'<iframe srcdoc="{html.escape(self.html)}" title="Backpropagation, step by step" '
            'style="width:100%;height:240px;border:0"></iframe>'
            f"{self.drawing.image}</div>"
        )
        return {"text/html": page, "image/svg+xml": self.drawing.svg, "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"<stepper of {len(self.frames)} steps; .save('steps.html') writes it>"


# In a notebook's iframe the page says how high it is; a page that may not ask stays as it is.
START = """const steps = JSON.parse(document.getElementById("steps").textContent);
const stepper = document.querySelector(".stepper");
stepper.classList.toggle("framed", window !== window.parent);
mount(stepper, steps);
new ResizeObserver(() => {
  try {
    const frame = window.frameElement;
    if (frame) frame.style.height = stepper.offsetHeight + "px";
  } catch {}
}).observe(stepper);"""


def controls(runs: list[Run]) -> str:
    """What stands above the drawing."""
    icon = '<svg viewBox="0 0 14 14" aria-hidden="true"><path class="{}" d="{}"/>{}</svg>'.format
    button = '<button type="button" data-do="{0}" aria-label="{1}" title="{1}">{2}</button>'.format
    made = {what: button(what, said, icon("", d, "")) for what, (said, d) in ICONS.items()}
    play = icon("go", GO, f'<path class="pause" d="{PAUSE}"/>')
    made["play"] = button("play", "Play", play)
    buttons = "".join(made[what] for what in ("first", "previous", "play", "next", "last"))
    choices = (
        ""
        if len(runs) == 1
        else "".join(
            f'<button type="button" data-run="{i}" aria-pressed="false">{run.title}</button>'
            for i, run in enumerate(runs)
        )
    )
    return (
        '<div class="stepper" tabindex="0" role="group" aria-label="Backpropagation, step by step" '
        'data-lm-suppress-shortcuts="true">\n'
        f'<div class="bar">{buttons}'
        f'<input type="range" min="0" max="{len(runs[0].frames) - 1}" value="0" aria-label="Step">'
        '<span class="place"></span>'
        '<button type="button" data-do="mistake" hidden>First mistake</button>'
        f'<span class="runs" role="group" aria-label="Backward pass">{choices}</span></div>\n'
        '<div class="top"><div class="step"><div class="said">'
        '<span class="kind"></span><span class="title"></span></div>\n'
        '<div class="formula"></div><div class="note"></div>'
        '<div class="live" aria-live="polite"></div></div>\n'
        '<section class="facts" aria-label="A value"><select aria-label="Value">'
        '<option value="">a value …</option></select><div class="about">Click a value in the '
        "graph for its rule, its steps, and where its gradient comes from.</div></section></div>"
    )


def read(name: str) -> str:
    return (HERE / name).read_text("utf-8")
