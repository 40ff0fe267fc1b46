"""`Tape`: a graph of Values, recorded once and replayed by compiled code."""

from __future__ import annotations  # help() then shows ArrayLike, not its definition

import threading
import weakref
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import TYPE_CHECKING, NoReturn, SupportsIndex, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from engine.arrays.arguments import as_data, as_dtype
from engine.arrays.array import Array, ConstantArray
from engine.arrays.in_place import set_compiler
from engine.arrays.rules import ArrayOp
from engine.graph import deliver
from engine.node import Node, describe_constant
from engine.support.arguments import check_flag, check_whole, format_count
from engine.support.lazy import import_extra
from engine.tape.flat_graph import collect_nodes, flatten_graph, order_nodes
from engine.tape.parameters import Parameters
from engine.tape.source import print_source
from engine.tape.values import (
    Decisions,
    Leaves,
    assign_data,
    backpropagate,
    recompute,
)
from engine.value import Value
from engine.watch.extremes import original_extremes

if TYPE_CHECKING:
    from engine.tape.machine import Machine
    from engine.tape.summary import Cost


class Tape:
    """A graph of Values as compiled code, to evaluate and differentiate repeatedly.

    The tape has numbers of its own. `flat` is one Array of all parameters; an optimizer updates its
    `.data`. `forward()` computes the outputs from it, `backward()` fills its `.grad`, which the
    Values of the parameters share, and `sync()` copies everything to the Values of the graph. Both
    passes give the same bits as the graph (unless `fast` or float32 is chosen), on any number of
    threads. Use a tape in one thread at a time.

    With inputs, the tape runs over a batch of samples. The outputs and the gradients of each sample
    have the same bits as the graph; `engine.tape.machine.Lanes` states the order in which gradients
    are summed over samples.

    Leaves other than parameters and inputs are constants. `forward()` reads the constants and
    parameters whose Values were assigned other numbers. If Python tested the number of a Value
    while it built the graph, as in `if x > 0`, or converted it, as in `int(x.data)`, `forward()`
    checks that the result is the same. For this, pass the function that builds the graph, or build
    both the graph and the tape inside `record_branches()`.

    Args:
        root: A Value, a list of Values, or a function that returns them. It is called once, with
            `inputs` if they are given.
        inputs: The leaves that differ between samples. A GradientWarning names an input on which
            the outputs do not depend.
        parameters: The leaves to train; by default all leaves that require a gradient, except
            inputs.
        dtype: float64 or float32, which rounds every elementary operation to single precision.
        fast: Allow fused multiply-add and sums over samples in any order; this changes last bits.
        threads: The number of threads for a batch; by default one for each core.
        input_gradients: Whether `backward()` also computes d output / d input for each sample.

    Attributes:
        flat: An Array of all parameters.
        inputs: The inputs.
        constants: The leaves that are neither parameters nor inputs.
        nodes: The number of nodes.
        input_gradients: The gradients of the last batch, of shape (samples, inputs), or None.

    Raises:
        TypeError: `root` is not a graph of Values, or a function with other arguments.
        ValueError: `inputs` or `parameters` are not distinct leaves that require a gradient.
        ImportError: numba is not installed.

    >>> x, y = Value(3.0, "x"), Value(2.0, "y")
    >>> tape = Tape(x * y + x)
    >>> tape.flat.data = [4.0, 5.0]
    >>> tape.forward(), tape.backward(), tape.flat.grad
    (24.0, None, array([6., 4.]))

    With inputs, the tape records one sample and runs over a batch:

    >>> w, x = Value(3.0), Value(0.0)
    >>> tape = Tape((w * x).tanh(), inputs=[x])
    >>> tape.forward([[0.0], [1.0], [2.0]]).shape
    (3,)
    """

    def __init__(
        self,
        root: Value | Sequence[Value] | Callable[..., Value | Sequence[Value]],
        inputs: Sequence[Value] | None = None,
        *,
        parameters: Sequence[Node] | None = None,
        dtype: DTypeLike = np.float64,
        fast: bool = False,
        threads: int | None = None,
        input_gradients: bool = False,
    ):
        dtype = as_dtype(dtype, "the dtype of a tape")
        if threads is not None:
            threads = check_whole("threads (None uses all cores)", threads)
        fast, input_gradients = (
            check_flag("fast", fast),
            check_flag("input_gradients", input_gradients),
        )
        nodes = collect_nodes(root, inputs, parameters)
        graph = flatten_graph(nodes)
        self._machine = load_machine("Tape")(
            graph, dtype, fast, threads, input_gradients, batched=bool(nodes.inputs)
        )
        count = len(nodes.parameters)
        # Whether a parameter, and whether an input, receives a gradient.
        self._trains, self._reaches_inputs = (
            bool(receives.any()) for receives in np.split(self._machine.receives, [count])
        )
        self._leaves = Leaves(nodes.parameters, nodes.constants)
        self._decisions = Decisions([nodes.branches[i] for i in self._machine.guards], dtype)
        self._outputs = [weakref.ref(output) for output in nodes.outputs]
        self._single = nodes.single
        self._finds_input_gradients = input_gradients
        self._lock = threading.RLock()  # compiled code runs without Python's lock
        # The parameters and samples of the last forward pass.
        self._replayed: tuple[np.ndarray, np.ndarray | None] | None = None
        self._seeds: np.ndarray | None = None  # of the last backward pass, (samples, outputs)
        self.inputs, self.constants = nodes.inputs, nodes.constants
        self.nodes = graph.reached
        self.input_gradients: np.ndarray | None = None
        zeros = np.zeros(len(nodes.parameters))
        self.flat = Parameters(zeros, nodes.parameters, dtype=dtype)
        self.load()
        if self._decisions.all and (fast or dtype != np.float64):
            sample = np.array([[x._data for x in self.inputs]], dtype) if self.inputs else None
            self._run(self.flat.data, sample)
            self._decisions.calibrate(self._active.guard_values()[0])

    def parameters(self) -> list[Array]:
        """Return the Arrays that an optimizer updates: `flat` alone.

        >>> tape = Tape(Value(3.0) * Value(2.0))
        >>> tape.parameters() == [tape.flat]
        True
        """
        return [self.flat]

    @overload
    def forward(self, X: None = None) -> float | np.ndarray: ...
    @overload
    def forward(self, X: Array | ArrayLike) -> np.ndarray: ...
    def forward(self, X: Array | ArrayLike | None = None) -> float | np.ndarray:
        """Compute the outputs from `flat` and, with inputs, from a batch of samples.

        Args:
            X: The samples, of shape (samples, inputs); None for a tape without inputs.

        Returns:
            A float, or an array of shape (outputs,) if the root is a list; with inputs, an array of
            shape (samples,) or (samples, outputs).

        Raises:
            ValueError: The samples have another shape.
            BranchChanged: Python would build another graph from these numbers, or convert one of
                them to something else.
        """
        self._read_assigned()
        outputs = self._compute(self.flat.data, self._check_samples(X))
        return outputs if outputs.ndim else float(outputs)

    def backward(self, gradient: ArrayLike = 1.0) -> None:
        """Overwrite `flat.grad` with the gradient of the sum of all outputs over all samples.

        Args:
            gradient: The gradient of the outputs: one number, or an array of their shape.

        Raises:
            RuntimeError: There was no forward pass, or it raised an error.
            ValueError: No gradient flows from the outputs, which are constants.
        """
        if self._replayed is None:
            raise RuntimeError("backward() requires a forward pass; call forward() first")
        if not self._trains and not (self._finds_input_gradients and self._reaches_inputs):
            raise ValueError(f"backward {describe_constant(self)}")
        self.flat.grad = self._pull_back(gradient)

    def __call__(self, X: Array | ArrayLike | None = None) -> Array:
        """Return the outputs as a node: `loss(tape(X), y).backward()` adds to `flat.grad`.

        Raises the errors of `forward`, and ValueError for samples that require a gradient if the
        tape was not made with `input_gradients`.
        """
        if isinstance(X, Array) and not X.constant and not self._finds_input_gradients:
            raise ValueError(
                "the samples require a gradient; make the tape with input_gradients=True, or pass "
                "samples.data"
            )
        self._read_assigned()
        samples = self._check_samples(X)
        args = [] if X is None else [X if isinstance(X, Array) else samples]
        reaches_samples = self._reaches_inputs and isinstance(X, Array) and not X.constant
        if not self._trains and not reaches_samples:
            return ConstantArray(self._compute(self.flat.data, samples))
        return Array.apply(TAPE, self.flat, *args, tape=self)

    def load(self) -> None:
        """Read the numbers of all leaves, including constants, from the Values of the graph.

        >>> x = Value(3.0)
        >>> tape = Tape(x * x)
        >>> x.data = 4.0
        >>> tape.load()
        >>> tape.flat.data
        array([4.])
        """
        self._machine.set_constants([x._data for x in self.constants])
        self.flat.data = [x._data for x in self._leaves.parameters]
        self._leaves.remember()
        self._replayed = self._seeds = None

    def sync(self, sample: int = 0) -> None:
        """Copy the numbers and gradients of the tape to the Values of the graph.

        The leaves take the numbers of the tape, and the inputs those of one sample of the last
        batch. The graph is recomputed, including local derivatives. After backward(), the gradients
        of all nodes, including leaves, are overwritten. If the graph no longer exists, only the
        leaves are updated.

        Args:
            sample: A sample of the last batch.

        Raises:
            IndexError: The last batch has no such sample.
            ValueError: A sample is given, but the tape has no inputs.

        >>> x = Value(3.0)
        >>> y = x * x
        >>> tape = Tape(y)
        >>> tape.flat.data = [4.0]
        >>> tape.forward(), tape.backward(), tape.sync()
        (16.0, None, None)
        >>> x, y, x.grad
        (Value(4.0), Value(16.0), 8.0)
        """
        self._read_assigned()
        deliver()
        if not self.inputs and sample != 0:
            raise ValueError(f"this tape has no inputs, so sync() takes no sample, got {sample!r}")
        samples = None if self._replayed is None else self._replayed[1]
        if samples is not None:
            count = len(samples)
            is_integer = isinstance(sample, Integral) and not isinstance(sample, bool)
            if not (is_integer and -count <= sample < count):
                raise IndexError(f"sample must be in 0 to {count - 1}, got {sample!r}")
        if self._decisions.all and (self._replayed is not None or not self.inputs):
            self._run(self.flat.data, samples)
            self._check_decisions()
        assign_data(self._leaves.parameters, self.flat.data)
        if samples is not None:
            assign_data(self.inputs, samples[sample])
        self._leaves.remember()
        outputs = [output for reference in self._outputs if (output := reference()) is not None]
        if len(outputs) == len(self._outputs):
            order = order_nodes(outputs)
            recompute(order)
            if self._seeds is not None:
                seeds = self._seeds[sample if self.inputs else 0].tolist()
                backpropagate(order, zip(outputs, seeds, strict=True))
                self.flat.remember()

    def source(self) -> str:
        """Return the program as a Python function of the leaves, for reading.

        >>> x = Value(3.0, "x")
        >>> print(Tape(x * x + 1.0).source().partition("\\n\\n\\n")[2])
        def replay(x):
            # forward: 2 nodes
            v1 = x * x
            v3 = v1 + 1.0
            # backward: a gradient is the sum of its contributions, starting from 0
            d_v3 = 0.0 + 1.0
            d_v1 = 0.0 + d_v3
            d_x = 0.0 + d_v1 * x; d_x += d_v1 * x
            return [v3], [d_x]
        """
        return print_source(self._machine.graph, [x._data for x in self.constants])

    def summary(self) -> str:
        """Return a table of nodes, instructions, bytes and time by operation.

        The instructions of each operation are timed alone; the last row times the whole tape. With
        inputs, the times are those of one sample in a full block of lanes on one thread. A product
        that is computed together with a sum counts as part of the sum.

        >>> print(Tape(Value(3.0) * Value(2.0)).summary())  # doctest: +SKIP
        operation       nodes  once  forward  backward  bytes  forward µs  backward µs
        *                   1     0        1         2     54         0.5          0.5
        numbers, order                                    104
        all                 1     0        1         2    158         0.5          0.5
        """
        from engine.tape.summary import format_summary

        return format_summary(self._machine)

    def costs(self) -> list[Cost]:
        """Return the rows of `summary()`, one for each operation.

        >>> tape = Tape(Value(3.0) * Value(2.0))
        >>> [(cost.operation, cost.nodes) for cost in tape.costs()]
        [('*', 1)]
        """
        from engine.tape.summary import measure_costs

        return measure_costs(self._machine)

    @property
    def nbytes(self) -> int:
        """The size of the tape's arrays in bytes, without those that grow with the batch."""
        return self._machine.nbytes

    @property
    def fingerprint(self) -> int:
        """A checksum of the compiled program, by which a checkpoint recognizes it."""
        return self._machine.fingerprint

    # ------------------------------------------------------------------------------------ internals

    def _read_assigned(self) -> None:
        """Read the leaves that were assigned other numbers."""
        if self._leaves.read(self.flat):
            self._machine.set_constants([x._data for x in self.constants])

    def _compute(self, flat: np.ndarray, X: np.ndarray | None) -> np.ndarray:
        """Return the outputs for these parameters and samples."""
        with self._lock:
            self._replayed = self._seeds = None
            outputs = self._run(flat, X)
            self._check_decisions()
            self._replayed = flat, X
        return outputs[..., 0] if self._single else outputs

    def _run(self, flat: np.ndarray, X: np.ndarray | None) -> np.ndarray:
        """Return the outputs of the machine for a batch, or of that for one sample."""
        single = X is not None and len(X) == 1
        self._active = self._machine.of_one_sample() if single else self._machine
        outputs = self._active.forward(flat, X)
        return outputs[None] if single else outputs

    def _check_decisions(self) -> None:
        """Raise BranchChanged if Python would decide differently now."""
        if self._decisions.all:
            self._decisions.check(self._active.guard_values(), bool(self.inputs))

    def _pull_back(self, gradient: ArrayLike) -> np.ndarray:
        """Return the gradient of the parameters, given that of the outputs; store the inputs'."""
        samples = [len(self._replayed[1])] if self.inputs else []  # type: ignore[index, arg-type]
        shape = (*samples, *([] if self._single else [len(self._outputs)]))
        array = as_data(gradient, self.flat.dtype)
        if array.ndim and array.shape != shape:
            raise ValueError(
                f"backward() expects one number or an array of shape {shape}, got {array.shape}"
            )
        self._seeds = (np.zeros(shape, self.flat.dtype) + array).reshape(-1, len(self._outputs))
        with self._lock:
            gradients = self._active.backward(self._seeds)
            if self._finds_input_gradients:
                self.input_gradients = self._active.input_gradients()
        return gradients

    def _check_samples(self, X: Array | ArrayLike | None) -> np.ndarray | None:
        """Return a copy of samples as an array of the tape's dtype.

        `backward()` and `sync()` may read them after the caller has changed the original.
        """
        if not self.inputs:
            if X is not None:
                raise ValueError(
                    "this tape has no inputs, so it takes no samples; record it with "
                    "Tape(..., inputs=[...])"
                )
            return None
        expected = f"this tape expects samples of shape (samples, {len(self.inputs)})"
        if X is None:
            raise ValueError(f"{expected}, got none")
        try:
            samples = as_data(X.data if isinstance(X, Array) else X, self.flat.dtype).copy()
        except TypeError as problem:
            raise TypeError(f"{expected}: {problem}") from None
        if samples.ndim != 2 or samples.shape[1] != len(self.inputs) or not len(samples):
            raise ValueError(f"{expected}, got shape {samples.shape}")
        return samples

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("a Tape cannot be copied or pickled; save its model and record a new tape")

    def __repr__(self) -> str:
        inputs = f", {format_count(len(self.inputs), 'input')}" if self.inputs else ""
        parameters = format_count(self.flat.size, "parameter")
        return f"Tape({format_count(self.nodes, 'node')}, {parameters}{inputs})"


