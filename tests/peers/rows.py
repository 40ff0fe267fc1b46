"""The inputs at which rows are compared with other libraries, and our results there."""

from engine import Value, grad, hessian
from engine.rules import ELEMENTWISE, TABLE

# fmt: off
POINTS = {
    "one": [(-2.3,), (-0.7,), (0.3,), (0.9,), (2.5,), (40.0,), (-40.0,)],
    "two": [(0.3, 0.7), (-1.2, 2.0), (2.0, -0.5), (3.0, 3.0), (0.7, 1.0)],
    **{name: [(1.5, 0.7, 2.5), (-0.5, 2.0, -1.0), (2.0, 1.3, 0.4)] for name in ("scaled_power", "scaled_power_log", "scaled_power_log_square")},
    "clip": [(0.4, -1.0, 1.0), (-3.0, -1.0, 1.0), (3.0, -1.0, 1.0)],
    "where": [(1.0, 0.3, 0.7), (0.0, 0.3, 0.7)],
    "leaky_relu": [(-2.0, 0.1), (3.0, 0.1)], "elu": [(-2.0, 0.7), (3.0, 0.7)],
    "several": [(0.3, -0.5, 1.1, 2.0, -1.0), (30.0, -5.0, 2.0, 0.0, 0.0)],
}
# fmt: on


def points(name):
    arity = TABLE[name].arity
    if name in POINTS:
        return POINTS[name]
    if name not in ELEMENTWISE:
        return POINTS["several"]
    return POINTS["one"] if arity == 1 else POINTS["two"]


def ours(name, at):
    xs = [Value(x) for x in at]
    y = TABLE[name](*TABLE[name].unflatten(xs))
    y = y[0] if isinstance(y, list) else y  # the first of several results
    return y.data, grad(y, xs), hessian(y, xs)
