"""Graphs of Arrays: gradients and their memory, constants, steps, copies, threads."""

import copy
import itertools
import pickle
import re
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import (
    Array,
    ArrayOp,
    ConstantArray,
    Op,
    Sent,
    Step,
    concatenate,
    topological,
    total,
    walk,
    where,
)
from engine.arrays.rules import LINEAR, SCATTER
from passes import both_passes, every_dtype, same, walked
from strategies import arrays, broadcastable, dtypes, inf, nan

X = np.arange(6.0).reshape(2, 3)


# --------------------------------------------------------------------------------------- gradients


@both_passes
def test_a_second_call_adds_to_leaves(backward):
    """It overwrites the gradients of interior nodes, whatever they were."""
    x = Array([1.0, 2.0])
    square = x * x
    y = square.sum()
    square.grad, y.grad = 100.0, nan
    for times in (1.0, 2.0):
        backward(y)
        assert x.grad.tolist() == [2.0 * times, 4.0 * times]
        assert (square.grad.tolist(), y.grad) == ([1.0, 1.0], 1.0)
    x.zero_grad()
    assert x.grad.tolist() == [0.0, 0.0]


@both_passes
def test_repeated_inputs_and_shared_subgraphs(backward):
    x = node = Array([1.0, 3.0])
    for _ in range(60):
        node = node + node
    backward((node * x).sum())
    assert x.grad.tolist() == [2 * 2.0**60, 6 * 2.0**60]


@both_passes
@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_backward_starts_at_one_element_of_any_shape(backward, shape):
    x = Array(np.full(shape, 3.0))
    y = x * x
    backward(y)
    same(x.grad, np.full(shape, 6.0))
    same(y.grad, np.ones(shape))
    leaf = Array(np.full(shape, 3.0))
    backward(leaf)
    backward(leaf)
    same(leaf.grad, np.full(shape, 2.0))


@pytest.mark.parametrize("shape", [(2,), (0,), (1, 3)])
def test_backward_on_several_elements_is_refused(shape):
    x = Array(np.ones(shape), "x")
    pattern = re.escape(str(shape))
    with pytest.raises(
        ValueError, match=rf"one element, got x of shape {pattern}.*take its .sum\(\)"
    ):
        x.backward()
    with pytest.raises(ValueError, match=rf"one element, got an array of shape {pattern}"):
        (x * 2.0).backward()
    assert not x.grad.any()


@both_passes
@pytest.mark.parametrize("kind", [list, np.array, lambda i: (slice(None), np.array(i))])
def test_an_index_changed_after_the_forward_pass(backward, kind):
    """Gradients are scattered to the elements that the forward pass took."""
    x, index = Array(X), kind([0, 1])
    y = x[index].sum()
    (index[1] if isinstance(index, tuple) else index)[0] = 1
    backward(y)
    want = np.zeros((2, 3))
    want[kind([0, 1])] = 1.0
    same(x.grad, want)


PASSING = {  # rows whose contribution is the gradient itself, or a view of it
    "+": lambda x: x + ConstantArray(np.ones((2, 3))),
    "+, reversed": lambda x: 1.0 + x,
    "+ itself": lambda x: x + x,
    "-": lambda x: x - 1.0,
    "reshape": lambda x: x.reshape(6),
    "reshape to its own shape": lambda x: x.reshape(2, 3),
    "transpose": lambda x: x.T,
    "transpose in order": lambda x: x.transpose(0, 1),
    "sum": lambda x: x.sum(),
    "sum of an axis": lambda x: x.sum(axis=0),
    "sum of no axes": lambda x: x.sum(axis=()),
    "mean": lambda x: x.mean(axis=1, keepdims=True),
    "broadcast": lambda x: x.broadcast_to((4, 2, 3)),
    "broadcast to its own shape": lambda x: x.broadcast_to((2, 3)),
    "all": lambda x: x[...],
    "a part": lambda x: x[:, 1:],
    "places": lambda x: x[[1, 0]],
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "squeeze": lambda x: x.squeeze(),
    "scatter": lambda x: SCATTER(x, index=slice(0, 2), shape=(2, 3)),
    "concatenate alone": lambda x: concatenate([x]),
    "concatenate": lambda x: concatenate([x, x]),
    "astype": lambda x: x.astype(np.float64),
    "max": lambda x: x.max(axis=0),
    "linear, bias": lambda x: LINEAR(np.ones((2, 4)), np.ones((3, 4)), x),
    "linear, one sample": lambda x: LINEAR(np.ones(4), np.ones((3, 4)), x.sum(axis=0)),
    "linear, input": lambda x: LINEAR(x, np.ones((4, 3)), np.zeros(4)),
    "linear, weight": lambda x: LINEAR(np.ones((5, 3)), x, np.zeros(2)),
    "@": lambda x: x @ np.ones((3, 3)),
    "@, right": lambda x: np.ones((2, 2)) @ x,
    "@, of stacks": lambda x: np.ones((4, 5, 2)) @ x,
    "@, of a vector": lambda x: x @ np.ones(3),
    "where": lambda x: where(x > 1.0, x, 0.0),
    "users": lambda x: ArrayOp("id", lambda x: x, lambda g, out, x: g)(x),
}  # fmt: skip


