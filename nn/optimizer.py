"""What optimizers share: parameters, a learning rate, weight decay, and the step."""

import copy
from collections.abc import Iterable
from typing import Any

import numpy as np

from engine.array import Array
from engine.node import Node
from engine.remarks import named, remark
from engine.threads import threads
from nn.arguments import mapping, parameters_of, positive, whole, within

BLOCK = 2**18  # elements that a thread moves at a time; to hand out fewer costs more than it saves


class Optimizer:
    """Moves parameters against their gradients; a subclass says in which direction.

    `parameters` are objects with `.data` and `.grad`; one that occurs twice is moved once. `lr` is
    the learning rate; schedules assign it between steps. `weight_decay` adds `weight_decay * data`
    to the gradient, the slope of the L2 penalty `weight_decay / 2 * data**2`.

    ValueError for no parameters and for a number outside its range (a learning rate of 0 may be
    assigned, where a schedule ends, but not begun with); TypeError for parameters without `.data`
    and `.grad`.

    >>> from engine import Value
    >>> from nn.optim import SGD
    >>> w = Value(3.0)
    >>> descent = SGD([w], lr=0.1)
    >>> for _ in range(2):
    ...     descent.zero_grad()
    ...     (w * w).backward()
    ...     descent.step()
    >>> round(w.data, 12)
    1.92
    """

    remembers: tuple[str, ...] = ()  # what the rule keeps of each parameter from step to step
    decoupled = False  # whether weight decay goes past the rule, straight to the weight
    elementwise = False  # whether the rule looks at no element but its own, so that blocks will do

    def __init__(self, parameters: Iterable[Any], lr: float, weight_decay: float):
        self.name = type(self).__name__
        found = parameters_of(self.name, parameters)
        self.parameters = list({id(p): p for p in found}.values())
        if not self.parameters:
            raise ValueError(f"{self.name} got no parameters to move; pass model.parameters()")
        for p in self.parameters:
            if getattr(p, "op", None) is not None or getattr(p, "constant", False):
                raise ValueError(
                    f"{self.name} moves leaves, got {p!r}, which is computed anew from its inputs "
                    "or a constant"
                )
        self.lr = positive("lr", lr)
        self.weight_decay = within("weight_decay", weight_decay)
        self.steps = 0
        self.expects_gradients = True  # whether the first step says so where none has come
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
        large arrays a copy and means the same for floats; the gradient it may not. What it returns
        is changed in place in turn, unless it is the gradient or remembered.
        """
        raise NotImplementedError(f"{self.name} lacks its rule; define direction(grad, memory)")

    def scale(self) -> float:
        """A number that belongs to every direction of this step, multiplied into the rate."""
        return 1.0

    @np.errstate(all="ignore")  # inf and nan without a warning, as IEEE 754 has it
    def step(self) -> None:
        """Move every parameter once, by the gradient it has now."""
        if self.expects_gradients and not (self.steps or self.weight_decay):
            self.check_gradients_arrived()
        self.steps += 1
        rate = self.lr * self.scale()
        for p, memory in zip(self.parameters, self.memory, strict=True):
            data, grad = p.data, p.grad
            large = self.elementwise and isinstance(data, np.ndarray) and data.size > BLOCK
            move = self.moved_in_blocks if large else self.moved
            p.data = move(data, grad, memory, rate)

    def check_gradients_arrived(self) -> None:
        """A warning where, before the first step, no gradient has come to some parameter."""
        none = [p for p in self.parameters if isinstance(p, Node) and not reached(p)]
        alone = len(none) == len(self.parameters)
        if none and (alone or isinstance(none[0], Array)):  # a Value's may have come to 0
            which = "any parameter" if alone else named(none[0])
            remark(
                f"no gradient but 0 has arrived at {which}, and {self.name} makes its first "
                "step; call loss.backward() before it, of a loss that is computed from them"
            )

    def moved(self, data: Any, grad: Any, memory: dict[str, Any], rate: float) -> Any:
        """Where a step leads from `data`."""
        if self.weight_decay and not self.decoupled:
            grad = grad + self.weight_decay * data
        move = self.direction(grad, memory)
        if self.weight_decay and self.decoupled:
            data = data * (1.0 - self.lr * self.weight_decay)
        own = move is not grad and not any(move is kept for kept in memory.values())
        if own and isinstance(move, np.ndarray) and move.shape == np.shape(data):
            move *= -rate  # to the same bits, without another array
            move += data
            return move
        return data - rate * move

    def moved_in_blocks(
        self, data: np.ndarray, grad: np.ndarray, memory: dict[str, Any], rate: float
    ) -> np.ndarray:
        """`moved`, to the same bits, for a large array: block by block, on all cores.

        What one pass over a block leaves is still in the cache for the next.
        """
        for name, kept in memory.items():
            begun = np.shape(kept) == data.shape
            memory[name] = (
                np.ascontiguousarray(kept) if begun else np.full_like(data, kept, order="C")
            )
        new = np.empty_like(data, order="C")
        whole = [np.reshape(each, -1) for each in (new, data, grad, *memory.values())]

        @np.errstate(all="ignore")
        def move(start: int) -> None:
            to, old, slope, *parts = [each[start : start + BLOCK] for each in whole]
            kept = dict(zip(memory, parts, strict=True))
            to[:] = self.moved(old, slope, kept, rate)
            for name, part in zip(memory, parts, strict=True):
                if kept[name] is not part:  # the rule made a new array
                    part[:] = kept[name]

        list(threads().map(move, range(0, data.size, BLOCK)))
        return new

    def zero_grad(self) -> None:
        """Forget the gradients, to which backward() adds."""
        for p in self.parameters:
            p.grad = 0.0

    def settings(self) -> dict[str, Any]:
        """The constructor's numbers but for the learning rate: momentum, betas, weight_decay, ...

        >>> from engine import Value
        >>> from nn.optim import Adam
        >>> Adam([Value(1.0)]).settings()
        {'weight_decay': 0.0, 'betas': [0.9, 0.999], 'eps': 1e-08}
        """
        state = ("name", "parameters", "steps", "memory", "_lr", "expects_gradients")
        found = {name: x for name, x in vars(self).items() if name not in state}
        return {name: list(x) if isinstance(x, tuple) else x for name, x in found.items()}

    def state_dict(self) -> dict[str, Any]:
        """What steps have changed besides the weights: an optimizer that loads it goes on the same.

        Settings such as momentum are not in it: they are the constructor's.
        """
        memory = copy.deepcopy(self.memory)
        return {"rule": self.name, "lr": self.lr, "steps": self.steps, "memory": memory}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a `state_dict()`; ValueError for one of another rule or other parameters."""
        mapping("a state", state, "state_dict() returns")
        for part in ("rule", "lr", "steps", "memory"):
            if part not in state:
                raise ValueError(f"the state lacks {part!r}; give what state_dict() returned")
        if not isinstance(state["memory"], list):
            raise TypeError(f"the state's memory is a list of dicts, got {state['memory']!r}")
        saved, mine = (state["rule"], len(state["memory"])), (self.name, len(self.parameters))
        if saved != mine:
            raise ValueError(
                "the state is of {} over {} parameters, ".format(*saved)
                + "this is {} over {}; build the optimizer as it was saved".format(*mine)
            )
        for i, (p, memory) in enumerate(zip(self.parameters, state["memory"], strict=True)):
            mapping(f"the state's memory of parameter {i}", memory, "state_dict() returns")
            if set(memory) != set(self.remembers):
                raise ValueError(
                    f"the state remembers {sorted(memory)} of parameter {i}, {self.name} "
                    f"{sorted(self.remembers)}; build the optimizer as it was saved"
                )
            for name, x in memory.items():
                if np.shape(x) not in ((), np.shape(p.data)):
                    raise ValueError(
                        f"the state's {name} of parameter {i} has shape {np.shape(x)}, the "
                        f"parameter {np.shape(p.data)}; build the model as it was saved"
                    )
        steps = whole("the state's number of steps", state["steps"], least=0)
        self.lr, self.steps = state["lr"], steps
        self.memory = copy.deepcopy(state["memory"])


def reached(p: Any) -> bool:
    """Whether a gradient has come to a parameter; of a Value's 0 nobody knows."""
    return p._grad is not None if isinstance(p, Array) else p.grad != 0.0
