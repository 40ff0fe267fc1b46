"""One recording of a function under `jit` as a compiled program."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from engine.tape.flat_graph import FlatGraph, GraphNodes, flatten_graph
from engine.tape.index import Integers
from engine.tape.machine import Machine
from engine.tape.recording import Recording, name_of
from engine.tape.values import Decision, Decisions
from engine.value import ASSIGNED, Value


class Options(NamedTuple):
    """The options of the machines of a function."""

    dtype: np.dtype
    fast: bool
    threads: int | None


class Pool:
    """The numbers that tables select from: the parameters, and leaves that are none.

    The others are at the end, in reverse order, so that their negative places stay when parameters
    are added.
    """

    def __init__(self, parameters: list[Value]):
        self.parameters = parameters
        self.places = {x: i for i, x in enumerate(parameters)}
        self.others: list[Value] = []

    def place(self, x: Value) -> int:
        """Return the place of a leaf."""
        if x not in self.places:
            self.others.append(x)
            self.places[x] = -len(self.others)
        return self.places[x]

    def add_parameters(self, xs: Sequence[Value]) -> None:
        """Append parameters."""
        for x in xs:
            self.places[x] = len(self.parameters)
            self.parameters.append(x)

    def numbers(self, flat: np.ndarray) -> np.ndarray:
        """Return all numbers, given those of the parameters."""
        if not self.others:
            return flat
        others = [x._data for x in reversed(self.others)]
        return np.concatenate([flat, np.array(others, flat.dtype)])


class Selector:
    """Some rows of a table, by their places in the pool."""

    def __init__(self, table: Sequence[Any], pool: Pool):
        self.table, self.indices = table, []
        rows = [[row] if isinstance(row, Value) else row for row in list(table)]
        self.places = np.array([[pool.place(x) for x in row] for row in rows])

    def select(self, integers: Integers) -> np.ndarray:
        """Return the places of the rows. Raises IndexError for an index out of range."""
        rows = [index.compute(integers) for index in self.indices]
        try:
            return self.places[rows].ravel()
        except IndexError:
            n = len(self.places)
            k = next(k for k, row in enumerate(rows) if not -n <= row < n)
            raise IndexError(
                f"{name_of(self.table)} has {n} rows, got {self.indices[k].text} = {rows[k]}"
            ) from None


class Program:
    """A recording with its compiled passes.

    Its inputs are, in this order: the selected rows, the indices that are numbers of the graph, and
    the floats.
    """

    def __init__(self, recording: Recording, nodes: GraphNodes, pool: Pool, options: Options):
        self.options, self.pool = options, pool
        self.graph = flatten_graph(nodes)
        self.single, self.constants = nodes.single, nodes.constants
        self.tests = [*recording.tests.values()]
        self.numbers = [(index, length) for index, _, length in recording.numbers.values()]
        self.selectors, self.width = find_selectors(recording, pool)
        # Gradients of rows that are selected twice are added from the last use to the first.
        self.order = np.argsort(-self.graph.inputs[: self.width], kind="stable")
        self.machine = self.make_machine(batched=False)
        self.decisions = Decisions([nodes.branches[i] for i in self.machine.guards], options.dtype)
        self.dropped: set[int] = set()  # decisions that do not change the graph, by identity
        self.lanes: Machine | None = None  # for batches
        self.call: object = None  # the call whose numbers the machine has
        self.assigned: object = None
        self.used, self.seconds = 0, 0.0

    def make_machine(self, batched: bool) -> Machine:
        """Return a machine for one call, or for a batch."""
        dtype, fast, threads = self.options
        machine = Machine(self.graph, dtype, fast, threads, True, batched)
        machine.set_constants([x._data for x in self.constants])
        return machine

    def fill(self, integers: Integers, floats: Sequence[float]) -> tuple[np.ndarray, list[float]]:
        """Return the places of the selected rows, and the other inputs."""
        numbers = []
        for index, length in self.numbers:
            i = index.compute(integers)
            if length and not -length <= i < length:
                raise IndexError(f"the list has {length} rows, got {index.text} = {i}")
            numbers.append(float(i + length if length and i < 0 else i))
        rows = [selector.select(integers) for selector in self.selectors]
        return np.concatenate(rows) if rows else NO_ROWS, [*numbers, *floats]

    def accepts(self, integers: Integers) -> bool:
        """Return whether the decisions from integers are those of the recording."""
        return all(test.holds(integers) for test in self.tests)

    def forward(self, flat: np.ndarray, rows: np.ndarray, others: list[float]) -> np.ndarray:
        """Return the outputs."""
        if self.assigned is not ASSIGNED[0]:  # perhaps a constant
            self.assigned = ASSIGNED[0]
            self.machine.set_constants([x._data for x in self.constants])
        machine = self.machine
        inputs = np.empty(machine.inputs, machine.shared.dtype)
        inputs[: self.width] = self.pool.numbers(flat)[rows]
        inputs[self.width :] = others
        return machine.forward(flat[: machine.parameters], inputs)

    def backward(self, seeds: np.ndarray, rows: np.ndarray, size: int) -> np.ndarray:
        """Return the gradients of the parameters, of which there are `size`."""
        gradients = self.machine.backward(seeds)
        n = self.machine.parameters
        out = np.zeros(size + len(self.pool.others), gradients.dtype)
        out[:n] = gradients[:n]
        if self.width:
            np.add.at(out, rows[self.order], gradients[n : n + self.width][self.order])
        return out[:size]

    def changes(self) -> Iterator[tuple[int, Decision, str]]:
        """Yield the decisions that Python would make differently with the numbers of now."""
        if self.decisions.all:
            for change in self.decisions.changes(self.machine.guard_values()):
                if id(change[1]) not in self.dropped:
                    yield change

    def drop(self, integers: Integers) -> None:
        """Ignore the decisions that differ now: they have not changed the graph."""
        self.dropped.update(id(decision) for _, decision, _ in self.changes())
        self.tests = [test for test in self.tests if test.holds(integers)]

    def is_same(self, other: "Program") -> bool:
        """Return whether another program computes the same from the same numbers."""
        return (
            same_graphs(self.graph, other.graph)
            and [x._data for x in self.constants] == [x._data for x in other.constants]
            and describe_inputs(self) == describe_inputs(other)
        )


NO_ROWS = np.zeros(0, np.int64)


def find_selectors(recording: Recording, pool: Pool) -> tuple[list[Selector], int]:
    """Return the selectors of a recording, in the order of its tables, and the number of leaves."""
    selectors: dict[int, Selector] = {}
    for selection in recording.selections.values():
        key = id(selection.table)
        if key not in selectors:
            selectors[key] = Selector(selection.table, pool)
        selectors[key].indices.append(selection.index)
    return [*selectors.values()], sum(len(x.leaves) for x in recording.selections.values())


def list_inputs(recording: Recording) -> list[Value]:
    """Return the leaves of a recording's inputs, in the order of a program."""
    tables = dict.fromkeys(id(x.table) for x in recording.selections.values())
    rows = [
        leaf
        for table in tables
        for selection in recording.selections.values()
        if id(selection.table) == table
        for leaf in selection.leaves
    ]
    return [*rows, *[leaf for _, leaf, _ in recording.numbers.values()], *recording.inputs]


def describe_inputs(program: Program) -> list[Any]:
    """Return how a program fills its inputs, to compare."""
    rows = [(id(x.table), [index.text for index in x.indices]) for x in program.selectors]
    return [rows, [(index.text, length) for index, length in program.numbers]]


def same_graphs(x: FlatGraph, y: FlatGraph) -> bool:
    """Return whether two graphs have the same nodes under their outputs."""
    if x.reached != y.reached:
        return False
    n = x.reached
    arrays = lambda graph: [
        graph.outputs, graph.results, graph.parameters[graph.parameters < n],
        graph.inputs[graph.inputs < n], graph.constants[graph.constants < n], graph.sends[:n],
    ]  # fmt: skip
    if not all(map(np.array_equal, arrays(x), arrays(y))):
        return False
    nodes = lambda graph: {
        (graph.rows[group.row], group.inputs.shape[1]): group.inputs[group.nodes < n]
        for group in graph.groups
        if (group.nodes < n).any()
    }
    groups, others = nodes(x), nodes(y)
    return groups.keys() == others.keys() and all(
        np.array_equal(groups[key], others[key]) for key in groups
    )
