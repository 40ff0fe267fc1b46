"""Functions and methods of Arrays, compared with NumPy's: values, derivatives, and errors."""

import functools
import math

import numpy as np
import pytest

import engine
from engine import Array, Value, grad, hvp, jvp, logaddexp, norm, take, topological, where, xlogy
from strategies import DTYPES

MATRICES = [(3, 4), (1, 3), (3, 1), (3, 3), (0, 2), (2, 0)]
ANY = [(), (3,), (0,), *MATRICES, (2, 3, 2)]
AXES = [None, 0, -1]


def method(name, *args, **settings):
    """The same method of an Array and of an ndarray."""
    f = lambda x: getattr(x, name)(*args, **settings)
    return f, f


def function(name, *args, **settings):
    """The same function of `engine` and of NumPy, or of `np.linalg`."""
    theirs = getattr(np, name, None) or getattr(np.linalg, name)
    return (
        lambda x: getattr(engine, name)(x, *args, **settings),
        lambda x: theirs(x, *args, **settings),
    )


SQUARE, STACK, VECTOR = (3, 3), (2, 3, 2), (3,)
COMPOSITIONS = {  # NumPy's functions without a row, and the shapes of x
    "np.rad2deg(x)": ANY, "np.degrees(x)": ANY, "np.deg2rad(x)": ANY, "np.radians(x)": ANY,
    "np.reciprocal(x)": ANY, "np.logaddexp2(x, -x)": ANY, "np.fmax(x, -x)": ANY, "np.fmin(x, 0.5)": ANY,
    "np.sinc(x)": ANY, "np.nan_to_num(x)": ANY,
    "np.real(x) + np.real_if_close(x) * np.conj(x)": ANY, "x * np.imag(x) + np.angle(x)": ANY,
    "np.partition(x, 1)": [(3, 4), (3,)], "np.partition(x, (0, 2), axis=0)": [(3, 4)],
    "np.select([x > 0.5, x > -0.5], [x, x * x], 0.25)": ANY, "np.select([x > 0.5, x > -0.5], [x * x, x])": ANY,
    "np.linspace(x, 1.0, 5)": ANY, "np.linspace(x, x * x, 3, axis=-1)": ANY, "np.linspace(0.0, x, 4, endpoint=False)": ANY,
    "np.trunc(3.0 * x)": ANY, "np.fix(-3.0 * x) * x": ANY, "np.copy(x)": ANY, "divmod(x, 0.7)[0] * x": ANY, "divmod(0.7, x * x + 1.0)[1]": ANY,
    "np.divmod(x, 0.7)[1]": ANY, "np.round(x, 1) * x": ANY, "x.round(-1) + x": ANY, "x.round(decimals=2) * x": ANY, "np.around(10.0 * x, -1) * x": ANY,
    "np.median(x)": [*MATRICES[:4], VECTOR, ()], "np.median(x, axis=0)": [*MATRICES[:4], STACK, (2, 0)], "np.median(x, (0, -1), keepdims=True)": [(3, 4), STACK],
    "np.average(x)": [s for s in ANY if 0 not in s], "np.average(x, axis=-1, keepdims=True)": [(3, 4), STACK], "np.average(x, 1, [1.0, 2.0, -0.5])": [SQUARE, STACK],
    "np.average(x, axis=0, weights=x * x + 1.0)": [(3, 4), STACK], "np.average([1.0, 2.0, 4.0], weights=x * x)": [VECTOR],
    "np.average(x, 0, [1.0, 2.0], returned=True)[1] * x": [STACK], "np.average(x, (0, 2), x * x)": [STACK],
    "np.linspace(x, 2.0, 0)": ANY, "np.linspace(x, 2.0, 1)": ANY,
    "np.diff(x)": [(3, 4), STACK, VECTOR, (0, 2)], "np.diff(x, 2, axis=0)": [(3, 4), STACK, (1, 3)], "np.diff(x, n=0)": [VECTOR],
    "np.gradient(x)": [VECTOR], "np.gradient(x, 0.5, axis=-1)": [(3, 4), STACK], "np.gradient(x, axis=(1,))": [(3, 4)],
    "np.gradient(x)[1]": [(3, 4)], "np.gradient(x, 0.5, 2.0)[0]": [(3, 4)], "np.gradient(x, axis=(0, -1))[1]": [STACK],
    "np.tensordot(x, x)": [(3, 4), SQUARE], "np.tensordot(x, [1.0, -2.0, 3.0], (0, 0))": [SQUARE, VECTOR],
    "np.tensordot(x, x, 0)": [(3, 4), ()], "np.tensordot(x, x, ([0, 1], [-2, -1]))": [SQUARE],
    "np.tensordot(np.ones((2, 3)), x, axes=[[1], [0]])": [(3, 4), VECTOR, (3, 0)],
    "np.inner(x, x)": ANY, "np.inner(2.0, x)": ANY, "np.inner(np.ones((2, 3)), x)": [VECTOR, SQUARE],
    "np.kron(x, x)": ANY, "np.kron(np.ones((2, 1)), x)": ANY, "np.kron(x, [1.0, 2.0])": ANY,
    "np.cross(x, x[::-1])": [SQUARE], "np.cross([1.0, 2.0, 3.0], x)": [VECTOR, SQUARE], "np.cross(x, x * x, axis=0)": [(3, 4)],
    "np.cross(x, x * x, axisa=0, axisb=1, axisc=0)": [SQUARE],
    "np.flipud(x)": [(3, 4), VECTOR], "np.fliplr(x)": MATRICES, "np.rot90(x)": MATRICES, "np.rot90(x, -1, (0, 2))": [STACK],
    "np.moveaxis(x, 0, -1)": [STACK, (3, 4)], "np.moveaxis(x, [0, 1], [1, 2])": [STACK], "np.rollaxis(x, 2)": [STACK],
    "np.atleast_1d(x)": ANY, "np.atleast_2d(x)": ANY, "np.atleast_3d(x)": ANY, "np.atleast_1d(x, 2.0)[1] * x": ANY,
    "np.vsplit(x, 2)[1]": [(2, 3), STACK], "np.hsplit(x, [1])[1]": [(3, 4), VECTOR], "np.dsplit(x, 2)[0]": [STACK],
    "np.array_split(x, 2)[1]": [(3, 4), VECTOR, (0, 2)], "np.array_split(x, 3, axis=-1)[0]": [(3, 4), (2, 0)],
    "np.vstack([x, x * x])": ANY, "np.hstack((x, x * x))": ANY, "np.dstack([x, x])": ANY, "np.column_stack([x, x])": MATRICES,
    "np.vstack(x)": MATRICES[:4], "np.vstack(tup=[x, [[1.0, 2.0, 3.0, 4.0]]])": [(3, 4)],
    "np.block([[x, x], [x * x, x]])": MATRICES, "np.matrix_transpose(x)": MATRICES, "np.delete(x, [0, 2], axis=0)": [(3, 4), VECTOR], "np.resize(x, (2, 5))": ANY[:2],
    "np.full_like(x, x.sum())": ANY, "np.full_like(x, x[0], shape=(2, 3))": [VECTOR],
    "np.bincount([2, 0, 2], x)": [VECTOR], "np.bincount(np.array([2, 0, 2]), weights=x, minlength=5)": [VECTOR],
    "x * np.histogram(x, [-1.0, 0.0, 1.0, 2.0])[0]": [VECTOR],
    "np.percentile(x, 30)": [*MATRICES[:4], VECTOR, ()], "np.percentile(x, [0, 25.0, 100], axis=-1)": [(3, 4), STACK, VECTOR],
    "np.quantile(x, 0.7, axis=0, keepdims=True)": [(3, 4), STACK], "np.quantile(x, [[0.1, 0.9]], (0, -1), keepdims=True)": [(3, 4), STACK],
    "np.trapezoid(x)": [(3, 4), STACK, VECTOR], "np.trapezoid(x, dx=0.5, axis=0)": [(3, 4), STACK], "np.trapezoid(x, [0.0, 1.0, 1.5])": [VECTOR, SQUARE],
    "np.trapezoid([1.0, 2.0, 4.0], x)": [VECTOR, SQUARE], "np.trapezoid(x * x, x, axis=0)": [SQUARE, VECTOR],
    "np.vecdot(x, x * x)": [(3, 4), STACK, VECTOR], "np.linalg.vecdot(x, x * x, axis=0)": [(3, 4), STACK], "np.vecdot([1.0, 2.0, 3.0], x)": [VECTOR, SQUARE],
    "np.linalg.outer(x, x)": [VECTOR], "np.linalg.tensordot(x, x)": [SQUARE], "np.linalg.matmul(x, x)": [SQUARE], "np.linalg.matrix_transpose(x)": MATRICES,
    "np.linalg.cross(x, x * x)": [SQUARE, VECTOR],
    "np.unique(x)": ANY, "np.unique(np.round(x)) * 2.0": ANY, "np.unique(x, return_counts=True, return_index=True)[0]": ANY,
    "np.insert(x, 1, 5.0)": [(3, 4), VECTOR], "np.insert(x, [0, 2], x[:1], axis=0)": [(3, 4), SQUARE], "np.insert([1.0, 2.0], 1, x)": [VECTOR],
    "np.meshgrid(x, x * x)[0]": [VECTOR], "np.meshgrid(x, [1.0, 2.0], indexing='ij', sparse=True)[0]": [VECTOR],
    "np.broadcast_arrays(x, np.ones((2, 3, 1)))[0]": [VECTOR, (3, 4)], "np.compress([True, False, True], x, axis=0)": [(3, 4), VECTOR],
    "np.extract([True, False, True], x)": [VECTOR], "np.take_along_axis(x, np.argsort(x, axis=-1), -1)": [(3, 4), VECTOR],
    "np.add.reduce(x)": MATRICES, "np.add.reduce(x, axis=None, keepdims=True)": ANY, "np.multiply.reduce(x, axis=(0, 1))": MATRICES,
    "np.maximum.reduce(x, 1)": [(3, 4), STACK], "np.minimum.reduce(x)": [(3, 4), STACK], "np.logaddexp.reduce(x)": [(3, 4), STACK],
    "np.add.accumulate(x)": MATRICES, "np.multiply.accumulate(x, axis=1)": MATRICES, "np.multiply.outer(x, x)": ANY,
    "np.subtract.outer([1.0, 2.0], x)": ANY,
    "np.append(x, 4.0)": ANY, "np.append(x, x * x, axis=0)": [(3, 4), VECTOR], "np.append([1.0, 2.0], x)": ANY,
    "np.append(arr=x, values=[1.0])": [VECTOR],
}  # fmt: skip

