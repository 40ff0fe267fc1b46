"""`Jit`, a function of Values with its recordings, which runs the one that fits a call.

Importing this module imports numba.
"""

from __future__ import annotations

import gc
import itertools
import time
from collections import Counter
from collections.abc import Callable, Container, Iterable, Sequence
from inspect import Signature, signature
from numbers import Real
from types import MethodType
from typing import Any, TypeAlias

import numpy as np

from engine.arrays.array import Array
from engine.node import Node
from engine.support.arguments import describe_result
from engine.support.freezing import CHANGES
from engine.support.tables import align
from engine.support.trees import leaves as leaves_of
from engine.tape.arguments import REMEDY, Arguments, Static, name_arguments, rebuild
from engine.tape.calls import Batch, Calls, OneCall, make_call_node
from engine.tape.flat_graph import arrange_nodes, decided_nodes, order_nodes
from engine.tape.parameters import Parameters
from engine.tape.replay import MachineOptions, Pool, Replay, list_inputs
from engine.tape.traced_call import TracedCall
from engine.tape.values import Leaves, assign_data
from engine.value import ASSIGNED, Value
from engine.watch import hooks
from engine.watch.branches import record_branches
from engine.watch.generators import find_generators, list_states
from engine.watch.gradient_warnings import warn
from engine.watch.no_grad import keep_graphs

CallArguments: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]
Part: TypeAlias = tuple[OneCall | Batch, list[int]]  # of the calls of `map`, and their places

MOST_OUTCOMES = 8  # recordings of one structure after which a warning names the decision


