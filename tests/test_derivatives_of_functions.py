"""`grad` and `value_and_grad` of functions, and derivatives in the form of trees and as graphs."""

import functools
import operator
from collections import namedtuple

import numpy as np
import pytest

from engine import (
    Array,
    GradientWarning,
    Value,
    dot,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    maximum,
    no_grad,
    softmax,
    total,
    value_and_grad,
    vjp,
    where,
)  # fmt: skip

Point = namedtuple("Point", "x y")


def cube(x):
    return x * x * x


def test_floats_come_back():
    value, slope = value_and_grad(cube)(2.0)
    assert (value, slope) == (8.0, 12.0)
    assert (type(value), type(slope)) == (float, float)
    assert grad(cube)(2) == 12.0


def test_arrays_come_back():
    X = np.array([1.0, 2.0], np.float32)
    value, slope = value_and_grad(lambda x: (x * x).sum())(X)
    assert (value, value.dtype, value.shape) == (5.0, np.float32, ())
    np.testing.assert_array_equal(slope, 2 * X)
    assert type(slope) is np.ndarray
    assert slope.dtype == np.float32


def test_numbers_beside_arrays():
    """A number is an Array without axes where an array is among the arguments."""
    slopes = grad(lambda a, x: (a * x).sum(), argnums=(0, 1))(2.0, np.array([1.0, 3.0]))
    assert slopes[0] == 4.0
    np.testing.assert_array_equal(slopes[1], [2.0, 2.0])
    assert grad(lambda a, x: (a * x).sum())(2.0, x=np.ones(3)) == 3.0
    X = np.array([1.0, 3.0], np.float32)
    slopes = grad(lambda p, x: (p["a"] * x + p["b"]).sum())({"a": 2.0, "b": X}, X)
    assert (slopes["a"], type(slopes["a"]), slopes["b"].dtype) == (4.0, float, np.float32)


def test_a_function_may_use_arrays_of_its_own():
    """The first program of users of HIPS autograd: numbers are then Arrays."""
    X, y = np.arange(3.0), np.arange(3.0) + 1.0
    value, slope = value_and_grad(lambda a: np.sum((a * X - y) ** 2))(2.0)
    assert (value, slope) == (2.0, 4.0)
    slopes = grad(lambda p: ((X * p["a"] + p["b"]) ** 2).sum())({"a": 1.0, "b": 0.0})
    assert slopes == {"a": 10.0, "b": 6.0}
    assert grad(grad(lambda a: np.sum(a**3 * X)))(2.0) == 36.0


X, A = np.ones((4, 2)), np.array([1.0, 2.0, 3.0])


def train(penalty):
    """Ridge regression by gradient descent, whose result depends on the penalty."""
    w = np.zeros(2)
    for _ in range(5):
        loss = lambda w: ((X @ w - np.arange(4.0)) ** 2).sum() + penalty * (w * w).sum()
        w = w - 0.05 * grad(loss)(w)
    return ((X @ w - np.arange(4.0)) ** 2).sum()


# Functions of a number that meets arrays, and numbers that meet them in turn.
OF_A_NUMBER = {
    "training": train,
    "operators": lambda a: (((a * A - 1.0 / a) ** 2 - (A**a) / (a + A)) @ A).sum() * a,
    "in place": lambda a: (
        functools.reduce(operator.iadd, [a * A, a, A * A], np.zeros(3)).sum() ** 2
    ),
    "comparison": lambda a: ((a * A > A + 1.0) * a * A).sum() ** 2,
    "where": lambda a: (where(A > 1.5, a * a, a) * np.where(A > 2.5, a, 1.0) * A).sum(),
    "clip": lambda a: (np.clip(A, a, a * a) * A.clip(0.0, a)).sum(),
    "maximum": lambda a: (np.maximum(a, A) * maximum(A, a * a)).sum(),
    "total": lambda a: total([a, A, a * A]).sum() ** 2,
    "stack": lambda a: (np.stack([a, (a * A).sum()]) * np.concatenate([[a], [a * a]])).prod(),
    "an array of Values": lambda a: (np.array([a, a * a, 1.0]) * (a * A)).sum(),
    "a list in an operation": lambda a: ((a * np.eye(2)) @ [a, a * a]).sum(),
    "functions of Values": lambda a: dot(softmax([a, (a * A).sum()]), [a, (A**a).mean()]),
    "nested": lambda a: grad(lambda b: (b * A * a).sum() ** 2)(a),
    "a constant within": lambda a: grad(lambda b: (b * A).sum() * a * a)(2.0),
    "jvp within": lambda a: jvp(lambda b: (b * A * a).sum() ** 2, (2.0,), (a,))[1],
    "vjp within": lambda a: vjp(lambda b: b * A * a, (2.0,), A * a)[1][0],
    "value_and_grad within": lambda a: total(value_and_grad(lambda b: (b**3 * A * a).sum())(a)),
}


