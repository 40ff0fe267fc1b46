"""The stepper's page: one HTML file with its style, its script and its data."""

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from engine.draw.graph.dot import replace_invalid
from engine.draw.look.dark import darken
from engine.draw.look.theme import THEMES
from engine.draw.steps.facts import Facts
from engine.draw.steps.frames import EMPTY, KEYS, TOUCH, Frame, Run
from engine.support.embed import measure_svg

FOLDER = Path(__file__).parent
SCRIPTS = (
    "stepper.js", "picture.js", "camera.js", "host.js", "inspector.js", "formula.js", "marks.js",
    "arrays.js",
)  # fmt: skip
COLOURS = ("paper", "ink", "pale", "frame", "tint", "mark")  # of the theme, for the style sheet
SUBTITLE = "backpropagation, step by step"
COLUMN = 900.0  # pixels, a usual width of a notebook's output
START = """window.stepgrad = mount(document.querySelector(".stepper"),
  JSON.parse(document.getElementById("steps").textContent));"""


class PageView(NamedTuple):
    """A picture with its steps. A page has several if a part of one opens another.

    An element of a picture with the attribute data-opens="layers.0" opens the view of that title.
    """

    title: str
    svg: str
    runs: Sequence[Run]
    facts: Sequence[Facts]
    whole: Mapping[str, str] = EMPTY  # the whole names of those that are shortened


def write_page(views: Sequence[PageView], theme: str) -> str:
    """Return the complete page, which shows the first view.

    Where scripts are blocked, it shows the first picture without controls.
    """
    first = views[0]
    data = json.dumps(pack_page(views, theme), ensure_ascii=False, separators=(",", ":"))
    data = data.replace("<", "\\u003c")
    title = html.escape(f"{replace_invalid(first.title)} – {SUBTITLE}")
    scripts = "\n".join(map(read_text, SCRIPTS))
    body = read_text("stepper.html").replace("PICTURE", first.svg)
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{title}</title>\n<style>{write_colours(theme)}\n"
        f"{read_text('stepper.css')}{read_text('arrays.css')}</style></head>\n<body>\n"
        f'<div class="stepper" tabindex="0" role="group" aria-label="{title}" '
        f'data-lm-suppress-shortcuts="true">\n{body}</div>\n'
        f'<script type="application/json" id="steps">{data}</script>\n'
        f"<script>{scripts}\n{START}</script></body></html>\n"
    )
    return "\n".join(line for line in page.split("\n") if line.strip()) + "\n"


def write_colours(name: str) -> str:
    """Return the colours of a theme as CSS variables; for "auto", those of both themes."""
    theme = THEMES[name]
    light = "".join(f"--{colour}:{getattr(theme, colour)};" for colour in COLOURS)
    if name != "auto":
        return f":root{{color-scheme:{name};{light}}}"
    both = "".join(
        f"--{colour}:light-dark({value},{darken(value)});"
        for colour in COLOURS
        for value in [getattr(theme, colour)]
    )
    return (
        f":root{{color-scheme:light dark;{light}}}"
        f"@supports (color:light-dark(red,red)){{:root{{{both}}}}}"
        ":root[data-theme=light]{color-scheme:light}:root[data-theme=dark]{color-scheme:dark}"
        "@media print{:root:root{color-scheme:light}}"
    )


def compute_height(svg: str) -> float:
    """Return the height of a page in a notebook, in pixels: its drawing's, and its controls'."""
    width, height = (size * 4.0 / 3.0 for size in measure_svg(svg))
    scale = min(1.0, max(0.64, COLUMN / width))
    return min(max(scale * height, 120.0), 380.0) + 300.0


def pack_page(views: Sequence[PageView], theme: str) -> dict[str, Any]:
    """Return the data for the script. Pieces of formulas are numbers: places in `texts`."""
    texts: dict[str, int] = {}
    packed = [pack_view(view, texts) for view in views]
    del packed[0]["svg"]  # it is in the page
    page = {
        "views": packed, "texts": [*texts], "theme": theme, "subtitle": SUBTITLE,
        "hints": [KEYS, TOUCH],
    }  # fmt: skip
    return replace_invalid_in(page)


def pack_view(view: PageView, texts: dict[str, int]) -> dict[str, Any]:
    """Return a view as data."""

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

    runs = [
        {"title": run.title, "frames": [pack(frame) for frame in run.frames]} for run in view.runs
    ]
    prefix = view.svg.partition(' id="')[2].partition("-")[0]
    facts = [pack(fact) for fact in view.facts]
    return {
        "title": view.title, "prefix": prefix, "runs": runs, "facts": facts, "svg": view.svg,
        "whole": view.whole,
    }  # fmt: skip


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
