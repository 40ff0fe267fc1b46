"""A page of a small graph of Arrays computes the numbers, texts and colours of the engine.

The script runs in node; test_page_arrays.py drives a page in a browser.
"""

import json
import random
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import engine
from engine import Array, Op, topological
from engine.arithmetic import exp
from engine.arrays.rules import ARRAY_TABLE
from engine.draw import step
from engine.draw.arrays.matrices import (
    DIGITS,
    LEVELS,
    describe_matrix,
    format_together,
    measure_levels,
)
from engine.draw.arrays.notation import choose_array_names
from engine.draw.arrays.reductions import reduce_elements
from engine.draw.page.html import SCRIPTS, read_text
from engine.draw.page.live import pack_numbers
from javascript import node as run_node
from nn import losses, vector
from strategies import examples
from test_array_rules import CASES
from test_live import PROGRAM, agree, open_page

MORE = """
const fill = (run, line) => fillMath(line.join(""), live.find(run));
Object.assign(questions, {
  numbers: () => [live.graph.data, live.graph.data.map((_, i) => live.grad(i))].map(pack),
  followed: () => live.runs.map(({ frames }, run) => frames.map(({ cells, elements }) => ({ cells: Object.fromEntries(Object.entries(cells ?? {})
    .map(([id, x]) => [id, live.describeCells(x)])), elements:
    Object.entries(elements).map(([key, [lines, marks]]) => [key, lines.map((line) => fill(run, line)), marks]) }))),
  change: ({ numbers }) => {
    live.elements.createLive(live).graph.data.splice(0, numbers.length, ...readNumbers(numbers));
    live.update();
    return null;
  },
  elements: () => live.elements.facts.map(({ name }, k) => [name, live.elements.createLive(live).graph.data[k]]),
  matrix: ({ numbers, spec, columns, settings }) => {
    const xs = readNumbers(numbers), { texts, exponent } = formatTogether(xs, spec, settings);
    return [texts, exponent, measureLevels(shrinkTable(xs, columns, ...settings.map), settings.levels)];
  },
});
const pack = (x) => (Array.isArray(x) ? x.map(pack) : Number.isFinite(x) ? x : String(x).replace("I", "i").replace("inity", ""));
"""
EXACT = (  # rows of + - * / and comparisons, whose sums are in NumPy's order
    "sum", "mean", "max", "min", "prod", "cumsum", "cumprod", "reshape", "transpose", "swapaxes",
    "squeeze", "broadcast_to", "getitem", "scatter", "astype", "concatenate",
)  # fmt: skip


@pytest.fixture(scope="module")
def script():
    """Yield a function that asks the page's script."""
    names = [name for name in SCRIPTS if name not in ("stepper.js", "host.js", "camera.js")]
    with run_node("\n".join([*map(read_text, names), PROGRAM, MORE])) as ask:

        def evaluate(name, **question):
            answer = ask({"name": name, **question})
            assert "error" not in answer, answer["error"]
            return answer["answer"]

        yield evaluate


def read(text):
    """Return the text of MathML, with a space after each number and sign."""
    text = re.sub(r"<[^>]*>", "", re.sub(r"</m(td|n|i|o)>", " ", text))
    return " ".join(text.replace("− ", "−").split())


def compare(script, stepper):
    """Check all texts, fields and followed elements of all frames."""
    for run, frames, followed in zip(
        stepper.runs, script("frames", view=0), script("followed"), strict=True
    ):
        for frame, packed, parts in zip(run.frames, frames, followed, strict=True):
            agree(packed["title"], frame.title)
            agree(packed["note"], frame.note)
            for field in ("data", "grad"):
                assert packed[field].keys() == getattr(frame, field).keys()
                for id, number in getattr(frame, field).items():
                    agree(packed[field][id], number)
            marks = {id: [mark.kind, mark.text] for id, mark in frame.marks.items()}
            agree(json.dumps(packed["marks"]), json.dumps(marks))
            assert packed["alarm"] == frame.alarm
            for line, expected in zip(packed["lines"], frame.lines, strict=True):
                agree(read("".join(line)), read("".join(expected)))
            assert parts["cells"].keys() == frame.cells.keys()
            for id, cells in frame.cells.items():
                assert parts["cells"][id].pop("levels") == cells["levels"]
                others = {name: x for name, x in cells.items() if name != "levels"}
                agree(json.dumps(parts["cells"][id]), json.dumps(others))
            compare_elements(parts["elements"], frame.elements)