@both_passes
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("name", PASSING)
def test_a_leafs_gradient_is_an_array_of_its_own(name, times, backward):
    """It is contiguous, writable and not a view: clipping it in place changes nothing else.

    Also if it arrived over several arrows, in different orders of axes.
    """
    x, twin, f = Array(X), Array(X), PASSING[name]
    parts = [f(each) for each in [x, twin, *[x] * (times - 1)]]
    weighted = [part * np.arange(1.0, part.size + 1.0).reshape(part.shape) for part in parts]
    root = total([w.sum() for w in weighted]) + (
        (x.T * np.ones((3, 2))).sum() if times > 1 else 0.0
    )
    backward(root)
    others = [node for node in topological(root) if not node.constant and node is not x]
    before = [node.grad.copy() for node in others]
    for node in others:
        assert not np.shares_memory(node.grad, x.grad), node.op
        assert not any(np.shares_memory(x.grad, each.data) for each in node.inputs)
    assert type(x.grad) is np.ndarray
    assert x.grad.flags.carray
    x.grad *= -1.0
    for node, grad in zip(others, before, strict=True):
        same(node.grad, grad)


@both_passes
def test_a_leafs_gradient_is_contiguous_if_a_factor_is_not(backward):
    """NumPy gives a product the order of axes of its factors."""
    x = Array(X)
    backward((x * np.asfortranarray(X)).sum())
    assert x.grad.flags.carray
    same(x.grad, X)


@both_passes
def test_leaves_that_receive_the_same_gradient_do_not_share_it(backward):
    """Two summands, and two inputs of a user's row that returns the same gradient for both."""
    both = ArrayOp("both", lambda x, y: x + y, *[lambda g, out, x, y: g] * 2)
    for f in (lambda x, y: x + y, both, lambda x, y: both(x, both(y, 1.0)), LINEAR_ONE):
        x, y = Array([1.0, 2.0]), Array([3.0, 4.0])
        backward((f(x, y) * np.array([5.0, 6.0])).sum())
        x.grad[:] = -1.0
        assert y.grad.tolist() == [5.0, 6.0]


LINEAR_ONE = lambda x, y: LINEAR(
    np.ones(2), np.ones((2, 2)), LINEAR(np.ones(2), np.ones((2, 2)), x) + y
)


@both_passes
@pytest.mark.parametrize("shape", [(), (1,), (2, 3)])
@every_dtype
def test_gradients_have_the_shape_and_dtype_of_the_data(shape, dtype, backward):
    """Also without axes, over one arrow and over several, and before backward."""
    x = Array(np.full(shape, 2.0, dtype))
    for f in (lambda: x * 3.0, lambda: x + x.exp(), lambda: x.sum() * x, lambda: abs(-x) ** 2):
        y = f()
        backward(y.sum())
        for node in topological(y):
            assert type(node.grad) is type(node.data) is np.ndarray
            assert node.grad.shape == node.shape
            assert node.grad.dtype == node.dtype
            assert node.constant or node.dtype == dtype


