"""Films: weights in 8 bits, passes as changes to one page, and the page against Python."""

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from browsers import HOSTILE, chromium
from engine import Value
from engine.arrays.array import Array
from engine.draw import step
from javascript import find_node
from nn import MLP, accuracy, confusion_matrix, data, fit, losses, vector
from nn.live import Film, film_data
from nn.live.film_data import quantize
from nn.live.passes import compute_loss, find_changes, trace_pass
from nn.taped import Taped

X, Y = data.moons(12, noise=0.1, rng=0)
LOGISTIC = {"loss": "binary_cross_entropy", "lr": 0.1}


def start(epochs=3, model=None, **options):
    return fit(model or MLP(2, [3, 1], "tanh", rng=0), X, Y, epochs=epochs, **LOGISTIC, **options)


def start_tape():
    training = start()
    training.model = Taped.__new__(Taped)
    return training


# ------------------------------------------------------------------------------------- the numbers


@given(arrays(np.float32, (3, 2, 4), elements=st.floats(-(2.0**90), 2.0**90, width=32)))
def test_weights_in_8_bits_are_within_half_a_step(x):
    integers, scales = quantize(x)
    assert integers.dtype == np.int8
    error = np.abs(integers * scales[:, None].astype(float) - x)
    assert (error <= 0.5 * scales[:, None] * (1.0 + 1e-9)).all()


def test_weights_that_are_not_finite_are_0():
    integers, scales = quantize(np.array([[[np.inf, np.nan, 1.27]]]))
    assert (integers.tolist(), scales) == ([[[0, 0, 127]]], pytest.approx([0.01]))


PARTS = st.integers(0, 2) | st.text("ab", max_size=1)
LISTS = st.lists(PARTS, max_size=2) | st.dictionaries(st.text("ab", max_size=1), PARTS, max_size=2)
JSON = PARTS | LISTS | st.lists(LISTS, max_size=2) | st.fixed_dictionaries({"a": LISTS})


def apply(old, change):
    if change is None:
        return old
    if isinstance(change, list):
        return change[0]
    keys = range(len(old)) if isinstance(old, list) else [*old]
    new = {key: apply(old[key], change.get(str(key))) for key in keys}
    return [*new.values()] if isinstance(old, list) else new


@given(JSON, JSON)
def test_changes_turn_one_page_into_another(old, new):
    assert apply(old, find_changes(old, new)) == new
    assert find_changes(new, new) is None


# --------------------------------------------------------------------------------------- the film


def test_a_film_is_the_training():
    film, training = Film(start(5)), start(5)
    assert [r._replace(seconds=0) for r in film] == [r._replace(seconds=0) for r in training]
    assert [frame.epoch for frame in film.frames] == [*range(6)]
    assert repr(film).startswith("<film of 5 epochs of MLP(2, [3, 1], 'tanh'); save it")


def test_every_second_epoch_and_the_last():
    film = Film(start(5), every=2)
    assert len(film.run()) == 5
    assert [frame.epoch for frame in film.frames] == [0, 2, 4, 5]


