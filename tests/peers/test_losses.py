"""Every loss and option compared with PyTorch and JAX: value, first and second derivatives."""

import inspect

import mpmath
import numpy as np
import pytest

from nn import losses
from peers.judges import EPS, JUDGES, PAYLOADS, agree, by_torch, jax, jnp, torch

F = torch.nn.functional
RNG = np.random.default_rng(5)
P, Q = RNG.normal(size=6), RNG.normal(size=(6, 3))
TARGETS, SEVERAL = RNG.normal(size=6), RNG.normal(size=(6, 3))
SIGNS, UNIT = np.array([1.0, -1.0, 1.0, 1.0, -1.0, -1.0]), np.array([0.0, 1.0, 0.25, 0.5, 1.0, 0.0])
HUGE = np.array([1e4, -1e4, 1e4, -1e4, 0.0, 40.0])
CLASSES = np.array([2, 0, 1, 1, 0, 2])
CHANCES = RNG.dirichlet(np.ones(3), 6)
CHANCES[0] = 0.0, 1.0, 0.0
EDGES = TARGETS + np.array([1.0, -1.0, 0.0, 2.0, -2.0, 0.5])  # errors of delta, 0 and beyond


def logit_rows():
    """Return logits (6, 3): random, identical, huge, confident, with a common offset."""
    huge = np.array([[1e4, -1e4, 0.0]] * 6)
    return [
        Q,
        np.zeros((6, 3)),
        huge,
        30.0 * np.eye(3)[CLASSES],
        300.0 * np.eye(3)[CLASSES],
        Q + 1e4,
    ]


def with_numbers(f):
    """Return for each judge a function of targets that returns its loss of predictions."""
    arrays = {"torch": torch.tensor, "jax": jnp.array}
    return {
        judge: lambda y, f=f[judge], array=arrays[judge], **how: lambda p: f(p, array(y), **how)
        for judge in f
    }


def clamped(lib, x):
    """Return max(x, 0), with slope 0 at 0 in all libraries."""
    return lib.where(x > 0, x, 0.0 * x)


def smoothed(z, y, smoothing=0.0, weight=None, ignore_index=-1, reduction="mean"):
    """Cross entropy as PyTorch defines it."""
    w = jnp.ones(z.shape[1]) if weight is None else jnp.array(weight)
    target = y if y.ndim == 2 else jax.nn.one_hot(y, z.shape[1])
    target = w * ((1 - smoothing) * target + smoothing / z.shape[1])
    used = jnp.ones(len(z)) if y.ndim == 2 else 1.0 * (y != ignore_index)
    sizes = used if y.ndim == 2 else w[y] * used
    out = -used * (target * jax.nn.log_softmax(z)).sum(axis=1)
    return out if reduction == "none" else out.sum() / (sizes.sum() if reduction == "mean" else 1)


def cross_entropy_of_torch(z, y, smoothing=0.0, weight=None, **how):
    weight = None if weight is None else torch.tensor(weight)
    return F.cross_entropy(z, y, weight=weight, label_smoothing=smoothing, **how)


def reduced(f):
    """A loss with a reduction, of a formula for each element."""
    reductions = {"mean": lambda x: x.mean(), "sum": lambda x: x.sum(), "none": lambda x: x}
    return lambda p, y, reduction="mean", **how: reductions[reduction](f(p, y, **how))


@reduced
def huber_of(p, y, delta=1.0):
    e = p - y
    return jnp.where(abs(e) <= delta, e**2 / 2, delta * (abs(e) - delta / 2))


# One judge is enough. A loss that neither library has is a formula of its operations.
THEIRS = {
    "mse": {"torch": F.mse_loss, "jax": reduced(lambda p, y: (p - y) ** 2)},
    # JAX's slope of abs is 1 at 0
    "mae": {"torch": F.l1_loss, "jax": reduced(lambda p, y: (p - y) * jnp.sign(p - y))},
    "huber": {"torch": F.huber_loss, "jax": huber_of},
    "hinge": {
        "torch": reduced(lambda p, y: clamped(torch, 1 - y * p)),
        "jax": reduced(lambda p, y: jax.nn.relu(1 - y * p)),
    },
    "binary_cross_entropy": {
        "torch": F.binary_cross_entropy_with_logits,
        "jax": reduced(lambda z, y: y * jax.nn.softplus(-z) + (1 - y) * jax.nn.softplus(z)),
    },
    "cross_entropy": {
        "torch": cross_entropy_of_torch,
        "jax": smoothed,
    },
}  # fmt: skip
# The loss, predictions, targets, options.
CASES = [
    *[("mse", p, y, {}) for p, y in [(P, TARGETS), (Q, SEVERAL), (P, P), (HUGE, TARGETS)]],
    *[("mae", p, y, {}) for p, y in [(P, TARGETS), (Q, SEVERAL), (P, P)]],
    *[("huber", p, y, how) for how in ({}, {"delta": 2.0}, {"delta": 0.3})
      for p, y in [(P, TARGETS), (Q, SEVERAL), (np.round(EDGES - TARGETS, 1), np.zeros(6)), (P, P), (HUGE, TARGETS)]],
    *[("hinge", p, SIGNS, {}) for p in (P, SIGNS, HUGE, 3 * SIGNS)],
    ("hinge", Q, np.sign(SEVERAL), {}),
    *[("binary_cross_entropy", z, UNIT, {}) for z in (P, np.zeros(6), HUGE, 40 * (2 * UNIT - 1), -700 * (2 * UNIT - 1))],
    ("binary_cross_entropy", Q, abs(np.sin(SEVERAL)), {}),
    *[("cross_entropy", z, CLASSES, how) for how in ({}, {"smoothing": 0.1}, {"smoothing": 0.9}) for z in logit_rows()],
    *[("cross_entropy", z, CHANCES, how) for how in ({}, {"smoothing": 0.1, "weight": [0.5, 2.0, 3.0]}) for z in logit_rows()],
    *[("cross_entropy", Q, CLASSES, {"weight": [0.5, 2.0, 3.0], **how})
      for how in ({}, {"smoothing": 0.1}, {"ignore_index": 1}, {"ignore_index": 0, "reduction": "none"}, {"reduction": "sum"})],
    *[(name, P, y, {"reduction": how}) for how in ("none", "sum")
      for name, y in [("mse", TARGETS), ("mae", TARGETS), ("huber", TARGETS), ("hinge", SIGNS), ("binary_cross_entropy", UNIT)]],
]  # fmt: skip


