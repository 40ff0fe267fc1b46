"""`Array`: an array of numbers that records what it was computed from."""

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import arithmetic, graph
from engine.arrays.arguments import (
    CONSTANT,
    REQUIRES_GRADIENT,
    WEAK,
    as_data,
    as_dtype,
    check_elementwise,
    common_dtype,
    describe_array,
    describe_mismatch,
    read_only,
)
from engine.arrays.arithmetic import run
from engine.arrays.arithmetic import where as select
from engine.arrays.formulas import Shape, broadcast_to
from engine.arrays.methods import ArrayMethods
from engine.arrays.rules import (
    BROADCAST_TO,
    CONCATENATE,
    EINSUM,
    MAX,
    SCATTER,
    ArrayOp,
    unbroadcast,
)
from engine.graph import InGraph, Sent, reverse_pass, topological
from engine.node import Node, describe_constant
from engine.rules import ELEMENTWISE, ROW_BY_FUNCTION, WHERE, Op
from engine.sequences.many_op import ManyOp
from engine.sequences.rules import BUILT_IN
from engine.support.arguments import COMPILED_RESULT, depends_on_parameters
from engine.support.frames import describe_failure
from engine.support.other_names import answer_keywords
from engine.value import INPUTS, NO_GRADIENT
from engine.watch import hooks

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike


