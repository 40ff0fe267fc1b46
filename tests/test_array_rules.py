"""Rows for whole arrays, compared with the same formulas on object arrays of Values.

NumPy's @, sums, shapes and indices on an array of Values call the operators of each Value, which
the tests of the scalar engine verify. Where a formula does not consist of those, the reference is
the scalar row of that name.
"""

import copy
import functools
import itertools
import math
import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import reference
from engine import Array, ArrayOp, Value, einsum, logsumexp, softmax, topological, total, walk
from engine.arrays.rules import (
    ARRAY_TABLE,
    CONCATENATE,
    CROSS_ENTROPY,
    LINEAR,
    one_hot,
    unbroadcast,
)
from engine.rules import ELEMENTWISE, Op
from engine.sequences.rules import CROSS_ENTROPY as SCALAR_CROSS_ENTROPY
from strategies import (
    DTYPES,
    arrays,
    axes,
    broadcastable,
    dtypes,
    examples,
    indices,
    shapes,
)


def values(x):
    """Return an object array of Values with these numbers."""
    return np.array([Value(number) for number in x.flat], object).reshape(x.shape)


def weighted(C, out):
    """Return the sum of an object array, with a weight for each element."""
    return total([Value(0.0), *[c * x for c, x in zip(C.flat, out.flat, strict=True)]])


def each_grad(nodes, twins=None):
    """Return the gradient of each node, or of its twin; 0 for a node that was not used."""
    holders = nodes.flat if twins is None else [twins.get(node, Value(0.0)) for node in nodes.flat]
    return np.array([node.grad for node in holders], np.float64).reshape(nodes.shape)


def assert_close(got, want, error):
    """Check that each element is within its error, and that inf and nan are equal."""
    got, want, error = np.float64(got), np.float64(want), np.float64(error)
    assert got.shape == want.shape
    finite = np.isfinite(want)
    np.testing.assert_array_equal(got[~finite], want[~finite])
    got, want, error = got[finite], want[finite], error[finite]
    far = ~(np.abs(got - want) <= error + 1e-300)
    assert not far.any(), f"{got[far]} for {want[far]}, off by more than {error[far]}"


# ---------------------------------------------------------- every row against its formula on Values


class Case(NamedTuple):
    """The inputs of a row, and its reference.

    inputs      a strategy for the shapes of its inputs and its settings
    judge       object arrays of Values, settings -> an object array of Values
    distinct    whether all numbers differ, because ties have slopes of their own
    """

    inputs: st.SearchStrategy[Any]
    judge: Callable[..., Any]
    distinct: bool = False


def case(name, draw, judge=None, **named):
    return Case(st.composite(draw)(), judge or ARRAY_TABLE[name].forward, **named)


def matmul_shapes(draw):
    """Draw vectors, matrices and stacks that broadcast; axes may have length 0 or 1."""
    signature = hnp.mutually_broadcastable_shapes(
        signature=np.matmul.signature, max_dims=2, min_side=0, max_side=3
    )
    return draw(signature).input_shapes, {}


def linear_shapes(draw):
    samples, k, out = draw(shapes(0, 2, 0)), draw(st.integers(0, 3)), draw(st.integers(1, 3))
    b = draw(st.sampled_from([(out,), (1,), ()]))
    return ((*samples, k), (out, k), b), {}


def reduction(min_side=1, several=True, min_dims=0):
    def draw_one(draw):
        shape = draw(shapes(min_dims, 3, min_side))
        named = {"axis": draw(axes(len(shape), several)), "keepdims": draw(st.booleans())}
        return (shape,), {name: x for name, x in named.items() if draw(st.booleans())}

    return draw_one


def along_axes(draw):
    shape = draw(shapes(0))
    return (shape,), draw(st.sampled_from([{}, {"axis": draw(axes(len(shape)))}]))


def along_axis(draw):
    shape = draw(shapes(1, 3, 0))
    return (shape,), {"axis": draw(axes(len(shape), several=False))}


