"""Arrays in drawings: numbers, coarse maps, and their places."""

import math
import re
import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Array, Value, topological
from engine.draw import draw
from engine.draw.arrays.cells import PADDING
from engine.draw.arrays.matrices import describe_matrix, format_together, measure_levels, shrink
from engine.draw.look.theme import THEMES
from geometry import (
    assert_boxes_are_apart,
    assert_edges_avoid_labels,
    assert_no_overlap,
    read_boxes,
    read_labels,
)
from nn import losses, vector
from strategies import any_float, arrays, examples, inf, nan

rng = np.random.default_rng(0)


def network_loss(samples=4, sizes=(2, 3, 1), dtype=np.float64):
    """Return the loss of a network of random weights, and the network."""
    model = vector.MLP(sizes[0], list(sizes[1:]), "tanh", rng=0, dtype=dtype)
    X = rng.normal(size=(samples, sizes[0])).round(1)
    out = model(X)
    return ((out - np.ones(out.shape)) ** 2).mean(), model


# ------------------------------------------------------------------------------------- matrices


@pytest.mark.parametrize(
    ("numbers", "texts", "exponent"),
    [
        ([1.0, -20.0, 0.0], ("1", "−20", "0"), 0),
        ([0.5, -1.25], ("0.50", "−1.25"), 0),
        ([12.345, 0.01], ("12.3", "0.0"), 0),  # three digits of the largest
        ([1e-5, -2.5e-5], ("1.0", "−2.5"), -5),
        ([123456.0, 1.0], ("1.23", "0.00"), 5),
        ([0.1 + 0.2, 0.0], ("0.3", "0"), 0),  # 0.30000000000000004
        ([inf, -inf, nan, 1.5], ("∞", "−∞", "nan", "1.5"), 0),
        ([-1e-9, 1.0], ("0.00", "1.00"), 0),  # no sign, but not "0"
        ([5e-324], ("0.00",), -300),
        ([], (), 0),
    ],
)
def test_numbers_of_a_matrix_have_equal_decimals(numbers, texts, exponent):
    assert format_together(np.array(numbers)) == (texts, exponent)


def test_float32_shows_no_more_digits_than_it_has():
    assert format_together(np.array([0.1, 0.25], np.float32))[0] == ("0.10", "0.25")


def test_a_chosen_format_is_kept():
    assert format_together(np.array([1.0, 0.125]), ".1f")[0] == ("1.0", "0.1")


@examples(50)
@given(arrays((2, 3), np.dtype(float)) | st.lists(any_float, min_size=1, max_size=6).map(np.array))
def test_numbers_are_those_of_the_array(x):
    """Rounding shows each number to half a unit of the last shown digit."""
    texts, exponent = format_together(x)
    assert len(texts) == x.size
    for text, number in zip(texts, x.ravel(), strict=True):
        shown = float(text.replace("−", "-").replace("∞", "inf"))
        decimals = len(text.partition(".")[2])
        scaled = number / 10.0**exponent if exponent else number
        assert (math.isnan(number) and text == "nan") or shown == scaled or (
            abs(shown - scaled) <= 0.501 * 10.0**-decimals or (text == "0" and number == 0.0)
        )  # fmt: skip


def test_levels_are_signed_and_relative_to_the_largest():
    assert measure_levels(np.array([-2.0, -1.0, 0.0, 0.1, 1.0, 2.0, nan])) == "0244689"
    assert measure_levels(np.array([inf, -1.0, 0.0])) == "804"
    assert measure_levels(np.zeros(3)) == "444"


@pytest.mark.parametrize(
    ("shape", "largest", "rows", "columns", "has_numbers"),
    [
        ((3,), 6, 1, 3, True), ((6, 6), 6, 6, 6, True), ((7, 2), 6, 7, 2, False),
        ((7, 2), 7, 7, 2, True), ((784, 256), 6, 24, 32, False), ((200,), 6, 1, 32, False),
        ((2, 3, 4), 6, 6, 4, False), ((0, 3), 6, 1, 0, False), ((1, 1), 6, 1, 1, True),
    ],
)  # fmt: skip
def test_large_arrays_are_coarse_maps(shape, largest, rows, columns, has_numbers):
    matrix = describe_matrix(np.ones(shape), largest)
    assert (matrix.rows, matrix.columns) == (rows, columns)
    assert len(matrix.levels) == rows * columns
    assert len(matrix.texts) == (rows * columns if has_numbers else 0)


def test_a_block_of_a_map_has_the_size_and_sign_of_its_numbers():
    x = np.zeros((100, 64))
    x[:50, :32], x[50:, 32:] = 3.0, -2.0
    blocks = shrink(x, 2, 2)
    assert blocks.tolist() == [[3.0, 0.0], [0.0, -2.0]]
    assert shrink(np.tile([1.0, -1.0], (4, 32)), 2, 2).max() == 1.0  # noise does not vanish


