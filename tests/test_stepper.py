"""The stepper's page in a browser: controls, numbers, details of values, and no requests.

Requires playwright and Chromium or Google Chrome. Without them the tests are skipped, or fail in CI.
"""

import re

import pytest
from hypothesis import given

from browsers import HOSTILE, chromium, fields, hot, watched
from engine import Op, Value, explain, mistakes, record_origins, topological, total
from engine.draw import step
from engine.draw.formulas.shortening import shorten_name
from engine.draw.graph.room import MARK_SIZE
from engine.draw.look.scene import measure
from engine.draw.look.theme import SIZES, format_number
from nn import MLP
from strategies import examples, programs


def example():
    """Return a graph with a value used twice, a constant, and a negative number."""
    x, w = Value(-0.5, "x"), Value(2.0, "w")
    y = (x * w + x * 3.0).tanh()
    y.label = "y"
    return y


@pytest.fixture(scope="module")
def tab():
    with chromium() as browser:
        yield browser.new_page(reduced_motion="reduce")


@pytest.fixture
def opened(tab, tmp_path):
    """Yield a function that opens a page; the page must request nothing and report no error."""
    asked = []
    note = lambda request: asked.append(request.url)

    def open_(html):
        path = tmp_path / "page.html"
        path.write_text(html, "utf-8")
        tab.set_viewport_size({"width": 1000, "height": 700})
        tab.goto(path.as_uri())
        return tab

    tab.on("request", note)
    with watched(tab):
        yield open_
    tab.remove_listener("request", note)
    assert [url for url in asked if not url.startswith(("file:", "data:", "about:"))] == []


def choose(page, **settings):
    """Choose a text size or a speed."""
    page.click(".settings summary")
    for name, label in settings.items():
        page.select_option(f"[data-set={name}]", label=label)
    page.click(".settings summary")
    page.focus(".stepper")


def collect(page, script, steps):
    """Return the elements of the lists that a script returns at each step, in one call."""
    return page.evaluate(
        f"""(steps) => Array.from({{ length: steps }}, (_, n) => {{
            if (n) document.querySelector("[data-do=next]").click();
            return ({script})();
        }}).flat()""",
        steps,
    )


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
    page.locator(".bar input").fill("3")
    assert at(page) == 3
    assert page.locator(".place").inner_text() == f"4 of {last + 1}"
    assert "step 4: " in page.locator(".bar input").get_attribute("aria-valuetext")


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
    assert announced[0] == "v₂ = x · 2. now 6"
    assert announced[2] == "From v₂ to x. now 2"


# In one script, so that the last step is not reached between the clicks.
CLICK_PLAY_TWICE = """() => {
    const play = document.querySelector("[data-do=play]"), texts = [play.title];
    for (const _ of [1, 2]) {
        play.click();
        texts.push(play.getAttribute("aria-label"));
    }
    return texts;
}"""


