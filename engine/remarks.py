"""Warnings about gradients that are not what they seem: each at the user's line, with the remedy.

They are noticed where it costs next to nothing. A leaf has no local derivatives, so that it keeps
there what is needed to know: in `_dx` the gradient that it was last moved by, until that is set to
0 (or another) again; in `_dy` whether its data was ever assigned (False), or moved so (True).
"""

import contextlib
import os
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

HOUSE = Path(__file__).parents[1]
OURS = tuple(f"{HOUSE / name}{os.sep}" for name in ("engine", "nn"))  # not the user's lines

PASSED_BY = (*OURS, np.__file__.rpartition(os.sep)[0], contextlib.__file__)  # decorators of ours


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


def remark(text: str) -> None:
    """Warn at the innermost line that is not ours."""
    frame, depth = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PASSED_BY):
        frame, depth = frame.f_back, depth + 1
    warnings.warn(text, GradientWarning, stacklevel=depth)


def assigned(leaf: Any) -> None:
    """A leaf got other data."""
    if leaf._dy is None:
        leaf._dy = False


def used(leaf: Any) -> None:
    """A leaf moves by its gradient: a warning where it has done so before, and more was added."""
    check_used_once(leaf)
    if not leaf.constant:
        leaf._dx, leaf._dy = leaf._grad, True


def check_used_once(leaf: Any) -> None:
    """A warning where a gradient that has moved a leaf is in the one that is to move it now.

    One that was 0, or an array that was set to 0 in place, is in none.
    """
    if leaf._dx is not None and leaf._dx is not leaf._grad and np.any(leaf._dx):
        remark(
            "a step is made by a gradient that still holds that of the step before: backward() "
            "adds to it; call zero_grad() of the model or the optimizer before each backward()"
        )


def check_root(root: Any, order: Iterable[Any], again: bool, finite: bool) -> None:
    """What is to be said of a graph whose backward pass begins, for the second time perhaps."""
    if again and (leaf := stale(order)) is not None:
        remark(
            f"backward() goes through a graph that was computed before {named(leaf)} was assigned "
            "other numbers: these are the gradients of then; compute the loss anew for each step"
        )
    if not finite and any(node.op is None and node._dy for node in order):
        given = next((x for x in order if x.op is None and not x._dy and not is_finite(x)), None)
        cause = "try a smaller learning rate"
        if given is not None:
            cause = f"{named(given)} holds inf or nan, and was not moved: look at the data"
        remark(
            f"the loss is {float(root.data)} after its parameters were moved, and so will be what "
            f"backward() makes of it; {cause}; "
            "with detect_anomaly(): ... names the first operation that is not finite"
        )


def is_finite(x: Any) -> bool:
    return bool(np.isfinite(x.data).all())


def check_kept(leaf: Any) -> None:
    """What is to be said of a graph that lost numbers it needs for its derivatives."""
    remark(
        f"{named(leaf)} was changed in place since this graph was computed, so that its "
        "derivatives mix numbers of then and of now; write x.data = x.data - ..., or compute the "
        "loss anew"
    )


def overwritten(order: Iterable[Any]) -> Any:
    """The first leaf of Arrays that was changed in place since; None for none."""
    for node in order:
        if node.op is not None and hasattr(node, "overwritten"):
            for i, x in enumerate(node._x):
                if x.op is None and x._dy is not None and node.overwritten(i):
                    return x
    return None


def stale(order: Iterable[Any]) -> Any:
    """The first leaf that was given other numbers since the graph was computed; None for none."""
    for node in order:
        if node.op is not None:
            for i, x in enumerate(node.inputs):
                if x.op is None and x._dy is not None and node.outdated(i):
                    return x
    return None


def named(leaf: Any) -> str:
    """A leaf as it is spoken of."""
    name = leaf.label or ("a constant" if leaf.constant else "a leaf")
    return f"{name} (of shape {leaf.data.shape})" if hasattr(leaf.data, "shape") else name
