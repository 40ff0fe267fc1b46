"""Backpropagation by hand: worked examples, complex steps, and the algebra of batches."""

import ast
import inspect
import xml.etree.ElementTree as ET
from itertools import pairwise
from typing import NamedTuple

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from demos import backprop_by_hand as demo
from demos.backprop_by_hand import (
    ACTIVATIONS,
    Cache,
    Layer,
    backward,
    backward_from,
    cross_entropy,
    forward,
    initialize,
    softmax,
)
from demos.pictures.backprop_by_hand import save_picture

HIDDEN = ["linear", "relu", "sigmoid", "tanh"]
seeds = st.integers(0, 2**32 - 1)


def array(*rows):
    return np.array(rows, float)


# -------------------------------------------------------------------------------- worked examples


def previous_dZ(dZ, W, Z, activation):
    """Return dZ of a layer with this Z and activation, before a layer with these W and dZ."""
    layers = [
        Layer(np.zeros((len(Z), 1)), np.zeros((len(Z), 1)), activation),
        Layer(W, 0, "linear"),
    ]
    f, _ = ACTIVATIONS[activation]
    caches = [Cache(np.zeros((1, Z.shape[1])), Z, f(Z)), Cache(f(Z), W @ f(Z), W @ f(Z))]
    return backward_from(layers, caches, dZ)[0].dZ


def test_relu_gates_the_gradient():
    """dZ = dA where Z > 0, else 0; the identity as the next layer gives dA."""
    dA, Z = array([0.3, 0.5], [0.2, 0.8]), array([-2.0, 0.5], [3.0, -1.0])
    assert previous_dZ(dA, np.eye(2), Z, "relu").tolist() == [[0.0, 0.5], [0.2, 0.0]]


def test_gradient_of_weights():
    """dW = dZ A_prevᵀ / m."""
    A_prev, dZ = array([1.0, 2.0], [0.5, 1.5], [0.0, 1.0]), array([0.2, 0.3], [0.1, 0.4])
    layers = [Layer(np.zeros((2, 3)), np.zeros((2, 1)), "relu")]
    (gradients,) = backward_from(layers, [Cache(A_prev, dZ, dZ)], dZ)
    np.testing.assert_allclose(gradients.dW, [[0.4, 0.275, 0.15], [0.45, 0.325, 0.2]], rtol=1e-15)


def test_gradient_of_biases():
    """db is the mean of dZ over the samples, of shape (2, 1)."""
    dZ = array([0.2, 0.3, 0.1], [0.1, 0.4, 0.2])
    layers = [Layer(np.zeros((2, 1)), np.zeros((2, 1)), "relu")]
    (gradients,) = backward_from(layers, [Cache(np.zeros((1, 3)), dZ, dZ)], dZ)
    assert gradients.db.round(3).tolist() == [[0.2], [0.233]]


def test_gradient_of_the_previous_layer():
    """dA_prev = Wᵀ dZ, which is dZ of a linear layer."""
    dZ, W = array([0.2, 0.3], [0.1, 0.4]), array([0.5, 0.2, 0.1], [0.3, 0.4, 0.6])
    dA_prev = previous_dZ(dZ, W, np.zeros((3, 2)), "linear")
    np.testing.assert_allclose(dA_prev, [[0.13, 0.27], [0.08, 0.22], [0.08, 0.27]], rtol=1e-15)


@pytest.mark.parametrize(
    ("predicted", "gradient"),
    [
        ([0.2, 0.7, 0.1], [0.2, -0.3, 0.1]),
        ([0.05, 0.90, 0.05], [0.05, -0.10, 0.05]),
        ([0.1, 0.1, 0.8], [0.1, -0.9, 0.8]),
    ],
    ids=["unsure", "confident", "wrong"],
)
def test_softmax_minus_one_hot(predicted, gradient):
    """dZ = A - Y for class 1, with logits whose softmax is the prediction."""
    layers = [Layer(np.log(array(predicted)).T, np.zeros((3, 1)), "softmax")]
    caches = forward(layers, np.ones((1, 1)))
    (gradients,) = backward(layers, caches, array([0, 1, 0]).T)
    np.testing.assert_allclose(caches[-1].A[:, 0], predicted, rtol=1e-15)
    np.testing.assert_allclose(gradients.dZ[:, 0], gradient, rtol=0, atol=2e-16)


