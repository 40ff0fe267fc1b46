"""A user's row works with every reader; the gradient check names a wrong one."""

import math
from contextlib import nullcontext

import numpy as np
import pytest

from engine import (
    Array,
    ArrayOp,
    GradientMismatch,
    ManyOp,
    Op,
    Tape,
    Value,
    check_gradients,
    explain,
    grad,
    hessian,
    jvp,
    mistakes,
    walk,
)  # fmt: skip
from engine.arithmetic import divide, sqrt
from engine.draw import draw, step
from engine.draw.formulas import symbols
from engine.formulas import square
from engine.rules import TABLE
from engine.sequences.rules import multiply_add
from javascript import read_views

SOFTSIGN = Op(
    "softsign",
    lambda x: divide(x, 1.0 + abs(x)),
    lambda out, x: square(divide(1.0, 1.0 + abs(x))),
)
BLEND = Op(
    "blend",  # x where t is 1, y where it is 0
    lambda x, y, t: t * x + (1.0 - t) * y,
    lambda out, x, y, t: t,
    lambda out, x, y, t: 1.0 - t,
    lambda out, x, y, t: x - y,
)
NORM = ManyOp(
    "norm",
    lambda xs: sqrt(multiply_add(xs, xs, 0.0)),
    lambda out, xs: ([divide(x, out) for x in xs],),
)

CASES = {
    "softsign": (SOFTSIGN, lambda xs: SOFTSIGN(xs[0]), [-1.5]),
    "blend": (BLEND, lambda xs: BLEND(*xs), [2.0, -1.0, 0.25]),
    "norm": (NORM, lambda xs: NORM(xs), [3.0, -4.0, 12.0]),
}
own = pytest.mark.parametrize(("op", "f", "at"), CASES.values(), ids=CASES)
elementwise = pytest.mark.parametrize(
    ("op", "f", "at"), [CASES["softsign"], CASES["blend"]], ids=["softsign", "blend"]
)


def leaves(at):
    return [Value(x, f"x{i}") for i, x in enumerate(at)]


@own
def test_values_and_the_check(op, f, at):
    assert op.name not in TABLE
    xs = leaves(at)
    y = f(xs)
    assert y.op is op
    check_gradients(lambda *xs: f(xs), at=at)
    y.backward()
    assert [x.grad for x in xs] == grad(f(xs), xs)


@elementwise
def test_arrays(op, f, at):
    """Elements and gradients equal those of Values."""
    many = [np.array([x, 0.0, -x, 0.3]) for x in at]
    arrays = [Array(x) for x in many]
    y = f(arrays)
    y.sum().backward()
    for i, numbers in enumerate(zip(*many, strict=True)):
        xs = leaves(numbers)
        one = f(xs)
        one.backward()
        assert y.data[i] == one.data
        assert [x.grad[i] for x in arrays] == [x.grad for x in xs]
    check_gradients(lambda: f(arrays).sum(), at=arrays)


@own
def test_derivatives_of_derivatives(op, f, at):
    """Second derivatives agree with differences, and forward mode with reverse mode."""
    second, h = hessian(f(xs := leaves(at)), xs), 1e-6
    for j in range(len(at)):
        ends = []
        for sign in (1.0, -1.0):
            moved = leaves([x + sign * h * (i == j) for i, x in enumerate(at)])
            ends.append(np.array(grad(f(moved), moved)))
        np.testing.assert_allclose(second[:, j], (ends[0] - ends[1]) / (2.0 * h), atol=1e-8)
    ahead = [jvp(f(xs), xs, list(unit)) for unit in np.eye(len(at))]
    assert ahead == pytest.approx(grad(f(xs), xs), rel=1e-15)
    slope = grad(f(xs), xs[0], create_graph=True)
    assert "softsign" not in draw(slope).dot  # its graph consists of the row's parts


@own
def test_a_tape_to_the_bits(op, f, at):
    """The bits are equal at the recorded numbers and at others."""
    pytest.importorskip("numba")
    xs = leaves(at)
    tape = Tape(f(xs).tanh())
    assert "divide" in tape.source() or op is BLEND
    for factor in (1.0, -0.7):
        other = leaves([factor * x for x in at])
        y = f(other).tanh()
        y.backward()
        tape.flat.data = [x.data for x in other]
        assert tape.forward() == y.data
        tape.backward()
        assert tape.flat.grad.tolist() == [x.grad for x in other]


@own
def test_drawing_formula_and_words(op, f, at):
    """The name is in the drawing, in the stepper's page and in the paths of a gradient."""
    xs = leaves(at)
    with_others = f(xs) * 2.0
    assert f">{op.name}<" in draw(with_others, locals=True).svg
    page = str(read_views(step(with_others).html))
    assert op.name in page
    assert "mfrac" in page or op is BLEND  # its local derivatives are fractions
    assert op.name in str(explain(with_others, xs[0]))
    assert mistakes(with_others)
    steps = {s.node.op: s for s in walk(with_others)}
    assert [s.local for s in steps[op].sent] == [g / 2.0 for g in grad(with_others, xs)]


