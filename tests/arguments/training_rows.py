"""Rows for optimizers, schedules and losses."""

from inspect import signature

import numpy as np

import nn
from arguments.kinds import (
    CALLABLE,
    FLAG,
    INF,
    MAPPING,
    NAME,
    NAN,
    PARAMETERS,
    POSITIVE,
    SEQUENCE,
    SHARE,
    WITHIN,
    bad,
    row,
)  # fmt: skip
from engine import Array, Constant, Value
from nn import losses, optim, schedules

# fmt: off

x, w = Value(2.0), Value(3.0)
a, A = Array([1.0, 2.0]), Array([[1.0, 2.0], [3.0, 4.0]])
HOLDS = "a Value holds one real number"


def movers():
    for rule in optim.OPTIMIZERS.values():
        name = rule.__name__
        of = f"nn.optim.{name}"
        yield from bad(of, f"{name} expects", PARAMETERS, rule)
        yield from bad(of, "lr", POSITIVE, lambda v, rule=rule: rule([x], v))
        yield from bad(of, "weight_decay", WITHIN, lambda v, rule=rule: rule([x], weight_decay=v))
        yield from bad(of, "lr", WITHIN, lambda v, rule=rule: setattr(rule([x]), "lr", v))
        yield row(of, lambda r=rule: r([]), ValueError, f"{name} got no parameters", "pass model.parameters()")
        yield row(of, lambda r=rule: r(nn.MLP(2, [1])), TypeError, f"{name} expects parameters", "MLP(2, [1], 'relu')", "pass model.parameters()")
        yield row(of, lambda r=rule: r(a), TypeError, f"{name} expects a list", "Array([1., 2.])", "write [x]")
        yield row(of, lambda r=rule: r([x * w]), ValueError, f"{name} moves leaves", "Value(6.0)")
        yield row(of, lambda r=rule: r([Constant(1.0)]), ValueError, f"{name} moves leaves", "Constant(1.0)")
        if "eps" in signature(rule).parameters:
            yield from bad(of, "eps", POSITIVE, lambda v, rule=rule: rule([x], eps=v))
        of += ".load_state_dict"
        mover = rule([x])
        state = mover.state_dict()
        yield from bad(of, "a state", MAPPING, mover.load_state_dict)
        for part in state:
            less = {key: v for key, v in state.items() if key != part}
            yield row(of, lambda m=mover, s=less: m.load_state_dict(s), ValueError, f"the state lacks {part!r}", "state_dict()")
        for v in (None, "x", -1, 1.5, True):
            yield row(of, lambda m=mover, s={**state, "steps": v}: m.load_state_dict(s), ValueError, "number of steps", repr(v), kind=f"steps={v!r}")
        for v in (None, "x", {}):
            yield row(of, lambda m=mover, s={**state, "memory": v}: m.load_state_dict(s), TypeError, "memory is a list of dicts", repr(v), kind=f"memory={v!r}")
        yield row(of, lambda m=mover, s={**state, "memory": [None]}: m.load_state_dict(s), TypeError, "memory of parameter 0 must be a dict", "None")
        yield row(of, lambda m=mover, s={**state, "lr": "x"}: m.load_state_dict(s), ValueError, "lr must", "'x'")
        yield row(of, lambda m=mover, s={**state, "rule": "no"}: m.load_state_dict(s), ValueError, "the state is of no over 1", "as it was saved")
    for rule in [rule for rule in optim.OPTIMIZERS.values() if "betas" in signature(rule).parameters]:
        of = f"nn.optim.{rule.__name__}"
        for v in (None, 0.9, (0.9,), (0.9, 0.9, 0.9), "ab", np.ones(2)):
            yield row(of, lambda r=rule, v=v: r([x], betas=v), ValueError, "betas is a pair such as", repr(v), kind=f"betas={v!r}")
        yield from bad(of, "betas[0]", SHARE, lambda v, rule=rule: rule([x], betas=(v, 0.9)))
        yield from bad(of, "betas[1]", SHARE, lambda v, rule=rule: rule([x], betas=(0.9, v)))
    yield from bad("nn.optim.SGD", "momentum", SHARE, lambda v: optim.SGD([x], momentum=v))
    yield from bad("nn.optim.SGD", "nesterov must be", FLAG, lambda v: optim.SGD([x], nesterov=v, momentum=0.9))
    yield row("nn.optim.SGD", lambda: optim.SGD([x], nesterov=True), ValueError, "nesterov=True", "pass one, such as 0.9")
    yield from bad("nn.optim.RMSprop", "alpha", SHARE, lambda v: optim.RMSprop([x], alpha=v))
    yield from bad("nn.optim.Optimizer", "Optimizer expects", PARAMETERS, lambda v: optim.Optimizer(v, 0.1, 0.0))
    yield row("nn.optim.Optimizer", lambda: optim.Optimizer([x], 0.1, 0.1).step(), NotImplementedError, "lacks its rule", "define direction")
    yield from bad("nn.optim.get", "no optimizer", NAME, optim.get)
    for f in (optim.clip_grad_norm, optim.clip_grad_value):
        yield from bad(f"nn.optim.{f.__name__}", f.__name__, PARAMETERS, lambda v, f=f: f(v, 1.0))
        yield from bad(f"nn.optim.{f.__name__}", "limit", POSITIVE, lambda v, f=f: f([x], v))
        yield row(f"nn.optim.{f.__name__}", lambda f=f: f(nn.MLP(2, [1]), 1.0), TypeError, "MLP(2, [1], 'relu')", "pass model.parameters()")
    yield from bad("nn.optim.grad_norm", "grad_norm expects", PARAMETERS, optim.grad_norm)


