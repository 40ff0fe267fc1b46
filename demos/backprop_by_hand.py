"""Backpropagation by hand: MNIST to 98 %, every derivative derived on paper, none by an engine.

File 1 of chapter 02 (5.2 to 5.5, 6.3, 6.4, 7, 10.2) in NumPy. One sample per column, as the chapter
writes: X (n_0, m), W (n_out, n_in), b (n_out, 1), Y (K, m). float32 and float64 are kept. Nothing
here knows the engine: tests hold the one against the other.

On 1/m: dZ and dA are gradients of each sample's own loss, as is A - Y (5.5); dW and db, which
divide by m, are gradients of the mean loss. With respect to Z and A that one has dZ / m and dA / m.

Writes backprop_by_hand.svg: loss and accuracy, a gradient check, and weights of the first layer.
"""

import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from numpy.linalg import norm
from tqdm import tqdm

from demos import _look as look
from demos.logistic_regression import alike, sigmoid
from nn import data
from nn.arguments import lookup
from nn.init import generator

# Chosen by the accuracy on 5,000 training images held out, never by the test set.
SIZES, BATCH, ALPHA, EPOCHS, EVERY = [784, 256, 10], 32, 0.5, 9, 7
EPSILONS = [10.0**-k for k in range(1, 12)]  # of the gradient check


def softmax(Z: np.ndarray) -> np.ndarray:
    """e^Z over its sum, column by column; no exponent is positive, so that none overflows.

    >>> softmax(np.array([[1000.0, 0.0], [1000.0, -1000.0]]))
    array([[0.5, 1. ],
           [0.5, 0. ]])
    """
    E = np.exp(Z - Z.max(axis=0, keepdims=True))
    return E / E.sum(axis=0, keepdims=True)


def cross_entropy(Z: np.ndarray, Y: np.ndarray) -> float:
    """The mean of -Σ y log a, a = softmax(z), from z: no logarithm ever meets a 0.

    >>> cross_entropy(np.array([[0.0], [1000.0]]), np.array([[1.0], [0.0]]))
    1000.0
    """
    Z = Z - Z.max(axis=0, keepdims=True)
    log_A = Z - np.log(np.exp(Z).sum(axis=0, keepdims=True))
    return float(-np.sum(alike(Z, Y) * log_A) / Z.shape[1])


# Activation, and derivative from Z and A = f(Z) (7.2). That of softmax is part of dZ = A - Y (7.3),
# so that softmax is for the last layer.
ACTIVATIONS: dict[str, tuple[Any, Any]] = {
    "linear": (lambda Z: Z, lambda Z, A: np.ones_like(Z)),
    "relu": (lambda Z: np.maximum(0, Z), lambda Z, A: Z > 0),
    "sigmoid": (sigmoid, lambda Z, A: A * (1 - A)),
    "tanh": (np.tanh, lambda Z, A: 1 - A**2),
    "softmax": (softmax, None),
}


class Layer(NamedTuple):
    W: np.ndarray  # (n_out, n_in)
    b: np.ndarray  # (n_out, 1)
    activation: str


class Cache(NamedTuple):  # what the backward pass needs of a layer's forward pass
    A_prev: np.ndarray  # (n_in, m)
    Z: np.ndarray  # (n_out, m)
    A: np.ndarray  # (n_out, m)


class Gradients(NamedTuple):  # of each sample's loss dZ, of the mean loss dW and db
    dZ: np.ndarray  # (n_out, m)
    dW: np.ndarray  # (n_out, n_in)
    db: np.ndarray  # (n_out, 1)