class Jit:
    """A function of Values with its recordings, as returned by `jit`.

    `flat` is one Array of all parameters, which the recordings share. It shares its gradient with
    the Values: a pass or an assignment that changes one changes the other. Numbers that are
    assigned to the Values are read at the next call. Numbers that an optimizer assigns to `flat`
    are copied to the Values by `sync()`.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        parameters: list[Value] | None,
        static: tuple[str, ...],
        options: MachineOptions,
        limit: int,
        enabled: bool,
    ):
        self.function, self.limit, self.enabled = function, limit, enabled
        self.__doc__ = getattr(function, "__doc__", None)
        self.__name__ = getattr(function, "__name__", type(function).__name__)
        self._options, self._static = options, static
        self._signature: Signature | None = signature(function) if static else None
        self._finds_parameters = parameters is None
        self._pool = Pool([])
        self._lock = self._pool.lock
        self._leaves = Leaves(self._pool.parameters)
        self._replays: dict[Any, list[Replay]] = {}
        self._record_counts: Counter[Any] = Counter()  # of each structure
        self._calls = itertools.count()
        self._changes = CHANGES[0]
        self._may_grow = True  # until `parameters` are passed to an optimizer
        self._flat = Parameters([], self._pool.parameters, dtype=options.dtype)
        self._add_parameters(parameters or [])

    # ------------------------------------------------------------------------------- parameters

    @property
    def flat(self) -> Array:
        """An Array of all parameters."""
        return self._flat

    def parameters(self) -> list[Node]:
        """Return the nodes that an optimizer updates: `flat` alone, or Values if recording is off.

        Raises RuntimeError if the parameters are not known before the first call.
        """
        if self._finds_parameters and not self._pool.parameters:
            raise RuntimeError(
                f"the parameters of {self.__name__} are not known before its first call; call it, "
                "or pass them to jit"
            )
        if not self.enabled:
            return [*self._pool.parameters]
        self._may_grow = False
        return [self._flat]

    def _add_parameters(self, xs: Sequence[Value]) -> None:
        """Append parameters with their numbers and gradients to `flat`."""
        if xs and not self._may_grow:
            raise RuntimeError(
                f"{self.__name__} reaches {xs[0]!r} only now, after an optimizer was made; pass "
                "all parameters to jit"
            )
        self._pool.add_parameters(xs)
        self._flat.append(xs)
        self._leaves.remember()

    def _prepare(self) -> None:
        """Read assigned numbers. Raises ValueError if a parameter has been frozen."""
        self._leaves.read(self._flat)
        if self._changes != CHANGES[0]:
            if frozen := [x for x in self._pool.parameters if x.constant]:
                raise ValueError(
                    f"{frozen[0]!r} is a parameter of {self.__name__} and was frozen after jit; "
                    "call jit again, and make a new optimizer"
                )
            self._changes = CHANGES[0]

    def sync(self) -> None:
        """Copy the numbers of `flat` to the Values of the parameters, which share its gradient."""
        if self.enabled:
            with self._lock:
                self._leaves.read(self._flat)
                assign_data(self._pool.parameters, self._flat.data)
                self._flat.deliver()
                self._leaves.remember()

    # ------------------------------------------------------------------------------------ calls

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self.enabled or (hooks.reading and is_recording()):
            return self._call_function(args, kwargs)
        with self._lock:
            if self._leaves.assigned is not ASSIGNED[0] or self._changes != CHANGES[0]:
                self._prepare()
            if self._static:
                args, kwargs = self._mark_static(args, kwargs)
            call = self._run(args, kwargs)
            return make_call_node(call, self._flat, call.outputs)

    def map(self, *arguments: Iterable[Any]) -> Any:
        """Call the function for each element, as `map` does; return all results in one Array.

        Calls with the same structure are computed together, one in each lane, on several threads.
        The result has the shape (calls,), or (calls, outputs) if the function returns a list. If
        recording is off, it is an array of Values.

        >>> from engine import Value, jit
        >>> w = Value(3.0)
        >>> y = jit(lambda x: w * x).map([1.0, 2.0, 5.0])
        >>> y.mean().backward()
        >>> y
        Array([ 3.,  6., 15.])
        """
        rows: Any = arguments[0] if len(arguments) == 1 else None
        is_matrix = isinstance(rows, np.ndarray) and rows.ndim == 2 and rows.dtype.kind == "f"
        if is_matrix:  # a copy, because backward may read it after the caller has changed `rows`
            rows = np.array(rows, np.float64)
        calls = [(row,) for row in rows.tolist()] if is_matrix else pair_arguments(arguments)
        if not self.enabled:
            results = np.empty(len(calls), object)
            results[:] = [self._call_function(args, {}) for args in calls]
            return results
        if not calls:
            raise ValueError("map expects at least one call, got none")
        with self._lock:
            self._prepare()
            marked = [self._mark_static(args, {}) if self._static else (args, {}) for args in calls]
            parts = self._batch_rows(marked, rows) if is_matrix else self._group(marked)
            one = len(parts) == 1 and isinstance(parts[0][0], Batch)
            all_calls = parts[0][0] if one else Calls(parts, len(calls))
            return make_call_node(all_calls, self._flat, all_calls.compute(self._flat._data))

    def _batch_rows(self, calls: Sequence[CallArguments], rows: np.ndarray) -> list[Part]:
        """Return calls in batches as `_group` does, if their arguments are the rows of a matrix."""
        first = Arguments(*calls[0], self._pool.places)
        if first.integers or len(first.floats) != rows.shape[1]:  # the rows are static
            return self._group(calls)
        no_integers = np.zeros((len(rows), 0), np.int64)
        return self._batch(self._find(first, calls[0]), calls, no_integers, rows)

    def _group(self, calls: Sequence[CallArguments]) -> list[Part]:
        """Return the calls in batches with the same replay; a single one is a OneCall."""
        groups: dict[Replay, tuple[list[int], list[Arguments]]] = {}
        replays: dict[Any, Replay] = {}  # by structure
        for i, call in enumerate(calls):
            x = Arguments(*call, self._pool.places)
            replay = replays.get(x.structure)
            if replay is None or replay.integer_decisions:
                replay = replays[x.structure] = self._find(x, call)
            places, batch = groups.setdefault(replay, ([], []))
            places.append(i)
            batch.append(x)
        parts: list[Part] = []
        for replay, (places, batch) in groups.items():
            try:
                integers = np.array([x.integers for x in batch], np.int64).reshape(len(batch), -1)
            except OverflowError:  # an integer beyond 64 bits, from which an index is computed
                parts += [(self._run(*calls[i]), [i]) for i in places]
                continue
            floats = np.array([x.floats for x in batch]).reshape(len(batch), -1)
            leaves = [(i, k, leaf) for i, x in enumerate(batch) for k, leaf in x.leaves]
            of_group = self._batch(replay, [calls[i] for i in places], integers, floats, leaves)
            parts += [(part, [places[k] for k in which]) for part, which in of_group]
        return parts

    def _batch(
        self,
        replay: Replay,
        calls: Sequence[CallArguments],
        integers: np.ndarray,
        floats: np.ndarray,
        leaves: Sequence[tuple[int, int, Value]] = (),
    ) -> list[Part]:
        """Return a batch of calls, and a OneCall for each whose decisions lead to another graph."""
        if len(calls) == 1:
            return [(self._run(*calls[0]), [0])]
        try:
            call = Batch(replay, integers, floats, leaves)
            call.compute(self._flat._data)
        except (IndexError, ArithmeticError, ValueError):  # the function may catch it
            return [(self._run(*arguments), [k]) for k, arguments in enumerate(calls)]
        unfit = replay.unfit_in_batch(integers.tolist())
        parts: list[Part] = [(self._run(*calls[k]), [k]) for k in sorted(unfit)]
        rest = [k for k in range(len(calls)) if k not in unfit]
        if unfit and rest:
            place = {k: i for i, k in enumerate(rest)}
            kept = [(place[k], i, leaf) for k, i, leaf in leaves if k in place]
            call = Batch(replay, integers[rest], floats[rest], kept)
        return [*parts, (call, rest)] if rest else parts

    def _find(self, arguments: Arguments, call: CallArguments) -> Replay:
        """Return the last used replay for a structure that accepts the integers, or a new one."""
        replays = self._replays.get(arguments.structure, ())
        for replay in replays:
            if replay.accepts(arguments.integers):
                return replay
        return self._run(*call).replay

    def __get__(self, instance: Any, owner: type) -> Any:
        """Return the function as a method, which has the attributes of this object."""
        return self if instance is None else MethodType(self, instance)

    def _call_function(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the function without recording it."""
        root = self.function(*args, **kwargs)
        if self._finds_parameters and not self._pool.parameters:
            outputs = list(root) if isinstance(root, list | tuple) else [root]
            leaves = [x for x in order_nodes(outputs) if x.op is None and not x.constant]
            self._pool.add_parameters(leaves)
        return root

    def _mark_static(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments, with those that are named static marked."""
        if self._signature is None:
            return args, kwargs
        bound = self._signature.bind(*args, **kwargs)
        for name in self._static:
            if name in bound.arguments:
                bound.arguments[name] = Static(bound.arguments[name])
        return bound.args, bound.kwargs

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> OneCall:
        """Return the numbers of a call, from a recording that fits or from a new one."""
        arguments = Arguments(args, kwargs, self._pool.places)
        replays = self._replays.setdefault(arguments.structure, [])
        for replay in replays:
            call = self._try(replay, arguments)
            if call is not None:
                if replay is not replays[0]:
                    replays.remove(replay)
                    replays.insert(0, replay)
                replay.used = next(self._calls)
                return call
        new = self._record(args, kwargs, arguments)
        replay = next((x for x in replays if x.is_same(new)), new)
        if replay is new:
            replays.insert(0, new)
            self._limit_replays(arguments.structure, new)
        replay.used = next(self._calls)
        call = OneCall(replay, arguments)
        call.compute(self._flat._data)
        if not replay.fits(arguments.integers):
            rounds = self._options.fast or self._options.dtype != np.float64
            if replay is new and not rounds:
                raise RuntimeError(
                    f"{self.__name__} made another decision from the same numbers; does it depend "
                    "on something that is neither a parameter nor an argument?"
                )
            replay.learn(arguments.integers)
        return call

    def _try(self, replay: Replay, arguments: Arguments) -> OneCall | None:
        """Return the numbers of a call, or None if Python would decide differently."""
        if replay.integer_decisions and not replay.accepts(arguments.integers):
            return None
        try:
            call = OneCall(replay, arguments)
            call.compute(self._flat._data)
        except (IndexError, ArithmeticError, ValueError):  # the function may catch it
            return None
        fits = not replay.decisions.all or replay.fits(arguments.integers)
        return call if fits else None

    def _record(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], arguments: Arguments
    ) -> Replay:
        """Record the function with the current numbers.

        Python's collector is paused: it would visit the whole graph several times, and a graph has
        no cycles.
        """
        collects = gc.isenabled()
        gc.disable()
        try:
            return self._record_now(args, kwargs, arguments)
        finally:
            if collects:
                gc.enable()

    def _record_now(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], arguments: Arguments
    ) -> Replay:
        start = time.perf_counter()
        assign_data(self._pool.parameters, self._flat.data)
        self._leaves.remember()
        recording = TracedCall(arguments.integers, arguments.floats)
        values = [*args, *kwargs.values()]
        traced = [
            rebuild(x, name, self._pool.places, recording.make_index, recording.make_float)
            for x, name in zip(values, name_arguments(self.function, args, kwargs), strict=True)
        ]
        generators = [*find_generators(), *values]
        before = list_states(generators)
        recorder = record_branches()
        with keep_graphs(), recorder as branches:  # also under no_grad
            root = self.function(
                *traced[: len(args)], **dict(zip(kwargs, traced[len(args) :], strict=True))
            )
        if list_states(generators) != before:
            warn(
                f"{self.__name__} draws random numbers, which stay those of the recording; pass "
                "them as arguments"
            )
        single = not isinstance(root, list | tuple)
        outputs: list[Any] = [root] if single else list(root)
        if not outputs or not all(isinstance(x, Value) for x in outputs):
            remedy = f"; {REMEDY}" if any(isinstance(x, Array) for x in outputs) else ""
            got = f"{describe_result(root)}{remedy}"
            if uses_no_nodes(root, branches, recording, recorder._new_leaves):
                got = (
                    f"{root!r}: no argument and no parameter of {self.__name__} is a Value, so it "
                    "returns numbers without a graph; call it with Values, such as Value(3.0), or "
                    "compute with parameters that are Values"
                )
            raise TypeError(
                f"jit expects a function that returns a Value or a list of Values, got {got}"
            )
        inputs = list_inputs(recording)
        if self._finds_parameters:
            known = {*self._pool.parameters, *inputs, *recorder._new_leaves}
            tables = [x for selection in recording.selections.values() for x in selection.all()]
            reached = [*tables, *order_nodes(outputs)]
            new = dict.fromkeys(
                x for x in reached if x.op is None and not x.constant and x not in known
            )
            self._add_parameters([*new])
        recording.own_leaves.update(recorder._new_leaves)
        parameters = [*self._pool.parameters]
        nodes = arrange_nodes(outputs, single, parameters, inputs, branches)
        replay = Replay(recording, nodes, self._pool, self._options)
        replay.seconds = time.perf_counter() - start
        return replay

    def _limit_replays(self, structure: Any, new: Replay) -> None:
        """Drop the least recently used replay if there are too many."""
        self._record_counts[structure] += 1
        if self._record_counts[structure] == MOST_OUTCOMES:
            decisions = new.decisions.all
            of_numbers = f"numbers, such as {decisions[0].text}" if decisions else "numbers"
            warn(
                f"{self.__name__} was recorded {MOST_OUTCOMES} times because Python decides by "
                f"{of_numbers}; choose in the graph with where(), maximum(), softmax() or take()"
            )
        pairs = [(replay, key) for key, group in self._replays.items() for replay in group]
        if len(pairs) > self.limit:
            oldest, key = min(pairs, key=lambda pair: pair[0].used)
            self._replays[key].remove(oldest)
            if not self._replays[key]:
                del self._replays[key]

    def summary(self) -> str:
        """Return a table of the recordings, each with the seconds that it took.

        >>> from engine import Value, jit, total
        >>> w = Value(3.0)
        >>> f = jit(lambda xs: total([w * x for x in xs]))
        >>> _ = f([1.0]), f([1.0, 2.0])
        >>> print(f.summary())  # doctest: +SKIP
        integers  floats  nodes  decisions   bytes  seconds
        0              1      3          0   1,312      0.2
        0              2      5          0   1,848      0.0
        """
        rows = []
        for replay in (replay for group in self._replays.values() for replay in group):
            counts = replay.integers, replay.floats, replay.graph.reached
            decisions = len(replay.integer_decisions) + len(replay.decisions.all)
            rows.append([f"{counts[0]}", *counts[1:], decisions, replay.nbytes, replay.seconds])
        header = ["integers", "floats", "nodes", "decisions", "bytes", "seconds"]
        return "\n".join(align([header, *rows]))

    def __repr__(self) -> str:
        count = sum(map(len, self._replays.values()))
        state = f"{count} recordings" if self.enabled else "off"
        return f"jit({self.__name__}, {len(self._pool.parameters):,} parameters, {state})"


def uses_no_nodes(
    root: Any, branches: Sequence[Any], recording: TracedCall, new_leaves: Container[Any]
) -> bool:
    """Return whether a result that is not a node was computed from numbers, without any Value.

    `new_leaves` contains the leaves that the function made.
    """
    numbers = root.ravel().tolist() if isinstance(root, np.ndarray) else leaves_of(root)
    if not all(isinstance(x, Real) for x in numbers):
        return False
    recorded = [x.node for x in numbers if hasattr(x, "node")]
    nodes = [*recorded, *[x for branch in branches for x in decided_nodes(branch)]]
    leaves = [x for x in order_nodes(nodes) if x.op is None]
    has_arguments = bool(recording.integers or recording.inputs)
    return has_arguments and all(
        x.constant or x in new_leaves for x in [*recording.inputs, *leaves]
    )


def pair_arguments(columns: Sequence[Iterable[Any]]) -> list[tuple[Any, ...]]:
    """Return the arguments of each call of `map`, given each argument's values.

    Raises TypeError for an argument that is not iterable, and ValueError for different lengths.
    """
    for column in columns:
        if not isinstance(column, Iterable):
            raise TypeError(f"map expects a sequence for each argument, got {column!r}")
    rows = [list(column) for column in columns]
    lengths = [len(row) for row in rows]
    if len({*lengths}) > 1:
        got = " and ".join(map(str, lengths))
        raise ValueError(
            f"map expects one element for each call in each argument, got sequences of {got} "
            "elements"
        )
    return [*zip(*rows, strict=True)]


def is_recording() -> bool:
    """Return whether a function is being recorded. Functions that it calls become part of it."""
    return any(isinstance(hook, record_branches) for hook in hooks.active())
