"""The stepper's page in a browser: controls, numbers, details of values, and no requests.

Requires playwright and Chromium or Google Chrome. Without them the tests are skipped, or fail in CI.
"""

import re

import pytest

from browsers import HOSTILE, chromium, fields, hot
from engine import Value, explain, mistakes, record_origins, topological
from engine.draw import step
from engine.draw.theme import format_number
from nn import MLP


def example():
    """Return a graph with a value used twice, a constant, and a negative number."""
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
    """Yield a function that opens a page; the page must request nothing and report no error."""
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


def test_keys_work_without_a_click_and_at_both_ends(opened):
    """A pressed button keeps the focus where it is disabled."""
    stepper = step(example())
    page = opened(stepper.html)
    page.keyboard.press("ArrowRight")
    assert at(page) == 1
    for end, key in [("last", "ArrowLeft"), ("first", "ArrowRight")]:
        page.click(f"[data-do={end}]")
        before = at(page)
        page.keyboard.press(key)
        assert abs(at(page) - before) == 1


def test_steps_are_announced_to_screen_readers(opened):
    """Screen readers do not see the drawing."""
    page = opened(step(Value(3.0, "x") * 2.0).html)
    announced = []
    for _ in range(4):
        page.keyboard.press("ArrowRight")
        announced.append(page.locator(".live").text_content())
    assert announced[0] == "v2 = x · 2. now 6"
    assert announced[2] == "From v2 to x. now 2"


def test_play_stops_at_the_end(opened):
    page = opened(step(example()).html.replace("}, 900);", "}, 200);"))
    page.keyboard.press(" ")
    assert page.locator("[data-do=play]").get_attribute("aria-label") == "Pause"
    page.wait_for_selector("[data-do=play][aria-label=Play]")
    assert page.locator("[data-do=next]").is_disabled()
    page.click("[data-do=play]")  # starts again at the first step
    page.click("[data-do=play]")
    assert page.locator("[data-do=play]").get_attribute("title") == "Play"
    assert page.locator("[data-do=next]").is_enabled()


def test_the_numbers_at_every_step_are_those_of_the_engine(opened):
    """Numbers not yet computed are blank, and stepping back shows the same as stepping forwards."""
    y = example()
    stepper = step(y)
    page = opened(stepper.html)
    data, grad, shown = {}, {}, []
    for frame in stepper.frames:
        data |= frame.data
        grad |= frame.grad
        texts = fields(page)
        for i, node in enumerate(topological(y)):
            *_, a = texts[f"v{i}"] if node.constant else texts[f"v{i}"][:-1]
            assert a == f"data {data[f'v{i}']}" if f"v{i}" in data else a == "data"
            if not node.constant:
                want = f"grad {grad[f'v{i}']}" if f"v{i}" in grad else "grad"
                assert texts[f"v{i}"][-1] == want
        assert hot(page) == sorted(frame.marked)
        assert page.locator(".title").inner_text() == frame.title
        assert page.locator("math").count() == len(frame.lines)
        shown.append(texts)
        page.evaluate("document.querySelector('[data-do=next]').click()")
    y.backward()
    for i, node in enumerate(topological(y)):
        if not node.constant:
            assert shown[-1][f"v{i}"][-1] == f"grad {format_number(node.grad, '.4g')}"
    for texts in reversed(shown[:-1]):
        page.click("[data-do=previous]")
        assert fields(page) == texts


def click(page, value):
    page.evaluate(
        """(end) => document.querySelector(`g[id$="-${end}"] text`)
            .dispatchEvent(new MouseEvent("click", {bubbles: true}))""",
        value,
    )


