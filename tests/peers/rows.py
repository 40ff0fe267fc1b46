"""The inputs at which rows are compared with other libraries, and our results there."""

import math

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


def slopes_of_rows(library):
    """Return the formulas of the rows that are slopes of other rows, in PyTorch's or JAX's functions."""
    exp, log, cosh = library.exp, library.log, library.cosh
    return {
        "gaussian": lambda x: exp(-x * x),
        "normal_pdf": lambda x: exp(-0.5 * x * x) / math.sqrt(2 * math.pi),
        "over_square": lambda x, y: x / y**2,
        "over_cube": lambda x, y: x / y**3,
        "scaled_power": lambda c, x, y: c * x**y,
        "scaled_power_log": lambda c, x, y: c * x**y * log(x),
        "scaled_power_log_square": lambda c, x, y: c * x**y * log(x) ** 2,
        "cosine_slope": lambda x, y: y * y / (x * x + y * y) ** 1.5,
        "cosine_cross_slope": lambda x, y: -x * y / (x * x + y * y) ** 1.5,
        "angle_slope": lambda x, y: y / (x * x + y * y),
        "cos2_over_square": lambda x, y: (y * y - x * x) / (x * x + y * y) ** 2,
        "sin2_over_square": lambda x, y: 2 * x * y / (x * x + y * y) ** 2,
        "sech_squared": lambda x: 1 / cosh(x) ** 2,
        "one_minus_square": lambda x: 1 - x * x,
        "direction_cosine": lambda x, y: x / (x * x + y * y) ** 0.5,
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