def initialize(sizes, rng=None, hidden="relu", output="softmax", dtype=np.float32) -> list[Layer]:
    """Layers with b = 0 and normal W: He's variance 2 / n_in for relu, Xavier's for others.

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
    """Z = W A_prev + b and A = f(Z) of each layer (5.3); `forward(layers, X)[-1].A` is the output.

    ValueError for an input that is not of shape (n_in, m), and for an unknown activation.
    """
    caches, A = [], X
    for W, b, activation in layers:
        if A.ndim != 2 or len(A) != W.shape[1]:
            raise ValueError(f"a layer takes inputs ({W.shape[1]}, m), one a column, got {A.shape}")
        f, _ = lookup("activation", ACTIVATIONS, activation)
        Z = W @ A + b
        caches.append(Cache(A, Z, f(Z)))
        A = caches[-1].A
    return caches


def backward(layers: Sequence[Layer], caches: Sequence[Cache], Y: np.ndarray) -> list[Gradients]:
    """Every layer's gradients, from dZ = A - Y of the last (5.5, 7.3); ValueError for other shapes.

    A - Y belongs to softmax with cross-entropy, to sigmoid with binary cross-entropy, and to linear
    with half the squared error.
    """
    return backward_from(layers, caches, caches[-1].A - alike(caches[-1].A, Y))


def backward_from(layers, caches: Sequence[Cache], dZ: np.ndarray) -> list[Gradients]:
    """Every layer's gradients, from any dZ of the last (5.3, 7.1)."""
    m, gradients = dZ.shape[1], []
    for i in reversed(range(len(layers))):
        dW = dZ @ caches[i].A_prev.T / m
        db = np.sum(dZ, axis=1, keepdims=True) / m
        gradients.append(Gradients(dZ, dW, db))
        if i > 0:  # dX, which training has no use for, is layers[0].W.T @ gradients[0].dZ
            dA_prev = layers[i].W.T @ dZ
            _, derivative = ACTIVATIONS[layers[i - 1].activation]
            dZ = dA_prev * derivative(caches[i - 1].Z, caches[i - 1].A)
    return gradients[::-1]


