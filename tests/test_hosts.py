"""Drawings and steppers in hosts other than JupyterLab: nbconvert, marimo, sandboxes.

Requires the browser of tests/browsers.py, and nbconvert (installed with jupyterlab) or marimo.
"""

import ast
import json
import os
import re
import socket
import subprocess
import sys
import time
import warnings
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

import engine
from browsers import chromium, missing
from engine import Value
from engine.draw import draw, step
from engine.support.embed import REMEDY
from nn import MLP, data, fit


def example():
    x, w = Value(-0.5, "x"), Value(2.0, "w")
    y = (x * w + x * 3.0).tanh()
    y.label = "y"
    return y


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def opened(browser, tmp_path):
    """Yield a function that opens HTML offline; no page may report an error of its own."""
    troubles = []
    context = browser.new_context(reduced_motion="reduce")
    context.route(re.compile("^https?:"), lambda route: route.abort())
    page = context.new_page()
    page.on("pageerror", lambda error: troubles.append(str(error)))

    def open_(html):
        (tmp_path / "page.html").write_text(html, "utf-8")
        page.goto((tmp_path / "page.html").as_uri())
        return page

    yield open_
    context.close()
    # Without the network, nbconvert's pages lack libraries that their own scripts expect.
    assert [each for each in troubles if "require" not in each and "Reveal" not in each] == []


def steps(page, iframe="iframe"):
    """Assert that the stepper in an iframe steps, and that the image beside it is hidden."""
    frame = page.locator(iframe).first.element_handle().content_frame()
    frame.wait_for_selector(".stepper[data-step]")
    frame.evaluate("document.querySelector('[data-do=next]').click()")
    assert frame.inner_text(".place").startswith("2 of ")
    assert not page.locator(".stepgrad:has(iframe) img").first.is_visible()


def is_a_picture(img):
    return img.is_visible() and img.evaluate(
        "async (img) => (await img.decode(), img.naturalWidth > 100)"
    )


# ------------------------------------------------------------------------------------ nbconvert


@pytest.fixture(scope="module")
def notebook():
    """Return a notebook with a stepper, a drawing and the records of a training run."""
    if not find_spec("nbconvert"):
        missing("nbconvert is not installed: pip install -e '.[jupyter]'")
    import nbformat

    X, y = data.moons(20, rng=0)
    records = fit(MLP(2, [1], rng=0), X, y, loss="binary_cross_entropy", epochs=3).run()
    bundles = [x._repr_mimebundle_() for x in (step(example()), draw(example()))]
    bundles.append({"text/html": records._repr_html_(), "text/plain": "[...]"})
    cells = []
    for bundle in bundles:
        output = nbformat.v4.new_output("display_data", data=bundle)
        cell = nbformat.v4.new_code_cell("show()", outputs=[output])
        cell.metadata = {"slideshow": {"slide_type": "-" if cells else "slide"}}
        cells.append(cell)
    return nbformat.v4.new_notebook(cells=cells)


def export(notebook, name, config=None, **options):
    import nbconvert
    from traitlets.config import Config

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbconvert's own
        return getattr(nbconvert, name)(config=Config(config or {}), **options).from_notebook_node(
            notebook
        )[0]


@pytest.mark.parametrize("name", ["HTMLExporter", "SlidesExporter"])
def test_nbconvert_shows_pages_and_pictures(notebook, opened, name):
    page = opened(export(notebook, name))
    steps(page)
    for i in (1, 2):
        assert is_a_picture(page.locator(".stepgrad img").nth(i))


def test_nbconvert_writes_markdown_that_stays_html(notebook, opened):
    """A blank line would end the HTML, and the rest of the page would be text."""
    import mistune

    text = export(notebook, "MarkdownExporter")
    page = opened("<!doctype html><body>" + mistune.html(text) + "</body>")
    steps(page)
    assert is_a_picture(page.locator(".stepgrad img").nth(1))
    assert "doctype" not in page.inner_text("body")


def test_sanitized_html_shows_pictures_instead_of_html(notebook, opened):
    """With the option that captions name, nbconvert prefers pictures, also that of a stepper."""
    priority = ast.literal_eval(REMEDY.partition("priority=")[2].strip('"'))
    config = {"NbConvertBase": {"display_data_priority": priority}}
    page = opened(export(notebook, "HTMLExporter", sanitize_html=True, config=config))
    images = page.locator(".jp-OutputArea-output img")
    assert images.count() == 2
    assert is_a_picture(images.nth(0))
    assert is_a_picture(images.nth(1))


def test_sanitized_html_shows_no_source(notebook, opened):
    """Sanitizing turns images into text: a caption with the remedy is in their place."""
    page = opened(export(notebook, "HTMLExporter", sanitize_html=True))
    text = page.inner_text("body")
    assert "srcdoc" not in text
    assert "base64" not in text
    assert "y = tanh(x · w + x · 3) – backpropagation, step by step" in text
    assert "computational graph of 7 nodes\nThe sanitizer removed the picture." in text


# ------------------------------------------------------------------------------------- sandboxes


