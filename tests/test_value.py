"""`Value` for its users: arguments, results and errors."""

import copy
import inspect
import math
import operator
import pickle
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import (
    Array,
    Constant,
    ManyOp,
    Op,
    Tape,
    Value,
    dot,
    grad,
    hessian,
    hvp,
    logsumexp,
    maximum,
    no_grad,
    record_origins,
    softmax,
    total,
    where,
)
from engine.methods import Methods
from engine.rules import ELEMENTWISE, TABLE
from strategies import any_float, batches, examples, inf, nan

ARITHMETIC = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
COMPARISONS = [operator.lt, operator.le, operator.gt, operator.ge]
arithmetic = pytest.mark.parametrize("f", ARITHMETIC)


class Metres(float):
    """A subclass of float."""


NUMBERS = [
    2, -3, 0.5, True, Fraction(5, 4), Metres(1.5),
    np.float64(0.5), np.float32(0.5), np.float16(0.5), np.longdouble(0.5), np.bool_(True),
    np.int8(3), np.uint64(3), np.int64(3), np.array(0.5), np.array(3), np.array(True),
]  # fmt: skip
numbers = pytest.mark.parametrize("number", NUMBERS, ids=lambda x: f"{type(x).__name__} {x}")

NOT_NUMBERS = [
    ("2", "the string '2'; convert it first"),
    (None, "None; does the function"),
    (2j, "the complex number 2j; take its .real"),
    (np.complex64(2j), "the complex number .*; take its .real"),
    ([2.0], "a list of 1; make one Value per element"),
    ((2.0, 3.0), "a tuple of 2; make one Value per element"),
    ({}, "a dict of 0; make one"),
    (np.array([2.0]), r"an array of shape \(1,\)"),
    (np.array([[2, 3]]), r"an array of shape \(1, 2\)"),
    (Decimal("2"), r".* of type Decimal; convert it with float\(\)"),
    (object(), r".* of type object; convert it with float\(\)"),
]
not_numbers = pytest.mark.parametrize(
    ("thing", "remedy"), NOT_NUMBERS, ids=[type(x).__name__ for x, _ in NOT_NUMBERS]
)


def gradients(root, *leaves):
    root.backward()
    return tuple(each.grad for each in leaves)


def bits(*numbers):
    return [x.hex() for x in numbers]


# ---------------------------------------------------------------------------------- what it takes


@numbers
def test_data_is_exactly_a_python_float(number):
    x = Value(1.0)
    for made in [Value(number), Constant(number), Value.lift(number)]:
        assert (type(made.data), made.data) == (float, float(number))
    x.data = x.grad = number
    assert (type(x.data), type(x.grad), x.data, x.grad) == (float, float, number, number)


@arithmetic
@numbers
def test_numbers_of_any_kind_on_either_side(f, number):
    """The result and the gradients are those of the same float."""
    for swap in [False, True]:
        sides = [[number, Value(1.5)], [Value(float(number)), Value(1.5)]]
        got, want = (f(*reversed(side)) if swap else f(*side) for side in sides)
        assert type(got) is Value
        assert type(got.data) is float
        slopes = gradients(got, sides[0][1]), gradients(want, sides[1][1])
        assert bits(got.data, *slopes[0]) == bits(want.data, *slopes[1])


@numbers
def test_numbers_of_any_kind_as_arguments(number):
    x = Value(0.25)
    for y in [x.maximum(number), x.clip(number, 9), x.leaky_relu(slope=number), x.hypot(number)]:
        assert type(y) is Value
        assert type(y.data) is float


@pytest.mark.parametrize("f", COMPARISONS)
@numbers
def test_comparisons_look_at_the_data(f, number):
    for x in [float(number), 0.75, nan]:
        assert f(Value(x), number) is f(x, float(number))
        assert f(number, Value(x)) is f(float(number), x)
        assert f(Value(x), Value(number)) is f(x, float(number))


