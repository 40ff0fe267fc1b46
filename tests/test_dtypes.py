"""The dtype of results: Python numbers are weak, with a graph, without one, and in derivatives."""

import numpy as np
import pytest

from engine import (
    Array,
    concatenate,
    einsum,
    grad,
    hvp,
    maximum,
    minimum,
    no_grad,
    norm,
    where,
)
from engine.arrays.array import ConstantArray
from engine.arrays.formulas import one_hot
from engine.arrays.rules import ARRAY_TABLE, CROSS_ENTROPY, LINEAR, SCATTER
from engine.rules import ELEMENTWISE
from nn import losses, vector
from nn.losses import LOSSES

DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=lambda d: d.__name__)
X = np.array([[0.1, 0.7, -0.3], [0.9, -0.2, 0.4]])
POINTS = {"acosh": [1.3, 2.5], "where": [1.0, 0.3, 0.7], "clip": [0.4, -1.0, 1.0]}


def without_graph(f, *args):
    with no_grad():
        return f(*args)


def same(a, b, dtype):
    """The same bits, in the given dtype."""
    assert a.dtype == b.dtype == dtype
    np.testing.assert_array_equal(a.data, b.data)


@DTYPES
@pytest.mark.parametrize("op", ELEMENTWISE.values(), ids=ELEMENTWISE)
def test_rows_of_an_array_and_python_numbers(op, dtype):
    """An Array at each place, the others numbers: as a leaf, under no_grad, and detached."""
    numbers = POINTS.get(op.name, [0.3, 0.7])[: len(op.partials)]
    for i in range(len(numbers)):
        x = Array(np.array([0.3, 0.9, 1.0], dtype) * dtype(numbers[i]))
        apply = lambda x, i=i: op(*numbers[:i], x, *numbers[i + 1 :])
        y = apply(x)
        same(y, without_graph(apply, x), dtype)
        same(y, apply(x.detach()), dtype)
        same(apply(x.detach()), (apply(x.detach()) * 1).detach(), dtype)
        slope = grad(y.sum(), x, create_graph=True)
        np.testing.assert_array_equal(slope.data, grad(y.sum(), x))
        assert slope.dtype == grad(slope.sum(), x, create_graph=True).dtype == dtype


# Rows that mix elements, of x alone and beside numbers.
ROWS = {
    "@": lambda x: x @ [1, 2, 3],
    "linear": lambda x: LINEAR(x, [[0.1, 0.2, 0.3]], [0.1]),
    "sum": lambda x: x.sum(axis=0) / 3,
    "mean": lambda x: x.mean(axis=0) * 0.1,
    "max": lambda x: x.max(axis=1) - 0.1,
    "min": lambda x: 0.1 - x.min(axis=1),
    "reshape": lambda x: x.reshape(3, 2) + 1,
    "transpose": lambda x: x.T + True,
    "swapaxes": lambda x: x.swapaxes(0, 1) ** 2,
    "squeeze": lambda x: x.reshape(1, 2, 3).squeeze() / 3.0,
    "broadcast_to": lambda x: x.broadcast_to((2, 2, 3)) * 0.1,
    "getitem": lambda x: x[0] * 0.1,
    "scatter": lambda x: SCATTER(x[0], index=[0, 2, 2], shape=(4,)),
    "astype": lambda x: x.astype(x.dtype) * 0.1,
    "concatenate": lambda x: concatenate([x, [[1, 2, 3]]]),
    "softmax": lambda x: x.softmax() * 0.1,
    "logsumexp": lambda x: x.logsumexp() * 0.1,
    "log_softmax": lambda x: x.log_softmax() * 0.1,
    "prod": lambda x: x.prod(axis=0) * 0.1,
    "norm": lambda x: norm(x, axis=1) * 0.1,
    "cumsum": lambda x: x.cumsum(axis=1) * 0.1,
    "cumprod": lambda x: x.cumprod(axis=1) * 0.1,
    "einsum": lambda x: einsum("ij,j->i", x, [1, 2, 3]) * 0.1,
    "cross_entropy": lambda x: CROSS_ENTROPY(x, Y=one_hot(np.array([0, 2]), 3)),
    "functions": lambda x: where(x.data > 0.5, maximum(x, 0.2), minimum(0.1, x)).clip(0, 0.7),
}


