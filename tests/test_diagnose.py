"""`diagnose` on networks with known problems, of Values and Arrays; it changes nothing."""

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import nn
from engine import Array, Tape, Value, grad
from nn import MLP, Layer, Module, Neuron, data, diagnose, losses, vector

X, Y = data.moons(40, rng=0)


def deep(activation, depth=12, **options):
    return vector.MLP(2, [16] * depth + [1], activation, rng=0, dtype=np.float64, **options)


def kinds(diagnosis):
    return [problem.kind for problem in diagnosis.problems]


def test_both_payloads_have_the_same_numbers():
    model = MLP(2, [5, 4, 1], "tanh", rng=0)
    scalars, arrays = diagnose(model, X, Y), diagnose(model.to_vector(), X, Y)
    assert scalars.loss == pytest.approx(arrays.loss, rel=1e-12)
    assert [layer.name for layer in scalars.layers] == [layer.name for layer in arrays.layers]
    for one, other in zip(scalars.layers, arrays.layers, strict=True):
        assert one[2:5] == pytest.approx(other[2:5], rel=1e-9)
        assert one[5:] == other[5:]


def test_numbers_by_hand():
    """Outputs, gradients and dead units of two layers equal those written out with NumPy."""
    model = vector.MLP(2, [6, 1], rng=3, dtype=np.float64)
    first, last = diagnose(model, X, Y, loss="mse").layers
    (W, b), (V, c) = [(layer.weight.data, layer.bias.data) for layer in model.layers]
    Z = X @ W.T + b
    A = np.maximum(Z, 0.0)
    error = (A @ V.T + c)[:, 0] - Y
    rms = lambda x: np.sqrt(np.mean(np.square(x)))
    assert last.outputs == pytest.approx(rms(error + Y))
    assert last.gradient == pytest.approx(rms(2.0 * error))
    assert first.outputs == pytest.approx(rms(A))
    assert first.gradient == pytest.approx(rms(2.0 * error[:, None] * V))
    dZ = 2.0 * error[:, None] * V * (Z > 0) / len(X)
    grads = np.concatenate([np.ravel(dZ.T @ X), dZ.sum(axis=0)])
    assert first.weight_gradient == pytest.approx(rms(grads))
    assert (first.units, first.dead) == (6, int((Z <= 0).all(axis=0).sum()))
    assert first.saturated == pytest.approx(np.mean(Z <= 0))


def test_vanishing():
    diagnosis = diagnose(deep("sigmoid"), X, Y)
    assert kinds(diagnosis) == ["vanishing"]
    assert "residual" in diagnosis.problems[0].remedy
    assert diagnosis.problems[0].where == "layers.0"
    gradients = [layer.gradient for layer in diagnosis.layers]
    assert gradients == sorted(gradients)
    assert kinds(diagnose(deep("relu"), X, Y)) == []


def test_exploding():
    large = lambda nin, nout, rng: rng.normal(size=(nout, nin))
    diagnosis = diagnose(deep("relu", init=large), X, Y)
    assert kinds(diagnosis) == ["exploding"]
    assert "clip" in diagnosis.problems[0].remedy


@pytest.mark.parametrize("kind", [MLP, vector.MLP])
def test_dead(kind):
    model = kind(2, [6, 4, 1], rng=0)
    if kind is MLP:
        for neuron in model.layers[1].neurons:
            neuron.bias.data = -50.0
    else:
        model.layers[1].bias.data = -50.0
    diagnosis = diagnose(model, X, Y)
    assert kinds(diagnosis) == ["dead"]
    assert "4 of 4 units are dead" in str(diagnosis)
    assert (diagnosis.layers[1].dead, diagnosis.layers[0].gradient) == (4, 0.0)


def test_flat_not_finite_and_without_gradient():
    model = vector.MLP(2, [8, 1], "tanh", rng=0)
    model.layers[0].bias.data = 20.0
    assert kinds(diagnose(model, X, Y)) == ["saturated"]
    model.spare = Array([1.0])
    model.layers[1].weight.data = np.inf
    diagnosis = diagnose(model, X, Y)
    assert kinds(diagnosis)[:2] == ["not finite", "no gradient"]
    assert "spare: the loss is not computed from it" in str(diagnosis)


