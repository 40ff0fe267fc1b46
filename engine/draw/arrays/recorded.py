"""Arrays of recorded numbers, with which the row of an array operation is recorded.

NumPy's functions of these arrays write an instruction for each element (see `engine.instructions`).
A sum adds its elements in NumPy's order, so that it has the same bits.

>>> recorder = ElementRecorder()
>>> x = recorder.read(np.zeros(3))
>>> (x * x).sum().item().place, [step.opname for step in recorder.instructions]
(7, ['*', '*', '*', '+', '+'])
"""

import functools
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from engine import arithmetic, formulas
from engine.arrays.arithmetic import ARCS
from engine.arrays.einsum import name_axes
from engine.arrays.formulas import Shape, scatter
from engine.draw.arrays.reductions import REDUCTIONS, accumulate, reduce_elements
from engine.instructions import Recorder, Slot


class ElementRecorder(Recorder):
    """A list of instructions on the elements of arrays.

    Args:
        is_single: whether the arrays are float32, so that each result is rounded to float32.
    """

    def __init__(self, is_single: bool = False):
        super().__init__(0)
        self.is_single = is_single
        self.shown: set[int] = set()  # the slots that texts show

    def read(self, x: np.ndarray) -> "Elements":
        """Return an array of new slots, with the shape and the memory layout of x."""
        out = np.empty_like(x, dtype=object)
        start = self.slots
        self.slots += x.size
        for i, index in enumerate(np.ndindex(x.shape)):
            out[index] = Slot(self, start + i)
        return wrap(out)

    def list_slots(self, x: Any) -> list[int]:
        """Return the slots of the elements of an array, row by row."""
        return [self.slot(item) for item in np.asarray(x, object).ravel()]

    def slot(self, x: Any) -> int:
        if self.is_single and not isinstance(x, Slot):
            x = float(np.float32(x))
        return super().slot(x)

    def write(self, opname: str, *operands: Any) -> Slot:
        out = super().write(opname, *operands)
        if not self.is_single or opname in EXACT:
            return out
        return super().write("fround", out)


# operations whose results are float32 without rounding if their operands are
EXACT = ("<", "<=", ">", ">=", "==", "!=", "&", "|", "neg", "abs", "where", "=", "fround")


class Elements(np.ndarray):
    """An array of slots and plain numbers, with NumPy's dtype object.

    The ufuncs of `engine.arithmetic`, comparisons, matrix products, sums and other reductions are
    recorded. Other ufuncs of NumPy raise TypeError.
    """

    def __getitem__(self, index: Any) -> Any:
        return wrap(super().__getitem__(index))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        name, out = ufunc.__name__, settings.pop("out", None)
        arrays = [to_objects(x) for x in inputs]
        if name == "matmul" and method == "__call__":
            result = wrap(np.matmul(*arrays))
        elif method == "__call__":
            if name not in FUNCTIONS_OF_NUMPY:
                raise TypeError(f"np.{name} cannot be recorded")
            function = FUNCTIONS_OF_NUMPY[name]
            result = wrap(np.frompyfunc(function, len(arrays), ufunc.nout)(*arrays))
        elif method == "at":
            return add_at(name, inputs[0], *arrays[1:])
        elif method in ("reduce", "accumulate") and name in REDUCTIONS:
            combine = reduce_elements if method == "reduce" else accumulate
            result = wrap(combine(name, arrays[0], **settings))
        else:
            raise TypeError(f"np.{name}.{method} cannot be recorded")
        if out is None or out[0] is None:
            return result
        out[0][...] = result
        return out[0]

    def __array_function__(self, f: Any, types: Any, args: Any, settings: Any) -> Any:
        out = super().__array_function__(f, types, args, settings)
        return wrap(out) if isinstance(out, np.ndarray) and out.dtype == object else out

    def argmax(self, axis: int = -1, out: Any = None, *, keepdims: bool = False) -> "Elements":  # type: ignore[override]
        """Return the index of the first of the largest elements along an axis."""
        rows = np.moveaxis(np.asarray(self), axis, -1)
        result = np.empty(rows.shape[:-1], object)
        for index in np.ndindex(result.shape):
            best, place = rows[index][0], 0.0
            for i, x in enumerate(rows[index][1:], 1):
                is_larger = x > best
                best, place = choose(is_larger, x, best), choose(is_larger, float(i), place)
            result[index] = place
        return wrap(np.expand_dims(result, axis) if keepdims else result)

    def astype(self, dtype: Any, *_: Any, **__: Any) -> "Elements":
        """Return this array; all arrays of a recorded graph have one dtype."""
        if np.dtype(dtype).kind not in "fO":
            raise TypeError(f"a conversion to {np.dtype(dtype)} cannot be recorded")
        return self


