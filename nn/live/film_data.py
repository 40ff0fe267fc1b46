"""The data of a film's page: its epochs, weights in 8 bits, passes of samples, and predictions."""

import base64
import copy
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nn import optim
from nn.live.data import RecordedTraining, convert_model, record_training
from nn.live.graphs import draw_graphs
from nn.live.loss_programs import LossPrograms
from nn.live.overlay import Overlay, embed_stepper, write_overlay
from nn.live.passes import TracedPass, compute_loss, pack_passes, trace_pass
from nn.live.task import Task, describe_loss, find_task
from nn.module import Module
from nn.objective import Loss
from nn.records import Record
from nn.training import Training

MOST_RECORDED = 250_000  # parameters of all epochs, of a model that the page computes
MOST_PREDICTED = 2000  # samples of the confusion matrix
FIGURES = ("loss", "metric", "validation_loss", "validation_metric", "lr")


class FilmFrame(NamedTuple):
    """A model after one epoch.

    Attributes:
        epoch: The epoch; 0 before the training.
        record: The record of the epoch, or None.
        state: The data of all parameters and constants by path.
        gradients: The norm of the gradient of each layer in the last step.
    """

    epoch: int
    record: Record | None
    state: Mapping[str, Any]
    gradients: Mapping[str, float]


class FilmData(NamedTuple):
    """The parts of a film's page.

    Attributes:
        data: The epochs.
        overlay: The stepper that opens over the page.
        code: The kernels, if the page computes the predictions.
        weights: The weights in 8 bits as compressed bytes in base64.
    """

    data: dict[str, Any]
    overlay: Overlay
    code: str
    weights: str


