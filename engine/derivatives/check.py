"""Numerical gradients against backward (chapter 02, 10.2)."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from engine.derivatives.transforms import as_numbers
from engine.functions import is_array, total
from engine.graph import topological
from engine.node import Node
from engine.support.arguments import numpy_type, positive, sequence
from engine.value import Value
from engine.watch.guard import graphs_kept

CHAPTERS_TOLERANCE = 1e-7


class GradientMismatch(AssertionError):
    """Backward and the numerical derivative differ; the message shows both and the suspect row.

    >>> from engine import Op
    >>> wrong = Op("double", lambda x: 2.0 * x, lambda out, x: 1.0)
    >>> check_gradients(wrong, at=[3.0])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    stepgrad.GradientMismatch: relative error 0.33, above 1e-07; slopes ...
    """

    __module__ = "stepgrad"  # tracebacks show the public name


@graphs_kept(watched=True)
def check_gradients(
    f: Callable[..., Any], at: Sequence[Any], *, tolerance: float = CHAPTERS_TOLERANCE
) -> float:
    """Compare the gradient of f with numerical derivatives; return the relative error.

    `at` holds numbers, at which `f(*values)` is checked, or, with NumPy arrays among them,
    `f(*arrays)`; or nodes, such as parameters, which `f()` should use. Each element of an Array is
    moved by itself. The error is the chapter's, ||a - n|| / (||a|| + ||n||), where a is the
    gradient of the backward pass and n the numerical gradient.

    Raises GradientMismatch if the error is above `tolerance`; its message lists up to 20 numbers,
    and the rows that differ from their own slopes. At a kink (relu at 0) there is no derivative:
    check beside it. Data and gradients are left as they were. Raises ValueError if f is random,
    and TypeError for float32, which is too coarse for differences.

    >>> check_gradients(lambda x, y: (x * y).tanh() + x**3, at=[0.5, 2.0]) < 1e-7
    True
    >>> import numpy as np
    >>> check_gradients(lambda W: (W @ [0.1, 0.2]).tanh().sum(), at=[np.eye(2)]) < 1e-7
    True
    """
    if not callable(f):
        raise TypeError(f"check_gradients takes a function such as lambda x: x * x, got {f!r}")
    tolerance = positive("tolerance", tolerance)
    at = [at] if isinstance(at, Node) else list(sequence(at, "check_gradients takes a list"))
    given = [isinstance(x, Node) for x in at]
    if not given:
        raise ValueError("check_gradients needs at least one number or node to check at")
    if any(given) and not all(given):
        raise TypeError("check_gradients takes numbers or nodes to check at, not some of each")
    payload: Any = Value
    if any(isinstance(x, numpy_type("ndarray")) for x in at):
        from engine.arrays.array import Array as payload
    leaves: list[Any] = at if given[0] else [payload(x) for x in at]
    for leaf in leaves:
        if is_array(leaf) and leaf.dtype != "float64":
            raise TypeError(f"numerical slopes need the digits of float64, got {described(leaf)}")
    args = [] if given[0] else leaves
    check_repeats(lambda: one_number(f(*args)))
    entries = compared(lambda: one_number(f(*args)), leaves)
    error = relative_error(entries)
    if not error <= tolerance:
        off = [
            f"  {name} = {x:.6g}: backward {backward:.10g}, numerical {slope.value:.10g}"
            for name, x, backward, slope in entries
            if slope.parts_from(backward, tolerance)
        ]
        first = f"relative error {error:.2g}, above {tolerance:.2g}; slopes that differ: {len(off)}"
        if any(math.isnan(slope.value) for *_, slope in entries):
            first += "; where the numerical one is nan, f has no value on one side at least"
        found = suspects(one_number(f(*args)), max(tolerance, 1e-6))
        raise GradientMismatch("\n".join([first, *off[:20], *found]))
    return error


def check_repeats(f: Callable[[], Any]) -> None:
    """ValueError for a function that gives another number when it is called again."""
    first, second = number(f()), number(f())
    if first != second and not (math.isnan(first) and math.isnan(second)):
        raise ValueError(
            f"f gives {first:.10g}, and called again {second:.10g}: it has no derivative; draw its "
            "random numbers once, outside of it, or make the generator inside it: default_rng(0)"
        )


def one_number(y: Any) -> Any:
    """What f returned, as a node."""
    root: Any = y if isinstance(y, Node) else Value.lift(y)
    if getattr(root, "size", 1) != 1:
        raise ValueError(f"f returns one number, got {described(root)}; take its .sum() or .mean()")
    return root


def described(x: Any) -> str:
    """Return words for an Array in a message."""
    from engine.arrays.arguments import shown

    return shown(x)


def number(root: Any) -> float:
    """Return the number of a Value or of an Array of one element."""
    return root.data.item() if is_array(root) else root.data


def elements(data: Any) -> dict[tuple[int, ...], float]:
    """Return the numbers of a node by their places, which is () for a float."""
    if isinstance(data, float):
        return {(): data}
    import numpy as np

    return {place: float(x) for place, x in np.ndenumerate(data)}


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


class Entry(NamedTuple):
    """A number that was moved: an element of a leaf, and both its slopes."""

    name: str
    x: float
    backward: float
    slope: Slope


def compared(f: Callable[[], Any], leaves: Sequence[Any]) -> list[Entry]:
    """Every element of the nodes among the leaves, with its slopes of the node f()."""
    entries, nodes = [], [(i, x) for i, x in enumerate(leaves) if isinstance(x, Node)]
    root = f()
    gradients = as_numbers(root, root._one(), [x for _, x in nodes])
    for (i, leaf), grad in zip(nodes, map(elements, gradients), strict=True):
        for place, x in elements(leaf.data).items():
            name = (leaf.label or f"input {i}") + (str(list(place)) if place else "")
            entries.append(Entry(name, x, grad[place], slope_of(along(f, leaf, place), x)))
    return entries


def along(f: Callable[[], Any], leaf: Any, place: tuple[int, ...]) -> Callable[[float], float]:
    """f() as a function of one element of a leaf, which is left as it was."""

    def moved(x: float) -> float:
        before, data = leaf.data, x
        if is_array(leaf):
            data = before.copy()
            data[place] = x
        leaf.data = data
        try:
            return number(f())
        finally:
            leaf.data = before

    return moved


def slope_of(f: Callable[[float], float], x: float) -> Slope:
    """f'(x) from values of f alone, usually to 10 digits.

    Central differences (f(x + h) - f(x - h)) / 2h for ever smaller h, extrapolated to h = 0
    (Richardson's scheme; Ridders 1982). Of all entries of the scheme the one is taken whose error
    looks smallest: how far it is from those it was made of, and what rounding f can do to it. That
    goes by the largest value seen: f may be small at x because large numbers cancel in it.
    """
    best, least, largest = math.nan, math.inf, 0.0
    row: list[float] = []
    h = max(abs(x), 1.0) / 8.0
    for _ in range(20):
        above, below = x + h, x - h
        upper, lower = f(above), f(below)
        values = abs(upper) + abs(lower)
        largest = max(largest, values) if math.isfinite(values) else largest
        rounding = largest * 2.0**-53 / h
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


def relative_error(entries: Sequence[Entry]) -> float:
    """||a - n|| / (||a|| + ||n||), and 0 where both are 0."""
    a, n = [x.backward for x in entries], [x.slope.value for x in entries]
    size = math.hypot(*a) + math.hypot(*n)
    return math.hypot(*[x - y for x, y in zip(a, n, strict=True)]) / (size or 1.0)


def suspects(root: Any, tolerance: float) -> list[str]:
    """A line for each operation under `root` that, checked alone, is not its formula's slope."""
    found = {}
    for node in topological(root):
        if all(x.constant for x in node.inputs) or node.op.index is not None:
            continue
        leaf: Any = Value
        if is_array(node):
            from engine.arrays.array import Array as leaf
        args = [x.data if x.constant else leaf(x.data) for x in node.inputs]

        def alone(op: Any = node.op, args: Any = args) -> Any:
            out = op(*op.group(args))
            if isinstance(out, list):
                return total([math.cos(i) * each for i, each in enumerate(out)])
            if hasattr(op, "pull"):  # weighted, as the sum of some, such as softmax, is flat
                import numpy as np

                out = out * np.cos(np.arange(out.size)).reshape(out.shape)
            return out.sum() if is_array(out) else out

        at = [getattr(x, "shape", ()) or x.data for x in node.inputs]
        for name, _, backward, slope in compared(alone, args):
            if not math.isnan(slope.value) and slope.parts_from(backward, tolerance):
                found[node.op.name, name.partition("[")[0]] = (
                    f"  the row {node.op.name!r} looks wrong, or has a kink: at {at} its slope "
                    f"for {name} is {backward:.10g}, that of its formula {slope.value:.10g}"
                )
    return list(found.values())
