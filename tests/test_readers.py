"""One rule table, many readers: rows run on arrays, nodes, names and symbols as they stand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Value, floats, softmax, topological
from engine.check import derivative
from engine.ndarrays import over_arrays
from engine.on_nodes import space
from engine.ops import ELEMENTWISE, TABLE, flat
from engine.readers import over
from strategies import DTYPES

# ---------------------------------------------------------------------------------- arithmetics

NODES = space(arrays=False)


class Text:
    """An expression that writes itself down."""

    def __init__(self, text):
        self.text = str(text)

    __str__ = __repr__ = lambda self: self.text


def operator(pattern):
    return lambda x, y="": Text(pattern.format(x, y))


SIGNS = {
    "add": "+", "sub": "-", "mul": "*", "gt": ">", "lt": "<", "ge": ">=", "le": "<=",
    "and": "&", "or": "|",
}  # fmt: skip
for name, sign in SIGNS.items():
    setattr(Text, f"__{name}__", operator(f"({{0}} {sign} {{1}})"))
    setattr(Text, f"__r{name}__", operator(f"({{1}} {sign} {{0}})"))
Text.__neg__, Text.__abs__ = operator("(-{0})"), operator("abs({0})")

NAMES = {
    name: lambda *args, name=name: Text(f"{name}({', '.join(map(str, args))})")
    for name in floats.__all__
}
SYMBOLS = {
    **NAMES,
    **dict.fromkeys((), NAMES["exp"]),
    "exp": operator("e^{0}"),
    "log": operator("ln {0}"),
    "divide": operator("{0}/{1}"),
    "square": operator("({0})²"),
    "held": operator("{0}"),  # what keeps a formula from overflowing is not said
}


# ---------------------------------------------------------------------------------------- tests

SMOOTH = {"acosh": [2.5], "clip": [0.4, -1.0, 1.0], "where": [1.0, 0.3, 0.7]}


def point(op):
    """Inputs at which the row and its slopes are smooth."""
    return SMOOTH.get(op.name, [0.3, 0.7][: len(op.partials)])


rows = pytest.mark.parametrize("op", ELEMENTWISE.values(), ids=ELEMENTWISE)


@rows
@given(data=st.data())
def test_arrays_give_what_floats_give(op, data):
    """Forward and slopes, element by element, to the few ulps by which NumPy's functions differ."""
    number = st.floats(-50.0, 50.0)
    xs = data.draw(st.tuples(*[st.lists(number, min_size=3, max_size=3) for _ in op.partials]))
    arrays = [np.array(x) for x in xs]
    row = over_arrays(op, np.dtype(np.float64))
    with np.errstate(all="ignore"):
        out = row.forward(*arrays)
        slopes = row.locals(out, *arrays)
    for k, each in enumerate(zip(*xs, strict=True)):
        want = op.forward(*each)
        at = lambda a, k=k: a if np.ndim(a) == 0 else a[k]
        np.testing.assert_allclose(at(out), want, rtol=4e-15, atol=1e-300)
        for slope, wanted in zip(slopes, op.locals(float(at(out)), *each), strict=True):
            np.testing.assert_allclose(at(slope), wanted, rtol=2e-13, atol=1e-15)


@rows
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (2,), (5000,)])
def test_arrays_keep_their_dtype(op, dtype, shape):
    """Results and slopes, however large; a slope that is one number for all stays a plain float."""
    arrays, row = [np.full(shape, x, dtype) for x in point(op)], over_arrays(op, np.dtype(dtype))
    out = row.forward(*arrays)
    assert (out.dtype, out.shape) == (dtype, shape)
    for slope in row.locals(out, *arrays):
        assert type(slope) is float or slope.dtype == dtype


@rows
def test_nodes_give_second_derivatives(op):
    """Slopes computed on nodes are graphs, and backward through them is the slope's derivative."""
    xs = point(op)
    for i, partial in enumerate(over(op, NODES).partials):
        inputs = [Value(x) for x in xs]
        slope = Value.lift(partial(op(*inputs), *inputs))
        assert slope.data == pytest.approx(op.partials[i](op.forward(*xs), *xs), rel=1e-14)
        slope.backward()
        for j, x in enumerate(inputs):

            def moved(t, i=i, j=j):
                at = [*xs[:j], t, *xs[j + 1 :]]
                return op.partials[i](op.forward(*at), *at)

            assert x.grad == pytest.approx(derivative(moved, xs[j]), rel=1e-8, abs=1e-8)


def test_nodes_give_second_derivatives_of_rows_over_sequences():
    """The slopes of logsumexp are softmax nodes, those of softmax made of rows."""
    xs = [Value(0.3), Value(-0.5), Value(1.1)]
    for name, args in [("logsumexp", (xs,)), ("softmax", (xs[0], xs[1:])), ("dot", (xs, xs, 1.0))]:
        op = TABLE[name]
        for slope in flat(over(op, NODES).locals(op(*args), *args)):
            assert isinstance(slope, Value | float)
    p, q, r = softmax(xs)
    slope = over(TABLE["logsumexp"], NODES).partials[0](None, xs)[0][0]
    slope.backward()
    got = [x.grad for x in xs]
    want = [p.data * (1 - p.data), -p.data * q.data, -p.data * r.data]
    assert got == pytest.approx(want, rel=1e-14)
    assert slope.op.name == "softmax"
    assert len(topological(slope)) == 4


@rows
@given(data=st.data())
def test_names_write_a_program_with_the_same_bits(op, data):
    """The row written as source text, compiled and run, gives the floats the row itself gives."""
    row, letters = over(op, NAMES), [f"x{i}" for i in range(len(op.partials))]
    xs = data.draw(st.tuples(*[st.floats() for _ in letters]))
    scope = {name: getattr(floats, name) for name in floats.__all__}
    scope["inf"] = math.inf
    scope |= dict(zip(letters, xs, strict=True))
    names = [Text(letter) for letter in letters]
    scope["out"] = out = op.forward(*xs)
    texts = [row.forward(*names), *row.locals(Text("out"), *names)]
    for text, want in zip(texts, [out, *op.locals(out, *xs)], strict=True):
        got = eval(str(text), scope)
        assert float(got).hex() == float(want).hex(), text


def test_symbols_print_the_formula():
    x, y, out = Text("x"), Text("y"), Text("out")
    tanh, mul, log = (over(TABLE[name], SYMBOLS) for name in ("tanh", "*", "log"))
    assert str(tanh.partials[0](out, x)) == "(1.0/cosh(x))²"
    assert [str(p(out, x, y)) for p in mul.partials] == ["y", "x"]
    assert (str(log.forward(x)), str(log.partials[0](out, x))) == ("ln x", "1.0/x")
