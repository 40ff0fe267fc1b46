"""`Value`: a number that remembers what it was computed from."""

import math
import numbers
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from engine import graph
from engine.arguments import sequence
from engine.graph import Sent
from engine.node import Node
from engine.ops import ManyOp, Op, flat
from engine.remarks import assigned, used


class Value(Node):
    """A scalar node: a float, its gradient, and the operation and inputs it came from.

    Operations on Values build a graph; `backward()` sends gradients through it (chapter 02, 4 and
    9.3). Numbers that meet a Value become constants, which ask for no gradient.

    >>> a, b = Value(2.0), Value(3.0)
    >>> c = a * b
    >>> c.backward()
    >>> c, a.grad, b.grad
    (Value(6.0), 3.0, 2.0)

    `data` is a Python float, always; TypeError for what is not a real number. Arithmetic follows
    IEEE 754: `Value(1.0) / 0.0` is inf, `Value(-1.0).log()` is nan, nothing raises. `<` and `>`
    compare the numbers; `==` asks whether two names are of one node, so that nodes can be keys.
    """

    __slots__ = ()

    def __init__(self, data: Any, label: str | None = None):
        self._data = number(data)
        self._grad = 0.0
        self.label = known_label(label)
        self.op = self._x = self._y = self._dx = self._dy = None

    @property
    def data(self) -> float:
        """The number. Graphs that used it stay as they were computed when it is assigned to."""
        return self._data

    @data.setter
    def data(self, data: Any) -> None:
        self._data = number(data)
        ASSIGNED[0] += 1
        if self.op is None:
            used(self) if self._grad else assigned(self)

    @property
    def grad(self) -> float:
        """d root / d self, for the roots that `backward()` was called on."""
        return self._grad

    @grad.setter
    def grad(self, grad: Any) -> None:
        if grad is None:
            raise TypeError(f"a Value holds one real number, {NO_GRADIENT}")
        self._grad = number(grad)
        if self.op is None:
            self._dx = None  # what backward adds from now on is another gradient

    def __bool__(self) -> bool:
        raise TypeError(
            f"{self!r} is neither true nor false: compare it, as in x > 0, or ask its .data; "
            "where(x > 0, a, b) chooses in the graph"
        )

    def __repr__(self) -> str:
        shown = repr(float(f"{self._data:.6g}"))
        label = "" if self.label is None else f", {self.label!r}"
        return f"{type(self).__name__}({shown}{label})"

    def __format__(self, spec: str) -> str:
        return format(self._data, spec) if spec else repr(self)

    @staticmethod
    def lift(x: Any) -> "Value":
        """`x` as a node: itself, or a constant for a number."""
        return x if isinstance(x, Value) else Constant(x)

    # A node is computed together with its local derivatives: what they were then is what backward
    # multiplies by, whatever happens to the inputs' data in between.

    def _unary(self, op: Op) -> "Value":
        x = self._data
        node = new(Value)
        node.op, node.label = op, None
        node._x, node._y = self, None
        node._data = out = op.forward(x)
        node._grad = 0.0
        (dx,) = op.partials
        node._dx = None if self.constant else dx(out, x)
        node._dy = None
        return node

    def _binary(self, op: Op, other: Any) -> "Value":
        if not isinstance(other, Value):
            other = Constant(other)
        x, y = self._data, other._data
        node = new(Value)
        node.op, node.label = op, None
        node._x, node._y = self, other
        node._data = out = op.forward(x, y)
        node._grad = 0.0
        dx, dy = op.partials
        node._dx = None if self.constant else dx(out, x, y)
        node._dy = None if other.constant else dy(out, x, y)
        return node

    @staticmethod
    def _many(op: Op, inputs: tuple["Value", ...], out: float, local: tuple[float, ...]) -> "Value":
        node = new(Value)
        node.op, node.label = op, None
        node._x, node._y = inputs, None
        node._data = out
        node._grad = 0.0
        node._dx, node._dy = local, None
        return node

    @staticmethod
    def apply(op: Op, *args: Any) -> "Value":
        """The node of `op` over nodes and numbers; over sequences of them where the row says so.

        The row may be a user's: whatever numbers it computes with, what it returns become floats.
        """
        if not isinstance(op, Op) or hasattr(op, "pull"):
            raise TypeError(f"what is applied to Values is an Op, a row of engine.ops, got {op!r}")
        if len(args) < op.arity and op.forward.__defaults__:
            args += op.forward.__defaults__[len(args) - op.arity :]
        if len(args) != op.arity:
            raise TypeError(f"{op.name} takes {op.arity} arguments, got {len(args)}")
        many = isinstance(op, ManyOp)
        args = tuple([nodes(a) if many and isinstance(a, (list, tuple)) else lift(a) for a in args])
        data = [[x._data for x in arg] if type(arg) is tuple else arg._data for arg in args]
        try:
            out = op.forward(*data)
        except TypeError:  # perhaps of a number where the row goes through a sequence
            if isinstance(op, ManyOp):
                op.check_sequences(args)
            raise
        local = op.locals(out, *data)
        if len(local) != len(args):
            raise ValueError(f"{op.name} has {len(args)} arguments, but {len(local)} slopes")
        slopes: list[float] = []
        for arg, slope in zip(args, local, strict=True):
            if type(arg) is not tuple:
                slopes.append(number(slope))
            elif not hasattr(slope, "__len__"):
                raise TypeError(f"{op.name} has the slope {slope!r} for a sequence; give a list")
            elif len(arg) == len(slope):
                slopes.extend(map(number, slope))
            else:
                raise ValueError(f"{op.name} has {len(slope)} slopes for {len(arg)} inputs")
        return Value._many(op, tuple(flat(args)), number(out), tuple(slopes))

    def backward(self) -> None:
        """Fill `.grad` of everything under this Value with d self / d node.

        Overwrites the gradient of interior nodes and adds to that of leaves, so that a second call
        doubles them until `zero_grad()`. Cut short, as by Ctrl-C, it leaves some of them added to:
        with the leaves' at 0 again, it can be called anew.

        >>> x = Value(3.0)
        >>> (x**3).backward()
        >>> x.grad
        27.0
        """
        graph.backward(self)

    def begun(self) -> list[Any]:
        """The graph in order, after what is to be said before a backward pass."""
        return graph.begun(self)

    def sent(self, g: float) -> list[tuple[Any, float]]:
        """What the chain rule would send to each input, were g the gradient here."""
        pairs = zip(self.inputs, self.locals, strict=True)
        return [(x, g * local) for x, local in pairs if local is not None]

    def outdated(self, i: int) -> bool:
        """Whether it would be another number if it were computed anew."""
        op: Any = self.op
        now = op.forward(*op.group([x._data for x in self.inputs]))
        return now != self._data and not (now != now and self._data != self._data)

    def ones(self) -> float:
        """d self / d self."""
        return 1.0

    def receive(self, contribution: float) -> None:
        """Add what arrived to the gradient."""
        self._grad += contribution

    def sends(self) -> Iterator[Sent]:
        """What the chain rule sends to each input: the gradient here times the local derivative."""
        for each, local in zip(self.inputs, self.locals, strict=True):
            if local is not None:
                yield Sent(each, local, self._grad * local)


