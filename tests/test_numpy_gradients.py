"""No function of NumPy returns numbers that were computed from an Array but have no gradient.

Each public function is called with Arrays in the place of arrays that it accepts. It must return
nodes with the right values and slopes, or results that do not change with the Arrays, or raise.
"""

import inspect
import warnings
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import numpy.polynomial as polynomials
import pytest

from engine import Array, ConstantArray, Value, grad, jit, where
from engine.node import Node
from engine.support.trees import leaves

MODULES = [
    np, np.ma, np.linalg, np.fft, np.emath, polynomials.polynomial, polynomials.chebyshev,
    polynomials.legendre, polynomials.hermite, polynomials.laguerre,
]  # fmt: skip
if find_spec("scipy"):
    MODULES.append(import_module("scipy.special"))
NO_NUMBERS = {  # functions that read or write files, print, or change settings
    "errstate", "printoptions", "set_printoptions", "setbufsize", "seterr", "seterrcall",
    "fromfile", "fromregex", "genfromtxt", "info", "load", "loadtxt", "memmap", "save", "savetxt",
    "savez", "savez_compressed", "show_config", "show_runtime", "test",
}  # fmt: skip
# NumPy offers no way to intercept these: `docs/tour.md` lists them.
READS_DATA = {"ma.getdata", "ma.median"}
OTHER_VALUES = {"polynomial.polynomial.polyvalfromroots"}
# The edges of a histogram are constants; the others return memory that is not initialized.
NOT_CHECKED = {"histogram", "empty", "empty_like", "ndarray", "ma.empty", "ma.empty_like"}
VECTOR, MATRIX = (
    np.array([0.31, 0.72, 0.55]),
    np.array([[0.3, 0.7, 0.2], [0.6, 0.1, 0.4], [0.25, 0.35, 0.9]]),
)
STEP = np.array([0.011, -0.007, 0.013])  # of a change
NUMBERS, PLACES, CHOICE = (
    np.array([1.5, 2.5, 3.5]),
    np.array([0, 2, 1]),
    np.array([True, False, True]),
)
HIDDEN = np.ma.array([1.5, 2.5, 3.5], mask=[False, True, False])
CALLS = [  # of a function f, with a vector x, a matrix X, a number s
    "f(x)", "f(X)", "f(s)", "f([x, x])", "f([s, s])", "f(x, x)", "f(X, X)", "f(X, x)", "f(x, n())", "f(n(), x)",
    "f(n(), s)", "f(s, n())", "f(s, 2)", "f(2, s)", "f(2, x)", "f(x, 1)", "f(X, 1)", "f(x, i)", "f(i, x)", "f(c, x)",
    "f(c, x, x)", "f(c, x, n())", "f(i, n(), x)", "f(x, i, x)", "f(x, i, 0)", "f(x, 1, s)", "f(i, n(), s, s)",
    "f(x, n(), n())", "f(x, s, s)", "f(2, 2, x)", "f(n(), weights=x)", "f(i, weights=x)", "f(n(), bins=x)",
    "f(x, density=True)", "f(n(), n(), weights=x)", "f([c], [x], s)", "f(3, s)", "f((3,), s)", "f('i,i', x, x)",
    "f(lambda *i: s * 1.0, (2,))", "f(HIDDEN, x)", "f(x, HIDDEN)", "f(HIDDEN.filled(0.5), x)",
]  # fmt: skip


def public_functions():
    """Return the functions of NumPy by name."""
    functions = {}
    for module in MODULES:
        prefix = module.__name__.removeprefix("numpy").removeprefix(".")
        for name in dir(module):
            f = getattr(module, name)
            is_class = isinstance(f, type) and issubclass(f, Exception | np.generic)
            if name[0] != "_" and name not in NO_NUMBERS and callable(f) and not is_class:
                functions[f"{prefix}.{name}".removeprefix(".")] = f
    return functions


FUNCTIONS = public_functions()


def evaluate(f, call, make):
    """Return the result of a call, with arrays that `make` returns for the vector and the matrix."""
    names = {
        "f": f,
        "n": NUMBERS.copy,
        "i": PLACES.copy(),
        "c": CHOICE.copy(),
        "HIDDEN": HIDDEN.copy(),
    }
    x, X = make(VECTOR), make(MATRIX)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return flat(eval(call, names | {"x": x, "X": X, "s": x[0]})), (x, X)


