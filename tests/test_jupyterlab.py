"""Steppers and drawings in JupyterLab, in a notebook that ran and in an untrusted one.

Requires jupyterlab, and the browser that tests/browsers.py requires.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import pytest

import engine
from browsers import HOSTILE, chromium, fields, hot, missing
from engine import Value
from engine.draw import step
from engine.draw.formulas.shortening import shorten_name

SETUP = """
from engine import Value
from engine.draw import draw, step
x, w, z = Value(-0.5, "x"), Value(2.0, "w"), Value(2.0, HOSTILE)
y = (x * w + x * 3.0).tanh()
"""
WIDE = """
from nn import MLP
model = MLP(2, [3, 1], "tanh", rng=0)
loss = (model([x, w]) - 1.0) ** 2
step(loss, model, level="values")
"""
STEP, DRAW, STEP_WIDE, STEP_HOSTILE, DRAW_HOSTILE = range(1, 6)  # the places of these cells
CELLS = [
    SETUP.replace("HOSTILE", repr(HOSTILE)).strip(),
    "step(y)", "draw(y)", WIDE.strip(), "step(z * z)", "draw(z * z)",
]  # fmt: skip
QUIET = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}


def example():
    """Return the graph that the notebook steps through."""
    x, w = Value(-0.5, "x"), Value(2.0, "w")
    return (x * w + x * 3.0).tanh()


def notebook(sources):
    """Return a notebook that has not run. It names its kernel; otherwise JupyterLab asks for one."""
    cells = [
        {
            "cell_type": "code", "id": f"cell{i}", "source": source, "metadata": {},
            "outputs": [], "execution_count": None,
        }
        for i, source in enumerate(sources)
    ]  # fmt: skip
    named = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": named, "cells": cells}


class Lab:
    """A page of JupyterLab with `ran.ipynb`, which has run, and the errors it reported."""

    def __init__(self, page, url, folder):
        self.page, self.folder, self.token = page, folder, url.partition("token=")[2]
        self.troubles, asked = [], []
        page.set_default_timeout(60_000)  # JupyterLab and a kernel start
        page.on("console", self.heard)
        page.on("pageerror", lambda error: self.troubles.append(error.stack or str(error)))
        page.on("dialog", lambda dialog: self.troubles.append(dialog.message))
        page.on("request", lambda request: asked.append(request.url))
        page.on("websocket", lambda socket: asked.append(socket.url))
        self.asked = asked
        page.goto(url)
        page.wait_for_function("window.jupyterapp?.shell?.currentWidget?.context")
        # The menu's entry would not wait for the kernel.
        page.evaluate(
            """async () => {
                const { context, sessionContext } = window.jupyterapp.shell.currentWidget;
                await context.ready;
                await sessionContext.ready;
                await sessionContext.session.kernel.info;
                await window.jupyterapp.commands.execute("notebook:run-all-cells");
            }"""
        )
        self.output("ran.ipynb", len(CELLS) - 1)

    def heard(self, message):
        if message.type == "error":
            self.troubles.append(f"{message.text} {message.location}")

    def command(self, name, **args):
        self.page.evaluate(
            "async ([name, args]) => { await window.jupyterapp.commands.execute(name, args); }",
            [name, args],
        )

    def change_theme(self, name):
        """Change the theme of JupyterLab, and wait until its splash screen is gone.

        JupyterLab removes the screen 200 ms after a change. If the next change begins earlier, the
        screen is removed twice, and the second removal throws an error.
        """
        splash = self.page.locator("#jupyterlab-splash")
        splash.wait_for(state="detached")
        self.command("apputils:change-theme", theme=name)
        self.page.locator(f"[data-jp-theme-name='{name}']").wait_for(state="attached")
        splash.wait_for(state="detached")

    def output(self, path, place):
        """Return the output of a notebook's cell, in the foreground and laid out."""
        self.command("docmanager:open", path=path)
        panel = self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
        output = panel.locator(".jp-CodeCell").nth(place).locator(".jp-OutputArea-output")
        output.wait_for()
        return output

    def stepper(self, path, place):
        """Return the iframe of a stepper and the page in it, loaded."""
        iframe = self.output(path, place).locator("iframe")
        frame = iframe.element_handle().content_frame()
        frame.wait_for_selector(".stepper[data-step]")
        return iframe, frame


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Yield the address of a JupyterLab without the user's settings, and its folder of notebooks."""
    if not find_spec("jupyterlab"):
        missing("jupyterlab is not installed: pip install -e '.[jupyter]'")
    home = tmp_path_factory.mktemp("jupyter")
    root = home / "notebooks"
    root.mkdir()
    (root / "ran.ipynb").write_text(json.dumps(notebook(CELLS)), "utf-8")
    (home / "config" / "labconfig").mkdir(parents=True)
    (home / "config" / "labconfig" / "default_setting_overrides.json").write_text(
        json.dumps({"@jupyterlab/apputils-extension:notification": QUIET})
    )
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JUPYTER")} | {
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTER_PLATFORM_DIRS": "1",  # or it warns
        "JUPYTER_TOKEN": token,
        "IPYTHONDIR": str(home / "ipython"),
        "PYTHONPATH": str(Path(engine.__file__).parents[1]),  # the one that is tested
    }
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
        f"--port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={root}",
        "--ServerApp.terminals_enabled=False", "--LabApp.expose_app_in_browser=True",
        "--LabApp.extension_manager=readonly", "--LabApp.news_url=None",
        # Nothing that is installed beside it: the kernel of JupyterLite fails in JupyterLab.
        f"--LabApp.labextensions_path={home / 'labextensions'}",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        # It ends by itself, should the tests be killed.
        "--MappingKernelManager.cull_idle_timeout=120", "--MappingKernelManager.cull_interval=60",
        "--ServerApp.shutdown_no_activity_timeout=120",
    ]  # fmt: skip
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        deadline = time.monotonic() + 60
        while not answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"JupyterLab does not start:\n{(home / 'log').read_text()}")
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/lab/tree/ran.ipynb?reset&token={token}", root
    finally:
        stop(process)


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def stop(process):
    """End the server, which ends its kernels, and then the rest of its process group."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
        except ProcessLookupError:
            break
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            continue


@pytest.fixture(scope="module")
def lab(server):
    url, folder = server
    with chromium() as browser:
        # As high as all cells: JupyterLab does not lay out what is far away.
        page = browser.new_page(viewport={"width": 1500, "height": 3600})
        yield Lab(page, url, folder)


@pytest.fixture(autouse=True)
def calm(lab):
    """Assert that JupyterLab reported no error and sent no request elsewhere."""
    yield
    assert lab.troubles == []
    ours = ("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:", "about:")
    assert [url for url in lab.asked if not url.startswith(ours)] == []


@pytest.fixture(scope="module")
def received(lab):
    """Return the name of the same notebook as another user receives it: changed, so not trusted."""
    lab.command("docmanager:open", path="ran.ipynb")
    lab.command("docmanager:save")
    saved = json.loads((lab.folder / "ran.ipynb").read_text("utf-8"))
    assert all(cell["outputs"] for cell in saved["cells"][1:])
    saved["metadata"]["title"] = "from elsewhere"
    (lab.folder / "received.ipynb").write_text(json.dumps(saved), "utf-8")
    return "received.ipynb"


def is_a_picture(img):
    """Return whether an image is visible and not broken."""
    img.wait_for()
    return img.evaluate("async (img) => (await img.decode(), img.naturalWidth > 100)")


def test_the_stepper_steps(lab):
    _, page = lab.stepper("ran.ipynb", STEP)
    frames = step(example()).frames
    page.focus(".stepper")
    page.press(".stepper", "Home")
    shown = [fields(page)]
    for n, frame in enumerate(frames[1:4], 2):
        page.click("[data-do=next]")
        assert page.inner_text(".place") == f"{n} of {len(frames)}"
        assert page.inner_text(".title") == frame.title
        assert hot(page) == sorted(frame.marked)
        shown.append(fields(page))
        for name, number in frame.data.items():
            assert f"data {number}" in shown[-1][name]
            assert f"data {number}" not in shown[-2][name]
    page.press(".stepper", "End")
    assert page.inner_text(".place") == f"{len(frames)} of {len(frames)}"
    assert "grad 1" in fields(page)[f"v{len(shown[0]) - 1}"]
    assert not lab.output("ran.ipynb", STEP).locator("img").is_visible()


@pytest.mark.parametrize("place", [STEP, STEP_WIDE])
def test_nothing_of_the_stepper_is_cut_off(lab, place):
    """The iframe has its height from the start, and a wide graph scrolls inside it."""
    iframe, page = lab.stepper("ran.ipynb", place)
    assert page.evaluate(
        """() => {
            const page = document.documentElement;
            return innerHeight > 400 && page.scrollHeight <= innerHeight
                && page.scrollWidth <= innerWidth;
        }"""
    )
    assert iframe.evaluate(
        """(iframe) => {
            const cell = iframe.closest(".jp-Cell"), area = iframe.closest(".jp-OutputArea");
            const [inner, outer] = [iframe, cell].map((each) => each.getBoundingClientRect());
            return inner.bottom <= outer.bottom && inner.right <= outer.right
                && area.scrollHeight <= area.clientHeight;
        }"""
    )


@pytest.mark.parametrize("place", [DRAW, DRAW_HOSTILE])
def test_a_drawing_shows(lab, place):
    assert is_a_picture(lab.output("ran.ipynb", place).locator("img"))


def test_hostile_labels_are_text(lab):
    _, page = lab.stepper("ran.ipynb", STEP_HOSTILE)
    page.click("[data-do=last]")
    assert fields(page)["v0"][0] == shorten_name(HOSTILE)
    assert page.evaluate("document.querySelector('g[id$=-v0] title').textContent") == HOSTILE
    assert len(lab.page.frames) == 4  # with a stepper in each
    assert [frame.evaluate("window.hit") for frame in lab.page.frames] == [None] * 4


def test_steppers_and_drawings_follow_the_theme(lab):
    """The system's theme is light."""
    _, page = lab.stepper("ran.ipynb", STEP)
    background = "getComputedStyle(document.querySelector('.stepper')).backgroundColor"
    scheme = "(img) => getComputedStyle(img).colorScheme"
    img = lab.output("ran.ipynb", DRAW).locator("img")
    assert (page.evaluate(background), img.evaluate(scheme)) == ("rgb(255, 255, 255)", "light")
    lab.change_theme("JupyterLab Dark")
    try:
        page.wait_for_function(f"{background} === 'rgb(22, 25, 29)'")
        assert img.evaluate(scheme) == "dark"
    finally:
        lab.change_theme("JupyterLab Light")


