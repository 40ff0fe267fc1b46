"""Derivatives as functions: of any order, backwards and forwards, of Values and of Arrays.

`backward()` adds numbers to `.grad`; these leave every `.grad` as it is, and give what was asked
for. With `create_graph` a derivative is a graph itself: drawn, stepped through, and differentiated
like any other (chapter 02, 9).
"""

import sys
from contextlib import nullcontext
from typing import Any

from engine.functions import is_array, total
from engine.graph import Gradients, Sent, reverse_pass, topological
from engine.node import Node
from engine.rules import flat
from engine.support.arguments import flag, numpy_type
from engine.support.frames import describe_failure
from engine.support.lazy import numpy_for
from engine.value import Value
from engine.value import number as scalar
from engine.watch.anomaly import check_pushed, check_sent, check_sum
from engine.watch.gradient_warnings import named, overwritten, stale
from engine.watch.guard import graphs_kept, watching


def grad(y: Any, xs: Any, *, create_graph: bool = False) -> Any:
    """d y / d x, for a node or for each of several; numbers, or nodes with `create_graph`.

    `y` is a Value, or an Array of one element; `xs` are nodes of its graph, leaves or not. What y
    does not depend on has the derivative 0. ValueError for a y of several elements; TypeError for
    what are no nodes.

    Numbers are those of `backward()`: after a leaf was assigned another, they are of the numbers
    that y was computed from. With `create_graph` the rules are run on nodes, and that is a
    ValueError: compute y anew first. What a row chooses (`where`, relu) it chooses by the numbers
    of now, so that a tape of a derivative is right as long as no choice changes.

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

    >>> from engine import Array
    >>> x = Array([1.0, 2.0, 3.0])
    >>> vjp(x * x, x, [1.0, 0.0, 10.0])
    array([ 2.,  0., 60.])
    """
    wanted = listed(xs)
    v = beside(checked(y), v)
    found = (
        as_nodes(y, v, wanted) if flag("create_graph", create_graph) else as_numbers(y, v, wanted)
    )
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
    given = directions("jvp", xs, vs, len(wanted))
    moves: dict[Any, Any] = {}
    for x, v in zip(wanted, given, strict=True):
        moves[x] = moves[x] + beside(x, v) if x in moves else beside(x, v)
    with overflow_ignored():
        for node in current(topological(checked(y))):
            if node.op is not None and any(x in moves for x in node.inputs):
                own = moves.get(node)
                moves[node] = pushed(node, moves) if own is None else pushed(node, moves) + own
                if watching():
                    check_pushed(node, moves[node])
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
    np = numpy_for("a matrix of derivatives")
    wanted = listed(xs)
    outputs = [checked(y) for y in (ys if isinstance(ys, list | tuple) else [ys])]
    found: Any = [blocks_of(y, wanted) for y in outputs]
    if all(isinstance(x, Value) for x in (*outputs, *wanted)):
        found = np.array(found).reshape(len(outputs), len(wanted))
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
    wanted = listed(xs)
    slopes = grad(y, wanted, create_graph=True)
    along: dict[Any, Any] = {}  # by payload and dtype: nodes of different dtypes cannot be added
    for slope, v in zip(slopes, directions("hvp", xs, vs, len(slopes)), strict=True):
        part = slope * beside(slope, v)
        part = part.sum() if is_array(part) else part
        kind = getattr(part, "dtype", float)
        along[kind] = along[kind] + part if kind in along else part
    found = [number(zero(x)) for x in wanted]
    for part in along.values():
        found = [a + b for a, b in zip(found, grad(part, wanted), strict=True)]
    return found if isinstance(xs, list | tuple) else found[0]


# ------------------------------------------------------------------------------------------ passes


def as_numbers(y: Any, v: Any, wanted: list[Any]) -> list[Any]:
    """The backward pass: what arrives at each wanted node, and nothing beside the way."""
    order = topological(y)
    if (leaf := overwritten(order)) is not None:
        raise ValueError(f"{named(leaf)} was changed in place since y was computed; compute y anew")
    arrived = propagate(y, v, order, wanted, lambda node, g: node._send(g), watching())
    return [number(arrived.get(x, zero(x))) for x in wanted]


