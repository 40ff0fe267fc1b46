"""Threads for work without the GIL: large arrays, matrix products, compiled code."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from queue import SimpleQueue
from threading import Thread
from typing import Any

Calls = deque[Callable[[], Any]]

LIMITS: list[int] = []  # those of all active `limit_threads` blocks


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


def call_all(functions: Iterable[Callable[[], Any]], count: int) -> None:
    """Call functions on `count` threads, of which the caller is one. Raise the first exception.

    A call starts sooner than in a `ThreadPoolExecutor`. If the other threads are late, the caller
    runs everything itself.

    >>> found = []
    >>> call_all([lambda: found.append(1), lambda: found.append(2)], 2)
    >>> sorted(found)
    [1, 2]
    """
    waiting: Calls = deque(functions)
    total = len(waiting)
    finished: SimpleQueue[BaseException | None] = SimpleQueue()
    for _ in range(min(count, total) - 1):
        helpers(os.getpid(), count - 1).put((waiting, finished))
    call_waiting(waiting, finished)
    problems = [finished.get() for _ in range(total)]
    for problem in filter(None, problems):
        raise problem


def call_waiting(waiting: Calls, finished: "SimpleQueue[BaseException | None]") -> None:
    """Call functions until none is left; put an exception, or None, into `finished` for each."""
    while True:
        try:
            f = waiting.popleft()
        except IndexError:  # the last one was taken by another thread
            return
        try:
            f()
        except BaseException as problem:
            finished.put(problem)
        else:
            finished.put(None)


@cache
def helpers(process: int, count: int) -> "SimpleQueue[tuple[Calls, Any]]":
    """Return the queue of threads that wait for functions; a forked process has its own."""
    queue: SimpleQueue[tuple[Calls, Any]] = SimpleQueue()

    def work() -> None:
        while True:
            call_waiting(*queue.get())

    for _ in range(count):
        Thread(target=work, daemon=True).start()
    return queue