def test_two_layers_line_by_line():
    """The demo agrees with the textbook equations of a two-layer network, in plain NumPy."""
    rng = np.random.default_rng(0)
    x, m = rng.normal(size=(5, 7)), 7
    W1, b1, W2, b2 = (rng.normal(size=shape) for shape in [(4, 5), (4, 1), (3, 4), (3, 1)])
    y_true = np.eye(3)[:, rng.integers(0, 3, m)]

    z1 = W1 @ x + b1
    a1 = np.maximum(0, z1)
    z2 = W2 @ a1 + b2
    y_hat = np.exp(z2) / np.exp(z2).sum(axis=0)
    L = -np.sum(y_true * np.log(y_hat)) / m
    dz2 = y_hat - y_true
    dW2 = (1 / m) * dz2 @ a1.T
    db2 = (1 / m) * np.sum(dz2, axis=1, keepdims=True)
    dz1 = (W2.T @ dz2) * (z1 > 0)
    dW1 = (1 / m) * dz1 @ x.T
    db1 = (1 / m) * np.sum(dz1, axis=1, keepdims=True)

    layers = [Layer(W1, b1, "relu"), Layer(W2, b2, "softmax")]
    caches = forward(layers, x)
    assert cross_entropy(caches[-1].Z, y_true) == pytest.approx(L, rel=1e-14)
    wanted = [(dz1, dW1, db1), (dz2, dW2, db2)]
    for got, want in zip(backward(layers, caches, y_true), wanted, strict=True):
        for a, b in zip(got, want, strict=True):
            assert a.shape == b.shape
            np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-15)


# ------------------------------------------------------------------ activations, softmax, the loss


def decay(Z):
    """Return e^-Z for Z > 0, else e^Z."""
    return np.exp(np.where(Z.real > 0, -Z, Z))


TEXTBOOK = {  # for complex numbers, too
    "linear": lambda Z: Z,
    "relu": lambda Z: Z * (Z.real > 0),
    "sigmoid": lambda Z: np.where(Z.real > 0, 1, decay(Z)) / (1 + decay(Z)),
    "tanh": np.tanh,
    "softmax": lambda Z: np.exp(Z - Z.real.max(axis=0)) / np.exp(Z - Z.real.max(axis=0)).sum(axis=0),
}  # fmt: skip
STEP = 1e-100j  # a complex step loses no digits (Squire and Trapp 1998)


@pytest.mark.parametrize("name", HIDDEN)
@given(z=st.floats(-300, 300))
def test_derivatives_of_activations(name, z):
    """They equal the imaginary part of f(z + ih) / h, to the roundings of A (1 - A) and 1 - A²."""
    f, derivative = ACTIVATIONS[name]
    Z = np.array([[z]])
    want = TEXTBOOK[name](Z + STEP).imag / 1e-100
    assert abs(f(Z) - TEXTBOOK[name](Z)) <= 6 * 2**-53 * abs(f(Z))
    assert abs(derivative(Z, f(Z)) * np.ones(1) - want) <= 8 * 2**-53


def test_derivatives_at_the_kink_and_for_large_inputs():
    Z = np.array([[-1e308, -800.0, -0.0, 0.0, 800.0, 1e308]])
    slopes = {name: d(Z, f(Z)).tolist()[0] for name, (f, d) in ACTIVATIONS.items() if d}
    assert slopes == {
        "linear": [1.0] * 6,
        "relu": [0, 0, 0, 0, 1, 1],
        "sigmoid": [0, 0, 0.25, 0.25, 0, 0],
        "tanh": [0, 0, 1, 1, 0, 0],
    }


