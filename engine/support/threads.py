"""A pool of threads for work that releases Python's lock: large arrays, compiled code."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache

LIMITS: list[int] = []  # of the blocks that are being executed


def threads() -> ThreadPoolExecutor:
    """Return the pool of this process, with a thread per core; a forked process has its own."""
    return pool(os.getpid(), cores())


@cache
def pool(process: int, size: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(size)


def cores() -> int:
    """Return the number of cores that this process may use, or a smaller limit."""
    try:
        usable = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        usable = os.cpu_count() or 1
    return min([usable, *LIMITS])


@contextmanager
def limit_threads(count: int) -> Iterator[None]:
    """Context manager in which this process starts no more threads than `count`.

    >>> with limit_threads(1):
    ...     cores()
    1
    """
    LIMITS.append(count)
    try:
        yield
    finally:
        LIMITS.remove(count)
