"""Small programs of users under `jit`: at several arguments, loss and gradients are those of eager code."""

import numpy as np
import pytest

from engine import Array, ConstantArray, jit, no_grad, where
from nn import losses
from test_array_jit import WAYS, choose_way


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


class Weights:
    """Parameters of some shapes, and running statistics."""

    def __init__(self, dtype):
        self.a, self.b, self.c, self.table = (
            Array(normal(*shape, seed=sum(shape)).astype(dtype))
            for shape in ((4, 4), (4,), (4, 3), (6, 4))
        )
        self.s = Array(np.array(1.3, dtype))
        self.mean = ConstantArray(np.zeros(4, dtype))

    def parameters(self):
        return [self.a, self.b, self.c, self.table, self.s]


def huber(w, x):
    distance = np.abs(x @ w.c)
    return where(distance < 1.0, 0.5 * distance * distance, distance - 0.5).mean()


def log_sum_exp(w, x):
    z = x @ w.c
    largest = z.data.max(axis=1, keepdims=True)
    return (np.log(np.exp(z - largest).sum(axis=1, keepdims=True)) + largest).sum()


def cross_entropy(w, x, y):
    z = x @ w.c
    z = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return -z[np.arange(len(y)), y].mean() + losses.cross_entropy(x @ w.c, y)


def layer_norm(w, x):
    h = x @ w.a
    mean = h.mean(axis=-1, keepdims=True)
    variance = ((h - mean) ** 2).mean(axis=-1, keepdims=True)
    return ((h - mean) / np.sqrt(variance + 1e-5) * w.b).sum()


def running_mean(w, x):
    h = x @ w.a
    w.mean.data = w.mean.data * 0.9 + 0.1 * h.data.mean(axis=0)
    return (h - w.mean).square().mean()


def attention(w, x):
    scores = (x @ w.a @ x.T) / np.sqrt(x.shape[1])
    scores = scores + np.where(np.tril(np.ones((5, 5))) > 0, 0.0, -1e9)
    p = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return (p / p.sum(axis=-1, keepdims=True) @ x @ w.c).sum()


def heads(w, x):
    h = (x @ w.a).reshape(5, 2, 2).transpose(1, 0, 2)
    return (h @ np.swapaxes(h, -1, -2) @ h).transpose(1, 0, 2).reshape(5, 4).sum()


def recurrent(w, xs):
    h = None
    for x in xs:
        h = np.tanh(x @ w.a) if h is None else np.tanh(x @ w.a + h * w.b)
    return h.mean()


def contrast(w, x):
    z = x @ w.a
    z = z / np.sqrt((z * z).sum(axis=1, keepdims=True))
    return (z @ z.T * (1.0 - np.eye(len(x)))).square().mean()


def baseline(w, x):
    with no_grad():
        target = (x @ w.a).tanh()
    return ((x @ w.a - target) ** 2).mean() + ((x @ w.a).detach() * w.b).sum()


def gate(w, x):
    left, right = np.split(x @ w.a, 2, axis=1)
    return (left * np.tanh(right)).sum()


def shrink(w, x):
    v, steps = w.b, 0
    while np.abs(v.data).max() > 0.5 and steps < 20:
        v, steps = v * 0.5 * x[0].max() / (1.0 + abs(x[0]).max()), steps + 1
    return v.sum() * steps


def elements(w, x):
    total = 0.0
    for i in range(4):
        for j in range(3):
            total = total + w.c[i, j] * x[j, i]
    return total


def first_that_fits(w, x):
    try:
        return w.b[int(x[0, 0] * 4.0)] * 2.0
    except IndexError:
        return w.s * 1.0


def counts(w, x):
    count_by_sign = {}
    for sign in np.sign(x).ravel():
        count_by_sign[sign] = count_by_sign.get(sign, 0) + 1
    return w.s * count_by_sign.get(1.0, 0) + w.b.sum() * len(count_by_sign)


def places(w, x):
    order = sorted(range(4), key=lambda i: x[0, i])
    rows, columns = np.nonzero(x[:4] > 0.0)
    return (w.b[order] * np.arange(4.0)).sum() + (w.a[rows, columns] * x[rows, columns]).sum()


