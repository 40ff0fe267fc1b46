"""`sweep`: train a network for each combination of settings and each seed."""

import inspect
import json
import os
import re
import zlib
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from engine.support.threads import cores
from engine.watch.gradient_warnings import warn
from nn import archive
from nn.arguments import check_mapping, check_path, check_whole, format_count, look_up
from nn.code import code_checksum
from nn.keywords import answer_keywords
from nn.records import Record, Records
from nn.sweep_result import Sweep
from nn.training import Training, progress_bar
from nn.trials import Trial
from nn.workers import Job, Outcome, run_in_processes, run_on_cluster

GIVEN = ("seed", "checkpoint")  # the parameters of build that are not in the grid
LONGEST_SLUG = 80  # characters of the settings in the name of a file


@answer_keywords
def sweep(
    build: Callable[..., Training],
    grid: Mapping[str, Iterable[Any]],
    *,
    folder: str | os.PathLike[str],
    seeds: int | Sequence[int] = 3,
    processes: int | None = None,
    scheduler: Any = None,
    threads: int = 1,
) -> Sweep:
    """Train for each combination of the values in a grid and each seed, in several processes.

    The result prints as a table of losses and metrics, with means and spreads over the seeds;
    Jupyter also shows a plot. A progress bar is shown if tqdm is installed.

    build      a function that makes a model and returns `fit(...)`, not yet run. It is called with
               a value of each name of the grid, and with `seed` and `checkpoint`: pass the seed to
               the model and to `fit` as `rng`, and the checkpoint to `fit`
    grid       the values of each parameter of `build`: numbers, strings, booleans, None, and lists
               of them
    folder     where each training writes its checkpoint after every epoch, and its records at the
               end. The same call again resumes what was interrupted, and reads what is finished.
               Trainings of another `build` have a folder of their own in it: one with other code,
               or with other data in variables that it refers to
    seeds      the number of seeds, which are then 0, 1, 2, ..., or the seeds themselves
    processes  the number of processes, started by joblib; None uses all cores, and 1 trains in
               this process
    scheduler  a Dask cluster that trains in place of these processes: its address, or a
               `distributed.Client`. All its workers must see the folder
    threads    the number of threads of each training, which can change the last bits of numbers

    Each number is the same, bit for bit, as in one process, on machines with the same libraries
    and kind of processor. If a process or worker is killed, another resumes its training from the
    checkpoint. A training that fails, for example because its loss is not finite, does not stop
    the others; a RuntimeWarning names it, and `Sweep.failures` has its traceback.

    Raises ValueError or TypeError for invalid names, values and functions, and ImportError if
    joblib, threadpoolctl (extra `sweep`) or distributed (extra `dask`) is required and not
    installed. Raises RuntimeError if all trainings fail, and BrokenProcessPool if processes are
    killed again and again.

    >>> import tempfile
    >>> from nn import MLP, data, fit
    >>> X, y = data.moons(20, rng=0)
    >>> def build(width, lr, seed, checkpoint):
    ...     model = MLP(2, [width, 1], "tanh", rng=seed)
    ...     return fit(
    ...         model, X, y, loss="binary_cross_entropy", epochs=3, lr=lr, rng=seed,
    ...         checkpoint=checkpoint,
    ...     )
    >>> grid = {"width": [2, 4], "lr": [0.01, 0.1]}
    >>> result = sweep(build, grid, folder=tempfile.mkdtemp(), seeds=2, processes=1)
    >>> [(cell.settings["width"], cell.settings["lr"], len(cell.trials)) for cell in result.cells()]
    [(2, 0.01, 2), (2, 0.1, 2), (4, 0.01, 2), (4, 0.1, 2)]
    """
    cells = combine_values(grid)
    check_build(build, list(cells[0]))
    seeds = check_seeds(seeds)
    threads = check_whole("threads", threads)
    if processes is not None and scheduler is not None:
        raise ValueError(
            f"expected processes or a scheduler, got processes={processes} and a scheduler"
        )
    count = max(1, cores() // threads) if processes is None else check_whole("processes", processes)
    place = make_folder(folder, build)
    keys = [(settings, seed) for settings in cells for seed in seeds]
    paths = [place / file_name({**settings, "seed": seed}) for settings, seed in keys]
    outcomes = {i: done for i, path in enumerate(paths) if (done := read_outcome(path)) is not None}
    left = [i for i in range(len(keys)) if i not in outcomes]
    jobs = [
        Job(build, {**keys[i][0], "seed": keys[i][1], "checkpoint": f"{paths[i]}.ckpt"}, threads)
        for i in left
    ]
    if scheduler is None:
        results = run_in_processes(jobs, min(count, max(1, len(jobs))))
    else:
        results = run_on_cluster(jobs, scheduler)
    finish(results, left, paths, outcomes)
    trials = [
        Trial(*key, Records([Record(*record) for record in outcomes[i].records]), outcomes[i].epoch,
            f"{paths[i]}.ckpt", *outcomes[i][2:])
        for i, key in enumerate(keys)
    ]  # fmt: skip
    return checked(Sweep(trials))


def finish(
    results: Generator[tuple[int, Outcome]],
    left: list[int],
    paths: list[Path],
    outcomes: dict[int, Outcome],
) -> None:
    """Run the remaining jobs and store their outcomes, with a progress bar."""
    total = len(paths)
    with closing(results), progress_bar(total, total - len(left), "sweep", "training") as bar:
        try:
            for k, outcome in results:
                outcomes[left[k]] = outcome
                if outcome.error is None:
                    write_outcome(paths[left[k]], outcome)
                if bar is not None:
                    bar.update()
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"{len(outcomes)} of {format_count(total, 'training')} are finished; the same call "
                f"resumes the others, from {paths[0].parent}"
            ) from None


