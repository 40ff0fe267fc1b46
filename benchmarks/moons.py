"""One training step of micrograd's demo, by micrograd and by stepgrad in three ways.

    python -m benchmarks.moons {micrograd,default,values,node} {on,off} [SECONDS] [STEPS]

100 points of two moons, MLP(2, [16, 16, 1]), hinge loss and an L2 penalty, one sample at a time.
The steps follow one another as in training, without explicit collections: a step ends by dropping
its loss, and with it the graph. micrograd's graphs are reference cycles, which stay until the
collector runs, and forever if it is off. All engines start at the same weights, and their losses
must agree.

    default  idiomatic stepgrad: neurons as dot nodes, nn.losses, nn.optim; the points are floats,
             which become constants
    values   the same, but the points are leaves that require gradients, `list(map(Value, xrow))`,
             as in micrograd's demo
    node     the same nodes as micrograd: the expressions of its demo, `fused=False`

micrograd receives Python floats; the NumPy floats of its demo make it slower by a tenth.
"""

import json
import math
import random
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from time import process_time
from typing import Any, NamedTuple

from benchmarks.engines import ENGINES, count_nodes, missing, value_of
from benchmarks.processes import MODES, Effort, Job, interleaved, set_collector
from benchmarks.targets import verdict
from demos.shared.tables import format_table, pluralize
from demos.shared.timing import Stopwatch

PARTS = ("forward", "backward", "update", "freeing")  # a step is the first three
ALIKE = ("micrograd", "node")  # engines with the same number of nodes
TARGETS = {
    ("default", "on"): 50, ("values", "on"): 50, ("node", "on"): 5,
    ("default", "off"): 10, ("values", "off"): 12, ("node", "off"): 3,
}  # fmt: skip


