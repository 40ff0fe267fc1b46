"""The training page: one HTML file with a policy that permits only its own script and style."""

import html
import json
from collections.abc import Mapping, Sequence
from typing import Any

from engine.draw.graph.dot import replace_invalid
from engine.draw.look.dark import darken
from engine.draw.look.theme import THEMES
from engine.draw.page.html import (
    compress,
    hash_source,
    read_text,
    remove_blank_lines,
    replace_invalid_in,
    strip_comments,
    write_colours,
)
from engine.draw.page.javascript import RUNTIME
from nn.live.overlay import OpenView, Overlay, read_asset, write_overlay

CORE = ("machine.js", "random.js", "trainer.js")  # without a document
VIEW = (
    "palette.js", "field.js", "samples.js", "result.js", "chart.js", "network.js", "graphs.js",
    "inspector.js", "page.js",
)  # fmt: skip
CLASSES = (  # of three or more; those of nn.plot_boundary
    "#1f5fa8", "#cf5400", "#2c8c5a", "#8648b5", "#b8860b", "#c2255c", "#0b8a9e", "#6b6b6b",
)  # fmt: skip
START = """window.stepgrad = mountTraining(document.querySelector(".train"),
  readData(document.getElementById("training").textContent));
followTheme();"""


def write_training_page(
    title: str, about: str, code: str, data: dict[str, Any], theme: str,
    views: Mapping[str, OpenView],
) -> str:  # fmt: skip
    """Return the complete page.

    Args:
        title, about: The model, and what it is trained with.
        code: The kernels and the update rule.
        data: The data of `nn.live.data.record_training`.
        theme: "auto", "light" or "dark".
        views: The graphs that the page opens, by their names.
    """
    title, about = (html.escape(replace_invalid(x)) for x in (title, about))
    body = read_asset("train.html").replace("LOSS", html.escape(data["loss"]))
    body = body.replace("TITLE", title).replace("ABOUT", about)
    overlay = write_overlay(views, theme)
    texts = {"training": compress_json(data | {"graphs": [*views]})}
    scripts = [write_core(code), overlay.script, *map(read_asset, VIEW)]
    return write_document(
        f"{title} – training", "train", body, read_asset("train.css") + overlay.style,
        [*scripts, read_text("host.js"), START], overlay, texts, theme,
    )  # fmt: skip


def write_document(
    title: str, kind: str, body: str, style: str, scripts: Sequence[str], overlay: Overlay,
    texts: Mapping[str, str], theme: str,
) -> str:  # fmt: skip
    """Return a complete page whose policy permits its own scripts and styles only.

    Args:
        title: Text of HTML.
        kind: The classes of the main element.
        body, style, scripts: Its content, the rules for it, and the parts of its script.
        overlay: The stepper that opens over it.
        texts: Data of the script, by the ids of their elements.
        theme: "auto", "light" or "dark".
    """
    style = remove_blank_lines(f"\n{write_colours(theme)}\n{write_signs(theme)}\n{style}")
    script = remove_blank_lines("\n" + strip_comments("".join(scripts)))
    policy = (
        f"default-src 'none'; script-src {' '.join([hash_source(script), *overlay.scripts])}; "
        f"style-src {' '.join([hash_source(style), *overlay.styles])}; "
        "base-uri 'none'; form-action 'none'"
    )
    elements = [f'<script type="text/plain" id="{id}">{x}</script>\n' for id, x in texts.items()]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{title}</title>\n<style>{style}</style></head>\n<body>\n"
        f'<main class="{kind}" tabindex="-1" data-lm-suppress-shortcuts="true">'
        f"{remove_blank_lines(body)}</main>\n{remove_blank_lines(overlay.body)}"
        f"{''.join(elements)}<script>{script}</script></body></html>\n"
    )


def compress_json(data: object) -> str:
    """Return data as compressed JSON."""
    text = json.dumps(replace_invalid_in(data), ensure_ascii=False, separators=(",", ":"))
    return compress(text)


def write_core(code: str) -> str:
    """Return the script that trains; it needs no document."""
    return "".join([RUNTIME.read_text("utf-8"), code, *map(read_asset, CORE)])


def write_signs(theme: str) -> str:
    """Return the colours of signs and of classes as CSS variables."""
    look = THEMES[theme]
    light = {"negative": THEMES["light"].signs[0], "positive": THEMES["light"].signs[1]}
    light |= {f"class{k}": colour for k, colour in enumerate(CLASSES)}
    if theme == "auto":
        pairs = [f"--{name}:light-dark({x},{darken(x)});" for name, x in light.items()]
    elif look is THEMES["light"]:
        pairs = [f"--{name}:{x};" for name, x in light.items()]
    else:
        pairs = [f"--{name}:{darken(x)};" for name, x in light.items()]
    return f":root{{{''.join(pairs)}}}"
