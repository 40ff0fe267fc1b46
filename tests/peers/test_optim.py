"""Every optimizer and option: the weights after 20 steps, compared with other libraries.

The judges are PyTorch, JAX, and for an optimizer that neither has the algorithm of its paper,
written out for NumPy. Each optimizer runs on a network of Arrays and on the same one of Values.
"""

import inspect
from functools import partial

import numpy as np
import pytest

from engine import Array
from nn import losses, optim, vector
from peers.judges import close, jax_optim, jnp, torch

F, STEPS = torch.nn.functional, 20
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(5, 3)), RNG.integers(0, 4, 5)


def model_of():
    return vector.MLP(3, [5, 4], "tanh", rng=1, dtype=np.float64)


def gradient(weights):
    """Return PyTorch's gradient of the network's cross entropy at the given weights."""
    ps = [torch.tensor(w, requires_grad=True) for w in weights]
    w1, b1, w2, b2 = ps
    F.cross_entropy(torch.tanh(torch.tensor(X) @ w1.T + b1) @ w2.T + b2, torch.tensor(Y)).backward()
    return [p.grad.numpy() for p in ps]


# -------------------------------------------------------------------------------------- the judges
# A judge is a function of options that returns the weights after the steps.


def by_torch(kind, **options):
    ps = [torch.nn.Parameter(torch.tensor(p.data)) for p in model_of().parameters()]
    mover = kind(ps, **options)
    for _ in range(STEPS):
        for p, g in zip(ps, gradient([p.detach().numpy() for p in ps]), strict=True):
            p.grad = torch.tensor(g)
        mover.step()
    return [p.detach().numpy() for p in ps]


def by_jax(rule, *, lr, weight_decay=0.0, decoupled=False, **options):
    """Add weight decay, which JAX's rules lack, to the gradient or, if decoupled, to the weights."""
    init, update, get = rule(lr, **options)
    state = init([jnp.array(p.data) for p in model_of().parameters()])
    decayed = [0.0 for _ in get(state)]
    weights = lambda: [np.array(p) + x for p, x in zip(get(state), decayed, strict=True)]
    for i in range(STEPS):
        before = weights()
        slopes = gradient(before)
        if decoupled:
            decayed = [d - lr * weight_decay * w for d, w in zip(decayed, before, strict=True)]
        else:
            slopes = [g + weight_decay * w for g, w in zip(slopes, before, strict=True)]
        state = update(i, list(map(jnp.array, slopes)), state)
    return weights()


def by_paper(step, **options):
    """Run `step(w, g, memory, **options)`, which returns new weights; `memory` is a dict."""
    ws = [p.data for p in model_of().parameters()]
    memories = [{} for _ in ws]
    for _ in range(STEPS):
        gs = gradient(ws)
        ws = [step(w, g, m, **options) for w, g, m in zip(ws, gs, memories, strict=True)]
    return ws


def sgd_step(w, g, memory, *, lr, momentum=0.0, nesterov=False, weight_decay=0.0):
    g = g + weight_decay * w
    v = memory["v"] = momentum * memory.get("v", 0.0) + g
    return w - lr * (g + momentum * v if nesterov else v)


def jax_sgd(lr, momentum=0.0, nesterov=False):
    rule = jax_optim.nesterov if nesterov else jax_optim.momentum
    return rule(lr, momentum) if momentum else jax_optim.sgd(lr)


def jax_rmsprop(lr, alpha=0.99, eps=1e-8):
    return jax_optim.rmsprop(lr, alpha, eps)


def jax_adagrad(lr, eps=0.0):
    return jax_optim.adagrad(lr, 0.0)


def jax_adam(lr, betas=(0.9, 0.999), eps=1e-8):
    return jax_optim.adam(lr, *betas, eps)


JUDGES = {
    "SGD": {
        "torch": partial(by_torch, torch.optim.SGD),
        "jax": partial(by_jax, jax_sgd),
        "paper": partial(by_paper, sgd_step),
    },
    "RMSprop": {"torch": partial(by_torch, torch.optim.RMSprop), "jax": partial(by_jax, jax_rmsprop)},
    "Adagrad": {"torch": partial(by_torch, torch.optim.Adagrad), "jax": partial(by_jax, jax_adagrad)},
    "Adam": {"torch": partial(by_torch, torch.optim.Adam), "jax": partial(by_jax, jax_adam)},
    "AdamW": {
        "torch": partial(by_torch, torch.optim.AdamW),
        "jax": partial(by_jax, jax_adam, decoupled=True),
    },
}  # fmt: skip
# JAX's RMSprop adds eps inside the root, and its Adagrad has none; 1e-30 has no effect in either.
CHANGED = {("RMSprop", "jax"): {"eps": 1e-30}, ("Adagrad", "jax"): {"eps": 1e-30}}

# Options that differ from the defaults. The judges use the same names.
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
JUDGED = [
    pytest.param(name, judge, options, id=f"{name}-{judge}-{'-'.join(options)}")
    for name, options in CASES
    for judge in JUDGES.get(name, ())
]


def default(name, option):
    return inspect.signature(getattr(optim, name)).parameters[option].default


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


@pytest.mark.parametrize(("name", "judge", "options"), JUDGED)
def test_weights_after_twenty_steps(name, judge, options):
    """A step has about 100 roundings of numbers as large as the weights.

    Later steps multiply the error by 1 + lr * curvature, and by more if a rule divides by the root
    of squares. The total factor is at most 10.
    """
    options = {**options, **CHANGED.get((name, judge), {})}
    rates = {option: default(name, option) for option in ("lr", "weight_decay")}
    want = JUDGES[name][judge](**{**rates, **options})
    for weights in (on_arrays(name, options), on_values(name, options)):
        for ours, theirs in zip(weights, want, strict=True):
            close(ours, theirs, STEPS * 100 * 10, f"{name} {options}")
    start = model_of().parameters()
    assert all((abs(p.data - w) > 1e-6).any() for p, w in zip(start, want, strict=True))


@pytest.mark.parametrize("limit", [0.1, 1e3])
def test_clipped_gradients(limit):
    """PyTorch adds 1e-6 to the norm before dividing, a relative difference of 1e-6 / norm."""
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
    """This test fails for an optimizer without a judge, and for an option that no case sets."""
    kinds = [kind for kind in optim.OPTIMIZERS.values() if JUDGES[kind.__name__]]
    assert len(kinds) == len(JUDGES)
    for kind in kinds:
        options = set(inspect.signature(kind).parameters) - {"parameters"}
        assert options == {o for name, how in CASES if name == kind.__name__ for o in how}


def test_defaults_are_pytorchs():
    """Defaults are compared by name, because 20 steps hardly depend on a beta of 0.999."""
    for name, judges in JUDGES.items():
        if "torch" in judges:
            (kind,) = judges["torch"].args
            theirs = inspect.signature(kind).parameters
            for option in set(inspect.signature(getattr(optim, name)).parameters) - {"parameters"}:
                assert default(name, option) == theirs[option].default, (name, option)
