"""The site in a browser, from loopback: its pages, and the playground with Python in a worker."""

import base64
import html
import json
import re
import threading
import zlib
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from zipfile import ZipFile

import pytest

from browsers import chromium, missing
from docs.links import dead_in_html
from docs.site.build import build_pages
from docs.site.build_playground import build_playground
from docs.site.examples import EXAMPLES
from docs.site.gallery import PAGES
from docs.site.lite import build_lite, can_run, describe_wheel
from docs.site.notebook_pages import list_notebooks
from docs.site.playground import run
from docs.site.reference import adapt
from docs.site.serve import make_server

ROOT = Path(__file__).parents[1]
NOTEBOOK = "7_chain_rule"  # with a live page and formulas
SECONDS = 60_000  # ms


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Return the folder of the site, without the reference, which `make docs` builds."""
    pytest.importorskip("nbconvert")
    pytest.importorskip("latex2mathml")
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("site")
    build_pages(folder, [ROOT / "notebooks" / f"{NOTEBOOK}.ipynb"])
    try:
        build_playground(folder / "playground", ROOT / "out" / "npm")
    except RuntimeError as error:
        missing(str(error))
    return folder


@contextmanager
def running(server):
    """Yield the address of a server."""
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def address(site):
    with running(make_server(site)) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@contextmanager
def opened(browser, address, path, **options):
    """Yield a page of the site. Its requests must stay there, and it must report no errors."""
    context = browser.new_context(**{"bypass_csp": False, **options})
    tab, troubles = context.new_page(), []
    tab.on("console", lambda message: troubles.append(message.text))
    tab.on("pageerror", lambda error: troubles.append(str(error)))
    context.on(
        "request",
        lambda request: troubles.append(request.url) if is_foreign(request.url, address) else None,
    )
    context.on(
        "response",
        lambda response: troubles.append(response.url) if response.status >= 400 else None,
    )
    tab.goto(address + path)
    yield tab
    context.close()
    assert troubles == [], "\n".join(troubles)


def hold(tab, pattern):
    """Hold requests back, also later ones, and return a function that releases them."""
    routes, released = [], []

    def release():
        released.append(True)
        for route in routes:
            route.continue_()

    tab.route(pattern, lambda route: route.continue_() if released else routes.append(route))
    return release


def is_foreign(url, address):
    return not url.startswith((address, f"blob:{address}", "data:", "about:"))


@pytest.fixture(scope="module")
def playground(browser, address):
    """Yield the playground after Python has started. The tests share it, as starting takes long."""
    with opened(browser, address, "playground/index.html") as tab:
        tab.wait_for_selector("html[data-ready]", timeout=SECONDS)
        yield tab


def write(tab, code):
    """Replace the code, and return the text below it when the code has run."""
    tab.fill("#code", code)
    return wait(tab)


def wait(tab):
    tab.wait_for_selector('#show[aria-busy="false"]', timeout=SECONDS)
    return tab.inner_text("#said")


def picture(tab):
    """Return the frame of the page that is shown."""
    element = tab.wait_for_selector("#show iframe:not(.spare)", state="attached")
    return element.content_frame()


def title(tab):
    return picture(tab).title().partition(" – ")[0]


@pytest.fixture(scope="module")
def pages(site):
    """Return the pages of the site, without those of JupyterLite."""
    pages = [file.relative_to(site).as_posix() for file in site.rglob("*.html")]
    return [name for name in pages if not name.startswith("lite/")]


@pytest.fixture(scope="module")
def lite(site):
    """Build JupyterLite in the site, with two notebooks."""
    pytest.importorskip("jupyterlite_core")
    pytest.importorskip("jupyterlite_pyodide_kernel")
    names = ("10_exercises", NOTEBOOK)
    try:
        build_lite(
            site, [ROOT / "notebooks" / f"{name}.ipynb" for name in names], ROOT / "out" / "kernel"
        )
    except RuntimeError as error:
        missing(str(error))
    return site / "lite"


def test_links_lead_to_pages(site):
    """Links to the reference and to the notebooks that the fixture leaves out have files, too."""
    others = {f"{path.stem}.html" for path in (ROOT / "notebooks").glob("*.ipynb")}
    dead = [link.partition(": ")[2] for link in dead_in_html(site)]
    assert {
        link for link in dead if not link.startswith(("../lite/", "reference/", "../reference/"))
    } <= others


def test_no_file_names_another_origin(site, pages):
    """Pages have a policy without other hosts, and link to nothing that is loaded from there."""
    for name in pages:
        text = (site / name).read_text("utf-8")
        assert re.search(
            r'http-equiv="Content-Security-Policy" content="default-src \'none\'', text
        ), name
        policy = re.search(r'Security-Policy" content="([^"]*)"', text)[1]
        assert not re.search(r"https?:|\*", policy), name
        assert not re.search(
            r'<(?:script|img|iframe)[^>]* src="https?:|<link[^>]* href="https?:', text
        ), name


def test_the_wheel_can_be_downloaded(site):
    (wheel,) = site.glob("*.whl")
    assert f'<a href="{wheel.name}" download>' in (site / "index.html").read_text("utf-8")
    assert "stepgrad/value.py" in ZipFile(wheel).namelist()


def test_the_reference_is_a_part_of_the_site(tmp_path):
    """Its examples can be pasted, and each page links to all modules and to the site."""
    pages = [tmp_path / "index.html", tmp_path / "stepgrad.html", tmp_path / "stepgrad" / "nn.html"]
    text = '<head></head><body><nav class="pdoc"><h2>API Documentation</h2></nav></body>'
    page = adapt(text, pages[2], tmp_path, pages[1:])
    assert '<li><a href="../stepgrad.html">stepgrad</a></li>' in page
    assert '<li><a href="nn.html" aria-current="page">stepgrad.nn</a></li>' in page
    assert '<a href="../../reference/stepgrad.html" aria-current="page">Reference</a>' in page
    assert '<link rel="stylesheet" href="../../reference.css">' in page


def test_pages_load_without_errors(browser, address, pages):
    assert len(pages) == 2 * len(PAGES) + 6
    with opened(browser, address, "index.html") as tab:
        for name in pages:
            tab.goto(address + name)
            assert tab.title() or name.endswith("frame.html"), name


def test_the_landing_page_steps(browser, address):
    with opened(browser, address, "index.html") as tab:
        frame = tab.frame_locator(".live iframe")
        frame.locator("[data-do=next]").click()
        assert frame.locator(".place").inner_text() == "2 of 17"
        tab.get_by_role("link", name="Open the playground").click()
        tab.wait_for_selector("#code")


def test_a_notebook_has_formulas_and_a_page_that_steps(browser, address):
    with opened(browser, address, f"notebooks/{NOTEBOOK}.html") as tab:
        assert tab.locator("main math").count() >= 20
        assert "$" not in tab.locator(".text_cell_render").all_inner_texts().__str__()
        frame = tab.frame_locator(".output iframe").first
        frame.locator("[data-do=next]").click()
        assert frame.locator(".place").inner_text().startswith("2 of ")


def test_pages_fit_phones(browser, address):
    size = {"width": 390, "height": 844}
    for name in (
        "index.html",
        "playground/index.html",
        "gallery/index.html",
        "gallery/gpt.html",
        f"notebooks/{NOTEBOOK}.html",
    ):
        with opened(browser, address, name, viewport=size) as tab:
            assert tab.evaluate("document.documentElement.scrollWidth") == 390, name


def test_a_picture_stands_there_before_python(browser, address):
    """An example's page, made with the site, steps while Python is loading and stays afterwards."""
    with opened(browser, address, "index.html") as tab:
        release = hold(tab, "**/snapshot.bin")
        tab.goto(f"{address}playground/index.html#example=neuron")
        frame = picture(tab)
        frame.locator("[data-do=next]").click()
        assert "Python is loading" in tab.inner_text("#said")
        release()
        tab.wait_for_selector("html[data-ms]", timeout=SECONDS)
        assert tab.inner_text("#said") == "Shown: out = 0.706419"
        assert tab.get_attribute("html", "data-pages") == "1"
        assert frame.locator(".place").inner_text() == "2 of 17"