def checked(result: Sweep) -> Sweep:
    """Warn about trainings that failed, and unused seeds. Raises RuntimeError if all failed."""
    failures = result.failures()
    if failures and len(failures) == len(result.trials):
        raise RuntimeError(f"all trainings failed; {failures[0]}:\n{failures[0].traceback}")
    if failures:
        warn(
            f"{len(failures)} of {format_count(len(result.trials), 'training')} failed; "
            f"{failures[0]}: {failures[0].error}; failures() of the result has the tracebacks",
            RuntimeWarning,
        )
    for cell in result.cells():
        losses = [
            [record.loss for record in trial.records] for trial in cell.trials if not trial.error
        ]
        if len(losses) > 1 and all(curve == losses[0] for curve in losses):
            warn(
                f"{cell.trials[0]} has the same losses as all other seeds; pass the seed to the "
                "model and to fit, as rng",
                RuntimeWarning,
            )
            break
    return result


def combine_values(grid: Mapping[str, Iterable[Any]]) -> list[dict[str, Any]]:
    """Return each combination of the values of a grid; the last name changes fastest.

    >>> combine_values({"width": [8, 16], "lr": np.array([0.1])})
    [{'width': 8, 'lr': 0.1}, {'width': 16, 'lr': 0.1}]
    """
    check_mapping("grid", grid, "{'width': [8, 16], 'lr': [0.01, 0.1]}")
    columns = []
    for name, values in grid.items():
        if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
            raise TypeError(f"grid[{name!r}] must be a list of values, got {values!r}")
        column = [plain_value(name, x) for x in values]
        repeated = next((x for i, x in enumerate(column) if repr(x) in map(repr, column[:i])), None)
        if not column or repeated is not None:
            problem = "none" if not column else f"{repeated!r} twice"
            raise ValueError(f"grid[{name!r}] must have values, each once, got {problem}")
        columns.append(column)
    return [dict(zip(grid, values, strict=True)) for values in product(*columns)]


