"""The cost of a node, forward and backward, in graphs of a thousand to a million nodes.

    python -m benchmarks.sizes {micrograd,default} {on,off} {chain,bush} NODES

All graphs consist of links `x * w + b`, so the mix of operations is the same at every size. w = -1
keeps values and gradients bounded.

    chain  one chain of links, as deep as the graph is large
    bush   chains of 32 links, added in pairs: shallow enough for micrograd's recursive backward
"""

import json
import sys
from statistics import mean
from time import process_time
from typing import Any

from benchmarks.engines import ENGINES, count_nodes, missing, value_of
from benchmarks.processes import MODES, Effort, interleaved, set_collector
from benchmarks.targets import verdict
from demos.shared.tables import format_table, pluralize
from demos.shared.timing import time_calls

SIZES = (1_000, 10_000, 100_000, 1_000_000)
SHAPES = {  # the sizes at which each engine and shape is measured
    ("micrograd", "chain"): SIZES[:1],
    ("micrograd", "bush"): SIZES[:3],  # a million nodes take 20 s per round
    ("default", "bush"): SIZES[:3],
    ("default", "chain"): SIZES,
}
TARGET = 1.5
LINKS = 32  # of a chain in a bush
AT_LEAST = 100_000  # total nodes that a process measures


def build_chain(Value: Any, w: Any, b: Any, nodes: int) -> Any:
    x = Value(0.5)
    for _ in range(nodes // 2):
        x = x * w + b
    return x


def build_bush(Value: Any, w: Any, b: Any, nodes: int) -> Any:
    level = [build_chain(Value, w, b, 2 * LINKS) for _ in range(nodes // (2 * LINKS + 1))]
    while len(level) > 1:
        pairs = [x + y for x, y in zip(level[::2], level[1::2], strict=False)]
        level = pairs + level[2 * len(pairs) :]
    return level[0]


BUILDERS = {"chain": build_chain, "bush": build_bush}


def measure(engine: str, shape: str, nodes: int) -> dict[str, Any]:
    """Return the mean CPU time in ns per node, without freeing the graph."""
    Value = value_of(engine)
    build = BUILDERS[shape]
    w, b = Value(-1.0), Value(0.25)
    build_bush(Value, w, b, 1_000).backward()  # warm up

    def forward_and_backward() -> Any:
        root = build(Value, w, b, nodes)
        root.backward()
        return root  # the caller frees it after reading the clock

    try:
        times = time_calls(
            forward_and_backward, repeats=max(AT_LEAST // nodes, 1), clock=process_time
        )
    except RecursionError:
        return {"failed": "recursion limit"}
    return {"ns": 1e9 * mean(times) / count_nodes(build(Value, w, b, nodes))}


def table(effort: Effort) -> str:
    """Return a row for each engine, shape and mode, with a column for each size."""
    jobs = {
        (engine, shape, mode, n): ("sizes", engine, mode, shape, str(n))
        for mode in MODES
        for (engine, shape), sizes in SHAPES.items()
        for n in sizes
        if not missing(engine)
    }
    rounds = (effort.rounds + 1) // 2
    by_job = interleaved(jobs.values(), rounds)
    rows = []
    for mode in MODES:
        for (engine, shape), sizes in SHAPES.items():
            row = [mode, ENGINES[engine], shape]
            results = [by_job[jobs[engine, shape, mode, n]] for n in sizes if not missing(engine)]
            failures = [figures["failed"] for figures in results if "failed" in figures]
            if remedy := missing(engine) or ", ".join(failures):
                rows.append([*row, remedy])
                continue
            times = [figures["ns"] for figures in results]
            spread = max(times) / min(times)
            row += [f"{ns:,.0f}" for ns in times] + ["-"] * (len(SIZES) - len(sizes))
            target = verdict(spread, TARGET, least=False) if sizes == SIZES else ""
            rows.append([*row, f"{spread:.2f}", target])
    header = ["collector", "engine", "shape", *[f"{n:,}" for n in SIZES], "max/min", "target"]
    title = (
        "Forward and backward in ns per node, by the number of nodes\n"
        f"(medians of {pluralize(rounds, 'round')}; -: not measured)"
    )
    return format_table(header, rows, title)


if __name__ == "__main__":
    engine, mode, shape, nodes = sys.argv[1:]
    set_collector(mode)
    print(json.dumps(measure(engine, shape, int(nodes))))