def test_an_interrupted_training_has_a_film(tmp_path):
    def interrupt(X, epoch, rng):
        if epoch == 3:
            raise KeyboardInterrupt
        return X

    film = Film(start(augment=interrupt))
    next(film)
    size = film.save(tmp_path / "film.html").stat().st_size
    with pytest.raises(KeyboardInterrupt):
        film.run()
    assert [record.epoch for record in film.records] == [1, 2]
    assert film.save(tmp_path / "film.html").stat().st_size > size


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Film(MLP(2, [1])), TypeError, r"Film expects a training such as fit\(model"),
        (lambda: Film(start_tape()), TypeError, "got that of a Tape"),
        (lambda: Film(start(), samples=[12]), ValueError, "places below 12, the number of training samples, got 12"),
        (lambda: Film(start(), samples=[]), ValueError, r"1 to 10 different places, got \[\]"),
        (lambda: Film(start(), samples=[1, 1]), ValueError, r"different places, got \[1, 1\]"),
        (lambda: Film(start(), samples=[-1]), ValueError, "a place in samples"),
        (lambda: Film(start(), samples=0), TypeError, "samples expects a list of places"),
        (lambda: Film(start(), every=0), ValueError, "every"),
        (lambda: Film(start(), theme="pink"), ValueError, "unknown theme 'pink'"),
        (lambda: Film(start()).save("film.pdf"), ValueError, "a film"),
    ],
)  # fmt: skip
def test_refused_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_film_of_mnist_is_small():
    """Weights that have nothing in common from one epoch to the next take most bytes."""
    rng = np.random.default_rng(0)
    digits, labels = rng.random((20, 784), np.float32), rng.integers(0, 10, 20)
    model = vector.MLP(784, [256, 10], rng=0)
    film = Film(fit(model, digits, labels, loss="cross_entropy", epochs=2))
    sizes = []
    for _ in range(2):
        next(film)
        state = {name: rng.normal(size=x.shape) for name, x in film.frames[-1].state.items()}
        film.frames[-1] = film.frames[-1]._replace(state=state)
        sizes.append(len(film.html.encode()))
    assert sizes[1] + 10 * (sizes[1] - sizes[0]) < 5_000_000  # of 12 epochs


class Gate(MLP):
    """A network whose control flow depends on a number, so that it cannot be recorded."""

    def __call__(self, x):
        out = super().__call__(x)
        return out * 2.0 if out.data > 0.0 else out


def test_a_fault_of_the_recording_is_not_hidden(monkeypatch):
    def fail(*arguments):
        raise KeyError("a fault")

    monkeypatch.setattr(film_data, "record_training", fail)
    with pytest.raises(KeyError, match="a fault"):
        _ = Film(start()).html


class Doubled(vector.MLP):
    def __call__(self, X):
        return 2.0 * super().__call__(X) + 1.0


@pytest.mark.parametrize("kind", [vector.MLP, Doubled, vector.Sequential])
def test_a_model_of_arrays_is_traced_unless_its_counterpart_computes_the_same(kind):
    sizes = [vector.Dense(2, 1, rng=0)] if kind is vector.Sequential else [2, [3, 1]]
    film = Film(start(model=kind(*sizes)))
    assert ("KERNELS" in film._recorder.pack(film.frames).code) == (kind is not Doubled)


def test_a_model_that_cannot_be_recorded_is_traced():
    """A page that computes only gets new leaves; it is the page that tracing it again makes."""
    model = Gate(2, [3, 1], "tanh", rng=0)
    film = Film(start(model=model))
    assert "KERNELS" not in film._recorder.pack(film.frames).code
    known, pages = {}, []
    for scale in (1.0, 1.5):
        for p in model.parameters():
            p.data, p.grad = scale * p.data, 0.0
        for passes in (known, {}):
            root, outputs = compute_loss(model, losses.binary_cross_entropy, X[0], Y[0], False)
            pages.append(trace_pass(root, outputs, model, "auto", {}, passes).page)
    for page in pages:
        page["views"][0]["svg"] = ""
    assert find_changes(pages[2], pages[3]) is None
    assert find_changes(pages[0], pages[2]).keys() == {"views"}


# --------------------------------------------------------------------------------------- the page


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


def visit(browser, path, **options):
    """Return a page and the list of what it logs and requests."""
    page, heard = browser.new_page(**options), []
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("request", lambda request: heard.append(request.url))
    page.goto(path.as_uri())
    return page, heard


