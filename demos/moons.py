"""Two moons: a network of 337 scalars learns to tell them apart, one number at a time.

Writes moons.svg: the data, the boundary the network has drawn, and how it came to it.
"""

import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from tqdm import tqdm

from demos._executors import side_by_side
from demos._look import BLUE, INK, ORANGE, STYLE
from engine import topological
from nn import MLP, data, fit, losses
from nn.train import Record, accuracy

EPOCHS = 60


def main(out: Path) -> None:
    X, y = data.moons(100, noise=0.1, rng=1)
    model = MLP(2, [16, 16, 1], rng=1)
    labels = 2 * y - 1  # hinge loss wants -1 and +1

    def penalty():
        return 1e-4 * losses.l2_penalty(model.parameters())

    graph = losses.hinge([model(x) for x in X], labels) + penalty()
    nodes = len(topological(graph))
    print(f"{model.summary()}\n\n{len(X)} points, {nodes:,} nodes in the graph of one step")

    records = []
    training = fit(
        model, X, labels, loss="hinge", penalty=penalty, epochs=EPOCHS,
        optimizer="adam", lr=0.05, metric=accuracy,
    )  # fmt: skip
    bar = tqdm(training, total=EPOCHS, desc="moons", unit="epoch")
    start = time.perf_counter()
    for record in bar:
        records.append(record)
        bar.set_postfix(loss=f"{record.loss:.4f}", accuracy=f"{record.metric:.0%}")
    seconds = time.perf_counter() - start

    last = records[-1]
    print(f"loss {last.loss:.4f}, accuracy {last.metric:.0%} after {len(records)} epochs")
    print(f"{nodes * len(records) / seconds:,.0f} nodes a second, forward and backward")
    path = picture(model, X, y, records, out / "moons.svg")
    print(f"wrote {path}")

    def loss_of(predictions, model):
        return losses.hinge(predictions, labels) + 1e-4 * losses.l2_penalty(model.parameters())

    print(f"\n{side_by_side(model, X, loss_of)}")


def picture(model: MLP, X: np.ndarray, y: np.ndarray, records: list[Record], path: Path) -> Path:
    """Data and decision boundary on the left; loss and accuracy by epoch on the right."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplot_mosaic(
            [["data", "loss"], ["data", "accuracy"]],
            figsize=(11, 4.8), width_ratios=[1.7, 1], layout="constrained",
        )  # fmt: skip

        left = axes["data"]
        xs = np.linspace(X[:, 0].min() - 0.4, X[:, 0].max() + 0.4, 90)
        ys = np.linspace(X[:, 1].min() - 0.4, X[:, 1].max() + 0.4, 70)
        scores = np.array([[model((x, y)).data for x in xs] for y in ys])
        tints = LinearSegmentedColormap.from_list("tints", ["#a9cbec", "#ffffff", "#fbc79b"])
        left.contourf(xs, ys, np.clip(scores, -2, 2), levels=np.linspace(-2, 2, 21), cmap=tints)
        left.contour(xs, ys, scores, [-1, 0, 1], colors=INK, linewidths=[0.7, 2.2, 0.7],
                     linestyles=["dashed", "solid", "dashed"])  # fmt: skip
        for label, colour, marker in [(0, BLUE, "o"), (1, ORANGE, "^")]:
            left.scatter(*X[y == label].T, c=colour, marker=marker, s=52, edgecolors="white",
                         linewidths=0.9, zorder=3)  # fmt: skip
        left.set(aspect="equal", xticks=[], yticks=[])
        left.grid(False)
        left.set_title(
            f"The boundary drawn by {len(model.parameters())} scalars; dashed, its margin"
        )
        left.spines[:].set_visible(False)

        epochs = [record.epoch for record in records]
        curves = [
            ("loss", "Loss", BLUE, [record.loss for record in records], 0, None),
            ("accuracy", "Accuracy, %", ORANGE, [100 * (r.metric or 0) for r in records], 50, 102),
        ]
        for name, title, colour, heights, bottom, top in curves:
            right = axes[name]
            right.plot(epochs, heights, color=colour)
            right.set(xlim=(1, len(epochs)), ylim=(bottom, top))
            right.set_title(title)
        axes["loss"].set_xticklabels([])
        axes["accuracy"].set_xlabel("epoch")
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)
    return path
