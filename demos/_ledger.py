"""What one training step costs, by layer and operation, for each of the three executors.

Each group of nodes is measured alone: of Values and Arrays, its nodes are made anew from their
inputs, and send their gradients once more; of a tape, a layer is recorded by itself and each
operation's instructions replayed. What is beside that (zeroing gradients, ordering, calls) shows in
the whole step, which is measured by itself.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from statistics import median
from sys import getsizeof
from typing import Any, NamedTuple

from engine import Array, Tape, Value, topological
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
    known: set[Any] = set()
    found: Ledger = {}
    rows: list[Any] = [list(map(Value.lift, x)) for x in X]
    for i, layer in enumerate(model.layers, 1):
        rows = [layer(row) for row in rows]
        found |= of_nodes(f"layer {i}", [z for row in rows for z in row], known)
    return found | of_nodes("loss", [loss_of(rows)], known)


def of_arrays(model: Any, X: Any, loss_of: Loss) -> Ledger:
    """The same, all samples at once."""
    known: set[Any] = set()
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


def of_nodes(layer: str, ends: Sequence[Any], known: set[Any]) -> Ledger:
    """The nodes under some that are not known yet; they are known then."""
    groups: dict[str, list[Any]] = defaultdict(list)
    for end in ends:
        for node in topological(end):
            if node not in known and not (node.op is None and node.constant):
                groups["parameters" if node.op is None else node.op.name].append(node)
            known.add(node)
    return {(layer, name): measured(nodes) for name, nodes in groups.items()}


def measured(nodes: list[Any]) -> Cost:
    """Nodes of one operation: made anew, and sending their gradients."""
    made = [making(node) for node in nodes if node.op is not None]
    send = send_arrays if isinstance(nodes[0], Array) else send_values

    def again() -> None:
        for make, *given in made:
            make(*given)
        send(nodes)

    return Cost(len(nodes), sum(map(size, nodes)), seconds(again) if made else 0.0)


def making(node: Any) -> tuple[Any, ...]:
    """The call that makes a node, as operators and methods do it."""
    x, y = node._x, node._y
    if isinstance(node, Array):
        return Array.apply, node.op, *x
    if type(x) is tuple:
        return node.op, *node.op.group(x)
    return (x._unary, node.op) if y is None else (x._binary, node.op, y)


def send_arrays(nodes: list[Any]) -> None:
    for node in nodes:
        for to, _, contribution in node.sends():
            to.receive(contribution)


def send_values(nodes: list[Any]) -> None:
    """What `Value.backward` does at each node."""
    for node in nodes:
        x, dx, upstream = node._x, node._dx, node._grad
        if type(x) is tuple:
            for each, local in zip(x, dx, strict=True):
                each._grad += upstream * local
            continue
        if dx is not None:
            x._grad += upstream * dx
        if node._dy is not None:
            node._y._grad += upstream * node._dy


def size(node: Any) -> int:
    """Bytes of a node, its numbers and their gradients; inputs are other nodes'."""
    if isinstance(node, Array):
        return getsizeof(node) + 2 * node.data.nbytes
    held: Iterable[Any] = [node._data, node._grad, node._dx, node._dy]
    if type(node._x) is tuple:
        held = [node._data, node._grad, node._x, node._dx, *node._dx]
    return getsizeof(node) + sum(getsizeof(x) for x in held if x is not None)


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