def as_nodes(y: Any, v: Any, wanted: list[Any]) -> list[Any]:
    """Run the backward pass on nodes."""
    arrived = propagate(y, type(y).lift(v), current(topological(y)), wanted, send_nodes, watching())
    return [type(x).lift(arrived.get(x, zero(x))) for x in wanted]


def propagate(
    y: Any, v: Any, order: list[Any], wanted: list[Any], send: Any, watched: bool
) -> Gradients:
    """Return the gradients of the nodes between y and the wanted ones; `send` as in the pass."""
    concerned = set(wanted)
    for node in order:
        if any(x in concerned for x in node.inputs):
            concerned.add(node)
    nodes = [node for node in reversed(order) if node.op is not None and node in concerned]
    gradients = Gradients({y: v})
    within = lambda node, g: [each for each in send(node, g) if each.to in concerned]
    with overflow_ignored():
        for step in reverse_pass(nodes, gradients, within):
            if watched:
                for to, _, contribution in step.sent:
                    check_sent(step.node, to, numbers_of(contribution))
                    check_sum(to, numbers_of(gradients[to]))
    return gradients


def overflow_ignored() -> Any:
    """Return a context in which NumPy, if it is loaded, does not warn of inf and nan."""
    numpy = sys.modules.get("numpy")
    return numpy.errstate(all="ignore") if numpy else nullcontext()


def send_nodes(node: Any, g: Any) -> list[Sent]:
    """Return the contributions of a node to its inputs for a gradient that is a node, as nodes.

    Raises TypeError that names the row if it takes its inputs for numbers.
    """
    op, inputs = node.op, node.inputs
    try:
        if op.index is not None:
            return [Sent(inputs[0], None, inputs[0]._only(op.index, g))]
        if op.several:
            gs = [0.0 if each is None else each for each in g]
            found = op.partials[0](gs, node.nodes(), list(inputs))
        elif hasattr(op, "pull"):
            found = [op.row.pull(i, g, node, inputs, op.settings) for i in range(len(inputs))]
        else:
            slopes = flat(op.locals(node, *op.group(inputs)))
            found = [g if type(slope) is float and slope == 1.0 else g * slope for slope in slopes]
    except TypeError as problem:
        raise TypeError(
            f"the row {op.name!r} cannot be run on nodes, as a derivative that is a graph needs: "
            f"{describe_failure(problem)}; write it with the functions of engine.arithmetic"
        ) from problem
    except Exception as problem:
        problem.add_note(f"in the slopes of {op.name!r}")
        raise
    if is_array(node):
        from engine.arrays.formulas import unbroadcast

        found = [unbroadcast(part, x.shape) for part, x in zip(found, inputs, strict=True)]
    return [Sent(x, None, part) for x, part in zip(inputs, found, strict=True)]


def current(order: list[Any]) -> list[Any]:
    """The same; ValueError where a leaf was assigned other numbers than these were computed of."""
    leaf = stale(order)
    if leaf is not None:
        raise ValueError(
            f"{named(leaf)} was assigned other numbers since y was computed; compute y anew"
        )
    return order


def pushed(node: Any, moves: dict[Any, Any]) -> Any:
    """How fast a node moves: the slopes times how fast its inputs do.

    A row that mixes elements has no slopes to write down, but a pullback, v to v · J. That is
    linear in v, so that its own derivative along t is J · t.
    """
    if node.op.index is not None:
        return moves[node.inputs[0]][node.op.index]
    if node.op.several:
        vs = [Value(0.0) for _ in node._data]
        parts = node.op.partials[0](vs, list(node._data), list(node._dx))
        pairs = zip(node.inputs, parts, strict=True)
        tangent = total([part * moves[x] for x, part in pairs if x in moves])
        order = topological(tangent)
        arrived = propagate(tangent, 1.0, order, vs, lambda n, g: n._send(g), False)
        return tuple(arrived.get(v, 0.0) for v in vs)
    if not hasattr(node.op, "pull"):
        parts = [
            slope * moves[x]
            for x, slope in zip(node.inputs, node.locals, strict=True)
            if x in moves and slope is not None
        ]
        found: Any = sum(parts) if parts else zero(node)
        if isinstance(node, Value):
            return found
        import numpy as np

        return np.broadcast_to(found, node.shape)
    from engine.arrays.array import Array

    v = Array(zero(node))
    along: Any = 0.0
    for x, _, part in send_nodes(node, v):
        if x in moves:
            along = (part * moves[x]).sum() + along
    arrived = propagate(
        along, along._one(), topological(along), [v], lambda n, g: n._send(g), False
    )
    return arrived.get(v, zero(v))


