"""NumPy's functions, called with nodes, are the engine's rows."""

import operator
import re

import numpy as np
import pytest

import engine
from engine import Array, Constant, ConstantArray, Value, concatenate, topological, where
from engine.arrays.compositions import FUNCTIONS, MOVES
from engine.arrays.compositions import UFUNCS as COMPOSED
from engine.arrays.numpy_messages import INSTEAD
from engine.arrays.numpy_protocol import NAMES, PLAIN, counterpart, methods_of
from engine.rules import ELEMENTWISE, MUL
from engine.support.row_docs import docstring
from test_array_functions import COMPOSITIONS

UFUNCS = {f.__name__: f for f in vars(np).values() if isinstance(f, np.ufunc)}
NUMBERS = [np.array([0.25, 2.0, -1.5]), np.array([3.0, -0.5, 0.75]), np.array([0.5, 1.5, 2.5])]
# Of functions that are not ufuncs: calls for which the result is NumPy's. Those of functions that
# the engine lacks raise TypeError.
CALLS = [
    "np.sum(X)", "np.sum(X, 0)", "np.sum(X, axis=(0, 1), keepdims=True)", "np.sum(X, None, None, None, True)",
    "np.mean(X, axis=1)", "np.max(X, axis=0)", "np.amax(X)", "np.min(X, keepdims=True)", "np.amin(X, 1)",
    "np.clip(x, 0, None)", "np.clip(x, None, 1.0)", "np.clip(x, y, 5.0)", "np.clip(2.0, x, 5.0)",
    "np.reshape(X, (3, 2))", "np.reshape(X, -1)", "np.transpose(X)", "np.transpose(X, (1, 0))",
    "np.transpose(X, axes=(0, 1))", "np.swapaxes(X, 0, 1)", "np.swapaxes(X, axis1=0, axis2=-1)",
    "np.squeeze(X[:1])", "np.squeeze(X[:1], axis=0)", "np.broadcast_to(x, (2, 3))",
    "np.concatenate([x, y])", "np.concatenate((X, X), axis=1)", "np.concatenate([np.ones(2), x])",
    "np.concatenate(X)", "np.where(X > 0, X, 0.0)", "np.where([True, False, True], x, y)",
    "np.stack([x, y])", "np.stack([x, y], axis=1)", "np.ravel(X)", "np.expand_dims(x, 0)",
    "np.expand_dims(X, axis=(0, 2))", "np.var(X)", "np.var(X, axis=0, ddof=1)", "np.std(X, axis=1, keepdims=True)",
    "np.linalg.norm(x)", "np.linalg.norm(X, axis=1)", "np.prod(X)", "np.prod(X, axis=0)", "np.cumsum(X)",
    "np.cumsum(X, axis=1)", "np.cumprod(X, axis=0)", "np.dot(x, y)", "np.dot(X, x)", "np.dot([1.0, 2.0], X)",
    "np.outer(x, y)", "np.einsum('ij,j->i', X, x)", "np.pad(x, 1)", "np.pad(X, ((0, 0), (1, 2)))",
    "np.repeat(x, 2)", "np.repeat(X, 2, axis=1)", "np.tile(x, 2)", "np.tile(X, (2, 1))", "np.flip(X)",
    "np.flip(X, axis=1)", "np.roll(x, 1)", "np.roll(X, 1, axis=0)", "np.diag(x)", "np.diag(X[:, :2])",
    "np.tril(X)", "np.triu(X, k=1)", "np.trace(X)", "np.sort(x)", "np.sort(X, axis=0)", "np.take(x, 1)",
    "np.take(X, [0, 2], axis=1)", "np.round(x)", "np.split(X, 3, axis=1)", "np.split(x, [1])",
    "np.diagonal(X)", "np.diagonal(X, offset=1)", "np.diagonal(X, 0, 1, 0)",
]  # fmt: skip


def nodes():
    """Return three Arrays of three elements, and one of (2, 3)."""
    x, y, z = map(Array, NUMBERS)
    return {"np": np, "x": x, "y": y, "z": z, "X": Array(np.array(NUMBERS[:2]))}


