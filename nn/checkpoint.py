"""Checkpoints: the state of a training run in one file, from which it resumes bit for bit.

    save("run.ckpt", model, optimizer=optimizer, rng=rng, epoch=3)
    load("run.ckpt", model, optimizer=optimizer, rng=rng).epoch

`fit(..., checkpoint="run.ckpt")` calls both. A file is written completely or not at all, and
reading it runs no code (see `nn.archive`).
"""

import copy
import functools
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from operator import index
from typing import Any, NamedTuple, NoReturn, cast

import numpy as np

from nn import archive, schedules
from nn.archive import CheckpointError, Tree
from nn.arguments import check_mapping, check_path, check_whole, check_within
from nn.keywords import answer_keywords
from nn.module import FILL, Module, find_conversion
from nn.optim import Optimizer
from nn.other_names import ATTRIBUTES
from nn.schedules import Schedule

# A schedule is a function and cannot be saved. Its rates at these steps identify it.
PROBES = [0, 1, 2, *(10**k for k in range(1, 7)), *(3 * 10**k for k in range(1, 6))]
PARTS = (
    "built", "model", "generators", "optimizer", "schedule", "rng", "epoch", "settings", "extra",
)  # fmt: skip
COUNTERPARTS = {"MLP": "MLP", "Layer": "Dense", "Dense": "Layer"}  # of Values and Arrays
Stateful = Module | Optimizer | schedules.Plateau | np.random.Generator


class Checkpoint(NamedTuple):
    """The parts of a checkpoint that `load` returns instead of restoring them.

    >>> import tempfile, pathlib
    >>> from nn import MLP
    >>> model = MLP(2, [1], rng=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "model.ckpt")
    ...     save(path, model, epoch=3, extra={"best": 0.97})
    ...     checkpoint = load(path, model)
    >>> checkpoint.epoch, checkpoint.extra
    (3, {'best': 0.97})
    """

    epoch: int  # the last finished epoch, 0 before the first
    settings: dict[str, Any]
    extra: dict[str, Any]

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        """Raise TypeError for a checkpoint that is used as the model."""
        raise TypeError(f"a Checkpoint is not a model; {FILL}")

    def __getattr__(self, name: str) -> NoReturn:
        """Raise AttributeError, with the remedy for an attribute of models."""
        text = f"'Checkpoint' object has no attribute {name!r}"
        remedy = f"; {FILL}" if hasattr(Module, name) or name in ATTRIBUTES else ""
        raise AttributeError(text + remedy, name=name, obj=self)


@answer_keywords
def save(
    path: str | os.PathLike[str],
    model: Module,
    *,
    optimizer: Optimizer | None = None,
    schedule: Schedule | None = None,
    rng: np.random.Generator | None = None,
    epoch: int = 0,
    settings: Mapping[str, Tree] | None = None,
    extra: Mapping[str, Tree] | None = None,
) -> None:
    """Save the state of a model, and of everything else that is given, in one file.

    The random generators of the model, such as those of dropout, are saved too.

    settings  describe the training; `load` compares them with its own
    extra     is returned by `load`

    Both consist of numbers, strings, arrays, lists and dicts.

    Raises TypeError for anything else in them and for an argument of another type, such as a seed
    in place of a Generator. Raises OSError if the file cannot be written; an older file of that
    name is then unchanged.

    >>> import tempfile, pathlib
    >>> from nn import MLP
    >>> model, other = MLP(2, [1], rng=0), MLP(2, [1], rng=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(pathlib.Path(folder, "model.ckpt"), model)
    ...     checkpoint = load(pathlib.Path(folder, "model.ckpt"), other)
    >>> other([1.0, 2.0]).data == model([1.0, 2.0]).data
    True
    """
    _check_order("save", path)
    if model is None:
        raise TypeError("model must be a Module, got None; save the model with its training")
    _check_types(model, optimizer, rng, schedule)
    epoch = check_whole("epoch", epoch, least=0)
    for name, argument in (("settings", settings), ("extra", extra)):
        if argument is not None:
            check_mapping(name, argument, "{'width': 16}")
    state, generators = model.state_dict(), model.generators()
    plateau = schedules.find_plateau(schedule)
    archive.write(
        path,
        {
            "built": describe_model(model, state),
            "model": state,
            "generators": {name: get_state(x) for name, x in generators.items()},
            "optimizer": None if optimizer is None else optimizer.state_dict(),
            "schedule": schedule and _probe(schedule),
            "plateau": None if plateau is None else plateau.state_dict(),
            "rng": None if rng is None else get_state(rng),
            "epoch": epoch,
            "settings": dict(settings or {}),
            "extra": dict(extra or {}),
        },
    )


