"""`Tape`: a graph of Values, recorded once and replayed by compiled code."""

import threading
import weakref
from collections.abc import Callable, Sequence
from importlib import import_module
from numbers import Integral
from typing import Any

import numpy as np

from engine.arrays.arguments import as_data, as_dtype
from engine.arrays.array import Array
from engine.support.arguments import flag, whole
from engine.tape.array_node import TAPE
from engine.tape.flat import flattened
from engine.tape.frozen import Decisions, Leaves
from engine.tape.recording import ordered, recorded
from engine.tape.replay import recompute, send
from engine.tape.source import source
from engine.value import Value


class Tape:
    """A graph of Values as compiled code: computed and differentiated again and again.

    root        a Value, a list of them, or a function that makes one or the other; it is called
                once, with `inputs` if there are any, and what Python decides by looking at a
                Value's number meanwhile is watched from then on
    parameters  the leaves to train, all that ask for gradients if they are not named
    inputs      leaves that are not trained: every sample of a batch has its own numbers for them
    dtype       float64, or float32: every elementary operation then rounds to single precision
    fast        multiply and add with one rounding, add up samples in whatever order is fastest:
                it changes last bits
    threads     at most so many for a batch; as many as there are cores if it is None
    input_gradients  whether backward() also finds d output / d input for every sample

    The tape has numbers of its own. `flat` is one Array of all parameters, whose `.data` an
    optimizer may move; `forward()` computes everything from it, `backward()` fills its `.grad`, and
    `sync()` brings it all to the graph's own Values. Both passes give the same bits as the graph
    would (but for `fast` and float32), and do not depend on the number of threads.

    With inputs, outputs and each sample's share of a gradient have these bits; what samples send to
    a parameter is added up in the order that `engine.tape.lanes` gives. A tape is for one thread at
    a time.

    All other leaves are constants. Where one of them, or a parameter's own Value, was assigned
    another number since, `forward()` says so; `load()` takes it. A graph that was made before its
    tape may come of decisions that nobody watched: give the function, or make both, the graph and
    the tape, within `record_branches()`.

    TypeError for what is no graph of Values, ValueError for leaves that are none; ImportError that
    names the extra where numba is missing.

    >>> x, y = Value(3.0, "x"), Value(2.0, "y")
    >>> tape = Tape(x * y + x)
    >>> tape.flat.data = [4.0, 5.0]
    >>> tape.forward(), tape.backward(), tape.flat.grad
    (24.0, None, array([6., 4.]))

    With inputs it is recorded for one sample, and runs for a batch:

    >>> w, x = Value(3.0), Value(0.0)
    >>> tape = Tape((w * x).tanh(), inputs=[x])
    >>> tape.forward([[0.0], [1.0], [2.0]]).shape
    (3,)
    """

    def __init__(
        self,
        root: Value | Sequence[Value] | Callable[..., Any],
        inputs: Sequence[Value] | None = None,
        *,
        parameters: Sequence[Value] | None = None,
        dtype: Any = np.float64,
        fast: bool = False,
        threads: int | None = None,
        input_gradients: bool = False,
    ):
        dtype = as_dtype(dtype, "the dtype of a tape")
        if threads is not None:
            threads = whole("threads (None takes all cores)", threads)
        fast, input_gradients = flag("fast", fast), flag("input_gradients", input_gradients)
        found = recorded(root, inputs, parameters)
        graph = flattened(found)
        self.machine = compiled("machine").Machine(graph, dtype, fast, threads, input_gradients)
        self.inputs, self.single = found.inputs, found.single
        self.nodes = graph.size - graph.aside
        self.leaves = Leaves(found.parameters, found.constants)
        self.decisions = Decisions([found.branches[i] for i in self.machine.watched])
        self.outputs = [weakref.ref(each) for each in found.outputs]
        self.finds_input_gradients = input_gradients
        self.lock = threading.RLock()  # compiled code is not stopped by Python's
        self.input_gradients: np.ndarray | None = None  # (samples, inputs)
        self.flat = Array(np.zeros(len(found.parameters), dtype), "flat")
        self.load()

    def parameters(self) -> list[Array]:
        """What an optimizer moves: `flat`, alone."""
        return [self.flat]

    def forward(self, X: Any = None) -> Any:
        """Compute the outputs from `flat` and, with inputs, samples of shape (samples, inputs).

        One number, or an array if there are several outputs; for samples an array of shape
        (samples,) or (samples, outputs). ValueError for samples of another shape; `BranchChanged`
        where Python would have built another graph; RuntimeError where a leaf was assigned another
        number since it was recorded.
        """
        found = self.computed(self.flat.data, self.checked(X))
        return found if found.ndim else float(found)

    def backward(self, gradient: Any = 1.0) -> None:
        """Fill `flat.grad` with the gradient of the sum of all outputs, over all samples.

        It is overwritten, not added to. `gradient` is what each output starts with: one number, or
        an array such as forward() returns. RuntimeError before the first forward().
        """
        if self.seen is None:
            raise RuntimeError("backward() goes back over what forward() computed; call it first")
        self.flat.grad = self.pulled(gradient)

    def __call__(self, X: Any = None) -> Array:
        """The outputs as a node: `loss(tape(X), y).backward()` adds to `flat.grad`.

        What is computed from it are Arrays. ValueError also for samples that ask for gradients,
        unless the tape was made with `input_gradients`.
        """
        if isinstance(X, Array) and not X.constant and not self.finds_input_gradients:
            raise ValueError(
                "samples ask for gradients; Tape(..., input_gradients=True) finds them"
            )
        found = self.checked(X)
        given = [] if X is None else [X if isinstance(X, Array) else found]
        return Array.apply(TAPE, self.flat, *given, tape=self)

    def load(self) -> None:
        """Take the numbers of all leaves, constants too, from the graph's Values."""
        self.machine.hold([x._data for x in self.leaves.constants])
        self.flat.data = [x._data for x in self.leaves.parameters]
        self.leaves.remember()
        self.seen: Any = None  # the parameters and samples of the last forward(),
        self.seeds: np.ndarray | None = None  # and what its outputs' gradients started with

    def sync(self, sample: int = 0) -> None:
        """Bring the graph's own Values to the numbers and gradients of the tape.

        The leaves take the tape's numbers, the inputs those of one sample of the last batch; then
        the graph computes itself anew, local derivatives too, and after backward() gets gradients
        from the outputs, which are overwritten, leaves included. Where the graph is gone, leaves
        alone have numbers to take; and gradients, if there are no inputs.
        """
        if not self.inputs and sample != 0:
            raise ValueError(f"this tape takes no samples, so none is {sample!r}; call sync()")
        row = None
        if self.inputs and self.seen is not None:
            count = len(self.seen[1])
            whole_number = isinstance(sample, Integral) and not isinstance(sample, bool)
            if not (whole_number and -count <= sample < count):
                raise IndexError(f"sample is one of 0 to {count - 1}, got {sample!r}")
            row = self.seen[1][sample]
        if self.decisions.all and (self.seen is not None or not self.inputs):
            self.machine.forward(self.flat.data, None if self.seen is None else self.seen[1])
            self.decide()
        assign("data", self.leaves.parameters, self.flat.data)
        if row is not None:
            assign("data", self.inputs, row)
        self.leaves.remember()
        outputs = [each for ref in self.outputs if (each := ref()) is not None]
        if len(outputs) == len(self.outputs):
            order = ordered(outputs)
            recompute(order)
            if self.seeds is not None:
                seeds = self.seeds[sample if self.inputs else 0].tolist()
                send(order, list(zip(outputs, seeds, strict=True)))
        elif self.seeds is not None and not self.inputs:
            assign("grad", self.leaves.parameters, self.flat.grad)

    def source(self) -> str:
        """The program as Python code, one line a node and pass: a function of leaves, to be read.

        >>> x = Value(3.0, "x")
        >>> print(Tape(x * x + 1.0).source().partition("\\n\\n\\n")[2])
        def replay(x):
            # forward: 2 nodes
            v1 = x * x
            v3 = v1 + 1.0
            # backward: a gradient is the sum of what arrives, from 0 on
            d_v3 = 0.0 + 1.0
            d_v1 = 0.0 + d_v3
            d_x = 0.0 + d_v1 * x; d_x += d_v1 * x
            return [v3], [d_x]
        """
        return source(self.machine.graph, [x._data for x in self.leaves.constants])

    def summary(self) -> str:
        """A table, to be printed: nodes, instructions, bytes and time by operation.

        The instructions of each operation are timed alone; the last line is timed too, and what its
        passes take is less where an operation alone goes from one place to another. With inputs,
        times are for a sample of a full block of lanes, on one thread. A product that a sum took up
        counts as the sum's.
        """
        return compiled("summary").summary(self.machine)

    # ------------------------------------------------------------------------------------ machinery

    def computed(self, flat: np.ndarray, X: np.ndarray | None) -> np.ndarray:
        """The outputs for these parameters and samples."""
        with self.lock:
            self.leaves.check()
            self.seen = self.seeds = None
            found = self.machine.forward(flat, X)
            self.decide()
            self.seen = flat, X
        return found[..., 0] if self.single else found

    def decide(self) -> None:
        """BranchChanged where Python would decide otherwise by the numbers that there are."""
        if self.decisions.all:
            self.decisions.check(self.machine.truths(), bool(self.inputs))

    def pulled(self, gradient: Any) -> np.ndarray:
        """The gradient of the parameters, from that of the outputs; those of inputs beside it."""
        samples = [len(self.seen[1])] if self.inputs else []
        shape = (*samples, *([] if self.single else [len(self.outputs)]))
        given = as_data(gradient, self.flat.dtype)
        if given.ndim and given.shape != shape:
            raise ValueError(f"backward takes one number or an array {shape}, got {given.shape}")
        self.seeds = (np.zeros(shape, self.flat.dtype) + given).reshape(-1, len(self.outputs))
        with self.lock:
            found = self.machine.backward(self.seeds)
            if self.finds_input_gradients:
                self.input_gradients = self.machine.input_gradients()
        return found

    def checked(self, X: Any) -> np.ndarray | None:
        """Samples as an array of the tape's dtype; ValueError for another shape."""
        if not self.inputs:
            if X is not None:
                raise ValueError("this tape takes no samples; Tape(..., inputs=xs) would")
            return None
        columns = len(self.inputs)
        found = X.data if isinstance(X, Array) else np.zeros(0) if X is None else X
        try:
            found = as_data(found, self.flat.dtype)
        except TypeError as problem:
            takes = f"this tape takes samples of shape (samples, {columns})"
            raise TypeError(f"{takes}: {problem}") from None
        if found.ndim != 2 or found.shape[1] != columns or not len(found):
            got = "none" if X is None else f"shape {found.shape}"
            raise ValueError(f"this tape takes samples of shape (samples, {columns}), got {got}")
        return found

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("a tape is not copied or saved: save its model, and record another")

    def __repr__(self) -> str:
        inputs = f", {len(self.inputs):,} inputs" if self.inputs else ""
        return f"Tape({self.nodes:,} nodes, {self.flat.size:,} parameters{inputs})"


def assign(what: str, nodes: Sequence[Value], numbers: np.ndarray) -> None:
    for node, number in zip(nodes, numbers.tolist(), strict=True):
        setattr(node, what, number)


def compiled(module: str) -> Any:
    """A module that imports numba, when it is first needed."""
    try:
        import_module("engine.tape.kernels")
    except ModuleNotFoundError as problem:
        if problem.name not in ("numba", "engine.tape.kernels"):
            raise
        raise ImportError(
            "a tape is replayed by numba, which is not installed: pip install 'stepgrad[jit]'"
        ) from problem
    return import_module(f"engine.tape.{module}")
