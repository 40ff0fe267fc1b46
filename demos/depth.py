"""Vanishing and exploding gradients in networks of up to 50 layers, and the effect of each remedy.

The gradient at a layer is a product over all later layers, of the activation's slopes and of the
weights. The slopes of sigmoid are at most 1/4, so its gradients vanish; small weights make them
vanish faster, and large weights can make them explode (Bengio, Simard and Frasconi 1994; Glorot and
Bengio 2010). The remedies: initialization (Glorot and Bengio 2010; He et al. 2015), batch
normalization (Ioffe and Szegedy 2015), residual connections (He et al. 2016) and gradient clipping
(Pascanu, Mikolov and Bengio 2013).

Writes depth.svg: three activations at five depths, and the gradients and losses with each remedy.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from demos.pictures.depth import save_picture
from demos.shared.tables import format_table
from nn import accuracy, data, diagnose, losses
from nn.optim import SGD, clip_grad_norm
from nn.vector import Activation, BatchNorm, Dense, Residual, Sequential

DEPTHS, WIDTH, DEEP, STEPS = (2, 5, 10, 20, 50), 32, 20, 300
SEEDS, LAST = 3, 50  # networks per remedy; the last steps, whose median loss the table shows


def network(
    depth: int,
    activation: str = "relu",
    *,
    init: str | Callable[..., np.ndarray] | None = None,
    norm: bool = False,
    residual: bool = False,
    rng: Any = 0,
) -> Sequential:
    """Return a float64 network of 2 inputs, `depth` layers of weights and 1 output.

    >>> sum(isinstance(module, Dense) for module in network(5, norm=True).modules)
    5
    """
    rng = np.random.default_rng(rng)
    options: dict[str, Any] = {"init": init or common_init, "rng": rng, "dtype": np.float64}
    layers: list[Any] = [Dense(2, WIDTH, activation, **options)]
    for _ in range(depth - 2):
        parts: list[Any] = [Dense(WIDTH, WIDTH, "linear", **options)]
        parts += [BatchNorm(WIDTH, dtype=np.float64)] if norm else []
        parts += [Activation(activation)]
        layers += [Residual(*parts)] if residual else parts
    return Sequential(*layers, Dense(WIDTH, 1, "linear", **options))


def common_init(fan_in: int, fan_out: int, rng: np.random.Generator) -> np.ndarray:
    """Return weights within ±1/√n for n inputs, the default of many libraries."""
    return rng.uniform(-1.0, 1.0, (fan_out, fan_in)) / np.sqrt(fan_in)


def too_large(fan_in: int, fan_out: int, rng: np.random.Generator) -> np.ndarray:
    """Return weights with 1.5 times the standard deviation of He's."""
    return rng.normal(0.0, 1.5 * np.sqrt(2.0 / fan_in), (fan_out, fan_in))


def layer_gradients(model: Sequential, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the root mean square of the loss's gradient at each layer's output, first to last."""
    reports = diagnose(model, X, y).layers
    return np.array([report.gradient for report in reports if "Dense" in report.module])


def first_over_last(by_layer: np.ndarray) -> float:
    return float(by_layer[0] / by_layer[-1])


def train(
    model: Sequential, X: np.ndarray, y: np.ndarray, clip: float | None = None
) -> Iterator[float]:
    """Yield the loss before each step of gradient descent; stop at the first that is not finite."""
    optimizer = SGD(model.parameters(), lr=0.005, momentum=0.9)
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = losses.binary_cross_entropy(model(X), y)
        yield loss.item()
        if not np.isfinite(loss.data):
            return
        loss.backward()
        if clip is not None:
            clip_grad_norm(optimizer.parameters, clip)
        optimizer.step()


def train_networks(
    X: np.ndarray, y: np.ndarray, options: dict[str, Any], clip: float | None = None
) -> tuple[np.ndarray, list[float]]:
    """Return the losses of several networks, (seeds, steps), and their accuracies.

    From the first loss that is not finite on, a network's losses are inf.
    """
    by_seed, accuracies = np.full((SEEDS, STEPS), np.inf), []
    for seed, row in enumerate(by_seed):
        model = network(DEEP, **options, rng=seed)
        with np.errstate(all="ignore"):
            values = np.array(list(train(model, X, y, clip)))
            accuracies.append(accuracy(model.eval()(X), y))
        row[: len(values)] = np.where(np.isfinite(values), values, np.inf)
    return by_seed, accuracies


CURES: dict[str, dict[str, Any]] = {  # options of `network`
    "none: weights within ±1/√n": {},
    "He": {"init": "he_normal"},
    "Xavier, with tanh": {"init": "xavier_normal", "activation": "tanh"},
    "batch normalization": {"norm": True},
    "residual connections": {"residual": True},
}
TOO_LARGE = "weights too large"


def main(out: Path) -> None:
    X, y = data.moons(200, noise=0.1, rng=0)
    by_depth = {
        name: {depth: layer_gradients(network(depth, name), X, y) for depth in DEPTHS}
        for name in ("sigmoid", "tanh", "relu")
    }
    print(
        "Gradient at the first layer over gradient at the last, by the number of layers\n"
        f"\n{depth_table(by_depth)}\n"
        "(bound 1/4: the largest slope of sigmoid per layer, with weights of 1)\n"
    )
    options = CURES | {TOO_LARGE: {"init": too_large}}
    by_remedy = {name: layer_gradients(network(DEEP, **options[name]), X, y) for name in options}
    trained = {name: train_networks(X, y, options[name]) for name in options}
    clipped = "... clipped to norm 1"
    trained[clipped] = train_networks(X, y, options[TOO_LARGE], clip=1.0)
    print(
        f"Cures: {DEEP} layers of relu unless noted, {STEPS} steps of gradient descent\n"
        f"(medians of {SEEDS} networks, worst: of the {SEEDS}; first/last: gradients before the\n"
        "first step, which clipping scales alike; initial: loss before the first step; final:\n"
        f"median loss of the last {LAST} steps)\n\n"
        f"{remedy_table(by_remedy | {clipped: by_remedy[TOO_LARGE]}, trained)}\n"
        "Clipping keeps the steps finite, but not every step reduces the loss."
    )
    losses_by_remedy = {name: by_seed for name, (by_seed, _) in trained.items()}
    save_picture(by_depth, by_remedy, losses_by_remedy, out / "depth.svg")
    print(f"\nwrote {out / 'depth.svg'}")


def depth_table(by_depth: dict[str, dict[int, np.ndarray]]) -> str:
    rows = [
        [name, *(f"{first_over_last(by_layer):.0e}" for by_layer in gradients.values())]
        for name, gradients in by_depth.items()
    ]
    rows.append(["bound 1/4", *(f"{0.25 ** (depth - 1):.0e}" for depth in DEPTHS)])
    return format_table(["layers", *map(str, DEPTHS)], rows)


def remedy_table(
    by_remedy: dict[str, np.ndarray], trained: dict[str, tuple[np.ndarray, list[float]]]
) -> str:
    rows = []
    for name, (by_seed, accuracies) in trained.items():
        final = np.median(by_seed[:, -LAST:], axis=1)
        values = (np.median(by_seed[:, 0]), np.median(final), final.max())
        ratio, score = f"{first_over_last(by_remedy[name]):.0e}", f"{np.median(accuracies):.0%}"
        rows.append([name, ratio, *(f"{x:.2g}" for x in values), score])
    return format_table(["remedy", "first/last", "initial", "final", "worst", "accuracy"], rows)