@answer_keywords
def load(
    path: str | os.PathLike[str],
    model: Module | None = None,
    *,
    optimizer: Optimizer | None = None,
    schedule: Schedule | None = None,
    rng: np.random.Generator | None = None,
    settings: Mapping[str, Tree] | None = None,
) -> Checkpoint:
    """Restore the state of a model, and of everything else that is given, from a file of `save`.

    `load` fills the model that is passed, and does not return a model: build one with the `repr`
    and the dtypes of the saved one first. Without a model, the file is only read. Returns the
    epoch, the settings and the extra parts as a `Checkpoint`.

    Raises FileNotFoundError if there is no file. Raises CheckpointError, a ValueError, if the file
    is truncated, damaged or not a checkpoint, or if it belongs to another model, optimizer,
    schedule, kind of random generator or to other settings. Nothing is changed then.

    >>> import tempfile, os
    >>> from nn import MLP
    >>> path, model = os.path.join(tempfile.mkdtemp(), "run.ckpt"), MLP(2, [4, 1])
    >>> save(path, model, epoch=3)
    >>> load(path, MLP(2, [4, 1])).epoch
    3
    """
    _check_order("load", path)
    _check_types(model, optimizer, rng, schedule)
    if settings is not None:
        check_mapping("settings", settings, "the settings given to save")
    tree = cast("dict[str, Any]", archive.read(path))
    try:
        missing = [part for part in PARTS if part not in tree]
        if missing:
            raise ValueError(f"it lacks {', '.join(missing)}; load a file written by nn.save")
        _check_settings(tree["settings"], settings or {})
        _check_fits(tree, model, optimizer, schedule, rng)
        _restore(_pair_with_states(tree, model, optimizer, schedule, rng))
        return Checkpoint(tree["epoch"], tree["settings"], tree["extra"])
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as problem:
        raise CheckpointError(f"{path}: {archive.escape(str(problem))}") from None


