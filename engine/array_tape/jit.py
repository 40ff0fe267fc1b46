"""`ArrayJit`, a function of Arrays with its recordings, which runs the one that fits a call."""

import itertools
import time
from collections import Counter
from collections.abc import Callable
from threading import RLock
from types import MethodType
from typing import Any, NoReturn
from weakref import ref

from engine.array_tape.arguments import ArrayArguments
from engine.array_tape.call import ArrayCall, ArrayReplay, get_data, make_nodes
from engine.array_tape.program import ArrayProgram
from engine.array_tape.recording import is_recording_arrays, record_arrays
from engine.array_tape.unfold import unfold_call
from engine.arrays.array import Array
from engine.arrays.in_place import set_compiler
from engine.graph import topological
from engine.support.blas import count_threads
from engine.support.freezing import CHANGES
from engine.support.lazy import is_installed
from engine.support.tables import align
from engine.support.threads import cores
from engine.watch.gradient_warnings import warn

NO_COMPILER = [False]  # for tests
NO_NODE: Callable[[], Array | None] = lambda: None
MOST_OUTCOMES = 8  # recordings of one structure after which a warning explains why


class ArrayJit:
    """A function of Arrays with its recordings, as returned by `jit`.

    The function returns an Array, or a list or tuple of them, of which the first is differentiated
    and the others are constants. It is recorded at the first call of each structure: shapes,
    dtypes, lengths, integers, strings, bools and other objects. NumPy's arrays, Arrays and floats
    are inputs, which may change without another recording; arrays of integers are labels or
    indices.

    A replay computes into buffers that are allocated once. NumPy computes matrix products and
    functions such as `exp`. Loops that LLVM compiles, by means of numba's llvmlite, compute
    elementwise operations and the sums next to them; without it, NumPy does. Consecutive steps run
    in one call of compiled code, often a whole pass. On one thread, results and gradients are
    bit-identical to those of the function. On several threads, steps on large arrays are computed
    in parts, by threads that wait in compiled code for a millisecond before they sleep. The last
    bits of the sums of matrix products can then differ; they are the same in every run with the
    same number of threads. This number is `threads`, by default that of OpenBLAS when the function
    is recorded, which OPENBLAS_NUM_THREADS sets; without llvmlite, OpenBLAS divides the products.
    `backward()` adds to the gradients of the parameters, whose data each call reads, so that
    optimizers update them as usual. A gradient that accumulates over several calls may differ in
    its last bits, because the contributions of each call are added to one another first.

    Each replay draws the random numbers of `nn.vector.Dropout` and assigns the data that the
    function assigns, such as running statistics. It reads the mode of modules, and constants and
    NumPy arrays that existed before; pass arrays that change between calls as arguments, because
    replays do not repeat computations of NumPy from constants alone. If Python tests a number, as
    in `if x.sum() > 0`, or converts it, as in `int(x)`, `f"{x}"` or `math.sin(x)`, the function is
    recorded again when the outcome changes. Everything else that the function does happens only
    while it is recorded, as does reading global variables and other attributes, such as the rate of
    dropout; `drop_recordings()` lets it be recorded again. A computation that replays could not
    repeat raises TypeError: a conversion to a plain array (`np.asarray(x)`), an assignment to
    elements, a constant array that changes in place after its first use, random numbers from a
    generator, and `backward()` inside the function.

    >>> import numpy as np
    >>> from engine import Array, jit
    >>> w = Array([2.0, 3.0])
    >>> loss = jit(lambda x, i: (w * x)[i].sum(), [w])
    >>> loss(np.array([1.0, 10.0]), np.array([1, 1, 0])).backward()
    >>> w.grad
    array([ 1., 20.])
    """

    def __init__(
        self,
        function: Callable[..., Any],
        parameters: list[Array] | None,
        limit: int,
        enabled: bool,
        threads: int | None = None,
    ):
        self.function, self.limit, self.enabled = function, limit, enabled
        self.threads = threads
        self.__doc__ = getattr(function, "__doc__", None)
        self.__name__ = getattr(function, "__name__", type(function).__name__)
        self._finds_parameters = parameters is None
        self._parameters = dict.fromkeys(parameters or [])
        self._replays: dict[Any, list[ArrayReplay]] = {}
        self._record_counts: Counter[Any] = Counter()
        self._calls = itertools.count()
        self._changes = CHANGES[0]
        self._lock = RLock()
        self._last: Callable[[], Array | None] = NO_NODE  # the result of the last call

    def parameters(self) -> list[Array]:
        """Return the Arrays that an optimizer updates.

        Raises RuntimeError if they are not known before the first call.
        """
        if self._finds_parameters and not self._parameters:
            raise RuntimeError(
                f"the parameters of {self.__name__} are not known before its first call; call it, "
                "or pass them to jit"
            )
        return [*self._parameters]

    def drop_recordings(self) -> None:
        """Record the function again at its next call, as after a change that jit does not see."""
        with self._lock:
            self._replays.clear()

    def sync(self) -> None:
        """Attach the graph of the function to the result of the last call.

        `draw`, `step` and `explain` then show its nodes. The function runs again, on the arguments,
        the parameters and the random numbers of that call; it assigns no data. If `backward()` was
        called on the result, the nodes have their gradients. Nodes above products that several
        threads computed in parts may differ from the call in their last bits. Raises RuntimeError
        if the function computes other numbers.

        >>> import numpy as np
        >>> from engine import Array, jit
        >>> w = Array([2.0, 3.0])
        >>> loss = jit(lambda x: (w * x).sum(), [w])
        >>> y = loss(np.array([1.0, 10.0]))
        >>> loss.sync()
        >>> y.inputs
        (Array([ 2., 30.]),)
        """
        with self._lock:
            if (node := self._last()) is not None:
                unfold_call(node, self.__name__, self.function)

    # ------------------------------------------------------------------------------------ calls

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self.enabled or is_recording_arrays():
            return self._call_function(args, kwargs)
        with self._lock:
            self._last = NO_NODE
            if self._changes != CHANGES[0]:  # parameters were frozen, or are trained again
                self._changes = CHANGES[0]
                self._replays.clear()
            arguments = ArrayArguments(args, kwargs, self._parameters)
            replays = self._replays.setdefault(arguments.structure, [])
            for replay in replays:
                call = self._try(replay, arguments)
                if call is not None:
                    if replay is not replays[0]:
                        replays.remove(replay)
                        replays.insert(0, replay)
                    break
            else:
                call = self._record(args, kwargs, arguments, replays)
            call.replay.used = next(self._calls)
            return self._finish(call, arguments)

    def __get__(self, instance: Any, owner: type) -> Any:
        """Return the function as a method, which has the attributes of this object."""
        return self if instance is None else MethodType(self, instance)

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{self!r} cannot be copied or pickled; copy the model, and pass the copy to jit"
        )

    def _try(self, replay: ArrayReplay, arguments: ArrayArguments) -> ArrayCall | None:
        """Return a call, or None if the function would do something else."""
        for f, outcome in replay.conditions:
            if f() != outcome:
                return None
        call = ArrayCall(replay, arguments, list(map(get_data, replay.leaves)))
        return call if replay.forward(call, first=True) else None

    def _record(
        self,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        arguments: ArrayArguments,
        replays: list[ArrayReplay],
    ) -> ArrayCall:
        """Record the function with the arguments of a call, and return the call."""
        start = time.perf_counter()
        make = lambda recording: (
            arguments.trace(args, recording), arguments.trace(kwargs, recording)
        )  # fmt: skip
        recorded = record_arrays(self.__name__, self.function, make)
        if self._finds_parameters:
            self._parameters |= dict.fromkeys(recorded.gradients)
            for x in recorded.nodes:
                self._parameters.pop(x, None)
        wanted = [*self._parameters, *recorded.nodes]
        threads = self.threads or min(count_threads(), cores())
        program = ArrayProgram(recorded, wanted, find_fuse(), threads)
        replay = ArrayReplay(program, recorded, self._lock)
        data = [x.value for x in recorded.leaves.values()]
        recorded.free()
        replay.seconds, replay.used = time.perf_counter() - start, next(self._calls)
        replays.insert(0, replay)
        self._limit_replays(arguments.structure)
        # The function may have assigned its leaves.
        call = ArrayCall(replay, arguments, data)
        replay.adopt(call)
        return call

    def _finish(self, call: ArrayCall, arguments: ArrayArguments) -> Any:
        """Return the nodes of a call."""
        replay = call.replay
        for leaf, data in replay.program.assigned:
            leaf.data = data.copy()
        nodes = replay.program.gradients
        if replay.nodes:
            stands = dict(zip(replay.nodes, arguments.nodes, strict=True))
            nodes = [stands.get(x, x) for x in nodes]
        results = make_nodes(call, nodes)
        if not results[0].constant:
            self._last = ref(results[0])
        return results if replay.several else results[0]

    def _call_function(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the function without recording it."""
        root = self.function(*args, **kwargs)
        if self._finds_parameters and not self._parameters and isinstance(root, Array):
            leaves = [x for x in topological(root) if x.op is None and not x.constant]
            self._parameters = dict.fromkeys(leaves)
        return root

    def _limit_replays(self, structure: Any) -> None:
        """Drop the least recently used replay if there are too many."""
        self._record_counts[structure] += 1
        if self._record_counts[structure] == MOST_OUTCOMES:
            warn(
                f"{self.__name__} was recorded {MOST_OUTCOMES} times for arguments of the same "
                "shapes, because Python branches on numbers or converts them, as in int(x), or "
                "because the number of selected elements changes; choose with where(), compute "
                "with NumPy functions, and pass arrays of the same shape"
            )
        pairs = [(replay, key) for key, group in self._replays.items() for replay in group]
        if len(pairs) > self.limit:
            oldest, key = min(pairs, key=lambda pair: pair[0].used)
            self._replays[key].remove(oldest)
            if not self._replays[key]:
                del self._replays[key]

    def summary(self) -> str:
        """Return a table of the recordings, each with the seconds that it took."""
        rows = [
            [f"{len(replay.program.outputs)}", *replay.program.counts, replay.program.nbytes,
             replay.seconds]
            for group in self._replays.values() for replay in group
        ]  # fmt: skip
        return "\n".join(align([["outputs", "forward", "backward", "bytes", "seconds"], *rows]))

    def __repr__(self) -> str:
        count = sum(map(len, self._replays.values()))
        state = f"{count} recordings" if self.enabled else "off"
        sizes = f"{len(self._parameters):,} parameters"
        return f"jit({self.__name__}, {sizes}, {state})"


def find_fuse() -> Any:
    """Return the function that compiles loops, or None if llvmlite is not installed."""
    if NO_COMPILER[0] or not is_installed("llvmlite"):
        return None
    from engine.array_tape.fusion import fuse_steps
    from engine.array_tape.updates import compile_update

    set_compiler(compile_update)  # of optimizers, too
    return fuse_steps
