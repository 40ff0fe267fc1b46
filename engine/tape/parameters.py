"""`Parameters`, the Array of all parameters of a function under `jit` or of a tape."""

from collections.abc import Sequence

from numpy.typing import ArrayLike, DTypeLike

from engine.arrays.array import Array
from engine.value import Value


class Parameters(Array):
    """An Array that holds the numbers of Values, the parameters of a function or of a tape."""

    __slots__ = ("_stands_for",)

    def __init__(self, data: ArrayLike, values: Sequence[Value], *, dtype: DTypeLike):
        self._stands_for = values
        super().__init__(data, "flat", dtype=dtype)


Parameters.__name__ = "Array"  # in its repr
