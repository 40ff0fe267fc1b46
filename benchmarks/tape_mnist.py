"""MNIST as a graph of scalars: the time to record, compile, replay and train.

    python -m benchmarks.tape_mnist compile {cold,warm}
    python -m benchmarks.tape_mnist replay
    python -m benchmarks.tape_mnist train THREADS SEED

784-128-10, `fused=False`: one sample takes more than 200,000 operations. `nn.fit` trains a tape
whose inputs are the pixels. An epoch has the batches and learning rates of `benchmarks.mnist`, and
a last batch of the remaining samples.
"""

import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from statistics import median
from time import process_time
from typing import Any

from benchmarks.engines import missing
from benchmarks.mnist import BATCH, EPOCHS, RATE
from benchmarks.processes import Effort, Job, interleaved, limit_cores, run
from benchmarks.targets import verdict
from demos.shared.tables import format_table, pluralize
from demos.shared.timing import Stopwatch, time_calls

SIZES = (784, 128, 10)  # pixels, hidden neurons, classes
LIMIT = 60  # seconds of training, from the start of the process
GOAL = 0.97  # test accuracy within the limit
EPOCH = 15  # seconds, at most
COLD, WARM, RECORDING = 5, 1, 1  # seconds, at most
REPLAYS = 20


def time_compilation(mode: str) -> dict[str, Any]:
    """Return the seconds of the first two tapes, one without and one with inputs.

    They include importing numba, recording, and both passes. If `mode` is "cold", there is no
    compiled code on disk.
    """
    with tempfile.TemporaryDirectory() as folder:
        if mode == "cold":
            os.environ["NUMBA_CACHE_DIR"] = folder
        from engine import Value
        from engine.tape import Tape

        stopwatch = Stopwatch()
        x, w = Value(2.0), Value(3.0)
        for tape, arguments in ((Tape(x * w), ()), (Tape(x * w, inputs=[x]), ([[1.0]],))):
            tape.forward(*arguments)
            tape.backward()
        return {mode: stopwatch.lap()}


def network(seed: int) -> tuple[Any, list[Any]]:
    """Return the model, and a Value for each pixel."""
    from engine import Value
    from nn import MLP

    pixels, *layers = SIZES
    return MLP(pixels, layers, rng=seed, fused=False), [Value(0.0) for _ in range(pixels)]


def time_replay() -> dict[str, Any]:
    """Return the seconds to record tapes, for one sample and for batches, and CPU ms per sample."""
    from engine import topological
    from engine.functions import logsumexp
    from engine.tape import Tape
    from nn import data

    time_compilation("warm")
    _, (X, y) = data.mnist()
    model, xs = network(0)
    for x, number in zip(xs, X[0].tolist(), strict=True):
        x.data = number
    stopwatch = Stopwatch()
    z = model(xs)
    loss = logsumexp(z) - z[y[0]]
    figures: dict[str, Any] = {"graph": stopwatch.lap()}
    order = topological(loss)
    figures["nodes"] = len(order)
    figures["operations"] = sum(node.op is not None for node in order)
    del order
    kinds: dict[str, dict[str, Any]] = {"one": {}, "batch": {"inputs": xs, "threads": 1}}
    for kind, options in kinds.items():
        arguments = (X[:BATCH],) if options else ()
        stopwatch = Stopwatch()
        tape = Tape(loss, parameters=model.parameters(), **options)
        figures[f"record {kind}"] = stopwatch.lap()

        def replay(tape: Any = tape, arguments: Any = arguments) -> None:
            tape.forward(*arguments)
            tape.backward()

        replay()  # warm up
        times = time_calls(replay, repeats=REPLAYS, clock=process_time)
        figures[kind] = 1e3 * median(times) / (BATCH if arguments else 1)
    return figures


def train(threads: int, seed: int) -> dict[str, Any]:
    """Train for at most four epochs, as many as end within a minute from the start of the process.

    Returns the median elapsed and CPU seconds per epoch, the epochs, the test accuracy after them,
    and the seconds to 97 %.
    """
    from engine.tape import Tape
    from nn import accuracy, data, fit, schedules

    began = float(os.environ.get("STARTED", time.time()))
    train, (X_test, y_test) = data.mnist()
    model, xs = network(seed)
    options: dict[str, Any] = {"dtype": "float32", "threads": threads}
    tape = Tape(model, inputs=xs, parameters=model.parameters(), **options)
    rates = schedules.cosine(RATE, EPOCHS * math.ceil(len(train[0]) / BATCH))
    wall, cpu = [], []
    score, to_goal = 0.0, math.inf
    recipe: dict[str, Any] = {"epochs": EPOCHS, "batch_size": BATCH, "schedule": rates}
    epoch_start, cpu_stopwatch = time.time(), Stopwatch(process_time)
    for record in fit(tape, *train, loss="cross_entropy", rng=seed, **recipe):
        wall.append(record.seconds)
        cpu.append(cpu_stopwatch.lap())
        score = accuracy(tape(X_test), y_test)
        ended = time.time()
        if score >= GOAL:
            to_goal = min(to_goal, ended - began)
        if 2 * ended - epoch_start - began > LIMIT:  # another epoch would exceed the limit
            break
        epoch_start = ended
        cpu_stopwatch.lap()  # leaves out the test
    return {
        "epoch": median(wall),
        "cpu": median(cpu),
        "epochs": float(len(wall)),
        "score": 100 * score,
        "to_goal": to_goal,
    }


