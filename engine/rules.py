"""The rule table: each operation is a row with its formula and its local derivatives.

A row reads like a line of a textbook: `Op(name, forward, partial, partial, ...)` has the formula
and one partial derivative per input. The letters mean the same in every row:

    out     the result                     x, y, lo, hi, ...   the inputs, one number each

A row calls functions (`exp`, `where`, ...) that dispatch on their arguments (see
`engine.arithmetic`). The same row therefore computes on floats and arrays, builds the graph of a
derivative, records a program and prints a formula. Two restrictions make this possible:

  - rows use `where(condition, x, y)` in place of `if`, and `equal(x, y)` in place of `==`, which
    compares the identity of nodes;
  - partial derivatives call only functions that are rows or consist of rows, so that they can be
    differentiated again.

Outside the domain of a function the result is nan and the slopes are meaningless. Formulas are
written in their accurate form; comments say what the textbook form would lose.
`tests/reference.py` states an error bound for every row, in units in the last place.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Self

from engine.arithmetic import *
from engine.formulas import *

CO_VARARGS = 0x04  # as in `inspect`, which takes long to import
LN2, LN10 = math.log(2.0), math.log(10.0)


class Op:
    """An operation, one row of the table.

    forward     x, y, ... -> out
    partials    out, x, y, ... -> d out / d input, one function for each input

    Calling it with nodes and numbers returns the node of the result. Raises TypeError or ValueError
    for functions that do not take these arguments.

    >>> from engine import Value
    >>> CUBE = Op("cube", lambda x: x * x * x, lambda out, x: 3.0 * x * x)
    >>> CUBE(Value(2.0))
    Value(8.0)
    """

    __slots__ = ("forward", "name", "partials")

    finite_slopes = False  # whether slopes are finite wherever the result is finite
    _is_followed = False  # whether its constants keep their inputs, so that tapes compute them
    _output_index: int | None = None  # of a row that selects one of several results
    _has_several_outputs = False  # whether the operation has several results
    _expected = "a node among its arguments"

    def __init__(self, name: str, forward: Callable[..., Any], *partials: Callable[..., Any]):
        if not (isinstance(name, str) and partials and all(map(callable, (forward, *partials)))):
            raise TypeError(
                "Op takes a name, the formula and a partial derivative for each input, such as "
                "Op('cube', lambda x: x**3, lambda out, x: 3 * x**2), "
                f"got {(name, forward, *partials)}"
            )
        self.name, self.forward, self.partials = name, forward, partials
        self._check_arguments()

    def _check_arguments(self) -> None:
        """Raise ValueError unless there is one partial derivative for each input."""
        n = len(self.partials)
        functions = [("formula", self.forward, n), *[("slope", f, n + 1) for f in self.partials]]
        for kind, f, count in functions:
            if not accepts(f, count):
                inputs = f"{'out and ' * (kind == 'slope')}{n} input{'s' * (n > 1)}"
                raise ValueError(
                    f"{self.name} has {n} partial derivative{'s' * (n > 1)}, so each {kind} must "
                    f"take {inputs}; one takes {', '.join(argument_names(f)) or 'nothing'}"
                )

    @property
    def arity(self) -> int:
        """The number of arguments."""
        return len(self.partials)

    def _with_defaults(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the arguments followed by defaults; raise TypeError for a wrong number of them."""
        defaults = getattr(self.forward, "__defaults__", None) or ()
        missing = self.arity - len(args)
        if missing > len(defaults) or missing < 0:
            from engine.support.arguments import format_count

            expected = format_count(self.arity, "argument")
            raise TypeError(f"{self.name} takes {expected}, got {len(args)}")
        return args + defaults[len(defaults) - missing :]

    def locals(self, out: Any, *args: Any) -> tuple[Any, ...]:
        """Return the local derivatives of `out`, one for each argument.

        >>> MUL.locals(6.0, 2.0, 3.0)
        (3.0, 2.0)
        """
        return tuple([partial(out, *args) for partial in self.partials])

    def unflatten(self, inputs: Sequence[Any]) -> tuple[Any, ...]:
        """Return the arguments of the formulas for a flat list of inputs.

        Rows over sequences group the inputs.

        >>> from engine.sequences.rules import DOT
        >>> MUL.unflatten([2.0, 3.0]), DOT.unflatten([2.0, 3.0, 10.0, 100.0, 1.0])
        ((2.0, 3.0), ((2.0, 3.0), (10.0, 100.0), 1.0))
        """
        return tuple(inputs)

    def __call__(self, *args: Any, **settings: Any) -> Any:
        for x in flatten(args):
            if hasattr(x, "apply"):
                try:
                    return x.apply(self, *args, **settings)
                except Exception as problem:  # a user's row may run any Python
                    problem.add_note(f"in the row {self.name!r}")
                    raise
        raise TypeError(f"{self.name} expects {self._expected}, got {args}")

    def __repr__(self) -> str:
        return f"Op({self.name!r})"

    def __reduce__(self) -> Any:
        """Pickle a row by its name, so that a file contains no code."""
        if TABLE.get(self.name) is not self:
            raise TypeError(
                f"operation {self.name!r} is not in engine.rules.TABLE, so a saved graph could not "
                f"be loaded; add it with TABLE[{self.name!r}] = ..."
            )
        return row, (self.name,)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Any) -> Self:
        return self


