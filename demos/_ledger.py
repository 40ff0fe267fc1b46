"""What one training step costs, by layer and operation, for each of the three executors.

Each group of nodes is measured alone: of Values and Arrays, its nodes are made anew from their
inputs, and send their gradients once more; of a tape, a layer is recorded by itself and each
operation's instructions replayed. What is beside that (zeroing gradients, ordering, calls) shows in
the whole step, which is measured by itself, as one graph or one tape; the bytes of a graph by
tracemalloc. A float that several nodes hold counts once: x * y has the number of y for a slope.
"""

import time
import tracemalloc
from collections import defaultdict
from collections.abc import Callable, Sequence
from statistics import median
from sys import getsizeof
from typing import Any, NamedTuple

from engine import Array, Tape, Value, topological
from engine.graph import InGraph, reverse_pass, send_values
from engine.methods import NAMES
from engine.tape.summary import costs

REPEATS = 5
Loss = Callable[[Any], Any]


class Cost(NamedTuple):
    """What some nodes take: bytes of memory, and seconds for forward and backward."""

    nodes: int
    bytes: int
    seconds: float


Ledger = dict[tuple[str, str], Cost]  # by layer and operation


def of_values(model: Any, X: list[list[float]], loss_of: Loss) -> Ledger:
    """Every sample through each layer, and then the loss of all."""
    known: dict[int, Any] = {}
    found: Ledger = {}
    rows: list[Any] = [list(map(Value.lift, x)) for x in X]
    for i, layer in enumerate(model.layers, 1):
        rows = [layer(row) for row in rows]
        found |= of_nodes(f"layer {i}", [z for row in rows for z in row], known)
    return found | of_nodes("loss", [loss_of(rows)], known)


def of_arrays(model: Any, X: Any, loss_of: Loss) -> Ledger:
    """The same, all samples at once."""
    known: dict[int, Any] = {}
    found: Ledger = {}
    rows = X
    for i, layer in enumerate(model.layers, 1):
        rows = layer(rows)
        found |= of_nodes(f"layer {i}", [rows], known)
    return found | of_nodes("loss", [loss_of(rows)], known)


def of_tape(model: Any, X: list[list[float]], loss_of: Loss) -> Ledger:
    """Each layer on a tape of its own, with the outputs of the layer before as leaves."""
    found: Ledger = {}
    rows: list[Any] = [list(map(Value.lift, x)) for x in X]
    for i, layer in enumerate(model.layers, 1):
        asked = [x for row in rows for x in row if not x.constant]
        outs = [layer(row) for row in rows]
        tape = Tape([z for out in outs for z in out], parameters=[*layer.parameters(), *asked])
        found |= of_machine(f"layer {i}", tape)
        rows = [[Value(z.data) for z in out] for out in outs]
    logits = [z for row in rows for z in row]
    return found | of_machine("loss", Tape(loss_of(rows), parameters=logits))


def of_graph(made: Callable[[], Any], step: Callable[[], Any]) -> Cost:
    """A whole step; `made` makes its network, too, so that its parameters are traced."""
    tracemalloc.start()
    root = made()
    root.backward()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    nodes = sum(map(counts, topological(root)))
    del root  # steps are timed one graph at a time
    return Cost(nodes, taken, seconds(lambda: step().backward()))


def of_whole_tape(tape: Tape) -> Cost:
    """The same of a tape, whose bytes are those of its arrays."""
    taken = seconds(lambda: (tape.forward(), tape.backward()))
    return Cost(tape.nodes - len(tape.leaves.constants), tape.machine.nbytes, taken)


def counts(node: Any) -> bool:
    """Pixels and other numbers that ask for no gradient are not the network's."""
    return node.op is not None or not node.constant


def of_nodes(layer: str, ends: Sequence[Any], known: dict[int, Any]) -> Ledger:
    """The nodes under some that are not known yet; they are known then, with their numbers.

    `known` has, by id, nodes, and for each number the first node that holds it.
    """
    groups: dict[str, list[Any]] = defaultdict(list)
    for end in ends:
        for node in topological(end):
            if id(node) in known:
                continue
            known[id(node)] = node
            for number in numbers(node):
                known.setdefault(id(number), node)
            if counts(node):
                groups["parameters" if node.op is None else node.op.name].append(node)
    return {(layer, name): measured(nodes, known) for name, nodes in groups.items()}


def measured(nodes: list[Any], known: dict[int, Any]) -> Cost:
    """Nodes of one operation: made anew, and sending their gradients."""
    made = [making(node) for node in nodes if node.op is not None]
    send = send_arrays if isinstance(nodes[0], Array) else send_values

    def again() -> None:
        for make, *given in made:
            make(*given)
        send(nodes)

    taken = sum(size(node, known) for node in nodes)
    return Cost(len(nodes), taken, seconds(again) if made else 0.0)


def making(node: Any) -> tuple[Any, ...]:
    """The call that makes a node, as operators and methods do it."""
    x, y = node._x, node._y
    if isinstance(node, Array):
        return Array.apply, node.op, *x
    if type(x) is tuple:
        return node.op, *node.op.group(x)
    method = getattr(type(x), NAMES[node.op])
    return (method, x) if y is None else (method, x, y)


def send_arrays(nodes: list[Any]) -> None:
    for _ in reverse_pass(nodes, InGraph):
        pass


def size(node: Any, known: dict[int, Any]) -> int:
    """Bytes of a node, its gradient, and the numbers that no node before it holds."""
    if isinstance(node, Array):
        return getsizeof(node) + 2 * node.data.nbytes
    own = {id(x): x for x in numbers(node) if known[id(x)] is node}
    tuples = [node._x, node._dx] if type(node._x) is tuple else []
    return sum(map(getsizeof, [node, node._grad, *own.values(), *tuples]))


def numbers(node: Any) -> list[float]:
    """A Value's data and local derivatives, as the objects that they are."""
    if isinstance(node, Array):
        return []
    slopes = node._dx if type(node._x) is tuple else (node._dx, node._dy)
    return [node._data, *(x for x in slopes if x is not None)]


def of_machine(layer: str, tape: Tape) -> Ledger:
    """The operations of a tape; its numbers and their order count as the parameters'."""
    tape.forward()
    tape.backward()
    found = costs(tape.machine)
    rest = tape.machine.nbytes - sum(each.bytes for each in found)
    ledger = {
        (layer, each.operation): Cost(each.nodes, each.bytes, 1e-6 * (each.ahead + each.back))
        for each in found
    }
    return ledger | {(layer, "parameters"): Cost(tape.flat.size, rest, 0.0)}


def seconds(f: Callable[[], Any]) -> float:
    """The median of some calls."""
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        f()
        times.append(time.perf_counter() - began)
    return median(times)
