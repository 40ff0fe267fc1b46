"""Functions of several nodes, and rows for whole arrays, compared with PyTorch and JAX.

Value, first and second derivatives, of Values and Arrays where both have the function. Inputs
include ties, and equal, huge and infinite logits.
"""

import numpy as np
import pytest

import engine
from engine import functions
from engine.arrays.rules import ARRAY_TABLE
from peers.judges import JUDGES, PAYLOADS, agree, jax, jnp, torch

inf = np.inf
RNG = np.random.default_rng(3)
V, W, M, N, S = (
    RNG.normal(size=4),
    RNG.normal(size=4),
    RNG.normal(size=(3, 4)),
    RNG.normal(size=(3, 4)),
    np.array(0.7),
)
C = np.array([1.0, 0.0, 1.0, 0.0])
TIES = np.array([[1.0, 2.0, 2.0, 0.5], [3.0, 3.0, 3.0, 3.0], [0.0, -1.0, 0.0, -2.0]])
LOGITS = {
    "random": M,
    "identical": np.zeros((2, 4)),
    "huge": np.array([[1e4, -1e4, 0.0, 9999.0], [-1e4, -1e4, -1e4, -9998.0]]),
    "offset": M + 1e4,
    "with -inf": np.array([[-inf, 0.0, 1.0, 0.3], [0.5, 0.5, -inf, -inf]]),
}

both = lambda f: {"torch": lambda *xs: f(torch, *xs), "jax": lambda *xs: f(jnp, *xs)}
joined = lambda *xs, axis=0: {
    "arrays": lambda *xs: engine.concatenate(xs, axis=axis),
    "torch": lambda *xs: torch.cat(xs, axis),
    "jax": lambda *xs: jnp.concatenate(xs, axis),
}
LSE = {"torch": lambda x: torch.logsumexp(x, -1), "jax": lambda x: jax.nn.logsumexp(x, -1)}
SOFTMAX = {"torch": lambda x: torch.softmax(x, -1), "jax": lambda x: jax.nn.softmax(x, -1)}
CHOSEN = {
    "values": lambda c, x, y: [engine.where(*each) for each in zip(c, x, y, strict=True)],
    "arrays": engine.where,
    **both(lambda lib, c, x, y: lib.where(c != 0, x, y)),
}
payloads = lambda f: {"values": lambda x, y: list(map(f, x, y)), "arrays": f}

# By the engine's name: a function for each payload and judge, and the inputs.
FUNCTIONS = {
    "dot": [({"values": engine.dot, "arrays": engine.dot, **both(lambda lib, w, x, b: (w * x).sum() + b)}, (V, W, S)),
            ({"values": engine.dot, "arrays": engine.dot, **both(lambda lib, w, x: (w * x).sum())}, (V, np.zeros(4)))],
    "total": [({"values": engine.total, **both(lambda lib, x: x.sum())}, (V,)),
              ({"arrays": lambda *xs: engine.total(xs), **both(lambda lib, *xs: sum(xs))}, (V, M, S, M))],
    "logsumexp": [({"values": lambda x: [engine.logsumexp(row) for row in x], "arrays": engine.logsumexp, **LSE}, (x,))
                  for x in LOGITS.values()],
    "softmax": [({"values": lambda x: [p for row in x for p in engine.softmax(row)], "arrays": engine.softmax, **SOFTMAX}, (x,))
                for x in LOGITS.values()],
    "log_softmax": [({"values": lambda x: [p for row in x for p in engine.log_softmax(row)], "arrays": engine.log_softmax,
                      "torch": lambda x: torch.log_softmax(x, -1), "jax": jax.nn.log_softmax}, (x,)) for x in LOGITS.values()],
    **{name: [({**payloads(getattr(engine, name)), **both(lambda lib, x, y, name=name: getattr(lib, name)(x, y))}, at)
              for at in [(V, W), (V, V), (V, np.array([V[0], 9.0, V[2], -9.0])), (np.full(4, -inf), V)]]
       for name in ("maximum", "minimum")},
    "logaddexp": [({**payloads(engine.logaddexp), **both(lambda lib, x, y: lib.logaddexp(x, y))}, at) for at in [(V, W), (V, V), (V * 1e4, W)]],
    "xlogy": [({**payloads(engine.xlogy), "torch": torch.xlogy, "jax": jax.scipy.special.xlogy}, at) for at in [(V, W**2), (C, W**2)]],
    "take": [({"values": lambda x: engine.take(x, [2, 0, 2]), "arrays": lambda x: engine.take(x, [2, 0, 2]), **both(lambda lib, x: x[np.array([2, 0, 2])])}, (V,))],
    "where": [(CHOSEN, (C, V, W)), (CHOSEN, (C, V, V)), (CHOSEN, (1 - C, V, np.zeros(4)))],
    "concatenate": [(joined(), (V, W)), (joined(axis=1), (M, N[:, :1], M)), (joined(axis=-1), (M, N[:, :0]))],
}  # fmt: skip


