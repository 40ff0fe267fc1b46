"""Functions of any number of nodes: dot, total, softmax, maximum, ... Each makes one node."""

from collections.abc import Iterable, Sequence
from functools import reduce
from itertools import chain
from operator import add, index
from typing import TYPE_CHECKING, Any, SupportsFloat, TypeVar, overload

from engine.methods import NAMES
from engine.node import Node
from engine.rules import LOGADDEXP, MAXIMUM, MINIMUM, WHERE, XLOGY, Op
from engine.sequences.rules import CROSS_ENTROPY, DOT, LOGSUMEXP, SOFTMAX, TOTAL
from engine.support.other_names import answer_keywords
from engine.value import (
    ASSIGNED,
    Constant,
    Value,
    as_nodes,
    is_array,
    is_array_operand,
    make_node,
    result_class,
)

if TYPE_CHECKING:
    from engine.arrays.array import Array

Payload = TypeVar("Payload", bound=Node)
Scalars = Iterable[Value | SupportsFloat]
Axis = int | tuple[int, ...] | None


@overload
def dot(ws: "Array", xs: Any, bias: Any = 0.0) -> "Array": ...
@overload
def dot(ws: Scalars, xs: Scalars, bias: Value | SupportsFloat = 0.0) -> Value: ...
def dot(ws: Any, xs: Any, bias: Any = 0.0) -> Any:
    """Return bias + w1 x1 + w2 x2 + ..., added from left to right: a neuron's pre-activation.

    For Arrays it returns `ws.dot(xs) + bias`, as NumPy does. Raises ValueError if the lengths
    differ.

    >>> dot([Value(2.0), Value(3.0)], [10.0, 100.0], bias=1.0)
    Value(321.0)
    """
    if has_arrays((ws, xs)):
        product = find_payload(ws, xs).lift(ws).dot(xs)
        return product if type(bias) is float and bias == 0.0 else product + bias
    return linear(Weights([as_nodes(ws)], [Value.lift(bias)]), as_nodes(xs))[0]


class Weights:
    """The rows of a matrix W and the biases b of `linear`, with their data.

    A bias may be None, which stands for 0.
    """

    def __init__(self, rows: Sequence[Sequence[Value]], biases: Sequence[Value | None]):
        self.rows, self.optional_biases = rows, biases
        self.biases = [Constant(0.0) if b is None else b for b in biases]
        self.are_leaves = all(x._x is None for x in chain(*rows, self.biases))
        self.kind = result_class(map(type, chain(*rows, self.biases)))
        self.assigned = ASSIGNED[0]  # read first: another thread may assign while data is read
        self.data = [[w._data for w in ws] for ws in rows]
        self.bias_data = [b._data for b in self.biases]

    def are(self, rows: Sequence[Sequence[Value]], biases: Sequence[Value | None]) -> bool:
        """Return whether these are the same nodes, and no Value has been assigned since."""
        return self.assigned is ASSIGNED[0] and self.rows == rows and self.optional_biases == biases


def linear(weights: Weights, xs: Sequence[Value]) -> list[Value]:
    """Return W x + b for nodes: one `dot` node for each row of W, a layer's pre-activations.

    Raises ValueError if a row and `xs` differ in length.

    >>> weights = Weights([[Value(2.0), Value(3.0)]], [Value(1.0)])
    >>> linear(weights, [Value(10.0), Value(100.0)])
    [Value(321.0)]
    """
    from engine.sequences.unrolled import unroll

    x = [node._data for node in xs]
    dot_of_floats = unroll(DOT, 2 * len(x) + 1)
    # The inputs that are not leaves. All nodes of the layer share this tuple, so that
    # `graph.visit_operations` scans it only once.
    interior = tuple([x for x in xs if x._x is not None]) if weights.are_leaves else None
    kind = result_class((weights.kind, *map(type, xs)))
    outs = []
    rows = zip(weights.rows, weights.biases, weights.data, weights.bias_data, strict=True)
    for ws, bias, w, b in rows:
        if len(w) != len(x):
            raise ValueError(f"dot takes two sequences of equal length, got {len(w)} and {len(x)}")
        out, slopes = dot_of_floats(w, x, b)
        outs.append(make_node(DOT, (*ws, *xs, bias), interior, out, slopes, None, kind))
    return outs


