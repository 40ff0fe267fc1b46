"""Forward and backward of the step of `benchmarks.moons`, with tapes and with array engines.

An engine takes a number of threads and a dtype, and starts at the weights that all engines share.
`step()` computes the loss and its gradient and returns the loss. `update(lr)` takes a step of
gradient descent. `nodes` is the number of nodes of a scalar graph, or None.

An engine imports only its own library.
"""

import random
from importlib import import_module
from itertools import pairwise
from typing import Any

from benchmarks.engines import count_nodes, value_of
from benchmarks.moons import default, demo, moons, network

SIZES = (2, 16, 16, 1)  # of the network
ALPHA = 1e-4  # of the L2 penalty


class Tape:
    """A tape of the idiomatic graph of `benchmarks.moons`."""

    def __init__(self, threads: int, dtype: str):
        root, parameters = self.graph()
        self.nodes = count_nodes(root)
        options = {"parameters": parameters, "threads": threads, "dtype": dtype}
        self.tape = import_module("engine.tape").Tape(root, **options)

    def graph(self) -> tuple[Any, Any]:
        return default().forward(), None  # all leaves that require gradients are parameters

    def step(self) -> float:
        loss = self.tape.forward()
        self.tape.backward()
        return loss

    def update(self, lr: float) -> None:
        flat = self.tape.flat
        flat.data = flat.data - lr * flat.grad


class TapeOfNodes(Tape):
    """A tape of the graph with the same nodes as micrograd's."""

    def graph(self) -> tuple[Any, Any]:
        model = network("node")
        return demo(value_of("node"), model).forward(), model.parameters()


def weights() -> list[list[list[float]]]:
    """Return the weights and the bias of each neuron, by layer; those of `moons.set_weights`."""
    rng = random.Random(0)
    return [
        [[rng.uniform(-1, 1) for _ in range(nin + 1)] for _ in range(nout)]
        for nin, nout in pairwise(SIZES)
    ]


class Torch:
    """Eager PyTorch, with all samples at once."""

    nodes = None

    def __init__(self, threads: int, dtype: str):
        self.torch = torch = import_module("torch")
        torch.set_num_threads(threads)
        torch.set_default_dtype(getattr(torch, dtype))
        self.X, self.y = (torch.tensor(data, dtype=torch.get_default_dtype()) for data in moons())
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

    def update(self, lr: float) -> None:
        with self.torch.no_grad():
            for p in self.parameters:
                p -= lr * p.grad


class Jax:
    """JAX: the loss and its gradient as one compiled program, with all samples at once."""

    nodes = None

    def __init__(self, threads: int, dtype: str):
        self.jax = jax = import_module("jax")
        jax.config.update("jax_enable_x64", dtype == "float64")
        layers = (jax.numpy.asarray(layer, dtype) for layer in weights())
        self.layers = [(layer[:, :-1], layer[:, -1]) for layer in layers]
        self.samples = [jax.numpy.asarray(data, dtype) for data in moons()]

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

    def update(self, lr: float) -> None:
        self.layers = self.jax.tree.map(lambda p, g: p - lr * g, self.layers, self.gradient)


class Arrays:
    """stepgrad's Arrays, with all samples at once and the loss under `jit`."""

    nodes = None

    def __init__(self, threads: int, dtype: str):
        np, self.jit = import_module("numpy"), import_module("engine").jit
        losses, vector = import_module("nn.losses"), import_module("nn.vector")
        X, y = (np.asarray(data, dtype) for data in moons())
        model = vector.MLP(SIZES[0], SIZES[1:], init="zeros", dtype=dtype)
        for layer, neurons in zip(model.layers, weights(), strict=True):
            layer.weight.data = [neuron[:-1] for neuron in neurons]
            layer.bias.data = [neuron[-1] for neuron in neurons]
        self.parameters = model.parameters()

        def loss(X: Any, y: Any) -> Any:
            penalty = losses.l2_penalty(self.parameters)
            return losses.hinge(model(X)[:, 0], y) + ALPHA * penalty

        self.samples, self.loss = (X, y), self.record(loss)

    def record(self, loss: Any) -> Any:
        return self.jit(loss, self.parameters)

    def step(self) -> float:
        loss = self.loss(*self.samples)
        for p in self.parameters:
            p.grad = 0.0
        loss.backward()
        return loss.item()

    def update(self, lr: float) -> None:
        for p in self.parameters:
            p.data = p.data - lr * p.grad


class EagerArrays(Arrays):
    """stepgrad's Arrays without `jit`."""

    def record(self, loss: Any) -> Any:
        return loss


STEPPERS: dict[str, tuple[str, Any]] = {  # names and classes
    "node": ("stepgrad tape, node for node", TapeOfNodes),
    "default": ("stepgrad tape", Tape),
    "arrays-jit": ("stepgrad arrays, jit", Arrays),
    "arrays": ("stepgrad arrays", EagerArrays),
    "torch": ("PyTorch eager", Torch),
    "jax": ("JAX jit", Jax),
}
