"""What the payloads share: operators, comparisons, a method for every row, and copying."""

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from engine import copying, ops
from engine.graph import walk
from engine.ops import ABS, ADD, DIV, MUL, NEG, POW, SUB, Op


class Node:
    """A node of a graph: its data, its gradient, and the operation and inputs it came from.

    A payload (`Value`, `Array`) says what data is and how a row is applied to it. The inputs of a
    unary or binary operation stand in two slots, those of any other in a tuple in the first, each
    beside its local derivative: one object per node is what Python's garbage collector has to
    visit, and it is by far the largest cost of a scalar graph (see `make bench`).
    """

    __slots__ = (
        "__weakref__", "_data", "_dx", "_dy", "_grad", "_origin", "_x", "_y", "label", "op",
    )  # fmt: skip
    __array_ufunc__ = None  # np.float64(2) * node asks the node

    label: str | None
    op: Op | None
    constant = False  # a constant asks for no gradient

    @property
    def inputs(self) -> tuple[Self, ...]:
        """The nodes this one was computed from, in order, repeats kept; () for a leaf."""
        x, y = self._x, self._y
        if type(x) is tuple:
            return x
        return () if x is None else (x,) if y is None else (x, y)

    @property
    def locals(self) -> tuple[Any, ...]:
        """d self / d input for each of `inputs`, as they were when it was computed.

        None for a constant, and for every input where none was asked for.
        """
        found = self._dx if type(self._x) is tuple else (self._dx, self._dy)
        return tuple(
            None if each.constant else local
            for each, local in zip(self.inputs, found, strict=False)
        )

    @property
    def origin(self) -> Any:
        """The line of code that made this node, if `engine.record_origins()` was on; else None."""
        return getattr(self, "_origin", None)

    def backward(self) -> None:
        """Fill `.grad` of everything under this node with d self / d node.

        Overwrites the gradient of interior nodes and adds to that of leaves.
        """
        for _ in walk(self):
            pass

    def detach(self) -> Self:
        """Its data alone, as a constant: a graph that goes on from there sends nothing back here.

        >>> from engine import Value
        >>> x = Value(3.0)
        >>> y = x * x.detach()
        >>> y.backward()
        >>> x.grad
        3.0
        """
        return self.lift(self.data)

    def zero_grad(self) -> None:
        """Forget the gradient: `.grad` is 0 again."""
        self.grad = 0.0

    # What would leave the graph without a word, and what a learner tries.

    def __float__(self) -> float:
        raise self._leaves("a float", "math.exp(x): x.exp() stays in it")

    def __int__(self) -> int:
        raise self._leaves("an int", "range(x)")

    def __round__(self, digits: int | None = None) -> float:
        raise self._leaves("a rounded number", "round(x)")

    def _leaves(self, what: str, example: str) -> TypeError:
        number = "x.data" if isinstance(self.data, float) else "x.data.item()"
        return TypeError(
            f"{self!r} as {what} would leave the graph, as in {example}; its number is {number}"
        )

    # Operators. A payload applies a row to one operand (_unary) or two (_binary), and makes a node
    # of a number (lift).

    if TYPE_CHECKING:
        data: Any
        grad: Any
        _x: Any
        _y: Any
        _dx: Any
        _dy: Any
        lift: Callable[[Any], Self]
        _unary: Callable[[Op], Self]
        _binary: Callable[[Op, Any], Self]
        apply: Callable[..., Self]

        def __getattr__(self, name: str) -> Callable[..., Self]: ...  # the rows, added below

    def __add__(self, other: Any) -> Self:
        return self._binary(ADD, other)

    def __radd__(self, other: Any) -> Self:
        return self.lift(other)._binary(ADD, self)

    def __sub__(self, other: Any) -> Self:
        return self._binary(SUB, other)

    def __rsub__(self, other: Any) -> Self:
        return self.lift(other)._binary(SUB, self)

    def __mul__(self, other: Any) -> Self:
        return self._binary(MUL, other)

    def __rmul__(self, other: Any) -> Self:
        return self.lift(other)._binary(MUL, self)

    def __truediv__(self, other: Any) -> Self:
        return self._binary(DIV, other)

    def __rtruediv__(self, other: Any) -> Self:
        return self.lift(other)._binary(DIV, self)

    def __pow__(self, other: Any) -> Self:
        return self._binary(POW, other)

    def __rpow__(self, other: Any) -> Self:
        return self.lift(other)._binary(POW, self)

    def __neg__(self) -> Self:
        return self._unary(NEG)

    def __pos__(self) -> Self:
        return self

    def __abs__(self) -> Self:
        return self._unary(ABS)

    # Comparisons look at the data. Equality is identity, so that nodes can be keys.

    def __lt__(self, other: Any) -> Any:
        return self.data < self._data_of(other)

    def __le__(self, other: Any) -> Any:
        return self.data <= self._data_of(other)

    def __gt__(self, other: Any) -> Any:
        return self.data > self._data_of(other)

    def __ge__(self, other: Any) -> Any:
        return self.data >= self._data_of(other)

    def _data_of(self, other: Any) -> Any:
        return self.lift(other).data

    # A copy is of the whole graph under a node, and shares nothing with it.

    __reduce_ex__ = copying.reduce
    __copy__ = copying.copy


def method(op: Op) -> Callable[..., Any]:
    """The row as a method: `x.tanh()`, `x.clip(lo, hi)`, `x.leaky_relu(slope=0.2)`."""
    signature = inspect.signature(op.forward)
    letters = [p.name for p in signature.parameters.values() if p.default is p.empty]

    def unary(self: Node) -> Node:
        return self._unary(op)

    def binary(self: Node, y: Any) -> Node:
        return self._binary(op, y)

    def several(self: Node, *others: Any, **named: Any) -> Node:
        try:
            bound = signature.bind(self, *others, **named)
        except TypeError as problem:
            raise TypeError(f"{op.name} takes {signature}: {problem}") from None
        bound.apply_defaults()
        return self.apply(op, *bound.args)

    arity = len(op.partials)
    f: Any = several if arity > min(len(letters), 2) else binary if arity == 2 else unary
    f.__name__, f.__qualname__ = op.name, f"Node.{op.name}"
    f.__doc__ = f"{op.name}{signature} as one node: the row {op.name!r} of engine.ops."
    first, *others = signature.parameters.values()
    f.__signature__ = signature.replace(parameters=[first.replace(name="self"), *others])
    return f


for _name, _op in ops.ELEMENTWISE.items():
    if _name.isidentifier():
        setattr(Node, _name, method(_op))
