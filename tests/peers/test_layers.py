"""Every layer compared with PyTorch and JAX: outputs, first and second derivatives.

The judges are functions of the samples and the parameters. They use PyTorch's own layers if it has
them.
"""

import inspect

import numpy as np
import pytest

import nn
from engine import Value
from nn import scalar, vector
from nn.module import Module
from peers.judges import JUDGES, PAYLOADS, agree, close, jax, jnp, torch

F = torch.nn.functional
RNG = np.random.default_rng(11)
X = RNG.normal(size=(5, 3))
ALIKE = (
    "tanh",
    "sin",
    "square",
    "exp",
    "sinh",
    "cosh",
    "abs",
    "sign",
    "exp2",
    "expm1",
    "erf",
    "erfc",
    "cos",
    "tan",
)
# fmt: off
ACTIVATIONS = {
    "torch": {
        "linear": lambda z: z, "neg": torch.neg,
        **{name: getattr(torch, name) for name in (*ALIKE, "atan", "asinh", "sigmoid", "relu")},
        "cbrt": lambda z: torch.sign(z) * (z * torch.sign(z)) ** (1 / 3),
        **{name: getattr(F, name) for name in ("softplus", "silu", "gelu", "leaky_relu", "elu")},
        "normal_cdf": torch.special.ndtr, "squared_relu": lambda z: torch.relu(z) ** 2,
    },
    "jax": {
        "linear": lambda z: z, "neg": jnp.negative,
        **{name: getattr(jnp, name) for name in ALIKE if not name.startswith("erf")},
        "erf": jax.scipy.special.erf, "erfc": jax.scipy.special.erfc, "normal_cdf": jax.scipy.special.ndtr,
        "atan": jnp.arctan, "asinh": jnp.arcsinh, "cbrt": jnp.cbrt,
        **{name: getattr(jax.nn, name) for name in ("sigmoid", "relu", "softplus", "silu", "leaky_relu", "elu")},
        "gelu": lambda z: jax.nn.gelu(z, approximate=False), "squared_relu": lambda z: jax.nn.relu(z) ** 2,
    },
}
# fmt: on


def mlp(activation, judge):
    act = ACTIVATIONS[judge][activation]
    return lambda x, w1, b1, w2, b2: act(x @ w1.T + b1) @ w2.T + b2


def dense(activation, judge):
    return lambda x, w, b: ACTIVATIONS[judge][activation](x @ w.T + b)


def batch_norm(training, mean, variance, eps, judge):
    if judge == "torch":
        running = [torch.tensor(statistic) for statistic in (mean, variance)]
        return lambda x, gamma, beta: F.batch_norm(
            x, *(statistic.clone() for statistic in running), gamma, beta, training, 0.1, eps
        )

    def f(x, gamma, beta):
        m, v = (x.mean(0), x.var(0)) if training else (mean, variance)
        return (x - m) / jnp.sqrt(v + eps) * gamma + beta

    return f


def layer_norm(eps, judge):
    if judge == "torch":
        return lambda x, gamma, beta: F.layer_norm(x, (3,), gamma, beta, eps)

    def f(x, gamma, beta):
        m, v = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        return (x - m) / jnp.sqrt(v + eps) * gamma + beta

    return f


class Indexed(Module):
    """Rows of an embedding, some of them several times, as factors of the samples."""

    indices = np.array([[0, 2, 0], [1, 1, 1], [2, 0, 1], [0, 0, 2], [1, 3, 3]])

    def __init__(self):
        self.embedding = vector.Embedding(4, 2, rng=3, dtype=np.float64)

    def __call__(self, x):
        return self.embedding(self.indices) * x[..., None]


def embedded(judge):
    if judge == "torch":
        return lambda x, w: F.embedding(torch.tensor(Indexed.indices), w) * x[..., None]
    return lambda x, w: w[Indexed.indices] * x[..., None]


def evaluated(layer):
    layer.eval()
    layer.running_mean.data, layer.running_variance.data = (
        np.array([0.5, -1.0, 2.0]),
        np.array([0.3, 2.0, 1.0]),
    )
    return layer


