"""Arrays that record what NumPy computes from them.

A `Traced` array behaves like a NumPy array. Each function of NumPy that is called with it becomes a
step of its `ArrayTrace`, and so does each function of `engine.arithmetic`: rows and pullbacks run
on traced arrays as they are. A conversion to a Python object, as in `if x.any()`, becomes a guard:
a step whose outcome must be the same in each replay (see `engine.array_tape.conversions`). No
number leaves a trace otherwise, so that none can become outdated.

>>> trace = ArrayTrace()
>>> x = trace.add_input(np.array([[1.0, 2.0], [3.0, 4.0]]))
>>> y = (np.exp(x) + 1.0).sum(axis=0)
>>> [step.name for step in trace.steps]
['exp', 'add', 'add.reduce']
"""

import math
import operator
import re
from collections.abc import Callable, Iterator
from functools import partial, wraps
from typing import Any, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from engine import arithmetic
from engine.array_tape.conversions import Conversions, NumberOperators
from engine.array_tape.steps import (
    CALL,
    EACH_CALL,
    ELEMENTWISE,
    GUARD,
    NUMBER,
    PRODUCT,
    REDUCTION,
    VIEW,
    ArrayStep,
    Cast,
    OnNumbers,
    as_scalar,
    describe_outcome,
    find_traced,
    is_number,
    key_of,
    shares_memory,
    unwrap,
)
from engine.arrays import arithmetic as of_arrays
from engine.arrays.formulas import scatter, selects_once
from engine.node import Node

REDUCTIONS = {"sum": np.add, "prod": np.multiply, "max": np.maximum, "min": np.minimum,
              "all": np.logical_and, "any": np.logical_or}  # fmt: skip
VIEWS = {  # functions that may return a view, which does not depend on the numbers of the array
    "array_split", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_to", "diagonal", "dsplit",
    "expand_dims", "flip", "fliplr", "flipud", "getitem", "hsplit", "matrix_transpose", "moveaxis",
    "permute_dims", "ravel", "real", "reshape", "rollaxis", "rot90", "sliding_window_view", "split",
    "squeeze", "swapaxes", "transpose", "unstack", "view", "vsplit",
}  # fmt: skip
READ_ONLY = re.compile("read-only|output array is not acceptable")  # the errors of NumPy
METHODS = {  # of NumPy arrays, which do not change the array
    "argmax", "argmin", "argpartition", "argsort", "choose", "clip", "compress", "conj",
    "conjugate", "copy", "cumprod", "cumsum", "diagonal", "dot", "flatten", "mean", "nonzero",
    "ravel", "repeat", "reshape", "round", "searchsorted", "squeeze", "std", "swapaxes", "take",
    "trace", "transpose", "var", "view",
}  # fmt: skip


class Traced(Conversions, NDArrayOperatorsMixin):
    """An array whose numbers are computed again in each replay; `value` are those of now.

    `scalar` is whether the function sees a number of NumPy in place of an array without axes.
    """

    __slots__ = ()
    __hash__ = Conversions.__hash__  # not inherited, as NDArrayOperatorsMixin defines `__eq__`

    def __init__(self, trace: "ArrayTrace", value: Any, scalar: bool = False):
        self._trace, self.value, self.scalar = trace, value, scalar
        self.step: ArrayStep | None = None
        self.viewed = self.changed = False

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # isinstance(x, np.ndarray) or isinstance(x, float) is True
        return type(self._plain())

    shape = property(lambda self: np.shape(self.value))
    ndim = property(lambda self: np.ndim(self.value))
    size = property(lambda self: np.size(self.value))
    dtype = property(lambda self: self.value.dtype)  # a number of Python has none
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
        return self._raise(self, y)

    def __rpow__(self, x: Any) -> Any:
        return self._raise(x, self)

    def _raise(self, x: Any, y: Any) -> Any:
        """Return x ** y, which NumPy rounds differently for two numbers than for arrays."""
        if all(isinstance(z, int | float | np.number) for z in (x, y)):
            return self._trace.emit(CALL, "pow", power_of_numbers, (x, y))
        return np.power(x, y)

    def _as_data(self, dtype: Any) -> np.ndarray:
        """Return the array of now for a node, which `ArrayRecording` finds by its identity."""
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