def test_pages_have_the_bytes_of_an_installed_stepgrad(site):
    """NumPy's and Python's random numbers differ, so networks differ."""
    for name in EXAMPLES.keys() - {"network", "training"}:
        outcome = json.loads((site / "playground" / "examples" / f"{name}.json").read_text("utf-8"))
        expected = run(EXAMPLES[name][1])
        assert outcome["html"] == expected.html, name
        assert outcome["printed"] == expected.printed


def test_examples_can_be_chosen_and_have_addresses(playground):
    for name, (text, code) in EXAMPLES.items():
        playground.select_option("#examples", label=text)
        assert wait(playground).startswith("Shown: ")
        assert playground.input_value("#code") == code
        playground.wait_for_url(f"**#example={name}")


def test_the_back_button_leads_from_an_example_to_the_code_before(playground):
    write(playground, "x * 7.0")
    playground.select_option("#examples", "neuron")
    playground.wait_for_url("**#example=neuron")
    assert wait(playground) == "Shown: out = 0.706419"
    playground.go_back()
    playground.locator("#said", has_text="x * 7.0 = 7").wait_for()
    playground.go_forward()
    playground.locator("#said", has_text="out = 0.706419").wait_for()
    assert playground.input_value("#examples") == "neuron"


def test_typing_redraws(playground):
    assert write(playground, "x * x + 3.0") == "Shown: x * x + 3.0 = 4"
    playground.wait_for_selector('iframe:not(.spare)[title^="x * x"]', state="attached")
    code = 'a = Value(0.5, "a")\nout = a.exp()\nout.label = "out"\nout'
    assert write(playground, code) == "Shown: out = 1.64872"
    assert playground.input_value("#examples") == ""
    playground.wait_for_selector('iframe:not(.spare)[title^="out"]', state="attached")
    assert "out" in title(playground)


