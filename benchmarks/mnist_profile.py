"""Where the time of stepgrad's MNIST epoch goes, and how much of it is matrix products.

    python -m benchmarks.mnist_profile

The epoch of `benchmarks.mnist`, its phases timed one by one; the backward pass is walked, so that
each node's part is seen. A layer is one node, and within it the matrix products cannot be told from
the rest: so they are computed once more at every step, from the same operands, and timed alone. The
graph tells which they are. The repeats are not part of the step.
"""

import json
from collections.abc import Callable
from time import process_time
from typing import Any

from benchmarks.layout import aligned, verdict
from benchmarks.mnist import RATE, first_weights, images, shuffled
from benchmarks.mnist_trainers import Stepgrad
from benchmarks.processes import Effort, cores, run

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
WARM_UP = 20  # steps


class Stopwatch:
    """CPU seconds by name; each `lap` counts what has passed since the last."""

    def __init__(self) -> None:
        self.spent = dict.fromkeys(("step", *PARTS), 0.0)
        self.last = process_time()

    def lap(self, *names: str) -> None:
        now = process_time()
        for name in names:
            self.spent[name] += now - self.last
        self.last = process_time()


def measure() -> dict[str, float]:
    """CPU milliseconds a step takes in all and in each part, on one thread."""
    from numpy.random import default_rng

    train, test = images("train"), images("t10k")
    rng = default_rng(0)
    trainer = Stepgrad(first_weights(rng), train, test, 1, 0)
    trainer.optimizer.lr = RATE
    order = shuffled(rng, len(train[0]))
    for batch in order[:WARM_UP]:
        profiled(trainer, batch, Stopwatch())
    watch, timed = Stopwatch(), order[WARM_UP:]
    for batch in timed:
        profiled(trainer, batch, watch)
    spent = watch.spent
    spent["the rest"] = 2 * spent["step"] - sum(spent.values())
    return {name: 1e3 * seconds / len(timed) for name, seconds in spent.items()}


def profiled(trainer: Stepgrad, batch: Any, watch: Stopwatch) -> None:
    """A step of training, in its parts."""
    from engine import walk

    lap = watch.lap
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
            for part, product in products(node):
                product()
                lap(f"matrix products, {part}")
    lap()
    trainer.optimizer.step()
    lap("step", "optimizer")


def products(layer: Any) -> list[tuple[str, Callable[[], Any]]]:
    """The matrix products of a layer's node, forward and backward."""
    X, W, _ = layer.inputs
    x, w, g = X.data, W.data, layer.grad
    backward = [lambda: g.T @ x] if X.constant else [lambda: g.T @ x, lambda: g @ w]
    return [("forward", lambda: x @ w.T), *[("backward", product) for product in backward]]


def table(effort: Effort) -> str:
    """A row for each part."""
    figures = run(("mnist_profile",))
    share = {part: 100 * figures[part] / figures["step"] for part in PARTS}
    rows = [[part, f"{figures[part]:.3f}", f"{share[part]:.0f}"] for part in PARTS]
    rows.append(["a step", f"{figures['step']:.3f}", "100"])
    products = sum(share[part] for part in PARTS if part.startswith("matrix"))
    title = "Where stepgrad's step goes: CPU time on 1 thread, the products computed alone"
    return "\n".join(
        [
            aligned(title, ["part", "ms", "%"], rows),
            f"matrix products, % of the step: {products:.0f}, "
            + verdict(products, TARGET, least=True),
        ]
    )


if __name__ == "__main__":
    cores(1)
    print(json.dumps(measure()))
