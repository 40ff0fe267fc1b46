"""Gradient descent and tangents in the stepper's page.

Requires the browser of tests/browsers.py.
"""

import math

import pytest

from browsers import chromium, watched
from engine import Value
from engine.draw import step
from nn import MLP

STEPS = 20


def build_loss(model):
    return (model([Value(0.5, "x1"), Value(-1.0, "x2")]) - 1.0) ** 2


def valley():
    """Return a root with a minimum: at x = 1 and y = 0."""
    x, y = Value(3.0, "x"), Value(-2.0, "y")
    root = (x - 1.0) ** 2 + 0.5 * y**2 + 0.25
    root.label = "loss"
    return root


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    model = MLP(2, [3, 1], "tanh", rng=0)
    step(build_loss(model), model, level="values").save(folder / "network.html")
    step(valley()).save(folder / "valley.html")
    x = Value(0.5, "x")
    step(1.0 / x + x.log()).save(folder / "pole.html")
    return folder


@pytest.fixture(scope="module")
def page():
    with chromium() as browser:
        yield browser.new_page(viewport={"width": 1400, "height": 900})


@pytest.fixture
def opened(page, pages):
    """Yield a function that opens a page; no page may report an error."""

    def open_(name, motion="reduce"):
        page.emulate_media(reduced_motion=motion)
        page.goto((pages / f"{name}.html").as_uri())
        return page

    with watched(page):
        yield open_


def get(page, name, field="data"):
    return page.evaluate("([name, field]) => stepgrad.get(name)[field]", [name, field])


def part(page, name):
    return page.locator(f".downhill [data-part={name}]")


@pytest.mark.filterwarnings("ignore:this step uses gradients")
@pytest.mark.parametrize("zeroes", [True, False])
def test_descend_is_pythons_gradient_descent(opened, zeroes):
    """The page's parameters after some steps are Python's; without zeroing, gradients add up."""
    page, model = opened("network"), MLP(2, [3, 1], "tanh", rng=0)
    page.click("[data-do=downhill]")
    part(page, "zero").set_checked(zeroes)
    roots = page.evaluate(f"Array.from({{length: {STEPS}}}, () => stepgrad.descend(0.05))")
    expected = []
    for _ in range(STEPS):
        if zeroes:
            model.zero_grad()
        build_loss(model).backward()
        for parameter in model.parameters():
            parameter.data -= 0.05 * parameter.grad
        expected.append(build_loss(model).data)
    assert roots == pytest.approx(expected, rel=1e-12)
    names = [name for name in page.evaluate("stepgrad.names()") if name.startswith("layers")]
    parameters = {
        name: get(page, name) for name in names if name.split(".")[-1] in ("w0", "w1", "w2", "b")
    }
    assert sorted(parameters.values()) == pytest.approx(sorted(p.data for p in model.parameters()), rel=1e-12)  # fmt: skip
    assert get(page, "x1") == 0.5  # inputs do not move unless they are chosen
    added = f" · gradients of {STEPS} steps added"
    assert part(page, "steps").text_content() == f"after {STEPS} steps{'' if zeroes else added}"


def test_a_run_ends_at_the_minimum_and_is_one_entry_to_undo(opened):
    page = opened("valley", motion="no-preference")  # so that the run has many slices
    page.click("[data-do=downhill]")
    part(page, "rate").fill("0.4")
    page.keyboard.press("Enter")
    part(page, "step").press("Enter")
    after_step = get(page, "x")
    assert after_step == pytest.approx(3.0 - 0.4 * 4.0)
    part(page, "run").click()
    page.wait_for_function("document.querySelector('[data-part=run]').textContent === 'Run'")
    assert part(page, "steps").text_content().endswith(" · stands still")
    assert get(page, "x") == pytest.approx(1.0, abs=1e-3)
    assert get(page, "loss") == pytest.approx(0.25, rel=1e-6)
    page.keyboard.press("Control+z")
    assert get(page, "x") == after_step
    assert part(page, "steps").text_content() == "after 1 step"
    page.keyboard.press("Control+Shift+z")
    assert get(page, "x") == pytest.approx(1.0, abs=1e-3)
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    assert get(page, "x") == 3.0
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.dataset.do") == "downhill"


def test_a_run_ends_when_it_diverges_or_is_stopped_and_moves_chosen_leaves_only(opened):
    page = opened("valley")
    page.click("[data-do=downhill]")
    page.click(".moves summary")
    page.get_by_label("x", exact=True).uncheck()
    part(page, "rate").fill("3")
    page.keyboard.press("Enter")
    assert part(page, "slider").get_attribute("aria-valuetext") == "3"
    part(page, "run").click()
    page.wait_for_function("document.querySelector('[data-part=run]').textContent === 'Run'")
    assert part(page, "steps").text_content().endswith(" · diverged")
    assert get(page, "x") == 3.0
    page.evaluate("stepgrad.reset()")
    assert part(page, "steps").text_content() == ""
    part(page, "rate").fill("1e-6")
    page.keyboard.press("Enter")
    texts = page.evaluate("""["run", "run", "steps"].map((name) => {
        const element = document.querySelector(`[data-part=${name}]`), text = element.textContent;
        element.click();
        return text;
    })""")
    assert texts[:2] == ["Run", "Stop"]
    assert texts[2].endswith(" · stopped")


SLOPE = """() => {
    const line = document.querySelector(".slope"), at = (name) => Number(line.getAttribute(name));
    const ticks = [...document.querySelectorAll(".tangent text:not(.name)")].map((text) =>
        [text.textContent.replace("−", "-"), text.getAttribute("text-anchor"), text.getAttribute("x"), text.getAttribute("y")].map((x) => Number(x) === Number(x) ? Number(x) : x));
    const scale = (anchor, k) => { const [a, b] = ticks.filter((tick) => tick[1] === anchor); return (b[0] - a[0]) / (b[k] - a[k]); };
    return ((at("y2") - at("y1")) * scale("end", 3)) / ((at("x2") - at("x1")) * scale("middle", 2));
}"""


def test_the_tangent_has_the_slope_of_the_gradient_and_its_point_moves_the_leaf(opened):
    page = opened("valley")
    page.evaluate("stepgrad.goto({value: 'x'})")
    page.click(".opens")
    assert page.evaluate(SLOPE) == pytest.approx(4.0, rel=0.01)
    page.evaluate("stepgrad.set('y', 1)")  # moves the curve, but not its slope
    point = page.locator(".point")
    assert point.get_attribute("aria-valuetext") == "3; loss is 4.75, the slope is 4"
    box = page.locator(".point circle").last.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 60, y, steps=3)
    page.mouse.up()
    moved = get(page, "x")
    assert 0.0 < moved < 2.9
    assert moved == round(moved, 2)
    assert page.evaluate(SLOPE) == pytest.approx(get(page, "x", "grad"), rel=0.01)
    page.keyboard.press("ArrowRight")  # the point has the focus
    assert get(page, "x") > moved
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    assert get(page, "x") == 3.0


def test_a_tangent_leaves_gaps_where_the_root_is_not_a_number(opened):
    """1 / x + log(x) has a pole at 0, and nan below it."""
    page = opened("pole")
    page.evaluate("stepgrad.goto({value: 'x'})")
    page.click(".opens")
    path = page.get_attribute(".tangent .curve", "d")
    assert "NaN" not in path
    assert "Infinity" not in path
    assert math.isfinite(float(page.get_attribute(".point", "aria-valuemin")))
    page.evaluate("stepgrad.set('x', -1)")
    assert page.locator(".point").is_hidden()