EINSUMS = [
    "ij,jk->ik", "ij,jk", "i,i", "ij->", "ij->ji", "ii", "ii->i", "iij->j", "i,j->ij", "...i,ij->...j",
    "i...,i...->...", "ij,kj,k->ik", "ijk,j", "abb,bc->c", "ij, ij -> i",
]  # fmt: skip


def einsum_shapes(draw):
    """Draw a length for each letter, 1 or 2 axes for an ellipsis, and at times one of length 1."""
    subscripts = draw(st.sampled_from(EINSUMS))
    lengths = {x: draw(st.integers(1, 3)) for x in sorted(set(subscripts)) if x.isalpha()}
    hidden = draw(shapes(1, 2))

    def shape(term):
        before, dots, after = term.partition("...")
        return (*map(lengths.get, before), *hidden * bool(dots), *map(lengths.get, after))

    terms = subscripts.replace(" ", "").partition("->")[0].split(",")
    drawn = [shape(term) for term in terms]
    if len(drawn) > 1 and "bb" not in subscripts and draw(st.booleans()):
        drawn[0] = (1, *drawn[0][1:])
    return tuple(drawn), {"subscripts": subscripts}


def reshape_shapes(draw):
    shape = draw(shapes(0, 3, 0))
    parts = draw(st.permutations([*shape, 1]))
    merged = draw(st.sampled_from([tuple(parts), (math.prod(shape),)]))
    if math.prod(shape) and draw(st.booleans()):
        place = draw(st.integers(0, len(merged) - 1))
        merged = (*merged[:place], -1, *merged[place + 1 :])
    return (shape,), {"shape": merged}


def transpose_shapes(draw):
    """Draw up to three axes: with fewer, every permutation is its own inverse."""
    shape = draw(shapes(0, 2, 0) | shapes(3, 3))
    order = draw(st.permutations(range(len(shape))))
    order = [i - len(shape) * draw(st.integers(0, 1)) for i in order]
    return (shape,), {"axes": tuple(order) or None} if draw(st.integers(0, 3)) else {}


def swapaxes_shapes(draw):
    shape = draw(shapes(1, 4, 0))
    place = st.integers(-len(shape), len(shape) - 1)
    return (shape,), {"first": draw(place), "second": draw(place)}


def squeeze_shapes(draw):
    shape = draw(shapes(0, 3, 0))
    ones = [i for i, n in enumerate(shape) if n == 1]
    named = [{}, {"axis": tuple(ones)}, *[{"axis": i} for i in ones]]
    return (shape,), draw(st.sampled_from(named))


def broadcast_shapes(draw):
    drawn = draw(broadcastable(2))
    return drawn.input_shapes[:1], {"shape": drawn.result_shape}


def getitem_shapes(draw):
    shape = draw(shapes(0, 3, 0))
    return (shape,), {"index": draw(indices(shape))}


def scatter_shapes(draw):
    shape = draw(shapes(0, 3, 0))
    index = draw(indices(shape))
    return (np.zeros(shape)[index].shape,), {"index": index, "shape": shape}


def concatenate_shapes(draw):
    shape = draw(shapes(1, 3, 0))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    lengths = draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
    several = [list(shape) for _ in lengths]
    for each, length in zip(several, lengths, strict=True):
        each[axis] = length
    return tuple(map(tuple, several)), {"axis": axis}


def cross_entropy_shapes(draw):
    samples, k = draw(shapes(0, 2)), draw(st.integers(1, 4))
    labels = draw(hnp.arrays(np.intp, samples, elements=st.integers(0, k - 1)))
    return ((*samples, k),), {"Y": one_hot(labels, k)}


def soft_cross_entropy_shapes(draw):
    samples, k = draw(shapes(0, 2)), draw(st.integers(1, 4))
    return ((*samples, k),), {
        "Y": draw(hnp.arrays(float, (*samples, k), elements=st.integers(0, 3)))
    }


