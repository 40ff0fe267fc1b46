"""`Node`: the base class of `Value` and `Array`."""

import sys
from collections import ChainMap
from collections.abc import Callable, Iterable
from importlib import import_module
from numbers import Integral, Number
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self, TypeVar

from engine.methods import Methods
from engine.rules import ROUND, WHERE, Op


class Absent:
    """An attribute of another library's nodes. Its AttributeError names the counterpart.

    Nodes have no `__dict__`, and Python's error for an assignment would have no remedy. Nodes of a
    subclass with a `__dict__` may have the attribute.
    """

    def __init__(self, name: str):
        self.name = name

    def __get__(self, node: Any, owner: type) -> Any:
        attributes = getattr(node, "__dict__", {})
        if self.name in attributes:
            return attributes[self.name]
        raise AttributeError(self.name)  # `Node.__getattr__` has the message

    def __set__(self, node: Any, x: Any) -> None:
        self._attributes_of(node)[self.name] = x

    def __delete__(self, node: Any) -> None:
        if self._attributes_of(node).pop(self.name, self) is self:
            node.__getattr__(self.name)

    def _attributes_of(self, node: Any) -> dict[str, Any]:
        return node.__dict__ if hasattr(node, "__dict__") else node.__getattr__(self.name)


def list_present(kind: type, names: Iterable[str]) -> list[str]:
    """Return names for `dir()`, without the attributes that nodes of a class do not have."""
    attributes = ChainMap(*[dict(vars(base)) for base in kind.__mro__])
    absent = {name for name, x in attributes.items() if isinstance(x, Absent)}
    return [name for name in names if name not in absent and name != "_mask"]  # `_mask` raises


class NodeType(type):
    """The class of node classes: `dir()` does not list the attributes that nodes do not have."""

    def __dir__(cls) -> list[str]:
        return list_present(cls, super().__dir__())


class ForNumPy:
    """A method of nodes for NumPy, which a module of `engine.arrays` supplies on first use."""

    def __init__(self, function: str, module: str = "numpy_protocol"):
        self.function, self.module = function, module

    def __set_name__(self, owner: type, name: str) -> None:
        self.owner, self.name = owner, name

    def __get__(self, node: Any, owner: type) -> Any:
        try:
            f = getattr(import_module(f"engine.arrays.{self.module}"), self.function)
        except ModuleNotFoundError as problem:
            raise AttributeError(f"{self.name} requires NumPy") from problem
        setattr(self.owner, self.name, f)
        return f.__get__(node, owner)


DataT = TypeVar("DataT")  # of a node: a float, an array, or a tuple of several results


