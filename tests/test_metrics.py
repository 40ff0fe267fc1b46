"""Accuracy and confusion matrix, of lists, Values and Arrays, against their definitions."""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Array, Value
from nn import MLP, Module, accuracy, confusion_matrix, fit, losses, vector

# Few different numbers make ties and zeros common.
scores = st.sampled_from([-2.0, -0.5, -0.0, 0.0, 1e-30, 0.5, 3.0])
samples = st.integers(1, 8)


@st.composite
def logits_and_labels(draw):
    m, k = draw(samples), draw(st.integers(2, 4))
    rows = draw(st.lists(st.lists(scores, min_size=k, max_size=k), min_size=m, max_size=m))
    return rows, draw(st.lists(st.integers(0, k - 1), min_size=m, max_size=m))


def first_largest(row):
    return min(i for i, x in enumerate(row) if x == max(row))


@given(st.data(), samples, st.sampled_from([[0, 1], [-1, 1]]))
def test_the_sign_of_a_score_decides(data, m, classes):
    """0 is the lower class. Lists, Values and arrays of one or two axes agree."""
    row = data.draw(st.lists(scores, min_size=m, max_size=m), label="scores")
    labels = data.draw(st.lists(st.sampled_from(classes), min_size=m, max_size=m), label="labels")
    want = sum((score > 0) == (label == 1) for score, label in zip(row, labels, strict=True)) / m
    column = np.array(row)[:, None]
    y = np.array(labels)
    for predictions in (
        row, tuple(map(Value, row)), np.array(row), Array(row), column, column.tolist(),
        Array(column), Array(column.astype(np.float32) * 2.0),
    ):  # fmt: skip
        assert accuracy(predictions, labels) == want
        assert accuracy(predictions, y.astype(float)) == want
    assert accuracy(Array(column), y[:, None]) == want


@given(logits_and_labels())
def test_the_first_largest_logit_decides(case):
    """Accuracy and confusion matrix agree, for lists, Values and arrays."""
    rows, labels = case
    predicted = [first_largest(row) for row in rows]
    want = sum(p == label for p, label in zip(predicted, labels, strict=True)) / len(rows)
    counts = [[0] * len(rows[0]) for _ in rows[0]]
    for label, prediction in zip(labels, predicted, strict=True):
        counts[label][prediction] += 1
    values = [list(map(Value, row)) for row in rows]
    for predictions in (rows, values, np.array(rows), Array(rows), Array(np.float32(rows))):
        for y in (labels, np.array(labels, np.uint8), np.array(labels, float)):
            assert accuracy(predictions, y) == want
            matrix = confusion_matrix(predictions, y)
            assert matrix.tolist() == counts
    assert matrix.dtype.kind == "i"
    assert matrix.trace() / matrix.sum() == pytest.approx(want, rel=1e-15)


@pytest.mark.parametrize("ignored", [None, -1, 0])
@pytest.mark.parametrize("classes", [1, 2, 3])
@pytest.mark.parametrize(
    "make_targets",
    {
        "labels": lambda rng, n, c: rng.integers(-1, c + 1, n),
        "one-hot rows": lambda rng, n, c: np.eye(c)[rng.integers(0, c, n)],
        "rows of -1 and 1": lambda rng, n, c: 2.0 * np.eye(c)[rng.integers(0, c, n)] - 1.0,
        "any rows": lambda rng, n, c: rng.integers(0, 2, (n, c)),
    }.values(),
)
def test_lists_and_arrays_have_one_accuracy(make_targets, classes, ignored):
    """Or the same type of error."""

    def attempt(*pair):
        try:
            return accuracy(*pair, ignore_index=ignored)
        except (ValueError, TypeError) as problem:
            return type(problem)

    rng = np.random.default_rng(0)
    for _ in range(20):
        n = int(rng.integers(1, 4))
        predictions = rng.integers(-2, 3, (n, classes)).astype(float)
        targets = make_targets(rng, n, classes)
        of_lists = attempt(predictions.tolist(), targets.tolist())
        assert of_lists == attempt(predictions, targets), (predictions, targets)


