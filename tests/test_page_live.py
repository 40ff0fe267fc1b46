"""Numbers that are changed in a page, in a browser: both passes follow."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from browsers import chromium, fields
from engine import Value, topological
from engine.draw import step
from engine.draw.look.theme import format_number
from nn import MLP, losses
from strategies import examples


def neuron(x1=2.0, w1=-3.0, b=6.5, scale=2.0):
    x1, w1, b = Value(x1, "x1"), Value(w1, "w1"), Value(b, "b")
    out = (x1 * w1 + b).tanh() * scale + x1
    out.label = "out"
    return out


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Yield the page of the neuron, which reports no error and makes no request."""
    file, troubles = tmp_path_factory.mktemp("live") / "neuron.html", []
    step(neuron()).save(file)
    with chromium() as browser:
        page = browser.new_page(reduced_motion="reduce", viewport={"width": 1400, "height": 900})
        page.on("console", lambda message: troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: troubles.append(request.url))
        page.goto(file.as_uri())
        yield page
        assert {*troubles} == {file.as_uri()}


@pytest.fixture(autouse=True)
def at_the_end(page):
    """Begin each test with the first numbers, at the last step."""
    page.evaluate("stepgrad.goto({ step: 99, pass: 1, set: '' })")


def shown(root):
    """Return the numbers that a page shows in the end, by the ids of values."""
    root.backward()
    return {
        f"v{i}": [format_number(x.data, ".4g"), *([] if x.constant else [format_number(x.grad, ".4g")])]
        for i, x in enumerate(topological(root))
    }  # fmt: skip


def displayed(page):
    """Return those numbers as the page shows them, without the words before them."""
    return {
        id: [text.split()[-1] for text in texts[-2:] if text.split()[-1:]]
        if len(texts) > 2
        else [texts[-1].split()[-1]]
        for id, texts in fields(page).items()
    }


@examples(8)
@given(
    numbers=st.fixed_dictionaries(
        {}, optional={name: st.floats(-4.0, 4.0) for name in ("x1", "w1", "b")}
    )
)
def test_both_passes_follow_changed_numbers(page, numbers):
    page.evaluate("stepgrad.reset()")
    for name, x in numbers.items():
        page.evaluate("([name, x]) => stepgrad.set(name, x)", [name, x])
    root = neuron(**numbers)
    expected = shown(root)
    for id, texts in displayed(page).items():
        assert texts[: len(expected[id])] == expected[id]
    for node in topological(root):
        if node.label:
            got = page.evaluate("name => stepgrad.get(name)", node.label)
            assert got == pytest.approx({"data": node.data, "grad": node.grad}, rel=1e-12)


def test_a_number_is_dragged_typed_and_moved_by_keys(page):
    read = lambda: page.evaluate("stepgrad.get('x1').data")
    box = page.locator("g[id$='-v0'] .number").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 20, y, steps=4)
    page.mouse.up()
    assert read() == 2.5
    page.keyboard.press("Control+z")
    assert read() == 2.0  # one gesture is undone together
    page.keyboard.press("Control+Shift+z")
    assert read() == 2.5
    page.mouse.click(x, y)  # selects it
    page.keyboard.press("ArrowDown")
    assert read() == 2.4
    field = page.locator(".edit input")
    assert field.input_value() == "2.4"
    field.fill("-0,5")
    field.press("Enter")
    assert read() == -0.5
    field.press("ArrowUp")
    assert read() == -0.49
    field.fill("two")
    field.press("Enter")
    assert (read(), field.get_attribute("aria-invalid")) == (-0.49, "true")
    field.press("Escape")  # leaves the field, which shows the number again
    assert (field.input_value(), field.get_attribute("aria-invalid")) == ("−0.49", "false")
    assert "changed" in page.get_attribute("g[id$='-v0']", "class")
    page.click("[data-do=reset]")
    assert read() == 2.0
    assert "changed" not in page.get_attribute("g[id$='-v0']", "class")