def numbers_of(names):
    return {name: x.data if isinstance(x, Array) else x for name, x in names.items()}


def assert_same(got, want):
    """Check an Array, or a list of Arrays, against NumPy's arrays."""
    if isinstance(want, list | tuple):
        assert len(got) == len(want)
        for a, b in zip(got, want, strict=True):
            assert_same(a, b)
        return
    assert isinstance(got, Array)
    assert not got.constant
    assert got.shape == np.shape(want)
    np.testing.assert_allclose(got.data, want, rtol=1e-14)


def name_in_call(call):
    name = call.removeprefix("np.").partition("(")[0]
    return NAMES.get(name, name)


def has_own(name):
    """Return whether the engine has a function or method with this name of ours."""
    return callable(getattr(Array, name, None)) or (name in engine.__all__ and name != "dot")


# ------------------------------------------------------------------------------------------- Arrays


@pytest.mark.parametrize("name", sorted(UFUNCS))
@np.errstate(all="ignore")
def test_every_ufunc_of_numpy(name):
    """It is the row of its name, a plain result, or an error that says what to write."""
    f = UFUNCS[name]
    arrays = [Array(x) for x in NUMBERS[: f.nin]]
    if f"{'d' * f.nin}->?" in f.types:
        np.testing.assert_array_equal(f(*arrays), f(*NUMBERS[: f.nin]))
        assert type(f(*arrays)) is np.ndarray
    elif has_own(methods_of(f)[0]) or name in COMPOSED:
        assert_same(f(*arrays), f(*NUMBERS[: f.nin]))
        if f.nin == 2:
            assert_same(f(arrays[0], NUMBERS[1]), f(*NUMBERS[:2]))
            assert_same(f(NUMBERS[0], arrays[1]), f(*NUMBERS[:2]))
            if f.signature is None:  # not a function of vectors, such as matmul
                assert_same(f(2.5, arrays[1]), f(2.5, NUMBERS[1]))
                assert_same(f(np.float64(2.5), arrays[1]), f(2.5, NUMBERS[1]))
    else:
        with pytest.raises(TypeError, match=rf"np\.{name} is not defined for Arrays; .* x\.data"):
            f(*arrays)


@pytest.mark.parametrize("call", CALLS)
def test_functions_of_numpy(call):
    names = nodes()
    if has_own(name_in_call(call)):
        assert_same(eval(call, names), eval(call, numbers_of(names)))
    else:
        with pytest.raises(TypeError, match=r"is not defined for Arrays; .* x\.data"):
            eval(call, names)


def test_every_function_with_a_counterpart_has_a_call_above():
    public = [*vars(np).values(), np.linalg.norm]
    functions = {f for f in public if hasattr(f, "_implementation")}
    with_row = {f.__name__ for f in functions if counterpart(Array, f)} - PLAIN - {"astype"}
    tested = {name_in_call(call) for call in CALLS} | {"amax", "amin", "around"}
    assert with_row <= tested | set(re.findall(r"np\.(\w+)\(", " ".join(COMPOSITIONS)))


def test_compositions_are_of_functions_without_a_row():
    """An entry for a function that has a row, or that NumPy lacks, would never be used."""
    for name in [*COMPOSED, *FUNCTIONS, *MOVES]:
        assert not has_own(name)
    assert set(COMPOSED) <= set(UFUNCS)
    assert {*FUNCTIONS, *MOVES} <= {*dir(np)}


