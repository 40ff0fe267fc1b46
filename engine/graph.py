"""The topological order of a graph, and the reverse pass over it."""

import sys
from collections.abc import Callable, Iterable, Iterator
from math import isfinite
from typing import Any, NamedTuple

# Arrays of parameters share their gradients with Values (see `engine.tape.parameters`). PENDING has
# weak references, by id, to the Arrays whose gradients the Values have not received yet. CHANGED[0]
# is an object that is replaced by None when the gradient of a Value changes in any other way.
PENDING: dict[int, Any] = {}
CHANGED: list[Any] = [None]


def deliver(x: Any = None) -> None:
    """Give Values their gradients from all pending Arrays of parameters, or from those with x."""
    for reference in [*PENDING.values()]:
        parameters = reference()
        if parameters is not None and (x is None or x in parameters._members):
            parameters.deliver()


def topological(root: Any) -> list[Any]:
    """Return all nodes under `root`, each after its inputs; `root` is the last.

    The order is that of a depth-first search, inputs from left to right, so it is the same in every
    run. The search keeps its own stack, because deep graphs would exceed Python's recursion limit.
    Raises TypeError if `root` is not a node.

    >>> from engine import Value
    >>> x, y = Value(3.0, "x"), Value(2.0, "y")
    >>> [node.op or node.label for node in topological((x + y) * (x - y))]
    ['x', 'y', Op('+'), Op('-'), Op('*')]
    """
    if not hasattr(root, "inputs") or isinstance(root, type):
        remedy = "; call it first" if callable(root) else ""
        if root and isinstance(root, list | tuple):
            remedy = "; pass one of its elements, or combine them, for example by total()"
        raise TypeError(f"expected a node such as a Value, got {root!r}{remedy}")
    order, visited, path = [], {root}, [(root, iter(root.inputs))]
    while path:
        node, inputs = path[-1]
        for x in inputs:
            if x not in visited:
                visited.add(x)
                if x.op is None:  # a leaf
                    order.append(x)
                    continue
                path.append((x, iter(x.inputs)))
                break
        else:
            order.append(node)
            path.pop()
    return order


class Sent(NamedTuple):
    """The contribution of a node to the gradient of one of its inputs.

    By the chain rule it is upstream * local. `local` is None if the derivative is a matrix.

    >>> from engine import Value
    >>> step = next(walk(Value(3.0, "x") * 2.0))
    >>> step.sent
    (Sent(to=Value(3.0, 'x'), local=2.0, contribution=2.0),)
    """

    to: Any
    local: Any
    contribution: Any


class Step(NamedTuple):
    """One step of a reverse pass: a node, its gradient (`upstream`), and its contributions.

    >>> from engine import Value
    >>> x = Value(3.0, "x")
    >>> [(step.node.data, step.upstream) for step in walk(x * x)]
    [(9.0, 1.0), (3.0, 6.0)]
    """

    node: Any
    upstream: Any
    sent: tuple[Sent, ...]


class Gradients(dict[Any, Any]):
    """The gradients of a reverse pass, kept outside the graph."""

    def add(self, node: Any, contribution: Any) -> None:
        """Add a contribution to the gradient of a node."""
        self[node] = self[node] + contribution if node in self else contribution


class InGraph:
    """The gradients stored in the nodes, with the interface of `Gradients`."""

    get = staticmethod(lambda node: node.grad)
    add = staticmethod(lambda node, contribution: node._receive(contribution))


def send(node: Any, gradient: Any) -> Iterable[Sent]:
    """Return the contributions of a node to its inputs."""
    return node._send(gradient)


def reverse_pass(
    nodes: Iterable[Any],
    gradients: "Gradients | type[InGraph]",
    send: Callable[[Any, Any], Iterable[Sent]] = send,
) -> Iterator[Step]:
    """Propagate gradients from `nodes`, in the given order, to their inputs; yield each step.

    `gradients` (`Gradients` or `InGraph`) contains the seeds and receives the contributions. A node
    without a gradient is skipped. `send` returns the contributions of a node for a gradient.
    """
    for node in nodes:
        upstream = gradients.get(node)
        if upstream is not None:
            sent = tuple(send(node, upstream))
            for to, _, contribution in sent:
                gradients.add(to, contribution)
            yield Step(node, upstream, sent)


def walk(root: Any) -> Iterator[Step]:
    """Run the backward pass from `root` and yield one `Step` per node, `root` first.

    Overwrites the gradients of interior nodes and adds to those of leaves. An input that occurs
    twice receives two contributions; a constant receives none.

    >>> from engine import Value
    >>> x = Value(3.0, "x")
    >>> for step in walk(x * x):
    ...     print(step.node, step.upstream, [(s.local, s.contribution) for s in step.sent])
    Value(9.0) 1.0 [(3.0, 3.0), (3.0, 3.0)]
    Value(3.0, 'x') 6.0 []
    """
    order = topological(root)
    return walk_back(order, [(root, root._one())])