def test_pages_with_the_same_scripts_share_a_frame(playground):
    """The page in a frame is replaced as a whole, unless the next one has other scripts."""

    def show(code):
        write(playground, code)
        playground.wait_for_selector(f'iframe:not(.spare)[title^="{code}"]', state="attached")
        return picture(playground)

    first = show("x * 2.0")
    first.locator("[data-do=next]").click()
    first.evaluate("stepgrad.descend(0.1)")  # loads all scripts
    second = show("(x + y).tanh()")  # with operations that the first page lacks
    assert second is first
    count = "selector => document.querySelectorAll(selector).length"
    counts = [second.evaluate(count, x) for x in (".stepper", ".graph svg:has(.node)", "#start")]
    assert counts == [1, 1, 0]
    assert second.title().startswith("tanh(x + y)")
    second.locator("[data-do=next]").click()
    assert second.locator(".place").inner_text() == "2 of 8"
    assert second.evaluate("stepgrad.set('x', -2.0); stepgrad.get('y').grad") == 1.0
    assert second.evaluate("stepgrad.names()") == ["x", "y", "v2", "v3"]
    other = show("draw(x * 3.0)")
    assert other is not second
    assert show("x * 4.0") is not other


def test_errors_are_marked_in_their_line(playground):
    assert write(playground, "x = 1.0\ny = x / 0\ny").startswith("Line 2: ZeroDivisionError")
    assert playground.locator("#gutter .bad").inner_text() == "2"
    assert playground.get_attribute("#code", "aria-invalid") == "true"
    playground.get_by_role("button", name="Line 2").click()
    selected = "c => c.value.slice(c.selectionStart, c.selectionEnd)"
    assert playground.eval_on_selector("#code", selected) == "y = x / 0"
    assert write(playground, "x +").startswith("Line 1: SyntaxError: invalid syntax")
    assert write(playground, "(x, y)").startswith("Line 1: The last line gives 2 results")
    assert write(playground, "def f(n):\n    return f(n)\nf(1)").startswith(
        "Line 2: RecursionError"
    )
    assert write(playground, "# one\nArray([1.0])") == (
        "Line 2: stepgrad.Array requires NumPy, which the playground lacks"
    )
    assert "The playground has no input" in write(playground, "input('name? ')")
    assert write(playground, "help(Value)\nValue(1.0)") == "Shown: Value(1.0) = 1"
    assert write(playground, "x + 1.0") == "Shown: x + 1.0 = 2"
    assert playground.locator("#gutter .bad").count() == 0


