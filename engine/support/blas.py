"""The number of threads of OpenBLAS, with which NumPy multiplies matrices."""

import ctypes
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Lock
from types import SimpleNamespace
from typing import Any

# The names of the functions in NumPy's wheels and other builds; {} is get or set.
NAMES = ("scipy_openblas_{}_num_threads64_", "scipy_openblas_{}_num_threads",
         "openblas_{}_num_threads64_", "openblas_{}_num_threads")  # fmt: skip

LOCK = Lock()
# The number of callers that need OpenBLAS to use one thread, and that of its threads before.
STATE = SimpleNamespace(users=0, before=1)


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


def count_threads() -> int:
    """Return the number of threads of OpenBLAS outside `take_threads`; 1 for another library."""
    functions = find_functions()
    if functions is None:
        return 1
    return STATE.before if STATE.users else functions[0]()


def take_threads() -> None:
    """Let OpenBLAS use one thread until `restore_threads` is called.

    The number of threads of another library does not change. Several threads may call this at the
    same time: the last one that calls `restore_threads` restores the number.
    """
    functions = find_functions()
    if functions is None:
        return
    get, set_number = functions
    with LOCK:
        if not STATE.users:
            STATE.before = get()
            if STATE.before > 1:
                set_number(1)
        STATE.users += 1


def restore_threads() -> None:
    """Let OpenBLAS use as many threads as before `take_threads`, if no other caller needs one."""
    functions = find_functions()
    if functions is None:
        return
    with LOCK:
        STATE.users -= 1
        if not STATE.users and STATE.before > 1:
            functions[1](STATE.before)