def accepts(f: Any, count: int) -> bool:
    """Return whether a function accepts `count` positional arguments; True if this is unknown."""
    f = getattr(f, "__wrapped__", f)
    code = getattr(f, "__code__", None)
    if code is None or code.co_flags & CO_VARARGS:
        return True
    most = len(argument_names(f))
    return most - len(f.__defaults__ or ()) <= count <= most


def argument_names(f: Any) -> tuple[str, ...]:
    """Return the names of a function's positional arguments, without a method's self."""
    f = getattr(f, "__wrapped__", f)
    return f.__code__.co_varnames[hasattr(f, "__self__") : f.__code__.co_argcount]


# ------------------------------------------------------------------------------------- the table
# fmt: off

ADD  = Op("+",   lambda x, y: x + y,         lambda out, x, y: 1.0,             lambda out, x, y: 1.0)
SUB  = Op("-",   lambda x, y: x - y,         lambda out, x, y: 1.0,             lambda out, x, y: -1.0)
MUL  = Op("*",   lambda x, y: x * y,         lambda out, x, y: y,               lambda out, x, y: x)
DIV  = Op("/",   lambda x, y: divide(x, y),  lambda out, x, y: divide(1.0, y),  lambda out, x, y: -quotient_slope(out, x, y))
POW  = Op("**",  lambda x, y: power(x, y),   power_x,                           power_y)
MOD  = Op("%",   lambda x, y: mod(x, y),     lambda out, x, y: 1.0,             lambda out, x, y: -floor_divide(x, y))   # the slopes between jumps
FLOORDIV = Op("//", lambda x, y: floor_divide(x, y),  lambda out, x, y: 0.0,    lambda out, x, y: 0.0)
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
CBRT = Op("cbrt",     lambda x: cbrt(x),     lambda out, x: divide(divide(1.0, out), 3.0 * out))   # out * out may underflow
SQUARE = Op("square", square,                lambda out, x: 2.0 * x)

SIN   = Op("sin",   lambda x: sin(x),    lambda out, x: cos(x))
COS   = Op("cos",   lambda x: cos(x),    lambda out, x: -sin(x))
TAN   = Op("tan",   lambda x: tan(x),    lambda out, x: 1.0 + out * out)
ASIN  = Op("asin",  lambda x: asin(x),   lambda out, x: divide(1.0, sqrt(one_minus_square(x))))
ACOS  = Op("acos",  lambda x: acos(x),   lambda out, x: divide(-1.0, sqrt(one_minus_square(x))))
ATAN  = Op("atan",  lambda x: atan(x),   lambda out, x: one_over_one_plus_square(x))
SINH  = Op("sinh",  lambda x: sinh(x),   lambda out, x: cosh(x))
COSH  = Op("cosh",  lambda x: cosh(x),   lambda out, x: sinh(x))
TANH  = Op("tanh",  lambda x: tanh(x),   lambda out, x: sech_squared(x))              # 1 - out * out is 0 for |x| > 19
ASINH = Op("asinh", lambda x: asinh(x),  lambda out, x: divide(1.0, hypot(1.0, x)))                  # x * x overflows
ACOSH = Op("acosh", lambda x: acosh(x),  lambda out, x: divide(divide(1.0, sqrt(x - 1.0)), sqrt(x + 1.0)))   # a product would be inf * 0
ATANH = Op("atanh", lambda x: atanh(x),  lambda out, x: divide(1.0, one_minus_square(x)))

XLOGY = Op("xlogy", lambda x, y: x * log(finite_log_argument(x, y)),   # 0 at x = 0; there the slope for x is 0 if log(y) is not finite
           lambda out, x, y: log(finite_log_argument(x, y)),
           lambda out, x, y: divide(x, finite_log_argument(x, y)))
LOGADDEXP = Op("logaddexp", lambda x, y: maximum(x, y) + log1p(exp(-abs(difference(x, y)))),
               lambda out, x, y: sigmoid(difference(x, y)),
               lambda out, x, y: sigmoid(difference(y, x)))