def find_recorder(x: Any) -> "ElementRecorder | None":
    """Return the recorder of a number or of an array's elements; None if all of them are known."""
    if isinstance(x, np.ndarray) and x.dtype != object:
        return None
    items = x.ravel().tolist() if isinstance(x, np.ndarray) else [x]
    recorders: Iterator[Any] = (item.recorder for item in items if isinstance(item, Slot))
    return next(recorders, None)


def is_recorded(x: Any) -> bool:
    """Return whether a number or an array has an element that is not known."""
    return find_recorder(x) is not None


def find_dtype(x: Any) -> np.dtype:
    """Return the dtype of an array; of recorded numbers that of the graph."""
    dtype, recorder = np.asarray(x).dtype, find_recorder(x)
    if recorder is None:
        return dtype if dtype.kind != "O" else np.dtype(float)
    return np.dtype(np.float32 if recorder.is_single else float)


def read_number(x: Any) -> Any:
    """Return one element as a slot if it is recorded, and as a float otherwise."""
    item = x.item() if isinstance(x, np.ndarray) else x
    return item if isinstance(item, Slot) else float(item)


def make_key(kind: str, x: Any) -> str:
    """Return the key of the place of a number or an array in a text of a page.

    Kinds are "" for a number, "s" for a short one, "m3:" for a matrix with three columns, "n" and
    "l" for the norm of an array, with and without the word, and "v" for −x =, which is left out if
    x is positive. The slots of neighbouring elements are written as a range.

    >>> make_key("n", ElementRecorder().read(np.zeros(3)))
    'n0-2'
    """
    recorder = find_recorder(x)
    assert recorder is not None
    slots = recorder.list_slots(x)
    recorder.shown.update(slots)
    return kind + write_ranges(slots)


def write_ranges(slots: Sequence[int]) -> str:
    """Return a list of numbers as text, neighbours as ranges.

    >>> write_ranges([4, 5, 6, 2])
    '4-6,2'
    """
    ranges: list[list[int]] = []
    for s in slots:
        if ranges and ranges[-1][1] == s - 1:
            ranges[-1][1] = s
        else:
            ranges.append([s, s])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)


def wrap(x: Any) -> Any:
    """Return a result of NumPy as `Elements`; several results as a tuple."""
    if isinstance(x, tuple):
        return tuple(map(wrap, x))
    out = np.asarray(x, object)
    return out.view(Elements)


def to_objects(x: Any) -> Any:
    """Return an argument as a plain array of objects."""
    return np.asarray(x, object) if isinstance(x, Elements) else np.asarray(x).astype(object)


def choose(condition: Any, x: Any, y: Any) -> Any:
    """Return `where(condition, x, y)`, or x or y itself if the condition is known."""
    if isinstance(condition, Slot):
        return x if x is y else arithmetic.where(condition, x, y)
    return x if condition else y


def find_exponent(x: Any) -> Any:
    """Return e with 2**(e - 1) <= |x| < 2**e, up to rounding; 0 for 0, inf and nan."""
    size = abs(x)
    exponent = arithmetic.floor(arithmetic.log2(size)) + 1.0
    return choose((size > 0.0) & (size < math.inf), exponent, 0.0)


