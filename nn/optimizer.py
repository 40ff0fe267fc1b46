"""The base class of optimizers: parameters, a learning rate, weight decay, and the step."""

import copy
from collections.abc import Callable, Iterable
from functools import cache, cached_property, lru_cache
from types import MethodType
from typing import Any

from engine.arrays.recorded_function import compile_function, record_function
from engine.instructions import Slot
from engine.node import Node
from engine.watch.gradient_warnings import describe_leaf, warn
from nn.arguments import mapping, parameters_of, positive, whole, within

BLOCK = 2**18  # elements of an array that a thread moves at a time; fewer cost more than they save


def moved(
    rule: Callable[..., Any], decay: str, data: Any, grad: Any, memory: Iterable[Any],
    rate: Any, shrink: Any, settings: Iterable[Any] = (),
) -> list[Any]:  # fmt: skip
    """Return a weight's new data, and its new memory, after a step.

    `decay` is "coupled" (`shrink * data` is added to the gradient), "decoupled" (the data is
    multiplied by `shrink`) or "" for no weight decay.
    """
    if decay == "coupled":
        grad = grad + shrink * data
    direction, *memory = rule(grad, *memory, *settings)
    if decay == "decoupled":
        data = data * shrink
    return [data - rate * direction, *memory]


class Update:
    """A step recorded once as instructions, for floats and for arrays.

    `names` are those of the memory that the rule takes; `settings` counts its settings. The inputs
    of the instructions are data, grad, *memory, rate, shrink, *settings.
    """

    def __init__(self, rule: Callable[..., Any], names: tuple[str, ...], settings: int, decay: str):
        self.rule, self.names, self.decay = rule, names, decay
        self.arrays = 2 + len(names)
        try:
            if isinstance(rule, MethodType):
                raise TypeError("it is a method, whose settings would be those of the first step")
            self.program = record_function(self.on_slots, self.arrays + 2 + settings)
        except TypeError as problem:
            raise TypeError(
                f"the rule {rule!r} cannot be recorded ({problem}); write a function of numbers "
                "with operators and engine.arithmetic, or define direction(grad, memory)"
            ) from problem

    def on_slots(self, data: Slot, grad: Slot, *rest: Slot) -> list[Any]:
        n = len(self.names)
        memory, (rate, shrink, *settings) = rest[:n], rest[n:]
        return moved(self.rule, self.decay, data, grad, memory, rate, shrink, settings)

    @cached_property
    def move(self) -> Callable[..., None]:
        """The function (parameters, memories, rate, shrink, *settings) that moves floats."""
        n, names, (data, *memory) = self.arrays, self.program.format_slots, self.program.outputs
        kept = [f"memory[{name!r}]" for name in self.names]
        lines = [
            f"{names(range(n))} = {', '.join(['p.data', 'p.grad', *kept])}",
            *self.program.assignments(),
            f"p.data = {names([data])}",
            *[f"{place} = {names([slot])}" for place, slot in zip(kept, memory, strict=True)],
        ]
        head = f"def move(parameters, memories, {names(range(n, self.program.inputs))}):"
        loop = "for p, memory in zip(parameters, memories):"
        return compile_function(f"{head}\n  {loop}\n    " + "\n    ".join(lines), "move")

    @cached_property
    def in_place(self) -> Any:
        """The function ([data, grad, *memory], (rate, shrink, *settings)) that moves arrays.

        It returns the new data in a list and overwrites the memory.
        """
        over = [None, *range(2, self.arrays)]
        return array_tools().InPlace(self.program, self.arrays, over)


update_by = lru_cache(maxsize=256)(Update)


@cache
def array_tools() -> Any:
    """Return the module that moves arrays. NumPy is loaded when the first array is moved."""
    from engine.arrays import in_place

    return in_place