def compare_elements(packed, elements):
    packed = {key: (lines, marks) for key, lines, marks in packed}
    assert packed.keys() == elements.keys()
    for key, (lines, marks, *_) in elements.items():
        assert packed[key][1] == [[*mark] for mark in marks]
        for line, expected in zip(packed[key][0], lines, strict=True):
            agree(read(line), read("".join(expected)))


def compare_numbers(script, root, **tolerance):
    """Check the data and the gradient of each node."""
    root.backward()
    read = lambda x: [float(v) for v in np.ravel(np.array(x, object))]
    for node, data, grad in zip(topological(root), *script("numbers"), strict=True):
        assert_allclose(read(data), node.data.ravel(), **tolerance)
        if not node.constant:
            assert_allclose(read(grad), node.grad.ravel(), **tolerance)


def open_root(script, root):
    stepper = step(root)
    assert stepper.graph is not None, stepper.frames[0].note
    open_page(script, stepper)
    return stepper


# --------------------------------------------------------------------------------------- all rows


@pytest.mark.parametrize("name", ARRAY_TABLE)
@examples(3)
@given(data=st.data())
def test_every_row_is_computed(script, name, data):
    """To the bit if it consists of + - * / and comparisons."""
    in_shapes, settings = data.draw(CASES[name].inputs)
    rng = np.random.default_rng(data.draw(st.integers(0, 100)))
    out = ARRAY_TABLE[name](*[Array(rng.normal(size=s)) for s in in_shapes], **settings)
    weights = Array(rng.normal(size=out.shape), dtype=out.dtype)
    root = (out * weights).sum()
    dtypes = {x.dtype for x in topological(root)}
    sizes = [x.size for x in topological(root)]
    if min(sizes) == 0 or sum(sizes) > 100 or len(dtypes) > 1:
        return
    stepper = open_root(script, root)
    compare_numbers(
        script, root, **({"rtol": 0.0} if name in EXACT else {"rtol": 1e-13, "atol": 1e-14})
    )
    compare(script, stepper)


# ------------------------------------------------------------------------------------ whole graphs


def normal(rng, *shape, label=None, dtype=float):
    return Array(rng.normal(size=shape), label, dtype=dtype)


def make_classifier(rng):
    """A layer, relu, and softmax cross entropy with integer labels."""
    X, W, b = normal(rng, 2, 3, label="X"), normal(rng, 4, 3, label="W"), normal(rng, 4, label="b")
    return losses.cross_entropy((X @ W.T + b).relu(), np.array([3, 0]))


def make_batch_norm(rng):
    x, scale = normal(rng, 3, 2, label="x"), normal(rng, 2, label="s")
    centred = x - x.mean(axis=0)
    variance = (centred * centred).mean(axis=0)
    return (scale * centred / (variance + 1e-5).sqrt()).tanh().sum()


def make_ties(rng):
    x = Array([[1.0, 1.0, 0.0], [2.0, -1.0, 2.0]], "x")
    return (x.max(axis=1) * x.min(axis=0).sum() * x.max()).sum()


def make_repeated_index(rng):
    """Places that are selected several times, as in an embedding, and as windows of a convolution."""
    table, kernel = normal(rng, 5, label="t"), normal(rng, 3, label="k")
    windows = table[np.array([[0, 1, 2], [1, 2, 3], [2, 3, 4], [2, 2, 2]])]
    return (windows @ kernel).exp().mean()


def make_where(rng):
    x, y = normal(rng, 2, 3, label="x"), normal(rng, 3, label="y")
    mask = np.array([[True, False, True], [False, False, True]])
    return (engine.where(mask, x * y, y) - x.maximum(y)).square().sum()


def make_attention(rng):
    q, k, v = (normal(rng, 3, 2, label=name) for name in "qkv")
    return ((q @ k.T / 2.0**0.5).softmax() @ v).sum()


def make_single(rng):
    W, x = (normal(rng, *s, label=n, dtype=np.float32) for s, n in (((3, 2), "W"), ((2,), "x")))
    return (0.1 * (W @ x).tanh()).sum() * 3.0


def make_large_axis(rng):
    """An array that the drawing shows as a map, and a scalar parameter."""
    return (normal(rng, 40, label="x") * Array(0.5, "a")).sum()


def make_constant(rng):
    """A constant number that is computed from others, which formulas write by its name."""
    factor = Array(2.0).detach() * Array(3.0).detach()
    return (normal(rng, 3, label="x") * factor).sum()


GRAPHS = [
    make_classifier, make_batch_norm, make_ties, make_repeated_index, make_where, make_attention,
    make_single, make_large_axis, make_constant,
]  # fmt: skip


