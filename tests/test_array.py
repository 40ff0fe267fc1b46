"""`Array` for its users: construction, setters, dtypes, NumPy on the left, methods, errors."""

import inspect
import operator
import re
from fractions import Fraction

import numpy as np
import pytest

from engine import (
    Array,
    ConstantArray,
    Op,
    Value,
    concatenate,
    logsumexp,
    maximum,
    minimum,
    softmax,
    topological,
    total,
    walk,
    where,
)
from engine.arrays.rules import LINEAR
from engine.rules import ELEMENTWISE, SLOPES_OF_OTHERS
from engine.sequences.rules import DOT
from passes import both_passes, every_dtype, same
from strategies import inf, nan

ARITHMETIC = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
COMPARISONS = [operator.lt, operator.le, operator.gt, operator.ge]
X = np.arange(6.0).reshape(2, 3)


# ------------------------------------------------------------------------------------- construction


@pytest.mark.parametrize(
    ("given", "shape", "dtype"),
    [
        (3, (), np.float64),
        (2.5, (), np.float64),
        (True, (), np.float64),
        ([1, 2], (2,), np.float64),
        ([], (0,), np.float64),
        ([[1, 2.5], (True, 4)], (2, 2), np.float64),
        (range(3), (3,), np.float64),
        (np.float64(2), (), np.float64),
        (np.float32(2), (), np.float32),
        ([np.float32(2), np.float32(3)], (2,), np.float32),
        (np.array(2.0), (), np.float64),
        (np.ones((2, 0, 3), np.float32), (2, 0, 3), np.float32),
        (np.ones(2, np.float16), (2,), np.float64),
        (np.ones(2, np.longdouble), (2,), np.float64),
        (np.ones(2, np.uint8), (2,), np.float64),
        (np.ones(2, bool), (2,), np.float64),
        (np.ones(2, ">f4"), (2,), np.float32),
        (np.ones(2, ">f8"), (2,), np.float64),
        (2**64, (), np.float64),
        (Fraction(1, 2), (), np.float64),
    ],
)
def test_numbers_of_every_kind_are_accepted(given, shape, dtype):
    """float32 is kept, everything else becomes float64, in the machine's byte order."""
    for made in (Array(given), ConstantArray(given), Array.lift(given)):
        assert (made.shape, made.dtype) == (shape, dtype)
        assert type(made.data) is np.ndarray
        assert made.dtype.isnative
        assert (made.ndim, made.size) == (len(shape), int(np.prod(shape)))
        same(made.data, np.array(given, dtype))
        assert made.grad.dtype == dtype


@pytest.mark.parametrize("number", [10**400, -(10**400), Fraction(10**400)])
def test_numbers_beyond_the_floats_are_infinite(number):
    """As IEEE 754 rounds them, and as for Value."""
    assert Array(number).item() == Value(number).data
    assert (Array([1.0]) * number).item() == Value(number).data


def test_the_constructor_copies():
    given = X.copy()
    x = Array(given)
    given[:] = 9.0
    same(x.data, X)
    x.data[0, 0] = 7.0
    assert (given == 9.0).all()


@pytest.mark.parametrize(
    "given", [X.T, X[::-1, ::2], np.broadcast_to(1.0, (2, 3)), np.asfortranarray(X)]
)
def test_data_is_contiguous_and_writable(given):
    """Data made from any view is a copy: changing it in place affects nothing else."""
    x = Array(given)
    for data in [x.data, setattr(x, "data", given) or x.data, setattr(x, "grad", given) or x.grad]:
        assert data.flags.carray
        same(data, np.ascontiguousarray(given))