@not_numbers
def test_what_is_not_a_real_number_is_refused(thing, remedy):
    """In the constructor, both setters, and as an argument of a method."""
    x = Value(1.0)
    for attempt in [
        lambda: Value(thing),
        lambda: setattr(x, "data", thing),
        lambda: setattr(x, "grad", thing),
        lambda: x.maximum(thing),
        lambda: x.elu(thing),
    ]:
        with pytest.raises(TypeError, match=f"a Value holds one real number, got {remedy}"):
            attempt()
    assert (x.data, x.grad) == (1.0, 0.0)


@pytest.mark.parametrize("f", ARITHMETIC + COMPARISONS)
@not_numbers
def test_what_is_not_a_real_number_is_refused_on_either_side(f, thing, remedy):
    for args in [(Value(1.0), thing), (thing, Value(1.0))]:
        with pytest.raises(TypeError, match=f"a Value holds one real number, got {remedy}"):
            f(*args)


def test_a_value_is_not_wrapped_twice():
    with pytest.raises(TypeError, match=r"Value\(2.0, 'x'\), which is already a node"):
        Value(Value(2.0, "x"))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("kind", [int, Fraction])
def test_numbers_beyond_the_floats_are_infinite(kind, sign):
    huge = kind(sign * 10**400)
    assert Value(huge).data == sign * inf
    assert (Value(1.0) + huge).data == sign * inf
    assert (huge * Value(1.0)).data == sign * inf
    assert (Value(1.0) < huge) is (sign > 0)


# ----------------------------------------------------------------------------------- what it gives


def test_ieee_754_never_an_exception_never_a_complex_number():
    x, zero, less = Value(1.0), Value(0.0), Value(-8.0)
    for got, want in [
        (Value(1000).exp(), inf),
        (x / zero, inf),
        (x / -0.0, -inf),
        (zero / zero, nan),
        (1 / zero, inf),
        (zero**-1, inf),
        (zero**0, 1.0),
        (0 ** (x - 1), 1.0),
        (less ** (1 / 3), nan),
        (less**2, 64.0),
        (Value(10) ** 400, inf),
        (less.log(), nan),
        (zero.log(), -inf),
        (less.sqrt(), nan),
        (Value(2).acos(), nan),
        (Value(inf) - inf, nan),
        (Value(1e308) * 10, inf),
        (Value(1e-308) * 1e-308, 0.0),
    ]:
        assert type(got.data) is float
        assert got.data == pytest.approx(want, nan_ok=True, abs=0)


SLOPES_AT_THE_ENDS = [  # function, input, result, slope
    (lambda x: x**0.5, 0.0, 0.0, inf),
    (lambda x: x.sqrt(), 0.0, 0.0, inf),
    (lambda x: x**0, 0.0, 1.0, 0.0),
    (lambda x: x**2, 0.0, 0.0, 0.0),
    (lambda x: x.exp(), 1000.0, inf, inf),
    (lambda x: x.log(), 0.0, -inf, inf),
    (lambda x: x.sigmoid(), -1000.0, 0.0, 0.0),
    (lambda x: x.sigmoid(), -700.0, math.exp(-700.0), math.exp(-700.0)),
    (lambda x: x.sigmoid(), 1000.0, 1.0, 0.0),
    (lambda x: x.softplus(), 1000.0, 1000.0, 1.0),
    (lambda x: x.softplus(), -700.0, math.exp(-700.0), math.exp(-700.0)),
    (lambda x: x.tanh(), 300.0, 1.0, 4 * math.exp(-600.0)),
    (lambda x: x.relu(), 0.0, 0.0, 0.0),
    (lambda x: abs(x), 0.0, 0.0, 0.0),
    (lambda x: logsumexp([x, x]), 1000.0, 1000.0 + math.log(2.0), 1.0),
    (lambda x: logsumexp([x, 1000.0]), 1000.0, 1000.0 + math.log(2.0), 0.5),
]


@pytest.mark.parametrize(("f", "at", "result", "slope"), SLOPES_AT_THE_ENDS)
def test_slopes_at_the_ends(f, at, result, slope):
    """Results are right where a textbook formula overflows, cancels or divides by zero."""
    x = Value(at)
    y = f(x)
    assert y.data == pytest.approx(result, rel=1e-15, abs=0)
    assert gradients(y, x)[0] == pytest.approx(slope, rel=1e-14, abs=0)


