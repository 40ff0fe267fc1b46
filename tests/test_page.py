"""The stepper's page at several sizes of the window: layout, zoom, touch, settings, the address.

Requires the browser of tests/browsers.py.
"""

import pytest

from browsers import chromium, fields, hot, watched
from engine import Value, total
from engine.draw import step
from engine.draw.page.html import PageView, write_page
from nn import MLP, scalar, vector

SIZES = [(2560, 1300), (1400, 900), (800, 600), (700, 450), (390, 844)]
sizes = pytest.mark.parametrize(("width", "height"), SIZES)


def neuron():
    x1, x2, w1, w2 = Value(2.0, "x1"), Value(0.0, "x2"), Value(-3.0, "w1"), Value(1.0, "w2")
    n = x1 * w1 + x2 * w2 + Value(6.8813735870195432, "b")
    n.label = "n"
    o = n.tanh()
    o.label = "o"
    return o


def network():
    model = MLP(2, [3, 1], "tanh", rng=0)
    return (model([Value(0.5, "x1"), Value(-1.0, "x2")]) - 1.0) ** 2, model


def recurrence():
    """Return a state after several steps, whose weights are drawn at each use."""
    h, w, u = Value(0.0, "h"), Value(0.5, "w"), Value(0.3, "u")
    for i in range(12):
        h = (w * h + u * Value(0.1 * i, f"x{i}")).tanh()
    return h


