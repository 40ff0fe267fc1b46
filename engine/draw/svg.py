"""DOT to SVG or PNG: the only place that starts a process.

Layout is by `graphviz-pure`, a port of Graphviz that is installed with this package and gives the
same bytes on every platform; or by the system's `dot`.
"""

import re
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

from engine.draw.theme import FONT, FONTS

LAYOUTS = ("auto", "embedded", "dot")


def rendered(dot: str, form: str = "svg", layout: str = "auto") -> bytes:
    """The picture that Graphviz makes of DOT text, in one of its formats.

    `layout` is "embedded" for graphviz-pure, "dot" for the system's Graphviz, "auto" for the first
    of them that there is. RuntimeError that says what to install where there is none, and with
    Graphviz's own words where it does not take the text.
    """
    if form == "png":  # a Verdana that is not there would be drawn as Times
        dot = re.sub(
            f"^(\t.*) fontname={FONT} ", r"\1 fontname=Helvetica ", dot, count=3, flags=re.M
        )
    run = subprocess.run(
        [program(layout), f"-T{form}", "-q", *(["-Gdpi=192"] if form == "png" else [])],
        input=dot.encode(), capture_output=True, check=False,
    )  # fmt: skip
    if run.returncode or not run.stdout:
        raise RuntimeError(f"Graphviz failed: {run.stderr.decode(errors='replace').strip()}")
    return run.stdout


def program(layout: str) -> str:
    """The path of the program that does the layout."""
    if layout not in LAYOUTS:
        raise ValueError(f"layout is one of {', '.join(LAYOUTS)}, got {layout!r}")
    found = None
    if layout != "dot":
        found = embedded()
    if found is None and layout != "embedded":
        found = shutil.which("dot")
    if found is None:
        raise RuntimeError(
            "no Graphviz to lay the graph out: pip install graphviz-pure, or install Graphviz, so "
            "that `dot` is on the PATH"
        )
    return found


def embedded() -> str | None:
    """graphviz-pure's program, found by what its wheel installed: PATH need not lead there."""
    try:
        files = metadata.files("graphviz-pure") or []
    except metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.stem == "graphviz-pure" and file.suffix in ("", ".exe"):
            path = Path(str(file.locate()))
            return str(path) if path.exists() else None
    return None


def picture(svg: str, prefix: str, title: str) -> str:
    """Graphviz's SVG as it can stand in a page: an element with a name, whose ids no other has.

    Its own titles, which browsers show as tooltips, are names from the DOT text: they go.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->\n?|<title>.*?</title>\n?", "", svg, flags=re.S)
    svg = re.sub(r'\bid="(?:graph0|([^"]*))"', lambda x: identified(x[1], prefix), svg)
    svg = svg.replace(f' font-family="{FONT}"', "")
    head = f'<svg role="img" aria-label="{title}" font-family="{FONTS}"'
    return svg.replace("<svg", head, 1).strip() + "\n"


def identified(name: str | None, prefix: str) -> str:
    """Only what this package has named keeps an id."""
    name = (name or "").replace("&#45;", "-")
    return f'id="{prefix}-{name}"' if re.fullmatch(r"[voeb][-\w]*\d", name) else ""
