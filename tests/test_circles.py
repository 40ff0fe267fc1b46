"""Networks as circles and lines: geometry, scales, hover texts, elision, and steps over them."""

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import Array, Value, total
from engine.draw import draw, step
from engine.draw.circles.activity import Activity
from engine.draw.circles.scale import Scale
from engine.draw.graph.layers import list_columns
from engine.draw.look.theme import THEMES, format_number, norm
from engine.draw.options import Options
from engine.draw.stepper import step_network
from engine.graph import topological
from nn import MLP, Layer, Module, Neuron, losses, scalar, vector
from tests import geometry

SVG = "{http://www.w3.org/2000/svg}"
DIRECTIONS = ("right", "down", "left", "up")


def compute_loss(model, samples=1):
    """Return a loss after its backward pass, of a model of Values."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(samples, model.nin)).tolist()
    outputs = [model([Value(x, f"x{j}") for j, x in enumerate(row)]) for row in X]
    rows = [row if isinstance(row, list) else [row] for row in outputs]
    loss = total([(y - 1.0) ** 2 for row in rows for y in row])
    loss.label = "loss"
    loss.backward()
    return loss


def small(sizes=(4, 3, 1), nin=2, **options):
    model = MLP(nin, sizes, "tanh", rng=0)
    for i, parameter in enumerate(model.parameters()):
        if parameter.label == "b":
            parameter.data = 0.1 * i - 1.0
    loss = compute_loss(model, **options)
    return loss, model


def groups(picture, kind):
    """Return the elements of a class, by the lines of their hover texts."""
    found = {}
    for element in ET.fromstring(picture.svg).iter(f"{SVG}g"):
        title = element.find(f"{SVG}title")
        if kind in element.get("class").split() and title is not None:
            found[tuple(title.text.split("\n"))] = element
    return found


def assert_clear(svg):
    """Assert that labels do not overlap, and that edges cross no label."""
    geometry.assert_no_overlap(svg)
    geometry.assert_edges_avoid_labels(svg)


def circles(picture):
    """Return the x, y and radius of the circle of each neuron, by its name."""
    places = {}
    for (name, *_), element in groups(picture, "node").items():
        circle = element.find(f"{SVG}circle")
        if circle is not None:
            places[name] = tuple(float(circle.get(key)) for key in ("cx", "cy", "r"))
    return places


# ------------------------------------------------------------------------------------- geometry


sizes = st.lists(st.sampled_from([1, 2, 3, 5, 9, 17, 40, 230]), min_size=2, max_size=4)


@settings(max_examples=12, deadline=None)
@given(
    sizes=sizes, direction=st.sampled_from(DIRECTIONS), theme=st.sampled_from(["light", "dark"]),
    has_loss=st.booleans(), color=st.sampled_from(["kind", "grad"]),
)  # fmt: skip
def test_no_text_overlaps_another_or_is_crossed_by_a_line(sizes, direction, theme, has_loss, color):
    model = vector.MLP(sizes[0], sizes[1:], rng=0)
    loss = losses.mse(model(np.ones((2, sizes[0]))), np.zeros((2, sizes[-1])))
    loss.backward()
    options = {"direction": direction, "theme": theme, "color": color}
    svg = (
        draw(loss, model, level="network", **options) if has_loss else draw(model, **options)
    ).svg
    assert_clear(svg)
    assert THEMES[theme].paper in svg


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_layers_are_columns_in_order_and_neurons_stand_in_theirs(direction):
    model = small()[1]
    places = circles(draw(model, direction=direction))
    names = [["x0", "x1"]] + [
        [f"layers[{c}].neurons[{i}]" for i in range(n)] for c, n in enumerate((4, 3, 1))
    ]
    along, across = (0, 1) if direction in ("right", "left") else (1, 0)
    sign = -1 if direction in ("left", "up") else 1
    columns = [[places[name] for name in column] for column in names]
    for column in columns:
        assert len({place[along] for place in column}) == 1  # one baseline
        middles = [place[across] for place in column]
        assert middles == sorted(middles)
        assert all(b - a > 2 * column[0][2] for a, b in pairwise(middles))
    starts = [sign * column[0][along] for column in columns]
    assert starts == sorted(starts)
    middles = {round((column[0][across] + column[-1][across]) / 2, 1) for column in columns}
    assert len(middles) == 1


def test_lines_lead_from_rim_to_rim():
    model = small()[1]
    picture = draw(model)
    places = circles(picture)
    for (title, _), element in groups(picture, "weight").items():
        tail, head = title.split(" → ")
        (start, *_, end) = geometry.sample(element.find(f"{SVG}path").get("d"), (0.0, 0.0))
        (x, y, r), (u, v, s) = places[tail], places[head]
        assert start == pytest.approx((x + r, y), abs=0.02)
        assert end == pytest.approx((u - s, v), abs=0.02)


# --------------------------------------------------------------------------------------- scales


@pytest.mark.parametrize("color", ["kind", "grad"])
def test_colour_is_the_sign_and_width_and_opacity_grow_with_the_size(color):
    model = small()[1]
    negative, positive = THEMES["light"].signs
    lines = []
    for (_, numbers), element in groups(draw(model, color=color), "weight").items():
        data, grad = (float(x.replace("−", "-")) for x in re.findall(r"[−\d.e]+(?=,|$)", numbers))
        path = element.find(f"{SVG}path")
        x = data if color == "kind" else grad
        assert path.get("stroke") == (positive if x > 0 else negative)
        width, opacity = (float(path.get(k, 1)) for k in ("stroke-width", "stroke-opacity"))
        lines.append((abs(x), width, opacity))
    lines.sort()
    assert len(lines) == 8 + 12 + 3
    assert [x[1] for x in lines] == sorted(x[1] for x in lines)
    assert [x[2] for x in lines] == sorted(x[2] for x in lines)
    assert lines[0][1] < lines[-1][1]


@given(st.lists(st.floats(), min_size=1, max_size=5))
def test_shares_are_monotone_and_within_0_and_1(numbers):
    scale = Scale.fit(numbers)
    for x in numbers:
        assert 0.0 <= scale.share(x) <= 1.0
        assert scale.share(x) == scale.share(-x)
    finite = sorted(abs(x) for x in numbers if x - x == 0.0)
    assert [scale.share(x) for x in finite] == sorted(scale.share(x) for x in finite)


def test_without_colours_negative_lines_are_dashed(monkeypatch):
    model = small()[1]
    black = THEMES["light"]._replace(signs=("#000000", "#000000"))
    monkeypatch.setitem(THEMES, "light", black)
    for (_, number), element in groups(draw(model, theme="light"), "weight").items():
        path = element.find(f"{SVG}path")
        assert path.get("stroke") == "#000000"
        assert bool(path.get("stroke-dasharray")) == number.startswith("w = −")


def test_weights_that_are_not_finite_are_drawn():
    model = MLP(2, [2, 1], rng=0)
    model.layers[0].neurons[0].weights[0].data = float("nan")
    model.layers[0].neurons[1].weights[1].data = float("inf")
    picture = draw(model)
    lines = {title[1]: e.find(f"{SVG}path") for title, e in groups(picture, "weight").items()}
    assert lines["w = nan"].get("stroke") == THEMES["light"].pale
    assert lines["w = inf"].get("stroke") == THEMES["light"].signs[1]
    assert lines["w = nan"].get("stroke-dasharray")
    assert draw(MLP(2, [2, 1], init="zeros")).svg.startswith("<svg")


# ------------------------------------------------------------------------------------- contents


def test_a_circle_shows_the_activation_and_its_gradient():
    loss, model = small()
    nodes = topological(loss)
    activity = Activity(nodes, list_columns(model))
    found = groups(draw(loss, model, level="network"), "node")
    for c, layer in enumerate(model.layers):
        for i, neuron in enumerate(layer.neurons):
            (output,) = activity.nodes[c + 1][i]
            name = f"layers[{c}].neurons[{i}]"
            lines = [
                name, f"a = {format_number(output.data, '.4g')}",
                f"∇ {format_number(output.grad, '.4g')}",
                f"b = {format_number(neuron.bias.data, '.4g')}, "
                f"∇ {format_number(neuron.bias.grad, '.4g')}",
            ]  # fmt: skip
            texts = {t.get("class"): t.text for t in found[tuple(lines)].iter(f"{SVG}text")}
            shown = float(texts["data"].replace("−", "-"))
            assert shown == pytest.approx(output.data, rel=0.05)
            assert float(texts["grad"].replace("−", "-")) == pytest.approx(output.grad, rel=0.05)


@pytest.mark.parametrize("fused", [True, False])
def test_the_outputs_of_neurons_are_found(fused):
    model = MLP(3, [4, 2], "tanh", rng=0, fused=fused)
    X = np.random.default_rng(0).normal(size=(3, 3))
    outputs = [model(row) for row in X.tolist()]
    loss = total([y.square() for row in outputs for y in row]) + 1e-3 * total(
        [p * p for p in model.parameters()]
    )
    activity = Activity(topological(loss), list_columns(model))
    assert activity.nodes[2] == [[row[i] for row in outputs] for i in range(2)]
    hidden = [[h.data for h in (model.layers[0](row)[i] for row in X.tolist())] for i in range(4)]
    assert [[x.data for x in xs] for xs in activity.nodes[1]] == hidden
    assert [[x.data for x in xs] for xs in activity.nodes[0]] == X.T.tolist()


def test_a_partial_sum_may_be_a_part_of_several_neurons_outputs():
    """Two samples with the same first input share its product."""
    model = Neuron(2, "linear", rng=0)
    (w0, w1), b = model.weights, model.bias
    x, y, z = (Value(x, label) for x, label in ((1.0, "x"), (2.0, "y"), (3.0, "z")))
    shared = b + w0 * x
    outputs = [shared + w1 * y, shared + w1 * z]
    activity = Activity(topological(outputs[0] * outputs[1]), list_columns(model))
    assert activity.nodes[1] == [outputs]
    assert [activity.list_inputs(out) for out in outputs] == [{0: x, 1: y}, {0: x, 1: z}]


def test_scalars_and_arrays_give_the_same_picture():
    """The weights, activations and gradients are equal; only the names of neurons differ."""
    loss, scalars = small(samples=3)
    arrays = scalars.to_vector()
    rows = [
        [x.data for x in xs] for xs in Activity(topological(loss), list_columns(scalars)).nodes[0]
    ]
    other = ((arrays(Array(np.array(rows).T)) - 1.0) ** 2).sum()
    other.label = "loss"
    other.backward()
    for color in ("kind", "grad"):
        assert strip(draw(scalars, color=color)) == strip(draw(arrays, color=color))
        a = draw(loss, scalars, level="network", color=color)
        assert strip(a) == strip(draw(other, arrays, level="network", color=color))


def strip(picture):
    """Return an SVG without ids and hover texts."""
    return re.sub(r'<title>.*?</title>\n?| id="[^"]*"', "", picture.svg, flags=re.S)


def test_several_samples_are_averaged_and_the_picture_says_so():
    loss, model = small(samples=4)
    picture = draw(loss, model, level="network")
    assert "4 samples: mean activation, sum of gradients" in picture.svg
    title = next(title for title in groups(picture, "node") if title[0] == "layers[2].neurons[0]")
    assert title[1].count(",") == 3
    assert "samples" not in draw(*small(), level="network").svg


def test_the_legend_says_what_colour_and_width_mean():
    loss, model = small()
    largest = max(abs(w.data) for w in model.parameters())
    texts = [label.text for label in geometry.read_labels(draw(model).svg)]
    assert {"weight", f"{largest:.2g}", f"−{largest:.2g}"} <= set(texts)
    assert "activation" not in texts
    texts = [
        x.text for x in geometry.read_labels(draw(loss, model, level="network", color="grad").svg)
    ]
    assert {
        "gradient of a weight",
        "gradient of an activation",
        "layers[0]",
        "4 neurons, tanh",
    } <= {*texts}


def test_gradients_are_left_out_before_the_backward_pass():
    model = MLP(2, [2, 1], rng=0)
    picture = draw(model([0.5, 1.0]) - 1.0, model, level="network")
    assert "∇" not in picture.svg
    assert 'class="grad"' not in picture.svg
    assert "green" not in picture.svg


def test_biases_have_a_mark_and_a_number():
    model = small()[1]
    found = groups(draw(model), "bias")
    assert [title[0].partition(",")[0] for title in found] == [
        f"b = {format_number(n.bias.data, '.4g')}" for layer in model.layers for n in layer.neurons
    ]
    for title, element in found.items():
        assert "".join(element.find(f"{SVG}text").itertext()).startswith("b ")
        sign = THEMES["light"].signs["−" not in title[0].partition(",")[0]]
        assert element.findall(f"{SVG}circle")[1].get("fill") == sign


# -------------------------------------------------------------------------------------- elision


def test_wide_layers_are_elided_and_the_picture_says_so():
    model = vector.MLP(784, [256, 10], rng=0)
    svg = draw(model).svg
    assert len(svg) < 300_000
    texts = {label.text for label in geometry.read_labels(svg)}
    assert {"760 more", "232 more", "256 neurons, relu", "784"} <= texts
    assert f"lines: 816 of {784 * 256 + 2560:,} connections" in texts
    assert {"x0", "x11", "x772", "x783"} <= set(circles(draw(model)))
    assert "more" not in draw(vector.MLP(2, [200, 1], rng=0)).svg


def test_only_the_strongest_of_many_lines_are_drawn():
    model = vector.MLP(60, [50, 3], rng=0)
    picture = draw(model)
    assert "the 999 strongest of 3,150 between these circles" in picture.svg
    drawn = groups(picture, "weight")
    first = [t for t in drawn if t[0].startswith("x")]
    weakest = min(abs(float(t[1][4:].replace("−", "-"))) for t in first)
    weights = np.sort(np.abs(model.layers[0].weight.data.ravel()))
    assert weakest == pytest.approx(weights[-len(first)], rel=1e-3)


# --------------------------------------------------------------------------------- other models


def test_layers_neurons_and_sequences_are_networks():
    assert repr(draw(Neuron(3))).startswith("<network 3-1;")
    assert repr(draw(Layer(2, 5))).startswith("<network 2-5;")
    model = vector.Sequential(
        vector.Dense(3, 4, "linear"), vector.BatchNorm(4), vector.Activation("relu"),
        vector.Residual(vector.Dense(4, 4)), vector.Dense(4, 2),
    )  # fmt: skip
    picture = draw(model)
    assert repr(picture).startswith("<network 3-4-4-2;")
    texts = [label.text for label in geometry.read_labels(picture.svg)]
    assert {"modules[0]", "4 neurons, linear", "BatchNorm(4)", "relu", "+ X"} <= set(texts)


@st.composite
def residual_networks(draw, depth=2):
    """Return modules that keep a width of 1 to 9, with residual blocks in each other."""
    width = draw(st.sampled_from([1, 3, 9]))

    def parts(depth):
        for _ in range(draw(st.integers(1, 2))):
            if depth and draw(st.booleans()):
                yield vector.Residual(*parts(depth - 1))
            else:
                inner = draw(st.sampled_from([1, 4, 12]))
                yield vector.Dense(width, inner, rng=0)
                yield vector.Dense(inner, width, rng=1)

    return width, vector.Sequential(*parts(depth))


@settings(max_examples=12, deadline=None)
@given(residual_networks(), st.sampled_from(DIRECTIONS), st.booleans())
def test_skip_connections_cross_no_text(network, direction, has_loss):
    width, model = network
    look = {"direction": direction}
    if has_loss:
        picture = draw(model(np.ones((2, width))).sum(), model, level="network", **look)
    else:
        picture = draw(model, **look)
    assert_clear(picture.svg)
    blocks = [x for x in model.named_modules().values() if isinstance(x, vector.Residual)]
    assert picture.svg.count("skip connection: ") == len(blocks)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_skip_connections_lead_from_the_inputs_of_a_block_to_its_outputs(direction):
    """Also of blocks in blocks, and of a block at the beginning."""
    model = scalar.Residual(
        Layer(3, 3), scalar.Residual(Layer(3, 5), Layer(5, 3)), scalar.Residual(Layer(3, 3))
    )
    picture = draw(model, direction=direction)
    places = circles(picture)
    names = ["inputs", "modules[0]", "modules[1].modules[1]", "modules[2].modules[0]"]
    first = {"inputs": "x0"} | {name: f"{name}.neurons[0]" for name in names[1:]}
    ends = {}
    for (title, *_), element in groups(picture, "edge").items():
        if match := re.fullmatch(
            "skip connection: the outputs of (.*) are added to those of (.*)", title
        ):
            numbers = [*map(float, re.findall(r"-?[\d.]+", element.find(f"{SVG}path").get("d")))]
            ends[match.groups()] = numbers[:2], numbers[-2:]
    assert sorted(ends) == sorted(
        [(names[0], names[3]), (names[1], names[2]), (names[2], names[3])]
    )
    for pair, points in ends.items():
        for name, point in zip(pair, points, strict=True):
            x, y, r = places[first[name]]
            assert r - 0.1 < np.hypot(point[0] - x, point[1] - y) < r + 6.0  # before the tip
    assert "skip connections" in picture.svg
    assert "skip connection" not in draw(MLP(2, [3, 1])).svg


class Net(Module):
    def __init__(self):
        self.first, self.last = Layer(2, 3, "linear", rng=0), Layer(3, 1, rng=1)

    def __call__(self, x):
        return self.last([z.tanh() for z in self.first(x)])


def test_a_module_of_ones_own_is_a_network():
    model = Net()
    loss = model([0.5, -1.0]) - 1.0
    loss.backward()
    found = groups(draw(loss, model, level="network"), "node")
    (title,) = [title for title in found if title[0] == "first.neurons[0]"]
    x = model.first([0.5, -1.0])[0].tanh().data
    assert title[1] == f"a = {format_number(x, '.4g')}"  # what the next layer takes
    assert step(loss, model, level="network").frames[-1].kind == "end"


@pytest.mark.parametrize("level", ["network", "neurons", "layers", "values"])
def test_a_result_without_a_label_is_an_output_or_a_loss(level):
    model = MLP(2, [2, 1], "tanh", rng=0)
    out = model([0.5, -1.0])
    names = {"loss": (out - 1.0) ** 2, "output": out.tanh()}
    for name, root in names.items():
        stepper = step(root, model, level=level)
        (seed,) = [frame.title for frame in stepper.frames if frame.kind == "seed"]
        short = {"loss": "L", "output": "out"}[name] if level == "values" else name
        assert seed == f"The gradient starts at {short}"
    if level == "network":
        texts = read_texts(draw(names["output"], model, level=level))
        assert ("output" in texts, "loss" in texts) == (True, False)


def test_frozen_layers_are_drawn_too():
    model = small()[1]
    model.layers[0].freeze()
    assert len(groups(draw(compute_loss(model), model, level="network"), "weight")) == 23


# ---------------------------------------------------------------------------------------- errors


class Line(Module):
    def __init__(self):
        self.slope = Value(1.0)


@pytest.mark.parametrize(
    "between",
    [
        scalar.LayerNorm(3),
        scalar.BatchNorm(3),
        scalar.Residual(Layer(3, 3)),
        lambda x: [x[1], x[0], x[2]],
    ],
    ids=["layer_norm", "batch_norm", "residual", "order"],
)
def test_steps_through_circles_need_layers_that_read_each_other(between):
    """A normalization, a residual connection or another order between layers is refused."""
    model = scalar.Sequential(Layer(2, 3, "tanh", rng=0), between, Layer(3, 2, rng=1))
    loss = total(model([Value(0.5), Value(-1.0)]))
    with pytest.raises(ValueError, match="expects layers that read each other's outputs"):
        step(loss, model, level="network")
    step(loss, model)


def test_wrong_arguments_are_refused():
    loss, model = small()
    with pytest.raises(
        ValueError, match=r"fully connected layers.*got Line\(\), which has no such"
    ):
        draw(Line())
    with pytest.raises(ValueError, match="level='network' requires a model"):
        draw(loss, level="network")
    with pytest.raises(
        TypeError, match=r"draw\(model\) does not take level='values'; pass a graph"
    ):
        draw(model, level="values")
    with pytest.raises(TypeError, match="does not take a second model"):
        draw(model, model)
    with pytest.raises(ValueError, match=r"no neuron of MLP\(2, \[1\], 'relu'\) is in this graph"):
        draw(loss, MLP(2, [1]), level="network")
    with pytest.raises(TypeError, match=r"model must be a Module.*got 3"):
        draw(loss, 3, level="network")
    net = Net()
    net.last = Layer(4, 1)
    with pytest.raises(ValueError, match="3 outputs, and last takes 4 inputs; write draw"):
        draw(net)
    arrays = model.to_vector()
    with pytest.raises(TypeError, match=r"network of Values.*to_scalar\(\)"):
        step_network(arrays([[1.0, 2.0]]).sum(), arrays, Options(), 100)
    with pytest.raises(ValueError, match="at most 5 neurons to step through, got 8"):
        step(loss, model, level="network", limit=5)
    residual = MLP(2, [2, 1], "linear", rng=0)
    first, last = residual.layers
    a, b = first([1.0, 2.0])
    for xs in ([1.0 + a, 2.0 + b], [a + 1.0, b + 2.0]):
        with pytest.raises(ValueError, match=r"more from layers\[0\]\.neurons\[0\]; write"):
            step(last(xs) ** 2, residual, level="network")


@pytest.mark.parametrize(
    "between",
    [
        lambda x, z: x + z,
        lambda x, z: 1.0 + z,
        lambda x, z: z * 2.0,
        lambda x, z: z * x,
    ],
)
def test_operations_between_layers_are_mentioned_and_not_stepped(between):
    model = MLP(2, [2, 1], rng=0)
    first, last = model.layers
    xs = [Value(0.5), Value(-1.0)]
    loss = last([between(x, z) for x, z in zip(xs, first(xs), strict=True)]) ** 2
    note = "not drawn: operations between layers; level='blocks' shows them"
    assert note in read_texts(draw(loss, model, level="network"))
    assert note not in read_texts(draw(last(first(xs)) ** 2, model, level="network"))
    with pytest.raises(ValueError, match=r"more from layers\[0\]\.neurons\[0\]; write"):
        step(loss, model, level="network")
    assert step(loss, model).frames[-1].kind == "end"  # over its values


# ----------------------------------------------------------------------------------------- steps


@pytest.mark.parametrize("samples", [1, 3])
def test_each_neuron_is_one_step_in_each_pass(samples):
    loss, model = small(samples=samples)
    stepper = step(loss, model, level="network", format=".10g")
    kinds = [frame.kind for frame in stepper.frames]
    assert kinds == ["start", *["forward"] * 9, "seed", *["backward"] * 9, "end"]
    data, grads = {}, {}
    for frame in stepper.frames:
        data |= frame.data
        grads |= frame.grad
    activity = Activity(topological(loss), list_columns(model))
    names = {fact.id: fact.name for fact in stepper.facts}
    for c in (1, 2, 3):
        for i, nodes in enumerate(activity.nodes[c]):
            (id,) = [id for id, name in names.items() if name == f"layers[{c - 1}].neurons[{i}]"]
            mean = sum(x.data for x in nodes) / samples
            assert data[id] == format_number(mean, ".10g")
            assert grads[id] == format_number(sum(x.grad for x in nodes), ".10g")
    (root,) = [id for id, name in names.items() if name == "loss"]
    assert (data[root], grads[root]) == (format_number(loss.data, ".10g"), "1")


def test_what_a_step_marks_is_in_the_picture():
    loss, model = small()
    stepper = step(loss, model, level="network")
    ids = {id.partition("-")[2] for id in re.findall(r' id="([^"]*)"', stepper.drawing.svg)}
    for frame in stepper.frames:
        assert {*frame.marked, *frame.data, *frame.grad} <= ids
    fields = [x.field for x in geometry.read_labels(stepper.drawing.svg)]
    assert fields.count("data") == fields.count("grad") == 11
    assert loss.grad == 1.0


def test_outputs_that_the_loss_does_not_use_are_not_stepped_through():
    model = MLP(2, [3, 2], "leaky_relu", rng=0)
    loss = model([0.5, Value(-1.0)])[0].square() + total([p * p for p in model.parameters()])
    stepper = step(loss, model, level="network")
    assert "layers[1].neurons[1]" not in stepper.opened
    assert {fact.name for fact in stepper.facts} >= {"layers[1].neurons[1]", "loss"}
    titles = [frame.title for frame in stepper.frames if frame.kind == "forward"]
    assert [title for title in titles if "neurons" in title] == [
        *(f"layers[0].neurons[{i}]" for i in range(3)), "layers[1].neurons[0]",
    ]  # fmt: skip


def final_gradients(stepper):
    """Return the gradients that a page shows in the end, by the names of values."""
    grads = {}
    for frame in stepper.frames:
        grads |= frame.grad
    return {fact.name: grads.get(fact.id, "") for fact in stepper.facts}


def test_a_neuron_opens_its_scalar_graph_with_the_same_gradients():
    loss, model = small()
    stepper = step(loss, model, level="network", format=".10g")
    opens = re.findall(r'data-opens="([^"]*)"', stepper.drawing.svg)
    assert sorted(opens) == sorted(stepper.opened)
    for c, layer in enumerate(model.layers):
        for i, neuron in enumerate(layer.neurons):
            opened = stepper.opened[f"layers[{c}].neurons[{i}]"]
            grads = final_gradients(opened)
            for j, w in enumerate(neuron.weights):
                assert grads[f"w{j}"] == format_number(w.grad, ".10g")
            assert grads["b"] == format_number(neuron.bias.grad, ".10g")


def test_a_neuron_opens_the_scalars_of_several_samples_with_the_same_gradients():
    loss, model = small(samples=3)
    stepper = step(loss, model, format=".10g")  # the level of the network is the default
    assert stepper.drawing.title == "network 2-4-3-1"
    for c, layer in enumerate(model.layers):
        for i, neuron in enumerate(layer.neurons):
            opened = stepper.opened[f"layers[{c}].neurons[{i}]"]
            grads = final_gradients(opened)
            data = {fact.name for fact in opened.facts}
            assert {f"a, sample {s}" for s in range(3)} <= data
            for j, w in enumerate(neuron.weights):
                assert grads[f"w{j}"] == format_number(w.grad, ".10g")
            wheres = {frame.where for frame in opened.frames}
            assert {"neuron, sample 0", "neuron, sample 2"} <= wheres
    opened = step(*small(samples=20)).opened["layers[1].neurons[2]"]
    assert "samples 0 to 4 of 20; gradients are of these alone" in opened.frames[0].note
    assert "5 samples" in opened.drawing.svg


def test_a_neuron_with_many_weights_opens_the_largest_products():
    loss, model = small(samples=2, nin=150, sizes=(2, 1))
    opened = step(loss, model, format=".10g").opened["layers[0].neurons[1]"]
    grads = final_gradients(opened)
    assert "28 of 150 products are shown, those that were the largest" in opened.frames[0].note
    assert "the other 122 are summed as one constant" in opened.frames[0].note
    assert {"a, sample 0", "a, sample 1"} <= grads.keys()
    assert sum(name[0] == "w" for name in grads) == 28
    activity = Activity(topological(loss), list_columns(model))
    z = next(x.inputs[0].data for x in activity.nodes[1][1])
    shown = [frame.data for frame in opened.frames if frame.title.startswith("z = ")]
    assert len(shown) == 2
    assert float(next(iter(shown[0].values())).replace("−", "-")) == pytest.approx(z, rel=1e-9)


@pytest.mark.parametrize("samples", [1, 3])
def test_the_loss_opens_its_scalars_with_the_same_gradients(samples):
    loss, model = small(sizes=(4, 2), samples=samples)
    opened = step(loss, model, format=".10g").opened["loss, scalar by scalar"]
    grads = final_gradients(opened)
    activity = Activity(topological(loss), list_columns(model))
    for i, nodes in enumerate(activity.nodes[2]):
        for sample, node in enumerate(nodes):
            name = f"z{i}[{sample}]" if samples > 1 else f"z{i}"
            assert grads[name] == format_number(node.grad, ".10g")
    penalized = model([0.5, -1.0])[0] ** 2 + losses.l2_penalty(model.parameters())
    (opened,) = [x for name, x in step(penalized, model).opened.items() if "scalar" in name]
    assert {"loss", "z0", "layers[1].neurons[1].b"} <= {fact.name for fact in opened.facts}
    assert not any("scalar" in name for name in step(model([0.5, -1.0])[1], model).opened)
    assert penalized.label is None


class Parallel(Module):
    def __init__(self):
        self.first, self.last = Layer(2, 2, "tanh", rng=0), Layer(2, 2, "tanh", rng=1)

    def __call__(self, x):
        return total([*self.first(x), *self.last(x)])


class Recurrent(Module):
    def __init__(self):
        self.cell = Layer(2, 2, "tanh", rng=0)

    def __call__(self, x):
        return total(self.cell(self.cell(x)))


def test_models_of_another_form_are_stepped_through_by_values():
    models = (Parallel(), Recurrent(), Neuron(2, rng=0))
    for model in models:
        assert not step(model([0.5, -1.0]), model).opened
    loss, model = small()
    assert not step(loss, model, level="values").opened
    assert not step(loss, model, limit=7).opened  # too many neurons: modules are boxes


# ----------------------------------------------------------------------- boxes instead of circles


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("samples", [1, 3])
def test_boxes_of_neurons_stand_in_their_order_on_one_baseline(direction, samples):
    loss, model = small(samples=samples)
    svg = draw(loss, model, level="neurons", direction=direction).svg
    geometry.assert_no_overlap(svg)
    geometry.assert_edges_avoid_labels(svg)
    middles = [x.box.middle for x in geometry.read_labels(svg) if x.text.startswith("neurons[")]
    labels = [x.text for x in geometry.read_labels(svg) if x.text.startswith("neurons[")]
    along, across = (0, 1) if direction in ("right", "left") else (1, 0)
    columns = {}
    for label, middle in zip(labels, middles, strict=True):
        columns.setdefault(round(middle[along]), []).append((middle[across], label))
    assert sorted(map(len, columns.values())) == [1, 3, 4]
    for column in columns.values():
        assert [label for _, label in sorted(column)] == [
            f"neurons[{i}]" for i in range(len(column))
        ]


def test_the_numbers_of_boxes_are_those_of_the_graph():
    loss, model = small()
    labels = geometry.read_labels(draw(loss, model, level="neurons").svg)
    grads = {label.text for label in labels if label.field == "grad"}
    for layer in model.layers:
        for neuron in layer.neurons:
            size = norm([p.grad for p in neuron.parameters()])
            assert f"‖grad‖ {format_number(size, '.4g')}" in grads
    marked = {id for frame in step(loss, model, level="neurons").frames for id in frame.marked}
    assert marked <= {id for label in labels for id in label.ids} | marked


# --------------------------------------------------------------------------------------- options


def read_texts(picture):
    return [label.text for label in geometry.read_labels(picture.svg)]


@pytest.mark.parametrize("level", ["network", "neurons"])
def test_gradients_are_absent_before_backward_and_numbers_with_names_only(level):
    model = MLP(2, [3, 1], "tanh", rng=0)
    loss = (model([Value(0.5, "alpha"), Value(-1.0, "x_i")]) - 1.0) ** 2
    loss.label = "L_ij"
    draw_ = lambda **options: draw(loss, model, level=level, **options)
    fields = lambda **options: {x.field for x in geometry.read_labels(draw_(**options).svg)}
    assert "grad" not in fields()
    assert "grad" in fields(gradients=True)
    loss.backward()
    assert {"data", "grad"} <= fields()
    assert "grad" not in fields(gradients=False)
    assert "∇" not in draw_(gradients=False).svg
    names = draw_(names_only=True)
    assert level == "network" or {"1", "2"} <= {*read_texts(names)}
    assert not any(x.field == "grad" for x in geometry.read_labels(names.svg))
    assert not re.search(r"[−.]\d|∇", " ".join(read_texts(names)))
    assert "α" in read_texts(names)
    assert "xi" in read_texts(names)  # i is a subscript
    assert "Lij" in read_texts(names)
    if level == "network":
        assert {"a0", "a1", "a2", "z", "b"} <= {*read_texts(names)}
        assert {"a0", "a2"} <= {*read_texts(draw(model, names_only=True))}
        assert_clear(names.svg)
        assert_clear(draw(model, names_only=True, direction="down").svg)


@pytest.mark.parametrize("level", ["network", "neurons", "values"])
@pytest.mark.filterwarnings("ignore:width=:UserWarning")  # the texts are small
def test_the_font_its_size_and_the_width_are_those_of_the_options(level):
    loss, model = small()
    picture = draw(loss, model, level=level, font="Times", font_size=22, monochrome=True)
    size = lambda picture: float(re.search(r'width="([\d.]+)pt"', picture.svg)[1])
    assert size(picture) == pytest.approx(2.0 * size(draw(loss, model, level=level)), rel=1e-3)
    assert 'font-family="Times,' in picture.svg
    colours = re.findall(r"#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})", picture.svg)
    assert all(red == green == blue for red, green, blue in colours)
    assert size(draw(loss, model, level=level, width="10cm")) == pytest.approx(283.46, abs=0.01)
