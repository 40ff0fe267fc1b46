"""Training that goes on where it was stopped: what `fit` keeps in a checkpoint, and puts back."""

import functools
import os
import zlib
from typing import Any

import numpy as np

from nn.arguments import file
from nn.checkpoint import load, save, set_state, state_of
from nn.optim import Optimizer
from nn.schedules import Schedule


class Run:
    """A training run in a checkpoint: what of it is saved, and how it goes on."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        model: Any,
        optimizer: Optimizer,
        schedule: Schedule | None,
        rng: np.random.Generator,
        settings: dict[str, Any],
    ):
        self.path, self.model, self.settings = path, model, settings
        self.parts: dict[str, Any] = {"optimizer": optimizer, "schedule": schedule, "rng": rng}
        file("checkpoint", path)
        if not os.fspath(path) or os.path.isdir(path):
            raise ValueError(f"checkpoint is the name of a file, got {path!r}")
        folder = os.path.dirname(os.path.abspath(path))
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"no folder {folder} to save {path} in; make it first")
        self.found = load(path, settings=settings) if os.path.exists(path) else None
        if self.found is not None:  # what is held out is drawn from rng: the same again
            set_state(rng, self.found.extra["first rng"])
        self.first_rng = state_of(rng)
        self.records = [] if self.found is None else self.found.extra["records"]

    def resume(self, best: Any) -> int:
        """Put everything back; the epochs that are done."""
        if self.found is None:
            return 0
        load(self.path, self.model, **self.parts)
        best.loss, best.since, best.weights = self.found.extra["best"]
        return self.found.epoch

    def save(self, epoch: int, record: Any, best: Any) -> None:
        records = [*self.records, list(record)]
        extra = {
            "first rng": self.first_rng,
            "best": [best.loss, best.since, best.weights],
            "records": records,
        }
        save(self.path, self.model, **self.parts, epoch=epoch, settings=self.settings, extra=extra)
        self.records = records

    def left_off(self) -> str:
        """Leave the model as it was saved last; say where training goes on."""
        if not os.path.exists(self.path):
            return "no epoch was finished, so none was saved"
        epoch = load(self.path, self.model).epoch
        return f"the same call goes on after epoch {epoch}, from {self.path}"


def fingerprint(x: Any) -> Any:
    """What tells data from other data: shape and checksum of an array, a number as it is.

    >>> fingerprint(np.zeros((3, 2))), fingerprint(0.2)
    ('(3, 2) f288b395', 0.2)
    """
    if x is None or np.isscalar(x):
        return x
    if isinstance(x, tuple | list):
        return [fingerprint(each) for each in x]
    array: Any = np.ascontiguousarray(x)
    return f"{array.shape} {zlib.crc32(array):08x}"


def name_of(f: Any) -> Any:
    """What a setting that is a function is known by: its name, and what `partial` fills in.

    All lambdas have one name: the numbers and names in them tell them apart.
    """
    if isinstance(f, functools.partial):
        return f"{name_of(f.func)}{(*f.args, f.keywords)}"
    if getattr(f, "__name__", "") == "<lambda>":
        held = [cell.cell_contents for cell in f.__closure__ or ()]
        parts = [*f.__code__.co_consts, *f.__code__.co_names, *(f.__defaults__ or ()), *held]
        plain = [each for each in parts if isinstance(each, str | int | float | tuple | None)]
        return f"<lambda> {zlib.crc32(repr(plain).encode()):08x}"
    return None if f is None else getattr(f, "__name__", type(f).__name__)
