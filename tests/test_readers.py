"""The same rows on floats, arrays, nodes, source text and symbols."""

import functools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Array, Op, Tape, Value, arithmetic, grad, softmax, topological
from engine.arithmetic import divide, exp, where
from engine.derivatives.numerical import derivative
from engine.draw.formulas import symbols
from engine.rules import ELEMENTWISE, LOG, MUL, TABLE, TANH, flatten
from engine.sequences.rules import SOFTMAX
from strategies import DTYPES, batches, examples

# ---------------------------------------------------------------------------------- arithmetics


class Text:
    """An expression that is written as Python source."""

    def __init__(self, text):
        self.text = str(text)

    __str__ = __repr__ = lambda self: self.text


class Formula(Text):
    """An expression that is written as in a textbook."""


def operator(kind, pattern):
    return lambda x, y="": kind(pattern.format(x, y))


SIGNS = {
    "add": "+", "sub": "-", "mul": "*", "gt": ">", "lt": "<", "ge": ">=", "le": "<=",
    "and": "&", "or": "|",
}  # fmt: skip
for kind in (Text, Formula):
    for name, sign in SIGNS.items():
        setattr(kind, f"__{name}__", operator(kind, f"({{0}} {sign} {{1}})"))
        setattr(kind, f"__r{name}__", operator(kind, f"({{1}} {sign} {{0}})"))
    kind.__neg__, kind.__abs__ = operator(kind, "(-{0})"), operator(kind, "abs({0})")


def called(kind, name):
    return lambda *args: kind(f"{name}({', '.join(map(str, args))})")


arithmetic.register(Text, {name: called(Text, name) for name in arithmetic.__all__})
arithmetic.register(
    Formula,
    {
        **{name: called(Formula, name) for name in arithmetic.__all__},
        "exp": operator(Formula, "e^{0}"),
        "log": operator(Formula, "ln {0}"),
        "divide": operator(Formula, "{0}/{1}"),
        "square": operator(Formula, "({0})²"),
    },
)


# ---------------------------------------------------------------------------------------- tests

SMOOTH = {"acosh": [2.5], "clip": [0.4, -1.0, 1.0], "where": [1.0, 0.3, 0.7]}


def point(op):
    """Draw inputs at which the row and its slopes are smooth."""
    return SMOOTH.get(op.name, [0.3, 0.7, 1.2][: len(op.partials)])


rows = pytest.mark.parametrize("op", ELEMENTWISE.values(), ids=ELEMENTWISE)


@rows
@examples(8)
@given(data=st.data())
def test_arrays_give_what_floats_give(op, data):
    """Results and slopes agree for each element, to the few ulps by which NumPy's functions differ."""
    number, n = st.floats(-50.0, 50.0), 15
    columns = data.draw(batches(*[number] * len(op.partials), size=n))
    arrays = list(np.transpose(columns))
    with np.errstate(all="ignore"):
        out = op.forward(*arrays)
        slopes = op.locals(out, *arrays)
    out = np.broadcast_to(out, n)
    np.testing.assert_allclose(out, [op.forward(*x) for x in columns], rtol=4e-15, atol=1e-300)
    wanted = [op.locals(float(y), *x) for y, x in zip(out, columns, strict=True)]
    for slope, want in zip(slopes, zip(*wanted, strict=True), strict=True):
        np.testing.assert_allclose(np.broadcast_to(slope, n), want, rtol=2e-13, atol=1e-15)


@rows
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (2,), (5000,)])
def test_arrays_keep_their_dtype(op, dtype, shape):
    """Results and slopes agree for large arrays; a slope that is one number stays a float."""
    y = op(*[Array(np.full(shape, x, dtype)) for x in point(op)])
    assert (y.data.dtype, y.shape) == (dtype, shape)
    for slope in y.locals:
        assert type(slope) is float or slope.dtype == dtype