@pytest.mark.parametrize("make", GRAPHS)
def test_changed_elements_give_the_frames_of_a_new_graph(script, make):
    """Both passes, the incorrect ones, colours, sums of elements, and paths."""
    root, changed = (make(np.random.default_rng(seed)) for seed in (1, 2))
    single = root.dtype == np.float32
    open_root(script, root)
    change(script, changed)
    compare(script, step(changed))
    compare_numbers(script, changed, rtol=1e-5 if single else 1e-12, atol=1e-6 if single else 1e-14)
    compare_paths(script, step(changed))


class Twice(vector.Module):
    """A norm, and a layer that is applied twice, the second time with a residual connection."""

    def __init__(self, rng):
        self.layer = vector.Dense(2, 2, "tanh", rng=rng, dtype=float)
        self.norm = vector.LayerNorm(2, dtype=float)

    def __call__(self, X):
        h = self.layer(self.norm(X))
        return h + self.layer(h)


def make_model(make, seed):
    """Return the loss of a model of Arrays, and the model."""
    model, rng = make(seed), np.random.default_rng(seed)
    for p in model.parameters():
        p.data = rng.normal(size=p.shape)
    return ((model(normal(rng, 2, 2)) - 1.0) ** 2).mean(), model


MODELS = [lambda seed: vector.MLP(2, [3, 2], "tanh", rng=seed, dtype=float), Twice]


@pytest.mark.parametrize("make", MODELS, ids=["mlp", "twice"])
@pytest.mark.parametrize("level", ["layers", "blocks", "first"])
def test_changed_elements_give_the_frames_of_new_boxes(script, make, level):
    """With norms of gradients that arrive in stages and of parameters, and arrays beside boxes."""
    (root, model), (changed, other) = make_model(make, 1), make_model(make, 2)
    if level == "first":
        level = ["layers.0" if hasattr(model, "layers") else "layer"]
    page = step(root, model, level=level)
    open_page(script, page)
    compare(script, page)
    check_box_facts(page.facts, topological(root), {*model.parameters()})
    expected = step(changed, other, level=level)
    names = choose_array_names(topological(root), ".4g")
    for node, name in zip(topological(changed), names, strict=True):
        node.label = name
    change(script, changed)
    compare(script, expected)
    compare_numbers(script, changed, rtol=1e-12, atol=1e-14)


def check_box_facts(facts, order, parameters):
    """Check that those of boxes list the leaves inside, and that only arrays outside have lines."""
    inside = {i for i, fact in enumerate(facts[: len(order)]) if fact.id[:1] != "v"}
    leaves = {i for i in inside if order[i].op is None and (order[i].ndim or order[i].label)}
    assert {i for fact in facts[len(order) :] for i in fact.leaves} == leaves
    owned = {i for i, x in enumerate(order) if x in parameters}
    assert {i for i, fact in enumerate(facts) if fact.kind.startswith("parameter")} == owned
    assert {i for i in inside if facts[i].name} == leaves | (inside & {len(order) - 1})
    assert {i for i, fact in enumerate(facts) if fact.lines} == {
        i for i, x in enumerate(order) if i not in inside and x.op is not None
    }
    assert not any(fact.gradient or fact.factors or fact.uses for fact in facts)


def change(script, root):
    """Give the page the numbers of the leaves of another graph, which have labels."""
    leaves = {
        f"{x.label}{[*i] if i else ''}".replace(" ", ""): number
        for x in topological(root) if x.op is None and x.label
        for i, number in np.ndenumerate(x.data)
    }  # fmt: skip
    elements = script("elements")
    script("change", numbers=[float(leaves.get(name, x)) for name, x in elements])


def compare_paths(script, stepper):
    for fact, packed in zip(stepper.facts, script("paths", n=len(stepper.facts)), strict=True):
        if fact.paths and fact is not stepper.facts[-1]:
            agree(packed["gradient"], fact.gradient)
            assert packed["path_count"] == fact.path_count
            for path, expected in zip(packed["paths"], fact.paths, strict=True):
                agree(path[0], expected.product)
                assert path[1:3] == [*expected[1:3]]


UNARY = [
    lambda x: x.tanh(), lambda x: x.relu(), lambda x: x * x, lambda x: x.sum(axis=0),
    lambda x: x.mean(axis=-1, keepdims=True), lambda x: x.T, lambda x: x[::-1], lambda x: -x,
    lambda x: x.softmax(), lambda x: x.max(axis=-1), lambda x: (x + 0.5).exp(), lambda x: 1.0 / x,
]  # fmt: skip
BINARY = [
    lambda x, y: x + y, lambda x, y: x * y, lambda x, y: x - y, lambda x, y: x @ y,
    lambda x, y: x.maximum(y), lambda x, y: x / y,
]  # fmt: skip


