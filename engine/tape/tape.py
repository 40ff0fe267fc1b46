"""`Tape`: the graph under a Value, recorded once and replayed by compiled code."""

from importlib import import_module
from typing import Any

import numpy as np

from engine.array import Array
from engine.graph import topological
from engine.tape.program import program
from engine.tape.schedule import scheduled
from engine.value import Value


class Tape:
    """The graph under `root`, to be computed and differentiated again and again.

    The tape has numbers of its own: `parameters` is one Array of all leaves that ask for gradients,
    in topological order, whose `.data` an optimizer may move. `forward()` computes everything anew
    from it, `backward()` fills its `.grad`. `sync()` brings all numbers and gradients to the
    graph's own Values, `load()` takes the leaves' numbers from there. Both passes give the same
    bits as the graph would.

    What was a constant stays what it was when the tape was recorded, and so does every choice that
    Python made by looking at a number.

    TypeError unless `root` is a Value; ImportError that names the extra where numba is missing.

    >>> x, y = Value(3.0, "x"), Value(2.0, "y")
    >>> tape = Tape(x * y + x)
    >>> tape.parameters.data = [4.0, 5.0]
    >>> tape.forward(), tape.backward(), tape.parameters.grad
    (24.0, None, array([6., 4.]))
    """

    def __init__(self, root: Value):
        if not isinstance(root, Value):
            raise TypeError(f"a tape records a graph of Values, got {root!r}")
        self.order = topological(root)
        machine = kernels()
        self.run = machine.run
        recorded = program(self.order)
        self.free, self.places = recorded.free, recorded.places
        self.schedule = scheduled(recorded, machine.levels)
        self.data, self.slots = self.schedule.data, self.schedule.slots
        self.grad = np.zeros(len(self.order))
        self.parameters = Array(self.data[: self.free])

    @property
    def value(self) -> float:
        """The number of the root, as it was computed last."""
        return float(self.data[self.slots[-1]])

    def forward(self) -> float:
        """Compute everything from `parameters`; the root's number."""
        self.data[: self.free] = self.parameters.data
        self.run(*self.schedule.forward, self.data, self.grad)
        return self.value

    def backward(self) -> None:
        """Fill the gradients of the root: those of `parameters`, and all others for `sync()`.

        They are overwritten, not added to.
        """
        self.grad[:] = 0.0
        self.grad[self.places[-1]] = 1.0
        self.run(*self.schedule.backward, self.data, self.grad)
        self.parameters.grad = self.grad[: self.free]

    def load(self) -> None:
        """Take the numbers of all leaves, constants too, from the graph's Values."""
        for node, slot in zip(self.order, self.slots, strict=True):
            if node.op is None:
                self.data[slot] = node.data
        self.parameters.data = self.data[: self.free].copy()

    def sync(self) -> None:
        """Give the graph's Values the numbers and gradients of the tape, leaves included.

        Gradients of leaves are overwritten. To send gradients through the graph from here would
        multiply by derivatives of before.
        """
        data = self.data[self.slots].tolist()
        grad = self.grad[self.places].tolist()
        for node, x, g in zip(self.order, data, grad, strict=True):
            node.data, node.grad = x, g


def kernels() -> Any:
    """The machine, compiled when it is first used."""
    try:
        return import_module("engine.tape.kernels")
    except ImportError as problem:
        raise ImportError(
            "a tape is replayed by numba, which is not installed: pip install 'stepgrad[jit]'"
        ) from problem