ATAN2 = Op("atan2", lambda x, y: atan2(x, y),   # the angle of the point (y, x)
           lambda out, x, y: angle_slope(x, y),
           lambda out, x, y: -angle_slope(y, x))
HYPOT = Op("hypot", lambda x, y: hypot(x, y),   # slope 0 at (0, 0)
           lambda out, x, y: direction_cosine(x, y),
           lambda out, x, y: direction_cosine(y, x))

ERF        = Op("erf",        lambda x: erf(x),   lambda out, x: TWO_OVER_SQRT_PI * gaussian(x))
ERFC       = Op("erfc",       lambda x: erfc(x),  lambda out, x: -TWO_OVER_SQRT_PI * gaussian(x))
NORMAL_CDF = Op("normal_cdf", normal_cdf,         lambda out, x: normal_pdf(x))

SIGMOID  = Op("sigmoid",  sigmoid,                                    lambda out, x: sigmoid_slope(x))     # 1 - out is 0 for x > 37
SOFTPLUS = Op("softplus", lambda x: relu(x) + log1p(exp(-abs(x))),     lambda out, x: sigmoid(x))
SILU     = Op("silu",     lambda x: drop_low(x) * sigmoid(x),           lambda out, x: sigmoid(x) + drop_large(x) * sigmoid_slope(x))
GELU     = Op("gelu",     lambda x: drop_low(x) * normal_cdf(x),        lambda out, x: normal_cdf(x) + drop_large(x) * normal_pdf(x))
RELU     = Op("relu",     relu,                                       lambda out, x: where(x <= 0.0, 0.0, 1.0))   # slope 0 at 0
SQUARED_RELU = Op("squared_relu", lambda x: square(relu(x)),           lambda out, x: 2.0 * relu(x))
LEAKY_RELU = Op("leaky_relu", lambda x, slope=0.01: where(x <= 0.0, slope * x, x),   # slope `slope` at 0
                lambda out, x, slope: where(x <= 0.0, slope, 1.0),
                lambda out, x, slope: where(x <= 0.0, x, 0.0))
ELU = Op("elu", lambda x, alpha=1.0: where(x <= 0.0, alpha * expm1(x), x),           # slope `alpha` at 0
         lambda out, x, alpha: where(x <= 0.0, alpha * exp(x), 1.0),
         lambda out, x, alpha: where(x <= 0.0, expm1(x), 0.0))

FLOOR = Op("floor", lambda x: floor(x),   lambda out, x: 0.0)
CEIL  = Op("ceil",  ceil,                 lambda out, x: 0.0)
ROUND = Op("round", lambda x: rint(x),    lambda out, x: 0.0)   # to the even integer at a tie

SIGN    = Op("sign",    sign,                     lambda out, x: where(abs(x) >= 0.0, 0.0, x))
MAXIMUM = Op("maximum", maximum,  lambda out, x, y: tie_share(x, y),  lambda out, x, y: tie_share(y, x))   # a tie: 1/2 each
MINIMUM = Op("minimum", minimum,  lambda out, x, y: tie_share(y, x),  lambda out, x, y: tie_share(x, y))
CLIP    = Op("clip", lambda x, lo, hi: minimum(maximum(x, lo), hi),                  # slope 1 at both ends
             lambda out, x, lo, hi: where(x < lo, 0.0, where(x > hi, 0.0, 1.0)),
             lambda out, x, lo, hi: where(x < lo, where(lo <= hi, 1.0, 0.0), 0.0),
             lambda out, x, lo, hi: where(maximum(x, lo) > hi, 1.0, 0.0))         # hi wins over lo
WHERE   = Op("where", lambda condition, x, y: where(condition, x, y),
             lambda out, condition, x, y: 0.0,
             lambda out, condition, x, y: where(condition, 1.0, 0.0),
             lambda out, condition, x, y: where(condition, 0.0, 1.0))

# The slopes of other rows. They are rows, too, so that their own slopes have no terms that cancel, or that overflow
# beside a factor of 0. Nodes have no methods for them.
SECH_SQUARED     = Op("sech_squared",     sech_squared,      lambda out, x: -2.0 * out * tanh(x))
ONE_MINUS_SQUARE = Op("one_minus_square", one_minus_square,  lambda out, x: -2.0 * x)
GAUSSIAN         = Op("gaussian",         gaussian,          lambda out, x: -2.0 * drop_large(x) * out)
NORMAL_PDF       = Op("normal_pdf",       normal_pdf,        lambda out, x: -drop_large(x) * out)
OVER_SQUARE      = Op("over_square",  over_square,  lambda out, x, y: over_square(1.0, y),  lambda out, x, y: -2.0 * over_cube(x, y))
OVER_CUBE        = Op("over_cube",    over_cube,    lambda out, x, y: over_cube(1.0, y),    lambda out, x, y: -3.0 * divide(out, y))
SCALED_POWER     = Op("scaled_power", scaled_power,
                      lambda out, c, x, y: power(x, y),
                      lambda out, c, x, y: scaled_power(c * y, x, y - 1.0),
                      lambda out, c, x, y: scaled_power_log(c, x, y))