def test_play_stops_at_the_end(opened):
    page = opened(step(example()).html)
    choose(page, speed="very fast")
    page.keyboard.press(" ")
    page.wait_for_selector("[data-do=next][aria-disabled=true]")
    page.wait_for_selector("[data-do=play][aria-label=Play]")
    texts = page.evaluate(CLICK_PLAY_TWICE)  # starts again at the first step, and stops there
    assert texts == ["Play", "Pause", "Play"]
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
        assert page.locator(".formula math").count() == len(frame.lines)
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
    assert (
        "gradient adds up to 0.133 along 2 paths to y:"
        in page.locator(".facts .summary").inner_text()
    )
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
    below = lambda: page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll(".below")]
            .map((text) => [text.closest("g[id]").id.split("-")[1], text.textContent]))"""
    )
    right = {place[node]: format_number(x, ".4g") for node, x in mistake.right.items()}
    assert below() == {name: f"true {x}" for name, x in right.items()}
    page.click("[data-do=mistake]")
    assert "This is the first mistake." in page.locator(".note").inner_text()
    page.click("[data-do=last]")
    wrong = {place[node] for node in mistake.wrong_at_end}
    early = {} if run == 2 else {place[b]: f"✓ but sent {mistake.gradients[b]:g}"}
    marks = {name: f"✗ true {x}" if name in wrong else "✓ correct" for name, x in right.items()}
    assert below() == marks | early
    assert page.locator("[data-state=wrong]").count() == len(wrong)
    assert page.locator(".title").inner_text().startswith(f"{len(wrong)} of {len(right)} grad")
    page.click("[data-run='0']")
    assert set(below().values()) == {""}
    assert page.locator("[data-state=wrong]").count() == 0
    page.click(f"[data-run='{run}']")  # where it was left
    assert page.locator("[data-do=next]").is_disabled()


@pytest.mark.parametrize("direction", ["right", "down"])
def test_marks_in_cards_are_signs_that_fit_into_their_rows(opened, direction):
    model = MLP(2, [2, 2, 1], "tanh", rng=0)
    loss = (model([Value(0.5, "x1"), Value(-1.0, "x2")]) - 1.0) ** 2
    stepper = step(loss, model, level="values", direction=direction)
    page = opened(stepper.html)
    overlaps = """() => {
        const texts = [...document.querySelectorAll(".graph text")].filter((text) => text.textContent);
        const boxes = texts.map((text) => text.getBoundingClientRect());
        return texts.flatMap((a, i) => texts.slice(i + 1).filter((b, k) => {
            const [p, q] = [boxes[i], boxes[i + 1 + k]];
            return p.left < q.right - 1 && q.left < p.right - 1 && Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 0.3 * p.height;
        }).map((b) => [a.textContent, b.textContent]));
    }"""
    page.click("[data-run='2']")
    assert "in parentheses" in page.inner_text(".note")
    assert page.locator(".signed.due").count() > 10
    last = stepper.runs[2].frames[-1]
    assert collect(page, overlaps, len(stepper.runs[2].frames)) == []
    assert page.inner_text(".title") == last.title
    wrong = page.locator(".signed.wrong")
    marks = {id: mark for frame in stepper.runs[2].frames for id, mark in frame.marks.items()}
    assert wrong.count() == sum(mark.kind == "wrong" for mark in marks.values()) > 0
    assert wrong.first.evaluate("(text) => text.firstChild.textContent").startswith("✗\u2009")
    assert wrong.first.locator("title").text_content() in {mark.text for mark in marks.values()}
    page.click("[data-run='0']")
    assert page.locator(".signed").count() == 0


@pytest.mark.parametrize("direction", ["right", "down"])
def test_marks_and_numbers_stay_inside_their_cells(opened, direction):
    """In every frame of every run, since cells reserve the room for the widest texts."""
    a = Value(2.0, "a")
    b = a * 3.0
    y = b + (b.exp() * 1e-2).log() * a - b * 12345.678
    page = opened(step(y, direction=direction).html)
    for run in range(3):
        page.click(f"[data-run='{run}']")
        steps = int(page.locator(".bar input").get_attribute("max")) + 1
        assert collect(page, OVERFLOWS, steps) == []


@pytest.mark.parametrize("width", [390, 1400])
def test_long_formulas_wrap_and_unfold(opened, width):
    terms = [Value(0.5 * i, f"parameter_number_{i}") for i in range(40)]
    power = Op("weighted", lambda x, y: (x + y * (x - y) * (x + y + x * y)) / (x * x + y * y + 1.0),
               lambda out, x, y: x, lambda out, x, y: y)  # fmt: skip
    y = power(total(terms), terms[0])
    page = opened(step(y).html)
    page.set_viewport_size({"width": width, "height": 844})
    wide = lambda: page.evaluate(
        """() => [...document.querySelectorAll(".formula, .formula *")].filter((part) =>
            part.scrollWidth > part.clientWidth + 2 && part.className === "formula"
            || part.tagName === "math" && part.getBoundingClientRect().right > innerWidth).length"""
    )
    for _ in range(4):
        page.evaluate("document.querySelector('[data-do=next]').click()")
        assert wide() == 0
        text = page.locator(".formula").inner_text()
        page.evaluate(
            """() => document.querySelectorAll(".formula .dots").forEach((dots) =>
                dots.dispatchEvent(new MouseEvent("click", {bubbles: true})))"""
        )
        assert wide() == 0
        assert page.locator(".dots:visible").count() == 0
        unfolded = page.locator(".formula").inner_text()
        assert ("⋯" in text) == (len(unfolded) > len(text))
        assert "⋯" not in unfolded


def test_long_names_are_whole_on_hover(opened):
    """In the drawing, the list of values, the heading and the paths."""
    names = [f"the_weight_of_input_{i}_in_the_hidden_layer_of_the_network" for i in (1, 2)]
    page = opened(step(Value(2.0, names[0]) * Value(3.0, names[1])).html)
    page.click("[data-do=next]")
    short = "the_we…t_1_i…etwork"
    assert fields(page)["v0"][0] == short
    title = page.evaluate("document.querySelector('g[id$=-v0] title').textContent")
    assert title == names[0]
    assert page.locator(".facts option").nth(1).get_attribute("title") == names[0]
    assert page.locator(".title").get_attribute("title") == "\n".join(names)
    assert short in page.locator(".title").inner_text()
    click(page, "v0")
    assert page.locator(".path").get_attribute("title") == f"{names[0]} → v2"


OVERFLOWS = """() => [...document.querySelectorAll("g[id]")].filter((g) => /-v\\d+$/.test(g.id)).flatMap((g) => {
    const texts = [...g.querySelectorAll("text")].filter((text) => text.textContent.trim());
    const boxes = texts.map((text) => [text.textContent, text.getBBox()]);
    const cell = g.querySelector("path, polygon").getBBox();
    const lines = [...g.querySelectorAll("polyline")].map((line) => line.getBBox());
    const meet = (p, q) => Math.min(p.x + p.width, q.x + q.width) - Math.max(p.x, q.x) > 0.1
        && Math.min(p.y + p.height, q.y + q.height) - Math.max(p.y, q.y) > 2.5; // of ascent and descent
    return boxes.filter(([_, box], i) => box.x < cell.x || box.x + box.width > cell.x + cell.width
        || box.y < cell.y - 1 || box.y + box.height > cell.y + cell.height + 1
        || lines.some((line) => line.x > box.x && line.x < box.x + box.width && line.height > 1)
        || boxes.some(([_, other], j) => i !== j && meet(box, other))).map(([text]) => text);
})"""


def test_hostile_labels_run_no_script(opened):
    """The label is shortened, and whole on hover."""
    x = Value(2.0, HOSTILE)
    page = opened(step(x * x).html)
    short = shorten_name(HOSTILE)
    for title in [f"v₁ = ({short}) · ({short})", "The gradient starts at v₁"]:
        page.evaluate("document.querySelector('[data-do=next]').click()")
        assert page.locator(".title").inner_text() == title
    page.click("[data-do=last]")
    assert page.locator(".facts option").nth(1).get_attribute("title") == HOSTILE
    assert page.evaluate("document.querySelector('g[id$=-v0] title').textContent") == HOSTILE
    assert page.evaluate("window.hit") is None
    assert fields(page)["v0"][0] == short
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
    stepper = step(loss, model, level="values", theme=theme)
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
    model = MLP(2, [5, 5, 1], "tanh", rng=0)
    page = opened(step(model([0.5, -1.0]), model, level="values").html)
    page.set_viewport_size({"width": 900, "height": 420})
    page.reload()
    scrolled = page.evaluate(
        "(({scrollLeft, scrollTop, scrollHeight, clientHeight}) => [scrollLeft, scrollTop, scrollHeight > clientHeight])(document.querySelector('.graph'))"
    )
    assert scrolled == [0, 0, True]


def test_the_value_of_each_step_is_visible(opened):
    x = root = Value(0.5, "x")
    for i in range(40):
        root = root.tanh() if i % 2 else root * x
    stepper = step(root)
    page = opened(stepper.html)
    values = [frame.to or frame.node or frame.marked[0] for frame in stepper.frames[1:-1]]
    for width in (400, 1000):
        page.set_viewport_size({"width": width, "height": 700})
        page.evaluate("document.querySelector('[data-do=first]').click()")
        hidden = page.evaluate(
            """(values) => values.filter((id) => {
                document.querySelector("[data-do=next]").click();
                const view = document.querySelector(".graph").getBoundingClientRect();
                const box = document.querySelector(`.hot:is([id$="-${id}"], [data-of="${id}"])`).getBoundingClientRect();
                return box.left < view.left - 1 || box.right > view.right + 1
                    || box.top < view.top - 1 || box.bottom > view.bottom + 1;
            })""",
            values,
        )
        assert hidden == []


def test_a_page_that_is_hidden_first_grows_when_shown(opened):
    bundle = step(example())._repr_mimebundle_()
    page = opened(f"<!doctype html><body><div style='display:none'>{bundle['text/html']}</div>")
    page.evaluate("document.querySelector('div').style.display = 'block'")
    page.wait_for_function(
        "document.querySelector('iframe').contentDocument.querySelector('.graph svg').getBoundingClientRect().width > 300"
    )


# ------------------------------------------------------------------------------ without a browser


@examples(6)
@given(program=programs(longest=8))
def test_cells_have_room_for_every_gradient_and_mark(program):
    """The field is as wide as a usual number and its marks, the cell as high as two lines."""
    root = Value.lift(program.on_values()[-1])
    if root.constant:
        return
    stepper = step(root)
    order = topological(root)
    usual = [("grad −0.01235", SIZES.text), ("✗ true −0.01235", MARK_SIZE)]
    texts = {f"v{i}": usual for i, node in enumerate(order) if not node.constant}
    cells = re.findall(r'<g id="[^"]*-(v\d+)" class="node">(.*?)</g>', stepper.drawing.svg, re.S)
    for id, cell in cells:
        if id not in texts:
            continue  # a constant
        *_, outline = re.findall(r'<(?:polygon|path)[^>]* (?:points|d)="([^"]*)"', cell)
        xs, ys = (
            [float(x) for x in pair]
            for pair in zip(*re.findall(r"(-?[\d.]+),(-?[\d.]+)", outline), strict=True)
        )
        *_, line = re.findall(r'<polyline[^>]* points="(-?[\d.]+),', cell)
        widest = max(measure(text, size, bold=size == MARK_SIZE) for text, size in texts[id])
        assert widest <= max(xs) - float(line)
        assert max(ys) - min(ys) >= 28.0


def test_a_page_for_100_values_is_small():
    x = node = Value(0.5, "x")
    while len(topological(node)) < 100:
        node = (node * x).tanh()
    assert len(step(node).html.encode()) < 300_000


def test_the_same_graph_gives_the_same_page():
    assert step(example()).html == step(example()).html


def test_the_page_links_to_nothing():
    page = step(example()).html
    urls = set(re.findall(r"https?://[^\s\"'<)]+", page))
    assert urls == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert not re.search(r"\b(src|href)=(?!\"#)", page)


def test_wrong_arguments_are_refused(tmp_path):
    x = Value(1.0, "x")
    with pytest.raises(
        ValueError, match=r"a stepper can be saved as .html, .htm, .svg, .* got 'a.gif'"
    ):
        step(x * 2.0).save("a.gif")
    assert step(x * 2.0).save(tmp_path / "s.html").read_text("utf-8").startswith("<!doctype html>")
    node = x
    for _ in range(300):
        node = node.tanh()
    assert len(step(node).frames) < 20  # coarsely
    with pytest.raises(ValueError, match="theme must be one of auto, light, dark, got 'x'"):
        step(x * 2.0, theme="x")
    with pytest.raises(TypeError, match="; combine its elements"):
        step([Value(1.0)])
    with pytest.raises(TypeError, match="; call it first"):
        step(step)
    with pytest.raises(TypeError, match="step expects a Value or an Array, got 3"):
        step(3)
