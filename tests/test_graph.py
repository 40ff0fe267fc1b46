"""The order of a graph, both backward passes (`backward` and `walk`), and memory."""

import gc
import weakref

import pytest
from hypothesis import given

from engine import Constant, Outputs, Sent, Step, Value, dot, topological, total, walk
from engine.graph import Gradients
from strategies import any_float, programs


def walked(root):
    return list(walk(root))


both_passes = pytest.mark.parametrize("backward", [Value.backward, walked])


# ------------------------------------------------------------------------------------------ order


@given(programs(smooth=False, numbers=any_float))
def test_order(program):
    """Each node occurs once, after its inputs, from left to right; the root is last."""
    *_, root = program.on_values()
    order = topological(root)
    place = {node: i for i, node in enumerate(order)}
    assert len(place) == len(order)
    assert order[-1] is root
    assert all(place[each] < place[node] for node in order for each in node.inputs)

    read = {}

    def visit(node):
        for each in node.inputs:
            if each not in read:
                visit(each)
        read[node] = True

    visit(root)
    assert order == list(read)


def test_order_of_a_leaf_is_the_leaf():
    x = Value(3.0)
    assert topological(x) == [x]


def test_constants_are_nodes_of_the_graph():
    x = Value(3.0)
    y = x * 2
    two = y.inputs[1]
    assert topological(y) == [x, two, y]
    assert (type(two), two.data, two.op, two.inputs) == (Constant, 2.0, None, ())


# -------------------------------------------------------------------------------------- gradients


@both_passes
def test_an_input_that_occurs_twice_has_two_arrows(backward):
    x = Value(3.0)
    y = x * x
    assert y.inputs == (x, x)
    backward(y)
    assert x.grad == 6.0


@both_passes
def test_diamond(backward):
    """Both paths contribute: d/dx of (2x)(x + 3) is 4x + 6."""
    x = Value(5.0)
    left, right = 2 * x, x + 3
    backward(left * right)
    assert (x.grad, left.grad, right.grad) == (26.0, 8.0, 10.0)


@both_passes
def test_a_shared_part_is_passed_once_when_all_has_arrived(backward):
    """A ladder of n diamonds has 2**n paths, but each node is visited once."""
    x = node = Value(1.0)
    for _ in range(60):
        node = node + node
    backward(node)
    assert x.grad == 2.0**60


@both_passes
def test_a_second_call_adds_to_leaves(backward):
    """The gradient of x**3 at 3 is 27, then 54, as in PyTorch; those of interior nodes are overwritten."""
    x = Value(3.0)
    square = x * x
    y = square * x
    backward(y)
    assert (x.grad, square.grad, y.grad) == (27.0, 3.0, 1.0)
    backward(y)
    assert (x.grad, square.grad, y.grad) == (54.0, 3.0, 1.0)
    x.zero_grad()
    assert x.grad == 0.0


@both_passes
def test_what_stood_in_interior_gradients_does_not_matter(backward):
    x = Value(3.0)
    square = x * x
    y = square + 1
    square.grad, y.grad = 100.0, float("nan")
    backward(y)
    assert (x.grad, square.grad, y.grad) == (6.0, 1.0, 1.0)


@both_passes
def test_backward_on_a_leaf(backward):
    """d x / d x is 1, which a leaf accumulates."""
    x = Value(3.0)
    backward(x)
    backward(x)
    assert x.grad == 2.0


@both_passes
def test_constants_get_no_gradient(backward):
    """As inputs of one, two or many, and where all inputs are constant."""
    x = Value(3.0)
    two = (x * 2).inputs[1]
    for root in [
        x + two.exp(),
        x + two * two,
        x * two,
        dot([x, two], [two, two], two),
        two + x * two,
    ]:
        backward(root)
        assert two.grad == 0.0
    assert x.grad == 8.0


@both_passes
def test_a_constant_cannot_be_given_a_gradient(backward):
    two = Constant(2.0)
    two.grad = 5.0
    backward(two * Value(3.0))
    assert two.grad == 0.0


@both_passes
def test_backward_on_an_interior_node_of_another_graph(backward):
    """An interior node can be a root; nodes above it keep their gradients."""
    x = Value(4.0)
    y = 2 * x
    z = 3 * y
    backward(z)
    assert (x.grad, y.grad, z.grad) == (6.0, 3.0, 1.0)
    backward(y)
    assert (x.grad, y.grad, z.grad) == (8.0, 1.0, 1.0)


@both_passes
def test_two_graphs_with_a_part_in_common(backward):
    """Leaves accumulate from both roots; shared interior nodes have the gradient of the last root."""
    x = Value(4.0)
    part = x * x
    first, second = 3 * part, 5 * part
    backward(first)
    backward(second)
    assert x.grad == (3 + 5) * 8.0
    assert part.grad == 5.0


