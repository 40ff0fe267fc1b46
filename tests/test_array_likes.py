"""Arrays of other libraries: anything that NumPy converts to an array is accepted as an array."""

import numpy as np
import pytest

from engine import Array, Table, Value, grad, jit, value_and_grad
from engine.functions import is_array
from nn import MLP, accuracy, confusion_matrix, diagnose, fit, vector
from nn.batches import batches, split
from nn.losses import LOSSES

CLASSES = np.array([0, 1, 1])
SCORES = np.array([[0.5, -1.0], [0.25, 2.0], [-3.0, 1.0]])
PROBABILITIES = np.array([[0.5, 0.5], [1.0, 0.0], [0.25, 0.75]])


class Frame:
    """An object like those of pandas: an index is a name, and it iterates over names."""

    def __init__(self, numbers):
        self.numbers = np.asarray(numbers)
        self.shape, self.ndim, self.dtype = (
            self.numbers.shape,
            self.numbers.ndim,
            self.numbers.dtype,
        )

    def __array__(self, dtype=None, copy=None):
        return np.array(self.numbers, dtype)

    def __iter__(self):
        return iter("abc")

    def __getitem__(self, index):
        raise KeyError(index)

    def __len__(self):
        return len(self.numbers)


class Categories:
    """An object with nothing but a conversion, a length and a dtype that NumPy does not know."""

    dtype = "category"

    def __init__(self, numbers):
        self.numbers = np.asarray(numbers)

    def __array__(self, dtype=None, copy=None):
        return np.array(self.numbers, dtype)


def predictions(payload, columns):
    """Return predictions as an Array, or as Values, or lists of two."""
    data = SCORES if columns == 2 else SCORES[:, 0]
    if payload is Array:
        return Array(data)
    return [list(map(Value, row)) if columns == 2 else Value(row) for row in data.tolist()]


def numbers(loss):
    return loss.data if is_array(loss) else [x.data for x in loss]


@pytest.mark.parametrize("kind", [Frame, Categories])
@pytest.mark.parametrize("payload", [Array, Value])
@pytest.mark.parametrize("name", sorted(LOSSES))
def test_targets_of_every_loss(name, payload, kind):
    loss, columns = LOSSES[name], 2 if name == "cross_entropy" else 1
    targets = (
        [CLASSES, PROBABILITIES]
        if columns == 2
        else [2 * CLASSES - 1 if name == "hinge" else CLASSES]
    )
    for y in targets:
        p = predictions(payload, columns)
        got, want = (loss(p, labels, reduction="none") for labels in (kind(y), y))
        np.testing.assert_array_equal(numbers(got), numbers(want))


@pytest.mark.parametrize("payload", [Array, Value])
def test_targets_of_several_outputs(payload):
    p = predictions(payload, 2)
    assert LOSSES["mse"](p, Frame(PROBABILITIES)).data == LOSSES["mse"](p, PROBABILITIES).data


@pytest.mark.parametrize("kind", [Frame, Categories])
def test_metrics(kind):
    for p in (predictions(Array, 2), predictions(Value, 2), kind(SCORES)):
        assert accuracy(p, kind(CLASSES)) == accuracy(p, CLASSES)
        np.testing.assert_array_equal(
            confusion_matrix(p, kind(CLASSES)), confusion_matrix(SCORES, CLASSES)
        )
    assert accuracy(kind(SCORES[:, 0]), kind(CLASSES)) == accuracy(SCORES[:, 0], CLASSES)


@pytest.mark.parametrize("kind", [vector.MLP, MLP])
def test_samples(kind):
    weights = []
    for wrap in (Frame, lambda x: x):
        model = kind(2, [2], rng=0)
        fit(model, wrap(SCORES), wrap(CLASSES), loss="cross_entropy", epochs=2, rng=0).run()
        weights.append([p.data for p in model.parameters()])
        np.testing.assert_array_equal(model.predict(wrap(SCORES)), model.predict(SCORES))
    assert all(map(np.array_equal, *weights))


def test_indices_of_an_embedding():
    layer = vector.Embedding(3, 2, rng=0)
    np.testing.assert_array_equal(layer(Frame([2, 0])).data, layer([2, 0]).data)


