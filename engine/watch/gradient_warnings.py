"""Warnings about gradients that are probably not the intended ones, at the user's line.

The checks run where they cost almost nothing. A leaf has no local derivatives, so it keeps what
is needed in those slots: in `_dx` the gradient that it was last moved by, until that is set to 0
(or to another) again; in `_dy` whether its data was ever assigned (False), or moved by a gradient
(True).
"""

import math
import sys
import warnings
from collections.abc import Iterable
from typing import Any

from engine import graph
from engine.support.frames import is_internal
from engine.watch.hooks import Hooks


class GradientWarning(UserWarning):
    """A gradient is, most likely, not the one that was meant.

    >>> from engine import Value
    >>> x, caught = Value(1.0), []
    >>> for _ in range(2):
    ...     (x * x).backward()  # x.grad is not set to 0 before
    ...     with warnings.catch_warnings(record=True) as caught:
    ...         warnings.simplefilter("always")
    ...         x.data -= 0.1 * x.grad
    >>> [each.category.__name__ for each in caught]
    ['GradientWarning']
    """

    __module__ = "stepgrad"  # tracebacks show the public name


def remark(text: str) -> None:
    """Warn at the caller's line, outside this package."""
    frame, depth = sys._getframe(1), 2
    while frame.f_back is not None and is_internal(frame.f_code.co_filename):
        frame, depth = frame.f_back, depth + 1
    warnings.warn(text, GradientWarning, stacklevel=depth)


class Remarks(Hooks):
    """The checks that run when a leaf is assigned and when a backward pass begins."""

    def assigned(self, leaf: Any) -> None:
        if has_gradient(leaf):
            check_used_once(leaf)
            if not leaf.constant:
                leaf._dx, leaf._dy = leaf._grad, True
        elif leaf._dy is None:
            leaf._dy = False

    def before_backward(self, root: Any, order: list[Any], again: bool) -> None:
        finite = all_finite(root._data)
        if hasattr(root, "_overwritten") and (leaf := overwritten(order)) is not None:
            remark(
                f"{named(leaf)} was changed in place since this graph was computed, so that its "
                "derivatives mix numbers of then and of now; write x.data = x.data - ..., or "
                "compute the loss anew"
            )
        elif again or not finite:
            check_root(root, order, again, finite)


graph.observer = Remarks()


def has_gradient(node: Any) -> bool:
    """Return whether a gradient other than 0 has arrived at a node; of an Array any gradient."""
    grad = node._grad
    if type(grad) is float:
        return grad != 0.0
    return any(grad) if isinstance(grad, tuple) else grad is not None


def differentiated(order: Iterable[Any]) -> bool:
    """Return whether a gradient has arrived at an interior node of a graph."""
    return any(node.op is not None and has_gradient(node) for node in order)


def check_used_once(leaf: Any) -> None:
    """Warn if the gradient that is to move a leaf contains the one that moved it before.

    A gradient that was 0, or an array that was set to 0 in place, is in none.
    """
    before = leaf._dx
    if before is not None and before is not leaf._grad and any_nonzero(before):
        remark(
            "a step is made by a gradient that still holds that of the step before: backward() "
            "adds to it; call zero_grad() of the model or the optimizer before each backward()"
        )


def check_root(root: Any, order: list[Any], again: bool, finite: bool) -> None:
    """Warn of a graph older than its leaves, and of a root that is not finite."""
    if again and (leaf := stale(order)) is not None:
        remark(
            f"backward() goes through a graph that was computed before {named(leaf)} was assigned "
            "other numbers: these gradients belong to the old ones; compute the loss anew for "
            "each step"
        )
    everything = [] if finite else graph.topological(root)
    if any(node.op is None and node._dy for node in everything):
        leaves = [x for x in everything if x.op is None and not x._dy]
        given = next((x for x in leaves if not all_finite(x._data)), None)
        cause = "try a smaller learning rate"
        if given is not None:
            cause = f"{named(given)} holds inf or nan, and was not moved: look at the data"
        remark(
            f"the loss is {float(root.data)} after its parameters were moved, and so will be what "
            f"backward() makes of it; {cause}; "
            "with detect_anomaly(): ... names the first operation that is not finite"
        )


def all_finite(data: Any) -> bool:
    """Return whether a number, a tuple of numbers or an array is finite."""
    if type(data) is float:
        return math.isfinite(data)
    if isinstance(data, tuple | list):
        return all(x is None or math.isfinite(x) for x in data)
    return bool(sys.modules["numpy"].isfinite(data).all())


def any_nonzero(data: Any) -> bool:
    """Return whether a number, or one in a list or an array, is not 0."""
    if isinstance(data, list | tuple):
        return any(data)
    return data != 0.0 if type(data) is float else bool(data.any())


def overwritten(order: Iterable[Any]) -> Any:
    """Return the first leaf whose array was changed in place since the graph was computed."""
    for node in order:
        if node.op is not None and hasattr(node, "_overwritten"):
            for i, x in enumerate(node._x):
                if x.op is None and x._dy is not None and node._overwritten(i):
                    return x
    return None


def stale(order: Iterable[Any]) -> Any:
    """Return the first leaf that was given other numbers since the graph was computed."""
    for node in order:
        if node.op is not None:
            for i, x in enumerate(node.inputs):
                if x.op is None and x._dy is not None and node._outdated(i):
                    return x
    return None


def named(leaf: Any) -> str:
    """Return a leaf's name in a message."""
    name = leaf.label or ("a constant" if leaf.constant else "a leaf")
    return f"{name} (of shape {leaf.data.shape})" if hasattr(leaf.data, "shape") else name
