"""Arrays that record what NumPy computes from them.

A `Traced` array behaves like a NumPy array. Each function of NumPy that is called with it becomes a
step of its `ArrayTrace`, and so does each function of `engine.arithmetic`: rows and pullbacks run
on traced arrays as they are.
"""

import math
import operator
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from engine import arithmetic
from engine.array_tape.conversions import Conversions, NumberOperators
from engine.array_tape.steps import (
    CALL,
    ELEMENTWISE,
    NUMBER,
    PRODUCT,
    ArrayStep,
    Cast,
    as_scalar,
    find_traced,
    is_number,
    unwrap,
)
from engine.arrays import arithmetic as of_arrays
from engine.arrays.formulas import scatter, selects_once
from engine.node import Node

REDUCTIONS = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum,
              "all": np.logical_and, "any": np.logical_or}  # fmt: skip
METHODS = {  # of NumPy arrays, which do not change the array
    "argmax", "argmin", "argpartition", "argsort", "choose", "clip", "compress", "conj",
    "conjugate", "copy", "cumprod", "cumsum", "diagonal", "dot", "flatten", "mean", "nonzero",
    "ravel", "repeat", "reshape", "round", "searchsorted", "squeeze", "std", "swapaxes", "take",
    "trace", "transpose", "var", "view",
}  # fmt: skip


class Traced(Conversions, NDArrayOperatorsMixin):
    """An array whose numbers are computed again in each replay; `value` has the current ones.

    `_trace` is the `ArrayTrace` that records the array. `scalar` is whether the function sees a
    NumPy scalar in place of a 0-d array.
    """

    __slots__ = ()
    __hash__ = Conversions.__hash__  # not inherited, as NDArrayOperatorsMixin defines `__eq__`

    def __init__(self, trace: Any, value: Any, scalar: bool = False):
        self._trace, self.value, self.scalar = trace, value, scalar
        self.step: ArrayStep | None = None
        self.viewed = self.changed = False

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # isinstance(x, np.ndarray) or isinstance(x, float) is True
        return type(self._plain())

    shape = property(lambda self: np.shape(self.value))
    ndim = property(lambda self: np.ndim(self.value))
    size = property(lambda self: np.size(self.value))
    dtype = property(lambda self: self.value.dtype)  # a number of Python has no dtype
    T = property(lambda self: self.transpose())
    mT = property(lambda self: self.swapaxes(-1, -2))
    real = property(lambda self: self._trace.call(np.real, (self,), {}))
    flat = property(lambda self: np.array(self.ravel().tolist(), self.dtype).flat)

    # -------------------------------------------------------------------------- NumPy's functions

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **settings: Any) -> Any:
        if any(isinstance(x, Node) for x in args):
            return NotImplemented
        target = settings.pop("out", (None,))[0]
        if target is not None:
            return self._trace.change(target, ufunc, args, settings)
        if method == "reduce":
            return self._trace.reduce(ufunc, *args, **settings)
        if method != "__call__" or ufunc.nout > 1 or settings:
            return self._trace.call(getattr(ufunc, method), args, settings)
        if ufunc is np.matmul:
            return self._trace.emit(PRODUCT, "matmul", ufunc, args)
        return self._trace.emit(ELEMENTWISE, ufunc.__name__, ufunc, args)

    def __array_function__(self, f: Any, types: Any, args: Any, settings: Any) -> Any:
        if any(issubclass(kind, Node) for kind in types):
            return NotImplemented
        if f is np.where and len(args) == 3:
            return trace_where(*args)
        if f in (np.zeros_like, np.ones_like, np.empty_like, np.shape, np.ndim, np.size,
                 np.result_type):  # fmt: skip
            return f(*unwrap(args), **unwrap(settings))
        if f.__name__ in REDUCTIONS and "out" not in settings:
            return getattr(args[0], f.__name__)(*args[1:], **settings)
        return self._trace.call(f, args, settings)

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(
            "an array that is an argument under jit, or computed from one, cannot become a plain "
            "array, whose numbers would be those of the recording in each replay; compute with its "
            "methods and operators, or with functions of NumPy, or index Arrays, as in "
            "ConstantArray(x)[i]; write float(x) for one number, which is compared in each replay"
        )

    def __getattr__(self, name: str) -> Any:
        if name in REDUCTIONS:
            return partial(self._trace.reduce, REDUCTIONS[name], self)
        if name in METHODS:
            f = getattr(np.ndarray, name)
            return lambda *args, **settings: self._trace.call(f, (self, *args), settings)
        if self.scalar and not name.startswith("__"):
            return self._convert_by(name)
        raise AttributeError(f"arrays under jit have no attribute {name!r}", name=name, obj=self)

    def astype(self, dtype: Any, *_: Any, **__: Any) -> "Traced":
        dtype = np.dtype(dtype)
        if self.dtype == dtype:
            return self
        return self._trace.emit(ELEMENTWISE, f"astype {dtype}", Cast(dtype), (self,))

    def __getitem__(self, index: Any) -> "Traced":
        return self._trace.call(operator.getitem, (self, index), {})

    def __setitem__(self, index: Any, x: Any) -> NoReturn:
        raise TypeError(
            f"the elements of an array cannot be assigned under jit, got [{index!r}] = {x!r}; "
            "choose with np.where(condition, x, y)"
        )

    def __copy__(self) -> "Traced":
        return self

    def __deepcopy__(self, memo: Any) -> "Traced":
        return self

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator["Traced"]:
        return map(self.__getitem__, range(len(self)))

    def __pow__(self, y: Any) -> Any:
        return self._power(self, y)

    def __rpow__(self, x: Any) -> Any:
        return self._power(x, self)

    def _power(self, x: Any, y: Any) -> Any:
        """Return x ** y, which NumPy rounds differently for two numbers than for arrays."""
        if all(isinstance(z, int | float | np.number) for z in (x, y)):
            return self._trace.emit(CALL, "pow", power_of_numbers, (x, y))
        return np.power(x, y)

    def _as_data(self, dtype: Any) -> np.ndarray:
        """Return the current array for a node. `ArrayRecording` finds it by its identity."""
        if is_number(self.value):
            x = self._trace.emit(CALL, "asarray", np.asarray, (self, dtype or np.float64))
        else:
            own = np.float32 if self.dtype == np.float32 else np.float64
            x = self.astype(dtype or own)
        x._trace.pending = x
        return x.value