def by_rows(f, default=-1):
    """Apply a function of a list of Values, which returns a list or one Value, along axes."""

    def judge(x, axis=default, keepdims=False):
        every = axis is None or not x.ndim
        reduced = np.arange(x.ndim)[slice(None) if every else np.array(axis, int).ravel()]
        kept = [i for i in range(x.ndim) if i not in reduced]
        rows = x.transpose(*kept, *reduced)
        count = math.prod(x.shape[i] for i in reduced)
        results = [f(list(row)) for row in rows.reshape(-1, count)]
        if results and isinstance(results[0], list):
            flat = [each for row in results for each in row]
            return (
                np.array(flat, object).reshape(rows.shape).transpose(np.argsort([*kept, *reduced]))
            )
        out = np.array(results, object).reshape([x.shape[i] for i in kept])
        return np.expand_dims(out, tuple(reduced)) if keepdims else out

    return judge


def log_softmax_of_values(xs):
    return [-SCALAR_CROSS_ENTROPY(x, (*xs[:i], *xs[i + 1 :])) for i, x in enumerate(xs)]


def norm_of_values(xs):
    return functools.reduce(Value.hypot, xs, Value(0.0))


def cross_entropy_of_values(x, Y):
    rows, labels = x.reshape(-1, x.shape[-1]), Y.argmax(-1).flat
    losses = [
        SCALAR_CROSS_ENTROPY(row[label], (*row[:label], *row[label + 1 :]))
        for row, label in zip(rows.tolist(), labels, strict=True)
    ]
    return np.array(losses, object).reshape(x.shape[:-1])


def soft_cross_entropy_of_values(x, Y):
    rows, targets = x.reshape(-1, x.shape[-1]).tolist(), Y.reshape(-1, x.shape[-1]).tolist()
    losses = [
        sum(y * SCALAR_CROSS_ENTROPY(row[c], (*row[:c], *row[c + 1 :])) for c, y in enumerate(ys))
        for row, ys in zip(rows, targets, strict=True)
    ]
    return np.array(losses, object).reshape(x.shape[:-1])


CASES = {
    "@": case("@", matmul_shapes),
    "linear": case("linear", linear_shapes, lambda x, w, b: x @ w.T + b),
    "sum": case("sum", reduction(min_side=0)),
    "mean": case("mean", reduction()),
    "max": case("max", reduction(), distinct=True),
    "min": case("min", reduction(), distinct=True),
    "prod": case("prod", reduction(min_side=0)),
    "norm": case("norm", reduction(), by_rows(norm_of_values, None)),
    "cumsum": case("cumsum", along_axis),
    "cumprod": case("cumprod", along_axis),
    "einsum": case("einsum", einsum_shapes, lambda *xs, subscripts: np.einsum(subscripts, *xs)),
    "reshape": case("reshape", reshape_shapes),
    "transpose": case("transpose", transpose_shapes),
    "swapaxes": case("swapaxes", swapaxes_shapes),
    "squeeze": case("squeeze", squeeze_shapes),
    "broadcast_to": case("broadcast_to", broadcast_shapes),
    "getitem": case("getitem", getitem_shapes),
    "scatter": case("scatter", scatter_shapes),
    "astype": case("astype", lambda draw: ((draw(shapes()),), {"dtype": np.dtype(draw(dtypes))}),
                   lambda x, dtype: x),
    "concatenate": case("concatenate", concatenate_shapes),
    "softmax": case("softmax", along_axes, by_rows(softmax)),
    "log_softmax": case("log_softmax", along_axes, by_rows(log_softmax_of_values)),
    "logsumexp": case("logsumexp", reduction(), by_rows(logsumexp)),
    "cross_entropy": case("cross_entropy", cross_entropy_shapes, cross_entropy_of_values),
    "soft_cross_entropy": case("soft_cross_entropy", soft_cross_entropy_shapes, soft_cross_entropy_of_values),
}  # fmt: skip
SHARES = {
    "softmax", "log_softmax", "logsumexp", "norm", "cross_entropy", "soft_cross_entropy",
}  # fmt: skip


def test_every_row_has_a_case():
    """A new row requires a case in CASES: the inputs to draw, and a reference."""
    assert set(CASES) == set(ARRAY_TABLE)


