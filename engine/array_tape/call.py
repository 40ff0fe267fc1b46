"""A call of a recorded function as a row of a graph, and the node of its result."""

from collections.abc import Callable, Container, Sequence
from operator import attrgetter
from typing import Any, NoReturn
from weakref import ref

import numpy as np

from engine.array_tape.arguments import ArrayArguments
from engine.array_tape.program import ArrayProgram
from engine.array_tape.recording import RecordedArrays
from engine.arrays.array import Array, ConstantArray
from engine.arrays.flat import Flat, remember_gradients
from engine.arrays.rules import ArrayOp
from engine.graph import observer
from engine.support.blas import count_threads, restore_threads, take_threads
from engine.watch import hooks

get_data = attrgetter("_data")


class ArrayReplay:
    """A program, and the call whose numbers are in its buffers.

    Attributes:
        leaves: The leaves whose data each call reads.
        results: The leaves that receive a gradient, by their place among the program's gradients.
        conditions: Functions that must return the same in each call, with their results.
        nodes: The leaves that stand for the arguments that require a gradient.
        several: Whether the function returns several Arrays.
        generators: The generators from which each call draws random numbers.
        gradients: The arrays of the last gradients, which are overwritten if nothing else refers to
            them: those of all parameters are parts of one.
        current: A weak reference to the last call, or None if its numbers have been overwritten.
        drawn: The buffers of the random numbers of the last call, in order.
        places: The place of the data of each leaf with a gradient among the inputs of a call.
        limits_blas: Whether OpenBLAS must use one thread, because products are computed in parts or
            because the replay has one thread.
        one: The gradient of the first output in `backward()`.
        used, seconds: The number of the last call, and the time that the recording took.
    """

    def __init__(self, program: ArrayProgram, recorded: RecordedArrays, lock: Any):
        self.lock = lock
        is_limited = program.has_compiler or program.threads == 1
        self.limits_blas = program.calls_blas and is_limited and count_threads() > 1
        self.program, self.leaves = program, [*recorded.leaves]
        self.conditions, self.generators = recorded.conditions, recorded.generators
        self.nodes, self.several = recorded.nodes, recorded.several
        self.current: ref[ArrayCall] | None = None
        self.drawn = [array for array, _ in program.draws]
        place = {x: i for i, x in enumerate([*recorded.arguments, *recorded.leaves.values()])}
        inputs = recorded.leaves | recorded.nodes
        self.places = [place[inputs[x]] for x in program.gradients]
        self.one = np.ones_like(program.outputs[0])
        self.used, self.seconds = 0, 0.0
        groups = group_leaves(program.gradients, recorded.nodes)
        self.gradients = [Flat([x.shape for x in xs], xs[0].dtype) for xs in groups]

    def run(self, f: Callable[..., int | None], *args: Any) -> int | None:
        """Run a pass."""
        if not self.limits_blas:
            return f(*args)
        take_threads()
        try:
            return f(*args)
        finally:
            restore_threads()

    def forward(self, call: "ArrayCall", first: bool) -> bool:
        """Run the forward pass; return whether the program fits the numbers.

        It does not fit if a step raises an error, because the function may handle the error.
        """
        states = [x.state for x in self.generators] if self.generators else []
        try:
            fits = self.compute_forward(call, first)
        except Exception:
            fits = False
        if not fits:
            for x, state in zip(self.generators, states, strict=True):
                x.state = state
        return fits

    def compute_forward(self, call: "ArrayCall", first: bool) -> bool:
        """Run the forward pass; return whether all outcomes are those of the recording."""
        self.current = None
        if self.run(self.program.forward, first, *call.inputs) is not None:
            return False
        self.current = ref(call)
        return True

    def adopt(self, call: "ArrayCall") -> None:
        """Compute the numbers of the call that was recorded, from what it drew."""
        for array, drawn in self.program.draws:
            np.copyto(array, drawn)
        self.program.draws.clear()
        if not self.compute_forward(call, first=False):
            raise RuntimeError(
                "a replay of the recorded call makes another decision from the same numbers; does "
                "the function depend on something that is not an argument, a parameter or a leaf?"
            )

    def backward(self, call: "ArrayCall", g: np.ndarray) -> list[np.ndarray]:
        """Return the gradients in new arrays, for a gradient of the first output."""
        with self.lock:
            return self._backward(call, g)

    def compute(self, call: "ArrayCall", data: Sequence[np.ndarray]) -> np.ndarray:
        """Return the first output of a call for other data of the leaves with a gradient.

        Raises RuntimeError if a branch or conversion in Python has a different outcome for them.
        """
        with self.lock:
            inputs = [*call.inputs]
            for place, x in zip(self.places, data, strict=True):
                inputs[place] = x
            if self.current is None or self.current() is not call or differ(inputs, call.inputs):
                self.current = None
                if self.run(self.program.forward, False, *inputs) is not None:
                    raise RuntimeError(
                        "a branch or conversion in Python has a different outcome for this data "
                        "than in the call"
                    )
            return self.program.outputs[0].copy()

    def _backward(self, call: "ArrayCall", g: np.ndarray) -> list[np.ndarray]:
        if self.current is None or self.current() is not call:
            if self.generators:
                raise RuntimeError(
                    "the random numbers of this call were replaced by those of another call or of "
                    "an earlier backward(); call backward() once, before the next call"
                )
            self.compute_forward(call, first=False)
        assert self.program.seed is not None
        np.copyto(self.program.seed, g)
        self.gradients = [flat if flat.is_free() else flat.like() for flat in self.gradients]
        parts = [part for flat in self.gradients for part in flat.parts]
        if self.run(self.program.backward, *call.inputs, *parts) is not None:
            raise RuntimeError("a row returned a gradient of another shape than in the recording")
        self.current = None  # the backward pass uses buffers again
        return parts


