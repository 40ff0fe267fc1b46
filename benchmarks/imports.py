"""What `import engine` costs: CPU time, modules, and whether it loads NumPy.

    python -m benchmarks.imports {after,alone}

Every import is timed in a fresh interpreter that has loaded nothing else: with NumPy imported
before the clock starts, or without it. The files are in the system's cache and compiled, because
one import precedes those that are measured.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.layout import aligned, verdict
from benchmarks.processes import Effort, threads

BEFORE = {"after": "import numpy", "alone": "pass"}  # by the names of the two ways
MOST_MS = 25  # beyond `import numpy`
MOST_MODULES = 20

# The interpreter runs this and not a module of this package, which would load modules of the
# standard library that `import engine` needs, too.
TIMED = """
import sys, time
{before}
begin = time.process_time()
import engine
ms = 1e3 * (time.process_time() - begin)
modules = sum(name.partition(".")[0] == "stepgrad" for name in sys.modules)
import json
print(json.dumps({{"ms": ms, "modules": modules, "numpy": "numpy" in sys.modules}}))
"""


def measure(way: str) -> dict[str, Any]:
    """Import engine in a fresh interpreter: ms of CPU time, modules of engine, NumPy loaded."""
    printed = subprocess.run(
        [sys.executable, "-c", TIMED.format(before=BEFORE[way])],
        cwd=Path(__file__).parents[1],
        env={**os.environ, **threads(1), "PYTHONDONTWRITEBYTECODE": ""},  # compile at most once
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(printed.stdout)


def table(effort: Effort) -> str:
    """A row for each fact about the import."""
    rounds = 3 * effort.rounds
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in BEFORE}
    for way in BEFORE:
        measure(way)  # warm up
    for _ in range(rounds):
        for way, results in found.items():
            results.append(measure(way))
    after, alone = (median(each["ms"] for each in found[way]) for way in ("after", "alone"))
    first = found["alone"][0]
    rows = [
        ["ms, NumPy imported before", f"{after:.1f}", verdict(after, MOST_MS, least=False)],
        ["ms, NumPy not imported before", f"{alone:.1f}", ""],
        [
            "modules of engine that it loads",
            str(first["modules"]),
            verdict(first["modules"], MOST_MODULES, least=False),
        ],
        ["loads NumPy", "yes" if first["numpy"] else "no", ""],
    ]
    title = f"import engine, in a fresh interpreter (medians of {rounds} rounds, CPU time)"
    return aligned(title, ["what", "figure", "target"], rows)


if __name__ == "__main__":
    (way,) = sys.argv[1:]
    if way not in BEFORE:
        raise SystemExit(f"a way is one of {', '.join(BEFORE)}, got {way!r}")
    print(json.dumps(measure(way)))
