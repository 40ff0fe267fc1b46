"""micrograd's demo with other import lines: the same losses, step by step."""

import random

import micrograd  # noqa: F401
import numpy as np

from nn import data

# The cells of micrograd's notebook.
DEMO = """
model = MLP(2, [16, 16, 1])
start(model)

def loss():
    inputs = [list(map(Value, row)) for row in X]
    scores = list(map(model, inputs))
    losses = [(1 + -yi * scorei).relu() for yi, scorei in zip(y, scores)]
    data_loss = sum(losses) * (1.0 / len(losses))
    alpha = 1e-4
    reg_loss = alpha * sum((p * p for p in model.parameters()))
    total_loss = data_loss + reg_loss
    accuracy = [(yi > 0) == (scorei.data > 0) for yi, scorei in zip(y, scores)]
    return total_loss, sum(accuracy) / len(accuracy)

for k in range(6):
    total_loss, acc = loss()
    model.zero_grad()
    total_loss.backward()
    learning_rate = 1.0 - 0.9 * k / 100
    for p in model.parameters():
        p.data -= learning_rate * p.grad
    record(total_loss.data, acc)
"""
IMPORTS = [
    "from micrograd.engine import Value\nfrom micrograd.nn import Neuron, Layer, MLP\n",
    "from engine import Value\nfrom nn import Neuron, Layer, MLP\n",
]


def start(model):
    """Set the same weights in both libraries."""
    rng = random.Random(7)
    for p in model.parameters():
        p.data = rng.uniform(-1, 1)


def test_its_demo_runs_with_other_import_lines():
    points, labels = data.moons(30, noise=0.1, rng=0)
    runs = []
    for imports in IMPORTS:
        runs.append([])
        names = {
            "X": points.tolist(), "y": (2 * labels - 1).tolist(), "start": start,
            "record": lambda *figures, run=runs[-1]: run.append(figures),
        }  # fmt: skip
        exec(imports + DEMO, names)
    theirs, ours = np.array(runs)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    assert ours[-1, 0] < ours[0, 0]