def differ(xs: Sequence[Any], ys: Sequence[Any]) -> bool:
    """Return whether two lists have different objects."""
    return any(x is not y for x, y in zip(xs, ys, strict=True))


def group_leaves(leaves: Sequence[Array], nodes: Container[Array]) -> list[list[Array]]:
    """Return the parameters of one dtype as one group, and each other leaf as a group."""
    parameters = [x for x in leaves if x not in nodes]
    others = [[x] for x in leaves if x in nodes]
    if len({x.dtype for x in parameters}) > 1:
        return [*[[x] for x in parameters], *others]
    return [parameters, *others] if parameters else others


class ArrayCall(ArrayOp):
    """A call: the row of its node, whose inputs are the leaves that receive a gradient.

    `arguments` are the positional and the named arguments of the function.
    """

    __slots__ = ("__weakref__", "arguments", "g", "gradients", "inputs", "replay")
    # Not attributes of the instance, which would be reference cycles.
    name, many = "jit", True
    forward = property(lambda self: self.compute)
    partials = property(lambda self: (self.pull_input,))
    row = property(lambda self: self)

    def __init__(
        self, replay: ArrayReplay, arguments: ArrayArguments, leaves: Sequence[np.ndarray]
    ):
        self.replay, self.settings = replay, {}
        self.arguments, self.inputs = arguments.given, [*arguments.inputs, *leaves]
        self.g: Any = None

    def compute(self, *data: np.ndarray) -> np.ndarray:
        """Return the first output."""
        return self.replay.compute(self, data)

    def pull_input(self, i: int, g: Any, *_: np.ndarray) -> np.ndarray:
        """Return the gradient of an input; the first one runs the backward pass."""
        if not isinstance(g, np.ndarray):
            raise TypeError(
                "jit supports backward() only; differentiate the function itself for derivatives "
                "of derivatives"
            )
        if self.g is not g:
            self.g, self.gradients = g, self.replay.backward(self, g)
        return self.gradients[i]

    def __reduce__(self) -> NoReturn:
        raise TypeError("the result of a function under jit cannot be pickled; save its .data")


class CallNode(Array):
    """The node of a call. A backward pass that starts here does not search the graph."""

    __slots__ = ()

    def backward(self) -> None:
        leaves = self._x
        call: Any = self.op
        replay: ArrayReplay = call.replay
        has_nodes = replay.nodes and any(x.op is not None for x in leaves)
        if hooks.observed or has_nodes or replay.one.size != 1:
            super().backward()
            return
        observer.before_backward(self, [self], self._grad is not None)
        self._grad = replay.one.copy()
        parts = replay.backward(call, self._grad)
        for leaf, gradient in zip(leaves, parts, strict=True):
            if leaf._grad is None and not leaf._stands_for:
                leaf._grad = gradient
            else:
                leaf._receive(gradient)
        remember_gradients(leaves[0], replay.gradients[0])


CallNode.__name__ = "Array"  # in its repr


def make_nodes(call: ArrayCall, nodes: Sequence[Array]) -> list[Array]:
    """Return the nodes of a call: that of the first output, and constants for the others.

    `nodes` are the leaves and nodes that receive the gradients of the program, in order.
    """
    outputs = call.replay.program.outputs
    others: list[Array] = [ConstantArray(np.array(x)) for x in outputs[1:]]
    if not nodes:
        return [ConstantArray(np.array(outputs[0])), *others]
    if hooks.observed:
        return [Array.apply(call, *nodes), *others]
    node = object.__new__(CallNode)
    node.op, node._x, node._data = call, tuple(nodes), outputs[0].copy()
    node._dx = tuple(map(get_data, nodes))
    node._grad = node._y = node._dy = None
    return [node, *others]