@pytest.mark.parametrize("f", OF_A_NUMBER.values(), ids=OF_A_NUMBER)
def test_numbers_that_meet_arrays(f):
    """Derivatives of both modes and of orders 1 to 3 are those of differences."""
    value = lambda a: jvp(f, (a,), (0.0,))[0]
    differences = lambda f, h: (f(1.25 + h) - f(1.25 - h)) / (2.0 * h)
    slope = grad(f)(1.25)
    assert type(slope) is float
    assert slope == pytest.approx(differences(value, 1e-6), rel=2e-7)
    assert jvp(f, (1.25,), (10.0,))[1] == pytest.approx(10.0 * slope, rel=1e-6)
    curvature = hessian(f)(1.25)
    assert curvature == pytest.approx(differences(grad(f), 1e-5), rel=2e-6, abs=1e-8)
    for second in (grad(grad(f))(1.25), jvp(grad(f), (1.25,), (1.0,))[1]):
        assert second == pytest.approx(curvature, rel=1e-14)
    third = grad(grad(grad(f)))(1.25)
    assert third == pytest.approx(differences(hessian(f), 1e-5), rel=2e-6, abs=1e-7)


def test_the_function_is_called_once():
    """The gradient belongs to the same random numbers and elements of iterators as the value."""
    rows = iter([np.ones(3), 2.0 * np.ones(3)])
    assert grad(lambda a: (a * next(rows)).sum())(1.0) == 3.0
    draws, rng = np.random.default_rng(0).normal(size=4), np.random.default_rng(0)
    slope = grad(lambda mean: ((mean + rng.normal(size=4)) ** 2).mean())(0.5)
    assert slope == pytest.approx(2.0 * (0.5 + draws).mean(), rel=1e-15)


def test_numbers_that_meet_arrays_take_their_dtype():
    slopes = lambda a: grad(lambda w: (a * a * w * w).sum())(np.float32([1.0, 2.0]))
    assert jvp(slopes, (1.25,), (0.0,))[0].dtype == np.float32
    assert grad(lambda a: slopes(a).sum())(1.25) == 15.0


@pytest.mark.parametrize("library", ["pandas", "torch"])
def test_numbers_that_meet_arrays_of_other_libraries(library):
    """On either side of an operator."""
    module = pytest.importorskip(library)
    other = module.Series(A) if library == "pandas" else module.tensor(A)
    assert grad(lambda a: (a * other).sum() + (other * a * a).sum())(2.0) == 30.0
    assert grad(lambda a: ((a + 0.5 > other) * a * other).sum())(2.0) == 3.0


def test_series_of_values():
    """Their elements are combined one by one, with the number on either side."""
    pandas = pytest.importorskip("pandas")
    xs, y = pandas.Series([Value(1.0), Value(2.0)]), Value(3.0)
    for out in (xs - y, -(y - xs)):
        assert [x.data for x in out] == [-2.0, -1.0]
    assert grad((xs * y).sum(), y) == 3.0
    assert list(xs > y) == [False, False]


def test_closures_may_hold_the_other_kind():
    v, x = Value(3.0), Array(A)
    np.testing.assert_array_equal(grad(lambda x: (v * x).sum())(A), 3.0 * np.ones(3))
    assert grad(lambda a: (a * x).sum())(2.0) == 6.0
    assert grad(lambda x: (v.detach() * x).sum())(np.float32(A)).dtype == np.float32


