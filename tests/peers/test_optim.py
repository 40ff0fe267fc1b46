"""Every optimizer, with every option: the weights after 20 steps, against PyTorch's and JAX's.

On a network of Arrays and on the same one of Values.
"""

import inspect

import numpy as np
import pytest

from engine import Array
from nn import losses, optim, vector
from peers.judges import close, jax_optim, jnp, torch

F, STEPS = torch.nn.functional, 20
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(5, 3)), RNG.integers(0, 4, 5)
# Under a rule's name: what is not the default. PyTorch has our names for all but lr's place.
CASES = [
    ("SGD", {}),
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.5, "nesterov": True, "weight_decay": 0.1}),
    ("RMSprop", {}),
    ("RMSprop", {"alpha": 0.7}),
    ("RMSprop", {"lr": 0.05, "eps": 1e-2}),
    ("RMSprop", {"weight_decay": 0.1}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "eps": 1e-2}),
    ("Adagrad", {"lr": 0.1, "weight_decay": 0.1}),
    ("Adam", {}),
    ("Adam", {"lr": 0.01, "betas": (0.5, 0.9)}),
    ("Adam", {"lr": 0.01, "betas": (0.0, 0.99)}),
    ("Adam", {"lr": 0.01, "eps": 1e-2}),
    ("Adam", {"lr": 0.01, "weight_decay": 0.1}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.01, "betas": (0.5, 0.9)}),
    ("AdamW", {"lr": 0.01, "eps": 1e-2}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.5}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.0}),
]
IDS = [f"{rule}-{'-'.join(how)}" for rule, how in CASES]


def model_of():
    return vector.MLP(3, [5, 4], "tanh", rng=1, dtype=np.float64)


def gradient(weights):
    """Of the cross entropy of the network with those weights, by PyTorch."""
    ps = [torch.tensor(w, requires_grad=True) for w in weights]
    w1, b1, w2, b2 = ps
    F.cross_entropy(torch.tanh(torch.tensor(X) @ w1.T + b1) @ w2.T + b2, torch.tensor(Y)).backward()
    return [p.grad.numpy() for p in ps]


def by_torch(rule, how):
    ps = [torch.nn.Parameter(torch.tensor(p.data)) for p in model_of().parameters()]
    mover = getattr(torch.optim, rule)(ps, **how)
    for _ in range(STEPS):
        for p, g in zip(ps, gradient([p.detach().numpy() for p in ps]), strict=True):
            p.grad = torch.tensor(g)
        mover.step()
    return [p.detach().numpy() for p in ps]


def jax_rule(rule, lr, momentum=0.0, nesterov=False, alpha=0.99, betas=(0.9, 0.999), eps=1e-8):
    if rule == "SGD":
        moving = jax_optim.nesterov if nesterov else jax_optim.momentum
        return moving(lr, momentum) if momentum else jax_optim.sgd(lr)
    if rule == "RMSprop":
        return jax_optim.rmsprop(lr, alpha, eps)
    return jax_optim.adagrad(lr, 0.0) if rule == "Adagrad" else jax_optim.adam(lr, *betas, eps)


def by_jax(rule, how):
    """JAX's rules have no weight decay: it is added here, to the gradient or beside the rule."""
    how = {"lr": default(rule, "lr"), "weight_decay": default(rule, "weight_decay"), **how}
    decay, decoupled = how.pop("weight_decay"), rule == "AdamW"
    init, update, get = jax_rule(rule, **how)
    state = init([jnp.array(p.data) for p in model_of().parameters()])
    decayed = [0.0 for _ in get(state)]
    weights = lambda: [np.array(p) + each for p, each in zip(get(state), decayed, strict=True)]
    for i in range(STEPS):
        before = weights()
        slopes = gradient(before)
        if decoupled:
            decayed = [d - how["lr"] * decay * w for d, w in zip(decayed, before, strict=True)]
        else:
            slopes = [g + decay * w for g, w in zip(slopes, before, strict=True)]
        state = update(i, list(map(jnp.array, slopes)), state)
    return weights()


def default(rule, option):
    return inspect.signature(getattr(optim, rule)).parameters[option].default


def on_arrays(rule, how):
    model = model_of()
    mover = getattr(optim, rule)(model.parameters(), **how)
    for _ in range(STEPS):
        model.zero_grad()
        losses.cross_entropy(model(X), Y).backward()
        mover.step()
    return [p.data for p in model.parameters()]