def plain_value(name: str, x: Any) -> Any:
    """Return a value of a grid as Python's own number, string or list. Raises TypeError otherwise.

    Files are named by the value, so its text must be the same in each process.
    """
    if isinstance(x, np.generic | np.ndarray):
        x = x.tolist()
    if isinstance(x, list | tuple):
        return (list if isinstance(x, list) else tuple)([plain_value(name, part) for part in x])
    if x is None or isinstance(x, str | bool | int | float):
        return x
    raise TypeError(
        f"values of grid[{name!r}] must be numbers, strings, booleans, None or lists of them, "
        f"got {x!r}; pass its name, and look it up in build"
    )


def check_build(build: Any, names: list[str]) -> None:
    """Raise TypeError or ValueError unless `build` takes the names of the grid."""
    if not callable(build):
        raise TypeError(
            f"build must be a function that returns fit(..., checkpoint=checkpoint), got {build!r}"
        )
    for name in GIVEN:
        if name in names:
            raise ValueError(f"{name} is not a name for the grid: sweep passes it to build")
    try:
        parameters = inspect.signature(build).parameters
    except ValueError:
        return
    kinds = {parameter.kind for parameter in parameters.values()}
    if inspect.Parameter.VAR_KEYWORD not in kinds:
        for name in [*names, *GIVEN]:
            if name in GIVEN and name not in parameters:
                raise TypeError(
                    "build must have the parameters seed and checkpoint, got "
                    f"{describe_build(build)}"
                )
            own = {key: x for key, x in parameters.items() if key not in GIVEN}
            if name not in GIVEN:
                look_up(f"parameter of {describe_build(build)}:", own, name)
    missing = [
        name
        for name, parameter in parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        and name not in (*names, *GIVEN)
    ]
    if missing:
        raise ValueError(f"{describe_build(build)} also expects {missing[0]!r}; add it to the grid")


def describe_build(build: Callable[..., Any]) -> str:
    names = ", ".join(inspect.signature(build).parameters)
    return f"{getattr(build, '__name__', 'build')}({names})"


def check_seeds(seeds: Any) -> list[int]:
    """Return a list of seeds. Raises ValueError for a repeated one."""
    if isinstance(seeds, Iterable) and not isinstance(seeds, str):
        numbers = [check_whole("a seed", seed, least=0) for seed in seeds]
    else:
        numbers = list(range(check_whole("seeds", seeds)))
    if not numbers or len({*numbers}) < len(numbers):
        raise ValueError(f"seeds must be a number, or distinct numbers, got {seeds!r}")
    return numbers


def make_folder(folder: str | os.PathLike[str], build: Callable[..., Any]) -> Path:
    """Return the folder of the trainings of this `build`; create it if it does not exist."""
    parent = Path(os.path.abspath(check_path("folder", folder)))
    place = parent / f"build-{code_checksum(build)}"
    others = list(parent.glob("build-*"))
    if others and not place.exists():
        warn(
            f"{parent} has trainings of another build, whose code or data differ; they are not "
            "used, and can be deleted",
            RuntimeWarning,
        )
    place.mkdir(parents=True, exist_ok=True)
    return place


def file_name(arguments: dict[str, Any]) -> str:
    """Return a name for the files of a training, without a suffix, for any order of arguments.

    The checksum distinguishes names that differ only in case or in special characters.

    >>> file_name({"width": 8, "lr": 0.1, "seed": 0})
    'lr=0.1,seed=0,width=8-7c042c7b'
    """
    items = sorted(arguments.items())
    text = ",".join([f"{name}={x}" for name, x in items])
    slug = re.sub(r"[^\w=.,+-]+", "_", text, flags=re.ASCII)[:LONGEST_SLUG]
    return f"{slug}-{zlib.crc32(repr(items).encode()):08x}"


def write_outcome(path: Path, outcome: Outcome) -> None:
    """Write the records of a finished training to a file."""
    content = {"records": outcome.records, "epoch": outcome.epoch}
    archive.replace(f"{path}.json", json.dumps(content).encode())


def read_outcome(path: Path) -> Outcome | None:
    """Return the outcome of a finished training; None for another, or if the file is damaged."""
    try:
        content = json.loads(Path(f"{path}.json").read_bytes())
        return Outcome(content["records"], content["epoch"])
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None