def test_backward_in_a_differentiated_function():
    """It passes through both kinds; gradients that it stores are numbers."""

    def of_values(a):
        b = Value(2.0)
        softmax([b, (a * A * b).sum() / 6.0])[0].backward()
        return a * b.grad

    def of_arrays(a):
        b = Array([2.0, 3.0])
        (a * a * b * b).sum().backward()
        return a * b.grad.sum()

    s = 1.0 / (1.0 + np.exp(2.0 * 0.5))  # of sigmoid(b - a b) at a = 1.5
    assert grad(of_values)(1.5) == pytest.approx(s * (1.0 - s) * -0.5)
    assert grad(of_arrays)(1.5) == 22.5


def test_nodes_that_are_given_do_not_mix():
    """Their results are nodes, whose graphs are of one kind."""
    for x in (Value(2.0), Array(A)):
        other = A if isinstance(x, Value) else Value(2.0)
        with pytest.raises(TypeError, match="was given nodes: Values and Arrays do not mix"):
            grad(lambda x: (x * other).sum())(x)  # noqa: B023
    assert grad(lambda a: grad(lambda b: (b * A).sum() ** 2)(2.0) * a)(Value(3.0)).data == 144.0


def test_nodes_come_back_where_nodes_are_given():
    x = Value(2.0)
    value, slope = value_and_grad(cube)(x)
    assert (value.data, slope.data) == (8.0, 12.0)
    assert grad(slope, x) == 12.0
    assert grad(value, x) == 12.0
    assert value_and_grad(cube)(x.detach())[1].data == 12.0


@pytest.mark.parametrize(("order", "slope"), [(1, 32.0), (2, 48.0), (3, 48.0), (4, 24.0), (5, 0.0)])
def test_derivatives_nest(order, slope):
    f = lambda x: x**4
    for _ in range(order):
        f = grad(f)
    assert f(2.0) == slope


def test_nested_functions_are_not_confused():
    """d/dx (x · d/dy (x + y)) is 1, not 2 (perturbation confusion, Siskind and Pearlmutter 2005)."""
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(2.0) == 1.0
    assert grad(lambda x: x * grad(lambda y: x * y)(x))(3.0) == 6.0
    assert grad(lambda x: grad(lambda y: x * y * y)(1.0))(5.0) == 2.0
    assert grad(lambda x: grad(lambda y: y * y)(x) * x)(5.0) == 20.0


def test_parameters_of_a_model_are_not_arguments():
    """A result that depends on other leaves is a number all the same."""
    w = Value(3.0)
    assert value_and_grad(lambda x: w * x)(2.0) == (6.0, 3.0)
    assert w.grad == 0.0


def test_an_argument_that_is_a_node_of_the_graph_is_separate():
    """The derivative is that of the argument alone, though f uses the node itself as well."""
    x = Value(3.0)
    assert grad(lambda y: x * y)(x).data == 3.0


@pytest.mark.parametrize(
    ("tree", "slopes"),
    [
        ({"w": [1.0, 2.0], "b": (3.0,)}, {"w": [2.0, 4.0], "b": (6.0,)}),
        ([1.0, [2.0, []], {}], [2.0, [4.0, []], {}]),
        ((1.0, 2.0), (2.0, 4.0)),
        (Point(1.0, 2.0), Point(2.0, 4.0)),
    ],
)
def test_the_gradient_has_the_form_of_the_argument(tree, slopes):
    def squares(tree):
        if isinstance(tree, Value):
            return tree * tree
        return total([squares(x) for x in (tree.values() if isinstance(tree, dict) else tree)])

    assert grad(squares)(tree) == slopes
    assert type(grad(squares)(tree)) is type(slopes)


def test_argnums():
    f = lambda x, y, *, scale=1.0: x * y * y * scale
    assert grad(f, 1)(2.0, 3.0) == 12.0
    assert grad(f, argnums=-1)(2.0, 3.0) == 12.0
    assert grad(f, (0, 1))(2.0, 3.0, scale=10.0) == (90.0, 120.0)
    assert grad(f, [1])(2.0, 3.0) == (12.0,)


