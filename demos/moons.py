"""Two moons: a network of 337 scalar parameters learns to separate two classes.

Writes moons.svg: the data, the decision boundary, and loss and accuracy by epoch. Then times one
training step on Values, on a tape of Values, and on arrays. Last, writes moons.html: a page in
which the same network learns. With --film, also writes moons_film.html: a page with a slider over
the epochs of this training.
"""

from pathlib import Path
from typing import Any

from tqdm import tqdm

from demos._executors import compare_executors, table
from demos.pictures.moons import save_picture
from demos.shared.timing import Stopwatch
from engine import topological
from nn import MLP, accuracy, data, fit, losses
from nn.live import Film, train_page

EPOCHS = 60
PENALTY = 1e-4
LR = 0.05


def main(out: Path, film: bool = False) -> None:
    X, y = data.moons(100, noise=0.1, rng=1)
    model = MLP(2, [16, 16, 1], rng=1)
    labels = 2 * y - 1  # the hinge loss expects -1 and 1

    def total_loss(predictions: Any, model: Any) -> Any:
        penalty = PENALTY * losses.l2_penalty(model.parameters())
        return losses.hinge(predictions, labels) + penalty

    nodes = len(topological(total_loss([model(x) for x in X], model)))
    print(f"{model.summary()}\n\n{len(X)} points, {nodes:,} nodes in the graph of one step")

    records = []
    training = fit(
        model, X, labels, loss="hinge", epochs=EPOCHS, optimizer="adam", lr=LR, metric=accuracy,
        penalty=lambda: PENALTY * losses.l2_penalty(model.parameters()),
    )  # fmt: skip
    recorded = Film(training, samples=[0, 1]) if film else None
    bar = tqdm(recorded or training, total=EPOCHS, desc="moons", unit="epoch")
    stopwatch = Stopwatch()
    for record in bar:
        records.append(record)
        bar.set_postfix(loss=f"{record.loss:.4f}", accuracy=f"{record.metric:.0%}")
    seconds = stopwatch.lap()

    last = records[-1]
    print(f"loss {last.loss:.4f}, accuracy {last.metric:.0%} after {len(records)} epochs")
    print(f"{nodes * len(records) / seconds:,.0f} nodes per second, forward and backward")
    save_picture(model, X, y, records, out / "moons.svg")
    print(f"wrote {out / 'moons.svg'}")
    print(f"\n{table(compare_executors(model, X, total_loss))}")

    page = train_page(MLP(2, [16, 16, 1], rng=1), X, labels, loss="hinge", lr=LR)
    print(f"\nwrote {page.save(out / 'moons.html')}: open it, and press space to train")
    if recorded:
        print(f"wrote {recorded.save(out / 'moons_film.html')}: a film of the training")
