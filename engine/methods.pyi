"""The methods of nodes, for editors and mypy. Written by `python -m docs.stubs`."""

from collections.abc import Callable
from typing import Any, Self

from engine.rules import Op

FAST: dict[str, Op]
NAMES: dict[Op, str]
OPERATORS: dict[str, str]
SYMBOLS: dict[Op, str]
SPACE: dict[str, Any]

def method(op: Op) -> Callable[..., Any]: ...
def described(op: Op) -> str: ...
def source(name: str) -> str: ...
def install(value: Any, constant: Any) -> None: ...

class Methods:
    def __add__(self, y: Any) -> Self: ...
    def __radd__(self, other: Any) -> Self: ...
    def __sub__(self, y: Any) -> Self: ...
    def __rsub__(self, other: Any) -> Self: ...
    def __mul__(self, y: Any) -> Self: ...
    def __rmul__(self, other: Any) -> Self: ...
    def __truediv__(self, y: Any) -> Self: ...
    def __rtruediv__(self, other: Any) -> Self: ...
    def __pow__(self, y: Any) -> Self: ...
    def __rpow__(self, other: Any) -> Self: ...
    def __neg__(self) -> Self: ...
    def neg(self) -> Self:
        """Return neg(x) as one node: the row 'neg' of engine.rules."""
    def __abs__(self) -> Self: ...
    def abs(self) -> Self:
        """Return abs(x) as one node: the row 'abs' of engine.rules."""
    def exp(self) -> Self:
        """Return exp(x) as one node: the row 'exp' of engine.rules."""
    def exp2(self) -> Self:
        """Return exp2(x) as one node: the row 'exp2' of engine.rules."""
    def expm1(self) -> Self:
        """Return expm1(x) as one node: the row 'expm1' of engine.rules."""
    def log(self) -> Self:
        """Return log(x) as one node: the row 'log' of engine.rules."""
    def log2(self) -> Self:
        """Return log2(x) as one node: the row 'log2' of engine.rules."""
    def log10(self) -> Self:
        """Return log10(x) as one node: the row 'log10' of engine.rules."""
    def log1p(self) -> Self:
        """Return log1p(x) as one node: the row 'log1p' of engine.rules."""
    def sqrt(self) -> Self:
        """Return sqrt(x) as one node: the row 'sqrt' of engine.rules."""
    def cbrt(self) -> Self:
        """Return cbrt(x) as one node: the row 'cbrt' of engine.rules."""
    def square(self) -> Self:
        """Return square(x) as one node: the row 'square' of engine.rules."""
    def sin(self) -> Self:
        """Return sin(x) as one node: the row 'sin' of engine.rules."""
    def cos(self) -> Self:
        """Return cos(x) as one node: the row 'cos' of engine.rules."""
    def tan(self) -> Self:
        """Return tan(x) as one node: the row 'tan' of engine.rules."""
    def asin(self) -> Self:
        """Return asin(x) as one node: the row 'asin' of engine.rules."""
    def acos(self) -> Self:
        """Return acos(x) as one node: the row 'acos' of engine.rules."""
    def atan(self) -> Self:
        """Return atan(x) as one node: the row 'atan' of engine.rules."""
    def sinh(self) -> Self:
        """Return sinh(x) as one node: the row 'sinh' of engine.rules."""
    def cosh(self) -> Self:
        """Return cosh(x) as one node: the row 'cosh' of engine.rules."""
    def tanh(self) -> Self:
        """Return tanh(x) as one node: the row 'tanh' of engine.rules."""
    def asinh(self) -> Self:
        """Return asinh(x) as one node: the row 'asinh' of engine.rules."""
    def acosh(self) -> Self:
        """Return acosh(x) as one node: the row 'acosh' of engine.rules."""
    def atanh(self) -> Self:
        """Return atanh(x) as one node: the row 'atanh' of engine.rules."""
    def atan2(self, y: Any) -> Self:
        """Return atan2(x, y) as one node: the row 'atan2' of engine.rules."""
    def hypot(self, y: Any) -> Self:
        """Return hypot(x, y) as one node: the row 'hypot' of engine.rules."""
    def erf(self) -> Self:
        """Return erf(x) as one node: the row 'erf' of engine.rules."""
    def erfc(self) -> Self:
        """Return erfc(x) as one node: the row 'erfc' of engine.rules."""
    def normal_cdf(self) -> Self:
        """Return normal_cdf(x) as one node: the row 'normal_cdf' of engine.rules."""
    def exp_product(self, y: Any) -> Self:
        """Return exp_product(x, y) as one node: the row 'exp_product' of engine.rules."""
    def sigmoid(self) -> Self:
        """Return sigmoid(x) as one node: the row 'sigmoid' of engine.rules."""
    def softplus(self) -> Self:
        """Return softplus(x) as one node: the row 'softplus' of engine.rules."""
    def silu(self) -> Self:
        """Return silu(x) as one node: the row 'silu' of engine.rules."""
    def gelu(self) -> Self:
        """Return gelu(x) as one node: the row 'gelu' of engine.rules."""
    def relu(self) -> Self:
        """Return relu(x) as one node: the row 'relu' of engine.rules."""
    def leaky_relu(self, slope: Any = 0.01) -> Self:
        """Return leaky_relu(x, slope) as one node: the row 'leaky_relu' of engine.rules."""
    def elu(self, alpha: Any = 1.0) -> Self:
        """Return elu(x, alpha) as one node: the row 'elu' of engine.rules."""
    def sign(self) -> Self:
        """Return sign(x) as one node: the row 'sign' of engine.rules."""
    def maximum(self, y: Any) -> Self:
        """Return maximum(x, y) as one node: the row 'maximum' of engine.rules."""
    def minimum(self, y: Any) -> Self:
        """Return minimum(x, y) as one node: the row 'minimum' of engine.rules."""
    def clip(self, lo: Any, hi: Any) -> Self:
        """Return clip(x, lo, hi) as one node: the row 'clip' of engine.rules."""
    def where(self, x: Any, y: Any) -> Self:
        """Return where(condition, x, y) as one node: the row 'where' of engine.rules."""
