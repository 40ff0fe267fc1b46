"""Kernels that fill the inputs of a replay, and add up the gradients of selected rows."""

import numpy as np

from engine.tape.kernels import compile_kernel

NONE = -1


@compile_kernel()
def select_inputs(
    inputs: np.ndarray,
    flat: np.ndarray,
    others: np.ndarray,
    integers: np.ndarray,
    floats: np.ndarray,
    selections: np.ndarray,
    places: np.ndarray,
    selected: np.ndarray,
) -> int:
    """Write the inputs of a call, and the places of selected numbers to `selected`.

    A row of `selections` is (argument, start, rows, width, least). It selects the row
    `integers[argument]`, which must be at least `least`, of a table of `rows` rows and `width`
    columns. The places of the table begin at `start` in `places`; a place below 0 is in `others`.
    If `width` is 0, the index itself is the input. Returns the first selection that is out of
    range, or -1.
    """
    at = 0
    for k in range(len(selections)):
        argument, start, n, width, least = selections[k]
        i = integers[argument]
        if n and not least <= i < n:
            return k
        if n and i < 0:
            i += n
        if width == 0:
            inputs[at] = i
            selected[at] = NONE
            at += 1
        for j in range(width):
            place = places[start + i * width + j]
            selected[at] = place
            inputs[at] = flat[place] if place >= 0 else others[-1 - place]
            at += 1
    for k in range(floats.size):
        inputs[at + k] = floats[k]
    return NONE


@compile_kernel()
def fill_lanes(
    blocks: np.ndarray,
    flat: np.ndarray,
    others: np.ndarray,
    integers: np.ndarray,
    floats: np.ndarray,
    selections: np.ndarray,
    places: np.ndarray,
    selected: np.ndarray,
) -> tuple[int, int]:
    """Write the inputs of several calls to blocks of lanes, as `select_inputs` does for one.

    Lanes without a call repeat the last one. Returns the first call and selection that are out of
    range, or -1 and -1.
    """
    count, _, width = blocks.shape
    calls, size = selected.shape[0], selected.shape[1] + floats.shape[1]
    for lane in range(count * width):
        call = min(lane, calls - 1)
        wrong = select_inputs(
            blocks[lane // width, :size, lane % width], flat, others, integers[call],
            floats[call], selections, places, selected[call],
        )  # fmt: skip
        if wrong >= 0:
            return call, wrong
    return NONE, NONE


@compile_kernel()
def add_selected(out: np.ndarray, selected: np.ndarray, gradients: np.ndarray) -> None:
    """Add the gradients of the numbers that each call selected, in order."""
    for call in range(selected.shape[0]):
        for k in range(selected.shape[1]):
            if selected[call, k] >= 0:
                out[selected[call, k]] += gradients[call, k]


@compile_kernel()
def fill_inputs(
    shared: np.ndarray,
    flat: np.ndarray,
    others: np.ndarray,
    integers: np.ndarray,
    floats: np.ndarray,
    selections: np.ndarray,
    places: np.ndarray,
    selected: np.ndarray,
    columns: np.ndarray,
    parameters: int,
) -> int:
    """Write parameters and inputs to `shared`, as `select_inputs` does.

    The last registers are copies of the registers `columns`.
    """
    for i in range(parameters):
        shared[i] = flat[i]
    copies = shared[shared.size - columns.size :]
    for i in range(columns.size):
        copies[i] = flat[columns[i]]
    inputs = shared[parameters : parameters + selected.size + floats.size]
    return select_inputs(inputs, flat, others, integers, floats, selections, places, selected)


@compile_kernel()
def collect_gradients(
    shared: np.ndarray,
    register: np.ndarray,
    parameters: int,
    selected: np.ndarray,
    order: np.ndarray,
    out: np.ndarray,
) -> None:
    """Write the gradients of parameters, and add those of selected numbers in the given order.

    The gradients of parameters that are newer than the recording are 0.
    """
    for i in range(parameters):
        out[i] = shared[register[i]]
    out[parameters:] = 0.0
    for k in order:
        if selected[k] >= 0:
            out[selected[k]] += shared[register[parameters + k]]
