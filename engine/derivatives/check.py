"""`check_gradients`: the gradients of the backward pass against numerical derivatives."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from engine.derivatives.arguments import zeros_like
from engine.derivatives.check_rows import (
    WrongRow,
    directions,
    find_wrong_rows,
    move,
    numbers_of,
)
from engine.derivatives.numerical import ROUNDING, Slope, differences_of, estimate_slope
from engine.derivatives.passes import gradients_between
from engine.functions import is_array
from engine.graph import Gradients
from engine.node import Node
from engine.support.arguments import check_positive, check_sequence, numpy_type
from engine.support.other_names import answer_keywords
from engine.value import Value
from engine.watch.no_grad import keep_graphs

TOLERANCE = 1e-7  # of the relative error of each derivative
LISTED = 20  # numbers in a message


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


@answer_keywords
@keep_graphs(check_results=True)
def check_gradients(
    f: Callable[..., Any], at: Sequence[Any], *, tolerance: float = TOLERANCE
) -> float:
    """Compare each derivative of f with a numerical one; return the largest relative error.

    Args:
        f: a function of nodes that returns a Value or an Array of one element.
        at: the numbers at which to check `f(*values)`; with NumPy arrays among them, f is called
            on Arrays. Alternatively, nodes that f uses, such as a model's parameters; f is then
            called without arguments. Each element of an array is varied separately.
        tolerance: the largest acceptable error of a derivative.

    Returns:
        the largest |a - n| / (|a| + |n|), where a is a derivative of the backward pass and n the
        numerical one. It is smaller where the error of n explains the difference.

    Raises GradientMismatch if a derivative differs from the numerical one by more than `tolerance`
    and the estimated error of the numerical one allow. A gradient may vanish, or be small beside
    others. The rows between `at` and the result are also checked one by one, at their own inputs.
    A wrong row is therefore an error even where f is too coarse to show it. The message lists up to
    20 derivatives that differ, with their errors, and the rows that differ from their formulas.

    A numerical derivative that overflows is infinite and agrees with an infinite analytic one, such
    as that of 1 / x at 1e-300. It is nan, which is an error, where f is not finite on both sides of
    `at`. At a kink (relu at 0) no derivative exists: check next to it. Raises ValueError if f is
    random, and TypeError for float32, which is too coarse for differences. The data and gradients
    of nodes are restored.

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
    if not args and needs_arguments(f):
        raise TypeError(
            "check_gradients calls f without arguments if `at` contains nodes; pass their data, as "
            "in at=[x.data], or a function of no arguments that uses the nodes"
        )
    run = lambda: scalar_of(f(*args))
    check_repeatable(run)
    root = run()
    gradients = gradients_between(root, root._one(), leaves)
    entries = compare(run, leaves, gradients)
    errors = [entry.slope.relative_error(entry.backward, tolerance) for entry in entries]
    error = max(errors, default=0.0)
    rows = find_wrong_rows(root, gradients, tolerance)
    if not error <= tolerance:
        wrong = [entry for entry, e in zip(entries, errors, strict=True) if not e <= tolerance]
        head = (
            f"relative error {error:.2g} exceeds the tolerance {tolerance:.2g}; "
            f"{len(wrong)} of {len(entries)} derivatives differ"
        )
        raise GradientMismatch(format_mismatch(head, wrong, rows))
    if rows := [row for row in rows if not row.kink]:
        head = "all derivatives agree within the rounding errors of f, but a row of f is wrong"
        raise GradientMismatch(format_mismatch(head, [], rows))
    return error


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


def needs_arguments(f: Callable[..., Any]) -> bool:
    """Return whether a call of f without arguments is an error."""
    try:
        parameters = inspect.signature(f).parameters.values()
    except ValueError:  # of a function in C
        return False
    return any(
        p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in parameters
    )


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
    """Return the result of f as a node.

    Raises ValueError for an Array of several elements, and TypeError for a list.
    """
    if isinstance(y, list | tuple):
        raise TypeError(
            "check_gradients expects f to return one number, got a "
            f"{type(y).__name__} of {len(y)}; select one, as in lambda x: f(x)[0], or add them "
            "with weights, as in lambda x: dot([1.0, 2.0], f(x))"
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


def format_mismatch(head: str, entries: list[Entry], rows: list[WrongRow]) -> str:
    """Return a message that lists derivatives and rows, and the remedy."""
    lines = [f"  {name}: backward {a:.10g}, numerical {slope}" for name, a, slope in entries]
    if any(math.isnan(slope.value) for *_, slope in entries):
        head += "; where the numerical one is nan, f is not finite on one side or both"
        remedy = "check at a point inside the domain of f"
    elif rows:
        remedy = "correct the derivative of the row; at a kink, check at a point next to it"
    else:
        remedy = (
            "all rows agree with their formulas: f may compute with .data or .detach(), which pass "
            "on no gradient; at a kink, check at a point next to it"
        )
    return "\n".join([head, *lines[:LISTED], *[row.text for row in rows], f"  {remedy}"])


def compare(f: Callable[[], Any], leaves: list[Any], gradients: Gradients) -> list[Entry]:
    """Return an entry for every element of the leaves, and one for those that say little alone.

    These have derivatives that are small beside the rounding errors of f. They are varied together,
    each in the direction in which f increases.
    """
    rounding = rounding_of_terms(gradients)
    entries: list[Entry] = []
    faint: list[float] = []  # their derivatives, times the steps
    steps: dict[Any, Any] = {}  # by leaf: the direction for all faint elements
    for i, leaf in enumerate(leaves):
        gradient = gradients.get(leaf, zeros_like(leaf))
        for index, x, unit, expected in directions(leaf.data, gradient):
            slope = estimate_slope(differences_of(along(f, {leaf: unit}), x, rounding), x, expected)
            name = f"{leaf.label or f'input {i}'}{index} = {x:.6g}"
            entries.append(Entry(name, expected, slope))
            if math.isfinite(slope.value) and not slope.resolves(expected):
                step = math.copysign(max(abs(x), 1.0), expected)
                faint.append(step * expected)
                steps[leaf] = steps.get(leaf, 0.0) + step * unit
    if len(faint) > 1:
        expected = sum(faint)
        slope = estimate_slope(differences_of(along(f, steps), 1.0, rounding), 1.0, expected)
        if math.isfinite(slope.value):
            entries.append(Entry(f"{len(faint)} small derivatives together", expected, slope))
    return entries


def rounding_of_terms(gradients: Mapping[Any, Any]) -> float:
    """Return the rounding error of the result of a backward pass in first order.

    It is the sum of |gradient * data| over the results of operations, times the rounding error of a
    float (Linnainmaa 1976, "Taylor expansion of the accumulated rounding error"). It is large where
    large numbers cancel.
    """
    pairs = [
        pair
        for node, gradient in gradients.items()
        if node.op is not None
        for pair in zip(numbers_of(gradient), numbers_of(node.data), strict=True)
    ]
    rounding = sum([abs(gradient * (ROUNDING * number)) for gradient, number in pairs])
    return rounding if rounding < math.inf else 0.0


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
