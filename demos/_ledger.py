"""The cost of one training step by layer and operation: Values, a tape of Values, and arrays.

Each group of nodes is measured by itself. Its nodes are computed again from their inputs, under
`tracemalloc` for the bytes, and under the clock together with their backward pass: for Values, that
of their total with respect to their inputs. A tape records each layer separately and replays the
instructions of one operation. The groups leave out the calls of the model, so the whole step is
measured as well.
"""

import operator
import tracemalloc
from collections import defaultdict
from collections.abc import Callable, Sequence
from statistics import median
from sys import getsizeof
from typing import Any, NamedTuple

from demos.shared.timing import time_calls
from engine import Array, ManyOp, Tape, Value, topological, total
from engine.graph import InGraph, reverse_pass
from engine.node import Node

REPEATS = 5
OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}


class Cost(NamedTuple):
    """Nodes, bytes of memory, and seconds for forward and backward."""

    nodes: int
    bytes: int
    seconds: float


Ledger = dict[tuple[str, str], Cost]  # the cost of each layer and operation


def measure_values(
    model: Any, X: list[list[float]], loss: Callable[[list[list[Value]]], Value]
) -> Ledger:
    """Return the costs of a network of Values; `loss` is a function of the predictions."""
    visited: set[Node] = set()
    ledger: Ledger = {}
    rows: list[Any] = [list(map(Value.lift, x)) for x in X]
    for i, layer in enumerate(model.layers, 1):
        rows = [layer(row) for row in rows]
        ledger |= measure_nodes(f"layer {i}", [z for row in rows for z in row], visited)
    return ledger | measure_nodes("loss", [loss(rows)], visited)


def measure_arrays(model: Any, X: Any, loss: Callable[[Array], Array]) -> Ledger:
    """Return the costs of a network of Arrays, for all samples at once."""
    visited: set[Node] = set()
    ledger: Ledger = {}
    predictions = X
    for i, layer in enumerate(model.layers, 1):
        predictions = layer(predictions)
        ledger |= measure_nodes(f"layer {i}", [predictions], visited)
    return ledger | measure_nodes("loss", [loss(predictions)], visited)


def measure_tape(
    model: Any, X: list[list[float]], loss: Callable[[list[list[Value]]], Value]
) -> Ledger:
    """Return the costs of tapes of Values, one per layer, whose leaves are the layer's inputs."""
    ledger: Ledger = {}
    rows: list[Any] = [list(map(Value.lift, x)) for x in X]
    for i, layer in enumerate(model.layers, 1):
        inputs = [x for row in rows for x in row if not x.constant]
        outputs = [layer(row) for row in rows]
        root = [z for row in outputs for z in row]
        tape = Tape(root, parameters=[*layer.parameters(), *inputs])
        ledger |= measure_operations(f"layer {i}", tape)
        rows = [[Value(z.data) for z in row] for row in outputs]
    logits = [z for row in rows for z in row]
    return ledger | measure_operations("loss", Tape(loss(rows), parameters=logits))


def measure_graph(build: Callable[[], Any], forward: Callable[[], Any]) -> Cost:
    """Return the cost of a whole step as a graph.

    `build` creates the network as well and returns the loss, so that `tracemalloc` sees its
    parameters; `forward` computes the loss of an existing network and is timed.
    """
    tracemalloc.start()
    root = build()
    root.backward()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    nodes = count_nodes(root)
    del root  # the timed steps hold one graph at a time
    return Cost(nodes, size, median_time(lambda: forward().backward()))


def measure_whole_tape(root: Value, parameters: list[Value]) -> Cost:
    """Return the cost of a whole step as a tape; its bytes are those of its arrays."""
    tape = Tape(root, parameters=parameters)

    def replay() -> None:
        tape.forward()
        tape.backward()

    return Cost(count_nodes(root), tape.nbytes, median_time(replay))


def count_nodes(root: Node) -> int:
    """Return the number of nodes under `root` that belong to the network."""
    return sum(map(belongs_to_network, topological(root)))


def belongs_to_network(node: Node) -> bool:
    """Return False for pixels and other constants."""
    return node.op is not None or not node.constant


def measure_nodes(layer: str, roots: Sequence[Any], visited: set[Node]) -> Ledger:
    """Return the costs of the nodes under `roots` that are not in `visited`, and add them to it."""
    groups: dict[str, list[Any]] = defaultdict(list)
    for root in roots:
        for node in topological(root):
            if node not in visited:
                visited.add(node)
                if belongs_to_network(node):
                    groups["parameters" if node.op is None else node.op.name].append(node)
    return {(layer, name): measure_group(nodes) for name, nodes in groups.items()}


def measure_group(nodes: list[Any]) -> Cost:
    """Return the cost of nodes of one operation, or of leaves."""
    if nodes[0].op is None:
        return Cost(len(nodes), sum(map(leaf_bytes, nodes)), 0.0)
    leaves: dict[Node, Any] = {}
    calls = [recorded_call(node, leaves) for node in nodes]

    def forward_and_backward() -> None:
        results = [call(*inputs) for call, *inputs in calls]
        if isinstance(results[0], Value):
            (total(results) if len(results) > 1 else results[0]).backward()
        else:
            for _ in reverse_pass(nodes, InGraph):
                pass

    time = median_time(forward_and_backward)  # first, as a first call may allocate caches
    return Cost(len(nodes), traced_bytes(calls) + sum(map(gradient_bytes, nodes)), time)


def recorded_call(node: Any, leaves: dict[Node, Any]) -> tuple[Any, ...]:
    """Return the function that computed a node, and its arguments.

    Values among the arguments are replaced by leaves, which are added to `leaves`.
    """
    op, inputs = node.op, node.inputs
    if isinstance(node, Value):
        for x in inputs:
            if x not in leaves:
                leaves[x] = x if x.constant else Value(x.data)
        inputs = tuple(leaves[x] for x in inputs)
    if isinstance(node, Value) and not isinstance(op, ManyOp):
        return OPERATORS.get(op.name) or getattr(type(inputs[0]), op.name), *inputs
    return op, *op.unflatten(inputs)


def traced_bytes(calls: list[tuple[Any, ...]]) -> int:
    """Return the bytes of the nodes that calls return.

    A float that several nodes share counts once: the local derivatives of x * y are the data of y
    and x.
    """
    nodes: list[Any] = [None] * len(calls)
    tracemalloc.start()
    for i, (call, *inputs) in enumerate(calls):
        nodes[i] = call(*inputs)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size


def gradient_bytes(node: Any) -> int:
    return node.data.nbytes if isinstance(node, Array) else getsizeof(node.grad)


def leaf_bytes(node: Any) -> int:
    data = node.data.nbytes if isinstance(node, Array) else getsizeof(node.data)
    return getsizeof(node) + data + gradient_bytes(node)


def measure_operations(layer: str, tape: Tape) -> Ledger:
    """Return the costs of a tape's operations; "parameters" includes what operations share."""
    tape.forward()
    tape.backward()
    rows = tape.costs()
    rest = tape.nbytes - sum(row.bytes for row in rows)
    ledger = {
        (layer, row.operation): Cost(
            row.nodes, row.bytes, 1e-6 * (row.forward_us + row.backward_us)
        )
        for row in rows
    }
    return ledger | {(layer, "parameters"): Cost(tape.flat.size, rest, 0.0)}


def median_time(call: Callable[[], Any]) -> float:
    return median(time_calls(call, repeats=REPEATS))