WRONG = {
    "slope": Op("softsign", SOFTSIGN.forward, lambda out, x: divide(1.0, 1.0 + abs(x))),
    "sign": Op("blend", BLEND.forward, *BLEND.partials[:2], lambda out, x, y, t: y - x),
    "many": ManyOp("norm", NORM.forward, lambda out, xs: ([x * out for x in xs],)),
}


@pytest.mark.parametrize("op", WRONG.values(), ids=WRONG)
def test_a_wrong_row_is_named(op):
    _, _, at = CASES[op.name]
    wrong = (lambda *xs: op(xs).exp()) if isinstance(op, ManyOp) else lambda *xs: op(*xs).exp()
    with pytest.raises(GradientMismatch, match=op.name):
        check_gradients(wrong, at=[x / 10.0 for x in at])


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (lambda: Op("f", lambda x, y: x, lambda out, x, y: 1.0), "1 partial derivative, so each formula must take 1 input; one takes x, y"),
        (lambda: Op("f", lambda x: x, lambda x: 1.0), "each slope must take out and 1 input; one takes x"),
        (lambda: ManyOp("f", lambda xs: xs[0], lambda xs: (xs,)), "the function of the slopes must take out"),
    ],
)  # fmt: skip
def test_a_row_with_too_many_arguments_or_too_few(row, says):
    with pytest.raises(ValueError, match=f"^f.*{says}"):
        row()


@pytest.mark.parametrize("x", [Value(1.0), Array([1.0, 2.0])])
@pytest.mark.parametrize(
    "op",
    [
        Op("mine", lambda x: x + None, lambda out, x: 1.0),
        Op("mine", lambda x: x, lambda out, x: None),
        Op("mine", lambda x: x, lambda out, x: np.ones(3)),
        Op("mine", lambda x: np.ones(3), lambda out, x: 1.0),
    ],
)
def test_an_error_in_a_row_names_it(op, x):
    with pytest.raises((TypeError, ValueError)) as raised:
        (op(x) * x).backward() if isinstance(x, Value) else op(x).sum().backward()
    assert "'mine'" in raised.value.__notes__[0]


# Functions of this module with names that the engine uses for others.


def relu(x):
    return x * x * x


def exp(x):
    return 1.0 + x + 0.5 * x * x


sigmoid = 3.0

OTHERS = {
    "relu": Op("fourth", lambda x: x * relu(x), lambda out, x: 4.0 * relu(x)),
    "exp": Op("taylor", lambda x: exp(x), lambda out, x: 1.0 + x),
    "sigmoid": Op("scaled", lambda x: sigmoid * x * x, lambda out, x: 2.0 * sigmoid * x),
}


@pytest.mark.parametrize(("name", "op"), OTHERS.items(), ids=OTHERS)
def test_a_users_function_with_a_name_of_the_engine(name, op):
    x, a = Value(2.0, "x"), Array([2.0, -1.0])
    assert op(a).data.tolist() == [op(Value(number)).data for number in (2.0, -1.0)]
    check_gradients(lambda: op(x), at=[x])
    check_gradients(lambda: op(a).sum(), at=[a])
    second = {"relu": 48.0, "exp": 1.0, "sigmoid": 6.0}[name]
    assert hessian(op(x), x) == second
    assert "e^" not in str(symbols.build_formula(op, [symbols.make_name("x")]))
    pytest.importorskip("numba")
    assert Tape(op(x).tanh()).forward() == op(x).tanh().data


def test_a_row_that_exec_made():
    """The helper of its formula does not belong to a module."""
    made = {"Op": Op}
    exec(
        "def half(x): return 0.5 * x\nrow = Op('half', lambda x: half(x), lambda out, x: 0.5)", made
    )
    row = made["row"]
    assert row(Array([1.0, 2.0])).data.tolist() == [0.5, 1.0]
    assert str(symbols.build_formula(row, [symbols.make_name("x")])) == "0.5 · x"


def test_a_users_row_in_the_table_is_still_a_users(monkeypatch):
    def risen(x):
        x += 1.0
        return x

    row = Op("risen", risen, lambda out, x: math.floor(x) * 0.0 + 1.0)
    monkeypatch.setitem(TABLE, "risen", row)
    with pytest.raises(ValueError, match="read-only"):
        row(Array([1.0, 2.0]))
    assert [
        str(x)
        for x in symbols.build_partials(row, symbols.make_name("out"), [symbols.make_name("x")])
    ] == ["risen′(x)"]


class Scale:
    by = 3.0

    def forward(self, x):
        return self.by * x

    def slope(self, out, x):
        return self.by

    def most(self, xs):
        return self.by * xs[0]

    def slopes(self, out, xs):
        return ([self.by] + [0.0] * (len(xs) - 1),)