@given(st.integers(1, 8), st.integers(1, 5), st.floats(0, 1e300), seeds)
def test_softmax_is_a_distribution_in_each_column(K, m, scale, seed):
    Z = np.random.default_rng(seed).uniform(-scale, scale, (K, m))
    A = softmax(Z)
    assert ((A >= 0) & (A <= 1)).all()
    np.testing.assert_allclose(A.sum(axis=0), 1, rtol=(K + 2) * 2**-53)
    assert (A[Z.argmax(axis=0), range(m)] == A.max(axis=0)).all()
    assert (softmax(Z - Z.max(axis=0)) == A).all()  # only differences matter


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=6), st.data())
def test_accuracy_of_cross_entropy(logits, data):
    """Any logits work, without log(0) or overflow; the error scales with their differences."""
    k = data.draw(st.integers(0, len(logits) - 1), label="class")
    got = cross_entropy(np.array(logits)[:, None], np.eye(len(logits))[:, [k]])
    with mpmath.workdps(400):
        z = [mpmath.mpf(logit) - mpmath.mpf(max(logits)) for logit in logits]
        want = mpmath.log(sum(mpmath.exp(x) if x > -1e4 else 0 for x in z)) - z[k]
        assert abs(got - want) <= (len(z) + 8) * 2**-53 * (1 + abs(z[k]))


def test_large_logits():
    Z = array([1e5, 0.0], [0.0, 1e5], [-1e5, 1e5])
    assert softmax(Z).tolist() == [[1, 0], [0, 0.5], [0, 0.5]]
    assert cross_entropy(Z[:, :1], array([0, 0, 1]).T) == 2e5
    assert cross_entropy(Z[:, :1], array([1, 0, 0]).T) == 0.0
    halves = array([0.5, 0.5, 0.0]).T  # targets may be soft: label smoothing, distillation
    assert cross_entropy(Z[:, :1], halves) == 5e4


# --------------------------------------------------------------------------- generated networks


class Network(NamedTuple):
    layers: list[Layer]
    X: np.ndarray
    Y: np.ndarray


@st.composite
def draw_networks(draw, outputs, dtype):
    sizes = draw(st.lists(st.integers(1, 5), min_size=2, max_size=5))
    names = [draw(st.sampled_from(HIDDEN)) for _ in sizes[2:]] + [draw(st.sampled_from(outputs))]
    m, scale = draw(st.integers(1, 6)), draw(st.floats(0.1, 3.0))
    rng = np.random.default_rng(draw(seeds))
    layers = [
        Layer(rng.normal(0, scale, (n, n_in)).astype(dtype), rng.normal(size=(n, 1)).astype(dtype), name)
        for (n_in, n), name in zip(pairwise(sizes), names, strict=True)
    ]  # fmt: skip
    Y = softmax(rng.normal(size=(sizes[-1], m)))
    return Network(layers, rng.normal(size=(sizes[0], m)).astype(dtype), Y.astype(dtype))


def is_smooth(network):
    """Return whether every relu is far enough from its kink for roundings not to matter."""
    passes = zip(network.layers, forward(network.layers, network.X), strict=True)
    return all(abs(c.Z).min() > 1e-3 for layer, c in passes if layer.activation == "relu")


def networks(outputs=("softmax",), dtype=float):
    """Draw 1 to 4 layers of 1 to 5 neurons, and 1 to 6 samples whose targets are distributions."""
    return draw_networks(tuple(outputs), dtype).filter(is_smooth)


def roundings(network):
    """Return first-order bounds on the errors of dW and db of each layer.

    n products and sums have an error of n u times their sizes (Higham 2002, 3.5). Incoming errors
    grow by |W| and by slopes, which are at most 1. The error of a slope is at most twice that of A.
    Functions round six times.
    """
    layers, X, Y = network
    caches, u = forward(layers, X), np.finfo(X.dtype).eps / 2
    gradients = backward(layers, caches, Y)
    incoming, A_errors = [], [np.zeros_like(X)]
    for (W, b, _), (A_prev, _, A) in zip(layers, caches, strict=True):
        Z_error = abs(W) @ A_errors[-1] + (len(A_prev) + 1) * u * (abs(W) @ abs(A_prev) + abs(b))
        incoming.append(Z_error)
        A_errors.append(Z_error + 6 * u * (abs(A) + 1))
    errors, m = [], X.shape[1]
    error = 2 * incoming[-1].max(axis=0) + (len(Y) + 8) * u  # of softmax, and A - Y
    if layers[-1].activation == "linear":
        error = A_errors[-1] + u * abs(gradients[-1].dZ)
    error = np.broadcast_to(error, Y.shape)
    for i in reversed(range(len(layers))):
        dZ, A = abs(gradients[i].dZ), abs(caches[i].A_prev)
        total = error + (m + 1) * u * dZ
        errors.insert(
            0, ((total @ A.T + dZ @ A_errors[i].T) / m, total.sum(axis=1, keepdims=True) / m)
        )
        if i:
            W, slope = abs(layers[i].W.T), 2 * A_errors[i] + 3 * u
            error = W @ error + (len(dZ) + 2) * u * (W @ dZ) + slope * (W @ dZ)
    return errors