def test_labels_of_true_and_false_are_numbers():
    predictions = np.array([[2.0, 1.0], [0.0, 1.0], [3.0, 0.0]])
    assert accuracy(Array(predictions), np.array([False, True, True])) == pytest.approx(2 / 3)
    assert confusion_matrix(predictions, [False, True, True]).tolist() == [[1, 0], [1, 1]]
    assert accuracy(Array([1.0, -1.0]), np.array([True, True])) == 0.5


@pytest.mark.parametrize(
    ("predictions", "labels"),
    [
        ((3, 3), (3, 1)),  # these would broadcast to (3, 3)
        ((3,), (3, 1)),
        ((3, 1), (1, 3)),
        ((3, 1), (1,)),
        ((3,), (1,)),
        ((3, 1), (2,)),
        ((3, 2), (2,)),
        ((3, 2), ()),
        ((), ()),
        ((), (1,)),
        ((3, 2, 2), (3,)),
        ((3, 1, 1), (3,)),
        ((0,), (0,)),
        ((0, 2), (0,)),
        ((3, 0), (3,)),
    ],
)
@pytest.mark.parametrize("payload", [Array, np.asarray], ids=["Array", "ndarray"])
def test_shapes_are_never_broadcast(payload, predictions, labels):
    with pytest.raises(ValueError, match="accuracy expects predictions") as raised:
        accuracy(payload(np.ones(predictions)), np.ones(labels, int))
    assert str(raised.value) == (
        "accuracy expects predictions of shape (samples,), (samples, 1) or (samples, classes) "
        f"and labels of shape (samples,), at least one, got {predictions} and {labels}"
    )


@pytest.mark.parametrize("labels", [(3, 1), (2,), (1,), (1, 3), ()])
@pytest.mark.parametrize("predictions", [(3, 2), (3,), (3, 1, 2)])
def test_confusion_matrix_expects_one_label_per_row_of_logits(predictions, labels):
    with pytest.raises(ValueError, match="expects logits") as raised:
        confusion_matrix(np.ones(predictions), np.ones(labels, int))
    assert str(raised.value) == (
        "confusion_matrix expects logits of shape (samples, classes) and labels of shape (samples,), "
        f"got {predictions} and {labels}"
    )


@pytest.mark.parametrize(
    ("predictions", "labels", "message"),
    [
        ([1.0, 2.0], [1, 2], "0 and 1, or -1 and 1, for one score per sample, got 2"),
        ([1.0, 2.0], [-2, 1], "0 and 1, or -1 and 1, for one score per sample, got -2"),
        ([1.0, 2.0], [1, 0.5], "0 and 1, or -1 and 1, for one score per sample, got 0.5"),
        ([[1.0, 2.0]] * 2, [0, 2], "from 0 to 1, got 2"),
        ([[1.0, 2.0]] * 2, [-1, 2], "from 0 to 1, got -1; ignore_index=-1 leaves such samples out"),
        ([[1.0, 2.0]] * 2, [0.5, 1], "from 0 to 1, got 0.5"),
        ([[1.0, 2.0]] * 2, [0.0, float("nan")], "from 0 to 1, got nan"),
        ([[1.0, 2.0]] * 2, [0.0, float("inf")], "from 0 to 1, got inf"),
    ],
)
def test_labels_that_are_not_classes(predictions, labels, message):
    """The message names the first one, with the same words for lists and arrays."""
    for metric in (accuracy, confusion_matrix):
        for form in (list, np.array, Array):
            if metric is confusion_matrix and np.ndim(predictions) == 1:
                continue
            with pytest.raises(ValueError, match="expects labels") as raised:
                metric(form(predictions), labels)
            assert str(raised.value) == f"{metric.__name__} expects labels {message}"