# ------------------------------------------------------------------------------------------ steps


def test_steps():
    """There is a step for each node from the root on, with its gradient and its contributions."""
    x, y = Value(3.0), Value(2.0)
    a, b = x + y, x - y
    f = a * b
    assert walked(f) == [
        Step(f, 1.0, (Sent(a, 1.0, 1.0), Sent(b, 5.0, 5.0))),
        Step(b, 5.0, (Sent(x, 1.0, 5.0), Sent(y, -1.0, -5.0))),
        Step(a, 1.0, (Sent(x, 1.0, 1.0), Sent(y, 1.0, 1.0))),
        Step(y, -4.0, ()),
        Step(x, 6.0, ()),
    ]


def test_steps_send_along_every_arrow_but_those_of_constants():
    x = Value(3.0)
    y = dot([x, 2.0], [x, x], 7.0)
    first, *rest = walked(y)
    assert first == Step(y, 1.0, (Sent(x, 3.0, 3.0), Sent(x, 3.0, 3.0), Sent(x, 2.0, 2.0)))
    assert {step.node: step.upstream for step in rest} == {
        x: 8.0, y.inputs[1]: 0.0, y.inputs[4]: 0.0
    }  # fmt: skip


@given(programs())
def test_steps_add_up(program):
    """A node's upstream gradient is the sum of the contributions to it, in that order."""
    *_, root = program.on_values()
    arrived = Gradients({root: 1.0})
    for node, upstream, sent in walk(root):
        sums = arrived.get(node, 0.0)
        several = isinstance(node, Outputs)
        assert upstream == node.grad == (tuple(g or 0.0 for g in sums) if several else sums)
        for to, local, contribution in sent:
            assert local is None or contribution == upstream * local
            arrived.add(to, contribution)
            assert not to.constant


def test_walk_does_each_step_when_it_is_asked_for():
    """Nothing runs before the first step; when a step is yielded, its contributions have arrived."""
    x = Value(3.0)
    y = x * x
    z = y + y
    steps = walk(z)
    assert (z.grad, y.grad, x.grad) == (0.0, 0.0, 0.0)
    next(steps)
    assert (z.grad, y.grad, x.grad) == (1.0, 2.0, 0.0)
    next(steps)
    assert (z.grad, y.grad, x.grad) == (1.0, 2.0, 12.0)


@both_passes
def test_an_abandoned_walk_leaves_no_trace_but_in_leaves(backward):
    """Interior gradients start at 0; a leaf keeps its gradient until `zero_grad`."""
    x, w = Value(3.0), Value(2.0)
    y = w * (w * x).tanh()
    steps = walk(y)
    next(steps)
    steps.close()
    w.zero_grad()
    backward(y)
    again = Value(3.0), Value(2.0)
    backward(again[1] * (again[1] * again[0]).tanh())
    assert (x.grad, w.grad) == (again[0].grad, again[1].grad)


# ----------------------------------------------------------------------------------------- memory


def test_a_chain_of_two_hundred_thousand_nodes(collector_off):
    """Forward, backward and freeing the graph need no higher recursion limit."""
    x, one = Value(1.0), Value(1.0)
    leaf, node = weakref.ref(x), x
    for _ in range(50_000):  # unary and binary nodes, on either side, and nodes over sequences
        node = -node
        node = one - node
        node = node - one
        node = total([node])
    node.backward()
    assert (node.data, x.grad, one.grad) == (1.0, 1.0, 0.0)
    del x, node
    assert leaf() is None


@given(program=programs(smooth=False))
def test_a_dropped_graph_is_gone_at_once(program):
    """There are no reference cycles: in the graph, after a pass over it, or after an error."""

    def used():
        x, *_ = results = program.on_values(Value)
        results[-1].backward()
        next(walk(results[-1]))
        walked(results[-1])
        with pytest.raises(TypeError):
            x + "text"
        repr(results)
        return weakref.ref(x)

    gc.disable()
    try:
        assert used()() is None
    finally:
        gc.enable()


def test_a_node_is_one_object_to_the_collector():
    """The collector's work would be the largest cost of a scalar graph (see `make bench`)."""
    x, y = Value(1.0), Value(2.0)
    for node in [x * y, x + y, x.exp(), y**x, x.maximum(y)]:
        others = [x for x in gc.get_referents(node) if gc.is_tracked(x)]
        assert gc.is_tracked(node)
        assert set(map(id, others)) <= set(map(id, (Value, node.op, x, y)))
