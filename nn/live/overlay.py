"""A stepper that opens over a page: views of graphs whose leaves get their numbers from the page.

The page adds `SCRIPTS` to its script and `STYLES` to its style sheet. `overlay.js` describes how it
opens a view.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from engine.draw.page import html as stepper_page
from engine.draw.page.html import (
    PageView,
    compress,
    hash_source,
    pack_page,
    read_text,
    remove_blank_lines,
    strip_comments,
)

FOLDER = Path(__file__).with_name("page")
SHARED = ("inflate.js", "arithmetic.js", "host.js")  # scripts that the page has in any case

Leaf = tuple[int | str, ...]  # the place of a node, and where the page finds its number


class OpenView(NamedTuple):
    """A view of a graph, whose numbers the page sets before it opens.

    Attributes:
        view: The view.
        leaves: The leaves whose numbers the page sets. `fillView` of `overlay.js` calls a function
            of the page with the items of each leaf after the first.
        opens: The titles of the views that parts of its drawing open, each with the place of a
            neuron, or with () for the loss.
    """

    view: PageView
    leaves: Sequence[Leaf]
    opens: Mapping[str, Sequence[int]] = {}


class Overlay(NamedTuple):
    """The parts of a page that open its views.

    Attributes:
        body: The elements of the page.
        script: The part of the page's script that precedes the creation of an `Overlay`.
        style: The part of the page's style sheet.
        scripts, styles: The sources of further scripts and styles that its policy permits.
    """

    body: str
    script: str
    style: str
    scripts: list[str]
    styles: list[str]


def write_overlay(views: Mapping[str, OpenView], theme: str) -> Overlay:
    """Return the parts of a page that open views by their names."""
    rows: dict[str, int] = {}
    page = pack_page([item.view for item in views.values()], theme, rows)
    for packed, (name, item) in zip(page["views"], views.items(), strict=True):
        packed |= {"name": name, "leaves": item.leaves, "opens": item.opens}
    return embed_stepper(page, rows, [packed["svg"] for packed in page["views"]])


def embed_stepper(
    page: Mapping[str, Any], rows: Mapping[str, int], drawings: Sequence[str]
) -> Overlay:
    """Return the parts of a page that open the views of a packed page, with these drawings."""
    script = write_stepper(rows)
    data = {
        "stepper": json.dumps(script),
        "views": json.dumps(page, ensure_ascii=False, separators=(",", ":")),
    }
    body = (
        '<dialog class="overlay" aria-label="Step through a graph"></dialog>\n'
        '<template id="overlay">'
        '<div class="stepper" tabindex="0" role="group" aria-label="Stepper" '
        f'data-lm-suppress-shortcuts="true">\n{read_text("stepper.html").replace("PICTURE", "")}'
        "</div></template>\n"
    )
    for id, text in data.items():
        body += f'<script type="text/plain" id="{id}">{compress(text)}</script>\n'
    styles = {
        hash_source(style): None
        for drawing in drawings
        for style in re.findall("<style>(.*?)</style>", drawing, re.DOTALL)
    }
    style = "".join(map(read_text, stepper_page.STYLES))
    return Overlay(
        body, read_text("inflate.js") + read_asset("overlay.js"),
        style + read_asset("overlay.css"), [hash_source(script)], [*styles],
    )  # fmt: skip


def write_stepper(rows: Mapping[str, int]) -> str:
    """Return the stepper's script as one constant, so that its names are not those of the page."""
    names = [name for name in stepper_page.SCRIPTS if name not in SHARED]
    parts = "".join(strip_comments(read_text(name)) for name in names)
    text = "".join(f"{row},\n" for row in rows)
    return remove_blank_lines(
        f"const Stepper = (() => {{\n{parts}const rows = [\n{text}];\n"
        "return { mount, rows };\n})();\n"
    )


def read_asset(name: str) -> str:
    """Return the text of a file in `nn/live/page`."""
    return (FOLDER / name).read_text("utf-8")
