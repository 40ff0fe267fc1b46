"""The CPU time to draw long graphs without a model: chains, recurrences, unrolled descent, sums.

    python -m benchmarks.layouts SHAPE NODES

The time is from the graph to SVG, with that of Graphviz, which is another process. Each shape has
about 232 and 500 nodes: 25 steps of a recurrence over 6 weights are 232 nodes, which took Graphviz
20 s before leaves were drawn at their uses.
"""

import json
import random
import re
import resource
import sys
from typing import Any

from benchmarks.engines import count_nodes
from benchmarks.processes import Effort, interleaved
from benchmarks.targets import verdict
from demos.shared.tables import format_table, pluralize

TARGETS = {232: 1, 500: 3}  # nodes, s


def build(shape: str, nodes: int) -> Any:
    """Return the root of a graph of at most `nodes` nodes, as close to it as the shape allows.

    >>> [count_nodes(build(shape, 232)) for shape in ("chain", "recurrence", "unrolled descent")]
    [232, 227, 218]
    """
    last = None
    for steps in range(1, 2 * nodes):
        root = SHAPES[shape](steps)
        if count_nodes(root) > nodes:
            break
        last = root
    return last


def chain(steps: int) -> Any:
    from engine import Value

    x = Value(0.5, "x")
    for _ in range(steps):
        x = x.tanh()
    return x


def polynomial(steps: int) -> Any:
    """Return a polynomial by Horner's rule."""
    from engine import Value

    x, y = Value(0.5, "x"), Value(1.0, "a")
    for i in range(steps):
        y = y * x + Value(i / 10, f"a{i}")
    return y


def recurrence(steps: int) -> Any:
    """Return the last state of a recurrence over 6 weights."""
    from engine import Value

    a, b, c, d, e, f = (Value(0.3 + i / 10, name) for i, name in enumerate("abcdef"))
    h = Value(0.1, "h")
    for i in range(steps):
        h = d * (a * h + b * (i / steps) + c).tanh() + e * h + f
    return h


def two_units(steps: int) -> Any:
    """Return the sum of the states of two units that depend on each other."""
    from engine import Value

    w = [Value(i / 10, f"w{i}") for i in range(6)]
    g, h = Value(0.1, "g"), Value(0.2, "h")
    for _ in range(steps):
        g, h = (w[0] * g + w[1] * h + w[2]).tanh(), (w[3] * g + w[4] * h + w[5]).tanh()
    return g + h


def unrolled_descent(steps: int) -> Any:
    """Return the loss after steps of gradient descent, through which a gradient can flow."""
    from engine import Value, grad

    w = Value(2.0, "w")
    for _ in range(steps):
        (slope,) = grad((w * w - 3.0) ** 2 + w.tanh(), [w], create_graph=True)
        w = w - 0.1 * slope
    return w * w


def sum_of_squares(terms: int) -> Any:
    from engine import Value

    return sum(Value(i / terms, f"x{i}").square() for i in range(terms))


def squared_errors(samples: int) -> Any:
    from engine import Value

    w, b = Value(0.5, "w"), Value(0.1, "b")
    return sum((w * (i / samples) + b - i).square() for i in range(samples))


def irregular(nodes: int) -> Any:
    """Return the last of nodes that each use two random ones of the last 30."""
    from engine import Value

    rng, xs = random.Random(0), [Value(i / 5, f"x{i}") for i in range(5)]
    while len(xs) < nodes:
        xs.append(rng.choice(xs[-12:]) + rng.choice(xs[-30:]) if len(xs) % 2 else xs[-1].tanh())
    return xs[-1]


SHAPES: dict[str, Any] = {
    "chain": chain,
    "polynomial": polynomial,
    "recurrence": recurrence,
    "two units": two_units,
    "unrolled descent": unrolled_descent,
    "sum of squares": sum_of_squares,
    "squared errors": squared_errors,
    "irregular": irregular,
}


def time_layout(shape: str, nodes: int) -> dict[str, Any]:
    """Return the CPU seconds to draw a graph, and the size of the picture in points."""
    from engine.draw import draw

    root = build(shape, nodes)
    root.backward()
    start = measure_cpu()
    svg = draw(root).svg
    seconds = measure_cpu() - start
    size = re.search(r'width="(\d+)[.\d]*pt" height="(\d+)', svg)
    assert size is not None
    return {"nodes": count_nodes(root), "s": seconds, "size": f"{size[1]} x {size[2]}"}


def measure_cpu() -> float:
    """Return the CPU seconds of this process and of those that it has started and awaited."""
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def table(effort: Effort) -> str:
    """Return a table of the times of all shapes."""
    rounds = (effort.rounds + 1) // 2
    jobs = [("layouts", shape, str(nodes)) for shape in SHAPES for nodes in TARGETS]
    rows = [
        [job[1], f"{figures['nodes']}", f"{figures['s']:.2f}", figures["size"],
         verdict(figures["s"], TARGETS[int(job[2])], least=False)]
        for job, figures in interleaved(jobs, rounds).items()
    ]  # fmt: skip
    return format_table(
        ["graph", "nodes", "s", "points", "target"],
        rows,
        "Drawing long graphs without a model: CPU seconds to SVG, Graphviz included\n"
        f"(medians of {pluralize(rounds, 'round')}; points: width x height of the picture)",
    )


if __name__ == "__main__":
    print(json.dumps(time_layout(sys.argv[1], int(sys.argv[2]))))
