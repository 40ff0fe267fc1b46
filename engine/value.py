"""`Value`: a number that records what it was computed from."""

from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from math import inf
from typing import TYPE_CHECKING, Any, SupportsFloat, TypeGuard, overload

from engine import arithmetic, graph, methods
from engine.graph import CHANGED, PENDING, Sent, deliver
from engine.node import Node, describe_constant
from engine.rules import ELEMENTWISE, ROW_BY_FUNCTION, Op

new = object.__new__


class Value(Node[float]):
    """A node that holds one float and its gradient.

    Operations on Values build a graph, and `backward()` propagates gradients through it. Numbers in
    an operation become constants, which do not require a gradient.

    >>> a, b = Value(2.0), Value(3.0)
    >>> c = a * b
    >>> c.backward()
    >>> c, a.grad, b.grad
    (Value(6.0), 3.0, 2.0)

    `data` is a Python float; anything but a real number raises TypeError. Arithmetic follows
    IEEE 754: `Value(1.0) / 0.0` is inf and `Value(-1.0).log()` is nan, without exceptions.
    Comparisons compare data, but `==` between nodes compares identity, so that nodes can be keys
    of dicts. An operation on an instance of a subclass returns an instance of that subclass,
    without calling its `__init__`; an operation on constants alone returns a constant.

    `Value(data, inputs, derivatives)` makes the result of an operation from its inputs and its
    local derivatives. An operation that is used more than once is better defined as an `Op`.

    >>> y = Value(8.0, [a], [12.0])  # a**3
    >>> y.backward()
    >>> a.grad
    15.0

    NumPy's functions of a Value, such as `np.exp(x)`, are operations of the graph. An ndarray of
    Values is an array of objects, whose elements NumPy computes one by one.
    """

    __slots__ = ()
    if TYPE_CHECKING:

        def __lt__(self, other: "Value | SupportsFloat") -> bool: ...
        def __le__(self, other: "Value | SupportsFloat") -> bool: ...
        def __gt__(self, other: "Value | SupportsFloat") -> bool: ...
        def __ge__(self, other: "Value | SupportsFloat") -> bool: ...

    @overload
    def __init__(self, data: SupportsFloat, label: str | None = None): ...
    @overload
    def __init__(
        self,
        data: SupportsFloat,
        label: "Iterable[Value | SupportsFloat]",  # the inputs
        derivatives: Sequence[SupportsFloat],
    ): ...
    def __init__(
        self, data: SupportsFloat, label: Any = None, derivatives: Any = None, **others: Any
    ):
        if others:
            from engine.support.other_names import refuse_others

            refuse_others(Value.__init__, type(self).__name__, others)
        self._data = as_float(data)
        self._grad = 0.0
        self.op = self._x = self._y = self._dx = self._dy = None
        if derivatives is not None or isinstance(label, tuple | list | set):
            self._set_inputs(label, derivatives)
        elif label is not None:
            self.label = label
        if (observed or reading) and self.op is None:
            graph.observer.leaf(self)

    def _set_inputs(self, inputs: Any, derivatives: Any) -> None:
        """Make this leaf the result of an anonymous row."""
        from engine.support.anonymous import check_derivatives, make_result

        nodes = as_nodes(list(inputs) if isinstance(inputs, set) else inputs)
        check_derivatives(nodes, derivatives)
        if nodes:
            make_result(self, nodes, tuple(map(as_float, derivatives)), observed=observed)

    @property
    def data(self) -> float:
        """The float. Assigning to it does not change graphs that were already computed from it."""
        if reading and (read := graph.observer.override("read")):
            return read(self)
        return self._data

    @data.setter
    def data(self, data: SupportsFloat) -> None:
        self._data = as_float(data)
        ASSIGNED[0] = object()
        if self.op is None:
            graph.observer.assigned(self)

    @property
    def grad(self) -> float:
        """d root / d self, summed over calls of `backward()` for a leaf."""
        if PENDING:
            deliver(self)
        return self._grad

    @grad.setter
    def grad(self, grad: SupportsFloat) -> None:
        if grad is None:
            raise TypeError(f"a Value holds one real number, {NO_GRADIENT}")
        number = as_float(grad)
        if PENDING:
            deliver(self)
        self._grad, CHANGED[0] = number, None
        if self.op is None:
            self._dx = None  # (see `engine.watch.gradient_warnings`)

    @property
    def locals(self) -> tuple[float | None, ...]:
        one_of_several = self.op is not None and self.op._output_index is not None
        return (1.0,) if one_of_several else super().locals

    def __bool__(self) -> bool:
        raise TypeError(
            f"the truth value of {self!r} is ambiguous: compare it, as in x > 0, or test its "
            ".data; where(x > 0, a, b) chooses within the graph"
        )

    def __repr__(self) -> str:
        label = "" if self.label is None else f", {self.label!r}"
        return f"{type(self).__name__}({format_float(self._data)}{label})"

    def __format__(self, spec: str) -> str:
        return format(self.data, spec) if spec else repr(self)

    @staticmethod
    def lift(x: "Value | SupportsFloat") -> "Value":
        """Return a Value unchanged, and a number as a constant.

        Raises TypeError for anything else.

        >>> x = Value(2.0)
        >>> Value.lift(3), Value.lift(x) is x
        (Constant(3.0), True)
        """
        if type(x) is float:
            return Constant(x)
        if isinstance(x, Value):
            return x
        # A number that is recorded (`engine.watch.recorded_number`) remains in the graph.
        follow = getattr(x, "_as_constant", None)
        return follow() if follow else Constant(x)

    # A node is computed together with its local derivatives, so that backward is correct even if an
    # input's data is assigned in the meantime. The fast methods do the same in one function.

    def _unary(self, op: Op) -> "Value":
        x = self._data
        out = op.forward(x)
        dx = None if self.constant else op.partials[0](out, x)
        return make_node(op, self, None, out, dx, None, type(self))

    def _binary(self, op: Op, other: "Value | SupportsFloat") -> Any:
        if is_array_operand(other):
            return apply_to_arrays(op, self, other)
        try:
            other = lift(other)
        except TypeError:
            if not holds_objects(other):
                raise
            return self._map_elements(lambda y: self._binary(op, y), other)
        x, y = self._data, other._data
        out = op.forward(x, y)
        dx, dy = op.partials
        return make_node(
            op, self, other, out,
            None if self.constant else dx(out, x, y),
            None if other.constant else dy(out, x, y),
            type(self) if type(other) is Constant else result_class((type(self), type(other))),
        )  # fmt: skip

    def _reflected(self, op: Op, other: Any) -> Any:
        if is_array_operand(other):
            return apply_to_arrays(op, other, self)
        if holds_objects(other):
            return self._map_elements(lambda y: lift(y)._binary(op, self), other)
        return super()._reflected(op, other)

    @staticmethod
    def apply(op: Op, *args: Any) -> Any:
        """Return the node of `op` applied to nodes and numbers.

        Results of a user's row are converted to floats. Raises TypeError if `op` is not a row, or
        if the number of arguments is wrong.

        >>> from engine.rules import TABLE
        >>> Value.apply(TABLE["hypot"], Value(3.0), 4.0)
        Value(5.0)
        """
        if not isinstance(op, Op) or hasattr(op, "pull"):
            raise TypeError(f"Value.apply expects an Op, a row of engine.rules, got {op!r}")
        if hasattr(op, "_apply_to_values"):
            return op._apply_to_values(*args)
        if any(map(is_array_operand, args)):
            return apply_to_arrays(op, *args)
        inputs = tuple([lift(x) for x in op._with_defaults(args)])
        data = [x._data for x in inputs]
        out = op.forward(*data)
        slopes = tuple(map(as_float, op.locals(out, *data)))
        return make_node(
            op, inputs, None, as_float(out), slopes, None, result_class(map(type, inputs))
        )

    def _data_of(self, other: Any) -> Any:
        if is_array_operand(other):
            return getattr(other, "_data", other)
        try:
            return lift(other).data
        except TypeError:
            if not holds_objects(other):
                raise
            return self._map_elements(self._data_of, other)

    def backward(self) -> None:
        """Compute d self / d node for every node under this Value, as its `.grad`.

        Overwrites the gradients of interior nodes and adds to those of leaves until `zero_grad()`.
        If Ctrl-C interrupts it, some leaves have already received contributions: set their
        gradients to 0 before calling it again.

        >>> x = Value(3.0)
        >>> (x**3).backward()
        >>> x.grad
        27.0

        Raises ValueError for a constant, from which no gradient can flow.
        """
        if self.constant:
            raise ValueError(f"backward {describe_constant(self)}")
        run = graph.observer.override("backward") if observed else None
        (run or (graph.backward_by_walk if INPUTS.get() else graph.backward))(self)

    def _one(self) -> float:
        return 1.0

    def _receive(self, contribution: float) -> None:
        if PENDING:
            deliver(self)
        self._grad += contribution
        CHANGED[0] = None

    def _send(self, g: float) -> list[Sent]:
        """Return the contributions to the inputs for a gradient g of this node."""
        x, dx, dy = self._x, self._dx, self._dy
        if x is None:
            return []
        if type(x) is tuple:
            pairs = zip(x, dx, strict=True)
            return [Sent(to, local, g * local) for to, local in pairs if not to.constant]
        if self.op._output_index is not None:  # type: ignore[union-attr]
            return [Sent(x, None, x._only(self.op._output_index, g))]  # type: ignore[union-attr]
        sent = [] if dx is None else [Sent(x, dx, g * dx)]
        return sent if dy is None else [*sent, Sent(self._y, dy, g * dy)]

    _contributions = _send  # its name in the backward pass of an Array

    def _outdated(self, i: int) -> bool:
        """Return whether recomputing this node would give another number."""
        op: Any = self.op
        now = op.forward(*op.unflatten([x._data for x in self.inputs]))
        return now != self._data and not (now != now and self._data != self._data)


