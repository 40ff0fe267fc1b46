"""The update of weights by a rule, recorded once and run on floats or, in place, on arrays."""

from collections.abc import Callable, Iterable
from functools import cache, cached_property, lru_cache
from types import MethodType, ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

from engine.instructions import Slot
from engine.recorded_function import compile_function, record_function

if TYPE_CHECKING:
    import numpy
    import numpy as np

    from engine.arrays.in_place import InPlace

Number: TypeAlias = Any  # of any arithmetic: a float, an array, a recorded slot
Rule = Callable[..., tuple[Number, ...]]
Memory: TypeAlias = "dict[str, float | numpy.ndarray]"  # of a parameter, by name


def apply_rule(
    rule: Rule, decay: str, data: Number, grad: Number, memory: Iterable[Number],
    rate: Number, shrink: Number, settings: Iterable[Number] = (),
) -> list[Number]:  # fmt: skip
    """Return the new data and the new memory of a weight after a step.

    decay   "coupled" to add `shrink * data` to the gradient, "decoupled" to multiply the data by
            `shrink`, or "" for no weight decay
    """
    if decay == "coupled":
        grad = grad + shrink * data
    direction, *memory = rule(grad, *memory, *settings)
    if decay == "decoupled":
        data = data * shrink
    return [data - rate * direction, *memory]


class Update:
    """A step of a rule, recorded once as instructions that run on floats and on arrays.

    names     of the memory that the rule takes
    settings  the number of settings that it takes

    The inputs of the instructions are data, grad, *memory, rate, shrink, *settings. Raises
    TypeError if the rule cannot be recorded.
    """

    def __init__(self, rule: Rule, names: tuple[str, ...], settings: int, decay: str):
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

    def on_slots(self, data: Slot, grad: Slot, *rest: Slot) -> list[Slot]:
        n = len(self.names)
        memory, (rate, shrink, *settings) = rest[:n], rest[n:]
        return apply_rule(self.rule, self.decay, data, grad, memory, rate, shrink, settings)

    @cached_property
    def move(self) -> Callable[..., None]:
        """A function (parameters, memories, rate, shrink, *settings) that moves floats."""
        n, names, (data, *memory) = self.arrays, self.program.format_slots, self.program.outputs
        places = [f"memory[{name!r}]" for name in self.names]
        lines = [
            f"{names(range(n))} = {', '.join(['p.data', 'p.grad', *places])}",
            *self.program.assignments(),
            f"p.data = {names([data])}",
            *[f"{place} = {names([slot])}" for place, slot in zip(places, memory, strict=True)],
        ]
        head = f"def move(parameters, memories, {names(range(n, self.program.inputs))}):"
        loop = "for p, memory in zip(parameters, memories):"
        return compile_function(f"{head}\n  {loop}\n    " + "\n    ".join(lines), "move")

    @cached_property
    def in_place(self) -> "InPlace":
        """A function ([data, grad, *memory], (rate, shrink, *settings)) that moves arrays.

        It returns the new data in a list and overwrites the memory.
        """
        over = [None, *range(2, self.arrays)]
        return array_tools().InPlace(self.program, self.arrays, over)

    @cached_property
    def overwrite(self) -> "InPlace":
        """The same function with a compiled loop that overwrites the data."""
        over = [0, *range(2, self.arrays)]
        return array_tools().InPlace(self.program, self.arrays, over)


cached_update = lru_cache(maxsize=256)(Update)


@cache
def array_tools() -> ModuleType:
    """Return the module that moves arrays. It loads NumPy, so it is loaded when first needed."""
    from engine.arrays import in_place

    return in_place


def memory_arrays(memory: Memory, names: tuple[str, ...], data: "np.ndarray") -> list["np.ndarray"]:
    """Return the memory of an array parameter; numbers, as before the first step, become arrays."""
    arrays: list[Any] = []
    for name in names:
        array = memory[name]
        if type(array) is float:
            array = memory[name] = array_tools().np.full_like(data, array, order="C")
        arrays.append(array)
    return arrays
