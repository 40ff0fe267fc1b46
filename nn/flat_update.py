"""An update of all parameters in one loop, for gradients that are parts of one flat array."""

from collections.abc import Sequence
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
        shapes, dtype = [x.shape for x in gradients.parts], gradients.array.dtype
        arrays = [p._data for p in parameters]
        if self.data is None or not are_parts(arrays, self.data):
            self.data, self.spare = copy_to_flat(arrays, shapes, dtype), None
        for name in update.names:
            kept = [memory[name] for memory in memories]
            if name not in self.memory or not are_parts(kept, self.memory[name]):
                self.memory[name] = copy_to_flat(kept, shapes, dtype)
                for memory, part in zip(memories, self.memory[name].parts, strict=True):
                    memory[name] = part
        spare = self.spare if self.spare is not None and self.spare.is_free() else self.data.like()
        inputs = [self.data.array, gradients.array, *[self.memory[n].array for n in update.names]]
        (new,) = update.in_place(inputs, numbers, block, spare.array)
        if new is not spare.array:  # computed without a loop
            spare.array[...] = new
        del inputs, arrays, new
        self.spare, self.data = self.data, spare
        for p, part in zip(parameters, spare.parts, strict=True):
            p._data = part
            graph.observer.assigned(p)
        return True


def are_parts(arrays: Sequence[Any], flat: Flat) -> bool:
    """Return whether arrays are the parts of a flat array, in order."""
    same = [x is part for x, part in zip(arrays, flat.parts, strict=False)]
    return len(arrays) == len(flat.parts) and all(same)
