"""MNIST: an array network learns handwritten digits in seconds; one digit is inspected as Values.

Writes mnist.svg: the confusion matrix, the most confident mistakes, and an inspection of the first.
With --film, also writes mnist.html: a page with a slider over the epochs, and the backward passes
of three digits at each of them.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from demos import _mnist_best
from demos._mnist_inside import inspect_digit
from demos.pictures.mnist import save_picture
from nn import accuracy, confusion_matrix, data, fit, schedules, vector
from nn.live import Film

HIDDEN, EPOCHS, BATCH, RATE = 256, 5, 256, 0.005  # chosen by --held-out
HELD_OUT = 5000
FILMED = [0, 1, 2]  # training digits whose backward passes are in the film


def main(
    out: Path, best: bool = False, seed: int = 0, held_out: bool = False, film: bool = False
) -> None:
    if best and film:
        raise SystemExit("--film is for the quick training; leave out --best")
    (X, y), (X_test, y_test) = data.mnist()
    test = "test"
    if held_out:  # to compare recipes, so that the test digits choose nothing
        X, X_test, y, y_test = X[:-HELD_OUT], X[-HELD_OUT:], y[:-HELD_OUT], y[-HELD_OUT:]
        test = f"{HELD_OUT:,} held-out"
    name = ("mnist_best" if best else "mnist") + ("_held_out" if held_out else "")
    if best:
        model = _mnist_best.train(X, y, out / f"{name}_{seed}.ckpt", seed)
    else:
        model = train_quickly(X, y, out / f"{name}.html" if film else None, seed)
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


def train_quickly(X: np.ndarray, y: np.ndarray, page: Path | None, seed: int) -> vector.MLP:
    """Train one hidden layer for a few epochs, with a learning rate that decreases to 0.

    Write a film of the training if there is a page for it.
    """
    model = vector.MLP(784, [HIDDEN, 10], rng=seed)
    print(f"{model.summary()}\n\n{len(X):,} training digits")
    training = fit(
        model, X, y, loss="cross_entropy", metric="accuracy", epochs=EPOCHS, batch_size=BATCH,
        schedule=schedules.linear(RATE, steps=EPOCHS * -(-len(X) // BATCH)), rng=seed,
    )  # fmt: skip
    film = Film(training, samples=FILMED) if page else None
    seconds = 0.0
    bar = tqdm(film or training, total=EPOCHS, desc="mnist", unit="epoch")
    for record in bar:
        seconds += record.seconds
        bar.set_postfix(loss=f"{record.loss:.4f}", accuracy=f"{record.metric:.2%}")
    print(f"{EPOCHS} epochs in {seconds:.1f} s")
    if film and page:
        print(f"wrote {film.save(page)}: a film of the training")
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