class TrainingCheckpoint:
    """The checkpoint of a training run: restored before its first epoch, saved after each.

    The constructor sets `rng` to the state that it had when the run began, so that the same samples
    are held out for validation. It raises CheckpointError for a file of another run.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        model: Module,
        optimizer: Optimizer,
        schedule: Schedule | None,
        rng: np.random.Generator,
        settings: dict[str, Tree],
    ):
        check_path("checkpoint", path)
        if not os.fspath(path) or os.path.isdir(path):
            raise ValueError(f"checkpoint must be the name of a file, got {path!r}")
        folder = os.path.dirname(os.path.abspath(path))
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"no folder {folder} to save {path} in; create it first")
        self.path, self.model = path, model
        self.parts: dict[str, Any] = {"optimizer": optimizer, "schedule": schedule, "rng": rng}
        self.settings = {**describe_model(model), **settings}
        self.saved = load(path, settings=self.settings) if os.path.exists(path) else None
        if self.saved is not None:
            set_state(rng, self.saved.extra["first rng"])
        self.first_rng = get_state(rng)
        self.records = [] if self.saved is None else self.saved.extra["records"]

    def restore(self) -> Checkpoint | None:
        """Restore the training and return the rest of the file; None if there is no file."""
        if self.saved is not None:
            load(self.path, self.model, **self.parts)
        return self.saved

    def save(self, epoch: int, record: tuple[Tree, ...], best: Sequence[Tree]) -> None:
        """Save the training after an epoch, with its record and the state of its best epoch."""
        records = [*self.records, list(record)]
        extra: dict[str, Tree] = {"first rng": self.first_rng, "best": best, "records": records}
        save(self.path, self.model, **self.parts, epoch=epoch, settings=self.settings, extra=extra)
        self.records = records

    def restore_model(self) -> str:
        """Restore the model from the file, if there is one. Return a message about resuming."""
        if not os.path.exists(self.path):
            return "no epoch was finished, so none was saved"
        epoch = load(self.path, self.model).epoch
        return f"the same call to fit resumes after epoch {epoch}, from {self.path}"


def fingerprint(x: Any) -> Any:
    """Return the shape and a checksum of an array, by which data is compared; a number unchanged.

    >>> fingerprint(np.zeros((3, 2))), fingerprint(0.2)
    ('(3, 2) f288b395', 0.2)
    """
    if x is None or np.isscalar(x):
        return x
    if isinstance(x, tuple | list):
        return [fingerprint(part) for part in x]
    array: Any = np.ascontiguousarray(x)
    return f"{array.shape} {zlib.crc32(array):08x}"


def describe_function(f: Callable[..., Any] | None) -> str | None:
    """Return text that identifies a function: its name and the arguments bound by `partial`.

    A lambda is identified by its constants, the names in it and the values that it refers to.

    >>> describe_function(functools.partial(max, 1)), describe_function(None)
    ('max(1, {})', None)
    """
    if isinstance(f, functools.partial):
        return f"{describe_function(f.func)}{(*f.args, f.keywords)}"
    if getattr(f, "__name__", "") == "<lambda>":
        bound = [cell.cell_contents for cell in f.__closure__ or ()]  # type: ignore[union-attr]
        code, defaults = f.__code__, f.__defaults__ or ()  # type: ignore[union-attr]
        parts = [*code.co_consts, *code.co_names, *defaults, *bound]
        simple = [part for part in parts if isinstance(part, str | int | float | tuple | None)]
        return f"<lambda> {zlib.crc32(repr(simple).encode()):08x}"
    return None if f is None else getattr(f, "__name__", type(f).__name__)


def describe_model(
    model: Module, state: "dict[str, float | np.ndarray] | None" = None
) -> dict[str, Any]:
    """Return the `repr` and the dtypes of a model, by which models are compared."""
    state = model.state_dict() if state is None else state
    dtypes = sorted({str(np.asarray(data).dtype) for data in state.values()})
    return {"model": repr(model), "dtypes": dtypes}


def get_state(owner: Stateful) -> dict[str, Any]:
    """Return a copy of the state of a generator, model or optimizer."""
    if isinstance(owner, np.random.Generator):
        return copy.deepcopy(dict(owner.bit_generator.state))
    return owner.state_dict()


def set_state(owner: Stateful, state: dict[str, Any]) -> None:
    """Restore the state of a generator, model or optimizer. Raises an error if it does not fit."""
    if not isinstance(owner, np.random.Generator):
        owner.load_state_dict(state)
        return
    kind = type(owner.bit_generator).__name__
    if state["bit_generator"] != kind:
        raise ValueError(
            f"the random state is of a {state['bit_generator']}, the generator a {kind}; "
            "create the generator as it was saved"
        )
    # NumPy does not check positions and would read outside its buffer.
    for holder, name, last in [(state["state"], "pos", 624), (state, "buffer_pos", 4)]:
        if name in holder and not 0 <= index(holder[name]) <= last:
            raise ValueError(
                f"the random state's {name} must be from 0 to {last}, got {holder[name]!r}"
            )
    owner.bit_generator.state = state


def _check_order(name: str, path: object) -> None:
    """Raise TypeError for a model in the place of the path."""
    if isinstance(path, Module):
        raise TypeError(
            f"{name} expects the path first, got {path!r}; write {name}('model.ckpt', model)"
        )


def _check_types(model: object, optimizer: object, rng: object, schedule: Schedule | None) -> None:
    """Raise TypeError for arguments of another type. This is not an error in the file."""
    expected = {
        "model": (model, Module), "optimizer": (optimizer, Optimizer),
        "rng": (rng, np.random.Generator),
    }  # fmt: skip
    for name, (argument, kind) in expected.items():
        if argument is not None and not isinstance(argument, kind):
            article = "an" if kind is Optimizer else "a"
            raise TypeError(f"{name} must be {article} {kind.__name__}, got {argument!r}")
    if schedule is not None:
        schedules.check_schedule(schedule)


def _check_settings(saved: Mapping[str, Tree], settings: Mapping[str, Tree]) -> None:
    """Raise ValueError if the settings differ from those in a file."""
    if settings and not saved:
        raise ValueError("it was not written by fit(..., checkpoint=...), which saves settings")
    differences = [
        f"{name}={saved.get(name)!r}, not {value!r}"
        for name, value in settings.items()
        if archive.pack(saved.get(name)) != archive.pack(value)
    ]
    if differences:
        raise ValueError(
            f"it was saved by training with {'; '.join(differences)}; "
            "use the saved settings, or delete the file to train from the start"
        )


def _check_fits(
    tree: dict[str, Any],
    model: Module | None,
    optimizer: Optimizer | None,
    schedule: Schedule | None,
    rng: np.random.Generator | None,
) -> None:
    """Raise ValueError if a file lacks a part, or has that of another model or schedule."""
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule, "rng": rng}
    for name, part in parts.items():
        if part is not None and tree[name] is None:
            raise ValueError(f"it was saved without the {name}; load it without the {name}, too")
    if schedule is not None and _probe(schedule) != tree["schedule"]:
        raise ValueError("it was saved with another schedule; pass the one it was saved with")
    if model is None:
        return
    built, saved_model = describe_model(model), tree["built"]["model"]
    remedy = find_conversion(model, tree["model"])
    if remedy and saved_model.partition("(")[0] == COUNTERPARTS.get(type(model).__name__):
        raise ValueError(f"it was saved from {saved_model}, {remedy}")
    if built != tree["built"]:
        saved, now = (" of ".join([x["model"], *x["dtypes"]]) for x in (tree["built"], built))
        raise ValueError(f"it was saved from {saved}, not {now}; build the model as it was saved")
    names = sorted(model.generators())
    if names != sorted(tree["generators"]):
        raise ValueError(
            f"the model has random generators {names}, the file "
            f"{sorted(tree['generators'])}; build the model as it was saved"
        )


def _pair_with_states(
    tree: dict[str, Any],
    model: Module | None,
    optimizer: Optimizer | None,
    schedule: Schedule | None,
    rng: np.random.Generator | None,
) -> list[tuple[Stateful, Any]]:
    """Return each object that is to be restored, with its state in the file."""
    pairs: list[tuple[Stateful, Any]] = []
    if model is not None:
        generators = model.generators()
        pairs += [(generator, tree["generators"][name]) for name, generator in generators.items()]
    parts: list[tuple[Stateful | None, str]]
    plateau = schedules.find_plateau(schedule)
    parts = [(rng, "rng"), (model, "model"), (optimizer, "optimizer"), (plateau, "plateau")]
    return pairs + [(part, tree[name]) for part, name in parts if part is not None]


def _restore(pairs: list[tuple[Stateful, Any]]) -> None:
    """Set the states of all objects; after an error, of none."""
    before = [(owner, get_state(owner)) for owner, _ in pairs]
    try:
        for owner, state in pairs:
            set_state(owner, state)
    except BaseException:
        for owner, state in before:
            set_state(owner, state)
        raise


def _probe(schedule: Schedule) -> list[float]:
    """Return the learning rates of a schedule at some steps, and the settings of a Plateau."""
    plateau = schedules.find_plateau(schedule)
    if plateau is None:
        return [check_within(f"schedule({step})", schedule(step)) for step in PROBES]
    state = plateau.state_dict()
    plateau.reset()
    rates = [schedule(step) for step in PROBES]
    plateau.load_state_dict(state)
    settings = [plateau.by, plateau.patience, plateau.threshold, plateau.least]
    return [*rates, *settings]
