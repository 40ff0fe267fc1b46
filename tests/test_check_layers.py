"""The gradient check over every public layer and every loss: inputs, targets and all parameters.

A layer or a loss without a case fails a test here, which names it.
"""

import inspect
import math

import numpy as np
import pytest

import nn
from engine import Array, Value, check_gradients
from nn import losses, scalar, vector
from nn.module import Module

RNG = np.random.default_rng(4)
M, N = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 2))


def dense(nin, nout, activation="tanh"):
    return vector.Dense(nin, nout, activation, rng=1, dtype=np.float64)


def norm(n):
    return vector.BatchNorm(n, dtype=np.float64)


def evaluated(layer):
    """Return the layer in eval() mode after a batch, so that its statistics are not 0 and 1."""
    layer(2.0 * M + 1.0)
    return layer.eval()


def fixed(make):
    """Return a module class that draws the same mask in each call."""

    class Fixed(Module):
        def __init__(self):
            self.module, self.states = make(), {}
            for name, rng in self.module.generators().items():
                self.states[name] = rng.bit_generator.state

        def __call__(self, x):
            for name, rng in self.module.generators().items():
                rng.bit_generator.state = self.states[name]
            return self.module(x)

    return Fixed


def mlp(**how):
    return vector.MLP(3, [4, 2], "tanh", rng=2, dtype=np.float64, **how)


class Indexed(Module):
    """Rows of an embedding, some of them several times, as factors of the samples."""

    def __init__(self):
        self.embedding = vector.Embedding(4, 2, rng=3, dtype=np.float64)

    def __call__(self, x):
        return self.embedding([[0, 2, 0], [1, 1, 1], [2, 0, 1], [0, 0, 2]]) * x[..., None]


BATCHES = {  # of (samples, 3)
    vector.Dense: [
        *[lambda name=name: dense(3, 2, name) for name in scalar.ACTIVATIONS],
    ],
    vector.Activation: [lambda name=name: vector.Activation(name) for name in scalar.ACTIVATIONS],
    vector.BatchNorm: [lambda: norm(3), lambda: evaluated(norm(3)), lambda: vector.BatchNorm(3, eps=0.1, dtype=np.float64)],
    vector.LayerNorm: [lambda: vector.LayerNorm(3, dtype=np.float64), lambda: vector.LayerNorm(3, eps=0.1, dtype=np.float64)],
    vector.Embedding: [Indexed],
    vector.RMSNorm: [lambda: vector.RMSNorm(3, dtype=np.float64), lambda: vector.RMSNorm(3, gain=False, eps=0.1)],
    vector.Attention: [lambda c=c: vector.Attention(3, 3, causal=c, bias=True, rng=1, dtype=np.float64) for c in (True, False)],
    vector.Transformer: [lambda: vector.Transformer(3, 1, activation="gelu", rng=1, dtype=np.float64)],
    vector.Dropout: [fixed(lambda: vector.Dropout(0.4, rng=3)), lambda: vector.Dropout(0.4).eval()],
    vector.Sequential: [lambda: vector.Sequential(dense(3, 4), norm(4), dense(4, 2, "linear"))],
    vector.Residual: [lambda: vector.Residual(dense(3, 3)), lambda: vector.Residual(dense(3, 4), norm(4), dense(4, 3, "gelu"))],
    vector.MLP: [mlp, fixed(lambda: mlp(dropout=0.3)), lambda: mlp(dropout=0.3).eval()],
}  # fmt: skip
IN_TEST_TRANSFORMER = {
    scalar.Embedding, scalar.Attention, scalar.Transformer, scalar.GPT, vector.GPT,
}  # fmt: skip
SAMPLES = {  # of 3 numbers
    nn.Neuron: [lambda f=f, a=a: nn.Neuron(3, a, rng=1, fused=f) for f in (True, False) for a in scalar.ACTIVATIONS],
    nn.Layer: [lambda f=f: nn.Layer(3, 2, "tanh", rng=1, fused=f) for f in (True, False)],
    scalar.RMSNorm: [lambda: scalar.RMSNorm(3), lambda: scalar.RMSNorm(3, gain=False, eps=0.1)],
    scalar.LayerNorm: [lambda: scalar.LayerNorm(3), lambda: scalar.LayerNorm(3, eps=0.1)],
    scalar.Activation: [lambda: scalar.Activation("silu"), lambda: scalar.Activation("linear")],
    scalar.BatchNorm: [lambda: evaluated(norm(3)).to_scalar(), lambda: scalar.BatchNorm(3, eps=0.1)],
    scalar.Sequential: [lambda: scalar.Sequential(nn.Layer(3, 4, "tanh", rng=1), scalar.BatchNorm(4), nn.Layer(4, 1, "sigmoid", rng=2))],
    scalar.Residual: [lambda: scalar.Residual(nn.Layer(3, 4, "tanh", rng=1), nn.Layer(4, 3, "gelu", rng=2))],
    nn.MLP: [lambda f=f, a=a: nn.MLP(3, [4, 2], a, rng=1, fused=f) for f in (True, False) for a in ("tanh", "gelu")],
}  # fmt: skip


def off_zero(model):
    """Move every parameter a little: a bias of 0 would hide a product with it."""
    for i, p in enumerate(model.parameters()):
        p.data = p.data + 0.1 * np.cos(1.0 + i)
    return model


def cases(table):
    return [
        pytest.param(make, id=f"{of.__name__}-{i}") for of, made in table.items() for i, make in enumerate(made)
    ]  # fmt: skip


