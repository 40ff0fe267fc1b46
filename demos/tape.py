"""The tape: MNIST learned by scalars alone, every product and every sum a node of its own.

Writes tape.svg: the graph of one digit's loss, after training, with its layers collapsed.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from engine import Tape, Value, dot, logsumexp
from engine.draw import draw
from nn import MLP, accuracy, data, fit, schedules

HIDDEN, EPOCHS, BATCH, RATE = 128, 4, 128, 0.004


def main(out: Path, seed: int = 0) -> None:
    (X, y), (X_test, y_test) = data.mnist()
    model = MLP(784, [HIDDEN, 10], rng=seed, fused=False)
    pixels = [Value(0.0, f"pixel {i}") for i in range(784)]
    targets = [Value(0.0, f"is a {k}") for k in range(10)]
    logits = model(pixels)
    loss = logsumexp(logits) - dot(targets, logits)  # cross-entropy: of the targets one is 1
    loss.label = "loss"

    began = time.perf_counter()
    tape = Tape(
        [loss, *logits], [*pixels, *targets], parameters=model.parameters(), dtype=np.float32
    )
    print(f"{model.summary()}\n\n{tape}, recorded in {time.perf_counter() - began:.1f} s")
    train(tape, with_targets(X, y), y, seed)
    right = accuracy(tape(with_targets(X_test, y_test))[:, 1:], y_test)
    print(f"{right:.2%} of the test digits are right")

    digit = with_targets(X_test[:1], y_test[:1])
    by_tape = tape.forward(digit)[0, 1:]
    tape.backward(np.eye(1, 11))  # of the loss alone
    tape.sync()
    by_values = [z.data for z in model(X_test[0].tolist())]  # a graph of its own
    print(f"\nThe first test digit is a {y_test[0]}; its logits, by the tape and by the Values:")
    for found in (by_tape, by_values):
        print("  ", *[f"{z:8.3f}" for z in found])
    drawing = draw(loss, model, collapse=True)
    print(f"wrote {drawing.save(out / 'tape.svg')}, the graph of its loss")


def with_targets(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The pixels of each digit, and after them ten numbers, of which that of its class is 1."""
    return np.concatenate([X, np.eye(10)[y]], axis=1, dtype=np.float32)


def train(tape: Tape, X: np.ndarray, y: np.ndarray, seed: int) -> None:
    """Adam, with a learning rate that falls to 0."""
    steps = EPOCHS * -(-len(X) // BATCH)
    mean_loss: Any = lambda outputs, _: outputs[:, 0].mean()
    share_right: Any = lambda outputs, labels: accuracy(outputs[:, 1:], labels)
    training = fit(
        tape, X, y, loss=mean_loss, metric=share_right, epochs=EPOCHS, batch_size=BATCH,
        schedule=schedules.linear(RATE, steps=steps), rng=seed,
    )  # fmt: skip
    bar, seconds = tqdm(training, total=EPOCHS, desc="tape", unit="epoch"), 0.0
    for record in bar:
        seconds += record.seconds
        bar.set_postfix(loss=f"{record.loss:.4f}", accuracy=f"{record.metric:.2%}")
    operations = (tape.nodes - tape.flat.size - len(tape.inputs)) * len(X) * EPOCHS
    speed = f"{operations / seconds / 1e9:.1f} billion operations a second"
    print(f"{EPOCHS} epochs in {seconds:.1f} s: {speed}")