@rows
def test_nodes_give_second_derivatives(op):
    """Slopes computed on nodes are graphs, and backward computes their derivatives."""
    xs = point(op)
    for i, partial in enumerate(op.partials):
        inputs = [Value(x) for x in xs]
        slope = Value.lift(partial(op(*inputs), *inputs))
        assert slope.data == pytest.approx(op.partials[i](op.forward(*xs), *xs), rel=1e-14)
        if not slope.constant:
            slope.backward()
        for j, x in enumerate(inputs):

            def moved(t, i=i, j=j):
                at = [*xs[:j], t, *xs[j + 1 :]]
                return op.partials[i](op.forward(*at), *at)

            assert x.grad == pytest.approx(derivative(moved, xs[j]), rel=1e-8, abs=1e-8)


def test_nodes_give_second_derivatives_of_rows_over_sequences():
    """The slopes of logsumexp are the results of one softmax."""
    xs = [Value(0.3), Value(-0.5), Value(1.1)]
    for name, args in [("logsumexp", (xs,)), ("dot", (xs, xs, 1.0))]:
        op = TABLE[name]
        for slope in flatten(op.locals(op(*args), *args)):
            assert isinstance(slope, Value | float)
    p, q, r = softmax(xs)
    slope = TABLE["logsumexp"].partials[0](None, xs)[0][0]
    slope.backward()
    got = [x.grad for x in xs]
    want = [p.data * (1 - p.data), -p.data * q.data, -p.data * r.data]
    assert got == pytest.approx(want, rel=1e-14)
    assert slope.inputs[0].op is SOFTMAX
    assert len(topological(slope)) == 5


@functools.cache
def programs_of(op, letters):
    """Return a row's formula and slopes, written as source text and compiled."""
    names = [Text(letter) for letter in letters]
    texts = [op.forward(*names), *op.locals(Text("out"), *names)]
    return [compile(str(text), str(text), "eval") for text in texts]


@rows
@examples(20)
@given(data=st.data())
def test_texts_write_a_program_with_the_same_bits(op, data):
    """The row, written as source text and compiled, computes the same floats."""
    letters = tuple(f"x{i}" for i in range(len(op.partials)))
    scope = {name: getattr(arithmetic, name) for name in arithmetic.__all__} | {
        "inf": math.inf,
        "nan": math.nan,
    }
    for xs in data.draw(batches(*[st.floats()] * len(letters)), label="inputs"):
        out = op.forward(*xs)
        scope |= {"out": out, **dict(zip(letters, xs, strict=True))}
        wanted = [out, *op.locals(out, *xs)]
        for program, want in zip(programs_of(op, letters), wanted, strict=True):
            got = eval(program, scope)
            assert float(got).hex() == float(want).hex(), program.co_filename


def test_an_arithmetic_may_know_a_helper_better():
    x, y, out = Formula("x"), Formula("y"), Formula("out")
    assert str(TANH.partials[0](out, x)) == "(1.0/cosh(x))²"
    assert [str(p(out, x, y)) for p in MUL.partials] == ["y", "x"]
    assert (str(LOG.forward(x)), str(LOG.partials[0](out, x))) == ("ln x", "1.0/x")
    assert str(TANH.partials[0](Text("out"), Text("x"))).startswith("(divide(1.0, cosh(x)) * ")


# ------------------------------------------------------------- rows made of every kind of function


def a_closure():
    f = exp
    return lambda x: divide(1.0, 1.0 + f(-x))


class Namespace:
    exp = staticmethod(exp)


class Callable:
    def __call__(self, x):
        return divide(1.0, 1.0 + exp(-x))


def general(one, x):
    return divide(one, one + exp(-x))


def with_default(x, f=exp):
    return divide(1.0, 1.0 + f(-x))


SLOPES = {
    "closure": a_closure(),
    "attribute": lambda x: divide(1.0, 1.0 + Namespace.exp(-x)),
    "module": lambda x: arithmetic.divide(1.0, 1.0 + arithmetic.exp(-x)),
    "partial": functools.partial(general, 1.0),
    "default": lambda x: with_default(x),
    "callable": Callable(),
}


