"""Predictions as numbers, and the plot of a boundary."""

import sys

import numpy as np
import pytest

import nn
from engine import Array, Value
from nn import MLP, Module, vector

X, Y = nn.data.moons(12, rng=0)
CASES = [
    (MLP(2, [3, 1], "tanh", rng=0), vector.MLP(2, [3, 1], "tanh", rng=0, dtype="float64")),
    (MLP(2, [3, 4], "tanh", rng=0), vector.MLP(2, [3, 4], "tanh", rng=0, dtype="float64")),
]


@pytest.mark.parametrize("pair", CASES, ids=["1 output", "4 outputs"])
def test_models_of_values_and_arrays_predict_the_same(pair):
    several = pair[0].nout > 1
    for model in pair:
        outputs = model.predict(X)
        assert outputs.shape == ((12, 4) if several else (12,))
        want = [[x.data for x in out] if several else out.data for out in map(pair[0], X)]
        assert outputs == pytest.approx(np.array(want), rel=1e-14)
        shares, classes = (
            model.predict(X.tolist(), "probabilities"),
            model.predict(Array(X), "classes"),
        )
        if several:
            exps = np.exp(want)
            assert shares == pytest.approx(exps / exps.sum(axis=1, keepdims=True), rel=1e-12)
        else:
            assert shares == pytest.approx(1 / (1 + np.exp(-np.array(want))), rel=1e-12)
        assert classes.tolist() == (np.argmax(want, 1) if several else np.greater(want, 0)).tolist()
        assert classes.dtype.kind == "i"
        assert nn.accuracy(outputs, classes) == 1.0


def test_modes_and_gradients_are_left_alone():
    norm, dropout = vector.BatchNorm(3), vector.Dropout(0.5, rng=0)
    model = vector.Sequential(vector.Dense(2, 3, rng=0), norm, dropout, vector.Dense(3, 1, rng=0))
    norm.eval()
    before = model.state_dict()
    state = dropout.rng.bit_generator.state
    first = model.predict(X)
    assert np.array_equal(first, model.predict(X))
    assert (model.training, norm.training, dropout.training) == (True, False, True)
    assert all(np.array_equal(x, before[path]) for path, x in model.state_dict().items())
    assert dropout.rng.bit_generator.state == state
    assert not any(p.grad.any() for p in model.parameters())
    with pytest.raises(ValueError, match="expects shape"):
        model.predict(np.ones((2, 3)))
    assert model.training


def test_one_number_a_sample_and_a_model_of_ones_own():
    class Line(Module):
        def __init__(self):
            self.slope = Value(2.0)

        def __call__(self, x):
            return [self.slope * x]

    assert Line().predict([1.0, -2.0]).tolist() == [2.0, -4.0]
    assert Line().freeze().predict([1.0, -2.0], "classes").tolist() == [1, 0]
    assert vector.MLP(2, [1], rng=0).freeze().predict(X).shape == (12,)


# ----------------------------------------------------------------------------------- the picture


@pytest.fixture
def pyplot(monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


class Halves(Module):
    """A model whose output is the first coordinate, or one for each of three directions."""

    def __init__(self, kind, several):
        self.w, self.several = kind(1.0), several

    def __call__(self, X):
        if isinstance(self.w, Array):
            return (Array(X) if self.several else Array(np.asarray(X)[:, :1])) * self.w
        return [self.w * x for x in X] if self.several else self.w * X[0]


POINTS = [[-1.0, 0.5], [2.0, 0.4], [-0.5, -2.0], [1.0, 1.5]]


@pytest.mark.parametrize("kind", [Value, Array])
@pytest.mark.parametrize(("labels", "threshold"), [([0, 1, 0, 1], 0.5), ([-1, 1, -1, 1], 0.0)])
def test_the_boundary_is_where_the_output_is_the_threshold(pyplot, kind, labels, threshold):
    settings = {"threshold": threshold, "resolution": 12}
    axes = nn.plot_boundary(Halves(kind, several=False), POINTS, labels, **settings)
    line = axes.collections[1].get_paths()[0].vertices
    assert line[:, 0] == pytest.approx(np.full(len(line), threshold))
    assert [c.get_label() for c in axes.collections[2:]] == [f"class {labels[0]}", "class 1"]
    assert np.array_equal(axes.collections[3].get_offsets(), [POINTS[1], POINTS[3]])
    assert axes.get_xlim()[0] < -1.0 < 2.0 < axes.get_xlim()[1]
    assert axes.figure.axes[1].get_ylabel() == "output"


@pytest.mark.parametrize("kind", [Value, Array])
def test_several_classes_part_where_two_outputs_are_equal(pyplot, kind):
    figure, axes = pyplot.subplots()
    returned = nn.plot_boundary(
        Halves(kind, several=True), POINTS, [1, 0, 0, 1], resolution=12, axes=axes
    )
    assert returned is axes
    line = axes.collections[0].get_paths()[0].vertices
    assert line[:, 0] == pytest.approx(line[:, 1])
    image = axes.images[0].get_array()
    assert image.shape == (12, 12, 3)
    assert image[0, -1, 2] > image[0, -1, 0]  # below on the right, class 0, which is blue
    assert image[-1, 0, 2] < image[-1, 0, 0]
    figure.canvas.draw()
    nn.plot_boundary(MLP(2, [3], init="zeros"), POINTS, [0, 0, 0, 0], resolution=3)  # no boundary
    nn.plot_boundary(MLP(2, [1], init="zeros"), POINTS[:1], [1], resolution=3).figure.canvas.draw()


def test_matplotlib_is_loaded_when_it_is_used(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="plot_boundary requires matplotlib"):
        nn.plot_boundary(MLP(2, [1]), POINTS, [0, 1, 0, 1], resolution=2)


@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_one_sample_for_a_model_of_arrays_is_refused(outputs):
    """Its features would be taken for samples, or its classes for independent probabilities."""
    model = nn.MLP(2, [4, outputs], rng=0).to_vector()
    with pytest.raises(ValueError, match=r"got shape \(2,\); of one sample x, write predict"):
        model.predict([0.5, 1.0], "classes")
    assert len(model.predict([[0.5, 1.0]], "classes")) == 1