def long_chain():
    """Return a graph of more values than a page computes: it replays their numbers."""
    x = Value(1.0, "x")
    y = x
    for _ in range(8000):
        y = y * 1.001
    return y


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Return the folder of the pages."""
    folder = tmp_path_factory.mktemp("pages")
    step(neuron()).save(folder / "neuron.html")
    step(*network(), level="values").save(folder / "network.html")
    step(recurrence()).save(folder / "recurrence.html")
    model = scalar.GPT(3, 4, 2, positions=2, rng=0)
    step(model.loss([0, 1, 2]), model, level="blocks").save(folder / "boxes.html")
    step(long_chain()).save(folder / "long.html")
    return folder


@pytest.fixture(scope="module")
def tab():
    with chromium() as browser:
        yield browser.new_page(reduced_motion="reduce")


@pytest.fixture
def opened(tab, pages):
    """Yield a function that opens a page in a window of a size; no page may report an error."""

    def open_(name, width=1400, height=900, address="", color_scheme="light"):
        tab.goto("about:blank")
        tab.set_viewport_size({"width": width, "height": height})
        tab.emulate_media(color_scheme=color_scheme)
        tab.goto((pages / f"{name}.html").as_uri() + address)
        return tab

    with watched(tab):
        yield open_


def at(page):
    return int(page.get_attribute(".stepper", "data-step"))


def test_the_title_names_the_expression(opened):
    page = opened("neuron")
    assert page.title() == "o = tanh(n) – backpropagation, step by step"
    assert page.inner_text(".trail") == "o = tanh(n)"


def test_texts_of_the_drawing_follow_the_theme(opened):
    page = opened("neuron", color_scheme="dark")
    text = "document.querySelector('.graph text')"
    assert page.evaluate(f"getComputedStyle({text}).fill") == "rgb(232, 234, 237)"


def test_a_page_that_replays_its_numbers_steps(opened):
    page = opened("long")
    page.click("[data-do=next]")
    assert at(page) == 1
    assert page.locator(".free").count() == 0


def test_a_step_marks_the_copies_at_its_arrows(opened):
    page = opened("recurrence")
    frames = step(recurrence()).frames
    state = """([n, id]) => {
        stepgrad.goto(n);
        const copies = [...document.querySelectorAll("[data-of]")], texts = (x) => [...x.querySelectorAll("text")];
        return [
            copies.filter((x) => x.matches(".hot")).map((x) => x.dataset.at),
            copies.filter((x) => x.dataset.of === id).map((x) => texts(x).map((text) => text.textContent.trim())),
        ];
    }"""
    places = page.evaluate("[...document.querySelectorAll('[data-of]')].map((x) => x.dataset.at)")
    at_copy = {arrow: place for place in places for arrow in place.split()}
    tried = 0
    for n, frame in enumerate(frames):
        arrows = [arrow for arrow in frame.marked if arrow in at_copy]
        if frame.kind == "backward" and frame.to in ("v0", "v3") and arrows:
            marked, numbers = page.evaluate(state, [n + 1, frame.to])
            assert {*marked} == {at_copy[x] for x in arrows}
            assert all(f"grad {frame.grad[frame.to]}" in lines for lines in numbers)
            tried += 1
    assert tried > 3


# ------------------------------------------------------------------------------------- geometry


# Returns the steps whose value is not inside the drawing's part of the window, with its box.
HIDDEN_STEPS = """(frames) => {
    const hidden = [], next = document.querySelector("[data-do=next]");
    frames.forEach((id, n) => {
        if (n) next.click();
        if (!id) return;
        const view = document.querySelector(".graph").getBoundingClientRect();
        const box = document.querySelector(`g[id$="-${id}"]`).getBoundingClientRect();
        const inside = box.left >= view.left - 1 && box.right <= view.right + 1
            && box.top >= view.top - 1 && box.bottom <= view.bottom + 1
            && view.left >= 0 && view.right <= innerWidth && view.top >= 0 && view.bottom <= innerHeight;
        if (!inside) hidden.push([n, id, box.x, box.y, view.width, view.height]);
    });
    return hidden;
}"""
# Returns pairs of visible controls that overlap, and controls that are outside the window.
CONTROLS = """() => {
    const controls = [...document.querySelectorAll("button, input, select, summary, .place, .trail")]
        .filter((each) => each.checkVisibility() && !each.closest(".details"))
        .map((each) => [each.dataset.do ?? each.dataset.run ?? each.className + each.tagName, each.getBoundingClientRect()]);
    const troubles = [];
    controls.forEach(([name, a], i) => {
        if (a.left < 0 || a.top < 0 || a.right > innerWidth || a.bottom > innerHeight) troubles.push([name, a.x, a.y]);
        for (const [other, b] of controls.slice(i + 1)) {
            if (a.left < b.right - 0.5 && b.left < a.right - 0.5 && a.top < b.bottom - 0.5 && b.top < a.bottom - 0.5
                && !(name.length === 1 && Math.abs(a.right - b.left) < 2)) troubles.push([name, other]);
        }
    });
    return troubles;
}"""


@sizes
def test_the_marked_step_is_in_sight_and_no_control_is_cut(opened, width, height):
    page = opened("network", width, height)
    frames = step(*network(), level="values").frames
    ids = [frame.to or frame.node or (frame.marked or [""])[0] for frame in frames]
    assert page.evaluate(HIDDEN_STEPS, ids) == []
    assert at(page) == len(ids) - 1
    assert page.evaluate(CONTROLS) == []
    assert page.evaluate(
        "[document.documentElement.scrollWidth <= innerWidth, document.documentElement.scrollHeight <= innerHeight]"
    ) == [True, True]


# Returns the steps, at five places of each pass, whose marks or texts are not in sight.
OUT_OF_SIGHT = """() => {
    const find = (part) => document.querySelector(part), box = (each) => each.getBoundingClientRect(), hidden = [];
    const passes = Math.max(1, document.querySelectorAll("[data-run]").length);
    for (let pass = 1; pass <= passes; pass++) {
        stepgrad.goto({ step: 1, pass });
        const last = Number(find(".bar input").max);
        for (const n of [1, 0.3 * last, 0.6 * last, last - 1, last].map(Math.floor)) {
            stepgrad.goto(n + 1);
            const view = box(find(".graph")), step = find(".step"), formula = find(".formula");
            const isIn = ({ left, right, top, bottom }) => left >= view.left - 1 && right <= view.right + 1
                && top >= view.top - 1 && bottom <= view.bottom + 1;
            const isFit = find(".note.alarm") ? step.scrollHeight <= step.clientHeight + step.scrollTop + 1
                : box(formula).bottom <= box(step).bottom + 1; // a longer note scrolls
            if (![...document.querySelectorAll(".hot")].map(box).every(isIn)) hidden.push([pass, n + 1, "marks"]);
            if (!isFit || formula.scrollWidth > formula.clientWidth + 1) hidden.push([pass, n + 1, "text"]);
        }
    }
    return hidden;
}"""


def test_pages_of_all_kinds_show_marks_and_texts(opened, pages):
    """Arrays, a network as cards, and incorrect passes, in one window that changes its size."""
    a = Value(0.5, "a")
    b = a * 3.0
    b.label = "b"
    model = MLP(3, [4, 4, 1], "tanh", rng=0)
    samples = [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]]
    loss = total([(model(x) - 1.0) ** 2 for x in samples])
    arrays = vector.MLP(2, [3, 1], "tanh", rng=0)
    figures = {
        "order": step(b + b.exp()),
        "cards": step(loss, model, level="values"),
        "arrays": step((arrays([[0.0, 1.0], [1.0, 1.0]]) - [[1.0], [0.0]]).square().mean(), arrays),
    }
    page = opened("neuron")
    for name, figure in figures.items():
        figure.save(pages / f"{name}.html")
        page.goto((pages / f"{name}.html").as_uri())
        for width, height in [*SIZES[1::2], (390, 844), (1000, 500)]:
            page.set_viewport_size({"width": width, "height": height})
            page.evaluate(
                "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
            )
            assert (name, width, page.evaluate(OUT_OF_SIGHT)) == (name, width, [])


@sizes
def test_the_page_uses_the_window(opened, width, height):
    """The drawing and the panels fill the window, and a drawing fills its part in one direction."""
    page = opened("neuron", width, height)
    stage, console = (page.locator(part).bounding_box() for part in (".stage", ".console"))
    area = sum(box["width"] * box["height"] for box in (stage, console))
    assert area == pytest.approx(width * height, rel=0.01)
    assert stage["width"] * stage["height"] > 0.3 * width * height
    graph, svg = (page.locator(part).bounding_box() for part in ("div.graph", ".graph > svg"))
    across, down = (svg[side] / graph[side] for side in ("width", "height"))
    assert max(across, down) > 0.9


def scale(page):
    return page.evaluate("document.querySelector('.graph > svg').getBoundingClientRect().width")


def test_zoom_by_buttons_keys_and_wheel_and_fit(opened):
    page = opened("recurrence", 800, 600)
    first = scale(page)
    page.click("[data-view=in]")
    assert scale(page) == pytest.approx(1.25 * first, rel=1e-3)
    page.keyboard.press("-")
    assert scale(page) == pytest.approx(first, rel=1e-3)
    box = page.locator("div.graph").bounding_box()
    x, y = box["x"] + 200, box["y"] + 100
    under = "([x, y]) => { const box = document.querySelector('.graph > svg').getBoundingClientRect(); return [(x - box.x) / box.width, (y - box.y) / box.height]; }"
    before = page.evaluate(under, [x, y])
    page.mouse.move(x, y)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -40)
    page.keyboard.up("Control")
    page.wait_for_function(
        f"document.querySelector('.graph > svg').getBoundingClientRect().width > {1.2 * first}"
    )
    assert page.evaluate(under, [x, y]) == pytest.approx(before, abs=2e-3)  # the point stays
    page.keyboard.press("0")
    assert page.evaluate(
        """() => {
            const [svg, view] = [".graph > svg", ".graph"].map((each) => document.querySelector(each).getBoundingClientRect());
            return svg.left >= view.left && svg.right <= view.right && svg.top >= view.top && svg.bottom <= view.bottom;
        }"""
    )
    page.keyboard.press("0")  # back to the scale at which texts can be read
    assert scale(page) == pytest.approx(first, rel=1e-3)


def test_a_drag_pans_and_selects_nothing(opened):
    page = opened("recurrence", 800, 600)
    left = "document.querySelector('.graph').scrollLeft"
    page.keyboard.press("+")
    page.keyboard.press("Shift+ArrowRight")
    page.wait_for_function(f"{left} > 50")
    before = page.evaluate(left)
    page.mouse.move(400, 120)
    page.mouse.down()
    page.mouse.move(440, 130, steps=4)
    page.mouse.up()
    assert page.evaluate(left) == before - 40
    assert page.locator(".facts select").input_value() == ""
    assert at(page) == 0


# ------------------------------------------------------------------- touch, settings, the address


def test_touch_mentions_no_keys_and_a_swipe_steps(opened, tab, pages):
    assert "arrow key" in opened("neuron").inner_text(".note")
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    page = tab.context.browser.new_page(**phone)
    page.goto((pages / "neuron.html").as_uri())
    assert "key" not in page.inner_text(".stepper")
    assert "Swipe" in page.inner_text(".note")
    swipe = """([from, to]) => {
        const step = document.querySelector(".step");
        const touch = (clientX) => new Touch({ identifier: 1, target: step, clientX, clientY: 600 });
        step.dispatchEvent(new TouchEvent("touchstart", { touches: [touch(from)], bubbles: true }));
        step.dispatchEvent(new TouchEvent("touchend", { changedTouches: [touch(to)], bubbles: true }));
    }"""
    page.evaluate(swipe, [300, 150])
    page.evaluate(swipe, [300, 150])
    assert at(page) == 2
    page.evaluate(swipe, [150, 300])
    page.evaluate(swipe, [150, 170])  # too short
    assert at(page) == 1
    page.close()


def test_a_phone_says_that_boxes_open(tab, pages):
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    page = tab.context.browser.new_page(**phone)
    page.goto((pages / "neuron.html").as_uri())
    assert not page.is_visible(".details")  # its place is the step's
    page.goto((pages / "boxes.html").as_uri())
    assert page.is_visible(".details")
    assert page.inner_text(".details").startswith("Tap a box to open it.")
    page.close()


def test_settings_are_remembered(opened):
    page = opened("neuron")
    size = "parseFloat(getComputedStyle(document.querySelector('.title')).fontSize)"
    before = page.evaluate(size)
    page.click(".settings summary")
    page.select_option("[data-set=size]", label="large")
    page.select_option("[data-set=speed]", label="fast")
    assert page.evaluate(size) == pytest.approx(1.25 * before)
    page.reload()
    assert page.evaluate(size) == pytest.approx(1.25 * before)
    assert page.evaluate("document.querySelector('[data-set=speed]').value") == "2"


def test_the_address_holds_the_step_and_the_value(opened):
    page = opened("neuron", address="#step=12&value=x1")
    assert page.inner_text(".place") == "12 of 17"
    assert page.locator(".facts select option:checked").inner_text() == "x1 (leaf)"
    page.keyboard.press("ArrowRight")
    page.wait_for_function("location.hash === '#step=13&value=x1'")
    page.reload()
    assert page.inner_text(".place") == "13 of 17"
    page.evaluate("location.hash = '#step=3&pass=2'")
    page.wait_for_function("document.querySelector('.place').textContent.startsWith('3 of')")
    assert page.get_attribute("[data-run='1']", "aria-pressed") == "true"
    page.evaluate("stepgrad.goto(5)")
    assert page.inner_text(".place").startswith("5 of")
    page.evaluate("""() => {
      const wait = window.setTimeout, waiting = [];
      window.setTimeout = (action) => waiting.push(action);
      stepgrad.goto(6);
      location.hash = "#step=7"; // before the page has written "#step=6"
      for (const write of waiting) write();
      window.setTimeout = wait;
    }""")
    page.wait_for_function("document.querySelector('.place').textContent.startsWith('7 of')")
    assert opened("neuron", address="#step=99&value=nobody").inner_text(".place") == "17 of 17"
    assert opened("neuron", address="#step=x").inner_text(".place") == "1 of 17"


# --------------------------------------------------------------------------------- views, copies


def views():
    """Return a view whose root opens another view, and in which x is drawn twice."""
    x = Value(2.0, "x")
    y = x * 3.0
    y.label = "y"
    steppers = step(y), step(neuron())
    outer, inner = (PageView(s.title, s.drawing.svg, s.runs, s.facts) for s in steppers)
    prefix = outer.svg.partition(' id="')[2].partition("-")[0]
    svg = outer.svg.replace(f'id="{prefix}-v2"', f'id="{prefix}-v2" data-opens="{inner.title}"')
    start = svg.index(f'<g id="{prefix}-v0"')
    drawn = svg[start : svg.index("</g>", start) + 4]
    copy = drawn.replace(
        f'id="{prefix}-v0"', 'transform="translate(0 40)" data-of="v0" data-at="e2-0"'
    )
    return outer._replace(svg=svg.replace(drawn, drawn + copy)), inner


def test_a_part_of_a_view_opens_another(opened, pages):
    outer, inner = views()
    (pages / "views.html").write_text(write_page([outer, inner], "auto"), "utf-8")
    page = opened("views")
    page.keyboard.press("ArrowRight")
    page.click("[data-opens] text >> nth=0")
    assert page.inner_text(".trail").split("\n") == [outer.title, inner.title]
    assert page.title().startswith(inner.title)
    assert page.inner_text(".place") == "1 of 17"
    page.keyboard.press("End")
    assert fields(page)["v9"][-1] == "grad 1"
    page.wait_for_function("location.hash.includes('step=17')")  # the address is written later
    page.reload()
    assert page.inner_text(".place") == "17 of 17"
    assert page.inner_text(".trail").split("\n") == [outer.title, inner.title]
    page.click(".trail button")
    assert page.inner_text(".trail") == outer.title
    page.click("[data-opens] text >> nth=0")
    assert page.inner_text(".place") == "17 of 17"  # where it was left
    page.keyboard.press("Escape")
    assert page.inner_text(".place") == "1 of 5"


def test_copies_of_a_value_are_marked_and_numbered_alike(opened, pages):
    outer, inner = views()
    (pages / "copies.html").write_text(write_page([outer, inner], "auto"), "utf-8")
    page = opened("copies")
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    assert "v0" not in hot(page)  # the copy is at the marked arrow
    copy = page.locator("g[data-of=v0]")
    assert "hot" in copy.get_attribute("class")
    assert copy.locator("text:not(.below)").all_text_contents() == ["x", "data 2", "grad 3"]
    copy.locator("text").first.click()
    assert page.locator(".facts select option:checked").inner_text() == "x (leaf)"
    assert page.locator(".chosen").count() == 2
