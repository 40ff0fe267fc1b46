"""A tape in a graph of Arrays: one node, whose pullbacks are the tape's backward pass."""

from typing import Any

import numpy as np

from engine.arrays.rules import ArrayOp


def compute(flat: np.ndarray, X: Any = None, *, tape: Any) -> np.ndarray:
    """The outputs for parameters and samples."""
    return tape.computed(flat, X)


def pull(g: np.ndarray, out: Any, flat: np.ndarray, X: Any = None, *, tape: Any) -> np.ndarray:
    """What arrived at the outputs, at the parameters; computed again if others were since."""
    if not isinstance(g, np.ndarray):
        raise TypeError("a tape is differentiated by backward() alone; take others of its Values")
    if tape.seen is None or tape.seen[0] is not flat or tape.seen[1] is not X:
        tape.computed(flat, X)
    return tape.pulled(g)


def pull_inputs(g: np.ndarray, out: Any, flat: np.ndarray, X: Any, *, tape: Any) -> Any:
    pull(g, out, flat, X, tape=tape)
    return tape.input_gradients


TAPE = ArrayOp("tape", compute, pull, pull_inputs)
