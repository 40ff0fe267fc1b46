"""Metrics of classification: accuracy and the confusion matrix."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from engine.functions import is_array
from engine.node import Node
from engine.support.arguments import is_bool, is_real
from engine.support.lazy import numpy_for
from engine.value import Value, as_float
from nn import other_names
from nn.arguments import check_finite, check_unmasked, format_count, is_row, to_list
from nn.cross_entropy import are_probabilities, check_ignore_index
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
    ignore_index: int | None = None,
) -> float:
    """Return the share of samples whose class is predicted correctly.

    predictions  one score per sample, which is above the threshold for the class of label 1 and not
                 above it for that of label 0 or -1; or a list of logits per sample, of which the
                 largest is at the label. Scores in an array have shape `(samples,)` or
                 `(samples, 1)`, logits have shape `(samples, classes)`.
    targets      one label per sample, or class probabilities or one-hot rows in the shape of the
                 logits; the label is the index of the largest entry, the first one at a tie
    threshold    0 for logits and for scores of labels -1 and 1; 0.5 for probabilities and for
                 predictions of a regression on labels 0 and 1
    ignore_index a label whose samples are left out, as in `losses.cross_entropy`

    `fit` chooses the threshold and `ignore_index` by its loss and targets. Shapes are not
    broadcast. Raises ValueError for other labels, for both -1 and 0 among the labels of single
    scores, for rows that are not class probabilities, for no samples, for unequal lengths and for a
    threshold that is not a number.

    >>> accuracy([0.3, -2.0, 0.0, 1.5], [1, -1, -1, -1]), accuracy([[0.1, 0.7, 0.2]], [1])
    (0.75, 1.0)
    >>> accuracy([0.3, 0.9], [0, 1]), accuracy([0.3, 0.9], [0, 1], threshold=0.5)
    (0.5, 1.0)
    >>> accuracy([[0.1, 0.7], [0.4, 0.2]], [[0.0, 1.0], [0.4, 0.6]])
    0.5
    """
    threshold = check_finite("threshold", threshold)
    check_ignore_index(ignore_index)
    if is_array(predictions) or hasattr(predictions, "__array__"):
        arrays = _to_array(predictions), _to_labels(targets)
        return _accuracy_of_arrays(*arrays, threshold, ignore_index)
    predictions = to_list(predictions, "accuracy expects a list of predictions")
    targets = targets.data if is_array(targets) else targets
    targets = to_list(targets, "accuracy expects a list of targets")
    if not 0 < len(predictions) == len(targets):
        raise ValueError(
            "accuracy expects one target per prediction and at least one, "
            f"got {format_count(len(predictions), 'prediction')} and "
            f"{format_count(len(targets), 'target')}"
        )
    outcomes, score_labels = [], []
    for i, (prediction, label) in enumerate(zip(predictions, targets, strict=True)):
        is_list = hasattr(prediction, "__len__") and not isinstance(prediction, str)
        logits = list(map(_to_number, prediction if is_list else [prediction]))
        if not logits:
            raise ValueError("accuracy expects at least one logit per prediction, got none")
        classes = range(-1, 2) if len(logits) == 1 else range(len(logits))
        if is_list and is_row(label):
            is_column = len(logits) == len(label) == 1
            label = label[0] if is_column else _label_of_row("accuracy", label, len(logits), i)
        if ignore_index is not None and not is_row(label) and label == ignore_index:
            continue
        if label not in classes:
            raise _label_error("accuracy", label, classes)
        if len(logits) == 1:
            score_labels.append(label)
            outcomes.append((logits[0] > threshold) == (label > 0))
        else:
            outcomes.append(max(classes, key=logits.__getitem__) == label)
    check_signs("accuracy", score_labels)
    _check_any("accuracy", len(outcomes))
    return float(sum(outcomes) / len(outcomes))


def _accuracy_of_arrays(
    predictions: "np.ndarray", labels: "np.ndarray", threshold: float, ignore_index: int | None
) -> float:
    """Return the accuracy. Labels for scores `(samples, 1)` may have that shape, too."""
    shapes = f"{predictions.shape} and {labels.shape}"
    if predictions.shape[1:] == (1,):
        labels = labels[:, 0] if labels.shape == predictions.shape else labels
        predictions = predictions[:, 0]
    labels = _labels_of_rows("accuracy", predictions, labels)
    fits = predictions.ndim in (1, 2) and labels.shape == predictions.shape[:1]
    if not (fits and predictions.size):
        raise ValueError(
            "accuracy expects predictions of shape (samples,), (samples, 1) or (samples, classes) "
            f"and labels of shape (samples,), at least one, got {shapes}"
        )
    predictions, labels = _without_ignored("accuracy", predictions, labels, ignore_index)
    if predictions.ndim == 1:
        _check_labels("accuracy", labels, range(-1, 2))
        check_signs("accuracy", labels)
        return float(((predictions > threshold) == (labels > 0)).mean())
    _check_labels("accuracy", labels, range(predictions.shape[1]))
    return float((predictions.argmax(axis=1) == labels).mean())


@answer_keywords
def confusion_matrix(
    predictions: "Array | np.ndarray | Sequence[Any]",
    targets: "Array | np.ndarray | Sequence[Any]",
    *,
    ignore_index: int | None = None,
) -> "np.ndarray":
    """Return the number of samples of each class, a row, that were predicted as each, a column.

    Predictions are logits of shape `(samples, classes)`. Targets and `ignore_index` are those of
    `accuracy`. The matrix has shape `(classes, classes)` and an integer dtype. Raises ValueError
    for other shapes and labels.

    >>> import numpy as np
    >>> confusion_matrix(np.array([[2.0, 1.0], [0.0, 3.0], [0.5, 0.7]]), [0, 1, 0])
    array([[1, 1],
           [0, 1]])
    """
    np = numpy_for("confusion_matrix")
    check_ignore_index(ignore_index)
    logits, labels = _to_array(predictions), _to_labels(targets)
    labels = _labels_of_rows("confusion_matrix", logits, labels)
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ValueError(
            "confusion_matrix expects logits of shape (samples, classes) and labels of shape "
            f"(samples,), got {logits.shape} and {labels.shape}"
        )
    classes = logits.shape[1]
    logits, labels = _without_ignored("confusion_matrix", logits, labels, ignore_index)
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


def _labels_of_rows(name: str, logits: "np.ndarray", targets: "np.ndarray") -> "np.ndarray":
    """Return the labels of class probabilities or one-hot rows; labels are returned unchanged."""
    if targets.ndim != 2 or targets.shape != logits.shape or not targets.size:
        return targets
    import numpy as np

    valid = np.zeros(len(targets), bool)
    if targets.dtype.kind in "fiub":
        targets = targets.astype(float)
        has_signs = (abs(targets) == 1.0).all(axis=1) & (targets < 0.0).any(axis=1)
        probabilities = np.where(has_signs[:, None], (targets + 1.0) / 2.0, targets)
        valid = are_probabilities(probabilities.min(axis=1), probabilities.sum(axis=1))
    if not valid.all():
        i = int(valid.argmin())
        raise _row_error(name, targets[i].tolist(), i)
    return probabilities.argmax(axis=1)


def _label_of_row(name: str, row: Any, classes: int, sample: int) -> int:
    """Return the index of the largest of a sample's class probabilities.

    The entries of a one-hot row may be -1 and 1, as for the hinge loss. Raises ValueError for
    anything else, such as several labels of one sample.
    """
    numbers = [x.data if isinstance(x, Node) else x for x in row]
    if len(numbers) == classes and all(is_real(x) or is_bool(x) for x in numbers):
        has_signs = {*numbers} == {-1, 1}
        probabilities = [(x + 1.0) / 2.0 for x in numbers] if has_signs else numbers
        if are_probabilities(min(probabilities), sum(probabilities)):
            return max(range(classes), key=probabilities.__getitem__)
    raise _row_error(name, list(row), sample)


def _row_error(name: str, row: list[Any], sample: int) -> ValueError:
    return ValueError(
        f"{name} expects a label, class probabilities whose sum is 1, or a one-hot row, got {row} "
        f"for sample {sample}; for several labels per sample, write a metric such as "
        "lambda p, y: ((p.data > 0) == (y > 0)).mean()"
    )


def _without_ignored(
    name: str, predictions: "np.ndarray", labels: "np.ndarray", ignore_index: int | None
) -> "tuple[np.ndarray, np.ndarray]":
    """Return predictions and labels without the samples of the ignored label."""
    if ignore_index is None:
        return predictions, labels
    kept = labels != ignore_index
    _check_any(name, int(kept.sum()))
    return predictions[kept], labels[kept]


def _check_any(name: str, count: int) -> None:
    """Raise ValueError if all labels were ignored."""
    if not count:
        raise ValueError(f"{name} expects at least one label that is not ignored, got none")


def check_signs(name: str, labels: "Collection[Any]") -> None:
    """Raise ValueError if -1 and 0 are both labels: each denotes the lower of two classes."""
    if -1 in labels and 0 in labels:
        raise ValueError(
            f"{name} expects labels 0 and 1, or -1 and 1, for one score per sample, got both -1 "
            "and 0, which both denote the lower class; number three classes from 0, as y + 1 "
            "does, and give the model one output per class"
        )


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
    is_negative = isinstance(label, int) and label < 0
    remedy = f"; ignore_index={label} leaves such samples out" if is_negative else ""
    return ValueError(f"{name} expects labels from 0 to {classes.stop - 1}, got {label!r}{remedy}")


__getattr__ = other_names.answer_names(__name__, other_names.METRICS)


def __dir__() -> list[str]:
    return __all__
