"""Arguments of Arrays: real numbers, of one dtype, in compatible shapes."""

from collections.abc import Sequence
from contextlib import suppress
from numbers import Real
from typing import Any

import numpy as np

from engine.arrays.rules import format_setting
from engine.node import Node
from engine.rules import Op
from engine.support.arguments import (
    MaskedElements,
    check_unmasked,
    describe_object,
    describe_type,
    find_string_remedy,
)
from engine.support.trees import leaves
from engine.value import as_float

Array = Any  # the class, which imports this file
DTYPES = (np.dtype(np.float32), np.dtype(np.float64))
# The ranks of inputs, of which the highest decides the dtype of a result.
WEAK, CONSTANT, REQUIRES_GRADIENT = range(3)


def as_data(x: Any, dtype: Any = None) -> np.ndarray:
    """Return `x` as an array of `dtype`; by default float32 if `x` has that dtype, else float64.

    Raises TypeError for anything but real numbers, with the remedy.
    """
    if type(x) is np.ndarray and (x.dtype in DTYPES if dtype is None else x.dtype == dtype):
        return x  # not `dtype in (None, ...)`: NumPy's float64 equals None
    if isinstance(x, Node):
        remedy = ".data, or x * 1.0 for a new node of the graph"
        if not hasattr(x, "shape"):
            remedy = ".data for a constant without a gradient, because Values and Arrays do not mix"
        raise TypeError(f"{x!r} is already a node; use its {remedy}")
    if hasattr(x, "_as_data"):  # an array under `jit`
        return x._as_data(dtype)
    try:
        data = as_ndarray(x)
    except MaskedElements:
        raise
    except (ValueError, TypeError):  # lists of unequal lengths, or of Arrays
        data = np.array(None)
    if data.dtype.kind == "O" and isinstance(x, Real):  # an int beyond 64 bits, a fraction
        data = np.asarray(as_float(x))
    if data.dtype.kind not in "fiub":
        if isinstance(x, Sequence) and any(isinstance(element, Node) for element in x):
            raise TypeError(
                "an Array holds numbers, got a list of nodes; join Arrays with stack or concatenate"
            )
        got = f"{describe_type(x)} of {describe_elements(x, data)}{find_string_remedy(data.flat)}"
        if x is None or isinstance(x, str | complex):
            got = describe_object(x)
        raise TypeError(f"an Array holds real numbers, in lists of equal lengths, got {got}")
    own = np.float32 if data.dtype.type is np.float32 else np.float64
    with np.errstate(all="ignore"):
        return data.astype(dtype or own, copy=False)


def as_ndarray(x: Any) -> Any:
    """Return anything that NumPy converts, such as a Series of pandas, as an array.

    An array under `jit` stays one. Raises MaskedElements for a masked array.
    """
    return x if hasattr(x, "_as_data") else np.asarray(check_unmasked(x))


def describe_elements(x: Any, data: np.ndarray) -> str:
    """Return words for elements that are not real numbers, or for rows of unequal lengths."""
    if data.dtype.kind in "US" and isinstance(x, Sequence):
        return "strings"
    if any(hasattr(element, "_as_data") for element in leaves(x)):
        return "numbers that are arguments under jit; pass an array in place of the list"
    if isinstance(x, Sequence) and all(isinstance(row, Sequence) for row in x):
        lengths = list(dict.fromkeys(len(row) for row in x))
        if len(lengths) > 1:
            return f"rows of lengths {' and '.join(map(str, lengths[:2]))}"
    if any(isinstance(element, Node) for element in data.flat):
        return "Values, which do not mix with Arrays"
    return str(data.dtype)


def common_dtype(op: Op, inputs: Sequence[Array]) -> np.dtype:
    """Return the dtype to which an operation converts its inputs: that of the highest rank.

    Constants are converted to the dtype of Arrays that require a gradient. Python numbers are
    converted to the dtype of other constants, among which float64 wins, as in NumPy. Raises
    TypeError for Arrays of different dtypes that require a gradient.
    """
    first = inputs[0]._data.dtype
    if all(x._data.dtype is first for x in inputs):
        return first
    rank = max(x._rank for x in inputs)
    dtypes = {x.dtype for x in inputs if x._rank == rank}
    if len(dtypes) > 1 and rank == REQUIRES_GRADIENT:
        got = " and ".join(map(describe_array, inputs))
        raise TypeError(
            f"{op.name} expects Arrays of the same dtype, got {got}; convert with .astype()"
        )
    return max(dtypes, key=lambda dtype: dtype.itemsize)


def as_dtype(dtype: Any, what: str = "dtype") -> np.dtype:
    """Return float32 or float64. Raises TypeError for any other: integer weights would be zeros."""
    known = None
    with suppress(TypeError, ValueError):  # not a dtype
        known = None if dtype is None else np.dtype(dtype)  # NumPy takes None for float64
    if known is None or known not in DTYPES:
        got = repr(dtype) if known is None else known
        raise TypeError(f"{what} must be float32 or float64, got {got}")
    return known


def describe_array(x: Array) -> str:
    """Return an Array's label, shape and dtype."""
    return f"{'an array' if x.label is None else x.label} of shape {x.shape} and dtype {x.dtype}"


def read_only(x: np.ndarray) -> np.ndarray:
    """Return a view that cannot be written to: a user's row may contain x += 1."""
    view = x.view()
    view.flags.writeable = False
    return view


def check_elementwise(op: Op, out: Any, data: Sequence[np.ndarray]) -> None:
    """Raise ValueError unless a row's result has the broadcast shape of its inputs."""
    shape = np.broadcast_shapes(*[x.shape for x in data])
    if np.shape(out) != shape:
        got = "None" if out is None else f"shape {np.shape(out)}"
        raise ValueError(
            f"row {op.name!r} works element by element, so its result should have shape {shape}, "
            f"got {got}; define a row that mixes elements as an ArrayOp"
        )


def describe_mismatch(
    op: Op, inputs: Sequence[Array], settings: dict[str, Any], problem: Exception
) -> str:
    """Return the message for inputs whose shapes an operation rejects."""
    shapes = " and ".join(str(x.shape) for x in inputs)
    noun = "shapes" if len(inputs) > 1 else "shape"
    arguments = "".join(f", {name}={format_setting(x)}" for name, x in settings.items())
    return f"{op.name} does not accept {noun} {shapes}{arguments}: {problem}"
