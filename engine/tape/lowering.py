"""What is computed for each sample, written for rows of lanes (see `kernels.run_lanes`)."""

import numpy as np

from engine.tape.kernels import (
    MULTIPLY,
    MULTIPLY_ADD,
    MULTIPLY_FROM_0,
    SCALE,
    SCALE_ADD,
    SPREAD,
)
from engine.tape.passes import EACH_FORWARD, Staged
from engine.tape.program import Code, Program


def lowered(found: Program, staged: Staged) -> Staged:
    """A number that is the same for all samples stays one in a product; elsewhere it is spread over
    a row of lanes, before anything else is done.
    """
    code, given, size = staged.code, staged.code.given, staged.code.given + len(staged.code.do)
    laned = np.zeros(size, bool)
    laned[found.laned] = True
    mine = laned[given:] = staged.stage >= EACH_FORWARD

    do, a, b, c = (each.copy() for each in code[1:5])
    times = mine & np.isin(do, (MULTIPLY, MULTIPLY_ADD, MULTIPLY_FROM_0))
    swap = times & laned[a] & ~laned[b]
    a[swap], b[swap] = code.b[swap], code.a[swap]
    scales = times & ~laned[a]
    c[scales & (do == MULTIPLY_FROM_0)] = found.zero
    do[scales] = np.where(do[scales] == MULTIPLY, SCALE, SCALE_ADD)

    # Slots are numbered anew: the rows come between what is given and what is computed.
    operands = ((a, mine & ~scales), (b, mine), (c, mine & (do != SCALE)))
    met = [each[rows & ~laned[each]] for each, rows in operands]
    asked = np.concatenate([staged.outputs, staged.gradients[found.parameters :]])
    shared = np.unique(np.concatenate([*met, asked[~laned[asked]]]))
    new = np.arange(size, dtype=np.int32)
    new[given:] += len(shared)
    row = new.copy()
    row[shared] = given + np.arange(len(shared))
    for each, rows in operands:
        each[:] = np.where(rows, row[each], new[each])
    c[do == SCALE] = b[do == SCALE]
    spread = np.full(len(shared), SPREAD, np.uint8), *[new[shared]] * 3, 0 * shared
    joined = [np.concatenate(pair) for pair in zip(spread, (do, a, b, c, code.row), strict=True)]
    return Staged(
        Code(given, *joined),
        np.append(np.full(len(shared), EACH_FORWARD), staged.stage),
        row[staged.outputs],
        np.append(
            new[staged.gradients[: found.parameters]], row[staged.gradients[found.parameters :]]
        ),
        new[staged.guards],
        staged.watched,
    )
