"""Functions of several nodes, one node each, however many inputs: dot, total, softmax, ...

Those that mean something for Arrays take them too.
"""

from collections.abc import Iterable, Sequence
from functools import reduce
from itertools import chain
from operator import add
from typing import Any
from weakref import WeakKeyDictionary

from engine.methods import NAMES
from engine.node import Node
from engine.rules import MAXIMUM, MINIMUM, WHERE, Op
from engine.sequences import DOT, LOGSUMEXP, SOFTMAX, TOTAL, unrolled
from engine.support.arguments import sequence
from engine.value import ASSIGNED, Value, node_of, nodes


def dot(ws: Iterable[Any], xs: Iterable[Any], bias: Any = 0.0) -> Value:
    """bias + w1 x1 + w2 x2 + ..., added from left to right; a neuron before its activation.

    ValueError where the lengths differ.

    >>> dot([Value(2.0), Value(3.0)], [10.0, 100.0], bias=1.0)
    Value(321.0)
    """
    return linear([nodes(ws)], nodes(xs), [Value.lift(bias)])[0]


def linear(
    rows: list[Sequence[Value]], xs: Sequence[Value], biases: list[Value], layer: Any = None
) -> list[Value]:
    """Return W x + b, of nodes alone: one `dot` node for each row of W.

    What is known of the weights is kept for a `layer`, which may be any object with weak
    references. Raises ValueError for a row with another length than xs.

    >>> x = [Value(10.0), Value(100.0)]
    >>> linear([[Value(2.0), Value(3.0)]], x, [Value(1.0)])
    [Value(321.0)]
    """
    weights = WEIGHTS.get(layer) if layer is not None else None
    if weights is None or not weights.are(rows, biases):
        weights = Weights(rows, biases)
        if layer is not None:
            WEIGHTS[layer] = weights
    x = [node._data for node in xs]
    dot_of_floats = unrolled(DOT, 2 * len(x) + 1)
    # The inputs that are not leaves, in one tuple for all nodes: `graph.visit_operations` looks
    # through it once.
    interior = tuple([x for x in xs if x._x is not None]) if weights.are_leaves else None
    outs = []
    for ws, bias, w, b in zip(rows, biases, weights.data, weights.bias_data, strict=True):
        if len(w) != len(x):
            raise ValueError(f"dot takes two sequences of one length, got {len(w)} and {len(x)}")
        out, slopes = dot_of_floats(w, x, b)
        outs.append(node_of(DOT, (*ws, *xs, bias), interior, out, slopes, None))
    return outs


class Weights:
    """The numbers of a layer's weights, read when the first of them has been assigned anew."""

    def __init__(self, rows: list[Sequence[Value]], biases: list[Value]):
        self.rows, self.biases = rows, biases
        self.are_leaves = all(x._x is None for x in chain(*rows, biases))
        self.assigned = ASSIGNED[0]  # before the numbers: another thread may assign meanwhile
        self.data = [[w._data for w in ws] for ws in rows]
        self.bias_data = [b._data for b in biases]

    def are(self, rows: list[Sequence[Value]], biases: list[Value]) -> bool:
        """Return whether these are the weights, with the same numbers."""
        return self.assigned is ASSIGNED[0] and self.rows == rows and self.biases == biases


WEIGHTS: WeakKeyDictionary[Any, Weights] = WeakKeyDictionary()


def map_row(op: Op, xs: Iterable[Value]) -> list[Value]:
    """A one-input row on each of some nodes: a layer's activation.

    >>> from engine.rules import RELU
    >>> map_row(RELU, [Value(2.0), Value(-2.0)])
    [Value(2.0), Value(0.0)]
    """
    method = NAMES.get(op)
    return [getattr(x, method)() if method else x._unary(op) for x in xs]


def total(xs: Iterable[Any]) -> Any:
    """x1 + x2 + ..., added from left to right; 0 for none.

    Of Values one node; of Arrays, whose shapes broadcast, a node for each sum.

    >>> total([Value(1.0), 2.0, 3.0])
    Value(6.0)
    """
    xs = list(xs if is_array(xs) else sequence(xs))
    return reduce(add, xs) if has_arrays(xs) else Value.apply(TOTAL, nodes(xs))


def logsumexp(xs: Any) -> Any:
    """log(exp(x1) + exp(x2) + ...), which neither overflows nor loses a small rest.

    Of an Array, along its last axis. ValueError for an empty sequence.

    >>> logsumexp([Value(1000.0), 1000.0])
    Value(1000.69)
    """
    if is_array(xs):
        return xs.logsumexp()
    return Value.apply(LOGSUMEXP, some(xs, "logsumexp"))


def softmax(xs: Any) -> Any:
    """exp(x) / (exp(x1) + exp(x2) + ...) for each x: positive, and 1 in sum.

    Of Values a list: the results of one operation. Of an Array one Array, along its last axis.
    Raises ValueError for an empty sequence.

    >>> softmax([Value(0.0), Value(0.0)])
    [Value(0.5), Value(0.5)]
    """
    return xs.softmax() if is_array(xs) else Value.apply(SOFTMAX, some(xs, "softmax"))


def maximum(x: Any, y: Any) -> Any:
    """The larger of two; where they are equal, each has slope 1/2.

    >>> maximum(Value(2.0), 3.0)
    Value(3.0)
    """
    return payload(x, y).apply(MAXIMUM, x, y)


def minimum(x: Any, y: Any) -> Any:
    """The smaller of two; where they are equal, each has slope 1/2.

    >>> minimum(Value(2.0), 3.0)
    Value(2.0)
    """
    return payload(x, y).apply(MINIMUM, x, y)


def where(condition: Any, x: Any, y: Any) -> Any:
    """x where the condition holds, else y; the gradient goes to the one that was taken.

    Both are computed, and the other is sent 0, which an infinite slope there turns into nan: keep
    it out of reach, as in `where(x > 0, where(x > 0, x, 1.0).log(), 0.0)`.

    >>> v = Value(-2.0)
    >>> where(v > 0, v, v * 0.1)
    Value(-0.2)
    """
    return payload(condition, x, y).apply(WHERE, condition, x, y)


def has_arrays(args: Iterable[Any]) -> bool:
    """Return whether there is an Array among the arguments."""
    return any(map(is_array, args))


def is_array(x: Any) -> bool:
    """Return whether `x` is an Array; the scalar path runs without NumPy, so without its class."""
    return isinstance(x, Node) and hasattr(x, "shape")


def payload(*args: Any) -> Any:
    """Return an object whose `apply` makes the node of an operation on these."""
    return next((x for x in args if is_array(x)), Value)


def some(xs: Iterable[Any], name: str) -> tuple[Value, ...]:
    """Return each as a node. Raises ValueError for an empty sequence."""
    found = nodes(xs)
    if not found:
        raise ValueError(f"{name} takes at least one input, got none")
    return found