TRANSFORMS = {  # of a function and an argument: the result, in which all derivatives are 0
    "grad": lambda f, x: grad(f)(x),
    "value_and_grad": lambda f, x: value_and_grad(f)(x)[1],
    "jacobian": lambda f, x: jacobian(f)(x),
    "hessian": lambda f, x: hessian(f)(x),
    "jvp": lambda f, x: jvp(f, (x,), (x,))[1],
    "vjp": lambda f, x: vjp(f, (x,), 1.0)[1],
    "hvp": lambda f, x: hvp(f, (x,), (x,))[1],
}
LEAVE_THE_GRAPH = {
    "data": (lambda x: x.data**2, 3.0),
    "item": (lambda x: (x * x).sum().item(), np.array([3.0])),
    "an array without axes": (lambda x: (x * x).sum().data, np.array([3.0])),
    "a constant": (lambda x: 5, 3.0),
}


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
@pytest.mark.parametrize(("f", "x"), LEAVE_THE_GRAPH.values(), ids=LEAVE_THE_GRAPH)
def test_a_function_that_leaves_the_graph(transform, f, x):
    """Its derivatives are 0, which is probably not intended: a warning names the caller's line."""
    with pytest.warns(GradientWarning, match=r"<lambda> returned .*return the node") as caught:
        slopes = transform(f, x)
    assert not np.any(slopes)
    assert [warning.filename for warning in caught] == [__file__]


def test_constant_nodes_are_intended():
    """Such as derivatives of linear functions; and a result may contain other constants."""
    linear = lambda x: 3.0 * x
    assert grad(grad(linear))(2.0) == hessian(linear)(2.0) == grad(grad(grad(linear)))(2.0) == 0.0
    np.testing.assert_array_equal(jacobian(lambda x: [x, 1.0])(2.0), [1.0, 0.0])
    np.testing.assert_array_equal(jacobian(lambda x: np.array([x, 1.0]))(2.0), [1.0, 0.0])
    assert value_and_grad(lambda x: Value(5.0))(2.0) == (5.0, 0.0)
    assert value_and_grad(lambda x: x.detach() * 2.0)(2.0) == (4.0, 0.0)


def test_a_function_that_returns_no_elements():
    with pytest.raises(ValueError, match=r"one element, got shape \(0,\)"):
        grad(lambda x: [])(np.ones(2))
    with pytest.raises(TypeError, match=r"must return a Value or .*, got \[\]"):
        grad(lambda x: [])(2.0)


def test_the_function_keeps_its_name():
    assert grad(cube).__name__ == "cube"
    assert value_and_grad(cube).__doc__ == cube.__doc__


def test_under_no_grad():
    """As the other derivatives."""
    with no_grad():
        assert grad(cube)(2.0) == 12.0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: grad(cube)("2"), TypeError, "'2'"),
        (lambda: grad(cube)(), TypeError, "an argument 0 .* got 0 positional"),
        (lambda: grad(cube, 1)(2.0), TypeError, "an argument 1 .* got 1 positional"),
        (lambda: grad(cube, "x")(2.0), TypeError, "argnums must be indices"),
        (lambda: grad(cube, True)(2.0), TypeError, "argnums must be indices"),
        (lambda: grad(cube, Value(1.0)), TypeError, r"call it first, or .* grad\(f, argnums=0\)"),
        (lambda: grad(Value(1.0)), TypeError, "expects a node and the nodes"),
        (lambda: grad(Value(1.0), Value(2.0), argnums=0), TypeError, "argnums=0"),
        (lambda: grad(lambda x: [x, x])(2.0), TypeError, "must return a Value or an Array"),
        (lambda: grad(lambda x: None)(2.0), TypeError, "must return a Value or an Array.*None"),
        (lambda: grad(lambda x: x > 1.0)(2.0), TypeError, "must return a Value .* got True"),
        (lambda: grad(lambda x: np.all(x))(np.ones(2)), TypeError, r"must return .* got np\.True_"),
        (lambda: grad(cube)(np.ones(2)), ValueError, r"shape \(2,\)"),
        (lambda: value_and_grad(2.0), TypeError, "expects a function, got 2.0"),
    ],
)
def test_wrong_arguments_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


# ------------------------------------------------------ jacobian, hessian, jvp and vjp of functions


def quartic(x, y):
    return x**3 * y


