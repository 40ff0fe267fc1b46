"""Backpropagation by hand: MNIST to 98 % in NumPy, with every derivative derived on paper.

The engine is not used; the tests compare the two. The equations are those of any textbook (Nielsen,
Neural Networks and Deep Learning, 2015, chapter 2; Goodfellow, Bengio and Courville, Deep Learning,
2016, 6.5). Each column is a sample: X (n_0, m), W (n_out, n_in), b (n_out, 1), Y (K, m). The dtype,
float32 or float64, is kept.

On 1/m: dZ and dA are gradients of the loss of each sample, as is A - Y. dW and db divide by m and
are gradients of the mean loss, whose gradients with respect to Z and A are dZ / m and dA / m.

Writes backprop_by_hand.svg: loss and accuracy, gradient checks, and weights of the first layer.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.linalg import norm
from tqdm import tqdm

from demos.logistic_regression import check_shape, sigmoid
from demos.pictures.backprop_by_hand import save_picture
from demos.shared.tables import format_table
from demos.shared.timing import Stopwatch
from nn import data
from nn.arguments import look_up
from nn.init import generator

# Chosen by the accuracy on 5,000 training images held out, never by the test set.
SIZES, BATCH, ALPHA, EPOCHS = [784, 256, 10], 32, 0.5, 9
DECAY_EVERY = 7  # epochs, after which α decreases to a tenth
EPSILONS = [10.0**-k for k in range(1, 12)]  # steps of the gradient check


def softmax(Z: np.ndarray) -> np.ndarray:
    """Return e^Z over its sum in each column; no exponent is positive, so none overflows.

    >>> softmax(np.array([[1000.0, 0.0], [1000.0, -1000.0]]))
    array([[0.5, 1. ],
           [0.5, 0. ]])
    """
    E = np.exp(Z - Z.max(axis=0, keepdims=True))
    return E / E.sum(axis=0, keepdims=True)


def cross_entropy(Z: np.ndarray, Y: np.ndarray) -> float:
    """Return the mean of -Σ y log a with a = softmax(z).

    It is computed from z, so no logarithm of 0 occurs.

    >>> cross_entropy(np.array([[0.0], [1000.0]]), np.array([[1.0], [0.0]]))
    1000.0
    """
    Z = Z - Z.max(axis=0, keepdims=True)
    log_A = Z - np.log(np.exp(Z).sum(axis=0, keepdims=True))
    return float(-np.sum(check_shape(Z, Y) * log_A) / Z.shape[1])


# Each activation f, and its derivative as a function of Z and A = f(Z). Softmax is only for the
# last layer, as its derivative is part of dZ = A - Y.
ACTIVATIONS: dict[str, tuple[Any, Any]] = {
    "linear": (lambda Z: Z, lambda Z, A: np.ones_like(Z)),
    "relu": (lambda Z: np.maximum(0, Z), lambda Z, A: Z > 0),
    "sigmoid": (sigmoid, lambda Z, A: A * (1 - A)),
    "tanh": (np.tanh, lambda Z, A: 1 - A**2),
    "softmax": (softmax, None),
}


class Layer(NamedTuple):
    """The parameters of a layer, and the name of its activation."""

    W: np.ndarray  # (n_out, n_in)
    b: np.ndarray  # (n_out, 1)
    activation: str


class Cache(NamedTuple):
    """The arrays of a layer's forward pass that its backward pass needs."""

    A_prev: np.ndarray  # (n_in, m)
    Z: np.ndarray  # (n_out, m)
    A: np.ndarray  # (n_out, m)


class Gradients(NamedTuple):
    """dZ of the loss of each sample; dW and db of the mean loss."""

    dZ: np.ndarray  # (n_out, m)
    dW: np.ndarray  # (n_out, n_in)
    db: np.ndarray  # (n_out, 1)


def initialize(
    sizes: Sequence[int],
    rng: Any = None,
    hidden: str = "relu",
    output: str = "softmax",
    dtype: Any = np.float32,
) -> list[Layer]:
    """Return layers with b = 0 and normally distributed W.

    The variance is 2 / n_in for relu (He et al. 2015), and 2 / (n_in + n_out) for other activations
    (Glorot and Bengio 2010).

    >>> [layer.W.shape for layer in initialize([784, 128, 10], rng=0)]
    [(128, 784), (10, 128)]
    """
    rng, layers = generator(rng), []
    for i, (n_in, n_out) in enumerate(pairwise(sizes), start=2):
        activation = hidden if i < len(sizes) else output
        variance = 2 / (n_in if activation == "relu" else n_in + n_out)
        W = rng.normal(0, variance**0.5, (n_out, n_in)).astype(dtype)
        layers.append(Layer(W, np.zeros((n_out, 1), dtype), activation))
    return layers


