"""The passes behind the derivatives: backward in data or in nodes, and forward in tangents."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from engine.derivatives.arguments import copy_data, to_data, zeros_like
from engine.functions import is_array, total
from engine.graph import Gradients, Sent, reverse_pass, send, topological
from engine.node import Node
from engine.rules import flatten
from engine.support.frames import describe_failure
from engine.value import Value
from engine.watch.anomaly import check_contribution, check_gradient, check_tangent, detecting
from engine.watch.state import describe_leaf, find_overwritten_leaf, find_reassigned_leaf

if TYPE_CHECKING:
    from engine.derivatives.arguments import Data

# ---------------------------------------------------------------------------------------- backward


def differentiate(y: Node, v: Any, xs: Sequence[Node]) -> list["Data"]:
    """Return v · dy/dx for each x, as data. No gradient of the graph changes."""
    gradients = gradients_between(y, v, xs)
    return [copy_data(gradients.get(x, zeros_like(x))) for x in xs]


def gradients_between(y: Node, v: Any, xs: Iterable[Node]) -> Gradients:
    """Return the gradients, as data, of y and of all nodes between the xs and y.

    Raises ValueError if a leaf was modified in place.
    """
    order = topological(y)
    if (leaf := find_overwritten_leaf(order)) is not None:
        raise ValueError(
            f"{describe_leaf(leaf)} was modified in place after y was computed; recompute y"
        )
    return propagate(y, v, order, xs, send, check=detecting())


def differentiate_as_graph(y: Node, v: Any, xs: Sequence[Node]) -> list[Node]:
    """Return v · dy/dx for each x, as nodes of a graph."""
    order = check_current(topological(y))
    gradients = propagate(y, type(y).lift(v), order, xs, send_nodes, check=detecting())
    return [type(x).lift(gradients.get(x, zeros_like(x))) for x in xs]


def propagate(
    y: Node,
    v: Any,
    order: Sequence[Node],
    xs: Iterable[Node],
    send: Callable[[Any, Any], Iterable[Sent]],
    *,
    check: bool = False,
) -> Gradients:
    """Run a reverse pass from y, seeded with v, over the nodes between y and the xs.

    `send` returns the contributions of a node, as in `engine.graph.reverse_pass`. Raises Anomaly at
    a gradient that is not finite if `check`.
    """
    between = set(xs)
    for node in order:
        if any(x in between for x in node.inputs):
            between.add(node)
    nodes = [node for node in reversed(order) if node.op is not None and node in between]
    gradients = Gradients({y: v})
    send_between = lambda node, g: [part for part in send(node, g) if part.to in between]
    with ignore_overflow():
        for step in reverse_pass(nodes, gradients, send_between):
            if check:
                for to, _, contribution in step.sent:
                    check_contribution(step.node, to, to_data(contribution))
                    check_gradient(to, to_data(gradients[to]))
    return gradients


def ignore_overflow() -> AbstractContextManager[Any]:
    """Return a context in which NumPy, if it is loaded, does not warn about inf and nan."""
    numpy = sys.modules.get("numpy")
    return numpy.errstate(all="ignore") if numpy else nullcontext()


def send_nodes(node: Any, g: Any) -> list[Sent]:
    """Return the contributions of a node to its inputs as nodes, for a gradient g that is a node.

    Raises a TypeError that names the row if its derivatives do not run on nodes.
    """
    op, inputs = node.op, node.inputs
    if hasattr(op, "transpose"):  # a row between Values and Arrays
        return op.transpose(node, g)
    try:
        if op._output_index is not None:
            return [Sent(inputs[0], None, inputs[0]._only(op._output_index, g))]
        if op._has_several_outputs:
            gs = [0.0 if part is None else part for part in g]
            contributions = op._pull_back(gs, node._result_nodes(), inputs)
        elif hasattr(op, "pull"):
            contributions = [
                op.row.pull(i, g, node, inputs, op.settings) for i in range(len(inputs))
            ]
        else:
            contributions = [
                g if slope is None or (type(slope) is float and slope == 1.0) else g * slope
                for slope in slopes_of_nodes(node)
            ]
    except TypeError as problem:
        raise TypeError(
            f"row {op.name!r} does not run on nodes, which create_graph requires: "
            + describe_failure(problem, "write it with the functions of engine.arithmetic")
        ) from problem
    except Exception as problem:
        problem.add_note(f"in the partial derivatives of row {op.name!r}")
        raise
    if is_array(node):
        from engine.arrays.formulas import unbroadcast

        contributions = [
            part if x.constant else unbroadcast(part, x.shape)
            for part, x in zip(contributions, inputs, strict=True)
        ]
    pairs = zip(inputs, contributions, strict=True)
    return [Sent(x, None, part) for x, part in pairs if not x.constant]


def slopes_of_nodes(node: Any) -> Iterable[Any]:
    """Return the local derivatives of a node as nodes and numbers, one for each input."""
    if is_array(node):
        from engine.arrays.slopes import slopes_of_array

        return slopes_of_array(node)
    return flatten(node.op.locals(node, *node.op.unflatten(node.inputs)))


def check_current(order: list[Node]) -> list[Node]:
    """Return the graph. Raises ValueError if a leaf's data has changed since it was computed."""
    leaf = find_reassigned_leaf(order)
    if leaf is not None:
        raise ValueError(
            f"{describe_leaf(leaf)} was assigned new data after y was computed; recompute y"
        )
    return order


