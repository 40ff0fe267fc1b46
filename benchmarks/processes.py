"""Workers: fresh processes that measure one thing each, started in turn, round after round.

A shared machine drifts. Whatever is compared runs in the order A B C A B C, so that every engine
meets the same minutes; the median over the rounds sets the outliers aside; and what is measured on
one thread is CPU time, which another process on the core does not lengthen as it does the clock's.
"""

import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

Job = tuple[str, ...]  # a worker's module and arguments: ("moons", "micrograd", "on")

MODES = ("on", "off")  # of the garbage collector


class Effort(NamedTuple):
    """How much to spend: rounds of processes, seconds and steps measured in each of them.

    `threads` are the numbers of threads to measure with, where a table has several.
    """

    rounds: int
    seconds: float
    steps: int
    threads: tuple[int, ...]


FULL = Effort(rounds=5, seconds=0.5, steps=2, threads=(1, 2))
QUICK = Effort(rounds=2, seconds=0.1, steps=1, threads=(1,))


def interleaved(jobs: Iterable[Job], rounds: int) -> dict[Job, dict[str, Any]]:
    """Run every job once a round; the medians of the figures each of them printed.

    What is not a number in them is taken from the first round.
    """
    found: dict[Job, list[dict[str, Any]]] = {job: [] for job in jobs}
    for _ in range(rounds):
        for job, results in found.items():
            results.append(run(job))
    return {
        job: {
            key: median(each[key] for each in results) if isinstance(first, float) else first
            for key, first in results[0].items()
        }
        for job, results in found.items()
    }


def run(job: Job) -> dict[str, Any]:
    """What `python -m benchmarks.<job>` prints, in a fresh process with one thread.

    The process finds in STARTED when it was started, by `time.time()`.
    """
    module, *arguments = job
    printed = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *arguments],
        cwd=Path(__file__).parents[1],
        env={**os.environ, **threads(1), "STARTED": repr(time.time())},
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(printed.stdout)


def collector(mode: str) -> None:
    """Turn this process's garbage collector on or off."""
    if mode not in MODES:
        raise SystemExit(f"the collector's mode is one of {', '.join(MODES)}, got {mode!r}")
    gc.enable() if mode == "on" else gc.disable()


def threads(n: int) -> dict[str, str]:
    """The environment in which numerical libraries start n threads."""
    return {f"{library}_NUM_THREADS": str(n) for library in ("OMP", "OPENBLAS", "MKL")}


def cores(n: int) -> None:
    """Keep this process to n cores, and libraries that it imports from now on to n threads.

    XLA has no setting for its threads: it starts as many as there are cores to run on, for which
    Linux alone can be asked.
    """
    os.environ.update(threads(n))
    if sys.platform == "linux":
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:n])