class Constant(Value):
    """A leaf that does not require a gradient, such as a number in an operation; `.grad` is 0.

    >>> (Value(3.0) * 2.0).inputs
    (Value(3.0), Constant(2.0))
    """

    __slots__ = ()
    constant = True

    @property
    def grad(self) -> float:
        return 0.0

    @grad.setter
    def grad(self, grad: SupportsFloat) -> None:
        pass


def result_class(classes: Iterable[type[Value]]) -> type[Value]:
    """Return the class of an operation's result, given those of its inputs.

    It is the first subclass of Value, else Value, or a constant's if all inputs are constants.
    """
    kinds = [*dict.fromkeys(classes)] or [Constant]
    first = next((kind for kind in kinds if kind not in (Value, Constant)), kinds[0])
    requires_grad = first.constant and not all(kind.constant for kind in kinds)
    return first._counterpart if requires_grad else first


def make_node(
    op: Op,
    x: "Node | tuple[Node, ...] | None",
    y: "Node | tuple[Node, ...] | None",
    out: float,
    dx: "float | tuple[float, ...] | None",
    dy: float | None,
    kind: type[Value] = Value,
) -> Value:
    """Return a new node with its operation, inputs, data and local derivatives."""
    node = new(kind)
    node.op, node._x, node._y = op, x, y
    node._data, node._grad = out, 0.0
    node._dx, node._dy = dx, dy
    return graph.observer.made(node) if observed else node


