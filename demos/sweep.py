"""Sweep over widths, learning rates and seeds for two spirals, in several processes.

Prints the losses and accuracies with their spread over the seeds, and writes sweep.svg, a plot.
Each training writes a checkpoint in the folder sweep: after Ctrl-C, the same command resumes.
"""

from pathlib import Path
from typing import Any

from nn import data, fit, sweep, vector
from nn.trials import describe_settings

GRID = {"width": [4, 8, 16], "lr": [0.003, 0.01, 0.03, 0.1]}
SEEDS, EPOCHS = 3, 40
X, y = data.spirals(300, noise=0.08, rng=0)


def main(out: Path, processes: int | None = None, scheduler: str | None = None) -> None:
    print(f"{len(GRID['width']) * len(GRID['lr']) * SEEDS} trainings of {EPOCHS} epochs\n")
    result = sweep(
        build, GRID, seeds=SEEDS, folder=out / "sweep", processes=processes, scheduler=scheduler
    )
    best = result.best()
    print(f"{result}\n\nthe lowest validation loss: {describe_settings(best.settings)}")
    path = out / "sweep.svg"
    result.plot().figure.savefig(path, metadata={"Date": None})  # type: ignore[union-attr]
    print(f"wrote {path}")


def build(width: int, lr: float, seed: int, checkpoint: str) -> Any:
    """Return the training of a small network; a third of the samples are held out."""
    model = vector.MLP(2, [width, width, 2], "tanh", rng=seed)
    return fit(
        model, X, y, loss="cross_entropy", metric="accuracy", validation=1 / 3, epochs=EPOCHS,
        batch_size=32, lr=lr, rng=seed, checkpoint=checkpoint,
    )  # fmt: skip
