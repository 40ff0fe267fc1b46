"""The notebooks as HTML, with live pages in their outputs."""

import html
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from docs.site.layout import write_page
from docs.site.lite import can_run

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
LATEX = re.compile(r"\$([^$\n]+(?:\n[^$\n]+)?)\$")


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
    chosen = [*paths] or list_notebooks()
    notebooks = [(path.stem, nbformat.read(path, as_version=4)) for path in chosen]
    titles = {name: describe(notebook) for name, notebook in notebooks}
    runs = {
        path.stem: f'<a class="button" href="../lite/notebooks/index.html?path={path.name}">'
        "Run it in the browser</a>"
        for path in chosen
        if can_run(path)
    }
    for name, notebook in notebooks:
        title, text = titles[name]
        content, _ = exporter.from_notebook_node(notebook)
        run = f'</h1>\n<p class="actions">{runs[name]}</p>' if name in runs else "</h1>"
        content = convert(content).replace("</h1>", run, 1)
        body = f"{content}{write_neighbours(name, titles)}"
        page = write_page(
            f"notebooks/{name}.html", f"{title} – stepgrad",
            f'<main id="main" class="notebook">{body}</main>\n',
            ("site.css", "notebook.css"), scripts=" 'unsafe-inline'", inline=" 'unsafe-inline'",
            description=text,
        )  # fmt: skip
        (out / f"{name}.html").write_text(page, "utf-8")
    items = [
        f'<li><a href="{name}.html">{write_title(name, titles)}</a>'
        f"<p>{html.escape(text)}</p>{runs.get(name, '')}</li>\n"
        for name, (_, text) in titles.items()
    ]
    body = (
        '<main id="main"><h1>Notebooks</h1>\n<p class="lead">Backpropagation from a first '
        "expression to a GPT, with the output of each cell. The pages in them are live. Those "
        "without NumPy and matplotlib can also be run in the browser, in JupyterLite. To run all "
        "of them, type <code>make lab</code> in a clone of the project.</p>\n"
        f'<ol class="contents">\n{"".join(items)}</ol></main>\n'
    )
    index = write_page(
        "notebooks/index.html", "Notebooks – stepgrad", body, ("site.css", "notebook.css"),
        description="Lessons on backpropagation, from a first expression to a GPT.",
    )  # fmt: skip
    (out / "index.html").write_text(index, "utf-8")


Titles = dict[str, tuple[str, str]]


def write_title(name: str, titles: Titles) -> str:
    """Return the number and the title of a notebook, as HTML."""
    return f"{name.partition('_')[0]} {html.escape(titles[name][0])}"


def write_neighbours(name: str, titles: Titles) -> str:
    """Return the links to the notebooks before and after one, as HTML."""
    names = [*titles]
    at = names.index(name)
    links = [
        f'<a rel="{rel}" href="{other}.html">{before}{write_title(other, titles)}{after}</a>'
        for rel, other, before, after in (
            *(("prev", other, "← ", "") for other in names[max(at - 1, 0) : at]),
            *(("next", other, "", " →") for other in names[at + 1 : at + 2]),
        )
    ]
    return f'<nav class="neighbours" aria-label="Notebooks">{"".join(links)}</nav>'


def describe(notebook: Any) -> tuple[str, str]:
    """Return the title of a notebook, and the paragraph after it, as plain text."""
    first = next(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    title, _, rest = first.partition("\n")
    paragraph = rest.strip().partition("\n\n")[0]
    plain = lambda text: re.sub(r"[$`*#]|\]\([^)]*\)|\[|\\", "", write_fractions(text)).strip()
    return plain(title), plain(paragraph)


def write_fractions(text: str) -> str:
    r"""Return text in one line, with fractions of LaTeX as quotients.

    >>> write_fractions(r"the limit of $\frac{f(x + h) - f(x)}{h}$")
    'the limit of $(f(x + h) - f(x)) / h$'
    """
    return re.sub(r"\\frac{([^{}]*)}{([^{}]*)}", r"(\1) / \2", " ".join(text.split()))


def convert(content: str) -> str:
    """Return the HTML of a notebook for the site, with its formulas as MathML.

    Links to other notebooks lead to their pages. Links to files outside the site become text.
    """
    parts = re.split(r"(<div class=\"text_cell_render.*?\n</div>)", content, flags=re.S)
    parts[1::2] = map(convert_text, parts[1::2])
    content = "".join(parts).replace("<pre>", '<pre tabindex="0">')  # wide ones can be scrolled
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
