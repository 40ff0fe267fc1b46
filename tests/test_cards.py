"""Networks drawn as columns of cards: geometry, order, names, and several samples."""

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Value, dot, softmax, topological, total
from engine.draw import draw, step
from engine.draw.cards.names import name_items, name_samples
from engine.draw.cards.neurons import NeuronLayer, read_network
from engine.draw.graph.clusters import Modules
from engine.draw.graph.neurons import infer_model
from engine.draw.look.theme import format_number
from geometry import (
    SVG,
    assert_boxes_are_apart,
    assert_edges_avoid_labels,
    assert_no_overlap,
    read_boxes,
    read_edges,
    read_labels,
    read_size,
)
from nn import MLP, Layer, Module, Neuron, losses
from strategies import examples

DIRECTIONS = ("right", "down", "left", "up")
POINTS = [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]]


def squares(model, X, y):
    """Return the sum of squared errors, as a chain of additions."""
    return sum((model(x) - t) ** 2 for x, t in zip(X, y, strict=True))


def example(sizes=(2, 4, 4, 4, 1), **how):
    """Return a loss of one labelled sample, and its model, after the backward pass."""
    model = MLP(sizes[0], list(sizes[1:]), "tanh", rng=0, **how)
    out = model([Value(0.5 - i, f"x{i}") for i in range(sizes[0])])
    loss = (out - 1.0) ** 2
    loss.backward()
    return loss, model


def karpathy(**how):
    """Return the loss of four samples, as in Karpathy's lecture, after the backward pass."""
    model = MLP(3, [4, 4, 1], "tanh", rng=0, **how)
    loss = squares(model, POINTS, [1.0, -1.0, -1.0, 1.0])
    loss.backward()
    return loss, model


def read(loss, model):
    """Return the network of a graph, and the names of its nodes."""
    order = topological(loss)
    network = read_network(order, Modules(order, model))
    return network, name_samples(network, name_items(network, ".4g"))


def place(loss):
    return {node: f"v{i}" for i, node in enumerate(topological(loss))}


def assert_clear(svg):
    """Assert that labels do not overlap, and that edges cross no label."""
    assert_no_overlap(svg)
    assert_edges_avoid_labels(svg)


# ------------------------------------------------------------------------------------- geometry


@st.composite
def graphs(draw):
    """Draw a loss and its model: an MLP on one or several samples."""
    sizes = draw(st.lists(st.integers(1, 5), min_size=2, max_size=4))
    activation = draw(st.sampled_from(["tanh", "relu", "linear", "leaky_relu"]))
    fused = draw(st.booleans())
    model = MLP(sizes[0], sizes[1:], activation, rng=draw(st.integers(0, 9)), fused=fused)
    number = st.floats(-1e6, 1e6) | st.integers(-3, 3).map(float)
    X = draw(
        st.lists(st.lists(number, min_size=sizes[0], max_size=sizes[0]), min_size=1, max_size=7)
    )
    if draw(st.booleans()):
        X = [[Value(a, f"x{i}") for i, a in enumerate(x)] for x in X]
    outs = [model(x) if sizes[-1] > 1 else [model(x)] for x in X]
    kind = draw(st.sampled_from(["mse", "cross_entropy", "chain", "softmax", "pairs", "none"]))
    if kind == "mse":
        loss = losses.mse(outs, [[draw(number) for _ in row] for row in outs])
    elif kind == "cross_entropy" and sizes[-1] > 1:
        loss = losses.cross_entropy(outs, [draw(st.integers(0, sizes[-1] - 1)) for _ in outs])
    elif kind == "softmax":
        loss = total([-softmax(row)[0].log() for row in outs])
    elif kind == "pairs" and len(outs) > 1:
        loss = total([(a[0] - b[0]).square() for a, b in zip(outs[::2], outs[1::2], strict=False)])
    elif kind == "chain":
        loss = sum((row[0] - draw(number)).square() for row in outs)
    else:
        loss = outs[0][0]
    if draw(st.booleans()):
        loss.backward()
    return loss, model