class TracedNumber(NumberOperators, Traced):
    """A number of Python that is computed again in each replay."""

    __slots__ = ()
    __hash__ = Conversions.__hash__

    def _plain(self) -> Any:
        return self.value

    real = property(lambda self: self)

    def __getattr__(self, name: str) -> Any:
        return self._convert_by(name)


# ------------------------------------------------------------------------------------ arithmetic


def power_of_numbers(x: Any, y: Any) -> Any:
    return as_scalar(x) ** as_scalar(y)


def trace_of(args: tuple[Any, ...]) -> Any:
    return next(find_traced(args))._trace


def trace_where(condition: Any, x: Any, y: Any) -> Traced:
    """Record a choice; that between two Python numbers has the dtype of the running row."""
    args = condition, x, y
    if all(is_number(x) for x in unwrap(args)):
        return trace_of(args).emit(CALL, "where", arithmetic.FLOATS["where"], args)
    if type(x) is type(y) is float:
        args = condition, np.dtype(of_arrays.DTYPE.get()).type(x), y
    return trace_of(args).emit(ELEMENTWISE, "where", of_arrays.where, args)


def trace_scatter(x: Any, index: Any, shape: tuple[int, ...]) -> Traced:
    """Record zeros with x added at an index: a reshape, if it selects all elements in order."""
    if next(find_traced(index), None) is None and selects_all(index, shape, x.shape):
        return (x + 0.0).reshape(shape)  # the sum with a zero turns -0.0 into 0.0
    return trace_of((x, index)).call(scatter, (x, index, shape), {})


def selects_all(index: Any, shape: tuple[int, ...], selected: tuple[int, ...]) -> bool:
    """Return whether an index selects all elements of an array in order.

    >>> selects_all((slice(None), 0), (3, 1), (3,)), selects_all((slice(None), 0), (3, 2), (3,))
    (True, False)
    """
    if not all(map(selects_once, index if isinstance(index, tuple) else (index,))):
        return False
    if math.prod(shape) != math.prod(selected):
        return False
    places = np.arange(math.prod(shape)).reshape(shape)
    return places[index].shape == selected and np.array_equal(places[index].ravel(), places.ravel())


def trace_function(name: str, f: Any) -> Callable[..., Traced]:
    """Return a function of `engine.arithmetic` for traced arrays."""
    of_floats = arithmetic.FLOATS[name]
    name = f.__name__ if isinstance(f, np.ufunc) else name

    def g(*args: Any) -> Any:
        if all(is_number(x) for x in unwrap(args)):
            return trace_of(args).emit(CALL, name, of_floats, args)
        return trace_of(args).emit(ELEMENTWISE, name, f, args)

    return g


arithmetic.register(
    Traced,
    {
        **{name: trace_function(name, of_arrays.FUNCTIONS[name]) for name in arithmetic.__all__},
        "where": trace_where,
        "exact_sum": lambda x: x._trace.emit(NUMBER, "fsum", math.fsum, (x,)),
        "scatter": trace_scatter,
    },
    rank=1.5,  # NumPy's functions give way to those of traced arrays, and these to those of nodes
)
