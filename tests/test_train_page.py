"""A page trains as `fit` does: the same program, as JavaScript."""

import json
import re
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from itertools import cycle

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from browsers import HOSTILE, chromium
from engine import Value, arithmetic, softmax, topological
from engine.draw.circles.connections import Network, format_in_circle
from engine.draw.formulas.notation import choose_names
from engine.draw.look.theme import format_number, format_rounded
from engine.draw.steps import boxes
from engine.rules import Op
from engine.sequences.vector_op import Outputs
from javascript import find_node, read_data
from nn import MLP, Layer, Module, data, fit, losses, optim, schedules, vector
from nn.live import loss_programs, train_page
from nn.live.html import hash_source, write_core
from nn.losses import LOSSES
from nn.optimizer import Optimizer
from nn.scalar import ACTIVATIONS
from strategies import examples

PROGRAM = """
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const { code, data, steps, settings } = JSON.parse(line);
  const trainer = Object.assign(new (new Function(code + "return Trainer;")())(data), settings);
  const losses = Array.from({ length: steps }, () => trainer.step());
  console.log(JSON.stringify({ losses, weights: [...trainer.numbers.slice(0, trainer.count)] }));
});
"""
pytestmark = pytest.mark.filterwarnings("ignore::stepgrad.GradientWarning")  # of dead units
X, Y = data.moons(8, rng=1)
TARGETS = {"hinge": 2 * Y - 1, "cross_entropy": Y, "binary_cross_entropy": Y}


