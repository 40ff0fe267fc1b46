"""The dtype of results: Python numbers are weak, with a graph, without one, and in derivatives."""

import math

import numpy as np
import pytest

from engine import (
    Array,
    concatenate,
    einsum,
    grad,
    hvp,
    jit,
    maximum,
    minimum,
    no_grad,
    norm,
    where,
)
from engine.arrays.array import ConstantArray
from engine.arrays.formulas import one_hot
from engine.arrays.rules import ARRAY_TABLE, CROSS_ENTROPY, LINEAR, SCATTER, SOFT_CROSS_ENTROPY
from engine.rules import ELEMENTWISE
from nn import losses, vector
from nn.losses import LOSSES
from test_array_functions import CASES

DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=lambda d: d.__name__)
X = np.array([[0.1, 0.7, -0.3], [0.9, -0.2, 0.4]])
POINTS = {"acosh": [1.3, 2.5], "where": [1.0, 0.3, 0.7], "clip": [0.4, -1.0, 1.0]}


def without_graph(f, *args):
    with no_grad():
        return f(*args)


def frozen(x):
    """A frozen leaf with the data of a leaf."""
    leaf = Array(x.data)
    leaf.requires_grad = False
    return leaf


def as_list(results):
    return results if isinstance(results, list | tuple) else [results]


def same(a, b, dtype):
    """The same bits, in the given dtype."""
    assert a.dtype == b.dtype == dtype
    np.testing.assert_array_equal(a.data, b.data)


@DTYPES
@pytest.mark.parametrize("op", ELEMENTWISE.values(), ids=ELEMENTWISE)
def test_rows_of_an_array_and_python_numbers(op, dtype):
    """An Array at each place, the others numbers: as a leaf, under no_grad, detached, and frozen."""
    numbers = POINTS.get(op.name, [0.3, 0.7, 1.2])[: len(op.partials)]
    for i in range(len(numbers)):
        x = Array(np.array([0.3, 0.9, 1.0], dtype) * dtype(numbers[i]))
        apply = lambda x, i=i: op(*numbers[:i], x, *numbers[i + 1 :])
        y = apply(x)
        same(y, without_graph(apply, x), dtype)
        same(y, apply(x.detach()), dtype)
        same(y, apply(frozen(x)), dtype)
        same(apply(x.detach()), (apply(x.detach()) * 1).detach(), dtype)
        if len(numbers) > 1:  # beside data of float64
            others = [np.array([number] * 3) for number in numbers]
            apply = lambda x, i=i, others=others: op(*others[:i], x, *others[i + 1 :])
            same(apply(x), without_graph(apply, x), dtype)
            same(apply(x), apply(frozen(x)), dtype)
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
    "soft_cross_entropy": lambda x: SOFT_CROSS_ENTROPY(x, Y=np.full((2, 3), 0.25)),
    "functions": lambda x: where(x.data > 0.5, maximum(x, 0.2), minimum(0.1, x)).clip(0, 0.7),
}


@DTYPES
@pytest.mark.parametrize("name", ROWS)
def test_rows_that_mix_elements(name, dtype):
    x, f = Array(X.astype(dtype)), ROWS[name]
    y = f(x)
    same(y, without_graph(f, x), dtype)
    same(y, f(x.detach()), dtype)
    same(y, f(frozen(x)), dtype)
    slope = grad((y * y).sum(), x, create_graph=True)
    same(slope, Array(grad((y * y).sum(), x)), dtype)
    assert grad((slope * slope).sum(), x, create_graph=True).dtype == dtype
    assert hvp((y * y).sum(), x, np.ones_like(X)).dtype == dtype


def test_every_row_for_arrays_is_tested():
    assert set(ARRAY_TABLE) <= set(ROWS)


@DTYPES
@pytest.mark.parametrize("name", LOSSES)
def test_losses(name, dtype):
    """Targets of any kind; predictions that are leaves, under no_grad, detached, and frozen."""
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
            same(loss, f(frozen(p)), dtype)
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
    same(f(ps), f([frozen(p) for p in ps]), dtype)