def absolute(root):
    """Return the twins of nodes in a graph of absolute values, where no terms cancel."""
    twins = {}
    for node in topological(root):
        assert node.op is None or node.op.name in {"+", "*", "/", "total"}
        args = [twins[each] for each in node.inputs]
        twins[node] = node.op(*node.op.unflatten(args)) if node.op else Value(abs(node.data))
    return twins


@pytest.mark.parametrize("name", ARRAY_TABLE)
@examples(25)
@given(data=st.data())
def test_a_row_agrees_with_its_formula_on_values(name, data):
    """For all its shapes and settings, in either dtype; plain arrays are constants."""
    case, dtype = CASES[name], data.draw(dtypes, label="dtype")
    in_shapes, named = data.draw(case.inputs, label="shapes and settings")
    xs = [data.draw(arrays(s, dtype, unique=case.distinct), label="x") for s in in_shapes]
    plain = data.draw(st.lists(st.booleans(), min_size=len(xs), max_size=len(xs)), label="plain")
    plain[data.draw(st.integers(0, len(xs) - 1))] = False
    nodes = [x if is_plain else Array(x) for x, is_plain in zip(xs, plain, strict=True)]
    out = ARRAY_TABLE[name](*nodes, **named)
    C = data.draw(arrays(out.shape, out.dtype), label="C")
    assert_values_agree(name, nodes, named, out, C)


MATRICES = [
    [(3,), (3,)], [(3,), (3, 2)], [(2, 3), (3,)], [(2, 3), (3, 4)], [(4, 2, 3), (3,)],
    [(3,), (4, 3, 2)], [(4, 2, 3), (3, 5)], [(2, 3), (4, 3, 5)], [(4, 1, 2, 3), (5, 3, 2)],
    [(1, 2, 3), (4, 3, 2)], [(4, 2, 3), (1, 3, 2)], [(2, 1), (1, 3)], [(2, 0), (0, 3)],
]  # fmt: skip


@pytest.mark.parametrize("in_shapes", MATRICES)
def test_matrix_products_of_every_kind(in_shapes):
    """Stacks that broadcast and have no axis of length 1 are rarely drawn."""
    rng = np.random.default_rng(0)
    nodes = [Array(rng.standard_normal(shape)) for shape in in_shapes]
    out = nodes[0] @ nodes[1]
    assert_values_agree("@", nodes, {}, out, rng.standard_normal(out.shape))


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_axes_in_every_order(order):
    rng = np.random.default_rng(0)
    x = Array(rng.standard_normal((2, 3, 4)))
    out = x.transpose(*order)
    assert_values_agree("transpose", [x], {"axes": order}, out, rng.standard_normal(out.shape))


def assert_values_agree(name, nodes, named, out, C):
    """Compare sum(C * row(x, ...)) and its gradients with those of the graph of Values.

    In any order of its n roundings, a sum of products is off by at most n * eps times the sum of
    the absolute products, which the graph of absolute values yields; so is each gradient. A node
    rounds once forward, and twice per arrow backward. Both sides round: 2 n. Shares of softmax are
    at most 1, so each rounding costs at most eps times the weight in C. There are ten times as many
    roundings as nodes: a node makes up to 4, and exp(x - largest) multiplies that of the difference
    by up to 6.
    """
    root = (out * C).sum()
    root.backward()
    judges = [values(x.data if isinstance(x, Array) else x) for x in nodes]
    judged = np.asarray(CASES[name].judge(*judges, **named), object)
    assert out.shape == judged.shape
    want = weighted(C, judged)
    want.backward()
    roundings = sum(1 + 2 * len(node.inputs) for node in topological(want))
    if name in SHARES:
        most = np.abs(C).sum()
        size, sizes = most * 6, [np.full(x.shape, 2 * most) for x in judges]
        roundings *= 10
    else:
        twins = absolute(want)
        twins[want].backward()
        size = twins[want].data
        sizes = [each_grad(x, twins) for x in judges]

    (dtype,) = {x.dtype for x in nodes}
    coarser = max(np.finfo(dtype).eps, np.finfo(out.dtype).eps) / 2
    assert_close(root.data, want.data, 2 * roundings * coarser * size)
    assert out.dtype == named.get("dtype", dtype) == root.dtype == out.grad.dtype
    for x, judge, size in zip(nodes, judges, sizes, strict=True):
        if isinstance(x, Array):
            assert x.grad.dtype == dtype
            assert_close(x.grad, each_grad(judge), 2 * roundings * coarser * size)
    assert [x for x in out.inputs if not x.constant] == [x for x in nodes if isinstance(x, Array)]


