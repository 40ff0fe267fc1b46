"""Networks of Values, one sample at a time, and of Arrays, all samples at once, against exact results.

tests/exact.py evaluates textbook formulas in exact numbers, without the engine, each with a radius
derived from the roundings of a computation. Both paths must stay within the radius, so they differ
by at most twice that. No sample is left out. Where rounding may move a number across a kink, its
slope is between those of both sides, which the radius of later results includes. Results that
overflow the dtype, such as exp of exp of 100, are not compared.

A network that fails is shrunk and printed as a program that reproduces the failure. The last tests
check this.
"""

import re
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import exact
from balls import Ball, exactly
from demos import backprop_by_hand, logistic_regression
from engine import Array, rules, topological
from engine.arithmetic import where
from engine.arrays import array
from engine.arrays.rules import LINEAR
from networks import Network, Training, networks, unrounded
from nn import optim
from nn.losses import LOSSES
from nn.scalar import ACTIVATIONS
from paths import SHOWN, array_path, check, judge, scalar_path
from strategies import examples

DTYPES = st.sampled_from([np.float64, np.float32])
FEW = examples(25)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@examples(5)
@given(data=st.data())
def test_outputs_loss_and_gradients(activation, data):
    judge(data.draw(networks([activation])))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@examples(3)
@given(data=st.data())
def test_outputs_loss_and_gradients_in_float32(activation, data):
    judge(data.draw(networks([activation])), np.float32)


@pytest.mark.filterwarnings("ignore::engine.GradientWarning")  # some gradients are 0
@pytest.mark.parametrize("rule", exact.DIRECTIONS)
@examples(12)
@given(data=st.data())
def test_weights_after_steps(rule, data):
    """Settings include momentum, weight decay, and gradients clipped by their norm."""
    judge(data.draw(networks(rule=rule)), data.draw(DTYPES, label="dtype"))


@examples(25)
@given(networks(), DTYPES)
def test_there_and_back(network, dtype):
    """to_vector() and to_scalar() keep every number, rounded to float32 if that is the dtype."""
    model = network.model()
    back = model.to_vector(dtype).to_scalar()
    numbers = [p.data for p in model.parameters()]
    assert [p.data for p in back.parameters()] == np.array(numbers, dtype).tolist()
    if dtype is np.float64:
        before = scalar_path(network)
        for name, computed in scalar_path(network, back).items():
            np.testing.assert_array_equal(computed, before[name])


@given(unrounded())
def test_where_nothing_is_rounded_the_bits_are_the_same(network):
    """Both paths differ only in the order of sums, which are exact here. Kinks are included."""
    scalars, arrays = scalar_path(network), array_path(network)
    for name, computed in scalars.items():
        np.testing.assert_array_equal(computed, arrays[name])


# ------------------------------------------------------------------------------- the chapters' forms


@FEW
@given(networks(), DTYPES)
def test_closed_forms(network, dtype):
    """5.4: from a layer's dZ follow dW = dZᵀ A_prev, db = Σ dZ, dA_prev = dZ W; 5.5: dZ = A - Y.

    Samples are rows here and columns in the chapter; dZ includes the factor 1 / m.
    """
    model = network.model().to_vector(dtype)
    loss = LOSSES[network.loss](model(Array(np.array(network.X, dtype))), np.array(network.y))
    loss.backward()
    with exactly():
        for Z in [node for node in topological(loss) if node.op is LINEAR]:
            A_prev, W, b = Z.inputs
            dZ, ones = Ball.of(Z.grad, dtype), Ball.of(np.ones(len(Z)), dtype)
            dW, dA_prev = dZ.T @ Ball.of(A_prev.data, dtype), dZ @ Ball.of(W.data, dtype)
            for node, want in [(W, dW), (b, dZ.T @ ones), (A_prev, dA_prev)]:
                assert (want.misses(node.grad) <= 1).all()
        if network.loss == "cross_entropy":
            _, A_less_Y = exact.cross_entropy(Ball.of(Z.data, dtype), network.y)
            assert ((A_less_Y * (mpmath.mpf(1) / len(Z))).misses(Z.grad) <= 1).all()


@pytest.mark.parametrize(
    ("dZ", "A_prev", "W", "dW", "db", "dA_prev"),
    [
        ([[0.2, 0.3], [0.1, 0.4]], [[1.0, 2.0], [0.5, 1.5], [0.0, 1.0]], [[0.5, 0.2, 0.1], [0.3, 0.4, 0.6]],
         [[0.4, 0.275, 0.15], [0.45, 0.325, 0.2]], [0.25, 0.25], [[0.13, 0.27], [0.08, 0.22], [0.08, 0.27]]),
        ([[0.2, 0.3, 0.1], [0.1, 0.4, 0.2]], [[1.0, 1.0, 1.0]], [[0.0], [0.0]],
         [[0.2], [0.7 / 3]], [0.2, 0.7 / 3], [[0.0, 0.0, 0.0]]),
    ],
    ids=["2 samples", "3 samples"],
)  # fmt: skip
def test_figures_of_the_chapter(dZ, A_prev, W, dW, db, dA_prev):
    """5.4, 2 to 4, with samples in columns: a layer of Arrays whose loss has the slopes dZ / m."""
    A, weight, bias = Array(np.transpose(A_prev)), Array(W), Array(np.zeros(2))
    ((LINEAR(A, weight, bias) * np.transpose(dZ)).sum() / len(A)).backward()
    np.testing.assert_allclose(weight.grad, dW, rtol=1e-15)
    np.testing.assert_allclose(bias.grad, db, rtol=1e-15)
    np.testing.assert_allclose(A.grad.T * len(A), dA_prev, rtol=1e-15)


