"""Drawings: content, look, escaping of labels, clusters, files and errors."""

import base64
import re
import shutil
import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Array, Op, Value, dot, topological
from engine.draw import draw, step
from engine.draw.formulas.labels import set_spans
from engine.draw.graph import svg
from engine.draw.graph.dot import LONGEST_NAME, NOT_IN_XML
from engine.draw.graph.view import Box, build_view
from engine.draw.look import theme
from engine.support import lazy
from nn import MLP, Neuron, data, losses, scalar, vector
from strategies import examples

SVG = "{http://www.w3.org/2000/svg}"


def neuron():
    """micrograd's example: x1 w1 + x2 w2 + b, then tanh."""
    x1, x2, w1, w2 = Value(2.0, "x1"), Value(0.0, "x2"), Value(-3.0, "w1"), Value(1.0, "w2")
    n = x1 * w1 + x2 * w2 + Value(6.8813735870195432, "b")
    n.label = "n"
    o = n.tanh()
    o.label = "o"
    o.backward()
    return o


def texts(picture):
    """Return the lines of text in each element with an id, by the id without its prefix."""
    root = ET.fromstring(picture.svg)
    lines = {}
    for group in root.iter(f"{SVG}g"):
        if "id" in group.attrib:
            name = group.attrib["id"].partition("-")[2]
            lines[name] = ["".join(text.itertext()) for text in group.iter(f"{SVG}text")]
    return lines


# ------------------------------------------------------------------------------------- content


def test_values_are_records_and_operations_small_nodes():
    lines = texts(draw(neuron()))
    assert lines["v0"] == ["x1", "data 2", "grad −1.5"]
    assert lines["v8"] == ["n", "data 0.8814", "grad 0.5"]
    assert lines["v9"] == ["o", "data 0.7071", "grad 1"]
    assert lines["v2"] == ["data −6", "grad 0.5"]  # no label
    assert [lines[f"o{i}"] for i in (2, 5, 6, 8, 9)] == [["×"], ["×"], ["+"], ["+"], ["tanh"]]


def test_arrows_are_in_order_and_repeat_with_the_inputs():
    x = Value(3.0, "x")
    y = x * x
    lines = [line.strip() for line in draw(y).dot.splitlines() if "->" in line]
    assert [line.partition(" [")[0] for line in lines] == ["v0 -> o1", "v0 -> o1", "o1 -> v1"]
    assert set(texts(draw(y))) == {"v0", "v1", "o1", "e1-0", "e1-1", "e1"}


def test_edges_carry_local_derivatives_on_request():
    lines = texts(draw(neuron(), locals=True))
    assert lines["e9-0"] == ["0.5"]
    assert lines["e9"] == []
    assert texts(draw(neuron()))["e9-0"] == []


def test_a_constant_has_no_gradient():
    lines = texts(draw(Value(2.0, "x") * 3.0))
    assert lines["v1"] == ["data 3"]


def test_arrays_show_their_numbers():
    W = Array([[3.0, 4.0], [0.0, 0.0]], "W")
    y = (W @ np.array([1.0, 0.0])).sum()
    y.backward()
    lines = texts(draw(y, locals=True))
    numbers = ["data", "3", "4", "0", "0", "grad", "1", "0", "1", "0"]
    assert lines["v0"] == ["W", "(2, 2)", *numbers]
    assert lines["v1"] == ["(2)", "data", "1", "0"]
    assert lines["e2-0"] == []  # a matrix that is never computed
    assert texts(draw((W * 2.0).sum(), locals=True))["e2-0"] == ["2"]
    assert texts(draw((W * W).sum(), locals=True))["e1-0"] == ["‖∂‖ 5"]


def test_a_drawing_does_not_change_with_the_graph():
    x = Value(3.0, "x")
    y = x * 2.0
    picture = draw(y)
    x.data, x.grad = 5.0, 7.0
    assert texts(picture)["v0"] == ["x", "data 3"]


@pytest.mark.parametrize(
    ("x", "spec", "text"),
    [
        (-0.5, ".4g", "−0.5"), (0.0, ".4g", "0"), (-0.0, ".4g", "0"), (-1e-9, ".3f", "0.000"),
        (1e-9, ".3e", "1.000e−09"), (float("inf"), ".4g", "inf"), (-float("inf"), ".4g", "−inf"),
        (float("nan"), ".2f", "nan"), (1234567.0, ",.0f", "1,234,567"),
    ],
)  # fmt: skip
def test_numbers(x, spec, text):
    assert theme.format_number(x, spec) == text
    assert texts(draw(Value(x, "x"), format=spec))["v0"][1] == f"data {text}"


