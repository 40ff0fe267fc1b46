"""Everything that a page needs to train a model, as data and as code."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from engine.support.arguments import check_within
from engine.value import Value
from nn.batches import Samples
from nn.init import Rng, generator
from nn.live.kernels import Kernels
from nn.live.lanes import Program, record_lanes
from nn.live.loss_programs import LossPrograms, record_loss
from nn.live.network import find_columns, pack_network
from nn.live.task import describe_loss, find_task
from nn.live.update import print_update
from nn.module import Module
from nn.objective import Loss, Penalty
from nn.optimizer import Optimizer
from nn.schedules import Schedule

MOST_ORDERS = 20_000  # places of samples in all epochs whose order is in the page
MOST_EPOCHS = 200
MOST_RATES = 10_000  # steps whose scheduled rates are in the page
CHECKED = 8  # samples whose losses are compared with that of their batch


class RecordedTraining(NamedTuple):
    """A recorded training.

    Attributes:
        code: The kernels and the update rule, as JavaScript.
        data: The programs, the samples and the settings, for a page.
        output: The model's first output for the first sample.
        losses: The programs of the loss.
    """

    code: str
    data: dict[str, Any]
    output: Value
    losses: LossPrograms


def convert_model(model: Any, X: np.ndarray) -> Module:
    """Return the counterpart of Values of a model of Arrays.

    Raises TypeError if it computes something else for the first sample, as that of a subclass of
    `nn.vector.MLP` with another `__call__` does.
    """
    scalars: Module = model.to_scalar()
    x = X[:1].reshape(1, -1)
    a, b = (np.ravel(m.predict(x)) for m in (scalars, model))
    if not np.allclose(a, b, 1e-3, 1e-3, equal_nan=True):
        raise TypeError(
            f"the outputs of {model!r} and of its to_scalar() differ, {b} and {a}; pass a model of "
            "Values that computes the same"
        )
    return scalars


def record_training(
    model: Module, loss: Loss, optimizer: Optimizer, samples: Samples, batch_size: int | None,
    rng: Rng, clip: float | None = None, penalty: Penalty | None = None,
    schedule: Schedule | None = None,
) -> RecordedTraining:  # fmt: skip
    """Record a model of Values, its loss and its optimizer for samples X and y."""
    X, y = samples
    kernels = Kernels()
    parameters: list[Any] = model.parameters()
    leaves = [Value(float(x), f"x{j}") for j, x in enumerate(X[0].ravel())]
    outputs: list[Any] = []

    def predict(xs: list[Value]) -> Any:
        outputs.append(model(xs if X.ndim > 1 else xs[0]))  # type: ignore[operator]
        return outputs[0]

    recording = record_lanes(predict, leaves, parameters, kernels, fixed=leaves)
    if recording.guards:
        raise ValueError(
            f"train_page records {model!r} once, but its control flow depends on the data of "
            f"Values ({recording.guards[0].code}); write where() in place of if"
        )
    first = outputs[0]
    predictions = [model(x) for x in X[:CHECKED].tolist()]  # type: ignore[operator]
    predictions = [[*p] if isinstance(p, tuple) else p for p in predictions]
    of_loss = record_loss(loss, predictions, samples, kernels)
    index = {p: i for i, p in enumerate(parameters)}
    moved = [index[p] for p in optimizer.parameters if p in index]
    memory = {
        p: [float(kept[name]) for name in optimizer.remembers]
        for p, kept in zip(optimizer.parameters, optimizer.memory, strict=True)
    }
    count = len(first) if isinstance(first, list | tuple) else 1
    task = find_task(loss, count, y)
    columns, root = find_columns(model), first[0] if isinstance(first, list | tuple) else first
    data = {
        "inputs": [f"x{j}" for j in range(len(leaves))],
        "X": X.reshape(len(X), -1).astype(float).tolist(),
        "y": y.reshape(len(y), -1).astype(float).tolist(),
        "model": pack_program(recording.program),
        "losses": [*map(pack_program, of_loss.programs)],
        "lossOf": of_loss.program_of if len(of_loss.programs) > 1 else [],
        "reduction": of_loss.reduction,
        "sizes": of_loss.sizes,
        "clip": clip,
        "penalty": record_penalty(penalty, parameters, kernels),
        "weights": [p.data for p in parameters],
        "names": [*model.named_parameters()],
        "moved": moved,
        "memory": [
            [memory[p][k] if p in memory else 0.0 for p in parameters]
            for k in range(len(optimizer.remembers))
        ],
        "steps": optimizer.steps,
        "lr": optimizer.lr,
        "rates": [] if schedule is None else list_rates(schedule, optimizer.steps),
        "batch": batch_size,
        "orders": draw_orders(len(X), rng),
        "groups": group_parameters(parameters, columns, index),
        "task": task._asdict(),
        "network": pack_network(columns, recording.order, recording.row_of, recording.number_of),
        "loss": describe_loss(loss),
    }
    return RecordedTraining(f"{kernels}\n{print_update(optimizer)}\n", data, root, of_loss)


def record_penalty(
    penalty: Penalty | None, parameters: list[Any], kernels: Kernels
) -> dict[str, Any] | None:
    """Record a function of no arguments, which computes a node from parameters."""
    if penalty is None:
        return None
    compute: Callable[[], Any] = penalty
    recording = record_lanes(lambda _: compute(), [], parameters, kernels)
    if recording.guards:
        raise ValueError(
            "train_page records the penalty once, but its control flow depends on the data of "
            f"Values ({recording.guards[0].code}); write where() in place of if"
        )
    return pack_program(recording.program)


def pack_program(program: Program) -> dict[str, Any]:
    """Return a program as data."""
    return program._asdict() | {"steps": [[step.kernel, step.table] for step in program.steps]}


def draw_orders(samples: int, rng: Rng) -> list[list[int]]:
    """Return the orders of samples in the first epochs, as `fit` draws them."""
    source = generator(rng)
    epochs = max(1, min(MOST_EPOCHS, MOST_ORDERS // samples))
    return [source.permutation(samples).tolist() for _ in range(epochs)]


def list_rates(schedule: Schedule, start: int) -> list[float]:
    """Return the learning rates of a schedule from a step on, up to the last one that differs.

    >>> from nn import schedules
    >>> list_rates(schedules.linear(1.0, steps=4), 1)
    [0.75, 0.5, 0.25, 0.0]
    """
    rates = [check_within("the rate", schedule(start + k)) for k in range(MOST_RATES)]
    while rates[-2:-1] == rates[-1:]:
        rates.pop()
    return rates


def group_parameters(
    parameters: list[Any], columns: list[Any], index: dict[Any, int]
) -> list[list[int]]:
    """Return the parameters that new weights draw alike: the weights and the biases of a layer."""
    groups = []
    for column in columns:
        groups.append([index[w] for row in column.weights for w in row if w in index])
        groups.append([index[b] for b in column.biases if b in index])
    known = {i for group in groups for i in group}
    groups.append([i for i in range(len(parameters)) if i not in known])
    return [group for group in groups if group]
