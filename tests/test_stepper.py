"""The stepper's page in a real browser: every control, every number, and nothing from outside.

Needs Debian's chromium (or Google Chrome) and playwright; where they are missing these tests are
skipped, but for CI, where that is a failure.
"""

import os
import re
import shutil

import pytest

from engine import Value, topological
from engine.draw import step
from engine.draw.theme import number
from nn import MLP

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
HOSTILE = (
    '</text></script><script>window.hit=1</script><img src=x onerror="window.hit=1">"\\n|{}<>&'
)


def example():
    """A value used twice, a constant, a negative number."""
    x, w = Value(-0.5, "x"), Value(2.0, "w")
    y = (x * w + x * 3.0).tanh()
    y.label = "y"
    return y


@pytest.fixture(scope="module")
def browser():
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing = "playwright is not installed: pip install -e '.[browser]'"
    else:
        program = shutil.which("chromium") or shutil.which("google-chrome")
        missing = None if program else "no chromium: apt install chromium"
    if missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Open a page that must ask for nothing and complain of nothing."""
    troubles = []
    context = browser.new_context(viewport={"width": 1000, "height": 700})
    page = context.new_page()
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("dialog", lambda dialog: troubles.append(dialog.message))
    asked = []
    page.on("request", lambda request: asked.append(request.url))

    def open_(html):
        path = tmp_path / "page.html"
        path.write_text(html, "utf-8")
        page.goto(path.as_uri())
        return page

    yield open_
    context.close()
    assert troubles == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "about:"))] == []


def at(page):
    return int(page.locator(".stepper").get_attribute("data-step"))


def fields(page):
    """What stands in each value: {"v0": ["x", "data −0.5", "grad"]}."""
    return page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll("g[id]")]
            .filter((g) => /-v\\d+$/.test(g.id))
            .map((g) => [g.id.split("-")[1], [...g.querySelectorAll("text")].map((t) => t.textContent)]))"""
    )


def hot(page):
    return page.evaluate(
        """() => [...document.querySelectorAll(".hot")].map((g) => g.id.replace(/^[^-]*-/, "")).sort()"""
    )


def test_buttons_keys_and_slider(opened):
    stepper = step(example())
    last = len(stepper.frames) - 1
    page = opened(stepper.html)
    press = lambda what: page.click(f"[data-do={what}]")
    assert at(page) == 0
    assert page.locator("[data-do=previous]").is_disabled()
    press("next")
    press("next")
    assert at(page) == 2
    press("previous")
    assert at(page) == 1
    press("last")
    assert at(page) == last
    assert page.locator("[data-do=next]").is_disabled()
    press("first")
    assert at(page) == 0
    page.focus(".stepper")
    for key, place in [
        ("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", last), ("ArrowRight", last),
        ("Home", 0), ("ArrowLeft", 0),
    ]:  # fmt: skip
        page.keyboard.press(key)
        assert at(page) == place, key
    page.locator("input").fill("3")
    assert at(page) == 3
    assert page.locator(".place").inner_text() == f"4 of {last + 1}"
    assert "step 4: " in page.locator("input").get_attribute("aria-valuetext")


def test_play_goes_to_the_end_and_stops(opened):
    page = opened(step(example()).html.replace("}, 900);", "}, 20);"))
    page.focus(".stepper")
    page.keyboard.press(" ")
    assert page.locator("[data-do=play]").get_attribute("aria-label") == "Pause"
    page.wait_for_selector("[data-do=play][aria-pressed=false]")
    assert page.locator("[data-do=next]").is_disabled()
    page.click("[data-do=play]")  # from the beginning again
    page.click("[data-do=play]")
    assert page.locator("[data-do=play]").get_attribute("aria-pressed") == "false"
    assert page.locator("[data-do=next]").is_enabled()


def test_the_numbers_are_the_engines_at_every_step(opened):
    """What has not arrived yet is blank; forwards and backwards give the same."""
    y = example()
    stepper = step(y)
    page = opened(stepper.html)
    data, grad, seen = {}, {}, []
    for frame in stepper.frames:
        data |= frame.data
        grad |= frame.grad
        shown = fields(page)
        for i, node in enumerate(topological(y)):
            *_, a = shown[f"v{i}"] if node.constant else shown[f"v{i}"][:-1]
            assert a == f"data {data[f'v{i}']}" if f"v{i}" in data else a == "data"
            if not node.constant:
                want = f"grad {grad[f'v{i}']}" if f"v{i}" in grad else "grad"
                assert shown[f"v{i}"][-1] == want
        assert hot(page) == sorted(frame.hot)
        assert page.locator(".title").inner_text() == frame.title
        assert page.locator("math").count() == len(frame.lines)
        seen.append(shown)
        page.evaluate("document.querySelector('[data-do=next]').click()")
    y.backward()
    for i, node in enumerate(topological(y)):
        if not node.constant:
            assert seen[-1][f"v{i}"][-1] == f"grad {number(node.grad, '.4g')}"
    for shown in reversed(seen[:-1]):
        page.click("[data-do=previous]")
        assert fields(page) == shown


