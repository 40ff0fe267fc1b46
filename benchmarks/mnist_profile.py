"""The time of each part of a training step of stepgrad on MNIST, and the share of matrix products.

    python -m benchmarks.mnist_profile [jit]

This is the epoch of `benchmarks.mnist`. Its phases are timed one by one, and the backward pass node
by node. A layer is one node, whose matrix products cannot be timed separately. They are computed
again after every step, from the same operands, and timed alone; the repetitions are not part of the
step. With `jit`, the products of a replay are timed where they run, and the memory of a replay is
that of all arrays at its peak: buffers, gradients, and whatever else it allocates.
"""

import json
import sys
import tracemalloc
from collections.abc import Callable
from time import process_time
from typing import Any

from benchmarks.engines import missing
from benchmarks.mnist import RATE, first_weights, images, shuffled_batches
from benchmarks.mnist_trainers import Stepgrad, StepgradJit
from benchmarks.processes import Effort, limit_cores, run
from benchmarks.targets import verdict
from demos.shared.tables import format_table
from demos.shared.timing import Stopwatch

PARTS = (
    "batch gather",
    "matrix products, forward",
    "matrix products, backward",
    "activation",
    "loss",
    "optimizer",
    "the rest",
)
TARGET = 50
JIT_SHARE, JIT_MEMORY = 85, 1.1  # % of the step at least, bytes over those of buffers at most
WARM_UP = 20  # steps


class Profile(Stopwatch):
    """A stopwatch that adds up the CPU seconds of laps by name."""

    def __init__(self) -> None:
        self.spent = dict.fromkeys(("step", *PARTS), 0.0)
        super().__init__(process_time)

    def add_lap(self, *names: str) -> None:
        """Add a lap to the parts of these names."""
        seconds = self.lap()
        for name in names:
            self.spent[name] += seconds
        self.lap()  # leave this bookkeeping out


def measure() -> dict[str, float]:
    """Return the CPU milliseconds of a step and of each part, on one thread."""
    from numpy.random import default_rng

    train, test = images("train"), images("t10k")
    rng = default_rng(0)
    trainer = Stepgrad(first_weights(rng), train, test, 1, 0)
    trainer.optimizer.lr = RATE
    order = shuffled_batches(rng, len(train[0]))
    for batch in order[:WARM_UP]:
        profile_step(trainer, batch, Profile())
    watch, timed = Profile(), order[WARM_UP:]
    for batch in timed:
        profile_step(trainer, batch, watch)
    spent = watch.spent
    spent["the rest"] = 2 * spent["step"] - sum(spent.values())
    return {name: 1e3 * seconds / len(timed) for name, seconds in spent.items()}


def profile_step(trainer: Stepgrad, batch: Any, watch: Profile) -> None:
    """Train for one step and time its parts."""
    from engine import walk

    lap = watch.add_lap
    lap()
    X, y = trainer.X[batch], trainer.y[batch]
    lap("step", "batch gather")
    logits = trainer.model(X)
    lap("step")
    loss = trainer.loss(logits, y)
    lap("step", "loss")
    trainer.optimizer.zero_grad()
    lap("step", "optimizer")
    nodes = []
    for node, *_ in walk(loss):
        nodes.append(node)
        kind = None if node.op is None else node.op.name
        lap("step", *{"linear": (), "relu": ("activation",), None: ()}.get(kind, ("loss",)))
    for node in nodes:
        if node.op is not None and node.op.name == "relu":
            node.op(*node.inputs)
            lap("activation")
        elif node.op is not None and node.op.name == "linear":
            for part, multiply in matrix_products(node):
                multiply()
                lap(f"matrix products, {part}")
    lap()
    trainer.optimizer.step()
    lap("step", "optimizer")


