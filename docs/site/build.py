"""The whole site: its parts, each in a folder of its own."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from docs.site.build_playground import build_playground
from docs.site.examples import EXAMPLES
from docs.site.gallery import build_gallery
from docs.site.layout import read, write_assets, write_card, write_page
from docs.site.lite import build_lite, can_run
from docs.site.notebook_pages import build_notebooks, list_notebooks
from docs.site.package import write_wheel
from docs.site.reference import build_reference

CARDS = (
    ("playground/index.html", "Playground", "Write a few lines of Python, and get a live page."),
    ("gallery/index.html", "Gallery", "Neurons, softmax, moons that learn, the step of a GPT."),
    ("notebooks/index.html", "Notebooks", "From a first expression to a GPT, in eleven lessons."),
    ("reference/stepgrad.html", "Reference", "Each function, with an example that runs."),
)
TITLE = "stepgrad – an automatic differentiation engine you can see through"
DESCRIPTION = (
    "Write an expression or a network in Python, and step forwards and backwards through every "
    "product of the chain rule."
)


def build_site(out: Path) -> None:
    """Write the site into a folder, which is emptied first."""
    shutil.rmtree(out, ignore_errors=True)
    build_pages(out)
    print("playground ...", flush=True)
    build_playground(out / "playground")
    print("JupyterLite ...", flush=True)
    build_lite(out, filter(can_run, list_notebooks()))
    print("reference ...", flush=True)
    build_reference(out / "reference")
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    print(f"wrote {out}/index.html and its folder, {size / 1e6:.1f} MB; make site-serve shows it")


def build_pages(out: Path, notebooks: Iterable[Path] = ()) -> None:
    """Write the pages of the site, except the reference, with some notebooks or all of them."""
    out.mkdir(parents=True, exist_ok=True)
    write_assets(out)
    cards = "".join(write_card(*card) for card in CARDS)
    wheel = write_wheel(out)
    body = read("index.html").replace("CARDS", cards).replace("WHEEL", wheel.name)
    page = write_page("index.html", TITLE, body, description=DESCRIPTION)
    (out / "index.html").write_text(page, "utf-8")
    (out / "playground").mkdir(exist_ok=True)
    (out / "playground" / "index.html").write_text(write_playground(), "utf-8")
    print("gallery ...", flush=True)
    build_gallery(out / "gallery")
    print("notebooks ...", flush=True)
    build_notebooks(out / "notebooks", notebooks)


def write_playground() -> str:
    """Return the page of the playground."""
    texts = {name: {"title": title, "code": code} for name, (title, code) in EXAMPLES.items()}
    data = json.dumps(texts).replace("<", "\\u003c")
    return write_page(
        "playground/index.html", "Playground – stepgrad",
        read("playground.html").replace("EXAMPLES", data), ("site.css", "playground.css"),
        scripts=" 'wasm-unsafe-eval'", workers="'self' blob:",
        description="Write Python in the browser, and step through its gradients.",
    )  # fmt: skip
