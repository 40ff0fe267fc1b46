"""The exact results of a network: textbook formulas on balls, which bound every rounding.

They do not use the engine. Shapes are those of nn.vector, one sample per row. The activations and
their error bounds, which are for Python's floats, come from tests/reference.py. NumPy's functions are
accurate to four units in the last place and Python's to one, so the bounds are multiplied by four.
"""

from collections.abc import Sequence
from typing import Any

import mpmath
import numpy as np
from mpmath import mpf

from balls import Ball, exactly, numbers
from reference import ROWS, sigmoid, sign

softplus = ROWS["softplus"].formula


def clip(x: Any) -> Any:
    return max(mpf(-1), min(mpf(1), x))


def quarters(low: Any, high: Any) -> list[Any]:
    """Return the multiples of π / 2 between two numbers; over more than a period, those of one."""
    whole = high - low >= 2 * mpmath.pi
    first = mpf(0) if whole else mpmath.floor(2 * low / mpmath.pi)
    multiples = [(first + i) * mpmath.pi / 2 for i in range(6)]
    return multiples if whole else [t for t in multiples if low < t < high]


# fmt: off
# The turning points of an activation and its slope, unless both are monotone or convex.
TURNS: dict[str, Any] = {
    **dict.fromkeys(["atan", "tanh", "asinh", "cbrt", "erf", "erfc", "normal_cdf", "sigmoid"], (0.0,)),
    **dict.fromkeys(["sin", "cos", "tan"], quarters),
    "silu": (-2.3993572805154674, -1.2784645427610738, 2.3993572805154674),
    "gelu": (-2**0.5, -0.7517915246935645, 2**0.5),
}
PARAMETERS = {"leaky_relu": (0.01,), "elu": (1.0,)}

# The loss of a prediction p and a target y, its slope, the error bounds of both in units, and the size of the slope's terms.
# All losses are convex in p.
LOSSES: dict[str, tuple[Any, ...]] = {
    "mse":   (lambda p, y: (p - y)**2,         lambda p, y: 2 * (p - y),                     3, 3, lambda p, y: 0),
    "mae":   (lambda p, y: abs(p - y),         lambda p, y: sign(p - y),                     1, 1, lambda p, y: 0),
    "huber": (lambda p, y: clip(p - y) * (p - y - clip(p - y) / 2),  lambda p, y: clip(p - y),  6, 6, lambda p, y: 0),
    "hinge": (lambda p, y: max(0, 1 - y * p),  lambda p, y: -y if y * p < 1 else mpf(0),     1, 1, lambda p, y: 0),
    "binary_cross_entropy": (lambda p, y: y * softplus(-p) + (1 - y) * softplus(p),  lambda p, y: (1 - y) * sigmoid(p) - y * sigmoid(-p),
                             30, 30, lambda p, y: y * sigmoid(-p) + (1 - y) * sigmoid(p)),
}
# fmt: on


def turns_of(name: str) -> Any:
    turns = TURNS.get(name, ())
    return turns if callable(turns) else lambda low, high: [t for t in turns if low < t < high]


def activate(name: str, Z: Ball, cancelling: bool) -> tuple[Ball, Ball | None]:
    """Return f(Z) and f'(Z) for an activation f."""
    if name == "linear":
        return Z, None
    row, others = ROWS[name], PARAMETERS.get(name, ())
    units = [
        round(8 * ulps) + 1 for ulps in row.ulps
    ]  # a unit in the last place is two units of a Ball
    terms = (lambda *x: 1) if cancelling else row.terms or (lambda *x: 0)
    A = Z.image(row.formula, *others, units=units[0], turns=turns_of(name))
    return A, Z.image(row.slopes[0], *others, units=units[1], turns=turns_of(name), terms=terms)


def loss_of(name: str, Z: Ball, y: Any, cancelling: bool) -> tuple[Ball, Ball]:
    """Return the loss of each output and its slope; for cross-entropy, of each sample."""
    if name == "cross_entropy":
        return cross_entropy(Z, y, cancelling)
    f, slope, units, slope_units, terms = LOSSES[name]
    if cancelling:
        terms = lambda p, y: 1 + abs(p) + abs(y)
    y = numbers(np.reshape(np.asarray(y, float), Z.exact.shape))
    return Z.image(f, y, units=units), Z.image(slope, y, units=slope_units, terms=terms)


