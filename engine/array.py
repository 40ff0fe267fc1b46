"""`Array`: an array of numbers that remembers what it was computed from."""

from typing import Any

import numpy as np

from engine import graph
from engine.array_arguments import check_elementwise, dtype_of, mismatch, numbers, read_only, shown
from engine.array_methods import ArrayMethods
from engine.array_ops import ArrayOp, unbroadcast
from engine.graph import Sent
from engine.ndarrays import over_arrays
from engine.ops import BUILT_IN, ManyOp, Op
from engine.remarks import assigned, check_kept, check_root, overwritten, used
from engine.value import NO_GRADIENT, known_label


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

    def __init__(self, data: Any, label: str | None = None):
        self._data = np.array(numbers(data), order="C")
        self._grad: Any = None
        self.label = known_label(label)
        self.op = self._x = self._y = self._dx = self._dy = None

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
            assigned(self) if self._grad is None else used(self)

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
                f"{op.name} is a row over sequences of Values; those of Arrays: engine.array_ops"
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
        row = over_arrays(op, dtype)
        with np.errstate(all="ignore"):
            data = tuple([x._data.astype(dtype, copy=False) for x in inputs])
            users = not isinstance(op, ArrayOp) and op not in BUILT_IN
            try:
                out = row.forward(*(map(read_only, data) if users else data), **settings)
            except (ValueError, IndexError, TypeError) as problem:
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
        node._grad = node.label = node._y = node._dy = None
        node._x, node._dx = inputs, data
        return node

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
        order = self.begun()
        for node in order:
            if node.op is not None:
                node._grad = None
        self.receive(self.ones())
        with np.errstate(all="ignore"):  # the same contributions in the same order as by walk
            for node in reversed(order):
                if node.op is not None and not node.constant:
                    for each, _, contribution in node._sent():
                        each.receive(contribution)

    def begun(self) -> list[Any]:
        """The graph in order, after what is to be said before a backward pass."""
        if self.size != 1:
            raise ValueError(
                f"backward starts at one number, got {shown(self)}; take its .sum() or .mean()"
            )
        order = graph.topological(self)
        again = any(node.op is not None and node._grad is not None for node in order)
        finite = np.isfinite(self._data)
        if (leaf := overwritten(order)) is not None:
            check_kept(leaf)
        elif again or not finite:
            check_root(self, order, again, bool(finite))
        return order

    def outdated(self, i: int) -> bool:
        """Whether its input i has other numbers than it was computed from."""
        now, then = self._x[i]._data, self._dx[i]
        if now is then:
            return False
        return self.overwritten(i) or not np.array_equal(now, then, equal_nan=True)

    def overwritten(self, i: int) -> bool:
        """Whether the numbers of its input i were changed in place: those of then are lost."""
        now, then = self._x[i]._data, self._dx[i]
        return now is not then and np.may_share_memory(now, then)

    def ones(self) -> np.ndarray:
        """d self / d self."""
        return np.ones_like(self._data)

    def receive(self, contribution: np.ndarray) -> None:
        """Add what arrived to the gradient; a leaf's is its own, not a view of another's."""
        if self._grad is not None:
            with np.errstate(all="ignore"):
                contribution = np.add(self._grad, contribution, order="C")
        elif self.op is None and not (contribution.base is None and contribution.flags.carray):
            contribution = np.array(contribution, order="C")
        self._grad = np.asarray(contribution, self._data.dtype)

    def sends(self) -> list[Sent]:
        """What the chain rule sends to each input: the pullback of the gradient here.

        A row that works element by element multiplies by its local derivative; for others that is
        None.
        """
        with np.errstate(all="ignore"):
            return [] if self.op is None else self._sent()

    def _sent(self) -> list[Sent]:
        # A view, by whose base `receive` knows what was passed on as it came.
        g, pulled = self.grad.view(), self._pulled
        return [
            Sent(each, *pulled(i, g, each._data.shape))
            for i, each in enumerate(self._x)
            if not each.constant
        ]

    def sent(self, g: np.ndarray) -> list[tuple[Any, np.ndarray]]:
        """What the chain rule would send to each input, were g the gradient here."""
        return [
            (each, self._pulled(i, g, each._data.shape)[1])
            for i, each in enumerate(self._x)
            if not each.constant
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
        return over_arrays(self.op, self._dx[0].dtype).partials[i](self._data, *self._dx)

    def _pulled(self, i: int, g: np.ndarray, shape: tuple[int, ...]) -> tuple[Any, np.ndarray]:
        """The local derivative for input i, if it has one, and what a gradient g here sends it."""
        op: Any = self.op
        data = self._dx
        try:
            if isinstance(op, ArrayOp):
                row = over_arrays(op.row, data[0].dtype)
                local, found = None, row.pull(i, g, self._data, data, op.settings)
            else:
                local = self._local(i)
                passes = type(local) is float and local == 1.0  # as a sum does: no multiplication
                found = g if passes else g * local
                if found.shape != g.shape:
                    raise ValueError(f"a slope of shape {np.shape(local)} at {shown(self)}")
            return local, np.asarray(unbroadcast(found, shape))
        except Exception as problem:  # of whatever Python a user's row runs
            problem.add_note(f"in the slope of {op.name!r} for its input {i}")
            raise


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
        self._grad, self.label = None, known_label(label)
        self.op = self._x = self._y = self._dx = self._dy = None

    @property
    def grad(self) -> np.ndarray:
        return np.zeros_like(self._data)

    @grad.setter
    def grad(self, grad: Any) -> None:
        pass


new = object.__new__
