"""Local derivatives of Arrays as nodes, for derivatives of derivatives.

A partial derivative chooses with `where`, and computes both sides. The side that an element does
not choose receives a gradient of 0, which an infinite local derivative would turn into nan. The
elements of different sides are therefore separated first; each part computes only the side that it
chooses, as a Value does.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.arrays.arithmetic import run
from engine.arrays.array import SEPARATING, Array, ConstantArray, Mixed
from engine.arrays.rules import SCATTER
from engine.rules import WHERE


def slopes_of_array(node: Array) -> list[Any]:
    """Return d node / d input as a node or a number for each input; None for constants."""
    pairs = zip(node.inputs, node._dx, strict=True)
    inputs = [x if x.dtype == data.dtype else ConstantArray(data) for x, data in pairs]
    return [
        None if x.constant else slope_of_node(node, i, inputs) for i, x in enumerate(node.inputs)
    ]


def slope_of_node(out: Array, i: int, inputs: Sequence[Array]) -> Any:
    """Return d out / d inputs[i], computed separately for the elements of each side of a `where`.

    Each part computes its results again, from its own inputs: the gradients of the others' results
    would be 0, times slopes that may be infinite.
    """
    op: Any = out.op
    token = SEPARATING.set(True)
    try:
        return run(op.partials[i], out.dtype, out, *inputs)
    except Mixed as mixed:
        mask = np.broadcast_to(mixed.condition, out.shape)
    finally:
        SEPARATING.reset(token)
    slopes = []
    for part in (mask, ~mask):
        elements = [select_elements(x, part) for x in inputs]
        slope = slope_of_node(op(*elements), i, elements)
        slope = out.lift(slope).broadcast_to((int(part.sum()),))
        slopes.append(SCATTER(slope, index=part, shape=out.shape))
    return WHERE(mask, *slopes)


def select_elements(x: Array, part: np.ndarray) -> Array:
    """Return the elements of x, broadcast to the shape of a mask, where the mask is True."""
    return (x if x.shape == part.shape else x.broadcast_to(part.shape))[part]
