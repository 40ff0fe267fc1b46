"""One training step of micrograd's own demo, by micrograd and by stepgrad in three ways.

    python -m benchmarks.moons {micrograd,default,values,node} {on,off} [SECONDS] [STEPS]

100 points of two moons, MLP(2, [16, 16, 1]), hinge loss and an L2 penalty, one score at a time.
The steps follow one another as they do in training, and nothing is collected by hand: a step ends
by letting go of its loss, and so of the graph. (micrograd's graphs are reference cycles: they stay
until the collector comes, and with the collector off for good.) Every engine starts at the same
weights, and must find the same loss.

    default  as stepgrad's users write it: the neurons' dot nodes, nn.losses, nn.optim; the points
             are given as floats, which become constants
    values   the same network, losses and optimizer; the points are given as leaves, which require
             gradients, `list(map(Value, xrow))` as in the demo
    node     node for node what micrograd computes: the demo's own expressions, `fused=False`

micrograd is given Python floats; the demo's own NumPy floats make it slower by a tenth.
"""

import json
import math
import random
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from time import process_time
from typing import Any, NamedTuple

from benchmarks.engines import ENGINES, count, missing, value_of
from benchmarks.layout import aligned, verdict
from benchmarks.processes import MODES, Effort, Job, collector, interleaved

PARTS = ("forward", "backward", "update", "freeing")  # the step is the first three
ALIKE = ("micrograd", "node")  # engines whose graphs have as many nodes
TARGETS = {
    ("default", "on"): 50, ("values", "on"): 50, ("node", "on"): 5,
    ("default", "off"): 10, ("values", "off"): 12, ("node", "off"): 3,
}  # fmt: skip


def moons(n: int = 100, noise: float = 0.1) -> tuple[list[list[float]], list[int]]:
    """Two half circles, points and labels -1 and 1, without a library: workers import engines."""
    rng = random.Random(0)
    X, y = [], []
    for i in range(n):
        t = math.pi * (i // 2) / (n // 2 - 1)
        x = (math.cos(t), math.sin(t)) if i % 2 else (1 - math.cos(t), 0.5 - math.sin(t))
        X.append([each + rng.gauss(0, noise) for each in x])
        y.append(1 if i % 2 else -1)
    return X, y


class Steps(NamedTuple):
    """A training step in three parts, to be called in turn."""

    forward: Callable[[], Any]
    backward: Callable[[Any], None]
    update: Callable[[float], None]


def start(parameters: Iterable[Any]) -> None:
    """Give every engine the same weights, from micrograd's distribution."""
    rng = random.Random(0)
    for p in parameters:
        p.data = rng.uniform(-1, 1)


def demo(Value: Any, model: Any) -> Steps:
    """The steps of micrograd's notebook, in its words; they mean the same for stepgrad's Values."""
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
    """The same steps as a user of stepgrad writes them; the points as floats or as leaves."""
    from engine import Value
    from nn import MLP, losses, optim

    X, y = moons()
    model = MLP(2, [16, 16, 1], rng=0)
    parameters = model.parameters()
    optimizer = optim.SGD(parameters, lr=1.0)
    start(parameters)

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
    """The demo's model, node for node, in either engine."""
    if engine == "node":
        model = import_module("nn").MLP(2, [16, 16, 1], rng=0, fused=False)
    else:
        model = import_module("micrograd.nn").MLP(2, [16, 16, 1])
    start(model.parameters())
    return model


def steps_of(engine: str) -> Steps:
    """The training step of an engine, whose weights are those of every other."""
    if engine in ("default", "values"):
        return default(leaves=engine == "values")
    return demo(value_of(engine), network(engine))


def measure(engine: str, seconds: float, steps: int) -> dict[str, Any]:
    """The mean times of a step, in ms of CPU time; the graph's nodes; the loss after a step.

    The mean, because the collector's long pauses come in some steps and belong to all. The first
    step warms up.
    """
    forward, backward, update = steps_of(engine)
    losses: list[float] = []
    times: list[tuple[float, ...]] = []
    nodes, spent = 0, 0.0
    while len(times) < steps or spent < seconds:
        t0 = process_time()
        loss = forward()
        t1 = process_time()
        backward(loss)
        t2 = process_time()
        update(1.0 - 0.9 * min(len(losses), 100) / 100)
        t3 = process_time()
        losses.append(loss.data)
        nodes = nodes or count(loss)
        t4 = process_time()
        del loss
        t5 = process_time()
        if len(losses) > 1:
            times.append((t1 - t0, t2 - t1, t3 - t2, t5 - t4))
            spent += sum(times[-1])
    means = [1e3 * sum(each) / len(times) for each in zip(*times, strict=True)]
    figures = dict(zip(PARTS, means, strict=True))
    return {**figures, "step": sum(means[:3]), "nodes": nodes, "loss": losses[1]}


def table(effort: Effort) -> str:
    """Times of a step and, beside each of ours, how many times as long micrograd takes."""
    jobs = {
        (engine, mode): ("moons", engine, mode, str(effort.seconds), str(effort.steps))
        for mode in MODES
        for engine in ENGINES
        if not missing(engine)
    }
    found = interleaved(jobs.values(), effort.rounds)
    rows = []
    for mode in MODES:
        peer = found.get(jobs.get(("micrograd", mode), ()))
        for engine, name in ENGINES.items():
            if remedy := missing(engine):
                rows.append([mode, name, remedy])
                continue
            figures = found[jobs[engine, mode]]
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
        f"(medians of {effort.rounds} rounds; step: forward, backward and update, without "
        "freeing the graph;\nstepgrad: one dot node per neuron, the points given as floats; "
        "inputs as Values: the\nsame, the points given as leaves as in the demo; "
        "ratio: micrograd's step over ours)"
    )
    header = ["collector", "engine", "nodes", "step", *PARTS, "ratio", "target"]
    return "\n".join([aligned(title, header, rows), agreement(found)])


def agreement(found: dict[Job, dict[str, Any]]) -> str:
    """Whether the engines computed the same: the loss, and node for node as many nodes."""
    losses = [figures["loss"] for figures in found.values()]
    if not all(math.isclose(loss, losses[0], rel_tol=1e-9) for loss in losses):
        return f"NOT COMPARABLE: the losses after a step differ, {losses}"
    nodes = {figures["nodes"] for (_, engine, *_), figures in found.items() if engine in ALIKE}
    if len(nodes) > 1:
        return f"NOT COMPARABLE: node for node there are different numbers of nodes, {nodes}"
    return f"(checked: the loss after a step is {losses[0]:.9f} in all of them)"


if __name__ == "__main__":
    engine, mode, *limits = sys.argv[1:]
    seconds, steps = limits or ("0.5", "2")
    collector(mode)
    print(json.dumps(measure(engine, float(seconds), int(steps))))
