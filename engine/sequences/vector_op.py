"""`VectorOp`: a row with several results that are computed together, such as `softmax`.

Its node, `Outputs`, lies between the inputs and one Value for each result.
"""

from collections.abc import Sequence
from functools import lru_cache
from operator import add
from typing import Any

from engine.graph import Sent
from engine.node import Node
from engine.rules import Op, accepts, argument_names, flatten
from engine.sequences.many_op import ManyOp
from engine.value import Value, as_float, format_float, make_node, result_class


class VectorOp(ManyOp):
    """A row over sequences, with several results that are computed together.

    forward     xs, ... -> outs
    pullback    gs, outs, xs, ... -> the gradients of xs, for the gradients gs of outs; with several
                arguments, one entry for each, which is a list for a sequence

    >>> from engine import Value
    >>> from engine.sequences.rules import add_up
    >>> SHIFT = VectorOp(
    ...     "shift", lambda xs: [x - xs[0] for x in xs],
    ...     lambda gs, outs, xs: [gs[0] - add_up(gs), *gs[1:]],
    ... )
    >>> SHIFT([Value(3.0), Value(5.0)])
    [Value(0.0), Value(2.0)]
    """

    __slots__ = ()
    _has_several_outputs = True

    def _check_arguments(self) -> None:
        known = hasattr(self.forward, "__code__")
        if known and not accepts(self.partials[0], len(argument_names(self.forward)) + 2):
            raise ValueError(
                f"{self.name}: the pullback must take gs, outs and the arguments of the formula"
            )

    def _pull_back(self, gs: Any, outs: Any, inputs: Sequence[Any]) -> list[Any]:
        """Return the gradients of a flat list of inputs, for the gradients gs of the results."""
        gradients = self.partials[0](gs, outs, *self.unflatten(inputs))
        try:
            gradients = [*flatten(gradients)]
            complete = len(gradients) == len(inputs)
        except TypeError:
            complete = False
        if not complete:
            raise ValueError(
                f"expected {len(inputs)} gradients from the pullback of {self.name!r}, one for "
                f"each input, got {gradients!r}"
            )
        return gradients

    def locals(self, outs: Any, *args: Any) -> tuple[Any, ...]:
        """Return the derivatives of all results for each input.

        >>> from engine.sequences.rules import SOFTMAX
        >>> SOFTMAX.locals([0.5, 0.5], [1.0, 1.0])
        ((0.25, -0.25), (-0.25, 0.25))
        """
        units = [[float(i == k) for i in range(len(outs))] for k in range(len(outs))]
        inputs = [*flatten(args)]
        return tuple(zip(*[self._pull_back(unit, outs, inputs) for unit in units], strict=True))

    def _make_node(self, args: tuple[Any, ...], data: list[Any], out: Any) -> Any:
        return Outputs(self, tuple(flatten(args)), [*flatten(data)], out)._result_nodes()


class Output(Op):
    """One result of a `VectorOp`, selected by its index."""

    __slots__ = ("_output_index", "vector_op")
    _output_index: int

    def __init__(self, vector_op: VectorOp, index: int):
        super().__init__(
            f"{vector_op.name}[{index}]", lambda outs: outs[index], lambda out, outs: 1.0
        )
        self.vector_op, self._output_index = vector_op, index

    def __reduce__(self) -> Any:
        return output, (self.vector_op, self._output_index)


@lru_cache(maxsize=4096)  # bounded, so that users' rows are freed
def output(op: VectorOp, index: int) -> Output:
    """Return the row of one result."""
    return Output(op, index)


class Outputs(Node[tuple[float, ...]]):
    """The node of an operation with several results, and the input of each result's Value.

    `data` and `grad` are tuples with one entry per result.

    >>> from engine import softmax
    >>> p, q = softmax([Value(0.0), Value(0.0)])
    >>> p.inputs
    (Outputs(0.5, 0.5),)
    """

    __slots__ = ()
    op: VectorOp
    _grad: Any  # Parts, or a list while they are added up; a float before any contribution

    def __init__(self, op: VectorOp, inputs: tuple[Value, ...], xs: list[float], outs: Any):
        if not isinstance(outs, list | tuple):
            raise TypeError(f"{op.name} must return a list of results, got {outs!r}")
        self._data, self._x, self._dx = tuple(map(as_float, outs)), inputs, tuple(xs)
        self._grad, self.op, self._y, self._dy = 0.0, op, None, None

    def _result_nodes(self) -> list[Value]:
        """Return a node for each result."""
        kind = result_class(map(type, self._x))
        return [
            make_node(output(self.op, i), self, None, out, None, None, kind)
            for i, out in enumerate(self._data)
        ]

    @property
    def data(self) -> tuple[float, ...]:  # type: ignore[override] # read-only
        return self._data

    @property
    def grad(self) -> tuple[float, ...]:
        return tuple([0.0 if g is None else g for g in self._parts()])

    @grad.setter
    def grad(self, grads: Any) -> None:
        self._grad = grads if isinstance(grads, float) else Parts(grads)

    def _parts(self) -> "Parts":
        """Return the gradients of the results, with None for those without a contribution."""
        return Parts([None] * len(self._data) if isinstance(self._grad, float) else self._grad)

    @property
    def locals(self) -> tuple[tuple[float, ...] | None, ...]:
        """The derivatives of all results for each input; None for a constant."""
        rows = self.op.locals(self._data, *self.op.unflatten(self._dx))
        return tuple(None if x.constant else row for x, row in zip(self._x, rows, strict=True))

    def __repr__(self) -> str:
        return f"Outputs({', '.join(map(format_float, self._data))})"

    def _refuse(self, *_: Any) -> Any:
        name = self.op.name
        raise TypeError(f"{self!r} has several results; select one, as in {name}(xs)[0]")

    lift = _unary = _binary = apply = backward = _one = _refuse

    def _only(self, i: int, g: Any) -> "Parts":
        """Return the contribution g to the gradient of result i alone."""
        return Parts([g if k == i else None for k in range(len(self._data))])

    def _receive(self, contribution: "Parts") -> None:
        self._grad = self._parts() + contribution

    def _receive_one(self, i: int, g: float) -> None:
        """Add g to the gradient of result i."""
        if type(self._grad) is not list:
            self._grad = [*self._parts()]
        before = self._grad[i]
        self._grad[i] = g if before is None else before + g

    def _send(self, gs: Any) -> list[Sent]:
        gs = [0.0 if g is None else g for g in gs]
        pairs = zip(self._x, self.op._pull_back(gs, self._data, self._dx), strict=True)
        return [Sent(x, None, g) for x, g in pairs if not x.constant]

    def _outdated(self, i: int) -> bool:
        now = self.op.forward(*self.op.unflatten([x._data for x in self._x]))
        return repr(tuple(map(as_float, now))) != repr(self._data)  # to the bit; nan is nan


class Parts(tuple[Any, ...]):
    """The gradients of several results, added element by element; None for no contribution."""

    __slots__ = ()

    def __add__(self, other: Any) -> "Parts":
        pairs = zip(self, other, strict=True)
        return Parts([b if a is None else a if b is None else add(a, b) for a, b in pairs])