class ArrayTrace:
    """The steps that were recorded, in order.

    Attributes:
        steps: The steps.
        inputs: Arrays that each replay is given: arguments, and the data of leaves.
        pending: The traced array that was last converted for a node.
        is_open: Whether a function is being recorded.
    """

    def __init__(self) -> None:
        self.steps: list[ArrayStep]
        self.inputs: list[Traced]
        self.pending: Traced | None
        self.copies: set[int]  # the ids of results of steps that write into arrays of their own
        self._by_id: dict[int, Traced]
        self._known: dict[Any, Traced]
        self.is_open = True
        self.clear()

    def clear(self) -> None:
        """Forget all arrays."""
        self.steps, self.inputs, self.pending = [], [], None
        self._by_id, self._known, self.copies = {}, {}, set()

    def add_input(self, value: Any, scalar: bool = False) -> Traced:
        """Return a new input."""
        self.inputs.append((TracedNumber if is_number(value) else Traced)(self, value, scalar))
        self.remember(value, self.inputs[-1])
        return self.inputs[-1]

    def remember(self, value: Any, x: Traced) -> None:
        """Associate an array with a traced one, which keeps the array alive."""
        if value is not x.value:
            self._known["kept", id(value)] = value
        self._by_id[id(value)] = x

    def find(self, value: Any) -> Traced | None:
        """Return the traced array for an array, or None if it is constant."""
        return self._by_id.get(id(value))

    def forget(self, count: int) -> None:
        """Remove all steps but the first ones."""
        removed = {id(step.out) for step in self.steps[count:]}
        self._known = {key: x for key, x in self._known.items() if id(x) not in removed}
        del self.steps[count:]

    def emit(
        self, kind: str, name: str, f: Callable[..., Any], args: tuple[Any, ...],
        settings: dict[str, Any] | None = None,
    ) -> Any:  # fmt: skip
        """Call a function and record it. The same call again returns the first result.

        A number of Python is computed again in each replay, too. Any other object, such as a text,
        must be the same.
        """
        settings = settings or {}
        self.check((args, settings))
        key = kind, key_of(f), key_of(args), key_of(tuple(settings.items()))
        if key in self._known and not self._known[key].changed:
            return self._known[key]
        value = self.run(f, args, settings)
        if is_number(value):
            kind, f = NUMBER, f if kind == NUMBER else OnNumbers(f, type(value))
            out: Traced = TracedNumber(self, value)
        elif isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "fiubcO":
            out = Traced(self, np.asarray(value), isinstance(value, np.generic))
        else:
            self.add_guard(f, args, settings)
            return value
        out.step = ArrayStep(kind, name, f, args, settings, out)
        self.steps.append(out.step)
        self.remember(value, out)
        self._known[key] = out
        return out

    def run(self, f: Callable[..., Any], args: tuple[Any, ...], settings: dict[str, Any]) -> Any:
        """Return f(*args, **settings) for the numbers of now.

        An error, which the function may handle, becomes a guard. Raises TypeError if f writes into
        an array: a replay would write after others have read the array as a constant.
        """
        values, options = protect(unwrap((args, settings)))
        try:
            with np.errstate(all="ignore"):
                value = f(*values, **options)
        except Exception as problem:
            if not READ_ONLY.search(str(problem)):
                self.add_guard(f, args, settings)
                raise
            value = None
        if value is None:
            raise TypeError(
                f"{getattr(f, '__name__', f)} writes into an array, which is not supported under "
                "jit for an argument or with numbers that differ between calls; use the array that "
                "a function of NumPy returns, or choose with np.where(mask, x, y)"
            )
        return value

    def reduce(
        self, ufunc: np.ufunc, x: Traced, axis: Any = None, dtype: Any = None, out: Any = None,
        keepdims: bool = False, **settings: Any,
    ) -> Traced:  # fmt: skip
        """Record a reduction over one axis, several or all."""
        if dtype is not None or out is not None or "where" in settings:
            settings |= {"dtype": dtype, "out": out, "axis": axis, "keepdims": keepdims}
            return self.call(ufunc.reduce, (x,), settings)
        settings |= {"axis": axis, "keepdims": keepdims}
        return self.emit(REDUCTION, f"{ufunc.__name__}.reduce", ufunc.reduce, (x,), settings)

    def call(self, f: Callable[..., Any], args: tuple[Any, ...], settings: dict[str, Any]) -> Any:
        """Record any other function, which returns a view, a new array, or several arrays."""
        self.check((args, settings))
        name = getattr(f, "__name__", "function")
        value = self.run(f, args, settings)
        if isinstance(value, tuple | list):
            parts = [
                self.call(wraps(f)(lambda *a, i=i, **s: f(*a, **s)[i]), args, settings)
                for i in range(len(value))
            ]
            return getattr(value, "_make", type(value))(parts)  # a named tuple, a tuple or a list
        operands = list(find_traced((args, settings)))
        viewed = [x for x in operands if shares_memory(value, x.value)]
        is_view = (
            viewed and name in VIEWS and args and len(operands) == 1 and args[0] is operands[0]
        )
        out = self.emit(VIEW if is_view else CALL, name, f, args, settings)
        for x in viewed and [*viewed, out]:  # neither may change in place
            x.viewed = True
        return out

    def copy(self, x: Traced) -> Traced:
        """Return a result that nothing else refers to and that a step writes into an array."""
        writes = x.step is not None and x.step.kind in (ELEMENTWISE, REDUCTION, PRODUCT)
        if writes and not x.viewed and id(x) not in self.copies:
            self.copies.add(id(x))
            return x
        value = np.positive(x.value)
        out = Traced(self, value)
        out.step = ArrayStep(ELEMENTWISE, "positive", np.positive, (x,), {}, out)
        self.steps.append(out.step)
        return out

    def each_call(self, f: Callable[[], Any]) -> Traced:
        """Call a function without arguments, now and in each replay."""
        out = Traced(self, np.asarray(f()))
        out.step = ArrayStep(EACH_CALL, "draw", f, (), {}, out)
        self.steps.append(out.step)
        self.remember(out.value, out)
        return out

    def guard(self, f: Callable[[Any], Any], x: Traced) -> Any:
        """Return a Python object, and record that it must be the same in each replay."""
        of = wraps(f)(lambda value: f(value[()])) if x.scalar else f
        if self.is_open:
            self.check((x,))
            self.add_guard(of, (x,), {})
        return of(x.value)

    def add_guard(
        self, f: Callable[..., Any], args: tuple[Any, ...], settings: dict[str, Any]
    ) -> None:
        """Record that the result or the error of a function must be the same in each replay."""
        outcome = describe_outcome(f, *unwrap(args), **unwrap(settings))
        name = getattr(f, "__name__", "guard")
        self.steps.append(ArrayStep(GUARD, name, f, args, settings, None, outcome))

    def check(self, args: Any) -> None:
        """Raise TypeError for an array that has changed in place, or that another call computed."""
        for x in find_traced(args):
            if x.changed:
                raise TypeError(
                    "an array was changed in place under jit, and is used again by another name; "
                    "write x = x + y in place of x += y"
                )
            if x._trace is not self or not self.is_open:
                raise TypeError(
                    "an array that another call of a function under jit computed is used; keep the "
                    "results of the function, not arrays within it"
                )

    def change(self, target: Any, ufunc: np.ufunc, args: Any, settings: Any) -> Traced:
        """Return the result of an operator in place, such as `+=`.

        Raises TypeError unless the target is a result that nothing else can refer to.
        """
        if isinstance(target, Traced) and target.scalar:
            return ufunc(*args, **settings)  # of a number, which has no memory to change
        is_new = isinstance(target, Traced) and target.step is not None
        if not is_new or settings or target.viewed or target.step.kind == VIEW:
            raise TypeError(
                f"{ufunc.__name__} in place on an argument, or on a part of an array, is not "
                "supported under jit; write x = x + y in place of x += y"
            )
        name = "matmul" if ufunc is np.matmul else ufunc.__name__
        kind = PRODUCT if ufunc is np.matmul else ELEMENTWISE
        out = self.emit(kind, name, ufunc, args)
        if out.dtype != target.dtype:
            out = out.astype(target.dtype)
        target.changed = True
        return out


# ------------------------------------------------------------------------------------ arithmetic


def protect(x: Any) -> Any:
    """Return an argument with views that cannot be written in place of arrays."""
    if type(x) in (tuple, list):
        return type(x)([protect(part) for part in x])
    if type(x) is dict:
        return {key: protect(part) for key, part in x.items()}
    if isinstance(x, np.ndarray) and x.flags.writeable:
        x = x.view()
        x.flags.writeable = False
    return x


def power_of_numbers(x: Any, y: Any) -> Any:
    return as_scalar(x) ** as_scalar(y)


def trace_of(args: tuple[Any, ...]) -> ArrayTrace:
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
