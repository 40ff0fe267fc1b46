"""Wrong backward passes: their gradients, and the first wrong node."""

import pytest
from hypothesis import given

from engine import Array, Value, mistakes, topological
from strategies import programs


def test_a_chain_has_right_gradients_in_every_pass():
    x = Value(0.5, "x")
    for mistake in mistakes((x * 2.0).tanh().exp()):
        assert mistake.first is None
        assert mistake.wrong == []
        assert str(mistake) == f"{mistake.name}: no wrong gradient in this graph"


def test_a_value_used_twice_requires_a_sum():
    """micrograd's first bug: a + a has slope 2, not 1."""
    a = Value(3.0, "a")
    order, assigned = mistakes(a + a)
    assert order.first is None
    assert assigned.first is a
    assert (assigned.gradients[a], assigned.right[a]) == (1.0, 2.0)
    assert str(assigned) == (
        "= in place of +=: first Value(3.0, 'a') ends with 1 instead of 2; at the end 1 of 2 "
        "gradients is wrong. A node that is used twice receives two contributions; its gradient is "
        "their sum."
    )


def test_a_value_at_two_depths_requires_the_order():
    """It is reached by its short path, and propagates before the long path's gradient arrives."""
    a = Value(2.0, "a")
    b = a * 3.0
    b.label = "b"
    root = b + (b.exp() * 1e-2).log()
    order, assigned = mistakes(root)
    assert order.right[a] == pytest.approx(6.0)
    assert order.first is b
    assert (order.gradients[b], order.right[b]) == (1.0, pytest.approx(2.0))
    assert str(order).startswith(
        "no topological order: first Value(6.0, 'b') propagates 1 instead of 2; at the end 1 of"
    )
    assert order.wrong == [a, b]
    assert order.wrong_at_end == [a]  # the rest of b's gradient arrives late
    assert order.final[b] == order.right[b]
    assert order.gradients[a] == 3.0
    assert assigned.first is b


@given(program=programs(longest=20))
def test_right_gradients_agree_with_backward(program):
    root = Value.lift(program.on_values()[-1])
    if root.constant:
        return
    passes = mistakes(root)
    root.backward()
    for mistake in passes:
        for node in topological(root):
            if not node.constant and isinstance(node, Value):
                assert mistake.right[node] == pytest.approx(node.grad, rel=1e-12, nan_ok=True)
        assert (mistake.first is None) == (mistake.wrong == [])


def test_gradients_are_neither_read_nor_changed():
    x = Value(3.0, "x")
    y = x * x
    x.grad, y.grad = 7.0, 8.0
    mistakes(y)
    assert (x.grad, y.grad) == (7.0, 8.0)


def test_several_elements_are_refused():
    with pytest.raises(ValueError, match=r"mistakes expects one element, got .* shape \(2,\)"):
        mistakes(Array([1.0, 2.0]))
