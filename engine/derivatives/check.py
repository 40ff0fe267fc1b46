"""`check_gradients`: the gradients of the backward pass against numerical derivatives."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from engine.derivatives.check_rows import directions, find_wrong_rows, move
from engine.derivatives.numerical import Slope, difference_quotient, estimate_slope, scales_of
from engine.derivatives.passes import differentiate
from engine.functions import is_array
from engine.node import Node
from engine.support.arguments import check_positive, check_sequence, numpy_type
from engine.value import Value
from engine.watch.no_grad import keep_graphs

TOLERANCE = 1e-7  # of the relative error of each derivative
LISTED = 20  # numbers in a message
REMEDY = "  correct the partial derivatives of the row; at a kink, check at a point next to it"
REMEDY_WITHOUT_ROWS = (
    "  all rows agree with their formulas: f may compute with .data or detach(), which pass on no "
    "gradient, or have a kink; then check at a point next to it"
)


class GradientMismatch(AssertionError):
    """The gradient of the backward pass differs from the numerical one.

    The message lists both, and the rows that are probably wrong.

    >>> from engine import Op
    >>> wrong = Op("double", lambda x: 2.0 * x, lambda out, x: 1.0)
    >>> check_gradients(wrong, at=[3.0])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    stepgrad.GradientMismatch: relative error 0.33 exceeds the tolerance 1e-07; ...
    """

    __module__ = "stepgrad"  # tracebacks show the public name


@keep_graphs(check_results=True)
def check_gradients(
    f: Callable[..., Any], at: Sequence[Any], *, tolerance: float = TOLERANCE
) -> float:
    """Compare the gradient of f with numerical derivatives; return the relative error.

    Args:
        f: a function of nodes that returns a Value or an Array of one element.
        at: the numbers at which to check `f(*values)`; with NumPy arrays among them, f is called
            on Arrays. Alternatively, nodes that f uses, such as a model's parameters; f is then
            called without arguments. Each element of an array is varied separately.
        tolerance: the largest acceptable error.

    Returns:
        ||a - n|| / (||a|| + ||n||), where a is the gradient of the backward pass and n the
        numerical gradient.

    Raises GradientMismatch if the error exceeds `tolerance`. The message lists up to 20 derivatives
    that differ, and the rows whose partial derivatives differ from the slopes of their formulas.
    At a kink (relu at 0) no derivative exists: check next to it. Raises ValueError if f is random,
    and TypeError for float32, which is too coarse for differences. The data and gradients of nodes
    are restored.

    >>> check_gradients(lambda x, y: (x * y).tanh() + x**3, at=[0.5, 2.0]) < 1e-7
    True
    >>> import numpy as np
    >>> check_gradients(lambda W: (W @ [0.1, 0.2]).tanh().sum(), at=[np.eye(2)]) < 1e-7
    True
    """
    if not callable(f):
        raise TypeError(f"check_gradients expects a function such as lambda x: x * x, got {f!r}")
    tolerance = check_positive("tolerance", tolerance)
    at = (
        [at] if isinstance(at, Node) else list(check_sequence(at, "check_gradients expects a list"))
    )
    leaves, args = leaves_and_arguments(at)
    run = lambda: scalar_of(f(*args))
    check_repeatable(run)
    entries = compare(run, leaves)
    errors = [entry.slope.relative_error(entry.backward, tolerance) for entry in entries]
    error = max(errors, default=0.0)
    rows = find_wrong_rows(run(), leaves, tolerance)
    if not error <= tolerance:
        lines = [
            f"  {name}: backward {backward:.10g}, numerical {slope}"
            for (name, backward, slope), e in zip(entries, errors, strict=True)
            if not e <= tolerance
        ]
        head = (
            f"relative error {error:.2g} exceeds the tolerance {tolerance:.2g}; "
            f"{len(lines)} of {len(entries)} derivatives differ"
        )
        if any(math.isnan(entry.slope.value) for entry in entries):
            head += "; where the numerical one is nan, f is undefined on one side or both"
    elif wrong := [row for row in rows if not row.kink]:
        rows, lines = wrong, []
        head = "every derivative of f agrees within its rounding errors, but a row of f does not"
    else:
        return error
    remedy = REMEDY if rows else REMEDY_WITHOUT_ROWS
    raise GradientMismatch("\n".join([head, *lines[:LISTED], *[row.text for row in rows], remedy]))


def leaves_and_arguments(at: list[Any]) -> tuple[list[Any], list[Any]]:
    """Return the leaves to vary, and the arguments to call f with.

    Raises ValueError for an empty list, and TypeError for float32 or a mixture of nodes and
    numbers.
    """
    are_nodes = [isinstance(x, Node) for x in at]
    if not at:
        raise ValueError("check_gradients expects at least one number or node in `at`, got none")
    if any(are_nodes) and not all(are_nodes):
        raise TypeError("check_gradients expects numbers or nodes in `at`, not some of each")
    payload: Any = Value
    if any(isinstance(x, numpy_type("ndarray")) for x in at):
        from engine.arrays.array import Array as payload
    leaves: list[Any] = at if are_nodes[0] else [payload(x) for x in at]
    for leaf in leaves:
        if is_array(leaf) and leaf.dtype != "float64":
            raise TypeError(f"check_gradients requires float64, got {describe_array(leaf)}")
    return leaves, [] if are_nodes[0] else leaves


def check_repeatable(f: Callable[[], Node]) -> None:
    """Raise ValueError if a function returns a different number when called again."""
    first, second = number_of(f()), number_of(f())
    if first != second and not (math.isnan(first) and math.isnan(second)):
        raise ValueError(
            f"f returns {first:.10g}, and {second:.10g} when called again, so it has no "
            "derivative; draw its random numbers once, outside f, or create the generator inside "
            "f: default_rng(0)"
        )


def scalar_of(y: Any) -> Any:
    """Return the result of f as a node. Raises ValueError for an Array of several elements."""
    if isinstance(y, list | tuple):
        raise TypeError(
            f"check_gradients expects f to return one number, got a {type(y).__name__} of {len(y)}; "
            "select one, as in lambda x: f(x)[0], or add them with weights, as in "
            "lambda x: dot([1.0, 2.0], f(x))"
        )
    root: Any = y if isinstance(y, Node) else Value.lift(y)
    if getattr(root, "size", 1) != 1:
        raise ValueError(
            f"check_gradients expects f to return one number, got {describe_array(root)}; take its "
            ".sum() or .mean()"
        )
    return root


def describe_array(x: Any) -> str:
    from engine.arrays.arguments import describe_array

    return describe_array(x)


def number_of(root: Any) -> float:
    """Return the number of a Value or of an Array of one element."""
    return root.data.item() if is_array(root) else root.data


class Entry(NamedTuple):
    """A derivative of f, by the backward pass and numerically."""

    name: str
    backward: float
    slope: Slope


def compare(f: Callable[[], Any], leaves: Sequence[Any]) -> list[Entry]:
    """Return an entry for every element of the leaves, and one for those that say little alone.

    These have derivatives that are small beside the rounding errors of f. They are varied together,
    each in the direction in which f increases.
    """
    root = f()
    gradients = differentiate(root, root._one(), list(leaves))
    entries: list[Entry] = []
    faint: list[Entry] = []
    steps: dict[Any, Any] = {}  # by leaf: the direction for all faint elements
    for i, (leaf, gradient) in enumerate(zip(leaves, gradients, strict=True)):
        for index, x, unit, expected in directions(leaf.data, gradient):
            quotient = difference_quotient(along(f, {leaf: unit}), x)
            slope = estimate_slope(quotient, scales_of(x), expected)
            name = f"{leaf.label or f'input {i}'}{index} = {x:.6g}"
            entries.append(Entry(name, expected, slope))
            if math.isfinite(slope.value) and not slope.resolves(expected):
                size = math.copysign(max(abs(x), 1.0), expected)
                faint.append(Entry(name, size * expected, slope))
                steps[leaf] = steps.get(leaf, 0.0) + size * unit
    if len(faint) > 1:
        expected = sum(entry.backward for entry in faint)
        slope = estimate_slope(difference_quotient(along(f, steps), 0.0), [1.0], expected)
        if math.isfinite(slope.value):
            entries.append(Entry(f"{len(faint)} small derivatives together", expected, slope))
    return entries


def along(f: Callable[[], Any], steps: dict[Any, Any]) -> Callable[[float], float]:
    """Return f() as a function of the distance of leaves along directions; calls restore them.

    The result is nan where f raises an error of arithmetic or a ValueError: outside its domain.
    """

    def at(h: float) -> float:
        before = {leaf: leaf.data for leaf in steps}
        try:
            for leaf, direction in steps.items():
                leaf.data = move(before[leaf], h, direction)
            return number_of(f())
        except (ArithmeticError, ValueError):
            return math.nan
        finally:
            for leaf, data in before.items():
                leaf.data = data

    return at
