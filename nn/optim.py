"""Optimizers: how a gradient moves a weight.

An optimizer is one update rule: a function (grad, *memory, *settings) -> (direction, *memory). The
weight moves by `-lr * direction`. Rules and defaults are PyTorch's. A rule is written once, for
numbers; it is recorded as instructions that move floats and, in place, arrays:

>>> from nn.optimizer import Update
>>> print(Update(polyak, ("velocity",), settings=1, decay="").program)
s7 = s5 * s2 + s1
s9 = s0 - s3 * s7
return [s9, s7]

>>> from engine import Value
>>> w = Value(0.5)
>>> w.grad = 2.0
>>> SGD([w], lr=0.1).step()  # the example of chapter 02, 1.3: 0.5 - 0.1 * 2.0
>>> w
Value(0.3)
"""

import math
from collections.abc import Iterable
from typing import Any

from engine.arithmetic import sqrt
from nn.arguments import flag, lookup, positive, within
from nn.clip import clip_grad_norm, clip_grad_value, grad_norm
from nn.optimizer import Optimizer

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Optimizer",
    "RMSprop",
    "clip_grad_norm",
    "clip_grad_value",
    "grad_norm",
    "named",
]


class SGD(Optimizer):
    """Gradient descent (chapter 02, 1.3), with the momentum of Polyak 1964 or Nesterov 1983.

    It is called stochastic if each gradient is that of one sample or a mini-batch (chapter 02,
    6.2). With momentum, the direction is the velocity; Nesterov's looks one step of it ahead.

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
        parameters: Iterable[Any],
        lr: float = 1e-3,
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ):
        super().__init__(parameters, lr, weight_decay)
        self.momentum = within("momentum", momentum, below=1)
        self.nesterov = nesterov = flag("nesterov", nesterov)
        if nesterov and not momentum:
            raise ValueError("nesterov=True looks ahead along a momentum; pass one, such as 0.9")

    def rule(self) -> Any:
        if not self.momentum:
            return steepest, (), ()
        return (nesterov if self.nesterov else polyak), self.remembers, (self.momentum,)


def steepest(grad: Any) -> Any:
    return (grad,)


def polyak(grad: Any, velocity: Any, momentum: Any) -> Any:
    velocity = momentum * velocity + grad
    return velocity, velocity


def nesterov(grad: Any, velocity: Any, momentum: Any) -> Any:
    velocity = momentum * velocity + grad
    return grad + momentum * velocity, velocity


class RMSprop(Optimizer):
    """The gradient over the root of the running mean of its square (Tieleman & Hinton 2012).

    >>> from engine import Value
    >>> w = Value(1.0)
    >>> w.grad = 1e6  # only its size next to earlier gradients matters
    >>> RMSprop([w], lr=0.01, alpha=0.75).step()
    >>> w  # 1 - 0.01 / sqrt(1 - 0.75)
    Value(0.98)
    """

    remembers = ("squares",)

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: float = 1e-2,
        *,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        super().__init__(parameters, lr, weight_decay)
        self.alpha = within("alpha", alpha, below=1)
        self.eps = positive("eps", eps)

    def rule(self) -> Any:
        return rmsprop, self.remembers, (self.alpha, math.sqrt(1.0 - self.alpha), self.eps)


def rmsprop(grad: Any, squares: Any, alpha: Any, share: Any, eps: Any) -> Any:
    squares = alpha * squares + grad * grad  # a sum; share**2 times as much is the mean
    return grad / (share * sqrt(squares) + eps), squares


class Adagrad(Optimizer):
    """The gradient over the root of the sum of all its squares so far (Duchi et al. 2011).

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
        parameters: Iterable[Any],
        lr: float = 1e-2,
        *,
        eps: float = 1e-10,
        weight_decay: float = 0.0,
    ):
        super().__init__(parameters, lr, weight_decay)
        self.eps = positive("eps", eps)

    def rule(self) -> Any:
        return adagrad, self.remembers, (self.eps,)


def adagrad(grad: Any, squares: Any, eps: Any) -> Any:
    squares = squares + grad * grad
    return grad / (sqrt(squares) + eps), squares


class Adam(Optimizer):
    """The running mean of the gradient over the root of that of its square (Kingma & Ba 2015).

    A mean is a sum, in which a gradient's weight is multiplied by beta at each step, divided by the
    sum of the weights, (1 - beta**steps) / (1 - beta). This is the paper's mean that begins at 0,
    with its correction. (A sum of squares overflows sooner than a mean: in float32 for gradients
    beyond 5e17.)

    >>> from engine import Value
    >>> w = Value(1.0)
    >>> w.grad = -5.0
    >>> Adam([w], lr=0.25).step()  # the first step is lr long, whatever the gradient's size
    >>> w
    Value(1.25)
    """

    remembers = ("sum", "squares")

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        super().__init__(parameters, lr, weight_decay)
        if not (isinstance(betas, tuple | list) and len(betas) == 2):
            raise ValueError(f"betas is a pair such as (0.9, 0.999), got {betas!r}")
        first, second = betas
        self.betas = within("betas[0]", first, below=1), within("betas[1]", second, below=1)
        self.eps = positive("eps", eps)

    def rule(self) -> Any:
        first, second = self.betas
        eps = self.eps * math.sqrt(self.weight(second))  # for the root of a sum, not of a mean
        return adam, self.remembers, (first, second, eps)

    def scale(self) -> float:
        first, second = self.betas
        return math.sqrt(self.weight(second)) / self.weight(first)

    def weight(self, beta: float) -> float:
        """Return 1 + beta + beta**2 + ..., with a term for each step."""
        return (1.0 - beta**self.steps) / (1.0 - beta)


def adam(grad: Any, sum: Any, squares: Any, beta1: Any, beta2: Any, eps: Any) -> Any:
    sum = beta1 * sum + grad
    squares = beta2 * squares + grad * grad
    return sum / (sqrt(squares) + eps), sum, squares


class AdamW(Adam):
    """Adam with decoupled weight decay: no gradient scales it (Loshchilov & Hutter 2019).

    >>> from engine import Value
    >>> w = Value(1.0)
    >>> AdamW([w], lr=0.1, weight_decay=0.5).step()  # without a gradient, 1 - 0.1 * 0.5
    >>> w
    Value(0.95)
    """

    decoupled = True

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ):
        super().__init__(parameters, lr, betas=betas, eps=eps, weight_decay=weight_decay)


RULES = {rule.__name__.lower(): rule for rule in (SGD, RMSprop, Adagrad, Adam, AdamW)}


def named(name: str) -> Any:
    """Return the optimizer class of that name. Raises ValueError for an unknown name.

    >>> named("adam").__name__
    'Adam'
    """
    return lookup("optimizer", RULES, name.lower() if isinstance(name, str) else name)
