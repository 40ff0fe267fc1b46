"""More peers of `benchmarks.mnist`: compiled PyTorch, tinygrad, and autograd on NumPy."""

import json
import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import pairwise
from typing import Any

from benchmarks.mnist_trainers import SIZES, NumPy, Torch


def exit_without_figures() -> None:
    """Print no figures and exit, as a worker of an engine that does not run on this machine."""
    print(json.dumps({}))
    sys.exit()


class TorchCompiled(Torch):
    """PyTorch with model and loss under `torch.compile`, and Adam as one kernel."""

    fused = True

    def __init__(self, weights: Any, train: Any, test: Any, threads: int, seed: int):
        super().__init__(weights, train, test, threads, seed)
        try:
            self.torch.compile(lambda x: x.exp() + 1.0)(self.torch.ones(3))
        except Exception:  # of many kinds, for example without a compiler
            exit_without_figures()
        self.compiled = self.torch.compile(super().loss)

    def loss(self, X: Any, y: Any) -> Any:
        return self.compiled(X, y)


class Tinygrad:
    """tinygrad, with the whole step under `TinyJit`."""

    def __init__(self, weights: Any, train: Any, test: Any, threads: int, seed: int):
        tinygrad = import_module("tinygrad")
        try:
            (tinygrad.Tensor([1.0]) + 1.0).realize()
        except Exception:  # its CPU device needs clang or LLVM
            exit_without_figures()
        self.Tensor, self.Context, nn = tinygrad.Tensor, tinygrad.Context, tinygrad.nn
        (self.X, self.y), self.test = train, test
        self.layers = [nn.Linear(nin, nout) for nin, nout in pairwise(SIZES)]
        for layer, weight in zip(self.layers, weights, strict=True):
            layer.weight.assign(self.Tensor(weight)).realize()
            layer.bias.assign(self.Tensor(weight[:, 0] * 0)).realize()
        self.optimizer = nn.optim.Adam(nn.state.get_parameters(self.layers))
        self.step = tinygrad.TinyJit(self.compute)

    def logits(self, X: Any) -> Any:
        hidden, last = self.layers
        return last(hidden(X).relu())

    def compute(self, X: Any, y: Any) -> Any:
        self.optimizer.zero_grad()
        loss = self.logits(X).sparse_categorical_crossentropy(y).backward()
        return loss.realize(*self.optimizer.schedule_step())

    def epoch(self, order: Any, lr: float) -> Sequence[float]:
        self.optimizer.lr.assign(self.Tensor([lr])).realize()
        tensor = self.Tensor
        with self.Context(TRAINING=1):
            return [
                self.step(tensor(self.X[batch]).realize(), tensor(self.y[batch]).realize()).item()
                for batch in order
            ]

    def accuracy(self) -> float:
        X, y = self.test
        return (self.logits(self.Tensor(X)).argmax(axis=1) == self.Tensor(y)).mean().item()


class Autograd(NumPy):
    """HIPS autograd, which differentiates NumPy; the update is that of NumPy written by hand."""

    def __init__(self, weights: Any, train: Any, test: Any, threads: int, seed: int):
        super().__init__(weights, train, test, threads, seed)
        np = import_module("autograd.numpy")

        def loss(parameters: Any, X: Any, y: Any) -> Any:
            W1, b1, W2, b2 = parameters
            logits = np.maximum(X @ W1.T + b1, 0) @ W2.T + b2
            logits = logits - np.max(logits, axis=1, keepdims=True)
            picked = logits[np.arange(len(y)), y]
            return np.mean(np.log(np.sum(np.exp(logits), axis=1)) - picked)

        self.gradient = import_module("autograd").value_and_grad(loss)

    def step(self, X: Any, y: Any, lr: float) -> float:
        loss, gradients = self.gradient(self.parameters, X, y)
        self.update(gradients, lr)
        return loss


PEERS = {
    "compile": ("PyTorch, torch.compile", TorchCompiled),
    "tinygrad": ("tinygrad, TinyJit", Tinygrad),
    "autograd": ("autograd (HIPS)", Autograd),
}