def table(effort: Effort) -> str:
    """Return a table of recording, compiling and replaying, one of epochs, and the targets."""
    rounds = max(effort.rounds // 2, 1)
    counts = [n for n in effort.threads if n <= (os.cpu_count() or 1)]
    once: list[Job] = [
        ("tape_mnist", "compile", "cold"),
        ("tape_mnist", "compile", "warm"),
        ("tape_mnist", "replay"),
    ]
    results: dict[str, Any] = {}
    trained: dict[int, list[dict[str, Any]]] = {n: [] for n in counts}
    remedy = missing("tape")
    if not remedy:
        run(once[1])  # store compiled code on disk
        for figures in interleaved(once, rounds).values():
            results |= figures
        for seed in range(rounds):
            for n in counts:
                trained[n].append(run(("tape_mnist", "train", str(n), str(seed))))
    parts = format_table(
        ["task", "time", "target"],
        [["a tape", remedy]] if remedy else rows(results),
        "A tape of one MNIST digit, 784-128-10 node by node, with its cross-entropy\n"
        f"(medians of {pluralize(rounds, 'round')}; float64, 1 thread, collector on; "
        "s: elapsed time, ms: CPU time)",
    )
    header = ["threads", "s/epoch", "cpu", "epochs", "test %", "s to 97 %"]
    medians = {
        n: {name: median(row[name] for row in figures) for name in figures[0]}
        for n, figures in trained.items()
        if figures
    }
    epochs = format_table(
        header,
        [[str(n), remedy] if remedy else epoch_row(n, medians[n]) for n in counts],
        "MNIST node by node: nn.fit with a tape, 784-128-10, batches of 128, Adam, float32\n"
        f"(medians of {pluralize(rounds, 'seed')}; cpu: CPU seconds per epoch; collector on; "
        f"epochs: those of {EPOCHS} that\n"
        f"ended within {LIMIT} s; test %: accuracy after these; s to 97 %: from the start of the "
        "process)",
    )
    targets = [format_verdicts(n, figures) for n, figures in medians.items()]
    return "\n".join([parts, "", epochs, *targets])


def rows(figures: Mapping[str, Any]) -> list[list[str]]:
    """Return tasks, their times and their targets."""
    size = f"{figures['operations']:,} operations, {figures['nodes']:,} nodes"

    def seconds(task: str, name: str, target: float | None = None) -> list[str]:
        reached = "" if target is None else verdict(figures[name], target, least=False)
        return [task, f"{figures[name]:.2f} s", reached]

    return [
        seconds(f"build the graph: {size}", "graph"),
        seconds("record it", "record one", RECORDING),
        seconds("record it, with pixels as inputs", "record batch", RECORDING),
        seconds("first tape, without compiled code on disk", "cold", COLD),
        seconds("first tape, with compiled code on disk", "warm", WARM),
        ["forward and backward, one digit", f"{figures['one']:.2f} ms", ""],
        [
            f"forward and backward, per digit of a batch of {BATCH}",
            f"{figures['batch']:.2f} ms",
            "",
        ],
    ]


def epoch_row(threads: int, figures: Mapping[str, float]) -> list[str]:
    """Return the cells of a number of threads.

    >>> figures = {"epoch": 5.0, "cpu": 4.9, "epochs": 4.0, "score": 96.1, "to_goal": math.inf}
    >>> epoch_row(1, figures)
    ['1', '5.00', '4.90', '4', '96.10', 'not in 4 epochs']
    """
    row = [str(threads), f"{figures['epoch']:.2f}", f"{figures['cpu']:.2f}"]
    row += [f"{figures['epochs']:g}", f"{figures['score']:.2f}"]
    if math.isinf(figures["to_goal"]):
        return [*row, f"not in {figures['epochs']:g} epochs"]
    return [*row, f"{figures['to_goal']:.1f}"]


def format_verdicts(threads: int, figures: Mapping[str, float]) -> str:
    """Return whether each target is reached.

    >>> format_verdicts(1, {"epoch": 5.0, "score": 98.0, "to_goal": 61.0}).partition("; ")[2]
    'test % at least 97: reached; s to 97 % at most 60: not reached'
    """
    verdicts = [
        f"s/epoch {verdict(figures['epoch'], EPOCH, least=False)}",
        f"test % {verdict(figures['score'], 100 * GOAL, least=True)}",
        f"s to 97 % {verdict(figures['to_goal'], LIMIT, least=False)}",
    ]
    return f"{pluralize(threads, 'thread')}: {'; '.join(verdicts)}"


if __name__ == "__main__":
    task, *arguments = sys.argv[1:]
    if task not in ("compile", "replay", "train"):
        raise SystemExit(f"task must be one of compile, replay, train, got {task!r}")
    limit_cores(int(arguments[0]) if task == "train" else 1)
    if task == "train":
        print(json.dumps(train(*map(int, arguments))))
    else:
        print(json.dumps(time_compilation(*arguments) if task == "compile" else time_replay()))