WHAT = "an Array holds real numbers, in lists of equal lengths, got "
NOT_NUMBERS = [
    ("2", WHAT + "the string '2'; convert it first: float('2')"),
    (["1", "2"], WHAT + "a list of strings"),
    (b"2", WHAT + "bytes of"),
    (None, WHAT + "None; does the function that made it return its result?"),
    ([None, 1.0], WHAT + "a list of object"),
    ([[Value(1.0)]], WHAT + "a list of Values, which do not mix with Arrays"),
    (np.array([Value(1.0)]), WHAT + "an array of Values, which do not mix with Arrays"),
    (2j, WHAT + "the complex number 2j; take its .real or .imag"),
    (np.array([2j]), WHAT + "an array of complex128"),
    ([[1.0], [2.0, 3.0]], WHAT + "a list of rows of lengths 1 and 2"),
    ({}, WHAT + "a dict of object"),
    (np.array(["2020-01-01"], "M8[D]"), WHAT + "an array of datetime64"),
    (np.array([1], "m8[s]"), WHAT + "an array of timedelta64"),
    (np.array([object()]), WHAT + "an array of object"),
    (
        [Array(1.0), 2.0],
        "an Array holds numbers, got a list of nodes; join Arrays with stack or concatenate",
    ),
    ([Array([1.0]), Array([1.0, 2.0])], "an Array holds numbers, got a list of nodes; join"),
    ((Value(1.0), Value(2.0)), "an Array holds numbers, got a list of nodes; join"),
]
not_numbers = pytest.mark.parametrize(("thing", "message"), NOT_NUMBERS)


@not_numbers
def test_non_numeric_data_is_refused(thing, message):
    """In the constructor, both setters, on either side of an operator, and as an argument."""
    x = Array([1.0])
    for attempt in [
        lambda: Array(thing),
        lambda: ConstantArray(thing),
        lambda: setattr(x, "data", thing),
        lambda: setattr(x, "grad", thing),
        lambda: x + thing,
        lambda: thing - x,
        lambda: x @ thing,
        lambda: x < thing,
        lambda: x.maximum(thing),
        lambda: x.elu(thing),
    ]:
        with pytest.raises(TypeError, match=re.escape(message)):
            attempt()
    assert (x.data.tolist(), x.grad.tolist()) == ([1.0], [0.0])


def test_a_node_is_not_accepted_as_data():
    for node in (Value(2.0, "x"), Array(2.0, "x"), ConstantArray(2.0, "x")):
        with pytest.raises(
            TypeError, match=re.escape(f"{node!r} is already a node; use its .data")
        ):
            Array(node)


@pytest.mark.parametrize("label", [3, b"x", ["x"]])
def test_a_label_is_a_string(label):
    with pytest.raises(TypeError, match="a label must be a string, got"):
        Array([1.0], label)
    with pytest.raises(TypeError, match="a label must be a string, got"):
        ConstantArray([1.0], label)


# ---------------------------------------------------------------------------------------- setters


@every_dtype
def test_setting_data_keeps_shape_and_dtype(dtype):
    """An array or list of the shape, or one number for all elements, in any dtype."""
    x = Array(np.ones((2, 2), dtype), "x")
    for new in (
        [[1, 2], [3, 4]],
        np.arange(4).reshape(2, 2),
        np.float64(2.5),
        3,
        np.ones((2, 2), bool),
        np.full((2, 2), 0.5, np.float32),
        np.full((2, 2), 0.25),
    ):
        for name in ("data", "grad"):
            setattr(x, name, new)
            result = getattr(x, name)
            assert type(result) is np.ndarray
            same(result, np.broadcast_to(np.asarray(new, dtype), (2, 2)))
    for name in ("data", "grad"):
        for wrong in ([1.0, 2.0], [[1.0]], np.ones((2, 2, 1)), np.ones((0, 2))):
            shape = re.escape(str(np.shape(wrong)))
            with pytest.raises(
                ValueError,
                match=rf"{name} of shape {shape} to x of shape \(2, 2\)",
            ):
                setattr(x, name, wrong)
        with pytest.raises(TypeError, match="is already a node"):
            setattr(x, name, Array(np.ones((2, 2))))


@every_dtype
def test_in_place_operators_on_data_and_grad(dtype):
    x = Array(np.array([1.0, 2.0], dtype))
    x.data -= 0.5
    x.data[0] = 9.0
    x.grad += [1.0, 2.0]
    x.grad *= 2.0
    same(x.data, np.array([9.0, 1.5], dtype))
    same(x.grad, np.array([2.0, 4.0], dtype))