@DTYPES
@pytest.mark.parametrize("name", ROWS)
def test_rows_that_mix_elements(name, dtype):
    x, f = Array(X.astype(dtype)), ROWS[name]
    y = f(x)
    same(y, without_graph(f, x), dtype)
    same(y, f(x.detach()), dtype)
    slope = grad((y * y).sum(), x, create_graph=True)
    same(slope, Array(grad((y * y).sum(), x)), dtype)
    assert grad((slope * slope).sum(), x, create_graph=True).dtype == dtype
    assert hvp((y * y).sum(), x, np.ones_like(X)).dtype == dtype


def test_every_row_for_arrays_is_tested():
    assert set(ARRAY_TABLE) <= set(ROWS)


@DTYPES
@pytest.mark.parametrize("name", LOSSES)
def test_losses(name, dtype):
    """Targets of any kind; predictions that are leaves, under no_grad, and detached."""
    settings = [{}, {"smoothing": 0.1}] if name == "cross_entropy" else [{}]
    targets = [1, 0] if name == "cross_entropy" else np.array([[1, 1, -1], [1, -1, 1]])
    if name == "binary_cross_entropy":
        targets = (targets + 1) // 2
    for options in settings:
        for y in (targets, np.asarray(targets).tolist(), np.asarray(targets, float)):
            if name == "cross_entropy" and isinstance(y, np.ndarray):
                continue
            p, f = (
                Array(X.astype(dtype)),
                lambda p, y=y, options=options: getattr(losses, name)(p, y, **options),
            )
            loss = f(p)
            same(loss, without_graph(f, p), dtype)
            same(loss, f(p.detach()), dtype)
            slope = grad(loss, p, create_graph=True)
            same(slope, Array(grad(loss, p)), dtype)
            assert grad(slope.sum(), p, create_graph=True).dtype == dtype


@pytest.mark.parametrize("penalty", [losses.l1_penalty, losses.l2_penalty])
@DTYPES
def test_penalties(penalty, dtype):
    ps = [Array(X.astype(dtype)), Array(X[0].astype(dtype))]
    f = lambda ps: 1e-4 * penalty(ps)
    same(f(ps), without_graph(f, ps), dtype)
    same(f(ps), f([p.detach() for p in ps]), dtype)


@DTYPES
@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu", "elu", "leaky_relu", "sigmoid"])
def test_a_network_computes_the_same_under_no_grad(activation, dtype):
    """Data and targets are float64, and a step of the user's own is in between."""
    model = vector.MLP(3, [4, 3], activation, dtype=dtype, rng=0)
    targets = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    scale, shift = ConstantArray(np.array([0.1, 0.2, 0.3])), np.array([1.0, 2.0, 1 / 3])

    def evaluate():
        outputs = (model(X / 3) * scale - shift) / 3
        return outputs, losses.mse(outputs, targets), losses.huber(outputs, targets, 0.1)

    for a, b in zip(evaluate(), without_graph(evaluate), strict=True):
        same(a, b, dtype)


def test_constants_are_promoted_as_in_numpy():
    """Python numbers, integers and booleans take the dtype of the others."""
    x, wide = Array(np.float32([1.0, 2.0])).detach(), np.array([1.0, 2.0])
    for other in (2, 2.0, True, [1.0, 2.0], np.arange(2), np.array([True, False]), np.float32(3)):
        for y in (x * other, other * x, x - other, x**other, maximum(other, x), x / other / 3):
            assert y.dtype == np.float32
    for other in (wide, np.float64(2), ConstantArray(wide), Array(wide).detach()):
        assert (x * other).dtype == (other * x).dtype == np.float64
        assert (Array(x.data) * other).dtype == np.float32
    number = ConstantArray(2.0)
    assert (number * 3.0).dtype == np.float64
    assert (number * 3.0 * x).dtype == np.float32
    assert (number.astype(np.float32) * [1.0]).dtype == np.float32


def test_dtypes_that_do_not_mix_do_not_mix_under_no_grad():
    x, y = Array([1.0]), Array(np.float32([1.0]))
    for f in (lambda: x * y, lambda: (x * 2.0) * (y * 2.0)):
        with pytest.raises(TypeError, match="expects Arrays of the same dtype"):
            f()
        with pytest.raises(TypeError, match="expects Arrays of the same dtype"), no_grad():
            f()