@pytest.mark.parametrize("place", [STEP, STEP_WIDE, STEP_HOSTILE, DRAW, DRAW_HOSTILE])
def test_a_notebook_from_elsewhere_shows_a_picture_and_runs_nothing(lab, received, place):
    output = lab.output(received, place)
    assert "jp-mod-trusted" not in output.get_attribute("class")
    img = output.locator("img")
    assert is_a_picture(img)
    assert img.evaluate("(img) => img.clientWidth / img.naturalWidth > 0.7")  # it can be read
    assert output.locator("iframe, script, style").count() == 0
    assert {frame.evaluate("window.hit") for frame in lab.page.frames} == {None}


def test_notebook_7_shows_them_too(lab):
    """The server of JupyterLab also serves Notebook 7, where it is installed."""
    if not find_spec("notebook"):
        missing("notebook is not installed: pip install -e '.[hosts]'")
    lab.command("docmanager:save")
    host = lab.page.url.partition("/lab")[0]
    with lab.page.context.browser.new_page(viewport={"width": 1200, "height": 3600}) as page:
        page.goto(f"{host}/notebooks/ran.ipynb?token={lab.token}")
        cells = page.locator(".jp-CodeCell")
        frame = cells.nth(STEP).locator("iframe").element_handle(timeout=60_000).content_frame()
        frame.wait_for_selector(".stepper[data-step]")
        frame.click("[data-do=next]")
        assert frame.inner_text(".place").startswith("2 of ")
        assert is_a_picture(cells.nth(DRAW).locator("img"))