@pytest.mark.parametrize("size", [30.0, 3e4])
def test_a_saturated_tanh_is_flat_or_dead(size):
    """For large inputs its slope is exactly 0, like that of relu; the remedy is another."""
    model = deep("tanh", depth=2)
    for p in model.parameters():
        p.data = p.data * size
    problems = [p for p in diagnose(model, X, Y).problems if p.kind in ("saturated", "dead")]
    assert [problem.where for problem in problems] == ["layers.0", "layers.1"]
    assert all("xavier_normal" in problem.remedy for problem in problems)


def test_the_plot_marks_problems():
    """A layer with a problem has a coloured background; sizes without a logarithm are words."""
    model = vector.MLP(2, [6, 4, 1], rng=0)
    model.layers[1].bias.data = -50.0
    diagnosis = diagnose(model, X, Y)
    sizes, shares = diagnosis.plot().axes
    assert sizes.get_title(loc="left") == "dead: layers.1"
    assert [text.get_text() for text in sizes.texts] == ["0", "0", "0"]
    assert [text.get_position()[0] for text in sizes.texts] == [1, 2, 0]
    grounds = [p for p in sizes.patches if p.get_width() == pytest.approx(0.9)]
    assert [p.get_x() + 0.45 for p in grounds] == [1.0]
    assert [bar.get_height() for bar in shares.patches[:3]] == [0.0, 100.0, 0.0]


def test_the_problem_not_finite_is_at_the_layer_where_it_arose():
    model = vector.MLP(2, [4, 4, 4, 1], rng=0, dtype=np.float64)
    for layer in model.layers:
        layer.weight.data = layer.weight.data * 1e140
    with np.errstate(all="ignore"):
        assert diagnose(model, X, Y).problems[0].where == "layers.2"


class Lost(Module):
    """A model that leaves the graph."""

    def __init__(self, f):
        self.w, self.f = Value(1.0), f

    def __call__(self, x):
        return self.f(self.w, x)


def test_a_model_that_leaves_the_graph():
    diagnosis = diagnose(Lost(lambda w, x: w.detach() * x[0]), X, Y, loss="mse")
    assert kinds(diagnosis) == ["no gradient"]
    assert diagnosis.plot().axes
    with pytest.raises(TypeError, match=r"a model returns nodes, .* got .*among its predictions"):
        diagnose(Lost(lambda w, x: w.data * x[0]), X, Y, loss="mse")


def test_an_existing_graph_of_the_model_stays_valid():
    """Running statistics are restored, or were not changed."""
    for training in (True, False):
        model = everything().train(training)
        loss = losses.cross_entropy(model(X), Y)
        diagnose(model, X, Y)
        x = model.parameters()[0]
        grad(loss, x, create_graph=True)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            loss.backward()
            diagnose(model, X, Y)
            loss.backward()


def everything():
    return vector.Sequential(
        vector.Dense(2, 8, rng=0),
        vector.BatchNorm(8),
        vector.Dropout(0.3, rng=1),
        vector.Residual(vector.Dense(8, 8, rng=2)),
        vector.Dense(8, 3, "linear", rng=3),
    )


@pytest.mark.parametrize("training", [True, False])
def test_nothing_is_changed(training):
    model = everything().train(training)
    for p in model.parameters():
        p.grad = np.full(p.shape, 7.0)
    before = model.state_dict()
    chance = [rng.bit_generator.state for rng in model.generators().values()]
    first = diagnose(model, X, Y)
    assert str(diagnose(model, X, Y)) == str(first)
    for name, x in model.state_dict().items():
        np.testing.assert_array_equal(x, before[name])
    assert chance == [rng.bit_generator.state for rng in model.generators().values()]
    assert all((p.grad == 7.0).all() for p in model.parameters())
    assert model.training is training