def apply_row(op: Op, xs: Iterable[Value]) -> list[Value]:
    """Apply a row of one input to each node: a layer's activation.

    >>> from engine.rules import RELU
    >>> apply_row(RELU, [Value(2.0), Value(-2.0)])
    [Value(2.0), Value(0.0)]
    """
    method = NAMES.get(op)
    return [getattr(x, method)() if method else x._unary(op) for x in xs]


@overload
def total(xs: Iterable["Array"]) -> "Array": ...  # type: ignore[overload-overlap]
@overload
def total(xs: Scalars) -> Value: ...
def total(xs: Iterable[Any]) -> Any:
    """Return x1 + x2 + ..., added from left to right; 0 for an empty sequence.

    The sum of Values is one node. Arrays, whose shapes broadcast, are added one by one.

    >>> total([Value(1.0), 2.0, 3.0])
    Value(6.0)
    """
    from engine.support.arguments import check_sequence

    xs = list(xs if is_array(xs) else check_sequence(xs))
    if has_arrays(xs) or any(map(is_array_operand, xs)):
        return reduce(add, xs)
    return Value.apply(TOTAL, as_nodes(xs))


@overload
def logsumexp(xs: "Array", axis: Axis = -1, keepdims: bool = False) -> "Array": ...  # type: ignore[overload-overlap]
@overload
def logsumexp(xs: Scalars, axis: Axis = -1) -> Value: ...
@answer_keywords
def logsumexp(xs: Any, axis: Axis = -1, keepdims: bool = False) -> Any:
    """Return log(exp(x1) + exp(x2) + ...), without overflow or cancellation.

    For an Array it is computed along one or several axes. Raises ValueError for an empty sequence.

    >>> logsumexp([Value(1000.0), 1000.0])
    Value(1000.69)
    """
    if is_array(xs):
        return xs.logsumexp(axis, keepdims)
    return Value.apply(LOGSUMEXP, at_least_one(xs, "logsumexp", axis))


@overload
def softmax(xs: "Array", axis: Axis = -1) -> "Array": ...  # type: ignore[overload-overlap]
@overload
def softmax(xs: Scalars, axis: Axis = -1) -> list[Value]: ...
@answer_keywords
def softmax(xs: Any, axis: Axis = -1) -> Any:
    """Return exp(x) / (exp(x1) + exp(x2) + ...) for each x: positive numbers whose sum is 1.

    For Values it returns a list, the results of one operation; for an Array an Array, computed
    along one or several axes. Raises ValueError for an empty sequence.

    >>> softmax([Value(0.0), Value(0.0)])
    [Value(0.5), Value(0.5)]
    """
    if is_array(xs):
        return xs.softmax(axis)
    return Value.apply(SOFTMAX, at_least_one(xs, "softmax", axis))


@overload
def log_softmax(xs: "Array", axis: Axis = -1) -> "Array": ...  # type: ignore[overload-overlap]
@overload
def log_softmax(xs: Scalars, axis: Axis = -1) -> list[Value]: ...
@answer_keywords
def log_softmax(xs: Any, axis: Axis = -1) -> Any:
    """Return x - log(exp(x1) + exp(x2) + ...) for each x, without overflow or cancellation.

    For Values it returns a list; for an Array an Array, computed along one or several axes. Raises
    ValueError for an empty sequence.

    >>> log_softmax([Value(0.0), Value(0.0)])
    [Value(-0.693147), Value(-0.693147)]
    """
    if is_array(xs):
        return xs.log_softmax(axis)
    xs = at_least_one(xs, "log_softmax", axis)
    return [-Value.apply(CROSS_ENTROPY, x, [*xs[:i], *xs[i + 1 :]]) for i, x in enumerate(xs)]


@overload
def maximum(x: Payload, y: Payload | SupportsFloat) -> Payload: ...
@overload
def maximum(x: SupportsFloat, y: Payload) -> Payload: ...
def maximum(x: Any, y: Any) -> Any:
    """Return the larger of two; at a tie, each has slope 1/2.

    >>> maximum(Value(2.0), 3.0)
    Value(3.0)
    """
    return find_payload(x, y).apply(MAXIMUM, x, y)