@pytest.mark.parametrize("op", TABLE.values(), ids=TABLE)
@examples(10)
@given(data=st.data())
def test_the_gradient_is_that_of_the_forward_that_ran(op, data):
    """Changing data between forward and backward, as an optimizer does, changes no gradient."""
    size = {"dot": 5}.get(op.name, 3) if isinstance(op, ManyOp) else len(op.partials)
    for arguments in data.draw(
        batches(*[st.tuples(any_float, any_float)] * size), label="at, later"
    ):
        leaves, others = [Value(x) for x, _ in arguments], [Value(x) for x, _ in arguments]
        y, z = op(*op.unflatten(tuple(leaves))), op(*op.unflatten(tuple(others)))
        y, z = (total(out) if isinstance(out, list) else out for out in (y, z))
        for leaf, (_, later) in zip(others, arguments, strict=True):
            leaf.data = later
        assert z.data.hex() == y.data.hex()
        assert bits(*gradients(z * 3, *others)) == bits(*gradients(y * 3, *leaves))


def test_in_place_operators_make_new_nodes():
    """`x += 1` binds the name to a new node, whose input is the old one."""
    x = leaf = Value(3.0)
    x += 1
    x *= 2
    x -= leaf
    x /= 4
    x **= 2
    assert (x.data, leaf.data) == (1.5625, 3.0)
    assert gradients(x, leaf) == (0.625,)


def test_sum_and_friends():
    """Python's functions of numbers accept Values."""
    xs = [Value(2.0), Value(-3.0), Value(5.0)]
    assert gradients(sum(xs) + math.prod(xs), *xs) == (-14.0, 11.0, -5.0)
    assert max(xs) is xs[2]
    assert min(xs) is xs[1]
    assert sorted(xs) == [xs[1], xs[0], xs[2]]
    assert gradients(sum(x * x for x in xs), *xs) == (-10.0, 5.0, 5.0)  # on top of the above


def test_signs():
    x = Value(-3.0)
    assert +x is x
    assert (-x).data == 3.0
    assert abs(x).data == 3.0
    assert math.copysign(1.0, (-Value(0.0)).data) == -1.0


def test_equality_between_nodes_is_identity():
    """Nodes can be keys, and `in` finds the node itself."""
    x, same = Value(3.0), Value(3.0)
    assert x == x
    assert x != same
    assert {x: 1, same: 2} == {same: 2, x: 1}
    assert x not in [same, None, "x", ()]
    assert x != Array(3.0)
    hash_before = hash(x)
    x.data = 4.0
    assert hash(x) == hash_before


@pytest.mark.parametrize("same", [3.0, 3, np.float32(3.0), np.array(3.0), Fraction(3)])
def test_equality_with_a_number_compares_data(same):
    """As `<` does, with the number on either side."""
    x, y = Value(3.0), Value(nan)
    assert x == same
    assert same == x
    assert (x != same, same != x) == (False, False)
    assert (y != same, y == same, y == nan) == (True, False, False)


def test_where_with_equality_chooses():
    x = Value(2.0)
    assert where(x == 2.0, 10.0 * x, x).data == 20.0
    assert where(x != 2.0, 10.0 * x, x).data == 2.0


def test_the_method_where_keeps_the_node_where_the_condition_holds():
    """The arguments are those of PyTorch's method, not those of the function."""
    x, y = Value(-2.0), Value(5.0)
    for condition, chosen, slopes in [(x < 0.0, -2.0, (1.0, 0.0)), (y < 0.0, 5.0, (0.0, 1.0))]:
        out = x.where(condition, y)
        x.zero_grad(), y.zero_grad()
        out.backward()
        assert out.data == chosen
        assert (x.grad, y.grad) == slopes


