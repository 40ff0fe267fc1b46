"""Strategies for networks, which can be printed as programs."""

from itertools import pairwise
from typing import Any, NamedTuple

from hypothesis import strategies as st

from nn import MLP
from nn.init import INITS, make_weights
from nn.losses import LOSSES
from nn.scalar import ACTIVATIONS

BESIDE_KINKS = {  # targets of three samples for every loss, where no loss has a kink
    "mse": [0.5, -1.0, 2.0],
    "mae": [0.5, -1.0, 2.0],
    "huber": [0.5, -1.0, 2.0],
    "hinge": [1, -1, 1],
    "binary_cross_entropy": [1, 0, 0.25],
    "cross_entropy": [1, 0, 1],
}


class Training(NamedTuple):
    """Steps of an optimizer: its name, its arguments, and the norm to which gradients are clipped."""

    rule: str
    settings: dict[str, Any]
    clip: float | None
    steps: int


class Network(NamedTuple):
    """A network with samples and targets. A layer has a row for each neuron: weights, then bias."""

    layers: tuple[tuple[tuple[float, ...], ...], ...]
    activation: str
    loss: str
    X: tuple[tuple[float, ...], ...]
    y: tuple[Any, ...]
    training: Training | None = None

    @property
    def sizes(self) -> list[int]:
        return [len(layer) for layer in self.layers]

    def model(self) -> MLP:
        """Return the network as an nn.MLP."""
        matrices = iter([[row[:-1] for row in layer] for layer in self.layers])
        init: Any = lambda *_: next(matrices)
        model = MLP(len(self.X[0]), self.sizes, self.activation, init=init)
        for layer, rows in zip(model.layers, self.layers, strict=True):
            for neuron, row in zip(layer.neurons, rows, strict=True):
                neuron.bias.data = row[-1]
        return model

    def program(self, dtype: str = "float64") -> str:
        """Return Python source that builds the network, runs both paths and prints differences."""
        head = {**self._asdict(), "nin": len(self.X[0]), "sizes": self.sizes, "dtype": dtype}
        if not self.training:
            return NETWORK.format(**head)
        clip = f"\n        optim.clip_grad_norm(model.parameters(), {self.training.clip})"
        steps = {**self.training._asdict(), "clip": clip if self.training.clip else ""}
        return NETWORK.format(**head) + STEPS.format(**steps)


NETWORK = """\
import numpy as np
from nn import MLP, losses, optim

LAYERS = {layers}  # a row per neuron: weights, bias
X = {X}
y = {y}

matrices = iter([[row[:-1] for row in layer] for layer in LAYERS])
scalars = MLP({nin}, {sizes}, {activation!r}, init=lambda *_: next(matrices))
for layer, rows in zip(scalars.layers, LAYERS):
    for neuron, row in zip(layer.neurons, rows):
        neuron.bias.data = row[-1]
arrays = scalars.to_vector(np.{dtype})


def backward(model, samples):
    for p in model.parameters():
        p.grad = 0.0
    outputs = [model(x) for x in samples] if model is scalars else model(np.array(samples))
    loss = losses.{loss}(outputs, y if model is scalars else np.array(y))
    loss.backward()
    return loss


def compare(title, name):
    print(title)
    one = iter([getattr(p, name) for p in scalars.parameters()])
    for i, layer in enumerate(arrays.layers):
        other = np.c_[getattr(layer.weight, name), getattr(layer.bias, name)]
        same = np.array([next(one) for _ in other.flat]).reshape(other.shape)
        print(f"layer {{i}}, scalars minus arrays:", same - other, "scalars:", same, sep="\\n")


print("loss", backward(scalars, X).data, backward(arrays, X).item())
compare("gradients", "grad")
"""

STEPS = """
settings = {settings}
movers = [(m, optim.get({rule!r})(m.parameters(), **settings)) for m in (scalars, arrays)]
for step in range({steps}):
    for model, mover in movers:
        backward(model, X){clip}
        mover.step()
    compare(f"weights after step {{step + 1}}", "data")
"""


# -------------------------------------------------------------------------------------- strategies

