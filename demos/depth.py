"""Vanishing and exploding gradients, layer by layer, down to 50 layers; and what each cure does.

Chapter 02, 8. A weight's gradient is a product over all later layers, of slopes and of weights. The
chapter's 0.25 ** 10 counts the slopes of sigmoid alone; weights that are small make it worse, and
weights that are large may make it explode instead.

Writes depth.svg: three activations at five depths, what each cure does, and who learns.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from demos._look import BLUE, CYAN, GREEN, INK, ORANGE, PALE, PURPLE, STYLE
from nn import accuracy, data, diagnose, losses
from nn.optim import SGD, clip_grad_norm
from nn.vector import Activation, BatchNorm, Dense, Residual, Sequential

DEPTHS, WIDTH, DEEP, STEPS = (2, 5, 10, 20, 50), 32, 20, 300
SEEDS, LAST = 3, 50  # the networks of each cure; their losses are the medians of so many steps
SHADES = ("#9db8d6", "#7199c6", "#477bb3", "#1f5fa8", "#0b2f66")


def network(
    depth: int,
    activation: str = "relu",
    *,
    init: Any = None,
    norm: bool = False,
    residual: bool = False,
    rng: Any = 0,
) -> Sequential:
    """2 inputs, `depth` layers of weights, 1 output; float64.

    >>> len([each for each in network(5, norm=True).modules if isinstance(each, Dense)])
    5
    """
    rng = np.random.default_rng(rng)
    how: dict[str, Any] = {"init": init or usual, "rng": rng, "dtype": np.float64}
    layers: list[Any] = [Dense(2, WIDTH, activation, **how)]
    for _ in range(depth - 2):
        parts: list[Any] = [Dense(WIDTH, WIDTH, "linear", **how)]
        parts += [BatchNorm(WIDTH, dtype=np.float64)] if norm else []
        parts += [Activation(activation)]
        layers += [Residual(*parts)] if residual else parts
    return Sequential(*layers, Dense(WIDTH, 1, "linear", **how))


def arriving(model: Any, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The loss's gradient at each layer's output, from the first to the last: `diagnose` looks."""
    reports = diagnose(model, X, y).layers
    return np.array([each.gradient for each in reports if "Dense" in each.what])


def usual(fan_in: int, fan_out: int, rng: Any) -> np.ndarray:
    """Weights within ±1/√n of n inputs, as many libraries begin."""
    return rng.uniform(-1.0, 1.0, (fan_out, fan_in)) / np.sqrt(fan_in)


def too_large(fan_in: int, fan_out: int, rng: Any) -> np.ndarray:
    """Weights half as large again as He's."""
    return rng.normal(0.0, 1.5 * np.sqrt(2.0 / fan_in), (fan_out, fan_in))


def learn(model: Any, X: np.ndarray, y: np.ndarray, clip: float | None = None) -> Iterator[float]:
    """The loss before each step of gradient descent; it ends where that is not finite."""
    mover = SGD(model.parameters(), lr=0.005, momentum=0.9)
    for _ in range(STEPS):
        mover.zero_grad()
        loss = losses.binary_cross_entropy(model(X), y)
        yield loss.item()
        if not np.isfinite(loss.data):
            return
        loss.backward()
        if clip is not None:
            clip_grad_norm(mover.parameters, clip)
        mover.step()


# What a network is built with, of relus if it says nothing else.
CURES: dict[str, dict[str, Any]] = {
    "none: weights within ±1/√n": {},
    "He": {"init": "he_normal"},
    "Xavier, with tanh": {"init": "xavier_normal", "activation": "tanh"},
    "batch normalization": {"norm": True},
    "residual connections": {"residual": True},
}
COLOURS = dict(zip(CURES, (PALE, BLUE, CYAN, ORANGE, GREEN), strict=True))


