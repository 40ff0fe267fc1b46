"""Explanations of a gradient: paths, their products and the remainder."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Array, Value, dot, explain, topological
from nn import MLP
from strategies import programs

inf, nan = math.inf, math.nan


def all_paths(root, leaf):
    """Return the nodes, from the leaf to the root, and the product of every path."""
    paths = []

    def down(node, above, product):
        if node is leaf:
            paths.append(((node, *above), product))
        inputs, slopes = node.inputs, node.locals
        if (
            node.op is not None and node.op._output_index is not None
        ):  # paths lead through the operation
            inputs = node.inputs[0].inputs
            slopes = [row and row[node.op._output_index] for row in node.inputs[0].locals]
        for each, local in zip(inputs, slopes, strict=True):
            if local is not None and not each.constant:
                down(each, (node, *above), product * local)

    down(root, (), 1.0)
    return paths


def test_paths_are_sorted_and_add_up():
    x, y = Value(3.0, "x"), Value(-2.0, "y")
    a, b = x * y, x.exp()
    root = a + b * 0.01 - x
    explanation = explain(root, x)
    assert explanation.gradient == pytest.approx(-2.0 + math.exp(3.0) * 0.01 - 1.0, rel=1e-15)
    assert [path.product for path in explanation.paths] == pytest.approx(
        [-2.0, -1.0, math.exp(3.0) * 0.01]
    )
    assert [path.nodes[0] for path in explanation.paths] == [x, x, x]
    assert all(path.nodes[-1] is root for path in explanation.paths)
    assert explanation.paths[0].nodes[1] is a
    assert explanation.paths[2].locals == (math.exp(3.0), 0.01, 1.0, 1.0)
    assert explanation.number == 3
    assert abs(explanation.remainder) < 1e-15


def test_an_input_used_twice_is_two_paths():
    x = Value(3.0, "x")
    explanation = explain(x * x, x)
    assert [path.product for path in explanation.paths] == [3.0, 3.0]
    assert explanation.gradient == 6.0


@given(program=programs(longest=12), k=st.integers(1, 5), data=st.data())
def test_the_largest_of_all_paths(program, k, data):
    """Against a list of all paths."""
    root = Value.lift(program.on_values()[-1])
    leaves = [node for node in topological(root) if node.op is None and not node.constant]
    if not leaves:
        return
    leaf = data.draw(st.sampled_from(leaves))
    paths = all_paths(root, leaf)
    if not paths or len(paths) > 5000:
        return
    explanation = explain(root, leaf, k)
    size = lambda product: -1.0 if math.isnan(product) else abs(product)
    want = sorted([size(product) for _, product in paths], reverse=True)[:k]
    assert [size(path.product) for path in explanation.paths] == pytest.approx(
        want, rel=1e-12, nan_ok=True
    )
    assert explanation.number == len(paths)
    chains = [nodes for nodes, _ in paths]
    assert all(path.nodes in chains for path in explanation.paths)
    for path in explanation.paths:
        assert math.prod(reversed(path.locals)) == pytest.approx(
            path.product, rel=1e-12, nan_ok=True
        )


def test_the_gradient_agrees_with_backward():
    model = MLP(3, [8, 8, 1], "tanh", rng=0, fused=False)
    root = model([0.1, -0.5, 2.0])
    root.backward()
    for leaf in model.parameters():
        explanation = explain(root, leaf, k=3)
        assert explanation.gradient == pytest.approx(leaf.grad, rel=1e-12)
        total = math.fsum([*[path.product for path in explanation.paths], explanation.remainder])
        assert total == pytest.approx(leaf.grad, rel=1e-12)


def test_more_paths_than_can_be_listed():
    """Each step doubles their number."""
    x = node = Value(1.0, "x")
    for i in range(100):
        node = node * 0.5 + node * (0.25 if i else 0.125)
    explanation = explain(node, x, k=2)
    assert explanation.number == 2**100
    assert [path.product for path in explanation.paths] == [0.5**100, 0.5**100 * 0.5]
    assert explanation.gradient == pytest.approx(0.625 * 0.75**99, rel=1e-12)
    assert explanation.remainder == pytest.approx(explanation.gradient - 0.5**100 * 1.5, rel=1e-12)


def test_gradients_are_neither_read_nor_changed():
    x = Value(3.0, "x")
    y = x * 2.0
    x.grad, y.grad = 7.0, 8.0
    assert explain(y, x).gradient == 2.0
    assert (x.grad, y.grad) == (7.0, 8.0)


def test_the_root_and_interior_nodes():
    x = Value(3.0, "x")
    y = x * 2.0
    assert explain(x, x).paths[0].product == 1.0
    assert explain(y * y, y).gradient == 12.0


def test_nan_comes_last():
    x = Value(2.0, "x")
    root = dot([nan, 3.0, inf], [x, x, x])
    explanation = explain(root, x)
    assert [path.product for path in explanation.paths][:2] == [inf, 3.0]
    assert math.isnan(explanation.remainder)
    assert math.isnan(explain(x * inf, x).remainder)  # inf - inf


def test_the_text_of_an_explanation():
    x, y = Value(3.0, "x"), Value(2.0, "y")
    f = (x * y).tanh() + x
    f.label = "f"
    lines = str(explain(f, x, k=1)).split("\n")
    assert lines == [
        "1.00005, along 2 paths:", "1 = 1   x → f", "4.91531e-05 along 1 path more",
    ]  # fmt: skip
    assert str(explain((x + y) * y, x).paths[0]) == "2 = 1 · 2   x → + → *"  # one factor per arrow
    for _ in range(5):
        f = f * 1.0 + 1.0
    product = str(explain(f, x, k=1).paths[0]).split("  ")[0]
    assert product == "1 = 1 · 1 · 1 · 1 · 1 · ⋯ · 1 · 1 · 1"


def test_errors():
    x, y = Value(1.0, "x"), Value(2.0, "y")
    with pytest.raises(
        ValueError, match=r"no path leads from Value\(2\.0, 'y'\) to .*, so the gradient is 0"
    ):
        explain(x * 2.0, y)
    with pytest.raises(
        ValueError, match="k, the number of paths, must be a whole number, 1 or more, got 0"
    ):
        explain(x * 2.0, x, k=0)
    with pytest.raises(ValueError, match="1 or more, got 'all'"):
        explain(x * 2.0, x, k="all")
    with pytest.raises(TypeError, match="explain expects two Values or two Arrays, got Array"):
        explain(Array([1.0]).sum(), x)
    with pytest.raises(TypeError, match="explain expects two Values or two Arrays, got 3"):
        explain(x, 3)


def test_a_constant_is_refused():
    y = Value(2.0, "x") * 3.0
    with pytest.raises(ValueError, match=r"requires a gradient, got Constant\(3.0\)"):
        explain(y, y.inputs[1])