# By a name: ours, NumPy's, the shapes of x.
CASES = {
    **{call: (*[eval(f"lambda x: {call}", {"np": np})] * 2, shapes) for call, shapes in COMPOSITIONS.items()},
    **{f"{name} {axis} {keep}": (*method(name, axis=axis, keepdims=keep), [s for s in ANY if s])
       for name in ("prod", "var", "std") for axis in (None, 0, -1) for keep in (False, True)},
    "var of several axes": (*method("var", axis=(0, -1), ddof=1), MATRICES),
    "std ddof": (*method("std", ddof=1), [(3, 4)]),
    "prod of one": (*method("prod"), [()]),
    **{f"{name} {axis}": (*method(name, axis), [s for s in ANY if s] if axis is not None else ANY)
       for name in ("cumsum", "cumprod", "argmax", "argmin") for axis in AXES if name[0] == "c"},
    **{f"{name} {axis} {keep}": (*method(name, axis=axis, keepdims=keep), [(3, 4), (2, 3, 2), (3,)])
       for name in ("argmax", "argmin") for axis in AXES for keep in (False, True)},
    "argmin of one": (*method("argmin"), [()]),
    "flatten": (*method("flatten"), ANY),
    "ravel": (*method("ravel"), ANY),
    "dot matrix": (*method("dot", np.arange(12.0).reshape(4, 3)), [(3, 4), (2, 3, 4), (4,)]),
    "dot stack": (*method("dot", np.arange(24.0).reshape(2, 4, 3)), [(3, 4), (2, 3, 4), (4,), (0, 4)]),
    "engine.dot": (lambda x: engine.dot(np.ones((2, 3)), x), lambda x: np.dot(np.ones((2, 3)), x), [(3, 4), (3,), (2, 3, 4)]),
    "dot number": (*method("dot", np.array(2.0)), ANY),
    **{f"take {i} {axis}": (*method("take", i, axis=axis), [(3, 4), (3, 3), (2, 2, 2)])
       for i in (1, -2, [1, 0, 1], [[0, 1], [-1, 0]], []) for axis in AXES},
    "repeat": (*method("repeat", 2), ANY),
    "repeat each": (*method("repeat", [2, 0, 1], axis=0), [(3, 4), (3,)]),
    **{f"sort {axis}": (Array.sort if axis == -1 else functools.partial(Array.sort, axis=axis), functools.partial(np.sort, axis=axis), [s for s in ANY if s])
       for axis in AXES},
    "diagonal": (*method("diagonal", 1), MATRICES),
    "diagonal of a stack": (*method("diagonal", 0, 1, -1), [(2, 3, 2), (2, 0, 3)]),
    **{f"trace {k}": (*method("trace", k), [*MATRICES, (2, 3, 2)]) for k in (0, 1, -2)},
    **{name: (*method("__getattribute__", name), ANY) for name in ("T",)},
    **{f"{name} {k}": (*function(name, k), [*MATRICES, *([(2, 3, 2), (3,)] if name != "diag" else [(3,), (0,)])])
       for name in ("diag", "tril", "triu") for k in (0, 1, -2)},
    **{f"flip {axis}": (*function("flip", axis), [(3, 4), (2, 3, 2), (0, 2)]) for axis in (*AXES, (0, -1))},
    **{f"roll {shift} {axis}": (*function("roll", shift, axis), [(3, 4), (2, 3, 2), (0, 2)])
       for shift, axis in [(1, None), (-4, 0), ((1, 2), (0, 1)), (2, (0, -1))]},
    **{f"tile {reps}": (*function("tile", reps), ANY) for reps in (2, (2, 1, 3), (), 0)},
    **{f"expand_dims {axis}": (*function("expand_dims", axis), ANY) for axis in (0, -1, (0, -1))},
    **{f"pad {width}": (*function("pad", width), MATRICES) for width in (1, (0, 2), ((1, 2), (0, 1)))},
    "pad with numbers": (*function("pad", ((1, 2), (0, 1)), constant_values=((1.0, 2.0), (3.0, 4.0))), MATRICES),
    **{f"pad {mode}": (*function("pad", ((1, 2), (0, 3)), mode=mode), [(3, 4), (1, 3)])
       for mode in ("edge", "reflect", "symmetric", "wrap")},
    "outer": (*function("outer", np.array([1.0, -2.0])), ANY),
    **{f"norm {ord} {axis}": (*function("norm", ord, axis), [(3, 4), (2, 3, 2)]) for ord, axis in
       [(None, None), (None, 0), (None, (0, -1)), (1, -1), (2, 0), (math.inf, -1), ("fro", (0, -1))]},
    **{f"norm {ord} of vectors": (*function("norm", ord, -1), [(3, 4), (2, 3, 2)]) for ord in (3, 1.5, 0.5, -np.inf)},
    **{f"norm {ord} of matrices": (*function("norm", ord, axis, keep), [(2, 3, 2)]) for ord, axis, keep in
       [(1, (0, 1), False), (np.inf, (-1, 0), False), (-1, (1, 2), True), (-np.inf, (2, 0), False)]},
    "norm 3 keepdims": (*function("norm", 3, axis=0, keepdims=True), [(3,), (3, 4)]),
    "norm keepdims": (*function("norm", axis=0, keepdims=True), [(3,), (3, 4), (2, 0)]),
    **{f"split {parts} {axis}": (lambda x, parts=parts, axis=axis: engine.concatenate(engine.split(x, parts, axis)[::-1], axis),
       lambda x, parts=parts, axis=axis: np.concatenate(np.split(x, parts, axis)[::-1], axis), [(4, 2), (2, 3, 4), (4, 0)][: 3 - axis % 2 * 2])
       for parts, axis in [(2, 0), ([1], 0), ([3, 1], 0), ([1, -1], -1), (2, -1), ([], 0)]},
    **{f"stack {axis}": (lambda x, axis=axis: engine.stack([x, x * x, np.ones(x.shape, x.dtype)], axis), lambda x, axis=axis: np.stack([x, x * x, np.ones(x.shape, x.dtype)], axis), ANY)
       for axis in (0, -1)},
    **{f"einsum {s}": (lambda x, s=s: engine.einsum(s, *[x] * (s.count(",") + 1)), lambda x, s=s: np.einsum(s, *[x] * (s.count(",") + 1)), MATRICES)
       for s in ("ij,ij->i", "ij,kj", "...j,...j", "ij->", "ji", "ij,kl->jl")},
    "einsum of sublists": (lambda x: engine.einsum(x, [0, ...], x, [1, ...], [1, ..., 0]), lambda x: np.einsum(x, [0, ...], x, [1, ...], [1, ..., 0]), [(3, 4), STACK]),
    "einsum of a sublist": (lambda x: engine.einsum(x, [5, 2]), lambda x: np.einsum(x, [5, 2]), MATRICES),
    "einsum ii": (lambda x: engine.einsum("ii", x), lambda x: np.einsum("ii", x), [(3, 3), (0, 0)]),
    "% number": (*[lambda x: x % 0.7] * 2, ANY),
    "// number": (*[lambda x: x // -0.7] * 2, ANY),
    "number %": (*[lambda x: 5.0 % (x * x + 0.9)] * 2, ANY),
    "number //": (*[lambda x: 5.0 // (x * x + 0.9)] * 2, ANY),
    **{name: (lambda x, name=name: getattr(x, name)(), lambda x, name=name: getattr(np, name)(x), ANY) for name in ("floor", "ceil", "round", "isnan")},
    "logaddexp": (lambda x: logaddexp(x, 0.5), lambda x: np.logaddexp(x, x.dtype.type(0.5)), ANY),
    "xlogy": (lambda x: xlogy(x, x * x), lambda x: np.where(x == 0, 0, x * np.log(x * x)), ANY),
}  # fmt: skip
cases = pytest.mark.parametrize(("ours", "numpys", "shapes"), CASES.values(), ids=CASES)


@cases
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_values_are_numpys(ours, numpys, shapes, dtype):
    """In each shape and dtype, for numbers of all kinds, and for zeros and equal elements."""
    rng = np.random.default_rng(0)
    for shape in shapes:
        for x in (rng.normal(size=shape), np.round(rng.normal(size=shape))):
            x = np.asarray(x, dtype)
            out, want = ours(Array(x)), numpys(x)
            got = out.data if isinstance(out, Array) else out
            assert np.shape(got) == np.shape(want)
            assert not isinstance(out, Array) or out.dtype == dtype
            np.testing.assert_allclose(got, want, rtol=8 * np.finfo(dtype).eps, atol=1e-6)


@cases
def test_derivatives_agree_with_differences(ours, numpys, shapes):
    """Forward, reverse and second order along one direction, where no step is near."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=shapes[0])
    v, out = rng.normal(size=x.shape), ours(Array(x))
    if not isinstance(out, Array) or not out.size:
        return
    u = rng.normal(size=out.shape)
    one = lambda x: (ours(x) * u).sum()
    along = lambda h: one(Array(x + h * v)).data.item()
    want = (along(1e-5) - along(-1e-5)) / 2e-5
    node = Array(x)
    assert jvp(one(node), node, v) == pytest.approx(want, rel=1e-6, abs=1e-7)
    assert np.sum(grad(one(node), node) * v) == pytest.approx(want, rel=1e-6, abs=1e-7)
    slope = lambda h: grad(one(at := Array(x + h * v)), at)
    second = (slope(1e-5) - slope(-1e-5)) / 2e-5
    np.testing.assert_allclose(hvp(one(node), node, v), second, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(0,), (0, 2), (2, 0)])
@pytest.mark.parametrize(
    "name", ["prod 0 True", "cumprod 0", "cumsum 0", "norm keepdims", "std 0 True", "sort 0"]
)
def test_gradients_of_no_elements(name, shape):
    x = Array(np.zeros(shape))
    y = CASES[name][0](x)
    assert grad(y.sum(), x).shape == grad(y.sum(), x, create_graph=True).shape == shape
    assert jvp(y, x, x.data).shape == y.shape


def test_einsum_repeats_axes_of_length_1():
    """An axis of length 1 stands beside a longer one, as NumPy allows; its gradient is a sum."""
    rng = np.random.default_rng(0)
    for s, shapes in [
        ("ij,ij->j", [(3, 4), (1, 4)]),
        ("ij,j->i", [(3, 1), (4,)]),
        ("ij,j", [(3, 4), (1,)]),
    ]:
        xs = [Array(rng.normal(size=shape)) for shape in shapes]
        y, want = engine.einsum(s, *xs), np.einsum(s, *[x.data for x in xs])
        np.testing.assert_allclose(y.data, want, rtol=1e-14)
        (y * y).sum().backward()
        for x in xs:
            assert x.grad.shape == x.shape
            assert np.sum(x.grad * x.data) == pytest.approx(2 * np.sum(want * want))


def test_ties_of_sort_keep_their_order():
    x = Array([2.0, 1.0, 1.0, math.nan])
    y = x.sort()
    (y * np.array([1.0, 10.0, 100.0, 0.0])).sum().backward()
    np.testing.assert_array_equal(y.data, [1.0, 1.0, 2.0, math.nan])
    assert x.grad.tolist() == [100.0, 1.0, 10.0, 0.0]


def test_masked_elements_send_no_nan():
    x = Array([[1.0, math.inf], [math.nan, 2.0]])
    engine.tril(x + 0.0).max().backward()
    y = engine.triu(Array([[1.0, 2.0], [math.inf, 4.0]]))
    assert y.data.tolist() == [[1.0, 2.0], [0.0, 4.0]]


def test_elements_of_lists():
    """An index or several, nested too; each element receives the gradients of all its uses."""
    xs = [Value(1.0), Value(2.0), Value(3.0)]
    assert take(xs, 1) is take(tuple(xs), np.int64(-2)) is xs[1]
    assert take(xs, [[0, 2], [1, 1]]) == [[xs[0], xs[2]], [xs[1], xs[1]]]
    assert take(xs, np.array([2, 0])) == [xs[2], xs[0]]
    engine.dot(take(xs, [0, 0, 1]), [1.0, 10.0, 100.0]).backward()
    assert [x.grad for x in xs] == [11.0, 100.0, 0.0]
    assert take(Array([[1.0, 2.0]]), 0, axis=1).data.tolist() == [1.0]


def test_isnan_chooses():
    x = Array([1.0, math.nan])
    assert x.isnan().dtype == bool
    assert (x.isnan().tolist(), np.isnan(x).tolist()) == ([False, True], [False, True])
    assert (Value(math.nan).isnan(), Value(math.inf).isnan()) == (True, False)
    y = where(x.isnan(), 0.0, x)
    y.sum().backward()
    assert (y.data.tolist(), x.grad.tolist()) == ([1.0, 0.0], [1.0, 0.0])


def test_reductions_are_one_node():
    """Or few, where a function is a composition."""
    x = Array(np.arange(12.0).reshape(3, 4))
    count = lambda y: len(topological(y)) - 1
    for f in (
        Array.prod,
        Array.log_softmax,
        lambda x: x.cumsum(0),
        norm,
        lambda x: engine.einsum("ij->", x),
    ):
        assert count(f(x)) == 1
    assert (
        count(x.flatten())
        == count(engine.expand_dims(x, 0))
        == count(engine.split(x, 2, 1)[0])
        == 1
    )
    assert count(engine.flip(x)) == count(x.sort()) == 2


def test_p_norms_of_zeros_and_of_large_numbers():
    """The slope at 0 is 0, and no power overflows."""
    x = Array([[0.0, 0.0], [0.0, -3e300], [1e-200, 1e-200]])
    y = norm(x, 3, axis=1)
    np.testing.assert_allclose(y.data, [0.0, 3e300, 2.0 ** (1 / 3) * 1e-200], rtol=1e-15)
    np.testing.assert_allclose(
        grad(y.sum(), x), [[0.0, 0.0], [0.0, -1.0], [2.0 ** (-2 / 3)] * 2], rtol=1e-15
    )


def test_the_median_beside_nan_and_of_ties():
    x = Array([[3.0, 1.0, 1.0, 5.0], [math.nan, 1.0, 2.0, 3.0]])
    y = np.median(x, axis=1)
    np.testing.assert_array_equal(y.data, [2.0, math.nan])
    y[0].backward()
    np.testing.assert_array_equal(x.grad[0], [0.5, 0.0, 0.5, 0.0])


def test_functions_of_the_module_along_an_axis():
    x = Array(np.arange(6.0).reshape(2, 3) ** 2)
    for name in ("logsumexp", "softmax", "log_softmax"):
        f, method = getattr(engine, name), getattr(x, name)
        for axis in (0, 1, None, (0, 1)):
            np.testing.assert_array_equal(f(x, axis=axis).data, method(axis).data)
    assert engine.logsumexp(x, 0, keepdims=True).shape == (1, 3)
    ys = engine.log_softmax([Value(0.0), 50.0], axis=0)
    assert [y.data for y in ys] == [-50.0, -math.exp(-50.0)]  # x - logsumexp(xs) is 0


def test_divmod():
    x = Value(7.5)
    for out in (divmod(x, 2.0), divmod(16.0 - x, 2), divmod(Value(7.5), Value(2.0))):
        assert out[0].data in (3.0, 4.0)
        assert out[0].data * 2.0 + out[1].data in (7.5, 8.5)
    assert [y.data for y in divmod(16.0, x)] == [2.0, 1.0]
    assert [y.data for y in np.divmod(16.0, x)] == [2.0, 1.0]
    assert np.trunc(Value(-1.5)).data == np.fix(Value(-1.5)).data == -1.0
