"""`python -m docs` writes the API reference into out/docs, and looks for dead links.

Needs pdoc, the extra `docs`. What is looked at: every link of the reference, to its files and the
places in them, and those of the Markdown files to files of the project. What leads outside is not.
"""

import sys
from pathlib import Path
from typing import Any

import pdoc
from pdoc import render_helpers
from pdoc.doc import Class, Doc

import engine
import engine.draw
import nn
from docs.links import dead_in_html, dead_in_markdown, without_inherited
from docs.text import markdown

MODULES = (
    "engine", "engine.draw", "nn", "nn.metrics",  # nn's other modules are among its names
    "!engine.explain", "!engine.mistakes",  # functions of these names are meant
)  # fmt: skip

PUBLIC = {
    (kind.__module__, kind.__qualname__)
    for package in (engine, engine.draw, nn, nn.vector, nn.optim)
    for kind in (getattr(package, name) for name in dir(package))
    if isinstance(kind, type)
}
BY_ORIGIN: Any = Class._members_by_origin.func


def main(out: Path = Path("out/docs")) -> None:
    plain = render_helpers.to_html
    pdoc.render.env.filters["to_html"] = lambda text: plain(markdown(text))
    pdoc.render.configure(show_source=True, search=True, footer_text="stepgrad")
    Class._members_by_origin = property(members_by_origin)
    pdoc.pdoc(*MODULES, output_directory=out)
    for path in out.rglob("*.html"):
        path.write_text(without_inherited(path.read_text("utf-8")), "utf-8")
    dead = [*dead_in_html(out), *dead_in_markdown(Path())]
    for each in dead:
        print(f"dead link: {each}", file=sys.stderr)
    if dead:
        sys.exit(1)
    print(f"wrote {out}/index.html; no dead links")


def members_by_origin(self: Class) -> dict[tuple[str, str], list[Doc]]:
    """Of a class: what it inherits from one that has no page is its own."""
    found: dict[tuple[str, str], list[Doc]] = {}
    for (module, name), members in BY_ORIGIN(self).items():
        ours = module.partition(".")[0] == "stepgrad" and (module, name) not in PUBLIC
        found.setdefault(self.taken_from if ours else (module, name), []).extend(members)
    return found


if __name__ == "__main__":
    main()
