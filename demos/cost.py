"""What a training step costs, by layer and operation: Values, a tape of them, and arrays.

Writes cost.svg. One network, one batch, three executors. Arrays save memory above all: a tape of a
network as small as this one takes no longer.
"""

import gc
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from demos._ledger import Cost, Ledger, of_arrays, of_graph, of_tape, of_values, of_whole_tape
from demos._look import BLUE, INK, ORANGE, PALE, STYLE
from engine import Tape
from nn import MLP, data, losses

SAMPLES, SIDE, WIDTHS = 32, 7, [32, 10]  # digits of 7 x 7 pixels
EXECUTORS = {"Values": BLUE, "tape": "#6f9a3c", "arrays": ORANGE}


def main(out: Path) -> None:
    (X, y), _ = data.mnist()
    tiles = X[:SAMPLES].reshape(SAMPLES, SIDE, 4, SIDE, 4).astype(float)
    X, y = tiles.mean(axis=(2, 4)).reshape(SAMPLES, -1), y[:SAMPLES]
    fresh: Any = lambda: MLP(SIDE * SIDE, WIDTHS, rng=0, fused=False)
    model = fresh()
    arrays, listed = model.to_vector(), X.tolist()
    loss_of: Any = lambda rows: losses.cross_entropy(rows, y.tolist())
    on_arrays: Any = lambda rows: losses.cross_entropy(rows, y)
    graph: Any = lambda model: loss_of([model(x) for x in listed])
    array_graph: Any = lambda model: on_arrays(model(X))
    tape = Tape(graph(model), parameters=model.parameters())

    gc.collect()
    gc.disable()  # its visits would fall into whatever is being measured
    try:
        ledgers = {
            "Values": of_values(model, listed, loss_of),
            "tape": of_tape(model, listed, loss_of),
            "arrays": of_arrays(arrays, X, on_arrays),
        }
        whole = {
            "Values": of_graph(lambda: graph(fresh()), lambda: graph(model)),
            "tape": of_whole_tape(tape),
            "arrays": of_graph(
                lambda: array_graph(fresh().to_vector()), lambda: array_graph(arrays)
            ),
        }
    finally:
        gc.enable()
    print(
        f"{model.summary()}\n\nOne step, forward and backward, for {SAMPLES} digits of {SIDE} x "
        f"{SIDE} pixels\n(float64, one thread, Python's collector off; kB of nodes, numbers and "
        "gradients;\neach line is measured by itself, the last one, too: as one graph or one tape)"
        f"\n\n{table(ledgers, whole)}"
    )
    print(f"\nwrote {picture(ledgers, whole, out / 'cost.svg')}")


def table(ledgers: dict[str, Ledger], whole: dict[str, Cost]) -> str:
    """A line for each operation of each layer; sums, and what a whole step takes."""
    keys = sorted({key for ledger in ledgers.values() for key in ledger}, key=order)
    lines = [f"{'':<24}" + "".join(f"{name:^29}" for name in ledgers)]
    lines.append(f"{'layer':<10}{'operation':<14}" + f"{'nodes':>9}{'kB':>9}{'µs':>9}  " * 3)
    before = ""
    for layer, operation in keys:
        shown = [cells(ledger.get((layer, operation))) for ledger in ledgers.values()]
        lines.append(f"{layer if layer != before else '':<10}{operation:<14}" + "".join(shown))
        before = layer
    sums = [cells(total(ledger)) for ledger in ledgers.values()]
    lines.append(f"{'in sum':<24}" + "".join(sums))
    steps = [cells(whole[name]) for name in ledgers]
    lines.append(f"{'a whole step':<24}" + "".join(steps))
    return "\n".join(line.rstrip() for line in lines)


def order(key: tuple[str, str]) -> Any:
    layer, operation = key
    places = ["parameters", "*", "+", "linear", "relu"]
    return layer == "loss", layer, places.index(operation) if operation in places else 9, operation


def cells(cost: Cost | None) -> str:
    if cost is None:
        return " " * 29
    time = f"{1e6 * cost.seconds:>9,.0f}" if cost.seconds else " " * 9
    return f"{cost.nodes:>9,}{cost.bytes / 1e3:>9,.1f}{time}  "


def total(ledger: Ledger, layer: str | None = None) -> Cost:
    costs = [cost for (name, _), cost in ledger.items() if layer in (None, name)]
    return Cost(*(sum(column) for column in zip(*costs, strict=True)))


def picture(ledgers: dict[str, Ledger], whole: dict[str, Cost], path: Path) -> Path:
    """Time and memory of each layer for each executor, on scales of powers of ten."""
    layers = list(dict.fromkeys(layer for layer, _ in ledgers["Values"]))
    names = [*layers, "all of it"]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
        for axis, title, of in (
            (axes[0], "Time of a step, µs", lambda cost: 1e6 * cost.seconds),
            (axes[1], "Memory, kB", lambda cost: cost.bytes / 1e3),
        ):
            for k, (executor, colour) in enumerate(EXECUTORS.items()):
                ledger = ledgers[executor]
                heights = [of(total(ledger, layer)) for layer in layers] + [of(whole[executor])]
                places = np.arange(len(names)) + 0.27 * (k - 1)
                bars = axis.bar(places, heights, 0.25, color=colour, label=executor)
                texts = [f"{x:,.0f}" if x >= 10 else f"{x:.1f}" for x in heights]
                axis.bar_label(bars, texts, padding=2, fontsize=8, color=PALE)
            axis.set_yscale("log")
            axis.margins(y=0.12)
            axis.set_xticks(range(len(names)), names)
            axis.tick_params(axis="x", length=0, labelcolor=INK)
            axis.set_title(title)
        axes[0].legend(frameon=False, ncols=3, loc="upper left", bbox_to_anchor=(0, -0.1))
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)
    return path
