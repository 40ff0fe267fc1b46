"""Sweeps over processes and Dask workers, and training steps that Dask actors share.

`python -m benchmarks.sweep` prints both tables; it needs `.[sweep,dask]`. The first has the CPU and
elapsed time of the same trainings by each executor. The second compares a step of one process with
a data-parallel step: each of two actors computes the gradients of half of a batch, and the process
adds them and updates the weights.
"""

import functools
import tempfile
import time
import warnings
from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from demos.shared.tables import format_table
from demos.shared.timing import time_calls
from nn import data, fit, losses, optim, sweep, vector
from nn.workers import limit_blas_threads

WIDTHS, SEEDS, SAMPLES = [64, 256], 3, 20_000
BATCHES, STEPS, ROUNDS = (64, 256, 2048, 8192), 8, 3
MALLOC = {"MALLOC_TRIM_THRESHOLD_": 2**30, "MALLOC_MMAP_THRESHOLD_": 2**30}


@functools.cache
def digits() -> Any:
    (X, y), _ = data.mnist()
    return X, y


def build(width: int, seed: int, checkpoint: str) -> Any:
    """Return the training of an MLP on some digits; its metric is the CPU time of the process."""
    X, y = (part[:SAMPLES] for part in digits())
    model = vector.MLP(784, [width, 10], rng=seed)
    return fit(
        model, X, y, loss="cross_entropy", epochs=3, batch_size=128, rng=seed,
        metric=lambda p, y: time.process_time(), checkpoint=checkpoint,
    )  # fmt: skip


def cluster(malloc: bool) -> Any:
    """Return two Dask workers of one thread, with Dask's settings of malloc or with `MALLOC`."""
    import dask
    from distributed import LocalCluster

    environ = dict.fromkeys(MALLOC) if not malloc else MALLOC
    defaults = {"MALLOC_TRIM_THRESHOLD_": 65536} if not malloc else {}
    names = {
        f"distributed.nanny.pre-spawn-environ.{k}": x for k, x in {**environ, **defaults}.items()
    }
    with dask.config.set(names):
        return LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None,
            memory_limit=0,
        )  # fmt: skip


class Measurement(NamedTuple):
    """The CPU seconds of the trainings, the elapsed seconds of the sweep, and the losses."""

    cpu: float
    elapsed: float
    losses: tuple[float, ...]


def measure(**named: Any) -> Measurement:
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        result = sweep(build, {"width": WIDTHS}, seeds=SEEDS, folder=folder, **named)
        elapsed = time.perf_counter() - start
    cpu = [3 / 2 * (t.records[-1].metric - t.records[0].metric) for t in result.trials]  # type: ignore[operator]
    return Measurement(sum(cpu), elapsed, tuple([t.records[-1].loss for t in result.trials]))


def sweep_table() -> str:
    """Return the times of the same sweep by each executor; medians over rounds."""
    from distributed import Client

    digits()
    with cluster(False) as default, cluster(True) as tuned:
        clients = [Client(default), Client(tuned)]
        executors: dict[str, dict[str, Any]] = {
            "one process": {"processes": 1},
            "joblib, 2 processes": {"processes": 2},
            "Dask, 2 workers, its malloc settings": {"scheduler": clients[0]},
            "Dask, 2 workers, thresholds of 1 GiB": {"scheduler": clients[1]},
        }
        rounds = [
            {name: measure(**named) for name, named in executors.items()} for _ in range(ROUNDS + 1)
        ][1:]  # the first starts processes and reads the digits
        for client in clients:
            client.close()
    same = {measurement.losses for row in rounds for measurement in row.values()}
    rows = [
        [
            name,
            f"{median(row[name].cpu for row in rounds):.1f}",
            f"{median(row[name].elapsed for row in rounds):.1f}",
        ]
        for name in executors
    ]
    title = (
        f"A sweep of {len(WIDTHS) * SEEDS} trainings, 3 epochs of {SAMPLES:,} digits, one thread "
        f"each; the losses are {'the same bits' if len(same) == 1 else 'DIFFERENT'}"
    )
    return format_table(["executor", "CPU s", "elapsed s"], rows, title)


class Replica:
    """A copy of the network on a worker, which computes gradients of its part of a batch."""

    def __init__(self, width: int):
        self.model, self.samples = vector.MLP(784, [width, 10], rng=0), digits()

    def gradients(self, state: dict[str, np.ndarray], part: np.ndarray) -> dict[str, np.ndarray]:
        X, y = self.samples
        self.model.load_state_dict(state)
        self.model.zero_grad()
        losses.cross_entropy(self.model(X[part]), y[part]).backward()
        return {name: p.grad for name, p in self.model.named_parameters().items()}


def actor_table() -> str:
    """Return the times of steps of one process, and of steps that two actors share."""
    from distributed import Client

    rows = []
    with cluster(True) as workers, Client(workers) as client, limit_blas_threads(1):
        names = client.scheduler_info()["workers"]
        actors = [
            client.submit(Replica, 256, actor=True, workers=name, pure=False).result()
            for name in names
        ]
        for batch in BATCHES:
            alone, shared = steps(actors, batch)
            times: list[list[float]] = [[], []]
            for _ in range(ROUNDS):
                for k, step in enumerate((alone, shared)):
                    step()
                    times[k] += time_calls(step, repeats=STEPS)
            a, b = (1e3 * median(column) for column in times)
            rows.append([f"{batch:,}", f"{a:.1f}", f"{b:.1f}", f"{b / a:.2f}"])
    title = "A training step of a network 784-256-10, in ms; each process has one thread"
    return format_table(["batch", "one process", "two actors", "ratio"], rows, title)


def steps(actors: list[Any], batch: int) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return a step of one process and one that actors share, both with Adam."""
    X, y = digits()
    part = np.arange(batch)
    one, two = (vector.MLP(784, [256, 10], rng=0) for _ in range(2))
    of_one, of_two = optim.Adam(one.parameters()), optim.Adam(two.parameters())

    def alone() -> None:
        one.zero_grad()
        losses.cross_entropy(one(X[part]), y[part]).backward()
        of_one.step()

    def shared() -> None:
        state = two.state_dict()
        halves = np.array_split(part, len(actors))
        futures = [a.gradients(state, half) for a, half in zip(actors, halves, strict=True)]
        results = [future.result() for future in futures]
        for name, p in two.named_parameters().items():
            p.grad = sum(result[name] for result in results) / len(results)
        of_two.step()

    return alone, shared


def main() -> None:
    warnings.simplefilter("ignore")
    print(f"{sweep_table()}\n\n{actor_table()}")


if __name__ == "__main__":
    from benchmarks import sweep as module  # its functions can be imported by the workers

    module.main()
