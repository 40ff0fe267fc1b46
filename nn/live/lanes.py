"""A graph of Values as a program for many samples.

A node of the graph becomes a row of numbers, one lane for each sample. Parameters and constants are
one number for all lanes. Nodes with the same operation and the same kinds of inputs share a kernel
(`nn.live.kernels`). A program is a list of steps, each of which runs one kernel on a table of
places.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from engine.instructions import Recorded, record
from engine.sequences.rules import DOT
from engine.tape.flat_graph import FlatGraph, Guard, collect_nodes, flatten_graph
from engine.value import Value
from nn.live.kernels import Kernels

LONGEST = 16  # products in a kernel


class KernelStep(NamedTuple):
    """The nodes that a kernel computes: for each the places of its inputs, and its first row."""

    kernel: int
    table: list[int]


class Program(NamedTuple):
    """The steps of a graph, in the order of the forward pass.

    Attributes:
        steps: The steps. No step reads a row that itself or a later one computes.
        rows: The number of rows.
        inputs, outputs: The rows of the inputs and outputs.
        constants: The numbers after those of the parameters.
    """

    steps: list[KernelStep]
    rows: int
    inputs: list[int]
    outputs: list[int]
    constants: list[float]


class Recording(NamedTuple):
    """A program, the graph that it computes, and the decisions that Python made.

    Attributes:
        order: The nodes in topological order.
        row_of: The row of each node that has one.
        number_of: The place of each parameter and constant among the numbers.
        of_gradient: The decisions that depend on nodes that receive a gradient.
    """

    program: Program
    order: list[Value]
    row_of: dict[Value, int]
    number_of: dict[Value, int]
    guards: list[Guard]
    of_gradient: list[Guard]


def record_lanes(
    function: Callable[[list[Value]], Value | Sequence[Value]],
    inputs: Sequence[Value],
    parameters: Sequence[Value],
    kernels: Kernels,
    fixed: Iterable[Value] = (),
) -> Recording:
    """Record a function of one sample as a program.

    Args:
        function: Returns a Value or a list of Values for a list of inputs.
        inputs: The leaves that differ between samples.
        parameters: The leaves that are one number for all samples and receive a gradient.
        kernels: The kernels, to which those of this program are added.
        fixed: The inputs that receive no gradient.
    """
    nodes = collect_nodes(lambda xs: list_outputs(function(xs)), inputs, parameters)
    graph = flatten_graph(nodes)
    place = dict(zip(nodes.order, range(graph.size), strict=True))
    scheduled = LaneSchedule(graph, {place[x] for x in fixed})
    constants = [x._data for x in nodes.constants]
    program = scheduled.build(kernels, constants)
    row_of = {x: scheduled.row[i] for i, x in enumerate(nodes.order) if i in scheduled.row}
    number_of = {
        x: scheduled.uniform[i] for i, x in enumerate(nodes.order) if i in scheduled.uniform
    }
    of_gradient = [x for x in graph.guards if {x.x, x.y} & scheduled.has_gradient]
    return Recording(program, nodes.order, row_of, number_of, graph.guards, of_gradient)


def list_outputs(outputs: Any) -> list[Value]:
    """Return outputs as a list of computed nodes; leaves are copied."""
    outputs = [*outputs] if isinstance(outputs, list | tuple) else [outputs]
    for x in outputs:
        if not isinstance(x, Value) or x.constant:
            raise ValueError(f"expected Values that are computed from the parameters, got {x!r}")
    return [x + 0.0 if x.op is None else x for x in outputs]


class LaneSchedule:
    """The rows and levels of the nodes of a graph.

    The level of a node is above those of its inputs. Nodes of one level with the same kernel form a
    step; by the time that the backward pass reaches a level, its gradients are complete.
    """

    def __init__(self, graph: FlatGraph, fixed: set[int]):
        self.graph = graph
        leaves = [*graph.inputs.tolist()]
        self.row = {x: i for i, x in enumerate(leaves)}
        parameters = graph.parameters.tolist()
        numbers = [*parameters, *graph.constants.tolist()]
        self.uniform = {x: i for i, x in enumerate(numbers)}
        self.has_gradient = ({*parameters} | {*leaves}) - fixed
        self.operations = list_recorded_operations(graph)
        results: dict[int, list[tuple[int, int]]] = {}
        for i, operation, k in graph.results.tolist():
            results.setdefault(operation, []).append((i, k))
        self.level = dict.fromkeys([*self.row, *self.uniform], 0)
        self.rows = len(leaves)
        for i, (template, inputs) in self.operations.items():
            level, row = 1 + max(self.level[x] for x in inputs), self.rows
            self.rows += len(template.outs)
            computed = {i: row} | {result: row + k for result, k in results.get(i, ())}
            self.row |= computed
            self.level |= dict.fromkeys(computed, level)
            if self.has_gradient.intersection(inputs):
                self.has_gradient.update(computed)

    def build(self, kernels: Kernels, constants: list[float]) -> Program:
        """Return the program."""
        tables: dict[tuple[int, int], list[int]] = {}
        for i, (template, inputs) in self.operations.items():
            kernel = kernels.find(template, "".join(map(self.find_kind, inputs)))
            places = [self.row.get(x, self.uniform.get(x, -1)) for x in inputs]
            tables.setdefault((self.level[i], kernel), []).extend([*places, self.row[i]])
        steps = [KernelStep(kernel, table) for (_, kernel), table in sorted(tables.items())]
        outputs = self.graph.outputs.tolist()
        return Program(
            steps, self.rows, [self.row[x] for x in self.graph.inputs.tolist()],
            [self.row[x] for x in outputs], constants,
        )  # fmt: skip

    def find_kind(self, place: int) -> str:
        """Return the kind of an input: u, or l for one with lanes; a capital has no gradient."""
        kind = "u" if place in self.uniform else "l"
        return kind if place in self.has_gradient else kind.upper()


def list_recorded_operations(graph: FlatGraph) -> dict[int, tuple[Recorded, list[int]]]:
    """Return the instructions and the inputs of each operation by its place, in topological order.

    A long b + w1 x1 + w2 x2 + ... becomes a chain of shorter ones, with the same roundings, because
    a browser does not optimize very long kernels. Its parts have new places.
    """
    nodes = {
        i: (group, inputs)
        for group in graph.groups
        for i, inputs in zip(group.nodes.tolist(), group.inputs.tolist(), strict=True)
    }
    operations, new = {}, graph.size
    for i, (group, inputs) in sorted(nodes.items()):
        count = len(inputs) // 2
        if graph.rows[group.row] is not DOT or count <= LONGEST:
            operations[i] = group.template, inputs
            continue
        ws, xs, sum = inputs[:count], inputs[count:-1], inputs[-1]
        for start in range(0, count, LONGEST):
            part = slice(start, start + LONGEST)
            taken = [*ws[part], *xs[part], sum]
            sum, new = (new, new + 1) if start + LONGEST < count else (i, new)
            operations[sum] = record(DOT, len(taken)), taken
    return operations
