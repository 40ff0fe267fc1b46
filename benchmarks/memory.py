"""Bytes that a product takes: the node, the float it holds, and all that hangs on it.

    python -m benchmarks.memory {micrograd,default}

Products `a * b` are kept alive in a list made before, so that nothing but they is counted.
"""

import json
import sys
import tracemalloc
from typing import Any

from benchmarks.engines import ENGINES, missing, value_of
from benchmarks.layout import aligned, verdict
from benchmarks.processes import Effort, run

PRODUCTS = 20_000
TARGET = 250


def measure(engine: str) -> dict[str, Any]:
    """Bytes per product before backward, as `tracemalloc` counts what Python asks for."""
    Value = value_of(engine)
    a, b = Value(1.5), Value(2.5)
    a * b  # what a first call keeps belongs to no product
    products: list[Any] = [None] * PRODUCTS
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for i in range(PRODUCTS):
        products[i] = a * b
    after, _ = tracemalloc.get_traced_memory()
    return {"bytes": (after - before) / PRODUCTS}


def table(effort: Effort) -> str:
    """Bytes per product of each engine."""
    rows = []
    for engine in ("micrograd", "default"):
        if remedy := missing(engine):
            rows.append([ENGINES[engine], remedy])
            continue
        size = run(("memory", engine))["bytes"]
        target = verdict(size, TARGET, least=False) if engine == "default" else ""
        rows.append([ENGINES[engine], f"{size:.0f}", target])
    title = "Memory of a product node a * b, its result included, before backward"
    return aligned(title, ["engine", "bytes", "target"], rows)


if __name__ == "__main__":
    (engine,) = sys.argv[1:]
    print(json.dumps(measure(engine)))