# ---------------------------------------------------------------------------------------- look


def styles(picture):
    """Return the attributes of each node in the DOT text."""
    attributes = {}
    for line in picture.dot.splitlines():
        name, _, rest = line.strip().partition(" [")
        if re.fullmatch(r"[vob]\d+", name):
            attributes[name] = dict(re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|[^\s\]]+)', rest))
    return attributes


def test_kinds_differ_in_shape_and_line_and_in_colour():
    model = Neuron(1, "linear", rng=0)
    y = model([Value(1.0, "x")]) * 2.0 + 0.5
    cells = build_view(y, model).drawn
    styles_by_kind = {cell.kind: styles(draw(y, model))[cell.id] for cell in cells}
    assert set(styles_by_kind) == {"leaf", "parameter", "constant", "inner", "root"}
    lines = [
        (style["shape"], style.get("penwidth"), style.get("style"))
        for style in styles_by_kind.values()
    ]
    assert len(set(lines)) == 5
    assert len({style["color"] for style in styles_by_kind.values()}) == 5


def luminance(colour):
    """Return the relative luminance of a colour such as #ff8000, as WCAG defines it."""
    linear = lambda c: c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
    red, green, blue = (linear(int(colour[i : i + 2], 16) / 255) for i in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(a, b):
    low, high = sorted([luminance(a), luminance(b)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", theme.THEMES)
def test_texts_and_lines_have_enough_contrast(name):
    """WCAG requires 4.5 for texts and 3 for lines, on every fill."""
    look = theme.THEMES[name]
    for kind in ("leaf", "parameter", "constant", "inner", "root", "box"):
        fill, line = look.kinds[kind]
        assert contrast(look.ink, fill) >= 7
        assert contrast(line, look.paper) >= 3
        assert contrast(look.kinds["root"].line, fill) >= 4.5  # gradients in cards
    assert all(contrast(look.ink, colour) >= 4.5 for colour in look.heat)
    assert contrast(look.pale, look.tint) >= 4.5


def test_colour_by_gradient_is_stronger_for_larger_ones():
    """A gradient of at most 1e-3 of the largest is not coloured."""
    leaves = [Value(1.0) for _ in range(5)]
    y = dot([1.0, 1e-1, 1e-2, 1e-3, 0.0], leaves)
    y.backward()
    attributes = styles(draw(y, color="grad"))
    order = topological(y)
    fills = [attributes[f"v{order.index(leaf)}"]["fillcolor"].strip('"') for leaf in leaves]
    light = [luminance(colour) for colour in fills]
    assert light == sorted(light)
    assert len(set(light)) == 4
    assert fills[3] == fills[4] == theme.THEMES["light"].heat[0]
    untouched = styles(draw(Value(1.0) * 2.0, color="grad"))
    assert untouched["v0"]["fillcolor"].strip('"') == theme.THEMES["light"].heat[0]


@pytest.mark.parametrize(
    ("direction", "wide"), [("right", True), ("down", False), ("left", True), ("up", False)]
)
def test_direction(direction, wide):
    box = ET.fromstring(draw(neuron(), direction=direction).svg).attrib["viewBox"].split()
    assert (float(box[2]) > float(box[3])) == wide


# ------------------------------------------------------------------------------------- options


def test_names_only():
    """Numbers are left out, but constants are their numbers; a value without a name is a dot."""
    root = neuron() * 2.0
    picture = draw(root, names_only=True)
    lines = texts(picture)
    assert lines["v0"] == ["x1"]
    assert lines["v2"] == []
    assert lines["v10"] == ["2"]
    assert "data" not in picture.dot
    assert styles(picture)["v2"]["shape"] == "circle"
    assert ET.fromstring(step(root, names_only=True).drawing.svg) is not None


def test_gradients_are_shown_once_there_are_any():
    x = Value(3.0, "x")
    y = x * 2.0
    assert texts(draw(y))["v0"] == ["x", "data 3"]
    assert texts(draw(y, gradients=True))["v0"] == ["x", "data 3", "grad 0"]
    y.backward()
    assert texts(draw(y))["v0"] == ["x", "data 3", "grad 2"]
    assert texts(draw(y, gradients=False))["v0"] == ["x", "data 3"]
    x.zero_grad()
    assert texts(draw(y))["v0"] == ["x", "data 3", "grad 0"]  # the root still has its own
    assert texts(step(x * 2.0).drawing)["v0"][-1].strip("\u00a0") == "grad 2"
    W = Array([[1.0, 2.0]], "W")
    loss = (W * W).sum()
    assert not any("grad" in line for line in texts(draw(loss))["v0"])
    loss.backward()
    assert any("grad" in line for line in texts(draw(loss))["v0"])


def test_a_font_and_its_size():
    picture = draw(neuron(), font="Times", font_size=22)
    root = ET.fromstring(picture.svg)
    assert root.attrib["font-family"].startswith("Times,Verdana,")
    assert {text.attrib["font-size"] for text in root.iter(f"{SVG}text")} == {"22.00"}
    natural, large = (size_of(draw(neuron(), font_size=size)) for size in (11, 22))
    assert large[0] == pytest.approx(2 * natural[0], rel=0.01)


def size_of(picture):
    """Return the width and height of a drawing in points."""
    attributes = ET.fromstring(picture.svg).attrib
    return [float(attributes[name].removesuffix("pt")) for name in ("width", "height")]


@pytest.mark.parametrize(
    ("width", "points"), [("8cm", 226.77), ("600px", 450.0), ("3 in", 216.0), ("80mm", 226.77)]
)
@pytest.mark.filterwarnings("ignore:width=:UserWarning")  # the texts are small
def test_a_width(width, points):
    natural, scaled = size_of(draw(neuron())), size_of(draw(neuron(), width=width))
    assert scaled[0] == pytest.approx(points, abs=0.01)
    assert scaled[1] / scaled[0] == pytest.approx(natural[1] / natural[0], rel=1e-3)


# ------------------------------------------------------------------------------------ escaping


@examples(40)
@given(label=st.text(max_size=LONGEST_NAME))
def test_a_label_shows_as_typed(label):
    """A character that XML does not allow shows as U+FFFD; longer labels are shortened."""
    text = texts(draw(Value(1.0, label) * 2.0))["v0"][:-1]
    typed = re.sub(NOT_IN_XML, "\ufffd", label).replace("\t", "    ")
    lines = lambda parts: [x for x in (part.replace("\xa0", " ").strip() for part in parts) if x]
    shown = ["".join(span.text for span in set_spans(line)) for line in typed.split("\n")[:1]]
    assert lines(text) == lines([*shown, *typed.split("\n")[1:]])


def test_spaces_are_kept():
    text = texts(draw(Value(1.0, "a   b") * 2.0))["v0"][0]
    assert text.replace("\xa0", " ") == "a   b"


def test_blanks_at_the_edges_of_lines_are_cut():
    assert texts(draw(Value(1.0, " \té x \n\t y ") * 2.0))["v0"][:-1] == ["é x", "y"]


@pytest.mark.parametrize("length", [50, 51, 1000, 20_000])
def test_a_long_label_is_shortened_in_the_middle_and_whole_on_hover(length):
    """Of more than 1000 characters, the first 1000."""
    label = "".join("abcdefg"[i % 7] for i in range(length))
    picture = draw(Value(1.0, label) * 2.0)
    short = label if length == 50 else f"{label[:25]}…{label[-24:]}"
    assert texts(picture)["v0"][:-1] == [short]
    whole = label if length <= 1000 else label[:1000] + "…"
    titles = re.findall("<title>(.*?)</title>", picture.svg)
    assert titles == ([] if length == 50 else [whole])


HOSTILE = '</text><script>alert(1)</script>"\\n|{}<>&amp;<B>'


@pytest.mark.parametrize("form", ["svg", "html"])
def test_no_label_is_markup(form):
    cube = Op(HOSTILE, lambda x: x * x * x, lambda out, x: 3.0 * x * x)
    picture = draw(cube(Value(2.0, HOSTILE)))
    text = getattr(picture, form)
    assert "<script" not in text
    assert texts(picture)["v0"][0] == texts(picture)["o1"][0] == HOSTILE


def test_no_name_of_a_module_is_markup():
    class Model(Neuron):
        def __repr__(self):
            return HOSTILE

    model = Model(1)
    picture = draw(model([1.0]), model, locals=True)
    assert "<script" not in picture.svg
    assert HOSTILE.replace("<", "&lt;").split(">")[0] in picture.svg
    assert "alert(1)" in draw(model([1.0]), model, level="layers").svg


# ------------------------------------------------------------------------------------ clusters


def test_titles_of_clusters_are_above_the_arrows():
    model = scalar.GPT(3, 4, 2, positions=2, rng=0)
    svg = draw(model.loss([0, 1, 2]), model, level="blocks").svg
    before, _, titles = svg.rpartition('class="edge"')
    assert "Transformer" not in before
    assert re.findall(r'paint-order="stroke"[^>]*>(blocks[^ ]*) ', titles) == [
        "blocks[0]",
        "blocks[0].attention",
    ]
    assert svg.endswith("</text>\n</g>\n</svg>\n")


def test_a_list_is_an_error_with_a_remedy():
    with pytest.raises(TypeError, match=r"got \[Value\(2.0\)\]; pass one of its elements, or comb"):
        draw([Value(2.0)])
    with pytest.raises(TypeError, match=r"got \[\]$"):
        draw([])


@pytest.mark.parametrize("fused", [True, False])
def test_neurons_and_layers_are_clusters_named_as_in_the_model(fused):
    model = MLP(2, [3, 1], "tanh", rng=0, fused=fused)
    x = [Value(0.5, "x"), Value(-1.0, "y")]
    out = model(x)
    loss = (out - 1.0) ** 2
    inside = build_view(loss, model).contents
    assert set(inside) == {"", "layers.1.neurons.0", *[f"layers.0.neurons.{i}" for i in range(3)]}
    for i, part in enumerate(model.layers[0].neurons):
        nodes = {cell.node for cell in inside[f"layers.0.neurons.{i}"]}
        assert {*part.weights, part.bias} <= nodes
        assert [node.op.name for node in nodes if node.op is not None].count("tanh") == 1
        assert len(nodes) == (5 if fused else 8)
    assert out in {cell.node for cell in inside["layers.1.neurons.0"]}
    outside = {cell.node for cell in inside[""]}
    assert {*x, loss} <= outside
    assert len(outside) == 6  # and 1, the difference, and 2
    source = draw(loss, model).dot
    for title in ("layers[0]   Layer(2, 3, 'tanh')", "layers[1].neurons[0]   Neuron(3, 'linear')"):
        assert title in source


def test_a_penalty_belongs_to_no_layer():
    model = MLP(1, [2, 1], rng=0)
    loss = model([1.0]) + losses.l2_penalty(model.parameters())
    outside = [
        cell.node.op.name
        for cell in build_view(loss, model).contents[""]
        if cell.node.op is not None
    ]
    assert sorted(outside) == ["+", "dot"]


def test_nodes_after_a_neuron_do_not_belong_to_it():
    """A second activation of the same kind and a product of parameters are outside."""
    model = Neuron(1, "tanh", rng=0)
    again = model([1.0]).tanh()
    penalty = model.weights[0] * model.bias
    inside = build_view(again + penalty, model).contents
    outside = {cell.node for cell in inside[""]}
    assert {again, penalty} <= outside
    assert again.inputs[0] in {cell.node for cell in inside["Neuron"]}


def test_layers_of_arrays_are_clusters():
    model = vector.MLP(2, [4, 1], rng=0)
    loss = losses.mse(model(np.ones((3, 2))), np.ones(3))
    inside = build_view(loss, model).contents
    names = [cell.node.op.name for cell in inside["layers.0"] if cell.node.op is not None]
    assert names == ["linear", "relu"]
    assert "layers.1" in inside


def test_a_collapsed_cluster():
    model = MLP(2, [3, 1], "tanh", rng=0)
    loss = (model([0.5, -1.0]) - 1.0) ** 2
    loss.backward()
    view = build_view(loss, model, level="layers.0")
    boxes = [part for part in view.drawn if isinstance(part, Box)]
    assert [(box.nodes, len(box.parameters)) for box in boxes] == [(15, 9)]
    ways = [arrow for arrow in view.arrows if "b0" in (arrow.tail, arrow.head)]
    assert sorted((arrow.tail[0], arrow.head[0], arrow.multiplicity) for arrow in ways) == [
        ("b", "o", 3), ("v", "b", 3), ("v", "b", 3),
    ]  # fmt: skip
    text = texts(draw(loss, model, level="layers.0"))["b0"]
    norm = np.linalg.norm([p.grad for p in model.layers[0].parameters()])
    title = "layers[0]   Layer(2, 3, 'tanh')"
    lines = [line.replace("\xa0", " ") for line in text]
    assert lines == [title, "9 parameters, 15 nodes", f"‖grad‖ {norm:.4g}"]


def test_a_training_graph_of_65000_nodes_shows_its_layers():
    X, y = data.moons(100, rng=0)
    model = MLP(2, [16, 16, 1], rng=0, fused=False)
    loss = losses.hinge([model(x) for x in X.tolist()], (2 * y - 1).tolist())
    view = build_view(loss, model)
    names = {box.id: box.title for box in view.drawn}
    layers = [f"layers[{i}]   {layer}" for i, layer in enumerate(model.layers)]
    chain = ["the inputs", *layers, "the rest"]
    assert sorted(names.values()) == sorted(chain)
    assert sum(box.nodes for box in view.drawn) == len(topological(loss)) > 65_000
    ways = {(names[arrow.tail], names[arrow.head]): arrow.multiplicity for arrow in view.arrows}
    assert ways == dict(zip(pairwise(chain), (3200, 25600, 1600, 100), strict=True))
    for arguments in [(loss,), (loss, model, "values")]:
        view = build_view(*arguments)
        assert len(view.drawn) < 20
        assert sum(getattr(part, "nodes", 1) for part in view.drawn) == len(topological(loss))


def test_neurons_collapse_before_layers():
    model = MLP(4, [8, 8], rng=0, fused=False)
    total = sum(model([1.0, 2.0, 3.0, 4.0]), start=Value(0.0))
    count = len(topological(total))
    kinds = {type(part) for part in build_view(total, model, limit=count).drawn}
    assert Box not in kinds
    titles = [
        part.title
        for part in build_view(total, model, limit=count - 1).drawn
        if isinstance(part, Box)
    ]
    assert len(titles) == 16
    assert all("Neuron" in title for title in titles)


# ---------------------------------------------------------------------------- files and errors


def test_the_suffix_chooses_the_file_format(tmp_path):
    picture = draw(neuron())
    begins = {".svg": b"<svg", ".dot": b"digraph", ".png": b"\x89PNG", ".html": b"<!doctype html>"}
    if lazy.is_installed("matplotlib"):
        begins |= {".pdf": b"%PDF", ".eps": b"%!PS-Adobe"}
    for suffix, first in begins.items():
        path = picture.save(tmp_path / f"graph{suffix}")
        assert path.read_bytes().startswith(first)
    assert ET.parse(tmp_path / "graph.svg").getroot().attrib["role"] == "img"
    for name in ("graph.jpg", "graph", "svg"):
        with pytest.raises(
            ValueError, match=r"can be saved as .svg, .pdf, .eps, .png, .html, .dot, got"
        ):
            picture.save(tmp_path / name)


def test_a_long_chain_that_reuses_one_leaf_is_laid_out():
    """Without `nslimit`, Graphviz's network simplex takes minutes."""
    x = node = Value(0.5, "x")
    for _ in range(100):
        node = (node * x).tanh()
    assert draw(node).svg.count('class="node"') > 300


def test_the_same_graph_gives_the_same_bytes():
    assert draw(neuron()).svg == draw(neuron()).svg
    assert draw(neuron()).dot == draw(neuron()).dot


def test_pictures_in_one_page_share_no_id():
    ids = [re.findall(r'\bid="([^"]+)"', draw(root).svg) for root in (neuron(), Value(1.0) * 2.0)]
    assert not set(ids[0]) & set(ids[1])
    assert len(ids[0]) == len(set(ids[0]))


def test_jupyter_displays_an_svg_as_an_image():
    """A notebook that is not trusted shows an image, but no SVG."""
    picture = draw(neuron())
    bundle = picture._repr_mimebundle_()
    assert bundle["image/svg+xml"] == picture.svg
    assert base64.b64encode(picture.svg.encode()).decode() in bundle["text/html"]
    assert "\n" not in bundle["text/html"]
    assert bundle["text/plain"].startswith("<computational graph of 10 nodes")


def test_a_root_alone():
    assert texts(draw(Value(1.0, "x"))) == {"v0": ["x", "data 1"]}
    assert draw(Value(1.0)).title == "computational graph of 1 node"


@pytest.mark.skipif(not shutil.which("dot"), reason="requires Graphviz beside graphviz-pure")
def test_graphviz_of_the_system_draws_the_same_graph():
    root = neuron()
    assert texts(draw(root, layout="dot")) == texts(draw(root, layout="embedded"))
    hostile = draw(Value(2.0, HOSTILE) * 2.0, layout="dot")
    assert texts(hostile)["v0"][0] == HOSTILE


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"direction": "LR"}, "direction must be one of right, down, left, up, got 'LR'"),
        ({"theme": "blue"}, "theme must be one of auto, light, dark, got 'blue'"),
        ({"color": "red"}, "color must be one of kind, grad, got 'red'"),
        ({"layout": "neato"}, "layout must be one of auto, embedded, dot, got 'neato'"),
        ({"font": "x;y"}, "font must be the name of a font such as 'Times', got 'x;y'"),
        ({"font": 3}, "font must be the name of a font such as 'Times', got 3"),
        ({"width": 8}, "width must be a length such as '8cm' or '600px', got 8"),
        ({"width": "8"}, "width must be a length such as '8cm' or '600px', got '8'"),
        ({"width": "0cm"}, "width must be a positive, finite number, got 0.0"),
        ({"font_size": -1}, "font_size must be a positive, finite number, got -1"),
        ({"font_size": 8, "width": "8cm"}, "pass either width or font_size, not both"),
        ({"monochrome": True, "theme": "dark"}, "monochrome is for white paper"),
        ({"format": "d"}, "format must be a format of floats such as '.4g', got 'd'"),
        (
            {"level": "layer"},
            "level must be one of values, neurons, layers, blocks, network, or paths such as layers.0, "
            "layers.0.neurons.0, the rest, got 'layer'; write 'layers'",
        ),
    ],
)
def test_unknown_values_of_options_are_refused(options, message):
    model = MLP(1, [1], rng=0)
    with pytest.raises(ValueError, match=re.escape(message)):
        draw(model([1.0]), model, **options)


