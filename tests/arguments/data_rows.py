"""Rows for data, augmentation, checkpoints and `fit`."""

import numpy as np

import nn
from arguments.kinds import (
    CALLABLE,
    COUNT,
    FINITE,
    FLAG,
    INF,
    MAPPING,
    NAME,
    NAN,
    PATH,
    POSITIVE,
    RNG,
    SEED,
    SHARE,
    WHOLE,
    WITHIN,
    bad,
    row,
)  # fmt: skip
from engine import Array, Value
from nn import augment, data, optim, schedules, vector

# fmt: off

x, w, a = Value(2.0), Value(3.0), Array([1.0, 2.0])
X4, y4 = np.arange(8.0).reshape(4, 2), np.array([1.0, -1.0, 1.0, -1.0])


def toys():
    for name, classes in {"moons": 2, "circles": 2, "spirals": 2, "blobs": 3, "xor": 2}.items():
        f, of = getattr(data, name), f"nn.data.{name}"
        yield from bad(of, "n must", COUNT, f)
        yield from bad(of, "noise", WITHIN, lambda v, f=f: f(9, v))
        yield from bad(of, "rng expects", RNG, lambda v, f=f: f(9, rng=v))
        yield from bad(of, "rng expects", SEED, lambda v, f=f: f(9, rng=v))
        for n in range(classes):
            yield row(of, lambda f=f, n=n: f(n), ValueError, f"at least one sample of each of {classes} classes, got n={n}")
    yield from bad("nn.data.circles", "inner", WITHIN, lambda v: data.circles(9, inner=v))
    yield from bad("nn.data.spirals", "turns", FINITE, lambda v: data.spirals(9, turns=v))
    yield from bad("nn.data.spirals", "the number of classes", WHOLE, lambda v: data.spirals(9, arms=v))
    yield from bad("nn.data.blobs", "the number of classes", WHOLE, lambda v: data.blobs(9, centers=v))


def parts():
    of = "nn.data.mnist"
    yield from bad(of, "folder", PATH._replace(values=PATH.values[1:]), data.mnist)
    yield from bad(of, "classes", WHOLE, lambda v: data.mnist(classes=v))
    yield row(of, lambda: data.mnist("no"), FileNotFoundError, "train-images", "in no", "four files")
    yield row(of, lambda: data.mnist(classes=5), ValueError, "label 5", "classes=10")
    for of, f in [("nn.data.batches", data.batches), ("nn.data.split", lambda X, y: data.split(X, y, 0.5))]:
        for X, y, error, words in [
            (None, y4, TypeError, ("X must have an entry for each sample", "None")),
            (X4, None, TypeError, ("y must have an entry for each sample", "None")),
            ("ab", "ab", TypeError, ("X must have an entry", "'ab'")),
            ({}, {}, TypeError, ("X must have an entry", "{}")),
            ((v for v in X4), y4, TypeError, ("X must have an entry", "generator")),
            ([[1.0], [1.0, 2.0]], [1, 2], ValueError, ("X and y must hold numbers", "equal lengths")),
            (X4, [1], ValueError, ("equal lengths, got 4 samples and 1 targets",)),
            (X4.T, y4, ValueError, ("equal lengths, got 2 samples and 4 targets",)),
            ([], [], ValueError, ("X must have at least 1 sample",)),
            (Array(X4), y4, TypeError, ("lose the graph", ".data")),
        ]:  # fmt: skip
            yield row(of, lambda f=f, X=X, y=y: f(X, y), error, *words)
    yield from bad("nn.data.batches", "size (None takes them all)", WHOLE._replace(values=WHOLE.values[1:]), lambda v: data.batches(X4, y4, v))
    yield from bad("nn.data.batches", "shuffle must be", FLAG, lambda v: data.batches(X4, y4, 2, v))
    yield from bad("nn.data.batches", "rng expects", RNG, lambda v: data.batches(X4, y4, 2, rng=v))
    yield from bad("nn.data.split", "fraction", SHARE, lambda v: data.split(X4, y4, v))
    yield from bad("nn.data.split", "rng expects", RNG, lambda v: data.split(X4, y4, 0.5, v))
    yield row("nn.data.split", lambda: data.split(X4, y4, 0), ValueError, "fraction=0 of 4 samples", "at least 1")