def blocks_of(y: Any, wanted: list[Any]) -> list[Any]:
    """d y / d x for each x, of shape (*y.shape, *x.shape)."""
    if isinstance(y, Value):
        return vjp(y, wanted, 1.0)
    import numpy as np

    rows = [vjp(y, wanted, unit.reshape(y.shape)) for unit in np.eye(y.size, dtype=y.dtype)]
    return [
        np.array([row[i] for row in rows], y.dtype).reshape((*y.shape, *np.shape(x.data)))
        for i, x in enumerate(wanted)
    ]


def checked(y: Any) -> Any:
    """A node that has a derivative; TypeError for anything else."""
    if isinstance(y, list | tuple):
        raise TypeError(f"this is of one node, got {len(y)}; jacobian takes several")
    if not isinstance(y, Node):
        raise TypeError(f"derivatives are of nodes, got {y!r}; make it of Values or Arrays")
    if y.op is not None and y.op.several:
        y.apply()  # raises
    return y


def listed(xs: Any) -> list[Any]:
    """The nodes, one or several; TypeError where something else is among them."""
    found = list(xs) if isinstance(xs, list | tuple) else [xs]
    for x in found:
        if not isinstance(x, Node):
            raise TypeError(f"derivatives are of nodes, by one or a list of them, got {x!r}")
        if x.op is not None and x.op.several:
            x.apply()  # raises
        if x.constant:
            raise ValueError(f"{x!r} asks for no gradient; make a Value or an Array of its .data")
    return found


def directions(name: str, xs: Any, vs: Any, count: int) -> list[Any]:
    """A direction for each x; ValueError for more or fewer."""
    several = isinstance(xs, list | tuple)
    if several and not isinstance(vs, (list, tuple, numpy_type("ndarray"))):
        raise TypeError(f"{name} takes a direction for each x, in a list, got {vs!r}")
    given = list(vs) if several else [vs]
    if len(given) != count:
        raise ValueError(f"{name} takes a direction for each x, got {len(given)} for {count}")
    return given


def one(y: Any) -> Any:
    """What a gradient starts with; ValueError for a node of several elements."""
    if is_array(y) and y.size != 1:
        raise ValueError(
            f"grad is of one number, got shape {y.shape}; take its .sum(), or vjp and jacobian"
        )
    return checked(y)._one()


def beside(x: Any, v: Any) -> Any:
    """A direction of the shape of a node; ValueError for another shape."""
    if isinstance(v, Node):
        raise TypeError(f"a direction is of numbers, got {v!r}; its numbers are .data")
    try:
        if isinstance(x, Value):
            return scalar(v)
        from engine.arrays.arguments import numbers

        found = numbers(v, x.dtype)
    except TypeError as problem:
        raise TypeError(f"a direction is of numbers, as the node is: {problem}") from None
    if found.shape != x.shape:
        raise ValueError(f"a direction has the shape {x.shape} of its node, got {found.shape}")
    return found


def zero(x: Any) -> Any:
    if isinstance(x, Value):
        return 0.0
    import numpy as np

    return np.zeros_like(x.data)


def numbers_of(x: Any) -> Any:
    if isinstance(x, tuple):  # the gradients of several results
        return tuple(map(numbers_of, x))
    return x.data if isinstance(x, Node) else x


def number(x: Any) -> Any:
    """The numbers of a node or an array, as the caller's own."""
    x = numbers_of(x)
    return x.copy(order="K") if isinstance(x, numpy_type("ndarray")) else x
