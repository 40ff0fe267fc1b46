"""The methods of Array beyond the operators and rows that all nodes have.

Each applies one row of `engine.arrays.rules` and makes one node. Arguments are those of the NumPy
method of the same name; incompatible shapes raise ValueError.
"""

import copy
from collections.abc import Iterator
from numbers import Integral
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from engine.arrays.arguments import as_dtype
from engine.arrays.formulas import Axis, Shape
from engine.arrays.numpy_protocol import array_function, array_ufunc
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


class ArrayMethods(Node):
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
            "NumPy would lose the graph of an Array; use its .data, or join Arrays with concatenate"
        )

    def __matmul__(self, other: Any) -> Self:
        return self.apply(MATMUL, self, other)

    def __rmatmul__(self, other: Any) -> Self:
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
        """Return the maximum over one or several axes; ties share the gradient equally."""
        return self.apply(MAX, self, axis=axis, keepdims=keepdims)

    def min(self, axis: Axis = None, keepdims: bool = False) -> Self:
        """Return the minimum over one or several axes; ties share the gradient equally."""
        return self.apply(MIN, self, axis=axis, keepdims=keepdims)

    def logsumexp(self, axis: int = -1, keepdims: bool = False) -> Self:
        """Return log(sum(exp(x))) along one axis, without overflow and without cancellation."""
        return self.apply(LOGSUMEXP, self, axis=axis, keepdims=keepdims)

    def softmax(self, axis: int = -1) -> Self:
        """Return exp(x) / sum(exp(x)) along one axis: positive numbers that sum to 1.

        >>> from engine import Array
        >>> Array([0.0, 0.0]).softmax()
        Array([0.5, 0.5])
        """
        return self.apply(SOFTMAX, self, axis=axis)

    def argmax(self, axis: int | None = None) -> Any:
        """Return the index of the maximum as plain integers: the class that logits predict."""
        try:
            return self._data.argmax(axis)
        except (TypeError, ValueError) as problem:
            kind = TypeError if isinstance(problem, TypeError) else ValueError
            raise kind(
                f"argmax does not accept shape {self.shape}, axis={axis!r}: {problem}"
            ) from None

    def item(self) -> float:
        """Return the only element as a Python float. Raises ValueError if there are several."""
        if self.size != 1:
            raise ValueError(f"item() expects an Array of one element, got shape {self.shape}")
        return self._data.item()

    def reshape(self, *shape: Any) -> Self:
        """Return the elements in another shape: `x.reshape(2, -1)` or `x.reshape((2, -1))`."""
        return self.apply(RESHAPE, self, shape=as_tuple(shape))

    def transpose(self, *axes: Any) -> Self:
        """Return the Array with its axes in another order, by default reversed."""
        return self.apply(TRANSPOSE, self, axes=as_tuple(axes) or None)

    def swapaxes(self, first: int, second: int) -> Self:
        """Return the Array with two axes exchanged."""
        return self.apply(SWAPAXES, self, first=first, second=second)

    def squeeze(self, axis: Axis = None) -> Self:
        """Return the Array without axes of length 1: without the given ones, or without all."""
        return self.apply(SQUEEZE, self, axis=axis)

    def broadcast_to(self, shape: Shape) -> Self:
        """Return the Array repeated to a shape, as operations on different shapes do implicitly."""
        if not isinstance(shape, tuple | list | Integral):
            raise TypeError(f"broadcast_to expects a shape such as (2, 3), got {shape!r}")
        return self.apply(BROADCAST_TO, self, shape=shape)

    def astype(self, dtype: Any) -> Self:
        """Return the Array in float32 or float64; its gradient is converted back."""
        return self.apply(ASTYPE, self, dtype=as_dtype(dtype, "the dtype of an Array"))


def as_tuple(args: tuple[Any, ...]) -> tuple[int, ...]:
    """Return (2, 3) for the arguments of f(2, 3) and of f((2, 3))."""
    if len(args) == 1 and (args[0] is None or isinstance(args[0], tuple | list)):
        return tuple(args[0] or ())
    return args
