"""Checkpoints: all that training needs to go on as if it had never stopped, in one file.

    save("run.ckpt", model, optimizer=optimizer, rng=rng, epoch=3)
    load("run.ckpt", model, optimizer=optimizer, rng=rng).epoch

`fit(..., checkpoint="run.ckpt")` does both by itself. The file is written whole or not at all, and
opening it runs no code (see `nn.archive`). A schedule is a function of the step, and the step is
the optimizer's: of a schedule the file holds its rates at some steps, so that another is noticed.
"""

import copy
from collections.abc import Mapping
from operator import index
from typing import Any, NamedTuple

import numpy as np

from nn import archive, schedules
from nn.archive import CheckpointError
from nn.arguments import mapping, whole, within
from nn.module import Module
from nn.optim import Optimizer
from nn.schedules import Schedule

PROBES = [0, 1, 2, *(10**k for k in range(1, 7)), *(3 * 10**k for k in range(1, 6))]


class Checkpoint(NamedTuple):
    """What a file holds besides what was put back in place.

    >>> import tempfile, pathlib
    >>> from nn import MLP
    >>> model = MLP(2, [1], rng=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "model.ckpt")
    ...     save(path, model, epoch=3, extra={"best": 0.97})
    ...     found = load(path, model)
    >>> found.epoch, found.extra
    (3, {'best': 0.97})
    """

    epoch: int  # the last that was finished, 0 before the first
    settings: dict[str, Any]
    extra: dict[str, Any]