class Sub(Value):
    """A subclass whose constructor is not called by operations."""

    def __init__(self, data):
        super().__init__(data)
        self.made = True


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x + 1.0, lambda x: 1.0 + x, lambda x: -x, lambda x: x * Value(2.0),
        lambda x: Value(2.0) * x, lambda x: x.tanh(), lambda x: x.clip(0.0, 1.0),
        lambda x: dot([2.0, Value(3.0)], [x, 1.0]), lambda x: dot([x], [Value(1.0)]),
        lambda x: total([Value(1.0), x]), lambda x: softmax([x, 0.0])[0],
        lambda x: maximum(1.0, x), lambda x: x.detach() * x,
    ],
)  # fmt: skip
def test_a_subclass_stays_itself_through_operations(f):
    out = f(Sub(2.0))
    assert type(out) is Sub
    assert not hasattr(out, "made")


def test_the_left_operand_decides_between_subclasses():
    class Other(Value):
        pass

    assert type(Sub(1.0) * Other(2.0)) is Sub
    assert type(Other(1.0) * Sub(2.0)) is Other


@pytest.mark.parametrize(
    "f",
    [
        lambda c: c + 1.0, lambda c: 1.0 + c, lambda c: -c, lambda c: c * c, lambda c: c.tanh(),
        lambda c: c.clip(0.0, 1.0), lambda c: dot([c], [c]), lambda c: total([c, 2.0]),
        lambda c: softmax([c, 0.0])[0], lambda c: where(True, c, c), lambda c: c * Value(1.0).detach(),
    ],
)  # fmt: skip
def test_a_result_of_constants_alone_is_a_constant(f):
    """Its backward pass, which could reach no leaf, raises; derivatives of it are 0."""
    out, x = f(Value(2.0).detach()), Value(1.0)
    assert out.constant
    assert out.inputs
    assert not (out * x).constant
    with pytest.raises(ValueError, match="backward expects a node that requires a gradient, got"):
        out.backward()
    assert grad(out, x) == 0.0
    assert hvp(out, x, 1.0) == 0.0
    assert hessian(out, x) == 0.0


@pytest.mark.parametrize("payload", [Value, Array])
def test_the_backward_pass_of_a_constant_raises(payload):
    """A loss that was computed under `no_grad`, or that is detached, trains nothing."""
    x = payload(2.0)
    with no_grad():
        loss = x * x
    for constant in [loss, (x * x).detach(), loss + 1.0]:
        with pytest.raises(ValueError, match="no_grad"):
            constant.backward()
        assert grad(constant, x) == 0.0


@pytest.mark.parametrize(
    ("node", "shown"),
    [
        (Value(3), "Value(3.0)"),
        (Value(3, "x"), "Value(3.0, 'x')"),
        (Value(1 / 3, label=""), "Value(0.333333, '')"),
        (Value(-0.0), "Value(-0.0)"),
        (Value(1e300), "Value(1e+300)"),
        (Value(inf), "Value(inf)"),
        (Value(nan), "Value(nan)"),
        (Value(123456789.0), "Value(123457000.0)"),
        (Constant(2), "Constant(2.0)"),
    ],
)
def test_repr(node, shown):
    assert repr(node) == shown


def test_labels():
    """Results have no label until the user assigns one."""
    x = Value(3.0, "x")
    y = x + 1
    assert (x.label, y.label, y.inputs[1].label) == ("x", None, None)
    y.label = "y"
    assert repr(y) == "Value(4.0, 'y')"
    assert (y * x).label is None


# ----------------------------------------------------------------------------------------- methods


@pytest.mark.parametrize("name", sorted({*vars(Methods)} & {*ELEMENTWISE} - {"where"}))
def test_every_row_is_a_method_that_says_what_it_is(name):
    f, op = getattr(Value, name), ELEMENTWISE[name]
    first, *others = inspect.signature(f).parameters.values()
    _, *letters = inspect.signature(op.forward).parameters.values()
    assert (f.__name__, first.name, others) == (name, "self", letters)
    assert f.__doc__.startswith("Return ")
    args = [0.5] * len(letters)
    y = f(Value(0.5), *args)
    assert (y.op, len(y.inputs)) == (op, 1 + len(letters))
    assert y.data.hex() == op.forward(0.5, *args).hex()