@DTYPES
@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu", "elu", "leaky_relu", "sigmoid"])
def test_a_network_computes_the_same_under_no_grad_and_frozen(activation, dtype):
    """Data and targets are float64, and a step of the user's own is in between."""
    model = vector.MLP(3, [4, 3], activation, dtype=dtype, rng=0)
    targets = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    scale, shift = ConstantArray(np.array([0.1, 0.2, 0.3])), np.array([1.0, 2.0, 1 / 3])

    def evaluate():
        outputs = (model(X / 3) * scale - shift) / 3
        return outputs, losses.mse(outputs, targets), losses.huber(outputs, targets, 0.1)

    expected = evaluate()
    for model_or_layer in (None, model.layers[0], model):
        if model_or_layer is not None:
            model_or_layer.freeze()
        for results in (evaluate(), without_graph(evaluate)):
            for a, b in zip(expected, results, strict=True):
                same(a, b, dtype)


NORMS = (vector.BatchNorm, vector.LayerNorm, vector.RMSNorm)
LAYERS = {
    **{kind.__name__: lambda dtype, kind=kind: kind(3, dtype=dtype) for kind in NORMS},
    "BatchNorm in eval": lambda dtype: vector.BatchNorm(3, dtype=dtype).eval(),
    "MLP": lambda dtype: vector.MLP(3, [4, 3], "tanh", dtype=dtype, rng=0),
    "Residual": lambda dtype: vector.Residual(vector.Dense(3, 3, "silu", dtype=dtype, rng=0)),
    "Attention": lambda dtype: vector.Attention(3, 3, bias=True, dtype=dtype, rng=0),
    "Transformer": lambda dtype: vector.Transformer(3, 1, dtype=dtype, rng=0),
    "GPT": lambda dtype: vector.GPT(5, 4, 2, 1, 2, dtype=dtype, rng=0),
}


@DTYPES
@pytest.mark.parametrize("name", LAYERS)
def test_a_frozen_layer_computes_the_same(name, dtype):
    """On data of float64: frozen in part and as a whole, in predictions, and recorded."""
    model = LAYERS[name](dtype)
    data = np.array([[1, 0], [4, 2]]) if name == "GPT" else X
    expected, recorded = model(data), jit(lambda x: model(x))
    predicted = model.predict(data)
    same(expected, recorded(data), expected.dtype)
    assert name == "Residual" or expected.dtype == dtype
    for parameter in model.parameters():
        parameter.requires_grad = False
        same(expected, model(data), expected.dtype)
    same(expected, recorded(data), expected.dtype)
    assert model.predict(data).dtype == predicted.dtype
    model.unfreeze()
    same(expected, model(data), expected.dtype)


@DTYPES
@pytest.mark.parametrize("name", CASES)
def test_functions(name, dtype):
    """Some compute with numbers of their own, such as the weights of linspace."""
    f, _, shapes = CASES[name]
    x = Array(np.linspace(0.1, 0.9, math.prod(shapes[0]), dtype=dtype).reshape(shapes[0]))
    others = [f(frozen(x)), without_graph(f, x)]
    if not any(part in name for part in ("np.ones", "dot ", "engine.dot", "outer")):
        others.append(f(x.detach()))  # no array of float64 is beside it
    for results in others:
        for a, b in zip(as_list(f(x)), as_list(results), strict=True):
            same(a, b, a.dtype if a.dtype.kind in "bi" else dtype)


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


def test_dtypes_that_do_not_mix_do_not_mix_under_no_grad_or_frozen():
    x, y = Array([1.0]), Array(np.float32([1.0]))
    for f in (lambda: x * y, lambda: (x * 2.0) * (y * 2.0), lambda: frozen(x) * y):
        with pytest.raises(TypeError, match="expects Arrays of the same dtype"):
            f()
        with pytest.raises(TypeError, match="expects Arrays of the same dtype"), no_grad():
            f()
