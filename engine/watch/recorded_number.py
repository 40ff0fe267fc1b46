"""`RecordedNumber`, which `.data` of a Value returns while decisions are recorded."""

import math
import operator
from collections.abc import Callable
from reprlib import repr as short_repr
from typing import TYPE_CHECKING, Any

from engine import arithmetic
from engine.arithmetic import where
from engine.node import Node
from engine.rules import Op
from engine.value import Constant, Value, lift, make_node
from engine.watch.decisions import COMPARISONS, record_branch, record_conversion

if TYPE_CHECKING:
    import numpy as np


class DetachOp(Op):
    """The number of a node as a constant: `x.detach()`, or `x * x.data`. A tape computes it."""

    __slots__ = ()
    _is_followed = True


DETACH = DetachOp("detach", lambda x: x, lambda out, x: 0.0)
NO_SLOPE = lambda out, x, y: 0.0
OUTCOMES = {  # 1 if a comparison holds, 0 if not
    "<": Op("<", lambda x, y: where(x < y, 1.0, 0.0), NO_SLOPE, NO_SLOPE),
    "<=": Op("<=", lambda x, y: where(x <= y, 1.0, 0.0), NO_SLOPE, NO_SLOPE),
    ">": Op(">", lambda x, y: where(x > y, 1.0, 0.0), NO_SLOPE, NO_SLOPE),
    ">=": Op(">=", lambda x, y: where(x >= y, 1.0, 0.0), NO_SLOPE, NO_SLOPE),
    "==": Op("==", lambda x, y: where(x == y, 1.0, 0.0), NO_SLOPE, NO_SLOPE),
    "!=": Op("!=", lambda x, y: where(x != y, 1.0, 0.0), NO_SLOPE, NO_SLOPE),
}


def detach(node: Value) -> Value:
    """Return a constant that is computed from a node."""
    return make_node(DETACH, node, None, node._data, None, None, Constant)