def test_arguments_by_name():
    x = Value(-2.0)
    assert x.leaky_relu().data == -0.02
    assert x.leaky_relu(0.5).data == x.leaky_relu(slope=0.5).data == -1.0
    assert x.elu(alpha=3).data == 3 * x.elu().data == 3 * math.expm1(-2.0)
    assert x.clip(-1, 1).data == x.clip(lo=-1, hi=1).data == x.clip(hi=1, lo=-1).data == -1.0
    assert x.maximum(y=1.0).data == 1.0


def test_arguments_may_be_values():
    x, slope, lo = Value(-2.0), Value(0.5), Value(-1.0)
    assert gradients(x.leaky_relu(slope) + x.clip(lo, 1), x, slope, lo) == (0.5, -2.0, 1.0)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda x: x.clip(1), "hi"),
        (lambda x: x.clip(1, 2, 3), "too many"),
        (lambda x: x.clip(1, 2, hi=3), "hi"),
        (lambda x: x.exp(2), "exp"),
        (lambda x: x.maximum(), "maximum"),
        (lambda x: x.maximum(1, 2), "maximum"),
        (lambda x: x.leaky_relu(1, 2), "too many"),
        (lambda x: x.leaky_relu(alpha=1), "alpha"),
        (lambda x: Op("cube", lambda x: x**3, lambda out, x: 3 * x * x)(x, x), "cube takes 1"),
    ],
)
def test_a_wrong_number_of_arguments_is_refused(call, named):
    with pytest.raises(TypeError, match=named):
        call(Value(1.0))


# -------------------------------------------------------------------------------- a user's own rows


def test_a_users_row_is_called_on_values():
    """Users' rows take one, two, three or any number of inputs; numbers become constants."""
    cube = Op("cube", lambda x: x * x * x, lambda out, x: 3 * x * x)
    area = Op("area", lambda x, y: x * y / 2, lambda out, x, y: y / 2, lambda out, x, y: x / 2)
    box = Op("box", lambda x, y, z: x * y * z, *[
        lambda out, x, y, z: y * z, lambda out, x, y, z: x * z, lambda out, x, y, z: x * y,
    ])  # fmt: skip
    squares = ManyOp(
        "squares", lambda xs: sum(x * x for x in xs), lambda out, xs: ([2 * x for x in xs],)
    )
    x, y = Value(2.0), Value(3.0)
    f = cube(x) + area(x, y) + area(4, y) + box(x, y, 2) + squares([x, y, 1.0])
    assert f.data == 8 + 3 + 6 + 12 + 14
    assert gradients(f, x, y) == (12 + 1.5 + 6 + 4, 1 + 2 + 4 + 6)
    assert repr(cube(x).op) == "Op('cube')"


ONE, TWO, THREE, NORM = (
    Op("one", np.sin, lambda out, x: np.cos(x)),
    Op("two", lambda x, y: 1, lambda out, x, y: 0, lambda out, x, y: True),
    Op("three", lambda x, y, z: np.float32(x), *[lambda out, x, y, z: np.float32(1)] * 3),
    ManyOp("norm", lambda xs: np.linalg.norm(xs), lambda out, xs: (np.array(xs) / out,)),
)


@pytest.mark.parametrize(
    "f", [ONE, lambda x: TWO(x, x), lambda x: THREE(x, x, x), lambda x: NORM([x, x])]
)
def test_a_users_row_may_compute_with_numpy(f):
    """Data, local derivatives and gradients are converted to Python floats."""
    x = Value(0.5)
    y = f(x)
    gradients(y, x)
    assert {type(n) for n in (y.data, *y.locals, x.grad)} == {float}


def test_a_users_row_that_leaves_the_real_numbers_is_refused():
    """In Python, (-8) ** (1/3) is complex; a Value is always real."""
    root = Op("root", lambda x: x ** (1 / 3), lambda out, x: out / (3 * x))
    with pytest.raises(TypeError, match="complex"):
        root(Value(-8.0))


# ---------------------------------------------------------------------- programs for other engines


