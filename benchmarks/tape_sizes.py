"""The time and memory of a node of a tape, in graphs of a thousand to ten million nodes.

python -m benchmarks.tape_sizes {mlp,bush,chain} NODES [SECONDS]

mlp          the hinge loss of MLP(2, [16, 16, 1], fused=False), on as many points of two moons
             as the number of nodes allows
bush, chain  the graphs of `benchmarks.sizes`, in which few or no instructions are independent
"""

import gc
import json
import sys
from collections.abc import Mapping
from statistics import mean
from time import process_time
from typing import Any

from benchmarks.engines import missing
from benchmarks.moons import moons
from benchmarks.processes import Effort, Job, interleaved, limit_cores, set_collector
from benchmarks.sizes import BUILDERS
from benchmarks.targets import verdict
from demos.shared.tables import format_table, pluralize
from demos.shared.timing import time_calls

SIZES = (1_000, 10_000, 100_000, 1_000_000)
LARGEST = 10_000_000  # takes most of a minute and 5 GB: one shape, one process
SHAPES = ("mlp", "bush", "chain")
TARGET_NODES = 100_000  # of an mlp, for which the targets are
NS, BYTES = 2.5, 48  # targets, per node
PER_SAMPLE = 645  # nodes, without the parameters
AT_ONCE = 100_000  # nodes per measurement