def moved():
    pictures = np.ones((2, 4, 4))
    for name, f in {"shift": lambda v: augment.shift(v, 1), "distort": augment.distort}.items():
        of, takes = f"nn.augment.{name}", "images are float32 or float64, got"
        for v in (None, "x", pictures.astype(np.uint8), pictures.astype(int), [x], pictures * 1j):
            yield row(of, lambda f=f, v=v: f(v), TypeError, takes, kind=f"of {np.asarray(v).dtype} {str(v)[:4]}")
        yield row(of, lambda f=f: f(pictures.astype(np.uint8)), TypeError, "divide bytes by")
        yield row(of, lambda f=f: f([[1.0, 2.0], [1.0]]), TypeError, "images are arrays of one shape")
        yield row(of, lambda f=f: f(np.ones((2, 5))), ValueError, "square, got 5 pixels", "reshape")
        yield row(of, lambda f=f: f(np.ones(4)), ValueError, "(n, pixels), got (4,)")
        yield row(of, lambda f=f: f(Array(pictures)), TypeError, "lose the graph", ".data")
        yield from bad(of, "rng expects", RNG, lambda v, name=name: getattr(augment, name)(pictures, **({"pixels": 1} if name == "shift" else {}), rng=v))
    yield from bad("nn.augment.shift", "pixels", COUNT, lambda v: augment.shift(pictures, v))
    distort, of = augment.distort, "nn.augment.distort"
    for name in ("degrees", "scale", "shear", "shift"):
        for v in (None, "x", "ab", -1, (1, 0), (1, 2, 3), True, NAN, INF, np.ones(2), 1j):
            yield row(of, lambda n=name, v=v: distort(pictures, **{n: v}), ValueError, f"{name} must be a number, 0 or more, or a pair", repr(v), kind=f"{name}={v!r}")
    yield row(of, lambda: distort(pictures, scale=1), ValueError, "scale must be", "(-1, inf)", "1")
    yield row(of, lambda: distort(pictures, shear=90), ValueError, "shear must be", "(-90, 90)", "90")
    yield from bad(of, "alpha", WITHIN, lambda v: distort(pictures, alpha=v))
    yield from bad(of, "sigma", POSITIVE, lambda v: distort(pictures, sigma=v))
    yield from bad(of, "threads", WHOLE, lambda v: distort(pictures, threads=v))