class FilmRecorder:
    """The data of a film. Passes and predictions are kept, so each epoch is computed once.

    They are computed with a copy of the model, so that the training is not disturbed.
    """

    def __init__(self, training: Training, samples: Sequence[int], theme: str):
        objective = training.objective
        self.model = copy.deepcopy(training.model)
        self.model.eval()
        self.batches = objective.takes_batches
        self.loss: Loss = objective.loss
        self.metric = objective.metric
        self.samples, self.validation = training.samples, training.validation
        self.chosen, self.theme = samples, theme
        self.rows: dict[str, int] = {}
        self.passes: dict[int, list[TracedPass]] = {}  # of each epoch
        self.known: dict[Any, TracedPass] = {}
        self.counts: dict[int, Any] = {}
        self.graphs: tuple[Overlay, list[str]] | None = None

    def pack(self, frames: Sequence[FilmFrame]) -> FilmData:
        """Return the data of a page with these epochs.

        The page computes the passes of a recorded model of Values. Others are traced here.
        """
        task, recorded = self.find_task(), self.record(frames)
        data: dict[str, Any] = {
            "epochs": [frame.epoch for frame in frames],
            "records": [pack_record(frame.record) for frame in frames],
            "loss": describe_loss(self.loss),
            "metric": describe_metric(self.metric),
            "norms": pack_norms(frames, [*self.model.named_parameters()]),
            "samples": [self.describe_sample(i, task) for i in self.chosen],
            "task": task._asdict() | {"classes": []},
            "shape": find_shape(self.samples[0].shape[1:]),
        }
        code = weights = ""
        if recorded is not None:
            code, data["training"] = recorded.code, self.pack_recorded(recorded, frames)
        else:
            data |= self.pack_predictions(frames, task)
            if names := [x for x, p in self.model.named_parameters().items() if np.ndim(p.data)]:
                data["weights"], weights = pack_weights(frames, names)
        if recorded is None or self.batches:
            overlay, data["passes"] = self.pack_passes(frames)
        else:
            overlay, data["training"]["graphs"] = self.draw_graphs(recorded.losses)
        return FilmData(data, overlay, code, weights)

    def pack_passes(self, frames: Sequence[FilmFrame]) -> tuple[Overlay, list[dict[str, Any]]]:
        """Return the stepper of the chosen samples, and their passes at all epochs."""
        for frame in frames:
            if frame.epoch not in self.passes:
                self.model.load_state_dict(frame.state)
                self.passes[frame.epoch] = [*map(self.trace, self.chosen)]
        by_sample = zip(*[self.passes[frame.epoch] for frame in frames], strict=True)
        page, drawings, samples = pack_passes([*by_sample], self.known)
        return embed_stepper(page, self.rows, drawings), samples

    def draw_graphs(self, programs: LossPrograms) -> tuple[Overlay, list[str]]:
        """Return the stepper of a page that computes its passes, and the names of its views."""
        if self.graphs is None:
            views = draw_graphs(self.model, self.samples, programs, self.theme)
            self.graphs = write_overlay(views, self.theme), [*views]
        return self.graphs

    def trace(self, i: int) -> TracedPass:
        """Return the pass of the i-th sample with the current weights of the copy."""
        X, y = self.samples
        for p in self.model.parameters():
            p.zero_grad()
        root, outputs = compute_loss(self.model, self.loss, X[i], y[i], self.batches)
        return trace_pass(root, outputs, self.model, self.theme, self.rows, self.known)

    def find_task(self) -> Task:
        """Return how outputs and targets are read."""
        return find_task(self.loss, self.count_outputs(), self.samples[1])

    def count_outputs(self) -> int:
        """Return the number of outputs for a sample."""
        return np.size(self.model.predict(self.samples[0][:1]))

    def pack_predictions(self, frames: Sequence[FilmFrame], task: Task) -> dict[str, Any]:
        """Return the samples by class and predicted class at each epoch, if there are classes."""
        if not task.labels:
            return {}
        X, y = (x[:MOST_PREDICTED] for x in self.validation or self.samples)
        classes = find_task(self.loss, self.count_outputs(), y).classes
        for frame in frames:
            if frame.epoch not in self.counts:
                self.model.load_state_dict(frame.state)
                self.counts[frame.epoch] = count_predictions(self.model, X, classes, task)
        kind = "training" if self.validation is None else "validation"
        counts = [self.counts[frame.epoch] for frame in frames]
        return {"confusion": {"counts": counts, "of": f"{len(X):,} {kind} samples"}}

    def describe_sample(self, i: int, task: Task) -> dict[str, Any]:
        """Return a sample as data."""
        X, y = self.samples
        own = task.classes[i] if task.labels else -1  # -1 if its label is ignored
        target = task.labels[own] if own >= 0 else y[i].tolist()
        return {"index": i, "target": target, "x": np.ravel(X[i]).astype(float).tolist(),
                "class": own}  # fmt: skip

    def record(self, frames: Sequence[FilmFrame]) -> RecordedTraining | None:
        """Return the model as a program; None if it is too large or cannot be recorded.

        This needs a model of Values, or one with `to_scalar()`. The weights of a model of Arrays
        are shown as images in place of this if its samples are images.
        """
        X, y = self.samples
        count = sum(np.size(x) for x in frames[0].state.values()) * len(frames)
        has_images = self.batches and find_shape(X.shape[1:])
        if self.batches and not hasattr(self.model, "to_scalar"):
            return None
        if has_images or max(count, X.size) > MOST_RECORDED or max(X.ndim, y.ndim) > 2:
            return None
        try:
            scalars = convert_model(self.model, X) if self.batches else self.model
            rule = optim.SGD(scalars.parameters(), lr=0.1)  # the page does not use it
            return record_training(scalars, self.loss, rule, self.samples, None, 0)
        except (ArithmeticError, TypeError, ValueError):  # e.g. its control flow depends on data
            return None

    def to_scalars(self) -> Any:
        """Return the model as one of Values."""
        model: Any = self.model
        return model.to_scalar() if self.batches else model

    def pack_recorded(
        self, recorded: RecordedTraining, frames: Sequence[FilmFrame]
    ) -> dict[str, Any]:
        """Return the data of a recorded model with the weights of all epochs."""
        weights = []
        for frame in frames:
            self.model.load_state_dict(frame.state)
            weights.append(np.array([p.data for p in self.to_scalars().parameters()], "<f8"))
        packed = base64.b64encode(np.concatenate(weights).tobytes()).decode("ascii")
        return recorded.data | {"orders": [], "film": packed, "graphs": []}


def count_predictions(
    model: Module, X: np.ndarray, classes: Sequence[int], task: Task
) -> list[list[int]]:
    """Return the samples by class and predicted class."""
    outputs = np.asarray(model.predict(X))
    several = outputs.ndim == 2
    predicted = outputs.argmax(axis=1) if several else (outputs > task.threshold).astype(int)
    counts = [[0] * len(task.labels) for _ in task.labels]
    for own, other in zip(classes, predicted.tolist(), strict=True):
        if own >= 0:  # the label is not ignored
            counts[own][other] += 1
    return counts


