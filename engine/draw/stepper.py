"""`step`: a page that steps through backpropagation, forwards and backwards."""

import html
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Unpack

from engine.draw.boxes import trace_boxes
from engine.draw.clusters import Model
from engine.draw.dot import replace_invalid, write_dot
from engine.draw.drawing import Drawing, title_graph
from engine.draw.facts import Facts, collect_box_facts, collect_facts
from engine.draw.frames import Frame, Run
from engine.draw.notation import Notation
from engine.draw.options import Options, PageOptions, check_names, show_options
from engine.draw.theme import THEMES
from engine.draw.trace import trace
from engine.draw.view import Box, build_view
from engine.support.arguments import check_writable
from engine.value import Value

FOLDER = Path(__file__).parent
LIMIT = 250  # values; beyond it modules collapse
TITLE = "Backpropagation, step by step"
COLOURS = ("paper", "ink", "pale", "frame", "tint", "mark")  # of the theme, for the style sheet
BUTTONS = {
    "first": ("First", "M2 2h2v10H2zM12 2v10L5 7z"),
    "previous": ("Previous", "M10 2v10L3 7z"),
    "play": ("Play", "M3 1v12l9-6z"),
    "next": ("Next", "M4 2v10l7-5z"),
    "last": ("Last", "M10 2h2v10h-2zM2 2v10l7-5z"),
}
PAUSE = "M3 2h3v10H3zM8 2h3v10H8z"


@show_options(PageOptions)
def step(
    root: Value,
    model: Model | None = None,
    *,
    collapse: bool | str | Iterable[str] | None = None,
    limit: int = LIMIT,
    **options: Unpack[PageOptions],
) -> "Stepper":
    """Make a page that steps through backpropagation from `root`.

    The forward pass has a step for each operation, the backward pass one for each contribution to
    a gradient. Buttons, a slider and the arrow keys move between steps. A step is marked in the
    drawing, and its formula is shown above, with names and with numbers. Numbers that are not yet
    computed are blank.

    Two more buttons run wrong backward passes (see `engine.mistakes`), which show why the order
    matters, and why gradients are added up. The page shows the correct gradients below the wrong
    ones and marks the first wrong one.

    Click a value to see its rule, the line that made it if `engine.record_origins()` was active,
    its steps, and the paths that add up to its gradient (see `engine.explain`). The page computes
    the gradients of `root`; it neither reads nor changes those stored in the graph.

    Args:
        root: the result of the graph.
        model: a Module whose neurons and layers are drawn as clusters, titled by their paths.
        collapse: the modules to step through as one box each, as in `draw`. By default nothing
            collapses unless there are more than `limit` values, and everything does if the arrows
            between boxes are still more than `limit`.
        limit: the largest number of values to step through one by one. A larger graph has boxes, as
            in `draw`.
        direction, theme, format, layout: as in `draw`.

    Raises TypeError if `root` is not a Value, and ValueError for an option's value that `draw` does
    not list.

    >>> from engine import Value
    >>> x = Value(3.0, "x")
    >>> step(x * x)
    <stepper of 6 steps; save it with .save('steps.html')>
    """
    check_names(options, PageOptions)
    look = Options(**options)
    if not isinstance(root, Value):
        raise TypeError(f"step expects a Value as root, got {root!r}")
    view = build_view(root, model, collapse, limit, to_step=True)
    has_boxes = any(isinstance(part, Box) for part in view.drawn)
    if model and has_boxes and collapse is None and len(view.arrows) > limit:
        view = build_view(root, model, True, limit, to_step=True)  # each arrow is at least one step
    if has_boxes:
        traced = trace_boxes(view, look.format)
        facts = collect_box_facts(view, Notation(traced.names, look.format))
    else:
        traced = trace(root, look.format, list(view.ids))
        notation = Notation(traced.names, look.format)
        facts = collect_facts(root, notation, view.modules.parameters)
    names = {node: name for node, name in traced.names.items() if not node.constant}
    dot = write_dot(view, look, names, traced.grads)
    drawing = Drawing(dot, title_graph(len(view.drawn)), look.layout)
    return Stepper(traced.runs, facts, drawing, look.theme)


