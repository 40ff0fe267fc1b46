"""One training step by three executors: Values, a tape of Values, and arrays."""

import gc
from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from demos.shared.tables import format_table
from demos.shared.timing import time_calls
from engine import Tape, Value, topological

SECONDS = 0.4  # per executor


class Timing(NamedTuple):
    """The nodes of a step, and the median seconds of its forward and backward passes."""

    nodes: int
    seconds: float


def compare_executors(
    model: Any, X: np.ndarray, loss: Callable[[Any, Any], Any]
) -> dict[str, Timing]:
    """Return the timing of each executor; `loss` is a function of the predictions and the model.

    Python's garbage collector is on, as by default.
    """
    arrays = model.to_vector()

    def forward_values() -> Value:
        return loss([model(x) for x in X.tolist()], model)

    def forward_arrays() -> Any:
        return loss(arrays(X), arrays)

    tape = Tape(forward_values(), parameters=model.parameters())

    def replay() -> None:
        tape.forward()
        tape.backward()

    return {
        "Values": Timing(
            len(topological(forward_values())), time_step(lambda: forward_values().backward())
        ),
        "tape": Timing(tape.nodes, time_step(replay)),
        "arrays": Timing(
            len(topological(forward_arrays())), time_step(lambda: forward_arrays().backward())
        ),
    }


def time_step(step: Callable[[], Any]) -> float:
    gc.collect()
    step()  # warm up
    return median(time_calls(step, repeats=3, seconds=SECONDS))


def table(timings: dict[str, Timing]) -> str:
    """Return a row for each executor; the speedup is relative to the slowest."""
    slowest = max(timing.seconds for timing in timings.values())
    rows = [
        [name, f"{nodes:,}", f"{1e3 * seconds:.3f}", f"{slowest / seconds:,.0f} x"]
        for name, (nodes, seconds) in timings.items()
    ]
    return format_table(["executor", "nodes", "ms per step", "speedup"], rows)