def test_a_click_on_a_value_leads_to_its_steps(opened):
    stepper = step(example())
    page = opened(stepper.html)
    places = [n for n, frame in enumerate(stepper.frames) if "v0" in frame.hot]
    for n in [*places, places[0]]:
        page.evaluate(
            """document.querySelector('g[id$="-v0"] text').dispatchEvent(new MouseEvent("click", {bubbles: true}))"""
        )
        assert at(page) == n


def test_hostile_labels_run_no_script(opened):
    x = Value(2.0, HOSTILE)
    page = opened(step(x * x).html)
    for title in [f"v1 = {HOSTILE} · {HOSTILE}", "The gradient starts at v1"]:
        page.evaluate("document.querySelector('[data-do=next]').click()")
        assert page.locator(".title").inner_text() == title
    page.click("[data-do=last]")
    assert page.evaluate("window.hit") is None
    assert fields(page)["v0"][0] == HOSTILE
    assert page.locator("img").count() == 0


def test_in_a_notebook_it_is_an_iframe_that_grows(opened):
    """Without one, as in an untrusted notebook, the drawing shows."""
    bundle = step(example())._repr_mimebundle_()
    page = opened(f"<!doctype html><body>{bundle['text/html']}</body>")
    frame = page.frame_locator("iframe")
    frame.locator("[data-do=next]").click()
    assert frame.locator(".place").inner_text().startswith("2 of ")
    page.wait_for_function("document.querySelector('iframe').offsetHeight > 240")
    assert not page.locator("img").is_visible()
    page.evaluate("document.querySelector('iframe').remove()")
    assert page.locator("img").is_visible()
    assert page.evaluate("document.querySelector('img').naturalWidth") > 100
    assert bundle["image/svg+xml"].startswith("<svg")
    assert bundle["text/plain"] == "<stepper of 13 steps; .save('steps.html') writes it>"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_wide_graph_scrolls_to_what_is_marked(opened, theme):
    model = MLP(2, [3, 1], "tanh", rng=0)
    loss = (model([Value(0.5, "x1"), Value(-1.0, "x2")]) - 1.0) ** 2
    stepper = step(loss, model, theme=theme)
    page = opened(stepper.html)
    for _ in stepper.frames[1:]:
        page.evaluate("document.querySelector('[data-do=next]').click()")
        inside = page.evaluate(
            """() => {
                const view = document.querySelector(".graph").getBoundingClientRect();
                return [...document.querySelectorAll(".node.hot")].every((each) => {
                    const box = each.getBoundingClientRect();
                    return box.right > view.left && box.left < view.right;
                });
            }"""
        )
        assert inside
    assert page.evaluate("document.scrollingElement.scrollTop") == 0


# ------------------------------------------------------------------------------ without a browser


def test_a_page_for_100_values_is_small():
    x = node = Value(0.5, "x")
    while len(topological(node)) < 100:
        node = (node * x).tanh()
    assert len(step(node).html.encode()) < 1_000_000


def test_the_same_graph_is_the_same_page():
    assert step(example()).html == step(example()).html


def test_nothing_is_loaded_from_elsewhere():
    page = step(example()).html
    urls = set(re.findall(r"https?://[^\s\"'<)]+", page))
    assert urls == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert not re.search(r"\b(src|href)=(?!\"#)", page)


def test_what_is_refused(tmp_path):
    x = Value(1.0, "x")
    with pytest.raises(ValueError, match=r"a stepper is saved as .html, got 'steps.svg'"):
        step(x * 2.0).save("steps.svg")
    assert step(x * 2.0).save(tmp_path / "s.html").read_text("utf-8").startswith("<!doctype html>")
    node = x
    for _ in range(300):
        node = node.tanh()
    with pytest.raises(ValueError, match="301 values are more than the 250 that can be followed"):
        step(node)
    with pytest.raises(ValueError, match="theme is one of light, dark, got 'x'"):
        step(x * 2.0, theme="x")
    with pytest.raises(TypeError, match="a graph of Values is stepped through, got 3"):
        step(3)