def cross_entropy(Z: Ball, labels: Sequence[int], cancelling: bool = False) -> tuple[Ball, Ball]:
    """Return log(1 + Σ e^d) and A - Y, where each d is another logit minus that of the label.

    If the error of each d is at most r, the sum and its logarithm change by a factor of at most
    e^r, and the shares by a factor of at most e^2r.
    """
    rows = []
    for z, radius, label in zip(Z.exact, Z.radius, labels, strict=True):
        d, others = z - z[label], np.arange(len(z)) != label
        size = np.asarray(abs(d), float)
        off = float(max(radius + radius[label] + 2 * Z.unit * (size + max(size))))
        e = np.frompyfunc(mpmath.exp, 1, 1)(d) * others
        loss, slope = mpmath.log1p(e.sum()), np.where(others, e, -e.sum()) / (1 + e.sum())
        rows.append((loss, loss * np.expm1(off), slope, abs(slope) * np.expm1(2 * off)))
    loss, off, slope, slope_off = (np.array(column, object) for column in zip(*rows, strict=True))
    size = abs(slope) + slope_off + 2 * cancelling
    return Z.made(loss, off, loss + off, 40), Z.made(slope, slope_off, size, 40)


def append_ones(A: Ball) -> Ball:
    """Return samples with a 1 after their features, the input whose weight is the bias."""
    ones = np.full((len(A.exact), 1), mpf(1))
    return Ball(np.c_[A.exact, ones], np.c_[A.radius, np.zeros_like(ones, float)], A.dtype)


def run_passes(network: Any, layers: list[Ball], dtype: Any, cancelling: bool) -> dict[str, Ball]:
    """Run both passes; return outputs, loss, and the gradients of layers and samples."""
    A, slopes, inputs = Ball.of(network.X, dtype), [], []
    for i, W in enumerate(layers):
        inputs.append(append_ones(A))
        last = i == len(layers) - 1
        A, slope = activate("linear" if last else network.activation, inputs[-1] @ W.T, cancelling)
        slopes.append(slope)
    losses, dZ = loss_of(network.loss, A, network.y, cancelling)
    share = mpf(1) / losses.exact.size
    computed = {"outputs": A, "loss": losses.sum() * share}
    dZ = dZ * share
    for i in reversed(range(len(layers))):
        computed[f"gradient of layer {i}"] = dZ.T @ inputs[i]
        dA = dZ @ layers[i][:, :-1]
        slope = slopes[i - 1] if i else None
        dZ = dA if slope is None else dA * slope
    return computed | {"gradient of X": dZ}


@exactly()
def results(network: Any, dtype: Any = np.float64, cancelling: bool = False) -> dict[str, Ball]:
    """Return the exact results by name, with the layers after each training step.

    With `cancelling`, slopes may be differences of terms of size 1: A (1 - A), 1 - A² and A - Y.
    """
    layers = [Ball.of(W, dtype) for W in network.layers]
    computed = run_passes(network, layers, dtype, cancelling)
    latest, history = computed, []
    for step in range(network.training.steps if network.training else 0):
        if step:
            latest = run_passes(network, layers, dtype, cancelling)
        gradients = [latest[f"gradient of layer {i}"] for i in range(len(layers))]
        layers = step_layers(network.training, layers, gradients, history)
        computed |= {f"layer {i} after step {step + 1}": W for i, W in enumerate(layers)}
    return computed


# ---------------------------------------------------------------------------- the optimizers' rules


