"""The cost of a node, relative to the minimal class of `benchmarks/by_hand.py`.

    python -m benchmarks.node {on,off} SECONDS {stepgrad,hand,micrograd} ...

A process alternates between its engines: a burst of 3,000 operations, a few milliseconds long, with
one, then the same with the next. The speed of a shared machine may double within seconds, so the
ratio of two engines is the median over pairs of neighbouring bursts, which may differ from the
ratio of the median times.

stepgrad and the minimal class share a process. micrograd runs in its own, because its graphs are
reference cycles, which the collector would free during bursts of other engines.
"""

import gc
import json
import math
import sys
from collections.abc import Callable
from importlib import import_module
from statistics import median
from time import process_time
from types import FunctionType
from typing import Any

from benchmarks.engines import missing
from benchmarks.processes import MODES, Effort, interleaved, set_collector
from benchmarks.targets import verdict
from demos.shared.tables import format_table, pluralize
from demos.shared.timing import Stopwatch

CLASSES = {"stepgrad": "engine", "hand": "benchmarks.by_hand", "micrograd": "micrograd.engine"}
PAIR = ("stepgrad", "hand")  # the ratio is the first over the second
ROUNDS = 1_500  # of s + x * y: two nodes each
NODES = 2 * ROUNDS
LEAVES = 64
WARM_UP = 3  # turns

FORWARD, BACKWARD, BOTH = "s + x * y: forward", "s + x * y: backward", "s + x * y: both passes"
CONSTANT = "x * 2.0"  # the number becomes a node as well
TARGETS = {FORWARD: 0.85, BOTH: 0.65, CONSTANT: 0.85}  # collector off


# The operations. Results are freed after the clock is read, so freeing is not measured.


def sum_products(x: list[Any]) -> Any:
    s = x[0]
    for k in range(ROUNDS):
        s = s + x[k % LEAVES] * x[(k * 7) % LEAVES]
    return s


def times_two(x: Any, y: Any, results: list[Any]) -> None:
    for i in range(NODES):
        results[i] = x * 2.0


def plus(x: Any, y: Any, results: list[Any]) -> None:
    for i in range(NODES):
        results[i] = x + y


def times(x: Any, y: Any, results: list[Any]) -> None:
    for i in range(NODES):
        results[i] = x * y


def relu(x: Any, y: Any, results: list[Any]) -> None:
    for i in range(NODES):
        results[i] = x.relu()


def exp(x: Any, y: Any, results: list[Any]) -> None:
    for i in range(NODES):
        results[i] = x.exp()


OPERATIONS: dict[str, Callable[[Any, Any, list[Any]], None]] = {
    CONSTANT: times_two,
    "x + y": plus,
    "x * y": times,
    "x.relu()": relu,
    "x.exp()": exp,
}
ROWS = (FORWARD, BACKWARD, BOTH, *OPERATIONS)


def specialize(function: Any) -> Any:
    """Return a copy of the function with its own bytecode.

    CPython specializes bytecode in place for the classes that it runs with. Engines that share
    bytecode would undo each other's specialization.
    """
    return FunctionType(function.__code__.replace(), function.__globals__)


class Bursts:
    """The bursts of an engine; each returns CPU seconds by the names of ROWS."""

    def __init__(self, engine: str):
        self.Value = import_module(CLASSES[engine]).Value
        self.leaves = [self.Value(i / LEAVES) for i in range(LEAVES)]
        self.x, self.y = self.Value(1.5), self.Value(2.5)
        self.sum_products = specialize(sum_products)
        self.operations = {
            name: specialize(operation)
            for name, operation in OPERATIONS.items()
            if hasattr(self.Value, "exp") or operation is not exp  # micrograd has none
        }

    def time_passes(self) -> dict[str, float]:
        """Time building and differentiating the graph of s + x * y."""
        stopwatch = Stopwatch(process_time)
        s = self.sum_products(self.leaves)
        forward = stopwatch.lap()
        s.backward()
        backward = stopwatch.lap()
        return {FORWARD: forward, BACKWARD: backward, BOTH: forward + backward}

    def time_operation(self, name: str) -> dict[str, float]:
        """Time one operation; return {} if the engine does not have it."""
        if name not in self.operations:
            return {}
        results: list[Any] = [None] * NODES
        stopwatch = Stopwatch(process_time)
        self.operations[name](self.x, self.y, results)
        return {name: stopwatch.lap()}

    def checksums(self) -> tuple[float, float]:
        """Return s and the sum of the gradients, which must agree between engines."""
        leaves = [self.Value(leaf.data) for leaf in self.leaves]
        s = sum_products(leaves)
        s.backward()
        return s.data, sum(leaf.grad for leaf in leaves)