@examples(15)
@given(
    graph=graphs(), theme=st.sampled_from(["auto", "light", "dark"]), direction=st.sampled_from(DIRECTIONS),
    spec=st.sampled_from([".4g", ".2f", ".10g"]),
)  # fmt: skip
def test_labels_and_edges_are_clear_of_each_other(graph, theme, direction, spec):
    """No two labels overlap and no edge crosses one, and cards are apart from each other."""
    loss, model = graph
    picture = draw(loss, model, theme=theme, direction=direction, format=spec)
    assert picture.scene is not None
    assert_clear(picture.svg)
    assert_boxes_are_apart(picture.svg, [id for id in read_boxes(picture.svg) if id[0] == "v"])


@examples(15)
@given(graph=graphs())
def test_each_value_has_an_element_with_its_numbers(graph):
    """Of the samples that are shown; the number of values is that of the graph."""
    loss, model = graph
    loss.backward()
    svg = draw(loss, model).svg
    network, _ = read(loss, model)
    texts = fields(svg)
    if network.graph.samples > 5:
        return
    for i, node in enumerate(topological(loss)):
        if node.op is not None and node.op.name == "softmax":
            continue
        if f"v{i}" not in texts:
            assert node.constant
            continue
        assert texts[f"v{i}"]["data"] == format_number(node.data, ".4g")
        if not node.constant:
            assert texts[f"v{i}"]["grad"] == format_number(node.grad, ".4g")


def fields(svg):
    """Return the numbers of each value: {"v0": {"data": "0.5", "grad": "1"}}."""
    numbers = {}
    for label in read_labels(svg):
        for id in label.ids if label.field else ():
            if id[0] == "v":
                numbers.setdefault(id, {})[label.field] = label.text
    return numbers


def test_the_area_of_a_network_is_a_fifth_of_that_in_dot():
    """Graphviz drew the values of this network in 2641 x 2624 points."""
    width, height = read_size(draw(*example()).svg)
    assert width * height < 2641 * 2624 / 5
    labels = [x for x in read_labels(draw(*example()).svg) if x.field]
    heights = {round(x.box.bottom - x.box.top, 1) for x in labels}
    assert heights == {round(0.96 * 11, 1)}  # texts of 11 points


def test_four_samples_fit_in_a_window():
    """Scaled to a window of 1400 x 900 pixels, numbers are at least 9 pixels high."""
    width, height = read_size(draw(*karpathy()).svg)
    assert 11 * min(1400 / width, 900 / height) > 9


# ---------------------------------------------------------------------------------------- order


@pytest.mark.parametrize("fused", [True, False])
def test_layers_are_columns_in_order_and_neurons_are_from_top_to_bottom(fused):
    loss, model = example(fused=fused)
    boxes, ids = read_boxes(draw(loss, model).svg), place(loss)
    columns = []
    for layer in model.layers:
        biases = [boxes[ids[neuron.bias]] for neuron in layer.neurons]
        assert len({round(box.left, 3) for box in biases}) == 1
        assert all(a.bottom < b.top for a, b in pairwise(biases))
        columns.append(biases[0])
        for neuron in layer.neurons:
            rows = [boxes[ids[w]] for w in (*neuron.weights, neuron.bias)]
            assert all(a.bottom <= b.top + 0.01 for a, b in pairwise(rows))
    assert all(a.right < b.left for a, b in pairwise(columns))
    assert boxes["v0"].left > 0
    assert boxes[ids[loss]].left > columns[-1].right


def test_an_edge_arrives_at_the_row_of_its_weight():
    loss, model = example()
    svg = draw(loss, model).svg
    boxes, ids, order = read_boxes(svg), place(loss), topological(loss)
    ends = {edge.id: edge.points for edge in read_edges(svg)}
    for node in order:
        if node.op is None or node.op.name != "dot":
            continue
        n = len(node.inputs) // 2
        for k in range(n):
            points, row = ends[f"e{ids[node][1:]}-{n + k}"], boxes[ids[node.inputs[k]]]
            x, y = points[-1]
            assert y == pytest.approx((row.top + row.bottom) / 2, abs=0.01)
            assert x == pytest.approx(row.left, abs=0.01)
            source = boxes[ids[node.inputs[n + k]]]
            assert points[0] == pytest.approx(
                (source.right, (source.top + source.bottom) / 2), abs=0.01
            )


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_direction_of_the_columns(direction):
    loss, model = example((2, 3, 1))
    boxes, ids = read_boxes(draw(loss, model, direction=direction).svg), place(loss)
    first, last = boxes[ids[model.layers[0].neurons[0].bias]], boxes[ids[loss]]
    second = boxes[ids[model.layers[0].neurons[1].bias]]
    apart = {
        "right": first.right < last.left, "left": first.left > last.right,
        "down": first.bottom < last.top, "up": first.top > last.bottom,
    }  # fmt: skip
    assert apart[direction]
    across = 0 if direction in ("down", "up") else 1
    assert first[across] < second[across]