@pytest.mark.parametrize("make", cases(BATCHES))
def test_layers_of_arrays(make):
    """Outputs are weighted, because the plain sum of BatchNorm's outputs is constant."""
    model, X = off_zero(make()), Array(M, "X")

    def f():
        out = model(X)
        return (out * np.cos(np.arange(out.size)).reshape(out.shape)).sum()

    check_gradients(f, [X, *model.parameters()])


@pytest.mark.parametrize("make", cases(SAMPLES))
def test_layers_of_values(make):
    model, x = off_zero(make()), [Value(number) for number in M[0]]

    def f():
        out = model(x)
        outs = out if isinstance(out, list) else [out]
        return sum(math.cos(i) * y for i, y in enumerate(outs))

    check_gradients(f, [*x, *model.parameters()])


def test_every_public_layer_has_a_case():
    named = [getattr(package, name) for package in (nn, vector, scalar) for name in package.__all__]
    kinds = filter(inspect.isclass, named)
    public = {x for x in kinds if issubclass(x, Module) and x is not Module}
    assert public == {*BATCHES, *SAMPLES, *IN_TEST_TRANSFORMER}
    assert all(make().__class__ is of for of, made in SAMPLES.items() for make in made)


# ------------------------------------------------------------------------------------------ losses

P = M[:, 0]
SIGNS, UNIT, CLASSES = (
    np.array([1.0, -1.0, 1.0, -1.0]),
    np.array([0.1, 0.9, 0.25, 0.5]),
    [1, 0, 2, 1],
)
CHANCES, SUM = (
    np.array([[1.0, 0.0, 0.0], [0.2, 0.3, 0.5], [0.0, 0.5, 0.5], [1 / 3] * 3]),
    {"reduction": "sum"},
)
# Predictions, targets, options. Beside every kink: errors of 0, errors of delta, margins of 1.
LOSSES = {
    "mse": [(P, N[:, 0], {}), (P, N[:, 0], SUM), (M[:, :2], N, {})],
    "mae": [(P, N[:, 0], {}), (P, N[:, 0], SUM), (M[:, :2], N, {})],
    "huber": [(p, y, how) for p, y in [(P, N[:, 0]), (M[:, :2], N)] for how in ({}, {"delta": 0.3}, {"delta": 2.5, **SUM})],
    "hinge": [(P, SIGNS, {}), (P, SIGNS, SUM), (M[:, :2], np.sign(N), {})],
    "binary_cross_entropy": [(P, UNIT, {}), (P, UNIT, SUM), (30 * P, UNIT, {}), (M[:, :2], abs(np.sin(N)), {})],
    "cross_entropy": [(z, CLASSES, how) for z in (M, np.zeros((4, 3)), M + 1e3) for how in ({}, {"smoothing": 0.1}, {"smoothing": 0.9}, {"ignore_index": 0, **SUM})]
    + [(M, y, {"smoothing": 0.1, "weight": [0.5, 2.0, 0.0]}) for y in (CLASSES, CHANCES)],
    "l1_penalty": [(M, None, {}), (P, None, {})],
    "l2_penalty": [(M, None, {}), (P, None, {})],
}  # fmt: skip
LOSS_CASES = [
    pytest.param(name, *case, id=f"{name}-{i}")
    for name, cases_of_loss in LOSSES.items()
    for i, case in enumerate(cases_of_loss)
]
NO_SLOPE_IN_TARGETS = ("cross_entropy", "hinge")  # whose targets are labels


def allowed(name, target):
    """Return a valid target for any number, because the check varies targets."""
    return target.sigmoid() if name == "binary_cross_entropy" else target


@pytest.mark.parametrize(("name", "p", "y", "how"), LOSS_CASES)
def test_losses_of_arrays(name, p, y, how):
    """The targets are checked too, unless they are labels."""
    loss, predictions = getattr(losses, name), Array(p, "p")
    if y is None:
        check_gradients(lambda: loss([predictions, predictions * 2.0], **how), [predictions])
    elif name in NO_SLOPE_IN_TARGETS:
        check_gradients(lambda: loss(predictions, y, **how), [predictions])
    else:
        targets = Array(y, "y")
        check_gradients(
            lambda: loss(predictions, allowed(name, targets), **how), [predictions, targets]
        )


@pytest.mark.parametrize(("name", "p", "y", "how"), LOSS_CASES)
def test_losses_of_values(name, p, y, how):
    loss = getattr(losses, name)
    leaves = np.vectorize(Value, otypes=[object])(p)
    predictions, at = leaves.tolist(), leaves.ravel().tolist()
    if y is None:
        check_gradients(lambda: loss(at, **how), at)
    elif name in NO_SLOPE_IN_TARGETS:
        check_gradients(lambda: loss(predictions, np.asarray(y).tolist(), **how), at)
    else:
        targets = np.vectorize(Value, otypes=[object])(y)
        moved = np.vectorize(lambda t: allowed(name, t), otypes=[object])
        check_gradients(
            lambda: loss(predictions, moved(targets).tolist(), **how),
            [*at, *targets.ravel().tolist()],
        )


def test_every_public_loss_and_option_has_a_case():
    helpers = {"LOSSES", "get"}  # a table and its look-up
    assert set(LOSSES) == set(losses.__all__) - helpers
    for name, cases_of_loss in LOSSES.items():
        settings = list(inspect.signature(getattr(losses, name)).parameters)[
            1 if name.endswith("penalty") else 2 :
        ]
        assert set(settings) == {option for *_, how in cases_of_loss for option in how}, name
