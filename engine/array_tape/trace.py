"""The steps that are recorded while NumPy computes from traced arrays.

A conversion to a Python object, as in `if x.any()`, becomes a guard: a step whose outcome must be
the same in each replay (see `engine.array_tape.conversions`). Numbers do not leave a trace in any
other way, so none can become outdated.

>>> trace = ArrayTrace()
>>> x = trace.add_input(np.array([[1.0, 2.0], [3.0, 4.0]]))
>>> y = (np.exp(x) + 1.0).sum(axis=0)
>>> [step.name for step in trace.steps]
['exp', 'add', 'add.reduce']
"""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

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
    OnNumbers,
    TracedArray,
    array_checksum,
    describe_outcome,
    find_objects,
    find_traced,
    is_number,
    key_of,
    shares_memory,
    unwrap,
)
from engine.array_tape.traced import Traced, TracedNumber

VIEWS = {  # functions that may return a view, which does not depend on the numbers of the array
    "array_split", "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_to", "diagonal", "dsplit",
    "expand_dims", "flip", "fliplr", "flipud", "getitem", "hsplit", "matrix_transpose", "moveaxis",
    "permute_dims", "ravel", "real", "reshape", "rollaxis", "rot90", "sliding_window_view", "split",
    "squeeze", "swapaxes", "transpose", "unstack", "view", "vsplit",
}  # fmt: skip
READ_ONLY = re.compile("read-only|output array is not acceptable")  # the errors of NumPy


class ArrayTrace:
    """The steps that were recorded, in order, and the arrays that they compute.

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
        self.constants: dict[int, tuple[np.ndarray, int]]  # by id, with their first checksums
        self._by_id: dict[int, Traced]
        self._known: dict[Any, Traced]
        self.is_open = True
        self.clear()

    def clear(self) -> None:
        """Forget all arrays."""
        self.steps, self.inputs, self.pending = [], [], None
        self._by_id, self._known, self.copies, self.constants = {}, {}, set(), {}

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

        A result that is an array or a number is computed again in each replay. Any other object,
        such as a string, must be the same in each replay.
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
        """Return f(*args, **settings) for the current numbers.

        An error becomes a guard, because the recorded function may handle it. Raises TypeError if f
        writes into an array: a replay would write after other steps have read the array as a
        constant.
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
        for x in viewed and [*viewed, out]:  # none of them may change in place
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
        convert = wraps(f)(lambda value: f(value[()])) if x.scalar else f
        if self.is_open:
            self.check((x,))
            self.add_guard(convert, (x,), {})
        return convert(x.value)

    def add_guard(
        self, f: Callable[..., Any], args: tuple[Any, ...], settings: dict[str, Any]
    ) -> None:
        """Record that the result or the error of a function must be the same in each replay."""
        outcome = describe_outcome(f, *unwrap(args), **unwrap(settings))
        name = getattr(f, "__name__", "guard")
        self.steps.append(ArrayStep(GUARD, name, f, args, settings, None, outcome))

    def check(self, args: Any) -> None:
        """Raise TypeError for an array that has changed in place, or that another call computed."""
        for x in find_objects(args):
            if type(x) is np.ndarray:
                self.check_constant(x)
            if not isinstance(x, TracedArray):
                continue
            if x.changed:
                raise TypeError(
                    "an array was changed in place under jit and is used again under another name; "
                    "write x = x + y in place of x += y"
                )
            if x._trace is not self or not self.is_open:
                raise TypeError(
                    "expected an array of the same call of a function under jit, got one that "
                    "another call computed; keep the results of the function, not arrays inside it"
                )

    def check_constant(self, x: np.ndarray) -> None:
        """Raise TypeError for a constant that has changed: replays read the array, not a copy."""
        if x.dtype.hasobject:
            return
        _, before = self.constants.setdefault(id(x), (x, now := array_checksum(x)))
        if now != before:
            raise TypeError(
                "a constant array was changed in place under jit after its first use; create a new "
                "array instead: write a = a + 1.0 in place of a += 1.0"
            )

    def check_constants(self) -> None:
        """Raise TypeError if a constant has changed since its first use."""
        for x, _ in [*self.constants.values()]:
            self.check_constant(x)

    def change(self, target: Any, ufunc: np.ufunc, args: Any, settings: Any) -> Traced:
        """Return the result of an in-place operator, such as `+=`.

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


def protect(x: Any) -> Any:
    """Return an argument with a read-only view in place of each array."""
    if type(x) in (tuple, list):
        return type(x)([protect(part) for part in x])
    if type(x) is dict:
        return {key: protect(part) for key, part in x.items()}
    if isinstance(x, np.ndarray) and x.flags.writeable:
        x = x.view()
        x.flags.writeable = False
    return x
