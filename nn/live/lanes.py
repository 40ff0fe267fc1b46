"""A graph of Values as a program for many samples, printed as JavaScript.

A node of the graph becomes a row of numbers, one lane for each sample. Parameters and constants are
one number for all lanes. Nodes with the same operation and the same kinds of inputs share a kernel:
two functions, printed from the recorded instructions of the operation, that loop over nodes and
lanes. A program is a list of steps, each of which runs one kernel on a table of places.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from engine.draw.page.javascript import JAVASCRIPT, compare_conditions, print_number
from engine.instructions import FACTOR, Formulas, Recorded, record
from engine.sequences.rules import DOT
from engine.tape.flat_graph import FlatGraph, Guard, collect_nodes, flatten_graph
from engine.value import Value

LONGEST = 16  # products in a kernel
NAME = re.compile(r"\b[a-z_]\w*\b")


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
        of_gradient: The decisions that depend on nodes that receive a gradient.
    """

    program: Program
    order: list[Value]
    row_of: dict[Value, int]
    guards: list[Guard]
    of_gradient: list[Guard]


class Kernels:
    """The kernels of several programs, each printed once."""

    def __init__(self) -> None:
        self.texts: dict[str, int] = {}

    def find(self, row: Recorded, kinds: str) -> int:
        """Return the number of the kernel of a row for these kinds of inputs."""
        return self.texts.setdefault(print_kernel(row, kinds), len(self.texts))

    def __str__(self) -> str:
        return "const KERNELS = [\n" + ",\n".join(self.texts) + "\n];\n"


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
    of_gradient = [x for x in graph.guards if {x.x, x.y} & scheduled.has_gradient]
    return Recording(program, nodes.order, row_of, graph.guards, of_gradient)


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
        self.operations = list_operations(graph)
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


def list_operations(graph: FlatGraph) -> dict[int, tuple[Recorded, list[int]]]:
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


# --------------------------------------------------------------------------------------- printing


def print_kernel(row: Recorded, kinds: str) -> str:
    """Return the two passes of a row as a JavaScript object.

    `forward(n, V, U, table)` computes the rows V of n lanes from those of the inputs and from the
    numbers U. `backward(n, V, G, U, D, table)` adds to the gradients G of rows and D of numbers. It
    visits nodes and samples from the last to the first, as the backward pass of a graph does.

    >>> from engine.instructions import record
    >>> from engine.rules import MUL
    >>> print(print_kernel(record(MUL, 2), "ul"))
    {forward(n, V, U, table) {
      for (let j = 0; j < table.length; j += 3) {
        const x0 = U[table[j]], i1 = table[j + 1] * n, o0 = table[j + 2] * n;
        for (let s = 0; s < n; s++) {
          const x1 = V[i1 + s];
          V[o0 + s] = x0 * x1;
        }
      }
    }, backward(n, V, G, U, D, table) {
      for (let j = table.length - 3; j >= 0; j -= 3) {
        const x0 = U[table[j]], i1 = table[j + 1] * n, o0 = table[j + 2] * n;
        let d0 = 0;
        for (let s = n - 1; s >= 0; s--) {
          const x1 = V[i1 + s], g0 = G[o0 + s];
          d0 += g0 * x1;
          G[i1 + s] += g0 * x0;
        }
        D[table[j]] += d0;
      }
    }}
    """
    forward, backward = print_pass(row, kinds, False), print_pass(row, kinds, True)
    head = "backward(n, V, G, U, D, table)"
    return f"{{forward(n, V, U, table) {{\n{forward}}}, {head} {{\n{backward}}}}}"


def print_pass(row: Recorded, kinds: str, backward: bool) -> str:
    """Return the loops of one pass of a row over nodes and lanes."""
    uniform = [k for k, kind in enumerate(kinds) if kind in "uU"]
    sent = [k for k, kind in enumerate(kinds) if kind.islower()]
    reads = {f"x{k}": f"V[i{k} + s]" for k in range(len(kinds)) if k not in uniform}
    names = {k: f"x{k}" for k in range(len(kinds))}
    wanted: dict[int, int | None] = {}
    if backward:
        names |= {slot: f"out{k}" for k, slot in enumerate(row.outs)}
        names |= {slot: f"g{k}" for k, slot in enumerate(row.gs)}
        reads |= {f"out{k}": f"V[o{k} + s]" for k in range(len(row.outs))}
        reads |= {f"g{k}": f"G[o{k} + s]" for k in range(len(row.outs))}
        wanted.update((k, row.locals[k]) for k in sent)
    else:
        wanted.update(enumerate(row.outs))
    slots = [slot for slot in wanted.values() if slot is not None]
    body, texts = write_formulas(row, names, slots, as_factor=backward)
    for k, slot in wanted.items():
        formula = "" if slot is None else texts[slot]  # a slope of 1 has none
        if not backward:
            body.append(f"V[o{k} + s] = {formula};")
            continue
        gradient = f"d{k}" if k in uniform else f"G[i{k} + s]"
        product = f"g0 * {formula}" if formula else "g0"
        body.append(f"{gradient} += {formula if row.gs else product};")
    if not body:
        return ""
    used = list_identifiers(body)
    if loads := [f"{name} = {read}" for name, read in reads.items() if name in used]:
        body.insert(0, f"const {', '.join(loads)};")

    width = len(kinds) + 1
    place = ["table[j]", *(f"table[j + {k}]" for k in range(1, width))]
    head = [f"x{k} = U[{place[k]}]" if k in uniform else f"i{k} = {place[k]} * n"
            for k in range(len(kinds))]  # fmt: skip
    head += [f"o{k} = ({place[-1]} + {k}) * n" if k else f"o0 = {place[-1]} * n"
             for k in range(len(row.outs))]  # fmt: skip
    used = list_identifiers(body)
    head = [text for text in head if text.partition(" ")[0] in used]
    sums = [k for k in sent if k in uniform]
    nodes, loop = f"let j = 0; j < table.length; j += {width}", "let s = 0; s < n; s++"
    if backward:
        nodes = f"let j = table.length - {width}; j >= 0; j -= {width}"
        loop = "let s = n - 1; s >= 0; s--"
    lines = [
        f"for ({nodes}) {{",
        f"  const {', '.join(head)};",
        *(["  let " + ", ".join(f"d{k} = 0" for k in sums) + ";"] if backward and sums else []),
        f"  for ({loop}) {{", *(f"    {line}" for line in body), "  }",
        *(f"  D[{place[k]}] += d{k};" for k in sums if backward),
        "}",
    ]  # fmt: skip
    return "".join(f"  {line}\n" for line in lines)


def write_formulas(
    row: Recorded, names: dict[int, str], wanted: list[int], as_factor: bool
) -> tuple[list[str], dict[int, str]]:
    """Return the statements before the formulas of the wanted slots, and the formulas."""
    given = {slot: print_number(x) for slot, x in row.constants.items()} | names
    formulas = Formulas(given, row, compare_conditions(row), wanted, JAVASCRIPT)
    precedence = FACTOR + 1 if as_factor else 0
    texts = {slot: formulas.format(slot, precedence) for slot in wanted}
    return [f"const {line};" for line in formulas.assignments], texts


def list_identifiers(lines: Iterable[str]) -> set[str]:
    """Return the names in lines of JavaScript."""
    return {name for line in lines for name in NAME.findall(line)}
