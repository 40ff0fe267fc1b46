"""The stepper's page: one HTML file with its style, its script and its data."""

import base64
import hashlib
import html
import json
import re
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from engine.draw.graph.dot import replace_invalid
from engine.draw.look.dark import CLASS, darken
from engine.draw.look.theme import THEMES
from engine.draw.page.groups import measure_groups
from engine.draw.page.live import LiveGraph
from engine.draw.steps.facts import Facts
from engine.draw.steps.frames import EMPTY, KEYS, TOUCH, Frame, Run
from engine.support.embed import measure_svg

FOLDER = Path(__file__).parent
CORE = (
    "inflate.js", "stepper.js", "texts.js", "picture.js", "marks.js", "camera.js", "host.js",
)  # fmt: skip
# Compressed scripts. The page runs "steps" after its first picture is painted, or before the first
# event or call, and "tools" for the quiz, the tangent and gradient descent.
PARTS = {
    "steps": (
        "arithmetic.js", "graph.js", "paths.js", "numbers.js", "wrong.js", "groups.js", "live.js",
        "live_arrays.js", "changes.js", "edit.js", "controls.js", "circles.js", "inspector.js",
        "formula.js", "arrays.js", "program.js",
    ),
    "tools": ("plot.js", "tangent.js", "downhill.js", "answers.js", "quiz.js"),
}  # fmt: skip
# Scripts for graphs with one of these fields.
SPECIAL = {"groups.js": "boxes", "circles.js": "circles", "live_arrays.js": "arrays"}
SCRIPTS = (*CORE, *PARTS["steps"], *PARTS["tools"])
STYLES = ("stepper.css", "arrays.css", "downhill.css")
COLOURS = ("paper", "ink", "pale", "frame", "tint", "mark")  # of the theme, for the style sheet
SUBTITLE = "backpropagation, step by step"
NETWORK = (
    "Drag a line to change its weight, or click it to type a number. Click an input for its "
    "samples, or a neuron to open it."
)
FIXED = "Click an input for its numbers, or a neuron to open it."
BOXES = "Click a box to see and change the numbers inside."
OPENING = "Click a box to open it. Select one in the list to see and change its parameters."
VALUES = "Click a value to see its rule and its steps."
COLUMN = 900.0  # pixels, a usual width of a notebook's output
POLICY = (  # this page's own scripts, and nothing from elsewhere
    "default-src 'none'; style-src 'unsafe-inline'; script-src {sources}; base-uri 'none'; "
    "form-action 'none'"
)
START = """window.stepgrad = mount(document.querySelector(".stepper"),
  JSON.parse(document.getElementById("first").textContent), [
ROWS]);"""


class PageView(NamedTuple):
    """A picture with its steps. A page has several if a part of one opens another.

    An element of a picture with the attribute data-opens="layers.0" opens the view of that title.
    """

    title: str
    svg: str
    runs: Sequence[Run]
    facts: Sequence[Facts]
    whole: Mapping[str, str] = EMPTY  # the whole names of those that are shortened
    graph: LiveGraph | None = None  # if the page computes the numbers
    start: Frame | None = None  # the first frame with its numbers, if the page opens with it


def write_page(views: Sequence[PageView], theme: str, quiz: bool = False) -> str:
    """Return the complete page, which shows the first view, and begins with its quiz if `quiz`.

    Where scripts are blocked, it shows the first picture without controls.
    """
    rows: dict[str, int] = {}
    page_data = pack_page(views, theme, rows)
    packed = page_data["views"]
    body = read_text("stepper.html").replace("PICTURE", packed[0].pop("svg"))
    first = page_data | {"quiz": quiz, "views": [split_view(view) for view in packed]}
    if views[0].start is not None:
        first["views"][0]["start"] = replace_invalid_in(pack_start(views[0].start))
        first["views"][0].setdefault("free", [])  # of numbers that are only replayed
    title = html.escape(f"{replace_invalid(views[0].title)} – {SUBTITLE}")
    unused = {name for name, field in SPECIAL.items() if not has_graph(views, field)}
    names = {id: tuple(x for x in y if x not in unused) for id, y in PARTS.items()}
    rows_text = "".join(f"{row},\n" for row in rows)
    start = remove_blank_lines(START.replace("ROWS", rows_text))
    hashes = (hash_scripts(CORE), hash_source(start), *map(hash_scripts, names.values()))
    policy = POLICY.format(sources=" ".join(hashes))
    texts = {id: pack_scripts(y) for id, y in names.items()}
    texts |= {f"view{i}": compress(write_json(view)) for i, view in enumerate(packed)}
    data = "".join(
        f'<script type="text/plain" id="{id}">{text}</script>\n' for id, text in texts.items()
    )
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width">'
        '<link rel="expect" href="#start" blocking="render">'  # else it is drawn twice
        f"<title>{title}</title>\n<style>{write_colours(theme)}\n"
        f"{join_styles()}</style></head>\n<body>\n"
        f'<div class="stepper" tabindex="0" role="group" aria-label="{title}" '
        f'data-lm-suppress-shortcuts="true">\n{body}</div>\n'
        f'<script type="application/json" id="first">{write_json(first)}</script>\n'
        f"{data}<script>{join_scripts(CORE)}</script>\n"
        f'<script id="start">{start}</script></body></html>\n'
    )
    return remove_blank_lines(page)