def rows(page):
    """Return the steps that the details of a value link to: {"receives": [9, 12]}."""
    return page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll(".facts .row")].map((row) =>
            [row.querySelector(".label").textContent,
             [...row.querySelectorAll(".jump")].map((each) => Number(each.textContent))]))"""
    )


def test_a_click_on_a_value_shows_its_details_and_links_its_steps(opened):
    y = example()
    stepper = step(y)
    page = opened(stepper.html)
    for i, node in enumerate(topological(y)):
        click(page, f"v{i}")
        assert page.locator(".facts select").input_value() == str(i)
        assert page.locator(".facts .rule math").count() == len(stepper.facts[i].lines)
        links = rows(page)
        for n, frame in enumerate(stepper.frames, 1):
            computed = frame.kind == "forward" and frame.node == f"v{i}"
            assert (n in links.get("computed", [])) == computed
            assert (n in links.get("receives", [])) == (frame.to == f"v{i}")
            sends = frame.kind == "backward" and frame.node == f"v{i}"
            assert (n in links.get("sends", [])) == sends
            used = frame.kind == "forward" and f"v{i}" in frame.marked[3:]
            assert (n in links.get("used", [])) == used
        assert (links.get("sends") is None) == (node.op is None)
    click(page, "v0")
    for n in rows(page)["receives"]:
        page.click(f".jump[data-to='{n - 1}']")
        assert at(page) == n - 1
        assert page.locator("[data-on]").all_inner_texts() == [str(n)]


def test_the_keyboard_selects_a_value(opened):
    page = opened(step(example()).html)
    page.locator(".facts select").select_option(label="w (leaf)")
    assert rows(page) == {"used": [2], "receives": [12]}
    page.locator(".facts select").select_option("")
    assert "Click a value" in page.locator(".details").inner_text()


def test_the_line_that_made_a_value_is_shown(opened):
    with record_origins():
        x = Value(2.0, "x")
        y = x.exp()
    page = opened(step(y).html)
    click(page, "v0")
    assert page.locator(".origin").inner_text().endswith(': x = Value(2.0, "x")')
    click(page, "v1")
    assert page.locator(".origin").inner_text().endswith(": y = x.exp()")


def test_paths_are_marked_in_the_drawing(opened):
    """Each path of `explain` is marked with its arrows and product, until the next step."""
    y = example()
    order = topological(y)
    place = {node: f"v{i}" for i, node in enumerate(order)}
    page = opened(step(y).html)
    click(page, "v0")
    explanation = explain(y, order[0])
    assert len(explanation.paths) == 2
    assert "It adds up to 0.133 along 2 paths to y:" in page.locator(".facts .summary").inner_text()
    for rank, path in enumerate(explanation.paths):
        page.click(f".path[data-rank='{rank}']")
        assert page.locator(".title").inner_text() == f"Path {rank + 1} of 2 from x to y"
        marked = hot(page)
        assert [id for id in marked if id[0] == "v"] == sorted(place[x] for x in path.nodes)
        assert sum(id[0] == "e" and "-" in id for id in marked) == len(path.locals)
        *_, product = page.locator(".formula math").last.text_content().split("=")
        assert product == format_number(path.product, ".4g")
        assert page.locator(".path[data-on] .product").inner_text() == product
    before = at(page)
    page.click("[data-do=next]")
    assert at(page) == before + 1
    assert page.locator("[data-on].path").count() == 0
    assert page.locator(".kind").inner_text() != "path"


@pytest.mark.parametrize("run", [1, 2])
def test_wrong_passes_show_the_correct_gradients(opened, run):
    a = Value(2.0, "a")
    b = a * 3.0
    b.label = "b"
    y = b + (b.exp() * 1e-2).log() * a
    mistake = mistakes(y)[run - 1]
    place = {node: f"v{i}" for i, node in enumerate(topological(y))}
    page = opened(step(y).html)
    assert page.locator("[data-do=mistake]").is_hidden()
    page.click(f"[data-run='{run}']")
    under = lambda: page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll(".right")]
            .map((text) => [text.dataset.of, text.textContent]))"""
    )
    right = {place[node]: format_number(x, ".4g") for node, x in mistake.right.items()}
    assert under() == {name: f"correct {x}" for name, x in right.items()}
    page.click("[data-do=mistake]")
    assert "This is the first wrong gradient." in page.locator(".note").inner_text()
    page.click("[data-do=last]")
    wrong = {place[node] for node in mistake.wrong}
    first = place[mistake.first]
    marks = {name: f"≠ {x}" if name in wrong else f"correct {x}" for name, x in right.items()}
    assert under() == {**marks, first: marks[first] + ", first wrong"}
    assert page.locator(".title").inner_text().startswith(f"{len(wrong)} of {len(right)} grad")
    page.click("[data-run='0']")
    assert set(under().values()) == {""}
    assert page.locator(".wrong").count() == 0
    page.click(f"[data-run='{run}']")  # where it was left
    assert page.locator("[data-do=next]").is_disabled()


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


