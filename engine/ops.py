"""The rule table: every operation is one row, its formula and its local derivatives.

A row can be checked against a textbook: `Op(name, forward, partial, partial, ...)` holds the
forward formula and one partial derivative per input. The letters mean the same in every row:

    out     the result                     x, y, lo, hi, ...   the inputs, one number each
    xs, ws  inputs that are sequences (a plural letter), in the rows that take any number of inputs

A row names functions (exp, where, ...) without saying whose. As written it computes on floats;
`readers.over(row, space)` reads the same code in another arithmetic: arrays, nodes of a graph (which gives
derivatives of derivatives), names of a program, symbols of a formula. Adding a row gives every
reader the new operation. Three rules keep rows readable by all of them:

  - no `if` on a number, but `where(condition, x, y)`, which computes both; no `==`, which for nodes
    is identity, but `equal(x, y)`;
  - a helper function (`engine.formulas`) is read along with the row that calls it;
  - every function that a partial derivative names is a row itself or made of rows, so that it can
    be differentiated in turn.

Outside a function's domain the result is nan, and slopes there mean nothing. The formulas are the
ones that keep the last bits: each comment says what the textbook form loses.
`tests/reference.py` states the bound of every row, in units in the last place.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from inspect import CO_VARARGS
from typing import Any, Self

from engine.floats import *
from engine.formulas import *

LN2, LN10 = math.log(2.0), math.log(10.0)


class Op:
    """An operation: a row of the table.

    forward     x, y, ... -> out
    partials    out, x, y, ... -> d out / d input, one function for each input

    Called on nodes, numbers among them, it makes the node of its result:

    >>> from engine import Value
    >>> CUBE = Op("cube", lambda x: x * x * x, lambda out, x: 3.0 * x * x)
    >>> CUBE(Value(2.0))
    Value(8.0)
    """

    __slots__ = ("forward", "name", "partials", "tame")

    def __init__(self, name: str, forward: Callable[..., Any], *partials: Callable[..., Any]):
        if not (isinstance(name, str) and partials and all(map(callable, (forward, *partials)))):
            raise TypeError(
                "Op takes a name, the formula and a partial derivative for each input, such as "
                "Op('cube', lambda x: x**3, lambda out, x: 3 * x**2), "
                f"got {(name, forward, *partials)}"
            )
        self._check_arguments(name, forward, partials)
        self.name, self.forward, self.partials = name, forward, partials
        self.tame = False  # whether slopes are known to be finite wherever the result is

    def _check_arguments(self, name: str, forward: Any, partials: Sequence[Any]) -> None:
        """ValueError where the formula has more inputs, or fewer, than partial derivatives."""
        n = len(partials)
        for what, f, count in [("formula", forward, n), *[("slope", f, n + 1) for f in partials]]:
            if not takes(f, count):
                inputs = f"{'out and ' * (f is not forward)}{n} input{'s' * (n > 1)}"
                raise ValueError(
                    f"{name}: there {'are' if n > 1 else 'is'} {n} partial "
                    f"derivative{'s' * (n > 1)}, so that each {what} takes {inputs}; one takes "
                    f"{', '.join(arguments(f)) or 'nothing'}"
                )

    @property
    def arity(self) -> int:
        """The number of arguments."""
        return len(self.partials)

    def locals(self, out: Any, *args: Any) -> tuple[Any, ...]:
        """The local derivatives of `out`, one for each argument."""
        return tuple([partial(out, *args) for partial in self.partials])

    def group(self, inputs: Sequence[Any]) -> tuple[Any, ...]:
        """A flat list of inputs as the arguments of this row's formulas."""
        return tuple(inputs)

    def made_of(self, forward: Callable[..., Any], *partials: Callable[..., Any]) -> "Op":
        """A row of this name and kind with other formulas."""
        return type(self)(self.name, forward, *partials)

    def __call__(self, *args: Any) -> Any:
        for each in flat(args):
            if hasattr(each, "apply"):
                try:
                    return each.apply(self, *args)
                except Exception as problem:  # of whatever Python a user's row runs
                    problem.add_note(f"in the row {self.name!r}")
                    raise
        raise TypeError(f"{self.name} takes a node among its arguments, got {args}")

    def __repr__(self) -> str:
        return f"Op({self.name!r})"

    def __reduce__(self) -> Any:
        """Rows are saved by name: a file that holds one cannot bring code along."""
        if TABLE.get(self.name) is not self:
            raise TypeError(
                f"operation {self.name!r} is not in engine.ops.TABLE, so nothing could find it "
                f"when the graph is loaded; add it with TABLE[{self.name!r}] = ..."
            )
        return named, (self.name,)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Any) -> Self:
        return self