plain = st.integers(-16, 16).map(lambda i: i / 8)
number = plain | st.floats(-2.0, 2.0, width=32)
size = st.integers(1, 6)
seed = st.none() | st.integers(0, 2**32 - 1)
exponent = st.just(0.0) | st.floats(-3.0, 2.0)
TARGETS: dict[str, st.SearchStrategy[Any]] = {
    "hinge": st.sampled_from([-1, 1]),
    "binary_cross_entropy": st.sampled_from([0, 1]) | st.floats(0.0, 1.0, width=32),
}
EPS = st.sampled_from([1e-8, 1e-3])
BETAS = st.tuples(st.floats(0.0, 0.99), st.floats(0.5, 0.9999))
SETTINGS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "sgd": {"momentum": st.sampled_from([0.0, 0.5, 0.9, 0.99]), "nesterov": st.booleans()},
    "rmsprop": {"alpha": st.floats(0.5, 0.999), "eps": EPS},
    "adagrad": {"eps": EPS},
    "adam": {"betas": BETAS, "eps": EPS},
    "adamw": {"betas": BETAS, "eps": EPS},
}


@st.composite
def trainings(draw: st.DrawFn, rule: str) -> Training:
    settings = {name: draw(strategy) for name, strategy in SETTINGS[rule].items()}
    if rule == "sgd" and not settings["momentum"]:
        settings["nesterov"] = False
    settings["lr"] = draw(st.sampled_from([1e-3, 0.1]) | st.floats(1e-4, 1.0))
    settings["weight_decay"] = draw(st.sampled_from([0.0, 0.01, 0.5]))
    clip = draw(st.none() | st.sampled_from([0.1, 1.0]))
    return Training(rule, settings, clip, draw(st.integers(1, 3)))


@st.composite
def networks(
    draw: st.DrawFn,
    activations: Any = tuple(ACTIVATIONS),
    losses: Any = tuple(LOSSES),
    rule: str | None = None,
    *,
    outputs: Any = None,
    deepest: int = 4,
    samples: Any = size,
    seeds: Any = seed,
    numbers: Any = number,
    exponents: Any = exponent,
) -> Network:
    """Draw networks of 1 to 4 layers with 1 to 6 samples, and weights from about 0.001 to 100.

    Weights are drawn one by one or, given a seed, by an initializer. With a rule, the network has
    steps of that optimizer. float32 represents the targets exactly.
    """
    loss = draw(st.sampled_from(losses))
    k = draw(st.integers(1 + (loss == "cross_entropy"), 6) if outputs is None else outputs)
    sizes = [*draw(st.lists(size, min_size=1, max_size=deepest)), k]
    seed, layers = draw(seeds), []
    for nin, nout in pairwise(sizes):
        scale = float(f"{10 ** draw(exponents):.1g}")
        if seed is None:
            rows = [[draw(numbers) for _ in range(nin + 1)] for _ in range(nout)]
        else:
            rows = make_weights(draw(st.sampled_from(list(INITS))), nin + 1, nout, seed).tolist()
        layers.append(tuple(tuple(x * scale for x in row) for row in rows))
    target = st.integers(0, k - 1) if loss == "cross_entropy" else TARGETS.get(loss, numbers)
    if loss != "cross_entropy" and k > 1:
        target = st.tuples(*[target] * k)
    m = draw(samples)
    X = tuple(draw(st.tuples(*[numbers] * sizes[0])) for _ in range(m))
    y = tuple(draw(target) for _ in range(m))
    activation = draw(st.sampled_from(activations))
    training = None if rule is None else draw(trainings(rule))
    return Network(tuple(layers), activation, loss, X, y, training)


def unrounded() -> st.SearchStrategy[Network]:
    """Return networks without rounding: eighths, piecewise linear, means over powers of two."""
    return networks(
        ["linear", "neg", "abs", "relu", "sign"],
        ["mse", "mae", "huber", "hinge"],
        outputs=st.sampled_from([1, 2, 4]),
        deepest=3,
        samples=st.sampled_from([1, 2, 4]),
        seeds=st.none(),
        numbers=plain,
        exponents=st.just(0.0),
    )