def test_a_node_can_be_made_from_its_local_derivatives():
    """As programs derived from micrograd do: `Value(data, children, local_grads)`."""
    x, y = Value(2.0, "x"), Value(3.0, "y")
    for inputs, slopes in [((x, y), (3.0, 2.0)), ([x, y], np.array([3, 2]))]:
        x.zero_grad(), y.zero_grad()
        out = Value(6.0, inputs, slopes) * 2.0
        out.backward()
        assert (out.data, x.grad, y.grad) == (12.0, 6.0, 4.0)
        assert out.inputs[0].inputs == (x, y)
        assert grad(out, [x, y]) == [6.0, 4.0]
    assert Value(1.0, (), ()).op is None
    assert Value(4.0, {x}, [4.0]).inputs == (x,)


def test_a_node_made_from_its_derivatives_is_a_constant_like_any_result():
    """If all inputs are constants, and under `no_grad`."""

    class Own(Value):
        pass

    x = Value(2.0)
    for kind in (Value, Own):
        result = kind(4.0, [3.0, Constant(1.0)], [1.0, 1.0])
        assert result.constant
        assert len(result.inputs) == 2
        with no_grad():
            out = kind(4.0, [x], [4.0])
        assert out.constant
        assert (out.op, out.inputs) == (None, ())
        assert (out * x).data == 8.0
        with pytest.raises(ValueError, match="requires a gradient"):
            out.backward()
        assert not kind(4.0, [x, 1.0], [4.0, 1.0]).constant
    with record_origins():
        out = Value(4.0, [x], [4.0])
    assert out.origin.text == "out = Value(4.0, [x], [4.0])"


def test_a_node_made_from_its_derivatives_has_no_formula():
    """Second derivatives would be wrong, so they raise; other inputs are noticed as stale."""
    x = Value(2.0)
    out = Value(4.0, [x], [4.0])
    remedy = r"has no formula; define the operation with Op\(name, formula, \*derivatives\)"
    for use in (lambda: grad(out, x, create_graph=True), lambda: Tape(out)):
        with pytest.raises(TypeError, match=f"{remedy}$"):
            use()
    with pytest.raises(
        TypeError, match=rf"^a graph cannot be saved: .* {remedy}, .* TABLE\[name\]"
    ):
        pickle.dumps(out)
    assert copy.copy(out).op is out.op
    x.data = 3.0
    assert out._outdated(0)


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        (((Value(1.0),), "+"), TypeError, "local derivatives as its third argument, got '[+]'.*Op"),
        (((Value(1.0),),), ValueError, "got 0 for 1"),
        (([Value(1.0)], [1.0, 2.0]), ValueError, "got 2 for 1"),
        (([Value(1.0)], ["a"]), TypeError, "'a'"),
        ((5,), TypeError, "label"),
    ],
)
def test_wrong_inputs_and_derivatives_are_refused(args, error, message):
    with pytest.raises(error, match=message):
        Value(2.0, *args)


@pytest.mark.parametrize("payload", [Value, Array])
@pytest.mark.parametrize(
    ("name", "here"),
    [
        ("_prev", r"\.inputs"), ("_children", r"\.inputs"), ("_op", r"\.op"), ("gradient", r"\.grad"),
        ("_backward", r"\.locals"), ("value", r"\.data"), ("requires_grad_", "requires_grad = False"),
        ("m", "dict"), ("v", "dict"),
    ],
)  # fmt: skip
def test_names_of_other_engines_are_answered_with_ours(payload, name, here):
    x = payload(2.0)
    assert not hasattr(x, name)
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'; .*{here}"):
        getattr(x, name)


@pytest.mark.parametrize(
    ("name", "here"),
    [("norm", r"norm\(x, ...\)"), ("stack", "stack"), ("unsqueeze", "expand_dims")],
)
def test_functions_and_other_names_of_methods_are_answered(name, here):
    x = Array(2.0)
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'; write {here}"):
        getattr(x, name)


def test_an_unknown_attribute_is_python_s_error():
    x = Value(2.0)
    with pytest.raises(AttributeError, match=r"^'Value' object has no attribute 'lable'$") as error:
        x.lable  # noqa: B018
    assert (error.value.name, error.value.obj) == ("lable", x)  # for "Did you mean"
    assert x.label is None
    assert x.origin is None