def row(mine, theirs, *at):
    return ({"arrays": mine, **theirs}, at)


def same(f, *at):
    """Return the case of a function that is written alike for all three libraries."""
    return row(f, {"torch": f, "jax": f}, *at)


def reduced(name, axis, keep, x):
    theirs = {"max": "amax", "min": "amin"}.get(name, name)
    dims = tuple(range(x.ndim)) if axis is None else axis
    return row(
        lambda x: getattr(x, name)(axis=axis, keepdims=keep),
        {
            "torch": lambda x: getattr(torch, theirs)(x, dims, keep),
            "jax": lambda x: getattr(jnp, name)(x, axis=axis, keepdims=keep),
        },
        x,
    )


LABELS = np.array([2, 0])
Y = np.eye(4, dtype=bool)[LABELS]
T = RNG.normal(size=(2, 3, 4))
INDEX = ([0, 0, 2], [1, 1, 3])
ARRAY_ROWS = {
    "@": [same(lambda x, y: x @ y, *at) for at in [(M, N.T), (M, V), (V, N.T), (V, W), (T, N.T), (T, T.swapaxes(1, 2)), (V, T.swapaxes(1, 2))]],
    "linear": [row(ARRAY_TABLE["linear"], both(lambda lib, x, w, b: x @ w.T + b), *at) for at in [(M, N[:2], W[:2]), (V, N, V[:3]), (T, M, V[:3])]],
    **{name: [reduced(name, axis, keep, x) for x in ((M, TIES) if name[0] == "m" else (M,)) for axis in (None, 0, -1, (0, 1)) for keep in (False, True)]
       for name in ("sum", "mean", "max", "min")},
    **{name: [reduced(name, axis, keep, x) for x in (M, M * C) for axis in (0, -1) for keep in (False, True)] for name in ("prod",)},
    "norm": [row(lambda x, axis=axis: engine.norm(x, axis=axis), {"torch": lambda x, axis=axis: torch.linalg.vector_norm(x, dim=axis), "jax": lambda x, axis=axis: jnp.linalg.norm(x, axis=axis)}, M)
             for axis in (0, -1, (0, 1))],
    **{name: [row(lambda x, name=name, axis=axis: getattr(x, name)(axis), both(lambda lib, x, name=name, axis=axis: getattr(lib, name)(x, axis)), M) for axis in (0, -1)]
       for name in ("cumsum", "cumprod")},
    "einsum": [row(lambda *xs, s=s: engine.einsum(s, *xs), both(lambda lib, *xs, s=s: lib.einsum(s, *xs)), *at)
               for s, at in [("ij,kj->ik", (M, N)), ("ij->", (M,)), ("ii->i", (M[:, :3],)), ("...i,i->...", (T, V)), ("ij,j,i", (M, V, V[:3]))]],
    "log_softmax": [row(lambda x, axis=axis: x.log_softmax(axis), {"torch": lambda x, axis=axis: torch.log_softmax(x, axis), "jax": lambda x, axis=axis: jax.nn.log_softmax(x, axis)}, M) for axis in (0, -1)],
    "reshape": [same(lambda x: x.reshape(2, -1) ** 2, M)],
    "transpose": [same(lambda x: x.T ** 2, M),
                  row(lambda x: x.transpose(2, 0, 1) ** 2, {"torch": lambda x: x.permute(2, 0, 1) ** 2, "jax": lambda x: x.transpose(2, 0, 1) ** 2}, T)],
    "swapaxes": [same(lambda x: x.swapaxes(0, -1) ** 2, T)],
    "squeeze": [row(lambda x: x.squeeze(1) ** 2, {"torch": lambda x: x.squeeze(1) ** 2, "jax": lambda x: x.squeeze(1) ** 2}, M[:, None])],
    "broadcast_to": [row(lambda x: x.broadcast_to((3, 4)) ** 2, both(lambda lib, x: lib.broadcast_to(x, (3, 4)) ** 2), V)],
    "getitem": [same(lambda x, i=i: x[i] ** 2, M) for i in [INDEX, 1, (slice(None, None, 2), 3), (..., None)]],
    "scatter": [row(lambda x: ARRAY_TABLE["scatter"](x, index=([0, 2, 0],), shape=(3,)) ** 2,
                    {"torch": lambda x: torch.zeros(3).index_add(0, torch.tensor([0, 2, 0]), x) ** 2,
                     "jax": lambda x: jnp.zeros(3).at[jnp.array([0, 2, 0])].add(x) ** 2}, V[:3])],
    "astype": [row(lambda x: x.astype(np.float64) ** 2, both(lambda lib, x: x ** 2), M)],
    "concatenate": FUNCTIONS["concatenate"],
    "softmax": [row(lambda x, axis=axis: x.softmax(axis), {"torch": lambda x, axis=axis: torch.softmax(x, axis), "jax": lambda x, axis=axis: jax.nn.softmax(x, axis)}, M) for axis in (0, -1)],
    "logsumexp": [row(lambda x, axis=axis, keep=keep: x.logsumexp(axis, keep),
                      {"torch": lambda x, axis=axis, keep=keep: torch.logsumexp(x, axis, keep),
                       "jax": lambda x, axis=axis, keep=keep: jax.nn.logsumexp(x, axis, keepdims=keep)}, M) for axis in (0, -1) for keep in (False, True)],
    "cross_entropy": [row(lambda x: ARRAY_TABLE["cross_entropy"](x, Y=Y),
                          {"torch": lambda x: torch.nn.functional.cross_entropy(x, torch.tensor(LABELS), reduction="none"),
                           "jax": lambda x: -jax.nn.log_softmax(x)[np.arange(2), LABELS]}, x)
                      for x in (M[:2], *list(LOGITS.values())[1:3])],
    "soft_cross_entropy": [row(lambda x: ARRAY_TABLE["soft_cross_entropy"](x, Y=abs(M[:2])),
                               {"torch": lambda x: -(torch.tensor(abs(M[:2])) * torch.log_softmax(x, 1)).sum(1),
                                "jax": lambda x: -(abs(M[:2]) * jax.nn.log_softmax(x)).sum(1)}, M[:2])],
}  # fmt: skip

