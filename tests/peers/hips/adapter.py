"""The modules of HIPS/autograd over the public functions of `engine`, as a plugin of pytest.

HIPS computes with numbers and arrays in boxes of its own; here each number or array of an argument
is an Array. `autograd.numpy` is NumPy, whose functions call those of Arrays. A derivative within
another one is a graph. Names that have no equivalent skip the test that uses them, with a reason.
"""

import builtins
import functools
import itertools
import operator
import os
import sys
from collections import Counter
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import engine
from engine import Array
from engine.derivatives.of_functions import INPUTS, depends_on, differentiating
from engine.support.trees import leaves, map_leaves, replace_leaves

EPS, TOLERANCE = 1e-6, 1e-6
COMPLEX, INTERNAL = "complex numbers", "HIPS's internals"
FFT = "FFT, which works on complex numbers"
checks = {"real": 0, "complex": 0}  # of the test that runs

# ---------------------------------------------------------------------------------------- arguments


def is_complex(tree: Any) -> bool:
    return any(isinstance(x, complex | np.ndarray) and np.iscomplexobj(x) for x in leaves(tree))


def as_node(x: Any) -> Array:
    """Return a new node: of a node one that depends on it."""
    if isinstance(x, Array) and not x.constant:
        return x * 1.0
    return Array(getattr(x, "data", x) if isinstance(x, Array) else x)


def call(f: Any, inputs: Any) -> Any:
    """Return f(inputs), within which gradients of functions that use the inputs are graphs."""
    with differentiating(INPUTS.get() | {*leaves(inputs)}):
        return f(inputs)


def as_plain(tree: Any) -> Any:
    """Return the data of nodes, except those that depend on inputs of an outer derivative."""

    def convert(x: Any) -> Any:
        return x.data[()] if isinstance(x, Array) and not depends_on(x, INPUTS.get()) else x

    return map_leaves(convert, tree)


def of_argument(derivative: Any) -> Any:
    """Turn `derivative(f, x)` into a function of f and argnum, whose result takes f's arguments."""

    @functools.wraps(derivative)
    def decorate(f: Any, argnum: Any = 0, *options: Any, **settings: Any) -> Any:
        def differentiated(*args: Any, **keywords: Any) -> Any:
            def unary(x: Any) -> Any:
                replaced = list(args)
                for i, part in [(argnum, x)] if is_one else zip(argnum, x, strict=True):
                    replaced[i] = part
                return f(*replaced, **keywords)

            is_one = isinstance(argnum, int)
            x = args[argnum] if is_one else tuple(args[i] for i in argnum)
            return derivative(unary, x, *options, **settings)

        return differentiated

    return decorate


def arrays_of(args: Any) -> Any:
    """Return the arguments with an array in place of each float: Values and Arrays do not mix."""
    if is_complex(args):
        pytest.skip(COMPLEX)
    return map_leaves(lambda x: np.array(x) if isinstance(x, float) else x, args)


# -------------------------------------------------------------------------------------- derivatives


def value_and_grad(f: Any, argnum: Any = 0) -> Any:
    run = engine.value_and_grad(f, argnum)
    return lambda *args, **keywords: run(*map(arrays_of, args), **keywords)


def grad(f: Any, argnum: Any = 0) -> Any:
    run = engine.grad(f, argnums=argnum)
    return lambda *args, **keywords: run(*map(arrays_of, args), **keywords)


def vjp_of(f: Any, x: Any) -> Any:
    """Return the function g -> g · df/dx, and f(x)."""
    x = arrays_of(x)
    inputs = map_leaves(as_node, x)
    nodes, y = leaves(inputs), call(f, inputs)

    def pull(g: Any) -> Any:
        slopes = [0.0 * n for n in nodes]
        for out, direction in zip(leaves(y), leaves(g), strict=True):
            if isinstance(out, Array) and not out.constant:
                parts = engine.vjp(out, nodes, direction, create_graph=True)
                slopes = list(map(operator.add, slopes, parts))
        return as_plain(replace_leaves(x, slopes))

    return pull, as_plain(y)


