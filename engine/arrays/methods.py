"""The methods of Array beyond the operators and rows that all nodes have.

Most apply one row of `engine.arrays.rules` and make one node; the others are compositions.
Arguments are those of the NumPy method of the same name; incompatible shapes raise ValueError.
"""

import copy
import inspect
import math
from collections.abc import Callable, Iterator
from numbers import Integral
from types import FunctionType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from engine.arrays.arguments import as_dtype, as_ndarray
from engine.arrays.formulas import Axis, Shape, count
from engine.arrays.numpy_protocol import array_function, array_ufunc
from engine.arrays.rules import (
    ASTYPE,
    BROADCAST_TO,
    CUMPROD,
    CUMSUM,
    GETITEM,
    LOG_SOFTMAX,
    LOGSUMEXP,
    MATMUL,
    MAX,
    MEAN,
    MIN,
    NORM,
    PROD,
    RESHAPE,
    SOFTMAX,
    SQUEEZE,
    SUM,
    SWAPAXES,
    TRANSPOSE,
    format_setting,
)  # fmt: skip
from engine.node import Node
from engine.rules import Op
from engine.support.other_names import answer_keywords
from engine.support.trees import leaves
from engine.value import is_array

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike


class ArrayMethods(Node[np.ndarray]):
    """Shapes, reductions and reshaping; `axis` is one axis, a tuple, or None for all axes."""

    __slots__ = ()
    if TYPE_CHECKING:
        _data: np.ndarray

    @property
    def shape(self) -> Shape:
        """The length of each axis."""
        return self._data.shape

    @property
    def dtype(self) -> np.dtype:
        """The type of the elements: float32 or float64."""
        return self._data.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._data.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._data.size

    @property
    def T(self) -> Self:
        """The Array with its axes in reverse order."""
        return self.transpose()

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError(f"an Array without axes has no length, got {self!r}; use its .item()")
        return len(self._data)

    def __iter__(self) -> Iterator[Self]:
        return map(self.__getitem__, range(len(self)))

    __array_ufunc__, __array_function__ = array_ufunc, array_function

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError(
            "NumPy would lose the graph of an Array; use its .data, or join Arrays with stack or "
            "concatenate; the number of one element is x.item(); beside an object of another "
            "library, write np.asarray(other)"
        )

    def __eq__(self, other: object) -> Any:
        """Compare elements with numbers, an array or a list; return an array of bools.

        Two Arrays are equal only if they are the same node, so that nodes can be keys of dicts.

        >>> from engine import Array
        >>> x = Array([1.0, 2.0])
        >>> x == [1.0, 3.0], x == Array([1.0, 2.0]), x.data == Array([1.0, 2.0]).data
        (array([ True, False]), False, array([ True,  True]))
        """
        return super().__eq__(as_numbers(other))

    def __ne__(self, other: object) -> Any:
        """Return the opposite of `==`.

        >>> from engine import Array
        >>> Array([1.0, 2.0]) != 2.0
        array([ True, False])
        """
        return super().__ne__(as_numbers(other))

    __hash__ = Node.__hash__

    def __matmul__(self, other: "Self | ArrayLike") -> Self:
        return self.apply(MATMUL, self, other)

    def __rmatmul__(self, other: "ArrayLike") -> Self:
        return self.apply(MATMUL, other, self)

    def __getitem__(self, index: Any) -> Self:
        """Index as in NumPy; an element that is selected twice receives both gradients."""
        return self.apply(GETITEM, self, index=copy.deepcopy(index))  # the caller may change it

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Self:
        """Return the sum over one or several axes.

        >>> from engine import Array
        >>> Array([[1.0, 2.0], [3.0, 4.0]]).sum(axis=0)
        Array([4., 6.])
        """
        return self.apply(SUM, self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Self:
        """Return the mean over one or several axes.

        >>> from engine import Array
        >>> x = Array([[1.0, 2.0], [3.0, 4.0]])
        >>> x.mean(axis=0), x.mean()
        (Array([2., 3.]), Array(2.5))
        """
        return self.apply(MEAN, self, axis=axis, keepdims=keepdims)

    def max(self, axis: Axis = None, keepdims: bool = False) -> Self:
        """Return the maximum over one or several axes; ties share the gradient equally.

        Raises ValueError for an empty Array.

        >>> from engine import Array
        >>> x = Array([[1.0, 5.0], [3.0, 5.0]])
        >>> x.max(axis=0), x.max()
        (Array([3., 5.]), Array(5.))
        >>> x.max().backward()
        >>> x.grad
        array([[0. , 0.5],
               [0. , 0.5]])
        """
        return self.apply(MAX, self, axis=axis, keepdims=keepdims)

    def min(self, axis: Axis = None, keepdims: bool = False) -> Self:
        """Return the minimum over one or several axes; ties share the gradient equally.

        Raises ValueError for an empty Array.

        >>> from engine import Array
        >>> Array([[1.0, 5.0], [3.0, 4.0]]).min(axis=1, keepdims=True)
        Array([[1.],
               [3.]])
        """
        return self.apply(MIN, self, axis=axis, keepdims=keepdims)

    def prod(self, axis: Axis = None, keepdims: bool = False) -> Self:
        """Return the product over one or several axes. The gradient is right for elements of 0.

        >>> from engine import Array
        >>> x = Array([2.0, 0.0, 3.0])
        >>> x.prod().backward()
        >>> x.grad
        array([0., 6., 0.])
        """
        return self.apply(PROD, self, axis=axis, keepdims=keepdims)

    def var(self, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Self:
        """Return the variance: the sum of squared deviations over the number of elements - ddof.

        >>> from engine import Array
        >>> x = Array([1.0, 3.0])
        >>> x.var(), x.var(ddof=1)
        (Array(1.), Array(2.))
        """
        squares = (self - self.mean(axis, keepdims=True)).square()
        return squares.sum(axis, keepdims) / max(count(self, axis) - ddof, 0)

    def std(self, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Self:
        """Return the square root of `var`; its gradient is 0 where all elements are equal.

        >>> from engine import Array
        >>> Array([[1.0, 5.0], [3.0, 5.0]]).std(axis=0)
        Array([1., 0.])
        """
        deviations = self - self.mean(axis, keepdims=True)
        out = self.apply(NORM, deviations, axis=axis, keepdims=keepdims)
        return out / math.sqrt(max(count(self, axis) - ddof, 0))

    def cumsum(self, axis: int | None = None) -> Self:
        """Return the cumulative sum along an axis, by default of the flattened Array.

        >>> from engine import Array
        >>> Array([1.0, 2.0, 3.0]).cumsum()
        Array([1., 3., 6.])
        """
        return self._along(CUMSUM, axis)

    def cumprod(self, axis: int | None = None) -> Self:
        """Return the cumulative product along an axis, by default of the flattened Array.

        >>> from engine import Array
        >>> Array([[1.0, 2.0], [3.0, 4.0]]).cumprod(axis=0)
        Array([[1., 2.],
               [3., 8.]])
        """
        return self._along(CUMPROD, axis)

    def _along(self, op: Op, axis: int | None) -> Self:
        flat = axis is None or not self.ndim
        return op(self.reshape(-1), axis=axis or 0) if flat else op(self, axis=axis)

    def logsumexp(self, axis: Axis = -1, keepdims: bool = False) -> Self:
        """Return log(sum(exp(x))) over one or several axes, without overflow or cancellation.

        The result for an empty Array is -inf.

        >>> from engine import Array
        >>> Array([[1000.0, 1000.0], [0.0, -1000.0]]).logsumexp()
        Array([1000.69314718,    0.        ])
        """
        return self.apply(LOGSUMEXP, self, axis=axis, keepdims=keepdims)

    def log_softmax(self, axis: Axis = -1) -> Self:
        """Return log(softmax(x)) over one or several axes, without overflow or cancellation.

        >>> from engine import Array
        >>> Array([0.0, -1000.0]).log_softmax()
        Array([    0., -1000.])
        """
        return self.apply(LOG_SOFTMAX, self, axis=axis)

    def softmax(self, axis: Axis = -1) -> Self:
        """Return exp(x) / sum(exp(x)) over one or several axes: positive numbers that sum to 1.

        >>> from engine import Array
        >>> Array([0.0, 0.0]).softmax()
        Array([0.5, 0.5])
        """
        return self.apply(SOFTMAX, self, axis=axis)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> np.intp | np.ndarray:
        """Return the index of the maximum as plain integers: the class that logits predict.

        If there are ties, the first index is returned. By default the index is into the flattened
        Array. Raises ValueError for an empty Array.

        >>> from engine import Array
        >>> logits = Array([[1.0, 5.0], [3.0, 2.0]])
        >>> logits.argmax(axis=1)
        array([1, 0])
        """
        return call_numpy("argmax", np.argmax, self.data, axis=axis, keepdims=keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> np.intp | np.ndarray:
        """Return the index of the minimum as plain integers, with the arguments of `argmax`.

        >>> from engine import Array
        >>> int(Array([[1.0, 5.0], [-3.0, 2.0]]).argmin())
        2
        """
        return call_numpy("argmin", np.argmin, self.data, axis=axis, keepdims=keepdims)

    def item(self) -> float:
        """Return the only element as a Python float. Raises ValueError if there are several.

        >>> from engine import Array
        >>> Array([[2.0]]).item()
        2.0
        """
        if self.size != 1:
            raise ValueError(f"item() expects an Array of one element, got shape {self.shape}")
        return self.data.item()

    def reshape(self, *shape: Any) -> Self:
        """Return the elements in another shape: `x.reshape(2, -1)` or `x.reshape((2, -1))`.

        A length of -1 is inferred. Raises ValueError if the number of elements would change.

        >>> from engine import Array
        >>> Array([1.0, 2.0, 3.0, 4.0]).reshape(2, -1)
        Array([[1., 2.],
               [3., 4.]])
        """
        return self.apply(RESHAPE, self, shape=as_tuple(shape))

    def flatten(self) -> Self:
        """Return the elements as a vector, row by row.

        >>> from engine import Array
        >>> Array([[1.0, 2.0], [3.0, 4.0]]).flatten()
        Array([1., 2., 3., 4.])
        """
        return self.reshape(-1)

    def ravel(self) -> Self:
        """Return the elements as a vector, as `flatten` does.

        >>> from engine import Array
        >>> Array([[1.0], [2.0]]).ravel()
        Array([1., 2.])
        """
        return self.reshape(-1)

    def transpose(self, *axes: Any) -> Self:
        """Return the Array with its axes in another order, by default reversed.

        Raises ValueError unless each axis is given once.

        >>> from engine import Array
        >>> Array([[[1.0, 2.0, 3.0]]]).transpose(1, 2, 0).shape
        (1, 3, 1)
        """
        return self.apply(TRANSPOSE, self, axes=as_tuple(axes) or None)

    def swapaxes(self, first: int, second: int) -> Self:
        """Return the Array with two axes exchanged. Raises ValueError if an axis is out of range.

        >>> from engine import Array
        >>> Array([[1.0, 2.0]]).swapaxes(0, 1)
        Array([[1.],
               [2.]])
        """
        return self.apply(SWAPAXES, self, first=first, second=second)

    def squeeze(self, axis: Axis = None) -> Self:
        """Return the Array without axes of length 1: without the given ones, or without all.

        Raises ValueError for a given axis of another length.

        >>> from engine import Array
        >>> x = Array([[[1.0, 2.0]]])
        >>> x.squeeze().shape, x.squeeze(axis=0).shape
        ((2,), (1, 2))
        """
        return self.apply(SQUEEZE, self, axis=axis)

    def broadcast_to(self, shape: Shape) -> Self:
        """Return the Array repeated to a shape, as operations on different shapes do implicitly.

        Raises ValueError for an incompatible shape.

        >>> from engine import Array
        >>> Array([1.0, 2.0]).broadcast_to((2, 2))
        Array([[1., 2.],
               [1., 2.]])
        """
        if not isinstance(shape, tuple | list | Integral):
            raise TypeError(f"broadcast_to expects a shape such as (2, 3), got {shape!r}")
        return self.apply(BROADCAST_TO, self, shape=shape)

    def dot(self, other: Any) -> Self:
        """Return the sum of products over the last axis and the second to last axis of `other`.

        This is `@` for vectors and matrices, and `*` if either has no axes. Raises ValueError if
        the axes have different lengths.

        >>> from engine import Array
        >>> W = Array([[1.0, 2.0], [3.0, 4.0]])
        >>> W.dot([10.0, 100.0]), W[0].dot(W[1])
        (Array([210., 430.]), Array(11.))
        """
        y = self.lift(other)
        if not (self.ndim and y.ndim):
            return self * y
        if y.ndim <= 2:
            return self @ y
        front = y.transpose(y.ndim - 2, *range(y.ndim - 2), y.ndim - 1)
        columns = front.reshape(len(front), math.prod(front.shape[1:]))
        return (self @ columns).reshape(*self.shape[:-1], *front.shape[1:])

    def take(self, indices: Any, axis: int | None = None) -> Self:
        """Return the elements at one or several indices along an axis.

        By default the indices are those of the flat Array. Raises IndexError for an index out of
        bounds.

        >>> from engine import Array
        >>> Array([[1.0, 2.0], [3.0, 4.0]]).take([1, 1, 0], axis=0)
        Array([[3., 4.],
               [3., 4.],
               [1., 2.]])
        """
        places = indices if is_array(indices) else as_ndarray(indices)
        if places.dtype.kind not in "iu" and places.size:
            raise TypeError(f"take expects integers as indices, got {indices!r}")
        index = places.astype(int) if places.ndim else int(places)
        if axis is None:
            return self.reshape(-1)[index]
        before = (slice(None),) * normalize_axis("take", self, axis)
        return self[(*before, index)]

    def repeat(self, repeats: Any, axis: int | None = None) -> Self:
        """Return each element repeated along an axis, by default of the flattened Array.

        `repeats` is a number, or one number for each element along the axis. Raises ValueError if
        their count differs from the length of the axis, or for a negative number.

        >>> from engine import Array
        >>> Array([1.0, 2.0]).repeat([1, 3])
        Array([1., 2., 2., 2.])
        """
        return gather("repeat", np.repeat, self, repeats=repeats, axis=axis)

    def sort(self, axis: int | None = -1) -> Self:
        """Return the elements in ascending order along an axis; None sorts the flattened Array.

        Unlike NumPy's method this returns a new Array, as `np.sort` does.

        >>> from engine import Array
        >>> Array([[3.0, 1.0], [2.0, 4.0]]).sort()
        Array([[1., 3.],
               [2., 4.]])
        """

        def order(positions: np.ndarray, axis: int | None) -> np.ndarray:
            return np.take_along_axis(positions, np.argsort(self.data, axis, kind="stable"), axis)

        return gather("sort", order, self, axis=axis)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Self:
        """Return a diagonal of two axes, as the last axis.

        `offset` counts diagonals above the main one. Raises ValueError for fewer than two axes.

        >>> from engine import Array
        >>> x = Array([[1.0, 2.0], [3.0, 4.0]])
        >>> x.diagonal(), x.diagonal(offset=1)
        (Array([1., 4.]), Array([2.]))
        """
        return gather("diagonal", np.diagonal, self, offset=offset, axis1=axis1, axis2=axis2)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Self:
        """Return the sum of a diagonal, with the arguments of `diagonal`.

        >>> from engine import Array
        >>> Array([[1.0, 2.0], [3.0, 4.0]]).trace()
        Array(5.)
        """
        return self.diagonal(offset, axis1, axis2).sum(-1)

    def astype(self, dtype: "DTypeLike") -> Self:
        """Return the Array in float32 or float64; its gradient is converted back.

        Raises TypeError for another dtype: an Array has a gradient, and integers have none.

        >>> from engine import Array
        >>> Array([1.0, 2.0]).astype("float32")
        Array([1., 2.], dtype=float32)
        """
        return self.apply(ASTYPE, self, dtype=as_dtype(dtype, "the dtype of an Array"))


for _name, _f in vars(ArrayMethods).copy().items():
    if isinstance(_f, FunctionType) and "axis" in inspect.signature(_f).parameters:
        setattr(ArrayMethods, _name, answer_keywords(_f))


def as_numbers(x: Any) -> Any:
    """Return a list of numbers as an array, for comparisons; anything else as it is."""
    if isinstance(x, list | tuple) and not any(isinstance(part, Node) for part in leaves(x)):
        return np.asarray(x)
    return x


def gather(name: str, f: Callable[..., Any], x: Any, **settings: Any) -> Any:
    """Return the elements of x in the places to which a NumPy function moves their positions."""
    positions = np.arange(x.size).reshape(x.shape)
    return x.reshape(-1)[call_numpy(name, f, positions, **settings)]


def call_numpy(name: str, f: Callable[..., Any], x: np.ndarray, **settings: Any) -> Any:
    """Call a NumPy function. Errors name it, the shape and the settings."""
    try:
        return f(x, **settings)
    except (TypeError, ValueError, IndexError) as problem:
        kind = next(k for k in (TypeError, ValueError, IndexError) if isinstance(problem, k))
        values = "".join(f", {key}={format_setting(value)}" for key, value in settings.items())
        raise kind(f"{name} does not accept shape {x.shape}{values}: {problem}") from None


def normalize_axis(name: str, x: Any, axis: int) -> int:
    """Return an axis counted from the first, for a function of this name."""
    first = lambda x, axis: normalize_axis_index(axis, x.ndim)
    return call_numpy(name, first, x, axis=axis)


def as_tuple(args: tuple[Any, ...]) -> tuple[int, ...]:
    """Return (2, 3) for the arguments of f(2, 3) and of f((2, 3))."""
    if len(args) == 1 and (args[0] is None or isinstance(args[0], tuple | list)):
        return tuple(args[0] or ())
    return args
