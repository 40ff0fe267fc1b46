"""Logistic regression: a 3 or an 8? Every image at once, without a loop, and with loops beside it.

The source chapter on vectorizing backpropagation in NumPy; the engine has no part in it. One sample
per column, as the chapter writes: X (n_x, m), Y (1, m) with entries 0 and 1, w (n_x, 1), and b, a
number. float32 and float64 are kept.

Writes logistic_regression.svg: weights, cost, what vectorization gains, and the surest mistakes.
"""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from tqdm import tqdm

from demos._look import BLUE, LEFT, ORANGE, SIGNS, STYLE, tile
from nn import data

DIGITS = (3, 8)
CONVERGED = 1e-5  # when an iteration lowers the cost by less


def sigmoid(Z):
    """1 / (1 + e^-Z) of each entry; no exponent is positive, so that none overflows.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    return np.exp(np.minimum(Z, 0)) / (1 + np.exp(-np.abs(Z)))


def cost(Z: np.ndarray, Y: np.ndarray) -> float:
    """J, the mean of -y log a - (1 - y) log(1 - a), from z: no logarithm ever meets a 0.

    It is log(1 + e^-z) where y is 1 and log(1 + e^z) where y is 0.

    >>> cost(np.array([[0.0, 1000.0]]), np.array([[1.0, 0.0]])) == (math.log(2) + 1000) / 2
    True
    """
    return float(np.mean(np.logaddexp(0, (1 - 2 * alike(Z, Y)) * Z)))


def alike(A: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Y, if it has the shape of A: the guard against the broadcasting trap; else ValueError."""
    if A.shape != Y.shape:
        raise ValueError(f"Y takes the shape of A, {A.shape}, got {Y.shape}; reshape it")
    return Y


def gradients(w, b, X: np.ndarray, Y: np.ndarray) -> tuple[np.ndarray, ...]:
    """Z, A, dZ of shape (1, m), dw (n_x, 1) and db () by the chapter's equations, line by line.

    >>> X, Y = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.0, 1.0]])
    >>> Z, A, dZ, dw, db = gradients(np.zeros((2, 1)), 0.0, X, Y)
    >>> dZ.tolist(), dw.tolist(), float(db)
    ([[0.5, -0.5]], [[-0.25], [-0.25]], 0.0)
    """
    m = X.shape[1]
    Z = w.T @ X + b
    A = sigmoid(Z)
    dZ = A - alike(A, Y)
    dw = X @ dZ.T / m
    db = np.sum(dZ) / m
    return Z, A, dZ, dw, db


def gradients_by_sample(w, b, X, Y) -> tuple[np.ndarray, float]:
    """dw and db with a loop over the samples; each is still a vector."""
    dw, db = np.zeros_like(w), 0.0
    for x, y in zip(X.T, Y[0], strict=True):
        dz = sigmoid(w[:, 0] @ x + b) - y
        dw[:, 0] += x * dz
        db += dz
    return dw / X.shape[1], db / X.shape[1]


def gradients_by_feature(w, b, X, Y) -> tuple[np.ndarray, float]:
    """dw and db with loops over the samples and their features, one Python float at a time."""
    weights, dw, db = w[:, 0].tolist(), [0.0] * len(w), 0.0
    for x, y in zip(X.T.tolist(), Y[0].tolist(), strict=True):
        z = float(b)
        for w_j, x_j in zip(weights, x, strict=True):
            z += w_j * x_j
        dz = float(sigmoid(z)) - y
        for j, x_j in enumerate(x):
            dw[j] += x_j * dz
        db += dz
    return np.array(dw)[:, None] / X.shape[1], db / X.shape[1]


def train(X: np.ndarray, Y: np.ndarray, iterations: int) -> Iterator[tuple[np.ndarray, Any, float]]:
    """Gradient descent from 0 until it has converged; yields w (moved in place), b and their cost.

    α needs no tuning: the cost falls for every α < 2 / L where it curves by L at most, and that is
    the slope of sigmoid, 1/4 or less, times the mean of |x|² + 1, or less.
    """
    alpha = 8 / (float(np.sum(X * X)) / X.shape[1] + 1)
    w, b, before = np.zeros((len(X), 1), X.dtype), X.dtype.type(0), math.inf
    for _ in range(iterations):
        Z, _, _, dw, db = gradients(w, b, X, Y)
        J = cost(Z, Y)
        yield w, b, J
        if before - J < CONVERGED:
            break
        before = J
        w -= alpha * dw
        b -= alpha * db


