"""MNIST by a graph of scalars: to record it, to compile, to replay it, to train with it.

    python -m benchmarks.tape_mnist compile {cold,warm}
    python -m benchmarks.tape_mnist replay
    python -m benchmarks.tape_mnist train THREADS SEED

784-128-10, `fused=False`: one sample is more than 200,000 operations. An epoch is as in
`benchmarks.mnist`, with its learning rates and batches, but that the last batch holds what is left;
it is `nn.fit` that trains, by a tape that takes samples by inputs.
"""

import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from statistics import median
from time import perf_counter, process_time
from typing import Any

from benchmarks.engines import missing
from benchmarks.layout import aligned, verdict
from benchmarks.mnist import BATCH, EPOCHS, RATE
from benchmarks.processes import Effort, Job, cores, interleaved, run

SIZES = (784, 128, 10)  # pixels, hidden neurons, classes
LIMIT = 60  # seconds from the start of the process
GOAL = 0.97  # of the test digits, by then
EPOCH = 15  # seconds, at most
COLD, WARM, RECORDING = 5, 1, 1  # seconds, at most
REPLAYS = 20


def compiling(mode: str) -> dict[str, Any]:
    """Seconds from the first tape, which imports numba, to the gradients of two tiny graphs.

    One without and one with inputs. Cold: there is no compiled code on disk.
    """
    with tempfile.TemporaryDirectory() as folder:
        if mode == "cold":
            os.environ["NUMBA_CACHE_DIR"] = folder
        from engine import Value
        from engine.tape import Tape

        begin = perf_counter()
        x, w = Value(2.0), Value(3.0)
        for tape, given in ((Tape(x * w), ()), (Tape(x * w, inputs=[x]), ([[1.0]],))):
            tape.forward(*given)
            tape.backward()
        return {mode: perf_counter() - begin}


def network(seed: int) -> tuple[Any, list[Any]]:
    """The model, and Values for its pixels."""
    from engine import Value
    from nn import MLP

    pixels, *layers = SIZES
    return MLP(pixels, layers, rng=seed, fused=False), [Value(0.0) for _ in range(pixels)]


def replay() -> dict[str, Any]:
    """Seconds to record a tape for one sample, and for batches; CPU ms of both passes, a sample."""
    from engine import topological
    from engine.functions import logsumexp
    from engine.tape import Tape
    from nn import data

    compiling("warm")
    _, (X, y) = data.mnist()
    model, xs = network(0)
    for x, number in zip(xs, X[0].tolist(), strict=True):
        x.data = number
    begin = perf_counter()
    z = model(xs)
    loss = logsumexp(z) - z[y[0]]
    figures: dict[str, Any] = {"graph": perf_counter() - begin}
    order = topological(loss)
    figures["nodes"] = len(order)
    figures["operations"] = sum(node.op is not None for node in order)
    del order
    kinds: dict[str, dict[str, Any]] = {"one": {}, "batch": {"inputs": xs, "threads": 1}}
    for what, more in kinds.items():
        given = (X[:BATCH],) if more else ()
        begin = perf_counter()
        tape = Tape(loss, parameters=model.parameters(), **more)
        figures[f"record {what}"] = perf_counter() - begin
        times = []
        for _ in range(REPLAYS + 1):  # the first warms up
            begin = process_time()
            tape.forward(*given)
            tape.backward()
            times.append(process_time() - begin)
        figures[what] = 1e3 * median(times[1:]) / (BATCH if given else 1)
    return figures


def train(threads: int, seed: int) -> dict[str, Any]:
    """Train for as many epochs as end within a minute from the start of the process, four at most.

    The medians of the clock's and the CPU's seconds an epoch; how many epochs, the share of test
    digits right after them, and when it first was 97 %.
    """
    from engine.tape import Tape
    from nn import accuracy, data, fit, schedules

    began = float(os.environ.get("STARTED", time.time()))
    train, (X_test, y_test) = data.mnist()
    model, xs = network(seed)
    how: dict[str, Any] = {"dtype": "float32", "threads": threads}
    tape = Tape(model, inputs=xs, parameters=model.parameters(), **how)
    rates = schedules.cosine(RATE, EPOCHS * math.ceil(len(train[0]) / BATCH))
    wall, cpu = [], []
    score, to_goal = 0.0, math.inf
    recipe: dict[str, Any] = {"epochs": EPOCHS, "batch_size": BATCH, "schedule": rates}
    again, used = time.time(), process_time()
    for record in fit(tape, *train, loss="cross_entropy", rng=seed, **recipe):
        wall.append(record.seconds)
        cpu.append(process_time() - used)
        score = accuracy(tape(X_test), y_test)
        ended = time.time()
        if score >= GOAL:
            to_goal = min(to_goal, ended - began)
        if 2 * ended - again - began > LIMIT:  # another one would not end in time
            break
        again, used = ended, process_time()
    return {
        "epoch": median(wall),
        "cpu": median(cpu),
        "epochs": float(len(wall)),
        "score": 100 * score,
        "to_goal": to_goal,
    }