def main(out: Path) -> None:
    X, y = data.moons(200, noise=0.1, rng=0)
    found = {
        name: {depth: arriving(network(depth, name), X, y) for depth in DEPTHS}
        for name in ("sigmoid", "tanh", "relu")
    }
    print(
        "The gradient that arrives at the first layer (the root of its mean square, by\n"
        "sample), as a fraction of that at the last\n\n"
        f"{'layers':12}" + "".join(f"{depth:>10}" for depth in DEPTHS)
    )
    for name, by_depth in found.items():
        print(f"{name:12}" + "".join(f"{part(by_depth[depth]):>10.0e}" for depth in DEPTHS))
    print(f"{'1/4 a layer':12}" + "".join(f"{0.25 ** (depth - 1):>10.0e}" for depth in DEPTHS))
    print("(1/4 a layer: the most that the slopes of sigmoid can leave, were the weights 1)")
    print(
        f"\n{DEEP} layers, of relu if not said otherwise, and {STEPS} steps of gradient descent\n"
        f"(the median of {SEEDS} networks, and the worst of them; "
        "first / last: gradients before the\n"
        "first step, of which clipping divides both by one number; loss: before the first step,\n"
        f"and the median of the last {LAST})\n"
    )
    print(f"{'cure':28}{'first / last':>13}{'loss, from':>12}{'to':>9}{'worst':>9}{'accuracy':>10}")
    cured = {name: arriving(network(DEEP, **how), X, y) for name, how in CURES.items()}
    falls = {name: trained(name, cured[name], CURES[name], X, y) for name in CURES}
    wild = {"init": too_large}
    exploding = arriving(network(DEEP, **wild), X, y)
    for name, clip in (("weights too large", None), ("... and clipping to 1", 1.0)):
        falls[name] = trained(name, exploding, wild, X, y, clip)
    print("Clipping keeps steps finite, which does not make all of them good ones.")
    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(13, 8), layout="constrained")
        above, below = figure.subfigures(2, 1)
        draw_depths(above.subplots(1, 3, sharey=True), found)
        left, right = below.subplots(1, 2)
        draw_cures(left, cured, exploding)
        draw_learning(right, falls)
        below.legend(*right.get_legend_handles_labels(), frameon=False, loc="outside right center")
        figure.savefig(out / "depth.svg", metadata={"Date": None})
        plt.close(figure)
    print(f"\nwrote {out / 'depth.svg'}")


def part(by_layer: np.ndarray) -> float:
    return float(by_layer[0] / by_layer[-1])


def trained(
    name: str, by_layer: Any, how: dict[str, Any], X: Any, y: Any, clip: float | None = None
) -> np.ndarray:
    """Train some networks, and print a row of the table; their losses (seeds, steps).

    Where one is not finite, and from there on, they are inf.
    """
    falls, shares = np.full((SEEDS, STEPS), np.inf), []
    for seed, fall in enumerate(falls):
        model = network(DEEP, **how, rng=seed)
        with np.errstate(all="ignore"):
            found = np.array(list(learn(model, X, y, clip)))
            shares.append(accuracy(model.eval()(X), y))
        fall[: len(found)] = np.where(np.isfinite(found), found, np.inf)
    first, ends = np.median(falls[:, 0]), np.median(falls[:, -LAST:], axis=1)
    print(
        f"{name:28}{part(by_layer):>13.0e}{first:>12.2g}{np.median(ends):>9.2g}{ends.max():>9.2g}"
        f"{np.median(shares):>10.0%}"
    )
    return falls


def draw_depths(axes: Any, found: dict[str, dict[int, np.ndarray]]) -> None:
    for axis, (name, by_depth) in zip(axes, found.items(), strict=True):
        for (depth, by_layer), colour in zip(by_depth.items(), SHADES, strict=True):
            axis.plot(range(1, depth + 1), by_layer, color=colour, label=f"{depth} layers")
        axis.set(title=name, xlabel="layer", yscale="log", ylim=(1e-43, 10))
    axes[0].set(ylabel="gradient that arrives")
    axes[-1].legend(frameon=False, loc="lower right")


def draw_cures(axis: Any, cured: dict[str, np.ndarray], exploding: np.ndarray) -> None:
    """The legend of the curves beside serves these, too."""
    layers = range(1, DEEP + 1)
    for name, by_layer in cured.items():
        axis.plot(layers, by_layer, color=COLOURS[name], label=name)
    axis.plot(layers, exploding, color=PURPLE, label="weights too large")
    axis.set(title=f"Cures, {DEEP} layers", xlabel="layer", yscale="log")
    axis.set(ylabel="gradient that arrives", xticks=[1, 5, 10, 15, 20])


def draw_learning(axis: Any, falls: dict[str, np.ndarray]) -> None:
    for (name, fall), colour in zip(falls.items(), [*COLOURS.values(), PURPLE, INK], strict=True):
        middle = np.median(fall, axis=0)
        axis.plot(middle, color=colour, label=name, linewidth=0.7 if colour is INK else 1.6)
        if not np.isfinite(middle[-1]):
            steps = int(np.argmin(np.isfinite(middle)))
            says = f"beyond 1e{np.log10(middle[steps - 1]):.0f} at step {steps}, then nan"
            axis.annotate(says, (steps, 1.5e3), (6, 0), textcoords="offset points", color=colour)
    axis.set(title=f"Who learns: the median of {SEEDS} networks", xlabel="step", ylabel="loss")
    axis.set(yscale="log", ylim=(1e-4, 5e3))
