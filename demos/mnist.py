"""MNIST: an array network learns handwritten digits in seconds; one digit is inspected as Values.

Writes mnist.svg: the confusion matrix, the most confident mistakes, and an inspection of the first.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from demos import _mnist_best
from demos._mnist_inside import inspect_digit
from demos.pictures.mnist import save_picture
from nn import accuracy, confusion_matrix, data, fit, schedules, vector

HIDDEN, EPOCHS, BATCH, RATE = 256, 5, 256, 0.005  # chosen by --held-out
HELD_OUT = 5000


def main(out: Path, best: bool = False, seed: int = 0, held_out: bool = False) -> None:
    (X, y), (X_test, y_test) = data.mnist()
    test = "test"
    if held_out:  # to compare recipes, so that the test digits choose nothing
        X, X_test, y, y_test = X[:-HELD_OUT], X[-HELD_OUT:], y[:-HELD_OUT], y[-HELD_OUT:]
        test = f"{HELD_OUT:,} held-out"
    name = ("mnist_best" if best else "mnist") + ("_held_out" if held_out else "")
    train = _mnist_best.train if best else train_quickly
    model = train(X, y, out / f"{name}_{seed}.ckpt", seed)
    logits = model(X_test)
    wrong = mistakes(logits.softmax().data, y_test)
    print(f"{accuracy(logits, y_test):.2%} of the {test} digits are correct, {len(wrong)} are not")

    first = wrong[0]
    inspection = inspect_digit(model, X_test[first.sample], first.label, first.prediction)
    print(inspection.report())
    path = out / f"{name}.svg"
    captions = [(X_test[mistake.sample], mistake.title, mistake.caption) for mistake in wrong[:15]]
    save_picture(confusion_matrix(logits, y_test), captions, inspection, path)
    print(f"wrote {path}")


def train_quickly(X: np.ndarray, y: np.ndarray, _: Path, seed: int) -> vector.MLP:
    """Train one hidden layer for a few epochs, with a learning rate that decreases to 0."""
    model = vector.MLP(784, [HIDDEN, 10], rng=seed)
    print(f"{model.summary()}\n\n{len(X):,} training digits")
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
    """A misclassified digit."""

    sample: int
    label: int
    prediction: int
    probability: float  # of the prediction

    @property
    def title(self) -> str:
        return f"{self.label} → {self.prediction}"

    @property
    def caption(self) -> str:
        return "over 99.9%" if self.probability > 0.999 else f"{self.probability:.1%}"


def mistakes(probabilities: np.ndarray, labels: np.ndarray) -> list[Mistake]:
    """Return all mistakes, the most confident first."""
    predictions = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predictions != labels)
    confidence = probabilities[wrong, predictions[wrong]]
    return [
        Mistake(i, int(labels[i]), int(predictions[i]), float(probabilities[i, predictions[i]]))
        for i in wrong[np.argsort(-confidence, kind="stable")]
    ]
