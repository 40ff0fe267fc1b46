"""A training step of a GPT of scalars: `jit`, other engines, batches, widths, and recordings.

    python -m benchmarks.gpt step {jit,eager,plain,numpy,torch,compile,jax} WIDTH SECONDS
    python -m benchmarks.gpt batch THREADS {float64,float32} SECONDS
    python -m benchmarks.gpt record

A step is the loss of one document of 7 positions, its gradient, and Adam. The losses of all engines
must agree in each of the first steps, which are taken before the clock starts.
"""

import json
import math
import sys
from collections.abc import Mapping
from importlib import import_module
from statistics import median
from time import perf_counter, process_time
from typing import Any

from benchmarks.engines import missing
from benchmarks.gpt_engines import ENGINES, POSITIONS, Jit, documents
from benchmarks.processes import Effort, Job, interleaved, limit_cores
from benchmarks.targets import verdict
from demos.shared.tables import format_table, pluralize
from demos.shared.timing import time_calls

WIDTH, LENGTH = 16, 7  # of the model, and positions of a document
CHECKED = 3  # steps whose losses must agree
NEEDS = {"jit": "tape", "torch": "torch", "compile": "torch", "jax": "jax"}  # for `missing`
PEERS = ("numpy", "torch", "compile", "jax")
WIDTHS = {64: 1.2, 128: 6.7}  # the largest ms of a step that reach the target


def measure_step(engine: str, width: int, seconds: float) -> dict[str, Any]:
    """Return the median ms of a step in CPU time, and the losses of the first steps."""
    if engine == "compile":
        probe_compiler()
    trainer, some = ENGINES[engine][1](width), documents(LENGTH)
    losses = [trainer.step(tokens) for tokens in some[:CHECKED]]
    number = 0

    def step() -> None:
        nonlocal number
        trainer.step(some[number % len(some)])
        number += 1

    calls = 1 if engine in ("plain", "eager") else 20
    time_calls(step, repeats=calls)  # warm up
    times = time_calls(step, repeats=3, seconds=seconds, calls=calls, clock=process_time)
    return {"ms": 1e3 * median(times), "losses": losses}


def probe_compiler() -> None:
    """Print no figures and exit if torch.compile cannot compile, for example without a compiler."""
    torch = import_module("torch")
    try:
        torch.compile(lambda x: x.exp() + 1.0)(torch.ones(3))
    except Exception:  # of many kinds
        print(json.dumps({}))
        sys.exit()


def measure_batch(threads: int, dtype: str, seconds: float) -> dict[str, Any]:
    """Return the median µs of a document in steps with 32 documents.

    It is CPU time on one thread, and elapsed time on several.
    """
    trainer, some = Jit(WIDTH, threads=threads, dtype=dtype), documents(LENGTH)
    trainer.step(some[0])
    for _ in range(10):
        trainer.step_batch(some)
    clock = process_time if threads == 1 else perf_counter
    times = time_calls(
        lambda: trainer.step_batch(some), repeats=3, seconds=seconds, calls=10, clock=clock
    )
    return {"us": 1e6 * median(times) / len(some)}


def measure_recordings() -> dict[str, Any]:
    """Return the CPU seconds to record all lengths, after another model was recorded."""
    Jit(4).step(documents(2)[0])
    trainer = Jit(WIDTH)
    start = process_time()
    for positions in range(1, POSITIONS + 1):
        trainer.step(documents(positions)[0])
    return {"s": process_time() - start}


def table(effort: Effort) -> str:
    """Return a row for each engine, width, kind of batch, and for the recordings."""
    seconds = str(effort.seconds)
    jobs: dict[str, Job] = {
        name: ("gpt", "step", name, str(WIDTH), seconds)
        for name in ENGINES
        if not missing(NEEDS.get(name, ""))
    }
    results = {name: figures for name, figures in run_all(jobs, effort).items() if figures}
    rows = [row(name, results) for name in ENGINES]
    title = (
        f"A training step of a GPT of 4,192 parameters: 1 block, {WIDTH} wide, 4 heads; a document "
        f"of {LENGTH}\npositions, Adam included (medians of {pluralize(effort.rounds, 'round')}; "
        "float64, CPU time, 1 thread, collector on;\nratio: over stepgrad with jit)"
    )
    first = format_table(["engine", "ms", "ratio", "target"], rows, title)
    parts = [first, agreement([figures["losses"] for figures in results.values()])]
    if not missing("tape"):
        parts += ["", table_of_jit(effort)]
    return "\n".join(parts)


