"""`Optimizer`, the base class of optimizers: parameters, learning rate, weight decay, step."""

import copy
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import compress
from typing import TYPE_CHECKING, Any
from weakref import ref

from engine import graph
from engine.node import Node
from engine.support.freezing import CHANGES
from engine.support.other_names import answer_keywords
from engine.watch.gradient_warnings import WAITING, warn
from engine.watch.state import describe_leaf, has_gradient
from nn.arguments import (
    check_mapping,
    check_parameters,
    check_positive,
    check_whole,
    check_within,
    format_count,
)
from nn.keywords import answer_constructor
from nn.unmoved import (
    LEAVES,
    OPTIMIZERS,
    all_models,
    exclude_parts,
    find_hidden_names,
    find_unmoved_leaves,
    find_variable_names,
    keep_leaves,
    warn_of_unmoved,
)
from nn.update import Memory, Rule, apply_rule, array_tools, cached_update, memory_arrays

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from nn.flat_update import FlatUpdate

STEPS_TO_FLUSH = 64  # between looking for numbers that are almost subnormal


class Optimizer:
    """Base class of optimizers, which move parameters against their gradients.

    parameters    objects with `.data` and `.grad`, in a list: a set has no order; duplicates are
                  moved once, and those that were frozen in the meantime not at all
    lr            the learning rate; schedules assign it before each step
    weight_decay  adds `weight_decay * data` to the gradient, the slope of the L2 penalty
                  `weight_decay / 2 * data**2`

    Raises ValueError if there are no parameters, if one is computed or a constant, and for a number
    outside its range: the first learning rate is positive, later ones may be 0. Raises TypeError
    for parameters without `.data` and `.grad`.

    A subclass lists the names of its memory in `remembers`, and defines either `rule` or
    `direction`.

    >>> import math
    >>> from engine import Value
    >>> class SignDescent(Optimizer):
    ...     def direction(self, grad, memory):
    ...         return math.copysign(1.0, grad)
    >>> w = Value(3.0)
    >>> (w * w).backward()
    >>> SignDescent([w], lr=0.5).step()
    >>> w
    Value(2.5)
    """

    remembers: tuple[str, ...] = ()  # names of the numbers that the rule keeps for each weight
    decoupled = False  # True if weight decay shrinks the weight and does not enter the gradient

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        answer_constructor(cls)

    def __init__(self, parameters: Iterable[Node], lr: float, weight_decay: float = 0.0):
        self.name = type(self).__name__
        unique = {id(p): p for p in check_parameters(self.name, parameters)}
        self.parameters = list(unique.values())
        if not self.parameters:
            raise ValueError(
                f"{self.name} expects at least one parameter, got none; pass model.parameters(), "
                "of a model that is not frozen as a whole"
            )
        for p in self.parameters:
            if getattr(p, "op", None) is not None or getattr(p, "constant", False):
                raise ValueError(
                    f"{self.name} expects leaves that require a gradient, got {p!r}; pass "
                    "model.parameters()"
                )
        self.lr = check_positive("lr", lr)
        self.weight_decay = check_within("weight_decay", weight_decay)
        self.steps = 0
        self.expects_gradients = True  # whether the first step warns if there are none
        # 0.0 becomes an array of the parameter's shape when the rule first changes it.
        self.memory: list[Memory] = [dict.fromkeys(self.remembers, 0.0) for _ in self.parameters]
        is_array = [hasattr(p.data, "dtype") for p in self.parameters]
        self._is_array = is_array if any(is_array) else None
        self._flat: FlatUpdate | None = None
        OPTIMIZERS.add(self)
        WAITING.append(partial(keep_leaves, ref(self)))

    @property
    def lr(self) -> float:
        """Learning rate of the next step."""
        return self._lr

    @lr.setter
    def lr(self, lr: float) -> None:
        self._lr = check_within("lr", lr)

    def rule(self) -> tuple[Rule, tuple[str, ...], tuple[float, ...]]:
        """Return the rule of this step, the names of the memory it takes, and its settings.

        The rule is a function of numbers: (grad, *memory, *settings) -> (direction, *memory). It is
        recorded once and then runs on floats and, in place, on arrays. It may use operators and the
        functions of `engine.arithmetic`, but no `if` on a number. Numbers that may change between
        steps are settings.

        >>> from engine import Value
        >>> from nn.optim import SGD
        >>> rule, memory, settings = SGD([Value(1.0)], lr=0.1, momentum=0.9).rule()
        >>> memory, settings, rule(1.0, 2.0, 0.5)
        (('velocity',), (0.9,), (2.0, 2.0))
        """
        raise NotImplementedError(
            f"{self.name} has no update rule; define direction(grad, memory) or rule()"
        )

    def scale(self) -> float:
        """Return the factor by which this step multiplies the learning rate.

        >>> from engine import Value
        >>> from nn.optim import SGD
        >>> SGD([Value(1.0)], lr=0.1).scale()
        1.0
        """
        return 1.0

    def direction(self, grad: Any, memory: Memory) -> Any:
        """Return the direction of descent of one parameter, and update its memory.

        `grad` and the result are floats or arrays. By default the direction is that of `rule`.

        >>> from engine import Value
        >>> from nn.optim import SGD
        >>> memory = {"velocity": 1.0}
        >>> SGD([Value(1.0)], lr=0.1, momentum=0.5).direction(2.0, memory), memory
        (2.5, {'velocity': 2.5})
        """
        rule, names, settings = self.rule()
        results = rule(grad, *[memory[name] for name in names], *settings)
        if hasattr(grad, "dtype"):  # `where` of two numbers is float64
            results = tuple([x.astype(grad.dtype, copy=False) for x in results])
        direction, *new = results
        memory.update(zip(names, new, strict=True))
        return direction

    def step(self) -> None:
        """Move every parameter once by its gradient.

        The first step warns (GradientWarning) if no gradient has arrived.
        """
        if self.expects_gradients:
            if not (self.steps or self.weight_decay):
                self._check_gradients()
            if self.steps == 1:
                self._check_unmoved_leaves()
        self.steps += 1
        if self._is_array and type(self).direction is not Optimizer.direction:
            array_tools().call_quietly(self._move)
        else:
            self._move()
        if self._is_array and self.steps % STEPS_TO_FLUSH == 0:
            for memory in self.memory:
                array_tools().flush(memory.values())

    def _move(self) -> None:
        parameters, memories, is_array = self.parameters, self.memory, self._is_array
        if CHANGES[0]:  # leaves have been frozen
            active = [not getattr(p, "constant", False) for p in parameters]
            parameters = list(compress(parameters, active))
            memories = list(compress(memories, active))
            is_array = is_array and list(compress(is_array, active))
        rate, shrink, decay = self._lr * self.scale(), self.weight_decay, ""
        if shrink:
            decay = "decoupled" if self.decoupled else "coupled"
            shrink = 1.0 - self.lr * shrink if self.decoupled else shrink
        if type(self).direction is not Optimizer.direction:
            for p, memory in zip(parameters, memories, strict=True):
                rule = lambda grad, memory=memory: (self.direction(grad, memory),)
                (p.data,) = apply_rule(rule, decay, p.data, p.grad, (), rate, shrink)
            return
        rule, names, settings = self.rule()
        update = cached_update(rule, names, len(settings), decay)
        numbers = (rate, shrink, *settings)
        if not is_array:
            update.move(parameters, memories, *numbers)
            return
        if all(is_array) and self._move_flat(parameters, memories, update, numbers):
            return
        for p, memory, has_array in zip(parameters, memories, is_array, strict=True):
            if has_array:
                data = p.data
                arrays = memory_arrays(memory, names, data) if names else []
                (new,) = update.in_place([data, p.grad, *arrays], numbers)
                if isinstance(p, Node):  # the new data has the same shape and dtype
                    p._data = new
                    graph.observer.assigned(p)
                else:
                    p.data = new
            else:
                update.move([p], [memory], *numbers)

    def _move_flat(self, parameters: list[Any], memories: list[Memory], *step: Any) -> bool:
        """Move all parameters at once if their gradients are parts of one array, as under `jit`."""
        if self._flat is None:
            from nn.flat_update import FlatUpdate

            self._flat = FlatUpdate()
        elif self._flat.data is None and len(parameters) == 1:  # the first step could not use it
            return False
        return self._flat.move(parameters, memories, *step)

    def _check_gradients(self) -> None:
        """Warn if the parameters, or one that is an array, have received no gradient."""
        parameters = [p for p in self.parameters if not getattr(p, "constant", False)]
        without = [p for p in parameters if isinstance(p, Node) and not has_gradient(p)]
        all_without = len(without) == len(parameters)
        # The gradient of a single Value may be 0.
        if without and (all_without or hasattr(without[0].data, "dtype")):
            zeros, source = "all gradients are 0", "these parameters"
            if not all_without:
                zeros, source = f"the gradient of {describe_leaf(without[0])} is 0", "it"
            warn(
                f"{zeros} at {self.name}'s first step; call loss.backward() first, on a loss "
                f"computed from {source}"
            )

    def _check_unmoved_leaves(self) -> None:
        """Warn about leaves of the first loss that no optimizer moves and that are not inputs."""
        unmoved = find_unmoved_leaves(LEAVES.pop(self, ()))
        models = all_models() if unmoved else []
        if unmoved and (unmoved := exclude_parts(unmoved, models)):
            names = find_hidden_names(unmoved, self.parameters, models)
            has_model = len(exclude_parts(self.parameters, models)) < len(self.parameters)
            if not (names or has_model):
                names = find_variable_names(unmoved, self.parameters)
            if names:
                warn_of_unmoved(list(names.values()), has_model=has_model)

    @answer_keywords
    def zero_grad(self) -> None:
        """Set all gradients to 0. Call it before `backward()`, which adds to them.

        >>> from engine import Value
        >>> from nn.optim import SGD
        >>> w = Value(3.0)
        >>> (w * w).backward()
        >>> SGD([w], lr=0.1).zero_grad()
        >>> w.grad
        0.0
        """
        for p in self.parameters:
            p.grad = 0.0

    def settings(self) -> dict[str, Any]:
        """Return the constructor's options except the learning rate: momentum, weight_decay, ...

        >>> from engine import Value
        >>> from nn.optim import Adam
        >>> Adam([Value(1.0)]).settings()
        {'weight_decay': 0.0, 'betas': [0.9, 0.999], 'eps': 1e-08}
        """
        state = ("name", "parameters", "steps", "memory", "_lr", "expects_gradients", "_is_array",
                 "_flat")  # fmt: skip
        settings = {name: x for name, x in vars(self).items() if name not in state}
        return {name: list(x) if isinstance(x, tuple) else x for name, x in settings.items()}

    def __repr__(self) -> str:
        settings = {"lr": self.lr, **self.settings()}
        count = format_count(len(self.parameters), "parameter")
        return f"{self.name}({', '.join([count, *[f'{k}={x!r}' for k, x in settings.items()]])})"

    def state_dict(self) -> "dict[str, str | float | list[Memory]]":
        """Return a copy of the state that steps change: learning rate, number of steps, memory.

        Settings such as momentum are not part of it; pass them to the constructor.

        >>> from engine import Value
        >>> from nn.optim import SGD
        >>> SGD([Value(1.0)], lr=0.1, momentum=0.9).state_dict()
        {'rule': 'SGD', 'lr': 0.1, 'steps': 0, 'memory': [{'velocity': 0.0}]}
        """
        memory = copy.deepcopy(self.memory)
        return {"rule": self.name, "lr": self.lr, "steps": self.steps, "memory": memory}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state that `state_dict` returned.

        Raises ValueError if it is that of another optimizer or of other parameters.

        >>> from engine import Value
        >>> from nn.optim import SGD
        >>> optimizer = SGD([Value(1.0)], lr=0.1)
        >>> optimizer.load_state_dict(SGD([Value(1.0)], lr=0.5).state_dict())
        >>> optimizer.lr
        0.5
        """
        check_mapping("a state", state, "state_dict() returns")
        for part in ("rule", "lr", "steps", "memory"):
            if part not in state:
                raise ValueError(f"the state lacks {part!r}; pass what state_dict() returned")
        if not isinstance(state["memory"], list):
            raise TypeError(f"the state's memory is a list of dicts, got {state['memory']!r}")
        saved, own = (state["rule"], len(state["memory"])), (self.name, len(self.parameters))
        if saved != own:
            raise ValueError(
                f"the state is of {saved[0]} over {format_count(saved[1], 'parameter')}, "
                f"this is {own[0]} over {own[1]:,}; build the optimizer as it was saved"
            )
        for i, (p, memory) in enumerate(zip(self.parameters, state["memory"], strict=True)):
            check_mapping(f"the state's memory of parameter {i}", memory, "state_dict() returns")
            if set(memory) != set(self.remembers):
                raise ValueError(
                    f"the state remembers {sorted(memory)} of parameter {i}, {self.name} "
                    f"{sorted(self.remembers)}; build the optimizer as it was saved"
                )
            for name, x in memory.items():
                if get_shape(x) not in ((), get_shape(p.data)):
                    raise ValueError(
                        f"the state's {name} of parameter {i} has shape {get_shape(x)}, the "
                        f"parameter {get_shape(p.data)}; build the model as it was saved"
                    )
        steps = check_whole("the state's number of steps", state["steps"], least=0)
        self.lr, self.steps = state["lr"], steps
        self.memory = [
            {name: copy_like(p.data, memory[name]) for name in self.remembers}
            for p, memory in zip(self.parameters, state["memory"], strict=True)
        ]


def get_shape(x: "ArrayLike") -> tuple[int, ...]:
    """Return the shape of a number or an array, without NumPy for numbers."""
    if isinstance(x, float | int):
        return ()
    import numpy as np

    return np.shape(x)


def copy_like(data: Any, x: Any) -> Any:
    """Return a copy of a remembered number or array, in the shape and dtype of `data`."""
    if not hasattr(data, "dtype"):
        return copy.deepcopy(x)
    if not hasattr(x, "dtype"):
        return float(x)
    import numpy as np

    return np.array(np.broadcast_to(x, data.shape), data.dtype, order="C")