def norm(kind=vector.BatchNorm, **how):
    layer = kind(3, dtype=np.float64, **how)
    layer.gamma.data, layer.beta.data = np.array([-2.0, 0.5, 1.5]), np.array([1.0, 0.0, -3.0])
    return layer


def masked(rate, shape, seed):
    """Return the mask that Dropout draws: 0 with probability `rate`, else 1 / (1 - rate)."""
    return (np.random.default_rng(seed).random(shape, np.float32) >= rate) / (1 - rate)


def times(mask, judge):
    return torch.tensor(mask) if judge == "torch" else mask


def layer(nout=4, activation="tanh", seed=1):
    made = vector.Dense(3, nout, activation, rng=seed, dtype=np.float64)
    made.bias.data = np.linspace(-0.5, 0.7, nout)
    return made


def network(activation, dropout=0.0):
    """Return a network of two layers without a weight or bias of 0."""
    made = vector.MLP(3, [4, 2], activation, dropout=dropout, rng=2, dtype=np.float64)
    for i, p in enumerate(made.parameters()):
        p.data = p.data * 0.7 + 0.05 * np.cos(i)
    return made


def residual(judge):
    f = dense("tanh", judge)
    return lambda x, w, b: x + f(x, w, b)


def with_dropout(judge, rate=0.4, seed=9):
    """Return the judge of an MLP with dropout, whose generator draws the weights first."""
    act = ACTIVATIONS[judge]["tanh"]
    rng = np.random.default_rng(2)
    vector.MLP(3, [4, 2], "tanh", rng=rng, dtype=np.float64)
    mask = (rng.random((5, 4), np.float32) >= rate) / (1 - rate)
    return lambda x, w1, b1, w2, b2: (act(x @ w1.T + b1) * times(mask, judge)) @ w2.T + b2


def sequence(judge):
    f, g = dense("tanh", judge), dense("linear", judge)
    b = batch_norm(True, np.zeros(3), np.ones(3), 1e-5, judge)
    return lambda x, w, c, gamma, beta, v, d: g(b(f(x, w, c), gamma, beta), v, d)


RUN = np.array([0.5, -1.0, 2.0]), np.array([0.3, 2.0, 1.0])
# The class, a function that makes a layer, and the function of samples and parameters of a judge.
CASES = [
    *[(vector.Dense, lambda a=a: layer(activation=a), lambda j, a=a: dense(a, j)) for a in ("linear", "tanh", "relu")],
    (vector.Activation, lambda: vector.Activation("gelu"), lambda j: ACTIVATIONS[j]["gelu"]),
    *[(vector.BatchNorm, lambda e=e: norm(eps=e), lambda j, e=e: batch_norm(True, *RUN, e, j)) for e in (1e-5, 0.1)],
    (vector.BatchNorm, lambda: evaluated(norm(eps=0.1)), lambda j: batch_norm(False, *RUN, 0.1, j)),
    *[(vector.LayerNorm, lambda e=e: norm(vector.LayerNorm, eps=e), lambda j, e=e: layer_norm(e, j)) for e in (1e-5, 0.1)],
    (vector.Embedding, Indexed, embedded),
    (vector.Dropout, lambda: vector.Dropout(0.4, rng=9), lambda j: lambda x: x * times(masked(0.4, (5, 3), 9), j)),
    (vector.Dropout, lambda: vector.Dropout(0.4, rng=9).eval(), lambda j: lambda x: x * 1.0),
    (vector.Sequential, lambda: vector.Sequential(layer(3), norm(), layer(2, "linear")), sequence),
    (vector.Residual, lambda: vector.Residual(layer(3)), residual),
    (vector.MLP, lambda: network("tanh", dropout=0.4), with_dropout),
    (vector.MLP, lambda: network("tanh", dropout=0.4).eval(), lambda j: mlp("tanh", j)),
    *[(vector.MLP, lambda a=a: network(a), lambda j, a=a: mlp(a, j)) for a in scalar.ACTIVATIONS],
]  # fmt: skip
IDS = [f"{of.__name__}{i}" for i, (of, *_) in enumerate(CASES)]