def graph(shape: str, nodes: int) -> tuple[Any, list[Any]]:
    """Return a root and its parameters.

    >>> from benchmarks.engines import count_nodes
    >>> [count_nodes(graph(shape, 1_000)[0]) for shape in SHAPES]
    [987, 991, 1003]
    """
    from engine import Value
    from nn import MLP, losses

    if shape != "mlp":
        w, b = Value(-1.0), Value(0.25)
        return BUILDERS[shape](Value, w, b, nodes), [w, b]
    model = MLP(2, [16, 16, 1], rng=0, fused=False)
    samples = max(nodes // PER_SAMPLE, 1)
    X, y = moons(max(samples, 4))
    return losses.hinge([model(x) for x in X[:samples]], y[:samples]), model.parameters()


def measure(shape: str, nodes: int, seconds: float) -> dict[str, Any]:
    """Return ns of CPU time and bytes per node, and the GB/s of a replay and of a copy."""
    from engine import topological
    from engine.tape import Tape

    root, parameters = graph(shape, nodes)
    nodes = len(topological(root))
    tape = Tape(root, parameters=parameters)
    del root

    def replay() -> None:
        tape.forward()
        tape.backward()

    calls = max(AT_ONCE // nodes, 1)
    time_calls(replay, calls=calls)  # warm up
    times = time_calls(replay, repeats=2, seconds=seconds, calls=calls, clock=process_time)
    time, bytes_moved = mean(times), count_moved_bytes(tape._machine)
    return {
        "nodes": nodes,
        "ns": 1e9 * time / nodes,
        "held": count_held_bytes(tape) / nodes,
        "moved": bytes_moved / nodes,
        "rate": bytes_moved / time / 1e9,
        "copy": copy_rate(bytes_moved, seconds) / 1e9,
    }


def count_held_bytes(tape: Any) -> int:
    """Return the bytes of all NumPy arrays reachable from a tape; shared memory counts once."""
    import numpy as np

    arrays: dict[int, int] = {}
    visited, stack = {id(tape)}, [tape]
    while stack:
        for item in gc.get_referents(stack.pop()):
            while isinstance(item, np.ndarray) and item.base is not None:
                item = item.base
            if isinstance(item, np.ndarray):
                arrays[id(item)] = item.nbytes
            elif id(item) not in visited and may_hold_arrays(type(item)):
                visited.add(id(item))
                stack.append(item)
    return sum(arrays.values())


def may_hold_arrays(kind: type) -> bool:
    """Return True for containers, and for classes of tapes and Arrays."""
    return kind in (list, tuple, dict) or kind.__module__.startswith(
        ("stepgrad.tape", "stepgrad.arrays.array")
    )


def count_moved_bytes(machine: Any) -> int:
    """Return a lower bound of the bytes that both passes move.

    These are the operand indices of each instruction, and each number, read and written once.
    """
    import numpy as np

    from engine.tape.opcodes import MULTIPLY_ADD, OPERANDS
    from engine.tape.passes import BACKWARD, FORWARD

    size = 2 * machine.shared.nbytes
    for runs in (machine.stages[FORWARD], machine.stages[BACKWARD]):
        operands = np.where(runs.opcodes == MULTIPLY_ADD, 2, OPERANDS[runs.opcodes])
        size += int(np.diff(runs.ends.astype(int), prepend=0) @ operands) * runs.a.itemsize
        size += runs.opcodes.nbytes + runs.ends.nbytes + runs.begins.nbytes
    return size


def copy_rate(size: int, seconds: float) -> float:
    """Return the bytes per second that NumPy reads and writes to copy an array; `size` in total."""
    import numpy as np

    x = np.ones(max(size // 16, 1))
    y = x.copy()
    calls = max(1_000_000 // size, 1)
    times = time_calls(lambda: np.copyto(y, x), seconds=seconds, calls=calls, clock=process_time)
    return 2 * x.nbytes / mean(times)


def table(effort: Effort) -> str:
    """Return a table of times by shape and size, and one of the memory of an mlp by size."""
    rounds = max(effort.rounds // 2, 1)
    sizes = (*SIZES, LARGEST) if effort.rounds > 2 else SIZES
    header = ["shape", *[f"{n:,}" for n in sizes], "target"]
    title = (
        "A tape's forward and backward in ns per node, by the number of nodes\n"
        f"(medians of {pluralize(rounds, 'round')}, the largest in one; float64, CPU time, "
        f"1 thread, collector off;\n-: not measured; target: {TARGET_NODES:,} nodes)"
    )
    if remedy := missing("tape"):
        return format_table(header, [[shape, remedy] for shape in SHAPES], title)
    seconds = str(effort.seconds)
    jobs = {(shape, n): ("tape_sizes", shape, str(n), seconds) for shape in SHAPES for n in SIZES}
    results: dict[Job, dict[str, Any]] = interleaved(jobs.values(), rounds)
    if LARGEST in sizes:
        jobs[SHAPES[0], LARGEST] = ("tape_sizes", SHAPES[0], str(LARGEST), seconds)
        results |= interleaved([jobs[SHAPES[0], LARGEST]], 1)
    rows = []
    for shape in SHAPES:
        row = [f"{results[jobs[shape, n]]['ns']:.2f}" if (shape, n) in jobs else "-" for n in sizes]
        ns = results[jobs[shape, TARGET_NODES]]["ns"]
        rows.append([shape, *row, verdict(ns, NS, least=False) if shape == SHAPES[0] else ""])
    by_size = {n: results[jobs[SHAPES[0], n]] for n in sizes}
    return "\n\n".join([format_table(header, rows, title), memory_table(by_size)])


def memory_table(by_size: Mapping[int, dict[str, Any]]) -> str:
    """Return a row for each size: bytes per node, and bytes per second."""
    title = (
        f"Memory of these tapes, {SHAPES[0]}, in bytes per node; GB/s of a replay and of a copy\n"
        "(holds: all arrays of a tape; moves: a lower bound for both passes, instructions once,\n"
        "numbers twice; copy: NumPy's copy of an array, with the same number of bytes in total)"
    )
    rows = []
    for n, figures in by_size.items():
        ratio = figures["rate"] / figures["copy"]
        row = [f"{figures['nodes']:,}", f"{figures['held']:.1f}", f"{figures['moved']:.1f}"]
        row += [f"{figures['rate']:.1f}", f"{figures['copy']:.1f}", f"{100 * ratio:.0f} %"]
        target = verdict(figures["held"], BYTES, least=False) if n == TARGET_NODES else ""
        rows.append([*row, target])
    header = ["nodes", "holds", "moves", "replay", "copy", "of copy", "target"]
    return "\n".join(
        [format_table(header, rows, title), bandwidth_note(list(by_size.values())[-1])]
    )


def bandwidth_note(largest: Mapping[str, Any]) -> str:
    """Return how much of a replay's time memory bandwidth explains.

    >>> print(bandwidth_note({"nodes": 1000, "ns": 2.0, "moved": 10.0, "copy": 20.0}))
    At 1,000 nodes, copying as many bytes takes 0.50 of the 2.00 ns per node. The rest is
    not bandwidth, but indirect addressing, and sums that depend on one another.
    """
    ns = largest["moved"] / largest["copy"]
    return (
        f"At {largest['nodes']:,} nodes, copying as many bytes takes {ns:.2f} of the "
        f"{largest['ns']:.2f} ns per node. The rest is\n"
        "not bandwidth, but indirect addressing, and sums that depend on one another."
    )


if __name__ == "__main__":
    shape, nodes, *limits = sys.argv[1:]
    (seconds,) = limits or ("0.5",)
    if shape not in SHAPES:
        raise SystemExit(f"shape must be one of {', '.join(SHAPES)}, got {shape!r}")
    limit_cores(1)
    set_collector("off")
    print(json.dumps(measure(shape, int(nodes), float(seconds))))
