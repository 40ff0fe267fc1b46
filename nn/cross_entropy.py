"""Cross entropy of logits and class indices or probabilities, for Values and for Arrays."""

import math
from collections.abc import Sequence
from operator import index, mul
from typing import TYPE_CHECKING, Any

from engine.functions import dot, is_array
from engine.node import Node
from engine.sequences.rules import CROSS_ENTROPY, UNIFORM_CROSS_ENTROPY
from engine.support.arguments import find_string_remedy, is_bool, is_real
from engine.value import Value, as_nodes
from nn.arguments import check_lengths, check_sequence, is_row, to_list

if TYPE_CHECKING:
    import numpy as np

    from engine.arrays.array import Array

TOLERANCE = 1e-3  # of a sum of probabilities, which may be rounded
GRADIENT_OF_TARGETS = (
    "cross_entropy expects class probabilities that require no gradient; pass targets.detach()"
)


def cross_entropies(
    logits: Any, labels: Any, weight: Any, ignore_index: int | None, smoothing: float
) -> "tuple[list[Value] | Array, float]":
    """Return the loss of each sample, and the number that their mean divides by."""
    check_ignore_index(ignore_index)
    of_payload = cross_entropies_of_array if is_array(logits) else cross_entropies_of_values
    return of_payload(logits, labels, weight, ignore_index, smoothing)


def cross_entropies_of_values(
    logits: Any, labels: Any, weight: Any, ignore_index: int | None, smoothing: float
) -> tuple[list[Value], float]:
    rows = logit_rows(logits)
    labels = to_list(labels, "cross_entropy expects labels, one class index per sample")
    check_lengths("cross_entropy", rows, labels)
    has_rows = is_row(labels[0])
    check_ignored(ignore_index, has_rows)
    losses, sizes = [], []
    for i, (row, label) in enumerate(zip(rows, labels, strict=True)):
        if not row:
            raise ValueError(f"cross_entropy expects at least one logit, got none for sample {i}")
        k = len(row)
        check_classes(k)
        weights = None if weight is None else check_weights(weight, k)
        if has_rows:
            targets = smooth_targets(check_probabilities(label, k, i), weights, smoothing)
            loss, size = expected_cross_entropy(row, targets), 1.0
        elif ignore_index is not None and is_index(label) and label == ignore_index:
            loss, size = row[0].where(False, 0.0), 0.0  # its gradient is 0
        elif is_index(label, k):
            size = 1.0 if weights is None else weights[label]
            loss = cross_entropy_of_label(row, label, weights, smoothing)
        else:
            raise label_error(label, k, i)
        losses.append(loss)
        sizes.append(size)
    return losses, math.fsum(sizes)


def cross_entropy_of_label(
    row: Sequence[Value], label: int, weights: Sequence[float] | None, smoothing: float
) -> Value:
    """Return the loss of one sample."""
    if smoothing and weights is not None:
        one_hot = [float(c == label) for c in range(len(row))]
        return expected_cross_entropy(row, smooth_targets(one_hot, weights, smoothing))
    loss: Value = CROSS_ENTROPY(row[label], (*row[:label], *row[label + 1 :]))
    if smoothing:
        loss = (1.0 - smoothing) * loss + smoothing * UNIFORM_CROSS_ENTROPY(row)
    return loss if weights is None else weights[label] * loss


def expected_cross_entropy(row: Sequence[Value], targets: Sequence[float]) -> Value:
    """Return -Σ target log softmax(row), in which no terms cancel; the targets are 0 or more."""
    classes = [c for c, target in enumerate(targets) if target]
    losses = [CROSS_ENTROPY(row[c], (*row[:c], *row[c + 1 :])) for c in classes]
    return dot([targets[c] for c in classes], losses)


def smooth_targets(
    targets: Sequence[float], weights: Sequence[float] | None, smoothing: float
) -> list[float]:
    """Return the targets of the classes after label smoothing, multiplied by the weights."""
    k = len(targets)
    smoothed = [(1.0 - smoothing) * t + smoothing / k for t in targets]
    return smoothed if weights is None else [*map(mul, weights, smoothed)]


