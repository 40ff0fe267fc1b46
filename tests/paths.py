"""A network computed by Values, Arrays and tapes, and checked against its exact results."""

import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

import exact
from balls import Ball
from engine import Array, Value
from engine.tape import Tape
from networks import Network
from nn import optim
from nn.losses import LOSSES
from nn.taped import Taped


def scalar_path(network: Network, model: Any = None) -> dict[str, Any]:
    """Return the results of Values, sample by sample, under the names of exact.results."""
    model = model or network.model()
    X = [[Value(x) for x in sample] for sample in network.X]

    def layers(name: str) -> list[Any]:
        neurons = [[neuron.parameters() for neuron in layer.neurons] for layer in model.layers]
        return [[[getattr(p, name) for p in row] for row in layer] for layer in neurons]

    def outputs() -> tuple[Any, Any]:
        predictions = [model(sample) for sample in X]
        rows = [row if isinstance(row, list) else [row] for row in predictions]
        return predictions, [[z.data for z in row] for row in rows]

    def gradient() -> Any:
        return [[x.grad for x in sample] for sample in X]

    return path(network, model, network.y, outputs, layers, gradient)


def array_path(network: Network, dtype: Any = np.float64) -> dict[str, Any]:
    """Return the results of Arrays, with all samples in one batch."""
    model, X = network.model().to_vector(dtype), Array(np.array(network.X, dtype))

    def layers(name: str) -> list[Any]:
        return [np.c_[getattr(d.weight, name), getattr(d.bias, name)] for d in model.layers]

    def outputs() -> tuple[Any, Any]:
        predictions = model(X)
        return predictions, predictions.data

    return path(network, model, np.array(network.y), outputs, layers, lambda: X.grad)


def tape_path(network: Network, dtype: Any = np.float64, fast: bool = False) -> dict[str, Any]:
    """Return the results of a tape of the Values, with a loss on Arrays."""
    scalars, xs = network.model(), [Value(x) for x in network.X[0]]
    options = {"dtype": dtype, "fast": fast, "input_gradients": True}
    tape = Tape(scalars, xs, parameters=scalars.parameters(), **options)
    model, X = Taped(tape), Array(np.array(network.X, dtype))

    def layers(name: str) -> list[Any]:
        matrices, numbers = [], getattr(tape.flat, name)
        for layer in scalars.layers:
            size = len(layer.parameters())
            matrices.append(numbers[:size].reshape(layer.nout, -1))
            numbers = numbers[size:]
        return matrices

    def outputs() -> tuple[Any, Any]:
        predictions = model(X)
        return predictions, predictions.data.reshape(len(network.X), -1)

    return path(network, model, np.array(network.y), outputs, layers, lambda: X.grad)


PATHS = [scalar_path, array_path]


def path(
    network: Network,
    model: Any,
    y: Any,
    outputs: Callable[[], tuple[Any, Any]],  # predictions, and their numbers
    layers: Callable[[str], list[Any]],  # data or gradients, in the form of network.layers
    gradient: Callable[[], Any],  # of the samples
) -> dict[str, Any]:
    """Return outputs, loss, gradients, and the layers after each step, for any payload."""

    def passes() -> dict[str, Any]:
        model.zero_grad()
        predictions, numbers = outputs()
        loss = LOSSES[network.loss](predictions, y)
        loss.backward()
        return {"outputs": numbers, "loss": loss.data}

    computed = passes()
    computed |= {f"gradient of layer {i}": grad for i, grad in enumerate(layers("grad"))}
    computed["gradient of X"] = gradient()
    if network.training:
        rule, settings, clip, steps = network.training
        optimizer = optim.get(rule)(model.parameters(), **settings)
        for step in range(1, steps + 1):
            if step > 1:
                passes()
            if clip is not None:
                optim.clip_grad_norm(model.parameters(), clip)
            optimizer.step()
            computed |= {f"layer {i} after step {step}": x for i, x in enumerate(layers("data"))}
    return computed


def check(
    got: dict[str, Any], want: dict[str, Ball], network: Network, dtype: Any = np.float64
) -> None:
    """Raise AssertionError with a program for results that roundings do not explain."""
    for name, computed in got.items():
        misses = want[name].misses(computed)
        if not (misses <= 1).all():
            raise AssertionError(
                f"{name} is {misses.max():.3g} times as far off as roundings explain:\n{computed}\n"
                f"and should be\n{want[name].exact.astype(float)}\n"
                f"{SHOWN}\n{network.program(np.dtype(dtype).name)}"
            )


SHOWN = "# This program shows it:"


def judge(network: Network, dtype: Any = np.float64) -> None:
    """Check all paths that have the dtype, and tapes also with fast=True, which rounds less."""
    want = exact.results(network, dtype)
    if dtype is np.float64:
        check(scalar_path(network), want, network)
    check(array_path(network, dtype), want, network, dtype)
    if find_spec("numba") or os.environ.get("CI"):
        for fast in (False, True):
            check(tape_path(network, dtype, fast), want, network, dtype)
