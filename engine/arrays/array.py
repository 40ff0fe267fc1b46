"""`Array`: an array of numbers that remembers what it was computed from."""

from collections.abc import Iterable
from numbers import Integral
from typing import Any

import numpy as np

from engine import arithmetic, graph
from engine.arrays.arguments import check_elementwise, dtype_of, mismatch, numbers, read_only, shown
from engine.arrays.arithmetic import DTYPE
from engine.arrays.methods import ArrayMethods
from engine.arrays.rules import BROADCAST_TO, CONCATENATE, MAX, SCATTER, ArrayOp, unbroadcast
from engine.graph import InGraph, Sent, reverse_pass, topological
from engine.node import Node
from engine.rules import DIV, ELEMENTWISE, POW, WHERE, Op
from engine.sequences import BUILT_IN, ManyOp
from engine.support.arguments import sequence
from engine.support.frames import describe_failure
from engine.value import NO_GRADIENT
from engine.watch import hooks


class Array(ArrayMethods):
    """An array node: numbers, their gradients, and the operation and inputs they came from.

    The same graph, rules and backward pass as `Value`, with whole arrays at each node; operations
    broadcast as NumPy's do. Numbers and plain arrays that meet an Array become constants of its
    dtype: no gradient is computed for them.

    >>> W, x = Array([[1.0, 2.0], [3.0, 4.0]]), np.array([10.0, 100.0])
    >>> (W @ x).sum().backward()
    >>> W.grad
    array([[ 10., 100.],
           [ 10., 100.]])

    `data` is a NumPy array of float32 or float64. It keeps its shape and dtype, and what is made of
    it has that dtype too; two Arrays of unlike dtype do not mix until `astype` makes them alike.
    Lists and whole numbers become float64. What is given is copied, but what is assigned to `data`
    is not. Arithmetic follows IEEE 754: inf and nan, no warning. TypeError for what is not real
    numbers, ValueError for shapes that do not fit.

    A graph keeps the arrays it was computed from: assigning `p.data = ...` leaves it right, but to
    change one in place (`p.data[0] = ...`, `p.data += ...`) changes what backward multiplies by.
    """

    __slots__ = ()
    _zero = None

    def __init__(self, data: Any, label: str | None = None):
        self._data = np.array(numbers(data), order="C")
        self._grad: Any = None
        self.label = label
        self.op = self._x = self._y = self._dx = self._dy = None
        if hooks.observed:
            graph.observer.leaf(self)

    @property
    def data(self) -> np.ndarray:
        """The numbers. Graphs that used them stay as they were computed when it is assigned to."""
        return self._data

    @data.setter
    def data(self, data: Any) -> None:
        fitting = self._fitting(data, "data")
        # Changed in place, as by x.data -= ...: another object, by which older graphs know.
        self._data = fitting.view() if fitting is self._data else fitting
        if self.op is None:
            graph.observer.assigned(self)

    @property
    def grad(self) -> np.ndarray:
        """d root / d self, for the roots that `backward()` was called on; of the data's shape."""
        return np.zeros_like(self._data) if self._grad is None else self._grad

    @grad.setter
    def grad(self, grad: Any) -> None:
        if grad is None:
            raise TypeError(
                f"an Array holds real numbers, in lists of equal lengths, {NO_GRADIENT}"
            )
        none = isinstance(grad, float) and grad == 0.0
        self._grad = None if none else self._fitting(grad, "grad")
        if self.op is None:
            self._dx = None  # what backward adds from now on is another gradient

    def _fitting(self, new: Any, what: str) -> np.ndarray:
        """`new` in this Array's dtype; ValueError unless it is one number or of this shape."""
        found = numbers(new, self._data.dtype)
        if found.shape != self._data.shape:
            if found.ndim:
                raise ValueError(f"{what} of shape {found.shape} for {shown(self)}")
            found = np.full_like(self._data, found)
        return found if found.flags.carray else np.array(found, order="C")

    def __repr__(self) -> str:
        text = np.array2string(self._data, prefix=f"{type(self).__name__}(", separator=", ")
        dtype = "" if self.dtype == np.float64 else f", dtype={self.dtype}"
        label = "" if self.label is None else f", {self.label!r}"
        return f"{type(self).__name__}({text}{dtype}{label})"

    def __format__(self, spec: str) -> str:
        """`f"{loss:.3f}"` for one number; ValueError for a spec and several."""
        if spec and self.size != 1:
            raise ValueError(f"format {spec!r} is for one number, got {shown(self)}; format .data")
        return format(self._data.item(), spec) if spec else repr(self)

    def __setitem__(self, index: Any, x: Any) -> None:
        raise TypeError(
            f"an Array is not changed in part, got [{index!r}] = {x!r}: where(condition, x, y) "
            "chooses in the graph, and a leaf gets other .data before a graph is made of it"
        )

    def __bool__(self) -> bool:
        raise TypeError(f"an Array is neither true nor false, got {shown(self)}; ask its .data")

    @staticmethod
    def lift(x: Any) -> "Array":
        """`x` as a node: itself, or a constant."""
        return x if isinstance(x, Array) else ConstantArray(x)

    def _data_of(self, other: Any) -> np.ndarray:
        x = self.lift(other)
        return x._data.astype(self._data.dtype, copy=False) if x.constant else x._data

    # ------------------------------------------------------------------------- how a row is applied

    @staticmethod
    def apply(op: Any, *args: Any, **settings: Any) -> "Array":
        """The node of `op` over Arrays, plain arrays and numbers.

        What backward needs are the inputs' data as they are now: they are kept beside the inputs.
        """
        if not isinstance(op, Op):
            raise TypeError(f"what is applied to Arrays is an Op, a row of a table, got {op!r}")
        if isinstance(op, ManyOp):
            raise TypeError(
                f"{op.name} is a row over sequences of Values; those of Arrays: engine.arrays.rules"
            )
        if isinstance(op, ArrayOp):
            op, settings = op.row, {**op.settings, **settings}
            if not args or (len(args) > op.arity and not op.many):
                raise TypeError(f"{op.name} takes {op.arity} Arrays, got {len(args)}")
        else:
            if len(args) < op.arity and op.forward.__defaults__:
                args += op.forward.__defaults__[len(args) - op.arity :]
            if len(args) != op.arity:
                raise TypeError(f"{op.name} takes {op.arity} arguments, got {len(args)}")
        inputs = tuple([x if isinstance(x, Array) else ConstantArray(x) for x in args])
        dtype = dtype_of(op, inputs)
        with np.errstate(all="ignore"):
            data = tuple([x._data.astype(dtype, copy=False) for x in inputs])
            users = not isinstance(op, ArrayOp) and op not in BUILT_IN
            try:
                given = map(read_only, data) if users else data
                out = run(op.forward, dtype, *given, **settings)
            except (ValueError, IndexError, TypeError) as problem:
                if isinstance(problem, TypeError) and users:
                    raise takes_no_arrays(op, problem) from problem
                if isinstance(problem, TypeError) and not settings:  # a fault of the formula
                    raise
                kind = TypeError if isinstance(problem, TypeError) else type(problem)
                raise kind(mismatch(op, inputs, settings, problem)) from None
        if users:
            check_elementwise(op, out, data)
            out = np.array(out)  # perhaps one of its inputs
        node = new(ConstantArray if all(x.constant for x in inputs) else Array)
        node.op = op.with_settings(**settings) if settings else op
        node._data = numbers(out, None if isinstance(op, ArrayOp) else dtype)
        node._grad = node._y = node._dy = None
        node._x, node._dx = inputs, data
        return graph.observer.made(node) if hooks.observed else node

    def _unary(self, op: Op) -> "Array":
        return self.apply(op, self)

    def _binary(self, op: Op, other: Any) -> "Array":
        return self.apply(op, self, other)

    # ---------------------------------------------------------------------------- the backward pass

    def backward(self) -> None:
        """Fill `.grad` of everything under this Array with d self / d node.

        Overwrites the gradient of interior nodes and adds to that of leaves. ValueError unless this
        Array is one number, of whatever shape: gradients are of one number.

        >>> x = Array([1.0, 2.0, 3.0])
        >>> (x**2).sum().backward()
        >>> x.grad
        array([2., 4., 6.])
        """
        if self.size != 1:
            raise ValueError(
                f"backward starts at one number, got {shown(self)}; take its .sum() or .mean()"
            )
        if hooks.observed and (run := graph.observer.override("backward")):
            run(self)
            return
        order = topological(self)
        again = any(node.op is not None and node._grad is not None for node in order)
        graph.observer.before_backward(self, order, again)
        for node in order:
            if node.op is not None:
                node._grad = None
        self._receive(self._one())
        senders = [node for node in order if node.op is not None and not node.constant]
        with np.errstate(all="ignore"):
            for _ in reverse_pass(reversed(senders), InGraph, Array._send_quietly):
                pass

    def _outdated(self, i: int) -> bool:
        """Return whether its input i has other numbers than it was computed from."""
        now, then = self._x[i]._data, self._dx[i]
        if now is then:
            return False
        return self._overwritten(i) or not np.array_equal(now, then, equal_nan=True)

    def _overwritten(self, i: int) -> bool:
        """Return whether the numbers of its input i were changed in place, and are lost."""
        now, then = self._x[i]._data, self._dx[i]
        return now is not then and np.may_share_memory(now, then)

    def _one(self) -> np.ndarray:
        return np.ones_like(self._data)

    def _receive(self, contribution: np.ndarray) -> None:
        """Add to the gradient; that of a leaf is its own array, not a view of another."""
        if self._grad is not None:
            with np.errstate(all="ignore"):
                contribution = np.add(self._grad, contribution, order="C")
        elif self.op is None and not (contribution.base is None and contribution.flags.carray):
            contribution = np.array(contribution, order="C")
        self._grad = np.asarray(contribution, self._data.dtype)

    def _send(self, g: np.ndarray) -> list[Sent]:
        """Return the contributions to each input, for a gradient g of this node.

        A row that works element by element multiplies by its local derivative. Other rows have no
        local derivatives, but a pullback.
        """
        with np.errstate(all="ignore"):
            return [] if self.op is None else self._send_quietly(g)

    def _send_quietly(self, g: np.ndarray) -> list[Sent]:
        g = g.view()  # by whose base `_receive` knows what was passed on as it came
        return [
            Sent(x, *self._pulled(i, g, x._data.shape))
            for i, x in enumerate(self._x)
            if not x.constant
        ]

    @property
    def locals(self) -> tuple[Any, ...]:
        """d self / d input, element by element, for each of `inputs`, as it was when computed.

        None for a constant, and for a row that mixes elements: its derivative is a matrix.
        """
        with np.errstate(all="ignore"):
            return tuple(
                None if each.constant or isinstance(self.op, ArrayOp) else self._local(i)
                for i, each in enumerate(self.inputs)
            )

    def _local(self, i: int) -> Any:
        op: Any = self.op
        return run(op.partials[i], self._dx[0].dtype, self._data, *self._dx)

    def _pulled(self, i: int, g: np.ndarray, shape: tuple[int, ...]) -> tuple[Any, np.ndarray]:
        """The local derivative for input i, if it has one, and what a gradient g here sends it."""
        op: Any = self.op
        data = self._dx
        try:
            if isinstance(op, ArrayOp):
                pulled = run(op.row.pull, g.dtype, i, g, self._data, data, op.settings)
                local, found = None, pulled
            else:
                local = self._local(i)
                passes = type(local) is float and local == 1.0  # as a sum does: no multiplication
                found = g if passes else g * local
                if found.shape != g.shape:
                    raise ValueError(f"a slope of shape {np.shape(local)} at {shown(self)}")
            return local, np.asarray(unbroadcast(found, shape))
        except Exception as problem:  # of whatever Python a user's row runs
            if (
                isinstance(problem, TypeError)
                and not isinstance(op, ArrayOp)
                and op not in BUILT_IN
            ):
                problem = takes_no_arrays(op, problem)
            problem.add_note(f"in the slope of {op.name!r} for its input {i}")
            raise problem