def test_jacobian_and_hessian_of_functions():
    """Numbers in, numbers out; of one argument or several, in the form of the arguments."""
    assert jacobian(cube)(2.0) == 12.0
    assert type(jacobian(cube)(2)) is type(hessian(cube)(2.0)) is float
    assert jacobian(quartic, 1)(2.0, 5.0) == jacobian(quartic, argnums=-1)(2.0, 5.0) == 8.0
    assert jacobian(quartic, (0, 1))(2.0, 5.0) == (60.0, 8.0)
    assert hessian(quartic, (0, 1))(2.0, 5.0) == ((60.0, 12.0), (12.0, 0.0))
    assert hessian(quartic, argnums=(1,))(2.0, 5.0) == ((0.0,),)
    W, x = np.arange(6.0).reshape(2, 3), np.array([1.0, -2.0, 0.5])
    np.testing.assert_array_equal(jacobian(lambda x: np.matmul(W, x) * 2.0)(x), 2.0 * W)
    np.testing.assert_array_equal(hessian(lambda x: (x * x * x).sum())(x), np.diag(6.0 * x))
    np.testing.assert_array_equal(jacobian(lambda a: a * W)(2.0), W)
    parts = jacobian(lambda p: [p["w"] * p["b"], p["b"]])({"w": np.float32([1.0, 2.0]), "b": 3.0})
    np.testing.assert_array_equal(parts[0]["w"], 3.0 * np.eye(2))
    np.testing.assert_array_equal([part["b"] for part in parts[:1]], [[1.0, 2.0]])
    assert parts[0]["w"].dtype == np.float32
    shares = jacobian(softmax)([0.0, 0.0, 0.0])
    np.testing.assert_allclose(shares, np.eye(3) / 3 - 1 / 9, rtol=1e-15)
    with no_grad():
        assert hessian(cube)(2.0) == 12.0
    assert hessian(cube).__name__ == "cube"


def test_jvp_and_vjp_of_functions():
    """They return the value, too."""
    assert jvp(quartic, (2.0, 5.0), (1.0, 10.0)) == (40.0, 140.0)
    assert vjp(quartic, (2.0, 5.0), 10.0) == (40.0, (600.0, 80.0))
    assert vjp(quartic, [2.0, 5.0], 10.0) == (40.0, [600.0, 80.0])
    x, v = np.array([1.0, 2.0]), np.array([10.0, 100.0])
    for out in (jvp(lambda x: x * x, [x], [v]), vjp(lambda x: x * x, [x], v)):
        np.testing.assert_array_equal(out[0], [1.0, 4.0])
        np.testing.assert_array_equal(np.ravel(out[1]), [20.0, 400.0])
        assert type(out[0]) is np.ndarray
    values, slopes = jvp(
        lambda p: [p["a"] * p["b"], p["b"]], [{"a": 2.0, "b": 3.0}], [{"a": 1.0, "b": 10.0}]
    )
    assert (values, slopes) == ([6.0, 3.0], [23.0, 10.0])
    node = Value(2.0)
    assert (
        grad(jvp(cube, (node,), (1.0,))[1], node)
        == grad(vjp(cube, (node,), 1.0)[1][0], node)
        == 12.0
    )


def test_hvp_of_functions():
    assert hvp(quartic, (2.0, 5.0), (1.0, 10.0)) == (40.0, (180.0, 12.0))
    assert hvp(quartic, [2.0, 5.0], [1.0, 10.0]) == (40.0, [180.0, 12.0])
    x, v = np.array([1.0, 2.0]), np.array([10.0, 100.0])
    value, (product,) = hvp(lambda x: (x**3).sum(), (x,), (v,))
    np.testing.assert_array_equal(product, 6.0 * x * v)
    assert value == 9.0
    assert type(product) is np.ndarray
    assert grad(lambda x: hvp(quartic, (x, 5.0), (1.0, 0.0))[1][0])(2.0) == 30.0
    assert hvp(lambda a: (a * X).sum() ** 2, (3.0,), (1.0,)) == (576.0, (128.0,))
    node = Value(2.0)
    assert grad(hvp(cube, (node,), (1.0,))[1][0], node) == 6.0