BY_HAND = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid", "mse": "linear"}


@FEW
@given(st.data(), st.sampled_from(list(BY_HAND)))
def test_backprop_by_hand(data, loss):
    """The demo, with samples in columns, agrees; its loss for mse is half the squared error."""
    outputs = None if loss == "cross_entropy" else st.just(1)
    hidden = ["linear", "relu", "sigmoid", "tanh"]
    network = data.draw(networks(hidden, [loss], outputs=outputs), label="network")
    names = [network.activation] * (len(network.layers) - 1) + [BY_HAND[loss]]
    layers = [
        backprop_by_hand.Layer(W[:, :-1], W[:, -1:], name)
        for W, name in zip(map(np.array, network.layers), names, strict=True)
    ]
    X, y = np.array(network.X).T, np.array(network.y)
    Y = np.eye(network.sizes[-1])[:, y] if loss == "cross_entropy" else y[None, :]
    caches = backprop_by_hand.forward(layers, X)
    gradients = backprop_by_hand.backward(layers, caches, Y)
    twice = 2 if loss == "mse" else 1
    got = {f"gradient of layer {i}": twice * np.c_[g.dW, g.db] for i, g in enumerate(gradients)}
    got["gradient of X"] = twice * gradients[0].dZ.T @ layers[0].W / len(y)
    got["outputs"] = caches[-1].Z.T
    check(got, exact.results(network, cancelling=True), network)


@FEW
@given(networks(losses=["binary_cross_entropy"], outputs=st.just(1), deepest=1))
def test_logistic_regression(network):
    """Vectorizing, 2: the demo and both paths compute dZ = A - Y, dw = X dZᵀ / m, db = Σ dZ / m."""
    (row,) = np.array(network.layers[0])
    X, Y = np.array(network.X).T, np.array([network.y], float)
    Z, _, _, dw, db = logistic_regression.gradients(row[:-1, None], row[-1], X, Y)
    got = {"outputs": Z.T, "gradient of layer 0": np.c_[dw.T, db]}
    check(got, exact.results(network, cancelling=True), network)
    judge(network)


# ------------------------------------------------------------------------ tests of these tests

FAULTS: dict[str, Any] = {
    "a pullback, in the tenth digit": (LINEAR, 1, lambda g, out, x, w, b: g.T @ x * (1 + 1e-10)),
    "a slope that cancels": (rules.TANH, 0, lambda out, x: 1.0 - out * out),
    "a slope at the kink": (rules.RELU, 0, lambda out, x: where(x < 0.0, 0.0, 1.0)),
}


@pytest.fixture
def make_wrong(monkeypatch):
    """Return a function that replaces a partial derivative or pullback of a row, for Arrays only."""

    def swap(row, i, partial):
        right = array.run

        def wrong(f, dtype, /, *args, **settings):
            if getattr(f, "__self__", None) is row and args[0] == i:  # its pullback
                _, g, out, inputs, given = args
                return partial(g, out, *inputs, **given)
            return right(partial if f is row.partials[i] else f, dtype, *args, **settings)

        monkeypatch.setattr(array, "run", wrong)

    return swap


def failure(drawn: Any, *phases: Phase) -> str:
    """Return the failure message of a property test that checks networks."""

    @settings(max_examples=2000, database=None, phases=phases)  # up to the first failure
    @given(drawn)
    def test(network):
        judge(network)

    with pytest.raises(AssertionError, match="times as far off as roundings explain") as caught:
        test()
    return str(caught.value)


def printed(failure: str) -> str:
    """Run the program in a failure message and return its output."""
    with redirect_stdout(StringIO()) as out:
        exec(failure.split(SHOWN)[1], {})
    return out.getvalue()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_row_is_caught(fault, make_wrong):
    """The program at the end of the failure message prints differences."""
    row, *_ = FAULTS[fault]
    make_wrong(*FAULTS[fault])
    activation = row.name if row.name in ACTIVATIONS else "linear"
    output = printed(failure(networks([activation], deepest=2), Phase.generate))
    differences = re.findall(r"minus arrays:\n(.*?)scalars:", output, re.DOTALL)
    assert any(re.search("[1-9]", numbers) for numbers in differences)


def test_a_failure_is_shrunk(make_wrong):
    """The shrunk network has one or two layers of one or two neurons, and one or two inputs."""
    make_wrong(*FAULTS["a pullback, in the tenth digit"])
    message = failure(networks(["linear"], deepest=2), Phase.generate, Phase.shrink)
    assert re.search(r"MLP\([12], \[[12](, [12])?\], 'linear'", message)
    assert re.search(r"e-1\d", printed(message))


@pytest.mark.filterwarnings("ignore::engine.GradientWarning")  # some gradients are 0
def test_a_wrong_optimizer_is_caught(monkeypatch):
    monkeypatch.setattr(optim.Adam, "scale", lambda self: 1.0)
    assert "after step" in failure(networks(rule="adam"), Phase.generate)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_program_runs_by_itself(dtype):
    layers = (((0.5, -0.25, 0.0), (1.0, 2.0, 0.125)), ((1.0, -1.0, 0.5),))
    training = Training("adam", {"lr": 0.1, "weight_decay": 0.01}, 1.0, 2)
    network = Network(layers, "tanh", "hinge", ((1.0, 2.0), (0.5, -1.0)), (1, -1), training)
    command = [sys.executable, "-W", "error", "-c", network.program(dtype)]
    root = Path(__file__).parent.parent
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("layer 1, scalars minus arrays:") == 3
