"""Timing of repeated calls, and of the parts of a program."""

from collections.abc import Callable
from time import perf_counter
from typing import Any


def time_calls(
    call: Callable[[], Any],
    *,
    repeats: int = 1,
    seconds: float = 0.0,
    calls: int = 1,
    clock: Callable[[], float] = perf_counter,
) -> list[float]:
    """Return the seconds that each of several calls takes.

    The caller chooses the statistic: the median ignores outliers, the mean includes the pauses of
    the garbage collector, the minimum is the time on an idle machine.

    Args:
        call: A function without arguments. Its result is freed after the clock is read.
        repeats: The least number of measurements.
        seconds: The least total time; measurements repeat until both limits are reached.
        calls: The number of calls per measurement, whose mean is returned. More calls make the
            cost of reading the clock negligible.
        clock: `perf_counter` for elapsed time, `process_time` for CPU time.

    >>> len(time_calls(lambda: None, repeats=5))
    5
    """
    times: list[float] = []
    total = 0.0
    while len(times) < repeats or total < seconds:
        stopwatch = Stopwatch(clock)
        for _ in range(calls):
            result = call()
        lap = stopwatch.lap()
        del result
        times.append(lap / calls)
        total += lap
    return times


class Stopwatch:
    """A clock that returns the seconds of each lap. It starts when it is made.

    `clock` is `perf_counter` for elapsed time, `process_time` for CPU time.

    >>> stopwatch = Stopwatch()
    >>> stopwatch.lap() >= 0.0
    True
    """

    def __init__(self, clock: Callable[[], float] = perf_counter):
        self.clock, self.start = clock, clock()

    def lap(self) -> float:
        """Return the seconds since the last lap, or since the start, and begin a new lap."""
        now = self.clock()
        seconds, self.start = now - self.start, now
        return seconds
