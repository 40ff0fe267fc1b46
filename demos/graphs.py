"""Graphs as pictures, and pages that step through both passes of backpropagation.

Writes pictures (.svg), and pages (.html) that run in a browser. order.html shows incorrect passes.
"""

from pathlib import Path

from engine import Array, Value, record_origins, total
from engine.draw import Drawing, Stepper, draw, step
from nn import MLP, data, vector


def main(out: Path) -> None:
    with record_origins():  # a click on a value then shows the line that made it
        (loss, model), y, twice = network(), neuron(), used_twice()
    figures: dict[str, Drawing | Stepper] = {
        "neuron.svg": draw(y, locals=True),
        "mlp.svg": draw(loss, model),
        "network.svg": draw(loss, model, level="network"),
        "neuron.html": step(y),
        "mlp.html": step(loss, model, level="values"),
        "network.html": step(loss, model),
        "layers.html": step(*training(), level="layers"),
        "arrays.html": step(*arrays()),
        "order.html": step(twice),
    }
    for name, figure in figures.items():
        print(f"wrote {figure.save(out / name)}")
    print("\nOpen mlp.html in a browser. The arrow keys step; click a value for its details.")


def neuron() -> Value:
    """Return tanh(x1 w1 + x2 w2 + b), node by node, with numbers that give round gradients."""
    x1, x2 = Value(2.0, "x1"), Value(0.0, "x2")
    w1, w2, b = Value(-3.0, "w1"), Value(1.0, "w2"), Value(6.8813735870195432, "b")
    n = x1 * w1 + x2 * w2 + b
    out = n.tanh()
    n.label, out.label = "n", "out"
    out.backward()
    return out


def used_twice() -> Value:
    """Return b + exp(b) with b = 3 a: b must receive both gradients before it sends its own."""
    a = Value(0.5, "a")
    b = a * 3.0
    out = b + b.exp()
    b.label, out.label = "b", "out"
    out.backward()
    return out


def network() -> tuple[Value, MLP]:
    """Return the squared error of a network of four neurons for one sample, and the network."""
    model = MLP(2, [3, 1], "tanh", rng=0)
    x = [Value(0.5, "x1"), Value(-1.0, "x2")]
    error = model(x) - 1.0
    loss = error**2
    error.label, loss.label = "error", "loss"
    loss.backward()
    return loss, model


def training() -> tuple[Value, MLP]:
    """Return the mean squared error of 20 samples, 1,740 values, and its network."""
    model = MLP(2, [16, 16, 1], "tanh", rng=0)
    X, y = data.moons(20, rng=0)
    loss = total([(model(x) - target).square() for x, target in zip(X, y, strict=True)]) / len(y)
    loss.label = "loss"
    loss.backward()
    return loss, model


def arrays() -> tuple[Array, vector.MLP]:
    """Return the mean squared error of a network of arrays for the four samples of xor."""
    X = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    model = vector.MLP(2, [3, 1], "tanh", rng=0)
    loss = (model(X) - [[0.0], [1.0], [1.0], [0.0]]).square().mean()
    loss.label = "L"
    loss.backward()
    return loss, model