# --------------------------------------------------------------------------- scalar rows, broadcast


CANCELLING = {  # the size of the terms of a slope, if not in reference.ROWS
    "cosine_slope": lambda x, y: mpmath.hypot(x, y) ** -2,
    "cosine_cross_slope": lambda x, y: mpmath.hypot(x, y) ** -2,
}
GAUSSIAN = {"erf", "erfc", "normal_cdf", "gelu", "gaussian", "normal_pdf"}


@pytest.mark.parametrize("name", ELEMENTWISE)
@examples(20)  # of up to 27 numbers each
@given(data=st.data())
def test_a_scalar_row_on_arrays_is_the_row_on_each_element(name, data):
    """The gradient of an element that is broadcast is the sum over its uses.

    Each use is off by the row's bound in `reference.ROWS`, and by up to 4 units for each of up to
    four functions that NumPy computes differently from Python. In float32 the exponents of
    Gaussians, up to 9 here, are rounded too. The m uses are summed with m roundings.
    """
    op, row, dtype = ELEMENTWISE[name], reference.ROWS[name], data.draw(dtypes, label="dtype")
    drawn = data.draw(broadcastable(op.arity), label="shapes")
    numbers = [data.draw(arrays(s, dtype), label="x") for s in drawn.input_shapes]
    C = data.draw(arrays(drawn.result_shape, dtype), label="C")
    xs = [Array(x) for x in numbers]
    out = op(*xs)
    (out * C).sum().backward()

    judges = [values(x) for x in numbers]
    cells = [*zip(*[np.broadcast_to(x, drawn.result_shape).flat for x in judges], strict=True)]
    judged = [op(*cell) for cell in cells]
    root = weighted(C, np.array(judged, object))
    sizes = {v: 0.0 for x in judges for v in x.flat}
    for step in walk(root):
        for sent in step.sent:
            if sent.to in sizes:
                sizes[sent.to] += abs(sent.contribution)
    if terms := CANCELLING.get(name, row.terms):
        for c, cell in zip(C.flat, cells, strict=True):
            place = [v.data for v in cell]
            if any(place):  # and no pole at the origin
                for v in cell:
                    sizes[v] += abs(c) * float(terms(*place))

    assert out.dtype == dtype
    assert out.shape == drawn.result_shape
    eps = np.finfo(dtype).eps
    off = [
        bound + 16 + (9 if name in GAUSSIAN and dtype is np.float32 else 0) for bound in row.ulps
    ]
    want = np.array([v.data for v in judged]).reshape(out.shape)
    assert_close(out.data, want, off[0] * eps * np.abs(want))
    for i, (x, judge) in enumerate(zip(xs, judges, strict=True)):
        assert x.grad.dtype == dtype
        size = np.array([sizes[v] for v in judge.flat]).reshape(judge.shape)
        assert_close(x.grad, each_grad(judge), (off[i + 1] + 2 + C.size) * eps * size)


# ------------------------------------------------------------------------------- unbroadcast


@given(data=st.data())
def test_unbroadcast_is_the_transpose_of_broadcasting(data):
    """<g, broadcast(x)> = <unbroadcast(g), x> for all g and x, exactly for integers."""
    drawn = data.draw(broadcastable(2), label="shapes")
    (shape, _), result = drawn.input_shapes, drawn.result_shape
    whole = st.integers(-9, 9).map(float)
    g, x = data.draw(arrays(result, numbers=whole)), data.draw(arrays(shape, numbers=whole))
    got = unbroadcast(g, shape)
    assert got.shape == shape
    assert (g * np.broadcast_to(x, result)).sum() == (got * x).sum()


