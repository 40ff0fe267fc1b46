"""Flatten the graph that a tape records: a node becomes its place in the topological order."""

import inspect
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from engine.graph import topological
from engine.instructions import Recorded, record
from engine.node import Node
from engine.rules import Op
from engine.value import Value, as_nodes
from engine.watch.branches import record_branches, recorded_branches
from engine.watch.decisions import Branch, Conversion
from engine.watch.gradient_warnings import warn


class GraphNodes(NamedTuple):
    """The nodes of a graph in topological order, and their roles in a tape.

    The last `extra` nodes are not under the outputs: they were compared, or passed as parameters or
    inputs. `single` is True for one output that was not passed in a list.
    """

    order: list[Value]
    outputs: list[Value]
    single: bool
    parameters: list[Value]
    inputs: list[Value]
    constants: list[Value]
    branches: list[Branch | Conversion]
    extra: int


class NodeGroup(NamedTuple):
    """The nodes with the same row and the same number of inputs.

    Attributes:
        row: The row, by its place in `FlatGraph.rows`.
        template: The instructions of the row for this number of inputs.
        nodes: The places of the nodes, shape (nodes,).
        inputs: The places of their inputs, shape (nodes, inputs).
    """

    row: int
    template: Recorded
    nodes: np.ndarray
    inputs: np.ndarray


class Guard(NamedTuple):
    """A decision to check: a comparison of two nodes, or the number of one, which is copied.

    Attributes:
        operator: The instruction: a comparison, or "=" for a conversion.
        x, y: The places of the nodes; for a conversion the same twice.
        code: The decision as Python code, with {} for the names of the nodes.
    """

    operator: str
    x: int
    y: int
    code: str


class FlatGraph(NamedTuple):
    """A graph in flat arrays; a tape keeps nothing else of it.

    Attributes:
        size: The number of nodes.
        extra: The number of nodes at the end that are not under the outputs.
        groups: The nodes that are neither leaves nor one of several results, by row.
        results: A row (place, place of the operation, index) for each node that is one of several
            results.
        rows: The rows in the graph.
        parameters, inputs, constants, outputs: The places of these nodes.
        fixed: True for the constants that cannot be assigned to.
        sends: True for the nodes that pass on a gradient to their inputs.
        guards: The decisions to check.
        labels: The labels of nodes, by place.
    """

    size: int
    extra: int
    groups: list[NodeGroup]
    results: np.ndarray
    rows: list[Op]
    parameters: np.ndarray
    inputs: np.ndarray
    constants: np.ndarray
    fixed: np.ndarray
    sends: np.ndarray
    outputs: np.ndarray
    guards: list[Guard]
    labels: dict[int, str]

    @property
    def reached(self) -> int:
        """The number of nodes under the outputs, which come first."""
        return self.size - self.extra


def collect_nodes(
    root: Value | Sequence[Value] | Callable[..., Value | Sequence[Value]],
    inputs: Sequence[Value] | None,
    parameters: Sequence[Node] | None,
) -> GraphNodes:
    """Return the nodes under one or several Values, or under the result of a function.

    A function is called with the inputs, if there are any, while its branches are recorded.
    """
    input_nodes = check_leaves("inputs", () if inputs is None else inputs)
    branches = recorded_branches()
    if callable(root) and not isinstance(root, type):
        check_signature(root, inputs is not None)
        with record_branches() as branches:
            root = root() if inputs is None else root(input_nodes)
    single = not isinstance(root, list | tuple)
    outputs: list[Any] = [root] if single else list(root)  # type: ignore[arg-type]
    for output in outputs:
        if not isinstance(output, Value):
            raise TypeError(
                "Tape expects a Value, a list of Values, or a function that returns them, "
                f"got {output!r}"
            )
    if not outputs:
        raise ValueError("Tape expects at least one Value to compute, got []")
    if parameters is not None:
        parameters = check_leaves("parameters", parameters)
        for x in set(input_nodes).intersection(parameters):
            raise ValueError(f"{x!r} is both a parameter and an input; pass it as one of them")
    graph = arrange_nodes(outputs, single, parameters, input_nodes, branches)
    decided = [x for branch in branches for x in decided_nodes(branch)]
    check_inputs_are_used(input_nodes, {*order_nodes([*outputs, *decided])})
    return graph


def arrange_nodes(
    outputs: list[Value],
    single: bool,
    parameters: list[Value] | None,
    inputs: list[Value],
    branches: list[Branch | Conversion],
) -> GraphNodes:
    """Return the nodes under outputs, parameters, inputs and decisions.

    If `parameters` is None, they are all leaves under the outputs that require a gradient.
    """
    order = order_nodes(outputs)
    known, under = set(inputs), set(order)
    trained = parameters
    if trained is None:
        trained = [x for x in order if x.op is None and not x.constant and x not in known]
    decided = [x for branch in branches for x in decided_nodes(branch)]
    extra_roots = [x for x in (*trained, *inputs, *decided) if x not in under]
    extra = [x for x in order_nodes(extra_roots) if x not in under]
    known.update(trained)
    order += extra
    constants = [x for x in order if x.op is None and x not in known]
    return GraphNodes(order, outputs, single, trained, inputs, constants, branches, len(extra))


def decided_nodes(decision: Branch | Conversion) -> tuple[Value, Value]:
    """Return the two nodes that were compared, or twice the one that was converted."""
    return decision.x, decision.y if isinstance(decision, Branch) else decision.x


