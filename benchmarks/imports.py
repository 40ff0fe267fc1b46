"""The cost of `import engine`: CPU time, modules, and whether it loads NumPy.

    python -m benchmarks.imports {after,alone}

Each import is timed in a fresh interpreter, either after NumPy was imported (`after`) or without it
(`alone`). An import before the measurements compiles the files and loads them into the system's
cache.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.processes import Effort, threads
from benchmarks.targets import verdict
from demos.shared.tables import format_table, pluralize

BEFORE = {"after": "import numpy", "alone": "pass"}  # the code that runs before the clock starts
MOST_MS = 25  # beyond `import numpy`
MOST_MODULES = 20

# This runs in place of a module of this package, which would load modules of the standard library
# that `import engine` needs as well.
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


def measure(mode: str) -> dict[str, Any]:
    """Import engine in a fresh interpreter; return CPU ms, modules, and whether NumPy is loaded."""
    printed = subprocess.run(
        [sys.executable, "-c", TIMED.format(before=BEFORE[mode])],
        cwd=Path(__file__).parents[1],
        env={**os.environ, **threads(1), "PYTHONDONTWRITEBYTECODE": ""},  # compile at most once
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(printed.stdout)


def table(effort: Effort) -> str:
    """Return the time, the modules, and whether NumPy is loaded."""
    rounds = 3 * effort.rounds
    results: dict[str, list[dict[str, Any]]] = {mode: [] for mode in BEFORE}
    for mode in BEFORE:
        measure(mode)  # warm up
    for _ in range(rounds):
        for mode, figures in results.items():
            figures.append(measure(mode))
    after, alone = (median(figures["ms"] for figures in results[mode]) for mode in BEFORE)
    first = results["alone"][0]
    rows = [
        ["ms, after import numpy", f"{after:.1f}", verdict(after, MOST_MS, least=False)],
        ["ms, without", f"{alone:.1f}", ""],
        [
            "modules of engine loaded",
            str(first["modules"]),
            verdict(first["modules"], MOST_MODULES, least=False),
        ],
        ["loads NumPy", "yes" if first["numpy"] else "no", ""],
    ]
    title = (
        f"import engine, in a fresh interpreter (medians of {pluralize(rounds, 'round')}, CPU time)"
    )
    return format_table(["quantity", "value", "target"], rows, title)


if __name__ == "__main__":
    (mode,) = sys.argv[1:]
    if mode not in BEFORE:
        raise SystemExit(f"mode must be one of {', '.join(BEFORE)}, got {mode!r}")
    print(json.dumps(measure(mode)))