def flat(result):
    return leaves(list(result) if isinstance(result, tuple) else result)


def try_call(f, call, make):
    """Return the result of a call, or None if it raises."""
    try:
        return evaluate(f, call, make)[0]
    except Exception:  # each function has its own errors
        return None


def are_equal(a, b):
    return np.array_equal(np.asarray(a), np.asarray(b), equal_nan=np.asarray(a).dtype.kind in "fc")


def floats(x):
    """Return the floats of a result, or None."""
    if isinstance(x, np.ma.MaskedArray):
        x = x.filled(0)
    is_float = not isinstance(x, Node) and getattr(getattr(x, "dtype", None), "kind", "?") in "fc"
    return x if is_float or isinstance(x, float | complex) else None


def shifted(t):
    return lambda data: data + t * STEP


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_function_of_numpy_keeps_the_graph_or_raises(name):
    f = FUNCTIONS[name]
    for call in CALLS:
        before, after = (try_call(f, call, shifted(t)) for t in (0.0, 1.0))
        if before is None or after is None:  # not a call of this function
            continue
        got, changed = try_call(f, call, Array), try_call(f, call, lambda data: Array(data + STEP))
        if got is None or changed is None:
            continue
        for x, y in zip(map(floats, got), map(floats, changed), strict=True):
            if x is not None and name not in READS_DATA | NOT_CHECKED:
                assert are_equal(x, y), f"{call} returns floats that depend on x"
        if any(isinstance(x, Node) for x in got) and name not in OTHER_VALUES:
            check_slopes(f, call, before)


def check_slopes(f, call, numbers):
    """Check the values and the slope of nodes along one direction against a difference of NumPy's."""
    got, (x, X) = evaluate(f, call, Array)
    assert len(got) == len(numbers), call
    total, h, difference = Array(0.0), 1e-6, 0.0
    ahead, behind = (evaluate(f, call, shifted(t))[0] for t in (h, -h))
    for node, number, after, before in zip(got, numbers, ahead, behind, strict=True):
        if isinstance(node, Node):
            np.testing.assert_allclose(node.data, number, rtol=1e-10, atol=1e-12, err_msg=call)
            weights = np.linspace(0.5, 1.5, node.size).reshape(node.shape)
            total = total + (node * weights).sum()
            with np.errstate(all="ignore"):
                change = np.asarray(after, float) - np.asarray(before, float)
                difference += (change * weights).sum() / (2 * h)
    total.backward()
    slope = (x.grad * STEP).sum() + (X.grad * STEP).sum()
    if np.isfinite(difference) and abs(difference) < 1e3:  # not at a jump or a pole
        np.testing.assert_allclose(slope, difference, rtol=1e-4, atol=1e-6, err_msg=call)


# --------------------------------------------------------------------------- weights, filling


