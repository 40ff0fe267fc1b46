"""Exercises on slopes: of a function, in a row of the rule table, and by finite differences."""

from collections.abc import Callable
from functools import partial
from itertools import product
from numbers import Real
from typing import Any

from engine import Op, Value, grad
from nn.exercises.grader import Exercise, Observed, Run, WrongAnswer, check_type, compute_gradients

Function = Callable[[Any], Any]  # of a list of numbers or Values


def observe_slope(run: Run, x: float) -> Observed:
    call = f"slope({x})"
    return {call: check_type(call, run(call, x), Real)}


slope = Exercise(
    name="slope", follows="row",
    inputs=lambda: [(x,) for x in (0.0, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 10.0, 0.5, -0.25)],
    observe=observe_slope,
    graph=lambda x: compute_gradients((node := Value(x, "x")) * node),
    tolerance=1e-4,  # so that a difference quotient with a small step is correct
    right=grad(Value.square),
    mistakes={
        "this is the value of x², not its slope.": lambda x: x * x,
        "this is the slope at the output, x², not at the input, x.": lambda x: 2 * x * x,
        "this is the slope of the slope 2x.": lambda x: 2.0,
    },
    hints=[
        "If x grows from 3 to 3.001, x² grows from 9 to 9.006001. How many times as much?",
        "Expand (x + h)², subtract x², divide by h. What remains if h is tiny?",
        "The slope of xⁿ is n · xⁿ⁻¹.",
    ],
)  # fmt: skip


SLOPES = "the slope for x", "the slope for y"


def observe_row(run: Run, x: float, y: float) -> Observed:
    inputs = Value(x), Value(y)
    out = check_type("the result", run("the row", *inputs))
    if out.inputs != inputs:
        raise WrongAnswer("quotient should be a row, made by Op(...), not another function.")
    return {"the result": out.data} | dict(zip(SLOPES, out.locals, strict=True))


quotient = partial(Op, "quotient", lambda x, y: x / y)
row = Exercise(
    name="row", follows="order",
    inputs=lambda: product((0.0, 1.0, -1.0, 2.0, -3.0), (1.0, -1.0, 2.0, -2.0, 4.0)),
    given="For x = {} and y = {}:\n",
    observe=observe_row,
    graph=lambda x, y: compute_gradients(Value(x, "x") / Value(y, "y")),
    right=lambda x, y: x / y,
    mistakes={
        "the slopes are in the wrong order: first that for x, then that for y.":
            quotient(lambda out, x, y: -x / y**2, lambda out, x, y: 1 / y),
        "the sign is wrong. If x is positive, a larger y makes x / y smaller.":
            quotient(lambda out, x, y: 1 / y, lambda out, x, y: x / y**2),
        "the factor x is missing.":
            quotient(lambda out, x, y: 1 / y, lambda out, x, y: -1 / y**2),
        "y must be squared: the slope of 1 / y is -1 / y².":
            quotient(lambda out, x, y: 1 / y, lambda out, x, y: -x / y),
    },
    hints=[
        "For the slope for x, y is a fixed number c. What is the slope of x / c?",
        "For the slope for y, x is a fixed number. Write x / y as x · y⁻¹.",
        "The slope of yⁿ is n · yⁿ⁻¹, also for n = -1.",
    ],
)  # fmt: skip

FUNCTIONS: dict[str, Function] = {
    "x[0] ** 2": lambda x: x[0] ** 2,
    "x[0] ** 3": lambda x: x[0] ** 3,
    "x[0] * x[1]": lambda x: x[0] * x[1],
    "x[0] ** 2 - x[1] ** 3": lambda x: x[0] ** 2 - x[1] ** 3,
}


def observe_gradient(run: Run, name: str, point: list[float]) -> Observed:
    call = f"numerical_gradient(f, {point})"
    slopes = check_type(call, run(call, FUNCTIONS[name], [*point]), list)
    if len(slopes) != len(point):
        raise WrongAnswer(f"{call} should have length {len(point)}, not {len(slopes)}.")
    names = [f"{call}[{k}]" for k in range(len(point))]
    return {name: check_type(name, x, Real) for name, x in zip(names, slopes, strict=True)}


def apply_to_values(name: str, point: list[float]) -> Any:
    return compute_gradients(FUNCTIONS[name]([Value(x, f"x{k}") for k, x in enumerate(point)]))


STEPS = [10.0**-k for k in range(17)]


def quotients(above: float, below: float, width: float, all_at_once: bool = False) -> Any:
    """Return a numerical gradient by (f(x + above) - f(x + below)) / width."""

    def gradient(f: Function, x: list[float]) -> list[float]:
        moved = lambda k, h: [v + h * (i == k or all_at_once) for i, v in enumerate(x)]
        return [(f(moved(k, above)) - f(moved(k, below))) / width for k in range(len(x))]

    return gradient


gradient_check = Exercise(
    name="gradient_check", follows="layer",
    inputs=lambda: [
        *product([*FUNCTIONS][:2], ([1.0], [2.0], [-3.0])),
        *product([*FUNCTIONS][2:], ([1.0, 2.0], [2.0, -1.0], [-3.0, 2.0])),
    ],
    given="For f(x) = {}:\n",
    observe=observe_gradient,
    graph=apply_to_values,
    tolerance=1e-7,
    right=lambda f, x: [node.data for node in grad(f)([Value(v) for v in x])],
    mistakes={
        "the points x + h and x - h are 2h apart; divide by 2h.": quotients(1e-5, -1e-5, 1e-5),
        "the points x and x + h are h apart; divide by h.": quotients(1e-5, 0.0, 2e-5),
        "move one number at a time.": quotients(1e-5, -1e-5, 2e-5, all_at_once=True),
        "f(x + h) - f(x) is one-sided, with an error proportional to h. Use f(x + h) - f(x - h).":
            [quotients(*ends, h) for h in STEPS for ends in ((h, 0.0), (0.0, -h))],
        "h is too large. Try 1e-5.": [quotients(h, -h, 2 * h) for h in STEPS[:5]],
        "h is too small, so that rounding dominates. Try 1e-5.":
            [quotients(h, -h, 2 * h) for h in STEPS[5:]],
    },
    hints=[
        "A slope is the change of f divided by the change of x. Take a small h, such as 1e-5.",
        "Take points on both sides, x + h and x - h: the error is then proportional to h².",
        "For each k, make two copies of x, as in `[*x]`, and change number k in each.",
    ],
)  # fmt: skip
