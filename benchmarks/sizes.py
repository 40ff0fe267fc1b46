"""What a node costs in graphs of a thousand to a million nodes: forward and backward.

    python -m benchmarks.sizes {micrograd,default} {on,off} {chain,bush} NODES

Every graph is made of links `x * w + b`, so that the mix of operations is the same at every size;
w = -1 keeps values and gradients bounded.

    chain  one chain of links, as deep as the graph is large
    bush   chains of 32 links, added in pairs: shallow enough for micrograd's recursive backward
"""

import json
import sys
from time import process_time
from typing import Any

from benchmarks.engines import ENGINES, count, missing, value_of
from benchmarks.layout import aligned, verdict
from benchmarks.processes import MODES, Effort, collector, interleaved

SIZES = (1_000, 10_000, 100_000, 1_000_000)
SHAPES = {  # with the sizes at which each engine is measured
    ("micrograd", "chain"): SIZES[:1],
    ("micrograd", "bush"): SIZES[:3],  # a million nodes take it 20 s a round
    ("default", "bush"): SIZES[:3],
    ("default", "chain"): SIZES,
}
TARGET = 1.5
LINKS = 32  # of a chain in a bush
AT_LEAST = 100_000  # nodes in all that a process measures


def chain(Value: Any, w: Any, b: Any, nodes: int) -> Any:
    x = Value(0.5)
    for _ in range(nodes // 2):
        x = x * w + b
    return x


def bush(Value: Any, w: Any, b: Any, nodes: int) -> Any:
    level = [chain(Value, w, b, 2 * LINKS) for _ in range(nodes // (2 * LINKS + 1))]
    while len(level) > 1:
        pairs = [x + y for x, y in zip(level[::2], level[1::2], strict=False)]
        level = pairs + level[2 * len(pairs) :]
    return level[0]


def measure(engine: str, shape: str, nodes: int) -> dict[str, Any]:
    """Mean CPU time in ns per node; freeing the graph is not in it."""
    Value = value_of(engine)
    build = {"chain": chain, "bush": bush}[shape]
    w, b = Value(-1.0), Value(0.25)
    bush(Value, w, b, 1_000).backward()  # warm up
    times, counted = [], 0
    for _ in range(max(AT_LEAST // nodes, 1)):
        begin = process_time()
        root = build(Value, w, b, nodes)
        try:
            root.backward()
        except RecursionError:
            return {"failed": "recursion limit"}
        times.append(process_time() - begin)
        counted = counted or count(root)
        del root
    return {"ns": 1e9 * sum(times) / len(times) / counted}


def table(effort: Effort) -> str:
    """A row for each engine, shape and mode; a column for each size."""
    jobs = {
        (engine, shape, mode, n): ("sizes", engine, mode, shape, str(n))
        for mode in MODES
        for (engine, shape), sizes in SHAPES.items()
        for n in sizes
        if not missing(engine)
    }
    rounds = (effort.rounds + 1) // 2
    found = interleaved(jobs.values(), rounds)
    rows = []
    for mode in MODES:
        for (engine, shape), sizes in SHAPES.items():
            row = [mode, ENGINES[engine], shape]
            results = [found[jobs[engine, shape, mode, n]] for n in sizes if not missing(engine)]
            failures = [each["failed"] for each in results if "failed" in each]
            if remedy := missing(engine) or ", ".join(failures):
                rows.append([*row, remedy])
                continue
            times = [each["ns"] for each in results]
            flat = max(times) / min(times)
            row += [f"{ns:,.0f}" for ns in times] + ["-"] * (len(SIZES) - len(sizes))
            target = verdict(flat, TARGET, least=False) if sizes == SIZES else ""
            rows.append([*row, f"{flat:.2f}", target])
    header = ["collector", "engine", "shape", *[f"{n:,}" for n in SIZES], "max/min", "target"]
    title = (
        "Forward and backward in ns per node, by the number of nodes\n"
        f"(medians of {rounds} rounds; -: left out)"
    )
    return aligned(title, header, rows)


if __name__ == "__main__":
    engine, mode, shape, nodes = sys.argv[1:]
    collector(mode)
    print(json.dumps(measure(engine, shape, int(nodes))))