def takes(f: Any, count: int) -> bool:
    """Whether a function takes so many arguments by place, as far as it tells."""
    code = getattr(f, "__code__", None)
    if code is None or code.co_flags & CO_VARARGS:
        return True
    most = len(arguments(f))
    return most - len(f.__defaults__ or ()) <= count <= most


def arguments(f: Any) -> tuple[str, ...]:
    """The names of a function's arguments by place, without a method's self."""
    return f.__code__.co_varnames[hasattr(f, "__self__") : f.__code__.co_argcount]


class ManyOp(Op):
    """A row with sequences among its arguments, of any length: one node, however many inputs.

    An argument with a plural name (xs, ws) is a sequence.

    It has one function for all its local derivatives, which share their work: a tuple with an entry
    for each argument, the entry of a sequence being the sequence of its elements' derivatives. A
    `tame` row promises that they are finite wherever the result is; backward need then not visit
    the inputs of a node at which a zero arrived.

    >>> from engine import Value
    >>> from engine.floats import divide, sqrt
    >>> NORM = ManyOp(
    ...     "norm",
    ...     lambda xs: sqrt(multiply_add(xs, xs, 0.0)),
    ...     lambda out, xs: ([divide(x, out) for x in xs],),
    ... )
    >>> NORM([Value(3.0), Value(4.0)])
    Value(5.0)
    """

    __slots__ = ()

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any],
        partials: Callable[..., Any],
        *,
        tame: bool = False,
    ):
        super().__init__(name, forward, partials)
        if not hasattr(forward, "__code__"):
            raise TypeError(
                f"{name}: the names of a function's arguments are read, which {forward!r} does "
                "not tell; write lambda xs: ..."
            )
        if not any(letter.endswith("s") for letter in self.letters):
            raise ValueError(
                f"{name}: none of {self.letters} is plural, to be a sequence, as xs is"
            )
        self.tame = tame

    def _check_arguments(self, name: str, forward: Any, partials: Sequence[Any]) -> None:
        """Its one function for all slopes takes `out` and what the formula takes."""
        if hasattr(forward, "__code__") and not takes(partials[0], len(arguments(forward)) + 1):
            raise ValueError(f"{name}: the slopes take out and all that the formula takes")

    @property
    def letters(self) -> tuple[str, ...]:
        """The names of the arguments; a plural is a sequence, and all sequences have one length."""
        return arguments(self.forward)

    @property
    def arity(self) -> int:
        return len(self.letters)

    def check_sequences(self, args: Sequence[Any]) -> None:
        """TypeError for an argument with a plural name that is no list or tuple."""
        for letter, x in zip(self.letters, args, strict=False):
            if letter.endswith("s") and not isinstance(x, list | tuple):
                raise TypeError(f"{self.name} takes a list for {letter}, got {x!r}; write [x]")

    def locals(self, out: Any, *args: Any) -> tuple[Any, ...]:
        return self.partials[0](out, *args)

    def group(self, inputs: Sequence[Any]) -> tuple[Any, ...]:
        plural = [letter.endswith("s") for letter in self.letters]
        length = (len(inputs) - plural.count(False)) // plural.count(True)
        args, start = [], 0
        for many in plural:
            stop = start + (length if many else 1)
            args.append(tuple(inputs[start:stop]) if many else inputs[start])
            start = stop
        return tuple(args)


# ------------------------------------------------------------------------------------- the table
# fmt: off

