"""What an Array takes: real numbers, of one dtype, of shapes that fit; errors that name them."""

from collections.abc import Sequence
from contextlib import suppress
from numbers import Real
from typing import Any

import numpy as np

from engine.arrays.rules import described
from engine.node import Node
from engine.rules import Op
from engine.support.arguments import described as described_number
from engine.value import number

DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


def numbers(x: Any, dtype: Any = None) -> np.ndarray:
    """`x` as an array of that dtype, by default its own if it is float32, else float64.

    TypeError that says what to do for what is not real numbers.
    """
    if type(x) is np.ndarray and x.dtype in DTYPES and dtype in (None, x.dtype):
        return x
    if isinstance(x, Node):
        raise TypeError(
            f"{x!r} is a node already: take its .data for numbers; Values and Arrays do not mix"
        )
    try:
        found = np.asarray(x)
    except (ValueError, TypeError):  # lists of unequal lengths, or of Arrays
        found = np.array(None)
    if found.dtype.kind == "O" and isinstance(x, Real):  # an int beyond 64 bits, a fraction
        found = np.asarray(number(x))
    if found.dtype.kind not in "fiub":
        if isinstance(x, Sequence) and any(isinstance(each, Node) for each in x):
            raise TypeError("an Array holds numbers, got a list of nodes; concatenate joins Arrays")
        got = f"{type(x).__name__} of {found.dtype}"
        if x is None or isinstance(x, str | complex):
            got = described_number(x)
        raise TypeError(f"an Array holds real numbers, in lists of equal lengths, got {got}")
    own = np.float32 if found.dtype.type is np.float32 else np.float64
    with np.errstate(all="ignore"):
        return found.astype(dtype or own, copy=False)


def dtype_of(op: Op, inputs: Sequence[Any]) -> np.dtype:
    """What an operation computes in: the dtype its Arrays share; TypeError where they differ."""
    first = inputs[0]._data.dtype
    if all(x._data.dtype is first for x in inputs):
        return first
    found = {x.dtype for x in inputs if not x.constant} or {x.dtype for x in inputs}
    if len(found) > 1 and not all(x.constant for x in inputs):
        mixed = " and ".join(map(shown, inputs))
        raise TypeError(f"{op.name} takes Arrays of one dtype, got {mixed}; convert with .astype()")
    return max(found, key=lambda dtype: dtype.itemsize)


def known_dtype(dtype: Any, what: str = "dtype") -> np.dtype:
    """float32 or float64; TypeError for any other: whole numbers would make zeros of weights."""
    found = None
    with suppress(TypeError, ValueError):  # of what NumPy does not know
        found = None if dtype is None else np.dtype(dtype)
    if found is None or found not in DTYPES:  # to NumPy, None is float64
        got = repr(dtype) if found is None else found
        raise TypeError(f"{what} is float32 or float64, got {got}")
    return found


def shown(x: Any) -> str:
    """An Array in an error's words."""
    return f"{'an array' if x.label is None else x.label} of shape {x.shape} and dtype {x.dtype}"


def read_only(x: np.ndarray) -> np.ndarray:
    """The same numbers, for eyes only: a user's row may say x += 1."""
    view = x.view()
    view.flags.writeable = False
    return view


def check_elementwise(op: Op, out: Any, data: Sequence[np.ndarray]) -> None:
    """ValueError unless a row's result has the shape of its inputs, broadcast."""
    want = np.broadcast_shapes(*[x.shape for x in data])
    if np.shape(out) != want:
        gave = "None" if out is None else f"shape {np.shape(out)}"
        raise ValueError(
            f"the row {op.name!r} works element by element and should give shape {want}, "
            f"but gave {gave}; one that mixes elements is an ArrayOp"
        )


def mismatch(op: Op, inputs: Sequence[Any], settings: dict[str, Any], problem: Exception) -> str:
    """Why an operation does not take these shapes."""
    shapes = " and ".join(str(x.shape) for x in inputs)
    noun = "shapes" if len(inputs) > 1 else "shape"
    given = "".join(f", {name}={described(x)}" for name, x in settings.items())
    return f"{op.name} does not take {noun} {shapes}{given}: {problem}"