def jvp_of(f: Any, x: Any) -> Any:
    """Return the function v -> (f(x), df/dx · v)."""
    inputs = map_leaves(as_node, arrays_of(x))
    y = call(f, inputs)

    def push(v: Any) -> Any:
        def tangent(out: Any) -> Any:
            if not isinstance(out, Array) or out.constant:
                return np.zeros(np.shape(getattr(out, "data", out)))
            is_nested = depends_on(out, INPUTS.get())
            return as_plain(engine.jvp(out, leaves(inputs), leaves(v), create_graph=is_nested))

        return as_plain(y), map_leaves(tangent, y)

    return push


@of_argument
def jacobian(f: Any, x: Any) -> Any:
    pull, y = vjp_of(f, x)
    rows = [pull(unit.reshape(np.shape(y))) for unit in np.eye(np.size(y))]
    return np.reshape(np.stack(rows), np.shape(y) + np.shape(x))


@of_argument
def elementwise_grad(f: Any, x: Any) -> Any:
    pull, y = vjp_of(f, x)
    return pull(np.ones(np.shape(y)))


def hessian(f: Any, argnum: Any = 0) -> Any:
    return jacobian(jacobian(f, argnum), argnum)


@of_argument
def make_hvp(f: Any, x: Any) -> Any:
    pull, slopes = vjp_of(grad(f), x)
    return pull, slopes


def tensor_jacobian_product(f: Any, argnum: Any = 0) -> Any:
    """Return the function (..., v) -> v · df/dx over the axes of v."""
    return jacobian(lambda *args: np.tensordot(args[-1], f(*args[:-1]), np.ndim(args[-1])), argnum)


def hessian_tensor_product(f: Any, argnum: Any = 0) -> Any:
    slopes = grad(f, argnum)
    return grad(lambda *args: np.tensordot(slopes(*args[:-1]), args[-1], np.ndim(args[-1])), argnum)


def make_ggnvp(f: Any, g: Any = lambda y: 0.5 * np.sum(y * y), argnum: int = 0) -> Any:
    """Return x -> v -> Jᵀ H J v, of the Jacobian of f and the Hessian of g."""

    def at(x: Any) -> Any:
        pull, y = vjp_of(f, x)
        second, _ = vjp_of(grad(g), y)
        return lambda v: pull(second(jvp_of(f, x)(v)[1]))

    return at


def grad_and_aux(f: Any, argnum: int = 0) -> Any:
    def run(*args: Any) -> Any:
        aux: list[Any] = []

        def first(*args: Any) -> Any:
            y, other = f(*args)
            aux[:] = [as_plain(other)]
            return y

        return grad(first, argnum)(*args), aux[0]

    return run


def flatten(tree: Any) -> Any:
    """Return the leaves as a vector, and the function that restores the tree."""
    if is_complex(tree):
        pytest.skip(COMPLEX)
    shapes = [np.shape(x) for x in leaves(tree)]
    ends = np.cumsum([int(np.prod(s)) for s in shapes])[:-1]
    restore = lambda v: replace_leaves(
        tree, [np.reshape(x, s)[()] for x, s in zip(np.split(v, ends), shapes, strict=True)]
    )
    return np.concatenate([np.ravel(x) for x in leaves(tree)]), restore


# ------------------------------------------------------------------------------------------- checks


def inner(x: Any, y: Any) -> Any:
    """Return the sum of products of all numbers of two trees, after comparing their shapes."""
    pairs = list(zip(leaves(x), leaves(y), strict=True))
    for a, b in pairs:
        assert np.shape(a) == np.shape(b), f"expected shape {np.shape(a)}, got {np.shape(b)}"
    return builtins.sum(np.sum(a * b) for a, b in pairs)


def combine(f: Any, x: Any, y: Any) -> Any:
    """Return the tree of f(a, b) for the leaves of two trees."""
    return replace_leaves(x, map(f, leaves(x), leaves(y)))


def random_like(tree: Any) -> Any:
    """Return a tree of random numbers, from the generator that HIPS's tests seed."""
    return map_leaves(lambda x: np.array(np.random.randn(*np.shape(x))), tree)  # noqa: NPY002


def scalar_close(a: Any, b: Any) -> bool:
    return abs(a - b) < TOLERANCE or abs(a - b) < TOLERANCE * abs(a + b)


def check_equivalent(x: Any, y: Any) -> None:
    v = random_like(x)
    assert scalar_close(inner(v, x), inner(v, y)), f"expected {x}, got {y}"