@pytest.mark.parametrize(
    "call",
    [
        "np.shape(X)", "np.ndim(X)", "np.size(X, 1)", "np.argmax(X, axis=1, keepdims=True)", "np.argsort(x)",
        "np.allclose(x, y)", "np.isclose(x, 2.0)", "np.array_equal(X, X)", "np.zeros_like(X)",
        "np.full_like(x, 3.0)", "np.any(x > 1.0)", "np.all(x)", "np.nonzero(x)", "np.where(x)",
        "np.count_nonzero(X)", "np.histogram(X, bins=2)", "np.result_type(x, np.float32)", "np.isnan(x)",
        "np.isfinite(1.0 / x)", "np.signbit(x)", "np.logical_and(x, y > 0.0)", "np.less(x, y)", "np.equal(x, x)",
        "np.not_equal([0.25, 0.0, 0.0], x)", "np.ones(3) < x", "np.float32(0.5) >= x", "np.array_repr(x)",
    ],
)  # fmt: skip
def test_plain_results(call):
    """Indices, bools, shapes and constants are those of the data."""
    names = nodes()
    got, want = eval(call, names), eval(call, numbers_of(names))
    assert type(got) is type(want)
    np.testing.assert_equal(got, want)


def test_the_gradient_of_a_function_of_numpy():
    x = Array([1.0, 2.0, 4.0])
    np.sum(np.maximum(np.log(x) * np.array([1.0, 10.0, 100.0]), 5.0), axis=0).backward()
    np.testing.assert_array_equal(x.grad, [0.0, 5.0, 25.0])


def test_settings_that_nodes_lack_are_refused():
    x = Array([1.0, 2.0])
    for f, message in [
        (lambda: np.sum(x, dtype=float), r"np\.sum .* argument dtype; convert with \.astype"),
        (lambda: np.sum(x, out=np.zeros(())), r"np\.sum .* argument out; assign the result"),
        (lambda: np.mean(x, where=[True, False]), r"np\.mean .* argument where; choose with where"),
        (lambda: np.max(x, initial=3.0), r"np\.max .* argument initial"),
        (lambda: np.exp(x, out=np.zeros(2)), r"np\.exp .* argument out"),
        (lambda: np.add(x, 1.0, where=[True, False]), r"np\.add .* argument where"),
        (lambda: np.multiply(x, 2.0, dtype=np.float32), r"np\.multiply .* argument dtype"),
        (lambda: np.add(1.0, 2.0, out=x), r"np\.add .* argument out"),
        (lambda: np.add(x, 2.0, out=x), r"np\.add .* argument out"),
        (lambda: np.hstack([x, x], dtype=np.float32), r"np\.hstack .* argument dtype"),
        (lambda: np.diff(x, prepend=0.0), r"np\.diff .* argument prepend"),
        (lambda: np.hypot.reduce(x), r"np\.hypot\.reduce is not defined"),
        (lambda: np.add.reduceat(x, [0]), r"np\.add\.reduceat is not defined"),
        (lambda: np.add.at(np.zeros(2), [0, 1], x), r"np\.add\.at .* write a \+ np\.bincount\("),
        (lambda: np.add.reduce(x, dtype=np.float32), r"np\.add\.reduce .* argument dtype"),
        (lambda: np.linalg.det(Array(np.eye(2))), r"np\.linalg\.det .*; inverses, determinants"),
        (lambda: np.fft.rfft(x), r"np\.fft\.rfft .*; Fourier transforms have no rows"),
        (lambda: np.compress([True, False], x, out=np.ones(1)), r"np\.compress .* argument out"),
        (lambda: np.quantile(x, 0.5, weights=[1.0, 2.0]), r"np\.quantile .* argument weights"),
    ]:
        with pytest.raises(TypeError, match=message):
            f()
    assert_same(np.sum(x, axis=None, dtype=None, out=None), 3.0)


@pytest.mark.parametrize("name", sorted(INSTEAD))
def test_what_messages_say_to_write(name):
    """The expression of the message computes what NumPy's function does."""
    names = nodes() | {"concatenate": concatenate, "where": where}
    if "axis=" in INSTEAD[name]:
        names |= {"x": Array(np.array(NUMBERS)), "y": Array(np.array(NUMBERS[::-1]))}
    if "nan" in name:
        names["x"] = Array([1.0, np.nan, 3.0])
    f = operator.attrgetter(name)(np)
    x, y = names["x"], names["y"]
    args = ([x, y],) if "[x, y]" in INSTEAD[name] else (x, y) if "y" in INSTEAD[name] else (x,)
    with pytest.raises(TypeError) as error:
        f(*args)
    assert f"np.{name} is not defined for Arrays; write {INSTEAD[name]}, or" in str(error.value)
    data = [[a.data for a in arg] if isinstance(arg, list) else arg.data for arg in args]
    assert_same(eval(INSTEAD[name], names), f(*data))