class Array(ArrayMethods):
    """An array node: an array, its gradient, and the operation and inputs it came from.

    Arrays share the graph, the rules and the backward pass of `Value`, with a whole array at each
    node. Operations broadcast as in NumPy. Numbers and plain arrays in an operation with an Array
    become constants of its dtype, which do not require a gradient.

    >>> W, x = Array([[1.0, 2.0], [3.0, 4.0]]), np.array([10.0, 100.0])
    >>> (W @ x).sum().backward()
    >>> W.grad
    array([[ 10., 100.],
           [ 10., 100.]])

    `data` is a NumPy array of float32 or float64. Its shape and dtype are fixed, and results have
    the same dtype. Arrays of different dtypes do not mix: convert one with `astype`. Lists and
    integers become float64 unless `dtype` is given. The constructor copies its argument; assigning
    to `data` does not copy. Arithmetic follows IEEE 754: inf and nan, without a warning.

    NumPy's functions of Arrays are operations of the graph if a row or method has their name:
    `np.exp(x)`, `np.sum(x, axis=0)`. `a += x` with an ndarray `a` assigns a new Array to `a`; the
    ndarray does not change.

    Raises TypeError for non-numeric data, and ValueError for incompatible shapes.

    A graph keeps the arrays it was computed from. Assigning `p.data = ...` does not affect it, but
    modifying an array in place (`p.data[0] = ...`, `p.data += ...`) changes the data that backward
    uses.
    """

    __slots__ = ("_own_rank",)  # of constants, which frozen leaves become
    _zero = None
    _rank = REQUIRES_GRADIENT
    if TYPE_CHECKING:

        def __lt__(self, other: "Array | ArrayLike") -> np.ndarray: ...
        def __le__(self, other: "Array | ArrayLike") -> np.ndarray: ...
        def __gt__(self, other: "Array | ArrayLike") -> np.ndarray: ...
        def __ge__(self, other: "Array | ArrayLike") -> np.ndarray: ...

    @answer_keywords
    def __init__(
        self, data: "ArrayLike", label: str | None = None, *, dtype: "DTypeLike | None" = None
    ):
        self._data = np.array(as_data(data, dtype if dtype is None else as_dtype(dtype)), order="C")
        self._grad: Any = None
        self.label = label
        self.op = self._x = self._y = self._dx = self._dy = None
        if hooks.observed:
            graph.observer.leaf(self)

    @property
    def data(self) -> np.ndarray:
        """The array. Assigning to `data` does not change graphs that were computed from it."""
        if hooks.reading and (read := graph.observer.override("read_array")):
            return read(self)
        return self._data

    @data.setter
    def data(self, data: "ArrayLike") -> None:
        fitting = self._fit(data, "data")
        # After a change in place, as by x.data -= ..., a new view marks the older graphs as stale.
        self._data = fitting.view() if fitting is self._data else fitting
        if self.op is None:
            graph.observer.assigned(self)

    @property
    def grad(self) -> np.ndarray:
        """d root / d self, summed over the roots of all `backward()` calls; in data's shape."""
        grad = self._grad
        return np.zeros_like(self._data) if grad is None else grad

    @grad.setter
    def grad(self, grad: "ArrayLike") -> None:
        if grad is None:
            raise TypeError(
                f"an Array holds real numbers, in lists of equal lengths, {NO_GRADIENT}"
            )
        is_zero = isinstance(grad, float) and grad == 0.0
        self._grad = None if is_zero else self._fit(grad, "grad")
        if self.op is None:
            self._dx = None  # the next contributions belong to another gradient

    def _fit(self, new: Any, name: str) -> np.ndarray:
        """Return new data in this Array's shape and dtype; one number fills it."""
        data = as_data(new, self._data.dtype)
        if data.shape != self._data.shape:
            if data.ndim:
                raise ValueError(
                    f"cannot assign {name} of shape {data.shape} to {describe_array(self)}; assign "
                    "an array of the same shape, or one number"
                )
            data = np.full_like(self._data, data)
        return data if data.flags.carray else np.array(data, order="C")

    def __repr__(self) -> str:
        text = np.array2string(self._data, prefix=f"{type(self).__name__}(", separator=", ")
        dtype = "" if self.dtype == np.float64 else f", dtype={self.dtype}"
        label = "" if self.label is None else f", {self.label!r}"
        return f"{type(self).__name__}({text}{dtype}{label})"

    def __format__(self, spec: str) -> str:
        """Return `f"{loss:.3f}"` for one element. Raises ValueError if there are several."""
        if spec and self.size != 1:
            raise ValueError(
                f"format {spec!r} expects one element, got {describe_array(self)}; format its .data"
            )
        return format(self.data.item(), spec) if spec else repr(self)

    def __setitem__(self, index: Any, x: Any) -> None:
        raise TypeError(
            f"the elements of an Array cannot be assigned, got [{index!r}] = {x!r}; choose in the "
            "graph with where(condition, x, y), or assign the .data of a leaf before using it"
        )

    def __bool__(self) -> bool:
        raise TypeError(
            f"an Array is neither true nor false, got {describe_array(self)}; compare its .data"
        )

    @staticmethod
    def lift(x: "Array | ArrayLike") -> "Array":
        """Return `x` as a node: itself, or a constant for numbers.

        Raises TypeError for non-numeric data.

        >>> Array.lift([1.0, 2.0])
        ConstantArray([1., 2.])
        """
        if INPUTS.get():
            (x,) = Node._join_values((x,))
        return x if isinstance(x, Array) else ConstantArray(x)

    def _data_of(self, other: Any) -> np.ndarray:
        x = self.lift(other)
        return x.data.astype(self._data.dtype, copy=False) if x.constant else x.data

    # ----------------------------------------------------------------------------- applying a row

    @staticmethod
    def apply(op: Op, *args: Any, **settings: Any) -> "Array":
        """Return the node of `op` over Arrays, plain arrays and numbers.

        The node keeps its inputs and, for the backward pass, their data as they are now. Settings
        are those of the row, such as `axis`. Raises TypeError if `op` is not a row for Arrays or if
        the number of arguments is wrong, and ValueError for incompatible shapes.

        >>> from engine.rules import TABLE
        >>> Array.apply(TABLE["hypot"], Array([3.0, 6.0]), [4.0, 8.0])
        Array([ 5., 10.])
        """
        op, args, settings = check_row(op, args, settings)
        if INPUTS.get():
            args = Node._join_values(args)
        if hooks.reading and (read := graph.observer.override("read_settings")):
            settings = read(settings)
        try:
            inputs = tuple([x if isinstance(x, Array) else ConstantArray(x) for x in args])
        except TypeError:
            check_no_values(args)
            raise
        dtype = common_dtype(op, inputs)
        is_users = not isinstance(op, ArrayOp) and op not in BUILT_IN
        with np.errstate(all="ignore"):
            data = tuple([x._data.astype(dtype, copy=False) for x in inputs])
            try:
                out = run(
                    op.forward, dtype, *(map(read_only, data) if is_users else data), **settings
                )
            except (ValueError, IndexError, TypeError) as problem:
                if is_users and (isinstance(problem, TypeError) or "truth value" in str(problem)):
                    raise not_for_arrays(op, problem) from problem
                if isinstance(problem, TypeError) and not settings:  # a fault of the formula
                    raise
                kind = TypeError if isinstance(problem, TypeError) else type(problem)
                raise kind(describe_mismatch(op, inputs, settings, problem)) from None
        if is_users:
            check_elementwise(op, out, data)
            out = np.array(out)  # it may be one of the inputs
        node = new(ConstantArray if all(x.constant for x in inputs) else Array)
        node.op = op.with_settings(**settings) if isinstance(op, ArrayOp) and settings else op
        node._data = as_data(out, None if isinstance(op, ArrayOp) else dtype)
        node._grad = node._y = node._dy = None
        node._x, node._dx = inputs, data
        if node.constant:
            rank = max(x._rank for x in inputs)
            node._rank = rank if node._data.dtype == dtype else max(rank, CONSTANT)
        return graph.observer.made(node) if hooks.observed else node

    def _without_graph(self) -> "Array":
        node = self.lift(self._data)
        node._rank = self._rank  # dtypes under no_grad are those of the graph
        return node

    def _unary(self, op: Op) -> "Array":
        return self.apply(op, self)

    def _binary(self, op: Op, other: Any) -> "Array":
        return self.apply(op, self, other)

    # ---------------------------------------------------------------------------- the backward pass

    @answer_keywords
    def backward(self) -> None:
        """Fill `.grad` of every node under this Array with d self / d node.

        Overwrites the gradient of interior nodes and adds to that of leaves. Raises ValueError
        for a constant, and unless this Array has exactly one element.

        >>> x = Array([1.0, 2.0, 3.0])
        >>> (x**2).sum().backward()
        >>> x.grad
        array([2., 4., 6.])
        """
        if self.constant:
            raise ValueError(f"backward {describe_constant(self)}")
        if self.size != 1:
            raise ValueError(
                f"backward expects one element, got {describe_array(self)}; take its .sum() or "
                ".mean()"
            )
        if hooks.observed and (run := graph.observer.override("backward")):
            run(self)
            return
        order = topological(self)
        again = any(node.op is not None and node._grad is not None for node in order)
        graph.observer.before_backward(self, order, again)
        for node in order:
            if node.op is not None:
                node._grad = node._zero
        self._receive(self._one())
        senders = [node for node in order if node.op is not None and not node.constant]
        with np.errstate(all="ignore"):
            for _ in reverse_pass(reversed(senders), InGraph, contributions_of):
                pass

    def _outdated(self, i: int) -> bool:
        """Return whether the data of input i has changed since this node was computed."""
        now, then = self._x[i]._data, self._dx[i]
        if now is then:
            return False
        return self._overwritten(i) or not np.array_equal(now, then, equal_nan=True)

    def _overwritten(self, i: int) -> bool:
        """Return whether input i was modified in place, so that its old data is lost."""
        now, then = self._x[i]._data, self._dx[i]
        return now is not then and np.may_share_memory(now, then)

    def _one(self) -> np.ndarray:
        return np.ones_like(self._data)

    def _receive(self, contribution: np.ndarray) -> None:
        """Add to the gradient. A leaf's gradient is an array of its own, not a view of another."""
        if self._grad is not None:
            with np.errstate(all="ignore"):
                contribution = np.add(self._grad, contribution, order="C")
        elif self.op is None and not (contribution.base is None and contribution.flags.carray):
            contribution = np.array(contribution, order="C")
        self._grad = np.asarray(contribution, self._data.dtype)

    def _send(self, g: np.ndarray) -> list[Sent]:
        """Return the contributions to each input, for a gradient g of this node.

        A row that works element by element multiplies by its local derivative; other rows have a
        pullback instead.
        """
        with np.errstate(all="ignore"):
            return [] if self.op is None else self._contributions(g)

    def _contributions(self, g: np.ndarray) -> list[Sent]:
        g = g.view()  # its base tells `_receive` that a contribution is g itself
        return [
            Sent(x, *self._contribution(i, g, x._data.shape))
            for i, x in enumerate(self._x)
            if not x.constant
        ]

    @property
    def locals(self) -> tuple[Any, ...]:
        """d self / d input for each of `inputs`, element by element.

        None for a constant, and for a row that mixes elements: its derivative is a matrix.
        """
        with np.errstate(all="ignore"):
            return tuple(
                None if x.constant or isinstance(self.op, ArrayOp) else self._local(i)
                for i, x in enumerate(self.inputs)
            )

    def _local(self, i: int) -> Any:
        op: Any = self.op
        return run(op.partials[i], self._dx[0].dtype, self._data, *self._dx)

    def _contribution(self, i: int, g: Any, shape: Shape) -> tuple[Any, Any]:
        """Return the local derivative for input i, if there is one, and its contribution."""
        op: Any = self.op
        try:
            if isinstance(op, ArrayOp):
                local = None
                out = run(op.row.pull, g.dtype, i, g, self._data, self._dx, op.settings)
            else:
                local = self._local(i)
                is_one = type(local) is float and local == 1.0  # of a sum: no multiplication
                out = g if is_one else g * local
                if out.shape != g.shape:
                    raise ValueError(
                        f"expected a local derivative of shape {g.shape}, got shape "
                        f"{np.shape(local)}"
                    )
            out = unbroadcast(out, shape)
            return local, np.asarray(out) if isinstance(out, np.generic) else out
        except Exception as problem:  # a user's row may run any code
            is_users = not isinstance(op, ArrayOp) and op not in BUILT_IN
            if isinstance(problem, TypeError) and is_users:
                problem = not_for_arrays(op, problem)
            problem.add_note(f"in the derivative of row {op.name!r} for its input {i}")
            raise problem