def test_a_path_that_is_not_in_the_model_is_not_taken_for_a_level():
    model = MLP(1, [1], rng=0)
    with pytest.raises(ValueError, match=r"or paths such as layers\.0, .*, got 'layers\[7\]'$"):
        draw(model([1.0]), model, level="layers[7]")


def test_a_root_that_is_no_node_and_a_model_that_is_no_module_are_refused():
    with pytest.raises(TypeError, match=r"expected a node such as a Value, got 3\.0"):
        draw(3.0)
    with pytest.raises(TypeError, match=r"model must be a Module such as nn\.MLP, got 'm'"):
        draw(neuron(), "m")
    with pytest.raises(TypeError, match=r"model must be a Module such as nn\.MLP, got <class"):
        draw(neuron(), MLP)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": 0}, "limit must be a whole number, 1 or more, got 0"),
        ({"limit": None}, "limit must be a whole number, 1 or more, got None"),
        ({"theme": [1]}, "theme must be one of auto, light, dark, got [1]"),
        (
            {"level": 3},
            "paths such as layers.0, layers.0.neurons.0, the inputs, the rest, got 3",
        ),
        (
            {"level": [1, "a"]},
            "paths such as layers.0, layers.0.neurons.0, the inputs, the rest, got 1",
        ),
        (
            {"level": "layers", "model": None},
            "level='layers' requires a model; pass it as the second argument",
        ),
        ({"level": "valus", "model": None}, "network, got 'valus'; write 'values'"),
        ({"model": MLP(2, [3, 1])}, "no parameter of MLP(2, [3, 1], 'relu') is in this graph"),
    ],
)
def test_wrong_arguments_have_messages_of_their_own(options, message):
    model = MLP(2, [1])
    with pytest.raises(ValueError, match=re.escape(message)):
        draw(model([1.0, 2.0]), **{"model": model, **options})


def test_a_class_as_root_is_refused():
    with pytest.raises(TypeError, match="expected a node such as a Value, got <class"):
        draw(Value)


def test_without_graphviz_the_message_names_what_to_install(monkeypatch):
    monkeypatch.setattr(svg, "find_embedded", lambda: None)
    monkeypatch.setenv("PATH", "")
    picture = draw(neuron())
    assert picture.dot.startswith("digraph")
    with pytest.raises(RuntimeError, match="pip install graphviz-pure, or install Graphviz"):
        picture.svg  # noqa: B018


def test_the_message_of_graphviz_is_passed_on():
    with pytest.raises(RuntimeError, match=r"Graphviz failed: .*syntax error"):
        svg.render("digraph {")


def test_a_class_of_models_is_to_be_called_before_it_is_drawn():
    with pytest.raises(TypeError, match=r"got <class '.*MLP'>; call it first"):
        draw(MLP)
