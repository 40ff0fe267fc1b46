"""Derivatives as functions: of any order, backwards and forwards, of Values and of Arrays.

`backward()` adds numbers to `.grad`; these leave every `.grad` as it is, and give what was asked
for. With `create_graph` a derivative is a graph itself: drawn, stepped through, and differentiated
like any other (chapter 02, 9).
"""

from typing import Any

import numpy as np

from engine.array import Array
from engine.array_ops import ArrayOp
from engine.graph import topological
from engine.guard import graphs_kept
from engine.node import Node
from engine.on_nodes import contributions
from engine.value import Value


def grad(y: Any, xs: Any, *, create_graph: bool = False) -> Any:
    """d y / d x, for a node or for each of several; numbers, or nodes with `create_graph`.

    `y` is a Value, or an Array of one element; `xs` are nodes of its graph, leaves or not. What y
    does not depend on has the derivative 0. ValueError for a y of several elements; TypeError for
    what are no nodes.

    The rules are run on nodes, with the numbers that these have: after a leaf was assigned another,
    compute y anew first. What a row chooses (`where`, relu) it chooses by the numbers of now, so
    that a tape of a derivative is right as long as no choice changes.

    >>> x = Value(3.0)
    >>> grad(x**4, x)
    108.0
    >>> slope = grad(x**4, x, create_graph=True)
    >>> grad(slope, x)
    108.0
    """
    return vjp(y, xs, one(y), create_graph=create_graph)


@graphs_kept()
def vjp(y: Any, xs: Any, v: Any, *, create_graph: bool = False) -> Any:
    """v · d y / d x, the vector-Jacobian product: one backward pass, for v of y's shape.

    >>> x = Array([1.0, 2.0, 3.0])
    >>> vjp(x * x, x, [1.0, 0.0, 10.0])
    array([ 2.,  0., 60.])
    """
    wanted = listed(xs)
    found = pulled(checked(y), beside(y, v), wanted)
    found = found if create_graph else [number(each) for each in found]
    return found if isinstance(xs, list | tuple) else found[0]


@graphs_kept()
def jvp(y: Any, xs: Any, vs: Any) -> Any:
    """d y / d x · v, the Jacobian-vector product: one pass forwards, for v of x's shape.

    The rules are run on tangents: how fast each node moves when the xs move by vs. It finds one
    direction for every y, where a backward pass finds every direction for one y.

    >>> x, y = Value(3.0), Value(2.0)
    >>> jvp(x * x * y, [x, y], [1.0, 0.0])
    12.0
    """
    wanted = listed(xs)
    given = list(vs) if isinstance(xs, list | tuple) else [vs]
    if len(given) != len(wanted):
        raise ValueError(f"jvp takes a direction for each x, got {len(given)} for {len(wanted)}")
    moves: dict[Any, Any] = {}
    for x, v in zip(wanted, given, strict=True):
        moves[x] = moves[x] + beside(x, v) if x in moves else beside(x, v)
    with np.errstate(all="ignore"):
        for node in topological(checked(y)):
            if node.op is not None and any(x in moves for x in node.inputs):
                own = moves.get(node)
                moves[node] = pushed(node, moves) if own is None else pushed(node, moves) + own
    return number(moves[y] if y in moves else zero(y))


def jacobian(ys: Any, xs: Any) -> Any:
    """All derivatives: d y[i] / d x[j] by a backward pass for each element of y.

    For one y and one x of shape `(*y.shape, *x.shape)`; for lists of Values a matrix of shape
    (len(ys), len(xs)); for lists with Arrays in them a list of lists.

    >>> x, y = Value(3.0), Value(2.0)
    >>> jacobian([x * y, x + y], [x, y])
    array([[2., 3.],
           [1., 1.]])
    """
    wanted, outputs = listed(xs), listed(ys)
    found: Any = [blocks_of(y, wanted) for y in outputs]
    if all(isinstance(x, Value) for x in (*outputs, *wanted)):
        found = np.array(found)
    if not isinstance(xs, list | tuple):
        found = [row[0] for row in found] if isinstance(found, list) else found[:, 0]
    found = found if isinstance(ys, list | tuple) else found[0]
    return float(found) if isinstance(found, np.floating) else found


@graphs_kept()
def hessian(y: Any, xs: Any) -> Any:
    """All second derivatives of one number, in the form of `jacobian(grad(y, xs), xs)`.

    >>> x, y = Value(3.0), Value(2.0)
    >>> hessian(x * x * y, [x, y])
    array([[4., 6.],
           [6., 0.]])
    """
    return jacobian(grad(y, xs, create_graph=True), xs)


