"""A function of Arrays, recorded as steps on arrays: its forward pass, then its backward pass.

Rows run on traced arrays in place of arrays, and so do local derivatives and pullbacks: the reverse
pass is that of `engine.graph`, and no derivative is written for recorded functions.
"""

from collections.abc import Callable, Sequence
from threading import active_count
from typing import Any, NamedTuple

import numpy as np

from engine.array_tape.conversions import explain_refusal
from engine.array_tape.steps import CALL, GUARD, ArrayStep, find_traced, layout_of, unwrap
from engine.array_tape.trace import ArrayTrace
from engine.array_tape.traced import Traced
from engine.arrays.arithmetic import run
from engine.arrays.array import Array
from engine.arrays.formulas import unbroadcast
from engine.arrays.rules import ArrayOp
from engine.graph import Gradients, Sent, reverse_pass, topological
from engine.sequences.rules import BUILT_IN
from engine.support.arguments import describe_result
from engine.watch import hooks
from engine.watch.generators import find_generators, list_states
from engine.watch.hooks import Hook
from engine.watch.no_grad import keep_graphs


class ArrayRecording(Hook):
    """A hook that records the operations on Arrays, and what is computed from their data.

    Attributes:
        trace: The steps.
        leaves: The leaves that existed before, whose data each replay reads, with their inputs.
        arguments: The leaves that stand for Arrays among the arguments, with their inputs.
        assigned: The leaves whose data the function assigns, with the new data.
        conditions: Functions that must return the same in each replay, with their results.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.trace = ArrayTrace()
        self.generators = Generators(name)
        self.leaves: dict[Array, Traced] = {}
        self.arguments: dict[Array, Traced] = {}
        self.assigned: dict[Array, Any] = {}
        self.conditions: list[tuple[Callable[[], Any], Any]] = []
        self._own_leaves: set[Array] = set()

    # -------------------------------------------------------------------------- hooks of the engine

    def _on_leaf(self, leaf: Any) -> None:
        if isinstance(leaf, Array):
            self._own_leaves.add(leaf)
            self._associate_pending(leaf)

    def _associate_pending(self, leaf: Array) -> None:
        """Associate the data of a leaf with the traced array that it was made from."""
        pending, self.trace.pending = self.trace.pending, None
        if pending is not None and np.array_equal(pending.value, leaf._data, equal_nan=True):
            self.trace.remember(leaf._data, pending)

    def _on_assigned(self, leaf: Any) -> None:
        if not isinstance(leaf, Array):
            return
        self._associate_pending(leaf)
        if leaf not in self._own_leaves:
            found = self.trace.find(leaf._data)
            self.assigned[leaf] = leaf._data if found is None else found

    def _on_node(self, node: Any) -> Any:
        if isinstance(node, Array) and node.op is not None:
            self._record(node)
        return node

    def _read_array(self, node: Array) -> Any:
        traced = self._trace_data(node)
        if traced is None:
            return node._data
        return traced[...] if traced.scalar else traced  # the data of a node is an array

    _read_settings = staticmethod(unwrap)

    def _each_call(self, f: Callable[[], Any]) -> Traced:
        self.generators.check()
        out = self.trace.each_call(f)
        self.generators.accept()
        return out

    def _condition(self, f: Callable[[], Any]) -> Any:
        outcome = f()
        self.conditions.append((f, outcome))
        return outcome

    def __exit__(self, *failure: Any) -> None:
        super().__exit__(*failure)
        explain_refusal(failure[1] if failure else None)

    def _backward(self, root: Any) -> None:
        raise TypeError(
            "backward() inside a function under jit is not supported, because the function is only "
            "recorded; call it on the result, or use grad() inside the function"
        )

    # ----------------------------------------------------------------------------------- operations

    def _trace_data(self, x: Array) -> Traced | None:
        """Return the traced array of a node's data, or None if it is constant."""
        known = self.leaves.get(x, self.arguments.get(x))
        if known is not None and known.value is x._data:
            return known
        if x.op is not None or x in self._own_leaves or x in self.assigned:
            return self.trace.find(x._data)
        self.leaves[x] = self.trace.add_input(x._data)
        if layout_of(x._data) is not None:  # a constant; assigned data is in C order
            self._condition(lambda: layout_of(x._data))
        return self.leaves[x]

    def _trace_inputs(self, node: Array) -> list[Any]:
        """Return the inputs of an operation: traced arrays, and constant arrays or numbers."""
        args: list[Any] = []
        for x, data in zip(node._x, node._dx, strict=True):
            traced = self._trace_data(x)
            if traced is None:
                args.append(data if data.ndim else data[()])
                continue
            if data is not x._data:  # converted to the dtype of the operation
                traced = traced.astype(data.dtype)
                self.trace.remember(data, traced)
            args.append(traced)
        return args

    def _trace_settings(self, settings: Any) -> Any:
        """Return settings with traced arrays in place of arrays that were computed."""
        if isinstance(settings, dict):
            return {name: self._trace_settings(x) for name, x in settings.items()}
        if type(settings) in (tuple, list):
            return type(settings)([self._trace_settings(x) for x in settings])
        found = self.trace.find(settings) if isinstance(settings, np.ndarray) else None
        return settings if found is None else found

    def _record(self, node: Array) -> None:
        """Record the steps of an operation."""
        op: Any = node.op
        args = self._trace_inputs(node)
        settings = self._trace_settings(op.settings) if isinstance(op, ArrayOp) else {}
        if next(find_traced((args, settings)), None) is None:
            return
        dtype, count = node._dx[0].dtype, len(self.trace.steps)
        is_users = not isinstance(op, ArrayOp) and op not in BUILT_IN
        try:
            out = run(op.forward, dtype, *args, **settings)
            if not has_bits(out, node._data):
                raise TypeError(f"{op.name} returns other numbers for a traced array")
        except Exception:  # of a row with functions that do not run on traced arrays
            self.trace.forget(count)
            f = copy_result(op.forward, dtype) if is_users else run_in(op.forward, dtype)
            out = self.trace.emit(CALL, op.name, f, tuple(args), settings)
        if out.dtype != node._data.dtype:
            out = out.astype(node._data.dtype)
        self.trace.remember(node._data, out)

    def _send(self, node: Array, g: Traced) -> list[Sent]:
        """Return the contributions of a node to its inputs, as `Array._send` does."""
        copy: Any = object.__new__(Array)
        copy.op, copy._x, copy._y = node.op, node._x, None
        copy._dx, copy._data = tuple(self._trace_inputs(node)), self.trace.find(node._data)
        if isinstance(node.op, ArrayOp) and node.op.settings:
            copy.op = node.op.row.with_settings(**self._trace_settings(node.op.settings))
        sent = []
        for i, x in enumerate(node._x):
            if x.constant or (x.op is None and x not in self.leaves | self.arguments):
                continue
            count = len(self.trace.steps)
            try:
                contribution = copy._contribution(i, g, x._data.shape)[1]
                if any(step.kind == GUARD for step in self.trace.steps[count:]):
                    raise TypeError("a decision, which is made again in each replay")
            except Exception:  # as in `_record`
                self.trace.forget(count)
                args = g, copy._data, *copy._dx
                f = pull_back(node.op, i, x._data.shape)
                name, settings = f"{copy.op.name} backward", getattr(copy.op, "settings", {})
                contribution = self.trace.emit(CALL, name, f, args, settings)
            if contribution.dtype != x._data.dtype:
                contribution = contribution.astype(x._data.dtype)
            sent.append(Sent(x, None, contribution))
        return sent

    def differentiate(self, root: Array, seed: Traced) -> dict[Array, Traced]:
        """Record the backward pass from a root; return the gradients of leaves."""
        gradients = Gradients({root: seed})
        order = topological(root)
        senders = [node for node in order if node.op is not None and not node.constant]
        for _ in reverse_pass(reversed(senders), gradients, self._send):
            pass
        return {x: self.trace.copy(gradients[x]) for x in order if x.op is None and x in gradients}


