"""Links that lead nowhere, in HTML and in Markdown; those to other hosts are left alone."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ELSEWHERE = ("http:", "https:", "mailto:", "data:")
SKIPPED = {"out", ".git", "node_modules"}


class Page(HTMLParser):
    """The links of a page, and the places in it that a link may lead to.

    >>> page = Page('<a href="#top">up</a><p id="top">')
    >>> page.links, page.places
    (['#top'], {'top'})
    """

    def __init__(self, text: str):
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.append(value)
            elif name in ("id", "name") and value:
                self.places.add(value)


def without_inherited(html: str) -> str:
    """The page without its links to members that a class of it inherits: they stand elsewhere.

    >>> without_inherited('<p id="A"><a href="#A.f">f</a> <a href="#B.f">f</a>')
    '<p id="A">f <a href="#B.f">f</a>'
    """
    places = Page(html).places

    def kept(match: re.Match[str]) -> str:
        owner, _, member = match[1].rpartition(".")
        inherited = member and owner in places and match[1] not in places
        return match[2] if inherited else match[0]

    return re.sub(r'<a href="#([^"]+)">(.*?)</a>', kept, html)


def dead_in_html(folder: Path) -> Iterator[str]:
    """Links between the pages of a folder, and into them."""
    pages = {path.resolve(): Page(path.read_text("utf-8")) for path in folder.rglob("*.html")}
    for path, page in pages.items():
        for link in page.links:
            if link.startswith(ELSEWHERE):
                continue
            parts = urlsplit(link)
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            known = pages[target].places if target in pages else None
            if not target.exists() or (known is not None and parts.fragment not in {"", *known}):
                yield f"{path.name}: {link}"


def dead_in_markdown(root: Path) -> Iterator[str]:
    """Links of the project's Markdown files to its files, and to headings."""
    for path in sorted(root.rglob("*.md")):
        if any(part in SKIPPED or part.startswith(".") for part in path.relative_to(root).parts):
            continue
        text = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.S)
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            if link.startswith(ELSEWHERE):
                continue
            name, _, place = link.partition("#")
            target = path.parent / unquote(name) if name else path
            if not target.exists() or (place and place not in headings(target)):
                yield f"{path}: {link}"


def headings(path: Path) -> set[str]:
    """The places that GitHub gives to a Markdown file's headings."""
    found = re.findall(r"(?m)^#+ +(.*)$", path.read_text("utf-8"))
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in found}
