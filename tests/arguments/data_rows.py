"""Rows for data, augmentation, checkpoints and `fit`."""
# ruff: noqa: I001 (several names a line)

from functools import partial

import numpy as np

import nn
from arguments.kinds import (
    CALLABLE, COUNT, FINITE, FLAG, INF, MAPPING, NAME, NAN, PATH, POSITIVE, RNG, SHARE, WHOLE,
    WITHIN, About,
)  # fmt: skip
from engine import Array, Value
from nn import augment, data, optim, schedules, vector
from nn.trials import Trial

# fmt: off

x, w, a = Value(2.0), Value(3.0), Array([1.0, 2.0])
X4, y4 = np.arange(8.0).reshape(4, 2), np.array([1.0, -1.0, 1.0, -1.0])
BOTH = (TypeError, ValueError)

# ------------------------------------------------------------------------------------------- data


def toys(f, classes, **kinds):
    on = About(f"nn.data.{f.__name__}")
    on.kind("n must", COUNT, f)
    on.arguments(partial(f, 9), noise=WITHIN, rng=RNG, **kinds)
    on.values([*range(classes)], f, ValueError, f"at least one sample of each of {classes} classes", shows="got n={}".format)


toys(data.moons, 2)
toys(data.circles, 2, inner=WITHIN)
toys(data.spirals, 2, turns=FINITE)
toys(data.blobs, 3)
toys(data.xor, 2)
About("nn.data.spirals").kind("the number of classes", WHOLE, lambda v: data.spirals(9, arms=v))
About("nn.data.blobs").kind("the number of classes", WHOLE, lambda v: data.blobs(9, centers=v))

on = About("nn.data.mnist")
on.kind("folder", PATH.optional, data.mnist)
on.arguments(data.mnist, classes=WHOLE)
on.call(lambda: data.mnist("no"), FileNotFoundError, "train-images", "in no", "four files")
on.call(lambda: data.mnist(classes=5), ValueError, "label 5", "classes=10")

for name, f in {"batches": data.batches, "split": lambda X, y: data.split(X, y, 0.5)}.items():
    on = About(f"nn.data.{name}")
    for X, y, error, *words in [
        (None, y4, TypeError, "X must have an entry for each sample", "None"),
        (X4, None, TypeError, "y must have an entry for each sample", "None"),
        ("ab", "ab", TypeError, "X must have an entry", "'ab'"),
        ({}, {}, TypeError, "X must have an entry", "{}"),
        ((v for v in X4), y4, TypeError, "X must have an entry", "generator"),
        ([[1.0], [1.0, 2.0]], [1, 2], ValueError, "X and y must hold numbers", "equal lengths"),
        (X4, [1], ValueError, "equal lengths, got 4 samples and 1 target"),
        (X4.T, y4, ValueError, "equal lengths, got 2 samples and 4 targets"),
        ([], [], ValueError, "X must have at least 1 sample"),
        (Array(X4), y4, TypeError, "lose the graph", ".data"),
    ]:
        on.call(partial(f, X, y), error, *words)

on = About("nn.data.batches")
on.kind("size (None uses all samples)", WHOLE.optional, partial(data.batches, X4, y4))
on.arguments(partial(data.batches, X4, y4, 2), shuffle=FLAG, rng=RNG)
on = About("nn.data.split")
on.arguments(partial(data.split, X4, y4), fraction=SHARE)
on.arguments(partial(data.split, X4, y4, 0.5), rng=RNG)
on.call(lambda: data.split(X4, y4, 0), ValueError, "fraction=0 of 4 samples", "at least 1")

# ----------------------------------------------------------------------------------- augmentation

pictures = np.ones((2, 4, 4))
whole = pictures.astype(np.uint8)


def augments(name, f, **kinds):
    on = About(f"nn.augment.{name}")
    on.values([None, "x", whole, pictures.astype(int), [x], pictures * 1j], f, TypeError, "images must be float32 or float64, got", shows=None)
    on.call(lambda: f(whole), TypeError, "divide bytes by")
    on.call(lambda: f([[1.0, 2.0], [1.0]]), TypeError, "images must have equal shapes")
    on.call(lambda: f(np.ones((2, 5))), ValueError, "square, got 5 pixels", "reshape")
    on.call(lambda: f(np.ones(4)), ValueError, "(n, pixels), got (4,)")
    on.call(lambda: f(Array(pictures)), TypeError, "lose the graph", ".data")
    on.arguments(partial(f, pictures), rng=RNG, **kinds)


augments("shift", lambda images, pixels=1, **k: augment.shift(images, pixels, **k), pixels=COUNT)
augments("distort", augment.distort, alpha=WITHIN, sigma=POSITIVE, threads=WHOLE)
on = About("nn.augment.distort")
for name in ("degrees", "scale", "shear", "shift"):
    on.values(
        [None, "x", "ab", -1, (1, 0), (1, 2, 3), True, NAN, INF, np.ones(2), 1j],
        lambda v, name=name: augment.distort(pictures, **{name: v}),
        ValueError, f"{name} must be a number, 0 or more, or a pair",
    )
