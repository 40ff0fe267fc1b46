"""Forward and backward of micrograd's moons demo, with tapes and with other engines.

    python -m benchmarks.tape_moons ENGINE THREADS {float64,float32} [SECONDS]

ENGINE is node, default, arrays-jit, arrays, torch or jax.

The network, the points and the initial weights are those of `benchmarks.moons`, which measures the
engines that build the graph in every step. Array engines compute all samples at once. The losses of
all engines must agree after a step, which is taken before the clock starts.
"""

import json
import math
import sys
from collections.abc import Mapping
from statistics import mean
from time import perf_counter, process_time
from typing import Any

from benchmarks.engines import ENGINES, missing
from benchmarks.processes import Effort, Job, interleaved, limit_cores
from benchmarks.tape_engines import STEPPERS
from benchmarks.targets import verdict
from demos.shared.tables import format_table, pluralize
from demos.shared.timing import time_calls

Kind = tuple[str, str, int, str]  # engine, key of PEERS, threads, dtype

TAPES_AND_ARRAYS: tuple[Kind, ...] = (
    ("node", "tape", 1, "float64"),
    ("default", "tape", 1, "float64"),
    ("arrays-jit", "tape", 1, "float64"),
    ("arrays-jit", "tape", 1, "float32"),
    ("arrays", "stepgrad", 1, "float32"),
    ("torch", "torch", 1, "float64"),
    ("torch", "torch", 1, "float32"),
    ("torch", "torch", 2, "float64"),
    ("torch", "torch", 2, "float32"),
    ("jax", "jax", 1, "float64"),
    ("jax", "jax", 1, "float32"),
)
EAGER: tuple[Kind, ...] = (  # measured by benchmarks.moons
    ("node", "stepgrad", 1, "float64"),
    ("default", "stepgrad", 1, "float64"),
    ("micrograd", "micrograd", 1, "float64"),
)
TARGET = 0.6  # of PyTorch's step
ARRAYS = 1.0  # of JAX's step in the same dtype, for arrays under jit
AT_ONCE = 10  # steps per measurement
TOLERANCES = {"float64": 1e-9, "float32": 1e-4}  # relative, of the loss after a step


def measure(engine: str, threads: int, dtype: str, seconds: float) -> dict[str, Any]:
    """Return the mean ms of a step: CPU time on one thread, elapsed time on several."""
    stepper = STEPPERS[engine][1](threads, dtype)
    stepper.step()
    stepper.update(1.0)
    loss = float(stepper.step())
    clock = process_time if threads == 1 else perf_counter
    time_calls(stepper.step, repeats=AT_ONCE)  # warm up
    # Steps are short: more of them give a more precise mean.
    times = time_calls(stepper.step, seconds=10 * seconds, calls=AT_ONCE, clock=clock)
    figures = {"ms": 1e3 * mean(times), "loss": loss}
    return figures if stepper.nodes is None else {**figures, "nodes": stepper.nodes}


def table(effort: Effort) -> str:
    """Return a row for each engine, number of threads and dtype, with the ratio to PyTorch."""
    rounds, limits = max(effort.rounds // 2, 1), (str(effort.seconds), str(effort.steps))
    jobs: dict[Kind, Job] = {
        kind: ("tape_moons", kind[0], str(kind[2]), kind[3], limits[0])
        for kind in TAPES_AND_ARRAYS
        if kind[2] <= max(effort.threads)
    }
    jobs |= {kind: ("moons", kind[0], "on", *limits) for kind in EAGER}
    results = interleaved([job for kind, job in jobs.items() if not missing(kind[1])], rounds)
    peers = [
        results[job]["ms"]
        for kind, job in jobs.items()
        if kind[1:3] == ("torch", 1) and job in results
    ]
    jax = {
        kind[3]: results[job]["ms"]
        for kind, job in jobs.items()
        if kind[0] == "jax" and job in results
    }
    rows = [
        row(kind, results.get(job), min(peers, default=None), jax.get(kind[3]))
        for kind, job in jobs.items()
    ]
    title = (
        "Forward and backward of the moons step: 100 samples, MLP(2, [16, 16, 1]), hinge + L2\n"
        f"(medians of {pluralize(rounds, 'round')}; µs: CPU time with 1 thread, elapsed time with "
        "2; collector on;\nratio: over PyTorch eager on 1 thread, in its faster dtype)"
    )
    header = ["engine", "threads", "dtype", "nodes", "µs", "ns/node", "ratio", "target"]
    return "\n".join([format_table(header, rows, title), agreement(results)])


def row(
    kind: Kind, figures: Mapping[str, Any] | None, peer: float | None, jax: float | None = None
) -> list[str]:
    """Return the cells of an engine; `figures` is None if it is not installed.

    >>> row(("node", "tape", 1, "float64"), {"ms": 0.5, "nodes": 100_000}, peer=1.0)[3:]
    ['100,000', '500', '5.00', '0.50', 'at most 0.6: reached']
    """
    engine, needs, threads, dtype = kind
    name = ENGINES[engine] if kind in EAGER else STEPPERS[engine][0]
    if figures is None:
        return [name, str(threads), dtype, missing(needs) or ""]
    ms = figures["ms"] if "ms" in figures else figures["forward"] + figures["backward"]
    nodes = figures.get("nodes")
    cells = [f"{nodes:,}" if nodes else "-", f"{1e3 * ms:,.0f}"]
    cells += [f"{1e6 * ms / nodes:,.2f}" if nodes else "-", f"{ms / peer:,.2f}" if peer else "-"]
    target = verdict(ms / peer, TARGET, least=False) if peer and needs == "tape" else ""
    if engine == "arrays-jit":
        target = f"{ms / jax:.2f} of JAX's, {verdict(ms / jax, ARRAYS, least=False)}" if jax else ""
    return [name, str(threads), dtype, *cells, target]


def agreement(results: Mapping[Job, dict[str, Any]]) -> str:
    """Return whether the losses after a step agree.

    >>> tape, jax = ("tape_moons", "node", "1", "float64"), ("tape_moons", "jax", "1", "float32")
    >>> agreement({tape: {"loss": 0.5}, jax: {"loss": 0.50001}})
    '(checked: the loss after a step is 0.500000000 for all engines, in float32 to 1e-4)'
    >>> agreement({tape: {"loss": 0.5}, jax: {"loss": 0.51}})
    'NOT COMPARABLE: the losses after a step differ, 0.5, 0.51'
    """
    losses = [figures["loss"] for figures in results.values()]
    dtypes = ["float32" if "float32" in job else "float64" for job in results]
    exact = next((x for x, dtype in zip(losses, dtypes, strict=True) if dtype == "float64"), 0.0)
    for loss, dtype in zip(losses, dtypes, strict=True):
        if not math.isclose(loss, exact, rel_tol=TOLERANCES[dtype]):
            return f"NOT COMPARABLE: the losses after a step differ, {', '.join(map(str, losses))}"
    return f"(checked: the loss after a step is {exact:.9f} for all engines, in float32 to 1e-4)"


if __name__ == "__main__":
    engine, threads, dtype, *limits = sys.argv[1:]
    (seconds,) = limits or ("0.5",)
    if engine not in STEPPERS:
        raise SystemExit(f"engine must be one of {', '.join(STEPPERS)}, got {engine!r}")
    limit_cores(int(threads))
    print(json.dumps(measure(engine, int(threads), dtype, float(seconds))))