def test_numbers_are_aligned():
    loss, model = example()
    labels, ids = read_labels(draw(loss, model).svg), place(loss)
    for layer in model.layers:
        own = {ids[p] for p in layer.parameters()}
        for field in ("data", "grad"):
            rights = {round(x.box.right, 1) for x in labels if x.field == field and own & {*x.ids}}
            assert len(rights) == 1


# ---------------------------------------------------------------------------------------- names


def texts(svg):
    return [label.text for label in read_labels(svg)]


def test_inputs_and_weights_are_numbered_alike_and_no_superscript_is_an_index():
    loss, model = example()
    svg = draw(loss, model).svg
    assert not re.search("[⁽⁾]", svg + step(loss, model, level="values").html)
    found = texts(svg)
    for title in ("2 inputs", "layers[0]: 4 neurons, tanh", "layers[3]: 1 neuron, linear"):
        assert title in found
    assert found.count("w0") == found.count("b") == found.count("z") == 13
    assert found.count("a") == 12
    assert found.count("x0") == 1
    assert {"neuron 0", "neuron 3", "data", "grad"} <= {*found}
    assert "".join(texts(svg)).count("diff = z − ") == 1


def test_short_names_for_formulas_and_full_ones_for_choices():
    loss, model = example((2, 2, 1))
    network, names = read(loss, model)
    neuron = model.layers[0].neurons[1]
    order = topological(loss)
    assert names[neuron.weights[0]] == ("w0", "layers[0].neurons[1].w0")
    z = next(x for x in order if neuron.bias in x.inputs)
    assert names[z] == ("z1", "layers[0].neurons[1].z")
    assert [names[x].short for x in order if x.op and x.op.name == "tanh"] == ["a0", "a1"]
    assert names[loss].short == "L"
    stepper = step(loss, model, level="values")
    forward = [frame.title for frame in stepper.frames if frame.kind == "forward"]
    assert forward[:2] == ["z₀ = w₀ · x₀ + w₁ · x₁ + b", "a₀ = tanh(z₀)"]
    assert forward[-3:] == ["z = w₀ · a₀ + w₁ · a₁ + b", "diff = z − 1", "L = diff²"]
    listed = [fact.name for fact in stepper.facts if fact.kind != "constant"]
    assert len({*listed}) == len(listed)
    assert len(network.layers) == 2


@examples(15)
@given(graph=graphs())
def test_full_names_are_distinct(graph):
    loss, model = graph
    _, names = read(loss, model)
    full = [name.full for node, name in names.items() if not (node.constant and not node.label)]
    assert len({*full}) == len(full)
    computed = {x for x in topological(loss) if x.op is not None and x.op.name != "softmax"}
    assert computed <= names.keys()


def test_frames_name_the_sample_of_a_shared_card():
    loss, model = karpathy()
    frames = step(loss, model, level="values").frames
    places = [frame.where for frame in frames if frame.kind == "forward"]
    assert {f"layers[0], neuron 1, sample {i}" for i in range(4)} <= {*places}
    assert any("neuron 1, sample 2 → layers[0], neuron 1" in frame.where for frame in frames)
    one = step(*example((2, 1)), level="values").frames
    assert not any("sample" in frame.where for frame in one)


def test_labels_of_the_user_are_kept():
    model = Neuron(2, "tanh", rng=0)
    model.weights[0].label = "slope"
    out = model([Value(1.0, "height"), Value(2.0, "a label that is much too long for a card")])
    out.label = "answer"
    found = texts(draw(out, model).svg)
    assert {"slope", "height", "answer", "w1"} <= {*found}
    assert "a label …or a card" in found


# -------------------------------------------------------------------------------------- samples