class Optimizer:
    """Base class: moves parameters against their gradients.

    `parameters` are objects with `.data` and `.grad`; duplicates are moved once. `lr` is the
    learning rate; schedules assign it between steps. `weight_decay` adds `weight_decay * data`
    to the gradient, the slope of the L2 penalty `weight_decay / 2 * data**2`.

    Raises ValueError for an empty list of parameters and for a number outside its range (a schedule
    may assign a learning rate of 0, but the first one is positive), and TypeError for parameters
    without `.data` and `.grad`.

    A subclass lists the names of its memory in `remembers` and defines `rule`, or `direction`.

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

    remembers: tuple[str, ...] = ()  # names of the numbers that the rule keeps for each weight
    decoupled = False  # whether weight decay shrinks the weight directly, not through the gradient

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
        # 0.0 becomes an array of the parameter's shape when the rule first changes it.
        self.memory = [dict.fromkeys(self.remembers, 0.0) for _ in self.parameters]
        arrays = [hasattr(p.data, "dtype") for p in self.parameters]
        self._arrays = arrays if any(arrays) else None  # which parameters are; None for none

    @property
    def lr(self) -> float:
        """Learning rate of the next step."""
        return self._lr

    @lr.setter
    def lr(self, lr: float) -> None:
        self._lr = within("lr", lr)

    def rule(self) -> tuple[Callable[..., Any], tuple[str, ...], tuple[float, ...]]:
        """Return the rule of this step, the names of the memory it takes, and its settings.

        The rule is a function of numbers: (grad, *memory, *settings) -> (direction, *memory). It
        uses operators and the functions of `engine.arithmetic`, and no `if` on a number: it is
        recorded once, and then runs on floats and, in place, on arrays. Numbers that may change
        between steps are settings.
        """
        raise NotImplementedError(
            f"{self.name} lacks its rule; define direction(grad, memory) or rule()"
        )

    def scale(self) -> float:
        """Return a factor of all directions of this step; it is multiplied into the rate."""
        return 1.0

    def direction(self, grad: Any, memory: dict[str, Any]) -> Any:
        """Return the direction to descend by, and update the memory of one parameter.

        A subclass may define this instead of `rule`. It receives floats or whole arrays, and may
        use any function and any `if`. It may change the arrays in `memory`, but not the gradient.
        """
        rule, names, numbers = self.rule()
        direction, *kept = rule(grad, *[memory[name] for name in names], *numbers)
        memory.update(zip(names, kept, strict=True))
        return direction

    def step(self) -> None:
        """Move every parameter once, by the gradient it has now."""
        if self.expects_gradients and not (self.steps or self.weight_decay):
            self.check_gradients_arrived()
        self.steps += 1
        if self._arrays:
            array_tools().call_quietly(self._move)
        else:
            self._move()

    def _move(self) -> None:
        rate, shrink, decay = self.lr * self.scale(), self.weight_decay, ""
        if shrink:
            decay = "decoupled" if self.decoupled else "coupled"
            shrink = 1.0 - self.lr * shrink if self.decoupled else shrink
        if type(self).direction is not Optimizer.direction:
            for p, memory in zip(self.parameters, self.memory, strict=True):
                rule = lambda grad, memory=memory: (self.direction(grad, memory),)
                (p.data,) = moved(rule, decay, p.data, p.grad, (), rate, shrink)
            return
        rule, names, settings = self.rule()
        update, numbers = update_by(rule, names, len(settings), decay), (rate, shrink, *settings)
        if not self._arrays:
            update.move(self.parameters, self.memory, *numbers)
            return
        for p, memory, array in zip(self.parameters, self.memory, self._arrays, strict=True):
            if array:
                kept = arrays_of(memory, names, p.data) if names else []
                (p.data,) = update.in_place([p.data, p.grad, *kept], numbers, BLOCK)
            else:
                update.move([p], [memory], *numbers)

    def check_gradients_arrived(self) -> None:
        """Warn before the first step if a parameter has received no gradient."""
        none = [p for p in self.parameters if isinstance(p, Node) and not reached(p)]
        alone = len(none) == len(self.parameters)
        if none and (alone or hasattr(none[0].data, "dtype")):  # a Value's may have come to 0
            which = "any parameter" if alone else describe_leaf(none[0])
            warn(
                f"no gradient but 0 has arrived at {which}, and {self.name} makes its first "
                "step; call loss.backward() before it, of a loss that is computed from them"
            )

    def zero_grad(self) -> None:
        """Set all gradients to 0; backward() adds to them."""
        for p in self.parameters:
            p.grad = 0.0

    def settings(self) -> dict[str, Any]:
        """Return the constructor's options except the learning rate: momentum, weight_decay, ...

        >>> from engine import Value
        >>> from nn.optim import Adam
        >>> Adam([Value(1.0)]).settings()
        {'weight_decay': 0.0, 'betas': [0.9, 0.999], 'eps': 1e-08}
        """
        state = ("name", "parameters", "steps", "memory", "_lr", "expects_gradients", "_arrays")
        found = {name: x for name, x in vars(self).items() if name not in state}
        return {name: list(x) if isinstance(x, tuple) else x for name, x in found.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of the state that steps change: memory, number of steps, learning rate.

        Settings such as momentum are not part of it; pass them to the constructor.
        """
        memory = copy.deepcopy(self.memory)
        return {"rule": self.name, "lr": self.lr, "steps": self.steps, "memory": memory}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a `state_dict()`. Raises ValueError if its rule or its parameters differ."""
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
                if shape(x) not in ((), shape(p.data)):
                    raise ValueError(
                        f"the state's {name} of parameter {i} has shape {shape(x)}, the "
                        f"parameter {shape(p.data)}; build the model as it was saved"
                    )
        steps = whole("the state's number of steps", state["steps"], least=0)
        self.lr, self.steps = state["lr"], steps
        self.memory = [
            {name: fitting(memory[name], p.data) for name in self.remembers}
            for p, memory in zip(self.parameters, state["memory"], strict=True)
        ]


def reached(p: Any) -> bool:
    """Return whether a parameter has received a gradient; a Value's may also have been 0."""
    return p._grad is not None if hasattr(p.data, "dtype") else p.grad != 0.0


def arrays_of(memory: dict[str, Any], names: tuple[str, ...], data: Any) -> list[Any]:
    """Return the memory of an array parameter, in arrays: the first step begins with numbers."""
    for name in names:
        if type(memory[name]) is float:
            memory[name] = array_tools().np.full_like(data, memory[name], order="C")
    return [memory[name] for name in names]


def shape(x: Any) -> tuple[int, ...]:
    if isinstance(x, float | int):
        return ()
    import numpy as np

    return np.shape(x)


def fitting(x: Any, data: Any) -> Any:
    """Return a copy of a remembered number or array, in the shape and dtype of `data`."""
    if not hasattr(data, "dtype"):
        return copy.deepcopy(x)
    if not hasattr(x, "dtype"):
        return float(x)
    import numpy as np

    return np.array(np.broadcast_to(x, data.shape), data.dtype, order="C")