def table(effort: Effort) -> str:
    """To record, compile and replay; epochs."""
    rounds = max(effort.rounds // 2, 1)
    counts = [n for n in effort.threads if n <= (os.cpu_count() or 1)]
    once: list[Job] = [
        ("tape_mnist", "compile", "cold"),
        ("tape_mnist", "compile", "warm"),
        ("tape_mnist", "replay"),
    ]
    found: dict[str, Any] = {}
    trained: dict[int, list[dict[str, Any]]] = {n: [] for n in counts}
    remedy = missing("tape")
    if not remedy:
        run(once[1])  # from now on there is compiled code on disk
        for each in interleaved(once, rounds).values():
            found |= each
        for seed in range(rounds):
            for n in counts:
                trained[n].append(run(("tape_mnist", "train", str(n), str(seed))))
    parts = aligned(
        "A tape of one MNIST digit, 784-128-10 node for node, with its cross-entropy\n"
        f"(medians of {rounds} rounds; float64, 1 thread, collector on; s: elapsed time, ms: CPU "
        "time)",
        ["what", "figure", "target"],
        [["a tape", remedy]] if remedy else rows(found),
    )
    header = ["threads", "s/epoch", "cpu", "epochs", "test %", "s to 97 %"]
    medians = {
        n: {name: median(each[name] for each in figures) for name in figures[0]}
        for n, figures in trained.items()
        if figures
    }
    epochs = aligned(
        "MNIST node by node: nn.fit over a tape, 784-128-10, batches of 128, Adam, float32\n"
        f"(medians, number of seeds: {rounds}; cpu: CPU seconds an epoch; collector on; epochs: of "
        f"{EPOCHS}, those\nthat ended within {LIMIT} s; test %: after them; seconds from the start "
        "of the process)",
        header,
        [[str(n), remedy] if remedy else epoch_row(n, medians[n]) for n in counts],
    )
    judged = [line for n, figures in medians.items() for line in verdicts(n, figures)]
    return "\n".join([parts, "", epochs, *judged])


def rows(found: Mapping[str, Any]) -> list[list[str]]:
    """What is done to a tape, how long it takes, and whether that is short enough."""
    size = f"{found['operations']:,} operations, {found['nodes']:,} nodes"

    def seconds(what: str, name: str, target: float | None = None) -> list[str]:
        judged = "" if target is None else verdict(found[name], target, least=False)
        return [what, f"{found[name]:.2f} s", judged]

    return [
        seconds(f"to build the graph: {size}", "graph"),
        seconds("to record it", "record one", RECORDING),
        seconds("to record it, its pixels as inputs", "record batch", RECORDING),
        seconds("the first tape, nothing compiled", "cold", COLD),
        seconds("the first tape, compiled code on disk", "warm", WARM),
        ["forward and backward, one digit", f"{found['one']:.2f} ms", ""],
        [f"forward and backward, of a batch of {BATCH}: a digit", f"{found['batch']:.2f} ms", ""],
    ]


def epoch_row(threads: int, figures: Mapping[str, float]) -> list[str]:
    """The figures of an epoch.

    >>> found = {"epoch": 5.0, "cpu": 4.9, "epochs": 4.0, "score": 96.1, "to_goal": math.inf}
    >>> epoch_row(1, found)
    ['1', '5.00', '4.90', '4', '96.10', 'not in 4 epochs']
    """
    row = [str(threads), f"{figures['epoch']:.2f}", f"{figures['cpu']:.2f}"]
    row += [f"{figures['epochs']:g}", f"{figures['score']:.2f}"]
    if math.isinf(figures["to_goal"]):
        return [*row, f"not in {figures['epochs']:g} epochs"]
    return [*row, f"{figures['to_goal']:.1f}"]


def verdicts(threads: int, figures: Mapping[str, float]) -> list[str]:
    """Whether each target is reached.

    >>> verdicts(1, {"epoch": 5.0, "score": 98.0, "to_goal": 61.0})[0].partition("; ")[2]
    'test % at least 97: reached; s to 97 % at most 60: not reached'
    """
    said = [
        f"s/epoch {verdict(figures['epoch'], EPOCH, least=False)}",
        f"test % {verdict(figures['score'], 100 * GOAL, least=True)}",
        f"s to 97 % {verdict(figures['to_goal'], LIMIT, least=False)}",
    ]
    return [f"{threads} thread{'s' * (threads > 1)}: {'; '.join(said)}"]


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    if what not in ("compile", "replay", "train"):
        raise SystemExit(f"what to measure is compile, replay or train, got {what!r}")
    cores(int(arguments[0]) if what == "train" else 1)
    if what == "train":
        print(json.dumps(train(*map(int, arguments))))
    else:
        print(json.dumps(compiling(*arguments) if what == "compile" else replay()))