@given(data=st.data())
def test_gradients_of_broadcast_inputs_are_sums(data):
    """With integers, so that the sum is exact in either dtype: d/dx sum(C * (x + y * x))."""
    drawn, dtype = data.draw(broadcastable(3)), data.draw(dtypes)
    whole = st.integers(-4, 4).map(float)
    x, y, c = (data.draw(arrays(s, dtype, whole)) for s in drawn.input_shapes)
    nodes = [Array(x), Array(y)]
    (c * (nodes[0] + nodes[1] * nodes[0])).sum().backward()
    ones = np.ones(drawn.result_shape, dtype)
    for node, term in zip(nodes, [c * (1 + y) * ones, c * x * ones], strict=True):
        want = np.zeros(node.shape, dtype)
        for place in np.ndindex(drawn.result_shape):
            own = place[len(place) - node.ndim :]
            own = tuple(0 if n == 1 else i for i, n in zip(own, node.shape, strict=True))
            want[own] += term[place]
        shape = np.broadcast_shapes(x.shape, y.shape)
        if np.broadcast_shapes(shape, c.shape) == drawn.result_shape:
            same(node.grad, want)


# --------------------------------------------------------------------------------------- constants


def counting():
    """Return a product that counts the calls of its pullbacks, by input, and the counts."""
    calls = [0, 0]

    def pullback(i):
        def pull(g, out, x, y):
            calls[i] += 1
            return g * (y, x)[i]

        return pull

    return ArrayOp("counted", lambda x, y: x * y, pullback(0), pullback(1)), calls


@both_passes
@pytest.mark.parametrize("constant", [X, X.tolist(), ConstantArray(X), ConstantArray(X) * 2.0])
def test_no_pullback_is_computed_for_a_constant(constant, backward):
    counted, calls = counting()
    x = Array(X)
    y = counted(x, constant)
    backward((counted(constant, y) + y).sum())
    assert calls == [1, 1]
    assert not y.inputs[1].grad.any()
    assert not y.inputs[1].locals or y.inputs[1].constant
    step = next(step for step in walk(y.sum()) if step.node is y)
    assert [sent.to for sent in step.sent] == [x]


@both_passes
def test_no_local_derivative_is_computed_for_a_constant(backward):
    calls = []
    note = lambda i: lambda out, x, y: calls.append(i) or 1.0
    op = Op("noted", lambda x, y: x + y, note(0), note(1))
    x = Array(X)
    backward(op(x, X).sum())
    backward(op(1.0, x).sum())
    assert calls == [0, 1]
    y = x * X
    assert y.locals[1] is None
    same(y.locals[0], X)


@both_passes
def test_results_of_constants_are_constants(backward):
    """They end the backward pass."""
    c, x = ConstantArray(X), Array(X)
    part = ((c * 2.0).exp() @ X.T).sum(axis=0)
    assert (type(part), part.constant) == (ConstantArray, True)
    counted, calls = counting()
    y = (x.sum() * counted(part, part).sum()).sum()
    assert type(y) is Array
    backward(y)
    assert calls == [0, 0]
    assert not part.grad.any()
    assert x.grad.any()
    for root in [part.sum(), c.sum()]:
        with pytest.raises(ValueError, match="requires a gradient"):
            root.backward()


def test_a_constant_keeps_no_gradient():
    c = ConstantArray([1.0, 2.0])
    c.grad = 5.0
    assert c.grad.tolist() == [0.0, 0.0]
    c.data = [3.0, 4.0]
    assert c.data.tolist() == [3.0, 4.0]
    with pytest.raises(ValueError, match="data of shape"):
        c.data = [1.0]


def test_a_large_batch_is_not_copied():
    batch = np.ones((4, 3))
    assert ConstantArray(batch).data is batch
    assert (Array(np.ones(3)) * batch).inputs[1].data is batch


# ---------------------------------------------------------------------------------- order and steps


def test_steps():
    """One per node, from the root to the leaves; pullbacks have no local derivatives."""
    x, y = Array([3.0, 4.0], "x"), Array([2.0, 5.0], "y")
    product = x * y
    root = product.sum()
    first, second, *leaves = walk(root)
    assert (first.node, first.upstream, [s.local for s in first.sent]) == (root, 1.0, [None])
    assert [s.to for s in first.sent] == [product]
    assert isinstance(second, Step)
    assert isinstance(second.sent[0], Sent)
    assert second.upstream.tolist() == [1.0, 1.0]
    assert [s.local.tolist() for s in second.sent] == [[2.0, 5.0], [3.0, 4.0]]
    assert [s.contribution.tolist() for s in second.sent] == [[2.0, 5.0], [3.0, 4.0]]
    assert [step.node for step in leaves] == [y, x]
    assert [step.upstream.tolist() for step in leaves] == [[3.0, 4.0], [2.0, 5.0]]
    assert [step.sent for step in leaves] == [(), ()]