ADD  = Op("+",   lambda x, y: x + y,         lambda out, x, y: 1.0,             lambda out, x, y: 1.0)
SUB  = Op("-",   lambda x, y: x - y,         lambda out, x, y: 1.0,             lambda out, x, y: -1.0)
MUL  = Op("*",   lambda x, y: x * y,         lambda out, x, y: y,               lambda out, x, y: x)
DIV  = Op("/",   lambda x, y: divide(x, y),  lambda out, x, y: divide(1.0, y),  lambda out, x, y: -divide(out, y))
POW  = Op("**",  lambda x, y: power(x, y),   power_x,                           lambda out, x, y: where(equal(out, 0.0), 0.0, out * log(x)))
NEG  = Op("neg", lambda x: -x,               lambda out, x: -1.0)
ABS  = Op("abs", lambda x: abs(x),           lambda out, x: sign(x))            # slope 0 at 0

EXP    = Op("exp",    lambda x: exp(x),      lambda out, x: out)
EXP2   = Op("exp2",   lambda x: exp2(x),     lambda out, x: LN2 * out)
EXPM1  = Op("expm1",  lambda x: expm1(x),    lambda out, x: exp(x))             # out + 1 cancels for x << 0
LOG    = Op("log",    lambda x: log(x),      lambda out, x: divide(1.0, x))
LOG2   = Op("log2",   lambda x: log2(x),     lambda out, x: divide(1.0 / LN2, x))
LOG10  = Op("log10",  lambda x: log10(x),    lambda out, x: divide(1.0 / LN10, x))
LOG1P  = Op("log1p",  lambda x: log1p(x),    lambda out, x: divide(1.0, 1.0 + x))
SQRT   = Op("sqrt",   lambda x: sqrt(x),     lambda out, x: divide(0.5, out + 0.0))   # inf at 0 and at -0.0, which + 0.0 makes 0
CBRT   = Op("cbrt",   lambda x: cbrt(x),     lambda out, x: divide(1.0, 3.0 * out * out))
SQUARE = Op("square", square,                lambda out, x: 2.0 * x)

SIN   = Op("sin",   lambda x: sin(x),    lambda out, x: cos(x))
COS   = Op("cos",   lambda x: cos(x),    lambda out, x: -sin(x))
TAN   = Op("tan",   lambda x: tan(x),    lambda out, x: 1.0 + out * out)
ASIN  = Op("asin",  lambda x: asin(x),   lambda out, x: divide(1.0, sqrt((1.0 - x) * (1.0 + x))))    # 1 - x * x cancels near 1
ACOS  = Op("acos",  lambda x: acos(x),   lambda out, x: divide(-1.0, sqrt((1.0 - x) * (1.0 + x))))
ATAN  = Op("atan",  lambda x: atan(x),   lambda out, x: divide(1.0, 1.0 + x * x))
SINH  = Op("sinh",  lambda x: sinh(x),   lambda out, x: cosh(x))
COSH  = Op("cosh",  lambda x: cosh(x),   lambda out, x: sinh(x))
TANH  = Op("tanh",  lambda x: tanh(x),   lambda out, x: square(divide(1.0, cosh(held(x)))))          # 1 - out * out is 0 for |x| > 19
ASINH = Op("asinh", lambda x: asinh(x),  lambda out, x: divide(1.0, hypot(1.0, x)))                  # x * x overflows
ACOSH = Op("acosh", lambda x: acosh(x),  lambda out, x: divide(divide(1.0, sqrt(x - 1.0)), sqrt(x + 1.0)))   # a product would be inf * 0
ATANH = Op("atanh", lambda x: atanh(x),  lambda out, x: divide(0.5, 1.0 - x) + divide(0.5, 1.0 + x))

ATAN2 = Op("atan2", lambda x, y: atan2(x, y),   # the angle of the point (y, x)
           lambda out, x, y: divide(divide(y, hypot(x, y)), hypot(x, y)),
           lambda out, x, y: -divide(divide(x, hypot(x, y)), hypot(x, y)))
HYPOT = Op("hypot", lambda x, y: hypot(x, y),   # slope 0 at (0, 0)
           lambda out, x, y: hypot_slope(out, x),
           lambda out, x, y: hypot_slope(out, y))

ERF         = Op("erf",         lambda x: erf(x),                lambda out, x: TWO_OVER_SQRT_PI * exp_product(-x, x))
ERFC        = Op("erfc",        lambda x: erfc(x),               lambda out, x: -TWO_OVER_SQRT_PI * exp_product(-x, x))
NORMAL_CDF  = Op("normal_cdf",  normal_cdf,                      lambda out, x: normal_pdf(x))
EXP_PRODUCT = Op("exp_product", exp_product,                     lambda out, x, y: y * out,  lambda out, x, y: x * out)

