"""Dead links in HTML and Markdown files. Links to other hosts are not checked."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ELSEWHERE = ("http:", "https:", "mailto:", "data:")
SKIPPED = {"out", ".git", "node_modules"}


class Page(HTMLParser):
    """The links of a page, and its anchors.

    >>> page = Page('<a href="#top">up</a><p id="top">')
    >>> page.links, page.anchors
    (['#top'], {'top'})
    """

    def __init__(self, text: str):
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.append(value)
            elif name in ("id", "name") and value:
                self.anchors.add(value)


def without_inherited(html: str) -> str:
    """Return the page without links to inherited members, which are documented on other pages.

    >>> without_inherited('<p id="A"><a href="#A.f">f</a> <a href="#B.f">f</a>')
    '<p id="A">f <a href="#B.f">f</a>'
    """
    anchors = Page(html).anchors

    def unlink(match: re.Match[str]) -> str:
        owner, _, member = match[1].rpartition(".")
        inherited = member and owner in anchors and match[1] not in anchors
        return match[2] if inherited else match[0]

    return re.sub(r'<a href="#([^"]+)">(.*?)</a>', unlink, html)


def dead_in_html(folder: Path) -> Iterator[str]:
    """Yield the dead links between the pages of a folder, including their anchors."""
    pages = {path.resolve(): Page(path.read_text("utf-8")) for path in folder.rglob("*.html")}
    for path, page in pages.items():
        for link in page.links:
            if link.startswith(ELSEWHERE):
                continue
            parts = urlsplit(link)
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchors = pages[target].anchors if target in pages else None
            dead_anchor = anchors is not None and parts.fragment not in {"", *anchors}
            if not target.exists() or dead_anchor:
                yield f"{path.name}: {link}"


def dead_in_markdown(root: Path) -> Iterator[str]:
    """Yield the dead links from Markdown files to files of the project and to headings."""
    for path in sorted(root.rglob("*.md")):
        if any(part in SKIPPED or part.startswith(".") for part in path.relative_to(root).parts):
            continue
        text = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.S)
        for link in re.findall(r"(?:\]\(|\b(?:href|src|srcset)=\")([^)\"\s]+)", text):
            if link.startswith(ELSEWHERE):
                continue
            name, _, anchor = link.partition("#")
            target = path.parent / unquote(name) if name else path
            if not target.exists() or (anchor and anchor not in headings(target)):
                yield f"{path}: {link}"


def headings(path: Path) -> set[str]:
    """Return the anchors that GitHub generates for the headings of a Markdown file."""
    titles = re.findall(r"(?m)^#+ +(.*)$", path.read_text("utf-8"))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