def save(
    path: Any,
    model: Module,
    *,
    optimizer: Optimizer | None = None,
    schedule: Schedule | None = None,
    rng: np.random.Generator | None = None,
    epoch: int = 0,
    settings: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> None:
    """Write one file with the model's state and whatever else is given.

    The model's random generators (dropout's) are saved with it. `settings` say what the training
    is, and `load` compares them; `extra` is handed back. Both hold numbers, strings, arrays, lists
    and dicts. TypeError for anything else in them; OSError where the file cannot be written: an
    older file of that name is then as it was; for an rng that is a seed, too: give the Generator.

    >>> import tempfile, pathlib
    >>> from nn import MLP
    >>> model, other = MLP(2, [1], rng=0), MLP(2, [1], rng=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(pathlib.Path(folder, "model.ckpt"), model)
    ...     loaded = load(pathlib.Path(folder, "model.ckpt"), other)
    >>> other([1.0, 2.0]).data == model([1.0, 2.0]).data
    True
    """
    if model is None:
        raise TypeError("model is a Module, got None; there is nothing to save without it")
    check_kinds(model, optimizer, rng, schedule)
    epoch = whole("epoch", epoch, least=0)
    for name, given in (("settings", settings), ("extra", extra)):
        if given is not None:
            mapping(name, given, "{'width': 16}")
    archive.write(
        path,
        {
            "built": built(model),
            "model": model.state_dict(),
            "generators": {name: state_of(each) for name, each in model.generators().items()},
            "optimizer": optimizer and optimizer.state_dict(),
            "schedule": schedule and rates(schedule),
            "rng": None if rng is None else state_of(rng),
            "epoch": epoch,
            "settings": dict(settings or {}),
            "extra": dict(extra or {}),
        },
    )


def load(
    path: Any,
    model: Module | None = None,
    *,
    optimizer: Optimizer | None = None,
    schedule: Schedule | None = None,
    rng: np.random.Generator | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Checkpoint:
    """Put back what a file holds of the model and of whatever else is given.

    A model of another `repr` or dtype than the one that was saved is another model.

    Without a model the file is only read. FileNotFoundError where there is none; CheckpointError, a
    ValueError, that names the file and the fault for one that is truncated, damaged or foreign, of
    another model, optimizer, schedule or kind of generator, or of other settings than those given:
    everything is then as it was.

    >>> import tempfile, os
    >>> from nn import MLP
    >>> path, model = os.path.join(tempfile.mkdtemp(), "run.ckpt"), MLP(2, [4, 1])
    >>> save(path, model, epoch=3)
    >>> load(path, MLP(2, [4, 1])).epoch
    3
    """
    check_kinds(model, optimizer, rng, schedule)
    if settings is not None:
        mapping("settings", settings, "those given to save")
    tree = archive.read(path)
    try:
        missing = [part for part in PARTS if part not in tree]
        if missing:
            raise ValueError(f"it lacks {', '.join(missing)}; was it made by nn.save?")
        if settings and not tree["settings"]:
            raise ValueError("it was not written by fit(..., checkpoint=...), which saves settings")
        differing = differences(tree["settings"], settings or {})
        if differing:
            raise ValueError(
                f"it was saved by training with {'; '.join(differing)}. "
                "Train as then, or remove the file to begin anew"
            )
        put_back(tree, model, optimizer, schedule, rng)
        return Checkpoint(tree["epoch"], tree["settings"], tree["extra"])
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as problem:
        raise CheckpointError(f"{path}: {archive.quoted(str(problem))}") from None


PARTS = (
    "built",
    "model",
    "generators",
    "optimizer",
    "schedule",
    "rng",
    "epoch",
    "settings",
    "extra",
)


def put_back(
    tree: dict[str, Any],
    model: Module | None,
    optimizer: Optimizer | None,
    schedule: Schedule | None,
    rng: np.random.Generator | None,
) -> None:
    """All of it or, after an error, nothing."""
    given = [(model, "model"), (optimizer, "optimizer")]
    for what, name in [*given, (schedule, "schedule"), (rng, "rng")]:
        if what is not None and tree[name] is None:
            raise ValueError(f"it was saved without the {name}; load it without, too")
    if schedule is not None and rates(schedule) != tree["schedule"]:
        raise ValueError("it was saved with another schedule; pass the one it was saved with")
    if model is not None and built(model) != tree["built"]:
        then, now = (
            " of ".join([each["model"], *each["dtypes"]]) for each in (tree["built"], built(model))
        )
        raise ValueError(f"it was saved from {then}, not {now}; build the model as it was saved")
    generators = {} if model is None else model.generators()
    if model is not None and set(generators) != set(tree["generators"]):
        raise ValueError(
            f"the model has random generators {sorted(generators)}, the file "
            f"{sorted(tree['generators'])}; build the model as it was saved"
        )
    changes: list[tuple[Any, Any]] = [
        (each, tree["generators"][n]) for n, each in generators.items()
    ]
    changes += [(rng, tree["rng"])] if rng is not None else []
    changes += [(each, tree[name]) for each, name in given if each is not None]
    before = [(each, state_of(each)) for each, _ in changes]
    try:
        for each, state in changes:
            set_state(each, state)
    except BaseException:
        for each, state in before:
            set_state(each, state)
        raise


def built(model: Module) -> dict[str, Any]:
    """What a model is known by, besides its weights."""
    state = model.named_state().values()
    dtypes = sorted({str(np.asarray(each.data).dtype) for each in state})
    return {"model": repr(model), "dtypes": dtypes}


def check_kinds(model: Any, optimizer: Any, rng: Any, schedule: Any) -> None:
    """TypeError for an argument that is not what it should be: that is no fault of the file."""
    kinds = {
        "model": (model, Module), "optimizer": (optimizer, Optimizer),
        "rng": (rng, np.random.Generator),
    }  # fmt: skip
    for name, (given, kind) in kinds.items():
        if given is not None and not isinstance(given, kind):
            article = "an" if kind is Optimizer else "a"
            raise TypeError(f"{name} is {article} {kind.__name__}, got {given!r}")
    if schedule is not None:
        schedules.check_schedule(schedule)


def state_of(each: Any) -> Any:
    """The state of a generator, model or optimizer: a copy."""
    if isinstance(each, np.random.Generator):
        return copy.deepcopy(each.bit_generator.state)
    return each.state_dict()


def set_state(each: Any, state: Any) -> None:
    if not isinstance(each, np.random.Generator):
        each.load_state_dict(state)
        return
    mine = type(each.bit_generator).__name__
    if state["bit_generator"] != mine:
        raise ValueError(
            f"the random state is of a {state['bit_generator']}, the generator a {mine}; "
            "build it as it was saved"
        )
    check_places(state)
    each.bit_generator.state = state


def check_places(state: Any) -> None:
    """ValueError for a generator that stands outside its buffer: NumPy would read on from there."""
    for holder, name, last in [(state["state"], "pos", 624), (state, "buffer_pos", 4)]:
        if name in holder and not 0 <= index(holder[name]) <= last:
            raise ValueError(f"the random state's {name} is {holder[name]!r}, not 0 to {last}")


def rates(schedule: Schedule) -> list[float]:
    """A schedule's learning rates at some steps, by which it is known again."""
    return [within(f"schedule({step})", schedule(step)) for step in PROBES]


def differences(saved: Mapping[str, Any], mine: Mapping[str, Any]) -> list[str]:
    """Where two settings differ, in words."""
    return [
        f"{name}={saved.get(name)!r}, not {mine[name]!r}"
        for name in mine
        if archive.pack(saved.get(name)) != archive.pack(mine[name])
    ]
