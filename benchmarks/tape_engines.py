"""The step of `benchmarks.moons`, forward and backward, by tapes and by engines of arrays.

An engine takes the threads it may use and a dtype. It begins at the weights that every other begins
at; `step()` computes the loss and its gradient, and returns the loss; `move(lr)` goes against the
gradient. `nodes` are those of a graph of scalars.

An engine imports its library and no other.
"""

import random
from importlib import import_module
from itertools import pairwise
from typing import Any

from benchmarks.engines import count, value_of
from benchmarks.moons import default, demo, moons, network

SIZES = (2, 16, 16, 1)  # of the network
ALPHA = 1e-4  # of the L2 penalty


class Tape:
    """A tape over the graph that a user of stepgrad writes."""

    def __init__(self, threads: int, dtype: str):
        root, parameters = self.graph()
        self.nodes = count(root)
        how = {"parameters": parameters, "threads": threads, "dtype": dtype}
        self.tape = import_module("engine.tape").Tape(root, **how)

    def graph(self) -> tuple[Any, Any]:
        return default().forward(), None  # all that ask for gradients are parameters

    def step(self) -> float:
        loss = self.tape.forward()
        self.tape.backward()
        return loss

    def move(self, lr: float) -> None:
        flat = self.tape.flat
        flat.data = flat.data - lr * flat.grad


class TapeOfNodes(Tape):
    """A tape over the graph that is micrograd's, node for node."""

    def graph(self) -> tuple[Any, Any]:
        model = network("node")
        return demo(value_of("node"), model).forward(), model.parameters()


def weights() -> list[list[list[float]]]:
    """Layers of neurons, each its weights and its bias: what `moons.start` gives to scalars."""
    rng = random.Random(0)
    return [
        [[rng.uniform(-1, 1) for _ in range(nin + 1)] for _ in range(nout)]
        for nin, nout in pairwise(SIZES)
    ]


class Torch:
    """PyTorch, eager, all samples at once."""

    nodes = None

    def __init__(self, threads: int, dtype: str):
        self.torch = torch = import_module("torch")
        torch.set_num_threads(threads)
        torch.set_default_dtype(getattr(torch, dtype))
        self.X, self.y = (torch.tensor(each, dtype=torch.get_default_dtype()) for each in moons())
        layers = []
        for (nin, nout), neurons in zip(pairwise(SIZES), weights(), strict=True):
            layer = torch.nn.Linear(nin, nout)
            with torch.no_grad():
                layer.weight.copy_(torch.tensor([neuron[:-1] for neuron in neurons]))
                layer.bias.copy_(torch.tensor([neuron[-1] for neuron in neurons]))
            layers += [layer, torch.nn.ReLU()]
        self.model = torch.nn.Sequential(*layers[:-1])
        self.parameters = list(self.model.parameters())

    def step(self) -> Any:
        scores = self.model(self.X)[:, 0]
        penalty = sum((p * p).sum() for p in self.parameters)
        loss = (1 - self.y * scores).relu().mean() + ALPHA * penalty
        self.model.zero_grad()
        loss.backward()
        return loss.detach()

    def move(self, lr: float) -> None:
        with self.torch.no_grad():
            for p in self.parameters:
                p -= lr * p.grad


class Jax:
    """JAX: the loss and its gradient as one compiled program, all samples at once."""

    nodes = None

    def __init__(self, threads: int, dtype: str):
        self.jax = jax = import_module("jax")
        jax.config.update("jax_enable_x64", dtype == "float64")
        arrays = (jax.numpy.asarray(each, dtype) for each in weights())
        self.layers = [(each[:, :-1], each[:, -1]) for each in arrays]
        self.samples = [jax.numpy.asarray(each, dtype) for each in moons()]

        def loss(layers: Any, X: Any, y: Any) -> Any:
            *hidden, (w, b) = layers
            for w_hidden, b_hidden in hidden:
                X = jax.nn.relu(X @ w_hidden.T + b_hidden)
            scores = (X @ w.T + b)[:, 0]
            penalty = sum((p * p).sum() for layer in layers for p in layer)
            return jax.nn.relu(1 - y * scores).mean() + ALPHA * penalty

        self.compiled = jax.jit(jax.value_and_grad(loss))

    def step(self) -> Any:
        loss, self.gradient = self.jax.block_until_ready(self.compiled(self.layers, *self.samples))
        return loss

    def move(self, lr: float) -> None:
        self.layers = self.jax.tree.map(lambda p, g: p - lr * g, self.layers, self.gradient)


STEPPERS: dict[str, tuple[str, Any]] = {  # by the names that workers take
    "node": ("stepgrad tape, node for node", TapeOfNodes),
    "default": ("stepgrad tape", Tape),
    "torch": ("PyTorch eager", Torch),
    "jax": ("JAX jit", Jax),
}