on.call(lambda: augment.distort(pictures, scale=1), ValueError, "scale must be", "(-1, inf)", "1")
on.call(lambda: augment.distort(pictures, shear=90), ValueError, "shear must be", "(-90, 90)", "90")

# ------------------------------------------------------------------------------------ checkpoints

model = nn.MLP(2, [1], rng=0)


def save_wide():
    nn.save("saved", model)
    nn.load("saved", nn.MLP(2, [3, 1]))


for name, f in {"nn.save": partial(nn.save, "x"), "nn.load": partial(nn.load, "x")}.items():
    on, g = About(name), partial(f, model)
    on.values([3, "x", nn.MLP, x, [model]], f, TypeError, "model must be a Module")
    on.values([3, "adam", optim.SGD, model], lambda v, g=g: g(optimizer=v), TypeError, "optimizer must be an Optimizer")
    on.values([3, "x", True, np.random.RandomState(0)], lambda v, g=g: g(rng=v), TypeError, "rng must be a Generator", shows=lambda v: repr(v)[:9])
    on.arguments(g, schedule=CALLABLE, settings=MAPPING)

on = About("nn.save")
on.kind("path", PATH, lambda v: nn.save(v, model))
on.arguments(partial(nn.save, "x", model), epoch=COUNT, extra=MAPPING)
on.call(lambda: nn.save("no/x", model), FileNotFoundError, "no folder", "create it first")
on.call(lambda: nn.save("folder.svg", model), OSError, "is a folder", "name of a file")
on.call(lambda: nn.save("x", None), TypeError, "model must be a Module, got None")
on.values([None, "x", -1.0, NAN], lambda v: nn.save("x", model, schedule=lambda step: v), ValueError, "schedule(0) must be a number")
on.call(lambda: nn.save("x", model, settings={"a": x}), TypeError, "tree['settings']['a'] is a Value", "cannot be saved")
on.call(lambda: nn.save("x", model, extra={1: 2}), TypeError, "tree['extra'] has the key 1", "a key must be a str")
About("nn.load").kind("path", PATH, nn.load)
About("nn.load").call(save_wide, nn.CheckpointError, "saved: it was saved from MLP(2, [1], 'relu')", "build the model as it was saved")

# -------------------------------------------------------------------------------------------- fit


def fit(model=model, X=X4, y=y4, loss="hinge", epochs=1, **named):
    return list(nn.fit(model, X, y, loss=loss, epochs=epochs, **named))


on = About("nn.fit")
trains = "fit expects a Module such as"
on.values([None, "x", [x], 3.0, Array(X4)], fit, TypeError, f"{trains} nn.MLP(2, [16, 1])", shows=lambda v: repr(v)[:9])
on.values([nn.MLP, vector.MLP], fit, TypeError, trains, shows=None)
for network, takes in [(model, "MLP expects 2 inputs, got 1"), (vector.MLP(2, [1], rng=0), "Dense expects shape (samples, 2), got (4")]:
    on.values([X4[:, :1], X4[:, 0]], partial(fit, network), ValueError, takes, shows=None)
    on.call(partial(fit, network, X4.T), ValueError, "equal lengths, got 2 samples and 4 targets")
for X, error, words in [
    (None, TypeError, "X must have an entry"), ("x", TypeError, "X must have an entry"), ([x] * 4, TypeError, "X must hold numbers"),
    (Array(X4), TypeError, "use its .data"), (X4 * NAN, ValueError, "X must hold finite numbers, got nan for sample 0"), (X4 * 1j, TypeError, "complex128"),
]:
    on.call(partial(fit, X=X), error, words)
for y, error, words in [
    (None, TypeError, "y must have an entry"), (y4[:3], ValueError, "4 samples and 3 targets"), (["a"] * 4, TypeError, "y must hold numbers"),
    ([0, 1, 0, 1], ValueError, "labels -1 or 1 (2.0 * y - 1.0"),
]:
    on.call(partial(fit, y=y), error, words)
on.arguments(
    fit, loss=NAME, epochs=WHOLE, patience=WHOLE.optional, batch_size=WHOLE.optional, clip=POSITIVE.optional,
    lr=POSITIVE.optional, metric=CALLABLE.without(str), penalty=CALLABLE, augment=CALLABLE, rng=RNG,
    checkpoint=PATH.optional,
)
for name, first in {"schedule": "constant", "metric": "accuracy", "optimizer": "sgd"}.items():
    on.call(partial(fit, **{name: "no"}), ValueError, f"unknown {name} 'no'; choose from: {first}")

