"""Warnings about gradients that are probably not the intended ones, at the user's line.

The checks run where they cost almost nothing. A leaf has no local derivatives, so it keeps what the
checks need in those slots: `_dx` is the gradient that last updated it, until `.grad` is assigned;
`_dy` is None if its data was never assigned, True if a gradient updated it, False otherwise.
"""

import sys
import warnings
from collections.abc import Callable, Iterable

from engine import graph
from engine.node import Node
from engine.watch import hooks
from engine.watch.hooks import Hooks
from engine.watch.state import (
    all_finite,
    any_nonzero,
    describe_leaf,
    find_overwritten_leaf,
    find_reassigned_leaf,
    has_gradient,
)


class GradientWarning(UserWarning):
    """A gradient is probably not the intended one.

    >>> from engine import Value
    >>> x, caught = Value(1.0), []
    >>> for _ in range(2):
    ...     (x * x).backward()  # without zero_grad()
    ...     with warnings.catch_warnings(record=True) as caught:
    ...         warnings.simplefilter("always")
    ...         x.data -= 0.1 * x.grad
    >>> [warning.category.__name__ for warning in caught]
    ['GradientWarning']
    """

    __module__ = "stepgrad"  # tracebacks show the public name


def warn(text: str, category: type[Warning] = GradientWarning) -> None:
    """Issue a warning at the innermost line outside this package."""
    from engine.support.frames import callers, is_internal

    files = [frame.f_code.co_filename for frame in callers(sys._getframe(1))]
    users = next((i for i, file in enumerate(files) if not is_internal(file)), len(files) - 1)
    warnings.warn(text, category, stacklevel=users + 2)


# Functions to call once, at the next backward pass, with the leaves that require a gradient.
WAITING: list[Callable[[list[Node]], None]] = []


class GradientChecks(Hooks):
    """The observer that checks leaves when they are assigned, and graphs before a backward pass."""

    def assigned(self, leaf: Node) -> None:
        if hooks.observed:
            for hook in hooks.active():
                hook._on_assigned(leaf)
        if not leaf.constant and has_gradient(leaf):
            check_gradient_is_new(leaf)
            leaf._dx, leaf._dy = leaf._grad, True
        elif leaf._dy is None:
            leaf._dy = False

    def updated(self, leaves: Iterable[Node]) -> None:
        if hooks.observed:
            for leaf in leaves:
                self.assigned(leaf)
            return
        for leaf in leaves:
            if leaf._dx is not None and leaf._dx is not leaf._grad:
                check_gradient_is_new(leaf)
            leaf._dx, leaf._dy = leaf._grad, True

    def before_backward(self, root: Node, order: list[Node], again: bool) -> None:
        if WAITING:
            waiting, WAITING[:] = WAITING[:], []
            leaves = trainable_leaves(order)
            for receive in waiting:
                receive(leaves)
        if type(root._data) is not float and (leaf := find_overwritten_leaf(order)) is not None:
            warn(
                f"{describe_leaf(leaf)} was modified in place after this graph was computed, so "
                "its gradients mix old and new data; write x.data = x.data - ..., or recompute the "
                "loss"
            )
            return
        if again and (leaf := find_reassigned_leaf(order)) is not None:
            warn(
                "backward() runs through a graph that was computed before new data was assigned "
                f"to {describe_leaf(leaf)}, so these gradients belong to the old data; recompute "
                "the loss in each step"
            )
        if not all_finite(root._data):
            check_loss(root)


graph.observer = GradientChecks()


def trainable_leaves(nodes: Iterable[Node]) -> list[Node]:
    """Return the leaves among the inputs of nodes that require a gradient, each once."""
    leaves = {x: None for node in nodes for x in node.inputs if x.op is None and not x.constant}
    return list(leaves)


def check_gradient_is_new(leaf: Node) -> None:
    """Warn if the gradient of a leaf includes the gradient that last updated it.

    There is nothing to warn about if that gradient was 0, or was set to 0 in place.
    """
    before = leaf._dx
    if before is not None and before is not leaf._grad and any_nonzero(before):
        warn(
            "this step uses gradients that still include those of the previous step, because "
            "backward() adds to .grad; call zero_grad() of the model or the optimizer before each "
            "backward()"
        )


def check_loss(root: Node) -> None:
    """Warn about a loss that is not finite after a gradient has updated its leaves."""
    leaves = [node for node in graph.topological(root) if node.op is None]
    if not any(leaf._dy for leaf in leaves):
        return
    bad_input = next((x for x in leaves if not x._dy and not all_finite(x._data)), None)
    remedy = "try a smaller learning rate"
    if bad_input is not None:
        remedy = f"{describe_leaf(bad_input)} contains inf or nan and was not updated: check it"
    warn(
        f"the loss is {float(root._data)} after its parameters were updated, so its gradients will "
        f"not be finite either; {remedy}; with detect_anomaly(): ... names the first operation "
        "whose result is not finite"
    )
