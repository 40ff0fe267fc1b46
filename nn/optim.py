"""Optimizers, which move weights against their gradients.

An optimizer is an update rule: a function (grad, *memory, *settings) -> (direction, *memory). The
weight moves by `-lr * direction`. Rules and defaults are those of PyTorch. `OPTIMIZERS` has the
optimizers by name.

A rule is written once, for numbers. It is recorded as instructions, which run on floats and, in
place, on arrays:

>>> from nn.update import Update
>>> print(Update(polyak, ("velocity",), settings=1, decay="").program)
s7 = s5 * s2 + s1
s9 = s0 - s3 * s7
return [s9, s7]

>>> from engine import Value
>>> w = Value(0.5)
>>> w.grad = 2.0
>>> SGD([w], lr=0.1).step()  # 0.5 - 0.1 * 2.0
>>> w
Value(0.3)
"""

import math
from collections.abc import Callable, Iterable

from engine.arithmetic import sqrt
from engine.node import Node
from nn import other_names
from nn.arguments import check_flag, check_positive, check_within, look_up
from nn.clip import clip_grad_norm, clip_grad_value, grad_norm
from nn.optimizer import Optimizer
from nn.update import Number, Rule

__all__ = [
    "OPTIMIZERS", "SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "clip_grad_norm",
    "clip_grad_value", "get", "grad_norm",
]  # fmt: skip

# In the rules, letters stand for numbers of any arithmetic: floats, arrays, recorded slots.


class SGD(Optimizer):
    """Gradient descent, with the momentum of Polyak (1964) or Nesterov (1983).

    It is called stochastic if a gradient is that of one sample or of a mini-batch. With momentum,
    the direction is the velocity; with Nesterov's, it is where the velocity leads next.

    momentum      in [0, 1); the share of the velocity that is kept at each step
    nesterov      True for Nesterov's momentum; raises ValueError without a momentum

    The other arguments are those of `Optimizer`.

    >>> from engine import Value
    >>> w = Value(1.0)
    >>> optimizer = SGD([w], lr=0.1, momentum=0.9)
    >>> for _ in range(100):
    ...     optimizer.zero_grad()
    ...     (w**2).backward()
    ...     optimizer.step()
    >>> abs(w.data) < 0.01
    True
    """

    remembers = ("velocity",)

    def __init__(
        self,
        parameters: Iterable[Node],
        lr: float = 1e-3,
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ):
        super().__init__(parameters, lr, weight_decay)
        self.momentum = check_within("momentum", momentum, below=1)
        self.nesterov = check_flag("nesterov", nesterov)
        if self.nesterov and not momentum:
            raise ValueError("nesterov=True requires a momentum; pass one, such as 0.9")

    def rule(self) -> tuple[Rule, tuple[str, ...], tuple[float, ...]]:
        if not self.momentum:
            return steepest, (), ()
        return (nesterov if self.nesterov else polyak), self.remembers, (self.momentum,)


def steepest(grad: Number) -> tuple[Number, ...]:
    return (grad,)


def polyak(grad: Number, velocity: Number, momentum: Number) -> tuple[Number, ...]:
    velocity = momentum * velocity + grad
    return velocity, velocity


def nesterov(grad: Number, velocity: Number, momentum: Number) -> tuple[Number, ...]:
    velocity = momentum * velocity + grad
    return grad + momentum * velocity, velocity


