"""Optimizers: how a gradient moves a weight.

An optimizer is one update rule, `direction`; the weight moves by `-lr * direction`. Rules and
defaults are PyTorch's. They touch nothing but `.data` and `.grad`, with arithmetic that floats and
NumPy arrays share, so that they serve every payload.

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

import numpy as np

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

    Called stochastic where each gradient is of one sample or a mini-batch (chapter 02, 6.2). With
    momentum it descends by the velocity `v = momentum * v + grad`; Nesterov's looks one step of
    the velocity ahead.

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
    elementwise = True

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

    def direction(self, grad: Any, memory: dict[str, Any]) -> Any:
        if not self.momentum:
            return grad
        velocity = fading(memory, "velocity", self.momentum, grad)
        return grad + self.momentum * velocity if self.nesterov else velocity


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
    elementwise = True

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

    def direction(self, grad: Any, memory: dict[str, Any]) -> Any:
        square = grad * grad
        root = sqrt(fading(memory, "squares", self.alpha, square), square)
        root *= math.sqrt(1.0 - self.alpha)  # what makes a mean of the sum
        root += self.eps
        return divide(grad, root)


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
    elementwise = True

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

    def direction(self, grad: Any, memory: dict[str, Any]) -> Any:
        square = grad * grad
        root = sqrt(fading(memory, "squares", 1.0, square), square)
        root += self.eps
        return divide(grad, root)


class Adam(Optimizer):
    """The running mean of the gradient over the root of that of its square (Kingma & Ba 2015).

    A mean is a sum in which what is a step older weighs beta times as much, over the sum of those
    weights, (1 - beta**steps) / (1 - beta): the paper's correction of a mean that began at 0.
    (A sum of squares is infinite sooner than a mean: in float32 for gradients beyond 5e17.)

    >>> from engine import Value
    >>> w = Value(1.0)
    >>> w.grad = -5.0
    >>> Adam([w], lr=0.25).step()  # the first step is lr long, whatever the gradient's size
    >>> w
    Value(1.25)
    """

    remembers = ("sum", "squares")
    elementwise = True

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

    def direction(self, grad: Any, memory: dict[str, Any]) -> Any:
        first, second = self.betas
        square = grad * grad
        root = sqrt(fading(memory, "squares", second, square), square)
        root += self.eps * math.sqrt(self.weight(second))
        return divide(fading(memory, "sum", first, grad), root)

    def scale(self) -> float:
        first, second = self.betas
        return math.sqrt(self.weight(second)) / self.weight(first)

    def weight(self, beta: float) -> float:
        """1 + beta + beta**2 + ..., a term for each step."""
        return (1.0 - beta**self.steps) / (1.0 - beta)


class AdamW(Adam):
    """Adam whose weight decay is decoupled: no gradient scales it (Loshchilov & Hutter 2019).

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
    """The optimizer class of that name; ValueError that lists the known for another.

    >>> named("adam").__name__
    'Adam'
    """
    return lookup("optimizer", RULES, name.lower() if isinstance(name, str) else name)


def fading(memory: dict[str, Any], name: str, beta: float, x: Any) -> Any:
    """The sum of all x so far, in which what is a step older weighs beta times as much."""
    total = memory[name]
    total *= beta
    total += x
    memory[name] = total
    return total


# In an array that is needed no more: it is still in the cache, and a new one would not be.


def sqrt(x: Any, used: Any) -> Any:
    return math.sqrt(x) if isinstance(x, float) else np.sqrt(x, out=used)


def divide(x: Any, y: Any) -> Any:
    """x / y, in place of y."""
    return x / y if isinstance(y, float) else np.divide(x, y, out=y)
