"""Numerical gradients against backward (chapter 02, 10.2)."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from engine.graph import topological
from engine.value import Value

CHAPTERS_TOLERANCE = 1e-7


class GradientMismatch(AssertionError):
    """Backward and the numerical derivative part; the message shows both and the suspect row."""


def check_gradients(
    f: Callable[..., Value], at: Sequence[Any], *, tolerance: float = CHAPTERS_TOLERANCE
) -> float:
    """Compare the gradient of `f` with numerical derivatives; return the relative error.

    `at` holds the numbers at which `f(*values)` is checked; or Values, such as a model's
    parameters, and then `f()` is called with none and should use them. The error is the chapter's,
    ||a - n|| / (||a|| + ||n||), a the gradient that backward finds and n the numerical one.

    GradientMismatch where it is above `tolerance`, with a line per input, and the name of the
    operation whose own row parts from its slope, if there is one. At a kink (relu at 0) there is
    no derivative to compare with: check beside it.

    >>> check_gradients(lambda x, y: (x * y).tanh() + x**3, at=[0.5, 2.0]) < 1e-7
    True
    """
    if len(at) == 0:
        raise ValueError("check_gradients needs at least one number or Value to check at")
    leaves = list(at) if isinstance(at[0], Value) else [Value(x) for x in at]
    args = [] if isinstance(at[0], Value) else leaves
    before = [leaf.grad for leaf in leaves]
    for leaf in leaves:
        leaf.grad = 0.0
    root = Value.lift(f(*args))
    root.backward()
    analytic = [leaf.grad for leaf in leaves]
    for leaf, grad in zip(leaves, before, strict=True):
        leaf.grad = grad

    def along(leaf: Value) -> Callable[[float], float]:
        def moved(x: float) -> float:
            stay, leaf.data = leaf.data, x
            try:
                return Value.lift(f(*args)).data
            finally:
                leaf.data = stay

        return moved

    numerical = [derivative(along(leaf), leaf.data) for leaf in leaves]
    error = relative_error(analytic, numerical)
    if not error <= tolerance:
        raise GradientMismatch(report(root, leaves, analytic, numerical, error, tolerance))
    return error


def derivative(f: Callable[[float], float], x: float) -> float:
    """f'(x) from values of f alone, usually to 11 digits.

    Central differences (f(x + h) - f(x - h)) / 2h for h halved again and again, extrapolated to
    h = 0 (Richardson's scheme as Ridders 1982 uses it); the entry with the smallest estimated error
    is taken.
    """
    h = 0.05 * max(abs(x), 0.1)
    best, least = math.nan, math.inf
    row: list[float] = []
    for _ in range(9):
        above, below = x + h, x - h
        new = [(f(above) - f(below)) / (above - below)]
        for k, old in enumerate(row):
            factor = 4.0 ** (k + 1)
            new.append((factor * new[k] - old) / (factor - 1.0))
            error = max(abs(new[k + 1] - new[k]), abs(new[k + 1] - old))
            if error < least:
                best, least = new[k + 1], error
        row, h = new, h / 2.0
    return best


def relative_error(a: Sequence[float], n: Sequence[float]) -> float:
    """||a - n|| / (||a|| + ||n||), and 0 where both are 0."""
    difference = math.hypot(*[x - y for x, y in zip(a, n, strict=True)])
    size = math.hypot(*a) + math.hypot(*n)
    return difference / size if size else difference


def report(
    root: Value,
    leaves: Sequence[Value],
    analytic: Sequence[float],
    numerical: Sequence[float],
    error: float,
    tolerance: float,
) -> str:
    lines = [f"relative error {error:.2g}, above {tolerance:.2g}:"]
    for i, (leaf, a, n) in enumerate(zip(leaves, analytic, numerical, strict=True)):
        if not math.isclose(a, n, rel_tol=tolerance, abs_tol=tolerance):
            name = leaf.label or f"input {i}"
            lines.append(f"  {name} = {leaf.data:.6g}: backward {a:.10g}, numerical {n:.10g}")
    return "\n".join([*lines, *suspects(root, tolerance)])


def suspects(root: Value, tolerance: float) -> list[str]:
    """A line for each operation under `root` whose local derivative is not its formula's slope."""
    found = {}
    for node in topological(root):
        if node.op is None:
            continue
        data = [each.data for each in node.inputs]
        for i, local in enumerate(node.locals):
            if local is None:
                continue

            def formula(x: float, i: int = i, op: Any = node.op, data: Any = data) -> float:
                return op.forward(*op.group((*data[:i], x, *data[i + 1 :])))

            slope = derivative(formula, data[i])
            if relative_error([local], [slope]) > max(tolerance, 1e-6):
                found[node.op.name, i] = (
                    f"  the row {node.op.name!r} looks wrong: at {data} its derivative for input "
                    f"{i} is {local:.10g}, its formula's slope {slope:.10g}"
                )
    return list(found.values())
