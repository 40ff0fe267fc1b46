"""An update of all parameters in one loop, for gradients that are parts of one flat array."""

from collections.abc import Sequence
from operator import is_
from threading import active_count
from typing import Any

from engine import graph
from engine.arrays.flat import Flat, copy_to_flat, find_flat_gradients
from nn.update import Memory, Update


class FlatUpdate:
    """The data and the memory of parameters as parts of flat arrays.

    They are copied there when they are other arrays, as at the first step, or after a model or an
    optimizer was loaded. A step overwrites the data if nothing else refers to it, and if there is
    no other thread, which could read the data at the same time. Otherwise two arrays alternate.
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
    ) -> bool:
        """Move all parameters; return False, without a move, if their gradients are not flat."""
        gradients = find_flat_gradients(parameters)
        if gradients is None:
            return False
        arrays = [p._data for p in parameters]
        if self.data is None or not are_parts(arrays, self.data):
            self.data, self.spare = copy_to_flat(arrays, gradients), None
        for name in update.names:
            kept = [memory[name] for memory in memories]
            if name not in self.memory or not are_parts(kept, self.memory[name]):
                self.memory[name] = copy_to_flat(kept, gradients)
                for memory, part in zip(memories, self.memory[name].parts, strict=True):
                    memory[name] = part
        flats = [self.data, gradients, *[self.memory[name] for name in update.names]]
        # The references of the parameters, and perhaps of `arrays`, do not count.
        is_free = active_count() == 1 and self.data.is_free(others=2)
        if not (is_free and run_loop(update.overwrite, flats, numbers)):
            self.data, self.spare = self.find_spare(self.data), self.data
            write_to(self.data, flats, update.in_place, numbers)
        for p, part in zip(parameters, self.data.parts, strict=True):
            p._data = part
        graph.observer.updated(parameters)
        return True

    def find_spare(self, like: Flat) -> Flat:
        """Return other arrays for new data, because graphs may need the old data."""
        return self.spare if self.spare is not None and self.spare.is_free() else like.like()


def write_to(out: Flat, flats: list[Flat], update: Any, numbers: tuple[float, ...]) -> None:
    """Write the first result of an update of flat arrays into another one."""
    if not run_loop(update, [*flats, out], numbers):
        (new,) = update([x.array for x in flats], numbers, out.array)
        if new is not out.array:  # computed without a loop
            out.array[...] = new


def run_loop(update: Any, flats: list[Flat], numbers: tuple[float, ...]) -> bool:
    """Run an update of flat arrays in a compiled loop; return False if there is none."""
    array = flats[0].array
    loop = update.find_loop(array.dtype)
    if loop is None:
        return False
    loop.run(array.size, 1, update.numbers(*numbers), [x.array for x in flats])
    return True


def are_parts(arrays: Sequence[Any], flat: Flat) -> bool:
    """Return whether arrays are the parts of a flat array, in order."""
    return len(arrays) == len(flat.parts) and all(map(is_, arrays, flat.parts))