def test_layers_of_every_kind():
    names = lambda model, y=Y: [layer.name for layer in diagnose(model, X, y).layers]
    assert names(everything()) == ["modules.0", "modules.1", "modules.3.modules.0", "modules.4"]
    assert names(Neuron(2)) == ["Neuron"]
    assert names(vector.Dense(2, 1)) == ["Dense"]
    (layer,) = diagnose(Layer(2, 3), X, Y).layers
    assert (layer.name, layer.units) == ("Layer", 3)


class Own(Module):
    """A user's module of Values whose own parameters are used twice."""

    def __init__(self):
        self.one = [Value(0.5, "a"), Value(-1.0, "b")]
        self.deeper = Neuron(1, "tanh", rng=0)

    def __call__(self, x):
        a, b = self.one
        return self.deeper([(a * x[0] + b * x[1]).relu()]) * a


def test_a_custom_module():
    diagnosis = diagnose(Own(), X, Y, loss="mse")
    assert {layer.name for layer in diagnosis.layers} == {"Own", "deeper"}


@pytest.mark.parametrize(
    ("outputs", "y", "loss"),
    [
        (3, Y, losses.cross_entropy),
        (1, Y, losses.binary_cross_entropy),
        (1, 2 * Y - 1, losses.hinge),
        (1, Y + 0.5, losses.mse),
    ],
)
@pytest.mark.parametrize("kind", [MLP, vector.MLP])
def test_the_loss_is_chosen_by_the_targets(outputs, y, loss, kind):
    model = kind(2, [4, outputs], rng=0)
    predictions = model(X) if kind is vector.MLP else [model(x) for x in X]
    assert diagnose(model, X, y).loss == pytest.approx(float(loss(predictions, y).data), rel=1e-6)


def test_the_table_and_the_plot(tmp_path):
    pytest.importorskip("matplotlib")
    diagnosis = diagnose(deep("sigmoid", 30), X, Y)
    head, *rows = str(diagnosis).split("\n\n")[0].splitlines()
    assert (len(rows), head.split()[:2]) == (31, ["layer", "module"])
    figure = diagnosis.plot()
    outputs, gradients = figure.axes[0].get_lines()
    np.testing.assert_array_equal(
        outputs.get_ydata(), [layer.outputs for layer in diagnosis.layers]
    )
    np.testing.assert_array_equal(
        gradients.get_ydata(), [layer.gradient for layer in diagnosis.layers]
    )
    for name in ("a.svg", "a.png"):
        diagnosis.save(tmp_path / name)
        assert (tmp_path / name).stat().st_size > 5_000
    bundle = diagnosis._repr_mimebundle_()
    assert bundle["text/plain"] == str(diagnosis)
    assert bundle["image/svg+xml"].count("<svg") == 1
    assert bundle["text/html"].count("<img") == 1  # for notebooks that are not trusted


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: diagnose(3.0, X, Y), TypeError, "expects a Module such as .*got 3.0"),
        (lambda: diagnose(MLP(3, [1]), X, Y), ValueError, "MLP expects 3 inputs, got 2"),
        (lambda: diagnose(MLP(2, [1]), X, Y[:-1]), ValueError, "39"),
        (
            lambda: diagnose(MLP(2, [1]), X, Y, loss="huge"),
            ValueError,
            r"unknown loss 'huge' \(did you mean 'huber'\?\); choose from: mse",
        ),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_tape_is_rejected():
    pytest.importorskip("numba")
    x = [Value(0.0), Value(0.0)]
    with pytest.raises(TypeError, match=r"got Tape.*after tape\.sync\(\)"):
        diagnose(Tape(MLP(2, [1])(x), inputs=x), X, Y)


def test_the_names_in_nn():
    assert nn.diagnose is diagnose
    assert isinstance(diagnose(MLP(2, [1], rng=0), X, Y), nn.Diagnosis)


def test_matplotlib_loads_when_a_plot_is_drawn():
    code = "import sys; from nn import diagnose; print(diagnose, 'matplotlib' in sys.modules)"
    root = Path(__file__).parents[1]
    printed = subprocess.check_output([sys.executable, "-c", code], cwd=root, text=True)
    assert printed.endswith("False\n")
