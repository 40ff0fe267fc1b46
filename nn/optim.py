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

import copy
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from nn.arguments import lookup, positive, within
from nn.clip import clip_grad_norm, clip_grad_value, grad_norm

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


class Optimizer:
    """Moves parameters against their gradients; a subclass says in which direction.

    `parameters` are objects with `.data` and `.grad`; one that occurs twice is moved once. `lr` is
    the learning rate; schedules assign it between steps. `weight_decay` adds `weight_decay * data`
    to the gradient, the slope of the L2 penalty `weight_decay / 2 * data**2`.

    ValueError for no parameters and for a number outside its range (a learning rate of 0 may be
    assigned, where a schedule ends, but not begun with); TypeError for parameters without `.data`
    and `.grad`.
    """

    remembers: tuple[str, ...] = ()  # what the rule keeps of each parameter from step to step
    decoupled = False  # whether weight decay goes past the rule, straight to the weight

    def __init__(self, parameters: Iterable[Any], lr: float, weight_decay: float):
        self.name = type(self).__name__
        if hasattr(parameters, "parameters"):
            raise TypeError(f"{self.name} moves parameters; pass model.parameters()")
        self.parameters = list({id(p): p for p in parameters}.values())
        if not self.parameters:
            raise ValueError(f"{self.name} got no parameters to move; pass model.parameters()")
        for p in self.parameters:
            if not (hasattr(p, "data") and hasattr(p, "grad")):
                raise TypeError(
                    f"{self.name} moves what has .data and .grad, got {p!r}; make it a Value"
                )
            if getattr(p, "op", None) is not None or getattr(p, "constant", False):
                raise ValueError(
                    f"{self.name} moves leaves, got {p!r}, which is computed anew from its inputs "
                    "or a constant"
                )
        self.lr = positive("lr", lr)
        self.weight_decay = within("weight_decay", weight_decay)
        self.steps = 0
        # 0.0 takes the shape of the first array that is added to it.
        self.memory = [dict.fromkeys(self.remembers, 0.0) for _ in self.parameters]

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return self._lr

    @lr.setter
    def lr(self, lr: float) -> None:
        self._lr = within("lr", lr)

    def direction(self, grad: Any, memory: dict[str, Any]) -> Any:
        """What to descend by at a gradient; updates the memory of its parameter.

        What the rule remembers and what it computes it may change in place (`+=`), which spares
        large arrays a copy and means the same for floats; the gradient it may not.
        """
        raise NotImplementedError(f"{self.name} lacks its rule; define direction(grad, memory)")

    def scale(self) -> float:
        """A number that belongs to every direction of this step, multiplied into the rate."""
        return 1.0

    @np.errstate(all="ignore")  # inf and nan without a warning, as IEEE 754 has it
    def step(self) -> None:
        """Move every parameter once, by the gradient it has now."""
        self.steps += 1
        rate = self.lr * self.scale()
        for p, memory in zip(self.parameters, self.memory, strict=True):
            data, grad = p.data, p.grad
            if self.weight_decay and not self.decoupled:
                grad = grad + self.weight_decay * data
            move = self.direction(grad, memory)
            if self.weight_decay and self.decoupled:
                data = data * (1.0 - self.lr * self.weight_decay)
            p.data = data - rate * move

    def zero_grad(self) -> None:
        """Forget the gradients, to which backward() adds."""
        for p in self.parameters:
            p.grad = 0.0

    def state_dict(self) -> dict[str, Any]:
        """What steps have changed besides the weights: an optimizer that loads it goes on the same.

        Settings such as momentum are not in it: they are the constructor's.
        """
        memory = copy.deepcopy(self.memory)
        return {"rule": self.name, "lr": self.lr, "steps": self.steps, "memory": memory}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a `state_dict()`; ValueError for one of another rule or other parameters."""
        saved, mine = (state["rule"], len(state["memory"])), (self.name, len(self.parameters))
        if saved != mine:
            raise ValueError(
                "the state is of {} over {} parameters, ".format(*saved)
                + "this is {} over {}; build the optimizer as it was saved".format(*mine)
            )
        for i, (p, memory) in enumerate(zip(self.parameters, state["memory"], strict=True)):
            for name, x in memory.items():
                if name not in self.remembers:
                    raise ValueError(f"the state's {name!r} is nothing that {self.name} remembers")
                if np.shape(x) not in ((), np.shape(p.data)):
                    raise ValueError(
                        f"the state's {name} of parameter {i} has shape {np.shape(x)}, the "
                        f"parameter {np.shape(p.data)}; build the model as it was saved"
                    )
        self.lr, self.steps = state["lr"], state["steps"]
        self.memory = copy.deepcopy(state["memory"])


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
        self.nesterov = nesterov
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
        squares = fading(memory, "squares", self.alpha, grad * grad)
        root = sqrt(squares)
        root *= math.sqrt(1.0 - self.alpha)  # what makes a mean of the sum
        root += self.eps
        return grad / root


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

    def direction(self, grad: Any, memory: dict[str, Any]) -> Any:
        squares = fading(memory, "squares", 1.0, grad * grad)
        return grad / (sqrt(squares) + self.eps)


class Adam(Optimizer):
    """The running mean of the gradient over the root of that of its square (Kingma & Ba 2015).

    A mean is a sum in which what is a step older weighs beta times as much, over the sum of those
    weights, (1 - beta**steps) / (1 - beta): the paper's correction of a mean that began at 0.

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
        first, second = betas
        self.betas = within("betas[0]", first, below=1), within("betas[1]", second, below=1)
        self.eps = positive("eps", eps)

    def direction(self, grad: Any, memory: dict[str, Any]) -> Any:
        first, second = self.betas
        total = fading(memory, "sum", first, grad)
        root = sqrt(fading(memory, "squares", second, grad * grad))
        root += self.eps * math.sqrt(self.weight(second))
        return total / root

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


def sqrt(x: Any) -> Any:
    return math.sqrt(x) if isinstance(x, float) else np.sqrt(x)