def test_methods_are_rows_too():
    x, scale = Value(2.0), Scale()
    assert grad(Op("scale", scale.forward, scale.slope)(x), x) == 3.0
    assert grad(ManyOp("most", scale.most, scale.slopes)([x, x]), x) == 3.0
    with pytest.raises(ValueError, match="each formula must take 1 input; one takes out, x"):
        Op("scale", scale.slope, scale.slope)


def test_a_row_cannot_change_its_inputs():
    def raised(x):
        x += 1.0
        return x

    for row, error in [
        (raised, pytest.raises(ValueError, match="read-only")),
        (lambda x: x, nullcontext()),
    ]:
        a = Array([1.0, 2.0])
        with error:
            y = Op("mine", row, lambda out, x: 1.0)(a)
            a.data += 1.0
            assert y.data.tolist() == [1.0, 2.0]
        assert a.data[0] in (1.0, 2.0)


def test_an_array_row_that_fails_is_named():
    for row in (
        ArrayOp("mine", lambda x: 1 // 0, lambda g, out, x: g),
        ArrayOp("mine", lambda x: x * 1.0, lambda g, out, x: 1 // 0),
        ArrayOp("mine", lambda x: x * 1.0, lambda g, out, x: None),
        ArrayOp("mine", lambda x: x * 1.0, lambda g, out, x: np.ones(3)),
    ):
        with pytest.raises((ArithmeticError, AttributeError, ValueError)) as failed:
            row(Array([1.0, 2.0])).sum().backward()
        assert "'mine'" in failed.value.__notes__[0]


@pytest.mark.parametrize("slope", [np.ones(3), np.ones((2, 1)), np.ones((1, 2))])
def test_a_slope_of_another_shape_is_not_broadcast(slope):
    y = Op("mine", lambda x: x, lambda out, x: slope)(Array([1.0, 2.0]))
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        y.sum().backward()
    assert raised.value.__notes__ == ["in the derivative of row 'mine' for its input 0"]


def test_a_row_that_mixes_elements_must_be_an_array_row():
    with pytest.raises(
        ValueError,
        match=r"'mine' works element by element, .* should have shape \(2,\), got shape \(\)",
    ):
        Op("mine", lambda x: x.sum(), lambda out, x: 1.0)(Array([1.0, 2.0]))


def test_a_row_that_leaves_the_graph():
    """First derivatives use numbers. Derivatives that are graphs require a row that runs on nodes."""
    mine = Op("mine", lambda x: math.exp(x), lambda out, x: math.exp(x))
    x = Value(0.5, "x")
    assert grad(mine(x), x) == math.exp(0.5)
    with pytest.raises(TypeError, match=r"row 'mine' .*engine\.arithmetic"):
        grad(mine(x), x, create_graph=True)


@pytest.mark.parametrize(
    ("op", "formula", "slope"),
    [
        (Op("mysin", lambda x: math.sin(x), lambda out, x: math.cos(x)), "mysin(x)", "mysin′(x)"),
        (Op("npsin", np.sin, lambda out, x: np.cos(x)), "npsin(x)", "npsin′(x)"),
        (
            Op("ramp", lambda x: x if x > 0 else 0.0, lambda out, x: float(x > 0)),
            "ramp(x)",
            "ramp′(x)",
        ),
        (
            Op("method", lambda x: x.__round__(2), lambda out, x: 1.0 if x.is_integer() else 0.0),
            "method(x)",
            "method′(x)",
        ),
        (Op("fourth", lambda x: x**4, lambda out, x: 4 * x**3), "x^4", "4 · x³"),
        (Op("inverse", lambda x: 1 / x, lambda out, x: -1 / x**2), "1 / x", "−1 / x²"),
    ],
    ids=lambda x: getattr(x, "name", None),
)
def test_a_row_of_any_python_is_drawn_and_stepped(op, formula, slope):
    """Its formula is its name, applied to inputs, if Python's functions do not accept symbols."""
    x = symbols.make_name("x")
    assert str(symbols.build_formula(op, [x])) == formula
    assert [str(part) for part in symbols.build_partials(op, symbols.make_name("out"), [x])] == [
        slope
    ]
    y = op(Value(0.5, "x"))
    assert op.name in step(y).html
    assert op.name in draw(y, locals=True).svg


def test_a_row_that_branches_names_where_on_arrays():
    """NumPy's error about the truth value of an array does not mention the remedy."""
    for f in (lambda x: x if x > 0.0 else 0.0, lambda x: max(x, 0.0)):
        row = Op("mine", f, lambda out, x: 1.0)
        assert row(Value(2.0)).data == 2.0
        with pytest.raises(TypeError, match=r"row 'mine' does not run on arrays: .*where\("):
            row(Array([1.0, 2.0]))
