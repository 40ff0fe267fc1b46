"""The methods of nodes, for editors and mypy. Written by `python -m docs.stubs`."""

from collections.abc import Callable
from typing import Any, Self, SupportsFloat, TypeAlias, overload

from engine.rules import Op

Operand: TypeAlias = SupportsFloat | Methods | list[Any] | tuple[Any, ...]

FAST: dict[str, Op]
NAMES: dict[Op, str]
OPERATORS: dict[str, str]
SYMBOLS: dict[Op, str]
SPACE: dict[str, Any]

def make_method(op: Op, name: str) -> Callable[..., Any]: ...
def describe(op: Op, name: str) -> str: ...
def source(name: str) -> str: ...
def install(value: Any, constant: Any) -> None: ...

class LazyMethod:
    def __init__(self, kind: type, name: str, make: Callable[[str], Any]): ...

class Methods:
    def __add__(self, y: Operand) -> Self: ...
    def __radd__(self, other: Operand) -> Self: ...
    def __sub__(self, y: Operand) -> Self: ...
    def __rsub__(self, other: Operand) -> Self: ...
    def __mul__(self, y: Operand) -> Self: ...
    def __rmul__(self, other: Operand) -> Self: ...
    def __truediv__(self, y: Operand) -> Self: ...
    def __rtruediv__(self, other: Operand) -> Self: ...
    def __pow__(self, y: Operand) -> Self: ...
    def __rpow__(self, other: Operand) -> Self: ...
    def __mod__(self, y: Operand) -> Self: ...
    def __rmod__(self, other: Operand) -> Self: ...
    def __floordiv__(self, y: Operand) -> Self: ...
    def __rfloordiv__(self, other: Operand) -> Self: ...
    def __neg__(self) -> Self: ...
    def neg(self) -> Self:
        """Return neg(x) as one node.

        Formula: -x
        Derivative: -1.0
        Defined for all x.

        >>> Value(0.5).neg()
        Value(-0.5)
        """
    def __abs__(self) -> Self: ...
    def abs(self) -> Self:
        """Return abs(x) as one node.

        Derivative: sign(x)
        Defined for all x.
        Slope at the kink x = 0: 0.
        engine.formulas defines sign.

        >>> Value(0.5).abs()
        Value(0.5)
        """
    def exp(self) -> Self:
        """Return exp(x) as one node.

        Derivative: out
        Defined for all x.
        out is the result.

        >>> Value(0.5).exp()
        Value(1.64872)
        """
    def exp2(self) -> Self:
        """Return exp2(x) as one node.

        Derivative: LN2 * out
        Defined for all x.
        out is the result.

        >>> Value(0.5).exp2()
        Value(1.41421)
        """
    def expm1(self) -> Self:
        """Return expm1(x) as one node.

        Derivative: exp(x)
        Defined for all x.

        >>> Value(0.5).expm1()
        Value(0.648721)
        """
    def log(self) -> Self:
        """Return log(x) as one node.

        Derivative: divide(1.0, x)
        Defined for x >= 0; -inf at x = 0.

        >>> Value(0.5).log()
        Value(-0.693147)
        """
    def log2(self) -> Self:
        """Return log2(x) as one node.

        Derivative: divide(1.0 / LN2, x)
        Defined for x >= 0; -inf at x = 0.

        >>> Value(0.5).log2()
        Value(-1.0)
        """
    def log10(self) -> Self:
        """Return log10(x) as one node.

        Derivative: divide(1.0 / LN10, x)
        Defined for x >= 0; -inf at x = 0.

        >>> Value(0.5).log10()
        Value(-0.30103)
        """
    def log1p(self) -> Self:
        """Return log1p(x) as one node.

        Derivative: divide(1.0, 1.0 + x)
        Defined for x >= -1; -inf at x = -1.

        >>> Value(0.5).log1p()
        Value(0.405465)
        """
    def sqrt(self) -> Self:
        """Return sqrt(x) as one node.

        Derivative: divide(0.5, out + 0.0)
        Defined for x >= 0.
        out is the result.

        >>> Value(0.5).sqrt()
        Value(0.707107)
        """
    def cbrt(self) -> Self:
        """Return cbrt(x) as one node.

        Derivative: divide(divide(1.0, out), 3.0 * out)
        Defined for all x.
        out is the result.

        >>> Value(0.5).cbrt()
        Value(0.793701)
        """
    def square(self) -> Self:
        """Return square(x) as one node.

        Formula: x * x
        Derivative: 2.0 * x
        Defined for all x.

        >>> Value(0.5).square()
        Value(0.25)
        """
    def sin(self) -> Self:
        """Return sin(x) as one node.

        Derivative: cos(x)
        Defined for all x.

        >>> Value(0.5).sin()
        Value(0.479426)
        """
    def cos(self) -> Self:
        """Return cos(x) as one node.

        Derivative: -sin(x)
        Defined for all x.

        >>> Value(0.5).cos()
        Value(0.877583)
        """
    def tan(self) -> Self:
        """Return tan(x) as one node.

        Derivative: 1.0 + out * out
        Defined for all x.
        out is the result.

        >>> Value(0.5).tan()
        Value(0.546302)
        """
    def asin(self) -> Self:
        """Return asin(x) as one node.

        Derivative: divide(1.0, sqrt(one_minus_square(x)))
        Defined for -1 <= x <= 1.
        engine.formulas defines one_minus_square.

        >>> Value(0.5).asin()
        Value(0.523599)
        """
    def acos(self) -> Self:
        """Return acos(x) as one node.

        Derivative: divide(-1.0, sqrt(one_minus_square(x)))
        Defined for -1 <= x <= 1.
        engine.formulas defines one_minus_square.

        >>> Value(0.5).acos()
        Value(1.0472)
        """
    def atan(self) -> Self:
        """Return atan(x) as one node.

        Derivative: one_over_one_plus_square(x)
        Defined for all x.
        engine.formulas defines one_over_one_plus_square.

        >>> Value(0.5).atan()
        Value(0.463648)
        """
    def sinh(self) -> Self:
        """Return sinh(x) as one node.

        Derivative: cosh(x)
        Defined for all x.

        >>> Value(0.5).sinh()
        Value(0.521095)
        """
    def cosh(self) -> Self:
        """Return cosh(x) as one node.

        Derivative: sinh(x)
        Defined for all x.

        >>> Value(0.5).cosh()
        Value(1.12763)
        """
    def tanh(self) -> Self:
        """Return tanh(x) as one node.

        Derivative: sech_squared(x)
        Defined for all x.
        engine.formulas defines sech_squared.

        >>> Value(0.5).tanh()
        Value(0.462117)
        """
    def asinh(self) -> Self:
        """Return asinh(x) as one node.

        Derivative: divide(1.0, hypot(1.0, x))
        Defined for all x.

        >>> Value(0.5).asinh()
        Value(0.481212)
        """
    def acosh(self) -> Self:
        """Return acosh(x) as one node.

        Derivative: divide(divide(1.0, sqrt(x - 1.0)), sqrt(x + 1.0))
        Defined for x >= 1.

        >>> Value(2.0).acosh()
        Value(1.31696)
        """
    def atanh(self) -> Self:
        """Return atanh(x) as one node.

        Derivative: divide(1.0, one_minus_square(x))
        Defined for -1 <= x <= 1; -inf at x = -1; inf at x = 1.
        engine.formulas defines one_minus_square.

        >>> Value(0.5).atanh()
        Value(0.549306)
        """
    def xlogy(self, y: Operand) -> Self:
        """Return xlogy(x, y) as one node.

        Formula: x * log(finite_log_argument(x, y))
        Derivative for x: log(finite_log_argument(x, y))
        Derivative for y: divide(x, finite_log_argument(x, y))
        engine.formulas defines finite_log_argument.

        >>> Value(0.5).xlogy(0.25)
        Value(-0.693147)
        """
    def logaddexp(self, y: Operand) -> Self:
        """Return logaddexp(x, y) as one node.

        Formula: maximum(x, y) + log1p(exp(-abs(difference(x, y))))
        Derivative for x: sigmoid(difference(x, y))
        Derivative for y: sigmoid(difference(y, x))
        engine.formulas defines difference, maximum, sigmoid.

        >>> Value(0.5).logaddexp(0.25)
        Value(1.07594)
        """
    def atan2(self, y: Operand) -> Self:
        """Return atan2(x, y) as one node.

        Derivative for x: angle_slope(x, y)
        Derivative for y: -angle_slope(y, x)
        engine.formulas defines angle_slope.

        >>> Value(0.5).atan2(0.25)
        Value(1.10715)
        """
    def hypot(self, y: Operand) -> Self:
        """Return hypot(x, y) as one node.

        Derivative for x: direction_cosine(x, y)
        Derivative for y: direction_cosine(y, x)
        Slopes at the kink x = y = 0: 0 and 0.
        engine.formulas defines direction_cosine.

        >>> Value(0.5).hypot(0.25)
        Value(0.559017)
        """
    def erf(self) -> Self:
        """Return erf(x) as one node.

        Derivative: TWO_OVER_SQRT_PI * gaussian(x)
        Defined for all x.
        engine.formulas defines gaussian.

        >>> Value(0.5).erf()
        Value(0.5205)
        """
    def erfc(self) -> Self:
        """Return erfc(x) as one node.

        Derivative: -TWO_OVER_SQRT_PI * gaussian(x)
        Defined for all x.
        engine.formulas defines gaussian.

        >>> Value(0.5).erfc()
        Value(0.4795)
        """
    def normal_cdf(self) -> Self:
        """Return normal_cdf(x) as one node.

        Derivative: normal_pdf(x)
        Defined for all x.
        engine.formulas defines normal_pdf.

        >>> Value(0.5).normal_cdf()
        Value(0.691462)
        """
    def sigmoid(self) -> Self:
        """Return sigmoid(x) as one node.

        Derivative: sigmoid_slope(x)
        Defined for all x.
        engine.formulas defines sigmoid_slope.

        >>> Value(0.5).sigmoid()
        Value(0.622459)
        """
    def softplus(self) -> Self:
        """Return softplus(x) as one node.

        Formula: relu(x) + log1p(exp(-abs(x)))
        Derivative: sigmoid(x)
        Defined for all x.
        engine.formulas defines relu, sigmoid.

        >>> Value(0.5).softplus()
        Value(0.974077)
        """
    def silu(self) -> Self:
        """Return silu(x) as one node.

        Formula: drop_low(x) * sigmoid(x)
        Derivative: sigmoid(x) + drop_large(x) * sigmoid_slope(x)
        Defined for all x.
        engine.formulas defines drop_large, drop_low, sigmoid, sigmoid_slope.

        >>> Value(0.5).silu()
        Value(0.31123)
        """
    def gelu(self) -> Self:
        """Return gelu(x) as one node.

        Formula: drop_low(x) * normal_cdf(x)
        Derivative: normal_cdf(x) + drop_large(x) * normal_pdf(x)
        Defined for all x.
        engine.formulas defines drop_large, drop_low, normal_cdf, normal_pdf.

        >>> Value(0.5).gelu()
        Value(0.345731)
        """
    def relu(self) -> Self:
        """Return relu(x) as one node.

        Formula: where(x <= 0.0, 0.0, x)
        Derivative: where(x <= 0.0, 0.0, 1.0)
        Defined for all x.
        Slope at the kink x = 0: 0.

        >>> Value(0.5).relu()
        Value(0.5)
        """
    def squared_relu(self) -> Self:
        """Return squared_relu(x) as one node.

        Formula: square(relu(x))
        Derivative: 2.0 * relu(x)
        Defined for all x.
        engine.formulas defines relu, square.

        >>> Value(0.5).squared_relu()
        Value(0.25)
        """
    def leaky_relu(self, slope: Operand = 0.01) -> Self:
        """Return leaky_relu(x, slope) as one node.

        Formula: where(x <= 0.0, slope * x, x)
        Derivative for x: where(x <= 0.0, slope, 1.0)
        Derivative for slope: where(x <= 0.0, x, 0.0)
        Slope at the kink x = 0: 0.01.

        >>> Value(0.5).leaky_relu()
        Value(0.5)
        """
    def elu(self, alpha: Operand = 1.0) -> Self:
        """Return elu(x, alpha) as one node.

        Formula: where(x <= 0.0, alpha * expm1(x), x)
        Derivative for x: where(x <= 0.0, alpha * exp(x), 1.0)
        Derivative for alpha: where(x <= 0.0, expm1(x), 0.0)

        >>> Value(0.5).elu()
        Value(0.5)
        """
    def floor(self) -> Self:
        """Return floor(x) as one node.

        Derivative: 0.0
        Defined for all x.

        >>> Value(0.5).floor()
        Value(0.0)
        """
    def ceil(self) -> Self:
        """Return ceil(x) as one node.

        Formula: -floor(-x)
        Derivative: 0.0
        Defined for all x.

        >>> Value(0.5).ceil()
        Value(1.0)
        """
    def sign(self) -> Self:
        """Return sign(x) as one node.

        Formula: where(x > 0.0, 1.0, where(x < 0.0, -1.0, 0.0 * x))
        Derivative: where(abs(x) >= 0.0, 0.0, x)
        Defined for all x.

        >>> Value(0.5).sign()
        Value(1.0)
        """
    def maximum(self, y: Operand) -> Self:
        """Return maximum(x, y) as one node.

        Formula: where(x > y, x, where(x <= y, y, x + y))
        Derivative for x: tie_share(x, y)
        Derivative for y: tie_share(y, x)
        Slopes at the kink x = y: 0.5 and 0.5.
        engine.formulas defines tie_share.

        >>> Value(0.5).maximum(0.25)
        Value(0.5)
        """
    def minimum(self, y: Operand) -> Self:
        """Return minimum(x, y) as one node.

        Formula: where(x < y, x, where(x >= y, y, x + y))
        Derivative for x: tie_share(y, x)
        Derivative for y: tie_share(x, y)
        Slopes at the kink x = y: 0.5 and 0.5.
        engine.formulas defines tie_share.

        >>> Value(0.5).minimum(0.25)
        Value(0.25)
        """
    @overload
    def clip(self, *, min: Operand | None = ..., max: Operand | None = ...) -> Self: ...
    @overload
    def clip(self, lo: Operand | None, hi: Operand | None) -> Self:
        """Return clip(x, lo, hi) as one node.

        Formula: minimum(maximum(x, lo), hi)
        Derivative for x: where(x < lo, 0.0, where(x > hi, 0.0, 1.0))
        Derivative for lo: where(x < lo, where(lo <= hi, 1.0, 0.0), 0.0)
        Derivative for hi: where(maximum(x, lo) > hi, 1.0, 0.0)
        None means no bound. The bounds may also be named min and max; either may be omitted.
        engine.formulas defines maximum, minimum.

        >>> Value(0.5).clip(0.25, 0.5)
        Value(0.5)
        """
    def where(self, x: Operand, y: Operand) -> Self:
        """Return where(condition, x, y) as one node.

        Derivative for condition: 0.0
        Derivative for x: where(condition, 1.0, 0.0)
        Derivative for y: where(condition, 0.0, 1.0)

        >>> Value(0.5).where(0.25, 0.5)
        Value(0.25)
        """
