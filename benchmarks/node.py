"""What one node costs, beside a class written by hand in 40 lines (`benchmarks/by_hand.py`).

    python -m benchmarks.node {on,off} SECONDS {stepgrad,hand,micrograd} ...

A process measures the engines that it is given, in turn: a burst of 3,000 operations by one, a few
milliseconds long, then the same by the next. A shared machine's speed may double within seconds,
so the ratio of two engines is the median over pairs of neighbouring bursts. It need not be the
ratio of the median times.

stepgrad and the class written by hand share a process. micrograd has one of its own, because its
graphs are reference cycles, which the collector would free during another engine's burst.
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
from benchmarks.layout import aligned, verdict
from benchmarks.processes import MODES, Effort, collector, interleaved

CLASSES = {"stepgrad": "engine", "hand": "benchmarks.by_hand", "micrograd": "micrograd.engine"}
PAIR = ("stepgrad", "hand")  # the ratio is the first over the second
ROUNDS = 1_500  # of s + x * y: two nodes each
NODES = 2 * ROUNDS
LEAVES = 64
WARM_UP = 3  # turns

FORWARD, BACKWARD, BOTH = "s + x * y: forward", "s + x * y: backward", "s + x * y: both passes"
CONSTANT = "x * 2.0"  # the number becomes a node, too
TARGETS = {FORWARD: 0.85, BOTH: 0.65, CONSTANT: 0.85}  # collector off


# The work. Results are kept until the clock has stopped, so that freeing them is not measured.


def chain(x: list[Any]) -> Any:
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


def separate(function: Any) -> Any:
    """Return the function with bytecode of its own.

    CPython specializes bytecode in place for the classes that it meets. Engines that ran the same
    bytecode would undo each other's specialization.
    """
    return FunctionType(function.__code__.replace(), function.__globals__)


class Bursts:
    """An engine's bursts of work. Each returns CPU seconds by the names of ROWS."""

    def __init__(self, engine: str):
        self.Value = import_module(CLASSES[engine]).Value
        self.leaves = [self.Value(i / LEAVES) for i in range(LEAVES)]
        self.x, self.y = self.Value(1.5), self.Value(2.5)
        self.chain = separate(chain)
        self.operations = {
            name: separate(operation)
            for name, operation in OPERATIONS.items()
            if hasattr(self.Value, "exp") or operation is not exp  # micrograd has none
        }

    def passes(self) -> dict[str, float]:
        """Build and differentiate the graph of s + x * y."""
        t0 = process_time()
        s = self.chain(self.leaves)
        t1 = process_time()
        s.backward()
        t2 = process_time()
        return {FORWARD: t1 - t0, BACKWARD: t2 - t1, BOTH: t2 - t0}

    def operation(self, name: str) -> dict[str, float]:
        """Carry out one operation again and again; an empty result if the engine has none."""
        if name not in self.operations:
            return {}
        results: list[Any] = [None] * NODES
        begin = process_time()
        self.operations[name](self.x, self.y, results)
        return {name: process_time() - begin}

    def checks(self) -> tuple[float, float]:
        """The sum s and the sum of the leaves' gradients, which all engines must agree on."""
        leaves = [self.Value(leaf.data) for leaf in self.leaves]
        s = chain(leaves)
        s.backward()
        return s.data, sum(leaf.grad for leaf in leaves)


def measure(engines: list[str], seconds: float) -> dict[str, Any]:
    """Return median times in ns per node, median ratios, and the numbers that were computed."""
    bursts = {engine: Bursts(engine) for engine in engines}
    found: dict[tuple[str, str], list[float]] = {}
    turn, spent = 0, 0.0
    while turn < WARM_UP + 3 or spent < seconds:
        order = engines if turn % 2 else engines[::-1]  # neither always follows the other
        for work in (None, *OPERATIONS):
            for engine in order:
                each = bursts[engine]
                for row, time in (each.operation(work) if work else each.passes()).items():
                    if turn >= WARM_UP:
                        found.setdefault((engine, row), []).append(time)
                        spent += time
        if "micrograd" in engines and not gc.isenabled():
            gc.collect()  # its graphs would fill the memory
        turn += 1
    figures = {f"{engine} {row}": 1e9 * median(ts) / NODES for (engine, row), ts in found.items()}
    if set(PAIR) <= set(engines):
        for row in ROWS:
            ours, peers = (found[engine, row] for engine in PAIR)
            figures[f"ratio {row}"] = median(a / b for a, b in zip(ours, peers, strict=True))
    return {**figures, "checks": [each.checks() for each in bursts.values()]}


def table(effort: Effort) -> str:
    """A row for each kind of work, with the collector on and off."""
    runs = [PAIR] if missing("micrograd") else [PAIR, ("micrograd",)]
    jobs = {
        (mode, engines): ("node", mode, str(4 * effort.seconds), *engines)
        for mode in MODES
        for engines in runs
    }
    found = interleaved(jobs.values(), effort.rounds)
    rows = []
    for mode in MODES:
        figures = {k: v for engines in runs for k, v in found[jobs[mode, engines]].items()}
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
        "A node, beside a class written by hand in 40 lines: ns of CPU time\n"
        f"(medians of {effort.rounds} rounds; s + x * y: per node of a graph of {NODES:,}, the "
        "others: per operation;\nratio: stepgrad over the class by hand, the median over pairs of "
        "neighbouring bursts)"
    )
    header = ["collector", "work", "stepgrad", "by hand", "micrograd", "ratio", "target"]
    checks = [check for figures in found.values() for check in figures["checks"]]
    remedy = missing("micrograd")
    notes = [f"(micrograd: {remedy})"] if remedy else []
    return "\n".join([aligned(title, header, rows), *notes, agreement(checks)])


def agreement(checks: list[list[float]]) -> str:
    """Return a line that says whether the engines computed the same numbers.

    >>> agreement([[2.0, 3.0], [2.0, 3.0]])
    '(checked: the sum and its gradients are the same in all of them)'
    >>> agreement([[2.0, 3.0], [2.0, 4.0]])
    'NOT COMPARABLE: the sums and gradients differ, [[2.0, 3.0], [2.0, 4.0]]'
    """
    first, *others = checks
    for other in others:
        if not all(math.isclose(a, b, rel_tol=1e-9) for a, b in zip(first, other, strict=True)):
            return f"NOT COMPARABLE: the sums and gradients differ, {checks}"
    return "(checked: the sum and its gradients are the same in all of them)"


if __name__ == "__main__":
    mode, seconds, *engines = sys.argv[1:]
    if not engines or not set(engines) <= set(CLASSES):
        raise SystemExit(f"engines are among {', '.join(CLASSES)}, got {engines}")
    sys.setrecursionlimit(10 * NODES)  # micrograd's backward() is recursive
    collector(mode)
    print(json.dumps(measure(engines, float(seconds))))
