"""Rows for optimizers, schedules and losses."""
# ruff: noqa: I001 (several names a line)

from functools import partial
from inspect import signature

import numpy as np

import nn
from arguments.kinds import (
    FLAG, HOLDS, INF, MAPPING, NAME, NAN, PARAMETERS, POSITIVE, REDUCTION, SEQUENCE, SHARE, WHOLE, WITHIN, About,
)  # fmt: skip
from engine import Array, Constant, Value
from nn import losses, optim, schedules

# fmt: off

x, w = Value(2.0), Value(3.0)
a, A = Array([1.0, 2.0]), Array([[1.0, 2.0], [3.0, 4.0]])
model = nn.MLP(2, [1], rng=0)
BOTH = (TypeError, ValueError)
HINT = ("MLP(2, [1], 'relu')", "pass model.parameters()")

# -------------------------------------------------------------------------------------- optimizers


KINDS = {"lr": POSITIVE, "weight_decay": WITHIN, "momentum": SHARE, "alpha": SHARE, "eps": POSITIVE}


def optimizers(rule):
    """Add the rows of an optimizer's class."""
    options = signature(rule).parameters
    name, on = rule.__name__, About(f"nn.optim.{rule.__name__}")
    on.kind(f"{name} expects", PARAMETERS, rule)
    on.arguments(partial(rule, [x]), **{name: kind for name, kind in KINDS.items() if name in options})
    if "betas" in options:
        betas(rule)
    on.kind("lr", WITHIN, lambda v: setattr(rule([x]), "lr", v))
    on.call(lambda: rule([]), ValueError, f"{name} expects at least one parameter", "pass model.parameters()")
    on.call(lambda: rule(model), TypeError, f"{name} expects parameters", *HINT)
    on.call(lambda: rule(a), TypeError, f"{name} expects a list", "Array([1., 2.])", "write [x]")
    on.values([x * w, Constant(1.0)], lambda v: rule([v]), ValueError, f"{name} expects leaves that require a gradient")

    on, optimizer = About(f"{on.of}.load_state_dict"), rule([x])
    load, state = optimizer.load_state_dict, optimizer.state_dict()
    replaced = lambda key: lambda v: load({**state, key: v})
    on.kind("a state", MAPPING, load)
    on.values(list(state), lambda key: load({k: v for k, v in state.items() if k != key}), ValueError, "the state lacks", "state_dict()", shows="the state lacks {!r}".format)
    on.values([None, "x", -1, 1.5, True], replaced("steps"), ValueError, "number of steps")
    on.values([None, "x", {}], replaced("memory"), TypeError, "memory is a list of dicts")
    on.values([[None]], replaced("memory"), TypeError, "memory of parameter 0 must be a dict", "None", shows=None)
    on.values(["x"], replaced("lr"), ValueError, "lr must")
    on.values(["no"], replaced("rule"), ValueError, "the state is of no over 1", "as it was saved", shows=None)


def betas(rule):
    on = About(f"nn.optim.{rule.__name__}")
    on.values([None, 0.9, (0.9,), (0.9, 0.9, 0.9), "ab", np.ones(2)], lambda v: rule([x], betas=v), ValueError, "betas must be a pair such as")
    on.kind("betas[0]", SHARE, lambda v: rule([x], betas=(v, 0.9)))
    on.kind("betas[1]", SHARE, lambda v: rule([x], betas=(0.9, v)))


for rule in optim.OPTIMIZERS.values():
    optimizers(rule)
on = About("nn.optim.SGD")
on.arguments(partial(optim.SGD, [x], momentum=0.9), nesterov=FLAG)
on.call(lambda: optim.SGD([x], nesterov=True), ValueError, "nesterov=True", "pass one, such as 0.9")
on = About("nn.optim.Optimizer")
on.kind("Optimizer expects", PARAMETERS, lambda v: optim.Optimizer(v, 0.1, 0.0))
on.call(lambda: optim.Optimizer([x], 0.1, 0.1).step(), NotImplementedError, "has no update rule", "define direction")
for f in (optim.clip_grad_norm, optim.clip_grad_value):
    on = About(f"nn.optim.{f.__name__}")
    on.kind(f.__name__, PARAMETERS, lambda v, f=f: f(v, 1.0))
    on.kind("limit", POSITIVE, partial(f, [x]))
    on.call(partial(f, model, 1.0), TypeError, *HINT)
About("nn.optim.grad_norm").kind("grad_norm expects", PARAMETERS, optim.grad_norm)
About("nn.optim.get").kind("unknown optimizer", NAME, optim.get)

# --------------------------------------------------------------------------------------- schedules


def rates(make, good, **kinds):
    """Add the rows of a schedule: `good` arguments, and the kinds of those that are checked."""
    on = About(f"nn.schedules.{make.__name__}")
    on.arguments(lambda **bad: make(**{**good, **bad}), **kinds)
    on.values([None, "3", [3], True, 1j], make(**good), TypeError, "expects the step as a number")


