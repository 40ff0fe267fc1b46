"""The cost of a training step by layer and operation: Values, a tape of Values, and arrays.

One network and one batch run on three executors. Arrays mainly save memory: for a network as small
as this one, a tape is as fast. Writes cost.svg.
"""

import gc
from pathlib import Path

import numpy as np

from demos._ledger import (
    Cost,
    Ledger,
    measure_arrays,
    measure_graph,
    measure_tape,
    measure_values,
    measure_whole_tape,
)
from demos.pictures.cost import save_picture
from engine import Array, Value
from nn import MLP, data, losses, vector

SAMPLES, SIDE, WIDTHS = 32, 7, [32, 10]  # digits of 7 x 7 pixels


def main(out: Path) -> None:
    X, y = small_digits()
    rows, labels = X.tolist(), y.tolist()
    model = new_network()
    arrays = model.to_vector()

    def value_loss(model: MLP) -> Value:
        return losses.cross_entropy([model(x) for x in rows], labels)

    def array_loss(model: vector.MLP) -> Array:
        return losses.cross_entropy(model(X), y)

    gc.collect()
    gc.disable()  # a collection would count for whichever operation it interrupts
    try:
        ledgers = {
            "Values": measure_values(model, rows, lambda z: losses.cross_entropy(z, labels)),
            "tape": measure_tape(model, rows, lambda z: losses.cross_entropy(z, labels)),
            "arrays": measure_arrays(arrays, X, lambda z: losses.cross_entropy(z, y)),
        }
        steps = {
            "Values": measure_graph(lambda: value_loss(new_network()), lambda: value_loss(model)),
            "tape": measure_whole_tape(value_loss(model), model.parameters()),
            "arrays": measure_graph(
                lambda: array_loss(new_network().to_vector()), lambda: array_loss(arrays)
            ),
        }
    finally:
        gc.enable()
    print(
        f"{model.summary()}\n\n"
        f"One step, forward and backward, for {SAMPLES} digits of {SIDE} x {SIDE} pixels\n"
        "(float64, 1 thread, garbage collector off; kB: nodes, numbers and gradients; every row\n"
        "is measured by itself, the whole step as one graph or one tape)\n\n"
        f"{table(ledgers, steps)}"
    )
    save_picture(ledgers, steps, out / "cost.svg")
    print(f"\nwrote {out / 'cost.svg'}")


def small_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return MNIST digits, (SAMPLES, SIDE * SIDE), averaged over 4 x 4 pixels, and their labels."""
    (X, y), _ = data.mnist()
    tiles = X[:SAMPLES].reshape(SAMPLES, SIDE, 4, SIDE, 4).astype(float)
    return tiles.mean(axis=(2, 4)).reshape(SAMPLES, -1), y[:SAMPLES]


def new_network() -> MLP:
    return MLP(SIDE * SIDE, WIDTHS, rng=0, fused=False)


def table(ledgers: dict[str, Ledger], steps: dict[str, Cost]) -> str:
    """Return a row for each operation of each layer, the sums, and a whole step."""
    keys = sorted({key for ledger in ledgers.values() for key in ledger}, key=sort_key)
    lines = [f"{'':<24}" + "".join(f"{name:^30}" for name in ledgers)]
    lines.append(f"{'layer':<10}{'operation':<14}" + f"{'nodes':>9}{'kB':>9}{'µs':>10}  " * 3)
    previous = ""
    for layer, operation in keys:
        cells = [format_cost(ledger.get((layer, operation))) for ledger in ledgers.values()]
        lines.append(f"{layer if layer != previous else '':<10}{operation:<14}" + "".join(cells))
        previous = layer
    sums = [Cost(*map(sum, zip(*ledger.values(), strict=True))) for ledger in ledgers.values()]
    lines.append(f"{'sum':<24}" + "".join(map(format_cost, sums)))
    lines.append(f"{'whole step':<24}" + "".join(format_cost(steps[name]) for name in ledgers))
    return "\n".join(line.rstrip() for line in lines)


def sort_key(key: tuple[str, str]) -> tuple[bool, str, int, str]:
    """Order layers as in the network, and operations as they run."""
    layer, operation = key
    operations = ["parameters", "*", "+", "linear", "relu"]
    position = operations.index(operation) if operation in operations else len(operations)
    return layer == "loss", layer, position, operation


def format_cost(cost: Cost | None) -> str:
    if cost is None:
        return " " * 30
    time = f"{1e6 * cost.seconds:>10,.0f}" if cost.seconds else " " * 10
    return f"{cost.nodes:>9,}{cost.bytes / 1e3:>9,.1f}{time}  "