def accuracy(w, b, X, Y) -> float:
    """The part of the samples that are on the right side of Z = 0."""
    Z = w.T @ X + b
    return float(np.mean((Z > 0) == alike(Z, Y)))


def samples(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The images of the two digits, one per column, and Y of shape (1, m): 1 for the second."""
    chosen = np.isin(y, DIGITS)
    return np.ascontiguousarray(X[chosen].T), (y[chosen] == DIGITS[1]).astype(X.dtype)[None, :]


def main(out: Path, *, iterations: int = 5000, sizes: tuple[int, ...] = (10, 100, 1000, 12000)):
    (X, Y), (X_test, Y_test) = [samples(*each) for each in data.mnist()]
    m = X.shape[1]
    print(f"{DIGITS[0]} (Y = 0) against {DIGITS[1]} (Y = 1) in {X.dtype}: {m:,} images to train "
          f"on, {X_test.shape[1]:,} to test with\n\n{arrows(X, Y)}\n")  # fmt: skip

    costs, start = [], time.perf_counter()
    bar = tqdm(train(X, Y, iterations), desc="descent", unit=" iterations")
    for w, b, J in bar:  # noqa: B007, used when the loop is done
        costs.append(J)
        bar.set_postfix(cost=f"{J:.4f}", refresh=False)
    print(f"cost {costs[0]:.4f} -> {costs[-1]:.4f} in {len(costs):,} iterations, "
          f"{time.perf_counter() - start:.1f} s; accuracy {accuracy(w, b, X, Y):.2%} in training, "
          f"{accuracy(w, b, X_test, Y_test):.2%} in the test\n")  # fmt: skip

    print("The chef's m feedback cards, in ms: number by number (two loops, over samples and\n"
          "features), card by card (one loop), all on the table (none). dw and db in float64;\n"
          "apart: the largest difference. An X larger than the cache makes all of them wait.\n\n"
          "       m   two loops    one loop     no loop  two/none  one/none   apart")  # fmt: skip
    gains = {}
    for size in dict.fromkeys(min(size, m) for size in sizes):
        case = [np.asarray(each, float) for each in (w, b, X[:, :size], Y[:, :size])]
        (two, one, none), apart = measured(*case)
        gains[size] = two / none, one / none
        print(f"{size:8,}{1e3 * two:12,.2f}{1e3 * one:12,.2f}{1e3 * none:12,.3f}"
              f"{two / none:10,.0f}{one / none:10,.0f}{apart:8.0e}")  # fmt: skip

    print(f"\n{trap(w, b, X[:, :1000], Y[:, :1000])}\n"
          f"All {m:,} images would make A - Y {m * m * X.itemsize / 1e6:,.0f} MB.\n")  # fmt: skip
    path = picture(w, b, X_test, Y_test, costs, gains, out / "logistic_regression.svg")
    print(f"wrote {path}")


def arrows(X: np.ndarray, Y: np.ndarray) -> str:
    """The shapes of one iteration, read off the arrays."""
    w = np.zeros((len(X), 1), X.dtype)
    Z, A, dZ, dw, db = gradients(w, 0.0, X, Y)
    return f"""One iteration, without a loop:
    Z = wᵀ X + b       {w.T.shape} @ {X.shape} + () -> {Z.shape}
    A = sigmoid(Z)     {Z.shape} -> {A.shape}
    dZ = A - Y         {A.shape} - {Y.shape} -> {dZ.shape}
    dw = X dZᵀ / m     {X.shape} @ {dZ.T.shape} -> {dw.shape}
    db = sum(dZ) / m   {dZ.shape} -> {np.shape(db)}
    w -= α dw          {w.shape} - {dw.shape} -> {(w - dw).shape}
    b -= α db          () - {np.shape(db)} -> {np.shape(0.0 - db)}"""


def measured(w, b, X, Y) -> tuple[list[float], float]:
    """Seconds with two loops, one and none, the best of several; how far their results part."""
    times, results = [], []
    for way in (gradients_by_feature, gradients_by_sample, gradients):
        taken: list[float] = []
        while sum(taken) < 0.1:
            start = time.perf_counter()
            *_, dw, db = way(w, b, X, Y)
            taken.append(time.perf_counter() - start)
        times.append(min(taken))
        results.append(np.append(dw, db))
    return times, float(np.ptp(results, axis=0).max())


def trap(w, b, X, Y) -> str:
    """What becomes of Y in the wrong shape, step by step, without the guard."""
    (Z, A, *_), m = gradients(w, b, X, Y), X.shape[1]
    lines = [f"The broadcasting trap: A is {A.shape}, and without a guard\n",
             f"{'Y':12}{'A - Y':12}{'bytes':>10}   {'dw':14}{'db':>8}{'J':>10}"]  # fmt: skip
    for y in (Y, Y.reshape(m), Y.reshape(m, 1)):
        dZ = A - y
        dw, db, J = X @ dZ.T / m, np.sum(dZ) / m, np.mean(np.logaddexp(0, (1 - 2 * y) * Z))
        shapes = f"{y.shape!s:12}{dZ.shape!s:12}{dZ.nbytes:10,}   {dw.shape!s:14}"
        lines.append(f"{shapes}{db:8.4f}{J:10.4f}")
    lesson = f"""
(m,) is right by luck, since it counts as (1, m). (m, 1) holds every image against every label, and
nothing fails: dw betrays it by its shape, but J is a number as ever, and so is db, {m:,} times too
large. w = w - α dw would go on, with w of shape {dw.shape}; w -= α dw, in place, fails.
Keep axes by keepdims=True in sums, and compare shapes before you subtract, as `alike` does."""
    return "\n".join([*lines, lesson])


def picture(w, b, X, Y, costs: list[float], gains: dict[int, Any], path: Path) -> Path:
    """Weights on the left, cost and speed-up on the right, mistakes among X below."""
    with plt.rc_context(STYLE):
        figure: Any = plt.figure(figsize=(11, 7.2), layout="constrained")
        above, below = figure.subfigures(2, 1, height_ratios=[3, 1])
        axes = above.subplot_mosaic([["w", "cost"], ["w", "gain"]], width_ratios=[1.25, 1])

        image = tile(axes["w"], w, SIGNS)
        axes["w"].set(title=f"w: ink on dark says {DIGITS[0]}, on bright {DIGITS[1]}")
        above.colorbar(image, ax=axes["w"], shrink=0.8, aspect=30).outline.set_visible(False)
        axes["cost"].plot(costs, color=BLUE)
        axes["cost"].set(title="Cost J", xlim=(0, len(costs)), ylim=(0, None), xlabel="iteration")

        gain, (two, one) = axes["gain"], zip(*gains.values(), strict=True)
        gain.loglog(list(gains), two, "o-", color=BLUE)
        gain.loglog(list(gains), one, "^-", color=ORANGE)
        gain.text(0.02, 0.9, "than two loops", color=BLUE, transform=gain.transAxes)
        gain.text(0.98, 0.08, "than one loop", color=ORANGE, transform=gain.transAxes, ha="right")
        gain.set(title="Times faster without a loop", xlabel="samples m", ylim=(1, 5 * max(two)))
        for axis in (gain.xaxis, gain.yaxis):
            axis.set_major_formatter("{x:,.0f}")
        Z = (w.T @ X + b)[0]
        wrong = np.flatnonzero((Z > 0) != Y[0])
        below.suptitle(f"The surest of {len(wrong)} mistakes in {len(Z):,} test images", **LEFT)
        surest = wrong[np.argsort(-abs(Z[wrong]), kind="stable")]
        for axis, i in zip(below.subplots(1, 8), surest, strict=False):
            tile(axis, X[:, i], "gray_r")
            true, said = DIGITS[int(Y[0, i])], DIGITS[int(Z[i] > 0)]
            axis.set_xlabel(f"a {true}, said {said}\n{sigmoid(abs(Z[i])):.1%} sure")
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)
    return path