def saved():
    model = nn.MLP(2, [1], rng=0)
    yield from bad("nn.save", "path", PATH, lambda v: nn.save(v, model))
    yield from bad("nn.load", "path", PATH, nn.load)
    yield row("nn.save", lambda: nn.save("no/x", model), FileNotFoundError, "no folder", "create it first")
    yield row("nn.save", lambda: nn.save("folder.svg", model), OSError, "is a folder", "name of a file")
    yield row("nn.save", lambda: nn.save("x", None), TypeError, "model must be a Module, got None")
    for of, f in [("nn.save", lambda v=model, **k: nn.save("x", v, **k)), ("nn.load", lambda v=model, **k: nn.load("x", v, **k))]:
        for v in (3, "x", nn.MLP, x, [model]):
            yield row(of, lambda f=f, v=v: f(v), TypeError, "model must be a Module", repr(v), kind=f"model {v!r}")
        for v in (3, "adam", optim.SGD, model):
            yield row(of, lambda f=f, v=v: f(optimizer=v), TypeError, "optimizer must be an Optimizer", repr(v), kind=f"optimizer {v!r}")
        for v in (3, "x", True, np.random.RandomState(0)):
            yield row(of, lambda f=f, v=v: f(rng=v), TypeError, "rng must be a Generator", repr(v)[:9], kind=f"rng {v!r}")
        yield from bad(of, "schedule", CALLABLE, lambda v, f=f: f(schedule=v))
        yield from bad(of, "settings", MAPPING, lambda v, f=f: f(settings=v))
    yield from bad("nn.save", "epoch", COUNT, lambda v: nn.save("x", model, epoch=v))
    yield from bad("nn.save", "extra", MAPPING, lambda v: nn.save("x", model, extra=v))
    for v in (None, "x", -1.0, NAN):
        yield row("nn.save", lambda v=v: nn.save("x", model, schedule=lambda step: v), ValueError, "schedule(0) must be a number", repr(v), kind=f"schedule to {v!r}")
    yield row("nn.save", lambda: nn.save("x", model, settings={"a": x}), TypeError, "tree['settings']['a'] is a Value", "cannot be saved")
    yield row("nn.save", lambda: nn.save("x", model, extra={1: 2}), TypeError, "tree['extra'] has the key 1", "a key must be a str")

    def another():
        nn.save("saved", model)
        nn.load("saved", nn.MLP(2, [3, 1]))

    yield row("nn.load", another, nn.CheckpointError, "saved: it was saved from MLP(2, [1], 'relu')", "build the model as it was saved")