SIGMOID  = Op("sigmoid",  sigmoid,                                    lambda out, x: out * sigmoid(-x))     # 1 - out is 0 for x > 37
SOFTPLUS = Op("softplus", lambda x: relu(x) + log1p(exp(-abs(x))),     lambda out, x: sigmoid(x))
SILU     = Op("silu",     lambda x: not_low(x) * sigmoid(x),           lambda out, x: sigmoid(x) * (1.0 + bounded(x) * sigmoid(-x)))
GELU     = Op("gelu",     lambda x: not_low(x) * normal_cdf(x),        lambda out, x: normal_cdf(x) + bounded(x) * normal_pdf(x))
RELU     = Op("relu",     relu,                                       lambda out, x: where(x <= 0.0, 0.0, 1.0))   # slope 0 at 0
LEAKY_RELU = Op("leaky_relu", lambda x, slope=0.01: where(x <= 0.0, slope * x, x),   # slope `slope` at 0
                lambda out, x, slope: where(x <= 0.0, slope, 1.0),
                lambda out, x, slope: where(x <= 0.0, x, 0.0))
ELU = Op("elu", lambda x, alpha=1.0: where(x <= 0.0, alpha * expm1(x), x),           # slope `alpha` at 0
         lambda out, x, alpha: where(x <= 0.0, alpha * exp(x), 1.0),
         lambda out, x, alpha: where(x <= 0.0, expm1(x), 0.0))

SIGN    = Op("sign",    sign,                     lambda out, x: where(abs(x) >= 0.0, 0.0, x))
MAXIMUM = Op("maximum", maximum,  lambda out, x, y: share(x, y),  lambda out, x, y: share(y, x))   # a tie: 1/2 each
MINIMUM = Op("minimum", minimum,  lambda out, x, y: share(y, x),  lambda out, x, y: share(x, y))
CLIP    = Op("clip", lambda x, lo, hi: minimum(maximum(x, lo), hi),                  # slope 1 at both ends
             lambda out, x, lo, hi: where(x < lo, 0.0, where(x > hi, 0.0, 1.0)),
             lambda out, x, lo, hi: where(x < lo, where(lo <= hi, 1.0, 0.0), 0.0),
             lambda out, x, lo, hi: where(maximum(x, lo) > hi, 1.0, 0.0))         # hi wins over lo
WHERE   = Op("where", lambda condition, x, y: where(condition, x, y),
             lambda out, condition, x, y: 0.0,
             lambda out, condition, x, y: where(condition, 1.0, 0.0),
             lambda out, condition, x, y: where(condition, 0.0, 1.0))

DOT           = ManyOp("dot",       multiply_add,  lambda out, ws, xs, b: (xs, ws, 1.0), tame=True)
TOTAL         = ManyOp("total",     add_up,        lambda out, xs: ([1.0] * len(xs),), tame=True)
LOGSUMEXP     = ManyOp("logsumexp", logsumexp,     lambda out, xs: (softmax(xs),), tame=True)
SOFTMAX       = ManyOp("softmax",   share_of_first,  lambda out, x, others: share_slopes(out, softmax([x, *others])[1:]), tame=True)
CROSS_ENTROPY = ManyOp("cross_entropy", cross_entropy, lambda out, x, others: cross_entropy_slopes(softmax([x, *others])[1:]), tame=True)

# fmt: on

TABLE: dict[str, Op] = {op.name: op for op in list(vars().values()) if isinstance(op, Op)}
ELEMENTWISE = {name: op for name, op in TABLE.items() if not isinstance(op, ManyOp)}
BUILT_IN = frozenset(TABLE.values())  # and not what a user adds to the table


def flat(args: Iterable[Any]) -> Iterator[Any]:
    """The elements of args, and of the sequences among them."""
    for arg in args:
        if isinstance(arg, (tuple, list)):
            yield from arg
        else:
            yield arg


def named(name: str) -> Op:
    """The row of that name; ValueError where there is none."""
    if name not in TABLE:
        raise ValueError(f"no operation {name!r} in engine.ops.TABLE")
    return TABLE[name]
