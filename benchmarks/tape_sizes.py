"""What a node of a tape costs in graphs of a thousand to ten million nodes: time and memory.

python -m benchmarks.tape_sizes {mlp,bush,chain} NODES [SECONDS]

mlp    what people train: the hinge loss of MLP(2, [16, 16, 1], fused=False) on as many points
       of two moons as give so many nodes
bush   and `chain`: those of `benchmarks.sizes`, where hardly any or no two instructions can
       stand side by side
"""

import gc
import json
import sys
from collections.abc import Mapping
from time import process_time
from typing import Any

from benchmarks.engines import missing
from benchmarks.layout import aligned, verdict
from benchmarks.moons import moons
from benchmarks.processes import Effort, Job, collector, cores, interleaved
from benchmarks.sizes import bush, chain

SIZES = (1_000, 10_000, 100_000, 1_000_000)
LARGEST = 10_000_000  # takes most of a minute, and 5 GB: one shape, one process
SHAPES = ("mlp", "bush", "chain")
JUDGED = 100_000  # nodes, of an mlp
NS, BYTES = 2.5, 48
PER_SAMPLE = 645  # nodes, beside the parameters
AT_ONCE = 100_000  # nodes that are replayed between two looks at the clock


def graph(shape: str, nodes: int) -> tuple[Any, list[Any]]:
    """A root and the leaves to train.

    >>> from benchmarks.engines import count
    >>> [count(graph(shape, 1_000)[0]) for shape in SHAPES]
    [987, 991, 1003]
    """
    from engine import Value
    from nn import MLP, losses

    if shape != "mlp":
        w, b = Value(-1.0), Value(0.25)
        return {"bush": bush, "chain": chain}[shape](Value, w, b, nodes), [w, b]
    model = MLP(2, [16, 16, 1], rng=0, fused=False)
    samples = max(nodes // PER_SAMPLE, 1)
    X, y = moons(max(samples, 4))
    return losses.hinge([model(x) for x in X[:samples]], y[:samples]), model.parameters()


def measure(shape: str, nodes: int, seconds: float) -> dict[str, Any]:
    """Mean CPU time of both passes in ns per node; bytes per node; GB/s beside those of a copy."""
    from engine import topological
    from engine.tape import Tape

    root, parameters = graph(shape, nodes)
    nodes = len(topological(root))
    tape = Tape(root, parameters=parameters)
    del root
    times: list[float] = []
    at_once = max(AT_ONCE // nodes, 1)
    while len(times) < 3 or sum(times[1:]) < seconds / at_once:  # the first warms up
        begin = process_time()
        for _ in range(at_once):
            tape.forward()
            tape.backward()
        times.append((process_time() - begin) / at_once)
    mean, bytes_moved = sum(times[1:]) / len(times[1:]), moved(tape.machine)
    return {
        "nodes": nodes,
        "ns": 1e9 * mean / nodes,
        "held": held(tape) / nodes,
        "moved": bytes_moved / nodes,
        "rate": bytes_moved / mean / 1e9,
        "copy": copied(bytes_moved, seconds) / 1e9,
    }


def held(tape: Any) -> int:
    """Bytes of all NumPy arrays that are found from a tape; what they share is counted once."""
    import numpy as np

    arrays: dict[int, int] = {}
    met, waiting = {id(tape)}, [tape]
    while waiting:
        for each in gc.get_referents(waiting.pop()):
            while isinstance(each, np.ndarray) and each.base is not None:
                each = each.base
            if isinstance(each, np.ndarray):
                arrays[id(each)] = each.nbytes
            elif id(each) not in met and ours(type(each)):
                met.add(id(each))
                waiting.append(each)
    return sum(arrays.values())


def ours(kind: type) -> bool:
    """Whether an object may hold arrays of a tape: its own parts, and containers."""
    return kind in (list, tuple, dict) or kind.__module__.startswith(
        ("stepgrad.tape", "stepgrad.arrays.array")
    )


def moved(machine: Any) -> int:
    """Bytes that both passes move at least: what each instruction reads to know its operands, and
    every number of the tape, read once and written once.
    """
    import numpy as np

    from engine.tape.kernels import MULTIPLY_ADD_ON
    from engine.tape.passes import BACKWARD, FORWARD, OPERANDS

    found = 2 * machine.shared.nbytes
    for runs in (machine.stages[FORWARD], machine.stages[BACKWARD]):
        operands = np.where(runs.do == MULTIPLY_ADD_ON, 2, OPERANDS[runs.do])
        found += int(np.diff(runs.ends.astype(int), prepend=0) @ operands) * runs.a.itemsize
        found += runs.do.nbytes + runs.ends.nbytes + runs.begins.nbytes
    return found


def copied(size: int, seconds: float) -> float:
    """Bytes a second that NumPy reads and writes, copying an array to another, `size` in all."""
    import numpy as np

    x = np.ones(max(size // 16, 1))
    y = x.copy()
    begin, copies = process_time(), 0
    while process_time() - begin < seconds:
        for _ in range(max(1_000_000 // size, 1)):
            np.copyto(y, x)
            copies += 1
    return 2 * x.nbytes * copies / (process_time() - begin)


def table(effort: Effort) -> str:
    """Times by shape and size; memory by size, of what people train."""
    rounds = max(effort.rounds // 2, 1)
    sizes = (*SIZES, LARGEST) if effort.rounds > 2 else SIZES
    header = ["shape", *[f"{n:,}" for n in sizes], "target"]
    title = (
        "A tape's forward and backward in ns per node, by the number of nodes\n"
        f"(medians of {rounds} rounds, the largest in one; float64, CPU time, 1 thread, "
        f"collector off;\n-: left out; target: {JUDGED:,} nodes)"
    )
    if remedy := missing("tape"):
        return aligned(title, header, [[shape, remedy] for shape in SHAPES])
    seconds = str(effort.seconds)
    jobs = {(shape, n): ("tape_sizes", shape, str(n), seconds) for shape in SHAPES for n in SIZES}
    found: dict[Job, dict[str, Any]] = interleaved(jobs.values(), rounds)
    if LARGEST in sizes:
        jobs[SHAPES[0], LARGEST] = ("tape_sizes", SHAPES[0], str(LARGEST), seconds)
        found |= interleaved([jobs[SHAPES[0], LARGEST]], 1)
    rows = []
    for shape in SHAPES:
        row = [f"{found[jobs[shape, n]]['ns']:.2f}" if (shape, n) in jobs else "-" for n in sizes]
        ns = found[jobs[shape, JUDGED]]["ns"]
        rows.append([shape, *row, verdict(ns, NS, least=False) if shape == SHAPES[0] else ""])
    mine = {n: found[jobs[SHAPES[0], n]] for n in sizes}
    return "\n\n".join([aligned(title, header, rows), memory(mine)])


def memory(found: Mapping[int, dict[str, Any]]) -> str:
    """A row for each size: bytes, and bytes a second."""
    title = (
        f"Memory of these tapes, {SHAPES[0]}, in bytes per node; GB/s of a replay, and of a copy\n"
        "(holds: all arrays that a tape keeps; moves: what both passes read and write at least,\n"
        "the instructions once, each number twice; copy: NumPy's between arrays of as many bytes\n"
        "in all)"
    )
    rows = []
    for n, each in found.items():
        share = each["rate"] / each["copy"]
        row = [f"{each['nodes']:,}", f"{each['held']:.1f}", f"{each['moved']:.1f}"]
        row += [f"{each['rate']:.1f}", f"{each['copy']:.1f}", f"{100 * share:.0f} %"]
        rows.append([*row, verdict(each["held"], BYTES, least=False) if n == JUDGED else ""])
    header = ["nodes", "holds", "moves", "replay", "copy", "share", "target"]
    return "\n".join([aligned(title, header, rows), explained(list(found.values())[-1])])


def explained(largest: Mapping[str, Any]) -> str:
    """What memory takes of a replay's time.

    >>> print(explained({"nodes": 1000, "ns": 2.0, "moved": 10.0, "copy": 20.0}))
    At 1,000 nodes a copy of as many bytes would take 0.50 of the 2.00 ns a node: the rest
    is not bandwidth, but finding operands by their places, and sums that wait for one another.
    """
    ns = largest["moved"] / largest["copy"]
    return (
        f"At {largest['nodes']:,} nodes a copy of as many bytes would take {ns:.2f} of the "
        f"{largest['ns']:.2f} ns a node: the "
        "rest\nis not bandwidth, but finding operands by their places, and sums that wait for one "
        "another."
    )


if __name__ == "__main__":
    shape, nodes, *limits = sys.argv[1:]
    (seconds,) = limits or ("0.5",)
    if shape not in SHAPES:
        raise SystemExit(f"a shape is one of {', '.join(SHAPES)}, got {shape!r}")
    cores(1)
    collector("off")
    print(json.dumps(measure(shape, int(nodes), float(seconds))))
