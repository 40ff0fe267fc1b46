"""DOT to SVG or PNG: the only module of this package that starts a process.

`graphviz-pure` computes the layout. It is a port of Graphviz that is installed with this package
and writes the same bytes on every platform. The system's `dot` can be used instead. Where
Python cannot start processes, as in a browser, a function computes it (see `use_graphviz`).
"""

import html
import re
from collections.abc import Callable
from pathlib import Path

from engine.draw.formulas.labels import parse_label, set_spans
from engine.draw.look.scene import format_length, write_spans
from engine.draw.look.theme import FONT, FONTS

FIRST_TEXT = re.compile(  # of a value, which is its label if it has one
    r'((?:id="[^"]*-|data-of=")v\d+"(?:(?!<text|</g>).)*'
    r'<text [^>]*font-size="([\d.]+)"[^>]*>)([^<]*)(?=</text>)',
    flags=re.S,
)
COPY = "The same value again. Its gradient is the sum over all its uses."
LAYOUTS = ("auto", "embedded", "dot")
Graphviz = Callable[[str, str], str]  # from DOT text and a format to a picture
installed: list[Graphviz] = []  # the function of `use_graphviz`, if it was called


def use_graphviz(function: Graphviz) -> None:
    """Compute all layouts with a function, where Python cannot start processes.

    In Pyodide, it is the method of a WebAssembly build of Graphviz:
    `lambda dot, form: graphviz.layout(dot, form, "dot")`. It receives DOT text and "svg".
    """
    installed[:] = [function]


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
    if installed:
        return installed[0](dot, form).encode()
    import subprocess  # when a process starts: this and the imports below take 50 ms

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
    import shutil

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
    from importlib import metadata

    try:
        files = metadata.files("graphviz-pure") or []
    except metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.stem == "graphviz-pure" and file.suffix in ("", ".exe"):
            path = Path(str(file.locate()))
            return str(path) if path.exists() else None
    return None


CLUSTER = re.compile(  # its frame, and its title
    r'(<g id="clust\d+" class="cluster">\n<(?:path|polygon) fill="([^"]*)"[^>]*>\n)'
    r"(<text )([^>]*>[^<]*</text>\n)"
)
HALO = 'stroke="{}" stroke-width="4" stroke-linejoin="round" paint-order="stroke" '
TOOLTIP = r'<g id="a_[^"]*"><a xlink:title="([^"]*)">\n(.*?)</a>\n</g>\n'  # around a node's content


def clean_svg(svg: str, prefix: str, title: str) -> str:
    """Return Graphviz's SVG as an element for a page, with a title.

    Ids begin with `prefix`, so that no other drawing in the page shares them. Graphviz's own titles
    are dropped: they are names from the DOT text, which browsers would show as tooltips. Tooltips
    become titles. Titles of clusters are drawn above the arrows.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->\n?|<title>.*?</title>\n?", "", svg, flags=re.S)
    svg = re.sub(TOOLTIP, r"<title>\1</title>\n\2", svg, flags=re.S)
    titles = [start + HALO.format(fill) + rest for _, fill, start, rest in CLUSTER.findall(svg)]
    body, end, _ = CLUSTER.sub(r"\1", svg).rpartition("</g>\n</svg>")
    svg = "".join([body, *titles, end])
    svg = re.sub(r'\bid="(?:graph0|([^"]*))"', lambda x: rewrite_id(x[1], prefix), svg)
    svg = re.sub(r'<g +class="node copy (of[^"]*)">', lambda x: write_copy(x[1]), svg)
    svg = re.sub(' font-family="[^"]*"', "", svg)
    svg = FIRST_TEXT.sub(set_label, svg)
    head = f'<svg role="img" aria-label="{title}" font-family="{FONTS}"'
    return svg.replace("<svg", head, 1).strip() + "\n"


def set_label(match: re.Match[str]) -> str:
    """Return the start of a value, with its label set as mathematics if it is that."""
    start, size, text = match.groups()
    label = html.unescape(text)
    if parse_label(label) is None:
        return match[0]
    return start + write_spans(set_spans(label), float(size))


def apply_options(
    svg: str, font: str = "", width: float | None = None, monochrome: bool = False,
    scale: float = 1.0,
) -> str:  # fmt: skip
    """Return an SVG element with another font, in greys, scaled, or with a width in points.

    >>> apply_options('<svg width="20pt" height="10pt" viewBox="0 0 20 10"></svg>', width=50.0)
    '<svg width="50pt" height="25pt" viewBox="0 0 20 10"></svg>'
    """
    if monochrome:
        svg = re.sub('"(#[0-9a-f]{6})"', lambda colour: f'"{to_grey(colour[1])}"', svg)
    head, bracket, rest = svg.partition(">")
    if font:
        head = head.replace(f'"{FONTS}"', f'"{font},{FONTS}"')
    if width is not None or scale != 1.0:
        natural = float(head.partition(' width="')[2].partition("pt")[0])
        width = width or scale * natural
        head = re.sub(
            r'( (?:width|height)=)"([\d.]+)pt"',
            lambda side: f'{side[1]}"{format_length(float(side[2]) * width / natural)}pt"',
            head,
        )
    return head + bracket + rest


def to_grey(colour: str) -> str:
    """Return the grey that is as light as a colour.

    >>> to_grey("#ffffff"), to_grey("#0072b2")
    ('#ffffff', '#575757')
    """
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + 3 * f"{round(0.299 * red + 0.587 * green + 0.114 * blue):02x}"


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
