"""The frame that the pages of the site share: head, policy, navigation."""

import html
from pathlib import Path

from engine.draw.page.html import write_colours

HERE = Path(__file__).parent
NAVIGATION = {
    "playground/index.html": "Playground",
    "gallery/index.html": "Gallery",
    "notebooks/index.html": "Notebooks",
    "reference/stepgrad.html": "Reference",
}
# Nothing is loaded from elsewhere. The policies of pages within frames are their own.
POLICY = (
    "default-src 'none'; script-src 'self'{scripts}; style-src 'self'{styles}; "
    "img-src 'self' data:; frame-src 'self'; connect-src 'self'; worker-src {workers}; "
    "base-uri 'none'; form-action 'none'"
)


def write_page(
    path: str, title: str, body: str, styles: tuple[str, ...] = ("site.css",), scripts: str = "",
    inline: str = "", workers: str = "'none'",
) -> str:  # fmt: skip
    """Return a page of the site.

    Args:
        path: its place in the site, "gallery/index.html".
        title: its title, text.
        body: its main element, HTML.
        styles: style sheets in the folder of the site.
        scripts: additional sources of scripts.
        inline: additional sources of styles.
        workers: the sources of workers.
    """
    up = "../" * path.count("/")
    policy = POLICY.format(scripts=scripts, styles=inline, workers=workers)
    sheets = "".join(f'<link rel="stylesheet" href="{up}{name}">\n' for name in styles)
    links = "".join(
        f'<a href="{up}{target}"{mark_current(path, target)}>{name}</a>\n'
        for target, name in NAVIGATION.items()
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<title>{html.escape(title)}</title>\n<link rel="icon" href="{up}icon.svg">\n{sheets}'
        '</head>\n<body>\n<a class="skip" href="#main">Skip to the content</a>\n'
        f'<header class="top"><a class="brand" href="{up}index.html">stepgrad</a>\n'
        f'<nav aria-label="Site">\n{links}</nav></header>\n{body}</body></html>\n'
    )


def mark_current(path: str, target: str) -> str:
    """Return the attribute of a link in the navigation to the part of the site that is open."""
    return ' aria-current="page"' if path.partition("/")[0] == target.partition("/")[0] else ""


def write_card(link: str, title: str, text: str, picture: str = "") -> str:
    """Return a card: a link with a description, and the HTML of a picture above them."""
    return (
        f'<li class="card">{picture}<div><a href="{link}">{html.escape(title)}</a>'
        f"<p>{html.escape(text)}</p></div></li>\n"
    )


def write_assets(out: Path) -> None:
    """Write the style sheets and the icon."""
    colours = write_colours("auto")
    (out / "site.css").write_text(f"{colours}\n{read('site.css')}", "utf-8")
    for name in ("playground.css", "icon.svg"):
        (out / name).write_text(read(name), "utf-8")


def read(name: str) -> str:
    """Return the text of a file beside this module."""
    return (HERE / name).read_text("utf-8")
