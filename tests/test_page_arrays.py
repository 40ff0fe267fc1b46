"""Elements of Arrays that are changed in a page, in a browser."""

import numpy as np
import pytest

from browsers import check_first_picture, chromium
from engine import Array, topological
from engine.draw import step
from engine.draw.arrays.matrices import describe_matrix
from engine.draw.look.theme import format_number, norm
from nn import losses, vector

CHANGED = ((0.5, 2.5), (1.5, 0.25), (-0.75, 1.0))


def classifier(weights=((0.5, -1.0), (1.5, 0.25), (-0.75, 1.0))):
    W, x = Array(np.array(weights), "W"), Array([1.0, 2.0], "x")
    b = Array([0.1, -0.2, 0.3], "b")
    h = (W @ x + b).relu()
    loss = losses.cross_entropy(h.reshape((1, 3)), np.array([2]))
    loss.label = "loss"
    return loss


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Yield the page, which reports no error and makes no request."""
    file, troubles = tmp_path_factory.mktemp("arrays") / "classifier.html", []
    step(classifier()).save(file)
    assert file.stat().st_size < 163_000
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


def displayed(page):
    """Return the texts of each matrix, and the colours under them, by "v3 data" and "v3 grad"."""
    return page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll(".panel")].map((g) => [
            `${g.closest("g[id]").id.split("-")[1]} ${g.dataset.field}`,
            [[...g.querySelectorAll(".numbers text")].map((text) => text.textContent),
             [...g.querySelectorAll(".fill path")].flatMap((path) => path.getAttribute("d").split("Z").slice(0, -1)
               .map(() => path.dataset.level)).sort().join("")],
        ]))"""
    )


def expected(root):
    root.backward()
    arrays = {
        f"v{i} {field}": x
        for i, node in enumerate(topological(root)) if node.ndim
        for field, x in [("data", node.data), ("grad", node.grad)]
    }  # fmt: skip
    matrices = {key: describe_matrix(x, 6) for key, x in arrays.items()}
    return {
        key: [[*m.texts], "".join(sorted(m.levels.replace("4", "")))] for key, m in matrices.items()
    }


def test_all_follows_a_changed_element(page):
    assert displayed(page) == expected(classifier())
    page.evaluate("stepgrad.set('W[0,1]', 2.5)")
    changed = classifier(CHANGED)
    assert displayed(page) == expected(changed)
    nodes = {node.label: node for node in topological(changed)}
    for name in ("W", "x", "b", "loss"):
        got = page.evaluate("name => stepgrad.get(name)", name)
        np.testing.assert_allclose(got["data"], nodes[name].data, rtol=1e-14)
        np.testing.assert_allclose(got["grad"], nodes[name].grad, rtol=1e-14)
    assert page.evaluate("stepgrad.get('W[2,1]').grad") == nodes["W"].grad[2, 1]
    for run, frames in enumerate(step(changed).runs):
        page.evaluate("pass => stepgrad.goto({ step: 99, pass })", run + 1)
        assert page.inner_text(".title") == frames.frames[-1].title
        assert page.inner_text(".note") == frames.frames[-1].note


def test_an_element_is_dragged_typed_and_chosen(page):
    read = lambda name="W[1,0]": page.evaluate("name => stepgrad.get(name).data", name)
    box = page.locator("g[id$='-v0'] [data-field=data] .numbers text").nth(2).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 20, y, steps=4)
    page.mouse.up()
    assert read() == 2.0
    page.keyboard.press("Control+z")
    assert read() == 1.5
    page.mouse.click(x, y)
    pick = page.locator("[aria-label='Element of W']")
    assert pick.locator("option:checked").inner_text() == "W[1,0]"
    page.keyboard.press("ArrowDown")
    assert read() == 1.4
    pick.select_option(label="W[2,1]")
    assert page.evaluate("document.activeElement.value") == pick.input_value()
    field = page.locator(".edit input")
    field.fill("-0,5")
    field.press("Enter")
    assert read("W[2,1]") == -0.5
    texts = page.locator("g[id$='-v0'] .numbers .changed").all_text_contents()
    assert texts == ["1.40", "−0.50"]
    page.wait_for_function(
        "decodeURIComponent(location.hash).includes('W[2,1]:−0.5')", timeout=5000
    )
    page.reload()
    assert (read(), read("W[2,1]")) == (1.4, -0.5)
    page.click("[data-do=reset]")
    assert page.evaluate("stepgrad.get('W').data") == [[0.5, -1], [1.5, 0.25], [-0.75, 1]]


