"""`explain` and `mistakes` of graphs of Arrays."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from engine import Array, Value, explain, mistakes

rng = np.random.default_rng(0)


def residual_network(dtype=float):
    """Return the loss of x + f(x), its weights and its input, which is used twice."""
    x, W = (Array(rng.normal(size=(3, 3)), name, dtype=dtype) for name in "xW")
    b = Array(rng.normal(size=3), "b", dtype=dtype)
    out = (x @ W.T + b).tanh() + x
    return (out * out).mean(), x, W, b


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_paths_add_up_to_the_gradient(dtype):
    loss, *leaves = residual_network(dtype)
    loss.backward()
    for leaf in leaves:
        explanation = explain(loss, leaf)
        assert (explanation.gradient == leaf.grad).all()  # to the bit
        assert explanation.number == len(explanation.paths) == (4 if leaf.label == "x" else 2)
        total = sum(path.product for path in explanation.paths)
        assert_allclose(total, leaf.grad, rtol=1e-5 if dtype == np.float32 else 1e-13, atol=1e-6 if dtype == np.float32 else 1e-14)  # fmt: skip
        assert {path.product.shape for path in explanation.paths} == {leaf.shape}
        sizes = [np.linalg.norm(path.product) for path in explanation.paths]
        assert sizes == sorted(sizes, reverse=True)


def test_a_path_is_the_gradient_with_all_others_cut():
    x, W = Array(rng.normal(size=(2, 3)), "x"), Array(rng.normal(size=(4, 3)), "W")
    y = (x @ W.T).sum() + (x * x).sum()
    first, second, third = explain(y, x).paths
    through_product = next(
        p for p in (first, second, third) if len(p.nodes) == 4 and p.nodes[1].op.name == "@"
    )
    assert_allclose(through_product.product, np.ones((2, 4)) @ W.data)
    assert through_product.locals[0] is None  # a matrix
    squares = [p.product for p in (first, second, third) if p is not through_product]
    assert_allclose(squares, [x.data, x.data])


def test_paths_through_many_nodes_are_counted():
    y = x = Array([0.5, -1.0], "x")
    for _ in range(40):
        y = y + y
    explanation = explain(y.sum(), x, k=3)
    assert (explanation.number, len(explanation.paths)) == (2**40, 3)
    assert_allclose(explanation.gradient, 2.0**40)
    assert_allclose(explanation.remainder, 2.0**40 - 3)


def test_a_path_as_text():
    loss, x, *_ = residual_network()
    text = str(explain(loss, x))
    assert "along 4 paths" in text
    for use in (1, 2):
        assert f"x → +#{use} → * → mean" in text
    assert str(explain(loss, x, k=1)).endswith("along 3 paths more")


def test_leaves_and_roots_that_are_refused():
    x = Array([1.0, 2.0])
    with pytest.raises(ValueError, match=r"one element, got an Array of shape \(2,\)"):
        explain(x * 2.0, x)
    with pytest.raises(TypeError, match="two Values or two Arrays"):
        explain(x.sum(), Value(1.0))
    with pytest.raises(ValueError, match="no path leads from"):
        explain(x.sum(), Array([1.0]))


def test_mistakes_of_arrays():
    """A residual block shows both mistakes: x is reached early, and it is used twice."""
    loss, x, W, b = residual_network()
    loss.backward()
    order, overwritten = mistakes(loss)
    for mistake in (order, overwritten):
        for node in (x, W, b):
            assert (mistake.right[node] == node.grad).all()
        assert mistake.gradients[x].shape == x.shape
    out = loss.inputs[0].inputs[0]
    assert overwritten.first is out  # out * out overwrites one of two equal contributions
    assert_allclose(overwritten.gradients[out], 0.5 * out.grad)
    assert "first + of shape (3, 3) propagates ‖·‖" in str(overwritten)
    assert order.first is None or order.first in order.wrong


def test_gradients_of_an_early_node_are_wrong():
    x = Array([[1.0, 2.0], [3.0, 4.0]], "x")
    y = x @ x.T
    z = (y.tanh() @ y + y).sum()  # y is reached before all contributions to it have arrived
    z.backward()
    order, _ = mistakes(z)
    assert order.first is y
    assert x in order.wrong
    assert not np.allclose(order.gradients[x], x.grad)


def test_a_graph_without_repeats_has_no_mistakes():
    W, b = Array(rng.normal(size=(3, 2)), "W"), Array(np.zeros(3), "b")
    loss = (np.ones((4, 2)) @ W.T + b).tanh().mean()
    assert [mistake.first for mistake in mistakes(loss)] == [None, None]


def test_gradients_are_neither_read_nor_changed():
    x = Array([1.0, 2.0], "x")
    y = (x * x).sum()
    x.grad = 7.0
    explain(y, x), mistakes(y)
    assert x.grad.tolist() == [7.0, 7.0]


def test_infinite_gradients_do_not_warn():
    x = Array([1e300, -1e300], "x", dtype=float)
    y = (x * x * x - x * x * x).sum()
    assert len(mistakes(y)) == 2
    assert not np.isfinite(explain(y, x).gradient).any()
