"""Forward and reverse mode: the same derivatives, and who has to work more for them.

Chapter 02, 9.2: a pass forwards moves one input and sees every output move; a pass backwards starts
at one output and reaches every input. All derivatives take as many passes as there are inputs, or
outputs: a loss has one output and many inputs, which is why networks learn backwards.
"""

from pathlib import Path

import numpy as np

from engine import Value, jvp, topological, total, vjp
from nn import MLP

SHAPES = [(1, 1), (10, 1), (100, 1), (10, 10), (1, 10), (1, 100)]


def main(out: Path) -> None:
    print(
        "All derivatives of a network with 16 hidden neurons, by its inputs and outputs\n\n"
        f"{'':>16}{'forward mode':>22}{'reverse mode':>23}\n"
        f"{'inputs':>6}{'outputs':>10}{'passes':>11}{'products':>11}{'passes':>12}{'products':>11}"
    )
    for n, m in SHAPES:
        xs = [Value(0.1 * i, f"x{i}") for i in range(n)]
        found = MLP(n, [16, m], "tanh", rng=0, fused=False)(xs)
        ys = found if m > 1 else [found]
        ahead = np.array([[jvp(y, xs, unit) for y in ys] for unit in np.eye(n).tolist()])
        back = np.array([vjp(y, xs, 1.0) for y in ys])
        assert np.allclose(ahead.T, back, rtol=1e-12, atol=1e-15)
        forward = sum(products(ys, [x]) for x in xs)
        reverse = sum(products([y], xs) for y in ys)
        print(f"{n:>6}{m:>10}{n:>11}{forward:>11,}{m:>12}{reverse:>11,}")
    print("\n(products: a slope times what came; both modes find the same, but for roundings)")


def products(ys: list[Value], xs: list[Value]) -> int:
    """How many arrows lead from some inputs to some outputs: each is one product in a pass."""
    moving = set(xs)
    count = 0
    for node in topological(total(ys))[:-1]:
        arrows = sum(x in moving for x in node.inputs)
        if arrows:
            moving.add(node)
            count += arrows
    return count