def test_the_wheel_changes_the_selected_number_in_the_drawing(page):
    read = lambda: page.evaluate("['x1', 'w1'].map((name) => stepgrad.get(name).data)")
    places = [page.locator(f"g[id$='-v{i}'] .number").bounding_box() for i in (0, 1)]
    points = [(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2) for box in places]
    page.mouse.click(*points[0])
    for point, turn in zip([*points, points[0]], [-100, -100, 300], strict=True):
        page.mouse.move(*point)
        page.mouse.wheel(0, turn)
        page.wait_for_timeout(50)
        assert read() == ([2.1, -3] if turn < 0 else [2, -3])


def test_the_address_holds_changed_numbers(page):
    page.evaluate("stepgrad.set('x1', -1.5); stepgrad.set('b', Infinity)")
    page.wait_for_function("location.hash.includes('inf')")
    page.reload()
    assert page.evaluate("stepgrad.get('x1').data") == -1.5
    assert page.evaluate("stepgrad.get('b').data") == math.inf
    assert page.inner_text(".trouble").startswith("The data of b is inf")
    page.evaluate("stepgrad.reset()")
    page.wait_for_function("!location.hash.includes('set')")


def test_a_constant_is_unlocked(page):
    constant = next(name for name in page.evaluate("stepgrad.names()") if name == "2")
    with pytest.raises(Exception, match="cannot be changed"):
        page.evaluate("name => stepgrad.set(name, 3)", constant)
    page.select_option(".facts select", label="2 (constant)")
    page.click(".edit button")
    page.evaluate("name => stepgrad.set(name, 3)", constant)
    assert page.evaluate("stepgrad.get('out').data") == pytest.approx(neuron(scale=3.0).data)
    with pytest.raises(Exception, match="no value is called"):
        page.evaluate("stepgrad.get('y')")


def test_incorrect_passes_follow_changed_numbers(page):
    page.evaluate("stepgrad.set('w1', 0.5); stepgrad.goto({ step: 99, pass: 3 })")
    runs = step(neuron(w1=0.5)).runs
    assert page.inner_text(".title") == runs[2].frames[-1].title
    assert page.inner_text(".note") == runs[2].frames[-1].note


def test_the_policy_permits_only_the_scripts_of_the_page(page, tmp_path):
    """Those that the page has run; one that is added is blocked."""
    file, troubles = tmp_path / "page.html", []
    step(neuron()).save(file)
    other = page.context.browser.new_page(bypass_csp=False)
    other.on("console", lambda message: troubles.append(message.text))
    other.goto(file.as_uri())
    assert other.evaluate("stepgrad.names().length") == 9
    assert troubles == []
    other.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), { textContent: 'window.hit = 1' }))"
    )
    assert other.evaluate("window.hit") is None
    assert "Content Security Policy" in troubles[0]
    other.close()


@pytest.fixture(scope="module")
def cards(page, tmp_path_factory):
    """Yield the page of a neuron drawn as a card, with a bias of 0."""
    model = MLP(2, [2, 1], "tanh", rng=0)
    root = model([Value(0.5, "x1"), Value(-1.0, "x2")]) ** 2
    file = tmp_path_factory.mktemp("cards") / "cards.html"
    step(root, model, level="values").save(file)
    other = page.context.browser.new_page()
    other.goto(file.as_uri())
    yield other
    other.close()


WIDTHS = """() => {
    stepgrad.goto(999);
    const text = [...document.querySelectorAll(".changed .number")].at(-1), name = text.parentNode.querySelector("text");
    const [box, before] = [text, name].map((text) => text.getBBox());
    text.removeAttribute("textLength");
    return [text.textContent, box.width / text.getBBox().width, box.x - before.x - before.width];
}"""


def test_a_number_of_a_card_uses_the_room_of_its_column(cards):
    """A bias that was 0 is as wide as another number, and longer ones do not reach its name."""
    name = "layers[1].neurons[0].b"
    for x, text in ((-0.2345, "−0.2345"), (-1.23e-300, "−1.23e−300")):
        cards.evaluate("([name, x]) => stepgrad.set(name, x)", [name, x])
        shown, scale, gap = cards.evaluate(WIDTHS)
        assert (shown, gap > 0) == (text, True)
        assert scale == 1.0 or text != "−0.2345"


OVER_A_SIDE = """() => [...document.querySelectorAll("g.node.changed")].flatMap((g) => {
  const { x, width } = g.querySelector("text.number").getBBox();
  const sides = [...g.querySelectorAll("polyline")].map((line) => line.getBBox().x);
  return sides.filter((side) => x < side && side < x + width);
})"""