MAKES = [  # of two arrays of shape (3,) or (3, 3); the second is a matrix
    lambda a, m: a * m,
    lambda a, m: m @ a,
    lambda a, m: m.T.tanh(),
    lambda a, m: a.softmax() - m,
    lambda a, m: m.sum(axis=0),
    lambda a, m: m.max(axis=1) * a,
    lambda a, m: a[[2, 0, 0]],
    lambda a, m: concatenate([m, m.T])[1:4],
    lambda a, m: LINEAR(m, m, m[0]),
    lambda a, m: m.logsumexp() + a,
]


def graph(seed):
    """Return two leaves and the root of a graph over them, with rows of all kinds."""
    rng = np.random.default_rng(seed)
    x, y = Array(rng.standard_normal((3, 3)), "x"), Array(rng.standard_normal(3), "y")
    nodes = [x, y, x + y]
    for make in rng.permutation(MAKES):
        a, m = (nodes[i] for i in rng.integers(0, len(nodes), 2))
        nodes.append(make(a, m if m.ndim == 2 else m + x))
    return x, y, total([node.mean() for node in nodes])


@pytest.mark.parametrize("seed", range(20))
def test_walk_and_backward_agree_to_the_bit(seed):
    """The upstream gradient is the sum of the contributions, in that order.

    The order of nodes is that of evaluation. `backward` is a separate loop.
    """
    x, y, root = graph(seed)
    order = topological(root)
    place = {node: i for i, node in enumerate(order)}
    assert order[-1] is root
    assert len(place) == len(order)
    assert all(place[each] < place[node] for node in order for each in node.inputs)
    arrived = {root: np.float64(1.0)}
    for step, node in zip(walk(root), reversed(order), strict=True):
        assert step.node is node
        if not node.constant:
            same(np.asarray(step.upstream), np.asarray(arrived[node]))
        for to, local, contribution in step.sent:
            if local is not None:
                assert contribution.shape == to.shape
            arrived[to] = arrived[to] + contribution if to in arrived else contribution
    gradients = {node: node.grad.copy() for node in order}
    x.zero_grad()
    y.zero_grad()
    root.backward()
    for node in order:
        same(node.grad, gradients[node])


# ------------------------------------------------------------------------------------------ memory


def test_a_chain_of_a_hundred_thousand_nodes(collector_off):
    """Forward, backward and freeing it, with the default recursion limit."""
    x = node = Array(np.ones(2))
    leaf = weakref.ref(x)
    for _ in range(25_000):
        node = concatenate([1.0 - (-node)[::-1]])
    assert len(topological(node)) > 100_000
    node.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
    assert node.data.tolist() == [25_001.0, 25_001.0]
    del x, node
    assert leaf() is None


@pytest.mark.parametrize(
    "f", [Array.backward, walked, lambda root: next(walk(root)), copy.deepcopy, repr]
)
def test_a_dropped_graph_is_freed_immediately(f, collector_off):
    """It has no reference cycles: not by itself, not after a pass over it, not after an error."""

    def used():
        x = Array(np.ones((3, 3)))
        root = (concatenate([x, x.T @ x.softmax()])[[0, 1, 1]] * x.max(axis=0)).logsumexp().sum()
        f(root)
        with pytest.raises(ValueError, match="does not accept"):
            x @ np.ones(4)
        with pytest.raises(TypeError):
            x + "text"
        list(x)
        return weakref.ref(x)

    used()  # fills caches
    assert used()() is None


def test_the_data_of_a_dropped_graph_is_freed(collector_off):
    """Neither the backward pass nor gradients that are views keep its arrays alive."""
    data = np.ones((50, 50))
    x = Array(data)
    root = (x.T.reshape(-1)[10:] * 2.0).sum()
    root.backward()
    kept, own = weakref.ref(root.inputs[0].data), weakref.ref(x.data)
    assert kept() is not None
    del root
    assert kept() is None
    del x
    assert own() is None