def test_constant_columns_of_zeros_stay_paper():
    x = rng.normal(size=(500, 320))
    x[:, :100] = 0.0
    levels = np.array([*describe_matrix(x, 6).levels]).reshape(24, 32)
    assert (levels[:, :10] == "4").all()
    assert (levels[:, 11:] != "4").mean() > 0.9


# ------------------------------------------------------------------------------------- drawings


def test_data_and_gradient_stand_in_aligned_columns():
    loss, _ = network_loss()
    loss.backward()
    labels = [x for x in read_labels(draw(loss).svg) if "v1" in x.ids]
    words = [x.text for x in labels]
    assert words[:3] == ["W", "(3, 2)", "data"]
    grad = words.index("grad")
    for numbers in (labels[3:grad], labels[grad + 1 :]):
        assert len(numbers) == 6
        for column in (numbers[::2], numbers[1::2]):
            ends = {round(x.box.right, 1) for x in column if x.text != "0"}
            assert len(ends) == 1  # numbers with equal decimals end at one place


def test_numbers_are_in_their_cell():
    loss, model = network_loss()
    loss.backward()
    svg = draw(loss, model).svg
    boxes = read_boxes(svg)
    for label in read_labels(svg):
        cells = [id for id in label.ids if re.fullmatch(r"v\d+", id)]
        if cells:
            box = boxes[cells[-1]]
            assert box.contains(label.box)
    assert_no_overlap(svg)


@pytest.mark.parametrize("direction", ["right", "down"])
@examples(5)
@given(st.integers(1, 40), st.lists(st.integers(1, 9), min_size=2, max_size=4))
def test_the_geometry_of_networks(direction, samples, sizes):
    loss, model = network_loss(samples, sizes)
    loss.backward()
    svg = draw(loss, model, direction=direction).svg
    assert_no_overlap(svg)


def test_edges_avoid_labels():
    x, W = Array(rng.normal(size=(4, 3)), "x"), Array(rng.normal(size=(2, 3)), "W")
    y = ((x @ W.T).tanh() ** 2).sum()
    y.backward()
    for direction in ("right", "down"):
        assert_edges_avoid_labels(draw(y, direction=direction).svg)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_are_those_of_the_theme(theme):
    x = Array([[-1.0, 0.0, 1.0]], "x")
    svg = draw((x * 2.0).sum(), theme=theme).svg
    strongest = THEMES[theme].diverging[0], THEMES[theme].diverging[7]
    for colour in strongest:
        assert re.search(f'fill="{colour}" d="M[^"]*Z', svg)
    assert f'fill="{THEMES[theme].paper}"' in svg  # zero


def test_each_light_colour_has_one_dark_counterpart():
    light, dark = (THEMES[theme].diverging for theme in ("light", "dark"))
    assert len(light) == len(dark) == len({*light}) == len({*dark}) == 9


def test_a_large_weight_is_a_small_picture():
    loss, model = network_loss(64, (784, 256, 10), np.float32)
    loss.backward()
    svg = draw(loss, model).svg
    assert len(svg) < 250_000
    labels = [x.text for x in read_labels(svg)]
    assert "(256, 784)" in labels
    assert "‖data‖" in labels
    assert_no_overlap(svg)


def test_matrix_size_is_an_option():
    x = Array(rng.normal(size=(8, 8)), "x")
    assert "‖data‖" in draw(x.sum()).svg
    assert "‖data‖" not in draw(x.sum(), matrix_size=8).svg
    with pytest.raises(ValueError, match="matrix_size must be a whole number, 1 or more"):
        draw(x.sum(), matrix_size=0)


def test_numbers_of_one_element_are_as_those_of_a_value():
    y = Array(3.0, "x") * 2.0
    y.backward()
    assert [x.text for x in read_labels(draw(y).svg) if "v0" in x.ids] == ["x", "data 3", "grad 2"]


