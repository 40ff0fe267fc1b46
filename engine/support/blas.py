"""The number of threads of OpenBLAS, with which NumPy multiplies matrices."""

import ctypes
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from engine.support.threads import cores

# As NumPy's wheels and other builds call the functions, with {} for get or set.
NAMES = ("scipy_openblas_{}_num_threads64_", "scipy_openblas_{}_num_threads",
         "openblas_{}_num_threads64_", "openblas_{}_num_threads")  # fmt: skip


@cache
def find_functions() -> tuple[Callable[[], int], Callable[[int], Any]] | None:
    """Return the functions that read and set the number, or None for another library."""
    import numpy as np

    folder = Path(np.__file__).parent
    files = [*folder.glob("_core/_multiarray_umath*"), *folder.glob("core/_multiarray_umath*")]
    files += [*folder.parent.glob("numpy.libs/*openblas*"), *folder.glob(".dylibs/*openblas*")]
    for file in files:
        try:
            library = ctypes.CDLL(str(file))  # finds the functions of libraries that it loads, too
        except OSError:
            continue
        for name in NAMES:
            if hasattr(library, name.format("set")) and hasattr(library, name.format("get")):
                return getattr(library, name.format("get")), getattr(library, name.format("set"))
    return None


def take_threads() -> tuple[int, int]:
    """Let OpenBLAS use one thread; return the number of threads to use and that to restore.

    The first is the number that OpenBLAS would use, at most that of the cores. It is 1 for another
    library, whose number of threads does not change.
    """
    functions = find_functions()
    if functions is None:
        return 1, 0
    get, set_number = functions
    count = get()
    if count > 1:
        set_number(1)
    return min(count, cores()), count


def restore_threads(count: int) -> None:
    """Let OpenBLAS use the number of threads that `take_threads` returned."""
    functions = find_functions()
    if count > 1 and functions is not None:
        functions[1](count)