def cross_entropies_of_array(
    Z: Any, labels: Any, weight: Any, ignore_index: int | None, smoothing: float
) -> "tuple[Array, float]":
    import numpy as np

    from engine.arrays import rules
    from engine.arrays.formulas import exact_sum

    targets = labels_to_array(labels)
    check_shapes(Z, targets)
    samples, k = Z.shape
    check_classes(k)
    weights = None if weight is None else np.array(check_weights(weight, k))
    has_rows = targets.ndim == 2
    check_ignored(ignore_index, has_rows)
    used, size, factors = np.array(True), float(samples), None
    if has_rows:
        Y = check_probability_rows(targets)
    else:
        if ignore_index is not None:
            used = targets != ignore_index
        Y = one_hot_labels(targets, used, k)
        if not used.all():
            Z, Y, targets, size = Z[used], Y[used], targets[used], float(used.sum())
        if weights is not None:
            factors = (Y * weights).sum(axis=1).astype(Z.dtype)  # that of the label
            size = exact_sum(factors)
    if has_rows or smoothing:
        Y = (1.0 - smoothing) * Y + smoothing / k
        Y = Y if weights is None else weights * Y
        losses = rules.SOFT_CROSS_ENTROPY(Z, Y=Y)
    else:
        losses = rules.CROSS_ENTROPY(Z, Y=Y)
        losses = losses if factors is None else losses * factors
    if not used.all():
        losses = rules.SCATTER(losses, index=used, shape=(samples,))
    return losses, size


def check_ignore_index(ignore_index: object) -> None:
    """Raise ValueError for an `ignore_index` that is neither an int nor None."""
    if ignore_index is not None and not is_index(ignore_index):
        raise ValueError(f"ignore_index must be an int or None, got {ignore_index!r}")


def check_ignored(ignore_index: int | None, has_rows: bool) -> None:
    """Raise ValueError for an `ignore_index` beside class probabilities."""
    if has_rows and ignore_index is not None:
        raise ValueError(
            f"ignore_index={ignore_index} applies to class indices, got class probabilities; leave "
            "out such samples, or pass labels"
        )


def check_weights(weight: Any, classes: int) -> list[float]:
    """Return the weights of the classes. Raises ValueError for unsuitable ones."""
    weights = list(check_sequence(weight, "weight expects a number for each class"))
    if len(weights) != classes or not all(is_real(w) and 0 <= w < math.inf for w in weights):
        raise ValueError(
            f"weight must have a finite number of 0 or more for each of {classes} classes, "
            f"got {weight!r}"
        )
    return list(map(float, weights))


def check_probabilities(row: Any, classes: int, sample: int) -> list[float]:
    """Return the class probabilities of a sample as floats. Raises ValueError for invalid ones."""
    if not is_row(row) or len(row) != classes:
        is_column = is_row(row) and len(row) == 1
        remedy = "; of a column y, the labels are y[:, 0]" if is_column else ""
        raise ValueError(
            f"cross_entropy expects a probability for each of {classes} classes, got {row!r} for "
            f"sample {sample}{remedy}"
        )
    if any(isinstance(x, Node) and not x.constant for x in row):
        raise TypeError(GRADIENT_OF_TARGETS)
    row = [x.data if isinstance(x, Node) else x for x in row]
    is_valid = all(is_real(x) or is_bool(x) for x in row)
    if not (is_valid and are_probabilities(min(row), sum(row))):
        raise probability_error(row, sample)
    return list(map(float, row))


def are_probabilities(smallest: Any, sums: Any) -> Any:
    """Return whether numbers are probabilities, from the smallest and the sum of each sample."""
    return (smallest >= 0) & (abs(sums - 1) <= TOLERANCE)


def probability_error(row: Any, sample: int) -> ValueError:
    """Return the error for numbers that are not the class probabilities of a sample."""
    return ValueError(
        "cross_entropy expects class probabilities of 0 or more whose sum is 1, "
        f"got {row!r} for sample {sample}{find_string_remedy(row)}"
    )


def logit_rows(logits: Any) -> list[tuple[Value, ...]]:
    """Return the logits of each sample as nodes. Raises TypeError for one number per sample."""
    logits = to_list(logits, "cross_entropy expects a list of logits per sample")
    for row in logits:
        if isinstance(row, Value) or not hasattr(row, "__iter__"):
            raise TypeError(
                "cross_entropy expects a list of logits per sample, got one number; "
                "give the model an output per class, or use binary_cross_entropy"
            )
    return [as_nodes(row) for row in logits]


