"""Conversions of traced arrays and numbers to Python objects.

Each conversion, for example to a string or a hash, is a guard: a step whose outcome must be the
same in each replay.
"""

import math
import operator
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from engine.array_tape.steps import CALL, TracedArray
from engine.support.frames import find_call

# The messages of functions that accept a float or an array, but not an object that acts like one.
REFUSED = re.compile(r"\bTraced(Number)?\b|\b(type|or) float(64)?\b")


def explain_refusal(problem: BaseException | None) -> None:
    """Raise TypeError, with the user's call and a remedy, if a function refused a traced array."""
    text, remedy = str(problem), ""
    if REFUSED.search(text):
        remedy = (
            "; under jit, functions written in C do not accept a number that is an argument or is "
            "computed from one; pass float(x), which is compared in each replay"
        )
    if type(problem) is TypeError and (remedy or "under jit" in text):
        raise TypeError(f"{find_call(problem)}{remedy}") from problem


class Conversions(TracedArray):
    """The methods by which Python converts a traced array or number."""

    __slots__ = ()

    def _convert(self, f: Callable[..., Any], *args: Any) -> Any:
        """Return f(x, *args), and record that the result must be the same in each replay."""
        return self._trace.guard((lambda x: f(x, *args)) if args else f, self)

    def __hash__(self) -> int:
        """Return the hash of the number during recording, and that of this object afterwards.

        Programs keep traced arrays in sets and dicts, where each one equals only itself.
        """
        return self._convert(hash) if self._trace.is_open else object.__hash__(self)

    def __format__(self, spec: str) -> str:
        return self._convert(format, spec)

    def __round__(self, *digits: Any) -> Any:
        return self._convert(round, *digits)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Return the state for pickling. The number becomes a constant."""
        x = np.asarray(self) if self.ndim else self._convert(operator.pos)  # arrays raise TypeError
        return x.__reduce_ex__(protocol)

    def _convert_by(self, name: str) -> Any:
        """Return an attribute of the number, or a function that calls its method, as a guard."""
        if callable(getattr(self._plain(), name)):
            return lambda *args: self._convert(lambda x: getattr(x, name)(*args))
        return self._convert(operator.attrgetter(name))

    def _plain(self) -> Any:
        """Return the current array or number, as the function sees it without `jit`."""
        return self.value[()] if self.scalar else self.value


def guard_method(f: Callable[[Any], Any]) -> Callable[[Conversions], Any]:
    return lambda self: self._convert(f)


for _name, _convert in (
    ("__bool__", bool), ("__int__", int), ("__float__", float), ("__complex__", complex),
    ("__index__", operator.index), ("__trunc__", math.trunc), ("__floor__", math.floor),
    ("__ceil__", math.ceil), ("__str__", str), ("__repr__", repr),
    ("item", operator.methodcaller("item")), ("tolist", operator.methodcaller("tolist")),
):  # fmt: skip
    setattr(Conversions, _name, guard_method(_convert))


class NumberOperators:
    """The operators of Python's numbers, which differ from NumPy's in rounding and in errors."""

    __slots__ = ()


def operator_method(name: str, f: Callable[..., Any], swap: bool) -> Callable[..., Any]:
    """Return the method of an operator that computes as Python does.

    NumPy computes the result if another operand is one of its objects.
    """

    def method(self: Any, *others: Any) -> Any:
        if any(isinstance(x, np.ndarray | np.generic) or overrides_ufuncs(x) for x in others):
            return getattr(super(NumberOperators, self), name)(*others)
        if not all(isinstance(x, int | float | complex) for x in others):
            return NotImplemented  # the method of the other operand computes with this number
        args = (*others, self) if swap else (self, *others)
        return self._trace.emit(CALL, f.__name__, f, args)

    return method


def overrides_ufuncs(x: Any) -> bool:
    """Return whether NumPy's functions leave an object to its own methods."""
    return hasattr(x, "__array_ufunc__") and not isinstance(x, NumberOperators)


COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")
UNARY = ("neg", "pos", "abs", "invert")
BINARY = (
    "add", "sub", "mul", "truediv", "floordiv", "mod", "divmod", "pow", "lshift", "rshift", "and",
    "or", "xor", "matmul",
)  # fmt: skip
for _name in (*COMPARISONS, *UNARY, *BINARY):
    _function: Any = {"pow": pow, "divmod": divmod}.get(_name)
    _function = _function or getattr(operator, f"__{_name}__")
    for _prefix in ("", "r", "i") if _name in BINARY else ("",):
        _method = operator_method(f"__{_prefix}{_name}__", _function, _prefix == "r")
        if f"{_prefix}{_name}" != "idivmod":
            setattr(NumberOperators, f"__{_prefix}{_name}__", _method)