def fitted():
    of, scalar, wide = "nn.fit", nn.MLP(2, [1], rng=0), vector.MLP(2, [1], rng=0)

    def fit(model=scalar, X=X4, y=y4, loss="hinge", epochs=1, **named):
        return list(nn.fit(model, X, y, loss=loss, epochs=epochs, **named))

    for v in (None, "x", [x], 3.0, Array(X4)):
        yield row(of, lambda v=v: fit(v), TypeError, "fit expects a Module such as nn.MLP(2, [16, 1])", repr(v)[:9], kind=f"model {v!r}"[:30])
    for v in (nn.MLP, vector.MLP):
        yield row(of, lambda v=v: fit(v), TypeError, "fit expects a Module such as", kind=f"model {v!r}")
    for model in (scalar, wide):
        name, takes = ("MLP", "expects 2 inputs, got 1") if model is scalar else ("Dense", "expects shape (samples, 2), got (4")
        yield row(of, lambda m=model: fit(m, X4[:, :1]), ValueError, f"{name} {takes}")
        yield row(of, lambda m=model: fit(m, X4[:, 0]), ValueError, f"{name} {takes}", kind=f"{name} 1-d")
        yield row(of, lambda m=model: fit(m, X4.T), ValueError, "equal lengths, got 2 samples and 4 targets", kind=f"{name} transposed")
    for v, error, words in [
        (None, TypeError, "X must have an entry"), ("x", TypeError, "X must have an entry"), ([x] * 4, TypeError, "X must hold numbers"),
        (Array(X4), TypeError, "use its .data"), (X4 * NAN, ValueError, "X must hold finite numbers, got nan for sample 0"), (X4 * 1j, TypeError, "complex128"),
    ]:  # fmt: skip
        yield row(of, lambda v=v: fit(X=v), error, words, kind=f"X {words}")
    for v, error, words in [
        (None, TypeError, "y must have an entry"), (y4[:3], ValueError, "4 samples and 3 targets"), (["a"] * 4, TypeError, "y must hold numbers"),
        ([0, 1, 0, 1], ValueError, "labels -1 or 1 (2 * y - 1"),
    ]:  # fmt: skip
        yield row(of, lambda v=v: fit(y=v), error, words, kind=f"y {words}")
    yield from bad(of, "no loss", NAME, lambda v: fit(loss=v))
    yield from bad(of, "epochs", WHOLE, lambda v: fit(epochs=v))
    for name in ("patience", "batch_size"):
        yield from bad(of, name, WHOLE._replace(values=WHOLE.values[1:]), lambda v, name=name: fit(**{name: v}))
    for name in ("clip", "lr"):
        yield from bad(of, name, POSITIVE._replace(values=POSITIVE.values[1:]), lambda v, name=name: fit(**{name: v}))
    for name in ("metric", "penalty", "augment"):
        values = [v for v in CALLABLE.values if not (name == "metric" and v == "x")]
        yield from bad(of, name, CALLABLE._replace(values=values), lambda v, name=name: fit(**{name: v}))
    for v in (3, 0.1, "cosine", [0.1]):
        yield row(of, lambda v=v: fit(schedule=v), TypeError, "schedule must be a function such as", repr(v), kind=f"schedule {v!r}")
    yield row(of, lambda: fit(schedule="no"), ValueError, "no schedule 'no'; there are constant")
    yield row(of, lambda: fit(schedule=schedules.cosine), TypeError, "schedule must be a function such as", kind="schedule without its rate")
    yield row(of, lambda: fit(schedule=lambda step: -1.0), ValueError, "lr must be a number in [0, inf)", "-1.0")
    yield row(of, lambda: fit(schedule=schedules.constant(0.1), lr=0.1), ValueError, "a learning rate or a schedule", "lr=0.1")
    yield row(of, lambda: fit(metric=lambda p: 1.0), TypeError, "metric must be a function such as", "of 2 arguments", kind="metric of one")
    yield row(of, lambda: fit(penalty=lambda p: 1.0), TypeError, "penalty must be a function such as", kind="penalty of one")
    yield row(of, lambda: fit(metric="no"), ValueError, "no metric 'no'; there are accuracy")
    yield row(of, lambda: fit(metric=lambda p, y: "x"), (TypeError, ValueError), "a metric must return", kind="a metric to text")
    for v in (None, 3, optim.Adam, [x]):
        yield row(of, lambda v=v: fit(optimizer=v), TypeError, "optimizer must be a name or an optimizer such as Adam(model.parameters())", repr(v), kind=f"optimizer {v!r}")
    yield row(of, lambda: fit(optimizer="no"), ValueError, "no optimizer 'no'; there are sgd")
    yield row(of, lambda: fit(optimizer=optim.Adam([x])), ValueError, "none of the model's parameters")
    for v in ("x", 1.0, True, 3, NAN, {1: 2}):
        yield row(of, lambda v=v: fit(validation=v), ValueError, "fraction must be a number in [0, 1)", repr(v), kind=f"validation {v!r}")
    yield row(of, lambda: fit(validation=(X4,)), ValueError, "validation must be (X, y) or a fraction", "1 parts")
    yield row(of, lambda: fit(validation=X4), TypeError, "validation must be (X, y)", "(4, 2)")
    for v in (None, 1.0):
        yield row(of, lambda v=v: fit(loss=lambda p, y: v), TypeError, "a loss must return a node", repr(v), kind=f"loss to {v!r}")
    yield row(of, lambda: fit(augment=lambda X, epoch, rng: None), ValueError, "augment must return", "None")
    yield row(of, lambda: fit(augment=lambda X, epoch, rng: X[:2]), ValueError, "augment must return the 4 samples of an epoch", "(2, 2)")
    yield from bad(of, "checkpoint", PATH._replace(values=PATH.values[1:]), lambda v: fit(checkpoint=v))
    yield row(of, lambda: fit(checkpoint=""), ValueError, "checkpoint must be the name of a file", "''")
    yield row(of, lambda: fit(checkpoint="folder.svg"), ValueError, "checkpoint must be the name of a file")
    yield row(of, lambda: fit(checkpoint="no/x"), FileNotFoundError, "no folder", "create it first")
    yield from bad(of, "rng expects", RNG, lambda v: fit(rng=v))


ROWS = [*toys(), *parts(), *moved(), *saved(), *fitted()]
