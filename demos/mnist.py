"""MNIST: handwritten digits, learned with arrays in seconds; then one digit, scalar by scalar.

Writes mnist.svg: what is taken for what, the worst mistakes, and a look inside one of them.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from demos import _mnist_best, _mnist_picture
from demos._mnist_inside import look_inside
from nn import accuracy, confusion_matrix, data, fit, schedules, vector

HIDDEN, EPOCHS, BATCH, RATE = 256, 5, 256, 0.005  # the best of some by --held-out
HELD_OUT = 5000


def main(out: Path, best: bool = False, seed: int = 0, held_out: bool = False) -> None:
    (X, y), (X_test, y_test) = data.mnist()
    judges = "test digits"
    if held_out:  # how recipes are compared, so that the test digits choose nothing
        X, X_test, y, y_test = X[:-HELD_OUT], X[-HELD_OUT:], y[:-HELD_OUT], y[-HELD_OUT:]
        judges = f"{HELD_OUT:,} digits held out"
    name = ("mnist_best" if best else "mnist") + ("_held_out" if held_out else "")
    train = _mnist_best.train if best else in_seconds
    model = train(X, y, out / f"{name}_{seed}.ckpt", seed)
    logits = model(X_test)
    wrong = mistakes(logits.softmax().data, y_test)
    print(f"{accuracy(logits, y_test):.2%} of the {judges} are right, {len(wrong)} are not")

    worst = wrong[0]
    inside = look_inside(model, X_test[worst.place], worst.label, worst.taken_for)
    print(inside.report())
    path = out / f"{name}.svg"
    _mnist_picture.save(path, X_test, confusion_matrix(logits, y_test), wrong, inside)
    print(f"wrote {path}")


def in_seconds(X: np.ndarray, y: np.ndarray, _: Path, seed: int) -> vector.MLP:
    """One hidden layer, a few epochs, a learning rate that falls to 0; too few to save."""
    model = vector.MLP(784, [HIDDEN, 10], rng=seed)
    print(f"{model.summary()}\n\n{len(X):,} digits to learn from")
    training = fit(
        model, X, y, loss="cross_entropy", metric="accuracy", epochs=EPOCHS, batch_size=BATCH,
        schedule=schedules.linear(RATE, steps=EPOCHS * -(-len(X) // BATCH)), rng=seed,
    )  # fmt: skip
    seconds = 0.0
    bar = tqdm(training, total=EPOCHS, desc="mnist", unit="epoch")
    for record in bar:
        seconds += record.seconds
        bar.set_postfix(loss=f"{record.loss:.4f}", accuracy=f"{record.metric:.2%}")
    print(f"{EPOCHS} epochs in {seconds:.1f} s")
    return model


class Mistake(NamedTuple):
    """A test digit taken for another."""

    place: int
    label: int
    taken_for: int
    share: float  # the softmax share of what it was taken for


def mistakes(shares: np.ndarray, labels: np.ndarray) -> list[Mistake]:
    """Every mistake, the surest first."""
    taken = shares.argmax(axis=1)
    wrong = np.flatnonzero(taken != labels)
    wrong = wrong[np.argsort(-shares[wrong, taken[wrong]], kind="stable")]
    return [Mistake(i, int(labels[i]), int(taken[i]), float(shares[i, taken[i]])) for i in wrong]
