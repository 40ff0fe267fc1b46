"""Forward and backward of micrograd's moons demo, replayed by a tape, and by other engines.

    python -m benchmarks.tape_moons {node,default,torch,jax} THREADS {float64,float32} [SECONDS]

The network, the points and the first weights of `benchmarks.moons`, which itself measures the
engines that build the graph anew in every step. Those of arrays take all samples at once. Every
engine must find the same loss after a step that is taken before the clock starts.
"""

import json
import math
import sys
from collections.abc import Mapping
from time import perf_counter, process_time
from typing import Any

from benchmarks.engines import ENGINES, missing
from benchmarks.layout import aligned, verdict
from benchmarks.processes import Effort, Job, cores, interleaved
from benchmarks.tape_engines import STEPPERS

Kind = tuple[str, str, int, str]  # engine, its name among those that may be missing, threads, dtype

TAPES_AND_ARRAYS: tuple[Kind, ...] = (
    ("node", "tape", 1, "float64"),
    ("default", "tape", 1, "float64"),
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
AT_ONCE = 10  # steps between two looks at the clock
TOLERANCES = {"float64": 1e-9, "float32": 1e-4}  # relative, for the loss after a step


def measure(engine: str, threads: int, dtype: str, seconds: float) -> dict[str, Any]:
    """The mean time of a step in ms, of CPU time on one thread and the clock's on several."""
    stepper = STEPPERS[engine][1](threads, dtype)
    stepper.step()
    stepper.move(1.0)
    loss = float(stepper.step())
    clock = process_time if threads == 1 else perf_counter
    times: list[float] = []
    while len(times) < 2 or sum(times[1:]) < seconds:  # the first warms up
        begin = clock()
        for _ in range(AT_ONCE):
            stepper.step()
        times.append((clock() - begin) / AT_ONCE)
    figures = {"ms": 1e3 * sum(times[1:]) / len(times[1:]), "loss": loss}
    return figures if stepper.nodes is None else {**figures, "nodes": stepper.nodes}


def table(effort: Effort) -> str:
    """A row for each engine, number of threads and dtype; the ratio to PyTorch's faster one."""
    rounds, limits = max(effort.rounds // 2, 1), (str(effort.seconds), str(effort.steps))
    jobs: dict[Kind, Job] = {
        kind: ("tape_moons", kind[0], str(kind[2]), kind[3], limits[0])
        for kind in TAPES_AND_ARRAYS
        if kind[2] <= max(effort.threads)
    }
    jobs |= {kind: ("moons", kind[0], "on", *limits) for kind in EAGER}
    found = interleaved([job for kind, job in jobs.items() if not missing(kind[1])], rounds)
    peers = [
        found[job]["ms"] for kind, job in jobs.items() if kind[1:3] == ("torch", 1) and job in found
    ]
    rows = [row(kind, found.get(job), min(peers, default=None)) for kind, job in jobs.items()]
    title = (
        "The moons step, forward and backward alone: 100 samples, MLP(2, [16, 16, 1]), hinge + L2\n"
        f"(medians of {rounds} rounds, in µs: CPU time with 1 thread, elapsed time with 2; "
        "collector on;\nratio: over PyTorch eager on 1 thread, in the dtype in which it is faster)"
    )
    header = ["engine", "threads", "dtype", "nodes", "µs", "ns/node", "ratio", "target"]
    return "\n".join([aligned(title, header, rows), agreement(found)])


def row(kind: Kind, figures: Mapping[str, Any] | None, peer: float | None) -> list[str]:
    """An engine's figures; nodes where there is a graph of scalars.

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
    return [name, str(threads), dtype, *cells, target]


def agreement(found: Mapping[Job, dict[str, Any]]) -> str:
    """Whether the engines computed the same: the loss after a step.

    >>> tape, jax = ("tape_moons", "node", "1", "float64"), ("tape_moons", "jax", "1", "float32")
    >>> agreement({tape: {"loss": 0.5}, jax: {"loss": 0.50001}})
    '(checked: the loss after a step is 0.500000000 in all of them, in float32 to 1e-4)'
    >>> agreement({tape: {"loss": 0.5}, jax: {"loss": 0.51}})
    'NOT COMPARABLE: the losses after a step differ, 0.5, 0.51'
    """
    losses = [figures["loss"] for figures in found.values()]
    dtypes = ["float32" if "float32" in job else "float64" for job in found]
    exact = next((x for x, dtype in zip(losses, dtypes, strict=True) if dtype == "float64"), 0.0)
    for loss, dtype in zip(losses, dtypes, strict=True):
        if not math.isclose(loss, exact, rel_tol=TOLERANCES[dtype]):
            return f"NOT COMPARABLE: the losses after a step differ, {', '.join(map(str, losses))}"
    return f"(checked: the loss after a step is {exact:.9f} in all of them, in float32 to 1e-4)"


if __name__ == "__main__":
    engine, threads, dtype, *limits = sys.argv[1:]
    (seconds,) = limits or ("0.5",)
    if engine not in STEPPERS:
        raise SystemExit(f"an engine is one of {', '.join(STEPPERS)}, got {engine!r}")
    cores(int(threads))
    print(json.dumps(measure(engine, int(threads), dtype, float(seconds))))
