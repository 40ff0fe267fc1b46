"""`check_gradients`: the gradients of the backward pass against numerical derivatives."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from engine.derivatives.numerical import Slope, estimate_slope
from engine.derivatives.passes import differentiate
from engine.functions import is_array, total
from engine.graph import topological
from engine.node import Node
from engine.support.arguments import check_positive, check_sequence, numpy_type
from engine.value import Value
from engine.watch.no_grad import keep_graphs

TOLERANCE = 1e-7  # of the relative error
SUSPECT = 1e-6  # the least tolerance for a single row
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
    check_repeatable(lambda: scalar_of(f(*args)))
    entries = compare(lambda: scalar_of(f(*args)), leaves)
    error = relative_error(entries)
    if not error <= tolerance:
        lines = [
            f"  {name} = {x:.6g}: backward {backward:.10g}, numerical {slope.value:.10g}"
            for name, x, backward, slope in entries
            if slope.differs_from(backward, tolerance)
        ]
        head = (
            f"relative error {error:.2g} exceeds the tolerance {tolerance:.2g}; "
            f"{len(lines)} of {len(entries)} derivatives differ"
        )
        if any(math.isnan(slope.value) for *_, slope in entries):
            head += "; where the numerical one is nan, f is undefined on one side or both"
        suspects = find_suspects(scalar_of(f(*args)), max(tolerance, SUSPECT))
        raise GradientMismatch("\n".join([head, *lines[:LISTED], *suspects]))
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


def elements(data: Any) -> dict[tuple[int, ...], float]:
    """Return the elements of a node's data by index, which is () for a float."""
    if isinstance(data, float):
        return {(): data}
    import numpy as np

    return {index: float(x) for index, x in np.ndenumerate(data)}


class Entry(NamedTuple):
    """An element of a leaf, and the derivatives with respect to it."""

    name: str
    x: float
    backward: float
    slope: Slope


def compare(f: Callable[[], Any], leaves: Sequence[Any]) -> list[Entry]:
    """Return an entry for every element of the nodes among `leaves`."""
    entries, nodes = [], [(i, x) for i, x in enumerate(leaves) if isinstance(x, Node)]
    root = f()
    gradients = differentiate(root, root._one(), [x for _, x in nodes])
    for (i, leaf), grad in zip(nodes, map(elements, gradients), strict=True):
        for index, x in elements(leaf.data).items():
            name = (leaf.label or f"input {i}") + (str(list(index)) if index else "")
            slope = estimate_slope(vary(f, leaf, index), x)
            entries.append(Entry(name, x, grad[index], slope))
    return entries


def vary(f: Callable[[], Any], leaf: Any, index: tuple[int, ...]) -> Callable[[float], float]:
    """Return f() as a function of one element of a leaf; calls restore the leaf."""

    def at(x: float) -> float:
        before, data = leaf.data, x
        if is_array(leaf):
            data = before.copy()
            data[index] = x
        leaf.data = data
        try:
            return number_of(f())
        finally:
            leaf.data = before

    return at


def relative_error(entries: Sequence[Entry]) -> float:
    """Return ||a - n|| / (||a|| + ||n||), and 0 if both are 0."""
    a, n = [entry.backward for entry in entries], [entry.slope.value for entry in entries]
    size = math.hypot(*a) + math.hypot(*n)
    return math.hypot(*[x - y for x, y in zip(a, n, strict=True)]) / (size or 1.0)


def find_suspects(root: Any, tolerance: float) -> list[str]:
    """Return a line for each row under `root` that differs from the slope of its own formula."""
    lines = {}
    for node in topological(root):
        if all(x.constant for x in node.inputs) or node.op._output_index is not None:
            continue
        payload: Any = Value
        if is_array(node):
            from engine.arrays.array import Array as payload
        args = [x.data if x.constant else payload(x.data) for x in node.inputs]
        at = [getattr(x, "shape", ()) or x.data for x in node.inputs]
        for name, _, backward, slope in compare(partial(weighted_sum, node.op, args), args):
            if not math.isnan(slope.value) and slope.differs_from(backward, tolerance):
                lines[node.op.name, name.partition("[")[0]] = (
                    f"  row {node.op.name!r} looks wrong, or has a kink: at {at} its derivative "
                    f"with respect to {name} is {backward:.10g}, the slope of its formula "
                    f"{slope.value:.10g}"
                )
    return list(lines.values())


def weighted_sum(op: Any, args: list[Any]) -> Any:
    """Return the result of a row; if it has several numbers, a sum with unequal weights.

    The plain sum may be constant, as for softmax.
    """
    out = op(*op.unflatten(args))
    if isinstance(out, list):
        return total([math.cos(i) * result for i, result in enumerate(out)])
    if hasattr(op, "pull"):
        import numpy as np

        out = out * np.cos(np.arange(out.size)).reshape(out.shape)
    return out.sum() if is_array(out) else out