PAYLOADS = {
    "lists": lambda rows: rows,
    "Values": lambda rows: [list(map(Value, row)) for row in rows],
    "ndarray": np.array,
    "Array": Array,
}
LOGIT_ROWS = [[2.0, 1.0, 0.0], [0.0, 1.0, 3.0], [0.0, 3.0, 0.0], [4.0, 0.0, 0.0]]  # 0, 2, 1, 0


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_rows_of_targets_count_by_their_largest_entry(payload):
    """Probabilities, one-hot rows of 0 and 1, and of -1 and 1; a tie counts for the first."""
    predictions, labels = payload(LOGIT_ROWS), [0, 2, 0, 1]
    one_hot = np.eye(3)[labels]
    soft = [[0.6, 0.3, 0.1], [0.2, 0.3, 0.5], [0.5, 0.5, 0.0], [0.1, 0.8, 0.1]]
    for rows in (one_hot, one_hot.astype(int), one_hot.astype(bool), 2.0 * one_hot - 1.0, soft):
        for form in (np.array, Array, lambda rows: np.array(rows).tolist()):
            assert accuracy(predictions, form(rows)) == 0.5
            matrix = confusion_matrix(predictions, form(rows))
            assert matrix.tolist() == confusion_matrix(predictions, labels).tolist()


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
@pytest.mark.parametrize("row", [[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [1.5, -0.5, 0.0], [-1, -1, -1]])
def test_rows_that_are_not_probabilities(payload, row):
    """Several labels of one sample have no largest entry."""
    for metric in (accuracy, confusion_matrix):
        with pytest.raises(
            ValueError, match=r"one-hot row, got .* for sample 1; for several labels"
        ):
            metric(payload(LOGIT_ROWS), [[1, 0, 0], row, row, [0, 0, 1]])


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_ignored_labels_are_left_out(payload):
    predictions = payload(LOGIT_ROWS)
    for ignored in (-100, 1):
        labels = [0, ignored, 2, ignored]
        assert accuracy(predictions, labels, ignore_index=ignored) == 0.5
        matrix = confusion_matrix(predictions, labels, ignore_index=ignored)
        assert matrix.tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 0]]
    with pytest.raises(ValueError, match="at least one label that is not ignored"):
        accuracy(predictions, [7] * 4, ignore_index=7)
    with pytest.raises(ValueError, match="from 0 to 2, got -100; ignore_index=-100 leaves"):
        accuracy(predictions, [0, -100, 2, 1])


@pytest.mark.parametrize("form", [list, np.array, Array])
def test_labels_that_contain_both_minus_one_and_zero(form):
    """-1 and 0 both stand for the lower of two classes."""
    with pytest.raises(
        ValueError, match=r"got both -1 and 0, .*number three classes from 0, as y \+ 1"
    ):
        accuracy(form([1.0, -1.0, 2.0]), [-1, 0, 1])
    assert accuracy(form([1.0, -1.0, 2.0]), [1, 0, 0]) == pytest.approx(2 / 3)


@pytest.mark.parametrize("batch_size", [None, 1])
@pytest.mark.parametrize("kind", [MLP, vector.MLP])
def test_fit_accepts_the_targets_of_its_losses(kind, batch_size):
    """Class probabilities, one-hot rows of mse, and ignored labels."""
    X, labels = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, -1.0]]), np.array([0, 1, 0, 1])
    ignored = functools.partial(losses.cross_entropy, ignore_index=-100)
    for loss, y, size in [
        ("cross_entropy", labels, batch_size),
        ("cross_entropy", 0.8 * np.eye(2)[labels] + 0.1, batch_size),
        ("mse", np.eye(2)[labels], batch_size),
        ("hinge", 2.0 * np.eye(2)[labels] - 1.0, batch_size),
        (ignored, np.array([0, -100, -100, 1]), None),  # a batch needs a label
    ]:
        model = kind(2, [2], rng=0)
        settings = {"metric": "accuracy", "epochs": 1, "lr": 1e-9, "batch_size": size}
        (record,) = fit(model, X, y, loss=loss, validation=(X, y), **settings)
        scores, used = model.predict(X), [0, 3] if loss is ignored else [0, 1, 2, 3]
        want = (scores.argmax(axis=1) == labels)[used].mean()
        assert record.metric == record.validation_metric == want
    with pytest.raises(ValueError, match="got both -1 and 0"):
        fit(kind(2, [1], rng=0), X, [-1, 0, 1, 1], loss="mse", metric="accuracy", epochs=1)