def pack_record(record: Record | None) -> dict[str, float | None] | None:
    """Return the figures of an epoch that the page shows."""
    if record is None:
        return None
    figures = {name: getattr(record, name) for name in FIGURES}
    return {name: x if x is None or np.isfinite(x) else None for name, x in figures.items()}


def describe_metric(metric: Any) -> str:
    """Return the name of a metric as words, or "" if there is none."""
    name = "" if metric is None else describe_loss(metric)
    return "metric" if name == "loss" else name


def find_shape(shape: Sequence[int]) -> list[int] | None:
    """Return the shape of the image that a sample is, or None.

    A sample of two axes is an image; so is a vector whose size is a square number from 25 on.
    """
    if len(shape) == 2:
        return [*shape]
    size = int(np.prod(shape))
    side = round(size**0.5)
    return [side, side] if side >= 5 and side * side == size else None


# ------------------------------------------------------------------------------------- the weights


def find_layer(path: str) -> str:
    """Return the layer that a parameter belongs to, by the beginning of its path.

    >>> find_layer("layers.0.neurons.1.bias"), find_layer("scale")
    ('layers[0]', 'scale')
    """
    match = re.match(r"([^.]+)(?:\.(\d+))?", path)
    assert match is not None
    name, index = match.groups()
    return name if index is None else f"{name}[{index}]"


def compute_norms(arrays: Mapping[str, Any]) -> dict[str, float]:
    """Return the norm of all numbers of each layer, by the paths of its parameters."""
    squares: dict[str, float] = {}
    for path, x in arrays.items():
        layer = find_layer(path)
        squares[layer] = squares.get(layer, 0.0) + float(np.sum(np.square(np.asarray(x, float))))
    return {layer: x**0.5 for layer, x in squares.items()}


def pack_norms(frames: Sequence[FilmFrame], parameters: Sequence[str]) -> dict[str, Any]:
    """Return the norms of the weights and of the gradient of each layer at each epoch."""
    weights = [compute_norms({path: frame.state[path] for path in parameters}) for frame in frames]
    gradients = [frame.gradients for frame in frames]
    finite = lambda x: None if x is None or not np.isfinite(x) else float(f"{x:.6g}")
    return {
        "layers": [*weights[0]],
        "weights": [[finite(norms[layer]) for layer in weights[0]] for norms in weights],
        "gradients": [[finite(norms.get(layer)) for layer in weights[0]] for norms in gradients],
    }


def quantize(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return arrays as integers from -127 to 127, and the scale of each row.

    Args:
        x: The arrays of all epochs, of shape (epochs, rows, columns). A row has one scale for all
            epochs.

    Returns:
        The integers, and the scales of shape (rows,). The product of both differs from x by at most
        half a scale.

    >>> quantize(np.array([[[0.5, -1.0]], [[0.25, 1.27]]]))
    (array([[[  50, -100]],
    <BLANKLINE>
           [[  25,  127]]], dtype=int8), array([0.01], dtype=float32))
    """
    finite = np.nan_to_num(x.astype(float), nan=0.0, posinf=0.0, neginf=0.0)
    largest = np.abs(finite).max(axis=(0, 2), initial=0.0)
    scales = np.nextafter((largest / 127.0).astype("<f4"), np.float32(np.inf))
    scales[largest == 0.0] = 1.0
    return np.rint(finite / scales[:, None].astype(float)).astype(np.int8), scales


def pack_weights(frames: Sequence[FilmFrame], names: Sequence[str]) -> tuple[dict[str, Any], str]:
    """Return the arrays of these names in 8 bits: a description, and their bytes.

    The bytes are those of all arrays at each epoch, less those at the epoch before, modulo 256.
    They are compressed.
    """
    arrays, integers, scales = [], [], []
    for name in names:
        x = np.stack([frame.state[name] for frame in frames])
        x = x.reshape(len(frames), x.shape[1] if x.ndim > 2 else 1, -1)
        numbers, scale = quantize(x)
        arrays.append({"name": name, "rows": x.shape[1], "columns": x.shape[2]})
        integers.append(numbers.reshape(len(frames), -1))
        scales.append(scale)
    changes = np.diff(np.concatenate(integers, axis=1).view(np.uint8), axis=0, prepend=np.uint8(0))
    compressor = zlib.compressobj(6, wbits=-15)
    data = compressor.compress(changes.tobytes()) + compressor.flush()
    packed = base64.b64encode(np.concatenate(scales).tobytes()).decode("ascii")
    return {"arrays": arrays, "scales": packed}, base64.b64encode(data).decode("ascii")
