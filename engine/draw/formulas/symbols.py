"""Mathematics on symbols: a row of the rule table, applied to names, gives its formula.

`MATHEMATICS` defines for symbols the functions that rows call, as `engine.arithmetic` does for
floats. Helpers that only preserve the last bits are written as the mathematics they compute.

>>> from engine.rules import MUL, TANH
>>> x, y, out = make_name("x"), make_name("y"), make_name("out")
>>> str(build_formula(TANH, [x])), [str(slope) for slope in build_partials(TANH, out, [x])]
('tanh(x)', ['1 / cosh²(x)'])
>>> [str(slope) for slope in build_partials(MUL, out, [x, y])]
['y', 'x']
"""

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from typing import Any, TypeAlias

from engine import arithmetic
from engine.draw.formulas.places import Place
from engine.draw.formulas.writing import TRIGONOMETRIC, Expression, to_text
from engine.rules import Op, flatten
from engine.sequences.rules import BUILT_IN, DOT
from engine.sequences.vector_op import Output, VectorOp

Operand: TypeAlias = "Symbol | float"


class Symbol(Expression):
    """An expression with operators, each of which returns a larger expression."""

    def __add__(self, other: Operand) -> "Symbol":
        return add(self, other)

    def __radd__(self, other: Operand) -> "Symbol":
        return add(other, self)

    def __sub__(self, other: Operand) -> "Symbol":
        return add(self, negate(other))

    def __rsub__(self, other: Operand) -> "Symbol":
        return add(other, negate(self))

    def __mul__(self, other: Operand) -> "Symbol":
        return multiply(self, other)

    def __rmul__(self, other: Operand) -> "Symbol":
        return multiply(other, self)

    def __truediv__(self, other: Operand) -> "Symbol":
        return combine("/", self, other)

    def __rtruediv__(self, other: Operand) -> "Symbol":
        return combine("/", other, self)

    def __pow__(self, other: Operand) -> "Symbol":
        return raise_power(self, other)

    def __rpow__(self, other: Operand) -> "Symbol":
        return raise_power(other, self)

    def __pos__(self) -> "Symbol":
        return self

    def __neg__(self) -> "Symbol":
        return negate(self)

    def __abs__(self) -> "Symbol":
        return combine("abs", self)

    def __bool__(self) -> bool:
        raise TypeError(f"the formula {self} has no truth value; use where() to choose")

    def __lt__(self, other: Operand) -> "Symbol":
        return combine("<", self, other)

    def __le__(self, other: Operand) -> "Symbol":
        return combine("≤", self, other)

    def __gt__(self, other: Operand) -> "Symbol":
        return combine(">", self, other)

    def __ge__(self, other: Operand) -> "Symbol":
        return combine("≥", self, other)

    def __and__(self, other: Operand) -> "Symbol":
        return combine("and", self, other)

    def __or__(self, other: Operand) -> "Symbol":
        return combine("or", self, other)

    def __str__(self) -> str:
        return to_text(self)


def make_name(text: str) -> Symbol:
    """Return a name as an expression."""
    return Symbol("name", (text,))


def lift(x: Operand) -> Symbol:
    """Return a number as an expression, and an expression unchanged."""
    return x if isinstance(x, Symbol) else Symbol("number", (float(x),))


def format_as(x: float, text: str) -> Symbol:
    """Return a number as an expression that is written as `text`; factors of 1 are not left out."""
    return Symbol("number", (x, text))


def combine(head: str, *parts: Operand) -> Symbol:
    """Return an operation on parts."""
    return Symbol(head, tuple(map(lift, parts)))


def make_function(head: str) -> Callable[..., Symbol]:
    """Return a function that applies the operation `head` to its arguments."""
    return lambda *args: combine(head, *args)


# The functions below leave out terms of 0 and factors of 1.


def add(x: Operand, y: Operand) -> Symbol:
    x, y = lift(x), lift(y)
    if ZERO in (x, y):
        return y if x == ZERO else x
    return combine("+", x, y)


def multiply(x: Operand, y: Operand) -> Symbol:
    x, y = lift(x), lift(y)
    if ZERO in (x, y):
        return ZERO
    if ONE in (x, y):
        return y if x == ONE else x
    if MINUS_ONE in (x, y):
        return negate(y if x == MINUS_ONE else x)
    return combine("·", x, y)


def negate(x: Operand) -> Symbol:
    x = lift(x)
    if x.head == "number" and not is_formatted(x):
        return lift(0.0 - x.parts[0])
    if x.head == "neg" and not is_formatted(x.parts[0]):  # 1 − (−2) stays as it is
        return x.parts[0]
    return combine("neg", x)


def make_place(place: Place) -> Symbol:
    """Return the place of a number as an expression."""
    return Symbol("place", (place.key,))


