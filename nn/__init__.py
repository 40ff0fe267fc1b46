"""Neural networks on the engine: layers, losses, optimizers and a training loop.

>>> from nn import MLP, losses
>>> model = MLP(2, [4, 1], "tanh", rng=0)
>>> loss = losses.mse([model([0.0, 1.0]), model([1.0, 0.0])], [1.0, -1.0])
>>> loss.backward()
>>> len(model.parameters())
17
"""

from nn import data, init, losses, optim, schedules, vector
from nn.metrics import accuracy, confusion_matrix
from nn.module import Module
from nn.scalar import MLP, Layer, Neuron
from nn.train import Record, fit

__all__ = [
    "MLP",
    "Layer",
    "Module",
    "Neuron",
    "Record",
    "accuracy",
    "confusion_matrix",
    "data",
    "fit",
    "init",
    "losses",
    "optim",
    "schedules",
    "vector",
]
