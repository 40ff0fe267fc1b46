"""Kernels that fill the inputs of a replay, and add up the gradients of selected rows."""

import numpy as np

from engine.tape.kernels import compile_kernel

NONE = -1


@compile_kernel()
def fill_inputs(
    shared: np.ndarray,
    flat: np.ndarray,
    others: np.ndarray,
    integers: np.ndarray,
    floats: np.ndarray,
    argument: np.ndarray,
    start: np.ndarray,
    rows: np.ndarray,
    width: np.ndarray,
    places: np.ndarray,
    selected: np.ndarray,
    columns: np.ndarray,
    parameters: int,
) -> int:
    """Write parameters and inputs to `shared`, and the places of selected numbers to `selected`.

    Selection k takes the row `integers[argument[k]]` of a table of `rows[k]` rows and `width[k]`
    columns. Their places begin at `start[k]` in `places`; a place below 0 is in `others`. If
    `width[k]` is 0, the index itself is the input. The last registers are copies of the registers
    `columns`. Returns the first selection that is out of range, or -1.
    """
    for i in range(parameters):
        shared[i] = flat[i]
    for i in range(columns.size):
        shared[shared.size - columns.size + i] = flat[columns[i]]
    at = 0
    for k in range(argument.size):
        i = integers[argument[k]]
        n = rows[k]
        if n and not -n <= i < n:
            return k
        if n and i < 0:
            i += n
        if width[k] == 0:
            shared[parameters + at] = i
            selected[at] = NONE
            at += 1
        for j in range(width[k]):
            place = places[start[k] + i * width[k] + j]
            selected[at] = place
            shared[parameters + at] = flat[place] if place >= 0 else others[-1 - place]
            at += 1
    for k in range(floats.size):
        shared[parameters + at + k] = floats[k]
    return NONE


@compile_kernel()
def collect_gradients(
    shared: np.ndarray,
    register: np.ndarray,
    parameters: int,
    selected: np.ndarray,
    order: np.ndarray,
    out: np.ndarray,
) -> None:
    """Write the gradients of parameters, and add those of selected numbers in the given order."""
    for i in range(parameters):
        out[i] = shared[register[i]]
    for k in order:
        if selected[k] >= 0:
            out[selected[k]] += shared[register[parameters + k]]