@contextmanager
def node_trainer():
    """Yield a function that trains a page's network in node, and returns losses and weights."""
    process = subprocess.Popen(
        [find_node(), "-e", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def train(page, steps, **settings):
        message = {
            "code": write_core(page._code), "data": page._data, "steps": steps, "settings": settings
        }  # fmt: skip
        process.stdin.write(json.dumps(message) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        return answer["losses"], answer["weights"]

    yield train
    process.stdin.close()
    process.stdout.close()
    process.wait()


@pytest.fixture(scope="module")
def train():
    with node_trainer() as train:
        yield train


def compare(train, model, X, y, steps=50, epochs=50, bits=False, **settings):
    """Check the weights after some steps against `fit`. Return False if the training diverges."""
    page = train_page(model, X, y, **settings)
    found, weights = train(page, steps)
    records = fit(model, X, y, epochs=epochs, **settings).run()
    expected = [p.data for p in model.parameters()]
    if not (records[-1].loss <= records[0].loss and max(map(abs, expected)) < 100.0):
        return False
    if epochs == steps:
        np.testing.assert_allclose(found, [record.loss for record in records], rtol=1e-9, atol=1e-9)
    if bits:
        assert weights == expected
    np.testing.assert_allclose(weights, expected, rtol=1e-9, atol=1e-9)
    return True


RULES = [
    ("sgd", {}), ("sgd", {"momentum": 0.9}), ("sgd", {"momentum": 0.5, "nesterov": True}),
    *[(name, {}) for name in optim.OPTIMIZERS if name != "sgd"], ("adam", {"weight_decay": 0.1}),
]  # fmt: skip
CASES = list(zip(ACTIVATIONS, cycle(LOSSES), cycle(RULES), cycle([None, 3, 8])))


@pytest.mark.parametrize(("activation", "loss", "rule", "size"), CASES, ids=str)
def test_fifty_steps_are_those_of_fit(activation, loss, rule, size, train):
    """Each activation, with a loss, an optimizer and a batch size in turn."""
    outputs = 2 if loss == "cross_entropy" else 1
    model = MLP(2, [3, outputs], activation, rng=2)
    name, settings = rule
    optimizer = optim.get(name)(model.parameters(), lr=0.01, **settings)
    per_epoch = 3 if size == 3 else 1
    epochs = 50 // per_epoch
    page_steps = epochs * per_epoch
    assert compare(
        train, model, X, TARGETS.get(loss, Y), page_steps, epochs, loss=loss, optimizer=optimizer,
        batch_size=size, rng=3,
    )  # fmt: skip


@examples(6)
@given(st.data())
def test_generated_networks_learn_as_in_fit(train, draws):
    sizes = draws.draw(st.lists(st.integers(1, 5), min_size=0, max_size=3), label="sizes")
    features, seed = draws.draw(st.integers(1, 3)), draws.draw(st.integers(0, 99), label="seed")
    loss = draws.draw(st.sampled_from([*LOSSES]), label="loss")
    outputs = 3 if loss == "cross_entropy" else 1
    activation = draws.draw(st.sampled_from(["relu", "tanh", "sigmoid", "gelu"]))
    model = MLP(features, [*sizes, outputs], activation, rng=seed, fused=draws.draw(st.booleans()))
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(7, features)), rng.integers(0, outputs if outputs > 1 else 2, 7)
    assume(compare(
        train, model, X, 2 * y - 1 if loss == "hinge" else y, 52, 13, loss=loss, lr=0.02,
        optimizer=draws.draw(st.sampled_from([*optim.OPTIMIZERS])), batch_size=2, rng=seed,
    ))  # fmt: skip


def test_sums_and_products_have_the_same_bits(train):
    model = MLP(2, [4, 3, 1], "relu", rng=0)
    assert compare(train, model, X, Y, bits=True, loss="mse", optimizer="sgd", lr=0.05)
    many = np.random.default_rng(0).normal(size=(5, 40))  # a neuron is a chain of kernels
    model = MLP(40, [3, 1], "relu", rng=0)
    assert compare(train, model, many, many[:, 0], bits=True, loss="mse", optimizer="sgd", lr=0.01)


SWISH = Op(
    "swish", lambda x: x * arithmetic.divide(1.0, 1.0 + arithmetic.exp(-x)),
    lambda out, x: arithmetic.divide(1.0 + arithmetic.exp(-x) + x * arithmetic.exp(-x),
                                     (1.0 + arithmetic.exp(-x)) * (1.0 + arithmetic.exp(-x))),
)  # fmt: skip


class Own(Module):
    """A model with a row of the user, a shared weight and a frozen layer."""

    def __init__(self):
        self.hidden, self.out = Layer(2, 3, "linear", rng=0), Layer(3, 1, "linear", rng=1)
        self.gain = Value(0.5)
        self.hidden.neurons[0].freeze()

    def __call__(self, x):
        return self.out([SWISH(self.gain * z) + self.gain for z in self.hidden(x)])


class Probabilities(MLP):
    """A model whose outputs are the results of one operation."""

    def __call__(self, x):
        return softmax(super().__call__(x))


def cubed(predictions, targets):
    total = Value(0.0)
    for p, y in zip(predictions, targets, strict=True):
        total = total + abs(p - y) ** 3
    return total


class Signed(Optimizer):
    remembers = ("mean",)

    def rule(self):
        return lion, self.remembers, (0.9,)


def lion(grad, mean, beta):
    mean = beta * mean + (1.0 - beta) * grad
    return arithmetic.where(mean > 0.0, 1.0, -1.0) * arithmetic.sqrt(abs(mean)), mean


def test_a_model_a_loss_and_an_optimizer_of_the_user(train):
    """The loss is a sum over the samples."""
    model = Own()
    optimizer = Signed(model.parameters(), lr=0.003)
    assert compare(train, model, X, Y, loss=cubed, optimizer=optimizer, batch_size=None)
    assert train_page(model, X, Y, loss=cubed)._data["reduction"] == "sum"


def test_an_optimizer_continues(train):
    """Its memory and its steps so far are in the page."""
    model = MLP(2, [3, 1], rng=0)
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    fit(model, X, Y, loss="mse", epochs=3, optimizer=optimizer).run()
    assert compare(train, model, X, Y, loss=partial(losses.huber, delta=0.3), optimizer=optimizer)


LABELS = np.arange(8) % 3
IGNORED = np.where(LABELS == 1, -100, LABELS)
CROSS = partial(partial, losses.cross_entropy)


@pytest.mark.parametrize(
    ("loss", "y", "settings"),
    [
        (CROSS(weight=[1.0, 2.0, 0.5], smoothing=0.1), LABELS, {"batch_size": 3}),
        (CROSS(ignore_index=-100), IGNORED, {"batch_size": 4}),
        (CROSS(ignore_index=-100, weight=(0.5, 1.0, 3.0)), IGNORED, {}),
        (CROSS(reduction="sum", smoothing=0.2, weight=[3.0, 1.0, 1.0]), LABELS, {"clip": 0.5}),
        ("cross_entropy", LABELS, {"clip": 0.1, "optimizer": "sgd", "batch_size": 3}),
    ],
)
def test_weights_of_classes_ignored_labels_and_clipping(loss, y, settings, train):
    model = MLP(2, [3, 3], "tanh", rng=0)
    steps, epochs = (
        (50, 50) if "batch_size" not in settings else (48, 48 // -(-8 // settings["batch_size"]))
    )
    assert compare(train, model, X, y, steps, epochs, loss=loss, lr=0.02, rng=1, **settings)


def test_a_schedule(train):
    """It continues from the optimizer's step, and stays at its last rate."""
    model = MLP(2, [3, 1], "tanh", rng=0)
    optimizer = optim.Adam(model.parameters())
    schedule = schedules.one_cycle(0.05, steps=40, end=0.001)
    fit(model, X, Y, loss="mse", epochs=3, optimizer=optimizer, schedule=schedule).run()
    settings = {"loss": "mse", "optimizer": optimizer, "schedule": schedule}
    assert len(train_page(model, X, Y, **settings)._data["rates"]) == 38
    assert compare(train, model, X, Y, **settings)


def test_a_penalty(train):
    """It is added to the loss of each step."""
    model = MLP(2, [3, 1], "tanh", rng=0)
    penalty = lambda: (
        0.3 * losses.l2_penalty(model.parameters()[:4])
        + losses.l1_penalty(model.layers[1].parameters())
    )
    assert compare(train, model, X, Y, loss="mse", lr=0.02, penalty=penalty)


def test_rows_of_targets(train):
    """Probabilities of classes, several outputs, by softmax too, and samples of one number."""
    q = np.column_stack([Y, 1 - Y]) * 0.8 + 0.1
    assert compare(train, MLP(2, [3, 2], rng=0), X, q, loss="cross_entropy", lr=0.01)
    assert compare(train, Probabilities(2, [3, 2], rng=0), X, q, loss="mse", lr=0.01)
    assert compare(train, MLP(2, [3, 2], rng=0), X, X[:, ::-1], loss="mse", lr=0.01)
    assert compare(train, MLP(1, [3, 1], "tanh", rng=0), X[:, 0], X[:, 1], loss="mae", lr=0.01)


def test_gradients_that_are_not_set_to_zero(train):
    model = MLP(2, [3, 1], "tanh", rng=0)
    page = train_page(model, X, Y, loss="mse", optimizer="sgd", lr=0.01)
    _, weights = train(page, 20, zeroGrad=False)
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    for _ in range(20):
        losses.mse([model(x) for x in X], Y).backward()
        optimizer.step()
    np.testing.assert_allclose(weights, [p.data for p in model.parameters()], rtol=1e-9)


def test_a_network_of_arrays_is_lifted():
    page = train_page(vector.MLP(2, [3, 1], rng=0), X, Y, loss="mse")
    assert len(page._data["weights"]) == 13
    page = train_page(vector.MLP(1, [3, 1], rng=0), X[:, 0], Y, loss="mse")
    assert len(page._data["weights"]) == 10


def test_a_subclass_with_another_call_is_not_lifted():
    class Doubled(vector.MLP):
        def __call__(self, X):
            return 2.0 * super().__call__(X) + 1.0

    with pytest.raises(TypeError, match=r"to_scalar\(\) differ"):
        train_page(Doubled(2, [3, 1], rng=0), X, Y, loss="mse")


def branch_on_predictions(predictions, targets):
    terms = [p if p.data > 0.0 else -p for p in predictions]
    return losses.mse(terms, targets)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss": branch_on_predictions}, "control flow depends on a prediction; write where"),
        ({"loss": lambda p, y: losses.mse(p, y) ** 2}, "the mean or the sum of the losses"),
        ({"loss": "hinge"}, f"labels -1 or 1 .* for sample {int(Y.argmin())}"),
        ({"loss": "mse", "theme": "night"}, "unknown theme 'night'"),
        ({"loss": "mse", "batch_size": 0}, "batch_size"),
        ({"loss": "mse", "clip": 0.0}, "clip must be"),
        ({"loss": "mse", "schedule": schedules.reduce_on_plateau(0.1)}, "step alone, got Plateau"),
        ({"loss": "mse", "schedule": schedules.constant(0.1), "lr": 0.1}, "a schedule, got lr=0.1"),
        ({"loss": lambda p, y: losses.mse(p, y) * (1.0 + len(y))}, r"partial\(nn.losses.cross"),
    ],
)
def test_refused_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        train_page(MLP(2, [3, 1], rng=0), X, Y, **arguments)


def test_a_loss_that_branches_on_too_many_targets(monkeypatch):
    monkeypatch.setattr(loss_programs, "MOST_PROGRAMS", 2)
    loss = lambda p, y: losses.mse(p, [int(t) for t in y])
    with pytest.raises(ValueError, match="at most 2 distinct targets, got one that branches on"):
        train_page(MLP(2, [1], rng=0), X, np.arange(len(X)), loss=loss)


def test_a_rule_that_cannot_be_recorded():
    class Sign(Optimizer):
        def direction(self, grad, memory):
            return 1.0 if grad > 0.0 else -1.0

    model = MLP(2, [1], rng=0)
    with pytest.raises(TypeError, match="cannot record the rule of Sign"):
        train_page(model, X, Y, loss="mse", optimizer=Sign(model.parameters(), lr=0.1))


def test_networks_do_not_load_the_pages():
    code = "import sys, nn; nn.MLP; print([x for x in sys.modules if 'live' in x or '.draw' in x])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_the_policy_permits_the_page_alone():
    html = train_page(MLP(2, [3, 1], rng=0), X, Y, loss="mse").html
    policy = re.search('Content-Security-Policy" content="([^"]*)"', html)[1]
    script, style = (
        re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL) for tag in ("script", "style")
    )
    assert [hash_source(text) in policy for text in (*script, *style)] == [True, True]
    assert hash_source(read_data(html, "stepper")) in policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "\n\n" not in html
    assert not re.search("<[^>]* style=", html)


