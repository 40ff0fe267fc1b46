"""How good predictions are, as people count: accuracy, and which classes are taken for which."""

from typing import TYPE_CHECKING, Any

from engine.functions import is_array
from engine.node import Node
from engine.support.arguments import numpy_type
from engine.support.lazy import numpy_for
from engine.value import Value, number
from nn.arguments import sequence

if TYPE_CHECKING:
    import numpy as np


def accuracy(predictions: Any, targets: Any) -> float:
    """The share of samples whose class is predicted.

    A prediction is one score, a logit, positive for the class of label 1 and not for that of 0 or
    -1; or a list of logits, whose largest is at the label. In an array, scores are `(samples,)` or
    `(samples, 1)`, logits `(samples, classes)`. ValueError for other labels, for no samples, and
    for unequal lengths: shapes are never broadcast.

    >>> accuracy([0.3, -2.0, 0.0, 1.5], [1, -1, -1, -1]), accuracy([[0.1, 0.7, 0.2]], [1])
    (0.75, 1.0)
    """
    if is_array(predictions) or isinstance(predictions, numpy_type("ndarray")):
        return share_right(numbers(predictions), labels_of(targets))
    predictions = list(sequence(predictions, "accuracy takes a list of predictions"))
    targets = list(sequence(targets, "accuracy takes a list of targets"))
    if not 0 < len(predictions) == len(targets):
        raise ValueError(
            "accuracy takes one target per prediction and at least one, "
            f"got {len(predictions)} predictions and {len(targets)} targets"
        )
    right = 0
    for prediction, label in zip(predictions, targets, strict=True):
        several = hasattr(prediction, "__len__") and not isinstance(prediction, str)
        logits = list(map(score, prediction if several else [prediction]))
        if not logits:
            raise ValueError("accuracy takes at least one logit per prediction, got none")
        classes = range(-1, 2) if len(logits) == 1 else range(len(logits))
        if label not in classes:
            raise not_a_label("accuracy", label, classes)
        if len(logits) == 1:
            right += (logits[0] > 0) == (label > 0)
        else:
            right += max(classes, key=logits.__getitem__) == label
    return right / len(predictions)


def share_right(predictions: Any, labels: Any) -> float:
    """`accuracy` of arrays; labels beside scores `(samples, 1)` may have that shape too."""
    given = f"{predictions.shape} and {labels.shape}"
    if predictions.shape[1:] == (1,):
        labels = labels[:, 0] if labels.shape == predictions.shape else labels
        predictions = predictions[:, 0]
    fits = predictions.ndim in (1, 2) and labels.shape == predictions.shape[:1]
    if not (fits and predictions.size):
        raise ValueError(
            "accuracy takes predictions of shape (samples,), (samples, 1) or (samples, classes) "
            f"and labels of shape (samples,), at least one, got {given}"
        )
    if predictions.ndim == 1:
        check_labels("accuracy", labels, range(-1, 2))
        return float(((predictions > 0) == (labels > 0)).mean())
    check_labels("accuracy", labels, range(predictions.shape[1]))
    return float((predictions.argmax(axis=1) == labels).mean())


def confusion_matrix(predictions: Any, targets: Any) -> "np.ndarray":
    """How often each class, a row, was taken for each, a column: `(classes, classes)`, of ints.

    Predictions are logits of shape `(samples, classes)`, targets class indices. ValueError for
    other shapes and labels.

    >>> import numpy as np
    >>> confusion_matrix(np.array([[2.0, 1.0], [0.0, 3.0], [0.5, 0.7]]), [0, 1, 0])
    array([[1, 1],
           [0, 1]])
    """
    np = numpy_for("confusion_matrix")
    logits, labels = numbers(predictions), labels_of(targets)
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(
            "confusion_matrix takes logits of shape (samples, classes) and labels of shape "
            f"(samples,), got {logits.shape} and {labels.shape}"
        )
    classes = logits.shape[1]
    check_labels("confusion_matrix", labels, range(classes))
    counts = np.zeros((classes, classes), int)
    np.add.at(counts, (labels.astype(int), logits.argmax(axis=1)), 1)
    return counts


def score(x: Any) -> float:
    """A prediction's number, be it a node's; TypeError for what is none."""
    try:
        return number(x.data if isinstance(x, Node) else x)
    except TypeError:
        raise TypeError(f"accuracy takes predictions that are numbers, got {x!r}") from None


def numbers(predictions: Any) -> "np.ndarray":
    """Predictions as an array; TypeError unless of real numbers."""
    if is_array(predictions):
        return predictions.data
    import numpy as np

    try:
        found = np.asarray(predictions)
    except ValueError:
        raise TypeError("predictions are numbers, in lists of equal lengths") from None
    if found.dtype.kind == "O":  # Values, or nothing of use
        found = np.array([number_in(x) for x in found.flat]).reshape(found.shape)
    if found.dtype.kind not in "fiub":
        raise TypeError(f"predictions are real numbers, got an array of {found.dtype}")
    return found


def number_in(x: Any) -> Any:
    if isinstance(x, Value):
        return x.data
    raise TypeError(f"predictions are numbers, got {x!r}; give an array or a list of lists of them")


def labels_of(targets: Any) -> "np.ndarray":
    """Targets as an array; TypeError for lists of unequal lengths."""
    import numpy as np

    try:
        return targets.data if is_array(targets) else np.asarray(targets)
    except ValueError:
        raise TypeError("targets are labels, one a sample, got lists in lists") from None


def check_labels(name: str, labels: "np.ndarray", classes: range) -> None:
    """ValueError that names the first label that is no class."""
    import numpy as np

    bad = np.flatnonzero(~np.isin(labels, classes))
    if len(bad):
        raise not_a_label(name, labels.flat[bad[:1]].tolist()[0], classes)


def not_a_label(name: str, label: Any, classes: range) -> ValueError:
    return ValueError(
        f"{name} takes labels from {classes.start} to {classes.stop - 1} here, got {label!r}"
    )
