"""Compiled code that is kept on disk, where there is a place for it."""

from collections.abc import Callable
from types import FunctionType
from typing import Any

from numba import njit


def kernel(**flags: Any) -> Callable[[Any], Any]:
    """Compile a function when it is first called, without Python's lock.

    numba keeps what it compiled beside the source or, where that cannot be written to, in the
    user's cache, or where NUMBA_CACHE_DIR says. It writes a file under another name and renames it,
    so that processes that start at once see all of it or nothing. Where no place can be written to,
    every process compiles for itself.
    """
    flags = {"nogil": True, "error_model": "numpy", **flags}

    def compiled(f: Callable[..., Any]) -> Any:
        try:
            return njit(cache=True, **flags)(f)
        except RuntimeError:  # there is no such place
            return njit(**flags)(f)

    return compiled


def renamed(f: Any, name: str, fastmath: set[str], **names: Any) -> Any:
    """A kernel compiled otherwise: with other flags, and other functions for some names.

    numba tells what it kept on disk apart by a function's name, so it needs one of its own.
    """
    python = f.py_func
    copy = FunctionType(python.__code__, {**python.__globals__, **names}, name)
    copy.__qualname__, copy.__module__ = name, python.__module__
    return kernel(fastmath=fastmath)(copy)