def test_output_and_modules_that_the_snapshot_lacks(playground):
    code = "import statistics\nprint(statistics.median([3, 1, 2]))\nValue(1.0)"
    assert write(playground, code) == "Shown: Value(1.0) = 1"
    assert playground.inner_text("#printed") == "2\n"
    assert write(playground, "from stepgrad.nn import exercises\nx = Value(1.0)") == "Shown: x = 1"
    assert playground.is_hidden("#printed")


def test_the_address_holds_the_code(browser, address, playground):
    code = 'x = Value(0.25, "größe")  # ∂, +/ &\ny = x.tan()\n'
    write(playground, code)
    playground.wait_for_url("**#code=*")
    url = playground.url
    with opened(browser, address, url.removeprefix(address)) as tab:
        tab.wait_for_selector("html[data-ready]", timeout=SECONDS)
        assert wait(tab) == "Shown: y = 0.255342"
        assert tab.input_value("#code") == code
        tab.wait_for_selector('iframe:not(.spare)[title^="y"]', state="attached")
        assert "größe" in title(tab)


def test_a_message_about_the_address_stays_until_the_code_changes(browser, address):
    """The example that is opened instead runs, and reports its own results."""
    message = "The address does not hold valid code. This is an example."
    with opened(browser, address, "index.html") as tab:
        release = hold(tab, "**/snapshot.bin")
        tab.goto(f"{address}playground/index.html#code=!")
        notice = tab.locator("#notice")
        notice.get_by_text(message).wait_for()
        tab.locator("#said", has_text="You can step through this page already.").wait_for()
        assert notice.inner_text() == message
        release()
        assert wait(tab).startswith("Shown: ")
        assert notice.inner_text() == message
        tab.click("#run")
        assert wait(tab).startswith("Shown: ")
        assert notice.inner_text() == message
        assert write(tab, "x + 1.0") == "Shown: x + 1.0 = 2"
        assert notice.inner_text() == ""
        tab.evaluate("location.hash = '#code=?'")
        notice.get_by_text(message).wait_for()
        tab.evaluate("location.hash = '#example=neuron'")
        notice.get_by_text(message).wait_for(state="detached")


def test_code_that_is_typed_while_an_address_is_read_stays(playground):
    """The address is read in several tasks of the browser."""
    packer = zlib.compressobj(wbits=-15)
    packed = base64.urlsafe_b64encode(packer.compress(b"x * 4.0") + packer.flush()).decode()
    playground.evaluate(
        """(packed) => {
            location.hash = `#code=${packed.replaceAll("=", "")}`;
            dispatchEvent(new HashChangeEvent("hashchange"));
            const editor = document.getElementById("code");
            editor.value = "x + 7.0";
            editor.dispatchEvent(new InputEvent("input"));
        }""",
        packed,
    )
    assert wait(playground) == "Shown: x + 7.0 = 8"
    assert playground.input_value("#code") == "x + 7.0"