def matrix_products(layer: Any) -> list[tuple[str, Callable[[], Any]]]:
    """Return the matrix products of a layer's node, each with the name of its pass."""
    X, W, _ = layer.inputs
    x, w, g = X.data, W.data, layer.grad
    backward = [lambda: g.T @ x] if X.constant else [lambda: g.T @ x, lambda: g @ w]
    return [("forward", lambda: x @ w.T), *[("backward", product) for product in backward]]


def measure_jit() -> dict[str, float]:
    """Return the CPU ms of a step under jit and of its products, and the bytes of a replay."""
    import numpy as np

    train, test = images("train"), images("t10k")
    rng = np.random.default_rng(0)
    trainer = StepgradJit(first_weights(rng), train, test, 1, 0)
    order = shuffled_batches(rng, len(train[0]))
    trainer.epoch(order[:WARM_UP], RATE)
    spent = {"products": 0.0}
    space = last_program(trainer.step_loss).space
    for name in [name for name, f in space.items() if f is np.matmul]:

        def multiply(*args: Any, **settings: Any) -> Any:
            start = process_time()
            out = np.matmul(*args, **settings)
            spent["products"] += process_time() - start
            return out

        space[name] = multiply
    start, timed = process_time(), order[WARM_UP:]
    trainer.epoch(timed, RATE)
    spent["step"] = process_time() - start
    figures = {name: 1e3 * seconds / len(timed) for name, seconds in spent.items()}
    return {**figures, **measure_memory(trainer, order[0])}


def last_program(fast: Any) -> Any:
    """Return the recorded program of a function of Arrays under jit."""
    ((replay,),) = fast._replays.values()
    return replay.program


def measure_memory(trainer: Any, batch: Any) -> dict[str, float]:
    """Return the bytes of a replay at its peak, and those of its buffers and gradients."""
    from engine import jit

    X, y, parameters = trainer.X[batch], trainer.y[batch], trainer.model.parameters()
    # Compiled code is there already; arrays are not.
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    fast = jit(trainer.step_loss.function, trainer.model)
    for _ in range(3):
        tracemalloc.reset_peak()
        trainer.optimizer.zero_grad()
        fast(X, y).backward()
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    buffers = last_program(fast).nbytes + sum(p.grad.nbytes for p in parameters)
    return {"peak": float(peak), "buffers": float(buffers)}


def table_of_jit() -> list[str]:
    """Return the lines for a step under jit."""
    if remedy := missing("stepgrad-jit"):
        return [f"with jit: {remedy}"]
    figures = run(("mnist_profile", "jit"))
    share = 100 * figures["products"] / figures["step"]
    memory = figures["peak"] / figures["buffers"]
    return [
        f"with jit: {figures['step']:.3f} ms, of which matrix products {figures['products']:.3f}: "
        f"{share:.0f} % of the step, {verdict(share, JIT_SHARE, least=True)}",
        f"memory of a replay: {figures['peak'] / 1e6:.2f} MB, {memory:.3f} of its buffers and "
        f"gradients, {verdict(memory, JIT_MEMORY, least=False)}",
    ]


def table(effort: Effort) -> str:
    """Return a row for each part."""
    figures = run(("mnist_profile",))
    share = {part: 100 * figures[part] / figures["step"] for part in PARTS}
    rows = [[part, f"{figures[part]:.3f}", f"{share[part]:.0f}"] for part in PARTS]
    rows.append(["step", f"{figures['step']:.3f}", "100"])
    products = sum(share[part] for part in PARTS if part.startswith("matrix"))
    title = (
        "Parts of a training step of stepgrad on MNIST: CPU time, 1 thread; products timed alone"
    )
    return "\n".join(
        [
            format_table(["part", "ms", "%"], rows, title),
            f"matrix products: {products:.0f} % of the step, "
            + verdict(products, TARGET, least=True),
            *table_of_jit(),
        ]
    )


if __name__ == "__main__":
    limit_cores(1)
    print(json.dumps(measure_jit() if sys.argv[1:] == ["jit"] else measure()))
