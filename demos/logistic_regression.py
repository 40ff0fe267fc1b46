"""Logistic regression in NumPy: 3 or 8, vectorized over all images and with explicit loops.

The engine is not used: every derivative is derived by hand (Bishop, Pattern Recognition and Machine
Learning, 2006, 4.3.2). Each column is a sample: X is (n_x, m), Y is (1, m) with entries 0 and 1,
w is (n_x, 1), and b is a number. The dtype of X, float32 or float64, is kept.

Writes logistic_regression.svg: the weights, the cost, the speedup without loops, and the mistakes
with the highest confidence.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from demos.pictures.logistic_regression import save_picture
from demos.shared.tables import format_table
from demos.shared.timing import Stopwatch, time_calls
from nn import data

DIGITS = (3, 8)
CONVERGED = 1e-5  # training stops when an iteration lowers the cost by less


def sigmoid(Z: Any) -> Any:
    """Return 1 / (1 + e^-Z), elementwise; no exponent is positive, so none overflows.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    return np.exp(np.minimum(Z, 0)) / (1 + np.exp(-np.abs(Z)))


def cost(Z: np.ndarray, Y: np.ndarray) -> float:
    """Return J, the mean of -y log a - (1 - y) log(1 - a) with a = sigmoid(z).

    It is computed from z, as log(1 + e^-z) for y = 1 and log(1 + e^z) for y = 0, so no logarithm
    of 0 occurs.

    >>> cost(np.array([[0.0, 1000.0]]), np.array([[1.0, 0.0]])) == (math.log(2) + 1000) / 2
    True
    """
    return float(np.mean(np.logaddexp(0, (1 - 2 * check_shape(Z, Y)) * Z)))


def check_shape(A: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Return Y; raise ValueError if broadcasting would hide that its shape is not that of A."""
    if A.shape != Y.shape:
        raise ValueError(f"Y must have the shape of A, {A.shape}, got {Y.shape}; reshape it")
    return Y


def gradients(w: np.ndarray, b: Any, X: np.ndarray, Y: np.ndarray) -> tuple[Any, ...]:
    """Return Z, A and dZ of shape (1, m), dw (n_x, 1) and db ().

    >>> X, Y = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.0, 1.0]])
    >>> Z, A, dZ, dw, db = gradients(np.zeros((2, 1)), 0.0, X, Y)
    >>> dZ.tolist(), dw.tolist(), float(db)
    ([[0.5, -0.5]], [[-0.25], [-0.25]], 0.0)
    """
    m = X.shape[1]
    Z = w.T @ X + b
    A = sigmoid(Z)
    dZ = A - check_shape(A, Y)
    dw = X @ dZ.T / m
    db = np.sum(dZ) / m
    return Z, A, dZ, dw, db


def gradients_by_sample(
    w: np.ndarray, b: Any, X: np.ndarray, Y: np.ndarray
) -> tuple[np.ndarray, float]:
    """Return dw and db, by a loop over the samples."""
    dw, db = np.zeros_like(w), 0.0
    for x, y in zip(X.T, Y[0], strict=True):
        dz = sigmoid(w[:, 0] @ x + b) - y
        dw[:, 0] += x * dz
        db += dz
    return dw / X.shape[1], db / X.shape[1]


def gradients_by_feature(
    w: np.ndarray, b: Any, X: np.ndarray, Y: np.ndarray
) -> tuple[np.ndarray, float]:
    """Return dw and db, by loops over the samples and their features, in Python floats."""
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
    """Run gradient descent from 0 until it converges; yield w (updated in place), b and the cost.

    The learning rate α needs no tuning. The cost decreases for every α < 2 / L, where L bounds its
    curvature, and L is at most the largest slope of sigmoid, 1/4, times the mean of |x|² + 1.
    """
    alpha = 8 / (float(np.sum(X * X)) / X.shape[1] + 1)
    w, b, previous = np.zeros((len(X), 1), X.dtype), X.dtype.type(0), math.inf
    for _ in range(iterations):
        Z, _, _, dw, db = gradients(w, b, X, Y)
        J = cost(Z, Y)
        yield w, b, J
        if previous - J < CONVERGED:
            break
        previous = J
        w -= alpha * dw
        b -= alpha * db


def accuracy(w: np.ndarray, b: Any, X: np.ndarray, Y: np.ndarray) -> float:
    """Return the fraction of samples with Z > 0 for class 1, and not for class 0."""
    Z = w.T @ X + b
    return float(np.mean((Z > 0) == check_shape(Z, Y)))


def select_digits(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the images of the two digits, one per column, and Y (1, m): 1 for the second."""
    selected = np.isin(y, DIGITS)
    return np.ascontiguousarray(X[selected].T), (y[selected] == DIGITS[1]).astype(X.dtype)[None, :]


def mistakes(w: np.ndarray, b: Any, X: np.ndarray, Y: np.ndarray) -> list[tuple[np.ndarray, str]]:
    """Return the misclassified images with captions, the most confident mistakes first."""
    Z = (w.T @ X + b)[0]
    wrong = np.flatnonzero((Z > 0) != Y[0])
    return [
        (X[:, i], f"{DIGITS[int(Y[0, i])]} as {DIGITS[int(Z[i] > 0)]}\n{sigmoid(abs(Z[i])):.1%}")
        for i in wrong[np.argsort(-abs(Z[wrong]), kind="stable")]
    ]