def test_functions_that_join_numbers():
    """As `np.stack` and `np.array` do."""
    for f in (lambda x: np.stack([x, x**2]), lambda x: np.array([x, x * x]), lambda x: (x, x * x)):
        np.testing.assert_array_equal(jacobian(f)(2.0), [1.0, 4.0])
    np.testing.assert_array_equal(
        jacobian(lambda x: np.stack([x, x**2]))(np.array(2.0)), [1.0, 4.0]
    )
    join = lambda x, y: np.array([[x, x * y], [1.0, y]])
    slopes = jacobian(join, (0, 1))(2.0, 3.0)
    np.testing.assert_array_equal(slopes, [[[1.0, 3.0], [0.0, 0.0]], [[0.0, 2.0], [0.0, 1.0]]])
    values, tangents = jvp(join, (2.0, 3.0), (1.0, 0.0))
    np.testing.assert_array_equal(values, [[2.0, 6.0], [1.0, 3.0]])
    np.testing.assert_array_equal(tangents, slopes[0])
    assert vjp(join, (2.0, 3.0), np.ones((2, 2)))[1] == (4.0, 3.0)
    assert grad(lambda x: join(x, x).sum())(2.0) == 6.0


def test_jvp_and_vjp_nest():
    assert grad(lambda x: jvp(cube, (x,), (1.0,))[1])(2.0) == 12.0
    assert grad(lambda x: vjp(cube, (x,), 1.0)[1][0])(2.0) == 12.0
    assert jvp(grad(cube), (2.0,), (1.0,)) == (12.0, 12.0)
    assert jacobian(grad(cube))(2.0) == 12.0
    slope = lambda x: jvp(lambda y: x * y * y, (3.0,), (1.0,))[1]
    assert grad(slope)(2.0) == 6.0
    for f in (jacobian, hessian):
        with pytest.raises(TypeError, match=r"returns numbers, .* nest grad, jvp and vjp"):
            grad(lambda x, f=f: Value(1.0) * f(cube)(x))(2.0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: jacobian(cube, Value(1.0)),
            TypeError,
            r"call it first, or .* jacobian\(f, argnums",
        ),
        (lambda: hessian(cube, "x"), TypeError, "argnums must be indices"),
        (lambda: jacobian(cube)(), TypeError, "an argument 0 .* got 0 positional"),
        (
            lambda: jacobian(lambda x: [x, None])(2.0),
            TypeError,
            "must return Values or Arrays, or lists or dicts of them, got None$",
        ),
        (lambda: hvp(cube, 2.0, 1.0), TypeError, "pass a list of its arguments to hvp, got 2.0"),
        (lambda: hvp(lambda x: [x, x], (2.0,), (1.0,)), TypeError, "one element, got .* jacobian"),
        (lambda: hessian(cube)(np.ones(2)), ValueError, r"shape \(2,\)"),
        (lambda: jvp(cube, 2.0, 1.0), TypeError, "pass a list of its arguments to jvp, got 2.0"),
        (lambda: vjp(cube, Value(2.0), 1.0), TypeError, "pass a list of its arguments to vjp"),
        (
            lambda: jvp(cube, (2.0,), (1.0, 2.0)),
            ValueError,
            "one direction for each x, got 2 for 1",
        ),
        (lambda: vjp(softmax, ([1.0, 2.0],), 1.0), TypeError, "got a list of 2; jacobian takes"),
    ],
)
def test_wrong_arguments_of_the_others_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


# ------------------------------------------------------------------------------------------ of nodes


def test_xs_may_be_a_tree():
    x, y, z = Value(2.0), Value(3.0), Value(5.0)
    out = x * y * y + z
    tree = {"a": [x, {"b": y}], "c": z}
    assert grad(out, tree) == {"a": [9.0, {"b": 12.0}], "c": 1.0}
    assert vjp(out, tree, 2.0) == {"a": [18.0, {"b": 24.0}], "c": 2.0}
    vs = {"a": [1.0, {"b": 1.0}], "c": 1.0}
    assert jvp(out, tree, vs) == 22.0
    assert hvp(out, tree, vs) == {"a": [6.0, {"b": 10.0}], "c": 0.0}
    assert jacobian({"out": out, "x": [x]}, tree) == {
        "out": {"a": [9.0, {"b": 12.0}], "c": 1.0},
        "x": [{"a": [1.0, {"b": 0.0}], "c": 0.0}],
    }
    assert hessian(out, {"x": x, "y": y})["x"] == {"x": 0.0, "y": 6.0}