def measure(engines: list[str], seconds: float) -> dict[str, Any]:
    """Return median times in ns per node, median ratios, and checksums."""
    bursts = {engine: Bursts(engine) for engine in engines}
    times: dict[tuple[str, str], list[float]] = {}
    turn, spent = 0, 0.0
    while turn < WARM_UP + 3 or spent < seconds:
        order = engines if turn % 2 else engines[::-1]  # alternate which engine is first
        for work in (None, *OPERATIONS):
            for engine in order:
                burst = bursts[engine]
                for row, seconds_taken in (
                    burst.time_operation(work) if work else burst.time_passes()
                ).items():
                    if turn >= WARM_UP:
                        times.setdefault((engine, row), []).append(seconds_taken)
                        spent += seconds_taken
        if "micrograd" in engines and not gc.isenabled():
            gc.collect()  # its graphs would fill the memory
        turn += 1
    figures = {f"{engine} {row}": 1e9 * median(ts) / NODES for (engine, row), ts in times.items()}
    if set(PAIR) <= set(engines):
        for row in ROWS:
            ours, peers = (times[engine, row] for engine in PAIR)
            figures[f"ratio {row}"] = median(a / b for a, b in zip(ours, peers, strict=True))
    return {**figures, "checks": [burst.checksums() for burst in bursts.values()]}


def table(effort: Effort) -> str:
    """Return a row for each operation, with the collector on and off."""
    runs = [PAIR] if missing("micrograd") else [PAIR, ("micrograd",)]
    jobs = {
        (mode, engines): ("node", mode, str(4 * effort.seconds), *engines)
        for mode in MODES
        for engines in runs
    }
    results = interleaved(jobs.values(), effort.rounds)
    rows = []
    for mode in MODES:
        figures = {k: v for engines in runs for k, v in results[jobs[mode, engines]].items()}
        for row in ROWS:
            ratio = figures[f"ratio {row}"]
            target = mode == "off" and row in TARGETS
            cells = [figures.get(f"{engine} {row}") for engine in CLASSES]
            rows.append(
                [mode, row]
                + ["-" if ns is None else f"{ns:,.0f}" for ns in cells]
                + [f"{ratio:.2f}", verdict(ratio, TARGETS[row], least=False) if target else ""]
            )
    title = (
        "A node of stepgrad and of a minimal class: ns of CPU time\n"
        f"(medians of {pluralize(effort.rounds, 'round')}; s + x * y: per node of a graph of "
        f"{NODES:,}; others: per operation; ratio:\n"
        "stepgrad over the minimal class, the median over pairs of neighbouring bursts)"
    )
    header = ["collector", "operation", "stepgrad", "minimal", "micrograd", "ratio", "target"]
    checks = [check for figures in results.values() for check in figures["checks"]]
    remedy = missing("micrograd")
    notes = [f"(micrograd: {remedy})"] if remedy else []
    return "\n".join([format_table(header, rows, title), *notes, agreement(checks)])


def agreement(checks: list[list[float]]) -> str:
    """Return a line that says whether the checksums agree.

    >>> agreement([[2.0, 3.0], [2.0, 3.0]])
    '(checked: sums and gradients agree)'
    >>> agreement([[2.0, 3.0], [2.0, 4.0]])
    'NOT COMPARABLE: the sums and gradients differ, [[2.0, 3.0], [2.0, 4.0]]'
    """
    first, *others = checks
    for other in others:
        if not all(math.isclose(a, b, rel_tol=1e-9) for a, b in zip(first, other, strict=True)):
            return f"NOT COMPARABLE: the sums and gradients differ, {checks}"
    return "(checked: sums and gradients agree)"


if __name__ == "__main__":
    mode, seconds, *engines = sys.argv[1:]
    if not engines or not set(engines) <= set(CLASSES):
        raise SystemExit(f"engines must be among {', '.join(CLASSES)}, got {engines}")
    sys.setrecursionlimit(10 * NODES)  # micrograd's backward() is recursive
    set_collector(mode)
    print(json.dumps(measure(engines, float(seconds))))