class Constant(Value):
    """A number that met a Value: a leaf that asks for no gradient; its `.grad` stays 0.

    >>> (Value(3.0) * 2.0).inputs
    (Value(3.0), Constant(2.0))
    """

    __slots__ = ()
    constant = True

    @property
    def grad(self) -> float:
        return 0.0

    @grad.setter
    def grad(self, grad: Any) -> None:
        pass


ASSIGNED = [0]  # how often a number was assigned: where it stands still, none has changed

new = object.__new__
NO_GRADIENT = (
    "got None; does the function that made it return its result? x.zero_grad() makes a gradient 0"
)
lift = Value.lift


def nodes(xs: Iterable[Any]) -> tuple[Value, ...]:
    """Each as a node; numbers become constants. TypeError for what is no sequence."""
    return tuple(map(lift, sequence(xs)))


def number(x: Any) -> float:
    """`x` as a Python float; TypeError that says what to do for what is not a real number.

    Takes ints, floats, bools, fractions, NumPy scalars and arrays of no dimensions. An int beyond
    the floats' range is inf, as IEEE 754 rounds it.
    """
    if type(x) is float:
        return x
    if (isinstance(x, numbers.Real | np.bool_) and not isinstance(x, np.timedelta64)) or (
        isinstance(x, np.ndarray) and x.ndim == 0 and x.dtype.kind in "fiub"
    ):
        try:
            return float(x)
        except OverflowError:
            return math.inf if x >= 0 else -math.inf  # type: ignore[operator]
    raise TypeError(f"a Value holds one real number, got {described(x)}")


def known_label(label: Any) -> str | None:
    """A string or None; TypeError for anything else."""
    if label is not None and not isinstance(label, str):
        raise TypeError(f"a label is a string, got {label!r}")
    return label


def described(x: Any) -> str:
    """What was given in place of a number, and the remedy."""
    if isinstance(x, str):
        return f"the string {x!r}; convert it first: float({x!r})"
    if x is None:
        return "None; does the function that made it return its result?"
    if isinstance(x, numbers.Complex | np.complexfloating):
        return f"the complex number {x!r}; take its .real or .imag"
    if isinstance(x, np.ndarray):
        return f"an array of shape {x.shape}; use Array, or make one Value per element"
    if isinstance(x, list | tuple | dict | set):
        return f"a {type(x).__name__} of {len(x)}; make one Value per element"
    if isinstance(x, Node):
        return f"{x!r}, which is a node already; its number is .data"
    return f"{x!r} of type {type(x).__name__}; convert it with float() first"