def test_a_changed_number_is_bold_and_stays_in_its_cell(page, tmp_path):
    x, y = Value(3.0, "x"), Value(2.0, "y")
    step((x + y) * (x - y)).save(tmp_path / "page.html")
    other = page.context.browser.new_page(reduced_motion="reduce")
    other.goto((tmp_path / "page.html").as_uri())
    bold = "[...document.querySelectorAll('.changed .number')].map((x) => getComputedStyle(x).fontWeight)"
    for number in (math.inf, -math.inf, math.nan, 5.25, -8, 0.00012345, 123456):
        other.evaluate("(x) => (stepgrad.set('x', x), stepgrad.set('y', x))", number)
        other.evaluate("stepgrad.goto(99)")
        assert (other.evaluate(bold), other.evaluate(OVER_A_SIDE)) == (["700", "700"], []), number
    other.close()


def test_fields_have_a_keyboard_with_a_sign(page):
    """The keypad of inputmode="decimal" has no minus on some phones."""
    page.select_option(".facts select", label="x1 (leaf)")
    assert page.evaluate(
        "[...document.querySelectorAll('input[type=text]')].map((field) => field.inputMode)"
    ) == ["", "", ""]  # fmt: skip


def layout_counter(page):
    """Return a function that counts the layouts that the browser has computed since."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    read = lambda: session.send("Performance.getMetrics")["metrics"]
    return lambda: next(metric["value"] for metric in read() if metric["name"] == "LayoutCount")


def test_a_page_opens_with_its_first_picture_and_reads_the_rest_later(page, tmp_path):
    """Parts that are out of sight are added later, in their places."""
    root = x = Value(0.5, "x")
    for i in range(30):
        root = root.tanh() if i % 2 else root * x
    file = tmp_path / "chain.html"
    step(root).save(file)
    ids = re.findall(r'<g id="([^"]*)"', file.read_text("utf-8"))
    other = page.context.browser.new_page(viewport={"width": 800, "height": 600})
    other.add_init_script("window.requestIdleCallback = (read) => { window.readRest = read; }")
    count = layout_counter(other)
    other.goto(file.as_uri())
    read = """() => [[...document.querySelectorAll(".graph g[id]")].map((g) => g.id),
        document.querySelectorAll(".facts option").length, Boolean(document.getElementById("steps"))]"""
    first, options, is_unread = other.evaluate(read)
    assert (other.inner_text(".place"), options, is_unread) == ("1 of 78", 1, True)
    assert 5 < len(first) < len(ids)
    assert fields(other)["v0"] == ["x", "data 0.5", "grad"]
    assert fields(other)["v1"] == ["v1", "data", "grad"]
    assert count() <= 6
    other.wait_for_function("window.readRest")
    other.evaluate("readRest()")
    assert other.evaluate(read) == [ids, 32, False]
    texts = fields(other)
    blank = {tuple(texts[f"v{i}"][1:]) for i in range(1, 31)}
    assert blank == {("data", "grad")}  # these are not computed yet
    other.close()


def test_a_change_computes_one_layout(page):
    page.evaluate("stepgrad.set('x1', 3.25); document.body.offsetHeight")
    count = layout_counter(page)
    page.evaluate("stepgrad.set('x1', 1.75); document.body.offsetHeight")
    assert count() == 1


def test_a_number_that_is_drawn_twice_changes_in_both_places(page, tmp_path):
    y, z = Value(1.0).detach(), MLP(2, [2, 1], "tanh", rng=0)
    y.label = "y"
    loss = losses.binary_cross_entropy([z([0.5, -1.0])], [y])
    step(loss, z, level="values").save(tmp_path / "twice.html")
    tab = page.context.browser.new_page()
    tab.goto((tmp_path / "twice.html").as_uri() + "#step=99&value=y&set=y:0.3")
    place = topological(loss).index(y)
    drawn = tab.locator(f"g[id$='-v{place}'] .number, g[data-of=v{place}] .number")
    assert drawn.all_text_contents() == ["0.3", "0.3"]
    tab.close()
