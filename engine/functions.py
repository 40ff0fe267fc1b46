"""Functions of several nodes, one node each, however many inputs: dot, total, softmax, ..."""

from collections.abc import Iterable, Sequence
from typing import Any

from engine.ops import DOT, LOGSUMEXP, MAXIMUM, MINIMUM, SOFTMAX, TOTAL, WHERE, Op
from engine.value import Value, nodes


def dot(ws: Iterable[Any], xs: Iterable[Any], bias: Any = 0.0) -> Value:
    """bias + w1 x1 + w2 x2 + ..., added from left to right; a neuron before its activation.

    ValueError where the lengths differ.

    >>> dot([Value(2.0), Value(3.0)], [10.0, 100.0], bias=1.0)
    Value(321.0)
    """
    return linear([nodes(ws)], nodes(xs), [Value.lift(bias)])[0]


def linear(
    rows: Iterable[Sequence[Value]], xs: Sequence[Value], biases: Iterable[Value]
) -> list[Value]:
    """W x + b: one `dot` node for each row of W, of nodes alone; a layer before its activation.

    ValueError where a row has another length than xs.

    >>> x = [Value(10.0), Value(100.0)]
    >>> linear([[Value(2.0), Value(3.0)]], x, [Value(1.0)])
    [Value(321.0)]
    """
    x = [each._data for each in xs]
    forward, (partials,), node = DOT.forward, DOT.partials, Value._many
    outs = []
    for ws, bias in zip(rows, biases, strict=True):
        w, b = [each._data for each in ws], bias._data
        if len(w) != len(x):
            raise ValueError(f"dot takes two sequences of one length, got {len(w)} and {len(x)}")
        out = forward(w, x, b)
        dws, dxs, db = partials(out, w, x, b)
        outs.append(node(DOT, (*ws, *xs, bias), out, (*dws, *dxs, db)))
    return outs


def map_row(op: Op, xs: Iterable[Value]) -> list[Value]:
    """A one-input row on each of some nodes: a layer's activation.

    >>> from engine.ops import RELU
    >>> map_row(RELU, [Value(2.0), Value(-2.0)])
    [Value(2.0), Value(0.0)]
    """
    return [x._unary(op) for x in xs]


def total(xs: Iterable[Any]) -> Value:
    """x1 + x2 + ..., added from left to right; 0 for none.

    >>> total([Value(1.0), 2.0, 3.0])
    Value(6.0)
    """
    return Value.apply(TOTAL, nodes(xs))


def logsumexp(xs: Iterable[Any]) -> Value:
    """log(exp(x1) + exp(x2) + ...), which neither overflows nor loses a small rest.

    ValueError for an empty sequence.

    >>> logsumexp([Value(1000.0), 1000.0])
    Value(1000.69)
    """
    return Value.apply(LOGSUMEXP, some(xs, "logsumexp"))


def softmax(xs: Iterable[Any]) -> list[Value]:
    """exp(x) / (exp(x1) + exp(x2) + ...) for each x: positive, and 1 in sum (chapter 02, 5.5).

    One node per output; its first input is its own x, the others follow in order. ValueError for
    an empty sequence.

    >>> softmax([Value(0.0), Value(0.0)])
    [Value(0.5), Value(0.5)]
    """
    xs = some(xs, "softmax")
    return [SOFTMAX(x, (*xs[:i], *xs[i + 1 :])) for i, x in enumerate(xs)]


def maximum(x: Any, y: Any) -> Value:
    """The larger of two; where they are equal, each has slope 1/2.

    >>> maximum(Value(2.0), 3.0)
    Value(3.0)
    """
    return Value.apply(MAXIMUM, x, y)


def minimum(x: Any, y: Any) -> Value:
    """The smaller of two; where they are equal, each has slope 1/2.

    >>> minimum(Value(2.0), 3.0)
    Value(2.0)
    """
    return Value.apply(MINIMUM, x, y)


def where(condition: Any, x: Any, y: Any) -> Value:
    """x where the condition holds, else y; the gradient goes to the one that was taken.

    Both are computed, and the other is sent 0, which an infinite slope there turns into nan: keep
    it out of reach, as in `where(x > 0, where(x > 0, x, 1.0).log(), 0.0)`.

    >>> v = Value(-2.0)
    >>> where(v > 0, v, v * 0.1)
    Value(-0.2)
    """
    return Value.apply(WHERE, condition, x, y)


def some(xs: Iterable[Any], name: str) -> tuple[Value, ...]:
    """Each as a node; ValueError for none."""
    found = nodes(xs)
    if not found:
        raise ValueError(f"{name} takes at least one input, got none")
    return found