def has_graph(views: Sequence[PageView], field: str) -> bool:
    """Return whether the graph of a view has a field."""
    return any(view.graph and getattr(view.graph, field) is not None for view in views)


def shorten_css(style: str) -> str:
    """Return a style sheet without comments and without space around rules.

    >>> shorten_css("a { color: red; }  /* a link */\\nb { margin: 0 1px; }\\n")
    'a{color: red}b{margin: 0 1px}'
    """
    style = re.sub(r"/\*.*?\*/", "", style, flags=re.S)
    return re.sub(r"\s*([{};])\s*", r"\1", style).replace(";}", "}")


@cache
def join_styles() -> str:
    """Return the style sheet of the page."""
    return shorten_css("".join(map(read_text, STYLES)))


@cache
def join_scripts(names: tuple[str, ...]) -> str:
    """Return the scripts of some files as one, without comments."""
    return "".join(remove_blank_lines(strip_comments(read_text(name))) for name in names)


@cache
def pack_scripts(names: tuple[str, ...]) -> str:
    """Return the scripts of some files as the compressed JSON of one text."""
    return compress(json.dumps(join_scripts(names)))


def write_json(data: Any) -> str:
    """Return data as JSON that can stand in a script element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


FIRST = ("title", "prefix", "parent", "group", "advice", "asks", "descends", "free")


def split_view(packed: dict[str, Any]) -> dict[str, Any]:
    """Return the data of a view that its first picture requires, and remove it from the view.

    The formulas of `packed` become places in a list of their pieces, which repeat each other.
    """
    pieces: dict[str, int] = {}
    runs = packed["runs"]
    first = {name: packed.pop(name) for name in FIRST if name in packed}
    first["runs"] = [{"title": run["title"], "count": len(run["frames"])} for run in runs]
    for record in [*packed["facts"], *(frame for run in runs for frame in run["frames"])]:
        record["lines"] = [
            [pieces.setdefault(piece, len(pieces)) for piece in line] for line in record["lines"]
        ]
    packed["pieces"] = [*pieces]
    return first


def pack_start(frame: Frame) -> dict[str, Any]:
    """Return what the first picture shows of a frame."""
    names = ("kind", "title", "note", "data")
    return {name: getattr(frame, name) for name in names} | {"cells": [*frame.cells]}


def describe_changes(graph: LiveGraph, facts: Sequence[Facts], opens: bool) -> dict[str, Any]:
    """Return what the first picture shows of the numbers that can change.

    `opens` states whether some of its boxes open.

    free        the ids of leaves whose own number is in the drawing
    descends    whether there are leaves that can move
    asks        whether the quiz can ask for the numbers
    advice      for a drawing with boxes, the text of the panel while nothing is selected
    """
    packed: dict[str, Any] = {}
    is_fixed = any("slopes" in node for node in graph.nodes)
    if graph.boxes is not None:
        advice = FIXED if is_fixed else NETWORK
        boxes = OPENING if opens else VALUES if graph.is_shared else BOXES
        packed["advice"] = boxes if graph.circles is None else advice
    if is_fixed:
        return packed
    fixed = {"inputs", "of", "constant"}
    leaves = [i for i, node in enumerate(graph.nodes) if not node.keys() & fixed]
    places = {fact.id: i for i, fact in enumerate(facts)}
    ids = [facts[i].id for i in leaves if facts[i].id and places[facts[i].id] == i]
    is_asked = len(graph.nodes) > 1 and graph.boxes is None and graph.arrays is None
    descends = bool(leaves or graph.is_shared)
    return packed | {"asks": is_asked, "descends": descends, "free": ids}


def remove_blank_lines(text: str) -> str:
    """Return a text without blank lines, which would end a block of HTML in Markdown."""
    return "\n".join([*filter(str.strip, text.split("\n")), ""])


def hash_source(script: str) -> str:
    """Return the source expression of an inline script in a policy.

    >>> hash_source("")
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    """
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@cache
def hash_scripts(names: tuple[str, ...]) -> str:
    """Return the source expression of the scripts of some files, joined."""
    return hash_source(join_scripts(names))


def strip_comments(script: str) -> str:
    """Return a script without indentation and without comments.

    A comment after code stays if it contains a quote: it could be a part of a text.

    >>> strip_comments("  // a\\n  b(); // c\\n")
    'b();\\n'
    """
    script = re.sub(r"^[ \t]*//.*\n", "", script, flags=re.M)
    script = re.sub(r"(?<=[;{},()]) +// [^'\"`\n]*$", "", script, flags=re.M)
    return re.sub(r"^[ \t]+", "", script, flags=re.M)


def shorten_svg(svg: str) -> str:
    """Return Graphviz's SVG with what all texts repeat in one place, with classes in place of
    frequent colours, and with shorter coordinates.

    >>> print(shorten_svg(f'<svg>{GRAPH}><text text-anchor="middle" x="1.25">a</text></g></svg>'))
    <svg><g  class="graph" text-anchor="middle"><text x="1.2">a</text></g></svg>
    >>> shorten_svg('<polygon points="0,1 0,3 4,3.14 0,1"/>')
    '<polygon points="0,1 0,3 4,3.1"/>'
    """
    count = svg.count("<text ")
    for attribute in SHARED if GRAPH in svg else ():  # it encloses all texts
        name = attribute.partition("=")[0].strip()
        if len(re.findall(f"<text [^>]*{name}=", svg)) == count:
            svg = re.sub(f"(<text[^>]*){attribute}", r"\1", svg)
            svg = svg.replace(GRAPH, GRAPH + attribute, 1)
    svg = use_classes(svg.replace('<g  class="cluster">\n</g>\n', ""))
    svg = re.sub(r' points="(\S+) ([^"]*) \1"', r' points="\1 \2"', svg)  # it is closed
    shorten = lambda text: re.sub(r"\d+\.\d\d", lambda x: f"{float(x[0]):.1f}", text[0])
    svg = re.sub(r' (?:d|points|x|y|cx|cy)="[^"]*"', shorten, svg).replace("\n<", "<")
    return share_paint(svg)


GRAPH = '<g  class="graph"'  # as Graphviz writes it
SHARED = (' fill="#1f2328"', ' font-size="11.00"', ' text-anchor="middle"', ' xml:space="preserve"')
PAINTED = re.compile(r'(<[a-z]+)((?: (?:fill|stroke)="[^"]*")+)(?=[^>]*/>)(?![^>]* class=)')
FREQUENT = 8  # elements of one colour, from which a class is shorter
EDGE = re.compile(
    r'(class="edge"><path) class="(p\d+)"( d="[^"]*"/><polygon) class="(p\d+)"'
    r'( points="[^"]*"/></g>)'
)


def use_classes(svg: str) -> str:
    """Return an SVG in which a style sheet has the colours of shapes that many of them share."""
    counts = Counter(match[2] for match in PAINTED.finditer(svg))
    classes = {x: f"p{i}" for i, (x, n) in enumerate(counts.most_common()) if n >= FREQUENT}
    rules = "".join(f".graph .{name}{{{write_paint(x, svg)}}}" for x, name in classes.items())

    def replace(match: re.Match[str]) -> str:
        name = classes.get(match[2])
        return f'{match[1]} class="{name}"' if name else match[0]

    head, end, body = PAINTED.sub(replace, svg).partition(">")
    return f"{head}{end}<style>{rules}</style>{body}" if rules else svg


def share_paint(svg: str) -> str:
    """Return an SVG whose edges share a rule instead of classes, if all of them look the same.

    >>> edge = '<g class="edge"><path class="p0" d="M0,0"/><polygon class="p1" points="1,2"/></g>'
    >>> svg = share_paint("<style>.graph .p0{fill:none}.graph .p1{fill:red}</style>" + edge)
    >>> print(svg.replace("<g", "\\n<g").replace("}", "}\\n"))
    <style>.graph :where(.edge)>path,.graph .p0{fill:none}
    .graph :where(.edge)>polygon,.graph .p1{fill:red}
    </style>
    <g class="edge"><path d="M0,0"/><polygon points="1,2"/></g>
    """
    looks = [(line, head) for _, line, _, head, _ in EDGE.findall(svg)]
    if len({*looks}) != 1 or len(looks) != svg.count('class="edge"'):
        return svg
    for name, tag in zip(looks[0], ("path", "polygon"), strict=True):
        rule = f".graph .{name}{{"  # a class is more specific than :where()
        svg = svg.replace(rule, f".graph :where(.edge)>{tag},{rule}", 1)
    return EDGE.sub(r"\1\3\5", svg)


def write_paint(attributes: str, svg: str) -> str:
    """Return fill and stroke as CSS, which follows the theme if the SVG does."""
    rules = []
    for name, colour in re.findall(r'(\w+)="([^"]*)"', attributes):
        rules.append(f"{name}:{colour}")
        if colour.startswith("#") and CLASS in svg.partition(">")[0]:
            rules.append(f"{name}:light-dark({colour},{darken(colour)})")
    return ";".join(rules)


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


def pack_page(views: Sequence[PageView], theme: str, rows: dict[str, int]) -> dict[str, Any]:
    """Return the data for the script, and add the rows of its graphs to `rows`.

    A script can open them as they are; `write_page` splits each view first (see `split_view`).
    """
    packed = [pack_view(view, rows, i) for i, view in enumerate(views)]
    places = {view.title: i for i, view in enumerate(views)}
    for i, view in enumerate(views[1:], 1):
        for title in re.findall(r'data-opens="([^"]*)"', view.svg):
            if (place := places.get(html.unescape(title), i)) != i:
                packed[place]["parent"] = i  # that of the others is the first
    page = {
        "views": packed, "theme": theme, "subtitle": SUBTITLE,
        "hints": [KEYS, TOUCH],
    }  # fmt: skip
    return replace_invalid_in(page)


def pack_view(view: PageView, rows: dict[str, int], i: int = 0) -> dict[str, Any]:
    """Return the i-th view as data, and add the rows of its graph to `rows`."""

    def pack(record: Frame | Facts) -> dict[str, Any]:
        """Return the fields that are not empty; the number of a group can be 0."""
        fields = record._asdict().items()
        return {"lines": []} | {name: x for name, x in fields if x or type(x) is int}

    runs = [
        {"title": run.title, "frames": [pack(frame) for frame in run.frames]} for run in view.runs
    ]
    prefix = view.svg.partition(' id="')[2].partition("-")[0]
    svg = shorten_svg(view.svg).replace(f'"{prefix}-', f'"g{i}-')
    facts = [pack(fact) for fact in view.facts]
    packed = {
        "title": view.title, "prefix": f"g{i}", "runs": runs, "facts": facts, "svg": svg,
        "whole": view.whole, "group": measure_groups(svg, f"g{i}", view.runs),
    }  # fmt: skip
    if view.graph:
        packed |= describe_changes(view.graph, view.facts, "data-opens" in view.svg)
        places = [rows.setdefault(row, len(rows)) for row in view.graph.rows]
        nodes = [x | {"row": places[x["row"]]} if "row" in x else x for x in view.graph.nodes]
        graph: dict[str, Any] = view.graph._asdict() | {"nodes": nodes}
        if view.graph.arrays:
            graph["arrays"] = {**view.graph.arrays, "program": places[-1]}
        packed["graph"] = {name: x for name, x in graph.items() if name != "rows" and x is not None}
    return packed


def compress(text: str) -> str:
    """Return a text as the base64 of its compressed bytes: formulas repeat each other."""
    compressor = zlib.compressobj(9, wbits=-15)  # without a header
    data = compressor.compress(text.encode("utf-8", "replace")) + compressor.flush()
    return base64.b64encode(data).decode("ascii")


def replace_invalid_in(data: Any) -> Any:
    """Replace characters in the texts of `data`, at any depth, as in the drawing."""
    if isinstance(data, str):
        return replace_invalid(data)
    if isinstance(data, list | tuple):
        return [*map(replace_invalid_in, data)]
    if isinstance(data, Mapping):
        return {replace_invalid(key): replace_invalid_in(x) for key, x in data.items()}
    return data


@cache
def read_text(name: str) -> str:
    """Return the text of a file beside this module."""
    return (FOLDER / name).read_text("utf-8")