def train(layers, X: np.ndarray, Y: np.ndarray, epochs: int, rng: Any = None) -> Iterator[int]:
    """Mini-batch gradient descent (6.3), layers moved in place; yields after each epoch."""
    rng = generator(rng)
    for epoch in range(epochs):
        alpha = ALPHA / 10 ** (epoch // EVERY)  # the schedule of 6.4
        for X_batch, Y_batch in data.batches(X.T, Y.T, BATCH, rng=rng):
            gradients = backward(layers, forward(layers, X_batch.T), Y_batch.T)
            for (W, b, _), (_, dW, db) in zip(layers, gradients, strict=True):
                W -= alpha * dW
                b -= alpha * db
        yield epoch


def evaluate(layers: Sequence[Layer], X: np.ndarray, Y: np.ndarray) -> tuple[float, float]:
    """Loss and accuracy."""
    Z = forward(layers, X)[-1].Z
    return cross_entropy(Z, Y), float(np.mean(Z.argmax(axis=0) == Y.argmax(axis=0)))


def gradient_check(layers: Sequence[Layer], X: np.ndarray, Y: np.ndarray, epsilon: float) -> float:
    """The relative error of 10.2, |by hand - numerical| / (|by hand| + |numerical|); 0 for 0 / 0.

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
    print(f"{X.shape[1]:,} images to train on, {held_out[0].shape[1]:,} held out, "
          f"{test[0].shape[1]:,} to test with\n\n{arrows(layers, X[:, :BATCH], Y[:, :BATCH])}\n\n"
          "dZ and dA are those of each sample's loss; those of the mean loss are 1 / m of them.\n\n"
          "Gradient check: relative error by ε")  # fmt: skip
    checks = checked(X[:, :10], Y[:, :10])
    for name, errors in [("", EPSILONS), *checks.items()]:
        print(f"{name:14}" + "".join(f"{error:8.0e}" for error in errors))
    print("In float64 it is below the chapter's bound of 1e-7 at ε = 1e-7. 1e-5 is better: there\n"
          "truncation, which grows as ε², meets rounding, which grows as 1 / ε. In float32 no ε\n"
          "gets there; and a large ε moves relu across its kink.\n")  # fmt: skip
    history, start = [], time.perf_counter()
    bar = tqdm(train(layers, X, Y, epochs, rng=1), desc="mnist", total=epochs, unit="epoch")
    for _ in bar:
        history.append([evaluate(layers, X[:, :5000], Y[:, :5000]), evaluate(layers, *held_out)])
        loss, accuracy = history[-1][1]
        bar.set_postfix(loss=f"{loss:.4f}", accuracy=f"{accuracy:.2%}")
    print(f"{epochs} epochs in {time.perf_counter() - start:.1f} s; accuracy on images held out "
          f"{accuracy:.2%}, on test images {evaluate(layers, *test)[1]:.2%}")  # fmt: skip
    print(f"wrote {picture(layers, np.array(history).T, checks, out / 'backprop_by_hand.svg')}")


def arrows(layers: Sequence[Layer], X: np.ndarray, Y: np.ndarray) -> str:
    """The shapes of a pass forward and back, read off the arrays."""
    caches, rows = forward(layers, X), []
    for i, ((W, b, f), (A_prev, Z, A)) in enumerate(zip(layers, caches, strict=True), 1):
        rows += [(f"Z{i} = W{i} A{i - 1} + b{i}", f"{W.shape} @ {A_prev.shape} + {b.shape}", Z),
                 (f"A{i} = {f}(Z{i})", f"{Z.shape}", A)]  # fmt: skip
    why, shapes = f"A{len(layers)} - Y", f"{A.shape} - {Y.shape}"
    gradients = backward(layers, caches, Y)
    for i in range(len(layers), 0, -1):
        (dZ, dW, db), W_T, A_prev = gradients[i - 1], layers[i - 1].W.T, caches[i - 1].A_prev
        rows += [(f"dZ{i} = {why}", shapes, dZ),
                 (f"dW{i} = dZ{i} A{i - 1}ᵀ / m", f"{dZ.shape} @ {A_prev.T.shape}", dW),
                 (f"db{i} = sum(dZ{i}) / m", f"{dZ.shape}", db),
                 (f"dA{i - 1} = W{i}ᵀ dZ{i}", f"{W_T.shape} @ {dZ.shape}", W_T @ dZ)]  # fmt: skip
        why, shapes = f"dA{i - 1} * f'(Z{i - 1})", f"{A_prev.shape} * {A_prev.shape}"
    return "\n".join(f"{what:20}{how:34} -> {to.shape}" for what, how, to in rows[:-1])


def checked(X: np.ndarray, Y: np.ndarray) -> dict[str, list[float]]:
    """Gradient checks of small networks on images shrunk to 7 x 7 pixels: an error for each ε."""
    X, errors = X.reshape(7, 4, 7, 4, -1).mean(axis=(1, 3)).reshape(49, -1), {}
    for hidden, dtype in [("tanh", "float64"), ("relu", "float64"), ("tanh", "float32")]:
        case = initialize([49, 8, 10], 0, hidden, dtype=dtype), X.astype(dtype), Y.astype(dtype)
        errors[f"{hidden}, {dtype}"] = [gradient_check(*case, each) for each in EPSILONS]
    return errors


def picture(layers, history: np.ndarray, checks: dict[str, list[float]], path: Path) -> Path:
    """Loss, accuracy (of training, held out; by epoch) and checks above, layers[0].W below."""
    with plt.rc_context(look.STYLE):
        figure: Any = plt.figure(figsize=(11, 7), layout="constrained")
        above, below = figure.subfigures(2, 1, height_ratios=[1.25, 1])
        loss, accuracy, check = above.subplots(1, 3, width_ratios=[1, 1, 1.5])
        epochs = range(1, history.shape[2] + 1)
        for axis, (training, held_out) in [(loss, history[0]), (accuracy, 100 * history[1])]:
            axis.plot(epochs, training, "--", color=look.ORANGE, label="training images")
            axis.plot(epochs, held_out, color=look.BLUE, label="images held out")
            axis.set(xlabel="epoch", xticks=epochs)
        loss.set(title="Loss", ylim=(0, None))
        accuracy.set(title="Accuracy, %", ylim=(None, 100.05))
        accuracy.legend(frameon=False, loc="lower right")

        marks = [(look.BLUE, "o-"), (look.ORANGE, "^-"), (look.PALE, "s-")]
        for (name, errors), (colour, mark) in zip(checks.items(), marks, strict=True):
            check.loglog(EPSILONS, errors, mark, color=colour, label=name, linewidth=1.6)
        check.axhline(1e-7, color=look.INK, linewidth=1, linestyle=":")
        check.text(1e-11, 2e-8, "10.2: < 1e-7")
        check.text(1e-11, 1e-10, "rounding, 1 / ε")
        check.text(1e-1, 1e-10, "truncation, ε²", ha="right")
        check.set(title="Gradient check: relative error", xlabel="ε")
        check.legend(frameon=False, loc=(0.3, 0.45))

        below.suptitle("Weights of the first layer: neurons that the second uses most", **look.LEFT)
        used = np.argsort(-norm(layers[1].W, axis=0), kind="stable")
        for axis, w in zip(below.subplots(2, 8).flat, layers[0].W[used], strict=False):
            look.tile(axis, w, look.SIGNS)
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)
    return path