def test_samples_share_cards_and_edges():
    loss, model = karpathy()
    svg = draw(loss, model).svg
    found, order = texts(svg), topological(loss)
    assert found.count("z") == 9
    assert found.count("w0") == 9
    assert "3 inputs, 4 samples" in found
    assert len(read_edges(svg)) == 12 + 16 + 4 + 3
    numbers = fields(svg)
    computed = {f"v{i}" for i, node in enumerate(order) if node.op is not None}
    assert computed <= numbers.keys()
    arrows = set(read_boxes(svg))
    dots = [i for i, node in enumerate(order) if node.op is not None and node.op.name == "dot"]
    assert {f"e{i}-{len(order[i].inputs) // 2}" for i in dots} <= arrows
    sums = [label for label in found if label.startswith("L = Σ")]
    assert sums == ["L = Σ square"]


@pytest.mark.parametrize("start", [0.0, None])
def test_a_sum_over_two_samples_is_one(start):
    """With and without the 0 with which `sum` begins."""
    model = MLP(2, [1], rng=0)
    a, b = ((model(x[:2]) - 1.0).square() for x in POINTS[:2])
    loss = a + b if start is None else 0.0 + a + b
    svg = draw(loss, model).svg
    assert [text for text in texts(svg) if text.startswith("L =")] == ["L = Σ square"]
    assert_clear(svg)


def test_the_numbers_of_a_sample_are_in_one_column():
    loss, model = karpathy()
    svg = draw(loss, model).svg
    boxes, ids, network = read_boxes(svg), place(loss), read(loss, model)[0]
    neuron = network.layers[0].neurons[0]
    for z, a in zip(neuron.z.nodes, neuron.activation.nodes, strict=True):
        assert a.inputs == (z,)
        assert boxes[ids[z]].right == pytest.approx(boxes[ids[a]].right)
    rights = [boxes[ids[z]].right for z in neuron.z.nodes]
    assert rights == sorted(rights)


def test_of_many_samples_the_first_ones_are_drawn():
    model = MLP(2, [3, 1], "tanh", rng=0)
    X = [[i / 10, -i / 7] for i in range(20)]
    loss = losses.mse([model(x) for x in X], [1.0, -1.0] * 10)
    svg = draw(loss, model).svg
    assert "2 inputs, 3 of 20 samples" in texts(svg)
    assert_clear(svg)
    ids, network = place(loss), read(loss, model)[0]
    nodes = network.layers[0].neurons[0].z.nodes
    drawn = [ids[node] in read_boxes(svg) for node in nodes]
    assert drawn == [True] * 3 + [False] * 17
    assert ids[loss] in read_boxes(svg)


@pytest.mark.parametrize(
    ("pairs", "heading"), [(1, "diff = z[0] − z[1]"), (3, "diff = z[i] − z[j]")]
)
def test_a_network_applied_twice_in_one_loss_is_drawn_once(pairs, heading):
    """As in a siamese network; the applications are samples, and a distance is that of two."""
    model = MLP(2, [2, 1], "tanh", rng=0)
    diffs = [
        model([Value(i, "left"), Value(1.0, "x1")]) - model([0.5, float(i)]) for i in range(pairs)
    ]
    loss = total([diff.square() for diff in diffs])
    loss.backward()
    svg, ids = draw(loss, model).svg, place(loss)
    assert_clear(svg)
    found, numbers = texts(svg), fields(svg)
    assert heading in found
    assert found.count("w0") == 3
    assert [x for x in found if "," in x and x[0].isdigit() and "i" not in x] == (
        ["0, 1", "2, 3", "4, 5"] if pairs == 3 else []
    )
    boxes = read_boxes(svg)
    rights = [boxes[ids[diff]].right for diff in diffs]
    assert rights == sorted(rights)
    for diff in diffs:
        assert numbers[ids[diff]]["data"] == format_number(diff.data, ".4g")
    named = {fact.name for fact in step(loss, model, level="values").facts}
    assert pairs == 1 or {"diff, samples 2, 3", "layers[1].neurons[0].z, sample 5"} <= named


@pytest.mark.parametrize("label", ["y", None])
def test_a_constant_of_two_steps_is_drawn_at_each_use(label):
    """As a row, or in a formula. Pages change the numbers of both, and mark the one in use."""
    y, model = Value(1.0).detach(), MLP(2, [2, 1], "tanh", rng=0)
    y.label = label
    loss = losses.binary_cross_entropy([model([0.5, -1.0])], [y])
    order, svg = topological(loss), draw(loss, model).svg
    uses = [
        f"e{i}-{k}"
        for i, node in enumerate(order) for k, x in enumerate(node.inputs) if x is y
    ]  # fmt: skip
    found = re.findall(r'<g id="[^"]*-v(\d+)"|<g data-of="v(\d+)" data-at="([^"]*)"', svg)
    place = str(order.index(y))
    assert [of or id for id, of, _ in found if place in (id, of)] == [place, place]
    assert len(uses) == 2
    assert {at for _, of, at in found if of} < {*uses}