def table_of_jit(effort: Effort) -> str:
    """Return a row for each kind of batch, each width, and the recordings."""
    seconds = str(effort.seconds)
    batches = [(1, "float64"), (1, "float32"), (2, "float32")]
    jobs: dict[Any, Job] = {
        **{how: ("gpt", "batch", str(how[0]), how[1], seconds) for how in batches},
        **{width: ("gpt", "step", "jit", str(width), seconds) for width in WIDTHS},
        "record": ("gpt", "record"),
    }
    results = run_all(jobs, effort)
    rows = []
    for how in batches:
        us = results[how]["us"]
        what = f"a document in a batch of 32, {how[1]}, {pluralize(how[0], 'thread')}"
        target = verdict(us, 40.0, least=False) if how == (2, "float32") else ""
        rows.append([what, f"{us:,.1f} µs", target])
    for width, most in WIDTHS.items():
        ms = results[width]["ms"]
        rows.append([f"a step, {width} wide", f"{ms:.2f} ms", verdict(ms, most, least=False)])
    s = results["record"]["s"]
    what = f"record all lengths up to {POSITIONS} positions"
    rows.append([what, f"{s:.2f} s", verdict(s, 1.0, least=False)])
    title = "The same with jit: batches, widths, recordings (2 threads: elapsed time)"
    return format_table(["what", "time", "target"], rows, title)


def run_all(jobs: Mapping[Any, Job], effort: Effort) -> dict[Any, dict[str, Any]]:
    """Return the figures of each job by its key."""
    results = interleaved(jobs.values(), effort.rounds)
    return {key: results[job] for key, job in jobs.items()}


def row(name: str, results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the cells of an engine.

    >>> results = {"jit": {"ms": 0.125}, "plain": {"ms": 200.0}, "numpy": {"ms": 0.25}}
    >>> row("plain", results)
    ['plain Python, a minimal class', '200.000', '1600.0', 'at least 1200: reached']
    >>> row("jit", results)[3]
    'at most 0.15: reached; the fastest: reached'
    >>> row("compile", results)[1] == (missing("torch") or "torch.compile does not run here")
    True
    """
    title = ENGINES[name][0]
    if name not in results:
        return [title, missing(NEEDS.get(name, "")) or "torch.compile does not run here"]
    ms, target = results[name]["ms"], ""
    ratio = ms / results["jit"]["ms"] if "jit" in results else math.nan
    if name == "jit":
        peers = [results[peer]["ms"] for peer in PEERS if peer in results]
        first = "reached" if ms <= min(peers) else "not reached"
        target = f"{verdict(ms, 0.15, least=False)}; the fastest: {first}"
    elif name == "plain" and "jit" in results:
        target = verdict(ratio, 1200.0, least=True)
    elif name == "eager":
        target = verdict(ms, 60.0, least=False)
    return [title, f"{ms:.3f}", f"{ratio:.1f}", target]


def agreement(losses: list[list[float]]) -> str:
    """Return whether the losses of the first steps agree.

    >>> agreement([[3.0, 2.0], [3.0, 2.0]])
    '(checked: the losses of the first 2 steps agree, the last is 2.000000000)'
    >>> agreement([[3.0, 2.0], [3.0, 2.1]])
    'NOT COMPARABLE: the losses of the first 2 steps differ, [[3.0, 2.0], [3.0, 2.1]]'
    """
    what = f"the losses of the first {len(losses[0])} steps"
    for other in losses:
        if not all(map(lambda x, y: math.isclose(x, y, rel_tol=1e-9), losses[0], other)):
            return f"NOT COMPARABLE: {what} differ, {losses}"
    return f"(checked: {what} agree, the last is {losses[0][-1]:.9f})"


if __name__ == "__main__":
    kind, *arguments = sys.argv[1:]
    if kind == "step":
        limit_cores(1)
        figures = measure_step(arguments[0], int(arguments[1]), float(arguments[2]))
    elif kind == "batch":
        limit_cores(int(arguments[0]))
        figures = measure_batch(int(arguments[0]), arguments[1], float(arguments[2]))
    else:
        limit_cores(1)
        figures = measure_recordings()
    print(json.dumps(figures))