def test_without_scripts_a_page_shows_its_drawing_and_no_controls(opened, tmp_path):
    (tmp_path / "step.html").write_text(step(example()).html, "utf-8")
    page = opened(
        '<!doctype html><iframe sandbox="" src="step.html" width="800" height="500"></iframe>'
    )
    frame = page.frame_locator("iframe")
    frame.locator("noscript").wait_for()
    box = frame.locator(".graph svg").bounding_box()
    assert box["width"] > 500
    assert box["y"] + box["height"] <= 500
    assert frame.locator("button, select, input, summary").filter(visible=True).count() == 0


@pytest.mark.parametrize("sandbox", ["allow-scripts", "allow-scripts allow-same-origin"])
def test_a_sandboxed_page_has_its_height_from_the_start(opened, sandbox):
    """The height is computed in Python, and everything is inside it."""
    html = step(example())._repr_html_().replace("<iframe ", f'<iframe sandbox="{sandbox}" ', 1)
    page = opened(f'<!doctype html><body style="width: 900px">{html}</body>')
    iframe = page.locator("iframe")
    before = iframe.bounding_box()
    assert before["height"] > 400
    steps(page)
    assert iframe.bounding_box() == before
    frame = iframe.element_handle().content_frame()
    assert frame.evaluate("document.documentElement.scrollHeight <= innerHeight")
    assert frame.evaluate(
        """() => {
            const svg = document.querySelector(".graph svg").getBoundingClientRect();
            const graph = document.querySelector(".graph").getBoundingClientRect();
            return svg.left >= graph.left && svg.right <= graph.right
                && svg.top >= graph.top && svg.bottom <= graph.bottom;
        }"""
    )


def test_outputs_are_one_line_without_a_blank_line_inside():
    html = step(example())._repr_html_()
    assert "\n" not in html
    assert "&#10;&#10;" not in html
    assert "\n" not in draw(example())._repr_html_()


# ---------------------------------------------------------------------------------------- marimo

CELLS = """
import marimo
app = marimo.App()

@app.cell
def _():
    from engine import Value
    from engine.draw import draw, step
    x, w = Value(-0.5, "x"), Value(2.0, "w")
    y = (x * w + x * 3.0).tanh()
    step(y)
    return draw, y

@app.cell
def _(draw, y):
    draw(y)
    return

if __name__ == "__main__":
    app.run()
"""


@pytest.fixture(scope="module")
def marimo(tmp_path_factory):
    """Return a function that starts marimo on a notebook, and its folder."""
    if not find_spec("marimo"):
        missing("marimo is not installed: pip install -e '.[hosts]'")
    home = tmp_path_factory.mktemp("marimo")
    (home / "book.py").write_text(CELLS, "utf-8")
    environment = os.environ | {
        "PYTHONPATH": str(Path(engine.__file__).parents[1]), "XDG_CONFIG_HOME": str(home),
        "HOME": str(home), "MARIMO_SKIP_UPDATE_CHECK": "1",
    }  # fmt: skip

    def start(*arguments):
        return subprocess.Popen(
            [sys.executable, "-m", "marimo", *arguments], cwd=home, env=environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    return start, home


def shows(page):
    page.locator("iframe").first.wait_for(timeout=60_000)
    steps(page)
    page.locator(".stepgrad img").nth(1).wait_for()
    assert is_a_picture(page.locator(".stepgrad img").nth(1))


# marimo's page takes most of the time. Only the editor is opened in it; the outputs of the other
# two, which the same page would show, are shown by a minimal one.
def test_marimo_exports_pages_and_pictures(marimo, opened):
    start, home = marimo
    assert start("export", "html", "book.py", "-o", "book.html").wait(120) == 0
    texts = re.findall(r'"text/html": ("(?:[^"\\]|\\.)*")', (home / "book.html").read_text("utf-8"))
    shows(opened(f"<!doctype html><body>{''.join(map(json.loads, texts))}</body>"))


def test_marimo_runs_pages_and_pictures(marimo, opened):
    from websockets.sync.client import connect

    with serve(marimo, "run") as port:
        address = f"ws://127.0.0.1:{port}/ws?session_id=s_123abc"
        outputs = []
        with connect(address, max_size=None) as link:
            while len(outputs) < 2:
                message = json.loads(link.recv(60))
                output = message["data"].get("output") if message["op"] == "cell-op" else None
                if output and output["mimetype"] == "text/html" and output["data"]:
                    outputs.append(output["data"])
    shows(opened(f"<!doctype html><body>{''.join(outputs)}</body>"))


def test_marimo_edits_pages_and_pictures(marimo, browser):
    """A server starts in a few seconds, and its kernel in some more."""
    with serve(marimo, "edit") as port, browser.new_page(reduced_motion="reduce") as page:
        page.goto(f"http://127.0.0.1:{port}")
        shows(page)


@contextmanager
def serve(marimo, mode):
    """Start a server of the notebook, and yield its port."""
    start, home = marimo
    (home / f"{mode}.py").write_text(CELLS, "utf-8")  # without outputs from an earlier session
    (home / ".marimo.toml").write_text("[runtime]\nauto_instantiate = true\n")
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = start(mode, f"{mode}.py", "--headless", "--no-token", f"--port={port}")
    try:
        wait_for(port, server)
        yield port
    finally:
        server.terminate()
        server.wait(60)


def wait_for(port, server):
    deadline = time.monotonic() + 60
    while True:
        assert server.poll() is None
        assert time.monotonic() < deadline
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