def figures(page, label):
    """Return the numbers of a chart at the shown epoch."""
    texts = page.locator(f"[aria-label='{label}'] .figures b").all_text_contents()
    return [float(text.replace("−", "-")) if text != "–" else None for text in texts]


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (1.125, 1.131, ["1.126", "1.128", "1.13"]),
        (9.4, 11.1, ["9.5", "10", "10.5", "11"]),
        (-0.3, 0.3, ["−0.2", "0", "0.2"]),
        (0.0, 123.0, ["0", "50", "100"]),
        (1e-7, 9e-7, ["2.0e−7", "4.0e−7", "6.0e−7", "8.0e−7"]),
    ],
)
def test_numbers_of_an_axis_have_as_many_digits_as_they_need(low, high, texts):
    files = [
        Path(film_data.__file__).parent / "page" / name for name in ("palette.js", "result.js")
    ]
    program = [
        *[file.read_text() for file in files],
        f"console.log(JSON.stringify(ticks({low}, {high})))",
    ]
    run = subprocess.run([find_node(), "-e", "\n".join(program)], capture_output=True, check=True)
    found = json.loads(run.stdout)
    assert [text for _, text in found] == texts
    assert [float(text.replace("−", "-")) for text in texts] == pytest.approx([x for x, _ in found])


class Hostile(MLP):
    def __repr__(self):
        return HOSTILE


def test_moons_and_hostile_names(browser, tmp_path):
    """The page computes each epoch, opens its pass, and needs nothing but itself."""

    def loss(p, y):
        return losses.binary_cross_entropy(p, y)

    loss.__name__ = HOSTILE
    model = Hostile(2, [3, 1], "tanh", rng=0)
    options = {
        "loss": loss,
        "lr": 0.1,
        "metric": lambda p, y: accuracy(p, y, threshold=0.0),
        "validation": (X[:4], Y[:4]),
    }
    film = Film(fit(model, X, Y, epochs=3, **options), samples=[2, 5])
    film.run()
    page, heard = visit(browser, film.save(tmp_path / "film.html"))
    get = lambda: page.evaluate("stepgrad.get()")
    assert get()["epoch"] == 3
    page.keyboard.press("Home")
    assert page.locator(".epoch").text_content() == "0"
    assert figures(page, "metric") == [None, None]
    chart = page.locator(".chart").first
    for frame in film.frames:
        shown = get()
        assert (shown["epoch"], shown["playing"]) == (frame.epoch, False)
        assert shown["weights"] == [*frame.state.values()]
        if record := frame.record:
            expected = [record.loss, record.validation_loss]
            assert chart.locator("b").all_text_contents() == [f"{x:.4g}" for x in expected]
            assert figures(page, "norm of the gradient, last step") == pytest.approx(
                [*frame.gradients.values()], rel=1e-3
            )
        page.keyboard.press("ArrowRight")

    page.get_by_label("Sample", exact=True).last.select_option("5")
    page.get_by_role("slider", name="Epoch").focus()
    page.keyboard.press("ArrowLeft")
    assert get()["epoch"] == 2
    page.wait_for_function("location.hash.includes('epoch=2&sample=5')")
    page.get_by_role("button", name="Step through this backward pass").click(force=True)
    model.load_state_dict(film.frames[2].state)
    model.zero_grad()
    xs = [Value(float(x), f"x{j}") for j, x in enumerate(X[5])]
    root = losses.binary_cross_entropy([model(xs)], Y[5:6])
    root.backward()
    opened = page.evaluate(
        "() => { const stepper = stepgrad.open(5); return stepper.names().map((name) => stepper.get(name)); }"
    )
    numbers = np.array([[x["data"], x["grad"]] for x in opened if x["grad"] is not None], float)
    for leaf in [*xs, *model.parameters()]:
        errors = np.abs(numbers - [leaf.data, leaf.grad]).max(axis=1)
        assert errors.min() < 1e-14
    page.keyboard.press("End")
    before = page.locator(".place").text_content()
    page.get_by_role("button", name="Next epoch").last.click(force=True)
    assert page.locator(".turn b").text_content() == "epoch 3"
    assert page.locator(".place").text_content() == before
    page.locator(".stepper").focus()
    page.keyboard.press("Escape")
    assert not page.locator("dialog").get_attribute("open")
    assert get()["epoch"] == 3

    page.locator("h1").click(force=True)
    page.evaluate("stepgrad.goto(0)")
    page.get_by_label("epochs/s").select_option("20")
    page.locator("h1").click(force=True)
    page.keyboard.press(" ")
    page.wait_for_function("stepgrad.get().epoch === 3 && !stepgrad.get().playing")
    page.get_by_text("gradients", exact=True).click(force=True)
    page.locator(".neuron").nth(3).click(force=True)
    assert page.locator(".result .heading").text_content() == "layers[0], neuron 1"
    assert page.locator("h1").text_content().startswith("</text>")
    assert page.evaluate("window.hit") is None
    assert heard == [film.save(tmp_path / "film.html").as_uri()]
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function("document.documentElement.scrollWidth <= 390")
    page.close()