# ----------------------------------------------------------------------------------------- forward


def push_forward(node: Any, tangents: Mapping[Node, Any]) -> Any:
    """Return the tangent of a node: its local derivatives times the tangents of its inputs.

    A row that mixes elements has a pullback, v -> v · J, instead of local derivatives. It is linear
    in v, so J · t is the derivative of v · J · t with respect to v (Townsend 2017, "A new trick for
    calculating Jacobian vector products").
    """
    op = node.op
    if hasattr(op, "transpose"):
        return op.forward(*[tangents.get(x, zeros_like(x)) for x in node.inputs])
    if op._output_index is not None:
        return tangents[node.inputs[0]][op._output_index]
    if op._has_several_outputs:
        vs = [Value(0.0) for _ in node._data]
        parts = op._pull_back(vs, node._data, node._dx)
        pairs = zip(node.inputs, parts, strict=True)
        y = total([part * tangents[x] for x, part in pairs if x in tangents])
        gradients = propagate(y, 1.0, topological(y), vs, send)
        return tuple(gradients.get(v, 0.0) for v in vs)
    if hasattr(op, "pull"):
        from engine.arrays.array import Array

        v, y = Array(zeros_like(node)), 0.0
        for x, _, part in send_nodes(node, v):
            if x in tangents:
                y = (part * tangents[x]).sum() + y
        gradients = propagate(y, y._one(), topological(y), [v], send)
        return gradients.get(v, zeros_like(v))
    parts = [
        slope * tangents[x]
        for x, slope in zip(node.inputs, node.locals, strict=True)
        if x in tangents and slope is not None
    ]
    tangent = sum(parts) if parts else zeros_like(node)
    if isinstance(node, Value):
        return tangent
    import numpy as np

    return np.broadcast_to(tangent, node.shape)


def forward_pass(y: Node, tangents: dict[Node, Any]) -> Any:
    """Propagate tangents to all nodes under y, and return the tangent of y.

    `tangents` maps nodes to their tangents. The tangent of a node that depends on others adds to
    its own. Raises Anomaly under `detect_anomaly` at a tangent that is not finite.
    """
    check = detecting()
    with ignore_overflow():
        for node in check_current(topological(y)):
            if node.op is not None and any(x in tangents for x in node.inputs):
                tangent = push_forward(node, tangents)
                tangents[node] = tangent + tangents[node] if node in tangents else tangent
                if check:
                    check_tangent(node, tangents[node])
    return tangents.get(y)