# ---------------------------------------------------------------------------------------- in place


def test_in_place_operators_of_an_ndarray_assign_an_array():
    x, a = Array([1.0, 2.0]), np.array([10.0, 20.0])
    same = a
    a += x
    assert_same(a, [11.0, 22.0])
    a.sum().backward()
    np.testing.assert_array_equal(x.grad, [1.0, 1.0])
    np.testing.assert_array_equal(same, [10.0, 20.0])  # numbers cannot hold the graph
    a = np.eye(2)
    a @= Array([[1.0, 2.0], [3.0, 4.0]])
    assert_same(a, [[1.0, 2.0], [3.0, 4.0]])
    a = np.zeros(1)
    with pytest.raises(ValueError, match=r"result of shape \(1,\), got \(2,\); write a = a \+ x"):
        a += x
    x += np.ones(2)
    assert_same(x, [2.0, 3.0])


def test_elements_of_an_ndarray_cannot_be_nodes():
    c, x = np.zeros(2), Array([1.0, 2.0])
    with pytest.raises(TypeError, match=r"leave the graph; for c\[0\] = x, make c a list"):
        c[0] = Value(1.0)
    with pytest.raises(ValueError, match="sequence") as error:
        c[0] = x[0]
    assert "make c a list and join it with stack(c)" in str(error.value.__cause__)
    with pytest.raises(
        TypeError, match=r"use its \.data, or join Arrays with stack or concatenate"
    ):
        c[:] = x
    with pytest.raises(
        TypeError, match=r"Array\(\[1\., 2\.\]\) to a float .* numbers are x\.data$"
    ):
        float(x)


# ------------------------------------------------------------------------------------------- Values


@pytest.mark.parametrize("scalar", [np.float64(2.0), np.float32(2.0), np.int64(2), np.array(2.0)])
def test_a_scalar_of_numpy_times_a_value_is_one_node(scalar):
    x = Value(3.0)
    y = scalar * x
    assert (y.op, y.data, len(topological(y))) == (MUL, 6.0, 3)
    assert type(y) is Value
    assert type(y.inputs[0]) is Constant
    assert (scalar - x).data == -1.0
    assert (scalar < x) is True


def test_functions_of_numpy_on_a_value():
    x = Value(0.5)
    for f in (np.exp, np.tanh, np.arcsin, np.square, np.negative, np.absolute):
        y = f(x)
        assert type(y) is Value
        assert y.data == pytest.approx(f(0.5), rel=1e-15)
    assert np.maximum(0.0, x).inputs[1] is x
    assert np.where(x > 0.0, x, 0.0).inputs[1] is x
    assert np.clip(x, 1.0, None).data == 1.0
    assert np.isnan(x) is np.False_
    assert np.allclose(x, 0.5)
    assert np.shape(x) == ()
    assert np.rad2deg(x).data == np.rad2deg(0.5)
    assert np.fmax(x, np.nan).data == np.fmin(1.0, x).data == np.nan_to_num(x).data == 0.5
    assert np.sinc(x).data == pytest.approx(np.sinc(0.5), rel=1e-15)
    with pytest.raises(TypeError, match=r"np\.modf is not defined for Values; .* x\.data"):
        np.modf(x)