def forward(layers: Sequence[Layer], X: np.ndarray) -> list[Cache]:
    """Return the cache of each layer, with Z = W A_prev + b and A = f(Z).

    `forward(layers, X)[-1].A` is the output. Raises ValueError if X is not of shape (n_in, m), or
    for an unknown activation.
    """
    caches, A = [], X
    for W, b, activation in layers:
        if A.ndim != 2 or len(A) != W.shape[1]:
            raise ValueError(
                f"a layer expects inputs ({W.shape[1]}, m), one per column, got {A.shape}"
            )
        f, _ = look_up("activation", ACTIVATIONS, activation)
        Z = W @ A + b
        caches.append(Cache(A, Z, f(Z)))
        A = caches[-1].A
    return caches


def backward(layers: Sequence[Layer], caches: Sequence[Cache], Y: np.ndarray) -> list[Gradients]:
    """Return the gradients of each layer, from dZ = A - Y of the last.

    A - Y is the gradient for softmax with cross-entropy, for sigmoid with binary cross-entropy, and
    for linear with half the squared error. Raises ValueError if Y has not the shape of A.
    """
    return backward_from(layers, caches, caches[-1].A - check_shape(caches[-1].A, Y))


def backward_from(
    layers: Sequence[Layer], caches: Sequence[Cache], dZ: np.ndarray
) -> list[Gradients]:
    """Return the gradients of each layer, from any dZ of the last."""
    m, gradients = dZ.shape[1], []
    for i in reversed(range(len(layers))):
        dW = dZ @ caches[i].A_prev.T / m
        db = np.sum(dZ, axis=1, keepdims=True) / m
        gradients.append(Gradients(dZ, dW, db))
        if i > 0:  # training does not need dX, which is layers[0].W.T @ gradients[0].dZ
            dA_prev = layers[i].W.T @ dZ
            _, derivative = ACTIVATIONS[layers[i - 1].activation]
            dZ = dA_prev * derivative(caches[i - 1].Z, caches[i - 1].A)
    return gradients[::-1]