FALL = {"lr": 0.1, "steps": 9}
rates(schedules.constant, {"lr": 0.1}, lr=POSITIVE)
rates(schedules.linear, FALL, lr=POSITIVE, steps=POSITIVE, end=WITHIN)
rates(schedules.step_decay, {"lr": 0.1, "every": 9}, lr=POSITIVE, every=POSITIVE, by=POSITIVE)
rates(schedules.exponential, {"lr": 0.1, "factor": 0.5}, lr=POSITIVE, factor=SHARE)
rates(schedules.cosine, FALL, lr=POSITIVE, steps=POSITIVE, end=WITHIN)
rates(schedules.warm_restarts, FALL, lr=POSITIVE, steps=POSITIVE, grow=POSITIVE, end=WITHIN)
rates(schedules.reduce_on_plateau, {"lr": 0.1}, lr=POSITIVE, by=POSITIVE, patience=WHOLE, threshold=SHARE, least=WITHIN)
rates(schedules.one_cycle, FALL, lr=POSITIVE, steps=POSITIVE, rise=POSITIVE, divide=POSITIVE, end=WITHIN)
rates(schedules.warm_up, {"schedule": schedules.constant(0.1), "steps": 9}, steps=POSITIVE)
About("nn.schedules.step_decay").call(lambda: schedules.step_decay(0.1, 3, 0.5), ValueError, "by=0.5 would raise", "did you mean 2")
About("nn.schedules.warm_restarts").call(lambda: schedules.warm_restarts(0.1, 9, grow=0.5), ValueError, "grow=0.5", "use 1 or more")
for make in (schedules.reduce_on_plateau, partial(schedules.Plateau, patience=1, threshold=0.0)):
    on = About(f"nn.schedules.{getattr(make, '__name__', 'Plateau')}")
    on.call(partial(make, 0.1, by=0.5, least=0.0), ValueError, "by=0.5 would raise", "did you mean 2")
    on.call(partial(make, 0.1, by=2.0, least=0.5), ValueError, "least=0.5 is above lr=0.1", "smaller")
plateau = schedules.reduce_on_plateau(0.1)
About("nn.schedules.Plateau.update").values([None, "1", x, 1j], plateau.update, TypeError, "update expects the loss as a number", "pass its .data")
on, state = About("nn.schedules.Plateau.load_state_dict"), plateau.state_dict()
on.kind("a state", MAPPING, plateau.load_state_dict)
on.call(lambda: plateau.load_state_dict({"lr": 0.1}), ValueError, "the state has ['lr']", "state_dict()")
on.kind("the state's rate", WITHIN, lambda v: plateau.load_state_dict({**state, "rate": v}))
on.values([None, -1, 0.5], lambda v: plateau.load_state_dict({**state, "age": v}), ValueError, "the state's age must be a whole number")
About("nn.schedules.one_cycle").call(lambda: schedules.one_cycle(0.1, 9, rise=1.0), ValueError, "rise", "1.0")
on = About("nn.schedules.warm_up")
on.values([None, 0.1, "cosine", schedules.cosine], lambda v: schedules.warm_up(v, 3), TypeError, "schedule must be a function such as schedules.cosine(0.1, steps=90)")
on.values([None, "x", -1.0, NAN], lambda v: schedules.warm_up(lambda step: v, 3), ValueError, "schedule(0) must be a number")
About("nn.schedules.get").kind("unknown schedule", NAME, schedules.get)
About("nn.schedules.StepSchedule").values(["x", None], schedules.StepSchedule(lambda step: step), TypeError, "expects the step as a number")

# ------------------------------------------------------------------------------------------ losses


def pointwise(f):
    """Add the rows of a loss of predictions and targets of one shape."""
    name, on = f.__name__, About(f"nn.losses.{f.__name__}")
    lists, fits = "a loss expects a list of predictions", f"{name} expects one target per prediction"
    on.kind(lists, SEQUENCE, lambda v: f(v, [1.0]))
    on.kind(lists, SEQUENCE, partial(f, [x]))
    on.values(["a", None, 1j], lambda v: f([x], [v]), TypeError, HOLDS, shows=None)
    on.values(["a", None, 1j], lambda v: f(a, [v, v]), TypeError, "an Array holds", shows=None)
    on.call(lambda: f([x], [1.0, 1.0]), ValueError, fits, "1 prediction and 2 targets")
    on.call(lambda: f([], []), ValueError, f"{name} expects at least one prediction")
    on.arguments(partial(f, [x], [1.0]), reduction=REDUCTION)
    on.call(lambda: f([[x, x]], [1.0]), ValueError, fits, "for sample 0")
    on.call(lambda: f(a, x), TypeError, "already a node", "do not mix")
    for p, y in [(a, [1.0]), (a, [[1.0], [1.0]]), (A, [1.0, 1.0]), (a.reshape(2, 1), [[1.0, 1.0]]), (a.reshape(2, 1), [1.0])]:
        on.call(partial(f, p, y), ValueError, fits, f"shape {p.shape}", f"shape {np.shape(y)}")


