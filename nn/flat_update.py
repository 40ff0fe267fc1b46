"""An update of all parameters in one loop, for gradients that are parts of one flat array."""

from collections.abc import Sequence
from operator import is_
from typing import Any

from engine import graph
from engine.arrays.flat import Flat, copy_to_flat, find_flat_gradients
from nn.update import Memory, Update


class FlatUpdate:
    """The data and the memory of parameters as parts of flat arrays.

    They are copied there when they are other arrays, as at the first step, or after a model or an
    optimizer was loaded.
    """

    def __init__(self) -> None:
        self.data: Flat | None = None
        self.spare: Flat | None = None  # the data before the last step
        self.memory: dict[str, Flat] = {}

    def __reduce__(self) -> Any:
        """Copy and pickle an empty update: copies of the parts would not be parts of one array."""
        return FlatUpdate, ()

    def move(
        self,
        parameters: Sequence[Any],
        memories: Sequence[Memory],
        update: Update,
        numbers: tuple[float, ...],
        block: int,
    ) -> bool:
        """Move all parameters; return False, without a move, if their gradients are not flat."""
        gradients = find_flat_gradients(parameters)
        if gradients is None:
            return False
        arrays = [p._data for p in parameters]
        if not are_parts(arrays, self.data):
            self.data, self.spare = copy_to_flat(arrays, gradients), None
        for name in update.names:
            kept = [memory[name] for memory in memories]
            if not are_parts(kept, self.memory.get(name)):
                self.memory[name] = copy_to_flat(kept, gradients)
                for memory, part in zip(memories, self.memory[name].parts, strict=True):
                    memory[name] = part
        spare = self.spare if self.spare is not None and self.spare.is_free() else self.data.like()
        inputs = [self.data, gradients, *[self.memory[name] for name in update.names]]
        run_update(update.in_place, inputs, numbers, block, spare)
        self.spare, self.data = self.data, spare
        for p, part in zip(parameters, spare.parts, strict=True):
            p._data = part
        graph.observer.updated(parameters)
        return True


def run_update(
    update: Any, inputs: Sequence[Flat], numbers: tuple[float, ...], block: int, out: Flat
) -> None:
    """Write the first result of an update of flat arrays into another one."""
    array = out.array
    if loop := update.find_loop(array.dtype, array.size, block):
        addresses = [x.address for x in (*inputs, out)]
        loop.run(array.size, 1, update.numbers(*numbers), addresses)
        return
    (new,) = update([x.array for x in inputs], numbers, block, array)
    if new is not array:  # computed without a loop
        array[...] = new


def are_parts(arrays: Sequence[Any], flat: Flat | None) -> bool:
    """Return whether arrays are the parts of a flat array, in order."""
    if flat is None or len(arrays) != len(flat.parts):
        return False
    return all(map(is_, arrays, flat.parts))
