"""Calls of a function under `jit` as rows of a graph: one call, or a batch of them."""

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from engine.arrays.array import Array, ConstantArray
from engine.arrays.rules import ArrayOp
from engine.graph import PENDING, Sent, observer
from engine.tape.arguments import Arguments
from engine.tape.replay import Replay
from engine.value import Value
from engine.watch import hooks
from engine.watch.gradient_warnings import WAITING
from engine.watch.state import all_finite

NO_FLOATS = np.zeros(0)
NO_PLACES: list[Any] = []


def check_is_array(g: object) -> None:
    """Raise TypeError for a gradient that is a node."""
    if not isinstance(g, np.ndarray):
        raise TypeError(
            "jit supports backward() only; differentiate the function itself for derivatives of "
            "derivatives"
        )


class CallRow(ArrayOp):
    """A row whose inputs are the Array of all parameters, `flat`, and the Values in `inputs`.

    These are the leaves among the arguments that receive a gradient. `pull_all` returns the
    gradients of all inputs. The attributes of a row are properties: a row that stored itself would
    be a reference cycle, which only the garbage collector frees.
    """

    __slots__ = ()
    name, many = "jit", True
    settings = property(lambda self: {})
    row = property(lambda self: self)
    forward = property(lambda self: self.compute_at)
    partials = property(lambda self: (self.pull_input,))
    inputs: Any
    trains: Any  # whether a parameter receives a gradient
    compute: Any
    pull_all: Any
    exchange_inputs: Any

    def compute_at(self, flat: np.ndarray, *numbers: float) -> np.ndarray:
        """Return the outputs for other numbers of the inputs."""
        before = self.exchange_inputs(numbers)
        try:
            return self.compute(flat)
        finally:
            self.exchange_inputs(before)

    def pull_input(self, i: int, g: Any, out: np.ndarray, flat: np.ndarray, *_: float) -> Any:
        """Return the gradient of one input, given that of the outputs."""
        return self.pull_all(g, flat)[i]

    def __reduce__(self) -> NoReturn:
        raise TypeError("the result of a function under jit cannot be pickled; save its .data")


class ReplayRow(CallRow):
    """One call, or a batch of calls, of one replay. `places` index the inputs in `floats`."""

    __slots__ = ("constants", "data", "floats", "inputs", "integers", "outputs", "places",
                 "replay", "selected")  # fmt: skip
    trains = property(lambda self: self.replay.trains)
    data: np.ndarray | None  # the parameters of the last forward pass
    floats: np.ndarray
    places: Any

    def exchange_inputs(self, numbers: Sequence[float]) -> Sequence[float]:
        """Set the numbers of the inputs, and return the previous ones."""
        before = self.floats[self.places].tolist()
        self.floats[self.places], self.data = numbers, None
        return before


class OneCall(ReplayRow):
    """One call: the row of its node.

    Its numbers are in the replay until the replay runs for another call. The backward pass then
    computes them again, with the constants of the first forward pass.
    """

    __slots__ = ()

    def __init__(self, replay: Replay, arguments: Arguments):
        self.replay, self.places, self.inputs = replay, NO_PLACES, NO_PLACES
        if arguments.leaves:
            leaves = [(k, x) for k, x in arguments.leaves if replay.sends_to_float[k]]
            self.places, self.inputs = [k for k, _ in leaves], [x for _, x in leaves]
        self.data = None
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

    def pull_all(self, g: Any, flat: np.ndarray) -> list[Any]:
        """Return the gradients of `flat` and of the other inputs, given that of the outputs."""
        if type(g) is not np.ndarray:
            check_is_array(g)
        replay = self.replay
        with replay.pool.lock:
            if replay.call is not self or self.data is not flat:
                self.compute(flat)
            gradient = replay.backward(g, self.selected, len(replay.pool.parameters))
            if not self.places:
                return [gradient]
            return [gradient, *replay.float_gradients()[self.places].tolist()]