def add_at(name: str, target: Any, index: Any, x: np.ndarray) -> None:
    """Add numbers to elements of an array at an index, which may select one several times."""
    if name != "add":
        raise TypeError(f"np.{name}.at cannot be recorded")
    np.add.at(np.asarray(target), tuple(index) if isinstance(index, tuple) else index, x)


def einsum(subscripts: str, *xs: Any) -> Elements:
    """Return an Einstein sum, of which each element adds its products one after the other."""
    terms, result = name_axes(subscripts, [np.ndim(x) for x in xs])
    lengths: dict[str, int] = {}
    for term, x in zip(terms, xs, strict=True):
        for letter, n in zip(term, np.shape(x), strict=True):
            lengths[letter] = max(n, lengths.get(letter, 1))
    arrays, summed = [to_objects(x) for x in xs], [x for x in lengths if x not in result]
    out = np.full([lengths[x] for x in result], 0.0, object)
    for index in np.ndindex(out.shape):
        products = []
        for inner in np.ndindex(*[lengths[x] for x in summed]):
            at = dict(zip([*result, *summed], (*index, *inner), strict=True))
            factors = [
                x[tuple(at[k] if n > 1 else 0 for k, n in zip(term, x.shape, strict=True))]
                for term, x in zip(terms, arrays, strict=True)
            ]
            products.append(functools.reduce(operator.mul, factors))
        if products:
            out[index] = functools.reduce(operator.add, products)
    return wrap(out)


# ----------------------------------------------------------------------------------- the arithmetic

OPERATORS: dict[str, Callable[..., Any]] = {
    "add": operator.add, "subtract": operator.sub, "multiply": operator.mul,
    "negative": operator.neg, "absolute": abs, "positive": lambda x: x,
    "less": operator.lt, "less_equal": operator.le, "greater": operator.gt,
    "greater_equal": operator.ge, "equal": operator.eq, "not_equal": operator.ne,
    "logical_and": operator.and_, "bitwise_and": operator.and_, "logical_or": operator.or_,
    "bitwise_or": operator.or_, "remainder": arithmetic.mod,
    "invert": lambda x: choose(x, 0.0, 1.0), "logical_not": lambda x: choose(x, 0.0, 1.0),
    "isnan": lambda x: x != x, "isinf": lambda x: abs(x) >= math.inf,
    "isfinite": lambda x: abs(x) < math.inf,
    "frexp": lambda x: (x / arithmetic.exp2(find_exponent(x)), find_exponent(x)),
    "ldexp": lambda x, y: x * arithmetic.exp2(y),
    "maximum": formulas.maximum, "minimum": formulas.minimum, "square": formulas.square,
    "sign": formulas.sign, "reciprocal": lambda x: arithmetic.divide(1.0, x),
}  # fmt: skip
SCALAR: dict[str, Callable[..., Any]] = {
    name: getattr(arithmetic, name) for name in arithmetic.__all__
}
FUNCTIONS_OF_NUMPY = {
    ARCS.get(name, name): f for name, f in SCALAR.items() if name != "where"
} | OPERATORS


def apply_to_elements(f: Callable[..., Any]) -> Callable[..., Elements]:
    """Return a function of arrays that applies a function of numbers to their elements."""
    return lambda *args: wrap(np.frompyfunc(f, len(args), 1)(*map(to_objects, args)))


def repeat_elements(x: Any, shape: Shape) -> Elements:
    return wrap(np.broadcast_to(np.asarray(x, object), shape))


def scatter_elements(x: Any, index: Any, shape: Shape) -> Elements:
    return wrap(scatter(np.asarray(x, object), index, shape))


def join_elements(xs: Sequence[Any], axis: int) -> Elements:
    return wrap(np.concatenate([to_objects(x) for x in xs], axis))


arithmetic.register(
    Elements,
    {name: apply_to_elements(f) for name, f in SCALAR.items()}
    | {
        "where": apply_to_elements(choose), "broadcast_to": repeat_elements,
        "scatter": scatter_elements, "join": join_elements, "einsum": einsum,
    },
    rank=2,
)  # fmt: skip