def test_arrays_of_values_are_arrays_of_objects():
    xs, v = np.array([Value(1.0), Value(2.0)]), Value(3.0)
    for f in (operator.add, operator.sub, operator.mul, operator.truediv, operator.pow):
        for ys, want in [
            (f(xs, v), [f(1.0, 3.0), f(2.0, 3.0)]),
            (f(v, xs), [f(3.0, 1.0), f(3.0, 2.0)]),
            (f(xs, xs[::-1]), [f(1.0, 2.0), f(2.0, 1.0)]),
        ]:
            assert (type(ys), ys.dtype) == (np.ndarray, object)
            assert [y.data for y in ys] == want
            assert all(type(y) is Value for y in ys)
    assert [y.data for y in np.exp(xs)] == [x.exp().data for x in xs]
    assert (xs @ xs).data == np.dot(xs, xs).data == np.inner(xs, xs).data == 5.0
    assert xs.sum().data == np.sum(xs).data == 3.0
    assert np.mean(xs).data == 1.5
    assert np.linalg.norm(xs).data == pytest.approx(5.0**0.5)
    assert np.multiply.outer(xs, v).shape == (2,)
    assert np.stack([v, v]).dtype == object
    for f in (operator.lt, operator.ge):
        np.testing.assert_array_equal(f(xs, Value(1.5)), f(np.array([1.0, 2.0]), 1.5))
        np.testing.assert_array_equal(f(Value(1.5), xs), f(1.5, np.array([1.0, 2.0])))
    ys = xs
    ys *= v
    assert ys is xs
    assert [y.data for y in xs] == [3.0, 6.0]
    xs.sum().backward()
    assert v.grad == 3.0


def test_an_array_of_numbers_beside_a_value_is_refused():
    """It would be one node per element, which Array computes as one."""
    for f in (operator.mul, lambda x, a: a * x, np.maximum, lambda x, a: operator.iadd(a, x)):
        with pytest.raises(
            TypeError, match=r"got an array of shape \(2,\); use Array, or make one"
        ):
            f(Value(3.0), np.ones(2))


NAMED_OTHERWISE = ["arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "conjugate", "deg2rad",
                   "degrees", "fabs", "rad2deg", "radians", "rint"]  # fmt: skip


@pytest.mark.parametrize("name", NAMED_OTHERWISE)
def test_methods_that_numpy_calls_for_arrays_of_values(name):
    f, numbers = getattr(np, name), [1.25, 1.5] if name == "arccosh" else [0.25, -0.5]
    xs = np.array([*map(Value, numbers)])
    ys = f(xs)
    assert all(type(y) is Value for y in ys)
    assert [y.data for y in ys] == [f(x).data for x in xs]
    np.testing.assert_allclose([y.data for y in ys], f(np.array(numbers)), rtol=1e-15)


def test_docstrings_that_are_made_within_a_ufunc_cause_no_warning():
    """The first use of a method makes its docstring from trials, some of them outside its domain."""

    class Number:
        def arccos(self):
            return docstring(ELEMENTWISE["acos"], "acos")

    with np.errstate(all="raise"):
        np.arccos(np.array([Number()]))


def test_statistics_of_arrays_of_values():
    xs, a = (
        np.array([[Value(1.0), Value(2.0)], [Value(5.0), Value(3.5)]]),
        Array([[1.0, 2.0], [5.0, 3.5]]),
    )
    for f in (
        np.std, np.var, lambda x: np.std(x, axis=0, ddof=1).sum(), lambda x: np.arctan2(x, x[0]).sum(),
        lambda x: np.vecdot(x[0], x[1]), lambda x: np.mean(np.var(x, axis=1)),
    ):  # fmt: skip
        y, want = f(xs), f(a)
        assert y.data == pytest.approx(want.data.item(), rel=1e-14)
        slopes = engine.grad(y, xs.tolist())
        np.testing.assert_allclose(slopes, engine.grad(want, a), rtol=1e-12)


def test_statistics_of_one_value():
    """They are those of one number."""
    v = Value(-0.5)
    for f in (
        np.sum,
        np.prod,
        np.max,
        np.min,
        np.amax,
        np.mean,
        np.median,
        np.average,
        np.add.reduce,
    ):
        assert f(v) is v
    for f in (np.std, np.var, np.ptp):
        assert f(v).data == f(-0.5)
        assert engine.grad(f(v), v) == 0.0
    assert np.linalg.norm(v).data == 0.5
    assert np.multiply.outer(v, v).data == 0.25
    assert np.outer(v, v).shape == (1, 1)
    with pytest.raises(TypeError, match=r"np\.hypot\.reduce is not defined for Values"):
        np.hypot.reduce(v)
    with pytest.raises(TypeError, match="to an int would leave the graph"):
        np.trunc(np.array([v, v]))


