"""Neural networks: layers, losses, optimizers, data and a training loop.

>>> from nn import MLP, losses
>>> model = MLP(2, [4, 1], "tanh", rng=0)
>>> loss = losses.mse([model([0.0, 1.0]), model([1.0, 0.0])], [1.0, -1.0])
>>> loss.backward()
>>> len(model.parameters())
17
"""

from typing import TYPE_CHECKING

import stepgrad  # noqa: F401 # gives the clone's modules their installed names
from engine.support import lazy
from nn import init, losses, schedules
from nn.metrics import accuracy, confusion_matrix
from nn.module import Module
from nn.other_names import NETWORKS
from nn.scalar import MLP, Layer, Neuron

if TYPE_CHECKING:
    from nn import augment, data, optim, vector
    from nn.archive import CheckpointError
    from nn.boundary import plot_boundary
    from nn.checkpoint import Checkpoint, load, save
    from nn.diagnosis import Diagnosis, diagnose
    from nn.records import Record
    from nn.sweep_result import Sweep
    from nn.sweeps import sweep
    from nn.train import fit
    from nn.training import Training

__all__ = [
    "MLP",
    "Checkpoint",
    "CheckpointError",
    "Diagnosis",
    "Layer",
    "Module",
    "Neuron",
    "Record",
    "Sweep",
    "Training",
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
    "plot_boundary",
    "save",
    "schedules",
    "sweep",
    "vector",
]

# Loaded on first use: networks of Values need neither these nor NumPy.
LAZY = {
    "archive": ["CheckpointError"],
    "augment": ["augment"],
    "boundary": ["plot_boundary"],
    "checkpoint": ["Checkpoint", "load", "save"],
    "data": ["data"],
    "diagnosis": ["Diagnosis", "diagnose"],
    "exercises": ["exercises"],
    "interop": ["interop"],
    "live": ["live"],
    "optim": ["optim"],
    "sweep_result": ["Sweep"],
    "sweeps": ["sweep"],
    "train": ["fit"],
    "records": ["Record"],
    "sklearn": ["sklearn"],
    "training": ["Training"],
    "vector": ["vector"],
}
__getattr__ = lazy.attributes(globals(), LAZY, NETWORKS)


def __dir__() -> list[str]:
    return [*__all__, "exercises"]