class ConstantArray(Array):
    """An array that met an Array, or was made of such alone: it asks for no gradient.

    Its data is the array given, not a copy. In a Module it is state that no gradient moves.

    >>> y = Array([1.0, 2.0]) * ConstantArray([3.0, 4.0])
    >>> y.sum().backward()
    >>> [x.grad for x in y.inputs]
    [array([3., 4.]), array([0., 0.])]
    """

    __slots__ = ()
    constant = True

    def __init__(self, data: Any, label: str | None = None):
        self._data = numbers(data)  # not copied: a batch of samples is large
        self._grad, self.label = None, label
        self.op = self._x = self._y = self._dx = self._dy = None
        if hooks.observed:
            graph.observer.leaf(self)

    @property
    def grad(self) -> np.ndarray:
        return np.zeros_like(self._data)

    @grad.setter
    def grad(self, grad: Any) -> None:
        pass


new = object.__new__


def run(f: Any, dtype: Any, /, *args: Any, **settings: Any) -> Any:
    """Call a function of a row on arrays of a dtype."""
    token = DTYPE.set(dtype)
    try:
        return f(*args, **settings)
    finally:
        DTYPE.reset(token)


def takes_no_arrays(op: Op, problem: TypeError) -> TypeError:
    """Return the error for a row with a function that takes single numbers, such as math.exp."""
    return TypeError(
        f"the row {op.name!r} does not run on arrays ({describe_failure(problem)}); write it "
        "with the functions of engine.arithmetic: from engine.arithmetic import exp, where"
    )