@overload
def minimum(x: Payload, y: Payload | SupportsFloat) -> Payload: ...
@overload
def minimum(x: SupportsFloat, y: Payload) -> Payload: ...
def minimum(x: Any, y: Any) -> Any:
    """Return the smaller of two; at a tie, each has slope 1/2.

    >>> minimum(Value(2.0), 3.0)
    Value(2.0)
    """
    return find_payload(x, y).apply(MINIMUM, x, y)


def logaddexp(x: Any, y: Any) -> Any:
    """Return log(exp(x) + exp(y)), without overflow.

    >>> logaddexp(Value(1000.0), 1000.0)
    Value(1000.69)
    """
    return find_payload(x, y).apply(LOGADDEXP, x, y)


def xlogy(x: Any, y: Any) -> Any:
    """Return x * log(y), and 0 for x = 0: the terms of an entropy.

    >>> xlogy(0.0, Value(0.0))
    Value(0.0)
    """
    return find_payload(x, y).apply(XLOGY, x, y)


@answer_keywords
def take(xs: Any, indices: Any, axis: int | None = None) -> Any:
    """Return the elements of a list, or of an Array along an axis, at one or several indices.

    Several indices of a list return a list of the same nesting. Raises TypeError for indices that
    are not integers, and IndexError for an index out of bounds.

    >>> take([Value(1.0), Value(2.0)], 1)
    Value(2.0)
    >>> take([Value(1.0), Value(2.0)], [0, 0, 1])
    [Value(1.0), Value(1.0), Value(2.0)]
    """
    from engine.support.arguments import check_sequence

    if is_array(xs):
        return xs.take(indices, axis)
    if isinstance(indices, list | tuple) or getattr(indices, "ndim", 0) > 0:
        rows = list(check_sequence(xs))
        return [take(rows, i, axis) for i in indices]
    if (select := getattr(indices, "_select", None)) and axis in (None, 0):
        return select(list(check_sequence(xs)) if not isinstance(xs, list) else xs)
    if isinstance(indices, bool) or not hasattr(indices, "__index__") or axis not in (None, 0):
        raise TypeError(
            f"take expects integers as indices of a list, along axis 0, got {indices!r}, "
            f"axis={axis!r}"
        )
    rows = list(check_sequence(xs))
    i = index(indices)
    if not -len(rows) <= i < len(rows):
        raise IndexError(f"take got index {i} for {len(rows)} elements")
    return rows[i]


@overload
def where(condition: Any, x: Payload, y: Payload | SupportsFloat) -> Payload: ...
@overload
def where(condition: Any, x: SupportsFloat, y: Payload) -> Payload: ...
@overload
def where(condition: Payload, x: SupportsFloat, y: SupportsFloat) -> Payload: ...
def where(condition: Any, x: Any, y: Any) -> Any:
    """Return x where the condition holds, else y; the gradient goes to the selected one.

    Both are computed. The other one receives a gradient of 0, which an infinite local derivative
    turns into nan. To avoid this, write `where(x > 0, where(x > 0, x, 1.0).log(), 0.0)`.

    >>> v = Value(-2.0)
    >>> where(v > 0, v, v * 0.1)
    Value(-0.2)
    """
    return find_payload(condition, x, y).apply(WHERE, condition, x, y)


def has_arrays(args: Iterable[object]) -> bool:
    """Return whether any argument is an Array."""
    return any(map(is_array, args))


def find_payload(*args: object) -> Any:
    """Return the first Array among the arguments, or Value; its `apply` applies a row to them."""
    return next((x for x in args if is_array(x)), Value)


def at_least_one(xs: Scalars, name: str, axis: Any) -> tuple[Value, ...]:
    """Return nodes; raise ValueError for an empty sequence, and for another axis than its own."""
    inputs = as_nodes(xs)
    if axis not in (-1, 0):
        raise ValueError(f"{name} of a list of Values has the axis -1, got axis={axis!r}")
    if not inputs:
        raise ValueError(f"{name} takes at least one input, got none")
    return inputs
