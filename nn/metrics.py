"""How good predictions are, as people count: accuracy, and which classes are taken for which."""

from typing import Any

import numpy as np

from engine.array import Array


def accuracy(predictions: Any, targets: Any) -> float:
    """The share of samples whose class is predicted.

    A prediction is one score, a logit, positive for the class of label 1 and not for that of 0 or
    -1; or a list of logits, whose largest is at the label. ValueError for other labels, for no
    samples and for unequal lengths.

    >>> accuracy([0.3, -2.0, 0.0, 1.5], [1, -1, -1, -1]), accuracy([[0.1, 0.7, 0.2]], [1])
    (0.75, 1.0)
    """
    if not 0 < len(predictions) == len(targets):
        raise ValueError(
            "accuracy takes one target per prediction and at least one, "
            f"got {len(predictions)} predictions and {len(targets)} targets"
        )
    if isinstance(predictions, Array):
        return share_right(predictions.data, np.asarray(targets))
    right = 0
    for prediction, label in zip(predictions, targets, strict=True):
        if hasattr(prediction, "__len__"):
            classes = range(len(prediction))
            right += max(classes, key=prediction.__getitem__) == label
        else:
            classes = range(-1, 2)
            right += (prediction > 0) == (label > 0)
        if label not in classes:
            raise ValueError(
                f"accuracy takes labels from {classes[0]} to {classes[-1]} here, got {label}"
            )
    return right / len(predictions)


def share_right(predictions: np.ndarray, labels: np.ndarray) -> float:
    """`accuracy` of arrays: of scores `(samples,)` or `(samples, 1)`, or logits `(samples, k)`."""
    scores = predictions.ndim == 1 or predictions.shape[1] == 1
    low, high = (-1, 1) if scores else (0, predictions.shape[1] - 1)
    check_labels("accuracy", labels, low, high)
    if scores:
        return float(np.mean((predictions.ravel() > 0) == (labels > 0)))
    return float(np.mean(predictions.argmax(axis=1) == labels))


def confusion_matrix(predictions: Any, targets: Any) -> np.ndarray:
    """How often each class, a row, was taken for each, a column: `(classes, classes)`, of ints.

    Predictions are logits of shape `(samples, classes)`, targets class indices. ValueError for
    other shapes and labels.

    >>> confusion_matrix(np.array([[2.0, 1.0], [0.0, 3.0], [0.5, 0.7]]), [0, 1, 0])
    array([[1, 1],
           [0, 1]])
    """
    logits = predictions.data if isinstance(predictions, Array) else np.asarray(predictions)
    labels = np.asarray(targets)
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(
            "confusion_matrix takes logits of shape (samples, classes) and labels of shape "
            f"(samples,), got {logits.shape} and {labels.shape}"
        )
    classes = logits.shape[1]
    check_labels("confusion_matrix", labels, 0, classes - 1)
    counts = np.zeros((classes, classes), int)
    np.add.at(counts, (labels, logits.argmax(axis=1)), 1)
    return counts


def check_labels(name: str, labels: np.ndarray, low: int, high: int) -> None:
    """ValueError that names the first label out of range."""
    bad = np.flatnonzero((labels < low) | (labels > high))
    if len(bad):
        label = labels[bad[0]].item()
        raise ValueError(f"{name} takes labels from {low} to {high} here, got {label}")