def labels_to_array(labels: Any) -> "np.ndarray":
    """Return labels or class probabilities as an array. Raises TypeError for other objects."""
    import numpy as np

    from engine.arrays.arguments import as_ndarray

    if is_array(labels):
        if not labels.constant:
            raise TypeError(GRADIENT_OF_TARGETS)
        labels = labels.data
    try:
        array = as_ndarray(labels)
    except ValueError:  # lists of unequal lengths
        array = np.array(None)
    if array.dtype.kind == "O" and not any(isinstance(label, str) for label in array.flat):
        raise TypeError(f"cross_entropy expects labels, one class index per sample, got {labels!r}")
    return array


def check_shapes(logits: "Array", labels: "np.ndarray") -> None:
    """Raise ValueError unless there is a label, or a probability of each class, per sample."""
    if logits.ndim == 2 and logits.size and labels.shape in (logits.shape, logits.shape[:1]):
        return
    is_column = labels.shape == (len(logits.data), 1) if logits.ndim else False
    remedy = "; of a column y, the labels are y[:, 0]" if is_column else ""
    raise ValueError(
        "cross_entropy expects logits of shape (samples, classes) and labels of shape (samples,) "
        f"or (samples, classes), at least one, got {logits.shape} and {labels.shape}{remedy}"
    )


def check_probability_rows(rows: "np.ndarray") -> "np.ndarray":
    """Return class probabilities as float64. Raises ValueError for the first invalid sample."""
    import numpy as np

    valid = np.zeros(len(rows), bool)
    if rows.dtype.kind in "fiub":
        rows = rows.astype(float)
        with np.errstate(invalid="ignore"):
            valid = are_probabilities(rows.min(axis=1), rows.sum(axis=1))
    if not valid.all():
        i = int(valid.argmin())
        raise probability_error(rows[i].tolist(), i)
    return rows


def one_hot_labels(labels: "np.ndarray", used: "np.ndarray", classes: int) -> "np.ndarray":
    """Return an array that is True at the label of each sample.

    Raises ValueError for a label that is used and no class index.
    """
    import numpy as np

    from engine.arrays.rules import one_hot

    valid = np.zeros(len(labels), bool)
    if labels.dtype.kind in "iu":
        valid = (labels >= 0) & (labels < classes) | ~used
    if not valid.all():
        i = int(valid.argmin())
        raise label_error(labels[i], classes, i)
    return one_hot(labels, classes)


def label_error(label: Any, classes: int, sample: int) -> ValueError:
    """Return the error for a label that is not a class index, with a remedy if one is known."""
    label = label.item() if getattr(label, "ndim", 1) == 0 else label  # a number of NumPy
    remedy = find_string_remedy([label])
    if is_row(label):
        remedy = "; pass labels or class probabilities, for all samples"
    elif isinstance(label, float) and label.is_integer() and 0 <= label < classes:
        remedy = "; y.astype(int) converts an array of floats"
    elif isinstance(label, bool):
        remedy = "; y.astype(int) converts an array of bools, int(y) a single one"
    elif isinstance(label, int) and label < -1:  # -1 is probably one of the labels -1 and 1
        remedy = f"; cross_entropy(..., ignore_index={label}) leaves out samples with this label"
    return ValueError(
        f"cross_entropy expects labels from 0 to {classes - 1} (int), "
        f"got {label!r} for sample {sample}{remedy}"
    )


def check_classes(classes: int) -> None:
    """Raise ValueError for a single class: its softmax is 1 and the loss 0 for all weights."""
    if classes == 1:
        raise ValueError(
            "cross_entropy expects one logit per class, got one per sample, for which the loss is "
            "always 0; give the model an output per class, or use binary_cross_entropy"
        )


def is_index(label: object, length: float = math.inf) -> bool:
    """Return whether `label` is an int, of Python or NumPy; from 0 to length - 1 if given."""
    try:
        i = index(label)  # type: ignore[arg-type]
    except TypeError:
        return False
    return not isinstance(label, bool) and (length == math.inf or 0 <= i < length)