# PyTorch's slope of logsumexp is exp(x - out), which amplifies the rounding of a large out.
COARSER = {("logsumexp", "torch")}
# PyTorch's second derivative of logaddexp is nan where exp(x - y) overflows; ours is 0.
NAN = {("logaddexp", "torch")}
# The terms of these sums have both signs, and cancel.
FLOORS = {"log_softmax": 1.0}

CASES = [
    pytest.param(name, of, at, id=f"{name}{kind}{i}")
    for kind, table in (("-", FUNCTIONS), ("-row", ARRAY_ROWS))
    for name, cases in table.items()
    for i, (of, at) in enumerate(cases)
]


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize(("name", "of", "at"), CASES)
def test_agrees(name, of, at, judge):
    """The bound is for sums of 20 terms with 6 roundings each, times 3 for second derivatives."""
    want = JUDGES[judge](of[judge], at)
    size = max(1.0, abs(want.value)) if (name, judge) in COARSER else 1.0
    unless = ["second"] if (name, judge) in NAN and np.isnan(want.second).all() else []
    floor = FLOORS.get(name, 1e-300)
    for payload in [kind for kind in PAYLOADS if kind in of]:
        agree(PAYLOADS[payload](of[payload], at), want, 3 * (20 + 6) * size, floor, unless)


def test_every_function_has_a_case():
    public = {n for n in engine.__all__ if getattr(engine, n) is getattr(functions, n, None)}
    public.add("concatenate")  # of Arrays
    public -= {n for n in public if isinstance(getattr(engine, n), type)}  # Array, Value, Op
    assert public == set(FUNCTIONS)
    assert set(ARRAY_TABLE) == set(ARRAY_ROWS)


def test_every_function_has_a_case_for_each_payload():
    """Values are concatenated as lists."""
    missing = {"concatenate": {"arrays"}}
    for name, cases in FUNCTIONS.items():
        assert {p for of, _ in cases for p in PAYLOADS if p in of} == missing.get(
            name, set(PAYLOADS)
        )
        assert all(set(JUDGES) <= set(of) for of, _ in cases)
