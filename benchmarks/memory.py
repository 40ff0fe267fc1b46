"""The memory of a product: the node, its float, and everything else that it allocates.

    python -m benchmarks.memory {micrograd,default}

The products `a * b` are stored in an existing list, so nothing else is counted.
"""

import json
import sys
import tracemalloc
from typing import Any

from benchmarks.engines import ENGINES, missing, value_of
from benchmarks.processes import Effort, run
from benchmarks.targets import verdict
from demos.shared.tables import format_table

PRODUCTS = 20_000
TARGET = 250


def measure(engine: str) -> dict[str, Any]:
    """Return the bytes per product before backward, according to `tracemalloc`."""
    Value = value_of(engine)
    a, b = Value(1.5), Value(2.5)
    a * b  # a first call may allocate caches
    products: list[Any] = [None] * PRODUCTS
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for i in range(PRODUCTS):
        products[i] = a * b
    after, _ = tracemalloc.get_traced_memory()
    return {"bytes": (after - before) / PRODUCTS}


def table(effort: Effort) -> str:
    """Return a row for each engine."""
    rows = []
    for engine in ("micrograd", "default"):
        if remedy := missing(engine):
            rows.append([ENGINES[engine], remedy])
            continue
        size = run(("memory", engine))["bytes"]
        target = verdict(size, TARGET, least=False) if engine == "default" else ""
        rows.append([ENGINES[engine], f"{size:.0f}", target])
    title = "Memory of a product node a * b before backward, including its float"
    return format_table(["engine", "bytes", "target"], rows, title)


if __name__ == "__main__":
    (engine,) = sys.argv[1:]
    print(json.dumps(measure(engine)))
