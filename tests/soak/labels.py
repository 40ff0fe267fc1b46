"""Labels of arbitrary characters: DOT, SVG and pages show them as text."""

import re
import shutil
import signal
import xml.etree.ElementTree as ET
from collections import Counter
from html.parser import HTMLParser
from random import Random
from typing import Any

from engine import Value, total
from engine.draw import draw, step
from engine.draw.formulas.labels import set_spans
from engine.draw.formulas.places import remove_marks
from engine.draw.formulas.shortening import shorten_name
from engine.draw.graph.dot import LONGEST_LABEL, LONGEST_NAME
from javascript import read_data, read_views
from nn import MLP
from nn.live import train_page
from nn.losses import mse
from soak.watch import SECONDS, Hung, name_input, random

SVG = "{http://www.w3.org/2000/svg}"
LIMIT = 10**6
BATCH = 250  # labels in one graph
PIECES = [
    "<b>", "</b>", "<script>alert(1)</script>", "</script>", "<!--", "-->", "<![CDATA[", "]]>", "<?x?>",
    "</text>", "</svg>", "</title>", "</style>", "<img src=x onerror=alert(1)>", "<svg onload=alert(1)>",
    "javascript:alert(1)", "' onclick='alert(1)", '" onclick="alert(1)', "&lt;", "&#0;", "&#x1b;",
    "&amp", "&nbsp;", "&bogus;", "&", "\\N", "\\G", "\\L", "\\E", "\\T", "\\H", "\\n", "\\l", "\\r",
    "\\", "\\\\", '\\"', '"', "'", "`", "${x}", "{", "}", "|", "<", ">", "{a|b}", "<port>", ";", "->",
    "digraph {", "}\n", "/*", "*/", "//", "#", "\n", "\r", "\r\n", "\t", " ", "   ", "\0", "\1", "\x1b[31m",
    "\x7f", "\x85", "\xa0", "\xad", "\u200b", "\u200e", "\u202e", "\u2028", "\u2029", "\u2066", "\ufeff",
    "\ufffe", "\uffff", "\ufdd0", "\ud800", "\udfff", "\ud83d\ude00", "😀", "e\u0301", "שלום", "漢字", "½",
    "\U0010ffff", "x", "w1", "0", "-1", "node", "graph", "%s", "%n", "{0}", "$", "x" * 300, "_", "^",
]  # fmt: skip
SVG_TAGS = {
    "svg",
    "g",
    "rect",
    "path",
    "polygon",
    "polyline",
    "ellipse",
    "text",
    "tspan",
    "title",
    "style",
}


def draw_label(rng: Random) -> str:
    """Return a label of pieces with a meaning in some format, or of random characters."""
    if rng.random() < 0.15:
        return "".join(chr(rng.randrange(rng.choice([128, 256, 0x110000]))) for _ in range(9))
    if rng.random() < 0.002:
        return rng.choice(PIECES) * 5000
    return "".join(rng.choices(PIECES, k=rng.choice([0, 1, 1, 2, 3, 6])))


# ------------------------------------------------------------------------------------ expected


def lines(text: str) -> list[str]:
    """Return the lines of a text as they are shown: without blanks at the edges or empty lines."""
    stripped = [line.replace("\xa0", " ").strip() for line in text.split("\n")]
    return [line for line in stripped if line]


def typed(text: str) -> str:
    """Return a label as it is shown: cut if long, with U+FFFD for characters XML does not allow."""

    def known(c: str) -> str:
        n = ord(c)
        fine = c in "\t\n\x85" or 0x20 <= n < 0x7F or 0xA0 <= n < 0xD800 or 0xDFFF < n < 0xFFFE
        return c if fine or n > 0xFFFF else "\ufffd"

    text = "\n".join(line.strip(" \t") for line in text.split("\n"))
    cut = text if len(text) <= LONGEST_LABEL else text[:LONGEST_LABEL] + "…"
    return "".join(map(known, cut)).replace("\t", "    ")


def in_picture(text: str) -> str:
    """Return a label as a picture shows it: long lines are shortened, mathematics is set."""
    short = "\n".join(shorten_name(line, LONGEST_NAME) for line in text.split("\n"))
    return "".join(span.text for span in set_spans(short))


class Page(HTMLParser):
    """The tags, attributes and scripts of a page, as a browser parses it."""

    def __init__(self, text: str):
        super().__init__(convert_charrefs=True)
        self.tags: Counter[str] = Counter()
        self.scripts: list[str] = []
        self.attributes: set[str] = set()
        self.inside = ""
        self.frames: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.inside = tag
        if tag == "script":
            self.scripts.append("")
        if tag == "iframe":
            self.frames.append(dict(attrs)["srcdoc"] or "")
            return
        self.attributes.update(name for name, _ in attrs)

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "script":
            self.scripts[-1] += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a label made a comment: {data!r:.200}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"a label made an instruction: {data!r:.200}")


# ------------------------------------------------------------------------------------ the checks


def check(names: list[str], layout: str) -> None:
    """Draw and step through one graph whose leaves have these labels, and check both."""
    root = graph(names)
    options = {"limit": LIMIT, "layout": layout, "gradients": True}
    picture = draw(root, **options)
    picture.dot.encode()
    check_svg(picture.svg, names)
    tame = draw(graph([name and "…" for name in names]), **options)
    assert elements(picture.html) == elements(tame.html), "a label made elements"
    check_page(step(root, limit=LIMIT, layout=layout), names)


