"""A warning about losses of logits that are given probabilities."""

from typing import Any

from engine.node import Node
from engine.watch.gradient_warnings import warn

PROBABILITIES = {"sigmoid", "softmax"}  # rows whose results are in [0, 1]
# Rows whose results are in [0, 1] if their input is.
KEEP_RANGE = {"reshape", "getitem", "squeeze", "transpose", "astype", "clip"}
MOST_ROWS = 4  # between the probabilities and the loss


def warn_of_probabilities(loss: str, takes: str, predictions: Any) -> None:
    """Warn if the predictions for a loss of logits are results of sigmoid or softmax.

    `takes` describes the predictions that the loss expects. Only the first prediction of a list is
    examined. Results of a model under `jit` are not examined, because their rows are unknown.
    """
    node = predictions
    while isinstance(node, list | tuple) and node:
        node = node[0]
    if isinstance(node, Node) and (name := find_probabilities(node)):
        warn(
            f"{loss} expects {takes}, got results of {name}, on which training stalls; remove the "
            f"{name} from the end of the model"
        )


def find_probabilities(node: Any) -> str | None:
    """Return the name of the row that computed a node if its results are probabilities.

    >>> from engine import Array
    >>> z = Array([[1.0], [2.0]])
    >>> find_probabilities(z.sigmoid()[:, 0]), find_probabilities(z)
    ('sigmoid', None)
    """
    for _ in range(MOST_ROWS):
        if node.op is None or node.op.name not in KEEP_RANGE:
            break
        node = node.inputs[0]
    op = getattr(node.op, "vector_op", node.op)  # of one of several results
    return op.name if op is not None and op.name in PROBABILITIES else None