# At |e| = delta the slope has a kink. Our second derivative is that of the parabola, as in the
# formula above for JAX; PyTorch's is that of the line.
DIFFERENCES = {("huber", "torch"): ("second",)}


JUDGED = [
    pytest.param(i, judge, id=f"{name}{i}-{judge}")
    for i, (name, *_) in enumerate(CASES)
    for judge in THEIRS.get(name, ())
]


@pytest.mark.parametrize(("i", "judge"), JUDGED)
def test_agrees(i, judge):
    """The bound is for a mean of 18 losses of 4 rows with 6 roundings, times 3 for second derivatives.

    It is relative to the largest number. For logits, it is relative to at least 1, because
    shares - 1 cancels in the judges, and proportional to the logits: exp turns the rounding of
    z - logsumexp(z) into the error of a share.
    """
    name, p, y, how = CASES[i]
    logits = name == "cross_entropy"
    size, floor = (max(1.0, abs(p).max()), 1.0) if logits else (1.0, 1e-300)
    want = JUDGES[judge](with_numbers(THEIRS[name])[judge](y, **how), [p])
    at_kink = name == "huber" and (abs(p - y) == how.get("delta", 1.0)).any()
    unless = DIFFERENCES.get((name, judge), ()) if at_kink else ()
    for payload, on in PAYLOADS.items():
        targets = y.tolist() if payload == "values" else y
        got = on(lambda p, y=targets: getattr(losses, name)(p, y, **how), [p])
        agree(got, want, 3 * (18 + 6 * 4) * size, floor, unless)


PENALTIES = {
    "l1_penalty": lambda lib, *ps: sum((p * lib.sign(p)).sum() for p in ps),
    "l2_penalty": lambda lib, *ps: sum((p**2).sum() for p in ps),
}


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("name", PENALTIES)
def test_penalties_agree(name, payload, judge):
    at = [P, np.array([0.0, -0.0, 3.0])]
    lib = {"torch": torch, "jax": jnp}[judge]
    want = JUDGES[judge](lambda *ps: PENALTIES[name](lib, *ps), at)
    ours = getattr(losses, name)
    f = (
        (lambda *ps: ours([x for p in ps for x in p]))
        if payload == "values"
        else (lambda *ps: ours(ps))
    )
    agree(PAYLOADS[payload](f, at), want, 2 * 9)


def test_small_slopes_agree_with_mpmath_where_other_libraries_return_0():
    """At a logit of 40 the slope is -sigmoid(-40). Other libraries compute sigmoid(40) - 1, 0."""
    z, y, two = np.array([40.0]), np.array([1.0]), np.array([[40.0, 0.0]])
    exact = float(-1 / (1 + mpmath.exp(40)))
    ours = PAYLOADS["arrays"](lambda z: losses.binary_cross_entropy(z, y), [z])
    assert ours.slopes[0] == pytest.approx(exact, rel=6 * EPS, abs=0)
    theirs = by_torch(with_numbers(THEIRS["binary_cross_entropy"])["torch"](y), [z])
    assert theirs.slopes[0] == 0, "PyTorch now agrees"
    for payload in PAYLOADS.values():
        slopes = payload(lambda z: losses.cross_entropy(z, [0]), [two]).slopes[0]
        assert slopes[0, 0] == pytest.approx(exact, rel=6 * EPS, abs=0)
    theirs = by_torch(lambda z: F.cross_entropy(z, torch.tensor([0])), [two])
    assert theirs.slopes[0][0, 0] == 0, "PyTorch now agrees"


def test_every_loss_and_option_has_a_case():
    """This test fails for a loss without a judge, and for an option that no case sets."""
    helpers = {"LOSSES", "get"}  # a table and its look-up
    judged = {name for name, *_ in CASES} | set(PENALTIES)
    assert judged == set(losses.__all__) - helpers
    assert set(losses.LOSSES) == {name for name, judges in THEIRS.items() if judges}
    for name in THEIRS:
        options = list(inspect.signature(getattr(losses, name)).parameters)[2:]
        set_by_a_case = {option for case in CASES if case[0] == name for option in case[3]}
        assert set(options) == set_by_a_case, name


def test_all_names_every_public_loss():
    """`__all__` lists every function whose first argument is predictions or parameters."""
    takes = ("predictions", "scores", "logits", "parameters")
    functions = {
        name
        for name, f in vars(losses).items()
        if inspect.isfunction(f) and f.__module__ == losses.__name__
        and next(iter(inspect.signature(f).parameters), "") in takes
    }  # fmt: skip
    assert functions <= set(losses.__all__)