def main(
    out: Path, *, iterations: int = 5000, sizes: tuple[int, ...] = (10, 100, 1000, 12000)
) -> None:
    (X, Y), (X_test, Y_test) = [select_digits(*part) for part in data.mnist()]
    m = X.shape[1]
    print(f"{DIGITS[0]} (Y = 0) or {DIGITS[1]} (Y = 1), {X.dtype}: {m:,} training images, "
          f"{X_test.shape[1]:,} test images\n\n{format_shapes(X, Y)}\n")  # fmt: skip

    costs, stopwatch = [], Stopwatch()
    bar = tqdm(train(X, Y, iterations), desc="descent", unit=" iterations")
    for w, b, J in bar:  # noqa: B007, used after the loop
        costs.append(J)
        bar.set_postfix(cost=f"{J:.4f}", refresh=False)
    print(f"cost {costs[0]:.4f} -> {costs[-1]:.4f} in {len(costs):,} iterations, "
          f"{stopwatch.lap():.1f} s; accuracy {accuracy(w, b, X, Y):.2%} on training "
          f"images, {accuracy(w, b, X_test, Y_test):.2%} on test images\n")  # fmt: skip

    speedups = compare_loops(w, b, X, Y, sizes)
    print(f"\n{broadcasting_error(w, b, X[:, :1000], Y[:, :1000])}")
    print(f"With all {m:,} images, A - Y would take {m * m * X.itemsize / 1e6:,.0f} MB.\n")
    wrong = mistakes(w, b, X_test, Y_test)
    heading = f"Most confident of {len(wrong)} mistakes on {X_test.shape[1]:,} test images"
    path = out / "logistic_regression.svg"
    save_picture(w, costs, speedups, wrong, DIGITS, heading, path)
    print(f"wrote {path}")


def format_shapes(X: np.ndarray, Y: np.ndarray) -> str:
    """Return the shapes of one iteration, read from the arrays."""
    w = np.zeros((len(X), 1), X.dtype)
    Z, A, dZ, dw, db = gradients(w, 0.0, X, Y)
    return f"""One iteration, without loops:
    Z = wᵀ X + b       {w.T.shape} @ {X.shape} + () -> {Z.shape}
    A = sigmoid(Z)     {Z.shape} -> {A.shape}
    dZ = A - Y         {A.shape} - {Y.shape} -> {dZ.shape}
    dw = X dZᵀ / m     {X.shape} @ {dZ.T.shape} -> {dw.shape}
    db = sum(dZ) / m   {dZ.shape} -> {np.shape(db)}
    w -= α dw          {w.shape} - {dw.shape} -> {(w - dw).shape}
    b -= α db          () - {np.shape(db)} -> {np.shape(0.0 - db)}"""


def compare_loops(
    w: np.ndarray, b: Any, X: np.ndarray, Y: np.ndarray, sizes: tuple[int, ...]
) -> dict[int, tuple[float, float]]:
    """Print the times of dw and db with two loops, one and none.

    Returns, for each number of samples, the time of two loops and of one, over that of none.
    """
    speedups, rows = {}, []
    for size in dict.fromkeys(min(size, X.shape[1]) for size in sizes):
        case = [np.asarray(array, float) for array in (w, b, X[:, :size], Y[:, :size])]
        functions = (gradients_by_feature, gradients_by_sample, gradients)
        times, results = zip(*(time_gradients(f, case) for f in functions), strict=True)
        two, one, none = times
        difference = np.ptp(results, axis=0).max()
        speedups[size] = two / none, one / none
        ratios = [f"{ratio:,.0f}" for ratio in speedups[size]]
        times = [f"{1e3 * two:,.2f}", f"{1e3 * one:,.2f}", f"{1e3 * none:,.3f}"]
        rows.append([f"{size:,}", *times, *ratios, f"{difference:.0e}"])
    print(
        "Time of dw and db in ms, float64: two loops, over samples and features; one loop, over\n"
        "samples; no loop. All slow down when X outgrows the cache. (two/none, one/none: ratios;\n"
        "difference: the largest among the three results)\n"
    )
    header = ["m", "two loops", "one loop", "no loop", "two/none", "one/none", "difference"]
    print(format_table(header, rows))
    return speedups


def time_gradients(
    function: Callable[..., Any], case: list[np.ndarray]
) -> tuple[float, np.ndarray]:
    """Return the shortest time of several calls, and dw and db as one vector."""
    results: deque[Any] = deque(maxlen=1)
    times = time_calls(lambda: results.append(function(*case)), seconds=0.1)
    *_, dw, db = results[0]
    return min(times), np.append(dw, db)


def broadcasting_error(w: np.ndarray, b: Any, X: np.ndarray, Y: np.ndarray) -> str:
    """Return a table of the results for Y of three shapes without `check_shape`, explained."""
    (Z, A, *_), m = gradients(w, b, X, Y), X.shape[1]
    rows = []
    for y in (Y, Y.reshape(m), Y.reshape(m, 1)):
        dZ = A - y
        dw, db, J = X @ dZ.T / m, np.sum(dZ) / m, np.mean(np.logaddexp(0, (1 - 2 * y) * Z))
        rows.append(
            [str(y.shape), str(dZ.shape), f"{dZ.nbytes:,}", str(dw.shape), f"{db:.4f}", f"{J:.4f}"]
        )
    return f"""Broadcasting errors: A is {A.shape}, and the shape of Y is not checked

{format_table(["Y", "A - Y", "bytes", "dw", "db", "J"], rows)}

Shape (m,) gives correct results because it broadcasts as (1, m). Shape (m, 1) subtracts every label
from every output and raises no error. dw has the wrong shape, but J and db are still numbers, and
db is {m:,} times too large. w = w - α dw continues with a w of shape {dw.shape}; w -= α dw, in
place, raises an error. Use keepdims=True in sums, and compare shapes before subtracting, as
`check_shape` does."""
