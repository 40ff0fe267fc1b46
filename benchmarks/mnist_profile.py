"""The time of each part of a training step of stepgrad on MNIST, and the share of matrix products.

    python -m benchmarks.mnist_profile {stepgrad,stepgrad-jit}

This is the epoch of `benchmarks.mnist`. Its phases are timed one by one, and the backward pass node
by node. A layer is one node, whose matrix products cannot be timed separately. They are computed
again after every step, from the same operands, and timed alone; the repetitions are not part of the
step.

Under `jit`, each pass is one call of compiled code, which is timed. Its matrix products are also
computed again after every step, on arrays of the same shapes; the time of the other steps is the
difference. The rest is Python and the clock. Python is slow after a matrix product, which has
evicted it from the processor's caches. The memory of a replay is that of all arrays at its peak:
buffers, gradients, and whatever else it allocates.
"""

import json
import sys
import tracemalloc
from collections.abc import Callable
from functools import partial
from time import process_time
from typing import Any

from benchmarks.engines import missing
from benchmarks.mnist import BATCH, RATE, first_weights, images, shuffled_batches
from benchmarks.mnist_trainers import Stepgrad, StepgradJit
from benchmarks.processes import Effort, limit_cores, run
from benchmarks.targets import verdict
from demos.shared.tables import format_table
from demos.shared.timing import Stopwatch

PRODUCTS = ("matrix products, forward", "matrix products, backward")
PARTS = {
    "stepgrad": ("batch gather", *PRODUCTS, "activation", "loss", "optimizer", "the rest"),
    "stepgrad-jit": ("batch gather", *PRODUCTS, "other steps", "optimizer", "the rest"),
}  # fmt: skip
TARGETS = {"stepgrad": 50, "stepgrad-jit": 85}
MEMORY_TARGET = 1.1  # bytes over those of buffers and gradients
WARM_UP = 20  # steps


class Profile(Stopwatch):
    """A stopwatch that adds up the CPU seconds of laps by name."""

    def __init__(self, parts: tuple[str, ...]) -> None:
        self.spent = dict.fromkeys(("step", *parts), 0.0)
        super().__init__(process_time)

    def add_lap(self, *names: str) -> None:
        """Add a lap to the parts of these names."""
        seconds = self.lap()
        for name in names:
            self.spent[name] += seconds
        self.lap()  # leave this bookkeeping out


def measure(engine: str) -> dict[str, float]:
    """Return the CPU milliseconds of a step and of each part, on one thread."""
    from numpy.random import default_rng

    train, test = images("train"), images("t10k")
    rng = default_rng(0)
    trainer = (Stepgrad if engine == "stepgrad" else StepgradJit)(
        first_weights(rng), train, test, 1, 0
    )
    trainer.optimizer.lr = RATE
    order = shuffled_batches(rng, len(train[0]))
    profile: Callable[..., None] = profile_step
    if engine == "stepgrad-jit":
        profile = partial(profile_replay, products=products_of(trainer))
    for batch in order[:WARM_UP]:
        profile(trainer, batch, Profile(PARTS[engine]))
    watch, timed = Profile(PARTS[engine]), order[WARM_UP:]
    if engine == "stepgrad-jit":
        time_functions(trainer.step_loss, watch)
    for batch in timed:
        profile(trainer, batch, watch)
    spent = watch.spent
    if engine == "stepgrad-jit":
        spent["other steps"] -= sum(spent[name] for name in PRODUCTS)
    spent["the rest"] = 2 * spent["step"] - sum(spent.values())
    figures = {name: 1e3 * seconds / len(timed) for name, seconds in spent.items()}
    return figures if engine == "stepgrad" else figures | measure_memory(trainer, order[0])


def profile_replay(trainer: Stepgrad, batch: Any, watch: Profile, products: Any) -> None:
    """Train for one step under jit and time its parts; `time_functions` times both passes."""
    lap = watch.add_lap
    lap()
    X, y = trainer.X[batch], trainer.y[batch]
    lap("step", "batch gather")
    loss = trainer.step_loss(X, y)
    lap("step")
    trainer.optimizer.zero_grad()
    lap("step", "optimizer")
    loss.backward()
    lap("step")
    trainer.optimizer.step()
    lap("step", "optimizer")
    for part, multiply in products:
        multiply()  # load its arrays, which the step has evicted from the caches
        lap()
        multiply()
        lap(f"matrix products, {part}")


def products_of(trainer: Stepgrad) -> list[tuple[str, Callable[[], Any]]]:
    """Return the matrix products of a step, each with the name of its pass.

    They are the products that `jit` computes, and write into existing arrays.
    """
    import numpy as np

    products: list[tuple[str, Callable[[], Any]]] = []
    for i, layer in enumerate(trainer.model.layers):
        w = layer.weight.data.copy()
        n, m = w.shape
        x, g = np.ones((BATCH, m), w.dtype), np.ones((BATCH, n), w.dtype)
        y, dx, dw = np.empty_like(g), np.empty_like(x), np.empty_like(w)
        products.append(("forward", partial(np.matmul, x, w.T, out=y)))
        products.append(("backward", partial(np.matmul, g.T, x, out=dw)))
        if i:
            products.append(("backward", partial(np.matmul, g, w, out=dx)))
    return products


def time_functions(compiled: Any, watch: Profile) -> None:
    """Time the compiled code that the program of a function under jit calls."""
    program = find_program(compiled)

    def add_clock(f: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            start = process_time()
            result = f(*args)
            watch.spent["other steps"] += process_time() - start
            return result

        return run

    for name, f in [*program.space.items()]:
        if name.startswith("native"):
            program.space[name] = add_clock(f)


def find_program(compiled: Any) -> Any:
    """Return the program of a function under jit that was recorded once."""
    ((replay,),) = compiled._replays.values()
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
    buffers = find_program(fast).nbytes + sum(p.grad.nbytes for p in parameters)
    return {"peak": float(peak), "buffers": float(buffers)}


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


def table(effort: Effort) -> str:
    """Return a row for each part, of eager training and of that under jit."""
    return "\n\n".join([table_of(engine) for engine in PARTS if not missing(engine)])


def table_of(engine: str) -> str:
    """Return a row for each part."""
    figures, parts = run(("mnist_profile", engine)), PARTS[engine]
    share = {part: 100 * figures[part] / figures["step"] for part in parts}
    rows = [[part, f"{figures[part]:.3f}", f"{share[part]:.0f}"] for part in parts]
    rows.append(["step", f"{figures['step']:.3f}", "100"])
    products = sum(share[part] for part in PRODUCTS)
    title = (
        f"Parts of a training step of {engine} on MNIST: CPU time, 1 thread; products timed alone"
    )
    lines = [
        format_table(["part", "ms", "%"], rows, title),
        f"matrix products: {products:.0f} % of the step, "
        + verdict(products, TARGETS[engine], least=True),
    ]
    if engine == "stepgrad-jit":
        memory = figures["peak"] / figures["buffers"]
        lines.append(
            f"memory of a replay: {figures['peak'] / 1e6:.2f} MB, {memory:.3f} of its buffers and "
            f"gradients, {verdict(memory, MEMORY_TARGET, least=False)}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    (name,) = sys.argv[1:]
    if name not in PARTS:
        raise SystemExit(f"engine must be one of {', '.join(PARTS)}, got {name!r}")
    limit_cores(1)
    print(json.dumps(measure(name)))