def test_unique_elements_and_their_places():
    x = Array([3.0, 1.0, 3.0, 2.0])
    out, *places = np.unique(x, True, True, True)
    assert_same(out, [1.0, 2.0, 3.0])
    for got, want in zip(places, np.unique(x.data, True, True, True)[1:], strict=True):
        np.testing.assert_array_equal(got, want)
    out[2].backward()
    np.testing.assert_array_equal(x.grad, [1.0, 0.0, 0.0, 0.0])


@pytest.mark.parametrize("q", [0.0, 0.1, 0.2, 0.9, [0.25, 0.3]])
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf, 0.1])
def test_quantiles_have_the_bits_of_numpy(special, q):
    data = np.array([special, 0.3, -3.0, 0.7])
    with np.errstate(invalid="ignore"):
        expected = np.quantile(data, q)
    np.testing.assert_array_equal(np.quantile(Array(data), q).data, expected)


def test_quantiles_beside_nan_and_out_of_range():
    x = Array([[1.0, np.nan], [2.0, 3.0]])
    np.testing.assert_array_equal(
        np.percentile(x, [0, 50], axis=1).data, np.percentile(x.data, [0, 50], axis=1)
    )
    for f in (
        lambda: np.percentile(x, 101), lambda: np.quantile(x, -0.1), lambda: np.quantile(x[:0], 0.5),
        lambda: np.quantile(x, 0.5, method="lower"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"expect probabilities in \[0, 1\], percentages"):
            f()


# --------------------------------------------------------------------------------- bounds and dtypes


@pytest.mark.parametrize("lo", [None, -1.0])
@pytest.mark.parametrize("hi", [None, 1.0])
def test_a_bound_that_is_none_is_no_bound(lo, hi):
    for node in (Value(-2.0), Value(2.0), Array([-2.0, 0.5, 2.0]), ConstantArray([2.0])):
        want = np.clip(node.data, lo if lo else -np.inf, hi if hi else np.inf)
        np.testing.assert_array_equal(node.clip(lo, hi).data, want)


def test_bounds_by_the_names_of_numpy():
    for x in (Value(-2.0), Array([-2.0, 0.5, 2.0]), Constant(2.0)):
        for bounds in ({"min": -1.0}, {"max": 1.0}, {"min": -1.0, "max": 1.0}, {"max": None}):
            lo, hi = bounds.get("min"), bounds.get("max")
            want = np.clip(x.data, -np.inf if lo is None else lo, np.inf if hi is None else hi)
            np.testing.assert_array_equal(x.clip(**bounds).data, want)
            np.testing.assert_array_equal(np.clip(x, a_min=lo, a_max=hi).data, want)
        np.testing.assert_array_equal(x.clip(0.0, max=1.0).data, np.clip(x.data, 0.0, 1.0))


def test_rounding_to_decimals():
    for x in (Value(-2.26), Constant(12.26), Array([-2.26, 0.55, 12.0])):
        for decimals in (0, 1, -1):
            want = np.round(x.data, decimals)
            for got in (x.round(decimals), x.round(decimals=decimals), np.round(x, decimals)):
                np.testing.assert_allclose(got.data, want, rtol=1e-15)
    xs = np.round(np.array([Value(-2.26), Value(0.5)]), 1)
    assert [x.data for x in xs] == pytest.approx([-2.3, 0.5])


def test_an_array_of_a_dtype():
    for kind in (Array, ConstantArray):
        for dtype in (np.float32, "float32", np.dtype(np.float64), float):
            x = kind([1, 2], dtype=dtype)
            assert x.dtype == np.dtype(dtype)
            assert kind(x.data, dtype=np.float32).dtype == np.float32
        with pytest.raises(TypeError, match="dtype must be float32 or float64, got int64"):
            kind([1, 2], dtype=np.int64)
    data = np.ones(2)
    assert Array(data, dtype=float).data is not data
