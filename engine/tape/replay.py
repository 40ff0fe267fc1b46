"""A recording of a function under `jit` as compiled passes, and the decisions that it assumes."""

import threading
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn, TypeAlias

import numpy as np

from engine.tape.flat_graph import FlatGraph, GraphNodes, flatten_graph
from engine.tape.gather import add_selected, collect_gradients, fill_inputs, fill_lanes
from engine.tape.index import Integers, fits_64_bits
from engine.tape.machine import Machine
from engine.tape.passes import BACKWARD, FORWARD
from engine.tape.traced_call import TracedCall
from engine.tape.values import Decisions
from engine.value import ASSIGNED, Value
from engine.watch.decisions import Branch

# The outcomes of decisions from integers, and the places and outcomes of the other decisions that
# differ from those of the recording.
Outcome: TypeAlias = tuple[tuple[bool, ...], tuple[tuple[int, str], ...]]


class MachineOptions(NamedTuple):
    """The options of the machines of a function."""

    dtype: np.dtype
    fast: bool
    threads: int | None


class Pool:
    """The leaves that tables select from: the parameters, and others.

    The places of the others are -1, -2, ..., which stay the same when parameters are added.
    """

    def __init__(self, parameters: list[Value]):
        self.parameters = parameters
        self.places = {x: i for i, x in enumerate(parameters)}
        self.others: list[Value] = []
        self.lock = threading.RLock()  # of all machines

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


class Selections:
    """The rows that the arguments of a call select, and the indices that are numbers, in arrays.

    See `engine.tape.gather.select_inputs` for `table` and `places`.
    """

    def __init__(self, recording: TracedCall, pool: Pool):
        starts: dict[tuple[int, ...], int] = {}
        places: list[int] = []
        names: list[str] = []
        width, rows, start, least = [], [], [], []
        self.indices = []
        for selection in recording.selections.values():
            key = selection.key
            if key not in starts:
                starts[key] = len(places)
                places += [pool.place(x) for x in selection.all()]
            names.append(selection.name)
            start.append(starts[key])
            rows.append(len(selection.rows))
            width.append(len(selection.leaves))
            least.append(selection.least)
            self.indices.append(selection.chosen)
        for number in recording.numbers.values():
            names.append("the list")
            start.append(0)
            rows.append(number.length)
            width.append(0)
            least.append(number.least)
            self.indices.append(number.chosen)
        self.names = names
        self.leaves = sum(width)
        self.places = np.array(places, np.int64)
        self.rows = rows
        # The indices that are computed from arguments follow the arguments.
        count = len(recording.integers)
        self.computed = [index for index in self.indices if index.place is None]
        computed = iter(range(count, count + len(self.computed)))
        argument = [next(computed) if x.place is None else x.place for x in self.indices]
        self.table = np.array([argument, start, rows, width, least], np.int64).T.copy()
        self.inputs = sum(max(x, 1) for x in width)

    def evaluate(self, integers: Integers) -> np.ndarray:
        """Return the arguments, and the indices that are computed from them.

        Raises OverflowError for an index beyond 64 bits.
        """
        if self.computed:
            integers = [*integers, *[index.compute(integers) for index in self.computed]]
        try:
            return np.array(integers, np.int64)
        except OverflowError:
            used = {*self.table[:, 0].tolist()}
            if not all(fits_64_bits(integers[k]) for k in used):
                raise
            return np.array([x if fits_64_bits(x) else 0 for x in integers], np.int64)

    def evaluate_all(self, integers: np.ndarray) -> np.ndarray:
        """Return the arguments of several calls, and the indices that are computed from them."""
        if not self.computed:
            return integers
        return np.array([self.evaluate(row) for row in integers.tolist()], np.int64)

    def describe(self) -> list[Any]:
        """Return the selections as lists, to compare them with those of another recording."""
        texts = [index.text for index in self.indices]
        return [texts, self.table[:, 1:].tolist(), self.places.tolist()]

    def refuse_selection(self, k: int, integers: Integers) -> NoReturn:
        """Raise IndexError for a selection that is out of range."""
        index = self.indices[k]
        raise IndexError(
            f"{self.names[k]} has {self.rows[k]} rows, got {index.text} = {index.compute(integers)}"
        )