def load_machine(user: str) -> type[Machine]:
    """Return the class Machine, and let optimizers compile their updates, too.

    Raises ImportError if numba, which `user` requires, is not installed.
    """
    with original_extremes():
        import_extra("numba", user, "jit")
        from engine.tape.machine import Machine
    from engine.array_tape.updates import compile_update

    set_compiler(compile_update)
    return Machine


# A tape in a graph of Arrays is one node, whose pullbacks run the tape's backward pass.


def compute_outputs(flat: np.ndarray, X: np.ndarray | None = None, *, tape: Tape) -> np.ndarray:
    return tape._compute(flat, X)


def pull_parameters(
    g: np.ndarray | Node,
    out: np.ndarray,
    flat: np.ndarray,
    X: np.ndarray | None = None,
    *,
    tape: Tape,
) -> np.ndarray:
    """Return the gradient of the parameters, after computing the outputs again if necessary."""
    if not isinstance(g, np.ndarray):
        raise TypeError(
            "a tape supports backward() only; differentiate the graph of its Values for "
            "derivatives of derivatives"
        )
    if tape._replayed is None or tape._replayed[0] is not flat or tape._replayed[1] is not X:
        tape._compute(flat, X)
    return tape._pull_back(g)


def pull_samples(
    g: np.ndarray | Node, out: np.ndarray, flat: np.ndarray, X: np.ndarray, *, tape: Tape
) -> np.ndarray | None:
    pull_parameters(g, out, flat, X, tape=tape)
    return tape.input_gradients


TAPE = ArrayOp("tape", compute_outputs, pull_parameters, pull_samples)
