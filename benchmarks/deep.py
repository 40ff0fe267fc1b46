"""A deep network on distorted digits: an epoch of stepgrad and of PyTorch.

    python -m benchmarks.deep {torch,stepgrad,stepgrad-jit} THREADS

784-1024-1024-1024-10, relu, dropout of 0.2 after each hidden layer, cross-entropy, Adam, batches of
128, float32. The digits of an epoch are distorted by `nn.augment.distort`, the same function for
all engines. Each engine draws its own dropout, so losses agree only roughly: the mean loss of the
epoch is printed. Steps of a first part of an epoch, with compilation, are taken before the clock
starts.
"""

import json
import os
import sys
import time
from importlib import import_module
from itertools import pairwise
from statistics import median
from typing import Any

from benchmarks.engines import missing
from benchmarks.mnist import images, shuffled_batches
from benchmarks.processes import Effort, limit_cores, run
from benchmarks.targets import verdict
from demos.shared.tables import format_table, pluralize
from demos.shared.timing import Stopwatch

WIDTHS = (784, 1024, 1024, 1024, 10)
DROPOUT, RATE = 0.2, 1e-3
WARM_UP = 5  # steps
TARGET = 0.8  # largest ratio of our epoch to PyTorch's


class Stepgrad:
    """stepgrad: `nn.vector.MLP`."""

    def __init__(self, threads: int):
        from nn import losses, optim, vector

        pixels, *layers = WIDTHS
        model = vector.MLP(pixels, layers, dropout=DROPOUT, rng=0)
        self.optimizer = optim.Adam(model.parameters(), RATE)
        self.loss = lambda X, y: losses.cross_entropy(model(X), y)
        self.model = model

    def step(self, X: Any, y: Any) -> float:
        loss = self.loss(X, y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


class StepgradJit(Stepgrad):
    """stepgrad, with the loss under `jit`."""

    def __init__(self, threads: int):
        from engine import jit

        super().__init__(threads)
        self.loss = jit(self.loss, self.model)


class Torch:
    """Eager PyTorch."""

    def __init__(self, threads: int):
        self.torch = torch = import_module("torch")
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        layers = []
        for nin, nout in pairwise(WIDTHS):
            layer = torch.nn.Linear(nin, nout)
            torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            torch.nn.init.zeros_(layer.bias)
            layers += [layer, torch.nn.ReLU(), torch.nn.Dropout(DROPOUT)]
        self.model = torch.nn.Sequential(*layers[:-2])
        self.optimizer = torch.optim.Adam(self.model.parameters(), RATE)

    def step(self, X: Any, y: Any) -> float:
        X, y = self.torch.from_numpy(X), self.torch.from_numpy(y)
        loss = self.torch.nn.functional.cross_entropy(self.model(X), y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


DEEP: dict[str, tuple[str, Any]] = {  # names and classes
    "torch": ("PyTorch eager", Torch),
    "stepgrad": ("stepgrad", Stepgrad),
    "stepgrad-jit": ("stepgrad, jit", StepgradJit),
}


def measure(engine: str, threads: int) -> dict[str, float]:
    """Return the elapsed and CPU seconds of an epoch, those of distortion, and the mean loss."""
    from numpy.random import default_rng

    from nn import augment

    X, y = images("train")
    rng, trainer = default_rng(0), DEEP[engine][1](threads)
    for batch in shuffled_batches(rng, len(X))[:WARM_UP]:
        trainer.step(X[batch], y[batch])
    elapsed, cpu = Stopwatch(), Stopwatch(time.process_time)
    distorted = augment.distort(
        X.reshape(-1, 28, 28), degrees=12.0, scale=0.15, shear=10.0, shift=1.0, alpha=36.0,
        sigma=5.0, rng=rng, threads=threads,
    ).reshape(X.shape)  # fmt: skip
    of_distortion = elapsed.lap()
    losses = [trainer.step(distorted[b], y[b]) for b in shuffled_batches(rng, len(X))]
    return {
        "epoch": of_distortion + elapsed.lap(),
        "cpu": cpu.lap(),
        "distort": of_distortion,
        "loss": sum(losses) / len(losses),
    }


def table(effort: Effort) -> str:
    """Return a row for each number of threads and engine, with the ratio to PyTorch."""
    rounds = (effort.rounds + 1) // 2
    counts = [n for n in effort.threads if n <= (os.cpu_count() or 1)]
    results: dict[tuple[int, str], list[dict[str, float]]] = {}
    for _ in range(rounds):
        for key in [(n, engine) for n in counts for engine in DEEP if not missing(engine)]:
            results.setdefault(key, []).append(run(("deep", key[1], str(key[0]))))
    rows = [row(results, n, engine) for n in counts for engine in DEEP]
    title = (
        f"MNIST distorted, {'-'.join(map(str, WIDTHS))}, dropout {DROPOUT}, batches of 128, Adam, "
        f"float32: an epoch\n(medians of {pluralize(rounds, 'round')}; cpu: CPU seconds per epoch; "
        "distort: seconds of distortion, part of the\nepoch; /PyTorch: of the CPU seconds on 1 "
        "thread, of elapsed seconds on 2, the median over rounds)"
    )
    header = ["threads", "engine", "s/epoch", "cpu", "distort", "loss", "/PyTorch", "target"]
    return format_table(header, rows, title)


def row(
    results: dict[tuple[int, str], list[dict[str, float]]], threads: int, engine: str
) -> list[str]:
    """Return the cells of an engine.

    >>> one = {"epoch": 8.0, "cpu": 7.0, "distort": 1.0, "loss": 0.5}
    >>> row({(1, "torch"): [one], (1, "stepgrad-jit"): [one | {"cpu": 3.5}]}, 1, "stepgrad-jit")[2:]
    ['8.0', '3.5', '1.0', '0.500', '0.50', 'at most 0.8: reached']
    """
    name = DEEP[engine][0]
    if remedy := missing(engine):
        return [str(threads), name, remedy]
    rounds = results[threads, engine]
    cells = [f"{median(x[part] for x in rounds):.1f}" for part in ("epoch", "cpu", "distort")]
    cells.append(f"{median(x['loss'] for x in rounds):.3f}")
    peers = results.get((threads, "torch"))
    if not peers:
        return [str(threads), name, *cells, "-"]
    clock = "cpu" if threads == 1 else "epoch"
    ratio = median(x[clock] / peer[clock] for x, peer in zip(rounds, peers, strict=True))
    target = verdict(ratio, TARGET, least=False) if engine == "stepgrad-jit" else ""
    return [str(threads), name, *cells, f"{ratio:.2f}", target]


if __name__ == "__main__":
    engine, threads = sys.argv[1:]
    if engine not in DEEP:
        raise SystemExit(f"engine must be one of {', '.join(DEEP)}, got {engine!r}")
    limit_cores(int(threads))
    print(json.dumps(measure(engine, int(threads))))
