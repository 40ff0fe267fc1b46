"""`Index`, an integer argument while a function is recorded, and `Table`, whose rows it selects."""

import operator
from collections.abc import Callable, Iterable, Sequence
from numbers import Real
from typing import Any, NoReturn

import numpy as np

from engine.node import Node
from engine.support.arguments import check_unmasked
from engine.value import Value
from engine.watch.recorded_number import RecordedNumber

Integers = Sequence[int]  # all integer arguments of a call


def fits_64_bits(i: int) -> bool:
    """Return whether compiled code can represent an integer."""
    return -(2**63) <= i < 2**63


class Table(list[Any]):
    """A list of rows of Values, from which an argument of a function under `jit` selects a row.

    The rows have the same length; a row may also be a single Value. Without `jit`, a Table is a
    list.

    Raises TypeError if `rows` is not a list or another iterable of rows, MaskedElements for a
    masked array.

    >>> from engine import jit, total
    >>> table = Table([[Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)]])
    >>> f = jit(lambda i: total(table[i]) ** 2)
    >>> f(0).item(), f(1).item()
    (9.0, 49.0)
    """

    def __init__(self, rows: Iterable[Any], name: str = "the table"):
        if isinstance(rows, str) or not isinstance(rows, Iterable):
            raise TypeError(f"Table expects a list of rows of Values, got {rows!r}")
        super().__init__(check_unmasked(rows))
        self.name = name

    def _refuse_change(self, *_: object) -> NoReturn:
        raise TypeError("a Table cannot change, because recordings refer to its rows; make another")

    def __getitem__(self, i: Any) -> Any:
        return i.recording.select(self, i) if type(i) is Index else super().__getitem__(i)


for _name in (
    "__setitem__", "__delitem__", "__iadd__", "__imul__", "append", "extend", "insert", "pop",
    "remove", "clear", "sort", "reverse",
):  # fmt: skip
    setattr(Table, _name, Table._refuse_change)


class Index:
    """An integer argument of a function while it is recorded, or an integer computed from some.

    It selects rows of a `Table` and elements for `take`. Comparisons are recorded, so that another
    outcome leads to another recording. As an operand of a Value it is a number that may change.
    """

    __slots__ = ("compute", "now", "place", "recording", "text")

    def __init__(
        self,
        recording: Any,
        compute: Callable[[Integers], int],
        text: str,
        place: int | None = None,
    ):
        self.recording, self.compute, self.text, self.place = recording, compute, text, place
        self.now = compute(recording.integers)

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # isinstance(i, int) is True
        return int

    def _as_constant(self) -> Value:
        return self.recording.make_number(self)

    def _select(self, xs: Sequence[Any], from_end: bool = True) -> Any:
        """Return the element of a list at this index; `take` calls it.

        Raises IndexError for an index out of range, and for one below 0 unless `from_end`.
        """
        return self.recording.select(xs, self, from_end)

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError(
            f"{self.text} is an integer argument under jit, so it may change at each call: select "
            "with it from a Table(rows) or with take(xs, i); for a length or a setting, pass a "
            "list or a string, or name the argument in jit(..., static=[...])"
        )

    __index__ = __int__ = __float__ = __hash__ = __str__ = __format__ = __round__ = _refuse
    __trunc__ = __floor__ = __ceil__ = __complex__ = bit_length = _refuse

    def __repr__(self) -> str:
        return f"<integer argument {self.text}, now {self.now}>"

    def __bool__(self) -> bool:
        return self.recording.decide(self, lambda i: i != 0, f"{self.text} != 0")

    def __pos__(self) -> "Index":
        return self


def make_number_operator(name: str, swap: bool) -> Callable[[Index, Any], Any]:
    """Return an operator that treats the integer as a float, and returns a recorded number."""
    function = getattr(operator, name)

    def method(self: Index, other: Any) -> Any:
        if isinstance(other, Node):
            return NotImplemented
        x = RecordedNumber(self._as_constant())
        return function(other, x) if swap else function(x, other)

    return method


def make_integer_operator(name: str, symbol: str, swap: bool) -> Callable[[Index, Any], Any]:
    """Return an operator of an integer and another number."""
    function, of_numbers = getattr(operator, name), make_number_operator(name, swap)

    def method(self: Index, other: Any) -> Any:
        if isinstance(other, Node):
            return NotImplemented
        if not isinstance(other, Real):
            self._refuse()
        if isinstance(other, bool | np.integer):
            other = int(other)
        kind: Any = type(other)
        if kind is not Index and kind is not int:
            return of_numbers(self, other)
        compute: Callable[[Integers], int] = self.compute
        value: Callable[[Integers], Any] = getattr(other, "compute", lambda _: other)
        texts = self.text, getattr(other, "text", repr(other))
        if swap:
            compute, value, texts = value, compute, texts[::-1]
        text = f"({f' {symbol} '.join(texts)})"
        try:
            return Index(
                self.recording, lambda integers: function(compute(integers), value(integers)), text
            )
        except (ArithmeticError, ValueError):  # the program may catch it
            divisor = self if swap else other
            if type(divisor) is Index:
                self.recording.decide(divisor, lambda i: i <= 0, f"{divisor.text} <= 0")
                self.recording.decide(divisor, lambda i: i < 0, f"{divisor.text} < 0")
            raise

    return method


def make_comparison(name: str, symbol: str) -> Callable[[Index, Any], Any]:
    """Return a comparison, whose outcome is recorded."""
    function = getattr(operator, name)

    def method(self: Index, other: Any) -> Any:
        if isinstance(other, Node):
            return NotImplemented
        if type(other) is RecordedNumber:
            return function(RecordedNumber(self._as_constant()), other)
        if type(other) is Index:
            difference = operator.sub(self, other)
            return self.recording.decide(
                difference, lambda i: function(i, 0), f"{self.text} {symbol} {other.text}"
            )
        return self.recording.decide(
            self, lambda i: function(i, other), f"{self.text} {symbol} {other!r}"
        )

    return method


def make_unary(name: str, symbol: str) -> Callable[[Index], Index]:
    """Return an operator of one integer."""
    function = getattr(operator, name)

    def method(self: Index) -> Index:
        compute = self.compute
        return Index(
            self.recording, lambda integers: function(compute(integers)), f"{symbol}({self.text})"
        )

    return method


for _name, _symbol in {
    "add": "+", "sub": "-", "mul": "*", "floordiv": "//", "mod": "%", "and_": "&", "or_": "|",
    "xor": "^", "lshift": "<<", "rshift": ">>",
}.items():  # fmt: skip
    _method = _name.rstrip("_")
    setattr(Index, f"__{_method}__", make_integer_operator(_name, _symbol, swap=False))
    setattr(Index, f"__r{_method}__", make_integer_operator(_name, _symbol, swap=True))
for _name, _symbol in {
    "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!=",
}.items():  # fmt: skip
    setattr(Index, f"__{_name}__", make_comparison(_name, _symbol))
for _name, _symbol in {"neg": "-", "abs": "abs", "invert": "~"}.items():
    setattr(Index, f"__{_name}__", make_unary(_name, _symbol))
for _name in ("truediv", "pow"):
    setattr(Index, f"__{_name}__", make_number_operator(_name, swap=False))
    setattr(Index, f"__r{_name}__", make_number_operator(_name, swap=True))