class RMSprop(Optimizer):
    """The gradient, divided by the root of the running mean of its square.

    Source: Tieleman & Hinton, lecture 6.5 of "Neural Networks for Machine Learning" (2012).

    alpha  in [0, 1); the share of the mean that is kept at each step
    eps    positive; added to the root

    The other arguments are those of `Optimizer`.

    >>> from engine import Value
    >>> w = Value(1.0)
    >>> w.grad = 1e6  # only the ratio to earlier gradients matters
    >>> RMSprop([w], lr=0.01, alpha=0.75).step()
    >>> w  # 1 - 0.01 / sqrt(1 - 0.75)
    Value(0.98)
    """

    remembers = ("squares",)

    def __init__(
        self,
        parameters: Iterable[Node],
        lr: float = 1e-2,
        *,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        super().__init__(parameters, lr, weight_decay)
        self.alpha = check_within("alpha", alpha, below=1)
        self.eps = check_positive("eps", eps)

    def rule(self) -> tuple[Rule, tuple[str, ...], tuple[float, ...]]:
        return rmsprop, self.remembers, (self.alpha, math.sqrt(1.0 - self.alpha), self.eps)


def rmsprop(
    grad: Number, squares: Number, alpha: Number, share: Number, eps: Number
) -> tuple[Number, ...]:
    squares = alpha * squares + grad * grad  # a sum; the mean is share**2 times as large
    return grad / (share * sqrt(squares) + eps), squares


class Adagrad(Optimizer):
    """The gradient, divided by the root of the sum of its squares so far (Duchi et al. 2011).

    eps  positive; added to the root

    The other arguments are those of `Optimizer`.

    >>> from engine import Value
    >>> w = Value(1.0)
    >>> w.grad = -5.0
    >>> Adagrad([w], lr=0.25).step()
    >>> w
    Value(1.25)
    """

    remembers = ("squares",)

    def __init__(
        self,
        parameters: Iterable[Node],
        lr: float = 1e-2,
        *,
        eps: float = 1e-10,
        weight_decay: float = 0.0,
    ):
        super().__init__(parameters, lr, weight_decay)
        self.eps = check_positive("eps", eps)

    def rule(self) -> tuple[Rule, tuple[str, ...], tuple[float, ...]]:
        return adagrad, self.remembers, (self.eps,)


def adagrad(grad: Number, squares: Number, eps: Number) -> tuple[Number, ...]:
    squares = squares + grad * grad
    return grad / (sqrt(squares) + eps), squares


class Adam(Optimizer):
    """The running mean of the gradient, divided by the root of that of its square.

    Source: Kingma & Ba (2015). The paper's mean, which starts at 0 and is corrected afterwards, is
    computed as a sum whose terms decay by beta at each step, divided by the sum of their weights,
    (1 - beta**steps) / (1 - beta). A sum of squares overflows sooner than a mean: in float32 for
    gradients above 5e17.

    betas  a pair in [0, 1); the decay of the means of the gradient and of its square
    eps    positive; added to the root

    The other arguments are those of `Optimizer`.

    >>> from engine import Value
    >>> w = Value(1.0)
    >>> w.grad = -5.0
    >>> Adam([w], lr=0.25).step()  # the first step has the length lr, whatever the gradient
    >>> w
    Value(1.25)
    """

    remembers = ("sum", "squares")

    def __init__(
        self,
        parameters: Iterable[Node],
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        super().__init__(parameters, lr, weight_decay)
        if not (isinstance(betas, tuple | list) and len(betas) == 2):
            raise ValueError(f"betas must be a pair such as (0.9, 0.999), got {betas!r}")
        first, second = betas
        self.betas = (
            check_within("betas[0]", first, below=1),
            check_within("betas[1]", second, below=1),
        )
        self.eps = check_positive("eps", eps)

    def rule(self) -> tuple[Rule, tuple[str, ...], tuple[float, ...]]:
        first, second = self.betas
        eps = self.eps * sqrt(self._weight(second))  # for the root of a sum, not of a mean
        return adam, self.remembers, (first, second, eps)

    def scale(self) -> float:
        first, second = self.betas
        return sqrt(self._weight(second)) / self._weight(first)

    def _weight(self, beta: float) -> float:
        """Return 1 + beta + beta**2 + ..., with one term for each step."""
        return (1.0 - beta**self.steps) / (1.0 - beta)


def adam(
    grad: Number, sum: Number, squares: Number, beta1: Number, beta2: Number, eps: Number
) -> tuple[Number, ...]:
    sum = beta1 * sum + grad
    squares = beta2 * squares + grad * grad
    return sum / (sqrt(squares) + eps), sum, squares


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019).

    Each step multiplies the weights by `1 - lr * weight_decay`; the decay does not enter the
    gradient. The other arguments are those of `Adam`.

    >>> from engine import Value
    >>> w = Value(1.0)
    >>> AdamW([w], lr=0.1, weight_decay=0.5).step()  # without a gradient, 1 - 0.1 * 0.5
    >>> w
    Value(0.95)
    """

    decoupled = True

    def __init__(
        self,
        parameters: Iterable[Node],
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ):
        super().__init__(parameters, lr, betas=betas, eps=eps, weight_decay=weight_decay)


OPTIMIZERS: dict[str, type[Optimizer]] = {
    kind.__name__.lower(): kind for kind in (SGD, RMSprop, Adagrad, Adam, AdamW)
}


def get(name: str) -> Callable[..., Optimizer]:
    """Return the optimizer class with that name, in upper or lower case.

    Raises ValueError for an unknown name.

    >>> get("adam").__name__
    'Adam'
    """
    return look_up("optimizer", OPTIMIZERS, name.lower() if isinstance(name, str) else name)


__getattr__ = other_names.answer_names(__name__, other_names.OPTIMIZERS)


def __dir__() -> list[str]:
    return __all__
