"""The API reference, with the colours and the navigation of the site, and a policy of its own."""

import html
import os
import re
from pathlib import Path

from docs.site.layout import write_top

# The pages have inline scripts and styles.
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; base-uri 'none'"
)


def build_reference(out: Path) -> None:
    """Write the API reference into the folder `reference` of the site."""
    from docs.__main__ import main

    main(out)
    pages = sorted(
        (path for path in out.rglob("*.html") if path.name != "index.html"),
        key=lambda path: path.with_suffix("").parts,
    )
    for path in out.rglob("*.html"):
        path.write_text(adapt(path.read_text("utf-8"), path, out, pages), "utf-8")


def adapt(text: str, path: Path, out: Path, pages: list[Path]) -> str:
    """Return a page of the reference as a page of the site.

    Args:
        text: the page, HTML.
        path: its file.
        out: the folder of the reference.
        pages: the files of all modules, to which it links.
    """
    up = "../" * len(path.relative_to(out).parts)
    head = (
        f'<head>\n<meta http-equiv="Content-Security-Policy" content="{html.escape(POLICY)}">'
        f'<meta name="color-scheme" content="light dark"><link rel="icon" href="{up}icon.svg">'
    )
    top = write_top(f"reference/{path.relative_to(out).as_posix()}")
    links = "".join(link_module(page, path, out) for page in pages)
    modules = f'<h2>Modules</h2><ul class="modules">{links}</ul>'
    text = re.sub(r"<h2>Submodules</h2>\s*<ul>.*?</ul>", "", text, count=1, flags=re.S)
    for old, new in (
        ("<head>", head),
        ("</head>", f'<link rel="stylesheet" href="{up}reference.css"></head>'),
        ("<body>", f"<body>\n{top}"),
        ('<main class="pdoc">', '<main class="pdoc" id="main">'),
        ('<nav class="pdoc">', '<nav class="pdoc" aria-label="Reference">'),
        ('type="checkbox" aria-hidden="true" tabindex="-1"', 'type="checkbox" aria-label="Menu"'),
        ("<h2>API Documentation</h2>", f"{modules}<h2>Members</h2>"),
    ):
        text = text.replace(old, new, 1)
    link = '<a class="headerlink" '
    return text.replace(link, f'{link}aria-label="Link to this section" ')


def link_module(page: Path, path: Path, out: Path) -> str:
    """Return a list item with a link to a module's page, relative to the page at `path`."""
    name = ".".join(page.relative_to(out).with_suffix("").parts)
    target = Path(os.path.relpath(page, path.parent)).as_posix()
    current = ' aria-current="page"' if page == path else ""
    return f'<li><a href="{target}"{current}>{name}</a></li>'
