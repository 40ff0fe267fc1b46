"""`python -m docs` writes the API reference into out/docs and reports dead links.

Needs pdoc, the extra `docs`. It checks the links and anchors of the reference and the
links from Markdown files to files of the project. It does not check external links.
"""

import sys
import warnings
from pathlib import Path
from typing import Any

import pdoc
from pdoc import render_helpers
from pdoc.doc import Class, Doc

import stepgrad.draw
from docs.links import dead_in_html, dead_in_markdown, without_inherited
from docs.text import markdown
from stepgrad import nn

MODULES = (
    "stepgrad", "stepgrad.draw", "stepgrad.nn", "stepgrad.nn.exercises",
    "stepgrad.nn.interop", "stepgrad.nn.live", "stepgrad.nn.metrics", "stepgrad.nn.sklearn",
    # functions, not modules:
    "!stepgrad.explain", "!stepgrad.mistakes", "!stepgrad.nn.live.train_page",
)  # fmt: skip

PUBLIC = {
    (kind.__module__, kind.__qualname__)
    for package in (stepgrad, stepgrad.draw, nn, nn.vector, nn.optim)
    for kind in (getattr(package, name) for name in dir(package))
    if isinstance(kind, type)
}
BY_ORIGIN: Any = Class._members_by_origin.func


def main(out: Path = Path("out/docs")) -> None:
    """Write the reference into `out`. Exits with status 1 if there are dead links."""
    to_html = render_helpers.to_html
    pdoc.render.env.filters["to_html"] = lambda text: to_html(markdown(text))
    pdoc.render.configure(docformat="google", show_source=True, search=True, footer_text="stepgrad")
    Class._members_by_origin = property(members_by_origin)
    # pdoc sees that stepgrad is loaded from engine/, not from the folder stepgrad/.
    warnings.filterwarnings("ignore", "'stepgrad' may refer to", RuntimeWarning)
    warnings.filterwarnings("error", "Error parsing type annotation", UserWarning)
    pdoc.pdoc(*MODULES, output_directory=out)
    for path in out.rglob("*.html"):
        path.write_text(without_inherited(path.read_text("utf-8")), "utf-8")
    dead = [*dead_in_html(out), *dead_in_markdown(Path())]
    for link in dead:
        print(f"dead link: {link}", file=sys.stderr)
    if dead:
        sys.exit(1)
    print(f"wrote {out}/index.html; no dead links")


def members_by_origin(self: Class) -> dict[tuple[str, str], list[Doc]]:
    """Return a class's members by origin; those of base classes without a page are its own."""
    members_of: dict[tuple[str, str], list[Doc]] = {}
    for (module, name), members in BY_ORIGIN(self).items():
        ours = module.partition(".")[0] == "stepgrad" and (module, name) not in PUBLIC
        members_of.setdefault(self.taken_from if ours else (module, name), []).extend(members)
    return members_of


if __name__ == "__main__":
    main()
