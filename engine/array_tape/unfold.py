"""The graph of a replayed call, for drawing: the function runs again on the same numbers."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from engine.array_tape.call import ArrayCall
from engine.arrays.array import Array, contributions_of
from engine.graph import Gradients, reverse_pass, topological
from engine.support.blas import restore_threads, take_threads
from engine.watch.hooks import Hook
from engine.watch.no_grad import keep_graphs

CHANGED = (
    "its last call; does it depend on something that is not an argument, a parameter or a leaf"
)


class SameNumbers(Hook):
    """A hook that returns the random numbers of a replay in place of new ones."""

    def __init__(self, drawn: Iterable[np.ndarray]):
        super().__init__()
        self.drawn = iter(drawn)

    def _each_call(self, f: Callable[[], Any]) -> np.ndarray:
        drawn = next(self.drawn, None)
        if drawn is None:
            raise RuntimeError(f"the function draws more random numbers than in {CHANGED}?")
        return drawn.copy()


def unfold_call(node: Array, name: str, function: Callable[..., Any]) -> None:
    """Replace the row of a call by the graph of the function, with the gradients of its nodes.

    The call must be the last one of its replay, whose random numbers are used again. Raises
    RuntimeError if the function computes other numbers than in the call. Matrix products in parts
    may round sums differently, so the last bits of nodes may differ.
    """
    call: Any = node.op
    if not isinstance(call, ArrayCall):  # done before
        return
    root = call_again(call, function)
    if not is_equal(root._data, node._data, exactly=not call.replay.program.rounds_differently):
        raise RuntimeError(
            f"{name} computes other numbers than in {CHANGED}, or was an argument changed in place?"
        )
    if root.op is None:  # a leaf itself
        return
    node.op, node._x, node._y, node._dx, node._dy = (
        root.op, root._x, root._y, root._dx, root._dy,
    )  # fmt: skip
    node.__class__ = Array  # without the backward pass of a CallNode
    if node._grad is not None:
        propagate_again(node)


def is_equal(x: np.ndarray, y: np.ndarray, exactly: bool) -> bool:
    """Return whether two arrays have the same bits, or differ by no more than rounding.

    The error of a sum grows with its terms and with the layers after it. The bound, half of the
    digits, is far above both, and below most changes of a function.
    """
    if exactly or x.shape != y.shape or x.dtype != y.dtype:
        return x.shape == y.shape and x.tobytes() == y.tobytes()
    bound = float(np.sqrt(np.finfo(x.dtype).eps))
    largest = float(np.abs(y).max(initial=0.0, where=np.isfinite(y)))
    return np.allclose(x, y, rtol=bound, atol=bound * largest, equal_nan=True)


def call_again(call: ArrayCall, function: Callable[..., Any]) -> Array:
    """Return the first result of a function for the numbers of a call; leaves keep their data."""
    replay, (args, kwargs) = call.replay, call.arguments
    count = len(call.inputs) - len(replay.leaves)
    leaves = dict.fromkeys([*replay.leaves, *[leaf for leaf, _ in replay.program.assigned]])
    before = [leaf._data for leaf in leaves]
    if replay.limits_blas:
        take_threads()
    try:
        for leaf, data in zip(replay.leaves, call.inputs[count:], strict=True):
            leaf._data = data
        with keep_graphs(), SameNumbers(replay.drawn):
            returned = function(*args, **kwargs)
    finally:
        if replay.limits_blas:
            restore_threads()
        for leaf, data in zip(leaves, before, strict=True):
            leaf._data = data
    root: Array = returned[0] if replay.several else returned
    return root


def propagate_again(root: Array) -> None:
    """Assign the gradients of all nodes below a root except leaves, which have received theirs."""
    senders = [x for x in topological(root) if x.op is not None and not x.constant]
    gradients = Gradients({root: root._grad})
    with np.errstate(all="ignore"):
        for _ in reverse_pass(reversed(senders), gradients, contributions_of):
            pass
    for x in senders:
        x._grad = gradients.get(x)
