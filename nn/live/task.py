"""How a page shows predictions: as classes, with a threshold for one output, or as numbers."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from nn import losses
from nn.objective import Loss

LOGIT_LOSSES = (losses.binary_cross_entropy, losses.cross_entropy, losses.hinge)


class Task(NamedTuple):
    """How outputs and targets are read.

    Attributes:
        labels: The names of the classes; none for numbers.
        classes: The class of each sample, by its place in `labels`, or -1 if its label is ignored.
        threshold: The value of a single output that separates the two classes.
        reach: The distance from the threshold at which a colour saturates.
        links: "sigmoid" or "softmax" if outputs are logits of probabilities, or "".
    """

    labels: list[str]
    classes: list[int]
    threshold: float = 0.0
    reach: float = 1.0
    links: str = ""


def find_task(loss: Loss, outputs: int, y: np.ndarray) -> Task:
    """Return the task of a model with some outputs, from its loss and its targets.

    Targets are classes if they are the labels 0 and 1, or -1 and 1, of one output; for several
    outputs, if they are class indices, or rows for cross entropy. Otherwise they are numbers.
    """
    plain = loss.func if isinstance(loss, partial) else loss
    has_logits = plain in LOGIT_LOSSES
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if outputs > 1:
        if y.ndim == 2 and plain is not losses.cross_entropy:
            return Task([], [])
        classes = y.argmax(axis=1) if y.ndim == 2 else y.astype(int)
        classes = np.where((classes >= 0) & (classes < outputs), classes, -1)  # of ignored labels
        names = [str(k) for k in range(outputs)]
        return Task(names, classes.tolist(), links="softmax" if has_logits else "")
    values = sorted({*y.ravel().tolist()})
    if y.ndim == 1 and len(values) <= 2 and {*values} <= {-1, 0, 1} and {*values} != {-1, 0}:
        low = -1 if values[0] < 0 else 0
        is_middle = low == 0 and not has_logits
        links = "sigmoid" if plain is losses.binary_cross_entropy else ""
        return Task(
            ["−1" if low else "0", "1"], (y > 0).astype(int).tolist(), 0.5 if is_middle else 0.0,
            0.5 if is_middle else 1.0, links,
        )  # fmt: skip
    middle = (values[0] + values[-1]) / 2.0
    return Task([], [], middle, (values[-1] - values[0]) / 2.0 or 1.0)


def describe_loss(loss: Any) -> str:
    """Return the name of a loss as words."""
    name = getattr(loss.func if isinstance(loss, partial) else loss, "__name__", "loss")
    return "loss" if name == "<lambda>" else name.replace("_", " ")
