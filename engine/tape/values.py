"""The Values of a graph: a tape's assumptions about them, and its updates to them.

A tape assumes that Python's decisions from numbers do not change.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from engine.arrays.array import Array
from engine.graph import walk_back
from engine.rules import flatten
from engine.sequences.vector_op import Outputs
from engine.value import ASSIGNED, Value, as_float
from engine.watch.branches import BranchChanged
from engine.watch.decisions import Branch, Conversion, Failure
from engine.watch.origin import Origin


class Leaves:
    """The parameters and constants of a graph, and their numbers when they were last read.

    Numbers that are assigned to them later are read at the next replay, so several tapes can train
    the same Values in turn: `sync()` of one assigns the numbers that the others read.
    """

    def __init__(self, parameters: Sequence[Value], constants: Sequence[Value] = ()):
        self.parameters, self.constants = parameters, constants
        self.remember()

    def remember(self) -> None:
        """Store the current numbers."""
        self.assigned = ASSIGNED[0]
        self.numbers = [x._data for x in (*self.parameters, *self.constants)]

    def read(self, flat: Array) -> bool:
        """Copy the numbers that were assigned to parameters into `flat`.

        Returns whether a constant was assigned. Costs nothing if no Value was assigned.
        """
        if self.assigned is ASSIGNED[0]:
            return False
        before, count = self.numbers, len(self.parameters)
        self.remember()
        pairs = enumerate(zip(self.numbers, before, strict=True))
        changed = [i for i, (x, y) in pairs if x is not y and repr(x) != repr(y)]
        if parameters := [i for i in changed if i < count]:
            data = flat.data.copy()
            data[parameters] = [self.numbers[i] for i in parameters]
            flat.data = data
        return changed != parameters


class Decision(NamedTuple):
    """A decision that Python made, as text, because its nodes may no longer exist.

    `function` returns the outcome for a number: of a conversion, the number of its Value; of a
    comparison, 1 if it holds and 0 if not.
    """

    text: str
    function: Callable[[float], Any]
    number: float
    outcome: Any
    origin: Origin | None
    remedy: str

    @classmethod
    def of(cls, made: Branch | Conversion) -> "Decision":
        if isinstance(made, Branch):
            return cls(str(made), bool, made.outcome, made.outcome, made.origin, CHOOSE)
        is_text = isinstance(made.outcome, str) and not isinstance(made.outcome, Failure)
        remedy = SHOW if is_text else COMPUTE
        if isinstance(made.outcome, bool | np.bool_):
            remedy = CHOOSE
        return cls(str(made), made.function, made.x._data, made.outcome, made.origin, remedy)

    def now(self, number: float) -> str:
        """Return the outcome for another number as text, or the error that Python would raise."""
        try:
            with np.errstate(all="ignore"):
                return repr(self.function(number))  # tells -0.0 from 0.0, and nan equals nan
        except (ArithmeticError, ValueError) as problem:
            return repr(Failure(str(problem)))


CHOOSE = (
    "so Python would build another graph; record a new tape, or choose in the graph with where(), "
    "maximum() or minimum()"
)
COMPUTE = (
    "so the tape would compute with an outdated number; record a new tape, or compute in the graph "
    "with the Value itself, as in x.exp(), where(), maximum() or a row of your own (Op)"
)
SHOW = (
    "so the text is outdated; record a new tape, or format the outputs of forward(); print(x) "
    "shows a Value without recording its number"
)


class Decisions:
    """The decisions that Python made while a graph was built, if a tape can change them."""

    def __init__(self, branches: Sequence[Branch | Conversion], dtype: np.dtype):
        self.all = [Decision.of(branch) for branch in branches]
        with np.errstate(over="ignore"):
            self.numbers = np.array([decision.number for decision in self.all], dtype)

    def calibrate(self, numbers: np.ndarray) -> None:
        """Take the numbers of conversions from the tape, which may round them differently."""
        converted = np.array([decision.function is not bool for decision in self.all])
        self.numbers = np.where(converted, numbers, self.numbers)

    def check(self, numbers: np.ndarray, batched: bool) -> None:
        """Raise BranchChanged for the first decision whose outcome differs.

        `numbers` has the shape (samples, decisions), with one row if there are no samples.
        """
        for sample, i, now in self.changes(numbers):
            decision = self.all[i]
            origin = decision.origin
            where = "" if origin is None else f" ({origin})"
            which = f" for sample {sample}" if batched else ""
            raise BranchChanged(
                f"{decision.text} was {decision.outcome!r} when the tape was recorded and is "
                f"{now} now{which}{where}, {decision.remedy}"
            )

    def changes(self, numbers: np.ndarray) -> Iterator[tuple[int, int, str]]:
        """Yield the samples and decisions whose outcome differs, with the outcome as text."""
        same = (numbers == self.numbers) & (np.signbit(numbers) == np.signbit(self.numbers))
        same |= np.isnan(numbers) & np.isnan(self.numbers)
        for sample, i in np.argwhere(~same).tolist():
            decision = self.all[i]
            now = decision.now(float(numbers[sample, i]))
            if now != repr(decision.outcome):
                yield sample, i, now


def assign_data(nodes: Iterable[Value], numbers: np.ndarray) -> None:
    """Assign the number of each node, unless it has that number already."""
    for node, x in zip(nodes, numbers.tolist(), strict=True):
        before = node._data
        if before == x != 0.0:
            continue
        if before != x == x or repr(before) != repr(x):  # tells -0.0 from 0.0, and nan equals nan
            node.data = x


def recompute(order: Sequence[Any]) -> None:
    """Recompute every node of a graph in topological order, with its local derivatives."""
    for node in order:
        op = node.op
        if op is None:
            continue
        if op._output_index is not None:
            node._data = node._x._data[op._output_index]
            continue
        args = op.unflatten([x._data for x in node.inputs])
        if isinstance(node, Outputs):
            node._dx = tuple(flatten(args))
            node._data = tuple(map(as_float, op.forward(*args)))
            continue
        out = node._data = as_float(op.forward(*args))
        slopes = [as_float(slope) for slope in flatten(op.locals(out, *args))]
        if type(node._x) is tuple:
            node._dx = tuple(slopes)
        else:
            x, y = node._x, node._y
            node._dx = None if x.constant else slopes[0]
            node._dy = None if y is None or y.constant else slopes[1]


def backpropagate(order: list[Any], seeds: Iterable[tuple[Value, float]]) -> None:
    """Run the backward pass from several roots at once, overwriting every gradient."""
    for node in order:
        node._grad = 0.0
    for _ in walk_back(order, seeds):
        pass