def test_numbers_too_large_for_float32_are_infinite_without_a_warning():
    x = Array(np.float32([1.0, 2.0]))
    assert (x * 1e300).data.tolist() == [inf, inf]
    assert (1e300 + x).dtype == np.float32
    assert Array([1e300]).astype(np.float32).item() == inf
    x.data = x.grad = -1e300
    assert x.data.tolist() == x.grad.tolist() == [-inf, -inf]


@both_passes
def test_assigning_data_after_forward_changes_no_gradient(backward):
    """An optimizer assigns data; the graph multiplies by the numbers that it was computed from."""
    x, y = Array(X), Array(X + 1.0)
    root = ((x * y).exp() / y + x @ y.T[:, :1]).sum()
    x.data, y.data = np.zeros((2, 3)), -y.data
    backward(root)
    x2, y2 = Array(X), Array(X + 1.0)
    backward(((x2 * y2).exp() / y2 + x2 @ y2.T[:, :1]).sum())
    same(x.grad, x2.grad)
    same(y.grad, y2.grad)


# ------------------------------------------------------------------------------------------- dtypes


@every_dtype
def test_constants_take_the_dtype_of_the_array(dtype):
    """Numbers, lists and arrays of any dtype, on either side; constants of any dtype."""
    x = Array(np.array([1.0, 2.0], dtype))
    for other in (2, 0.5, True, [1, 2], np.float64(2), np.float32(2), np.array([1.0, 2.0]),
                  np.arange(2, dtype=np.int8), np.ones(2, np.float32), ConstantArray([1.0, 2.0]),
                  ConstantArray(np.float32(2))):  # fmt: skip
        for f in ARITHMETIC:
            for y in (f(x, other), f(other, x)):
                assert (type(y), y.dtype, len(y.inputs)) == (Array, dtype, 2)
                y.sum().backward()
                assert x.grad.dtype == y.grad.dtype == dtype
                assert all(each.dtype == dtype for each in y.locals if hasattr(each, "dtype"))


def test_a_float32_model_accepts_float64_data():
    """Both keep their dtype; the product has that of the model."""
    W, b, batch = (
        Array(np.ones((2, 3), np.float32)),
        Array(np.zeros(2, np.float32)),
        ConstantArray(X),
    )
    out = LINEAR(batch, W, b).tanh()
    out.sum().backward()
    assert {each.dtype for each in (out, W, b, W.grad, b.grad)} == {np.dtype(np.float32)}
    assert batch.dtype == np.float64


@pytest.mark.parametrize(
    "mix",
    [
        lambda x, y: x + y,
        lambda x, y: x @ y,
        lambda x, y: x.clip(y, 1.0),
        lambda x, y: concatenate([y, 1.0 * x]),
        lambda x, y: where(x > 0, x, y),
        lambda x, y: maximum(ConstantArray([1.0, 2.0]) * y, x),
    ],
)
def test_arrays_of_different_dtypes_do_not_mix(mix):
    x, y = Array([1.0, 2.0], "x"), Array(np.float32([1.0, 2.0]), "y")
    for a, b in [(x, y), (y, x)]:
        with pytest.raises(TypeError, match="expects Arrays of the same dtype, got") as caught:
            mix(a, b)
        assert "dtype float64" in str(caught.value)
        assert "dtype float32" in str(caught.value)
        assert "shape (2,)" in str(caught.value)
        assert "convert with .astype()" in str(caught.value)
    assert mix(x, y.astype(np.float64)).dtype == np.float64


def test_gradients_pass_through_astype():
    x, y = Array([1.0, 2.0]), Array(np.float32([3.0, 4.0]))
    z = x.astype(np.float32) * y
    (z.astype(float) * [1.0, 10.0]).sum().backward()
    same(x.grad, np.array([3.0, 40.0]))
    same(y.grad, np.float32([1.0, 20.0]))
    assert all(s.contribution.dtype == s.to.dtype for step in walk(z.sum()) for s in step.sent)
    for wrong in (np.int64, "float16", bool, complex):
        with pytest.raises(
            TypeError, match="the dtype of an Array must be float32 or float64, got"
        ):
            x.astype(wrong)


# --------------------------------------------------------------------- Values and Arrays do not mix