observed = reading = False  # set by `engine.watch.hooks`
ASSIGNED = [object()]  # replaced at each assignment to `data`
NO_GRADIENT = (
    "got None; does the function that made it return its result? x.zero_grad() sets a gradient to 0"
)
lift = Value.lift

# The inputs of the functions that are being differentiated. A result that depends on one of them
# stays a node, so that derivatives nest. Within these functions, Values and arrays may mix.
INPUTS: ContextVar[frozenset[Node]] = ContextVar("inputs", default=frozenset())


def is_array_operand(x: Any) -> bool:
    """Return whether `x` is an array, within a function that is being differentiated."""
    if not INPUTS.get() or reading:
        return False
    return is_array(x) or bool(getattr(x, "shape", ()) and not holds_objects(x))


def is_array(x: object) -> TypeGuard[Any]:
    """Return whether `x` is an Array, without importing that class, which requires NumPy."""
    return isinstance(x, Node) and x._zero is None


def lift_element(x: Any) -> Value:
    """Return an element of a sequence as a Value. It may be an Array of one element."""
    return x._element() if is_array(x) and x.size == 1 else lift(x)


def apply_to_arrays(op: Op, *args: Any) -> Any:
    """Return the node of `op` with an Array in place of each Value."""
    operands = Node._join_values(args)
    return next(filter(is_array, operands)).apply(op, *operands)


def choose(condition: Value | bool, x: Value | float, y: Value | float) -> Value | float:
    """Return x or y, chosen by the number of the condition: `where` in derivatives of nodes."""
    return x if (condition._data if isinstance(condition, Value) else condition) else y


VALUES: dict[str, Callable[..., Any]] = {
    **ELEMENTWISE,
    **ROW_BY_FUNCTION,
    "where": choose,
}
arithmetic.register(Value, VALUES)


def as_nodes(xs: Iterable[Value | SupportsFloat]) -> tuple[Value, ...]:
    """Return nodes, with numbers as constants; raise TypeError if `xs` is not a sequence."""
    if type(xs) is not list and type(xs) is not tuple:
        from engine.support.arguments import check_sequence

        xs = check_sequence(xs)
    if INPUTS.get():
        return tuple([x if type(x) is Value else lift_element(x) for x in xs])
    return tuple(map(lift, xs))


def holds_objects(x: Any) -> bool:
    """Return whether `x` is an array of objects, such as Values: NumPy works on each of them."""
    return getattr(x, "dtype", None) == "object"


def as_float(x: object) -> float:
    """Return `x` as a Python float; raise TypeError if it is not a real number.

    Real numbers are ints, floats, bools, fractions, NumPy scalars and 0-d arrays. Ints beyond the
    range of floats become inf or -inf.
    """
    if type(x) is float:
        return x
    if type(x) is int:
        try:
            return float(x)
        except OverflowError:
            return inf if x >= 0 else -inf
    if isinstance(x, float):  # such as np.float64
        return float(x)
    from engine.support.arguments import check_real

    return check_real(x)


def format_float(x: float) -> str:
    return repr(float(f"{x:.6g}"))


Value._counterpart, Constant._counterpart = Constant, Value
methods.install(Value, Constant)