# ------------------------------------------------------- rows on Arrays, for derivatives as graphs


def choose(condition: Any, x: Any, y: Any) -> Any:
    """Return x where the condition holds, else y; a choice has no slope.

    Where all elements choose alike, the other side is left out: times 0, an infinite slope of it
    would be nan.
    """
    condition = np.asarray(condition.data if isinstance(condition, Node) else condition, bool)
    if condition.all() or not condition.any():
        return x if condition.all() else y
    return WHERE(Array.lift(condition), x, y)


def share_of_largest(x: Array, out: Array, axis: Any) -> Array:
    """Return which elements are the largest: a choice, and so a constant."""
    ones, settings = np.ones_like(out.data), {"axis": axis}
    return Array.lift(run(MAX.pull, x.dtype, 0, ones, out.data, (x.data,), settings))


arithmetic.register(
    Array,
    {
        **ELEMENTWISE, "divide": DIV, "power": POW, "where": choose,
        "softmax": lambda x, axis=-1: x.softmax(axis),
        "broadcast_to": lambda x, shape: BROADCAST_TO(x, shape=shape),
        "scatter": lambda x, index, shape: SCATTER(x, index=index, shape=shape),
        "share_of_largest": share_of_largest,
    },
)  # fmt: skip


def concatenate(xs: Iterable[Any], axis: int = 0) -> Array:
    """Join Arrays along an axis.

    Raises ValueError for Arrays that differ in another axis, and for none.

    >>> concatenate([Array([1.0, 2.0]), Array([3.0])])
    Array([1., 2., 3.])
    """
    if not isinstance(xs, Array):
        xs = sequence(xs, "concatenate takes a list of Arrays")
    xs = tuple(xs)
    if not xs:
        raise ValueError("concatenate takes at least one Array, got none")
    if not isinstance(axis, Integral) or isinstance(axis, bool):
        raise TypeError(f"axis is a whole number, of an axis that they have, got {axis!r}")
    return Array.apply(CONCATENATE, *xs, axis=int(axis))