@pytest.mark.parametrize(
    ("given_shape", "shape"),
    [((3, 2), (2, 3)), ((), (3,)), ((3,), (1, 3)), ((2, 3), (2,)), ((6,), (2, 3))],
)
def test_a_pullback_of_another_shape_is_refused(given_shape, shape):
    """As when a transpose is missing; a silent reshape would give a wrong gradient."""
    with pytest.raises(ValueError, match="pullback") as caught:
        unbroadcast(np.ones(given_shape), shape)
    assert (
        str(caught.value)
        == f"expected a gradient of shape {shape} from a pullback, got shape {given_shape}"
    )


# ---------------------------------------------------------------------------- rows with settings

INDEX = (slice(None, None, -1), np.array([0, 2, 0]), None)
NODES = {
    "sum": lambda x: x.sum(axis=(0, 1), keepdims=True),
    "getitem": lambda x: x[INDEX],
    "reshape": lambda x: x.reshape(3, -1),
    "astype": lambda x: x.astype(np.float32),
    "transpose": lambda x: x.transpose(1, 0),
    "@": lambda x: x @ x.T,
    "prod": lambda x: x.prod(axis=1),
    "einsum": lambda x: einsum("ij,kj->ik", x, x),
    "concatenate": lambda x: CONCATENATE(x, x, axis=-1),
    "cross_entropy": lambda x: CROSS_ENTROPY(x, Y=one_hot(np.array([0, 2]), 3)),
}
with_settings = pytest.mark.parametrize("name", NODES)
X = np.arange(6.0).reshape(2, 3)


@with_settings
@pytest.mark.parametrize(
    "again",
    [
        copy.copy,
        copy.deepcopy,
        *[lambda x, p=p: pickle.loads(pickle.dumps(x, p)) for p in range(6)],
    ],
)
def test_rows_with_settings_are_copied_and_pickled(name, again):
    """The copy has the same settings and the same gradients."""
    x = Array(X)
    y = NODES[name](x)
    z = again(y)
    assert repr(z.op) == repr(y.op)
    assert z.op.row is y.op.row is ARRAY_TABLE[name]
    leaf = topological(z)[0]
    assert leaf is not x
    (z * z).sum().backward()
    assert not x.grad.any()
    (y * y).sum().backward()
    np.testing.assert_array_equal(z.data, y.data, strict=True)
    np.testing.assert_array_equal(leaf.grad, x.grad, strict=True)


@with_settings
def test_a_row_is_applied_again_with_its_settings(name):
    """Readers of graphs call `node.op(*node.inputs)`; settings can be overridden."""
    y = NODES[name](Array(X))
    again = y.op(*y.inputs)
    np.testing.assert_array_equal(again.data, y.data, strict=True)
    assert repr(again.op) == repr(y.op)
    rows = Array(X).sum(axis=0).op(Array(X), axis=1)
    assert (rows.data.tolist(), rows.op.settings["axis"]) == ([3.0, 12.0], 1)


def test_repr_of_rows_with_settings():
    """Arrays among the settings are represented by their shapes."""
    x = Array(X)
    assert repr(ARRAY_TABLE["sum"]) == "Op('sum')"
    assert repr(x.sum(axis=1).op) == "Op('sum', axis=1, keepdims=False)"
    assert repr(x.reshape(3, 2).op) == "Op('reshape', shape=(3, 2))"
    assert repr(x[0, 1:].op) == "Op('getitem', index=(0, slice(1, None, None)))"
    assert repr(x[np.array([[0, 1]])].op) == "Op('getitem', index=<(1, 2)>)"
    assert repr((x @ x.T).op) == "Op('@')"


# -------------------------------------------------------------------------------------- users' rows