def test_constants_made_anew_for_each_neuron_are_one_input():
    """As in micrograd, whose layers call their neurons one by one."""

    class Lists(Module):
        def __init__(self):
            self.neurons = [Neuron(2, "tanh", rng=i) for i in range(3)]

        def __call__(self, x):
            return [neuron(x) for neuron in self.neurons]

    model = Lists()
    loss = total([out for x in POINTS for out in model(x[:2])])
    assert "2 inputs, 4 samples" in texts(draw(loss, model).svg)


def test_the_label_of_a_sample_is_shown_with_its_cross_entropy():
    model = MLP(2, [3], rng=0)
    loss = losses.cross_entropy([model(x[:2]) for x in POINTS], [1, 0, 2, 1])
    found = texts(draw(loss, model).svg)
    at = found.index("label")
    assert found[at + 1 : at + 5] == ["1", "0", "2", "1"]


# ------------------------------------------------------------------------------ without a model


@pytest.mark.parametrize("make", [karpathy, example])
def test_neurons_are_recognized_without_the_model(make):
    """The picture is that with the model, but for the names of the layers."""
    loss, model = make()
    svg = draw(loss).svg
    assert_clear(svg)
    rename = lambda text: re.sub(r"layers\[(\d)\]", lambda m: f"layer {int(m[1]) + 1}", text)
    assert texts(svg) == [*map(rename, texts(draw(loss, model).svg))]
    wheres = {frame.where for frame in step(loss).frames}
    assert any(where.startswith("layer 1, neuron 0") for where in wheres)


def test_plain_expressions_and_single_neurons_are_not_networks():
    a, b, w = Value(1.0, "a"), Value(2.0, "b"), Value(3.0, "w")
    neuron, shared = Neuron(2, "tanh", rng=0), Layer(2, 1, rng=0)
    for root in (
        (a * w + b).tanh(), neuron([a, b]), shared([a, b]) * shared([b, a]),
        dot([a * a, b], [w, w], b) + dot([a, b], [w, a], w),
    ):  # fmt: skip
        assert infer_model(topological(root)) is None
        assert draw(root).scene is None


# -------------------------------------------------------------------------------- hard models


def test_many_weights_are_elided():
    model = MLP(40, [2, 1], "tanh", rng=0)
    out = model([i / 40 for i in range(40)])
    svg = draw(out, model).svg
    found = texts(svg)
    assert found.count("… 34 more") == 2
    assert "… 34 more inputs" in found
    assert {"w2", "w37", "x2", "x37"} <= {*found}
    assert not {"w3", "w36", "x3", "x36"} & {*found}
    assert_clear(svg)
    model = Neuron(30)
    assert "… 24 more" in texts(draw(model([0.5] * 30), model).svg)
    model = Neuron(29)
    assert "w14" in texts(draw(model([0.5] * 29), model).svg)


def test_products_of_a_neuron_that_is_not_fused_are_in_the_rows_of_their_weights():
    model = Neuron(3, "tanh", rng=0, fused=False)
    out = model([1.0, 2.0, 3.0])
    svg = draw(out, model).svg
    boxes, ids = read_boxes(svg), place(out)
    products = [x for x in topological(out) if x.op is not None and x.op.name == "*"]
    for product in products:
        weight = boxes[ids[product.inputs[0]]]
        assert boxes[ids[product]].top == pytest.approx(weight.top)
        assert boxes[ids[product]].left >= weight.right - 0.01
    assert {"w · x", "sum"} <= {*texts(svg)}
    assert_clear(svg)


class Skips(Module):
    """Layers of which one reads the inputs again, and adds its input to its output."""

    def __init__(self):
        self.first, self.second = Layer(2, 3, "tanh", rng=0), Layer(3, 3, "tanh", rng=1)
        self.last = Layer(5, 1, "linear", rng=2)

    def __call__(self, x):
        h = self.first(x)
        return self.last([*(a + b for a, b in zip(self.second(h), h, strict=True)), *x])