PANELS = """Object.fromEntries([...document.querySelectorAll("dialog .panel")].map((panel) =>
  [`${panel.closest("g[id]").id.slice(3)} ${panel.dataset.field}`,
   [...panel.querySelectorAll(".numbers text")].map((text) => text.textContent)]))"""


def test_arrays(browser, tmp_path):
    """Weights, predictions, and the pass of a sample at each epoch, as Python has them."""
    rng = np.random.default_rng(0)
    images, labels = rng.random((30, 25), np.float32), rng.integers(0, 3, 30)
    model = vector.MLP(25, [8, 4, 3], rng=0)
    film = Film(fit(model, images, labels, loss="cross_entropy", epochs=8, batch_size=30, metric="accuracy", rng=0), samples=[7, 3], every=5)  # fmt: skip
    film.run()
    page, heard = visit(browser, film.save(tmp_path / "film.html"), color_scheme="dark")
    traced = [x for passes in film._recorder.passes.values() for x in passes]
    assert len({x.page["views"][0]["svg"][:100] for x in traced}) == 1
    for frame in film.frames:
        page.evaluate("(epoch) => stepgrad.goto(epoch)", frame.epoch)
        model.load_state_dict(frame.state)
        model.zero_grad()
        for name, x in frame.state.items():
            shown = page.evaluate("(name) => stepgrad.weights(name)", name)
            size = np.abs([f.state[name] for f in film.frames]).max(axis=(0, -1)) / 127.0
            error = np.abs(np.array(shown).reshape(x.shape) - x)
            assert (error <= 0.5001 * np.expand_dims(size, -1) + 1e-12).all()
        got = page.evaluate("stepgrad.get()")
        assert got["counts"] == confusion_matrix(model(images), labels).tolist()
        leaf = Array(images[7:8], "x")
        logits = model(leaf)
        loss = losses.cross_entropy(logits, labels[7:8])
        loss.backward()
        for name, node in {"x": leaf, "Z₃": logits, "loss": loss, "b₂": model.layers[1].bias}.items():  # fmt: skip
            stored = got["arrays"][name]
            assert stored["shape"] == [*node.data.shape]
            assert stored["data"] == node.data.ravel().tolist()
            assert stored["grad"] == np.ravel(node.grad).tolist()
        shares = page.locator(".bars b").all_text_contents()
        expected = 100 * logits.softmax().data[0]
        np.testing.assert_allclose([float(x.split()[0]) for x in shares], expected, atol=0.051)
        page.get_by_role("button", name="Step through this backward pass").click(force=True)
        page.keyboard.press("End")
        cells = {}
        for step_frame in step(loss, model).frames:
            cells |= step_frame.cells
        shown = page.evaluate(PANELS)
        assert shown == {key: [*x.get("texts", ())] for key, x in cells.items()}
        assert sum(map(len, shown.values())) > 50
        page.keyboard.press("Escape")

    page.locator(".sheet canvas").focus()
    page.keyboard.press("ArrowRight")
    assert re.match(
        r"unit \d+ · Z₁ = .*, gradient .* · A₁ = ", page.locator(".unit").text_content()
    )
    page.get_by_label("order").select_option("index")
    assert page.locator(".tiles .heading").text_content().startswith("layers.0.weight: ")
    assert heard == [film.save(tmp_path / "film.html").as_uri()]
    page.close()
