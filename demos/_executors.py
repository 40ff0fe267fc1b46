"""One training step by all three executors: Values, a tape of them, and arrays."""

import gc
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from engine import Tape, Value, topological

SECONDS = 0.4  # for each


def side_by_side(model: Any, X: np.ndarray, loss_of: Callable[[Any, Any], Any]) -> str:
    """A table: nodes, and milliseconds for forward and backward; `loss_of(predictions, model)`."""
    arrays = model.to_vector()

    def graph() -> Value:
        return loss_of([model(x) for x in X.tolist()], model)

    def on_arrays() -> Any:
        return loss_of(arrays(X), arrays)

    tape = Tape(graph(), parameters=model.parameters())

    def replay() -> None:
        tape.forward()
        tape.backward()

    executors: dict[str, tuple[int, Callable[[], Any]]] = {
        "Values": (len(topological(graph())), lambda: graph().backward()),
        "the same on a tape": (tape.nodes, replay),
        "arrays": (len(topological(on_arrays())), lambda: on_arrays().backward()),
    }
    times = {name: seconds(step) for name, (_, step) in executors.items()}
    slowest = max(times.values())
    lines = [f"{'a step by':<20}{'nodes':>8}{'ms':>10}{'faster':>10}"]
    for name, (nodes, _) in executors.items():
        ms, ratio = 1e3 * times[name], slowest / times[name]
        lines.append(f"{name:<20}{nodes:>8,}{ms:>10.3f}{ratio:>8,.0f} x")
    return "\n".join(lines)


def seconds(step: Callable[[], Any]) -> float:
    """The median time of a step, Python's collector on as by default."""
    gc.collect()
    step()
    times: list[float] = []
    while len(times) < 3 or sum(times) < SECONDS:
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    return median(times)