def test_arrays_are_set_and_descend(page):
    page.evaluate("stepgrad.set('b', [1, 2, 3])")
    assert page.evaluate("stepgrad.get('b').data") == [1, 2, 3]
    with pytest.raises(Exception, match="expected 3 numbers"):
        page.evaluate("stepgrad.set('b', 1)")
    with pytest.raises(Exception, match="Z cannot be changed"):
        page.evaluate("stepgrad.set('Z', [1, 2, 3])")
    page.evaluate("stepgrad.reset()")
    root = classifier()
    root.backward()
    leaves = {x.label: x.data - 0.5 * x.grad for x in topological(root) if x.op is None}
    page.evaluate("stepgrad.descend(0.5)")
    for name, data in leaves.items():
        got = page.evaluate("name => stepgrad.get(name).data", name)
        np.testing.assert_allclose(got, data, rtol=1e-14)


def test_the_tangent_is_that_of_one_element(page):
    page.select_option(".facts select[aria-label=Value]", label="x (leaf, (2))")
    page.click(".edit .opens")
    caption = page.locator(".tangent figcaption").text_content()
    grad = page.evaluate("stepgrad.get('x[0]').grad")
    assert caption.startswith("∂loss/∂x[0]=")
    assert float(caption.split("=")[1].replace("−", "-")) == pytest.approx(grad, rel=1e-3)
    page.click(".edit .opens")


def test_a_page_opens_with_its_first_picture(page, tmp_path):
    step(classifier()).save(tmp_path / "page.html")
    check_first_picture(page, tmp_path / "page.html")


def test_a_box_shows_the_leaves_inside(page, tmp_path):
    """Each has its own chosen element; the gradient of the parameters and the result follow."""
    model = vector.MLP(2, [2, 1], "tanh", rng=0, dtype=float)
    loss = (model(Array([[1.0, -1.0]], "x")) ** 2).mean()
    step(loss, model, level="layers").save(tmp_path / "layers.html")
    tab = page.context.browser.new_page()
    tab.goto((tmp_path / "layers.html").as_uri())
    tab.click("g[id$='-b1']")
    pick = tab.locator("[aria-label='Element of W1']")
    pick.select_option(label="W1[0,1]")
    tab.locator("[aria-label='Element of b1']").select_option(label="b1[1]")
    chosen = tab.locator(".elements option:checked").all_inner_texts()
    assert chosen == ["W1[0,1]", "b1[1]"]
    assert tab.locator(".facts > select option:checked").inner_text() == "layers.0 (4 nodes)"
    first = tab.locator(".edit input").first
    first.fill("0.25")
    first.press("Enter")
    model.layers[0].weight.data[0, 1] = 0.25
    loss = (model(Array([[1.0, -1.0]])) ** 2).mean()
    loss.backward()
    assert tab.evaluate("stepgrad.get('L').data") == pytest.approx(loss.item(), rel=1e-14)
    tab.evaluate("stepgrad.goto(99)")
    grads = [x.grad for x in (model.layers[0].weight, model.layers[0].bias)]
    size = format_number(norm([norm(x) for x in grads]), ".4g")
    assert tab.locator("g[id$='-b1'] text").last.text_content() == f"‖grad‖ {size}"
    assert tab.locator("g[id$='-b1'].changed").count() == 1
    tab.close()