class RecordedArrays(NamedTuple):
    """A recorded function.

    Attributes:
        steps: The steps of the forward pass, then those of the backward pass.
        forward: The number of steps of the forward pass.
        arguments: The inputs that are arguments.
        leaves: The leaves that each replay reads, with their inputs.
        assigned: The leaves that each replay assigns, with their new data.
        conditions: Functions that must return the same in each replay, with their results.
        outputs: The data of the Arrays that the function returns.
        seed: The gradient of the first one, or None if it is a constant.
        gradients: The gradients of leaves.
        several: Whether the function returned a list or tuple.
        nodes: The leaves that stand for Arrays among the arguments, in order, with their inputs.
        generators: The generators from which each replay draws.
    """

    steps: list[ArrayStep]
    forward: int
    arguments: list[Traced]
    leaves: dict[Array, Traced]
    assigned: dict[Array, Any]
    conditions: list[tuple[Callable[[], Any], Any]]
    outputs: list[Any]
    seed: Traced | None
    gradients: dict[Array, Traced]
    several: bool
    nodes: dict[Array, Traced]
    generators: list[np.random.BitGenerator]

    def free(self) -> None:
        """Free the numbers of the recording, which are in reference cycles."""
        for step in self.steps:
            step.out, step.args, step.settings = None, (), {}
        for x in (*self.arguments, *self.leaves.values()):
            x._trace.clear()