def rates():
    makers = {
        "constant": lambda lr=0.1: schedules.constant(lr),
        "linear": lambda lr=0.1, steps=9, end=0.0: schedules.linear(lr, steps, end),
        "step_decay": lambda lr=0.1, every=9, by=10: schedules.step_decay(lr, every, by),
        "exponential": lambda lr=0.1, factor=0.5: schedules.exponential(lr, factor),
        "cosine": lambda lr=0.1, steps=9, end=0.0: schedules.cosine(lr, steps, end),
        "one_cycle": lambda lr=0.1, steps=9, **k: schedules.one_cycle(lr, steps, **k),
        "warm_up": lambda steps=9: schedules.warm_up(schedules.constant(0.1), steps),
    }
    kinds = {
        "lr": POSITIVE, "steps": POSITIVE, "every": POSITIVE, "by": POSITIVE, "end": WITHIN,
        "factor": SHARE, "rise": POSITIVE, "divide": POSITIVE,
    }  # fmt: skip
    for name, make in makers.items():
        takes = [*make.__code__.co_varnames[: make.__code__.co_argcount], *(["rise", "divide", "end"] if name == "one_cycle" else [])]
        for each in takes:
            yield from bad(f"nn.schedules.{name}", each, kinds[each], lambda v, make=make, each=each: make(**{each: v}))
        for v in (None, "3", [3], True, 1j):
            yield row(f"nn.schedules.{name}", lambda v=v, make=make: make()(v), TypeError, "a function of the step", repr(v), kind=f"at step {v!r}")
    yield row("nn.schedules.step_decay", lambda: schedules.step_decay(0.1, 3, 0.5), ValueError, "by=0.5 would raise", "did you mean 2")
    yield row("nn.schedules.one_cycle", lambda: schedules.one_cycle(0.1, 9, rise=1.0), ValueError, "rise", "1.0")
    for v in (None, 0.1, "cosine", schedules.cosine):
        yield row("nn.schedules.warm_up", lambda v=v: schedules.warm_up(v, 3), TypeError, "schedule must be a function such as schedules.cosine(0.1, steps=90)", repr(v), kind=f"of {v!r}")
    for v in (None, "x", -1.0, NAN):
        yield row("nn.schedules.warm_up", lambda v=v: schedules.warm_up(lambda step: v, 3), ValueError, "schedule(0) must be a number", repr(v), kind=f"to {v!r}")
    yield from bad("nn.schedules.get", "no schedule", NAME, schedules.get)
    yield from bad("nn.schedules.check_steps", "a function of the step", CALLABLE._replace(remedy="", values=["x", None]), schedules.check_steps(lambda step: step))


