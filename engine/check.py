"""Numerical gradients against backward (chapter 02, 10.2)."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

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
    no derivative to compare with: check beside it. Data and gradients are left as they were.

    >>> check_gradients(lambda x, y: (x * y).tanh() + x**3, at=[0.5, 2.0]) < 1e-7
    True
    """
    given = [isinstance(x, Value) for x in at]
    if not given:
        raise ValueError("check_gradients needs at least one number or Value to check at")
    if any(given) and not all(given):
        raise TypeError("check_gradients takes numbers or Values to check at, not some of each")
    leaves = list(at) if given[0] else [Value(x) for x in at]
    args = [] if given[0] else leaves

    def along(leaf: Value) -> Callable[[float], float]:
        def moved(x: float) -> float:
            before, leaf.data = leaf.data, x
            try:
                return Value.lift(f(*args)).data
            finally:
                leaf.data = before

        return moved

    root = Value.lift(f(*args))
    analytic = gradient(root, leaves)
    slopes = [slope_of(along(leaf), leaf.data) for leaf in leaves]
    error = relative_error(analytic, [slope.value for slope in slopes])
    if not error <= tolerance:
        raise GradientMismatch(report(root, leaves, analytic, slopes, error, tolerance))
    return error


def gradient(root: Value, leaves: Sequence[Value]) -> list[float]:
    """d root / d leaf for each, by backward; every gradient is left as it was."""
    touched = [*topological(root), *leaves]
    before = [node.grad for node in touched]
    try:
        for node in touched:
            node.grad = 0.0
        root.backward()
        return [leaf.grad for leaf in leaves]
    finally:
        for node, grad in zip(touched, before, strict=True):
            node.grad = grad


class Slope(NamedTuple):
    """A numerical derivative, and how far off it may be."""

    value: float
    error: float

    def parts_from(self, analytic: float, tolerance: float) -> bool:
        """Whether the difference is more than the error of either explains."""
        if not math.isfinite(analytic):
            return analytic != self.value
        size = abs(analytic) + abs(self.value)
        return not abs(analytic - self.value) <= tolerance * size + 10.0 * self.error


def slope_of(f: Callable[[float], float], x: float) -> Slope:
    """f'(x) from values of f alone, usually to 10 digits.

    Central differences (f(x + h) - f(x - h)) / 2h for ever smaller h, extrapolated to h = 0
    (Richardson's scheme; Ridders 1982). Of all entries of the scheme the one is taken whose error
    looks smallest: how far it is from those it was made of, and what rounding f can do to it.
    """
    best, least = math.nan, math.inf
    row: list[float] = []
    h = max(abs(x), 1.0) / 8.0
    for _ in range(20):
        above, below = x + h, x - h
        upper, lower = f(above), f(below)
        rounding = (abs(upper) + abs(lower)) * 2.0**-53 / h
        new = [(upper - lower) / (above - below)]
        for k, old in enumerate(row[:5]):
            new.append(new[k] + (new[k] - old) / (16.0 ** (k + 1) - 1.0))
            error = max(abs(new[k + 1] - new[k]), abs(new[k + 1] - old)) + rounding
            if error < least:
                best, least = new[k + 1], error
        row, h = new, h / 4.0
    return Slope(best, least)


def derivative(f: Callable[[float], float], x: float) -> float:
    """f'(x) from values of f alone.

    >>> round(derivative(math.sin, 0.0), 10)
    1.0
    """
    return slope_of(f, x).value


def relative_error(a: Sequence[float], n: Sequence[float]) -> float:
    """||a - n|| / (||a|| + ||n||), and 0 where both are 0."""
    difference = math.hypot(*[x - y for x, y in zip(a, n, strict=True)])
    size = math.hypot(*a) + math.hypot(*n)
    return difference / size if size else difference


def report(
    root: Value,
    leaves: Sequence[Value],
    analytic: Sequence[float],
    slopes: Sequence[Slope],
    error: float,
    tolerance: float,
) -> str:
    lines = [f"relative error {error:.2g}, above {tolerance:.2g}:"]
    for i, (leaf, grad, slope) in enumerate(zip(leaves, analytic, slopes, strict=True)):
        if slope.parts_from(grad, tolerance):
            lines.append(
                f"  {leaf.label or f'input {i}'} = {leaf.data:.6g}: "
                f"backward {grad:.10g}, numerical {slope.value:.10g}"
            )
    return "\n".join([*lines, *suspects(root, tolerance)])


def suspects(root: Value, tolerance: float) -> list[str]:
    """A line for each operation under `root` whose local derivative is not its formula's slope."""
    found = {}
    for node in topological(root):
        data = [each.data for each in node.inputs]
        for i, local in enumerate(node.locals):
            if local is None:
                continue

            def formula(x: float, i: int = i, op: Any = node.op, data: Any = data) -> float:
                return float(op.forward(*op.group([*data[:i], x, *data[i + 1 :]])))

            slope = slope_of(formula, data[i])
            if not math.isnan(slope.value) and slope.parts_from(local, max(tolerance, 1e-6)):
                found[node.op.name, i] = (
                    f"  the row {node.op.name!r} looks wrong, or has a kink: at {data} its "
                    f"derivative for input {i} is {local:.10g}, its formula's slope "
                    f"{slope.value:.10g}"
                )
    return list(found.values())