@pytest.mark.parametrize("f", [*ARITHMETIC, *COMPARISONS, operator.matmul])
def test_values_and_arrays_do_not_mix(f):
    x, v = Array([1.0], "x"), Value(2.0, "v")
    with pytest.raises(TypeError, match=r"Value\(2.0, 'v'\) is already a node.*do not mix"):
        f(x, v)
    with pytest.raises(
        TypeError, match=r"(Array\(\[1.\], 'x'\)|Value\(2.0, 'v'\)).* is already a node"
    ):
        f(v, x)


@pytest.mark.parametrize(
    "mix",
    [
        lambda x, v: total([x, v]),
        lambda x, v: total([v, x]),
        lambda x, v: maximum(x, v),
        lambda x, v: minimum(v, x),
        lambda x, v: where(x > 0, v, x),
        lambda x, v: where(v, x, x),
        lambda x, v: x.clip(v, 1.0),
        lambda x, v: v.clip(x, 1.0),
        lambda x, v: concatenate([x, v]),
        lambda x, v: softmax([x, v]),
        lambda x, v: logsumexp([v, x]),
        lambda x, v: DOT([v], [1.0], x),
    ],
)
def test_functions_do_not_mix_values_and_arrays(mix):
    with pytest.raises(TypeError, match="already a node"):
        mix(Array([1.0]), Value(2.0))


def test_rows_over_sequences_refuse_arrays():
    with pytest.raises(TypeError, match="dot is a row over sequences of Values"):
        DOT([Array([1.0])], [1.0], 0.0)


# --------------------------------------------------------------------------------- NumPy on the left


@every_dtype
def test_numpy_on_the_left_makes_one_node(dtype):
    """NumPy defers to the Array instead of working element by element."""
    x = Array(np.array([1.0, 2.0], dtype))
    for left in (np.array([3.0, 4.0]), np.float32([3.0, 4.0]), np.float32(2), np.float64(2), np.int64(2),
                 np.array(2.0), np.ones((3, 2)), np.bool_(True)):  # fmt: skip
        for f in ARITHMETIC:
            y = f(left, x)
            assert (type(y), y.dtype) == (Array, dtype)
            assert len(topological(y)) == 3
            with np.errstate(all="ignore"):
                np.testing.assert_allclose(y.data, f(np.asarray(left, dtype), x.data), rtol=1e-6)
        for f in COMPARISONS:
            same(f(left, x), f(np.asarray(left, dtype), x.data))
    for left in (np.array([3.0, 4.0]), np.ones((3, 2)), np.ones((2, 3, 2), np.float32)):
        y = left @ x
        assert (type(y), y.shape, len(topological(y))) == (Array, left.shape[:-1], 3)


# ------------------------------------------------------------------------------ methods and results


def test_numpy_does_not_iterate_over_an_array():
    """It would make an array of objects, with one node per element."""
    x = Array([[1.0, 2.0]])
    for f in (np.asarray, np.array, np.random.permutation, lambda x: np.array([x, x])):
        with pytest.raises(TypeError, match=r"lose the graph of an Array; use its \.data"):
            f(x)


def test_operators_and_their_gradients():
    x, y = Array([3.0, 4.0]), Array([2.0, 0.5])
    for f, slopes in [
        (lambda: x + y, ([1, 1], [1, 1])),
        (lambda: x - y, ([1, 1], [-1, -1])),
        (lambda: x * y, (y.data, x.data)),
        (lambda: x / y, (1 / y.data, -x.data / y.data**2)),
        (lambda: x**y, ([6.0, 0.25], [9 * np.log(3), 2 * np.log(4)])),
        (lambda: -x + abs(-y), ([-1, -1], [1, 1])),
        (lambda: 1 / x + 2**y, (-1 / x.data**2, np.log(2) * 2**y.data)),
        (lambda: +x - (3 - y), ([1, 1], [1, 1])),
        (lambda: x @ y + 0 * x, (y.data * 2, x.data * 2)),
    ]:
        x.zero_grad()
        y.zero_grad()
        f().sum().backward()
        np.testing.assert_allclose([x.grad, y.grad], slopes, rtol=1e-15)


