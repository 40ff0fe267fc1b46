"""A network in a page, in a browser: its picture, its panel and its opened parts change together."""

import zlib

import pytest

from browsers import HOSTILE, check_first_picture, chromium
from engine import Value, total
from engine.draw import step
from engine.draw.graph import parts as blocks
from nn import MLP, scalar
from nn.losses import cross_entropy

POINTS = [[0.5, -1.0], [1.5, 0.25]]
WEIGHT, BIAS = "layers[0].neurons[1].w0", "layers[1].neurons[0].b"
LOOKS = """() => Object.fromEntries([...document.querySelectorAll(".graph g[id]")].map((g) => [
  g.id.replace(/^[^-]*-/, ""), [
    g.querySelector("title")?.textContent ?? "",
    ...[...g.querySelectorAll("path:not(.reach), circle:not(.dot), text")].map((element) => {
      const { stroke, strokeWidth, strokeOpacity, strokeDasharray, fill, fillOpacity } = getComputedStyle(element);
      if (element.tagName === "text") return element.textContent;
      return [stroke, Number(strokeWidth.slice(0, -2)), Number(strokeOpacity), strokeDasharray, fill, Number(fillOpacity)];
    })]]))"""


def network(changes=None, x=None, label=""):
    """Return the loss of a network and its model; `changes` are weights and biases by their names."""
    model = MLP(2, [3, 2], "tanh", rng=1)
    names = {
        f"layers[{c}].neurons[{i}].{name}": node
        for c, layer in enumerate(model.layers)
        for i, neuron in enumerate(layer.neurons)
        for name, node in [*((f"w{j}", w) for j, w in enumerate(neuron.weights)), ("b", neuron.bias)]
    }  # fmt: skip
    for name, number in (changes or {}).items():
        names[name].data = number
    first, *others = POINTS if x is None else [[x, POINTS[0][1]], POINTS[1]]
    rows = [
        [Value(number, f"x{j}{label}") for j, number in enumerate(row)] for row in [first, *others]
    ]
    loss = cross_entropy([model(row) for row in rows], [0, 1])
    loss.label = f"loss{label}"
    return loss, model


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Yield a function that opens the page of a network, in a tab of its own for changed ones."""
    folder, troubles = tmp_path_factory.mktemp("network"), []
    with chromium() as browser:

        def new_page():
            page = browser.new_page(
                reduced_motion="reduce", viewport={"width": 1400, "height": 900}
            )
            page.on("console", lambda message: troubles.append(message.text))
            page.on("pageerror", lambda error: troubles.append(str(error)))
            return page

        tabs = [new_page(), new_page()]

        def open_page(*args, tab=0, make=network, **how):
            path = folder / f"{zlib.crc32(repr((args, make.__name__, how)).encode())}.html"
            if not path.exists():
                step(*make(*args), **how).save(path)
            tabs[tab].goto(path.as_uri())
            tabs[tab].evaluate("stepgrad.goto(999)")
            return tabs[tab]

        yield open_page
        assert troubles == []


@pytest.fixture
def page(pages):
    return pages()


def compare_looks(looks, expected):
    """Check texts, colours, widths and opacities; a new page writes these with two digits."""
    assert looks.keys() == expected.keys()
    for id, parts in expected.items():
        for part, want in zip(looks[id], parts, strict=True):
            if isinstance(want, str):
                assert part == want, id
                continue
            for x, y in zip(part, want, strict=True):
                assert x == (pytest.approx(y, abs=0.011) if isinstance(y, float | int) else y), id


@pytest.mark.parametrize("look", [{}, {"monochrome": True, "names_only": True}])
def test_the_picture_of_changed_numbers_is_that_of_a_new_page(pages, look):
    """Lines, circles, biases, hover texts and the legend, also with a new largest weight."""
    page = pages(**look)
    first = page.evaluate(LOOKS)
    changes = {
        WEIGHT: -3.5,
        "layers[1].neurons[1].w2": 0.0,
        BIAS: 0.7,
        "layers[0].neurons[2].b": -0.2,
    }
    for name, number in changes.items():
        page.evaluate("([name, x]) => stepgrad.set(name, x)", [name, number])
    page.evaluate("stepgrad.set('x0, sample 0', -2)")
    compare_looks(page.evaluate(LOOKS), pages(changes, -2.0, tab=1, **look).evaluate(LOOKS))
    page.evaluate("stepgrad.reset()")
    compare_looks(page.evaluate(LOOKS), first)


def test_the_numbers_of_neurons_are_those_in_their_circles(page):
    """The mean of the outputs for all samples, also of the first neuron of the last layer."""
    _, model = network()
    outputs = [model([Value(x) for x in row]) for row in POINTS]
    for i in range(2):
        number = page.evaluate(f"stepgrad.get('layers[1].neurons[{i}]').data")
        assert number == pytest.approx(sum(out[i].data for out in outputs) / len(POINTS))


BEYOND_THE_RIM = """() => [...document.querySelectorAll(".graph .node > text")].flatMap((text) => {
  const circle = text.parentNode.querySelector("circle"), { x, y, width, height } = text.getBBox();
  if (!circle || text.getAttribute("text-anchor") !== "middle") return [];
  const [cx, cy, r] = ["cx", "cy", "r"].map((name) => Number(circle.getAttribute(name)));
  const half = Math.sqrt(r * r - (y + height / 2 - cy) ** 2);
  return x < cx - half || x + width > cx + half ? [text.textContent] : [];
})"""


LEGEND_GAPS = """() => {
  const boxes = [...document.querySelectorAll(".graph [id$=legend] text")].map((text) => text.getBBox());
  return boxes.flatMap((a) => boxes.filter((b) => b.y === a.y && b.x > a.x).map((b) => b.x - a.x - a.width));
}"""


@pytest.mark.parametrize("number", [0.25, 1e30, -1.5e-300, 9e200])
def test_numbers_of_the_legend_do_not_touch(page, number):
    for name in ("x0, sample 0", "x1, sample 0", WEIGHT):
        page.evaluate("([name, x]) => stepgrad.set(name, x)", [name, number])
    gaps = page.evaluate(LEGEND_GAPS)
    page.evaluate("stepgrad.reset()")
    assert len(gaps) > 10
    assert min(gaps) > 3.0


@pytest.mark.parametrize("number", [0.25, -1.2345e-100, 1e30, 9e200])
def test_numbers_stay_in_their_circles(page, number):
    for name in ("x0, sample 0", "x1, sample 0", WEIGHT):
        page.evaluate("([name, x]) => stepgrad.set(name, x)", [name, number])
    page.evaluate("stepgrad.goto(999)")
    beyond = page.evaluate(BEYOND_THE_RIM)
    page.evaluate("stepgrad.reset()")
    assert beyond == []


def test_a_part_opens_at_the_scale_of_the_window(page):
    """When it first opens, and after the window has changed in another view."""
    read = lambda: page.evaluate("parseFloat(document.querySelector('.graph > svg').style.width)")
    (width, height), part = page.viewport_size.values(), page.locator("[data-opens$='neurons[0]']")
    page.evaluate("stepgrad.goto({ view: 'layers[0].neurons[0]' })")
    wide = read()
    page.evaluate("stepgrad.goto({ view: 'loss' })")
    page.set_viewport_size({"width": 390, "height": 844})
    part.first.press("Enter")
    narrow = read()
    page.wait_for_function("location.hash.includes('view=')")  # the address is written later
    page.reload()
    assert (read(), narrow < wide) == (narrow, True)
    page.set_viewport_size({"width": width, "height": height})


def test_a_line_is_dragged_and_typed(page):
    read = lambda: page.evaluate("name => stepgrad.get(name).data", WEIGHT)
    start = read()
    x, y = page.evaluate(
        """name => {
          const line = [...document.querySelectorAll(".weight")].find((g) => g.textContent.includes("x0 → layers[0].neurons[1]")).querySelector("path");
          for (let share = 0.1; share < 1; share += 0.05) { // lines cross each other
            const { x, y } = line.getPointAtLength(share * line.getTotalLength()).matrixTransform(line.getScreenCTM());
            if (line.parentNode.contains(document.elementFromPoint(x, y))) return [x, y];
          }
        }""",
        WEIGHT,
    )
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y, steps=4)
    page.mouse.up()
    assert read() > start
    assert page.text_content(".bubble") == page.evaluate("x => x.toPrecision(4)", read()).rstrip(
        "0"
    )
    assert page.locator(".weight.changed").count() == 1
    page.keyboard.press("Control+z")
    assert read() == start
    page.mouse.click(x, y)
    page.fill(".edit input", "1.5")
    page.press(".edit input", "Enter")
    assert read() == 1.5
    page.press(".edit input", "ArrowUp")
    assert read() == 1.6


def test_an_opened_neuron_and_its_network_change_together(page):
    """Weights are those of the network, outputs of other neurons cannot change, and undo is shared."""
    loss, _ = network({WEIGHT: 2.0, "layers[1].neurons[0].w1": -1.0})
    loss.backward()
    page.evaluate("stepgrad.goto({ view: 'layers[1].neurons[0]' })")
    page.evaluate("stepgrad.set('w1', -1); stepgrad.set('layers[0].neurons[1].w0', 2)")
    with pytest.raises(Exception, match="cannot be changed"):
        page.evaluate("stepgrad.set('a0, sample 0', 1)")
    page.evaluate("stepgrad.goto({ view: 'loss, scalar by scalar' })")
    assert page.evaluate("stepgrad.get('loss').data") == pytest.approx(loss.data, rel=1e-12)
    assert page.evaluate("stepgrad.names().length") < 20
    page.evaluate("stepgrad.goto({ view: 'loss' })")
    assert page.evaluate("stepgrad.get('loss').data") == pytest.approx(loss.data, rel=1e-12)
    assert page.locator(".weight.changed").count() == 2
    titles = page.locator(".weight title").all_text_contents()
    assert sum("w = 2," in title or "w = −1," in title for title in titles) == 2
    page.keyboard.press("Control+z")
    assert page.evaluate("name => stepgrad.get(name).data", WEIGHT) != 2.0
    page.evaluate("stepgrad.goto({ view: 'layers[1].neurons[0]' })")
    assert page.evaluate("stepgrad.get('w1').data") == -1.0
    page.keyboard.press("Control+z")
    assert page.locator(".changed").count() == 0


def test_the_address_of_an_opened_neuron_holds_all_changes(page):
    page.evaluate("stepgrad.goto({ view: 'layers[0].neurons[1]' })")
    page.evaluate("stepgrad.set('w0', 0.25); stepgrad.set('layers[1].neurons[0].b', -1)")
    page.wait_for_function("location.hash.includes('set') && location.hash.includes('view')")
    page.reload()
    assert page.evaluate("stepgrad.get('w0').data") == 0.25
    page.keyboard.press("Escape")  # back to the network
    assert page.evaluate("name => stepgrad.get(name).data", BIAS) == -1.0
    assert page.locator(".weight.changed, .bias.changed").count() == 2
    page.evaluate("stepgrad.reset()")


def test_steps_downhill_move_the_parameters_in_all_views(page):
    loss, model = network()
    loss.backward()
    page.evaluate("stepgrad.descend(0.5)")
    page.evaluate("stepgrad.goto({ view: 'layers[0].neurons[1]' })")
    w = model.layers[0].neurons[1].weights[0]
    assert page.evaluate("stepgrad.get('w0').data") == pytest.approx(w.data - 0.5 * w.grad)
    before = page.evaluate("name => stepgrad.get(name).data", BIAS)
    page.click("[data-do=downhill]")
    assert page.inner_text(".downhill [data-part=leaves]") == "17 of 21 numbers"
    page.click(".downhill [data-part=step]")
    assert page.inner_text(".downhill [data-part=steps]") == "after 2 steps"
    assert page.evaluate("name => stepgrad.get(name).data", BIAS) != before
    page.click("[data-do=downhill]")


def test_constants_are_unlocked_in_all_views(page):
    constants = page.evaluate(
        "[...document.querySelectorAll('.facts option')].map((x) => x.textContent).filter((x) => x.includes('(constant)'))"
    )
    assert len(constants) == 1  # the number of samples
    page.select_option(".facts select", label=constants[0])
    page.click(".edit button")
    page.fill(".edit input", "4")
    page.press(".edit input", "Enter")
    loss = network()[0].data / 2.0
    assert page.evaluate("stepgrad.get('loss').data") == pytest.approx(loss, rel=1e-12)
    page.evaluate("stepgrad.goto({ view: 'loss, scalar by scalar' })")
    assert page.evaluate("stepgrad.get('loss').data") == pytest.approx(loss, rel=1e-12)
    page.evaluate("stepgrad.reset(); stepgrad.goto({ view: 'loss' })")


def test_hostile_labels_are_data(pages):
    page = pages(None, None, HOSTILE)
    name = next(x for x in page.evaluate("stepgrad.names()") if x.startswith("x1"))
    page.evaluate("name => stepgrad.set(name, 3)", name)
    assert any(
        name.removesuffix(", sample 0") in x
        for x in page.locator(".node title").all_text_contents()
    )
    page.evaluate("name => stepgrad.goto({ value: name })", name)
    page.wait_for_function("location.hash.includes('set')")
    page.reload()
    assert page.evaluate("name => stepgrad.get(name).data", name) == 3
    assert page.evaluate("window.hit") is None
    page.evaluate("stepgrad.reset()")


def test_boxes_list_the_numbers_inside(pages):
    page = pages(level="layers")
    names = page.evaluate("stepgrad.names()")
    assert len({*names}) == len(names)
    page.click(".graph g[id$='-b1']")
    assert page.locator(".controls .edit").count() == 9
    page.fill(".controls input >> nth=0", "2")
    page.press(".controls input >> nth=0", "Enter")
    loss, _ = network({"layers[0].neurons[0].w0": 2.0})
    assert page.evaluate("stepgrad.get('loss').data") == pytest.approx(loss.data, rel=1e-12)


@pytest.mark.parametrize("level", [None, "layers"])
def test_a_page_opens_with_its_first_picture(page, tmp_path, level):
    file = tmp_path / "page.html"
    step(*network(), level=level).save(file)
    check_first_picture(page, file)


def attention(changes=None):
    """Return the loss of one head of attention and its model, like `network`."""
    model = scalar.Attention(2, 1, rng=0)
    for j, number in (changes or {}).items():
        model.heads[0].query.neurons[0].weights[j].data = number
    loss = total([y * y for row in model(POINTS) for y in row])
    loss.label = "loss"
    return loss, model


def test_boxes_open_one_inside_another_and_share_their_numbers(pages, monkeypatch):
    monkeypatch.setattr(blocks, "MOST_PARTS", 6)  # the head stays closed
    page, (loss, model) = pages(make=attention, level="blocks"), attention()
    assert "Click a box to open it" in page.locator(".details").inner_text()
    for title, name in (("heads[0]", "heads[0]"), ("heads[0].query", "query")):
        page.locator(f'[data-opens="{title}"]').first.click()
        assert page.locator(".trail [aria-current]").inner_text() == name
    assert "Click a value" in page.locator(".details").inner_text()
    page.evaluate("stepgrad.goto(999)")
    loss.backward()
    weight = model.heads[0].query.neurons[0].weights[1]
    want = {"data": weight.data, "grad": weight.grad}
    assert page.evaluate("stepgrad.get('w_{01}')") == pytest.approx(want, rel=1e-9)
    page.evaluate("stepgrad.set('w_{01}', 0.75)")
    page.locator(".trail button").first.click()
    changed = page.evaluate("stepgrad.get('loss').data")
    assert changed == pytest.approx(attention({1: 0.75})[0].data, rel=1e-12) != loss.data