def run(make, names):
    """Return the layer as a function of samples and parameters; each call makes a new layer."""

    def f(x, *ps):
        model = make()
        for name, p in zip(names, ps, strict=True):
            at = model
            *way, last = name.split(".")
            for step in way:
                at = at[int(step)] if step.isdigit() else getattr(at, step)
            setattr(at, last, p)
        return model(x)

    return f


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("i", range(len(CASES)), ids=IDS)
def test_layers_agree(i, judge):
    """The bound is for two products and a norm: sums of 12 terms, 6 roundings a row, slopes to 20.

    Normalization of numbers that are almost equal would multiply errors by up to 1 / sqrt(eps).
    These differ by about 1.
    """
    _, make, theirs = CASES[i]
    parameters = make().named_parameters()
    at = [X, *[p.data for p in parameters.values()]]
    want = JUDGES[judge](theirs(judge), at)
    agree(PAYLOADS["arrays"](run(make, parameters), at), want, 3 * (3 * 12 + 4 * 6) * 10)


@pytest.mark.parametrize("activation", scalar.ACTIVATIONS)
@pytest.mark.parametrize("judge", JUDGES)
def test_networks_of_values_agree(activation, judge):
    """Neuron, Layer and MLP: the same weights, one sample at a time."""
    model = network(activation).to_scalar()
    first, second = network(activation).layers
    shapes = [first.weight, first.bias, second.weight, second.bias]
    x = X[:2]

    def f(x, *_):
        return [y for row in x for y in model(row)]

    want = JUDGES[judge](mlp(activation, judge), [x, *[p.data for p in shapes]])
    xs = [[Value(a) for a in row] for row in x.tolist()]
    out = f(xs)
    weights = np.cos(np.arange(len(out)))
    loss = sum(w * y for w, y in zip(weights.tolist(), out, strict=True))
    loss.backward()
    close(loss.data, want.value, 10 * 60, "value")
    close([[a.grad for a in row] for row in xs], want.slopes[0], 10 * 60, "slopes of samples")
    for layer, of_w, of_b in zip(model.layers, want.slopes[1::2], want.slopes[2::2], strict=True):
        close([[w.grad for w in n.weights] for n in layer.neurons], of_w, 10 * 60, "of weights")
        close([n.bias.grad for n in layer.neurons], of_b, 10 * 60, "of biases")


@pytest.mark.parametrize("momentum", [0.1, 0.6])
def test_running_statistics(momentum):
    """Statistics after two batches equal those of PyTorch. JAX has no layers with state."""
    mine = norm(momentum=momentum)
    other = torch.nn.BatchNorm1d(3, momentum=momentum)
    for batch in (X, 2 * X[:3] + 1):
        mine(batch)
        other(torch.tensor(batch))
    close(mine.running_mean.data, other.running_mean.numpy(), 20, "mean")
    close(mine.running_variance.data, other.running_var.numpy(), 20, "variance")


def test_every_layer_and_activation_has_a_case():
    """This test fails for a layer without a judge."""
    named = [getattr(package, name) for package in (nn, vector, scalar) for name in package.__all__]
    kinds = filter(inspect.isclass, named)
    public = {x for x in kinds if issubclass(x, Module) and x is not Module}
    of_values = {nn.Neuron, nn.Layer, nn.MLP}  # in test_networks_of_values_agree
    of_values |= {getattr(scalar, name) for name in scalar.MODULES}  # in test_interop_torch.py
    transformers = {*scalar.TRANSFORMERS, *vector.TRANSFORMERS}  # in test_transformer.py
    elsewhere = {x for x in public if x.__name__ in transformers}
    assert {of for of, *_ in CASES} | of_values | elsewhere == public
    for judge in JUDGES:
        assert set(ACTIVATIONS[judge]) == set(scalar.ACTIVATIONS)