def test_weights_of_bincount_have_a_gradient():
    slope = grad(lambda w: (np.bincount([0, 1, 1], weights=w) * [1.0, 2.0]).sum())(np.ones(3))
    np.testing.assert_array_equal(slope, [1.0, 2.0, 2.0])
    w = Array([1.0, 2.0, 4.0])
    for places, least in [([2, 0, 2], 0), (np.array([0, 1, 1]), 5), ([0, 0, 0], 1)]:
        want = np.bincount(places, w.data, least)
        np.testing.assert_array_equal(np.bincount(places, w, least).data, want)
    np.testing.assert_array_equal(np.bincount(np.array([], int), Array([]), 2).data, [0.0, 0.0])
    for places, message in [
        ([0, 1], r"shapes \(2,\) and \(3,\)"), ([0, -1, 1], "integers of 0 or more"),
        ([0.0, 1.0, 1.0], "integers of 0 or more"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=rf"np\.bincount expects .*{message}"):
            np.bincount(places, weights=w)


def test_an_array_filled_with_an_element():
    x = Array([2.0, 3.0])
    y = np.full_like(x, x[0] * x[1], shape=(2, 2))
    y.sum().backward()
    np.testing.assert_array_equal(y.data, np.full((2, 2), 6.0))
    np.testing.assert_array_equal(x.grad, [12.0, 8.0])
    assert np.full_like(np.ones(2, np.float32), 2.0).dtype == np.float32
    assert np.full_like(x, x[0], dtype=np.float32).dtype == np.float32
    assert type(np.full_like(x, 3.0)) is np.ndarray


def test_results_are_not_written_into_a_node():
    with pytest.raises(TypeError, match=r"np\.argmax of nodes does not accept the argument out"):
        np.argmax(np.ones(2), out=Array(0.0))


def test_histograms_of_weights_are_refused():
    x, edges = Array([0.5, 1.5, 1.7]), [0.0, 1.0, 2.0]
    for settings in ({"weights": x}, {"density": True}):
        with pytest.raises(TypeError, match=r"without a gradient; np\.bincount\(np\.digitize\(x"):
            np.histogram(x, edges, **settings)
    np.testing.assert_array_equal(np.histogram(x, edges)[0], [1, 2])
    np.testing.assert_array_equal(np.histogram(x, edges, weights=[1, 2, 4])[0], [1, 6])
    constant = ConstantArray([1.0, 2.0, 4.0])  # no gradient is lost
    want = np.histogram(x.data, edges, weights=constant.data)[0]
    np.testing.assert_array_equal(np.histogram(x.data, edges, weights=constant)[0], want)
    np.testing.assert_array_equal(np.bincount(np.digitize(x.data, edges), constant).data[1:], want)


@pytest.mark.parametrize("f", [np.isnan, np.isfinite, np.signbit, np.logical_not, np.exp, np.modf])
def test_outputs_cannot_be_nodes(f):
    x = Array([1.0, 2.0])
    with pytest.raises(TypeError, match=r"of nodes does not accept the argument out"):
        f(x, *[x] * f.nout)
    with pytest.raises(TypeError, match=r"of nodes does not accept the argument out"):
        np.modf(x, np.zeros(2), np.zeros(2))
    bools = np.zeros(2, bool)
    assert np.isfinite(x, out=bools) is bools
    assert bools.all()


# ------------------------------------------------------------------------------- masked arrays


@pytest.mark.parametrize(
    "f",
    [
        lambda m, x: m - x, lambda m, x: m < x, lambda m, x: m == x, lambda m, x: m**x,
        lambda m, x: np.ma.log(x), lambda m, x: np.ma.where(m > 0.0, m, x),
        lambda m, x: np.ma.add(1.0, x), lambda m, x: np.ma.maximum(m, x),
    ],
)  # fmt: skip
@pytest.mark.parametrize("x", [Array([3.0, 3.0]), Value(3.0)])
def test_numpy_ma_would_lose_the_graph(f, x):
    for m in (np.ma.array([1.0, 2.0], mask=[False, True]), np.ma.array([1.0, 2.0])):
        with pytest.raises(TypeError, match=r"numpy\.ma would lose .* use .* m\.filled\(0\.0\)"):
            f(m, x)


def test_a_class_lists_no_attribute_that_raises():
    for x in (Value(1.0), Array([1.0])):
        assert "_mask" not in [*dir(x), *dir(type(x))]
        inspect.getmembers(x)


def test_masked_elements_are_refused():
    m, x, v = np.ma.array([1.0, 2.0], mask=[False, True]), Array([3.0, 3.0]), Value(3.0)
    for f in [
        lambda: x - m, lambda: x < m, lambda: x @ m, lambda: np.add(x, m), lambda: np.stack([x, m]),
        lambda: np.linspace(m, x, 3), lambda: where(x > 0.0, m, x), lambda: where(m, x, x),
        lambda: Array(m), lambda: ConstantArray(m), lambda: Array([m, m]), lambda: Array(m[1]),
        lambda: setattr(x, "data", m), lambda: setattr(x, "grad", m), lambda: x + m[1],
        lambda: v + m[1], lambda: Value(m[1]), lambda: setattr(v, "data", m[1]),
        lambda: jit(lambda x, m: (x * m).sum(), [x])(x, m),
        lambda: grad(lambda y: (y * m).sum())(np.ones(2)), lambda: grad(lambda y: y.sum())(m),
    ]:  # fmt: skip
        with pytest.raises(TypeError, match=r"a masked array m with 1 masked element; .*\.filled"):
            f()
    whole = np.ma.array([1.0, 2.0])
    np.testing.assert_array_equal((x - whole).data, [2.0, 1.0])
    np.testing.assert_array_equal(Array(whole).data, [1.0, 2.0])
    chosen = where(m.mask, 0.0, (m.filled(0.0) - x) ** 2)  # as the message says
    assert chosen.sum().data == ((m - x.data) ** 2).sum() == 4.0