# ------------------------------------------------------------------------------- copies and pickles

WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"pickle {p}": lambda x, p=p: pickle.loads(pickle.dumps(x, p)) for p in range(6)},
}


def described(root):
    order = topological(root)
    place = {node: i for i, node in enumerate(order)}
    return [
        (type(node), repr(node.op), node.label, str(node.dtype), node.data.tolist(), node.grad.tolist(),
         [place[each] for each in node.inputs])
        for node in order
    ]  # fmt: skip


@pytest.mark.parametrize("again", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_copies_are_equal_and_independent(again, seed):
    """Order, data, gradients, labels and settings are equal; no node and no array is shared."""
    x, y, root = graph(seed)
    root.backward()
    other = again(root)
    assert described(other) == described(root)
    assert not set(topological(other)) & set(topological(root))
    theirs = [each for node in topological(other) for each in (node.data, node.grad)]
    ours = [each for node in topological(root) for each in (node.data, node.grad)]
    assert not any(np.shares_memory(a, b) for a, b in itertools.product(theirs, ours))
    twins = {node.label: node for node in topological(other) if node.label}
    x.zero_grad()
    root.backward()
    twins["x"].zero_grad()
    other.backward()
    same(twins["x"].grad, x.grad)
    twins["y"].data[0] = 99.0
    assert y.data[0] != 99.0


@pytest.mark.parametrize("again", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("node", [Array([3.0], "x"), Array(np.float32(-0.0)), ConstantArray(X)])
def test_a_copied_leaf(again, node):
    other = again(node)
    assert (type(other), other.label, repr(other)) == (type(node), node.label, repr(node))
    same(other.data, node.data)
    assert not np.shares_memory(other.data, node.data)


def test_a_copied_deep_graph():
    node = leaf = Array([1.0], "leaf")
    for _ in range(2_000):
        node = 1.0 - node
    for again in (copy.deepcopy, WAYS["pickle 2"], WAYS["pickle 5"]):
        other = again(node)
        other.backward()
        assert [each.grad for each in topological(other) if each.label] == [1.0]
    assert leaf.grad == 0.0


# ---------------------------------------------------------------------------------------- threads


def test_threads_with_graphs_of_their_own(in_threads):
    """The same bits as without threads. Constants, which keep no gradient, may be shared."""
    batch = ConstantArray(X)

    def work(seed):
        x, y, root = graph(seed)
        shared = (x * batch[:, :1].sum()).sum() + root
        shared.backward()
        return x.grad, y.grad

    want, got = [work(seed) for seed in range(6)], {}

    def run(seed):
        for _ in range(5):
            got[seed] = work(seed)

    in_threads(run, 6)
    for seed, grads in enumerate(want):
        for result, expected in zip(got[seed], grads, strict=True):
            same(result, expected)


# --------------------------------------------------------------------------------------- IEEE 754


@every_dtype
@both_passes
def test_ieee_754_without_warnings(dtype, backward):
    """In both passes and in sums of gradients; NumPy's settings do not change."""
    settings = np.geterr()
    for f, at, out, grad in [
        (lambda x: x.exp(), 1e4, inf, inf),
        (lambda x: 1.0 / x, 0.0, inf, -inf),
        (lambda x: x.log(), -1.0, nan, -1.0),
        (lambda x: x.sqrt(), 0.0, 0.0, inf),
        (lambda x: x - x, inf, nan, 0.0),
        (lambda x: x * inf + x * -inf, 1.0, nan, nan),
        (lambda x: x * 1e38 * 1e270 + x * 1e38 * 1e270, 1.0, inf, inf),
        (lambda x: x.sigmoid(), -1e4, 0.0, 0.0),
        (lambda x: x @ x, inf, inf, inf),
        (lambda x: x.sum() * 0.0, inf, nan, 0.0),
        (lambda x: x.mean() ** 1000.0, 10.0, inf, inf),
    ]:
        x = Array(np.array([at], dtype))
        y = f(x)
        backward(y)
        assert y.dtype == x.grad.dtype == dtype
        np.testing.assert_array_equal(y.data.reshape(()), dtype(out))
        np.testing.assert_array_equal(x.grad, [grad])
    assert np.geterr() == settings