def several(w, x):
    z = x @ w.a
    return z.sum() / (1.0 + np.abs(x).sum()), z.tanh(), z.mean()


def scaled(w, x, scale=2.0, *, axis=1):
    return ((x * w.b).sum(axis=axis) * scale).square().mean()


def nested(w, batch):
    sums = sum((part * w.s).sum() for part in batch["parts"])
    return (batch["x"] @ w.a * batch["parts"][0]).sum() * batch["parts"][1] + sums


def steps(w, x):
    y = x * 2.0
    y += 1.0
    y *= w.b.data
    return (y * w.b).sum()


def of_integers(w, x):
    total = (x // 2 * w.b + x % 3 * w.b + x / 3 * w.b + abs(x) * w.b).sum()
    return total + x.sum() * w.s + (x**2 * w.b).sum() + ((x & 3) * w.b).sum()


def of_bools(w, m):
    selected = (~m * w.b + m.sum(axis=0) * w.b).sum() + m.mean() * w.s
    return selected + (w.table[:5][m]).sum() + where(m, w.b, 0.0).mean()


def of_a_number(w, t):
    powers = (w.b * t**3).sum() + w.s**t + np.exp(-t) * w.b.sum()
    return powers + (w.b / (1.0 + t)).mean() + t // 1.0 + t % 1.0


def of_numpy(w, x):
    g = x.T @ x + np.eye(4)
    return (
        np.linalg.slogdet(g)[1] * w.s + (np.linalg.solve(g, x[0]) * w.b).sum()
        + np.linalg.eigh(g).eigenvalues @ w.b + (np.median(x, axis=0) * w.b).sum()
        + (np.sort(x, axis=None)[::5] * w.b).sum() + np.interp(0.3, [0.0, 1.0], x[0, :2]) * w.s
        + (np.fft.fft(x[0]).real * w.b).sum() + np.unique(x.round()).sum() * w.s
        + np.histogram(x, bins=4, range=(-2, 2))[0] @ w.b + np.count_nonzero(x > 0.0) * w.s
    )  # fmt: skip


X = lambda i: (normal(5, 4, seed=i),)
LABELS = lambda i: (*X(i), np.random.default_rng(i).integers(0, 3, 5))
PROGRAMS = {
    "mean square": (lambda w, x: ((x @ w.a + w.b - 1.0) ** 2).mean(), X),
    "huber": (huber, X),
    "log-sum-exp": (log_sum_exp, X),
    "cross-entropy": (cross_entropy, LABELS),
    "layer norm": (layer_norm, X),
    "rms norm": (lambda w, x: (x * w.b * ((x @ w.a) ** 2).mean() ** -0.5).sum(), X),
    "running mean": (running_mean, X),
    "attention": (attention, X),
    "heads": (heads, X),
    "recurrent": (recurrent, lambda i: ([normal(5, 4, seed=i + k) for k in range(i + 1)],)),
    "contrast": (contrast, X),
    "baseline": (baseline, X),
    "gate": (gate, X),
    "embedding": (
        lambda w, i: (w.table[i].sum(axis=1) @ w.c).square().mean() + w.b.take(i % 4).sum(),
        lambda i: (np.random.default_rng(i).integers(0, 6, (3, 2)),),
    ),
    "slices": (lambda w, x: (x[:, 1:] @ w.c[1:]).sum() + w.b[-1] * (w.a[::-1, ::2]).sum(), X),
    "concatenate": (lambda w, x: np.concatenate([x @ w.a, x, x[:, :1] * w.s], 1).tanh().sum(), X),
    "stack": (lambda w, x: np.stack([w.b, x[0] * w.b, x.sum(axis=0)], axis=1).square().sum(), X),
    "rows": (lambda w, x: np.stack([row @ w.c for row in x]).square().sum(), X),
    "pad": (lambda w, x: (np.pad(x @ w.c, ((1, 0), (0, 2))) * normal(6, 5)).sum(), X),
    "sort": (lambda w, x: (np.sort(x @ w.a, axis=0) * x[np.argsort(x[:, 0])]).sum(), X),
    "masked mean": (lambda w, x: ((x @ w.a) * (x > 0.0)).sum() / (x > 0.0).sum(), X),
    "index by a mask": (lambda w, x: w.b[x[0] > 0.0].sum() + w.b[np.argmax(x)  % 4], X),
    "windows": (
        lambda w, x: (np.lib.stride_tricks.sliding_window_view(x, 3) @ w.c[0, :3]).tanh().sum(),
        lambda i: (normal(8, seed=i),),
    ),
    "standardized": (lambda w, x: (w.b * x / x.std()).sum() * x.std() ** 3 + x.sum() ** 2, X),
    "einsum": (lambda w, x: np.einsum("ni,ij,nj->n", x, w.a, x).tanh().sum(), X),
    "shrink": (shrink, X),
    "elements": (elements, X),
    "an error": (first_that_fits, X),
    "counts": (counts, X),
    "places": (places, X),
    "several": (several, X),
    "defaults": (scaled, X),
    "dicts": (nested, lambda i: ({"x": normal(5, 4, seed=i), "parts": [normal(4), 0.5 * i]},)),
    "in place": (steps, X),
    "integers": (of_integers, lambda i: (np.random.default_rng(i).integers(-5, 5, (5, 4)),)),
    "bytes": (of_integers, lambda i: (np.arange(i, 20 + i).reshape(5, 4).astype("u1"),)),
    "bools": (of_bools, lambda i: (normal(5, 4, seed=i) > 0.0,)),
    "a number": (of_a_number, lambda i: (0.7 * i,)),
    "a number of NumPy": (of_a_number, lambda i: (np.float64(0.7 * i),)),
    "an integer": (lambda w, x, n: (x[:n] @ w.a).sum() * n, lambda i: (*X(i), i)),
    "an integer of NumPy": (lambda w, x, n: (x[:n] @ w.a).sum() * n, lambda i: (*X(i), np.int64(i))),
    "a bool": (lambda w, x, flag: (x * (w.b if flag else w.s)).sum(), lambda i: (*X(i), i > 1)),
    "a string": (lambda w, x, key: (x * getattr(w, key)).sum(), lambda i: (*X(i), "bsb"[i - 1])),
    "Arrays": (lambda w, x, y: (x @ w.a * y).sum(), lambda i: (Array(*X(i)), Array(*X(i + 5)))),
    "one Array twice": (lambda w, x, y: (x * w.b * y).sum(), lambda i: (Array(*X(i)),) * 2),
    "shapes": (lambda w, x: (x @ w.a).sum() / len(x), lambda i: (normal(i + 2, 4, seed=i),)),
    "dtypes": (lambda w, x: (x * w.b).tanh().mean(), lambda i: (X(i)[0].astype("fde"[i - 1]),)),
    "layouts": (
        lambda w, x: (x * w.b).sum() + x.mean(axis=1) @ x @ w.b,
        lambda i: (normal(5 * i, 4 * i, seed=i)[::i, ::i],),
    ),
    "no elements": (lambda w, x: (x @ w.a).sum() + w.s * len(x), lambda i: (normal(0, 4),)),
    "NumPy": (of_numpy, X),
}  # fmt: skip


def evaluate(f, w, args):
    """Return the bits and dtypes of results and gradients."""
    inputs = [x for x in args if isinstance(x, Array)]
    for x in w.parameters():
        x.zero_grad()
    out = f(*args)
    outs = out if isinstance(out, list | tuple) else [out]
    outs[0].backward()
    arrays = [x.data for x in outs] + [x.grad for x in (*w.parameters(), *inputs)]
    return [(x.dtype, x.tobytes()) for x in arrays]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name, dtype, monkeypatch):
    choose_way(monkeypatch, WAYS[-1])
    program, make = PROGRAMS[name]
    one, two = Weights(dtype), Weights(dtype)
    fast = jit(lambda *args: program(two, *args), two.parameters())
    for i in (1, 2, 3, 1, 2):
        args, same = as_dtype(make(i), dtype), as_dtype(make(i), dtype)
        expected = evaluate(lambda *args: program(one, *args), one, args)
        assert evaluate(fast, two, same) == expected


def as_dtype(args, dtype):
    """Return arguments with Arrays in the dtype of the parameters, with which they are multiplied."""
    arrays = {id(x): Array(x.data.astype(dtype)) for x in args if isinstance(x, Array)}
    return [arrays.get(id(x), x) for x in args]
