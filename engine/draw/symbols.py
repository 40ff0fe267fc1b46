"""Mathematics on symbols: a row of the rule table, run on names, gives its formula.

An expression is a small tree. `MATHEMATICS` defines the functions of rows for symbols, as
`engine.arithmetic` does for floats. Helpers that only keep last bits are written as what they are
in mathematics.

>>> from engine.rules import MUL, TANH
>>> x, y, out = name("x"), name("y"), name("out")
>>> str(forward(TANH, [x])), [str(each) for each in partials(TANH, out, [x])]
('tanh(x)', ['(1 / cosh(x))²'])
>>> [str(each) for each in partials(MUL, out, [x, y])]
['y', 'x']
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

from engine import arithmetic
from engine.rules import Op, flat
from engine.sequences import BUILT_IN, Output, VectorOp


@dataclass(frozen=True)
class Symbol:
    """An expression: a number, a name, or an operation on its parts.

    Heads are "number", "name", the signs + · / ^ √ < ≤ > ≥ =, "neg", "abs", "and", "or", "cases"
    (value, condition, otherwise), and names of functions.
    """

    head: str
    parts: tuple[Any, ...]

    def __add__(self, other: Any) -> Any:
        return plus(self, other)

    def __radd__(self, other: Any) -> Any:
        return plus(other, self)

    def __sub__(self, other: Any) -> Any:
        return plus(self, negative(other))

    def __rsub__(self, other: Any) -> Any:
        return plus(other, negative(self))

    def __mul__(self, other: Any) -> Any:
        return times(self, other)

    def __rmul__(self, other: Any) -> Any:
        return times(other, self)

    def __truediv__(self, other: Any) -> Any:
        return MATHEMATICS["divide"](self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return MATHEMATICS["divide"](other, self)

    def __pow__(self, other: Any) -> Any:
        return MATHEMATICS["power"](self, other)

    def __rpow__(self, other: Any) -> Any:
        return MATHEMATICS["power"](other, self)

    def __pos__(self) -> Any:
        return self

    def __neg__(self) -> Any:
        return negative(self)

    def __abs__(self) -> Any:
        return made("abs", self)

    def __bool__(self) -> bool:
        raise TypeError("a formula is neither true nor false")

    def __lt__(self, other: Any) -> Any:
        return made("<", self, other)

    def __le__(self, other: Any) -> Any:
        return made("≤", self, other)

    def __gt__(self, other: Any) -> Any:
        return made(">", self, other)

    def __ge__(self, other: Any) -> Any:
        return made("≥", self, other)

    def __and__(self, other: Any) -> Any:
        return made("and", self, other)

    def __or__(self, other: Any) -> Any:
        return made("or", self, other)

    def __str__(self) -> str:
        from engine.draw.writing import text  # which knows how symbols look

        return text(self)


def name(text: str) -> Symbol:
    return Symbol("name", (text,))


def lift(x: Any) -> Symbol:
    """`x` as an expression."""
    return x if isinstance(x, Symbol) else Symbol("number", (float(x),))


def made(head: str, *parts: Any) -> Symbol:
    return Symbol(head, tuple(map(lift, parts)))


def function(head: str) -> Callable[..., Symbol]:
    return lambda *args: made(head, *args)


# What is 0 or 1 is not written.


def plus(x: Any, y: Any) -> Symbol:
    x, y = lift(x), lift(y)
    if ZERO in (x, y):
        return y if x == ZERO else x
    return made("+", x, y)


def times(x: Any, y: Any) -> Symbol:
    x, y = lift(x), lift(y)
    if ZERO in (x, y):
        return ZERO
    if ONE in (x, y):
        return y if x == ONE else x
    if MINUS_ONE in (x, y):
        return negative(y if x == MINUS_ONE else x)
    return made("·", x, y)


def negative(x: Any) -> Symbol:
    x = lift(x)
    if x.head == "number":
        return lift(-x.parts[0])
    return x.parts[0] if x.head == "neg" else made("neg", x)


def power(x: Any, y: Any) -> Symbol:
    return lift(x) if lift(y) == ONE or lift(x) == ONE else made("^", x, y)


def e_to(x: Any) -> Symbol:
    return power(name("e"), x)


def where(condition: Any, x: Any, y: Any) -> Symbol:
    return lift(x) if lift(x) == lift(y) else made("cases", x, condition, y)


def softmax(xs: Sequence[Any]) -> list[Symbol]:
    """The shares of all: which one it is stands in the index."""
    return [made(f"softmax{str(i).translate(LOWERED)}", *xs) for i in range(1, len(xs) + 1)]


def softmax_pullback(gs: Sequence[Any], outs: Sequence[Any], xs: Sequence[Any]) -> list[Symbol]:
    """out · (g - the weighted mean of all g), for each."""
    mean = total([times(out, g) for out, g in zip(outs, gs, strict=True)])
    return [times(out, plus(g, negative(mean))) for out, g in zip(outs, gs, strict=True)]


def total(xs: Sequence[Any]) -> Any:
    return reduce(add, xs, ZERO)


LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
ZERO, ONE, MINUS_ONE = lift(0.0), lift(1.0), lift(-1.0)
SIDES = ("sin", "cos", "tan", "sinh", "cosh", "tanh")
MATHEMATICS: dict[str, Any] = {
    **{f: function(f) for f in (*SIDES, "erf", "erfc", "atan2")},
    **{f"a{f}": function(f"ar{f}" if f.endswith("h") else f"arc{f}") for f in SIDES},
    "exp": e_to, "exp2": lambda x: power(2.0, x), "expm1": lambda x: e_to(x) - 1.0,
    "log": function("ln"), "log2": function("log₂"), "log10": function("log₁₀"),
    "log1p": lambda x: made("ln", plus(1.0, x)),
    "sqrt": function("√"), "cbrt": function("∛"),
    "hypot": lambda x, y: made("√", power(x, 2.0) + power(y, 2.0)),
    "where": where, "divide": function("/"), "power": power,
    # The helpers of engine.formulas.
    "square": lambda x: power(x, 2.0), "sign": function("sgn"),
    "equal": function("="), "maximum": function("max"), "minimum": function("min"),
    "share": lambda x, y: where(made(">", x, y), 1.0, where(made("<", x, y), 0.0, 0.5)),
    "relu": lambda x: made("max", 0.0, x), "sigmoid": function("σ"),
    "normal_cdf": function("Φ"), "normal_pdf": function("φ"),
    "exp_product": lambda x, y: e_to(times(x, y)), "bounded": lift, "not_low": lift,
    "held": lift,
    "hypot_slope": lambda out, x: made("/", x, out),
    "power_x": lambda out, x, y: times(y, power(x, plus(y, -1.0))),
    "add_up": lambda xs: total(xs), "softmax": softmax, "softmax_pullback": softmax_pullback,
    "logsumexp": lambda xs: made("ln", total([e_to(x) for x in xs])),
    "cross_entropy": lambda x, others: made("ln", 1.0 + total([e_to(o - x) for o in others])),
}  # fmt: skip
NAMED = {  # numbers that have names
    math.log(2.0): "ln 2", math.log(10.0): "ln 10", 2.0 / math.sqrt(math.pi): "2/√π",
    1.0 / math.log(2.0): "1/ln 2", 1.0 / math.log(10.0): "1/ln 10",
}  # fmt: skip


arithmetic.register(Symbol, MATHEMATICS)


def forward(op: Op, args: Sequence[Any]) -> Symbol:
    """Return the formula of a row, for names or numbers of its inputs, in a flat list.

    A user's row may call functions of other modules, which take no symbols, or may choose by
    comparing: its formula is then its name. The formula of one of several results is that result's.
    """
    if isinstance(op, Output):
        return results(op.of, args)[op.index]
    try:
        return lift(op.forward(*op.group([lift(x) for x in args])))
    except Exception:  # of whatever Python makes of symbols there
        if op in BUILT_IN:
            raise
        return made(op.name, *args)


def results(op: VectorOp, args: Sequence[Any]) -> list[Symbol]:
    """Return the formulas of a row with several results."""
    return [lift(x) for x in op.forward([lift(x) for x in args])]


def partials(op: Op, out: Any, args: Sequence[Any]) -> list[Symbol]:
    """Return the formulas of the local derivatives, one for each input; or f′(x) if unknown."""
    inputs = op.group([lift(x) for x in args]) if not isinstance(op, Output) else ()
    try:
        if isinstance(op, Output):
            outs = [lift(out) if i == op.index else x for i, x in enumerate(results(op.of, args))]
            units = [float(i == op.index) for i in range(len(outs))]
            return [lift(x) for x in op.of.partials[0](units, outs, [lift(x) for x in args])]
        return [lift(each) for each in flat(op.locals(lift(out), *inputs))]
    except Exception:
        if op in BUILT_IN:
            raise
        if len(args) == 1:
            return [made(f"{op.name}′", *args)]
        return [made(f"{op.name}′{i + 1}", *args) for i in range(len(args))]