def make_random(seed, factor=1.0):
    """Return the root of a random graph; operations whose shapes do not fit are left out.

    Graphs of one seed differ in the numbers of their leaves, which are multiplied by a factor.
    """
    choose, rng = random.Random(seed), np.random.default_rng(seed)
    shapes = choose.sample([(2,), (2, 2), (3, 2), (2, 3), (1, 2), ()], 3)
    nodes = [Array(factor * rng.normal(size=s).round(1), f"p{i}") for i, s in enumerate(shapes)]
    for _ in range(7):
        f = choose.choice(UNARY + BINARY)
        try:
            args = [choose.choice(nodes[-4:]) for _ in range(2 if f in BINARY else 1)]
            nodes.append(f(*args))
        except (ValueError, IndexError):
            continue
    return nodes[-1].sum() if nodes[-1].op is not None else (nodes[-1] * 2.0).sum()


@pytest.mark.parametrize("seed", range(8))
def test_random_graphs_follow_their_leaves(script, seed):
    with np.errstate(all="ignore"):
        root, changed = make_random(seed), make_random(seed, -0.7)
        if sum(x.size for x in topological(root)) > 100:
            return
        open_root(script, root)
        change(script, changed)
        compare_numbers(script, changed, rtol=1e-9, atol=1e-9)
        if all(np.isfinite(x.grad).all() for x in topological(changed)):
            compare(script, step(changed))


# ------------------------------------------------------------------------------------ small parts


@pytest.mark.parametrize(
    "shape", [(7,), (8,), (19,), (128,), (129,), (300,), (5, 40), (40, 5), (3, 4, 9), (1, 20, 1)]
)
def test_sums_add_in_the_order_of_numpy(shape):
    """Over all axes, each one, and all others, to the bit, also of the transpose."""
    x = np.random.default_rng(0).normal(size=shape)
    axes = range(x.ndim)
    for array in (x, x.T):
        for axis in [None, *axes, *(tuple(i for i in axes if i != k) for k in axes if x.ndim > 1)]:
            result = reduce_elements("add", array.astype(object), axis).astype(float)
            np.testing.assert_array_equal(result, array.sum(axis), str(axis))


numbers = st.floats() | st.floats(-1e3, 1e3) | st.integers(-500, 500).map(lambda n: n / 8)


@examples(60)
@given(xs=st.lists(numbers, min_size=1, max_size=40), wide=st.booleans())
def test_matrices_have_the_texts_and_colours_of_python(script, xs, wide):
    """Both follow one rule: see engine/draw/arrays/matrices.py."""
    x = np.array(xs).reshape(1, -1) if wide else np.array(xs).reshape(-1, 1)
    settings = {"default": True, "digits": DIGITS, "levels": LEVELS, "map": [24, 32]}
    for spec, default in ((".4g", True), (".2f", False)):
        texts, exponent = format_together(x, spec)
        with np.errstate(all="ignore"):
            coarse = (
                describe_matrix(x[..., None], 6).levels if max(x.shape) > 32 else measure_levels(x)
            )
        answer = script(
            "matrix", numbers=pack_numbers(xs), spec=spec, columns=x.shape[1],
            settings=settings | {"default": default},
        )  # fmt: skip
        assert answer[:2] == [[*texts], exponent]
        if max(x.shape) <= 24:
            assert answer[2] == coarse


MOST = "its arrays have {} elements, and a page computes up to 100"


def test_a_page_that_replays_its_numbers_says_why():
    bent = Op("bent", lambda x: exp(np.sort(x)), lambda out, x: out)
    x = Array([1.0, 2.0], "x")
    stepper = step(bent(x).sum())
    assert stepper.graph is None
    assert "replays its numbers: row 'bent' cannot be recorded" in stepper.frames[0].note
    model = vector.MLP(10, [8, 1], rng=0)
    loss = model(np.ones((1, 10), np.float32)).sum()
    mixed = (x.astype(np.float32) * 2.0).sum()
    count = sum(x.size for x in topological(loss))
    for page, reason in (
        (step(Array(np.ones(101), "x").sum()), MOST.format(102)),
        (step(loss, model, level="layers"), MOST.format(count)),
        (step(mixed), "its arrays have the dtypes float32, float64"),
        (step((x[:0] * 2.0).sum()), "an array is empty"),
    ):
        assert page.graph is None
        assert f"replays its numbers: {reason}." in page.frames[0].note