class Micrograd(Module):
    """A neuron as micrograd computes it, without names."""

    def __init__(self):
        self.w, self.b = [Value(0.1), Value(-0.2)], Value(0.3)

    def __call__(self, x):
        return sum((w * a for w, a in zip(self.w, x, strict=True)), self.b).relu()


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize(
    "model", [Skips(), Micrograd(), Neuron(2, "linear"), Layer(2, 3)], ids=repr
)
def test_models_of_neurons_are_drawn_as_columns(model, direction):
    out = model([Value(1.0, "x0"), Value(-2.0, "x1")])
    loss = total(out) if isinstance(out, list) else out.square()
    picture = draw(loss, model, direction=direction)
    assert picture.scene is not None
    assert_clear(picture.svg)
    assert {f"v{i}" for i in range(len(topological(loss)))} <= read_boxes(picture.svg).keys()


class Recurrent(Module):
    def __init__(self):
        self.cell = Neuron(2, "tanh", rng=0)

    def __call__(self, x):
        h = 0.0
        for a in x:
            h = self.cell([a, h])
        return h


class Gate(Module):
    def __init__(self):
        self.w = Value(2.0)

    def __call__(self, x):
        return (self.w * x[0]).exp() * self.w


@pytest.mark.parametrize("model", [Recurrent(), Gate()], ids=repr)
def test_other_models_are_drawn_by_graphviz(model):
    picture = draw(model([Value(1.0), Value(2.0)]), model)
    assert picture.scene is None
    assert picture.svg.startswith("<svg")


def test_local_derivatives_are_drawn_by_graphviz():
    loss, model = example((1, 1))
    assert draw(loss, model, locals=True).scene is None


@pytest.mark.parametrize("penalty", [losses.l2_penalty, lambda ps: total([p**2 for p in ps])])
def test_a_penalty_on_the_parameters_of_one_neuron_is_outside_of_its_card(penalty):
    model = Neuron(1, "tanh", rng=0)
    loss = (model([0.5]) - 1.0).square() + penalty(model.parameters())
    picture = draw(loss, model)
    assert picture.scene is not None
    assert_clear(picture.svg)
    assert texts(picture.svg).count("w0") == 1


def test_a_penalty_on_parameters_is_drawn_without_an_edge_from_each():
    loss, model = karpathy()
    penalized = loss + losses.l2_penalty(model.parameters())
    picture = draw(penalized, model)
    assert_clear(picture.svg)
    assert any("of 41 parameters" in text for text in texts(picture.svg))


def test_frozen_parameters_stay_in_their_cards():
    model = MLP(2, [2, 1], "tanh", rng=0)
    model.layers[0].freeze()
    loss = model([Value(1.0, "x0"), Value(2.0, "x1")])
    picture = draw(loss, model)
    assert picture.scene is not None
    assert texts(picture.svg).count("w0") == 3


def test_colour_by_gradient_is_in_the_cards_too():
    loss, model = example((2, 2, 1))
    assert draw(loss, model, color="grad").svg != draw(loss, model).svg


def test_a_picture_of_many_values_collapses():
    model = MLP(2, [16, 16, 1], rng=0)
    loss = losses.mse([model([0.1, 0.2]), model([0.3, 0.4])], [1.0, 2.0])
    assert draw(loss, model, limit=1000).title == "computational graph of 480 nodes"
    assert "drawn as" in draw(loss, model, limit=200).title


def test_the_columns_do_not_need_graphviz(monkeypatch):
    monkeypatch.setattr("engine.draw.graph.svg.find_embedded", lambda: None)
    monkeypatch.setenv("PATH", "")
    assert draw(*example((1, 1))).svg.startswith("<svg")


def test_ids_are_unique_and_begin_with_the_prefix():
    for svg in (draw(*karpathy()).svg, draw(*example(fused=False)).svg):
        ids = [x.attrib["id"] for x in ET.fromstring(svg).iter() if "id" in x.attrib]
        assert len({*ids}) == len(ids)
        assert len({id.partition("-")[0] for id in ids}) == 1
        assert ET.fromstring(svg).tag == f"{SVG}svg"


def test_layers_are_columns_of_their_own():
    loss, model = example((2, 2, 2, 1))
    network, _ = read(loss, model)
    assert [isinstance(column, NeuronLayer) for column in network.columns] == [
        True,
        True,
        True,
        False,
    ]