class RecordedNumber:
    """The number of a Value, which behaves like a float and records how it is used.

    Arithmetic returns the RecordedNumber of a new node, and a comparison a RecordedBool, which
    records a Branch when Python decides by it. In an operation of a graph, it is a constant that is
    computed from its Value. The other methods of floats return plain objects and record a
    Conversion.

    It is not a subclass of float, because C functions such as `math.sin` read the number inside a
    subclass without calling a method. They call `__float__` of any other class.
    """

    __slots__ = ("node",)
    node: Value
    _type: Any = float

    def __new__(cls, x: Any) -> Any:
        """Return the number of a Value; convert anything else to a float, as `type(x)(2)` does."""
        if not isinstance(x, Value):
            return float(x)
        number = object.__new__(cls)
        number.node = x
        return number

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # isinstance(x, float) is True
        return self._type

    def _as_constant(self) -> Value:
        """Return a constant with this number, through which no gradient flows."""
        return detach(self.node)

    def _plain(self) -> Any:
        """Return the number itself."""
        return self._type(self.node._data)

    def _convert(self, text: str, function: Callable[[Any], Any]) -> Any:
        """Return a plain result computed from the number, and record it."""
        kind = self._type
        return record_conversion(text, lambda x: function(kind(x)), self.node)

    real = property(lambda self: self)
    imag = property(lambda self: 0.0)
    fromhex = float.fromhex

    def __getattr__(self, name: str) -> Any:
        text = f"{self._type.__name__!r} object has no attribute {name!r}"
        if hasattr(Value, name):
            text += "; pass a Value, which has one"
        raise AttributeError(text, name=name, obj=self)

    def conjugate(self) -> "RecordedNumber":
        return self

    __pos__ = conjugate

    def __bool__(self) -> bool:
        return record_branch("!=", self.node, 0.0, self.node._data != 0.0)

    def __format__(self, spec: str) -> str:
        text = f"format({{}}, {spec!r})" if spec else "str({})"
        return self._convert(text, lambda x: format(x, spec))

    def __round__(self, digits: Any = None) -> Any:
        text = "round({})" if digits is None else f"round({{}}, {digits!r})"
        return self._convert(text, lambda x: round(x, digits))

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self._type, (as_plain(self),)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> "np.ndarray":
        import numpy as np

        return np.asarray(as_plain(self), dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        """Apply a function of NumPy: operators to this number, others to a plain float.

        Raises TypeError for a function that is a row, because its result would be a constant.
        """
        import numpy as np

        name = UFUNC_NAMES.get(ufunc.__name__, ufunc.__name__)
        kinds = (RecordedNumber, int, float, np.integer, np.floating)
        if method == "__call__" and not settings and all(isinstance(x, kinds) for x in inputs):
            if name in OPERATORS:
                x, *others = inputs
                if others and not isinstance(x, RecordedNumber):
                    name, x, others = REFLECTED.get(name, f"r{name}"), self, [x]
                result = getattr(x, f"__{name}__")(*others)
                return np.bool_(bool(result)) if type(result) in (bool, RecordedBool) else result
            if name in ROWS:
                raise TypeError(
                    f"np.{ufunc.__name__} of the .data of a Value would be a constant when the "
                    f"function is replayed; write x.{name}({'y' * (ufunc.nin - 1)}) to stay in the "
                    "graph, or pass float(x.data), which the tape compares at each replay"
                )
            if len(inputs) == 1:
                return self._convert(f"np.{ufunc.__name__}({{}})", ufunc)
        return getattr(ufunc, method)(*map(as_plain, inputs), **settings)


class RecordedInt(RecordedNumber):
    """A recorded number that is an integer, such as a count of decisions."""

    __slots__ = ()
    _type: Any = int

    def __index__(self) -> int:
        return self._convert("int({})", int)


class RecordedBool(RecordedInt):
    """The outcome of a comparison, which becomes a decision when Python tests its truth.

    To count it, as in `correct += x.data > 0.0`, or to pass it to `where`, is not a decision.
    """

    __slots__ = ("operands", "symbol")
    _type = bool
    operands: tuple[Value, Value]
    symbol: str

    @classmethod
    def of(cls, symbol: str, x: Value, y: Any, outcome: bool) -> "RecordedBool":
        """Return the outcome of `x symbol y`, where y is a Value or a float."""
        result: RecordedBool = object.__new__(cls)
        result.symbol, result.operands = symbol, (x, lift(y))
        row, number = OUTCOMES[symbol], float(outcome)
        result.node = make_node(row, x, result.operands[1], number, None, None, Constant)
        return result

    def __bool__(self) -> bool:
        x, y = self.operands
        return record_branch(self.symbol, x, y, self.node._data != 0.0)

    def _as_constant(self) -> Value:
        return self.node

    def __invert__(self) -> Any:
        return ~as_plain(self)

    def __and__(self, other: Any) -> Any:
        return self * other if is_truth_value(other) else as_plain(self) & as_plain(other)

    def __or__(self, other: Any) -> Any:
        return as_plain(self) | as_plain(other)

    def __xor__(self, other: Any) -> Any:
        return self != other if is_truth_value(other) else as_plain(self) ^ as_plain(other)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__


def is_truth_value(x: object) -> bool:
    return type(x) in (bool, RecordedBool)


ROWS = {name for name in arithmetic.__all__ if hasattr(Value, name)} | {"maximum", "minimum"}
UFUNC_NAMES = {  # NumPy's names for rows and operators
    "arccos": "acos", "arcsin": "asin", "arctan": "atan", "arccosh": "acosh", "arcsinh": "asinh",
    "arctanh": "atanh", "arctan2": "atan2", "fmax": "maximum", "fmin": "minimum", "power": "pow",
    "absolute": "abs", "fabs": "abs", "subtract": "sub", "multiply": "mul", "divide": "truediv",
    "floor_divide": "floordiv", "remainder": "mod", "negative": "neg", "positive": "pos",
    "less": "lt", "less_equal": "le", "greater": "gt", "greater_equal": "ge", "equal": "eq",
    "not_equal": "ne",
}  # fmt: skip
REFLECTED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq", "ne": "ne"}
OPERATORS = {
    *REFLECTED, "abs", "add", "sub", "mul", "truediv", "floordiv", "mod", "divmod", "neg", "pos",
    "pow",
}  # fmt: skip


def as_plain(x: Any) -> Any:
    """Return a RecordedNumber as a plain number, which is recorded; anything else as it is."""
    if not isinstance(x, RecordedNumber):
        return x
    return bool(x) if type(x) is RecordedBool else x._convert(f"{x._type.__name__}({{}})", x._type)


def comparison_method(symbol: str) -> Callable[[Any, Any], Any]:
    """Return a method that compares and records the outcome."""
    compare = COMPARISONS[symbol]

    def method(self: RecordedNumber, other: Any) -> Any:
        if isinstance(other, Node):
            if not isinstance(other, Value) or symbol in ("==", "!="):
                return NotImplemented
            other = other.data
        if isinstance(other, RecordedNumber):
            outcome = compare(self.node._data, other.node._data)
            return RecordedBool.of(symbol, self.node, other.node, outcome)
        outcome = compare(self._plain(), other)
        if is_float(other):
            return RecordedBool.of(symbol, self.node, float(other), outcome)
        if type(outcome) is not bool:  # an array
            return compare(as_plain(self), other)
        text = f"{{}} {symbol} {short_repr(other)}"
        return self._convert(text, lambda x: compare(x, other))

    return method


def is_float(x: Any) -> bool:
    """Return whether `x` is a number that a float holds exactly."""
    if isinstance(x, float):
        return True
    try:
        return not isinstance(x, str) and getattr(x, "ndim", 0) == 0 and float(x) == x
    except (TypeError, ValueError, OverflowError):
        return False


# With other numbers Python might raise an error or return a complex number, the node inf or nan.
MAY_FAIL = ("truediv", "rtruediv", "pow", "rpow")


def arithmetic_method(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that also computes with the node, so that its result is recorded.

    If the node has another result, as for arrays and complex numbers, the number is converted.
    """
    reflected = name.startswith("r")

    def method(self: RecordedNumber, *others: Any) -> Any:
        if any(isinstance(x, Node) for x in others):
            return NotImplemented
        plain = [x._plain() if isinstance(x, RecordedNumber) else x for x in others]
        args = [*plain, self._plain()] if reflected else [self._plain(), *plain]
        try:
            result = function(*args)  # raises the errors of floats, such as division by zero
        except (ArithmeticError, ValueError):  # the program may catch it
            for x in (self, *others):
                as_plain(x)
            raise
        if isinstance(result, float) or type(result) is int:
            nodes = [x.node if isinstance(x, RecordedNumber) else x for x in others]
            node = getattr(self.node, f"__{name}__")(*nodes)
            if repr(node._data) == repr(float(result)):
                if name in MAY_FAIL:
                    record_conversion("math.isfinite({})", math.isfinite, node)
                number = object.__new__(RecordedInt if type(result) is int else RecordedNumber)
                number.node = node
                return number
        for x in (self, *others):
            as_plain(x)
        return result

    return method


def conversion_method(text: str, function: Callable[[float], Any]) -> Callable[..., Any]:
    """Return a method that converts the number and records the result."""

    def method(self: RecordedNumber) -> Any:
        return self._convert(text, function)

    return method


def division_method(symbol: str, function: Callable[..., Any], swap: bool) -> Callable[..., Any]:
    """Return a method for `//`, `%` or `divmod`, whose results are plain numbers."""

    def method(self: RecordedNumber, other: Any) -> Any:
        if isinstance(other, Node):
            return NotImplemented
        other = as_plain(other)
        args = (short_repr(other), "{}") if swap else ("{}", short_repr(other))
        text = f"divmod({', '.join(args)})" if symbol == "divmod" else f" {symbol} ".join(args)
        divide = (lambda x: function(other, x)) if swap else (lambda x: function(x, other))
        if getattr(other, "ndim", 0):
            return divide(as_plain(self))
        return self._convert(text, divide)

    return method


for _symbol, _compare in COMPARISONS.items():
    setattr(RecordedNumber, f"__{_compare.__name__}__", comparison_method(_symbol))
for _name in ("add", "sub", "mul", "truediv", "pow"):
    for _prefix in ("", "r"):
        _function = pow if _name == "pow" else getattr(operator, _name)
        _method = arithmetic_method(_prefix + _name, _function)
        setattr(RecordedNumber, f"__{_prefix}{_name}__", _method)
for _name in ("neg", "abs"):
    setattr(RecordedNumber, f"__{_name}__", arithmetic_method(_name, getattr(operator, _name)))
for _name, _symbol in {"floordiv": "//", "mod": "%", "divmod": "divmod"}.items():
    _function = divmod if _name == "divmod" else getattr(operator, _name)
    setattr(RecordedNumber, f"__{_name}__", division_method(_symbol, _function, swap=False))
    setattr(RecordedNumber, f"__r{_name}__", division_method(_symbol, _function, swap=True))
for _name, _text, _convert in (
    ("__float__", "float({})", float),
    ("__int__", "int({})", int),
    ("__trunc__", "math.trunc({})", math.trunc),
    ("__floor__", "math.floor({})", math.floor),
    ("__ceil__", "math.ceil({})", math.ceil),
    ("__hash__", "hash({})", hash),
    ("__str__", "str({})", str),
    ("__repr__", "repr({})", repr),
    ("hex", "{}.hex()", operator.methodcaller("hex")),
    ("as_integer_ratio", "{}.as_integer_ratio()", operator.methodcaller("as_integer_ratio")),
    ("is_integer", "{}.is_integer()", operator.methodcaller("is_integer")),
):
    setattr(RecordedNumber, _name, conversion_method(_text, _convert))