def check_grads(f: Any, argnum: Any = 0, modes: Any = ("fwd", "rev"), order: int = 2) -> Any:
    """Return a function that compares vjp and jvp with differences, up to an order."""

    @of_argument
    def check(f: Any, x: Any, order: int) -> None:
        x = arrays_of(x)
        v = random_like(x)
        ends = [f(combine(lambda x, v: x + h * v, x, v)) for h in (EPS / 2, -EPS / 2)]  # noqa: B023
        slope = combine(operator.sub, *ends)
        push, (pull, y) = jvp_of(f, x), vjp_of(f, x)
        assert all(not isinstance(out, Array) for out in leaves(y))
        u = random_like(y)
        expected = inner(u, slope) / EPS
        if "fwd" in modes:
            assert scalar_close(inner(u, push(v)[1]), expected), "jvp differs"
            if order > 1:
                check(lambda x, v: jvp_of(f, x)(v)[1], (0, 1), order - 1)(x, v)
        if "rev" in modes:
            assert scalar_close(inner(pull(u), v), expected), "vjp differs"
            if order > 1:
                check(lambda x, u: vjp_of(f, x)[0](u), (0, 1), order - 1)(x, u)

    def run(*args: Any, **keywords: Any) -> None:
        kind = "complex" if is_complex((args, keywords)) else "real"
        checks[kind] += 1
        if kind == "real":
            check(f, argnum, order)(*args, **keywords)

    return run


def combo_check(f: Any, argnums: Any = (0,), modes: Any = ("fwd", "rev"), order: int = 2) -> Any:
    """Return a function that checks all combinations of its lists of arguments."""

    def run(*args: Any, **keywords: Any) -> None:
        for positional in itertools.product(*args):
            for values in itertools.product(*keywords.values()):
                named = dict(zip(keywords, values, strict=True))
                check_grads(f, argnums, modes, order)(*positional, **named)

    return run


# ---------------------------------------------------------------------------------------- the modules


class Missing(ModuleType):
    """A name that has no equivalent, and all its attributes: a call skips the test.

    Outside tests, while a module of tests is imported, a call returns such a name.
    """

    def __init__(self, reason: str):
        self.reason = reason

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__name__":
            raise AttributeError(name)
        return Missing(f"{self.reason}: {name}" if self.reason == INTERNAL else self.reason)

    def __call__(self, *_: Any, **__: Any) -> Any:
        if "PYTEST_CURRENT_TEST" not in os.environ:
            return self
        pytest.skip(self.reason)

    __getitem__ = __iter__ = __call__


class Module(ModuleType):
    """A module with some names of its own and those of another one."""

    def __init__(self, name: str, other: Any = None, **names: Any):
        super().__init__(name)
        vars(self).update(names)
        self.other = other
        sys.modules[name] = self
        parent, _, child = name.rpartition(".")
        if parent:
            vars(sys.modules[parent])[child] = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self.other, name)


def array(x: Any, *args: Any, **settings: Any) -> Any:
    """Return an Array of an Array, or of nested lists of Arrays."""
    if isinstance(x, list | tuple) and any(isinstance(part, Array) for part in leaves(x)):
        return engine.stack(list(map(array, x)))
    return x if isinstance(x, Array) else np.array(x, *args, **settings)


class Joined:
    """`np.r_` and `np.c_`, of Arrays and slices."""

    def __init__(self, axis: int):
        self.axis = axis

    def __getitem__(self, parts: Any) -> Any:
        parts = parts if isinstance(parts, tuple) else (parts,)
        to_array = lambda x: np.arange(*x.indices(x.stop)) if isinstance(x, slice) else x
        return np.concatenate(list(map(to_array, parts)), self.axis)


def is_instance(x: Any, kinds: Any) -> bool:
    kinds = kinds if isinstance(kinds, tuple) else (kinds,)
    return builtins.isinstance(x, (*kinds, *[Array] * (np.ndarray in kinds)))


def of_lists(f: Any) -> Any:
    """Return a NumPy function that also accepts a list of Arrays, as in HIPS."""
    return lambda x, *args, **settings: f(array(x), *args, **settings)


CONTAINERS = {"dict": dict, "list": list, "tuple": tuple, "isinstance": is_instance}
internal = Missing(INTERNAL)