def test_one_label_per_prediction_in_lists():
    with pytest.raises(ValueError, match="got 2 predictions and 1 target"):
        accuracy([1.0, 2.0], [1])
    with pytest.raises(ValueError, match="got 0 predictions and 0 targets"):
        accuracy([], [])
    with pytest.raises(ValueError, match=r"got \[1\]"):
        accuracy([1.0, 2.0], [[1], [1]])


def test_a_threshold_is_where_the_classes_part():
    for predictions in ([0.2, 0.5, 0.6], Array([0.2, 0.5, 0.6]), np.array([[0.2], [0.5], [0.6]])):
        assert accuracy(predictions, [0, 0, 1], threshold=0.5) == 1.0
        assert accuracy(predictions, [0, 0, 1]) == pytest.approx(1 / 3)


class Fixed(Module):
    """A model whose predictions near 0 and 1, or -1 and 1, are right by the midpoint."""

    def __init__(self, scores, array):
        self.w = Array([1.0]) if array else Value(1.0)
        self.scores, self.array = scores, array

    def __call__(self, x):
        if self.array:
            return Array(np.array(self.scores)[np.asarray(x, int).ravel()]) * self.w
        return self.w * self.scores[int(x[0])]


own_loss = lambda p, y: losses.mse(p, y)
X = [[0.0], [1.0], [2.0], [3.0]]
NEAR_01, NEAR_SIGNS, LOGITS = [0.1, 0.4, 0.6, 0.9], [-0.9, -0.1, 0.2, 0.9], [-3.0, -1e-3, 0.3, 9.0]


@pytest.mark.parametrize("array", [False, True])
@pytest.mark.parametrize("metric", ["accuracy", accuracy])
@pytest.mark.parametrize(
    ("loss", "scores", "labels"),
    [
        ("mse", NEAR_01, [0, 0, 1, 1]),
        ("mse", NEAR_01, [False, False, True, True]),
        ("mae", NEAR_SIGNS, [-1, -1, 1, 1]),
        (functools.partial(losses.huber, delta=2.0), NEAR_01, [0, 0, 1, 1]),
        ("binary_cross_entropy", LOGITS, [0, 0, 1, 1]),
        ("hinge", NEAR_SIGNS, [-1, -1, 1, 1]),
        (own_loss, NEAR_SIGNS, [-1, -1, 1, 1]),
    ],
)
def test_fit_chooses_the_threshold(loss, scores, labels, metric, array):
    """A batch of a single sample has one label only."""
    for size in (None, 1):
        settings = {"batch_size": size, "lr": 1e-9, "epochs": 1, "validation": (X, labels)}
        (record,) = fit(Fixed(scores, array), X, labels, loss=loss, metric=metric, **settings)
        assert record.metric == record.validation_metric == 1.0


@pytest.mark.parametrize("array", [False, True])
def test_fit_asks_for_the_threshold_of_a_loss_of_the_users(array):
    model = Fixed(NEAR_01, array)
    with pytest.raises(ValueError, match=r"nn.accuracy\(p, y, threshold=0.0\) for logits"):
        next(fit(model, X, [0, 0, 1, 1], loss=own_loss, metric="accuracy", epochs=1))
    metric = lambda p, y: accuracy(p, y, threshold=0.5)
    assert next(fit(model, X, [0, 0, 1, 1], loss=own_loss, metric=metric, epochs=1)).metric == 1.0
    model = vector.MLP(1, [2], rng=0) if array else MLP(1, [2], rng=0)
    smoothed = lambda p, y: losses.cross_entropy(p, y, smoothing=0.1)
    next(fit(model, X, [0, 0, 1, 1], loss=smoothed, metric="accuracy", epochs=1))