def graph(names: list[str]) -> Value:
    root = total([Value(float(i), name) for i, name in enumerate(names)])
    root.label = names[0]
    return root


def elements(html: str) -> dict[str, int]:
    """Return the number of elements by tag, except texts, of which a label has one for each line."""
    ignored = ("text", "tspan", "title")  # parts of mathematics, and whole names on hover
    return {tag: n for tag, n in Page(html).tags.items() if tag not in ignored}


def check_svg(svg: str, names: list[str]) -> None:
    """Check that an SVG is well formed and inert, and shows each label in its place."""
    root = parse_svg(svg)
    texts = {
        group.attrib["id"].partition("-")[2]: [
            "".join(text.itertext()) for text in group.iter(f"{SVG}text")
        ]
        for group in root.iter(f"{SVG}g")
        if "id" in group.attrib
    }
    for i, name in enumerate([*names, names[0]]):
        shown = lines("\n".join(texts[f"v{i}"][:-2]))
        assert shown == lines(typed(in_picture(name))), f"{name!r:.400} is shown as {shown!r:.400}"


def parse_svg(svg: str) -> ET.Element:
    """Return an SVG after checking that it is well formed and inert."""
    root = ET.fromstring(svg)
    for element in root.iter():
        assert element.tag.removeprefix(SVG) in SVG_TAGS, element.tag
        for name in element.attrib:
            assert not name.lower().startswith("on"), name
            assert "href" not in name, name
    return root


def check_page(stepper: Any, names: list[str]) -> None:
    """Check that a page has its own scripts only, and that its data has all names."""
    html = stepper.html
    html.encode()
    page, tame = Page(html), Page(step(graph(["x_1", "long " * 20]), gradients=True).html)
    assert page.tags.keys() <= tame.tags.keys(), "a label made a tag"
    assert page.attributes <= tame.attributes, "a label made an attribute"
    assert page.tags["script"] == len(page.scripts) == 6  # all but the first are compressed, or run
    assert not re.search(r"alert\(1\)|<", page.scripts[0])
    assert not re.search(r"alert\(1\)", "".join(page.scripts[1:]))
    (view,) = read_views(html)
    known = {fact["name"] for fact in view["facts"] if "name" in fact} | {*view["whole"].values()}
    for frame in [frame for run in view["runs"] for frame in run["frames"]]:
        assert isinstance(frame["lines"], list)
    for name in names:
        if name:
            text = typed(remove_marks(name))
            assert any(text in typed(other) for other in known), f"{name!r} is missing"
    for record in [*view["facts"], *(frame for run in view["runs"] for frame in run["frames"])]:
        for line in record["lines"]:
            check_formula("".join(line))
        for formula in [record.get("math", ""), *record.get("factors", ())]:
            check_formula(formula)
    bundle = Page(stepper._repr_mimebundle_()["text/html"])
    assert bundle.frames == [html], "the page in a notebook differs"


def check_training(names: list[str]) -> None:
    """Check that a training page shows the labels of parameters and of the loss as text."""

    def loss(predictions: Any, targets: Any) -> Any:
        root = mse(predictions, targets)
        root.label = names[-1]
        return root

    model = MLP(1, [2, 1], "tanh", rng=0)
    for p, name in zip(model.parameters(), names, strict=False):
        p.label = name
    html = train_page(model, [[0.0], [1.0]], [0.0, 1.0], loss=loss).html
    html.encode()
    page = Page(html)
    assert page.tags["script"] == len(page.scripts) == 4  # three of them are compressed
    assert not re.search(r"alert\(1\)", page.scripts[-1])
    for view in read_data(html, "views")["views"]:
        parse_svg(view["svg"])
        for record in [*view["facts"], *(x for run in view["runs"] for x in run["frames"])]:
            for formula in ["".join(line) for line in record["lines"]] + [record.get("math", "")]:
                check_formula(formula)


def check_formula(text: str) -> None:
    """Check a piece of MathML, which the script inserts into the page as markup."""
    for tag, attributes in re.findall(r"<\s*/?\s*([^\s>/]*)([^>]*)>", text):
        assert re.fullmatch(r"m[a-z]+|math", tag), f"<{tag}> in a formula: {text!r:.300}"
        assert not re.search(r"\bon\w+\s*=|href|src\s*=", attributes), text


def soak(n: int, seed: int) -> str:
    """Check n labels, in graphs of `BATCH`; the system's Graphviz draws every tenth graph."""
    installed = shutil.which("dot") is not None
    graphs, hostile = 0, 0
    signal.signal(signal.SIGALRM, raise_hung)
    for start in range(0, n, BATCH):
        rng = random(seed, start)
        names = [draw_label(rng) for _ in range(min(BATCH, n - start))]
        hostile += sum(
            not name.isprintable() or bool(set(name) & set("<>&\"'\\{}|")) for name in names
        )
        layout = "dot" if installed and graphs % 10 == 9 else "auto"
        signal.setitimer(signal.ITIMER_REAL, 12 * SECONDS)
        with name_input(start, seed, names):
            check(names, layout)
            check_training(names[-8:])
        signal.setitimer(signal.ITIMER_REAL, 0)
        graphs += 1
    return f"{n:,} labels, {hostile / n:.0%} hostile, in {graphs} drawings and as many pages"


def raise_hung(*_: object) -> None:
    raise Hung(f"more than {12 * SECONDS} seconds")