class Node(Methods, Generic[DataT], metaclass=NodeType):
    """A node of a graph, with its data, its gradient, its operation and its inputs.

    A payload (`Value`, `Array`) defines the data and how a row is applied to it. The inputs of a
    unary or binary operation are in the slots `_x` and `_y`, those of other operations in a tuple
    in `_x`; likewise the local derivatives in `_dx` and `_dy`. Python's garbage collector therefore
    visits a single object per node. In a scalar graph these visits cost more than anything else
    (see `make bench`).
    """

    __slots__ = (
        "__weakref__", "_data", "_dx", "_dy", "_grad", "_label", "_origin", "_x", "_y", "op",
    )  # fmt: skip
    __pandas_priority__ = 5000  # operators of a Series and a DataFrame defer to nodes
    __array_ufunc__: Any = ForNumPy("value_ufunc")
    __array_function__: Any = ForNumPy("value_function")
    _map_elements: Any = ForNumPy("map_elements")
    _join_values: Any = ForNumPy("join_values", "mixed")  # called with all operands
    _element: Any = ForNumPy("element", "mixed")

    op: Op | None
    constant = False  # a constant does not require a gradient
    _zero: Any = 0.0  # the gradient before any contribution
    _counterpart: Any = None  # of the class of leaves, that of constants, and vice versa
    _stands_for: Any = None  # the Values whose numbers an Array of parameters contains

    if TYPE_CHECKING:  # supplied by each payload
        data: DataT
        grad: DataT
        _data: DataT
        _grad: Any
        _origin: Any
        _x: Any
        _y: Any
        _dx: Any
        _dy: Any
        lift: Callable[[Any], Self]  # a number as a constant node
        _unary: Callable[[Op], Self]  # apply a row of one input
        _binary: Callable[[Op, Any], Self]
        _one: Callable[[], DataT]  # the gradient of a root
        apply: Callable[..., Self]
        backward: Callable[[], None]

    @property
    def label(self) -> str | None:
        """The name of the node in drawings and messages, or None.

        Raises TypeError for anything but a string or None.
        """
        return getattr(self, "_label", None)

    @label.setter
    def label(self, label: str | None) -> None:
        if label is not None and not isinstance(label, str):
            from engine.support.arguments import numpy_type

            is_dtype = isinstance(label, (type, *numpy_type("dtype"))) and hasattr(self, "shape")
            remedy = f"; write dtype={getattr(label, '__name__', str(label))!r}" if is_dtype else ""
            raise TypeError(f"a label must be a string, got {label!r}{remedy}")
        self._label = label

    @property
    def inputs(self) -> tuple[Self, ...]:
        """The nodes from which this one was computed, in order and with repeats; () for a leaf."""
        x, y = self._x, self._y
        if type(x) is tuple:
            return x
        return () if x is None else (x,) if y is None else (x, y)

    @property
    def locals(self) -> tuple[Any, ...]:
        """d self / d input for each input, computed together with the node; None for a constant."""
        slopes = self._dx if type(self._x) is tuple else (self._dx, self._dy)
        return tuple(
            None if x.constant else slope for x, slope in zip(self.inputs, slopes, strict=False)
        )

    @property
    def origin(self) -> Any:
        """The line of code that made this node, or None if `record_origins()` was not active."""
        origin = getattr(self, "_origin", None)
        return getattr(origin, "origin", origin)  # a mark of `engine.watch.scopes` contains it

    @property
    def requires_grad(self) -> bool:
        """False for a constant. Assign False to freeze a leaf, and True to unfreeze it.

        A frozen leaf is a constant. Set it before recording a tape and before computing a graph.
        Raises ValueError for a computed node.

        >>> from engine import Value
        >>> w = Value(2.0)
        >>> w.requires_grad = False
        >>> w
        Constant(2.0)
        """
        return not self.constant

    @requires_grad.setter
    def requires_grad(self, flag: bool) -> None:
        from engine.support.freezing import set_requires_grad

        set_requires_grad(self, flag)

    def detach(self) -> Self:
        """Return a constant with the node's data, through which no gradient flows.

        >>> from engine import Value
        >>> x = Value(3.0)
        >>> y = x * x.detach()
        >>> y.backward()
        >>> x.grad
        3.0
        """
        return self.lift(self.data)

    def _without_graph(self) -> Self:
        """Return the node's data as a constant that takes its place under `no_grad`."""
        return self.lift(self._data)

    def zero_grad(self) -> None:
        """Set `.grad` to 0.

        >>> from engine import Value
        >>> x = Value(3.0)
        >>> (x * x).backward()
        >>> x.zero_grad()
        >>> x.grad
        0.0
        """
        self.grad = 0.0  # type: ignore[assignment] # fills an Array

    def __getattr__(self, name: str) -> Any:
        if name in Node.__slots__ or name.startswith("__"):  # NumPy asks each node for several
            raise AttributeError(name)
        from engine.support.other_names import describe_missing, find_for_numpy

        if method := find_for_numpy(self, name):
            return method
        raise AttributeError(describe_missing(self, name), name=name, obj=self)

    def __dir__(self) -> list[str]:
        return list_present(type(self), super().__dir__())

    def where(self, condition: Any, y: Any) -> Self:
        """Return this node where the condition holds, else y; the gradient goes to the chosen one.

        The condition is a bool, an array of bools, or a node, which holds where it is not 0.

        >>> from engine import Value
        >>> x = Value(-2.0)
        >>> x.where(x > 0.0, 0.1 * x)
        Value(-0.2)
        """
        return self.apply(WHERE, condition, self, y)

    def round(self, decimals: int = 0) -> Self:
        """Return the data rounded to a number of decimals, or to tens for -1.

        The gradient is 0. Ties are rounded to the even digit.

        >>> from engine import Value
        >>> Value(2.5).round(), Value(1.25).round(decimals=1)
        (Value(2.0), Value(1.2))
        """
        if not isinstance(decimals, Integral):
            raise TypeError(f"round expects a whole number of decimals, got {decimals!r}")
        scale = 10.0 ** abs(decimals)
        if decimals > 0:
            return (self * scale)._unary(ROUND) / scale
        return (self / scale)._unary(ROUND) * scale if decimals else self._unary(ROUND)

    def isnan(self) -> Any:
        """Return whether the number is nan, as a bool; for an Array an array of bools.

        >>> from engine import Value
        >>> Value(-1.0).log().isnan()
        True
        """
        return self.data != self.data

    def _reflected(self, op: Op, other: Any) -> Self:
        """Return the row of an operator with this node as the right operand."""
        return self.lift(other)._binary(op, self)

    def __divmod__(self, other: Any) -> tuple[Self, Self]:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> tuple[Self, Self]:
        return other // self, other % self

    # Conversions would leave the graph, so they raise. So does numpy.ma, which reads `_data` and
    # `_mask` of its operands.

    @property
    def _mask(self) -> NoReturn:
        raise TypeError(
            f"numpy.ma would lose the graph of {self!r}; use the functions of NumPy itself, and "
            "m.filled(0.0) or where(m.mask, ..., ...) in place of a masked array m"
        )

    def __float__(self) -> float:
        raise self._conversion_error("a float")

    def __int__(self) -> int:
        raise self._conversion_error("an int")

    def __trunc__(self) -> int:
        raise self._conversion_error("an int")

    def __round__(self, digits: int | None = None) -> float:
        raise self._conversion_error("a rounded number")

    def _conversion_error(self, kind: str) -> TypeError:
        from engine.support.conversions import conversion_error

        return conversion_error(self, kind, sys._getframe(2))

    def __pos__(self) -> Self:
        return self

    # Comparisons compare data. Nodes are equal only to themselves, so that they can be keys of
    # dicts; `==` compares the data with a number or a NumPy array.

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> Any:
        """Compare the data with a number or an array; nodes are equal only to themselves.

        Two nodes with the same data are therefore different keys of a dict.

        >>> from engine import Value
        >>> x = Value(2.0)
        >>> x == 2.0, x == x, x == Value(2.0), x.data == Value(2.0).data
        (True, True, False, True)
        """
        return self.data == other if is_data(other) else NotImplemented

    def __ne__(self, other: object) -> Any:
        """Return the opposite of `==`.

        >>> from engine import Value
        >>> Value(2.0) != 2.0, Value(2.0) != Value(2.0)
        (False, True)
        """
        return self.data != other if is_data(other) else NotImplemented

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

    # Copying a node copies the whole graph under it.

    def __reduce_ex__(self, protocol: Any) -> Any:
        from engine.support.copying import reduce

        return reduce(self)

    def __copy__(self) -> Self:
        from engine.support.copying import copy

        return copy(self)


def describe_constant(x: object) -> str:
    """Return the end of an error message for a function that requires a gradient."""
    return (
        f"expects a node that requires a gradient, got {x!r}; numbers, results of detach(), "
        "results under no_grad() and results of constants alone do not"
    )


def is_data(x: object) -> bool:
    """Return whether `x` is a number or a NumPy array."""
    return isinstance(x, Number) or (hasattr(x, "__array__") and not isinstance(x, Node | type))