SCALED = ArrayOp(
    "scaled sum",
    lambda x, y, factor=1.0: factor * (x.sum(axis=0) + y),
    lambda g, out, x, y, factor=1.0: factor * np.broadcast_to(g, x.shape),
    lambda g, out, x, y, factor=1.0: factor * g,
)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_users_row(dtype):
    """Called on Arrays and numbers, with settings by name; broadcasting is undone for it."""
    x, y = Array(X.astype(dtype)), Array(dtype(2.0))
    out = SCALED(x, y, factor=3.0)
    (out * np.array([1.0, 10.0, 100.0])).sum().backward()
    assert out.data.tolist() == [15.0, 21.0, 27.0]
    assert (x.grad.tolist(), y.grad) == ([[3.0, 30.0, 300.0]] * 2, 333.0)
    assert {each.dtype for each in (out, out.grad, x.grad, y.grad)} == {np.dtype(dtype)}
    assert repr(out.op) == "Op('scaled sum', factor=3.0)"
    assert SCALED(X, y).inputs[0].constant
    with pytest.raises(TypeError, match="scaled sum expects an Array among its inputs"):
        SCALED(X, 2.0)


def test_a_users_row_is_pickled_when_it_is_in_the_table(monkeypatch):
    node = SCALED(Array(X), 2.0, factor=3.0)
    remedy = (
        r"'scaled sum' is not in engine.arrays.rules.ARRAY_TABLE.*ARRAY_TABLE\['scaled sum'\] ="
    )
    with pytest.raises(TypeError, match=remedy):
        pickle.dumps(node)
    monkeypatch.setitem(ARRAY_TABLE, "scaled sum", SCALED)
    saved = pickle.dumps(node)
    assert pickle.loads(saved).op.settings == {"factor": 3.0}
    monkeypatch.delitem(ARRAY_TABLE, "scaled sum")
    with pytest.raises(ValueError, match="no operation 'scaled sum'"):
        pickle.loads(saved)


def test_a_users_row_over_any_number_of_inputs():
    """Its only pullback receives the index of the input."""
    product = ArrayOp(
        "product",
        lambda *xs: math.prod(xs),
        lambda i, g, out, *xs: g * math.prod(xs[:i] + xs[i + 1 :]),
        many=True,
    )
    xs = [Array([2.0, 3.0]), Array(5.0), Array([7.0])]
    product(*xs).sum().backward()
    assert [x.grad.tolist() for x in xs] == [[35.0, 35.0], 35.0, [25.0]]


def test_a_users_pullback_of_the_wrong_shape_is_refused():
    turned = ArrayOp("turned", lambda x: x.T, lambda g, out, x: g)
    with pytest.raises(
        ValueError, match=r"gradient of shape \(2, 3\) from a pullback, got shape \(3, 2\)"
    ):
        turned(Array(X)).sum().backward()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_users_scalar_row_returns_the_dtype_of_the_graph(dtype):
    """It may compute bools, integers or NumPy's float64."""
    step = Op("step", lambda x: x > 0, lambda out, x: 0)
    root2 = Op("root2", lambda x: np.sqrt(2) * x, lambda out, x: np.sqrt(2))
    for op, slope in [(step, 0.0), (root2, math.sqrt(2))]:
        x = Array(np.array([-1.0, 2.0], dtype))
        y = op(x)
        y.sum().backward()
        assert (y.dtype, x.grad.dtype) == (dtype, dtype)
        assert x.grad.tolist() == [dtype(slope)] * 2


def test_layers_without_samples_and_without_inputs():
    for m, k, n in [(0, 3, 2), (3, 0, 2), (3, 2, 0), (0, 0, 0)]:
        x, w, b = Array(np.ones((m, k))), Array(np.ones((n, k))), Array(np.ones(n))
        LINEAR(x, w, b).sum().backward()
        assert (x.grad.tolist(), b.grad.tolist()) == ([[float(n)] * k] * m, [float(m)] * n)
        assert w.grad.tolist() == [[float(m)] * k] * n


def test_a_row_called_directly_uses_its_defaults():
    """Including keyword-only ones."""
    assert CONCATENATE(Array([1.0]), Array([2.0])).data.tolist() == [1.0, 2.0]


def test_a_users_row_may_be_a_ufunc():
    x = Array([0.0, 1.0])
    Op("sine", np.sin, lambda out, x: np.cos(x))(x).sum().backward()
    assert x.grad.tolist() == np.cos([0.0, 1.0]).tolist()