def moons(n: int = 100, noise: float = 0.1) -> tuple[list[list[float]], list[int]]:
    """Return points on two half circles and labels -1 and 1, without importing a library."""
    rng = random.Random(0)
    X, y = [], []
    for i in range(n):
        t = math.pi * (i // 2) / (n // 2 - 1)
        x = (math.cos(t), math.sin(t)) if i % 2 else (1 - math.cos(t), 0.5 - math.sin(t))
        X.append([coordinate + rng.gauss(0, noise) for coordinate in x])
        y.append(1 if i % 2 else -1)
    return X, y


class Steps(NamedTuple):
    """The three parts of a training step, called in turn."""

    forward: Callable[[], Any]
    backward: Callable[[Any], None]
    update: Callable[[float], None]


def set_weights(parameters: Iterable[Any]) -> None:
    """Set the same weights for every engine, from micrograd's distribution."""
    rng = random.Random(0)
    for p in parameters:
        p.data = rng.uniform(-1, 1)


def demo(Value: Any, model: Any) -> Steps:
    """Return the step of micrograd's notebook, which also runs on stepgrad's Values."""
    X, y = moons()

    def forward() -> Any:
        inputs = [list(map(Value, xrow)) for xrow in X]
        scores = list(map(model, inputs))
        losses = [(1 + -yi * scorei).relu() for yi, scorei in zip(y, scores, strict=True)]
        data_loss = sum(losses) * (1.0 / len(losses))
        alpha = 1e-4
        reg_loss = alpha * sum(p * p for p in model.parameters())
        return data_loss + reg_loss

    def backward(total_loss: Any) -> None:
        model.zero_grad()
        total_loss.backward()

    def update(learning_rate: float) -> None:
        for p in model.parameters():
            p.data -= learning_rate * p.grad

    return Steps(forward, backward, update)


def default(leaves: bool = False) -> Steps:
    """Return the same step in idiomatic stepgrad, with points as floats or as leaves."""
    from engine import Value
    from nn import MLP, losses, optim

    X, y = moons()
    model = MLP(2, [16, 16, 1], rng=0)
    parameters = model.parameters()
    optimizer = optim.SGD(parameters, lr=1.0)
    set_weights(parameters)

    def forward() -> Any:
        inputs = [list(map(Value, xrow)) for xrow in X] if leaves else X
        return losses.hinge([model(x) for x in inputs], y) + 1e-4 * losses.l2_penalty(parameters)

    def backward(loss: Any) -> None:
        optimizer.zero_grad()
        loss.backward()

    def update(learning_rate: float) -> None:
        optimizer.lr = learning_rate
        optimizer.step()

    return Steps(forward, backward, update)


def network(engine: str) -> Any:
    """Return the model of the demo, with the same nodes in either engine."""
    if engine == "node":
        model = import_module("nn").MLP(2, [16, 16, 1], rng=0, fused=False)
    else:
        model = import_module("micrograd.nn").MLP(2, [16, 16, 1])
    set_weights(model.parameters())
    return model


def steps_of(engine: str) -> Steps:
    """Return the training step of an engine, at the weights that all engines share."""
    if engine in ("default", "values"):
        return default(leaves=engine == "values")
    return demo(value_of(engine), network(engine))


def measure(engine: str, seconds: float, steps: int) -> dict[str, Any]:
    """Return the mean times of a step in CPU ms, the nodes of the graph, and the loss after a step.

    The mean distributes the long pauses of the collector over all steps. The first step is a
    warm-up.
    """
    forward, backward, update = steps_of(engine)
    losses: list[float] = []
    times: list[list[float]] = []
    nodes, spent = 0, 0.0
    while len(times) < steps or spent < seconds:
        stopwatch = Stopwatch(process_time)
        loss = forward()
        laps = [stopwatch.lap()]
        backward(loss)
        laps.append(stopwatch.lap())
        update(1.0 - 0.9 * min(len(losses), 100) / 100)
        laps.append(stopwatch.lap())
        losses.append(loss.data)
        nodes = nodes or count_nodes(loss)
        stopwatch.lap()
        del loss
        laps.append(stopwatch.lap())
        if len(losses) > 1:
            times.append(laps)
            spent += sum(laps)
    means = [1e3 * sum(part) / len(times) for part in zip(*times, strict=True)]
    figures = dict(zip(PARTS, means, strict=True))
    return {**figures, "step": sum(means[:3]), "nodes": nodes, "loss": losses[1]}


def table(effort: Effort) -> str:
    """Return a row for each engine and mode of the collector, and the ratios to micrograd."""
    jobs = {
        (engine, mode): ("moons", engine, mode, str(effort.seconds), str(effort.steps))
        for mode in MODES
        for engine in ENGINES
        if not missing(engine)
    }
    results = interleaved(jobs.values(), effort.rounds)
    rows = []
    for mode in MODES:
        peer = results.get(jobs.get(("micrograd", mode), ()))
        for engine, name in ENGINES.items():
            if remedy := missing(engine):
                rows.append([mode, name, remedy])
                continue
            figures = results[jobs[engine, mode]]
            row = [mode, name, f"{figures['nodes']:,}"]
            row += [f"{figures[part]:,.1f}" for part in ("step", *PARTS)]
            if engine == "micrograd" or peer is None:
                rows.append([*row, "", ""])
            else:
                ratio = peer["step"] / figures["step"]
                rows.append(
                    [*row, f"{ratio:.1f}", verdict(ratio, TARGETS[engine, mode], least=True)]
                )
    title = (
        "A step of micrograd's moons demo in ms: 100 samples, MLP(2, [16, 16, 1]), hinge + L2\n"
        f"(medians of {pluralize(effort.rounds, 'round')}; "
        "step: forward, backward and update, without freeing; stepgrad: one\n"
        "dot node per neuron, points as floats; inputs as Values: the same, points as leaves;\n"
        "node for node: the same nodes as micrograd; ratio: micrograd's step over stepgrad's)"
    )
    header = ["collector", "engine", "nodes", "step", *PARTS, "ratio", "target"]
    return "\n".join([format_table(header, rows, title), agreement(results)])


def agreement(results: dict[Job, dict[str, Any]]) -> str:
    """Return whether the losses of all engines agree, and the nodes of those in ALIKE."""
    losses = [figures["loss"] for figures in results.values()]
    if not all(math.isclose(loss, losses[0], rel_tol=1e-9) for loss in losses):
        return f"NOT COMPARABLE: the losses after a step differ, {losses}"
    nodes = {figures["nodes"] for (_, engine, *_), figures in results.items() if engine in ALIKE}
    if len(nodes) > 1:
        return f"NOT COMPARABLE: the numbers of nodes differ, {nodes}"
    return f"(checked: the loss after a step is {losses[0]:.9f} for all engines)"


if __name__ == "__main__":
    engine, mode, *limits = sys.argv[1:]
    seconds, steps = limits or ("0.5", "2")
    set_collector(mode)
    print(json.dumps(measure(engine, float(seconds), int(steps))))
