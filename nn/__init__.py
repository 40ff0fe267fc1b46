"""Neural networks on the engine: layers, losses, optimizers and a training loop.

>>> from nn import MLP, losses
>>> model = MLP(2, [4, 1], "tanh", rng=0)
>>> loss = losses.mse([model([0.0, 1.0]), model([1.0, 0.0])], [1.0, -1.0])
>>> loss.backward()
>>> len(model.parameters())
17
"""

from nn import augment, data, init, losses, optim, schedules, vector
from nn.archive import CheckpointError
from nn.checkpoint import Checkpoint, load, save
from nn.diagnose import diagnose
from nn.diagnosis import Diagnosis
from nn.metrics import accuracy, confusion_matrix
from nn.module import Module
from nn.scalar import MLP, Layer, Neuron
from nn.train import Record, fit

__all__ = [
    "MLP",
    "Checkpoint",
    "CheckpointError",
    "Diagnosis",
    "Layer",
    "Module",
    "Neuron",
    "Record",
    "accuracy",
    "augment",
    "confusion_matrix",
    "data",
    "diagnose",
    "fit",
    "init",
    "load",
    "losses",
    "optim",
    "save",
    "schedules",
    "vector",
]
