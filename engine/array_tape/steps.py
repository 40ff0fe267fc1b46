"""The steps of a recorded function: calls of NumPy's functions, with their results."""

import sys
import zlib
from collections.abc import Callable, Iterator
from types import BuiltinMethodType, MethodDescriptorType
from typing import Any

import numpy as np

ELEMENTWISE, REDUCTION, PRODUCT = "elementwise", "reduction", "product"  # have an `out` argument
VIEW = "view"  # of the memory of its first argument
CALL = "call"  # returns a new array
NUMBER = "number"  # returns a number of Python, whose dtype gives way to that of arrays
GUARD = "guard"  # returns a Python object, which must equal that of the recording
EACH_CALL = "each call"  # has an effect, such as drawing random numbers


class TracedArray:
    """The base class of traced arrays (see `engine.array_tape.traced`)."""

    # The trace is `_trace`, because arrays have a method `trace`.
    __slots__ = ("_trace", "changed", "scalar", "step", "value", "viewed")
    value: Any
    scalar: bool
    step: "ArrayStep | None"
    changed: bool
    viewed: bool
    shape: tuple[int, ...]
    size: int
    ndim: int
    _trace: Any
    dtype: np.dtype


class ArrayStep:
    """A call of a function, whose result is `out`; arguments may contain traced arrays."""

    __slots__ = ("args", "f", "kind", "name", "out", "outcome", "settings")

    def __init__(
        self, kind: str, name: str, f: Callable[..., Any], args: tuple[Any, ...],
        settings: dict[str, Any], out: Any, outcome: Any = None,
    ):  # fmt: skip
        self.kind, self.name, self.f, self.args = kind, name, f, args
        self.settings, self.out, self.outcome = settings, out, outcome

    @property
    def outs(self) -> tuple["TracedArray", ...]:
        """The results, of which a step that is compiled has several."""
        return () if self.out is None else (self.out,)

    def operands(self) -> Iterator["TracedArray"]:
        """Yield the traced arrays among the arguments."""
        return find_traced((self.args, self.settings))


class Cast:
    """A conversion to a dtype, with an `out` argument as ufuncs have."""

    __name__ = "astype"

    def __init__(self, dtype: np.dtype):
        self.dtype = dtype

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cast) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)

    def __call__(self, x: Any, out: Any = None) -> Any:
        if out is None:
            return np.asarray(x).astype(self.dtype)
        np.copyto(out, x, casting="unsafe")
        return out


class OnNumbers:
    """A function of Python numbers whose results always have the same type.

    In a replay, a result of another type raises TypeError: (-2.0) ** 0.5, for example, is complex.
    """

    def __init__(self, f: Callable[..., Any], kind: type):
        self.f, self.kind = f, kind

    def __call__(self, *args: Any) -> Any:
        out = self.f(*args)
        if type(out) is not self.kind:
            raise TypeError(f"expected {self.kind}, got {out!r}")
        return out


# ------------------------------------------------------------------------------------- arguments


def find_objects(x: Any) -> Iterator[Any]:
    """Yield the objects in an argument: in tuples, lists, slices and dicts."""
    if isinstance(x, TracedArray):
        yield x
    elif isinstance(x, tuple | list):
        for part in x:
            yield from find_objects(part)
    elif isinstance(x, slice):
        yield from find_objects((x.start, x.stop, x.step))
    elif isinstance(x, dict):
        yield from find_objects(tuple(x.values()))
    else:
        yield x


def find_traced(x: Any) -> Iterator[TracedArray]:
    """Yield the traced arrays in an argument."""
    return (part for part in find_objects(x) if isinstance(part, TracedArray))


def map_traced(f: Callable[[TracedArray], Any], x: Any) -> Any:
    """Return an argument with f(x) in place of each traced array."""
    if isinstance(x, TracedArray):
        return f(x)
    if type(x) in (tuple, list):
        return type(x)([map_traced(f, part) for part in x])
    if isinstance(x, slice):
        return slice(*[map_traced(f, part) for part in (x.start, x.stop, x.step)])
    if type(x) is dict:
        return {key: map_traced(f, part) for key, part in x.items()}
    return x


def unwrap(x: Any) -> Any:
    """Return an argument with the current arrays in place of traced ones."""
    return map_traced(lambda traced: traced.value, x)


def as_scalar(x: Any) -> Any:
    """Return a 0-d array as a NumPy scalar, and any other object unchanged."""
    return x[()] if isinstance(x, np.ndarray) else x


def describe_outcome(f: Callable[..., Any], *args: Any, **settings: Any) -> Any:
    """Return the result of a guard if it is a bool, else the repr of the result or of the error."""
    try:
        result = f(*args, **settings)
    except Exception as problem:
        return repr(problem)
    if type(result) is bool:
        return result
    if type(result) in (int, float, str):
        return repr(result)
    with np.printoptions(threshold=sys.maxsize, floatmode="unique"):  # all elements, all digits
        return repr(result)


def key_of(x: Any) -> Any:
    """Return a hashable key that is equal for equal arguments."""
    if isinstance(x, TracedArray):  # which the step keeps alive
        return TracedArray, id(x)
    if isinstance(x, tuple | list):
        return (type(x), *map(key_of, x))
    if isinstance(x, slice):
        return slice, key_of((x.start, x.stop, x.step))
    if isinstance(x, bool | int | str | float | None | np.generic):
        return type(x), repr(x)
    if isinstance(x, np.ufunc | BuiltinMethodType | MethodDescriptorType | Cast):
        return x  # `np.add.reduce` is another object each time
    return object, id(x)  # the step keeps it alive


def array_checksum(x: np.ndarray) -> int:
    """Return a number that differs, almost certainly, after the array has changed in place."""
    return zlib.crc32(np.ascontiguousarray(x).reshape(-1).view(np.uint8).data)


def is_number(x: Any) -> bool:
    """Return whether `x` is a number of Python."""
    return type(x) in (float, int, bool)


def shares_memory(x: Any, y: Any) -> bool:
    """Return whether two arrays may share memory."""
    arrays = isinstance(x, np.ndarray) and isinstance(y, np.ndarray)
    return arrays and np.may_share_memory(x, y)


def layout_of(x: np.ndarray) -> tuple[tuple[int, ...], bool] | None:
    """Return the strides of an array and whether it is aligned, or None if it is in C order.

    The order in which NumPy adds depends on the strides. Compiled code reads aligned numbers.
    """
    flags = x.flags
    if flags.carray or (flags.c_contiguous and flags.aligned):  # as `carray`, but may be read-only
        return None
    return x.strides, flags.aligned