class Stepper:
    """A page of steps, which Jupyter displays.

    `.html` is the page, and `.save(path)` writes it. The page works offline and without a kernel.
    Where scripts are blocked, as in an untrusted notebook, it shows the drawing.

    >>> from engine import Value
    >>> step(Value(3.0, "x") * 2.0)
    <stepper of 5 steps; save it with .save('steps.html')>
    """

    def __init__(self, runs: list[Run], facts: list[Facts], drawing: Drawing, theme: str):
        self.runs, self.facts, self.drawing, self.theme = runs, facts, drawing, theme

    @property
    def frames(self) -> list[Frame]:
        """The steps of the forward and the backward pass, as data."""
        return self.runs[0].frames

    @cached_property
    def html(self) -> str:
        """The complete page."""
        theme, svg = THEMES[self.theme], self.drawing.svg
        colours = "".join(f"--{name}:{getattr(theme, name)};" for name in COLOURS)
        packed = replace_invalid_in(self._data(svg))
        data = json.dumps(packed, ensure_ascii=False, separators=(",", ":"))
        data = data.replace("<", "\\u003c")
        scripts = read_text("stepper.js") + read_text("inspector.js")
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width">'
            f"<title>{TITLE}</title>\n"
            f"<style>body{{margin:0;background:{theme.paper}}}\n"
            f".stepper{{{colours}}}\n{read_text('stepper.css')}</style></head>\n<body>\n"
            f"{write_controls(self.runs)}\n"
            f'<div class="graph" tabindex="0" role="region" aria-label="Graph">{svg}</div></div>\n'
            f'<script type="application/json" id="steps">{data}</script>\n'
            f"<script>{scripts}\n{START}</script></body></html>\n"
        )

    def _data(self, svg: str) -> dict[str, Any]:
        """Return the data for the script. Pieces of formulas are numbers: places in `texts`."""
        texts: dict[str, int] = {}

        def number_pieces(line: str | Sequence[str]) -> int | list[int]:
            if isinstance(line, str):
                return texts.setdefault(line, len(texts))
            return [texts.setdefault(piece, len(texts)) for piece in line]

        def pack(record: Frame | Facts) -> dict[str, Any]:
            fields: dict[str, Any] = {"lines": []}
            fields |= {name: value for name, value in record._asdict().items() if value}
            for name in ("lines", "factors"):
                if name in fields:
                    fields[name] = [number_pieces(line) for line in fields[name]]
            return fields

        runs = [
            {"right": run.right, "frames": [pack(frame) for frame in run.frames]}
            for run in self.runs
        ]
        facts = [pack(fact) for fact in self.facts]
        prefix = svg.partition(' id="')[2].partition("-")[0]
        return {"prefix": prefix, "runs": runs, "facts": facts, "texts": list(texts)}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page as a .html file, and return its path.

        Raises ValueError for another suffix, and FileNotFoundError if the folder does not exist.
        """
        path = check_writable("a stepper", path, (".html", ".htm"), "; draw saves pictures")
        path.write_text(self.html, "utf-8")
        return path

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        page = (
            '<div class="stepgrad"><style>.stepgrad:has(iframe) img{display:none}</style>'
            f'<iframe srcdoc="{html.escape(self.html)}" title="{TITLE}" '
            'style="width:100%;height:240px;border:0"></iframe>'
            f"{self.drawing._image}</div>"
        )
        return {"text/html": page, "image/svg+xml": self.drawing.svg, "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"<stepper of {len(self.frames)} steps; save it with .save('steps.html')>"


# In a notebook, the page sets the height of its iframe. A sandboxed page cannot, and scrolls.
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


def write_controls(runs: Sequence[Run]) -> str:
    """Return the HTML of everything above the drawing."""
    icon = '<svg viewBox="0 0 14 14" aria-hidden="true"><path class="{}" d="{}"/>{}</svg>'.format
    button = '<button type="button" data-do="{0}" aria-label="{1}" title="{1}">{2}</button>'.format
    buttons = ""
    for action, (title, path) in BUTTONS.items():
        is_play = action == "play"
        pause = f'<path class="pause" d="{PAUSE}"/>' if is_play else ""
        buttons += button(action, title, icon("go" if is_play else "", path, pause))
    choices = "".join(
        f'<button type="button" data-run="{i}" aria-pressed="false">{run.title}</button>'
        for i, run in enumerate(runs)
        if len(runs) > 1
    )
    return (
        f'<div class="stepper" tabindex="0" role="group" aria-label="{TITLE}" '
        'data-lm-suppress-shortcuts="true">\n'
        f'<div class="bar">{buttons}'
        f'<input type="range" min="0" max="{len(runs[0].frames) - 1}" value="0" aria-label="Step">'
        '<span class="place"></span>'
        '<button type="button" data-do="mistake" hidden>First mistake</button>'
        f'<span class="runs" role="group" aria-label="Backward pass">{choices}</span></div>\n'
        '<div class="top"><div class="step"><div class="heading">'
        '<span class="kind"></span><span class="title"></span></div>\n'
        '<div class="formula"></div><div class="note"></div>'
        '<div class="live" aria-live="polite"></div></div>\n'
        '<section class="facts" aria-label="Details of a value"><select aria-label="Value">'
        '<option value="">Select a value …</option></select><div class="details">Click a value in '
        "the graph to see its rule, its steps, and the paths of its gradient.</div></section></div>"
    )


def replace_invalid_in(data: Any) -> Any:
    """Replace characters in the texts of `data`, at any depth, as in the drawing."""
    if isinstance(data, str):
        return replace_invalid(data)
    if isinstance(data, Mapping):
        return {replace_invalid(key): replace_invalid_in(x) for key, x in data.items()}
    return [*map(replace_invalid_in, data)] if isinstance(data, list | tuple) else data


def read_text(name: str) -> str:
    """Return the text of a file beside this module."""
    return (FOLDER / name).read_text("utf-8")