def test_every_row_is_a_method():
    x = Array([0.5, 0.25])
    for name, op in ELEMENTWISE.items():
        if name.isidentifier() and op not in SLOPES_OF_OTHERS:
            args = [0.75] * (op.arity - 1)
            y = getattr(x, name)(*args)
            assert (y.op, y.shape, len(y.inputs)) == (op, (2,), op.arity)
    assert x.leaky_relu().data.tolist() == x.data.tolist()
    assert (-x).leaky_relu(slope=1.0).data.tolist() == (-x).data.tolist()
    with pytest.raises(TypeError, match="cube takes 1 argument, got 2"):
        Op("cube", lambda x: x**3, lambda out, x: 3 * x * x)(x, x)


METHODS = {
    "sum": lambda x: [x.sum(), x.sum(0), x.sum(axis=(0, -1)), x.sum(1, keepdims=True)],
    "mean": lambda x: [x.mean(), x.mean(0), x.mean(axis=(0, -1)), x.mean(1, keepdims=True)],
    "max": lambda x: [x.max(), x.max(0), x.max(axis=(0, 1), keepdims=True)],
    "min": lambda x: [x.min(), x.min(0), x.min(axis=(0, 1), keepdims=True)],
    "reshape": lambda x: [x.reshape(3, 2), x.reshape((3, -1)), x.reshape([6]), x.reshape(-1),
                          x.reshape(np.int64(6)), x.reshape(1, np.int64(2), 3)],
    "transpose": lambda x: [x.T, x.transpose(), x.transpose(1, 0), x.transpose((0, -1)), x.swapaxes(0, -1)],
    "getitem": lambda x: [x[0], x[-1, 1:], x[..., None], x[x > 2.0], x[[0, 1, 0]], x[:, ::-1]],
    "squeeze": lambda x: [x[:, 1:2].squeeze(1), x[:, 1:2].squeeze(axis=-1), x[:, 1:2].squeeze()],
}  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_methods_agree_with_numpy(name):
    """The same call on the plain array returns the same numbers; each makes one node."""
    for got, want in zip(METHODS[name](Array(X)), METHODS[name](X), strict=True):
        assert type(got) is Array
        np.testing.assert_array_equal(got.data, want)


def test_properties_and_plain_results():
    x = Array(X, "x")
    assert (x.shape, x.ndim, x.size, len(x), x.dtype) == ((2, 3), 2, 6, 2, np.float64)
    assert x.argmax() == 5
    same(x.argmax(axis=1), np.array([2, 2]))
    assert (x[0, 1].item(), type(x[0, 1].item())) == (1.0, float)
    with pytest.raises(ValueError, match="expects an Array of one element"):
        x.item()


def test_dir_shows_documented_names():
    public = {name for name in dir(Array) if name[0] != "_"} - set(dir(Value))
    assert public == {
        "T", "argmax", "argmin", "astype", "broadcast_to", "cumprod", "cumsum", "diagonal", "dot",
        "dtype", "flatten", "item", "log_softmax", "logsumexp", "max", "mean", "min", "ndim", "prod",
        "ravel", "repeat", "reshape", "shape", "size", "softmax", "sort", "squeeze", "std", "sum",
        "swapaxes", "take", "trace", "transpose", "var",
    }  # fmt: skip
    assert all(inspect.getdoc(getattr(Array, name)) for name in public)


def test_iteration_is_over_the_first_axis():
    x = Array(X)
    rows = list(x)
    assert [row.data.tolist() for row in rows] == X.tolist()
    assert {type(row) for row in rows} == {Array}
    first, second = x
    (first * 2.0 + second).sum().backward()
    assert x.grad.tolist() == [[2.0] * 3, [1.0] * 3]
    assert sum(x).data.tolist() == [3.0, 5.0, 7.0]
    assert total(x).data.tolist() == [3.0, 5.0, 7.0]
    assert concatenate(x).shape == (6,)


@pytest.mark.parametrize("f", [iter, len, list, sum, total, max])
def test_an_array_without_axes_is_not_a_sequence(f):
    """Not even an empty one: a sum over it would be 0."""
    with pytest.raises(TypeError):
        f(Array(3.0))