class ConstantArray(Array):
    """An Array that requires no gradient: a plain array in an operation, or a result of constants.

    In operations among constants, dtypes are promoted as in NumPy: Python numbers, lists, integers
    and booleans take the dtype of the others, and of float32 and float64 the result is float64. A
    frozen leaf determines dtypes as it does while it requires a gradient.

    Its data is the given array, not a copy. As an attribute of a Module it is state that optimizers
    do not update.

    >>> y = Array([1.0, 2.0]) * ConstantArray([3.0, 4.0])
    >>> y.sum().backward()
    >>> [x.grad for x in y.inputs]
    [array([3., 4.]), array([0., 0.])]
    """

    __slots__ = ()
    constant = True

    @answer_keywords
    def __init__(
        self, data: "ArrayLike", label: str | None = None, *, dtype: "DTypeLike | None" = None
    ):
        if dtype is None and getattr(getattr(data, "dtype", None), "kind", None) != "f":
            self._rank = WEAK
        dtype = dtype if dtype is None else as_dtype(dtype)
        self._data = as_data(data, dtype)  # not copied: a batch of samples is large
        self._grad, self.label = None, label
        self.op = self._x = self._y = self._dx = self._dy = None
        if hooks.observed:
            graph.observer.leaf(self)

    @property
    def _rank(self) -> int:
        if self._dx is True:  # a frozen leaf determines dtypes as before
            return REQUIRES_GRADIENT
        return getattr(self, "_own_rank", CONSTANT)

    @_rank.setter
    def _rank(self, rank: int) -> None:
        if rank != CONSTANT:
            self._own_rank = rank

    @property
    def grad(self) -> np.ndarray:
        return np.zeros_like(self._data)

    @grad.setter
    def grad(self, grad: "ArrayLike") -> None:
        pass