def on_values(rule, how):
    model = model_of().to_scalar()
    mover = getattr(optim, rule)(model.parameters(), **how)
    for _ in range(STEPS):
        model.zero_grad()
        losses.cross_entropy([model(x) for x in X.tolist()], Y.tolist()).backward()
        mover.step()
    return [p.data for p in model.to_vector().parameters()]


# JAX's RMSprop has eps under the root, and its Adagrad none: an eps of 1e-30 is none either.
NOT_IN_JAX = {"RMSprop": "eps", "Adagrad": "eps"}


@pytest.mark.parametrize(("rule", "how"), CASES, ids=IDS)
def test_weights_after_twenty_steps(rule, how):
    """A step rounds some 100 times, numbers of the size of the weights.

    What a later step makes of that, 1 + lr * curvature times as much, and more where a rule divides
    by the root of squares, is given a factor of 10 in all.
    """
    want = by_torch(rule, how)
    judged = {"torch": (how, want)}
    if rule in NOT_IN_JAX:
        without = {**how, NOT_IN_JAX[rule]: 1e-30}
        judged["jax"] = (without, by_jax(rule, without))
    else:
        judged["jax"] = (how, by_jax(rule, how))
    for settings, want in judged.values():
        for found in (on_arrays(rule, settings), on_values(rule, settings)):
            for mine, other in zip(found, want, strict=True):
                close(mine, other, STEPS * 100 * 10, f"{rule} {settings}")
    begun = model_of().parameters()
    assert all((abs(p.data - w) > 1e-6).any() for p, w in zip(begun, want, strict=True))


@pytest.mark.parametrize("limit", [0.1, 1e3])
def test_clipped_gradients(limit):
    """PyTorch adds 1e-6 to the norm that it divides by: relatively 1e-6 / norm."""
    grads = [RNG.normal(size=(3, 4)), RNG.normal(size=5)]
    ours, theirs = [], []
    for g in grads:
        ours.append(Array(np.zeros_like(g)))
        ours[-1].grad = g
        theirs.append(torch.nn.Parameter(torch.zeros(g.shape)))
        theirs[-1].grad = torch.tensor(g)
    norm = optim.grad_norm(ours)
    assert norm == pytest.approx(
        torch.nn.utils.get_total_norm([p.grad for p in theirs]).item(), rel=1e-14
    )
    assert norm == pytest.approx(float(jax_optim.l2_norm(list(map(jnp.array, grads)))), rel=1e-14)
    optim.clip_grad_norm(ours, limit)
    torch.nn.utils.clip_grad_norm_(theirs, limit)
    clipped = jax_optim.clip_grads(list(map(jnp.array, grads)), limit)
    for p, other, third in zip(ours, theirs, clipped, strict=True):
        np.testing.assert_allclose(p.grad, other.grad.numpy(), rtol=1.1e-6 / norm)
        np.testing.assert_allclose(p.grad, third, rtol=1e-14)


@pytest.mark.parametrize("limit", [0.1, 1e3])
def test_clipped_values(limit):
    g = RNG.normal(size=(3, 4))
    p, other = Array(np.zeros((3, 4))), torch.nn.Parameter(torch.zeros(3, 4))
    p.grad, other.grad = g, torch.tensor(g)
    optim.clip_grad_value([p], limit)
    torch.nn.utils.clip_grad_value_([other], limit)
    np.testing.assert_array_equal(p.grad, other.grad.numpy())
    np.testing.assert_array_equal(p.grad, jnp.clip(jnp.array(g), -limit, limit))


def test_every_optimizer_and_option_has_a_case():
    """A rule without a judge fails here, and so does an option that no case sets."""
    elsewhere = {
        "Optimizer": "lacks a rule",
        "get": "looks an optimizer up", "OPTIMIZERS": "a table",
        "clip_grad_norm": "above", "clip_grad_value": "above", "grad_norm": "above",
    }  # fmt: skip
    assert {rule for rule, _ in CASES} | set(elsewhere) == set(optim.__all__)
    assert {rule for rule, _ in CASES} == {rule.__name__ for rule in optim.OPTIMIZERS.values()}
    for rule in optim.OPTIMIZERS.values():
        options = set(inspect.signature(rule).parameters) - {"parameters"}
        assert options == {o for name, how in CASES if name == rule.__name__ for o in how}


def test_defaults_are_pytorchs():
    """Each by its name: 20 steps hardly show a beta of 0.999."""
    for name, rule in optim.OPTIMIZERS.items():
        mine = inspect.signature(rule).parameters
        theirs = inspect.signature(getattr(torch.optim, rule.__name__)).parameters
        for option in set(mine) - {"parameters"}:
            assert mine[option].default == theirs[option].default, (name, option)
