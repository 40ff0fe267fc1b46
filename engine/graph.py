"""The graph: its order, and the backward pass, one node at a time."""

from collections.abc import Iterator
from math import isfinite
from typing import Any, NamedTuple

from engine.remarks import check_root


def topological(root: Any) -> list[Any]:
    """All nodes under `root`, each after its inputs; `root` is the last.

    The order is the one in which reading the expression from left to right completes its parts, so
    it is the same in every run. It is found with a stack of our own: a chain of a million nodes is
    no deeper than one of three.

    >>> from engine import Value
    >>> x, y = Value(3.0, "x"), Value(2.0, "y")
    >>> [node.op or node.label for node in topological((x + y) * (x - y))]
    ['x', 'y', Op('+'), Op('-'), Op('*')]
    """
    if not hasattr(root, "inputs") or isinstance(root, type):
        raise TypeError(f"a graph hangs from a node such as a Value, got {root!r}")
    order: list[Any] = []
    seen: set[Any] = set()
    stack = [root]
    push, pop = stack.append, stack.pop
    add, emit, hold = seen.add, order.append, seen.issuperset
    while stack:
        node = pop()
        if node is None:  # all inputs of the node below are in the order by now
            emit(pop())
        elif node not in seen:
            add(node)
            x, y = node._x, node._y
            if x is None or (type(x) is tuple and hold(x)):
                emit(node)
                continue
            push(node)
            push(None)
            if type(x) is tuple:
                stack.extend([each for each in reversed(x) if each not in seen])
                continue
            if y is not None and y not in seen:
                push(y)
            if x not in seen:
                push(x)
    return order


class Sent(NamedTuple):
    """What a node sends to one of its inputs: upstream * local, the chain rule.

    >>> from engine import Value
    >>> step = next(walk(Value(3.0, "x") * 2.0))
    >>> step.sent
    (Sent(to=Value(3.0, 'x'), local=2.0, contribution=2.0),)
    """

    to: Any
    local: Any
    contribution: Any


class Step(NamedTuple):
    """One step of the backward pass: a node, the gradient that arrived, what it sends on.

    >>> from engine import Value
    >>> x = Value(3.0, "x")
    >>> [(step.node.data, step.upstream) for step in walk(x * x)]
    [(9.0, 1.0), (3.0, 6.0)]
    """

    node: Any
    upstream: Any
    sent: tuple[Sent, ...]


def walk(root: Any) -> Iterator[Step]:
    """The backward pass from `root`, one `Step` per node, `root` first.

    Gradients of interior nodes are overwritten, those of leaves are added to. When a step is
    yielded, its contributions have arrived. An input that occurs twice is sent to twice; constants
    are sent nothing.

    >>> from engine import Value
    >>> x = Value(3.0, "x")
    >>> for step in walk(x * x):
    ...     print(step.node, step.upstream, [(s.local, s.contribution) for s in step.sent])
    Value(9.0) 1.0 [(3.0, 3.0), (3.0, 3.0)]
    Value(3.0, 'x') 6.0 []
    """
    order = topological(root)
    for node in order:
        if node.op is not None:
            node.grad = 0.0
    root.receive(root.ones())
    for node in reversed(order):
        sent = tuple(node.sends())
        for each, _, contribution in sent:
            each.receive(contribution)
        yield Step(node, node.grad, sent)


def seen_before(order: list[Any]) -> bool:
    """Whether a backward pass has been here, as far as its ends show: there are gradients.

    The first nodes are those of the predictions, which may be older than the loss.
    """
    return any(node.op is not None and node._grad for node in (order[-1], *order[:32]))


def begun(root: Any) -> list[Any]:
    """The graph in order, after what is to be said before a backward pass."""
    order = topological(root)
    again, finite = seen_before(order), isfinite(root._data)
    if again or not finite:
        check_root(root, order, again, finite)
    return order


def backward(root: Any) -> None:
    """`walk` exhausted, for scalars: the same additions in the same order, made in a tight loop."""
    order = begun(root)
    for node in order:
        if node.op is not None:
            node._grad = 0.0
    root._grad += 1.0
    for node in reversed(order):
        if node.op is None:
            continue
        x, dx, upstream = node._x, node._dx, node._grad
        if type(x) is tuple:
            # Zero times a finite slope adds nothing: half the neurons of a relu network need no
            # visit to their inputs.
            if upstream or not (node.op.tame and isfinite(node._data)):
                for each, local in zip(x, dx):  # noqa: B905 (of one length)
                    each._grad += upstream * local
            continue
        if dx is not None:
            x._grad += upstream * dx
        if node._dy is not None:
            node._y._grad += upstream * node._dy