@graphs_kept()
def hvp(y: Any, xs: Any, vs: Any) -> Any:
    """The Hessian times a direction, in the time of a few passes: the matrix is never made.

    >>> x, y = Value(3.0), Value(2.0)
    >>> hvp(x * x * y, [x, y], [1.0, 10.0])
    [64.0, 6.0]
    """
    slopes = listed(grad(y, xs, create_graph=True))
    given = list(vs) if isinstance(xs, list | tuple) else [vs]
    if len(given) != len(slopes):
        raise ValueError(f"hvp takes a direction for each x, got {len(given)} for {len(slopes)}")
    along: Any = 0.0
    for slope, v in zip(slopes, given, strict=True):
        part = slope * beside(slope, v)
        along = part.sum() + along if isinstance(part, Array) else part + along
    return grad(along, xs)


# ------------------------------------------------------------------------------------------ passes


def pulled(y: Any, v: Any, wanted: list[Any]) -> list[Any]:
    """The backward pass in nodes: what arrives at each wanted node, and nothing beside the way."""
    order = topological(y)
    concerned = set(wanted)
    for node in order:
        if any(each in concerned for each in node.inputs):
            concerned.add(node)
    arrived = {y: type(y).lift(v)}
    for node in reversed(order):
        if node.op is not None and node in arrived and node in concerned:
            for to, part in zip(node.inputs, contributions(node, arrived[node]), strict=True):
                if to in concerned:
                    arrived[to] = arrived[to] + part if to in arrived else type(to).lift(part)
    return [arrived.get(x, type(x).lift(zero(x))) for x in wanted]


def pushed(node: Any, moves: dict[Any, Any]) -> Any:
    """How fast a node moves: the slopes times how fast its inputs do.

    A row that mixes elements has no slopes to write down, but a pullback, v to v · J. That is
    linear in v, so that its own derivative along t is J · t.
    """
    if not isinstance(node.op, ArrayOp):
        parts = [
            slope * moves[x]
            for x, slope in zip(node.inputs, node.locals, strict=True)
            if x in moves and slope is not None
        ]
        found: Any = sum(parts) if parts else zero(node)
        return found if isinstance(node, Value) else np.broadcast_to(found, node.shape)
    v = Array(np.zeros_like(node.data))
    along: Any = 0.0
    for x, part in zip(node.inputs, contributions(node, v), strict=True):
        if x in moves:
            along = (part * moves[x]).sum() + along
    return grad(along, v)


def blocks_of(y: Any, wanted: list[Any]) -> list[Any]:
    """d y / d x for each x, of shape (*y.shape, *x.shape)."""
    if isinstance(y, Value):
        return vjp(y, wanted, 1.0)
    rows = [vjp(y, wanted, unit.reshape(y.shape)) for unit in np.eye(y.size, dtype=y.dtype)]
    columns = zip(*rows, strict=True)
    return [
        np.array(column, y.dtype).reshape((*y.shape, *np.shape(x.data)))
        for column, x in zip(columns, wanted, strict=True)
    ]


def checked(y: Any) -> Any:
    """A node that has a derivative; TypeError for anything else."""
    if not isinstance(y, Node):
        raise TypeError(f"derivatives are of nodes, got {y!r}; make it of Values or Arrays")
    return y


def listed(xs: Any) -> list[Any]:
    """The nodes, one or several; TypeError where something else is among them."""
    found = list(xs) if isinstance(xs, list | tuple) else [xs]
    return [checked(x) for x in found]


def one(y: Any) -> Any:
    """What a gradient starts with; ValueError for a node of several elements."""
    if isinstance(y, Array) and y.size != 1:
        raise ValueError(
            f"grad is of one number, got shape {y.shape}; take its .sum(), or vjp and jacobian"
        )
    return checked(y).ones()


def beside(x: Any, v: Any) -> Any:
    """A direction of the shape of a node; ValueError for another shape."""
    if isinstance(x, Value):
        return float(v)
    found = np.asarray(v, x.dtype)
    if found.shape != x.shape:
        raise ValueError(f"a direction has the shape {x.shape} of its node, got {found.shape}")
    return found


def zero(x: Any) -> Any:
    return 0.0 if isinstance(x, Value) else np.zeros_like(x.data)


def number(x: Any) -> Any:
    """The numbers of a node or an array, as the caller's own."""
    x = x.data if isinstance(x, Node) else x
    return np.array(x) if isinstance(x, np.ndarray) else x