Array._counterpart, ConstantArray._counterpart = ConstantArray, Array
new = object.__new__


def check_no_values(args: tuple[Any, ...]) -> None:
    """Raise TypeError for a Value combined with the result of a function under `jit` or a tape."""
    values = [x for x in args if isinstance(x, Node) and not isinstance(x, Array)]
    for x in args if values else ():
        if isinstance(x, Array) and depends_on_parameters(x):
            raise TypeError(
                f"{values[0]!r} cannot be combined with {describe_array(x)}, the {COMPILED_RESULT}"
            )


def contributions_of(node: Node, g: Any) -> list[Sent]:
    """Return the contributions of an Array or a Value, in a pass that sets `np.errstate` once."""
    return node._contributions(g)


def check_row(
    op: Any, args: tuple[Any, ...], settings: dict[str, Any]
) -> tuple[Op, tuple[Any, ...], dict[str, Any]]:
    """Return a row without its settings, its arguments with defaults, and all settings.

    Raises TypeError for anything but a row for Arrays, and for a wrong number of arguments.
    """
    if not isinstance(op, Op):
        raise TypeError(f"Array.apply expects an Op, a row of engine.rules, got {op!r}")
    if isinstance(op, ManyOp):
        raise TypeError(
            f"{op.name} is a row over sequences of Values; rows for Arrays are in "
            "engine.arrays.rules"
        )
    if isinstance(op, ArrayOp):
        if not args or (len(args) > op.arity and not op.many):
            arrays = "1 Array" if op.arity == 1 else f"{op.arity} Arrays"
            raise TypeError(f"{op.name} expects {arrays}, got {len(args)}")
        return op.row, args, {**op.settings, **settings}
    if settings:
        raise TypeError(f"{op.name} expects no settings, got {', '.join(settings)}")
    return op, args if len(args) == len(op.partials) else op._with_defaults(args), settings


