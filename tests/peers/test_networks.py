"""Generated networks compared with PyTorch and JAX: outputs, loss, gradients."""

import numpy as np
import pytest
from hypothesis import given

from networks import networks
from paths import array_path, scalar_path
from peers.judges import jax, jnp, torch
from strategies import examples

F = torch.nn.functional
COMMON = ["linear", "tanh", "relu", "sigmoid", "sin", "softplus", "silu", "gelu", "elu", "square"]
TORCH = {
    **{name: getattr(torch, name) for name in ("tanh", "relu", "sigmoid", "sin", "square")},
    **{name: getattr(F, name) for name in ("softplus", "silu", "gelu", "elu")},
    "linear": lambda z: z,
}
JAX = {
    **{name: getattr(jnp, name) for name in ("tanh", "sin", "square")},
    **{name: getattr(jax.nn, name) for name in ("relu", "sigmoid", "softplus", "silu", "elu")},
    "gelu": lambda z: jax.nn.gelu(z, approximate=False),
    "linear": lambda z: z,
}
LOSSES = {  # for both libraries, of predictions and targets of one shape
    "mse": lambda p, y, lib: ((p - y) ** 2).mean(),
    "mae": lambda p, y, lib: ((p - y) * lib.sign(p - y)).mean(),  # JAX's abs has slope 1 at 0
    "huber": lambda p, y, lib: lib.where(
        abs(p - y) <= 1, (p - y) ** 2 / 2, abs(p - y) - 0.5
    ).mean(),
    "hinge": lambda p, y, lib: lib.where(1 - y * p > 0, 1 - y * p, 0 * p).mean(),
    "binary_cross_entropy": lambda p, y, lib: (lib.logaddexp(0 * p, p) - y * p).mean(),
}


def loss_of(network, outputs, lib):
    y = np.array(network.y)
    if network.loss == "cross_entropy":
        exps = lib.exp(outputs - outputs.max()).sum(1)
        return (lib.log(exps) + outputs.max() - outputs[np.arange(len(y)), y]).mean()
    make = torch.tensor if lib is torch else jnp.array
    return LOSSES[network.loss](outputs, make(y.reshape(tuple(outputs.shape)).astype(float)), lib)


def by_torch(network):
    X = torch.tensor(network.X, dtype=torch.float64, requires_grad=True)
    layers = [
        torch.tensor(rows, dtype=torch.float64, requires_grad=True) for rows in network.layers
    ]
    a = X
    for i, layer in enumerate(layers):
        a = a @ layer[:, :-1].T + layer[:, -1]
        a = TORCH[network.activation](a) if i < len(layers) - 1 else a
    loss = loss_of(network, a, torch)
    loss.backward()
    grads = {f"gradient of layer {i}": layer.grad for i, layer in enumerate(layers)}
    results = {"outputs": a.detach(), "loss": loss.detach(), **grads, "gradient of X": X.grad}
    return {name: tensor.numpy() for name, tensor in results.items()}


def by_jax(network):
    def forward(layers, X):
        a = X
        for i, layer in enumerate(layers):
            a = a @ layer[:, :-1].T + layer[:, -1]
            a = JAX[network.activation](a) if i < len(layers) - 1 else a
        return loss_of(network, a, jnp), a

    layers, X = [jnp.array(rows) for rows in network.layers], jnp.array(network.X)
    (loss, a), (grads, of_X) = jax.value_and_grad(forward, (0, 1), has_aux=True)(layers, X)
    by_layer = {f"gradient of layer {i}": grad for i, grad in enumerate(grads)}
    return {"outputs": a, "loss": loss, **by_layer, "gradient of X": of_X}


@pytest.mark.parametrize("judge", [by_torch, by_jax])
@examples(20)
@given(network=networks(COMMON))
def test_generated_networks_agree(judge, network):
    """Values and Arrays agree, up to roundings of the largest result."""
    want = {name: np.asarray(x, float) for name, x in judge(network).items()}
    scale = max(np.abs(x).max() for x in want.values())
    if not np.isfinite(scale) or scale > 1e6:
        return
    for path in (scalar_path, array_path):
        results = path(network)
        for name, x in want.items():
            got = np.asarray(results[name], float).reshape(x.shape)
            np.testing.assert_allclose(got, x, rtol=1e-9, atol=1e-10 * (1 + scale), err_msg=name)