@pytest.mark.parametrize("f", COMPARISONS)
def test_comparisons_compare_the_data(f):
    x, y = Array([[1.0, nan, -inf], [0.0, -0.0, 2.0]]), Array([[1.0, 1.0, -inf], [-0.0, 0.0, 1.0]])
    same(f(x, y), f(x.data, y.data))
    same(f(x, 1), f(x.data, 1))
    same(f(1, x), f(1, x.data))
    same(f(x, [0.0, 1.0, 2.0]), f(x.data, [0.0, 1.0, 2.0]))


@pytest.mark.parametrize("f", COMPARISONS)
@pytest.mark.parametrize("other", [0.1, [0.1], np.float64(0.1), np.array([0.1])])
def test_comparisons_with_float32_are_in_float32(f, other):
    """As in arithmetic: 0.1 in float32 differs from 0.1 in float64."""
    x = Array(np.float32([0.1]))
    same(f(x, other), f(x.data, np.float32([0.1])))
    same(f(x, Array([0.1])), f(x.data, np.array([0.1])))  # two Arrays are what they are


def test_equality_between_nodes_is_identity():
    x, other = Array([3.0]), Array([3.0])
    assert x == x
    assert x != other
    assert {x: 1, other: 2} == {other: 2, x: 1}
    assert x not in [other, None]
    before = hash(x)
    x.data = 4.0
    assert hash(x) == before


def test_in_place_operators_make_new_nodes():
    x = leaf = Array([3.0, 4.0])
    x += 1.0
    x *= 2.0
    x @= np.array([1.0, 10.0])
    x.backward()
    assert (leaf.data.tolist(), leaf.grad.tolist(), x.item()) == ([3.0, 4.0], [2.0, 20.0], 108.0)


@pytest.mark.parametrize(
    ("node", "text"),
    [
        (Array(3), "Array(3.)"),
        (Array([1.0, 2.5], "x"), "Array([1. , 2.5], 'x')"),
        (Array(np.float32([1.0])), "Array([1.], dtype=float32)"),
        (Array(np.float32([[1.0], [2.0]]), "W"), "Array([[1.],\n       [2.]], dtype=float32, 'W')"),
        (ConstantArray([inf, nan]), "ConstantArray([inf, nan])"),
        (Array([]), "Array([])"),
    ],
)
def test_repr(node, text):
    assert repr(node) == f"{node}" == str(node) == text


def test_repr_of_many_numbers_is_short():
    assert len(repr(Array(np.zeros((1000, 1000))))) < 1000


def test_format():
    """A format specification requires one element, in any shape."""
    assert f"{Array(3.14159):.2f} {Array([[2.5]]):5.1f}" == "3.14   2.5"
    assert f"{Array([1.0, 2.0])}" == "Array([1., 2.])"
    with pytest.raises(
        ValueError, match=r"'.1f' expects one element, got an array of shape \(2,\)"
    ):
        f"{Array([1.0, 2.0]):.1f}"


@pytest.mark.parametrize("data", [0.0, [], [1.0, 2.0]])
def test_an_array_is_neither_true_nor_false(data):
    with pytest.raises(TypeError, match="neither true nor false, got an array of shape"):
        bool(Array(data))


# ----------------------------------------------------------------------------------------- errors

