"""The notebooks as HTML, with live pages in their outputs."""

import html
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from docs.site.layout import write_page

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
LATEX = re.compile(r"\$([^$\n]+(?:\n[^$\n]+)?)\$")
STYLES = {"default": "", "github-dark": "@media (prefers-color-scheme: dark)"}


def list_notebooks() -> list[Path]:
    """Return the paths of the notebooks, in their order."""
    return sorted(NOTEBOOKS.glob("*.ipynb"), key=lambda path: int(path.stem.partition("_")[0]))


def build_notebooks(out: Path, paths: Iterable[Path] = ()) -> None:
    """Write the notebooks, all if `paths` is empty, and the page that lists them into a folder.

    Requires nbconvert and latex2mathml.
    """
    import nbformat
    from nbconvert import HTMLExporter

    out.mkdir(parents=True, exist_ok=True)
    exporter = HTMLExporter(template_name="basic", exclude_anchor_links=True)
    items = []
    chosen = [*paths] or list_notebooks()
    for path in chosen:
        notebook = nbformat.read(path, as_version=4)
        title, text = describe(notebook)
        number = path.stem.partition("_")[0]
        items.append(
            f'<li><a href="{path.stem}.html">{number} {html.escape(title)}</a>'
            f"<p>{html.escape(text)}</p></li>\n"
        )
        content, _ = exporter.from_notebook_node(notebook)
        body = f'<main id="main" class="notebook">{convert(content)}</main>\n'
        page = write_page(
            f"notebooks/{path.stem}.html", f"{title} – stepgrad", body,
            ("site.css", "notebook.css"), scripts=" 'unsafe-inline'", inline=" 'unsafe-inline'",
        )  # fmt: skip
        (out / f"{path.stem}.html").write_text(page, "utf-8")
    body = (
        '<main id="main"><h1>Notebooks</h1>\n<p class="lead">Backpropagation from a first '
        "expression to a GPT, with the output of each cell. The pages in them are live; to run "
        "the code, open the notebooks in a clone with make lab.</p>\n"
        f'<ol class="contents">\n{"".join(items)}</ol></main>\n'
    )
    index = write_page(
        "notebooks/index.html", "Notebooks – stepgrad", body, ("site.css", "notebook.css")
    )
    (out / "index.html").write_text(index, "utf-8")


def describe(notebook: Any) -> tuple[str, str]:
    """Return the title of a notebook, and the paragraph after it, as plain text."""
    first = next(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    title, _, rest = first.partition("\n")
    paragraph = rest.strip().partition("\n\n")[0]
    plain = lambda text: re.sub(r"[$`*#]|\]\([^)]*\)|\[|\\", "", " ".join(text.split())).strip()
    return plain(title), plain(paragraph)


def convert(content: str) -> str:
    """Return the HTML of a notebook for the site, with its formulas as MathML.

    Links to other notebooks lead to their pages. Links to files outside the site become text.
    """
    parts = re.split(r"(<div class=\"text_cell_render.*?\n</div>)", content, flags=re.S)
    parts[1::2] = map(convert_text, parts[1::2])
    content = "".join(parts)
    return content.replace("<iframe srcdoc=", '<iframe loading="lazy" srcdoc=')


def convert_text(text: str) -> str:
    """Return the HTML of a text cell, with formulas as MathML and links within the site."""
    from latex2mathml.converter import convert as to_mathml

    text = re.sub(r'<h(\d) id="[^"]*"', lambda x: f"<h{x[1]}", text)
    pieces = re.split(r"(<code>.*?</code>)", text, flags=re.S)
    pieces[::2] = [
        LATEX.sub(lambda x: to_mathml(html.unescape(x[1])), piece) for piece in pieces[::2]
    ]
    text = "".join(pieces)
    text = re.sub(r'href="(\d+_\w+)\.ipynb(?:#[^"]*)?"', r'href="\1.html"', text)
    return re.sub(r'<a href="(?!http|\d+_\w+\.html")[^"]*">(.*?)</a>', r"\1", text, flags=re.S)


def write_style(out: Path) -> None:
    """Write the style sheet of notebooks, with the colours of code."""
    from pygments.formatters import HtmlFormatter

    rules = []
    for name, condition in STYLES.items():
        lines = HtmlFormatter(style=name).get_style_defs(".highlight").splitlines()
        kept = "\n".join(x for x in lines if x.startswith(".highlight .") and "{" in x)
        rules.append(f"{condition}{{\n{kept}\n}}" if condition else kept)
    own = (Path(__file__).parent / "notebook.css").read_text("utf-8")
    (out / "notebook.css").write_text(f"{own}\n{chr(10).join(rules)}\n", "utf-8")
