"""`step`: a page that goes through backpropagation, forwards and backwards, frame by frame."""

import base64
import html
import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any

from engine.draw import dot as dots
from engine.draw.drawing import Drawing, check_look, title_of
from engine.draw.theme import THEMES
from engine.draw.trace import Frame, trace
from engine.draw.view import view

HERE = Path(__file__).parent
MOST = 250  # values that are stepped through one by one
ICONS = {
    "first": ("First", "M2 2h2v10H2zM12 2v10L5 7z"),
    "previous": ("Previous", "M10 2v10L3 7z"),
    "next": ("Next", "M4 2v10l7-5z"),
    "last": ("Last", "M10 2h2v10h-2zM2 2v10l7-5z"),
}
GO, PAUSE = "M3 1v12l9-6z", "M3 2h3v10H3zM8 2h3v10H8z"


def step(
    root: Any,
    model: Any = None,
    *,
    direction: str = "right",
    theme: str = "light",
    format: str = ".4g",
    limit: int = MOST,
    layout: str = "auto",
) -> "Stepper":
    """Backpropagation from `root` as a page: the forward pass, then every contribution backwards.

    Buttons, a slider and the arrow keys move through it; what a step is about is marked in the
    drawing, its formula stands above, with names and with numbers; what has not arrived is blank.
    Clicking a value leads to the steps it is part of. Gradients are those of this root alone,
    whatever the graph holds.

    The options are those of `engine.draw.draw`. TypeError unless `root` is a Value, ValueError for
    more than `limit` of them.

    >>> from engine import Value
    >>> x = Value(3.0, "x")
    >>> step(x * x)
    <stepper of 6 steps; .save('steps.html') writes it>
    """
    check_look(direction=direction, theme=theme, layout=layout, format=format)
    traced = trace(root, format)
    if len(traced.names) > limit:
        raise ValueError(
            f"{len(traced.names):,} values are more than the {limit:,} that can be followed; "
            "step through a node further down, or raise the limit=..."
        )
    names = {node: name for node, name in traced.names.items() if not node.constant}
    source = dots.dot(
        view(root, model, collapse=False, limit=limit), direction=direction, theme=theme,
        format=format, names=names, grads=traced.grads,
    )  # fmt: skip
    drawing = Drawing(source, title_of(len(traced.names)), layout)
    return Stepper(traced.frames, drawing, theme)


class Stepper:
    """Steps and a drawing: `.html` is a page of its own, `.save(path)` writes it.

    The page needs no network and no kernel. In Jupyter it shows itself, in an untrusted notebook
    and where no script runs the drawing.
    """

    def __init__(self, frames: list[Frame], drawing: Drawing, theme: str):
        self.frames, self.drawing, self.theme = frames, drawing, theme

    @cached_property
    def html(self) -> str:
        """The page, whole."""
        look = THEMES[self.theme]
        colours = "".join(f"--{k}:{look[k]};" for k in ("paper", "ink", "pale", "frame", "tint"))
        mark = {"light": "#c2410c", "dark": "#fb923c"}[self.theme]
        svg = self.drawing.svg
        data = {
            "prefix": svg.partition(' id="')[2].partition("-")[0],
            "frames": [frame._asdict() for frame in self.frames],
        }
        script = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width">'
            "<title>Backpropagation, step by step</title>\n"
            f"<style>body{{margin:0;background:{look['paper']}}}\n"
            f".stepper{{{colours}--mark:{mark}}}\n{read('stepper.css')}</style></head>\n<body>\n"
            f"{controls(len(self.frames))}\n"
            f'<div class="graph" tabindex="-1">{svg}</div></div>\n'
            f'<script type="application/json" id="steps">{script}</script>\n'
            f"<script>{read('stepper.js')}\n{START}</script></body></html>\n"
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page, and return its path; ValueError unless it ends with .html."""
        path = Path(path)
        if path.suffix.lower() not in (".html", ".htm"):
            raise ValueError(f"a stepper is saved as .html, got {str(path)!r}; draw saves pictures")
        path.write_text(self.html, "utf-8")
        return path

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        picture = base64.b64encode(self.drawing.svg.encode()).decode()
        page = (
            '<div class="stepgrad"><style>.stepgrad:has(iframe) img{display:none}</style>'
            f'<iframe srcdoc="{html.escape(self.html)}" title="Backpropagation, step by step" '
            'style="width:100%;height:240px;border:0"></iframe>'
            f'<img alt="{self.drawing.title}" src="data:image/svg+xml;base64,{picture}"></div>'
        )
        return {"text/html": page, "image/svg+xml": self.drawing.svg, "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"<stepper of {len(self.frames)} steps; .save('steps.html') writes it>"


# In a notebook's iframe the page says how high it is; a page that may not ask stays as it is.
START = """const steps = JSON.parse(document.getElementById("steps").textContent);
mount(document.querySelector(".stepper"), steps);
const fit = () => {
  try {
    const frame = window.frameElement;
    if (frame) frame.style.height = document.documentElement.scrollHeight + "px";
  } catch {}
};
fit();
addEventListener("load", fit);"""


def controls(steps: int) -> str:
    """What stands above the drawing."""
    icon = '<svg viewBox="0 0 14 14" aria-hidden="true"><path class="{}" d="{}"/>{}</svg>'.format
    button = '<button type="button" data-do="{0}" aria-label="{1}" title="{1}">{2}</button>'.format
    made = {what: button(what, said, icon("", d, "")) for what, (said, d) in ICONS.items()}
    play = icon("go", GO, f'<path class="pause" d="{PAUSE}"/>')
    made["play"] = button("play", "Play", play).replace("<button", '<button aria-pressed="false"')
    buttons = "".join(made[what] for what in ("first", "previous", "play", "next", "last"))
    return (
        '<div class="stepper" tabindex="0" role="group" aria-label="Backpropagation, step by step" '
        f'data-lm-suppress-shortcuts="true">\n<div class="bar">{buttons}'
        f'<input type="range" min="0" max="{steps - 1}" value="0" aria-label="Step">'
        '<span class="place"></span></div>\n'
        '<div class="said" aria-live="polite">'
        '<span class="kind"></span><span class="title"></span></div>\n'
        '<div class="formula"></div>'
    )


def read(name: str) -> str:
    return (HERE / name).read_text("utf-8")