def complex_step_gradients(network, loss):
    """Yield the gradients of a loss of Z and Y with respect to the W and b of each layer."""
    layers, X, Y = network

    def derivative(index, k):
        shifted = [
            [layer.W.astype(complex), layer.b.astype(complex), layer.activation] for layer in layers
        ]
        shifted[index][k % 2].flat[k // 2] += STEP
        A = X
        for W, b, name in shifted:
            Z = W @ A + b
            A = TEXTBOOK[name](Z)
        return loss(Z, Y).imag / 1e-100

    for i, layer in enumerate(layers):
        yield (
            np.array([derivative(i, 2 * k) for k in range(layer.W.size)]).reshape(layer.W.shape),
            np.array([derivative(i, 2 * k + 1) for k in range(layer.b.size)]).reshape(
                layer.b.shape
            ),
        )


def log_softmax(Z):
    Z = Z - Z.real.max(axis=0)
    return Z - np.log(np.exp(Z).sum(axis=0))


LOSSES = {  # means over the samples, as functions of the last Z
    "softmax": lambda Z, Y: -np.sum(Y * log_softmax(Z)) / Z.shape[1],
    "sigmoid": lambda Z, Y: np.sum(np.log1p(decay(Z)) + ((Z.real > 0) - Y) * Z) / Z.shape[1],
    "linear": lambda Z, Y: np.sum((Z - Y) ** 2) / 2 / Z.shape[1],
}  # fmt: skip


@given(networks(outputs=LOSSES))
def test_gradients_of_the_mean_loss(network):
    """They agree with complex steps for every output and its loss, to the roundings of both."""
    caches = forward(network.layers, network.X)
    got = backward(network.layers, caches, network.Y)
    wanted = complex_step_gradients(network, LOSSES[network.layers[-1].activation])
    for (_, dW, db), want, error in zip(got, wanted, roundings(network), strict=True):
        for a, b, bound in zip((dW, db), want, error, strict=True):
            assert (abs(a - b) <= 4 * bound).all()


@given(networks(dtype=np.float32))
def test_float32_agrees_with_float64(network):
    """The results agree to the roundings of float32, and are float32."""
    single = forward(network.layers, network.X)
    got = backward(network.layers, single, network.Y)
    assert {a.dtype for c in single for a in c} | {
        g.dtype for gradients in got for g in gradients
    } == {np.dtype("f4")}
    layers = [Layer(W.astype(float), b.astype(float), name) for W, b, name in network.layers]
    double = Network(layers, network.X.astype(float), network.Y.astype(float))
    wanted = backward(layers, forward(layers, double.X), double.Y)
    for single, double, error in zip(got, wanted, roundings(network), strict=True):
        for a, b, bound in zip(single[1:], double[1:], error, strict=True):
            assert (abs(a - b) <= 1.5 * bound).all()


@given(networks(outputs=LOSSES))
def test_a_batch_is_the_mean_of_its_samples(network):
    """dW and db are means over the samples; dZ of a sample does not depend on the others."""
    layers, X, Y = network
    batch, m = backward(layers, forward(layers, X), Y), X.shape[1]
    singles = [backward(layers, forward(layers, X[:, [j]]), Y[:, [j]]) for j in range(m)]
    for i, error in enumerate(roundings(network)):
        for k, bound in enumerate(error, start=1):
            mean = sum(single[i][k] for single in singles) / m
            assert (abs(batch[i][k] - mean) <= 4 * bound).all()
        dZ = np.hstack([single[i].dZ for single in singles])
        np.testing.assert_allclose(batch[i].dZ, dZ, rtol=1e-9, atol=1e-9)


@given(networks(), seeds)
def test_gradients_do_not_depend_on_the_order_of_samples(network, seed):
    layers, X, Y = network
    order = np.random.default_rng(seed).permutation(X.shape[1])
    got = backward(layers, forward(layers, X), Y)
    shuffled = backward(layers, forward(layers, X[:, order]), Y[:, order])
    for in_order, permuted, error in zip(got, shuffled, roundings(network), strict=True):
        for a, b, bound in zip(in_order[1:], permuted[1:], error, strict=True):
            assert (abs(a - b) <= 4 * bound).all()


# -------------------------------------------------------------------- errors


def test_invalid_arguments_are_rejected():
    layers = initialize([3, 2], rng=0)
    for X in (np.ones((2, 3)), np.ones(3)):  # W @ x + b would be (2, 2)
        with pytest.raises(
            ValueError, match=r"a layer expects inputs \(3, m\), one per column, got"
        ):
            forward(layers, X)
    caches = forward(layers, np.ones((3, 4)))
    with pytest.raises(ValueError, match=r"must have the shape of A, \(2, 4\), got \(4, 2\)"):
        backward(layers, caches, np.ones((4, 2)))
    with pytest.raises(ValueError, match=r"must have the shape of A, \(2, 4\), got \(4,\)"):
        cross_entropy(caches[-1].Z, np.ones(4))
    with pytest.raises(
        ValueError,
        match=r"unknown activation 'relo' .did you mean 'relu'..; choose from: linear, relu",
    ):
        forward(initialize([3, 2, 2], 0, "relo"), np.ones((3, 1)))


@pytest.mark.parametrize(("hidden", "variance"), [("relu", 2 / 300), ("tanh", 2 / 500)])
def test_initial_weights(hidden, variance):
    """He's variance for relu, Xavier's for all others, including softmax; biases are 0."""
    layers = initialize([300, 200, 100], rng=1, hidden=hidden, dtype=np.float64)
    assert [layer.activation for layer in layers] == [hidden, "softmax"]
    assert [layer.b.tolist() for layer in layers] == [[[0.0]] * 200, [[0.0]] * 100]
    for layer, want in zip(layers, [variance, 2 / 300], strict=True):
        assert layer.W.var() == pytest.approx(want, rel=0.05)
        assert abs(layer.W.mean()) < 3 * (want / layer.W.size) ** 0.5
        assert layer.W.dtype == np.float64
    again, other = (initialize([300, 200, 100], seed, hidden, dtype=np.float64) for seed in (1, 2))
    assert (again[1].W == layers[1].W).all()
    assert (other[1].W != layers[1].W).all()
    assert {p.dtype for layer in initialize([2, 2]) for p in layer[:2]} == {np.dtype(np.float32)}


# ------------------------------------------------------------------- gradient check and descent


@given(networks())
def test_the_gradient_check_restores_the_weights(network):
    """Its error is between 0 and 1, and 0 if all gradients are 0."""
    before = [p.tobytes() for layer in network.layers for p in layer[:2]]
    assert 0 <= demo.gradient_check(*network, 1e-5) <= 1
    assert before == [p.tobytes() for layer in network.layers for p in layer[:2]]
    assert demo.gradient_check(initialize([2, 1], 0), np.ones((2, 3)), np.ones((1, 3)), 1e-5) == 0


@pytest.mark.parametrize("name", HIDDEN)
def test_the_gradient_check_detects_a_wrong_derivative(name, monkeypatch):
    rng = np.random.default_rng(0)
    case = (
        initialize([4, 3, 2], 0, name, dtype=float),
        rng.normal(size=(4, 5)),
        np.eye(2)[:, [0, 1, 1, 0, 1]],
    )
    assert demo.gradient_check(*case, 1e-5) < 1e-8
    f, derivative = ACTIVATIONS[name]
    monkeypatch.setitem(ACTIVATIONS, name, (f, lambda Z, A: derivative(Z, A) * 1.001))
    assert 1e-5 < demo.gradient_check(*case, 1e-5) < 1e-3


def test_the_relative_error(monkeypatch):
    """|a - n| / (|a| + |n|) is 1 / 3 where a = 2n."""
    layers, X, Y = initialize([2, 2], 0, dtype=float), np.eye(2), np.eye(2)
    right = demo.backward
    doubled = lambda *args: [
        demo.Gradients(*(2 * g for g in gradients)) for gradients in right(*args)
    ]
    monkeypatch.setattr(demo, "backward", doubled)
    assert demo.gradient_check(layers, X, Y, 1e-5) == pytest.approx(1 / 3, rel=1e-8)


def test_truncation_and_rounding():
    """The error decreases as ε² down to about 1e-5, and increases as 1 / ε below."""
    rng = np.random.default_rng(0)
    case = (
        initialize([4, 3, 2], 0, "tanh", dtype=float),
        rng.normal(size=(4, 5)),
        np.eye(2)[:, [0, 1, 1, 0, 1]],
    )
    error = {k: demo.gradient_check(*case, 10.0**-k) for k in (2, 3, 5, 7, 9)}
    assert error[2] / error[3] == pytest.approx(100, rel=0.1)
    assert error[5] < error[3]
    assert error[5] < error[7] < error[9]
    assert error[7] < 1e-7


def test_mini_batch_gradient_descent():
    """W -= α dW for each batch; every sample once per epoch; α is a tenth from epoch 7 on."""
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(3, 40)), np.eye(2)[:, rng.integers(0, 2, 40)]
    layers, by_loop = (initialize([3, 4, 2], 0, dtype=float) for _ in range(2))
    order = np.random.default_rng(5)
    for epoch in demo.train(layers, X, Y, epochs=9, rng=5):
        indices = order.permutation(40)
        for batch in (indices[:32], indices[32:]):
            gradients = backward(by_loop, forward(by_loop, X[:, batch]), Y[:, batch])
            for layer, (_, dW, db) in zip(by_loop, gradients, strict=True):
                layer.W[:] -= (0.5 if epoch < 7 else 0.05) * dW
                layer.b[:] -= (0.5 if epoch < 7 else 0.05) * db
        for layer, other in zip(layers, by_loop, strict=True):
            np.testing.assert_allclose(layer.W, other.W, rtol=1e-12)
            np.testing.assert_allclose(layer.b, other.b, rtol=1e-12, atol=1e-15)


