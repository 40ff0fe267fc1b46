"""DOT to SVG or PNG: the only module of this package that starts a process.

`graphviz-pure` computes the layout. It is a port of Graphviz that is installed with this package
and writes the same bytes on every platform. The system's `dot` can be used instead.
"""

import re
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

from engine.draw.theme import FONT, FONTS

COPY = "The same value again. Its gradient is the sum over all its uses."
LAYOUTS = ("auto", "embedded", "dot")


def render(dot: str, form: str = "svg", layout: str = "auto") -> bytes:
    """Return the picture that Graphviz makes of DOT text.

    Args:
        dot: the DOT source.
        form: "svg" or "png".
        layout: "embedded" for graphviz-pure, "dot" for the system's Graphviz, or "auto" for the
            first of the two that is installed.

    Raises RuntimeError if no Graphviz is installed, or with Graphviz's own message if it rejects
    the text.
    """
    if form == "png":  # without Verdana, Graphviz would fall back on Times
        dot = re.sub(
            f"^(\t.*) fontname={FONT} ", r"\1 fontname=Helvetica ", dot, count=3, flags=re.M
        )
    run = subprocess.run(
        [find_program(layout), f"-T{form}", "-q", *(["-Gdpi=192"] if form == "png" else [])],
        input=dot.encode(), capture_output=True, check=False,
    )  # fmt: skip
    if run.returncode or not run.stdout:
        raise RuntimeError(f"Graphviz failed: {run.stderr.decode(errors='replace').strip()}")
    return run.stdout


def find_program(layout: str) -> str:
    """Return the path of the program that computes the layout."""
    program = None if layout == "dot" else find_embedded()
    if program is None and layout != "embedded":
        program = shutil.which("dot")
    if program is None:
        raise RuntimeError(
            "drawing requires Graphviz, and none was found; run pip install graphviz-pure, or "
            "install Graphviz and put its dot on the PATH"
        )
    return program


def find_embedded() -> str | None:
    """Return the path of graphviz-pure's program, which need not be on the PATH."""
    try:
        files = metadata.files("graphviz-pure") or []
    except metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.stem == "graphviz-pure" and file.suffix in ("", ".exe"):
            path = Path(str(file.locate()))
            return str(path) if path.exists() else None
    return None


def clean_svg(svg: str, prefix: str, title: str) -> str:
    """Return Graphviz's SVG as an element for a page, with a title.

    Ids begin with `prefix`, so that no other drawing in the page shares them. Graphviz's own titles
    are dropped: they are names from the DOT text, which browsers would show as tooltips.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->\n?|<title>.*?</title>\n?", "", svg, flags=re.S)
    svg = re.sub(r'\bid="(?:graph0|([^"]*))"', lambda x: rewrite_id(x[1], prefix), svg)
    svg = re.sub(r'<g +class="node copy (of[^"]*)">', lambda x: write_copy(x[1]), svg)
    svg = svg.replace(f' font-family="{FONT}"', "")
    head = f'<svg role="img" aria-label="{title}" font-family="{FONTS}"'
    return svg.replace("<svg", head, 1).strip() + "\n"


def rewrite_id(name: str | None, prefix: str) -> str:
    """Return the id attribute of an element that this package named; "" for any other."""
    name = (name or "").replace("&#45;", "-")
    return f'id="{prefix}-{name}"' if re.fullmatch(r"[voeb][-\w]*\d", name) else ""


def write_copy(classes: str) -> str:
    """Return the start of a copy of a value, of which DOT states the id and the arrows as classes.

    >>> print(write_copy("of-v3 at-e5-0 at-e5-1").partition("\\n")[0])
    <g class="node copy" data-of="v3" data-at="e5-0 e5-1">
    """
    of, *at = (name[3:] for name in classes.replace("&#45;", "-").split())
    return f'<g class="node copy" data-of="{of}" data-at="{" ".join(at)}">\n<title>{COPY}</title>'
