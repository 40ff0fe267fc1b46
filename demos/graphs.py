"""Graphs as pictures: micrograd's neuron, and a small network with its neurons and layers.

Writes neuron.svg and mlp.svg, with the gradients that backward has filled in.
"""

from pathlib import Path

from engine import Value
from engine.draw import Drawing, draw
from nn import MLP


def main(out: Path) -> None:
    drawings = {
        "neuron.svg": draw(neuron(), locals=True),
        "mlp.svg": network(),
    }
    for name, drawing in drawings.items():
        print(f"wrote {drawing.save(out / name)}, a {drawing.title}")


def neuron() -> Value:
    """tanh(x1 w1 + x2 w2 + b), node by node, with numbers that make every gradient a round one."""
    x1, x2 = Value(2.0, "x1"), Value(0.0, "x2")
    w1, w2, b = Value(-3.0, "w1"), Value(1.0, "w2"), Value(6.8813735870195432, "b")
    n = x1 * w1 + x2 * w2 + b
    out = n.tanh()
    n.label, out.label = "n", "out"
    out.backward()
    return out


def network() -> Drawing:
    """The squared error of a network of four neurons, one sample."""
    model = MLP(2, [3, 1], "tanh", rng=0)
    x = [Value(0.5, "x1"), Value(-1.0, "x2")]
    error = model(x) - 1.0
    loss = error**2
    error.label, loss.label = "error", "loss"
    loss.backward()
    return draw(loss, model)