def is_formatted(x: Symbol) -> bool:
    """Return whether an expression is a number in its final format, or a place for one.

    Such a number is not simplified.
    """
    return x.head == "place" or (x.head == "number" and len(x.parts) > 1)


def raise_power(x: Operand, y: Operand) -> Symbol:
    return lift(x) if lift(y) == ONE or lift(x) == ONE else combine("^", x, y)


def differentiate_power(x: Operand, y: Operand) -> Symbol:
    """Return y · x^(y − 1), in which the exponent is computed if y is a number: 3 · x².

    >>> print(differentiate_power(make_name("x"), 3.0))
    3 · x²
    """
    number = find_number(lift(y))
    if number == 1.0:
        return lift(y)
    return multiply(y, raise_power(x, add(y, -1.0) if number is None else number - 1.0))


def find_number(x: Symbol) -> float | None:
    """Return the value of a number, which may be negated, or None for any other expression."""
    if x.head == "neg":
        number = find_number(x.parts[0])
        return None if number is None else -number
    return x.parts[0] if x.head == "number" else None


def exp(x: Operand) -> Symbol:
    return raise_power(make_name("e"), x)


def where(condition: Operand, x: Operand, y: Operand) -> Symbol:
    """Return x if a condition holds, else y; `abs(z) >= 0` fails for nan only."""
    condition = lift(condition)
    holds = (
        condition.head == "≥" and condition.parts[0].head == "abs" and condition.parts[1] == ZERO
    )
    return lift(x) if holds or lift(x) == lift(y) else combine("cases", x, condition, y)


def make_results(name: str) -> Callable[..., list[Symbol]]:
    """Return a function with as many results as its first argument has elements.

    The results are distinguished by an index.
    """
    return lambda xs, *others: [
        combine(f"{name}{str(i).translate(SUBSCRIPTS)}", *xs, *others)
        for i in range(1, len(xs) + 1)
    ]


def softmax_pullback(
    gs: Sequence[Operand], outs: Sequence[Operand], xs: Sequence[Operand]
) -> list[Symbol]:
    """Return out · (g - the mean of all g, weighted by out) for each input."""
    mean = add_up(multiply(out, g) for out, g in zip(outs, gs, strict=True))
    return [multiply(out, add(g, negate(mean))) for out, g in zip(outs, gs, strict=True)]


def add_up(xs: Iterable[Operand]) -> Symbol:
    return reduce(add, xs, ZERO)


def distance(x: Operand, y: Operand) -> Symbol:
    """Return √(x² + y²)."""
    return combine("√", square_sum(x, y))


def square_sum(x: Operand, y: Operand) -> Symbol:
    """Return x² + y²."""
    return raise_power(x, 2.0) + raise_power(y, 2.0)


SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
ZERO, ONE, MINUS_ONE = lift(0.0), lift(1.0), lift(-1.0)
INVERTIBLE = TRIGONOMETRIC
MATHEMATICS: dict[str, Callable[..., Any]] = {
    **{f: make_function(f) for f in (*INVERTIBLE, "erf", "erfc", "atan2")},
    **{f"a{f}": make_function(f"ar{f}" if f.endswith("h") else f"arc{f}") for f in INVERTIBLE},
    "exp": exp, "exp2": lambda x: raise_power(2.0, x), "expm1": lambda x: exp(x) - 1.0,
    "log": make_function("ln"), "log2": make_function("log₂"), "log10": make_function("log₁₀"),
    "log1p": lambda x: combine("ln", add(1.0, x)),
    "sqrt": make_function("√"), "cbrt": make_function("∛"),
    "hypot": distance,
    "where": where, "divide": make_function("/"), "power": raise_power,
    "mod": make_function("mod"), "floor": make_function("floor"), "rint": make_function("round"),
    "floor_divide": lambda x, y: combine("floor", combine("/", x, y)),
    # The helpers of engine.formulas.
    "square": lambda x: raise_power(x, 2.0), "sign": make_function("sgn"),
    "equal": make_function("="), "maximum": make_function("max"), "minimum": make_function("min"),
    "tie_share": lambda x, y: where(combine(">", x, y), 1.0, where(combine("<", x, y), 0.0, 0.5)),
    "relu": lambda x: combine("max", 0.0, x), "sigmoid": make_function("σ"),
    "normal_cdf": make_function("Φ"), "normal_pdf": make_function("φ"),
    "gaussian": lambda x: exp(negate(raise_power(x, 2.0))), "drop_large": lift, "drop_low": lift,
    "ceil": make_function("ceil"),
    "difference": lambda x, y: add(x, negate(y)), "finite_log_argument": lambda x, y: lift(y),
    "sech_squared": lambda x: combine("/", 1.0, raise_power(combine("cosh", x), 2.0)),
    "sigmoid_slope": lambda x: combine("σ", x) * combine("σ", negate(x)),
    "one_minus_square": lambda x: 1.0 - raise_power(x, 2.0),
    "one_over_one_plus_square": lambda x: combine("/", 1.0, add(1.0, raise_power(x, 2.0))),
    "direction_cosine": lambda x, y: combine("/", x, distance(x, y)),
    "over_distance": lambda c, x, y: combine("/", c, distance(x, y)),
    "cosine_slope": lambda x, y: combine(
        "/", raise_power(y, 2.0), raise_power(distance(x, y), 3.0)
    ),
    "cosine_cross_slope": lambda x, y: negate(
        combine("/", multiply(x, y), raise_power(distance(x, y), 3.0))
    ),
    "cosine_bend": lambda x, y: combine(
        "/",
        multiply(y, multiply(2.0, raise_power(x, 2.0)) - raise_power(y, 2.0)),
        raise_power(distance(x, y), 5.0),
    ),
    "angle_slope": lambda x, y: combine("/", y, square_sum(x, y)),
    "cos2_over_square": lambda x, y: combine(
        "/", raise_power(y, 2.0) - raise_power(x, 2.0), raise_power(square_sum(x, y), 2.0)
    ),
    "sin2_over_square": lambda x, y: combine(
        "/", multiply(multiply(2.0, x), y), raise_power(square_sum(x, y), 2.0)
    ),
    "cos3_over_cube": lambda x, y: combine(
        "/",
        multiply(y, raise_power(y, 2.0) - multiply(3.0, raise_power(x, 2.0))),
        raise_power(square_sum(x, y), 3.0),
    ),
    "power_x": lambda out, x, y: differentiate_power(x, y),
    "scaled_power": lambda c, x, y: multiply(c, raise_power(x, y)),
    "scaled_power_log": lambda c, x, y: multiply(c, raise_power(x, y)) * combine("ln", x),
    "scaled_power_log_square": lambda c, x, y: (
        multiply(c, raise_power(x, y)) * raise_power(combine("ln", x), 2.0)
    ),
    "over_square": lambda x, y: combine("/", x, raise_power(y, 2.0)),
    "over_cube": lambda x, y: combine("/", x, raise_power(y, 3.0)),
    **{name: make_results(name) for name in ("softmax", "rms_norm", "layer_norm")},
    "add_up": add_up, "softmax_pullback": softmax_pullback,
    "logsumexp": lambda xs: combine("ln", add_up(exp(x) for x in xs)),
    "uniform_cross_entropy": lambda xs: (
        combine("ln", add_up(exp(x) for x in xs)) - add_up(xs) / float(len(xs))
    ),
    "cross_entropy": lambda x, others: combine("ln", 1.0 + add_up(exp(o - x) for o in others)),
}  # fmt: skip


arithmetic.register(Symbol, MATHEMATICS)
READABLE: dict[Op, Callable[..., Symbol]] = {  # in another order than rows compute
    DOT: lambda ws, xs, b: add_up([*map(multiply, ws, xs), b]),
}


def build_formula(op: Op, args: Sequence[Operand]) -> Symbol:
    """Return the formula of a row, for a flat list of its inputs: names, numbers or expressions.

    The formula of a user's row is its name, applied to its inputs, if the row calls functions that
    accept no symbols or branches on a comparison. The row of one of several results gives the
    formula of that result.
    """
    if isinstance(op, Output):
        return build_results(op.vector_op, args)[op._output_index]
    try:
        return lift(READABLE.get(op, op.forward)(*op.unflatten([lift(x) for x in args])))
    except Exception:  # a user's row may raise anything when it gets symbols
        if op in BUILT_IN:
            raise
        return combine(op.name, *args)


def build_results(op: VectorOp, args: Sequence[Operand]) -> list[Symbol]:
    """Return the formulas of a row with several results."""
    return [lift(x) for x in op.forward(*op.unflatten([lift(x) for x in args]))]


def build_partials(
    op: Op, out: Operand, args: Sequence[Operand], outs: Sequence[Operand] = ()
) -> list[Symbol]:
    """Return the formulas of the local derivatives, one for each input; f′(x) for an unknown one.

    `out` is the name of the result, `outs` the names of all results of one operation, if known.
    """
    symbols = [lift(x) for x in args]
    try:
        if isinstance(op, Output):
            outs = [
                lift(out) if i == op._output_index else lift(x)
                for i, x in enumerate(outs or build_results(op.vector_op, args))
            ]
            units = [float(i == op._output_index) for i in range(len(outs))]
            return [lift(x) for x in op.vector_op._pull_back(units, outs, symbols)]
        return [lift(slope) for slope in flatten(op.locals(lift(out), *op.unflatten(symbols)))]
    except Exception:
        if op in BUILT_IN:
            raise
        if len(args) == 1:
            return [combine(f"{op.name}′", *args)]
        return [combine(f"{op.name}′{i + 1}", *args) for i in range(len(args))]