def test_the_link_can_be_copied_during_a_run(playground):
    """The run can still be stopped, and its line keeps what it reports."""
    write(playground, "x +")
    notice = playground.locator("#notice", has_text="It contains the code")
    playground.click("#copy")
    notice.wait_for()
    assert playground.inner_text("#said").startswith("Line 1: SyntaxError")
    playground.fill("#code", "while True:\n    pass\n")
    assert not notice.is_visible()
    playground.click("#copy")  # before the run can be stopped
    playground.get_by_role("button", name="Stop").wait_for(timeout=SECONDS)
    playground.click("#copy")
    playground.get_by_role("button", name="Stop").click(timeout=SECONDS)
    assert playground.inner_text("#said").startswith("Stopped.")
    notice.wait_for()


def test_python_is_loaded_again_after_a_failure(browser, address):
    context = browser.new_context(bypass_csp=False)  # the failed request is in the console
    tab = context.new_page()
    tab.route("**/snapshot.bin", lambda route: route.abort())
    tab.goto(f"{address}playground/index.html#example=neuron")
    failure = tab.locator("#said", has_text="Python could not be loaded")
    failure.wait_for(timeout=SECONDS)
    picture(tab)  # of the example
    assert failure.is_visible()
    tab.unroute("**/snapshot.bin")
    assert write(tab, "x + 1.0") == "Shown: x + 1.0 = 2"
    context.close()


def test_a_loop_without_end_can_be_stopped(playground):
    playground.fill("#code", "while True:\n    pass\n")
    playground.get_by_role("button", name="Stop").click(timeout=SECONDS)
    assert playground.inner_text("#said").startswith("Stopped.")
    assert write(playground, "x + 1.0") == "Shown: x + 1.0 = 2"
    playground.fill("#code", "while True:\n    pass\n")
    playground.get_by_role("button", name="Stop").wait_for(timeout=SECONDS)
    assert write(playground, "x + 2.0") == "Shown: x + 2.0 = 3"  # typing stops it, too


def test_deep_graphs_are_freed_node_by_node(playground):
    """Python allows more nested calls than the stack of a browser."""
    code = 'x = Value(1.0, "x")\ny = x\nfor i in range(3000):\n    y = y * 1.001\ny'
    assert write(playground, code) == "Shown: y = 20.0555"
    assert write(playground, "x + 1.0") == "Shown: x + 1.0 = 2"


def test_a_long_sum_is_stepped(playground):
    """Its formula would nest too deeply."""
    code = "y = total([Value(1.0) for i in range(3000)])\ny"
    assert write(playground, code) == "Shown: y = 3000"


def test_python_starts_again_after_a_crash(browser, address):
    context = browser.new_context(bypass_csp=False)  # Pyodide reports the crash in the console
    tab = context.new_page()
    tab.goto(f"{address}playground/index.html")
    tab.wait_for_selector("html[data-ready]", timeout=SECONDS)
    code = "import sys\nsys.setrecursionlimit(10**6)\ndef f(n):\n    return f(n + 1) + 1\nf(0)"
    assert write(tab, code).startswith("Python has stopped and starts again: the code nests")
    assert write(tab, "x + 2.0") == "Shown: x + 2.0 = 3"
    context.close()


def test_the_keyboard_suffices(playground):
    write(playground, "x + 1.0")
    playground.focus("#examples")
    names = []
    for _ in range(5):
        names.append(playground.evaluate("document.activeElement.id"))
        playground.keyboard.press("Tab")
    assert names == ["examples", "run", "copy", "save", "code"]
    playground.focus("#code")
    playground.keyboard.press("Control+A")
    playground.keyboard.type("for i in range(2):\nprint(i)\n")
    playground.keyboard.press("Backspace")
    assert playground.input_value("#code") == "for i in range(2):\n    print(i)\n   "
    playground.keyboard.press("Control+Enter")
    assert wait(playground).startswith("Line 1: The last line gives no result.")
    assert playground.input_value("#code").count("\n") == 2


def test_the_page_can_be_saved(playground):
    write(playground, "x * 5.0")
    with playground.expect_download() as download:
        playground.click("#save")
    assert Path(download.value.path()).read_text("utf-8").startswith("<!doctype html>")