Module(
    "autograd", internal, **CONTAINERS, grad=grad, value_and_grad=value_and_grad, jacobian=jacobian,
    elementwise_grad=elementwise_grad, hessian=hessian, make_hvp=make_hvp, make_ggnvp=make_ggnvp,
    make_vjp=of_argument(vjp_of), make_jvp=of_argument(jvp_of), grad_and_aux=grad_and_aux,
    deriv=of_argument(lambda f, x: jvp_of(f, x)(np.ones(()))[1]),
    tensor_jacobian_product=tensor_jacobian_product, hessian_tensor_product=hessian_tensor_product,
    holomorphic_grad=Missing(COMPLEX), __path__=[],
)  # fmt: skip
Module("autograd.builtins", None, **CONTAINERS)
Module(
    "autograd.numpy", np, array=array, mean=of_lists(np.mean), std=of_lists(np.std), var=of_lists(np.var), r_=Joined(0), c_=Joined(-1), row_stack=np.vstack,
    make_diagonal=lambda x, **_: x[..., None] * np.eye(x.shape[-1]), fft=Missing(FFT), __path__=[],
)  # fmt: skip
Module("autograd.numpy.random", np.random)
Module("autograd.numpy.linalg", Missing("linear algebra"), norm=of_lists(np.linalg.norm))
Module("autograd.numpy.fft", Missing(FFT))
Module("autograd.test_util", None, check_grads=check_grads, combo_check=combo_check,
       check_equivalent=check_equivalent, scalar_close=scalar_close)  # fmt: skip
Module("autograd.core", internal, make_vjp=vjp_of)
Module("autograd.wrap_util", None, unary_to_nary=of_argument)
Module("autograd.misc", internal, flatten=flatten)
Module("autograd.tracer", internal, isbox=lambda x: isinstance(x, Array))
Module("autograd.extend", internal)
Module("autograd.util", None, quick_grad_check=lambda f, x, args: check_grads(f)(x, *args))
for name in (
    "",
    ".linalg",
    ".special",
    ".stats",
    ".stats.norm",
    ".stats.multivariate_normal",
    ".signal",
    ".integrate",
):
    Module(f"autograd.scipy{name}", Missing("SciPy"), __path__=[])


# ------------------------------------------------------------------------------------------ a plugin

NORMS = "linear algebra: matrix norms"
BY_DESIGN = {  # tests that fail, and why
    "test_graphs.py::test_complex_mutating_outgrad_from_indexing": COMPLEX,
    "test_linalg.py::test_norm_nuclear": NORMS,
    "test_linalg.py::test_norm_nuclear_axis": NORMS,
    "test_numpy.py::test_cast_to_int": "Arrays hold floats: indices are x.data.astype(int)",
    "test_numpy.py::test_simple_append_list_2D": "a nested list of Arrays is not an Array: stack them",
    "test_wrappers.py::test_wrapped_name_and_docs": f"{INTERNAL}: the name of a gradient",
}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: Any) -> Any:
    """Skip tests that fail by design, and those that check complex numbers only."""
    checks.update(real=0, complex=0)
    reason = BY_DESIGN.get(item.nodeid.rpartition("/")[2])
    if item.name.startswith("test_custom_where"):  # of HIPS's own `where` for plain numbers
        pytest.skip(f"{INTERNAL}: where of plain numbers")
    try:
        result = yield
    except Exception:
        if reason:
            pytest.skip(reason)
        raise
    assert not reason, f"passes now, remove it from BY_DESIGN: {reason}"
    if checks["complex"]:
        if not checks["real"]:
            pytest.skip(COMPLEX)
        item.user_properties.append(("without", COMPLEX))
    return result


TABLE: list[str] = []  # of the last run


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print how many tests passed and failed, and why others are skipped."""
    stats = terminalreporter.stats
    passed = stats.get("passed", [])
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ") for report in stats.get("skipped", [])
    )
    partly = sum(bool(report.user_properties) for report in passed)
    rows = [
        ("passed", len(passed) - partly),
        ("passed without their complex arguments", partly),
        *[(f"skipped: {reason}", n) for reason, n in reasons.most_common()],
        ("failed", sum(len(stats.get(name, [])) for name in ("failed", "error"))),
    ]
    TABLE[:] = [f"{n:5}  {name}" for name, n in rows]
    terminalreporter.write_line("\n" + "\n".join(TABLE))
