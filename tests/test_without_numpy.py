"""Values, their functions and pictures, and networks of Values run where NumPy is not installed.

All tests but the first run with and without NumPy. The first runs them in a process that cannot
import it; `make test-plain` in an environment that has none.
"""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

import engine
import nn
from engine import (
    Anomaly,
    GradientMismatch,
    Op,
    Value,
    check_gradients,
    detect_anomaly,
    dot,
    explain,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    logsumexp,
    maximum,
    mistakes,
    no_grad,
    record_origins,
    softmax,
    total,
    vjp,
    where,
)
from engine.draw import draw, step
from engine.support.lazy import numpy_if_installed
from nn import MLP, Layer, Module, Neuron, accuracy, init, losses, plain, schedules

INSTALLED = numpy_if_installed() is not None
X = [[math.sin(i), math.cos(2.0 * i)] for i in range(24)]
Y = [int(a * b > 0) for a, b in X]
SIGNS = [2 * label - 1 for label in Y]
BLOCK = """
import sys, pytest

class NoNumPy:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "numpy":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NoNumPy())
sys.exit(pytest.main(sys.argv[1:]))
"""


@pytest.mark.skipif(not INSTALLED, reason="NumPy is missing already")
def test_where_numpy_cannot_be_imported():
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}  # plugins may load NumPy
    run = subprocess.run(
        [sys.executable, "-c", BLOCK, "-q", "--noconftest", "-p", "no:cacheprovider", __file__],
        cwd=Path(__file__).parents[1], env=os.environ | alone, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr


# ------------------------------------------------------------------------------------- the engine


def test_all_names_without_arrays_are_imported():
    names = {}
    exec("from engine import *", names)
    assert ("Array" in names) == INSTALLED
    assert names["Value"] is Value


def test_methods_for_numpy_need_numpy():
    assert hasattr(Value, "__array_ufunc__") == INSTALLED


def test_functions_and_backward():
    x, y = Value(2.0, "x"), Value(-3.0, "y")
    f = (x * y).tanh() + maximum(x, y) ** 2 + dot([x, y], [1.0, 2.0]) + where(x > 0, x, y)
    f = f + total(softmax([x, y])) + logsumexp([x, x])
    f.backward()
    assert f.data == pytest.approx(math.tanh(-6.0) + 4.0 - 4.0 + 2.0 + 1.0 + 2.0 + math.log(2.0))
    assert x.grad == pytest.approx(-3.0 / math.cosh(6.0) ** 2 + 4.0 + 1.0 + 1.0 + 1.0)
    assert y.grad == pytest.approx(2.0 / math.cosh(6.0) ** 2 + 2.0)


def test_derivatives():
    x, y = Value(3.0), Value(2.0)
    assert grad(x**4, x) == 108.0
    assert grad(grad(x**4, x, create_graph=True), x) == 108.0
    assert vjp(x * y, [x, y], 10.0) == [20.0, 30.0]
    assert jvp(x * x * y, [x, y], [1.0, 0.0]) == 12.0
    assert hvp(x * x * y, [x, y], [1.0, 10.0]) == [64.0, 6.0]


def test_gradients_are_checked():
    assert check_gradients(lambda x, y: (x * y).tanh() + x**3, at=[0.5, 2.0]) < 1e-7
    wrong = Op("double", lambda x: 2.0 * x, lambda out, x: 1.0)
    with pytest.raises(GradientMismatch, match="row 'double' looks wrong"):
        check_gradients(wrong, at=[3.0])


def test_explanations_and_mistakes():
    x = Value(3.0, "x")
    assert explain(x * x + x, x).gradient == 7.0
    assert mistakes(x * x + x)


def test_contexts():
    x = Value(-1.0, "x")
    with no_grad():
        assert (x * 2.0).constant
    with pytest.raises(Anomaly, match="log of x"), detect_anomaly():
        x.log()
    with record_origins():
        y = x * 2.0
    assert y.origin.text == "y = x * 2.0"


def test_pictures():
    model = MLP(2, [3, 1], "tanh", rng=0)
    root = (model([1.0, 2.0]) - 1.0) ** 2
    root.backward()
    assert "digraph" in draw(root).dot
    assert draw(root).svg.startswith("<svg")
    assert draw(root, model, level="layers").svg.startswith("<svg")
    assert draw(root, locals=True, color="grad").svg.startswith("<svg")
    for page in (step((Value(2.0, "x") * 3.0).tanh()), step(root, model, level="layers")):
        assert "<script" in page.html


# -------------------------------------------------------------------------------------- networks


def test_networks():
    model = MLP(2, [4, 1], rng=0)
    assert repr(model) == repr(MLP(2, [4, 1], rng=1)) == "MLP(2, [4, 1], 'relu')"
    assert model.state_dict() == MLP(2, [4, 1], rng=0).state_dict()
    assert model.state_dict() != MLP(2, [4, 1], rng=1).state_dict()
    assert len({w.data for w in Neuron(9).weights}) == 9
    assert len(Layer(2, 3, "tanh")([1.0, 2.0])) == 3


@pytest.mark.parametrize("name", init.INITS)
def test_weights(name):
    rows = [[float(w) for w in row] for row in init.make_weights(name, 50, 40, rng=0)]
    every = [w for row in rows for w in row]
    assert [len(row) for row in rows] == [50] * 40
    variance = sum(w * w for w in every) / len(every)
    expected = {
        "zeros": 0.0, "uniform": 1.0 / 3.0, "normal": 1.0, "xavier_uniform": 2.0 / 90.0,
        "xavier_normal": 2.0 / 90.0, "he_uniform": 2.0 / 50.0, "he_normal": 2.0 / 50.0,
    }  # fmt: skip
    assert variance == pytest.approx(expected[name], rel=0.2)


def test_weights_of_another_shape_are_refused():
    with pytest.raises(
        ValueError, match=r"shape \(1, 3\); a layer of 2 inputs and 1 output expects"
    ):
        MLP(2, [1], init=lambda fan_in, fan_out, rng: [[1.0] * 3])
    with pytest.raises(ValueError, match="rng expects a seed of 0 or more, got -1"):
        MLP(2, [1], rng=-1)
    with pytest.raises(TypeError, match="rng expects a seed"):
        MLP(2, [1], rng="0")


def test_state():
    class Line(Module):
        def __init__(self):
            self.slope, self.offset = Value(2.0), Value(1.0)

    model, twin = Line(), Line()
    (model.slope * 3.0).backward()
    model.zero_grad()
    assert [p.grad for p in model.parameters()] == [0.0, 0.0]
    twin.load_state_dict({"slope": 5, "offset": 0.5})
    assert twin.state_dict() == {"slope": 5.0, "offset": 0.5}
    for wrong in ([1.0], "1.0", None):
        with pytest.raises(ValueError, match="slope: "):
            twin.load_state_dict({"slope": wrong, "offset": 0.0})
    assert twin.state_dict() == {"slope": 5.0, "offset": 0.5}
    assert "total" in MLP(2, [16, 1]).summary()


def test_losses_and_accuracy():
    z = [Value(0.25), Value(-3.0)]
    assert losses.mse(z, [0.25, -1.0]).data == 2.0
    assert losses.hinge(z, [1, -1]).data == 0.375
    assert losses.binary_cross_entropy([Value(0.0)], [1]).data == pytest.approx(math.log(2.0))
    smooth = losses.cross_entropy([[Value(0.0), Value(0.0)]], [1], smoothing=0.1)
    assert smooth.data == pytest.approx(math.log(2.0))
    assert losses.l2_penalty(z).data == 9.0625
    assert accuracy([0.3, -2.0], [1, 1]) == 0.5
    with pytest.raises(ValueError, match=r"hinge expects labels -1 or 1 .*, got 0.0 for sample 1"):
        losses.hinge(z, [1, 0])
    options = {"weight": [1.0, 2.0], "reduction": "sum"}
    by_row, by_label = (losses.cross_entropy([z], y, **options) for y in ([[0, 1]], [1]))
    assert by_row.data == by_label.data == pytest.approx(2.0 * math.log1p(math.exp(3.25)))
    assert losses.cross_entropy([z, z], [1, 5], ignore_index=5, reduction="none")[1].data == 0.0
    with pytest.raises(ValueError, match="labels or class probabilities, for all samples"):
        losses.cross_entropy([z, z], [1, [0, 1]])


def test_training_by_hand():
    optim = pytest.importorskip("nn.optim")
    model = MLP(2, [8, 1], "tanh", rng=0)
    mover, rate = optim.Adam(model.parameters()), schedules.cosine(0.1, steps=40)
    reached = []
    for i in range(40):
        mover.lr = rate(i)
        mover.zero_grad()
        loss = losses.hinge([model(x) for x in X], SIGNS)
        loss.backward()
        optim.clip_grad_norm(model.parameters(), 1.0)
        mover.step()
        reached.append(loss.data)
    assert reached[-1] < 0.5 * reached[0]


@pytest.mark.parametrize(
    ("loss", "targets", "outputs"),
    [
        ("hinge", SIGNS, 1),
        ("mse", [[y] for y in SIGNS], 1),
        ("binary_cross_entropy", Y, 1),
        ("cross_entropy", Y, 2),
    ],
)
def test_fit(loss, targets, outputs):
    pytest.importorskip("nn.optim")

    def run():
        model = MLP(2, [8, outputs], "tanh", rng=0)
        settings = {"loss": loss, "epochs": 20, "batch_size": 8, "lr": 0.05, "rng": 0}
        if loss != "mse":
            settings["metric"] = "accuracy"
        return [
            record._replace(seconds=0.0)
            for record in nn.fit(model, X, targets, validation=0.25, patience=15, **settings)
        ]

    records = run()
    assert records == run()
    assert records[-1].loss < 0.8 * records[0].loss
    assert records[-1].validation_loss is not None


def test_fit_with_everything():
    pytest.importorskip("nn.optim")
    model = MLP(2, [8, 1], rng=0)
    settings = {
        "loss": "hinge", "epochs": 3, "optimizer": "sgd", "metric": accuracy, "clip": 1.0,
        "schedule": schedules.constant(0.1), "validation": (X[:4], SIGNS[:4]), "batch_size": 10,
        "penalty": lambda: 1e-4 * losses.l2_penalty(model.parameters()),
        "augment": lambda X, epoch, rng: [[a + rng.normal(0.0, 0.1), b] for a, b in X],
    }  # fmt: skip
    assert len(list(nn.fit(model, X, SIGNS, **settings))) == 3


@pytest.mark.parametrize(
    ("samples", "targets", "error", "says"),
    [
        (X, Y[1:], ValueError, "equal lengths, got 24 samples and 23 targets"),
        ([], [], ValueError, "X must have at least 1 sample"),
        ([[1.0], [1.0, 2.0]], [0, 1], ValueError, "lists of equal lengths"),
        (X, ["a"] * 24, TypeError, "y must hold numbers, got"),
        (X, [math.nan] * 24, ValueError, "y must hold finite numbers, got nan for sample 0"),
        (X, 5.0, TypeError, "y must have an entry for each sample, got 5.0"),
    ],
)
def test_samples_that_make_no_sense(samples, targets, error, says):
    pytest.importorskip("nn.optim")
    with pytest.raises(error, match=says):
        nn.fit(MLP(2, [1]), samples, targets, loss="mse", epochs=1)


def test_random_numbers():
    a, b = plain.Generator(7), plain.Generator(7)
    assert a.uniform(-1.0, 1.0, (2, 3)) == b.uniform(-1.0, 1.0, (2, 3))
    assert a.random() == b.random()
    assert a.permutation(10) == b.permutation(10)
    assert sorted(a.permutation(10)) == [*range(10)]


# --------------------------------------------------------------------------- what needs NumPy


@pytest.mark.skipif(INSTALLED, reason="NumPy is installed")
@pytest.mark.parametrize(
    ("use", "name"),
    [
        (lambda: engine.Array, "stepgrad.Array"),
        (lambda: jacobian(Value(1.0), [Value(1.0)]), "a matrix of derivatives"),
        (lambda: hessian(Value(1.0), [Value(1.0)]), "a matrix of derivatives"),
        (lambda: nn.vector, "stepgrad.nn.vector"),
        (lambda: nn.data, "stepgrad.nn.data"),
        (lambda: nn.augment, "stepgrad.nn.augment"),
        (lambda: nn.save, "stepgrad.nn.save"),
        (lambda: nn.diagnose, "stepgrad.nn.diagnose"),
        (lambda: MLP(2, [1]).to_vector(), "stepgrad.nn.vector"),
        (lambda: nn.confusion_matrix([[1.0, 2.0]], [0]), "confusion_matrix"),
    ],
)
def test_the_error_says_how_to_install_it(use, name):
    with pytest.raises(ImportError) as raised:
        use()
    assert str(raised.value) == f"{name} requires NumPy, which is not installed: pip install numpy"


@pytest.mark.skipif(INSTALLED, reason="NumPy is installed")
def test_checkpoints_need_it():
    pytest.importorskip("nn.optim")
    with pytest.raises(ImportError, match="a checkpoint requires NumPy"):
        nn.fit(MLP(2, [1]), X, Y, loss="mse", epochs=1, checkpoint="run.ckpt")


def test_predictions_frozen_layers_and_objects_of_ones_own():
    model, several = MLP(2, [3, 1], "tanh", rng=0), MLP(2, [3], rng=0)
    model.layers[0].freeze()
    before = model.layers[0].state_dict()
    nn.fit(model, X, SIGNS, loss="hinge", epochs=2, lr=0.1).run()
    assert model.layers[0].state_dict() == before
    outputs = list(model.predict(X))
    assert outputs == [model(x).data for x in X]
    assert list(model.predict(X, "classes")) == [int(z > 0) for z in outputs]
    assert list(model.predict(X, "probabilities")) == pytest.approx(
        [1 / (1 + math.exp(-z)) for z in outputs], rel=1e-12
    )
    rows = [[z.data for z in several(x)] for x in X]
    assert list(several.predict(X, "classes")) == [row.index(max(row)) for row in rows]
    shares = [list(row) for row in several.predict(X, "probabilities")]
    assert [sum(row) for row in shares] == pytest.approx([1.0] * 24)

    class Own:
        def __init__(self):
            self.w = Value(1.0)

    several.extra = Own()
    assert several.extra.w in several.parameters()
