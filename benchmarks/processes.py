"""Workers: fresh processes that measure one engine each, in interleaved rounds.

The speed of a shared machine drifts. Engines run in the order A B C A B C, so all of them run under
similar conditions, and the median over the rounds ignores outliers. On one thread CPU time is
measured, which other processes affect less than elapsed time.
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

Job = tuple[str, ...]  # the module and arguments of a worker: ("moons", "micrograd", "on")

OTHER_PROCESSORS = {  # settings of OpenBLAS, NumPy, MKL, PyTorch, oneDNN and numba
    "OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES",
    "MKL_ENABLE_INSTRUCTIONS", "MKL_DEBUG_CPU_TYPE", "MKL_CBWR", "ATEN_CPU_CAPABILITY",
    "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES",
}  # fmt: skip
MODES = ("on", "off")  # of the garbage collector


class Effort(NamedTuple):
    """The number of rounds, and the least seconds and steps that each process measures.

    `threads` are the numbers of threads of the tables that have several.
    """

    rounds: int
    seconds: float
    steps: int
    threads: tuple[int, ...]


FULL = Effort(rounds=5, seconds=0.5, steps=2, threads=(1, 2))
QUICK = Effort(rounds=2, seconds=0.1, steps=1, threads=(1,))


def interleaved(jobs: Iterable[Job], rounds: int) -> dict[Job, dict[str, Any]]:
    """Run every job once per round; return the medians of the floats that each job prints.

    Other figures are those of the first round.
    """
    results: dict[Job, list[dict[str, Any]]] = {job: [] for job in jobs}
    for _ in range(rounds):
        for job, figures in results.items():
            figures.append(run(job))
    return {
        job: {
            key: median(row[key] for row in figures) if isinstance(first, float) else first
            for key, first in figures[0].items()
        }
        for job, figures in results.items()
    }


def run(job: Job) -> dict[str, Any]:
    """Run `python -m benchmarks.<job>` with one thread; return the figures that it prints.

    The environment variable STARTED is the start of the process, by `time.time()`.
    """
    module, *arguments = job
    printed = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *arguments],
        cwd=Path(__file__).parents[1],
        env={**environment(), **threads(1), "STARTED": repr(time.time())},
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(printed.stdout)


def environment() -> dict[str, str]:
    """Return the environment without settings that choose code for another processor."""
    return {name: x for name, x in os.environ.items() if name not in OTHER_PROCESSORS}


def set_collector(mode: str) -> None:
    """Turn the garbage collector of this process on or off."""
    if mode not in MODES:
        raise SystemExit(f"collector mode must be one of {', '.join(MODES)}, got {mode!r}")
    gc.enable() if mode == "on" else gc.disable()


def threads(n: int) -> dict[str, str]:
    """Return environment variables that make numerical libraries start n threads."""
    return {f"{library}_NUM_THREADS": str(n) for library in ("OMP", "OPENBLAS", "MKL")}


def limit_cores(n: int) -> None:
    """Limit this process to n cores, and libraries that it imports later to n threads.

    XLA has no setting for threads and starts one per available core. Only Linux can limit these.
    """
    os.environ.update(threads(n))
    if sys.platform == "linux":
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:n])
