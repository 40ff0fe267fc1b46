"""Calls of a function under `jit` as rows of a graph: one call, or a batch of them."""

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from engine.arrays.array import Array
from engine.arrays.rules import ArrayOp
from engine.graph import observer
from engine.tape.arguments import Arguments
from engine.tape.replay import Replay
from engine.value import Value
from engine.watch import hooks
from engine.watch.gradient_warnings import WAITING
from engine.watch.state import all_finite

NO_FLOATS = np.zeros(0)


def check_is_array(g: object) -> None:
    """Raise TypeError for a gradient that is a node."""
    if not isinstance(g, np.ndarray):
        raise TypeError(
            "jit supports backward() only; differentiate the function itself for derivatives of "
            "derivatives"
        )


class CallRow(ArrayOp):
    """A row whose only input is the Array of all parameters.

    Its attributes are properties: a row that stored itself would be a cycle, which is freed late.
    """

    __slots__ = ()
    name, many = "jit", False
    settings = property(lambda self: {})
    row = property(lambda self: self)
    forward = property(lambda self: self.compute)
    partials = property(lambda self: (self.pull_parameters,))

    def __reduce__(self) -> NoReturn:
        raise TypeError("the result of a function under jit cannot be pickled; save its .data")


class OneCall(CallRow):
    """One call: the row of its node, whose input is `flat`.

    Its numbers are in the replay until the replay runs for another call. The backward pass then
    computes them again, with the constants of the first forward pass.
    """

    __slots__ = (
        "constants",
        "data",
        "floats",
        "integers",
        "leaves",
        "outputs",
        "replay",
        "selected",
    )

    def __init__(self, replay: Replay, arguments: Arguments):
        self.replay, self.leaves = replay, arguments.leaves
        self.data: np.ndarray | None = None  # the parameters of the last forward pass
        self.constants: list[float] | None = None
        self.integers = replay.selections.evaluate(arguments.integers)
        self.floats = np.array(arguments.floats) if arguments.floats else NO_FLOATS
        self.selected = np.empty(replay.selections.inputs, np.int64)

    def compute(self, flat: np.ndarray) -> np.ndarray:
        """Return the outputs."""
        replay = self.replay
        if replay.call is not self or self.data is not flat:
            with replay.pool.lock:
                replay.call, self.data = self, flat
                self.constants = replay.forward(
                    flat, self.integers, self.floats, self.selected, self.constants
                )
                self.outputs = replay.machine.shared[replay.outputs]
        return self.outputs

    def pull_parameters(self, g: Any, out: np.ndarray, flat: np.ndarray) -> np.ndarray:
        """Return the gradient of `flat`, given that of the outputs."""
        if type(g) is not np.ndarray:
            check_is_array(g)
        replay = self.replay
        with replay.pool.lock:
            if replay.call is not self or self.data is not flat:
                self.compute(flat)
            gradient = replay.backward(g, self.selected, len(replay.pool.parameters))
            if self.leaves:
                of_floats = replay.float_gradients().tolist()
                for k, leaf in self.leaves:
                    leaf._grad += of_floats[k]
        return gradient


class Batch(CallRow):
    """Several calls of one replay, one in each lane."""

    __slots__ = (
        "constants",
        "data",
        "floats",
        "integers",
        "leaves",
        "outputs",
        "replay",
        "selected",
    )

    def __init__(
        self, replay: Replay, integers: np.ndarray, floats: np.ndarray,
        leaves: Sequence[tuple[int, int, Value]] = (),
    ):  # fmt: skip
        self.replay, self.leaves = replay, leaves
        self.data: np.ndarray | None = None  # the parameters of the last forward pass
        self.constants: list[float] | None = None
        self.integers, self.floats = replay.selections.evaluate_all(integers), floats

    def compute(self, flat: np.ndarray) -> np.ndarray:
        """Return the outputs, of shape (calls,) or (calls, outputs)."""
        replay = self.replay
        with replay.pool.lock:
            if replay.batch is not self or self.data is not flat:
                replay.batch, self.data = self, flat
                self.outputs, self.selected, self.constants = replay.forward_batch(
                    flat, self.integers, self.floats, self.constants
                )
        return self.outputs[:, 0] if replay.single else self.outputs

    def pull_parameters(self, g: Any, out: np.ndarray, flat: np.ndarray) -> np.ndarray:
        """Return the gradient of `flat`, given those of the outputs."""
        check_is_array(g)
        replay, seeds = self.replay, g.reshape(len(g), -1)
        with replay.pool.lock:
            self.compute(flat)
            size = len(replay.pool.parameters)
            gradient, of_floats = replay.backward_batch(seeds, self.selected, size)
            for call, k, leaf in self.leaves:
                leaf._grad += float(of_floats[call, k])
        return gradient


class Calls(CallRow):
    """Calls with different replays; each part is a OneCall or a Batch, with its places."""

    __slots__ = ("count", "parts")

    def __init__(self, parts: Sequence[tuple[OneCall | Batch, list[int]]], count: int):
        self.parts, self.count = parts, count

    def compute(self, flat: np.ndarray) -> np.ndarray:
        """Return the outputs in the order of the calls."""
        results = [np.atleast_1d(part.compute(flat)) for part, _ in self.parts]
        shapes = {x.shape[1:] if isinstance(part, Batch) or part.replay.single else x.shape
                  for x, (part, _) in zip(results, self.parts, strict=True)}  # fmt: skip
        if len(shapes) > 1:
            raise ValueError(f"the calls return different numbers of Values: {sorted(shapes)}")
        out = np.empty((self.count, *shapes.pop()), flat.dtype)
        for x, (_, places) in zip(results, self.parts, strict=True):
            out[places] = x
        return out

    def pull_parameters(self, g: Any, out: np.ndarray, flat: np.ndarray) -> np.ndarray:
        """Return the gradient of `flat`, given those of the outputs."""
        check_is_array(g)
        gradient = np.zeros(len(self.parts[0][0].replay.pool.parameters), flat.dtype)
        for part, places in self.parts:
            of_part = g[places] if isinstance(part, Batch) else np.asarray(g[places[0]])
            gradient += part.pull_parameters(of_part, out, flat)
        return gradient


class Result(Array):
    """The node of a call. A backward pass that starts here does not search the graph."""

    __slots__ = ()

    def backward(self) -> None:
        if hooks.observed or self._data.size != 1 or self.constant:
            super().backward()
            return
        (flat,) = self._x
        data = self._data  # one element, but perhaps with axes
        is_current = flat._data is self._dx[0] and all_finite(data)
        if WAITING or not is_current:
            observer.before_backward(self, [flat, self], self._grad is not None)
        row: Any = self.op
        self._grad = np.ones(data.shape, data.dtype) if data.ndim else np.array(1.0, data.dtype)
        gradient = row.pull_parameters(self._grad, data, self._dx[0])
        if flat._grad is None:
            flat._grad = gradient  # an array of its own, with the dtype of `flat`
        else:
            flat._receive(gradient)


Result.__name__ = "Array"  # in its repr


def make_call_node(call: OneCall | Batch | Calls, flat: Array) -> Array:
    """Return the node of a call."""
    if hooks.observed:
        return Array.apply(call, flat)
    node = object.__new__(Result)
    node._data, node.op, node._x, node._dx = call.compute(flat._data), call, (flat,), (flat._data,)
    node._grad = node._y = node._dy = None
    return node
