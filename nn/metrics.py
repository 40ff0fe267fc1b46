"""Metrics of classification: accuracy and the confusion matrix."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from engine.functions import is_array
from engine.node import Node
from engine.support.lazy import numpy_for
from engine.value import Value, as_float
from nn import other_names
from nn.arguments import check_finite, check_unmasked, format_count, to_list
from nn.keywords import answer_keywords

if TYPE_CHECKING:
    import numpy as np

    from engine import Array

__all__ = ["accuracy", "confusion_matrix"]


@answer_keywords
def accuracy(
    predictions: "Array | np.ndarray | Sequence[Any]",
    targets: "Array | np.ndarray | Sequence[Any]",
    *,
    threshold: float = 0.0,
) -> float:
    """Return the share of samples whose class is predicted correctly.

    predictions  one score per sample, which is above the threshold for the class of label 1 and not
                 above it for that of label 0 or -1; or a list of logits per sample, of which the
                 largest is at the label. Scores in an array have shape `(samples,)` or
                 `(samples, 1)`, logits have shape `(samples, classes)`.
    targets      the labels
    threshold    0 for logits and for scores of labels -1 and 1; 0.5 for probabilities and for
                 predictions of a regression on labels 0 and 1

    `fit` chooses the threshold by its loss and targets. Shapes are not broadcast. Raises ValueError
    for other labels, for no samples, for unequal lengths and for a threshold that is not a number.

    >>> accuracy([0.3, -2.0, 0.0, 1.5], [1, -1, -1, -1]), accuracy([[0.1, 0.7, 0.2]], [1])
    (0.75, 1.0)
    >>> accuracy([0.3, 0.9], [0, 1]), accuracy([0.3, 0.9], [0, 1], threshold=0.5)
    (0.5, 1.0)
    """
    threshold = check_finite("threshold", threshold)
    if is_array(predictions) or hasattr(predictions, "__array__"):
        return _accuracy_of_arrays(_to_array(predictions), _to_labels(targets), threshold)
    predictions = to_list(predictions, "accuracy expects a list of predictions")
    targets = to_list(targets, "accuracy expects a list of targets")
    if not 0 < len(predictions) == len(targets):
        raise ValueError(
            "accuracy expects one target per prediction and at least one, "
            f"got {format_count(len(predictions), 'prediction')} and "
            f"{format_count(len(targets), 'target')}"
        )
    correct = 0
    for prediction, label in zip(predictions, targets, strict=True):
        is_list = hasattr(prediction, "__len__") and not isinstance(prediction, str)
        logits = list(map(_to_number, prediction if is_list else [prediction]))
        if not logits:
            raise ValueError("accuracy expects at least one logit per prediction, got none")
        classes = range(-1, 2) if len(logits) == 1 else range(len(logits))
        if label not in classes:
            raise _label_error("accuracy", label, classes)
        if len(logits) == 1:
            correct += (logits[0] > threshold) == (label > 0)
        else:
            correct += max(classes, key=logits.__getitem__) == label
    return float(correct / len(predictions))


def _accuracy_of_arrays(predictions: "np.ndarray", labels: "np.ndarray", threshold: float) -> float:
    """Return the accuracy. Labels for scores `(samples, 1)` may have that shape, too."""
    shapes = f"{predictions.shape} and {labels.shape}"
    if predictions.shape[1:] == (1,):
        labels = labels[:, 0] if labels.shape == predictions.shape else labels
        predictions = predictions[:, 0]
    fits = predictions.ndim in (1, 2) and labels.shape == predictions.shape[:1]
    if not (fits and predictions.size):
        raise ValueError(
            "accuracy expects predictions of shape (samples,), (samples, 1) or (samples, classes) "
            f"and labels of shape (samples,), at least one, got {shapes}"
        )
    if predictions.ndim == 1:
        _check_labels("accuracy", labels, range(-1, 2))
        return float(((predictions > threshold) == (labels > 0)).mean())
    _check_labels("accuracy", labels, range(predictions.shape[1]))
    return float((predictions.argmax(axis=1) == labels).mean())


@answer_keywords
def confusion_matrix(
    predictions: "Array | np.ndarray | Sequence[Any]",
    targets: "Array | np.ndarray | Sequence[Any]",
) -> "np.ndarray":
    """Return the number of samples of each class, a row, that were predicted as each, a column.

    Predictions are logits of shape `(samples, classes)`, targets are class indices. The matrix has
    shape `(classes, classes)` and an integer dtype. Raises ValueError for other shapes and labels.

    >>> import numpy as np
    >>> confusion_matrix(np.array([[2.0, 1.0], [0.0, 3.0], [0.5, 0.7]]), [0, 1, 0])
    array([[1, 1],
           [0, 1]])
    """
    np = numpy_for("confusion_matrix")
    logits, labels = _to_array(predictions), _to_labels(targets)
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(
            "confusion_matrix expects logits of shape (samples, classes) and labels of shape "
            f"(samples,), got {logits.shape} and {labels.shape}"
        )
    classes = logits.shape[1]
    _check_labels("confusion_matrix", labels, range(classes))
    counts = np.zeros((classes, classes), int)
    np.add.at(counts, (labels.astype(int), logits.argmax(axis=1)), 1)
    return counts


def _to_number(x: Any) -> float:
    """Return the number in a prediction, which may be a node. Raises TypeError if it has none."""
    try:
        return as_float(x.data if isinstance(x, Node) else x)
    except TypeError:
        raise TypeError(f"accuracy expects predictions that are numbers, got {x!r}") from None


def _to_array(predictions: Any) -> "np.ndarray":
    """Convert predictions to an array. Raises TypeError unless they are real numbers."""
    if is_array(predictions):
        return predictions.data
    import numpy as np

    try:
        array = np.asarray(check_unmasked(predictions))
    except ValueError:
        raise TypeError("predictions must be numbers, in lists of equal lengths") from None
    if array.dtype.kind == "O":  # Values, or other objects
        array = np.array([_data_of(x) for x in array.flat]).reshape(array.shape)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"predictions must be real numbers, got an array of {array.dtype}")
    return array


def _data_of(x: Any) -> float:
    if isinstance(x, Value):
        return x.data
    raise TypeError(f"predictions must be numbers, got {x!r}; pass an array or a list of lists")


def _to_labels(targets: Any) -> "np.ndarray":
    """Convert targets to an array. Raises TypeError for lists of unequal lengths."""
    import numpy as np

    try:
        return targets.data if is_array(targets) else np.asarray(check_unmasked(targets))
    except ValueError:
        raise TypeError("targets must be one label per sample, got nested lists") from None


def _check_labels(name: str, labels: "np.ndarray", classes: range) -> None:
    """Raise ValueError with the first label that is not a class."""
    import numpy as np

    bad = np.flatnonzero(~np.isin(labels, classes))
    if len(bad):
        raise _label_error(name, labels.flat[bad[:1]].tolist()[0], classes)


def _label_error(name: str, label: Any, classes: range) -> ValueError:
    if classes.start < 0:
        return ValueError(
            f"{name} expects labels 0 and 1, or -1 and 1, for one score per sample, got {label!r}"
        )
    return ValueError(f"{name} expects labels from 0 to {classes.stop - 1}, got {label!r}")


__getattr__ = other_names.answer_names(__name__, other_names.METRICS)


def __dir__() -> list[str]:
    return __all__