def step_layers(
    training: Any, layers: list[Ball], gradients: list[Ball], history: list[Any]
) -> list[Ball]:
    """Return the layers after one more step, and append its gradients to `history`."""
    settings = {
        name: x if isinstance(x, tuple) else mpf(x) for name, x in training.settings.items()
    }
    lr, decay = settings.pop("lr"), settings.pop("weight_decay")
    if training.clip is not None:
        gradients = clip_gradients(gradients, mpf(training.clip))
    if training.rule == "adamw":
        layers = [W * (1 - lr * decay) for W in layers]
    else:
        gradients = [g + W * decay for W, g in zip(layers, gradients, strict=True)]
    history.append(gradients)
    return [
        W - DIRECTIONS[training.rule](list(past), **settings) * lr
        for W, *past in zip(layers, *history, strict=True)
    ]


def clip_gradients(gradients: list[Ball], limit: Any) -> list[Ball]:
    """Return gradients times min(1, limit / norm), a continuous factor: a norm may be near the limit."""
    square = sum(((g * g).sum() for g in gradients[1:]), (gradients[0] * gradients[0]).sum())
    factor = square.image(lambda x: limit / max(limit, mpmath.sqrt(max(x, mpf(0)))), units=6)
    return [g * factor for g in gradients]


# A direction is a function (gradients so far, the newest last, **settings). The table lists the
# optimizers whose direction is continuous in the gradients, so that small errors have small effects.


def sgd(gs: list[Ball], momentum: Any, nesterov: bool) -> Ball:
    velocity = decay_sum(gs, momentum)
    return gs[-1] + velocity * momentum if nesterov else velocity


def adagrad(gs: list[Ball], eps: Any) -> Ball:
    return over_root(gs[-1], decay_sum([g * g for g in gs], mpf(1)), eps, mpf(1))


def rmsprop(gs: list[Ball], alpha: Any, eps: Any) -> Ball:
    rest = 1 - alpha
    square = decay_sum([g * g for g in gs], alpha) * rest
    return over_root(gs[-1], square, eps, 1 / mpmath.sqrt(rest))


def adam(gs: list[Ball], betas: Any, eps: Any) -> Ball:
    first, second = map(mpf, betas)
    longest = mpmath.sqrt(weight(first**2 / second, gs) * weight(second, gs)) / weight(first, gs)
    return over_root(mean(gs, first), mean([g * g for g in gs], second), eps, longest)


DIRECTIONS = {"sgd": sgd, "rmsprop": rmsprop, "adagrad": adagrad, "adam": adam, "adamw": adam}


def weight(beta: Any, xs: list[Ball]) -> Any:
    return sum(beta**age for age in range(len(xs)))


def decay_sum(xs: list[Ball], beta: Any) -> Ball:
    """Return the sum of all x, each times beta to the power of its age in steps."""
    total = xs[0]
    for x in xs[1:]:
        total = total * beta + x
    return total


def mean(xs: list[Ball], beta: Any) -> Ball:
    """Return that sum over the sum of the weights, as (1 - beta^n) / (1 - beta) cancels."""
    share = 1 / weight(beta, xs)
    off = float(share) * (2 * xs[0].unit + 4 * 2.0**-53 / float(1 - beta))
    return decay_sum(xs, beta) * Ball(share, off, xs[0].dtype)


def over_root(g: Ball, square: Ball, eps: Any, longest: Any) -> Ball:
    """Return g / (√square + eps), to six roundings, from its values at the ends of both balls.

    These are far apart if g may be 0 and eps is small. By the Cauchy-Schwarz inequality,
    |g| <= longest * √square for any gradients, which bounds the quotient up to roundings.
    """
    longest = longest * (1 + 64 * g.unit)

    def quotient(g: Any, off: Any, square: Any, square_off: Any) -> tuple[Any, Any]:
        if np.inf in (off, square_off):
            return mpf(0), np.inf
        out = g / (mpmath.sqrt(square) + eps)
        roots = [mpmath.sqrt(max(mpf(0), square + sign * square_off)) + eps for sign in (-1, 1)]
        ends = [end / root for end in (g - off, g + off) for root in roots]
        return out, max(abs(max(-longest, min(longest, end)) - out) for end in ends)

    out, spread = np.frompyfunc(quotient, 4, 2)(g.exact, g.radius, square.exact, square.radius)
    return g.made(out, spread, abs(out) + spread, 6)
