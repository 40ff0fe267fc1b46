"""What can be asked of an Array, beside the operators and rows that every node has.

Each method is one row of `engine.arrays.rules`, one node, and NumPy's method of the same name.
"""

import copy
from collections.abc import Iterator
from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from engine.arrays.arguments import known_dtype
from engine.arrays.rules import (
    ASTYPE,
    BROADCAST_TO,
    GETITEM,
    LOGSUMEXP,
    MATMUL,
    MAX,
    MEAN,
    MIN,
    RESHAPE,
    SOFTMAX,
    SQUEEZE,
    SUM,
    SWAPAXES,
    TRANSPOSE,
)  # fmt: skip
from engine.node import Node

Axis = int | tuple[int, ...] | None


class ArrayMethods(Node):
    """Shapes, reductions and reshaping; `axis` is one axis, several, or None for all of them."""

    __slots__ = ()
    if TYPE_CHECKING:
        _data: np.ndarray

    @property
    def shape(self) -> Any:
        """The length of each axis."""
        return self._data.shape

    @property
    def dtype(self) -> Any:
        """float32 or float64."""
        return self._data.dtype

    @property
    def ndim(self) -> Any:
        """The number of axes."""
        return self._data.ndim

    @property
    def size(self) -> Any:
        """The number of elements."""
        return self._data.size

    @property
    def T(self) -> Any:
        """The axes in reverse."""
        return self.transpose()

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError(f"an Array without axes has no length, got {self!r}; take its .item()")
        return len(self._data)

    def __iter__(self) -> Iterator[Self]:
        return map(self.__getitem__, range(len(self)))

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError("NumPy would lose the graph of an Array; take its .data")

    def __matmul__(self, other: Any) -> Self:
        return self.apply(MATMUL, self, other)

    def __rmatmul__(self, other: Any) -> Self:
        return self.apply(MATMUL, other, self)

    def __getitem__(self, index: Any) -> Self:
        """The elements that NumPy would take; an element taken twice is sent both gradients."""
        return self.apply(GETITEM, self, index=copy.deepcopy(index))  # theirs may change

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Self:
        """The sum over an axis."""
        return self.apply(SUM, self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Self:
        """The mean over an axis.

        >>> from engine import Array
        >>> x = Array([[1.0, 2.0], [3.0, 4.0]])
        >>> x.mean(axis=0), x.mean()
        (Array([2., 3.]), Array(2.5))
        """
        return self.apply(MEAN, self, axis=axis, keepdims=keepdims)

    def max(self, axis: Axis = None, keepdims: bool = False) -> Self:
        """The largest along an axis; where several are, they share the gradient equally."""
        return self.apply(MAX, self, axis=axis, keepdims=keepdims)

    def min(self, axis: Axis = None, keepdims: bool = False) -> Self:
        """The smallest along an axis; where several are, they share the gradient equally."""
        return self.apply(MIN, self, axis=axis, keepdims=keepdims)

    def logsumexp(self, axis: int = -1, keepdims: bool = False) -> Self:
        """log(sum(exp(x))) along one axis, which neither overflows nor loses a small rest."""
        return self.apply(LOGSUMEXP, self, axis=axis, keepdims=keepdims)

    def softmax(self, axis: int = -1) -> Self:
        """exp(x) over its sum along one axis: positive, 1 in sum (chapter 02, 5.5)."""
        return self.apply(SOFTMAX, self, axis=axis)

    def argmax(self, axis: int | None = None) -> Any:
        """Where the largest stands, as plain integers: the class that logits predict."""
        try:
            return self._data.argmax(axis)
        except (TypeError, ValueError) as problem:
            kind = TypeError if isinstance(problem, TypeError) else ValueError
            given = f"argmax does not take shape {self.shape}, axis={axis!r}"
            raise kind(f"{given}: {problem}") from None

    def item(self) -> float:
        """The number of an Array of one element, as a Python float; ValueError for several."""
        if self.size != 1:
            raise ValueError(f"item() is of one number, got an array of shape {self.shape}")
        return self._data.item()

    def reshape(self, *shape: Any) -> Self:
        """The elements in another shape, in order: `x.reshape(2, -1)` or `x.reshape((2, -1))`."""
        return self.apply(RESHAPE, self, shape=listed(shape))

    def transpose(self, *axes: Any) -> Self:
        """The axes in another order, by default in reverse."""
        return self.apply(TRANSPOSE, self, axes=listed(axes) or None)

    def swapaxes(self, first: int, second: int) -> Self:
        """Two axes in each other's place."""
        return self.apply(SWAPAXES, self, first=first, second=second)

    def squeeze(self, axis: Axis = None) -> Self:
        """Without an axis of length 1, by default without any."""
        return self.apply(SQUEEZE, self, axis=axis)

    def broadcast_to(self, shape: tuple[int, ...]) -> Self:
        """Repeated to a shape, as operations of two shapes do by themselves."""
        if not isinstance(shape, tuple | list | Integral):
            raise TypeError(f"broadcast_to takes a shape such as (2, 3), got {shape!r}")
        return self.apply(BROADCAST_TO, self, shape=shape)

    def astype(self, dtype: Any) -> Self:
        """The numbers in float32 or float64; the gradient comes back in this Array's dtype."""
        return self.apply(ASTYPE, self, dtype=known_dtype(dtype, "an Array"))


def listed(args: tuple[Any, ...]) -> tuple[int, ...]:
    """(2, 3) from either way of writing it: f(2, 3) or f((2, 3))."""
    if len(args) == 1 and (args[0] is None or isinstance(args[0], tuple | list)):
        return tuple(args[0] or ())
    return args
