"""Forward and reverse mode: the same derivatives at different cost.

A forward pass differentiates all outputs with respect to one input; a reverse pass differentiates
one output with respect to all inputs. All derivatives take one forward pass per input, or one
reverse pass per output (Griewank and Walther, Evaluating Derivatives, 2008, chapter 3). A loss has
one output and many inputs, so networks are trained in reverse mode.
"""

from pathlib import Path

import numpy as np

from demos.shared.tables import format_table
from engine import Value, jvp, topological, total, vjp
from nn import MLP

SHAPES = [(1, 1), (10, 1), (100, 1), (10, 10), (1, 10), (1, 100)]  # inputs, outputs


def main(out: Path) -> None:
    rows = []
    for n, m in SHAPES:
        xs = [Value(0.1 * i, f"x{i}") for i in range(n)]
        outputs = MLP(n, [16, m], "tanh", rng=0, fused=False)(xs)
        ys = outputs if m > 1 else [outputs]
        forward = np.array([[jvp(y, xs, unit) for y in ys] for unit in np.eye(n).tolist()])
        reverse = np.array([vjp(y, xs, 1.0) for y in ys])
        assert np.allclose(forward.T, reverse, rtol=1e-12, atol=1e-15)
        counts = (
            n, m, n, sum(count_products(ys, [x]) for x in xs),
            m, sum(count_products([y], xs) for y in ys),
        )  # fmt: skip
        rows.append([f"{count:,}" for count in counts])
    print(
        "All derivatives of a network with 16 hidden neurons\n"
        "(products: multiplications by a local derivative; both modes agree to rounding)\n"
    )
    print(
        format_table(
            ["inputs", "outputs", "forward passes", "products", "reverse passes", "products"], rows
        )
    )


def count_products(ys: list[Value], xs: list[Value]) -> int:
    """Return the number of edges on paths from `xs` to `ys`; a pass multiplies once per edge."""
    dependent = set(xs)
    count = 0
    for node in topological(total(ys))[:-1]:
        edges = sum(x in dependent for x in node.inputs)
        if edges:
            dependent.add(node)
            count += edges
    return count