class Batch(ReplayRow):
    """Several calls of one replay, one in each lane."""

    __slots__ = ()

    def __init__(
        self, replay: Replay, integers: np.ndarray, floats: np.ndarray,
        leaves: Sequence[tuple[int, int, Value]] = (),
    ):  # fmt: skip
        self.replay = replay
        leaves = [(call, k, x) for call, k, x in leaves if replay.sends_to_float[k]]
        self.places = [call for call, *_ in leaves], [k for _, k, _ in leaves]
        self.inputs = [x for *_, x in leaves]
        self.data = None
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

    def pull_all(self, g: Any, flat: np.ndarray) -> list[Any]:
        """Return the gradients of `flat` and of the other inputs, given those of the outputs."""
        check_is_array(g)
        replay, seeds = self.replay, g.reshape(len(g), -1)
        with replay.pool.lock:
            self.compute(flat)
            size = len(replay.pool.parameters)
            gradient, of_floats = replay.backward_batch(seeds, self.selected, size)
        return [gradient, *of_floats[self.places].tolist()]


class Calls(CallRow):
    """Calls with different replays; each part is a OneCall or a Batch, with its places."""

    __slots__ = ("count", "inputs", "parts", "trains")

    def __init__(self, parts: Sequence[tuple[OneCall | Batch, list[int]]], count: int):
        self.parts, self.count = parts, count
        self.inputs = [x for part, _ in parts for x in part.inputs]
        self.trains = any(part.trains for part, _ in parts)

    def exchange_inputs(self, numbers: Sequence[float]) -> Sequence[float]:
        """Set the numbers of the inputs, and return the previous ones."""
        before: list[float] = []
        for part, _ in self.parts:
            first = len(before)
            before += part.exchange_inputs(numbers[first : first + len(part.inputs)])
        return before

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

    def pull_all(self, g: Any, flat: np.ndarray) -> list[Any]:
        """Return the gradients of `flat` and of the other inputs, given those of the outputs."""
        check_is_array(g)
        gradient = np.zeros(len(self.parts[0][0].replay.pool.parameters), flat.dtype)
        of_inputs: list[float] = []
        for part, places in self.parts:
            of_part = g[places] if isinstance(part, Batch) else np.asarray(g[places[0]])
            of_parameters, *of_others = part.pull_all(of_part, flat)
            gradient += of_parameters
            of_inputs += of_others
        return [gradient, *of_inputs]


class Result(Array):
    """The node of a call. A backward pass that starts here does not search the graph."""

    __slots__ = ()

    def backward(self) -> None:
        if hooks.observed or self._data.size != 1:
            super().backward()
            return
        row: Any = self.op
        flat, then = self._x[0], self._dx[0]
        data = self._data  # one element, but perhaps with axes
        is_current = flat._data is then and all_finite(data)
        if WAITING or row.inputs or not is_current:
            observer.before_backward(self, [*self._x, self], self._grad is not None)
        self._grad = np.ones(data.shape, data.dtype) if data.ndim else np.array(1.0, data.dtype)
        gradients = row.pull_all(self._grad, then)
        if flat._grad is None and id(flat) in PENDING:  # after zero_grad()
            flat._grad = gradients[0]  # an array of its own
        else:
            flat._receive(gradients[0])
        if row.inputs:
            for x, gradient in zip(row.inputs, gradients[1:], strict=True):
                x._receive(gradient)

    def _contributions(self, g: np.ndarray) -> list[Sent]:
        parts = self.op.pull_all(g, self._dx[0])  # type: ignore[union-attr]
        pairs = zip(self._x, parts, strict=True)
        return [Sent(x, None, part) for x, part in pairs if not x.constant]

    def _overwritten(self, i: int) -> bool:
        return i == 0 and super()._overwritten(i)  # the other inputs are Values


Result.__name__ = "Array"  # in its repr


def make_call_node(call: OneCall | Batch | Calls, flat: Array, outputs: np.ndarray) -> Array:
    """Return the node of a call with its outputs: a constant if no input receives a gradient."""
    if not call.trains and not call.inputs:
        return ConstantArray(outputs)
    node = object.__new__(Result)
    node._data, node.op, node._x, node._dx = outputs, call, (flat,), (flat._data,)
    node._grad = node._y = node._dy = None
    if call.inputs:
        node._x, node._dx = (flat, *call.inputs), (flat._data, *[x._data for x in call.inputs])
    return observer.made(node) if hooks.observed else node