SCALED_POWER_LOG = Op("scaled_power_log", scaled_power_log,
                      lambda out, c, x, y: scaled_power_log(1.0, x, y),
                      lambda out, c, x, y: scaled_power_log(c * y, x, y - 1.0) + scaled_power(c, x, y - 1.0),
                      lambda out, c, x, y: scaled_power_log_square(c, x, y))
SCALED_POWER_LOG_SQUARE = Op("scaled_power_log_square", scaled_power_log_square,
                             lambda out, c, x, y: scaled_power_log_square(1.0, x, y),
                             lambda out, c, x, y: scaled_power_log_square(c * y, x, y - 1.0) + scaled_power_log(2.0 * c, x, y - 1.0),
                             lambda out, c, x, y: where(equal(out, 0.0), 0.0, out * log(x)))
DIRECTION_COSINE = Op("direction_cosine", direction_cosine,  # 0 at (0, 0), and so are its slopes
                      lambda out, x, y: cosine_slope(x, y),
                      lambda out, x, y: cosine_cross_slope(x, y))
COSINE_SLOPE     = Op("cosine_slope", cosine_slope,
                      lambda out, x, y: 3.0 * over_distance(direction_cosine(y, x) * cosine_cross_slope(x, y), x, y),
                      lambda out, x, y: cosine_bend(x, y))
COSINE_CROSS_SLOPE = Op("cosine_cross_slope", cosine_cross_slope,
                        lambda out, x, y: cosine_bend(x, y),  lambda out, x, y: cosine_bend(y, x))
ANGLE_SLOPE      = Op("angle_slope", angle_slope,
                      lambda out, x, y: -sin2_over_square(x, y),        lambda out, x, y: -cos2_over_square(x, y))
COS2_OVER_SQUARE = Op("cos2_over_square", cos2_over_square,
                      lambda out, x, y: 2.0 * cos3_over_cube(y, x),     lambda out, x, y: -2.0 * cos3_over_cube(x, y))
SIN2_OVER_SQUARE = Op("sin2_over_square", sin2_over_square,
                      lambda out, x, y: 2.0 * cos3_over_cube(x, y),     lambda out, x, y: 2.0 * cos3_over_cube(y, x))
# fmt: on

TABLE: dict[str, Op] = {op.name: op for op in list(vars().values()) if isinstance(op, Op)}
SLOPES_OF_OTHERS = {
    SECH_SQUARED, ONE_MINUS_SQUARE, GAUSSIAN, NORMAL_PDF, OVER_SQUARE, OVER_CUBE, SCALED_POWER,
    SCALED_POWER_LOG, SCALED_POWER_LOG_SQUARE, DIRECTION_COSINE, COSINE_SLOPE, COSINE_CROSS_SLOPE,
    ANGLE_SLOPE, COS2_OVER_SQUARE, SIN2_OVER_SQUARE,
}  # fmt: skip
UNBOUNDED = {"lo": -math.inf, "hi": math.inf}  # arguments in place of None: x.clip(0.0, None)
BOUNDS = {"min": "lo", "max": "hi"}  # by NumPy's names of these arguments
ROW_BY_FUNCTION: dict[str, Callable[..., Any]] = {  # for functions without a row of their name
    "divide": DIV, "power": POW, "mod": MOD, "floor_divide": FLOORDIV, "rint": ROUND,
    "quotient_slope": lambda out, x, y: OVER_SQUARE(x, y),
    "power_y": lambda out, x, y: SCALED_POWER_LOG(1.0, x, y),
}  # fmt: skip
ELEMENTWISE = dict(TABLE)  # the rows of this file; `engine.sequences.rules` adds others to TABLE


def flatten(args: Iterable[Any]) -> Iterator[Any]:
    """Yield the elements of args, and the elements of lists and tuples among them."""
    for arg in args:
        if isinstance(arg, (tuple, list)):
            yield from arg
        else:
            yield arg


def row(name: str) -> Op:
    """Return the row with this name; raise ValueError if there is none."""
    if name not in TABLE:
        raise ValueError(f"no operation {name!r} in engine.rules.TABLE")
    return TABLE[name]