def test_dot_and_png_show_the_same_numbers(tmp_path):
    W = Array([[0.5, -1.25], [3.0, 0.0]], "W")
    picture = draw(W.sum())
    assert r"0.50\r3.00" in picture.dot
    assert picture.save(tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
    assert picture.save(tmp_path / "a.dot").read_text("utf-8") == picture.dot


@pytest.mark.parametrize("label", ["{a|b}", "<b>&", 'x"y', "é 中", "a\nb"])
def test_labels_are_shown_as_typed(label):
    svg = draw(Array([[1.0, 2.0]], label).sum()).svg
    assert label.replace("\n", " ") in [x.text.replace("\n", " ") for x in read_labels(svg)]


def test_infinite_numbers_are_drawn_without_warnings():
    x = Array([[inf, nan], [1e308, -1e308]], "x")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        texts = [label.text for label in read_labels(draw(x.sum()).svg)]
    assert {"∞", "nan"} <= {*texts}


def test_a_cell_has_room_for_its_title_and_numbers():
    x = Array([1.0], "a rather long name")
    svg = draw(x.sum()).svg
    name, shape = read_labels(svg)[:2]
    assert name.box.right + PADDING < shape.box.left
    assert_no_overlap(svg)


def test_options_of_drawings():
    x = Array(rng.normal(size=(2, 3)), "x")
    y = (x * x).sum()
    assert "grad" not in [label.text for label in read_labels(draw(y).svg)]  # before backward()
    y.backward()
    texts = [label.text for label in read_labels(draw(y).svg)]
    assert texts.count("grad") == 2
    assert "data" not in [label.text for label in read_labels(draw(y, names_only=True).svg)]
    assert "grad" not in [label.text for label in read_labels(draw(y, gradients=False).svg)]
    large, usual = (read_boxes(draw(y, font_size=size).svg)["v0"] for size in (22, 11))
    assert abs((large.right - large.left) / (usual.right - usual.left) - 2.0) < 0.01
    assert "#e8912d" not in draw(y, monochrome=True).svg


def test_drawings_of_values_do_not_change():
    x = Value(3.0, "x")
    assert draw(x * 2.0).arrays == {}


def test_cross_entropy_of_a_batch():
    model = vector.MLP(4, [8, 3], rng=0)
    loss = losses.cross_entropy(model(rng.normal(size=(32, 4))), rng.integers(0, 3, 32))
    loss.backward()
    svg = draw(loss, model).svg
    assert_no_overlap(svg)
    assert len([x for x in read_labels(svg) if x.text == "‖grad‖"]) >= 5


# ------------------------------------------------------------------------------- networks of layers


@examples(4)
@given(
    sizes=st.lists(st.sampled_from([1, 2, 4, 9]), min_size=2, max_size=4), has_grad=st.booleans(),
    direction=st.sampled_from(["right", "down", "left", "up"]),
    options=st.sampled_from([{}, {"names_only": True}, {"font_size": 22}, {"color": "grad"}]),
)  # fmt: skip
def test_layers_of_arrays_are_columns_on_one_baseline(sizes, has_grad, direction, options):
    """Inputs are first and the loss is last; W, b and the results of a layer are in their order."""
    loss, model = network_loss(3, sizes)
    if has_grad:
        loss.backward()
    picture = draw(loss, model, direction=direction, **options)
    assert picture.scene is not None
    assert_no_overlap(picture.svg)
    assert_edges_avoid_labels(picture.svg)
    boxes = read_boxes(picture.svg)
    ids = {node: f"v{i}" for i, node in enumerate(topological(loss))}
    along, across = (0, 1) if direction in ("right", "left") else (1, 0)
    sign = -1 if direction in ("left", "up") else 1
    starts, middles = [], []
    for layer in model.layers:
        z = next(x for x in ids if layer.weight in x.inputs)
        a = next((x for x in ids if x.inputs == (z,) and x.op.name == "tanh"), None)
        column = [boxes[ids[x]] for x in (layer.weight, layer.bias, z, a) if x is not None]
        assert all(p[across + 2] < q[across] for p, q in pairwise(column))
        starts.append(sign * column[2][along + (2 if sign < 0 else 0)])
        middles.append(column[2].middle[across])
    assert starts == sorted(starts)
    assert middles == pytest.approx([middles[0]] * len(middles), abs=0.1)
    (x,) = [x for x in ids if x.op is None and any(y.op.name == "linear" for y in users(ids, x))][
        :1
    ]
    assert sign * boxes[ids[x]].middle[along] < starts[0] < sign * boxes[ids[loss]].middle[along]


def users(nodes, x):
    return [node for node in nodes if x in node.inputs]


def test_a_layer_of_arrays_has_its_formulas_and_the_names_in_them():
    texts = [x.text for x in read_labels(draw(*network_loss()).svg)]
    assert {"Z1 = X W₁ᵀ + b₁", "A = tanh(Z₁)", "Z2 = A W₂ᵀ + b₂", "W1", "b2", "X", "L"} <= {*texts}
    assert any(text.startswith("layers[0]   Dense(2, 3") for text in texts)


@pytest.mark.parametrize("direction", ["right", "down"])
@pytest.mark.parametrize("level", ["neurons", ["layers.0", "layers.1"]])
def test_arrays_beside_boxes_have_room_for_their_numbers(level, direction):
    """Also where the boxes of a network of Values would form columns."""
    loss, model = network_loss(3)
    loss.backward()
    svg = draw(loss, model, level=level, direction=direction).svg
    assert_no_overlap(svg)
    assert_boxes_are_apart(svg, [id for id in read_boxes(svg) if re.fullmatch(r"[vbo]\d+", id)])


def test_networks_of_another_form_are_laid_out_by_graphviz():
    model = vector.Sequential(vector.Dense(2, 2), vector.Residual(vector.Dense(2, 2)))
    assert draw(model(np.ones((1, 2))).sum(), model).scene is None
    loss, model = network_loss()
    assert draw(loss, model, locals=True).scene is None
    assert draw(loss + losses.l2_penalty(model.parameters()), model).scene is None
    assert draw(loss).scene is None