def record_arrays(
    name: str,
    f: Callable[..., Any],
    make_arguments: Callable[[ArrayRecording], tuple[Sequence[Any], dict[str, Any]]],
) -> RecordedArrays:
    """Call a function once, and return its steps.

    Raises TypeError if it returns anything but Arrays, or draws random numbers that a replay could
    not draw again.
    """
    recording = ArrayRecording(name)
    try:
        return record_passes(recording, f, make_arguments)
    finally:
        recording.trace.is_open = False


def record_passes(
    recording: ArrayRecording, f: Callable[..., Any], make_arguments: Callable[..., Any]
) -> RecordedArrays:
    """Record both passes of a function."""
    # Under another `no_grad`, too: the graph is needed for the backward pass.
    with keep_graphs(), recording:
        args, kwargs = make_arguments(recording)
        arguments = list(recording.trace.inputs)
        returned = f(*args, **kwargs)
        roots = list(returned) if isinstance(returned, list | tuple) else [returned]
        if not roots or not all(isinstance(x, Array) for x in roots):
            raise TypeError(
                "jit expects a function that returns an Array or several Arrays, got "
                f"{describe_result(returned)}"
            )
        traced = [recording._trace_data(x) for x in roots]
        outputs = [x._data if t is None else t for x, t in zip(roots, traced, strict=True)]
        copy = lambda x: recording.trace.copy(x) if isinstance(x, Traced) else x
        ends = [copy(x) for x in outputs]
        assigned = {leaf: copy(x) for leaf, x in recording.assigned.items()}
        recording.trace.check_constants()
    recording.generators.check()
    trace, root, seed, gradients = recording.trace, roots[0], None, {}
    count = len(trace.steps)
    if not root.constant and isinstance(outputs[0], Traced):
        seed = trace.add_input(np.ones_like(root._data))
        gradients = recording.differentiate(root, seed)
    return RecordedArrays(
        trace.steps, count, arguments, recording.leaves, assigned, recording.conditions,
        ends, seed, gradients, isinstance(returned, list | tuple),
        {x: traced for x, traced in recording.arguments.items() if not x.constant},
        recording.generators.drawn,
    )  # fmt: skip


def is_recording_arrays() -> bool:
    """Return whether a function of Arrays is being recorded."""
    return hooks.observed and any(isinstance(hook, ArrayRecording) for hook in hooks.active())


def has_bits(x: Any, data: np.ndarray) -> bool:
    """Return whether a traced array has the numbers of an array, in its shape."""
    value = np.asarray(x.value)
    return value.shape == data.shape and np.array_equal(value, data, equal_nan=True)


# ------------------------------------------------------------------ rows that run on arrays only


def run_in(f: Callable[..., Any], dtype: np.dtype) -> Callable[..., Any]:
    """Return a formula as `Array.apply` runs it."""
    return lambda *args, **settings: run(f, dtype, *args, **settings)


def copy_result(f: Callable[..., Any], dtype: np.dtype) -> Callable[..., Any]:
    """Return a user's formula, which may return one of its inputs."""
    return lambda *args, **settings: np.array(run(f, dtype, *args, **settings))


def pull_back(op: Any, i: int, shape: tuple[int, ...]) -> Callable[..., Any]:
    """Return the contribution of a row to its input i as a function (g, out, *inputs)."""

    def f(g: np.ndarray, out: np.ndarray, *inputs: np.ndarray, **settings: Any) -> np.ndarray:
        if isinstance(op, ArrayOp):
            contribution = run(op.row.pull, g.dtype, i, g, out, inputs, settings)
        else:
            contribution = g * run(op.partials[i], g.dtype, out, *inputs)
        return np.array(unbroadcast(contribution, shape))

    return f


# -------------------------------------------------------------------------------- random numbers


class Generators:
    """The generators of random numbers that exist, and their states.

    `drawn` are the bit generators from which replays draw again.
    """

    def __init__(self, name: str):
        self.name = name
        self.all = find_generators()
        self.states = list_states(self.all)
        self.drawn: list[np.random.BitGenerator] = []

    def accept(self) -> None:
        """Accept that generators have drawn numbers, and remember which."""
        before, self.states = self.states, list_states(self.all)
        for x, old, new in zip(self.all, before, self.states, strict=True):
            if old != new and x not in self.drawn:
                self.drawn.append(x)

    def check(self) -> None:
        """Raise TypeError if a generator has drawn numbers, which replays would not draw again."""
        if list_states(self.all) != self.states:
            remedy = "use nn.vector.Dropout, or pass the numbers as an argument"
            if active_count() > 1:
                remedy += (
                    f"; if another thread drew them, call {self.name} before that thread starts, "
                    "once for each structure of arguments"
                )
            raise TypeError(
                f"{self.name} draws random numbers, which would be the same in each replay under "
                f"jit; {remedy}"
            )
