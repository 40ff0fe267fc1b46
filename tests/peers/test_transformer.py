"""A GPT compared with PyTorch: logits, loss, every gradient, and 20 steps of Adam."""

import math

import numpy as np
import pytest

from nn import optim, scalar, vector
from peers.judges import torch

F = torch.nn.functional
DOCUMENTS = [[6, 0, 3, 3, 6], [6, 5, 6], [6, 1, 2, 4, 0, 6]]
KINDS = {
    "rms_norm": {},
    "layer_norm": {"norm": "layer_norm", "activation": "gelu", "bias": True, "layers": 2},
}
ACTIVATIONS = {"squared_relu": lambda x: F.relu(x) ** 2, "gelu": F.gelu}


def make(kind):
    model = scalar.GPT(7, 6, 3, positions=5, init="normal", rng=4, **KINDS[kind])
    for i, p in enumerate(model.parameters()):
        p.data = 0.4 * p.data + 0.1 * math.cos(i)
    return model


def loss_of(state, tokens, heads, kind):
    """Return the logits and the loss by PyTorch, from the parameters of a vector.GPT by path."""
    get = lambda path, name: state.get(f"{path}.{name}")
    linear = lambda x, path: F.linear(x, get(path, "weight"), get(path, "bias"))

    def norm(x, path):
        if kind == "layer_norm":
            return F.layer_norm(x, x.shape[-1:], get(path, "gamma"), get(path, "beta"), 1e-5)
        return F.rms_norm(x, x.shape[-1:], None, 1e-5)

    def attention(x, path):
        q, k, v = [
            linear(x, f"{path}.{name}").unflatten(-1, (heads, -1)).transpose(-2, -3)
            for name in ("query", "key", "value")
        ]
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return linear(mixed.transpose(-2, -3).flatten(-2), f"{path}.output")

    tokens = torch.tensor(tokens)
    x = F.embedding(tokens[:-1], state["token_embedding.weight"])
    x = norm(x + state["position_embedding.weight"][: len(x)], "norm")
    activation = ACTIVATIONS["gelu" if kind == "layer_norm" else "squared_relu"]
    for i in range(KINDS[kind].get("layers", 1)):
        path = f"blocks.{i}"
        x = x + attention(norm(x, f"{path}.attention_norm"), f"{path}.attention")
        hidden = linear(norm(x, f"{path}.mlp_norm"), f"{path}.mlp.layers.0")
        x = x + linear(activation(hidden), f"{path}.mlp.layers.1")
    logits = linear(x, "head")
    return logits, F.cross_entropy(logits, tokens[1:])


def gradients_of(model):
    """Return the gradients of a scalar.GPT by the paths of the vector.GPT."""
    copy = model.to_vector().to_scalar()
    for p, q in zip(copy.parameters(), model.parameters(), strict=True):
        p.data = q.grad
    return copy.to_vector().state_dict()


@pytest.mark.parametrize("kind", KINDS)
def test_logits_loss_and_gradients(kind):
    model = make(kind)
    moved = model.to_vector()
    state = {k: torch.tensor(x, requires_grad=True) for k, x in moved.state_dict().items()}
    for tokens in DOCUMENTS:
        logits, loss = loss_of(state, tokens, 3, kind)
        ours = [[z.data for z in row] for row in model(tokens[:-1])]
        np.testing.assert_allclose(ours, logits.detach().numpy(), rtol=1e-11, atol=1e-12)
        for p in (*model.parameters(), *moved.parameters(), *state.values()):
            p.grad = None if isinstance(p, torch.Tensor) else 0.0 * p.data
        loss.backward()
        model.loss(tokens).backward()
        moved.loss(tokens).backward()
        assert model.loss(tokens).data == pytest.approx(loss.item(), rel=1e-12)
        of_values, of_arrays = gradients_of(model), moved.named_parameters()
        for name, tensor in state.items():
            want = tensor.grad.numpy()
            np.testing.assert_allclose(of_values[name], want, rtol=1e-9, atol=1e-12, err_msg=name)
            np.testing.assert_allclose(
                of_arrays[name].grad, want, rtol=1e-9, atol=1e-12, err_msg=name
            )


@pytest.mark.parametrize("module", [scalar, vector])
def test_20_steps_of_adam(module):
    model = make("rms_norm")
    state = {
        k: torch.tensor(x, requires_grad=True) for k, x in model.to_vector().state_dict().items()
    }
    model = model if module is scalar else model.to_vector()
    ours = optim.Adam(model.parameters(), lr=0.01)
    theirs = torch.optim.Adam(state.values(), lr=0.01)
    for i in range(20):
        tokens = DOCUMENTS[i % 3]
        want = loss_of(state, tokens, 3, "rms_norm")[1]
        loss = model.loss(tokens)
        assert float(loss.data) == pytest.approx(want.item(), rel=1e-9)
        for optimizer, node in ((ours, loss), (theirs, want)):
            optimizer.zero_grad()
            node.backward()
            optimizer.step()
    last = (model.to_vector() if module is scalar else model).state_dict()
    for name, tensor in state.items():
        np.testing.assert_allclose(last[name], tensor.detach().numpy(), rtol=1e-7, atol=1e-9)