class Spy(BaseHTTPRequestHandler):
    """Another origin, which permits all requests and remembers their paths."""

    paths: ClassVar[list[str]] = []

    def do_GET(self):
        self.paths.append(self.path)
        self.send_response(204)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()

    def log_message(self, *args):
        pass


def test_code_cannot_reach_other_origins(browser, address):
    """An address is opened by others: the worker has the policy of the page, and so has the frame."""
    with running(ThreadingHTTPServer(("127.0.0.1", 0), Spy)) as other:
        context = browser.new_context(bypass_csp=False)
        tab = context.new_page()
        tab.goto(f"{address}playground/index.html")
        tab.wait_for_selector("html[data-ready]", timeout=SECONDS)
        ask = f"r = js.XMLHttpRequest.new()\nr.open('GET', '{other}worker', False)\nr.send()"
        assert write(tab, f"import js\n{ask}\nValue(r.status)").startswith("Line 4: ")
        attempts = (
            f"fetch('{other}frame')",
            "parent.document.title = 'hit'",
            f"location = '{other}went'",
        )
        page = f"<img src={other}image>" + "".join(f"<script>{x}</script>" for x in attempts)
        write(tab, f'class Page:\n    html = """{page}"""\nPage()')
        shown = 'iframe:not(.spare)[title^="{}"]'
        tab.wait_for_selector(shown.format("Page()"), state="attached", timeout=SECONDS)
        tab.wait_for_timeout(500)
        write(tab, "x + 1.0")  # the next page is shown all the same
        tab.wait_for_selector(shown.format("x + 1.0"), state="attached", timeout=SECONDS)
        assert tab.title() == "Playground – stepgrad"
        assert Spy.paths == []
        context.close()


def test_notebooks_without_numpy_run_in_jupyterlite(browser, address, lite):
    """No request leaves the site, all cells run, and `step` shows a live page."""
    for page in lite.rglob("*.html"):
        assert "default-src 'none'" in html.unescape(page.read_text("utf-8")), page
    context = browser.new_context(bypass_csp=False)
    tab, foreign = context.new_page(), []
    context.on(
        "request",
        lambda request: foreign.append(request.url) if is_foreign(request.url, address) else None,
    )
    tab.goto(f"{address}notebooks/{NOTEBOOK}.html")
    tab.get_by_text("Run it in the browser").click()
    # JupyterLab shows "idle" also before it starts the kernel, when it cannot run cells yet.
    for status in ("unknown", "idle"):
        tab.locator(f"[data-status={status}]").wait_for(timeout=SECONDS)
    tab.get_by_text("Run", exact=True).click()
    tab.get_by_text("Run All Cells", exact=True).click()
    last = tab.locator(".jp-CodeCell .jp-InputPrompt").last
    last.filter(has_text=re.compile(r"\[\d+\]")).wait_for(timeout=3 * SECONDS)
    assert tab.locator('[data-mime-type="application/vnd.jupyter.stderr"]').count() == 0
    frame = tab.locator(".jp-OutputArea iframe").first.content_frame
    frame.locator("[data-do=next]").click()
    assert frame.locator(".place").inner_text().startswith("2 of ")
    assert foreign == []
    context.close()


def test_the_lock_file_lists_the_wheels_beside_it(lite):
    pyodide = lite.parent / "playground" / "pyodide"
    packages = json.loads((pyodide / "pyodide-lock.json").read_text("utf-8"))["packages"]
    assert {"stepgrad", "ipython", "micropip", "pyodide-kernel", "lite-start"} <= packages.keys()
    for package in packages.values():
        assert describe_wheel(pyodide / package["file_name"])["sha256"] == package["sha256"]
        assert {*package["depends"]} <= packages.keys()


def test_notebooks_that_can_run_are_linked():
    names = [path.stem for path in list_notebooks() if can_run(path)]
    assert names == ["2_step_through", "7_chain_rule", "10_exercises"]