def judged():
    lists = "a loss expects a list of predictions"
    for name in ("mse", "mae", "huber", "hinge", "binary_cross_entropy"):
        f, of = getattr(losses, name), f"nn.losses.{name}"
        yield from bad(of, lists, SEQUENCE, lambda v, f=f: f(v, [1.0]))
        yield from bad(of, lists, SEQUENCE, lambda v, f=f: f([x], v))
        for v in ("a", None, 1j):
            yield row(of, lambda f=f, v=v: f([x], [v]), TypeError, HOLDS, kind=f"target {v!r}")
            yield row(of, lambda f=f, v=v: f(a, [v, v]), TypeError, "an Array holds", kind=f"target {v!r} of Arrays")
        fits = f"{name} expects one target per prediction"
        yield row(of, lambda f=f: f([x], [1.0, 1.0]), ValueError, fits, "1 predictions and 2 targets")
        yield row(of, lambda f=f: f([], []), ValueError, f"{name} expects at least one prediction")
        yield row(of, lambda f=f: f([[x, x]], [1.0]), ValueError, fits, "for sample 0")
        for p, v in [(a, [1.0]), (a, [[1.0], [1.0]]), (A, [1.0, 1.0]), (a.reshape(2, 1), [[1.0, 1.0]]), (a.reshape(2, 1), [1.0])]:
            yield row(of, lambda f=f, p=p, v=v: f(p, v), ValueError, fits, f"shape {p.shape}", f"shape {np.shape(v)}", kind=f"{p.shape} {np.shape(v)}")
        yield row(of, lambda f=f: f(a, x), TypeError, "a node already", "do not mix")
    for v in (0, 2, -2, 0.5, NAN):
        for p in ([x], a[:1]):
            yield row("nn.losses.hinge", lambda p=p, v=v: losses.hinge(p, [v]), ValueError, "labels -1 or 1 (2 * y - 1 converts 0 and 1)", f"got {float(v)}", kind=f"label {v} {type(p).__name__}")
    for v in (2, -1, NAN, INF):
        for p in ([x], a[:1]):
            yield row("nn.losses.binary_cross_entropy", lambda p=p, v=v: losses.binary_cross_entropy(p, [v]), ValueError, "targets from 0 to 1", f"got {float(v)}", kind=f"label {v} {type(p).__name__}")
    for v in (0, -1, None, "x", NAN, True, [1.0]):
        yield row("nn.losses.huber", lambda v=v: losses.huber([x], [1.0], v), ValueError, "huber expects a delta above 0", repr(v), kind=f"delta={v!r}")
    of, ce = "nn.losses.cross_entropy", losses.cross_entropy
    yield from bad(of, "cross_entropy expects a list of logits per sample", SEQUENCE, lambda v: ce(v, [0]))
    for v in (2, -1, 1.0, "a", None, True, [0]):
        yield row(of, lambda v=v: ce([[x, w]], [v]), ValueError, "labels from 0 to 1 (int)", repr(v), kind=f"label {v!r}")
        if not isinstance(v, list | None):
            yield row(of, lambda v=v: ce(A, [v, v]), ValueError, "labels from 0 to 1 (int)", repr(v), kind=f"label {v!r} of Arrays")
    for v in (None, 1):
        yield row(of, lambda v=v: ce([[x, w]], v), TypeError, "cross_entropy expects", kind=f"labels {v!r}")
    yield row(of, lambda: ce(A, [[0], [1, 2]]), (TypeError, ValueError), "cross_entropy expects", kind="ragged labels")
    yield row(of, lambda: ce(A, [None, 0]), TypeError, "cross_entropy expects labels", kind="a label None of Arrays")
    for p in ([x], [1.0]):
        yield row(of, lambda p=p: ce(p, [0]), TypeError, "a list of logits per sample, got one number", "an output per class", kind=f"{p}")
    yield row(of, lambda: ce([[]], [0]), ValueError, "at least one logit", "sample 0")
    yield row(of, lambda: ce([], []), ValueError, "at least one prediction")
    for p, v in [(A, [0]), (a, [0, 1]), (A, [[0], [1]])]:
        yield row(of, lambda p=p, v=v: ce(p, v), ValueError, "(samples, classes)", str(p.shape), str(np.shape(v)), kind=f"{p.shape} {np.shape(v)}")
    yield from bad(of, "smoothing", SHARE, lambda v: ce([[x, w]], [0], smoothing=v))
    for f in (losses.l1_penalty, losses.l2_penalty):
        of = f"nn.losses.{f.__name__}"
        yield from bad(of, f"{f.__name__} expects a list of parameters", SEQUENCE, f)
        yield row(of, lambda f=f: f(nn.MLP(2, [1])), TypeError, f.__name__, "pass model.parameters()")
        yield row(of, lambda f=f: f([a, x]), TypeError, "Value(2.0) is a node already", "do not mix")
        yield row(of, lambda f=f: f([a, None]), TypeError, "an Array holds", "None")
        yield row(of, lambda f=f: f([None]), TypeError, HOLDS, "None")
    yield from bad("nn.losses.get", "no loss", NAME, losses.get)


ROWS = [*movers(), *rates(), *judged()]
