"""The cost of a function or operator of NumPy that calls a node's method.

    python -m benchmarks.dispatch

Each row compares an expression with the operator or method that it becomes. The collector is off.
Bursts of both alternate, so that the changing speed of a shared machine affects both.
"""

import gc
from statistics import median
from time import process_time
from timeit import Timer

from demos.shared.tables import format_table

SETUP = """
import numpy as np
from engine import Array, Value
a, s, v = np.ones(3), np.float64(2.0), Value(3.0)
x, vs = Array(a), np.array([Value(1.0), Value(2.0)])
"""
PAIRS = {  # the same operation without NumPy's dispatch
    "s * v": "v * 2.0",
    "np.exp(v)": "v.exp()",
    "vs * v": "[u * v for u in vs]",
    "a * x": "x * a",
    "a < x": "x > a",
    "np.exp(x)": "x.exp()",
    "np.sum(x, axis=0)": "x.sum(axis=0)",
    "np.sum(x, 0)": "x.sum(0)",
}
CALLS, BURSTS = 500, 25


def compare(expression: str, direct: str) -> list[float]:
    """Return the medians in ns of an expression, of the direct one, and of their differences."""
    timers = [Timer(text, SETUP, timer=process_time) for text in (expression, direct)]
    pairs = [[timer.timeit(CALLS) * 1e9 / CALLS for timer in timers] for _ in range(BURSTS)]
    columns = [*zip(*pairs, strict=True), [with_ - without for with_, without in pairs]]
    return [median(column) for column in columns]


def table() -> str:
    """Return a row for each expression."""
    gc.disable()
    rows = []
    for expression, direct in PAIRS.items():
        cells = [f"{ns:,.0f}" for ns in compare(expression, direct)]
        rows.append([expression, cells[0], direct, cells[1], cells[2]])
    title = (
        "Functions and operators of NumPy on nodes: ns of CPU time\n"
        "(v: a Value; s: np.float64; vs: an array of two Values; x: an Array of 3; a: an ndarray;\n"
        f"medians of {BURSTS} bursts, collector off)"
    )
    return format_table(["through NumPy", "ns", "direct", "ns", "difference"], rows, title)


if __name__ == "__main__":
    print(table())