WAIT = """new Promise((done) => {
  const look = () => (stepgrad.get().step > 20 ? done() : setTimeout(look, 10));
  look();
})"""


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


class Hostile(MLP):
    def __repr__(self):
        return HOSTILE


def test_controls_and_hostile_names(browser, tmp_path):
    """Each control; the page makes no request and logs nothing."""

    def loss(p, y):
        root = losses.mse(p, y)
        root.label = HOSTILE + "of a loss"
        return root

    loss.__name__ = HOSTILE
    model = Hostile(2, [3, 1], "tanh", rng=0)
    model.layers[0].neurons[0].weights[0].label = HOSTILE
    schedule = schedules.step_decay(0.05, every=3)
    settings = {"loss": loss, "optimizer": "sgd", "schedule": schedule, "batch_size": 4, "rng": 0}
    path = train_page(model, X, Y, **settings).save(tmp_path / "page.html")
    page, heard = browser.new_page(viewport={"width": 1000, "height": 640}), []
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("request", lambda request: heard.append(request.url))
    page.goto(path.as_uri())
    assert heard == [path.as_uri()]
    assert page.evaluate("window.hit") is None
    assert page.locator("h1").text_content().startswith("</text>")
    get = lambda name: page.evaluate(f"stepgrad.get().{name}")
    first = get("weights")
    assert first == [p.data for p in model.parameters()]

    page.keyboard.press("ArrowRight")
    page.get_by_label("One step").click(force=True)
    page.get_by_role("button", name="Epoch").click(force=True)
    assert (get("step"), get("epoch"), page.locator(".steps").text_content()) == (4, 2, "4")
    fit(model, X, Y, epochs=2, **settings).run()
    np.testing.assert_allclose(get("weights"), [p.data for p in model.parameters()], rtol=1e-12)
    page.keyboard.press("r")
    assert get("weights") == first
    assert (get("step"), get("lr"), page.inner_text(".lr")) == (0, 0.05, "0.05")

    page.get_by_label("learning rate").select_option("0.3")
    page.get_by_label("batch").select_option("")
    page.get_by_label("zero_grad()").uncheck()
    before, gradients = get("weights"), get("gradients")
    steps = [page.get_by_label("One step").click(force=True) or get("weights") for _ in range(2)]
    assert (get("batch"), get("lr"), get("epoch")) == (None, 0.3, 2)
    moved, again = np.subtract(before, steps[0]), np.subtract(steps[0], steps[1])
    np.testing.assert_allclose(moved, 0.3 * np.array(gradients), rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(again, 0.3 * np.array(get("gradients")), rtol=1e-9, atol=1e-15)
    page.get_by_label("One step").click(force=True)
    page.get_by_label("learning rate").select_option("schedule")
    assert get("lr") == schedule(3)

    page.get_by_label("seed").fill("7")
    page.get_by_role("button", name="New weights").click(force=True)
    renewed = get("weights")
    assert renewed != first
    assert get("step") == 0
    page.get_by_role("button", name="New weights").click(force=True)
    assert get("weights") == renewed

    page.keyboard.press("Escape")
    page.locator(".neuron").nth(2).press("Enter")
    assert page.locator(".heading").text_content() == "layers[0], neuron 0"
    rows = page.locator(".terms tbody tr").all_text_contents()
    assert len(rows) == 3
    assert rows[0].startswith("input x0")
    page.get_by_text("gradients", exact=True).click(force=True)
    page.get_by_label("steps/s").select_option("")
    page.locator("h1").click(force=True)
    page.keyboard.press(" ")
    page.evaluate(WAIT)
    assert get("playing")
    page.keyboard.press(" ")
    assert not get("playing")
    names = page.evaluate(
        "(() => { const s = stepgrad.open({}); s.goto(40); return s.names(); })()"
    )
    assert [sum(HOSTILE in name for name in names), HOSTILE + "of a loss" in names] == [2, True]
    page.evaluate("stepgrad.open({ neuron: 'layers[0], neuron 0', sample: 3 }).goto(9)")
    page.evaluate("stepgrad.close()")
    assert page.evaluate("window.hit") is None
    assert heard == [path.as_uri()]
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function("document.documentElement.scrollWidth <= 390")
    page.close()


NUMBERS = (
    "(place) => { const s = stepgrad.open(place); return s.names().map((x) => [x, s.get(x)]); }"
)
NUMERAL = re.compile("[−0-9.e]+|y[0-9]*")  # the name of a constant; of a target in a page


TEXTS = """() => Object.fromEntries([...document.querySelectorAll("[data-opens]")].map((part) =>
    [part.dataset.opens, [...part.querySelectorAll(".data, .grad")].map((x) => x.textContent)]))"""
SMALL = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def compute(model, X, y, weights, sample, loss):
    """Return the graph of a sample's loss with the weights of a page, after its backward pass."""
    for p, number in zip(model.parameters(), weights, strict=True):
        p.data = number
    xs = [Value(x) for x in np.ravel(X[sample]).tolist()]
    root = losses.get(loss)([model(xs)], [y[sample]])
    model.zero_grad()
    root.backward()
    return root


@contextmanager
def opened_page(browser, tmp_path, *arguments, steps=3, **settings):
    """Yield a training page after some steps. Its policy holds, and it logs nothing."""
    path = train_page(*arguments, **settings).save(tmp_path / "page.html")
    page, heard = browser.new_page(bypass_csp=False), []
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.goto(path.as_uri())
    page.evaluate(f"stepgrad.train({steps})")
    yield page
    assert heard == []
    page.close()


SCALAR = [
    (lambda: MLP(2, [3, 2], "relu", rng=0, fused=False), "cross_entropy", Y),
    (lambda: Probabilities(2, [3, 2], rng=0), "mse", X[:, ::-1]),
    (Own, "huber", Y),
]


@pytest.mark.parametrize(("make", "loss", "y"), SCALAR)
def test_the_loss_of_a_sample_opens(make, loss, y, browser, tmp_path):
    """Its graph has the data and gradients of the same graph in Python."""
    model = make()
    with opened_page(browser, tmp_path, model, X, y, loss=loss, lr=0.05) as page:
        weights = page.evaluate("stepgrad.get().weights")
        for sample in (1, 6):
            numbers = page.evaluate(NUMBERS, {"sample": sample})
            found = [x for name, x in numbers if not NUMERAL.fullmatch(name)]
            order = topological(compute(model, X, y, weights, sample, loss))
            names = zip(choose_names(order, ".4g"), order, strict=True)
            nodes = [x for name, x in names if not NUMERAL.fullmatch(name)]
            nodes = [x for x in nodes if not isinstance(x, Outputs)]
            compare_numbers(found, [x.data for x in nodes], [x.grad for x in nodes])


def compare_numbers(found, data, grads):
    np.testing.assert_allclose([x["data"] for x in found], data, rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose([x["grad"] for x in found], grads, rtol=1e-12, atol=1e-300)


def test_a_large_network_opens_neuron_by_neuron(browser, tmp_path):
    """Circles have the numbers of neurons and open them, by keyboard; keys do not train."""
    model, q = MLP(2, [40, 3, 2], "tanh", rng=0), np.column_stack([Y, 1 - Y]) * 0.8 + 0.1
    with opened_page(browser, tmp_path, model, X, q, loss="cross_entropy", lr=0.05) as page:
        root = compute(model, X, q, page.evaluate("stepgrad.get().weights"), 5, "cross_entropy")
        activity = Network(model, root).activity
        page.evaluate("stepgrad.open({ sample: 5 }).goto(1000)")
        texts = page.evaluate(TEXTS)
        for i in range(3):
            (out,) = activity.nodes[2][i]
            numbers = [format_in_circle(x, ".4g") for x in (out.data, out.grad)]
            assert texts[f"layers[1].neurons[{i}]"] == numbers
            fills = page.locator(f"[data-opens='layers[1].neurons[{i}]'] circle")
            assert fills.nth(1).get_attribute("class") == f"fill{int(out.data > 0)}"
        largest = max(abs(w.data) for w in model.parameters())
        legend = page.locator(".overlay [id$='-legend'] text").all_text_contents()
        assert format_rounded(largest, 2) in legend
        written = [format_number(root.data, ".4g"), "1"]
        assert texts["loss, scalar by scalar"] == written
        page.locator("[data-opens='loss, scalar by scalar']").press("Enter")
        page.keyboard.press("End")
        numbers = page.locator(".overlay .number").all_text_contents()
        assert any(written[0] in number for number in numbers)

        page.keyboard.press("Escape")
        page.locator("[data-opens='layers[1].neurons[2]']").press("Enter")
        page.keyboard.press("e")
        page.keyboard.press("ArrowRight")
        assert page.locator(".trail").text_content().endswith("layers[1].neurons[2]")
        weights, inputs = model.layers[1].neurons[2].weights, activity.list_inputs(out)
        sizes = [abs(w.data * inputs[j].data) for j, w in enumerate(weights)]
        largest = sorted(sorted(range(40), key=lambda j: -sizes[j])[:28])
        names = [f"w{str(j).translate(SMALL)}" for j in largest]
        options = page.locator(".overlay option").all_text_contents()
        assert [x for x in options if x[0] == "w"] == [f"{name} (parameter)" for name in names]
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        assert page.locator("dialog").is_hidden()

        place = "{ sample: 5, neuron: 'layers[1], neuron 2' }"
        read = f"(names) => {{ const s = stepgrad.open({place}); return names.map(s.get); }}"
        found = page.evaluate(read, names)
        compare_numbers(
            found, [weights[j].data for j in largest], [weights[j].grad for j in largest]
        )
        page.evaluate("stepgrad.close()")
        page.locator(".neuron[title='layers[1], neuron 2']").press("Enter")
        button = page.get_by_role("button", name="Step through neuron")
        button.press("Enter")
        page.keyboard.press("Escape")
        assert button.evaluate("(x) => x === document.activeElement")
        assert page.evaluate("stepgrad.get().step") == 3


def test_a_network_of_many_inputs_opens(browser, tmp_path):
    """A network for MNIST, for example: neurons have steps, and inputs have none."""
    model, inputs = MLP(784, [16, 2], "relu", rng=0), np.random.default_rng(0).random((10, 784))
    labels = np.arange(10) % 2
    with opened_page(browser, tmp_path, model, inputs, labels, loss="cross_entropy") as page:
        root = compute(
            model, inputs, labels, page.evaluate("stepgrad.get().weights"), 3, "cross_entropy"
        )
        page.evaluate("stepgrad.open({ sample: 3 }).goto(1000)")
        assert page.locator(".place").text_content() == f"{2 * 18 + 5} of {2 * 18 + 5}"
        written = [format_number(root.data, ".4g"), "1"]
        assert page.evaluate(TEXTS)["loss, scalar by scalar"] == written


def test_a_loss_with_too_many_values_does_not_open(browser, tmp_path, monkeypatch):
    """The page says so; neurons open."""
    monkeypatch.setattr(boxes, "MOST_VALUES", 300)
    model = MLP(2, [70, 3, 1], "tanh", rng=0)
    with opened_page(browser, tmp_path, model, X, Y, loss="mse", steps=1) as page:
        page.locator(".neuron[title='layers[1], neuron 2']").press("Enter")
        assert (
            page.locator(".opens .hint").text_content().endswith("too many values to step through.")
        )
        assert page.get_by_role("button", name="Step through loss").is_hidden()
        page.get_by_role("button", name="Step through neuron").press("Enter")
        assert page.locator(".trail").text_content().startswith("training")
        note = page.locator(".overlay .note").text_content()
        assert "28 of 70 products are shown, those that were the largest when this graph" in note