def check_signature(f: Callable[..., Any], with_inputs: bool) -> None:
    """Raise TypeError for a function that does not accept the arguments that a tape passes."""
    try:
        signature = inspect.signature(f)
    except ValueError:  # of a built-in function
        return
    try:
        signature.bind(*[()] * with_inputs)
    except TypeError as problem:
        name = getattr(f, "__name__", type(f).__name__)
        passed = "one argument, the list of inputs" if with_inputs else "no arguments"
        remedy = "pass inputs=[...], and the function is called with that list"
        if with_inputs:
            remedy = "take one list, as in lambda xs: f(*xs)"
        raise TypeError(
            f"Tape calls the function with {passed}, got {name}{signature}: {problem}; {remedy}"
        ) from None


def check_inputs_are_used(inputs: Sequence[Value], used: set[Any]) -> None:
    """Warn about the first input that is not in the graph."""
    for i, x in enumerate(inputs):
        if x not in used:
            warn(
                f"the outputs do not depend on the input {x!r} at {i}, so the tape ignores its "
                "samples; build the graph from the same Values that are passed as inputs, or leave "
                "it out"
            )
            return


class Roots:
    """A node that computes nothing and has several nodes as its inputs."""

    op = None

    def __init__(self, nodes: Sequence[Value]):
        self._x, self._y, self.inputs = tuple(nodes), None, tuple(nodes)


def order_nodes(roots: Sequence[Value]) -> list[Any]:
    """Return all nodes under several roots in topological order."""
    return topological(Roots(roots))[:-1] if len(roots) != 1 else topological(roots[0])


def check_leaves(name: str, xs: Sequence[Node]) -> list[Value]:
    """Return leaves as a list.

    Raises TypeError for anything but a sequence of Values, and ValueError for nodes that are
    computed, constant, or in the sequence twice.
    """
    leaves = list(as_nodes(xs))
    for i, x in enumerate(leaves):
        if x.op is not None or x.constant:
            raise ValueError(f"{name} must be leaves that require a gradient, got {x!r} at {i}")
    if len(set(leaves)) < len(leaves):
        twice = next(x for i, x in enumerate(leaves) if x in leaves[:i])
        raise ValueError(f"{name} must be distinct, got {twice!r} twice")
    return leaves


def flatten_graph(graph: GraphNodes, labels: bool = True) -> FlatGraph:
    """Return a graph as flat arrays, with the labels of nodes unless they are not needed."""
    order = graph.order
    place = dict(zip(order, range(len(order)), strict=True))
    groups, rows, results = group_by_row(order, place)
    parameters, inputs, constants, outputs = (
        np.array([place[x] for x in nodes], np.int32)
        for nodes in (graph.parameters, graph.inputs, graph.constants, graph.outputs)
    )
    return FlatGraph(
        size=len(order),
        extra=graph.extra,
        groups=groups,
        results=results,
        rows=rows,
        parameters=parameters,
        inputs=inputs,
        constants=constants,
        fixed=np.array([x.constant for x in graph.constants], bool),
        sends=find_senders(graph, place),
        outputs=outputs,
        guards=[flatten_decision(branch, place) for branch in graph.branches],
        labels={i: x.label for i, x in enumerate(order) if x.label is not None} if labels else {},
    )


def find_senders(graph: GraphNodes, place: dict[Value, int]) -> np.ndarray:
    """Return an array that is True at the places of nodes that pass on a gradient.

    The nodes under a computed constant, such as `x.detach()` in a recording, receive none through
    it.
    """
    order, reached = graph.order, len(graph.order) - graph.extra
    sends = np.arange(len(order)) < reached
    if any(x.constant and x._x is not None for x in order[:reached]):
        receives = set(graph.outputs)
        for node in reversed(order[:reached]):
            if node in receives and not node.constant:
                receives.update(node.inputs)
            else:
                sends[place[node]] = False
    return sends


def flatten_decision(decision: Branch | Conversion, place: dict[Value, int]) -> Guard:
    """Return a decision with the places of its nodes."""
    x, y = (place[node] for node in decided_nodes(decision))
    if isinstance(decision, Branch):
        code = f"assert {'' if decision.outcome else 'not '}{{}} {decision.operator} {{}}"
        return Guard(decision.operator, x, y, code)
    return Guard("=", x, y, f"# {decision.template} was {decision.outcome!r}")


def group_by_row(
    order: Sequence[Any], place: dict[Value, int]
) -> tuple[list[NodeGroup], list[Op], np.ndarray]:
    """Return the computed nodes by row and number of inputs, the rows, and `FlatGraph.results`."""
    lists: Any = defaultdict(lambda: ([], []))
    results = []
    for i, node in enumerate(order):
        op = node.op
        if op is None:
            continue
        if op._output_index is not None:
            results.append((i, place[node._x], op._output_index))
            continue
        inputs = node.inputs
        nodes, all_inputs = lists[op, len(inputs)]
        nodes.append(i)
        all_inputs += inputs
    rows = list(dict.fromkeys(op for op, _ in lists))
    groups = []
    for (op, n), (nodes, all_inputs) in lists.items():
        places = np.fromiter(map(place.__getitem__, all_inputs), np.int32, len(all_inputs))
        nodes, inputs = np.array(nodes, np.int32), places.reshape(len(nodes), n)
        groups.append(NodeGroup(rows.index(op), record(op, n), nodes, inputs))
    return groups, rows, np.array(results, np.int32).reshape(-1, 3)