def train(
    layers: Sequence[Layer], X: np.ndarray, Y: np.ndarray, epochs: int, rng: Any = None
) -> Iterator[int]:
    """Run mini-batch gradient descent, updating the layers in place; yield after each epoch."""
    rng = generator(rng)
    for epoch in range(epochs):
        alpha = ALPHA / 10 ** (epoch // DECAY_EVERY)
        for X_batch, Y_batch in data.batches(X.T, Y.T, BATCH, rng=rng):
            gradients = backward(layers, forward(layers, X_batch.T), Y_batch.T)
            for (W, b, _), (_, dW, db) in zip(layers, gradients, strict=True):
                W -= alpha * dW
                b -= alpha * db
        yield epoch


def evaluate(layers: Sequence[Layer], X: np.ndarray, Y: np.ndarray) -> tuple[float, float]:
    """Return the loss and the accuracy."""
    Z = forward(layers, X)[-1].Z
    return cross_entropy(Z, Y), float(np.mean(Z.argmax(axis=0) == Y.argmax(axis=0)))


def gradient_check(layers: Sequence[Layer], X: np.ndarray, Y: np.ndarray, epsilon: float) -> float:
    """Return the relative error |by hand - numerical| / (|by hand| + |numerical|); 0 for 0 / 0.

    The numerical gradient is (L(w + ε) - L(w - ε)) / 2ε for every weight and bias.
    """
    by_hand, numerical = [], []
    for layer, gradients in zip(layers, backward(layers, forward(layers, X), Y), strict=True):
        for p, slopes in [(layer.W, gradients.dW), (layer.b, gradients.db)]:
            for i, w in np.ndenumerate(p.copy()):
                losses = []
                for p[i] in (w + epsilon, w - epsilon):
                    losses.append(cross_entropy(forward(layers, X)[-1].Z, Y))
                p[i] = w
                by_hand.append(slopes[i])
                numerical.append((losses[0] - losses[1]) / (2 * epsilon))
    size = norm(by_hand) + norm(numerical)
    return float(norm(np.subtract(by_hand, numerical)) / size) if size else 0.0


def main(out: Path, *, epochs: int = EPOCHS, samples: int = 60_000) -> None:
    (X, y), test = data.mnist()
    parts = [*data.split(X[:samples], y[:samples], fraction=1 / 12, rng=0), test]
    (X, Y), held_out, test = [(X.T, np.eye(10, dtype=X.dtype)[y].T) for X, y in parts]
    layers = initialize(SIZES, rng=0)
    errors = check_small_networks(X[:, :10], Y[:, :10])
    print(f"{X.shape[1]:,} training images, {held_out[0].shape[1]:,} held-out images, "
          f"{test[0].shape[1]:,} test images\n\n"
          f"{shape_table(layers, X[:, :BATCH], Y[:, :BATCH])}\n\n"
          "dZ and dA are gradients of the loss of each sample; divide by m for the mean loss.\n\n"
          f"Gradient check: relative error by ε\n\n{error_table(errors)}\n\n"
          "In float64 the error at ε = 1e-7 is below 1e-7, a common bound. It is smallest\n"
          "near ε = 1e-5, where the truncation error, which grows as ε², meets the rounding\n"
          "error, which grows as 1 / ε. float32 does not reach the bound. A large ε moves relu\n"
          "across its kink.\n"
          )  # fmt: skip
    history, stopwatch = [], Stopwatch()
    bar = tqdm(train(layers, X, Y, epochs, rng=1), desc="mnist", total=epochs, unit="epoch")
    for _ in bar:
        history.append([evaluate(layers, X[:, :5000], Y[:, :5000]), evaluate(layers, *held_out)])
        loss, accuracy = history[-1][1]
        bar.set_postfix(loss=f"{loss:.4f}", accuracy=f"{accuracy:.2%}")
    print(f"{epochs} epochs in {stopwatch.lap():.1f} s; accuracy on held-out images "
          f"{accuracy:.2%}, on test images {evaluate(layers, *test)[1]:.2%}")  # fmt: skip
    path = out / "backprop_by_hand.svg"
    save_picture([layer.W for layer in layers], np.array(history).T, EPSILONS, errors, path)
    print(f"wrote {path}")


def shape_table(layers: Sequence[Layer], X: np.ndarray, Y: np.ndarray) -> str:
    """Return the shapes of a forward and a backward pass, read from the arrays."""
    caches, rows = forward(layers, X), []
    for i, ((W, b, f), (A_prev, Z, A)) in enumerate(zip(layers, caches, strict=True), 1):
        rows += [(f"Z{i} = W{i} A{i - 1} + b{i}", f"{W.shape} @ {A_prev.shape} + {b.shape}", Z),
                 (f"A{i} = {f}(Z{i})", f"{Z.shape}", A)]  # fmt: skip
    formula, shapes = f"A{len(layers)} - Y", f"{A.shape} - {Y.shape}"
    gradients = backward(layers, caches, Y)
    for i in range(len(layers), 0, -1):
        (dZ, dW, db), W_T, A_prev = gradients[i - 1], layers[i - 1].W.T, caches[i - 1].A_prev
        rows += [(f"dZ{i} = {formula}", shapes, dZ),
                 (f"dW{i} = dZ{i} A{i - 1}ᵀ / m", f"{dZ.shape} @ {A_prev.T.shape}", dW),
                 (f"db{i} = sum(dZ{i}) / m", f"{dZ.shape}", db),
                 (f"dA{i - 1} = W{i}ᵀ dZ{i}", f"{W_T.shape} @ {dZ.shape}", W_T @ dZ)]  # fmt: skip
        formula, shapes = f"dA{i - 1} * f'(Z{i - 1})", f"{A_prev.shape} * {A_prev.shape}"
    cells = [[equation, shapes, f"-> {array.shape}"] for equation, shapes, array in rows[:-1]]
    return format_table(["equation", "shapes", "result"], cells)


def check_small_networks(X: np.ndarray, Y: np.ndarray) -> dict[str, list[float]]:
    """Return gradient checks of small networks, on images averaged to 7 x 7 pixels, by ε."""
    X, errors = X.reshape(7, 4, 7, 4, -1).mean(axis=(1, 3)).reshape(49, -1), {}
    for hidden, dtype in [("tanh", "float64"), ("relu", "float64"), ("tanh", "float32")]:
        case = initialize([49, 8, 10], 0, hidden, dtype=dtype), X.astype(dtype), Y.astype(dtype)
        errors[f"{hidden}, {dtype}"] = [gradient_check(*case, epsilon) for epsilon in EPSILONS]
    return errors


def error_table(errors: dict[str, list[float]]) -> str:
    rows = [[name, *(f"{x:.0e}" for x in by_epsilon)] for name, by_epsilon in errors.items()]
    return format_table(["network", *(f"{epsilon:.0e}" for epsilon in EPSILONS)], rows)
