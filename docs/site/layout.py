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
STYLES = {  # of highlighted code, from pygments
    "default": "@media (prefers-color-scheme: light)",
    "github-dark": "@media (prefers-color-scheme: dark)",
}
# Nothing is loaded from elsewhere. The policies of pages within frames are their own.
POLICY = (
    "default-src 'none'; script-src 'self'{scripts}; style-src 'self'{styles}; "
    "img-src 'self' data:; frame-src 'self'; connect-src 'self'; worker-src {workers}; "
    "base-uri 'none'; form-action 'none'"
)


def write_page(
    path: str, title: str, body: str, styles: tuple[str, ...] = ("site.css",), scripts: str = "",
    inline: str = "", workers: str = "'none'", description: str = "",
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
        description: a text that search engines and previews show.
    """
    up = "../" * path.count("/")
    policy = POLICY.format(scripts=scripts, styles=inline, workers=workers)
    sheets = "".join(f'<link rel="stylesheet" href="{up}{name}">\n' for name in styles)
    about = f'<meta name="description" content="{html.escape(description)}">\n'
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<title>{html.escape(title)}</title>\n<link rel="icon" href="{up}icon.svg">\n{sheets}'
        f"{about if description else ''}</head>\n<body>\n{write_top(path)}{body}</body></html>\n"
    )


def write_top(path: str) -> str:
    """Return the first elements of a page: the link to its content, and the navigation."""
    up = "../" * path.count("/")
    links = "".join(
        f'<a href="{up}{target}"{mark_current(path, target)}>{name}</a>\n'
        for target, name in NAVIGATION.items()
    )
    return (
        '<a class="skip" href="#main">Skip to the content</a>\n'
        f'<header class="top"><a class="brand" href="{up}index.html">stepgrad</a>\n'
        f'<nav aria-label="Site">\n{links}</nav></header>\n'
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
    head = f"{write_colours('auto')}\n{read('top.css')}"
    (out / "site.css").write_text(f"{head}\n{read('site.css')}", "utf-8")
    code = write_code_colours(".notebook .highlight")
    (out / "notebook.css").write_text(f"{read('notebook.css')}\n{code}\n", "utf-8")
    code = write_code_colours(".pdoc .pdoc-code")
    (out / "reference.css").write_text(f"{head}\n{read('reference.css')}\n{code}\n", "utf-8")
    for name in ("playground.css", "icon.svg"):
        (out / name).write_text(read(name), "utf-8")


def write_code_colours(place: str) -> str:
    """Return the style of highlighted code within elements that a selector names."""
    from pygments.formatters import HtmlFormatter

    sheets = []
    for name, condition in STYLES.items():
        lines = HtmlFormatter(style=name).get_style_defs(place).splitlines()
        kept = "\n".join(x for x in lines if x.startswith(f"{place} .") and "{" in x)
        kept = kept.replace("#AA22FF", "#9318E0")  # too pale on a tinted background
        sheets.append(f"{condition}{{\n{kept}\n}}")
    return "\n".join(sheets)


def read(name: str) -> str:
    """Return the text of a file beside this module."""
    return (HERE / name).read_text("utf-8")
