"""`step` of graphs of Arrays: formulas, shapes and numbers, and one element as single numbers."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from browsers import chromium
from engine import Array, Op, explain
from engine.arrays.rules import ARRAY_TABLE, ArrayOp
from engine.draw import step
from engine.draw.arrays.facts import collect_array_facts
from engine.draw.arrays.formulas import (
    apply_pullback,
    build_array_formula,
    build_pullback,
    build_slope,
)
from engine.draw.arrays.matrices import format_together
from engine.draw.arrays.notation import ArrayNotation, choose_array_names
from engine.draw.arrays.symbols import ArraySymbol, make_array
from engine.draw.arrays.terms import list_backward_terms, list_forward_terms
from engine.draw.arrays.tracer import trace_arrays
from engine.draw.arrays.writing import to_array_mathml, to_array_text
from engine.draw.look.theme import format_number, norm
from engine.graph import topological
from engine.rules import ELEMENTWISE
from engine.watch.wrong_passes import RIGHT, contributions
from javascript import read_views
from nn import losses, vector
from strategies import arrays, examples
from test_array_rules import CASES, SCALED

rng = np.random.default_rng(0)


def chapter_network():
    """Return the loss of the two-layer network of chapter 02, section 5.3, on four samples."""
    X, Y = rng.normal(size=(4, 2)).round(1), np.array([[0.0], [1.0], [1.0], [0.0]])
    W1, b1 = Array(rng.normal(size=(3, 2)).round(2), "W1"), Array(np.zeros(3), "b1")
    W2, b2 = Array(rng.normal(size=(1, 3)).round(2), "W2"), Array(np.zeros(1), "b2")
    P = ((X @ W1.T + b1).relu() @ W2.T + b2).sigmoid()
    return ((P - Y) ** 2).mean()


def trace(root, largest=6):
    return trace_arrays(topological(root), ".4g", largest)


def read_text(line):
    """Return a line of MathML as text."""
    return re.sub("<[^>]*>|&#82(89|90);", "", "".join(line))


def read_matrices(line):
    """Return the numbers of each matrix in a line of MathML."""
    tables = re.findall(r'<mrow class="matrix">(.*?)</mtable>', "".join(line))
    return [re.findall("<mn>([^<]*)</mn>", table) for table in tables]


# ---------------------------------------------------------------------------------- the formulas


def evaluate_pullback(node, k, g):
    """Return the formula of a pullback, and its value before broadcasting is undone."""
    names = "XYZUV"
    inputs = [make_array(names[i % 5], x.data) for i, x in enumerate(node.inputs)]
    upstream, out = make_array("O", g, "d"), make_array("O", node.data)
    if isinstance(node.op, ArrayOp):
        return apply_pullback(node.op, k, upstream, out, inputs)
    slope = build_slope(node.op, k, out, inputs)
    return upstream * slope if isinstance(slope, ArraySymbol) else upstream * node.locals[k]


def assert_formulas_agree(node):
    """Assert that the value of each formula of a row is what the engine computes."""
    names = "XYZUV"
    inputs = [make_array(names[i % 5], x.data) for i, x in enumerate(node.inputs)]
    formula = build_array_formula(node, inputs)
    assert to_array_text(formula)
    assert "<" in to_array_mathml(formula)
    g = rng.normal(size=node.shape)
    for k, x in enumerate(node.inputs):
        if x.constant:
            continue
        pulled = evaluate_pullback(node, k, g)
        value = np.asarray(pulled.value)
        while value.ndim > x.ndim:
            value = value.sum(axis=0)
        for axis, n in enumerate(x.shape):
            value = value.sum(axis=axis, keepdims=True) if n == 1 != value.shape[axis] else value
        sent = node._contribution(k, g, x.shape)[1]
        assert_allclose(value, sent, rtol=1e-9, atol=1e-9, err_msg=to_array_text(pulled))


@pytest.mark.parametrize("name", ARRAY_TABLE)
@examples(8)
@given(data=st.data())
def test_every_formula_of_an_array_row_has_the_engines_numbers(name, data):
    in_shapes, settings = data.draw(CASES[name].inputs)
    if any(0 in shape for shape in in_shapes):
        return
    xs = [data.draw(arrays(shape, np.dtype(float), unique=True)) for shape in in_shapes]
    xs = [np.where(abs(x) < 1e-3, 0.5, np.clip(x, -3.0, 3.0)) for x in xs]
    node = ARRAY_TABLE[name](*map(Array, xs), **settings)
    if np.isfinite(node.data).all():
        assert_formulas_agree(node)


ABOVE_ONE = ("acosh",)
BELOW_ONE = ("asin", "acos", "atanh")


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_every_formula_of_a_row_for_numbers_has_the_engines_numbers(name):
    op = ELEMENTWISE[name]
    xs = [abs(rng.normal(size=(2, 3))) + 0.1 for _ in range(op.arity)]
    xs = [x + 1.0 if name in ABOVE_ONE else x / 9.0 if name in BELOW_ONE else x for x in xs]
    assert_formulas_agree(op(*map(Array, xs)))


@pytest.mark.parametrize(
    ("make", "formula", "pullbacks"),
    [
        (lambda X, Y, b: X @ Y.T, "X Yᵀ", {"X": "dO Y"}),
        (lambda X, Y, b: X + b, "X + b", {"X": "dO", "b": "Σ[axis 0] dO"}),
        (lambda X, Y, b: X * Y, "X ⊙ Y", {"X": "dO ⊙ Y", "Y": "dO ⊙ X"}),
        (lambda X, Y, b: X - Y, "X − Y", {"X": "dO", "Y": "−dO"}),
        (lambda X, Y, b: X.relu(), "max(0, X)", {"X": "dO ⊙ [X > 0]"}),
        (lambda X, Y, b: X.tanh(), "tanh(X)", {"X": "dO ⊙ (1 − O ⊙ O)"}),
        (lambda X, Y, b: X.sigmoid(), "σ(X)", {"X": "dO ⊙ O ⊙ (1 − O)"}),
        (lambda X, Y, b: X.exp(), "e^X", {"X": "dO ⊙ O"}),
        (lambda X, Y, b: X**2, "X ⊙ X", {"X": "dO ⊙ (2 · X)"}),
        (lambda X, Y, b: X.sum(axis=0), "Σ[axis 0] X", {"X": "repeat[axis 0] dO"}),
        (lambda X, Y, b: X.mean(), "(Σ X) / 12", {"X": "repeat[(4, 3)] dO / 12"}),
        (lambda X, Y, b: X.max(axis=1), "max[axis 1](X)", {"X": "dO ⊙ [X = O]"}),
        (lambda X, Y, b: X[0], "X[0]", {"X": "scatter[0](dO)"}),
        (lambda X, Y, b: X[:, 1], "X[:, 1]", {"X": "scatter[:, 1](dO)"}),
        (lambda X, Y, b: X.reshape(2, 6), "reshape[(2, 6)](X)", {"X": "reshape[(4, 3)](dO)"}),
        (lambda X, Y, b: X.softmax(), "softmax[axis 1](X)",
         {"X": "O ⊙ (dO − Σ[axis 1] dO ⊙ O)"}),
        (lambda X, Y, b: X @ b, "X b", {"X": "dO bᵀ", "b": "Xᵀ dO"}),
    ],
)  # fmt: skip
def test_formulas_are_those_of_textbooks(make, formula, pullbacks):
    X, Y = (Array(rng.normal(size=(4, 3)), name) for name in "XY")
    node = make(X, Y, Array(rng.normal(size=3), "b"))
    order = topological(node)
    names = dict(zip(order, choose_array_names(order, ".4g"), strict=True)) | {node: "O"}
    notation = ArrayNotation(names, ".4g", 6)
    inputs = [notation.input(x) for x in node.inputs]
    assert to_array_text(build_array_formula(node, inputs)) == formula
    g = notation.gradient(node, rng.normal(size=node.shape))
    for k, x in enumerate(node.inputs):
        if names[x] in pullbacks:
            sent = node._contribution(k, g.value, x.shape)[1]
            pulled = build_pullback(node, k, g, notation.name(node), inputs, sent)
            assert to_array_text(pulled) == pullbacks[names[x]]


def test_an_einstein_sum_has_indices():
    X, Y = Array(rng.normal(size=(2, 3)), "X"), Array(rng.normal(size=(3, 4)), "Y")
    node = ARRAY_TABLE["einsum"](X, Y, subscripts="ij,jk->ik")
    formula = build_array_formula(node, [make_array(x.label, x.data) for x in (X, Y)])
    assert to_array_text(formula) == "Σ[j] X[i, j] · Y[j, k]"


# ------------------------------------------------------------------------------------ the frames


def test_the_chapters_network_is_stepped():
    """Sections 5.3 and 5.4: dW = dZᵀ A, db = Σ dZ, dA = dZ W, dZ = dA ⊙ relu′(Z)."""
    root = chapter_network()
    lines = {frame.title: read_text(frame.lines[0]) for frame in trace(root).frames if frame.lines}
    assert lines["U₁ = X W₁ᵀ"] == "U1(4, 3)=X(4, 2)W1⊤(2, 3)"
    assert lines["From A to Z₁"] == "dZ1(4, 3)+=dA(4, 3)⊙[Z1(4, 3)&gt;0]"
    assert lines["From U₂ to A"] == "dA(4, 3)+=dU2(4, 1)W2(1, 3)"
    assert lines["From U₂ to W₂ᵀ"] == "dW2⊤(3, 1)+=A⊤(3, 4)dU2(4, 1)"
    assert lines["From Z₂ to b₂"] == "db2(1)+=∑axis 0dZ2(4, 1)"


def test_a_layer_in_one_row():
    model = vector.MLP(2, [3, 1], "tanh", rng=0, dtype=float)
    loss = (model(rng.normal(size=(4, 2))) ** 2).mean()
    lines = {frame.title: read_text(frame.lines[0]) for frame in trace(loss).frames if frame.lines}
    assert lines["Z₁ = X W₁ᵀ + b₁"] == "Z1(4, 3)=X(4, 2)W1⊤(2, 3)+b1(3)"
    assert lines["From Z₁ to W₁"] == "dW1(3, 2)+=dZ1⊤(3, 4)X(4, 2)"
    assert lines["From Z₁ to b₁"] == "db1(3)+=∑axis 0dZ1(4, 3)"
    assert lines["From A to Z₁"] == "dZ1(4, 3)+=dA(4, 3)⊙(1−A(4, 3)⊙A(4, 3))"


def test_numbers_in_frames_are_the_engines_gradients():
    root = chapter_network()
    root.backward()
    order = topological(root)
    traced = trace(root)
    for node, grad in traced.grads.items():
        if not node.constant:
            assert (np.asarray(grad) == node.grad).all()
    final = {}
    for frame in traced.frames:
        final |= frame.cells
    for i, node in enumerate(order):
        if node.ndim:
            assert final[f"v{i} data"]["texts"] == format_together(node.data)[0]
        if node.ndim and not node.constant:
            assert final[f"v{i} grad"]["texts"] == format_together(node.grad)[0]
    for frame, sent in zip(
        [f for f in traced.frames if f.kind == "backward"], contributions(order, RIGHT), strict=True
    ):
        if sent.to.ndim:
            assert read_matrices(frame.lines[1])[-1] == [*format_together(sent.sent)[0]]


def test_the_numbers_of_a_product_are_its_factors():
    W, X = Array([[1.0, 2.0], [3.0, 4.0]], "W"), np.array([[0.5, -1.0]])
    root = (X @ W.T).sum()
    frame = next(f for f in trace(root).frames if f.title.startswith("Z = X W"))
    assert read_matrices(frame.lines[1]) == [
        ["0.5", "−1.0"],
        ["1", "3", "2", "4"],
        ["−1.5", "−2.5"],
    ]


def test_a_second_contribution_is_added():
    x = Array([1.0, 2.0], "x")
    frames = [f for f in trace((x * x).sum()).frames if f.to == "v0"]
    assert [f.title for f in frames] == ["From V to x, use 1 of 2", "From V to x, use 2 of 2"]
    assert read_matrices(frames[1].lines[-1]) == [["1", "2"], ["1", "2"], ["2", "4"]]


def test_large_arrays_show_norms():
    W = Array(rng.normal(size=(20, 30)), "W")
    root = (rng.normal(size=(8, 30)) @ W.T).tanh().mean()
    frames = trace(root).frames
    for frame in frames[1:-1]:
        assert not read_matrices("".join("".join(line) for line in frame.lines))
        assert len(frame.elements) <= 1
    texts = [read_text(line) for frame in frames for line in frame.lines]
    norm = np.linalg.norm(np.asarray(trace(root).grads[W]))
    assert f"‖dW‖={norm:.4g}" in texts


@pytest.mark.parametrize("numbers", [[0.0, 1.0], [np.inf, -1.0], [np.nan, 1e308]])
def test_no_number_makes_a_page_warn(numbers):
    x = Array(numbers, "x")
    y = (x**2 / x).sum() + (x * x.exp()).mean()
    html = step(y).html
    assert "x" in html


def test_names():
    model = vector.MLP(2, [3, 3, 1], "relu", rng=0)
    loss = ((model(np.ones((4, 2))) - np.ones((4, 1))) ** 2).mean()
    names = choose_array_names(topological(loss), ".4g")
    assert names == [
        "X", "W1", "b1", "Z1", "A1", "W2", "b2", "Z2", "A2", "W3", "b3", "Z3", "Y", "D", "2", "S", "L",
    ]  # fmt: skip


def test_names_do_not_collide_with_labels():
    x, Z = Array([[1.0, 2.0]], "x"), Array([[1.0], [2.0]], "Z")
    names = choose_array_names(topological((x @ Z + (x @ Z)).tanh().sum()), ".4g")
    assert len({*names}) == len(names)


def test_scalars_among_arrays():
    scale = Array(2.0, "s")
    root = (Array([1.0, 2.0], "x") * scale).sum()
    frame = next(f for f in trace(root).frames if f.title == "From V to s")
    assert read_text(frame.lines[0]) == "ds+=∑dV(2)⊙x(2)"
    assert step(root).html.count("panel") > 2


# ---------------------------------------------------------------------------------- one element


def assert_terms_add_up(node):
    g = rng.normal(size=node.shape)
    for k, x in enumerate(node.inputs):
        if x.constant:
            continue
        sent = node._contribution(k, g, x.shape)[1]
        sums = [sum(g[t.first] * t.factor for t in terms) for terms in list_backward_terms(node, k)]
        assert_allclose(np.reshape(sums, x.shape), sent, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ARRAY_TABLE)
@examples(4)
@given(data=st.data())
def test_the_terms_of_each_element_add_up_to_it(name, data):
    in_shapes, settings = data.draw(CASES[name].inputs)
    if any(0 in shape for shape in in_shapes):
        return
    node = ARRAY_TABLE[name](*[Array(rng.normal(size=s)) for s in in_shapes], **settings)
    assert_terms_add_up(node)


@pytest.mark.parametrize("shapes", [[(2, 3), (3,)], [(2, 3), ()], [(2, 1), (1, 3)], [(3,), (2, 3)]])
def test_the_terms_of_broadcast_numbers_add_up(shapes):
    x, y = (Array(rng.normal(size=shape)) for shape in shapes)
    for node in (x + y, x * y, x / y):
        assert_terms_add_up(node)


def test_factors_of_a_matrix_product_are_elements_of_the_other_matrix():
    X, W = Array(rng.normal(size=(4, 3)), "X"), Array(rng.normal(size=(2, 3)), "W")
    b = Array(rng.normal(size=2), "b")
    for node in (X @ W.T, ARRAY_TABLE["linear"](X, W, b)):
        for k in (0, 1):
            for terms in list_backward_terms(node, k):
                for term in terms:
                    place, index = term.other
                    assert node.inputs[place].data[index] == term.factor
        terms = list_forward_terms(node, (2, 1))
        total = sum(X.data[t.first] * t.factor for t in terms)
        assert_allclose(total, (X.data @ W.data.T)[2, 1])


def test_an_element_is_followed_as_a_sum():
    X, W = Array([[1.0, 2.0], [3.0, 4.0]], "X"), Array([[1.0, 0.0], [2.0, 5.0]], "W")
    b = Array([0.0, 0.0], "b")
    Z = ARRAY_TABLE["linear"](X, W, b)
    Z.label = "Z"
    frames = {f.title: f for f in trace((Z * np.array([[1.0, 2.0], [0.5, 0.0]])).sum()).frames}
    lines = {
        title: [read_text(line) for line in frames[f"From Z to {title}"].elements[key].lines]
        for title, key in [("W", "1,0"), ("X", "0,1"), ("b", "0,1")]
    }
    assert lines["W"] == ["dW[1,0]=∑sdZ[s,1]⋅X[s,0]=2⋅1+0⋅3=2"]
    assert lines["X"] == ["dX[0,1]=∑jdZ[0,j]⋅W[j,1]=1⋅0+2⋅5=10"]
    assert lines["b"] == ["db[1]=∑sdZ[s,1]=2+0=2"]
    element = frames["Z = X Wᵀ + b"].elements["0,1"]
    assert [read_text(line) for line in element.lines] == [
        "Z[0,1]=∑jX[0,j]⋅W[1,j]+b[1]=1⋅2+2⋅5+0=12"
    ]


def test_the_largest_element_is_the_default():
    x = Array([[1.0, -5.0], [2.0, 3.0]], "x")
    frame = next(f for f in trace((x**2).sum()).frames if f.to == "v0")
    assert next(iter(frame.elements)) == "0,1"
    assert {*frame.elements} == {"0,0", "0,1", "1,0", "1,1"}


# ------------------------------------------------------------------------------------- user rows


def test_a_users_rows_step():
    cube = Op("cube", lambda x: x * x * x, lambda out, x: 3.0 * x * x)
    branching = Op(
        "odd", lambda x: abs(x) if hasattr(x, "dtype") else None, lambda out, x: np.sign(x)
    )
    x = Array([[1.0, -2.0]], "x")
    texts = [f.title for f in trace((branching(cube(x)) + SCALED(x, 1.0, factor=3.0)).sum()).frames]
    assert any("x ⊙ x ⊙ x" in text for text in texts)


def test_a_row_that_accepts_no_symbols_has_its_name():
    turned = ArrayOp("turned", lambda x: np.rot90(x), lambda g, out, x: np.rot90(g, -1))
    x = Array([[1.0, -2.0], [3.0, 4.0]], "x")
    traced = trace(turned(x).sum())
    assert traced.frames[1].title == "V = turned(x)"
    frame = next(f for f in traced.frames if f.to == "v0")
    assert read_text(frame.lines[0]) == "dx(2, 2)+=turned pullback(dV(2, 2),x(2, 2))"
    assert frame.elements["0,0"].lines


@pytest.mark.parametrize("name", ARRAY_TABLE)
@examples(3)
@given(data=st.data())
def test_every_row_steps(name, data):
    in_shapes, settings = data.draw(CASES[name].inputs)
    node = ARRAY_TABLE[name](*[Array(rng.normal(size=s)) for s in in_shapes], **settings)
    root = node.sum() if node.shape != () else node * 1.0
    traced = trace(root)
    steps = sum(len(x.inputs) for x in topological(root)) - sum(x.constant for x in root.inputs)
    assert [f.kind for f in traced.frames].count("backward") == steps


# ------------------------------------------------------------------------------------ wrong passes


def test_wrong_passes_of_arrays():
    x = Array([[1.0, 2.0], [3.0, 4.0]], "x")
    y = x @ x.T / 10.0
    y.label = "y"
    root = (y.tanh() @ y + y).sum()
    right, order, overwritten = trace(root).runs
    assert not any(frame.alarm for frame in right.frames)
    assert any("y sends too early, with" in frame.note for frame in order.frames)
    assert any("is replaced by" in frame.note for frame in overwritten.frames)
    assert overwritten.frames[-1].title.endswith("end wrong")
    marks = {}
    for frame in overwritten.frames:
        marks |= frame.marks
    assert marks["v0"].text.startswith("✗ true norm")


# -------------------------------------------------------------------------------------- the page


def test_a_reversed_array_is_written_with_its_index():
    x = make_array("x", np.arange(3.0))
    assert to_array_text(x[::-1]) == "x[::-1]"
    assert to_array_text(x[None, :]) == "x"


def test_errors():
    x = Array([1.0, 2.0])
    with pytest.raises(ValueError, match=r"step expects one element, got .* shape \(2,\)"):
        step(x)


def test_the_page_holds_the_fields():
    W = Array(rng.normal(size=(11, 10)), "W")  # the page does not compute so many numbers
    (view,) = read_views(step((W * W).sum()).html)
    frame = view["runs"][0]["frames"][0]
    assert frame["cells"]["v0 data"]["levels"].isdigit()
    assert "v0 grad" not in frame["cells"]


def test_drawings_of_the_page_have_room_for_all_numbers():
    from geometry import assert_no_overlap, read_boxes, read_labels

    svg = step(chapter_network()).drawing.svg
    assert_no_overlap(svg)
    boxes = read_boxes(svg)
    for label in read_labels(svg):
        cells = [id for id in label.ids if re.fullmatch(r"v\d+", id)]
        assert not cells or boxes[cells[-1]].contains(label.box)


def test_pictures_of_steps_show_the_fields_that_have_appeared(tmp_path):
    W = Array([[1.0, 2.0], [3.0, 4.0]], "W")
    stepper = step((np.array([[0.5, -1.0]]) @ W).sum())
    texts = {}
    for n in (1, len(stepper.frames)):
        path = stepper.save(tmp_path / f"{n}.svg", step=n)
        visible = re.sub(
            r'<g class="numbers" visibility="hidden">.*?</g>',
            "",
            path.read_text("utf-8"),
            flags=re.S,
        )
        texts[n] = re.findall(r'<text [^>]*text-anchor="end"[^>]*>([^<]*)</text>', visible)
    assert {"1", "2", "3", "4"} <= {*texts[1]}
    assert "−2.5" not in texts[1]
    assert {"−2.5", "−3.0", "−1.0"} <= {*texts[len(stepper.frames)]}
    assert stepper.save(tmp_path / "one.pdf", step=3).read_bytes()[:4] == b"%PDF"


READ = """() => Object.fromEntries([...document.querySelectorAll(".panel")].map((g) => [
  g.closest("g[id]").id.split("-")[1] + " " + g.dataset.field,
  g.classList.contains("blank") ? null : [...g.querySelectorAll(".numbers text")].map((t) => t.textContent)]))"""


def test_the_page_fills_matrices_and_follows_elements(tmp_path):
    root = chapter_network()
    stepper = step(root)
    path = stepper.save(tmp_path / "steps.html")
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        errors = []
        page.on("pageerror", lambda error: errors.append(error))
        page.goto(path.as_uri())
        page.evaluate("stepgrad.goto(1)")  # which adds the parts that are out of sight
        fields = page.evaluate(READ)
        order = topological(root)
        for i, node in enumerate(order):
            if node.ndim:
                assert (fields[f"v{i} data"] is None) == (node.op is not None)
        page.click("[data-do=last]")
        root.backward()
        fields = page.evaluate(READ)
        for i, node in enumerate(order):
            if node.ndim and not node.constant:
                assert fields[f"v{i} grad"] == [*format_together(node.grad)[0]]
        at = next(n for n, f in enumerate(stepper.frames) if f.title.startswith("From U₁ to W₁"))
        page.evaluate(
            "(n) => { const s = document.querySelector('.bar input'); s.value = n; s.dispatchEvent(new Event('input')); }",
            at,
        )
        keys = [*stepper.frames[at].elements]
        before = page.inner_text(".element")
        panel = page.locator(f"g[id$='-{stepper.frames[at].to}'] .panel[data-field=grad]")
        box = panel.locator("rect").nth(0).bounding_box()
        row, column = map(int, keys[1].split(","))
        page.mouse.click(
            box["x"] + (column + 0.5) * box["width"] / 3, box["y"] + (row + 0.5) * box["height"] / 2
        )
        after = page.inner_text(".element")
        assert before != after
        assert f"[{keys[1]}]" in after.replace(" ", "").replace("\n", "").replace("\u200b", "")
        assert page.locator(".followed.first").count() == 1
        assert not errors


def test_a_large_network_steps():
    model = vector.MLP(784, [256, 10], rng=0)
    loss = losses.cross_entropy(model(rng.normal(size=(32, 784))), rng.integers(0, 10, 32))
    assert len(step(loss, model).html) < 1_500_000


def test_a_graph_of_more_arrays_than_the_limit_is_entered_at_its_root():
    model = vector.MLP(3, [4, 4, 4, 1], "tanh", rng=0)
    loss = (model(rng.normal(size=(5, 3))) ** 2).sum()
    stepper = step(loss, model, limit=8, format=".10g")
    assert "The part nearest to the root" in stepper.drawing.svg
    assert 0 < sum(bool(fact.id) for fact in stepper.facts) <= 16
    loss.backward()
    (weight,) = [
        fact for fact in stepper.facts if "parameter" in fact.kind and "(1, 4)" in fact.kind
    ]
    size = format_number(norm(model.layers[-1].weight.grad), ".10g")
    assert weight.gradient == f"norm {size}"
    assert "nearest" not in step(loss, model).drawing.svg


def test_the_paths_of_an_array_add_up_to_its_gradient():
    """Their sizes are norms, and the factors of matrix products the other matrices."""
    X, W = Array(rng.normal(size=(2, 3)), "X"), Array(rng.normal(size=(3, 2)), "W")
    h = X @ W
    h.label = "h"
    root = (h.tanh() + h * 2.0).sum()
    stepper = step(root)
    x, *_ = [fact for fact in stepper.facts if fact.name == "X"]
    assert x.path_count == "2"
    assert x.rest == "0"
    assert {path.route for path in x.paths} == {"X → h → V₁ → V₃ → L", "X → h → V₂ → V₃ → L"}
    sizes = [format_number(norm(path.product), ".4g") for path in explain(root, X).paths]
    assert [path.product for path in x.paths] == [f"norm\u00a0{size}" for size in sizes]
    traced = trace(root)  # the page's factors have places for numbers
    facts = collect_array_facts(ArrayNotation(traced.names, ".4g", 6), traced.grads, [])
    product = next(fact for fact in facts if fact.name == "h")
    texts = [ET.fromstring(factor).itertext() for factor in product.factors]
    for text, matrix in zip(texts, (W.data.T, X.data.T), strict=True):
        assert "".join(text) == f"[{''.join(format_together(matrix)[0])}]"


def test_layers_of_arrays_are_stepped():
    """Each layer is a box, whose steps show the formulas of its arrays."""
    model = vector.MLP(2, [3, 1], "tanh", rng=0, dtype=float)
    loss = (model(rng.normal(size=(4, 2))) ** 2).mean()
    stepper = step(loss, model, level="layers")
    titles = [frame.title for frame in stepper.frames if frame.kind in ("forward", "backward")]
    assert titles == [
        "layers.0", "layers.1", "the rest", "From the rest to layers.1",
        "From layers.1 to layers.0", "From layers.1 to its own parameters",
        "From layers.0 to its own parameters",
    ]  # fmt: skip
    lines = [[read_text(line) for line in frame.lines] for frame in stepper.frames]
    assert lines[1] == ["Z1(4, 3)=X(4, 2)W1⊤(2, 3)+b1(3)", "A(4, 3)=tanh(Z1(4, 3))"]
    assert lines[-2] == [
        "dZ1(4, 3)+=dA(4, 3)⊙(1−A(4, 3)⊙A(4, 3))", "dW1(3, 2)+=dZ1⊤(3, 4)X(4, 2)",
        "db1(3)+=∑axis 0dZ1(4, 3)",
    ]  # fmt: skip
    loss.backward()
    first = model.layers[0]
    size = np.sqrt(sum((x.grad**2).sum() for x in (first.weight, first.bias)))
    (grad,) = stepper.frames[-2].grad.values()
    assert grad == format_number(size, ".4g")
    assert step(loss, model, level=["layers.1"]).frames[1].cells  # others are not in boxes
    assert "layers.0" in str(read_views(stepper.html))


def test_what_a_box_sends_to_one_array_is_added_up():
    model = vector.MLP(2, [2], rng=0, dtype=float)
    out = model(rng.normal(size=(3, 2)))
    loss = (out * out - out).sum()
    frame = next(x for x in step(loss, model, level="layers").frames if x.kind == "backward")
    loss.backward()
    size = format_number(norm(out.grad), ".4g")
    assert frame.note == f"1 gradient with norm {size}, from 3 contributions"


def test_levels_of_arrays_are_answered_with_the_remedy():
    model = vector.MLP(2, [3, 1], rng=0, dtype=float)
    loss = (model(rng.normal(size=(4, 2))) ** 2).mean()
    assert len(step(loss, model, level="values").frames) == len(step(loss, model).frames)
    for level in ("network", "neurons"):
        with pytest.raises(ValueError, match=rf"got '{level}'; model\.to_scalar\(\) returns"):
            step(loss, model, level=level)