for loss in (losses.mse, losses.mae, losses.huber, losses.hinge, losses.binary_cross_entropy):
    pointwise(loss)
for p in ([x], a[:1]):
    as_float = lambda v: f"got {float(v)}"
    About("nn.losses.hinge").values([0, 2, -2, 0.5, NAN], lambda v, p=p: losses.hinge(p, [v]), ValueError, "labels -1 or 1 (2.0 * y - 1.0 converts 0 and 1)", shows=as_float)
    About("nn.losses.binary_cross_entropy").values([2, -1, NAN, INF], lambda v, p=p: losses.binary_cross_entropy(p, [v]), ValueError, "targets from 0 to 1", shows=as_float)
About("nn.losses.huber").values([0, -1, None, "x", NAN, True, [1.0]], partial(losses.huber, [x], [1.0]), ValueError, "huber expects a delta above 0")

on, ce = About("nn.losses.cross_entropy"), losses.cross_entropy
on.kind("cross_entropy expects a list of logits per sample", SEQUENCE, lambda v: ce(v, [0]))
on.values([2, -1, 1.0, "a", None, True], lambda v: ce([[x, w]], [v]), ValueError, "labels from 0 to 1 (int)")
on.values([2, -1, 1.0, "a", True], lambda v: ce(A, [v, v]), ValueError, "labels from 0 to 1 (int)")
on.values([None, 1], partial(ce, [[x, w]]), TypeError, "cross_entropy expects", shows=None)
on.call(lambda: ce(A, [[0], [1, 2]]), BOTH, "cross_entropy expects", case="ragged labels")
on.call(lambda: ce(A, [None, 0]), TypeError, "cross_entropy expects labels")
on.values([[x], [1.0]], lambda p: ce(p, [0]), TypeError, "a list of logits per sample, got one number", "an output per class", shows=None)
on.call(lambda: ce([[]], [0]), ValueError, "at least one logit", "sample 0")
on.call(lambda: ce([], []), ValueError, "at least one prediction")
for p, labels in [(A, [0]), (a, [0, 1]), (A, [[0], [1]])]:
    on.call(partial(ce, p, labels), ValueError, "(samples, classes)", str(p.shape), str(np.shape(labels)))
on.values([[0], [0.5, 0.6], [NAN, 1.0]], lambda v: ce([[x, w]], [v]), ValueError, "cross_entropy expects", "sample 0")
on.call(lambda: ce(A, [[0.5, 0.6]] * 2), ValueError, "class probabilities of 0 or more whose sum is 1", "[0.5, 0.6] for sample 0")
on.call(lambda: ce(A, ["a", "b"]), ValueError, "labels from 0 to 1 (int)", "np.unique(y, return_inverse=True)")
for p in ([[x, w]], A[:1]):
    on.arguments(partial(ce, p, [0]), smoothing=SHARE, reduction=REDUCTION)
    on.values([0.5, "a", [0]], lambda v, p=p: ce(p, [0], ignore_index=v), ValueError, "ignore_index must be an int or None")
    on.kind("weight expects a number for each class", SEQUENCE.optional, lambda v, p=p: ce(p, [0], weight=v))
    on.values([[1.0], [1.0, -1.0], [NAN, 1.0], ["a", 1.0], [x, w]], lambda v, p=p: ce(p, [0], weight=v), ValueError, "weight must have a finite number of 0 or more for each of 2 classes")
    on.call(lambda p=p: ce(p, [0], ignore_index=0), ValueError, "at least one label for the mean", "got none")
    on.call(lambda p=p: ce(p, [0], weight=[0, 1]), ValueError, "at least one label for the mean", "weight 0")
    on.call(lambda p=p: ce(p, [[0.5, 0.5]], ignore_index=0), ValueError, "ignore_index=0", "class probabilities")

for f in (losses.l1_penalty, losses.l2_penalty):
    on = About(f"nn.losses.{f.__name__}")
    on.kind(f"{f.__name__} expects a list of parameters", SEQUENCE, f)
    on.call(partial(f, model), TypeError, f.__name__, "pass model.parameters()")
    on.call(partial(f, [a, x]), TypeError, "Value(2.0) is already a node", "do not mix")
    on.call(partial(f, [a, None]), TypeError, "an Array holds", "None")
    on.call(partial(f, [None]), TypeError, HOLDS, "None")
About("nn.losses.get").kind("unknown loss", NAME, losses.get)
