"""Mathematics on named arrays: a row for arrays, applied to them, gives its formula and numbers.

>>> import numpy as np
>>> from engine.arrays.rules import LINEAR
>>> from engine.draw.arrays.writing import to_array_text
>>> x, w, b, g = (make_array(name, np.ones(shape)) for name, shape in
...               {"X": (4, 2), "W": (3, 2), "b": 3, "dZ": (4, 3)}.items())
>>> to_array_text(LINEAR.forward(x, w, b)), to_array_text(LINEAR.partials[1](g, None, x, w, b))
('X Wᵀ + b', 'dZᵀ X')
>>> LINEAR.partials[1](g, None, x, w, b).value.shape
(3, 2)
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine import arithmetic, formulas
from engine.arrays import arithmetic as array_arithmetic
from engine.arrays import formulas as array_formulas
from engine.arrays.arguments import as_dtype
from engine.arrays.formulas import Axis, Shape
from engine.draw.arrays.matrices import write_shape
from engine.draw.arrays.recorded import find_dtype, is_recorded
from engine.draw.formulas.symbols import (
    MATHEMATICS,
    Symbol,
    add,
    combine,
    lift,
    make_name,
    multiply,
    negate,
)
from engine.draw.formulas.symbols import raise_power as power


class Leaf:
    """A name in a formula, and the array that it stands for."""

    __slots__ = ("name", "value")

    def __init__(self, name: str, value: np.ndarray):
        self.name, self.value = name, value


@dataclass(frozen=True, eq=False)
class ArraySymbol(Symbol):
    """An expression whose value is known.

    Heads beyond those of `Expression`: "array" and "d", a name and a gradient; "@", "T", "⊙";
    "Σ" and "repeat", along axes; "index"; "same", for a shape that only gains or loses axes of
    length 1; and "call", a function, a text below its name, and its arguments.
    """

    value: Any = field(default=None)
    __array_ufunc__ = None  # NumPy's arrays leave operators to this class

    @property
    def shape(self) -> Shape:
        return np.shape(self.value)

    @property
    def ndim(self) -> int:
        return np.ndim(self.value)

    @property
    def size(self) -> int:
        return np.size(self.value)

    @property
    def dtype(self) -> np.dtype:
        return find_dtype(self.value)

    def __add__(self, y: Any) -> Any:
        return apply_both(add, operator.add, self, y)

    def __radd__(self, x: Any) -> Any:
        return apply_both(add, operator.add, x, self)

    def __sub__(self, y: Any) -> Any:
        return apply_both(combine_difference, operator.sub, self, y)

    def __rsub__(self, x: Any) -> Any:
        return apply_both(combine_difference, operator.sub, x, self)

    def __mul__(self, y: Any) -> Any:
        return apply_both(multiply, operator.mul, self, y)

    def __rmul__(self, x: Any) -> Any:
        return apply_both(multiply, operator.mul, x, self)

    def __truediv__(self, y: Any) -> Any:
        return apply_both(combine_quotient, operator.truediv, self, y)

    def __rtruediv__(self, x: Any) -> Any:
        return apply_both(combine_quotient, operator.truediv, x, self)

    def __pow__(self, y: Any) -> Any:
        return apply_both(power, operator.pow, self, y)

    def __rpow__(self, x: Any) -> Any:
        return apply_both(power, operator.pow, x, self)

    def __matmul__(self, y: Any) -> Any:
        return apply_both(combine_product, operator.matmul, self, y)

    def __rmatmul__(self, x: Any) -> Any:
        return apply_both(combine_product, operator.matmul, x, self)

    def __neg__(self) -> Any:
        return apply_both(negate, operator.neg, self)

    def __abs__(self) -> Any:
        return apply_both(MATHEMATICS.get("abs", lambda x: combine("abs", x)), abs, self)

    def __lt__(self, y: Any) -> Any:
        return apply_both(combine_comparison("<"), operator.lt, self, y)

    def __le__(self, y: Any) -> Any:
        return apply_both(combine_comparison("≤"), operator.le, self, y)

    def __gt__(self, y: Any) -> Any:
        return apply_both(combine_comparison(">"), operator.gt, self, y)

    def __ge__(self, y: Any) -> Any:
        return apply_both(combine_comparison("≥"), operator.ge, self, y)

    def __and__(self, y: Any) -> Any:
        return apply_both(combine_comparison("and"), operator.and_, self, y)

    def __or__(self, y: Any) -> Any:
        return apply_both(combine_comparison("or"), operator.or_, self, y)

    # The methods of arrays that rows call.

    def sum(self, axis: Axis = None, keepdims: bool = False) -> "ArraySymbol":
        value = self.value.sum(axis=axis, keepdims=keepdims)
        if value.size == self.size:
            return keep(self, value)
        if self.head == "Σ" and value.size == 1:
            return combine_along("Σ", self.parts[0], value, "")
        return combine_along("Σ", self, value, format_axes(self, axis))

    def max(self, axis: Axis = None, keepdims: bool = False, **_: Any) -> "ArraySymbol":
        return reduce_by_name("max", self, axis, keepdims)

    def min(self, axis: Axis = None, keepdims: bool = False, **_: Any) -> "ArraySymbol":
        return reduce_by_name("min", self, axis, keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> "ArraySymbol":
        return reduce_by_name("mean", self, axis, keepdims)

    def prod(self, axis: Axis = None, keepdims: bool = False) -> "ArraySymbol":
        return reduce_by_name("prod", self, axis, keepdims)

    def cumsum(self, axis: int) -> "ArraySymbol":
        return call("cumsum", self.value.cumsum(axis), self, under=format_axes(self, axis))

    def cumprod(self, axis: int) -> "ArraySymbol":
        return call("cumprod", self.value.cumprod(axis), self, under=format_axes(self, axis))

    def reshape(self, *shape: Any) -> "ArraySymbol":
        value = self.value.reshape(*shape)
        if drop_ones(value.shape) == drop_ones(self.shape):
            return keep(self, value)
        return call("reshape", value, self, under=write_shape(value.shape))

    def transpose(self, axes: Any = None) -> "ArraySymbol":
        if self.ndim < 2:
            return self
        value = self.value.transpose(axes)
        if axes is None and self.ndim == 2:
            return transposed(self, value)
        order = "" if axes is None else ", ".join(map(str, axes))
        return call("transpose", value, self, under=order)

    @property
    def T(self) -> "ArraySymbol":
        return self.transpose()

    def swapaxes(self, first: int, second: int) -> "ArraySymbol":
        value = self.value.swapaxes(first, second)
        last = {first % self.ndim, second % self.ndim} == {self.ndim - 1, self.ndim - 2}
        if last and self.ndim > 1:
            return transposed(self, value)
        return call("swapaxes", value, self, under=f"{first}, {second}")

    def squeeze(self, axis: Axis = None) -> "ArraySymbol":
        return keep(self, self.value.squeeze(axis))

    def astype(self, dtype: Any, copy: bool = True) -> "ArraySymbol":
        value = self.value.astype(dtype)
        if dtype == self.dtype:
            return self
        return call("astype", value, self, under=str(as_dtype(dtype)))

    def __getitem__(self, index: Any) -> "ArraySymbol":
        value = self.value[index]
        if np.size(value) == self.size and drop_ones(value.shape) == drop_ones(self.shape):
            items = index if isinstance(index, tuple) else (index,)
            if all(map(keeps_order, items)):
                return keep(self, value)
        return combine_along("index", self, value, format_index(index))


def keeps_order(item: Any) -> bool:
    """Return whether an item of an index leaves the elements in their order: no array, no -1."""
    if isinstance(item, slice):
        return item.step is None or item.step > 0
    return item is None or isinstance(item, int | type(...))


def make_array(name: str, value: np.ndarray, head: str = "array") -> ArraySymbol:
    """Return an array with a name; the head "d" stands for the gradient of that name."""
    return ArraySymbol(head, (Leaf(name, np.asanyarray(value)),), value)


def apply_both(symbolic: Callable[..., Symbol], numeric: Callable[..., Any], *args: Any) -> Any:
    """Return the expression that a function makes of its arguments, with its value."""
    value = numeric(*[x.value if isinstance(x, ArraySymbol) else x for x in args])
    return attach(symbolic(*map(to_symbol, args)), value)


def attach(x: Symbol, value: Any) -> ArraySymbol:
    """Return an expression with a value."""
    if isinstance(x, ArraySymbol) and x.shape == np.shape(value):
        return x
    return ArraySymbol(x.head, x.parts, value)


def to_symbol(x: Any) -> Symbol:
    """Return an argument of an operation as an expression.

    Raises TypeError for an array without a name whose elements differ.
    """
    if isinstance(x, Symbol):
        return x
    numbers = np.asarray(x)
    if numbers.size != 1 and (numbers.size == 0 or not (numbers == numbers.flat[0]).all()):
        raise TypeError("a formula needs a name for each of its arrays")
    return lift(float(numbers.flat[0]))


def combine_difference(x: Any, y: Any) -> Symbol:
    return add(x, negate(y))


def combine_quotient(x: Any, y: Any) -> Symbol:
    return lift(x) if lift(y) == lift(1.0) else combine("/", x, y)


def combine_product(x: Any, y: Any) -> Symbol:
    return combine("@", x, y)


def combine_comparison(sign: str) -> Callable[..., Symbol]:
    return lambda x, y: combine(sign, x, y)


def keep(x: ArraySymbol, value: np.ndarray) -> ArraySymbol:
    """Return an expression in another shape that is written in the same way."""
    inner = x.parts[0] if x.head == "same" else x
    return inner if inner.shape == value.shape else ArraySymbol("same", (inner,), value)


def transposed(x: ArraySymbol, value: np.ndarray) -> ArraySymbol:
    """Return xᵀ; x for a transpose. A vector as a row or column is written without a sign."""
    if x.head == "T":
        return x.parts[0]
    if x.head == "same" and x.parts[0].ndim < 2 and x.shape[-1] == 1:
        return ArraySymbol("T", (x.parts[0],), value)
    if x.head == "same" and x.parts[0].ndim < 2:
        return keep(x, value)
    return ArraySymbol("T", (x,), value)


def combine_along(head: str, x: ArraySymbol, value: Any, text: str) -> ArraySymbol:
    """Return an operation along axes, or at an index, that a text names."""
    return ArraySymbol(head, (x, make_name(text)), value)


def call(function: str, value: Any, *args: Any, under: str = "") -> ArraySymbol:
    """Return a function of arguments, with a text below its name."""
    return ArraySymbol(
        "call", (make_name(function), make_name(under), *map(to_symbol, args)), value
    )


def reduce_by_name(function: str, x: ArraySymbol, axis: Axis, keepdims: bool) -> ArraySymbol:
    """Return a reduction that has no sign of its own."""
    value = getattr(x.value, function)(axis=axis, keepdims=keepdims)
    return call(function, value, x, under=format_axes(x, axis))


def format_axes(x: Any, axis: Axis) -> str:
    """Return the name of the axes of an operation; "" for all."""
    axes = array_formulas.axes_of(x, axis)
    if axis is None or len(axes) >= x.ndim:
        return ""
    numbers = ", ".join(str(i % x.ndim) for i in axes)
    return f"axis {numbers}" if len(axes) == 1 else f"axes {numbers}"


def drop_ones(shape: Shape) -> Shape:
    return tuple(n for n in shape if n != 1)


def format_index(index: Any) -> str:
    """Return an index as it is written in Python, without the brackets.

    >>> format_index((0, slice(None), slice(1, None, 2))), format_index(np.array([2, 0]))
    ('0, :, 1::2', '[2, 0]')
    """
    items = index if isinstance(index, tuple) else (index,)
    return ", ".join(map(format_index_item, items))


def format_index_item(item: Any) -> str:
    """Return one item of an index as it is written in Python; a long list shortened."""
    if isinstance(item, slice):
        start, stop = ("" if x is None else str(x) for x in (item.start, item.stop))
        return f"{start}:{stop}" + (f":{item.step}" if item.step not in (None, 1) else "")
    if item is ...:
        return "…"
    if isinstance(item, list | np.ndarray):
        array = np.asarray(item)
        if array.dtype == bool:
            return "mask"
        if array.ndim == 1 and array.size > 6:
            return f"[{array[0]}, {array[1]}, …, {array[-1]}]"
        return str(array.tolist()) if array.size <= 12 else f"indices of shape {array.shape}"
    return str(item)


def repeat_to(x: Any, shape: Shape) -> Any:
    """Return an array that is broadcast to a shape: repeated along the axes that grow."""
    value = np.broadcast_to(x.value, shape, subok=True)
    if value.size == x.size:
        return keep(x, value)
    old = (1,) * (len(shape) - x.ndim) + x.shape
    if x.head == "same" and x.size == 1:
        x = x.parts[0]
    grown = [i for i, n in enumerate(shape) if old[i] != n]
    text = write_shape(shape)
    if x.size > 1 and len(grown) < len(shape):
        text = f"axis {grown[0]}" if len(grown) == 1 else f"axes {', '.join(map(str, grown))}"
    return combine_along("repeat", x, value, text)


def scatter_into(x: Any, index: Any, shape: Shape) -> ArraySymbol:
    return call(
        "scatter", array_formulas.scatter(x.value, index, shape), x, under=format_index(index)
    )


def share_of_largest(x: Any, out: Any, axis: Axis) -> ArraySymbol:
    value = array_formulas.share_of_largest(x.value, out.value, axis)
    return ArraySymbol("=", (x, out), value)


def softmax(x: Any, axis: int = -1) -> ArraySymbol:
    under = format_axes(x, axis)
    return call("softmax", array_formulas.softmax(x.value, axis), x, under=under)


def evaluate_function(name: str) -> Callable[..., Any]:
    """Return a function of MATHEMATICS that also computes the value."""
    symbolic = MATHEMATICS[name]
    numeric = array_arithmetic.FUNCTIONS.get(name) or getattr(arithmetic, name, None)
    numeric = numeric or getattr(formulas, name, None)

    def function(*args: Any) -> Any:
        plain = [
            Symbol(x.head, x.parts) if isinstance(x, ArraySymbol) else to_symbol(x) for x in args
        ]
        numbers = [x.value if isinstance(x, ArraySymbol) else x for x in args]
        is_array = not any(map(is_recorded, numbers))
        value = (numeric if is_array else getattr(arithmetic, name, numeric))(*numbers)  # type: ignore[misc]
        return attach(lift(symbolic(*plain)), value)

    return function


SEQUENCES = (
    "add_up", "softmax", "softmax_pullback", "logsumexp", "uniform_cross_entropy", "cross_entropy",
    "rms_norm", "layer_norm",
)  # of Values  # fmt: skip
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: evaluate_function(name) for name in MATHEMATICS if name not in SEQUENCES},
    "broadcast_to": repeat_to, "scatter": scatter_into, "share_of_largest": share_of_largest,
    "softmax": softmax,
}  # fmt: skip
arithmetic.register(ArraySymbol, FUNCTIONS, rank=3)
