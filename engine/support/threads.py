"""Threads for work that Python's lock does not hold up: NumPy's on large arrays, compiled code."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache


def threads() -> ThreadPoolExecutor:
    """A thread for each core this process may use; a forked process has its own."""
    return pool(os.getpid())


@cache
def pool(process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cores())


def cores() -> int:
    """How many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1
