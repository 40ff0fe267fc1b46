"""A pool of threads for work that releases Python's lock: large arrays, compiled code."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache


def threads() -> ThreadPoolExecutor:
    """Return the pool of this process, with a thread per core; a forked process has its own."""
    return pool(os.getpid())


@cache
def pool(process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cores())


def cores() -> int:
    """Return the number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1
