"""MNIST node by node: a tape of Values learns it, with every product and sum a node of its own.

Writes tape.svg: the graph of one digit's loss after training, with the layers collapsed.
"""

from pathlib import Path

import numpy as np
from tqdm import tqdm

from demos.shared.timing import Stopwatch
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
    loss = logsumexp(logits) - dot(targets, logits)  # cross-entropy with one-hot targets
    loss.label = "loss"

    stopwatch = Stopwatch()
    tape = Tape(
        [loss, *logits], [*pixels, *targets], parameters=model.parameters(), dtype=np.float32
    )
    print(f"{model.summary()}\n\n{tape}, recorded in {stopwatch.lap():.1f} s")
    train(tape, append_one_hot(X, y), y, seed)
    score = accuracy(tape(append_one_hot(X_test, y_test))[:, 1:], y_test)
    print(f"{score:.2%} of the test digits are correct")

    digit = append_one_hot(X_test[:1], y_test[:1])
    from_tape = tape.forward(digit)[0, 1:]
    tape.backward(np.eye(1, 11))  # of the loss, the first of 11 outputs
    tape.sync()
    from_values = [z.data for z in model(X_test[0].tolist())]  # a new graph
    print(f"\nLogits of the first test digit, a {y_test[0]}, from the tape and from Values:")
    for numbers in (from_tape, from_values):
        print("  ", *[f"{z:8.3f}" for z in numbers])
    drawing = draw(loss, model, level="layers")
    print(f"wrote {drawing.save(out / 'tape.svg')}, the graph of its loss")


def append_one_hot(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the pixels of each digit, followed by its label as a one-hot vector."""
    return np.concatenate([X, np.eye(10)[y]], axis=1, dtype=np.float32)


def train(tape: Tape, X: np.ndarray, y: np.ndarray, seed: int) -> None:
    """Train with Adam and a learning rate that decreases to 0."""
    steps = EPOCHS * -(-len(X) // BATCH)
    training = fit(
        tape, X, y,
        loss=lambda outputs, _: outputs[:, 0].mean(),
        metric=lambda outputs, labels: accuracy(outputs[:, 1:], labels),
        epochs=EPOCHS, batch_size=BATCH, schedule=schedules.linear(RATE, steps=steps), rng=seed,
    )  # fmt: skip
    bar, seconds = tqdm(training, total=EPOCHS, desc="tape", unit="epoch"), 0.0
    for record in bar:
        seconds += record.seconds
        bar.set_postfix(loss=f"{record.loss:.4f}", accuracy=f"{record.metric:.2%}")
    operations = (tape.nodes - tape.flat.size - len(tape.inputs)) * len(X) * EPOCHS
    speed = f"{operations / seconds / 1e9:.1f} billion operations per second"
    print(f"{EPOCHS} epochs in {seconds:.1f} s: {speed}")