class Replay:
    """A recording with its compiled passes.

    Its inputs are, in this order: the selected rows, the indices that are numbers of the graph, and
    the floats.
    """

    def __init__(
        self, recording: TracedCall, nodes: GraphNodes, pool: Pool, options: MachineOptions
    ):
        self.options, self.pool, self.own_leaves = options, pool, recording.own_leaves
        self.graph = flatten_graph(nodes, labels=False)
        self.single, self.constants = nodes.single, nodes.constants
        self.integer_decisions = [*recording.decisions.values()]
        self.selections = Selections(recording, pool)
        # Gradients of rows that are selected twice are added from the last use to the first.
        selected = self.graph.inputs[: self.selections.inputs]
        self.order = np.argsort(-selected, kind="stable")
        self.machine = self.make_machine(batched=False)
        # The registers of the outputs and of their gradients; a single one is a number.
        outputs, seeds = self.machine.outputs, self.machine.seeds
        self.outputs: Any = int(outputs[0]) if nodes.single else outputs
        self.seeds: Any = int(seeds[0]) if nodes.single else seeds
        self.columns = self.machine.columns.astype(np.uint32)
        places = self.machine.parameters + self.selections.inputs
        self.sends_to_float = self.machine.receives[places:].tolist()
        self.trains = self.reaches_parameters(recording)
        self.templates = [
            getattr(x, "template", x.operator if isinstance(x, Branch) else "")
            for x in nodes.branches
        ]
        self.decisions = Decisions([nodes.branches[i] for i in self.machine.guards], options.dtype)
        # All outcomes that lead to this graph.
        first: Outcome = tuple([decision.outcome for decision in self.integer_decisions]), ()
        self.outcomes = {first}
        self.lanes: Machine | None = None  # for batches
        self.call: object = None  # the call whose numbers the machine has
        self.batch: object = None  # the batch whose numbers the lanes have
        self.assigned: object = None
        self.constant_numbers: list[float] = []
        self.others = np.zeros(0, options.dtype)
        self.used, self.seconds = 0, 0.0
        self.integers, self.floats = len(recording.integers), len(recording.floats)

    def reaches_parameters(self, recording: TracedCall) -> bool:
        """Return whether a parameter receives a gradient, perhaps as an element of a table."""
        receives, first = self.machine.receives, self.machine.parameters
        tables = [x.all() for x in recording.selections.values() for _ in x.leaves]
        return bool(receives[:first].any()) or any(
            receives[first + i] and any(self.pool.places[x] >= 0 for x in table)
            for i, table in enumerate(tables)
        )

    def make_machine(self, batched: bool) -> Machine:
        """Return a machine for one call, or for a batch."""
        dtype, fast, threads = self.options
        return Machine(self.graph, dtype, fast, threads, True, batched, blocks=2)

    @property
    def nbytes(self) -> int:
        """The size of the machines' arrays in bytes, without those that grow with a batch."""
        return self.machine.nbytes + (0 if self.lanes is None else self.lanes.nbytes)

    def read_constants(self) -> None:
        """Read the leaves that are not parameters, if any Value was assigned a number."""
        if self.assigned is not ASSIGNED[0]:
            self.set_constants([x._data for x in self.constants])
            self.assigned = ASSIGNED[0]
            self.others = np.array([x._data for x in self.pool.others], self.options.dtype)

    def use_constants(self, numbers: list[float] | None) -> None:
        """Use the constants of an earlier pass, or the current ones."""
        if numbers is None:
            self.read_constants()
        elif numbers is not self.constant_numbers:
            self.set_constants(numbers)

    def set_constants(self, numbers: list[float]) -> None:
        """Set the numbers of the constants, until the next call reads them."""
        self.constant_numbers, self.assigned = numbers, None
        for machine in (self.machine, self.lanes):
            if machine is not None:
                machine.set_constants(numbers)

    def decide(self, integers: Integers) -> tuple[bool, ...]:
        """Return the outcomes of the decisions from integers."""
        return tuple([decision.decide(integers) for decision in self.integer_decisions])

    def accepts(self, integers: Integers) -> bool:
        """Return whether the decisions from integers can lead to this graph."""
        if not self.integer_decisions:
            return True
        try:
            outcomes = self.decide(integers)
        except (ArithmeticError, ValueError):  # the function may catch it
            return False
        return any(outcomes == accepted for accepted, _ in self.outcomes)

    def fits(self, integers: Integers) -> bool:
        """Return whether all decisions, with the current numbers, lead to this graph."""
        return not self.decisions.all or (self.decide(integers), self.changes()) in self.outcomes

    def forward(
        self,
        flat: np.ndarray,
        integers: np.ndarray,
        floats: np.ndarray,
        selected: np.ndarray,
        constants: list[float] | None,
    ) -> list[float]:
        """Compute the outputs, and write the places of the selected numbers to `selected`.

        `constants` are those of an earlier pass, or None for the current ones. Returns the ones
        in use.
        """
        machine, selections = self.machine, self.selections
        if constants is not None or self.assigned is not ASSIGNED[0]:
            self.use_constants(constants)
        wrong = fill_inputs(
            machine.shared, flat, self.others, integers, floats, selections.table,
            selections.places, selected, self.columns, machine.parameters,
        )  # fmt: skip
        if wrong >= 0:
            selections.refuse_selection(wrong, integers.tolist())
        machine.run(machine.code[FORWARD], machine.shared)
        return self.constant_numbers

    def backward(self, seeds: np.ndarray, selected: np.ndarray, size: int) -> np.ndarray:
        """Return the gradients of the parameters, of which there are `size`."""
        machine = self.machine
        machine.shared[self.seeds] = seeds
        machine.run(machine.code[BACKWARD], machine.shared)
        out = np.empty(size, machine.shared.dtype)
        collect_gradients(
            machine.shared, machine.gradients, machine.parameters, selected, self.order, out
        )
        return out

    def float_gradients(self) -> np.ndarray:
        """Return the gradients of the floats after a backward pass."""
        first = self.machine.parameters + self.selections.inputs
        return self.machine.shared[self.machine.gradients[first:]]

    def forward_batch(
        self,
        flat: np.ndarray,
        integers: np.ndarray,
        floats: np.ndarray,
        constants: list[float] | None,
    ) -> tuple[np.ndarray, np.ndarray, list[float]]:
        """Return the outputs of several calls, (calls, outputs), and the places they select.

        The last result is the list of constants in use. See `forward` for `constants`.
        """
        if self.lanes is None:
            self.lanes = self.make_machine(batched=True)
            self.lanes.set_constants(self.constant_numbers)
        self.use_constants(constants)
        machine, selections = self.lanes, self.selections
        machine.shared[: machine.parameters] = flat[: machine.parameters]
        machine.run_forward()
        machine.lanes.resize(len(integers))
        selected = np.empty((len(integers), selections.inputs), np.int64)
        call, wrong = fill_lanes(
            machine.lanes.blocks, flat, self.others, integers, floats, selections.table,
            selections.places, selected,
        )  # fmt: skip
        if wrong >= 0:
            selections.refuse_selection(wrong, integers[call].tolist())
        machine.lanes.forward(machine.shared)
        return machine.lanes.read(machine.outputs), selected, self.constant_numbers

    def backward_batch(
        self, seeds: np.ndarray, selected: np.ndarray, size: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the gradients of the parameters, of which there are `size`, and of the floats."""
        machine: Any = self.lanes
        out = np.zeros(size, machine.shared.dtype)
        out[: machine.parameters] = machine.backward(seeds)
        of_inputs = machine.input_gradients()
        add_selected(out, selected, of_inputs)
        return out, of_inputs[:, self.selections.inputs :]

    def unfit_in_batch(self, batch: Sequence[Integers]) -> set[int]:
        """Return the calls of a batch whose decisions lead to another graph, or an unknown one."""
        if not self.decisions.all:
            return set()
        machine: Any = self.lanes
        changes: dict[int, list[tuple[int, str]]] = {}
        for call, i, now in self.decisions.changes(machine.guard_values()):
            changes.setdefault(call, []).append((i, now))
        outcomes = [(self.decide(x), tuple(changes.get(k, ()))) for k, x in enumerate(batch)]
        return {k for k, outcome in enumerate(outcomes) if outcome not in self.outcomes}

    def changes(self) -> tuple[tuple[int, str], ...]:
        """Return the decisions with other outcomes than in the recording, and their outcomes."""
        numbers = self.machine.guard_values()
        return tuple([(i, now) for _, i, now in self.decisions.changes(numbers)])

    def learn(self, integers: Integers) -> None:
        """Store that the decisions with the current numbers lead to this graph, too."""
        self.outcomes.add((self.decide(integers), self.changes() if self.decisions.all else ()))

    def identify_constants(self) -> list[str | int]:
        """Return a key of each constant: its number, or its id if it can be assigned to."""
        return [
            repr(x._data) if x.constant or x in self.own_leaves else id(x) for x in self.constants
        ]

    def decision_texts(self) -> list[str]:
        """Return the decisions from integers as text."""
        return [decision.text for decision in self.integer_decisions]

    def is_same(self, other: "Replay") -> bool:
        """Return whether another program has the same graph and the same decisions to check."""
        return (
            self.single == other.single
            and same_graphs(self.graph, other.graph)
            and self.templates == other.templates
            and self.decision_texts() == other.decision_texts()
            and self.identify_constants() == other.identify_constants()
            and self.selections.describe() == other.selections.describe()
        )


def list_inputs(recording: TracedCall) -> list[Value]:
    """Return the leaves of a recording's inputs, in the order of `Selections`."""
    rows = [leaf for selection in recording.selections.values() for leaf in selection.leaves]
    return [*rows, *[number.leaf for number in recording.numbers.values()], *recording.inputs]


def same_graphs(x: FlatGraph, y: FlatGraph) -> bool:
    """Return whether two graphs have the same nodes and the same decisions."""
    arrays = lambda graph: [
        graph.outputs, graph.results, graph.parameters, graph.inputs, graph.constants, graph.sends
    ]  # fmt: skip
    groups = lambda graph: {
        (graph.rows[group.row], group.inputs.shape[1]): group for group in graph.groups
    }
    decisions = lambda graph: [(guard.operator, guard.x, guard.y) for guard in graph.guards]
    ours, others = groups(x), groups(y)
    return (
        (x.size, x.extra, decisions(x)) == (y.size, y.extra, decisions(y))
        and all(map(np.array_equal, arrays(x), arrays(y)))
        and ours.keys() == others.keys()
        and all(
            np.array_equal(group.nodes, others[key].nodes)
            and np.array_equal(group.inputs, others[key].inputs)
            for key, group in ours.items()
        )
    )