R, C = np.ones((2, 3)), np.ones((4, 2))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Array(R) + C, ValueError, ["+ does not accept shapes (2, 3) and (4, 2)"]),
        (lambda: C - Array(R), ValueError, ["- does not accept shapes (4, 2) and (2, 3)"]),
        (lambda: Array(R) @ Array(R), ValueError, ["@ does not accept shapes (2, 3) and (2, 3)"]),
        (lambda: Array(R) @ 2.0, ValueError, ["@ does not accept shapes (2, 3) and ()"]),
        (lambda: Array(R).reshape(4, 2), ValueError,
         ["reshape does not accept shape (2, 3), shape=(4, 2)"]),
        (lambda: Array(R).reshape(-1, -1), ValueError, ["(2, 3)", "shape=(-1, -1)"]),
        (lambda: concatenate([Array(R), C]), ValueError,
         ["concatenate does not accept shapes (2, 3) and (4, 2), axis=0"]),
        (lambda: concatenate([Array(R), R], axis=2), ValueError, ["(2, 3) and (2, 3), axis=2"]),
        (lambda: concatenate([]), ValueError, ["concatenate expects at least one Array, got none"]),
        (lambda: concatenate([Array(R)], axis=None), TypeError, ["expects an integer axis", "None"]),
        (lambda: Array(R)[2], IndexError, ["getitem does not accept shape (2, 3), index=2"]),
        (lambda: Array(R)[0, 0, 0], IndexError, ["(2, 3)", "index=(0, 0, 0)", "too many"]),
        (lambda: Array(R)[np.ones(3, bool)], IndexError, ["(2, 3)", "index=<(3,)>"]),
        (lambda: Array(R)["a"], IndexError, ["(2, 3)", "index='a'"]),
        (lambda: Array(R).sum(axis=2), ValueError, ["sum does not accept shape (2, 3), axis=2"]),
        (lambda: Array(R).max(axis=(0, 0)), ValueError, ["max does not accept shape (2, 3)", "(0, 0)"]),
        (lambda: Array(R).transpose(0, 0), ValueError, ["transpose", "(2, 3)", "axes=(0, 0)"]),
        (lambda: Array(R).broadcast_to((3, 2)), ValueError, ["broadcast_to", "(2, 3)", "shape=(3, 2)"]),
        (lambda: Array(R).sum(axis=0.5), TypeError, ["sum does not accept shape (2, 3), axis=0.5"]),
        (lambda: Array(R).swapaxes(0, 2), ValueError, ["swapaxes", "(2, 3)", "first=0, second=2"]),
        (lambda: Array(R).squeeze(0), ValueError, ["squeeze does not accept shape (2, 3), axis=0"]),
        (lambda: Array(3.0).logsumexp(1), ValueError, ["logsumexp does not accept shape (), axis=1"]),
        (lambda: Array(R).softmax(axis=2), ValueError, ["softmax", "(2, 3)", "axis=2"]),
        (lambda: LINEAR(Array(R), C, np.ones(4)), ValueError,
         ["linear does not accept shapes (2, 3) and (4, 2) and (4,)"]),
        (lambda: where(Array(R) > 0, Array(R), C), ValueError,
         ["where does not accept shapes (2, 3) and (2, 3) and (4, 2)"]),
        (lambda: Array(R).clip(C, 1.0), ValueError, ["clip", "(2, 3) and (4, 2) and ()"]),
    ],
)  # fmt: skip
def test_errors_name_the_shapes(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert caught.value.__suppress_context__ or error is TypeError or "none" in words[0]


def test_equality_compares_data_with_numbers_and_arrays():
    """Between nodes it is identity."""
    x, y = Array([1.0, 2.0]), Array([1.0, 2.0])
    for out in [x == 2.0, np.array([7.0, 2.0]) == x, x == np.array([7, 2])]:
        np.testing.assert_array_equal(out, [False, True])
    np.testing.assert_array_equal(x != 2.0, [True, False])
    assert x == x
    assert x != y
    assert x not in [y, None, "x"]
    np.testing.assert_array_equal(where(x == 2.0, 0.0, x).data, [1.0, 0.0])


def test_equality_compares_data_with_lists_of_numbers():
    """As NumPy does; lists of nodes are compared by identity."""
    x = Array([1.0, 2.0])
    for other in ([7.0, 2], (7.0, np.float32(2.0)), [[0.0, 2.0], [True, 3]]):
        for out, want in ((x == other, x.data == other), (other == x, x.data == other)):
            np.testing.assert_array_equal(out, want)
        np.testing.assert_array_equal(x != other, x.data != other)
    for other in ([x, x], [[x]], (x, 1.0)):
        assert (x == other) is False
        assert (x != other) is True
    assert {x: 1}[x] == 1


def test_the_method_where_keeps_elements_where_the_condition_holds():
    """As PyTorch's method does."""
    x = Array([1.0, -2.0])
    out = x.where(x.data > 0, 10.0 * x)
    np.testing.assert_array_equal(out.data, [1.0, -20.0])
    out.sum().backward()
    np.testing.assert_array_equal(x.grad, [1.0, 10.0])