on.values([3, 0.1, [0.1]], lambda v: fit(schedule=v), TypeError, "schedule must be a function such as")
on.call(lambda: fit(schedule="cosine"), TypeError, "schedule must be a function such as", "'cosine'")
on.call(lambda: fit(schedule=schedules.cosine), TypeError, "schedule must be a function such as")
on.call(lambda: fit(schedule=lambda step: -1.0), ValueError, "lr must be a number in [0, inf)", "-1.0")
on.call(lambda: fit(schedule=schedules.constant(0.1), lr=0.1), ValueError, "a learning rate or a schedule", "lr=0.1")
on.call(lambda: fit(metric=lambda p: 1.0), TypeError, "metric must be a function such as", "of 2 arguments")
on.call(lambda: fit(metric=lambda p, y: "x"), BOTH, "a metric must return")
on.call(lambda: fit(penalty=lambda p: 1.0), TypeError, "penalty must be a function such as")
on.values([None, 3, optim.Adam, [x]], lambda v: fit(optimizer=v), TypeError, "optimizer must be a name or an optimizer such as Adam(model.parameters())")
on.call(lambda: fit(optimizer=optim.Adam([x])), ValueError, "none of the model's parameters")
on.values(["x", 1.0, True, 3, NAN, {1: 2}], lambda v: fit(validation=v), ValueError, "validation must be (X, y) or a fraction of the samples, a number in [0, 1)")
on.call(lambda: fit(validation=(X4,)), ValueError, "validation must be (X, y) or a fraction", "1 part")
on.call(lambda: fit(validation=X4), TypeError, "validation must be (X, y)", "(4, 2)")
on.values([None, 1.0], lambda v: fit(loss=lambda p, y: v), TypeError, "a loss must return a node")
on.call(lambda: fit(augment=lambda X, epoch, rng: None), ValueError, "augment must return", "None")
on.call(lambda: fit(augment=lambda X, epoch, rng: X[:2]), ValueError, "augment must return the 4 samples of an epoch", "(2, 2)")
on.call(lambda: fit(checkpoint=""), ValueError, "checkpoint must be the name of a file", "''")
on.call(lambda: fit(checkpoint="folder.svg"), ValueError, "checkpoint must be the name of a file")
on.call(lambda: fit(checkpoint="no/x"), FileNotFoundError, "no folder", "create it first")

# ------------------------------------------------------------------------------------------ sweep


def build(width, seed, checkpoint):
    raise AssertionError("it is not called")


def sweep(build=build, grid=None, **named):
    return nn.sweep(build, {"width": [2]} if grid is None else grid, **{"folder": "runs", **named})


on = About("nn.sweep")
on.values([None, 3, "x"], lambda v: sweep(v), TypeError, "build must be a function that returns fit(..., checkpoint=checkpoint)")
on.kind("grid must", MAPPING.optional, lambda v: sweep(grid=v))
on.values([3, 0.1, "tanh", None, {1: 2}], lambda v: sweep(grid={"width": v}), TypeError, "grid['width'] must be a list of values")
on.values([[], [3, 3], (0.1, 0.2, 0.1)], lambda v: sweep(grid={"width": v}), ValueError, "grid['width'] must have values, each once", shows=None)
on.values([len, x, 1j, {1: 2}], lambda v: sweep(grid={"width": [v]}), TypeError, "values of grid['width'] must be numbers, strings, booleans, None or lists", "pass its name")
on.call(lambda: sweep(grid={"widht": [2]}), ValueError, "unknown parameter of build(width, seed, checkpoint): 'widht' (did you mean 'width'?); choose from: width")
on.call(lambda: sweep(grid={}), ValueError, "build(width, seed, checkpoint) also expects 'width'; add it to the grid")
on.values(["seed", "checkpoint"], lambda v: sweep(grid={v: [1]}), ValueError, "is not a name for the grid", shows="{}".format)
on.call(lambda: sweep(lambda width, seed: None), TypeError, "build must have the parameters seed and checkpoint", "<lambda>(width, seed)")
on.kind("folder", PATH, lambda v: sweep(folder=v))
on.arguments(sweep, processes=WHOLE.optional, threads=WHOLE)
on.values([0, -1, 2.5, None, "x"], lambda v: sweep(seeds=v), BOTH, "seeds must be")
on.values([[], [1, 1]], lambda v: sweep(seeds=v), ValueError, "seeds must be a number, or distinct numbers")
on.values([[-1], ["a"], [0.5]], lambda v: sweep(seeds=v), BOTH, "a seed must be", shows=lambda v: repr(v[0]))
on.call(lambda: sweep(processes=2, scheduler="x"), ValueError, "expected processes or a scheduler")
for method in ("best", "plot"):
    About(f"nn.Sweep.{method}").values(["accuracy", 3], getattr(nn.Sweep([Trial({}, 0, [nn.Record(1, 0.5, None, None, None, 0.1, 1.0, 0.1)], 1, "")]), method), ValueError, "unknown figure", "loss, epochs, seconds")