def test_exclusive_or_is_learned():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (2, 400)).astype(np.float32)
    Y = np.eye(2, dtype=np.float32)[:, (X[0] * X[1] > 0).astype(int)]  # exclusive or
    layers = initialize([2, 32, 2], rng=0)
    before = demo.evaluate(layers, X, Y)
    *_, last = demo.train(layers, X, Y, epochs=60, rng=0)
    after = demo.evaluate(layers, X, Y)
    assert last == 59
    assert after[0] < before[0] / 2
    assert after[1] > 0.95


# ---------------------------------------------------------------------------------------- the demo


def test_the_output_of_the_demo(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(demo, "EPSILONS", [1e-3, 1e-5, 1e-7])
    demo.main(tmp_path, epochs=3, samples=6000)
    output = capsys.readouterr().out
    for line in [
        "5,500 training images, 500 held-out images, 10,000 test images",
        "Z1 = W1 A0 + b1     (256, 784) @ (784, 32) + (256, 1)  -> (256, 32)",
        "dW1 = dZ1 A0ᵀ / m   (256, 32) @ (32, 784)              -> (256, 784)",
        f"wrote {tmp_path / 'backprop_by_hand.svg'}",
    ]:
        assert line in output
    assert float(output.split("on test images ")[1].split("%")[0]) > 90
    assert ET.parse(tmp_path / "backprop_by_hand.svg").getroot().tag.endswith("svg")


def test_pictures_are_deterministic(tmp_path):
    layers = initialize([784, 20, 10], rng=0)
    history = np.array([[[0.3, 0.2], [0.3, 0.25]], [[0.9, 0.95], [0.9, 0.92]]])
    weights, errors = [layer.W for layer in layers], dict.fromkeys("abc", demo.EPSILONS)
    for name in ("a.svg", "b.svg"):
        save_picture(weights, history, demo.EPSILONS, errors, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_the_engine_is_not_used():
    tree = ast.parse(inspect.getsource(demo))
    modules = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = {f"{node.module}.{alias.name}" for node in modules for alias in node.names}
    allowed = {"nn.data", "nn.arguments.look_up", "nn.init.generator"}
    assert {name for name in names if name.startswith(("engine", "nn"))} == allowed
