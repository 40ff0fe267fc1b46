"""`step`: a page that steps through backpropagation, forwards and backwards."""

import html
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Unpack

from engine.draw.boxes import trace_boxes
from engine.draw.clusters import Model, describe_places
from engine.draw.dot import replace_invalid, write_dot
from engine.draw.drawing import Drawing, title_graph
from engine.draw.facts import Facts, collect_box_facts, collect_facts
from engine.draw.frames import Frame, Run
from engine.draw.notation import Notation
from engine.draw.options import Options, PageOptions, check_names, show_options
from engine.draw.room import reserve_heights, reserve_widths
from engine.draw.steps import PICTURES, StepPictures
from engine.draw.theme import THEMES
from engine.draw.trace import trace
from engine.draw.view import Box, build_view
from engine.node import Node
from engine.support.arguments import check_whole, check_writable
from engine.value import Value
from engine.watch.wrong_passes import check_root

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
SCRIPTS = ("stepper.js", "inspector.js", "formula.js", "marks.js", "arrays.js")
PAUSE = "M3 2h3v10H3zM8 2h3v10H8z"


@show_options(PageOptions)
def step(
    root: Node,
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
    ones, and says what is lost where, and who ends wrong because of it.

    Click a value to see its rule, the line that made it if `engine.record_origins()` was active,
    its steps, and the paths that add up to its gradient (see `engine.explain`). The page computes
    the gradients of `root`; it neither reads nor changes those stored in the graph.

    In a graph of Arrays, a step of the backward pass shows a pullback, such as dW = dZᵀ X, with the
    shape of each array and with its numbers if they are few, and follows one element as a sum of
    single numbers. Click a number to follow another one.

    Args:
        root: the result of the graph, a Value or an Array with one element.
        model: a Module whose neurons and layers are drawn as clusters, titled by their paths.
        collapse: the modules to step through as one box each, as in `draw`. By default nothing
            collapses unless there are more than `limit` values, and everything does if the arrows
            between boxes are still more than `limit`.
        limit: the largest number of values to step through.
        direction, theme, format, layout, font, font_size, width, monochrome, names_only, gradients,
            matrix_size: as in `draw`; gradients are shown by default.

    Raises TypeError if `root` is not a Value or an Array, and ValueError if it has several
    elements, for an option's value that `draw` does not list, or for too many values.

    >>> from engine import Value
    >>> x = Value(3.0, "x")
    >>> step(x * x)
    <stepper of 6 steps; save it with .save('steps.html')>
    """
    check_names(options, PageOptions)
    look = Options(**options)
    check_root("step", root)
    view = build_view(root, model, collapse, limit)
    if not isinstance(root, Value):
        from engine.draw.array_stepper import trace_array_view

        traced, facts, drawing = trace_array_view(view, look)
        return Stepper(traced.runs, facts, drawing, look.theme, traced.whole)
    has_boxes = any(isinstance(part, Box) for part in view.drawn)
    if has_boxes and collapse is None and len(view.arrows) > limit:
        view = build_view(root, model, True, limit)  # each arrow is at least one step
    if has_boxes:
        traced = trace_boxes(view, look.format)
        facts = collect_box_facts(view, Notation(traced.names, look.format))
    else:
        traced = trace(root, look.format, list(view.ids), describe_places(view.modules))
        notation = Notation(traced.names, look.format)
        facts = collect_facts(root, notation, view.modules.parameters)
    names = {node: name for node, name in traced.names.items() if not node.constant}
    has_marks = len(traced.runs) > 1 and not look.names_only
    widths = reserve_widths(traced.runs) if has_marks else {}
    sizes = reserve_heights(look) if widths else look
    dot = write_dot(view, sizes, names, traced.grads, widths, traced.whole)
    drawing = Drawing(dot, title_graph(len(view.drawn)), look)
    return Stepper(traced.runs, facts, drawing, look.theme, traced.whole)


class Stepper:
    """A page of steps, which Jupyter displays.

    `.html` is the page, and `.save(path)` writes it. The page works offline and without a kernel.
    Where scripts are blocked, as in an untrusted notebook, it shows the drawing.

    >>> from engine import Value
    >>> step(Value(3.0, "x") * 2.0)
    <stepper of 5 steps; save it with .save('steps.html')>
    """

    def __init__(
        self,
        runs: list[Run],
        facts: list[Facts],
        drawing: Drawing,
        theme: str,
        whole: Mapping[str, str],
    ):
        self.runs, self.facts, self.drawing, self.theme = runs, facts, drawing, theme
        self.whole = whole

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
        scripts = "".join(map(read_text, SCRIPTS))
        styles = read_text("stepper.css") + read_text("arrays.css")
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width">'
            f"<title>{TITLE}</title>\n"
            f"<style>body{{margin:0;background:{theme.paper}}}\n"
            f".stepper{{{colours}}}\n{styles}</style></head>\n<body>\n"
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
            if "elements" in fields:
                fields["elements"] = {
                    key: ([*map(number_pieces, element.lines)], element.marks)
                    for key, element in fields["elements"].items()
                }
            return fields

        runs = [{"frames": [pack(frame) for frame in run.frames]} for run in self.runs]
        facts = [pack(fact) for fact in self.facts]
        prefix = svg.partition(' id="')[2].partition("-")[0]
        return {
            "prefix": prefix,
            "runs": runs,
            "facts": facts,
            "texts": list(texts),
            "whole": self.whole,
        }

    def save(
        self, path: str | os.PathLike[str], step: int | None = None, *, run: int = 0
    ) -> Path | list[Path]:
        """Write the page, or pictures of its steps, and return the path or the paths.

        - `save("page.html")` writes the page.
        - `save("step.svg", step=12)` writes one step: the drawing, with the numbers that have
          appeared by then, below the formula. Steps are numbered as in the page; -1 is the last.
        - `save("steps-{:03}.svg")` writes all steps, numbered.
        - `save("slides.pdf")` writes all steps as the pages of one file.

        Pictures are .svg, .pdf, .eps or .png files. All those of one pass have the same size, so
        that nothing moves from one to the next. They require matplotlib, which sets the formulas.

        Args:
            path: the file; in the name of several, `{}` or a format such as `{:03}` is the step.
            step: the number of the step to write.
            run: the pass: 0 for the correct one, 1 and 2 for the wrong ones, as in the page.

        Raises ValueError for another suffix, and for a step or run that the page does not have;
        FileNotFoundError if the folder does not exist; ImportError if matplotlib is not installed.
        """
        path = check_writable("a stepper", path, (".html", ".htm", *PICTURES))
        if path.suffix.lower() in PICTURES:
            if check_whole("run", run, 0) >= len(self.runs):
                raise ValueError(f"run must be a number below {len(self.runs)}, got {run}")
            options = self.drawing.options
            pictures = StepPictures(self.drawing.svg, self.runs[run], THEMES[self.theme], options)
            return pictures.save(path, step)
        if step is not None:
            raise ValueError(f"a page has all steps; save step {step} as .svg, .pdf, .eps or .png")
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
        '<span class="kind"></span><span class="where"></span><span class="title"></span></div>\n'
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