def test_a_lone_surrogate_is_replaced_as_in_the_drawing():
    page = step(Value(2.0, "a\ud800") * 2.0).html
    assert "a\ufffd" in page.encode().decode()


def test_a_notebook_shows_an_iframe_that_grows(opened):
    """Without the iframe, as in an untrusted notebook, the drawing is visible."""
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
    assert bundle["text/plain"] == "<stepper of 13 steps; save it with .save('steps.html')>"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_wide_graph_scrolls_to_the_marked_part(opened, theme):
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


def test_a_large_graph_starts_at_its_beginning(opened):
    model = MLP(2, [3, 1], "tanh", rng=0)
    page = opened(step(model([0.5, -1.0]), model).html)
    page.set_viewport_size({"width": 900, "height": 420})
    page.reload()
    scrolled = page.evaluate(
        "(({scrollLeft, scrollTop, scrollHeight, clientHeight}) => [scrollLeft, scrollTop, scrollHeight > clientHeight])(document.querySelector('.graph'))"
    )
    assert scrolled == [0, 0, True]


@pytest.mark.parametrize("width", [400, 1000])
def test_the_value_of_each_step_is_visible(opened, width):
    x = root = Value(0.5, "x")
    for i in range(40):
        root = root.tanh() if i % 2 else root * x
    page = opened(step(root).html)
    page.set_viewport_size({"width": width, "height": 700})
    for frame in step(root).frames[1:-1]:
        page.evaluate("document.querySelector('[data-do=next]').click()")
        assert page.evaluate(
            """(id) => {
                const view = document.querySelector(".graph").getBoundingClientRect();
                const box = document.querySelector(`g[id$="-${id}"]`).getBoundingClientRect();
                return box.left >= view.left - 1 && box.right <= view.right + 1
                    && box.top >= view.top - 1 && box.bottom <= view.bottom + 1;
            }""",
            frame.to or frame.node or frame.marked[0],
        ), frame.title


def test_a_page_that_is_hidden_first_grows_when_shown(opened):
    bundle = step(example())._repr_mimebundle_()
    page = opened(f"<!doctype html><body><div style='display:none'>{bundle['text/html']}</div>")
    page.evaluate("document.querySelector('div').style.display = 'block'")
    page.wait_for_function(
        "document.querySelector('iframe').contentDocument.querySelector('.graph svg').getBoundingClientRect().width > 300"
    )


# ------------------------------------------------------------------------------ without a browser


def test_a_page_for_100_values_is_small():
    x = node = Value(0.5, "x")
    while len(topological(node)) < 100:
        node = (node * x).tanh()
    assert len(step(node).html.encode()) < 1_000_000


def test_the_same_graph_gives_the_same_page():
    assert step(example()).html == step(example()).html


def test_the_page_links_to_nothing():
    page = step(example()).html
    urls = set(re.findall(r"https?://[^\s\"'<)]+", page))
    assert urls == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert not re.search(r"\b(src|href)=(?!\"#)", page)


def test_wrong_arguments_are_refused(tmp_path):
    x = Value(1.0, "x")
    with pytest.raises(ValueError, match=r"a stepper can be saved as .html, .htm, got 'steps.svg'"):
        step(x * 2.0).save("steps.svg")
    assert step(x * 2.0).save(tmp_path / "s.html").read_text("utf-8").startswith("<!doctype html>")
    node = x
    for _ in range(300):
        node = node.tanh()
    assert len(step(node).frames) < 20  # coarsely
    with pytest.raises(ValueError, match="theme must be one of light, dark, got 'x'"):
        step(x * 2.0, theme="x")
    with pytest.raises(TypeError, match="step expects a Value as root, got 3"):
        step(3)