def walk_back(order: list[Any], seeds: Iterable[tuple[Any, Any]]) -> Iterator[Step]:
    """Run the backward pass over nodes in topological order, from (node, gradient) seeds."""
    for node in order:
        if node.op is not None:
            node._grad = node._zero
    for node, seed in seeds:
        node._receive(seed)
    yield from reverse_pass(reversed(order), InGraph)


def backward(root: Any) -> None:
    """Run the backward pass of `walk` for scalars: the same additions in the same order, faster."""
    if sys.implementation.name != "cpython":  # PyPy's floats lack the identity used below
        backward_by_walk(root)
        return
    if PENDING:
        deliver()
    CHANGED[0] = None
    order, again = visit_operations(root)
    observer.before_backward(root, order, again)
    root._grad += 1.0
    for node in reversed(order):
        x, dx, dy, upstream = node._x, node._dx, node._dy, node._grad
        if dy is not None:
            if dx is not None:
                x._grad += upstream * dx
            node._y._grad += upstream * dy
        elif type(x) is tuple:
            if node.op._has_several_outputs:
                for to, _, contribution in node._send(node.grad):
                    to._grad += contribution
            # Zero times a finite slope adds nothing, so inactive relu neurons are skipped.
            elif upstream or not (node.op.finite_slopes and isfinite(node._data)):
                for to, local in zip(x, dx):  # noqa: B905 (of one length)
                    to._grad += upstream * local
        elif dx is not None:
            x._grad += upstream * dx
        elif node.op._output_index is not None:  # one of several results
            x._receive_one(node.op._output_index, upstream)


def backward_by_walk(root: Any) -> None:
    """Run the backward pass with `walk`, which accepts graphs of Values and Arrays."""
    for _ in walk(root):
        pass


def visit_operations(root: Any) -> tuple[list[Any], bool]:
    """Set the gradient of each interior scalar node under `root` to 0.

    Returns these nodes in topological order, and whether any of them had a gradient other than 0.
    """
    # A node has been visited if its gradient is this very object. Looking nodes up in a set, which
    # reads memory at random, would take twice as long.
    zero = float("0")
    order: list[Any] = []
    again, visited = False, None  # visited: inputs that have all been visited
    stack: list[Any] = []  # pairs: a node that waits for its inputs, and the next input
    push, pop, emit = stack.append, stack.pop, order.append
    node = root
    if root._x is None:
        return order, again
    while True:
        if node._grad:
            again = True
        node._grad = zero
        x = node._x
        if type(x) is tuple:
            among = x if node._y is None else node._y  # (see `engine.functions.linear`)
            if among is visited:
                emit(node)
            elif inputs := [x for x in among if x._x is not None and x._grad is not zero]:
                push(node)
                push(None)
                for x in reversed(inputs[1:]):
                    push(None)
                    push(x)
                node = inputs[0]
                continue
            else:
                visited = among
                emit(node)
        elif x._x is not None and x._grad is not zero:
            push(node)
            push(node._y)
            node = x
            continue
        else:
            y = node._y
            if y is not None and y._x is not None and y._grad is not zero:
                push(node)
                push(None)
                node = y
                continue
            emit(node)
        while stack:  # return to nodes whose inputs have all been emitted
            y, node = pop(), pop()
            if node is None:  # y is one of several inputs
                if y._grad is not zero:
                    node = y
                    break
            elif y is None or y._x is None or y._grad is zero:
                emit(node)
            else:
                push(node)
                push(None)
                node = y
                break
        else:
            return order, again


class Observer:
    """An observer of new nodes and backward passes; `engine.watch.hooks` installs another one.

    Operations call `made`, `leaf` and `override` only while their module's flag `observed` is set.
    """

    def made(self, node: Any) -> Any:
        """Return the node to use in place of a new one."""
        return node

    def leaf(self, node: Any) -> None:
        """Observe a new leaf."""

    def override(self, name: str) -> Any:
        """Return a function to call in place of `read` or `backward`, or None."""

    def assigned(self, leaf: Any) -> None:
        """Observe a leaf whose data was assigned."""

    def updated(self, leaves: Any) -> None:
        """Observe leaves that require a gradient, after an update of their data."""

    def before_backward(self, root: Any, order: list[Any], again: bool) -> None:
        """Observe the start of a backward pass; `again`: whether the graph was differentiated."""


observer = Observer()  # `engine.watch` replaces it