@pytest.mark.parametrize("sigma", SLOPES.values(), ids=SLOPES)
def test_a_row_of_any_kind_of_function_runs_in_every_arithmetic(sigma):
    op = Op("mine", sigma, lambda out, x: sigma(x) * sigma(-x))
    x, a = Value(0.5, "x"), Array([0.5, -2.0])
    y, b = op(x), op(a)
    y.backward()
    b.sum().backward()
    assert b.data[0] == pytest.approx(y.data, rel=1e-15)
    assert a.grad[0] == pytest.approx(x.grad, rel=1e-15)
    s = y.data
    assert grad(grad(op(x), x, create_graph=True), x) == pytest.approx(s * (1 - s) * (1 - 2 * s))
    second = grad(grad(op(a).sum(), a, create_graph=True).sum(), a)
    assert second[0] == pytest.approx(s * (1 - s) * (1 - 2 * s))
    assert str(symbols.build_formula(op, [symbols.make_name("x")])) == "1 / (1 + e^(−x))"
    pytest.importorskip("numba")
    assert Tape(op(x)).forward() == y.data


def helped(x):
    return 2.0 * math.sin(x)


FOREIGN = {
    "math.exp": (lambda x: math.exp(x), r"math\.exp\(x\)"),
    "math.sin in a helper": (helped, r"math\.sin\(x\)"),
}


@pytest.mark.parametrize(("f", "call"), FOREIGN.values(), ids=FOREIGN)
def test_a_function_that_no_arithmetic_knows_is_named(f, call):
    """The error names the row, the call and the remedy. On floats the row works."""
    op, x = Op("mine", f, lambda out, x: f(x)), Value(1.0)
    says = pytest.raises(TypeError, match=rf"row 'mine' .*{call}: .*engine\.arithmetic")
    assert op(x).data == f(1.0)
    with says:
        op(Array([1.0, 2.0]))
    with says:
        grad(op(x), x, create_graph=True)
    pytest.importorskip("numba")
    with says:
        Tape(op(x))


def test_a_slope_that_no_arithmetic_knows_is_named():
    op = Op("mine", lambda x: x * x, lambda out, x: math.exp(x))
    y = op(Array([1.0, 2.0])).sum()
    with pytest.raises(TypeError, match=r"row 'mine' .*math\.exp\(x\): .*engine\.arithmetic"):
        y.backward()


def test_the_highest_rank_answers():
    """Nodes, arrays and numbers as mixed arguments, and a type that is registered late."""

    class Late(float): ...

    assert exp(Late(0.0)) == 1.0
    arithmetic.register(Late, {"exp": lambda x: "late"})
    assert exp(Late(0.0)) == "late"
    assert isinstance(divide(np.ones(2), Array([1.0, 2.0])), Array)
    assert isinstance(where(np.array([True, False]), Array([1.0, 2.0]), 0.0), Array)
    assert isinstance(divide(1.0, np.ones(2)), np.ndarray)
    with pytest.raises(TypeError, match="log is not defined for Late"):
        arithmetic.log(Late(1.0))


def test_a_condition_of_numpy_chooses_by_its_truth():
    mask, x = np.array([False]), Value(3.0)
    op = Op("mine", lambda x: x * x, lambda out, x: where(mask[0], x, 2.0 * x))
    assert grad(op(x), x) == grad(op(x), x, create_graph=True).data == 6.0


def test_numpy_is_registered_once():
    kinds = [np.float64(1), np.float32(1), np.int64(1), np.ones(2)]
    before = [arithmetic.KNOWN[type(x)] for x in kinds]
    for x in kinds * 3:
        exp(x)
    assert [arithmetic.KNOWN[type(x)] for x in kinds] == before
    assert arithmetic.erf(np.array([1, 2])) == pytest.approx([math.erf(1), math.erf(2)])
    assert arithmetic.erf(np.int64(1)) == math.erf(1)