@pytest.mark.parametrize(
    ("vs", "error", "message"),
    [
        ({"a": 1.0}, ValueError, r"directions for \['a', 'b'\], got \['a'\]"),
        ([1.0, 1.0], TypeError, "a dict of directions"),
        ({"a": 1.0, "b": [1.0]}, ValueError, "got 1 for 2"),
    ],
)
def test_directions_have_the_form_of_the_xs(vs, error, message):
    x = Value(2.0)
    with pytest.raises(error, match=message):
        jvp(x * x, {"a": x, "b": [x, x]}, vs)


def f_of_values():
    x, y = Value(0.5), Value(2.0)
    return (x * y).tanh() * y + softmax([x, y])[0], [x, y]


def f_of_arrays():
    x, y = Array([[0.5, -1.0], [2.0, 0.25]]), Array([2.0, 3.0])
    return ((x @ y).tanh() * x.sum(axis=1)), [x, y]


@pytest.mark.parametrize("make", [f_of_values, f_of_arrays])
def test_jvp_as_a_graph(make):
    """It has the numbers of the forward pass, and can be differentiated in the directions too."""
    out, xs = make()
    directions = [np.linspace(1.0, 2.0, np.size(x.data)).reshape(np.shape(x.data)) for x in xs]
    vs = [float(v) if isinstance(x, Value) else v for x, v in zip(xs, directions, strict=True)]
    plain = jvp(out, xs, vs)
    as_graph = jvp(out, xs, vs, create_graph=True)
    np.testing.assert_allclose(as_graph.data, plain, rtol=1e-13)
    nodes = [type(x)(v) for x, v in zip(xs, vs, strict=True)]
    of_nodes = jvp(out, xs, nodes)
    np.testing.assert_allclose(of_nodes.data, plain, rtol=1e-13)
    one = 1.0 if isinstance(out, Value) else np.ones(out.shape)
    for slope, expected in zip(vjp(of_nodes, nodes, one), vjp(out, xs, one), strict=True):
        np.testing.assert_allclose(slope, expected, rtol=1e-13)  # linear in the directions


def test_second_derivatives_by_jvp_of_grad():
    """Forward over reverse, with a direction that is a node: the Hessian times it."""
    out, xs = f_of_values()
    slopes = grad(out, xs, create_graph=True)
    v = [Value(1.0), Value(-2.0)]
    forward = [jvp(slope, xs, v).data for slope in slopes]
    np.testing.assert_allclose(forward, hvp(out, xs, [1.0, -2.0]), rtol=1e-12)
    np.testing.assert_allclose(hessian(out, xs) @ [1.0, -2.0], forward, rtol=1e-12)


def test_vjp_and_hvp_of_directions_that_are_nodes():
    x, v = Value(3.0), Value(2.0)
    slope = vjp(x**3, x, v)
    assert (slope.data, grad(slope, v), grad(slope, x)) == (54.0, 27.0, 36.0)
    product = hvp(x**3, x, v)
    assert (product.data, grad(product, v), grad(product, x)) == (36.0, 18.0, 12.0)


def test_a_direction_that_depends_on_the_inputs_is_not_differentiated():
    """As numbers and as nodes, the directions give the same products."""
    x, y = Value(2.0), Value(3.0)
    for f in (x**3 * y, x + y):
        products = hvp(f, [x, y], [x * y, x])
        assert [p.data for p in products] == hvp(f, [x, y], [6.0, 2.0])
    assert grad(hvp(x**3, x, x), x) == 24.0  # of 6 x²
    a = Array([1.0, 2.0])
    np.testing.assert_array_equal(hvp((a**3).sum(), a, a).data, [6.0, 24.0])


def test_a_direction_has_the_shape_of_its_node():
    x = Array([1.0, 2.0])
    for v in [Array([1.0]), Value(1.0)]:
        with pytest.raises(ValueError, match="shape and dtype of its node"):
            jvp(x * x, x, v)