def not_for_arrays(op: Op, problem: Exception) -> TypeError:
    """Return the error for a row with an `if`, or with a function of single numbers."""
    remedy = (
        "write it with the functions of engine.arithmetic (from engine.arithmetic import exp, "
        "where), and where(condition, x, y) in place of if"
    )
    return TypeError(f"row {op.name!r} does not run on arrays: {describe_failure(problem, remedy)}")


# ----------------------------------------------------------------- rows on Arrays, for derivatives


class Mixed(Exception):
    """The elements of a condition choose different sides, of which one depends on the inputs."""

    def __init__(self, condition: np.ndarray):
        super().__init__("where() chooses both sides")
        self.condition = condition


# Whether `choose` raises Mixed: `engine.arrays.slopes` then separates the elements.
SEPARATING: ContextVar[bool] = ContextVar("separating", default=False)


def choose(condition: Any, x: Any, y: Any) -> Any:
    """Return x where the condition holds, else y; a choice has no slope.

    If all elements choose the same side, the other is left out, because an infinite slope times 0
    would be nan. The slope of an elementwise row may then be a number.
    """
    condition = np.asarray(condition.data if isinstance(condition, Node) else condition, bool)
    if condition.all() or not condition.any():
        side = x if condition.all() else y
        return side if SEPARATING.get() else broadcast_side(side, condition, x, y)
    if all(not isinstance(side, Node) or side.constant for side in (x, y)):
        return select(condition, *[s.data if isinstance(s, Node) else s for s in (x, y)])
    if SEPARATING.get():
        raise Mixed(condition)
    return WHERE(condition, x, y)


def broadcast_side(side: Any, *operands: Any) -> Any:
    """Return one side of a choice in the shape of the result, which pullbacks sum along an axis."""
    shape = np.broadcast_shapes(*[np.shape(getattr(each, "_data", each)) for each in operands])
    side = side if isinstance(side, Node) else select(True, side, side)
    return side if side.shape == shape else broadcast_to(side, shape)


def share_of_largest(x: Array, out: Array, axis: Any) -> Array:
    """Return which elements are the largest: a choice, and therefore a constant."""
    ones, settings = np.ones_like(out.data), {"axis": axis}
    return Array.lift(run(MAX.pull, x.dtype, 0, ones, out.data, (x.data,), settings))


arithmetic.register(
    Array,
    {
        **ELEMENTWISE, **ROW_BY_FUNCTION, "where": choose,
        "softmax": lambda x, axis=-1: x.softmax(axis),
        "broadcast_to": lambda x, shape: BROADCAST_TO(x, shape=shape),
        "join": lambda xs, axis: CONCATENATE(*xs, axis=axis),
        "einsum": lambda subscripts, *xs: EINSUM(*xs, subscripts=subscripts),
        "scatter": lambda x, index, shape: SCATTER(x, index=index, shape=shape),
        "share_of_largest": share_of_largest,
    },
)  # fmt: skip