def test_arguments_of_a_differentiated_function():
    for dtype in (np.float32, np.float64):
        x = np.array([1.0, 3.0], dtype)
        for f in (
            lambda a: (a * a).sum(),
            lambda a, x=x: (a * Frame(x)).sum(),
            lambda a, x=x: (a - Frame(x)).square().sum(),
        ):
            got, want = grad(f)(Frame(x)), grad(f)(x)
            assert got.dtype == want.dtype == dtype
            np.testing.assert_array_equal(got, want)
    assert grad(lambda a: (a * Frame([1.0, 3.0])).sum())(2.0) == 4.0
    assert value_and_grad(lambda a, b: (a * b).sum())(2.0, Frame([1.0, 3.0])) == (8.0, 4.0)
    with pytest.raises(
        TypeError, match=r"got a Frame of shape \(2,\); use Array, or make one Value"
    ):
        Value(Frame([1.0, 2.0]))


def test_operators_of_pandas_defer_to_arrays():
    pandas = pytest.importorskip("pandas")
    x, y = Array([1.0, 2.0]), pandas.Series([3.0, 5.0])
    out = y - x
    assert type(out) is Array
    out.sum().backward()
    np.testing.assert_array_equal(out.data, [2.0, 3.0])
    np.testing.assert_array_equal(x.grad, [-1.0, -1.0])
    assert type(pandas.DataFrame({"a": y, "b": y}) * x) is Array
    with pytest.raises(TypeError, match=r"lose the graph .* write np\.asarray\(other\)"):
        pandas.DataFrame({"a": y, "b": y}) @ x
    assert type(np.asarray(y) - x) is Array


# ------------------------------------------------------------------------------- masked arrays


@pytest.mark.parametrize("kind", [vector.MLP, MLP])
def test_masked_samples_are_refused(kind):
    X = np.ma.array(SCORES, mask=[[0, 1], [0, 0], [0, 1]])
    y, model = np.ma.array(CLASSES, mask=[0, 0, 1]), kind(2, [2], rng=0)
    with pytest.raises(
        TypeError, match="a masked array m with 2 masked elements; fill them with m"
    ):
        fit(model, X, CLASSES, loss="cross_entropy", epochs=1)
    for f in (
        lambda: fit(model, SCORES, y, loss="cross_entropy", epochs=1), lambda: model.predict(X),
        lambda: fit(model, SCORES, CLASSES, loss="mse", epochs=1, validation=(X, CLASSES)),
        lambda: model(X if kind is vector.MLP else X[0]), lambda: batches(X, CLASSES),
        lambda: split(SCORES, y, 0.5), lambda: accuracy(X, CLASSES), lambda: accuracy(SCORES, y),
        lambda: confusion_matrix(SCORES, y), lambda: diagnose(model, SCORES, y),
    ):  # fmt: skip
        with pytest.raises(TypeError, match=r"got a masked array m with \d masked element"):
            f()
    fit(model, np.ma.array(SCORES), np.ma.array(CLASSES), loss="cross_entropy", epochs=1).run()


@pytest.mark.parametrize("payload", [Array, Value])
@pytest.mark.parametrize("name", sorted(LOSSES))
def test_masked_targets_are_refused(name, payload):
    y = np.ma.array(CLASSES if name == "cross_entropy" else np.ones(3), mask=[0, 1, 0])
    with pytest.raises(TypeError, match="a masked array m with 1 masked element"):
        LOSSES[name](predictions(payload, 2 if name == "cross_entropy" else 1), y)
    with pytest.raises(TypeError, match="a masked array m with 1 masked element"):
        LOSSES[name](
            np.ma.array(SCORES, mask=SCORES < -1.0) if name == "cross_entropy" else y, [1, 1, 1]
        )


def test_masked_arguments_of_tapes_are_refused():
    m = np.ma.array([1.0, 2.0], mask=[0, 1])
    for f in (
        lambda: jit(lambda xs: Value(1.0) * xs[0])(m), lambda: Table(m), lambda: Table([m, m]),
        lambda: jit(lambda xs: Value(1.0) * xs[0][0])([m]),
    ):  # fmt: skip
        with pytest.raises(TypeError, match="got a masked array m with 1 masked element"):
            f()


def test_indices_of_take():
    """Objects with a dtype of another library, such as tensors of PyTorch, are indices, too."""
    x = Array([1.0, 2.0, 3.0])
    assert x.take(Categories([2, 0])).data.tolist() == [3.0, 1.0]
